"""The measures of many pieces beside one another: a row each, with an interval.

A measure gives of each piece a count and out of how many, so that its value over pieces is the sum of the counts over the
sum of the others, in percent: a truth value counts once a piece, a share as itself, parallels by their changes of chord. The
interval is that of the percentile bootstrap over pieces (Efron and Tibshirani 1993): pieces, not notes, are resampled.
What is one number a piece, in units of its own, is shown by its quartiles (`spreads`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from melody.piece import Piece
from melody.statistics import ensemble, form, part_writing, texture

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

TEXTURE: Mapping[str, Callable[[Piece], float]] = {
    "parts": texture.tracks,
    "notes of the part with fewest": texture.notes_of_the_least_part,
    "notes a part begins at once, 99th percentile": texture.chord_size,
    "tones sounding at once, 99th percentile": texture.polyphony,
    "tones in the best scale of 16 quarters": texture.key_fit,
    "consonant among pairs that sound together": texture.consonant_pairs,
    "bars of a part played before": texture.bars_played_before,
    "rhythms of a part played before": texture.rhythms_played_before,
    "bars of drums played before": texture.drum_bars_played_before,
    "bass drum on the first beat, of bars with drums": texture.bass_drum_on_the_first_beat,
    "snare on two and four, of bars with drums": ensemble.snare_on_two_and_four,
    "bass notes whose tone others sound": ensemble.bass_in_the_harmony,
    "tones that another part begins too": ensemble.tones_doubled,
    "sounding, of the time to the part's next note": ensemble.held_until_the_next,
    "loudness of a part, standard deviation": ensemble.loudness_within_parts,
    "steps as before, where a rhythm returns": texture.figures_moved_alike,
    "bars that begin on a semitone": texture.clashes,
    "bars in which nothing begins": texture.silent_bars,
    "length in quarters": texture.length_in_quarters,
    "silence at the start, quarters": texture.silence_at_start,
    "notes at the last onset": texture.notes_at_the_end,
    "longest note, quarters": texture.longest_note,
    "bars that one or two bars fill in a row": form.longest_loop,
    "same top note in a row, at most": texture.same_top_notes,
}


class Spread(NamedTuple):
    """The quartiles of a measure over pieces, NaN where none can be measured, and the median's 95 % interval.

    `pieces` is how many could be measured.
    """

    low: float
    median: float
    high: float
    interval: tuple[float, float]
    pieces: int

    def __str__(self) -> str:
        if math.isnan(self.median):
            return "-"
        return f"{self.median:.3g} ({self.interval[0]:.3g} to {self.interval[1]:.3g})"

    def holds(self, other: Spread) -> bool:
        """Whether the median of another lies within these quartiles; where one of them has no value, neither must have."""
        if math.isnan(self.median) or math.isnan(other.median):
            return math.isnan(self.median) and math.isnan(other.median)
        return self.low <= other.median <= self.high


def spreads(pieces: Sequence[Piece], rows: Mapping[str, Callable[[Piece], float]], seed: int = 0) -> dict[str, Spread]:
    """Each measure over the pieces: see `measured`."""
    return {
        name: _spread(np.array([measure(piece) for piece in pieces], np.float64), seed) for name, measure in rows.items()
    }


def _spread(values: NDArray[np.float64], seed: int) -> Spread:
    """From (pieces,); NaN is left out."""
    known = values[~np.isnan(values)]
    if not len(known):
        return Spread(math.nan, math.nan, math.nan, (math.nan, math.nan), 0)
    low, median, high = np.percentile(known, [25, 50, 75])
    resampled = np.random.default_rng(seed).choice(known, (RESAMPLES, len(known)))
    first, last = np.percentile(np.median(resampled, axis=1), [2.5, 97.5])
    return Spread(float(low), float(median), float(high), (float(first), float(last)), len(known))


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
