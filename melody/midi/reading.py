"""MIDI bytes -> `Piece`: the fast way for whole files, the careful one for the rest.

symusic drops without a word what it cannot pair or does not know, so a file is believed whole only if nothing of it was
lost. That can be counted without parsing it. Of the bytes of a channel event exactly the last of its delta time and its
one or two data bytes are below 128, running status or not. So, metas and system exclusives cut out, the bytes below 128
in the tracks number three for every note-on, note-off, controller and pitch bend, two for every program change. If that
is what symusic found, it lost nothing; if not, `salvage` reads the file. False alarms (polyphonic pressure, controllers on
a track without notes) cost time, never music.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from os import PathLike
from stat import S_ISREG
from typing import Any

import numpy as np

from melody.errors import MidiError
from melody.midi import chunks, packed
from melody.midi.limits import ReadLimits
from melody.midi.packed import PackedSource
from melody.midi.salvage import salvage
from melody.midi.source import Source, check_limits, clean_text, to_piece
from melody.piece import TICKS_PER_QUARTER, Part, Piece

SUFFIXES = (".mid", ".midi", ".kar", ".rmi")
_LIMITS = ReadLimits()


@dataclass(frozen=True)
class Reading:
    """A piece read from a file, and what had to be done to the file's music.

    Parameters
    ----------
    piece
        The music.
    repairs
        One plain sentence for each kind of change; empty if the file was legal and on the grid.
    grid_error
        Largest distance, in quarter notes, by which an onset or an end was moved to the grid.
    """

    piece: Piece
    repairs: tuple[str, ...] = ()
    grid_error: float = 0.0


def read(path: str | PathLike[str], limits: ReadLimits | None = None) -> Piece:
    """The piece in a MIDI file.

    Raises
    ------
    MidiError
        If the file is missing, no MIDI, damaged beyond use or over a limit. The message begins with its name.
    """
    return read_file(path, limits).piece


def read_file(
    path: str | PathLike[str], limits: ReadLimits | None = None, ticks_per_quarter: int = TICKS_PER_QUARTER
) -> Reading:
    """Like `read`, with what had to be repaired, on a grid of `ticks_per_quarter`."""
    limits = limits or ReadLimits()
    try:
        return parse(_bytes_of(path, limits), limits, ticks_per_quarter)
    except OSError as error:
        raise MidiError(f"{path}: cannot be read ({error.strerror or error}); check the path") from error
    except MidiError as error:
        raise MidiError(f"{path}: {error}") from error


def _bytes_of(path: str | PathLike[str], limits: ReadLimits) -> bytes:
    # Not to wait for ever for a pipe that nobody writes to; Windows has no such flag, but one for binary files.
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        status = os.fstat(handle)
        if not S_ISREG(status.st_mode):
            raise MidiError("is no file; name a MIDI file")
        limits.check("bytes", status.st_size, limits.max_bytes)
        data = os.read(handle, status.st_size)
        while len(data) < status.st_size and (more := os.read(handle, status.st_size - len(data))):
            data += more
        return data
    finally:
        os.close(handle)


def parse(data: bytes, limits: ReadLimits | None = None, ticks_per_quarter: int = TICKS_PER_QUARTER) -> Reading:
    """The piece in the bytes of a MIDI file, on a grid of `ticks_per_quarter`.

    Raises
    ------
    MidiError
        If the bytes are no MIDI, damaged beyond use or over a limit.
    """
    source, repairs = scan(data, limits)
    piece, grid_error = to_piece(source, ticks_per_quarter, repairs)
    return Reading(piece, tuple(repairs), grid_error)


def scan(data: bytes, limits: ReadLimits | None = None) -> tuple[Source, list[str]]:
    """What the bytes of a MIDI file say, on the file's own grid, and what had to be repaired to read them.

    `parse` is this and `source.to_piece`.

    Raises
    ------
    MidiError
        As `parse`.
    """
    source, repairs = skim(data, limits)
    return packed.unpacked(source), repairs


def skim(data: bytes, limits: ReadLimits | None = None) -> tuple[PackedSource | Source, list[str]]:
    """Like `scan`, but for whole files the notes are left packed: whoever reads many unpacks them all at once."""
    limits = limits or _LIMITS
    limits.check("bytes", len(data), limits.max_bytes)
    data = chunks.unwrapped(data)
    whole = _whole(data, limits)
    if whole is not None:
        if not _surely_within(whole, limits):
            check_limits(whole.unpacked(), limits)
        return whole, []
    repairs: list[str] = []
    source = salvage(data, limits, repairs)
    check_limits(source, limits)
    return source, repairs


def _whole(data: bytes, limits: ReadLimits) -> PackedSource | None:
    """What symusic reads, if that is all there is; None if anything in the file is amiss."""
    tracks = chunks.whole_tracks(data)
    if tracks is None:
        return None
    try:
        split = [_split(track) for track in tracks]
        score = _parser()(data)
    except Exception:  # symusic raises RuntimeError and others; `salvage` will find out what is wrong
        return None
    if len(data) > limits.max_changes:  # a change takes some bytes
        number = len(score.tempos) + len(score.time_signatures) + len(score.key_signatures)
        limits.check("changes of tempo, metre and key", number, limits.max_changes)
    try:
        found = packed.heard(score)
        title, texts = _title_and_texts(split[0][1])
    except ValueError:  # a name that is not in UTF-8
        return None
    records, changes = found.records, (found.time_signatures, found.tempi, found.keys)
    if not _nothing_lost([rest for rest, _ in split], 2 * (len(records) // packed.RECORD) + found.others):
        return None
    parts = [_part(*player) for player in found.players]
    return PackedSource(found.ticks_per_quarter, score.end(), records, found.sizes, parts, *changes, title, texts)


@lru_cache(maxsize=1)
def _parser() -> Callable[[bytes], Any]:
    """symusic's, without the choice of a unit of time that stands before it."""
    from symusic.core import ScoreTick

    return ScoreTick.from_midi


