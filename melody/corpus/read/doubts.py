"""Which files are read with more doubt: what a glance at the notes of many files at once says.

Most files need no mending, and finding out that one does costs more than reading it. So a file is looked at closely
(`melody.corpus.read.mending`) only where something is odd at a glance: onsets that stand elsewhere than on sixteenths and
triplets, or rather off the beat than on it; notes of absurd length; bars of one short beat; tempi that change all the time.
What raises no doubt is never mended, whichever way it is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from math import gcd
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from melody.midi.file_events import END, START, Source
from melody.piece import Ints
from melody.signatures import TICKS_PER_QUARTER, TimeSignature

MOST_TEMPI = 8
LONGEST = 60  # quarter notes: fifteen bars of 4/4
FEW_NOTES = 16  # that say too little of where the beat is
IN_PLACE = 0.7  # share of the onsets that stand on sixteenths or on triplets, in a file that needs no look
BESIDE = 0.05  # share of the onsets right beside them, from which on it needs one
_CIRCLE = 144  # 24ths of a quarter, in which every beat comes round


class Frame(NamedTuple):
    """What metre and tempi of a file say before its notes are looked at.

    Its first beat, or what divides it and `_CIRCLE`, in 24ths of a quarter; and whether they raise a doubt.
    """

    beat: int
    doubtful: bool


def beat_of(numerator: int, denominator: int) -> int:
    """The beat of a metre in 24ths of a quarter, taken together to a quarter or more where the bar allows it.

    >>> beat_of(4, 4), beat_of(6, 8), beat_of(12, 16), beat_of(5, 8), beat_of(2, 2)
    (24, 36, 36, 12, 48)
    """
    metre = TimeSignature(0, numerator, denominator)
    beat, bar = max(metre.beat_ticks(), 1), metre.bar_ticks()
    while beat < TICKS_PER_QUARTER and bar % (2 * beat) == 0:
        beat *= 2
    return beat


def is_metre(numerator: int, denominator: int) -> bool:
    """Whether a piece can have it."""
    return 1 <= numerator <= 255 and denominator in (1, 2, 4, 8, 16, 32, 64)


def is_one_beat(numerator: int, denominator: int) -> bool:
    """Whether a bar is one beat and no longer than a quarter, which is what a converter writes that knows no metre."""
    return numerator == 1 and 4 <= denominator <= 64


def frame_of(grid: int, time_signatures: Sequence[tuple[int, int, int]], tempi: Sequence[tuple[int, int]]) -> Frame:
    """What metres and tempi say, those of a `Source` of that many ticks a quarter."""
    metres = sorted((m for m in time_signatures if is_metre(*m[1:])), key=lambda m: m[0]) or [(0, 4, 4)]
    ends = [m[0] for m in metres[1:]] + [metres[-1][0] + LONGEST * grid]  # where the last ends is seen with the notes
    in_beats = any(is_one_beat(*m[1:]) and end - m[0] > grid for m, end in zip(metres, ends))
    speeds = [speed for _, speed in sorted(tempi, key=lambda tempo: tempo[0])]
    changes = sum(one != other for one, other in pairwise(speeds))
    return Frame(gcd(beat_of(*metres[0][1:]), _CIRCLE), in_beats or changes >= MOST_TEMPI)


def doubtful(
    start: NDArray[Any], length: NDArray[Any], sizes: Ints, grids: Ints, frames: Sequence[Frame]
) -> NDArray[np.bool_]:
    """Whether each of some sources needs a close look, (sources,).

    Parameters
    ----------
    start
        Of all their notes, one source after another, in 24ths of a quarter, (notes,).
    length
        Of all notes in ticks of their files, (notes,).
    sizes, grids, frames
        Of each source: its number of notes, at least one, its ticks a quarter and its frame; (sources,).
    """
    first = np.arange(len(sizes), dtype=np.uint32) * np.uint32(_CIRCLE)
    place = (start.view(f"u{start.itemsize}") % _CIRCLE).astype(np.uint32, copy=False)
    place += np.repeat(first, sizes)
    onsets = np.bincount(place, minlength=_CIRCLE * len(sizes)).reshape(-1, _CIRCLE)
    counts = np.empty((len(sizes), len(_PLACES)))
    beats = np.array([frame.beat for frame in frames])
    for beat in set(beats.tolist()):
        own = beats == beat
        counts[own] = onsets[own] @ _places(beat)
    straight, third, beside, on_beat, *beside_it = counts.T
    off_beat = np.max(beside_it, 0) > on_beat
    odd = (np.maximum(straight, third) < IN_PLACE * sizes) | off_beat | (beside > BESIDE * sizes)
    longest = np.maximum.reduceat(length, np.cumsum(sizes) - sizes)
    found: NDArray[np.bool_] = (sizes >= FEW_NOTES) & odd
    found |= longest > LONGEST * grids
    found |= np.array([frame.doubtful for frame in frames])
    return found


def of_source(source: Source) -> bool:
    """Whether a file needs a close look."""
    if not source.notes.shape[1]:
        return False
    start, grid = source.notes[START], source.ticks_per_quarter
    on_grid = (start * TICKS_PER_QUARTER + grid // 2) // grid
    sizes, grids = np.array([len(start)]), np.array([grid])
    frame = frame_of(grid, tuple(source.time_signatures), tuple(source.tempi))
    return bool(doubtful(on_grid, source.notes[END] - start, sizes, grids, [frame])[0])


_PLACES = ("straight", "third", "beside", "on the beat", *("off it",) * 5)


@lru_cache
def _places(beat: int) -> NDArray[np.float64]:
    """Whether each place of the circle is one of `_PLACES`, for a length of the beat: (places, 9).

    A sixteenth, a triplet, or right beside one of both; on the beat, and at each of five places within it: the half and the
    other sixteenths, and the triplets, or in compound time the sixths.
    """
    place = np.arange(_CIRCLE)
    straight, third = place % 6 == 0, place % 8 == 0
    on = straight | third
    beside = ~on & (np.roll(on, 1) | np.roll(on, -1))
    parts = (0, 1 / 2, 1 / 4, 3 / 4, 1 / 3, 2 / 3) if beat % 36 else (0, 1 / 6, 2 / 6, 3 / 6, 4 / 6, 5 / 6)
    return np.stack([straight, third, beside, *[place % beat == round(part * beat) for part in parts]], 1).astype(np.float64)
