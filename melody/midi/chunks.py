"""The container: a header chunk and track chunks, alone or inside a RIFF file.

file   = [RIFF wrapper] header track*
header = "MThd" length=6 format tracks division     (big-endian: 4, 2, 2, 2 bytes)
track  = "MTrk" length event*
number = 1 to 4 bytes of 7 bits each, all but the last with the highest bit set  (delta times and lengths)
"""

from __future__ import annotations

import struct
from collections.abc import Container
from typing import NamedTuple

from melody.errors import MidiError
from melody.midi.read_limits import Deadline
from melody.text import counted

_OTHERS = {  # what may hold a MIDI file near its beginning: its mark and where that stands
    "a zip archive": (b"PK\3\4", 0),
    "packed with gzip": (b"\x1f\x8b", 0),
    "a tar archive": (b"ustar", 257),
}
END_OF_TRACK = b"\xff\x2f\x00"
MAX_NUMBER = 2**28 - 1
META, EXCLUSIVE, EXCLUSIVE_END = 0xFF, 0xF0, 0xF7  # bytes that begin and end events other than a channel's
TEXT, NAME, TRACK_END = 0x01, 0x03, 0x2F  # kinds of meta events
LENGTHS = {TRACK_END: 0, 0x51: 3, 0x58: 4, 0x59: 2}
# Of each kind of meta event the lengths by which it is known. What matters here must have its own, or the file is damaged;
# with others FF and the kind are part of a delta time if it has not.
LIKELY: dict[int, Container[int]] = dict.fromkeys((*range(0x01, 0x10), 0x7F, *LENGTHS), range(MAX_NUMBER + 1)) | {
    0x00: (0, 2),
    0x20: (1,),
    0x21: (1,),
    0x54: (5,),
}


class Header(NamedTuple):
    """What the header chunk says, and where it ends; `division` is ticks a quarter if positive, else SMPTE time code."""

    form: int
    tracks: int
    division: int
    end: int


def varlen(data: bytes, at: int) -> tuple[int, int]:
    """The number that begins at `at`, and where it ends. No more than four bytes are taken.

    Raises
    ------
    IndexError
        If the data end before it.
    """
    value = 0
    for here in range(at, at + 4):
        value = value << 7 | data[here] & 127
        if data[here] < 128:
            break
    return value, here + 1


def to_varlen(value: int) -> bytes:
    """The bytes of a number of at most 28 bits.

    >>> to_varlen(480).hex(), varlen(to_varlen(480), 0)
    ('8360', (480, 2))
    """
    out = [value & 127]
    while value := value >> 7:
        out.append(value & 127 | 128)
    return bytes(reversed(out))


def unwrapped(data: bytes) -> bytes:
    """The MIDI file inside a RIFF RMID file (.rmi); any other data as they are."""
    start, end = midi_within(data)
    return data[start:end] if start else data


def midi_within(data: bytes) -> tuple[int, int]:
    """Where the MIDI file in the data begins and ends: all of it, but for RIFF RMID files (.rmi).

    Raises
    ------
    MidiError
        If a RIFF RMID file holds none.
    """
    if data[:4] != b"RIFF" or data[8:12] != b"RMID":
        return 0, len(data)
    at = 12
    while at + 8 <= len(data):
        (length,) = struct.unpack_from("<I", data, at + 4)
        if data[at : at + 4] == b"data":
            return at + 8, at + 8 + length
        at += 8 + length + length % 2
    raise MidiError("is RIFF RMID without a MIDI file in it; export it again")


def wrapped(midi: bytes, like: bytes) -> bytes:
    """A MIDI file wrapped as `like`, a RIFF RMID file, wraps its own; as it is if `like` wraps none."""
    start, end = midi_within(like)
    if not start:
        return midi
    rest = like[end + (end - start) % 2 :]
    body = like[8 : start - 4] + struct.pack("<I", len(midi)) + midi + b"\0" * (len(midi) % 2) + rest
    return b"RIFF" + struct.pack("<I", len(body)) + body