def _surely_within(source: PackedSource, limits: ReadLimits) -> bool:
    """Whether no limit is passed, by a glance."""
    quarters = source.end / source.ticks_per_quarter
    slowest = max([500_000, *[tempo for _, tempo in source.tempi]])
    return (
        0 < source.num_notes <= limits.max_notes
        and len(source.parts) <= limits.max_tracks
        and quarters <= limits.max_quarters
        and quarters * slowest <= limits.max_hours * 3.6e9
    )


@lru_cache(maxsize=1024)
def _part(program: int, is_drum: bool, name: str) -> Part:
    """The same player is the same object: most files have the same few."""
    return Part(program, is_drum, clean_text(name))


_Metas = list[tuple[bool, int, bytes]]
_EXCLUSIVE = -1
_TEXT, _NAME, _END = 0x01, 0x03, 0x2F
_LENGTHS = {_END: 0, 0x51: 3, 0x58: 4, 0x59: 2}
# Of each kind of meta event the lengths by which it is known. What matters here must have its own, or the file is damaged;
# with others FF and the kind are part of a delta time if it has not.
_LIKELY = dict.fromkeys((*range(0x01, 0x10), 0x7F, *_LENGTHS), range(2**28)) | {
    0x00: (0, 2),
    0x20: (1,),
    0x21: (1,),
    0x54: (5,),
}
_HIGH = bytes(range(128, 256))
# Program and pressure of a channel, which symusic does not count for us: a status and one data byte, then a delta time,
# then another status. Where a byte from C0 to DF belongs to a delta time instead, its last byte, a status and two bytes
# below 128 follow, or its last byte, two bytes below 128 and more.
_SHORT_MESSAGE = re.compile(rb"[\xc0-\xdf][\0-\x7f](?:[\0-\x7f](?=[\x80-\xff])|(?=[\x80-\xff]{1,3}[\0-\x7f][\x80-\xff]))")


def _split(track: bytes) -> tuple[bytes, _Metas]:
    """A track without its meta and system exclusive events and their delta times; and the names and texts among those.

    Each as (whether no time and no other event has gone before it, kind, data).

    Raises
    ------
    ValueError, IndexError
        If they make no sense, or a name is not in UTF-8.
    """
    rest: list[bytes] = []
    metas: _Metas = []
    at, at_head, size = 0, True, len(track)
    index, find, likely, known = track.index, track.find, _LIKELY.get, _LENGTHS.get
    while at < size:
        start = index(b"\xff", at)
        kind, length = track[start + 1], track[start + 2]
        at_once = start == at + 1 and not track[at]
        if length < 128 and length in likely(kind, ()) and (at_once or find(b"\xf0", at, start) < 0):
            first = start + 3
            end = first + length
        else:
            start, kind, first, end = _next_meta(track, at)
            at_once = start == at + 1 and not track[at]
        if not at_once:  # a delta time: bytes from 128 up and one below
            rest.append(track[at : max(start - 1, at)].rstrip(_HIGH))
            at_head = False
        at, length = end, end - first
        if known(kind, length) != length or (kind == _END) != (end >= size):
            raise ValueError
        if kind in (_NAME, _TEXT):
            metas.append((at_head, kind, track[first:end]))
            if kind == _NAME:
                metas[-1][2].decode()
    return b"".join(rest), metas


def _next_meta(track: bytes, at: int) -> tuple[int, int, int, int]:
    """Where the next meta or system exclusive event starts, its kind, where its data begin and end.

    The bytes that begin them, FF and F0, are passed over where what follows shows that they belong to a delta time.
    """
    start = at
    while True:
        start = track.index(b"\xff", start)
        exclusive = track.find(b"\xf0", at, start)
        while exclusive >= 0:
            length, first = chunks.varlen(track, exclusive + 1)
            if track[first : first + length].endswith(b"\xf7"):
                return exclusive, _EXCLUSIVE, first, first + length
            exclusive = track.find(b"\xf0", exclusive + 1, start)
        length, first = chunks.varlen(track, start + 2)
        if length in _LIKELY.get(track[start + 1], ()):
            return start, track[start + 1], first, first + length
        at = start = start + 1


def _title_and_texts(metas: _Metas) -> tuple[str, tuple[str, ...]]:
    """The name of the sequence and the remarks at its beginning, which symusic drops where the first track has no notes."""
    names = [body for at_head, kind, body in metas if kind == _NAME and at_head]
    texts = [body for at_head, kind, body in metas if kind == _TEXT and at_head]
    return clean_text(names[0].decode()) if names else "", tuple(clean_text(text.decode()) for text in texts)


def _nothing_lost(tracks: list[bytes], found: int) -> bool:
    """Whether as many channel messages were found as there are in the tracks, by the count of bytes below 128."""
    messages = b"".join(tracks)
    missing = np.count_nonzero(np.frombuffer(messages, np.int8) >= 0) - 3 * found
    if not missing:
        return True
    # Most programs stand at the head of a track: look there first, and through the whole only if that explains too little.
    heads = sum([len(_SHORT_MESSAGE.findall(track, 0, 64)) for track in tracks])
    return missing == 2 * heads or missing == 2 * len(_SHORT_MESSAGE.findall(messages))
