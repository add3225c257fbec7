"""The law of the last onset: a number of bars heaps no notes on it, however little a model sees the end coming."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from untrained import untrained

from melody.limits import Limits
from melody.piece import Part, Piece
from melody.sampling import Model, SamplingSettings
from melody.sampling.constraints.cutoff import going_on
from melody.tokens import Vocabulary
from melody.tokens.grammar import Grammar
from melody.tokens.vocabulary import KIND, TIME, VALUE


def by_chance(seed: int) -> Piece:
    """Two parts of sixteenths by chance, often together."""
    rng = np.random.default_rng(seed)
    slots = np.sort(rng.choice(64 * 24 * 2, 90, replace=False))
    onset, pitch, part = slots // 48 * 6, 48 + slots % 48 // 2, slots % 2
    return Piece(onset, rng.choice([5, 6], 90), pitch, part=part, parts=(Part(0), Part(0)))


@pytest.fixture(scope="module")
def endless() -> Model:
    """A model that is all but sure that no piece ever ends."""
    model = untrained(Vocabulary.build([by_chance(seed) for seed in range(8)]))
    weights = {name: value.copy() for name, value in model.file.weights.items()}
    weights["heads.time.output_bias"][:, 0] -= 12
    weights["heads.time.output_bias"][:, 1] += 1.5  # and hears many notes at once
    return Model(replace(model.file, weights=weights))


def together(piece: Piece) -> list[int]:
    """How many notes begin at each onset."""
    return np.unique(piece.onset, return_counts=True)[1].tolist()


def test_the_last_onset_has_as_many_notes_as_others(endless: Model) -> None:
    tunes = endless.generate_many(30, bars=2, settings=SamplingSettings(temperature=1, any_ending=True))
    counts = [together(tune) for tune in tunes]
    assert all(tune.num_bars == 2 for tune in tunes)
    usual = np.concatenate([of[:-1] for of in counts])
    assert usual.mean() > 1.2
    assert abs(np.mean([of[-1] for of in counts]) - usual.mean()) < 0.4
    assert max(of[-1] for of in counts) <= usual.max()


def test_so_it_is_in_a_continuation_under_limits_and_in_a_beam(endless: Model) -> None:
    going = [together(made.piece) for made in endless.continue_many(by_chance(9), 60, bars=1, temperature=1.0)]
    assert np.mean([of[-1] for of in going]) < np.concatenate([of[-8:-1] for of in going]).mean() + 0.5
    limits = Limits.parse(bars="2", key="C", end_on_tonic=True)
    tonic = endless.tunes(60, limits=limits, settings=SamplingSettings(temperature=1, any_ending=True))
    assert np.mean([together(tune.piece)[-1] for tune in tonic]) < 3
    assert all(tune.piece.pitch[tune.piece.onset == tune.piece.onset[-1]].min() % 12 == 0 for tune in tonic)
    assert together(endless.tunes(1, bars=1, beam=2)[0].piece)[-1] <= 4


def test_what_lies_beyond_counts_for_what_is_later_and_never_for_what_is_at_once() -> None:
    """By hand: shares of END, the same tick, and two later times, of which the last lies beyond the end."""
    share = np.array([[0.1, 0.4, 0.2, 0.3]])
    legal, beyond = np.array([[True, True, True, False]]), np.array([[False, False, False, True]])
    found = np.exp(going_on(np.log(share), legal, beyond))[legal[0][None]]
    assert np.allclose(found, [0.2, 0.4, 0.4])
    never = np.array([[False, True, True, False]])  # the music may not end yet
    assert np.allclose(np.exp(going_on(np.log(share), never, beyond))[0, 1:3], [0.4, 0.5])
    alone = np.array([[False, True, False, False]])
    assert np.array_equal(going_on(np.log(share), alone, beyond), np.log(share))
    assert np.array_equal(going_on(np.log(share), legal, np.zeros_like(beyond)), np.log(share))


def test_what_lies_beyond_is_what_only_the_end_forbids() -> None:
    vocabulary = Vocabulary.build([by_chance(seed) for seed in range(8)])
    grammar, free = Grammar(vocabulary, 1, bars=1), Grammar(vocabulary, 1)
    row = np.zeros((1, 5), np.int64)
    row[0, [TIME, KIND, VALUE]] = 1 + vocabulary.shifts.index(12), 3, vocabulary.first_pitch
    for _ in range(7):
        grammar.push(row)
        free.push(row)
    legal, wide, beyond = grammar.times()[0], free.times()[0], grammar.past_end()[0]
    assert not free.past_end().any() and not (legal & beyond).any()
    assert np.array_equal(legal | beyond, wide)
    ticks = 84 + np.array(vocabulary.shifts)
    assert np.array_equal(beyond[1:], ticks + min(vocabulary.durations) > 96)
