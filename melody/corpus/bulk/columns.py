"""The notes of many MIDI files -> events, in one NumPy pass over all of them.

Python's cost for a NumPy call is that of some hundred notes; taken file by file, reading costs several times what parsing
does. Here only what stands in no need of repair is done, all at once; every other file goes the careful way, through
`midi.file_events.to_piece`. The law, tested: both ways give the same events and the same words.

Sorting is most of the work, and NumPy sorts numbers twice as fast as it finds the order of them. So a row's own number is
made the last digits of what is sorted (`_order`): once by voice, where notes that overlap are neighbours, and once by piece
and tick. Metre, tempo and key of a piece are players before the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import gcd
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from melody.corpus import events
from melody.corpus.bulk.states import RECORD, PackedSource
from melody.corpus.events import Column, Events
from melody.corpus.read import doubts, two_hands
from melody.errors import MidiError
from melody.midi.file_events import Source, moved_in_words, pedals_on_grid, without_notes
from melody.piece import MAX_TICK, TICKS_PER_QUARTER, Ints, Part
from melody.tokens.usage import FIRST_PART, part_keys

GATHERED = 1 << 20  # bytes
FEW_CHANGES = 64  # in a file, up to which they are remembered
_PITCH = 7  # bits
Content = TypeVar("Content", bytes, bytes | MidiError)
_NO_CHANGES = np.zeros((3, 0), np.int64)


def gathered(contents: Iterable[Content]) -> Iterator[list[Content]]:
    """As many files at a time as are read, skimmed and unpacked while they are still in the processor's cache."""
    group: list[Content] = []
    size = 0
    for data in contents:
        group.append(data)
        size += 0 if isinstance(data, MidiError) else len(data)
        if size > GATHERED:
            yield group
            group, size = [], 0
    if group:
        yield group


def batched(sources: Sequence[PackedSource]) -> list[Sequence[PackedSource]]:
    """Runs of sources that are small enough to be read together."""
    runs: list[list[PackedSource]] = [[]]
    rows = 0
    for source in sources:
        own = source.num_notes + FEW_CHANGES // 4  # most have fewer changes
        rows += own
        if runs[-1] and rows > events.RUN:
            runs.append([])
            rows = own
        runs[-1].append(source)
    return [run for run in runs if run]


