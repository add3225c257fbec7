"""What the model is told of an event besides its five tokens: where it stands, and what came a few bars before.

All of it follows from the events so far, so nothing is given for free: a model fed with these features is still a model of
the plain sequence of events.

======== =========================================================================================================
position ticks since the bar line, up to the longest bar; all models of folk tunes profit from metrical position
beat     ticks since the last quarter of the bar; what holds in any metre, and where a pick-up hides the bar lines
phase    number of the bar, modulo 8: most phrases are 2, 4 or 8 bars long
section  number of groups of 8 bars before, at most 15: without it a model that repeats itself does not know when to end
metre    number of the time signature in force
interval semitones from the note before in the same part, -24 to 24, shifted to 1 to 49; 0 if there is none
key      1 + number of the key in force; 0 if none
degree   semitones above the tonic, 1 to 12, in minor 13 to 24, of a pitched note; 0 without a key
lookback for 1, 2, 4 and 8 bars back: time, value and duration of the event that came next there (each + 1; 0 if none).
         Music repeats itself at the distance of bars; this is the input of Magenta's Lookback RNN (Waite 2016)
left     for each part, how long its last note still sounds after this onset, as a time token; 0 if it has ended. Of a
         legato part: how long the note that sounds there has sounded
pitch    of each part's last note + 1; 0 before its first
======== =========================================================================================================

Once the time of the next event is chosen, the place where it will stand is known, and the fields after the time are told of
it; these are the conditions:

======== =========================================================================================================
position as above, of the next event
beat     as above, of the next event
key      as above, in force before it
status   of each part there: 0 silent, 1 its last note ends just there, 2 it sounds on, 3 it has begun just there
age      of each part, for how long its last note has sounded there, as a time token; 0 if it is silent
pitch    of each part's last note + 1; 0 before its first
own      pitch of the last note of the part that was chosen + 1; only fields after the kind may see it
======== =========================================================================================================

Left, status, age and pitch are there for vocabularies of up to 8 parts; with more they are left out.

`context` computes all of them for a whole piece at once; `Context` event by event, for sampling. They agree exactly.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from copy import copy

import numpy as np
from numpy.typing import NDArray

from melody.signatures import Key, TimeSignature
from melody.tokens.usage import FIRST_PART, KEY, METRE
from melody.tokens.vocabulary import DURATION, KIND, TIME, VALUE, Rows, Vocabulary

LOOKBACKS = (1, 2, 4, 8)  # bars
PHASES = 8
SECTIONS = 16
MAX_INTERVAL = 24
MAX_PARTS = 8
POSITION, BEAT, PHASE, SECTION, METRE_IN_FORCE, INTERVAL, KEY_IN_FORCE, DEGREE, FIRST_LOOKBACK = range(9)
KEY_CONDITION, FIRST_STATUS = 2, 3
FIRST_LEFT = FIRST_LOOKBACK + 3 * len(LOOKBACKS)
_LOOKED_AT = (TIME, VALUE, DURATION)
SILENT, ENDING, SOUNDING, BEGUN = range(4)  # status
_HELD = 1 << 62  # the end of a note of a legato part that sounds


def parts_told(vocabulary: Vocabulary) -> int:
    """How many parts left, status and pitch are given of."""
    return len(vocabulary.parts) if len(vocabulary.parts) <= MAX_PARTS else 0


def feature_sizes(vocabulary: Vocabulary) -> tuple[int, ...]:
    """Number of values of each feature, in their order."""
    looked_at = tuple(vocabulary.sizes[f] + 1 for f in _LOOKED_AT)
    own: tuple[int, ...] = (vocabulary.longest_bar, vocabulary.ticks_per_quarter, PHASES, SECTIONS)
    own += (len(vocabulary.time_signatures), 2 * MAX_INTERVAL + 2, len(vocabulary.keys) + 1, 25)
    told = parts_told(vocabulary)
    return own + looked_at * len(LOOKBACKS) + (len(vocabulary.shifts) + 1,) * told + (vocabulary.num_pitches + 1,) * told


def condition_sizes(vocabulary: Vocabulary) -> tuple[int, ...]:
    """Number of values of each condition: position, beat, key, status, age and pitch of each part, own."""
    parts = parts_told(vocabulary)
    place = (vocabulary.longest_bar, vocabulary.ticks_per_quarter, len(vocabulary.keys) + 1)
    return place + (4,) * parts + (len(vocabulary.shifts) + 1,) * parts + (vocabulary.num_pitches + 1,) * (parts + 1)


def context(vocabulary: Vocabulary, rows: Rows) -> NDArray[np.int64]:
    """The features and then the conditions of each event, (events, features + conditions); those of END are 0."""
    features = np.zeros((len(rows), len(feature_sizes(vocabulary))), np.int64)
    conditions = np.zeros((len(rows), len(condition_sizes(vocabulary))), np.int64)
    rows = rows[:-1] if len(rows) and rows[-1, TIME] == 0 else rows
    count = len(rows)
    if count == 0:
        return np.concatenate([features, conditions], axis=1)
    tick = np.cumsum(np.array(vocabulary.shifts)[rows[:, TIME] - 1])
    start, bar_ticks, bars_before, metre = _metre_at(vocabulary, rows, tick)
    since = tick - start
    features[:count, POSITION] = np.minimum(since % bar_ticks, vocabulary.longest_bar - 1)
    features[:count, BEAT] = since % bar_ticks % vocabulary.ticks_per_quarter
    bar = bars_before + since // bar_ticks
    features[:count, PHASE] = bar % PHASES
    features[:count, SECTION] = np.minimum(bar // PHASES, SECTIONS - 1)
    features[:count, METRE_IN_FORCE] = metre
    note = vocabulary.is_note(rows)
    features[:count, INTERVAL] = _intervals(vocabulary, rows, note)
    features[:count, KEY_IN_FORCE] = key_in_force = _keys_in_force(vocabulary, rows)
    features[:count, DEGREE] = np.where(note, _degrees(vocabulary, rows, key_in_force), 0)
    key = _sort_key(vocabulary, tick, rows[:, KIND], rows[:, VALUE])
    for i, bars in enumerate(LOOKBACKS):
        back = bars * bar_ticks
        follower = np.searchsorted(key, key - back * _stride(vocabulary), side="right")
        known = tick >= back
        column = FIRST_LOOKBACK + 3 * i
        features[:count, column : column + 3] = np.where(known[:, None], rows[follower][:, _LOOKED_AT] + 1, 0)
    conditions[:count, :KEY_CONDITION] = features[:count, (POSITION, BEAT)]
    conditions[1:count, KEY_CONDITION] = key_in_force[:-1]
    _add_parts(vocabulary, rows, note, tick, features[:count, FIRST_LEFT:], conditions[:count, FIRST_STATUS:])
    return np.concatenate([features, conditions], axis=1)


def _keys_in_force(vocabulary: Vocabulary, rows: Rows) -> NDArray[np.int64]:
    last = np.maximum.accumulate(np.where(rows[:, KIND] == KEY, np.arange(len(rows)), -1))
    return np.where(last >= 0, rows[last, VALUE] - vocabulary.value_starts[KEY] + 1, 0)


def _degrees(vocabulary: Vocabulary, rows: Rows, keys: NDArray[np.int64]) -> NDArray[np.int64]:
    tonics = np.array([0, *(Key(0, *key).tonic for key in vocabulary.keys)])
    minor = np.array([0, *(12 * (mode == "minor") for _, mode in vocabulary.keys)])
    pitch = rows[:, VALUE] - vocabulary.first_pitch + vocabulary.pitches[0]
    pitched = np.array([False] * FIRST_PART + [not part.is_drum for part in vocabulary.parts])[rows[:, KIND]]
    return np.where(pitched & (keys > 0), 1 + (pitch - tonics[keys]) % 12 + minor[keys], 0)


def _add_parts(
    vocabulary: Vocabulary,
    rows: Rows,
    note: NDArray[np.bool_],
    tick: NDArray[np.int64],
    features: NDArray[np.int64],
    conditions: NDArray[np.int64],
) -> None:
    """Left and pitch, and of the conditions status, age, pitch and own, written into their columns."""
    told = parts_told(vocabulary)
    number = np.arange(len(rows))
    ticks = np.array(vocabulary.durations or (0,))[rows[:, DURATION]]
    for part in range(len(vocabulary.parts)):
        speaks = rows[:, KIND] == FIRST_PART + part
        last = np.maximum.accumulate(np.where(speaks & note, number, -1))  # the part's last note up to each event
        end = tick[last] + ticks[last]
        if vocabulary.legato[part]:
            rest = np.maximum.accumulate(np.where(speaks & ~note, number, -1))
            end = np.where(rest > last, tick[rest], _HELD)
        before = np.concatenate([[-1], last[:-1]])  # and before it
        heard, onset, end_before = before >= 0, tick[before], np.concatenate([[0], end[:-1]])
        after = np.where(last >= 0, rows[last, VALUE] - vocabulary.first_pitch + 1, 0)
        pitch = np.concatenate([[0], after[:-1]])
        conditions[speaks, -1] = pitch[speaks]
        if part < told:
            sounding = (last >= 0) & (end > tick)
            lasting = tick - tick[last] if vocabulary.legato[part] else end - tick
            features[:, part] = np.where(sounding, _as_time(vocabulary, lasting), 0)
            features[:, told + part] = after
            conditions[:, part] = np.where(heard, _status(onset, end_before, tick), SILENT)
            age = np.where(heard & (end_before > tick), _as_time(vocabulary, tick - onset), 0)
            conditions[:, told + part] = age
            conditions[:, 2 * told + part] = pitch


def _as_time(vocabulary: Vocabulary, ticks: NDArray[np.int64]) -> NDArray[np.int64]:
    """1 + number of the shift that is not shorter, the last one if there is none."""
    return 1 + np.minimum(np.searchsorted(vocabulary.shifts, ticks), len(vocabulary.shifts) - 1)


def _status(onset: NDArray[np.int64], end: NDArray[np.int64], tick: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.select([end < tick, end == tick, onset < tick], [SILENT, ENDING, SOUNDING], BEGUN)


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


def _intervals(vocabulary: Vocabulary, rows: Rows, note: NDArray[np.bool_]) -> NDArray[np.int64]:
    interval = np.zeros(len(rows), np.int64)
    for kind in range(FIRST_PART, vocabulary.sizes[KIND]):
        notes = np.flatnonzero((rows[:, KIND] == kind) & note)
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
        self.key = 0  # 1 + number of the key in force
        self._vocabulary = vocabulary
        self._stride = _stride(vocabulary)
        self._bar_lengths = [
            TimeSignature(0, *t).bar_ticks(vocabulary.ticks_per_quarter) for t in vocabulary.time_signatures
        ]
        self._parts = parts_told(vocabulary)
        self._last: list[tuple[int, int, int]] = [(-1, -1, 0)] * len(vocabulary.parts)  # onset, end, pitch + 1
        self._keys: list[int] = []
        self._rows: list[tuple[int, int, int]] = []

    def copy(self) -> Context:
        """An independent context that has seen the same events."""
        twin = copy(self)
        twin._keys, twin._rows, twin._last = self._keys[:], self._rows[:], self._last[:]
        return twin

    @property
    def bar_ticks(self) -> int:
        """Length of a bar of the time signature in force."""
        return self._bar_lengths[self.metre]

    def conditions(self, time: int) -> list[int]:
        """The conditions of the next event if it has that time token (not END), without `own`."""
        tick = self.tick + self._vocabulary.shifts[time - 1]
        told = self._last[: self._parts]
        status = [_status_of(onset, end, tick) for onset, end, _ in told]
        age = [self._as_time(tick - onset) if end > tick else 0 for onset, end, _ in told]
        pitch = [pitch for _, _, pitch in told]
        return [*self._place(tick), self.key, *status, *age, *pitch]

    def own(self, kind: int) -> int:
        """The condition `own` if the next event is of that kind."""
        return self._last[kind - FIRST_PART][2] if kind >= FIRST_PART else 0

    def _place(self, tick: int) -> tuple[int, int]:
        """Position and beat."""
        since = (tick - self.bar_start) % self.bar_ticks
        return min(since, self._vocabulary.longest_bar - 1), since % self._vocabulary.ticks_per_quarter

    def push(self, row: tuple[int, int, int, int, int]) -> list[int]:
        """Take in the next event (not END) and give its features, as `context` would."""
        time, kind, value, duration, _ = row
        self.tick += self._vocabulary.shifts[time - 1]
        tick = self.tick
        if kind == METRE:
            self.bars_before += (tick - self.bar_start) // self.bar_ticks
            self.bar_start, self.metre = tick, value
        elif kind == KEY:
            self.key = value - self._vocabulary.value_starts[KEY] + 1
        self._keys.append((tick * self._vocabulary.sizes[KIND] + kind) * self._vocabulary.sizes[VALUE] + value)
        self._rows.append((time + 1, value + 1, duration + 1))
        bar = self.bar_ticks
        number = self.bars_before + (tick - self.bar_start) // bar
        features = [*self._place(tick), number % PHASES, min(number // PHASES, SECTIONS - 1), self.metre]
        if kind >= FIRST_PART and value >= self._vocabulary.first_pitch:
            features += [self._take_note(kind, value, duration), self.key, self._degree(kind, value)]
        else:
            features += [0, self.key, 0]
            if kind >= FIRST_PART:
                onset, _, pitch = self._last[kind - FIRST_PART]
                self._last[kind - FIRST_PART] = (onset, tick, pitch)
        for bars in LOOKBACKS:
            if tick < bars * bar:
                features += [0, 0, 0]
            else:
                features += self._rows[bisect_right(self._keys, self._keys[-1] - bars * bar * self._stride)]
        left = [self._left(part) for part in range(self._parts)]
        return [*features, *left, *(pitch for _, _, pitch in self._last[: self._parts])]

    def _take_note(self, kind: int, value: int, duration: int) -> int:
        """Remember a note as its part's last; gives its interval to the one before."""
        pitch = value - self._vocabulary.first_pitch + 1
        before = self._last[kind - FIRST_PART][2]
        part = kind - FIRST_PART
        end = _HELD if self._vocabulary.legato[part] else self.tick + self._vocabulary.durations[duration]
        self._last[part] = (self.tick, end, pitch)
        return min(max(pitch - before, -MAX_INTERVAL), MAX_INTERVAL) + MAX_INTERVAL + 1 if before else 0

    def _degree(self, kind: int, value: int) -> int:
        vocabulary = self._vocabulary
        if kind < FIRST_PART or self.key == 0 or vocabulary.parts[kind - FIRST_PART].is_drum:
            return 0
        fifths, mode = vocabulary.keys[self.key - 1]
        pitch = value - vocabulary.first_pitch + vocabulary.pitches[0]
        return 1 + (pitch - Key(0, fifths, mode).tonic) % 12 + 12 * (mode == "minor")

    def _left(self, part: int) -> int:
        onset, end, _ = self._last[part]
        if end <= self.tick:
            return 0
        return self._as_time(self.tick - onset if self._vocabulary.legato[part] else end - self.tick)

    def _as_time(self, ticks: int) -> int:
        shifts = self._vocabulary.shifts
        return 1 + min(bisect_left(shifts, ticks), len(shifts) - 1)


def _status_of(onset: int, end: int, tick: int) -> int:
    if end < tick:
        return SILENT
    if end == tick:
        return ENDING
    return SOUNDING if onset < tick else BEGUN
