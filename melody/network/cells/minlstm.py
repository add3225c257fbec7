"""The minimal LSTM minLSTM (Feng et al. 2024): its gates and its new value see the event alone, not the state.

    f, i = sigmoid(W x + b)        n = W x + b, of each its own W and b
    h' = (f * h + i * n) / (f + i)

Nothing is squashed, so h has no bounds. The blocks are in the order f, i, n. f / (f + i) is computed as the sigmoid of
log f - log i, which is never 0 / 0. A window is a scan (`scan`).
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


class MinLSTM(Layered):
    """Layers of minimal LSTM units; the state is h."""

    title = "minLSTM"
    blocks = 3
    arrays = ("h",)
    is_bounded = False

    def unroll_layer(
        self, weights: Mapping[str, Tensor], taken: Tensor, state: Mapping[str, Tensor]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """See `Layered.unroll_layer`."""
        from torch.nn.functional import logsigmoid

        from melody.network.cells.scan import scan

        forget, into, new = taken.chunk(3, dim=2)
        gate = logsigmoid(into) - logsigmoid(forget)
        h = scan((-gate).sigmoid(), gate.sigmoid() * new, state["h"])
        return h, {"h": h[:, -1]}

    def layer_gates(
        self, weights: Weights, blocks: list[Floats], before: Mapping[str, Floats], after: Mapping[str, Floats]
    ) -> dict[str, Floats]:
        """See `Layered.layer_gates`; the two are of one whole, so that what is forgotten makes room for what comes in."""
        forget, into = (sigmoid(each) for each in blocks[:2])
        return {"input": into / (forget + into), "forget": forget / (forget + into)}

    def step(self, embedding: Floats, weights: Weights, num_times: int) -> Step:
        """See `Cell.step`."""
        layers = [self.of_layer(weights, i) for i in range(self.sizes.layers)]
        return _Step(embedding, [(each["weight_ih"], each["bias"]) for each in layers], num_times)

    def onnx_layer(self, graph: Graph, weights: Weights, taken: str, state: Mapping[str, str]) -> tuple[str, dict[str, str]]:
        """See `Layered.onnx_layer`."""
        forget, into, new = graph.split(taken, [self.sizes.hidden] * 3)
        of_forget, of_into = (graph.add("Softplus", graph.add("Neg", each)) for each in (forget, into))
        gate = graph.add("Sigmoid", graph.add("Sub", of_forget, of_into))
        h = graph.add("Add", state["h"], graph.add("Mul", gate, graph.add("Sub", new, state["h"])))
        return h, {"h": h}


class _Step(FoldedStep):
    def advance(self, number: int, taken: Floats, state: Mapping[str, Floats]) -> Floats:
        """See `FoldedStep.advance`."""
        h, zero = state["h"], np.float32(0)
        forget, into, new = np.split(taken, 3)
        gate = np.logaddexp(zero, -forget) - np.logaddexp(zero, -into)
        new -= h
        new *= 0.5 + 0.5 * np.tanh(0.5 * gate)
        h += new
        return h
