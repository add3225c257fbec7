"""The step in NumPy: the same numbers as `MelodyLSTM`, at the speed at which the weights come from memory.

What does not depend on the state is folded into tables once: the embeddings times the first layer's input weights, so that
a step adds up rows instead of multiplying. The sigmoid is (1 + tanh(x / 2)) / 2, the halves folded into the weights, so that
one `tanh` serves all four gates. Arrays are (cells, streams) inside: one product then serves a layer, since its input and
its own state are neighbours in h, and each gate is one contiguous block. The weights lie as torch has them for many streams
and the other way for one, which reads them a fifth to a third faster.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from melody.engine.heads import Heads
from melody.engine.state import Floats, State, silence
from melody.engine.tables import starts, sums
from melody.tokens.features import feature_sizes
from melody.tokens.vocabulary import Vocabulary


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
        half = np.repeat(np.array([0.5, 0.5, 1.0, 0.5], np.float32), size)[:, None]
        bias = [(weights[f"lstm.bias_ih_l{i}"] + weights[f"lstm.bias_hh_l{i}"])[:, None] * half for i in range(layers)]
        embedding = weights["embedding.weight"]
        self._table = np.empty((len(embedding), 4 * size + embedding.shape[1]), np.float32)  # gates, embedding
        np.matmul(embedding, (weights["lstm.weight_ih_l0"] * half).T, out=self._table[:, : 4 * size])
        self._table[:, 4 * size :] = embedding
        self._table[: vocabulary.sizes[0], : 4 * size] += bias[0].T  # every event has one time
        self._bias: list[Floats | None] = [None, *bias[1:]]
        self._layers: list[Floats] = [weights["lstm.weight_hh_l0"] * half]  # each (4 x hidden, [inputs +] hidden)
        for i in range(1, layers):
            joined = np.concatenate([weights[f"lstm.weight_ih_l{i}"], weights[f"lstm.weight_hh_l{i}"]], axis=1)
            joined *= half
            self._layers.append(joined)

    @cached_property
    def _layers_alone(self) -> list[Floats]:
        """The layers' weights as one stream reads them fastest."""
        return [np.asfortranarray(weights) for weights in self._layers]

    def begin(self, streams: int) -> State:
        """The state before the first event."""
        return silence(len(self._layers) * self.hidden_size, streams)

    def step(self, inputs: NDArray[np.int64], state: State) -> tuple[Floats, State]:
        """Take in one event a stream, (streams, fields + features); gives what the heads see and the new state.

        They see the top layer's h and the event's embedding, (streams, hidden + embedding).
        """
        size = self.hidden_size
        told = sums(self._table, inputs + self._input_offsets).T
        h, c = state.h.copy(), state.c.copy()
        layers = self._layers if len(inputs) > 1 else self._layers_alone
        for i, (weights, bias) in enumerate(zip(layers, self._bias)):
            own = slice(i * size, (i + 1) * size)
            gates = weights @ h[max(own.start - size, 0) : own.stop]  # the layer below is new there, this one still old
            gates += told[: 4 * size] if bias is None else bias
            _advance(gates, h[own], c[own])
        return np.concatenate([h[-size:], told[4 * size :]]).T, State(h, c)

    def trunks(self, hidden: Floats) -> Floats:
        """What all heads make of what they see, (streams, heads x head size); computed once a step."""
        return self._heads.trunks(hidden)

    def logits(self, field: int, trunks: Floats, event: NDArray[np.int64], conditions: NDArray[np.int64]) -> Floats:
        """Logits of one field of the next event, (streams, field size), see `Heads.logits`."""
        return self._heads.logits(field, trunks, event, conditions)


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
