"""What the model reads of an event besides its five tokens, as a table: one row a feature, one row a condition.

*Features* describe an event and all events before it; the model reads them with the event's tokens. All of them follow from
the events so far, so nothing is given for free: a model that reads them is still a model of the plain sequence of events.

*Conditions* describe the place where the next event will stand. The time is predicted first; once it is chosen the place is
known, and the heads of the other fields read it. Distances and the part's own pitch need the kind as well, so only fields
after the kind read those.

A row has a name, a sentence on what it is, what each of its values stands for, what becomes of it when the music is
transposed, and which heads read it. The rest follows from the rows: the order of the columns and their sizes, and so the
shapes of the embedding and of the heads; transposition by table (`melody.dataset`); which weights a model keeps when it is
adapted to another vocabulary (`melody.training.adapting.transfer`). `melody.tokens.inputs.features` computes the values of
a whole piece, `one_piece` and `several_pieces` event by event. A new feature is a row here and its computation in those
three.

Rows of `several` have a column in vocabularies of several parts with pitches alone.
Those of `chordal` have one where not all of several parts are lines: hands of a piano, players of a band.
Rows with `each_part` have a column for each part, in vocabularies of up to `MAX_PARTS` parts; with more they have none.
Those with `each_group` have one for each `GROUP` parts, however many there are.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

from melody.tokens.inputs import descriptions as words
from melody.tokens.inputs.matches import LENGTHS, TIMES
from melody.tokens.inputs.meanings import (
    KEY_VALUES,
    METRE_VALUES,
    PITCH_VALUES,
    SHIFT_VALUES,
    TOKENS,
    Meaning,
    Values,
    distinct,
    numbered,
    part_names,
    ticks,
)
from melody.tokens.inputs.outlines.harmony import FARTHEST, KEYS, has_harmony
from melody.tokens.inputs.outlines.outline import LEFT, NO_BAR
from melody.tokens.vocabulary import DURATION, FIELDS, KIND, TIME, VALUE, VELOCITY, Vocabulary

LOOKBACKS = (1, 2, 4, 8)  # bars
BEATS = (1, 2)  # quarters back at which parts that play chords are looked at, too: a drummer's beat, an ostinato
ENDS = ("next", "after next")  # of notes that sound, which are told
OWN_LOOKBACKS = (*(("bars", bars) for bars in LOOKBACKS), *(("beats", beats) for beats in BEATS))
LOOKED_AT = (TIME, KIND, VALUE, DURATION)  # fields of the event there
OF_BEATS = (TIME, KIND)  # the same beats ago
PHASES, SECTIONS = 8, 16  # bars, and groups of them
MAX_INTERVAL = 24  # semitones
INTERVALS = 2 * MAX_INTERVAL + 2  # none, then from the widest down to the widest up
MAX_PARTS = 8  # with a column of their own
TONES = 3  # semitones that one condition tells of
SILENT, ENDING, SOUNDING, BEGUN = range(4)  # status of a part
WITH_TWIN = 4  # more, of one that is not `BEGUN`, where its twin has begun a note
APART, TOGETHER, OCTAVE_AGAIN, FIFTH_AGAIN = range(4)  # how a part stands to the next note of another
GROUP, STATE_BITS = 5, 3  # parts that one condition tells of, and the bits for each
UNSAID, RESTS, IS_BOUND, MAY_PLAY = range(4)  # what a part may do at a place by the outline, the last with `URGENCY` more
URGENCY = (2, 3, 5, 9)  # places in which a part has yet to begin notes: from each of these numbers on it is told apart
AGAIN = (1, 2, 4, 8)  # later bars in which a part plays the same: from each of these numbers on it is told apart
AHEAD = 8  # bars, within which the next note of a part is looked for
TO_COME, LATER = 31, 16  # such places of all parts that are told apart, and of one
NEW_TO_A_RHYTHM = 4  # what a part does in a bar, besides what it does by itself
OUTLINED, OUTLINED_NEXT = len(LENGTHS) + 1, len(LENGTHS) + 2  # "lengths" of what the outline says is repeated

Moves = Literal["no", "pitch", "own pitch", "key", "tonic", "value"]


@dataclass(frozen=True)
class Row:
    """A feature or a condition.

    Parameters
    ----------
    name
        What it is called; with `each_part` the columns' names have the part at their end (`part_names`).
    about
        What it is.
    values
        What its values stand for.
    moves
        What transposition does to it: 'no', nothing; 'pitch', a pitch + 1 moves unless the part is drums, 'own pitch' unless
        the event itself is one of drums; 'key', a key + 1 becomes the key so much higher; 'tonic', a pitch class + 1, 12
        more in minor, becomes the one so much higher; 'value', a value token + 1 moves unless the column before it, which
        holds the kind + 1 of the same event, says drums.
    each_part
        Whether there is one for each part.
    each_group
        Whether there is one for each `GROUP` parts.
    if_implied
        Its name for parts of implied durations, where it means something else.
    is_match
        Whether it describes what is being repeated; match dropout leaves these out.
    heads
        The fields whose heads read it, of a condition.
    several
        Whether only vocabularies of several parts with pitches have it.
    chordal
        Whether only vocabularies of several parts, of which not all are lines, have it.
    """

    name: Meaning
    about: str
    values: Values
    moves: Moves = "no"
    each_part: bool = False
    each_group: bool = False
    if_implied: Meaning | None = None
    is_match: bool = False
    heads: tuple[int, ...] = ()
    several: bool = False
    chordal: bool = False

    def stands_in(self, vocabulary: Vocabulary) -> bool:
        """Whether that vocabulary has it."""
        return (not self.several or has_harmony(vocabulary)) and (not self.chordal or vocabulary.is_chordal)


_AFTER_TIME = (KIND, VALUE, DURATION, VELOCITY)
_AFTER_KIND = (VALUE, DURATION, VELOCITY)
INTERVAL = numbered("interval", INTERVALS - 1)
_TICK_OF_BAR = ticks(lambda v: v.longest_bar)
_TICK_OF_QUARTER = ticks(lambda v: v.ticks_per_quarter)
_PLACE = {"position": _TICK_OF_BAR, "beat": _TICK_OF_QUARTER}


def _event(name: str, about: str, fields: Sequence[int], *more: Hashable, of_head: bool = False) -> tuple[Row, ...]:
    """The tokens of another event, each + 1, 0 if there is no such event; `of_head` if each is read by its field's head."""
    return tuple(
        Row(
            (name, FIELDS[field], *more),
            f"{FIELDS[field]} + 1 of {about}",
            TOKENS[field].or_none(),
            moves="value" if field == VALUE else "no",
            is_match=name == "repeated",
            heads=(field,) if of_head else (),
        )
        for field in fields
    )


