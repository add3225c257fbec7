"""What a file says, on its own grid -> a legal `Piece`. Everything that has to be changed on the way is reported."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import gcd
from typing import Any, TypeVar

import numpy as np

from melody.errors import MidiError, PieceError
from melody.midi.read_limits import ReadLimits
from melody.midi.sustain import curves_of, pedals_of
from melody.piece import (
    MAX_TICK,
    Ints,
    Key,
    Part,
    Pedal,
    Piece,
    Tempo,
    TimeSignature,
)
from melody.signatures import check_time_signature, time_signature_of
from melody.text import counted

START, END, PITCH, VELOCITY, PART = range(5)  # rows of `Source.notes`
MAX_TEXT = 4096
_Change = TypeVar("_Change", TimeSignature, Tempo, Key)
_Tick = TypeVar("_Tick", int, Ints)
_Timed = TypeVar("_Timed", tuple[int, int], tuple[int, int, int])


@dataclass(frozen=True)
class Source:
    """A file's own events, on its own grid, before anything is checked.

    Parameters
    ----------
    ticks_per_quarter
        The file's grid.
    notes
        (5, notes): start, end, pitch, velocity and index into `parts`.
    parts
        The players.
    time_signatures, tempi, keys
        (tick, numerator, denominator), (tick, microseconds) and (tick, fifths, 1 for minor), in the order of the file.
    title, texts
        As in `Piece`.
    sustain
        What the channels of keyboards say of the pedal, a curve each (`melody.midi.sustain`).
    """

    ticks_per_quarter: int
    notes: Ints
    parts: Sequence[Part]
    time_signatures: Sequence[tuple[int, int, int]] = ()
    tempi: Sequence[tuple[int, int]] = ()
    keys: Sequence[tuple[int, int, int]] = ()
    title: str = ""
    texts: tuple[str, ...] = ()
    sustain: Sequence[Ints] = ()


def source_of(piece: Piece) -> Source:
    """A piece as a source, so that `to_piece` puts it on another grid and says what had to give way."""
    notes = np.array([piece.onset, piece.end, piece.pitch, piece.velocity, piece.part], np.int64)
    keys = [(key.onset, key.fifths, int(key.mode == "minor")) for key in piece.keys]
    return Source(
        piece.ticks_per_quarter, notes, piece.parts, piece.time_signatures, piece.tempi, keys, piece.title, piece.texts,
        curves_of(piece),
    )  # fmt: skip


def clean_text(text: str) -> str:
    """Text from a file, without what no screen and no MIDI event should get."""
    if text.isprintable() and len(text) <= MAX_TEXT:
        return text
    return "".join(c if c.isprintable() else " " * c.isspace() for c in text[:MAX_TEXT])


def check_limits(source: Source, limits: ReadLimits) -> None:
    """Raise `MidiError` if there are no notes, or too many of anything."""
    if not source.notes.shape[1]:
        raise MidiError("holds no notes; name a file with music in it")
    limits.check("notes", source.notes.shape[1], limits.max_notes)
    limits.check("tracks with notes", len(source.parts), limits.max_tracks)
    changes = [*source.time_signatures, *source.tempi, *source.keys]
    limits.check("changes of tempo, metre and key", len(changes), limits.max_changes)
    last = max([int(source.notes[END].max()), *(event[0] for event in changes)])
    limits.check("quarter notes of length", last / source.ticks_per_quarter, limits.max_quarters)
    slowest = max([500_000, *(event[1] for event in source.tempi)])
    if last / source.ticks_per_quarter * slowest > limits.max_hours * 3.6e9:
        tempi = sorted([(0, 500_000), *(t for t in source.tempi if t[1] > 0)], key=lambda tempo: tempo[0])
        ends = [tick for tick, _ in tempi[1:]] + [last]
        length = sum((end - tick) * speed for (tick, speed), end in zip(tempi, ends)) / source.ticks_per_quarter
        limits.check("hours of music", length / 3.6e9, limits.max_hours)


def to_piece(source: Source, ticks_per_quarter: int, repairs: list[str]) -> tuple[Piece, float]:
    """The piece on a grid of `ticks_per_quarter`, and the largest distance in quarter notes by which a note was moved.

    Raises
    ------
    MidiError
        If no piece can hold it.
    """
    grids = source.ticks_per_quarter, ticks_per_quarter
    grid = _Grid(*grids)
    notes, grid_error = _snapped(source.notes, grid, repairs)
    frame: dict[str, Any] = {
        "parts": tuple(source.parts) or (Part(),),
        **_changes(source, grid, repairs),
        "pedals": pedals_on_grid(source.sustain, int(source.notes[END].max(initial=0)), grids, repairs),
        "title": source.title,
        "texts": source.texts,
        "ticks_per_quarter": ticks_per_quarter,
    }
    try:
        try:
            piece = Piece(*notes, **frame)
        except PieceError:  # most files have no overlaps, and `Piece` looks for them itself: cure only where it helps
            piece = Piece(*_without_overlaps(notes, repairs), **frame)
    except PieceError as error:
        raise MidiError(f"holds what no piece can hold: {error}") from error
    if grid_error:
        repairs.append(moved_in_words(grid_error, ticks_per_quarter))
    return piece, grid_error


def moved_in_words(grid_error: float, ticks_per_quarter: int) -> str:
    """How far notes were moved to the grid, in quarter notes, as it is reported."""
    moved = "up to " + f"{grid_error:.3f}".rstrip("0").rstrip(".") if grid_error >= 0.001 else "less than 0.001"
    return f"notes moved by {moved} quarter notes to the grid of {ticks_per_quarter} a quarter"


def without_notes(source: Source, ticks_per_quarter: int, repairs: list[str]) -> Piece:
    """Metre, tempi and keys of the piece that `to_piece` makes.

    Raises
    ------
    MidiError
        If no piece can hold them.
    """
    grid = _Grid(source.ticks_per_quarter, ticks_per_quarter)
    try:
        none = np.zeros(0, np.int64)
        return Piece(none, none, none, **_changes(source, grid, repairs), ticks_per_quarter=ticks_per_quarter)
    except PieceError as error:
        raise MidiError(f"holds what no piece can hold: {error}") from error


def pedals_on_grid(sustain: Sequence[Ints], last: int, grids: tuple[int, int], repairs: list[str]) -> tuple[Pedal, ...]:
    """The pedal of the piece that `to_piece` makes of a source whose last note ends at tick `last`.

    Parameters
    ----------
    grids
        Ticks a quarter of the source, and of the piece.
    """
    return pedals_of(sustain, last, _Grid(*grids).snap, repairs)


def _changes(source: Source, grid: _Grid, repairs: list[str]) -> dict[str, Any]:
    return {
        "time_signatures": _time_signatures(source, grid, repairs),
        "tempi": _tempi(source, grid, repairs),
        "keys": _keys(source, grid, repairs),
    }


class _Grid:
    """From a file's ticks to the nearest tick of the piece's grid, halves up."""

    def __init__(self, source: int, target: int) -> None:
        common = gcd(source, target)
        self.target, self.up, self.down = target, target // common, source // common

    def snap(self, tick: _Tick) -> _Tick:
        """The nearest tick of the piece's grid."""
        return (tick * self.up + self.down // 2) // self.down


def _snapped(notes: Ints, grid: _Grid, repairs: list[str]) -> tuple[Ints, float]:
    """The notes with a duration instead of an end, and how far the furthest was moved."""
    half = grid.down // 2
    times = notes[:PITCH]
    finer = times if grid.up == 1 else times * grid.up
    on_grid = (finer + half) // grid.down
    moved = finer - on_grid * grid.down
    grid_error = int(np.abs(moved).max()) / (grid.down * grid.target) if moved.any() else 0.0
    notes = np.concatenate([on_grid, notes[PITCH:]])
    notes[END] -= notes[START]
    if notes.shape[1] and notes[END].min() < 1:
        empty = int(np.sum(times[END] <= times[START]))
        short = int(np.sum(notes[END] < 1)) - empty
        np.maximum(notes[END], 1, out=notes[END])
        if empty:
            repairs.append(f"{counted(empty, 'note')} of no length given the shortest the grid has")
        if short > 0:
            repairs.append(f"{counted(short, 'note')} shorter than the grid given the shortest it has")
    return notes, grid_error


def _without_overlaps(notes: Ints, repairs: list[str]) -> Ints:
    """No two notes of one part and pitch overlap: the later cuts the earlier; of two that begin at once the longer stays."""
    order = np.lexsort((-notes[END], notes[START], notes[PITCH], notes[PART]))
    notes = notes[:, order]
    same = (np.diff(notes[PART]) == 0) & (np.diff(notes[PITCH]) == 0)
    twice = np.concatenate([[False], same & (np.diff(notes[START]) == 0)])
    notes = notes[:, ~twice]
    same = (np.diff(notes[PART]) == 0) & (np.diff(notes[PITCH]) == 0)
    most = np.where(same, np.diff(notes[START]), MAX_TICK)
    cut = notes[END, :-1] > most
    notes[END, :-1] = np.minimum(notes[END, :-1], most)
    if twice.any():
        repairs.append(f"{counted(int(twice.sum()), 'note')} that began twice at once kept once")
    if cut.any():
        repairs.append(f"{counted(int(cut.sum()), 'note')} ended where the same pitch began again")
    return notes


def _by_time(events: Sequence[_Timed]) -> Sequence[_Timed]:
    """By the ticks of the file: of several that come to lie on one tick of the grid, the last in time has to win."""
    return sorted(events, key=lambda event: event[0])


def _one_at_a_tick(events: Sequence[_Change], what: str, repairs: list[str]) -> list[_Change]:
    """Sorted by tick, the last at a tick winning, those that change nothing left out."""
    kept: list[_Change] = []
    lost = 0
    for event in sorted(events, key=lambda e: e[0]):
        if kept and kept[-1][0] == event[0]:
            lost += kept.pop()[1:] != event[1:]
        if not kept or kept[-1][1:] != event[1:]:
            kept.append(event)
    if lost:
        repairs.append(f"{counted(lost, what)} overruled by another at the same time left out")
    return kept


def _from_the_start(events: list[_Change], default: _Change) -> list[_Change]:
    """The events, after what the standard says holds until the first of them."""
    starts: list[_Change] = [] if any(event[0] == 0 for event in events) else [default]
    return starts + events


def _tempi(source: Source, grid: _Grid, repairs: list[str]) -> tuple[Tempo, ...]:
    legal = [Tempo(grid.snap(tick), speed) for tick, speed in _by_time(source.tempi) if 0 < speed < 2**24]
    if len(legal) < len(source.tempi):
        repairs.append(f"{counted(len(source.tempi) - len(legal), 'impossible tempo')} left out".replace("tempos", "tempi"))
    return tuple(_one_at_a_tick(_from_the_start(legal, Tempo(0, 500_000)), "tempo", repairs))


def _keys(source: Source, grid: _Grid, repairs: list[str]) -> tuple[Key, ...]:
    legal = [
        Key(grid.snap(tick), fifths, "minor" if minor else "major")
        for tick, fifths, minor in _by_time(source.keys)
        if -7 <= fifths <= 7 and minor in (0, 1)
    ]
    if len(legal) < len(source.keys):
        repairs.append(f"{counted(len(source.keys) - len(legal), 'impossible key signature')} left out")
    return tuple(_one_at_a_tick(legal, "key signature", repairs))


def _time_signatures(source: Source, grid: _Grid, repairs: list[str]) -> tuple[TimeSignature, ...]:
    """The legal ones, each on a bar line: where one stands in mid-bar, that bar gets a time signature of its own."""
    legal = []
    for tick, numerator, denominator in _by_time(source.time_signatures):
        signature = TimeSignature(grid.snap(tick), numerator, denominator)
        try:
            check_time_signature(signature, grid.target)
            legal.append(signature)
        except PieceError:
            pass
    if len(legal) < len(source.time_signatures):
        repairs.append(f"{counted(len(source.time_signatures) - len(legal), 'impossible time signature')} left out")
    events = _one_at_a_tick(_from_the_start(legal, TimeSignature(0, 4, 4)), "time signature", repairs)
    return tuple(_on_bar_lines(events, grid.target, repairs)) if len(events) > 1 else tuple(events)


def _on_bar_lines(events: Sequence[TimeSignature], ticks_per_quarter: int, repairs: list[str]) -> list[TimeSignature]:
    kept, in_mid_bar = [events[0]], 0
    for signature in events[1:]:
        onset = max(signature.onset, kept[-1].onset)  # one that had to wait may have been overtaken
        bar = kept[-1].bar_ticks(ticks_per_quarter)
        rest = (onset - kept[-1].onset) % bar
        if rest:
            in_mid_bar += 1
            short = time_signature_of(onset - rest, rest, ticks_per_quarter)
            if short is None:  # no note value fits: the change waits for the next bar line
                onset += bar - rest
            else:
                _put(kept, short)
        _put(kept, signature._replace(onset=onset))
    if in_mid_bar:
        repairs.append(f"{counted(in_mid_bar, 'time signature')} in mid-bar put on a bar line of their own")
    return kept


def _put(kept: list[TimeSignature], signature: TimeSignature) -> None:
    if kept and kept[-1].onset == signature.onset:
        kept.pop()
    if not kept or kept[-1][1:] != signature[1:]:
        kept.append(signature)
