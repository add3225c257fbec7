"""In how many places of its bar each part has begun notes: what of the outline's is still to come."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy

import numpy as np
from numpy.typing import NDArray

from melody.piece import Ints
from melody.tokens.inputs import chordal
from melody.tokens.inputs.schema import GROUP, RESTS, STATE_BITS, UNSAID
from melody.tokens.inputs.stepwise.one_past import Playing, plays_in
from melody.tokens.usage import FIRST_PART

Mask = NDArray[np.bool_]


class OnePlaces:
    """Those of one piece, as plain numbers.

    Parameters
    ----------
    plays
        Who plays in each bar by the outline (`one_past.plays_of`); nothing if it does not say.
    parts
        How many there are.

    Attributes
    ----------
    of_parts
        In how many places each has begun notes in a bar, and where that bar begins.
    """

    def __init__(self, plays: Sequence[list[Playing]], parts: int) -> None:
        self._plays = plays
        self.of_parts = [(0, 0)] * parts

    def copy(self) -> OnePlaces:
        """An independent one."""
        twin = copy(self)
        twin.of_parts = self.of_parts[:]
        return twin

    def push(self, part: int, start: int, is_another: bool) -> None:
        """A note of a part in a bar that begins there, in another place than its last one or in the same."""
        self.of_parts[part] = (self._begun(part, start) + is_another, start)

    def may_play(self, bar: int, start: int, tick: int, last: Sequence[tuple[int, int, int]]) -> list[int]:
        """What each part may do at a tick of that bar, in groups; `last` are their last notes, the onset of each first."""
        if not self._plays:
            return [0] * -(-len(self.of_parts) // GROUP)
        found = [RESTS if self._says(bar) else UNSAID] * len(self.of_parts)
        for kind, *playing in plays_in(self._plays, bar):
            part = kind - FIRST_PART
            begun = self._begun(part, start) - (last[part][0] == tick)
            found[part] = int(chordal.may_play(playing, tick - start, begun))
        numbers = range(0, len(found), GROUP)
        return [sum(state << STATE_BITS * k for k, state in enumerate(found[first : first + GROUP])) for first in numbers]

    def later(self, kind: int, bar: int, start: int, goes_on: bool) -> int:
        """As `chordal.later`, of a part that goes on with a chord or does not."""
        own = (playing for its_kind, *playing in plays_in(self._plays, bar) if its_kind == kind)
        begun = self._begun(kind - FIRST_PART, start) - goes_on
        return next((int(chordal.later(playing, begun)) for playing in own), 0)

    def to_come(self, bar: int, start: int) -> int:
        """As `chordal.places_to_come`."""
        plays = plays_in(self._plays, bar)
        left = (chordal.left_to_begin(playing, self._begun(kind - FIRST_PART, start)) for kind, *playing in plays)
        return int(chordal.to_come(int(sum(left)), self._says(bar)))

    def again(self, bar: int) -> int:
        """As `chordal.bars_again`."""
        plays = plays_in(self._plays, bar)
        return max((int(chordal.played_again(playing)) for _, *playing in plays if not playing[2]), default=0)

    def own_again(self, kind: int, bar: int) -> int:
        """As `chordal.played_again`, of one part."""
        own = (playing for its_kind, *playing in plays_in(self._plays, bar) if its_kind == kind)
        return next((int(chordal.played_again(playing)) for playing in own), 0)

    def _says(self, bar: int) -> bool:
        """Whether the outline says what parts do in a bar."""
        return 0 <= bar < len(self._plays) - 2

    def _begun(self, part: int, start: int) -> int:
        count, own_start = self.of_parts[part]
        return count if own_start == start else 0


class Places:
    """Those of several pieces side by side, as arrays, (streams, kinds) each.

    Parameters
    ----------
    count
        In how many places each kind that is a part has begun notes in a bar.
    start
        Where that bar begins.
    """

    def __init__(self, count: Ints, start: Ints) -> None:
        self._count, self._start = count, start

    @classmethod
    def none(cls, streams: int, kinds: int) -> Places:
        """Before the first event."""
        return cls(np.zeros((streams, kinds), np.int64), np.zeros((streams, kinds), np.int64))

    @classmethod
    def of(cls, one: OnePlaces, kinds: int) -> Places:
        """Those of one piece."""
        found = cls.none(1, kinds)
        found._count[0, FIRST_PART:], found._start[0, FIRST_PART:] = np.array(one.of_parts).T
        return found

    def begun(self, start: Ints) -> Ints:
        """In how many places of bars that begin there, (streams,) -> (streams, kinds)."""
        return np.where(self._start == start[:, None], self._count, 0)

    def push(self, kind: Ints, is_note: Mask, start: Ints, is_another: Mask) -> None:
        """A note of each stream, if it is one, in a bar that begins there, in another place than its kind's last or not."""
        streams = np.flatnonzero(is_note)
        at, own_start = (streams, kind[streams]), start[streams]
        self._count[at] = np.where(self._start[at] == own_start, self._count[at], 0) + is_another[at]
        self._start[at] = own_start

    def to_come(self, playing: Ints, start: Ints) -> Ints:
        """As `chordal.places_to_come`, by what `Outlines.playing_in` says of these bars, (streams,)."""
        left = chordal.left_to_begin(playing, self.begun(start)).sum(axis=1)
        found: Ints = chordal.to_come(left, (playing[0] > 0).any(axis=1))
        return found

    def take(self, streams: Ints) -> Places:
        """Those of these streams alone, in that order, independent of these."""
        return Places(self._count[streams], self._start[streams])

    def put(self, streams: Ints, other: Places) -> None:
        """Let those of streams be others."""
        self._count[streams], self._start[streams] = other._count, other._start

    def join(self, other: Places) -> Places:
        """These, and behind them others."""
        return Places(np.concatenate([self._count, other._count]), np.concatenate([self._start, other._start]))
