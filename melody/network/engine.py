"""The step in NumPy: the same numbers as `MelodyLSTM`, at the speed at which the weights come from memory.

What does not depend on the state is folded into tables once: the embeddings times the first layer's input weights, so that
a step of a few streams adds up rows instead of multiplying. The rows are four times as wide as the embeddings, though, and
for many streams they come from memory more slowly than the product that they save is computed: then only embeddings are
added up. The sigmoid is (1 + tanh(x / 2)) / 2, the halves folded into the weights, so that one `tanh` serves all four gates.
Arrays are (cells, streams) inside: one product then serves a layer, since its input and its own state are neighbours, and
each gate is one contiguous block. The weights lie as torch has them for many streams and the other way for one or two, each
a product with a vector, which reads them a fifth to a third faster.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from melody.network.head_arrays import Heads
from melody.network.state import Floats, State
from melody.network.tables import starts, sums
from melody.tokens.features import feature_sizes
from melody.tokens.vocabulary import Vocabulary

_MANY = 12  # streams, from which on the first layer's inputs are multiplied
_MAX_TABLE = 2**26  # numbers, 256 MB: a larger table would save less time than it costs memory


class Engine:
    """The weights, folded, and one step of them.

    Parameters
    ----------
    vocabulary
        Of the events.
    weights
        The parameters of a `MelodyLSTM` under their names there.
    """

    def __init__(self, vocabulary: Vocabulary, weights: Mapping[str, NDArray]) -> None:
        self._input_offsets = starts(vocabulary.sizes + feature_sizes(vocabulary))
        self._heads = Heads(vocabulary, weights)
        self.predicted = self._heads.predicted
        self._fold_layers(vocabulary, weights)

    def _fold_layers(self, vocabulary: Vocabulary, weights: Mapping[str, NDArray]) -> None:
        layers = sum(name.startswith("lstm.weight_hh") for name in weights)
        self.hidden_size = size = weights["lstm.weight_hh_l0"].shape[1]
        # torch orders the gates input, forget, cell, output; all but the cell are sigmoids
        self._half = half = np.repeat(np.array([0.5, 0.5, 1.0, 0.5], np.float32), size)[:, None]
        self._bias = [(weights[f"lstm.bias_ih_l{i}"] + weights[f"lstm.bias_hh_l{i}"])[:, None] * half for i in range(layers)]
        self._embedding, self._into_first = weights["embedding.weight"], weights["lstm.weight_ih_l0"]
        self._num_times = vocabulary.sizes[0]
        self._layers: list[Floats] = [weights["lstm.weight_hh_l0"] * half]  # each (4 x hidden, [inputs +] hidden)
        for i in range(1, layers):
            joined = np.concatenate([weights[f"lstm.weight_ih_l{i}"], weights[f"lstm.weight_hh_l{i}"]], axis=1)
            joined *= half
            self._layers.append(joined)

    @cached_property
    def _table(self) -> Floats:
        """Of each token what it adds to the first layer's gates, and its embedding, (tokens, 4 x hidden + embedding)."""
        gates = len(self._half)
        table = np.empty((len(self._embedding), gates + self._embedding.shape[1]), np.float32)
        np.matmul(self._embedding, (self._into_first * self._half).T, out=table[:, :gates])
        table[:, gates:] = self._embedding
        table[: self._num_times, :gates] += self._bias[0].T  # every event has one time
        return table

    @cached_property
    def _layers_alone(self) -> list[Floats]:
        """The layers' weights as a vector is multiplied with them fastest."""
        return [np.asfortranarray(weights) for weights in self._layers]

    @cached_property
    def _layers_of_many(self) -> list[Floats]:
        """The layers' weights, the first one's with those of its inputs."""
        return [np.concatenate([self._into_first * self._half, self._layers[0]], axis=1), *self._layers[1:]]

    def _adds_embeddings(self, streams: int) -> bool:
        """Whether embeddings are added up and multiplied, not rows of the table that holds their products."""
        return streams >= _MANY or len(self._embedding) * (len(self._half) + self._embedding.shape[1]) > _MAX_TABLE

    def begin(self, streams: int) -> State:
        """The state before the first event."""
        cells = len(self._layers) * self.hidden_size
        return State({name: np.zeros((cells, streams), np.float32) for name in ("h", "c")})

    def step(self, inputs: NDArray[np.int64], state: State) -> tuple[Floats, State]:
        """Take in one event a stream, (streams, fields + features); gives what the heads see and the new state.

        They see the top layer's h and the event's embedding, (streams, hidden + embedding).
        """
        size, streams = self.hidden_size, len(inputs)
        rows = inputs + self._input_offsets
        multiplies = self._adds_embeddings(streams)
        told = sums(self._embedding if multiplies else self._table, rows).T
        embedded, first_bias = told[-self._embedding.shape[1] :], self._bias[0] if multiplies else told
        below, c = np.concatenate([embedded, state.h]), state.c.copy()  # what each layer takes in, and its own h behind it
        h = below[len(embedded) :]
        layers = self._layers_of_many if multiplies else self._layers if streams > 2 else self._layers_alone
        for i, (weights, bias) in enumerate(zip(layers, [first_bias[: 4 * size], *self._bias[1:]])):
            end = len(embedded) + (i + 1) * size
            gates = _product(
                weights, below[end - weights.shape[1] : end]
            )  # the layer below is new there, this one still old
            gates += bias
            _advance(gates, h[i * size : (i + 1) * size], c[i * size : (i + 1) * size])
        return np.concatenate([h[-size:], embedded]).T, State({"h": h, "c": c})

    def trunks(self, hidden: Floats) -> Floats:
        """What all heads make of what they see, (streams, heads x head size); computed once a step."""
        return self._heads.trunks(hidden)

    def logits(self, field: int, trunks: Floats, event: NDArray[np.int64], conditions: NDArray[np.int64]) -> Floats:
        """Logits of one field of the next event, (streams, field size), see `Heads.logits`."""
        return self._heads.logits(field, trunks, event, conditions)


def _product(weights: Floats, inputs: Floats) -> Floats:
    """(gates, inputs) times (inputs, streams); two streams as two vectors, which OpenBLAS multiplies faster."""
    if inputs.shape[1] != 2:
        return weights @ inputs
    gates = np.empty((2, len(weights)), np.float32)
    for vector, product in zip(inputs.T, gates):
        np.matmul(weights, vector, out=product)
    return np.ascontiguousarray(gates.T)


def _advance(gates: Floats, h: Floats, c: Floats) -> None:
    """One layer's h and c, (hidden, streams), from its gates, (4 x hidden, streams); all in place."""
    size = len(h)
    np.tanh(gates, out=gates)
    into, forget, cell, out = (gates[k * size : (k + 1) * size] for k in range(4))
    gates[: 2 * size] += 1  # twice the sigmoids
    out += 1
    c *= forget
    into *= cell
    c += into
    c *= 0.5
    np.tanh(c, out=h)
    h *= out
    h *= 0.5
