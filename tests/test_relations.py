"""The laws of relations: what a pitch would make with the lines above it, its learned values, and how they are balanced."""

from collections import Counter
from dataclasses import asdict, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import SmallCorpus
from music import folk_tune, lines

from melody import export, modelfile
from melody.dataset import with_features
from melody.errors import ModelFileError, TrainingError
from melody.evaluation.occasions import occasions
from melody.modelfile import ModelFile
from melody.network import Engine
from melody.network.network import MelodyNetwork
from melody.network.relations import RELATIONS, relates
from melody.network.settings import ModelSettings, settings_of
from melody.piece import Piece
from melody.sampling import Model
from melody.sampling.strategies.ancestral import Sample
from melody.statistics.part_writing import FIFTH, OCTAVE, parallels
from melody.tokens import Vocabulary
from melody.tokens.inputs.schema import feature_sizes
from melody.tokens.usage import FIRST_PART
from melody.tokens.vocabulary import FIELDS, KIND, VALUE
from melody.training.adapting.transfer import carried
from melody.training.balance import MOST_STEP, WEIGHT, Counts, balanced, counts, steps, with_relations
from melody.training.run import fit, plan
from melody.training.settings import TrainingSettings

SHAPE = ModelSettings(hidden_size=16, num_layers=1, embedding_size=12, head_size=12, dropout=0.0, relations=True)
PIECES = [lines(number, rests=number % 2 == 1) for number in range(12)]
VOCABULARY = Vocabulary.build(PIECES, transpositions=range(-5, 7))
WIDTH = len(FIELDS) + len(feature_sizes(VOCABULARY))


def _file(seed: int = 0, values: float = 1.0) -> ModelFile:
    """A model that has learned nothing, with values of relations by chance."""
    torch.manual_seed(seed)
    network = MelodyNetwork(VOCABULARY, SHAPE)
    weights = {name: value.numpy() for name, value in network.state_dict().items()}
    weights[WEIGHT] = values * np.random.default_rng(seed).normal(size=weights[WEIGHT].shape).astype(np.float32)
    return ModelFile(weights, VOCABULARY, asdict(SHAPE), training={"longest_piece": 150})


def _network(file: ModelFile) -> MelodyNetwork:
    network = MelodyNetwork(file.vocabulary, settings_of(file.settings))
    network.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in file.weights.items()})
    return network.eval()


def _by_definition(piece: Piece) -> Counter[str]:
    """Relations of every note to the lines above it, from what sounds."""
    found: Counter[str] = Counter()

    def sounding(part: int, tick: int) -> int | None:
        at = np.flatnonzero((piece.part == part) & (piece.onset <= tick) & (piece.end > tick))
        return int(piece.pitch[at[0]]) if len(at) else None

    for onset, pitch, part in zip(piece.onset.tolist(), piece.pitch.tolist(), piece.part.tolist()):
        key = [key for key in piece.keys if key.onset <= onset][-1]
        before = sounding(part, onset - 1)
        upper = [(other - key.tonic) % 12 for above in range(part) if (other := sounding(above, onset)) is not None]
        is_dominant = set(upper) <= {2, 5, 7, 11}
        for above in range(part):
            other, other_before = sounding(above, onset), sounding(above, onset - 1)
            if other is None:
                continue
            interval = (other - pitch) % 12
            found["semitone"] += interval in (1, 11)
            found["whole tone"] += interval in (2, 10)
            found["doubled leading note"] += is_dominant and interval == 0 and (pitch - key.tonic) % 12 == 11
            has_begun = onset in piece.onset[piece.part == above]
            if before is None or other_before is None or not has_begun or (other - other_before) % 12 == 0:
                continue
            found["parallel octave"] += interval == 0 == (other_before - before) % 12
            found["parallel fifth"] += interval == 7 == (other_before - before) % 12
    return found


def _logits(network: MelodyNetwork, events: np.ndarray) -> np.ndarray:
    """Of the value of each event, (events, values), by torch."""
    with torch.no_grad():
        given = torch.from_numpy(events)[None]
        hidden, _ = network(given[:, :-1])
        found: np.ndarray = network.logits(hidden, given[:, 1:])[VALUE][0].numpy()
    return found


# What is counted


@pytest.mark.parametrize("number", range(len(PIECES)))
def test_relations_of_events_are_those_of_what_sounds(number: int) -> None:
    found = counts(VOCABULARY, [VOCABULARY.encode(PIECES[number])])
    assert dict(zip(RELATIONS, found.found.tolist())) == {name: _by_definition(PIECES[number])[name] for name in RELATIONS}
    assert found.notes == PIECES[number].num_notes


def test_without_rests_parallels_are_those_of_the_statistics() -> None:
    legato = [lines(number) for number in range(40)]
    found = counts(VOCABULARY, [VOCABULARY.encode(piece) for piece in legato])
    measured = [sum(parallels(piece, interval)[0] for piece in legato) for interval in (FIFTH, OCTAVE)]
    assert found.found[:2].tolist() == measured and min(measured) > 10


