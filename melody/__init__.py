"""melody: train an LSTM on a folder of MIDI files, write new tunes in its style, continue a melody.

import melody
model = melody.train("my-folder", out="mine.safetensors")
tune = model.generate(bars=16)
longer = model.continue_(melody.read("mine.mid"), bars=8)
longer.write("longer.mid")
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from melody.errors import MelodyError

if TYPE_CHECKING:
    from melody.piece import Piece
    from melody.sampling import Model

__version__ = "0.1.0"
__all__ = ["MelodyError", "Piece", "load", "read", "train"]


def train(folder: str | os.PathLike[str], *, out: str | os.PathLike[str], resume: bool = False, **settings: Any) -> Model:
    """Train a model on a folder of MIDI files, write it to `out`, and load it.

    Parameters
    ----------
    folder
        Searched with its subfolders.
    out
        The model file.
    resume
        Go on with an interrupted run.
    settings
        Of `melody.training.settings.TrainingSettings`, such as `max_minutes=10`.

    Raises
    ------
    MelodyError
        If the folder holds nothing to train on, or a file cannot be written.
    """
    from melody.threads import wait_shortly

    wait_shortly()
    from melody.corpus import prepare
    from melody.training.run import fit
    from melody.training.settings import TrainingSettings

    result = fit(prepare(folder), os.fspath(out), TrainingSettings(**settings), resume=resume)
    return load(result.path)


def load(path: str | os.PathLike[str]) -> Model:
    """The model in a file (see `melody.sampling.load`)."""
    from melody import sampling

    return sampling.load(path)


def read(path: str | os.PathLike[str]) -> Piece:
    """The piece in a MIDI file (see `melody.midi.read`)."""
    from melody import midi

    return midi.read(path)


def __getattr__(name: str) -> Any:
    """`melody.Piece`, imported when it is first asked for: the command line sets NumPy's threads before NumPy is loaded."""
    if name == "Piece":
        from melody.piece import Piece

        return Piece
    raise AttributeError(f"module 'melody' has no attribute {name!r}")
