"""The outlines of several pieces side by side, as arrays in which what they say of each one's bar is looked up at once."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from typing import ClassVar

import numpy as np

from melody.piece import Ints
from melody.tokens.inputs.outlines.harmony import UNKNOWN
from melody.tokens.inputs.outlines.outline import NOTHING, OF_A_BAR, Outline


class Outlines:
    """The outlines of several pieces side by side, or of none.

    Parameters
    ----------
    outlines
        Of each piece; None for none.
    kinds
        How many kinds of events there are, where it is asked for what each part does in a bar; 0 where it is not.
    """

    _per_stream: ClassVar[tuple[str, ...]] = ("has_pickup", "tonic", "know_players", "_last")

    def __init__(self, outlines: Sequence[Outline | None], kinds: int = 0) -> None:
        tables = [np.array([NOTHING]) if outline is None else outline.table for outline in outlines]
        self.has_pickup = np.array([outline is not None and outline.has_pickup for outline in outlines], bool)
        self.tonic = np.array([UNKNOWN if outline is None else outline.frame.tonic for outline in outlines], np.int64)
        self._last = np.array([len(table) - 1 for table in tables], np.int64)
        self._tables = np.zeros((len(tables), int(self._last.max(initial=0)) + 1, len(NOTHING)), np.int64)
        for number, table in enumerate(tables):
            self._tables[number, : len(table)] = table
        self.know_players = np.array([outline is not None and bool(outline.players) for outline in outlines], bool)
        self._playing = np.zeros((*self._tables.shape[:2], kinds, OF_A_BAR), np.int32)
        for number, outline in enumerate(outlines):
            if outline is not None and kinds:
                self._playing[number, : 2 + len(outline.letters)] = outline.playing(kinds)

    def __len__(self) -> int:
        return len(self._last)

    def __bool__(self) -> bool:
        """Whether any of the pieces has an outline."""
        return bool(self._last.any())

    def in_bars(self, bar: Ints) -> Ints:
        """What each says of its bar, (streams,) -> (streams, 15)."""
        found: Ints = self._tables[np.arange(len(bar)), np.minimum(bar + 1, self._last)]
        return found

    def playing_in(self, bar: Ints) -> Ints:
        """What each kind that is a part does in its bar, as `Outline.playing` has it, (`OF_A_BAR`, streams, kinds)."""
        found = self._playing[np.arange(len(bar)), np.minimum(bar + 1, self._last)]
        return np.moveaxis(found, 2, 0).astype(np.int64)

    def of_kind(self, bar: Ints, kind: Ints) -> Ints:
        """The same of one kind each, (`OF_A_BAR`, streams)."""
        found = self._playing[np.arange(len(bar)), np.minimum(bar + 1, self._last), kind]
        return found.T.astype(np.int64)

    def take(self, streams: Ints) -> Outlines:
        """Those of these pieces alone, in that order."""
        taken = copy(self)
        for name in (*self._per_stream, "_tables", "_playing"):
            setattr(taken, name, getattr(self, name)[streams])
        return taken

    def join(self, other: Outlines) -> Outlines:
        """These, and behind them those of others."""
        joined = copy(self)
        most = max(self._tables.shape[1], other._tables.shape[1])
        for name in self._per_stream:
            setattr(joined, name, np.concatenate([getattr(self, name), getattr(other, name)]))
        for name in ("_tables", "_playing"):
            padded = [_padded(getattr(each, name), most) for each in (self, other)]
            setattr(joined, name, np.concatenate(padded))
        return joined

    def put(self, streams: Ints, other: Outlines) -> Outlines:
        """These with others in those places."""
        order = np.arange(len(self))
        order[streams] = len(self) + np.arange(len(other))
        return self.join(other).take(order)


def _padded(table: Ints, bars: int) -> Ints:
    """What outlines say, with room for so many bars."""
    return np.pad(table, ((0, 0), (0, bars - table.shape[1]), *[(0, 0)] * (table.ndim - 2)))
