"""The choice of a token, for all streams at once, is that of a slow twin for one; and how sure it is, by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from melody.sampling import SamplingSettings
from melody.sampling.choose import DOUBT, choose, choose_surely
from melody.tokens.vocabulary import TIME, VALUE

EVEN, NEAR, FAR = [0.0, 0.0], [0.0, -0.8 * DOUBT], [0.0, -1.2 * DOUBT]
WIDE = [math.log(0.6), math.log(0.4)]


def slowly(logits: list[float], allowed: list[bool], chance: float, settings: SamplingSettings) -> int:
    """By the definitions: softmax, then each cut on what those before it left, then the cumulated probability."""
    tokens = [token for token, is_allowed in enumerate(allowed) if is_allowed or not any(allowed)]
    if settings.temperature == 0:
        return max(tokens, key=lambda token: logits[token])
    share = {token: math.exp(logits[token] / settings.temperature) for token in tokens}

    def normal(kept: list[int]) -> dict[int, float]:
        total = sum(share[token] for token in kept)
        return {token: share[token] / total for token in kept}

    def first(ranked: list[int], most: float) -> list[int]:
        """Those before which less than `most` has been."""
        return [token for i, token in enumerate(ranked) if sum(share[earlier] for earlier in ranked[:i]) < most]

    share = normal(tokens)
    if settings.top_k is not None:
        share = normal(sorted(share, key=lambda token: -share[token])[: settings.top_k])
    if settings.top_p < 1:
        share = normal(first(sorted(share, key=lambda token: -share[token]), settings.top_p))
    share = normal([token for token in share if share[token] >= settings.min_p * max(share.values())])
    if settings.typical < 1:
        entropy = -sum(p * math.log(p) for p in share.values())
        share = normal(first(sorted(share, key=lambda token: abs(-math.log(share[token]) - entropy)), settings.typical))
    passed = 0.0
    for token in sorted(share):
        passed += share[token]
        if passed > chance:
            return token
    return max(share)


@pytest.mark.parametrize(
    "asked",
    [
        {}, {"temperature": 0}, {"temperature": 0.5}, {"temperature": 2}, {"top_k": 1}, {"top_k": 3}, {"top_k": 9},
        {"top_k": 99}, {"top_p": 0.5}, {"top_p": 0.95}, {"min_p": 0.1}, {"min_p": 0.9}, {"typical": 0.3}, {"typical": 0.9},
        {"top_k": 7, "top_p": 0.9, "min_p": 0.05, "typical": 0.8, "temperature": 1.4},
        {"top_p": 0.6, "min_p": 0.3}, {"top_k": 3, "typical": 0.5}, {"top_k": 4, "top_p": 0.7},
    ],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("masked", [False, True])
def test_choices_are_those_of_the_slow_twin(asked: dict, masked: bool) -> None:
    """Rows of every kind at once: flat and steep, with few tokens allowed, and none, which is as if all were."""
    rng = np.random.default_rng(len(str(asked)))
    settings = SamplingSettings(**{"temperature": 1.0} | asked)
    logits = rng.normal(0, rng.choice([0.3, 2, 6], (150, 1)), (150, 9))
    mask = rng.random((150, 9)) < rng.choice([0.1, 0.4, 0.9], (150, 1))
    chance = rng.random(150)
    before = logits.copy()
    tokens, sure = choose_surely(logits, mask if masked else None, chance, settings)
    assert np.array_equal(choose(logits, mask if masked else None, chance, settings), tokens)
    assert np.array_equal(logits, before) and sure.mean() > 0.9
    allowed = mask if masked else np.ones_like(mask)
    expected = [slowly(*row, settings) for row in zip(logits.tolist(), allowed.tolist(), chance.tolist())]
    assert tokens.tolist() == expected


def test_a_field_has_its_own_temperature() -> None:
    settings = SamplingSettings(temperature=2, rhythm_temperature=0, pitch_temperature=0.5)
    logits, chance = np.array([WIDE]), np.array([0.57])
    for field, token in ((None, 1), (TIME, 0), (VALUE, 0)):
        assert choose(logits, None, chance, settings, field).tolist() == [token]
        assert choose_surely(logits, None, chance, settings, field)[0].tolist() == [token]


def test_of_equally_likely_tokens_the_first_are_kept() -> None:
    """A half of forty are twenty, and what comes when just the share that is wanted has been is left out."""
    logits, chance = np.zeros((1, 40)), np.array([0.999])
    for asked in ({"top_p": 0.5}, {"typical": 0.5}):
        assert choose(logits, None, chance, SamplingSettings(temperature=1, **asked)).tolist() == [19]
    assert choose(np.array([EVEN]), None, chance, SamplingSettings(temperature=1, top_p=0.5)).tolist() == [0]


def test_the_last_chance_is_the_last_token_that_is_allowed() -> None:
    """Where rounding makes the chance as great as all probabilities together."""
    mask = np.array([[True, True, False], [True, False, False], [True, True, True]])
    tokens = choose(np.zeros((3, 3)), mask, np.array([1.0, 1.0, 0.2]), SamplingSettings(temperature=1))
    assert tokens.tolist() == [1, 0, 0]
    for row, token in enumerate(tokens.tolist()):  # a row alone goes another way
        chance = np.array([1.0 if row < 2 else 0.2])
        alone = choose(np.zeros((1, 3)), mask[row : row + 1], chance, SamplingSettings(temperature=1))
        assert alone.tolist() == [token]
    assert choose(np.zeros((1, 1)), None, np.array([0.3]), SamplingSettings(temperature=0)).tolist() == [0]


@pytest.mark.parametrize(
    ("logits", "chance", "asked", "expected"),
    [
        (NEAR, 0.0, {"temperature": 0}, False),
        (FAR, 0.0, {"temperature": 0}, True),
        ([5.0], 0.5, {"temperature": 0}, True),
        ([3.0, 1.0, 3.0], 0.0, {"temperature": 0}, False),
        # Shares of 1/2 move by a quarter of what the logits move by, and that by 1 / temperature
        (EVEN, 0.25, {}, True),
        (EVEN, 0.5 + DOUBT * 0.22, {}, False),
        (EVEN, 0.5 - DOUBT * 0.22, {}, False),
        (EVEN, 0.5 + DOUBT * 0.28, {}, True),
        (EVEN, 0.5 - DOUBT * 0.28, {}, True),
        (EVEN, 0.5 + DOUBT * 0.12, {"temperature": 2}, False),
        (EVEN, 0.5 + DOUBT * 0.14, {"temperature": 2}, True),
        (EVEN, 0.5 + DOUBT * 0.45, {"temperature": 0.5}, False),
        (WIDE, 0.6 + DOUBT * 0.23, {}, False),  # 0.6 * 0.4 = 0.24
        (WIDE, 0.6 + DOUBT * 0.245, {}, True),
        # Which token is the last that is kept
        (NEAR, 0.3, {"top_k": 1}, False),
        (FAR, 0.3, {"top_k": 1}, True),
        (NEAR, 0.3, {"top_k": 1, "temperature": 0.5}, False),
        (FAR, 0.3, {"top_k": 1, "temperature": 2}, True),
        (EVEN, 0.3, {"top_k": 2}, True),  # nothing is cut off
        ([0.0, -1.0, -1.0], 0.3, {"top_k": 2}, False),
        ([0.0, -math.inf, -math.inf], 0.3, {"top_k": 2}, True),
        (EVEN, 0.2, {"top_p": 0.5}, False),
        (EVEN, 0.2, {"top_p": 0.4}, False),  # either might be cut off
        (WIDE, 0.2, {"top_p": 0.6 + DOUBT * 0.8}, False),
        (WIDE, 0.2, {"top_p": 0.6 + DOUBT * 1.2}, True),
        (WIDE, 0.2, {"top_p": 0.6 - DOUBT * 0.8}, False),
        (WIDE, 0.2, {"top_p": 0.6 - DOUBT * 1.2}, True),
        (WIDE, 0.2, {"min_p": 1}, False),  # the likeliest itself is at the cut
        (WIDE, 0.2, {"min_p": 0.5}, True),
        (WIDE, 0.2, {"min_p": 2 / 3 * (1 + DOUBT * 0.8)}, False),
        (WIDE, 0.2, {"min_p": 2 / 3 * (1 + DOUBT * 1.2)}, True),
        (WIDE, 0.2, {"min_p": 2 / 3 * (1 - DOUBT * 1.2)}, True),
        (EVEN, 0.2, {"typical": 0.4}, False),
        (WIDE, 0.2, {"typical": 0.4}, True),
        (WIDE, 0.2, {"typical": 0.6 + DOUBT * 3.8}, False),  # the entropy moves too: four times the doubt
        (WIDE, 0.2, {"typical": 0.6 + DOUBT * 4.2}, True),
    ],
)  # fmt: skip
def test_how_sure_a_choice_is(logits: list[float], chance: float, asked: dict, expected: bool) -> None:
    rows, chances = np.array([logits, logits]), np.array([chance, chance])
    settings = SamplingSettings(**{"temperature": 1.0} | asked)
    assert choose_surely(rows, None, chances, settings)[1].tolist() == [expected, expected]


@pytest.mark.parametrize("top_k", [1, 5, 20, 39])
def test_the_last_that_is_kept_of_many_is_sure_if_the_next_is_far_off(top_k: int) -> None:
    rng = np.random.default_rng(top_k)
    logits = np.tile(np.linspace(0, -4, 40), (50, 1))
    near = np.arange(50) % 2 == 0
    logits[near, top_k] = logits[near, top_k - 1] - 0.5 * DOUBT  # the best that is dropped
    logits = rng.permuted(logits, axis=1)
    chance = np.full(50, 1e-9)  # far from every border
    assert choose_surely(logits, None, chance, SamplingSettings(temperature=1, top_k=top_k))[1].tolist() == (~near).tolist()
