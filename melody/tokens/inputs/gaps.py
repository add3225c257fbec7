"""Gaps in whole pieces, for a bidirectional model to learn from and to be measured on: bars whose events are written again.

What is predicted of a gap is each event in it and, of the first one behind it, the time: with it the gap is over. All else
behind it is known. Changes of metre, tempo and key on the bar line where a gap begins stand before it.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from melody.piece import Ints
from melody.tokens.inputs.future import Future
from melody.tokens.inputs.whole_piece import MetreInForce, WholePiece
from melody.tokens.usage import FIRST_PART
from melody.tokens.vocabulary import END, KIND, TIME, VALUE, Rows, Vocabulary

MOST_BARS = 8  # of a gap in training, and between two of them


class Gap(NamedTuple):
    """A gap: the ticks of the bar lines at which it begins and ends, and the number of its metre."""

    first: int
    last: int
    metre: int


class Filled(NamedTuple):
    """A gap with what stands in it.

    Parameters
    ----------
    future
        What is known behind it.
    numbers
        Of the events that are predicted, the last of them for its time alone.
    places
        Where each of them stands, see `Future.places`.
    """

    future: Future
    numbers: Ints
    places: Ints


class Bars:
    """The bars of a piece, and which of them can be a gap.

    Parameters
    ----------
    vocabulary, rows
        The events of a piece, END included.
    """

    def __init__(self, vocabulary: Vocabulary, rows: Rows) -> None:
        going = rows[rows[:, TIME] != END]
        events = WholePiece(vocabulary, going)
        self._vocabulary, self._rows = vocabulary, rows
        self._tick = np.append(events.tick, np.full(len(rows) - len(going), events.tick.max(initial=0)))
        metre, is_change = MetreInForce.of(events), going[:, KIND] < FIRST_PART
        starts = np.unique(metre.start) if len(going) else np.zeros(0, np.int64)
        ends = np.append(starts[1:], events.tick.max(initial=0) + 1)
        self._lines: list[Gap] = []  # each bar by itself
        for start, end in zip(starts.tolist(), ends.tolist()):
            number = np.searchsorted(metre.start, start, side="right") - 1
            length, own = int(metre.bar_ticks[number]), int(metre.number[number])
            self._lines += [Gap(line, line + length, own) for line in range(start, end, length)]
        changes = events.tick[is_change]
        within = np.searchsorted(changes, [bar.last for bar in self._lines]) - np.searchsorted(
            changes, [bar.first for bar in self._lines], side="right"
        )
        self._is_legal = within == 0
        at_line = np.isin([bar.first for bar in self._lines], changes)
        self._goes_on = ~at_line & self._is_legal  # from the bar before
        self._goes_on[1:] &= [one.last == other.first for one, other in pairwise(self._lines)]

    def gaps(self, bars: int) -> list[Gap]:
        """All gaps of so many bars, the first one first."""
        return [gap for start in range(len(self._lines)) if (gap := self._gap(start, bars)) is not None]

    def chosen(self, rng: np.random.Generator) -> list[Gap]:
        """Gaps of 1 to 8 bars with as many between them."""
        found, at = [], int(rng.integers(0, MOST_BARS + 1))
        while at < len(self._lines):
            bars = int(rng.integers(1, MOST_BARS + 1))
            while bars > 1 and self._gap(at, bars) is None:
                bars -= 1
            gap = self._gap(at, bars)
            found += [] if gap is None else [gap]
            at += bars + int(rng.integers(1, MOST_BARS + 1))
        return found

    def _gap(self, start: int, bars: int) -> Gap | None:
        """That from a bar on; None if it is none."""
        lines = self._lines[start : start + bars]
        if len(lines) < bars or not self._is_legal[start] or not self._goes_on[start + 1 : start + bars].all():
            return None
        return Gap(lines[0].first, lines[-1].last, lines[0].metre)

    def filled(self, gap: Gap) -> Filled:
        """A gap with what stands in it."""
        rows, tick, vocabulary = self._rows, self._tick, self._vocabulary
        is_end: NDArray[np.bool_] = rows[:, TIME] == END
        first = int(np.argmax(((tick >= gap.first) & (rows[:, KIND] >= FIRST_PART)) | is_end))
        behind = int(np.argmax((tick >= gap.last) | is_end))
        future = Future.of(vocabulary, rows, tick, *gap)
        index = np.arange(min(first, behind), behind + 1)
        before = np.concatenate([np.zeros((1, 3), np.int64), np.column_stack([tick, rows[:, KIND], rows[:, VALUE]])])[index]
        return Filled(future, index, future.places(*before.T))
