"""Pieces that stand still: what it is, what a corpus has of it, and what becomes of a tune that does."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from untrained import untrained

from melody.limits import Limits
from melody.piece import Key, Part, Piece
from melody.sampling import Model, SamplingSettings
from melody.sampling.search import Search
from melody.sampling.strategies.ancestral import Sample
from melody.sampling.tasks.acceptance import Acceptance
from melody.statistics.standstill import Patience, Stretch, left_alone, unchanged
from melody.tokens import Vocabulary

BAR = 96
PARTS = (Part(0), Part(32), Part(0, is_drum=True))


def band(*parts: list[list[tuple[int, int]]]) -> Piece:
    """What each part plays in each bar: quarters with pitches."""
    notes = [
        (BAR * bar + 24 * beat, pitch, part)
        for part, bars in enumerate(parts)
        for bar, played in enumerate(bars)
        for beat, pitch in played
    ]
    onset, pitch, part = np.array(notes).T
    return Piece(onset, [24] * len(onset), pitch, part=part, parts=PARTS[: len(parts)], keys=(Key(0, 0, "major"),))


def lively(bars: int, first: int = 48) -> list[list[tuple[int, int]]]:
    """Bars of which each is another, that end on the tonic."""
    return [
        [(0, first + 5 * bar % 7), (1, first + bar % 12), (3, first + (7 if bar + 1 < bars else 0))] for bar in range(bars)
    ]


BEAT = [(0, 36), (2, 38)]


def test_one_bar_or_two_in_turn_are_no_change() -> None:
    tune, beat = lively(4), [BEAT] * 12
    assert unchanged(band(tune)).bars == 2  # as any two bars
    assert unchanged(band(tune, [], beat)) == Stretch(4, 12)
    one, two = [(0, 60)], [(0, 62), (2, 60)]
    assert unchanged(band([*tune, *[one, two] * 4])) == Stretch(4, 12)
    assert unchanged(band([*tune, *[[]] * 6, one])) == Stretch(4, 10)  # of two bars of silence one is a change, and six none


def test_a_band_of_three_that_is_left_to_one_is_heard() -> None:
    both, beat = lively(4), [BEAT] * 12
    assert left_alone(band(both, both, beat)) == Stretch(4, 12)
    assert left_alone(band(both, [], beat)).bars == 0  # never were there three
    late = [[], [], [], *lively(9)]
    assert left_alone(band(late, both, beat)).bars == 0


@given(st.integers(1, 12), st.integers(0, 12))
def test_a_corpus_that_stands_still_is_no_reproach(bars: int, more: int) -> None:
    """Whatever most pieces do a piece may do, and what is told of them can be stored."""
    pieces = [band(lively(3), [], [BEAT] * (3 + bars)) for _ in range(20)]
    patience = Patience.of(pieces)
    assert Patience.from_stored(patience.stored()) == patience and patience.unchanged == max(bars, 8)
    longer = band(lively(3), [], [BEAT] * (3 + bars + more))
    assert (patience.exceeded(longer) is not None) == (bars + more > max(bars, 8))
    assert patience.exceeded(longer, start=BAR * (3 + more)) is None


@pytest.mark.parametrize("stored", [None, [], [8], [8, -1], ["8", 8], {"unchanged": 8}, [8.0, 8], [8, 8, 8]])
def test_what_is_not_well_stored_says_nothing(stored: object) -> None:
    assert Patience.from_stored(stored) == Patience() and Patience().exceeded(band([BEAT] * 99)) is None
    assert Patience().stored() == [] and Patience.of([]).unchanged == math.inf


@pytest.fixture(scope="module")
def model() -> Model:
    music = [band(lively(30), lively(30, 36), [BEAT] * 30), band(lively(14), lively(14, 36), [BEAT] * 30)]
    known = untrained(Vocabulary.build(music)).file
    return Model(replace(known, training={"standstill": [8, 8]}))


def acceptance(model: Model, **limits: object) -> Acceptance:
    def piece_of(sample: Sample) -> tuple[Piece, int]:
        return model.vocabulary.decode(sample.rows), 0

    return Acceptance(model, Search(1), SamplingSettings(), Limits.parse(**limits), piece_of)  # type: ignore[arg-type]


def test_a_tune_that_stands_still_ends_before(model: Model) -> None:
    tune = band(lively(14), lively(14, 36), [BEAT] * 30)
    drawn = Sample(model.vocabulary.encode(tune), 0.0, 0.0)
    judge = acceptance(model)
    assert "stands still for too long" in judge.faults(drawn)
    assert judge.stuck_from and judge.stuck_from(drawn.rows) == 14
    short = judge.shortened(replace(drawn, stuck=14), tune)
    assert short is not None and short.length == 14 * BAR and judge.left(drawn, short) == ()
    assert judge.shortened(replace(drawn, stuck=7), tune) is None  # too little would be left
    assert acceptance(model, bars=30).shortened(replace(drawn, stuck=14), tune) is None
    lasting = band(lively(30), lively(30, 36), [BEAT] * 30)
    assert judge.faults(Sample(model.vocabulary.encode(lasting), 0.0, 0.0)) == ()


def test_where_the_length_is_given_a_loop_is_looked_for(model: Model) -> None:
    """One that the corpus's patience allows for: it is a fault all the same."""
    tune = band(lively(30), lively(30, 36), [BEAT] * 30)
    looped = band(
        [*lively(9), *lively(1) * 7, *lively(14)], [*lively(9, 36), *lively(1, 36) * 7, *lively(14, 36)], [BEAT] * 30
    )
    assert acceptance(model).stuck_from(model.vocabulary.encode(looped)) is None  # type: ignore[misc]
    assert acceptance(model, bars=30).stuck_from(model.vocabulary.encode(looped)) == 9  # type: ignore[misc]
    assert acceptance(model, bars=30).stuck_from(model.vocabulary.encode(tune)) is None  # type: ignore[misc]


def test_where_the_length_is_given_it_is_looked_for_one_pitch_over_and_over(model: Model) -> None:
    """What is drawn again has to begin before it: else each try has it."""
    held = [[(beat, 50) for beat in range(4)]] * 3
    tune = band([*lively(9), *held, *lively(18)], lively(30, 36), [BEAT] * 30)
    judge = acceptance(Model(replace(model.file, training={"standstill": [8, 8], "longest_run": 9})), bars=30)
    assert judge.stuck_from and judge.stuck_from(model.vocabulary.encode(tune)) == 9
