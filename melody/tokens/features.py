"""What the model is told of an event besides its five tokens: where it stands, and what came a few bars before.

All of it follows from the events so far, so nothing is given for free: a model fed with these features is still a model of
the plain sequence of events.

======== =========================================================================================================
position ticks since the bar line, up to the longest bar; all models of folk tunes profit from metrical position
phase    number of the bar, modulo 8: most phrases are 2, 4 or 8 bars long
metre    number of the time signature in force
interval semitones from the note before in the same part, -24 to 24, shifted to 1 to 49; 0 if there is none
lookback for 1, 2, 4 and 8 bars back: time, value and duration of the event that came next there (each + 1; 0 if none).
         Music repeats itself at the distance of bars; this is the input of Magenta's Lookback RNN (Waite 2016)
======== =========================================================================================================

`context` computes them for a whole piece at once; `Context` event by event, for sampling. They agree exactly.
"""

from __future__ import annotations

from bisect import bisect_right
from copy import copy

import numpy as np
from numpy.typing import NDArray

from melody.piece import TimeSignature
from melody.tokens.vocabulary import DURATION, FIRST_PART, KIND, METRE, TIME, VALUE, Rows, Vocabulary

LOOKBACKS = (1, 2, 4, 8)  # bars
PHASES = 8
MAX_INTERVAL = 24
POSITION, PHASE, METRE_IN_FORCE, INTERVAL, FIRST_LOOKBACK = range(5)
NUM_FEATURES = FIRST_LOOKBACK + 3 * len(LOOKBACKS)
_LOOKED_AT = (TIME, VALUE, DURATION)


def feature_sizes(vocabulary: Vocabulary) -> tuple[int, ...]:
    """Number of values of each feature, (NUM_FEATURES,)."""
    looked_at = tuple(vocabulary.sizes[f] + 1 for f in _LOOKED_AT)
    own = (vocabulary.longest_bar, PHASES, len(vocabulary.time_signatures), 2 * MAX_INTERVAL + 2)
    return own + looked_at * len(LOOKBACKS)


def context(vocabulary: Vocabulary, rows: Rows) -> NDArray[np.int64]:
    """The features of each event, (events, NUM_FEATURES); those of END are 0."""
    features = np.zeros((len(rows), NUM_FEATURES), np.int64)
    rows = rows[:-1] if len(rows) and rows[-1, TIME] == 0 else rows
    count = len(rows)
    if count == 0:
        return features
    tick = np.cumsum(np.array(vocabulary.shifts)[rows[:, TIME] - 1])
    start, bar_ticks, bars_before, metre = _metre_at(vocabulary, rows, tick)
    since = tick - start
    features[:count, POSITION] = np.minimum(since % bar_ticks, vocabulary.longest_bar - 1)
    features[:count, PHASE] = (bars_before + since // bar_ticks) % PHASES
    features[:count, METRE_IN_FORCE] = metre
    features[:count, INTERVAL] = _intervals(vocabulary, rows)
    key = _sort_key(vocabulary, tick, rows[:, KIND], rows[:, VALUE])
    for i, bars in enumerate(LOOKBACKS):
        back = bars * bar_ticks
        follower = np.searchsorted(key, key - back * _stride(vocabulary), side="right")
        known = tick >= back
        column = FIRST_LOOKBACK + 3 * i
        features[:count, column : column + 3] = np.where(known[:, None], rows[follower][:, _LOOKED_AT] + 1, 0)
    return features


def _stride(vocabulary: Vocabulary) -> int:
    return vocabulary.sizes[KIND] * vocabulary.sizes[VALUE]


def _sort_key(vocabulary: Vocabulary, tick: NDArray, kind: NDArray, value: NDArray) -> NDArray:
    """One number that grows with the order of events."""
    return (tick * vocabulary.sizes[KIND] + kind) * vocabulary.sizes[VALUE] + value


def _metre_at(
    vocabulary: Vocabulary, rows: Rows, tick: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """For each event: where the time signature in force began, its bar's ticks, the bars before it, its number."""
    changes = np.flatnonzero(rows[:, KIND] == METRE)
    lengths = np.array([TimeSignature(0, *t).bar_ticks(vocabulary.ticks_per_quarter) for t in vocabulary.time_signatures])
    number = np.concatenate([[0], rows[changes, VALUE]])
    start = np.concatenate([[0], tick[changes]])
    bars = np.concatenate([[0], np.cumsum(np.diff(start) // lengths[number[:-1]])])
    at = np.searchsorted(changes, np.arange(len(rows)), side="right")
    return start[at], lengths[number[at]], bars[at], number[at]


def _intervals(vocabulary: Vocabulary, rows: Rows) -> NDArray[np.int64]:
    interval = np.zeros(len(rows), np.int64)
    for kind in range(FIRST_PART, vocabulary.sizes[KIND]):
        notes = np.flatnonzero(rows[:, KIND] == kind)
        steps = np.diff(rows[notes, VALUE])
        interval[notes[1:]] = np.clip(steps, -MAX_INTERVAL, MAX_INTERVAL) + MAX_INTERVAL + 1
    return interval


class Context:
    """The features of events as they come, for one piece."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.tick = 0
        self.bar_start = 0  # where the time signature in force began
        self.bars_before = 0
        self.metre = 0
        self._vocabulary = vocabulary
        self._stride = _stride(vocabulary)
        self._bar_lengths = [
            TimeSignature(0, *t).bar_ticks(vocabulary.ticks_per_quarter) for t in vocabulary.time_signatures
        ]
        self._keys: list[int] = []
        self._rows: list[tuple[int, int, int]] = []
        self._last_value: dict[int, int] = {}

    def copy(self) -> Context:
        """An independent context that has seen the same events."""
        twin = copy(self)
        twin._keys, twin._rows, twin._last_value = self._keys[:], self._rows[:], self._last_value.copy()
        return twin

    @property
    def bar_ticks(self) -> int:
        """Length of a bar of the time signature in force."""
        return self._bar_lengths[self.metre]

    def position_at(self, tick: int) -> int:
        """The position feature of an event at `tick` under the time signature in force."""
        return min((tick - self.bar_start) % self.bar_ticks, self._vocabulary.longest_bar - 1)

    def push(self, row: tuple[int, int, int, int, int]) -> list[int]:
        """Take in the next event (not END) and give its features, as `context` would."""
        time, kind, value, duration, _ = row
        self.tick += self._vocabulary.shifts[time - 1]
        tick = self.tick
        if kind == METRE:
            self.bars_before += (tick - self.bar_start) // self.bar_ticks
            self.bar_start, self.metre = tick, value
        self._keys.append((tick * self._vocabulary.sizes[KIND] + kind) * self._vocabulary.sizes[VALUE] + value)
        self._rows.append((time + 1, value + 1, duration + 1))
        bar = self.bar_ticks
        since = tick - self.bar_start
        features = [
            self.position_at(tick),
            (self.bars_before + since // bar) % PHASES,
            self.metre,
            self._interval(kind, value),
        ]
        for bars in LOOKBACKS:
            if tick < bars * bar:
                features += [0, 0, 0]
            else:
                features += self._rows[bisect_right(self._keys, self._keys[-1] - bars * bar * self._stride)]
        return features

    def _interval(self, kind: int, value: int) -> int:
        if kind < FIRST_PART:
            return 0
        before = self._last_value.get(kind)
        self._last_value[kind] = value
        return 0 if before is None else min(max(value - before, -MAX_INTERVAL), MAX_INTERVAL) + MAX_INTERVAL + 1
