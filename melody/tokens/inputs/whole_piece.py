"""A whole piece as the features read it: its events, the metre in force, the last note of every part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from melody.note_columns import sounding
from melody.piece import Ints
from melody.signatures import Key, TimeSignature
from melody.tokens.inputs import schema
from melody.tokens.inputs.outlines.grids import Grid, grid
from melody.tokens.inputs.outlines.harmony import (
    CHORDS,
    UNKNOWN,
    harmonies,
    has_harmony,
    local_chords,
    local_keys,
    phrase_ends,
)
from melody.tokens.inputs.outlines.outline import (
    MOST_AT_ONCE,
    NOTHING,
    OF_A_BAR,
    Close,
    FinalNotes,
    Frame,
    Outline,
    is_pickup,
)
from melody.tokens.inputs.schema import BEGUN, ENDING, SILENT, SOUNDING
from melody.tokens.usage import FIRST_PART, KEY, METRE
from melody.tokens.vocabulary import DURATION, KIND, TIME, VALUE, Rows, Vocabulary

_FEW = 4  # onsets, of which nothing is a rule
_HELD_BARS = 4  # after its own, in which a note still counts as sounding
_SELDOM = 0.05
_SILENT = 0.1  # at most, of the time to its next note, if a part plays on
HELD = 1 << 62  # the end of a note of implied duration that still sounds


class WholePiece:
    """The events of a piece without END, and what several features need of them, (events,) each."""

    def __init__(self, vocabulary: Vocabulary, rows: Rows, outline: Outline | None = None) -> None:
        self.vocabulary, self.rows, self.outline = vocabulary, rows, outline
        self.number = np.arange(len(rows))
        self.tick = np.cumsum(np.array(vocabulary.shifts)[rows[:, TIME] - 1])
        self.kind = rows[:, KIND]
        self.is_note = vocabulary.is_note(rows)
        self.is_key = (self.kind == KEY) & (rows[:, VALUE] < vocabulary.first_turn)
        self.is_pitched = np.append(np.zeros(FIRST_PART, bool), ~vocabulary.drums)[self.kind]
        self.pitch = np.where(self.is_note, rows[:, VALUE] - vocabulary.first_pitch + 1, 0)  # + 1, 0 for what is no note
        self.ticks = np.array(vocabulary.durations or (0,))[rows[:, DURATION]]

    @cached_property
    def metre(self) -> MetreInForce:
        """The time signature in force."""
        return MetreInForce.of(self)

    @property
    def first_bar_ticks(self) -> int:
        """Length of a bar before the first event."""
        return TimeSignature(0, *self.vocabulary.time_signatures[0]).bar_ticks(self.vocabulary.ticks_per_quarter)

    @cached_property
    def bar_numbers(self) -> Ints:
        """The number of its bar, from the beginning."""
        found: Ints = self.metre.bars_before + (self.tick - self.metre.start) // self.metre.bar_ticks
        return found

    @cached_property
    def bar(self) -> Ints:
        """The number of its bar, from the first full one; that of a pick-up is known when its first note has come."""
        metre, notes, number = self.metre, np.flatnonzero(self.is_note), self.bar_numbers
        has_pickup = np.full(len(number), self.outline is not None and self.outline.has_pickup)
        if len(notes):
            has_pickup[notes[0] :] = is_pickup(self.tick[notes[0]], metre.bar_ticks[notes[0]])
        found: Ints = number - has_pickup
        return found

    @cached_property
    def bar_there(self) -> Ints:
        """The number of the bar in which each event stands as it is known before it comes."""
        shift = self.bar_numbers - self.bar
        before = np.append(self.outline is not None and self.outline.has_pickup, shift[:-1])
        found: Ints = self.bar_numbers - before
        return found

    @cached_property
    def of_outline(self) -> Ints:
        """What the outline says of each bar, in the order of `outline_in`, (15, events)."""
        return self.outline_in(self.bar)

    def outline_in(self, bar: Ints) -> Ints:
        """The same of those bars, one for each event."""
        table = np.array([NOTHING]) if self.outline is None else self.outline.table
        found: Ints = table[np.minimum(bar + 1, len(table) - 1)].T
        return found

    def playing_in(self, bar: Ints) -> Ints:
        """What each kind that is a part does in each event's bar, as `Outline.playing` has it, (numbers, events, kinds)."""
        found: Ints = np.moveaxis(self._playing[np.minimum(bar + 1, len(self._playing) - 1)], 2, 0)
        return found

    def playing_of(self, bar: Ints) -> Ints:
        """The same of each event's own kind, (numbers, events)."""
        found: Ints = self._playing[np.minimum(bar + 1, len(self._playing) - 1), self.kind].T
        return found

    @cached_property
    def _playing(self) -> Ints:
        """`Outline.playing`; of one bar in which nothing is known where there is no outline."""
        kinds = self.vocabulary.sizes[KIND]
        return np.zeros((1, kinds, OF_A_BAR), np.int64) if self.outline is None else self.outline.playing(kinds)

    @cached_property
    def onset_places(self) -> list[Ints]:
        """Of each part the events with which it begins notes in another place than before."""
        found = []
        for part in range(len(self.vocabulary.parts)):
            notes = np.flatnonzero(self.is_note & (self.kind == FIRST_PART + part))
            found.append(notes[np.append(True, np.diff(self.tick[notes]) > 0)[: len(notes)]])
        return found

    @cached_property
    def parts(self) -> list[LastNotes]:
        """The last note of every part."""
        return [LastNotes.of(self, part) for part in range(len(self.vocabulary.parts))]

    @cached_property
    def ends(self) -> Ints:
        """Where each note ends; one of implied duration when its part goes on, the last one with its bar."""
        found: Ints = self.tick + self.ticks
        bar_end = self.tick + self.metre.bar_ticks - (self.tick - self.metre.start) % self.metre.bar_ticks
        for part in np.flatnonzero(self.vocabulary.implied_duration):
            own = np.flatnonzero(self.kind == FIRST_PART + part)
            found[own] = np.append(self.tick[own[1:]], bar_end[own[-1:]])
        return found

    @cached_property
    def tonic(self) -> Ints:
        """The tonic of the key that the first note is in, or where none is named, of the outline; (1 + events,).

        The first is that before the first event. Until a note has come it is that of the key in force; a change of key
        leaves it as it is, which what the outline says of later bars is counted from.
        """
        tonics = np.array([UNKNOWN, *(Key(0, *each).tonic for each in self.vocabulary.keys)])
        in_force = np.append(UNKNOWN, tonics[self.key])
        has_note = np.append(False, np.logical_or.accumulate(self.is_note))
        named = in_force[has_note][:1].tolist() or [UNKNOWN]
        of_piece = self.outline.frame.tonic if self.outline is not None and named == [UNKNOWN] else named[0]
        found: Ints = np.where(has_note, of_piece, in_force)
        return found

    @cached_property
    def key(self) -> Ints:
        """1 + number of the key in force, 0 for none."""
        last = np.maximum.accumulate(np.where(self.is_key, self.number, -1))
        found: Ints = np.where(last >= 0, self.rows[last, VALUE] - self.vocabulary.value_starts[KEY] + 1, 0)
        return found

    @property
    def described(self) -> list[LastNotes]:
        """The parts that have columns of their own."""
        return self.parts[: schema.parts_described(self.vocabulary)]


