"""What is read where several parts play chords: what came some bars before, which tones sound."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from melody.piece import Ints
from melody.signatures import Key
from melody.tokens.inputs.meanings import Meaning
from melody.tokens.inputs.outlines.outline import PLAYING, RESTING, RETURNS
from melody.tokens.inputs.repeats import planned_first
from melody.tokens.inputs.schema import (
    AGAIN,
    AHEAD,
    GROUP,
    IS_BOUND,
    LATER,
    MAY_PLAY,
    NEW_TO_A_RHYTHM,
    OWN_LOOKBACKS,
    RESTS,
    STATE_BITS,
    TO_COME,
    TONES,
    URGENCY,
    ticks_back,
)
from melody.tokens.inputs.together import states, twins
from melody.tokens.inputs.whole_piece import HELD, LastNotes, WholePiece, as_time, sort_key, stride
from melody.tokens.usage import FIRST_PART
from melody.tokens.vocabulary import DURATION, FIELDS, KIND, TIME, VALUE, VELOCITY, Vocabulary


def chordal(
    events: WholePiece,
    before: Sequence[LastNotes],
    own: Ints,
    planned: Mapping[Meaning, Ints],
    harmony: tuple[Ints, Ints, Ints],
) -> dict[Meaning, Ints]:
    """The conditions of vocabularies of several parts that play chords, by name; nothing for others.

    Parameters
    ----------
    events
        The piece.
    before
        The last note of every part before each event.
    own
        Pitch + 1 of the last note of each event's own part, (events,).
    planned
        Among others what comes by the outline after each event (`melody.tokens.inputs.repeats.repeated`).
    harmony
        The key of each event's bar and its chord by the outline, and 1 + number of the key in force before it, (events,).
    """
    if not events.vocabulary.is_chordal:
        return {}
    vocabulary = events.vocabulary
    tick, kind, value = events.tick, events.kind, events.rows[:, VALUE]
    order, is_part = sort_key(events.vocabulary, tick, kind, value), kind >= FIRST_PART
    reached = np.where(np.append(False, np.diff(tick) == 0), np.append(0, order[:-1]) - tick * stride(events.vocabulary), -1)
    goes_on = np.append(False, (np.diff(tick) == 0) & (np.diff(kind) == 0))
    above = np.where(goes_on, np.append(0, value[:-1]), -1)
    last = _last_notes(events)
    found: dict[Meaning, Ints] = {
        ("own", FIELDS[field]): np.where(last >= 0, events.rows[last, field] + 1, 0) for field in (DURATION, VELOCITY)
    }
    bar_ticks = np.append(events.first_bar_ticks, events.metre.bar_ticks[:-1])
    own_pitch = np.where(events.is_pitched, own, 0)
    key, chord, in_force = harmony
    key = key_there(key, keys_in_force(vocabulary)[in_force])
    found[("own degree",)] = own_degrees(own_pitch + vocabulary.pitches[0], own_pitch > 0, key)
    found[("own key",)], found[("own chord",)] = key * events.is_pitched, chord * events.is_pitched
    found |= _sounding(events, before, own) | _planned(events, planned)
    playing = events.playing_in(events.bar_there)
    does, _, rhythm, *_ = of_kind = events.playing_of(events.bar_there)
    found[("own bar",)] = own_bar(does, rhythm)
    position = (tick - events.metre.start) % events.metre.bar_ticks
    begun = places_begun(events, tick - position, with_own=False)
    found[("may play",)] = in_groups(may_play(playing[..., FIRST_PART:], position[:, None], begun)).T
    own_begun = np.hstack([np.zeros((len(tick), FIRST_PART), np.int64), begun])[events.number, kind]
    twin, has_twin = twins(events)
    found[("twin",)] = np.vstack([np.zeros((FIRST_PART, len(tick)), np.int64), twin])[kind, events.number]
    found[("stands",)] = in_groups(states(before, events, has_twin)).T
    own_later = later(of_kind, own_begun)
    found[("own later",)] = own_later
    is_last = is_part & (does == PLAYING) & (rhythm == 0) & (own_later == 1)
    found[("own again",)] = played_again(of_kind) * is_part
    ahead = [events.playing_of(events.bar_there + bars)[:2] for bars in range(1, AHEAD + 1)]
    bar_length = events.metre.bar_ticks
    found[("own next",)] = until_the_next(ahead, bar_length - position, bar_length, vocabulary) * is_last
    found[("figure",)] = _figure(events, last, rhythm - 1, tick - position, order)
    is_drum = is_part & ~events.is_pitched
    found[("drum place",)] = (1 + np.minimum(position, vocabulary.longest_bar - 1)) * is_drum
    for (unit, number), back in zip(OWN_LOOKBACKS, ticks_back(bar_ticks, vocabulary.ticks_per_quarter)):
        there = tick - back
        place = np.searchsorted(order, there * stride(events.vocabulary) + reached, side="right")
        place = np.minimum(place, events.number)
        found["kind lookback", unit, number] = np.where(tick[place] == there, kind[place] + 1, 0)
        place = np.searchsorted(order, sort_key(events.vocabulary, there, kind, above), side="right")
        place = np.minimum(place, events.number)
        known = is_part & (tick[place] == there) & (kind[place] == kind)
        found["own lookback", "pitch", unit, number] = np.where(known, events.pitch[place], 0)
        for field in (DURATION, VELOCITY):
            found["own lookback", FIELDS[field], unit, number] = np.where(known, events.rows[place, field] + 1, 0)
    return found


def _last_notes(events: WholePiece) -> Ints:
    """The last note of each event's part before it, by its number; -1 for none."""
    found = np.full(len(events.rows), -1)
    for kind in range(FIRST_PART, events.vocabulary.sizes[KIND]):
        own = np.flatnonzero(events.kind == kind)
        found[own[1:]] = np.maximum.accumulate(np.where(events.is_note[own], own, -1))[:-1]
    return found


