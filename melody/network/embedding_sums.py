"""Tables that hold the rows of several fields one below the other, and sums of their rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from melody.network.state import Floats

_CHUNK = 4  # streams whose rows are looked up at once: more would not stay in the cache
_PAD = 16  # rows a power of two apart share a place in the cache, which makes their transposition five times slower


def starts(sizes: tuple[int, ...]) -> NDArray[np.int64]:
    """Where each one's rows begin in a table that holds those of all."""
    return np.cumsum([0, *sizes])[:-1]


def sums(table: Floats, rows: NDArray[np.int64]) -> Floats:
    """Sums of rows of a table, (streams, rows) -> (streams, width)."""
    width, ones = table.shape[1], np.ones(rows.shape[1], np.float32)
    if len(rows) <= _CHUNK:
        return ones @ table.take(rows, axis=0)
    sums = np.empty((len(rows), width + _PAD), np.float32)[:, :width]
    for first in range(0, len(rows), _CHUNK):
        chunk = rows[first : first + _CHUNK]
        np.matmul(ones, table.take(chunk, axis=0), out=sums[first : first + _CHUNK])
    return sums