def whole_tracks(data: bytes) -> list[bytes] | None:
    """The tracks of a file of format 0 or 1 whose every count and length is true; None for any other."""
    if data[:8] != b"MThd\0\0\0\6" or len(data) < 14:
        return None
    form, count, division = struct.unpack_from(">HHh", data, 8)
    at, tracks = 14, []
    while data[at : at + 4] == b"MTrk":
        start = at + 8
        at = start + int.from_bytes(data[at + 4 : start], "big")
        tracks.append(data[start:at])
        if not tracks[-1].endswith(END_OF_TRACK):
            return None
    return tracks if form < 2 and division > 0 and at == len(data) and len(tracks) == count > 0 else None


def header(data: bytes, repairs: list[str]) -> Header:
    """The header, wherever it begins (some systems put 128 bytes of their own before it).

    Raises
    ------
    MidiError
        If there is none, or its format or division mean nothing.
    """
    if not data:
        raise MidiError("is empty; export it again")
    other = next((kind for kind, (mark, at) in _OTHERS.items() if data.startswith(mark, at)), None)
    if other and not data.startswith(b"MThd"):
        raise MidiError(f"is no MIDI file but {other}; unpack it and name a MIDI file")
    start = data.find(b"MThd", 0, 4096)
    if start < 0:
        begins = data[:12].decode("latin-1").encode("unicode_escape").decode()
        raise MidiError(f"is no MIDI file: it begins with '{begins}', not with 'MThd'; name a MIDI file")
    if start:
        repairs.append(f"{start} bytes before the header left out")
    if len(data) < start + 14:
        raise MidiError("is cut short in its header; export it again")
    length, form, tracks, division = struct.unpack_from(">IHHh", data, start + 4)
    if form > 2:
        raise MidiError(f"is MIDI of format {form}; formats 0, 1 and 2 exist, save it as format 1")
    if division == 0:
        raise MidiError("counts time in 0 ticks a quarter; 1 to 32,767 are legal, export it again")
    end = start + 8 + length
    if data[end : end + 4] != b"MTrk":
        end = start + 14
    return Header(form, tracks, division, end)


def found_tracks(data: bytes, head: Header, deadline: Deadline, repairs: list[str]) -> list[bytes]:
    """The tracks of a damaged file: where a length is wrong, up to the next track or the end of the file."""
    tracks: list[bytes] = []
    wrong: list[int] = []
    at, left_out = head.end, 0
    while at < len(data):
        deadline.check()
        start, end = at + 8, at + 8 + int.from_bytes(data[at + 4 : at + 8], "big")
        if data[at : at + 4] == b"MTrk":
            if not _ends_here(data, end):
                end = _next_track(data, start)
                wrong.append(len(tracks) + 1)
            tracks.append(data[start:end])
        elif not (data[at : at + 4].isalpha() and _ends_here(data, end)):  # not even a chunk of some other kind
            end = _next_track(data, at)
            left_out += end - at
        at = end
    if not tracks:
        raise MidiError("is damaged MIDI: no track follows its header; export it again")
    _tell(head, tracks, wrong, left_out, repairs)
    return tracks


def _ends_here(data: bytes, end: int) -> bool:
    """Whether a chunk may well end here: with the file, before another chunk, or after an end of track."""
    return end == len(data) or data[end : end + 4].isalpha() or (end < len(data) and data[end - 3 : end] == END_OF_TRACK)


def _next_track(data: bytes, at: int) -> int:
    end = data.find(b"MTrk", at)
    return end if end >= 0 else len(data)


def _tell(head: Header, tracks: list[bytes], wrong: list[int], left_out: int, repairs: list[str]) -> None:
    if wrong and wrong[-1] == len(tracks) and not tracks[-1].endswith(END_OF_TRACK):
        wrong.pop()
        repairs.append(f"the file is cut short in track {len(tracks)}; what is whole of it is kept")
    if wrong:
        repairs.append(f"{counted(len(wrong), 'track')} with a wrong length read to the true end")
    if left_out:
        repairs.append(f"{counted(left_out, 'byte')} outside the tracks left out")
    if len(tracks) != head.tracks:
        repairs.append(f"the header says {counted(head.tracks, 'track')}, there are {len(tracks)}: all are read")
