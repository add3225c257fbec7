"""`fit`: a prepared corpus -> a model file, on PyTorch Lightning.

Training stops by itself: the learning rate falls along a cosine (Loshchilov and Hutter 2017) over as many epochs as the
corpus wants and the time allows, and earlier when the loss on the validation pieces has not fallen for a while. The best
model on validation is written each time there is a better one, so whatever ends the run, the best so far is on disk. After
each epoch everything needed to go on exactly is written beside it: an interrupted run that is resumed ends in the same
weights as one that was not.
"""

from __future__ import annotations

import math
import signal
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import EarlyStopping
from torch import Tensor

from melody import __version__, files
from melody.dataset import Batch, Batches, BatchSettings
from melody.errors import TrainingError
from melody.model import MelodyLSTM, ModelSettings, State
from melody.modelfile import ModelFile
from melody.ngram import NGram, best_ngram
from melody.tokens.vocabulary import Rows, Vocabulary

Split = Literal["train", "valid", "test"]


class Prepared(Protocol):
    """What training needs of a corpus (`melody.corpus.Corpus` is one)."""

    @property
    def vocabulary(self) -> Vocabulary: ...

    @property
    def manifest(self) -> Mapping[str, Any]: ...

    def rows(self, split: Split) -> Sequence[Rows]: ...


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
    """One line of the history; losses in nats per note, `train` with dropout on, `valid` without."""

    number: int
    epochs: int
    train: float
    valid: float
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
        Nats per note: of the model on valid and test, of the two baselines on test (on valid if there is no test split).
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
    minutes: float
    ending: str

    @property
    def sentence(self) -> str:
        """What happened and what to try, in plain words."""
        gain = 100 * (1 - self.test / self.ngram) if self.ngram > 0 else 0.0
        happened = {
            "finished": f"All {self.epochs} planned epochs are done",
            "stopped early": f"Validation had stopped improving after epoch {self.best_epoch}, so training stopped by itself",
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


def model_size(events: int, minutes: float) -> ModelSettings:
    """The shape of model that `events` training events and that many minutes on two cores can fill."""
    if events < 10_000:
        return ModelSettings(hidden_size=128, embedding_size=128, num_layers=1, head_size=96, dropout=0.4)
    if events < 60_000:
        return ModelSettings(hidden_size=192, embedding_size=192, dropout=0.4)
    if events < 1_000_000 or minutes < 60:
        return ModelSettings()
    return ModelSettings(hidden_size=512, embedding_size=384, head_size=192, dropout=0.2)


def fit(
    corpus: Prepared,
    out: str | Path,
    settings: TrainingSettings | None = None,
    *,
    resume: bool = False,
    on_plan: Callable[[Plan], None] | None = None,
    on_step: Callable[[float], None] | None = None,
    on_epoch: Callable[[Epoch], None] | None = None,
) -> Result:
    """Train a model on a corpus and write it to `out`.

    Parameters
    ----------
    corpus
        Prepared pieces.
    out
        The model file; what `resume` needs stands beside it, in `out` with the suffix '.resume', until the run ends.
    settings
        How.
    resume
        Go on with an interrupted run.
    on_plan, on_step, on_epoch
        Called with the plan, with the share of the planned steps done, and after each epoch.

    Raises
    ------
    TrainingError
        If there is nothing to train on or to resume, or the loss is no number any more.
    melody.files.FileError
        If the disk refuses.
    """
    settings = settings or TrainingSettings()
    run = _Run(corpus, Path(out), settings, resume)
    if on_plan:
        on_plan(run.plan)
    return run.go(on_step, on_epoch)


class _Stop(Exception):
    """Ends the run in mid-epoch: out of time, or interrupted."""


class _Run:
    """One call of `fit`: its data, its plan, and where things are written."""

    def __init__(self, corpus: Prepared, out: Path, settings: TrainingSettings, resume: bool) -> None:
        self.corpus, self.out, self.settings = corpus, out, settings
        self.checkpoint = out.with_name(out.name + ".resume")
        self.started = time.monotonic()
        train, valid = list(corpus.rows("train")), list(corpus.rows("valid"))
        if not train:
            raise TrainingError("there is not one piece to train on; give a folder with more music")
        self.has_valid = bool(valid)
        self.train = Batches(corpus.vocabulary, train, settings.batch, settings.seed)
        self.valid = Batches(corpus.vocabulary, valid or train, settings.batch, training=False)
        saved = self._saved() if resume else None
        pl.seed_everything(settings.seed, verbose=False)
        self.plan = Plan(**saved["plan"] | {"model": ModelSettings(**saved["plan"]["model"])}) if saved else self._plan()
        torch.manual_seed(settings.seed)
        self.module = _Module(MelodyLSTM(corpus.vocabulary, self.plan.model), self)
        self.history: list[dict[str, Any]] = saved["history"] if saved else []

    def _saved(self) -> dict[str, Any]:
        if not self.checkpoint.exists():
            raise TrainingError(f"there is no interrupted run to resume at {self.checkpoint}; train without --resume")
        try:
            saved = torch.load(self.checkpoint, weights_only=True)
            hashed = saved["vocabulary"]
        except Exception as error:  # torch.load raises whatever a damaged file makes it raise
            raise TrainingError(f"{self.checkpoint} is damaged ({type(error).__name__}); train without --resume") from error
        if hashed != self.corpus.vocabulary.to_dict():
            raise TrainingError("the folder has changed since the run began; train without --resume")
        return saved

    def _plan(self) -> Plan:
        """Epochs by the corpus, fewer if the time does not allow them: the speed is measured on a few windows."""
        settings = self.settings
        shape = settings.model or model_size(self.train.num_events, settings.max_minutes)
        per_epoch = _seconds_per_window(self.corpus.vocabulary, shape, self.train) * self.train.num_windows(0)
        budget = settings.max_minutes * 60 * 0.9
        groups = self.train.num_groups
        least = 8  # epochs: fewer validations than that cannot tell when to stop
        if per_epoch * least > budget and settings.epochs is None:
            groups = max(int(groups * budget / (per_epoch * least)), 1)
            per_epoch *= groups / self.train.num_groups
        wanted = int(np.clip(12_000_000 / max(self.train.num_events, 1), 30, 200))
        epochs = settings.epochs or max(min(wanted, int(budget / per_epoch)), 1)
        return Plan(shape, epochs, groups, per_epoch)

    def go(self, on_step: Callable[[float], None] | None, on_epoch: Callable[[Epoch], None] | None) -> Result:
        watcher = _Watcher(self, on_step, on_epoch)
        callbacks: list[pl.Callback] = [watcher]
        if self.has_valid:
            patience = max(5, math.ceil(self.settings.patience * self.plan.epochs))
            callbacks.append(EarlyStopping("valid", patience=patience, check_finite=False))
        trainer = pl.Trainer(
            accelerator="auto",
            devices=1,
            max_epochs=self.plan.epochs,
            callbacks=callbacks,
            gradient_clip_val=self.settings.clip_norm,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
        )
        train = _Loader(lambda: self.train.epoch(len(self.history), self.plan.groups))
        resume_from = self.checkpoint if self.history else None
        with warnings.catch_warnings(), _interruptible(watcher):
            warnings.simplefilter("ignore")  # Lightning's advice on workers and loggers is not for our users
            try:
                trainer.fit(
                    self.module, train, _Loader(lambda: self.valid.epoch(0)), ckpt_path=resume_from, weights_only=True
                )
            except _Stop:
                pass
        ending = watcher.stopped_because or ("finished" if len(self.history) >= self.plan.epochs else "stopped early")
        if not self.history:
            raise TrainingError("not even one epoch was finished, so there is no model yet; give it more --max-minutes")
        result = self._result(ending)
        if ending in ("finished", "stopped early"):
            self.checkpoint.unlink(missing_ok=True)
        return result

    def model_file(self, **facts: Any) -> ModelFile:
        """The model as it is now."""
        weights = {name: value.detach().cpu().numpy() for name, value in self.module.model.state_dict().items()}
        training = {"version": __version__, "settings": asdict(self.settings), "plan": asdict(self.plan)}
        training |= {
            "history": self.history,
            "torch": torch.__version__.split("+")[0],
            "longest_piece": self.train.longest,
        } | facts
        return ModelFile(weights, self.corpus.vocabulary, asdict(self.plan.model), self.corpus.manifest, training)

    def _result(self, ending: str) -> Result:
        """Measure the best model beside the baselines, and write what was found into its file."""
        from melody import modelfile

        best = modelfile.load(self.out)
        self.module.model.load_state_dict({k: torch.from_numpy(v) for k, v in best.weights.items()})
        test_rows = list(self.corpus.rows("test")) or list(self.corpus.rows("valid")) or list(self.corpus.rows("train"))
        test = Batches(self.corpus.vocabulary, test_rows, self.settings.batch, training=False)
        train_rows = [np.asarray(r) for r in self.corpus.rows("train")]
        valid_rows = list(self.corpus.rows("valid")) or train_rows
        ngram = best_ngram(self.corpus.vocabulary, train_rows, valid_rows, (4, 6, 8, 10, 12))
        best_epoch = min(self.history, key=lambda h: h["valid"])
        result = Result(
            path=self.out,
            epochs=len(self.history),
            best_epoch=best_epoch["epoch"],
            valid=best_epoch["valid"],
            test=nats_per_note(self.module.model, test),
            unigram=NGram(self.corpus.vocabulary, train_rows, 1).score(test_rows).nats_per_note,
            ngram=ngram.score(test_rows).nats_per_note,
            ngram_order=ngram.order,
            minutes=(time.monotonic() - self.started) / 60,
            ending=ending,
        )
        facts = {k: v for k, v in asdict(result).items() if k != "path"}
        replace(best, training={**best.training, "history": self.history, "result": facts}).save(self.out)
        return result


class _Module(pl.LightningModule):
    """The thin wrapping: one window, one step; the state goes on from window to window and is reset at piece borders."""

    def __init__(self, model: MelodyLSTM, run: _Run) -> None:
        super().__init__()
        self.model = model
        self._run = run
        self._state: State | None = None
        self._nats: list[Tensor] = []

    def training_step(self, batch: _Tensors, index: int) -> Tensor:
        return self._window(batch)

    def validation_step(self, batch: _Tensors, index: int) -> None:
        self._window(batch)

    def _window(self, batch: _Tensors) -> Tensor:
        inputs, targets, mask, first = batch
        going = len(inputs)
        state = None if first or self._state is None else (self._state[0][:, :going], self._state[1][:, :going])
        hidden, (h, c) = self.model(inputs, (state[0].contiguous(), state[1].contiguous()) if state else None)
        self._state = (h.detach(), c.detach())
        nats = self.model.nats(hidden, targets, mask).sum()
        self._nats.append(nats.detach())
        return nats / mask.sum()

    def take_nats(self) -> float:
        """Total nats since the last call."""
        total = float(torch.stack(self._nats).sum()) if self._nats else 0.0
        self._nats = []
        return total

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["random"] = torch.get_rng_state()
        checkpoint["plan"] = asdict(self._run.plan)
        checkpoint["history"] = self._run.history
        checkpoint["vocabulary"] = self._run.corpus.vocabulary.to_dict()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        torch.set_rng_state(checkpoint["random"])

    def configure_optimizers(self) -> Any:
        settings, plan = self._run.settings, self._run.plan
        matrices = [p for p in self.parameters() if p.ndim > 1]
        others = [p for p in self.parameters() if p.ndim == 1]
        groups = [{"params": matrices, "weight_decay": settings.weight_decay}, {"params": others, "weight_decay": 0.0}]
        optimizer = torch.optim.AdamW(groups, lr=settings.learning_rate, betas=(0.9, 0.99))
        steps = sum(self._run.train.num_windows(epoch, plan.groups) for epoch in range(plan.epochs))
        warmup = min(100, steps // 10 + 1)

        def share(step: int) -> float:
            return min((step + 1) / warmup, 0.5 * (1 + math.cos(math.pi * min(step / steps, 1)))) + 1e-3

        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, share)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


class _Watcher(pl.Callback):
    """Keeps the best model and the way back, watches the clock, the loss and Ctrl-C, and tells the caller."""

    def __init__(self, run: _Run, on_step: Callable[[float], None] | None, on_epoch: Callable[[Epoch], None] | None) -> None:
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
            raise _Stop
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
            self._on_epoch(Epoch(number, self._run.plan.epochs, self._train, valid, is_best, seconds))

    def on_train_epoch_end(self, trainer: pl.Trainer, module: Any) -> None:
        with files.replacing(self._run.checkpoint) as temporary:
            trainer.save_checkpoint(temporary)


_Tensors = tuple[Tensor, Tensor, Tensor, bool]


class _Loader:
    """Windows as tensors, one epoch for each time it is iterated."""

    def __init__(self, batches: Callable[[], Iterator[Batch]]) -> None:
        self._batches = batches

    def __iter__(self) -> Iterator[_Tensors]:
        for inputs, targets, mask, first in self._batches():
            yield torch.from_numpy(inputs), torch.from_numpy(targets), torch.from_numpy(mask), first


@contextmanager
def _interruptible(watcher: _Watcher) -> Iterator[None]:
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


def nats_per_note(model: MelodyLSTM, batches: Batches) -> float:
    """Nats per note of a model on pieces, END and changes included, the state carried through each piece."""
    model.eval()
    total, state = 0.0, None
    with torch.inference_mode():
        for inputs, targets, mask, first in _Loader(lambda: batches.epoch(0)):
            before = None if first or state is None else tuple(s[:, : len(inputs)].contiguous() for s in state)
            hidden, state = model(inputs, before)
            total += float(model.nats(hidden, targets, mask).sum())
    return total / max(batches.num_notes, 1)


def _seconds_per_window(vocabulary: Vocabulary, shape: ModelSettings, batches: Batches) -> float:
    """Measured on a throwaway model, a few windows after one to warm up."""
    model = MelodyLSTM(vocabulary, shape)
    optimizer = torch.optim.AdamW(model.parameters())
    times, events = [], []
    for i, (inputs, targets, mask, _) in enumerate(_Loader(lambda: batches.epoch(0))):
        started = time.perf_counter()
        hidden, _state = model(inputs)
        (model.nats(hidden, targets, mask).sum() / mask.sum()).backward()
        optimizer.step()
        optimizer.zero_grad()
        times.append(time.perf_counter() - started)
        events.append(int(mask.sum()))
        if i >= 8:
            break
    per_event = float(np.median(np.array(times[1:] or times) / np.array(events[1:] or events)))
    return per_event * batches.num_events / batches.num_windows(0)
