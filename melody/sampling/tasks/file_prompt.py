"""MIDI files as prompts: as they stand, and as they are read, their time put right as that of a training folder is.

A file whose notes lie off the beat by a constant, scatter around it, or have lost their ends, and one whose bars are one
beat, is read as `melody.corpus.read.mending` reads it. What stands in it stays as it is, to the tick. Both lie side by side:
what is read is later by a constant, so that new notes stand on the beat of the file, wherever that is. A score, and a piece
that is given in Python, are read as they stand: they are what somebody says, not what a sequencer has recorded.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from math import gcd, lcm
from os import PathLike
from pathlib import PurePath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from melody import midi
from melody.corpus.read.mending import mended_and_moved
from melody.errors import MidiError
from melody.midi.file_events import to_piece
from melody.piece import MAX_TICK, Piece
from melody.sampling.result import Result
from melody.sampling.tasks.part_choice import New
from melody.score.formats import READS

MAX_GRID = 32767  # ticks a quarter, of any piece
MAX_BAR = 1_020  # quarters: 255 whole notes
_EARLY = 8  # a quarter through this, a thirty-second: who plays a note that much too early means the one before


def put_right(music: Piece | str | PathLike[str], ticks_per_quarter: int) -> FilePrompt | None:
    """A MIDI file that is read otherwise than it stands; None for any other file, and for a piece."""
    if isinstance(music, Piece) or PurePath(music).suffix.lower() in READS:
        return None
    prompt = FilePrompt.of(music, ticks_per_quarter)
    return None if prompt.own is prompt.read else prompt


def is_new(made: Result) -> NDArray[np.bool_]:
    """Which notes of what was made are new, (notes,)."""
    piece, stop = made.piece, made.last_tick or MAX_TICK + 1
    parts = np.arange(len(piece.parts)) if made.parts is None else list(made.parts)
    found: NDArray[np.bool_] = (piece.onset >= made.first_tick) & (piece.onset < stop) & np.isin(piece.part, parts)
    return found


def meant_for(piece: Piece, start: int, stop: int) -> NDArray[np.bool_]:
    """Which notes are meant for the ticks [start, stop), both of them bar lines, (notes,).

    Those that begin there. But a note that begins less than a thirty-second before a bar line, and sounds for longer behind
    it than before it, is one of the bar that it begins too early.
    """

    def is_early(line: int) -> NDArray[np.bool_]:
        ahead = line - piece.onset
        found: NDArray[np.bool_] = (ahead > 0) & (_EARLY * ahead < piece.ticks_per_quarter) & (piece.duration > 2 * ahead)
        return found

    found: NDArray[np.bool_] = (piece.onset >= start) | is_early(start)
    return found & (piece.onset < stop) & ~is_early(stop)


def bars_as_meant(piece: Piece, first: int, last: int) -> Piece:
    """As `Piece.bars`, with the notes that are meant for these bars, see `meant_for`."""
    piece.bars(first, last)  # are refused, if there are none
    starts, begin, end = piece.bar_starts(), first - piece.first_bar, last - piece.first_bar + 1
    start = int(starts[begin])
    stop = int(starts[end]) if end < len(starts) else max(piece.length, start + 1)
    return _cut(piece, meant_for(piece, start, stop), start, stop)


def _cut(piece: Piece, which: NDArray[np.bool_], start: int, stop: int) -> Piece:
    """Those notes in ticks [start, stop), from the first of which on those sound that began too early."""
    own = piece.select(which & (piece.end > start))
    onset = np.maximum(own.onset, start)
    return replace(own, onset=onset, duration=own.end - onset).slice(start, stop)


@dataclass(frozen=True)
class FilePrompt:
    """A MIDI file as a prompt.

    Parameters
    ----------
    data
        Its bytes.
    read
        The piece as it is read, its time put right, on the grid that was asked for.
    own
        The piece as it stands, on a grid that is as fine or finer; `read` itself if there is nothing to put right.
    late
        By how many ticks of that grid `read` is later, less than 0 if it is earlier.
    repairs
        What was changed to read it, one sentence each.
    """

    data: bytes
    read: Piece
    own: Piece
    late: int
    repairs: tuple[str, ...]

    @classmethod
    def of(cls, path: str | PathLike[str], ticks_per_quarter: int) -> FilePrompt:
        """The prompt in a file.

        Raises
        ------
        MidiError
            If it cannot be read.
        """
        data = midi.bytes_of(path)
        try:
            return cls.of_bytes(data, ticks_per_quarter)
        except MidiError as error:
            raise MidiError(f"{path}: {error}") from error

    @classmethod
    def of_bytes(cls, data: bytes, ticks_per_quarter: int) -> FilePrompt:
        """The prompt in the bytes of a file; errors as of `of`."""
        source, repairs = midi.scan(data)
        mends: list[str] = []
        better, ticks = mended_and_moved(source, mends)
        if mends:
            repairs.append(f"{'; '.join(mends)} (so it is read: the file keeps its notes as they are)")
        read = to_piece(better, ticks_per_quarter, repairs)[0]
        if better is source:
            return cls(data, read, read, 0, tuple(repairs))
        grid = lcm(ticks_per_quarter, source.ticks_per_quarter // gcd(ticks, source.ticks_per_quarter))
        grid = grid if grid <= MAX_GRID else ticks_per_quarter
        late = round(ticks * grid / source.ticks_per_quarter)
        return cls(data, read, to_piece(source, grid, [])[0], late, tuple(repairs))

    @property
    def finer(self) -> int:
        """How many ticks of `own` one tick of `read` has."""
        return self.own.ticks_per_quarter // self.read.ticks_per_quarter

    def tick_there(self, tick: int) -> int:
        """A tick of `read` among those of `own`."""
        return max(tick * self.finer - self.late, 0)

    def tick_here(self, tick: int) -> int:
        """A tick of `own` among those of `read`, the nearest one."""
        return max(round((tick + self.late) / self.finer), 0)

    def there(self, notes: Piece) -> New:
        """Notes of the piece that is read, for the piece as it stands."""
        onset = np.maximum(notes.onset * self.finer - self.late, 0)
        return New(onset, notes.duration * self.finer, notes.pitch, notes.velocity, notes.part)

    def here(self, notes: Piece) -> dict[str, Any]:
        """The columns of notes of the piece as it stands, for the piece that is read: the inverse of `there`."""
        onset, duration = (notes.onset + self.late) // self.finer, np.maximum(notes.duration // self.finer, 1)
        return {"onset": onset, "duration": duration, "pitch": notes.pitch, "velocity": notes.velocity, "part": notes.part}

    def bar_here(self, number: int) -> int:
        """The number in what is read of a bar of the file, that whose bar line lies nearest."""
        starts, place = self.own.bar_starts(), number - self.own.first_bar
        if self.own is self.read or not 0 <= place < len(starts):
            return number
        away = np.abs(self.read.bar_starts() - self.tick_here(int(starts[place])))
        return int(away.argmin()) + self.read.first_bar

    def bars(self, first: int, last: int) -> FilePrompt:
        """Those bars of the file, counted there, and what is read from the bar line that lies nearest to theirs on.

        Raises
        ------
        melody.errors.PieceError
            If the file has no such bars.
        """
        self.own.bars(first, last)  # are refused, if there are none
        starts = self.own.bar_starts(self.own.length + MAX_BAR * self.own.ticks_per_quarter)
        begin, end = (int(starts[number - self.own.first_bar]) for number in (first, last + 1))
        lines = self.read.bar_starts(self.read.length + MAX_BAR * self.read.ticks_per_quarter)
        start, stop = (int(lines[np.abs(lines - self.tick_here(tick)).argmin()]) for tick in (begin, end))
        stop = stop if stop > start else int(lines[lines > start][0])
        which = meant_for(self.read, start, stop)
        own = _cut(self.own, self._stands_for(which), begin, max(self.tick_there(stop), begin + 1))
        read = _cut(self.read, which, start, stop)
        return replace(self, own=own, read=read, late=self.late - start * self.finer + begin)

    def _stands_for(self, which: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Which notes of the file are read as those: as the nearest of their part and pitch, (notes of `own`,)."""
        span = 2 * (max(self.read.length, self.tick_here(self.own.length)) + 1)  # between voices
        read, own = (part * 128 + pitch for part, pitch in ((p.part, p.pitch) for p in (self.read, self.own)))
        key = np.sort(read * span + self.read.onset)
        order = np.argsort(read * span + self.read.onset, kind="stable")
        place = own * span + (self.own.onset + self.late) / self.finer
        behind = np.clip(np.searchsorted(key, place), 0, len(key) - 1)
        before = np.maximum(behind - 1, 0)
        nearest = np.where(np.abs(key[before] - place) < np.abs(key[behind] - place), before, behind)
        found: NDArray[np.bool_] = which[order[nearest]]
        return found

    def only(self, read: Piece) -> FilePrompt:
        """The same of which only those parts are read that play there."""
        return replace(self, read=read, own=self.own.select(np.isin(self.own.part, read.part)))

    def gone_on_with(self, made: Result, *, as_loud: bool = False) -> Result:
        """A continuation of what is read, in the time of the file: its own notes as they stand, behind them the new ones.

        With `as_loud` these are as loud as those of their part.
        """
        notes, own = self.there(made.piece.select(is_new(made))), self.own
        notes = notes.as_loud_as(own) if as_loud else notes
        begun = own.onset[np.isin(own.part, notes.part)]  # in a file that scatters they may begin later than they are read
        start = max(self.tick_there(made.first_tick), int(begun.max(initial=-1)) + 1)
        notes = replace(notes, onset=np.maximum(notes.onset, start))
        keys = [key if key in own.keys else key._replace(onset=self.tick_there(key.onset)) for key in made.piece.keys]
        keys += [key for key in own.keys if key.onset > start]
        whole = notes.into(replace(own, parts=made.piece.parts, keys=tuple(keys), texts=made.piece.texts))
        first_bar = None if made.first_bar is None else self.tick_there(made.first_bar)
        return replace(made, piece=whole, first_tick=start, first_bar=first_bar)

    def rewritten(self, made: Result) -> Result:
        """What is read with other notes in it, in the time of the file: its own notes as they stand where none are new."""
        if self.own is self.read:
            return made
        start = self.tick_there(made.first_tick)
        stop = None if made.last_tick is None else self.tick_there(made.last_tick)
        as_it_stands = replace(made, piece=self.own, first_tick=start, last_tick=stop)
        kept = replace(self.own.select(~is_new(as_it_stands)), parts=made.piece.parts, texts=made.piece.texts)
        return replace(as_it_stands, piece=self.there(made.piece.select(is_new(made))).into(kept))

    def harmonized(self, made: Result) -> Result:
        """Voices under what is read, a melody, which is part 0 there, in the time of the file."""
        melody = replace(self.own, part=np.zeros_like(self.own.part), parts=made.piece.parts[:1])
        found = replace(self, own=melody).rewritten(made)
        return replace(found, remarks=(*self.repairs, *made.remarks))

    def unmended(self) -> FilePrompt:
        """The file read as it stands, on the grid of what is read."""
        reading = midi.parse(self.data, ticks_per_quarter=self.read.ticks_per_quarter)
        return FilePrompt(self.data, reading.piece, reading.piece, 0, reading.repairs)

    @cached_property
    def is_moved_alone(self) -> bool:
        """Whether what is read is what stands there, later or earlier, and nothing else is another."""
        if self.own is self.read:
            return True
        onset = self.own.onset + self.late
        if self.own.num_notes != self.read.num_notes or np.any(onset < 0):
            return False
        same = replace(self.own, onset=onset).resolution(self.read.ticks_per_quarter)
        alike = all(np.array_equal(getattr(same, n), getattr(self.read, n)) for n in ("onset", "duration", "pitch", "part"))
        return alike and [metre[1:] for metre in same.time_signatures] == [metre[1:] for metre in self.read.time_signatures]
