"""MusicXML 4.0: a piece as a document for notation programs, and for the engraver.

Conventions
-----------
24 divisions a quarter. Every note has an `id`: `n17` is note 17 of the piece where it begins, `n17-1`, `n17-2` where it is
tied on. Velocities are not written. Pedal marks stand under the lowest staff of the last keyboard, on the grid of the page.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence

from melody.piece import Part, Piece
from melody.score.musicxml.drum_notation import DRUMS, OTHER_DRUM
from melody.score.notation.layout import Notation, Player, notate
from melody.score.notation.metre import GRID
from melody.score.notation.sheet import Bar
from melody.score.notation.spelling import STEPS, spelled
from melody.score.notation.written_values import Fragment
from melody.text import for_xml

MAX_LABEL = 32  # characters of a name before a staff
CLEF_SIGNS = {
    "treble": ("G", 2, 0),
    "bass": ("F", 4, 0),
    "alto": ("C", 3, 0),
    "treble-8vb": ("G", 2, -1),
    "treble-8va": ("G", 2, 1),
    "bass-8vb": ("F", 4, -1),
    "percussion": ("percussion", 0, 0),
}


def to_musicxml(piece: Piece) -> str:
    """The piece as a MusicXML 4.0 document.

    Every note whose onset and end lie on written values (see `melody.score.notation.layout`) is there exactly; drums keep
    their onsets. One player a part.

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
        f"<work><work-title>{for_xml(piece.title)}</work-title></work>" if piece.title else "",
        "<identification><encoding><software>melody</software></encoding>",
        *_remarks_xml(piece.texts),
        "</identification><part-list>",
        *_part_list(notation),
        "</part-list>",
    ]
    held = [i for i, player in enumerate(notation.players, 1) if Part(player.program, player.is_drum).is_keyboard]
    for i, player in enumerate(notation.players, 1):
        turns = _turns(notation) if i in held[-1:] else []
        lines += [f'<part id="P{i}">', *_PartWriter(notation, i, player, turns).measures(), "</part>"]
    return "\n".join(line for line in [*lines, "</score-partwise>"] if line) + "\n"


def _turns(notation: Notation) -> list[tuple[int, str]]:
    """Where on the page the pedal goes down and up, in their order; what is beyond its last bar line stands there."""
    first, last = notation.bars[0].start, notation.bars[-1].end
    presses = [(min(max(down, first), last), min(max(up, first), last)) for down, up in notation.pedals]
    return [turn for down, up in presses if down < up for turn in ((down, "start"), (up, "stop"))]


def _remarks_xml(texts: tuple[str, ...]) -> list[str]:
    fields = [f'<miscellaneous-field name="text">{for_xml(text)}</miscellaneous-field>' for text in texts]
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
            label = f"<group-name>{for_xml(player.name)}</group-name>" if symbol == "brace" else ""
            yield f'<part-group type="start" number="1">{label}<group-symbol>{symbol}</group-symbol>'
            yield "<group-barline>yes</group-barline></part-group>"
        braced = symbol == "brace" or (i == grouped and _joins(players[i - 1], player) == "brace")
        yield _score_part(i + 1, player, notation.piece, "" if braced else player.name, alone=len(players) == 1)
        if i == grouped:
            yield '<part-group type="stop" number="1"/>'


def _joins(upper: Player, lower: Player) -> str:
    if "\n" in upper.name and "\n" in lower.name:
        return "bracket"
    clefs = [staff.clef for player in (upper, lower) for staff in player.staves]
    keyboard = upper.program <= 7 and upper.program == lower.program and upper.name == lower.name
    return "brace" if keyboard and clefs == ["treble", "bass"] else ""


def _score_part(index: int, player: Player, piece: Piece, label: str, alone: bool) -> str:
    """A player; one who plays alone needs no short name before every system."""
    name, short = ("\n".join(map(for_xml, lines)) for lines in (label.split("\n"), _shortened(label)))
    lines = [f'<score-part id="P{index}"><part-name>{name}</part-name>']
    if len(label) > MAX_LABEL:  # a name as wide as the page would leave no room for music
        shown = for_xml(label[: MAX_LABEL - 1] + "…")
        lines.append(f"<part-name-display><display-text>{shown}</display-text></part-name-display>")
    lines += [f"<part-abbreviation>{short}</part-abbreviation>"] if name and not alone else []
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


