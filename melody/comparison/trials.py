"""`compare`: a folder of music -> what each variant makes of it, kept on disk run by run, so that Ctrl-C loses one run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from melody import files
from melody.comparison import measuring
from melody.comparison.copying import Copying
from melody.comparison.learning import RATES, Music, Run, learn
from melody.comparison.variants import DEFAULT, VARIANTS, Variant, batch_of, chosen, sized
from melody.dataset import BatchSettings
from melody.errors import TrainingError
from melody.evaluation.evaluate import ORDERS, ngram_nats
from melody.evaluation.ngram import NGram, best_ngram, some_of
from melody.network.relations import relates
from melody.network.settings import Features, ModelSettings, num_weights
from melody.statistics.intervals import difference, rate
from melody.tokens.vocabulary import Rows, Vocabulary
from melody.training.plan import model_size, regularised

PROBING = 0.25  # share of a run's time for each learning rate that is tried
FEWEST = 3  # pieces to choose on, and to measure on
NAME = "runs.json"
Facts = dict[str, Any]


class Prepared(Protocol):
    """What is needed of a corpus (`melody.corpus.Corpus` is one)."""

    @property
    def vocabulary(self) -> Vocabulary:
        """Of all the pieces."""

    def rows(self, split: Any) -> Sequence[Rows]:
        """The events of each piece of a split."""


@dataclass(frozen=True)
class CompareSettings:
    """What is compared, and for how long.

    Parameters
    ----------
    variants
        Names in `melody.comparison.variants.VARIANTS`; all differences are to the first one.
    minutes
        For all of it, of work; 0.1 or more.
    seeds
        Runs of each variant whose results are averaged, from 1.
    hidden_size
        Width of the LSTM beside which all have as many weights; None goes by the music.
    features
        'none' lets no variant read features, so that what a cell does by itself is seen.
    rates
        Learning rates that are tried; one alone is taken as it is.
    batch_size
        Pieces side by side.
    """

    variants: tuple[str, ...] = DEFAULT
    minutes: float = 10.0
    seeds: int = 3
    hidden_size: int | None = None
    features: Features = "all"
    rates: tuple[float, ...] = RATES
    batch_size: int = 16

    def __post_init__(self) -> None:
        chosen(self.variants)
        for name, value, least in (
            ("minutes", self.minutes, 0.1),
            ("seeds", self.seeds, 1),
            ("batch_size", self.batch_size, 1),
        ):
            if not least <= value < 1e6:
                raise TrainingError(f"`{name}` is {value}; it must be at least {least:g}")
        if not self.rates or not all(0 < each <= 1 for each in self.rates):
            raise TrainingError(f"`rates` are {self.rates}; each must be above 0 and at most 1")
        if self.hidden_size is not None and not 8 <= self.hidden_size <= 4096:
            raise TrainingError(f"`hidden_size` is {self.hidden_size}; it must be from 8 to 4,096")

    @property
    def seconds(self) -> float:
        """Of each run with a seed."""
        probes = PROBING * len(self.rates) if len(self.rates) > 1 else 0.0
        return 60 * self.minutes / (len(chosen(self.variants)) * (self.seeds + probes))


@dataclass
class Comparison:
    """A comparison under way, or done.

    Parameters
    ----------
    music
        What is learnt from, chosen on and measured on.
    settings
        What is compared.
    folder
        Where the results are kept, in `NAME`.
    """

    music: Music
    settings: CompareSettings
    folder: Path
    runs: dict[str, Facts] = field(default_factory=dict)

    @property
    def path(self) -> Path:
        """The file of results."""
        return self.folder / NAME

    @cached_property
    def key(self) -> str:
        """What names the music and the settings, so that a comparison goes on with those that it began with."""
        digest = hashlib.sha256(json.dumps(asdict(self.settings), sort_keys=True).encode())
        for rows in (*self.music.train, *self.music.valid, *self.music.test):
            digest.update(np.ascontiguousarray(rows).tobytes())
        return digest.hexdigest()[:16]

    @cached_property
    def reference(self) -> ModelSettings:
        """The LSTM beside which all variants have as many weights."""
        events = sum(map(len, self.music.train))
        shape, _ = model_size(events, self.settings.minutes)
        shape, _ = regularised(shape, 30)
        shape = replace(shape, relations=relates(self.music.vocabulary))
        size = self.settings.hidden_size
        return replace(shape, hidden_size=size, embedding_size=size, head_size=size) if size else shape

    def restore(self) -> None:
        """Take up what is on disk.

        Raises
        ------
        TrainingError
            If it is of other music or other settings, or damaged.
        """
        if not self.path.exists():
            return
        try:
            kept = json.loads(self.path.read_text("utf-8"))
            key, self.runs = kept["key"], dict(kept["runs"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise TrainingError(
                f"{self.path} is damaged ({type(error).__name__}); name another folder with `out`"
            ) from error
        if key != self.key:
            raise TrainingError(f"{self.path} is of other music or other settings; name another folder with `out`")

    def keep(self, name: str, facts: Facts) -> None:
        """Add the facts of a run, on disk too."""
        self.runs[name] = facts
        text = json.dumps({"key": self.key, "settings": asdict(self.settings), "runs": self.runs}, indent=1)
        files.write_bytes(self.path, text.encode())

    def shape_of(self, variant: Variant) -> ModelSettings:
        """Of as many weights as the reference."""
        return sized(self.music.vocabulary, variant, self.reference, self.settings.features == "none")


def compare(
    corpus: Prepared,
    folder: Path,
    settings: CompareSettings | None = None,
    on_run: Callable[[str, float], None] | None = None,
) -> dict[str, Any]:
    """Let all variants learn, and measure them; what is done already is taken up.

    Parameters
    ----------
    corpus
        Prepared pieces.
    folder
        Where results are kept.
    settings
        What is compared.
    on_run
        Called with what runs, and the share of the whole that is done.

    Returns
    -------
    result
        Plain data: 'rows', one a variant and a baseline; 'pasts', the curves; 'facts' of the comparison.

    Raises
    ------
    TrainingError
        If there are too few pieces, or what is kept in the folder is of another comparison.
    melody.files.FileError
        If the disk refuses.
    """
    settings = settings or CompareSettings()
    music = Music(corpus.vocabulary, *(list(some_of(corpus.rows(split))) for split in ("train", "valid", "test")))
    if not music.train or min(len(music.valid), len(music.test)) < FEWEST:
        raise TrainingError(
            f"there are {len(music.train)} pieces to learn from, {len(music.valid)} to choose on and {len(music.test)} to "
            f"measure on; at least {FEWEST} of each are needed: give a folder with more music"
        )
    comparison = Comparison(music, settings, folder)
    files.make_folder(folder)
    comparison.restore()
    jobs = list(_jobs(comparison))
    for number, (name, job) in enumerate(jobs):
        if on_run:
            on_run(name, number / len(jobs))
        if name not in comparison.runs:
            comparison.keep(name, job())
    return result_of(comparison)


def _jobs(comparison: Comparison) -> Iterator[tuple[str, Callable[[], Facts]]]:
    """All that is to be done, in order, each by a name of its own."""
    settings = comparison.settings
    yield "baselines", partial(_baselines, comparison)
    for variant in chosen(settings.variants):
        if len(settings.rates) > 1:
            for rate_ in settings.rates:
                yield f"{variant.name}, rate {rate_:g}", partial(_probe, comparison, variant, rate_)
        for seed in range(settings.seeds):
            yield f"{variant.name}, seed {seed}", partial(_run, comparison, variant, seed)


def _settings_of(comparison: Comparison, variant: Variant, rate_: float, seconds: float, seed: int) -> Run:
    batch = batch_of(variant, BatchSettings(batch_size=comparison.settings.batch_size))
    return Run(comparison.shape_of(variant), batch, variant.learning, rate_, seconds, seed)


def _probe(comparison: Comparison, variant: Variant, rate_: float) -> Facts:
    """A short run with one learning rate."""
    run = _settings_of(comparison, variant, rate_, PROBING * comparison.settings.seconds, 0)
    return {"valid": _valid(comparison, learn(comparison.music, run).model)}


def _valid(comparison: Comparison, model: Any) -> float:
    value = measuring.nats_on_valid(model, comparison.music)
    return value if np.isfinite(value) else 1e9  # a rate at which it falls apart


def best_rate(comparison: Comparison, variant: Variant) -> float:
    """The learning rate of which a short run was best on the validation pieces."""
    rates = comparison.settings.rates
    return min(rates, key=lambda each: comparison.runs[f"{variant.name}, rate {each:g}"]["valid"]) if rates[1:] else rates[0]


def _run(comparison: Comparison, variant: Variant, seed: int) -> Facts:
    """A whole run, measured; what does not depend on the seed is measured of the first one."""
    music = comparison.music
    run = _settings_of(comparison, variant, best_rate(comparison, variant), comparison.settings.seconds, seed)
    learnt = learn(music, run)
    nats, split = measuring.nats_of(learnt.model, music, music.test)
    facts = {"valid": _valid(comparison, learnt.model), "test": np.round(nats, 4).tolist(), "split": split}
    facts |= {"notes_per_second": learnt.notes_per_second}
    if seed == 0:
        facts["past"] = measuring.with_past(learnt.model, music, music.test).tolist()
        facts["microseconds"] = measuring.microseconds(learnt.model, music)
    return facts


def _baselines(comparison: Comparison) -> Facts:
    """n-gram, unigram and copying, in nats of each test piece, and on valid."""
    music, found = comparison.music, {}
    best = best_ngram(music.vocabulary, music.train, music.valid, ORDERS)
    for title, ngram in ((f"n-gram of {best.order} tokens", best), ("unigram", NGram(music.vocabulary, music.train, 1))):
        valid, test = (ngram_nats(ngram, music.vocabulary, pieces).sum(axis=1) for pieces in (music.valid, music.test))
        found[title] = {"valid": rate(valid, music.notes(music.valid)).value, "test": np.round(test, 4).tolist()}
    copying = Copying(music.vocabulary, music.train, music.valid)
    valid_tokens, tokens = ([copying.token_nats(rows) for rows in pieces] for pieces in (music.valid, music.test))
    valid = rate([each.sum() for each in valid_tokens], music.notes(music.valid)).value
    test = [round(float(each.sum()), 4) for each in tokens]
    found["copying, and a 6-gram"] = {"valid": valid, "test": test, "split": measuring.by_repeat(music, music.test, tokens)}
    return found


def result_of(comparison: Comparison) -> dict[str, Any]:
    """What came of it, as plain data."""
    music, settings = comparison.music, comparison.settings
    notes, seeds = music.notes(music.test), range(settings.seeds)
    rows: list[Facts] = []
    variants = chosen(settings.variants)
    mean = {v.name: np.mean([comparison.runs[f"{v.name}, seed {s}"]["test"] for s in seeds], axis=0) for v in variants}
    for variant in variants:
        runs, shape = [comparison.runs[f"{variant.name}, seed {s}"] for s in seeds], comparison.shape_of(variant)
        rows.append(
            {"name": variant.name, "title": variant.title, "valid": float(np.mean([run["valid"] for run in runs]))}
            | {"test": rate(mean[variant.name], notes)._asdict()}
            | {"seeds": [rate(run["test"], notes).value for run in runs]}
            | {"difference": difference(mean[variant.name], mean[variants[0].name], notes)._asdict()}
            | {"rate": best_rate(comparison, variant), "parameters": num_weights(music.vocabulary, shape)}
            | {"width": shape.hidden_size, "notes_per_second": float(np.median([run["notes_per_second"] for run in runs]))}
            | {"microseconds": runs[0]["microseconds"]}
            | {name: float(np.mean([run["split"][name] for run in runs])) for name in ("repeat", "new")}
        )
    for title, facts in comparison.runs["baselines"].items():
        row = {"name": title, "title": title, "valid": facts["valid"], "test": rate(facts["test"], notes)._asdict()}
        rows.append(row | facts.get("split", {}))
    scale = measuring.events_a_note(music, music.test)
    pasts = {v.title: [scale * n for n in comparison.runs[f"{v.name}, seed 0"]["past"]] for v in variants}
    facts = {"train": len(music.train), "valid": len(music.valid), "test": len(music.test), "notes": sum(notes)}
    facts |= {"seconds": settings.seconds, "seeds": settings.seeds, "features": settings.features}
    facts |= {"parameters": num_weights(music.vocabulary, comparison.shape_of(VARIANTS["lstm"]))}
    return {"rows": rows, "pasts": {"events": list(measuring.PASTS), "curves": pasts}, "facts": facts}
