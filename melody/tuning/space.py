"""What is searched: settings of `melody train`, each by the name of its keyword there, and the range that it may have.

The ranges are those in which Greff et al. (2017) found the optimum of all their problems, with widths up to twice that which
a corpus of this size is planned to have. What is logarithmic matters by factors, such as a learning rate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from melody.comparison.learning import Run
from melody.comparison.variants import Learning
from melody.network.relations import relates
from melody.tokens.vocabulary import Vocabulary
from melody.training.plan import WEIGHT_DECAY, fitting, model_size, shape_for
from melody.training.settings import settings_from

if TYPE_CHECKING:
    from optuna import Trial

Chosen = dict[str, Any]  # settings by the keywords of `melody.train`
PASSES = 10  # through the music, for the dropouts that are not searched: so few are made in a trial
_STEP = 16  # by which widths differ


class Space:
    """The settings that are tried.

    Parameters
    ----------
    vocabulary
        Of the music.
    events
        How much music there is to learn from.
    minutes
        For which a training is planned, which decides how wide a model may be.
    cells
        Kinds of cells, of which one is taken; one alone is no setting that is searched.
    """

    def __init__(self, vocabulary: Vocabulary, events: int, minutes: float, cells: Sequence[str]) -> None:
        self._vocabulary, self._events, self._cells = vocabulary, events, list(cells)
        planned, _ = model_size(events, minutes)
        self._minutes, self._widest = minutes, max(2 * planned.hidden_size, 64)
        self.default: Chosen = {"learning_rate": 2e-3, "hidden_size": planned.hidden_size, "layers": planned.num_layers}
        self.default |= {"dropout": 0.2, "weight_decay": WEIGHT_DECAY, "batch_size": 16, "window": 64, "noise": 0.0}
        self.default |= {"cell": self._cells[0]} if self._cells[1:] else {}

    def suggested(self, trial: Trial) -> Chosen:
        """Settings that a trial is to have."""
        found: Chosen = {"learning_rate": trial.suggest_float("learning_rate", 2e-4, 3e-2, log=True)}
        found["hidden_size"] = trial.suggest_int("hidden_size", 32, self._widest, step=_STEP)
        found["layers"] = trial.suggest_int("layers", 1, 3)
        found["dropout"] = trial.suggest_float("dropout", 0.0, 0.5)
        found["weight_decay"] = trial.suggest_float("weight_decay", 1e-3, 1e-1, log=True)
        found["batch_size"] = trial.suggest_categorical("batch_size", [4, 8, 16, 32])
        found["window"] = trial.suggest_categorical("window", [16, 32, 64, 128, 256])
        found["noise"] = trial.suggest_float("noise", 0.0, 0.2)
        if self._cells[1:]:
            found["cell"] = trial.suggest_categorical("cell", self._cells)
        return rounded(found)

    def run(self, chosen: Mapping[str, Any], seconds: float, seed: int) -> Run:
        """The run that tries such settings, its model as `melody train` would make it of them."""
        settings = settings_from({"cell": self._cells[0], **chosen, "max_minutes": self._minutes})
        shape, _ = shape_for(settings, self._events, None)
        shape, decay = fitting(replace(shape, relations=relates(self._vocabulary)), settings, PASSES, adapts=False)
        learning = Learning(clip_norm=settings.clip_norm)
        return Run(shape, settings.batch, learning, chosen["learning_rate"], seconds, seed, decay)


def rounded(found: Mapping[str, Any]) -> Chosen:
    """The same with no more digits than matter, so that what is printed is what was tried."""
    return {name: float(f"{value:.3g}") if isinstance(value, float) else value for name, value in found.items()}
