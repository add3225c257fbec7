"""What a musician writes for a limit: all the ways to write it, its bounds, and the line that refuses it, word by word."""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction

import pytest

from melody.errors import SamplingError
from melody.general_midi import instrument_name
from melody.limits.chords import MAX_BARS, MAX_IN_A_BAR, parse_chord, parse_chords
from melody.limits.instruments import Instrument, parse_instruments
from melody.limits.limits import Limits, written
from melody.limits.numbers import parse_grid, parse_metre, parse_range, parse_tempo, parse_velocity, parse_whole
from melody.limits.scales import parse_key, parse_scale, scale_of
from melody.piece import Key, Part


def refused(parse: Callable[[str], object], text: str) -> str:
    with pytest.raises(SamplingError) as caught:
        parse(text)
    return str(caught.value)


# Keys and scales


@pytest.mark.parametrize(
    ("text", "fifths", "mode"),
    [
        ("D", 2, "major"), ("DM", 2, "major"), ("Dmaj", 2, "major"), ("D Major", 2, "major"), ("D-MAJOR", 2, "major"),
        ("d major", 2, "major"), (" D ", 2, "major"), ("Dm", -1, "minor"), ("dm", -1, "minor"), ("D min", -1, "minor"),
        ("D MINOR", -1, "minor"), ("D  minor", -1, "minor"), ("F♯", 6, "major"), ("B♭", -2, "major"),
        ("C#", 7, "major"), ("Cb", -7, "major"), ("A#m", 7, "minor"), ("Abm", -7, "minor"), ("C", 0, "major"),
        ("Am", 0, "minor"), ("b♭ minor", -5, "minor"),
    ],
)  # fmt: skip
def test_ways_to_write_a_key(text: str, fifths: int, mode: str) -> None:
    assert parse_key(text) == Key(0, fifths, mode)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("G#", "G# major has 8 sharps; write it as Ab"),
        ("G♯", "G# major has 8 sharps; write it as Ab"),
        ("Fb", "Fb major has 8 flats; write it as E"),
        ("D# minor", None),
        ("E#m", "E# minor has 8 sharps; write it as Fm"),
        ("Dbm", "Db minor has 8 flats; write it as C#m"),
        ("B# minor", "B# minor has 9 sharps; write it as Cm"),
        ("d", "'d' is no key; write one as D, Dm, F#, Bb major or a minor"),
        ("D dorian", "'D dorian' is no key; write one as D, Dm, F#, Bb major or a minor"),
        ("H", "'H' is no key; write one as D, Dm, F#, Bb major or a minor"),
        ("", "'' is no key; write one as D, Dm, F#, Bb major or a minor"),
    ],
)
def test_keys_of_too_many_accidentals_and_none_at_all(text: str, says: str | None) -> None:
    if says is None:
        assert parse_key(text).fifths == 6
    else:
        assert refused(parse_key, text) == says


def test_names_of_the_notes_of_a_key() -> None:
    assert [scale_of(parse_key(key)).name for key in ("Dm", "D", "Bbm", "F#")] == [
        "D minor",
        "D major",
        "Bb minor",
        "F# major",
    ]


@pytest.mark.parametrize(
    ("text", "key", "name", "notes"),
    [
        ("D dorian", None, "D dorian", (2, 4, 5, 7, 9, 11, 0)),
        ("D Dorian scale", None, "D dorian", (2, 4, 5, 7, 9, 11, 0)),
        ("d minor pentatonic", None, "d minor-pentatonic", (2, 5, 7, 9, 0)),
        ("dorian", "Em", "E dorian", (4, 6, 7, 9, 11, 1, 2)),
        ("Blues Scale", "F", "F blues", (5, 8, 10, 11, 0, 3)),
        ("C blues", "F", "C blues", (0, 3, 5, 6, 7, 10)),
        ("C, D Eb,,C", None, "C,D,Eb,C", (0, 2, 3)),
        ("B", None, "B", (11,)),
        ("B#,Cb,E#", None, "B#,Cb,E#", (0, 11, 5)),
        ("B# pentatonic", None, "B# pentatonic", (0, 2, 4, 7, 9)),
        (",".join(["C"] * 30 + ["D"]), None, "the scale", (0, 2)),
        ("C" + " " * 58 + "D", None, "C,D", (0, 2)),  # 60 characters
        ("C" + " " * 59 + "D", None, "the scale", (0, 2)),
    ],
)
def test_ways_to_write_a_scale(text: str, key: str | None, name: str, notes: tuple[int, ...]) -> None:
    scale = parse_scale(text, key and parse_key(key))
    assert (scale.name, scale.pitch_classes, scale.tonic) == (name, notes, notes[0])


