"""Scores as files: `Piece` -> MusicXML, ABC, SVG, PNG, PDF, and MusicXML, ABC, Humdrum -> `Piece`.

Conventions
-----------
`melody.score.notation` decides what stands on the page; this module writes it. MusicXML has 24 divisions a quarter and an
`id` on every note: `n17` is note 17 of the piece where it begins, `n17-1`, `n17-2` where it is tied on; the SVG keeps them.
Velocities are not written. MusicXML 4.0 and ABC 2.1 are the standards followed. Verovio engraves, Typst turns its SVG into
PNG and PDF (vectors, with the fonts that Typst carries).
"""

from __future__ import annotations

import io
import os
import re
import warnings
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from itertools import pairwise
from math import gcd
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple
from xml.sax.saxutils import escape

import numpy as np

from melody.errors import MelodyError, RenderError, ScoreError
from melody.piece import TICKS_PER_QUARTER, Key, Part, Piece, Tempo, TimeSignature, time_signature_of
from melody.score.notation import GRID, Bar, Fragment, Notation, Player, Staff, notate

if TYPE_CHECKING:
    import music21

WRITES = (".svg", ".png", ".pdf", ".musicxml", ".xml", ".mxl", ".abc")
READS = {".musicxml": "musicxml", ".xml": "musicxml", ".mxl": "musicxml", ".abc": "abc", ".krn": "humdrum"}
MAX_BYTES = 8_000_000

STEPS = "FCGDAEB"
CLEF_SIGNS = {
    "treble": ("G", 2, 0),
    "bass": ("F", 4, 0),
    "alto": ("C", 3, 0),
    "treble-8vb": ("G", 2, -1),
    "treble-8va": ("G", 2, 1),
    "bass-8vb": ("F", 4, -1),
    "percussion": ("percussion", 0, 0),
}
ABC_CLEFS = {"treble-8vb": "treble-8", "treble-8va": "treble+8", "bass-8vb": "bass-8"}

# Where a General MIDI drum stands in the usual drum-kit notation (N. Weinberg, Guidelines for Drumset Notation, 1998).
DRUMS = {
    36: ("F4", "normal"),
    35: ("E4", "normal"),
    44: ("D4", "x"),
    38: ("C5", "normal"),
    40: ("C5", "diamond"),
    37: ("C5", "x"),
    39: ("E5", "x"),
    41: ("G4", "normal"),
    43: ("A4", "normal"),
    45: ("B4", "normal"),
    47: ("D5", "normal"),
    48: ("E5", "normal"),
    50: ("F5", "normal"),
    42: ("G5", "x"),
    46: ("G5", "circle-x"),
    49: ("A5", "x"),
    57: ("B5", "x"),
    55: ("A5", "diamond"),
    52: ("A5", "circle-x"),
    51: ("F5", "x"),
    53: ("F5", "diamond"),
    59: ("F5", "circle-x"),
    54: ("D5", "x"),
    56: ("E5", "triangle"),
}
OTHER_DRUM = ("B4", "x")


def spelled(place: int, pitch: int) -> tuple[str, int, int]:
    """Letter, alteration in semitones, and octave of a pitch at a place on the line of fifths.

    >>> spelled(6, 66), spelled(12, 60)  # F sharp 4, B sharp 3
    (('F', 1, 4), ('B', 1, 3))
    """
    alter = (place + 1) // 7
    return STEPS[(place + 1) % 7], alter, (pitch - alter) // 12 - 1


