"""How far doubt about a file's time goes: files spoilt on purpose and read again, beside the same files unspoilt.

    python scripts/measure_time.py FOLDER [--most N]

Printed with the number of files, each beside the share that is asked for or was found before:

- clean: files that doubt changes though nothing was done to them, by what is said of each.
- shifted: all notes later by some quarters, to the nearest tick of the file, and in the second column with them all metres,
  tempi and keys but those at the beginning; equal if the piece on the grid is the same to the note, and its metres, tempi
  and keys with it. Late by whole quarters the notes stand on the beat: bar lines then move only where they must.
- jittered: each onset and end moved by chance, by a standard deviation given in ticks of 480; the share of the files that
  are no performance, and of the onsets that come to stand where they stood.
- in beats: every metre replaced by 1/4; the share of the files whose bars are as long as before or half or twice that, and
  of those whose bar lines all stand where one stood.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from melody import midi
from melody.corpus.read.beat_phase import is_played
from melody.corpus.read.mending import mended
from melody.errors import MelodyError
from melody.midi.file_events import END, PITCH, START, Source, to_piece
from melody.midi.sustain import later
from melody.piece import TICKS_PER_QUARTER, Piece

QUARTERS = (
    1 / 480,
    7 / 480,
    40 / 480,
    1 / 6,
    1 / 4,
    1 / 3,
    3 / 8,
    1 / 2,
    2 / 3,
    3 / 4,
    0.9,
    1.3,
    1.9,
    2.6,
    3.4,
    5.7,
    17.3,
    1,
    2,
    4,
    12,
)
JITTER = (3, 6, 10, 14, 20)


def sources_of(folder: Path, most: int) -> list[tuple[str, Source]]:
    """The files of a folder that can be read, `most` of them from all over it."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in midi.SUFFIXES)
    paths = [paths[i] for i in np.unique(np.linspace(0, len(paths) - 1, min(most, len(paths))).astype(int))]
    found = []
    for path in paths:
        try:
            found.append((str(path.relative_to(folder)), midi.scan(path.read_bytes())[0]))
        except MelodyError as error:
            print(f"{path}: {error}")
    return found


def read(source: Source) -> tuple[Piece, list[str]]:
    """The piece as a corpus has it, and what was mended."""
    repairs: list[str] = []
    changed = mended(source, repairs)
    return to_piece(changed, TICKS_PER_QUARTER, [])[0], repairs


def shifted(source: Source, ticks: int) -> Source:
    """All notes later, and the pedal."""
    notes = source.notes.copy()
    notes[:PITCH] += ticks
    return replace(source, notes=notes, sustain=later(source.sustain, ticks))


def begun_later(source: Source, ticks: int) -> Source:
    """All of it later but what holds from the beginning on."""
    metres, tempi, keys = (
        tuple((change[0] + ticks if change[0] else 0, *change[1:]) for change in changes)
        for changes in (source.time_signatures, source.tempi, source.keys)
    )
    return replace(shifted(source, ticks), time_signatures=metres, tempi=tempi, keys=keys)


def jittered(source: Source, deviation: float, rng: np.random.Generator) -> Source:
    """Onsets and ends moved by chance, by a standard deviation in ticks of 480 to the quarter, on such a grid at least."""
    finer = max(round(4800 / source.ticks_per_quarter), 1)
    notes = source.notes.copy()
    notes[:PITCH] *= finer
    moved = rng.normal(0, deviation * finer * source.ticks_per_quarter / 480, notes[:PITCH].shape)
    notes[:PITCH] = np.maximum(notes[:PITCH] + np.rint(moved).astype(np.int64), 0)
    notes[END] = np.maximum(notes[END], notes[START] + 1)
    metres, tempi, keys = (
        tuple((change[0] * finer, *change[1:]) for change in changes)
        for changes in (source.time_signatures, source.tempi, source.keys)
    )
    grid = source.ticks_per_quarter * finer
    return replace(source, ticks_per_quarter=grid, notes=notes, time_signatures=metres, tempi=tempi, keys=keys)


def share(found: Iterable[bool]) -> str:
    """Of those that are true, with the number."""
    true = list(found)
    return f"{np.mean(true):.3f} of {len(true):,}"


def in_place(piece: Piece, other: Piece) -> float:
    """Share of the notes of a piece that begin in another one, too, at the same tick."""
    return float(np.mean(np.isin(piece.onset << 7 | piece.pitch, other.onset << 7 | other.pitch)))


def has_one_metre(source: Source) -> bool:
    """Whether a file has one metre throughout, of 2, 3 or 4 quarters or 6 eighths."""
    metres = {metre[1:] for metre in source.time_signatures}
    return len(metres) == 1 and metres <= {(2, 4), (3, 4), (4, 4), (6, 8), (2, 2)}


def bar_lines(source: Source) -> tuple[bool, bool]:
    """Whether bars of 1/4 get a length that goes with the right one, and whether bar lines stand where some stood."""
    right, _ = read(source)
    found, _ = read(replace(source, time_signatures=((0, 1, 4),)))
    bar, guessed = (piece.time_signatures[0].bar_ticks() for piece in (right, found))
    late = int(found.onset.min() - right.onset.min())
    return max(bar, guessed) in (min(bar, guessed), 2 * min(bar, guessed)), late % min(bar, guessed) == 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what the command line names."""
    parser = argparse.ArgumentParser(description="How far doubt about a file's time goes")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--most", type=int, default=10_000, metavar="N", help="files to look at")
    given = parser.parse_args(arguments)
    named = sources_of(given.folder, given.most)
    sources = [source for _, source in named]
    pieces = [read(source) for source in sources]
    said: Counter[str] = Counter(re.sub(r"[\d.,/]+", "#", words) for _, repairs in pieces for words in repairs)
    print(f"clean: {share(bool(repairs) for _, repairs in pieces)} files changed")
    for words, number in said.most_common():
        print(f"  {number:,}: {words}")
    played = [is_played(source) for source in sources]
    print(f"performances: {share(played)}")
    scores = [(source, piece) for source, (piece, _), is_one in zip(sources, pieces, played) if not is_one]
    for quarters in QUARTERS:
        alone, all_of_it = (
            share(read(late(s, round(quarters * s.ticks_per_quarter)))[0] == piece for s, piece in scores)
            for late in (shifted, begun_later)
        )
        print(f"shifted by {quarters:.3f} quarters: equal {alone}; with all that stands in the file {all_of_it}")
    rng = np.random.default_rng(0)
    for deviation in JITTER:
        spoilt = [(jittered(source, deviation, rng), piece) for source, piece in scores]
        mean = np.mean([in_place(piece, read(source)[0]) for source, piece in spoilt])
        plain = np.mean([in_place(piece, to_piece(source, TICKS_PER_QUARTER, [])[0]) for source, piece in spoilt])
        print(
            f"jittered by {deviation} of 480: no performance {share(not is_played(source) for source, _ in spoilt)}; "
            f"onsets in place {mean:.3f} ({plain:.3f} if only rounded)"
        )
    lines = [bar_lines(source) for source, _ in scores if has_one_metre(source)]
    if lines:
        print(f"in beats: bars as long {share(a for a, _ in lines)}, bar lines in place {share(a and b for a, b in lines)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
