"""What the outlines of several pieces say is repeated after the events that they have had."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from melody.piece import Ints
from melody.tokens.inputs.outlines.outline import PLAYING, RETURNS
from melody.tokens.inputs.outlines.several_outlines import Outlines
from melody.tokens.inputs.repeats import time_tokens
from melody.tokens.inputs.schema import OUTLINED, OUTLINED_NEXT
from melody.tokens.inputs.stepwise.history import History
from melody.tokens.inputs.stepwise.part_history import NEVER, PartHistory
from melody.tokens.inputs.whole_piece import first_note
from melody.tokens.vocabulary import KIND, TIME, VALUE

Found = tuple[Ints, NDArray[np.bool_]]  # tokens each + 1, (streams, 5), and whether there is anything, (streams,)


class Past(NamedTuple):
    """The events of several pieces, each of which may repeat what its outline says.

    Parameters
    ----------
    tick
        Of the last event of each, (streams,).
    bar_start, bar_ticks
        Where its time signature in force began, and the length of its bars, (streams,).
    outlines
        Of each.
    history, of_parts
        Its events, and those of each part by themselves, if there are parts that play chords.
    """

    tick: Ints
    bar_start: Ints
    bar_ticks: Ints
    outlines: Outlines
    history: History
    of_parts: PartHistory | None

    def outlined(self, bar: Ints, source: Ints, next_source: Ints) -> tuple[Ints, Ints]:
        """What the outlines say comes next, as `OnePiece` has it.

        Parameters
        ----------
        bar
            In which each piece is, (streams,).
        source, next_source
            The bar that it repeats, and that the next one repeats; -1 for none.

        Returns
        -------
        outlined
            `OUTLINED` or `OUTLINED_NEXT`; 0 for nothing, (streams,).
        event
            Tokens each + 1, (streams, 5); zeros for nothing.
        """
        start = self.tick - (self.tick - self.bar_start) % self.bar_ticks
        find = self._in_the_bar if self.of_parts is None else self._soonest
        here, is_here = find(bar, start, source, self.history.last)
        following = start + self.bar_ticks
        before = following * self.history.stride + first_note(self.history.vocabulary) - 1
        there, is_there = find(bar + 1, following, next_source, before)
        event = np.where(is_here[:, None], here, there * is_there[:, None])
        is_near = (source >= 0) | (2 * (following - self.tick) <= self.bar_ticks) | self.outlines.know_players
        outlined = OUTLINED * is_here + OUTLINED_NEXT * (is_there & ~is_here & is_near)
        return outlined, event * (outlined > 0)[:, None]

    def _in_the_bar(self, bar: Ints, start: Ints, source: Ints, behind: Ints) -> Found:
        """As `OnePiece` has it."""
        back = (bar - source) * self.bar_ticks
        event, tick = self.history.behind(behind - back * self.history.stride)
        is_known = (source >= 0) & (start - back >= self.bar_start) & (tick < start - back + self.bar_ticks)
        return self._later(event, tick + back, is_known)

    def _soonest(self, bar: Ints, start: Ints, source: Ints, behind: Ints) -> Found:
        """The same where each part repeats a bar of its own; pieces of which that is not known repeat whole bars."""
        assert self.of_parts is not None
        does, place, rhythm = self.outlines.playing_in(bar)[:3]
        stride, streams, kinds = self.history.stride, np.arange(len(bar)), np.arange(does.shape[1])
        values = self.history.vocabulary.sizes[VALUE]
        follows = self._has_begun(bar, start, rhythm - 1)
        of_part = np.where(follows, rhythm - 1, does - RETURNS)
        back = (bar[:, None] - of_part) * self.bar_ticks[:, None]
        chord = behind - behind % values + values - 1
        key, number = self.of_parts.behind(np.where(follows, chord[:, None], behind[:, None]) - back * stride, streams)
        first = start[:, None] - back
        is_known = (of_part >= 0) & (first >= self.bar_start[:, None])
        is_known &= key < (first + self.bar_ticks[:, None]) * stride
        begins = (start[:, None] + place) * stride + kinds * values
        is_new = (does == PLAYING) & (begins > behind[:, None]) & (place < self.bar_ticks[:, None]) & ~follows
        later = np.where(is_new, begins, np.where(is_known, np.where(is_known, key, 0) + back * stride, NEVER))
        number = np.where(is_new, 0, number)
        soonest = streams, later.argmin(axis=1)
        event = self.history.tokens(number[soonest], streams)
        event[:, KIND] = 1 + soonest[1]
        event[:, VALUE] *= ~follows[soonest] | (event[:, VALUE] <= self.history.vocabulary.first_pitch)
        found, is_found = self._later(event, later[soonest] // stride, later[soonest] < NEVER)
        by_parts = self.outlines.know_players
        if by_parts.all():
            return found, is_found
        whole, is_whole = self._in_the_bar(bar, start, source, behind)
        return np.where(by_parts[:, None], found, whole), np.where(by_parts, is_found, is_whole)

    def _has_begun(self, bar: Ints, start: Ints, source: Ints) -> NDArray[np.bool_]:
        """Whether each kind has begun anything in those bars, (streams, kinds), since the time signature in force began."""
        assert self.of_parts is not None
        stride = self.history.stride
        first = start[:, None] - (bar[:, None] - source) * self.bar_ticks[:, None]
        key, _ = self.of_parts.behind(first * stride - 1, np.arange(len(bar)))
        begins = key < (first + self.bar_ticks[:, None]) * stride
        return np.asarray((source >= 0) & (first >= self.bar_start[:, None]) & begins)

    def _later(self, event: Ints, tick: Ints, is_known: NDArray[np.bool_]) -> Found:
        """Events, tokens each + 1, at those ticks; and whether they are known and times of the vocabulary lead there."""
        event[:, TIME] = 1 + time_tokens(self.history.vocabulary, tick - self.tick)
        return event, is_known & (event[:, TIME] > 1)
