"""What each part does in the corpus, new music does: its drums are the kit's, and it has no more notes at once."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from music import random_piece
from untrained import untrained

from melody.limits import Limits
from melody.modelfile import ModelFile
from melody.note_columns import sounding
from melody.piece import Part, Piece
from melody.sampling import Model, SamplingSettings
from melody.sampling.constraints.by_outline.hands_full import HandsFull
from melody.sampling.constraints.constraint import Masks
from melody.sampling.constraints.few_changes import FewChanges
from melody.sampling.prior import CorpusPrior
from melody.sampling.search import Search
from melody.sampling.strategies.ancestral import Sample
from melody.sampling.tasks.acceptance import Acceptance
from melody.tokens import Vocabulary
from melody.tokens.grammar import Grammar
from melody.tokens.vocabulary import DURATION, KIND, TIME, VALUE
from melody.training.corpus_facts import facts, first_strokes, kits, notes_at_once

PLAYERS = (Part(0), Part(33), Part(0, is_drum=True))


def song(seed: int) -> Piece:
    """A piano with chords of three, a bass with one note at a time, a kit of two drums; lengths are never implied."""
    rng = np.random.default_rng(seed)
    notes: set[tuple[int, int, int]] = {(24 * beat, pitch, 0) for beat in range(32) for pitch in (60, 64, 67 + seed % 3)}
    notes |= {(24 * beat, int(rng.integers(36, 48)), 1) for beat in range(0, 32, 2)}
    notes |= {(24 * beat, (36, 42)[beat % 2], 2) for beat in range(32)}
    onset, pitch, part = (np.array(column) for column in zip(*sorted(notes, key=lambda n: (n[0], n[2], n[1]))))
    return Piece(onset, np.where(part == 1, 12, 18), pitch, np.full(len(onset), 80), part, PLAYERS)


@cache
def model() -> Model:
    """A model that knows nothing but these facts."""
    songs = [song(seed) for seed in range(6)]
    vocabulary = Vocabulary.build(songs)
    found = facts(vocabulary, [vocabulary.encode(one) for one in songs])
    return Model(ModelFile(untrained(vocabulary).file.weights, vocabulary, {}, training=found, name="trio"))


def sounding_at_once(piece: Piece, part: Part) -> int:
    own = piece.select(piece.part == piece.parts.index(part)) if part in piece.parts else piece.select([])
    return int(sounding(own.onset, own.end).max(initial=0))


def test_facts_are_counted_from_the_notes() -> None:
    vocabulary = model().vocabulary
    rows = [vocabulary.encode(song(seed)) for seed in range(6)]
    assert notes_at_once(vocabulary, rows) == [3, 1, 1]
    assert kits(vocabulary, rows) == [[], [], [36, 42]]


@given(st.integers(0, 40), st.integers(1, 4))
def test_of_the_onsets_of_a_part_99_in_a_hundred_have_no_more_notes(seed: int, songs: int) -> None:
    pieces = [random_piece(seed + number) for number in range(songs)]
    vocabulary = Vocabulary.build(pieces)
    most = notes_at_once(vocabulary, [vocabulary.encode(piece) for piece in pieces])
    for number, part in enumerate(vocabulary.parts):
        if vocabulary.implied_duration[number]:
            assert most[number] == 1
            continue
        counts = []
        for piece in pieces:
            named = vocabulary.part_numbers(piece)
            own = np.isin(piece.part, np.flatnonzero(named == number)) if len(named) == len(piece.parts) else named == number
            counts += sounding(piece.onset[own], piece.end[own]).tolist()
        assert not counts or (np.array(counts) <= most[number]).mean() >= 0.99, part
        assert not counts or most[number] == 1 or (np.array(counts) <= most[number] - 1).mean() < 0.99


def written(most: list[int], seed: int) -> Piece:
    """Random music under the constraint that begins as much at once as it may."""
    vocabulary, rng = model().vocabulary, np.random.default_rng(seed)
    masks = Masks(Grammar(vocabulary, 1), [HandsFull(most)])
    rows = np.zeros((0, 5), np.int64)

    def pick(mask: np.ndarray) -> int:
        return int(rng.choice(np.flatnonzero(mask[0])))

    for _ in range(90):
        row = np.zeros((1, 5), np.int64)
        times = masks.times()[:, 1:]
        now = times & (np.array(vocabulary.shifts) == 0)
        row[:, TIME] = 1 + pick(now if now.any() and rng.random() < 0.9 else times)
        row[:, KIND] = pick(masks.kinds(row[:, TIME]))
        row[:, VALUE] = pick(masks.values(row[:, TIME], row[:, KIND]))
        row[:, DURATION] = pick(masks.durations(row))
        row[~vocabulary.field_mask(row)] = 0
        masks.push(row)
        rows = np.concatenate([rows, row])
    return vocabulary.decode(rows)


@pytest.mark.parametrize("seed", range(3))
def test_no_part_has_more_notes_at_once_than_it_may(seed: int) -> None:
    piece = written([2, 1, 3], seed)
    assert [sounding_at_once(piece, part) for part in PLAYERS][:2] == [2, 1]
    assert sounding_at_once(written([9, 9, 9], seed), PLAYERS[0]) > 2  # but for the constraint


def test_only_the_kit_plays() -> None:
    made = model().generate_many(6, seed=1, any_ending=True, max_notes=60)
    assert {pitch for tune in made for pitch in tune.pitch[tune.is_drum].tolist()} == {36, 42}
    bare = Model(ModelFile(model().file.weights, model().vocabulary, {}, name="bare"))
    made = bare.generate_many(6, seed=1, any_ending=True, max_notes=60)
    assert {pitch for tune in made for pitch in tune.pitch[tune.is_drum].tolist()} - {36, 42}


def test_a_model_keeps_to_what_its_file_says() -> None:
    assert model().notes_at_once == [3, 1, 1]
    assert [type(rule) for rule in model().rules(SamplingSettings())] == [FewChanges, HandsFull]
    for nonsense in (None, [3, 1], [3, 1, 0], [3, 1, "1"], [3, 1, 10**9]):
        file = replace(model().file, training={**model().file.training, "part_notes_at_once": nonsense})
        assert [type(rule) for rule in Model(file).rules(SamplingSettings())] == [FewChanges]


def test_what_most_of_the_corpus_does_is_no_fault() -> None:
    """Here all repeat their bars, but for a bass that is left out; in a tune that would be a fault."""
    songs = [one.select(one.part != 1) for one in map(song, range(6))]
    vocabulary = model().vocabulary
    training = facts(vocabulary, [vocabulary.encode(one) for one in songs])
    assert training["fault_shares"]["one or two bars over and over"] == 1
    rows = vocabulary.encode(songs[2])
    for known in (training, {**training, "fault_shares": 7}):
        source = Model(replace(model().file, training=known))
        acceptance = Acceptance(source, Search(1), SamplingSettings(), Limits(), lambda _: (songs[2], 0))
        found = acceptance.faults(Sample(rows, 0.0, 0.0))
        assert ("one or two bars over and over" in found) == (known is not training)


def test_a_drummer_begins_as_those_of_the_corpus() -> None:
    """All songs begin with the bass drum; a model that has learnt nothing takes any of the kit where nobody tells it."""
    vocabulary, training = model().vocabulary, model().file.training
    songs = [vocabulary.encode(song(seed)) for seed in range(6)]
    counts = first_strokes(vocabulary, songs)
    kit = vocabulary.parts.index(PLAYERS[2])
    assert [sum(own) for own in counts] == [6 * part.is_drum for part in vocabulary.parts]
    assert counts[kit][36 - vocabulary.pitches[0]] == 6

    def first(known: object) -> set[int]:
        made = Model(replace(model().file, training={**training, "first_strokes": known}))
        tunes = made.generate_many(12, bars=4, seed=1, any_ending=True)
        strokes = (tune.pitch[tune.is_drum] for tune in tunes)
        return {int(own[0]) for own in strokes if len(own)}

    assert first(counts) == {36}
    for nonsense in (
        None,
        [],
        "36",
        [[1]],
        [[], [], [-1] * vocabulary.num_pitches],
        [[], [], ["36"] * vocabulary.num_pitches],
    ):
        assert first(nonsense) == {36, 42}


def test_a_kit_is_kept_where_music_may_stand_at_any_pitch() -> None:
    vocabulary, training = model().vocabulary, model().file.training
    prior = CorpusPrior.of(vocabulary, training).at_any_pitch()
    assert prior.range_penalty is not None
    assert (prior.range_penalty > 0).any(axis=1).tolist() == [False] * 5 + [True]
    assert (prior.range_penalty[5] == 0).sum() == prior.range_penalty.shape[1] - vocabulary.num_pitches + 2
    for nonsense in (None, [], [[], []], [[], [], ["36"]], "kits"):
        assert CorpusPrior.of(vocabulary, {**training, "kits": nonsense}).at_any_pitch().range_penalty is None
    assert vocabulary.sizes[VALUE] == prior.range_penalty.shape[1]
