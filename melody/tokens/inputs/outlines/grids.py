"""In which places of a bar a part begins notes as a rule, and on which of them each drum is struck.

Who plays triplets plays triplets, and a snare has its beats: what a part plays is new from bar to bar, where its notes begin
hardly ever is. A model that has learnt from a hundred pieces knows all their grids, and mixes them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from melody.piece import Ints

SELDOM = 0.1  # of the bars in which a part plays, or a drum is struck: what comes in fewer is no rule
LONGEST_GRID = 1024  # ticks of a bar, those behind which are in no grid
Grid = tuple[int, ...]  # places, in ticks from the bar line


def grid(bar: Ints, place: Ints) -> Grid:
    """The places in which notes begin as a rule, of the bar and the place of each note."""
    pairs = np.unique(np.stack([bar, place]), axis=1)
    places, count = np.unique(pairs[1], return_counts=True)
    is_rule = (count >= SELDOM * len(np.unique(pairs[0]))) & (places < LONGEST_GRID)
    return tuple(places[is_rule].tolist())


class Grids:
    """The same as tables.

    Parameters
    ----------
    of_parts
        Of each part that is known, by its number.
    of_drums
        Of each drum, by its pitch from 0 for the lowest of the vocabulary.
    parts, pitches
        How many the vocabulary has.

    Attributes
    ----------
    is_known
        Of which parts there is a grid, (parts,).
    """

    def __init__(self, of_parts: Mapping[int, Grid], of_drums: Mapping[int, Grid], parts: int, pitches: int) -> None:
        self.is_known = np.isin(np.arange(parts), [part for part, places in of_parts.items() if places])
        self._parts, self._drums = _table(of_parts, parts), _table(of_drums, pitches)
        self._places = {part: tuple(places) for part, places in of_parts.items()}
        self._before = np.pad(self._parts.cumsum(axis=1), ((0, 0), (1, 0)))[:, :-1]

    def has(self, place: Ints) -> NDArray[np.bool_]:
        """Which parts have those places, (places,) -> (places, parts)."""
        return np.asarray(self._parts[:, np.minimum(place, self._parts.shape[1] - 1)].T)

    def of(self, part: int) -> Grid:
        """The places of a part; none if they are not known."""
        return self._places.get(part, ())

    def before(self, place: Ints) -> Ints:
        """How many places of its grid each part has before that place, (..., parts) or (..., 1) -> (..., parts)."""
        return np.asarray(self._before[np.arange(len(self._before)), np.minimum(place, self._before.shape[1] - 1)])

    def drums(self, place: int) -> NDArray[np.bool_]:
        """Which drums are struck there, (pitches,); all if none is."""
        found: NDArray[np.bool_] = self._drums[:, min(place, self._drums.shape[1] - 1)]
        return found if found.any() else np.ones_like(found)


def _table(grids: Mapping[int, Sequence[int]], count: int) -> NDArray[np.bool_]:
    """Which places each grid has, (count, places); the last place is in none."""
    longest = max((place for places in grids.values() for place in places), default=-1)
    found = np.zeros((count, longest + 2), bool)
    for number, places in grids.items():
        if 0 <= number < count:
            found[number, list(places)] = True
    return found
