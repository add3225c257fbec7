"""MIDI in and out: what is written is read, by us and by others. Damage has a file of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import mido
import numpy as np
import pretty_midi
import pytest
from hypothesis import given
from midi_hex import END, SCALE, file, notes, track
from piece_strategies import pieces

from melody import midi
from melody.errors import MidiError
from melody.files import FileError
from melody.midi.file_events import to_piece
from melody.midi.read_limits import ReadLimits
from melody.midi.reading import _undamaged
from melody.midi.salvage import salvage
from melody.piece import Key, Part, Piece, Tempo

NOTTINGHAM = Path(__file__).parent.parent.parent / "shared" / "data" / "nottingham"
LONG = ReadLimits(max_hours=1e6)  # tempi of 17 seconds a quarter are legal


# Write, then read


@given(pieces())
def test_what_is_written_is_read(piece: Piece) -> None:
    reading = midi.parse(midi.to_bytes(piece), LONG, piece.ticks_per_quarter)
    assert reading.piece == piece
    assert reading.repairs == ()
    assert reading.grid_error == 0


def test_at_one_tick_notes_end_before_others_begin() -> None:
    """By mido: a player that gets a pitch again before its end would cut the new note, not the old one."""
    piece = Piece([0, 24, 24, 48], [24, 24, 24, 24], [60, 60, 64, 60])
    (notes,) = [
        [m for m in track if m.type == "note_on"] for track in mido.MidiFile(file=BytesIO(midi.to_bytes(piece))).tracks[1:]
    ]
    assert [(m.note, m.velocity > 0) for m in notes] == [
        *[(60, True), (60, False), (60, True), (64, True), (60, False), (64, False), (60, True), (60, False)]
    ]


@given(pieces())
def test_mido_reads_the_same(piece: Piece) -> None:
    file = mido.MidiFile(file=BytesIO(midi.to_bytes(piece)), charset="utf-8")
    factor = file.ticks_per_beat // piece.ticks_per_quarter
    assert file.ticks_per_beat == factor * piece.ticks_per_quarter >= 480
    assert len(file.tracks) == 1 + len(piece.parts)
    frame = [(tick // factor, m) for tick, m in absolute(file.tracks[0])]
    assert [(t, m.tempo) for t, m in frame if m.type == "set_tempo"] == [tuple(e) for e in piece.tempi]
    metres = [(t, m.numerator, m.denominator) for t, m in frame if m.type == "time_signature"]
    assert metres == [tuple(e) for e in piece.time_signatures]
    assert [(t, m.key) for t, m in frame if m.type == "key_signature"] == [(k.onset, k.name) for k in piece.keys]
    assert [m.text for _, m in frame if m.type == "text"] == list(piece.texts)
    assert [m.name for _, m in frame if m.type == "track_name"] == [piece.title] * bool(piece.title)
    for i, part in enumerate(piece.parts):
        messages = absolute(file.tracks[i + 1])
        assert [m.program for _, m in messages if m.type == "program_change"] == [part.program]
        assert {m.channel == 9 for _, m in messages if not m.is_meta} == {part.is_drum}
        assert [m.name for _, m in messages if m.type == "track_name"] == [part.name] * bool(part.name)
        own = piece.select(piece.part == i)
        assert sounded(messages, factor) == sorted(zip(own.onset, own.end, own.pitch, own.velocity))


def absolute(messages: mido.MidiTrack) -> list[tuple[int, mido.Message]]:
    """mido's messages with the ticks at which they stand."""
    ticks = np.cumsum([m.time for m in messages])
    return list(zip(ticks.tolist(), messages))


