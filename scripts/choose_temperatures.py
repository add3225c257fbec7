"""Choose the temperatures of a model: at which its tunes are most like the pieces that it was validated on.

    python scripts/choose_temperatures.py MODEL FOLDER [--tunes 300] [--seed 0]

FOLDER holds the music it was trained on. A training does the same at its end, of fewer tunes
(`melody.training.temperatures`); a model of several voices is to be balanced again afterwards (scripts/balance_voices.py).
"""

from __future__ import annotations

import argparse
from pathlib import Path

from melody import modelfile
from melody.corpus import prepare
from melody.evaluation.heldout import choose, settings_for
from melody.training.temperatures import with_temperatures


def main() -> None:
    """Choose, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tunes", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    file = modelfile.load(arguments.model)
    chosen = choose(file, prepare(arguments.folder, settings_for(file)), "valid")
    valid = [file.vocabulary.decode(piece.rows) for piece in chosen.pieces]
    made = with_temperatures(file, valid, seed=arguments.seed, tunes=arguments.tunes)
    if "temperatures_tried" not in made.training:
        parser.error(f"{arguments.folder} holds {len(valid)} pieces that {arguments.model} was validated on; 8 are needed")
    print("rhythm  pitch  standard errors from the validation pieces")
    for rhythm, pitch, far in made.training["temperatures_tried"]:
        print(f"{rhythm:6g}{pitch:7g}{far:8.2f}")
    (made.halved() if file.training.get("settings", {}).get("half") else made).save(arguments.model)


if __name__ == "__main__":
    main()
