"""From notes to what stands on a page: bars, staves, voices, written values, ties, tuplets, beams, spelling.

Conventions
-----------
The page has its own grid of 24 ticks a quarter: thirty-seconds are 3 ticks, sixteenth-note triplets 4. A `Piece` whose
notes lie on binary values down to thirty-seconds, or in triplets down to sixteenths, is written exactly; other onsets and
ends move to the nearest value, which `Notation.remarks` reports. Drums have no length on a page: a hit is written up to the
next one, a quarter at most. Bars are numbered from `Piece.first_bar` on: a pick-up is written short and numbered 0, every
other bar is written whole. A double bar line stands before a new key or metre, and where a strain ends that is played twice.
Pitches are spelled as positions on the line of fifths: F = -1, C = 0, G = 1, ... B flat = -2, F sharp = 6.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from melody.errors import ScoreError
from melody.piece import Ints, Key, Part, Pedal, Piece
from melody.score.notation.metre import tempo_unit
from melody.score.notation.sections import section_ends
from melody.score.notation.sheet import Bar, BarLine, Sheet
from melody.score.notation.spelling import find_key, spell
from melody.score.notation.staves import layouts
from melody.score.notation.written_values import Fragment, slices_of, staff_bar
from melody.text import counted

MAX_NOTES = 50_000


@dataclass(frozen=True)
class Staff:
    """Five lines: `clef`, and for each bar its voices, by number from 1."""

    clef: str
    bars: tuple[dict[int, list[Fragment]], ...]


@dataclass(frozen=True)
class Player:
    """One name at the left of the page: one staff, or two in a brace."""

    name: str
    program: int
    is_drum: bool
    staves: tuple[Staff, ...]


@dataclass(frozen=True)
class Notation:
    """A piece as it stands on the page; `place` spells its notes (line of fifths), `remarks` report what differs.

    The presses of the `pedals` are in ticks of the page.
    """

    piece: Piece
    bars: tuple[Bar, ...]
    players: tuple[Player, ...]
    place: Ints
    remarks: tuple[str, ...]
    pedals: tuple[Pedal, ...] = ()


def notate(piece: Piece, *, short_score: bool = False) -> Notation:
    """Lay a piece out for the page.

    Parameters
    ----------
    piece
        At most 2,000 bars and 50,000 notes.
    short_score
        Put four single voices on two staves, as hymn books do, in place of four staves.

    Raises
    ------
    ScoreError
        If the piece is empty or longer than that.
    """
    if piece.num_notes == 0:
        raise ScoreError("the piece has no notes, so there is nothing to put on a page; give one with notes")
    if piece.num_notes > MAX_NOTES:
        raise ScoreError(
            f"the piece has {piece.num_notes:,} notes; a score holds {MAX_NOTES:,}; take some bars (--bars 1-100, in Python "
            "piece.bars(1, 100))"
        )
    sheet = Sheet(piece)
    keys = piece.keys or (find_key(piece),)
    bars, remarks = _bars(sheet, keys)
    players = tuple(_engrave_player(sheet, bars, *layout) for layout in layouts(sheet, short_score))
    if not piece.keys and not piece.is_drum.all():
        remarks.append(f"the piece names no key; {keys[0].name} was found from its notes")
    return Notation(piece, bars, players, spell(piece, keys), tuple(remarks + _losses(sheet)), sheet.pedals)


def _engrave_player(
    sheet: Sheet, bars: Sequence[Bar], name: str, part: Part, staves: list[tuple[str, list[Ints]]]
) -> Player:
    built = []
    for clef, voices in staves:
        by_voice = [slices_of(sheet, sheet.fit(voice), bars) for voice in voices]
        equal = "\n" in name
        built.append(
            Staff(clef, tuple(staff_bar(sheet, bar, [v[i] for v in by_voice], equal) for i, bar in enumerate(bars)))
        )
    return Player(name, part.program, part.is_drum, tuple(built))


def _losses(sheet: Sheet) -> list[str]:
    remarks = []
    if sheet.moved:
        remarks.append(
            f"{len(sheet.moved)} of {counted(sheet.piece.num_notes, 'note')} not on written values; the nearest shown"
        )
    if sheet.lost:
        remarks.append(f"{counted(len(sheet.lost), 'note')} too short and close for the page left out")
    return remarks


def _bars(sheet: Sheet, keys: Sequence[Key]) -> tuple[tuple[Bar, ...], list[str]]:
    """The bars of the page, and remarks on tempo changes that do not stand on it."""
    starts, ends = _edges(sheet)
    lines, piece = sheet.lines, sheet.piece
    tempi, skipped = _tempo_marks(piece, lines)
    key_at = {_bar_of(lines, key.onset): key for key in keys}
    key_at.setdefault(0, keys[0])
    sections = section_ends(piece)
    bars = []
    for i, line in enumerate(lines):
        signature = line.signature if i == 0 or line.signature != lines[i - 1].signature else None
        bars.append(
            Bar(
                starts[i],
                ends[i],
                line.start,
                line.metre,
                piece.first_bar + i,
                signature,
                key_at.get(i),
                tempi.get(i),
                tempo_unit(line.signature.numerator, line.signature.denominator),
                i in sections or i + 1 in key_at or _metre_settles(lines, i),
            )
        )
    many = f"{skipped} of {len(piece.tempi)} tempo changes are too small or too close to stand on the page"
    return tuple(bars), [many] if skipped else []


def _edges(sheet: Sheet) -> tuple[list[int], list[int]]:
    """Where the bars start and end on the page, a pick-up and the last bar shortened; bars are added for moved notes."""
    lines, used = sheet.lines, np.concatenate(sheet.kept)
    last = int(sheet.end[used].max())
    while _end_of(lines[-1]) < max(lines[-1].start + 1, last):  # a note moved over the last bar line
        lines.append(BarLine(_end_of(lines[-1]), -1, lines[-1].signature))
    ends = [*(line.start for line in lines[1:]), _end_of(lines[-1])]
    pickup = _pickup(sheet, int(sheet.start[used].min()), ends[0]) if sheet.piece.has_pickup else 0
    shorter = ends[-1] - (ends[0] - pickup)  # with the pick-up, the last bar makes a whole one
    if pickup and shorter >= last and (shorter % sheet.unit_of(shorter)[1] == 0 or not _ternary_near(sheet, shorter)):
        ends[-1] = shorter
    return [pickup, *(line.start for line in lines[1:])], ends


def _end_of(line: BarLine) -> int:
    return line.start + line.metre.bar


def _metre_settles(lines: list[BarLine], bar: int) -> bool:
    """Whether a metre of four bars or more ends after this bar and another begins: odd bars within a strain part nothing."""
    around = [line.signature for line in lines[max(bar - 3, 0) : bar + 5]]
    return len(around) == 8 and around[0] == around[3] != around[4] == around[7]


def _bar_of(lines: list[BarLine], onset: int) -> int:
    known = [line.onset for line in lines if line.onset >= 0]
    return max(bisect_right(known, onset) - 1, 0)


def _pickup(sheet: Sheet, first: int, bar: int) -> int:
    """Where a pick-up bar begins: with its first note, or with the tuplet that this is in."""
    start = first if first % 3 == 0 else sheet.unit_of(first)[0]
    return min(start, bar - sheet.unit_of(0)[1])  # the first note may have been moved to the bar line


def _ternary_near(sheet: Sheet, tick: int) -> bool:
    start, unit = sheet.unit_of(tick)
    ticks = np.concatenate([sheet.start, sheet.end])
    return bool(np.any((ticks[(ticks > start) & (ticks < start + unit)] - start) % 3))


def _tempo_marks(piece: Piece, lines: list[BarLine]) -> tuple[dict[int, float], int]:
    """Tempo marks by bar: the first, and later ones that differ by a tenth from the last, four bars apart at least."""
    marks = {0: piece.tempo_qpm}
    for tempo in piece.tempi[1:]:
        bar, last = _bar_of(lines, tempo.onset), max(marks)
        if abs(tempo.qpm / marks[last] - 1) > 0.1 and bar >= last + 4:
            marks[bar] = tempo.qpm
    return marks, len(piece.tempi) - len(marks)
