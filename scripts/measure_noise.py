"""What wrong notes in a prompt do to what a model expects afterwards: nats a note and accuracy, with a plot.

    python scripts/measure_noise.py MODEL [MODEL ...] --folder FOLDER [--count 100] [--plot FILE] [--json FILE]

Each held-out tune is cut in the middle, at a bar line. In its first half 0, 1, 5, 10 or 20 % of the notes are made wrong,
one way at a time: *altered*, 1 to 4 semitones higher or lower; *dropped*, left out, the note before lasting on; *jittered*,
begun a sixteenth note earlier or later; where the vocabulary cannot say that, a note stays as it is. The second half stays
as it is, and only it is measured. The same notes are wrong for every model of the same vocabulary. Intervals are 95 %, by
bootstrap over tunes.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from melody import files, models
from melody.corpus import Corpus, prepare
from melody.errors import MelodyError
from melody.evaluation.heldout import choose, settings_for
from melody.inspection.predicted import read
from melody.piece import Piece
from melody.sampling import Model, load
from melody.threads import one_thread
from melody.tokens.vocabulary import VALUE

SHARES = (0.0, 0.01, 0.05, 0.10, 0.20)
WAYS = ("altered", "dropped", "jittered")
FURTHEST = 4  # semitones
DRAWS = 2000
Doubles = NDArray[np.float64]


class Heard(NamedTuple):
    """What a model makes of the second half of a tune: nats, notes, and how many pitches it guesses."""

    nats: float
    notes: int
    right: int


def main() -> None:
    """Measure, print and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--folder", type=Path, required=True, help="a folder of music, or a store of melody prepare")
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--split", choices=("valid", "test"), default="test")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    table: dict[str, dict[str, float]] = {}
    for name in arguments.models:
        model = load(models.find(name))
        is_store = arguments.folder.suffix == ".store"
        corpus = Corpus.open(arguments.folder) if is_store else prepare(arguments.folder, settings_for(model.file))
        known = choose(model.file, corpus, arguments.split).pieces[: arguments.count]
        tunes = [model.vocabulary.decode(each.rows) for each in known]
        for way in WAYS:
            for share in SHARES if way == WAYS[0] else SHARES[1:]:
                heard = [measured(model, tune, way, share, arguments.seed + i) for i, tune in enumerate(tunes)]
                label = "clean" if share == 0 else f"{share:.0%} {way}"
                table[f"{model.file.name}, {label}"] = summed([each for each in heard if each is not None])
    show(table)
    if arguments.json:
        files.write_bytes(arguments.json, json.dumps(table, indent=1).encode())
    if arguments.plot:
        draw(table, arguments.plot)


@one_thread()
def measured(model: Model, tune: Piece, way: str, share: float, seed: int) -> Heard | None:
    """The second half of a tune after a first half with so many wrong notes; None if the tune is too short."""
    bars = tune.bar_starts(tune.length)
    middle = int(bars[len(bars) // 2])
    if not (tune.onset < middle).any() or not (tune.onset >= middle).any():
        return None
    spoiled = spoil(model, tune, middle, way, share, np.random.default_rng(seed))
    reading = read(model, spoiled)
    second = reading.piece.onset >= middle
    events = reading.notes[second]
    right = reading.expected[VALUE].tokens[second, 0] == reading.rows[events, VALUE]
    return Heard(float(reading.nats[events[0] :].sum()), int(second.sum()), int(right.sum()))


def spoil(model: Model, tune: Piece, middle: int, way: str, share: float, rng: np.random.Generator) -> Piece:
    """The tune with that share of the notes before the middle made wrong, where the model can read them so."""
    first = np.flatnonzero(tune.end <= middle)[1:]
    wanted = rng.permutation(first)[: round(share * len(first))]
    for note in sorted(wanted.tolist(), reverse=True):  # what is dropped moves only later notes
        tune = _spoiled(model, tune, note, way, rng)
    return tune


def _spoiled(model: Model, tune: Piece, note: int, way: str, rng: np.random.Generator) -> Piece:
    """The tune with one note made wrong; as it is if that cannot be. Notes keep their number, but those that are dropped."""
    columns = {name: getattr(tune, name).copy() for name in ("onset", "duration", "pitch", "velocity", "part")}
    if note >= tune.num_notes:
        return tune
    line = np.flatnonzero(tune.part == tune.part[note])
    at = int(np.flatnonzero(line == note)[0])
    before = int(line[at - 1]) if at else -1
    if way == "altered":
        columns["pitch"][note] += int(rng.choice([-1, 1])) * int(rng.integers(1, FURTHEST + 1))
    elif before < 0 or tune.end[before] != tune.onset[note]:
        return tune
    elif way == "dropped":
        columns["duration"][before] += tune.duration[note]
        columns = {name: np.delete(column, note) for name, column in columns.items()}
    else:
        by = int(rng.choice([-1, 1])) * max(tune.ticks_per_quarter // 4, 1)
        columns["onset"][note] += by
        columns["duration"][note] -= by
        columns["duration"][before] += by
    try:
        made = replace(tune, **columns)
        model.vocabulary.encode(made)
    except MelodyError:
        return tune
    return made


def summed(heard: list[Heard]) -> dict[str, float]:
    """Nats a note and the share of right pitches, with intervals."""
    nats, notes, right = (np.array(column, float) for column in zip(*heard))
    drawn = np.random.default_rng(0).integers(0, len(heard), (DRAWS, len(heard)))
    found: dict[str, float] = {"tunes": len(heard)}
    for name, top in (("nats", nats), ("right", right)):
        means = top[drawn].sum(axis=1) / notes[drawn].sum(axis=1)
        low, high = np.quantile(means, (0.025, 0.975)).tolist()
        found |= {name: float(top.sum() / notes.sum()), f"{name} low": low, f"{name} high": high}
    return found


def show(table: Mapping[str, Mapping[str, float]]) -> None:
    """A row for each model and prompt."""
    print("| model, prompt | tunes | nats a note afterwards (95 %) | % of pitches right (95 %) |\n|---|---|---|---|")
    for name, each in table.items():
        nats = f"{each['nats']:.3f} ({each['nats low']:.3f}-{each['nats high']:.3f})"
        right = f"{100 * each['right']:.1f} ({100 * each['right low']:.1f}-{100 * each['right high']:.1f})"
        print(f"| {name} | {each['tunes']} | {nats} | {right} |")


def draw(table: Mapping[str, Mapping[str, float]], path: Path) -> None:
    """Nats against the share of wrong notes, a line for each model and way."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    for model in dict.fromkeys(name.partition(", ")[0] for name in table):
        clean = table[f"{model}, clean"]["nats"]
        for way in WAYS:
            values = [clean, *(table[f"{model}, {share:.0%} {way}"]["nats"] for share in SHARES[1:])]
            axes.plot([100 * share for share in SHARES], values, marker="o", label=f"{model}, {way}")
    axes.set(xlabel="% of the prompt's notes that are wrong", ylabel="nats a note afterwards")
    axes.legend(fontsize=8)
    figure.savefig(path)


if __name__ == "__main__":
    main()
