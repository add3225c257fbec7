#!/usr/bin/env python3
"""Every tune of music21's ABC books, read by `melody.score.abc.from_abc` and by abc2midi: pitch and onset of each note.

    python scripts/compare_abc.py
    python scripts/compare_abc.py --books airdsAirs essenFolksong --show 20

abc2midi (of the Debian package abcmidi) must be on the PATH. It plays repeats out, ornaments as notes and hornpipes swung.
So both read the same text, in which repeat signs are plain bar lines, and ornaments and R: are gone. Our reading of the text
as it stands must give the same notes as that of the text so prepared. Onsets may differ by a 32nd of a quarter: we round
to a grid. A tune counts as equal if each note of either has its fellow.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import mido

from melody.errors import MelodyError
from melody.piece import Piece
from melody.score.abc.from_abc import read_abc

BOOKS = ("ryansMammoth", "oneills1850", "airdsAirs", "essenFolksong", "nottingham-dataset", "miscFolk", "josquin")
NEAR = 1 / 32
TOGETHER = 40  # tunes that one abc2midi converts
Notes = dict[int, list[float]]  # onsets in quarters from the first note on, by pitch


def tunes_in(folder: Path) -> list[tuple[str, str]]:
    """Name and text of each tune of the ABC files of a folder."""
    found = []
    for path in sorted(folder.rglob("*.abc")):
        text = path.read_bytes().decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n")
        for i, tune in enumerate(re.split(r"(?m)^(?=X:)", text)[1:], 1):
            found.append((f"{path.stem}-{i}", tune))
    return found


def prepared(tune: str) -> str:
    """The tune without repeat signs, variant endings, ornaments, words and chord symbols, up to the empty line."""
    head, _, rest = tune.partition("\nK:")
    lines = f"{head}\nK:{rest}".rstrip().split("\n\n")[0] if not re.search(r"\n\n", head) else tune
    kept = [_plain(line) for line in lines.split("\n") if not re.match(r"[wWsPmR]:|%%(?!MIDI)", line)]
    kept = [line for line in kept if line.strip()]
    return "\n".join([*kept[:1], "%%MIDI chordattack 0", *kept[1:]]) + "\n"


def _plain(line: str) -> str:
    if re.match(r"[A-Za-z+]:(?![|:])", line) or line.startswith("%"):
        return line
    fields = re.split(r"(\[[A-Za-z]:[^\]]*\])", line.split("%")[0])
    fields[::2] = map(_plain_music, fields[::2])
    return "".join(fields)


def _plain_music(line: str) -> str:
    line = re.sub(r'"[^"]*"|![^!\s|]*!|\{[^}]*\}', "", line)
    line = re.sub(r"\|\s*\[\s*\d[\d,.-]*|(?<=\|)\s*\d[\d,.-]*|\[\s*\d[\d,.-]*", "|", line)
    line = re.sub(r":+\][|:\]]*|:*\[?\|[|:\]]*|::+", "|", line)
    return re.sub(r"[.~TRPMOHSLuvkJ!](?![:\]])", "", line)


def theirs(tunes: list[str], folder: Path) -> list[Notes | None]:
    """The notes of each tune by abc2midi."""
    numbered = [re.sub(r"(?m)^X:.*$", f"X:{i}", tune, count=1) for i, tune in enumerate(tunes, 1)]
    source = folder / "t.abc"
    source.write_text("\n".join(numbered), "utf-8")
    for old in folder.glob("*.mid"):
        old.unlink()
    command = ["abc2midi", source.name, "-NGRA", "-NGUI", "-NFER", "-NFNP", "-silent"]
    subprocess.run(command, cwd=folder, capture_output=True, timeout=60, check=False)
    found = [_notes_of_midi(folder / f"t{i}.mid") for i in range(1, len(tunes) + 1)]
    if len(tunes) > 1:  # it may have died of one of them
        found = [notes or theirs([tune], folder)[0] for notes, tune in zip(found, tunes)]
    return found


def _notes_of_midi(path: Path) -> Notes | None:
    try:
        file = mido.MidiFile(path)
    except (OSError, EOFError, ValueError):
        return None
    found = []
    for track in file.tracks:
        at = 0
        for message in track:
            at += message.time
            if message.type == "note_on" and message.velocity:
                found.append((at / file.ticks_per_beat, message.note))
    return _by_pitch(found)


def ours(tune: str) -> Notes | None:
    """The notes of a tune by our reader."""
    try:
        piece: Piece = read_abc(tune.encode(), Counter())
    except MelodyError:
        return None
    return _by_pitch(list(zip((piece.onset / piece.ticks_per_quarter).tolist(), piece.pitch.tolist())))


def _by_pitch(notes: list[tuple[float, int]]) -> Notes | None:
    if not notes:
        return None
    first = min(notes)[0]
    found: Notes = {}
    for onset, pitch in sorted(notes):
        onsets = found.setdefault(pitch, [])
        if not onsets or onset - first - onsets[-1] > NEAR:  # voices that meet on a pitch sound as one
            onsets.append(onset - first)
    return found


def difference(one: Notes | None, other: Notes | None) -> str:
    """What differs first; empty if the notes are the same."""
    if one is None or other is None:
        return "" if one is other else f"read by {'melody' if other is None else 'abc2midi'} alone"
    events = []
    for pitch in one.keys() | other.keys():
        a, b = one.get(pitch, []), other.get(pitch, [])
        wrong = [x for x, y in zip(a, b) if abs(x - y) > NEAR]
        if wrong or len(a) != len(b):
            at = wrong[0] if wrong else (a if len(a) > len(b) else b)[min(len(a), len(b))]
            events.append((at, pitch))
    if not events:
        return ""
    at, pitch = min(events)
    count = sum(map(len, one.values())), sum(map(len, other.values()))
    return f"from quarter {at:g} on, pitch {pitch}; {count[0]} and {count[1]} notes"


def compare(tunes: list[tuple[str, str]]) -> tuple[int, list[tuple[str, str, str]], list[str]]:
    """How many tunes are equal; name, difference and text of the others; names of those that differ when prepared."""
    equal, differing, changed = 0, list[tuple[str, str, str]](), list[str]()
    with tempfile.TemporaryDirectory() as folder:
        for first in range(0, len(tunes), TOGETHER):
            batch = tunes[first : first + TOGETHER]
            texts = [prepared(text) for _, text in batch]
            for (name, raw), text, notes in zip(batch, texts, theirs(texts, Path(folder))):
                mine = ours(text)
                found = difference(mine, notes)
                if found:  # abc2midi keeps a transposition for the tunes after it
                    found = difference(mine, theirs([text], Path(folder))[0])
                equal += not found
                if found:
                    differing.append((name, found, text))
                if difference(mine, ours(raw)):
                    changed.append(name)
    return equal, differing, changed


def main() -> int:
    """Print a line a book and the tunes that differ; 1 if fewer than 99 % are equal."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--books", nargs="*", default=BOOKS, help="folders of music21's corpus")
    parser.add_argument("--show", type=int, default=0, help="print the text of that many tunes that differ")
    args = parser.parse_args()
    from music21 import common

    total = same = 0
    shown = 0
    for book in args.books:
        tunes = tunes_in(Path(common.getCorpusFilePath()) / book)
        equal, differing, changed = compare(tunes)
        total, same = total + len(tunes), same + equal
        print(
            f"{book}: {equal:,} of {len(tunes):,} tunes equal; raw and prepared text differ in {len(changed)}: {changed[:8]}"
        )
        for name, found, text in differing:
            print(f"  {name}: {found}")
            if shown < args.show:
                print(text)
                shown += 1
    print(f"{same:,} of {total:,} tunes equal, {100 * same / max(total, 1):.2f} %")
    return 0 if same >= 0.99 * total else 1


if __name__ == "__main__":
    sys.exit(main())
