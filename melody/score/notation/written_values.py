"""Written values: a voice cut into bars, ties, tuplets, rests and beams.

Conventions
-----------
A `Fragment` is what one sign on the page stands for. Its times are in ticks of the page, real ones: a triplet eighth lasts
8 ticks and has the value "eighth".
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from melody.piece import Ints
from melody.score.notation.metre import GRID, VALUES, Metre, split, tuplet_metre
from melody.score.notation.sheet import Bar, Sheet

FLAGS = {"eighth": 1, "16th": 2, "32nd": 3}
Slice = tuple[int, int, tuple[int, ...]]


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


def slices_of(sheet: Sheet, notes: Ints, bars: Sequence[Bar]) -> list[list[Slice]]:
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


def staff_bar(sheet: Sheet, bar: Bar, voices: list[list[Slice]], equal: bool) -> dict[int, list[Fragment]]:
    """The voices of a bar without those that are silent; only the first shows its rests, unless they are `equal`."""
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
        low, inner = zone[0], tuplet_metre(zone[1] - zone[0])
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
