"""What happens around the training: the best model kept, the way back kept; clock, loss and signals watched; all reported.

The history has one plain dictionary an epoch: epoch, steps so far, train, valid and unigram (nats per note), learning_rate,
pitch_right (share, on valid), guessed_share and real_share (of the most frequent pitch), seconds, and sample_run, the
longest run of one pitch in the sample tune, where one was written. The CSV has the same columns.
"""

from __future__ import annotations

import csv
import io
import logging
import math
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytorch_lightning as pl
import torch

from melody import files
from melody.errors import TrainingError
from melody.training import alarms
from melody.training.records import Alarm, Epoch, since_best
from melody.training.replanning import alarm_of, epochs_now

if TYPE_CHECKING:
    from melody.training.run import Run

_LOOK = 25  # steps between two looks at the loss: each waits for the device
COLUMNS = ["epoch", "steps", "train", "valid", "unigram", "learning_rate", "pitch_right", "guessed_share", "real_share"]
COLUMNS += ["seconds", "sample_run", "sample_shared", "train_read", "recited", "recited_valid"]


class Stop(Exception):
    """Ends the run in mid-epoch: out of time, or interrupted."""


@dataclass(frozen=True)
class Listener:
    """Who is called: with the share of the planned steps done, with each epoch, with each alarm."""

    on_step: Callable[[float], None] | None = None
    on_epoch: Callable[[Epoch], None] | None = None
    on_alarm: Callable[[Alarm], None] | None = None


