"""The headline: nats per cell on the JSB chorales, sixteenth grid, official split.

The data is a JSON object of three splits, each a list of chorales, each a list of steps of four pitches (soprano, alto,
tenor, bass; -1 is silence). A repeated pitch is one long note. Each chorale becomes a `Piece` of four parts and goes the way
of every other piece: vocabulary, events, `fit`, model file, evaluation. *Nats per cell* are the nats of all tokens of a
piece, its END included, over 4 x its steps; micro over all cells, macro as the mean of the pieces. Nothing is given for
free: neither length, nor key, nor metre. Chosen on valid, never on test.

    scripts/benchmark_jsb DATA.json --out jsb.safetensors --epochs 110 --seed 2
    scripts/benchmark_jsb DATA.json --calibrate jsb.safetensors --out calibrated.safetensors
    scripts/benchmark_jsb DATA.json --evaluate checkpoints/jsb.safetensors --json table.json

What is trained is calibrated at once (`scripts/calibrate.py`); `--calibrate` does it to a model that was not.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
from calibrate import calibrated

from melody import files, modelfile
from melody.dataset import BatchSettings, Transposer, with_features
from melody.evaluation.evaluate import encoded_tokens, mixed_nats, nats_per_note, restored, token_nats
from melody.evaluation.ngram import NGram, best_ngram
from melody.modelfile import ModelFile
from melody.network.settings import Intervals, ModelSettings
from melody.piece import Part, Piece
from melody.tokens import Vocabulary
from melody.tokens.vocabulary import FIELDS
from melody.training.run import fit
from melody.training.settings import TrainingSettings
from melody.training.temperatures import with_temperatures

SPLITS = ("train", "valid", "test")
VOICES = ("Soprano", "Alto", "Tenor", "Bass")
STEP = 6  # ticks of a sixteenth
LONGEST = 12  # quarters from one event to the next that the vocabulary allows, whatever occurs in training
OPENING = 9  # intervals of the soprano that make a test chorale the twin of a training chorale
TRANSPOSITIONS = range(-5, 7)
SHARES = (0.01, 0.02, 0.03, 0.05, 0.08, 0.12, 0.16)  # of the n-gram in the mixture
DROPOUTS = {"dropout": 0.4, "weight_dropout": 0.3, "feature_dropout": 0.2, "head_dropout": 0.2}
BATCH = BatchSettings(batch_size=16, window=64, transpositions=(-5, 6), outline_dropout=1.0)  # an outline says the length
TRAINING = TrainingSettings(max_minutes=75, batch=BATCH, weight_decay=0.05, half=True, samples=0, precision="32")


def piece(steps: Sequence[Sequence[int]]) -> Piece:
    """A chorale of the data as notes."""
    columns: list[tuple[int, int, int, int]] = []  # onset, duration, pitch, part
    for part, cells in enumerate(np.array(steps).T):
        starts = np.flatnonzero(np.diff(cells, prepend=-2))
        ends = np.append(starts[1:], len(cells))
        columns += [(s * STEP, (e - s) * STEP, int(cells[s]), part) for s, e in zip(starts, ends) if cells[s] >= 0]
    onset, duration, pitch, part = zip(*columns)
    return Piece(onset, duration, pitch, part=part, parts=tuple(Part(52, name=name) for name in VOICES))


@dataclass(frozen=True)
class Chorales:
    """The three splits in the vocabulary of the training pieces."""

    vocabulary: Vocabulary
    pieces: dict[str, list[np.ndarray]]  # events of each chorale
    cells: dict[str, np.ndarray]  # of each chorale, (chorales,)
    twins: np.ndarray  # which test chorales open like a training chorale
    manifest: dict[str, Any] = field(default_factory=lambda: {"folder": "JSB chorales, sixteenth grid, official split"})

    @classmethod
    def read(cls, path: Path) -> Chorales:
        """From the JSON file, in a vocabulary that the training pieces alone decide."""
        data = json.loads(path.read_text())
        pieces = {split: [piece(steps) for steps in data[split]] for split in SPLITS}
        built = Vocabulary.build(pieces["train"], transpositions=TRANSPOSITIONS)
        vocabulary = replace(built, shifts=tuple(range(0, 24 * LONGEST + 1, STEP)))
        rows = {split: [vocabulary.encode(p) for p in pieces[split]] for split in SPLITS}
        cells = {split: np.array([4 * len(steps) for steps in data[split]]) for split in SPLITS}
        for split in SPLITS:  # the events say the whole grid, silence at the end included
            assert all(p.length * 4 == STEP * n for p, n in zip(pieces[split], cells[split]))
        opening = {tuple(np.diff(p.pitch[p.part == 0])[:OPENING]) for p in pieces["train"]}
        twins = np.array([tuple(np.diff(p.pitch[p.part == 0])[:OPENING]) in opening for p in pieces["test"]])
        return cls(vocabulary, rows, cells, twins)

    def rows(self, split: str) -> list[np.ndarray]:
        """The events of each chorale of a split, as `fit` wants them."""
        return self.pieces[split]


def rates(nats: np.ndarray, cells: np.ndarray, chosen: np.ndarray | None = None) -> tuple[float, float]:
    """Micro and macro nats per cell."""
    if chosen is not None:
        nats, cells = nats[chosen], cells[chosen]
    return float(nats.sum() / cells.sum()), float(np.mean(nats / cells))


def table(corpus: Chorales, systems: dict[str, dict[str, list[np.ndarray]]]) -> list[dict[str, Any]]:
    """One line a system: micro and macro of valid, of test, and of the test chorales without twins."""
    lines = []
    for name, of_split in systems.items():
        nats = {split: np.array([tokens.sum() for tokens in of_split[split]]) for split in of_split}
        micro_valid, macro_valid = rates(nats["valid"], corpus.cells["valid"])
        micro, macro = rates(nats["test"], corpus.cells["test"])
        alone, _ = rates(nats["test"], corpus.cells["test"], ~corpus.twins)
        lines.append({"system": name, "valid": micro_valid, "test": micro, "test_without_twins": alone})
        lines[-1] |= {"valid_macro": macro_valid, "test_macro": macro}
    return lines


def ngram_tokens(model: NGram, corpus: Chorales) -> dict[str, list[np.ndarray]]:
    """Nats of each token of the valid and the test chorales."""
    return {split: [model.token_nats([rows]) for rows in corpus.pieces[split]] for split in ("valid", "test")}


def evaluate(corpus: Chorales, models: Sequence[Path]) -> list[dict[str, Any]]:
    """The table of a model, or of several and their mixture."""
    train, valid = corpus.pieces["train"], corpus.pieces["valid"]
    ngram = best_ngram(corpus.vocabulary, train, valid, (4, 6, 8, 10, 12))
    systems = {
        "unigram": ngram_tokens(NGram(corpus.vocabulary, train, 1), corpus),
        f"n-gram of {ngram.order} tokens": ngram_tokens(ngram, corpus),
    }
    averaged: list[dict[str, list[np.ndarray]]] = []
    for path in models:
        file = modelfile.load(path)
        model = restored(file)
        rows = {split: corpus.pieces[split] for split in ("valid", "test")}
        if file.vocabulary != corpus.vocabulary:
            raise SystemExit(f"{path} was not trained on this data")
        systems[path.stem] = {split: token_nats(model, file.vocabulary, pieces) for split, pieces in rows.items()}
        each = {
            split: [token_nats(model, file.vocabulary, pieces, semitones) for semitones in TRANSPOSITIONS]
            for split, pieces in rows.items()
        }
        averaged.append({split: mixed_nats(of_keys) for split, of_keys in each.items()})
        systems[f"{path.stem}, averaged over {len(TRANSPOSITIONS)} transpositions"] = averaged[-1]
    if len(averaged) > 1:
        averaged.append({split: mixed_nats([of_model[split] for of_model in averaged]) for split in ("valid", "test")})
        systems[f"the mean of these {len(models)}, averaged"] = averaged[-1]
    transposed = best_ngram(corpus.vocabulary, in_all_keys(corpus, train), valid, (12, 16, 20, 24))
    systems[f"n-gram of {transposed.order} tokens, counted in all keys"] = ngram_tokens(transposed, corpus)
    share, mixed = with_ngram(averaged[-1], transposed, corpus)
    systems[f"the LSTM averaged, and {share:.1%} of that n-gram"] = mixed
    return table(corpus, systems)


def in_all_keys(corpus: Chorales, pieces: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The events of pieces in each of the transpositions that the LSTM hears in training."""
    transposer = Transposer(corpus.vocabulary, min(TRANSPOSITIONS), max(TRANSPOSITIONS))
    full = [with_features(corpus.vocabulary, rows) for rows in pieces]
    return [transposer(rows, t)[1:, : len(FIELDS)] for rows in full for t in transposer.possible(rows)]  # no beginning


