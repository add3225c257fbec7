"""How like its corpus the music is that a model writes: every measure, two tests over all of them, and what is copied.

The tunes are compared with pieces that the model never saw (held-out), and with some that it learnt from. What no model can
do better than is the floor: what two halves of the corpus differ by (`melody.statistics.distances`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from melody.errors import PieceError
from melody.evaluation.own_music import Known, OwnMusic
from melody.originality.finding import compare
from melody.originality.index import Index
from melody.originality.runs import SHORTEST
from melody.piece import Piece
from melody.statistics.distances import Comparison, Divisions, compared
from melody.statistics.measures import MEASURES, Floats, Measure, table_of, telling
from melody.statistics.two_samples import Classified, Discrepancy, are_larger, classify, discrepancy, interval_of_share

WITHIN = 2.0  # floors, within which a measure counts as the corpus's own
MOST_FLOORS = 10.0  # that one measure counts for in the mean


@dataclass(frozen=True)
class Copying:
    """What pieces share with the training pieces of a model.

    Parameters
    ----------
    runs
        Notes of the longest run of each piece, (pieces,); `SHORTEST` - 1 for all shorter ones.
    copies
        Numbers of the pieces that are copies by both tests (`melody.originality.finding`).
    is_known
        Whether the index knows what is too much; with too few held-out pieces it does not.
    """

    runs: tuple[int, ...]
    copies: tuple[int, ...]
    is_known: bool

    @property
    def share(self) -> float:
        """Of the pieces that are copies."""
        return len(self.copies) / max(len(self.runs), 1)

    @property
    def interval(self) -> tuple[float, float]:
        """That of 95 % of this share."""
        return interval_of_share(len(self.copies), max(len(self.runs), 1))

    def is_more_than(self, other: Copying) -> bool:
        """Whether these share more than others: more copies than their interval has, or longer runs (`are_larger`)."""
        return self.share > other.interval[1] or are_larger(self.runs, other.runs)

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        runs = np.array(self.runs or (0,))
        return {
            "pieces": len(self.runs),
            "longest_run": {
                "median": float(np.median(runs)),
                "99 %": float(np.quantile(runs, 0.99)),
                "most": int(runs.max()),
            },
            "copies": len(self.copies) if self.is_known else None,
            "share_of_copies": self.share if self.is_known else None,
            "interval": list(self.interval) if self.is_known else None,
        }


def copying(index: Index, pieces: Sequence[Piece]) -> Copying:
    """What pieces share with those of an index; those too short to compare share nothing."""
    runs, copies, is_known = [], [], index.norm is not None
    for number, piece in enumerate(pieces):
        try:
            found = compare(index, piece, in_full=False)
        except PieceError:  # too few notes
            runs.append(SHORTEST - 1)
            continue
        runs.append(found.run.notes if found.run else SHORTEST - 1)
        copies += [number] if found.is_copy else []
    return Copying(tuple(runs), tuple(copies), is_known)


@dataclass(frozen=True)
class Reference:
    """What tunes are compared with, measured once.

    Parameters
    ----------
    measures
        Those that make sense for this music.
    train, heldout
        The pieces that are compared with.
    train_table, heldout_table, corpus_table
        Their measures, and those of both together.
    index
        Of the training pieces.
    copying
        What the held-out pieces share with them.
    seed
        Of everything that is drawn.
    """

    measures: tuple[Measure, ...]
    train: Known
    heldout: Known
    train_table: dict[str, Floats]
    heldout_table: dict[str, Floats]
    corpus_table: dict[str, Floats]
    index: Index
    copying: Copying
    seed: int = 0

    @classmethod
    def of(cls, music: OwnMusic, index: Index, most: int, seed: int = 0) -> Reference:
        """Of so many pieces of each kind, at most."""
        train, heldout = music.train.some(most, seed), music.heldout.some(most, seed)
        own, others = table_of(train.pieces), table_of(heldout.pieces)
        both = {each.name: np.concatenate([own[each.name], others[each.name]]) for each in MEASURES}
        measures = tuple(telling(both))
        return cls(measures, train, heldout, own, others, both, index, copying(index, heldout.pieces), seed)

    def divisions(self, first: int, second: int) -> Divisions:
        """Of the corpus, in parts of such sizes as far as it goes."""
        groups = [*self.train.groups, *self.heldout.groups]
        second = min(second, len(groups) // 2)
        return Divisions(groups, (min(first, len(groups) - second), second), self.seed)

    def floors(self, tunes: int) -> tuple[Discrepancy, Classified]:
        """Both tests on two halves of the corpus, for so many tunes."""
        a, b = next(self.divisions(tunes, len(self.heldout.pieces)).each(1))
        groups = np.array([*self.train.groups, *self.heldout.groups])
        one, other = ({name: column[part] for name, column in self.corpus_table.items()} for part in (a, b))
        named = (groups[a].tolist(), groups[b].tolist())
        return (
            discrepancy(self.measures, one, other, self.seed),
            classify(self.measures, one, other, named, self.seed, importance=False),
        )


@dataclass(frozen=True)
class Likeness:
    """How like the corpus some tunes are.

    Parameters
    ----------
    name
        How they were made.
    tunes
        All of them.
    to_heldout, to_train
        Each measure beside that of held-out pieces, and of training pieces.
    discrepancy, classified
        Both tests against held-out pieces; None if they were not asked for.
    copying
        What they share with the training pieces.
    """

    name: str
    tunes: tuple[Piece, ...]
    to_heldout: tuple[Comparison, ...]
    to_train: tuple[Comparison, ...]
    copying: Copying
    discrepancy: Discrepancy | None = None
    classified: Classified | None = None

    @property
    def mean_floors(self) -> float:
        """How many floors the measures lie from held-out pieces on average; one counts for 10 at most. 1 is the corpus."""
        return float(np.mean([min(each.times_floor, MOST_FLOORS) for each in self.to_heldout]))

    @property
    def far(self) -> list[Comparison]:
        """The measures beyond twice the floor, the farthest first."""
        return sorted((each for each in self.to_heldout if each.times_floor > WITHIN), key=lambda each: -each.times_floor)


def likeness_of(reference: Reference, name: str, tunes: Sequence[Piece], *, in_full: bool = True) -> Likeness:
    """Measure tunes beside a corpus.

    Parameters
    ----------
    reference
        The corpus.
    name
        How they were made.
    tunes
        `melody.statistics.two_samples.LEAST` or more.
    in_full
        With intervals, the training pieces, and both tests.
    """
    measures, table, seed = reference.measures, table_of(tunes, reference.measures), reference.seed
    heldout, train = len(reference.heldout.pieces), len(reference.train.pieces)
    corpus = reference.corpus_table
    divisions = reference.divisions(len(tunes), heldout)
    if not in_full:
        found = compared(measures, table, reference.heldout_table, corpus, divisions, seed, resamples=0)
        return Likeness(name, tuple(tunes), tuple(found), (), copying(reference.index, tunes))
    return Likeness(
        name,
        tuple(tunes),
        tuple(compared(measures, table, reference.heldout_table, corpus, divisions, seed)),
        tuple(
            compared(
                measures, table, reference.train_table, corpus, reference.divisions(len(tunes), train), seed, resamples=0
            )
        ),
        copying(reference.index, tunes),
        discrepancy(measures, table, reference.heldout_table, seed),
        classify(
            measures, table, reference.heldout_table, ([str(n) for n in range(len(tunes))], reference.heldout.groups), seed
        ),
    )
