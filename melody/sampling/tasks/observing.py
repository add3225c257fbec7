"""Particles over music of which some events are observed: what filling a gap and setting a melody have in common."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from melody.sampling.constraints.constraint import Constraint, Masks
from melody.sampling.constraints.observations import EXACT, Observations, timed
from melody.sampling.constraints.observed import Observed
from melody.sampling.decoder import Decoder, PrefixCache
from melody.sampling.settings import SamplingSettings
from melody.sampling.strategies.smc import Particles
from melody.tokens.grammar import Grammar
from melody.tokens.vocabulary import END, TIME, Rows


def filling(
    decoder: Decoder,
    observations: Observations,
    constraints: Sequence[Constraint],
    count: int,
    settings: SamplingSettings,
    random: np.random.Generator,
    reference: Rows | None = None,
    *,
    only_to_draw: bool = False,
    cache: PrefixCache | None = None,
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
    only_to_draw
        Whether one of them is drawn by weight and nothing else is asked: what nobody will draw need not be read.
    cache
        Of what is observed before anything is free, where there are several gaps in the same music.
    """
    vocabulary, first = decoder.vocabulary, observations.prefix
    masks = Masks(Grammar(vocabulary, 1, pedal=False), [Observed(vocabulary, observations), *constraints])
    start = decoder.prime(masks, timed(vocabulary, observations.rows[:first], observations.tick[:first]), cache=cache)
    exact = int(np.flatnonzero(observations.form != EXACT).max(initial=-1)) + 1

    def rest(number: int) -> Rows | None:
        """What follows from there, if no joint does and the gap is over."""
        if number < max(exact, 1) or observations.tick[number - 1] < observations.until:
            return None
        rows = timed(vocabulary, observations.rows, observations.tick)[number:]
        rows[observations.rows[number:, TIME] == END] = 0
        return rows

    still_free = np.append(observations.tick < observations.until, False)
    return Particles(
        decoder,
        start,
        len(observations.rows),
        still_free,
        count,
        settings,
        random,
        reference,
        rest if only_to_draw else None,
    )
