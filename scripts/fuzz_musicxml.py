#!/usr/bin/env python3
"""Mutated MusicXML through the reader: a Piece or a MelodyError each time, within seconds and megabytes.

    python scripts/fuzz_musicxml.py --files 20000
    python scripts/fuzz_musicxml.py --files 2000 --folder my-scores --seed 7 --keep failures

Each document follows from the seed and its number alone. Bytes are changed, cut, doubled and exchanged, elements deleted,
doubled, moved and nested, numbers replaced by impossible ones, encodings and archives damaged. `--keep FOLDER` writes those
that fail.
"""

from __future__ import annotations

import argparse
import io
import re
import resource
import sys
import time
import traceback
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np

from melody.errors import MelodyError
from melody.score.musicxml.from_musicxml import read_musicxml

NUMBERS = "0 -1 1 2 3 7 255 256 1000000 1000000000 999999999999 1e9 0.5 -0.001 1/0 NaN inf 99999999999999999999 x".split()  # noqa: SIM905
TOKENS = "< > & &x; &#0; </measure> <measure> </part> <part> <chord/> <grace/> <rest/> ]]> <!-- \0 \ufffe ü".split()  # noqa: SIM905
ENCODINGS = ("utf-8", "utf-16", "utf-16-be", "utf-32", "latin-1", "cp1251", "shift-jis", "zlib", "punycode", "nonsense")
_ELEMENT = re.compile(r"<(\w[\w-]*)(?:\s[^<>]*)?(?:/>|>[^<>]*</\1>)")


def seeds() -> list[str]:
    """Small documents with something of everything."""
    note = "<note>{0}<pitch><step>{1}</step><octave>4</octave></pitch><duration>{2}</duration>{3}</note>"
    tied = note.format("", "C", 2, '<tie type="start"/>') + note.format("", "C", 2, '<tie type="stop"/>')
    chord = note.format("", "C", 4, "<type>half</type>") + note.format("<chord/>", "E", 4, "")
    cue = (
        note.format("<cue/>", "G", 2, "")
        + note.format("<grace/>", "G", 0, "")
        + "<note><rest/><duration>2</duration></note>"
    )
    place = "<display-step>F</display-step><display-octave>4</display-octave>"
    drum = f"<note><unpitched>{place}</unpitched><duration>8</duration></note>"
    tremolo = '<notations><ornaments><tremolo type="single">2</tremolo></ornaments></notations>'
    attributes = (
        "<attributes><divisions>2</divisions><key><fifths>-3</fifths><mode>minor</mode></key>"
        "<time><beats>4</beats><beat-type>4</beat-type></time><transpose><chromatic>-2</chromatic></transpose></attributes>"
    )
    sound = "<direction><direction-type><metronome><beat-unit>quarter</beat-unit><per-minute>90</per-minute></metronome>"
    sound += '</direction-type><offset sound="yes">1</offset><sound tempo="90" dynamics="80"/></direction>'
    step = "<backup><duration>8</duration></backup><forward><duration>4</duration></forward>" + note.format(
        "", "A", 4, tremolo
    )
    bars = [attributes + sound + tied + chord, cue + chord + step, chord + note.format("", "D", 3, "<dot/>")]
    other = [drum, '<note><rest measure="yes"/><duration>8</duration></note>', drum]
    names = '<score-part id="{0}"><part-name>{0} é</part-name><midi-instrument id="{0}-I"><midi-program>3</midi-program>'
    names += "</midi-instrument></score-part>"
    head = f"<work><work-title>T</work-title></work><part-list>{names.format('A')}{names.format('B')}</part-list>"
    partwise = "".join(
        f'<part id="{name}">' + "".join(f'<measure number="{i}">{bar}</measure>' for i, bar in enumerate(own, 1)) + "</part>"
        for name, own in (("A", bars), ("B", other))
    )
    timewise = "".join(
        f'<measure number="{i + 1}"><part id="A">{a}</part><part id="B">{b}</part></measure>'
        for i, (a, b) in enumerate(zip(bars, other))
    )
    return [f"<score-{kind}>{head}{body}</score-{kind}>" for kind, body in (("partwise", partwise), ("timewise", timewise))]


