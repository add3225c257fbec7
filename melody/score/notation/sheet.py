"""The notes of a piece on the grid of a page: bar lines, and what must move to be written at all.

Conventions
-----------
Ticks are those of the page (see `melody.score.notation.metre`) unless they are called the piece's. A tuplet unit is the
stretch that one triplet may fill: a quarter, or the unit of the metre where that is shorter.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil
from typing import NamedTuple

import numpy as np

from melody.errors import ScoreError
from melody.piece import Ints, Key, Pedal, Piece, TimeSignature
from melody.score.notation.metre import GRID, Metre, metre_of

MAX_BARS = 2_000


@dataclass(frozen=True)
class Bar:
    """A bar of the page.

    Parameters
    ----------
    start, end
        [start, end) in ticks of the page.
    whole_start
        Where it would begin if it were whole: a pick-up begins later.
    metre, number
        The metre in force, and the number of the bar, 0 for a pick-up.
    time_signature, key, tempo_qpm
        What is written at its start; None for nothing new.
    counted
        What its tempo counts, see `melody.score.notation.metre.tempo_unit`.
    double
        Whether a double bar line ends it.
    """

    start: int
    end: int
    whole_start: int
    metre: Metre
    number: int
    time_signature: TimeSignature | None = None
    key: Key | None = None
    tempo_qpm: float | None = None
    counted: tuple[str, int, int] = ("quarter", 0, GRID)
    double: bool = False


class BarLine(NamedTuple):
    """Where a whole bar starts on the page's grid and on the piece's (-1: behind its last bar), and its time signature."""

    start: int
    onset: int
    signature: TimeSignature

    @property
    def metre(self) -> Metre:
        """The metre of the bar."""
        return metre_of(self.signature.numerator, self.signature.denominator)


def _bar_lines(piece: Piece) -> list[BarLine]:
    """The bar lines at the start of each bar."""
    lines: list[BarLine] = []
    per_quarter, at = piece.ticks_per_quarter, 0
    ends = [s.onset for s in piece.time_signatures[1:]] + [max(piece.length, piece.time_signatures[-1].onset)]
    for signature, end in zip(piece.time_signatures, ends):
        length, bar = signature.bar_ticks(per_quarter), metre_of(signature.numerator, signature.denominator).bar
        count = min(ceil((min(end, piece.length) - signature.onset) / length), MAX_BARS + 1 - len(lines))
        for i in range(count):
            lines.append(BarLine(at + i * bar, signature.onset + i * length, signature))
        at += max(count, 0) * bar
        if len(lines) > MAX_BARS:
            raise ScoreError(
                f"the piece has over {MAX_BARS} bars, more than a score holds; take some (--bars 1-{MAX_BARS}, in Python "
                f"piece.bars(1, {MAX_BARS}))"
            )
    return lines


def _to_page(piece: Piece, lines: list[BarLine], ticks: Ints) -> Ints:
    """Ticks of the piece on the page's grid, rounded."""
    old, new = np.array([line.onset for line in lines]), np.array([line.start for line in lines])
    bar = np.maximum(np.searchsorted(old, ticks, side="right") - 1, 0)
    inside: Ints = (2 * (ticks - old[bar]) * GRID + piece.ticks_per_quarter) // (2 * piece.ticks_per_quarter)
    return np.asarray(new[bar] + inside)


def _pedals_of(piece: Piece, lines: list[BarLine]) -> tuple[Pedal, ...]:
    """The presses on the page's grid, each tick the nearest one; without those that are nothing there."""
    turns = np.array(piece.pedals, np.int64).reshape(-1)
    presses = _to_page(piece, lines, turns).reshape(-1, 2).tolist()
    return tuple(Pedal(down, up) for down, up in presses if down < up)


def _grid(offsets: Sequence[int], unit: int) -> int:
    """The step of the coarsest grid that meets these offsets within a unit well enough; each step has its price in ticks."""
    price = {24: -0.1, 12: 0.0, 6: 0.4, 8: 0.8, 4: 1.6, 3: 1.6, 2: 2.4}

    def cost(step: int) -> float:
        return price[step] + float(np.mean([abs(o - _near(o, step)) for o in offsets]))

    return min((step for step in price if unit % step == 0), key=cost)