def sounded(messages: list[tuple[int, mido.Message]], factor: int) -> list[tuple[int, int, int, int]]:
    """Onset, end, pitch and velocity of each note, each ended by the first end of its pitch."""
    sounding, found = {}, []
    for tick, message in messages:
        if message.type == "note_on" and message.velocity:
            assert message.note not in sounding, "a note begins while it sounds"
            sounding[message.note] = (tick // factor, message.velocity)
        elif message.type == "note_on":
            onset, velocity = sounding.pop(message.note)
            found.append((onset, tick // factor, message.note, velocity))
    assert not sounding, "a note never ends"
    return sorted(found)


@given(pieces(max_notes=15))
def test_pretty_midi_reads_the_same(piece: Piece) -> None:
    pm = pretty_midi.PrettyMIDI(BytesIO(midi.to_bytes(piece)), charset="utf-8")
    assert [(i.program, i.is_drum, i.name) for i in pm.instruments] == [tuple(vars(p).values()) for p in piece.parts]
    for number, instrument in enumerate(pm.instruments):
        own = piece.select(piece.part == number)
        theirs = sorted((pm.time_to_tick(n.start), n.pitch, n.velocity, pm.time_to_tick(n.end)) for n in instrument.notes)
        factor = pm.resolution // piece.ticks_per_quarter
        assert theirs == sorted(zip(own.onset * factor, own.pitch, own.velocity, own.end * factor))
        starts = sorted(n.start for n in instrument.notes)
        assert np.allclose(starts, own.seconds(own.onset))
    assert [(t.numerator, t.denominator) for t in pm.time_signature_changes] == [e[1:] for e in piece.time_signatures]
    assert [k.key_number % 12 for k in pm.key_signature_changes] == [k.tonic for k in piece.keys]


@given(pieces(max_notes=15, max_parts=4))
def test_pretty_midi_and_back_is_the_same_but_for_the_title(piece: Piece) -> None:
    back = midi.from_pretty_midi(piece.to_pretty_midi(), piece.ticks_per_quarter)
    for name in ("onset", "duration", "pitch", "velocity", "part"):
        assert np.array_equal(getattr(back, name), getattr(piece, name))
    assert back.parts == piece.parts
    assert back.time_signatures == piece.time_signatures
    assert back.tempi == piece.tempi
    assert back.texts == piece.texts
    assert {(k.onset, k.tonic, k.mode) for k in back.keys} <= {(k.onset, k.tonic, k.mode) for k in piece.keys}


def test_a_file_that_pretty_midi_writes_is_read(tmp_path: Path) -> None:
    piece = Piece([0, 8, 16, 24], [8, 8, 8, 72], [60, 62, 64, 65], keys=(Key(0, 2, "major"),), tempi=(Tempo(0, 454_545),))
    piece.to_pretty_midi().write(str(tmp_path / "a.mid"))
    assert midi.read(tmp_path / "a.mid") == piece


def test_forty_parts_keep_their_instruments() -> None:
    """Fifteen melodic channels are not enough: the parts after them are on the next port, and told apart by track."""
    count = 40
    parts = tuple(Part(i, is_drum=i % 7 == 3, name=f"part {i}") for i in range(count))
    piece = Piece([0] * count, [24] * count, [60] * count, part=range(count), parts=parts)
    assert midi.parse(midi.to_bytes(piece)).piece == piece
    ports: dict[tuple[int, int], int] = {}
    for i, messages in enumerate(mido.MidiFile(file=BytesIO(midi.to_bytes(piece))).tracks[1:]):
        port = next((m.port for m in messages if m.type == "midi_port"), 0)
        channel = next(m.channel for m in messages if m.type == "program_change")
        if not parts[i].is_drum:
            assert (port, channel) not in ports, "two parts would play with one program"
            ports[port, channel] = i


@pytest.mark.parametrize("programs", [1, 4, 15])
def test_many_parts_of_few_programs_share_channels_on_one_port(programs: int) -> None:
    """A channel has one program, each program a channel, no channel is left while some are shared; nothing is lost."""
    count = 24
    parts = tuple(Part(7 * (i % programs), is_drum=i == 9, name=f"part {i}") for i in range(count))
    piece = Piece([24 * i for i in range(count)], [60] * count, [60] * count, part=range(count), parts=parts)
    data = midi.to_bytes(piece)
    assert midi.parse(data).piece == piece
    of_channel: dict[int, set[int]] = {}
    for part, messages in zip(parts, mido.MidiFile(file=BytesIO(data)).tracks[1:]):
        assert not any(m.type == "midi_port" for m in messages)
        change = next(m for m in messages if m.type == "program_change")
        if not part.is_drum:
            of_channel.setdefault(change.channel, set()).add(change.program)
    assert set(of_channel) == {channel for channel in range(16) if channel != 9}
    assert all(len(own) == 1 for own in of_channel.values())


def test_long_texts_are_kept_whole() -> None:
    piece = Piece([0], [24], [60], texts=("x" * 3000,), title="t" * 300)
    assert midi.parse(midi.to_bytes(piece)).piece == piece


def test_a_silence_longer_than_midi_can_write_is_refused() -> None:
    with pytest.raises(MidiError, match="longer than MIDI can write"):
        midi.to_bytes(Piece([0, 2**30], [24, 24], [60, 60]))


# Two readers, one law


@given(pieces())
def test_the_fast_reader_and_the_careful_one_agree_on_whole_files(piece: Piece) -> None:
    """The fast one may give up, but only where a long time between events has a byte that looks like a meta event."""
    assert_twins(midi.to_bytes(piece), piece.ticks_per_quarter)


def assert_twins(data: bytes, ticks_per_quarter: int = 24) -> bool:
    """The careful reader has nothing to tell and says what the fast one says; whether that one did not give up."""
    fast = _undamaged(data, ReadLimits())
    repairs: list[str] = []
    careful = salvage(data, ReadLimits(), repairs)
    assert not repairs
    if fast is not None:
        assert to_piece(careful, ticks_per_quarter, []) == to_piece(fast, ticks_per_quarter, [])
    return fast is not None


def test_the_fast_reader_reads_what_we_write() -> None:
    """Rests of up to 32 bars, several parts; were it to give up, everything would be right but ten times as slow."""
    rng = np.random.default_rng(1)
    fast = 0
    for _ in range(100):
        onset = np.cumsum(rng.choice([12, 24, 48, 96 * 32], 40, p=[0.5, 0.3, 0.15, 0.05]))
        parts = tuple(Part(int(rng.integers(128)), i == 2) for i in range(3))
        piece = Piece(onset, np.full(40, 12), rng.integers(40, 90, 40), part=rng.integers(0, 3, 40), parts=parts)
        fast += assert_twins(midi.to_bytes(piece))
    assert fast >= 95


def test_a_delta_time_that_begins_like_a_meta_event_is_none() -> None:
    """16,256 ticks are written FF 00, which begins a sequence number too, but one of another length."""
    data = file(track("00 90 3C 40  60 3C 00", "FF 00 3C 40  60 3C 00  FF 20 3C 40  60 3C 00", END))
    assert assert_twins(data)
    assert midi.scan(data)[0].notes[0].tolist() == [0, 96 + 16256, 192 + 16256 + 16288]


def test_they_agree_on_format_0_with_channels_programs_controllers_and_exclusives() -> None:
    data = file(
        track(
            "00 FF 03 05 74 69 74 6C 65",  # name: title
            "00 F0 05 7E 7F 09 01 F7",  # General MIDI on
            "00 FF 01 02 C3 A9",  # text: é
            "00 C2 05  00 C0 07",  # programs of channels 3 and 1
            "00 B0 07 64  00 0A 40",  # two controllers under running status
            "00 92 3C 40  00 90 3C 40  00 99 24 7F",  # three notes in three channels
            "0C E0 00 50",  # a pitch bend
            "0C 82 3C 00  00 80 3C 00  00 89 24 00",
            "00 FF 51 03 07 A1 20",  # a tempo in mid-track
            "00 C2 06  00 92 3E 40  81 00 3E 00",  # another program; a note under running status, 128 ticks long
            END,
        ),
        form=0,
    )
    assert assert_twins(data)
    piece = midi.parse(data).piece
    assert piece.title == "title"
    assert piece.texts == ("é",)
    assert [(p.program, p.is_drum) for p in piece.parts] == [(7, False), (5, False), (6, False), (0, True)]
    assert notes(piece) == [(0, 24, 60), (0, 24, 60), (0, 24, 36), (24, 128, 62)]


# Writing files


def test_nothing_half_written_is_left_when_the_target_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for target in (tmp_path / "file" / "tune.mid", tmp_path):
        with pytest.raises(FileError, match=r"cannot write .*; .* name another place"):
            midi.write(SCALE, target)
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere, Windows differs")
def test_a_read_only_folder_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    try:
        with pytest.raises(FileError, match="Permission denied"):
            midi.write(SCALE, tmp_path / "tune.mid")
    finally:
        tmp_path.chmod(0o755)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no such device here")
def test_a_device_is_not_replaced_by_a_file() -> None:
    with pytest.raises(FileError, match="it is no plain file"):
        midi.write(SCALE, "/dev/full")
    assert Path("/dev/full").is_char_device()


FULL_DISK = """
import resource, signal, sys
from melody import midi
from melody.files import FileError
from melody.piece import Piece
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (50, 50))
try:
    midi.write(Piece([0], [24], [60]), sys.argv[1])
except FileError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot bound the size of files")
def test_a_full_disk_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "tune.mid"
    target.write_bytes(b"old")
    run = subprocess.run([sys.executable, "-c", FULL_DISK, str(target)], capture_output=True, text=True, check=True)
    assert run.stdout.startswith(f"cannot write {target}: File too large")
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


# Others' files


@pytest.mark.skipif(not NOTTINGHAM.exists(), reason="the Nottingham tunes are not beside the repository")
def test_nottingham_is_read_whole_and_written_back() -> None:
    for path in sorted(NOTTINGHAM.glob("*.mid"))[::20]:
        reading = midi.read_file(path)
        assert reading.grid_error < 0.01
        assert midi.parse(midi.to_bytes(reading.piece)).piece == reading.piece
        assert_notes_of_mido(path, reading.piece)


def assert_notes_of_mido(path: Path, piece: Piece) -> None:
    theirs = mido.MidiFile(path)
    starts = sorted(
        (round(tick * 24 / theirs.ticks_per_beat), m.note)
        for messages in theirs.tracks
        for tick, m in absolute(messages)
        if m.type == "note_on" and m.velocity
    )
    assert sorted(set(starts)) == sorted(set(zip(piece.onset.tolist(), piece.pitch.tolist())))
