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
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from os import PathLike
from stat import S_ISREG
from typing import Any

import numpy as np
from numpy.typing import NDArray

from melody.errors import MidiError
from melody.midi import chunks, packed
from melody.midi.chunks import LENGTHS, LIKELY, NAME, TEXT, TRACK_END
from melody.midi.glance import Glance
from melody.midi.limits import ReadLimits
from melody.midi.packed import PackedSource
from melody.midi.salvage import salvage
from melody.midi.source import Source, check_limits, clean_text, to_piece
from melody.piece import TICKS_PER_QUARTER, Ints, Part, Piece

SUFFIXES = (".mid", ".midi", ".kar", ".rmi")
_LIMITS = ReadLimits()
SLOWEST = 2**24  # microseconds a quarter, which three bytes do not reach
LONG = 1 << 14  # bytes from which on a file is looked at alone: NumPy's calls cost nothing then beside what they do
RUN, FEW = 1 << 20, 16  # bytes of files that are looked at together; files that are too few for that


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


def skim_together(
    contents: Sequence[bytes], limits: ReadLimits | None = None
) -> list[tuple[PackedSource | Source, list[str]] | MidiError]:
    """What `skim` gives for the bytes of each file, or the error that it raises, in much less time for many files."""
    limits = limits or _LIMITS
    whole: list[PackedSource | None] = [None] * len(contents)
    for run in _runs(contents) if packed.layout_is_known() else ():
        for number, source in zip(run, _whole_together([contents[number] for number in run], limits)):
            whole[number] = source
    return [(source, []) if source else _skimmed(data, limits) for source, data in zip(whole, contents)]


def _skimmed(data: bytes, limits: ReadLimits) -> tuple[PackedSource | Source, list[str]] | MidiError:
    try:
        return skim(data, limits)
    except MidiError as error:
        return error


def _runs(contents: Sequence[bytes]) -> Iterator[list[int]]:
    """The numbers of short files, as many at a time as make `RUN` bytes."""
    run: list[int] = []
    size = 0
    for number, data in enumerate(contents):
        if len(data) < LONG:
            run.append(number)
            size += len(data)
        if size > RUN or (number == len(contents) - 1 and len(run) >= FEW):
            yield run
            run, size = [], 0


def _whole_together(contents: Sequence[bytes], limits: ReadLimits) -> list[PackedSource | None]:
    """Like `_whole`, but None as well for what can only be told by looking at a file alone."""
    glance = Glance.at(contents)
    states: dict[int, bytes] = {}
    ends: list[int] = []
    parse = _parser()
    for number in np.flatnonzero(glance.plain & (glance.size <= limits.max_bytes)).tolist():
        try:
            score = parse(contents[number])
        except Exception:  # as in `_whole`
            continue
        states[number] = score.__getstate__()
        ends.append(score.end())
    numbers = np.array(list(states), np.int64)
    heard = packed.heard_together(list(states.values()), limits.max_changes)
    missing = glance.messages[numbers] - 3 * (2 * heard.notes + heard.others)
    if missing.any():
        missing[missing == 2 * glance.programs[numbers]] = 0
    within = _are_surely_within(heard, np.array(ends), limits)
    heads = glance.heads()
    sources: list[PackedSource | None] = [None] * len(contents)
    for number, found, end, lost, fine in zip(states, heard.each, ends, missing.tolist(), within.tolist()):
        if found is not None and not lost:
            source = _source(found, end, heads.get(number, []))
            sources[number] = source if fine or _surely_within(source, limits) else None
    return sources


def _are_surely_within(heard: packed.HeardTogether, end: Ints, limits: ReadLimits) -> NDArray[np.bool_]:
    """Like `_surely_within` for the files that end at these ticks, whatever their tempi."""
    quarters = end / heard.ticks_per_quarter
    most = min(limits.max_quarters, limits.max_hours * 3.6e9 / SLOWEST)
    return (heard.notes > 0) & (heard.notes <= limits.max_notes) & (heard.parts <= limits.max_tracks) & (quarters <= most)


def _source(found: packed.Heard, end: int, metas: _Metas) -> PackedSource:
    """Of what was found, the tick where it ends, and the names and texts of the first track."""
    title, texts = _title_and_texts(metas)
    return PackedSource(
        found.ticks_per_quarter, end, found.records, found.sizes, _parts(found.players),
        found.time_signatures, found.tempi, found.keys, title, texts,
    )  # fmt: skip


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
        source = _source(found, score.end(), split[0][1])
    except ValueError:  # a name that is not in UTF-8
        return None
    return source if _nothing_lost([rest for rest, _ in split], 2 * source.num_notes + found.others) else None


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


@lru_cache(maxsize=4096)
def _parts(players: tuple[tuple[int, bool, str], ...]) -> tuple[Part, ...]:
    """The same players are the same object: most files have those of another."""
    return tuple([Part(program, is_drum, clean_text(name)) for program, is_drum, name in players])


_Metas = list[tuple[bool, int, bytes]]
_EXCLUSIVE = -1
_HIGH = bytes(range(128, 256))
# Program and pressure of a channel, which symusic does not count for us: a status and one data byte, then a delta time,
# then another status. Where a byte from C0 to DF belongs to a delta time instead, its last byte, a status and two bytes
# below 128 follow, or its last byte, two bytes below 128 and more.
_SHORT_MESSAGE = re.compile(rb"[\xc0-\xdf][\0-\x7f](?:[\0-\x7f](?=[\x80-\xff])|(?=[\x80-\xff]{1,3}[\0-\x7f][\x80-\xff]))")


def _split(track: bytes) -> tuple[list[bytes], _Metas]:
    """What is between a track's meta and system exclusive events and their delta times; and the names and texts among those.

    Each as (whether no time and no other event has gone before it, kind, data).

    Raises
    ------
    ValueError, IndexError
        If they make no sense, or a name is not in UTF-8.
    """
    rest: list[bytes] = []
    metas: _Metas = []
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


def _title_and_texts(metas: _Metas) -> tuple[str, tuple[str, ...]]:
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
    return missing == 2 * heads or missing == 2 * len(_SHORT_MESSAGE.findall(messages))
