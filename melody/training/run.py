"""`fit`: a prepared corpus -> a model file, on PyTorch Lightning.

Training stops by itself: the learning rate falls along a cosine (Loshchilov and Hutter 2017) over as many epochs as the
corpus wants and the time allows, and earlier when the loss on the validation pieces has not fallen for a while. The best
model on validation is written each time there is a better one, so whatever ends the run, the best so far is on disk. After
each epoch everything needed to go on exactly is written beside it: an interrupted run that is resumed ends in the same
weights as one that was not.

Beside the model stand the losses as CSV and sample tunes of the way (`melody.training.paths.Paths`).
"""

from __future__ import annotations

import hashlib
import json
import math
import signal
import sys
import time
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from copy import deepcopy
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.exceptions import SIGTERMException

from melody import __version__, files, midi, modelfile
from melody.dataset import Batches
from melody.errors import TrainingError
from melody.evaluation.evaluate import ORDERS, nats_per_note, restored
from melody.evaluation.extraction import Recital
from melody.evaluation.ngram import MOST_EVENTS, NGram, best_ngram, some_of
from melody.evaluation.openings import openings
from melody.modelfile import ModelFile
from melody.network.network import MelodyNetwork
from melody.network.settings import ModelSettings, settings_of
from melody.originality.building import build
from melody.originality.finding import longest_shared
from melody.originality.index import Index
from melody.sampling import Model, SamplingSettings, quality
from melody.statistics.habits import Habits
from melody.tokens.vocabulary import Vocabulary
from melody.training.adapting.encoding import encoded_like
from melody.training.adapting.transfer import carried
from melody.training.alarms import before, longest_run
from melody.training.balance import balanced, can_be_balanced
from melody.training.corpus_facts import Prepared, Split, facts, outlines
from melody.training.hardware import make_trainer
from melody.training.module import Loader, Module
from melody.training.paths import Paths
from melody.training.plan import gapped, make_plan
from melody.training.records import REPLANNED, Alarm, Epoch, History, Plan, Result, late_gain, since_best
from melody.training.replanning import LEAST_COUNTED, Clock, going_on, most_counted
from melody.training.resuming import check_vocabulary, left_behind
from melody.training.settings import TrainingSettings
from melody.training.temperatures import with_temperatures
from melody.training.watch import Listener, Stop, Watcher, quiet

MOST_VALID = 200_000  # events to choose the model on, a few seconds an epoch; of very large corpora every n-th piece
SAMPLE_EVENTS = 600  # of a sample tune, at most: an early model does not know how to end one


def plan(corpus: Prepared, settings: TrainingSettings | None = None, start: ModelFile | None = None) -> Plan:
    """What `fit` would do, without doing it; nothing is written.

    Raises
    ------
    TrainingError
        As of `fit`.
    """
    return Run(corpus, Path("plan"), settings or TrainingSettings(), False, start).plan


