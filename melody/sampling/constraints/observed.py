"""The grammar of music of which some events are given: every given event comes at its tick, and free parts between."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from melody.sampling.constraints.observations import REST, SPEAKS, Given, known_steps
from melody.tokens.grammar import Grammar, Mask
from melody.tokens.usage import FIRST_PART
from melody.tokens.vocabulary import DURATION, END, KIND, TIME, VALUE, VELOCITY, Rows, Vocabulary


class Filling(Grammar):
    """The masks of a `Grammar`, narrowed to what leaves room for the given events; a mask without any token is a dead end.

    Parameters
    ----------
    vocabulary
        Of the events.
    streams
        How many.
    frame
        What is given.

    Attributes
    ----------
    said
        How many of the given events each stream is past, (streams,).
    """

    per_stream: ClassVar[tuple[str, ...]] = (*Grammar.per_stream, "said")

    def __init__(self, vocabulary: Vocabulary, streams: int, frame: Given) -> None:
        super().__init__(vocabulary, streams)
        self._frame = frame
        self.said = np.zeros(streams, np.int64)
        self._at = np.append(frame.tick, frame.tick[-1])  # one more, for streams that are past all of them
        self._given = np.concatenate([frame.rows, np.full((1, frame.rows.shape[1]), -1)])
        self._form = np.append(frame.form, -1)
        ends = self._given[:, TIME] <= END
        self._given[ends, KIND] = -1  # no kind at all
        self._steps = known_steps(vocabulary, int(np.diff(frame.tick, prepend=0).max()) + max(vocabulary.shifts) + 1)[1]

    def _due(self) -> NDArray[np.int64]:
        """Which given event each stream must come to next."""
        due = self.said.copy()
        while True:
            part = np.maximum(self._given[due, KIND] - FIRST_PART, 0)
            skipped = (self._form[due] == REST) & ~self._held[np.arange(len(due)), part]
            if not skipped.any():
                return due
            due[skipped] += 1

    def times(self) -> Mask:
        """As `Grammar.times`; END only when it is given, and no time from which the next given event is out of reach."""
        due = self._due()
        ticks = self._tick[:, None] + self._shifts
        left = self._at[due][:, None] - ticks
        legal = self._look_ahead().kinds.any(axis=2) & self._steps[np.clip(left, 0, len(self._steps) - 1)] & (left >= 0)
        end = (self._given[due, TIME] == END) & self._begun & ~self._held.any(axis=1)
        end &= (self._notes > 0) & (self._length > self._frame.reaches)
        return np.concatenate([end[:, None], legal], axis=1)

    def _kinds(self, ticks: NDArray[np.int64], speaking: Mask) -> Mask:
        due = self._due()
        at, kind = self._at[due][:, None], self._given[due, KIND][:, None, None]
        free = self._frame.free & (ticks[:, :, None] >= self._frame.since) & (ticks[:, :, None] < self._frame.until)
        allowed = np.concatenate([np.zeros((*ticks.shape, FIRST_PART), bool), free], axis=2)
        there, number = (ticks == at)[:, :, None], np.arange(allowed.shape[2])
        allowed = (allowed & (~there | (number < kind) | (kind < 0))) | (there & (number == kind))
        allowed &= (ticks <= at)[:, :, None]
        return super()._kinds(ticks, speaking) & allowed

    def values(self, time: NDArray[np.int64], kind: NDArray[np.int64]) -> Mask:
        """As `Grammar.values`; the value of a given event, and no pitch without room for the shortest note."""
        legal = super().values(time, kind)
        due, tick = self._due(), self._ticks_of(time)
        given = (tick == self._at[due]) & (kind == self._given[due, KIND])
        free = np.flatnonzero(~given & (kind >= FIRST_PART))
        part = kind[free] - FIRST_PART
        least = np.where(self._legato[part], 1, self._durations[0])
        room = self._frame.silent[part] >= (tick[free] + least)[:, None]
        legal[free, self._vocabulary.first_pitch :] &= room
        exact = np.flatnonzero(given & (self._form[due] != SPEAKS))
        legal[exact] &= np.arange(legal.shape[1]) == self._given[due[exact], VALUE, None]
        return legal

    def lengths(self, events: Rows) -> Mask:
        """Which durations are legal of notes whose time, kind and value are chosen, (streams, durations)."""
        due, tick = self._due(), self._ticks_of(events[:, TIME])
        legal = self.durations(events[:, TIME])
        given = self._is_given(events, due, tick)
        part, pitch = events[:, KIND] - FIRST_PART, events[:, VALUE] - self._vocabulary.first_pitch
        silent = self._frame.silent[np.maximum(part, 0), np.maximum(pitch, 0)]
        legal &= given[:, None] | (tick[:, None] + self._durations <= silent[:, None])
        legal[given] &= np.arange(legal.shape[1]) == self._given[due[given], DURATION, None]
        return legal

    def velocities(self, events: Rows) -> Mask:
        """Which velocities are legal of notes whose time, kind and value are chosen, (streams, velocities)."""
        due = self._due()
        legal = np.ones((len(events), len(self._vocabulary.velocities)), bool)
        given = self._is_given(events, due, self._ticks_of(events[:, TIME]))
        legal[given] = np.arange(legal.shape[1]) == self._given[due[given], VELOCITY, None]
        return legal

    def _is_given(self, events: Rows, due: NDArray[np.int64], tick: NDArray[np.int64]) -> Mask:
        """Whether an event is the given one that is due, and said exactly."""
        there = (tick == self._at[due]) & (events[:, KIND] == self._given[due, KIND])
        return there & (self._form[due] != SPEAKS)

    def push(self, rows: Rows, active: Mask | None = None) -> None:
        """As `Grammar.push`, all streams being active."""
        due, tick = self._due(), self._ticks_of(rows[:, TIME])
        ended = rows[:, TIME] == END
        came = ended | ((tick == self._at[due]) & (rows[:, KIND] == self._given[due, KIND]))
        super().push(rows, active)
        self.said = np.where(came, due + 1, self.said)


class Observed:
    """Observed events, between which the free parts play."""

    def __init__(self, vocabulary: Vocabulary, observations: Given) -> None:
        self._vocabulary, self._observations = vocabulary, observations

    def over(self, grammar: Grammar) -> Grammar:
        return Filling(self._vocabulary, len(grammar._tick), self._observations)
