"""Observed events as a constraint: each comes at its tick, and between them the free parts play."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import numpy as np

from melody.piece import Ints
from melody.sampling.constraints.constraint import Constraint
from melody.sampling.constraints.joint_options import Due, Following, Options
from melody.sampling.constraints.music import NEVER, Event, Music
from melody.sampling.constraints.observations import ONSET_OR_REST, REST, Observations, known_steps
from melody.tokens import Vocabulary
from melody.tokens.grammar import Mask
from melody.tokens.usage import FIRST_PART
from melody.tokens.vocabulary import DURATION, END, KIND, TIME, VALUE, VELOCITY, Rows


class _Next(NamedTuple):
    """The observed event that each stream must come to next, (streams,)."""

    number: Ints
    tick: Ints
    form: Ints
    row: Rows  # (streams, 5)

    @property
    def kind(self) -> Ints:
        return self.row[:, KIND]

    def is_at(self, tick: Ints, kind: Ints) -> Mask:
        """Whether events at that tick, of that kind, are those."""
        found: Mask = (tick == self.tick) & (kind == self.kind)
        return found


class Observed(Constraint):
    """What leaves room for the observed events; all streams of the grammar stand at the beginning.

    Parameters
    ----------
    vocabulary
        Of the events.
    observations
        What is observed, and where which parts are free.
    """

    per_stream: ClassVar[tuple[str, ...]] = ("so_far",)
    binds_observed: ClassVar[bool] = True

    def __init__(self, vocabulary: Vocabulary, observations: Observations) -> None:
        tick, rows = observations.tick, observations.rows
        self._observations = observations
        self._tick = np.append(tick, tick[-1])  # one more, for streams that are past all of them
        self._rows = np.concatenate([rows, np.full((1, rows.shape[1]), -1)])
        self._form = np.append(observations.form, -1)
        self._rows[self._rows[:, TIME] <= END, KIND] = -1  # no kind at all
        self._steps = known_steps(vocabulary, int(np.diff(tick, prepend=0).max()) + max(vocabulary.shifts) + 1)[1]
        self._is_note = np.append(vocabulary.is_note(rows), False)
        self._first_pitch = vocabulary.first_pitch
        implied = np.array(vocabulary.implied_duration)
        self._least = np.where(implied, 1, min(vocabulary.durations or (1,)))  # the shortest note of each part
        self._next_notes = self._notes_from_each(len(vocabulary.parts))

    def _notes_from_each(self, parts: int) -> Ints:
        """Which observed note of each part is the next one, from each event on, (events + 1, parts); the last if none is."""
        found = np.full((len(self._rows), parts), len(self._rows) - 1)
        for number in np.flatnonzero(self._is_note)[::-1].tolist():
            found[: number + 1, self._rows[number, KIND] - FIRST_PART] = number
        return found

    def needs_pitches(self, music: Music) -> bool:
        """As `Constraint.needs_pitches`."""
        return False

    def begin(self, streams: int) -> Observed:
        """As `Constraint.begin`."""
        made = super().begin(streams)
        made.so_far = np.zeros(streams, np.int64)
        return made

    def _next(self, music: Music) -> _Next:
        assert self.so_far is not None
        number, held = self.so_far.copy(), music.standing.held
        while True:
            part = np.maximum(self._rows[number, KIND] - FIRST_PART, 0)
            skipped = (self._form[number] == REST) & ~held[np.arange(len(number)), part]
            if not skipped.any():
                return _Next(number, self._tick[number], self._form[number], self._rows[number])
            number[skipped] += 1

    def due(self, music: Music) -> Due:
        """As `Constraint.due`."""
        expected = self._next(music)
        away = expected.tick - music.standing.tick
        time = np.minimum(np.searchsorted(music.shifts, away), len(music.shifts) - 1)
        there = (music.shifts[time] == away) & (expected.kind >= 0)
        return Due(np.where(there, time, -1), expected.kind, expected.form != ONSET_OR_REST)

    # Masks

    def narrow(self, music: Music, options: Options) -> None:
        """END only when it is observed, and no time from which the next observed event is out of reach."""
        expected, now, seen = self._next(music), music.standing, self._observations
        ticks, at, kind = music.ticks[:, :, None], expected.tick[:, None, None], expected.kind[:, None, None]
        there, number = ticks == at, np.arange(FIRST_PART + len(seen.free))
        free = seen.free & (ticks >= seen.since) & (ticks < seen.until)  # (streams, times, parts)
        allowed = np.concatenate([np.zeros((*free.shape[:2], FIRST_PART), bool), free], axis=2)
        allowed = (allowed & (~there | (number < kind) | (kind < 0))) | (there & (number == kind))
        left = (at - ticks)[:, :, 0]
        reached = (left >= 0) & self._steps[np.clip(left, 0, len(self._steps) - 1)]
        options.narrow_times(reached)
        options.controls &= allowed[:, :, :FIRST_PART]
        options.rests &= allowed[:, :, FIRST_PART:]
        options.plays &= allowed[:, :, FIRST_PART:]
        options.ends &= (expected.row[:, TIME] == END) & now.begun & ~now.held.any(axis=1) & (now.length > seen.reaches)
        if options.notes is not None:
            self._narrow_notes(music, options, expected)

    def _narrow_notes(self, music: Music, options: Options, expected: _Next) -> None:
        """The same of notes, for constraints that need to know which there are."""
        assert options.notes is not None
        due = self.due(music)
        streams = np.flatnonzero((due.time >= 0) & (due.kind >= FIRST_PART))
        entry = streams, due.time[streams], due.kind[streams] - FIRST_PART
        exact, value = due.exact[streams], expected.row[streams, VALUE]
        pitch = np.arange(options.notes.shape[3]) == value[:, None] - self._first_pitch
        observed = options.notes[entry] & (pitch | ~exact[:, None])
        options.notes &= self._observations.silent >= (music.ticks[:, :, None] + self._least)[..., None]
        options.notes[entry] = observed
        options.plays[entry] &= observed.any(axis=1)
        options.rests[entry] &= ~exact | (value < self._first_pitch)
        options.to_come = self._to_come(music, expected)
        options.following = self._following(expected)

    def _to_come(self, music: Music, expected: _Next) -> Ints:
        """How many observed notes will still begin in the bar of each time, (streams, times)."""
        notes = np.append(0, np.cumsum(self._is_note[:-1]))
        bar = music.standing.bar_ticks[:, None]
        line = music.ticks - music.position
        own = np.searchsorted(self._observations.tick[self._observations.rows[:, TIME] != END], [line, line + bar])
        first, last = np.maximum(own[0], expected.number[:, None]), own[1]
        return np.asarray(np.maximum(notes[last] - notes[np.minimum(first, len(notes) - 1)], 0))

    def _following(self, expected: _Next) -> Following:
        number = self._next_notes[expected.number]  # (streams, parts)
        is_note = self._is_note[number]
        tick = np.where(is_note, np.minimum(self._tick[number], self._observations.until), NEVER)
        return Following(tick, np.where(is_note, self._rows[number, VALUE] - self._first_pitch, -1))

    def values(self, music: Music, time: Ints, kind: Ints) -> Mask:
        """The value of an observed event, and no pitch without room for the shortest note."""
        expected, tick = self._next(music), music.ticks_of(time)
        number = np.arange(int(music.vocabulary.value_starts[-1]))
        observed = expected.is_at(tick, kind)
        legal = np.ones((len(time), len(number)), bool)
        free = np.flatnonzero(~observed & (kind >= FIRST_PART))
        part = kind[free] - FIRST_PART
        legal[free, self._first_pitch :] = self._observations.silent[part] >= (tick[free] + self._least[part])[:, None]
        exact = np.flatnonzero(observed & (expected.form != ONSET_OR_REST))
        legal[exact] = number == expected.row[exact, VALUE, None]
        return legal

    def durations(self, music: Music, events: Rows, options: Options | None) -> Mask:
        """The duration of an observed event; else none that reaches into what is observed."""
        expected, tick = self._next(music), music.ticks_of(events[:, TIME])
        observed = self._is_exact(expected, events, tick)
        part, pitch = events[:, KIND] - FIRST_PART, events[:, VALUE] - self._first_pitch
        silent = self._observations.silent[np.maximum(part, 0), np.maximum(pitch, 0)]
        legal = observed[:, None] | (tick[:, None] + music.durations <= silent[:, None])
        legal[observed] &= np.arange(legal.shape[1]) == expected.row[observed, DURATION, None]
        return np.asarray(legal)

    def velocities(self, music: Music, events: Rows) -> Mask:
        """The velocity of an observed event."""
        expected = self._next(music)
        legal = np.ones((len(events), len(music.vocabulary.velocities)), bool)
        observed = self._is_exact(expected, events, music.ticks_of(events[:, TIME]))
        legal[observed] = np.arange(legal.shape[1]) == expected.row[observed, VELOCITY, None]
        return legal

    @staticmethod
    def _is_exact(expected: _Next, events: Rows, tick: Ints) -> Mask:
        """Whether an event is the observed one that is expected, and observed as it is."""
        return np.asarray(expected.is_at(tick, events[:, KIND]) & (expected.form != ONSET_OR_REST))

    def push(self, music: Music, event: Event) -> None:
        """As `Constraint.push`."""
        assert self.so_far is not None
        expected, ended = self._next(music), event.rows[:, TIME] == END
        came = ended | (event.going & expected.is_at(event.tick, event.rows[:, KIND]))
        self.so_far = np.where(came, expected.number + 1, self.so_far)