_LOCAL_KEY = distinct("local key", KEYS).or_none()


def _planned(**there: Any) -> tuple[Row, ...]:
    """What the outline says of the harmony at a place."""
    rows = (
        Row(
            ("local key",), "of the outline, the key of the bar: 1 + tonic, 12 more in minor; 0 without", _LOCAL_KEY, "tonic"
        ),
        Row(
            ("phrase end",),
            "1 + quarters to the last note of the phrase, by the outline, at most 32; 0 without",
            numbered("phrase end", FARTHEST + 1).or_none(),
        ),
        Row(("phrase bass",), "1 + pitch class of the bass there", distinct("phrase bass", 12).or_none(), "tonic"),
    )
    return tuple(replace(row, several=True, **there) for row in rows)


def _chordal(name: Meaning, about: str, values: Values, heads: tuple[int, ...] = _AFTER_KIND, moves: Moves = "no") -> Row:
    """Of several parts that play chords."""
    return Row(name, about, values.or_none(), moves, heads=heads, chordal=True)


_TONES = numbered("sounding", 2**TONES)


def _own_lookbacks(field: str, values: Values, heads: tuple[int, ...], moves: Moves = "no") -> tuple[Row, ...]:
    """What the part that was chosen played just so many bars or beats before, the next note of the chord there."""
    names = (("own lookback", field, *back) for back in OWN_LOOKBACKS)
    return tuple(_chordal(name, words.OWN_LOOKBACK.format(*name[1:]), values, heads, moves) for name in names)