class _Accidentals:
    """Which accidentals must be shown: what differs from the key or from the same line's last note in the bar."""

    def __init__(self) -> None:
        self.key: dict[str, int] = {}
        self.seen: dict[tuple[str, int], int] = {}
        self.last_bar: dict[tuple[str, int], int] = {}

    def new_bar(self, fifths: int) -> None:
        """Begin a bar in a key of so many sharps."""
        self.key = {STEPS[(x + 1) % 7]: (x + 1) // 7 for x in range(fifths - 1, fifths + 6)}
        self.last_bar, self.seen = self.seen, {}

    def show(self, step: str, alter: int, octave: int, tied: bool) -> bool:
        """Whether to write it; once more, as a courtesy, after the bar before had the line otherwise."""
        line = (step, octave)
        if tied:
            return False
        known = self.seen.get(line, self.last_bar.get(line, self.key[step]))
        courtesy = line not in self.seen and known != alter
        needed = self.seen.get(line, self.key[step]) != alter
        self.seen[line] = alter
        return needed or courtesy


# MusicXML


def to_musicxml(piece: Piece) -> str:
    """The piece as a MusicXML 4.0 document.

    Every note whose onset and end lie on written values (see `melody.score.notation`) is there exactly; drums keep their
    onsets. One player a part.

    Raises
    ------
    ScoreError
        If the piece is empty or too long for a page.
    """
    return musicxml_of(notate(piece))


def musicxml_of(notation: Notation) -> str:
    """A laid-out piece as a MusicXML 4.0 document."""
    piece = notation.piece
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<!DOCTYPE score-partwise PUBLIC "-//Recordare//DTD MusicXML 4.0 Partwise//EN" '
        '"http://www.musicxml.org/dtds/partwise.dtd">',
        '<score-partwise version="4.0">',
        f"<work><work-title>{_text(piece.title)}</work-title></work>" if piece.title else "",
        "<identification><encoding><software>melody</software></encoding>",
        *_remarks_xml(piece.texts),
        "</identification><part-list>",
        *_part_list(notation),
        "</part-list>",
    ]
    for i, player in enumerate(notation.players, 1):
        lines += [f'<part id="P{i}">', *_PartWriter(notation, i, player).measures(), "</part>"]
    return "\n".join(line for line in [*lines, "</score-partwise>"] if line) + "\n"


def _text(text: str) -> str:
    """Text without the control characters that XML forbids."""
    return escape(re.sub(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "", text))


def _remarks_xml(texts: tuple[str, ...]) -> list[str]:
    fields = [f'<miscellaneous-field name="text">{_text(text)}</miscellaneous-field>' for text in texts]
    return ["<miscellaneous>", *fields, "</miscellaneous>"] if fields else []


def _drums_of(player: Player, piece: Piece) -> list[int]:
    fragments = (f for staff in player.staves for bar in staff.bars for voice in bar.values() for f in voice)
    return sorted({int(piece.pitch[n]) for f in fragments for n in f.notes})


def _part_list(notation: Notation) -> Iterator[str]:
    """The players; a treble and a bass staff of one keyboard in a brace, the two staves of a chorale in a bracket."""
    players, grouped = notation.players, -1
    for i, player in enumerate(players):
        symbol = _joins(player, players[i + 1]) if i + 1 < len(players) and i != grouped else ""
        if symbol:
            grouped = i + 1
            label = f"<group-name>{_text(player.name)}</group-name>" if symbol == "brace" else ""
            yield f'<part-group type="start" number="1">{label}<group-symbol>{symbol}</group-symbol>'
            yield "<group-barline>yes</group-barline></part-group>"
        braced = symbol == "brace" or (i == grouped and _joins(players[i - 1], player) == "brace")
        yield _score_part(i + 1, player, notation.piece, "" if braced else player.name)
        if i == grouped:
            yield '<part-group type="stop" number="1"/>'


def _joins(upper: Player, lower: Player) -> str:
    if "\n" in upper.name and "\n" in lower.name:
        return "bracket"
    clefs = [staff.clef for player in (upper, lower) for staff in player.staves]
    keyboard = upper.program <= 7 and upper.program == lower.program and upper.name == lower.name
    return "brace" if keyboard and clefs == ["treble", "bass"] else ""


def _score_part(index: int, player: Player, piece: Piece, label: str) -> str:
    name = _text(label)
    short = name if len(name) < 6 else "\n".join(word[:1] + "." for word in name.split()) if "\n" in name else name[:3] + "."
    lines = [f'<score-part id="P{index}"><part-name>{name}</part-name>']
    lines += [f"<part-abbreviation>{short}</part-abbreviation>"] if name else []
    drums = _drums_of(player, piece) if player.is_drum else []
    for drum in drums:
        lines.append(
            f'<score-instrument id="P{index}-I{drum}"><instrument-name>Drum {drum}</instrument-name></score-instrument>'
        )
    for drum in drums:
        lines.append(
            f'<midi-instrument id="P{index}-I{drum}"><midi-channel>10</midi-channel>'
            f"<midi-unpitched>{drum + 1}</midi-unpitched></midi-instrument>"
        )
    if not drums:
        lines.append(f'<score-instrument id="P{index}-I1"><instrument-name>{name}</instrument-name></score-instrument>')
        lines.append(
            f'<midi-instrument id="P{index}-I1"><midi-program>{player.program + 1}</midi-program></midi-instrument>'
        )
    return "".join(lines) + "</score-part>"


