"""Where the music is repeating itself: what followed when the same events came before.

The match model of data compression (Mahoney 2005, PAQ) as an input: of the contexts of the last 32, 16, 8 and 4 events, the
longest that the piece has had before is looked up where it came last, and the event that followed there is told. A repeat is
found at any distance and in any metre, where looking back some bars finds only what returns after just so many.

An event counts as the same if its time, kind, value and duration are; its velocity may differ.

`matches` finds the places for a whole piece at once, `Matcher` event by event; they agree exactly.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

LENGTHS = (4, 8, 16, 32)  # events of a context, each twice the one before
TIMES = 4  # how often a context has come before is counted up to 3
NOWHERE = -1
SHARED = 1000  # contexts that a copy is given for itself, at most
_Seen = dict[tuple[int, ...], tuple[int, int]]  # context -> how often it has come, and the event that followed the last time


class Match(NamedTuple):
    """What the last events of a piece have in common with earlier ones.

    Parameters
    ----------
    length
        1 + index in `LENGTHS` of the longest context that has come before; 0 if there is none.
    times
        How often it has, at most `TIMES` - 1.
    place
        Number of the event that followed the last time, or `NOWHERE`.
    """

    length: int
    times: int
    place: int


NONE = Match(0, 0, NOWHERE)


def matches(codes: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Length, times and place of the match after each event, (events,) each.

    Parameters
    ----------
    codes
        A number for each event, the same for events that count as the same, (events,).
    """
    count = len(codes)
    length, times, place = np.zeros(count, np.int64), np.zeros(count, np.int64), np.full(count, NOWHERE)
    names = np.unique(codes, return_inverse=True)[1]  # of the context of `size` events that ends at each event
    size = 1
    for number, wanted in enumerate(LENGTHS):
        if count < wanted:
            break
        while size < wanted:  # two halves make the whole (prefix doubling, Karp, Miller and Rosenberg 1972)
            names = np.unique(names[: len(names) - size] * count + names[size:], return_inverse=True)[1]
            size *= 2
        order = np.argsort(names, kind="stable")
        same = names[order[1:]] == names[order[:-1]]
        run = np.concatenate([[0], np.cumsum(~same)])
        before = np.arange(len(order)) - np.searchsorted(run, run)  # how many of the same came earlier
        end = order[1:][same] + wanted - 1
        length[end] = number + 1
        times[end] = np.minimum(before[1:][same], TIMES - 1)
        place[end] = order[:-1][same] + wanted
    return length, times, place


class Matcher:
    """The matches of events as they come, for one piece."""

    def __init__(self) -> None:
        self._count = 0
        self._recent: list[int] = []  # codes of the last events, as many as the longest context has
        self._seen: _Seen = {}
        self._before: _Seen = {}  # what copies have in common; never changed

    def copy(self) -> Matcher:
        """An independent one that has seen the same events; what a long piece has seen is shared."""
        if len(self._seen) > SHARED:
            self._before, self._seen = {**self._before, **self._seen}, {}
        twin = Matcher()
        twin._count, twin._recent = self._count, self._recent[:]
        twin._seen, twin._before = self._seen.copy(), self._before
        return twin

    def push(self, code: int) -> Match:
        """Take in the next event and give its match, as `matches` would."""
        self._count += 1
        self._recent = [*self._recent[-LENGTHS[-1] + 1 :], code]
        found = NONE
        for number, length in enumerate(LENGTHS):
            if self._count < length:
                break
            context = tuple(self._recent[-length:])
            times, place = self._seen.get(context) or self._before.get(context, (0, NOWHERE))
            if times:
                found = Match(number + 1, min(times, TIMES - 1), place)
            self._seen[context] = (times + 1, self._count)
        return found
