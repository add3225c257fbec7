"""From which notes a tune of an exact number of bars can still end as the limits want: in its last bar, on the tonic.

Counted back from the end, for one part alone that goes on by itself: whether a note of a pitch, begun so many ticks before
the end, may be the last one, or be followed by another from which the same holds. A tune that keeps to notes that lead to
an ending always has an event that may come next, whatever grid, chords, leaps, range and density ask for.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from melody.limits import Limits
from melody.piece import Ints
from melody.sampling.constraints.user.places import NEVER, Places
from melody.tokens.grammar import Mask

_MOST_ONSETS = 12  # distinguished of those left in a bar; no tonic is more leaps away
_MOST_BARS = 64


@dataclass(frozen=True)
class Endings:
    """How notes of one kind of part lead to an ending.

    `left` is ticks to the end, and `notes_left` how many onsets the bar still has.

    Parameters
    ----------
    last
        Whether a note may be the last one as far as time and chords go, (left, pitches).
    followed
        Whether it may be followed by one that leads to an ending, (left, notes_left, pitches).
    resumed
        Whether the part may go on from there to an ending at all if its last note, long ended, has that pitch, (left,
        notes_left, pitches + 1); the last one is for a part that has not begun.
    begins
        Whether a note may begin there and leads to an ending, (left, notes_left, pitches).
    """

    last: Mask
    followed: Mask
    resumed: Mask
    begins: Mask


class LastBars:
    """The last bars of a tune in one metre, from which the `Endings` of each kind of part are made.

    Parameters
    ----------
    places
        The tables of each place in a bar.
    limits
        Of which bars, leaps, density, chords and final tonic are looked at. The first chord is that of the first bar.
    metre
        Its number.
    pitches
        Which are allowed, (pitches,).
    lowest
        The lowest of them.

    Attributes
    ----------
    bar_ticks
        Of each bar.
    horizon
        So many ticks before the end are looked at; earlier, everything leads to an ending.
    notes_left
        How many numbers of onsets left in a bar are distinguished, from 0; the last one stands for more.
    """

    def __init__(self, places: Places, limits: Limits, metre: int, pitches: Mask, lowest: int) -> None:
        bars = limits.bars or 1
        self._places, self._metre, self.bar_ticks = places, metre, int(places.bar_ticks[metre])
        self._window = limits.max_leap
        self.notes_left = 1 if limits.density is None else min(limits.density, _MOST_ONSETS) + 1
        self._dense = limits.density is None
        self._after_one = min((limits.density or 1) - 1, self.notes_left - 1)
        self.horizon = self.bar_ticks * min(bars + 1, self._bars_needed(limits))
        left = np.arange(self.horizon + 1)
        since = (bars * self.bar_ticks - left)[None]
        pitch_class = (lowest + np.arange(len(pitches))) % 12
        self._position = -left % self.bar_ticks
        self._on = places.on_grid[metre, self._position]
        self._tones = places.tones(np.array([metre]), since)[0][:, pitch_class] & pitches & self._on[:, None]
        self._lasting = np.minimum(places.lasting(np.array([metre]), since)[0][:, pitch_class], left[:, None])
        self._tonic = np.ones(len(pitches), bool) if not limits.end_on_tonic else pitch_class == limits.tonic

    def _bars_needed(self, limits: Limits) -> int:
        """How many bars before the end a tune must begin to look at it: enough for all leaps to the tonic."""
        leaps = -(-11 // limits.max_leap) + 1 if limits.end_on_tonic and limits.max_leap else 1
        onsets = int(self._places.on_grid[self._metre, : self.bar_ticks].sum())
        return min(3 - (-leaps // max(min(limits.density or onsets, onsets), 1)), _MOST_BARS)

    def of_part(self, *, implied: bool, is_drum: bool) -> Endings:
        """The endings for a kind of part: with implied durations or not, drums or not; drums have no pitch."""
        tones = self._on[:, None].copy() if is_drum else self._tones
        left = np.arange(self.horizon + 1)[:, None]
        lasting = left if is_drum else self._lasting
        tonic = np.ones(1, bool) if is_drum else self._tonic
        shortest = (self._places.next_place if implied else self._places.least)[self._metre, self._position][:, None]
        tones &= shortest <= lasting
        last = tones & (self._shortest_to_last_bar(implied)[:, None] <= lasting)
        followed = np.zeros((self.horizon + 1, self.notes_left, tones.shape[1]), bool)
        resumed = np.zeros((self.horizon + 1, self.notes_left, tones.shape[1] + 1), bool)
        begins = np.zeros_like(followed)  # a note may begin there and leads to an ending
        for ticks in range(1, self.horizon + 1):
            if not self._on[ticks]:
                continue
            steps, leads = self._next_onsets(ticks, begins)  # (steps, notes_left, pitches)
            reached = leads if is_drum else self._within_reach(leads)
            resumed[ticks, :, :-1] = reached.any(axis=0)
            resumed[ticks, :, -1] = leads.any(axis=(0, 2))
            in_time = steps[:, None] <= lasting[ticks] if implied else (steps >= shortest[ticks])[:, None]
            followed[ticks] = (reached & in_time[:, None]).any(axis=0)
            if implied:  # a rest between, and then the next one
                followed[ticks] |= (self._after_rests(ticks, steps, resumed[:, :, :-1]) & in_time[:, None]).any(axis=0)
            begins[ticks] = tones[ticks] & (followed[ticks] | (last[ticks] & tonic))
        return Endings(last, followed & tones[:, None], resumed, begins)

    def index(self, notes_left: Ints) -> Ints:
        """The index of so many onsets left."""
        return np.clip(notes_left, 0, self.notes_left - 1)

    def next_onsets(self, left: int, endings: Endings, *, is_drum: bool) -> tuple[Ints, Mask]:
        """The time tokens from there on, and whether each leads to an ending, (steps, notes_left, pitches)."""
        steps, leads = self._next_onsets(left, endings.begins)
        return steps, leads if is_drum else self._within_reach(leads)

    def _shortest_to_last_bar(self, implied: bool) -> Ints:
        """For each place the least number of ticks for a note from there to end in the last bar."""
        lengths = self._places.steps if implied else self._places.durations
        left = np.arange(self.horizon + 1)
        if not len(lengths):
            return np.full(len(left), NEVER)
        fits = self._places.lands(self._metre, self._position, lengths)
        fits &= (lengths > left[:, None] - self.bar_ticks) & (lengths <= left[:, None])
        return np.asarray(np.where(fits, lengths, NEVER).min(axis=1))

    def _after_rests(self, left: int, steps: Ints, resumed: Mask) -> Mask:
        """Whether a rest after each of these steps leads to an ending, (steps, notes_left, pitches)."""
        rests = resumed[left - steps] & self._on[left - steps, None, None]
        other_bar: Mask = np.not_equal((left - 1) // self.bar_ticks, (left - steps - 1) // self.bar_ticks)
        leads: Mask = np.where(other_bar[:, None, None], rests[:, -1:], rests)
        return leads

    def _next_onsets(self, left: int, begins: Mask) -> tuple[Ints, Mask]:
        """The time tokens from there on, and what may begin after each of them, (steps, notes_left, pitches)."""
        steps = self._places.steps[self._places.steps < left]
        leads = begins[left - steps]
        if not self._dense:
            other_bar: Mask = np.not_equal((left - 1) // self.bar_ticks, (left - steps - 1) // self.bar_ticks)
            here = np.concatenate([np.zeros_like(leads[:, :1]), leads[:, :-1]], axis=1)  # one onset fewer is left
            leads = np.where(other_bar[:, None, None], leads[:, self._after_one, None], here)
        return steps, leads

    def _within_reach(self, leads: Mask) -> Mask:
        """Whether any of those pitches is within a leap of each pitch."""
        if self._window is None:
            return np.broadcast_to(leads.any(axis=2, keepdims=True), leads.shape)
        count = np.cumsum(leads, axis=2, dtype=np.int32)
        size = leads.shape[2]
        high = np.minimum(np.arange(size) + self._window, size - 1)
        low = np.arange(size) - self._window - 1
        below = np.where(low >= 0, count[:, :, np.maximum(low, 0)], 0)
        within: Mask = count[:, :, high] > below
        return within
