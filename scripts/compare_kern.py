#!/usr/bin/env python3
"""Humdrum files of music21's corpus, read by `melody.score.kern` and by verovio: pitch and onset of each note.

    python scripts/compare_kern.py
    python scripts/compare_kern.py --every 10

Verovio plays grace notes, trills and written repeats, and keeps a note that is tied over; so a note of either without its
fellow within a 32nd of a quarter counts as a difference, and each file that has one is named. Files that one of the two
refuses are named with the reason.
"""

from __future__ import annotations

import argparse
import base64
import io
import sys
from collections import Counter
from pathlib import Path

import mido

from melody.errors import MelodyError
from melody.score.kern import read_kern

NEAR = 1 / 32


def ours(content: bytes) -> list[tuple[float, int]]:
    """(onset in quarters from the first note on, pitch), sorted."""
    piece = read_kern(content, Counter())
    return _from_first(list(zip((piece.onset / piece.ticks_per_quarter).tolist(), piece.pitch.tolist())))


def theirs(content: bytes) -> list[tuple[float, int]]:
    """The same by verovio."""
    import verovio

    verovio.enableLog(verovio.LOG_OFF)
    toolkit = verovio.toolkit()
    toolkit.setOptions({"midiNoCue": True, "expandNever": True})
    toolkit.setInputFrom("humdrum")
    if not toolkit.loadData(content.decode("utf-8", "replace")):
        return []
    file = mido.MidiFile(file=io.BytesIO(base64.b64decode(toolkit.renderToMIDI())))
    found = []
    for track in file.tracks:
        at = 0
        for message in track:
            at += message.time
            if message.type == "note_on" and message.velocity:
                found.append((at / file.ticks_per_beat, message.note))
    return _from_first(found)


def _from_first(notes: list[tuple[float, int]]) -> list[tuple[float, int]]:
    first = min(notes)[0] if notes else 0
    return sorted({(onset - first, pitch) for onset, pitch in notes}, key=lambda n: (n[1], n[0]))


def without_fellow(one: list[tuple[float, int]], other: list[tuple[float, int]]) -> list[tuple[float, int]]:
    """The notes of one that the other lacks; both sorted by pitch and onset."""
    missing, j = [], 0
    for onset, pitch in one:
        while j < len(other) and (other[j][1], other[j][0]) < (pitch, onset - NEAR):
            j += 1
        if j == len(other) or other[j][1] != pitch or other[j][0] > onset + NEAR:
            missing.append((onset, pitch))
    return missing


def main() -> int:
    """Print the files that differ, and how many are equal."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--every", type=int, default=1, help="take one file in that many")
    parser.add_argument("--folder", type=Path, help="take the .krn files of this folder instead")
    args = parser.parse_args()
    from music21 import common

    folder = args.folder or Path(common.getCorpusFilePath())
    equal, paths = 0, sorted(folder.rglob("*.krn"))[:: args.every]
    for path in paths:
        content = path.read_bytes()
        try:
            mine = ours(content)
        except MelodyError as error:
            print(f"{path.name}: refused: {error}")
            continue
        others = theirs(content)
        lost, added = without_fellow(others, mine), without_fellow(mine, others)
        equal += not lost and not added
        if lost or added:
            print(
                f"{path.name}: {len(mine)} notes; {len(lost)} of verovio's are not ours {sorted(lost)[:2]}, "
                f"{len(added)} of ours not verovio's {sorted(added)[:2]}"
            )
    print(f"{equal} of {len(paths)} files equal")
    return 0


if __name__ == "__main__":
    sys.exit(main())
