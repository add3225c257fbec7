"""Limits against what a model knows, at their bounds: what is just kept, and the line that refuses what is just not."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from melody.errors import SamplingError
from melody.limits import Limits, check
from melody.limits.lookups import allowed_metres
from melody.piece import Part
from melody.tokens import Vocabulary

KNOWN = Vocabulary(  # C4 to G4, quarters and halves
    shifts=(0, 24, 48),
    parts=(Part(73), Part(40), Part(0, is_drum=True)),
    pitches=(60, 67),
    durations=(24, 48),
    velocities=(60, 90),
    time_signatures=((3, 4), (4, 4)),
    tempi=(400_000, 500_000),
    keys=((0, "major"), (-1, "minor")),
    changes=(False, False, False),
    monophonic=(True, True, True),
    implied_duration=(False, False, False),
)
ONE_TEMPO = replace(KNOWN, **{"tempi": (500_000,), "keys": ()})


@pytest.mark.parametrize(
    "written",
    [
        {"metre": "3/4", "tempo": 96, "bars": 1},
        {"tempo": 187.5},  # 5/4 of the fastest
        {"tempo": 96},  # 4/5 of the slowest
        {"key": "C", "range": "C4:C4", "end_on_tonic": True},
        {"range": "G4:C9"},
        {"range": "C-1:C4"},
        {"velocity": "90:127"},
        {"velocity": "1:60"},
        {"max_leap": 1},
        {"scale": "C,E", "max_leap": 4},
        {"scale": "C,D,E", "max_leap": 2, "chords": "C"},
        {"chords": "G F#5", "range": "D4:G4"},
        {"key": "C", "scale": "C,D,G", "end_on_tonic": True},
        {"key": "C", "scale": "G,C"},
        {"key": "C", "end_on_tonic": True, "chords": "C G F", "bars": 4},  # the fourth bar has the first chord again
        {"key": "C", "end_on_tonic": True, "chords": "G F", "bars": 2},
        {"key": "C", "end_on_tonic": True, "chords": "G | G C"},
        {"grid": "1/4"},
        {"grid": "1/64,1/4"},
        {"instruments": "drums", "density": 3, "grid": "1/2", "metre": "4/4"},
        {"instruments": "drums,flute", "key": "C"},
        {"scale": "C,E", "max_leap": 12, "chords": "C5"},
    ],
)
def test_what_can_just_be_kept(written: dict) -> None:
    check(Limits.parse(**written), KNOWN)


def test_a_model_of_one_tempo_or_no_keys_takes_any() -> None:
    check(Limits.parse(tempo=999, key="F#"), ONE_TEMPO)


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ({"metre": "2/4"}, "the model has never seen 2/4; it knows 3/4, 4/4"),
        ({"key": "D"}, "the model has never seen the key of D; it knows C, Dm"),
        ({"key": "Cm"}, "the model has never seen the key of Cm; it knows C, Dm"),
        ({"tempo": 187.6}, "the model has never seen a tempo near 187.6 quarters a minute; it knows 120 to 150"),
        ({"tempo": 95.9}, "the model has never seen a tempo near 95.9 quarters a minute; it knows 120 to 150"),
        ({"velocity": "61:89"}, "the model knows no velocity from 61 to 89; it knows 60, 90"),
        ({"end_on_tonic": True}, "the tonic to end on is unknown; say a key, as Dm, or a scale, as D dorian"),
        ({"key": "C", "scale": "D,G"},
         "the scale D,G does not hold C, the tonic of C; change one "
         "of them, or leave the key out"),
        ({"key": "Dm", "scale": "Bb,G"},
         "the scale Bb,G does not hold D, the tonic of Dm; change "
         "one of them, or leave the key out"),
        ({"range": "C-1:B3"}, "the model has no pitch from C-1 to B3; it knows C4 to G4"),
        ({"range": "G#4:C6"}, "the model has no pitch from G#4 to C6; it knows C4 to G4"),
        ({"range": "D4:E4", "scale": "C,F"}, "no note of C,F lies from D4 to E4, where the model's are; widen the range"),
        ({"key": "C", "range": "C#4:G4", "end_on_tonic": True},
         "the tonic to end on, C, does not lie from C#4 to G4, where the model's notes are; widen the range"),
        ({"scale": "C,F,G", "max_leap": 4},
         "from C4 the next note of C,F,G is F4, 5 semitones on, and "
         "the largest leap is 4; allow 5"),
        ({"scale": "C,D,F", "max_leap": 2},
         "from D4 the next note of C,D,F is F4, 3 semitones on, and "
         "the largest leap is 2; allow 3"),
        ({"range": "D4:E4", "chords": "D5 | C5"},
         "no note of the chord C5 is in the range; change the chord, "
         "or widen the other"),
        ({"scale": "C,D", "chords": "A5"},
         "no note of the chord A5 is in C,D and the range; change "
         "the chord, or widen the other"),
        ({"chords": "D5", "max_leap": 4},
         "from G4 the nearest note of the chord D5 is 5 semitones "
         "away, and the largest leap is 4; allow 5"),
        ({"key": "C", "end_on_tonic": True, "chords": "G C", "bars": 3},
         "the tonic to end on, C, is not in the chord of the last "
         "bar, G, so no tune can end; change the chords or the number of bars"),
        ({"key": "C", "end_on_tonic": True, "chords": "C | G Dm", "bars": 2},
         "the tonic to end on, C, is not in the chord of the last "
         "bar, G Dm, so no tune can end; change the chords or the number of bars"),
        ({"key": "C", "end_on_tonic": True, "chords": "G Dm"},
         "the tonic to end on, C, is not in the chord of every bar "
         "so no tune can end; change the chords or the number of bars"),
        ({"grid": "1/64"}, "the grid of 1/64 is finer than the model's of 24 ticks to the quarter note; take a coarser one"),
        ({"grid": "1/2,1/4t", "metre": "3/4"},
         "in 3/4 the model knows no rhythm that keeps to the grid of "
         "1/2, 1/6; take another grid"),
        ({"instruments": "drums", "key": "C"},
         "only drums are left to play, and they have no key, scale, range or chords; leave those limits out"),
        ({"instruments": "drums", "range": "C4:G4"},
         "only drums are left to play, and they have no key, scale, range or chords; leave those limits out"),
        ({"instruments": "drums", "chords": "C"},
         "only drums are left to play, and they have no key, scale, range or chords; leave those limits out"),
    ],
)  # fmt: skip
def test_what_can_just_not_be_kept(written: dict, says: str) -> None:
    with pytest.raises(SamplingError) as caught:
        check(Limits.parse(**written), KNOWN)
    assert str(caught.value) == says


def test_a_grid_that_fits_no_metre_is_refused_where_none_is_asked_for() -> None:
    waltzes = replace(KNOWN, **{"time_signatures": ((3, 4),)})
    with pytest.raises(
        SamplingError, match=r"^in whatever metre, the model knows no rhythm that keeps to the grid of 1/6; "
    ):
        check(Limits.parse(grid="1/4t"), waltzes)


def test_notes_are_named_with_flats_where_the_key_has_them() -> None:
    for written, says in (
        ({"key": "Bb", "end_on_tonic": True}, "the tonic to end on, Bb, does not lie from C4 to G4, where the model's"),
        (
            {"key": "Db", "max_leap": 1},
            "from Db4 the next note of Db major is Eb4, 2 semitones on, and the largest leap is 1",
        ),
    ):
        with pytest.raises(SamplingError, match=f"^{says}"):
            check(Limits.parse(**written), ONE_TEMPO)


def test_rhythms_on_a_grid_of_another_resolution() -> None:
    """Triplets of eighths are 4 ticks of 12 to the quarter; a way on of one tick is one."""
    triplets = replace(KNOWN, **{"shifts": (0, 4), "durations": (4,), "ticks_per_quarter": 12})
    assert allowed_metres(Limits.parse(grid="1/8t"), triplets).tolist() == [True, True]
    assert allowed_metres(Limits.parse(grid="1/4"), triplets).tolist() == [False, False]
    ticks = replace(KNOWN, **{"shifts": (0, 1), "durations": (1,), "ticks_per_quarter": 1})
    assert allowed_metres(Limits.parse(grid="1/4"), ticks).tolist() == [True, True]
    assert allowed_metres(Limits.parse(grid="1/2"), ticks).tolist() == [False, False]


def test_at_most_twelve_names_are_listed() -> None:
    many = replace(KNOWN, **{"velocities": tuple(range(1, 15))})
    with pytest.raises(SamplingError, match=r"it knows 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 and 2 more$"):
        check(Limits.parse(velocity="90:127"), many)
    twelve = replace(KNOWN, **{"velocities": tuple(range(1, 13))})
    with pytest.raises(SamplingError, match=r"10, 11, 12$"):
        check(Limits.parse(velocity="90:127"), twelve)


def test_instruments_that_are_unknown_are_named_with_those_that_are_known() -> None:
    with pytest.raises(SamplingError, match=r"instrument trumpet; it knows flute, violin, drums$"):
        check(Limits.parse(instruments="flute,trumpet"), KNOWN)


# Reading them


@pytest.mark.parametrize(
    ("option", "high", "what"),
    [
        ("max_leap", 127, "the largest leap in semitones"),
        ("max_polyphony", 128, "the number of notes at once"),
        ("density", 10_000, "the number of notes in a bar"),
        ("bars", 10_000, "the number of bars"),
    ],
)
def test_counts_at_their_bounds(option: str, high: int, what: str) -> None:
    for value in (1, high, str(high)):
        assert getattr(Limits.parse(**{option: value}), option) == int(value)
    for value in (0, high + 1):
        with pytest.raises(SamplingError) as caught:
            Limits.parse(**{option: value})
        assert str(caught.value) == f"{what} is '{value}'; it must be a whole number from 1 to {high:,}"


def test_sequences_are_as_good_as_texts() -> None:
    """Each with what stands between its parts."""
    several = Limits.parse(
        scale=["C", "D", "E"], range=["C4", 72], grid=["1/8", "1/8t"], metre=[3, 4], instruments=["flute", 40],
        velocity=[40, 100], chords=["Dm G7", "C"], end_on_tonic=True,
    )  # fmt: skip
    assert several == Limits.parse(
        scale="C,D,E", range="C4:72", grid="1/8,1/8t", metre="3/4", instruments="flute,40", velocity="40:100",
        chords="Dm G7 | C", end_on_tonic=True,
    )  # fmt: skip
    assert several.end_on_tonic and several.tonic == 0 and Limits.parse(scale="dorian", key="Em").tonic == 4
    assert Limits.parse() == Limits()
    with pytest.raises(SamplingError, match=re.escape("('D', 'm')")):
        Limits.parse(key=("D", "m"))  # type: ignore[arg-type]
