"""Scores from files: MusicXML, ABC and Humdrum, read by music21 -> `Piece`.

Conventions
-----------
What a page shows is what is read: repeats are not played out, and bar lines stay where they are printed. The files may come
from strangers: their size is bounded, and one that declares XML entities is refused.
"""

from __future__ import annotations

import io
import re
import warnings
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from melody.errors import MelodyError, ScoreError
from melody.extras import need
from melody.piece import TICKS_PER_QUARTER, Key, Part, Piece, Tempo, TimeSignature
from melody.score.musicxml import DRUMS
from melody.signatures import time_signature_of

if TYPE_CHECKING:
    import music21

READS = {".musicxml": "musicxml", ".xml": "musicxml", ".mxl": "musicxml", ".abc": "abc", ".krn": "humdrum"}
MAX_BYTES = 8_000_000


def read_score(path: str | PathLike[str]) -> Piece:
    """The piece in a MusicXML (.musicxml .xml .mxl), ABC (.abc) or Humdrum (.krn) file, read by music21.

    Ties are merged, grace notes and chord symbols dropped, repeats not played out. A pick-up becomes a rest at the start of
    bar 0, a bar of another length gets a time signature of its own. Each part is one `Part`, with its program if the file
    names one; drums are known by their place and notehead. Where two voices of a part meet on one pitch, the later note ends
    the earlier.

    Raises
    ------
    ScoreError
        If the file is no such score, is larger than 8 MB unpacked, holds several tunes or no notes.
    """
    path = Path(path)
    form = READS.get(path.suffix.lower())
    if form is None:
        raise ScoreError(f"{path.name!r} has the suffix {path.suffix!r}; a score can be read from {', '.join(READS)}")
    content = _read_bytes(path)
    if form == "musicxml" and b"<!ENTITY" in content.replace(b"\0", b""):  # UTF-16 too
        raise ScoreError(
            f"{path.name} declares XML entities, which no MusicXML needs; export it anew from a notation program"
        )
    try:
        piece = from_music21(_parse(content, form))
    except MelodyError as error:
        raise ScoreError(f"{path.name}: {error}") from error
    except Exception as error:  # music21 raises whatever its parsers stumble upon
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise ScoreError(
            f"{path.name} cannot be read as {form} ({reason}); open it in a notation program and export it anew"
        ) from error
    return piece


def _read_bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ScoreError(f"cannot read {path}: {error.strerror}; give a file that exists") from error
    if path.suffix.lower() == ".mxl":
        content = _unzipped(content, path.name)
    if len(content) > MAX_BYTES:
        raise ScoreError(f"{path.name} is larger than {MAX_BYTES // 1_000_000} MB; split it into shorter scores")
    return content


def _unzipped(content: bytes, name: str) -> bytes:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            container = archive.open("META-INF/container.xml").read(10_000).decode("utf-8", "replace")
            found = re.search(r'full-path\s*=\s*"([^"]+)"', container)
            with archive.open(found[1] if found else "score.xml") as file:
                return file.read(MAX_BYTES + 1)
    except (zipfile.BadZipFile, KeyError, OSError, RuntimeError, EOFError, NotImplementedError, zlib.error) as error:
        raise ScoreError(f"{name} is no compressed MusicXML ({error}); export it anew from a notation program") from error


def _parse(content: bytes, form: str) -> music21.stream.Stream:
    need("reading a score", "music21", error=ScoreError)
    from music21 import converter, stream

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        text = content.decode("utf-8-sig", "replace")
        source = {"musicxml": content, "humdrum": text, "abc": _for_music21(text)}[form]
        score = converter.parseData(source, format=form)
    if isinstance(score, stream.Opus):
        scores = list(score.scores)
        if len(scores) != 1:
            raise ScoreError(f"it holds {len(scores)} tunes; give one tune a file")
        score = scores[0]
    return score


def _for_music21(abc: str) -> str:
    """The tune as music21 needs it: thin bar lines, since it finds bars only by two of them, and the default length said."""
    abc = re.sub(r"^(?![A-Za-z]:).*$", lambda line: line[0].replace("|]", "|"), abc, flags=re.M)
    return abc if re.search(r"^[ML]:", abc, flags=re.M) else re.sub(r"^K:", "L:1/8\nK:", abc, flags=re.M)


def from_music21(score: music21.stream.Stream) -> Piece:
    """The piece in a music21 stream, by the rules of `read_score`."""
    from music21 import stream

    groups: dict[str, list[Any]] = {}
    for i, part in enumerate(score.parts if isinstance(score, stream.Score) and score.parts else [score]):
        name = str(part.id).rpartition("-Staff")[0] if isinstance(part, stream.PartStaff) else ""
        groups.setdefault(name or f"#{i}", []).append(part)
    metres, shift = _bars_read(next(iter(groups.values()))[0])
    rows: list[tuple[int, int, int, int, int]] = []
    parts = []
    for index, staves in enumerate(groups.values()):
        notes = [note for staff in staves for note in _notes_read(staff, shift)]
        rows += [(*note, index) for note in _without_overlap(notes)]
        parts.append(_part_read(staves[0]))
    if not rows:
        raise ScoreError("it has no notes; give a score with notes")
    onset, duration, pitch, velocity, part = np.array(rows, np.int64).T
    first = next(iter(groups.values()))[0].flatten()
    title = (score.metadata.title or score.metadata.movementName or "") if score.metadata else ""
    return Piece(
        onset,
        duration,
        pitch,
        velocity,
        part,
        tuple(parts),
        metres,
        _tempi_read(score, shift),
        _keys_read(first, shift),
        title,
    )