FEATURES: tuple[Row, ...] = (
    Row(("position",), "ticks since the bar line, up to the longest bar", _TICK_OF_BAR),
    Row(
        ("beat",), "ticks since the bar's last quarter: holds in any metre, where a pick-up hides the bars", _TICK_OF_QUARTER
    ),
    Row(("phase",), words.PHASE, numbered("phase", PHASES)),
    Row(("section",), words.SECTION, numbered("section", SECTIONS)),
    Row(("metre",), "number of the time signature in force", METRE_VALUES),
    Row(("interval",), "semitones from the note before in the same part, -24 to 24 as 1 to 49", INTERVAL.or_none()),
    Row(("key",), "1 + number of the key in force", KEY_VALUES.or_none(), "key"),
    Row(
        ("degree",),
        "semitones above the tonic, 1 to 12, in minor 13 to 24, of a pitched note in a key",
        numbered("degree", 24).or_none(),
    ),
    Row(("bars left",), "of the outline, this one included, at most 33; 0 without", numbered("bars left", LEFT).or_none()),
    Row(("bar",), "what the outline says of this bar: 1 new, 2 returns; 3 it is over", distinct("bar", NO_BAR).or_none()),
    Row(("next bar",), "the same of the next bar", distinct("next bar", NO_BAR).or_none()),
    Row(("pick-up",), "whether the outline says that there is one: 1 no, 2 yes", distinct("pick-up", 2).or_none()),
    *_planned(),
    Row(("next local key",), "the key of the next bar", _LOCAL_KEY, "tonic", several=True),
    Row(("to come",), words.TO_COME, numbered("to come", TO_COME).or_none(), chordal=True),
    Row(("again",), words.AGAIN, numbered("again", 1 + len(AGAIN)).or_none(), chordal=True),
    *(Row(("end", which), words.END.format(which), SHIFT_VALUES.or_none(), chordal=True) for which in ENDS),
    # Music repeats itself at the distance of bars; this is the input of Magenta's Lookback RNN (Waite 2016).
    *(row for bars in LOOKBACKS for row in _event("lookback", words.LOOKBACK.format(bars, "bars"), LOOKED_AT, "bars", bars)),
    *(
        replace(row, chordal=True)
        for beats in BEATS
        for row in _event("lookback", words.LOOKBACK.format(beats, "beats"), OF_BEATS, "beats", beats)
    ),
    Row(
        ("left",),
        "how long the part's last note still sounds, as a time; of implied durations, how long it has sounded",
        SHIFT_VALUES.or_none(),
        each_part=True,
        if_implied=("held",),
    ),
    Row(("pitch",), "of the part's last note, + 1", PITCH_VALUES.or_none(), "pitch", each_part=True),
    Row(
        ("length",),
        "how many events are being repeated: 4, 8, 16 or 32; 5 where the outline says so of this bar, 6 of the next one",
        numbered("length", len(LENGTHS) + 3),
        is_match=True,
    ),
    Row(("times",), "how often they came before, at most 3", numbered("times", TIMES), is_match=True),
    *_event("repeated", words.REPEATED, range(len(FIELDS))),
    Row(
        ("distance",),
        "from the note to the last one of the part, as an interval; none if one of them is a drum",
        INTERVAL.or_none(),
        each_part=True,
    ),
)

