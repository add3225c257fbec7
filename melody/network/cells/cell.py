"""What a cell is: weights, their start, and one step, written for torch, for NumPy and for ONNX.

Conventions
-----------
A cell takes in the sum of an event's embeddings and its state, and gives its output, of which the heads make the next event,
and a new state. Its weights are known by names of its own; in a model each has the name of the cell and a dot in front.

In torch arrays are (streams, events, width), and each array of the state is (layers or steps, streams, width). In NumPy the
streams are last: (width, streams), see `melody.network.state`. In ONNX they are first. Torch is loaded only by the methods
that need it, so that music is written without it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from melody.network.graph import Graph
from melody.network.state import Floats, State

if TYPE_CHECKING:
    from torch import Tensor, nn

Shapes = dict[str, tuple[int, ...]]
Weights = Mapping[str, Floats]


@dataclass(frozen=True)
class Sizes:
    """How large a cell is.

    Parameters
    ----------
    inputs
        Width of what it takes in, the sum of an event's embeddings.
    hidden
        Width of each layer, and of its output.
    layers
        Layers on top of each other.
    """

    inputs: int
    hidden: int
    layers: int


class Step(ABC):
    """One step of a cell in NumPy, its weights folded once for speed."""

    @abstractmethod
    def __call__(self, rows: NDArray[np.int64], state: State) -> tuple[Floats, State]:
        """Take in one event a stream.

        Parameters
        ----------
        rows
            Which embeddings make up each event, (streams, fields + features).
        state
            Stays as it is.

        Returns
        -------
        output, state
            The cell's output and the event's embedding side by side, (streams, hidden + embedding); the new state.
        """

    @abstractmethod
    def of_inputs(self, inputs: Floats, state: State) -> tuple[Floats, State]:
        """Take in what something before the cell makes of the events, (inputs, streams).

        Gives the cell's output, (hidden, streams), and the new state; the one that came in stays as it is.
        """


class Cell(ABC):
    """One kind of recurrent layers.

    Parameters
    ----------
    sizes
        How large.
    """

    title: str  # as people write it
    is_bounded: bool = True  # whether its output is within -1 and 1, as products of 8 bits want it

    def __init__(self, sizes: Sizes) -> None:
        self.sizes = sizes

    @classmethod
    @abstractmethod
    def sizes_of(cls, weights: Weights) -> Sizes:
        """How large the cell of these weights is."""

    @abstractmethod
    def shapes(self) -> Shapes:
        """Name and shape of each weight, as `module` has them."""

    @abstractmethod
    def begin(self, streams: int) -> State:
        """The state before the first event, as NumPy and ONNX carry it."""

    @abstractmethod
    def module(self, dropout: float) -> nn.Module:
        """The weights as a module of torch, which leaves out that share of what goes from layer to layer in training."""

    @abstractmethod
    def initialise(self, module: nn.Module) -> None:
        """Give the module's weights the values with which training begins."""

    @abstractmethod
    def unroll(
        self, module: nn.Module, inputs: Tensor, state: Mapping[str, Tensor] | None, weight_dropout: float
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """All events of a window, one after the other, in torch.

        Parameters
        ----------
        module
            As `module` gives it.
        inputs
            Sums of embeddings, (streams, events, embedding).
        state
            To go on from; None before the first event.
        weight_dropout
            Share of the recurrent weights that is left out, the same ones throughout the window (Merity et al. 2018).

        Returns
        -------
        output, state
            Of each event, (streams, events, hidden); the state after the last one.
        """

    @abstractmethod
    def step(self, embedding: Floats, weights: Weights, num_times: int) -> Step:
        """The step in NumPy.

        Parameters
        ----------
        embedding
            Of each token and feature, (tokens, embedding).
        weights
            Of this cell.
        num_times
            How many of the first tokens are times; each event has exactly one of them.
        """

    def layered_arrays(self) -> tuple[str, ...]:
        """Names of the state's arrays that hold a number for each cell of each layer, the lowest layer first."""
        begun, shape = self.begin(1), (self.sizes.layers * self.sizes.hidden, 1)
        return tuple(name for name in begun if begun[name].shape == shape)

    def gates(self, weights: Weights, inputs: Floats, states: Mapping[str, Floats]) -> dict[str, Floats]:
        """The gates while a piece is read, for who wants to look inside (`melody.inspection`); of a cell without any, none.

        They are computed from the published equations, not taken from `step`, which folds its weights for speed.

        Parameters
        ----------
        weights
            Of this cell.
        inputs
            Sums of embeddings, as the cell takes them in, (events, embedding).
        states
            The arrays of the state before the first event and after each, (1 + events, layers x hidden).

        Returns
        -------
        dict
            Of each gate, by name, its values from 0, shut, to 1, open, (events, layers, hidden).
        """
        return {}

    @abstractmethod
    def onnx_inputs(self, weights: Weights) -> Floats:
        """With what an event's embedding is multiplied before `onnx_step`, (products, embedding)."""

    @abstractmethod
    def onnx_step(self, graph: Graph, weights: Weights, inputs: str, state: Mapping[str, str]) -> str:
        """Add the nodes of one step; gives the name of the cell's output, (streams, hidden).

        Of each array of the state the new one is an output of the graph, named as it is with `_next` behind.

        Parameters
        ----------
        graph
            To add to.
        weights
            Of this cell.
        inputs
            Name of the event's embedding times `onnx_inputs`, (streams, products).
        state
            Names of the arrays of the state as they come in, (streams, width), or (streams, width, steps) if it grows.
        """


class Blocks(Cell):
    """Layers on top of each other, each with `blocks` blocks of `hidden` rows in its weights.

    The weights of what a layer takes in have the names weight_ih, those of its own state weight_hh, each with the number of
    the layer. The first begin as Glorot and Bengio (2010) have it, the second orthogonal, block by block (Saxe et al. 2014),
    all else at 0. So does the state, whose arrays hold all layers, the lowest first.
    """

    blocks: ClassVar[int]
    arrays: ClassVar[tuple[str, ...]]

    def begin(self, streams: int) -> State:
        """See `Cell.begin`."""
        height = self.sizes.layers * self.sizes.hidden
        return State({name: np.zeros((height, streams), np.float32) for name in self.arrays})

    def initialise(self, module: nn.Module) -> None:
        """See `Cell.initialise`."""
        from torch import nn

        for name, parameter in module.named_parameters():
            if name.startswith("weight_hh"):
                for block in parameter.data.chunk(self.blocks):
                    nn.init.orthogonal_(block)
            elif name.startswith("weight_ih"):
                nn.init.xavier_uniform_(parameter)
            else:
                nn.init.zeros_(parameter)
                if name.startswith("bias") and not name.startswith("bias_hh"):
                    self.set_bias(parameter.data.view(self.blocks, -1))

    def set_bias(self, blocks: Tensor) -> None:
        """Change what does not begin at 0 in a layer's bias, or in that of what it takes in, (blocks, hidden)."""

    def onnx_inputs(self, weights: Weights) -> Floats:
        """See `Cell.onnx_inputs`."""
        return weights["weight_ih_l0"]


def sigmoid(sums: Floats) -> Floats:
    """1 / (1 + exp(-x)) without overflow, for who looks at gates: steps fold it into their weights.

    >>> sigmoid(np.array([-1000.0, 0.0, 1000.0]))
    array([0. , 0.5, 1. ])
    """
    return np.asarray(0.5 + 0.5 * np.tanh(0.5 * sums))
