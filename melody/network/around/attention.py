"""Attention over the last outputs of the cell (Luong et al. 2015, "general" score, local; in music Magenta's attention RNN).

    a = softmax over s of h_t' W h_s + p_(t - s), for the last N events s, t among them
    output = tanh(C [sum of a_s h_s, h_t] + b)

Not as Magenta has it: what was attended to does not come back into the cell, so that a window stays one step. p is a weight
for each distance. The scores' matrix W is (hidden, hidden), C (hidden, 2 x hidden).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from melody.network.around.surrounded import Surrounded
from melody.network.cells.cell import Shapes, Step, Weights
from melody.network.graph import Graph
from melody.network.state import Floats, State

if TYPE_CHECKING:
    from torch import Tensor, nn

_NEVER = -1e9  # the score of what was not


class Attending(Surrounded):
    """A cell with attention to its last `span` outputs.

    Besides the cell's own the state is the outputs before, the earliest first, one below the other, and how many there were.
    """

    name = "attention"

    def own_shapes(self) -> Shapes:
        """See `Surrounded.own_shapes`."""
        size = self.sizes.hidden
        return {"score": (size, size), "position": (self.span,), "combine": (size, 2 * size), "bias": (size,)}

    def own_state(self, streams: int) -> State:
        """See `Surrounded.own_state`."""
        outputs = np.zeros(((self.span - 1) * self.sizes.hidden, streams), np.float32)
        return State({"outputs": outputs, "attended": np.zeros((1, streams), np.float32)})

    def unroll(
        self, module: nn.Module, inputs: Tensor, state: Mapping[str, Tensor] | None, weight_dropout: float
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """See `Cell.unroll`."""
        import torch

        hidden, after = self.inner.unroll(module, inputs, self.inner_state(state), weight_dropout)
        hidden, weights = hidden.float(), dict(module.get_submodule(self.name).named_parameters())
        streams, events, size = hidden.shape
        if state is None:
            before, count = hidden.new_zeros(streams, self.span - 1, size), hidden.new_zeros(streams, 1)
        else:
            before, count = state["outputs"][0].view(streams, self.span - 1, size), state["attended"][0]
        past = torch.cat([before, hidden], dim=1)
        now, then = torch.arange(events)[:, None] + self.span - 1, torch.arange(past.shape[1])
        distance = (now - then).to(hidden.device)
        is_reached = (distance >= 0) & (distance < self.span)
        was = torch.arange(past.shape[1], device=hidden.device) >= self.span - 1 - count  # (streams, past)
        scores = (hidden @ weights["score"]) @ past.transpose(1, 2) + weights["position"][distance.clamp(0, self.span - 1)]
        scores = scores.masked_fill(~(is_reached & was[:, None]), _NEVER)
        context = scores.softmax(dim=2) @ past
        output = torch.tanh(torch.cat([context, hidden], dim=2) @ weights["combine"].t() + weights["bias"])
        kept = past[:, events:].reshape(1, streams, -1)
        return output, after | {"outputs": kept, "attended": (count + events).clamp(max=self.span - 1)[None]}

    def step(self, embedding: Floats, weights: Weights, num_times: int) -> Step:
        """See `Cell.step`."""
        own = {name: self.own(weights, name) for name in self.own_shapes()}
        return _Step(self.inner.step(embedding, self.within(weights), num_times), own)

    def onnx_inputs(self, weights: Weights) -> Floats:
        """See `Cell.onnx_inputs`."""
        return self.inner.onnx_inputs(self.within(weights))

    def onnx_step(self, graph: Graph, weights: Weights, inputs: str, state: Mapping[str, str]) -> str:
        """See `Cell.onnx_step`."""
        size, span, last = self.sizes.hidden, self.span, graph.constant(np.array([2]))
        hidden = self.inner.onnx_step(graph, self.within(weights), inputs, state)
        past = graph.joined(state["outputs"], hidden)
        steps = graph.add("Reshape", past, graph.constant(np.array([0, span, size])))
        asked = graph.add("MatMul", hidden, graph.by_columns(np.ascontiguousarray(self.own(weights, "score").T)))
        scores = graph.add("Squeeze", graph.add("MatMul", steps, graph.add("Unsqueeze", asked, last)), last)
        scores = graph.add("Add", scores, graph.constant(np.ascontiguousarray(self.own(weights, "position")[::-1])[None]))
        age = graph.constant(np.arange(span - 1, -1, -1, dtype=np.float32)[None])  # of each step; those above count were not
        scores = graph.add("Where", graph.add("Greater", age, state["attended"]), graph.constant(np.float32(_NEVER)), scores)
        shares = graph.add("Unsqueeze", graph.add("Softmax", scores, axis=1), graph.constant(np.array([1])))
        context = graph.add("Squeeze", graph.add("MatMul", shares, steps), graph.constant(np.array([1])))
        most = graph.constant(np.float32(span - 1))
        one_more = graph.add("Add", state["attended"], graph.constant(np.float32(1)))
        graph.add("Min", one_more, most, outputs=["attended_next"])
        _, kept = graph.split(past, [size, (span - 1) * size])
        graph.add("Identity", kept, outputs=["outputs_next"])
        seen = graph.joined(context, hidden)
        combined = graph.times(seen, self.own(weights, "combine"), self.own(weights, "bias"), self.inner.is_bounded)
        return graph.add("Tanh", combined)


class _Step(Step):
    def __init__(self, inner: Step, weights: Mapping[str, Floats]) -> None:
        self._inner, self._score, self._combine = inner, np.ascontiguousarray(weights["score"].T), weights["combine"]
        self._position, self._bias = weights["position"][::-1, None], weights["bias"][:, None]

    def __call__(self, rows: NDArray[np.int64], state: State) -> tuple[Floats, State]:
        """See `Step`."""
        seen, after = self._inner(rows, _without(state))
        size = len(self._bias)
        output, after = self._attended(np.ascontiguousarray(seen[:, :size].T), state, after)
        return np.concatenate([output.T, seen[:, size:]], axis=1), after

    def of_inputs(self, inputs: Floats, state: State) -> tuple[Floats, State]:
        """See `Step.of_inputs`."""
        hidden, after = self._inner.of_inputs(inputs, _without(state))
        return self._attended(hidden, state, after)

    def _attended(self, hidden: Floats, state: State, after: State) -> tuple[Floats, State]:
        span, (size, streams) = len(self._position), hidden.shape
        past, count = np.concatenate([state["outputs"], hidden]), state["attended"]
        steps = past.reshape(span, size, streams)
        scores = np.einsum("hs,nhs->ns", self._score @ hidden, steps) + self._position
        scores[np.arange(span - 1, -1, -1)[:, None] > count] = _NEVER
        shares = np.exp(scores - scores.max(axis=0))
        shares /= shares.sum(axis=0)
        context = np.einsum("ns,nhs->hs", shares, steps)
        output = np.tanh(self._combine @ np.concatenate([context, hidden]) + self._bias)
        own = {"outputs": past[size:], "attended": np.minimum(count + np.float32(1), np.float32(span - 1))}
        return output, State({**{name: after[name] for name in after}, **own})


def _without(state: State) -> State:
    """The state of the cell within."""
    return State({name: state[name] for name in state if name not in ("outputs", "attended")})