class _PartWriter:
    """Writes the measures of one player."""

    def __init__(self, notation: Notation, index: int, player: Player) -> None:
        self.notation, self.index, self.player = notation, index, player
        self.accidentals = [_Accidentals() for _ in player.staves]
        self.fifths = 0
        self.times: dict[int, int] = {}

    def measures(self) -> Iterator[str]:
        """The measures, one string each."""
        last = len(self.notation.bars) - 1
        for i, bar in enumerate(self.notation.bars):
            implicit = ' implicit="yes"' if bar.number == 0 else ""
            body = "".join([self._attributes(i, bar), self._tempo(bar), *self._voices(i, bar)])
            end = '<barline location="right"><bar-style>light-heavy</bar-style></barline>' if i == last else ""
            yield f'<measure number="{bar.number}"{implicit}>{body}{end}</measure>'

    def _attributes(self, i: int, bar: Bar) -> str:
        parts = [f"<divisions>{GRID}</divisions>"] if i == 0 else []
        if bar.key and not (i and self.player.is_drum):
            self.fifths = 0 if self.player.is_drum else bar.key.fifths
            parts.append(f"<key><fifths>{self.fifths}</fifths><mode>{bar.key.mode}</mode></key>")
        if bar.time_signature:
            _, beats, unit = bar.time_signature
            parts.append(f"<time><beats>{beats}</beats><beat-type>{unit}</beat-type></time>")
        if i == 0:
            parts += [f"<staves>{len(self.player.staves)}</staves>"] if len(self.player.staves) > 1 else []
            parts += [_clef_xml(n, staff.clef) for n, staff in enumerate(self.player.staves, 1)]
        return f"<attributes>{''.join(parts)}</attributes>" if parts else ""

    def _tempo(self, bar: Bar) -> str:
        if bar.tempo_qpm is None or self.index > 1:
            return ""
        dotted = bar.metre.compound and bar.metre.beats[1] == 36
        return (
            '<direction placement="above"><direction-type><metronome>'
            f"<beat-unit>quarter</beat-unit>{'<beat-unit-dot/>' * dotted}"
            f"<per-minute>{round(bar.tempo_qpm / (1.5 if dotted else 1))}</per-minute></metronome></direction-type>"
            f'<sound tempo="{bar.tempo_qpm:.10g}"/></direction>'
        )

    def _voices(self, i: int, bar: Bar) -> Iterator[str]:
        length, first = bar.end - bar.start, True
        for n, staff in enumerate(self.player.staves):
            self.accidentals[n].new_bar(self.fifths)
            shown = self._shown_accidentals(n, staff.bars[i])
            for voice, fragments in sorted(staff.bars[i].items()):
                if not first:
                    yield f"<backup><duration>{length}</duration></backup>"
                first = False
                for fragment in fragments:
                    yield self._fragment(fragment, n, 4 * n + voice, fragments, shown)

    def _shown_accidentals(self, n: int, voices: dict[int, list[Fragment]]) -> set[tuple[int, int]]:
        """(note, start) of the noteheads that need one, in the order in which they are read."""
        shown: set[tuple[int, int]] = set()
        if self.player.is_drum:
            return shown
        for fragment in sorted((f for v in voices.values() for f in v), key=lambda f: f.start):
            for note in fragment.notes:
                name = spelled(int(self.notation.place[note]), int(self.notation.piece.pitch[note]))
                if self.accidentals[n].show(*name, note in fragment.tied_from):
                    shown.add((note, fragment.start))
        return shown

    def _fragment(self, f: Fragment, staff: int, voice: int, others: list[Fragment], shown: set[tuple[int, int]]) -> str:
        tail = f"<voice>{voice}</voice>"
        kind = "" if f.value == "bar" else f"<type>{f.value}</type>" + "<dot/>" * f.dots
        ratio = f.tuplet and f"<actual-notes>{f.tuplet[0]}</actual-notes><normal-notes>{f.tuplet[1]}</normal-notes>"
        ratio = f"<time-modification>{ratio}</time-modification>" if ratio else ""
        on = f"<staff>{staff + 1}</staff>" if len(self.player.staves) > 1 else ""
        if f.hidden and not f.tuplet:
            return f"<forward><duration>{f.duration}</duration>{tail}{on}</forward>"
        if not f.notes:
            measure = ' measure="yes"' if f.value == "bar" else ""
            seen = ' print-object="no"' if f.hidden else ""
            marks = _notations(f, others, 0)
            return f"<note{seen}><rest{measure}/><duration>{f.duration}</duration>{tail}{kind}{ratio}{on}{marks}</note>"
        return "".join(self._note(f, i, tail + kind, ratio, on, others, shown) for i in range(len(f.notes)))

    def _note(
        self, f: Fragment, i: int, kind: str, ratio: str, on: str, others: list[Fragment], shown: set[tuple[int, int]]
    ) -> str:
        note, pitch = f.notes[i], int(self.notation.piece.pitch[f.notes[i]])
        ties = ["stop"] * (note in f.tied_from) + ["start"] * (note in f.tied_to)
        again = f"-{f.start}" if note in f.tied_from else ""
        head = f'<note id="n{note}{again}">' + ("<chord/>" if i else "")
        tied = "".join(f'<tie type="{t}"/>' for t in ties)
        beams = "".join(f'<beam number="{n}">{b}</beam>' for n, b in enumerate(f.beams, 1)) if i == 0 else ""
        marks = _notations(f, others, i, ties)
        if self.player.is_drum:
            where, shape = DRUMS.get(pitch, OTHER_DRUM)
            tone = (
                f"<unpitched><display-step>{where[0]}</display-step><display-octave>{where[1]}</display-octave></unpitched>"
            )
            instrument = f'<instrument id="P{self.index}-I{pitch}"/>'
            body = f"{tone}<duration>{f.duration}</duration>{tied}{instrument}{kind}{ratio}"
            stem = "down" if "<voice>2<" in kind else "up"
            return f"{head}{body}<stem>{stem}</stem><notehead>{shape}</notehead>{on}{beams}{marks}</note>"
        step, alter, octave = spelled(int(self.notation.place[note]), pitch)
        sharp = f"<alter>{alter}</alter>" if alter else ""
        sign = _accidental(alter) if (note, f.start) in shown else ""
        tone = f"<pitch><step>{step}</step>{sharp}<octave>{octave}</octave></pitch>"
        body = f"{tone}<duration>{f.duration}</duration>{tied}{kind}{sign}{ratio}{on}"
        return f"{head}{body}{beams}{marks}</note>"


