"""Nats a note over pieces, with the 95 % interval of the percentile bootstrap (Efron and Tibshirani 1993).

Pieces are drawn, not notes, and of a difference the same pieces for both. So the interval says how far another choice of
pieces would have moved the figure; seeds are averaged before.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

RESAMPLES = 2_000


class Interval(NamedTuple):
    """A figure and its 95 % interval."""

    value: float
    low: float
    high: float


def rate(nats: ArrayLike, notes: ArrayLike, seed: int = 0) -> Interval:
    """Nats a note, micro.

    Parameters
    ----------
    nats, notes
        Of each piece, (pieces,), at least one.
    seed
        Of the bootstrap.
    """
    total, out_of = np.asarray(nats, np.float64), np.asarray(notes, np.float64)
    chosen = _chosen(len(total), seed)
    low, high = np.percentile((chosen @ total) / np.maximum(chosen @ out_of, 1), [2.5, 97.5])
    return Interval(float(total.sum() / max(out_of.sum(), 1)), float(low), float(high))


def difference(one: ArrayLike, other: ArrayLike, notes: ArrayLike, seed: int = 0) -> Interval:
    """Nats a note that one has more than another on the same pieces."""
    return rate(np.asarray(one, np.float64) - np.asarray(other, np.float64), notes, seed)


def _chosen(pieces: int, seed: int) -> NDArray[np.int64]:
    """How often each piece is chosen, (resamples, pieces)."""
    return np.random.default_rng(seed).multinomial(pieces, np.full(pieces, 1 / pieces), RESAMPLES)