def fit(
    corpus: Prepared,
    out: str | Path,
    settings: TrainingSettings | None = None,
    *,
    start: ModelFile | None = None,
    resume: bool = False,
    begun: float | None = None,
    on_plan: Callable[[Plan, str], None] | None = None,
    on_step: Callable[[float], None] | None = None,
    on_epoch: Callable[[Epoch], None] | None = None,
    on_alarm: Callable[[Alarm], None] | None = None,
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
    start
        A trained model that is adapted to the corpus.
    resume
        Go on with a run that was interrupted, or that its time has ended.
    begun
        When the time began to run, by `time.monotonic`; None for now.
    on_plan, on_step, on_epoch, on_alarm
        Called with the plan and what was carried over from `start` (or nothing), with the share of the planned steps done,
        after each epoch, and with what goes wrong.

    Raises
    ------
    TrainingError
        If there is nothing to train on or to resume, the loss is no number any more, or this machine cannot do what the
        settings ask for.
    melody.files.FileError
        If the disk refuses.
    """
    settings = settings or TrainingSettings()
    paths = Paths(Path(out))
    if paths.model.suffix != modelfile.SUFFIX:
        raise TrainingError(f"the model would be written to {out}; name a file ending in {modelfile.SUFFIX}")
    run = Run(corpus, Path(out), settings, resume, start, begun)
    if on_plan:
        on_plan(run.plan, run.beginning)
    return run.go(Listener(on_step, on_epoch, on_alarm))


class Run:
    """One call of `fit`: its data, its plan, and where things are written."""

    def __init__(
        self,
        corpus: Prepared,
        out: Path,
        settings: TrainingSettings,
        resume: bool,
        start: ModelFile | None = None,
        begun: float | None = None,
    ) -> None:
        self.paths, self._start = Paths(out), start
        begun = time.monotonic() if begun is None else begun
        saved = left_behind(self.paths) if resume else None
        like = Vocabulary.from_dict(saved["vocabulary"]) if saved else start.vocabulary if start else corpus.vocabulary
        self.corpus, self._left_out = encoded_like(corpus, like)
        check_vocabulary(saved, self.corpus.vocabulary)
        self.settings = settings = settings.resumed(saved["settings"]) if saved else settings
        self._started_from = saved["started_from"] if saved else f"{start.name} {start.fingerprint}" if start else ""
        shape = settings_of(start.settings) if start else None
        self._read(begun, shape)
        if saved and saved["music"] != self._music:
            raise TrainingError("the folder has changed since the run began; train without `resume=True`")
        pl.seed_everything(settings.seed, verbose=False)
        self.plan = Plan.from_dict(saved["plan"]) if saved else self._planned(shape)
        self.history: History = saved["history"] if saved else []
        self.epochs_before = len(self.history)  # those of the run that is gone on with
        if len(self.history) >= self.plan.epochs and self.plan.epochs_by == "time" and not settings.epochs:
            self.plan = going_on(self.plan, self.history, self.left)
        self.alarms: dict[str, str] = saved["alarms"] if saved else {}
        torch.manual_seed(settings.seed)
        vocabulary, self.carried = self.corpus.vocabulary, ""
        self.unadapted: ModelFile | None = None  # the model that is adapted, before the first step
        self._begun_at: float | None = saved.get("begun_at") if saved else None
        self.module = Module(self._model(), vocabulary, lambda: self.plan, self.steps, self._kept, settings.averaging)

    def _read(self, begun: float, shape: ModelSettings | None) -> None:
        """The pieces of all splits, the time there is, and what a unigram makes of the pieces of valid."""
        vocabulary, settings = self.corpus.vocabulary, self.settings
        self._rows = self.corpus.rows("train")  # perhaps more than memory holds: never all at once
        if not self._rows:
            raise TrainingError("there is not one piece to train on; give a folder with more music")
        valid = some_of(self.corpus.rows("valid"), MOST_VALID)
        self.has_valid = bool(valid)
        self._valid_rows = valid or self._rows
        self.train = Batches(vocabulary, self._rows, settings.batch, settings.seed, with_gaps=gapped(settings, shape))
        self.valid = Batches(vocabulary, self._valid_rows, settings.batch, training=False)
        self._measured_on: Split = "test" if self.corpus.rows("test") else "valid" if self.has_valid else "train"
        self._counted = some_of(self._rows, MOST_EVENTS if settings.epochs else most_counted(settings))
        testing = sum(len(rows) for rows in self.corpus.rows(self._measured_on))
        self.clock = Clock.of(settings, begun, testing, sum(len(rows) for rows in self._counted))
        self.unigram = NGram(vocabulary, self._counted, 1).score(self._valid_rows).nats_per_note

    def _planned(self, shape: ModelSettings | None) -> Plan:
        vocabulary, valid_pieces = self.corpus.vocabulary, len(self._valid_rows) if self.has_valid else 0
        return make_plan(vocabulary, self._rows, self.train, self.valid, valid_pieces, self.settings, shape, self.clock)

    def _model(self) -> MelodyNetwork:
        model = MelodyNetwork(self.corpus.vocabulary, self.plan.model)
        if self._start:
            summary = carried(restored(self._start), self._start.vocabulary, model, self.corpus.vocabulary)
            self.carried = "; ".join(filter(None, [summary, self._left_out]))
        return model

    @cached_property
    def beginning(self) -> str:
        """What was carried over from the model that is adapted, and what it is worth; empty where none is."""
        return self.carried and f"{self.carried}; before training, valid is at {self.begun_at:.3f} nats per note"

    @cached_property
    def begun_at(self) -> float:
        """Nats per note on valid of the model that is adapted, before the first step; infinite where none is."""
        if self._begun_at is None and self._start and not self.history:
            self._begun_at = nats_per_note(self.module.average, self.corpus.vocabulary, self._valid_rows)
        return math.inf if self._begun_at is None else self._begun_at

    @property
    def left(self) -> float:
        """Seconds until the last epoch has to be done, so that what comes after it is in time, too."""
        return self.clock.left(self.clock.after(1 / self.plan.events_per_second, self.plan.model.relations))

    def steps(self) -> int:
        """Steps of the optimizer in all planned epochs."""
        return sum(self.train.num_windows(epoch, self.plan.buckets) for epoch in range(self.plan.epochs))

    @property
    def patience(self) -> int:
        """Epochs without a better validation loss after which training ends."""
        return max(5, math.ceil(self.settings.patience * self.plan.epochs))

    @property
    def sampled(self) -> set[int]:
        """The epochs after which a sample tune is written."""
        count = min(self.settings.samples, self.plan.epochs)
        return {round((i + 1) * self.plan.epochs / count) for i in range(count)}

    @cached_property
    def longest_run(self) -> int:
        """How often a part of the training pieces plays one pitch in a row, at most."""
        return longest_run(self.corpus.vocabulary, self._rows)

    @cached_property
    def recital(self) -> Recital:
        """What is read after each epoch, to see whether the model recites."""
        return Recital(self.corpus.vocabulary, self._rows, self._valid_rows)

    @cached_property
    def _some_index(self) -> Index:
        """Of some training pieces, for the samples."""
        return Index.of(map(self.corpus.vocabulary.decode, some := some_of(self._rows, MOST_VALID)), [""] * len(some))

    @cached_property
    def _facts(self) -> dict[str, Any]:
        """What a model file says of its training whatever the epoch."""
        return {
            "version": __version__,
            "torch": torch.__version__.split("+")[0],
            "settings": self.settings.to_dict(),
            "longest_piece": self.train.longest,
            "longest_run": self.longest_run,
            **facts(self.corpus.vocabulary, self._rows),
            "habits": Habits.of(map(self.corpus.vocabulary.decode, some_of(self._rows, MOST_VALID))).to_dict(),
            "outlines": outlines(self.corpus.vocabulary, self._rows) if self.settings.batch.outline_dropout < 1 else [],
            "started_from": self._started_from,
        }

    @cached_property
    def _manifest(self) -> Mapping[str, Any]:
        return self.corpus.manifest

    def _kept(self) -> dict[str, Any]:
        """What `resume` needs besides the weights."""
        kept: dict[str, Any] = {name: getattr(self, name) for name in ("history", "alarms", "begun_at")}
        kept |= {"music": self._music, "started_from": self._started_from, "plan": self.plan.to_dict()}
        return kept | {"settings": self.settings.to_dict(), "vocabulary": self.corpus.vocabulary.to_dict()}

    @cached_property
    def _music(self) -> str:
        """What names the pieces, so that a run goes on with those that it began with."""
        facts = [self._manifest.get("pieces", dict(self._manifest)), self.train.num_events, self.valid.num_events]
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()

    def go(self, listener: Listener) -> Result:
        """Train, measure, and write what was found."""
        files.make_folder(self.paths.model.parent)  # now, not after the first epoch
        watcher = Watcher(self, listener)
        try:
            return self._gone(watcher)
        finally:  # all is written
            watcher.signals.hand_on()

    def _gone(self, watcher: Watcher) -> Result:
        with quiet(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            trainer = make_trainer(self.settings, self.plan, watcher, self.paths)
            if trainer.is_global_zero:
                watcher.alarm(before(self.plan))
            if len(self.history) < self.plan.epochs and not (self.has_valid and since_best(self.history) >= self.patience):
                self._train(trainer, watcher)
        ending = watcher.stopped_because or ("finished" if len(self.history) >= self.plan.epochs else "stopped early")
        if not self.history and ending == "interrupted":
            raise TrainingError("interrupted before the first epoch was finished, so there is no model yet")
        if not self.history:
            raise TrainingError("not even one epoch was finished, so there is no model yet; give it more `max_minutes`")
        best, result = self._done(ending, trainer.is_global_zero)
        if trainer.is_global_zero:
            self._write(best, result)
        return result

    def _train(self, trainer: pl.Trainer, watcher: Watcher) -> None:
        train = Loader(lambda: self.train.epoch(len(self.history), self.plan.buckets))
        valid = Loader(lambda: self.valid.epoch(0))
        going_on = self.paths.resume if self.history else None
        if not self.history and self.begun_at < math.inf:
            self.unadapted = deepcopy(self.model_file())  # its weights are those that learn
        with watcher.signals.noted(), suppress(Stop):
            try:
                trainer.fit(self.module, train, valid, ckpt_path=going_on, weights_only=True)
            except SIGTERMException:  # the machine is shut down, or somebody said `kill`; Lightning would leave in silence
                watcher.stopped_because = "interrupted"
                watcher.signals.note(signal.SIGTERM)
        if watcher.signals.received:  # perhaps after the last window
            watcher.stopped_because = "interrupted"

    def _done(self, ending: str, is_first: bool) -> tuple[ModelFile, Result]:
        """The best model ready for use, its index beside it; if somebody waits, as it is, and measured in short."""
        best = modelfile.load(self.paths.model)
        with suppress(KeyboardInterrupt):  # then all of it is left for `resume`
            if ending != "interrupted":
                made = self._tuned(best)
                result = self._result(made, ending)
                if is_first:
                    heldout = [*self.corpus.rows("valid"), *self.corpus.rows("test")]
                    build(self.corpus.vocabulary, self._manifest, self._rows, heldout).save(self.paths.index)
                return made, result
        return best, self._result(best, "interrupted", LEAST_COUNTED)

    def model_file(self, **facts: Any) -> ModelFile:
        """The model as it is now."""
        weights = {name: value.detach().cpu().numpy() for name, value in self.module.average.state_dict().items()}
        training = {**self._facts, "plan": self.plan.to_dict(), "history": self.history, "alarms": self.alarms, **facts}
        file = ModelFile(weights, self.corpus.vocabulary, asdict(self.plan.model), self._manifest, training)
        return file.halved() if self.settings.half else file

    def sample(self, number: int) -> dict[str, int]:
        """Write a sample tune of the model as it is after epoch `number`.

        Gives its longest run of one pitch, and the notes of the longest run that it shares with a training piece.
        """
        most = min(self.train.longest, SAMPLE_EVENTS)
        model = Model(replace(self.model_file(), name=f"{self.paths.model.stem} after epoch {number}"))
        tune = model.generate(settings=SamplingSettings(seed=self.settings.seed, any_ending=True, max_notes=most))
        files.make_folder(self.paths.samples)
        midi.write(tune, self.paths.samples / f"epoch-{number:03d}.mid")
        return {"sample_run": quality.longest_run(tune), "sample_shared": longest_shared(self._some_index, tune)}

    def _tuned(self, best: ModelFile) -> ModelFile:
        """The best model with temperatures of its own and its relations, if it has any, balanced."""
        seconds = self.clock.tuning
        valid = [self.corpus.vocabulary.decode(rows) for rows in self._valid_rows] if self.has_valid else []
        made = with_temperatures(best, valid, seed=self.settings.seed, max_seconds=seconds)
        if can_be_balanced(made):
            made = balanced(made, self._counted, seed=self.settings.seed, max_seconds=seconds)
        return made.halved() if self.settings.half else made

    def _result(self, best: ModelFile, ending: str, most: int = sys.maxsize) -> Result:
        """Measure the best model beside the baselines, each on so many events at most."""
        vocabulary, rows = self.corpus.vocabulary, some_of(self.corpus.rows(self._measured_on), most)
        counted = some_of(self._counted, most)
        ngram = best_ngram(vocabulary, counted, some_of(self._valid_rows, most), ORDERS)
        unigram, network, begun = NGram(vocabulary, counted, 1), restored(best), openings(vocabulary, rows)
        best_epoch = min([{"epoch": 0, "valid": self.begun_at}, *self.history], key=lambda h: h["valid"])
        return Result(
            path=self.paths.model,
            epochs=len(self.history),
            best_epoch=best_epoch["epoch"],
            valid=best_epoch["valid"],
            test=nats_per_note(network, vocabulary, rows),
            unigram=unigram.score(rows).nats_per_note,
            ngram=ngram.score(rows).nats_per_note,
            opening=nats_per_note(network, vocabulary, begun),
            opening_unigram=unigram.score(begun).nats_per_note if begun else 0.0,
            opening_ngram=ngram.score(begun).nats_per_note if begun else 0.0,
            ngram_order=ngram.order,
            ngram_pieces=len(counted),
            measured_on=self._measured_on,
            minutes=(time.monotonic() - self.clock.begun) / 60,
            ending=ending,
            epochs_by=self.plan.epochs_by,
            max_minutes=self.settings.max_minutes,
            is_as_planned=not self.alarms.keys() & set(REPLANNED),
            late_gain=late_gain(self.history),
            seen=len(self.history) * self.plan.share,
            cell=self.plan.model.cell,
            repeating=replace(
                self.settings, epochs=self.plan.epochs, epoch_share=self.plan.share, precision=self.plan.precision
            ),
        )

    def _write(self, best: ModelFile, result: Result) -> None:
        """What was found, into the file of the best model."""
        facts = {**asdict(result), "repeating": result.repeating.to_dict()}
        del facts["path"]
        file = replace(best, training={**best.training, "history": self.history, "alarms": self.alarms, "result": facts})
        (file.halved() if self.settings.half else file).save(self.paths.model)
        if result.ending == "stopped early" or (result.ending == "finished" and result.epochs_by != "time"):
            self.paths.resume.unlink(missing_ok=True)
