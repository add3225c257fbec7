"""`tune`: settings tried on somebody's music, the promising ones for longer; kept on disk, so that Ctrl-C loses one trial.

Optuna proposes (a tree-structured Parzen estimator, Bergstra et al. 2011) and stops early what falls behind: at a quarter
and at half of a trial's time the better half goes on (asynchronous successive halving, Li et al. 2020). The learning rate of
every trial falls over the whole of its time, so that all are compared at the same place of the same course. The first trial
is what `melody train` would take, so the result is never worse than that but for chance.

What is kept is Optuna's journal, a line of JSON for each thing that happened.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from melody import files
from melody.comparison.learning import Music, learn
from melody.comparison.measuring import nats_on_valid
from melody.comparison.trials import FEWEST, Prepared
from melody.errors import TrainingError
from melody.evaluation.ngram import some_of
from melody.extras import need
from melody.network.cells import CELLS
from melody.network.network import MelodyNetwork
from melody.tuning.space import Chosen, Space, rounded

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.trial import FrozenTrial

NAME = "trials.journal"
RUNGS = {1: 0.25, 2: 0.5, 4: 1.0}  # quarters of a trial's time, and the share of it
PLANNED = 20  # whole trials that the time is for; with those that are stopped early some 40 are tried
MOST_VALID = 20_000  # events on which trials are compared
LEAST_SECONDS = 0.5  # of a trial
FEWEST_TRIALS = 8  # from which on importances are told
_BY_FACTORS = ("learning_rate", "weight_decay", "batch_size", "window")
_WORST = 1e3  # nats a note of a network that fell apart


@dataclass(frozen=True)
class TuneSettings:
    """How settings are searched.

    Parameters
    ----------
    minutes
        For all of it, this time: who goes on gives more.
    cells
        Kinds of cells among which is chosen.
    seed
        Of what is proposed, and of each trial.
    """

    minutes: float = 20.0
    cells: tuple[str, ...] = ("lstm",)
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0.05 <= self.minutes < 1e6:
            raise TrainingError(f"`minutes` is {self.minutes:g}; it must be at least 0.05")
        for cell in self.cells:
            if cell not in CELLS:
                raise TrainingError(f"there is no cell {cell[:40]!r}; there are {', '.join(CELLS)}")
        if not self.cells or len(set(self.cells)) < len(self.cells):
            raise TrainingError(f"`cells` are {', '.join(self.cells) or 'none'}; name each that is to be tried once")


class Tried(NamedTuple):
    """A trial that is over: its number, its settings, nats a note on valid by rung, and whether it was not stopped early."""

    number: int
    chosen: Chosen
    nats: dict[int, float]
    is_whole: bool


class Tuned(NamedTuple):
    """What came of it.

    Parameters
    ----------
    best
        The settings of the best trial, by the keywords of `melody.train`.
    valid, default
        Nats a note of the best and of what `melody train` takes by itself.
    trials
        All that are over, in order.
    importances
        Of each setting its share of the variance of the nats, the greatest first; empty where there are too few trials.
    seconds
        Of work of a whole trial.
    """

    best: Chosen
    valid: float
    default: float
    trials: tuple[Tried, ...]
    importances: dict[str, float]
    seconds: float


def tune(
    corpus: Prepared,
    folder: Path,
    settings: TuneSettings | None = None,
    on_trial: Callable[[Tried | None, float], None] | None = None,
) -> Tuned:
    """Try settings until the time is over; what has been tried before is taken up.

    Parameters
    ----------
    corpus
        Prepared pieces.
    folder
        Where the trials are kept, in `NAME`.
    settings
        How they are searched.
    on_trial
        Called with each trial when it is over, and now and then with None, and the share of the time that is gone.

    Raises
    ------
    TrainingError
        If there is too little music, what is kept is of other music or damaged, or not one trial was finished.
    melody.errors.MissingError
        If Optuna is not installed.
    melody.files.FileError
        If the disk refuses.
    """
    need("tuning", "optuna", "sklearn")
    settings = settings or TuneSettings()
    music = Music(corpus.vocabulary, list(some_of(corpus.rows("train"))), list(corpus.rows("valid")), [])
    if len(music.train) < FEWEST or len(music.valid) < FEWEST:
        raise TrainingError(
            f"there are {len(music.train)} pieces to learn from and {len(music.valid)} to choose on; at least {FEWEST} of "
            "each are needed: give a folder with more music"
        )
    files.make_folder(folder)
    search = _Search(music, folder / NAME, settings, on_trial)
    try:
        search.go()
    finally:
        search.forget_begun()
    return search.result()


class _Search:
    """One call of `tune`."""

    def __init__(
        self,
        music: Music,
        path: Path,
        settings: TuneSettings,
        on_trial: Callable[[Tried | None, float], None] | None,
    ) -> None:
        self._music = music._replace(valid=list(some_of(music.valid, MOST_VALID)))
        self._settings, self._on_trial = settings, on_trial
        self._begun = time.monotonic()
        with _quiet():
            self._study = _opened(path, self._key(), settings)
        kept = self._study.user_attrs
        self.seconds, minutes = kept["seconds"], kept["minutes"]
        events = sum(map(len, music.train))
        self._space = Space(music.vocabulary, events, minutes, settings.cells)
        self.forget_begun()  # those of a process that was killed
        if not self._study.trials:
            self._study.enqueue_trial(self._space.default)

    def _key(self) -> str:
        """What names the music and what is searched."""
        digest = hashlib.sha256(json.dumps([*self._settings.cells, self._settings.seed]).encode())
        for rows in (*self._music.train, *self._music.valid):
            digest.update(np.ascontiguousarray(rows).tobytes())
        return digest.hexdigest()[:16]

    @property
    def _gone(self) -> float:
        """Share of the time."""
        return (time.monotonic() - self._begun) / (60 * self._settings.minutes)

    def go(self) -> None:
        """Try until the time is over; a first trial is finished whatever it takes."""
        from optuna.trial import TrialState

        with _quiet():
            while self._gone < 1 or not self._whole():
                trial = self._study.ask()
                try:
                    value = self._tried(trial)
                except _Behind:
                    self._study.tell(trial, state=TrialState.PRUNED)
                except _TimeIsOver:
                    self._study.tell(trial, state=TrialState.FAIL)
                    return
                else:
                    self._study.tell(trial, value)
                if self._on_trial:
                    self._on_trial(_tried(self._study.trials[trial.number]), min(self._gone, 1.0))

    def _tried(self, trial: Trial) -> float:
        """Nats a note on valid of the settings that are proposed."""
        chosen, left = self._space.suggested(trial), [rung for rung in RUNGS if RUNGS[rung] < 1]

        def on_step(share: float, model: MelodyNetwork) -> None:
            if self._gone >= 1 and self._whole():
                raise _TimeIsOver
            if left and share >= RUNGS[left[0]]:
                trial.report(self._valid(model), left.pop(0))
                if trial.should_prune():
                    raise _Behind
            if self._on_trial:
                self._on_trial(None, min(self._gone, 1.0))

        learnt = learn(self._music, self._space.run(chosen, self.seconds, self._settings.seed), on_step)
        value = self._valid(learnt.model)
        trial.report(value, max(RUNGS))
        return value

    def _valid(self, model: MelodyNetwork) -> float:
        value = nats_on_valid(model, self._music)
        return value if np.isfinite(value) else _WORST

    def _whole(self) -> list[Tried]:
        return [each for each in self._over() if each.is_whole]

    def _over(self) -> list[Tried]:
        return [_tried(each) for each in self._study.trials if each.state.name in ("COMPLETE", "PRUNED")]

    def forget_begun(self) -> None:
        """A trial that was interrupted counts for nothing."""
        from optuna.trial import TrialState

        with _quiet():
            for trial in self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
                self._study.tell(trial.number, state=TrialState.FAIL)

    def result(self) -> Tuned:
        """What came of it."""
        trials, whole = self._over(), self._whole()
        best = min(whole, key=lambda each: each.nats[max(RUNGS)])
        default = next((each for each in whole if each.chosen == rounded(self._space.default)), whole[0])
        valid, of_default = (each.nats[max(RUNGS)] for each in (best, default))
        return Tuned(best.chosen, valid, of_default, tuple(trials), importances(trials), self.seconds)


class _Behind(Exception):
    """A trial is stopped early."""


class _TimeIsOver(Exception):
    """The time is over in the middle of a trial."""


def importances(trials: Sequence[Tried]) -> dict[str, float]:
    """Of each setting its share of the variance of the nats, by functional ANOVA (Hutter et al. 2014), as Greff et al. did.

    At the first rung, where all trials stand, those that were stopped early too: later only good ones are left. Empty where
    there are too few trials.
    """
    import optuna

    first = min(RUNGS)
    known = [each for each in trials if first in each.nats and each.nats[first] < _WORST]
    if len(known) < FEWEST_TRIALS:
        return {}
    with _quiet():
        study, ranges = optuna.create_study(), _ranges(known)
        for each in known:
            made = optuna.trial.create_trial(params=each.chosen, distributions=ranges, value=each.nats[first])
            study.add_trial(made)
        evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
        found = optuna.importance.get_param_importances(study, evaluator=evaluator)
    return {name: float(share) for name, share in sorted(found.items(), key=lambda each: -each[1])}


def _ranges(trials: Sequence[Tried]) -> dict[str, Any]:
    """What the settings of some trials were chosen among, as far as it is seen of them."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    found: dict[str, Any] = {}
    for name in trials[0].chosen:
        values = sorted({each.chosen[name] for each in trials})
        if isinstance(values[0], str):
            found[name] = CategoricalDistribution(values)
        else:
            found[name] = FloatDistribution(float(values[0]), float(values[-1]), log=name in _BY_FACTORS)
    return found


