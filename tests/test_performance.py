"""What a MIDI file says of how its notes are played is read as its standards say: MIDI 1.0, General MIDI 2, RP-015."""

from __future__ import annotations

from pathlib import Path

import pytest
from midi_hex import END, file, notes, track

from melody import midi
from melody.errors import MidiError
from melody.midi.performance import Kind, Performance

NOTE = "00 90 3C 40 18 80 3C 40"  # a quarter of middle C on channel 1


def performance(*tracks: str, division: int = 24) -> Performance:
    """Of a file with these tracks."""
    return midi.parse_performed(file(*(track(events, END) for events in tracks), division=division)).performance


def changes(found: Performance, kind: Kind, channel: int = 0) -> list[tuple[float, float]]:
    """(tick, value) of the changes of one kind."""
    return list(zip(*(column.tolist() for column in found.of(channel, kind))))


def test_volume_expression_pan_and_pedal_are_controllers_7_11_10_and_64() -> None:
    found = performance("00 B0 07 50 06 B0 0B 40 06 B0 0A 00 06 B0 40 7F" + NOTE)
    kinds = (Kind.VOLUME, Kind.EXPRESSION, Kind.PAN, Kind.PEDAL)
    twice = 2  # the file's grid of 24 is made finer for bars of sixty-fourths
    assert [changes(found, kind) for kind in kinds] == [
        [(0, 0x50)],
        [(6 * twice, 0x40)],
        [(12 * twice, 0)],
        [(18 * twice, 0x7F)],
    ]


@pytest.mark.parametrize(
    ("events", "cents"),
    [
        ("00 E0 7F 7F", 200 * 8191 / 8192),  # the range is two semitones
        ("00 E0 00 00", -200),
        ("00 E0 00 40", 0),
        ("00 B0 65 00 00 B0 64 00 00 B0 06 0C 00 E0 00 60", 600),  # twelve
        ("00 B0 65 00 00 B0 64 00 00 B0 06 00 00 B0 26 32 00 E0 00 00", -50),  # half of one
        ("00 E0 00 60 00 B0 65 00 00 B0 64 00 00 B0 06 0C", 600),  # a range that comes after the wheel holds for it, too
        ("00 B0 65 00 00 B0 64 00 00 B0 65 7F 00 B0 64 7F 00 B0 06 0C 00 E0 00 60", 100),  # no parameter is chosen
        ("00 B0 65 00 00 B0 64 00 00 B0 63 01 00 B0 06 0C 00 E0 00 60", 100),  # another kind of parameter is
        ("00 B0 65 00 00 B0 64 02 00 B0 06 3F", -100),  # coarse tuning
        ("00 B0 65 00 00 B0 64 01 00 B0 06 60", 50),  # fine tuning
        ("00 B0 65 00 00 B0 64 02 00 B0 06 42 00 E0 00 60", 300),  # both add up
        ("00 E0 00 60 00 B0 79 00", 0),  # all controllers reset
        ("00 B0 65 00 00 B0 64 02 00 B0 06 42 00 E0 00 60 00 B0 79 00", 200),  # but not the tuning
    ],
)
def test_bend_is_the_wheel_times_its_range_and_the_tuning(events: str, cents: float) -> None:
    assert changes(performance(events + NOTE), Kind.BEND)[-1] == (0, pytest.approx(cents))


def test_a_reset_lifts_the_pedal_and_restores_expression_not_volume_not_pan() -> None:
    found = performance("00 B0 40 7F 00 B0 0B 10 00 B0 07 10 00 B0 0A 10 00 B0 79 00" + NOTE)
    assert [changes(found, kind)[-1][1] for kind in (Kind.PEDAL, Kind.EXPRESSION)] == [0, 127]
    assert [len(changes(found, kind)) for kind in (Kind.VOLUME, Kind.PAN)] == [1, 1]


def test_a_channel_is_one_whatever_track_its_messages_are_in() -> None:
    found = performance("00 B0 07 10 00 B1 07 20", NOTE, "00 91 3C 40 18 81 3C 40", "00 FF 21 01 01 00 B0 07 30" + NOTE)
    assert found.channels == (0, 1, 16)  # the last one is on the second port
    assert [changes(found, Kind.VOLUME, channel)[0][1] for channel in found.channels] == [0x10, 0x20, 0x30]


def test_what_is_not_played_is_told_once() -> None:
    heard = performance(
        "00 B0 01 10 00 B0 01 20 00 B0 42 7F 00 B0 43 7F 00 B0 41 7F 00 D0 10 00 A0 3C 10 00 B0 5B 28 00 B0 00 01" + NOTE
    )
    assert heard.remarks == (
        "not played: aftertouch, banks of other sounds, modulation, portamento, reverb, soft pedal, sostenuto pedal",
    )
    silent = "00 B0 01 00 00 B0 42 3F 00 B0 41 00 00 D0 00 00 B0 5B 00 00 B0 00 00 00 B0 47 40 00 B0 14 55"
    assert performance(silent + NOTE).remarks == ()
    assert performance("00 B5 01 10" + NOTE).remarks == ()  # no note is on that channel