def with_harmony(events: WholePiece, outline: Outline) -> Outline:
    """An outline of a piece with the harmony that its notes have."""
    vocabulary, metre = events.vocabulary, events.metre
    notes = np.flatnonzero(events.is_note & events.is_pitched)
    if not has_harmony(vocabulary) or not len(notes):
        return outline
    onset, end = events.tick[notes], events.ends[notes]
    bar_ticks, bars = metre.bar_ticks[notes], len(outline.letters)
    bar, place = np.divmod(onset - metre.start[notes], bar_ticks)
    bar += metre.bars_before[notes] - outline.has_pickup
    pitch = events.pitch[notes] - 1 + vocabulary.pitches[0]
    halves = np.zeros((CHORDS * bars, 12))
    for later in range(CHORDS * (1 + _HELD_BARS)):
        half = bar_ticks / CHORDS
        ticks = np.minimum(end - onset + place, (later + 1) * half) - np.maximum(place, later * half)
        number = CHORDS * bar + later
        inside = (number >= 0) & (number < len(halves)) & (ticks > 0)
        np.add.at(halves, (number[inside], pitch[inside] % 12), ticks[inside] / vocabulary.ticks_per_quarter)
    sounding = halves.reshape(bars, CHORDS, 12).sum(axis=1)
    top = np.flatnonzero(events.kind[notes] == events.kind[notes].min())
    top = top[np.append(True, np.diff(onset[top]) > 0)]
    ends = top[phrase_ends(onset[top], vocabulary.ticks_per_quarter, metre.bar_ticks[notes[top]])]
    basses = [int(pitch[(onset <= tick) & (end > tick)].min()) for tick in onset[ends].tolist()]
    keys = np.flatnonzero(events.is_key)
    if len(keys):
        fifths, mode = vocabulary.keys[int(events.rows[keys[0], VALUE]) - vocabulary.value_starts[KEY]]
        home = Key(0, fifths, mode).tonic + 12 * (mode == "minor")
    else:
        home = int(local_keys(sounding, basses[-1] % 12)[-1])
    local, tonic = local_keys(sounding, basses[-1] % 12, home), home % 12
    frame = Frame(tonic, home >= 12, vocabulary.time_signatures[np.bincount(metre.number[notes]).argmax()])
    phrases = zip(bar[ends].tolist(), place[ends].tolist(), basses)
    chords = local_chords(halves) if vocabulary.is_chordal else None
    return replace(outline, harmony=harmonies(local, phrases, tonic, chords), frame=frame)


