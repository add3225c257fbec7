"""Nats a note inside gaps of 1, 2, 4 and 8 bars: a bidirectional model beside one that looks back alone.

    python scripts/measure_infilling.py train FOLDER --out RUNS --minutes 30 [--part melodic] [--hidden-size 128]
    python scripts/measure_infilling.py gaps FORWARD BIDIRECTIONAL FOLDER [--part melodic] [--count 60] [--candidates 64]
    python scripts/measure_infilling.py jsb FORWARD BIDIRECTIONAL CHORALES.json [--count 60]

`train` trains both for as long: the forward model first, for so many minutes; then the bidirectional one for as many epochs
as take the same time by the speed of both, measured before. FOLDER may be a store, or the CHORALES.json of
`scripts/benchmark_jsb`, of which the soprano is taken.

`gaps`: of each held-out piece one gap of each length at random, with music before and behind it. What is predicted of it is
every event in it and the time of the first one behind it. All columns are negative log likelihoods of the true gap, divided
by its notes, with the 95 % interval of a bootstrap over pieces:

forward          log p(gap | past) of the forward model: no regard to what follows
N candidates     what `melody vary` without further rounds does with it: N gaps are sampled, and one is drawn by how likely
                 the model finds the 256 events that follow. The density of the true gap x under that is
                 N p(x) E[w(x) / (w(x) + the sum of N - 1 others)], w the likelihood of what follows; it is estimated from
                 one draw of the others, so that by Jensen's inequality the figure is a little too high
at least         a bound of what any number of candidates could reach: -log p(gap, future | past) + log Z, where Z, the mean
                 weight of the N - 1 others, is an unbiased estimate of p(future | past). Its logarithm is on average below
                 log Z, so this figure is on average below the true one, by much where N candidates are few
bidirectional    log p(gap | past, future) of the bidirectional model, exact
in melody vary   the same as vary draws it: nothing is drawn from which there is no way to what follows
its forward      log p(gap | past) of the same model: what the learning of gaps costs where there is none

Accuracy: the share of the true notes that one filling, drawn at temperature 1, has at the same place with the same pitch.

`jsb` fills 4 bars of each chorale's soprano, with up to 6 bars before and 6 behind, as Music SketchNet (2020) and MUSIB
(2023) do. The text of MUSIB was not at hand; assumed are: position, the F1 of onsets; pitch and rhythm accuracy, the share
of the onsets in common with the right pitch, with the right duration; and divergences, Jensen-Shannon in nats between all
true and all filled bars, of pitch classes, of durations, and of which sixteenths hold an onset. The data has no holds:
a repeated pitch is one long note.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from filled_gaps import Task, completed, drawn, nats_of, weighed
from filled_sopranos import Sopranos, sopranos

from melody import files, models
from melody.corpus import Corpus, PrepareSettings, prepare
from melody.evaluation.evaluate import restored
from melody.evaluation.heldout import choose
from melody.sampling import Model, load
from melody.statistics.intervals import difference, rate
from melody.tokens import Vocabulary
from melody.tokens.inputs.gaps import Bars
from melody.tokens.vocabulary import END, TIME, Rows
from melody.training.run import fit, plan
from melody.training.settings import TrainingSettings

LENGTHS = (1, 2, 4, 8)  # bars


# Gaps of several lengths


@dataclass
class Column:
    """Nats and hits of every gap of one length."""

    notes: list[int] = field(default_factory=list)
    nats: dict[str, list[float]] = field(default_factory=dict)
    hits: dict[str, list[float]] = field(default_factory=dict)


def tasks_of(vocabulary: Vocabulary, pieces: Sequence[Rows], bars: int, seed: int) -> list[Task]:
    """One gap of each piece that has one of so many bars with notes in it, before it and behind it."""
    found = []
    for number, rows in enumerate(pieces):
        of_piece = Bars(vocabulary, rows)
        tasks = [Task(vocabulary, rows, gap, of_piece.filled(gap)) for gap in of_piece.gaps(bars) if gap.first > 0]
        tasks = [t for t in tasks if (t.filled.future.rows[:, TIME] != END).any() and len(t.filled.numbers) > 1]
        tasks = [t for t in tasks if t.notes(t.piece)]
        if tasks:
            found.append(tasks[int(np.random.default_rng([seed, bars, number]).integers(len(tasks)))])
    return found


def measure(forward: Model, both: Model, pieces: Sequence[Rows], candidates: int, seed: int) -> dict[int, Column]:
    """All columns, by the length of the gap."""
    networks = [restored(model.file) for model in (forward, both)]
    table = {}
    for bars in LENGTHS:
        column = table[bars] = Column()
        for number, task in enumerate(tasks_of(forward.vocabulary, pieces, bars, seed)):
            random = np.random.default_rng([seed, bars, number])
            (alone, _), (its_own, known) = (nats_of(network, task) for network in networks)
            among = weighed(forward.decoder.without_prior(), task, candidates, random)
            true, observed = task.notes(task.piece), task.observed()
            ahead = both.decoder.without_prior().before(lambda task=task: task.filled.future)  # type: ignore[misc]
            made = {f"{candidates} candidates": completed(task, observed, among.drawn)}
            made |= {"forward": drawn(forward.decoder.without_prior(), task, 1, random)}
            made |= {"bidirectional": drawn(ahead, task, 1, random)}
            column.notes.append(len(true))
            nats = {"forward": alone, f"{candidates} candidates": among.nats, "at least": among.at_least}
            nats |= {"bidirectional": known, "in melody vary": weighed(ahead, task, candidates, random).nats}
            for name, value in (nats | {"its forward": its_own}).items():
                column.nats.setdefault(name, []).append(value)
            for name, piece in made.items():
                right = {note[:3] for note in true} & {note[:3] for note in task.notes(piece)}
                column.hits.setdefault(name, []).append(float(len(right)))
    return table


def shown(table: Mapping[int, Column]) -> dict[str, Any]:
    """The table as plain numbers, printed on the way."""
    made: dict[str, Any] = {}
    for bars, column in table.items():
        if not column.notes:
            print(f"{bars} bars: no piece has such a gap")
            continue
        print(f"{bars} bar{'s' * (bars > 1)}: {len(column.notes)} gaps, {sum(column.notes)} notes")
        of_length: dict[str, Any] = {"gaps": len(column.notes), "notes": sum(column.notes)}
        for name, nats in column.nats.items():
            found = rate(np.where(np.isfinite(nats), nats, 1e3), column.notes)
            of_length[name] = found._asdict()
            text = f"  {name:16} {found.value:6.3f} nats a note ({found.low:.3f}-{found.high:.3f})"
            if name in column.hits:
                right = rate(column.hits[name], column.notes)
                of_length[name] |= {"accuracy": right._asdict()}
                text += f"   accuracy {right.value:.1%} ({right.low:.1%}-{right.high:.1%})"
            print(text)
        for name in [name for name in column.nats if "candidates" in name or name == "at least"]:
            less = difference(column.nats[name], column.nats["bidirectional"], column.notes)
            of_length[f"bidirectional below {name}"] = less._asdict()
            print(f"  bidirectional is {less.value:.3f} ({less.low:.3f}-{less.high:.3f}) below {name}")
        made[str(bars)] = of_length
    return made


# The command


def prepared(source: Path, part: str) -> Any:
    """A store, the chorales' sopranos, or a folder that is read."""
    if source.suffix == ".store":
        return Corpus.open(source)
    return Sopranos.read(source) if source.suffix == ".json" else prepare(source, PrepareSettings(part=part))


