"""A piece at its bounds: what is still legal and what no more, what makes two pieces different, how one is shown."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from melody.errors import PieceError
from melody.piece import MAX_TICK, Key, Part, Piece, Tempo, TimeSignature, overlaps

ONE = {"onset": [0], "duration": [24], "pitch": [60]}
SONG = Piece(
    [0, 24, 0, 96],
    [24, 72, 96, 24],
    [60, 62, 48, 64],
    [90, 80, 70, 60],
    [0, 0, 1, 0],
    parts=(Part(73, name="a"), Part(32)),
    time_signatures=(TimeSignature(0, 4, 4), TimeSignature(96, 3, 4)),
    tempi=(Tempo(0, 500_000), Tempo(48, 250_000)),
    keys=(Key(0, 1, "major"), Key(96, -1, "minor")),
    title="t",
    texts=("x", "y"),
)


@pytest.mark.parametrize(
    "legal",
    [
        {"onset": [MAX_TICK], "duration": [1]},
        {"onset": [0], "duration": [MAX_TICK]},
        {"pitch": [0]},
        {"pitch": [127]},
        {"velocity": [1]},
        {"velocity": [127]},
        {"part": [1], "parts": (Part(0), Part(127))},
        {"parts": [Part()]},
        {"ticks_per_quarter": 1},
        {"ticks_per_quarter": 32767},
        {"ticks_per_quarter": np.int64(24)},
        {"parts": (Part(np.int64(5)),)},
        {"tempi": (Tempo(0, 1), Tempo(1, 2**24 - 1))},
        {"tempi": [(0, 1)]},
        {"keys": (Key(0, -7, "major"), Key(1, 7, "minor"))},
        {"time_signatures": (TimeSignature(0, 255, 1), TimeSignature(255 * 96, 2, 64), TimeSignature(255 * 96 + 3, 1, 4))},
        {"texts": ["a"]},
        {"texts": ()},
        {"onset": np.array([0.0]), "duration": [24.0], "pitch": [60.0]},
        {"onset": [[0]], "duration": 24, "pitch": 60},
    ],
)
def test_what_is_just_legal(legal: dict) -> None:
    piece = Piece(**ONE | legal)
    assert piece.num_notes == 1
    assert [column.dtype for column in piece._columns()] == [np.int64] * 5
    assert isinstance(piece.parts, tuple) and isinstance(piece.texts, tuple)
    assert all(isinstance(event, Tempo) for event in piece.tempi)


@pytest.mark.parametrize(
    ("offence", "says"),
    [
        ({"duration": [MAX_TICK + 1]}, "duration is 2147483648; it must be from 1 to 2147483647"),
        ({"onset": [MAX_TICK + 1]}, "onset is 2147483648; it must be from 0 to 2147483647"),
        ({"velocity": [128]}, "velocity is 128; it must be from 1 to 127"),
        ({"part": [-1]}, "part is -1; it must be from 0 to 0"),
        ({"onset": [0, 1], "duration": [1, 1], "pitch": [-5, 200]}, "pitch is -5; it must be from 0 to 127"),
        ({"parts": (Part(-1),)}, "program is -1; it must be from 0 to 127"),
        ({"ticks_per_quarter": 32768}, "ticks_per_quarter is 32768; it must be from 1 to 32767"),
        ({"parts": (Part(),) * 65_537}, "number of parts is 65537; it must be from 0 to 65536"),
        ({"pitch": [60.5]}, "a piece has whole ticks and pitches; multiply quarters by ticks_per_quarter and round them"),
        ({"pitch": ["C4"]}, "the columns of a piece are whole numbers, pitches as 60 for C4 ("),
        ({"velocity": [80, 80]}, "the columns of a piece have [1, 1, 1, 2, 1] notes; they must be equally long"),
        ({"tempi": (Tempo(0, 2**24),)}, "microseconds per quarter note is 16777216; it must be from 1 to 16777215"),
        ({"keys": (Key(0, -8, "major"),)}, "fifths is -8; it must be from -7 to 7"),
        ({"keys": (Key(0, 0, "lydian"),)}, "the mode of a key is 'lydian'; it must be 'major' or 'minor'"),
        ({"keys": (Key(5, 0, "major"), Key(5, 1, "major"))}, "keys must be sorted, one at a tick, from tick 0; got"),
        ({"keys": (Key(-1, 0, "major"),)}, "keys must be sorted, one at a tick, from tick 0; got ticks [-1]"),
        ({"tempi": tuple(Tempo(t, 5) for t in (*range(9), 3))}, "tempi must be sorted, one at a tick, from tick 0; got "
         "ticks [0, 1, 2, 3, 4, 5, 6, 7]"),
        ({"tempi": tuple(Tempo(t, 5) for t in range(1, 11))}, "tempi must begin at tick 0; got ticks "
         "[1, 2, 3, 4, 5, 6, 7, 8]"),
        ({"time_signatures": ()}, "time_signatures must begin at tick 0; got ticks []"),
        ({"time_signatures": (TimeSignature(0, 4, 4), TimeSignature(96, 3, 4), TimeSignature(192, 4, 4))},
         "4/4 at tick 192 stands inside a bar of 3/4; a time signature must stand on a bar line"),
        ({"parts": ("violin",)}, "parts is \"('violin',)\"; it must be a tuple of Part"),
        ({"texts": "a"}, "texts is 'a'; it must be a tuple of str"),
        ({"texts": ["x" * 99, 5]}, "texts is \"['" + "x" * 58 + "\"; it must be a tuple of str"),
        ({"keys": ((0, 1),)}, "keys is '((0, 1),)'; it must be a tuple of Key"),
        ({"tempi": ([0, 1],)}, "tempi is '([0, 1],)'; it must be a tuple of Tempo"),
        ({"time_signatures": 5}, "time_signatures is '5'; it must be a tuple of TimeSignature"),
        ({"parts": (Part("x"),)}, "Part(program='x', is_drum=False, name='') is no part; its program is a number from "),
        ({"parts": (Part(0, name="y" * 99), Part(0, name=None))}, "Part(program=0, is_drum=False, name=None) is no part"),
        ({"title": 5}, "title is 5, ticks_per_quarter 24; a text and a number are wanted"),
        ({"ticks_per_quarter": 24.0}, "title is '', ticks_per_quarter 24.0; a text and a number are wanted"),
    ],
)  # fmt: skip
def test_what_is_just_not_legal_is_named(offence: dict, says: str) -> None:
    with pytest.raises(PieceError, match="^" + re.escape(says)):
        Piece(**ONE | offence)


def test_notes_are_sorted_by_onset_part_and_pitch() -> None:
    """With parts and pitches that would carry into one another were they counted in too few bits."""
    parts = (Part(),) * 300
    rows = [
        (5, 1, 60, 90, 0),
        (0, 1, 1, 91, 299),
        (0, 1, 127, 92, 1),
        (0, 1, 0, 93, 2),
        (0, 2, 126, 94, 1),
        (4, 9, 3, 95, 7),
    ]
    piece = Piece(*zip(*rows), parts=parts)
    found = list(zip(*(column.tolist() for column in piece._columns())))
    assert found == sorted(rows, key=lambda row: (row[0], row[4], row[2]))
    assert len(Piece(*zip(*rows[:1]), parts=(Part(),) * 65_536).parts) == 65_536


def test_overlaps_are_named_by_the_later_note() -> None:
    with pytest.raises(
        PieceError, match=r"^pitch 62 of part 1 starts again at tick 9 while it still sounds; end the earlier"
    ):
        Piece([0, 5, 9, 0], [9, 5, 9, 20], [62, 62, 62, 62], part=[0, 1, 1, 2], parts=(Part(),) * 3)
    columns = ([0, 4, 5, 0, 12, 4, 4], [5, 1, 1, 12, 1, 1, 1], [60, 60, 60, 61, 61, 60, 61], [0, 0, 0, 0, 0, 1, 0])
    assert overlaps(*map(np.array, columns)).tolist() == [1, 6]


DIFFERENT = {
    "onset": [1, 24, 0, 96], "duration": [23, 72, 96, 24], "pitch": [61, 62, 48, 64], "velocity": [91, 80, 70, 60],
    "part": [1, 0, 1, 0], "parts": (Part(73, name="b"), Part(32)), "time_signatures": (TimeSignature(0, 4, 4),),
    "tempi": (Tempo(0, 500_000),), "keys": (), "title": "u", "texts": ("x",), "ticks_per_quarter": 12,
}  # fmt: skip


@pytest.mark.parametrize("field", DIFFERENT)
def test_each_field_makes_a_difference(field: str) -> None:
    raw = dict(zip(("onset", "duration", "pitch", "velocity", "part"), ([0, 24, 0, 96], [24, 72, 96, 24], [60, 62, 48, 64],
               [90, 80, 70, 60], [0, 0, 1, 0])))  # fmt: skip
    raw |= {name: getattr(SONG, name) for name in DIFFERENT if name not in raw}
    assert Piece(**raw) == SONG
    assert Piece(**raw | {field: DIFFERENT[field]}) != SONG
    assert SONG != "t" and SONG.__eq__("t") is NotImplemented


def test_how_a_piece_is_shown() -> None:
    assert repr(SONG) == "<Piece 't', 4 notes, 2 bars of 4/4, G, 2 parts>"
    assert repr(Piece([0], [24], [60])) == "<Piece 1 note, 1 bar of 4/4, 1 part>"
    assert repr(Piece([], [], [])) == "<Piece 0 notes, 0 bars of 4/4, 1 part>"


def test_bars_seconds_and_places_by_hand() -> None:
    """A bar of 96 ticks, then bars of 72; half a second a quarter, a quarter of one from tick 48 on."""
    assert SONG.bar_starts().tolist() == [0, 96]
    assert [SONG.bar_starts(until).tolist() for until in (-5, 0, 1, 96, 97, 169)] == [[0]] * 4 + [[0, 96], [0, 96, 168]]
    bar, position = SONG.bar_and_position([0, 95, 96, 168, 170])
    assert (bar.tolist(), position.tolist()) == ([0, 0, 1, 2, 2], [0, 95, 0, 0, 2])
    assert [column.tolist() for column in SONG.bar_and_position([])] == [[], []]
    assert SONG.seconds([0, 24, 48, 72, 96, 48]).tolist() == [0, 0.5, 1, 1.25, 1.5, 1]
    assert [SONG.time_signature_at(tick).numerator for tick in (0, 95, 96, 500)] == [4, 4, 3, 3]


def test_notes_are_selected_by_masks_and_by_numbers() -> None:
    assert SONG.select([True, False, True, False]) == SONG.select([2, 0])
    assert SONG.select([1]).velocity.tolist() == [70] and SONG.select([1]).title == "t"
    assert SONG.select(np.array([3, 1])).pitch.tolist() == [48, 64]
    assert SONG.select([]).num_notes == SONG.select(np.zeros(4, bool)).num_notes == 0


def test_slices_bars_and_joins_by_hand() -> None:
    tail = replace(SONG, time_signatures=SONG.time_signatures[:1]).slice(24, 108)
    assert list(zip(tail.onset, tail.duration, tail.pitch)) == [(0, 72, 62), (72, 12, 64)]
    assert tail.tempi == (Tempo(0, 500_000), Tempo(24, 250_000)) and tail.keys == (Key(0, 1, "major"), Key(72, -1, "minor"))
    assert SONG.slice(0, 96).num_notes == 3 and SONG.slice(0, 97).num_notes == 4
    second = SONG.bars(2, 2)
    assert (second.onset.tolist(), second.time_signatures) == ([0], (TimeSignature(0, 3, 4),))
    assert SONG.bars(1, 1).length == 96 and SONG.bars(1, 2) == SONG
    for first, last in ((0, 1), (2, 1), (1, 3), (3, 3)):
        with pytest.raises(PieceError, match=f"^bars {first} to {last} were asked for; the piece has bars 1 to 2$"):
            SONG.bars(first, last)
    other = replace(second, parts=(Part(1), Part(2), Part(3)), tempi=(Tempo(0, 250_000),))
    joined = SONG.join(other, 168)
    assert joined.onset.tolist() == [0, 0, 24, 96, 168] and joined.parts == (*SONG.parts, Part(3))
    assert joined.tempi == SONG.tempi and joined.keys == SONG.keys and joined.title == "t"
    cut = SONG.join(other, 96)
    assert list(zip(cut.onset.tolist(), cut.end.tolist())) == [(0, 24), (0, 96), (24, 96), (96, 120)]
    with pytest.raises(PieceError, match=r"^cannot join grids of 24 and 12 ticks a quarter$"):
        SONG.join(replace(other, ticks_per_quarter=12), 168)


def test_a_coarser_grid_by_hand() -> None:
    """Halves go up; of two notes that come to one tick the longer stays; a note ends where the next of its pitch begins."""
    fine = Piece([0, 3, 9, 11, 15, 30], [2, 3, 2, 10, 10, 1], [60, 60, 60, 60, 62, 60], [1, 2, 3, 4, 5, 6],
                 tempi=(Tempo(0, 5), Tempo(3, 6)), keys=(Key(9, 1, "major"),))  # fmt: skip
    coarse = fine.resolution(4)  # 6 ticks to one
    found = list(zip(coarse.onset, coarse.duration, coarse.pitch, coarse.velocity))
    assert found == [(0, 1, 60, 1), (1, 1, 60, 2), (2, 2, 60, 4), (3, 1, 62, 5), (5, 1, 60, 6)]
    assert coarse.tempi == (Tempo(0, 5), Tempo(1, 6)) and coarse.keys == (Key(2, 1, "major"),)
    assert coarse.ticks_per_quarter == 4
    two = Piece([0, 1], [1, 40], [60, 60]).resolution(4)
    assert (two.duration.tolist(), two.num_notes) == ([7], 1)


def test_drums_are_not_transposed_and_other_files_not_written(tmp_path: Path) -> None:
    piece = replace(SONG, parts=(Part(73), Part(0, is_drum=True))).transpose(-2)
    assert piece.pitch.tolist() == [58, 48, 60, 62] and piece.keys == (Key(0, -1, "major"), Key(96, -3, "minor"))
    for suffix in (".wav", ".MP3", ".png", ".svg", ".pdf", ".xml", ".musicxml", ".mxl", ".abc", ".krn", ".html"):
        with pytest.raises(PieceError) as caught:
            SONG.write(tmp_path / f"a{suffix}")
        assert str(caught.value) == (
            f"{tmp_path / 'a'}{suffix}: a piece is written as MIDI; name a file ending in .mid (melody.render makes sound, "
            "melody.score.engraving scores, melody.report pictures)"
        )
    SONG.write(tmp_path / "a.mid")
    assert Piece.read(tmp_path / "a.mid") == SONG
    assert [path.name for path in tmp_path.iterdir()] == ["a.mid"]


def test_a_piece_of_nobody_has_no_notes() -> None:
    assert Piece([], [], [], parts=()).num_notes == 0
    with pytest.raises(PieceError, match=r"^part is 0; it must be from 0 to -1$"):
        Piece(**ONE, parts=())


def test_doors_hand_the_piece_on(monkeypatch: pytest.MonkeyPatch) -> None:
    for door, name in (
        ("plot", "melody.report.roll.plot"),
        ("audio", "melody.render.audio_bytes"),
        ("_repr_html_", "melody.report.page.repr_html"),
        ("to_pretty_midi", "melody.midi.to_pretty_midi"),
    ):
        monkeypatch.setattr(name, lambda piece: ("made of", piece))
        assert getattr(SONG, door)() == ("made of", SONG)
