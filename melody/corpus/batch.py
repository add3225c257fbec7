"""What many MIDI files say -> events, in one NumPy pass over all of them.

Python's cost for a NumPy call is that of some hundred notes; taken file by file, reading costs several times what parsing
does. Here only what stands in no need of repair is done, all at once; every other file goes the careful way, through
`midi.to_piece`. The law, tested: both ways give the same events and the same words.

Sorting is most of the work, and NumPy sorts numbers of 16 bits in linear time, six times as fast as longer ones. So
notes and changes are first put in the order of piece, player and pitch, in which overlaps are neighbours; and that order,
which stable sorting keeps, then in the order of piece and tick. Metre, tempo and key of a piece are players before the
others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import gcd
from typing import Any

import numpy as np

from melody.corpus import events
from melody.corpus.events import Column, Events
from melody.errors import MidiError
from melody.midi.packed import RECORD, PackedSource
from melody.midi.source import Source, moved_in_words, without_notes
from melody.piece import MAX_TICK, Ints, Part
from melody.tokens.usage import FIRST_PART, part_keys

PLAYERS = 512  # in all pieces: with the pitch that makes 16 bits
FEW_CHANGES = 64  # in a file, up to which they are remembered
_PITCH = 7  # bits
_NO_CHANGES = np.zeros((3, 0), np.int64)


def batched(sources: Sequence[PackedSource]) -> list[Sequence[PackedSource]]:
    """Runs of sources that are small enough to be read together."""
    runs: list[list[PackedSource]] = [[]]
    players = notes = 0
    for source in sources:
        players, notes = players + FIRST_PART + len(source.parts), notes + source.num_notes
        if runs[-1] and (players > PLAYERS or notes > events.RUN):
            runs.append([])
            players, notes = FIRST_PART + len(source.parts), source.num_notes
        runs[-1].append(source)
    return [run for run in runs if run]


def read_together(sources: Sequence[PackedSource], ticks_per_quarter: int) -> tuple[Events, list[tuple[str, ...] | None]]:
    """The events of those sources that need no repair of their notes, and for each source what was changed.

    None stands for a source that has to go the careful way and is not among the events.
    """
    notes = _Notes.of(sources, ticks_per_quarter)
    changes: list[Ints] = []
    told: list[tuple[str, ...] | None] = []
    for source, good, moved in zip(sources, notes.good(), notes.moved):
        frame = _frame(source, ticks_per_quarter) if good else None
        changes.append(frame[0] if frame else _NO_CHANGES)
        if frame is None:
            told.append(None)
        else:
            told.append((*frame[1], moved_in_words(moved, ticks_per_quarter)) if moved else frame[1])
    together, overlapping = _ordered(notes, sources, changes)
    for number in overlapping:
        told[number] = None
    read = [number for number, words in enumerate(told) if words is not None]
    return together if len(read) == len(sources) else together.choose(read), told


@dataclass(frozen=True)
class _Notes:
    """All notes of some sources on the grid, one source after another, part by part.

    Parameters
    ----------
    sizes
        Notes of each source, (sources,).
    part_sizes
        Notes of each part of each source, (parts,).
    start, end, pitch, velocity
        Of each note, (notes,).
    moved
        How far notes of each source were moved at most, in quarter notes, (sources,).
    """

    sizes: Ints
    part_sizes: Ints
    start: Column
    end: Column
    pitch: Column
    velocity: Column
    moved: list[float]

    @classmethod
    def of(cls, sources: Sequence[PackedSource], ticks_per_quarter: int) -> _Notes:
        """Unpacked and snapped."""
        records = b"".join([source.records for source in sources])
        numbers = np.frombuffer(records, "<i4").reshape(-1, RECORD // 4)
        octets = np.frombuffer(records, np.uint8).reshape(-1, RECORD)
        sizes = np.array([source.num_notes for source in sources])
        grids = [source.ticks_per_quarter for source in sources]
        (start, end), moved = _snapped(numbers[:, 0], numbers[:, 1], sizes, grids, ticks_per_quarter)
        part_sizes = np.array([size for source in sources for size in source.sizes])
        return cls(sizes, part_sizes, start, end, octets[:, 8], octets[:, 9], moved)

    def good(self) -> list[bool]:
        """Whether no note of a source is wrong by itself."""
        bad = (self.end <= self.start) | (self.velocity - np.uint8(1) > 126)
        if self.end.max() > MAX_TICK:
            bad |= self.end > MAX_TICK
        if not bad.any():
            return [True] * len(self.sizes)
        return (np.add.reduceat(bad, np.cumsum(self.sizes) - self.sizes, dtype=np.int64) == 0).tolist()


def _snapped(start: Column, length: Column, sizes: Ints, grids: list[int], target: int) -> tuple[Column, list[float]]:
    """Start and end on the grid, (2, notes); and how far a note of each source was moved at most, in quarter notes."""
    common = [gcd(grid, target) for grid in grids]
    up: Any = np.array([target // c for c in common])
    down: Any = np.array([grid // c for grid, c in zip(grids, common)])
    largest = int(up.max()) * (int(start.max()) + int(length.max())) + int(down.max())
    steps = down * target
    if len(set(grids)) == 1:
        up, down = int(up[0]), int(down[0])
    else:
        up, down = np.repeat(up, sizes), np.repeat(down, sizes)
    times = np.empty((2, len(start)), np.int32 if largest < 2**31 else np.int64)
    times[0] = start
    np.add(times[0], length, out=times[1])
    half = down // 2
    finer = times * up + half
    on_grid = finer // down
    away = np.abs(finer - on_grid * down - half).max(0)
    furthest = np.maximum.reduceat(away, np.cumsum(sizes) - sizes)
    return on_grid, (furthest / steps).tolist()


def _frame(source: PackedSource, ticks_per_quarter: int) -> tuple[Ints, tuple[str, ...]] | None:
    """Ticks, kinds and values of the changes of metre, tempo and key, (3, changes), and what was repaired.

    None if no piece can hold them.
    """
    what = (source.time_signatures, source.tempi, source.keys)
    few = sum(map(len, what)) <= FEW_CHANGES
    return (_known_frame if few else _made_frame)(source.ticks_per_quarter, *what, ticks_per_quarter)


def _made_frame(
    own_grid: int,
    time_signatures: Sequence[tuple[int, int, int]],
    tempi: Sequence[tuple[int, int]],
    keys: Sequence[tuple[int, int, int]],
    ticks_per_quarter: int,
) -> tuple[Ints, tuple[str, ...]] | None:
    repairs: list[str] = []
    source = Source(own_grid, np.zeros((5, 0), np.int64), (), time_signatures, tempi, keys)
    try:
        changes = events.changes_of(without_notes(source, ticks_per_quarter, repairs))
        return np.array(changes, np.int64).reshape(-1, 3).T.copy(), tuple(repairs)
    except MidiError:
        return None


_known_frame = lru_cache(maxsize=4096)(_made_frame)  # most files have the frame of another


def _ordered(notes: _Notes, sources: Sequence[PackedSource], changes: Sequence[Ints]) -> tuple[Events, list[int]]:
    """Notes and changes (those of `_frame`) of all sources as events; and which sources have notes that overlap."""
    source = np.repeat(np.arange(len(sources)), [few.shape[1] for few in changes])
    said = np.concatenate([source[None], np.concatenate(changes, 1)])
    player, kinds = _players(notes, sources, said)
    start = np.concatenate([notes.start, said[1].astype(notes.start.dtype)])
    duration = np.zeros(len(start), start.dtype)
    np.subtract(notes.end, notes.start, out=duration[: len(notes.end)])
    voice = player << _PITCH
    voice[: len(notes.pitch)] |= notes.pitch
    order = np.argsort(voice, kind="stable")
    tick, voice = start.take(order), voice.take(order)
    sizes = notes.sizes + np.bincount(said[0], minlength=len(sources))
    piece = np.repeat(np.arange(len(sources)), sizes)
    overlapping = _overlapping(voice, tick, tick + duration.take(order), piece)
    order = order.take(_by_piece_and_tick(piece, tick))
    tick = start.take(order)
    starts = np.concatenate([[0], np.cumsum(sizes)])
    shift = tick.copy()
    shift[1:] -= tick[:-1]
    shift[starts[:-1]] = tick[starts[:-1]]
    columns = (
        kinds.take(player.take(order)),
        np.concatenate([notes.pitch.astype(np.int32), said[3].astype(np.int32)]).take(order),
        duration.take(order),
        np.concatenate([notes.velocity, np.zeros(said.shape[1], np.uint8)]).take(order),
    )
    return Events(starts, shift, *columns), overlapping


def _players(notes: _Notes, sources: Sequence[PackedSource], said: Ints) -> tuple[Column, Ints]:
    """The player of each note and each change, numbered by source and kind; and the kind of each player."""
    ranked, kinds, firsts = [], list[int](), []
    for source in sources:
        ranks, own = _ranked(tuple((part.program, part.is_drum) for part in source.parts))
        ranked += [len(kinds) + rank for rank in ranks]
        firsts.append(len(kinds))
        kinds += own
    small = np.uint16 if len(kinds) <= PLAYERS else np.int64
    of_notes = np.repeat(np.array(ranked, small), notes.part_sizes)
    of_changes = np.array(firsts)[said[0]] + said[2]
    return np.concatenate([of_notes, of_changes.astype(small)]), np.array(kinds, np.int32)


@lru_cache(maxsize=1024)
def _ranked(instruments: tuple[tuple[int, bool], ...]) -> tuple[list[int], list[int]]:
    """The place of each part among the kinds of its piece, and these, ascending, the changes first."""
    kinds = [events.kind_of(key) for key in part_keys([Part(*instrument) for instrument in instruments])]
    ascending = [*range(FIRST_PART), *sorted(kinds)]
    return [ascending.index(kind) for kind in kinds], ascending


def _overlapping(voice: Column, start: Column, end: Column, piece: Ints) -> list[int]:
    """Which pieces have notes of one voice, neighbours here, that overlap."""
    same = voice[1:] == voice[:-1]
    if (same & (start[1:] < start[:-1])).any():  # symusic sorts by time, others may not
        order = np.lexsort((start, voice))
        start, end = start[order], end[order]
    overlap = same & (start[1:] < end[:-1])
    return np.unique(piece[1:][overlap]).tolist() if overlap.any() else []


def _by_piece_and_tick(piece: Ints, tick: Column) -> Ints:
    """The order of piece and tick, by 16 bits at a time; equals stay in their order."""
    key = piece * (int(tick.max()) + 1) + tick
    if key[-1] >= 2**32 or key.min() < 0:
        return np.argsort(key, kind="stable")
    order = np.argsort(key.astype(np.uint16), kind="stable")
    return order.take(np.argsort((key >> 16).astype(np.uint16).take(order), kind="stable"))
