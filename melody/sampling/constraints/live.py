"""What the model may choose from while its music is played: pitches and parts, changed at any time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from melody.sampling.constraints.base import Constraint
from melody.sampling.constraints.music import Music
from melody.sampling.constraints.options import Options
from melody.tokens import Vocabulary
from melody.tokens.grammar import Mask


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


class Live(Constraint):
    """Only what the steering allows; END where there is nothing else, since live music cannot be taken back.

    Parameters
    ----------
    steering
        It may be changed at any time, and holds for all streams from the next event on.
    """

    may_dead_end: ClassVar[bool] = False

    def __init__(self, steering: Steering) -> None:
        self._steering = steering

    def narrow(self, music: Music, options: Options) -> None:
        """As `Constraint.narrow`."""
        assert options.notes is not None
        steering = self._steering
        options.notes &= steering.pitches
        options.plays &= ~steering.silent
        options.rests &= ~(steering.silent & steering.played)

    def conclude(self, music: Music, options: Options) -> None:
        """As `Constraint.conclude`."""
        stuck = ~options.times().any(axis=1)
        if self._steering.endless:
            options.ends &= stuck
        options.ends |= stuck