CONDITIONS: tuple[Row, ...] = (
    *_event("repeated", words.REPEATED, range(len(FIELDS)), of_head=True),
    *(Row((name,), "as the feature, of the next event", values, heads=_AFTER_TIME) for name, values in _PLACE.items()),
    Row(("key",), "1 + number of the key in force before the next event", KEY_VALUES.or_none(), "key", heads=_AFTER_TIME),
    *_planned(heads=_AFTER_TIME),
    *(
        _chordal(("kind lookback", unit, number), words.KIND_LOOKBACK.format(number, unit), TOKENS[KIND], _AFTER_TIME)
        for unit, number in OWN_LOOKBACKS
    ),
    _chordal(("planned", "kind"), "1 + kind of what comes next by the outline, if it does there", TOKENS[KIND], _AFTER_TIME),
    Row(("status",), words.STATUS, distinct("status", 4), each_part=True, heads=_AFTER_TIME),
    Row(("age",), words.AGE, SHIFT_VALUES.or_none(), each_part=True, heads=_AFTER_TIME),
    Row(("pitch",), "of the part's last note, + 1", PITCH_VALUES.or_none(), "pitch", each_part=True, heads=_AFTER_TIME),
    Row(
        ("own",),
        "pitch of the last note of the part that was chosen, + 1",
        PITCH_VALUES.or_none(),
        "own pitch",
        heads=_AFTER_KIND,
    ),
    *(_chordal(("own", FIELDS[f]), f"{FIELDS[f]} + 1 of that note; 0 without", TOKENS[f]) for f in (DURATION, VELOCITY)),
    # What a part played some bars ago does not depend on what the others play now: a drummer goes on under a new tune.
    *(row for f in (DURATION, VELOCITY) for row in _own_lookbacks(FIELDS[f], TOKENS[f], _AFTER_KIND)),
    *(_chordal(("planned", FIELDS[f]), words.PLANNED.format(FIELDS[f]), TOKENS[f]) for f in (DURATION, VELOCITY)),
    _chordal(("drum place",), words.DRUM_PLACE, _TICK_OF_BAR),
    _chordal(("own bar",), words.OWN_BAR, distinct("own bar", 4)),
    _chordal(("own later",), words.OWN_LATER, numbered("own later", LATER)),
    _chordal(("own next",), words.OWN_NEXT, SHIFT_VALUES),
    _chordal(("own again",), words.OWN_AGAIN, numbered("own again", 1 + len(AGAIN))),
    Row(
        ("distance",),
        "from that note to the last one of the part, as an interval; none if one of them is a drum",
        INTERVAL.or_none(),
        each_part=True,
        heads=_AFTER_KIND,
    ),
    # What says how high the next note is, once that is chosen, says little of how long it is and how loud.
    _chordal(("own degree",), words.OWN_DEGREE, distinct("own degree", KEYS), (VALUE,)),
    _chordal(("own key",), words.OWN_KEY, distinct("own key", KEYS), (VALUE,), "tonic"),
    _chordal(("own chord",), words.OWN_CHORD, distinct("own chord", KEYS), (VALUE,), "tonic"),
    *_own_lookbacks("pitch", PITCH_VALUES, (VALUE,), "own pitch"),
    # Where a tone of the others is a semitone away from the one that is to come they clash, at every pitch and in every key.
    *(
        _chordal(("sounding", first), words.SOUNDING.format(first, first + TONES - 1), _TONES, (VALUE,))
        for first in range(0, 12, TONES)
    ),
    _chordal(("bass",), "1 + semitones up to the lowest of them, 0 to 11; 0 for none", distinct("bass", 12), (VALUE,)),
    _chordal(("planned", "pitch"), words.PLANNED.format("pitch"), PITCH_VALUES, (VALUE,), "own pitch"),
    # A figure that comes again on other notes mostly moves as it did: a sequence, an accompaniment to the next chord.
    _chordal(("figure",), words.FIGURE, PITCH_VALUES, (VALUE,), "own pitch"),
    _chordal(("twin",), words.TWIN, PITCH_VALUES, (VALUE,), "own pitch"),
    # The last rows: no head embeds them. Of the first the logits of relations are made (`melody.network.relations`); by the
    # others those of kinds are added to: who rests does not play next, who played a line with another one goes on with it.
    Row(
        ("against",),
        "of a line above the part that was chosen, itself a line: 0 silent, 1 its note sounds there, and of those 2 a "
        "parallel threatens at the octave, 3 at the fifth: to both has come a new note, and that was the interval before",
        distinct("against", 4),
        each_part=True,
    ),
    Row(
        ("may play",),
        words.MAY_PLAY,
        numbered("may play", 2 ** (STATE_BITS * GROUP)),
        each_group=True,
        chordal=True,
    ),
    Row(("stands",), words.STANDS, numbered("stands", 2 ** (STATE_BITS * GROUP)), each_group=True, chordal=True),
)


