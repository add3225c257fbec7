"""What is known of the music that a model writes, all of it at once: `model_report`.

The rule for the temperature
----------------------------
Tunes are written at several temperatures, and held against held-out pieces. A temperature does not count if more of its
tunes are copies, or their longest runs from training pieces longer, than of held-out pieces (`Copying.is_more_than`). Of the
others that one is chosen whose measures lie nearest to the held-out pieces, in floors, on average
(`Likeness.mean_floors`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from melody.errors import SamplingError
from melody.evaluation.likeness import WITHIN, Copying, Likeness, Reference, likeness_of
from melody.evaluation.own_music import OwnMusic
from melody.extras import is_there
from melody.modelfile import ModelFile
from melody.originality.building import build
from melody.originality.index import Index, beside, index_of
from melody.originality.runs import CONTINUED
from melody.piece import Piece
from melody.sampling import Model, SamplingSettings
from melody.sampling.settings import TEMPERATURES
from melody.statistics.distances import Comparison
from melody.statistics.two_samples import LEAST, Classified, Discrepancy
from melody.text import counted

if TYPE_CHECKING:
    from melody.evaluation.extraction import Curve

TUNES, TRIED = 300, (0.6, 0.8, 0.9, 1.0, 1.1, 1.2)
MOST_TUNES = 5_000
PART = 3  # of so many tunes one is written at each temperature
MOST_COPIES, MOST_RIGHT = 0.02, 0.65  # shares of copies, and of pieces that a classifier tells apart, that are aimed at
OnProgress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class ReportSettings:
    """How much is looked at.

    Parameters
    ----------
    tunes
        How many the model writes as it does by itself; a third of them at each temperature.
    temperatures
        That are tried; none to leave that out.
    seed
        Of everything that is drawn.

    Raises
    ------
    SamplingError
        If a number is out of range.
    """

    tunes: int = TUNES
    temperatures: tuple[float, ...] = TRIED
    seed: int = 0

    def __post_init__(self) -> None:
        if not PART * LEAST <= self.tunes <= MOST_TUNES:
            raise SamplingError(f"{self.tunes:,} tunes were asked for; a report compares {PART * LEAST} to {MOST_TUNES:,}")
        for degree in self.temperatures:
            if not 0 < degree <= 3:
                raise SamplingError(f"a temperature is {degree:g}; it must be above 0 and at most 3, as 0.6 to 1.2")


@dataclass(frozen=True)
class ModelReport:
    """What is known of the music that a model writes.

    Parameters
    ----------
    model, fingerprint, pieces, heldout_pieces
        Name and fingerprint of the model; its training pieces, and the others of its corpus.
    settings
        How much was looked at.
    temperatures
        The model's own, in words.
    own
        The tunes as it writes them by itself.
    some_own
        As many of these as were written at each temperature: what they are compared with, as floors depend on how many.
    by_temperature
        Temperature -> tunes that it writes at it.
    floor_discrepancy, floor_classified
        Both tests on two halves of the corpus.
    heldout
        What the held-out pieces share with training pieces.
    curves
        The extraction curves (`melody.evaluation.extraction`); none without torch.
    parameters
        Of the model, how many.
    remarks
        Plain sentences.
    """

    model: str
    fingerprint: str
    pieces: int
    heldout_pieces: int
    settings: ReportSettings
    temperatures: str
    own: Likeness
    some_own: Likeness
    by_temperature: tuple[tuple[float, Likeness], ...]
    floor_discrepancy: Discrepancy
    floor_classified: Classified
    heldout: Copying
    curves: tuple[Curve, ...]
    parameters: int
    remarks: tuple[str, ...]

    @property
    def chosen(self) -> float | None:
        """The temperature by the rule; None if each of them copies more than the corpus, or none was tried."""
        fit = [(found.mean_floors, degree) for degree, found in self.by_temperature if not self.copies_more(found)]
        return min(fit)[1] if fit else None

    def copies_more(self, found: Likeness) -> bool:
        """Whether tunes share more with training pieces than held-out ones do."""
        return found.copying.is_more_than(self.heldout)

    @property
    def on_temperature(self) -> str:
        """What the rule says, beside the model's own temperatures."""
        if not self.by_temperature:
            return "no temperature was tried"
        own = f"the model's own ({self.temperatures}): {self.some_own.mean_floors:.2f} floors"
        own += ", and copies more than held-out pieces do" if self.copies_more(self.some_own) else ""
        if self.chosen is None:
            return f"at every temperature that was tried it copies more than held-out pieces do; {own}"
        best = dict(self.by_temperature)[self.chosen].mean_floors
        verdict = "its own are as near or nearer" if self.some_own.mean_floors <= best else "nearer than its own"
        return f"by the rule {self.chosen:g}: {best:.2f} floors from held-out pieces on average; {own}: {verdict}"

    @property
    def goals(self) -> list[tuple[bool, str]]:
        """What is aimed at, and whether it is reached."""
        measures, copying, apart = self.own.to_heldout, self.own.copying, self.own.classified
        assert apart is not None
        far = self.own.far
        named = "; beyond: " + ", ".join(f"{each.name} ({each.times_floor:.1f})" for each in far) if far else ""
        within = len(measures) - len(far)
        goals = [(not far, f"{within} of {counted(len(measures), 'measure')} within {WITHIN:g} floors{named}")]
        telling = ", ".join(name for name, lost in apart.features[:5] if lost > 0)
        goals.append(
            (
                apart.accuracy <= MOST_RIGHT,
                f"a classifier tells {apart.accuracy:.0%} of pieces apart ({apart.low:.0%} to {apart.high:.0%}; two halves "
                f"of the corpus {self.floor_classified.accuracy:.0%}; at most {MOST_RIGHT:.0%} is aimed at)"
                + (f", most of all by {telling}" if telling else ""),
            )
        )
        if copying.is_known:
            low, high = copying.interval
            goals.append(
                (
                    copying.share <= MOST_COPIES and copying.share <= max(self.heldout.share, self.heldout.interval[1]),
                    f"{copying.share:.1%} of the tunes are copies ({low:.1%} to {high:.1%}), of held-out pieces "
                    f"{self.heldout.share:.1%}; at most {MOST_COPIES:.0%} is aimed at",
                )
            )
        return goals

    def to_dict(self) -> dict[str, Any]:
        """All numbers, plain JSON."""
        return {
            "model": {"name": self.model, "fingerprint": self.fingerprint, "temperatures": self.temperatures},
            "counts": {
                "tunes": len(self.own.tunes),
                "training_pieces": self.pieces,
                "heldout_pieces": self.heldout_pieces,
                "compared_with": len(self.heldout.runs),
            },
            "goals": [{"reached": reached, "sentence": sentence} for reached, sentence in self.goals],
            "measures": [_plain(each) for each in self.own.to_heldout],
            "measures_beside_training_pieces": [_plain(each) for each in self.own.to_train],
            "mean_floors": self.own.mean_floors,
            "mean_floors_of_as_many_as_at_each_temperature": self.some_own.mean_floors,
            "mmd": _test(self.own.discrepancy) | {"two_halves_of_the_corpus": _test(self.floor_discrepancy)},
            "classifier": _classifier(self.own.classified)
            | {"two_halves_of_the_corpus": _classifier(self.floor_classified)},
            "originality": {"tunes": self.own.copying.to_dict(), "heldout": self.heldout.to_dict()},
            "extraction": {"parameters": self.parameters, "continued_notes": CONTINUED}
            | {"curves": [each.to_dict() for each in self.curves]},
            "by_temperature": [
                {"temperature": degree, "tunes": len(found.tunes), "mean_floors": found.mean_floors}
                | {"copies_more_than_heldout": self.copies_more(found), "originality": found.copying.to_dict()}
                | {"measures": {each.name: _finite(each.times_floor) for each in found.to_heldout}}
                for degree, found in self.by_temperature
            ],
            "temperature_by_the_rule": self.chosen,
            "on_temperature": self.on_temperature,
            "remarks": list(self.remarks),
        }


