"""What may follow what: masks over the tokens of each field, so that no sample can ever be illegal.

A stream of events that keeps to the masks always decodes to a legal `Piece`: the metre comes first and changes on bar lines
only, events are in the order of the vocabulary, no pitch of a part starts while it sounds, a part that was monophonic
throughout the corpus stays so, one whose durations are implied rests only while it sounds and has rested before the end, and
there is always a way on. Asked for a number of bars, the music ends in the last of them and no note outlasts it.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from typing import ClassVar, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from melody.piece import MAX_TICK, TimeSignature
from melody.tokens.usage import FIRST_PART, KEY, METRE, TEMPO
from melody.tokens.vocabulary import DURATION, END, KIND, TIME, VALUE, Rows, Vocabulary

Mask = NDArray[np.bool_]
_State = tuple[int | bytes, ...]  # all that decides what may come next, where all durations are implied
_KNOWN_BYTES = 2**24  # of what may come in states that are known
_Own = TypeVar("_Own", bound="Grammar")


class Ahead(NamedTuple):
    """What may come at each time token but END.

    Parameters
    ----------
    kinds
        Which kinds are legal, (streams, shifts, kinds).
    play, rest
        Which parts may play and which may rest, (streams, shifts, parts).
    """

    kinds: Mask
    play: Mask
    rest: Mask

    def at(self, time: NDArray[np.int64]) -> Ahead:
        """The same at one time token a stream, (streams, kinds), (streams, parts) twice."""
        number = np.arange(len(time)), np.maximum(time - 1, 0)
        return Ahead(*(mask[number] for mask in self))


class Standing(NamedTuple):
    """Where streams stand, to be read by what narrows their masks. Arrays over streams, in ticks where it is a time.

    Parameters
    ----------
    tick, kind, value
        Of the last event; kind and value are -1 if nothing has come yet at this tick.
    begun
        Whether there has been a note.
    held
        Which parts sound whose durations are implied, (streams, parts).
    ends
        Where the last note of each part and pitch ends, if its duration is encoded, (streams, parts, pitches).
    length, until
        Where the last note ends that is known to end, and before which tick the music must end.
    metre, metre_start, bars_before, bar_ticks
        Number of the metre in force, where it began, how many bars were before, and how long its bars are.
    pickup
        How many first bars are not counted.
    pending
        The change that must come next because every piece begins with it, -1 if none.
    """

    tick: NDArray[np.int64]
    kind: NDArray[np.int64]
    value: NDArray[np.int64]
    begun: Mask
    held: Mask
    ends: NDArray[np.int64]
    length: NDArray[np.int64]
    until: NDArray[np.int64]
    metre: NDArray[np.int64]
    metre_start: NDArray[np.int64]
    bars_before: NDArray[np.int64]
    bar_ticks: NDArray[np.int64]
    pickup: NDArray[np.int64]
    pending: NDArray[np.int64]


class _Known:
    """What may come in each state that streams have been in, looked for once.

    Where the durations of all parts are implied no note's end has to be known, and there are few different states: music of
    any length goes through the same few hundred. Each is a row of these arrays, which nobody may change.
    """

    def __init__(self, row: int) -> None:
        self._most = max(_KNOWN_BYTES // row, 1)  # states
        self._numbers: dict[_State, int] = {}
        self._masks: tuple[Mask, ...] = ()

    def ahead(self, states: list[_State], look: Callable[[NDArray[np.int64]], tuple[Mask, ...]]) -> list[Mask]:
        """The masks of streams in these states; `look` finds those of some of the streams."""
        new = {state: stream for stream, state in enumerate(states) if state not in self._numbers}
        if new and len(new) + len(self._numbers) > self._most:
            self._numbers, self._masks, new = {}, (), {state: stream for stream, state in enumerate(states)}
        if new:
            self._learn(list(new), look(np.array(list(new.values()))))
        if len(states) == 1:
            number = self._numbers[states[0]]
            return [mask[number : number + 1] for mask in self._masks]
        numbers = np.array([self._numbers[state] for state in states], np.int64)
        return [mask[numbers] for mask in self._masks]

    def _learn(self, states: list[_State], masks: tuple[Mask, ...]) -> None:
        self._numbers.update({state: len(self._numbers) + i for i, state in enumerate(states)})
        self._masks = tuple(map(np.concatenate, zip(self._masks, masks))) if self._masks else masks
        for mask in self._masks:
            mask.flags.writeable = False


class Grammar:
    """The masks for a batch of streams, which all begin a new piece.

    Parameters
    ----------
    vocabulary
        Of the events.
    streams
        How many.
    bars
        End each stream on the bar line after so many bars; None leaves the end to the model.
    count_pickup
        Whether a first bar that is silent for half of it or more is one of them.
    start
        No event before this tick, if there is a way to keep to it: where a continuation begins.
    steady
        No change of metre, tempo or key after the beginning.

    Attributes
    ----------
    per_stream
        Names of the arrays that hold something of each stream.
    """

    per_stream: ClassVar[tuple[str, ...]] = (
        "_has_headed",
        "_pickup",
        "_begun",
        "_tick",
        "_kind",
        "_value",
        "_metre",
        "_metre_start",
        "_bars_before",
        "_bar_ticks",
        "_ends",
        "_held",
        "_length",
        "_until",
    )

    def __init__(
        self,
        vocabulary: Vocabulary,
        streams: int,
        *,
        bars: int | None = None,
        count_pickup: bool = True,
        start: int = 0,
        steady: bool = False,
    ) -> None:
        self._vocabulary = vocabulary
        self._bars = bars
        self._start = start
        self._count_pickup = count_pickup
        self._pickup = np.zeros(streams, np.int64)  # bars that are not counted
        self._changes = (False, False, False) if steady else vocabulary.changes
        self._shifts = np.array(vocabulary.shifts, np.int64)
        self._durations = np.array(vocabulary.durations or (1,), np.int64)
        self._implied = np.array(vocabulary.implied_duration, bool)
        self._monophonic = np.array(vocabulary.monophonic, bool)
        self._least = np.where(self._implied, 1, self._durations[0])  # the shortest note of each part
        self._bar_lengths = np.array(
            [TimeSignature(0, *t).bar_ticks(vocabulary.ticks_per_quarter) for t in vocabulary.time_signatures], np.int64
        )
        starts, number = vocabulary.value_starts, np.arange(vocabulary.sizes[VALUE])
        slices = [*range(FIRST_PART), *[len(starts) - 2] * len(vocabulary.parts)]
        self._values_of = np.array([(number >= starts[i]) & (number < starts[i + 1]) for i in slices])  # (kinds, values)
        self._has_headed = np.zeros((streams, 2), bool)  # whether metre and tempo have come
        self._begun = np.zeros(streams, bool)
        self._tick = np.zeros(streams, np.int64)
        self._kind = np.full(streams, -1, np.int64)  # of the last event at this tick, -1 if none
        self._value = np.full(streams, -1, np.int64)
        self._metre = np.zeros(streams, np.int64)  # number of the one in force
        self._metre_start = np.zeros(streams, np.int64)
        self._bars_before = np.zeros(streams, np.int64)
        self._bar_ticks = np.full(streams, self._bar_lengths[0])
        self._ends = np.zeros((streams, len(vocabulary.parts), vocabulary.num_pitches), np.int64)
        self._held = np.zeros((streams, len(vocabulary.parts)), bool)  # parts that sound whose durations are implied
        self._length = np.zeros(streams, np.int64)  # where the last note ends that is known to end
        self._until = np.full(streams, MAX_TICK)
        self._ahead: Ahead | None = None  # of the next event, once it has been looked for
        self._times_ahead: Mask = np.zeros((streams, 0), bool)  # which times but END it leaves, with it
        self._all_implied = bool(self._implied.all())
        self._known = _Known(len(self._shifts) * (1 + self._values_of.shape[0] + 2 * len(vocabulary.parts)))
        self._values_if = self._values_by_part() if self._all_implied else self._values_of
        if not vocabulary.is_encoded[METRE]:
            self._set_until()

    def _values_by_part(self) -> Mask:
        """Legal values of each kind, if the part neither plays nor rests, plays, rests, or both; (kinds, 4, values)."""
        by_part = np.repeat(self._values_of[:, None], 4, axis=1)
        by_part[FIRST_PART:, ::2] = False
        by_part[FIRST_PART:, 2:, self._vocabulary.rest] = True
        return by_part

    def _set_until(self) -> None:
        if self._bars is not None:
            self._until = self._metre_start + (self._bars + self._pickup - self._bars_before) * self._bar_ticks

    # What constraints read

    @property
    def vocabulary(self) -> Vocabulary:
        """Of the events."""
        return self._vocabulary

    @property
    def bars(self) -> int | None:
        """After how many bars the streams end; None if the model ends them."""
        return self._bars

    @property
    def start(self) -> int:
        """No event before this tick, if there is a way to keep to it."""
        return self._start

    @property
    def count_pickup(self) -> bool:
        """Whether a pick-up is one of the bars."""
        return self._count_pickup

    def standing(self) -> Standing:
        """Where the streams stand."""
        place = self._metre, self._metre_start, self._bars_before, self._bar_ticks, self._pickup, self._header_kind()
        last = self._tick, self._kind, self._value, self._begun
        return Standing(*last, self._held, self._ends, self._length, self._until, *place)

    def ahead(self) -> Ahead:
        """What may come at each time; found once for each event."""
        return self._ahead or self._look_ahead()

    # Masks, in the order of the fields; each takes the tokens chosen before it in the same event, (streams,)

    def times(self) -> Mask:
        """Which time tokens are legal, (streams, times). At least one always is."""
        self._look_ahead()
        legal = self._times_ahead
        if self._start:
            late: Mask = legal & (self._tick[:, None] + self._shifts >= self._start)
            legal = np.where(late.any(axis=1, keepdims=True), late, legal)
        end = self._begun & ~np.logical_or.reduce(self._held, axis=1)
        no_way_on: Mask = ~np.logical_or.reduce(legal, axis=1)
        if self._bars is not None:
            end &= (self._length > self._until - self._bar_ticks) | no_way_on
        return np.concatenate([(end | no_way_on)[:, None], legal], axis=1)

    def past_end(self) -> Mask:
        """Which times are illegal in the last bar since no note could begin there before the end, (streams, times).

        None where all parts' durations are implied: a rest before the end can always follow, and nothing piles up.
        """
        if self._bars is None or self._implied.all():
            return np.zeros((len(self._tick), 1 + len(self._shifts)), bool)
        late = self._tick[:, None] + self._shifts + self._least.min() > self._until[:, None]
        late &= (self._until - self._tick <= self._bar_ticks)[:, None] & (self._shifts > 0)
        return np.concatenate([np.zeros((len(late), 1), bool), late], axis=1)

    def kinds(self, time: NDArray[np.int64]) -> Mask:
        """Which kinds are legal after those time tokens (not END), (streams, kinds)."""
        kinds = (self._ahead or self._look_ahead()).kinds
        if len(time) == 1:  # by plain numbers, which cost a fifth of arrays of one
            return kinds[:, max(int(time[0]) - 1, 0)].copy()
        return kinds[np.arange(len(time)), np.maximum(time - 1, 0)]

    def values(self, time: NDArray[np.int64], kind: NDArray[np.int64]) -> Mask:
        """Which values are legal after those time and kind tokens, (streams, values)."""
        if self._all_implied:
            return self._values_of_implied(time, kind)
        legal = self._values_of[kind]
        notes = np.flatnonzero(kind >= FIRST_PART)
        tick = self._ticks_of(time)
        _, may_play, may_rest = (self._ahead or self._look_ahead()).at(time)
        part = kind[notes] - FIRST_PART
        free = (self._ends[notes, part] <= tick[notes, None]) & may_play[notes, part, None]
        legal[notes, self._vocabulary.first_pitch :] &= free
        if self._implied.any():
            legal[notes, self._vocabulary.rest] = may_rest[notes, part]
        again = notes[(tick[notes] == self._tick[notes]) & (kind[notes] == self._kind[notes])]
        if len(again):
            legal[again] &= np.arange(legal.shape[1]) > self._value[again, None]
        return legal

    def _values_of_implied(self, time: NDArray[np.int64], kind: NDArray[np.int64]) -> Mask:
        """`values` where the durations of all parts are implied: none plays or rests again at one tick."""
        _, may_play, may_rest = self._ahead or self._look_ahead()
        if len(time) == 1:
            number, speaker = int(kind[0]), (0, max(int(time[0]) - 1, 0), max(int(kind[0]) - FIRST_PART, 0))
            return self._values_if[[number], [int(may_play[speaker]) + 2 * int(may_rest[speaker])]]
        at = np.arange(len(time)), np.maximum(time - 1, 0), np.maximum(kind - FIRST_PART, 0)
        return self._values_if[kind, may_play[at] + 2 * may_rest[at]]

    def durations(self, time: NDArray[np.int64]) -> Mask:
        """Which durations are legal for a note at that time, if its durations are encoded, (streams, durations)."""
        return self._ticks_of(time)[:, None] + self._durations <= self._until[:, None]

    def lengths(self, events: Rows) -> Mask:
        """Which durations are legal of events whose time, kind and value are chosen, (streams, durations)."""
        return self.durations(events[:, TIME])

    def velocities(self, events: Rows) -> Mask:
        """Which velocities are legal of events whose time, kind, value and duration are chosen, (streams, velocities)."""
        return np.ones((len(events), len(self._vocabulary.velocities)), bool)

    def _ticks_of(self, time: NDArray[np.int64]) -> NDArray[np.int64]:
        return self._tick + self._shifts[np.maximum(time - 1, 0)]

    def _header_kind(self) -> NDArray[np.int64]:
        """The change that must come next because every piece begins with it, -1 if none, (streams,)."""
        pending = np.full(len(self._tick), -1)
        for kind in (TEMPO, METRE):
            if self._vocabulary.is_encoded[kind]:
                pending[~self._has_headed[:, kind]] = kind
        return pending

    def _look_ahead(self) -> Ahead:
        """What may come at each time."""
        if self._all_implied and type(self)._parts is Grammar._parts and type(self)._kinds is Grammar._kinds:
            masks = self._known.ahead(self._states(), lambda streams: self.take(streams)._masks_ahead())
        else:
            masks = [*self._masks_ahead()]
        self._ahead, self._times_ahead = Ahead(*masks[:3]), masks[3]
        return self._ahead

    def _masks_ahead(self) -> tuple[Mask, Mask, Mask, Mask]:
        """What may come at each time, and which times that leaves, (streams, shifts)."""
        ticks = self._tick[:, None] + self._shifts  # (streams, shifts)
        play, rest = self._parts(ticks)
        kinds = self._kinds(ticks, play | rest)
        times: Mask = np.logical_or.reduce(kinds, axis=2)
        return kinds, play, rest, times

    def _states(self) -> list[_State]:
        """All that the masks ahead depend on if all durations are implied, of each stream."""
        far, headed, held = int(self._shifts[-1]) + 1, self._has_headed.tobytes(), self._held.tobytes()
        parts = self._held.shape[1]
        columns = (self._kind, self._begun, self._tick, self._until, self._metre_start, self._bar_ticks)
        return [
            (
                *(kind, begun or tick > 0, min(until - tick, far), (tick - start) % bar, bar),
                *(headed[2 * i : 2 * i + 2], held[parts * i : parts * (i + 1)]),
            )
            for i, (kind, begun, tick, until, start, bar) in enumerate(zip(*(column.tolist() for column in columns)))
        ]

    def _kinds(self, ticks: NDArray[np.int64], speaking: Mask) -> Mask:
        """Which kinds are legal at each of `ticks`, (streams, candidates) -> (streams, candidates, kinds).

        `speaking` is which parts may play or rest there.
        """
        same = ticks == self._tick[:, None]
        legal = np.zeros((*ticks.shape, self._vocabulary.sizes[KIND]), bool)
        legal[:, :, FIRST_PART:] = speaking
        header = same & ~self._begun[:, None] & (self._tick == 0)[:, None]
        for kind in (METRE, TEMPO, KEY):
            if self._vocabulary.is_encoded[kind] and (self._changes[kind] or header.any()):
                legal[:, :, kind] = self._changes_at(kind, ticks, same, header)
        pending = self._header_kind()
        waiting = np.flatnonzero(pending >= 0)
        if len(waiting):
            legal[waiting] = same[waiting][:, :, None] & (np.arange(legal.shape[2]) == pending[waiting, None, None])
        return legal

    def _changes_at(self, kind: int, ticks: NDArray[np.int64], same: Mask, header: Mask) -> Mask:
        """Where metre, tempo or key may come, (streams, candidates)."""
        legal = ~same | (self._kind < kind)[:, None]
        is_time_left = ticks + self._least.min() <= self._until[:, None]  # a change must leave time for a note
        legal &= header | is_time_left if self._changes[kind] else header
        if kind == METRE:
            legal &= (ticks - self._metre_start[:, None]) % self._bar_ticks[:, None] == 0
            if self._bars is not None:  # or a note could outlast bars that the change makes shorter
                legal &= self._ends.max(axis=(1, 2), initial=0)[:, None] <= ticks
        return legal

    def _parts(self, ticks: NDArray[np.int64]) -> tuple[Mask, Mask]:
        """Which parts may play, and which may rest, at each of `ticks`, (streams, candidates, parts) each."""
        same = (ticks == self._tick[:, None])[:, :, None]
        in_order = np.arange(len(self._vocabulary.parts)) > (self._kind - FIRST_PART)[:, None]  # at the last event's tick
        play = ~same | in_order[:, None]
        if not self._implied.all():
            play = self._pitches_free(same, in_order)
            play &= (self._ends.max(axis=2)[:, None] <= ticks[:, :, None]) | ~self._monophonic
        ticks, until = ticks[:, :, None], self._until[:, None, None]
        play &= ticks + self._least <= until
        rest = self._held[:, None] & (~same | in_order[:, None]) & (ticks <= until)
        # On the last bar line the parts have to rest in their order, or one that was passed over could not any more.
        is_first = np.cumsum(self._held, axis=1) == 1
        rest &= (ticks < until) | is_first[:, None]
        return play, rest

    def _pitches_free(self, same: Mask, in_order: Mask) -> Mask:
        """Which parts have a pitch that does not sound and may come next, (streams, candidates, parts)."""
        free = self._ends <= self._tick[:, None, None]  # (streams, parts, pitches)
        last_part = np.arange(free.shape[1]) == (self._kind - FIRST_PART)[:, None]
        above = np.arange(free.shape[2]) > (self._value - self._vocabulary.first_pitch)[:, None]
        free_above = (free & above[:, None]).any(axis=2)
        later: Mask = np.any(free, axis=2)
        at_once: Mask = in_order & later | last_part & free_above & ~self._monophonic
        return np.where(same, at_once[:, None], later[:, None])

    # Streams that come and go

    def take(self: _Own, streams: NDArray[np.int64]) -> _Own:
        """The grammar of those streams alone, in that order; a stream may be named more than once."""
        taken = copy(self)
        for name in self.per_stream:
            setattr(taken, name, getattr(self, name)[streams])
        if self._ahead is not None:
            taken._ahead = Ahead(*(mask[streams] for mask in self._ahead))
        return taken

    def put(self: _Own, streams: NDArray[np.int64], other: _Own) -> None:
        """Let the streams of another grammar be these, from the next event on."""
        for name in self.per_stream:
            getattr(self, name)[streams] = getattr(other, name)
        self._forget()

    def join(self: _Own, other: _Own) -> _Own:
        """The streams of this grammar, and behind them those of another, from the next event on."""
        joined = copy(self)
        for name in self.per_stream:
            setattr(joined, name, np.concatenate([getattr(self, name), getattr(other, name)]))
        joined._forget()
        return joined

    def _forget(self) -> None:
        """What was found of the next event is not so any more."""
        self._ahead = None

    # What was chosen

    def push(self, rows: Rows, active: Mask | None = None) -> None:
        """Take in one event a stream, (streams, 5); streams that ended, or are not `active`, are left as they are."""
        self._forget()
        if len(rows) == 1 and active is None and self._push_one(*rows[0].tolist()):
            return
        going = rows[:, TIME] != END if active is None else active & (rows[:, TIME] != END)
        if going.all():
            self._push(np.arange(len(rows)), rows)
        else:
            self._push(np.flatnonzero(going), rows[going])

    def _push_one(self, time: int, kind: int, value: int, *_: int) -> bool:
        """Take in a note or rest of the only stream, if its duration is implied and it does not begin the piece."""
        if time == END or kind < FIRST_PART or not self._all_implied or not self._begun[0]:
            return False
        self._tick[0] += self._shifts[time - 1]
        self._kind[0], self._value[0] = kind, value
        if value == self._vocabulary.rest:
            self._held[0, kind - FIRST_PART], self._length[0] = False, self._tick[0]
        else:
            self._held[0, kind - FIRST_PART] = True
        return True

    def _push(self, going: NDArray[np.int64], row: Rows) -> None:
        """Take in the events of those streams."""
        self._tick[going] += self._shifts[row[:, TIME] - 1]
        tick = self._tick[going]
        kind, value = row[:, KIND], row[:, VALUE]
        self._kind[going], self._value[going] = kind, value
        speaks = kind >= FIRST_PART
        if not np.logical_and.reduce(speaks):
            self._push_changes(going, row)
            going, row, tick, kind, value = going[speaks], row[speaks], tick[speaks], kind[speaks], value[speaks]
        part = kind - FIRST_PART
        implied = self._implied[part]
        rest = implied & (value == self._vocabulary.rest)
        self._held[going, part] = implied & ~rest
        if not self._all_implied:
            self._push_ends(going[~implied], row[~implied], tick[~implied])
        playing = going
        if np.logical_or.reduce(rest):
            self._length[going[rest]], playing = tick[rest], going[~rest]
        if not self._count_pickup:
            self._push_pickups(playing)
        self._begun[playing] = True

    def _push_ends(self, going: NDArray[np.int64], row: Rows, tick: NDArray[np.int64]) -> None:
        """Where notes end whose durations are encoded."""
        ends = tick + self._durations[row[:, DURATION]]
        self._ends[going, row[:, KIND] - FIRST_PART, row[:, VALUE] - self._vocabulary.first_pitch] = ends
        self._length[going] = np.maximum(self._length[going], ends)

    def _push_pickups(self, playing: NDArray[np.int64]) -> None:
        """Whether the bar of a stream's first note is a pick-up."""
        first = playing[~self._begun[playing]]
        tick, bar = self._tick[first], self._bar_ticks[first]
        late = (tick < bar) & (2 * tick >= bar) & (self._metre_start[first] == 0)  # or it is not the first bar
        if late.any():
            self._pickup[first[late]] = 1
            self._set_until()

    def _push_changes(self, going: NDArray[np.int64], row: Rows) -> None:
        for kind in (METRE, TEMPO):
            self._has_headed[going[row[:, KIND] == kind], kind] = True
        changes = row[:, KIND] == METRE
        changing = going[changes]
        since = self._tick[changing] - self._metre_start[changing]
        self._bars_before[changing] += since // self._bar_ticks[changing]
        self._metre_start[changing] = self._tick[changing]
        self._metre[changing] = row[changes, VALUE]
        self._bar_ticks[changing] = self._bar_lengths[row[changes, VALUE]]
        self._set_until()
