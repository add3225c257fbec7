"""The laws of a memory of past states: the equation of Grave et al. (2016), written out; none is none; streams apart."""

from __future__ import annotations

from dataclasses import asdict, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from conftest import small_corpus
from music import folk_tune

import melody
from melody import export, modelfile
from melody.cli import main
from melody.errors import SamplingError
from melody.evaluation.evaluate import restored
from melody.evaluation.recalled import SHARES, Recalled, remembered
from melody.modelfile import ModelFile
from melody.network import AnyEngine, Engine
from melody.network.around import recognised
from melody.network.memory import Memory, Remembering
from melody.network.network import MelodyNetwork
from melody.network.settings import ModelSettings
from melody.sampling import Model
from melody.tokens.inputs.features import context
from melody.tokens.inputs.schema import feature_sizes
from melody.tokens.vocabulary import FIELDS, Rows

Array = np.ndarray
MEMORY = Memory(12, 0.3, 0.4)  # shorter than the tunes below, so that it forgets


@pytest.fixture(scope="module")
def file(trained: Path) -> ModelFile:
    return modelfile.load(trained)


def _with(file: ModelFile, memory: Memory, engine: AnyEngine | None = None) -> Remembering:
    return Remembering(engine or Engine(file.vocabulary, file.weights), memory, recognised(file.weights)[0].sizes)


def _known(file: ModelFile, *numbers: int) -> Array:
    """The first 30 events of tunes and what is known of each, (events, tunes, fields + features + conditions)."""
    rows = [file.vocabulary.encode(folk_tune(n))[:30] for n in numbers]
    return np.stack([np.concatenate([r, context(file.vocabulary, r)], axis=1) for r in rows], axis=1)


def _logits(file: ModelFile, engine: AnyEngine, known: Array) -> tuple[list[Array], Array]:
    """Of each field after each event but the last, (events - 1, tunes, field size), and what the step gave."""
    width = len(FIELDS) + len(feature_sizes(file.vocabulary))
    state, found, outputs = engine.begin(known.shape[1]), [], []
    for now, then in pairwise(known):
        seen, state = engine.step(now[:, :width], state)
        outputs.append(seen)
        trunks = engine.head_layers(seen)
        found.append([engine.logits(k, trunks, then[:, : len(FIELDS)], then[:, width:]) for k in engine.predicted])
    return [np.stack(field) for field in zip(*found)], outputs


def _by_the_paper(file: ModelFile, known: Array, memory: Memory) -> list[Array]:
    """Probabilities of each field, one stream, event after event and word after word, as the paper has it."""
    engine = Engine(file.vocabulary, file.weights)
    of_model, outputs = _logits(file, engine, known)
    hidden = [output[0, : recognised(file.weights)[0].sizes.hidden].astype(float) for output in outputs]
    rows, found = known[:, 0, : len(FIELDS)], []
    for number, field in enumerate(engine.predicted):
        of_field = []
        for t in range(len(rows) - 1):  # h_t, after which event t + 1 comes; (h_i, event i + 1) are remembered
            model = np.exp(of_model[number][t, 0].astype(float))
            model, cache, total = model / model.sum(), np.zeros(len(model)), 0.0
            for i in range(max(t - memory.size, 0), t):
                if all(rows[i + 1, before] == rows[t + 1, before] for before in range(field)):
                    weight = np.exp(memory.flatness * hidden[t] @ hidden[i])
                    cache[rows[i + 1, field]] += weight
                    total += weight
            of_field.append((1 - memory.share) * model + memory.share * cache / total if total else model)
        found.append(np.array(of_field))
    return found


def test_it_is_the_equation_of_the_paper_and_adds_up_to_one(file: ModelFile) -> None:
    known = _known(file, 3)
    found, _ = _logits(file, _with(file, MEMORY), known)
    plain, _ = _logits(file, Engine(file.vocabulary, file.weights), known)
    for field, expected in zip(found, _by_the_paper(file, known, MEMORY)):
        assert np.allclose(np.exp(field[:, 0].astype(float)), expected, atol=1e-5)
        assert np.allclose(np.exp(field.astype(float)).sum(axis=-1), 1, atol=1e-5)
    shares = [np.exp(field - np.logaddexp.reduce(field, axis=-1, keepdims=True)) for field in plain]
    assert max(np.abs(np.exp(field) - share).max() for field, share in zip(found, shares)) > 0.1  # it does something


@pytest.mark.parametrize("form", ["numpy", "int8"])
def test_streams_of_any_age_do_not_know_of_each_other(file: ModelFile, form: str) -> None:
    """Two are read for 9 events, a third joins, one is put in another's place, and each is what it is alone."""
    engine = _with(file, MEMORY, None if form == "numpy" else export.engine(file, "int8"))
    known, width = _known(file, 0, 1, 2), len(FIELDS) + len(feature_sizes(file.vocabulary))
    alone = [_logits(file, engine, known[:, [n]])[0] for n in range(3)]
    state = engine.begin(2)
    for now in known[:9]:
        _, state = engine.step(now[:2, :width], state)
    given, before = state, {name: state[name].copy() for name in state}
    state = state.join(engine.begin(1))
    state.put(np.array([0]), state.take(np.array([1])))
    places = np.array([9, 9, 0])  # the second tune twice, the third from its beginning
    for _ in range(15):
        now, then = (np.stack([known[p + k, tune] for p, tune in zip(places, (1, 1, 2))]) for k in (0, 1))
        seen, state = engine.step(now[:, :width], state)
        trunks = engine.head_layers(seen)
        for number, field in enumerate(engine.predicted):
            logits = engine.logits(field, trunks, then[:, : len(FIELDS)], then[:, width:])
            for stream, (place, tune) in enumerate(zip(places, (1, 1, 2))):
                assert np.abs(logits[stream] - alone[tune][number][place, 0]).max() < 1e-4
        places += 1
    assert all((given[name] == before[name]).all() for name in before)  # nobody's state was changed


