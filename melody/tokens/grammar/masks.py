"""`Grammar`: the masks over the tokens of each field."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from melody.piece import MAX_TICK
from melody.tokens.grammar.ahead import Ahead, Known, Mask, State
from melody.tokens.grammar.standing import Streams
from melody.tokens.usage import FIRST_PART, KEY, METRE, TEMPO
from melody.tokens.vocabulary import KIND, TIME, VALUE, Rows, Vocabulary


class Grammar(Streams):
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
    pedal
        Whether the pedal may be used, if the vocabulary has it.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        streams: int,
        *,
        bars: int | None = None,
        count_pickup: bool = True,
        start: int = 0,
        steady: bool = False,
        pedal: bool = True,
    ) -> None:
        super().__init__(vocabulary, streams, bars=bars, count_pickup=count_pickup)
        self._start = start
        self._changes = (False, False, False) if steady else vocabulary.changes
        self._encoded = (*vocabulary.is_encoded[:KEY], len(vocabulary.keys) > 0)
        self._may_pedal = pedal and vocabulary.pedal
        self._monophonic = np.array(vocabulary.monophonic, bool)
        self._least = np.where(self._implied, 1, self._durations[0])  # the shortest note of each part
        starts, number = vocabulary.value_starts, np.arange(vocabulary.sizes[VALUE])
        ranges = [starts[METRE : METRE + 2], starts[TEMPO : TEMPO + 2], (starts[KEY], starts[KEY + 2])]  # with the pedal
        ranges += [starts[-2:]] * len(vocabulary.parts)
        self._values_of = np.array([(number >= first) & (number < last) for first, last in ranges])  # (kinds, values)
        self._known = Known(len(self._shifts) * (1 + self._values_of.shape[0] + 2 * len(vocabulary.parts)))
        self._values_if = self._values_by_part() if self._all_implied else self._values_of

    def _values_by_part(self) -> Mask:
        """Legal values of each kind, if the part neither plays nor rests, plays, rests, or both; (kinds, 4, values)."""
        by_part = np.repeat(self._values_of[:, None], 4, axis=1)
        by_part[FIRST_PART:, ::2] = False
        by_part[FIRST_PART:, 2:, self._vocabulary.rest] = True
        return by_part

    # What constraints read

    @property
    def start(self) -> int:
        """No event before this tick, if there is a way to keep to it."""
        return self._start

    def ahead(self) -> Ahead:
        """What may come at each time; found once for each event."""
        return self._ahead or self._look_ahead()

    # Masks, in the order of the fields; each takes the tokens chosen before it in the same event, (streams,)

    def times(self) -> Mask:
        """Which time tokens are legal, (streams, times). At least one always is."""
        legal = self.ahead().times
        if self._start:
            late: Mask = legal & (self._tick[:, None] + self._shifts >= self._start)
            legal = np.where(late.any(axis=1, keepdims=True), late, legal)
        end = self._begun & ~np.logical_or.reduce(self._held, axis=1) & ~self._down
        no_way_on: Mask = ~np.logical_or.reduce(legal, axis=1)
        if self._bars is not None:
            end &= (self._length > self._until - self._bar_ticks) | no_way_on
        return np.concatenate([(end | no_way_on)[:, None], legal], axis=1)

    def past_end(self) -> Mask:
        """Which times are illegal in the last bar since no note could begin there before the end, (streams, times).

        None where all parts' durations are implied: a rest before the end can always follow, and nothing piles up.
        """
        if self._implied.all() or (self._until >= MAX_TICK).all():
            return np.zeros((len(self._tick), 1 + len(self._shifts)), bool)
        late = self._tick[:, None] + self._shifts + self._least.min() > self._until[:, None]
        late &= (self._until - self._tick <= self._bar_ticks)[:, None] & (self._shifts > 0)
        late &= ~self._down[:, None]  # the pedal can still go up
        return np.concatenate([np.zeros((len(late), 1), bool), late], axis=1)

    def kinds(self, time: NDArray[np.int64]) -> Mask:
        """Which kinds are legal after those time tokens (not END), (streams, kinds)."""
        kinds = self.ahead().kinds
        if len(time) == 1:  # by plain numbers, which cost a fifth of arrays of one
            return kinds[:, max(int(time[0]) - 1, 0)].copy()
        return kinds[np.arange(len(time)), np.maximum(time - 1, 0)]

    def values(self, time: NDArray[np.int64], kind: NDArray[np.int64]) -> Mask:
        """Which values are legal after those time and kind tokens, (streams, values)."""
        if self._all_implied:
            return self._values_of_implied(time, kind)
        legal = self._values_of[kind]
        self._narrow_turns(legal, time, kind)
        notes = np.flatnonzero(kind >= FIRST_PART)
        tick = self._ticks_of(time)
        _, may_play, may_rest, _ = self.ahead().at(time)
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
        _, may_play, may_rest, _ = self.ahead()
        if len(time) == 1:
            number, speaker = int(kind[0]), (0, max(int(time[0]) - 1, 0), max(int(kind[0]) - FIRST_PART, 0))
            legal = self._values_if[[number], [int(may_play[speaker]) + 2 * int(may_rest[speaker])]]
            self._narrow_turns(legal, time, kind)
            return legal
        at = np.arange(len(time)), np.maximum(time - 1, 0), np.maximum(kind - FIRST_PART, 0)
        legal = self._values_if[kind, may_play[at] + 2 * may_rest[at]]
        self._narrow_turns(legal, time, kind)
        return legal

    def durations_at(self, time: NDArray[np.int64]) -> Mask:
        """Which durations are legal for a note at that time, if its durations are encoded, (streams, durations)."""
        return self._ticks_of(time)[:, None] + self._durations <= self._until[:, None]

    def durations(self, events: Rows) -> Mask:
        """Which durations are legal of events whose time, kind and value are chosen, (streams, durations)."""
        return self.durations_at(events[:, TIME])

    def velocities(self, events: Rows) -> Mask:
        """Which velocities are legal of events whose time, kind, value and duration are chosen, (streams, velocities)."""
        return np.ones((len(events), len(self._vocabulary.velocities)), bool)

    def _look_ahead(self) -> Ahead:
        """What may come at each time."""
        if self._all_implied and type(self)._parts is Grammar._parts and type(self)._kinds is Grammar._kinds:
            masks = self._known.ahead(self._states(), lambda streams: self.take(streams)._masks_ahead())
        else:
            masks = [*self._masks_ahead()]
        self._ahead = Ahead(*masks)
        return self._ahead

    def _masks_ahead(self) -> tuple[Mask, Mask, Mask, Mask]:
        """What may come at each time, and which times that leaves, (streams, shifts)."""
        ticks = self._tick[:, None] + self._shifts  # (streams, shifts)
        play, rest = self._parts(ticks)
        kinds = self._kinds(ticks, play | rest)
        times: Mask = np.logical_or.reduce(kinds, axis=2)
        return kinds, play, rest, times

    def _states(self) -> list[State]:
        """All that the masks ahead depend on if all durations are implied, of each stream."""
        far, headed, held = int(self._shifts[-1]) + 1, self._has_headed.tobytes(), self._held.tobytes()
        parts = self._held.shape[1]
        places = (self._kind, self._begun, self._tick, self._until, self._metre_start, self._bar_ticks)
        rows = zip(*(column.tolist() for column in (*places, self._down, self._value)))
        return [
            (
                *(kind, begun or tick > 0, min(until - tick, far), (tick - start) % bar, bar),
                *(down, value if kind == KEY else -1),
                *(headed[2 * i : 2 * i + 2], held[parts * i : parts * (i + 1)]),
            )
            for i, (kind, begun, tick, until, start, bar, down, value) in enumerate(rows)
        ]

    def _kinds(self, ticks: NDArray[np.int64], speaking: Mask) -> Mask:
        """Which kinds are legal at each of `ticks`, (streams, candidates) -> (streams, candidates, kinds).

        `speaking` is which parts may play or rest there.
        """
        same = ticks == self._tick[:, None]
        legal = np.zeros((*ticks.shape, self._vocabulary.sizes[KIND]), bool)
        legal[:, :, FIRST_PART:] = speaking
        header = self._at_header(same)
        for kind in (METRE, TEMPO, KEY):
            if self._encoded[kind] and (self._changes[kind] or header.any()):
                legal[:, :, kind] = self._changes_at(kind, ticks, same, header)
        if self._may_pedal:
            legal[:, :, KEY] |= self._turns_at(ticks, same)
        pending = self._header_kind()
        waiting = np.flatnonzero(pending >= 0)
        if len(waiting):
            legal[waiting] = same[waiting][:, :, None] & (np.arange(legal.shape[2]) == pending[waiting, None, None])
        return legal

    def _at_header(self, same: Mask) -> Mask:
        """Where a piece has not begun, of candidates at the tick of the last event, (streams, candidates)."""
        found: Mask = same & ~self._begun[:, None] & (self._tick == 0)[:, None]
        return found

    def _turns_at(self, ticks: NDArray[np.int64], same: Mask) -> Mask:
        """Where the pedal may turn, (streams, candidates): at one tick up and down again, and down where there is time."""
        behind = (self._kind < KEY) | (self._kind == KEY) & (self._value < self._vocabulary.first_turn + ~self._down)
        leaves = np.where(self._down, 0, self._least.min())
        legal: Mask = (~same | behind[:, None]) & (ticks + leaves[:, None] <= self._until[:, None])
        return legal

    def _narrow_turns(self, legal: Mask, time: NDArray[np.int64], kind: NDArray[np.int64]) -> None:
        """Of the kind of keys, only those keys and that turn of the pedal that may come, (streams, values)."""
        if not self._vocabulary.pedal:
            return
        streams = np.flatnonzero(kind == KEY)
        if not len(streams):
            return
        keys, turn = self._vocabulary.value_starts[KEY], self._vocabulary.first_turn
        ticks = self._ticks_of(time)[:, None]
        same = ticks == self._tick[:, None]
        header = self._at_header(same)
        may_change = self._changes_at(KEY, ticks, same, header) & (header | self._changes[KEY])
        may_turn = self._turns_at(ticks, same) & self._may_pedal
        own = np.stack([may_turn[:, 0] & self._down, may_turn[:, 0] & ~self._down], 1)
        legal[streams, keys:turn] &= may_change[streams]
        legal[streams, turn : turn + 2] &= own[streams]

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
        play = ~same | in_order[:, None] if self._all_implied else self._pitches_free(same, in_order)
        if not self._all_implied and len(single := np.flatnonzero(self._monophonic)):
            play[:, :, single] &= self._ends[:, single].max(axis=2)[:, None] <= ticks[:, :, None]
        ticks, until = ticks[:, :, None], self._until[:, None, None]
        near = np.flatnonzero(ticks.max(axis=(1, 2), initial=0) + self._least.max() > self._until)
        play[near] &= ticks[near] + self._least <= until[near]
        if not self._implied.any():
            return play, np.zeros_like(play)
        rest = self._held[:, None] & (~same | in_order[:, None]) & (ticks <= until)
        # On the last bar line the parts have to rest in their order, or one that was passed over could not any more.
        is_first = (np.cumsum(self._held, axis=1) == 1) & ~self._down[:, None]  # the pedal goes up before
        rest &= (ticks < until) | is_first[:, None]
        return play, rest

    def _pitches_free(self, same: Mask, in_order: Mask) -> Mask:
        """Which parts have a pitch that does not sound and may come next, (streams, candidates, parts)."""
        free = self._ends <= self._tick[:, None, None]  # (streams, parts, pitches)
        later: Mask = np.any(free, axis=2)
        at_once: Mask = in_order & later
        streams = np.flatnonzero(self._kind >= FIRST_PART)  # whose last part may go on above its last pitch
        part = self._kind[streams] - FIRST_PART
        above = np.arange(free.shape[2]) > (self._value[streams] - self._vocabulary.first_pitch)[:, None]
        at_once[streams, part] |= (free[streams, part] & above).any(axis=1) & ~self._monophonic[part]
        return np.where(same, at_once[:, None], later[:, None])
