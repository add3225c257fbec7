"""The features and conditions of `melody.tokens.inputs.schema`, computed for a whole piece at once.

`melody.tokens.inputs.context` computes the same event by event, for sampling; they agree exactly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from melody.piece import Ints
from melody.signatures import Key, TimeSignature
from melody.tokens.inputs import schema
from melody.tokens.inputs.matches import matches
from melody.tokens.inputs.schema import (
    BEGUN,
    CONDITIONS,
    ENDING,
    FEATURES,
    FIFTH_AGAIN,
    LOOKBACKS,
    LOOKED_AT,
    MAX_INTERVAL,
    OCTAVE_AGAIN,
    PHASES,
    SECTIONS,
    SILENT,
    SOUNDING,
    TOGETHER,
    Meaning,
)
from melody.tokens.usage import FIRST_PART, KEY, METRE
from melody.tokens.vocabulary import DURATION, END, FIELDS, KIND, TIME, VALUE, VELOCITY, Rows, Vocabulary

HELD = 1 << 62  # the end of a note of implied duration that still sounds
FIFTH = 7  # semitones
Computed = Mapping[Meaning, Ints]  # by the name of a row: (events,), or where each part has one (parts, events)


def context(vocabulary: Vocabulary, rows: Rows) -> Ints:
    """The features, then the conditions of each event, (events, features + conditions); of END there is only the match."""
    going = rows[:-1] if len(rows) and rows[-1, TIME] == END else rows
    where = schema.spans(FEATURES, vocabulary), schema.spans(CONDITIONS, vocabulary)
    widths = [max(span.stop for span in spans.values()) for spans in where]
    table = np.zeros((sum(widths), len(rows)), np.int64)  # (columns, events): columns are written one after the other
    if len(going):
        events = _Events(vocabulary, going)
        features = _features(events)
        _fill(table[: widths[0]], where[0], features)
        _fill(table[widths[0] :], where[1], _conditions(events, features, len(rows)))
    return np.ascontiguousarray(table.T)


def _fill(table: Ints, spans: Mapping[Meaning, slice], computed: Computed) -> None:
    """Write what was computed into its columns."""
    for name, span in spans.items():
        values = computed[name]
        table[span, : values.shape[-1]] = values


class _Events:
    """The events of a piece without END, and what several features need of them, (events,) each."""

    def __init__(self, vocabulary: Vocabulary, rows: Rows) -> None:
        self.vocabulary, self.rows = vocabulary, rows
        self.number = np.arange(len(rows))
        self.tick = np.cumsum(np.array(vocabulary.shifts)[rows[:, TIME] - 1])
        self.kind = rows[:, KIND]
        self.is_note = vocabulary.is_note(rows)
        self.is_pitched = np.append(np.zeros(FIRST_PART, bool), ~vocabulary.drums)[self.kind]
        self.pitch = np.where(self.is_note, rows[:, VALUE] - vocabulary.first_pitch + 1, 0)  # + 1, 0 for what is no note
        self.ticks = np.array(vocabulary.durations or (0,))[rows[:, DURATION]]

    @cached_property
    def metre(self) -> _Metre:
        """The time signature in force."""
        return _Metre.of(self)

    @cached_property
    def parts(self) -> list[_Part]:
        """The last note of every part."""
        return [_Part.of(self, part) for part in range(len(self.vocabulary.parts))]

    @property
    def described(self) -> list[_Part]:
        """The parts that have columns of their own."""
        return self.parts[: schema.parts_described(self.vocabulary)]


class _Metre(NamedTuple):
    """For each event the time signature in force: its number, where it began, its bar's ticks, the bars before it."""

    number: Ints
    start: Ints
    bar_ticks: Ints
    bars_before: Ints

    @classmethod
    def of(cls, events: _Events) -> _Metre:
        grid, signatures = events.vocabulary.ticks_per_quarter, events.vocabulary.time_signatures
        lengths = np.array([TimeSignature(0, *signature).bar_ticks(grid) for signature in signatures])
        changes = np.flatnonzero(events.kind == METRE)
        number = np.concatenate([[0], events.rows[changes, VALUE]])
        start = np.concatenate([[0], events.tick[changes]])
        bars = np.concatenate([[0], np.cumsum(np.diff(start) // lengths[number[:-1]])])
        at = np.searchsorted(changes, events.number, side="right")
        return cls(number[at], start[at], lengths[number[at]], bars[at])


class _Part(NamedTuple):
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
    def of(cls, events: _Events, part: int) -> _Part:
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

    def before(self) -> _Part:
        """The same before each event."""
        columns = (self.pitch, self.onset, self.end, self.moved_from)
        pitch, onset, end, moved_from = (np.concatenate([[0], column[:-1]]) for column in columns)
        return self._replace(pitch=pitch, onset=onset, end=end, moved_from=moved_from)

    def left(self, events: _Events) -> Ints:
        """How long the note still sounds, of an implied duration how long it has sounded."""
        lasting = events.tick - self.onset if self.is_implied else self.end - events.tick
        return np.where((self.pitch > 0) & (self.end > events.tick), _as_time(events.vocabulary, lasting), 0)

    def status(self, tick: Ints) -> Ints:
        """Whether the note sounds at a tick."""
        sounds = np.where(self.onset < tick, SOUNDING, BEGUN)
        known = np.where(self.end > tick, sounds, np.where(self.end == tick, ENDING, SILENT))
        return np.where(self.pitch > 0, known, SILENT)

    def age(self, events: _Events) -> Ints:
        """How long it has sounded."""
        sounds = (self.pitch > 0) & (self.end > events.tick)
        return np.where(sounds, _as_time(events.vocabulary, events.tick - self.onset), 0)


def _features(events: _Events) -> Computed:
    """All features, by name."""
    pitches = _stacked(events, [part.pitch for part in events.described])
    return {
        **_place(events),
        **_harmony(events),
        **_lookbacks(events),
        **_match(events),
        ("left",): _stacked(events, [part.left(events) for part in events.described]),
        ("pitch",): pitches,
        ("distance",): _distances(events, events.pitch, pitches),
    }


def _conditions(events: _Events, features: Computed, count: int) -> Computed:
    """All conditions, by name, but of END, the last of `count` events, only what is being repeated."""
    before = [part.before() for part in events.parts]
    described = before[: len(events.described)]
    own = np.zeros(len(events.rows), np.int64)
    for part in before:
        own[part.is_own] = part.pitch[part.is_own]
    pitches = _stacked(events, [part.pitch for part in described])
    repeated = [row.name for row in CONDITIONS if row.is_match]
    return {
        **{name: _later(features[name], count) for name in repeated},
        ("position",): features[("position",)],
        ("beat",): features[("beat",)],
        ("key",): _later(features[("key",)], len(events.rows)),
        ("status",): _stacked(events, [part.status(events.tick) for part in described]),
        ("age",): _stacked(events, [part.age(events) for part in described]),
        ("pitch",): pitches,
        ("own",): own,
        ("distance",): _distances(events, own, pitches),
        ("against",): _against(events, described),
    }


def _against(events: _Events, before: Sequence[_Part]) -> Ints:
    """How each part stands to the note of each event, (parts, events)."""
    lines = events.vocabulary.lines
    own = np.zeros(len(events.rows), np.int64)  # what the event's part sounds until then, + 1
    for part in before:
        held = part.is_own & (part.end > events.tick)
        own[held] = part.pitch[held]
    found = np.zeros((len(before), len(events.rows)), np.int64)
    for number, part in enumerate(before):
        if not lines[number]:
            continue
        below = np.append(np.zeros(FIRST_PART + number + 1, bool), lines[number + 1 :])[events.kind]
        sounds = below & (part.pitch > 0) & (part.end > events.tick)
        found[number] = against(sounds, part.onset == events.tick, part.moved_from, part.pitch, own)
    return found


def against(sounds: NDArray[np.bool_], has_begun: NDArray[np.bool_], moved_from: Ints, pitch: Ints, own: Ints) -> Ints:
    """How lines stand to the next note of a line below them, `APART` to `FIFTH_AGAIN`.

    Parameters
    ----------
    sounds
        Whether the upper line sounds with the note.
    has_begun
        Whether it has begun just there.
    moved_from, pitch
        What it sounded before and sounds now, each + 1, 0 for nothing.
    own
        What the lower line sounds until then, + 1, 0 for nothing.
    """
    moved = sounds & has_begun & (moved_from > 0) & (own > 0) & ((pitch - moved_from) % 12 > 0)
    interval = (moved_from - own) % 12
    again = TOGETHER + (OCTAVE_AGAIN - TOGETHER) * (interval == 0) + (FIFTH_AGAIN - TOGETHER) * (interval == FIFTH)
    found: Ints = np.where(moved, again, TOGETHER) * sounds
    return found


def _later(column: Ints, count: int) -> Ints:
    """A column one event later, 0 before the first, (count,)."""
    return np.concatenate([[0], column])[:count]


def _stacked(events: _Events, columns: Sequence[Ints]) -> Ints:
    """A column for each part, (parts, events), however few there are."""
    return np.stack(columns) if columns else np.zeros((0, len(events.rows)), np.int64)


def _place(events: _Events) -> Computed:
    """Where events stand in the bar and the piece."""
    metre, vocabulary = events.metre, events.vocabulary
    bars, position = np.divmod(events.tick - metre.start, metre.bar_ticks)
    bar = metre.bars_before + bars
    return {
        ("position",): np.minimum(position, vocabulary.longest_bar - 1),
        ("beat",): position % vocabulary.ticks_per_quarter,
        ("phase",): bar % PHASES,
        ("section",): np.minimum(bar // PHASES, SECTIONS - 1),
        ("metre",): metre.number,
    }


def _harmony(events: _Events) -> Computed:
    """Interval, key and degree."""
    last = np.maximum.accumulate(np.where(events.kind == KEY, events.number, -1))
    first = events.vocabulary.value_starts[KEY]
    key = np.where(last >= 0, events.rows[last, VALUE] - first + 1, 0)
    return {("interval",): _intervals(events), ("key",): key, ("degree",): _degrees(events, key)}


def _intervals(events: _Events) -> Ints:
    interval = np.zeros(len(events.rows), np.int64)
    for kind in range(FIRST_PART, events.vocabulary.sizes[KIND]):
        notes = np.flatnonzero((events.kind == kind) & events.is_note)
        steps = np.diff(events.rows[notes, VALUE])
        interval[notes[1:]] = np.clip(steps, -MAX_INTERVAL, MAX_INTERVAL) + MAX_INTERVAL + 1
    return interval


def _degrees(events: _Events, key: Ints) -> Ints:
    vocabulary = events.vocabulary
    tonics = np.array([0, *(Key(0, *each).tonic for each in vocabulary.keys)])
    minor = np.array([0, *(12 * (mode == "minor") for _, mode in vocabulary.keys)])
    pitch = events.pitch - 1 + vocabulary.pitches[0]
    known = events.is_note & events.is_pitched & (key > 0)
    return np.where(known, 1 + (pitch - tonics[key]) % 12 + minor[key], 0)


def _lookbacks(events: _Events) -> Computed:
    """The events that came next some bars ago."""
    found: dict[Meaning, Ints] = {}
    order = sort_key(events.vocabulary, events.tick, events.kind, events.rows[:, VALUE])
    tokens = 1 + events.rows[:, LOOKED_AT].T  # (fields, events)
    for bars in LOOKBACKS:
        back = bars * events.metre.bar_ticks
        follower = np.searchsorted(order, order - back * stride(events.vocabulary), side="right")
        columns = np.where(events.tick >= back, tokens.take(follower, axis=1), 0)
        found |= {("lookback", FIELDS[field], bars): column for field, column in zip(LOOKED_AT, columns)}
    return found


def _match(events: _Events) -> Computed:
    """Length, times and the five tokens of the match after each event."""
    length, times, place = matches(code_of(events.vocabulary, *events.rows.T[:VELOCITY]))
    followed = np.where(length > 0, events.rows.T.take(place, axis=1) + 1, 0)  # (fields, events)
    tokens: dict[Meaning, Ints] = {("repeated", name): column for name, column in zip(FIELDS, followed)}
    return {("length",): length, ("times",): times, **tokens}


def _distances(events: _Events, pitch: Ints, others: Ints) -> Ints:
    """From a pitch + 1 of each event to those of the parts as intervals, 0 where there is none, (parts, events)."""
    pitched = ~events.vocabulary.drums[: len(others)]
    known = (others > 0) & pitched[:, None] & ((pitch > 0) & events.is_pitched)
    interval = np.clip(others - pitch, -MAX_INTERVAL, MAX_INTERVAL) + MAX_INTERVAL + 1
    return np.where(known, interval, 0)


def code_of(vocabulary: Vocabulary, time: Any, kind: Any, value: Any, duration: Any) -> Any:
    """A number for events that count as the same in a match, from their tokens, numbers or arrays."""
    _, kinds, values, durations, _ = vocabulary.sizes
    return ((time * kinds + kind) * values + value) * durations + duration


def _as_time(vocabulary: Vocabulary, ticks: Ints) -> Ints:
    """1 + number of the shift that is not shorter, the last one if there is none."""
    return 1 + np.minimum(np.searchsorted(vocabulary.shifts, ticks), len(vocabulary.shifts) - 1)


def stride(vocabulary: Vocabulary) -> int:
    """How far apart the sort keys of events one tick apart are, at least."""
    return vocabulary.sizes[KIND] * vocabulary.sizes[VALUE]


def sort_key(vocabulary: Vocabulary, tick: Ints, kind: Ints, value: Ints) -> Ints:
    """One number that grows with the order of events."""
    return (tick * vocabulary.sizes[KIND] + kind) * vocabulary.sizes[VALUE] + value
