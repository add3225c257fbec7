"""How far the measures of some pieces lie from those of others, each with an interval and beside a floor.

Distances
---------
Of shares over classes: the total variation of their means over pieces, TV = 1/2 sum_c |p_c - q_c|, from 0 to 1: what share
of the notes would have to change class. Of a number: the 1-Wasserstein distance of its two distributions, in standard
deviations of the reference; of a truth value, the difference of the shares. Every piece counts as much as every other.

Overlap and KL are those of Yang and Lerch (2020): distances between the pieces of a set, and from one set to the other, as
densities by a Gaussian kernel; OA = integral of min(f, g), KL = integral of f log(f / g), f of the reference's own distances
and g of those to it. Of the very many pairs some are drawn.

The interval of 95 % is that of the basic bootstrap over pieces (Davison and Hinkley 1997, section 5.2): a distance of
resampled pieces is too large by about as much as that of the pieces themselves, which turning it round takes away. The
floor is what the same distance is between two halves of the corpus of the same sizes, which share no version of a piece: its
mean over many divisions, and what 95 % of them do not exceed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from melody.extras import need
from melody.statistics.measures import Floats, Measure, Table

RESAMPLES, DIVISIONS = 300, 100
PAIRS, GRID = 1_000, 200  # of pieces, and points of a density


@dataclass(frozen=True)
class Comparison:
    """One measure of some pieces, beside the same of others.

    Parameters
    ----------
    name, unit, classes
        Of the measure.
    mean, reference_mean
        Over the pieces, (classes,).
    pieces, reference_pieces
        For how many it makes sense.
    distance, low, high
        With its interval.
    floor, floor_high
        Of two halves of the corpus: the mean, and what 95 % of divisions do not exceed.
    overlap, kl, floor_overlap, floor_kl
        As Yang and Lerch have them, and of two halves.
    """

    name: str
    unit: str
    classes: tuple[str, ...]
    mean: Floats
    reference_mean: Floats
    pieces: int
    reference_pieces: int
    distance: float
    low: float
    high: float
    floor: float
    floor_high: float
    overlap: float
    kl: float
    floor_overlap: float
    floor_kl: float

    @property
    def times_floor(self) -> float:
        """The distance in floors; infinite above a floor of nothing."""
        if self.floor > 0:
            return self.distance / self.floor
        return math.inf if self.distance > 0 else 0.0

    @property
    def largest_difference(self) -> str:
        """In words: of the class that differs most, or of the number, both means."""
        if not self.classes:
            return f"{_number(self.mean[0], self.unit)}, corpus {_number(self.reference_mean[0], self.unit)}"
        most = int(np.abs(self.mean - self.reference_mean).argmax())
        return f"{self.classes[most]}: {self.mean[most]:.1%}, corpus {self.reference_mean[most]:.1%}"


def _number(value: float, unit: str) -> str:
    return f"{value:.1%}" if unit == "share" else f"{value:.3g} {unit}"


class Divisions:
    """Divisions of a corpus into two parts of given sizes, no group of versions in both.

    Parameters
    ----------
    groups
        Of each piece, (pieces,).
    sizes
        Of both parts, pieces; together at most as many as there are.
    seed
        Of the divisions.
    """

    def __init__(self, groups: Sequence[str], sizes: tuple[int, int], seed: int = 0) -> None:
        _, self._group = np.unique(np.asarray(groups), return_inverse=True)
        self._sizes, self._seed = sizes, seed

    def each(self, count: int) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """The numbers of the pieces of both parts, so many times."""
        rng = np.random.default_rng(self._seed)
        for _ in range(count):
            place = rng.permutation(self._group.max(initial=0) + 1)[self._group]
            order = np.lexsort((rng.permutation(len(place)), place))  # group by group
            first = order[: self._sizes[0]]
            others = order[self._sizes[0] :]
            yield first, others[~np.isin(place[others], place[first])][: self._sizes[1]]


def compared(
    measures: Sequence[Measure],
    tunes: Table,
    reference: Table,
    corpus: Table,
    divisions: Divisions,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> list[Comparison]:
    """Each measure of tunes beside that of reference pieces.

    Parameters
    ----------
    measures
        Those to compare.
    tunes, reference
        Of the tunes, and of the pieces that they are compared with.
    corpus
        Of all pieces that `divisions` divides.
    divisions
        For the floor: parts of as many pieces as there are tunes and reference pieces.
    seed
        Of the bootstrap, and of the pairs.
    resamples
        Of the bootstrap; with 0 there are no intervals.
    """
    halves = list(divisions.each(DIVISIONS))
    return [
        _compared(each, _known(tunes[each.name]), _known(reference[each.name]), corpus[each.name], halves, seed, resamples)
        for each in measures
    ]


def _compared(
    measure: Measure,
    tunes: Floats,
    reference: Floats,
    corpus: Floats,
    halves: Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]],
    seed: int,
    resamples: int,
) -> Comparison:
    rng = np.random.default_rng(seed)
    between = _distance_of(measure, _known(corpus))
    found = between(tunes, reference, None, None)
    draws = [_resampled(x, resamples, rng) for x in (tunes, reference)]
    resampled = [between(tunes, reference, a, b) for a, b in zip(*draws)]
    low, high = np.percentile(resampled, [2.5, 97.5]) if resampled else (math.nan, math.nan)
    parts = [(_known(corpus[a]), _known(corpus[b])) for a, b in halves]
    floors = np.array([between(a, b, None, None) for a, b in parts])
    overlap, kl = overlap_and_kl(tunes, reference, rng)
    floor_overlaps = np.array([overlap_and_kl(a, b, rng) for a, b in parts[:5]]).reshape(-1, 2)
    return Comparison(
        measure.name,
        measure.unit,
        measure.classes,
        _mean(tunes, None),
        _mean(reference, None),
        len(tunes),
        len(reference),
        found,
        max(2 * found - float(high), 0.0),
        max(2 * found - float(low), 0.0),
        float(floors.mean()) if len(floors) else math.nan,
        float(np.quantile(floors, 0.95)) if len(floors) else math.nan,
        overlap,
        kl,
        float(floor_overlaps[:, 0].mean()),
        float(floor_overlaps[:, 1].mean()),
    )


def _resampled(pieces: Floats, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """How often each piece is drawn, (resamples, pieces); no resamples of no pieces."""
    if not len(pieces):
        return np.zeros((0, 0), np.int64)
    return rng.multinomial(len(pieces), np.full(len(pieces), 1 / len(pieces)), count)


def _known(column: Floats) -> Floats:
    """The rows that are not NaN."""
    return column[~np.isnan(column).any(axis=1)]


Weights = NDArray[np.int64] | None
Distance = Callable[[Floats, Floats, Weights, Weights], float]


def _distance_of(measure: Measure, corpus: Floats) -> Distance:
    """The distance between two sets of pieces, (pieces, classes) each, with a weight for each piece or none."""
    if measure.classes or (measure.unit == "share" and np.isin(corpus, (0, 1)).all()):
        scale = 0.5 if measure.classes else 1.0
        return lambda a, b, u, v: scale * float(np.abs(_mean(a, u) - _mean(b, v)).sum())
    need("a report", "scipy")
    from scipy.stats import wasserstein_distance

    deviation = float(corpus.std()) or 1.0
    return lambda a, b, u, v: (
        float(wasserstein_distance(a[:, 0], b[:, 0], u, v)) / deviation if len(a) and len(b) else math.nan
    )


def _mean(pieces: Floats, weights: Weights) -> Floats:
    if not len(pieces):
        return np.full(pieces.shape[1], np.nan)
    mean: Floats = pieces.mean(axis=0) if weights is None else weights @ pieces / weights.sum()
    return mean


def overlap_and_kl(tunes: Floats, reference: Floats, rng: np.random.Generator) -> tuple[float, float]:
    """The overlap and the KL divergence (nats) of Yang and Lerch (2020); NaN where there is nothing to compare.

    Parameters
    ----------
    tunes, reference
        (pieces, classes) of each.
    rng
        Draws the pairs.
    """
    if len(tunes) < 2 or len(reference) < 2:
        return math.nan, math.nan
    within = _pair_distances(reference, reference, rng)
    across = _pair_distances(tunes, reference, rng)
    grid = np.linspace(0, max(within.max(), across.max(), 1e-9), GRID)
    f, g = (_density(distances, grid) for distances in (within, across))
    return float(np.minimum(f, g).sum()), float((f * np.log(f / g)).sum())


def _pair_distances(a: Floats, b: Floats, rng: np.random.Generator) -> Floats:
    """Euclidean distances of pairs that are drawn, no piece with itself, (pairs,)."""
    first, second = rng.integers(len(a), size=PAIRS), rng.integers(len(b), size=PAIRS)
    if a is b:
        second = (first + 1 + rng.integers(len(b) - 1, size=PAIRS)) % len(b)
    distances: Floats = np.sqrt(((a[first] - b[second]) ** 2).sum(axis=1))
    return distances


def _density(distances: Floats, grid: Floats) -> Floats:
    """Shares at the points of a grid, by a Gaussian kernel of Scott's width; never 0."""
    width = max(float(distances.std()) * len(distances) ** -0.2, float(grid[1] - grid[0]))
    density = np.exp(-0.5 * ((grid[:, None] - distances) / width) ** 2).sum(axis=1) + 1e-9
    shares: Floats = density / density.sum()
    return shares
