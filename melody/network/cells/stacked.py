"""What cells share that torch has as a stack of layers: names of weights, their start, a whole window at once."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from melody.network.cells.cell import Blocks, Shapes, Sizes, Weights, sigmoid
from melody.network.state import Floats

if TYPE_CHECKING:
    from torch import Tensor, nn


class Stacked(Blocks):
    """Layers as in `torch.nn.RNNBase`, each with as many blocks of `hidden` rows as it has gates.

    Layer i has the weights weight_ih_l{i} of what it takes in, weight_hh_l{i} of its own state, and a bias of each; `arrays`
    are in torch's order.
    """

    gate_blocks: ClassVar[Mapping[str, int]] = {}  # which blocks are gates, sigmoids of the same sum of products

    @classmethod
    def sizes_of(cls, weights: Weights) -> Sizes:
        """See `Cell.sizes_of`."""
        layers = sum(name.startswith("weight_hh_l") for name in weights)
        return Sizes(weights["weight_ih_l0"].shape[1], weights["weight_hh_l0"].shape[1], layers)

    def shapes(self) -> Shapes:
        """See `Cell.shapes`."""
        rows, width = self.blocks * self.sizes.hidden, self.sizes.inputs
        shapes: Shapes = {}
        for i in range(self.sizes.layers):
            shapes |= {f"weight_ih_l{i}": (rows, width), f"weight_hh_l{i}": (rows, self.sizes.hidden)}
            shapes |= {f"bias_ih_l{i}": (rows,), f"bias_hh_l{i}": (rows,)}
            width = self.sizes.hidden
        return shapes

    @staticmethod
    @abstractmethod
    def torch_class() -> type[nn.RNNBase]:
        """The class of torch that has these layers."""

    def module(self, dropout: float) -> nn.RNNBase:
        """See `Cell.module`."""
        sizes = self.sizes
        between = dropout if sizes.layers > 1 else 0.0
        kind: type = self.torch_class()
        module: nn.RNNBase = kind(sizes.inputs, sizes.hidden, sizes.layers, dropout=between, batch_first=True)
        return module

    def gates(self, weights: Weights, inputs: Floats, states: Mapping[str, Floats]) -> dict[str, Floats]:
        """See `Cell.gates`: sigmoids of the products of what comes in and of the layer's own h, block by block."""
        found: dict[str, list[Floats]] = {name: [] for name in self.gate_blocks}
        size = self.sizes.hidden
        for i in range(self.sizes.layers if found else 0):
            into, recurrent, of_inputs, of_state = layer(weights, i)
            own = states["h"][:, i * size : (i + 1) * size]  # before the first event and after each
            products = inputs @ into.T + own[:-1] @ recurrent.T + of_inputs + of_state
            for name, block in self.gate_blocks.items():
                found[name].append(sigmoid(products[:, block * size : (block + 1) * size]))
            inputs = own[1:]
        return {name: np.stack(layers, axis=1) for name, layers in found.items()}

    def unroll(
        self, module: nn.Module, inputs: Tensor, state: Mapping[str, Tensor] | None, weight_dropout: float
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """See `Cell.unroll`."""
        output, after = self._unrolled(module, (inputs, None if state is None else self._packed(state)), weight_dropout)
        return output, dict(zip(self.arrays, after if isinstance(after, tuple) else (after,)))

    def _packed(self, state: Mapping[str, Tensor]) -> Tensor | tuple[Tensor, ...]:
        """The state as torch wants it: an array alone, or several."""
        arrays = tuple(state[name] for name in self.arrays)
        return arrays if len(arrays) > 1 else arrays[0]

    @staticmethod
    def _unrolled(module: nn.Module, given: tuple[object, ...], weight_dropout: float) -> tuple[Tensor, object]:
        import torch
        from torch.nn import functional

        if not weight_dropout:
            result: tuple[Tensor, object] = module(*given)
            return result
        recurrent = {name: weights for name, weights in module.named_parameters() if name.startswith("weight_hh")}
        kept = {name: functional.dropout(weights, weight_dropout) for name, weights in recurrent.items()}
        result = torch.func.functional_call(module, kept, given)
        return result


def layer(weights: Weights, number: int) -> tuple[Floats, Floats, Floats, Floats]:
    """Of one layer the input weights, the recurrent weights, and the bias of each."""
    into, recurrent = weights[f"weight_ih_l{number}"], weights[f"weight_hh_l{number}"]
    return into, recurrent, weights[f"bias_ih_l{number}"], weights[f"bias_hh_l{number}"]