def _near(tick: int, step: int) -> int:
    return (tick + step // 2) // step * step


def _zone_fits(offsets: Iterable[int], unit: int) -> bool:
    """Whether offsets within a unit can be written: all binary, all in a triplet, or each half by itself."""
    inside = sorted(set(offsets) - {0, unit})
    fine = 2 if unit < 12 else 4
    if all(o % 3 == 0 for o in inside) or all(o % fine == 0 for o in inside):
        return True
    halves = ([o for o in inside if o < 12], [o - 12 for o in inside if o > 12])
    return unit == 24 and 12 in inside and all(_zone_fits(h, 12) for h in halves)


class Sheet:
    """The notes on the page's grid while it is being laid out: `start`, `end` (notes,), moved where they must be."""

    def __init__(self, piece: Piece) -> None:
        self.piece = piece
        self.lines = _bar_lines(piece)
        self.line_starts = [line.start for line in self.lines]
        self.start = _to_page(piece, self.lines, piece.onset)
        self.end = np.maximum(_to_page(piece, self.lines, piece.end), self.start + 1)
        exact = (piece.onset * GRID % piece.ticks_per_quarter == 0) & (piece.end * GRID % piece.ticks_per_quarter == 0)
        self.moved: set[int] = set(np.flatnonzero(~exact).tolist())
        self.lost: set[int] = set()
        self.pedals = _pedals_of(piece, self.lines)
        self.kept = [self._settle(np.flatnonzero(piece.part == i), part.is_drum) for i, part in enumerate(piece.parts)]

    def unit_of(self, tick: int) -> tuple[int, int]:
        """Start and length of the tuplet unit in which `tick` lies."""
        line = self.lines[max(bisect_right(self.line_starts, tick) - 1, 0)]
        unit = line.metre.unit
        return line.start + (tick - line.start) // unit * unit, unit

    def _settle(self, notes: Ints, is_drum: bool) -> Ints:
        """Bring a part that was played freely onto a grid, all of it; the notes that are left."""
        ticks = (self.start[notes],) if is_drum else (self.start[notes], self.end[notes])
        free = any(np.mean((t % 3 != 0) & (t % 4 != 0)) > 0.1 for t in ticks if len(t))
        if free:
            self._close_gaps(notes)
        if is_drum:
            self.end[notes] = self.start[notes] + 1
        return self.fit(notes, everywhere=free, only_onsets=is_drum)

    def _close_gaps(self, notes: Ints) -> None:
        """Let a note reach the next one where only articulation parts them: a quarter of its length, a sixteenth at most."""
        onsets = np.unique(self.start[notes])
        following = onsets[np.minimum(np.searchsorted(onsets, self.end[notes]), len(onsets) - 1)]
        gap = following - self.end[notes]
        close = (gap > 0) & (gap <= np.minimum((self.end - self.start)[notes] // 4 + 1, 6))
        self.end[notes[close]] = following[close]
        self.moved.update(notes[close].tolist())

    def fit(self, notes: Ints, everywhere: bool = False, only_onsets: bool = False) -> Ints:
        """Move onsets and ends in units that cannot be written as they are (or `everywhere`); the notes that are left."""
        for _ in range(4):  # a moved end can disturb the next unit
            moves, steps = self._moves(notes, everywhere, only_onsets)
            if not moves:
                break
            notes = self._move(notes, moves, steps)
        return notes

    def _moves(self, notes: Ints, everywhere: bool, only_onsets: bool) -> tuple[dict[int, int], dict[int, int]]:
        onsets = set(self.start[notes].tolist())
        ticks = onsets if only_onsets else onsets | set(self.end[notes].tolist())
        inside: dict[tuple[int, int], list[int]] = {}
        for tick in sorted(ticks):
            start, unit = self.unit_of(tick)
            inside.setdefault((start, unit), []).append(tick - start)
        moves: dict[int, int] = {}
        steps: dict[int, int] = {}
        for (start, unit), offsets in inside.items():
            if everywhere or not _zone_fits(offsets, unit):
                played = [o for o in offsets if start + o in onsets]
                step = min(unit, 12) if everywhere and not played else _grid(played or offsets, unit)
                moves |= {start + o: start + _near(o, step) for o in offsets}
                steps |= {start + o: min(step, 12) for o in offsets}
        return ({} if all(t == to for t, to in moves.items()) else moves), steps

    def _move(self, notes: Ints, moves: dict[int, int], steps: dict[int, int]) -> Ints:
        for note in notes.tolist():
            start, end = int(self.start[note]), int(self.end[note])
            self.start[note] = moves.get(start, start)
            self.end[note] = max(moves.get(end, end), self.start[note] + (steps.get(start, 1) if end in moves else 1))
            if self.start[note] != start or self.end[note] != end:
                self.moved.add(note)
        return self._untangle(notes)

    def _untangle(self, notes: Ints) -> Ints:
        """End each note where the same pitch begins again; leave out those that no time is left for."""
        order = notes[np.lexsort((self.start[notes], self.piece.pitch[notes]))]
        for one, two in pairwise(order.tolist()):
            if self.piece.pitch[one] == self.piece.pitch[two]:
                self.end[one] = min(self.end[one], self.start[two])
        lost = self.end[order] <= self.start[order]
        self.lost.update(order[lost].tolist())
        return np.sort(order[~lost])
