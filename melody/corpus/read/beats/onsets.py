"""The onsets of a performance, notes that begin within 40 ms being one, and what the network reads of each.

Times are in seconds. Notes are columns of onset, end, pitch and velocity, sorted by onset, (4, notes).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from melody.piece import Ints

Floats = NDArray[np.float64]
TOGETHER = 0.04  # seconds; a chord of a pianist takes less (Dixon 2001)
NUM_FEATURES = 21
FEWEST = 40  # onsets of which something can be said
_SHORTEST, _LONGEST = 0.02, 4.0  # seconds that are distinguished


class Onsets(NamedTuple):
    """The onsets of a performance.

    Parameters
    ----------
    times
        When each begins, (onsets,).
    first
        Its first note, (onsets,).
    features
        What the network reads of it, (onsets, `NUM_FEATURES`), about -2 to 2.
    """

    times: Floats
    first: Ints
    features: NDArray[np.float32]


def onsets_of(notes: Floats) -> Onsets:
    """The onsets of `FEWEST` notes or more that do not begin at once, (4, notes)."""
    first = firsts(notes[0])
    return Onsets(notes[0][first], first, _features(notes, first))


def firsts(begin: Floats) -> Ints:
    """The first note of each onset."""
    first = [0]
    at = begin[0]
    for number, time in enumerate(begin.tolist()):
        if time - at > TOGETHER:
            first.append(number)
            at = time
    return np.array(first, np.int64)


def _features(notes: Floats, first: Ints) -> NDArray[np.float32]:
    begin, end, pitch, velocity = notes
    times, many = begin[first], np.diff(first, append=len(begin))
    high, low = np.maximum.reduceat(pitch, first), np.minimum.reduceat(pitch, first)
    longest, loud = np.maximum.reduceat(end - begin, first), np.maximum.reduceat(velocity, first)
    before, after = np.diff(times, prepend=times[0] - 1), np.diff(times, append=times[-1] + 1)
    features = [
        *(_log(before), _log(after), _log(before + np.append(0, before[:-1])), _log(after + np.append(after[1:], 0))),
        np.log(many),
        *((high - _around(high, 8)) / 12, (low - _around(low, 8)) / 12, (high - 60) / 24, (low - 48) / 24),
        *(_log(longest), _log(longest) - _log(after)),
        *((loud - _around(loud, 8)) / 16, (_around(loud, 1) - _around(loud, 16)) / 16),
        _log(_since(times, low, float.__gt__)),  # how long no note was as low
        _log(_since(times, high, float.__lt__)),
        *_changes(notes, times, first),
        *(np.diff(high, prepend=high[0]) / 12, np.diff(low, prepend=low[0]) / 12),
        _log(before) - _log(after),
    ]
    return np.stack(features, 1).astype(np.float32)


def _log(seconds: Floats) -> Floats:
    logarithm: Floats = np.log(np.clip(seconds, _SHORTEST, _LONGEST))
    return logarithm


def _around(values: Floats, reach: int) -> Floats:
    """The mean of so many before and after."""
    window = np.ones(2 * reach + 1)
    mean: Floats = np.convolve(values, window, "same") / np.convolve(np.ones(len(values)), window, "same")
    return mean


def _since(times: Floats, values: Floats, is_less: Callable[[float, float], bool]) -> Floats:
    """How long ago there was an onset that is no less than each, (onsets,)."""
    out = np.full(len(times), _LONGEST)
    ahead: list[int] = []
    value = values.tolist()
    for number in range(len(value)):
        while ahead and is_less(value[ahead[-1]], value[number]):
            ahead.pop()
        if ahead:
            out[number] = times[number] - times[ahead[-1]]
        ahead.append(number)
    return out


def _changes(notes: Floats, times: Floats, first: Ints) -> list[Floats]:
    """How unlike the pitch classes are that begin before each onset and from it on, within three spans of time; 0 to 1."""
    begin, end, pitch, _ = notes
    classes = np.zeros((len(begin), 12))
    classes[np.arange(len(begin)), pitch.astype(np.int64) % 12] = np.clip(end - begin, 0.05, 1)
    so_far = np.concatenate([np.zeros((1, 12)), np.cumsum(classes, 0)])
    changes = []
    for span in (0.4, 0.8, 1.6):
        before = so_far[first] - so_far[np.searchsorted(begin, times - span)]
        after = so_far[np.searchsorted(begin, times + span)] - so_far[first]
        alike = (before * after).sum(1) / np.sqrt((before**2).sum(1) * (after**2).sum(1) + 1e-6)
        changes.append(1 - alike)
    return changes
