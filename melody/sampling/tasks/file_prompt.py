"""MIDI files as prompts: as they stand, and as they are read, their time put right as that of a training folder is.

A file whose notes lie off the beat by a constant, scatter around it, or have lost their ends, and one whose bars are one
beat, is read as `melody.corpus.read.mending` reads it. What stands in it stays as it is, to the tick. Both lie side by side:
what is read is later by a constant, so that new notes stand on the beat of the file, wherever that is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from math import gcd, lcm
from os import PathLike
from typing import Any

import numpy as np

from melody import midi
from melody.corpus.read.mending import mended_and_moved
from melody.errors import MidiError
from melody.midi.file_events import to_piece
from melody.piece import Piece
from melody.sampling.tasks.part_choice import New

MAX_GRID = 32767  # ticks a quarter, of any piece


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
        except MidiError as error:
            raise MidiError(f"{path}: {error}") from error

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
