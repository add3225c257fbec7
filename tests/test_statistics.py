"""Form and part-writing, each on music whose answer can be read off the notes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from melody.piece import Part, Piece
from melody.score.notes_text import read_notes
from melody.signatures import Key
from melody.statistics import form, tables
from melody.statistics import part_writing as writing

A, B, C, D = ("C4/4 D E F |", "G4/2 E |", "A4/8 B A B A B A B |", "G4/4 F E D |")
FIRST = "C5/1 |"
C_MAJOR, C_MINOR = Key(0, 0, "major"), Key(0, -3, "minor")
SILENCE = read_notes("C4/4").select(np.zeros(1, bool))


def tune(*bars: str, pickup: str = "") -> Piece:
    return read_notes(" ".join([pickup, *bars]).rstrip(" |"))


def choir(*voices: str, key: Key | None = None) -> Piece:
    """Voices from the top down."""
    lines = [read_notes(voice) for voice in voices]
    onset, duration, pitch, part = (
        np.concatenate(columns)
        for columns in zip(*[(v.onset, v.duration, v.pitch, np.full(v.num_notes, n)) for n, v in enumerate(lines)])
    )
    order = np.lexsort((pitch, part, onset))
    velocity = np.full(len(onset), 90)
    columns = (onset[order], duration[order], pitch[order], velocity, part[order])
    return Piece(*columns, parts=(Part(52),) * len(voices), keys=(key,) if key else ())


@pytest.mark.parametrize("pickup", ["", "G4/4 |"], ids=["no pick-up", "pick-up"])
def test_an_opening_that_returns_is_found_with_or_without_a_pick_up(pickup: str) -> None:
    assert form.opening_returns(tune(A, B, C, D, A, B, D, FIRST, pickup=pickup)) == 1
    assert form.opening_returns(tune(A, B, C, D, A, C, D, FIRST, pickup=pickup)) == 0
    assert np.isnan(form.opening_returns(tune(A, B, C, D, A, B, pickup=pickup)))


def test_bars_are_compared_by_position_and_pitch_not_by_how_long_or_loud_a_note_is() -> None:
    short = tune("C4/4 r E r |", "C4/4. r/8 E/4 r |", "C4/4 r E r |")
    assert form.bars_occurring_twice(short) == 1
    assert form.bars_occurring_twice(short.transpose(3)) == 1
    assert form.bars_occurring_twice(tune("C4/4 r E r |", "r/4 C4 r E |")) == 0


def test_the_share_of_bars_occurring_twice_and_tunes_without_any() -> None:
    assert form.bars_occurring_twice(tune(A, B, A, C)) == 0.5
    assert form.has_no_repeated_bar(tune(A, B, C, D)) == 1
    assert form.has_no_repeated_bar(tune(A, B, C, A)) == 0
    assert np.isnan(form.bars_occurring_twice(SILENCE))


@pytest.mark.parametrize("pickup", ["", "G4/4 |"])
def test_the_length_does_not_count_a_pick_up(pickup: str) -> None:
    piece = tune(A, B, C, D, A, B, D, FIRST, pickup=pickup)
    assert form.length_in_bars(piece) == 8
    assert form.is_multiple_of(piece, 8) == 1 and form.is_multiple_of(piece, 3) == 0
    assert form.has_pickup(piece) == (pickup != "")


def test_a_last_bar_that_a_pick_up_completes_counts() -> None:
    assert form.length_in_bars(tune(A, B, C, "G4/2.", pickup="G4/4 |")) == 4


@pytest.mark.parametrize(
    ("bars", "longest"),
    [
        ((A, B, C, D), 1),
        ((A, A, A, B), 3),
        ((A, B, A, B, A, B, C), 6),
        ((A, B, A, B, A, C), 5),
        ((C, A, A, A, A, A, A), 6),
        ((A, B, C, A, B, C), 1),
    ],
)
def test_loops_of_one_and_of_two_bars(bars: tuple[str, ...], longest: int) -> None:
    assert form.longest_loop(tune(*bars)) == longest
    assert form.has_loop(tune(*bars)) == (longest >= 6)


def test_bars_of_rests_are_no_loop() -> None:
    assert form.longest_loop(tune(A, *["r/1 |"] * 8, B)) == 1


def test_the_commonest_rhythm_and_the_mode() -> None:
    assert form.commonest_rhythm(tune(A, D, B, C)) == 0.5  # four quarters, twice
    minor = replace(tune(A), keys=(Key(0, -1, "minor"),))
    assert form.is_minor(minor) == 1 and form.is_minor(replace(minor, keys=(Key(0, 2, "major"),))) == 0
    assert np.isnan(form.is_minor(tune(A)))


def test_bars_that_add_up() -> None:
    assert form.bars_of_metre(tune(A, B, C, D)) == (3, 3)
    assert form.bars_of_metre(tune("C4/4 D E r |", B, D)) == (1, 2)


def test_the_melody_is_the_first_part_that_is_no_drum_and_its_highest_notes() -> None:
    drums = Piece([0], [24], [36], [90], [0], parts=(Part(0, is_drum=True),))
    both = Piece([0, 0, 0], [24] * 3, [36, 60, 64], [90] * 3, [0, 1, 1], parts=(*drums.parts, Part(0)))
    assert form.melody_of(both).pitch.tolist() == [64]


def test_parallel_fifths_and_octaves_in_similar_and_contrary_motion() -> None:
    similar = choir("G4/4 A", "C4/4 D")
    assert writing.parallels(similar, writing.FIFTH) == (1, 1) and writing.parallels(similar, writing.OCTAVE) == (0, 1)
    contrary = choir("G4/4 A5", "C4/4 D3")
    assert writing.parallels(contrary, writing.FIFTH) == (1, 1)
    octaves = choir("C5/4 D", "C4/4 D")
    assert writing.parallels(octaves, writing.OCTAVE) == (1, 1)


@pytest.mark.parametrize(
    ("upper", "lower"),
    [("G4/4 G", "C4/4 C"), ("G4/4 A", "C4/4 C"), ("C5/4 D", "G4/4 A"), ("G4/4 r A", "C4/4 C D")],
    ids=["repeated", "oblique", "fourths", "after a rest"],
)
def test_what_is_no_parallel(upper: str, lower: str) -> None:
    assert writing.parallels(choir(upper, lower), writing.FIFTH)[0] == 0


def test_a_voice_that_holds_is_read_at_each_onset_of_the_others() -> None:
    ticks, pitches = writing.sonorities(choir("C5/2", "E4/4 F"))
    assert ticks.tolist() == [0, 24] and pitches.tolist() == [[72, 64], [72, 65]]


@pytest.mark.parametrize(
    ("notes", "is_chord"),
    [
        ((60, 64, 67), True),
        ((62, 65, 69), True),
        ((59, 62, 65, 67), True),
        ((60, 64), True),
        ((60, 60), False),
        ((60, 61), False),
        ((60, 62, 64), False),
    ],
)
def test_chords(notes: tuple[int, ...], is_chord: bool) -> None:
    assert writing.is_chord(np.array(notes)) == is_chord


def test_beats_that_are_chords_counts_beats_where_all_sound() -> None:
    assert writing.beats_that_are_chords(choir("C5/4 D", "E4/4 E", "G3/4 F#")) == (1, 2)
    assert writing.beats_that_are_chords(choir("C5/4 D", "E4/4 r", "G3/4 F#")) == (1, 1)


def test_a_doubled_leading_note() -> None:
    key = C_MAJOR
    assert writing.doubled_leading_notes(choir("B4/4", "D4/4", "G3/4", key=key)) == (0, 1)
    assert writing.doubled_leading_notes(choir("B4/4", "D4/4", "B3/4", "G3/4", key=key)) == (1, 1)
    assert writing.doubled_leading_notes(choir("C5/4", "E4/4", "G3/4", key=key)) == (0, 0)
    assert writing.doubled_leading_notes(choir("B4/4", "D4/4", "G3/4")) == (0, 0)


@pytest.mark.parametrize(
    ("voices", "closes"),
    [
        (("C5/1", "E4/1", "C3/1"), 1),
        (("C5/1", "G4/1", "E3/1"), 0),
        (("G4/1", "D4/1", "G3/1"), 0),
        (("B4/1", "E4/1", "C3/1"), 0),
    ],
    ids=["root", "inversion", "dominant", "a seventh"],
)
def test_a_close_is_the_tonic_triad_on_its_root(voices: tuple[str, ...], closes: int) -> None:
    assert writing.closes_on_the_tonic(choir(*voices, key=C_MAJOR)) == closes
    assert np.isnan(writing.closes_on_the_tonic(choir(*voices)))


def test_in_minor_either_third_closes() -> None:
    for third in ("Eb4/1", "E4/1"):
        assert writing.closes_on_the_tonic(choir("G4/1", third, "C3/1", key=C_MINOR)) == 1


def test_phrases_end_with_long_notes_and_rests() -> None:
    melody = "C4/4 D E F G/2 A/2 r/4 B C5 r/2 D/4"
    assert writing.phrases(read_notes(melody)) == [6, 2, 2, 1]


def test_a_measure_over_pieces_is_a_ratio_of_sums_within_its_interval() -> None:
    pieces = [tune(A, B, C, D), tune(A, A, B, C), tune(A, A, A, A)]
    rows = tables.measured(pieces, tables.FORM)
    assert rows["bars that occur twice"].value == pytest.approx(50)
    assert rows["length is a multiple of 4 bars"] == (100, 100, 100)
    assert np.isnan(rows["bars 5-6 are bars 1-2 again"].value) and np.isnan(rows["minor"].value)
    parallels = tables.measured([choir("G4/4 A", "C4/4 D"), choir("G4/4 G F E", "C4/4 D B C")], tables.PART_WRITING)[
        "parallel fifths per 100 chord changes"
    ]
    assert parallels.value == 25 and parallels.low <= 25 <= parallels.high


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    random = np.random.default_rng(1)
    found = [tables._estimate(np.stack([random.random(80) < 0.3, np.ones(80)], axis=1), n) for n in range(300)]
    assert 0.89 <= np.mean([low <= 30 <= high for _, low, high in found]) <= 0.98
