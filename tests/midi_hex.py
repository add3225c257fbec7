"""MIDI files for the tests, written as hex by hand; and what reading them must come to."""

from __future__ import annotations

import struct

import pytest

from melody import midi
from melody.errors import MidiError
from melody.midi import ReadLimits
from melody.piece import Piece

END = "00 FF 2F 00"  # end of track
SCALE = Piece([0, 24, 48, 72], [24, 24, 24, 24], [60, 62, 64, 65], title="scale")


def track(*events: str, length: int | None = None) -> bytes:
    """A track of events in hex; `length` is a lie about how long it is."""
    body = bytes.fromhex("".join(events))
    return b"MTrk" + struct.pack(">I", len(body) if length is None else length) + body


def file(*tracks: bytes, form: int = 1, count: int | None = None, division: int = 24) -> bytes:
    """A MIDI file; `count` is a lie about the number of tracks. 24 ticks a quarter, so that ticks are the piece's."""
    return b"MThd" + struct.pack(">IHHH", 6, form, len(tracks) if count is None else count, division) + b"".join(tracks)


def notes(piece: Piece) -> list[tuple[int, int, int]]:
    """(onset, duration, pitch) of each note."""
    return list(zip(piece.onset.tolist(), piece.duration.tolist(), piece.pitch.tolist()))


def refusal(data: bytes, limits: ReadLimits | None = None) -> str:
    with pytest.raises(MidiError) as caught:
        midi.parse(data, limits)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def refusal_or_piece(data: bytes, limits: ReadLimits) -> None:
    try:
        midi.parse(data, limits)
    except MidiError as error:
        assert "\n" not in str(error)
