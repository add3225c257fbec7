"""ABC 2.1: a piece as a tune in letters."""

from __future__ import annotations

from collections.abc import Iterator
from math import gcd

from melody.errors import ScoreError
from melody.piece import Piece
from melody.score.notation.layout import Notation, Staff, notate
from melody.score.notation.metre import GRID
from melody.score.notation.sheet import Bar
from melody.score.notation.spelling import STEPS, spelled
from melody.score.notation.written_values import Fragment
from melody.text import for_abc


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
    head = ["X:1", f"T:{for_abc(piece.title or 'Untitled')}", *(f"N:{for_abc(text)}" for text in piece.texts)]
    head += [f"M:{beats}/{unit}", "L:1/8", _tempo(first, piece.tempo_qpm)]
    body = [f"K:{first.key.name}"]
    for i, (player, staff, number) in enumerate(voices, 1):
        if len(voices) > 1:
            body.append(f'V:{i} clef={staff.clef.split("-")[0]} name="{for_abc(player.name)}"')
        body += [f"%%MIDI program {player.program}", *_abc_lines(notation, staff, number)]
    return "\n".join(head + body) + "\n"


def _tempo(bar: Bar, tempo_qpm: float) -> str:
    ticks = bar.counted[2]
    return f"Q:{ticks // gcd(ticks, 4 * GRID)}/{4 * GRID // gcd(ticks, 4 * GRID)}={round(tempo_qpm * GRID / ticks)}"


def _abc_lines(notation: Notation, staff: Staff, number: int) -> Iterator[str]:
    row, fifths = [], 0
    for i, bar in enumerate(notation.bars):
        fifths = bar.key.fifths if bar.key else fifths
        change = f"[M:{bar.time_signature[1]}/{bar.time_signature[2]}]" if bar.time_signature and i else ""
        change += f"[K:{bar.key.name}]" if bar.key and i else ""
        last = i + 1 == len(notation.bars)
        line = " |]" if last else " || " if bar.double else " | "
        row.append(change + _abc_bar(notation, staff.bars[i].get(number) or [_silence(bar)], fifths) + line)
        if last or len(row) == 4 + (notation.bars[0].number == 0 and i < 5):
            yield "".join(row).rstrip()
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
