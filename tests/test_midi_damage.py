"""Damaged and hostile MIDI: what is whole of it is kept and the rest told, or one line says why not; at a bounded cost."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from midi_hex import END, SCALE, file, notes, refusal, refusal_or_piece, track
from piece_strategies import pieces

from melody import midi
from melody.errors import MidiError
from melody.midi.read_limits import ReadLimits
from melody.piece import Key, Piece, Tempo, TimeSignature

SCRIPTS = Path(__file__).parent.parent / "scripts"


# Damage. Each line: what is wrong, the file, the notes that can be kept, and what is told.

ONE = "00 90 3C 40  18 80 3C 40"  # a quarter of middle C
TWO = ONE + "00 90 3E 40  18 80 3E 40"  # and one of D
KEPT_ONE, KEPT_TWO = [(0, 24, 60)], [(0, 24, 60), (24, 24, 62)]

DAMAGED = {
    "never ended, though the part goes on": (
        file(track("00 90 3C 40", "18 90 3E 40  18 80 3E 40", END)),
        KEPT_TWO,
        "1 note never ended",
    ),
    "never ended, the last": (file(track(ONE, "00 90 3E 40", END)), KEPT_TWO, "1 note never ended"),
    "an end without a start": (file(track("00 80 40 40", TWO, END)), KEPT_TWO, "1 end of no note left out"),
    "begun twice, ended twice": (  # the first end is the first note's; it is cut where the second begins
        file(track("00 90 3C 40", "18 90 3C 40", "0C 80 3C 40", "0C 80 3C 40", END)),
        [(0, 24, 60), (24, 24, 60)],
        "1 note ended where the same pitch began again",
    ),
    "begun twice, ended once": (  # the one end is that of both
        file(track("00 90 3C 40", "18 90 3C 40", "18 80 3C 40", END)),
        [(0, 24, 60), (24, 24, 60)],
        "1 note never ended",
    ),
    "begun twice at once": (
        file(track("00 90 3C 40", "00 90 3C 40", "18 80 3C 40", "00 80 3C 40", END)),
        KEPT_ONE,
        "1 note that began twice at once kept once",
    ),
    "no length": (file(track("00 90 3C 40  00 80 3C 40", END)), [(0, 1, 60)], "1 note of no length given the shortest"),
    "shorter than the grid": (  # 96 ticks a quarter: one of them is a quarter of a tick of 24
        file(track("00 90 3C 40  01 80 3C 40", END), division=96),
        [(0, 1, 60)],
        "1 note shorter than the grid",
    ),
    "off the grid": (file(track("01 90 3C 40  60 80 3C 40", END), division=96), KEPT_ONE, "moved by up to 0.01 quarter"),
    "tempo 0": (file(track("00 FF 51 03 00 00 00", ONE, END)), KEPT_ONE, "1 impossible tempo left out"),
    "a tempo of two bytes": (file(track("00 FF 51 02 07 A1", ONE, END)), KEPT_ONE, "signature of too few bytes left out"),
    "two metres at once": (
        file(track("00 FF 58 04 04 02 18 08", "00 FF 58 04 03 02 18 08", ONE, END)),
        KEPT_ONE,
        "1 time signature overruled by another at the same time",
    ),
    "a metre of 4/0": (file(track("00 FF 58 04 00 02 18 08", ONE, END)), KEPT_ONE, "1 impossible time signature left out"),
    "a metre of 4/2^40": (file(track("00 FF 58 04 04 28 18 08", ONE, END)), KEPT_ONE, "1 impossible time signature"),
    "a metre in mid-bar": (
        file(track("00 FF 58 04 04 02 18 08", "30 FF 58 04 03 02 18 08", ONE, END)),
        [(48, 24, 60)],
        "1 time signature in mid-bar put on a bar line",
    ),
    "twelve sharps": (file(track("00 FF 59 02 0C 00", ONE, END)), KEPT_ONE, "1 impossible key signature left out"),
    "a mode that is neither": (file(track("00 FF 59 02 00 05", ONE, END)), KEPT_ONE, "1 impossible key signature left out"),
    "no status byte before the first data": (
        file(track("00 3C 40", TWO, END)),  # the skipped 3C 40 00 take the first delta time with them
        KEPT_TWO,
        "3 bytes without a status byte skipped",
    ),
    "a status byte among data": (
        file(track(ONE, "00 90 3E", "90 3E 40  18 80 3E 40", END)),
        KEPT_TWO,
        "1 message broken off",
    ),
    "a system message": (file(track(ONE, "00 F8", TWO.removeprefix(ONE), END)), KEPT_TWO, "1 system message that no file"),
    "the last track cut in an event": (
        file(track(TWO, "00 90 40", length=99)),
        KEPT_TWO,
        "the file is cut short in track 1; what is whole of it is kept",
    ),
    "the last track cut between events": (file(track(TWO, length=99)), KEPT_TWO, "1 track broken off before the end"),
    "the last track missing": (file(track(TWO, END), count=2), KEPT_TWO, "the header says 2 tracks, there are 1"),
    "no end of track": (file(track(TWO)), KEPT_TWO, "1 track broken off before the end"),
    "events after the end of track": (
        file(track(ONE, END, TWO, END)),
        KEPT_ONE,
        "1 track with bytes after the end of track",
    ),
    "a track that says it is longer": (
        file(track(ONE, END, length=30), track("18 90 3E 40  18 80 3E 40", END)),
        KEPT_TWO,
        "1 track with a wrong length read to the true end",
    ),
    "a track that says it is shorter": (file(track(TWO, END, length=9)), KEPT_TWO, "1 track with a wrong length"),
    "a text that is longer than its track": (
        file(track(TWO, "00 FF 01 7F 61", END)),
        KEPT_TWO,
        "1 track broken off before the end",
    ),
    "a name in Latin-1": (file(track("00 FF 03 04 63 61 66 E9", ONE, END)), KEPT_ONE, "1 text not in UTF-8"),
    "rubbish before the header": (b"\0" * 128 + file(track(ONE, END)), KEPT_ONE, "128 bytes before the header left out"),
    "rubbish after the last track": (file(track(ONE, END)) + b"\0" * 5, KEPT_ONE, "5 bytes outside the tracks left out"),
    "a header of more tracks than there are": (file(track(ONE, END), count=7), KEPT_ONE, "the header says 7 tracks"),
    "format 2": (  # the second sequence begins on the bar line after the first
        file(track(ONE, END), track(ONE, END), form=2),
        [(0, 24, 60), (96, 24, 60)],
        "format 2: its 2 sequences put one after another",
    ),
    "SMPTE, 25 frames of 40 ticks": (  # 500 ticks are half a second, a quarter at 120
        file(track("00 90 3C 40  83 74 80 3C 40", END), division=0xE728),
        KEPT_ONE,
        "SMPTE time code of 25 frames a second taken as seconds",
    ),
    "SMPTE, 29.97 frames of 4 ticks": (  # 60 ticks are 60 / (4 * 30000 / 1001) = 0.5005 seconds
        file(track("00 90 3C 40  3C 80 3C 40", END), division=0xE304),
        KEPT_ONE,
        "SMPTE time code of 29 frames",
    ),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_what_is_whole_of_a_damaged_file_is_kept_and_the_rest_told(name: str) -> None:
    data, kept, told = DAMAGED[name]
    reading = midi.parse(data)
    assert notes(reading.piece) == kept
    assert told in "; ".join(reading.repairs)
    again = midi.parse(midi.to_bytes(reading.piece))
    assert again.piece == reading.piece
    assert again.repairs == ()


def test_what_is_legal_is_not_told() -> None:
    legal = {
        "tempo on a later track": file(track(ONE, END), track("00 FF 51 03 06 1A 80", END)),  # 400,000 microseconds
        "running status after a meta": file(track("00 90 3C 40", "00 FF 01 00", "18 3C 00", END)),
        "channel pressure under running status": file(track("00 D0 40  00 41", ONE, END)),
        "a controller on a track without notes": file(track("00 B0 07 40", END), track(ONE, END)),
        "a time of more than 8,192 ticks": file(track(ONE, "00 C0 01", "C0 00 FF 2F 00")),
        "a chunk of another kind": file(track(ONE, END)) + b"XFIH\0\0\0\1x",
        "a longer header": b"MThd" + struct.pack(">IHHHH", 8, 1, 1, 24, 0) + track(ONE, END),
    }
    for name, data in legal.items():
        reading = midi.parse(data)
        assert notes(reading.piece) == KEPT_ONE, name
        assert reading.repairs == (), name
    assert midi.parse(legal["tempo on a later track"]).piece.tempi == (Tempo(0, 400_000),)


def test_a_karaoke_file_and_one_in_riff_are_read_whatever_their_case(tmp_path: Path) -> None:
    body = file(track(ONE, END))
    riff = b"RIFF" + struct.pack("<I", len(body) + 12) + b"RMID" + b"data" + struct.pack("<I", len(body)) + body
    for name, data in (("A.MID", body), ("b.Kar", body), ("c.RMI", riff)):
        (tmp_path / name).write_bytes(data)
        assert notes(midi.read(tmp_path / name)) == KEPT_ONE
        assert (tmp_path / name).suffix.lower() in midi.SUFFIXES


def test_time_signatures_of_every_kind_of_disorder_end_on_bar_lines() -> None:
    """Whatever stands where, a legal piece comes out; and those in order come out as they are."""
    rng = np.random.default_rng(0)
    for _ in range(200):
        ticks = np.sort(rng.integers(0, 2000, 5)).tolist()
        events = [(t, int(rng.integers(1, 14)), int(rng.integers(0, 7))) for t in ticks]
        deltas = np.diff([0, *ticks])
        hexes = [
            f"{midi.writing.to_varlen(int(d)).hex()} FF 58 04 {n:02x} {p:02x} 18 08" for d, (_, n, p) in zip(deltas, events)
        ]
        piece = midi.parse(file(track(*hexes, ONE, END))).piece
        assert piece.time_signatures[-1].onset >= 0


# Refusals


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "is empty"),
        (b"<!DOCTYPE html><html><body>404 Not Found", "is no MIDI file: it begins with '<!DOCTYPE ht'"),
        (bytes.fromhex("89504E470D0A1A0A0000000D49484452"), "is no MIDI file: it begins with '\\x89PNG"),
        (b"MThd\0\0\0\6\0\1", "cut short in its header"),
        (file(), "no track follows its header"),
        (file(track(END)), "holds no notes"),
        (file(track(ONE, END), division=0), "0 ticks a quarter; 1 to 32,767 are legal"),
        (file(track(ONE, END), division=0xFF28), "1 frames a second; 24, 25, 29 or 30"),
        (file(track(ONE, END), form=3), "format 3; formats 0, 1 and 2 exist"),
        (b"RIFF\0\0\0\0RMIDLIST\0\0\0\0", "RIFF RMID without a MIDI file"),
        (file(track(ONE, "FF FF FF 7F 90 3C 40", END)), "quarter notes of length; the limit is 500,000"),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_line(data: bytes, told: str) -> None:
    assert told in refusal(data)


def test_each_limit_can_be_set() -> None:
    data = midi.to_bytes(SCALE)
    for limits, told in [
        (ReadLimits(max_bytes=9), "bytes; the limit is 9"),
        (ReadLimits(max_notes=3), "has 4 notes; the limit is 3"),
        (ReadLimits(max_tracks=0), "has 1 tracks with notes; the limit is 0"),
        (ReadLimits(max_changes=1), "has 2 changes of tempo, metre and key; the limit is 1"),
        (ReadLimits(max_quarters=3), "has 4.0 quarter notes of length; the limit is 3"),
        (ReadLimits(max_hours=1 / 3600), "has 0.0 hours of music; the limit is 0.000277778"),
    ]:
        assert told in refusal(data, limits)
    damaged = file(track("00 90 3C 40  01 90 3C 00" * 3000, "00 90 3C 40", END))
    assert "takes longer than 0 seconds" in refusal(damaged, ReadLimits(max_seconds=0))


def test_sixteen_megabytes_of_starting_notes_are_refused_at_once(tmp_path: Path) -> None:
    body = bytes.fromhex("00 90 3C 40") + bytes.fromhex("00 3C 40") * (16_000_000 // 3) + bytes.fromhex(END)
    bomb = file(b"MTrk" + struct.pack(">I", len(body)) + body)
    (tmp_path / "bomb.mid").write_bytes(bomb)
    start = time.process_time()
    with pytest.raises(MidiError, match=r"bomb\.mid: has 16,000,0\d\d bytes; the limit is 8,000,000"):
        midi.read(tmp_path / "bomb.mid")
    assert time.process_time() - start < 0.5
    assert "notes and more; the limit is 200,000" in refusal(bomb, ReadLimits(max_bytes=20_000_000))
    assert time.process_time() - start < 5


@pytest.mark.parametrize("event", ["00 FF 51 03 07 A1 20", "00 FF 01 00", "00 C0 01", "00 80 3C 00", "00 F8"])
def test_eight_megabytes_of_anything_take_no_longer_than_the_limit(event: str) -> None:
    body = bytes.fromhex(ONE) + bytes.fromhex(event) * (7_900_000 // len(bytes.fromhex(event)))
    start = time.process_time()
    refusal_or_piece(file(b"MTrk" + struct.pack(">I", len(body)) + body), ReadLimits(max_seconds=1))
    assert time.process_time() - start < 3


def test_a_million_tracks_take_no_longer_than_the_limit() -> None:
    start = time.process_time()
    refusal_or_piece(file(*[b"MTrk\0\0\0\0"] * 900_000, count=0), ReadLimits(max_seconds=1))
    refusal_or_piece(file(*[b"MTrk\xff\0\0\0"] * 900_000, count=0), ReadLimits(max_seconds=1))
    assert time.process_time() - start < 8


def test_what_is_no_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(MidiError, match=r"nothing\.mid: cannot be read \(No such file"):
        midi.read(tmp_path / "nothing.mid")
    with pytest.raises(MidiError, match=r"(is no file; name a MIDI file|cannot be read)"):
        midi.read(tmp_path)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.mid")
        with pytest.raises(MidiError, match=r"pipe\.mid: is no file"):
            midi.read(tmp_path / "pipe.mid")


def test_of_changes_that_come_to_lie_on_one_tick_the_last_in_time_holds() -> None:
    """960 ticks a quarter, 40 to one of the grid: ticks 5 and 10 are both its first; the tracks are in another order.

    Pressure on a key, which symusic does not count, has the file read by the careful reader.
    """
    later = track("0A FF 51 03 07 A1 20 00 FF 59 02 02 00 00 FF 58 04 03 02 18 08", "00 90 3C 40 87 40 80 3C 00", END)
    earlier = track("05 FF 51 03 54 72 5B 00 FF 59 02 01 00 00 FF 58 04 04 02 18 08 00 A0 3C 40", END)
    for tracks in ((later, earlier), (earlier, later)):
        read = midi.parse(file(*tracks, division=960)).piece
        assert (read.tempi, read.keys) == ((Tempo(0, 500_000),), (Key(0, 2, "major"),))
        assert read.time_signatures == (TimeSignature(0, 3, 4),)


def test_hours_are_counted_at_the_tempi_in_force() -> None:
    """36,000 quarters at 4 seconds and 36,000 at a tenth of one: 40 hours and 1."""
    slow_then_fast = Piece([0, 24 * 71_999], [24, 24], [60, 60], tempi=(Tempo(0, 4_000_000), Tempo(24 * 36_000, 100_000)))
    data = midi.to_bytes(slow_then_fast)
    assert "has 41.0 hours of music; the limit is 40.9" in refusal(data, ReadLimits(max_hours=40.9))
    assert midi.parse(data, ReadLimits(max_hours=41.1)).piece == slow_then_fast
    fast = Piece([0, 24 * 71_999], [24, 24], [60, 60], tempi=(Tempo(0, 200_000),))  # 4 hours; 10 at the default tempo
    assert midi.parse(midi.to_bytes(fast)).piece == fast


# Mutations


@given(pieces(max_notes=8, max_parts=3), st.data())
def test_mutated_files_give_a_piece_or_one_line(piece: Piece, data: st.DataObject) -> None:
    mutated = bytearray(midi.to_bytes(piece))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(mutated)))
        mutated[at : at + data.draw(st.integers(0, 9))] = data.draw(st.binary(max_size=9))
    refusal_or_piece(bytes(mutated), ReadLimits(max_seconds=2))


def test_mutated_files_in_a_bounded_process() -> None:
    """The script makes a thousand times as many; see there."""
    run = subprocess.run(
        [sys.executable, SCRIPTS / "fuzz_midi.py", "--files", "200", "--workers", "1", "--seed", "3"],
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "200 mutations" in run.stdout
