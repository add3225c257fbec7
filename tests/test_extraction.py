"""What a model recites: what is counted is what it would go on with; what was learnt by heart is found."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import small_corpus

from melody import modelfile
from melody.evaluation.evaluate import restored, token_nats
from melody.evaluation.extraction import CONTINUED, PROMPTS, Group, Reading, Recital, extraction, grouped, readings, recited
from melody.network.network import MelodyNetwork
from melody.network.settings import ModelSettings
from melody.sampling import SamplingSettings, load
from melody.training.alarms import after


def test_a_reading_is_the_likelihood_and_what_greedy_sampling_goes_on_with(trained: Path) -> None:
    corpus = small_corpus(20)
    rows, vocabulary = list(corpus.rows("train"))[:4], corpus.vocabulary
    model = restored(modelfile.load(trained))
    found = readings(model, grouped(vocabulary, rows), (1.0, 0.5))
    for reading, nats in zip(found, token_nats(model, vocabulary, rows)):
        assert reading.nats[0] == pytest.approx(nats.sum(axis=1), abs=1e-4) and (reading.nats[1] >= -1e-9).all()
    piece = vocabulary.decode(rows[0])
    prompt = piece.select(np.arange(8))
    greedy = load(trained).continue_(prompt, settings=SamplingSettings(temperature=0, any_ending=True))
    notes = np.flatnonzero(vocabulary.is_note(rows[0]))
    wrong = np.flatnonzero(~found[0].right[notes[8] : notes[-1] + 1])
    agree = int((notes[8] + wrong[0] > notes[8:]).sum()) if len(wrong) else len(notes) - 8
    own = list(zip(greedy.onset[8:], greedy.pitch[8:]))[:agree]
    assert own == list(zip(piece.onset[8:], piece.pitch[8:]))[:agree]


def test_what_is_right_throughout_is_recited_and_one_wrong_note_breaks_it() -> None:
    corpus = small_corpus(20)
    rows, vocabulary = [np.asarray(corpus.rows("train")[0])], corpus.vocabulary
    notes = np.flatnonzero(vocabulary.is_note(rows[0]))
    right = np.ones(len(rows[0]), bool)
    assert recited(vocabulary, rows, [Reading(right, np.zeros((1, len(right))))]) == 1
    middle = len(notes) // 2
    right[notes[middle]] = False
    places = len(notes) - CONTINUED
    broken = sum(first < middle <= first + CONTINUED for first in range(places))
    assert recited(vocabulary, rows, [Reading(right, np.zeros((1, len(right))))]) == pytest.approx(1 - broken / places)
    assert np.isnan(recited(vocabulary, [rows[0][:3]], [Reading(right[:3], np.zeros((1, 3)))]))


def test_the_curve_counts_by_prompt_by_versions_and_beside_held_out_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = small_corpus(40)
    train, heldout = list(corpus.rows("train")), list(corpus.rows("valid"))

    def read(_model: object, groups: list[Group]) -> list[Reading]:
        pieces = heldout if sum(len(group.numbers) for group in groups) == len(heldout) else train
        nats = 0.0 if pieces is train else 9.0
        return [Reading(np.full(len(rows), pieces is train), np.full((1, len(rows)), nats)) for rows in pieces]

    monkeypatch.setattr("melody.evaluation.extraction.readings", read)
    groups = ["a", "a", *(f"g{n}" for n in range(len(train) - 2))]
    found = extraction(None, corpus.vocabulary, train, groups, groups, heldout)  # type: ignore[arg-type]
    curves = {(each.name, each.decoding): each for each in found}
    reached = [n for n, number in enumerate(curves["training", "greedy"].pieces) if number]
    assert reached and PROMPTS[reached[0]] == 8
    assert all(curves["training", decoding].shares[n] == 1 for decoding in ("greedy", "0.8") for n in reached)
    assert all(curves["held-out", decoding].shares[n] < 1e-9 for decoding in ("greedy", "0.8") for n in reached)
    assert curves["training, 2 versions", "greedy"].pieces[0] == 2
    assert curves["training, 1 version", "greedy"].pieces[0] == len(train) - 2
    assert found[0].to_dict()["by_prompt"][0] == {"prompt": 8, "share": 1.0, "pieces": len(train)}


def test_what_is_written_down_of_an_epoch_is_finite_and_of_the_pieces() -> None:
    corpus = small_corpus(40)
    model = MelodyNetwork(corpus.vocabulary, ModelSettings(hidden_size=8, num_layers=1, embedding_size=8, head_size=8))
    found = Recital(corpus.vocabulary, corpus.rows("train"), corpus.rows("valid")).measure(model)
    assert found["recited"] == found["recited_valid"] == 0 and found["train_read"] > 1
    short = [np.asarray(corpus.rows("train")[0])[:4]]
    assert "recited" not in Recital(corpus.vocabulary, short, short).measure(model)


@pytest.mark.parametrize(("train", "valid", "warns"), [(0.3, 0.05, True), (0.3, 0.25, False), (0.05, 0.0, False)])
def test_a_model_that_recites_is_reported_and_one_that_knows_the_style_is_not(
    train: float, valid: float, warns: bool
) -> None:
    """Where others come out as well, it is the style that the model knows."""
    last = {"epoch": 1, "steps": 10, "train": 1.0, "valid": 1.0, "unigram": 2.0, "recited": train, "recited_valid": valid}
    plan = SimpleNamespace(adapts=False, uniform=5.0, learning_rate=0.001, epochs=10)
    kinds = [alarm.kind for alarm in after([last], plan, 3)]  # type: ignore[arg-type]
    assert kinds == (["reciting"] if warns else [])
