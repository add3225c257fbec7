"""The features and conditions of `melody.tokens.inputs.schema`, computed for a whole piece at once.

`melody.tokens.inputs.context` computes the same event by event, for sampling; they agree exactly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from melody.piece import Ints
from melody.signatures import Key
from melody.tokens.inputs import schema
from melody.tokens.inputs.chordal import bars_again, chordal, next_ends, places_to_come
from melody.tokens.inputs.meanings import Meaning
from melody.tokens.inputs.outlines.harmony import has_harmony, planned_of
from melody.tokens.inputs.outlines.outline import HARMONY, Outline, outline_in
from melody.tokens.inputs.repeats import repeated
from melody.tokens.inputs.schema import (
    CONDITIONS,
    ENDS,
    FEATURES,
    FIFTH_AGAIN,
    LOOKED_AT,
    MAX_INTERVAL,
    OCTAVE_AGAIN,
    OWN_LOOKBACKS,
    PHASES,
    SECTIONS,
    TOGETHER,
    ticks_back,
)
from melody.tokens.inputs.whole_piece import LastNotes, WholePiece, sort_key, stride, with_chords, with_harmony
from melody.tokens.usage import FIRST_PART
from melody.tokens.vocabulary import END, FIELDS, KIND, TIME, VALUE, Rows, Vocabulary

ENDING_NEXT: tuple[Meaning, ...] = tuple(("end", which) for which in ENDS)
OUTLINE: tuple[Meaning, ...] = (("bars left",), ("bar",), ("next bar",), ("pick-up",))  # as they stand in `InBar`
PLANNED: tuple[Meaning, ...] = (("local key",), ("phrase end",), ("phrase bass",), ("next local key",))  # as `planned_of`
CHORD: Meaning = ("chord",)  # the last that is said of the harmony at a place
THERE = 3  # of these are known of the place of the next event
FIFTH = 7  # semitones
Computed = Mapping[Meaning, Ints]  # by the name of a row: (events,), or where each part has one (parts, events)


def context(vocabulary: Vocabulary, rows: Rows, outline: Outline | None = None) -> Ints:
    """The features, then the conditions of each event, (events, features + conditions); of END there is only the match.

    Parameters
    ----------
    vocabulary, rows
        The events, (events, 5).
    outline
        Of the piece; None for a model that is to know nothing of it.
    """
    going = _without_end(rows)
    where = schema.spans(FEATURES, vocabulary), schema.spans(CONDITIONS, vocabulary)
    widths = [max(span.stop for span in spans.values()) for spans in where]
    table = np.zeros((sum(widths), len(rows)), np.int64)  # (columns, events): columns are written one after the other
    if len(going):
        events = WholePiece(vocabulary, going, outline)
        features = _features(events)
        _fill(table[: widths[0]], where[0], features)
        _fill(table[widths[0] :], where[1], _conditions(events, features, len(rows)))
    return np.ascontiguousarray(table.T)


def outline_of(vocabulary: Vocabulary, rows: Rows) -> Outline | None:
    """The outline of a whole piece, (events, 5); None if it has none, see `Outline.of`."""
    events = WholePiece(vocabulary, _without_end(rows))
    if not len(events.rows):
        return None
    metre = events.metre
    bar, place = np.divmod(events.tick - metre.start, metre.bar_ticks)
    outline = Outline.of(vocabulary, events.rows, events.tick, metre.bars_before + bar, place, metre.bar_ticks)
    return None if outline is None else with_chords(events, with_harmony(events, outline))


def before_first(vocabulary: Vocabulary, outline: Outline | None) -> Ints:
    """The features before the first event, (features,): zeros, but what the outline says."""
    found = np.zeros(len(schema.feature_sizes(vocabulary)), np.int64)
    spans = schema.spans(FEATURES, vocabulary)
    if outline is not None:
        for name, value in zip(OUTLINE, outline_in(outline, -int(outline.has_pickup))):
            found[spans[name]] = value
    return found


def _without_end(rows: Rows) -> Rows:
    return rows[:-1] if len(rows) and rows[-1, TIME] == END else rows


def _fill(table: Ints, spans: Mapping[Meaning, slice], computed: Computed) -> None:
    """Write what was computed into its columns."""
    for name, span in spans.items():
        if span.stop > span.start:
            table[span, : computed[name].shape[-1]] = computed[name]


def _features(events: WholePiece) -> Computed:
    """All features, by name."""
    pitches = _stacked(events, [part.pitch for part in events.described])
    return {
        **_place(events),
        **_harmony(events),
        **dict(zip(OUTLINE, events.of_outline)),
        **_planned(events),
        ("to come",): places_to_come(events),
        ("again",): bars_again(events),
        **dict(zip(ENDING_NEXT, next_ends(events))),
        **_lookbacks(events),
        **repeated(events),
        ("left",): _stacked(events, [part.left(events) for part in events.described]),
        ("pitch",): pitches,
        ("distance",): _distances(events, events.pitch, pitches),
    }


def _conditions(events: WholePiece, features: Computed, count: int) -> Computed:
    """All conditions, by name, but of END, the last of `count` events, only what is being repeated."""
    before = [part.before() for part in events.parts]
    described = before[: len(events.described)]
    own = np.zeros(len(events.rows), np.int64)
    for part in before:
        own[part.is_own] = part.pitch[part.is_own]
    pitches = _stacked(events, [part.pitch for part in described])
    repeated = [row.name for row in CONDITIONS if row.is_match]
    key, there = _later(features[("key",)], len(events.rows)), _planned_there(events)
    return {
        **{name: _later(features[name], count) for name in repeated},
        ("position",): features[("position",)],
        ("beat",): features[("beat",)],
        ("key",): key,
        **there,
        ("status",): _stacked(events, [part.status(events.tick) for part in described]),
        ("age",): _stacked(events, [part.age(events) for part in described]),
        ("pitch",): pitches,
        ("own",): own,
        **chordal(events, before, own, features, (there[("local key",)], there[CHORD], key)),
        ("distance",): _distances(events, own, pitches),
        ("against",): _against(events, described),
    }


def _against(events: WholePiece, before: Sequence[LastNotes]) -> Ints:
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


def _stacked(events: WholePiece, columns: Sequence[Ints]) -> Ints:
    """A column for each part, (parts, events), however few there are."""
    return np.stack(columns) if columns else np.zeros((0, len(events.rows)), np.int64)


def _place(events: WholePiece) -> Computed:
    """Where events stand in the bar and the piece."""
    metre, vocabulary = events.metre, events.vocabulary
    position = (events.tick - metre.start) % metre.bar_ticks
    return {
        ("position",): np.minimum(position, vocabulary.longest_bar - 1),
        ("beat",): position % vocabulary.ticks_per_quarter,
        ("phase",): events.bar % PHASES,
        ("section",): np.clip(events.bar // PHASES, 0, SECTIONS - 1),
        ("metre",): metre.number,
    }


def _harmony(events: WholePiece) -> Computed:
    """Interval, key and degree."""
    return {("interval",): _intervals(events), ("key",): events.key, ("degree",): _degrees(events, events.key)}


def _planned(events: WholePiece) -> Computed:
    """What the outline says of the harmony at each event."""
    return dict(zip(PLANNED, _planned_at(events, events.of_outline, events.metre.bar_ticks, events.tonic[1:])))


def _planned_there(events: WholePiece) -> Computed:
    """The same as it is known before each event comes."""
    bar_ticks = np.append(events.first_bar_ticks, events.metre.bar_ticks[:-1])
    there = events.outline_in(events.bar_there)
    return dict(
        zip((*PLANNED, CHORD), _planned_at(events, there, bar_ticks, events.tonic[:-1]) * has_harmony(events.vocabulary))
    )


def _planned_at(events: WholePiece, in_bars: Ints, bar_ticks: Ints, tonic: Ints) -> Ints:
    """What it says, (15, events), as the model reads it in bars of that length and those keys, (5, events)."""
    place = (events.tick - events.metre.start) % events.metre.bar_ticks
    return planned_of(in_bars[HARMONY], place, bar_ticks, events.vocabulary.ticks_per_quarter, tonic)


def _intervals(events: WholePiece) -> Ints:
    interval = np.zeros(len(events.rows), np.int64)
    for kind in range(FIRST_PART, events.vocabulary.sizes[KIND]):
        notes = np.flatnonzero((events.kind == kind) & events.is_note)
        steps = np.diff(events.rows[notes, VALUE])
        interval[notes[1:]] = np.clip(steps, -MAX_INTERVAL, MAX_INTERVAL) + MAX_INTERVAL + 1
    return interval


def _degrees(events: WholePiece, key: Ints) -> Ints:
    vocabulary = events.vocabulary
    tonics = np.array([0, *(Key(0, *each).tonic for each in vocabulary.keys)])
    minor = np.array([0, *(12 * (mode == "minor") for _, mode in vocabulary.keys)])
    pitch = events.pitch - 1 + vocabulary.pitches[0]
    known = events.is_note & events.is_pitched & (key > 0)
    return np.where(known, 1 + (pitch - tonics[key]) % 12 + minor[key], 0)


def _lookbacks(events: WholePiece) -> Computed:
    """The events that came next some bars ago, and some beats."""
    found: dict[Meaning, Ints] = {}
    order = sort_key(events.vocabulary, events.tick, events.kind, events.rows[:, VALUE])
    tokens = 1 + events.rows[:, LOOKED_AT].T  # (fields, events)
    backs = dict(zip(OWN_LOOKBACKS, ticks_back(events.metre.bar_ticks, events.vocabulary.ticks_per_quarter)))
    for (unit, number), back in backs.items():
        follower = np.searchsorted(order, order - back * stride(events.vocabulary), side="right")
        columns = np.where(events.tick >= back, tokens.take(follower, axis=1), 0)
        found |= {("lookback", FIELDS[field], unit, number): column for field, column in zip(LOOKED_AT, columns)}
    return found


def _distances(events: WholePiece, pitch: Ints, others: Ints) -> Ints:
    """From a pitch + 1 of each event to those of the parts as intervals, 0 where there is none, (parts, events)."""
    pitched = ~events.vocabulary.drums[: len(others)]
    known = (others > 0) & pitched[:, None] & ((pitch > 0) & events.is_pitched)
    interval = np.clip(others - pitch, -MAX_INTERVAL, MAX_INTERVAL) + MAX_INTERVAL + 1
    return np.where(known, interval, 0)
