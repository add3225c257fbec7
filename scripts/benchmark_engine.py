"""What a step costs: each engine beside the torch.nn.LSTM loop and the limits of the machine, in one run, on one thread.

    pip install -e '.[onnx]'
    python scripts/benchmark_engine.py [MODEL]

A step takes in one event (its tokens and features, looked up and added up) and carries the state of all layers on, without
heads. The events are those of tunes that MODEL (default: fiddle) writes; weights are random, embeddings as wide as a layer.
Times are CPU time, medians of `ROUNDS` rounds in which everything is measured in turns, so that what else the machine does
disturbs all alike; a quiet machine is better.

Limits. Bandwidth: the time for one read of the weights that cannot be folded into tables (all but the first layer's input
weights), in 32 bits, by a product of matrix and vector or a search for the largest, whichever is quicker. Matrix peak: as
many streams as this machine could step if it did all products of the model as trained (no folding) at the speed of one
product of two 1024 x 1024 matrices; an engine that folds can pass it.

At last MODEL itself writes tunes: everything, with heads, grammar, features and sampling.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = "1"

import statistics
import sys
import time
from collections.abc import Callable, Mapping

import numpy as np
import torch
from numpy.typing import NDArray

from melody import export
from melody.cli.make import find_model
from melody.modelfile import ModelFile
from melody.network import AnyEngine, Engine
from melody.network.network import MelodyNetwork
from melody.network.settings import ModelSettings
from melody.sampling import Model, SamplingSettings
from melody.tokens.inputs.features import context
from melody.tokens.inputs.schema import feature_sizes
from melody.tokens.vocabulary import FIELDS, Vocabulary

ROUNDS = 7
SECONDS = 0.02  # of each measurement in a round, at least
EVENTS = 40  # of a tune in one measurement
SHAPES = ((2, 256), (2, 512), (3, 512))
STREAMS = (1, 16, 64, 256)
Runs = Mapping[str, Callable[[], object]]
Events = NDArray[np.int64]


def medians(runs: Runs) -> dict[str, float]:
    """Median CPU seconds of one call of each."""
    repeats = {}
    for name, run in runs.items():
        run()
        repeats[name] = max(int(SECONDS / max(timed(run, 1), 1e-7)), 1)
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(ROUNDS):
        for name, run in runs.items():
            times[name].append(timed(run, repeats[name]))
    return {name: statistics.median(seconds) for name, seconds in times.items()}


def timed(run: Callable[[], object], repeats: int) -> float:
    """Seconds of the processor that a run takes, the mean of so many."""
    start = time.process_time()
    for _ in range(repeats):
        run()
    return (time.process_time() - start) / repeats


def random_model(vocabulary: Vocabulary, layers: int, size: int) -> tuple[MelodyNetwork, ModelFile]:
    """A model of that shape, and its file."""
    torch.manual_seed(0)
    settings = ModelSettings(hidden_size=size, num_layers=layers, embedding_size=size)
    model = MelodyNetwork(vocabulary, settings).eval()
    return model, ModelFile({name: value.numpy() for name, value in model.state_dict().items()}, vocabulary, {})


def events(model: Model, streams: int) -> Events:
    """`EVENTS` of a tune for each stream with their features, (events, streams, fields + features); 8 different tunes."""
    width = len(FIELDS) + len(feature_sizes(model.vocabulary))
    tunes = model.generate_many(8, bars=32, settings=SamplingSettings(any_ending=True))
    rows = [model.vocabulary.encode(tune) for tune in tunes]
    known = [np.concatenate([r, context(model.vocabulary, r)], axis=1)[:EVENTS, :width] for r in rows]
    return np.stack([known[i % len(known)] for i in range(streams)], axis=1)


def torch_steps(model: MelodyNetwork, tunes: Events, *, onednn: bool) -> Callable[[], object]:
    """Steps of the nn.LSTM, its state carried on."""
    given = torch.from_numpy(tunes)[:, :, None]

    def run() -> None:
        state = None
        with torch.inference_mode(), torch.backends.mkldnn.flags(enabled=onednn):
            for event in given:
                _, state = model(event, state)

    return run


def engine_steps(engine: AnyEngine, tunes: Events) -> Callable[[], object]:
    """An engine that hears tunes, an event of each at a time."""

    def run() -> None:
        state = engine.begin(tunes.shape[1])
        for event in tunes:
            _, state = engine.step(event, state)

    return run


def reads(layers: int, size: int) -> Runs:
    """Two ways to read as many bytes as a step must."""
    weights = np.random.default_rng(0).standard_normal((4 * size * (2 * layers - 1), size)).astype(np.float32)
    vector, out = np.ones(size, np.float32), np.empty(len(weights), np.float32)
    return {"product": lambda: np.dot(weights, vector, out=out), "largest": weights.max}


def peak() -> Runs:
    """The product of matrices that stands for what the machine can do."""
    square = np.random.default_rng(0).standard_normal((1024, 1024)).astype(np.float32)
    out = np.empty_like(square)
    return {"square": lambda: np.matmul(square, square, out=out)}


def ways(model: MelodyNetwork, file: ModelFile, tunes: Events) -> Runs:
    """All ways to take the steps of a model, by name."""
    return {
        "nn.LSTM": torch_steps(model, tunes, onednn=True),
        "nn.LSTM, oneDNN off": torch_steps(model, tunes, onednn=False),
        "NumPy": engine_steps(Engine(file.vocabulary, file.weights), tunes),
        "ONNX Runtime": engine_steps(export.engine(file), tunes),
        "ONNX Runtime, int8": engine_steps(export.engine(file, "int8"), tunes),
    }


def show_shape(trained: Model, layers: int, size: int) -> None:
    """The tables of one shape."""
    model, file = random_model(trained.vocabulary, layers, size)
    for streams in STREAMS:
        runs = ways(model, file, events(trained, streams))
        took = medians({**runs, **reads(layers, size), **peak()})
        step = {name: took[name] / EVENTS for name in runs}
        products = 4 * size * size * 2 * layers  # multiplications of a step as trained
        fastest = 1024**3 / took["square"] / products  # streams stepped a second
        limit = min(took["product"], took["largest"])
        print(f"\n{layers} x {size}, {streams} stream{'s' * (streams > 1)}")
        for name, seconds in step.items():
            line = f"  {name:20} {1e6 * seconds:9.1f} us a step {streams / seconds:10,.0f} events/s"
            line += f" {step['nn.LSTM'] / seconds:6.1f} x nn.LSTM"
            share = (
                f"{seconds / limit:6.2f} x bandwidth limit"
                if streams == 1
                else f"{streams / seconds / fastest:6.0%} of peak"
            )
            print(line, share)
        if streams == 1:
            print(f"  {'bandwidth limit':20} {1e6 * limit:9.1f} us")
        else:
            print(f"  {'matrix peak':20} {'':19} {fastest:10,.0f} events/s ({2e-9 * fastest * products:.0f} GFLOP/s)")


def show_model(model: Model) -> None:
    """What the model takes for a note, all in all."""
    print(f"\n{model.file.name}, whole tunes: heads, grammar, features and sampling included")
    for count in (1, 64):
        settings = SamplingSettings(seed=1, any_ending=True)
        notes = sum(tune.num_notes for tune in model.generate_many(count, settings=settings))
        took = medians({"all": lambda count=count, settings=settings: model.generate_many(count, settings=settings)})["all"]
        print(f"  {count:3} side by side: {1e6 * took / notes:7.1f} us a note, {notes / took:8,.0f} notes/s")


def main() -> None:
    """Measure each shape and number of streams, then whole tunes, and print."""
    torch.set_num_threads(1)
    model = find_model(sys.argv[1] if len(sys.argv) > 1 else "fiddle")
    for layers, size in SHAPES:
        show_shape(model, layers, size)
    show_model(model)


if __name__ == "__main__":
    main()