def _tried(trial: FrozenTrial) -> Tried:
    return Tried(trial.number, rounded(trial.params), dict(trial.intermediate_values), trial.state.name == "COMPLETE")


def _opened(path: Path, key: str, settings: TuneSettings) -> Study:
    """The study that is kept in a file, or a new one.

    Raises
    ------
    TrainingError
        If it is of other music or damaged.
    melody.files.FileError
        If the disk refuses.
    """
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    is_new = not path.exists()
    try:
        storage = JournalStorage(JournalFileBackend(str(path)))
        pruner = optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=2)
        study = optuna.create_study(
            study_name="melody", storage=storage, pruner=pruner, direction="minimize", load_if_exists=True
        )
        study.sampler = optuna.samplers.TPESampler(seed=settings.seed + len(study.trials))
        if is_new:
            study.set_user_attr("key", key)
            study.set_user_attr("minutes", settings.minutes)
            study.set_user_attr("seconds", max(60 * settings.minutes / PLANNED, LEAST_SECONDS))
        kept = dict(study.user_attrs)
        if not kept or not isinstance(kept.get("seconds"), float) or not isinstance(kept.get("minutes"), (int, float)):
            raise ValueError("does not say what it is of")
    except OSError as error:
        raise files.FileError(f"{path}: {files.advice(error)}") from error
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, AssertionError) as error:
        raise TrainingError(f"{path} is damaged ({type(error).__name__}); name another folder with `out`") from error
    if kept.get("key") != key:
        raise TrainingError(f"{path} is of other music, cells or another seed; name another folder with `out`")
    return study


@contextmanager
def _quiet() -> Iterator[None]:
    """Without Optuna's own reports."""
    import warnings

    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        optuna.logging.set_verbosity(before)


def settings_text(tuned: Tuned) -> str:
    """What `melody train --settings FILE` takes, as JSON."""
    return json.dumps(tuned.best, indent=1) + "\n"