FIRST_PLACE = sum(row.is_match for row in CONDITIONS)  # conditions before those of the place
POSITION, BEAT, METRE_IN_FORCE = ([row.name for row in FEATURES].index((name,)) for name in ("position", "beat", "metre"))


# What follows from it


class Column(NamedTuple):
    """A column of a table: of a row, or of one of its parts.

    Parameters
    ----------
    name
        The row's, and the part.
    row
        The row.
    moves
        As the row's, but that nothing moves with drums.
    """

    name: Meaning
    row: Row
    moves: Moves


def ticks_back(bar_ticks: Any, ticks_per_quarter: int) -> list[Any]:
    """How far back each of `OWN_LOOKBACKS` is, in bars of those lengths, numbers or arrays."""
    return [*(bars * bar_ticks for bars in LOOKBACKS), *(0 * bar_ticks + beats * ticks_per_quarter for beats in BEATS)]


def parts_described(vocabulary: Vocabulary) -> int:
    """How many parts have columns of their own: all of them, or none if there are more than `MAX_PARTS`."""
    return len(vocabulary.parts) if len(vocabulary.parts) <= MAX_PARTS else 0


def spans(table: Sequence[Row], vocabulary: Vocabulary) -> dict[Meaning, slice]:
    """Where the columns of each row of a table stand, by its name."""
    parts, found, start = parts_described(vocabulary), {}, 0
    for row in table:
        groups = -(-len(vocabulary.parts) // GROUP) if row.each_group else 1
        stop = start + (parts if row.each_part else groups * row.stands_in(vocabulary))
        found[row.name] = slice(start, stop)
        start = stop
    return found


def feature_sizes(vocabulary: Vocabulary) -> tuple[int, ...]:
    """Number of values of each feature, in the order of their columns."""
    return tuple(column.row.values.size(vocabulary) for column in columns(FEATURES, vocabulary))


def condition_sizes(vocabulary: Vocabulary) -> tuple[int, ...]:
    """Number of values of each condition, in the order of their columns."""
    return tuple(column.row.values.size(vocabulary) for column in columns(CONDITIONS, vocabulary))


def columns(table: Sequence[Row], vocabulary: Vocabulary) -> list[Column]:
    """The columns of a table, in their order."""
    described = parts_described(vocabulary)
    parts = list(zip(part_names(vocabulary), vocabulary.parts, vocabulary.implied_duration))[:described]
    found = []
    for row in table:
        if not row.each_part:
            firsts = range(0, len(vocabulary.parts), GROUP) if row.each_group else ()
            names = [(*row.name, first) for first in firsts] or [row.name]
            found += [Column(name, row, row.moves) for name in names if row.stands_in(vocabulary)]
            continue
        for name, part, is_implied in parts:
            word = row.if_implied if row.if_implied and is_implied else row.name
            found.append(Column((*word, *name), row, "no" if part.is_drum else row.moves))
    return found


def all_columns(vocabulary: Vocabulary) -> list[Column]:
    """Those of the features, then those of the conditions: what stands behind the fields of an event."""
    return columns(FEATURES, vocabulary) + columns(CONDITIONS, vocabulary)


def head_columns(vocabulary: Vocabulary, field: int) -> list[Column]:
    """The conditions that the head of a field reads: first the token of its field in the event that is being repeated."""
    return [column for column in columns(CONDITIONS, vocabulary) if field in column.row.heads]


def head_sizes(vocabulary: Vocabulary, field: int) -> tuple[int, ...]:
    """Number of values of each thing that the head of a field reads.

    These are the token of its own field in the event that is being repeated, the fields before it, then conditions.
    """
    repeated, *others = (column.row.values.size(vocabulary) for column in head_columns(vocabulary, field))
    return (repeated, *vocabulary.sizes[:field], *others)
