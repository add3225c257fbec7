"""How to train, what is planned, and how it ended: plain data, read without torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from melody.dataset import BatchSettings

if TYPE_CHECKING:
    from melody.model import ModelSettings


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
        Highest learning rate of AdamW.
    weight_decay
        Of AdamW, on matrices.
    clip_norm
        Gradients are scaled down to this norm (Pascanu et al. 2013).
    patience
        Share of the planned epochs without a better validation loss after which training stops, at least five epochs.
    batch
        Batches and windows.
    model
        Shape of the model; None lets it follow the size of the corpus.
    seed
        Of weights, order, transposition and dropout.
    half
        Write weights of 16 bits: half the file, and the result is measured with them.
    """

    max_minutes: float = 20.0
    epochs: int | None = None
    learning_rate: float = 2e-3
    weight_decay: float = 0.01
    clip_norm: float = 1.0
    patience: float = 0.2
    batch: BatchSettings = field(default_factory=BatchSettings)
    model: ModelSettings | None = None
    seed: int = 0
    half: bool = False


@dataclass(frozen=True)
class Plan:
    """What a run is going to do; it is part of what `--resume` goes on with.

    Parameters
    ----------
    model
        Shape of the model.
    epochs
        Planned epochs.
    groups
        Groups of pieces in an epoch; fewer than there are if one pass over a large corpus would take all the time.
    seconds_per_epoch
        Expected.
    """

    model: ModelSettings
    epochs: int
    groups: int
    seconds_per_epoch: float


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