def _accidental(alter: int) -> str:
    names = {-2: "flat-flat", -1: "flat", 0: "natural", 1: "sharp", 2: "double-sharp"}
    return f"<accidental>{names[alter]}</accidental>" if alter in names else ""


def _notations(f: Fragment, others: list[Fragment], i: int, ties: Iterable[str] = ()) -> str:
    marks = [f'<tied type="{t}"/>' for t in ties]
    if f.tuplet and i == 0:
        zone = [o for o in others if o.tuplet_zone == f.tuplet_zone]
        joined = all(o.beams for o in zone) and zone[0].beams[0] == "begin" and zone[-1].beams[0] == "end"
        if f is zone[0]:
            marks.append(f'<tuplet type="start" bracket="{"no" if joined else "yes"}"/>')
        if f is zone[-1]:
            marks.append('<tuplet type="stop"/>')
    return f"<notations>{''.join(marks)}</notations>" if marks else ""


def _clef_xml(number: int, clef: str) -> str:
    sign, line, octaves = CLEF_SIGNS[clef]
    where = f"<line>{line}</line>" if line else ""
    change = f"<clef-octave-change>{octaves}</clef-octave-change>" if octaves else ""
    return f'<clef number="{number}"><sign>{sign}</sign>{where}{change}</clef>'


