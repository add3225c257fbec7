"""Limits: what a musician writes is understood or refused in a line, contradictions are found, breaches are seen."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pretty_midi
import pytest
from hypothesis import given
from hypothesis import strategies as st
from music import folk_tune, random_piece

from melody.errors import SamplingError
from melody.general_midi import PROGRAMS
from melody.limits import Limits, check, verify
from melody.limits.chords import KINDS, parse_chord, parse_chords
from melody.limits.instruments import parse_instruments
from melody.limits.lookups import (
    allowed_keys,
    allowed_metres,
    allowed_parts,
    allowed_pitches,
    allowed_velocities,
    chord_pitches,
    is_chord_point,
    on_grid,
)
from melody.limits.scales import SCALES, parse_key, parse_scale, scale_of
from melody.piece import Key, Part, Piece, Tempo, TimeSignature
from melody.tokens import Vocabulary

CLASSES = dict(zip(["C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B"], range(12)))


def classes(names: str) -> set[int]:
    return {CLASSES[name] for name in names.split()}


# Reading: keys, scales, chords and instruments are those of other libraries


@pytest.mark.parametrize("tonic", ["C", "F#", "Bb", "E", "Ab", "D"])
@pytest.mark.parametrize("mode", ["major", "minor"])
def test_keys_are_those_of_music21(tonic: str, mode: str) -> None:
    from music21 import key as m21

    theirs = m21.Key(tonic.replace("b", "-"), mode)
    if abs(theirs.sharps) > 7:
        with pytest.raises(SamplingError, match=r"flats|sharps"):
            parse_key(f"{tonic} {mode}")
        return
    ours = parse_key(f"{tonic} {mode}")
    natural = {p.pitchClass for p in theirs.pitches}
    raised = {(theirs.tonic.pitchClass + step) % 12 for step in (9, 11)} if mode == "minor" else set()
    assert (ours.fifths, ours.mode, ours.tonic) == (theirs.sharps, mode, theirs.tonic.pitchClass)
    assert set(scale_of(ours).pitch_classes) == natural | raised


def test_scales_are_those_of_music21() -> None:
    from music21 import scale as m21

    theirs = {
        "major": m21.MajorScale,
        "minor": m21.MinorScale,
        "harmonic-minor": m21.HarmonicMinorScale,
        "melodic-minor": m21.MelodicMinorScale,
        "dorian": m21.DorianScale,
        "phrygian": m21.PhrygianScale,
        "lydian": m21.LydianScale,
        "mixolydian": m21.MixolydianScale,
        "locrian": m21.LocrianScale,
        "whole-tone": m21.WholeToneScale,
        "chromatic": m21.ChromaticScale,
    }
    for name, kind in theirs.items():
        pitches = kind("E-").getPitches("E-4", "E-5", direction=m21.Direction.ASCENDING)
        assert set(parse_scale(f"Eb {name}").pitch_classes) == {p.pitchClass for p in pitches}, name
    assert SCALES.keys() - theirs.keys() == {"pentatonic", "minor-pentatonic", "blues"}  # these by hand:
    assert set(parse_scale("G pentatonic").pitch_classes) == classes("G A B D E")
    assert set(parse_scale("a minor pentatonic").pitch_classes) == classes("A C D E G")
    assert set(parse_scale("C blues").pitch_classes) == classes("C Eb F F# G Bb")


@pytest.mark.parametrize("text", ["D", "Dm", "Bb7", "F#m7", "Cmaj7", "Gdim", "Gdim7", "Bm7b5", "Caug", "Dsus2", "Dsus4"])
@pytest.mark.parametrize("root", ["", "/F#", "/A"])
def test_chords_are_those_of_music21(text: str, root: str) -> None:
    from music21 import harmony

    figure = (text + root).replace("Bb", "B-").replace("m7b5", "ø7")
    theirs = {p.pitchClass for p in harmony.ChordSymbol(figure).pitches}
    assert parse_chord(text + root).pitch_classes == theirs


def test_chords_by_hand() -> None:
    assert parse_chord("C6").pitch_classes == classes("C E G A")
    assert parse_chord("Am6").pitch_classes == classes("A C E F#")
    assert parse_chord("G9").pitch_classes == classes("G B D F A")
    assert parse_chord("Cadd9").pitch_classes == classes("C E G D")
    assert parse_chord("E5").pitch_classes == classes("E B")
    assert parse_chord("E♭Δ").pitch_classes == classes("Eb G Bb D")
    assert parse_chord("N.C.").pitch_classes == set(range(12))
    for other, usual in [
        ("C-7", "Cm7"),
        ("CM7", "Cmaj7"),
        ("C°", "Cdim"),
        ("Cø", "Cm7b5"),
        ("C+", "Caug"),
        ("Csus", "Csus4"),
    ]:
        assert parse_chord(other).pitch_classes == parse_chord(usual).pitch_classes


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_chord_has_its_root_and_moves_with_it(kind: str) -> None:
    low, high = parse_chord("C" + kind).pitch_classes, parse_chord("A" + kind).pitch_classes
    assert 0 in low and {(note + 9) % 12 for note in low} == high


@pytest.mark.parametrize(
    ("text", "bars"),
    [
        ("Dm G7 C C", [["Dm"], ["G7"], ["C"], ["C"]]),
        ("Dm, G7", [["Dm"], ["G7"]]),
        ("Dm G7 | C", [["Dm", "G7"], ["C"]]),
        ("| Dm | % | C G |", [["Dm"], ["Dm"], ["C", "G"]]),
    ],
)
def test_bars_of_chords(text: str, bars: list[list[str]]) -> None:
    assert [[chord.name for chord in bar] for bar in parse_chords(text)] == bars


def test_instruments_are_those_of_pretty_midi() -> None:
    for program, name in enumerate(PROGRAMS):
        theirs = pretty_midi.program_to_instrument_name(program)  # which has a slip or two in case and brackets
        assert re.findall(r"\w+", theirs.lower()) == re.findall(r"\w+", name.lower())
        assert parse_instruments(name.upper())[0].programs == {program}
        assert parse_instruments(str(program))[0].programs == {program}
    assert parse_instruments("saxophone")[0].programs == {64, 65, 66, 67}
    assert {0, 1, 2, 3, 4, 5} == parse_instruments("piano")[0].programs
    assert parse_instruments("flute, drums")[1].plays(Part(5, is_drum=True))
    assert not parse_instruments("flute")[0].plays(Part(73, is_drum=True))


def test_the_rest_of_what_is_written() -> None:
    limits = Limits.parse(
        key="Dm", range="Bb3:84", max_leap="12", max_polyphony=4, density=8, grid="1/16,1/8t", metre="3/4", tempo="96.5",
        bars=8, end_on_tonic=True, velocity="40:100",
    )  # fmt: skip
    assert limits == Limits(
        key=Key(0, -1, "minor"), range=(58, 84), max_leap=12, max_polyphony=4, density=8,
        grid=(Fraction(1, 16), Fraction(1, 12)), metre=(3, 4), tempo=96.5, bars=8, end_on_tonic=True,
        velocity=(40, 100),
    )  # fmt: skip
    assert Limits.parse() == Limits() == Limits.parse(grid="none")


@pytest.mark.parametrize(
    ("scale", "key", "tonic"),
    [("D dorian", None, 2), ("dorian", "Em", 4), ("C,D,Eb,G,A", None, 0), ("C,D,Eb,G,A", "Gm", 7), (None, "Bb", 10)],
)
def test_the_tonic(scale: str | None, key: str | None, tonic: int) -> None:
    assert Limits.parse(scale=scale, key=key).tonic == tonic


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ({"key": "H"}, "'H' is no key"),
        ({"key": "d"}, "'d' is no key"),
        ({"key": "D# major"}, "write it as Eb"),
        ({"key": "Gb minor"}, "write it as F#m"),
        ({"key": ""}, "no key"),
        ({"scale": ""}, "no note"),
        ({"scale": " , "}, "no note"),
        ({"scale": "C,D,H"}, "is no scale"),
        ({"scale": "dorian"}, "begins on no note"),
        ({"scale": "D durian"}, "'D durian' is no scale"),
        ({"range": "C4"}, "two ends"),
        ({"range": "C6:C4"}, "C4:C6"),
        ({"range": "C4:128"}, "0 to 127"),
        ({"range": "C4:H5"}, "'H5'"),
        ({"range": "A9:B9"}, "G9"),
        ({"max_leap": "0"}, "from 1 to 127"),
        ({"max_leap": "nan"}, "'nan'"),
        ({"max_polyphony": "-1"}, "from 1 to 128"),
        ({"density": 0}, "notes in a bar is '0'"),
        ({"grid": "1/7"}, "no grid"),
        ({"grid": ""}, "no grid"),
        ({"metre": "3/5"}, "no metre"),
        ({"metre": "0/4"}, "no metre"),
        ({"metre": "waltz"}, "no metre"),
        ({"tempo": "nan"}, "the tempo is 'nan'"),
        ({"tempo": "inf"}, "10 to 1,000"),
        ({"tempo": float("nan")}, "10 to 1,000"),
        ({"tempo": "allegro"}, "10 to 1,000"),
        ({"bars": 0}, "from 1 to 10,000"),
        ({"bars": 10_000_000}, "from 1 to 10,000"),
        ({"bars": "8.5"}, "whole number"),
        ({"bars": "9" * 5000}, "whole number"),
        ({"velocity": "0:100"}, "from 1 to 127"),
        ({"velocity": "100:40"}, "softer one first"),
        ({"velocity": "loud"}, "two ends"),
        ({"instruments": ""}, "no instrument"),
        ({"instruments": "fluet"}, "did you mean flute?"),
        ({"instruments": "128"}, "'128' is no instrument"),
        ({"chords": ""}, "0 bars"),
        ({"chords": "Dm H7"}, "bar 2 of the chords: 'H7'"),
        ({"chords": "dm"}, "capital letter"),
        ({"chords": "Dm || G7 | | C"}, "bar 3 of the chords holds 0"),
        ({"chords": "C " * 17 + "|"}, "holds 17"),
        ({"chords": "C " * 1001}, "1,001 bars"),
        ({"chords": "C" * 10_001}, "at most 10,000"),
        ({"chords": "% C"}, "'%' is no chord"),
        ({"chords": "Cfoo\nbar\x1b[31m"}, "is no chord"),
    ],
)
def test_what_cannot_be_understood_is_refused_in_one_line(written: dict, says: str) -> None:
    with pytest.raises(SamplingError, match=re.escape(says)) as raised:
        Limits.parse(**written)
    assert str(raised.value).isprintable() and len(str(raised.value)) < 300


options = [
    "key",
    "scale",
    "range",
    "max_leap",
    "density",
    "grid",
    "metre",
    "tempo",
    "bars",
    "instruments",
    "velocity",
    "chords",
]


@given(st.sampled_from(options), st.text(max_size=30) | st.text(st.sampled_from("ABCDEFGabm#79/|%:,.0123- \n"), max_size=20))
def test_any_text_is_a_limit_or_a_line_that_says_why_not(option: str, text: str) -> None:
    try:
        assert isinstance(Limits.parse(**{option: text}), Limits)
    except SamplingError as error:
        assert "\n" not in str(error)


# Checking against what a model knows


@pytest.fixture(scope="module")
def fiddle() -> Vocabulary:
    """Tunes in 6/8 on a violin, in eighths, with a key."""
    return Vocabulary.build([folk_tune(seed) for seed in range(30)], transpositions=range(-5, 7))


@pytest.fixture(scope="module")
def band() -> Vocabulary:
    """All sorts: drums, several instruments, tempi and metres."""
    return Vocabulary.build([random_piece(seed) for seed in range(60)])


@pytest.mark.parametrize(
    "written",
    [
        {},
        {"key": "D", "range": "C4:C6", "max_leap": 12, "end_on_tonic": True},
        {"key": "Db"},  # known as C#, or not: the same key
        {"scale": "C,D,Eb,G,A", "max_leap": 5},
        {"metre": "6/8", "bars": 16, "chords": "G C D7 G", "key": "G", "end_on_tonic": True},
        {"grid": "1/8", "instruments": "violin", "tempo": 300},
        {"grid": "1/1"},  # a note a bar
        {"instruments": "violin", "velocity": "1:127", "density": 1},
    ],
)
def test_what_can_be_kept_is_let_through(written: dict, fiddle: Vocabulary) -> None:
    check(Limits.parse(**written), fiddle)


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ({"metre": "4/4"}, "has never seen 4/4; it knows 6/8"),
        ({"key": "Dm"}, "never seen the key of Dm"),
        ({"instruments": "violin,flute"}, "never seen the instrument flute; it knows violin"),
        ({"instruments": "drums"}, "never seen the instrument drums"),
        ({"velocity": "1:10"}, "no velocity from 1 to 10; it knows 90"),
        ({"range": "C-1:C1"}, "no pitch from C-1 to C1"),
        ({"range": "C#4:C#4", "key": "C"}, "no note of C major lies from C#4 to C#4"),
        ({"range": "F#4:F#4", "scale": "C,D,Eb,G,A"}, "no note of C,D,Eb,G,A lies from"),
        ({"scale": "C pentatonic", "max_leap": 2}, "the largest leap is 2; allow 3"),
        ({"end_on_tonic": True}, "the tonic to end on is unknown"),
        ({"key": "C", "range": "D4:B4", "end_on_tonic": True}, "C, does not lie from D4 to B4"),
        ({"key": "C", "scale": "F# pentatonic"}, "does not hold C, the tonic of C"),
        ({"scale": "C pentatonic", "chords": "C F#5 G"}, "no note of the chord F#5 is in C pentatonic"),
        ({"range": "D4:E4", "chords": "F"}, "no note of the chord F is in the range"),
        ({"max_leap": 1, "chords": "C5"}, "the nearest note of the chord C5"),
        ({"key": "C", "end_on_tonic": True, "chords": "C G", "bars": 8}, "not in the chord of the last bar, G,"),
        ({"key": "C", "end_on_tonic": True, "chords": "G Dm"}, "not in the chord of every bar"),
        ({"grid": "1/64"}, "finer than the model's"),
        ({"grid": "1/4t"}, "no rhythm that keeps to the grid of 1/6"),
    ],
)
def test_what_cannot_be_kept_is_refused_in_a_sentence(written: dict, says: str, fiddle: Vocabulary) -> None:
    with pytest.raises(SamplingError, match=re.escape(says)) as raised:
        check(Limits.parse(**written), fiddle)
    assert "\n" not in str(raised.value) and len(str(raised.value)) < 300


def test_a_tempo_must_be_near_one_that_is_known_where_tempi_are_said(band: Vocabulary, fiddle: Vocabulary) -> None:
    known = sorted(60e6 / tempo for tempo in band.tempi)
    check(Limits.parse(tempo=known[0]), band)
    check(Limits.parse(tempo=known[-1] * 1.24), band)
    with pytest.raises(SamplingError, match="never seen a tempo near"):
        check(Limits.parse(tempo=known[-1] * 1.3), band)
    check(Limits.parse(tempo=999), fiddle)


def test_drums_alone_have_no_key(band: Vocabulary) -> None:
    check(Limits.parse(instruments="drums", density=8), band)
    for written in ({"key": "Dm"}, {"scale": "C blues"}, {"range": "C2:C5"}, {"chords": "C"}):
        with pytest.raises(SamplingError, match="only drums"):
            check(replace(Limits.parse(**written), instruments=parse_instruments("drums")), band)


# Look-ups are what the definitions say


def test_look_ups_are_the_sets_they_stand_for(band: Vocabulary) -> None:
    limits = Limits.parse(key="Dm", range="A3:E5", instruments="violin,drums", velocity="40:90")
    pitches = range(band.pitches[0], band.pitches[1] + 1)
    minor = classes("D E F G A Bb B C C#")
    assert allowed_pitches(limits, band).tolist() == [57 <= p <= 76 and p % 12 in minor for p in pitches]
    assert allowed_parts(limits, band).tolist() == [p.is_drum or p.program == 40 for p in band.parts]
    assert allowed_velocities(limits, band).tolist() == [40 <= v <= 90 for v in band.velocities]
    gb = Vocabulary.build([folk_tune(0)], transpositions=range(12))
    assert [Key(0, *k).tonic for k, ok in zip(gb.keys, allowed_keys(Limits.parse(key="Gb"), gb)) if ok] == [6]


def test_metres_with_no_rhythm_on_the_grid_are_left_out() -> None:
    """In 5/16 there is no way on from the last place of a grid of quarters: the model knows no sixteenth."""
    tune = Piece(np.arange(8) * 24, [24] * 8, [60] * 8)
    vocabulary = replace(Vocabulary.build([tune]), time_signatures=((4, 4), (5, 16), (3, 4)))
    assert allowed_metres(Limits.parse(grid="1/4"), vocabulary).tolist() == [True, False, True]
    assert allowed_metres(Limits.parse(grid="1/4", metre="3/4"), vocabulary).tolist() == [False, False, True]
    assert allowed_metres(Limits(), vocabulary).all()
    check(Limits.parse(grid="1/4"), vocabulary)
    with pytest.raises(SamplingError, match="in 5/16 the model knows no rhythm"):
        check(Limits.parse(grid="1/4", metre="5/16"), vocabulary)


def test_the_grid_is_counted_from_the_bar_line() -> None:
    sixteenths, both = Limits.parse(grid="1/16"), Limits.parse(grid="1/16,1/8t")
    assert np.flatnonzero(on_grid(sixteenths, np.arange(25))).tolist() == [0, 6, 12, 18, 24]
    assert np.flatnonzero(on_grid(both, np.arange(25))).tolist() == [0, 6, 8, 12, 16, 18, 24]
    assert on_grid(Limits(), np.arange(5)).all() and on_grid(sixteenths, np.zeros((2, 3))).shape == (2, 3)


def test_the_chord_in_force() -> None:
    limits = Limits.parse(chords="Dm G7 | C")
    bar, position = np.array([0, 0, 0, 1, 2, 3, -1]), np.array([0, 47, 48, 95, 95, 0, 0])
    allowed = chord_pitches(limits, bar, position, 96)
    names = ["Dm", "Dm", "G7", "C", "G7", "C", "N.C."]
    assert [set(np.flatnonzero(row).tolist()) for row in allowed] == [set(parse_chord(name).pitch_classes) for name in names]
    assert chord_pitches(Limits(), bar, position, 96).all()


def test_chords_hold_on_beats_and_where_they_begin() -> None:
    three = Limits.parse(chords="C F | G")
    points = is_chord_point(three, 0, np.arange(72), 72, 24)
    assert np.flatnonzero(points).tolist() == [0, 24, 36, 48]
    assert np.flatnonzero(is_chord_point(three, 1, np.arange(72), 72, 24)).tolist() == [0, 24, 48]
    assert not is_chord_point(three, -1, np.arange(72), 72, 24).any()


# Verifying

SCALE = [60, 62, 64, 65, 67, 69, 71, 72]


def study(**changes: object) -> Piece:
    """Two bars of quarters, C to C, in 4/4 at 120 on a flute, with its key."""
    piece = Piece(np.arange(8) * 24, np.full(8, 24), SCALE, np.full(8, 80), parts=(Part(73),), keys=(Key(0, 0, "major"),))
    return replace(piece, **changes)


KEPT = {
    "key": "C", "scale": "C major", "range": "C4:C5", "max_leap": 2, "max_polyphony": 1, "density": 4, "grid": "1/4",
    "metre": "4/4", "tempo": 120, "bars": 2, "end_on_tonic": True, "instruments": "flute", "velocity": "80:80",
    "chords": "C G C F | Em Am G C",
}  # fmt: skip


def test_a_piece_that_keeps_all_limits_has_no_breach() -> None:
    assert verify(study(), Limits.parse(**KEPT)) == ()


def pitch(number: int, value: int) -> dict:
    return {"pitch": np.array([*SCALE[:number], value, *SCALE[number + 1 :]])}


def at(column: str, number: int, value: int) -> dict:
    values = getattr(study(), column).copy()
    values[number] = value
    return {column: values}


@pytest.mark.parametrize(
    ("option", "changes", "says"),
    [
        ("key", pitch(2, 63), "D#4 in bar 1 is not in C major"),
        ("key", {"keys": (Key(0, 0, "major"), Key(96, 1, "major"))}, "the key signature is that of G, not of C"),
        ("scale", pitch(6, 70), "A#4 in bar 2 is not in C major"),
        ("range", pitch(7, 84), "C6 in bar 2 is outside C4 to C5"),
        ("max_leap", pitch(3, 67), "G4 in bar 1 is a leap of 3 semitones, more than 2"),
        ("max_polyphony", at("duration", 4, 25), "2 notes sound at once in bar 2, more than 1"),
        ("density", at("onset", 4, 95), "5 notes begin in bar 1, more than 4"),
        ("grid", at("onset", 3, 78), "F4 in bar 1 begins 78 ticks into bar 1"),
        ("grid", at("duration", 7, 12), "C5 in bar 2 ends 84 ticks into bar 2"),
        ("metre", {"time_signatures": (TimeSignature(0, 4, 4), TimeSignature(96, 2, 4))}, "the metre is 2/4, not 4/4"),
        ("tempo", {"tempi": (Tempo(0, 500_000), Tempo(96, 400_000))}, "the tempo is 150 quarters a minute, not 120"),
        ("bars", at("duration", 7, 25), "it is 3 bars long, not 2"),
        ("end_on_tonic", pitch(7, 74), "it ends on D, not on the tonic C"),
        ("instruments", {"parts": (Part(40),)}, "violin plays, which is none of flute"),
        ("instruments", {"parts": (Part(73, is_drum=True),)}, "drums plays"),
        ("velocity", at("velocity", 0, 81), "C4 in bar 1 has velocity 81, not 80 to 80"),
        ("chords", pitch(1, 64), "E4 in bar 1 sounds at tick 24 in bar 1 but is not in the chord G"),
        ("chords", at("duration", 2, 25), "E4 in bar 1 sounds at tick 72 in bar 1 but is not in the chord F"),
    ],
)  # fmt: skip
def test_a_breach_is_seen_and_named(option: str, changes: dict, says: str) -> None:
    limits = Limits.parse(**{option: KEPT[option]}, **({"key": "C"} if option == "end_on_tonic" else {}))
    assert verify(study(), limits) == ()
    breaches = verify(study(**changes), limits)
    assert any(says in breach for breach in breaches), breaches


def test_drums_have_no_pitch() -> None:
    piece = study(parts=(Part(0, is_drum=True),), **at("duration", 0, 60))
    limits = Limits.parse(key="F#", range="C6:C7", max_leap=1, max_polyphony=1, end_on_tonic=True, chords="F#")
    assert [b for b in verify(piece, limits) if "signature" not in b] == []
    assert verify(piece, Limits.parse(density=3)) != ()


def test_a_chord_leaps_from_the_nearest_note_before() -> None:
    piece = Piece([0, 0, 24, 24, 48], [24] * 5, [48, 72, 50, 70, 52])
    assert verify(piece, Limits.parse(max_leap=2)) == ()
    assert verify(piece, Limits.parse(max_leap=1)) != ()


def test_a_pickup_is_no_bar_and_has_no_chord() -> None:
    piece = Piece([72, 96, 192], [24, 96, 96], [61, 60, 67])
    assert verify(piece, Limits.parse(bars=2, chords="C G")) == ()
    early = Piece([47, 96, 192], [49, 96, 96], [60, 60, 67])  # silent for less than half a bar
    assert verify(early, Limits.parse(bars=3, chords="C C G")) == ()
    assert verify(early, Limits.parse(bars=2)) != ()


def test_breaches_name_bars_as_a_score_counts_them() -> None:
    """A pick-up is bar 0; without one the first bar is 1."""
    whole = Piece([0, 24, 96, 120, 192], [24] * 5, [61, 60, 63, 60, 66])
    for late, first in ((0, 1), (72, 0)):
        onset = np.where(np.arange(5) < 2, np.maximum(whole.onset + late - 24 * (late > 0), 0), whole.onset)
        piece = replace(whole, onset=onset)
        assert piece.first_bar == first
        said = verify(piece, Limits.parse(key="C", density=1, max_polyphony=1, grid="1/4", velocity="1:80"))
        assert sum(f" in bar {first} is not in C major" in breach for breach in said) == 1
        assert sum(f" in bar {first + 2} is not in C major" in breach for breach in said) == 1
        assert any(breach == f"2 notes begin in bar {first + 1}, more than 1" for breach in said)
        assert not any(f"bar {first + 3}" in breach or f"bar {first - 1}" in breach for breach in said)
    chorded = verify(Piece([72, 96, 192], [24, 96, 96], [61, 61, 67]), Limits.parse(chords="C G"))
    assert any("C#4 in bar 1 sounds at tick 96 in bar 1" in breach for breach in chorded)
    rough = verify(Piece([73, 97, 192], [20, 90, 96], [60, 60, 67]), Limits.parse(grid="1/4"))
    assert any("begins 73 ticks into bar 0" in breach for breach in rough)


def test_the_prompt_is_not_judged() -> None:
    piece = Piece([0, 24, 48, 96, 120], [24, 24, 24, 24, 24], [61, 63, 66, 60, 64])
    limits = Limits.parse(key="C", bars=1, chords="C", density=2)
    assert verify(piece, limits, start=72) == ()
    assert len(verify(piece, limits, start=48)) == 1  # its F sharp
    assert any(
        "leap" in breach for breach in verify(piece, Limits.parse(max_leap=5), start=96)
    )  # from the prompt's last note


def test_compound_time_has_dotted_beats() -> None:
    metre = (TimeSignature(0, 6, 8),)
    piece = Piece([0, 12, 24, 36, 48, 60], [12] * 6, [60, 61, 61, 64, 66, 66], time_signatures=metre)
    assert verify(piece, Limits.parse(chords="C")) == ()
    assert verify(replace(piece, time_signatures=(TimeSignature(0, 3, 4),)), Limits.parse(chords="C")) != ()


def test_nothing_is_no_tune() -> None:
    assert verify(Piece([], [], []), Limits()) == ("there is no note",)


# The law for numbers: what a piece is at most is kept, and one less is not, whatever the piece


def most_sounding(piece: Piece) -> int:
    sounding = [np.sum((piece.onset <= t) & (t < piece.end) & ~piece.is_drum) for t in range(piece.length)]
    return int(max(sounding))


def most_in_a_bar(piece: Piece) -> int:
    lines = [*piece.bar_starts().tolist(), piece.length + 1]
    return max(int(np.sum((piece.onset >= a) & (piece.onset < b))) for a, b in pairwise(lines))


def widest_leap(piece: Piece) -> int:
    widest = 0
    for part in range(len(piece.parts)):
        mine = piece.select((piece.part == part) & ~piece.is_drum)
        ticks = sorted(set(mine.onset.tolist()))
        for before, now in pairwise(ticks):
            old, new = mine.pitch[mine.onset == before], mine.pitch[mine.onset == now]
            widest = max(widest, int(np.abs(new[:, None] - old).min(axis=1).max()))
    return widest


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize(
    ("option", "most"), [("max_polyphony", most_sounding), ("density", most_in_a_bar), ("max_leap", widest_leap)]
)
def test_the_most_is_kept_and_one_less_is_not(seed: int, option: str, most: Callable[[Piece], int]) -> None:
    piece = random_piece(seed)
    number = most(piece)
    for limit in {number, number - 1} & set(range(1, 128)):
        assert (verify(piece, Limits.parse(**{option: limit})) == ()) == (limit == number)


@pytest.mark.parametrize("seed", range(12))
def test_look_ups_and_verdicts_agree(seed: int) -> None:
    """Two ways to the same definitions: arrays for the masks, and the reading of the notes."""
    piece = random_piece(seed, changes=False)
    tones = np.flatnonzero(~piece.is_drum)
    metre = piece.time_signatures[0]
    bar_ticks, beat_ticks = metre.bar_ticks(), metre.beat_ticks()
    grid = Limits.parse(grid="1/8,1/8t")
    off = sum(int(np.sum(~on_grid(grid, ticks % bar_ticks))) for ticks in (piece.onset, piece.end))
    assert len(verify(piece, grid)) == off
    chords = Limits.parse(chords="C G7 | Am F#m7b5 E | D")
    pickup = int(bar_ticks <= 2 * piece.onset[0] < 2 * bar_ticks)
    wrong = 0
    for note in tones.tolist():
        ticks = np.arange(piece.onset[note], piece.end[note])
        bar, position = ticks // bar_ticks - pickup, ticks % bar_ticks
        has = chord_pitches(chords, bar, position, bar_ticks)[:, piece.pitch[note] % 12]
        wrong += int(np.sum(is_chord_point(chords, bar, position, bar_ticks, beat_ticks) & ~has))
    assert len(verify(piece, chords)) == wrong