def _planned(events: WholePiece, planned: Mapping[Meaning, Ints]) -> dict[Meaning, Ints]:
    """What comes by the outline where each event stands, and in its part."""
    first = planned_first(events.vocabulary, events.outline)
    time, kind, value, duration, velocity = (
        np.append(own, planned["planned", field][:-1]) for own, field in zip(first, FIELDS)
    )
    is_there = time == 1 + events.rows[:, TIME]
    in_part = is_there & (kind == 1 + events.kind)
    return {
        ("planned", FIELDS[KIND]): kind * is_there,
        ("planned", "pitch"): np.maximum(value - events.vocabulary.first_pitch, 0) * in_part,
        ("planned", FIELDS[DURATION]): duration * in_part,
        ("planned", FIELDS[VELOCITY]): velocity * in_part,
    }


def _figure(events: WholePiece, last: Ints, source: Ints, start: Ints, order: Ints) -> Ints:
    """Where each event's part goes on with the figure of a bar, -1 for none: pitches + 1, (events,).

    The notes of a chord go with those of the chord there, from the lowest up. `last` is the part's last note before, `start`
    the beginning of the event's bar, `order` the sort key of each.
    """
    tick, kind = events.tick, events.kind
    back = (events.bar_there - source) * events.metre.bar_ticks
    is_there = (source >= 0) & (start - back >= events.metre.start) & events.is_pitched
    begins = np.append(True, (np.diff(tick) != 0) | (np.diff(kind) != 0))
    in_chord = events.number - np.maximum.accumulate(np.where(begins, events.number, 0))

    def there(at: Ints, number: Ints) -> Ints:
        """Pitch + 1 of that note of the part's chord at a tick; 0 without."""
        place = np.searchsorted(order, sort_key(events.vocabulary, at, kind, np.zeros_like(kind))) + number
        place = np.minimum(place, len(order) - 1)
        found: Ints = np.where((tick[place] == at) & (kind[place] == kind), events.pitch[place], 0)
        return found

    goes_on, is_same_bar = (last >= 0) & (tick[last] == tick), (last >= 0) & (tick[last] >= start)
    note, before = there(tick - back, np.where(goes_on, in_chord[last] + 1, 0)), there(tick[last] - back, in_chord[last])
    found: Ints = figure(note, events.pitch[last], before, is_same_bar, events.vocabulary.num_pitches) * is_there
    return found


