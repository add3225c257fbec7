"""What an engine carries from one event to the next."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


class State(NamedTuple):
    """h and c of all layers, the lowest first, (layers x hidden, streams)."""

    h: Floats
    c: Floats

    def take(self, streams: NDArray[np.int64]) -> State:
        """The state of those streams alone, in that order; a stream may be named more than once."""
        return State(self.h.take(streams, axis=1), self.c.take(streams, axis=1))

    def join(self, other: State) -> State:
        """These streams, and behind them those of another state."""
        return State(np.concatenate([self.h, other.h], axis=1), np.concatenate([self.c, other.c], axis=1))


def silence(cells: int, streams: int) -> State:
    """The state before the first event."""
    return State(np.zeros((cells, streams), np.float32), np.zeros((cells, streams), np.float32))
