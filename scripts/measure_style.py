"""How much of a style is learned from 5, 20 and 100 tunes: by the state alone, by fine-tuning the whole model, from scratch.

    python scripts/measure_style.py MODEL FOLDER [--counts 5 20 100] [--test 60] [--minutes 1] [--seeds 3] [--json FILE]

FOLDER holds tunes that the model does not know, all of one kind; for a model of one part the most melodic part of each is
taken. Of these some are kept for the test, the same ones for all rows; the rest is what the 5, 20 or 100 are drawn from,
others for each seed. A fifth of them, one at least, chooses when to stop. All rows are measured on the same test tunes, in
nats a note, whole tunes from their beginnings, but for those in a metre that a model which has learned few tunes does not
know. Fine-tuning and learning from scratch are `melody train` of so many minutes with its plan, in the model's vocabulary or
its own.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np

from melody import files, midi, models
from melody.corpus import PrepareSettings, prepare
from melody.corpus.read.part_selection import selected
from melody.errors import MelodyError
from melody.evaluation.evaluate import measure, restored
from melody.modelfile import ModelFile, load
from melody.piece import Piece
from melody.tokens.fitting import fit
from melody.training.adapting.state_only import learn_state
from melody.training.run import fit as train
from melody.training.settings import TrainingSettings


def main() -> None:
    """Learn, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--counts", type=int, nargs="+", default=[5, 20, 100])
    parser.add_argument("--test", type=int, default=60, help="tunes to measure on")
    parser.add_argument("--minutes", type=float, default=1.0, help="of each training but those of a state")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only-state", action="store_true", help="leave the other two out")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    file = load(models.find(arguments.model))
    part = "all" if len(file.vocabulary.parts) > 1 else "melodic"
    read = (_read(path, part) for path in sorted(arguments.folder.rglob("*.mid")))
    tunes = [piece for piece in read if piece is not None]
    order = np.random.default_rng(0).permutation(len(tunes))
    test = [tunes[i] for i in order[: arguments.test]]
    rest = [tunes[i] for i in order[arguments.test :]]
    found: dict[str, list[float]] = {"as it is": [nats(file, test)]}
    print(f"{file.name} as it is: {found['as it is'][0]:.3f} nats a note on {len(test)} tunes", flush=True)
    for count in arguments.counts:
        for seed in range(arguments.seeds):
            some = [rest[i] for i in np.random.default_rng([seed, count]).permutation(len(rest))[:count]]
            for how, model in learned(file, some, seed, arguments.minutes, arguments.only_state):
                found.setdefault(f"{count} tunes, {how}", []).append(nats(model, test))
                print(f"{count} tunes, seed {seed}, {how}: {found[f'{count} tunes, {how}'][-1]:.3f}", flush=True)
    print("| learned from | nats a note, test: mean over seeds | least | most |\n|---|---|---|---|")
    for name, values in found.items():
        print(f"| {name} | {np.mean(values):.3f} | {min(values):.3f} | {max(values):.3f} |")
    if arguments.json:
        files.write_bytes(arguments.json, json.dumps(found, indent=1).encode())


def learned(file: ModelFile, tunes: list[Piece], seed: int, minutes: float, only_state: bool):  # type: ignore[no-untyped-def]
    """The models that come of some tunes, by name."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "tunes"
        folder.mkdir()
        for number, tune in enumerate(tunes):
            midi.write(tune, folder / f"{number:03d}.mid")
        grid = file.vocabulary.ticks_per_quarter
        corpus = prepare(folder, PrepareSettings(workers=1, ticks_per_quarter=grid))
        yield "state only", learn_state(file, corpus, seed=seed).style.of(file)
        if only_state:
            return
        settings = TrainingSettings(max_minutes=minutes, seed=seed, samples=0)
        for how, start in (("fine-tuned", file), ("from scratch", None)):
            yield how, load(train(corpus, Path(place) / f"{how.split()[-1]}.safetensors", settings, start=start).path)


def nats(file: ModelFile, tunes: list[Piece]) -> float:
    """Nats a note; what the model has to be spared of a tune, it is spared."""
    rows = []
    for tune in tunes:
        try:
            fitted, _ = fit(file.vocabulary, tune.resolution(file.vocabulary.ticks_per_quarter))
            rows.append(file.vocabulary.encode(fitted))
        except MelodyError:
            continue
    notes = sum(int(file.vocabulary.is_note(each).sum()) for each in rows)
    return float(measure(restored(file), file.vocabulary, rows).nats.sum()) / notes


def _read(path: Path, part: str) -> Piece | None:
    try:
        return selected(midi.read(path), part, True)[0]
    except MelodyError:
        return None


if __name__ == "__main__":
    main()
