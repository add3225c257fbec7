"""The laws of calibration: what is fitted is the best there is, and nothing but the numbers that are fitted changes."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest
import torch
from music import lines

from melody.evaluation.evaluate import nats_per_note, restored
from melody.modelfile import ModelFile
from melody.network.network import MelodyNetwork
from melody.network.settings import ModelSettings
from melody.tokens import Vocabulary
from melody.training.balance import WEIGHT
from scripts import script

calibrate = script("calibrate")
SHAPE = ModelSettings(hidden_size=16, num_layers=1, embedding_size=12, head_size=12, dropout=0.0, intervals="parts")
PIECES = [lines(number, rests=number % 2 == 1) for number in range(6)]
VOCABULARY = Vocabulary.build(PIECES, transpositions=range(-5, 7))
ROWS = [VOCABULARY.encode(piece) for piece in PIECES]


def _file(seed: int = 0, sure: float = 1.0) -> ModelFile:
    """A model that has learned nothing, so many times as sure of it."""
    torch.manual_seed(seed)
    weights = {name: value.numpy() for name, value in MelodyNetwork(VOCABULARY, SHAPE).state_dict().items()}
    linear = [name for name in weights if name.startswith("heads.") and name.split(".", 2)[2] in calibrate.LINEAR]
    return ModelFile({**weights, **{name: sure * weights[name] for name in linear}}, VOCABULARY, asdict(SHAPE))


def _nats(file: ModelFile) -> float:
    return nats_per_note(restored(file), VOCABULARY, ROWS)


def test_a_model_that_is_too_sure_is_told_how_much() -> None:
    once, scales = calibrate.with_fitted_scales(_file(), ROWS)
    again, of_sure = calibrate.with_fitted_scales(_file(sure=4.0), ROWS)
    assert {name: 4 * scale for name, scale in of_sure.items()} == pytest.approx(scales, abs=0.01)
    assert _nats(again) == pytest.approx(_nats(once), abs=1e-3) and _nats(once) <= _nats(_file())
    _, rest = calibrate.with_fitted_scales(once, ROWS)
    assert list(rest.values()) == pytest.approx([1.0] * len(rest), abs=0.01)


def test_values_of_relations_are_the_likeliest_and_nothing_else_changes() -> None:
    before = _file(1)
    made = calibrate.with_fitted_relations(before, ROWS)
    assert made.weights[WEIGHT].any() and _nats(made) < _nats(before)
    assert all((made.weights[name] == value).all() for name, value in before.weights.items())
    rng = np.random.default_rng(0)
    for _ in range(3):
        moved = made.weights[WEIGHT] + 0.3 * rng.normal(size=made.weights[WEIGHT].shape).astype(np.float32)
        other = ModelFile({**made.weights, WEIGHT: moved}, VOCABULARY, made.settings)
        assert _nats(other) > _nats(made)
        assert calibrate.with_fitted_relations(other, ROWS).weights[WEIGHT] == pytest.approx(made.weights[WEIGHT])


def test_a_file_says_how_it_was_calibrated() -> None:
    made = calibrate.calibrated(_file(2), ROWS, ROWS)
    said = made.training["calibration"]
    assert set(said["scales"]) == {"time", "kind", "value"} and len(said["values"]) == len(said["relations"])
