"""A line-up: a piece of a band has the parts that it has, as in the corpus, in the prompt, or as it is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import islice

import numpy as np
import pytest
from untrained import untrained

from melody.limits import Limits
from melody.modelfile import ModelFile
from melody.piece import Part, Piece
from melody.sampling import Model
from melody.sampling.outlines.corpus_outlines import CorpusOutlines
from melody.sampling.outlines.line_ups import LineUps
from melody.tokens import Vocabulary
from melody.training.corpus_facts import outlines

FLUTE, GUITAR, BASS, KIT = Part(73), Part(24), Part(32), Part(0, is_drum=True)
BANDS = ((FLUTE, BASS), (GUITAR, BASS, KIT), (FLUTE, GUITAR, KIT), (FLUTE, BASS))


def song(players: Sequence[Part], seed: int = 0, bars: int = 4) -> Piece:
    """Each player plays a note in each quarter, some of them half a beat later."""
    rng = np.random.default_rng(seed)
    onset = np.tile(24 * np.arange(4 * bars), len(players))
    part = np.repeat(np.arange(len(players)), 4 * bars)
    late = 12 * rng.integers(0, 2, len(onset))
    pitch = np.where([player.is_drum for player in players], 36, 55)[part] + rng.integers(0, 8, len(onset))
    return Piece(onset + late, np.full(len(onset), 12), pitch, np.full(len(onset), 90), part, parts=tuple(players))


@cache
def model(with_outlines: bool = True) -> Model:
    """A model that knows nothing but who plays together."""
    songs = [song(players, seed) for seed, players in enumerate(BANDS)]
    vocabulary = Vocabulary.build(songs)
    facts = {"outlines": outlines(vocabulary, [vocabulary.encode(one) for one in songs])} if with_outlines else {}
    weights = untrained(vocabulary, seed=2).file.weights
    return Model(ModelFile(weights, vocabulary, {}, training=facts, name="band"))


def players(piece: Piece) -> set[Part]:
    return {piece.parts[number] for number in np.unique(piece.part).tolist()}


def is_one_of(piece: Piece, line_ups: Sequence[Sequence[Part]]) -> bool:
    return any(players(piece) <= set(line_up) for line_up in line_ups)


def fed(made: Model, part: int) -> list[int]:
    """Parts of what a stream plays beside a player of a part."""
    live = made.stream(endless=True, seed=3)
    live.feed(60, part=part)
    return [note.part for note in islice(live, 40)]


# Who plays in the corpus


@pytest.mark.parametrize("bars", [None, 6])
def test_the_parts_of_a_new_piece_are_those_of_a_piece_of_the_corpus(bars: int | None) -> None:
    made = model().generate_many(12, bars=bars, seed=1, max_notes=None if bars else 80, any_ending=True)
    assert all(is_one_of(piece, BANDS) for piece in made)
    assert any(KIT in players(piece) for piece in made) and any(KIT not in players(piece) for piece in made)
    known_by_no_outline = model(with_outlines=False).generate_many(
        30, bars=bars, seed=2, max_notes=None if bars else 80, any_ending=True
    )
    assert not all(is_one_of(piece, BANDS) for piece in known_by_no_outline)


def test_tunes_side_by_side_have_each_its_own_line_up() -> None:
    """The tune of a number has the same notes alone and in a crowd, although others leave and begin beside it."""
    many = model().generate_many(6, bars=3, seed=5)
    assert many[0] == model().generate(bars=3, seed=5)
    assert many == [*model().generate_many(6, bars=3, seed=5)]
    assert len({frozenset(players(piece)) for piece in many}) > 1


@pytest.mark.parametrize("limits", [{"scale": "C major"}, {"end_on_tonic": True, "key": "C"}, {"max_polyphony": 2}])
def test_a_line_up_holds_under_limits_and_leads_to_no_dead_end(limits: dict[str, object]) -> None:
    for piece in model().generate_many(6, bars=4, seed=2, **limits, any_ending=True):
        assert is_one_of(piece, BANDS)


def test_live_music_has_a_line_up_too_and_a_player_may_be_no_part_of_it() -> None:
    made = model()
    endless = made.stream(endless=True, seed=3)
    numbers = {note.part for note in islice(endless, 120)}
    own = {made.vocabulary.parts[number] for number in numbers}
    assert any(own <= set(line_up) for line_up in BANDS)
    for part in range(len(made.vocabulary.parts)):
        assert set(fed(made, part)) <= numbers


# Who is asked for


@pytest.mark.parametrize(
    ("asked", "wanted"),
    [
        ("flute,acoustic bass", {FLUTE, BASS}),
        ("acoustic bass,drums", {BASS, KIT}),
        ("flute,acoustic bass,drums", {FLUTE, BASS, KIT}),
        ("acoustic guitar", {GUITAR}),
    ],
)
def test_instruments_that_are_asked_for_may_all_play_and_no_others(asked: str, wanted: set[Part]) -> None:
    made = model()
    line_ups = LineUps(made.vocabulary, CorpusOutlines.of(made.file.training), Limits.parse(instruments=asked))
    for number in range(8):
        found = line_ups.of((0,), np.random.default_rng(number))
        assert {part for part, plays in zip(made.vocabulary.parts, found) if plays} == wanted
    for piece in made.generate_many(4, bars=4, seed=1, instruments=asked, any_ending=True):
        assert players(piece) <= wanted


def test_of_several_parts_of_an_instrument_those_play_that_play_together_in_the_corpus() -> None:
    """Two flutes stand in the vocabulary, since one song has two; with a guitar there is never more than one."""
    songs = [song((FLUTE, FLUTE, BASS)), song((FLUTE, GUITAR)), song((FLUTE, GUITAR))]
    vocabulary = Vocabulary.build(songs)
    corpus = CorpusOutlines.of({"outlines": outlines(vocabulary, [vocabulary.encode(one) for one in songs])})
    line_ups = LineUps(vocabulary, corpus, Limits.parse(instruments="flute,acoustic guitar"))
    found = line_ups.of(corpus.outlines[0].parts, np.random.default_rng(0))
    assert sorted(part.program for part, plays in zip(vocabulary.parts, found) if plays) == [GUITAR.program, FLUTE.program]


# Who has begun


@pytest.mark.parametrize("band", [(FLUTE,), (GUITAR, KIT), (FLUTE, BASS)])
def test_nobody_joins_in_after_a_prompt_but_who_is_asked_for(band: tuple[Part, ...]) -> None:
    prompt = song(band, 9)
    for made in model().continue_many(prompt, 3, bars=4, seed=1):
        assert players(made.piece) == set(band)
    joined = model().continue_(prompt, bars=4, seed=1, instruments="acoustic bass")
    new = joined.part[joined.onset >= prompt.length]
    assert {joined.parts[number] for number in np.unique(new).tolist()} == {BASS}
    free = model(with_outlines=False).continue_many(prompt, 3, bars=4, seed=1)
    assert any(players(made.piece) > set(band) for made in free)


def test_where_all_pieces_have_all_parts_nothing_is_forbidden() -> None:
    songs = [song((FLUTE, BASS), seed) for seed in range(3)]
    vocabulary = Vocabulary.build(songs)
    facts = {"outlines": outlines(vocabulary, [vocabulary.encode(one) for one in songs])}
    assert not LineUps(vocabulary, CorpusOutlines.of(facts), Limits())
    assert not LineUps(vocabulary, CorpusOutlines(()), Limits())
