"""melody: train an LSTM on a folder of music, write new tunes in its style, continue a melody.

import melody
model = melody.load("fiddle")                    # or melody.train("my-folder", minutes=10)
tune = model.generate(bars=16, key="Dm", seed=7)
longer = model.continue_("mine.mid", bars=8)
longer.write("longer.mid")
"""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING, Any

from melody.arguments import checked, path_of, shown
from melody.errors import ArgumentError, MelodyError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Literal

    from melody.modelfile import ModelFile
    from melody.piece import Piece
    from melody.sampling import Model
    from melody.sampling.model import EngineName
    from melody.training.records import Alarm, Epoch

__version__ = "0.1.0"
__all__ = ["MelodyError", "Piece", "load", "read", "train"]


@checked
def train(
    folder: str | PathLike[str],
    *,
    out: str | PathLike[str] | None = None,
    minutes: float = 20.0,
    part: str | int = "all",
    drums: bool = True,
    pedal: bool = True,
    find_beats: bool = False,
    from_: str | PathLike[str] | Model | None = None,
    only: Literal["all", "state"] = "all",
    resume: bool = False,
    force: bool = False,
    epochs: int | None = None,
    epoch_share: float = 1.0,
    patience: float = 0.2,
    cell: Literal["lstm", "gru", "rnn", "peephole", "mingru", "minlstm", "slstm", "transformer"] | None = None,
    front: Literal["none", "conv"] = "none",
    attention: int = 0,
    features: Literal["all", "none"] = "all",
    bidirectional: bool = False,
    hidden_size: int | None = None,
    layers: int | None = None,
    dropout: float | None = None,
    learning_rate: float | None = None,
    weight_decay: float | None = None,
    batch_size: int = 16,
    window: int = 64,
    noise: float = 0.0,
    seed: int = 0,
    half: bool = False,
    samples: int = 5,
    logger: Literal["none", "tensorboard"] = "none",
    devices: int = 1,
    strategy: str = "auto",
    precision: Literal["auto", "32", "bf16"] = "auto",
    max_minutes: float | None = None,
    on_epoch: Callable[[Epoch], None] | None = None,
    on_alarm: Callable[[Alarm], None] | None = None,
) -> Model:
    """Train a model on a folder of music, write it, and load it.

    The parameters are the options of `melody train`. What happened stands in `model.file.training`.

    Parameters
    ----------
    folder
        Searched with its subfolders for MIDI, MusicXML, ABC and Humdrum files; or a store that `melody prepare` wrote.
    out
        The model file; None is checkpoints/FOLDER.safetensors, so that `melody.load("FOLDER")` finds it, or FOLDER-2 if that
        is there.
    minutes
        The run is planned to end within this time, above 0; it is not heeded where `epochs` are given.
    part
        What is taken of each piece: 'all', 'highest', 'melodic' (most like a melody), a number from 1, a track's name.
    drums
        Whether drum parts are kept.
    pedal
        Whether the sustain pedal is learnt where a quarter of the pieces press it; or notes are as long as their keys are
        held.
    find_beats
        Whether recorded performances follow their beats where these are clear: each is a quarter then, with its own tempo.
    from_
        A trained model that is adapted: its name, its file, or itself.
    only
        What is learned with `from_`: 'all' of the model, or the 'state' that it begins from, which is a style of a few
        kilobytes (`melody.models`).
    resume
        Go on with a run that was interrupted.
    force
        Replace a model that is there.
    epochs
        Passes over the music; None plans them from the music, the minutes and the speed of this machine.
    epoch_share
        How much of the music an epoch sees, above 0 to 1; of a very large folder a plan may take less by itself.
    patience
        Training stops when so large a share of the epochs brought nothing, 0 to 1.
    cell
        Kind of the layers that carry the state; None is an LSTM, with `from_` that of the model.
    front
        'conv' puts a convolution over the last five events before them.
    attention
        Over how many of the last events they have attention; 0 for none, otherwise 2 to 1,024.
    features
        'none' leaves the bare network of a textbook: the tokens of the events in, those of the next one out; no look-back,
        no match, no place in the bar, no outline.
    bidirectional
        Read music backwards, too, from its end to a gap, so that `vary` writes what leads to what follows.
    hidden_size, layers, dropout
        Of the LSTM; None goes by the music.
    learning_rate
        The highest one; None is 0.002, with `from_` 0.0004.
    weight_decay
        Of AdamW; None goes by the music.
    batch_size, window
        Pieces side by side, and most notes between two steps of the optimizer.
    noise
        Share of the notes that the model reads in training with a wrong pitch, 0 to 1, and has to predict right.
    seed
        Random number: the same one trains the same model.
    half
        Weights of 16 bits: half the file, hardly another model.
    samples
        Sample tunes along the way; 0 for none.
    logger
        'tensorboard' writes the losses for TensorBoard, too.
    devices, strategy
        GPUs, or processes where there is none, and the name of Lightning's strategy for them.
    precision
        Of the products; 'auto' takes bf16 where it is much faster.
    max_minutes
        The command line's name for `minutes`.
    on_epoch, on_alarm
        Called with each epoch's losses, and with what goes wrong or is planned again; `on_epoch=print` shows them.

    Raises
    ------
    MelodyError
        If the folder holds nothing to train on, something makes no sense, a file is there or cannot be written, or PyTorch
        and Lightning are not installed.

    Notes
    -----
    Ctrl-C ends training and gives the best model so far. SIGTERM ends it and, when that model is written, the program.
    """
    given = locals()  # the keywords, for the one place that makes settings of them
    import time
    from pathlib import Path

    from melody.threads import wait_shortly

    wait_shortly()
    from melody.corpus import Corpus, PrepareSettings, prepare
    from melody.extras import need
    from melody.training.paths import target
    from melody.training.settings import check_style, settings_from

    begun = time.monotonic()
    source = Path(path_of(folder, "folder"))
    named = None if out is None else Path(path_of(out, "out"))
    settings = settings_from(given)
    if only == "state":
        check_style(settings, from_)
    elif only != "all":
        raise ArgumentError(f"only is {shown(only)}; it must be 'all' or 'state'")
    written = None if only == "state" else target(source, named, resume=resume, force=force)
    need("training", "torch", "pytorch_lightning")
    start = None if from_ is None else _file(from_)
    grid: int | Literal["auto"] = start.vocabulary.ticks_per_quarter if start else "auto"
    taken = PrepareSettings(part=str(part), drums=drums, pedal=pedal, find_beats=find_beats, ticks_per_quarter=grid)
    is_store = source.suffix == ".store" and source.is_file()
    corpus = Corpus.open(source) if is_store else prepare(source, taken)
    if written is None:
        from melody.training.adapting.state_only import learned_style

        assert start is not None
        return load(learned_style(start, corpus, source, named, seed=seed, force=force))
    from melody.training.run import fit

    watching: dict[str, Any] = {"on_epoch": on_epoch, "on_alarm": on_alarm}
    return load(fit(corpus, written, settings, start=start, resume=resume, begun=begun, **watching).path)


