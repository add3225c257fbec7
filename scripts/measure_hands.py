"""How well the hands of keyboard music are told apart, beside the staves that its scores have.

    python scripts/measure_hands.py FOLDER

Of each MIDI file with two parts, the higher taken for the right hand's, the share of the notes that `melody.hands` puts into
the hand of their part, with both parts laid into one; beside that a split at middle C. Printed: means over the files, the
lowest, and the number of files; and how many of the files with one part are taken for two hands.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from melody import hands, midi
from melody.errors import MelodyError
from melody.piece import Piece


def pieces_of(folder: Path) -> list[Piece]:
    """Those that can be read."""
    found = []
    for path in sorted(path for path in folder.rglob("*") if path.suffix.lower() in midi.SUFFIXES):
        try:
            found.append(midi.read(path))
        except MelodyError as error:
            print(error)
    return found


def main() -> int:
    """Measure what the command line names."""
    parser = argparse.ArgumentParser(description="How well the hands of keyboard music are told apart")
    parser.add_argument("folder", type=Path)
    pieces = pieces_of(parser.parse_args().folder)
    found, by_middle_c = [], []
    for piece in pieces:
        if len(np.unique(piece.part)) != 2:
            continue
        means = [piece.pitch[piece.part == part].mean() for part in np.unique(piece.part)]
        right = piece.part == np.unique(piece.part)[int(np.argmax(means))]
        found.append(np.mean(hands.right_hand(piece.onset, piece.end, piece.pitch, piece.ticks_per_quarter) == right))
        by_middle_c.append(np.mean((piece.pitch >= 60) == right))
    if found:
        print(
            f"{len(found)} files of two parts: {np.mean(found):.3f} of the notes as by staff, {np.min(found):.3f} at least"
        )
        print(f"split at middle C: {np.mean(by_middle_c):.3f}, {np.min(by_middle_c):.3f} at least")
    single = [piece for piece in pieces if len(np.unique(piece.part)) == 1]
    two = sum(hands.take_two(piece.onset, piece.end, piece.pitch) for piece in single)
    print(f"{two} of {len(single)} files of one part taken for two hands")
    return 0


if __name__ == "__main__":
    sys.exit(main())
