"""Metre, tempo and key change no more often in a piece than they do in the corpus, as a rule."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from melody.piece import Ints
from melody.sampling.constraints.constraint import Constraint
from melody.sampling.constraints.joint_options import Options
from melody.sampling.constraints.music import Event, Music
from melody.tokens.usage import FIRST_PART, KEY
from melody.tokens.vocabulary import KIND


class FewChanges(Constraint):
    """No change of metre, tempo or key where there have been as many as a piece has; that of the beginning is none.

    A band has a new key once in a hundred thousand notes. What a model leaves of probability to what is so rare adds up over
    the thousands of events of a piece: of bands two in three came to a key that the corpus names in one of seven, somewhere
    in a bar. Changes that are observed count, and break nothing. Where by the grammar nothing else could come, any may.
    Turns of the pedal are of the kind of keys; in a vocabulary that has them, keys are left free.

    Parameters
    ----------
    most
        How many changes of metre, tempo and key a piece has at most, as a rule, from 0, (3,).
    """

    may_dead_end: ClassVar[bool] = False
    per_stream: ClassVar[tuple[str, ...]] = ("_left",)
    _left: Ints

    def __init__(self, most: Sequence[int]) -> None:
        self._most = np.array(most, np.int64)

    def needs_pitches(self, music: Music) -> bool:
        """As `Constraint.needs_pitches`."""
        return False

    def begin(self, streams: int) -> FewChanges:
        """As `Constraint.begin`."""
        made = super().begin(streams)
        made._left = np.repeat(self._most[None], streams, axis=0)  # (streams, kinds)
        return made

    def narrow(self, music: Music, options: Options) -> None:
        """As `Constraint.narrow`."""
        spent = self._left <= 0
        spent[:, KEY] &= not music.vocabulary.pedal
        if spent.any():
            _, play, rest, _ = music.ahead
            spent &= (music.may_end | (play | rest).any(axis=(1, 2)))[:, None]
            options.controls &= ~spent[:, None] | music.is_header[:, :, None]

    def push(self, music: Music, event: Event) -> None:
        """As `Constraint.push`."""
        is_header = (event.tick == 0) & ~music.standing.begun
        streams = np.flatnonzero(event.going & (event.rows[:, KIND] < FIRST_PART) & ~is_header)
        self._left[streams, event.rows[streams, KIND]] -= 1