def with_ngram(
    model: dict[str, list[np.ndarray]], ngram: NGram, corpus: Chorales
) -> tuple[float, dict[str, list[np.ndarray]]]:
    """The mixture with as much of the n-gram as is best on valid, and how much that is."""
    counted = ngram_tokens(ngram, corpus)
    said = {split: [encoded_tokens(corpus.vocabulary, rows) for rows in corpus.pieces[split]] for split in model}

    def mixture(split: str, share: float) -> list[np.ndarray]:
        pairs = zip((nats[here] for nats, here in zip(model[split], said[split])), counted[split])
        return [-np.logaddexp(np.log1p(-share) - one, np.log(share) - other) for one, other in pairs]

    share = min(SHARES, key=lambda share: sum(nats.sum() for nats in mixture("valid", share)))
    return share, {split: mixture(split, share) for split in model}


def finished(corpus: Chorales, file: ModelFile) -> ModelFile:
    """The model calibrated, with the temperatures that suit it then, and its result measured anew."""
    if file.vocabulary != corpus.vocabulary:
        raise SystemExit(f"{file.name} was not trained on this data")
    made = calibrated(file, corpus.rows("train"), corpus.rows("valid"))
    made = with_temperatures(made, [corpus.vocabulary.decode(rows) for rows in corpus.rows("valid")]).halved()
    network = restored(made)
    nats = {split: nats_per_note(network, corpus.vocabulary, corpus.rows(split)) for split in ("valid", "test")}
    return replace(made, training={**made.training, "result": {**made.training["result"], **nats}})


