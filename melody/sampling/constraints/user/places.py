"""Tables of the places in a bar: is one on the grid, how far is the next one, which notes may begin and sound there.

Tables for each metre of a vocabulary, so that masks for many streams at once are look-ups. A position is in ticks from the
bar line. `since` is in ticks from where the chords begin, below 0 in a pick-up, which has none.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from melody.limits import Limits
from melody.limits.lookups import chord_pitches, is_chord_point, on_grid
from melody.piece import MAX_TICK, Ints
from melody.signatures import TimeSignature
from melody.tokens import Vocabulary
from melody.tokens.grammar import Mask

NEVER = MAX_TICK  # in ticks: there is none


class Places:
    """The tables of one vocabulary under limits.

    Parameters
    ----------
    vocabulary
        Of the events.
    limits
        Of which grid and chords are looked at.

    Attributes
    ----------
    on_grid
        Whether something may begin or end there, (metres, positions).
    next_place
        Ticks to the next place on the grid that a time token leads to, (metres, positions).
    least
        Ticks of the shortest duration that ends on the grid, (metres, positions).
    leaves
        Whether a time token leads from there to a place on the grid in a later bar, (metres, positions).
    """

    def __init__(self, vocabulary: Vocabulary, limits: Limits) -> None:
        self.bar_ticks = np.array(
            [_signature(m).bar_ticks(vocabulary.ticks_per_quarter) for m in vocabulary.time_signatures]
        )
        self.steps = np.array([shift for shift in vocabulary.shifts if shift > 0], np.int64)
        self.durations = np.array(vocabulary.durations, np.int64)
        shape = (len(self.bar_ticks), vocabulary.longest_bar)
        self.on_grid = np.zeros(shape, bool)
        self.next_place, self.least = np.full(shape, NEVER), np.full(shape, NEVER)
        self.leaves = np.zeros(shape, bool)
        for metre, bar in enumerate(self.bar_ticks.tolist()):
            position = np.arange(bar)
            self.on_grid[metre, :bar] = on_grid(limits, position, vocabulary.ticks_per_quarter)
            self.next_place[metre, :bar] = self._shortest(metre, position, self.steps)
            self.least[metre, :bar] = self._shortest(metre, position, self.durations)
            lands = self.lands(metre, position, self.steps) & (position[:, None] + self.steps >= bar)
            self.leaves[metre, :bar] = lands.any(axis=1)
        self._chords = [_Chords(vocabulary, limits, m) for m in range(len(self.bar_ticks))] if limits.chords else []

    def lands(self, metre: int, position: Ints, lengths: Ints) -> Mask:
        """Whether each of those lengths from each of those positions ends on the grid, (positions, lengths)."""
        return np.asarray(self.on_grid[metre, (position[:, None] + lengths) % self.bar_ticks[metre]])

    def _shortest(self, metre: int, position: Ints, lengths: Ints) -> Ints:
        if not len(lengths):
            return np.full(len(position), NEVER)
        return np.asarray(np.where(self.lands(metre, position, lengths), lengths, NEVER).min(axis=1))

    def tones(self, metre: Ints, since: Ints) -> Mask:
        """Which pitch classes may begin there, (streams, candidates) -> (streams, candidates, 12)."""
        found = np.ones((*since.shape, 12), bool)
        for number in np.unique(metre).tolist() if self._chords else ():
            own = metre == number
            found[own] = self._chords[number].tones(since[own])
        return found

    def lasting(self, metre: Ints, since: Ints) -> Ints:
        """How many ticks a note of each pitch class may sound from there, up to a foreign chord, (..., candidates, 12)."""
        found = np.full((*since.shape, 12), NEVER)
        for number in np.unique(metre).tolist() if self._chords else ():
            own = metre == number
            found[own] = self._chords[number].lasting(since[own])
        return found


class _Chords:
    """The chords in one metre: what holds on each beat, and where each chord begins; they come round again."""

    def __init__(self, vocabulary: Vocabulary, limits: Limits, metre: int) -> None:
        signature = _signature(vocabulary.time_signatures[metre])
        ticks = signature.bar_ticks(vocabulary.ticks_per_quarter)
        beat = signature.beat_ticks(vocabulary.ticks_per_quarter)
        self._round = len(limits.chords) * ticks
        tick = np.arange(self._round)
        points = tick[is_chord_point(limits, tick // ticks, tick % ticks, ticks, beat)]
        has = chord_pitches(limits, points // ticks, points % ticks, ticks)  # (points, 12)
        self._points, self._has = np.concatenate([points, points + self._round]), np.concatenate([has, has])
        lacks = np.where(self._has, NEVER, self._points[:, None])
        lacks = np.concatenate([lacks, np.where(has, NEVER, points[:, None] + 2 * self._round)])
        self._lacks = np.minimum.accumulate(lacks[::-1])[::-1]  # the first point from here on that lacks each class

    def _at(self, since: Ints) -> tuple[Ints, NDArray[np.intp]]:
        """Ticks into the round, and the first point there or later."""
        inside = np.maximum(since, 0) % self._round
        return inside, np.searchsorted(self._points, inside)

    def tones(self, since: Ints) -> Mask:
        inside, point = self._at(since)
        on_point = (self._points[point] == inside) & (since >= 0)
        return np.asarray(self._has[point] | ~on_point[..., None])

    def lasting(self, since: Ints) -> Ints:
        inside, point = self._at(since)
        lacks = self._lacks[point]
        return np.where(lacks == NEVER, NEVER, lacks - inside[..., None] + np.maximum(-since, 0)[..., None])


def _signature(metre: tuple[int, int]) -> TimeSignature:
    return TimeSignature(0, *metre)
