"""Balance a model that was trained before there were relations: its own tunes get as many of each as its music has.

    python scripts/balance_voices.py MODEL FOLDER [--out MODEL] [--seed 0] [--tunes 128]

FOLDER holds the music it was trained on. A training does the same at its end (`melody.training.balance`).
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from melody import modelfile
from melody.corpus import prepare
from melody.evaluation.evaluate import nats_per_note, restored
from melody.evaluation.heldout import choose, settings_for
from melody.training.balance import TUNES, balanced, with_relations


def main() -> None:
    """Balance, measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, help="default: in the place of MODEL")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tunes", type=int, default=2 * TUNES, help="a round; training takes fewer")
    arguments = parser.parse_args()
    file = modelfile.load(arguments.model)
    is_half = bool(file.training.get("settings", {}).get("half"))
    chosen = choose(file, prepare(arguments.folder, settings_for(file)), "test")
    if not chosen.train:
        parser.error(f"{arguments.folder} does not hold the pieces that {arguments.model} was trained on")
    made = balanced(with_relations(file), chosen.train, seed=arguments.seed, tunes=arguments.tunes)
    made = made.halved() if is_half else made
    test = [piece.rows for piece in chosen.pieces]
    before, after = (nats_per_note(restored(each), each.vocabulary, test) for each in (file, made))
    facts = made.training["balance"]
    print(f"{'of 100 notes':24}{'music':>10}{'before':>10}{'after':>10}{'value':>10}")
    for row in zip(facts["relations"], facts["pieces"], facts["before"], facts["after"], facts["values"]):
        print(f"{row[0]:24}" + "".join(f"{number:10.3f}" for number in row[1:]))
    print(f"nats a note on test: {before:.4f} before, {after:.4f} after")
    result = made.training.get("result")
    if isinstance(result, dict):
        made = replace(made, training={**made.training, "result": {**result, "test": after}})
    made.save(arguments.out or arguments.model)


if __name__ == "__main__":
    main()
