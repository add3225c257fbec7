"""`Masks`: what may come next in each stream, by the grammar and by whatever constraints the music is to keep to."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from melody.tokens.grammar import Grammar, Mask
from melody.tokens.vocabulary import Rows


class Constraint(Protocol):
    """Something that the music has to keep to besides the grammar."""

    def over(self, grammar: Grammar) -> Grammar:
        """The grammar of music that keeps to it."""
        ...


class Masks:
    """The masks of streams of events, field by field: those of a grammar, narrowed by constraints.

    Parameters
    ----------
    grammar
        Where the streams stand.
    constraints
        What they keep to besides, in any order; none for the grammar alone.
    """

    def __init__(self, grammar: Grammar, constraints: Sequence[Constraint] = ()) -> None:
        self.grammar, self._constraints = grammar, tuple(constraints)
        for constraint in constraints:
            self.grammar = constraint.over(self.grammar)
        self._last: Mask = np.ones((self.streams, 1), bool)

    @property
    def streams(self) -> int:
        """How many streams there are."""
        return len(self.grammar._tick)

    @property
    def may_dead_end(self) -> bool:
        """Whether a row of a mask may allow nothing: its stream has come to a dead end, and is to be dropped."""
        return bool(self._constraints)

    @property
    def entries(self) -> int:
        """How much memory the masks of one stream take, in bytes."""
        vocabulary = self.grammar._vocabulary
        size = len(vocabulary.shifts) * len(vocabulary.parts)
        return size * (vocabulary.num_pitches if hasattr(self.grammar, "wide") else 1)

    @property
    def must_close(self) -> Mask:
        """Which streams are to end as soon as they may, (streams,); set it, for all at once if you like."""
        return getattr(self.grammar, "closing", np.zeros(self.streams, bool))

    @must_close.setter
    def must_close(self, must_close: Mask | bool) -> None:
        if hasattr(self.grammar, "closing"):
            self.grammar.closing = must_close

    @property
    def unconstrained(self) -> Mask:
        """The mask given last as it was before constraints narrowed it."""
        return getattr(self.grammar, "wide", self._last)

    @property
    def observed_so_far(self) -> NDArray[np.int64]:
        """How many of the observed events each stream is past, (streams,)."""
        found: NDArray[np.int64] = getattr(self.grammar, "said", np.zeros(self.streams, np.int64))
        return found

    @property
    def has_begun(self) -> Mask:
        """Which streams have had a note, (streams,)."""
        return self.grammar._begun

    def past_end(self) -> Mask:
        """Which times are illegal in the last bar since no note could begin there before the end, (streams, times)."""
        return self.grammar.beyond()

    # Masks, in the order of the fields; each takes the tokens chosen before it in the same event

    def times(self) -> Mask:
        """Which time tokens may come, (streams, times)."""
        return self._given(self.grammar.times())

    def kinds(self, time: NDArray[np.int64]) -> Mask:
        """Which kinds may come after those time tokens (not END), (streams, kinds)."""
        return self._given(self.grammar.kinds(time))

    def values(self, time: NDArray[np.int64], kind: NDArray[np.int64]) -> Mask:
        """Which values may come after those time and kind tokens, (streams, values)."""
        return self._given(self.grammar.values(time, kind))

    def durations(self, events: Rows) -> Mask:
        """Which durations may come of events whose time, kind and value are chosen, (streams, durations)."""
        return self._given(self.grammar.lengths(events))

    def velocities(self, events: Rows) -> Mask:
        """Which velocities may come of events whose other fields are chosen, (streams, velocities)."""
        return self._given(self.grammar.velocities(events))

    def _given(self, mask: Mask) -> Mask:
        self._last = mask
        return mask

    def times_by_grammar(self, kind: int, value: int) -> NDArray[np.int64]:
        """The time tokens at which such an event may come in the first stream, whatever the constraints: a player's."""
        grammar: Any = self.grammar
        found: NDArray[np.int64] = grammar.legal_times(kind, value)
        return found

    # Streams

    def push(self, rows: Rows, active: Mask | None = None, *, observed: bool = False) -> None:
        """Take in one event a stream, (streams, 5); streams that ended, or are not `active`, are left as they are.

        `observed` events, such as a player's, are nothing that the model chose: no constraint is broken by them.
        """
        self.grammar.push(rows, active)

    def take(self, streams: NDArray[np.int64]) -> Masks:
        """The masks of those streams alone, in that order; a stream may be named more than once."""
        return self._with(self.grammar.take(streams))

    def put(self, streams: NDArray[np.int64], other: Masks) -> None:
        """Let the streams of other masks be these, from the next event on."""
        self.grammar.put(streams, other.grammar)

    def join(self, other: Masks) -> Masks:
        """These streams, and behind them those of other masks, from the next event on."""
        return self._with(self.grammar.join(other.grammar))

    def _with(self, grammar: Grammar) -> Masks:
        made = copy(self)
        made.grammar, made._last = grammar, np.ones((len(grammar._tick), 1), bool)
        return made