def _finite(number: float) -> float | None:
    return float(number) if math.isfinite(number) else None


def _plain(each: Comparison) -> dict[str, Any]:
    numbers = ("distance", "low", "high", "floor", "floor_high", "times_floor", "overlap", "kl", "floor_overlap", "floor_kl")
    found: dict[str, Any] = {"name": each.name, "unit": each.unit, "pieces": each.pieces, "of": each.reference_pieces}
    found |= {name: _finite(getattr(each, name)) for name in numbers}
    means = {"tunes": each.mean.tolist(), "corpus": each.reference_mean.tolist()}
    means = {name: [_finite(value) for value in values] for name, values in means.items()}
    return found | ({"classes": list(each.classes), "means": means} if each.classes else {"means": means})


def _test(found: Discrepancy | None) -> dict[str, Any]:
    return {} if found is None else {"mmd_squared": found.mmd, "p": found.p}


def _classifier(found: Classified | None) -> dict[str, Any]:
    if found is None:
        return {}
    numbers = {"accuracy": found.accuracy, "interval": [found.low, found.high], "pieces": found.pieces}
    return numbers | (
        {"features": [{"measure": name, "lost": lost} for name, lost in found.features]} if found.features else {}
    )


def index_for(file: ModelFile, path: Path, music: OwnMusic) -> tuple[Index, tuple[str, ...]]:
    """The index beside a model file, or one that is made for the occasion, and what there is to say of it."""
    if beside(path).exists():
        return index_of(file, path), ()
    made = build(file.vocabulary, file.manifest, music.train.rows, music.heldout.rows)
    return made, ("the model has no index of its training pieces beside it: one was made of this corpus",)


