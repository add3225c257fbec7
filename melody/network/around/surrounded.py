"""What a cell with something around it has in common with what is around it: names, and the module of the cell within."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from melody.network.cells.cell import Cell, Shapes, Sizes, Weights
from melody.network.state import Floats, State

if TYPE_CHECKING:
    from torch import Tensor, nn


class Surrounded(Cell):
    """A cell with something around it.

    Parameters
    ----------
    inner
        The cell.
    span
        Over how many events it reaches, the latest one among them; 2 or more.
    """

    name: ClassVar[str]  # of what is around it: its weights have this name and a dot in front

    def __init__(self, inner: Cell, span: int) -> None:
        super().__init__(inner.sizes)
        self.inner, self.span = inner, span
        self.title = inner.title  # `ModelSettings.layers` says what stands around it

    @classmethod
    def sizes_of(cls, weights: Weights) -> Sizes:
        """Not asked: those of the cell within count."""
        raise NotImplementedError

    @abstractmethod
    def own_shapes(self) -> Shapes:
        """Name and shape of the weights that are not those of the cell within."""

    @abstractmethod
    def own_state(self, streams: int) -> State:
        """What is carried besides the state of the cell within, before the first event."""

    def shapes(self) -> Shapes:
        """See `Cell.shapes`."""
        return self.inner.shapes() | {f"{self.name}.{key}": shape for key, shape in self.own_shapes().items()}

    def begin(self, streams: int) -> State:
        """See `Cell.begin`."""
        inner, own = self.inner.begin(streams), self.own_state(streams)
        return State({name: state[name] for state in (inner, own) for name in state})

    def module(self, dropout: float) -> nn.Module:
        """See `Cell.module`."""
        import torch
        from torch import nn

        module = self.inner.module(dropout)
        own = {name: nn.Parameter(torch.empty(shape)) for name, shape in self.own_shapes().items()}
        module.add_module(self.name, nn.ParameterDict(own))
        return module

    def initialise(self, module: nn.Module) -> None:
        """See `Cell.initialise`: own matrices as Glorot and Bengio (2010) have it, vectors at 0."""
        from torch import nn

        self.inner.initialise(module)
        for parameter in module.get_submodule(self.name).parameters():
            if parameter.ndim > 1:
                nn.init.xavier_uniform_(parameter)
            else:
                nn.init.zeros_(parameter)

    def layered_arrays(self) -> tuple[str, ...]:
        """See `Cell.layered_arrays`: those of the cell within."""
        return self.inner.layered_arrays()

    def gates(self, weights: Weights, inputs: Floats, states: Mapping[str, Floats]) -> dict[str, Floats]:
        """See `Cell.gates`: those of the cell within."""
        return self.inner.gates(self.within(weights), self.taken(weights, inputs), states)

    def taken(self, weights: Weights, inputs: Floats) -> Floats:
        """What the cell within takes in at each event of a piece, of sums of embeddings, (events, embedding) both."""
        return inputs

    def within(self, weights: Weights) -> dict[str, Floats]:
        """The weights of the cell within."""
        return {key: array for key, array in weights.items() if not key.startswith(f"{self.name}.")}

    def own(self, weights: Weights, key: str) -> Floats:
        """One of the weights that are not those of the cell within."""
        return weights[f"{self.name}.{key}"]

    def inner_state(self, state: Mapping[str, Tensor] | None) -> dict[str, Tensor] | None:
        """The part of a state that the cell within carries."""
        return None if state is None else {name: state[name] for name in self.inner.begin(0)}
