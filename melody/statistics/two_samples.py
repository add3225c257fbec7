"""Whether two sets of pieces are of one distribution, all measures taken together: two tests.

MMD: the squared maximum mean discrepancy under a Gaussian kernel, MMD^2 = mean k(x, x') + mean k(y, y') - 2 mean k(x, y), no
piece with itself, with the median distance for the kernel's width; how probable one as large is by chance says a permutation
test (Gretton, Borgwardt, Rasch, Schoelkopf and Smola 2012, A kernel two-sample test).

Classifier two-sample test: how often boosted trees tell a piece of one set from one of the other, on pieces that they were
not fitted to; 50 % where nothing tells them apart (Lopez-Paz and Oquab 2017). A measure is telling by how much worse they
are when its values are exchanged between pieces (permutation importance: Breiman 2001).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from melody.extras import need
from melody.statistics.measures import Floats, Measure, Table

PERMUTATIONS = 1_000
FOLDS = 5
SHUFFLES = 3  # of a measure, for its importance
LEAST = 10  # pieces of each set, to tell anything


@dataclass(frozen=True)
class Discrepancy:
    """MMD squared, and the share of permutations that give one as large."""

    mmd: float
    p: float


@dataclass(frozen=True)
class Classified:
    """How often a classifier is right, with an interval of 95 %; measures with what it loses without each, most first."""

    accuracy: float
    low: float
    high: float
    pieces: int
    features: tuple[tuple[str, float], ...]


def columns_of(measures: Sequence[Measure], table: Table) -> tuple[Floats, NDArray[np.int64]]:
    """All measures side by side, (pieces, columns), and the number of the measure of each column."""
    widths = [table[each.name].shape[1] for each in measures]
    return np.concatenate([table[each.name] for each in measures], axis=1), np.repeat(np.arange(len(measures)), widths)


def discrepancy(measures: Sequence[Measure], tunes: Table, reference: Table, seed: int = 0) -> Discrepancy:
    """The MMD of two sets of pieces.

    Every measure counts as much as every other: its columns are divided by the root of the sum of their variances. What is
    not known is taken as the mean.
    """
    need("a report", "scipy")
    from scipy.spatial.distance import pdist, squareform

    (x, owner), (y, _) = columns_of(measures, tunes), columns_of(measures, reference)
    both = np.concatenate([x, y])
    both = both - np.nanmean(both, axis=0)
    variances = np.bincount(owner, np.nanvar(both, axis=0), len(measures))
    both = np.nan_to_num(both) / np.sqrt(np.where(variances > 0, variances, 1))[owner]
    squared = squareform(pdist(both, "sqeuclidean"))
    kernel = np.exp(-squared / (np.median(squared[np.triu_indices(len(both), 1)]) or 1.0))
    np.fill_diagonal(kernel, 0)
    rng, is_first = np.random.default_rng(seed), np.arange(len(both)) < len(x)
    found = _mmd(kernel, is_first[None])[0]
    chance = _mmd(kernel, np.array([rng.permutation(is_first) for _ in range(PERMUTATIONS)]))
    return Discrepancy(float(found), float((1 + (chance >= found).sum()) / (1 + PERMUTATIONS)))


def _mmd(kernel: Floats, first: NDArray[np.bool_]) -> Floats:
    """Of each division, (divisions, pieces) -> (divisions,)."""
    one = first.astype(np.float64)
    other = 1 - one
    n, m = one.sum(axis=1), other.sum(axis=1)
    to_one, to_other = one @ kernel, other @ kernel
    found: Floats = (
        (to_one * one).sum(axis=1) / (n * (n - 1))
        + (to_other * other).sum(axis=1) / (m * (m - 1))
        - 2 * (to_one * other).sum(axis=1) / (n * m)
    )
    return found


def classify(
    measures: Sequence[Measure],
    tunes: Table,
    reference: Table,
    groups: tuple[Sequence[str], Sequence[str]],
    seed: int = 0,
    importance: bool = True,
) -> Classified:
    """How well boosted trees tell two sets of pieces apart; of the larger set as many as of the smaller are taken.

    Parameters
    ----------
    measures, tunes, reference
        What they see.
    groups
        Of each tune and of each reference piece: those of one group are never fitted to and tested.
    seed
        Of folds, trees and shuffles.
    importance
        Whether it is looked at which measures tell.
    """
    need("a report", "scipy", "sklearn")
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.model_selection import StratifiedGroupKFold

    rng = np.random.default_rng(seed)
    (x, owner), (y, _) = columns_of(measures, tunes), columns_of(measures, reference)
    size = min(len(x), len(y))
    chosen = [np.sort(rng.permutation(len(each))[:size]) for each in (x, y)]
    both = np.concatenate([x[chosen[0]], y[chosen[1]]])
    label = np.repeat([1, 0], size)
    group = [f"tune {groups[0][n]}" for n in chosen[0]] + [f"piece {groups[1][n]}" for n in chosen[1]]
    right, lost = 0, np.zeros(len(measures))
    for train, test in StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed).split(both, label, group):
        trees = HistGradientBoostingClassifier(max_iter=60, max_leaf_nodes=8, min_samples_leaf=5, random_state=seed)
        trees.fit(both[train], label[train])
        hits = int((trees.predict(both[test]) == label[test]).sum())
        right += hits
        for number in range(len(measures) if importance else 0):
            for _ in range(SHUFFLES):
                shuffled = both[test]
                shuffled[:, owner == number] = shuffled[rng.permutation(len(test))][:, owner == number]
                lost[number] += hits - int((trees.predict(shuffled) == label[test]).sum())
    order: list[int] = np.argsort(-lost, kind="stable").tolist() if importance else []
    features = tuple((measures[n].name, float(lost[n]) / (2 * size * SHUFFLES)) for n in order)
    return Classified(right / (2 * size), *interval_of_share(right, 2 * size), 2 * size, features)


def interval_of_share(found: int, out_of: int) -> tuple[float, float]:
    """The interval of 95 % of a share that was counted (Wilson 1927).

    >>> low, high = interval_of_share(0, 100)
    >>> round(low, 3), round(high, 3)
    (0.0, 0.037)
    """
    need("a report", "scipy")
    from scipy.stats import binomtest

    interval = binomtest(found, out_of).proportion_ci(method="wilson")
    return float(interval.low), float(interval.high)


def are_larger(numbers: Sequence[float], others: Sequence[float]) -> bool:
    """Whether numbers are larger than others beyond chance: the one-sided rank test of Mann and Whitney (1947) at 5 %."""
    need("a report", "scipy")
    from scipy.stats import mannwhitneyu

    return bool(mannwhitneyu(numbers, others, alternative="greater").pvalue < 0.05)
