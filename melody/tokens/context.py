"""What the model is told of events as they come, for one piece: the features and conditions of `melody.tokens.features`."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from copy import copy

import numpy as np
from numpy.typing import NDArray

from melody.piece import Ints
from melody.signatures import Key, TimeSignature
from melody.tokens.features import (
    BEGUN,
    ENDING,
    FIRST_PLACE,
    HELD,
    LOOKBACKS,
    LOOKED_AT,
    MAX_INTERVAL,
    PHASES,
    SECTIONS,
    SILENT,
    SOUNDING,
    code_of,
    condition_sizes,
    feature_sizes,
    parts_told,
    stride,
)
from melody.tokens.matches import Matcher
from melody.tokens.usage import FIRST_PART, KEY, METRE
from melody.tokens.vocabulary import END, FIELDS, KIND, TIME, VALUE, VELOCITY, Rows, Vocabulary


class Context:
    """The features of events as they come, for one piece."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.tick = 0
        self.bar_start = 0  # where the time signature in force began
        self.bars_before = 0
        self.metre = 0
        self.key = 0  # 1 + number of the key in force
        self.num_conditions = len(condition_sizes(vocabulary))
        self._vocabulary = vocabulary
        self._stride = stride(vocabulary)
        self._bar_lengths = [
            TimeSignature(0, *t).bar_ticks(vocabulary.ticks_per_quarter) for t in vocabulary.time_signatures
        ]
        self._parts = parts_told(vocabulary)
        self._last: list[tuple[int, int, int]] = [(-1, -1, 0)] * len(vocabulary.parts)  # onset, end, pitch + 1
        self._is_drum = [part.is_drum for part in vocabulary.parts]
        self._keys: list[int] = []
        self._rows: list[tuple[int, int, int, int, int]] = []
        self._matcher = Matcher()
        self.match: list[int] = [0] * len(FIELDS)  # the tokens of the event that followed, each + 1

    def copy(self) -> Context:
        """An independent context that has seen the same events."""
        twin = copy(self)
        twin._keys, twin._rows, twin._last = self._keys[:], self._rows[:], self._last[:]
        twin._matcher = self._matcher.copy()
        return twin

    @property
    def bar_ticks(self) -> int:
        """Length of a bar of the time signature in force."""
        return self._bar_lengths[self.metre]

    def place_conditions(self, time: int) -> list[int]:
        """The conditions of the place of the next event if it has that time token (not END), position to pitch."""
        tick = self.tick + self._vocabulary.shifts[time - 1]
        told = self._last[: self._parts]
        status = [_status_of(onset, end, tick) for onset, end, _ in told]
        age = [self._as_time(tick - onset) if end > tick else 0 for onset, end, _ in told]
        pitch = [pitch for _, _, pitch in told]
        return [*self._place(tick), self.key, *status, *age, *pitch]

    def part_conditions(self, kind: int) -> list[int]:
        """The conditions `own` and `distance` if the next event is of that kind."""
        own = self._last[kind - FIRST_PART][2] if kind >= FIRST_PART else 0
        return [own, *self._distances(kind, own)]

    def _distances(self, kind: int, pitch: int) -> list[int]:
        """From a pitch + 1 of an event of that kind to the last one of each part."""
        is_drum = self._is_drum
        if kind < FIRST_PART or is_drum[kind - FIRST_PART]:
            return [0] * self._parts
        told = zip(self._last[: self._parts], is_drum)
        return [0 if drums else _interval(pitch, other) for (_, _, other), drums in told]

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
        self._rows.append(row)
        bar = self.bar_ticks
        number = self.bars_before + (tick - self.bar_start) // bar
        features = [*self._place(tick), number % PHASES, min(number // PHASES, SECTIONS - 1), self.metre]
        pitch = 0
        if kind >= FIRST_PART and value >= self._vocabulary.first_pitch:
            pitch = value - self._vocabulary.first_pitch + 1
            features += [self._take_note(kind, value, duration), self.key, self._degree(kind, value)]
        else:
            features += [0, self.key, 0]
            if kind >= FIRST_PART:
                onset, _, before = self._last[kind - FIRST_PART]
                self._last[kind - FIRST_PART] = (onset, tick, before)
        for bars in LOOKBACKS:
            if tick < bars * bar:
                features += [0] * len(LOOKED_AT)
            else:
                back = self._rows[bisect_right(self._keys, self._keys[-1] - bars * bar * self._stride)]
                features += [token + 1 for token in back[:VELOCITY]]
        left = [self._left(part) for part in range(self._parts)]
        pitches = [last for _, _, last in self._last[: self._parts]]
        return [*features, *left, *pitches, *self._take_match(row), *self._distances(kind, pitch)]

    def _take_match(self, row: tuple[int, ...]) -> list[int]:
        """Look up what is being repeated; gives its length and times and the tokens that followed."""
        match = self._matcher.push(code_of(self._vocabulary, *row[:VELOCITY]))
        followed = self._rows[match.place] if match.length else (-1,) * len(FIELDS)
        self.match = [token + 1 for token in followed]
        return [match.length, match.times, *self.match]

    def _take_note(self, kind: int, value: int, duration: int) -> int:
        """Remember a note as its part's last; gives its interval to the one before."""
        pitch = value - self._vocabulary.first_pitch + 1
        before = self._last[kind - FIRST_PART][2]
        part = kind - FIRST_PART
        end = HELD if self._vocabulary.legato[part] else self.tick + self._vocabulary.durations[duration]
        self._last[part] = (self.tick, end, pitch)
        return _interval(before, pitch)

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


def _interval(pitch: int, other: int) -> int:
    """From one pitch + 1 to another, 0 if there is not both."""
    return min(max(other - pitch, -MAX_INTERVAL), MAX_INTERVAL) + MAX_INTERVAL + 1 if pitch and other else 0


class Contexts:
    """The contexts of several pieces side by side, all at their beginning.

    Parameters
    ----------
    vocabulary
        Of the events.
    streams
        How many pieces.
    """

    def __init__(self, vocabulary: Vocabulary, streams: int) -> None:
        self.vocabulary = vocabulary
        self._contexts = [Context(vocabulary) for _ in range(streams)]

    def __len__(self) -> int:
        return len(self._contexts)

    @property
    def tick(self) -> Ints:
        """Of the last event of each piece, 0 before the first, (streams,)."""
        return np.array([context.tick for context in self._contexts], np.int64)

    @property
    def metre(self) -> Ints:
        """Number of the time signature in force in each piece, (streams,)."""
        return np.array([context.metre for context in self._contexts], np.int64)

    def push(self, rows: Rows, active: NDArray[np.bool_] | None = None) -> Ints:
        """Take in one event a stream, (streams, 5), and give its features, (streams, features), as `context` would.

        Streams that are not `active`, or whose event is END, stay as they are; their features are zeros.
        """
        going = rows[:, TIME] != END if active is None else active & (rows[:, TIME] != END)
        features = np.zeros((len(rows), len(feature_sizes(self.vocabulary))), np.int64)
        for stream in np.flatnonzero(going).tolist():
            time, kind, value, duration, velocity = rows[stream].tolist()
            features[stream] = self._contexts[stream].push((time, kind, value, duration, velocity))
        return features

    def take(self, streams: Ints) -> Contexts:
        """Those streams alone, in that order, independent of these; one may be named more than once."""
        taken = copy(self)
        taken._contexts = [self._contexts[stream].copy() for stream in streams.tolist()]
        return taken

    def put(self, streams: Ints, other: Contexts) -> None:
        """Let the streams of other contexts be these."""
        for stream, context in zip(streams.tolist(), other._contexts):
            self._contexts[stream] = context.copy()

    def join(self, other: Contexts) -> Contexts:
        """These streams, and behind them those of another, independent of both."""
        joined = copy(self)
        joined._contexts = [context.copy() for context in (*self._contexts, *other._contexts)]
        return joined


class Conditions:
    """The conditions of the next event of several pieces, filled in as its fields are chosen.

    Parameters
    ----------
    contexts
        Of the pieces; they must not be changed meanwhile.

    Attributes
    ----------
    array
        What an engine's heads read, (streams, conditions).
    """

    def __init__(self, contexts: Contexts | Vocabulary, pieces: Sequence[Context] = ()) -> None:
        # A vocabulary and contexts of one piece each, until all that samples has `Contexts`.
        vocabulary = contexts.vocabulary if isinstance(contexts, Contexts) else contexts
        self._contexts = contexts._contexts[:] if isinstance(contexts, Contexts) else list(pieces)
        self._of_part = 1 + parts_told(vocabulary)
        self.array = np.zeros((len(self._contexts), len(condition_sizes(vocabulary))), np.int64)
        self.array[:, :FIRST_PLACE] = np.array([c.match for c in self._contexts], np.int64).reshape(-1, FIRST_PLACE)

    def place(self, events: Rows) -> None:
        """What is known of the place where events will stand once their times are chosen."""
        times = events[:, TIME].tolist()
        place = slice(FIRST_PLACE, self.array.shape[1] - self._of_part)
        self.array[:, place] = [c.place_conditions(max(time, 1)) for c, time in zip(self._contexts, times)]

    def part(self, events: Rows) -> None:
        """What is known of the parts once the kinds of events are chosen."""
        kinds = events[:, KIND].tolist()
        self.array[:, -self._of_part :] = [c.part_conditions(kind) for c, kind in zip(self._contexts, kinds)]

    def take(self, pieces: NDArray[np.int64]) -> None:
        """Go on with these pieces alone, in that order; one may be named more than once."""
        self._contexts = [self._contexts[piece] for piece in pieces.tolist()]
        self.array = self.array[pieces]
