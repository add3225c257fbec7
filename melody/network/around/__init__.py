"""What stands around a cell, a file each, and with it is a cell again: a convolution before it, an attention after it.

Each is a `Surrounded` cell: it has the weights of the cell within, and its own under a name with a dot behind. So a model
file, both engines, export, training and sampling know of nothing but cells.
"""

from __future__ import annotations

from collections.abc import Mapping

from melody.errors import ModelFileError
from melody.network.around.attention import Attending
from melody.network.around.convolution import Convolving
from melody.network.cells import CELLS
from melody.network.cells.cell import Cell, Weights
from melody.network.state import Floats

__all__ = ["Attending", "Convolving", "recognised"]


def recognised(weights: Mapping[str, Floats]) -> tuple[Cell, Weights]:
    """The cell of a model with what stands around it, and its weights under their names there.

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
            around = (Convolving.name, Attending.name)
            cell: Cell = kind(kind.sizes_of({key: array for key, array in own.items() if key.split(".")[0] not in around}))
            if f"{Convolving.name}.weight" in own:
                cell = Convolving(cell, own[f"{Convolving.name}.weight"].shape[2])
            if f"{Attending.name}.position" in own:
                cell = Attending(cell, len(own[f"{Attending.name}.position"]))
            return cell, own
    raise ModelFileError(f"has weights of no cell that is known here ({', '.join(CELLS)}); get it again")
