"""The outline of a piece: what is worked out of one, what is made from one, and that a model keeps to it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from music import folk_tune, random_piece

import melody
from melody.errors import SamplingError
from melody.piece import Piece, TimeSignature
from melody.sampling import Model, SamplingSettings
from melody.sampling.outlines.corpus_outlines import CorpusOutlines
from melody.sampling.outlines.forms import Wanted, parse_form
from melody.statistics import form
from melody.tokens import Vocabulary
from melody.tokens.inputs.features import context, outline_of
from melody.tokens.inputs.outlines.harmony import UNKNOWN
from melody.tokens.inputs.outlines.outline import MOST_BARS, Outline, lettered
from melody.tokens.inputs.outlines.several_outlines import Outlines
from melody.tokens.inputs.outlines.storing import restored, stored
from melody.tokens.inputs.schema import FEATURES, OUTLINED, spans
from melody.tokens.vocabulary import FIELDS
from melody.training.corpus_facts import outlines

LETTERS = st.lists(st.integers(0, 5), min_size=1, max_size=20)
OUTLINE = st.builds(Outline, LETTERS.map(tuple), st.booleans())


@pytest.fixture(scope="module")
def fiddle() -> Model:
    return melody.load("fiddle")


def tune(bars: str, pickup: bool = False) -> Piece:
    """A bar of four quarters for each letter, the same for the same letter; perhaps an upbeat of one quarter."""
    pitch = np.array([[60 + 2 * (ord(letter) - ord("A")) + step for step in (0, 4, 7, 4)] for letter in bars]).ravel()
    onset = 24 * np.arange(len(pitch)) + 96 * pickup
    if pickup:
        onset, pitch = np.append(72, onset), np.append(59, pitch)
    return Piece(onset, [24] * len(onset), pitch, time_signatures=(TimeSignature(0, 4, 4),))


def of(piece: Piece) -> Outline | None:
    vocabulary = Vocabulary.build([piece])
    return outline_of(vocabulary, vocabulary.encode(piece))


# What is worked out


@pytest.mark.parametrize("pickup", [False, True])
@pytest.mark.parametrize("bars", ["A", "AB", "ABAC", "ABACDDEC"])
def test_equal_bars_have_equal_letters_and_a_pickup_is_no_bar(bars: str, pickup: bool) -> None:
    found = of(tune(bars, pickup))
    assert found is not None and (found.letters, found.has_pickup) == (
        lettered([[(ord(letter),)] for letter in bars]),
        pickup,
    )
    assert form.length_in_bars(tune(bars, pickup)) == len(found.letters)


@given(st.integers(0, 2**32 - 1), st.integers(-5, 5))
def test_an_outline_is_the_same_in_all_keys_and_survives_a_file(number: int, semitones: int) -> None:
    """But for the compass of its parts, which moves along."""
    piece = random_piece(number)
    found = of(piece)
    if piece.pitch.min() >= 5 and piece.pitch.max() <= 122:
        moved = of(piece.transpose(semitones))
        assert (found is None) == (moved is None)
        if found is not None and moved is not None:
            tonic = (found.frame.tonic + semitones) % 12 if found.harmony else UNKNOWN
            drums = Vocabulary.build([piece]).drums
            by = [0 if drums[part] else semitones for part in found.parts]
            lowest, highest = (tuple(map(sum, zip(each, by))) for each in (found.lowest, found.highest))
            frame = found.frame._replace(tonic=tonic)
            assert replace(found, frame=frame, lowest=lowest, highest=highest) == moved
    if found is not None:
        assert restored(stored(found)) == found


@pytest.mark.parametrize(
    "damaged",
    [None, [], "AB", [[], 0, []], [[0], 2, []], [[0], 0], [[-1], 0, []], [[0.5], 0, []], [[0] * (MOST_BARS + 1), 0, []]],
)
def test_what_is_no_outline_in_a_file_is_passed_over(damaged: object) -> None:
    assert restored(damaged) is None
    assert not CorpusOutlines.of({"outlines": damaged if isinstance(damaged, list) else [damaged]})


def test_the_pointer_leads_to_what_was_played_in_the_bar_that_returns() -> None:
    piece = tune("ABACABAD", pickup=True)
    vocabulary = Vocabulary.build([piece, tune("ABC")])
    rows = vocabulary.encode(piece)
    names = spans(FEATURES, vocabulary)
    features = context(vocabulary, rows, outline_of(vocabulary, rows))[:-1]
    there = features[:, [names[("repeated", field)].start for field in FIELDS]]
    in_returning = features[:, names[("length",)].start] == OUTLINED
    assert in_returning.sum() == 12  # bars 3, 5, 6 and 7, but for their last notes, which lead on
    assert np.array_equal(there[in_returning, :4], 1 + rows[1:][in_returning, :4])


@given(st.lists(OUTLINE | st.none(), min_size=1, max_size=5), st.data())
def test_outlines_side_by_side_say_what_each_says_alone(each: list[Outline | None], data: st.DataObject) -> None:
    bar = np.array(data.draw(st.lists(st.integers(-1, 25), min_size=len(each), max_size=len(each))))
    alone = [Outlines([outline]).in_bars(bar[[number]])[0].tolist() for number, outline in enumerate(each)]
    together = Outlines(each)
    assert together.in_bars(bar).tolist() == alone
    some = np.array(data.draw(st.lists(st.integers(0, len(each) - 1), min_size=1, max_size=4)))
    taken = together.take(some)
    assert taken.in_bars(bar[some]).tolist() == [alone[number] for number in some]
    joined = taken.join(together).in_bars(np.concatenate([bar[some], bar]))
    assert joined.tolist() == [*(alone[number] for number in some), *alone]


# What is made


CORPUS = CorpusOutlines([Outline((0, 1, 0, 2)), Outline((0, 1, 2, 3, 0, 1, 4, 5), True), Outline((0, 0, 1, 1, 2, 2, 3, 3))])


@given(st.integers(0, 1000), st.none() | st.integers(1, 60))
def test_an_outline_has_the_bars_that_are_asked_for(seed: int, bars: int | None) -> None:
    found = CORPUS.sampled(np.random.default_rng(seed), Wanted(bars))
    assert found is not None and len(found.letters) == (bars or len(found.letters))
    assert bars is not None or found in CORPUS.outlines


@given(st.integers(0, 1000), st.sampled_from(["AABB", "ABAC", "A4A4B8", "a b a", "A8B8A4"]))
def test_sections_of_one_letter_are_the_same_and_others_share_no_bar(seed: int, text: str) -> None:
    wanted = Wanted(None, parse_form(text))
    found = CORPUS.sampled(np.random.default_rng(seed), wanted)
    assert found is not None and len(found.letters) == CORPUS.bars_of(wanted)
    lengths, at = wanted.sections(8), 0
    sections: dict[str, list[tuple[int, ...]]] = {}
    for (letter, _), bars in zip(parse_form(text), lengths):
        sections.setdefault(letter, []).append(found.letters[at : at + bars])
        at += bars
    for letter, ones in sections.items():
        shortest = min(map(len, ones))
        assert len({one[:shortest] for one in ones}) == 1
        others = {bar for name, more in sections.items() if name != letter for one in more for bar in one}
        assert not others & {bar for one in ones for bar in one}


@given(st.integers(0, 1000), OUTLINE, st.none() | st.integers(1, 40))
def test_an_outline_after_a_prompt_begins_with_it(seed: int, begun: Outline, bars: int | None) -> None:
    found = CORPUS.sampled(np.random.default_rng(seed), Wanted(bars), begun)
    if found is None:
        assert bars is None  # as long as the corpus, and longer: nothing is known
        return
    assert found.letters[: len(begun.letters)] == begun.letters and found.has_pickup == begun.has_pickup
    assert bars is None or len(found.letters) == len(begun.letters) + bars


@pytest.mark.parametrize("text", ["", "4", "A-1", "A0", "AÄ", "A" * 33, "A1000", "?", "A4B?"])
def test_what_is_no_form_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(SamplingError, match="AABB") as refused:
        SamplingSettings(form=text)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "bars", "legal"), [("ABA", 16, "a multiple of 3"), ("A8B", 8, "8 more"), ("A8B8", 12, "16 bars")]
)
def test_bars_that_do_not_divide_into_a_form_are_refused_with_those_that_do(text: str, bars: int, legal: str) -> None:
    with pytest.raises(SamplingError, match=legal):
        CORPUS.bars_of(Wanted(bars, parse_form(text)))


def test_a_model_that_knows_no_forms_says_so() -> None:
    assert CorpusOutlines(()).sampled(np.random.default_rng(0), Wanted(8)) is None
    with pytest.raises(SamplingError, match="leave the form out"):
        CorpusOutlines(()).bars_of(Wanted(None, parse_form("AABB")))


# What is written


def test_the_corpus_is_stored_as_its_pieces_have_it() -> None:
    pieces = [folk_tune(number) for number in range(5)]
    vocabulary = Vocabulary.build(pieces)
    rows = [vocabulary.encode(piece) for piece in pieces]
    found = CorpusOutlines.of({"outlines": outlines(vocabulary, rows)})
    assert list(found.outlines) == [outline_of(vocabulary, each) for each in rows]


def test_tunes_have_the_form_that_is_asked_for(fiddle: Model) -> None:
    made = fiddle.tunes(6, form="ABAC", bars=16, seed=3)
    assert {form.length_in_bars(tune.piece) for tune in made} == {16}
    bars = [form.bars_of(tune.piece) for tune in made]
    assert np.mean([each[8:12] == each[:4] for each in bars]) > 0.5
    assert np.mean([each[4:8] == each[:4] for each in bars]) < 0.2


def test_an_outline_belongs_to_the_number_of_a_tune_alone(fiddle: Model) -> None:
    alone = fiddle.tunes(1, seed=5)[0].piece
    assert fiddle.tunes(4, seed=5)[0].piece == alone
    assert list(fiddle.stream(settings=SamplingSettings(seed=5))) and fiddle.generate(seed=5) == alone


def test_a_prompt_returns_where_the_form_says_so(fiddle: Model) -> None:
    prompt = fiddle.generate(seed=2, bars=4)
    made = [fiddle.continue_(prompt, form="ABA", seed=seed) for seed in range(6)]
    bars = [form.bars_of(piece) for piece in made]
    assert {len(each) for each in bars} == {12}
    assert np.mean([each[8:11] == each[:3] for each in bars]) > 0.4
    with pytest.raises(SamplingError, match="longer form"):
        fiddle.continue_(prompt, form="A4", seed=1)
