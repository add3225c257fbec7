#!/usr/bin/env python3
"""How MusicXML sounds here and in verovio: pitches and onsets of every file of a folder, side by side.

    python scripts/compare_musicxml.py
    python scripts/compare_musicxml.py --folder my-scores --list 20

Without a folder the files that come with music21 are taken, some 800. Of each file the sounding pitches and their onsets, in
quarters from the first note, are compared with those in the MIDI file that verovio makes of it, repeats not played out and
cue notes silent. Of drums only the onsets are compared.

Four things are done to verovio's copy before (`--as-written` does the first alone): grace notes are taken out, since verovio
lets them delay what they lean on; every note gets the written value that its duration says, since verovio plays what is
written where the standard says that the duration counts; directions are taken out, since one that is placed beyond a bar
prolongs it; and arpeggios, since verovio spreads them in time.

Unisons count once. Onsets may differ by one twentieth of a quarter: ours are rounded to 24 in a quarter.

Where the two differ, both read the file once more without one kind of thing at a time; the kind without which they agree is
what they differ about: ties that join no two touching notes (the second is silent in verovio, struck here), accidentals and
quarter tones (verovio goes by the printed sign rather than by the pitch), tablature (verovio goes by string and fret),
tremolos, transpositions that begin in mid-score (verovio knows one for a part).
"""

from __future__ import annotations

import argparse
import base64
import time
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterator, Sequence
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path

import symusic
import verovio

from melody.errors import MelodyError
from melody.score.musicxml.from_musicxml import read_musicxml
from melody.score.musicxml.xml_text import text_of

SUFFIXES = (".musicxml", ".xml", ".mxl")
NEAR = 0.05  # quarters
DRUM = -1  # stands for every pitch of a drum
_VALUES = {
    Fraction(4, 2**n): name
    for n, name in enumerate(("whole", "half", "quarter", "eighth", "16th", "32nd", "64th", "128th", "256th"))
}
_VALUES[Fraction(8)] = "breve"
_RATIOS = (Fraction(1), Fraction(2, 3), Fraction(4, 5), Fraction(4, 7), Fraction(8, 9), Fraction(8, 11), Fraction(8, 13))
_AFTER_TYPE = {"accidental", "stem", "notehead", "notehead-text", "staff", "beam", "notations", "lyric"}


KINDS = {
    "ties": ("tie", "tied"),
    "accidentals": ("accidental", "accidental-mark"),
    "quarter tones": ("alter", "accidental"),
    "tablature": ("clef", "staff-details", "technical"),
    "tremolos": ("tremolo",),
    "transpositions": ("transpose",),
}


def main() -> None:
    """Compare all files of a folder and say in how many the two agree."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=_music21(), help="default: the files that come with music21")
    parser.add_argument("--every", type=int, default=1, help="take every so-manyth file")
    parser.add_argument("--match", default="", help="take only files with this in their path")
    parser.add_argument("--list", type=int, default=5, help="differences shown of each file")
    parser.add_argument("--as-written", action="store_true", help="leave all but grace notes as it is")
    arguments = parser.parse_args()
    files = sorted(p for p in arguments.folder.rglob("*") if p.suffix.lower() in SUFFIXES and arguments.match in str(p))
    verovio.enableLog(verovio.LOG_OFF)
    outcome: Counter[str] = Counter()
    spent = [0.0, 0.0]
    for path in files[:: arguments.every]:
        result, details = compare(path.read_bytes(), spent, arguments.as_written)
        outcome[result] += 1
        if details:
            print(f"{path.relative_to(arguments.folder)}: {result}", *details[: arguments.list], sep="\n    ", flush=True)
    silent, refused = outcome.pop("silent", 0), outcome.pop("refused here", 0)
    same, compared = outcome.pop("same", 0), sum(outcome.values())
    compared += same
    print(f"{same} of {compared} the same ({100 * same / max(compared, 1):.2f} %)", dict(outcome), sep="; ")
    print(f"besides {silent} without a note, {refused} refused; {spent[0]:.1f} seconds here, {spent[1]:.1f} in verovio")


def _music21() -> Path:
    found = find_spec("music21")
    return Path(found.origin).parent if found and found.origin else Path()


def compare(content: bytes, spent: list[float], as_written: bool = False) -> tuple[str, list[str]]:
    """What came of a file, and the differences in words."""
    try:
        text = text_of(content, [])
        begun = time.perf_counter()
        ours = here(text)
    except MelodyError as error:
        return ("silent" if "has no notes" in str(error) else "refused here"), [str(error)]
    middle = time.perf_counter()
    theirs = in_verovio(text, as_written)
    spent[0] += middle - begun
    spent[1] += time.perf_counter() - middle
    if not theirs:
        return "not read by verovio", [f"{len(ours)} notes here"]
    details = [*differences(from_first(ours), from_first(theirs))]
    return (f"different ({kind_of(text)})", details) if details else ("same", [])


def kind_of(text: str) -> str:
    """What the two differ about: the kind of thing without which they agree."""
    for kind, tags in KINDS.items():
        root = ET.fromstring(text)
        _strip(root, tags)
        without = ET.tostring(root, encoding="unicode")
        if not [*differences(from_first(here(without)), from_first(in_verovio(without) or [(0.0, 0)]))]:
            return kind
    return "other"


def here(text: str) -> list[tuple[float, int]]:
    """(onset in quarters, pitch) of all notes as they are read here."""
    piece, _ = read_musicxml(text.encode())
    pitch = [DRUM if drum else pitch for pitch, drum in zip(piece.pitch.tolist(), piece.is_drum.tolist())]
    return list(zip((piece.onset / piece.ticks_per_quarter).tolist(), pitch))


def in_verovio(text: str, as_written: bool = False) -> list[tuple[float, int]]:
    """The same of verovio's MIDI file."""
    toolkit = verovio.toolkit(True)
    toolkit.setOptions({"expandNever": True, "midiNoCue": True})
    try:
        loaded = toolkit.loadData(plain(text, as_written))
    except ET.ParseError:
        return []
    if not loaded:
        return []
    score = symusic.Score.from_midi(base64.b64decode(toolkit.renderToMIDI()))
    return [
        (note.time / score.tpq, DRUM if track.is_drum or note.pitch == 0 else note.pitch)
        for track in score.tracks
        for note in track.notes
    ]


