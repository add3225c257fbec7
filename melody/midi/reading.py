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
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from os import PathLike
from stat import S_ISREG
from typing import Any

import numpy as np

from melody.errors import MidiError
from melody.midi import chunks
from melody.midi.chunks import LENGTHS, LIKELY, NAME, TEXT, TRACK_END
from melody.midi.file_events import Source, check_limits, clean_text, to_piece
from melody.midi.read_limits import ReadLimits
from melody.midi.salvage import salvage
from melody.midi.sustain import curve_of
from melody.piece import TICKS_PER_QUARTER, Ints, Part, Piece

SUFFIXES = (".mid", ".midi", ".kar", ".rmi")
_LIMITS = ReadLimits()
Metas = list[tuple[bool, int, bytes]]  # names and texts: whether at the head of the track, kind, data


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
    data = bytes_of(path, limits)
    try:
        return parse(data, limits, ticks_per_quarter)
    except MidiError as error:
        raise MidiError(f"{path}: {error}") from error


def bytes_of(path: str | PathLike[str], limits: ReadLimits | None = None) -> bytes:
    """The bytes of a file, for `parse` and for whoever writes them back with a change.

    Raises
    ------
    MidiError
        If the file is missing, no file or over a limit. The message begins with its name.
    """
    try:
        return _bytes_of(path, limits or ReadLimits())
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
    """The events in the bytes of a MIDI file, on the file's own grid, and what had to be repaired to read them.

    `parse` is this and `source.to_piece`. `melody.corpus.bulk` does the same for many files at once.

    Raises
    ------
    MidiError
        As `parse`.
    """
    limits = limits or _LIMITS
    limits.check("bytes", len(data), limits.max_bytes)
    data, repairs = chunks.unwrapped(data), list[str]()
    source = _undamaged(data, limits) or salvage(data, limits, repairs)
    check_limits(source, limits)
    return source, repairs


def _undamaged(data: bytes, limits: ReadLimits) -> Source | None:
    """The events that symusic reads, if these are all there are; None if anything in the file is amiss."""
    found = undamaged_score(data, limits)
    try:
        return _source(*found) if found else None
    except ValueError:  # a name that is not in UTF-8
        return None


def undamaged_score(data: bytes, limits: ReadLimits) -> tuple[Any, Metas] | None:
    """The score that symusic reads, and the names and texts of the first track, if nothing of the file was lost (see above).

    Raises
    ------
    MidiError
        If there are more changes than the limit allows.
    """
    tracks = chunks.whole_tracks(data)
    if tracks is None:
        return None
    try:
        split = [_split(track) for track in tracks]
        score = parser()(data)
    except Exception:  # symusic raises RuntimeError and others; `salvage` will find out what is wrong
        return None
    if len(data) > limits.max_changes:  # a change takes some bytes
        number = len(score.tempos) + len(score.time_signatures) + len(score.key_signatures)
        limits.check("changes of tempo, metre and key", number, limits.max_changes)
    messages = sum([2 * len(track.notes) + len(track.controls) + len(track.pitch_bends) for track in score.tracks])
    return (score, split[0][1]) if _nothing_lost([rest for rest, _ in split], messages) else None


def _source(score: Any, metas: Metas) -> Source:
    """The events of a symusic score, by what symusic's manual promises.

    Raises
    ------
    ValueError
        If a name of a track is not in UTF-8.
    """
    tracks = [track for track in score.tracks if len(track.notes)]
    players = tuple([(track.program, track.is_drum, track.name) for track in tracks])
    title, texts = title_and_texts(metas)
    return Source(
        score.ticks_per_quarter,
        np.concatenate([np.zeros((5, 0), np.int64), *[_notes(track, part) for part, track in enumerate(tracks)]], 1),
        parts_of(players),
        tuple((change.time, change.numerator, change.denominator) for change in score.time_signatures),
        tuple((change.time, change.mspq) for change in score.tempos),
        tuple((change.time, change.key, change.tonality) for change in score.key_signatures),
        title,
        texts,
        _sustain(tracks),
    )


