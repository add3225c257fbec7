"""How long a player waits for a note: the time of `sampling.tasks.live` for each note, its median and 99th percentile.

    python scripts/benchmark_live.py MODEL... [--notes 2000] [--feed]

Conventions: times are those of one `next`, in milliseconds, on one thread: by the clock on the wall, and of the processor,
in which other programs do not count. A note of several parts may take several events. The first notes are left out, in which
memory is first touched. With --feed every fourth note is a player's, a random one from the middle of the model's range, and
what `feed` takes is counted with the model's next note.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
import time
from contextlib import suppress

import numpy as np

from melody.errors import SamplingError
from melody.sampling import Model, load
from melody.sampling.tasks.live import stream

WARM_UP = 50


def times(model: Model, notes: int, feed: bool) -> np.ndarray:
    """Seconds for each note, on the wall and of the processor, (2, notes)."""
    live = stream(model, endless=True)
    random = np.random.default_rng(0)
    low, high = model.vocabulary.pitches
    middle = np.arange(low + (high - low) // 4, high - (high - low) // 4 + 1)
    taken = np.zeros((2, notes + WARM_UP))
    for number in range(taken.shape[1]):
        started = time.perf_counter(), time.process_time()
        if feed and number % 4 == 3:
            with suppress(SamplingError):  # the same pitch may sound
                live.feed(int(random.choice(middle)), part=int(random.integers(len(model.vocabulary.parts))))
        next(live)
        taken[:, number] = time.perf_counter() - started[0], time.process_time() - started[1]
    return taken[:, WARM_UP:]


def main() -> None:
    """Parse, measure, print a line for each model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--notes", type=int, default=2000)
    parser.add_argument("--feed", action="store_true", help="let a player join in")
    asked = parser.parse_args()
    for path in asked.models:
        model = load(path)
        for clock, taken in zip(("on the wall", "of the processor"), 1000 * times(model, asked.notes, asked.feed)):
            median, last, most = np.percentile(taken, [50, 99, 100])
            early, late = np.median(taken[: asked.notes // 4]), np.median(taken[-asked.notes // 4 :])
            print(
                f"{model.file.name}, {clock}: median {median:.2f} ms a note, 99th percentile {last:.2f} ms, longest "
                f"{most:.2f} ms; first quarter {early:.2f} ms, last quarter {late:.2f} ms"
            )


if __name__ == "__main__":
    main()
