"""How to train, what is planned, and how it ended: plain data, read without torch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from melody.arguments import shown
from melody.dataset import BatchSettings
from melody.errors import TrainingError

if TYPE_CHECKING:
    from melody.network.model import ModelSettings

Logger = Literal["none", "tensorboard"]
Precision = Literal["auto", "32", "bf16"]
EpochsBy = Literal["time", "music", "you"]


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
        Highest learning rate of AdamW, above 0 to 1; None is 0.002, and 0.0002 where a trained model is adapted.
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
    hidden_size, num_layers, dropout
        Change these of that shape; None leaves them.
    seed
        Of weights, order, transposition and dropout.
    half
        Write weights of 16 bits: half the file, and the result is measured with them.
    samples
        Sample tunes along the way; 0 for none.
    logger
        Who else is told of the losses.
    devices, strategy
        Processes or GPUs, and the name of Lightning's strategy; each takes its share of every group of pieces.
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
    hidden_size: int | None = None
    num_layers: int | None = None
    dropout: float | None = None
    seed: int = 0
    half: bool = False
    samples: int = 5
    logger: Logger = "none"
    devices: int = 1
    strategy: str = "auto"
    precision: Precision = "auto"

    def __post_init__(self) -> None:
        for name in (
            "max_minutes",
            "epoch_share",
            "learning_rate",
            "weight_decay",
            "averaging",
            "clip_norm",
            "patience",
            "dropout",
        ):
            _check_number(name, getattr(self, name))
        at_least = {"epochs": 1, "hidden_size": 1, "num_layers": 1, "samples": 0, "devices": 1, "seed": 0}
        for name, least in at_least.items():
            _check_whole(name, getattr(self, name), least)
        for name, legal in (("logger", get_args(Logger)), ("precision", get_args(Precision)), ("half", (False, True))):
            if getattr(self, name) not in legal:
                raise TrainingError(
                    f"{name} is {shown(getattr(self, name))}; it must be one of {', '.join(map(str, legal))}"
                )
        if not isinstance(self.strategy, str):
            raise TrainingError(f"strategy is {shown(self.strategy)}; it must be a name, such as 'auto' or 'ddp'")
        for name in ("max_minutes", "learning_rate", "dropout", "averaging", "patience", "epoch_share", "weight_decay"):
            value = getattr(self, name)
            may_be_none = name in ("learning_rate", "dropout", "weight_decay")
            if isinstance(value, bool) or not (isinstance(value, Real) or (value is None and may_be_none)):
                raise TrainingError(f"{name} is {shown(value)}; it must be a number")
        if not self.max_minutes > 0:
            raise TrainingError(f"max_minutes is {self.max_minutes}; it must be above 0")
        if self.learning_rate is not None and not 0 < self.learning_rate <= 1:
            raise TrainingError(f"the learning rate is {self.learning_rate}; it must be above 0 and at most 1")
        if self.dropout is not None and not 0 <= self.dropout < 1:
            raise TrainingError(f"dropout is {self.dropout}; it must be from 0 to below 1")
        for name in ("averaging", "patience"):
            if not 0 <= getattr(self, name) <= 1:
                raise TrainingError(f"{name} is {getattr(self, name)}; it must be from 0 to 1")
        if not 0 < self.epoch_share <= 1:
            raise TrainingError(f"epoch_share is {self.epoch_share}; it must be above 0 and at most 1")
        _check_whole("batch_size", self.batch.batch_size, 1)
        _check_whole("window", self.batch.window, 1)
        if not 0 <= self.batch.match_dropout <= 1:
            raise TrainingError(f"match_dropout is {self.batch.match_dropout}; it must be from 0 to 1")

    def resumed(self, begun: Mapping[str, Any]) -> TrainingSettings:
        """These settings for a run that was begun with others: what is left out, its default, is as it was then.

        Parameters
        ----------
        begun
            The settings then, as plain data.

        Raises
        ------
        TrainingError
            If one that decides about the weights is given and differs.
        """
        usual, now = asdict(TrainingSettings()), asdict(self)
        differing = [name for name in now if name not in _MAY_CHANGE and now[name] != begun.get(name, now[name])]
        for name in differing:
            if now[name] != usual[name]:
                raise TrainingError(
                    f"the run was begun with {name} {begun[name]}, not {now[name]}; leave it out, or train without --resume"
                )
        changes = {name: begun[name] for name in differing if name != "model"}  # the plan has the model
        if "batch" in changes:
            changes["batch"] = BatchSettings(**changes["batch"])
        return replace(self, **changes)


_MAY_CHANGE = {"max_minutes", "half", "samples", "logger"}


def _check_number(name: str, value: object) -> None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value)):
        raise TrainingError(f"{name} is {shown(value)}; it must be a number")


def _check_whole(name: str, value: object, least: int) -> None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, Integral) or not least <= int(value) < 2**31):
        raise TrainingError(f"{name} is {shown(value)}; it must be a whole number, and at least {least}")


@dataclass(frozen=True)
class Plan:
    """What a run is going to do; it is part of what `--resume` goes on with.

    Parameters
    ----------
    model
        Shape of the model.
    reason
        Why that one.
    epochs
        Planned epochs.
    groups
        Groups of pieces in an epoch; fewer than there are if one pass over a large corpus would take all the time.
    seconds_per_epoch
        Expected, validation included; measured on this machine.
    learning_rate
        Highest.
    weight_decay
        Of AdamW.
    precision
        '32' or 'bf16'.
    adapts
        Whether it starts from a trained model.
    pieces, valid_pieces, notes, events, tokens
        What there is to train on; pieces to choose the model on, 0 if there are none.
    uniform
        Nats per note of guessing blindly.
    parameters
        Of the model.
    events_per_second
        In training, measured.
    threads
        Of the processor.
    megabytes
        Most memory that the process takes, as measured; None where the system does not tell.
    share
        How much of the music an epoch sees.
    epochs_by
        What the number of epochs follows: the 'time' there is, the size of the 'music', or 'you'.
    """

    model: ModelSettings
    reason: str
    epochs: int
    groups: int
    seconds_per_epoch: float
    learning_rate: float
    weight_decay: float
    precision: Literal["32", "bf16"]
    adapts: bool
    pieces: int
    valid_pieces: int
    notes: int
    events: int
    tokens: int
    uniform: float
    parameters: int
    events_per_second: float
    threads: int
    megabytes: int | None
    share: float = 1.0
    epochs_by: EpochsBy = "music"

    @property
    def minutes(self) -> float:
        """Expected, if training does not stop earlier by itself."""
        return self.epochs * self.seconds_per_epoch / 60

    @property
    def lines(self) -> list[str]:
        """The plan in plain sentences."""
        shape = self.model
        bits = "" if self.precision == "32" else ", in bf16, which is faster here"
        memory = "" if self.megabytes is None else f", {self.megabytes / 1000:.1f} GB of memory"
        seen = "" if self.share == 1 else f", each through {100 * self.share:.2g} % of the music"
        valid = f"{counted(self.valid_pieces, 'piece')} to choose the model on"
        return [
            f"plan: {counted(self.pieces, 'piece')}, {counted(self.notes, 'note')}, {counted(self.tokens, 'token')} "
            f"to train on, {valid if self.valid_pieces else 'the same to choose the model on'}",
            f"plan: LSTM {shape.num_layers} x {shape.hidden_size}, {self.parameters / 1e6:.2f} million parameters: "
            f"{self.reason}; dropout {shape.dropout:g}, of recurrent weights {shape.weight_dropout:g}",
            f"plan: {counted(self.epochs, 'epoch')} of about {seconds(self.seconds_per_epoch)}{seen}, "
            f"{self.minutes:.1f} minutes{memory} "
            f"({self.events_per_second:,.0f} notes a second on {counted(self.threads, 'thread')}{bits})",
        ]


@dataclass(frozen=True)
class Epoch:
    """One line of the history; losses in nats per note, `train` with dropout on, `valid` and `unigram` on valid pieces."""

    number: int
    epochs: int
    train: float
    valid: float
    unigram: float
    is_best: bool
    seconds: float


@dataclass(frozen=True)
class Alarm:
    """What goes wrong and what to do about it, in one plain sentence.

    Parameters
    ----------
    kind
        'too little data', 'collapse', 'overfitting', 'learning rate too high', 'learning rate too low' or 'slower', when
        the machine is slower than planned.
    sentence
        For the user.
    """

    kind: str
    sentence: str


@dataclass(frozen=True)
class Result:
    """How a run ended.

    Parameters
    ----------
    path
        The model file.
    epochs, best_epoch
        Epochs trained, and the one whose model was kept (from 1).
    valid, test, unigram, ngram
        Nats per note: of the best model on valid, of it and the two baselines on `measured_on`.
    measured_on
        The split that stands in the table: 'test'; 'valid' or 'train' in a corpus too small for it.
    ngram_order
        Longest n-gram in tokens, chosen on valid.
    ngram_pieces
        Training pieces that n-gram and unigram were counted on; of a very large corpus not all (`ngram.some_of`).
    minutes
        Taken by this run.
    ending
        'finished', 'stopped early', 'out of time' or 'interrupted'.
    epochs_by
        As of the plan, and 'time' if it was cut short under way.
    max_minutes
        The time that there was, where it counts.
    is_as_planned
        Whether the plan was kept to, so that `repeating` trains the same model again.
    repeating
        The settings that make the same plan whatever the clock says: what was measured or planned is asked for.
    """

    path: Path
    epochs: int
    best_epoch: int
    valid: float
    test: float
    unigram: float
    ngram: float
    ngram_order: int
    ngram_pieces: int
    measured_on: str
    minutes: float
    ending: str
    epochs_by: EpochsBy = "music"
    max_minutes: float = 20.0
    is_as_planned: bool = True
    repeating: TrainingSettings = field(default_factory=TrainingSettings)

    @property
    def sentence(self) -> str:
        """What happened and what to try, in plain words."""
        happened = {
            "finished": f"All {self.epochs} planned epochs are done" if self.epochs > 1 else "The one planned epoch is done",
            "stopped early": f"Validation stopped improving after epoch {self.best_epoch}, so training ended by itself",
            "out of time": f"Time was up in epoch {self.epochs + 1}",
            "interrupted": f"It was stopped in epoch {self.epochs + 1}",
        }[self.ending]
        kept = f"; the model of epoch {self.best_epoch} is kept"
        if self.ending in ("out of time", "interrupted"):
            return f"{happened}{kept}; go on with --resume."
        return f"{happened}{kept}: {self._advice}."

    @property
    def _advice(self) -> str:
        """What it is worth, and what would make it better: something that works."""
        gain = 100 * (1 - self.test / self.ngram) if self.ngram > 0 else 0.0
        is_limited = self.ending == "finished" and self.epochs_by == "time"
        longer = f"--max-minutes {2 * self.max_minutes:g}" if is_limited else f"--epochs {2 * self.epochs}"
        is_learning = self.ending == "finished" and self.best_epoch >= self.epochs - 1
        if gain <= 0:
            return (
                "it is no better than an n-gram yet: more music helps most" + f", or train anew with {longer}" * is_learning
            )
        if is_learning:
            return f"it was still learning and beats the n-gram by {gain:.0f} %: train anew with {longer} for a better one"
        return f"it beats the n-gram by {gain:.0f} %; more music would help more than more time"


@dataclass(frozen=True)
class Paths:
    """What a run writes beside its model file NAME.safetensors."""

    model: Path

    @property
    def resume(self) -> Path:
        """What `--resume` needs; gone when the run has ended."""
        return self.model.with_name(self.model.name + ".resume")

    @property
    def csv(self) -> Path:
        """A line an epoch."""
        return self.model.with_suffix(".csv")

    @property
    def png(self) -> Path:
        """The loss curves."""
        return self.model.with_suffix(".png")

    @property
    def samples(self) -> Path:
        """Folder of sample tunes."""
        return self.model.with_suffix(".samples")

    @property
    def tensorboard(self) -> Path:
        """Folder that TensorBoard reads."""
        return self.model.with_suffix(".tensorboard")


def default_out(folder: Path) -> Path:
    """Where the model of a folder or store goes if nobody says: checkpoints/NAME.safetensors, found by its name."""
    name = folder.resolve().name.removesuffix(".store") or "model"
    return Path("checkpoints") / f"{name}.safetensors"


def counted(number: int, what: str) -> str:
    """So many of something.

    >>> counted(1, "note"), counted(1200, "piece")
    ('1 note', '1,200 pieces')
    """
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def seconds(number: float) -> str:
    """Seconds with as many digits as tell something.

    >>> [seconds(number) for number in (0.0123, 3.14, 38.2, 240)]
    ['0.012 s', '3.1 s', '38 s', '240 s']
    """
    return f"{number:.0f} s" if number >= 9.95 else f"{number:.2g} s"


History = list[dict[str, Any]]  # one plain dictionary an epoch, see `melody.training.watch`


def since_best(history: History) -> int:
    """Epochs since the best one."""
    values = [entry["valid"] if math.isfinite(entry["valid"]) else math.inf for entry in history]
    return len(values) - 1 - values.index(min(values)) if values else 0
