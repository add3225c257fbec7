"""From notes to what stands on a page: bars, staves, voices, written values, ties, tuplets, beams, spelling.

Conventions
-----------
The page has its own grid of 24 ticks a quarter: thirty-seconds are 3 ticks, sixteenth-note triplets 4. A `Piece` whose
notes lie on binary values down to thirty-seconds, or in triplets down to sixteenths, is written exactly; other onsets and
ends move to the nearest value and `Notation.remarks` says so. Drums have no length on a page: a hit is written up to the
next one, a quarter at most. A rest of a beat or more at the start of bar 0 is a pick-up: the bar is written short and
numbered 0. Pitches are spelled as positions on the line of fifths: F = -1, C = 0, G = 1, ... B flat = -2, F sharp = 6.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import pairwise
from math import ceil

import numpy as np

from melody.errors import ScoreError
from melody.piece import Ints, Key, Part, Piece, TimeSignature

GRID = 24
MAX_BARS = 2_000
MAX_NOTES = 50_000
NAMES = {3: "32nd", 6: "16th", 12: "eighth", 24: "quarter", 48: "half", 96: "whole", 192: "breve"}
VALUES = {t: (name, 0) for t, name in NAMES.items()} | {t * 3 // 2: (n, 1) for t, n in NAMES.items() if t > 3}
FLAGS = {"eighth": 1, "16th": 2, "32nd": 3}

# What each clef holds without ledger lines, and how much worse it must be to be preferred to a common one (semitones).
CLEFS = {"treble": (62, 79, 0.0), "bass": (41, 59, 0.0), "treble-8va": (74, 91, 4.0), "bass-8vb": (29, 47, 4.0)}
SATB = ("soprano", "alto", "tenor", "bass")
FEET = (35, 36, 44)


# Metre


@dataclass(frozen=True)
class Metre:
    """How a bar is divided: `levels` of boundaries from the bar line down, `unit` of tuplets, `beats`, `groups` of beams."""

    levels: tuple[tuple[int, ...], ...]
    unit: int
    beats: tuple[int, ...]
    groups: tuple[int, ...]
    compound: bool
    depth: dict[int, int] = field(hash=False, compare=False)

    @property
    def bar(self) -> int:
        """Length of the bar in ticks."""
        return self.levels[0][-1]


def _metre(boundaries: Iterable[Iterable[int]], unit: int, beats: int, groups: int, compound: bool) -> Metre:
    levels = tuple(tuple(level) for level in boundaries)
    depth = {tick: i for i in reversed(range(len(levels))) for tick in levels[i]}
    return Metre(levels, unit, levels[beats], levels[groups], compound, depth)


def _grouping(numerator: int, denominator: int) -> list[int]:
    """How the units of a bar are felt together, in the usual way where there is one."""
    compound = denominator >= 8 and numerator % 3 == 0
    if compound or (numerator == 6):
        return [3] * (numerator // 3)
    if numerator <= 3:
        return [1] * numerator
    if numerator == 7:
        return [2, 2, 3] if denominator >= 8 else [4, 3]
    if numerator % 2 == 0:
        return [2] * (numerator // 2)
    return [3] + [2] * ((numerator - 3) // 2)


@lru_cache(maxsize=64)
def metre_of(numerator: int, denominator: int) -> Metre:
    """The metre of a time signature.

    >>> metre_of(4, 4).levels[:3]
    ((0, 96), (0, 48, 96), (0, 24, 48, 72, 96))
    >>> metre_of(6, 8).beats
    (0, 36, 72)
    """
    if denominator == 64 and numerator % 2 == 0:
        return metre_of(numerator // 2, 32)
    if denominator == 64:
        raise ScoreError(f"a bar of {numerator}/64 is finer than the page's grid; write the piece in /32 or coarser")
    unit, grouping = 4 * GRID // denominator, _grouping(numerator, denominator)
    compound = denominator >= 8 and numerator % 3 == 0
    groups = [0, *(int(g) * unit for g in np.cumsum(grouping))]
    levels = [[0, groups[-1]]]
    if len(groups) == 5:
        levels.append(groups[::2])
    levels.append(groups)
    while levels[-1][1] > 3 and (step := unit) >= 3:
        levels.append(list(range(0, groups[-1] + 1, step)))
        unit = step // 2
    unique = [level for i, level in enumerate(levels) if i == 0 or level != levels[i - 1]]
    whole = 0 if (numerator, denominator) == (3, 4) else unique.index(groups)
    beam = groups if denominator >= 8 else list(range(0, groups[-1] + 1, min(GRID, groups[-1])))
    beats = unique.index(beam) if beam in unique else len(unique) - 1
    return _metre(unique, min(GRID, 4 * GRID // denominator), beats, min(whole, beats), compound)


@lru_cache(maxsize=8)
def _tuplet_metre(unit: int) -> Metre:
    """The inside of a triplet in place of `unit` ticks, in written ticks (one and a half times the real ones)."""
    whole = unit * 3 // 2
    levels = [[0, whole]] + [list(range(0, whole + 1, step)) for step in (unit // 2, unit // 4, unit // 8) if step >= 3]
    return _metre(levels, unit // 2, 0, 0, True)


def split(start: int, end: int, metre: Metre, rest: bool = False) -> list[tuple[int, int]]:
    """Written values of a note or rest in [start, end) of a bar, in ticks, to be tied.

    A note may hide a boundary of the metre only if it begins or ends on one as strong, or lies half a unit either side of
    it (quarter, half, quarter in 4/4); in compound time it may not hide a beat otherwise than by whole beats. A rest fills
    one division of the metre (after E. Gould, Behind Bars, 2011, pp. 152-170).

    >>> split(36, 72, metre_of(4, 4)), split(0, 48, metre_of(6, 8)), split(24, 72, metre_of(4, 4), rest=True)
    ([(36, 48), (48, 72)], [(0, 36), (36, 48)], [(24, 48), (48, 72)])
    """
    inside = [(metre.depth[t], t) for t in _points(metre, start, end)]
    if not inside or (_rest_stands if rest else _note_stands)(start, end, metre, min(inside)[0]):
        return [(start, end)]
    strongest = [t for level, t in inside if level == min(inside)[0]]
    cut = strongest[-1] if metre.depth[start] <= min(inside)[0] else strongest[0]
    return split(start, cut, metre, rest) + split(cut, end, metre, rest)


def _points(metre: Metre, start: int, end: int) -> tuple[int, ...]:
    finest = metre.levels[-1]
    return finest[bisect_right(finest, start) : bisect_left(finest, end)]


def _note_stands(start: int, end: int, metre: Metre, hidden: int) -> bool:
    if end - start not in VALUES:
        return False
    first, last = metre.depth[start], metre.depth[end]
    beat = metre.levels.index(metre.beats)
    if metre.compound and hidden <= beat:
        return max(first, last) <= beat
    if min(first, last) <= hidden:
        return True
    return first == last == hidden + 1 and metre.depth[(start + end) // 2] == hidden and end - start <= 2 * GRID


def _rest_stands(start: int, end: int, metre: Metre, hidden: int) -> bool:
    divisions = (end in level[bisect_right(level, start) :][:1] for level in metre.levels if start in level)
    ternary = metre.compound and metre.depth[start] < hidden and end - start == 2 * metre.unit
    return end - start in VALUES and (any(divisions) or ternary)


# The grid of the page


@dataclass(frozen=True)
class Bar:
    """A bar of the page: [start, end) in ticks, where it would begin if it were whole, and what is written at its start."""

    start: int
    end: int
    whole_start: int
    metre: Metre
    number: int
    time_signature: TimeSignature | None = None
    key: Key | None = None
    tempo_qpm: float | None = None


def _bar_lines(piece: Piece) -> list[tuple[int, int, TimeSignature]]:
    """Start on the page's grid, start on the piece's, and the time signature of each bar."""
    lines: list[tuple[int, int, TimeSignature]] = []
    per_quarter, at = piece.ticks_per_quarter, 0
    ends = [s.onset for s in piece.time_signatures[1:]] + [max(piece.length, piece.time_signatures[-1].onset)]
    for signature, end in zip(piece.time_signatures, ends):
        length, bar = signature.bar_ticks(per_quarter), metre_of(signature.numerator, signature.denominator).bar
        count = min(ceil((min(end, piece.length) - signature.onset) / length), MAX_BARS + 1 - len(lines))
        for i in range(count):
            lines.append((at + i * bar, signature.onset + i * length, signature))
        at += max(count, 0) * bar
        if len(lines) > MAX_BARS:
            raise ScoreError(
                f"the piece has over {MAX_BARS} bars, more than a score holds; take some: piece.bars(0, {MAX_BARS})"
            )
    return lines


def _to_page(piece: Piece, lines: list[tuple[int, int, TimeSignature]], ticks: Ints) -> Ints:
    """Ticks of the piece on the page's grid, rounded."""
    old, new = np.array([line[1] for line in lines]), np.array([line[0] for line in lines])
    bar = np.maximum(np.searchsorted(old, ticks, side="right") - 1, 0)
    return new[bar] + (2 * (ticks - old[bar]) * GRID + piece.ticks_per_quarter) // (2 * piece.ticks_per_quarter)


