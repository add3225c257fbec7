"""The LSTM (Hochreiter and Schmidhuber 1997), with the forget gate of Gers et al. (2000).

    i, f, o = sigmoid(W x + U h + b), of each its own W, U and b        g = tanh(W x + U h + b)
    c' = f * c + i * g        h' = o * tanh(c')

torch keeps the four blocks in the order i, f, g, o. The forget gate's bias begins at 1 (Jozefowicz et al. 2015).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from melody.network.cells.cell import Step, Weights
from melody.network.cells.folded import Inputs, Matrix
from melody.network.cells.stacked import Stacked, layer
from melody.network.graph import Graph
from melody.network.state import Floats, State

if TYPE_CHECKING:
    from torch import Tensor, nn


class LSTM(Stacked):
    """Layers of LSTM cells; the state is h and c."""

    title = "LSTM"
    blocks = 4
    arrays = ("h", "c")
    gate_blocks: ClassVar[Mapping[str, int]] = {"input": 0, "forget": 1, "output": 3}

    @staticmethod
    def torch_class() -> type[nn.RNNBase]:
        """`torch.nn.LSTM`."""
        from torch import nn

        return nn.LSTM

    def set_bias(self, blocks: Tensor) -> None:
        """The forget gates begin open."""
        blocks[1] = 1.0

    def step(self, embedding: Floats, weights: Weights, num_times: int) -> Step:
        """See `Cell.step`."""
        return _Step(embedding, [layer(weights, i) for i in range(self.sizes.layers)], num_times)

    def onnx_inputs(self, weights: Weights) -> Floats:
        """See `Cell.onnx_inputs`."""
        return _sigmoids_first(weights["weight_ih_l0"])

    def onnx_step(self, graph: Graph, weights: Weights, inputs: str, state: Mapping[str, str]) -> str:
        """See `Cell.onnx_step`."""
        sizes = [self.sizes.hidden] * self.sizes.layers
        h, c = graph.split(state["h"], sizes), graph.split(state["c"], sizes)
        for i in range(self.sizes.layers):
            into, recurrent, *biases = layer(weights, i)
            bias = _sigmoids_first(biases[0] + biases[1])
            if i == 0:
                own = graph.product(graph.rounded(h[0]), _sigmoids_first(recurrent), bias)
                gates = graph.add("Add", own, inputs)
            else:
                joined = _sigmoids_first(np.concatenate([into, recurrent], axis=1))
                gates = graph.product(graph.rounded(graph.joined(h[i - 1], h[i])), joined, bias)
            h[i], c[i] = self._onnx_layer(graph, gates, c[i])
        graph.add("Concat", *h, outputs=["h_next"], axis=1)
        graph.add("Concat", *c, outputs=["c_next"], axis=1)
        return h[-1]

    def _onnx_layer(self, graph: Graph, gates: str, c: str) -> tuple[str, str]:
        """One layer's new h and c from its gates."""
        size = self.sizes.hidden
        sigmoids, cell = graph.split(gates, [3 * size, size])
        into, forget, out = graph.split(graph.add("Sigmoid", sigmoids), [size] * 3)
        kept = graph.add("Mul", forget, c)
        c = graph.add("Add", kept, graph.add("Mul", into, graph.add("Tanh", cell)))
        return graph.add("Mul", out, graph.add("Tanh", c)), c


class _Step(Step):
    """The sigmoid is (1 + tanh(x / 2)) / 2, the halves folded into the weights, so that one `tanh` serves all four gates.

    A layer's inputs and its own h are neighbours in one array, so that one product serves both.
    """

    def __init__(self, embedding: Floats, layers: list[tuple[Floats, Floats, Floats, Floats]], num_times: int) -> None:
        size = layers[0][1].shape[1]
        half = np.repeat(np.array([0.5, 0.5, 1.0, 0.5], np.float32), size)[:, None]  # the third is no sigmoid
        self._bias = [(of_inputs + of_state)[:, None] * half for _, _, of_inputs, of_state in layers]
        self._into_first, self._recurrent_first = layers[0][0] * half, layers[0][1] * half
        self._inputs = Inputs(embedding, self._into_first, self._bias[0], num_times)
        joined = [np.concatenate([into, recurrent], axis=1) * half for into, recurrent, _, _ in layers[1:]]
        self._layers = [Matrix(weights) for weights in (self._recurrent_first, *joined)]
        self._widths = [size, *(weights.shape[1] for weights in joined)]
        self._size = size

    @cached_property
    def _first_of_many(self) -> Matrix:
        """The first layer's weights with those of its inputs."""
        return Matrix(np.concatenate([self._into_first, self._recurrent_first], axis=1))

    def __call__(self, rows: NDArray[np.int64], state: State) -> tuple[Floats, State]:
        size = self._size
        if self._inputs.are_multiplied(len(rows)):
            embedded = self._inputs.embedded(rows)
            output, after = self.of_inputs(embedded, state)
        else:
            bias, embedded = self._inputs.products(rows)
            output, after = self._through(embedded, bias, self._layers[0], size, state)
        return np.concatenate([output, embedded]).T, after

    def of_inputs(self, inputs: Floats, state: State) -> tuple[Floats, State]:
        """See `Step.of_inputs`."""
        return self._through(inputs, self._bias[0], self._first_of_many, len(inputs) + self._size, state)

    def _through(self, embedded: Floats, bias: Floats, first: Matrix, width: int, state: State) -> tuple[Floats, State]:
        """All layers; `first` is the first one's weights of so many numbers, the last of which are its own h."""
        size = self._size
        below, c = np.concatenate([embedded, state["h"]]), state["c"].copy()  # what each layer takes in, its own h behind it
        h, end = below[len(embedded) :], len(embedded) + size
        _advance(first.times(below[end - width : end]), bias, h[:size], c[:size])
        for i in range(1, len(self._layers)):
            end += size  # the layer below is new there, this one still old
            gates = self._layers[i].times(below[end - self._widths[i] : end])
            _advance(gates, self._bias[i], h[i * size : (i + 1) * size], c[i * size : (i + 1) * size])
        return h[-size:], State({"h": h, "c": c})


def _advance(gates: Floats, bias: Floats, h: Floats, c: Floats) -> None:
    """One layer's h and c, (hidden, streams), from its gates, (4 x hidden, streams); all in place."""
    size = len(h)
    gates += bias
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


def _sigmoids_first(blocks: Floats) -> Floats:
    """The order of torch, i, f, g, o, with g last, so that the three sigmoids are neighbours."""
    into, forget, cell, out = np.split(blocks, 4)
    return np.concatenate([into, forget, out, cell])