def with_chords(events: WholePiece, outline: Outline) -> Outline:
    """An outline of a piece with what its parts have at once, and where in a bar, kit and close, where they play chords."""
    vocabulary = events.vocabulary
    if not vocabulary.is_chordal:
        return outline
    notes = [events.is_note & (events.kind == FIRST_PART + part) for part in outline.parts]
    close = _close(events, notes, outline)
    at_end = {final.part: final.tones for final in close.chord}
    last = [at_end.get(part, ()) for part in outline.parts]
    is_stroke = events.is_note & ~events.is_pitched
    kit = np.unique(events.pitch[is_stroke]).tolist()
    strokes = {drum: _grid(events, is_stroke & (events.pitch == drum)) for drum in kit}
    struck = tuple(sorted({place for each in strokes.values() for place in each}))
    return replace(
        outline,
        hands=tuple(max(_at_once(events, own), len(tones)) for own, tones in zip(notes, last)),
        reach=tuple(max(_reach(events, own), tones[-1] - tones[0] if tones else 0) for own, tones in zip(notes, last)),
        lowest=tuple(int(events.pitch[own].min(initial=128)) - 1 + vocabulary.pitches[0] for own in notes),
        highest=tuple(int(events.pitch[own].max(initial=1)) - 1 + vocabulary.pitches[0] for own in notes),
        lets_go=tuple(_lets_go(events, own) for own in notes),
        plays_on=tuple(_plays_on(events, own) for own in notes),
        close=close,
        kit=tuple(drum - 1 + vocabulary.pitches[0] for drum in kit),
        grids=tuple(struck if vocabulary.drums[part] else _grid(events, own) for part, own in zip(outline.parts, notes)),
        strokes=tuple(strokes.values()),
    )


def _grid(events: WholePiece, notes: NDArray[np.bool_]) -> Grid:
    """In which places of a bar those notes begin as a rule."""
    metre = events.metre
    bar, place = np.divmod(events.tick - metre.start, metre.bar_ticks)
    return grid((bar + metre.bars_before)[notes], place[notes])


