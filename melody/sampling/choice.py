"""How one token is chosen: temperature, top-k, top-p, under a mask."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from melody.engine import Floats
from melody.errors import SamplingError
from melody.tokens.grammar import Mask


@dataclass(frozen=True)
class SamplingSettings:
    """How the next event is chosen.

    Parameters
    ----------
    temperature
        Logits are divided by it: 1 is the model's own distribution, lower is safer, 0 always takes the likeliest.
    top_k
        Only the so many likeliest tokens of a field, from 1; None for all.
    top_p
        Only the likeliest tokens that together have this probability, above 0, at most 1 (Holtzman et al. 2020).
    seed
        Random number, from 0; the same seed gives the same tunes.
    max_notes
        A tune that has not ended by then is ended; None for as many as the longest piece in training had events.

    Raises
    ------
    SamplingError
        If a value is out of its range.
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float = 1.0
    seed: int = 0
    max_notes: int | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.temperature <= 100:
            raise SamplingError(
                f"temperature is {self.temperature:g}; it must be from 0 (safest) to 100, usually 0.7 to 1.2"
            )
        if self.top_k is not None and self.top_k < 1:
            raise SamplingError(f"top-k is {self.top_k}; it must be 1 or more, or be left out")
        if not 0 < self.top_p <= 1:
            raise SamplingError(f"top-p is {self.top_p:g}; it must be above 0 and at most 1")
        if self.seed < 0:
            raise SamplingError(f"the seed is {self.seed}; it must be 0 or more")
        if self.max_notes is not None and self.max_notes < 1:
            raise SamplingError(f"max_notes is {self.max_notes}; it must be 1 or more")


def choose(logits: Floats, mask: Mask | None, chance: NDArray[np.float64], settings: SamplingSettings) -> NDArray[np.int64]:
    """One token a row, by temperature, top-k and top-p, among those that `mask` allows.

    Parameters
    ----------
    logits
        (streams, tokens).
    mask
        (streams, tokens), None for all; a row that allows nothing is taken as one that allows all.
    chance
        Uniform random numbers in [0, 1), (streams,): the token is where the cumulated probability passes it.
    settings
        Temperature, top-k and top-p.
    """
    logits = logits.astype(np.float64)
    if mask is not None:
        logits = np.where(mask | ~mask.any(axis=1, keepdims=True), logits, -np.inf)
    if settings.temperature == 0:
        return logits.argmax(axis=1)
    logits = (logits - logits.max(axis=1, keepdims=True)) / settings.temperature
    if settings.top_k is not None and settings.top_k < logits.shape[1]:
        least = np.partition(logits, -settings.top_k, axis=1)[:, -settings.top_k, None]
        logits = np.where(logits >= least, logits, -np.inf)
    share = np.exp(logits)
    share /= share.sum(axis=1, keepdims=True)
    if settings.top_p < 1:
        order = np.argsort(-share, axis=1, kind="stable")
        ranked = np.take_along_axis(share, order, axis=1)
        before = np.cumsum(ranked, axis=1) - ranked
        ranked[before >= settings.top_p] = 0
        np.put_along_axis(share, order, ranked, axis=1)
    cumulated = share.cumsum(axis=1)
    token = (cumulated <= (chance * cumulated[:, -1])[:, None]).sum(axis=1)
    last = logits.shape[1] - 1 - (share[:, ::-1] > 0).argmax(axis=1)
    return np.minimum(token, last)
