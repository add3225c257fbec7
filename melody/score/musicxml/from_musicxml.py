"""MusicXML -> `Piece`, as it sounds: the bars of all parts side by side, ties joined.

Conventions
-----------
A bar is as long as the longest of its parts, so that no part runs out of step; a bar in which no part has anything has the
length of its metre. Bars whose length is not the metre's get a time signature of their own, but for a pick-up, which becomes
a rest at the start of bar 0, for two bars that make up one, as at a repeat, and for a short last bar. Repeats are not played
out. The pedal is that of the first keyboard that has marks of it. Times are in units (see `elements`) until a `Piece` is
made, on 24 ticks a quarter; on 48 if bar lines need it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import ceil
from typing import NamedTuple
from xml.etree.ElementTree import Element

import numpy as np

from melody.errors import ScoreError
from melody.piece import TICKS_PER_QUARTER, Key, Part, Pedal, Piece, Tempo, TimeSignature
from melody.score.musicxml.elements import UNITS
from melody.score.musicxml.part_reader import MAX_NOTES, Bar, Note, PartReader, Player
from melody.score.musicxml.xml_stream import read_document
from melody.score.musicxml.xml_text import text_of
from melody.signatures import time_signature_of

MAX_PARTS = 256
MAX_QUARTERS = 500_000
MAX_CHANGES = 50_000  # of tempo, key and metre
_MAX_HELD = 32  # notes of one pitch that wait for the end of their tie
_FINEST = UNITS // 16  # a sixty-fourth note: bars are whole numbers of it
_NEAR = UNITS // 24
_ROUNDED = UNITS // 8  # a bar that misses its metre by less than a thirty-second was rounded by whoever wrote it


def read_musicxml(content: bytes) -> tuple[Piece, list[str]]:
    """The piece in the bytes of a MusicXML file, plain or compressed, and what had to be repaired, in sentences.

    Raises
    ------
    ScoreError
        If it is no MusicXML, has no notes or is larger than a score may be.
    """
    repairs: list[str] = []
    score = _Score()
    read_document(text_of(content, repairs), score, repairs)
    return score.piece(repairs), repairs


class Line(NamedTuple):
    """A bar line: where the bar begins, how long it is, and what metre is in force, None for none."""

    start: int
    length: int
    metre: TimeSignature | None

    @property
    def nominal(self) -> int:
        """The length that the metre wants, or else the one it has."""
        return _length_of(self.metre) or self.length


class _Score:
    """Takes what is found in a document."""

    def __init__(self) -> None:
        self.title = ""
        self.players: dict[str, Player] = {}
        self.parts: dict[str, PartReader] = {}

    def header(self, element: Element) -> None:
        """Take the title or the list of parts."""
        if element.tag == "part-list":
            for part in element.iterfind("score-part"):
                self.players.setdefault(part.get("id", ""), Player.of(part))
        else:
            text = element.findtext("work-title") if element.tag == "work" else element.text
            self.title = self.title or " ".join((text or "").split())

    def bar(self, part: str, index: int, element: Element | None) -> None:
        """Take a bar."""
        if part not in self.parts:
            if len(self.parts) >= MAX_PARTS:
                raise ScoreError(f"has more than {MAX_PARTS} parts; split it into smaller scores")
            self.parts[part] = PartReader(self.players.get(part.partition("#")[0], Player()))
        self.parts[part].read(index, element)

    def piece(self, repairs: list[str]) -> Piece:
        """All that was found, as a piece."""
        parts = list(self.parts.values())
        notes = sum(part.num_notes for part in parts)
        if not notes:
            raise ScoreError(". ".join(["has no notes; give a score with notes", *(repairs + list(_troubles(parts)))[:2]]))
        if notes > MAX_NOTES:
            raise ScoreError(f"has {notes:,} notes; the limit is {MAX_NOTES:,}; split it into shorter scores")
        repairs += _troubles(parts)
        return _Page(parts, repairs).piece(self.title)


def _troubles(parts: Iterable[PartReader]) -> Iterator[str]:
    for part in parts:
        for what, bars in part.troubles.items():
            where = f"bar{'s' * (len(set(bars)) > 1)} {', '.join(str(bar) for bar in sorted(set(bars))[:4])}"
            more = " and others" if len(set(bars)) > 4 else ""
            yield f"{where}{more}{f' of {part.player.name[:40]}' * bool(part.player.name)}: {what}, left out ({len(bars)})"


class _Page:
    """The parts side by side."""

    def __init__(self, parts: list[PartReader], repairs: list[str]) -> None:
        self.parts = parts
        self.repairs = repairs
        self.lines = list(_lines([part.bars for part in parts], repairs))
        first = self.lines[0]
        short = first.nominal - first.length
        self.shift = short if short > 0 and len(self.lines) > 1 else 0
        self.grid = _grid_of(self.lines)

    def piece(self, title: str) -> Piece:
        """What is on it."""
        rows: list[tuple[int, int, int, int, int]] = []
        players: list[Part] = []
        for part in self.parts:
            sounding = list(self._sounding(part.bars))
            kinds = sorted({note.is_drum for note in sounding}) or [part.player.first.channel == 10]
            for is_drum in kinds:
                notes = [note for note in sounding if note.is_drum == is_drum]
                rows += [(*row, len(players)) for row in _without_overlap(map(self._row, notes))]
                players.append(Part(_program(part.player, is_drum), is_drum, part.player.name))
        onset, duration, pitch, velocity, index = np.array(rows, np.int64).T
        signatures, tempi, keys = list(self._signatures()), self._tempi(), self._keys()
        if (changes := len(signatures) + len(tempi) + len(keys)) > MAX_CHANGES:
            raise ScoreError(f"has {changes:,} changes of metre, tempo and key; the limit is {MAX_CHANGES:,}")
        return Piece(
            onset,
            duration,
            pitch,
            velocity,
            index,
            tuple(players),
            tuple(signatures),
            tuple(tempi),
            tuple(keys),
            title,
            ticks_per_quarter=self.grid,
            pedals=self._pedals(),
        )

    def tick(self, units: int) -> int:
        """The nearest tick."""
        return (2 * units * self.grid + UNITS) // (2 * UNITS)

    def at(self, bar: int, position: int) -> int:
        """A place in a bar, in units from the start of the piece; the first bar's begins with the pick-up's rest."""
        return self.lines[bar].start + position + (self.shift if bar or position else 0)

    def _row(self, note: Note) -> tuple[int, int, int, int]:
        onset = self.tick(note.onset + self.shift)
        return onset, max(self.tick(note.onset + note.duration + self.shift) - onset, 1), note.pitch, note.velocity

    def _sounding(self, bars: list[Bar]) -> Iterator[Note]:
        """The notes of a part in time from its first bar on, ties joined."""
        waiting: dict[tuple[int, bool], list[Note]] = {}
        for i, bar in enumerate(bars):
            start = self.lines[i].start
            earliest = self.lines[i - 1].start if i else 0
            for note in sorted(bar.notes):
                note = note._replace(onset=start + note.onset)
                before = _tied_to(waiting.get((note.pitch, note.is_drum), []), note, start, earliest) if note.tied else None
                if before is not None:
                    note = before._replace(duration=note.onset + note.duration - before.onset, tied_on=note.tied_on)
                if note.tied_on:
                    held = waiting.setdefault((note.pitch, note.is_drum), [])
                    held.append(note)
                    if len(held) > _MAX_HELD:
                        yield held.pop(0)
                else:
                    yield note
            for key, held in list(waiting.items()):  # what was not tied on by the end of the next bar never will be
                yield from (n for n in held if n.onset + n.duration < start)
                if left := [n for n in held if n.onset + n.duration >= start]:
                    waiting[key] = left
                else:
                    del waiting[key]
        for held in waiting.values():
            yield from held

    def _signatures(self) -> Iterator[TimeSignature]:
        at, previous, lines = 0, None, self.lines
        lengths = [self.shift + lines[0].length, *(line.length for line in lines[1:])]
        i = 0
        while i < len(lines):
            length, whole, metre = lengths[i], lines[i].nominal, lines[i].metre
            if length < whole and i + 1 < len(lines) and length + lengths[i + 1] == whole:
                i, length = i + 1, whole
            last = i + 1 == len(lines)
            found = metre if metre and (length == whole or (last and length < whole)) else _signature_of(length)
            if previous is None or found[1:] != previous[1:]:
                yield found._replace(onset=self.tick(at))
            previous, at, i = found, at + length, i + 1

    def _keys(self) -> list[Key]:
        """The keys of the first part that has any and plays more than drums."""
        found: dict[int, Key] = {}
        for part in self.parts:
            if part.player.first.channel == 10 or any(note.is_drum for bar in part.bars for note in bar.notes):
                continue
            for i, bar in enumerate(part.bars):
                for position, key in bar.keys:
                    tick = self.tick(self.at(i, position))
                    found[tick] = key._replace(onset=tick)
            if found:
                break
        return [found[tick] for tick in sorted(found)]

    def _pedals(self) -> tuple[Pedal, ...]:
        """The presses of the first keyboard that has any; a mark to go down while it is down lifts it first."""
        for part in self.parts:
            starts = [line.start + self.shift for line in self.lines]
            turns = [(self.tick(start + at), down) for start, bar in zip(starts, part.bars) for at, down in bar.turns]
            if turns and Part(_program(part.player, False), part.player.first.channel == 10).is_keyboard:
                end = self.tick(self.lines[-1].start + self.lines[-1].length + self.shift)
                return tuple(_presses(sorted(turns, key=lambda turn: turn[0]), end))
        return ()

    def _tempi(self) -> list[Tempo]:
        found: dict[int, Tempo] = {}
        for part in self.parts:
            own: dict[int, Tempo] = {}
            for i, bar in enumerate(part.bars):
                for position, quarters in bar.tempi:
                    tick = self.tick(self.at(i, position))
                    if 60e6 / 2**24 < quarters <= 60e6:
                        own[tick] = Tempo.from_qpm(tick, quarters)
            found = own | found
        found.setdefault(0, Tempo(0, 500_000))
        return [found[tick] for tick in sorted(found)]


def _presses(turns: Iterable[tuple[int, bool]], end: int) -> Iterator[Pedal]:
    """The presses that turns make, in their order; one that is never let go lasts to the end."""
    since: int | None = None
    for tick, down in (*turns, (end, False)):
        if since is not None and tick > since:
            yield Pedal(since, tick)
        since = tick if down else None


def _program(player: Player, is_drum: bool) -> int:
    known = [i for i in player.instruments.values() if (i.channel == 10 or i.drum is not None) == is_drum]
    return next((i.program for i in known or player.instruments.values() if i.program is not None), 0)


def _tied_to(waiting: list[Note], note: Note, start: int, earliest: int) -> Note | None:
    """The note that this one prolongs, out of those that wait; it ends there, or in the bar before if this begins one."""
    at_bar_line = note.onset == start
    ends = [n.onset + n.duration for n in waiting]
    fits = [i for i, end in enumerate(ends) if abs(note.onset - end) < _NEAR or (at_bar_line and earliest < end <= start)]
    if not fits:
        return None
    return waiting.pop(min(fits, key=lambda i: abs(note.onset - ends[i])))


def _without_overlap(notes: Iterable[tuple[int, int, int, int]]) -> Iterator[tuple[int, int, int, int]]:
    """Notes (onset, duration, pitch, velocity) of which each ends where its pitch begins again; of a unison the longest."""
    rows = sorted(notes, key=lambda n: (n[2], n[0], n[1]))
    for row, following in zip(rows, [*rows[1:], None]):
        onset, duration, pitch, velocity = row
        if following and following[2] == pitch:
            duration = min(duration, following[0] - onset)
        if duration > 0:
            yield onset, duration, pitch, velocity


def _lines(parts: list[list[Bar]], repairs: list[str]) -> Iterator[Line]:
    """The bar lines that all parts have in common."""
    start, filled = 0, []
    for i in range(max(len(bars) for bars in parts)):
        bars = [own[i] for own in parts if i < len(own)]
        metre = bars[0].metre
        wanted = _common_length(bars, _length_of(metre))
        length = _written_length(wanted, _length_of(metre))
        if length - wanted > _NEAR:
            filled.append(i + 1)
        yield Line(start, length, metre)
        start += length
        if start > MAX_QUARTERS * UNITS:
            raise ScoreError(f"is longer than {MAX_QUARTERS:,} quarter notes; split it into shorter scores")
    if filled:
        repairs.append(
            f"bar {filled[0]}{' and others' * (len(filled) > 1)}: of no length that a metre has, filled with a rest"
        )


def _length_of(metre: TimeSignature | None) -> int:
    return metre.bar_ticks(UNITS) if metre else 0


def _common_length(bars: list[Bar], nominal: int) -> int:
    """How long the bar is for all: notes and rests decide; a skip in time may fill it up, but not go beyond the metre."""
    length = max(bar.length for bar in bars)
    skipped = min(max((bar.reach for bar in bars if not bar.resting), default=0), nominal)
    length = max(length, skipped) or max(bar.resting for bar in bars)
    if not length or not all(bar.whole for bar in bars):
        length = max(length, nominal or 4 * UNITS)
    return length


def _written_length(length: int, nominal: int) -> int:
    """The length that a bar line can have: the metre's if it is near, else the next for which there is a time signature."""
    if abs(length - nominal) < _ROUNDED:
        return nominal
    if length % _FINEST == 0 and _signature_of(length).bar_ticks(UNITS) == length:
        return length
    for step in (UNITS // 8, UNITS // 4, UNITS // 2, UNITS):
        filled = max(ceil((length - _NEAR) / step), 1) * step
        if _signature_of(filled).bar_ticks(UNITS) == filled:
            return filled
    bars = ceil(length / (255 * UNITS))
    return ceil(length / (bars * UNITS)) * bars * UNITS


def _signature_of(length: int) -> TimeSignature:
    """The time signature of a bar, or of equal bars that make up one that is too long."""
    found = time_signature_of(0, length // _FINEST, 16)
    if found is None:
        bars = ceil(length / (255 * UNITS))
        found = TimeSignature(0, max(length // bars // UNITS, 1), 4)
    return found


def _grid_of(lines: list[Line]) -> int:
    fine = any(line.length * TICKS_PER_QUARTER % UNITS or line.nominal * TICKS_PER_QUARTER % UNITS for line in lines)
    return 2 * TICKS_PER_QUARTER if fine else TICKS_PER_QUARTER
