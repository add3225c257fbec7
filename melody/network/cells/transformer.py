"""A transformer of the usual kind (Vaswani et al. 2017; norms first, Xiong et al. 2020), the yardstick for recurrent cells.

    x = W e + b; in each layer        x += P (softmax of the scores, times the values)       x += D max(0, U norm(x) + u) + d
    scores: q' k / sqrt(width of a head), and a weight for each head and distance (Shaw et al. 2018, as in T5)

q, k and v are made of norm(x), k without a bias, which no score would notice. An event sees itself and those before it, of
`CONTEXT` distances; so the state is the keys and values of those, of each layer, and how many there were. In training that
of the windows before is carried on without a gradient (Dai et al. 2019). There are up to 8 heads, each at least 12 wide.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from melody.network.cells.cell import Cell, Shapes, Sizes, Step, Weights
from melody.network.embedding_sums import sums
from melody.network.graph import Graph
from melody.network.state import Floats, State

if TYPE_CHECKING:
    from torch import Tensor, nn

CONTEXT = 256  # events
_INNER = 4  # times as wide as the rest is the layer between
_NEVER = -1e9  # the score of what is not seen
_TINY = 1e-5  # beside the variance, as torch has it


class Transformer(Cell):
    """Layers of self-attention; the state grows up to `CONTEXT` - 1 steps."""

    title = "transformer"
    is_bounded = False

    @classmethod
    def sizes_of(cls, weights: Weights) -> Sizes:
        """See `Cell.sizes_of`."""
        hidden, inputs = weights["into"].shape
        return Sizes(inputs, hidden, sum(name.startswith("values_l") for name in weights))

    def shapes(self) -> Shapes:
        """See `Cell.shapes`."""
        size, heads = self.sizes.hidden, heads_of(self.sizes.hidden)
        shapes: Shapes = {"into": (size, self.sizes.inputs), "into_bias": (size,)}
        for i in range(self.sizes.layers):
            own: Shapes = {name: (size, size) for name in ("queries", "keys", "values", "project")}
            own |= {f"{name}_bias": (size,) for name in ("queries", "values", "project", "down")}
            own |= {"up": (_INNER * size, size), "up_bias": (_INNER * size,), "down": (size, _INNER * size)}
            own |= {"distance_bias": (heads, CONTEXT)}
            own |= {f"norm_{which}": (size,) for which in ("one", "two", "one_bias", "two_bias")}
            shapes |= {f"{name}_l{i}": shape for name, shape in own.items()}
        return shapes | {"norm": (size,), "norm_bias": (size,)}

    def begin(self, streams: int) -> State:
        """See `Cell.begin`."""
        past = np.zeros((0, 2 * self.sizes.hidden * self.sizes.layers, streams), np.float32)
        return State({"past": past, "count": np.zeros((1, streams), np.float32)})

    def module(self, dropout: float) -> nn.Module:
        """See `Cell.module`."""
        import torch
        from torch import nn

        module = nn.ParameterDict({name: nn.Parameter(torch.empty(shape)) for name, shape in self.shapes().items()})
        module.add_module("between", nn.Dropout(dropout))
        return module

    def initialise(self, module: nn.Module) -> None:
        """See `Cell.initialise`."""
        from torch import nn

        for name, parameter in module.named_parameters():
            if "bias" in name:
                nn.init.zeros_(parameter)
            elif parameter.ndim == 1:
                nn.init.ones_(parameter)
            else:
                nn.init.xavier_uniform_(parameter)

    def unroll(
        self, module: nn.Module, inputs: Tensor, state: Mapping[str, Tensor] | None, weight_dropout: float
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """See `Cell.unroll`; `weight_dropout` is of no meaning here."""
        import torch
        from torch.nn import functional

        streams, events, _ = inputs.shape
        size, heads, between = self.sizes.hidden, heads_of(self.sizes.hidden), module.get_submodule("between")
        if state is None:
            empty = inputs.new_zeros(0, streams, 2 * size * self.sizes.layers, dtype=torch.float32)
            state = {"past": empty, "count": inputs.new_zeros(1, streams, 1, dtype=torch.float32)}
        earlier, steps = len(state["past"]), torch.arange(len(state["past"]) + events, device=inputs.device)
        distance = steps[earlier:, None] - steps
        was = steps >= earlier - state["count"][0]  # (streams, steps)
        is_seen = ((distance >= 0) & (distance < CONTEXT)) & was[:, None]  # (streams, events, steps)
        x = functional.linear(inputs, module.get_parameter("into"), module.get_parameter("into_bias")).float()
        before, kept = state["past"].transpose(0, 1).chunk(2 * self.sizes.layers, dim=2), []
        for i in range(self.sizes.layers):
            own = {name.removesuffix(f"_l{i}"): p for name, p in module.named_parameters() if name.endswith(f"_l{i}")}

            def product(name: str, given: Tensor, own: Mapping[str, Tensor] = own) -> Tensor:
                return functional.linear(given, own[name], own.get(f"{name}_bias")).float()

            normed = functional.layer_norm(x, (size,), own["norm_one"], own["norm_one_bias"], _TINY)
            keys, values = (
                torch.cat([before[2 * i + k], product(name, normed)], dim=1) for k, name in enumerate(("keys", "values"))
            )
            kept += [keys, values]
            asked, keys, values = (
                each.view(streams, -1, heads, size // heads).transpose(1, 2)
                for each in (product("queries", normed), keys, values)
            )
            scores = asked @ keys.transpose(2, 3) * (size // heads) ** -0.5
            scores = scores + own["distance_bias"][:, distance.clamp(0, CONTEXT - 1)]
            shares = scores.masked_fill(~is_seen[:, None], _NEVER).softmax(dim=3)
            found = (shares @ values).transpose(1, 2).reshape(streams, events, size)
            x = x + between(product("project", found))
            normed = functional.layer_norm(x, (size,), own["norm_two"], own["norm_two_bias"], _TINY)
            x = x + between(product("down", functional.relu(product("up", normed))))
        x = functional.layer_norm(x, (size,), module.get_parameter("norm"), module.get_parameter("norm_bias"), _TINY)
        past = torch.cat(kept, dim=2).transpose(0, 1)[-(CONTEXT - 1) :]
        return x, {"past": past, "count": (state["count"] + events).clamp(max=CONTEXT - 1)}

    def step(self, embedding: Floats, weights: Weights, num_times: int) -> Step:
        """See `Cell.step`."""
        return _Step(embedding, weights, self.sizes)

    def onnx_inputs(self, weights: Weights) -> Floats:
        """See `Cell.onnx_inputs`."""
        return weights["into"]

    def onnx_step(self, graph: Graph, weights: Weights, inputs: str, state: Mapping[str, str]) -> str:
        """See `Cell.onnx_step`; arrays of several steps are (streams, heads, ..., steps)."""
        size, layers, heads = self.sizes.hidden, self.sizes.layers, heads_of(self.sizes.hidden)
        x = graph.add("Add", inputs, graph.constant(weights["into_bias"]))
        before, kept, last = graph.split(state["past"], [size] * 2 * layers), list[str](), graph.constant(np.array([2]))
        ages = _ages(graph, state["past"])  # of each step with this one, (1, steps)
        is_unseen = graph.add("Greater", graph.add("Cast", ages, to=1), state["count"])
        is_unseen = graph.add("Unsqueeze", is_unseen, graph.constant(np.array([1])))
        by_head = graph.constant(np.array([0, heads, size // heads, -1]))
        for i, own in enumerate(_layers(weights, layers)):

            def product(name: str, given: str, own: Mapping[str, Floats] = own) -> str:
                return graph.times(given, own[name], own.get(f"{name}_bias"), is_bounded=False)

            normed = _onnx_norm(graph, x, own["norm_one"], own["norm_one_bias"])
            new = [graph.add("Unsqueeze", product(name, normed), last) for name in ("keys", "values")]
            grown = [graph.add("Concat", before[2 * i + k], each, axis=2) for k, each in enumerate(new)]
            kept += grown
            keys, values = (graph.add("Reshape", each, by_head) for each in grown)
            asked = graph.add("Reshape", product("queries", normed), graph.constant(np.array([0, heads, 1, size // heads])))
            scores = graph.add("Squeeze", graph.add("MatMul", asked, keys), last)
            scores = graph.add("Mul", scores, graph.constant(np.float32((size // heads) ** -0.5)))
            bias = graph.add("Gather", graph.constant(own["distance_bias"]), graph.add("Squeeze", ages), axis=1)
            bias = graph.add("Reshape", bias, graph.constant(np.array([1, heads, -1])))
            scores = graph.add("Where", is_unseen, graph.constant(np.float32(_NEVER)), graph.add("Add", scores, bias))
            shares = graph.add("Unsqueeze", graph.add("Softmax", scores, axis=2), graph.constant(np.array([3])))
            found = graph.add("Reshape", graph.add("MatMul", values, shares), graph.constant(np.array([0, size])))
            x = graph.add("Add", x, product("project", found))
            normed = _onnx_norm(graph, x, own["norm_two"], own["norm_two_bias"])
            x = graph.add("Add", x, product("down", graph.add("Relu", product("up", normed))))
        least, end = graph.constant(np.array([-(CONTEXT - 1)])), graph.constant(np.array([2**31]))
        graph.add("Slice", graph.joined(*kept), least, end, last, outputs=["past_next"])
        more = graph.add("Add", state["count"], graph.constant(np.float32(1)))
        graph.add("Min", more, graph.constant(np.float32(CONTEXT - 1)), outputs=["count_next"])
        return _onnx_norm(graph, x, weights["norm"], weights["norm_bias"])


class _Step(Step):
    def __init__(self, embedding: Floats, weights: Weights, sizes: Sizes) -> None:
        self._embedding, self._weights, self._sizes = embedding, weights, sizes
        self._layers = list(_layers(weights, sizes.layers))

    def __call__(self, rows: NDArray[np.int64], state: State) -> tuple[Floats, State]:
        """See `Step`."""
        embedded = np.ascontiguousarray(sums(self._embedding, rows).T)
        output, after = self.of_inputs(embedded, state)
        return np.concatenate([output, embedded]).T, after

    def of_inputs(self, inputs: Floats, state: State) -> tuple[Floats, State]:
        """See `Step.of_inputs`."""
        size, heads, streams = self._sizes.hidden, heads_of(self._sizes.hidden), inputs.shape[1]
        x = _product(self._weights, "into", inputs)
        past, new = state["past"], list[Floats]()
        ages = np.arange(len(past), -1, -1)
        is_unseen = ages[:, None] > state["count"]  # (steps, streams)
        for i, own in enumerate(self._layers):
            normed = _norm(x, own["norm_one"], own["norm_one_bias"])
            asked = _product(own, "queries", normed).reshape(heads, -1, streams)
            new += [_product(own, "keys", normed), _product(own, "values", normed)]
            keys, values = (
                np.concatenate([past[:, k * size : (k + 1) * size], new[k][None]]).reshape(-1, heads, size // heads, streams)
                for k in (2 * i, 2 * i + 1)
            )
            scores = np.einsum("hws,nhws->nhs", asked, keys) * np.float32((size // heads) ** -0.5)
            scores += own["distance_bias"][:, ages].T[:, :, None]
            scores = np.where(is_unseen[:, None], np.float32(_NEVER), scores)
            shares = np.exp(scores - scores.max(axis=0))
            shares /= shares.sum(axis=0)
            found = np.einsum("nhs,nhws->hws", shares, values).reshape(size, streams)
            x = x + _product(own, "project", found)
            normed = _norm(x, own["norm_two"], own["norm_two_bias"])
            x = x + _product(own, "down", np.maximum(_product(own, "up", normed), 0))
        grown = np.concatenate([past[-(CONTEXT - 2) :], np.concatenate(new)[None]])
        after = State({"past": grown, "count": np.minimum(state["count"] + np.float32(1), np.float32(CONTEXT - 1))})
        return _norm(x, self._weights["norm"], self._weights["norm_bias"]), after


def heads_of(hidden: int) -> int:
    """How many heads a layer of this width has: 8, or as many as divide it and are 12 wide."""
    return max(count for count in (1, 2, 4, 8) if count == 1 or (hidden % count == 0 and hidden // count >= 12))


def _layers(weights: Weights, layers: int) -> Iterator[dict[str, Floats]]:
    """The weights of each layer, by their names without its number."""
    for i in range(layers):
        yield {name.removesuffix(f"_l{i}"): array for name, array in weights.items() if name.endswith(f"_l{i}")}


def _product(weights: Mapping[str, Floats], name: str, given: Floats) -> Floats:
    product: Floats = weights[name] @ given
    if f"{name}_bias" in weights:
        product += weights[f"{name}_bias"][:, None]
    return product


def _norm(x: Floats, scale: Floats, bias: Floats) -> Floats:
    """Layer normalisation (Ba et al. 2016), (width, streams)."""
    centred = x - x.mean(axis=0)
    normed: Floats = centred / np.sqrt(np.square(centred).mean(axis=0) + np.float32(_TINY)) * scale[:, None] + bias[:, None]
    return normed


def _onnx_norm(graph: Graph, x: str, scale: Floats, bias: Floats) -> str:
    return graph.add("LayerNormalization", x, graph.constant(scale), graph.constant(bias), axis=-1, epsilon=_TINY)


def _ages(graph: Graph, past: str) -> str:
    """How many events ago each step was, the present one 0 and last, (1, steps)."""
    steps = graph.add("Gather", graph.add("Shape", past), graph.constant(np.array(2)))
    ages = graph.add("Range", steps, graph.constant(np.array(-1)), graph.constant(np.array(-1)))
    return graph.add("Unsqueeze", ages, graph.constant(np.array([0])))
