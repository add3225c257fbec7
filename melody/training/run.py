"""`fit`: a prepared corpus -> a model file, on PyTorch Lightning.

Training stops by itself: the learning rate falls along a cosine (Loshchilov and Hutter 2017) over as many epochs as the
corpus wants and the time allows, and earlier when the loss on the validation pieces has not fallen for a while. The best
model on validation is written each time there is a better one, so whatever ends the run, the best so far is on disk. After
each epoch everything needed to go on exactly is written beside it: an interrupted run that is resumed ends in the same
weights as one that was not.
"""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import EarlyStopping

from melody import __version__, files, modelfile
from melody.dataset import Batches
from melody.errors import TrainingError
from melody.model import MelodyLSTM, ModelSettings
from melody.modelfile import ModelFile
from melody.ngram import NGram, best_ngram
from melody.tokens.usage import KEY
from melody.tokens.vocabulary import END, KIND, TIME, VALUE, Rows, Vocabulary
from melody.training.module import Loader, Module, nats_per_note
from melody.training.settings import Epoch, Plan, Result, TrainingSettings
from melody.training.watch import Stop, Watcher, interruptible, quiet

Split = Literal["train", "valid", "test"]


class Prepared(Protocol):
    """What training needs of a corpus (`melody.corpus.Corpus` is one)."""

    @property
    def vocabulary(self) -> Vocabulary: ...

    @property
    def manifest(self) -> Mapping[str, Any]: ...

    def rows(self, split: Split) -> Sequence[Rows]: ...


def first_keys(vocabulary: Vocabulary, pieces: Sequence[Rows]) -> list[int]:
    """How many pieces begin in each key of the vocabulary, (keys,): training transposes, so the model cannot know."""
    first = vocabulary.value_starts[KEY]
    begun = [rows[(rows[:, KIND] == KEY) & (rows[:, TIME] != END), VALUE][:1] - first for rows in map(np.asarray, pieces)]
    return np.bincount(np.concatenate(begun), minlength=len(vocabulary.keys)).tolist()


def model_size(events: int, minutes: float) -> ModelSettings:
    """The shape of model that `events` training events and that many minutes on two cores can fill."""
    if events < 10_000:
        return ModelSettings(hidden_size=128, embedding_size=128, num_layers=1, head_size=128, dropout=0.4)
    if events < 60_000:
        return ModelSettings(hidden_size=192, embedding_size=192, head_size=192, dropout=0.4)
    if events < 1_000_000 or minutes < 60:
        return ModelSettings()
    return ModelSettings(hidden_size=512, embedding_size=384, head_size=384, dropout=0.2)


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
    run = Run(corpus, Path(out), settings, resume)
    if on_plan:
        on_plan(run.plan)
    return run.go(on_step, on_epoch)


class Run:
    """One call of `fit`: its data, its plan, and where things are written."""

    def __init__(self, corpus: Prepared, out: Path, settings: TrainingSettings, resume: bool) -> None:
        self.corpus, self.out, self.settings = corpus, out, settings
        files.make_folder(out.parent)  # now, not after the first epoch
        self.checkpoint = out.with_name(out.name + ".resume")
        self.started = time.monotonic()
        train, valid = list(corpus.rows("train")), list(corpus.rows("valid"))
        if not train:
            raise TrainingError("there is not one piece to train on; give a folder with more music")
        self.has_valid = bool(valid)
        self.train = Batches(corpus.vocabulary, train, settings.batch, settings.seed)
        self.valid = Batches(corpus.vocabulary, valid or train, settings.batch, training=False)
        self.unigram = NGram(corpus.vocabulary, train, 1).score(valid or train).nats_per_note
        saved = self._saved() if resume else None
        pl.seed_everything(settings.seed, verbose=False)
        self.plan = Plan(**saved["plan"] | {"model": ModelSettings(**saved["plan"]["model"])}) if saved else self._plan()
        torch.manual_seed(settings.seed)
        self.history: list[dict[str, Any]] = saved["history"] if saved else []
        steps = sum(self.train.num_windows(epoch, self.plan.groups) for epoch in range(self.plan.epochs))
        self.module = Module(MelodyLSTM(corpus.vocabulary, self.plan.model), settings, steps, self._kept)

    def _kept(self) -> dict[str, Any]:
        """What `resume` needs besides the weights."""
        return {"plan": asdict(self.plan), "history": self.history, "vocabulary": self.corpus.vocabulary.to_dict()}

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
        with quiet():
            return self._go(Watcher(self, on_step, on_epoch))

    def _go(self, watcher: Watcher) -> Result:
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
        train = Loader(lambda: self.train.epoch(len(self.history), self.plan.groups))
        resume_from = self.checkpoint if self.history else None
        with warnings.catch_warnings(), interruptible(watcher):
            warnings.simplefilter("ignore")
            with suppress(Stop):
                valid = Loader(lambda: self.valid.epoch(0))
                trainer.fit(self.module, train, valid, ckpt_path=resume_from, weights_only=True)
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
        training: dict[str, Any] = {"version": __version__, "settings": asdict(self.settings), "plan": asdict(self.plan)}
        training |= {
            "history": self.history,
            "torch": torch.__version__.split("+")[0],
            "longest_piece": self.train.longest,
        } | facts
        training["first_keys"] = first_keys(self.corpus.vocabulary, self.corpus.rows("train"))
        file = ModelFile(weights, self.corpus.vocabulary, asdict(self.plan.model), self.corpus.manifest, training)
        return file.halved() if self.settings.half else file

    def _result(self, ending: str) -> Result:
        """Measure the best model beside the baselines, and write what was found into its file."""
        best = modelfile.load(self.out)
        self.module.model.load_state_dict({k: torch.from_numpy(v) for k, v in best.weights.items()})
        measured_on: Split = "test" if self.corpus.rows("test") else "valid" if self.has_valid else "train"
        test_rows = list(self.corpus.rows(measured_on))
        test = Batches(self.corpus.vocabulary, test_rows, self.settings.batch, training=False)
        train_rows = list(self.corpus.rows("train"))
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
            measured_on=measured_on,
            minutes=(time.monotonic() - self.started) / 60,
            ending=ending,
        )
        facts = {k: v for k, v in asdict(result).items() if k != "path"}
        told = replace(best, training={**best.training, "history": self.history, "result": facts})
        (told.halved() if self.settings.half else told).save(self.out)
        return result


def _seconds_per_window(vocabulary: Vocabulary, shape: ModelSettings, batches: Batches) -> float:
    """Measured on a throwaway model, a few windows after one to warm up."""
    model = MelodyLSTM(vocabulary, shape)
    optimizer = torch.optim.AdamW(model.parameters())
    times, events = [], []
    for i, (inputs, targets, mask, _) in enumerate(Loader(lambda: batches.epoch(0))):
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