def _curves(file: ModelFile, music: OwnMusic, reference: Reference) -> tuple[Curve, ...]:
    """Of the pieces that tunes are compared with."""
    from melody.evaluation.evaluate import restored
    from melody.evaluation.extraction import extraction

    train = reference.train
    return tuple(
        extraction(restored(file), file.vocabulary, train.rows, train.groups, music.train.groups, reference.heldout.rows)
    )


def model_report(
    file: ModelFile,
    music: OwnMusic,
    index: Index,
    settings: ReportSettings | None = None,
    *,
    remarks: Sequence[str] = (),
    on_progress: OnProgress | None = None,
) -> ModelReport:
    """Let a model write tunes, and hold them against its corpus.

    Parameters
    ----------
    file, music, index
        The model, its corpus, and the index of its training pieces.
    settings
        How much is looked at.
    remarks
        On how they came to be.
    on_progress
        Called with what is done, and how much of how much.
    """
    settings = settings or ReportSettings()
    report = on_progress or (lambda *_: None)
    reference = Reference.of(music, index, settings.tunes, settings.seed)
    model = Model(file)

    def written(count: int, what: str, temperature: float | None) -> list[Piece]:
        tunes = []
        chosen = SamplingSettings(temperature=temperature, seed=settings.seed)
        for tune in model.each_tune(count, settings=chosen):
            tunes.append(tune.piece)
            report(what, len(tunes), count)
        return tunes

    own = likeness_of(reference, "as it writes", written(settings.tunes, "writing tunes", None))
    by_temperature = []
    for degree in settings.temperatures:
        tunes = written(settings.tunes // PART, f"writing at {degree:g}", degree)
        by_temperature.append((degree, likeness_of(reference, f"at {degree:g}", tunes, in_full=False)))
    floors = reference.floors(settings.tunes)
    curves = _curves(file, music, reference) if is_there("torch") else ()
    remarks = remarks if curves else (*remarks, "no extraction curve: it needs torch (the extra train)")
    settled = SamplingSettings().settled(file.training)
    degrees = {name: getattr(settled, name) for name in TEMPERATURES if getattr(settled, name) is not None}
    return ModelReport(
        file.name,
        file.fingerprint,
        len(music.train.pieces),
        len(music.heldout.pieces),
        settings,
        ", ".join(f"{name.replace('_', ' ')} {degree:g}" for name, degree in degrees.items()),
        own,
        likeness_of(reference, "as it writes", own.tunes[: settings.tunes // PART], in_full=False),
        tuple(by_temperature),
        *floors,
        reference.copying,
        curves,
        sum(array.size for array in file.weights.values()),
        (*music.remarks, *remarks),
    )
