"""Where a piece stands still: bars in which nothing changes any more, or in which all parts but one have fallen silent.

Conventions: bars are counted from tick 0, a pick-up is one, the last one is that in which the last note begins. What a bar
is are all notes that begin in it, drums among them: position, duration, pitch and part. A stretch is given by its first bar
and the bar behind its last.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from melody.piece import Piece

PARTS = 3  # that have to play in a piece before it can be left to one of them
_AT_MOST, _LEAST = 95, 8  # percentile of pieces: what they do as a rule at most; and bars that are never too many


class Stretch(NamedTuple):
    """Bars in a row: the first, and the one behind the last."""

    first: int
    stop: int

    @property
    def bars(self) -> int:
        """How many."""
        return self.stop - self.first


@dataclass(frozen=True)
class Patience:
    """For how many bars the pieces of a corpus stand still, as a rule at most; infinity where nothing is known.

    Parameters
    ----------
    unchanged, alone
        Of the longest stretch of each piece, see the functions of these names.
    """

    unchanged: float = math.inf
    alone: float = math.inf

    @classmethod
    def of(cls, pieces: Iterable[Piece]) -> Patience:
        """Of these pieces; the 95th percentile, at least 8 bars."""
        found = np.array([(unchanged(piece).bars, left_alone(piece).bars) for piece in pieces]).reshape(-1, 2)
        most = np.percentile(found, _AT_MOST, axis=0, method="higher") if len(found) else (math.inf, math.inf)
        return cls(*(max(bars, _LEAST) for bars in most))

    @classmethod
    def from_stored(cls, stored: Any) -> Patience:
        """What `stored` gave; what is no two whole numbers says nothing."""
        is_so = isinstance(stored, list) and len(stored) == 2 and all(type(one) is int and one > 0 for one in stored)
        return cls(*stored) if is_so else cls()

    def stored(self) -> list[int]:
        """As it stands in a model file; empty if nothing is known."""
        return [int(self.unchanged), int(self.alone)] if max(self.unchanged, self.alone) < math.inf else []

    def exceeded(self, piece: Piece, start: int = 0) -> Stretch | None:
        """The first stretch from that tick on in which a piece stands still for longer; None if there is none."""
        if min(self.unchanged, self.alone) == math.inf or not piece.num_notes:
            return None
        first = int(piece.bar_and_position([start])[0][0])
        found = [(unchanged(piece), self.unchanged), (left_alone(piece), self.alone)]
        own = [(Stretch(max(each.first, first), each.stop), most) for each, most in found]
        return min((stretch for stretch, most in own if stretch.bars > most), default=None)


def unchanged(piece: Piece) -> Stretch:
    """The longest stretch that one bar or two in turn fill, silent ones among them."""
    if not piece.num_notes:
        return Stretch(0, 0)
    bar, position = piece.bar_and_position(piece.onset)
    notes = np.stack([position, piece.duration, piece.pitch, piece.part])
    borders = np.searchsorted(bar, np.arange(int(bar.max()) + 2))
    bars = [notes[:, first:stop].tobytes() for first, stop in zip(borders.tolist(), borders[1:].tolist())]
    found = [
        Stretch(max(same.first - period, 0), same.stop)
        for period in (1, 2)
        for same in [_longest(np.array([now == before for before, now in zip(bars, bars[period:])]), period)]
    ]
    return max(found, key=lambda stretch: stretch.bars)


def left_alone(piece: Piece) -> Stretch:
    """The longest stretch in which one part sounds at most, after three or more have begun to play."""
    if not piece.num_notes:
        return Stretch(0, 0)
    starts, last = piece.bar_starts(), int(piece.onset.max())
    parts = np.unique(piece.part)
    first = np.sort([piece.onset[piece.part == part].min() for part in parts])
    lines = starts[starts <= last]
    sounds = np.zeros((len(parts), len(lines) + 1), np.int64)  # borders of what sounds, to be summed up
    begin = np.searchsorted(lines, piece.onset, "right") - 1
    end = np.maximum(np.searchsorted(lines, piece.end, "left"), begin + 1)
    row = np.searchsorted(parts, piece.part)
    np.add.at(sounds, (row, begin), 1)
    np.add.at(sounds, (row, end), -1)
    playing = (np.cumsum(sounds, axis=1)[:, :-1] > 0).sum(axis=0)
    is_band = lines > first[PARTS - 1] if len(parts) >= PARTS else np.zeros(len(lines), bool)
    return _longest((playing <= 1) & is_band, 0)


def _longest(mask: NDArray[np.bool_], shift: int) -> Stretch:
    """The longest run of what is true, so much later."""
    borders = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(int)))
    runs = [Stretch(first + shift, stop + shift) for first, stop in borders.reshape(-1, 2).tolist()]
    return max(runs, key=lambda run: run.bars, default=Stretch(shift, shift))
