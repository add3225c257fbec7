"""The model's step in NumPy, for generation: the same numbers as `MelodyLSTM`, without torch.

What does not depend on the state is folded into tables once: the embeddings times the first layer's input weights, so that
a step adds up rows instead of multiplying. The sigmoid is (1 + tanh(x / 2)) / 2, the halves folded into the weights, so that
one `tanh` serves all four gates.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from melody.tokens.features import condition_sizes, feature_sizes
from melody.tokens.vocabulary import FIELDS, KIND, Vocabulary

Floats = NDArray[np.float32]


class State(NamedTuple):
    """h and c of each layer, (layers, streams, hidden)."""

    h: Floats
    c: Floats

    def take(self, streams: NDArray[np.int64]) -> State:
        """The state of those streams alone."""
        return State(self.h[:, streams], self.c[:, streams])


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
        self._input_offsets = np.cumsum([0, *vocabulary.sizes, *feature_sizes(vocabulary)])[:-1]
        self.predicted = [k for k, size in enumerate(vocabulary.sizes) if size > 1]
        self._fold_layers(weights)
        self._fold_heads(vocabulary, weights)

    def _fold_layers(self, weights: Mapping[str, NDArray]) -> None:
        layers = sum(name.startswith("lstm.weight_hh") for name in weights)
        self.hidden_size = weights["lstm.weight_hh_l0"].shape[1]
        # torch orders the gates input, forget, cell, output; all but the cell are sigmoids
        half = np.repeat(np.array([0.5, 0.5, 1.0, 0.5], np.float32), self.hidden_size)
        self._recurrent: list[Floats] = []  # each ([inputs +] hidden, 4 x hidden)
        self._bias: list[Floats] = []
        for i in range(layers):
            from_below, recurrent = weights[f"lstm.weight_ih_l{i}"], weights[f"lstm.weight_hh_l{i}"]
            if i == 0:
                self._table = np.ascontiguousarray((weights["embedding.weight"] @ from_below.T) * half)
                joined = recurrent
            else:
                joined = np.concatenate([from_below, recurrent], axis=1)
            self._recurrent.append(np.ascontiguousarray(joined.T * half))
            self._bias.append((weights[f"lstm.bias_ih_l{i}"] + weights[f"lstm.bias_hh_l{i}"]) * half)

    def _fold_heads(self, vocabulary: Vocabulary, weights: Mapping[str, NDArray]) -> None:
        heads = [f"heads.{FIELDS[k]}" for k in self.predicted]
        self._trunk = np.ascontiguousarray(np.concatenate([weights[f"{h}.trunk.weight"] for h in heads]).T)
        self._trunk_bias = np.concatenate([weights[f"{h}.trunk.bias"] for h in heads])
        self._known = {k: weights[f"{h}.known.weight"] for k, h in zip(self.predicted, heads)}
        told = condition_sizes(vocabulary)
        self._known_offsets = {
            k: np.cumsum([0, *vocabulary.sizes[:k], *told])[: k + len(told) - (k == KIND)] for k in self.predicted
        }
        self._output = {k: np.ascontiguousarray(weights[f"{h}.output.weight"].T) for k, h in zip(self.predicted, heads)}
        self._output_bias = {k: weights[f"{h}.output.bias"] for k, h in zip(self.predicted, heads)}

    def begin(self, streams: int) -> State:
        """The state before the first event."""
        shape = (len(self._recurrent), streams, self.hidden_size)
        return State(np.zeros(shape, np.float32), np.zeros(shape, np.float32))

    def step(self, inputs: NDArray[np.int64], state: State) -> tuple[Floats, State]:
        """Take in one event a stream, (streams, fields + features); gives the top layer's h and the new state."""
        size = self.hidden_size
        gates = self._table[inputs + self._input_offsets].sum(axis=1)
        h, c = np.empty_like(state.h), np.empty_like(state.c)
        below: Floats | None = None
        for i, (recurrent, bias) in enumerate(zip(self._recurrent, self._bias)):
            if below is None:
                gates += state.h[i] @ recurrent
            else:
                gates = np.concatenate([below, state.h[i]], axis=1) @ recurrent
            gates += bias
            np.tanh(gates, out=gates)
            cell = gates[:, 2 * size : 3 * size]
            forget, into, out = (gates[:, g * size : (g + 1) * size] * 0.5 + 0.5 for g in (1, 0, 3))
            c[i] = forget * state.c[i] + into * cell
            h[i] = out * np.tanh(c[i])
            below = h[i]
        return h[-1], State(h, c)

    def trunks(self, hidden: Floats) -> Floats:
        """What all heads make of the state, (streams, predicted fields x head size); computed once a step."""
        return hidden @ self._trunk + self._trunk_bias

    def logits(self, field: int, trunks: Floats, event: NDArray[np.int64], conditions: NDArray[np.int64]) -> Floats:
        """Logits of one field of the next event, (streams, field size), given its fields before and its conditions.

        `event` is (streams, fields), of which only the fields before `field` are looked at; `conditions` (streams,
        conditions), of which the kind does not see the last, `own`, and the time sees none.
        """
        number = self.predicted.index(field)
        size = self._output[field].shape[0]
        inner = trunks[:, number * size : (number + 1) * size]
        if field:
            offsets = self._known_offsets[field]
            known = np.concatenate([event[:, :field], conditions[:, : len(offsets) - field]], axis=1) + offsets
            inner = inner + self._known[field][known].sum(axis=1)
        return np.tanh(inner) @ self._output[field] + self._output_bias[field]