def test_relations_do_not_depend_on_the_key() -> None:
    for piece in PIECES:
        each = [counts(VOCABULARY, [VOCABULARY.encode(piece.transpose(by))]).found.tolist() for by in (-5, 0, 6)]
        assert each[0] == each[1] == each[2]


# What is added


def test_a_relation_adds_its_value_once_for_each_line_and_nothing_else() -> None:
    """Against the same model without values, pitch by pitch: what `counts` finds if that pitch were played."""
    file, rows = _file(), VOCABULARY.encode(PIECES[0])[:60]
    none = replace(file, weights={**file.weights, WEIGHT: np.zeros_like(file.weights[WEIGHT])})
    events = with_features(VOCABULARY, rows)
    added = _logits(_network(file), events) - _logits(_network(none), events)
    notes = np.flatnonzero(VOCABULARY.is_note(rows))
    for at in notes[20:40]:
        voice = rows[at, KIND] - FIRST_PART + 1  # the first one is of changes
        before = counts(VOCABULARY, [rows[:at]]).found
        for value in range(VOCABULARY.first_pitch, VOCABULARY.sizes[VALUE]):
            tried = rows[: at + 1].copy()
            tried[at, VALUE] = value
            of_pitch = counts(VOCABULARY, [tried]).found - before
            assert added[at, value] == pytest.approx(file.weights[WEIGHT][voice] @ of_pitch, abs=1e-5)
    assert not added[:, : VOCABULARY.first_pitch].any() and added.any()


@pytest.mark.parametrize("streams", [1, 2, 12])
def test_engines_give_the_logits_of_the_network(streams: int) -> None:
    """NumPy, for one stream and for many, and the exported heads."""
    onnxruntime = pytest.importorskip("onnxruntime")
    file = _file(1)
    network, engine = _network(file), Engine(VOCABULARY, file.weights)
    exported = onnxruntime.InferenceSession(export.to_onnx(file), providers=["CPUExecutionProvider"])
    shortest = min(len(VOCABULARY.encode(piece)) for piece in PIECES)
    known = np.stack([with_features(VOCABULARY, VOCABULARY.encode(piece)[:shortest]) for piece in PIECES[:streams]])
    expected = np.stack([_logits(network, events) for events in known], axis=1)  # (events, streams, values)
    state = engine.begin(streams)
    empty = {each.name: np.zeros((0, each.shape[1]), np.float32) for each in exported.get_inputs()}
    for at, (now, then) in enumerate(pairwise(known.transpose(1, 0, 2))):
        hidden, state = engine.step(now[:, :WIDTH], state)
        trunks = engine.head_layers(hidden)
        chosen, conditions = then[:, : len(FIELDS)], then[:, WIDTH:]
        assert np.abs(engine.logits(VALUE, trunks, chosen, conditions) - expected[at]).max() < 1e-4
        given = {**empty, "event": np.zeros((0, WIDTH), np.int64), "trunks": trunks}
        (logits,) = exported.run(["value"], {**given, "chosen": chosen, "conditions": conditions})
        assert np.abs(logits - expected[at]).max() < 1e-4


def test_only_lines_have_relations() -> None:
    """One part has none, whatever the settings say; a model of two has as many values as its head has voices."""
    alone = Vocabulary.build([folk_tune(0)])
    assert relates(VOCABULARY) and not relates(alone)
    assert WEIGHT not in MelodyNetwork(alone, SHAPE).state_dict()
    assert MelodyNetwork(VOCABULARY, SHAPE).state_dict()[WEIGHT].shape == (5, len(RELATIONS))
    assert WEIGHT not in MelodyNetwork(VOCABULARY, replace(SHAPE, relations=False)).state_dict()


def test_settings_are_checked() -> None:
    with pytest.raises(ModelFileError, match="relations = '1'; it must be true or false"):
        settings_of({"relations": 1})


def test_an_adapted_model_keeps_the_values_of_its_parts() -> None:
    fewer = Vocabulary.build([lines(3, voices=3)], transpositions=range(-5, 7))
    file = _file()
    new = MelodyNetwork(fewer, SHAPE)
    carried(_network(file), VOCABULARY, new, fewer)
    assert np.array_equal(new.state_dict()[WEIGHT].numpy(), file.weights[WEIGHT][:4])


