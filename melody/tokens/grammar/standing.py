"""Where a batch of streams stands: what has come in each, event by event."""

from __future__ import annotations

from copy import copy
from typing import ClassVar, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from melody.piece import MAX_TICK, TimeSignature
from melody.tokens.grammar.ahead import Ahead, Mask
from melody.tokens.usage import FIRST_PART, METRE, TEMPO
from melody.tokens.vocabulary import DURATION, END, KIND, TIME, VALUE, Rows, Vocabulary

_Own = TypeVar("_Own", bound="Streams")


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
    down
        Whether the pedal is down.
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
    down: Mask
    pending: NDArray[np.int64]


class Streams:
    """A batch of streams, which all begin a new piece; `Grammar` says what may come in them.

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
        "_down",
        "_length",
        "_until",
    )

    def __init__(self, vocabulary: Vocabulary, streams: int, *, bars: int | None, count_pickup: bool) -> None:
        self._vocabulary = vocabulary
        self._bars = bars
        self._count_pickup = count_pickup
        self._shifts = np.array(vocabulary.shifts, np.int64)
        self._durations = np.array(vocabulary.durations or (1,), np.int64)
        self._implied = np.array(vocabulary.implied_duration, bool)
        self._all_implied = bool(self._implied.all())
        self._bar_lengths = np.array(
            [TimeSignature(0, *t).bar_ticks(vocabulary.ticks_per_quarter) for t in vocabulary.time_signatures], np.int64
        )
        self._ahead: Ahead | None = None  # what may come next, once it has been looked for
        self._begin(streams)
        if not vocabulary.is_encoded[METRE]:
            self._set_until()

    def _begin(self, streams: int) -> None:
        """Nothing has come in any of the streams."""
        parts = len(self._vocabulary.parts)
        self._pickup = np.zeros(streams, np.int64)  # bars that are not counted
        self._has_headed = np.zeros((streams, 2), bool)  # whether metre and tempo have come
        self._begun = np.zeros(streams, bool)
        self._tick = np.zeros(streams, np.int64)
        self._kind = np.full(streams, -1, np.int64)  # of the last event at this tick, -1 if none
        self._value = np.full(streams, -1, np.int64)
        self._metre = np.zeros(streams, np.int64)  # number of the one in force
        self._metre_start = np.zeros(streams, np.int64)
        self._bars_before = np.zeros(streams, np.int64)
        self._bar_ticks = np.full(streams, self._bar_lengths[0])
        self._ends = np.zeros((streams, parts, self._vocabulary.num_pitches), np.int64)
        self._held = np.zeros((streams, parts), bool)  # parts that sound whose durations are implied
        self._down = np.zeros(streams, bool)  # whether the pedal is
        self._length = np.zeros(streams, np.int64)  # where the last note ends that is known to end
        self._until = np.full(streams, MAX_TICK)

    def _set_until(self) -> None:
        if self._bars is not None:
            self._until = self._metre_start + (self._bars + self._pickup - self._bars_before) * self._bar_ticks

    def end_by(self, until: NDArray[np.int64]) -> None:
        """Let streams that the model ends come to an end before these ticks, (streams,); one that cannot sounds beyond."""
        self._until = until
        self._forget()

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
    def count_pickup(self) -> bool:
        """Whether a pick-up is one of the bars."""
        return self._count_pickup

    def standing(self) -> Standing:
        """Where the streams stand."""
        place = self._metre, self._metre_start, self._bars_before, self._bar_ticks, self._pickup
        last = self._tick, self._kind, self._value, self._begun
        return Standing(*last, self._held, self._ends, self._length, self._until, *place, self._down, self._header_kind())

    def _ticks_of(self, time: NDArray[np.int64]) -> NDArray[np.int64]:
        return self._tick + self._shifts[np.maximum(time - 1, 0)]

    def _header_kind(self) -> NDArray[np.int64]:
        """The change that must come next because every piece begins with it, -1 if none, (streams,)."""
        pending = np.full(len(self._tick), -1)
        for kind in (TEMPO, METRE):
            if self._vocabulary.is_encoded[kind]:
                pending[~self._has_headed[:, kind]] = kind
        return pending

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
        of_part = kind >= FIRST_PART
        if not np.logical_and.reduce(of_part):
            self._push_changes(going, row)
            going, row, tick, kind, value = going[of_part], row[of_part], tick[of_part], kind[of_part], value[of_part]
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
        turns = self._vocabulary.is_turn(row)
        self._down[going[turns]] = row[turns, VALUE] != self._vocabulary.first_turn
        changes = row[:, KIND] == METRE
        changing = going[changes]
        since = self._tick[changing] - self._metre_start[changing]
        self._bars_before[changing] += since // self._bar_ticks[changing]
        self._metre_start[changing] = self._tick[changing]
        self._metre[changing] = row[changes, VALUE]
        self._bar_ticks[changing] = self._bar_lengths[row[changes, VALUE]]
        self._set_until()
