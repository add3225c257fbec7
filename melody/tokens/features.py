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
lookback for 1, 2, 4 and 8 bars back: time, kind, value, duration of the event that came next there (each + 1; 0 if none).
         Music repeats itself at the distance of bars; this is the input of Magenta's Lookback RNN (Waite 2016)
left     for each part, how long its last note still sounds after this onset, as a time token; 0 if it has ended. Of a
         legato part: how long the note that sounds there has sounded
pitch    of each part's last note + 1; 0 before its first
match    length of what is being repeated and how often it came before; the event that followed the last time, its five
         tokens each + 1, 0 if nothing is repeated (see `melody.tokens.matches`)
distance from the note to the last one of each part, as an interval; 0 if there is none, or one of the two is a drum
======== =========================================================================================================

Once the time of the next event is chosen, the place where it will stand is known, and the fields after the time are told of
it; these are the conditions:

======== =========================================================================================================
match    the five tokens as above: all fields may see them, the time too
position as above, of the next event
beat     as above, of the next event
key      as above, in force before it
status   of each part there: 0 silent, 1 its last note ends just there, 2 it sounds on, 3 it has begun just there
age      of each part, for how long its last note has sounded there, as a time token; 0 if it is silent
pitch    of each part's last note + 1; 0 before its first
own      pitch of the last note of the part that was chosen + 1; only fields after the kind may see it
distance from that note to the last one of each part, as an interval; only fields after the kind may see it
======== =========================================================================================================

Left, status, age, pitch and distance are there for vocabularies of up to 8 parts; with more they are left out.

`context` computes all of them for a whole piece at once; `melody.tokens.context` event by event, for sampling. They agree
exactly.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from melody.signatures import Key, TimeSignature
from melody.tokens.matches import LENGTHS, TIMES, matches
from melody.tokens.usage import FIRST_PART, KEY, METRE
from melody.tokens.vocabulary import DURATION, FIELDS, KIND, TIME, VALUE, VELOCITY, Rows, Vocabulary

LOOKBACKS = (1, 2, 4, 8)  # bars
PHASES = 8
SECTIONS = 16
MAX_INTERVAL = 24
INTERVALS = 2 * MAX_INTERVAL + 2  # none, then from the widest down to the widest up
MAX_PARTS, MAX_RELATED = 8, 4
POSITION, BEAT, PHASE, SECTION, METRE_IN_FORCE, INTERVAL, KEY_IN_FORCE, DEGREE, FIRST_LOOKBACK = range(9)
FIRST_PLACE = len(FIELDS)  # of the conditions, after the match
FIRST_STATUS = FIRST_PLACE + 3  # after position, beat and key
LOOKED_AT = (TIME, KIND, VALUE, DURATION)
FIRST_LEFT = FIRST_LOOKBACK + len(LOOKED_AT) * len(LOOKBACKS)
SILENT, ENDING, SOUNDING, BEGUN = range(4)  # status
HELD = 1 << 62  # the end of a note of a legato part that sounds


class Columns(NamedTuple):
    """Where things stand in an event with its features and conditions, fields + features + conditions.

    Parameters
    ----------
    lookbacks
        Where the tokens of each lookback begin, in the order of `LOOKED_AT`.
    keys
        1 + number of a key.
    pitches
        Of the told parts' last notes, pitch + 1, one slice of features and one of conditions.
    matches
        Where the five tokens of a match begin, in the features and in the conditions.
    matched
        All that is said of a match: its length, how often it has come, and those tokens.
    conditions
        Where the conditions begin.
    own
        The pitch before in the same part + 1.
    """

    lookbacks: tuple[int, ...]
    keys: tuple[int, int]
    pitches: tuple[slice, slice]
    matches: tuple[int, int]
    matched: tuple[int, ...]
    conditions: int
    own: int


def columns(vocabulary: Vocabulary) -> Columns:
    """Of the events of a vocabulary."""
    told, features = parts_told(vocabulary), len(FIELDS)
    conditions = features + len(feature_sizes(vocabulary))
    pitch, own = features + FIRST_LEFT + told, conditions + FIRST_STATUS + 3 * told
    return Columns(
        lookbacks=tuple(features + FIRST_LOOKBACK + len(LOOKED_AT) * i for i in range(len(LOOKBACKS))),
        keys=(features + KEY_IN_FORCE, conditions + FIRST_STATUS - 1),
        pitches=(slice(pitch, pitch + told), slice(own - told, own)),
        matches=(pitch + told + 2, conditions),
        matched=(*range(pitch + told, pitch + told + 2 + len(FIELDS)), *range(conditions, conditions + len(FIELDS))),
        conditions=conditions,
        own=own,
    )


