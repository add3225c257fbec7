"""From notes at exact times and the bar lines of a page to a piece; only a pick-up shifts the music, by the rest before it.

Conventions
-----------
Times are in units, `UNITS` to a tick of the default grid of 24 ticks a quarter. Times between the ticks are rounded, each
onset and each end by itself, so that rounding never adds up. A finer grid is taken only where a note would vanish.

The first bar is a pick-up if it is shorter than its metre and not as long as the second; a rest fills it. Two short bars
that make up a whole one, as at a repeat, are one. Any other bar that is short or over-full has a time signature of its own;
a bar line off the 32nd notes, where none can stand, is moved to the nearest one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import NamedTuple

import numpy as np

from melody.errors import ScoreError
from melody.piece import TICKS_PER_QUARTER, Key, Part, Piece, Tempo, TimeSignature
from melody.score.bars import UNITS
from melody.signatures import time_signature_of

QUARTER = TICKS_PER_QUARTER * UNITS
MAX_NOTES = 200_000
MAX_BARS = 20_000
MAX_QUARTERS = 100_000
_GRIDS = tuple(TICKS_PER_QUARTER << i for i in range(7))


class Tone(NamedTuple):
    """A note: onset and duration in units, MIDI pitch, velocity."""

    onset: int
    duration: int
    pitch: int
    velocity: int = 90


class PageBar(NamedTuple):
    """A bar of the page: its length in units and its metre, None where it has none."""

    length: int
    metre: tuple[int, int] | None


@dataclass
class Page:
    """A score: for each part its notes; the bars; keys as (units, key), tempi as (units, quarters a minute)."""

    parts: list[Part]
    notes: list[list[Tone]]
    bars: list[PageBar]
    keys: list[tuple[int, Key]] = field(default_factory=list)
    tempi: list[tuple[int, float]] = field(default_factory=list)
    title: str = ""


def to_piece(page: Page, repairs: Counter[str]) -> Piece:
    """The piece on a page; what had to be changed is added to `repairs`.

    Raises
    ------
    ScoreError
        If it has no notes, or more notes, bars or time than the limits of this module.
    """
    _check(page)
    grid = _grid(page)
    signatures, shift = _time_signatures(page.bars, grid, repairs)
    rows = [(*row, part) for part, notes in enumerate(page.notes) for row in _rows(notes, shift, grid)]
    if not rows:
        raise ScoreError("it has no notes; give a score with notes")
    onset, duration, pitch, velocity, part = np.array(rows, np.int64).T
    return Piece(
        onset,
        duration,
        pitch,
        velocity,
        part,
        tuple(page.parts),
        signatures,
        _tempi(page.tempi, shift, grid),
        _keys(page.keys, shift, grid),
        page.title,
        ticks_per_quarter=grid,
    )


def _check(page: Page) -> None:
    count = sum(map(len, page.notes))
    end = max((note.onset + note.duration for notes in page.notes for note in notes), default=0)
    if count > MAX_NOTES:
        raise ScoreError(f"it has {count:,} notes; at most {MAX_NOTES:,} are read: split it into shorter scores")
    if end > MAX_QUARTERS * QUARTER:
        raise ScoreError(f"it lasts {end // QUARTER:,} quarter notes; at most {MAX_QUARTERS:,} are read: split it")
    metres = [bar.metre for bar in page.bars if bar.metre]
    shortest = min((QUARTER * 4 * over // under for over, under in metres), default=QUARTER)
    if max(len(page.bars), end // shortest) > MAX_BARS:
        raise ScoreError(f"it has more than {MAX_BARS:,} bars; split it into shorter scores")


def _grid(page: Page) -> int:
    """The default grid, or the coarsest finer one on which every note keeps a tick."""
    shortest = min((note.duration for notes in page.notes for note in notes if note.duration), default=QUARTER)
    return next((grid for grid in _GRIDS if shortest * grid >= QUARTER), _GRIDS[-1])


def ticks(units: int, grid: int = TICKS_PER_QUARTER) -> int:
    """The nearest tick."""
    return (2 * units * grid + QUARTER) // (2 * QUARTER)


# Bars


def _time_signatures(bars: Sequence[PageBar], grid: int, repairs: Counter[str]) -> tuple[tuple[TimeSignature, ...], int]:
    """Time signatures that put the bar lines where the page has them, and by how many units a pick-up moves the music."""
    bars = [bar for bar in bars if bar.length > 0]
    shift = 0
    if len(bars) > 1 and bars[0].metre and bars[1].length != bars[0].length < _whole(bars[0]):
        shift = _whole(bars[0]) - bars[0].length
        bars = [PageBar(_whole(bars[0]), bars[0].metre), *bars[1:]]
    bars = list(_joined(bars))
    ends = list(accumulate(bar.length for bar in bars))
    lines = [0, *(_bar_line(end, grid) for end in ends)]
    if any(abs(line * QUARTER - end * grid) > QUARTER // 2 for line, end in zip(lines[1:-1], ends)):
        repairs["moved a bar line to the nearest 32nd note: no time signature is as long as that bar"] += 1
    found: list[TimeSignature] = []
    start = 0
    for bar, line in zip(bars, lines[1:]):
        for this in _signatures_of(start, line, bar.metre, grid, line == lines[-1], len(bars) == 1):
            if not found or found[-1][1:] != this[1:]:
                found.append(this)
            start = line
    return tuple(found) or (TimeSignature(0, 4, 4),), shift


def _whole(bar: PageBar) -> int:
    """How long it ought to be, in units; four quarters without a metre."""
    over, under = bar.metre or (4, 4)
    return 4 * QUARTER * over // under


def _joined(bars: Sequence[PageBar]) -> Iterator[PageBar]:
    """Two short bars that make up a whole one are one."""
    i = 0
    while i < len(bars):
        here, length = bars[i], bars[i].length
        if i + 1 < len(bars) and here.metre and length < _whole(here):
            both = length + bars[i + 1].length
            if abs(both - _whole(here)) < UNITS // 2:
                i, length = i + 1, both
        yield PageBar(length, here.metre)
        i += 1


def _bar_line(units: int, grid: int) -> int:
    """The tick of a bar line: at a 32nd note, since bars of other lengths have no time signature."""
    step = grid // 8
    return step * ((2 * units * grid + step * QUARTER) // (2 * step * QUARTER))


def _signatures_of(
    start: int, end: int, metre: tuple[int, int] | None, grid: int, last: bool, only: bool
) -> Iterator[TimeSignature]:
    """The time signature of a bar from tick to tick; one too long for any is cut into whole bars and what remains.

    None if it is empty, or if even so there is none: then the next bar begins here too.
    """
    length = end - start
    legal = metre is not None and metre[0] * 4 * grid % metre[1] == 0
    own = TimeSignature(start, *metre) if metre and legal else TimeSignature(start, 4, 4)
    whole = own.bar_ticks(grid)
    if length <= 0:
        return
    if legal and (length % whole == 0 or (last and (length < whole or only))):
        yield own
    elif other := time_signature_of(start, length, grid):
        yield other
    elif rest := time_signature_of(start + length // whole * whole, length % whole, grid):
        yield own
        yield rest


# Notes


def _rows(notes: Sequence[Tone], shift: int, grid: int) -> Iterator[tuple[int, int, int, int]]:
    """(onset, duration, pitch, velocity) in ticks; where two notes meet on a pitch, the later one ends the earlier."""
    rows = [
        (n.pitch, onset, max(ticks(n.onset + n.duration + shift, grid), onset + 1), n.velocity)
        for n in notes
        for onset in (ticks(n.onset + shift, grid),)
    ]
    rows.sort()
    for (pitch, onset, end, velocity), after in zip(rows, [*rows[1:], None]):
        end = min(end, after[1]) if after and after[0] == pitch else end
        if end > onset:
            yield onset, end - onset, pitch, velocity


def _tempi(tempi: Sequence[tuple[int, float]], shift: int, grid: int) -> tuple[Tempo, ...]:
    found = {0: Tempo(0, 500_000)}
    for units, qpm in tempi:
        at = ticks(units + shift, grid) if units else 0
        found[at] = Tempo.from_qpm(at, qpm)
    return tuple(found[at] for at in sorted(found))


def _keys(keys: Sequence[tuple[int, Key]], shift: int, grid: int) -> tuple[Key, ...]:
    found: dict[int, Key] = {}
    for units, key in keys:
        at = ticks(units + shift, grid) if units else 0
        found[at] = key._replace(onset=at)
    ordered = [found[at] for at in sorted(found)]
    return tuple(key for i, key in enumerate(ordered) if i == 0 or key[1:] != ordered[i - 1][1:])