class Watcher(pl.Callback):
    """Keeps the best model and the way back, watches the clock, the loss and signals, and reports to the caller."""

    def __init__(self, run: Run, listener: Listener) -> None:
        self._run, self._listener = run, listener
        self._epoch_started = time.monotonic()
        self._done = self._windows = 0
        self._train = math.nan
        self._rate = 0.0
        self.signals = Signals()
        self.stopped_because = ""

    def setup(self, trainer: pl.Trainer, module: Any, stage: str) -> None:
        """All processes follow the plan of the first: each has measured the speed for itself."""
        if trainer.world_size > 1:
            self._run.plan = trainer.strategy.broadcast(self._run.plan)
            trainer.fit_loop.max_epochs = self._run.plan.epochs
            torch.manual_seed(self._run.settings.seed + 1_000_003 * trainer.global_rank)  # dropout must differ

    def on_train_epoch_start(self, trainer: pl.Trainer, module: Any) -> None:
        """Begin to count the windows and the seconds of an epoch."""
        self._epoch_started = time.monotonic()
        self._done, self._windows = 0, self._run.train.num_windows(trainer.current_epoch, self._run.plan.buckets)
        module.take_nats()

    def on_train_batch_end(self, trainer: pl.Trainer, module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Stop if the loss is no number, the time is up or a signal came; report how far training is.

        Raises
        ------
        Stop
            If it is out of time or interrupted.
        TrainingError
            If the loss is no number any more.
        """
        self._done += 1
        if self._done % _LOOK == 0 and not module.is_going():
            raise self._no_number(trainer)
        out_of_time = self._run.settings.epochs is None and self._run.left < 0
        out_of_time &= len(self._run.history) > self._run.epochs_before  # one epoch is done whatever the time
        interrupted = bool(self.signals.received)
        if trainer.strategy.reduce_boolean_decision(interrupted or out_of_time, all=False):
            self.stopped_because = "out of time" if out_of_time and not interrupted else "interrupted"
            raise Stop
        if self._listener.on_step:
            self._listener.on_step((trainer.current_epoch + self._done / self._windows) / self._run.plan.epochs)

    def _no_number(self, trainer: pl.Trainer) -> TrainingError:
        run = self._run
        kept = f"the best model so far is whole in {run.paths.model}" if run.history else "nothing was written"
        lower = f"`learning_rate={run.plan.learning_rate / 4:.1g}`"
        return TrainingError(f"the loss is no number any more in epoch {trainer.current_epoch + 1}; {kept}; try {lower}")

    def on_validation_epoch_start(self, trainer: pl.Trainer, module: Any) -> None:
        """Take the loss of the training windows, and the learning rate."""
        self._train = module.take_nats() / (
            self._run.train.notes_per_epoch * self._run.plan.buckets / self._run.train.num_buckets
        )
        self._rate = trainer.optimizers[0].param_groups[0]["lr"]
        if not math.isfinite(self._train):
            raise self._no_number(trainer)

    def on_validation_epoch_end(self, trainer: pl.Trainer, module: Any) -> None:
        """Write down the epoch, keep the model if it is the best, report it, and plan what is left."""
        run = self._run
        valid = module.take_nats() / run.valid.num_notes
        if not math.isfinite(valid):
            raise self._no_number(trainer)
        is_best = valid < min([run.begun_at, *(entry["valid"] for entry in run.history)])
        number = trainer.current_epoch + 1
        entry = {"epoch": number, "steps": trainer.global_step, "train": self._train, "valid": valid, "unigram": run.unigram}
        entry |= {"learning_rate": self._rate, **module.take_pitches(), "seconds": time.monotonic() - self._epoch_started}
        entry |= run.recital.measure(module.average)
        run.history.append(entry)
        if trainer.is_global_zero:
            self._write(number, entry, is_best)
            self._report(trainer, Epoch(number, run.plan.epochs, self._train, valid, run.unigram, is_best, entry["seconds"]))
        self._keep_to_the_time(trainer, module)
        if run.has_valid and since_best(run.history) >= run.patience:
            trainer.should_stop = True

    def _keep_to_the_time(self, trainer: pl.Trainer, module: Any) -> None:
        """Plan fewer epochs if the machine is slower than it was, more if it is faster and the music is worth them."""
        run = self._run
        epochs = run.plan.epochs if run.settings.epochs else epochs_now(run.plan, run.history, run.left)
        epochs = trainer.strategy.broadcast(epochs)
        if epochs == run.plan.epochs:
            return
        found = alarm_of(run.plan, run.history, epochs)
        run.plan = replace(run.plan, epochs=epochs, epochs_by="music" if epochs == run.plan.wanted else "time")
        trainer.fit_loop.max_epochs, module.steps = run.plan.epochs, run.steps()
        self.alarm([found])

    def _write(self, number: int, entry: dict[str, Any], is_best: bool) -> None:
        kept = self._run.model_file() if is_best else self._run.unadapted if number == 1 else None
        if kept:  # where the first epoch is worse than no epoch, the model that is adapted
            kept.save(self._run.paths.model)
        if number in self._run.sampled:
            entry |= self._run.sample(number)
        text = io.StringIO()
        table = csv.DictWriter(text, COLUMNS, extrasaction="ignore", lineterminator="\n")
        table.writeheader()
        table.writerows(self._run.history)
        files.write_bytes(self._run.paths.csv, text.getvalue().encode())

    def _report(self, trainer: pl.Trainer, epoch: Epoch) -> None:
        if trainer.logger:
            numbers = {name: self._run.history[-1][name] for name in ("train", "valid", "learning_rate", "pitch_right")}
            trainer.logger.log_metrics(numbers, step=trainer.global_step)
        if self._listener.on_epoch:
            self._listener.on_epoch(epoch)
        self.alarm(alarms.after(self._run.history, self._run.plan, self._run.longest_run))

    def alarm(self, found: Iterator[Alarm] | list[Alarm]) -> None:
        """Report each kind of alarm once, and remember it."""
        for alarm in found:
            if alarm.kind not in self._run.alarms:
                self._run.alarms[alarm.kind] = alarm.sentence
                if self._listener.on_alarm:
                    self._listener.on_alarm(alarm)

    def on_train_epoch_end(self, trainer: pl.Trainer, module: Any) -> None:
        """Write what `resume` needs."""
        if not trainer.is_global_zero:
            trainer.save_checkpoint(self._run.paths.resume)  # all processes must ask, the first one alone writes
            return
        with files.replacing(self._run.paths.resume) as temporary:
            trainer.save_checkpoint(temporary)


@contextmanager
def quiet() -> Iterator[None]:
    """Without Lightning's remarks on devices, loggers and workers: they are for its programmers, not for our users."""
    names = ("pytorch_lightning", "lightning_fabric", "lightning.pytorch")
    levels = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


class Signals:
    """Ctrl-C and SIGTERM in training: they end the run after the window in hand, with the best model kept.

    Whoever handled a signal before, the command line or the system as a rule, is called when all is written (`hand_on`).

    Attributes
    ----------
    received
        Numbers of signals, the first first.
    """

    def __init__(self) -> None:
        self.received: list[int] = []
        self._before: dict[int, Any] = {}

    @contextmanager
    def noted(self) -> Iterator[None]:
        """In here signals are noted; a second Ctrl-C ends the program."""
        with suppress(ValueError):  # only the main thread may; elsewhere signals are not ours to catch
            for each in (int(signal.SIGINT), int(signal.SIGTERM)):
                self._before[each] = signal.getsignal(each)
                signal.signal(each, self.note)
        try:
            yield
        finally:
            for each, handler in self._before.items():
                with suppress(ValueError):
                    signal.signal(each, handler)

    def note(self, number: int, frame: object = None) -> None:
        """Remember a signal; this is its handler."""
        self.received.append(number)
        if number == signal.SIGINT:
            signal.signal(number, signal.default_int_handler)

    def hand_on(self) -> None:
        """Let the signals do what they would have done: SIGTERM ends a program that has no other wish.

        Ctrl-C has done what it is for; whoever takes notice of it is called, but no KeyboardInterrupt leaves here.
        """
        for number in dict.fromkeys(self.received):
            handler = self._before.get(number)
            if callable(handler):
                with suppress(KeyboardInterrupt):
                    handler(number, None)
            elif number == signal.SIGTERM:
                signal.raise_signal(number)
