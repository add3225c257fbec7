"""What the model reads of events as they come, of several pieces side by side: the features and conditions of
`melody.tokens.features`, which has them for a whole piece at once; the two agree exactly.
"""

from __future__ import annotations

from copy import copy
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from melody.piece import Ints
from melody.signatures import Key, TimeSignature
from melody.tokens.features import (
    ENDING,
    FIRST_LEFT,
    FIRST_LOOKBACK,
    FIRST_PLACE,
    FIRST_STATUS,
    HELD,
    LOOKBACKS,
    LOOKED_AT,
    MAX_INTERVAL,
    PHASES,
    SECTIONS,
    condition_sizes,
    feature_sizes,
    parts_told,
)
from melody.tokens.history import History
from melody.tokens.usage import FIRST_PART, KEY, METRE
from melody.tokens.vocabulary import END, FIELDS, KIND, TIME, VALUE, Rows, Vocabulary


class Contexts:
    """What has come so far in several pieces side by side, all of them at their beginning at first.

    Parameters
    ----------
    vocabulary
        Of the events.
    streams
        How many pieces.

    Attributes
    ----------
    tick
        Of the last event of each piece, 0 before the first, (streams,).
    metre
        Number of the time signature in force, (streams,).
    key
        1 + number of the key in force, 0 if none, (streams,).
    onset, end, pitch
        Of the last note of each kind of event that is a part, -1, -1, 0 before the first, (streams, kinds); the pitch + 1,
        from 1 for the lowest, and the end `HELD` while it is not known.
    match
        The tokens of the event that followed where what is being repeated came last, each + 1, (streams, fields).
    """

    _per_stream: ClassVar[tuple[str, ...]] = (
        "tick",
        "metre",
        "key",
        "onset",
        "end",
        "pitch",
        "match",
        "_bar_start",
        "_bars_before",
        "_bar_ticks",
    )

    def __init__(self, vocabulary: Vocabulary, streams: int) -> None:
        self.tables, shape = Tables(vocabulary), (streams, vocabulary.sizes[KIND])
        self.tick, self.metre, self.key = (np.zeros(streams, np.int64) for _ in range(3))
        self.onset, self.end, self.pitch = np.full(shape, -1), np.full(shape, -1), np.zeros(shape, np.int64)
        self.match = np.zeros((streams, len(FIELDS)), np.int64)
        self._bar_start, self._bars_before = np.zeros(streams, np.int64), np.zeros(streams, np.int64)
        self._bar_ticks = np.full(streams, self.tables.bar_ticks[0])
        self._history = History(vocabulary, streams)

    def __len__(self) -> int:
        return len(self.tick)

    # What was chosen

    def push(self, rows: Rows, active: NDArray[np.bool_] | None = None) -> Ints:
        """Take in one event a stream, (streams, 5), and give its features, (streams, features).

        Streams that are not `active`, or whose event is END, stay as they are; their features are zeros.
        """
        going = rows[:, TIME] != END if active is None else active & (rows[:, TIME] != END)
        if going.all():
            return self._push(rows)
        features, streams = np.zeros((len(rows), self.tables.num_features), np.int64), np.flatnonzero(going)
        own = self.take(streams)
        features[streams] = own._push(rows[streams])
        self.put(streams, own)
        return features

    def _push(self, rows: Rows) -> Ints:
        tables = self.tables
        time, kind, value, duration, _ = rows.T
        features = np.zeros((len(rows), tables.num_features), np.int64)
        self.tick = tick = self.tick + tables.shifts[time]
        if kind.min(initial=FIRST_PART) < FIRST_PART:
            self._take_changes(kind, value)
        bar, position = np.divmod(tick - self._bar_start, self._bar_ticks)
        bar += self._bars_before
        section, phase = np.divmod(bar, PHASES)
        pitch = tables.pitch_of[value]
        before = self._take_notes(kind, pitch, duration)
        place = (position, position % tables.beat, phase, np.minimum(section, SECTIONS - 1), self.metre)
        of_note = (tables.interval[before, pitch], self.key, tables.degree[self.key, tables.pitched[kind], value])
        features[:, :FIRST_LOOKBACK] = np.array([*place, *of_note]).T
        self._history.push(rows, tick)
        self._add_lookbacks(features[:, FIRST_LOOKBACK:FIRST_LEFT])
        self._add_parts(features[:, FIRST_LEFT:], kind, pitch)
        return features

    def _take_changes(self, kind: Ints, value: Ints) -> None:
        changes, keys = np.flatnonzero(kind == METRE), np.flatnonzero(kind == KEY)
        self.key[keys] = value[keys] - self.tables.first_key + 1
        self._bars_before[changes] += (self.tick - self._bar_start)[changes] // self._bar_ticks[changes]
        self._bar_start[changes], self.metre[changes] = self.tick[changes], value[changes]
        self._bar_ticks[changes] = self.tables.bar_ticks[value[changes]]

    def _take_notes(self, kind: Ints, pitch: Ints, duration: Ints) -> Ints:
        """Notes and rests are their parts' last; gives the pitch + 1 before each note, 0 if there is none."""
        at = self.tables.kinds * np.arange(len(kind)) + kind
        onset, end, last = (array.reshape(-1) for array in (self.onset, self.end, self.pitch))  # views
        before = last[at]
        if pitch.all():
            onset[at], end[at], last[at] = self.tick, self._ends(kind, duration), pitch
            return before
        note = pitch > 0
        speaks = kind >= FIRST_PART
        end[at[speaks]] = np.where(note, self._ends(kind, duration), self.tick)[speaks]
        onset[at[note]], last[at[note]] = self.tick[note], pitch[note]
        return before

    def _ends(self, kind: Ints, duration: Ints) -> Ints:
        if self.tables.all_implied:
            return self.tables.held_of[kind]
        return np.where(self.tables.implied[kind], HELD, self.tick + self.tables.durations[duration])

    def _add_lookbacks(self, features: Ints) -> None:
        ticks = self.tables.lookbacks[self.metre]  # (streams, lookbacks)
        found = self._history.after(ticks)[:, :, : len(LOOKED_AT)] * (self.tick[:, None] >= ticks)[:, :, None]
        features[:] = found.reshape(features.shape)

    def _add_parts(self, features: Ints, kind: Ints, pitch: Ints) -> None:
        """What still sounds of each part, its last pitch, what is repeated, and the distances from the note."""
        told = self.tables.told
        if told:
            features[:, :told], features[:, told : 2 * told] = self._left(), self.pitch[:, FIRST_PART:]
            features[:, features.shape[1] - told :] = self.distances(kind, pitch)
        match, followed = self._history.match()
        self.match = followed.astype(np.int64)
        first = 2 * told
        features[:, first], features[:, first + 1] = match.length, match.times
        features[:, first + 2 : first + 2 + len(FIELDS)] = self.match

    def _left(self) -> Ints:
        """How long each part still sounds, or has sounded if its durations are implied, (streams, parts)."""
        end, tick = self.end[:, FIRST_PART:], self.tick[:, None]
        implied = self.tables.implied[FIRST_PART:]
        lasting = tick - self.onset[:, FIRST_PART:]
        if not self.tables.all_implied:
            lasting = np.where(implied, lasting, end - tick)
        return self.tables.as_time(lasting) * (end > tick)

    def distances(self, kind: Ints, pitch: Ints) -> Ints:
        """From pitches + 1, of events of those kinds, to the last one of each part, as intervals, (streams, parts)."""
        pitched = self.tables.pitched
        distance = self.tables.interval[(pitch * pitched[kind])[:, None], self.pitch[:, FIRST_PART:]]
        return distance if pitched[FIRST_PART:].all() else distance * pitched[FIRST_PART:]

    # Pieces that come and go

    def take(self, streams: Ints) -> Contexts:
        """Those pieces alone, in that order, independent of these; one may be named more than once."""
        taken = self.without_history(streams)
        taken._history = self._history.take(streams)
        return taken

    def without_history(self, streams: Ints) -> Contexts:
        """Those pieces alone, as far as conditions need them; no event can be pushed."""
        taken = copy(self)
        for name in self._per_stream:
            setattr(taken, name, getattr(self, name)[streams])
        return taken

    def put(self, streams: Ints, other: Contexts) -> None:
        """Let the pieces of other contexts be these."""
        for name in self._per_stream:
            getattr(self, name)[streams] = getattr(other, name)
        self._history.put(streams, other._history)

    def join(self, other: Contexts) -> Contexts:
        """These pieces, and behind them those of other contexts, independent of both."""
        joined = copy(self)
        for name in self._per_stream:
            setattr(joined, name, np.concatenate([getattr(self, name), getattr(other, name)]))
        joined._history = self._history.join(other._history)
        return joined


