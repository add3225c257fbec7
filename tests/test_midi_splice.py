"""Other notes in one part of a MIDI file: they are there, and nothing else has changed, as mido sees it too."""

from __future__ import annotations

import struct
from collections import Counter
from io import BytesIO
from pathlib import Path

import mido
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from midi_hex import END, SCALE, file, notes, track
from piece_strategies import pieces

from melody import midi
from melody.errors import MidiError
from melody.midi import Place, ReadLimits
from melody.midi.chunks import to_varlen, whole_tracks
from melody.piece import Part, Piece

GRID = 24
LONG = ReadLimits(max_hours=1e6)  # tempi of 17 seconds a quarter are legal
Row = tuple[int, int, int, int]  # onset, end, pitch, velocity


# Files as others write them


def gap(ticks: int) -> str:
    return to_varlen(ticks).hex()


def written(events: list[tuple[int, bytes]], running: bool) -> bytes:
    """A track of events, sorted by tick, under running status where that is wanted and the standard allows it."""
    out, before, status = b"", 0, -1
    for tick, said in events:
        short = running and said[0] == status
        out += to_varlen(tick - before) + (said[1:] if short else said)
        before, status = tick, said[0] if said[0] < 0xF0 else -1
    return b"MTrk" + struct.pack(">I", len(out)) + out


OTHERS = st.sampled_from(
    [
        bytes.fromhex("B0 40 7F"),  # pedals down and up, a bend, pressures
        bytes.fromhex("B1 40 00"),
        bytes.fromhex("E0 00 50"),
        bytes.fromhex("D1 33"),
        bytes.fromhex("A0 3C 10"),
        bytes.fromhex("C0 05"),
        bytes.fromhex("C0 07"),
        bytes.fromhex("C1 09"),
        bytes.fromhex("FF 05 02 6C 61"),  # a lyric, a marker, a text in Latin-1
        bytes.fromhex("FF 06 01 41"),
        bytes.fromhex("FF 01 01 E9"),
        bytes.fromhex("F0 04 7E 7F 09 F7"),
    ]
)


