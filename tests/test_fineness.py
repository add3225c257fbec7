"""Where a corpus has very many times or velocities, some stand for all, near enough that nobody hears it."""

from collections import Counter

import numpy as np
import pytest
from tunes import tune

from melody.errors import VocabularyError
from melody.piece import Piece, TimeSignature
from melody.tokens.fineness import MANY, MOST_VELOCITIES, NEAR_TIME, NEAR_VELOCITY, is_fine, standing_for_all, steps_to
from melody.tokens.fitting import fit
from melody.tokens.vocabulary import Vocabulary


def played(seed: int, notes: int = 400) -> Piece:
    """Two hands on a fine grid, at any time, as loud as they come."""
    rng = np.random.default_rng(seed)
    onset = np.cumsum(rng.gamma(1.0, 40, notes).astype(int))
    duration = 1 + rng.gamma(1.5, 60, notes).astype(int)
    pitch = np.arange(notes) % 40 + 40  # each again after forty notes, so that few overlap
    following = np.append(onset[40:], np.full(40, 10**6))
    duration = np.maximum(np.minimum(duration, following - onset), 1)
    return Piece(onset, duration, pitch, rng.integers(1, 128, notes), ticks_per_quarter=96)


@pytest.mark.parametrize("seed", range(3))
def test_every_value_is_near_one_that_stands_for_it(seed: int) -> None:
    rng = np.random.default_rng(seed)
    counts = Counter(rng.gamma(1, 200, 20_000).astype(int).tolist())
    kept = np.array(standing_for_all(counts, 200, NEAR_TIME, always=(0,)))
    assert len(kept) <= 200 < len(counts) and kept[0] == 0 and np.all(np.diff(kept) > 0)
    away = [np.abs(kept - value).min() / value for value in counts if value]
    assert max(away) <= NEAR_TIME * 1.05  # of the greater of the two
    loud = Counter(rng.integers(1, 128, 5000).tolist())
    few = np.array(standing_for_all(loud, MOST_VELOCITIES, 1 / 127, apart=NEAR_VELOCITY))
    assert 16 <= len(few) <= MOST_VELOCITIES and max(np.abs(few - value).min() for value in loud) <= NEAR_VELOCITY


def test_few_values_stay_as_they_are_and_frequent_ones_do_among_many() -> None:
    assert standing_for_all(Counter({7: 1, 8: 1, 9: 5}), 3, NEAR_TIME) == (7, 8, 9)
    many = Counter(dict.fromkeys(range(1, 600), 1)) + Counter({96: 50, 48: 40, 144: 30, 192: 20})
    assert {48, 96, 144, 192} <= set(standing_for_all(many, MANY, NEAR_TIME))


def test_what_a_step_is_rounded_by_does_not_add_up() -> None:
    """After any number of events the places are as near as after the first; close events keep their distance and order."""
    rng = np.random.default_rng(0)
    ticks = np.cumsum(1 + rng.gamma(1, 100, 5000).astype(int))
    shifts = standing_for_all(Counter(np.diff(ticks, prepend=0).tolist()), MANY, NEAR_TIME, always=(0,))
    places = steps_to(shifts, ticks)
    steps, wanted = np.diff(places, prepend=0), np.diff(ticks, prepend=0)
    assert np.isin(steps, shifts).all() and np.all(steps > 0)
    assert np.all(np.abs(steps - wanted) <= 2 * NEAR_TIME * wanted + 1)
    assert np.array_equal(steps[wanted < 12], wanted[wanted < 12])
    away = np.abs(places - ticks)
    assert away[-2500:].mean() < 1.5 * away[:2500].mean() and away.mean() < 4


def test_a_performance_is_encoded_by_few_tokens_and_none_is_refused() -> None:
    pieces = [played(seed) for seed in range(4)]
    vocabulary = Vocabulary.build(pieces, max_values=MANY)
    assert len(vocabulary.shifts) <= MANY and set(vocabulary.durations) <= set(vocabulary.shifts)
    assert len(vocabulary.velocities) <= MOST_VELOCITIES and is_fine(vocabulary.shifts, 96)
    for piece in [*pieces, played(9)]:
        fitted, changes = fit(vocabulary, piece)
        assert any("times rounded" in change for change in changes)
        assert fitted.num_notes >= 0.99 * piece.num_notes
        assert vocabulary.decode(vocabulary.encode(fitted)) == fitted
        assert fit(vocabulary, fitted) == (fitted, ())  # once is enough


def test_scores_are_not_rounded_so() -> None:
    """A grid of scores, or metres that change, keep their bar lines: see `melody.tokens.rhythm`."""
    vocabulary = Vocabulary.build([tune(0), tune(1)])
    assert not is_fine(vocabulary.shifts, vocabulary.ticks_per_quarter)
    fine = Vocabulary.build(
        [played(0), Piece([0], [4], [60], ticks_per_quarter=96, time_signatures=(TimeSignature(0, 3, 4),))]
    )
    changing = Piece(
        [0, 700], [50, 50], [60, 62], [64, 64], ticks_per_quarter=96,
        time_signatures=(TimeSignature(0, 4, 4), TimeSignature(384, 3, 4)),
    )  # fmt: skip
    with pytest.raises(VocabularyError, match="the metre changes within the music"):
        fit(fine, changing)