def parts_told(vocabulary: Vocabulary) -> int:
    """How many parts left, status, age, pitch and distance are given of."""
    return len(vocabulary.parts) if len(vocabulary.parts) <= MAX_PARTS else 0


def feature_sizes(vocabulary: Vocabulary) -> tuple[int, ...]:
    """Number of values of each feature, in their order."""
    looked_at = tuple(vocabulary.sizes[f] + 1 for f in LOOKED_AT)
    own: tuple[int, ...] = (vocabulary.longest_bar, vocabulary.ticks_per_quarter, PHASES, SECTIONS)
    own += (len(vocabulary.time_signatures), INTERVALS, len(vocabulary.keys) + 1, 25)
    told = parts_told(vocabulary)
    parts = (len(vocabulary.shifts) + 1,) * told + (vocabulary.num_pitches + 1,) * told
    match = (len(LENGTHS) + 1, TIMES, *_matched_sizes(vocabulary))
    return own + looked_at * len(LOOKBACKS) + parts + match + (INTERVALS,) * told


def condition_sizes(vocabulary: Vocabulary) -> tuple[int, ...]:
    """Number of values of each condition: match, position, beat, key, of each part status, age, pitch; own, distances."""
    parts = parts_told(vocabulary)
    place: tuple[int, ...] = (vocabulary.longest_bar, vocabulary.ticks_per_quarter, len(vocabulary.keys) + 1)
    place += (4,) * parts + (len(vocabulary.shifts) + 1,) * parts + (vocabulary.num_pitches + 1,) * parts
    return (*_matched_sizes(vocabulary), *place, vocabulary.num_pitches + 1, *(INTERVALS,) * parts)


def told_sizes(vocabulary: Vocabulary, field: int) -> tuple[int, ...]:
    """Number of values of each thing that the head of a field is told.

    These are the token of its own field in the event that is being repeated (`repeated`), then the fields before it, then
    conditions: the time sees none of them, the kind not those of the part.
    """
    conditions = condition_sizes(vocabulary)[FIRST_PLACE:]
    of_part = 1 + parts_told(vocabulary)
    seen = {TIME: (), KIND: conditions[:-of_part]}.get(field, conditions)
    return (vocabulary.sizes[field] + 1, *vocabulary.sizes[:field], *seen)


class Voices(NamedTuple):
    """The heads of a field: how many, and which is the first part's; those of the other parts follow.

    The value has one for each part, if there are few, and before them one for changes, if the corpus has any.
    """

    number: int
    first: int

    @classmethod
    def of(cls, vocabulary: Vocabulary, field: int) -> Voices:
        """Of a field of a vocabulary."""
        told = parts_told(vocabulary) if field == VALUE else 0
        changes = int(any(vocabulary.is_said))
        return cls(told + changes, changes) if told else cls(1, 0)


def related(vocabulary: Vocabulary, intervals: str) -> tuple[int, ...]:
    """The conditions to whose pitches the head of the value sees each candidate's interval.

    Parameters
    ----------
    vocabulary
        Of the events.
    intervals
        'parts', the last pitch of each pitched part, if there are few; 'own', that of the part that is to play; 'none'.
    """
    told = parts_told(vocabulary)
    own = FIRST_STATUS + 3 * told
    pitched = tuple(own - told + i for i in pitched_told(vocabulary))
    if intervals == "parts" and 1 < len(pitched) <= MAX_RELATED:
        return pitched
    return () if intervals == "none" else (own,)


def pitched_told(vocabulary: Vocabulary) -> list[int]:
    """Which of the parts that are told of are no drums."""
    return [i for i, part in enumerate(vocabulary.parts[: parts_told(vocabulary)]) if not part.is_drum]


def _matched_sizes(vocabulary: Vocabulary) -> tuple[int, ...]:
    return tuple(size + 1 for size in vocabulary.sizes)


