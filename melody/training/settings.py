"""How to train: the settings, checked once, and built in one place from keywords or options. Read without torch.

Messages name a setting as the keyword of `melody.train` that it is, between backticks: `learning_rate=0.002`. The command
line shows them as its options (`melody.cli.train.as_options`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from numbers import Integral, Real
from typing import Any, Literal, NamedTuple, get_args

from melody.arguments import shown
from melody.dataset import BatchSettings
from melody.errors import TrainingError
from melody.network.cells import CellName
from melody.network.settings import MOST_ATTENDED, Features, Front, ModelSettings, is_attention

Logger = Literal["none", "tensorboard"]
Precision = Literal["auto", "32", "bf16"]
MAX_TRANSPOSITION = 127  # semitones


@dataclass(frozen=True)
class TrainingSettings:
    """How to train.

    Parameters
    ----------
    max_minutes
        The run is planned to end within this time.
    epochs
        How often each piece is seen; None plans it from the corpus, the speed of this machine and `max_minutes`.
    epoch_share
        How much of the music an epoch sees, above 0 to 1; where `epochs` is None, the plan for a large corpus may take less.
    learning_rate
        Highest learning rate of AdamW, above 0 to 1; None is 0.002, and 0.0004 where a trained model is adapted.
    weight_decay
        Of AdamW, on matrices; None lets it follow how often the music is seen.
    averaging
        Share of the planned steps over which the weights are averaged, for the model that is validated and kept; 0 to 1.
    clip_norm
        Gradients are scaled down to this norm (Pascanu et al. 2013).
    patience
        Share of the planned epochs without a better validation loss after which training stops, at least five epochs.
    batch
        Batches and windows.
    model
        Shape and dropouts; None lets the shape follow the size of the corpus, the dropouts how often it is seen.
    cell, hidden_size, num_layers, dropout
        Change these of that shape; None leaves them. The cell is one of `melody.network.cells.CELLS`. `melody.train`
        and the command line call the number of layers `layers`.
    front, attention, features, bidirectional
        What stands around the cell, and what the network reads, as `melody.network.settings.ModelSettings` has it.
    seed
        Of weights, order, transposition and dropout.
    half
        Write weights of 16 bits: half the file, and the result is measured with them.
    samples
        Sample tunes along the way; 0 for none.
    logger
        'tensorboard' writes the losses for TensorBoard, too.
    devices, strategy
        Processes or GPUs, and the name of Lightning's strategy; each takes its share of every batch.
    precision
        Of the products: '32' bits, 'bf16' (autocast), or 'auto', bf16 where it is measured to be much faster.
    """

    max_minutes: float = 20.0
    epochs: int | None = None
    epoch_share: float = 1.0
    learning_rate: float | None = None
    weight_decay: float | None = None
    averaging: float = 0.02
    clip_norm: float = 1.0
    patience: float = 0.2
    batch: BatchSettings = field(default_factory=BatchSettings)
    model: ModelSettings | None = None
    cell: CellName | None = None
    hidden_size: int | None = None
    num_layers: int | None = None
    dropout: float | None = None
    front: Front = "none"
    attention: int = 0
    features: Features = "all"
    bidirectional: bool = False
    seed: int = 0
    half: bool = False
    samples: int = 5
    logger: Logger = "none"
    devices: int = 1
    strategy: str = "auto"
    precision: Precision = "auto"

    def __post_init__(self) -> None:
        for name, legal in _NUMBERS.items():
            legal.check(name, getattr(self, name))
        for name, least in _WHOLE.items():
            _check_whole(name, getattr(self, name), least)
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                legal_words = ", ".join(map(str, choices))
                raise TrainingError(f"`{name}` is {shown(getattr(self, name))}; it must be one of {legal_words}")
        if not isinstance(self.strategy, str):
            raise TrainingError(f"`strategy` is {shown(self.strategy)}; it must be a name, such as 'auto' or 'ddp'")
        if not is_attention(self.attention):
            legal_words = f"it must be 0, for none, or from 2 to {MOST_ATTENDED:,} events"
            raise TrainingError(f"`attention` is {self.attention}; {legal_words}")
        _check_batch(self.batch)

    def to_dict(self) -> dict[str, Any]:
        """As plain data, under the names that model files have."""
        data = asdict(self)
        data["batch"] = {_STORED.get(name, name): value for name, value in data["batch"].items()}
        return data

    def resumed(self, begun: Mapping[str, Any]) -> TrainingSettings:
        """These settings for a run that was begun with others: what is left out, its default, is as it was then.

        Parameters
        ----------
        begun
            The settings then, as `to_dict` gives them.

        Raises
        ------
        TrainingError
            If one that decides about the weights is given and differs.
        """
        default, now = TrainingSettings().to_dict(), self.to_dict()
        differing = [name for name in now if name not in _MAY_CHANGE and now[name] != begun.get(name, now[name])]
        for name in differing:
            if now[name] != default[name]:
                raise TrainingError(
                    f"the run was begun with {name} {begun[name]}, not {now[name]}; leave it out, or train without "
                    "`resume=True`"
                )
        changes = {name: begun[name] for name in differing if name != "model"}  # the plan has the model
        if "batch" in changes:
            changes["batch"] = _batch_of(changes["batch"])
        return replace(self, **changes)


def settings_from(given: Mapping[str, Any]) -> TrainingSettings:
    """The settings among the keywords of `melody.train`, or the options of `melody train`.

    Parameters
    ----------
    given
        All of them by their names there; what is no setting is not looked at. `max_minutes` stands for `minutes` unless it
        is None.

    Raises
    ------
    TrainingError
        If one is not legal.
    """
    named = {_KEYWORDS.get(n, n): value for n, value in given.items() if not (n == "max_minutes" and value is None)}
    batch = BatchSettings(**{each.name: named[each.name] for each in fields(BatchSettings) if each.name in named})
    known = {each.name for each in fields(TrainingSettings)} - {"batch", "model"}
    return TrainingSettings(batch=batch, **{name: value for name, value in named.items() if name in known})


def check_style(settings: TrainingSettings, start: object) -> None:
    """That a style can be learned so: from a model, which stays as it is.

    Raises
    ------
    TrainingError
        If there is no model to begin from, or a setting is given that a style has no use for.
    """
    if start is None:
        raise TrainingError("a style is learned with a trained model; name it: `from_='fiddle'`")
    default = TrainingSettings()
    for each in fields(TrainingSettings):
        if each.name not in ("seed", "max_minutes") and getattr(settings, each.name) != getattr(default, each.name):
            name = {stored: word for word, stored in _KEYWORDS.items()}.get(each.name, each.name)
            given = "a setting of batches" if name == "batch" else f"`{name}`"
            raise TrainingError(f"{given} has no meaning for a style, which leaves the model as it is; leave it out")


_KEYWORDS = {"layers": "num_layers", "minutes": "max_minutes"}
_STORED = {"match_dropout": "without_match"}  # the names of batch settings in model files, where they differ
_MAY_CHANGE = {"max_minutes", "half", "samples", "logger"}


class _Range(NamedTuple):
    """The numbers that a setting may be, and whether it may be None."""

    least: float
    most: float
    words: str
    or_none: bool = False
    without_least: bool = False
    without_most: bool = False

    def check(self, name: str, value: object) -> None:
        """Refuse any other."""
        if value is None and self.or_none:
            return
        if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value):
            raise TrainingError(f"`{name}` is {shown(value)}; it must be a number")
        number = float(value)
        low = self.least < number if self.without_least else self.least <= number
        if not (low and (number < self.most if self.without_most else number <= self.most)):
            raise TrainingError(f"`{name}` is {shown(value)}; it must be {self.words}")


_SHARE = _Range(0, 1, "from 0 to 1")
_NUMBERS = {
    "max_minutes": _Range(0, math.inf, "above 0", without_least=True),
    "epoch_share": _Range(0, 1, "above 0 and at most 1", without_least=True),
    "learning_rate": _Range(0, 1, "above 0 and at most 1", or_none=True, without_least=True),
    "weight_decay": _Range(0, math.inf, "0 or more", or_none=True),
    "averaging": _SHARE,
    "clip_norm": _Range(0, math.inf, "above 0", without_least=True),
    "patience": _SHARE,
    "dropout": _Range(0, 1, "from 0 to below 1", or_none=True, without_most=True),
}
_WHOLE = {"epochs": 1, "hidden_size": 1, "num_layers": 1, "samples": 0, "devices": 1, "seed": 0, "attention": 0}
_CHOICES: dict[str, tuple[object, ...]] = {
    "logger": get_args(Logger),
    "precision": get_args(Precision),
    "half": (False, True),
    "bidirectional": (False, True),
    "cell": (None, *get_args(CellName)),
    "front": get_args(Front),
    "features": get_args(Features),
}
_MAY_BE_NONE = ("epochs", "hidden_size", "num_layers")


def _check_whole(name: str, value: object, least: int) -> None:
    if value is None and name in _MAY_BE_NONE:
        return
    if isinstance(value, bool) or not isinstance(value, Integral) or not least <= int(value) < 2**31:
        word = {stored: word for word, stored in _KEYWORDS.items()}.get(name, name)
        raise TrainingError(f"`{word}` is {shown(value)}; it must be a whole number, and at least {least}")


def _check_batch(batch: BatchSettings) -> None:
    _check_whole("batch_size", batch.batch_size, 1)
    _check_whole("window", batch.window, 1)
    _SHARE.check("match_dropout", batch.match_dropout)
    _SHARE.check("outline_dropout", batch.outline_dropout)
    _SHARE.check("later_beginnings", batch.later_beginnings)
    _SHARE.check("noise", batch.noise)
    moves = batch.transpositions
    is_pair = isinstance(moves, (tuple, list)) and [isinstance(each, Integral) for each in moves] == [True, True]
    if not is_pair or not -MAX_TRANSPOSITION <= moves[0] <= moves[1] <= MAX_TRANSPOSITION:
        raise TrainingError(f"`transpositions` is {shown(moves)}; it must be a lowest and a highest one, in semitones")


def _batch_of(stored: Mapping[str, Any]) -> BatchSettings:
    """What `TrainingSettings.to_dict` has made plain."""
    names = {old: name for name, old in _STORED.items()}
    return BatchSettings(**{names.get(name, name): value for name, value in stored.items()})