@st.composite
def tracks(draw: st.DrawFn, division: int) -> bytes:
    """Notes of two channels and much else, at any ticks; no pitch begins on a channel while it sounds there."""
    ticks = st.integers(0, 6 * division) if draw(st.booleans()) else st.integers(0, 24).map(lambda n: n * division // 4)
    rows = st.tuples(ticks, st.integers(1, 2 * division), st.integers(60, 64), st.integers(1, 127), st.integers(0, 1))
    sounding: dict[tuple[int, int], int] = {}
    timed: list[tuple[int, int, bytes]] = []
    for start, length, pitch, velocity, channel in sorted(draw(st.lists(rows, min_size=1, max_size=12))):
        if start >= sounding.get((channel, pitch), 0):
            sounding[channel, pitch] = start + length
            off = bytes([0x90 | channel, pitch, 0]) if draw(st.booleans()) else bytes([0x80 | channel, pitch, 30])
            timed += [(start, 1, bytes([0x90 | channel, pitch, velocity])), (start + length, 0, off)]
    timed += [
        (at, draw(st.sampled_from([-1, 2])), said) for at, said in draw(st.lists(st.tuples(ticks, OTHERS), max_size=8))
    ]
    timed.sort(key=lambda event: event[:2])
    end = timed[-1][0] + draw(st.integers(0, division))
    return written([*[(tick, said) for tick, _, said in timed], (end, b"\xff\x2f\0")], draw(st.booleans()))


@st.composite
def whole_files(draw: st.DrawFn) -> bytes:
    """Files of format 0 and 1 of any division."""
    division = draw(st.sampled_from([1, 4, 24, 96, 100, 120, 480, 1024]))
    count = draw(st.integers(1, 3))
    data = [draw(tracks(division)) for _ in range(count)]
    return file(*data, form=0 if count == 1 else 1, division=division)


@st.composite
def edits(draw: st.DrawFn) -> tuple[bytes, int, int, int, Piece]:
    """A file, a part of it, a range of ticks, and legal notes in it."""
    data = draw(whole_files())
    part = draw(st.integers(0, len(midi.places(data)) - 1))
    first = draw(st.integers(0, 160))
    last = first + draw(st.integers(1, 96))
    rows = st.tuples(st.integers(first, last - 1), st.integers(1, 60), st.integers(60, 65), st.integers(1, 127))
    return data, part, first, last, piece_of(draw(st.lists(rows, max_size=6)))


def piece_of(rows: list[tuple[int, int, int, int]]) -> Piece:
    """Onset, duration, pitch and velocity of each note, those left out that would begin on a sounding one."""
    sounding: dict[int, int] = {}
    kept = []
    for onset, duration, pitch, velocity in sorted(rows):
        if onset >= sounding.get(pitch, 0):
            sounding[pitch] = onset + duration
            kept.append((onset, duration, pitch, velocity))
    return Piece(*np.array(kept, np.int64).reshape(-1, 4).T)


def rows_of(piece: Piece, part: int | None = None) -> list[Row]:
    own = slice(None) if part is None else piece.part == part
    return list(zip(*[c[own].tolist() for c in (piece.onset, piece.end, piece.pitch, piece.velocity)]))


# As mido sees them


def absolute(data: bytes) -> list[list[tuple[int, mido.Message]]]:
    """Each track's messages with their ticks."""
    seen = mido.MidiFile(file=BytesIO(data), charset="latin-1")
    return [list(zip(np.cumsum([m.time for m in t]).tolist(), t)) for t in seen.tracks]


def not_notes(messages: list[tuple[int, mido.Message]], factor: int, channel: int = -1) -> list[tuple[int, str]]:
    """All but the end of track and the notes of the channel (of none), in their order, by tick on another grid."""
    return [
        (tick * factor, str(m.copy(time=0)))
        for tick, m in messages
        if m.type != "end_of_track" and not (m.type in ("note_on", "note_off") and m.channel == channel)
    ]


def assert_notes_pair(messages: list[tuple[int, mido.Message]]) -> None:
    """No pitch begins on a channel while it sounds, and every note ends."""
    sounding: set[tuple[int, int]] = set()
    for _, m in messages:
        if m.type == "note_on" and m.velocity:
            assert (m.channel, m.note) not in sounding, "a note begins while it sounds"
            sounding.add((m.channel, m.note))
        elif m.type in ("note_on", "note_off"):
            sounding.remove((m.channel, m.note))
    assert not sounding, "a note never ends"


# The laws


def spliced_or_refused(edit: tuple[bytes, int, int, int, Piece]) -> midi.Spliced | None:
    """None if another part of the channel stands in the way, or no note would be left: a sentence says so."""
    data, part, first, last, new = edit
    try:
        return midi.splice(data, new, part, first, last, LONG)
    except MidiError as error:
        assert any(words in str(error) for words in ("program is set", "part of the same channel", "would hold no notes"))
        assert "\n" not in str(error)
        return None


def times_finer(old: bytes, new: bytes) -> int:
    before, after = (struct.unpack_from(">h", data, 12)[0] for data in (old, new))
    assert after % before == 0
    return after // before


@given(edits())
def test_all_that_is_no_note_of_the_channel_stays_at_its_tick(edit: tuple[bytes, int, int, int, Piece]) -> None:
    spliced = spliced_or_refused(edit)
    if spliced is None:
        return
    data, part = edit[:2]
    place, factor = midi.places(data)[part], times_finer(data, spliced.data)
    assert any("times as fine" in sentence for sentence in spliced.remarks) == (factor > 1)
    for number, (old, new) in enumerate(zip(absolute(data), absolute(spliced.data))):
        if number != place.track:
            assert not_notes(new, 1) == not_notes(old, factor)
            assert new[-1][0] == old[-1][0] * factor
            continue
        assert not_notes(new, 1, place.channel) == not_notes(old, factor, place.channel)
        assert new[-1][0] == max([old[-1][0] * factor, *(tick for tick, _ in new[:-1])])
        assert_notes_pair(new)
    if factor == 1:
        for number, (before, after) in enumerate(zip(whole_tracks(data) or [], whole_tracks(spliced.data) or [])):
            assert (before == after) or number == place.track


@given(edits())
def test_the_old_notes_outside_and_the_new_ones_inside_are_read(edit: tuple[bytes, int, int, int, Piece]) -> None:
    spliced = spliced_or_refused(edit)
    if spliced is None:
        return
    data, part, first, last, new = edit
    before, place = midi.parse(data, LONG).piece, midi.places(data)[part]
    if new.num_notes == 0 and all(first <= onset < last for onset, *_ in rows_of(before, part)):
        return  # the part has no notes any more and is none: see below
    after = midi.parse(spliced.data, LONG).piece
    assert midi.places(spliced.data) == midi.places(data)
    assert (after.parts, after.tempi, after.time_signatures) == (before.parts, before.tempi, before.time_signatures)
    cut = 0
    for number, other in enumerate(midi.places(data)):
        expected = rows_of(before, number)
        if number == part:
            expected = [row for row in expected if not first <= row[0] < last] + rows_of(new)
        found = rows_of(after, number)
        if other[:2] != place[:2]:
            assert found == expected
        assert len(found) == len(expected)
        expected, found = (sorted(rows, key=lambda row: (row[0], row[2])) for rows in (expected, found))
        for (onset, end, *rest), (its_onset, its_end, *its_rest) in zip(expected, found):
            assert (onset, rest) == (its_onset, its_rest)
            assert its_end <= end
            cut += its_end < end
    assert cut <= sum(int(sentence.split()[0]) for sentence in spliced.remarks if " ended where " in sentence)


@given(whole_files(), st.data())
def test_the_notes_that_were_there_leave_the_file_as_it_is(data: bytes, draw: st.DataObject) -> None:
    piece = midi.parse(data).piece
    part = draw.draw(st.integers(0, len(piece.parts) - 1))
    first, length = draw.draw(st.integers(0, 100)), draw.draw(st.integers(1, 100))
    own = (piece.part == part) & (piece.onset >= first) & (piece.onset < first + length)
    if piece.num_notes == midi.scan(data)[0].notes.shape[1]:  # else two that snap to one tick are read as one
        assert midi.splice(data, piece.select(own), part, first, first + length) == midi.Spliced(data)


@given(pieces(max_parts=4), st.data())
def test_a_part_taken_out_and_put_back_is_the_same_music(piece: Piece, draw: st.DataObject) -> None:
    """Nothing of the old notes is left to lean on: every note is written anew."""
    part = draw.draw(st.integers(0, len(piece.parts) - 1))
    own = piece.part == part
    first = piece.select(np.flatnonzero(own)[:1])
    rest = piece.select(own & (piece.onset > first.onset[0]))
    at = int(first.onset[0]) + 1
    none = rest.select(rest.onset < 0)
    without = midi.splice(midi.to_bytes(piece), none, part, at, None, LONG)
    again = midi.splice(without.data, rest, part, at, None, LONG)
    assert midi.parse(again.data, LONG, piece.ticks_per_quarter).piece == piece


@given(whole_files())
def test_places_are_the_parts_as_they_are_read(data: bytes) -> None:
    """By an account of mido's: the channel and the program in force of every note, track by track."""
    expected: dict[Place, Counter[int]] = {}
    for number, messages in enumerate(absolute(data)):
        programs = Counter[int]()
        for _, m in messages:
            if m.type == "program_change":
                programs[m.channel] = m.program
            elif m.type == "note_on" and m.velocity:
                expected.setdefault(Place(number, m.channel, programs[m.channel]), Counter())[m.note] += 1
    places = midi.places(data)
    assert list(places) == sorted(expected)
    read, _ = midi.scan(data)
    assert [p.program for p in read.parts] == [p.program for p in places]
    for number, place in enumerate(places):
        assert Counter(read.notes[2, read.notes[4] == number].tolist()) == expected[place]


# By hand

MIXED = (  # format 0: a piano on channel 1, which turns into an organ at tick 48, and a bass on channel 2
    "00 FF 03 01 54  00 C0 05  00 C1 20  00 B0 40 7F",
    "00 90 3C 40  00 91 24 50",
    "0C FF 05 02 6C 61",  # tick 12: a lyric
    "0C 80 3C 00  00 90 3E 40",  # 24
    "18 80 3E 00  00 C0 13  00 90 40 40",  # 48: the organ
    "18 80 40 00  00 81 24 00  00 B0 40 00",  # 72
)


def test_a_part_of_a_track_of_many_is_named_by_its_number() -> None:
    data = file(track(*MIXED, END), form=0)
    assert midi.places(data) == (Place(0, 0, 5), Place(0, 0, 19), Place(0, 1, 32))
    spliced = midi.splice(data, Piece([0, 6], [6, 30], [67, 69], [1, 2]), 0, 0, 24)
    assert spliced.remarks == ()
    before = "00 90 43 01  00 91 24 50  06 80 43 40  00 90 45 02"
    after = "06 FF 05 02 6C 61  0C 90 3E 40  0C 80 45 40"
    assert spliced.data == file(track(MIXED[0], before, after, "0C 80 3E 00", MIXED[4][13:], MIXED[5], END), form=0)


def test_notes_where_the_channel_plays_another_program_are_refused() -> None:
    data = file(track(*MIXED, END), form=0)
    with pytest.raises(MidiError, match="channel 1 of track 1 play program 19 at its tick 60, the part plays 5; put the"):
        midi.splice(data, Piece([60], [6], [67]), 0, 60, 72)


def test_continuing_moves_the_end_of_the_track_alone() -> None:
    other = track("00 FF 03 01 42  00 91 30 40  30 81 30 00", "60 FF 06 03 65 6E 64", END)
    data = file(track("00 90 3C 40  18 80 3C 00", END), other)
    spliced = midi.splice(data, Piece([24, 96], [24, 24], [62, 64]), 0, 24)
    assert spliced == midi.Spliced(
        file(track("00 90 3C 40 18 80 3C 00 00 90 3E 5A 18 80 3E 40 30 90 40 5A 18 80 40 40", END), other)
    )


def test_where_two_of_one_pitch_would_overlap_the_earlier_ends_and_that_is_told() -> None:
    data = file(track("00 90 3C 40  30 80 3C 07  30 90 3C 41  18 80 3C 00", END))  # 0 to 48, 96 to 120
    spliced = midi.splice(data, Piece([36], [90], [60], [70]), 0, 24, 48)
    assert spliced.data == file(track("00 90 3C 40  24 80 3C 07  00 90 3C 46  3C 80 3C 40  00 90 3C 41  18 80 3C 00", END))
    assert spliced.remarks == (
        "1 old note ended where a new one of its pitch begins",
        "1 new note ended where an old one of its pitch begins",
    )


def test_a_note_that_sounds_into_the_range_is_left() -> None:
    data = file(track("00 90 3C 40  30 80 3C 00", END))
    assert notes(midi.parse(midi.splice(data, Piece([24], [24], [64]), 0, 24, 48).data).piece) == [(0, 48, 60), (24, 24, 64)]


def test_a_finer_grid_where_the_file_counts_too_coarsely() -> None:
    data = file(track("00 90 3C 40  0A 80 3C 00", END), track("05 91 30 40  05 FF 06 01 41  00 81 30 00", END), division=10)
    spliced = midi.splice(data, Piece([24, 32], [8, 4], [62, 64]), 0, 24)  # a third and a sixth of a quarter
    assert spliced.remarks == ("the file's grid made 3 times as fine to hold the new notes",)
    new = "00 90 3E 5A 0A 80 3E 40 00 90 40 5A 05 80 40 40"
    scaled = track("0F 91 30 40  0F FF 06 01 41  00 81 30 00", END)
    assert spliced.data == file(track("00 90 3C 40 1E 80 3C 00", new, END), scaled, division=30)
    assert midi.splice(data, Piece([24], [12], [62]), 0, 24).remarks == ()  # an eighth it can count


@pytest.mark.parametrize(
    ("division", "said"), [(32_767, "at most 32,767"), (-(25 << 8) + 101, "101 ticks a frame, .* at most 255")]
)
def test_where_no_grid_is_fine_enough_the_notes_are_refused(division: int, said: str) -> None:
    data = file(track("00 90 3C 40  83 00 80 3C 00", END))
    data = data[:12] + struct.pack(">h", division) + data[14:]
    with pytest.raises(MidiError, match=said):
        midi.splice(data, Piece([480 + 7], [1], [62]), 0, 480)


def test_smpte_time_code_counts_seconds() -> None:
    """40 ticks in each of 25 frames a second are 500 a quarter at 120; a third of a quarter needs 3 times as many."""
    data = file(track("00 90 3C 40  83 74 80 3C 00", END))
    data = data[:12] + struct.pack(">bB", -25, 40) + data[14:]
    spliced = midi.splice(data, Piece([24, 32], [8, 4], [62, 64]), 0, 24)
    assert spliced.data[12:14] == struct.pack(">bB", -25, 120)
    assert notes(midi.parse(spliced.data).piece) == [(0, 24, 60), (24, 8, 62), (32, 4, 64)]


def test_the_sequences_of_format_2_have_clocks_of_their_own() -> None:
    one = "00 90 3C 40  18 80 3C 00  00 90 3E 40  18 80 3E 00"
    data = file(track(one, END), track(one, END), form=2)  # the second is read from bar 1 on
    spliced = midi.splice(data, Piece([96], [12], [72]), 1, 96, 120)
    assert spliced.data == file(track(one, END), track("00 90 48 5A  0C 80 48 40  0C 90 3E 40  18 80 3E 00", END), form=2)
    with pytest.raises(MidiError, match="elsewhere would be read otherwise"):
        midi.splice(data, Piece([90], [24], [72]), 0, 48)


def test_a_riff_file_stays_one() -> None:
    inner = file(track("00 90 3C 40  18 80 3C 00", END))
    rest = b"LIST" + struct.pack("<I", 4) + b"INFO"

    def riff(inside: bytes) -> bytes:
        body = b"RMIDdata" + struct.pack("<I", len(inside)) + inside + b"\0" * (len(inside) % 2) + rest
        return b"RIFF" + struct.pack("<I", len(body)) + body

    more = Piece([24], [24], [62])
    assert midi.splice(riff(inner), more, 0, 24).data == riff(midi.splice(inner, more, 0, 24).data)


def test_chunks_of_other_kinds_and_a_longer_header_are_kept() -> None:
    alien = b"XFIH" + struct.pack(">I", 3) + b"abc"
    own = track("00 90 3C 40  18 80 3C 00", END)
    head = b"MThd" + struct.pack(">IHHH", 8, 1, 2, 24) + b"zz"
    spliced = midi.splice(head + own + alien + own + alien, Piece([24], [24], [62]), 1, 24)
    assert spliced.data == head + own + alien + track("00 90 3C 40  18 80 3C 00 00 90 3E 5A 18 80 3E 40", END) + alien


def test_running_status_holds_no_longer_than_it_should() -> None:
    """Of three notes under one status byte the first goes; the last relies on it across a lyric."""
    data = file(track("00 90 3C 40  0C 3C 00  00 3E 40  0C FF 05 01 61  00 3E 00", END))
    spliced = midi.splice(data, Piece([], [], []), 0, 0, 12)
    assert spliced.data == file(track("0C 90 3E 40  0C FF 05 01 61  00 90 3E 00", END))


def test_a_part_may_lose_all_its_notes_but_a_file_may_not() -> None:
    data = file(track("00 90 3C 40  00 91 3C 40  18 80 3C 00  00 81 3C 00", END))
    none = Piece([], [], [])
    less = midi.splice(data, none, 0).data
    assert less == file(track("00 91 3C 40  18 81 3C 00", END))
    with pytest.raises(MidiError, match="would hold no notes"):
        midi.splice(less, none, 0)


# What is refused

DAMAGED = {
    "track 1 is cut short": file(track("00 90 3C 40  18 80 3C")),
    "track 1 has a byte without a status byte": file(track("00 3C 40  00 90 3C 40  18 80 3C 00", END)),
    "track 2 has a message broken off by another": file(
        track("00 90 3C 40 18 80 3C 00", END), track("00 B0 40 90 3C 40  18 3C 00", END)
    ),
    "track 1 has a system message": file(track("00 F1 00  00 90 3C 40  18 80 3C 00", END)),
    "track 1 has bytes after its end of track": file(track("00 90 3C 40  18 80 3C 00", END, "00 00")),
    "track 1 has a number of more than four bytes": file(track("00 90 3C 40  80 80 80 80 18 80 3C 00", END)),
    "the header says 2 tracks, there are 1": file(track("00 90 3C 40  18 80 3C 00", END), count=2),
    "what follows track 1 is no whole track": file(track("00 90 3C 40  18 80 3C 00", END), track(END, length=9)),
    "5 bytes before the header": b"abcde" + file(track("00 90 3C 40  18 80 3C 00", END)),
    "track 1 has 1 note without an end on channel 1": file(track("00 90 3C 40  18 90 3E 40  0C 80 3E 00", END)),
    "track 1 has 1 end without a note on channel 1": file(track("00 90 3C 40  18 80 3C 00  00 80 3C 00", END)),
}


@pytest.mark.parametrize("repair", DAMAGED)
def test_a_file_that_needs_a_repair_is_not_edited(repair: str) -> None:
    midi.parse(DAMAGED[repair])  # to be read it can be repaired
    with pytest.raises(
        MidiError, match=f"needs a repair before it can be edited: {repair}.*read it and write it again"
    ) as e:
        midi.splice(DAMAGED[repair], Piece([24], [24], [62]), 0, 24)
    assert "\n" not in str(e.value)


def test_notes_that_hang_on_another_channel_do_no_harm() -> None:
    hanging = "00 91 3C 40  00 FF 01 01 E9"  # and a text in Latin-1
    data = file(track(hanging, "00 90 3C 40  18 80 3C 00", END))
    assert midi.parse(data).repairs
    expected = file(track(hanging, "00 90 3C 40  18 80 3C 00  00 90 3E 5A 18 80 3E 40", END))
    assert midi.splice(data, Piece([24], [24], [62]), 0, 24).data == expected


@given(st.data())
def test_damage_at_random_is_edited_whole_or_refused_in_a_line(draw: st.DataObject) -> None:
    data = bytearray(file(track(*MIXED, END), track("00 90 3C 40  18 80 3C 00", END)))
    for at in draw.draw(st.lists(st.integers(8, len(data) - 1), min_size=1, max_size=3)):
        data[at] = draw.draw(st.integers(0, 255))
    try:
        spliced = midi.splice(bytes(data), Piece([4], [9], [61]), 0, 0, 48)
    except MidiError as error:
        assert "\n" not in str(error)
    else:
        assert (4, 61) in [(onset, pitch) for onset, _, pitch in notes(midi.parse(spliced.data).piece)]


def test_requests_that_mean_nothing_are_refused() -> None:
    data, none = midi.to_bytes(SCALE), Piece([], [], [])
    two = Piece([0, 0], [9, 9], [60, 60], part=[0, 1], parts=(Part(), Part()))
    for said, new, part, first, last in (
        ("has no part 1; it has parts 0 to 0", none, 1, 0, None),
        ("has no part -1", none, -1, 0, None),
        ("ticks 24 to 24", none, 0, 24, 24),
        ("ticks -1 to", none, 0, -1, 24),
        ("note at tick 0 into ticks 24 to the end", SCALE, 0, 24, None),
        ("overlap on one pitch, 60 at tick 0", two, 0, 0, None),
    ):
        with pytest.raises(MidiError, match=said):
            midi.splice(data, new, part, first, last)


def test_the_limits_hold_before_and_after() -> None:
    data, more = midi.to_bytes(SCALE), Piece([96], [24], [60])
    with pytest.raises(MidiError, match="bytes"):
        midi.splice(data, more, 0, 96, None, ReadLimits(max_bytes=len(data) - 1))
    with pytest.raises(MidiError, match="afterwards it has 5 notes; the limit is 4"):
        midi.splice(data, more, 0, 96, None, ReadLimits(max_notes=4))
    with pytest.raises(MidiError, match=r"afterwards it has .* quarter notes of length"):
        midi.splice(data, Piece([13 * 10**6], [24], [60]), 0, 96)
    with pytest.raises(MidiError, match="silence"):
        midi.splice(data, Piece([2**30], [24], [60]), 0, 96)


# Files


def test_a_file_is_replaced_by_its_edit_or_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "tune.mid"
    midi.write(SCALE, path)
    assert midi.replace_part(path, path, 0, 24, 48, Piece([36], [60], [65])) == (
        "1 new note ended where an old one of its pitch begins",
    )
    edited = path.read_bytes()
    assert notes(midi.read(path)) == [(0, 24, 60), (36, 36, 65), (48, 24, 64), (72, 24, 65)]
    with pytest.raises(MidiError, match=r"tune\.mid: has no part 3"):
        midi.replace_part(path, path, 3, 0, None, Piece([], [], []))
    with pytest.raises(MidiError, match=r"gone\.mid: cannot be read"):
        midi.replace_part(tmp_path / "gone.mid", path, 0, 0, None, Piece([], [], []))
    assert path.read_bytes() == edited
    assert [p.name for p in tmp_path.iterdir()] == ["tune.mid"]
