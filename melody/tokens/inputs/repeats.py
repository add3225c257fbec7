"""What is being repeated after each event of a whole piece: by its outline, or else by the events that came last."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from melody.piece import Ints
from melody.signatures import TimeSignature
from melody.tokens.inputs.matches import code_of, matches
from melody.tokens.inputs.meanings import Meaning
from melody.tokens.inputs.outlines.outline import PLAYING, RETURNS, SOURCES, Outline
from melody.tokens.inputs.schema import OUTLINED, OUTLINED_NEXT
from melody.tokens.inputs.stepwise.part_history import NEVER
from melody.tokens.inputs.whole_piece import WholePiece, first_note, sort_key, stride
from melody.tokens.vocabulary import FIELDS, KIND, TIME, VALUE, VELOCITY, Vocabulary

Found = tuple[Ints, Ints, Ints, Ints]  # as `_in_the_bar` gives them


def repeated(events: WholePiece) -> dict[Meaning, Ints]:
    """What is being repeated after each event: by the outline, or by the last events; length, times, five tokens.

    Where an outline says when each part plays, that is certain: what comes by it is given apart, too, under the name
    "planned", and is what is repeated where it comes before what followed the last events.
    """
    length, times, place = matches(code_of(events.vocabulary, *events.rows.T[:VELOCITY]))
    followed = np.where(length > 0, events.rows.T.take(place, axis=1) + 1, 0)  # (fields, events)
    planned = np.zeros_like(followed)
    if events.outline is not None:
        outlined, tokens_there = _outlined(events)
        if _has_players(events):
            planned = tokens_there * (outlined > 0)
            outlined = outlined * is_sooner(planned, followed)
        length, times = np.where(outlined > 0, outlined, length), np.where(outlined > 0, 0, times)
        followed = np.where(outlined > 0, tokens_there, followed)
    found: dict[Meaning, Ints] = {("length",): length, ("times",): times}
    for name, of_name in (("repeated", followed), ("planned", planned)):
        found |= {(name, field): column for field, column in zip(FIELDS, of_name)}
    return found


def planned_first(vocabulary: Vocabulary, outline: Outline | None) -> list[int]:
    """What comes first in a piece by its outline: five tokens, each + 1, zeros for nothing."""
    nothing = [0] * len(FIELDS)
    if outline is None or not outline.players or not vocabulary.is_chordal:
        return nothing
    bar_ticks = TimeSignature(0, *vocabulary.time_signatures[0]).bar_ticks(vocabulary.ticks_per_quarter)
    does, place, *_ = outline.playing(vocabulary.sizes[KIND])[1].T
    begins = np.where((does == PLAYING) & (place < bar_ticks), place, bar_ticks)
    kind = int(begins.argmin())
    time = int(time_tokens(vocabulary, begins[[kind]] + outline.has_pickup * bar_ticks)[0])
    return [1 + time, 1 + kind, 0, 0, 0] if time and begins[kind] < bar_ticks else nothing


def is_sooner(planned: Any, followed: Any) -> Any:
    """Whether an event, tokens each + 1, comes before another one, or at least as soon and with its value; not without one.

    Of each the tokens in their order, numbers or arrays.
    """
    same_time = planned[TIME] == followed[TIME]
    at_once = (planned[KIND] < followed[KIND]) | ((planned[KIND] == followed[KIND]) & (planned[VALUE] > 0))
    return (planned[TIME] > 0) & ((followed[TIME] == 0) | (planned[TIME] < followed[TIME]) | (same_time & at_once))


def _has_players(events: WholePiece) -> bool:
    return events.vocabulary.is_chordal and events.outline is not None and bool(events.outline.players)


def _outlined(events: WholePiece) -> tuple[Ints, Ints]:
    """Where the outline says what comes next: `OUTLINED` or `OUTLINED_NEXT`, 0 elsewhere, and five tokens, each + 1.

    While this bar returns, the event that comes next in the one that it repeats; when there is no more, or in the second
    half of a new bar, the first event of the bar that the next one repeats. Only since the time signature in force began.
    Where parts have bars of their own, of what comes next in each in this bar or the next one the first; of a part that
    plays something new in a bar that it begins there, and no more, or where the rhythm of an earlier bar returns each
    place in which it begins notes, without their pitches.
    """
    metre, tick = events.metre, events.tick
    bar_ticks, start = metre.bar_ticks, tick - (tick - metre.start) % metre.bar_ticks
    source, next_source = events.of_outline[SOURCES]
    order = sort_key(events.vocabulary, tick, events.kind, events.rows[:, VALUE])
    one_tick = stride(events.vocabulary)
    find = _soonest if _has_players(events) else _in_the_bar
    here, here_kind, here_shift, here_free = find(events, order, events.bar, start, source, order)
    is_here, next_start = here_shift > 0, start + bar_ticks
    before_next = next_start * one_tick + first_note(events.vocabulary) - 1
    there, there_kind, there_shift, there_free = find(events, order, events.bar + 1, next_start, next_source, before_next)
    is_near = (source >= 0) | (2 * (next_start - tick) <= bar_ticks) | _has_players(events)
    is_there = ~is_here & is_near & (there_shift > 0)
    event, kind, is_free = np.where(is_here, [here, here_kind, here_free], [there, there_kind, there_free])
    tokens = np.where(event >= 0, 1 + events.rows[event].T, 0)
    tokens[VALUE] *= 1 - is_free * events.is_note[event]
    tokens[TIME], tokens[KIND] = 1 + np.where(is_here, here_shift, there_shift), 1 + kind
    return OUTLINED * is_here + OUTLINED_NEXT * is_there, tokens


def _in_the_bar(events: WholePiece, order: Ints, bar: Ints, start: Ints, source: Ints, behind: Ints) -> Found:
    """What comes next, behind a sort key, in a bar that repeats another one, as all parts do.

    Parameters
    ----------
    events, order
        The piece, and the sort keys of its events.
    bar, start
        The number of the bar, and where it begins, (events,).
    source
        The bar that it repeats; -1 for none.
    behind
        A sort key.

    Returns
    -------
    event, kind
        The number of the event that is repeated, -1 for something new; its kind.
    time
        The time token that leads there; 0 if nothing is.
    is_free
        Whether its pitch is left open, 0 or 1.
    """
    bar_ticks = events.metre.bar_ticks
    back = (bar - source) * bar_ticks
    place = np.searchsorted(order, behind - back * stride(events.vocabulary), side="right")
    found = np.minimum(place, events.number)
    is_known = (place <= events.number) & (source >= 0) & (start - back >= events.metre.start)
    is_known &= events.tick[found] < start - back + bar_ticks
    time = time_tokens(events.vocabulary, events.tick[found] + back - events.tick) * is_known
    return found, events.kind[found], time, np.zeros_like(time)


def _soonest(events: WholePiece, order: Ints, bar: Ints, start: Ints, _: Ints, behind: Ints) -> Found:
    """As `_in_the_bar`, but each part repeats a bar of its own: of what comes next in each the first."""
    one_tick, values = stride(events.vocabulary), events.vocabulary.sizes[VALUE]
    does, place, rhythm = events.playing_in(bar)[:3]
    soonest, found, kinds, is_free = np.full(len(order), NEVER), events.number, events.kind, np.zeros_like(order)
    for kind in np.flatnonzero((does >= PLAYING).any(axis=0)).tolist():
        follows = _has_begun(events, kind, order, bar, start, rhythm[:, kind] - 1)
        source = np.where(follows, rhythm[:, kind] - 1, does[:, kind] - RETURNS)
        event, key = _next_of(events, kind, order, bar, start, source, np.where(follows, _chord_of(events, behind), behind))
        begins = (start + place[:, kind]) * one_tick + kind * values
        is_new = (does[:, kind] == PLAYING) & (begins > behind) & (place[:, kind] < events.metre.bar_ticks) & ~follows
        event, key = np.where(is_new, -1, event), np.where(is_new, begins, key)
        of_kind = event, np.full_like(event, kind), follows
        found, kinds, is_free = np.where(key < soonest, of_kind, [found, kinds, is_free])
        soonest = np.minimum(key, soonest)
    ticks = np.where(soonest < NEVER, soonest // one_tick, 0)
    return found, kinds, time_tokens(events.vocabulary, ticks - events.tick) * (soonest < NEVER), is_free


def _next_of(
    events: WholePiece, kind: int, order: Ints, bar: Ints, start: Ints, source: Ints, behind: Ints
) -> tuple[Ints, Ints]:
    """What comes next of one part in the bars that it repeats, and the sort key that it has there; `NEVER` for nothing."""
    own, one_tick, metre = np.flatnonzero(events.kind == kind), stride(events.vocabulary), events.metre
    if not len(own):
        return np.zeros_like(order), np.full_like(order, NEVER)
    back = (bar - source) * metre.bar_ticks
    place = np.searchsorted(order[own], behind - back * one_tick, side="right")
    event = own[np.minimum(place, len(own) - 1)]
    is_known = (place < len(own)) & (event <= events.number) & (source >= 0) & (start - back >= metre.start)
    is_known &= events.tick[event] < start - back + metre.bar_ticks
    return event, np.where(is_known, order[event] + back * one_tick, NEVER)


def _has_begun(events: WholePiece, kind: int, order: Ints, bar: Ints, start: Ints, source: Ints) -> NDArray[np.bool_]:
    """Whether one part has begun anything in those bars, since the time signature in force began."""
    own, metre = np.flatnonzero(events.kind == kind), events.metre
    if not len(own):
        return np.zeros(len(order), bool)
    back = (bar - source) * metre.bar_ticks
    first = own[np.minimum(np.searchsorted(order[own], (start - back) * stride(events.vocabulary)), len(own) - 1)]
    within = (events.tick[first] >= start - back) & (events.tick[first] < start - back + metre.bar_ticks)
    return np.asarray((source >= 0) & (start - back >= metre.start) & (first <= events.number) & within)


def _chord_of(events: WholePiece, behind: Ints) -> Ints:
    """The highest sort key of the same part at the same tick."""
    values = events.vocabulary.sizes[VALUE]
    return behind - behind % values + values - 1


def time_tokens(vocabulary: Vocabulary, ticks: Ints) -> Ints:
    """The tokens of exactly these times; 0 where there is none."""
    shifts = np.array(vocabulary.shifts)
    number = np.minimum(np.searchsorted(shifts, ticks), len(shifts) - 1)
    return np.where(shifts[number] == ticks, 1 + number, 0)
