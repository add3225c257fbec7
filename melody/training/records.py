"""What a training says of itself: the plan, each epoch, what goes wrong, how it ended. Plain data, read without torch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from melody.network.cells import CellName
from melody.network.settings import ModelSettings
from melody.text import counted
from melody.training.settings import TrainingSettings

EpochsBy = Literal["time", "music", "you"]
History = list[dict[str, Any]]  # one plain dictionary an epoch, see `melody.training.watch`
REPLANNED = ("slower", "faster")  # kinds of alarm
STILL_LEARNING = 0.005  # late gain from which more time is worth it: less is what chance does to a flat curve
_STORED = {"buckets": "groups"}  # the names of a plan's facts in model files, where they differ


@dataclass(frozen=True)
class Plan:
    """What a run is going to do; it is part of what a resumed run goes on with.

    Parameters
    ----------
    model
        Shape of the model.
    reason
        Why that one.
    epochs
        Planned epochs.
    buckets
        Length buckets in an epoch; fewer than there are if one pass over a large corpus would take all the time.
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
    wanted
        Epochs that the music is worth, whatever the time; 0 in plans that do not say.
    """

    model: ModelSettings
    reason: str
    epochs: int
    buckets: int
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
    wanted: int = 0

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Plan:
        """The plan that `to_dict` has made plain."""
        names = {old: name for name, old in _STORED.items()}
        facts = {names.get(name, name): value for name, value in stored.items()}
        return cls(**{**facts, "model": ModelSettings(**stored["model"])})

    def to_dict(self) -> dict[str, Any]:
        """As plain data, under the names that model files have."""
        return {_STORED.get(name, name): value for name, value in asdict(self).items()}

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
            f"plan: {shape.layers}, {self.parameters / 1e6:.2f} million parameters: "
            f"{self.reason}; dropout {shape.dropout:g}, of recurrent weights {shape.weight_dropout:g}",
            f"plan: {counted(self.epochs, 'epoch')} of about {in_seconds(self.seconds_per_epoch)}{seen}, "
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
        'too little data', 'collapse', 'overfitting', 'reciting', 'learning rate too high' or 'too low'; or one of
        `REPLANNED`, when the machine is 'slower' or 'faster' than planned.
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
        Epochs trained, and the one whose model was kept (from 1); 0 for the model that was adapted, where none was better.
    valid, test, unigram, ngram
        Nats per note: of the best model on valid, of it and the two baselines on `measured_on`.
    opening, opening_unigram, opening_ngram
        The same on the first eight bars of the pieces, where there is nothing to repeat yet.
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
        As of the plan, as it was at the end.
    max_minutes
        The time that there was, where it counts.
    is_as_planned
        Whether the plan was kept to, so that `repeating` trains the same model again.
    cell
        Of the model.
    seen
        How often the music was gone through; below 1 if the time was not enough for all of it.
    late_gain
        By which share the best loss on valid in the last quarter of the epochs is below the best before it.
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
    late_gain: float = 1.0
    seen: float = 1.0
    opening: float = 0.0
    opening_unigram: float = 0.0
    opening_ngram: float = 0.0
    cell: CellName = "lstm"
    repeating: TrainingSettings = field(default_factory=TrainingSettings)

    @property
    def sentence(self) -> str:
        """What happened and what to try, in plain words."""
        never = "Validation never improved on the model it starts from, so training ended by itself"
        stopped = f"Validation stopped improving after epoch {self.best_epoch}, so training ended by itself"
        planned = f"All {self.epochs} planned epochs are done" if self.epochs > 1 else "The one planned epoch is done"
        happened = {
            "finished": planned if self.seen >= 1 else f"There was time for {100 * self.seen:.2g} % of the music, once",
            "stopped early": stopped if self.best_epoch else never,
            "out of time": f"Time was up in epoch {self.epochs + 1}",
            "interrupted": f"It was stopped after {counted(self.epochs, 'epoch')}",
        }[self.ending]
        kept = f"; the model of epoch {self.best_epoch} is kept" if self.best_epoch else "; the model it starts from is kept"
        if self.ending in ("out of time", "interrupted"):
            return f"{happened}{kept}; go on with `resume=True`."
        return f"{happened}{kept}: {self._advice}."

    @property
    def _advice(self) -> str:
        """What it is worth, and what would make it better: something that works."""
        best, name = min((self.ngram, "n-gram"), (self.unigram, "unigram"))  # the one that is harder to beat
        gain = 100 * (1 - self.test / best) if best > 0 else 0.0
        is_limited = self.ending == "finished" and self.epochs_by == "time"
        more = f"go on with `resume=True` or train anew with `max_minutes={2 * self.max_minutes:g}`"
        longer = more if is_limited else f"train anew with `epochs={2 * self.epochs}`"
        is_learning = self.ending == "finished" and self.best_epoch >= max(self.epochs - 1, 1)
        is_learning &= self.late_gain >= STILL_LEARNING
        if gain <= 0:
            return f"it is no better than the {name} yet: more music helps most" + f", or {longer}" * is_learning
        if is_learning:
            return f"it was still learning and beats the {name} by {gain:.0f} %: {longer} for a better one"
        if self.seen < 1:
            return f"it beats the {name} by {gain:.0f} %; {longer} lets it hear more of the music"
        return f"it beats the {name} by {gain:.0f} %; more music would help more than more time"


def in_seconds(number: float) -> str:
    """Seconds with as many digits as say something.

    >>> [in_seconds(number) for number in (0.0123, 3.14, 38.2, 240)]
    ['0.012 s', '3.1 s', '38 s', '240 s']
    """
    return f"{number:.0f} s" if number >= 9.95 else f"{number:.2g} s"


def since_best(history: History) -> int:
    """Epochs since the best one."""
    values = [entry["valid"] if math.isfinite(entry["valid"]) else math.inf for entry in history]
    return len(values) - 1 - values.index(min(values)) if values else 0


def late_gain(history: History) -> float:
    """By which share the best validation loss of the last quarter of the epochs is below the best before; 1 for one epoch.

    >>> late_gain([{"valid": 2.0}, {"valid": 1.6}, {"valid": 1.5}, {"valid": 1.2}])
    0.2
    """
    last = max(len(history) // 4, 1)
    before = min((entry["valid"] for entry in history[:-last]), default=math.inf)
    best = min(entry["valid"] for entry in history[-last:])
    return round(1 - best / before, 6) if before > 0 else 0.0
