"""A whole piece as the features read it: its events, the metre in force, the last note of every part."""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from melody.piece import Ints
from melody.signatures import TimeSignature
from melody.tokens.inputs import schema
from melody.tokens.inputs.outline import Outline, Outlines, is_pickup
from melody.tokens.inputs.schema import BEGUN, ENDING, SILENT, SOUNDING
from melody.tokens.usage import FIRST_PART, METRE
from melody.tokens.vocabulary import DURATION, KIND, TIME, VALUE, Rows, Vocabulary

HELD = 1 << 62  # the end of a note of implied duration that still sounds


class WholePiece:
    """The events of a piece without END, and what several features need of them, (events,) each."""

    def __init__(self, vocabulary: Vocabulary, rows: Rows, outline: Outline | None = None) -> None:
        self.vocabulary, self.rows, self.outline = vocabulary, rows, outline
        self.number = np.arange(len(rows))
        self.tick = np.cumsum(np.array(vocabulary.shifts)[rows[:, TIME] - 1])
        self.kind = rows[:, KIND]
        self.is_note = vocabulary.is_note(rows)
        self.is_pitched = np.append(np.zeros(FIRST_PART, bool), ~vocabulary.drums)[self.kind]
        self.pitch = np.where(self.is_note, rows[:, VALUE] - vocabulary.first_pitch + 1, 0)  # + 1, 0 for what is no note
        self.ticks = np.array(vocabulary.durations or (0,))[rows[:, DURATION]]

    @cached_property
    def metre(self) -> MetreInForce:
        """The time signature in force."""
        return MetreInForce.of(self)

    @cached_property
    def bar(self) -> Ints:
        """The number of its bar, from the first full one; that of a pick-up is known when its first note has come."""
        metre, notes = self.metre, np.flatnonzero(self.is_note)
        number: Ints = metre.bars_before + (self.tick - metre.start) // metre.bar_ticks
        has_pickup = np.full(len(number), self.outline is not None and self.outline.has_pickup)
        if len(notes):
            has_pickup[notes[0] :] = is_pickup(self.tick[notes[0]], metre.bar_ticks[notes[0]])
        found: Ints = number - has_pickup
        return found

    @cached_property
    def of_outline(self) -> Ints:
        """What the outline says of each bar, in the order of `melody.tokens.inputs.outline.InBar`, (6, events)."""
        found: Ints = Outlines([self.outline]).take(np.zeros(len(self.rows), np.int64)).in_bars(self.bar).T
        return found

    @cached_property
    def parts(self) -> list[LastNotes]:
        """The last note of every part."""
        return [LastNotes.of(self, part) for part in range(len(self.vocabulary.parts))]

    @property
    def described(self) -> list[LastNotes]:
        """The parts that have columns of their own."""
        return self.parts[: schema.parts_described(self.vocabulary)]


class MetreInForce(NamedTuple):
    """For each event the time signature in force: its number, where it began, its bar's ticks, the bars before it."""

    number: Ints
    start: Ints
    bar_ticks: Ints
    bars_before: Ints

    @classmethod
    def of(cls, events: WholePiece) -> MetreInForce:
        """Of a piece."""
        grid, signatures = events.vocabulary.ticks_per_quarter, events.vocabulary.time_signatures
        lengths = np.array([TimeSignature(0, *signature).bar_ticks(grid) for signature in signatures])
        changes = np.flatnonzero(events.kind == METRE)
        number = np.concatenate([[0], events.rows[changes, VALUE]])
        start = np.concatenate([[0], events.tick[changes]])
        bars = np.concatenate([[0], np.cumsum(np.diff(start) // lengths[number[:-1]])])
        at = np.searchsorted(changes, events.number, side="right")
        return cls(number[at], start[at], lengths[number[at]], bars[at])


class LastNotes(NamedTuple):
    """The last note of a part at each event, that event included, and before it.

    Parameters
    ----------
    is_own
        Which events are the part's.
    pitch, onset, end
        Of the last note; the pitch + 1, 0 if there is none.
    moved_from
        The pitch + 1 that the part left with that note, of a line; 0 if it rested before.
    is_implied
        Whether the part's durations are implied.
    """

    is_own: NDArray[np.bool_]
    pitch: Ints
    onset: Ints
    end: Ints
    moved_from: Ints
    is_implied: bool

    @classmethod
    def of(cls, events: WholePiece, part: int) -> LastNotes:
        """Of one of its parts."""
        is_own, tick, is_implied = events.kind == FIRST_PART + part, events.tick, events.vocabulary.implied_duration[part]
        last = np.maximum.accumulate(np.where(is_own & events.is_note, events.number, -1))
        end = tick[last] + events.ticks[last]
        if is_implied:
            rest = np.maximum.accumulate(np.where(is_own & ~events.is_note, events.number, -1))
            end = np.where(rest > last, tick[rest], HELD)
        pitch = np.where(last >= 0, events.pitch[last], 0)
        moved_from = np.zeros_like(tick)
        notes = np.flatnonzero(is_own & events.is_note)
        if events.vocabulary.lines[part] and len(notes):
            moved_from[notes[1:]] = np.where(end[notes[1:] - 1] == HELD, events.pitch[notes[:-1]], 0)
            moved_from = np.where(last >= 0, moved_from[last], 0)
        return cls(is_own, pitch, tick[last], end, moved_from, is_implied)

    def before(self) -> LastNotes:
        """The same before each event."""
        columns = (self.pitch, self.onset, self.end, self.moved_from)
        pitch, onset, end, moved_from = (np.concatenate([[0], column[:-1]]) for column in columns)
        return self._replace(pitch=pitch, onset=onset, end=end, moved_from=moved_from)

    def left(self, events: WholePiece) -> Ints:
        """How long the note still sounds, of an implied duration how long it has sounded."""
        lasting = events.tick - self.onset if self.is_implied else self.end - events.tick
        return np.where((self.pitch > 0) & (self.end > events.tick), as_time(events.vocabulary, lasting), 0)

    def status(self, tick: Ints) -> Ints:
        """Whether the note sounds at a tick."""
        sounds = np.where(self.onset < tick, SOUNDING, BEGUN)
        known = np.where(self.end > tick, sounds, np.where(self.end == tick, ENDING, SILENT))
        return np.where(self.pitch > 0, known, SILENT)

    def age(self, events: WholePiece) -> Ints:
        """How long it has sounded."""
        sounds = (self.pitch > 0) & (self.end > events.tick)
        return np.where(sounds, as_time(events.vocabulary, events.tick - self.onset), 0)


def as_time(vocabulary: Vocabulary, ticks: Ints) -> Ints:
    """1 + number of the shift that is not shorter, the last one if there is none."""
    return 1 + np.minimum(np.searchsorted(vocabulary.shifts, ticks), len(vocabulary.shifts) - 1)
