"""What a corpus does as a rule, measured on its pieces: its form, and whether its voices go in parallel.

New music can be held against it: of many tunes those are chosen whose form is like the corpus's, and where the voices of a
corpus avoid parallel fifths and octaves, new ones have to.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from melody.piece import Piece
from melody.statistics.form import bars_occurring_twice, length_in_bars
from melody.statistics.part_writing import FIFTH, OCTAVE, parallels, voices_of

AVOIDED = 0.01  # parallels a change of chord; voices that know nothing of one another have three times as many
ENOUGH = 200  # changes of chord, for a rate to mean anything


@dataclass(frozen=True)
class Habits:
    """What a corpus does as a rule.

    Parameters
    ----------
    returning
        The share of a piece's bars that occur more than once in it: mean and standard deviation over the pieces; None if
        nothing is known.
    lengths
        The shares of pieces whose number of bars is a multiple of 8, of 4 alone, of neither; None if nothing is known.
    parallels
        Parallel fifths and octaves (`melody.statistics.part_writing.parallels`) a change of chord; None if there are not
        enough voices to tell.
    """

    returning: tuple[float, float] | None = None
    lengths: tuple[float, float, float] | None = None
    parallels: tuple[float, float] | None = None

    @classmethod
    def of(cls, pieces: Iterable[Piece]) -> Habits:
        """Of these pieces."""
        shares, lengths, counts = [], np.zeros(3), np.zeros((2, 2))
        for piece in pieces:
            share = bars_occurring_twice(piece)
            if not math.isnan(share):
                shares.append(share)
                lengths[_length_class(piece)] += 1
            if len(voices_of(piece)) > 1:
                counts += [parallels(piece, interval) for interval in (FIFTH, OCTAVE)]
        found: dict[str, Any] = {}
        if shares:
            found["returning"] = float(np.mean(shares)), float(np.std(shares))
            found["lengths"] = tuple((lengths / lengths.sum()).tolist())
        if counts[0, 1] >= ENOUGH:
            found["parallels"] = tuple((counts[:, 0] / counts[:, 1]).tolist())
        return cls(**found)

    @classmethod
    def from_dict(cls, stored: Any) -> Habits:
        """What `to_dict` gave; what is not there, or is no such numbers, is not known."""
        named = stored if isinstance(stored, Mapping) else {}
        counts = {"returning": 2, "lengths": 3, "parallels": 2}
        return cls(**{name: _shares(named.get(name), count) for name, count in counts.items()})

    def to_dict(self) -> dict[str, Any]:
        """As it stands in a model file."""
        return {name: None if value is None else list(value) for name, value in asdict(self).items()}

    @property
    def avoids_parallels(self) -> bool:
        """Whether the voices avoid parallel fifths and octaves."""
        return self.parallels is not None and max(self.parallels) < AVOIDED

    def strangeness(self, piece: Piece) -> float:
        """How far the form of a piece is from what the corpus does, from 0; 0 if nothing is known.

        In standard deviations of the share of bars that return, and in nats by which its length is rarer than the commonest.
        """
        share, found = bars_occurring_twice(piece), 0.0
        if math.isnan(share):
            return math.inf if self.returning else 0.0
        if self.returning:
            mean, deviation = self.returning
            found += abs(share - mean) / max(deviation, 0.01)
        if self.lengths:
            found += math.log(max(self.lengths) / max(self.lengths[_length_class(piece)], 0.001))
        return found


def _length_class(piece: Piece) -> int:
    """0 for a number of bars that is a multiple of 8, 1 of 4 alone, 2 of neither."""
    bars = length_in_bars(piece)
    return 0 if bars % 8 == 0 else 1 if bars % 4 == 0 else 2


def _shares(stored: Any, count: int) -> Any:
    """So many numbers from 0 to 1; None if it is anything else."""
    is_so = isinstance(stored, list) and len(stored) == count and all(type(one) in (int, float) for one in stored)
    return tuple(map(float, stored)) if is_so and all(0 <= one <= 1 for one in stored) else None
