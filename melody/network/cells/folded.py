"""What the NumPy steps of cells share: products at the speed at which weights come from memory.

What an event adds to the first layer does not depend on the state. It is folded into a table once, embeddings times input
weights, so that a step of a few streams adds up rows instead of multiplying. The rows are several times as wide as the
embeddings, though, and for many streams they come from memory more slowly than the product that they save is computed: then
embeddings are added up and multiplied.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from melody.network.cells.cell import Step
from melody.network.embedding_sums import sums
from melody.network.state import Floats, State

_MANY = 12  # streams, from which on the first layer's inputs are multiplied
_MAX_TABLE = 2**26  # numbers, 256 MB: a larger table would save less time than it costs memory


class Inputs:
    """What events add to the first layer.

    Parameters
    ----------
    embedding
        (tokens, embedding).
    weights
        The first layer's input weights, (products, embedding).
    bias
        What is added to them, (products, 1).
    num_times
        How many of the first tokens are times; each event has exactly one of them, and with it the bias.
    """

    def __init__(self, embedding: Floats, weights: Floats, bias: Floats, num_times: int) -> None:
        self._embedding, self._weights, self._bias, self._num_times = embedding, weights, bias, num_times

    def are_multiplied(self, streams: int) -> bool:
        """Whether embeddings are added up and are to be multiplied, not rows of the table that holds their products."""
        return streams >= _MANY or len(self._embedding) * (len(self._weights) + self._embedding.shape[1]) > _MAX_TABLE

    def embedded(self, rows: NDArray[np.int64]) -> Floats:
        """Sums of embeddings, (streams, rows) -> (embedding, streams)."""
        return sums(self._embedding, rows).T

    def products(self, rows: NDArray[np.int64]) -> tuple[Floats, Floats]:
        """Products and bias, (products, streams), and sums of embeddings, (embedding, streams)."""
        found = sums(self._table, rows).T
        return found[: len(self._weights)], found[len(self._weights) :]

    @cached_property
    def _table(self) -> Floats:
        """Of each token what it adds to the products, and its embedding, (tokens, products + embedding)."""
        products = len(self._weights)
        table = np.empty((len(self._embedding), products + self._embedding.shape[1]), np.float32)
        np.matmul(self._embedding, self._weights.T, out=table[:, :products])
        table[:, products:] = self._embedding
        table[: self._num_times, :products] += self._bias.T
        return table


class Matrix:
    """Weights, (outputs, inputs): as torch has them for many streams, the other way for one or two.

    Those are products with a vector each, which read the weights a fifth to a third faster that way.
    """

    def __init__(self, weights: Floats) -> None:
        self._weights = weights

    @cached_property
    def _alone(self) -> Floats:
        return np.asfortranarray(self._weights)

    def times(self, inputs: Floats) -> Floats:
        """(inputs, streams) -> (outputs, streams); two streams as two vectors, which OpenBLAS multiplies faster."""
        streams = inputs.shape[1]
        if streams > 2:
            return self._weights @ inputs
        if streams != 2:
            return self._alone @ inputs
        products = np.empty((2, len(self._weights)), np.float32)
        for vector, product in zip(inputs.T, products):
            np.matmul(self._alone, vector, out=product)
        return np.ascontiguousarray(products.T)


class FoldedStep(Step):
    """A step of layers whose inputs are multiplied apart from their state.

    Parameters
    ----------
    embedding
        (tokens, embedding).
    layers
        Of each, the lowest first, the weights of what it takes in, (products, inputs), and what is added, (products,).
    num_times
        See `Inputs`.
    """

    def __init__(self, embedding: Floats, layers: Sequence[tuple[Floats, Floats]], num_times: int) -> None:
        self._into = [Matrix(weights) for weights, _ in layers]
        self._bias = [bias[:, None] for _, bias in layers]
        self._inputs = Inputs(embedding, layers[0][0], self._bias[0], num_times)

    @abstractmethod
    def advance(self, number: int, taken: Floats, state: Mapping[str, Floats]) -> Floats:
        """One layer; gives its output, (hidden, streams).

        Parameters
        ----------
        number
            Which one, from 0.
        taken
            The products of what it takes in, with what is added to them, (products, streams); may be written over.
        state
            Its arrays, (hidden, streams), which are changed in place.
        """

    def __call__(self, rows: NDArray[np.int64], state: State) -> tuple[Floats, State]:
        """See `Step`."""
        if self._inputs.are_multiplied(len(rows)):
            embedded = self._inputs.embedded(rows)
            taken = self._taken(0, embedded)
        else:
            taken, embedded = self._inputs.products(rows)
        output, after = self._through(taken, state)
        return np.concatenate([output, embedded]).T, after

    def of_inputs(self, inputs: Floats, state: State) -> tuple[Floats, State]:
        """See `Step.of_inputs`."""
        return self._through(self._taken(0, inputs), state)

    def _taken(self, number: int, below: Floats) -> Floats:
        taken = self._into[number].times(below)
        taken += self._bias[number]
        return taken

    def _through(self, taken: Floats, state: State) -> tuple[Floats, State]:
        """All layers, from the products of the first one's inputs."""
        arrays, layers = {name: state[name].copy() for name in state}, len(self._into)
        size = len(next(iter(arrays.values()))) // layers
        for number in range(layers):
            own = {name: array[number * size : (number + 1) * size] for name, array in arrays.items()}
            output = self.advance(number, taken, own)
            if number + 1 < layers:
                taken = self._taken(number + 1, output)
        return output, State(arrays)
