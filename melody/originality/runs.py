"""The longest runs of symbols that a line shares with many others, found at once.

Every window of `SEED` symbols of the corpus is one number, and these are sorted: where a window of the tune stands in the
corpus is a binary search, and how often a shorter figure occurs is another. From where a window is found the run is extended
to both sides. A window that the corpus has more than `FREQUENT` times is nobody's, and no run is looked for from it: a run
is found if one of its windows is rarer.
"""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from melody.originality.lines import END, Symbols
from melody.piece import Ints

SEED = 8  # symbols of a window: the shortest run that is found has nine notes
SHORTEST = SEED + 1  # notes
FREQUENT = 64
CONTINUED = 16  # notes in a row with which a model goes on as a piece does, to be called recited
_BITS = 64 // SEED  # of a symbol in a window
_RARE = 2**_BITS - 1  # stands for all symbols that are not among the most frequent
_PAD = 16  # symbols that are compared at once when a run is extended
_NONE = np.uint16(0xFFFE)  # before and after a line: equals nothing in the corpus


class Runs(NamedTuple):
    """Runs that a line shares with the corpus: where each begins in the line and in the corpus, and its symbols, (runs,)."""

    start: Ints
    at: Ints
    length: Ints


class Sorted:
    """The symbols of a corpus, sorted so that those of a line are found in them.

    Parameters
    ----------
    symbols
        Of all lines one after the other, with `END` behind each, (symbols,).
    """

    def __init__(self, symbols: Symbols) -> None:
        self.symbols = symbols
        self._padded = np.concatenate([np.full(_PAD, END), symbols, np.full(_PAD, END)])

    @cached_property
    def _times(self) -> Ints:
        """How often each symbol that there can be stands in the corpus; `END` does not count."""
        counts = np.bincount(self.symbols, minlength=2**16)
        counts[END] = 0
        return counts

    @property
    def total(self) -> int:
        """How many symbols the corpus has."""
        return int(self._times.sum())

    @property
    def different(self) -> int:
        """How many different ones."""
        return int(np.count_nonzero(self._times))

    @cached_property
    def _codes(self) -> NDArray[np.uint8]:
        """A number of 8 bits for each symbol that there can be: 0 for the end of a line, the frequent ones their own."""
        there = np.flatnonzero(self._times)
        frequent = there[np.argsort(-self._times[there], kind="stable")[: _RARE - 1]]
        codes = np.full(2**16, _RARE, np.uint8)
        codes[frequent] = np.arange(1, len(frequent) + 1)
        codes[END] = 0
        return codes

    @cached_property
    def _order(self) -> NDArray[np.uint32]:
        """Where the windows stand, in the order of their numbers."""
        return np.argsort(self._windows(self.symbols)).astype(np.uint32)  # ties in any order

    @cached_property
    def _sorted(self) -> NDArray[np.uint64]:
        return self._windows(self.symbols)[self._order]

    def _windows(self, symbols: Symbols) -> NDArray[np.uint64]:
        """The number of the window that begins at each symbol; what lies behind the last one counts as ends."""
        window = self._codes[symbols].astype(np.uint64)
        span = 1
        while span < SEED:
            later = np.zeros_like(window)
            later[:-span] = window[span:]
            window = window << np.uint64(span * _BITS) | later
            span *= 2
        return window

    def shared(self, line: Symbols) -> Runs:
        """All runs of `SEED` symbols or more that a line shares with the corpus, each as long as it goes."""
        empty = np.zeros(0, np.int64)
        if len(line) < SEED or len(self.symbols) < SEED:
            return Runs(empty, empty, empty)
        windows = self._windows(line)[: len(line) - SEED + 1]
        low, high = np.searchsorted(self._sorted, windows), np.searchsorted(self._sorted, windows, "right")
        times = np.where(high - low <= FREQUENT, high - low, 0)
        start = np.repeat(np.arange(len(windows)), times)
        within = np.arange(len(start)) - np.repeat(np.cumsum(times) - times, times)
        at = self._order[np.repeat(low, times) + within].astype(np.int64)
        # of windows that follow one another in both, the first
        place = (at - start + len(line)) * (len(line) + 1) + start
        order = np.argsort(place, kind="stable")
        first = order[np.diff(place[order], prepend=-2) != 1]
        return self._extended(line, start[first], at[first])

    def _extended(self, line: Symbols, start: Ints, at: Ints) -> Runs:
        """The runs around places where line and corpus agree, each once."""
        padded = np.concatenate([np.full(_PAD, _NONE), line, np.full(_PAD, _NONE)])
        before = self._equal(padded, start - 1, at - 1, -1)
        start, at = start - before, at - before
        _, once = np.unique(at * (len(line) + 1) + start, return_index=True)
        start, at = start[once], at[once]
        length = self._equal(padded, start, at, 1)
        whole = length >= SEED  # symbols that are rare share a code: their windows may only seem to be equal
        return Runs(start[whole], at[whole], length[whole])

    def _equal(self, padded: Symbols, start: Ints, at: Ints, step: int) -> Ints:
        """How many symbols agree from there on, forwards or backwards."""
        length = np.zeros(len(start), np.int64)
        going = np.arange(len(start))
        offsets = step * np.arange(_PAD) + _PAD
        while len(going):
            further = step * length[going, None] + offsets
            equal = padded[start[going, None] + further] == self._padded[at[going, None] + further]
            length[going] += np.where(equal.all(axis=1), _PAD, equal.argmin(axis=1))
            going = going[equal.all(axis=1)]
        return length

    def counts(self, line: Symbols, first: Ints, lengths: Ints) -> Ints:
        """How often figures of a line, so many symbols from there on each, stand in the corpus, (figures,).

        Parameters
        ----------
        line
            Symbols.
        first, lengths
            Of each figure, (figures,); 0 to `SEED` - 1 symbols. The figure of none stands everywhere.
        """
        free = (_BITS * (SEED - lengths)).astype(np.uint64)
        last = np.where(lengths > 0, (np.uint64(1) << np.minimum(free, _BITS * (SEED - 1))) - np.uint64(1), ~np.uint64(0))
        windows = np.append(self._windows(line), np.uint64(0))[first] & ~last
        return np.searchsorted(self._sorted, windows | last, "right") - np.searchsorted(self._sorted, windows, "left")
