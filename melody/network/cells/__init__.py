"""The cells: what carries a state from event to event, one file each.

To add one, write a file beside these with a class that is a `Cell` (`cell`), a `Stacked` one where torch has it as a stack
of layers, or else a `Layered` one, and give it a row below and its name in `CellName`. Everything else goes by the row: the
weights' names (which begin with the name of the row) and their shapes in a model file, training, both engines, export, the
command line and the tests.
"""

from __future__ import annotations

from typing import Literal

from melody.network.cells.cell import Cell, Sizes, Step, Weights
from melody.network.cells.gru import GRU
from melody.network.cells.lstm import LSTM
from melody.network.cells.mingru import MinGRU
from melody.network.cells.minlstm import MinLSTM
from melody.network.cells.peephole import Peephole
from melody.network.cells.rnn import RNN
from melody.network.cells.slstm import SLSTM
from melody.network.cells.transformer import Transformer

CellName = Literal["lstm", "gru", "rnn", "peephole", "mingru", "minlstm", "slstm", "transformer"]
CELLS: dict[CellName, type[Cell]] = {
    "lstm": LSTM,
    "gru": GRU,
    "rnn": RNN,
    "peephole": Peephole,
    "mingru": MinGRU,
    "minlstm": MinLSTM,
    "slstm": SLSTM,
    "transformer": Transformer,
}

__all__ = ["CELLS", "Cell", "CellName", "Sizes", "Step", "Weights"]