def test_what_is_no_scale() -> None:
    assert refused(parse_scale, " , ") == "the scale holds no note; write its notes as C,D,Eb,G,A, or a name as D dorian"
    assert refused(parse_scale, "dorian") == "the scale dorian begins on no note; name one, as D dorian, or a key"
    message = refused(parse_scale, "D durian")
    assert message.startswith("'D durian' is no scale; write its notes (") and message.endswith(" as D dorian")
    assert "as C,D,Eb,G,A, or one of major, minor, harmonic-minor, melodic-minor, dorian, " in message


# Chords


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("C(7)", "C7"), ("Cm7♭5", "Cm7b5"), ("C7♯5", "Caug7"), ("B♭m", "Bbm"), ("CM", "C"), ("Cmaj", "C"), ("C-", "Cm"),
        ("CΔ7", "Cmaj7"), ("C^", "Cmaj7"), ("Co7", "Cdim7"), ("C+7", "Caug7"), ("C7sus", "C7sus4"), ("C/G", "C"),
    ],
)  # fmt: skip
def test_ways_to_write_a_chord(text: str, same: str) -> None:
    assert parse_chord(text).pitch_classes == parse_chord(same).pitch_classes
    assert parse_chord(text).name == text


def test_no_chord_has_its_name_and_all_notes() -> None:
    for text in ("N.C.", "N.C", "NC", "nc", "n.c.", "NC."):
        assert (parse_chord(text).name, len(parse_chord(text).pitch_classes)) == ("N.C.", 12)


def test_a_bass_is_one_more_note() -> None:
    assert parse_chord("C/B").pitch_classes == {0, 4, 7, 11} and parse_chord("A/Bb").pitch_classes == {9, 1, 4, 10}


@pytest.mark.parametrize("text", ["c", "H", "CX", "Cfoo", "C/", "/C", "", "XXXX"])
def test_what_is_no_chord(text: str) -> None:
    message = refused(parse_chord, text)
    assert message.startswith(f"'{text}' is no chord; write a capital letter, # or b, and one of m 5 6 m6 7 maj7 ")
    assert message.endswith(" 7b9, or nothing for major; with a bass as C/E; N.C. for none")


def names(text: str) -> list[list[str]]:
    return [[chord.name for chord in bar] for bar in parse_chords(text)]


def test_bars_at_their_bounds() -> None:
    assert names("| C|G | ") == names("C || G") == [["C"], ["G"]]
    assert names("C | %") == [["C"], ["C"]] and names("C % D") == [["C"], ["C"], ["D"]]
    assert len(parse_chords("C " * MAX_BARS)) == MAX_BARS == 1000
    assert len(parse_chords("C " * MAX_IN_A_BAR + "|")[0]) == MAX_IN_A_BAR == 16
    assert (
        refused(parse_chords, "C " * 1001)
        == "the chords are 1,001 bars; give 1 to 1,000, as Dm G7 C C: they come round again"
    )
    assert refused(parse_chords, "") == "the chords are 0 bars; give 1 to 1,000, as Dm G7 C C: they come round again"
    assert refused(parse_chords, "D | " + "C " * 17) == (
        "bar 2 of the chords holds 17; write 1 to 16 of them, or % for the bar before"
    )
    assert refused(parse_chords, "C | | D") == "bar 2 of the chords holds 0; write 1 to 16 of them, or % for the bar before"
    assert refused(parse_chords, "C H").startswith("bar 2 of the chords: 'H' is no chord; ")
    assert refused(parse_chords, "C | X").startswith("bar 2 of the chords: 'X' is no chord; ")
    assert refused(parse_chords, "C % D |").startswith("bar 1 of the chords: '%' is no chord; ")


# Numbers


def test_whole_numbers_at_their_bounds() -> None:
    def parse(text: str) -> int:
        return parse_whole(text, "it", -5, 12_000)

    assert [parse(text) for text in ("-5", "12000", " +7 ", "007")] == [-5, 12_000, 7, 7]
    for text in ("-6", "12001", "7.0", "", "1e3", "٣", "1" * 19, "--1"):
        assert refused(parse, text).startswith("it is ") and refused(parse, text).endswith(
            "; it must be a whole number from -5 to 12,000"
        )


def test_tempi_and_metres_at_their_bounds() -> None:
    assert [parse_tempo(text) for text in ("10", "1000", " 96.5 ")] == [10, 1000, 96.5]
    for text in ("9.99", "1000.1", "fast", "nan", "-50"):
        assert (
            refused(parse_tempo, text) == f"the tempo is '{text}'; it must be from 10 to 1,000 quarter notes a minute, as 96"
        )
    assert [parse_metre(text) for text in ("1/1", "255/64", " 6/8 ", "12/16")] == [(1, 1), (255, 64), (6, 8), (12, 16)]
    for text in ("0/4", "256/4", "4/128", "4", "4/4/4", "٤/4"):
        assert refused(parse_metre, text).endswith(" is no metre; write one as 4/4, 3/4 or 6/8")