DAMAGED = file(track("00 B0 40 7F", NOTE, "00 B0 40", length=90))


@pytest.mark.parametrize("data", [file(track(NOTE, "07 90 40 40 0B 80 40 40", END), division=36), DAMAGED])
def test_the_notes_are_those_of_the_piece_on_the_files_own_grid(data: bytes) -> None:
    found = midi.parse_performed(data).reading
    assert found.grid_error == 0 and found.piece.ticks_per_quarter % 16 == 0
    expected = midi.parse(data, ticks_per_quarter=found.piece.ticks_per_quarter)
    assert (found.piece, found.repairs) == (expected.piece, expected.repairs)


def test_the_controllers_of_a_damaged_file_are_kept() -> None:
    found = midi.parse_performed(DAMAGED)
    assert found.reading.repairs and not found.performance.source
    assert changes(found.performance, Kind.PEDAL) == [(0, 127)]


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.mid").write_bytes(b"nothing")
    for path in (tmp_path / "a.mid", tmp_path / "none.mid", tmp_path):
        with pytest.raises(MidiError, match=r"a\.mid|none\.mid|" + tmp_path.name):
            midi.read_performed(path)


# Each line: what is sustained, the file of 48 ticks a quarter, where the notes end. Pitches: C is 3C, D 3E.
C, D = "90 3C 40", "90 3E 40"
HELD = {
    "until the pedal goes up": (f"00 B0 40 7F 00 {C} 18 80 3C 40 18 B0 40 00", [48]),
    "from 64 on": (f"00 B0 40 40 00 {C} 18 80 3C 40 18 B0 40 3F", [48]),
    "not below": (f"00 B0 40 3F 00 {C} 18 80 3C 40 18 B0 40 00", [24]),
    "not what ended before": (f"00 {C} 18 80 3C 40 01 B0 40 7F 18 B0 40 00", [24]),
    "not what ends as it goes down": (f"00 {C} 18 80 3C 40 00 B0 40 7F 18 B0 40 00", [24]),
    "not what outlasts it": (f"00 B0 40 7F 00 {C} 18 B0 40 00 18 80 3C 40", [48]),
    "not beyond the next of its pitch": (f"00 B0 40 7F 00 {C} 18 80 3C 40 06 {C} 06 80 3C 40 18 B0 40 00", [30, 60]),
    "but beyond the next of another": (f"00 B0 40 7F 00 {C} 18 80 3C 40 06 {D} 06 80 3E 40 18 B0 40 00", [60, 60]),
    "to the end if it stays down": (f"00 B0 40 7F 00 {C} 18 80 3C 40 06 {D} 18 80 3E 40", [54, 54]),
    "anew if it goes up and down": (f"00 B0 40 7F 00 {C} 18 80 3C 40 06 B0 40 00 00 B0 40 7F 00 {D} 06 80 3E 40", [30, 36]),
    "until a reset": (f"00 B0 40 7F 00 {C} 18 80 3C 40 0C B0 79 00 18 B0 40 00", [36]),
    "on its channel alone": (f"00 B1 40 7F 00 {C} 18 80 3C 40 00 91 3E 40 0C 81 3E 40 0C B1 40 00", [24, 48]),
    "all notes off": (f"00 {C} 0C B0 7B 00 0C 80 3C 40", [12]),
    "all notes off under the pedal": (f"00 B0 40 7F 00 {C} 0C B0 7B 00 0C 80 3C 40 0C B0 40 00", [36]),
    "not what begins at all notes off": (f"00 B0 7B 00 00 {C} 18 80 3C 40", [24]),
}


@pytest.mark.parametrize("which", HELD)
def test_the_pedal_holds_notes(which: str) -> None:
    events, ends = HELD[which]
    found = midi.parse_performed(file(track(events, END), division=24))
    scale = found.reading.piece.ticks_per_quarter // 24
    held = found.performance.held(found.reading.piece)
    assert (held.end // scale).tolist() == ends
    assert [onset for onset, _, _ in notes(held)] == [onset for onset, _, _ in notes(found.reading.piece)]


@pytest.mark.parametrize("content", [None, b"no music at all"], ids=["missing", "no MIDI"])
def test_a_file_that_cannot_be_read_is_named_once(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "tune.mid"
    if content is not None:
        path.write_bytes(content)
    for read in (midi.read, midi.read_performed):
        with pytest.raises(MidiError) as error:
            read(path)
        assert str(error.value).count("tune.mid") == 1
