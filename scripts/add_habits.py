"""What a model's corpus does as a rule, measured on its training pieces and written into the model file.

    python scripts/add_habits.py checkpoints/fiddle.safetensors data/fiddle

For models trained before training did so itself; see `melody.statistics.habits` and `standstill`. Their weights stay.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from safetensors import safe_open

from melody import modelfile
from melody.corpus import prepare
from melody.evaluation.heldout import choose, settings_for
from melody.statistics.habits import Habits
from melody.training.corpus_facts import standstill


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("folder", type=Path, help="with the pieces that it was trained on")
    arguments = parser.parse_args()
    file = modelfile.load(arguments.model)
    pieces = choose(file, prepare(arguments.folder, settings_for(file)), "all").train
    if not pieces:
        raise SystemExit(f"{arguments.folder} lacks the pieces that {arguments.model} was trained on")
    habits, patience = Habits.of(map(file.vocabulary.decode, pieces)), standstill(file.vocabulary, pieces)
    print(f"{arguments.model}: {len(pieces):,} pieces, {habits}, bars unchanged and left to one part {patience}")
    with safe_open(arguments.model, framework="numpy") as opened:
        is_half = any(opened.get_slice(name).get_dtype() == "F16" for name in file.weights)
    told = replace(file, training={**file.training, "habits": habits.to_dict(), "standstill": patience})
    (told.halved() if is_half else told).save(arguments.model)


if __name__ == "__main__":
    main()