def _grid(offsets: Sequence[int], unit: int) -> int:
    """The step of the coarsest grid that meets these offsets within a unit well enough; each step has its price in ticks."""
    price = {24: -0.1, 12: 0.0, 6: 0.4, 8: 0.8, 4: 1.6, 3: 1.6, 2: 2.4}

    def cost(step: int) -> float:
        return price[step] + float(np.mean([abs(o - _near(o, step)) for o in offsets]))

    return min((step for step in price if unit % step == 0), key=cost)


def _near(tick: int, step: int) -> int:
    return (tick + step // 2) // step * step


def _zone_fits(offsets: Iterable[int], unit: int) -> bool:
    """Whether offsets within a unit can be written: all binary, all in a triplet, or each half by itself."""
    inside = sorted(set(offsets) - {0, unit})
    fine = 2 if unit < 12 else 4
    if all(o % 3 == 0 for o in inside) or all(o % fine == 0 for o in inside):
        return True
    halves = ([o for o in inside if o < 12], [o - 12 for o in inside if o > 12])
    return unit == 24 and 12 in inside and all(_zone_fits(h, 12) for h in halves)


class Sheet:
    """The notes on the page's grid while it is being laid out: `start`, `end` (notes,), moved where they must be."""

    def __init__(self, piece: Piece) -> None:
        self.piece = piece
        self.lines = _bar_lines(piece)
        self.line_starts = [line[0] for line in self.lines]
        self.start = _to_page(piece, self.lines, piece.onset)
        self.end = np.maximum(_to_page(piece, self.lines, piece.end), self.start + 1)
        exact = (piece.onset * GRID % piece.ticks_per_quarter == 0) & (piece.end * GRID % piece.ticks_per_quarter == 0)
        self.moved: set[int] = set(np.flatnonzero(~exact).tolist())
        self.lost: set[int] = set()
        self.kept = [self._settle(np.flatnonzero(piece.part == i), part.is_drum) for i, part in enumerate(piece.parts)]

    def unit_of(self, tick: int) -> tuple[int, int]:
        """Start and length of the tuplet unit in which `tick` lies."""
        line, _, signature = self.lines[max(bisect_right(self.line_starts, tick) - 1, 0)]
        unit = metre_of(signature.numerator, signature.denominator).unit
        return line + (tick - line) // unit * unit, unit

    def _settle(self, notes: Ints, is_drum: bool) -> Ints:
        """Bring a part that was played freely onto a grid, all of it; the notes that are left."""
        ticks = (self.start[notes],) if is_drum else (self.start[notes], self.end[notes])
        free = any(np.mean((t % 3 != 0) & (t % 4 != 0)) > 0.1 for t in ticks if len(t))
        if free:
            self._close_gaps(notes)
        if is_drum:
            self.end[notes] = self.start[notes] + 1
        return self.fit(notes, everywhere=free, only_onsets=is_drum)

    def _close_gaps(self, notes: Ints) -> None:
        """Let a note reach the next one where only articulation parts them: a quarter of its length, a sixteenth at most."""
        onsets = np.unique(self.start[notes])
        following = onsets[np.minimum(np.searchsorted(onsets, self.end[notes]), len(onsets) - 1)]
        gap = following - self.end[notes]
        close = (gap > 0) & (gap <= np.minimum((self.end - self.start)[notes] // 4 + 1, 6))
        self.end[notes[close]] = following[close]
        self.moved.update(notes[close].tolist())

    def fit(self, notes: Ints, everywhere: bool = False, only_onsets: bool = False) -> Ints:
        """Move onsets and ends in units that cannot be written as they are (or `everywhere`); the notes that are left."""
        for _ in range(4):  # a moved end can disturb the next unit
            moves, steps = self._moves(notes, everywhere, only_onsets)
            if not moves:
                break
            notes = self._move(notes, moves, steps)
        return notes

    def _moves(self, notes: Ints, everywhere: bool, only_onsets: bool) -> tuple[dict[int, int], dict[int, int]]:
        onsets = set(self.start[notes].tolist())
        ticks = onsets if only_onsets else onsets | set(self.end[notes].tolist())
        inside: dict[tuple[int, int], list[int]] = {}
        for tick in sorted(ticks):
            start, unit = self.unit_of(tick)
            inside.setdefault((start, unit), []).append(tick - start)
        moves: dict[int, int] = {}
        steps: dict[int, int] = {}
        for (start, unit), offsets in inside.items():
            if everywhere or not _zone_fits(offsets, unit):
                played = [o for o in offsets if start + o in onsets]
                step = min(unit, 12) if everywhere and not played else _grid(played or offsets, unit)
                moves |= {start + o: start + _near(o, step) for o in offsets}
                steps |= {start + o: min(step, 12) for o in offsets}
        return ({} if all(t == to for t, to in moves.items()) else moves), steps

    def _move(self, notes: Ints, moves: dict[int, int], steps: dict[int, int]) -> Ints:
        for note in notes.tolist():
            start, end = int(self.start[note]), int(self.end[note])
            self.start[note] = moves.get(start, start)
            self.end[note] = max(moves.get(end, end), self.start[note] + (steps.get(start, 1) if end in moves else 1))
            if self.start[note] != start or self.end[note] != end:
                self.moved.add(note)
        return self._untangle(notes)

    def _untangle(self, notes: Ints) -> Ints:
        """End each note where the same pitch begins again; leave out those that no time is left for."""
        order = notes[np.lexsort((self.start[notes], self.piece.pitch[notes]))]
        for one, two in pairwise(order.tolist()):
            if self.piece.pitch[one] == self.piece.pitch[two]:
                self.end[one] = min(self.end[one], self.start[two])
        lost = self.end[order] <= self.start[order]
        self.lost.update(order[lost].tolist())
        return np.sort(order[~lost])


# Spelling


def find_key(piece: Piece) -> Key:
    """The key of a piece by the method of Krumhansl and Schmuckler with Aarden's profiles, through music21.

    References
    ----------
    C. Krumhansl, Cognitive Foundations of Musical Pitch, 1990; B. Aarden, Dynamic Melodic Expectancy, 2003.
    """
    weights = np.bincount(piece.pitch[~piece.is_drum] % 12, piece.duration[~piece.is_drum], 12)
    if not weights.any():
        return Key(0, 0, "major")
    from music21 import analysis, note, stream

    # The method reads nothing but how long each pitch class sounds, so twelve notes stand for any number.
    tones = [note.Note(60 + pc, quarterLength=float(w / weights.sum())) for pc, w in enumerate(weights) if w]
    found = analysis.discrete.AardenEssen().getSolution(stream.Stream(tones))
    fifths = found.sharps if abs(found.sharps) <= 6 else found.sharps - 12 * int(np.sign(found.sharps))
    return Key(0, fifths, found.mode)


def scale_of(key: Key) -> dict[int, int]:
    """Pitch class -> position on the line of fifths of the notes of a key; in minor the raised sixth and seventh too.

    >>> scale_of(Key(0, 2, "minor"))[10]  # A sharp in B minor
    10
    """
    steps = [*range(key.fifths - 1, key.fifths + 6)] + ([key.fifths + 6, key.fifths + 8] if key.mode == "minor" else [])
    return {7 * x % 12: x for x in steps}


def spell(piece: Piece, keys: Sequence[Key]) -> Ints:
    """Position of each note on the line of fifths, (notes,), by key, harmony and voice leading; drums get 0.

    Notes of the key are spelled by it. A chromatic note takes the spelling nearer to the mean position of the key and the
    notes sounding about it, as in Temperley's theory, and one that moves on by a semitone leans to a new letter.

    References
    ----------
    D. Temperley, The Cognition of Basic Musical Structures, 2001, chapter 5.
    """
    in_force = np.searchsorted([k.onset for k in keys], piece.onset, side="right") - 1
    scales = [scale_of(key) for key in keys]
    place = np.full(piece.num_notes, np.nan)
    for i, (pitch, k) in enumerate(zip(piece.pitch.tolist(), in_force.tolist())):
        place[i] = scales[max(k, 0)].get(pitch % 12, np.nan)
    place[piece.is_drum] = 0
    after = _next_in_part(piece)
    for i in np.flatnonzero(np.isnan(place)).tolist():
        place[i] = _chromatic(piece, i, keys[max(in_force[i], 0)], place, after[i])
    return place.astype(np.int64)


def _next_in_part(piece: Piece) -> list[int]:
    """Semitones from each note to the nearest in pitch of the next onset of its part; 0 where there is none."""
    steps = [0] * piece.num_notes
    for index in range(len(piece.parts)):
        notes = np.flatnonzero(piece.part == index)
        onsets, first = np.unique(piece.onset[notes], return_index=True)
        chords = np.split(notes, first[1:])
        for note in notes.tolist():
            follow = int(np.searchsorted(onsets, piece.onset[note], side="right"))
            if follow < len(onsets) and onsets[follow] <= piece.end[note] + piece.ticks_per_quarter:
                leaps = piece.pitch[chords[follow]] - piece.pitch[note]
                steps[note] = int(leaps[np.argmin(np.abs(leaps))])
    return steps


def _chromatic(piece: Piece, note: int, key: Key, place: np.ndarray, step: int) -> int:
    centre = key.fifths + (2.3 if key.mode == "major" else 3.5)
    reach = 2 * piece.ticks_per_quarter
    low, high = np.searchsorted(piece.onset, [piece.onset[note] - 2 * reach, piece.onset[note] + reach // 2 + 1])
    near = slice(max(low, note - 64), min(high, note + 64))
    gap = np.maximum(piece.onset[near] - piece.end[note], piece.onset[note] - piece.end[near])
    weight = np.where(gap < 0, 1.0, np.exp(-np.maximum(gap, 0) / reach) / 2) * ~(np.isnan(place[near]) | piece.is_drum[near])
    mean = (2 * centre + np.nansum(weight * np.nan_to_num(place[near]))) / (2 + weight.sum())
    residue = 7 * int(piece.pitch[note]) % 12
    raised = residue + 12 * ceil((mean - residue) / 12)
    lean = {1: 3.0, -1: -3.0}.get(step, 0.0)
    return raised if raised - mean <= mean - (raised - 12) + lean else raised - 12


# Staves and voices


@dataclass(frozen=True)
class Fragment:
    """A rest, note or chord of one written value: its real time in ticks, value, dots, notes (indices) and what joins it."""

    start: int
    duration: int
    value: str
    dots: int = 0
    notes: tuple[int, ...] = ()
    tied_from: frozenset[int] = frozenset()
    tied_to: frozenset[int] = frozenset()
    tuplet: tuple[int, int] | None = None
    tuplet_zone: tuple[int, int] | None = None
    beams: tuple[str, ...] = ()
    hidden: bool = False


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
    """A piece as it stands on the page; `place` spells its notes (line of fifths), `remarks` say what is not as it was."""

    piece: Piece
    bars: tuple[Bar, ...]
    players: tuple[Player, ...]
    place: Ints
    remarks: tuple[str, ...]


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
            f"the piece has {piece.num_notes} notes; a score holds {MAX_NOTES}; take some bars: piece.bars(0, 100)"
        )
    sheet = Sheet(piece)
    keys = piece.keys or (find_key(piece),)
    bars, remarks = _bars(sheet, keys)
    players = tuple(_engrave_player(sheet, bars, *layout) for layout in _layouts(sheet, short_score))
    if not piece.keys and not piece.is_drum.all():
        remarks.append(f"the piece names no key; {keys[0].name} was found from its notes")
    return Notation(piece, bars, players, spell(piece, keys), tuple(remarks + _losses(sheet)))


def _losses(sheet: Sheet) -> list[str]:
    said = []
    if sheet.moved:
        said.append(
            f"{len(sheet.moved)} of {sheet.piece.num_notes} notes do not lie on written values; the page shows the nearest"
        )
    if sheet.lost:
        said.append(f"{len(sheet.lost)} notes are too short and close for the page and were left out")
    return said


def _bars(sheet: Sheet, keys: Sequence[Key]) -> tuple[tuple[Bar, ...], list[str]]:
    lines, remarks = sheet.lines, []
    used = np.concatenate(sheet.kept)
    length = max(lines[-1][0] + 1, int(sheet.end[used].max()))
    while lines[-1][0] + metre_of(*lines[-1][2][1:]).bar < length:  # a note moved over the last bar line
        lines.append((lines[-1][0] + metre_of(*lines[-1][2][1:]).bar, -1, lines[-1][2]))
    ends = [line[0] for line in lines[1:]] + [lines[-1][0] + metre_of(*lines[-1][2][1:]).bar]
    pickup = _pickup(sheet, int(sheet.start[used].min()), ends[0]) if len(lines) > 1 else 0
    starts = [pickup, *(line[0] for line in lines[1:])]
    if pickup and (ends[-1] - (ends[0] - pickup)) >= int(sheet.end[used].max()):
        shorter = ends[-1] - (ends[0] - pickup)
        ends[-1] = shorter if shorter % sheet.unit_of(shorter)[1] == 0 or not _ternary_near(sheet, shorter) else ends[-1]
    tempi, skipped = _tempo_marks(sheet.piece, lines)
    if skipped:
        remarks.append(
            f"{skipped} of {len(sheet.piece.tempi)} tempo changes are too small or too close to stand on the page"
        )
    key_at = {_bar_of(lines, key.onset): key for key in keys}
    key_at.setdefault(0, keys[0])
    bars = []
    for i, (start, end, (whole, _, signature)) in enumerate(zip(starts, ends, lines)):
        metre = metre_of(signature.numerator, signature.denominator)
        new = signature if i == 0 or signature != lines[i - 1][2] else None
        bars.append(Bar(start, end, whole, metre, i if pickup else i + 1, new, key_at.get(i), tempi.get(i)))
    return tuple(bars), remarks


def _bar_of(lines: list[tuple[int, int, TimeSignature]], onset: int) -> int:
    known = [line[1] for line in lines if line[1] >= 0]
    return max(bisect_right(known, onset) - 1, 0)


def _pickup(sheet: Sheet, first: int, bar: int) -> int:
    """Where a pick-up bar begins; 0 for a whole bar."""
    signature = sheet.piece.time_signatures[0]
    beat = signature.beat_ticks(GRID)
    start = first if first % 3 == 0 else sheet.unit_of(first)[0]
    return start if beat <= start < bar else 0


def _ternary_near(sheet: Sheet, tick: int) -> bool:
    start, unit = sheet.unit_of(tick)
    ticks = np.concatenate([sheet.start, sheet.end])
    return bool(np.any((ticks[(ticks > start) & (ticks < start + unit)] - start) % 3))


def _tempo_marks(piece: Piece, lines: list[tuple[int, int, TimeSignature]]) -> tuple[dict[int, float], int]:
    """Tempo marks by bar: the first, and later ones that differ by a tenth from the last, four bars apart at least."""
    marks = {0: piece.tempo_qpm}
    for tempo in piece.tempi[1:]:
        bar, last = _bar_of(lines, tempo.onset), max(marks)
        if abs(tempo.qpm / marks[last] - 1) > 0.1 and bar >= last + 4:
            marks[bar] = tempo.qpm
    return marks, len(piece.tempi) - len(marks)


Layout = tuple[str, Part, list[tuple[str, list[Ints]]]]


def _layouts(sheet: Sheet, short_score: bool) -> list[Layout]:
    """Name, part, and staves (clef, voices) of each player."""
    piece, kept = sheet.piece, sheet.kept
    shown = [i for i, notes in enumerate(kept) if len(notes)]
    if short_score and _is_chorale(sheet, shown):
        high, low = (["Soprano", "Alto"], ["Tenor", "Bass"])
        pairs = ((high, "treble", shown[:2]), (low, "bass", shown[2:]))
        return [("\n".join(names), piece.parts[two[0]], [(clef, [kept[i] for i in two])]) for names, clef, two in pairs]
    return [(_name(piece.parts[i], len(shown)), piece.parts[i], _staves(sheet, i)) for i in shown]


def _is_chorale(sheet: Sheet, shown: list[int]) -> bool:
    """Four single voices, from the highest down, of names that say so or of one instrument."""
    parts = [sheet.piece.parts[i] for i in shown]
    if len(shown) != 4 or any(part.is_drum for part in parts):
        return False
    named = all(part.name.lower().startswith(voice[0]) for part, voice in zip(parts, SATB)) and parts[0].name != ""
    if not named and len({(part.program, part.name) for part in parts}) > 1:
        return False
    single = all(np.all(sheet.end[n][:-1] <= sheet.start[n][1:]) for n in (sheet.kept[i] for i in shown))
    means = [sheet.piece.pitch[sheet.kept[i]].mean() for i in shown]
    return bool(single and means == sorted(means, reverse=True))


def _name(part: Part, players: int) -> str:
    if part.name or players == 1:
        return part.name
    if part.is_drum:
        return "Drums"
    from music21 import instrument

    try:
        return instrument.instrumentFromMidiProgram(part.program).instrumentName or f"Program {part.program}"
    except instrument.InstrumentException:
        return f"Program {part.program}"


def _staves(sheet: Sheet, index: int) -> list[tuple[str, list[Ints]]]:
    part, notes, pitch = sheet.piece.parts[index], sheet.kept[index], sheet.piece.pitch
    if part.is_drum:
        feet = np.isin(pitch[notes], FEET)
        voices = [notes[~feet], notes[feet]]
        for voice in voices:
            _lengthen_hits(sheet, voice)
        return [("percussion", voices)]
    low, high = pitch[notes].min(), pitch[notes].max()
    chords = bool(np.any(sheet.end[notes][:-1] > sheet.start[notes][1:]))
    if part.program <= 7 and low < 55 and high > 64 and chords:
        right = _right_hand(sheet, notes)
        return [("treble", _voices(sheet, notes[right])), ("bass", _voices(sheet, notes[~right]))]
    return [(_clef(part, pitch[notes]), _voices(sheet, notes))]


def _lengthen_hits(sheet: Sheet, notes: Ints) -> None:
    """Write each hit up to the next one of its voice, or to the end of the beat."""
    onsets = np.unique(sheet.start[notes])
    for note in notes.tolist():
        start = int(sheet.start[note])
        line, _, signature = sheet.lines[bisect_right(sheet.line_starts, start) - 1]
        beat = min(signature.beat_ticks(GRID), 36)
        following = onsets[np.searchsorted(onsets, start, side="right") :][:1]
        sheet.end[note] = min([line + ((start - line) // beat + 1) * beat, *following.tolist()])


def _right_hand(sheet: Sheet, notes: Ints) -> np.ndarray:
    """Whether each note goes to the upper staff: a chord within an octave stays whole, a wide one is parted."""
    right, last = np.zeros(len(notes), bool), {True: 67.0, False: 48.0}
    starts = sheet.start[notes]
    for start in np.unique(starts):
        here = np.flatnonzero(starts == start)
        pitch = np.sort(sheet.piece.pitch[notes[here]])
        if pitch[-1] - pitch[0] <= 12:
            middle = float(pitch.mean())
            near = abs(middle - last[True]) <= abs(middle - last[False]) if 55 <= middle <= 65 else middle >= 60
            right[here] = near
            last[bool(near)] = middle
        else:
            gaps = np.diff(pitch) - np.abs((pitch[:-1] + pitch[1:]) / 2 - 60) / 4
            bound = pitch[np.argmax(gaps)] + 0.5
            right[here] = sheet.piece.pitch[notes[here]] > bound
            last = {True: float(pitch[pitch > bound].mean()), False: float(pitch[pitch < bound].mean())}
    return right


def _clef(part: Part, pitch: Ints) -> str:
    """The clef that needs the fewest ledger lines; alto for violas, treble an octave down for tenors and guitars."""
    choices = dict(CLEFS)
    if part.program == 41:
        choices["alto"] = (52, 69, -3.0)
    if 24 <= part.program <= 31 or part.name.lower().startswith("tenor"):
        choices["treble-8vb"] = (50, 67, -1.0)

    def cost(clef: str) -> float:
        low, high, price = choices[clef]
        return price + float(np.mean(np.maximum(0, low - pitch) + np.maximum(0, pitch - high)))

    return min(choices, key=cost)


def _voices(sheet: Sheet, notes: Ints) -> list[Ints]:
    """Two voices where notes of different length overlap: of two that sound together the higher goes to the first."""
    chords: dict[tuple[int, int], list[int]] = {}
    for note in notes.tolist():
        chords.setdefault((int(sheet.start[note]), int(sheet.end[note])), []).append(note)
    spans = sorted(chords, key=lambda span: (span[0], -float(np.mean(sheet.piece.pitch[chords[span]]))))
    mean = {span: float(np.mean(sheet.piece.pitch[chords[span]])) for span in spans}
    rank = dict.fromkeys(spans, 0)
    sounding: list[tuple[int, int]] = []
    for span in spans:
        sounding = [other for other in sounding if other[1] > span[0]]
        for other in sounding:
            above = 1 if mean[span] > mean[other] else -1
            rank[span], rank[other] = rank[span] + above, rank[other] - above
        sounding.append(span)
    voices: tuple[list[int], list[int]] = ([], [])
    free = [0, 0]
    for span in spans:
        wanted = int(rank[span] < 0)
        voice = 1 - wanted if free[wanted] > span[0] >= free[1 - wanted] else wanted
        voices[voice].extend(chords[span])
        free[voice] = max(free[voice], span[1])
    return [np.array(sorted(v), np.int64) for v in voices if v]


# Written values


def _engrave_player(
    sheet: Sheet, bars: Sequence[Bar], name: str, part: Part, staves: list[tuple[str, list[Ints]]]
) -> Player:
    built = []
    for clef, voices in staves:
        by_voice = [_slices(sheet, sheet.fit(voice), bars) for voice in voices]
        equal = "\n" in name
        built.append(
            Staff(clef, tuple(_staff_bar(sheet, bar, [v[i] for v in by_voice], equal) for i, bar in enumerate(bars)))
        )
    return Player(name, part.program, part.is_drum, tuple(built))


Slice = tuple[int, int, tuple[int, ...]]


def _slices(sheet: Sheet, notes: Ints, bars: Sequence[Bar]) -> list[list[Slice]]:
    """The voice cut wherever a note begins or ends, and at bar lines: for each bar, (start, end, notes sounding)."""
    cuts: dict[int, tuple[list[int], list[int]]] = {}
    for note in notes.tolist():
        cuts.setdefault(int(sheet.start[note]), ([], []))[0].append(note)
        cuts.setdefault(int(sheet.end[note]), ([], []))[1].append(note)
    for bar in bars:
        cuts.setdefault(bar.start, ([], []))
    cuts.setdefault(bars[-1].end, ([], []))
    starts, sounding = [bar.start for bar in bars], set()
    result: list[list[Slice]] = [[] for _ in bars]
    for start, end in pairwise(sorted(cuts)):
        sounding |= set(cuts[start][0])
        sounding -= set(cuts[start][1])
        chord = tuple(sorted(sounding, key=lambda n: int(sheet.piece.pitch[n])))
        this = result[bisect_right(starts, start) - 1]
        if this and not chord and not this[-1][2]:
            this[-1] = (this[-1][0], end, ())
        else:
            this.append((start, end, chord))
    return result


def _staff_bar(sheet: Sheet, bar: Bar, voices: list[list[Slice]], equal: bool) -> dict[int, list[Fragment]]:
    """The voices of a bar; a voice with nothing to say is left out, and only the first shows its rests, unless `equal`."""
    busy = [i for i, slices in enumerate(voices) if any(s[2] for s in slices)]
    if not busy or (len(busy) == 1 and not voices[busy[0]]):
        whole = bar.metre.bar == bar.end - bar.start
        rest = [Fragment(bar.start, bar.end - bar.start, "bar")]
        return {1: rest if whole else _fragments(sheet, bar, [(bar.start, bar.end, ())])}
    built = {i + 1: _fragments(sheet, bar, voices[i]) for i in busy}
    for number in list(built)[1:]:
        if not equal:
            built[number] = [replace(f, hidden=True) if not f.notes else f for f in built[number]]
    return built


def _fragments(sheet: Sheet, bar: Bar, slices: list[Slice]) -> list[Fragment]:
    points = sorted({tick - bar.whole_start for s in slices for tick in s[:2]})
    fragments = []
    for low, high, tuplet in _zones(points, bar.metre):
        for start, end, notes in slices:
            a, b = max(start - bar.whole_start, low), min(end - bar.whole_start, high)
            if a < b:
                fragments += _written(sheet, bar, (a, b), notes, (low, high) if tuplet else None)
    return _beamed(_counted(fragments), bar)


def _zones(points: list[int], metre: Metre) -> list[tuple[int, int, bool]]:
    """Cut a bar into stretches of binary values and tuplets, given where something begins or ends."""
    zones: list[tuple[int, int, bool]] = []
    at = 0
    while at < metre.bar:
        size, tuplet = _zone(at, points, metre)
        if zones and not tuplet and not zones[-1][2]:
            zones[-1] = (zones[-1][0], at + size, False)
        else:
            zones.append((at, at + size, tuplet))
        at += size
    return zones


def _zone(at: int, points: list[int], metre: Metre) -> tuple[int, bool]:
    for size in (96, 48):  # triplets of half and quarter notes
        inside = _inside(points, at, size)
        aligned = metre.unit == GRID and at % GRID == 0 and (at % size == 0 or metre.bar % size != 0)
        fine = all(t % (size // 3) == 0 for t in inside) or (size == 48 and {16, 32} <= set(inside) and 24 not in inside)
        if aligned and inside and fine and all(t % 8 == 0 for t in inside) and metre.bar >= at + size:
            return size, True
    unit = metre.unit
    inside = _inside(points, at, unit)
    halves = [any(t % 3 for t in inside if low < t < low + 12) for low in (0, 12)]
    if unit == GRID and 12 in inside and sum(halves) == 1:
        return 12, halves[0]
    if at % unit:
        return unit - at % unit, any(t % 3 for t in _inside(points, at, unit - at % unit))
    return unit, any(t % 3 for t in inside)


def _inside(points: list[int], at: int, size: int) -> list[int]:
    return [t - at for t in points[bisect_right(points, at) : bisect_left(points, at + size)]]


def _written(
    sheet: Sheet, bar: Bar, span: tuple[int, int], notes: tuple[int, ...], zone: tuple[int, int] | None
) -> list[Fragment]:
    """One slice as one or several written values."""
    if zone is None:
        parts = [(a, b, b - a) for a, b in split(*span, bar.metre, rest=not notes)]
    else:
        low, inner = zone[0], _tuplet_metre(zone[1] - zone[0])
        nominal = split((span[0] - low) * 3 // 2, (span[1] - low) * 3 // 2, inner, rest=not notes)
        parts = [(low + a * 2 // 3, low + b * 2 // 3, b - a) for a, b in nominal]
    result = []
    for a, b, written in parts:
        start, end = a + bar.whole_start, b + bar.whole_start
        before = frozenset(n for n in notes if sheet.start[n] < start)
        after = frozenset(n for n in notes if sheet.end[n] > end)
        ratio = (3, 2) if zone else None
        result.append(Fragment(start, b - a, *VALUES[written], notes, before, after, ratio, zone))
    return result


def _counted(fragments: list[Fragment]) -> list[Fragment]:
    """Call a tuplet of nothing longer than sixteenths in a quarter a sextuplet."""
    zones = {f.tuplet_zone for f in fragments if f.tuplet_zone and f.tuplet_zone[1] - f.tuplet_zone[0] == GRID}
    six = {z for z in zones if all(f.value in ("16th", "32nd") for f in fragments if f.tuplet_zone == z)}
    return [replace(f, tuplet=(6, 4)) if f.tuplet_zone in six else f for f in fragments]


# Beams


def _beamed(fragments: list[Fragment], bar: Bar) -> list[Fragment]:
    groups = [_beam_group(f, fragments, bar) for f in fragments]
    result, run = [], []
    for i, fragment in enumerate(fragments):
        run.append(fragment)
        ends = i + 1 == len(fragments) or groups[i] is None or groups[i + 1] != groups[i]
        if ends:
            result += _beam_run(run) if len(run) > 1 else run
            run = []
    return result


def _beam_group(fragment: Fragment, fragments: list[Fragment], bar: Bar) -> tuple[str, int] | None:
    """What the beam of a fragment belongs to: a beat, several if all are in eighths, a long tuplet; None: no beam."""
    if not fragment.notes or fragment.value not in FLAGS:
        return None
    zone, at = fragment.tuplet_zone, fragment.start - bar.whole_start
    if zone and zone[1] - zone[0] > GRID:
        return "tuplet", zone[0]
    groups = bar.metre.groups
    group = bisect_right(groups, at) - 1
    low, high = groups[group] + bar.whole_start, groups[group + 1] + bar.whole_start
    short = [f for f in fragments if low <= f.start < high and f.notes and f.value in FLAGS]
    if all((f.value, f.dots, f.tuplet) == ("eighth", 0, None) for f in short):
        return "group", group
    return "beat", bisect_right(bar.metre.beats, at)


def _beam_run(run: list[Fragment]) -> list[Fragment]:
    flags = [FLAGS[f.value] for f in run]
    return [replace(f, beams=tuple(_beam(flags, i, level) for level in range(1, flags[i] + 1))) for i, f in enumerate(run)]


def _beam(flags: list[int], i: int, level: int) -> str:
    before = i > 0 and flags[i - 1] >= level
    after = i + 1 < len(flags) and flags[i + 1] >= level
    if before or after:
        return "continue" if before and after else "end" if before else "begin"
    return "forward hook" if i == 0 else "backward hook"