def _close(events: WholePiece, notes: Sequence[NDArray[np.bool_]], outline: Outline) -> Close:
    """How the piece closes; `notes` are those of each part of its outline."""
    end = np.flatnonzero(events.is_note)[-1]
    place = int((events.tick[end] - events.metre.start[end]) % events.metre.bar_ticks[end])
    bar_line, tonic, chord = int(events.tick[end]) - place, outline.frame.tonic, []
    for part, is_own in zip(outline.parts, notes):
        own = np.flatnonzero(is_own & (events.tick == events.tick[is_own].max()))
        tones = np.sort(events.pitch[own]) - 1 + events.vocabulary.pitches[0]
        if not events.vocabulary.drums[part]:
            tones += (0 if tonic == UNKNOWN else (tones[0] - tonic) % 12) - tones[0]
        lasting = int((events.ends - events.tick)[own].max())
        final = FinalNotes(part, int(events.tick[own[0]]) - bar_line, lasting, tuple(tones.tolist()))
        chord += [final] if final.place >= 0 else []
    return Close(place, tuple(chord))


def _lets_go(events: WholePiece, notes: NDArray[np.bool_]) -> bool:
    """Whether of the notes of a part that is no drum kit hardly any sounds on when the part begins others."""
    own = np.flatnonzero(notes & events.is_pitched)
    onsets = np.unique(events.tick[own])
    following = np.append(onsets, HELD)[np.searchsorted(onsets, events.tick[own], side="right")]
    return bool(len(own)) and float(np.mean(events.ends[own] > following)) < _SELDOM


def _plays_on(events: WholePiece, notes: NDArray[np.bool_]) -> bool:
    """Whether a part that is no drum kit is hardly ever silent between notes of one bar, or of a bar and the next one."""
    own = np.flatnonzero(notes & events.is_pitched)
    onsets, first = np.unique(events.tick[own], return_index=True)
    if len(onsets) < _FEW:
        return False
    ends = np.maximum.reduceat(events.ends[own], first)[:-1]
    bar = events.metre.bars_before + (events.tick - events.metre.start) // events.metre.bar_ticks
    is_near = np.diff(bar[own[first]]) <= 1
    return bool(np.maximum(onsets[1:] - ends, 0)[is_near].sum() < _SILENT * np.diff(onsets)[is_near].sum())


def _reach(events: WholePiece, notes: NDArray[np.bool_]) -> int:
    """How many semitones are between the notes that a part begins at once, 99th percentile over its chords."""
    own = np.flatnonzero(notes)
    first = np.flatnonzero(np.append(True, np.diff(events.tick[own]) > 0))
    pitch = events.pitch[own]
    spans = np.sort(np.maximum.reduceat(pitch, first) - np.minimum.reduceat(pitch, first))
    spans = spans[spans > 0]
    return int(spans[-1 - len(spans) // 100]) if len(spans) else 0


def _at_once(events: WholePiece, notes: NDArray[np.bool_]) -> int:
    """How many notes of a part sound, of drums how many begin, 99th percentile over its onsets."""
    ends = np.where(events.is_pitched, events.ends, events.tick + 1)
    counts = np.sort(sounding(events.tick[notes], ends[notes]))
    return min(int(counts[-1 - len(counts) // 100]), MOST_AT_ONCE)


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


def stride(vocabulary: Vocabulary) -> int:
    """How far apart the sort keys of events one tick apart are, at least."""
    return vocabulary.sizes[KIND] * vocabulary.sizes[VALUE]


def first_note(vocabulary: Vocabulary) -> int:
    """The lowest sort key of a part's event at tick 0: metre, tempo and key come before."""
    return FIRST_PART * vocabulary.sizes[VALUE]


def sort_key(vocabulary: Vocabulary, tick: Ints, kind: Ints, value: Ints) -> Ints:
    """One number that grows with the order of events."""
    return (tick * vocabulary.sizes[KIND] + kind) * vocabulary.sizes[VALUE] + value
