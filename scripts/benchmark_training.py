"""Training: events (notes) a second, of Lightning's `fit`, of the same model in a bare loop, and of `nn.LSTM` alone.

    python scripts/benchmark_training.py FOLDER [--threads 1 2] [--hidden 256] [--layers 2] [--rounds 5]
    python scripts/benchmark_training.py FOLDER --memory 10000 100000

All see the same windows of the same pieces, forward, backward, clipping and AdamW; `fit` reads them from the corpus as in
any training, the others have them at hand. They run in turns, ROUNDS times; the median of each is told, and the median of
the ratios within a round. With one thread the seconds are the processor's own, so that other programs count less; with more
they are those of the clock. The share of the peak is that of the multiplications of a note, forward and backward, in what
the machine does in a product of two matrices of 1024 x 1024, measured in the same round: for `nn.LSTM` alone those of its
layers, for `fit` those of the heads, too. The features' share is the part of `fit`'s time in which features are
computed, none of them being kept from an epoch before.

`--memory` prints the largest memory of a training on so many files, each in a process of its own, and by how many bytes a
file it grows: the folder's files, varied as `scripts/stress_prepare.py` does it. An epoch sees a part of so many; all are
looked through for the plan, and a tenth of them is measured at the end, which takes minutes with a model of the usual size
(`--hidden 32 --layers 1` takes less).
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys

os.environ.setdefault("GOMP_SPINCOUNT", "1000")  # before torch is loaded; see melody.threads

import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from melody import dataset
from melody.corpus import Corpus, PrepareSettings, prepare
from melody.dataset import Batches
from melody.network.network import MelodyNetwork
from melody.network.settings import ModelSettings
from melody.tokens.inputs.outlines.outline import Outline
from melody.tokens.vocabulary import Rows, Vocabulary
from melody.training.module import Loader, Tensors, window_loss
from melody.training.run import fit
from melody.training.settings import TrainingSettings

WARM = 3  # windows that are not counted
SIZE = 1024


class Enough(Exception):
    """Ends `fit` after the windows that are wanted."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--threads", type=int, nargs="+", default=[1])
    parser.add_argument("--hidden", type=int, default=256)
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--windows", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--memory", type=int, nargs="+", metavar="FILES")
    arguments = parser.parse_args()
    if arguments.memory:
        memories(arguments.folder, arguments.memory, arguments.hidden, arguments.layers)
        return
    stored = arguments.folder.suffix == ".store"
    corpus = Corpus.open(arguments.folder) if stored else prepare(arguments.folder, PrepareSettings(workers=0))
    shape = replace(
        ModelSettings(), hidden_size=arguments.hidden, embedding_size=arguments.hidden, head_size=arguments.hidden
    )
    settings = TrainingSettings(epochs=1, model=replace(shape, num_layers=arguments.layers), samples=0)
    print(
        f"{'threads':8}{'precision':10}{'nn.LSTM':>10}{'ours':>10}{'fit':>10}{'fit/ours':>10}{'of peak:':>10}"
        f"{'nn.LSTM':>9}{'fit':>6}{'features':>10}   notes a second"
    )
    for threads in arguments.threads:
        torch.set_num_threads(threads)
        for precision in ("32", "bf16"):
            measure(corpus, replace(settings, precision=precision), threads, arguments.windows, arguments.rounds)


TRAINING = """
import resource, sys
from pathlib import Path
from melody.corpus import Corpus
from melody.training.run import fit
from melody.training.settings import TrainingSettings
unit = 1024 if sys.platform == "linux" else 1
hidden, layers = map(int, sys.argv[3:5])
settings = TrainingSettings(
    epochs=1, epoch_share=float(sys.argv[5]), hidden_size=hidden, num_layers=layers, samples=0, precision="32"
)
fit(Corpus.open(sys.argv[1]), Path(sys.argv[2]), settings, on_epoch=lambda epoch: print(epoch.number, file=sys.stderr))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)
"""


EVENTS = 400_000  # that one epoch sees, however many there are


def memories(folder: Path, numbers: Sequence[int], hidden: int, layers: int) -> None:
    """Print the largest memory of a training on each number of files, and by how much it grows a file."""
    before: tuple[int, int] | None = None
    for files in numbers:
        notes, largest = memory(folder, files, hidden, layers)
        grows = f"; {(largest - before[1]) / (files - before[0]):,.0f} bytes a file more" if before else ""
        print(f"{files:,} files, {notes:,} notes: {largest / 1e6:,.0f} MB{grows}", flush=True)
        before = files, largest


def memory(folder: Path, files: int, hidden: int, layers: int) -> tuple[int, int]:
    """Notes of that many files, and the largest memory of a training on them, in a process of its own."""
    from stress_prepare import make

    with tempfile.TemporaryDirectory() as temporary:
        scratch = Path(temporary)
        make(folder, scratch / "files", files)
        corpus = prepare(scratch / "files", PrepareSettings(workers=0), store=scratch / "store")
        share = min(EVENTS / sum(corpus.rows("train").sizes.tolist()), 1.0)
        command = [sys.executable, "-c", TRAINING, str(scratch / "store"), str(scratch / "model.safetensors")]
        command += [str(hidden), str(layers), str(share)]
        ran = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return corpus.counts["notes"], int(ran.stdout)


