"""A causal convolution over the last events before the cell, as in networks called CNN-LSTM (Sainath et al. 2015).

    x_t = e_t + max(0, b + K_0 e_t + K_1 e_(t-1) + ... + K_(n-1) e_(t-n+1))

e is the embedding of an event, zero before the first one; x is what the cell takes in. The kernel is (embedding, embedding,
events), the latest event last, as torch has it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from melody.network.around.surrounded import Surrounded
from melody.network.cells.cell import Cell, Shapes, Step, Weights
from melody.network.embedding_sums import sums
from melody.network.graph import Graph
from melody.network.state import Floats, State

if TYPE_CHECKING:
    from torch import Tensor, nn


class Convolving(Surrounded):
    """A cell behind a convolution over `span` events; besides the cell's own the state is the embeddings of those before."""

    name = "front"

    def __init__(self, inner: Cell, span: int) -> None:
        super().__init__(inner, span)
        self.is_bounded = inner.is_bounded

    def own_shapes(self) -> Shapes:
        """See `Surrounded.own_shapes`."""
        width = self.sizes.inputs
        return {"weight": (width, width, self.span), "bias": (width,)}

    def own_state(self, streams: int) -> State:
        """The embeddings of the events before, the earliest first, one below the other."""
        return State({"events": np.zeros(((self.span - 1) * self.sizes.inputs, streams), np.float32)})

    def unroll(
        self, module: nn.Module, inputs: Tensor, state: Mapping[str, Tensor] | None, weight_dropout: float
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """See `Cell.unroll`."""
        import torch
        from torch.nn import functional

        own, (streams, _, width) = module.get_submodule(self.name), inputs.shape
        if state is None:
            before = inputs.new_zeros(streams, self.span - 1, width)
        else:
            before = state["events"][0].view(streams, self.span - 1, width)
        events = torch.cat([before.to(inputs.dtype), inputs], dim=1)
        found = functional.conv1d(events.transpose(1, 2), own.get_parameter("weight"), own.get_parameter("bias"))
        taken = inputs + functional.relu(found.transpose(1, 2))
        output, after = self.inner.unroll(module, taken, self.inner_state(state), weight_dropout)
        return output, after | {"events": events[:, events.shape[1] - self.span + 1 :].flatten(1)[None]}

    def step(self, embedding: Floats, weights: Weights, num_times: int) -> Step:
        """See `Cell.step`."""
        inner = self.inner.step(embedding, self.within(weights), num_times)
        return _Step(embedding, self.own(weights, "weight"), self.own(weights, "bias"), inner)

    def taken(self, weights: Weights, inputs: Floats) -> Floats:
        """See `Surrounded.taken`: with what the kernel makes of the last events."""
        padded = np.concatenate([np.zeros((self.span - 1, inputs.shape[1]), np.float32), inputs])
        events = np.lib.stride_tricks.sliding_window_view(padded, self.span, axis=0)  # (events, embedding, span)
        flat = events.transpose(0, 2, 1).reshape(len(inputs), -1)
        found: Floats = np.maximum(flat @ _flat(self.own(weights, "weight")).T + self.own(weights, "bias"), 0)
        return inputs + found

    def onnx_inputs(self, weights: Weights) -> Floats:
        """The kernel of the latest event, and the embedding itself."""
        kernel = self.own(weights, "weight")
        return np.concatenate([kernel[:, :, -1], np.eye(len(kernel), dtype=np.float32)])

    def onnx_step(self, graph: Graph, weights: Weights, inputs: str, state: Mapping[str, str]) -> str:
        """See `Cell.onnx_step`."""
        kernel, width, inner = self.own(weights, "weight"), self.sizes.inputs, self.within(weights)
        latest, embedded = graph.split(inputs, [width, width])
        earlier = graph.times(state["events"], _flat(kernel[:, :, :-1]), self.own(weights, "bias"), is_bounded=False)
        taken = graph.add("Add", embedded, graph.add("Relu", graph.add("Add", latest, earlier)))
        _, kept = graph.split(graph.joined(state["events"], embedded), [width, (self.span - 1) * width])
        graph.add("Identity", kept, outputs=["events_next"])
        products = graph.add("MatMul", taken, graph.by_columns(self.inner.onnx_inputs(inner)))
        return self.inner.onnx_step(graph, inner, products, state)


class _Step(Step):
    def __init__(self, embedding: Floats, kernel: Floats, bias: Floats, inner: Step) -> None:
        self._embedding, self._kernel, self._bias, self._inner = embedding, _flat(kernel), bias[:, None], inner

    def __call__(self, rows: NDArray[np.int64], state: State) -> tuple[Floats, State]:
        """See `Step`."""
        embedded = np.ascontiguousarray(sums(self._embedding, rows).T)
        output, after = self.of_inputs(embedded, state)
        return np.concatenate([output, embedded]).T, after

    def of_inputs(self, inputs: Floats, state: State) -> tuple[Floats, State]:
        """See `Step.of_inputs`."""
        events = np.concatenate([state["events"], inputs])
        taken = np.maximum(self._kernel @ events + self._bias, 0)
        taken += inputs
        inner = State({name: state[name] for name in state if name != "events"})
        output, after = self._inner.of_inputs(taken, inner)
        return output, State({**{name: after[name] for name in after}, "events": events[len(inputs) :]})


def _flat(kernel: Floats) -> Floats:
    """A kernel as one matrix, (embedding, events x embedding)."""
    return np.ascontiguousarray(kernel.transpose(0, 2, 1).reshape(len(kernel), -1))
