"""What an engine carries from one event to the next: named arrays, in each of them the streams last.

Which arrays there are, and of what shape, is the cell's own affair (`melody.network.cells`): whoever carries a state from
step to step takes, joins and puts streams without a look at them.

An array of two axes, (cells, streams), is as large after any number of events. One of three, (steps, cells, streams), grows
by a step an event, as what an attention remembers does: its last step is the latest one. Where streams of different ages
come together, the younger ones are padded with zeros in front, so that the latest steps stand side by side; a cell that must
tell padding from memory keeps the number of steps of each stream in an array of its own, (1, streams).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


class State:
    """The state of some streams after the same event of each, or after different ones.

    Parameters
    ----------
    arrays
        By name: (cells, streams), or (steps, cells, streams) if it grows.

    Notes
    -----
    Whoever was given a state can keep it and go on from it more than once: nothing but `put` changes one, and `put` is for
    who made the state, with `take`, `join` or `copy`.
    """

    def __init__(self, arrays: Mapping[str, Floats]) -> None:
        self._arrays = dict(arrays)

    def __getitem__(self, name: str) -> Floats:
        return self._arrays[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def take(self, streams: NDArray[np.int64]) -> State:
        """A state of those streams alone, in that order; a stream may be named more than once."""
        return State({name: array.take(streams, axis=-1) for name, array in self._arrays.items()})

    def join(self, other: State) -> State:
        """A state of these streams, and behind them those of another one."""
        pairs = {name: _same_steps(array, other[name]) for name, array in self._arrays.items()}
        return State({name: np.concatenate(pair, axis=-1) for name, pair in pairs.items()})

    def put(self, streams: NDArray[np.int64], other: State) -> None:
        """Replace those streams, in that order, by those of another state, in place."""
        for name, array in self._arrays.items():
            self._arrays[name], new = _same_steps(array, other[name])
            self._arrays[name][..., streams] = new

    def copy(self) -> State:
        """A state of the same numbers that can be changed without changing this one."""
        return State({name: array.copy() for name, array in self._arrays.items()})


def _same_steps(one: Floats, other: Floats) -> tuple[Floats, Floats]:
    """Both, the one of fewer steps padded with zeros in front."""
    if one.ndim < 3 or len(one) == len(other):
        return one, other
    steps = max(len(one), len(other))
    return _padded(one, steps), _padded(other, steps)


def _padded(array: Floats, steps: int) -> Floats:
    return np.pad(array, [(steps - len(array), 0), (0, 0), (0, 0)])
