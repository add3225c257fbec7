"""Which files are read with more doubt: what a glance at the notes of many files at once says.

Most files need no mending, and finding out that one does costs more than reading it. So a file is looked at closely
(`melody.corpus.read.mending`) only where something is odd at a glance: onsets that stand elsewhere than on sixteenths and
triplets, or rather off the beat than on it; accents elsewhere than on the bar lines of music that may be late; a bar of
silence in front; notes of absurd length; bars of one short beat; tempi that change all the time.
What raises no doubt is never mended, whichever way it is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import gcd
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from melody.midi.file_events import END, START, Source
from melody.piece import Ints
from melody.signatures import TICKS_PER_QUARTER, TimeSignature

MOST_TEMPI = 8
LONGEST = 32  # quarter notes: eight bars of 4/4
FEW_NOTES = 16  # that say too little of where the beat is
IN_PLACE = 0.7  # share of the onsets that stand on sixteenths or on triplets, in a file that needs no look
BESIDE = 0.05  # share of the onsets right beside them, from which on it needs one
STRONGER = 1.2  # times as strong as on the bar lines may the notes be elsewhere in the bar, if there is silence in front
_CIRCLE = 144  # 24ths of a quarter, in which every beat comes round


class Frame(NamedTuple):
    """What metre and tempi of a file say before its notes are looked at.

    Its first beat, or what divides it and `_CIRCLE`, and its first bar, in 24ths of a quarter; whether they raise a doubt.
    """

    beat: int
    bar: int
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
    bar = max(TimeSignature(*metres[0]).bar_ticks(), 1)
    return Frame(gcd(beat_of(*metres[0][1:]), _CIRCLE), bar, in_beats or changes >= MOST_TEMPI)


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
    edges = np.cumsum(sizes) - sizes
    circle = np.arange(len(sizes), dtype=np.uint32) * np.uint32(_CIRCLE)
    place = (start.view(f"u{start.itemsize}") % _CIRCLE).astype(np.uint32, copy=False)
    place += np.repeat(circle, sizes)
    onsets = np.bincount(place, minlength=_CIRCLE * len(sizes)).reshape(-1, _CIRCLE)
    straight, third, beside = (onsets @ _PLACES).T
    odd = (np.maximum(straight, third) < IN_PLACE * sizes) | (beside > BESIDE * sizes)
    beats, bars = np.array([(frame.beat, frame.bar) for frame in frames]).T
    for beat in set(beats.tolist()):
        own = beats == beat
        on_beat, *off_it = onsets[own].reshape(-1, _CIRCLE // beat, beat).sum(1).T
        odd[own] |= np.max(off_it, 0, initial=0) > on_beat
    first = np.minimum.reduceat(start, edges)
    late = np.flatnonzero((first > 0) & ~odd)
    if len(late):
        odd[late] = _are_stronger_elsewhere(start, length / np.repeat(grids, sizes), sizes, late, beats[late], bars[late])
    found: NDArray[np.bool_] = (sizes >= FEW_NOTES) & odd
    found |= (first >= bars) | (np.maximum.reduceat(length, edges) > LONGEST * grids)
    found |= np.array([frame.doubtful for frame in frames])
    return found


def _are_stronger_elsewhere(
    start: NDArray[Any], length: NDArray[np.float64], sizes: Ints, chosen: Ints, beats: Ints, bars: Ints
) -> NDArray[np.bool_]:
    """Whether the notes of each of those sources that begin on a bar line are weaker than those elsewhere, (chosen,).

    Their lengths are in quarters; `melody.corpus.read.lateness` weighs them in the same way, and against more.
    """
    rows = np.isin(np.repeat(np.arange(len(sizes)), sizes), chosen)
    number = np.repeat(np.arange(len(chosen)), sizes[chosen])
    fourth = np.maximum(beats // 4, 1)
    most = int((bars // fourth).max()) + 1
    at = (start[rows] + fourth[number] // 2) % bars[number] // fourth[number]
    weight = np.sqrt(np.clip(length[rows] * TICKS_PER_QUARTER / beats[number], 0, 4))
    accents = np.bincount(at + number * most, weight, most * len(chosen)).reshape(-1, most)
    stronger: NDArray[np.bool_] = accents.max(1) > STRONGER * accents[:, 0]
    return stronger


def of_source(source: Source) -> bool:
    """Whether a file needs a close look."""
    if not source.notes.shape[1]:
        return False
    start, grid = source.notes[START], source.ticks_per_quarter
    on_grid = (start * TICKS_PER_QUARTER + grid // 2) // grid
    sizes, grids = np.array([len(start)]), np.array([grid])
    frame = frame_of(grid, tuple(source.time_signatures), tuple(source.tempi))
    return bool(doubtful(on_grid, source.notes[END] - start, sizes, grids, [frame])[0])


def _places() -> NDArray[np.float64]:
    """Whether each place of the circle is a sixteenth, is a triplet, or is right beside one of both: (places, 3)."""
    place = np.arange(_CIRCLE)
    straight, third = place % 6 == 0, place % 8 == 0
    on = straight | third
    return np.stack([straight, third, ~on & (np.roll(on, 1) | np.roll(on, -1))], 1).astype(np.float64)


_PLACES = _places()
