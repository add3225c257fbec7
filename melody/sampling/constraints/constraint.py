"""`Masks`: what may come next in each stream, by the grammar and by whatever constraints the music is to keep to.

Conventions
-----------
A constraint never adds: what may come is what the grammar and all constraints allow, in whatever order they are named, and
no constraint knows of another. When all have narrowed the table of what may come next, those that look ahead may take more
away: what leads nowhere. Observed events, such as what stands after a gap or what a player plays, are not the model's
choice: they stand as they are, unless a constraint says that it `binds` them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from copy import copy
from typing import ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray

from melody.piece import Ints
from melody.sampling.constraints.joint_options import Due, Options
from melody.sampling.constraints.music import Event, Music, PerStream
from melody.tokens.grammar import Grammar, Mask
from melody.tokens.usage import FIRST_PART
from melody.tokens.vocabulary import DURATION, KIND, TIME, VALUE, Rows

_Own = TypeVar("_Own", bound="Constraint")


class Constraint(PerStream, ABC):
    """Something that the music has to keep to besides the grammar.

    Attributes
    ----------
    follows
        Whether what it allows depends on what came before, other than through the grammar.
    binds_observed
        Whether it forbids observed events like any others.
    may_dead_end
        Whether it may leave a stream nothing at all.
    gives_way
        Whether it is passed over where its values or durations would leave a stream none.
    so_far
        How many observed events each stream is past, (streams,); None if it is not about observed events.
    """

    follows: ClassVar[bool] = True
    binds_observed: ClassVar[bool] = False
    may_dead_end: ClassVar[bool] = True
    gives_way: ClassVar[bool] = False
    so_far: NDArray[np.int64] | None = None

    def needs_pitches(self, music: Music) -> bool:
        """Whether it may leave a part no pitch, so that it must be known for all times at once which pitches there are."""
        return True

    def begin(self: _Own, streams: int) -> _Own:
        """The same for so many streams, of which nothing has come yet."""
        return copy(self)

    @abstractmethod
    def narrow(self, music: Music, options: Options) -> None:
        """Take from the options what it forbids."""

    def look_ahead(self, music: Music, options: Options) -> None:
        """Take from the options, which all constraints have narrowed, what leads nowhere."""

    def conclude(self, options: Options, times: Mask) -> None:
        """Decide whether streams end, when all else is known: at which times anything may come, (streams, times)."""

    def due(self, music: Music) -> Due | None:
        """The observed events that may come next; None if it is not about observed events."""
        return None

    def binds(self, music: Music, due: Due) -> Mask:
        """Of which streams it forbids the observed event that is due like any other, (streams,)."""
        return np.full(len(due.time), self.binds_observed)

    def values(self, music: Music, time: Ints, kind: Ints) -> Mask | None:
        """Which values it allows after those tokens, (streams, values); None for all, or where the options say it."""
        return None

    def durations(self, music: Music, events: Rows, options: Options | None) -> Mask | None:
        """Which durations it allows of events whose time, kind and value are chosen; None for all."""
        return None

    def velocities(self, music: Music, events: Rows) -> Mask | None:
        """Which velocities it allows of events whose other fields are chosen; None for all."""
        return None

    def push(self, music: Music, event: Event) -> None:
        """Take in one event a stream; `music` still stands before it."""


class Masks:
    """The masks of streams of events, field by field: those of a grammar, narrowed by constraints.

    Parameters
    ----------
    grammar
        Where the streams stand; it moves on with them.
    constraints
        What they keep to besides, in any order; none for the grammar alone.
    """

    _unconstrained: Mask
    _before_kinds: NDArray[np.int64] | None  # the times after which kinds were asked for, their mask not yet looked for
    _options: Options | None  # of the next event, once they have been looked for

    def __init__(self, grammar: Grammar, constraints: Sequence[Constraint] = ()) -> None:
        self.grammar, self._music = grammar, Music(grammar)
        self._constraints = tuple(constraint.begin(self.streams) for constraint in constraints)
        self._follows = any(constraint.follows for constraint in constraints)
        self._forget()

    @property
    def _observer(self) -> Constraint | None:
        """The constraint that knows the observed events."""
        return next((constraint for constraint in self._constraints if constraint.so_far is not None), None)

    @property
    def streams(self) -> int:
        """How many streams there are."""
        return len(self._music.has_note)

    @property
    def may_dead_end(self) -> bool:
        """Whether a row of a mask may allow nothing: its stream has come to a dead end, and is to be dropped."""
        return any(constraint.may_dead_end for constraint in self._constraints)

    @property
    def _with_pitches(self) -> bool:
        return any(constraint.needs_pitches(self._music) for constraint in self._constraints)

    @property
    def entries(self) -> int:
        """How much memory the masks of one stream take, in bytes."""
        vocabulary = self.grammar.vocabulary
        size = len(vocabulary.shifts) * len(vocabulary.parts)
        return size * (vocabulary.num_pitches if self._with_pitches else 1)

    @property
    def unconstrained(self) -> Mask:
        """The mask given last as it was before constraints narrowed it; to be asked for before streams go on."""
        if self._before_kinds is not None:
            self.unconstrained = self.grammar.kinds(self._before_kinds)
        return self._unconstrained

    @unconstrained.setter
    def unconstrained(self, mask: Mask) -> None:
        self._unconstrained, self._before_kinds = mask, None

    @property
    def must_close(self) -> Mask:
        """Which streams are to end as soon as they may, (streams,); set it, for all at once if you like."""
        return self._music.must_close

    @must_close.setter
    def must_close(self, must_close: Mask | bool) -> None:
        self._music.must_close = np.full(self.streams, must_close)

    @property
    def expected(self) -> Ints:
        """What comes next by the outline, see `Music`; to be set before times are asked for."""
        return self._music.expected

    @expected.setter
    def expected(self, expected: Ints) -> None:
        self._music.expected = expected

    @property
    def observed_so_far(self) -> Ints:
        """How many of the observed events each stream is past, (streams,)."""
        found = None if self._observer is None else self._observer.so_far
        return np.zeros(self.streams, np.int64) if found is None else found

    @property
    def has_begun(self) -> Mask:
        """Which streams have had a note, (streams,)."""
        return self._music.standing.begun

    def narrowed(self, constraints: Sequence[Constraint]) -> Masks:
        """The same streams with more constraints, which know of nothing that came before but where the grammar stands."""
        made = Masks(self.grammar, constraints)
        made._constraints = (*self._constraints, *made._constraints)
        made._follows |= self._follows
        return made

    def bars_of(self, rows: Rows) -> Ints:
        """In which bar each stream is with that event, which has not been pushed, (streams, 5) -> (streams,)."""
        return self._music.bar_of(self._music.ticks_of(rows[:, TIME])[:, None])[:, 0]

    def next_line(self) -> Ints:
        """The first bar line by which all that each stream has had is over, (streams,)."""
        now = self._music.standing
        return now.metre_start - (now.metre_start - now.length) // now.bar_ticks * now.bar_ticks

    def end_by(self, until: Ints) -> None:
        """See `melody.tokens.grammar.Grammar.end_by`."""
        self.grammar.end_by(until)
        self._forget()

    def past_end(self) -> Mask:
        """Which times are illegal in the last bar since no note could begin there before the end, (streams, times)."""
        return self.grammar.past_end()

    # Masks, in the order of the fields; each takes the tokens chosen before it in the same event

    def of(self, field: int, events: Rows) -> Mask:
        """Which tokens of a field may come in events whose fields before it are chosen, (streams, tokens)."""
        if field == TIME:
            return self.times()
        if field == KIND:
            return self.kinds(events[:, TIME])
        if field == VALUE:
            return self.values(events[:, TIME], events[:, KIND])
        return self.durations(events) if field == DURATION else self.velocities(events)

    def times(self) -> Mask:
        """Which time tokens may come, (streams, times)."""
        self.unconstrained = self.grammar.times()
        if not self._constraints:
            return self.unconstrained
        options = self._options = self._narrowed(self.unconstrained[:, 0])
        legal = options.times()
        if self.grammar.start:
            late = legal & (self._music.ticks >= self.grammar.start)
            legal = late | (legal & ~late.any(axis=1, keepdims=True))
        for constraint in self._constraints:
            constraint.conclude(options, legal)
        legal &= ~(options.ends & self._music.must_close)[:, None]
        return np.concatenate([options.ends[:, None], legal], axis=1)

    def kinds(self, time: NDArray[np.int64]) -> Mask:
        """Which kinds may come after those time tokens (not END), (streams, kinds)."""
        if not self._constraints:
            self.unconstrained = self.grammar.kinds(time)
            return self.unconstrained
        self._before_kinds = time
        options, at = self._found, (np.arange(len(time)), np.maximum(time - 1, 0))
        return np.concatenate([options.controls[at], options.rests[at] | options.plays[at]], axis=1)

    def values(self, time: NDArray[np.int64], kind: NDArray[np.int64]) -> Mask:
        """Which values may come after those time and kind tokens, (streams, values)."""
        self.unconstrained = self.grammar.values(time, kind)
        if not self._constraints:
            return self.unconstrained
        found = [constraint.values(self._music, time, kind) for constraint in self._constraints]
        legal = self._narrowed_by(found, time, kind)
        if (options := self._found).notes is not None:
            with_value = np.flatnonzero(kind >= FIRST_PART)
            at = with_value, np.maximum(time[with_value] - 1, 0), kind[with_value] - FIRST_PART
            legal[with_value, self.grammar.vocabulary.first_pitch :] &= options.notes[at]
            if self._music.implied.any():
                legal[with_value, self.grammar.vocabulary.rest] &= options.rests[at]
        return legal

    def durations(self, events: Rows) -> Mask:
        """Which durations may come of events whose time, kind and value are chosen, (streams, durations)."""
        self.unconstrained = self.grammar.durations(events)
        if not self._constraints:
            return self.unconstrained
        found = [c.durations(self._music, events, self._options) for c in self._constraints]
        return self._narrowed_by(found, events[:, TIME], events[:, KIND])

    def velocities(self, events: Rows) -> Mask:
        """Which velocities may come of events whose other fields are chosen, (streams, velocities)."""
        self.unconstrained = self.grammar.velocities(events)
        if not self._constraints:
            return self.unconstrained
        found = [c.velocities(self._music, events) for c in self._constraints]
        return self._narrowed_by(found, events[:, TIME], events[:, KIND])

    def _narrowed_by(self, found: Sequence[Mask | None], time: Ints, kind: Ints) -> Mask:
        """The mask given last and those that were found of the constraints; a new array."""
        mask, due = self.unconstrained.copy(), self._due()
        spared = None if due is None else due.exact & (due.time == time - 1) & (due.kind == kind)
        pairs = sorted(zip(self._constraints, found), key=lambda pair: pair[0].gives_way)
        for constraint, one in pairs:
            if one is not None:
                narrowed = mask & (one if spared is None or constraint.binds_observed else one | spared[:, None])
                keeps = narrowed.any(axis=1, keepdims=True) if constraint.gives_way else True
                mask = np.where(keeps, narrowed, mask)
        return mask

    # What may come at each time

    @property
    def _found(self) -> Options:
        if self._options is None:
            self.times()
        assert self._options is not None
        return self._options

    def _due(self) -> Due | None:
        """The observed events that may come next."""
        return None if self._observer is None else self._observer.due(self._music)

    def _narrowed(self, ends: Mask) -> Options:
        """What may come by the grammar, by all constraints, and by those that look ahead."""
        music, due = self._music, self._due()
        options = Options.of(self.grammar.ahead(), ends, music, with_pitches=self._with_pitches)
        for constraint in self._constraints:
            allowed = None if due is None else options.at(due)
            constraint.narrow(music, options)
            if due is not None and allowed is not None:
                options.spare(due, allowed, ~constraint.binds(music, due))
        if options.deadlines is not None:
            options.narrow_times(np.asarray((options.deadlines[:, :, None] >= music.ticks[:, None]).all(axis=1)))
        allowed = None if due is None else options.at(due)
        options.settle()
        for constraint in self._constraints:
            constraint.look_ahead(music, options)
        if due is not None and allowed is not None:
            options.spare(due, allowed, np.ones(self.streams, bool))
        return options

    def times_by_grammar(self, kind: int, value: int) -> Ints:
        """The time tokens at which such an event may come in the first stream, whatever the constraints: a player's."""
        grammar = self.grammar.take(np.zeros(1, np.int64))
        times, found = np.flatnonzero(grammar.times()[0, 1:]) + 1, []
        for time in times.tolist():
            at = np.array([time])
            if grammar.kinds(at)[0, kind] and grammar.values(at, np.array([kind]))[0, value]:
                found.append(time)
        return np.array(found, np.int64)

    # Streams

    def push(self, rows: Rows, active: Mask | None = None, *, observed: bool = False) -> None:
        """Take in one event a stream, (streams, 5); streams that ended, or are not `active`, are left as they are.

        `observed` events, such as a player's, are not the model's choice: no constraint is broken by them.
        """
        if self._follows:
            due, music = self._due(), self._music
            is_observed = np.full(len(rows), observed)
            if due is not None:
                is_observed |= due.exact & (due.time == rows[:, TIME] - 1) & (due.kind == rows[:, KIND])
            event = music.event(rows, active, is_observed)
            for constraint in self._constraints:
                constraint.push(music, event)
            music.push(event)
        self.grammar.push(rows, active)
        self._music.expected = np.full_like(self._music.expected, -1)
        self._forget()

    def take(self, streams: NDArray[np.int64]) -> Masks:
        """The masks of those streams alone, in that order; a stream may be named more than once."""
        made = copy(self)
        made.grammar, made._music = self.grammar.take(streams), self._music.take(streams)
        made._constraints = tuple(constraint.take(streams) for constraint in self._constraints)
        made._music.stands_at(made.grammar)
        made.unconstrained = self.unconstrained[streams]
        made._options = None if self._options is None else self._options.take(streams)
        return made

    def put(self, streams: NDArray[np.int64], other: Masks) -> None:
        """Let the streams of other masks be these, from the next event on."""
        self.grammar.put(streams, other.grammar)
        self._music.put(streams, other._music)
        for own, new in zip(self._constraints, other._constraints):
            own.put(streams, new)
        self._forget()

    def join(self, other: Masks) -> Masks:
        """These streams, and behind them those of other masks, from the next event on."""
        made = copy(self)
        made.grammar, made._music = self.grammar.join(other.grammar), self._music.join(other._music)
        made._constraints = tuple(own.join(new) for own, new in zip(self._constraints, other._constraints))
        made._forget()
        return made

    def _forget(self) -> None:
        """What was found of the next event is not so any more."""
        self._music.stands_at(self.grammar)
        self._options = None
        self.unconstrained = np.ones((self.streams, 1), bool)
