"""Humdrum **kern: each rule by a small file whose notes are known by hand; all notes, or a refusal that names the line."""

from __future__ import annotations

import time
from collections import Counter

import pytest

from melody.errors import ScoreError
from melody.piece import Key, Piece, TimeSignature
from melody.score.kern import read_kern


def read(text: str, repairs: Counter[str] | None = None) -> Piece:
    """The records of a text, in which spines are apart by spaces and tokens of a chord by a plus."""
    lines = ["\t".join(line.split()).replace("+", " ") for line in text.strip().splitlines()]
    return read_kern("\n".join(lines).encode(), Counter() if repairs is None else repairs)


def rows(piece: Piece) -> list[tuple[float, float, int, int]]:
    """(onset, duration in quarters, pitch, part)."""
    quarter = piece.ticks_per_quarter
    columns = (piece.onset / quarter, piece.duration / quarter, piece.pitch, piece.part)
    return list(zip(*(column.tolist() for column in columns)))


def melody(*tokens: str) -> list[tuple[float, float, int]]:
    return [row[:3] for row in rows(read("\n".join(["**kern", *tokens, "*-"])))]


@pytest.mark.parametrize(
    ("token", "duration", "pitch"),
    [
        ("4c", 1, 60),
        ("4cc", 1, 72),
        ("4C", 1, 48),
        ("4CC", 1, 36),
        ("2.ee-", 3, 75),
        ("4f##n", 1, 67),
        ("4..B--", 1.75, 57),
        ("1%2g", 8, 67),
        ("3%2a", 8 / 3, 69),
        ("0c", 8, 60),
        ("00c", 16, 60),
        ("(8gg#XL/;", 0.5, 80),
        ("4cTtSW~^'\"`,", 1, 60),
    ],
)
def test_notes(token: str, duration: float, pitch: int) -> None:
    found = melody(token, "4d")
    assert found[0] == (0, pytest.approx(duration), pitch) and found[1][0] == pytest.approx(duration)


def test_rests_chords_and_grace_notes() -> None:
    assert melody("4c+4e+4g", "4r", "8qf", "qqg", "4.ryy", "8c") == [
        (0, 1, 60),
        (0, 1, 64),
        (0, 1, 67),
        (3.5, 0.5, 60),
    ]
    assert melody("4c+e", "4rgg", "4d")[2] == (2, 1, 62)


def test_ties_join_the_notes_over_bar_lines_and_in_chords() -> None:
    assert melody("*M1/4", "[4c", "=", "4c_", "=", "4c]", "=", "4c") == [(0, 3, 60), (3, 1, 60)]
    assert melody("[4c+4e", "4c]+4f") == [(0, 2, 60), (0, 1, 64), (1, 1, 65)]
    assert melody("4c]", "[4d", "4e") == [(0, 1, 60), (1, 1, 62), (2, 1, 64)]


def test_the_last_spine_is_the_first_part_and_other_spines_are_passed_over() -> None:
    piece = read(
        """
        **kern **text **kern **dynam
        *I"Bass * *I"Flute *
        *Ifagot * *Iflt *
        4C la 8c f
        . . 8d .
        4D li 4e p
        *- *- *- *-
        """
    )
    assert rows(piece) == [(0, 0.5, 60, 0), (0, 1, 48, 1), (0.5, 0.5, 62, 0), (1, 1, 64, 0), (1, 1, 50, 1)]
    assert [(p.name, p.program) for p in piece.parts] == [("Flute", 73), ("Bass", 70)]


def test_spines_split_join_split_again_and_change_places() -> None:
    piece = read(
        """
        **kern **kern
        *M2/4 *M2/4
        *^ *
        2C 4E 4c
        . 4F 4d
        *v *v *
        *x *x
        2e 2D
        *^ *
        *^ * *
        2f 2g 2a 2G
        *v *v * *
        *v *v *
        *x *x
        =5 =5
        2A 2b
        *- *-
        """
    )
    assert [row[2] for row in rows(piece) if row[3] == 0] == [60, 62, 64, 65, 67, 69, 71]
    assert [row[:3] for row in rows(piece) if row[3] == 1] == [
        (0, 2, 48),
        (0, 1, 52),
        (1, 1, 53),
        (2, 2, 50),
        (4, 2, 55),
        (6, 2, 57),
    ]


def test_two_parts_that_join_on_one_record_stay_two() -> None:
    piece = read("**kern **kern\n*^ *^\n4C 4E 4c 4e\n*v *v *v *v\n4D 4d\n*- *-")
    assert [(row[2], row[3]) for row in rows(piece) if row[0] == 1] == [(62, 0), (50, 1)]


def test_a_voice_that_splits_off_under_a_held_note_begins_with_the_record() -> None:
    piece = read("**kern **kern\n4C 2c\n* *^\n4D . 4e\n* *v *v\n4E 4f\n*- *-")
    assert [row[:3] for row in rows(piece) if row[3] == 0] == [(0, 2, 60), (1, 1, 64), (2, 1, 65)]