def _shortened(label: str) -> list[str]:
    if "\n" in label:
        return [word[:1] + "." for word in label.split("\n")]
    number = re.search(r" ?\d{1,3}$", label)  # "Violin 1" and "Violin 2" stay apart
    return [label if len(label) < 6 else label[:3] + "." + (number[0] if number else "")]


class _PartWriter:
    """Writes the measures of one player, with turns of the pedal: the tick of the page, and 'start' or 'stop'."""

    def __init__(self, notation: Notation, index: int, player: Player, turns: Sequence[tuple[int, str]] = ()) -> None:
        self.notation, self.index, self.player, self.turns = notation, index, player, turns
        self.accidentals = [_Accidentals() for _ in player.staves]
        self.fifths = 0
        self.times: dict[int, int] = {}

    def measures(self) -> Iterator[str]:
        """The measures, one string each."""
        last = len(self.notation.bars) - 1
        for i, bar in enumerate(self.notation.bars):
            implicit = ' implicit="yes"' if bar.number == 0 else ""
            body = "".join([self._attributes(i, bar), self._tempo(bar), *self._voices(i, bar)])
            style = "light-heavy" if i == last else "light-light" if bar.double else ""
            end = f'<barline location="right"><bar-style>{style}</bar-style></barline>' if style else ""
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
        unit, dots, ticks = bar.counted
        return (
            '<direction placement="above"><direction-type><metronome>'
            f"<beat-unit>{unit}</beat-unit>{'<beat-unit-dot/>' * dots}"
            f"<per-minute>{round(bar.tempo_qpm * GRID / ticks)}</per-minute></metronome></direction-type>"
            f'<sound tempo="{bar.tempo_qpm:.10g}"/></direction>'
        )

    def _voices(self, i: int, bar: Bar) -> Iterator[str]:
        length, first = bar.end - bar.start, True
        under = min(self.player.staves[-1].bars[i])  # the voice that the pedal marks go along with
        for n, staff in enumerate(self.player.staves):
            self.accidentals[n].new_bar(self.fifths)
            shown = self._shown_accidentals(n, staff.bars[i])
            for voice, fragments in sorted(staff.bars[i].items()):
                if not first:
                    yield f"<backup><duration>{length}</duration></backup>"
                first = False
                marked = n + 1 == len(self.player.staves) and voice == under
                for fragment in fragments:
                    marks = self._pedal_marks(fragment) if marked else ("", "")
                    yield marks[0] + self._fragment(fragment, n, 4 * n + voice, fragments, shown) + marks[1]

    def _pedal_marks(self, f: Fragment) -> tuple[str, str]:
        """Those that stand before a fragment, and the one behind it with which the pedal has gone up: in order of time."""
        end, elsewhere = f.start + f.duration, {(f.start, "stop"), (f.start + f.duration, "start")}
        near = self.turns[bisect_left(self.turns, (f.start,)) : bisect_left(self.turns, (end + 1,))]
        inside = [turn for turn in near if turn not in elsewhere]
        before = inside[:-1] if inside and inside[-1][1] == "stop" else inside
        marks = [self._pedal_mark(kind, tick - f.start) for tick, kind in before]
        marks += [self._pedal_mark(kind, tick - end) for tick, kind in inside[len(before) :]]
        return "".join(marks[: len(before)]), "".join(marks[len(before) :])

    def _pedal_mark(self, kind: str, away: int) -> str:
        on = f"<staff>{len(self.player.staves)}</staff>" if len(self.player.staves) > 1 else ""
        offset = f'<offset sound="yes">{away}</offset>' if away else ""
        mark = f'<direction-type><pedal type="{kind}" line="yes"/></direction-type>'
        return f'<direction placement="below">{mark}{offset}{on}</direction>'

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
