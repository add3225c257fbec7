"""Places in long tunes from which they can be gone on with in another way: bar lines, remembered as streams come to them.

Most of what is wrong with a long tune is how it ends. To write two thousand events again because the last one is no tonic
costs as much as all the tune did, and is as likely to fail again; the last bars cost next to nothing. Where the model has
ended it once, there it ends again: a tune that is gone on with has no reason to come to its end in these bars otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from melody.piece import Ints
from melody.sampling.decoder import Frontier
from melody.tokens.vocabulary import Rows

LONG = 400  # events, from which on a tune is gone on with from a place in it
_LOOK = 8  # bars, after which it is looked whether a tune stands still
_LATEST, _EVERY, _FARTHEST = 4, 4, 32  # bars: each of the latest is kept, of those before one in so many, none beyond


@dataclass(frozen=True, eq=False)
class Place:
    """Where a tune stands before the first event of a bar.

    Parameters
    ----------
    bar
        Its number.
    rows
        The events before, (events, 5).
    frontier
        One stream that has come there.
    weights, ending_nats
        What is known of these events, as streams keep it.
    until
        The tick by which who goes on from there ends; None if nobody knows.
    alone
        What the network makes of these events if it reads them alone, once somebody has asked for it; its masks are none.
    """

    bar: int
    rows: Rows
    frontier: Frontier
    weights: NDArray[np.float64]
    ending_nats: float
    until: int | None = None
    alone: list[Frontier] = field(default_factory=list)

    def begin(self) -> Frontier:
        """One stream that goes on from there."""
        begun = self.frontier.take(np.zeros(1, np.int64))
        if self.until is not None:
            begun.masks.end_by(np.array([self.until]))
        return begun


def _is_kept(back: int, bar: int) -> bool:
    return back < _LATEST or (bar % _EVERY == 0 and back < _FARTHEST)


class Places:
    """The places that streams have come to, once they are about to be long."""

    def __init__(self) -> None:
        self._bar = np.zeros(0, np.int64)  # that each stream is in
        self._kept: list[list[Place]] = []
        self._pinned: list[int | None] = []  # the bar of a place that is kept in any case

    def begin(self, bars: list[int]) -> None:
        """So many streams more, which stand in these bars."""
        self._bar = np.append(self._bar, bars).astype(np.int64)
        self._kept += [[] for _ in bars]
        self._pinned += [None for _ in bars]

    def take(self, streams: Ints) -> None:
        """Go on with those streams alone."""
        self._bar, self._kept = self._bar[streams], [self._kept[i] for i in streams.tolist()]
        self._pinned = [self._pinned[i] for i in streams.tolist()]

    def pin(self, stream: int, bar: int) -> None:
        """Keep the last place of a stream that is not behind that bar, whatever comes; the first one that is asked for."""
        if self._pinned[stream] is None:
            self._pinned[stream] = max((place.bar for place in self._kept[stream] if place.bar <= bar), default=None)

    def come_to(self, bars: Ints, count: Ints, place: Callable[[int, int], Place]) -> list[int]:
        """Streams that have had so many events come to their next one, in these bars; gives `place` a stream and a bar.

        Gives those streams that are to be looked at, as they are after every eighth bar.
        """
        looked_at = np.flatnonzero((bars // _LOOK > self._bar // _LOOK) & (2 * count >= LONG)).tolist()
        for stream in np.flatnonzero((bars > self._bar) & (2 * count >= LONG)).tolist():
            bar = int(bars[stream])
            kept = [p for p in self._kept[stream] if _is_kept(bar - p.bar, p.bar) or p.bar == self._pinned[stream]]
            self._kept[stream] = [*kept, place(stream, bar)]
        self._bar = np.maximum(self._bar, bars)
        return looked_at

    def of(self, stream: int, until: int | None) -> tuple[Place, ...]:
        """Those of one stream, the first one first, from each of which the tune is to end by that tick."""
        return tuple(replace(place, until=until) for place in self._kept[stream])
