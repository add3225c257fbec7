"""The plain recurrent network (Elman 1990): no gates, so that what it remembers passes through a tanh at every event.

h' = tanh(W x + b + U h + d)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from melody.network.cells.cell import Step, Weights
from melody.network.cells.folded import FoldedStep, Matrix
from melody.network.cells.stacked import Stacked, layer
from melody.network.graph import Graph
from melody.network.state import Floats

if TYPE_CHECKING:
    from torch import nn


class RNN(Stacked):
    """Layers of tanh units; the state is h."""

    title = "RNN"
    blocks = 1
    arrays = ("h",)

    @staticmethod
    def torch_class() -> type[nn.RNNBase]:
        """`torch.nn.RNN`."""
        from torch import nn

        return nn.RNN

    def step(self, embedding: Floats, weights: Weights, num_times: int) -> Step:
        """See `Cell.step`."""
        return _Step(embedding, [layer(weights, i) for i in range(self.sizes.layers)], num_times)

    def onnx_step(self, graph: Graph, weights: Weights, inputs: str, state: Mapping[str, str]) -> str:
        """See `Cell.onnx_step`."""
        h = graph.split(state["h"], [self.sizes.hidden] * self.sizes.layers)
        for i in range(self.sizes.layers):
            into, recurrent, *biases = layer(weights, i)
            if i == 0:
                own = graph.product(graph.rounded(h[0]), recurrent, biases[0] + biases[1])
                summed = graph.add("Add", own, inputs)
            else:
                joined = np.concatenate([into, recurrent], axis=1)
                summed = graph.product(graph.rounded(graph.joined(h[i - 1], h[i])), joined, biases[0] + biases[1])
            h[i] = graph.add("Tanh", summed)
        graph.add("Concat", *h, outputs=["h_next"], axis=1)
        return h[-1]


class _Step(FoldedStep):
    def __init__(self, embedding: Floats, layers: list[tuple[Floats, Floats, Floats, Floats]], num_times: int) -> None:
        super().__init__(embedding, [(each[0], each[2] + each[3]) for each in layers], num_times)
        self._recurrent = [Matrix(each[1]) for each in layers]

    def advance(self, number: int, taken: Floats, state: Mapping[str, Floats]) -> Floats:
        """See `FoldedStep.advance`."""
        taken += self._recurrent[number].times(state["h"])
        np.tanh(taken, out=state["h"])
        return state["h"]
