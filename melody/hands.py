"""Which notes of keyboard music are the right hand's, where one part has them all.

Between the hands lies a split, which moves with the music. At each onset its cost is how far the notes around it (half a
quarter before and after, and those that sound) lie from the middles of the two groups that it makes, by the root of the mean
square in semitones; what a chord spans beyond an octave in one hand; and a little for each semitone that it lies from middle
C. Moving it costs half a point a semitone. The splits that cost least in all are found exactly (Viterbi).

Measured on the scores of 40 piano pieces whose staves are known (`scripts/measure_hands.py`): 92.7 % of the notes are in the
hand that their staff says, 82.7 % of them where middle C is the split.

Times are in ticks of a grid that is passed on.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from melody.note_columns import Ints

AROUND = 0.5  # quarters
OCTAVE = 12
STRETCH = 4 / 3  # for each semitone that a chord spans beyond an octave
FROM_MIDDLE_C = 0.03  # for each semitone
MOVING = 0.5  # for each semitone that the split moves
TWO_HANDED = 0.15  # share of the onsets at which more sounds than a hand can hold, from which on it takes two
_SPLITS = np.arange(30, 92)  # the lowest note of the right hand
_PITCHES = np.arange(128)
_LONGEST = 4  # quarters that a note counts as sounding
Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]


def take_two(onset: Ints, end: Ints, pitch: Ints) -> bool:
    """Whether a part is for two hands: more than an octave sounds at one in seven onsets or more."""
    if not len(onset):
        return False
    times = np.unique(onset)
    sounds = _counts(np.searchsorted(times, onset), np.searchsorted(times, end), pitch, len(times)) > 0
    lowest, highest = sounds.argmax(1), 127 - sounds[:, ::-1].argmax(1)
    return bool(np.mean(highest - lowest > OCTAVE) >= TWO_HANDED)


def right_hand(onset: Ints, end: Ints, pitch: Ints, ticks_per_quarter: int) -> Bools:
    """Whether each note is the right hand's, (notes,)."""
    if not len(onset):
        return np.zeros(0, bool)
    times, when = np.unique(onset, return_inverse=True)
    around = AROUND * ticks_per_quarter
    until = np.minimum(end, onset + _LONGEST * ticks_per_quarter)
    first, last = np.searchsorted(times, onset - around), np.searchsorted(times, until + around, side="right")
    cost = _scatter(_counts(first, last, pitch, len(times)))
    cost += STRETCH * _stretch(when, pitch, len(times)) + FROM_MIDDLE_C * np.abs(_SPLITS - 60)
    right: Bools = pitch >= _SPLITS[_cheapest(cost)][when]
    return right


def _counts(first: Ints, last: Ints, pitch: Ints, onsets: int) -> Floats:
    """How many notes of each pitch there are at each onset, if each is from its first up to its last: (onsets, 128)."""
    changes = np.zeros((onsets + 1, len(_PITCHES)))
    np.add.at(changes, (first, pitch), 1)
    np.add.at(changes, (last, pitch), -1)
    counts: Floats = np.cumsum(changes, 0)[:onsets]
    return counts


def _scatter(counts: Floats) -> Floats:
    """How far the notes lie from the middles of both groups, for each split: (onsets, splits)."""
    sums = [np.cumsum(counts * _PITCHES**power, 1) for power in range(3)]
    below = [total[:, _SPLITS - 1] for total in sums]
    above = [total[:, -1:] - low for total, low in zip(sums, below)]
    squares = sum(square - linear**2 / np.maximum(number, 1) for number, linear, square in (below, above))
    scatter: Floats = np.sqrt(np.maximum(squares, 0) / np.maximum(sums[0][:, -1:], 1))
    return scatter


def _stretch(when: Ints, pitch: Ints, onsets: int) -> Floats:
    """By how much the chord of each onset spans more than an octave in either hand, for each split: (onsets, splits)."""
    begins = np.zeros((onsets, len(_PITCHES)), bool)
    begins[when, pitch] = True
    highest_to = np.maximum.accumulate(np.where(begins, _PITCHES, -1), 1)
    lowest_from = np.minimum.accumulate(np.where(begins, _PITCHES, 128)[:, ::-1], 1)[:, ::-1]
    left = highest_to[:, _SPLITS - 1] - lowest_from[:, :1]  # less than 0 where the hand plays nothing
    right = highest_to[:, -1:] - lowest_from[:, _SPLITS]
    stretch: Floats = np.maximum(left - OCTAVE, 0.0) + np.maximum(right - OCTAVE, 0.0)
    return stretch


def _cheapest(cost: Floats) -> Ints:
    """The splits, as their numbers, that cost least with what moving costs: (onsets,)."""
    number = np.arange(cost.shape[1])
    slope = MOVING * number
    so_far = cost.copy()
    for here, before in zip(so_far[1:], so_far[:-1]):
        from_below = np.minimum.accumulate(before - slope) + slope
        from_above = np.minimum.accumulate((before + slope)[::-1])[::-1] - slope
        here += np.minimum(from_below, from_above)
    best = np.zeros(len(cost), np.int64)
    best[-1] = so_far[-1].argmin()
    for i in range(len(cost) - 1, 0, -1):
        best[i - 1] = np.argmin(so_far[i - 1] + MOVING * np.abs(number - best[i]))
    return best