def measure(corpus: Corpus, settings: TrainingSettings, threads: int, count: int, rounds: int) -> None:
    """One line of the table."""
    clock = time.process_time if threads == 1 else time.perf_counter
    batches = Batches(corpus.vocabulary, list(corpus.rows("train")), settings.batch, settings.seed)
    windows = [window for window, _ in zip(Loader(lambda: batches.epoch(0)), range(WARM + count))]
    bf16 = settings.precision == "bf16"
    shape = settings.model
    assert shape is not None
    rates: list[tuple[float, float, float, float]] = []
    features: list[float] = []
    for _ in range(rounds):
        alone = looped(bare_lstm(shape), windows, clock, bf16)
        ours = looped(our_model(corpus, shape), windows, clock, bf16)
        whole, share_of_features = fitted(corpus, settings, windows, clock)
        features.append(share_of_features)
        rates.append((alone, ours, whole, peak(clock, bf16)))
    alone, ours, whole, most = (statistics.median(column) for column in zip(*rates))
    ratio = statistics.median(fit_rate / our_rate for _, our_rate, fit_rate, _ in rates)
    of_lstm = (
        3 * 2 * sum(4 * shape.hidden_size * (below + shape.hidden_size) for below in widths(shape))
    )  # operations a note
    of_heads = 3 * 2 * head_products(shape, corpus.vocabulary.sizes)
    share_alone = statistics.median(rate * of_lstm / top for rate, _, _, top in rates)
    share = statistics.median(fit_rate * (of_lstm + of_heads) / top for _, _, fit_rate, top in rates)
    print(
        f"{threads:<8}{settings.precision:10}{alone:10,.0f}{ours:10,.0f}{whole:10,.0f}{100 * ratio:9.1f}%"
        f"{100 * share_alone:18.0f}%{100 * share:5.0f}%{100 * statistics.median(features):9.1f}%"
        f"   (matrix peak {most / 1e9:,.0f} GFLOP/s)",
        flush=True,
    )


def widths(shape: ModelSettings) -> list[int]:
    """What each layer gets from below."""
    return [shape.embedding_size] + [shape.hidden_size] * (shape.num_layers - 1)


def head_products(shape: ModelSettings, sizes: Sequence[int]) -> int:
    """Multiplications of a note in the heads of all fields that say anything."""
    seen, width = shape.hidden_size + shape.embedding_size, shape.head_size
    return sum(seen * width + width * width + width * size for size in sizes if size > 1)


Step = Callable[[Tensors], torch.Tensor]


def bare_lstm(shape: ModelSettings) -> tuple[nn.Module, Step]:
    """The recurrent layers alone, on noise."""
    lstm = nn.LSTM(shape.embedding_size, shape.hidden_size, shape.num_layers, dropout=shape.dropout, batch_first=True)
    noise = torch.randn(64, 256, shape.embedding_size)
    return lstm, lambda window: lstm(noise[: window[2].shape[0], : window[2].shape[1]])[0].float().square().mean()


def our_model(corpus: Corpus, shape: ModelSettings) -> tuple[nn.Module, Step]:
    """The model with its embeddings, heads and loss."""
    model = MelodyNetwork(corpus.vocabulary, shape)
    return model, lambda window: window_loss(model, *window[:3], None)[0] / window[2].sum()


def looped(model_and_step: tuple[nn.Module, Step], windows: list[Tensors], clock: Callable[[], float], bf16: bool) -> float:
    """Notes a second in a bare loop."""
    model, step = model_and_step
    optimizer = torch.optim.AdamW(model.parameters(), fused=True)
    for i, window in enumerate(windows):
        if i == WARM:
            started = clock()
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            loss = step(window)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
    return _notes(windows) / (clock() - started)


def fitted(
    corpus: Corpus, settings: TrainingSettings, windows: list[Tensors], clock: Callable[[], float]
) -> tuple[float, float]:
    """Notes a second in `fit`, from the end of one window to that of another, and the share of features in that time."""
    times: list[float] = []
    spent: list[float] = []  # on features, until each of these times
    computing = 0.0
    compute = dataset.with_features

    def timed(vocabulary: Vocabulary, rows: Rows, outline: Outline | None = None) -> NDArray[np.int64]:
        nonlocal computing
        begun = clock()
        found = compute(vocabulary, rows, outline)
        computing += clock() - begun
        return found

    def stop(share: float) -> None:
        times.append(clock())
        spent.append(computing)
        if len(times) == len(windows):
            raise Enough

    uncached = patch.multiple(dataset, with_features=timed, CACHE_BYTES=0)  # planning would have computed the first ones
    with tempfile.TemporaryDirectory() as folder, suppress(Enough), uncached:
        fit(corpus, Path(folder) / "model.safetensors", settings, on_step=stop)
    seconds = times[-1] - times[WARM - 1]
    return _notes(windows) / seconds, (spent[-1] - spent[WARM - 1]) / seconds


def _notes(windows: list[Tensors]) -> int:
    return sum(int(window[2].sum()) for window in windows[WARM:])


def peak(clock: Callable[[], float], bf16: bool) -> float:
    """Operations a second in a product of matrices."""
    kind = torch.bfloat16 if bf16 else torch.float32
    one, other = torch.randn(SIZE, SIZE).to(kind), torch.randn(SIZE, SIZE).to(kind)
    best = 0.0
    for _ in range(8):
        started = clock()
        one @ other
        best = max(best, 2 * SIZE**3 / max(clock() - started, 1e-9))
    return best


if __name__ == "__main__":
    main()
