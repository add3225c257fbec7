"""A cell that is nothing but a file: it averages all that it has taken in and remembers, so that its state grows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from melody.network.cells.cell import Cell, Shapes, Sizes, Step, Weights
from melody.network.embedding_sums import sums
from melody.network.graph import Graph
from melody.network.state import Floats, State

if TYPE_CHECKING:
    from torch import Tensor, nn


class Averaging(Cell):
    """The state is all inputs, (steps, inputs, streams), and how many there are of each stream, (1, streams)."""

    title = "averaging"

    @classmethod
    def sizes_of(cls, weights: Weights) -> Sizes:
        hidden, inputs = weights["weight"].shape
        return Sizes(inputs, hidden, 1)

    def shapes(self) -> Shapes:
        return {"weight": (self.sizes.hidden, self.sizes.inputs), "bias": (self.sizes.hidden,)}

    def begin(self, streams: int) -> State:
        past, steps = np.zeros((0, self.sizes.inputs, streams), np.float32), np.zeros((1, streams), np.float32)
        return State({"past": past, "steps": steps})

    def module(self, dropout: float) -> nn.Module:
        from torch import nn

        return nn.Linear(self.sizes.inputs, self.sizes.hidden)

    def initialise(self, module: nn.Module) -> None:
        """Leave it as torch has it."""

    def unroll(
        self, module: nn.Module, inputs: Tensor, state: Mapping[str, Tensor] | None, weight_dropout: float
    ) -> tuple[Tensor, dict[str, Tensor]]:
        import torch

        streams, events, width = inputs.shape
        state = state or {"past": inputs.new_zeros(0, streams, width), "steps": inputs.new_zeros(1, streams, 1)}
        past = torch.cat([state["past"], inputs.transpose(0, 1)])
        steps = state["steps"] + torch.arange(1, events + 1)[:, None, None]
        mean = past.cumsum(dim=0)[-events:] / steps
        return torch.tanh(module(mean)).transpose(0, 1), {"past": past, "steps": steps[-1:]}

    def step(self, embedding: Floats, weights: Weights, num_times: int) -> Step:
        return _Step(embedding, weights)

    def onnx_inputs(self, weights: Weights) -> Floats:
        return np.eye(self.sizes.inputs, dtype=np.float32)

    def onnx_step(self, graph: Graph, weights: Weights, inputs: str, state: Mapping[str, str]) -> str:
        last = graph.constant(np.array([2]))
        past = graph.add("Concat", state["past"], graph.add("Unsqueeze", inputs, last), outputs=["past_next"], axis=2)
        steps = graph.add("Add", state["steps"], graph.constant(np.float32(1)), outputs=["steps_next"])
        mean = graph.add("Div", graph.add("ReduceSum", past, last, keepdims=0), steps)
        product = graph.add("MatMul", mean, graph.by_columns(weights["weight"]))
        return graph.add("Tanh", graph.add("Add", product, graph.constant(weights["bias"])))


class _Step(Step):
    def __init__(self, embedding: Floats, weights: Weights) -> None:
        self._embedding, self._weights, self._bias = embedding, weights["weight"], weights["bias"][:, None]

    def __call__(self, rows: np.ndarray, state: State) -> tuple[Floats, State]:
        embedded = sums(self._embedding, rows).T
        output, after = self.of_inputs(embedded, state)
        return np.concatenate([output, embedded]).T, after

    def of_inputs(self, inputs: Floats, state: State) -> tuple[Floats, State]:
        past, steps = np.concatenate([state["past"], inputs[None]]), state["steps"] + np.float32(1)
        output = np.tanh(self._weights @ (past.sum(axis=0) / steps) + self._bias)
        return output, State({"past": past, "steps": steps})
