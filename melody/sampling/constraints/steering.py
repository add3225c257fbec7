"""What the model may choose from while its music is played: pitches and parts, changed at any time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from melody.piece import Ints
from melody.sampling.constraints.constraint import Constraint
from melody.sampling.constraints.joint_options import Options
from melody.sampling.constraints.music import Music
from melody.tokens import Vocabulary
from melody.tokens.grammar import Mask
from melody.tokens.usage import FIRST_PART
from melody.tokens.vocabulary import VALUE


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

    follows: ClassVar[bool] = False
    may_dead_end: ClassVar[bool] = False

    def __init__(self, steering: Steering) -> None:
        self._steering = steering

    def needs_pitches(self, music: Music) -> bool:
        """As `Constraint.needs_pitches`."""
        return not (music.monophonic.all() or self._steering.pitches.all())

    def narrow(self, music: Music, options: Options) -> None:
        """As `Constraint.narrow`."""
        steering = self._steering
        if options.notes is not None:
            options.notes &= steering.pitches
        options.plays &= steering.pitches.any(axis=1) & ~steering.silent
        options.rests &= ~(steering.silent & steering.played)

    def values(self, music: Music, time: Ints, kind: Ints) -> Mask | None:
        """As `Constraint.values`."""
        if self._steering.pitches.all():
            return None
        legal = np.ones((len(time), music.vocabulary.sizes[VALUE]), bool)
        notes = np.flatnonzero(kind >= FIRST_PART)
        legal[notes, music.vocabulary.first_pitch :] = self._steering.pitches[kind[notes] - FIRST_PART]
        return legal

    def conclude(self, options: Options, times: Mask) -> None:
        """As `Constraint.conclude`."""
        stuck = ~times.any(axis=1)
        if self._steering.endless:
            options.ends &= stuck
        options.ends |= stuck
