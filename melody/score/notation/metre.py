"""Metre: how a bar is divided, and as which written values a note or a rest is written in it.

Conventions
-----------
All is in ticks of the page, `GRID` to the quarter: thirty-seconds are 3 ticks, sixteenth-note triplets 4.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from melody.errors import ScoreError

GRID = 24
NAMES = {3: "32nd", 6: "16th", 12: "eighth", 24: "quarter", 48: "half", 96: "whole", 192: "breve"}
VALUES = {t: (name, 0) for t, name in NAMES.items()} | {t * 3 // 2: (n, 1) for t, n in NAMES.items() if t > 3}


@dataclass(frozen=True)
class Metre:
    """How a bar is divided: `levels` of boundaries from the bar line down, `unit` of tuplets, `beats`, `groups` of beams."""

    levels: tuple[tuple[int, ...], ...]
    unit: int
    beats: tuple[int, ...]
    groups: tuple[int, ...]
    compound: bool
    depth: dict[int, int] = field(hash=False, compare=False)

    @property
    def bar(self) -> int:
        """Length of the bar in ticks."""
        return self.levels[0][-1]


def _metre(boundaries: Iterable[Iterable[int]], unit: int, beats: int, groups: int, compound: bool) -> Metre:
    levels = tuple(tuple(level) for level in boundaries)
    depth = {tick: i for i in reversed(range(len(levels))) for tick in levels[i]}
    return Metre(levels, unit, levels[beats], levels[groups], compound, depth)


def _grouping(numerator: int, denominator: int) -> list[int]:
    """Into which groups the units of a bar fall, by convention where there is one."""
    compound = denominator >= 8 and numerator % 3 == 0
    if compound or (numerator == 6):
        return [3] * (numerator // 3)
    if numerator <= 3:
        return [1] * numerator
    if numerator == 7:
        return [2, 2, 3] if denominator >= 8 else [4, 3]
    if numerator % 2 == 0:
        return [2] * (numerator // 2)
    return [3] + [2] * ((numerator - 3) // 2)


@lru_cache(maxsize=64)
def metre_of(numerator: int, denominator: int) -> Metre:
    """The metre of a time signature.

    >>> metre_of(4, 4).levels[:3]
    ((0, 96), (0, 48, 96), (0, 24, 48, 72, 96))
    >>> metre_of(6, 8).beats
    (0, 36, 72)
    """
    if denominator == 64 and numerator % 2 == 0:
        return metre_of(numerator // 2, 32)
    if denominator == 64:
        raise ScoreError(f"a bar of {numerator}/64 is finer than the page's grid; write the piece in /32 or coarser")
    unit, grouping = 4 * GRID // denominator, _grouping(numerator, denominator)
    compound = denominator >= 8 and numerator % 3 == 0
    groups = [0, *(int(g) * unit for g in np.cumsum(grouping))]
    levels = [[0, groups[-1]]]
    if len(groups) == 5:
        levels.append(groups[::2])
    levels.append(groups)
    while levels[-1][1] > 3 and (step := unit) >= 3:
        levels.append(list(range(0, groups[-1] + 1, step)))
        unit = step // 2
    unique = [level for i, level in enumerate(levels) if i == 0 or level != levels[i - 1]]
    whole = 0 if (numerator, denominator) == (3, 4) else unique.index(groups)
    beam = groups if denominator >= 8 else list(range(0, groups[-1] + 1, min(GRID, groups[-1])))
    beats = unique.index(beam) if beam in unique else len(unique) - 1
    return _metre(unique, min(GRID, 4 * GRID // denominator), beats, min(whole, beats), compound)


def tempo_unit(numerator: int, denominator: int) -> tuple[str, int, int]:
    """What a tempo counts in a metre: the name of a written value, its dots and its ticks.

    The denominator's note, so half notes in 2/2; dotted ones where eighths or shorter go by threes.

    >>> tempo_unit(2, 2), tempo_unit(6, 8), tempo_unit(4, 4)
    (('half', 0, 48), ('quarter', 1, 36), ('quarter', 0, 24))
    """
    if denominator > 16:
        return "quarter", 0, GRID
    unit = 4 * GRID // denominator
    dots = int(denominator >= 8 and numerator % 3 == 0)
    return NAMES[2 * unit if dots else unit], dots, 3 * unit if dots else unit


@lru_cache(maxsize=8)
def tuplet_metre(unit: int) -> Metre:
    """The inside of a triplet in place of `unit` ticks, in written ticks (one and a half times the real ones)."""
    whole = unit * 3 // 2
    levels = [[0, whole]] + [list(range(0, whole + 1, step)) for step in (unit // 2, unit // 4, unit // 8) if step >= 3]
    return _metre(levels, unit // 2, 0, 0, True)


def split(start: int, end: int, metre: Metre, rest: bool = False) -> list[tuple[int, int]]:
    """Written values of a note or rest in [start, end) of a bar, in ticks, to be tied.

    A note may hide a boundary of the metre only if it begins or ends on one as strong, or lies half a unit either side of
    it (quarter, half, quarter in 4/4); in compound time it may not hide a beat otherwise than by whole beats. A rest fills
    one division of the metre (after E. Gould, Behind Bars, 2011, pp. 152-170).

    >>> split(36, 72, metre_of(4, 4)), split(0, 48, metre_of(6, 8)), split(24, 72, metre_of(4, 4), rest=True)
    ([(36, 48), (48, 72)], [(0, 36), (36, 48)], [(24, 48), (48, 72)])
    """
    inside = [(metre.depth[t], t) for t in _points(metre, start, end)]
    if not inside or (_rest_stands if rest else _note_stands)(start, end, metre, min(inside)[0]):
        return [(start, end)]
    strongest = [t for level, t in inside if level == min(inside)[0]]
    cut = strongest[-1] if metre.depth[start] <= min(inside)[0] else strongest[0]
    return split(start, cut, metre, rest) + split(cut, end, metre, rest)


def _points(metre: Metre, start: int, end: int) -> tuple[int, ...]:
    finest = metre.levels[-1]
    return finest[bisect_right(finest, start) : bisect_left(finest, end)]


def _note_stands(start: int, end: int, metre: Metre, hidden: int) -> bool:
    if end - start not in VALUES:
        return False
    first, last = metre.depth[start], metre.depth[end]
    beat = metre.levels.index(metre.beats)
    if metre.compound and hidden <= beat:
        return max(first, last) <= beat
    if min(first, last) <= hidden:
        return True
    return first == last == hidden + 1 and metre.depth[(start + end) // 2] == hidden and end - start <= 2 * GRID


def _rest_stands(start: int, end: int, metre: Metre, hidden: int) -> bool:
    divisions = (end in level[bisect_right(level, start) :][:1] for level in metre.levels if start in level)
    ternary = metre.compound and metre.depth[start] < hidden and end - start == 2 * metre.unit
    return end - start in VALUES and (any(divisions) or ternary)
