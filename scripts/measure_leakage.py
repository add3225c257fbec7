"""What a split by file would have flattered: the same test pieces, with and without their versions in training.

    python scripts/measure_leakage.py FOLDER [--epochs 8] [--hidden-size 128] [--layers 1] [--test 0.1] [--json FILE]

A tenth of the files is drawn by chance as the test, as a split by file does. One model trains on the other files; one on as
many of them, but on no version of a test piece (`melody.corpus` keeps versions of one piece together, so that its own splits
are of the second kind). Both have the same shape, epochs and validation pieces, and both are measured on the same test
pieces; an n-gram is counted on either training set beside them. What the first is better by is what the split flatters. Its
interval of 95 % is that of the bootstrap over groups of versions.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from melody import files, modelfile
from melody.corpus import SPLITS, Corpus, PrepareSettings, Split, prepare
from melody.evaluation.evaluate import measure, ngram_nats, restored
from melody.evaluation.ngram import NGram
from melody.network.settings import ModelSettings
from melody.tokens import Vocabulary
from melody.tokens.vocabulary import Rows
from melody.training.records import Epoch
from melody.training.run import fit
from melody.training.settings import TrainingSettings

ORDER = 8  # tokens of the n-gram
RESAMPLES = 2_000


@dataclass(frozen=True)
class Pieces:
    """Pieces in the shape that training wants."""

    vocabulary: Vocabulary
    pieces: dict[str, list[Rows]]
    manifest: dict[str, Any] = field(default_factory=lambda: {"name": "leakage"})

    def rows(self, split: Split) -> Sequence[Rows]:
        """The events of each piece of a split."""
        return self.pieces[split]


def main() -> None:
    """Split both ways, train, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--epochs", type=int, default=8, help="0 for the n-gram alone, in seconds")
    parser.add_argument("--hidden-size", type=int, default=128)
    parser.add_argument("--layers", type=int, default=1)
    parser.add_argument("--test", type=float, default=0.1, help="share of the files")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="write the numbers there as well")
    arguments = parser.parse_args()
    begun = time.monotonic()
    corpus = prepare(arguments.folder, PrepareSettings())
    rows, groups = pieces_of(corpus)
    both, test, group = splits(rows, groups, arguments.test, np.random.default_rng(arguments.seed))
    versioned = np.isin(group, [groups[n] for n in both["by file"]["train"]])
    shape = ModelSettings(hidden_size=arguments.hidden_size, num_layers=arguments.layers)
    settings = TrainingSettings(
        epochs=arguments.epochs or 1, max_minutes=0.01, model=shape, seed=arguments.seed, samples=0, precision="32"
    )
    nats: dict[str, dict[str, NDArray[np.float64]]] = {f"n-gram of {ORDER} tokens": {}}
    nats |= {"LSTM": {}} if arguments.epochs else {}
    for name, numbers in both.items():
        chosen = {split: [rows[n] for n in those] for split, those in numbers.items()}
        if arguments.epochs:
            nats["LSTM"][name] = trained(Pieces(corpus.vocabulary, chosen), settings, f"{arguments.folder.name}, {name}")
        counted = NGram(corpus.vocabulary, chosen["train"], ORDER)
        nats[f"n-gram of {ORDER} tokens"][name] = ngram_nats(counted, corpus.vocabulary, chosen["test"]).sum(axis=1)
    notes = np.array([int(corpus.vocabulary.is_note(rows[n]).sum()) for n in test])
    found = {
        "folder": arguments.folder.name,
        "pieces": len(rows),
        "groups": len(set(groups)),
        "test_pieces": len(test),
        "test_pieces_with_versions_in_training": int(versioned.sum()),
        "training_pieces": len(both["by file"]["train"]),
        "model": f"{shape.layers}, {arguments.epochs} epochs" if arguments.epochs else "none",
        "minutes": round((time.monotonic() - begun) / 60, 1),
        "nats_per_note": {
            name: {"all": flattered(each, notes, group), "with versions": flattered(each, notes, group, versioned)}
            for name, each in nats.items()
        },
    }
    print(json.dumps(found, indent=1))
    if arguments.json:
        files.write_bytes(arguments.json, json.dumps(found, indent=1).encode())


def pieces_of(corpus: Corpus) -> tuple[list[Rows], list[str]]:
    """The events of every piece, and its group of versions."""
    group = {verdict.path: verdict.group for verdict in corpus.verdicts}
    rows = [np.array(each) for split in SPLITS for each in corpus.rows(split)]
    return rows, [group[name] for split in SPLITS for name in corpus.names(split)]


def splits(
    rows: Sequence[Rows], groups: Sequence[str], share: float, rng: np.random.Generator
) -> tuple[dict[str, dict[str, list[int]]], list[int], NDArray[Any]]:
    """Both splits, as numbers of pieces; the test pieces that they have in common, and the group of each of these.

    The validation pieces are the same ones, and no versions of test pieces; both have as many training pieces.
    """
    order = rng.permutation(len(rows)).tolist()
    count = max(round(share * len(rows)), 1)
    test, others = order[:count], order[count:]
    tested = {groups[n] for n in test}
    unrelated = [n for n in others if groups[n] not in tested]
    valid = unrelated[: max(count // 2, 1)]
    held = {groups[n] for n in valid}
    train = [n for n in unrelated if groups[n] not in held]
    related = [n for n in others if groups[n] in tested]
    by_file = (related + train)[: len(train)]
    return (
        {
            "by file": {"train": by_file, "valid": valid, "test": test},
            "by group": {"train": train, "valid": valid, "test": test},
        },
        test,
        np.array([groups[n] for n in test]),
    )


def trained(corpus: Pieces, settings: TrainingSettings, name: str) -> NDArray[np.float64]:
    """What a model that is trained on a split makes of its test pieces, nats, (pieces,)."""

    def report(epoch: Epoch) -> None:
        print(f"{name}: epoch {epoch.number}/{epoch.epochs}, train {epoch.train:.3f}, valid {epoch.valid:.3f}", flush=True)

    with TemporaryDirectory() as folder:
        result = fit(corpus, Path(folder) / "leakage.safetensors", settings, on_epoch=report)
        model = restored(modelfile.load(result.path))
    return np.asarray(measure(model, corpus.vocabulary, corpus.rows("test")).nats.sum(axis=1))


def flattered(
    nats: dict[str, NDArray[np.float64]],
    notes: NDArray[np.int64],
    group: NDArray[Any],
    chosen: NDArray[np.bool_] | None = None,
) -> dict[str, Any]:
    """Nats a note of both, and by how much the split by file flatters, with its interval."""
    kept = np.ones(len(notes), bool) if chosen is None else chosen
    if not kept.any():
        return {"pieces": 0}
    _, of = np.unique(group[kept], return_inverse=True)
    sums = {name: np.bincount(of, each[kept]) for name, each in nats.items()}
    counts = np.bincount(of, notes[kept])
    drawn = np.random.default_rng(0).multinomial(len(counts), np.full(len(counts), 1 / len(counts)), RESAMPLES)
    difference = sums["by group"] - sums["by file"]
    low, high = np.percentile((drawn @ difference) / (drawn @ counts), [2.5, 97.5])
    return {
        "pieces": int(kept.sum()),
        **{name: round(float(each.sum() / counts.sum()), 4) for name, each in sums.items()},
        "flattered by": round(float(difference.sum() / counts.sum()), 4),
        "interval": [round(float(low), 4), round(float(high), 4)],
    }


if __name__ == "__main__":
    main()
