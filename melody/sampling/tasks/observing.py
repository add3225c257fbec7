"""Particles over music of which some events are observed: what filling a gap and setting a melody have in common."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from melody.sampling.constraints.constraint import Constraint, Masks
from melody.sampling.constraints.observations import Observations, timed
from melody.sampling.constraints.observed import Observed
from melody.sampling.decoder import Decoder
from melody.sampling.settings import SamplingSettings
from melody.sampling.strategies.smc import Particles
from melody.tokens.grammar import Grammar
from melody.tokens.vocabulary import Rows


def filling(
    decoder: Decoder,
    observations: Observations,
    constraints: Sequence[Constraint],
    count: int,
    settings: SamplingSettings,
    random: np.random.Generator,
    reference: Rows | None = None,
) -> Particles:
    """Particles behind the events that are observed before anything is free.

    Parameters
    ----------
    decoder
        Of the model.
    observations
        What is observed, and where which parts are free.
    constraints
        What the free events keep to besides.
    count, settings, random, reference
        As of `Particles`; the reference holds the events behind those that are observed before anything is free.
    """
    vocabulary, first = decoder.vocabulary, observations.prefix
    masks = Masks(Grammar(vocabulary, 1), [Observed(vocabulary, observations), *constraints])
    start = decoder.prime(masks, timed(vocabulary, observations.rows[:first], observations.tick[:first]))
    still_free = np.append(observations.tick < observations.until, False)
    return Particles(decoder, start, len(observations.rows), still_free, count, settings, random, reference)