class Tables:
    """What a vocabulary's tokens stand for, as arrays."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self.kinds, self.beat, self.first_key = (
            vocabulary.sizes[KIND],
            vocabulary.ticks_per_quarter,
            vocabulary.value_starts[KEY],
        )
        self.told, self.num_features = parts_told(vocabulary), len(feature_sizes(vocabulary))
        self.num_conditions = len(condition_sizes(vocabulary))
        self.shifts = np.array([0, *vocabulary.shifts])  # by time token
        self.durations = np.array(vocabulary.durations or (0,))
        self.implied = np.array([False] * FIRST_PART + list(vocabulary.legato))  # (kinds,)
        self.all_implied = all(vocabulary.legato)
        self.held_of = np.where(self.implied, HELD, 0)
        self.pitched = np.array([0] * FIRST_PART + [not part.is_drum for part in vocabulary.parts])  # 0 or 1, (kinds,)
        metres = [TimeSignature(0, *t) for t in vocabulary.time_signatures]
        self.bar_ticks = np.array([metre.bar_ticks(vocabulary.ticks_per_quarter) for metre in metres])
        self.lookbacks = self.bar_ticks[:, None] * np.array(LOOKBACKS)  # ticks, (metres, lookbacks)
        number = np.arange(vocabulary.sizes[VALUE])
        self.pitch_of = np.maximum(number - vocabulary.first_pitch + 1, 0)  # pitch + 1 by value, 0 for what is none

    @cached_property
    def interval(self) -> Ints:
        """From one pitch + 1 to another, 0 if there is not both, (1 + pitches, 1 + pitches)."""
        number = np.arange(1 + self.vocabulary.num_pitches)
        found = np.clip(number - number[:, None], -MAX_INTERVAL, MAX_INTERVAL) + MAX_INTERVAL + 1
        found[0], found[:, 0] = 0, 0
        return found

    @cached_property
    def degree(self) -> Ints:
        """Of a value in a key as 1 + its number, of a part that is a drum kit or no part at all, or of one that is not:
        (1 + keys, 2, values).
        """
        vocabulary = self.vocabulary
        found = np.zeros((1 + len(vocabulary.keys), 2, vocabulary.sizes[VALUE]), np.int64)
        pitch = np.arange(vocabulary.pitches[0], vocabulary.pitches[1] + 1)
        for number, (fifths, mode) in enumerate(vocabulary.keys):
            degree = 1 + (pitch - Key(0, fifths, mode).tonic) % 12 + 12 * (mode == "minor")
            found[1 + number, 1, vocabulary.first_pitch :] = degree
        return found

    def as_time(self, ticks: Ints) -> Ints:
        """1 + number of the shift that is not shorter, the last one if there is none."""
        found: Ints = 1 + np.searchsorted(self.shifts[1:-1], ticks)
        return found


class Conditions:
    """The conditions of the next event of several pieces, filled in as its fields are chosen.

    Parameters
    ----------
    contexts
        Of the pieces; no event may be pushed meanwhile.

    Attributes
    ----------
    array
        What an engine's heads read, (streams, conditions).
    """

    def __init__(self, contexts: Contexts) -> None:
        self._contexts, self._told = contexts, contexts.tables.told
        self.array = np.zeros((len(contexts), contexts.tables.num_conditions), np.int64)
        self.array[:, :FIRST_PLACE] = contexts.match

    def place(self, events: Rows) -> None:
        """What is known of the place where events will stand once their times are chosen."""
        of, told, array = self._contexts, self._told, self.array
        tick = of.tick + of.tables.shifts[events[:, TIME]]
        position = (tick - of._bar_start) % of._bar_ticks
        array[:, FIRST_PLACE], array[:, FIRST_PLACE + 1] = position, position % of.tables.beat
        array[:, FIRST_STATUS - 1] = of.key
        if told:
            tick = tick[:, None]
            onset, end = of.onset[:, FIRST_PART:], of.end[:, FIRST_PART:]
            sounds = end > tick
            array[:, FIRST_STATUS : FIRST_STATUS + told] = ENDING * (end >= tick) + sounds * (1 + (onset >= tick))
            array[:, FIRST_STATUS + told : FIRST_STATUS + 2 * told] = of.tables.as_time(tick - onset) * sounds
            array[:, FIRST_STATUS + 2 * told : FIRST_STATUS + 3 * told] = of.pitch[:, FIRST_PART:]

    def part(self, events: Rows) -> None:
        """What is known of the parts once the kinds of events are chosen."""
        of, kind = self._contexts, events[:, KIND]
        own = of.pitch[np.arange(len(kind)), kind]
        self.array[:, -1 - self._told] = own
        if self._told:
            self.array[:, -self._told :] = of.distances(kind, own)

    def take(self, pieces: Ints) -> None:
        """Go on with these pieces alone, in that order; one may be named more than once."""
        self._contexts, self.array = self._contexts.without_history(pieces), self.array[pieces]
