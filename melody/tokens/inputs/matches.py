"""Where the music is repeating itself: what followed when the same events came before.

The match model of data compression (Mahoney 2005, PAQ) as an input: of the contexts of the last 32, 16, 8 and 4 events, the
longest that the piece has had before is looked up where it came last, and the model reads what followed there. A repeat is
found at any distance and in any metre, where looking back some bars finds only what returns after just so many.

An event counts as the same if its time, kind, value and duration are; its velocity may differ.

`matches` finds them for a whole piece at once, `Matcher` event by event, `extended` and `longest` event by event of several
pieces; they agree exactly.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from melody.tokens.vocabulary import Vocabulary

LENGTHS = (4, 8, 16, 32)  # events of a context, each twice the one before
TIMES = 4  # how often a context has come before is counted up to 3
NOWHERE = NO_CODE = -1
SHARED = 1000  # contexts that a copy is given for itself, at most
_Seen = dict[tuple[int, ...], tuple[int, int]]  # context -> how often it has come, and the event that followed the last time
_LENGTH_OF = np.searchsorted(LENGTHS, np.arange(LENGTHS[-1] + 1), side="right")  # of a match, by its run length
_LEAST = np.array([LENGTHS[-1] + 1, *LENGTHS], np.int8)  # run length of a match, by its length


class Match(NamedTuple):
    """What the last events of pieces have in common with earlier ones, (streams,) each.

    Parameters
    ----------
    length
        1 + index in `LENGTHS` of the longest context that has come before; 0 if there is none.
    times
        How often it has, at most `TIMES` - 1.
    place
        Number of the event that followed the last time, or `NOWHERE`.
    """

    length: NDArray[np.int64]
    times: NDArray[np.int64]
    place: NDArray[np.int64]


def matches(codes: NDArray[np.int64]) -> Match:
    """The match after each event of a piece, (events,) each.

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
    return Match(length, times, place)


def extended(runs: NDArray[np.int8], codes: NDArray[np.integer], code: NDArray[np.integer]) -> NDArray[np.int8]:
    """The run lengths after one more event.

    Parameters
    ----------
    runs
        Of each event of some pieces how many up to it are the same as the last ones of its piece, up to the longest
        context, (streams, room).
    codes
        Of the events before, `NO_CODE` where there is none, (streams, room).
    code
        Of the event, (streams,).
    """
    longer = np.zeros_like(runs)
    np.minimum(runs[:, :-1], LENGTHS[-1] - 1, out=longer[:, 1:])
    longer += 1
    longer *= codes == code[:, None]
    return longer


def longest(runs: NDArray[np.int8]) -> Match:
    """The match after the last event of each piece, (streams,) each; the place is 0 where there is none.

    Parameters
    ----------
    runs
        As `extended` gives them, (streams, events).
    """
    length = _LENGTH_OF[np.maximum.reduce(runs, axis=1, initial=0)]
    if not np.logical_or.reduce(length):
        return Match(length, length, length)
    same = runs >= _LEAST[length][:, None]
    times = np.minimum(np.count_nonzero(same, axis=1), TIMES - 1)
    place = same.shape[1] - same[:, ::-1].argmax(axis=1)
    return Match(length, times, place * (length > 0))


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

    def push(self, code: int) -> tuple[int, int, int]:
        """Take in the next event and give its match: length, times and place."""
        self._count += 1
        self._recent = [*self._recent[-LENGTHS[-1] + 1 :], code]
        found = (0, 0, NOWHERE)
        for number, length in enumerate(LENGTHS):
            if self._count < length:
                break
            context = tuple(self._recent[-length:])
            times, place = self._seen.get(context) or self._before.get(context, (0, NOWHERE))
            if times:
                found = (number + 1, min(times, TIMES - 1), place)
            self._seen[context] = (times + 1, self._count)
        return found


def code_of(vocabulary: Vocabulary, time: Any, kind: Any, value: Any, duration: Any) -> Any:
    """A number for events that count as the same in a match, from their tokens, numbers or arrays."""
    _, kinds, values, durations, _ = vocabulary.sizes
    return ((time * kinds + kind) * values + value) * durations + duration