# ABC


def to_abc(piece: Piece) -> str:
    """The piece as an ABC 2.1 tune, one `V:` a voice where there are several; drums, which ABC has no letters for, stay out.

    Raises
    ------
    ScoreError
        If nothing is left to write, or the piece is too long for a page.
    """
    return abc_of(notate(piece))


def abc_of(notation: Notation) -> str:
    """A laid-out piece as an ABC 2.1 tune."""
    piece, first = notation.piece, notation.bars[0]
    voices = [
        (player, staff, number)
        for player in notation.players
        if not player.is_drum
        for staff in player.staves
        for number in sorted({n for bar in staff.bars for n in bar})
    ]
    if not voices:
        raise ScoreError("the piece has only drums, which ABC cannot write; write .musicxml, .pdf, .png or .svg")
    assert first.key and first.time_signature
    _, beats, unit = first.time_signature
    head = ["X:1", f"T:{_line(piece.title or 'Untitled')}", *(f"N:{_line(text)}" for text in piece.texts)]
    head += [f"M:{beats}/{unit}", "L:1/8", f"Q:1/4={round(piece.tempo_qpm)}"]
    body = [f"K:{first.key.name}"]
    for i, (player, staff, number) in enumerate(voices, 1):
        if len(voices) > 1:
            body.append(f'V:{i} clef={staff.clef.split("-")[0]} name="{_line(player.name).replace(chr(34), "")}"')
        body += [f"%%MIDI program {player.program}", *_abc_lines(notation, staff, number)]
    return "\n".join(head + body) + "\n"


