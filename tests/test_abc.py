"""ABC: each rule of the standard 2.1 by a small tune whose notes are known by hand; what is no ABC, and what is hostile."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from melody.piece import Key, Piece, Tempo, TimeSignature
from melody.score.abc.fields import key_of
from melody.score.abc.from_abc import read_abc


def read(music: str, key: str = "C", head: str = "M:4/4\nL:1/4") -> Piece:
    return read_abc(f"X:1\nT:t\n{head}\nK:{key}\n{music}\n".encode(), Counter())


def repairs_of(music: str, key: str = "C") -> list[str]:
    found: Counter[str] = Counter()
    read_abc(f"X:1\nM:4/4\nL:1/4\nK:{key}\n{music}\n".encode(), found)
    return list(found)


def lengths(piece: Piece) -> list[float]:
    return (piece.duration / piece.ticks_per_quarter).tolist()


def rows(piece: Piece) -> list[tuple[float, float, int]]:
    """(onset, duration, pitch) in quarters."""
    quarter = piece.ticks_per_quarter
    return [(o / quarter, d / quarter, p) for o, d, p in zip(piece.onset.tolist(), piece.duration.tolist(), piece.pitch)]


# Pitch


@pytest.mark.parametrize(
    ("music", "pitches"),
    [
        ("C,, C, C c c' c'' C'c,", [36, 48, 60, 72, 84, 96, 72, 60]),
        ("^C ^^C =C _D __D D", [61, 62, 60, 61, 60, 60]),
        ("^C C c C | C", [61, 61, 73, 61, 60]),  # to the bar line, in all octaves
        ("^C C :: C", [61, 61, 60]),
        ("^F [K:G] F =F [K:D] F", [66, 66, 65, 66]),  # a change of key ends it
        ("{^c}d c c", [74, 72, 72]),  # that of a grace note does not hold
        ("[V:1]^F4|\n[V:2]F4|", [66, 65]),
        ("^F2 & F2 |", [66, 65]),
        ("^/F _/B ^3/2c", [65, 71, 73]),  # quarter tones: the whole semitone
    ],
)
def test_pitches(music: str, pitches: list[int]) -> None:
    piece = read(music)
    order = np.argsort(piece.part, kind="stable")
    assert sorted(piece.pitch[order].tolist()) == sorted(pitches)
    if len(piece.parts) == 1 and "&" not in music:
        assert piece.pitch.tolist() == pitches


@pytest.mark.parametrize(("how", "pitches"), [("not", [61, 60, 72]), ("octave", [61, 61, 72]), ("pitch", [61, 61, 73])])
def test_how_far_an_accidental_holds_can_be_told(how: str, pitches: list[int]) -> None:
    assert read(f"%%propagate-accidentals {how}\n^C C c|").pitch.tolist() == pitches
    assert read(f"[I:propagate-accidentals {how}]^C C c|").pitch.tolist() == pitches


SCALE = "C D E F | G A B c"
KEYS = [
    ("G", [60, 62, 64, 66, 67, 69, 71, 72], (1, "major")),
    ("Gm", [60, 62, 63, 65, 67, 69, 70, 72], (-2, "minor")),
    ("A Dorian", [60, 62, 64, 66, 67, 69, 71, 72], (1, "minor")),
    ("Dmix=c", [60, 62, 64, 66, 67, 69, 71, 72], (1, "major")),
    ("Bb lydian", [60, 62, 64, 65, 67, 69, 70, 72], (-1, "major")),
    ("F#loc", [60, 62, 64, 66, 67, 69, 71, 72], (1, "minor")),
    ("D exp _b _e ^f", [60, 62, 63, 66, 67, 69, 70, 72], (2, "major")),  # no key has that signature: the tonic says which
    ("D ^g =c", [60, 62, 64, 66, 68, 69, 71, 72], (2, "major")),
    ("HP", [61, 62, 64, 66, 67, 69, 71, 73], (2, "major")),
    ("G clef=treble name=x", [60, 62, 64, 66, 67, 69, 71, 72], (1, "major")),
    ("G bass middle=d", [60, 62, 64, 66, 67, 69, 71, 72], (1, "major")),
]


@pytest.mark.parametrize(("key", "pitches", "name"), KEYS)
def test_keys(key: str, pitches: list[int], name: tuple[int, str]) -> None:
    piece = read(SCALE, key)
    assert piece.pitch.tolist() == pitches
    assert piece.keys == (Key(0, *name),)


def test_the_letter_of_minor_may_be_large() -> None:
    assert key_of("EM") == key_of("Em")


@pytest.mark.parametrize("key", ["none", "", "clef=bass"])
def test_no_key_is_none(key: str) -> None:
    piece = read(SCALE, key)
    assert piece.pitch.tolist() == [60, 62, 64, 65, 67, 69, 71, 72] and piece.keys == ()


def test_a_key_changes_on_a_line_and_in_the_line() -> None:
    for change in ("\nK:D\n", "[K:D]"):
        piece = read(f"C D E F |{change} D E F G | A B c d |")
        assert piece.pitch.tolist()[4:] == [62, 64, 66, 67, 69, 71, 73, 74]
        assert piece.keys == (Key(0, 0, "major"), Key(96, 2, "major"))


@pytest.mark.parametrize(
    ("key", "first"),
    [
        ("C clef=treble-8", 48),
        ("C treble+8", 72),
        ("C clef=bass", 60),
        ("C transpose=-2", 58),
        ("C octave=-1 transpose=3", 51),
        ("C octave=99999999999", 60),
    ],
)
def test_what_sounds_is_read(key: str, first: int) -> None:
    assert read("C2", key).pitch.tolist() == [first]
    assert read(f"[K:{key.split(maxsplit=1)[1]}]C2").pitch.tolist() == [first]
    assert read(f"V:1 {key.split(maxsplit=1)[1]}\nC2").pitch.tolist() == [first]


def test_directives_that_sound_are_obeyed() -> None:
    piece = read('V:1\n%%MIDI program 40\n%%MIDI transpose 2\nC\nV:2 name="Kit"\n%%MIDI channel 10\nC')
    assert [(p.program, p.is_drum, p.name) for p in piece.parts] == [(40, False, ""), (0, True, "Kit")]
    assert piece.pitch.tolist() == [62, 60]


# Time


@pytest.mark.parametrize(
    ("music", "expected"),
    [
        ("C/ C// C/4 C3/2 C3/ C2", [0.5, 0.25, 0.25, 1.5, 1.5, 2]),
        ("C>D E<F G>>A B<<c", [1.5, 0.5, 0.5, 1.5, 1.75, 0.25, 0.25, 1.75]),
        ("C>{d}D E > F", [1.5, 0.5, 1.5, 0.5]),
        ('C>"Am"D (E>!f!.F)', [1.5, 0.5, 1.5, 0.5]),
        ("C>>>D", [1.875, 0.125]),
        ("C>D/ E2>F", [1, 0.5, 2, 1]),  # of unequal notes: left open by the standard, left out
        ("[CE]2G", [2, 2, 1]),
        ("[C2E4]G", [2, 4, 1]),
        ("[C2E2]3/2", [3, 3]),
        ("C`D $E \\F", [1] * 4),
        ("!!C !f!D +ff+E {g}F ~G HA .B uc", [1] * 8),
    ],
)
def test_lengths(music: str, expected: list[float]) -> None:
    assert lengths(read(music)) == expected


@pytest.mark.parametrize(
    ("tuplet", "metre", "each"),
    [
        ("(2", "4/4", 3 / 2),
        ("(3", "4/4", 2 / 3),
        ("(4", "4/4", 3 / 4),
        ("(5", "4/4", 2 / 5),
        ("(5", "6/8", 3 / 5),
        ("(7", "9/8", 3 / 7),
        ("(5:4", "4/4", 4 / 5),
        ("(3:2:4", "4/4", 2 / 3),
        ("(3::2", "4/4", 2 / 3),
    ],
)
def test_tuplets(tuplet: str, metre: str, each: float) -> None:
    count = int(tuplet.split(":")[-1].lstrip("(")) if tuplet.count(":") == 2 else int(tuplet[1])
    piece = read(f"{tuplet}{'CD' * 8}"[: len(tuplet) + count] + " G|", head=f"M:{metre}\nL:1/4")
    onsets = (piece.onset - piece.onset[0]) / 24
    assert onsets.tolist() == pytest.approx([i * each for i in range(count)] + [count * each], abs=1 / 48)


def test_rests_of_every_kind_take_their_time() -> None:
    assert [o for o, _, _ in rows(read("C z/2 x/2 y9 D E | Z2 | F X G"))] == [0, 2, 3, 12, 17]


def test_a_tie_joins_equal_pitches_alone() -> None:
    assert rows(read("C4-|C2 z2|")) == [(0, 6, 60)]
    assert rows(read("^F4-|F2 F2|")) == [(0, 6, 66), (6, 2, 65)]  # it carries the accidental, for that note
    assert rows(read("[C-E]2C2")) == [(0, 4, 60), (0, 2, 64)]
    assert rows(read("[CE]2-[CE]2")) == [(0, 4, 60), (0, 4, 64)]
    assert rows(read("C-{d}C D-E")) == [(0, 2, 60), (2, 1, 62), (3, 1, 64)]
    assert rows(read("C>-C C->C")) == [(0, 2, 60), (2, 2, 60)]
    assert rows(read("^F2-_G2")) == [(0, 4, 66)]
    assert rows(read("(3C-CC.-C")) == [(0, pytest.approx(4 / 3), 60), (pytest.approx(4 / 3), pytest.approx(5 / 3), 60)]


def test_an_overlay_begins_at_the_bar_line() -> None:
    assert rows(read("C4 & E2 G2 | c4 |")) == [(0, 4, 60), (0, 2, 64), (2, 2, 67), (4, 4, 72)]
    assert [o for o, _, _ in rows(read("C4 & E2G2 & c2 | D4"))] == [0, 0, 0, 2, 4]
    assert [o for o, _, _ in rows(read("C4 & E2c4 | D4"))] == [0, 0, 2, 6]  # the bar is as long as its longest voice
    assert [o for o, _, _ in rows(read("C4 & E2 | D4"))] == [0, 0, 4]


def test_the_unit_follows_the_metre_of_the_header() -> None:
    for head, unit in (("M:2/4", 0.25), ("M:3/4", 0.5), ("M:C", 0.5), ("M:none", 0.5), ("M:2/4\nL:1/8", 0.5), ("L:1", 4.0)):
        assert lengths(read("C", head=head)) == [unit]
    assert lengths(read("C|[M:2/4]C|[L:1/16]C", head="M:4/4")) == [0.5, 0.5, 0.25]


# Bars


@pytest.mark.parametrize(
    ("metre", "expected"),
    [("C", (4, 4)), ("C|", (2, 2)), ("(2+3)/8", (5, 8)), ("2+3/8", (5, 8)), ("2/4+3/8", (7, 8)), ("12/8", (12, 8))],
)
def test_metres(metre: str, expected: tuple[int, int]) -> None:
    assert read("z8 C", head=f"M:{metre}\nL:1/4").time_signatures == (TimeSignature(0, *expected),)


def test_a_bar_of_another_length_has_its_own_time_signature_and_nothing_moves() -> None:
    piece = read("CDEF | GA | Bcde | f4 |]")
    assert [tuple(s) for s in piece.time_signatures] == [(0, 4, 4), (96, 2, 4), (144, 4, 4)]
    assert [o for o, _, _ in rows(piece)] == list(range(11))


def test_a_pick_up_is_a_rest_and_then_the_notes_in_all_voices() -> None:
    piece = read("V:1\nG | CDEF | G3 :|\nV:2\nC | CDEF | G3 :|")
    assert sorted(set(piece.onset.tolist())) == [72, 96, 120, 144, 168, 192]
    assert piece.has_pickup


@pytest.mark.parametrize(
    "bar", ["|", "||", "|]", "[|", "|:", ":|", "::", ":|:", ":||:", ":|]|:", ".|", "[|]", "|||", ":: |:"]
)
def test_bar_lines_of_every_kind(bar: str) -> None:
    piece = read(f"CDEF {bar} GABc {bar}")
    assert piece.pitch.tolist() == [60, 62, 64, 65, 67, 69, 71, 72] and len(piece.time_signatures) == 1
    assert read(f"^CDEF {bar} CDEF").pitch[4] == 60


def test_every_ending_is_read_as_the_page_has_it() -> None:
    for first, second in (("|1", ":|2"), ("| [1", ":| [2"), ("[1,3", ":|[2-4"), ("||1", ":||2"), ('["a"', ':|["b"')):
        assert read(f"C4 {first} D4 {second} E4 |]").pitch.tolist() == [60, 62, 64]


def test_a_bar_line_that_no_time_signature_reaches_is_moved_and_no_note_is() -> None:
    piece = read("CDEF (3:2:1G | CDEF | GABc |]")
    assert [round(o * 3) for o, _, _ in rows(piece)] == [0, 3, 6, 9, 12, *range(14, 38, 3)]
    assert "nearest 32nd" in repairs_of("CDEF (3:2:1G | CDEF |]")[0]
    assert {s[1:] for s in piece.time_signatures[1:]} == {(4, 4)}


# Voices and fields


def test_voices_sound_at_once_however_they_are_written() -> None:
    expected = [(0, 60, 0), (0, 55, 1), (1, 62, 0), (1, 57, 1), (2, 64, 0), (2, 59, 1), (3, 65, 0), (3, 60, 1)]
    for music in (
        "V:1\nCD|\nV:2\nG,A,|\nV:1\nEF|\nV:2\nB,C|",
        "[V:1]CDEF|\n[V:2]G,A,B,C|",
        "[V:1]CD[V:2]G,A,|\n[V:1]EF|[V:2]B,C|",
        '%%score (a b)\nV:a name="A"\nV:b bass\n[V:a] CDEF|\n[V:b] G,A,B,C|',
    ):
        piece = read(music)
        assert list(zip((piece.onset // 24).tolist(), piece.pitch.tolist(), piece.part.tolist())) == expected


def test_voices_of_the_header_keep_their_order_and_names() -> None:
    piece = read_abc(b'X:1\nV:T name="Top" octave=1\nV:B clef=bass-8\nL:1/4\nK:G\n[V:B]F|\n[V:T]F|\n', Counter())
    assert [p.name for p in piece.parts] == ["Top", ""] and piece.pitch.tolist() == [78, 54]


@pytest.mark.parametrize(
    ("field", "qpm"),
    [
        ("Q:1/4=90", 90),
        ("Q:3/8=60", 90),
        ('Q:"Slow" 1/8=60', 30),
        ('Q:1/2=50 "Allegro"', 100),
        ("Q:1/4 1/8=40", 60),
        ("Q:C3=40", 120),
        ("Q:C=40", 40),
        ("Q:100", 100),
        ('Q:"Allegro"', 120),
        ("R:jig", 228),
        ("Q:1/4=0", 120),
    ],
)
def test_tempi(field: str, qpm: float) -> None:
    piece = read("CDEF", head=f"M:4/4\nL:1/4\n{field}")
    assert piece.tempo_qpm == pytest.approx(qpm, rel=1e-3)


def test_a_tempo_in_the_line_stands_where_it_is_written() -> None:
    assert read("CDEF|[Q:1/4=60]GABc").tempi == (Tempo(0, 500_000), Tempo(96, 1_000_000))


@pytest.mark.parametrize(
    "music",
    [
        "CD % a remark: e f g\nEF",
        "CD [r:hello]EF",
        "CD\nw:la la c d\nW:c d e\nN:abc\nEF",
        "CD\\\nEF",
        "%%begintext\nc d e f\n%%endtext\nCDEF",
        '"Cmaj7"CD"^above"E"_c d"F',
        "CD {cde} E !trill(!F!trill)!",
        "P:A\nCD\nP:B\nEF",
        "s:c d e\nCDEF",
        "CDEF\n\nfree text: c d e",
    ],
)
def test_what_is_no_music_is_not_played(music: str) -> None:
    assert read(music).pitch.tolist() == [60, 62, 64, 65]


def test_a_note_and_a_repeat_sign_at_the_start_of_a_line_are_no_field() -> None:
    assert read("CDEF|G2\nA:|\nB::c").pitch.tolist() == [60, 62, 64, 65, 67, 69, 71, 72]


def test_old_chords_are_chords() -> None:
    assert rows(read("+CE+G")) == [(0, 1, 60), (0, 1, 64), (1, 1, 67)]


@pytest.mark.parametrize(
    ("music", "sentence"),
    [
        ("CD ¿ EF", "left out ¿"),
        ("CD N EF", "the sign N"),
        ("CD [M:7/0] EF", "M:7/0"),
        ("CD [K:Xyz] EF", "K:Xyz"),
        ("CD (0:3 EF", "tuplet"),
        ("C/0 CDEF", "no length"),
        ("CD [EF", "not closed"),
        ("C>D/ EF", "unequal"),
        ("m:~n=n{o}n\nCDEF", "macros"),
        ("CDEF\n\nfree text", "after the empty line"),
        ("CDEF g''''''''''", "pitches of MIDI"),
        ('CD "Am EF', 'left out "Am'),
    ],
)
def test_what_is_not_understood_is_reported_and_the_rest_kept(music: str, sentence: str) -> None:
    assert any(sentence in repair for repair in repairs_of(music))
    assert read(music).pitch.tolist()[:2] in ([60, 62], [60, 60])


def test_a_broken_rhythm_before_a_rest_of_bars_is_left_out_and_reported() -> None:
    found = Counter[str]()
    piece = read_abc(b"X:1\nM:4/4\nL:1/8\nK:C\nC>Z D\n", found)
    assert piece.onset.tolist() == [0, 108] and piece.duration.tolist() == [12, 12] and sum(found.values()) == 1
