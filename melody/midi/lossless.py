"""A whole MIDI file event by event, each with its bytes, so that what is not changed can be copied.

Nothing is repaired here: a file that leaves a doubt about where its events begin and end is refused. Of what `salvage`
puts right in silence only running status across a meta or system exclusive event is accepted, which the standard forbids
and every reader takes.

An event's bytes follow those of its delta time. Under running status they begin with a data byte, and mean something only
behind the event before. Times are ticks of the file from the beginning of the track.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from melody.errors import MidiError
from melody.midi import chunks
from melody.midi.read_limits import Deadline
from melody.piece import Ints
from melody.text import counted

TICK, STATUS, START, BODY, END = range(5)  # rows of `Track.events`
_META, _EXCLUSIVES, _END_OF_TRACK = 0xFF, (0xF0, 0xF7), 0x2F
_CHECKED = 5 * 4096  # numbers of which the deadline is checked once
_DIVISION = 12  # where the header says the division
_MAX_DIVISION, _MAX_TICKS_PER_FRAME = 2**15 - 1, 255


class Track(NamedTuple):
    """The events of a track.

    Parameters
    ----------
    data
        The track's bytes, from its first delta time to its end of track.
    events
        (5, events): tick, status (that in force, under running status), and where in `data` the delta time begins, the
        event begins and the event ends. The last is the end of track.
    """

    data: bytes
    events: Ints

    @property
    def relies_on_running(self) -> Ints:
        """Indices of the events under running status that stand behind a meta or system exclusive event."""
        first = np.frombuffer(self.data, np.uint8)[self.events[BODY, 1:]]
        return np.flatnonzero((first < 128) & (self.events[STATUS, :-1] >= 0xF0)) + 1

    def bytes_of(self, event: int) -> bytes:
        """The bytes of an event, its status byte always among them."""
        _, status, _, body, end = self.events[:, event].tolist()
        message = self.data[body:end]
        return message if message[0] >= 128 else bytes([status]) + message


class File(NamedTuple):
    """A MIDI file, without the RIFF around it.

    Parameters
    ----------
    data
        Its bytes.
    division
        As in `chunks.Header`.
    tracks
        Its tracks.
    begins
        Where in `data` the bytes of each track begin.
    """

    data: bytes
    division: int
    tracks: Sequence[Track]
    begins: Sequence[int]

    def with_tracks(self, changed: dict[int, bytes]) -> bytes:
        """The file with other bytes for some of its tracks, given by number from 0; all else byte for byte."""
        out, at = [], 0
        for number, body in sorted(changed.items()):
            begin = self.begins[number]
            out += [self.data[at : begin - 4], struct.pack(">I", len(body)), body]
            at = begin + len(self.tracks[number].data)
        return b"".join([*out, self.data[at:]])


def opened(data: bytes, deadline: Deadline) -> File:
    """A MIDI file, event by event.

    Raises
    ------
    MidiError
        If it is no MIDI, takes too long, or anything in it would have to be repaired.
    """
    try:
        return _opened(data, deadline)
    except _Fault as fault:
        raise MidiError(f"needs a repair before it can be edited: {fault}; read it and write it again") from None


class _Fault(Exception):
    """What would have to be repaired."""


def _opened(data: bytes, deadline: Deadline) -> File:
    repairs: list[str] = []
    head = chunks.header(data, repairs)
    if repairs:
        raise _Fault(repairs[0])
    at = head.end
    begins: list[int] = []
    tracks: list[Track] = []
    while at < len(data):
        begin, kind = at + 8, data[at : at + 4]
        at = begin + int.from_bytes(data[at + 4 : begin], "big")
        if at > len(data) or not kind.isalpha():
            raise _Fault(f"what follows {f'track {len(tracks)}' if tracks else 'the header'} is no whole track")
        if kind == b"MTrk":
            begins.append(begin)
            try:
                tracks.append(Track(data[begin:at], _events(data[begin:at], deadline)))
            except IndexError:
                raise _Fault(f"track {len(begins)} is cut short") from None
            except _Fault as fault:
                raise _Fault(f"track {len(begins)} has {fault}") from None
    if len(tracks) != head.tracks:
        raise _Fault(f"the header says {counted(head.tracks, 'track')}, there are {len(tracks):,}")
    return File(data, head.division, tracks, begins)


def _events(data: bytes, deadline: Deadline) -> Ints:
    found = array("q")
    at = tick = running = status = kind = 0
    while (status, kind) != (_META, _END_OF_TRACK):
        if not len(found) % _CHECKED:
            deadline.check()
        start = at
        delta, body = _number(data, at)
        tick += delta
        status, at = (data[body], body + 1) if data[body] >= 128 else (running, body)
        kind = 0
        if 128 <= status < 0xF0:
            running = status
            end = at + (1 if 0xC0 <= status < 0xE0 else 2)
            if not data[at:end].isascii():
                raise _Fault("a message broken off by another")
        elif status == _META or status in _EXCLUSIVES:
            kind = data[at] if status == _META else 0
            length, at = _number(data, at + (status == _META))
            end = at + length
        else:
            raise _Fault("a system message, which no file may hold" if status else "a byte without a status byte")
        if end > len(data):
            raise IndexError
        found.extend((tick, status, start, body, end))
        at = end
    if at < len(data) or data[-3:] != chunks.END_OF_TRACK:
        raise _Fault("bytes after its end of track")
    return np.frombuffer(found, np.int64).reshape(-1, 5).T.copy()


def _number(data: bytes, at: int) -> tuple[int, int]:
    value, end = chunks.varlen(data, at)
    if data[end - 1] >= 128:
        raise _Fault("a number of more than four bytes")
    return value, end


# Back to bytes


class Rewriting:
    """A track rewritten, of its own events and others, in the order in which they come."""

    def __init__(self, track: Track) -> None:
        self._track = track
        self._out: list[bytes] = []
        self._now = self._running = 0

    def put(self, tick: int, message: bytes) -> None:
        """Add an event, its status byte among its bytes, at `tick` or, if that is past, now.

        Raises
        ------
        MidiError
            If MIDI has no delta time as long.
        """
        self._out += [_delta(max(tick - self._now, 0)), message]
        self._now = max(tick, self._now)
        self._running = message[0] if message[0] < 0xF0 else 0

    def copy(self, first: int, last: int) -> None:
        """Add the track's own events `first` to `last` - 1; the first gets a status byte if it needs one now."""
        if first >= last:
            return
        data, events = self._track
        tick, status, _, body, end = events[:, first].tolist()
        message = data[body:end] if data[body] >= 128 or status == self._running else self._track.bytes_of(first)
        self.put(tick, message)
        self._out.append(data[end : events[END, last - 1]])
        self._now = max(self._now, int(events[TICK, last - 1]))
        final = int(events[STATUS, last - 1])
        self._running = final if final < 0xF0 else 0

    def written(self) -> bytes:
        """The bytes so far."""
        return b"".join(self._out)


