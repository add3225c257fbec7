"""The sLSTM of the xLSTM (Beck et al. 2024): exponential gates, which can revise what was stored, and a normaliser.

    z = tanh(W x + U h + b)        o = sigmoid(W x + U h + b)        i, f = W x + U h + b, of each its own W, U and b
    m' = max(log sigmoid(f) + m, i)        i' = exp(i - m')        f' = exp(log sigmoid(f) + m - m')
    c' = f' * c + i' * z        n' = f' * n + i'        h' = o * c' / n'

The stabiliser m keeps the exponents at 0 and below and changes no h: it divides c and n alike. So its gradient is none. The
forget gate is a sigmoid, one of the two that the paper allows; one head, so that every unit sees every other. The blocks are
in the order i, f, z, o. The forget gate's bias begins at 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from melody.network.cells.cell import Shapes, Step, Weights, sigmoid
from melody.network.cells.folded import FoldedStep, Matrix
from melody.network.cells.layered import Layered
from melody.network.graph import Graph
from melody.network.state import Floats

if TYPE_CHECKING:
    from torch import Tensor

LEAST = 1e-30  # of the normaliser, which is 0 where nothing has come in that could be told from nothing


class SLSTM(Layered):
    """Layers of sLSTM cells; the state is h, c, the normaliser n and the stabiliser m."""

    title = "sLSTM"
    blocks = 4
    arrays = ("h", "c", "n", "m")

    def more_shapes(self) -> Shapes:
        """See `Layered.more_shapes`."""
        return {"weight_hh": (4 * self.sizes.hidden, self.sizes.hidden)}

    def set_bias(self, blocks: Tensor) -> None:
        """The forget gates begin open."""
        blocks[1] = 1.0

    def unroll_layer(
        self, weights: Mapping[str, Tensor], taken: Tensor, state: Mapping[str, Tensor]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """See `Layered.unroll_layer`."""
        from melody.network.cells.unrolling import slstm_window

        events = taken.transpose(0, 1).contiguous()
        h, c, n, m = slstm_window(events, weights["weight_hh"], [state[name] for name in self.arrays], LEAST)
        return h.transpose(0, 1), {"h": h[-1], "c": c, "n": n, "m": m}

    def layer_gates(
        self, weights: Weights, blocks: list[Floats], before: Mapping[str, Floats], after: Mapping[str, Floats]
    ) -> dict[str, Floats]:
        """See `Layered.layer_gates`; the exponential gates as they apply, after the stabiliser."""
        kept = before["m"] - np.logaddexp(np.float32(0), -blocks[1])
        m = np.maximum(kept, blocks[0])
        into, forget = np.exp(blocks[0] - m), np.exp(kept - m)
        return {"input": into, "forget": forget, "output": sigmoid(blocks[3])}

    def step(self, embedding: Floats, weights: Weights, num_times: int) -> Step:
        """See `Cell.step`."""
        return _Step(embedding, [self.of_layer(weights, i) for i in range(self.sizes.layers)], num_times)

    def onnx_layer(self, graph: Graph, weights: Weights, taken: str, state: Mapping[str, str]) -> tuple[str, dict[str, str]]:
        """See `Layered.onnx_layer`."""
        summed = graph.add("Add", taken, graph.product(graph.rounded(state["h"]), weights["weight_hh"]))
        into, forget, new, out = graph.split(summed, [self.sizes.hidden] * 4)
        kept = graph.add("Sub", state["m"], graph.add("Softplus", graph.add("Neg", forget)))
        m = graph.add("Max", kept, into)
        into, kept = (graph.add("Exp", graph.add("Sub", each, m)) for each in (into, kept))
        c = graph.add("Mul", kept, state["c"])
        c = graph.add("Add", c, graph.add("Mul", into, graph.add("Tanh", new)))
        n = graph.add("Add", graph.add("Mul", kept, state["n"]), into)
        mean = graph.add("Div", c, graph.add("Max", n, graph.constant(np.float32(LEAST))))
        h = graph.add("Mul", graph.add("Sigmoid", out), mean)
        return h, {"h": h, "c": c, "n": n, "m": m}


class _Step(FoldedStep):
    def __init__(self, embedding: Floats, layers: list[dict[str, Floats]], num_times: int) -> None:
        super().__init__(embedding, [(each["weight_ih"], each["bias"]) for each in layers], num_times)
        self._recurrent = [Matrix(each["weight_hh"]) for each in layers]

    def advance(self, number: int, taken: Floats, state: Mapping[str, Floats]) -> Floats:
        """See `FoldedStep.advance`."""
        h, c, n, m = (state[name] for name in SLSTM.arrays)
        size = len(h)
        taken += self._recurrent[number].times(h)
        into, forget, new, out = (taken[k * size : (k + 1) * size] for k in range(4))
        kept = m - np.logaddexp(np.float32(0), -forget)  # the logarithm of the sigmoid
        np.maximum(kept, into, out=m)
        into, kept = np.exp(into - m), np.exp(kept - m)
        c *= kept
        c += into * np.tanh(new)
        n *= kept
        n += into
        np.divide(c, np.maximum(n, np.float32(LEAST)), out=h)
        h *= 0.5 + 0.5 * np.tanh(0.5 * out)
        return h
