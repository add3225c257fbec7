"""The container by hand: numbers of seven bits a byte, headers, tracks, RIFF; and a written file byte by byte."""

from __future__ import annotations

import re
import struct

import pytest
from midi_hex import END, file, track

from melody import midi
from melody.errors import MidiError
from melody.midi.chunks import Header, found_tracks, header, midi_within, to_varlen, unwrapped, varlen, whole_tracks, wrapped
from melody.midi.read_limits import Deadline
from melody.piece import Key, Part, Piece, Tempo, TimeSignature

# Numbers


@pytest.mark.parametrize(
    ("value", "written"),
    [(0, "00"), (1, "01"), (127, "7f"), (128, "8100"), (16_383, "ff7f"), (16_384, "818000"), (2_097_151, "ffff7f"),
     (2_097_152, "81808000"), (2**28 - 1, "ffffff7f")],
)  # fmt: skip
def test_numbers_are_those_of_the_standards_table(value: int, written: str) -> None:
    """The examples of the MIDI 1.0 specification, section on variable-length quantities."""
    assert to_varlen(value).hex() == written
    assert varlen(b"\x85" + bytes.fromhex(written) + b"\x01", 1) == (value, 1 + len(written) // 2)


def test_a_number_takes_four_bytes_at_most_and_needs_its_last() -> None:
    assert varlen(b"\xff" * 6, 1) == (2**28 - 1, 5)
    with pytest.raises(IndexError):
        varlen(b"\x81\x80", 0)


# RIFF


def riff(midi_file: bytes, *, before: bytes = b"", after: bytes = b"") -> bytes:
    """A MIDI file in a RIFF RMID file, between other chunks; chunks of odd length have a zero behind them."""
    body = b"RMID" + before + b"data" + struct.pack("<I", len(midi_file)) + midi_file + b"\0" * (len(midi_file) % 2) + after
    return b"RIFF" + struct.pack("<I", len(body)) + body


INFO = b"INFO" + struct.pack("<I", 3) + b"abc\0"  # of odd length
EVEN, ODD = file(track("00 FF 01 01 41", END)), file(track("00 FF 01 02 41 42", END))


@pytest.mark.parametrize("inner", [EVEN, ODD])
@pytest.mark.parametrize("before", [b"", INFO, INFO + b"LIST" + struct.pack("<I", 2) + b"xy"])
@pytest.mark.parametrize("after", [b"", INFO])
def test_a_file_in_riff_is_found_and_replaced(inner: bytes, before: bytes, after: bytes) -> None:
    assert {len(EVEN) % 2, len(ODD) % 2} == {0, 1}
    whole = riff(inner, before=before, after=after)
    assert unwrapped(whole) == inner
    start = 12 + len(before) + 8
    assert midi_within(whole) == (start, start + len(inner))
    for other in (EVEN, ODD):
        assert wrapped(other, whole) == riff(other, before=before, after=after)


def test_an_empty_file_in_riff_is_empty() -> None:
    assert unwrapped(riff(b"")) == b"" and midi_within(riff(b"", before=INFO)) == (32, 32)


def test_what_is_no_riff_is_the_file_itself() -> None:
    for data in (EVEN, b"", b"RIFF" + bytes(4) + b"WAVE" + EVEN, b"XXXX" + riff(EVEN)[4:]):
        assert midi_within(data) == (0, len(data)) and unwrapped(data) == data
        assert wrapped(ODD, data) == ODD
    for empty in (b"", INFO, INFO + b"data"):
        with pytest.raises(MidiError, match=r"^is RIFF RMID without a MIDI file in it; export it again$"):
            unwrapped(b"RIFF" + bytes(4) + b"RMID" + empty)


# Tracks of whole files


def test_whole_files_are_cut_into_tracks() -> None:
    one, two = track("00 90 3C 40  18 3C 00", END), track(END)
    for form in (0, 1):
        assert whole_tracks(file(one, form=form)) == [one[8:]]
    assert whole_tracks(file(one, two)) == [one[8:], two[8:]]
    assert whole_tracks(file(one, division=1)) == [one[8:]]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"MThd\0\0\0\6\0\0",
        file(),
        file(track(END), form=2),
        file(track(END), division=0),
        file(track(END), division=0xE728),
        file(track(END), count=2),
        file(track(END), track(END), count=1),
        file(track(END)) + b"\0",
        file(track(END, length=3)),
        file(track("00 90 3C 40")),
        file(track("00 90 3C 40"), track(END)),
        b"MThd\0\0\0\7" + file(track(END))[8:],
        b"RIFF" + file(track(END))[4:],
    ],
)
def test_a_file_of_which_one_count_is_wrong_is_not_whole(data: bytes) -> None:
    assert whole_tracks(data) is None


# Headers


