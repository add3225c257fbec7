"""What a corpus does as a rule: where its voices avoid parallel fifths and octaves, new ones have to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from melody.piece import Piece
from melody.statistics.part_writing import FIFTH, OCTAVE, parallels, voices_of

AVOIDED = 0.01  # parallels a change of chord; voices that know nothing of one another have three times as many
ENOUGH = 200  # changes of chord, for a rate to mean anything


@dataclass(frozen=True)
class Habits:
    """What a corpus does as a rule.

    Parameters
    ----------
    parallels
        Parallel fifths and octaves (`melody.statistics.part_writing.parallels`) a change of chord; None if there are not
        enough voices to tell.
    """

    parallels: tuple[float, float] | None = None

    @classmethod
    def of(cls, pieces: Iterable[Piece]) -> Habits:
        """Of these pieces."""
        counts = np.zeros((2, 2))
        for piece in pieces:
            if len(voices_of(piece)) > 1:
                counts += [parallels(piece, interval) for interval in (FIFTH, OCTAVE)]
        fifths, octaves = (counts[:, 0] / np.maximum(counts[:, 1], 1)).tolist()
        return cls((fifths, octaves) if counts[0, 1] >= ENOUGH else None)

    @classmethod
    def from_dict(cls, stored: Any) -> Habits:
        """What `to_dict` gave; what is not there, or is no such numbers, is not known."""
        named = stored if isinstance(stored, Mapping) else {}
        return cls(_shares(named.get("parallels")))

    def to_dict(self) -> dict[str, Any]:
        """As it stands in a model file."""
        return {name: None if value is None else list(value) for name, value in asdict(self).items()}

    @property
    def avoids_parallels(self) -> bool:
        """Whether the voices avoid parallel fifths and octaves."""
        return self.parallels is not None and max(self.parallels) < AVOIDED


def _shares(stored: Any) -> Any:
    """Two numbers from 0 to 1; None if it is anything else."""
    is_so = isinstance(stored, list) and len(stored) == 2 and all(type(one) in (int, float) for one in stored)
    return tuple(map(float, stored)) if is_so and all(0 <= one <= 1 for one in stored) else None
