"""The cells: what carries a state from event to event, one file each.

To add one, write a file beside these with a class that is a `Cell` (`cell`), a `Stacked` one where torch has it as a stack
of layers, or else a `Layered` one, and give it a row below and its name in `CellName`. Everything else goes by the row: the
weights' names (which begin with the name of the row) and their shapes in a model file, training, both engines, export, the
command line and the tests.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from melody.errors import ModelFileError
from melody.network.cells.cell import Cell, Sizes, Step, Weights
from melody.network.cells.gru import GRU
from melody.network.cells.lstm import LSTM
from melody.network.cells.mingru import MinGRU
from melody.network.cells.minlstm import MinLSTM
from melody.network.cells.peephole import Peephole
from melody.network.cells.rnn import RNN
from melody.network.cells.slstm import SLSTM
from melody.network.state import Floats

CellName = Literal["lstm", "gru", "rnn", "peephole", "mingru", "minlstm", "slstm"]
CELLS: dict[CellName, type[Cell]] = {
    "lstm": LSTM,
    "gru": GRU,
    "rnn": RNN,
    "peephole": Peephole,
    "mingru": MinGRU,
    "minlstm": MinLSTM,
    "slstm": SLSTM,
}

__all__ = ["CELLS", "Cell", "CellName", "Sizes", "Step", "Weights", "recognised"]


def recognised(weights: Mapping[str, Floats]) -> tuple[Cell, Weights]:
    """The cell of a model, and its weights under their names there.

    Parameters
    ----------
    weights
        All parameters of the model by name.

    Raises
    ------
    ModelFileError
        If none of them is that of a cell.
    """
    for name, kind in CELLS.items():
        prefix = f"{name}."
        own = {key.removeprefix(prefix): array for key, array in weights.items() if key.startswith(prefix)}
        if own:
            return kind(kind.sizes_of(own)), own
    raise ModelFileError(f"has weights of no cell that is known here ({', '.join(CELLS)}); get it again")
