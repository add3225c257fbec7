"""What happens around the training: the best model kept, the way back kept, clock, loss and Ctrl-C watched."""

from __future__ import annotations

import logging
import math
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytorch_lightning as pl

from melody import files
from melody.errors import TrainingError
from melody.training.settings import Epoch

if TYPE_CHECKING:
    from melody.training.run import Run


class Stop(Exception):
    """Ends the run in mid-epoch: out of time, or interrupted."""


class Watcher(pl.Callback):
    """Keeps the best model and the way back, watches the clock, the loss and Ctrl-C, and tells the caller."""

    def __init__(self, run: Run, on_step: Callable[[float], None] | None, on_epoch: Callable[[Epoch], None] | None) -> None:
        self._run, self._on_step, self._on_epoch = run, on_step, on_epoch
        self._epoch_started = time.monotonic()
        self._done = 0
        self._train = math.nan
        self.interrupted = False
        self.stopped_because = ""

    def on_train_epoch_start(self, trainer: pl.Trainer, module: Any) -> None:
        self._epoch_started = time.monotonic()
        self._done = 0
        module.take_nats()

    def on_train_batch_end(self, trainer: pl.Trainer, module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        self._done += 1
        out_of_time = time.monotonic() - self._run.started > self._run.settings.max_minutes * 60
        if self.interrupted or (out_of_time and self._run.settings.epochs is None and self._run.history):
            self.stopped_because = "interrupted" if self.interrupted else "out of time"
            raise Stop
        if self._on_step:
            windows = self._run.train.num_windows(trainer.current_epoch, self._run.plan.groups)
            self._on_step((trainer.current_epoch + self._done / windows) / self._run.plan.epochs)

    def on_validation_epoch_start(self, trainer: pl.Trainer, module: Any) -> None:
        seen = self._run.train.num_notes * self._run.plan.groups / self._run.train.num_groups
        self._train = module.take_nats() / seen
        if not math.isfinite(self._train):
            kept = f"the best model so far is in {self._run.out}" if self._run.history else "nothing was written"
            raise TrainingError(
                f"the loss is no number any more in epoch {trainer.current_epoch + 1}; {kept}; lower --learning-rate"
            )

    def on_validation_epoch_end(self, trainer: pl.Trainer, module: Any) -> None:
        valid = module.take_nats() / self._run.valid.num_notes
        module.log("valid", valid)
        history = self._run.history
        is_best = valid < min((h["valid"] for h in history), default=math.inf)
        seconds = time.monotonic() - self._epoch_started
        number = trainer.current_epoch + 1
        history.append({"epoch": number, "train": self._train, "valid": valid, "seconds": seconds})
        if is_best:
            self._run.model_file().save(self._run.out)
        if self._on_epoch:
            epoch = Epoch(number, self._run.plan.epochs, self._train, valid, self._run.unigram, is_best, seconds)
            self._on_epoch(epoch)

    def on_train_epoch_end(self, trainer: pl.Trainer, module: Any) -> None:
        with files.replacing(self._run.checkpoint) as temporary:
            trainer.save_checkpoint(temporary)


@contextmanager
def quiet() -> Iterator[None]:
    """Without Lightning's remarks on devices, loggers and workers: they are for its programmers, not for our users."""
    logger = logging.getLogger("pytorch_lightning")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


@contextmanager
def interruptible(watcher: Watcher) -> Iterator[None]:
    """Ctrl-C ends the run after the window in hand; a second one ends the program."""

    def interrupt(number: int, frame: Any) -> None:
        watcher.interrupted = True
        signal.signal(signal.SIGINT, signal.default_int_handler)

    try:
        before = signal.signal(signal.SIGINT, interrupt)
    except ValueError:  # only the main thread may; elsewhere Ctrl-C is not ours to catch
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
