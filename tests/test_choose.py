"""The laws of choosing a token: however many rows there are, each is chosen from as if it were alone."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from melody.sampling import SamplingSettings
from melody.sampling.choose import choose_surely


@given(st.integers(0, 2**32), st.sampled_from([0.3, 1.0, 1.7]))
def test_a_row_alone_gives_what_it_gives_among_others(number: int, temperature: float) -> None:
    """The token, and whether it is sure; also where chance falls next to the edge between two tokens."""
    rng = np.random.default_rng(number)
    shape = (5, int(rng.integers(1, 12)))
    logits = (rng.standard_normal(shape) * rng.choice([0.1, 1, 20])).astype(np.float32)
    mask = rng.random(shape) < rng.choice([0.1, 0.5, 1])  # some rows allow nothing
    share = np.exp((logits.astype(np.float64) - logits.max(axis=1, keepdims=True)) / temperature) * mask
    edges = share.cumsum(axis=1) / np.maximum(share.sum(axis=1, keepdims=True), 1e-300)
    near = edges[np.arange(5), rng.integers(0, shape[1], 5)] + rng.choice([0, 1e-16, 1e-6, -1e-6, 3e-5], 5)
    chance = np.where(rng.random(5) < 0.5, np.clip(near, 0, 1 - 2.0**-53), rng.random(5))
    asked = SamplingSettings(temperature=temperature)
    token, sure = choose_surely(logits, mask, chance, asked)
    for row in range(5):
        at = slice(row, row + 1)
        alone = choose_surely(logits[at], mask[at], chance[at], asked)
        assert (alone[0][0], alone[1][0]) == (token[row], sure[row])


def test_the_cumulated_probability_passes_chance() -> None:
    logits = np.log(np.array([[0.2, 0.3, 0.5]], np.float32))
    for chance, token in ((0.0, 0), (0.19, 0), (0.21, 1), (0.49, 1), (0.51, 2), (0.99, 2)):
        assert choose_surely(logits, None, np.array([chance]), SamplingSettings(temperature=1))[0].tolist() == [token]
    assert choose_surely(logits, np.array([[True, False, True]]), np.array([0.3]), SamplingSettings(temperature=1))[
        0
    ].tolist() == [2]
