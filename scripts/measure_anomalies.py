"""How well wrong notes are found: planted in held-out tunes, for a model and for the n-gram, by area under the ROC curve.

    python scripts/measure_anomalies.py MODEL FOLDER [--count 100] [--split test] [--seed 0] [--json FILE]

In each of the first so many tunes of the split one note is made wrong at a time: its pitch, its rhythm, or it is left out
(see `planting`). All notes of the tune are then given a score, and the area is the share of its other notes that score less
than the wrong one (half where they score the same): 0.5 by chance, 1 if the wrong note always comes first. It is a mean over
tunes, with a 95 % interval by bootstrap over tunes. `first` is how often the wrong note is the most suspicious of all, and
`in 5` how often it is among the five that `melody inspect --anomalies` would list first.

Scores: `suspicion` (`melody.inspection.anomalies`); `surprise`, the nats of the note alone; `n-gram`, the same nats under an
interpolated n-gram counted on the model's own training pieces, its order chosen on its validation pieces.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from planting import KINDS, Kind, Planted, plant

from melody import files, models
from melody.corpus import Corpus, prepare
from melody.evaluation.evaluate import ORDERS
from melody.evaluation.heldout import choose, settings_for
from melody.evaluation.ngram import NGram, best_ngram, flat_tokens
from melody.inspection.anomalies import FOLLOWING, suspicion
from melody.inspection.influence import influence
from melody.inspection.predicted import read
from melody.sampling import Model, load
from melody.threads import one_thread
from melody.tokens.vocabulary import Rows, Vocabulary

Doubles = NDArray[np.float64]
Found = dict[tuple[str, Kind], list[tuple[float, int]]]  # by score and kind: area and rank of each tune
DRAWS = 2000


def main() -> None:
    """Plant, look and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("folder", type=Path, help="a folder of music, or a store that melody prepare wrote")
    parser.add_argument("--count", type=int, default=100, help="tunes")
    parser.add_argument("--split", choices=("valid", "test"), default="test")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    model = load(models.find(arguments.model))
    is_store = arguments.folder.suffix == ".store"
    corpus = Corpus.open(arguments.folder) if is_store else prepare(arguments.folder, settings_for(model.file))
    chosen = choose(model.file, corpus, arguments.split)
    ngram = best_ngram(model.vocabulary, chosen.train, chosen.valid, ORDERS) if chosen.train else None
    rng = np.random.default_rng(arguments.seed)
    found: Found = {}
    for known in chosen.pieces[: arguments.count]:
        for kind in KINDS:
            planted = plant(model.vocabulary, model.vocabulary.decode(known.rows), kind, rng)
            for name, score in () if planted is None else scores(model, ngram, planted):
                found.setdefault((name, kind), []).append(ranked(score, planted))
    table = {f"{name}, {kind}": measured(each, rng) for (name, kind), each in found.items()}
    show(table)
    if arguments.json:
        files.write_bytes(arguments.json, json.dumps(table, indent=1).encode())


@one_thread()
def scores(model: Model, ngram: NGram | None, planted: Planted) -> Iterator[tuple[str, Doubles]]:
    """Each score of each note of a tune."""
    reading = read(model, model.vocabulary.decode(planted.rows))
    yield "suspicion", np.add(*suspicion(reading, influence(model, reading, FOLLOWING)))
    yield "surprise", reading.surprise
    if ngram is not None:
        yield f"n-gram of {ngram.order} tokens", by_ngram(model.vocabulary, ngram, planted.rows)


def by_ngram(vocabulary: Vocabulary, ngram: NGram, rows: Rows) -> Doubles:
    """What an n-gram makes of each note of a tune, in nats."""
    _, fields = flat_tokens(vocabulary, rows)
    events = np.cumsum(fields == fields[0]) - 1  # every event begins with the same field
    nats = np.zeros(len(rows))
    np.add.at(nats, events, ngram.token_nats([rows]))
    return nats[vocabulary.is_note(rows)]


def ranked(score: Doubles, planted: Planted) -> tuple[float, int]:
    """The area of one tune, and how many notes score more than the wrong one."""
    others = np.delete(score, [each for each in (planted.wrong, planted.aside) if each >= 0])
    wrong = score[planted.wrong]
    return float(np.mean(others < wrong) + 0.5 * np.mean(others == wrong)), int(np.sum(others > wrong))


def measured(tunes: Sequence[tuple[float, int]], rng: np.random.Generator) -> dict[str, float]:
    """The mean area with its interval, and how often the wrong note comes first."""
    area, rank = (np.array(column) for column in zip(*tunes))
    means = rng.choice(area, (DRAWS, len(area))).mean(axis=1)
    low, high = np.quantile(means, (0.025, 0.975))
    return {
        "tunes": len(area), "area": float(area.mean()), "low": float(low), "high": float(high),
        "first": float(np.mean(rank == 0)), "in 5": float(np.mean(rank < 5)),
    }  # fmt: skip


def show(table: Mapping[str, Mapping[str, float]]) -> None:
    """A row for each score and kind."""
    print("| score, what is wrong | tunes | area under the ROC curve (95 %) | first | in 5 |\n|---|---|---|---|---|")
    for name, each in table.items():
        area = f"{each['area']:.3f} ({each['low']:.3f}-{each['high']:.3f})"
        print(f"| {name} | {each['tunes']} | {area} | {each['first']:.0%} | {each['in 5']:.0%} |")


if __name__ == "__main__":
    main()
