"""What cells share that torch does not have: names of weights, their start, a window layer by layer."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from melody.network.cells.cell import Blocks, Shapes, Sizes, Weights
from melody.network.graph import Graph
from melody.network.state import Floats

if TYPE_CHECKING:
    from torch import Tensor, nn


class Layered(Blocks):
    """Layers on top of each other that a cell unrolls itself.

    Layer i has weight_ih_l{i} of what it takes in, (blocks x hidden, inputs), a bias_l{i}, and what a cell has besides.
    """

    @classmethod
    def sizes_of(cls, weights: Weights) -> Sizes:
        """See `Cell.sizes_of`."""
        rows, inputs = weights["weight_ih_l0"].shape
        return Sizes(inputs, rows // cls.blocks, sum(name.startswith("weight_ih_l") for name in weights))

    def shapes(self) -> Shapes:
        """See `Cell.shapes`."""
        rows, width, shapes = self.blocks * self.sizes.hidden, self.sizes.inputs, Shapes()
        for i in range(self.sizes.layers):
            own = {"weight_ih": (rows, width), "bias": (rows,)} | self.more_shapes()
            shapes |= {f"{name}_l{i}": shape for name, shape in own.items()}
            width = self.sizes.hidden
        return shapes

    def more_shapes(self) -> Shapes:
        """Name and shape of what each layer has besides the weights of what it takes in, and its bias."""
        return {}

    def module(self, dropout: float) -> nn.Module:
        """See `Cell.module`."""
        import torch
        from torch import nn

        module = nn.ParameterDict({name: nn.Parameter(torch.empty(shape)) for name, shape in self.shapes().items()})
        module.add_module("between", nn.Dropout(dropout))
        return module

    def unroll(
        self, module: nn.Module, inputs: Tensor, state: Mapping[str, Tensor] | None, weight_dropout: float
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """See `Cell.unroll`."""
        import torch
        from torch.nn import functional

        empty = inputs.new_zeros(self.sizes.layers, len(inputs), self.sizes.hidden, dtype=torch.float32)
        state, after = state or dict.fromkeys(self.arrays, empty), []
        for i in range(self.sizes.layers):
            names = ("weight_ih", "bias", *self.more_shapes())
            weights: dict[str, Tensor] = {name: module.get_parameter(f"{name}_l{i}") for name in names}
            if weight_dropout and "weight_hh" in weights:
                weights["weight_hh"] = functional.dropout(weights["weight_hh"], weight_dropout)
            taken = functional.linear(inputs, weights["weight_ih"], weights["bias"]).float()
            output, own = self.unroll_layer(weights, taken, {name: state[name][i] for name in self.arrays})
            after.append(own)
            inputs = module.get_submodule("between")(output) if i < self.sizes.layers - 1 else output
        return inputs, {name: torch.stack([own[name] for own in after]) for name in self.arrays}

    @abstractmethod
    def unroll_layer(
        self, weights: Mapping[str, Tensor], taken: Tensor, state: Mapping[str, Tensor]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """All events of a window in one layer, in torch.

        Parameters
        ----------
        weights
            Of the layer, by their names without its number.
        taken
            Products of what it takes in, with the bias, (streams, events, blocks x hidden).
        state
            To go on from, (streams, hidden) each.

        Returns
        -------
        output, state
            Of each event, (streams, events, hidden); the state after the last one.
        """

    def gates(self, weights: Weights, inputs: Floats, states: Mapping[str, Floats]) -> dict[str, Floats]:
        """See `Cell.gates`."""
        size, found = self.sizes.hidden, []
        for i in range(self.sizes.layers):
            own = self.of_layer(weights, i)
            arrays = {name: states[name][:, i * size : (i + 1) * size] for name in self.arrays}
            taken = inputs @ own["weight_ih"].T + own["bias"]
            if "weight_hh" in own:
                taken += arrays["h"][:-1] @ own["weight_hh"].T
            before, after = ({name: array[span] for name, array in arrays.items()} for span in (slice(-1), slice(1, None)))
            found.append(self.layer_gates(own, np.split(taken, self.blocks, axis=1), before, after))
            inputs = after["h"]
        return {name: np.stack([each[name] for each in found], axis=1) for name in found[0]}

    @abstractmethod
    def layer_gates(
        self, weights: Weights, blocks: list[Floats], before: Mapping[str, Floats], after: Mapping[str, Floats]
    ) -> dict[str, Floats]:
        """The gates of one layer at each event, (events, hidden) each, see `Cell.gates`.

        Parameters
        ----------
        weights
            Of the layer, by their names without its number.
        blocks
            What is summed for each block, products with h among it, (events, hidden) each.
        before, after
            The layer's state around each event, (events, hidden) each.
        """

    def onnx_step(self, graph: Graph, weights: Weights, inputs: str, state: Mapping[str, str]) -> str:
        """See `Cell.onnx_step`."""
        layers, output = self.sizes.layers, ""
        parts = {name: graph.split(state[name], [self.sizes.hidden] * layers) for name in self.arrays}
        for i in range(layers):
            own = self.of_layer(weights, i)
            if i == 0:
                taken = graph.add("Add", inputs, graph.constant(own["bias"]))
            else:
                taken = graph.times(output, own["weight_ih"], own["bias"], self.is_bounded)
            output, after = self.onnx_layer(graph, own, taken, {name: parts[name][i] for name in self.arrays})
            for name in self.arrays:
                parts[name][i] = after[name]
        for name in self.arrays:
            graph.add("Concat", *parts[name], outputs=[f"{name}_next"], axis=1)
        return output

    @abstractmethod
    def onnx_layer(self, graph: Graph, weights: Weights, taken: str, state: Mapping[str, str]) -> tuple[str, dict[str, str]]:
        """One layer's output and new state in ONNX; `weights`, `taken` and `state` as in `unroll_layer`."""

    def of_layer(self, weights: Weights, number: int) -> dict[str, Floats]:
        """The weights of one layer, by their names without its number."""
        return {name: weights[f"{name}_l{number}"] for name in ("weight_ih", "bias", *self.more_shapes())}