def _line(text: str) -> str:
    """A text that stays on one line of ABC and begins no comment."""
    return " ".join(re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", " ", text).replace("%", "\\%").split())


def _abc_lines(notation: Notation, staff: Staff, number: int) -> Iterator[str]:
    row, fifths = [], 0
    for i, bar in enumerate(notation.bars):
        fifths = bar.key.fifths if bar.key else fifths
        change = f"[M:{bar.time_signature[1]}/{bar.time_signature[2]}]" if bar.time_signature and i else ""
        change += f"[K:{bar.key.name}]" if bar.key and i else ""
        row.append(change + _abc_bar(notation, staff.bars[i].get(number) or [_silence(bar)], fifths))
        last = i + 1 == len(notation.bars)
        if last or len(row) == 4 + (notation.bars[0].number == 0 and i < 5):
            yield " | ".join(row) + (" |]" if last else " |")
            row = []


def _silence(bar: Bar) -> Fragment:
    return Fragment(bar.start, bar.end - bar.start, "bar", hidden=True)


def _abc_bar(notation: Notation, fragments: list[Fragment], fifths: int) -> str:
    scale = {STEPS[(x + 1) % 7]: (x + 1) // 7 for x in range(fifths - 1, fifths + 6)}
    altered: set[str] = set()
    text = ""
    for f in fragments:
        zone = [o for o in fragments if o.tuplet_zone == f.tuplet_zone] if f.tuplet else []
        if f.tuplet and f is zone[0]:
            text += f"({f.tuplet[0]}:{f.tuplet[1]}:{len(zone)}"
        tones = [_abc_tone(notation, f, note, scale, altered) for note in f.notes]
        head = f"[{''.join(tones)}]" if len(tones) > 1 else tones[0] if tones else "x" if f.hidden else "z"
        length = _abc_length(f)
        if len(tones) == 1 and head.endswith("-"):
            head, length = head[:-1], length + "-"
        text += head + length + ("" if f.beams[:1] in (("begin",), ("continue",)) else " ")
    return text.rstrip()


def _abc_tone(notation: Notation, f: Fragment, note: int, scale: dict[str, int], altered: set[str]) -> str:
    """A letter with its octave, its accidental wherever a reader could doubt it, and its tie."""
    step, alter, octave = spelled(int(notation.place[note]), int(notation.piece.pitch[note]))
    sign = ""
    if alter != scale[step] or step in altered:
        sign = {-2: "__", -1: "_", 0: "=", 1: "^", 2: "^^"}[alter]
        altered.add(step)
    letter = step + "," * (4 - octave) if octave < 5 else step.lower() + "'" * (octave - 5)
    return sign + letter + ("-" if note in f.tied_to else "")


def _abc_length(f: Fragment) -> str:
    ticks = f.duration if f.value == "bar" else f.duration * f.tuplet[0] // f.tuplet[1] if f.tuplet else f.duration
    eighths, rest = divmod(ticks, 12)
    if rest == 0:
        return "" if eighths == 1 else str(eighths)
    over = 12 // gcd(ticks, 12)
    top = ticks * over // 12
    return f"{top if top > 1 else ''}/{over}"


# Pictures


@dataclass(frozen=True)
class EngravingSettings:
    """How a page looks.

    Parameters
    ----------
    width_mm, height_mm
        The paper, 50 to 2,000 mm; A4 by default.
    staff_mm
        Height of a staff, 2 to 20 mm.
    single_page
        One page as tall as the music, for a web page (up to some 400 systems).
    short_score
        Four single voices on two staves, as hymn books have them.
    dpi
        Dots per inch of a PNG, 30 to 600.
    """

    width_mm: float = 210.0
    height_mm: float = 297.0
    staff_mm: float = 6.0
    single_page: bool = False
    short_score: bool = True
    dpi: int = 150

    def __post_init__(self) -> None:
        for name, low, high in (("width_mm", 50, 2000), ("height_mm", 50, 2000), ("staff_mm", 2, 20), ("dpi", 30, 600)):
            if not low <= getattr(self, name) <= high:
                raise ScoreError(f"{name} is {getattr(self, name)}; it must be from {low} to {high}")


def to_svg(piece: Piece, *, settings: EngravingSettings | None = None) -> list[str]:
    """The pages as SVG, transparent, with a viewBox so that they fill what they are put into.

    Raises
    ------
    ScoreError
        If the piece is empty or too long for a page.
    RenderError
        If verovio is not installed.
    """
    settings = settings or EngravingSettings()
    return svg_of(notate(piece, short_score=settings.short_score), settings)


def svg_of(notation: Notation, settings: EngravingSettings, crop: bool = True) -> list[str]:
    """A laid-out piece as SVG pages; `crop` ends a page where its music ends."""
    verovio = _extra("verovio")
    verovio.enableLog(verovio.LOG_OFF)
    scale = round(100 * settings.staff_mm / 7.2) / 100  # verovio takes whole percents of its staves of 7.2 mm
    toolkit = verovio.toolkit()
    toolkit.setOptions(
        {
            "pageWidth": round(settings.width_mm * 10 / scale),
            "pageHeight": 60_000 if settings.single_page else round(settings.height_mm * 10 / scale),
            "adjustPageHeight": crop or settings.single_page,
            "scale": round(100 * scale),
            **dict.fromkeys(("pageMarginLeft", "pageMarginRight", "pageMarginTop", "pageMarginBottom"), round(120 / scale)),
            "footer": "none",
            "svgViewBox": True,
            "svgRemoveXlink": True,
            "svgFormatRaw": True,
            "xmlIdSeed": 1,
        }
    )
    if not toolkit.loadData(musicxml_of(notation)):
        raise ScoreError("verovio could not engrave the piece; write .musicxml and open it in a notation program")
    return [toolkit.renderToSVG(page) for page in range(1, toolkit.getPageCount() + 1)]


def _extra(module: str) -> Any:
    try:
        return import_module(module)
    except ImportError as error:
        raise RenderError(f"{module} is not installed; pip install 'melody[score]'") from error


def _printable(svg: str) -> str:
    """The SVG without what Typst does not know: embedded fonts, titles within text; note values in tempo marks as text."""
    svg = re.sub(r"<style[^>]*>@font-face.*?</style>", "", svg, flags=re.S)
    svg = re.sub(r"<title[^>]*>[^<]*</title>", "", svg)
    return re.sub(r'<tspan font-family="Leipzig" font-size="(\d+)px">([^<]*)</tspan>', _note_value, svg)


def _note_value(match: re.Match[str]) -> str:
    quarter, dotted = "\N{QUARTER NOTE}", "." if "\uecb7" in match[2] else ""
    size = int(match[1]) * 3 // 4
    note = f'<tspan font-family="DejaVu Sans Mono" font-weight="normal" font-size="{size}px">{quarter}</tspan>'
    return note + f'<tspan font-size="{size}px">{dotted}</tspan>'


def _typeset(pages: list[str], title: str, form: str, dpi: int) -> bytes:
    typst = _extra("typst")
    source = ["#set page(margin: 0pt, fill: none)", "#set document(title: sys.inputs.title, date: none)"]
    inputs = {"title": title}
    for i, svg in enumerate(pages):
        inputs[f"page{i}"] = _printable(svg)
        width, height = _size_mm(svg)
        image = f'image(bytes(sys.inputs.page{i}), format: "svg", width: 100%)'
        source.append(f"#page(width: {width}mm, height: {height}mm, {image})")
    return typst.compile(
        "\n".join(source).encode(), format=form, ppi=float(dpi), sys_inputs=inputs, ignore_system_fonts=True
    )


def _size_mm(svg: str) -> tuple[float, float]:
    found = re.search(r'viewBox="0 0 (\d+) (\d+)"', svg)
    assert found
    return int(found[1]) / 10, int(found[2]) / 10


# Files


class Written(NamedTuple):
    """What `write_score` wrote, and what the page says otherwise than the piece."""

    paths: tuple[Path, ...]
    remarks: tuple[str, ...]


def write_score(piece: Piece, path: str | PathLike[str], *, settings: EngravingSettings | None = None) -> Written:
    """Write a score in the form that the suffix names: .svg .png .pdf .musicxml .xml .mxl .abc.

    A PDF holds all pages. Of SVG and PNG the first page is `path`, the following ones NAME-2.svg, NAME-3.svg ...
    Pictures put chorales on two staves if the settings say so; the other forms keep one staff a part.

    Raises
    ------
    ScoreError
        For another suffix, or a piece that is empty or too long for a page.
    RenderError
        If a package for it is not installed.
    """
    path, settings = Path(path), settings or EngravingSettings()
    suffix = path.suffix.lower()
    if suffix not in WRITES:
        raise ScoreError(f"{path.name!r} has the suffix {suffix!r}; a score can be written as {', '.join(WRITES)}")
    notation = notate(piece, short_score=settings.short_score and suffix in (".svg", ".png", ".pdf"))
    remarks = notation.remarks
    if suffix == ".abc" and any(player.is_drum for player in notation.players):
        remarks += ("drums are left out of ABC",)
    contents = _contents(notation, suffix, settings)
    paths = [path, *(path.with_name(f"{path.stem}-{i}{path.suffix}") for i in range(2, len(contents) + 1))]
    for target, content in zip(paths, contents):
        _write_whole(target, content)
    return Written(tuple(paths), remarks)


def _contents(notation: Notation, suffix: str, settings: EngravingSettings) -> list[bytes]:
    title = notation.piece.title
    if suffix == ".abc":
        return [abc_of(notation).encode()]
    if suffix in (".musicxml", ".xml"):
        return [musicxml_of(notation).encode()]
    if suffix == ".mxl":
        return [_zipped(musicxml_of(notation))]
    pages = svg_of(notation, settings, crop=suffix != ".pdf")
    if suffix == ".svg":
        return [page.encode() for page in pages]
    if suffix == ".pdf":
        return [_typeset(pages, title, "pdf", settings.dpi)]
    return [_typeset([page], title, "png", settings.dpi) for page in pages]


def _zipped(musicxml: str) -> bytes:
    """Compressed MusicXML, the same bytes for the same music."""
    container = '<?xml version="1.0"?><container><rootfiles><rootfile full-path="score.musicxml"/></rootfiles></container>'
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in (("META-INF/container.xml", container), ("score.musicxml", musicxml)):
            archive.writestr(zipfile.ZipInfo(name), text, zipfile.ZIP_DEFLATED)
    return stream.getvalue()


def _write_whole(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(content)
        os.replace(temporary, path)
    except OSError as error:
        raise ScoreError(f"cannot write {path}: {error.strerror}; choose a folder that exists and can be written") from error
    finally:
        temporary.unlink(missing_ok=True)


# Reading


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
