"""The laws of the engines: streams apart, states kept, ONNX Runtime as NumPy, 8 bits near 32."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from conftest import small_corpus
from music import folk_tune

from melody import export, modelfile
from melody.modelfile import ModelFile
from melody.network import AnyEngine, Engine
from melody.sampling import Model, SamplingSettings
from melody.tokens.inputs.features import context
from melody.tokens.inputs.schema import feature_sizes
from melody.tokens.vocabulary import FIELDS

ENGINES = ("numpy", "onnx", "int8")
BOUND = {"onnx": 1e-5, "int8": 0.2}  # how far logits may be from NumPy's; those of the trained model span about 20


@pytest.fixture(scope="module")
def file(trained: Path) -> ModelFile:
    return modelfile.load(trained)


@pytest.fixture(scope="module")
def engines(file: ModelFile) -> dict[str, AnyEngine]:
    forms: tuple[export.Form, ...] = ("onnx", "int8")
    return {"numpy": Engine(file.vocabulary, file.weights), **{form: export.engine(file, form) for form in forms}}


def _known(file: ModelFile, *numbers: int) -> np.ndarray:
    """The first 30 events of tunes and what is known of each, (events, tunes, fields + features + conditions)."""
    rows = [file.vocabulary.encode(folk_tune(n))[:30] for n in numbers]
    return np.stack([np.concatenate([r, context(file.vocabulary, r)], axis=1) for r in rows], axis=1)


def _logits(file: ModelFile, engine: AnyEngine, known: np.ndarray) -> list[np.ndarray]:
    """Of each field after each event but the last, (events - 1, tunes, field size)."""
    width = len(FIELDS) + len(feature_sizes(file.vocabulary))
    state, found = engine.begin(known.shape[1]), []
    for now, then in pairwise(known):
        hidden, state = engine.step(now[:, :width], state)
        trunks = engine.head_layers(hidden)
        found.append([engine.logits(k, trunks, then[:, : len(FIELDS)], then[:, width:]) for k in engine.predicted])
    return [np.stack(field) for field in zip(*found)]


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize("streams", [2, 3, 11, 12, 20])
def test_streams_do_not_know_of_each_other(file: ModelFile, engines: dict[str, AnyEngine], name: str, streams: int) -> None:
    """Two, some and many, which NumPy computes in ways of their own, are what each is alone."""
    known = _known(file, *range(streams))
    together = _logits(file, engines[name], known)
    for stream in {0, 1, 8 % streams, streams - 1}:
        for both, alone in zip(together, _logits(file, engines[name], known[:, stream : stream + 1])):
            assert np.abs(both[:, stream] - alone[:, 0]).max() < 1e-5


@pytest.mark.parametrize("name", ENGINES)
def test_streams_that_leave_take_nothing_with_them(file: ModelFile, engines: dict[str, AnyEngine], name: str) -> None:
    engine, events = engines[name], _known(file, 1, 2, 3)[..., : len(FIELDS) + len(feature_sizes(file.vocabulary))]
    _, state = engine.step(events[0], engine.begin(3))
    whole, _ = engine.step(events[1], state)
    order = np.array([2, 0, 2])
    left, _ = engine.step(events[1][order], state.take(order))
    assert np.allclose(left, whole[order], atol=1e-6)


@pytest.mark.parametrize("name", ENGINES)
def test_a_state_can_be_gone_on_with_twice(file: ModelFile, engines: dict[str, AnyEngine], name: str) -> None:
    engine, events = engines[name], _known(file, 1)[..., : len(FIELDS) + len(feature_sizes(file.vocabulary))]
    _, state = engine.step(events[0], engine.begin(1))
    kept = state.copy()
    first, _ = engine.step(events[1], state)
    engine.step(events[2], state)
    assert all(np.array_equal(state[name], kept[name]) for name in state)
    assert np.array_equal(engine.step(events[1], state)[0], first)


@pytest.mark.parametrize("name", BOUND)
def test_engines_differ_by_no_more_than_is_said(file: ModelFile, engines: dict[str, AnyEngine], name: str) -> None:
    known = _known(file, *range(8))
    for ours, theirs in zip(_logits(file, engines["numpy"], known), _logits(file, engines[name], known)):
        assert np.abs(ours - theirs).max() < BOUND[name]


def test_where_logits_agree_the_same_seed_gives_the_same_tune(
    file: ModelFile, engines: dict[str, AnyEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Model(file)
    settings = SamplingSettings(seed=4)
    tunes = model.generate_many(20, settings=settings)
    monkeypatch.setattr(model.decoder, "engine", engines["onnx"])
    assert model.generate_many(20, settings=settings) == tunes
    monkeypatch.setattr(model.decoder, "engine", engines["int8"])  # where they round apart a tune goes another way
    assert sum(a == b for a, b in zip(model.generate_many(20, settings=settings), tunes)) >= 4


def test_nats_are_those_of_the_model_and_8_bits_cost_little(file: ModelFile, engines: dict[str, AnyEngine]) -> None:
    """NumPy's are torch's as training measured them on the same pieces; 32 bits cost nothing, 8 bits under a hundredth."""
    pieces = small_corpus(240).rows("test")
    cost = {name: export.nats_per_note(file.vocabulary, engine, pieces) for name, engine in engines.items()}
    assert cost["numpy"] == pytest.approx(file.training["result"]["test"], abs=1e-4)
    assert cost["onnx"] == pytest.approx(cost["numpy"], abs=1e-5)
    assert cost["int8"] == pytest.approx(cost["numpy"], abs=0.01)