def _ticks(quarters: Any) -> int:
    return round(quarters * TICKS_PER_QUARTER)


def _bars_read(part: Any) -> tuple[tuple[TimeSignature, ...], int]:
    """Time signatures that put the bar lines where the part has them, and how far a pick-up moves the music."""
    from music21 import meter, stream

    measures = list(part.getElementsByClass(stream.Measure))
    starts = [_ticks(m.offset) for m in measures]
    lengths = [b - a for a, b in pairwise(starts)] + ([_ticks(measures[-1].highestTime)] if measures else [])
    nominal, metre = [], TimeSignature(0, 4, 4)
    for measure in measures:
        written = measure.timeSignature
        metre = TimeSignature(0, written.numerator, written.denominator) if written else metre
        nominal.append(metre)
    if not measures:
        written = part.flatten().getElementsByClass(meter.TimeSignature).first()
        return (TimeSignature(0, written.numerator, written.denominator) if written else metre,), 0
    shift = nominal[0].bar_ticks() - lengths[0]
    shift = shift if shift > 0 and len(measures) > 1 else 0
    return _signatures(nominal, lengths, shift), shift


def _signatures(nominal: Sequence[TimeSignature], lengths: Sequence[int], shift: int) -> tuple[TimeSignature, ...]:
    """A signature wherever the length of the bars changes; two bars that make up one (at a repeat) are one."""
    found: list[TimeSignature] = []
    at, i = 0, 0
    while i < len(lengths):
        whole = nominal[i].bar_ticks()
        length = lengths[i] + (shift if i == 0 else 0)
        if length < whole and i + 1 < len(lengths) and length + lengths[i + 1] == whole:
            i, length = i + 1, whole
        last = i + 1 == len(lengths)
        fits = length == whole or (last and length < whole)
        this = nominal[i]._replace(onset=at) if fits else time_signature_of(at, length)
        if this is None:
            raise ScoreError(f"bar {i + 1} is {length} ticks long, which no time signature can say; mend that bar")
        if not found or found[-1][1:] != this[1:]:
            found.append(this)
        at, i = at + length, i + 1
    return tuple(found)


def _notes_read(part: Any, shift: int) -> Iterator[tuple[int, int, int, int]]:
    """(onset, duration, pitch, velocity) of the notes of a part, ties merged."""
    from music21 import harmony

    open_ties: dict[tuple[int, int], list[int]] = {}
    found: list[list[int]] = []
    for element in part.flatten().notes:
        if element.duration.isGrace or element.quarterLength == 0 or isinstance(element, harmony.Harmony):
            continue
        onset, end = (_ticks(t) + shift for t in (element.offset, element.offset + element.quarterLength))
        for tone in element.notes if hasattr(element, "notes") else [element]:
            pitch = _pitch_read(tone)
            before = open_ties.pop((onset, pitch), None) if tone.tie and tone.tie.type != "start" else None
            row = before or [onset, 0, pitch, tone.volume.velocity or 90]
            row[1] = max(end - row[0], 1)
            found += [] if before else [row]
            if tone.tie and tone.tie.type != "stop":
                open_ties[end, pitch] = row
    return ((row[0], row[1], row[2], row[3]) for row in found)


def _pitch_read(tone: Any) -> int:
    if hasattr(tone, "pitch"):
        return min(max(tone.pitch.midi, 0), 127)
    place = (f"{tone.displayStep}{tone.displayOctave}", tone.notehead)
    return {where: drum for drum, where in DRUMS.items()}.get(place, 38)


def _without_overlap(notes: Iterable[tuple[int, int, int, int]]) -> Iterator[tuple[int, int, int, int]]:
    rows = sorted(notes, key=lambda n: (n[2], n[0], n[1]))
    for row, following in zip(rows, [*rows[1:], None]):
        onset, duration, pitch, velocity = row
        if following and following[2] == pitch:
            duration = min(duration, following[0] - onset)
        if duration > 0:
            yield onset, duration, pitch, velocity


def _part_read(part: Any) -> Part:
    from music21 import note

    instrument = part.getInstrument(returnDefault=False)
    program = instrument.midiProgram if instrument and instrument.midiProgram is not None else 0
    is_drum = any(isinstance(n, note.Unpitched) for n in part.recurse().notes) or bool(
        instrument and instrument.midiChannel == 9
    )
    name = part.partName or ""
    return Part(min(max(program, 0), 127), is_drum, name)


def _tempi_read(score: Any, shift: int) -> tuple[Tempo, ...]:
    from music21 import tempo

    found = {0: Tempo(0, 500_000)}
    for mark in score.flatten().getElementsByClass(tempo.MetronomeMark):
        quarters = mark.getQuarterBPM()
        if quarters and quarters > 60e6 / 2**24:
            at = _ticks(mark.offset)
            found[at + shift if at else 0] = Tempo.from_qpm(at + shift if at else 0, quarters)
    return tuple(found[tick] for tick in sorted(found))


def _keys_read(part: Any, shift: int) -> tuple[Key, ...]:
    from music21 import key

    found = {}
    for signature in part.getElementsByClass(key.KeySignature):
        at = _ticks(signature.offset)
        mode: Literal["major", "minor"] = "minor" if getattr(signature, "mode", None) == "minor" else "major"
        if -7 <= signature.sharps <= 7:
            found[at + shift if at else 0] = Key(at + shift if at else 0, signature.sharps, mode)
    return tuple(found[tick] for tick in sorted(found))
