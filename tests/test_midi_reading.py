"""Files are read the fast way where nothing of them is lost: by hand, byte by byte."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from midi_hex import END, file, track

from melody import midi
from melody.errors import MidiError
from melody.midi import reading
from melody.midi.file_events import to_piece
from melody.midi.read_limits import ReadLimits
from melody.midi.reading import undamaged_score
from melody.midi.salvage import salvage

NOTE = "00 90 3C 40  18 3C 00"
# Each is one track of a whole file.
WHOLE = {
    "a note": NOTE,
    "a velocity that is white space before a meta event": "00 90 3C 20  18 3C 00  00 90 3E 20  00 FF 01 01 41  18 3E 00",
    "programs at the head": "00 C0 05  00 C1 06  00 C2 07 " + NOTE,
    "programs far from the head": NOTE * 12 + "00 C0 05  00 C1 06  00 C2 07 " + NOTE * 2 + "00 C0 08 " + NOTE,
    "pressure between notes": NOTE * 12 + "00 D0 40  0C D0 41  83 00 D0 42 " + NOTE,
    "a program after a long time": NOTE * 12 + "81 00 C0 05  81 80 00 C0 06 " + NOTE,
    "times that look like programs": "C0 00 90 3C 40  C1 01 3C 00  CF 7F 90 3E 40  D0 10 3E 00",
    "times that look like exclusives": "F0 00 90 3C 40  F0 7F 3C 00  00 FF 01 01 41  F0 01 90 3E 40  F1 00 3E 00",
    "times that look like meta events": "00 90 3C 40  60 3C 00  FF 00 3C 40  60 3C 00  FF 20 3C 40  60 3C 00",
    "exclusives": "00 F0 03 01 02 F7 " + NOTE + "00 F0 02 FF F7  00 F7 01 05  0C F0 05 7E 7F 09 01 F7 " + NOTE,
    "an exclusive before a text": NOTE + "00 F0 04 01 FF 01 F7  00 FF 01 02 41 42 " + NOTE,
    "a long text": "00 FF 01 81 00" + "41" * 128 + NOTE,
    "a short length in two bytes": "00 FF 01 80 05 41 42 43 44 45" + NOTE * 20,
    "controllers and bends": "00 B0 07 64  00 0A 40  00 E0 00 40 " + NOTE + "00 B0 40 7F " + NOTE,
}


@pytest.mark.parametrize("name", WHOLE)
def test_nothing_is_lost_and_the_careful_reader_agrees(name: str) -> None:
    data = file(track("00 FF 51 03 07 A1 20  00 FF 58 04 03 02 18 08  00 FF 59 02 01 00", END), track(WHOLE[name], END))
    repairs: list[str] = []
    careful = salvage(data, ReadLimits(), repairs)
    fast, found = midi.scan(data)
    assert (repairs, found) == ([], [])
    assert to_piece(fast, 24, []) == to_piece(careful, 24, [])
    exclusives_alone = "exclusive" in name and "look" not in name  # symusic passes over F7
    assert undamaged_score(data, ReadLimits()) is not None or exclusives_alone


@pytest.mark.parametrize(
    "events",
    [
        "00 A0 3C 40 " + NOTE,  # pressure of a key, which symusic drops
        "00 90 3C 40  18 3E 00  18 3C 00",  # an end of no note
        "00 90 3C 40",  # a note without an end
    ],
)
def test_what_would_be_lost_is_read_carefully(events: str) -> None:
    assert undamaged_score(file(track(events, END)), ReadLimits()) is None


def test_changes_are_counted_together() -> None:
    data = file(track("00 FF 51 03 07 A1 20  00 FF 58 04 03 02 18 08  00 FF 59 02 01 00", NOTE, END))
    for most in (3, 4):
        assert undamaged_score(data, ReadLimits(max_changes=most)) is not None
    with pytest.raises(MidiError, match=r"3 changes of tempo, metre and key"):
        undamaged_score(data, ReadLimits(max_changes=2))


def test_a_file_that_comes_in_pieces_is_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = file(track(NOTE, END))
    (tmp_path / "a.mid").write_bytes(data)
    read, asked = os.read, []

    def some(handle: int, size: int) -> bytes:
        asked.append(size)
        return read(handle, min(size, 7))

    monkeypatch.setattr(reading.os, "read", some)
    assert reading.bytes_of(tmp_path / "a.mid") == data
    assert asked[:3] == [len(data), len(data) - 7, len(data) - 14]


def test_titles_and_texts_at_the_beginning() -> None:
    """The first name is the title; remarks count until time passes or anything else comes."""
    head = track("00 FF 03 01 61  00 FF 01 01 62  00 FF 03 01 63  00 FF 01 01 64", NOTE, "00 FF 01 01 65", END)
    piece = midi.parse(file(head, track(NOTE, END))).piece
    assert (piece.title, piece.texts) == ("a", ("b", "d"))
    late = midi.parse(file(track("01 FF 03 01 61  00 FF 01 01 62", END), track(NOTE, END))).piece
    assert (late.title, late.texts) == ("", ())


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    for path, says in (
        (tmp_path / "none.mid", "cannot be read (No such file or directory); check the path"),
        (tmp_path, "is no file; name a MIDI file"),
    ):
        with pytest.raises(MidiError) as caught:
            reading.read_file(path)
        assert str(caught.value) == f"{path}: {says}"
    (tmp_path / "a.mid").write_bytes(file(track(NOTE, END)))
    size = (tmp_path / "a.mid").stat().st_size
    assert reading.read(tmp_path / "a.mid", ReadLimits(max_bytes=size)).num_notes == 1
    with pytest.raises(MidiError, match=f"^{tmp_path / 'a.mid'}: .*{size} bytes"):
        reading.read(tmp_path / "a.mid", ReadLimits(max_bytes=size - 1))
    with pytest.raises(MidiError, match=rf"{size} bytes"):
        midi.scan(file(track(NOTE, END)), ReadLimits(max_bytes=size - 1))
    (tmp_path / "b.mid").write_bytes(b"MThd")
    with pytest.raises(MidiError, match=f"^{tmp_path / 'b.mid'}: is cut short in its header"):
        reading.read_file(tmp_path / "b.mid")
    assert reading.read_file(tmp_path / "a.mid", ticks_per_quarter=48).piece.duration.tolist() == [48]


def test_how_far_notes_were_moved_to_the_grid() -> None:
    off = midi.parse(file(track("01 90 3C 40  60 80 3C 40", END), division=96))
    assert off.grid_error == pytest.approx(1 / 96)
    assert midi.parse(file(track(NOTE, END))).grid_error == 0
