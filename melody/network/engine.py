"""What generates music from weights, without torch: the engine that any is taken for, and the one in NumPy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from melody.network.around import recognised
from melody.network.embedding_sums import starts
from melody.network.head_arrays import Heads
from melody.network.settings import features_of, input_sizes
from melody.network.state import Floats, State
from melody.tokens.vocabulary import Vocabulary

Ints = NDArray[np.int64]


class AnyEngine(Protocol):
    """A model's step and heads."""

    @property
    def predicted(self) -> Sequence[int]:
        """The fields that the model predicts: those of more than one token."""

    def begin(self, streams: int) -> State:
        """The state before the first event."""

    def step(self, inputs: Ints, state: State) -> tuple[Floats, State]:
        """Take in one event a stream, (streams, fields + features).

        Gives the cell's output and the event's embedding side by side, (streams, hidden + embedding), and the new state.
        """

    def head_layers(self, hidden: Floats) -> Floats:
        """The first layer of all heads, (streams, heads x head size), from what `step` gives; computed once a step."""

    def logits(self, field: int, trunks: Floats, event: Ints, conditions: Ints) -> Floats:
        """Logits of one field of the next event, (streams, field size), see `melody.network.head_arrays.Heads.logits`."""


class Engine:
    """The same numbers as `MelodyNetwork`, in NumPy, at the speed at which the weights come from memory.

    Parameters
    ----------
    vocabulary
        Of the events.
    weights
        The parameters of a `MelodyNetwork` under their names there.

    Raises
    ------
    ModelFileError
        If they are those of no cell that is known.
    """

    def __init__(self, vocabulary: Vocabulary, weights: Mapping[str, Floats]) -> None:
        self._cell, own = recognised(weights)
        self._step = self._cell.step(weights["embedding.weight"], own, vocabulary.sizes[0])
        self._input_offsets = starts(input_sizes(vocabulary, features_of(vocabulary, weights)))
        self._heads = Heads(vocabulary, weights)
        self.predicted = self._heads.predicted
        self.head_layers, self.logits = self._heads.head_layers, self._heads.logits

    def begin(self, streams: int) -> State:
        """The state before the first event."""
        return self._cell.begin(streams)

    def step(self, inputs: Ints, state: State) -> tuple[Floats, State]:
        """Take in one event a stream, see `AnyEngine.step`."""
        return self._step(inputs[:, : len(self._input_offsets)] + self._input_offsets, state)


class Begun:
    """An engine that begins every piece from a state of its own.

    Parameters
    ----------
    engine
        What computes.
    initial
        The arrays of the state by name, (height,) each.
    """

    def __init__(self, engine: AnyEngine, initial: Mapping[str, Floats]) -> None:
        self._initial, self.predicted = initial, engine.predicted
        self.step, self.head_layers, self.logits = engine.step, engine.head_layers, engine.logits

    def begin(self, streams: int) -> State:
        """The state before the first event."""
        return State({name: np.tile(array[:, None], streams) for name, array in self._initial.items()})