def mutated(rng: np.random.Generator, text: str) -> bytes:
    """The bytes of a document to which one to six things were done."""
    for _ in range(rng.integers(1, 7)):
        text = _change(rng, text)
    if rng.random() < 0.2:
        declared, real = rng.choice(ENCODINGS, 2)
        real = real if real not in ("zlib", "punycode", "nonsense") else "utf-8"
        content = f'<?xml version="1.0" encoding="{declared}"?>{text}'.encode(str(real), "replace")
    else:
        content = text.encode("utf-8", "replace")
    if rng.random() < 0.15:
        content = _archive(rng, content)
    if rng.random() < 0.3 and content:
        damaged = bytearray(content)
        for _ in range(rng.integers(1, 8)):
            damaged[rng.integers(len(damaged))] = rng.integers(256)
        content = bytes(damaged)
    return content[: rng.integers(len(content) + 1)] if rng.random() < 0.1 else content


def _change(rng: np.random.Generator, text: str) -> str:
    elements = [match.span() for match in _ELEMENT.finditer(text)]
    digits = [match.span() for match in re.finditer(r"(?<=>)-?\d+(?=<)", text)]
    kind = rng.integers(7)
    if kind == 0 and digits:
        start, end = digits[rng.integers(len(digits))]
        return text[:start] + str(rng.choice(NUMBERS)) + text[end:]
    if kind <= 3 and elements:
        start, end = elements[rng.integers(len(elements))]
        element, rest = text[start:end], text[:start] + text[end:]
        at = int(rng.integers(len(rest) + 1)) if kind == 2 else start
        return rest if kind == 1 else rest[:at] + element * int(rng.integers(1, 4)) + rest[at:]
    at = int(rng.integers(len(text) + 1))
    if kind == 4:
        return text[:at] + str(rng.choice(TOKENS)) + text[at:]
    other = int(rng.integers(len(text) + 1))
    at, other = min(at, other), max(at, other)
    if kind == 5 and other - at < 400:
        return text[:at] + text[other:]
    return text[:other] + text[at : min(other, at + 600)] + text[other:]


def _archive(rng: np.random.Generator, content: bytes) -> bytes:
    stream, method = (
        io.BytesIO(),
        int(rng.choice([zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2, zipfile.ZIP_STORED])),
    )
    with zipfile.ZipFile(stream, "w", method) as archive:
        if rng.random() < 0.7:
            archive.writestr("META-INF/container.xml", '<container><rootfile full-path="a.xml"/></container>')
        archive.writestr("a.xml", content)
    return stream.getvalue()


def outcome(content: bytes) -> str:
    """What came of one document: read, read and repaired, refused, or the traceback of a failure."""
    try:
        _, repairs = read_musicxml(content)
    except MelodyError as error:
        return "refused" if "\n" not in str(error) and len(str(error)) < 600 else f"a message of several lines: {error}"
    except Exception:
        return traceback.format_exc()
    return "repaired" if repairs else "read"


def main() -> None:
    """Mutate and read as many documents as asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="take the documents in it as well, if they are small")
    parser.add_argument("--seconds", type=float, default=3.0, help="what one may take")
    parser.add_argument("--keep", type=Path, help="folder for those that fail")
    arguments = parser.parse_args()
    originals = seeds()
    if arguments.folder:
        found = [p for p in sorted(arguments.folder.rglob("*.xml")) if p.stat().st_size < 60_000]
        originals += [p.read_text("utf-8", "replace") for p in found]
    counts: Counter[str] = Counter()
    slowest = 0.0
    for number in range(arguments.files):
        rng = np.random.default_rng([arguments.seed, number])
        content = mutated(rng, originals[rng.integers(len(originals))])
        begun = time.perf_counter()
        result = outcome(content)
        taken = time.perf_counter() - begun
        slowest = max(slowest, taken)
        result = result if taken <= arguments.seconds else f"{result}: {taken:.1f} seconds"
        failed = result not in ("read", "repaired", "refused")
        counts["failed" if failed else result] += 1
        if failed:
            print(f"number {number}: {result}", file=sys.stderr)
            if arguments.keep:
                arguments.keep.mkdir(parents=True, exist_ok=True)
                (arguments.keep / f"{arguments.seed}-{number}.xml").write_bytes(content)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"{dict(counts)}; the slowest took {slowest:.3f} s; {peak} MB at most")
    sys.exit(1 if counts["failed"] else 0)


if __name__ == "__main__":
    main()