def test_a_note_may_sound_over_a_bar_line_without_a_tie() -> None:
    piece = read("**kern **kern\n*M4/4 *M4/4\n0C 1c\n=2 =2\n. 1d\n=3 =3\n1D 1e\n*- *-")
    assert [row[:2] for row in rows(piece) if row[3] == 1] == [(0, 8), (8, 4)]
    assert piece.time_signatures == (TimeSignature(0, 4, 4),)


def test_parts_of_unequal_bars_stay_in_step_and_it_is_said() -> None:
    repairs: Counter[str] = Counter()
    piece = read("**kern **kern\n*M4/4 *M4/4\n1C 2.c\n=2 =2\n1D 1d\n*- *-", repairs)
    assert sorted({row[0] for row in rows(piece)}) == [0, 4]
    assert list(repairs) == ["lengthened a voice that is shorter than another in its bar"]


def test_bars_keys_and_tempo() -> None:
    piece = read("**kern\n*k[b-]\n*d:\n*M3/4\n*MM90\n4d\n=1\n4d\n4e\n4f\n=2\n*M2/4\n*k[f#]\n4g\n4a\n==\n*-")
    assert piece.onset.tolist() == [48, 72, 96, 120, 144, 168] and piece.has_pickup
    assert piece.time_signatures == (TimeSignature(0, 3, 4), TimeSignature(144, 2, 4))
    assert piece.keys == (Key(0, -1, "minor"), Key(144, 1, "major")) and round(piece.tempo_qpm) == 90


def test_two_bar_lines_in_a_row_and_a_repeat_in_mid_bar_make_no_bar() -> None:
    piece = read("**kern\n*M2/4\n=1\n4c\n4d\n=2\n4e\n=:|!\n*>B\n=\n4f\n=3\n4g\n4a\n==\n*-")
    assert piece.time_signatures == (TimeSignature(0, 2, 4),)
    assert piece.onset.tolist() == [0, 24, 48, 72, 96, 120]


def test_pitch_is_what_sounds() -> None:
    """In **kern a transposing instrument is encoded at its sounding pitch; *ITr says how to print it."""
    assert melody("*ITrd1c2", "*clefGv2", "4c") == [(0, 1, 60)]


def test_remarks_reference_records_and_line_ends() -> None:
    text = "!!!COM: x\r\n!!!OTL: A tune\r\n**kern\r\n! remark\r\n4c\r\n!! 4d\r\n\r\n4e\r\n*-\r\n"
    piece = read_kern(b"\xef\xbb\xbf" + text.encode(), Counter())
    assert piece.title == "A tune" and piece.pitch.tolist() == [60, 64]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("4c\n4d", "line 1: '4c' stands in no spine"),
        ("**text\nla\n*-", "no notes"),
        ("**kern\n4r\n*-", "no notes"),
        ("**kern **kern\n4c", "line 2: the number of tokens is 1, that of spines 2"),
        ("**kern\n4h", "'4h' is no note"),
        ("**kern\n4ce", "'4ce' is no note"),
        ("**kern\n4c8", "'4c8' is no note"),
        ("**kern\nc", "without a duration"),
        ("**kern\nr", "is no note"),
        ("**kern\n99999c", "is no duration"),
        ("**kern\n4.......c", "is no duration"),
        ("**kern\n4cccccccc", "no pitch"),
        ("**kern **kern\n*x *", "one \\*x alone"),
        ("**kern\n4c\n*-\n**kern\n4d\n*-", "line 4: another piece begins"),
        ("**kern\n" + "\n".join("\t".join(["*^"] * 2**i) for i in range(12)), "at most 256"),
        ("**kern\n000000000c", "is no duration"),
        ("**kern\n" + "000c\n" * 20_000, "quarter notes; at most"),
        ("**kern\n" + "4c\n" * 60_000, "more than 30,000 notes"),
        ("**kern\n*M1/64\n" + "000c\n" * 3000, "20,000 bars"),
    ],
    ids=range(19),
)
def test_what_cannot_be_read_whole_is_refused_in_one_line_and_in_time(
    text: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("melody.score.kern.MAX_NOTES", 30_000)
    start = time.process_time()
    with pytest.raises(ScoreError, match=message) as caught:
        read_kern(text.replace(" ", "\t").encode(), Counter())
    assert "\n" not in str(caught.value) and time.process_time() - start < 10


@pytest.mark.parametrize("metre", ["*M99999/4", "*M4/0", "*M3/5", "*MX"])
def test_a_metre_that_is_none_is_left_out(metre: str) -> None:
    piece = read(f"**kern\n{metre}\n=1\n4c\n4d\n4e\n4f\n=2\n4g\n4a\n4b\n4cc\n==\n*-")
    assert piece.pitch.tolist() == [60, 62, 64, 65, 67, 69, 71, 72]
    assert piece.time_signatures == (TimeSignature(0, 4, 4),)
