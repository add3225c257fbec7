"""Limits in tasks that begin from music: what cannot hold there is refused, all else is seen from where the model stands.

The model may read the music in another octave and played by other instruments; limits are about the music as it will sound.
What the model does not read, such as parts that are left out, does not count for limits over all parts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

import numpy as np

from melody.errors import SamplingError
from melody.limits import Limits, check
from melody.limits.lookups import allowed_parts, allowed_pitches
from melody.piece import Part
from melody.sampling.constraints.constraint import Constraint
from melody.sampling.constraints.user import user_limits
from melody.tokens import Vocabulary
from melody.tokens.grammar import Mask


@dataclass(frozen=True)
class Reading:
    """How a model reads music that limits are about.

    Parameters
    ----------
    vocabulary
        Of the model.
    octaves
        By how many octaves the model reads the music higher than it sounds.
    players
        Who plays what each part of the vocabulary does, by its number; those that are not named play themselves.
    metre
        Of the music where the limits begin to hold.
    origin
        The tick, as the model reads it, of the bar that chords are counted from.
    """

    vocabulary: Vocabulary
    octaves: int
    players: Mapping[int, Part]
    metre: tuple[int, int]
    origin: int

    def constraints(self, limits: Limits, free: Mask) -> list[Constraint]:
        """What the new notes of the `free` parts keep to; nothing if there are no limits.

        Raises
        ------
        SamplingError
            If the limits contradict one another, or leave none of these parts a note.
        """
        if limits == Limits():
            return []
        limits = in_octave(limits, self.vocabulary, self.octaves)
        known = tuple(self.players.get(number, part) for number, part in enumerate(self.vocabulary.parts))
        as_played = replace(self.vocabulary, parts=known)
        check(replace(limits, metre=self.metre if limits.grid else None), as_played)
        plays = allowed_parts(limits, as_played)
        if not (plays & free).any():
            names = ", ".join(instrument.name for instrument in limits.instruments)
            raise SamplingError(f"no part that is to be written is played by {names}; leave the instruments out")
        return user_limits(self.vocabulary, limits, origin=self.origin, parts=plays)


def refuse(limits: Limits, reasons: Mapping[str, str]) -> None:
    """Refuse limits that cannot hold in a task.

    Parameters
    ----------
    limits
        What is asked for.
    reasons
        Why each of the fields named may not be given, as the end of a sentence.

    Raises
    ------
    SamplingError
        If one of them is asked for.
    """
    for field in fields(limits):
        if field.name in reasons and getattr(limits, field.name) != field.default:
            name = field.name.replace("_", "-")
            raise SamplingError(f"{name} cannot be kept to here: {reasons[field.name]}; leave it out")


def in_octave(limits: Limits, vocabulary: Vocabulary, octaves: int) -> Limits:
    """The range as the model has to see it; no note may leave MIDI's on its way back."""
    low, high = limits.range or (0, 127)
    low, high = low + 12 * octaves, high + 12 * octaves
    within = low <= vocabulary.pitches[0] and vocabulary.pitches[1] <= high
    return replace(limits, range=None if limits.range is None and within else (low, high))


def pitches_within(limits: Limits, vocabulary: Vocabulary, octaves: int) -> Mask:
    """Which of the vocabulary's pitches limits allow that are about the music as it sounds, (pitches,).

    Raises
    ------
    SamplingError
        If there are none.
    """
    seen = in_octave(limits, vocabulary, octaves)
    check(seen, vocabulary)
    return np.asarray(allowed_pitches(seen, vocabulary))
