"""New tunes end as often as their corpus does in a way, and change metre, tempo and key no more often."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from untrained import untrained

from melody.limits import Limits
from melody.modelfile import ModelFile
from melody.piece import Key, Part, Piece, Tempo, TimeSignature
from melody.sampling import Model, SamplingSettings
from melody.sampling.constraints.constraint import Constraint, Masks
from melody.sampling.constraints.few_changes import FewChanges
from melody.sampling.constraints.joint_options import Options
from melody.sampling.constraints.music import Music
from melody.sampling.quality import NO_BAR_LINE, NO_TONIC, Shares, faults
from melody.sampling.search import Search
from melody.sampling.strategies.ancestral import Sample, Streams
from melody.sampling.strategies.drawing import Job
from melody.sampling.tasks.acceptance import Acceptance
from melody.tokens import Vocabulary
from melody.tokens.grammar import Grammar, Mask
from melody.tokens.usage import KEY, METRE, TEMPO
from melody.tokens.vocabulary import DURATION, KIND, TIME, VALUE, Rows
from melody.training.corpus_facts import facts, fault_shares, most_changes


def song(seed: int, *, last: int = 60, changes: int = 0, key: bool = True) -> Piece:
    """A line and chords under it, eight bars; its last notes are `last`, its key and tempo change so often."""
    rng = np.random.default_rng(seed)
    onset = np.arange(0, 768, 24)
    pitch = np.concatenate([rng.integers(60, 73, len(onset) - 1), [last]])
    low = np.arange(0, 768, 96)
    keys = [Key(0, 0, "major"), *(Key(96 * (1 + n), n % 2, "major") for n in range(changes))] if key else []
    tempi = [Tempo.from_qpm(96 * n, 100 + 20 * (n % 2)) for n in range(1 + changes)]
    return Piece(
        np.concatenate([onset, low, low]),
        np.concatenate([np.full(len(onset), 24), np.tile([12, 90], len(low))]),
        np.concatenate([pitch, np.full(len(low), 48), np.full(len(low), 52 if last == 60 else 54)]),
        np.full(len(onset) + 2 * len(low), 80),
        np.concatenate([np.zeros(len(onset), np.int64), np.ones(2 * len(low), np.int64)]),
        parts=(Part(0), Part(32)),
        keys=tuple(keys),
        tempi=tuple(tempi),
    )


@cache
def model() -> Model:
    """One that knows nothing but the facts of songs that close in a quarter, and that seldom change."""
    songs = [song(seed, last=60 if seed % 4 else 61, changes=5 * (seed == 0)) for seed in range(24)]
    vocabulary = Vocabulary.build(songs)
    found = facts(vocabulary, [vocabulary.encode(one) for one in songs])
    return Model(ModelFile(untrained(vocabulary).file.weights, vocabulary, {}, training=found, name="songs"))


# How tunes end


def test_shares_are_of_the_pieces_of_which_it_can_be_told() -> None:
    songs = [song(0, last=61), *(song(seed) for seed in range(3)), *(song(seed, key=False, last=61) for seed in range(4))]
    shares = Shares.counted((one, [8.0, 8.0]) for one in songs)
    assert shares.of[NO_TONIC] == 1 / 4
    vocabulary = Vocabulary.build(songs)
    assert fault_shares(vocabulary, [vocabulary.encode(one) for one in songs]) == shares.of


@pytest.mark.parametrize("share", [0.0, 0.2, 0.9, 1.0])
def test_as_many_tunes_may_end_in_a_way_as_pieces_of_the_corpus_do(share: float) -> None:
    shares = Shares({NO_TONIC: share, NO_BAR_LINE: 1 - share, "hardly a melody": 0.6, "cut off": 0.4})
    allowed = [shares.allowed(np.random.default_rng([3, number])) for number in range(400)]
    assert abs(np.mean([NO_TONIC in each for each in allowed]) - share) < 0.06
    assert abs(np.mean([NO_BAR_LINE in each for each in allowed]) - 1 + share) < 0.06
    assert all("hardly a melody" in each and "cut off" not in each for each in allowed)


def test_a_fault_is_asked_of_a_tune_in_each_of_its_tries_or_in_none() -> None:
    tune, settings = song(1, last=61), SamplingSettings(seed=5)
    source = Model(replace(model().file, training={**model().file.training, "fault_shares": {NO_TONIC: 0.5}}))
    acceptance = Acceptance(source, Search(1), settings, Limits(), lambda _: (tune, 0))
    rows = source.vocabulary.encode(tune)
    asked = [[acceptance.faults(Sample(rows, 0.0, 0.0, n)) for _ in range(3)] for n in range(40)]
    assert all(tries in ([(NO_TONIC,)] * 3, [()] * 3) for tries in asked)
    assert 10 < sum(tries[0] == () for tries in asked) < 30
    assert faults(tune, ended=True) == (NO_TONIC,)
    for nonsense in (None, 7, {NO_TONIC: 3}, {NO_TONIC: "1"}, [NO_TONIC]):
        assert Shares.from_stored(nonsense) == Shares()


def test_tunes_are_drawn_again_for_their_close_as_seldom_as_the_corpus_closes() -> None:
    """A model that knows nothing closes by chance alone."""

    def open_ends(share: float) -> int:
        training = {**model().file.training, "fault_shares": {NO_TONIC: share}}
        made = Model(replace(model().file, training=training)).generate_many(8, seed=1, bars=1, key="C")
        return sum(NO_TONIC in faults(tune, ended=True) for tune in made)

    assert open_ends(0.0) < open_ends(1.0)


# What changes


def test_changes_are_counted_behind_the_beginning() -> None:
    songs = [song(seed, changes=5 * (seed == 0)) for seed in range(40)]
    vocabulary = Vocabulary.build(songs)
    rows = [vocabulary.encode(one) for one in songs]
    assert most_changes(vocabulary, rows) == [0, 0, 0]
    assert most_changes(vocabulary, rows[:10]) == [0, 5, 5]
    assert most_changes(vocabulary, []) == []


def changed(most: list[int], seed: int) -> Piece:
    """Random music that changes something wherever it may."""
    songs = [replace(song(0, changes=5), time_signatures=(TimeSignature(0, 4, 4), TimeSignature(384, 3, 4)))]
    vocabulary, rng = Vocabulary.build(songs), np.random.default_rng(seed)
    masks, found = Masks(Grammar(vocabulary, 1), [FewChanges(most)]), []
    for number in range(60):
        row = np.zeros((1, 5), np.int64)
        times = np.flatnonzero(masks.times()[0, 1:]) + 1
        row[:, TIME] = rng.choice(times) if number > 2 else times[0]
        kinds = np.flatnonzero(masks.kinds(row[:, TIME])[0])
        row[:, KIND] = rng.choice(kinds[kinds <= KEY] if (kinds <= KEY).any() else kinds)
        row[:, VALUE] = rng.choice(np.flatnonzero(masks.values(row[:, TIME], row[:, KIND])[0]))
        row[:, DURATION] = rng.choice(np.flatnonzero(masks.durations(row)[0]))
        row[~vocabulary.field_mask(row)] = 0
        masks.push(row)
        found.append(row)
    return vocabulary.decode(np.concatenate(found))


@pytest.mark.parametrize("most", [[0, 0, 0], [1, 0, 3], [0, 2, 1]])
def test_nothing_changes_more_often_than_it_may(most: list[int]) -> None:
    piece = changed(most, 2)
    counted = {METRE: piece.time_signatures[1:], TEMPO: piece.tempi[1:], KEY: [key for key in piece.keys if key.onset]}
    assert [len(counted[kind]) for kind in (METRE, TEMPO, KEY)] == most  # which are all that may come
    assert piece.keys[0].onset == 0  # that of the beginning is no change
    freely = changed([99, 99, 99], 2)
    assert len(freely.keys) > 4 and len(freely.tempi) > 4


def test_a_model_keeps_to_the_changes_of_its_corpus() -> None:
    assert model().file.training["most_changes"] == [0, 0, 0]
    made = model().generate_many(6, seed=1, any_ending=True, max_notes=80)
    assert all(len(tune.tempi) == 1 and not any(key.onset for key in tune.keys) for tune in made)
    free = Model(replace(model().file, training={**model().file.training, "most_changes": None}))
    assert any(len(tune.tempi) > 1 for tune in free.generate_many(6, seed=1, any_ending=True, max_notes=80))
    for nonsense in (7, [0, 0], [0, 0, -1], [0, 0, "1"], [0, 0, True]):
        assert Model(replace(model().file, training={"most_changes": nonsense})).most_changes == []


# Where constraints leave nothing


class NoDuration(Constraint):
    """What asks for a note of the length of an earlier one may ask for one that does not fit."""

    def narrow(self, music: Music, options: Options) -> None:
        """Nothing."""

    def durations(self, music: Music, events: Rows, options: Options | None) -> Mask:
        """None of them."""
        return np.zeros((len(events), len(music.durations)), bool)


def test_what_constraints_leave_nothing_of_is_legal_still() -> None:
    vocabulary = model().vocabulary
    masks = Masks(Grammar(vocabulary, 1, bars=2, count_pickup=False), [NoDuration()])
    start = model().decoder.begin(masks)
    streams = Streams(model().decoder, lambda _: start.take(np.zeros(1, np.int64)), SamplingSettings(seed=1), 400)
    streams.begin([Job(number, 0) for number in range(6)])
    made: list[Piece] = []
    while len(streams):
        made += [vocabulary.decode(sample.rows) for _, sample in streams.step() if sample is not None]
    assert all(piece.num_bars - piece.has_pickup <= 2 for piece in made)
