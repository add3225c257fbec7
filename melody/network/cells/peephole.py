"""The LSTM with peepholes (Gers and Schmidhuber 2000; Gers et al. 2002): its gates see the cell, each unit its own.

    i, f = sigmoid(W x + U h + p * c + b), of each its own W, U, p and b        g = tanh(W x + U h + b)
    c' = f * c + i * g        o = sigmoid(W x + U h + p * c' + b)        h' = o * tanh(c')

The four blocks are in the order i, f, g, o, the peepholes in the order i, f, o. The forget gate's bias begins at 1.

torch has no such layer, and thousands of small steps that autograd remembers one by one take longer than their arithmetic.
So a window is one step for autograd: forwards it keeps what the gradient is made of, backwards all that does not depend on
the event after is computed for all events at once.
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


class Peephole(Layered):
    """Layers of LSTM cells with peepholes; the state is h and c."""

    title = "peephole LSTM"
    blocks = 4
    arrays = ("h", "c")

    def more_shapes(self) -> Shapes:
        """See `Layered.more_shapes`."""
        size = self.sizes.hidden
        return {"weight_hh": (4 * size, size), "peephole": (3, size)}

    def set_bias(self, blocks: Tensor) -> None:
        """The forget gates begin open."""
        blocks[1] = 1.0

    def unroll_layer(
        self, weights: Mapping[str, Tensor], taken: Tensor, state: Mapping[str, Tensor]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """See `Layered.unroll_layer`."""
        from melody.network.cells.unrolling import peephole_window

        events = taken.transpose(0, 1).contiguous()
        h, c = peephole_window(events, weights["weight_hh"], weights["peephole"], state["h"], state["c"])
        return h.transpose(0, 1), {"h": h[-1], "c": c}

    def layer_gates(
        self, weights: Weights, blocks: list[Floats], before: Mapping[str, Floats], after: Mapping[str, Floats]
    ) -> dict[str, Floats]:
        """See `Layered.layer_gates`."""
        peephole, seen = weights["peephole"], (before["c"], before["c"], after["c"])
        sums = (blocks[k] + p * c for k, p, c in zip((0, 1, 3), peephole, seen))
        return dict(zip(("input", "forget", "output"), map(sigmoid, sums)))

    def step(self, embedding: Floats, weights: Weights, num_times: int) -> Step:
        """See `Cell.step`."""
        return _Step(embedding, [self.of_layer(weights, i) for i in range(self.sizes.layers)], num_times)

    def onnx_layer(self, graph: Graph, weights: Weights, taken: str, state: Mapping[str, str]) -> tuple[str, dict[str, str]]:
        """See `Layered.onnx_layer`."""
        size, c = self.sizes.hidden, state["c"]
        summed = graph.add("Add", taken, graph.product(graph.rounded(state["h"]), weights["weight_hh"]))
        into, forget, cell, out = graph.split(summed, [size] * 4)

        def gate(sums: str, cells: str, number: int) -> str:
            seen = graph.add("Mul", cells, graph.constant(weights["peephole"][number]))
            return graph.add("Sigmoid", graph.add("Add", sums, seen))

        new = graph.add("Mul", gate(into, c, 0), graph.add("Tanh", cell))
        c = graph.add("Add", graph.add("Mul", gate(forget, c, 1), c), new)
        h = graph.add("Mul", gate(out, c, 2), graph.add("Tanh", c))
        return h, {"h": h, "c": c}


class _Step(FoldedStep):
    """The sigmoid is (1 + tanh(x / 2)) / 2, the halves folded into the weights."""

    def __init__(self, embedding: Floats, layers: list[dict[str, Floats]], num_times: int) -> None:
        size = layers[0]["weight_hh"].shape[1]
        half = np.repeat(np.array([0.5, 0.5, 1.0, 0.5], np.float32), size)  # the third is no sigmoid
        into = [(each["weight_ih"] * half[:, None], each["bias"] * half) for each in layers]
        super().__init__(embedding, into, num_times)
        self._recurrent = [Matrix(each["weight_hh"] * half[:, None]) for each in layers]
        self._peepholes = [each["peephole"][:, :, None] * np.float32(0.5) for each in layers]

    def advance(self, number: int, taken: Floats, state: Mapping[str, Floats]) -> Floats:
        """See `FoldedStep.advance`."""
        h, c, peephole = state["h"], state["c"], self._peepholes[number]
        size = len(h)
        taken += self._recurrent[number].times(h)
        into, forget, cell, out = (taken[k * size : (k + 1) * size] for k in range(4))
        into += peephole[0] * c
        forget += peephole[1] * c
        np.tanh(taken[: 3 * size], out=taken[: 3 * size])
        taken[: 2 * size] += 1  # twice the sigmoids
        c *= forget
        into *= cell
        c += into
        c *= 0.5
        out += peephole[2] * c
        np.tanh(out, out=out)
        out += 1
        np.tanh(c, out=h)
        h *= out
        h *= 0.5
        return h
