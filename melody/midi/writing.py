"""`Piece` -> MIDI bytes, format 1: a first track with title, texts, metre, tempi and keys, then a track for each part.

Written by ourselves rather than by pretty_midi, which has no place for the title and for keys of more than six
accidentals, counts time in seconds, and needs memory for every tick.

The pedal of the keyboards is controller 64 of each of their tracks. Notes end by a note-on of velocity 0, under running
status. Pitched parts take the channels but the tenth in turn. Of more than fifteen those of one program share a channel, as
far as they must, so that no channel has two programs. Where there are more programs than channels, parts from the sixteenth
on take the channels again, on the next port (meta event 21, which most sequencers know): a player that knows no ports plays
two such parts with one program, though every reader of the file still tells them apart by track.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from os import PathLike

import numpy as np

from melody import files
from melody.errors import MidiError
from melody.midi.chunks import END_OF_TRACK, MAX_NUMBER, to_varlen
from melody.midi.sustain import SUSTAIN, curves_of, holds
from melody.piece import Part, Piece

WRITTEN_RESOLUTION = 480  # at the least: it holds triplets and thirty-seconds, and every program reads it
_CHANNELS = [channel for channel in range(16) if channel != 9]
_DRUMS, _NOTE, _CONTROL = 9, 0x90, 0xB0


def write(piece: Piece, path: str | PathLike[str]) -> None:
    """Write a MIDI file of format 1, whole or not at all.

    Raises
    ------
    melody.files.FileError
        If the system refuses.
    MidiError
        If the piece has a silence of more than 2 ** 28 ticks in the file, some hundred thousand bars.
    """
    files.write_bytes(path, to_bytes(piece))


def to_bytes(piece: Piece) -> bytes:
    """The bytes of a MIDI file of format 1, in UTF-8; reading them gives the same piece, less parts without notes."""
    factor = written_factor(piece.ticks_per_quarter)
    tracks = [_track(_frame(piece), factor)]
    for number, (part, (port, channel)) in enumerate(zip(piece.parts, _places(piece.parts))):
        head = [_meta(0x03, part.name.encode("utf-8", "replace"))] if part.name else []
        head += [_meta(0x21, bytes([port % 128]))] if port else []
        head += [bytes([0xC0 | channel, part.program])]
        played = _messages(piece, number, channel)
        tracks.append(_track([(0, event) for event in head] + played, factor))
    return struct.pack(">4sIHHH", b"MThd", 6, 1, len(tracks), piece.ticks_per_quarter * factor) + b"".join(tracks)


def _places(parts: Sequence[Part]) -> list[tuple[int, int]]:
    """The port and the channel of each part."""
    pitched = [number for number, part in enumerate(parts) if not part.is_drum]
    programs = list(dict.fromkeys(parts[number].program for number in pitched))
    most, found = len(_CHANNELS), [(0, _DRUMS)] * len(parts)
    shares = len(programs) <= most < len(pitched)
    free = list(range(len(programs), most)) if shares else []  # for parts that are not the first of their program
    seen: set[int] = set()
    for turn, number in enumerate(pitched):
        program = parts[number].program
        if shares:
            turn = free.pop(0) if program in seen and free else programs.index(program)
            seen.add(program)
        found[number] = turn // most, _CHANNELS[turn % most]
    return found


def written_factor(ticks_per_quarter: int) -> int:
    """By how much the grid is made finer in the file."""
    return max(-(-WRITTEN_RESOLUTION // ticks_per_quarter), 1)


def _frame(piece: Piece) -> list[tuple[int, bytes]]:
    """The events of the first track; the order of those at one tick is that of this list."""
    events = [(0, _meta(0x03, piece.title.encode("utf-8", "replace")))] if piece.title else []
    events += [(0, _meta(0x01, text.encode("utf-8", "replace"))) for text in piece.texts]
    events += [(t.onset, _meta(0x51, t.microseconds.to_bytes(3, "big"))) for t in piece.tempi]
    for time in piece.time_signatures:
        clocks = min(24 * time.beat_ticks(piece.ticks_per_quarter) // piece.ticks_per_quarter, 255)
        body = bytes([time.numerator, time.denominator.bit_length() - 1, max(clocks, 1), 8])
        events.append((time.onset, _meta(0x58, body)))
    events += [(k.onset, _meta(0x59, struct.pack("bB", k.fifths, k.mode == "minor"))) for k in piece.keys]
    return sorted(events, key=lambda event: event[0])


def _meta(kind: int, body: bytes) -> bytes:
    return bytes([0xFF, kind]) + to_varlen(len(body)) + body


def _messages(piece: Piece, part: int, channel: int) -> list[tuple[int, bytes]]:
    """Ends, the pedal and starts, in that order where they meet; a status byte only where it is another than before."""
    own = piece.part == part
    onset, end, pitch, velocity = piece.onset[own], piece.end[own], piece.pitch[own], piece.velocity[own]
    pedal = curves_of(piece) if holds(piece, part) else ()
    turn, down = pedal[0] if pedal else np.zeros((2, 0), np.int64)
    kinds, sizes = (_NOTE, _CONTROL, _NOTE), (len(end), len(turn), len(onset))
    status, tick = np.repeat(kinds, sizes) | channel, np.concatenate([end, turn, onset])
    key = np.concatenate([pitch, np.full_like(turn, SUSTAIN), pitch])
    strength = np.concatenate([np.zeros_like(velocity), down, velocity])
    # Turns of the pedal stay in their order: it may go up and down again at one tick.
    order = np.lexsort((np.where(status >> 4 == _NOTE >> 4, key, 0), np.repeat(range(3), sizes), tick))
    rows = np.stack([tick, status, key, strength])[:, order]
    same = np.diff(rows[1], prepend=0) == 0
    return [(at, bytes(message[short:])) for short, (at, *message) in zip(same.tolist(), rows.T.tolist())]


def _track(events: Iterable[tuple[int, bytes]], factor: int) -> bytes:
    out, before = [], 0
    for tick, event in events:
        if (tick - before) * factor > MAX_NUMBER:
            raise MidiError(f"a silence of {tick - before:,} ticks is longer than MIDI can write; cut the piece in two")
        out += [to_varlen((tick - before) * factor), event]
        before = tick
    body = b"".join([*out, b"\0", END_OF_TRACK])
    return b"MTrk" + struct.pack(">I", len(body)) + body
