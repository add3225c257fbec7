"""The grammar of a stream that is steered: which pitches and which parts the model may choose from, changed at any time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from melody.tokens.grammar import Grammar, Mask
from melody.tokens.usage import FIRST_PART
from melody.tokens.vocabulary import Vocabulary


class Steered(Grammar):
    """The masks of a `Grammar`, narrowed to what the model may choose from just now.

    Attributes
    ----------
    pitches
        Which pitches each part may play, (parts, pitches).
    silent
        Parts in which the model begins no notes, (parts,).
    played
        Parts that hold a note of a player's, which is not the model's to end if the part is silent, (parts,).
    endless
        END only if there is nothing else.
    free
        Everything is let through: what a player plays is asked for.
    """

    def __init__(self, vocabulary: Vocabulary, streams: int, **how: object) -> None:
        super().__init__(vocabulary, streams, **how)  # type: ignore[arg-type]
        self.steering = Steering.nothing(vocabulary)
        self.free = False

    @property
    def pitches(self) -> Mask:
        return self.steering.pitches

    @pitches.setter
    def pitches(self, pitches: Mask) -> None:
        self.steering.pitches = pitches

    @property
    def silent(self) -> Mask:
        return self.steering.silent

    @silent.setter
    def silent(self, silent: Mask) -> None:
        self.steering.silent = silent

    @property
    def played(self) -> Mask:
        return self.steering.played

    @property
    def endless(self) -> bool:
        return self.steering.endless

    @endless.setter
    def endless(self, endless: bool) -> None:
        self.steering.endless = endless

    @property
    def has_begun(self) -> bool:
        """Whether there has been a note, in the first stream."""
        return bool(self._begun[0])

    def times(self) -> Mask:
        """As `Grammar.times`."""
        legal = super().times()
        if self.endless:
            legal[:, 0] &= ~legal[:, 1:].any(axis=1)
        return legal

    def _parts(self, ticks: NDArray[np.int64]) -> tuple[Mask, Mask]:
        play, rest = super()._parts(ticks)
        if self.free:
            return play, rest
        allowed = (self._ends[:, None] <= ticks[:, :, None, None]) & self.pitches  # (streams, candidates, parts, pitches)
        again = np.arange(len(self.silent)) == (self._kind - FIRST_PART)[:, None]
        below = np.arange(allowed.shape[3]) <= (self._value - self._vocabulary.first_pitch)[:, None]
        same = ticks == self._tick[:, None]
        allowed &= ~(same[:, :, None, None] & again[:, None, :, None] & below[:, None, None])
        return play & allowed.any(axis=3) & ~self.silent, rest & ~(self.silent & self.played)

    def values(self, time: NDArray[np.int64], kind: NDArray[np.int64]) -> Mask:
        """As `Grammar.values`."""
        legal = super().values(time, kind)
        if not self.free:
            notes = np.flatnonzero(kind >= FIRST_PART)
            legal[notes, self._vocabulary.first_pitch :] &= self.pitches[kind[notes] - FIRST_PART]
        return legal

    def legal_times(self, kind: int, value: int) -> NDArray[np.int64]:
        """The time tokens at which an event of that kind and value may come in the first stream, whatever is steered."""
        self.free = True
        found = []
        for time in np.flatnonzero(self.times()[0, 1:]) + 1:
            at = np.array([time])
            if self.kinds(at)[0, kind] and self.values(at, np.array([kind]))[0, value]:
                found.append(int(time))
        self.free = False
        return np.array(found, np.int64)


@dataclass
class Steering:
    """What the model may choose from just now; changed at any time, for all streams.

    Parameters
    ----------
    pitches
        Which pitches each part may play, (parts, pitches).
    silent
        Parts in which the model begins no notes, (parts,).
    played
        Parts that hold a note of a player's, which is not the model's to end if the part is silent, (parts,).
    endless
        END only if there is nothing else.
    """

    pitches: Mask
    silent: Mask
    played: Mask
    endless: bool = False

    @classmethod
    def nothing(cls, vocabulary: Vocabulary) -> Steering:
        """Every part may play every pitch."""
        parts = len(vocabulary.parts)
        return cls(np.ones((parts, vocabulary.num_pitches), bool), np.zeros(parts, bool), np.zeros(parts, bool))


class Live:
    """What is steered, as a constraint."""

    def __init__(self, vocabulary: Vocabulary, steering: Steering) -> None:
        self._vocabulary, self._steering = vocabulary, steering

    def over(self, grammar: Grammar) -> Grammar:
        steered = Steered(self._vocabulary, len(grammar._tick))
        vars(steered).update({**vars(steered), **vars(grammar)})
        steered.steering = self._steering
        return steered