def test_what_a_model_expects_is_what_it_gives_to_all_pitches_of_a_relation() -> None:
    """Written out for one piece: the logits' softmax over the pitches for which `counts` would find one more."""
    file, rows = _file(4), VOCABULARY.encode(PIECES[2])[:32]
    logits = _logits(_network(file), with_features(VOCABULARY, rows)).astype(np.float64)
    probability = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    sums: dict[str, list[float]] = {name: [] for name in RELATIONS}
    for at in np.flatnonzero(VOCABULARY.is_note(rows)):
        before = counts(VOCABULARY, [rows[:at]]).found
        has = np.zeros((len(RELATIONS), VOCABULARY.sizes[VALUE]), bool)
        for value in range(VOCABULARY.first_pitch, VOCABULARY.sizes[VALUE]):
            tried = rows[: at + 1].copy()
            tried[at, VALUE] = value
            has[:, value] = counts(VOCABULARY, [tried]).found > before
        for name, of_pitches in zip(RELATIONS, has):
            sums[name] += [float(probability[at] @ of_pitches)] if of_pitches.any() else []
    found = occasions(file, [rows])
    for name in RELATIONS:
        assert found[name].notes == len(sums[name]) > 0
        assert found[name].expected == pytest.approx(np.mean(sums[name]), abs=1e-5)


# Balancing


def test_balanced_its_own_tunes_have_as_many_as_the_music() -> None:
    """From values by chance, whatever they are; the same seed gives the same values."""
    file = replace(_file(2), training={"longest_piece": 60})
    pieces = [VOCABULARY.encode(piece) for piece in PIECES]
    made = balanced(file, pieces, tunes=12, rounds=5)
    facts = made.training["balance"]
    wanted, before, after = (np.array(facts[name]) for name in ("pieces", "before", "after"))
    assert np.abs(after - wanted).sum() < 0.5 * np.abs(before - wanted).sum()
    assert np.allclose(wanted, 100 * counts(VOCABULARY, pieces).rates, atol=1e-3)
    again = balanced(file, pieces, tunes=12, rounds=5)
    assert np.array_equal(again.weights[WEIGHT], made.weights[WEIGHT])
    others = set(file.weights) - {WEIGHT}
    assert all(made.weights[name] is file.weights[name] for name in others)


def test_a_relation_shall_come_as_often_by_note_or_by_occasion_whichever_is_less() -> None:
    """By hand: of what comes twice too often the value falls by ln 2, of what comes half as often as it may it rises so."""
    wanted = Counts(np.array([100, 100, 100, 100, 0]), np.array([1000, 1000, 1000, 1000, 1000]), 10_000)
    found = Counts(np.array([201, 201, 24, 1_000, 0]), np.array([4000, 500, 1000, 1000, 1000]), 20_000)
    expected = [np.log(201 / 202), np.log(51 / 202), np.log(101 / 25), -MOST_STEP, 0.0]
    assert steps(found, wanted).tolist() == pytest.approx(expected)


def test_a_tune_that_does_not_end_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = [VOCABULARY.encode(piece) for piece in PIECES[:3]]
    endless = np.concatenate([whole[0][:-1]] * 9)
    for made, counted in (([*whole, endless], whole), ([endless], [endless])):
        samples = [Sample(rows, 0.0, 0.0) for rows in made]
        monkeypatch.setattr("melody.training.balance.new_samples", lambda *_, samples=samples: samples)
        facts = balanced(_file(), whole, tunes=1, max_seconds=0).training["balance"]
        assert facts["before"] == pytest.approx((100 * counts(VOCABULARY, counted).rates).tolist(), abs=1e-3)


def test_without_time_nothing_is_changed_but_told() -> None:
    file = _file(3)
    made = balanced(file, [VOCABULARY.encode(PIECES[0])], tunes=2, max_seconds=0)
    assert np.array_equal(made.weights[WEIGHT], file.weights[WEIGHT]) and made.training["balance"]["after"]


def test_relations_that_are_new_to_a_model_change_nothing_yet(tmp_path: Path) -> None:
    file = _file()
    weights = {name: value for name, value in file.weights.items() if name != WEIGHT}
    without = replace(file, weights=weights, settings={**file.settings, "relations": False})
    made = with_relations(without)
    made.save(tmp_path / "m.safetensors")
    assert not modelfile.load(tmp_path / "m.safetensors").weights[WEIGHT].any()
    tunes = [Model(each).generate(seed=1, max_notes=60, any_ending=True) for each in (made, without)]
    assert replace(tunes[0], texts=()) == replace(tunes[1], texts=())
    alone = Vocabulary.build([folk_tune(0)])
    with pytest.raises(TrainingError, match="no two parts"):
        with_relations(ModelFile({}, alone, {}))


def test_training_balances_at_its_end(tmp_path: Path) -> None:
    rows = [VOCABULARY.encode(piece) for piece in PIECES]
    corpus = SmallCorpus(VOCABULARY, {"train": rows[2:], "valid": rows[:1], "test": rows[1:2]})
    assert plan(corpus).model.relations
    file = fit(corpus, tmp_path / "m.safetensors", TrainingSettings(epochs=2, max_minutes=0.5, model=SHAPE, samples=0))
    facts = modelfile.load(tmp_path / "m.safetensors").training
    assert facts["balance"]["relations"] == list(RELATIONS) and len(facts["balance"]["values"]) == len(RELATIONS)
    assert file.test == pytest.approx(facts["result"]["test"])
