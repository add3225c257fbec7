"""What held-out tunes share with the training pieces of their corpus: measured once, when an index is made."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from melody.originality.finding import covered_notes, largest_share, shared
from melody.originality.index import Index, Norm
from melody.originality.lines import Lines, Symbols, intervals_alone
from melody.originality.runs import SHORTEST
from melody.piece import Piece

RATE = 0.01  # of held-out tunes that may share more than the norm
FEWEST, MOST = 20, 1_000  # held-out tunes that are measured
_PAIRS, _LONGEST = 1_000, 500  # of a held-out tune and a training piece, and symbols of each that are compared


def norm_of(index: Index, heldout: Sequence[Piece], seed: int = 0) -> Norm | None:
    """The norm of an index.

    Each of the two limits is the value that at most half of `RATE` of as many tunes and one more exceed (split conformal
    prediction: Vovk, Gammerman and Shafer 2005), so that a new tune of the same kind exceeds one of them no more often than
    `Norm.rate`.

    Parameters
    ----------
    index
        Of the training pieces.
    heldout
        Tunes of the same corpus that were not trained on, nor versions of those that were.
    seed
        Of the pairs that show what unrelated pieces share.
    """
    chosen = heldout[:: -(-len(heldout) // MOST)] if heldout else []
    tunes = [tune for tune in map(Lines.of, chosen) if tune.longest >= SHORTEST]
    if len(tunes) < FEWEST or not index.names:
        return None
    unrelated = _unrelated(index, tunes, seed)
    measured = np.array([_measured(index, tune, unrelated) for tune in tunes])
    run, share, interval_run, covered = np.sort(measured, axis=0).T
    exceed = int(RATE / 2 * (len(tunes) + 1))  # of these tunes, and the new one
    limit = len(tunes) - max(exceed, 1)
    return Norm(
        tunes=len(tunes),
        longest=max(sum(tune.sizes) for tune in tunes),
        run=(float(np.median(run)), float(run[limit])),
        share=(float(np.median(share)), float(share[limit])),
        interval_run=(float(np.median(interval_run)), float(interval_run[limit])),
        covered=float(np.median(covered)),
        unrelated=unrelated,
        rate=RATE if exceed else 2 / (len(tunes) + 1),
    )


def _measured(index: Index, tune: Lines, unrelated: int) -> tuple[float, float, float, float]:
    """Longest run with rhythm, largest share, longest run by intervals, and what is covered, of a held-out tune."""
    _, symbols, sizes = tune
    runs = shared(index, index.rhythmic, symbols)
    by_interval = shared(index, index.by_interval, [intervals_alone(line) for line in symbols])
    share = largest_share(index, runs, symbols)[1] / sum(sizes)
    covered = covered_notes(runs, runs.notes > unrelated, sizes) / sum(sizes)
    return float(runs.notes.max(initial=0)), share, float(by_interval.notes.max(initial=0)), covered


def _unrelated(index: Index, tunes: Sequence[Lines], seed: int) -> int:
    """Notes of the longest run that 99 % of pairs of a held-out tune and a training piece do not exceed."""
    rng = np.random.default_rng(seed)
    longest = []
    for _ in range(_PAIRS):
        tune = tunes[int(rng.integers(len(tunes)))]
        mine = tune.symbols
        theirs = index.symbols_of_piece(int(rng.integers(len(index.names))))
        if mine and theirs:
            longest.append(_longest_common(mine[rng.integers(len(mine))], theirs[rng.integers(len(theirs))]))
    return int(np.quantile(longest, 0.99, method="higher")) + 1 if longest else SHORTEST


def _longest_common(one: Symbols, other: Symbols) -> int:
    """Symbols of the longest run that two lines have in common, by the recurrence of Gusfield (1997).

    >>> _longest_common(np.array([5, 1, 2, 3, 9], np.uint16), np.array([1, 2, 3, 1], np.uint16))
    3
    """
    other = other[:_LONGEST]
    ending, best = np.zeros(len(other) + 1, np.int64), 0  # symbols that agree up to each place of the other line
    for symbol in one[:_LONGEST].tolist():
        ending[1:] = (ending[:-1] + 1) * (other == symbol)
        best = max(best, int(ending.max()))
    return best