def test_no_memory_is_the_model_and_a_memory_of_no_weight_plays_the_same(trained: Path) -> None:
    plain = melody.load(trained).generate(seed=5, bars=8, any_ending=True)
    for memory in (0, None, "0"):
        assert melody.load(trained, memory=memory).generate(seed=5, bars=8, any_ending=True) == plain
    weightless = melody.load(trained, memory="64:0:1").generate(seed=5, bars=8, any_ending=True)
    assert weightless.pitch.tolist() == plain.pitch.tolist() and weightless.onset.tolist() == plain.onset.tolist()


def test_many_tunes_at_once_are_the_tunes_alone(trained: Path) -> None:
    model = melody.load(trained, memory="100:0.4:0.5")
    together = model.generate_many(5, seed=2, bars=6, any_ending=True)
    assert together[0].pitch.tolist() == model.generate(seed=2, bars=6, any_ending=True).pitch.tolist()
    plain = melody.load(trained).generate_many(5, seed=2, bars=6, any_ending=True)
    assert [t.pitch.tolist() for t in together] != [t.pitch.tolist() for t in plain]


def _pieces(*numbers: int) -> list[Rows]:
    return [small_corpus().vocabulary.encode(folk_tune(n)) for n in numbers]


def test_what_is_measured_is_what_the_engine_plays(file: ModelFile) -> None:
    """All events of a piece at once, in torch, as event by event in NumPy; pieces longer than the memory."""
    model, pieces = restored(file), _pieces(0, 5, 9)
    for size in (7, 300):
        memory = Memory(size, 0.25, 0.3)
        nats = Recalled(model, file.vocabulary, pieces, size, [0.3]).nats(memory)
        source = Model(file, memory=memory)
        assert np.allclose(nats.sum(axis=1), [source.nats([rows])[0] for rows in pieces], rtol=1e-4)


def test_blocks_make_no_difference(file: ModelFile, monkeypatch: pytest.MonkeyPatch) -> None:
    model, pieces, memory = restored(file), _pieces(1, 2), Memory(20, 0.2, 0.3)
    whole = Recalled(model, file.vocabulary, pieces, 20, [0.3]).nats(memory)
    monkeypatch.setattr("melody.evaluation.recalled._BLOCK", 7)
    assert np.allclose(Recalled(model, file.vocabulary, pieces, 20, [0.3]).nats(memory), whole)


def test_share_and_flatness_are_those_that_suit_the_validation_pieces(file: ModelFile) -> None:
    model, valid, test = restored(file), _pieces(0, 1, 2), _pieces(20, 21)
    found = remembered(model, file.vocabulary, test, test, valid, 64)
    assert found.chosen_on == 3
    chosen = Recalled(model, file.vocabulary, valid, 64, [found.memory.flatness])
    best = chosen.nats(found.memory).sum()
    assert all(best <= chosen.nats(Memory(64, share, found.memory.flatness)).sum() for share in SHARES)
    given = remembered(model, file.vocabulary, test, test, valid, Memory(64, 0.0, 0.3))
    assert given.chosen_on == 0 and given.more.value == 0 and given.memory.share == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("many", "the memory is 'many'; write how many events, as 512"),
        ("512:0.1", "the memory is '512:0.1'; write how many events"),
        ("512:a:b", "write how many events"),
        ("-1", "a memory of -1 events was asked for; take 1 to 4,096, or 0 for none"),
        ("99999", "take 1 to 4,096"),
        ("512:0.95:1", "the memory's share is 0.95; it must be 0 to 0.9"),
        ("512:nan:1", "the memory's share is nan"),
        ("512:0.1:11", "the memory's flatness is 11; it must be 0 to 10"),
        ("9" * 5000, "the memory is '999"),
    ],
)
def test_what_makes_no_sense_is_refused(text: str, said: str) -> None:
    with pytest.raises(SamplingError, match=f"^[^\n]*{said}"):
        Memory.parse(text)


def test_the_commands_take_it(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folk_tune(3).write("tune.mid")
    name = str(trained)
    assert main(["generate", name, "--bars", "2", "--memory", "64", "--out", "g.mid"]) == 0
    assert (
        main(["vary", name, "tune.mid", "--bars", "2", "--candidates", "2", "--memory", "64:0.2:1", "--out", "v.mid"]) == 0
    )
    assert main(["inspect", name, "tune.mid", "--memory", "64"]) == 0
    for path, memory in (("g.mid", "64:0.02:1"), ("v.mid", "64:0.2:1")):
        assert f"memory={memory}".encode() in Path(path).read_bytes()
    assert main(["generate", name, "--memory", "no"]) == 2


def test_a_bidirectional_model_refuses_a_memory_in_a_gap(file: ModelFile) -> None:
    network = MelodyNetwork(file.vocabulary, replace(ModelSettings(**file.settings), bidirectional=True))
    weights = {name: value.detach().numpy() for name, value in network.state_dict().items()}
    both = replace(file, weights=weights, settings=asdict(network.settings))
    model = Model(both, memory=MEMORY)
    assert model.generate(seed=1, bars=1, any_ending=True).num_notes
    with pytest.raises(SamplingError, match="a bidirectional model has no memory in a gap"):
        model.vary(folk_tune(3), bars="2-3", seed=1)