def _strip(root: ET.Element, tags: Sequence[str]) -> None:
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in tags:
                parent.remove(child)


def plain(text: str, as_written: bool = False) -> str:
    """The document without what verovio plays otherwise than the standard says (see above)."""
    root = ET.fromstring(text)
    for parent in list(root.iter()):
        for note in parent.findall("note"):
            if note.find("grace") is not None:
                parent.remove(note)
    if not as_written:
        _strip(root, ("direction", "arpeggiate", "non-arpeggiate"))
    for part in root.iter("part"):
        divisions = Fraction(1)
        for element in part.iter():
            if element.tag == "divisions":
                divisions = Fraction(element.text or "1")
            elif element.tag == "note" and (not as_written or element.find("type") is None):
                rest, duration = element.find("rest"), element.findtext("duration")
                if duration and (rest is None or rest.get("measure") != "yes"):
                    _set_value(element, Fraction(duration) / divisions)
    return ET.tostring(root, encoding="unicode")


def _set_value(note: ET.Element, quarters: Fraction) -> None:
    """Let a note be written as it sounds, a tuplet of one if need be."""
    for ratio, dots in ((ratio, dots) for ratio in _RATIOS for dots in range(4)):
        if name := _VALUES.get(quarters / ratio / (2 - Fraction(1, 2**dots))):
            break
    else:
        name, ratio, dots = "quarter", quarters, 0
    for notations in note.findall("notations"):
        for tuplet in notations.findall("tuplet"):
            notations.remove(tuplet)
    for child in [child for child in note if child.tag in ("type", "dot", "time-modification", "beam")]:
        note.remove(child)
    at = next((i for i, child in enumerate(note) if child.tag in _AFTER_TYPE), len(note))
    value = f"<type>{name}</type>{'<dot/>' * dots}"
    if ratio != 1:
        actual, normal = ratio.denominator, ratio.numerator
        value += f"<time-modification><actual-notes>{actual}</actual-notes><normal-notes>{normal}</normal-notes>"
        value += "</time-modification>"
    written = list(ET.fromstring(f"<note>{value}</note>"))
    if ratio != 1 and note.find("chord") is None:
        both = '<tuplet type="start" number="1"/><tuplet type="stop" number="1"/>'
        note.append(ET.fromstring(f"<notations>{both}</notations>"))
    note[at:at] = written


def from_first(notes: list[tuple[float, int]]) -> list[tuple[int, float]]:
    """(pitch, onset), sorted, the first onset 0."""
    first = min(onset for onset, _ in notes)
    return sorted({(pitch, round(onset - first, 3)) for onset, pitch in notes})


def differences(ours: list[tuple[int, float]], theirs: list[tuple[int, float]]) -> Iterator[str]:
    """Notes of one side that the other has not, in order of time."""
    found = []
    for name, one, other in (("only here", ours, theirs), ("only in verovio", theirs, ours)):
        near: dict[tuple[int, int], list[float]] = {}
        for pitch, onset in other:
            for cell in (-1, 0, 1):
                near.setdefault((pitch, round(onset * 10) + cell), []).append(onset)
        for pitch, onset in one:
            if not any(abs(onset - o) <= NEAR for o in near.get((pitch, round(onset * 10)), [])):
                found.append((onset, pitch, name))
    if found:
        yield f"{len(found)} of {len(ours)} and {len(theirs)} notes"
    for onset, pitch, name in sorted(found):
        yield f"{onset:9.3f} pitch {pitch}: {name}"


if __name__ == "__main__":
    main()
