"""How the parts of a piece play together: its drummer, its bass, who doubles whom, how long and how loud notes are.

Conventions are those of `melody.statistics.texture`. The bass is the part of at least eight tones whose median is lowest.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from melody.piece import Ints, Piece

_SNARES = (37, 38, 39, 40)
_LEAST = 8  # tones of a bass
NOTHING = float("nan")


def snare_on_two_and_four(piece: Piece) -> float:
    """The share of the bars of 4/4 with drums in which a snare is struck on the second and on the fourth quarter."""
    quarter, bar, place = _drum_bars_of_four(piece)
    is_snare = np.isin(piece.pitch[piece.is_drum], _SNARES)
    strokes = [set(bar[is_snare & (place == beat * quarter)].tolist()) for beat in (1, 3)]
    bars = set(bar[bar >= 0].tolist())
    return len(strokes[0] & strokes[1] & bars) / len(bars) if bars else NOTHING


def _drum_bars_of_four(piece: Piece) -> tuple[int, Ints, Ints]:
    """Ticks of a quarter; of each stroke of drums its bar, -1 if that is not in 4/4, and the place there."""
    quarter, drums = piece.ticks_per_quarter, piece.select(piece.is_drum)
    bar, place = drums.bar_and_position(drums.onset)
    starts = np.array([each.onset for each in drums.time_signatures])
    is_four = np.array([(each.numerator, each.denominator) == (4, 4) for each in drums.time_signatures])
    here = np.searchsorted(starts, drums.onset, side="right") - 1
    return quarter, np.where(is_four[here], bar, -1), place


def bass_in_the_harmony(piece: Piece) -> float:
    """The share of the notes of the bass whose tone another part sounds where they begin, of those where one sounds."""
    tones = piece.select(~piece.is_drum)
    medians = {
        int(part): float(np.median(tones.pitch[tones.part == part]))
        for part, count in zip(*np.unique(tones.part, return_counts=True))
        if count >= _LEAST
    }
    if not medians or len(np.unique(tones.part)) < 2:
        return NOTHING
    is_bass = tones.part == min(medians, key=medians.__getitem__)
    found = []
    for onset, pitch in zip(tones.onset[is_bass].tolist(), tones.pitch[is_bass].tolist()):
        sounds = ~is_bass & (tones.onset <= onset) & (tones.end > onset)
        if sounds.any():
            found.append(bool(((tones.pitch[sounds] - pitch) % 12 == 0).any()))
    return float(np.mean(found)) if found else NOTHING


def tones_doubled(piece: Piece) -> float:
    """The share of the tones that another part begins at the same time, in any octave."""
    tones = piece.select(~piece.is_drum)
    if len(np.unique(tones.part)) < 2:
        return NOTHING
    tone = np.stack([tones.onset, tones.pitch % 12], axis=1)
    _, which = np.unique(tone, axis=0, return_inverse=True)
    which = which.ravel()
    pairs = np.unique(np.stack([which, tones.part], axis=1), axis=0)
    return float(np.mean(np.bincount(pairs[:, 0])[which] > 1))


def held_until_the_next(piece: Piece) -> float:
    """How much of the time from one onset of a part to its next the longer of its notes sounds: the mean of the parts."""
    tones = piece.select(~piece.is_drum)
    found = []
    for part in np.unique(tones.part).tolist():
        onset, end = tones.onset[tones.part == part], tones.end[tones.part == part]
        first = np.flatnonzero(np.diff(onset, prepend=-1))
        gap, last = np.diff(onset[first]), np.maximum.reduceat(end, first)[:-1]
        if len(gap):
            found.append(float(np.mean(np.minimum(last - onset[first][:-1], gap) / gap)))
    return float(np.mean(found)) if found else NOTHING


def loudness_within_parts(piece: Piece) -> float:
    """The standard deviation of the velocities of a part, drums aside: the mean of the parts."""
    tones = piece.select(~piece.is_drum)
    found: list[float] = [_deviation(tones.velocity[tones.part == part]) for part in np.unique(tones.part).tolist()]
    return float(np.mean(found)) if found else NOTHING


def _deviation(velocity: NDArray[np.int64]) -> float:
    return float(np.std(velocity))