def train(corpus: Any, out: Path, settings: TrainingSettings) -> None:
    """The forward model, then a bidirectional one for as many epochs as take as long."""
    speeds = [plan(corpus, each).events_per_second for each in (settings, replace(settings, bidirectional=True))]
    forward = fit(corpus, out / "forward.safetensors", settings)
    epochs = max(round(forward.epochs * speeds[1] / speeds[0]), 1)
    both = fit(corpus, out / "bidirectional.safetensors", replace(settings, bidirectional=True, epochs=epochs))
    for name, made in (("forward", forward), ("bidirectional", both)):
        print(f"{name}: {made.epochs} epochs, {made.minutes:.1f} minutes, test {made.test:.3f} nats a note")


def heldout(model: Model, corpus: Any, split: Any) -> Sequence[Rows]:
    """The pieces of a split in the vocabulary of the models."""
    if isinstance(corpus, Sopranos):
        return corpus.rows(split)
    return [known.rows for known in choose(model.file, corpus, split).pieces]


def main() -> None:
    """Train, or measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("train", "gaps", "jsb"))
    parser.add_argument("paths", nargs="+", type=Path, help="FOLDER, or FORWARD BIDIRECTIONAL and the music")
    parser.add_argument("--out", type=Path, default=Path("infilling"), help="folder of the models")
    parser.add_argument("--part", default="melodic")
    parser.add_argument("--minutes", type=float, default=30.0, help="of each training")
    parser.add_argument("--epochs", type=int, help="of the forward model, instead")
    parser.add_argument("--hidden-size", type=int)
    parser.add_argument("--count", type=int, default=60, help="pieces")
    parser.add_argument("--candidates", type=int, default=64)
    parser.add_argument("--split", choices=("valid", "test"), default="test")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    if given.what == "train":
        settings = TrainingSettings(max_minutes=given.minutes, epochs=given.epochs, hidden_size=given.hidden_size, samples=0)
        train(prepared(given.paths[0], given.part), given.out, replace(settings, precision="32", seed=given.seed))
        return
    forward, both = (load(models.find(path)) for path in given.paths[:2])
    if given.what == "jsb":
        made = sopranos(forward, both, given.paths[2], given.count, given.candidates, given.seed)
    else:
        pieces = heldout(forward, prepared(given.paths[2], given.part), given.split)[: given.count]
        made = shown(measure(forward, both, pieces, given.candidates, given.seed))
    if given.json:
        files.write_bytes(given.json, json.dumps(made, indent=1).encode())


if __name__ == "__main__":
    main()
