"""The notes of one channel of one track, and other notes in their place; see `splicing` for what it is all for.

An old note is known by the indices of its two events in the track; a new one by the indices of the events before which its
own are put in. Ticks are those of the file.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from melody.errors import MidiError
from melody.midi.lossless import STATUS, TICK, Rewriting, Track
from melody.text import counted

_NOTE_OFF, _NOTE_ON, _PROGRAM = 0x8, 0x9, 0xC
_RELEASE = 64  # the velocity of a note-off that has none of its own, by the standard


class Place(NamedTuple):
    """Where a part stands in its file: track (from 0), channel (0-15, 9 for drums) and program (0-127)."""

    track: int
    channel: int
    program: int


@dataclass
class Note:
    """A note from tick `start` to `end`, whose two events are or come before those of index `begins` and `ends`."""

    begins: int
    ends: int
    start: int
    end: int
    pitch: int
    velocity: int
    program: int


@dataclass(frozen=True)
class Channel:
    """All notes of a channel, in the order in which they begin, and its programs, each with the index of its event."""

    track: Track
    place: Place
    notes: Sequence[Note]
    programs: Sequence[tuple[int, int]]

    @classmethod
    def of(cls, track: Track, place: Place) -> Channel:
        """The channel of a part; of two notes on one pitch the first end is the first one's.

        Raises
        ------
        MidiError
            If a note has no end or an end no note.
        """
        notes, programs, orphans = [], [(-1, 0)], 0
        sounding: dict[int, deque[Note]] = defaultdict(deque)
        for index, tick, message, channel, first, second in _messages(track):
            if channel != place.channel:
                continue
            if message == _PROGRAM:
                programs.append((index, first))
            elif message == _NOTE_ON and second:
                notes.append(Note(index, index, tick, tick, first, second, programs[-1][1]))
                sounding[first].append(notes[-1])
            elif sounding[first]:
                note = sounding[first].popleft()
                note.ends, note.end = index, tick
            else:
                orphans += 1
        _check_pairs(orphans, sum(map(len, sounding.values())), place)
        return cls(track, place, notes, programs)

    @property
    def own(self) -> list[Note]:
        """The notes of the part alone."""
        return [note for note in self.notes if note.program == self.place.program]

    def program_before(self, index: int) -> int:
        """The program in force when the event of that index comes."""
        return self.programs[bisect_left(self.programs, (index, -1)) - 1][1]


def players(track: Track) -> list[tuple[int, int]]:
    """Every channel and program of which the track has notes, sorted."""
    programs, found = [0] * 16, set()
    for _, _, message, channel, first, second in _messages(track):
        if message == _PROGRAM:
            programs[channel] = first
        elif message == _NOTE_ON and second:
            found.add((channel, programs[channel]))
    return sorted(found)


def _messages(track: Track) -> Iterator[tuple[int, ...]]:
    """Index, tick, message, channel and two data bytes of every start and end of a note and every program."""
    data = np.frombuffer(track.data, np.uint8)
    index = np.flatnonzero(np.isin(track.events[STATUS] >> 4, (_NOTE_OFF, _NOTE_ON, _PROGRAM)))
    tick, status, _, body, _ = track.events[:, index]
    first = body + (data[body] >= 128)
    columns = (index, tick, status >> 4, status & 15, data[first], data[first + 1])  # an end of track comes behind them all
    return zip(*[column.tolist() for column in columns])


def _check_pairs(orphans: int, endless: int, place: Place) -> None:
    faults = [counted(orphans, "end") + " without a note"] * (orphans > 0)
    faults += [counted(endless, "note") + " without an end"] * (endless > 0)
    if faults:
        raise MidiError(
            f"needs a repair before it can be edited: track {place.track + 1} has {' and '.join(faults)} on channel "
            f"{place.channel + 1}; read it and write it again"
        )


class _Put(NamedTuple):
    """Bytes to be put before the event at `place`, or instead of it; sorted, they are in the order to be written in."""

    place: int
    in_place: bool
    tick: int
    rank: int
    message: bytes


class Edit:
    """Other notes in the place of some; `notes` are those the channel then has.

    Parameters
    ----------
    channel
        The channel. The notes that are cut by new ones are changed in place.
    gone
        The notes of it that go.
    """

    def __init__(self, channel: Channel, gone: Sequence[Note]) -> None:
        self._channel, self._gone = channel, gone
        leaving = {note.begins for note in gone}
        self._kept = [note for note in channel.notes if note.begins not in leaving]
        self._added: list[Note] = []
        self._moved: list[tuple[int, Note]] = []  # the index of the end it had
        self._shortened = self._cut = 0  # old notes, new notes

    @property
    def notes(self) -> list[Note]:
        """The notes of the channel after the edit, old and new."""
        return [*self._kept, *self._added]

    def remarks(self) -> tuple[str, ...]:
        """What was done to notes that nobody asked to change, and to those that were given."""
        found = [f"{counted(self._shortened, 'old note')} ended where a new one of its pitch begins"] * (self._shortened > 0)
        found += [f"{counted(self._cut, 'new note')} ended where an old one of its pitch begins"] * (self._cut > 0)
        return tuple(found)

    def put_in(self, given: Iterable[tuple[int, int, int, int]]) -> None:
        """Add notes: start, end, pitch and velocity, in the order of their starts; no two of a pitch overlap.

        A note takes its place behind all else at its tick, or where an old one began there; its end comes before all else.

        Raises
        ------
        MidiError
            If the channel has another program where one begins, or its pitch begins at that tick in another part.
        """
        before = {note.start: note.begins for note in self._gone}
        ticks, last = self._channel.track.events[TICK, :-1].tolist(), self._channel.track.events.shape[1] - 1
        for start, end, pitch, velocity in given:
            begins, ends = before.get(start, min(bisect_right(ticks, start), last)), min(bisect_left(ticks, end), last)
            program = self._channel.program_before(begins)
            if program != self._channel.place.program:
                raise MidiError(
                    f"has channel {self._channel.place.channel + 1} of track {self._channel.place.track + 1} play program "
                    f"{program} at its tick {start}, the part plays {self._channel.place.program}; put the notes where its "
                    "own program is set"
                )
            self._added.append(Note(begins, ends, start, end, pitch, velocity, program))
        self._settle()

    def _settle(self) -> None:
        """Of an old and a new note of one pitch the earlier ends where the later begins."""
        old: dict[int, list[Note]] = defaultdict(list)
        for note in self._kept:
            old[note.pitch].append(note)
        begins = {pitch: [note.begins for note in notes] for pitch, notes in old.items()}
        settled: dict[int, int] = defaultdict(int)
        for new in self._added:
            notes = old[new.pitch]
            following = bisect_left(begins.get(new.pitch, []), new.begins)
            for note in notes[settled[new.pitch] : following]:
                self._end_before(note, new)
            settled[new.pitch] = following
            if following < len(notes) and notes[following].begins < new.ends:
                later = notes[following]
                self._check_overlap(new, later)
                new.ends, new.end = later.begins, later.start
                self._cut += 1

    def _end_before(self, note: Note, new: Note) -> None:
        if note.ends < new.begins:
            return
        self._check_overlap(note, new)
        self._moved.append((note.ends, note))
        self._shortened += note.end > new.start
        note.ends, note.end = new.begins, new.start

    def _check_overlap(self, note: Note, other: Note) -> None:
        if note.start == other.start:
            raise MidiError(
                f"has pitch {note.pitch} begin at its tick {note.start} in another part of the same channel; put the note "
                "elsewhere"
            )

    def written(self) -> bytes:
        """The bytes of the track after the edit; what stands between two changes is copied."""
        track, channel = self._channel.track, self._channel.place.channel
        removed = {index for note in self._gone for index in (note.begins, note.ends)} | {end for end, _ in self._moved}
        restated = set(track.relies_on_running.tolist()) - removed
        puts = [_Put(i, True, int(track.events[TICK, i]), 0, track.bytes_of(i)) for i in restated]
        puts += [_Put(note.ends, False, note.end, 0, track.bytes_of(end)) for end, note in self._moved]
        for note in self._added:
            on, off = bytes([_NOTE_ON << 4 | channel, note.pitch]), bytes([_NOTE_OFF << 4 | channel, note.pitch])
            puts.append(_Put(note.begins, False, note.start, 1, on + bytes([note.velocity])))
            puts.append(_Put(note.ends, False, note.end, 0, off + bytes([_RELEASE])))
        return _merged(track, removed | restated, sorted(puts))


def _merged(track: Track, removed: set[int], puts: Sequence[_Put]) -> bytes:
    """The bytes of the track without some events and with others."""
    out, done = Rewriting(track), 0
    at = defaultdict(list)
    for put in puts:
        at[put.place].append(put)
    for index in sorted(removed | set(at)):
        out.copy(done, index)
        for put in at[index]:
            out.put(put.tick, put.message)
        done = index + (index in removed)
    out.copy(done, track.events.shape[1])
    return out.written()
