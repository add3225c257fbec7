"""The harmony of an outline: in which key each bar is, where phrases end; what is read of it, and what is made from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from music import random_piece
from test_schema import beyond
from untrained import untrained

from melody.dataset import Transposer, with_features
from melody.limits import Limits
from melody.modelfile import ModelFile
from melody.piece import Key, Part, Piece, TimeSignature
from melody.sampling import Model
from melody.sampling.constraints.frame import InFrame
from melody.sampling.outlines.corpus_outlines import CorpusOutlines
from melody.sampling.outlines.forms import Wanted
from melody.tokens import Vocabulary
from melody.tokens.inputs.features import outline_of
from melody.tokens.inputs.outlines.outline import Frame, Outline
from melody.tokens.inputs.outlines.storing import restored, stored
from melody.tokens.inputs.schema import FEATURES, all_columns, spans
from melody.tokens.usage import KEY
from melody.tokens.vocabulary import FIELDS
from melody.training.corpus_facts import outlines

TRIADS = {"C": (48, 64, 67), "F": (53, 65, 69), "G": (43, 62, 71), "D": (50, 66, 69), "Dm": (50, 65, 69), "Am": (45, 64, 72)}
MAJOR, MINOR = Key(0, 0, "major"), Key(0, 0, "minor")
THREE, FOUR = TimeSignature(0, 3, 4), TimeSignature(0, 4, 4)


def chords(names: str, key: Key | None = MAJOR, metre: TimeSignature = FOUR, upbeat: int = 0) -> Piece:
    """Three lines, a chord a quarter; one with -- behind it lasts a half, and closes a phrase."""
    onset, tick = [], upbeat and metre.bar_ticks() - 24 * upbeat
    duration, pitches = [], []
    for name in names.split():
        length = 48 if name.endswith("--") else 24
        onset.append(tick)
        duration.append(length)
        pitches.append(TRIADS[name.strip("-")])
        tick += length
    count = len(onset)
    columns = (np.repeat(onset, 3), np.repeat(duration, 3), np.array(pitches)[:, ::-1].ravel(), np.full(3 * count, 80))
    keys = () if key is None else (key,)
    part = np.tile(np.arange(3), count)
    return Piece(*columns, part, parts=(Part(0), Part(40), Part(42)), time_signatures=(metre,), keys=keys)


def outline(piece: Piece) -> Outline:
    vocabulary = Vocabulary.build([piece])
    found = outline_of(vocabulary, vocabulary.encode(piece))
    assert found is not None
    return found


# What is worked out of a piece


def test_a_piece_that_modulates_is_in_the_keys_that_its_chords_are_of() -> None:
    """Into the dominant, whose leading note comes with D, and back."""
    at_home, away = "C F G C ", "D G D G "
    keys = [bar.key for bar in outline(chords(3 * at_home + 4 * away + 2 * at_home)).harmony]
    assert keys == [1] * 3 + [8] * 4 + [1] * 2


@pytest.mark.parametrize("key", [MAJOR, None])
def test_a_phrase_ends_where_the_top_line_waits_and_its_bass_is_told_from_the_tonic(key: Key | None) -> None:
    found = outline(chords("C F G-- C Dm G C F C G--  C G C--", key))
    assert [(bar, each.end, each.bass) for bar, each in enumerate(found.harmony) if each.end >= 0] == [
        (0, 48, 8),
        (2, 48, 8),
        (3, 48, 1),
    ]


def test_of_two_long_notes_within_a_bar_the_last_one_ends_the_phrase() -> None:
    found = outline(chords("C F G C  C F G-- C-- C G C G  C G C--"))
    assert [(bar, each.end) for bar, each in enumerate(found.harmony) if each.end >= 0] == [(2, 0), (4, 0)]


@given(st.integers(0, 2**32 - 1), st.integers(-5, 6))
@settings(max_examples=40)
def test_what_a_model_reads_of_a_piece_and_its_outline_moves_with_the_piece(number: int, semitones: int) -> None:
    piece = random_piece(number)
    moved = piece.transpose(semitones)
    vocabulary = Vocabulary.build([piece, moved], transpositions=range(-6, 7))
    rows, higher = vocabulary.encode(piece), vocabulary.encode(moved)
    transposer = Transposer(vocabulary, -6, 6)
    assume(semitones in transposer.possible(rows))
    read = with_features(vocabulary, rows, outline_of(vocabulary, rows))
    found = transposer(read, semitones)
    expected = with_features(vocabulary, higher, outline_of(vocabulary, higher))
    for number, column in enumerate(all_columns(vocabulary), len(FIELDS)):
        if column.name == ("twin",):
            leaves = beyond(read[:, number], expected[:, number], semitones, vocabulary)
            found[leaves, number] = expected[leaves, number]
    assert np.array_equal(found, expected)


def read_of(piece: Piece, name: str) -> np.ndarray:
    """A feature of each event, the beginning left out."""
    vocabulary = Vocabulary.build([piece])
    rows = vocabulary.encode(piece)
    table = with_features(vocabulary, rows[:-1], outline_of(vocabulary, rows))
    return table[1:, len(FIELDS) + spans(FEATURES, vocabulary)[(name,)].start]


@pytest.mark.parametrize("upbeat", [0, 1])
def test_the_model_reads_how_many_quarters_are_left_of_the_phrase(upbeat: int) -> None:
    piece = chords("C " * upbeat + "C F G-- C Dm G C  F C G--", upbeat=upbeat)
    far = read_of(piece, "phrase end") - 1
    vocabulary = Vocabulary.build([piece])
    rows = vocabulary.encode(piece)[:-1]
    tick = np.cumsum(np.array(vocabulary.shifts)[rows[:, 0] - 1]) // 24
    ends = tick.min() + np.array([2, 10]) + upbeat + (3 if upbeat else 0)
    left = [min((end - at for end in ends if end >= at), default=-1) for at in tick.tolist()]
    assert far.tolist() == left


def test_one_line_has_no_harmony_nor_columns_for_it() -> None:
    piece = chords("C F G-- C F G C--").select(np.arange(21) % 3 == 0)
    vocabulary = Vocabulary.build([replace(piece, parts=piece.parts[:1])])
    found = spans(FEATURES, vocabulary)[("local key",)]
    rows = vocabulary.encode(replace(piece, parts=piece.parts[:1]))
    made = outline_of(vocabulary, rows)
    assert found.start == found.stop and made is not None and not made.harmony


# In a file

GOOD = outline(chords("C F G-- C Dm G C F C G--"))


def test_an_outline_with_harmony_survives_a_file() -> None:
    assert GOOD.harmony and restored(stored(GOOD)) == GOOD


def _with(place: Sequence[int], value: object) -> object:
    whole = stored(GOOD)
    inner = whole
    for number in place[:-1]:
        inner = inner[number]
    inner[place[-1]] = value
    return whole


@pytest.mark.parametrize(
    ("place", "value"),
    [
        *[((3,), []), ((3, 0), [1, 2]), ((3, 0), None), ((3, 0, 0), 25), ((3, 0, 1), -2), ((3, 0, 2), 13), ((3, 0, 2), 0.5)],
        *[((4,), [0, 0]), ((4, 0), 12), ((4, 0), -1), ((4, 1), 2), ((4, 2), "4"), ((4,), None)],
    ],
)
def test_damaged_harmony_in_a_file_is_passed_over(place: Sequence[int], value: object) -> None:
    assert restored(_with(place, value)) is None


# What is made


SONGS = (
    [chords("C F G C Am F G-- C F C-- C F G-- C Dm G C", MAJOR)] * 2
    + [chords("Am Dm Am-- Am Am Dm Am Am--", MINOR, THREE)]
    + [chords("Am Dm Am Am Dm Am-- Am Am Am Dm Am Am--", MINOR, FOUR)]
)
CORPUS = CorpusOutlines([outline(song) for song in SONGS])


@given(st.integers(0, 1000), st.integers(1, 30), st.sampled_from(["", "AABB", "ABA"]))
def test_an_outline_is_of_one_mode_and_metre_and_closes_as_one_of_the_corpus(seed: int, bars: int, form: str) -> None:
    sections = tuple((letter, bars) for letter in form)
    found = CORPUS.sampled(np.random.default_rng(seed), Wanted(None if form else bars, sections))
    assert found is not None and len(found.harmony) == len(found.letters)
    like = [each for each in CORPUS.outlines if each.frame[1:] == found.frame[1:]]
    assert found.harmony[-1] in {each.harmony[-1] for each in like}
    assert set(found.harmony) <= {bar for each in like for bar in each.harmony}


@pytest.mark.parametrize(
    ("limits", "frames"),
    [
        (Limits.parse(key="Em"), {(True, (3, 4)), (True, (4, 4))}),
        (Limits.parse(metre="4/4"), {(True, (4, 4)), (False, (4, 4))}),
        (Limits.parse(key="Em", metre="4/4"), {(True, (4, 4))}),
        (Limits.parse(key="E", metre="3/4"), set()),
        (Limits.parse(chords="C G | Am"), set()),
    ],
)
def test_an_outline_has_the_mode_and_metre_that_are_asked_for_or_no_harmony(
    limits: Limits, frames: set[tuple[bool, tuple[int, int]]]
) -> None:
    vocabulary = Vocabulary.build(SONGS, transpositions=range(-5, 7))
    wanted = Wanted.of(limits, None, vocabulary)
    found = [CORPUS.sampled(np.random.default_rng(seed), wanted) for seed in range(20)]
    assert {each.frame[1:] for each in found if each is not None and each.harmony} == frames
    assert all(each is not None and bool(each.harmony) == bool(frames) for each in found)


@given(st.integers(0, 1000), st.integers(1, 12))
def test_an_outline_after_a_prompt_has_the_harmony_of_the_prompt_and_of_its_mode_and_metre(seed: int, bars: int) -> None:
    begun = outline(chords("G C G C G C G C", MAJOR))
    found = CORPUS.sampled(np.random.default_rng(seed), Wanted(bars), begun)
    assert found is not None and found.harmony[:2] == begun.harmony and found.frame == begun.frame
    assert set(found.harmony[2:]) <= {bar for each in CORPUS.outlines[:2] for bar in each.harmony}
    other = outline(chords("G C G C G C", MAJOR, THREE))
    alone = CORPUS.sampled(np.random.default_rng(seed), Wanted(bars), other)
    assert alone is not None and not alone.harmony


@cache
def model(with_keys: bool) -> Model:
    """A model that knows nothing but the outlines of the songs."""
    songs = SONGS if with_keys else [replace(song, keys=()) for song in SONGS]
    vocabulary = Vocabulary.build(songs, transpositions=range(-5, 7))
    facts = {"outlines": outlines(vocabulary, [vocabulary.encode(song) for song in songs])}
    return Model(ModelFile(untrained(vocabulary).file.weights, vocabulary, {}, training=facts, name="songs"))


@pytest.mark.parametrize("with_keys", [True, False])
def test_a_new_piece_is_in_the_mode_and_metre_of_an_outline(with_keys: bool) -> None:
    made = model(with_keys).generate_many(16, bars=3, seed=3, any_ending=True)
    frames = {(piece.keys[0].mode == "minor" if piece.keys else None, piece.time_signatures[0][1:]) for piece in made}
    assert {metre for _, metre in frames} == {(3, 4), (4, 4)}
    assert frames <= {(True, (3, 4)), (True, (4, 4)), (False, (4, 4)), (None, (3, 4)), (None, (4, 4))}
    asked = model(with_keys).generate_many(8, seed=3, bars=2, key="Fm", metre="3/4", any_ending=True)
    assert {(piece.keys[0].name, piece.time_signatures[0][1:]) for piece in asked} == {("Fm", (3, 4))}


def test_in_a_frame_are_no_keys_of_the_other_mode_and_no_other_metres() -> None:
    vocabulary = Vocabulary.build(SONGS, transpositions=range(-5, 7))
    allowed = InFrame(vocabulary, Frame(9, True, (3, 4))).begin(1)._values[0]
    keys, metres, starts = vocabulary.keys, vocabulary.time_signatures, vocabulary.value_starts
    assert {mode for _, mode in keys} == {"major", "minor"} and len(metres) == 2
    assert allowed[starts[KEY] : starts[KEY] + len(keys)].tolist() == [mode == "minor" for _, mode in keys]
    assert allowed[: len(metres)].tolist() == [metre == (3, 4) for metre in metres]
    assert allowed[vocabulary.first_pitch :].all()
    assert InFrame(vocabulary, Frame(9, True, (7, 8))).begin(1)._values[0][: len(metres)].all()


def test_tunes_side_by_side_have_each_its_own_harmony() -> None:
    """The tune of a number is the same alone and in a crowd."""
    many = model(True).generate_many(6, bars=2, seed=5)
    assert model(True).generate_many(1, bars=2, seed=5)[0] == many[0]
    assert len({piece.time_signatures[0] for piece in many}) > 1
