"""The gated recurrent unit (Cho et al. 2014), the reset gate on the recurrent product, as torch and cuDNN have it.

    r, z = sigmoid(W x + b + U h + d), of each its own        n = tanh(W x + b + r * (U h + d))
    h' = (1 - z) * n + z * h

torch keeps the three blocks in the order r, z, n.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from melody.network.cells.cell import Step, Weights
from melody.network.cells.folded import FoldedStep, Matrix
from melody.network.cells.stacked import Stacked, layer
from melody.network.graph import Graph
from melody.network.state import Floats

if TYPE_CHECKING:
    from torch import nn


class GRU(Stacked):
    """Layers of gated recurrent units; the state is h."""

    title = "GRU"
    blocks = 3
    arrays = ("h",)
    gate_blocks: ClassVar[Mapping[str, int]] = {"reset": 0, "update": 1}

    @staticmethod
    def torch_class() -> type[nn.RNNBase]:
        """`torch.nn.GRU`."""
        from torch import nn

        return nn.GRU

    def step(self, embedding: Floats, weights: Weights, num_times: int) -> Step:
        """See `Cell.step`."""
        return _Step(embedding, [layer(weights, i) for i in range(self.sizes.layers)], num_times)

    def onnx_step(self, graph: Graph, weights: Weights, inputs: str, state: Mapping[str, str]) -> str:
        """See `Cell.onnx_step`."""
        h = graph.split(state["h"], [self.sizes.hidden] * self.sizes.layers)
        for i in range(self.sizes.layers):
            into, recurrent, *biases = layer(weights, i)
            of_inputs, of_state = _split_bias(*biases)
            if i == 0:
                taken = graph.add("Add", inputs, graph.constant(of_inputs))
            else:
                taken = graph.product(graph.rounded(h[i - 1]), into, of_inputs)
            own = graph.product(graph.rounded(h[i]), recurrent, of_state)
            h[i] = self._onnx_layer(graph, taken, own, h[i])
        graph.add("Concat", *h, outputs=["h_next"], axis=1)
        return h[-1]

    def _onnx_layer(self, graph: Graph, taken: str, own: str, h: str) -> str:
        """One layer's new h from the products of what it takes in and of its own h."""
        size = self.sizes.hidden
        (gates, new), (own_gates, own_new) = (graph.split(name, [2 * size, size]) for name in (taken, own))
        reset, keep = graph.split(graph.add("Sigmoid", graph.add("Add", gates, own_gates)), [size, size])
        new = graph.add("Tanh", graph.add("Add", new, graph.add("Mul", reset, own_new)))
        return graph.add("Add", new, graph.add("Mul", keep, graph.add("Sub", h, new)))


class _Step(FoldedStep):
    """The sigmoid is (1 + tanh(x / 2)) / 2, the halves folded into the weights."""

    def __init__(self, embedding: Floats, layers: list[tuple[Floats, Floats, Floats, Floats]], num_times: int) -> None:
        size = layers[0][1].shape[1]
        half = np.repeat(np.array([0.5, 0.5, 1.0], np.float32), size)
        biases = [_split_bias(*each[2:]) for each in layers]
        into = [(each[0] * half[:, None], of_inputs * half) for each, (of_inputs, _) in zip(layers, biases)]
        super().__init__(embedding, into, num_times)
        # half of the product with h: what it is multiplied with is twice the reset gate
        self._own_bias = [np.float32(0.5) * of_state[2 * size :, None] for _, of_state in biases]
        self._recurrent = [Matrix(each[1] * np.float32(0.5)) for each in layers]

    def advance(self, number: int, taken: Floats, state: Mapping[str, Floats]) -> Floats:
        """See `FoldedStep.advance`."""
        h = state["h"]
        _advance(taken, self._recurrent[number].times(h), self._own_bias[number], h)
        return h


def _advance(taken: Floats, own: Floats, bias: Floats, h: Floats) -> None:
    """One layer's h, (hidden, streams), from the products of its inputs and of h, (3 x hidden, streams); all in place."""
    size = len(h)
    gates, new = taken[: 2 * size], own[2 * size :]
    gates += own[: 2 * size]
    np.tanh(gates, out=gates)
    gates += 1  # twice the sigmoids
    new += bias
    new *= gates[:size]
    new += taken[2 * size :]
    np.tanh(new, out=new)
    h -= new
    h *= gates[size:]
    h *= 0.5
    h += new


def _split_bias(of_inputs: Floats, of_state: Floats) -> tuple[Floats, Floats]:
    """The biases of both products; those of the gates, which are added up anyhow, all with the first."""
    gates = 2 * len(of_inputs) // 3
    first = np.concatenate([of_inputs[:gates] + of_state[:gates], of_inputs[gates:]])
    return first, np.concatenate([np.zeros(gates, np.float32), of_state[gates:]])