def _file(model: str | PathLike[str] | Model) -> ModelFile:
    """The file of a model, or of the one that is named."""
    if isinstance(model, (str, PathLike)):
        return load(model).file
    if hasattr(model, "file"):
        return model.file
    raise ArgumentError(f"from_ is {shown(model)}; it must be a model, its name or its file")


@checked
def load(model: str | PathLike[str], engine: EngineName = "numpy", memory: int | str | None = None) -> Model:
    """The model of a name, such as 'fiddle', or in a file.

    Parameters
    ----------
    model
        A file, or the name of one in checkpoints/, or of a model that comes with melody: see `melody models`.
    engine
        What runs it: 'numpy'; or ONNX Runtime, which has to be installed: 'onnx', or 'int8' with weights of 8 bits.
    memory
        Of how many past events the model remembers its states beside what it has learnt, as 512; or with the memory's share
        and flatness, as '512:0.02:1' (`melody.network.memory`). None or 0: none.

    Raises
    ------
    melody.errors.SamplingError
        If the memory makes no sense.
    melody.errors.ModelFileError
        If there is none, or it is damaged or of another version; the message lists the models there are.
    """
    from melody import models, sampling

    return sampling.load(models.find(path_of(model, "the model")), engine, memory)


@checked
def read(path: str | PathLike[str]) -> Piece:
    """The piece in a MIDI, MusicXML (.musicxml .xml .mxl), ABC (.abc) or Humdrum (.krn) file (see `Piece.read`)."""
    from melody.piece import Piece

    return Piece.read(path)


def __getattr__(name: str) -> Any:
    """`melody.Piece`, imported when it is first asked for: the command line sets NumPy's threads before NumPy is loaded."""
    if name == "Piece":
        from melody.piece import Piece

        return Piece
    raise AttributeError(f"module 'melody' has no attribute {name!r}")
