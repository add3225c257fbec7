"""What a written note costs beside the engine's step, and where the rest goes, in one run, on one thread.

    python scripts/benchmark_notes.py [MODEL] [--notes 2000] [--tunes 100] [--only-tunes]

A note is timed where it is made: live music without end, and tunes side by side, each of which is followed by another as
soon as it ends, so that there are always as many. The step is `engine.step` alone on events of tunes that MODEL (default:
fiddle) writes, as `scripts/benchmark_engine.py` measures it. Both are measured in turns, `ROUNDS` times, and medians given,
in time of the processor, so that what else the machine does disturbs both alike. The stages are timed in one more run by a
clock around each of their functions, which costs a little itself. At last so many tunes, as `melody generate` makes them.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = "1"

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import islice
from typing import Any

import numpy as np

from melody.cli.make import find_model
from melody.sampling import Model, SamplingSettings
from melody.sampling.constraints.constraint import Masks
from melody.sampling.strategies import ancestral
from melody.sampling.strategies.ancestral import Job, Streams
from melody.sampling.tasks import live
from melody.tokens import features
from melody.tokens.grammar import Grammar
from melody.tokens.inputs.context import Conditions, Contexts
from melody.tokens.inputs.schema import feature_sizes
from melody.tokens.vocabulary import FIELDS

ROUNDS, MANY, EVENTS = 5, 64, 200
Functions = tuple[tuple[Any, str], ...]  # where each is, and its name


def stages(model: Model) -> dict[str, Functions]:
    """The functions of each stage of writing a note."""
    engine = model.decoder.engine
    masks = ("times", "past_end", "kinds", "values", "durations", "velocities", "push", "take", "join")
    return {
        "engine step": ((engine, "step"),),
        "heads": ((engine, "trunks"), (engine, "logits")),
        "masks": tuple((Masks, name) for name in masks),
        "context": (
            *((Contexts, name) for name in ("push", "take", "join")),
            *((Conditions, name) for name in ("__init__", "place", "part")),
        ),
        "choice": ((ancestral, "choose_surely"), (live, "choose")),
    }


def seconds(run: Callable[[], int]) -> float:
    """Of the processor for each of the things that a run says it made."""
    start = time.process_time()
    made = run()
    return (time.process_time() - start) / made


def write_live(model: Model, notes: int) -> int:
    """So many notes of one stream."""
    return len(list(islice(live.stream(model, endless=True), notes)))


def write_side_by_side(model: Model, side_by_side: int, notes: int) -> int:
    """Notes of so many tunes at once, each followed by another, until there are enough or more."""
    vocabulary, decoder, settings = model.vocabulary, model.decoder, SamplingSettings(seed=1, any_ending=True)
    streams = Streams(decoder, lambda _: decoder.begin(Masks(Grammar(vocabulary, 1))), settings, 5_000)
    streams.begin([Job(number, 0) for number in range(side_by_side)])
    made, number = 0, side_by_side
    while made < notes:
        ended = streams.step()
        made += sum(int(vocabulary.is_note(drawn.rows).sum()) for _, drawn in ended if drawn)
        if ended:
            streams.begin([Job(number + i, 0) for i in range(len(ended))])
            number += len(ended)
    unfinished = [streams._own.events_of(stream) for stream in range(len(streams))]
    return made + sum(int(vocabulary.is_note(rows).sum()) for rows in unfinished)


def step(model: Model, streams: int) -> int:
    """The engine's step alone; gives events."""
    tunes = _events(model)[:, np.arange(streams) % 8]
    state = model.decoder.engine.begin(streams)
    for event in tunes:
        _, state = model.decoder.engine.step(event, state)
    return EVENTS * streams


_KNOWN: dict[int, np.ndarray] = {}


def _events(model: Model) -> np.ndarray:
    """Events of eight tunes with their features, (events, 8, fields + features)."""
    if id(model) not in _KNOWN:
        width = len(FIELDS) + len(feature_sizes(model.vocabulary))
        tunes = model.generate_many(8, bars=64, settings=SamplingSettings(any_ending=True))
        rows = [model.vocabulary.encode(tune) for tune in tunes]
        known = [np.concatenate([r, features.context(model.vocabulary, r)], axis=1)[:EVENTS, :width] for r in rows]
        _KNOWN[id(model)] = np.stack(known, axis=1)
    return _KNOWN[id(model)]


@contextmanager
def clocks(stages: dict[str, Functions]) -> Iterator[dict[str, float]]:
    """The seconds of each stage, meanwhile, without those of stages within it."""
    taken, before = dict.fromkeys(stages, 0.0), []
    inside = [0.0]

    def timed(stage: str, function: Callable[..., Any], *given: Any, **named: Any) -> Any:
        inside.append(0.0)
        start = time.process_time()
        try:
            return function(*given, **named)
        finally:
            all_ = time.process_time() - start
            taken[stage] += all_ - inside.pop()
            inside[-1] += all_

    for stage, functions in stages.items():
        for owner, name in functions:
            function = getattr(owner, name)
            before.append((owner, name, function))
            wrapped = partial(timed, stage, function)
            setattr(owner, name, _method(wrapped) if isinstance(owner, type) else wrapped)
    try:
        yield taken
    finally:
        for owner, name, function in before:
            setattr(owner, name, function)


def _method(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *given, **named: function(*given, **named)


def show(model: Model, name: str, streams: int, write: Callable[[], int]) -> None:
    """A note, the step, and the stages."""
    write(), step(model, streams)
    pairs = [(seconds(write), seconds(partial(step, model, streams))) for _ in range(ROUNDS)]
    note, alone = (1e6 * statistics.median(times) for times in zip(*pairs))
    ratio = statistics.median(n / s for n, s in pairs)
    print(f"{name}: {note:.1f} us a note, {alone:.1f} us a step, {ratio:.2f} times")
    with clocks(stages(model)) as taken:
        start = time.process_time()
        made = write()
        everything = time.process_time() - start
    for stage, took in {**taken, "the rest": everything - sum(taken.values())}.items():
        print(f"    {stage:12} {1e6 * took / made:7.1f} us a note {took / everything:5.0%}")


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", default="fiddle")
    parser.add_argument("--notes", type=int, default=2000, help="of one stream; ten times as many of 64")
    parser.add_argument("--tunes", type=int, default=100)
    parser.add_argument("--only-tunes", action="store_true")
    asked = parser.parse_args()
    model = find_model(asked.model)
    if not asked.only_tunes:
        show(model, "live, one stream", 1, partial(write_live, model, asked.notes))
        show(model, "one tune", 1, partial(write_side_by_side, model, 1, asked.notes))
        show(model, f"{MANY} tunes", MANY, partial(write_side_by_side, model, MANY, 10 * asked.notes))
    took = []
    for _ in range(ROUNDS if asked.tunes else 0):
        start = time.process_time()
        model.generate_many(asked.tunes, settings=SamplingSettings(seed=1))
        took.append(time.process_time() - start)
    if took:
        print(f"{asked.tunes} tunes: {statistics.median(took):.2f} s, {min(took):.2f} to {max(took):.2f}")


if __name__ == "__main__":
    main()