def test_grids() -> None:
    assert parse_grid("1/16, 1/8T 1/16,,") == (Fraction(1, 16), Fraction(1, 12))
    assert parse_grid("1/1") == (1,) and parse_grid("1/64t") == (Fraction(1, 96),) and parse_grid(" NONE ") == ()
    for text in ("1/16,x", "", ",", "1/3", "2/4", "none 1/4"):
        assert refused(parse_grid, text) == (
            f"'{text}' is no grid; write it as 1/4, 1/8, 1/16, with t for triplets (1/8t), or none"
        )


def test_ranges_of_pitches_and_velocities() -> None:
    assert [parse_range(text) for text in ("C4:C6", "0:127", " bb3 : 84", "C-1:G9")] == [
        (60, 84),
        (0, 127),
        (58, 84),
        (0, 127),
    ]
    assert [parse_velocity(text) for text in ("1:127", " 64:64 ")] == [(1, 127), (64, 64)]
    for parse, text, says in (
        (parse_range, "C4", "the range is 'C4'; write two ends with a colon, as C4:C6"),
        (parse_range, "C6:C4", "the range 'C6:C4' ends below its beginning; write the lower pitch first, as C4:C6"),
        (parse_range, "C4:H5", "'H5' in the range 'C4:H5' is no pitch; write it as C4, F#5, Bb3, or 0 to 127"),
        (parse_range, "C4:128", "a pitch of the range 'C4:128' is '128'; it must be a whole number from 0 to 127"),
        (parse_velocity, "1:2:3", "the velocity is '1:2:3'; write two ends with a colon, as 40:100"),
        (parse_velocity, "0:9", "a velocity is '0'; it must be a whole number from 1 to 127"),
        (parse_velocity, "1:128", "a velocity is '128'; it must be a whole number from 1 to 127"),
        (parse_velocity, "9:8", "the velocity '9:8' ends below its beginning; write the softer one first, as 40:100"),
    ):
        assert refused(parse, text) == says


# Instruments


def test_ways_to_name_an_instrument() -> None:
    assert parse_instruments("Violins, flute , 0,DRUMS,flute") == (
        Instrument("violins", frozenset({40})),
        Instrument("flute", frozenset({73})),  # not the pan flute, since one has just that name
        Instrument("acoustic grand piano", frozenset({0})),
        Instrument("drums", frozenset(), is_drum=True),
    )
    for text in ("drum", "drum kit", "Percussion", "Drum  Kits"):
        assert parse_instruments(text) == (Instrument("drums", frozenset(), is_drum=True),)
    assert parse_instruments("Alto   Saxophone")[0] == Instrument("alto saxophone", frozenset({65}))
    assert parse_instruments("brass")[0].programs == {61, 62, 63}
    assert parse_instruments("grand piano acoustic")[0].programs == {0}
    assert parse_instruments("synth 1")[0].programs == {38, 50, 62}
    assert parse_instruments("127")[0] == Instrument("gunshot", frozenset({127}))
    assert [instrument_name(part) for part in (Part(0), Part(127), Part(9, is_drum=True))] == [
        "acoustic grand piano", "gunshot", "drums",
    ]  # fmt: skip


def test_what_is_no_instrument() -> None:
    assert refused(parse_instruments, " , ") == (
        "no instrument is named; write General MIDI names with commas, as flute,violin, or drums"
    )
    assert refused(parse_instruments, "flute,fluet") == (
        "'fluet' is no instrument; did you mean flute?; write a General MIDI name, 0 to 127, or drums"
    )
    assert "; did you mean sax?; " in refused(parse_instruments, "saz")
    for text in ("128", "qqqqq", "-1", "1 2", "٤"):
        assert refused(parse_instruments, text) == (
            f"'{text}' is no instrument; write a General MIDI name, 0 to 127, or drums"
        )


# All together


def test_values_as_a_musician_writes_them() -> None:
    assert [written(value) for value in ("x", 5, 5.5, True, None, Key(0, 1, "major"), [1, 2], 10**18, -(10**18))] == [
        "x", "5", "5.5", "True", "None", "G", "[1, 2]", "a huge number", "a huge number",
    ]  # fmt: skip
    assert written(10**18 - 1) == "9" * 18
    assert [written(Fraction(1, n)) for n in (4, 6, 12, 16, 3)] == ["1/4", "1/4t", "1/8t", "1/16", "1/2t"]
    assert written(("C4", 84), ":") == "C4:84" and written([Key(0, 0, "minor"), 3], ", ") == "Am, 3"
    assert written([0] * 10_000, ",").count(",") == 9_999 and written([0] * 10_001, ",").startswith("[0, ")


def test_a_limit_has_ten_thousand_characters_at_most() -> None:
    assert Limits.parse(chords="C" + " " * 9_999).chords
    with pytest.raises(SamplingError, match=re.escape("a limit of 10,001 characters; write at most 10,000")):
        Limits.parse(chords="C" + " " * 10_000)
