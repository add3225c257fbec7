"""The sections of a restless tempo map: its steady tempi, without the steps between them.

A ritardando out of a sequencer is forty tempi, a rubato one for each beat. What a listener calls the tempo is what holds
for `STEADY` quarters or more; tempi less than `ALIKE` apart are one, that of the median quarter. Steps between two steady
tempi are left out, and so are the shortest sections where there are more than a piece should have. Where less than half of
the music is steady, the whole of it has one tempo, that of the median quarter.

Of 183 files of games and piano scores 10 have more than eight tempi, 9 to 61; they have 1 to 8 sections.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from melody.piece import Ints

STEADY = 8  # quarters
ALIKE = 0.1  # of the slower tempo
_QUARTER = 500_000  # microseconds, until a file says something else


class Section(NamedTuple):
    """Music in one tempo: from which tick to which, and the microseconds of a quarter."""

    start: int
    end: int
    speed: int


def legal(tempi: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """The tempi of a file that change something, in the order of time."""
    by_time = sorted((tempo for tempo in tempi if 0 < tempo[1] < 2**24), key=lambda tempo: tempo[0])
    return [tempo for tempo, before in zip(by_time, [(0, 0), *by_time]) if tempo[1] != before[1]]


def sections(tempi: Sequence[tuple[int, int]], end: int, ticks_per_quarter: int, most: int) -> list[Section]:
    """The sections of a tempo map, `most` at most: at least one.

    Parameters
    ----------
    tempi
        Ticks and microseconds of a quarter, as `legal` gives them, at least one.
    end
        Of the last note, in ticks.
    """
    starts = [0, *(tick for tick, _ in tempi)] if tempi[0][0] else [tick for tick, _ in tempi]
    speeds = np.array([_QUARTER] * (len(starts) - len(tempi)) + [speed for _, speed in tempi])
    lengths = np.maximum(np.diff(np.minimum([*starts, end], end)), 0)
    groups = np.cumsum(_leaps(speeds))
    whole = [_joined(starts, speeds, lengths, groups == group) for group in np.unique(groups)]
    steady = [section for section in whole if section.end - section.start >= STEADY * ticks_per_quarter]
    if 2 * sum(section.end - section.start for section in steady) < end:
        return [_joined(starts, speeds, lengths, groups >= 0)]
    found = _without_repeats(steady, end)
    while len(found) > most:
        shortest = min(found, key=lambda section: section.end - section.start)
        found = _without_repeats([section for section in found if section is not shortest], end)
    return found


def _leaps(speeds: Ints) -> list[bool]:
    """Whether each tempo is another than the one before, which stays the one that others are alike to until it is left."""
    leaps, held = [], 0
    for speed in speeds.tolist():
        leaps.append(not _alike(speed, held))
        held = speed if leaps[-1] else held
    return leaps


def _alike(one: int, other: int) -> bool:
    return abs(one - other) < ALIKE * min(one, other)


def _joined(starts: Sequence[int], speeds: Ints, lengths: Ints, own: np.ndarray) -> Section:
    """Neighbours as one section, in the tempo of their median quarter."""
    which = np.flatnonzero(own)
    order = which[np.argsort(speeds[which], kind="stable")]
    before = np.cumsum(lengths[order])
    median = int(speeds[order][np.searchsorted(before, before[-1] / 2)])
    return Section(starts[which[0]], starts[which[0]] + int(lengths[which].sum()), median)


def _without_repeats(steady: Sequence[Section], end: int) -> list[Section]:
    """Each lasts until the next one that is not alike, and the first from the beginning on."""
    kept = [s for s, before in zip(steady, [None, *steady]) if before is None or not _alike(s.speed, before.speed)]
    starts = [0, *(section.start for section in kept[1:]), end]
    return [Section(start, stop, section.speed) for start, stop, section in zip(starts, starts[1:], kept)]
