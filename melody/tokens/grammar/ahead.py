"""What may come next at each time, looked for once in each state that streams have been in."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
State = tuple[int | bytes, ...]  # all that decides what may come next, where all durations are implied
_KNOWN_BYTES = 2**24  # of what may come in states that are known


class Ahead(NamedTuple):
    """What may come at each time token but END.

    Parameters
    ----------
    kinds
        Which kinds are legal, (streams, shifts, kinds).
    play, rest
        Which parts may play and which may rest, (streams, shifts, parts).
    times
        At which times there is anything, (streams, shifts).
    """

    kinds: Mask
    play: Mask
    rest: Mask
    times: Mask

    def at(self, time: NDArray[np.int64]) -> Ahead:
        """The same at one time token a stream, (streams, kinds), (streams, parts) twice, (streams,)."""
        number = np.arange(len(time)), np.maximum(time - 1, 0)
        return Ahead(*(mask[number] for mask in self))


class Known:
    """What may come in each state that streams have been in, looked for once.

    Where the durations of all parts are implied no note's end has to be known, and there are few different states: music of
    any length goes through the same few hundred. Each is a row of these arrays, which nobody may change.

    Parameters
    ----------
    row
        Bytes that the masks of a state take.
    """

    def __init__(self, row: int) -> None:
        self._most = max(_KNOWN_BYTES // row, 1)  # states
        self._numbers: dict[State, int] = {}
        self._masks: tuple[Mask, ...] = ()

    def ahead(self, states: list[State], look: Callable[[NDArray[np.int64]], tuple[Mask, ...]]) -> list[Mask]:
        """The masks of streams in these states; `look` finds those of some of the streams."""
        new = {state: stream for stream, state in enumerate(states) if state not in self._numbers}
        if new and len(new) + len(self._numbers) > self._most:
            self._numbers, self._masks, new = {}, (), {state: stream for stream, state in enumerate(states)}
        if new:
            self._learn(list(new), look(np.array(list(new.values()))))
        if len(states) == 1:
            number = self._numbers[states[0]]
            return [mask[number : number + 1] for mask in self._masks]
        numbers = np.array([self._numbers[state] for state in states], np.int64)  # also of no streams
        return [mask[numbers] for mask in self._masks]

    def _learn(self, states: list[State], masks: tuple[Mask, ...]) -> None:
        self._numbers.update({state: len(self._numbers) + i for i, state in enumerate(states)})
        self._masks = tuple(map(np.concatenate, zip(self._masks, masks))) if self._masks else masks
        for mask in self._masks:
            mask.flags.writeable = False