def _sustain(tracks: Sequence[Any]) -> tuple[Ints, ...]:
    """The curves of the tracks of keyboards."""
    curves = []
    for track in tracks:
        if Part(track.program, track.is_drum).is_keyboard:
            columns = track.controls.numpy()
            curves.append(curve_of(columns["time"], columns["number"], columns["value"]))
    return tuple(curves)


def _notes(track: Any, part: int) -> Ints:
    """Start, end, pitch, velocity and part of the notes of a track, (5, notes)."""
    columns = track.notes.numpy()
    start, duration, pitch, velocity = (columns[name].astype(np.int64) for name in ("time", "duration", "pitch", "velocity"))
    return np.stack([start, start + duration, pitch, velocity, np.full(len(start), part)])


@lru_cache(maxsize=1)
def parser() -> Callable[[bytes], Any]:
    """symusic's, without the choice of a unit of time that stands before it."""
    from symusic.core import ScoreTick

    return ScoreTick.from_midi


@lru_cache(maxsize=4096)
def parts_of(players: tuple[tuple[int, bool, str], ...]) -> tuple[Part, ...]:
    """The same players are the same object: most files have those of another."""
    return tuple([Part(program, is_drum, clean_text(name)) for program, is_drum, name in players])


_EXCLUSIVE = -1
_HIGH = bytes(range(128, 256))
# Program and pressure of a channel, which symusic does not count for us: a status and one data byte, then a delta time,
# then another status. Where a byte from C0 to DF belongs to a delta time instead, its last byte, a status and two bytes
# below 128 follow, or its last byte, two bytes below 128 and more.
_SHORT_MESSAGE = re.compile(rb"[\xc0-\xdf][\0-\x7f](?:[\0-\x7f](?=[\x80-\xff])|(?=[\x80-\xff]{1,3}[\0-\x7f][\x80-\xff]))")


def _split(track: bytes) -> tuple[list[bytes], Metas]:
    """What is between a track's meta and system exclusive events and their delta times; and the names and texts among those.

    Each as (whether no time and no other event has gone before it, kind, data).

    Raises
    ------
    ValueError, IndexError
        If they make no sense, or a name is not in UTF-8.
    """
    rest: list[bytes] = []
    metas: Metas = []
    at, at_head, size = 0, True, len(track)
    index, find, likely, known = track.index, track.find, LIKELY.get, LENGTHS.get
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
        if known(kind, length) != length or (kind == TRACK_END) != (end >= size):
            raise ValueError
        if kind in (NAME, TEXT):
            metas.append((at_head, kind, track[first:end]))
            if kind == NAME:
                metas[-1][2].decode()
    return rest, metas


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
        if length in LIKELY.get(track[start + 1], ()):
            return start, track[start + 1], first, first + length
        at = start = start + 1


def title_and_texts(metas: Metas) -> tuple[str, tuple[str, ...]]:
    """The name of the sequence and the remarks at its beginning, which symusic drops where the first track has no notes."""
    if not metas:
        return "", ()
    names = [body for at_head, kind, body in metas if kind == NAME and at_head]
    texts = [body for at_head, kind, body in metas if kind == TEXT and at_head]
    return clean_text(names[0].decode()) if names else "", tuple(clean_text(text.decode()) for text in texts)


def _nothing_lost(tracks: list[list[bytes]], found: int) -> bool:
    """Whether as many channel messages were found as there are in the tracks, by the count of bytes below 128."""
    messages = b"".join([piece for track in tracks for piece in track])
    missing = np.count_nonzero(np.frombuffer(messages, np.int8) >= 0) - 3 * found
    if not missing:
        return True
    # Most programs stand at the head of a track: look there first, and through the whole only if that explains too little.
    heads = sum([len(_SHORT_MESSAGE.findall(b"".join(track), 0, 64)) for track in tracks])
    return bool(missing == 2 * heads or missing == 2 * len(_SHORT_MESSAGE.findall(messages)))
