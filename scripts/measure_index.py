"""How the originality check grows with the corpus: bytes a note, seconds to load, milliseconds a tune.

    python scripts/measure_index.py [--model checkpoints/fiddle.safetensors] [--notes 100000 1000000 10000000] [--tunes 50]

A corpus of each size is made of the lines of the model's index, over and over, each time with a tenth of the pitches
altered, so that its figures are as frequent as in music and its long runs are different ones. The tunes are lines of the
index as they are. All times are those of the processor: of loading (the file, symbols and order), and of `compare` as
generate calls it, the median and what 95 % of tunes do not exceed.
"""

from __future__ import annotations

import argparse
import resource
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from melody.originality.finding import compare
from melody.originality.index import Index, beside, load_index
from melody.piece import Piece

ALTERED = 0.1  # of the pitches
ROOT = Path(__file__).parents[1]


def main() -> None:
    """Make, measure and print, a line for each size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=ROOT / "checkpoints" / "fiddle.safetensors")
    parser.add_argument("--notes", type=int, nargs="+", default=[100_000, 300_000, 1_000_000, 3_000_000, 10_000_000])
    parser.add_argument("--tunes", type=int, default=50)
    arguments = parser.parse_args()
    small = load_index(beside(arguments.model))
    tunes = [
        tune_of(small, line) for line in range(0, len(small.line_starts) - 1, len(small.line_starts) // arguments.tunes)
    ]
    print(f"{'notes':>12}{'pieces':>10}{'bytes a note':>14}{'load s':>9}{'ms a tune':>11}{'95 %':>8}{'MB':>8}")
    for notes in arguments.notes:
        with TemporaryDirectory() as folder:
            path = Path(folder) / "large.index"
            enlarged(small, notes).save(path)
            begun = time.process_time()
            index = load_index(path)
            compare(index, tunes[0], in_full=False)  # the first one sorts
            loaded, size = time.process_time() - begun, path.stat().st_size
        taken = []
        for tune in tunes:
            begun = time.process_time()
            compare(index, tune, in_full=False)
            taken.append(1_000 * (time.process_time() - begun))
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_000
        print(
            f"{index.num_notes:12,}{len(index.names):10,}{size / index.num_notes:14.2f}{loaded:9.2f}"
            f"{np.median(taken):11.2f}{np.quantile(taken, 0.95):8.2f}{memory:8,.0f}",
            flush=True,
        )


def enlarged(small: Index, notes: int) -> Index:
    """An index of so many notes: whole rounds of the lines of another, altered, and a part of one."""
    rng = np.random.default_rng(0)
    times = -(-notes // small.num_notes)
    pitch, spacing = np.tile(small.pitch, times), np.tile(small.spacing, times)
    which = rng.random(len(pitch)) < ALTERED
    pitch = np.clip(pitch + which * rng.choice([-2, -1, 1, 2], len(pitch)), 0, 127).astype(np.uint8)
    starts = np.concatenate([small.line_starts[:-1] + n * small.num_notes for n in range(times)])
    piece = np.concatenate([small.line_piece + n * len(small.names) for n in range(times)])
    kept = int(np.searchsorted(starts, notes))
    end = int(starts[kept]) if kept < len(starts) else len(pitch)
    names = tuple(f"{name}, {n + 1}" for n in range(times) for name in small.names)[: int(piece[kept - 1]) + 1]
    return Index(
        pitch[:end],
        spacing[:end],
        small.spacings,
        np.append(starts[:kept], end),
        piece[:kept].astype(np.uint32),
        names,
        small.ticks_per_quarter,
        "enlarged",
        len(names),
        small.norm,
    )


def tune_of(index: Index, line: int) -> Piece:
    """A line of an index as a piece."""
    here = slice(int(index.line_starts[line]), int(index.line_starts[line + 1]))
    spacing = index.spacings[index.spacing[here]]
    return Piece(np.cumsum(spacing) - spacing, spacing, index.pitch[here], ticks_per_quarter=index.ticks_per_quarter)


if __name__ == "__main__":
    main()