def read_together(sources: Sequence[PackedSource], ticks_per_quarter: int) -> tuple[Events, list[tuple[str, ...] | None]]:
    """The events of those sources that need no repair of their notes, and for each source what was changed.

    None stands for a source that has to go the careful way and is not among the events: one whose notes need repair, or
    whose time or hands have to be looked at closely (`doubts`, `two_hands`).
    """
    frames = [_with_pedal(_frame(source, ticks_per_quarter), source, ticks_per_quarter) for source in sources]
    notes = _Notes.of(sources, [frame.time for frame in frames], ticks_per_quarter)
    changes: list[Ints] = []
    words: list[tuple[str, ...] | None] = []
    for frame, good, moved in zip(frames, (notes.good() & ~notes.doubtful).tolist(), notes.moved):
        good &= frame.is_legal
        changes.append(frame.changes if good else _NO_CHANGES)
        if not good:
            words.append(None)
        else:
            words.append((*frame.repairs, moved_in_words(moved, ticks_per_quarter)) if moved else frame.repairs)
    together, overlapping = _ordered(notes, sources, changes)
    for number in overlapping:
        words[number] = None
    read = [number for number, changed in enumerate(words) if changed is not None]
    return together if len(read) == len(sources) else together.choose(read), words


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
    doubtful
        Whether the time or the hands of each source have to be looked at closely, (sources,).
    """

    sizes: Ints
    part_sizes: Ints
    start: Column
    end: Column
    pitch: Column
    velocity: Column
    moved: list[float]
    doubtful: NDArray[np.bool_]

    @classmethod
    def of(cls, sources: Sequence[PackedSource], frames: Sequence[doubts.Frame], ticks_per_quarter: int) -> _Notes:
        """Unpacked and snapped."""
        records = b"".join([source.records for source in sources])
        start, length, sound = np.ascontiguousarray(np.frombuffer(records, "<i4").reshape(-1, RECORD // 4).T)
        octets = sound.astype("<i4", copy=False).view(np.uint8).reshape(-1, 4)
        sizes = np.array([source.num_notes for source in sources])
        grids = [source.ticks_per_quarter for source in sources]
        (on_grid, end), moved = _snapped(start, length, sizes, grids, ticks_per_quarter)
        places = on_grid
        if ticks_per_quarter != TICKS_PER_QUARTER:
            places = _snapped(start, length, sizes, grids, TICKS_PER_QUARTER)[0][0]
        doubtful = doubts.doubtful(places, length, sizes, np.array(grids), frames)
        part_sizes = np.array([size for source in sources for size in source.sizes])
        doubtful |= two_hands.unclear(start, length, octets[:, 0], part_sizes, [source.parts for source in sources])
        return cls(sizes, part_sizes, on_grid, end, octets[:, 0], octets[:, 1], moved, doubtful)

    def good(self) -> NDArray[np.bool_]:
        """Whether no note of a source is wrong by itself, (sources,)."""
        bad = (self.end <= self.start) | (self.velocity - np.uint8(1) > 126)
        if self.end.max() > MAX_TICK or self.start.min() < 0:
            bad |= (self.end > MAX_TICK) | (self.start < 0)
        if not bad.any():
            return np.ones(len(self.sizes), bool)
        good: NDArray[np.bool_] = ~np.logical_or.reduceat(bad, np.cumsum(self.sizes) - self.sizes)
        return good


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
    times *= up
    on_grid = (times + down // 2) // down
    times -= on_grid * down
    if not times.any():
        return on_grid, [0.0] * len(sizes)
    away = np.abs(times, out=times).max(0)
    furthest = np.maximum.reduceat(away, np.cumsum(sizes) - sizes)
    return on_grid, (furthest / steps).tolist()


class _Frame(NamedTuple):
    """Metre, tempo and key of a source.

    Parameters
    ----------
    time
        What they say before the notes are looked at.
    is_legal
        Whether a piece can hold them.
    changes
        Ticks, kinds and values of the changes, (3, changes).
    repairs
        What was repaired.
    """

    time: doubts.Frame
    is_legal: bool = False
    changes: Ints = _NO_CHANGES
    repairs: tuple[str, ...] = ()


def _frame(source: PackedSource, ticks_per_quarter: int) -> _Frame:
    what = (source.time_signatures, source.tempi, source.keys)
    few = sum(map(len, what)) <= FEW_CHANGES
    return (_known_frame if few else _made_frame)(source.ticks_per_quarter, *what, ticks_per_quarter)


def _with_pedal(frame: _Frame, source: PackedSource, ticks_per_quarter: int) -> _Frame:
    if not any(curve.shape[1] for curve in source.sustain):
        return frame
    repairs = list(frame.repairs)
    pedals = pedals_on_grid(source.sustain, source.last, (source.ticks_per_quarter, ticks_per_quarter), repairs)
    turns = np.array(events.turns_of(pedals), np.int64).reshape(-1, 3).T
    return frame._replace(changes=np.concatenate([frame.changes, turns], 1), repairs=tuple(repairs))


def _made_frame(
    own_grid: int,
    time_signatures: Sequence[tuple[int, int, int]],
    tempi: Sequence[tuple[int, int]],
    keys: Sequence[tuple[int, int, int]],
    ticks_per_quarter: int,
) -> _Frame:
    repairs: list[str] = []
    time = doubts.frame_of(own_grid, time_signatures, tempi)
    source = Source(own_grid, np.zeros((5, 0), np.int64), (), time_signatures, tempi, keys)
    try:
        changes = events.changes_of(without_notes(source, ticks_per_quarter, repairs))
        return _Frame(time, True, np.array(changes, np.int64).reshape(-1, 3).T.copy(), tuple(repairs))
    except MidiError:
        return _Frame(time)


_known_frame = lru_cache(maxsize=4096)(_made_frame)  # most files have the frame of another


def _ordered(notes: _Notes, sources: Sequence[PackedSource], changes: Sequence[Ints]) -> tuple[Events, list[int]]:
    """Notes and changes (those of `_frame`) of all sources as events; and which sources have notes that overlap."""
    all_sources = np.arange(len(sources))
    of_changes = np.repeat(all_sources, [few.shape[1] for few in changes])
    when, what, value = np.concatenate(changes, 1)
    player, kinds = _players(notes, sources, of_changes, what)
    start = np.concatenate([notes.start, when.astype(notes.start.dtype)])
    voice = player << _PITCH
    voice[: len(notes.pitch)] |= notes.pitch
    voices = len(kinds) << _PITCH
    piece = np.concatenate([np.repeat(all_sources, notes.sizes), of_changes])
    overlapping = _overlapping(voice[: len(notes.pitch)], voices, notes.start, notes.end, piece)
    order = _order((piece, len(sources)), (start, _below(start)), (voice, voices))
    starts = np.concatenate([[0], np.cumsum(notes.sizes + np.bincount(of_changes, minlength=len(sources)))])
    tick = start.take(order)
    shift = tick.copy()
    shift[1:] -= tick[:-1]
    shift[starts[:-1]] = tick[starts[:-1]]
    none = np.zeros(len(when), np.uint8)
    columns = (
        kinds.take(player.take(order)),
        np.concatenate([notes.pitch.astype(np.int32), value.astype(np.int32)]).take(order),
        np.concatenate([notes.end - notes.start, none]).take(order),
        np.concatenate([notes.velocity, none]).take(order),
    )
    return Events(starts, shift, *columns), overlapping


def _players(notes: _Notes, sources: Sequence[PackedSource], of_changes: Ints, what: Ints) -> tuple[Ints, Ints]:
    """The player of each note and each change, numbered by source and kind; and the kind of each player."""
    known: dict[int, tuple[Ints, Ints]] = {}  # the same players are mostly the same object
    ranked, kinds = [], []
    for source in sources:
        found = known.get(id(source.parts))
        if found is None:
            instruments = tuple((part.program, part.is_drum) for part in source.parts)
            found = known[id(source.parts)] = _ranked(instruments)
        ranked.append(found[0])
        kinds.append(found[1])
    sizes = np.array([len(own) for own in kinds])
    firsts = np.cumsum(sizes) - sizes
    of_parts = np.concatenate(ranked) + np.repeat(firsts, sizes - FIRST_PART)
    of_notes = np.repeat(of_parts.astype(np.uint32), notes.part_sizes)
    return np.concatenate([of_notes, (firsts[of_changes] + what).astype(np.uint32)]), np.concatenate(kinds)


@lru_cache(maxsize=1024)
def _ranked(instruments: tuple[tuple[int, bool], ...]) -> tuple[Ints, Ints]:
    """The place of each part among the kinds of its piece, and these, ascending, the changes first."""
    kinds = [events.kind_of(key) for key in part_keys([Part(*instrument) for instrument in instruments])]
    ascending = np.array([*range(FIRST_PART), *sorted(kinds)])
    return np.searchsorted(ascending, kinds), ascending


def _overlapping(voice: Column, voices: int, start: Column, end: Column, piece: Ints) -> list[int]:
    """Which pieces have notes of one voice that overlap."""
    order = _order((voice, voices))
    same = np.diff(voice.take(order)) == 0
    begin = start.take(order)
    if (same & (begin[1:] < begin[:-1])).any():  # symusic sorts by time, others may not
        order = _order((voice, voices), (start, _below(start)))
        begin = start.take(order)
    overlap = same & (begin[1:] < end.take(order)[:-1])
    return np.unique(piece.take(order)[1:][overlap]).tolist() if overlap.any() else []


def _below(ticks: Column) -> int:
    """A number above all ticks; a negative one, of a file that is not among those to be read, counts as very large."""
    return int(ticks.view(f"u{ticks.itemsize}").max()) + 1


def _order(*columns: tuple[Column, int]) -> Ints:
    """The order of rows by their columns, the first before the others; equals stay in their order.

    With each column, a number above all in it.
    """
    bits = [(above - 1).bit_length() for _, above in columns]
    size = len(columns[0][0])
    own = (size - 1).bit_length()
    if sum(bits) + own > 64:
        return np.lexsort([column for column, _ in reversed(columns)])
    kind = np.uint32 if sum(bits) + own <= 32 else np.uint64
    key: Any = columns[0][0].astype(kind)
    for (column, _), few in zip(columns[1:], bits[1:]):
        key <<= kind(few)
        key |= column.view(f"u{column.itemsize}").astype(kind, copy=False)
    key <<= kind(own)
    key |= np.arange(size, dtype=kind)
    key.sort()
    key &= kind((1 << own) - 1)
    order: Ints = key.astype(np.int64)
    return order
