"""Where the events of a piece go in a vocabulary that does not know all the times between them.

Conventions
-----------
A vocabulary knows steps, numbers of ticks from one event to the next, so all that it can encode stands on multiples of their
greatest common divisor, its finest grid. Each event goes to a place near its own, the places being known steps apart. What
an event is moved is counted from where it stands in the music, so that nothing adds up: the sum over all events is the least
possible (dynamic programming, as for the best path of Viterbi 1967). Events on a bar line or a beat stay where any way keeps
them there. One that must leave its place on the finest grid goes to a sixteenth rather than beside one: to the violin model
a triplet of 18, 12 and 18 ticks is plain music, and of 15, 18 and 15 it makes nothing for the next two bars.

A step that is longer than any known is made shorter by whole bars first, and silent bars in front of such music are left
out: the place within the bar is not touched.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import gcd

import numpy as np
from numpy.typing import NDArray

from melody.piece import Ints, Piece

ON_BEAT, ON_BAR_LINE, FIXED = 1e3, 1e6, np.inf  # what it costs to move such an event by a tick; others cost 1
_NOT_PLAIN = 5 / 12  # sixteenths: what a place that is none costs besides
_PLACES = 24  # of the grid, that are tried on each side of an event


class Unreachable(Exception):
    """No known steps lead near an event; `tick` is its number, or its tick."""

    def __init__(self, tick: int) -> None:
        super().__init__(tick)
        self.tick = tick


def without_long_steps(shifts: Sequence[int], piece: Piece, ticks: Ints, ends: NDArray[np.bool_]) -> tuple[Ints, Ints]:
    """Events with steps no longer than the longest known one, where whole bars can be left out or a note be cut short.

    Parameters
    ----------
    shifts
        Known steps, ascending.
    piece
        Of the events; its metres are among them.
    ticks
        Of the events, ascending, each named once.
    ends
        Which of them are nothing but the end of a note, (events,).

    Returns
    -------
    The ticks, and how many of whole bars were left out before each, (events,) both.
    """
    moved, gone = ticks.copy(), np.zeros_like(ticks)
    if not np.any(np.diff(ticks, prepend=0) > shifts[-1]):
        return moved, gone
    before = left_out = 0
    for number, (tick, is_end) in enumerate(zip(ticks.tolist(), ends.tolist())):
        step = tick - left_out - before
        if step > shifts[-1]:
            bar = piece.time_signature_at(max(tick - 1, 0)).bar_ticks(piece.ticks_per_quarter)
            bars = step // bar if number == 0 else -(-(step - shifts[-1]) // bar)
            left_out += bar * min(bars, (step - (number > 0)) // bar)  # two events do not become one
            step = tick - left_out - before
        before = before + shifts[-1] if is_end and step > shifts[-1] else tick - left_out
        moved[number], gone[number] = before, left_out
    return moved, gone


def weights_of(piece: Piece, ticks: Ints) -> NDArray[np.float64]:
    """What it costs to move events of a piece by a tick, (events,)."""
    weight = np.ones(len(ticks))
    bars, position = piece.bar_and_position(ticks)
    starts = piece.bar_starts(int(ticks.max(initial=0)) + 1)
    beats = np.array([piece.time_signature_at(start).beat_ticks(piece.ticks_per_quarter) for start in starts.tolist()])
    weight[position % beats[bars] == 0] = ON_BEAT
    weight[position == 0] = ON_BAR_LINE
    return weight


def nearest_places(shifts: Sequence[int], ticks: Ints, weights: NDArray[np.float64], ticks_per_quarter: int) -> Ints:
    """The places of events, known steps apart, that are nearest to their own.

    Parameters
    ----------
    shifts
        Known steps, ascending, from 0.
    ticks
        Of the events, ascending, each named once; the first step begins at 0.
    weights
        What a tick costs by which each is moved, (events,).
    ticks_per_quarter
        An event is moved by half a quarter at most, or one step of the finest grid if that is more.

    Raises
    ------
    Unreachable
        If there are no such places.
    """
    unit = max(gcd(*shifts), 1)
    known = np.zeros(shifts[-1] + 2, bool)  # the last one stands for all that are too long
    known[list(shifts)] = True
    least = next((shift for shift in shifts if shift), 1)
    most = min(max(ticks_per_quarter // 2 // unit, 1), _PLACES)
    around, sixteenth = unit * np.arange(-most, most + 1), max(ticks_per_quarter // 4, 1)
    places, cost, last, best_before = np.zeros(1, np.int64), np.zeros(1), 0, []
    found = []
    for number, (tick, weight) in enumerate(zip(ticks.tolist(), weights.tolist())):
        now = unit * round(tick / unit) + around
        step = now - places[:, None]  # (places before, places)
        legal = (step >= 0) & known[np.clip(step, 0, len(known) - 1)]
        legal &= (step > 0) | (tick - last < least)  # only what is closer than any step may become one
        total = np.where(legal, cost[:, None], np.inf)
        best_before.append(total.argmin(axis=0))
        moved = np.abs(now - tick)
        cheap = (2 * moved <= unit) | (now % sixteenth == 0)
        cost = total.min(axis=0) + (moved + _NOT_PLAIN * sixteenth * ~cheap) * min(weight, ON_BAR_LINE)
        if weight == FIXED:
            cost[now != tick] = np.inf
        if not np.isfinite(cost.min()):
            raise Unreachable(number)
        found.append(now)
        places, last = now, tick
    best = [int(cost.argmin())]
    for before in best_before[:0:-1]:
        best.append(int(before[best[-1]]))
    return np.array([now[i] for now, i in zip(found, best[::-1])], np.int64)