def context(vocabulary: Vocabulary, rows: Rows) -> NDArray[np.int64]:
    """The features, then the conditions of each event, (events, features + conditions); of END there is only the match."""
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
        follower = np.searchsorted(key, key - back * stride(vocabulary), side="right")
        known = tick >= back
        column = FIRST_LOOKBACK + len(LOOKED_AT) * i
        features[:count, column : column + len(LOOKED_AT)] = np.where(known[:, None], rows[follower][:, LOOKED_AT] + 1, 0)
    conditions[:count, FIRST_PLACE : FIRST_STATUS - 1] = features[:count, (POSITION, BEAT)]
    conditions[1:count, FIRST_STATUS - 1] = key_in_force[:-1]
    _add_parts(vocabulary, rows, note, tick, features[:count, FIRST_LEFT:], conditions[:count, FIRST_STATUS:])
    matched = _matched(vocabulary, rows)
    first = FIRST_LEFT + 2 * parts_told(vocabulary)
    features[:count, first : first + matched.shape[1]] = matched
    conditions[1 : count + 1, :FIRST_PLACE] = matched[: len(conditions) - 1, 2:]
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
    """Left, pitch and distance, and of the conditions status, age, pitch, own and distance, written into their columns."""
    told = parts_told(vocabulary)
    own = conditions[:, 3 * told]
    number = np.arange(len(rows))
    ticks = np.array(vocabulary.durations or (0,))[rows[:, DURATION]]
    for part in range(len(vocabulary.parts)):
        speaks = rows[:, KIND] == FIRST_PART + part
        last = np.maximum.accumulate(np.where(speaks & note, number, -1))  # the part's last note up to each event
        end = tick[last] + ticks[last]
        if vocabulary.legato[part]:
            rest = np.maximum.accumulate(np.where(speaks & ~note, number, -1))
            end = np.where(rest > last, tick[rest], HELD)
        before = np.concatenate([[-1], last[:-1]])  # and before it
        heard, onset, end_before = before >= 0, tick[before], np.concatenate([[0], end[:-1]])
        after = np.where(last >= 0, rows[last, VALUE] - vocabulary.first_pitch + 1, 0)
        pitch = np.concatenate([[0], after[:-1]])
        own[speaks] = pitch[speaks]
        if part < told:
            sounding = (last >= 0) & (end > tick)
            lasting = tick - tick[last] if vocabulary.legato[part] else end - tick
            features[:, part] = np.where(sounding, _as_time(vocabulary, lasting), 0)
            features[:, told + part] = after
            conditions[:, part] = np.where(heard, _status(onset, end_before, tick), SILENT)
            age = np.where(heard & (end_before > tick), _as_time(vocabulary, tick - onset), 0)
            conditions[:, told + part] = age
            conditions[:, 2 * told + part] = pitch
    drums = np.flatnonzero([part.is_drum for part in vocabulary.parts])
    pitched = np.array([not part.is_drum for part in vocabulary.parts[:told]], bool)
    note = note & ~np.isin(rows[:, KIND] - FIRST_PART, drums)
    spoken = np.where(note, rows[:, VALUE] - vocabulary.first_pitch + 1, 0)
    features[:, features.shape[1] - told :] = _distances(spoken, features[:, told : 2 * told] * pitched)
    own = np.where(np.isin(rows[:, KIND] - FIRST_PART, drums), 0, own)
    conditions[:, 3 * told + 1 :] = _distances(own, conditions[:, 2 * told : 3 * told] * pitched)


def _distances(pitch: NDArray[np.int64], others: NDArray[np.int64]) -> NDArray[np.int64]:
    """From a pitch to each of others as an interval, 0 where one of them is 0, (events,), (events, n) -> (events, n)."""
    distance = np.clip(others - pitch[:, None], -MAX_INTERVAL, MAX_INTERVAL) + MAX_INTERVAL + 1
    return np.where((others > 0) & (pitch[:, None] > 0), distance, 0)


def code_of(vocabulary: Vocabulary, time: Any, kind: Any, value: Any, duration: Any) -> Any:
    """A number for events that count as the same in a match, from their tokens, numbers or arrays."""
    _, kinds, values, durations, _ = vocabulary.sizes
    return ((time * kinds + kind) * values + value) * durations + duration


def _matched(vocabulary: Vocabulary, rows: Rows) -> NDArray[np.int64]:
    """Length, times and the five tokens of the match after each event, (events, 7)."""
    codes = code_of(vocabulary, *rows.T[:VELOCITY])
    length, times, place = matches(codes)
    followed = np.where(length[:, None] > 0, rows[place] + 1, 0)
    return np.concatenate([length[:, None], times[:, None], followed], axis=1)


def _as_time(vocabulary: Vocabulary, ticks: NDArray[np.int64]) -> NDArray[np.int64]:
    """1 + number of the shift that is not shorter, the last one if there is none."""
    return 1 + np.minimum(np.searchsorted(vocabulary.shifts, ticks), len(vocabulary.shifts) - 1)


def _status(onset: NDArray[np.int64], end: NDArray[np.int64], tick: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.select([end < tick, end == tick, onset < tick], [SILENT, ENDING, SOUNDING], BEGUN)


def stride(vocabulary: Vocabulary) -> int:
    """How far apart the sort keys of events one tick apart are, at least."""
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