def test_the_header_wherever_it_begins() -> None:
    repairs: list[str] = []
    data = file(track(END), form=1, division=96)
    assert header(data, repairs) == Header(1, 1, 96, 14) and repairs == []
    assert header(b"\0" * 10 + data, repairs) == Header(1, 1, 96, 24)
    assert repairs == ["10 bytes before the header left out"]
    assert header(b"\0" * 4092 + data, []).end == 4092 + 14
    longer = b"MThd\0\0\0\x08" + data[8:14] + b"\0\0" + track(END)
    assert header(longer, []).end == 16
    wrong = b"MThd\0\0\0\x63" + data[8:]
    assert header(wrong, []).end == 14
    assert header(file(track(END), form=2, count=3, division=0xE728), []) == Header(2, 3, -0x18D8, 14)
    assert header(data[:14], []).end == 14
    assert header(data.ljust(257, b"\0") + b"ustar", []).end == 14  # a MIDI file all the same


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "is empty; export it again"),
        (b"%PDF-1.7 and\n more", "is no MIDI file: it begins with '%PDF-1.7 and', not with 'MThd'; name a MIDI file"),
        (b"\n\xe9MT", r"is no MIDI file: it begins with '\n\xe9MT', not with 'MThd'; name a MIDI file"),
        (b"PK\3\4" + file(track(END)), "is no MIDI file but a zip archive; unpack it and name a MIDI file"),
        (b"\x1f\x8b" + file(track(END)), "is no MIDI file but packed with gzip; unpack it and name a MIDI file"),
        (b"\0" * 257 + b"ustar" + file(track(END)), "is no MIDI file but a tar archive; unpack it and name a MIDI file"),
        (b"\0" * 4093 + file(track(END)), "is no MIDI file: it begins with '" + r"\x00" * 12),
        (file(track(END))[:13], "is cut short in its header; export it again"),
        (b"\0" * 3 + file(track(END))[:13], "is cut short in its header; export it again"),
        (file(track(END), form=3), "is MIDI of format 3; formats 0, 1 and 2 exist, save it as format 1"),
        (file(track(END), division=0), "counts time in 0 ticks a quarter; 1 to 32,767 are legal, export it again"),
    ],
)
def test_what_is_no_header_is_refused(data: bytes, says: str) -> None:
    with pytest.raises(MidiError, match="^" + re.escape(says)):
        header(data, [])


# Tracks of damaged files

ONE_WRONG = "1 track with a wrong length read to the true end"
CUT_SHORT = "the file is cut short in track 2; what is whole of it is kept"
A, B = "00 90 3C 40  18 80 3C 40", "00 90 3E 40  18 80 3E 40"


@pytest.mark.parametrize(
    ("data", "tracks", "reported"),
    [
        (file(track(A, END), track(B, END)), [A + END, B + END], []),
        (file(track(A, END), track(B, END), count=3), [A + END, B + END],
         ["the header says 3 tracks, there are 2: all are read"]),
        (file(track(A, END), count=0), [A + END], ["the header says 0 tracks, there are 1: all are read"]),
        (file(track(A, END, length=3), track(B, END)), [A + END, B + END], [ONE_WRONG]),
        (file(track(A, END, length=99), track(B, END)), [A + END, B + END], [ONE_WRONG]),
        (file(track(A, END, length=3), track(B, END, length=4)), [A + END, B + END], ["2 tracks" + ONE_WRONG[7:]]),
        (file(track(A, END), track(B, length=50)), [A + END, B], [CUT_SHORT]),
        (file(track(A, length=3), track(B, length=50)), [A, B],
         [CUT_SHORT, ONE_WRONG]),
        (file(track(A, END, length=50)), [A + END], [ONE_WRONG]),
        (file(track(A, END)) + b"\0" * 5, [A + END], ["5 bytes outside the tracks left out"]),
        (file(track(A, END)) + b"\0" * 5 + track(B, END), [A + END, B + END],
         ["5 bytes outside the tracks left out", "the header says 1 track, there are 2: all are read"]),
        (file(track(A, END), b"\0", track(B, END), count=2), [A + END, B + END], ["1 byte outside the tracks left out"]),
        (file(b"XFIH\0\0\0\2ab", track(A, END), count=1), [A + END], []),  # a chunk of another kind is passed over
        (file(b"XFIH\0\0\0\5ab", track(A, END), count=1), [A + END], ["10 bytes outside the tracks left out"]),
        (file(track(A, END), b"XFIH\0\0\0\2ab", count=1), [A + END], []),
    ],
)  # fmt: skip
def test_tracks_of_damaged_files(data: bytes, tracks: list[str], reported: list[str]) -> None:
    """A length is believed if the file ends there, another chunk begins, or an end of track stands before it."""
    repairs: list[str] = []
    found = found_tracks(data, header(data, []), Deadline(9.0), repairs)
    assert found == [bytes.fromhex(each) for each in tracks]
    assert repairs == reported


def test_a_file_without_tracks_is_refused() -> None:
    data = file() + b"XFIH\0\0\0\2ab"
    with pytest.raises(MidiError, match=r"^is damaged MIDI: no track follows its header; export it again$"):
        found_tracks(data, header(data, []), Deadline(9.0), [])


# A written file


