"""The minimal gated unit minGRU (Feng et al. 2024): its gate and its new value see the event alone, not the state.

    z = sigmoid(W x + b)        n = W x + b, of each its own W and b
    h' = (1 - z) * h + z * n

Nothing is squashed, so h has no bounds. The two blocks are in the order z, n. A window is a scan (`scan`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from melody.network.cells.cell import Step, Weights, sigmoid
from melody.network.cells.folded import FoldedStep
from melody.network.cells.layered import Layered
from melody.network.graph import Graph
from melody.network.state import Floats

if TYPE_CHECKING:
    from torch import Tensor


class MinGRU(Layered):
    """Layers of minimal gated units; the state is h."""

    title = "minGRU"
    blocks = 2
    arrays = ("h",)
    is_bounded = False

    def unroll_layer(
        self, weights: Mapping[str, Tensor], taken: Tensor, state: Mapping[str, Tensor]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """See `Layered.unroll_layer`."""
        from melody.network.cells.scan import scan

        gate, new = taken.chunk(2, dim=2)
        h = scan((-gate).sigmoid(), gate.sigmoid() * new, state["h"])
        return h, {"h": h[:, -1]}

    def layer_gates(
        self, weights: Weights, blocks: list[Floats], before: Mapping[str, Floats], after: Mapping[str, Floats]
    ) -> dict[str, Floats]:
        """See `Layered.layer_gates`; the update gate renews h."""
        return {"update": sigmoid(blocks[0])}

    def step(self, embedding: Floats, weights: Weights, num_times: int) -> Step:
        """See `Cell.step`."""
        layers = [self.of_layer(weights, i) for i in range(self.sizes.layers)]
        return _Step(embedding, [(each["weight_ih"], each["bias"]) for each in layers], num_times)

    def onnx_layer(self, graph: Graph, weights: Weights, taken: str, state: Mapping[str, str]) -> tuple[str, dict[str, str]]:
        """See `Layered.onnx_layer`."""
        gate, new = graph.split(taken, [self.sizes.hidden] * 2)
        change = graph.add("Mul", graph.add("Sigmoid", gate), graph.add("Sub", new, state["h"]))
        h = graph.add("Add", state["h"], change)
        return h, {"h": h}


class _Step(FoldedStep):
    def advance(self, number: int, taken: Floats, state: Mapping[str, Floats]) -> Floats:
        """See `FoldedStep.advance`."""
        h = state["h"]
        gate, new = np.split(taken, 2)
        new -= h
        new *= 0.5 + 0.5 * np.tanh(0.5 * gate)
        h += new
        return h
