"""The measures of many pieces beside one another: a row each, with an interval.

A measure gives of each piece a count and out of how many, so that its value over pieces is the sum of the counts over the
sum of the others, in percent: a truth value counts once a piece, a share as itself, parallels by their changes of chord. The
interval is that of the percentile bootstrap over pieces (Efron and Tibshirani 1993): pieces, not notes, are resampled.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from melody.piece import Piece
from melody.statistics import form, part_writing

Count = Callable[[Piece], tuple[float, float]]
RESAMPLES = 1_000
LONG_PHRASE = 20  # beats


class Estimate(NamedTuple):
    """A measure over pieces in percent, NaN where none can be measured, and its 95 % interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return "-" if math.isnan(self.value) else f"{self.value:.3g} ({self.low:.3g} to {self.high:.3g})"


def _share(measure: Callable[[Piece], float]) -> Count:
    """A measure whose value is one number a piece; NaN is left out."""

    def count(piece: Piece) -> tuple[float, float]:
        value = measure(piece)
        return (0.0, 0.0) if math.isnan(value) else (value, 1.0)

    return count


def _long_phrases(piece: Piece) -> tuple[int, int]:
    lengths = part_writing.phrases(piece)
    return sum(length > LONG_PHRASE for length in lengths), len(lengths)


FORM: Mapping[str, Count] = {
    "bars 5-6 are bars 1-2 again": _share(form.opening_returns),
    "bars that occur twice": _share(form.bars_occurring_twice),
    "no bar occurs twice": _share(form.has_no_repeated_bar),
    "length is a multiple of 8 bars": _share(partial(form.is_multiple_of, bars=8)),
    "length is a multiple of 4 bars": _share(partial(form.is_multiple_of, bars=4)),
    "a loop of one or two bars for 6 bars or more": _share(form.has_loop),
    "pick-up": _share(form.has_pickup),
    "minor": _share(form.is_minor),
    "commonest rhythm, share of bars": _share(form.commonest_rhythm),
    "bars that add up to the metre": form.bars_of_metre,
}
PART_WRITING: Mapping[str, Count] = {
    "parallel fifths per 100 chord changes": partial(part_writing.parallels, interval=part_writing.FIFTH),
    "parallel octaves per 100 chord changes": partial(part_writing.parallels, interval=part_writing.OCTAVE),
    "doubled leading note, of dominant beats": part_writing.doubled_leading_notes,
    "beats that are chords": part_writing.beats_that_are_chords,
    "last chord the tonic's triad on its root": _share(part_writing.closes_on_the_tonic),
    "phrases over 20 beats": _long_phrases,
}


def measured(pieces: Sequence[Piece], rows: Mapping[str, Count], seed: int = 0) -> dict[str, Estimate]:
    """Each measure over the pieces.

    Parameters
    ----------
    pieces
        At least one.
    rows
        `FORM`, `PART_WRITING`, or others.
    seed
        Of the bootstrap.
    """
    return {name: _estimate(np.array([count(piece) for piece in pieces], np.float64), seed) for name, count in rows.items()}


def _estimate(counts: NDArray[np.float64], seed: int) -> Estimate:
    """From (pieces, 2): counts, and out of how many."""
    total, out_of = counts.sum(axis=0)
    if not out_of:
        return Estimate(math.nan, math.nan, math.nan)
    resampled = np.random.default_rng(seed).multinomial(len(counts), np.full(len(counts), 1 / len(counts)), RESAMPLES)
    sums = resampled @ counts  # (resamples, 2)
    low, high = np.percentile(100 * sums[sums[:, 1] > 0, 0] / sums[sums[:, 1] > 0, 1], [2.5, 97.5])
    return Estimate(100 * total / out_of, float(low), float(high))