def test_a_file_is_written_byte_by_byte_as_the_standard_says() -> None:
    """Title, text, tempo, metre, key; then a named part, drums on channel 10, and a part on the next melodic channel."""
    piece = Piece(
        [0, 24, 24, 0, 0],
        [24, 24, 24, 12, 96],
        [60, 60, 64, 36, 48],
        [80, 81, 82, 83, 84],
        part=[0, 0, 0, 1, 2],
        parts=(Part(40, name="é"), Part(0, is_drum=True), Part(32)),
        time_signatures=(TimeSignature(0, 6, 8), TimeSignature(72, 2, 2)),
        tempi=(Tempo(0, 500_000),),
        keys=(Key(0, -3, "minor"),),
        title="ab",
        texts=("c",),
    )
    frame = track(
        "00 FF 03 02 61 62",  # the name
        "00 FF 01 01 63",  # a text
        "00 FF 51 03 07 A1 20",  # 500,000 microseconds a quarter
        "00 FF 58 04 06 03 24 08",  # 6/8, 36 MIDI clocks to the beat, 8 thirty-seconds to the quarter
        "00 FF 59 02 FD 01",  # three flats, minor
        "8B 20 FF 58 04 02 01 30 08",  # 1,440 ticks on: 2/2, 48 clocks
        END,
    )
    first = track(
        "00 FF 03 02 C3 A9",  # é in UTF-8
        "00 C0 28",  # violin
        "00 90 3C 50",
        "83 60 3C 00  00 3C 51  00 40 52",  # 480 ticks on: the end first, then the beginnings from the lowest pitch up
        "83 60 3C 00  00 40 00",
        END,
    )
    drums = track("00 C9 00", "00 99 24 53  81 70 24 00", END)
    bass = track("00 C1 20", "00 91 30 54  8F 00 30 00", END)
    assert midi.to_bytes(piece) == file(frame, first, drums, bass, division=480)


def test_what_utf8_cannot_hold_is_written_as_a_question_mark() -> None:
    half = "a\ud800"  # of a pair of surrogates
    data = midi.to_bytes(Piece([0], [24], [60], parts=(Part(name=half),), title=half, texts=(half,)))
    assert (data.count(b"\xff\x03\x02a?"), data.count(b"\xff\x01\x02a?")) == (2, 1)


def test_clocks_of_very_long_and_very_short_beats() -> None:
    """A beat has 1 to 255 clocks of 24 to the quarter in the file, whatever the metre."""
    for signature, clocks in ((TimeSignature(0, 12, 1), 96), (TimeSignature(0, 1, 64), 1), (TimeSignature(0, 4, 4), 24)):
        piece = Piece([0], [960], [60], time_signatures=(signature,), ticks_per_quarter=480)
        at = midi.to_bytes(piece).index(b"\xff\x58\x04")
        assert midi.to_bytes(piece)[at + 4 : at + 6] == bytes([signature.denominator.bit_length() - 1, clocks])


@pytest.mark.parametrize(("grid", "written"), [(24, 480), (480, 480), (481, 481), (1, 480), (7, 483), (1000, 1000)])
def test_the_written_grid_is_a_multiple_and_fine_enough(grid: int, written: int) -> None:
    data = midi.to_bytes(Piece([0], [grid], [60], ticks_per_quarter=grid))
    assert struct.unpack(">H", data[12:14]) == (written,)


def test_the_longest_silence_that_midi_can_write() -> None:
    midi.to_bytes(Piece([0, 2**28 - 1], [1, 24], [60, 60], ticks_per_quarter=480))
    midi.to_bytes(Piece([2**28 - 1], [1], [60], ticks_per_quarter=480))
    for piece, ticks in (
        (Piece([2**28], [1], [60], ticks_per_quarter=480), "268,435,456"),
        (Piece([2**28 // 20 + 1], [1], [60]), "13,421,773"),  # 20 ticks of the file to one of the piece
        (Piece([0, 2**28 + 1], [1, 24], [60, 60], ticks_per_quarter=480), "268,435,456"),
    ):
        with pytest.raises(MidiError) as caught:
            midi.to_bytes(piece)
        assert str(caught.value) == f"a silence of {ticks} ticks is longer than MIDI can write; cut the piece in two"


def test_parts_after_the_fifteenth_are_on_the_next_port() -> None:
    """Channels 1 to 9 and 11 to 16, then the same on port 1; drums take none of them."""
    parts = (*(Part(number) for number in range(9)), Part(0, is_drum=True), *(Part(number) for number in range(9, 31)))
    piece = Piece([0] * 32, [24] * 32, [60] * 32, part=range(32), parts=parts)
    tracks = whole_tracks(midi.to_bytes(piece))
    assert tracks is not None
    for number, data in enumerate(tracks[1:]):
        if parts[number].is_drum:
            assert data.startswith(b"\0\xc9")
            continue
        melodic = parts[number].program
        channel = melodic % 15 + (melodic % 15 >= 9)
        port = bytes([0, 0xFF, 0x21, 1, melodic // 15]) if melodic >= 15 else b""
        assert data.startswith(port + bytes([0, 0xC0 | channel, melodic, 0, 0x90 | channel]))