def _delta(ticks: int) -> bytes:
    if ticks > chunks.MAX_NUMBER:
        raise MidiError(f"would have a silence of {ticks:,} ticks; {chunks.MAX_NUMBER:,} are the most, cut it in two")
    return chunks.to_varlen(ticks)


def finer(file: File, factor: int) -> bytes:
    """The same music on a grid `factor` times as fine: the division and every delta time are multiplied.

    Raises
    ------
    MidiError
        If MIDI has no such division, or no delta time as long.
    """
    changed = {}
    for number, (data, events) in enumerate(file.tracks):
        gaps = np.diff(events[TICK], prepend=0) * factor
        rows = zip(gaps.tolist(), events[BODY].tolist(), events[END].tolist())
        changed[number] = b"".join([_delta(gap) + data[body:end] for gap, body, end in rows])
    scaled = file.with_tracks(changed)
    division = struct.pack(">h", finer_division(file.division, factor))
    return scaled[:_DIVISION] + division + scaled[_DIVISION + 2 :]


def finer_division(division: int, factor: int) -> int:
    """The division of a grid `factor` times as fine.

    Raises
    ------
    MidiError
        If MIDI has none.
    """
    ticks, most = (division, _MAX_DIVISION) if division > 0 else (division & 255, _MAX_TICKS_PER_FRAME)
    if ticks * factor > most:
        unit = "quarter" if division > 0 else "frame"
        raise MidiError(
            f"counts {ticks:,} ticks a {unit}, and would need {ticks * factor:,} to hold these notes exactly; MIDI has at "
            f"most {most:,}, put the notes on a coarser grid"
        )
    return ticks * factor if division > 0 else division - ticks + ticks * factor