def show(lines: list[dict[str, Any]]) -> None:
    """Print the table."""
    columns = ("valid", "test", "test_without_twins", "valid_macro", "test_macro")
    print(f"{'nats per cell':52}" + "".join(f"{name.replace('_', ' '):>20}" for name in columns))
    for line in lines:
        print(f"{line['system']:52}" + "".join(f"{line[name]:20.4f}" for name in columns))


def main() -> None:
    """Train unless only models are to be measured, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--evaluate", type=Path, nargs="+", metavar="MODEL", help="only measure these models")
    parser.add_argument("--calibrate", type=Path, metavar="MODEL", help="do not train, but calibrate this model")
    parser.add_argument("--json", type=Path, help="write the table there as well")
    parser.add_argument("--out", type=Path, default=Path("checkpoints/jsb.safetensors"), help="model file to write")
    parser.add_argument("--max-minutes", type=float, default=TRAINING.max_minutes)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--seed", type=int, default=0)
    for name, rate in DROPOUTS.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=float, default=rate)
    parser.add_argument("--intervals", choices=get_args(Intervals), default="none")
    parser.add_argument("--resume", action="store_true")
    arguments = parser.parse_args()
    corpus = Chorales.read(arguments.data)
    print(f"{int(corpus.twins.sum())} of {len(corpus.twins)} test chorales open like a training chorale", file=sys.stderr)
    if not (arguments.evaluate or arguments.calibrate):
        shape = ModelSettings(intervals=arguments.intervals, **{name: getattr(arguments, name) for name in DROPOUTS})
        settings = replace(
            TRAINING, model=shape, max_minutes=arguments.max_minutes, epochs=arguments.epochs, seed=arguments.seed
        )
        notes, cells = (
            sum(int(corpus.vocabulary.is_note(r).sum()) for r in corpus.rows("valid")),
            corpus.cells["valid"].sum(),
        )
        fit(
            corpus,
            arguments.out,
            settings,
            resume=arguments.resume,
            on_epoch=lambda e: print(
                f"epoch {e.number}/{e.epochs} valid {e.valid * notes / cells:.4f} nats per cell, {e.seconds:.0f} s",
                file=sys.stderr,
            ),
        )
    if not arguments.evaluate:
        finished(corpus, modelfile.load(arguments.calibrate or arguments.out)).save(arguments.out)
    started = time.monotonic()
    lines = evaluate(corpus, arguments.evaluate or [arguments.out])
    show(lines)
    print(f"measured in {time.monotonic() - started:.0f} s", file=sys.stderr)
    if arguments.json:
        files.write_bytes(arguments.json, json.dumps(lines, indent=1).encode())


if __name__ == "__main__":
    main()
