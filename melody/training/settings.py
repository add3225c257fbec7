"""How to train, what is planned, and how it ended: plain data, read without torch."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from melody.dataset import BatchSettings
from melody.errors import TrainingError

if TYPE_CHECKING:
    from melody.model import ModelSettings

Logger = Literal["none", "tensorboard"]
Precision = Literal["auto", "32", "bf16"]


@dataclass(frozen=True)
class TrainingSettings:
    """How to train.

    Parameters
    ----------
    max_minutes
        The run is planned to end within this time.
    epochs
        How often each piece is seen; None plans it from the corpus, the speed of this machine and `max_minutes`.
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
        at_least = {"epochs": 1, "hidden_size": 1, "num_layers": 1, "samples": 0, "devices": 1}
        for name, least in at_least.items():
            value = getattr(self, name)
            if value is not None and value < least:
                raise TrainingError(f"{name} is {value}; it must be at least {least}")
        if not self.max_minutes > 0:
            raise TrainingError(f"max_minutes is {self.max_minutes}; it must be above 0")
        if self.learning_rate is not None and not 0 < self.learning_rate <= 1:
            raise TrainingError(f"the learning rate is {self.learning_rate}; it must be above 0 and at most 1")
        if self.dropout is not None and not 0 <= self.dropout < 1:
            raise TrainingError(f"dropout is {self.dropout}; it must be from 0 to below 1")
        if not 0 <= self.averaging <= 1:
            raise TrainingError(f"averaging is {self.averaging}; it must be from 0 to 1")
        if self.batch.batch_size < 1 or self.batch.window < 1:
            raise TrainingError("batch_size and window must be at least 1")
        if not 0 <= self.batch.without_match <= 1:
            raise TrainingError(f"without_match is {self.batch.without_match}; it must be from 0 to 1")


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
    """

    model: ModelSettings
    reason: str
    epochs: int
    groups: int
    seconds_per_epoch: float
    learning_rate: float
    weight_decay: float
    precision: str
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
        return [
            f"plan: {self.pieces:,} pieces, {self.notes:,} notes, {self.tokens:,} tokens to train on, "
            f"{self.valid_pieces:,} pieces to choose the model on",
            f"plan: LSTM {shape.num_layers} x {shape.hidden_size}, {self.parameters / 1e6:.2f} million parameters: "
            f"{self.reason}; dropout {shape.dropout:g}, of recurrent weights {shape.weight_dropout:g}",
            f"plan: {self.epochs} epochs of about {self.seconds_per_epoch:.{self.seconds_per_epoch < 10:d}f} s, "
            f"{self.minutes:.1f} minutes{memory} "
            f"({self.events_per_second:,.0f} notes a second on {self.threads} threads{bits})",
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
        Training pieces that n-gram and unigram were counted on; of a very large corpus not all (`melody.ngram.some_of`).
    minutes
        Taken by this run.
    ending
        'finished', 'stopped early', 'out of time' or 'interrupted'.
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

    @property
    def sentence(self) -> str:
        """What happened and what to try, in plain words."""
        gain = 100 * (1 - self.test / self.ngram) if self.ngram > 0 else 0.0
        happened = {
            "finished": f"All {self.epochs} planned epochs are done",
            "stopped early": f"Validation stopped improving after epoch {self.best_epoch}, so training ended by itself",
            "out of time": f"Time was up in epoch {self.epochs + 1}",
            "interrupted": f"You stopped it in epoch {self.epochs + 1}",
        }[self.ending]
        kept = f"; the model of epoch {self.best_epoch} is kept"
        if self.ending in ("out of time", "interrupted"):
            advice = "go on with --resume."
        elif gain <= 0:
            advice = "it is no better than an n-gram yet: give it more music or more minutes."
        elif self.best_epoch >= self.epochs - 1:
            advice = f"it was still learning and beats the n-gram by {gain:.0f} %: more --max-minutes will help."
        else:
            advice = f"it beats the n-gram by {gain:.0f} %; more music would help more than more minutes."
        return f"{happened}{kept}: {advice}" if not advice.startswith("go") else f"{happened}{kept}; {advice}"


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


History = list[dict[str, Any]]  # one plain dictionary an epoch, see `melody.training.watch`


def since_best(history: History) -> int:
    """Epochs since the best one."""
    values = [entry["valid"] if math.isfinite(entry["valid"]) else math.inf for entry in history]
    return len(values) - 1 - values.index(min(values)) if values else 0