def _sounding(events: WholePiece, before: Sequence[LastNotes], own: Ints) -> dict[Meaning, Ints]:
    """Which tones sound where each event comes, from the last note of its part up, and the lowest of them."""
    vocabulary, count = events.vocabulary, len(events.rows)
    change = np.zeros((count + 1, -(-vocabulary.num_pitches // 12) * 12), np.int16)
    implied = np.append(np.zeros(FIRST_PART, bool), vocabulary.implied_duration)[events.kind]
    notes = np.flatnonzero(events.is_note & events.is_pitched & ~implied)
    ended = np.searchsorted(events.tick, events.tick[notes] + events.ticks[notes])
    np.add.at(change, (notes + 1, events.pitch[notes] - 1), 1)
    np.add.at(change, (ended, events.pitch[notes] - 1), -1)
    sounds = np.cumsum(change[:-1], axis=0) > 0  # (events, pitches)
    for number in np.flatnonzero(vocabulary.lines).tolist():
        held = np.flatnonzero((before[number].pitch > 0) & (before[number].end > events.tick))
        sounds[held, before[number].pitch[held] - 1] = True
    own = own * events.is_pitched
    tones, bass = tones_above(sounds, own)
    names: list[Meaning] = [("sounding", first) for first in range(0, 12, TONES)]
    return dict(zip(names, tones.T)) | {("bass",): bass}


def tones_above(sounds: NDArray[np.bool_], own: Ints) -> tuple[Ints, Ints]:
    """Which tones sound above the last note of a part, in any octave, and the lowest one.

    Parameters
    ----------
    sounds
        Which pitches do, (rows, pitches), of whole octaves.
    own
        The pitch + 1 of that note, (rows,); 0 for none.

    Returns
    -------
    tones
        1 + the sum of 1, 2 and 4 for those that sound of each three semitones, (rows, 4); 0 without a note.
    bass
        1 + semitones from the note up to the lowest, 0 to 11; 0 without a note or where nothing sounds.
    """
    octaves = np.logical_or.reduce(sounds.reshape(len(sounds), -1, 12), axis=1)
    above = np.take_along_axis(octaves, (own[:, None] - 1 + np.arange(12)) % 12, axis=1)
    bits = 1 + above.reshape(len(own), -1, TONES) @ (1 << np.arange(TONES))
    bass = 1 + (sounds.argmax(axis=1) - own + 1) % 12
    return bits * (own > 0)[:, None], bass * ((own > 0) & np.logical_or.reduce(octaves, axis=1))


def figure(note: Any, last: Any, before: Any, is_same_bar: Any, pitches: int) -> Any:
    """The note that goes on with a figure, numbers or arrays, each a pitch + 1, 0 for none.

    Parameters
    ----------
    note
        That in the bar whose rhythm returns.
    last, before
        The part's last note, and that which stood there in its place.
    is_same_bar
        Whether the last note is of the bar of the next one; if not the figure begins as it did.
    pitches
        How many there are.
    """
    found = note + (last - before) * is_same_bar
    return found * ((note > 0) & ((before > 0) | ~np.asarray(is_same_bar)) & (found > 0) & (found <= pitches))


def keys_in_force(vocabulary: Vocabulary) -> Ints:
    """The keys of a vocabulary as an outline has them, 1 + tonic and 12 more in minor, by 1 + their number; 0 for none."""
    return np.array([0, *(1 + Key(0, *key).tonic + 12 * (key[1] == "minor") for key in vocabulary.keys)])


def own_bar(does: Any, rhythm: Any) -> Any:
    """What a part does in a bar as the model reads it, numbers or arrays, from what `Outline.playing` says."""
    return (does < RETURNS) * does + (does >= RETURNS) * RETURNS + (rhythm > 0) * (NEW_TO_A_RHYTHM - PLAYING)


def may_play(playing: Any, position: Any, begun: Any) -> Any:
    """What parts may do at a position of a bar.

    Parameters
    ----------
    playing
        What `Outline.playing` says of them, numbers or arrays.
    position
        Ticks from the bar line.
    begun
        In how many places of the bar before that one each has begun notes.
    """
    does, place, rhythm, onsets, *_ = playing
    is_free = (does == PLAYING) & (rhythm == 0) & (place <= position)
    left = onsets - begun
    free = MAY_PLAY + sum((left >= many) * 1 for many in URGENCY)
    free = RESTS + (free - RESTS) * (left > 0)
    return RESTS * (does == RESTING) + (does >= PLAYING) * (IS_BOUND + (free - IS_BOUND) * is_free)


def played_again(playing: Any) -> Any:
    """In how many later bars parts play what they play in a bar if it is new, as the model reads it; 0 where it is not.

    `playing` is what `Outline.playing` says of them, numbers or arrays.
    """
    does, *_, count = playing
    return (1 + sum((count >= many) * 1 for many in AGAIN)) * (does == PLAYING)


def most_again(playing: Any) -> Any:
    """The most of that of those whose rhythm is new, too; the parts are the last axis."""
    return (played_again(playing) * (playing[2] == 0)).max(axis=-1)


def bars_again(events: WholePiece) -> Ints:
    """The feature of that name, (events,)."""
    if not events.vocabulary.is_chordal:
        return np.zeros(len(events.rows), np.int64)
    found: Ints = most_again(events.playing_in(events.bar)[..., FIRST_PART:])
    return found


def left_to_begin(playing: Any, begun: Any) -> Any:
    """In how many places of a bar parts that play something new there are still to begin notes, as `may_play` has it."""
    does, _, rhythm, onsets, *_ = playing
    left = onsets - begun
    return left * ((does == PLAYING) & (rhythm == 0) & (left > 0))


def later(playing: Any, begun: Any) -> Any:
    """What the model reads of how many places of the bar come after the next one, in which a part is to begin notes.

    The parameters are as of `left_to_begin`.
    """
    left = left_to_begin(playing, begun)
    return LATER - (LATER - left) * (left < LATER)


def until_the_next(ahead: Sequence[Ints], to_line: Ints, bar_ticks: Ints, vocabulary: Vocabulary) -> Ints:
    """How long it is to a part's next notes in the bars that follow, as a time; 0 where it has none within `AHEAD`, (rows,).

    Parameters
    ----------
    ahead
        What it does in each of these bars, and where it begins (`Outline.playing`), (2, rows) each.
    to_line, bar_ticks
        Ticks to the next bar line, and of a bar.
    """
    found = np.zeros_like(to_line)
    for bars, (does, place) in enumerate(ahead):
        found = np.where((found == 0) & (does >= PLAYING), to_line + bars * bar_ticks + place, found)
    return np.where(found > 0, as_time(vocabulary, found), 0)


def to_come(left: Any, is_known: Any) -> Any:
    """What the model reads of how many such places there are in all, if that is known, numbers or arrays."""
    return (TO_COME - (TO_COME - 1 - left) * (left < TO_COME - 1)) * is_known


def places_begun(events: WholePiece, start: Ints, *, with_own: bool) -> Ints:
    """In how many places of its bar each part has begun notes before each event, (events, parts).

    `start` is where the bar of each event begins, `with_own` whether the event's own place is among them, up to the event.
    """
    found = np.zeros((len(events.rows), len(events.vocabulary.parts)), np.int64)
    for part, first in enumerate(events.onset_places):
        if with_own:
            until = np.searchsorted(first, events.number, side="right")
        else:
            until = np.searchsorted(events.tick[first], events.tick)
        found[:, part] = until - np.searchsorted(events.tick[first], start)
    return found


def places_to_come(events: WholePiece) -> Ints:
    """The feature of that name, (events,); zeros where the outline does not say what parts do."""
    if not events.vocabulary.is_chordal:
        return np.zeros(len(events.rows), np.int64)
    playing = events.playing_in(events.bar)[..., FIRST_PART:]
    start = events.tick - (events.tick - events.metre.start) % events.metre.bar_ticks
    left = left_to_begin(playing, places_begun(events, start, with_own=True)).sum(axis=1)
    found: Ints = to_come(left, (playing[0] > 0).any(axis=1))
    return found


def next_ends(events: WholePiece) -> Ints:
    """How long it is from each event to the next tick at which a part's last note ends and to the one after it, as times.

    (2, events).
    """
    parts = [part for part, is_drum in zip(events.parts, events.vocabulary.drums) if not is_drum and not part.is_implied]
    if not events.vocabulary.is_chordal or not parts:
        return np.zeros((2, len(events.rows)), np.int64)
    return first_two(np.array([np.where(part.pitch > 0, part.end, 0) for part in parts]).T, events.tick, events.vocabulary)


def first_two(ends: Ints, tick: Ints, vocabulary: Vocabulary) -> Ints:
    """Of ticks at which notes end, (rows, parts), how long it is to the first two, as times; 0 without, (2, rows)."""
    coming = np.where(ends > tick[:, None], ends, HELD)
    first = coming.min(axis=1)
    both = np.stack([first, np.where(coming > first[:, None], coming, HELD).min(axis=1)])
    found: Ints = np.where(both < HELD, as_time(vocabulary, both - tick), 0)
    return found


def in_groups(states: Ints) -> Ints:
    """The states of parts, (rows, parts), as `GROUP` digits of `STATE_BITS` bits each, (rows, groups)."""
    padded = np.pad(states, ((0, 0), (0, -states.shape[1] % GROUP)))
    found: Ints = padded.reshape(len(states), padded.shape[1] // GROUP, GROUP) @ 2 ** (STATE_BITS * np.arange(GROUP))
    return found


def key_there(local: Any, in_force: Any) -> Any:
    """The key of a bar by the outline, or else the one in force, numbers or arrays.

    1 + tonic, 12 more in minor; 0 for none.
    """
    return local + (local == 0) * in_force


def own_degrees(above: Any, is_known: Any, key: Any) -> Any:
    """The degree of a part's last note, numbers or arrays.

    Parameters
    ----------
    above
        1 + its pitch.
    is_known
        Whether there is one.
    key
        As of `key_there`.

    Returns
    -------
    Any
        1 + semitones above the tonic, 12 more in minor; 0 without a note or a key.
    """
    return (1 + (above - key) % 12 + 12 * (key > 12)) * (is_known & (key > 0))
