"""Fine values that cost little: where there are many times, durations, velocities or tempi, those that stand for all.

The onsets of a performance lie anywhere. A table with a token for each number of ticks has a thousand of them, most of
which differ from the next by less than anybody notices, and each has to be learnt by itself. So where a corpus has more
values than `MANY`, values are taken together: the most frequent one stands for all that are near it, then the most frequent
of the others, and so on. What scores use, such as a quarter, is frequent and stays as it is.

Near is a share of the value, as listeners notice it: 2.5 % of a time between two notes is just noticed (Friberg and
Sundberg 1995, J. Acoust. Soc. Am. 98), and twice that hardly where the tempo moves. `NEAR_TIME` is the most that a time is
moved by. What it is rounded by is made up for in the next one (`steps_to`), so that nothing adds up.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Collection, Sequence

import numpy as np

from melody.piece import TICKS_PER_QUARTER, Ints

MANY = 128  # values up to which each has a token of its own
NEAR_TIME = 1 / 24  # share of a time that it may be moved by
NEAR_TEMPO, MOST_TEMPI = 1 / 48, 48
NEAR_VELOCITY, MOST_VELOCITIES = 3, 32  # units of MIDI, of which 127 make some 40 dB
_WIDER, _WIDEST = 1.25, 0.25


def standing_for_all(
    counts: Counter[int], most: int, share: float, *, always: Collection[int] = (), apart: int = 0
) -> tuple[int, ...]:
    """At most `most` of the values, ascending, such that each value has one near it; all of them if they are few enough.

    Parameters
    ----------
    counts
        How often each value occurs.
    most
        How many may be kept. Where they are more, near is made wider, and in the end the most frequent stay.
    share, apart
        What is near: so large a share of the greater of two values, or so many units if that is more.
    always
        Values that are kept in any case.
    """
    if len(counts) <= most:
        return tuple(sorted(counts))
    ranked = sorted(counts, key=lambda value: (value not in always, -counts[value], value))
    while len(kept := _kept(ranked, share, apart, always)) > most and share <= _WIDEST:
        share, apart = share * _WIDER, apart + (apart > 0)
    return tuple(sorted(kept[:most]))


def _kept(ranked: Sequence[int], share: float, apart: int, always: Collection[int]) -> list[int]:
    """The values in their order, without those that are near one before them; 0 is near nothing."""
    kept: list[int] = []
    ascending: list[int] = []
    for value in ranked:
        at = bisect_left(ascending, value)
        others = [other for other in ascending[max(at - 1, 0) : at + 1] if other]
        if value in always or all(abs(value - other) > max(share * max(value, other), apart) for other in others):
            kept.append(value)
            ascending.insert(at, value)
    return kept


def is_fine(shifts: Sequence[int], ticks_per_quarter: int) -> bool:
    """Whether steps are as fine as a performance's: each up to a quarter has one near it, on a grid finer than scores have.

    >>> is_fine(range(97), 96), is_fine((0, 12, 24, 48, 96), 96), is_fine(range(25), 24)
    (True, False, False)
    """
    wanted = np.arange(1, ticks_per_quarter + 1)
    known = np.array([shift for shift in shifts if shift] or [0])
    after = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
    away = np.minimum(np.abs(known[after] - wanted), np.abs(known[np.maximum(after - 1, 0)] - wanted))
    return ticks_per_quarter > TICKS_PER_QUARTER and bool(np.all(away <= np.maximum(2 * NEAR_TIME * wanted, 1)))


def steps_to(shifts: Sequence[int], ticks: Ints) -> Ints:
    """The places of events, known steps apart, each near where the event stands.

    What an event is moved by is made up for in the steps after it, in each as far as it may be moved: notes of a chord that
    follow one another at once keep their distances.

    Parameters
    ----------
    shifts
        Known steps, ascending, from 0.
    ticks
        Of the events, ascending, each named once. What is later than another stays so.
    """
    known = [shift for shift in shifts if shift]
    longest = known[-1]
    nearest = _nearest(known, longest)
    place, before, places = 0, 0, []
    for tick in ticks.tolist():
        step = tick - before
        if step:
            late, most = tick - place - step, step * NEAR_TIME
            wanted = round(step + min(max(late, -most), most))
            place += nearest[min(max(wanted, 1), longest)]
        before = tick
        places.append(place)
    return np.array(places, np.int64)


def _nearest(known: Sequence[int], longest: int) -> list[int]:
    """The nearest known step to each number of ticks up to the longest."""
    steps = np.array(known)
    middle = (steps[1:] + steps[:-1]) / 2
    nearest: list[int] = steps[np.searchsorted(middle, np.arange(longest + 1))].tolist()
    return nearest
