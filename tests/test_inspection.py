"""A look inside: what is shown is what the model computes, and what follows music by chance is not taken for more."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from commands import melody
from music import folk_tune
from untrained import SMALL, untrained

import melody as package
from melody import midi
from melody.errors import PieceError
from melody.inspection.anomalies import anomalies, suspicion
from melody.inspection.aspects import aspects
from melody.inspection.influence import influence
from melody.inspection.inspecting import Inspection, inspect
from melody.inspection.predicted import Reading, read
from melody.inspection.units import Followers, explained, followers, ranked, unit_values
from melody.inspection.words import expectations, place
from melody.modelfile import ModelFile
from melody.network.cells import CELLS, CellName
from melody.network.network import MelodyNetwork
from melody.piece import Piece
from melody.report.inside.inspected import tracks
from melody.report.inside.inspected_page import page
from melody.sampling import Model
from melody.tokens import Vocabulary
from melody.tokens.vocabulary import TIME, VALUE

TUNE = folk_tune(500)


@pytest.fixture(scope="module")
def model(trained: Path) -> Model:
    return package.load(trained)


@pytest.fixture(scope="module")
def found(model: Model) -> Inspection:
    return inspect(model, TUNE)


# What is read


def test_the_nats_are_those_of_the_model(model: Model, found: Inspection) -> None:
    reading = found.reading
    assert np.allclose(reading.nats.sum(axis=1), model.decoder.score([reading.rows])[0])
    assert np.array_equal(reading.piece.pitch, TUNE.pitch) and np.array_equal(reading.piece.onset, TUNE.onset)


def test_what_was_expected_has_its_own_probability(found: Inspection) -> None:
    reading = found.reading
    for field in (TIME, VALUE):
        tokens, probabilities = reading.expected[field]
        came = reading.rows[reading.notes, field][:, None] == tokens
        assert np.allclose(probabilities[came], np.exp(-reading.nats[reading.notes, field])[came.any(axis=1)], atol=1e-9)
        assert np.all(np.diff(probabilities, axis=1) <= 0) and np.all(probabilities.sum(axis=1) <= 1 + 1e-9)


def test_an_expected_time_is_named_where_it_would_stand(found: Inspection) -> None:
    reading = found.reading
    sure = int(reading.nats[reading.notes, TIME].argmin())
    assert expectations(reading, sure)["time"][0].name == place(reading.piece, int(reading.piece.onset[sure]))


@pytest.mark.parametrize("cell", list(CELLS))
def test_gates_and_states_satisfy_the_equations(cell: CellName) -> None:
    vocabulary = Vocabulary.build([TUNE])
    settings = replace(SMALL, cell=cell, num_layers=2)
    torch.manual_seed(1)
    weights = {name: 2 * value.numpy() for name, value in MelodyNetwork(vocabulary, settings).state_dict().items()}
    reading = read(Model(ModelFile(weights, vocabulary, {"cell": cell}, name="x")), TUNE)
    shape = (len(reading.rows), 2, SMALL.hidden_size)
    for gate in reading.gates.values():
        assert gate.shape == shape and gate.min() >= 0 and gate.max() <= 1 and np.ptp(gate) > 0.1
    now = {name: array.reshape(shape) for name, array in reading.states.items()}
    if cell in ("lstm", "peephole"):
        assert np.allclose(now["h"], reading.gates["output"] * np.tanh(now["c"]), atol=1e-5)
        kept = reading.gates["forget"][1:] * now["c"][:-1]
        assert np.all(np.abs(now["c"][1:] - kept) <= reading.gates["input"][1:] + 1e-5)
    if cell == "slstm":
        assert np.allclose(
            now["n"][1:], (reading.gates["forget"][1:] * now["n"][:-1] + reading.gates["input"][1:]), atol=1e-4
        )
        assert np.allclose(now["h"], reading.gates["output"] * now["c"] / now["n"], atol=1e-4)
    if cell in (
        "mingru",
        "minlstm",
    ):  # what comes in is a product of the event alone
        renewed = reading.gates["update" if cell == "mingru" else "input"]
        own = weights[f"{cell}.weight_ih_l0"][-SMALL.hidden_size :], weights[f"{cell}.bias_l0"][-SMALL.hidden_size :]
        new = reading.inputs @ own[0].T + own[1]
        expected = now["h"][:-1, 0] + renewed[1:, 0] * (new[1:] - now["h"][:-1, 0])
        assert np.allclose(now["h"][1:, 0], expected, atol=1e-4)
        assert cell == "mingru" or np.allclose(reading.gates["input"] + reading.gates["forget"], 1, atol=1e-6)
    if cell == "gru":
        update = reading.gates["update"][1:]
        assert np.all(np.abs(now["h"][1:] - update * now["h"][:-1]) <= 1 - update + 1e-5)


@pytest.mark.parametrize("notes", [0, 5000])
def test_what_is_too_little_or_too_much_is_refused(model: Model, notes: int) -> None:
    with pytest.raises(PieceError, match=r"1 to 4,000|no notes"):
        read(model, Piece(np.arange(notes) * 12, [12] * notes, [60] * notes))


# From which notes


def test_influence_is_the_difference_to_the_altered_tune_read_anew(model: Model, found: Inspection) -> None:
    reading, note = found.reading, len(found.reading.notes) // 2
    rows, event = reading.rows.copy(), int(reading.notes[note])
    rows[event, VALUE] = found.influence.pitch[note] - reading.vocabulary.pitches[0] + reading.vocabulary.first_pitch
    anew, true = model.decoder.score([rows])[0], reading.nats.sum(axis=1)
    assert rows[event, VALUE] != reading.rows[event, VALUE]
    assert np.allclose(found.influence.later[note, event + 1 :], (anew - true)[event + 1 :], atol=1e-5)
    assert np.isclose(found.influence.own[note], (true - anew)[event], atol=1e-5)
    assert not found.influence.later[note, : event + 1].any()


def test_influence_ends_at_its_reach(model: Model, found: Inspection) -> None:
    near = influence(model, found.reading, reach=3).later
    for row, far, event in zip(near, found.influence.later, found.reading.notes.tolist()):
        assert np.allclose(row[: event + 4], far[: event + 4], atol=1e-5) and not row[event + 4 :].any()


def test_sources_are_past_notes_the_strongest_first(found: Inspection) -> None:
    for note in range(len(found.reading.notes)):
        numbers, nats = zip(*found.sources(note)) if found.sources(note) else ((), ())
        assert all(number < note for number in numbers) and list(nats) == sorted(nats, reverse=True)


# Units


def _with_units(reading: Reading, values: np.ndarray) -> Reading:
    """A reading whose state is these units after each note, (notes, units)."""
    states = np.zeros((len(reading.rows), values.shape[1]), np.float32)
    states[reading.notes + 1] = values
    return replace(reading, states={"c": states}, hidden=values.shape[1])


def test_a_unit_that_follows_is_found_and_named(found: Inspection) -> None:
    rng, reading = np.random.default_rng(0), found.reading
    for number, aspect in enumerate(aspects(reading)):
        if np.ptp(aspect.values) == 0:
            continue
        units = rng.normal(size=(len(reading.notes), 40))
        units[:, 7] = aspect.values / aspect.values.std() + 0.05 * rng.normal(size=len(units))
        (own,) = (each for each in followers([_with_units(reading, units)]) if each.aspect.name == aspect.name)
        assert own.units[0].name == "c 1.8", (number, aspect.name)
        assert own.units[0].explained > max(own.chance, 0.5)
        assert np.allclose(unit_values(_with_units(reading, units), own.units[0]), units[:, 7], atol=1e-4)


def test_units_that_follow_nothing_are_as_many_as_by_chance(found: Inspection) -> None:
    passed, share = 0, []
    for seed in range(20):
        units = np.random.default_rng(seed).normal(size=(len(found.reading.notes), 60))
        for note in range(1, len(units)):  # slow, as cells are
            units[note] += 0.9 * units[note - 1]
        each: list[Followers] = followers([_with_units(found.reading, units)], seed=seed)
        passed += sum(one.units[0].explained > one.chance for one in each)
        share += [one.share for one in each]
    assert passed <= 0.2 * len(share) and np.mean(share) < 0.12


def test_explained_is_the_square_of_the_correlation_or_the_correlation_ratio() -> None:
    rng = np.random.default_rng(3)
    units, values = rng.normal(size=(50, 4)), rng.integers(0, 3, 50).astype(float)
    by_number, by_class = explained(units, values[None], False)[0], explained(units, values[None], True)[0]
    for unit in range(4):
        assert np.isclose(by_number[unit], np.corrcoef(units[:, unit], values)[0, 1] ** 2)
        means = np.array([units[values == name, unit].mean() for name in values])
        assert np.isclose(by_class[unit], means.var() / units[:, unit].var())
    assert ranked(np.array([5.0, 5.0, 1.0])).tolist() == [2.5, 2.5, 1.0]


# What is wrong


@pytest.mark.parametrize("semitones", [-3, 1, 2])
def test_a_wrong_note_is_among_the_most_suspicious(model: Model, semitones: int) -> None:
    pitch = TUNE.pitch.copy()
    wrong = 21
    pitch[wrong] += semitones
    reading = read(model, replace(TUNE, pitch=pitch))
    listed = anomalies(reading, influence(model, reading, 16), most=3)
    assert wrong in [each.note for each in listed]
    by_pitch, by_rhythm = suspicion(reading, influence(model, reading, 16))
    assert listed[0].score == max(by_pitch + by_rhythm) and by_pitch.min() >= 0 and by_rhythm.min() >= 0


# What is shown


def test_everything_is_plain_data(found: Inspection) -> None:
    data = json.loads(json.dumps(found.to_dict()))
    assert len(data["notes"]) == len(found.reading.notes) == len(data["gates"]["forget"][0])
    assert data["notes"][5]["pitch"] == TUNE.pitch[5] and data["notes"][5]["nats"] == round(found.reading.surprise[5], 4)
    assert np.isclose(data["nats_per_note"], found.reading.nats.sum() / TUNE.num_notes)


def test_tracks_stand_on_the_time_of_the_roll(found: Inspection) -> None:
    for track in tracks(found):
        assert track.values.shape[1] == len(track.ticks) and np.all(np.diff(track.ticks) > 0)
        assert track.ticks[0] == TUNE.onset[0] and track.end == TUNE.length


def test_chords_have_one_strip_an_onset() -> None:
    piece = Piece([0, 0, 24, 24, 48, 72], [24] * 6, [60, 64, 62, 65, 60, 67])
    drawn = tracks(inspect(untrained(Vocabulary.build([piece])), piece))
    assert drawn[0].values.shape == (1, 4)


def test_the_page_asks_nobody_and_escapes_what_strangers_wrote(found: Inspection) -> None:
    text = page(found, "<script>alert(1)</script>")
    assert "<script>alert" not in text and "default-src 'none'" in text
    assert "http" not in text.replace("http-equiv", "").replace("http://www.w3.org/2000/svg", "")


def test_a_note_can_be_clicked(found: Inspection, browser: Any, tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text(page(found, "a tune"), "utf-8")
    tab, errors = browser.new_page(), []
    tab.on("pageerror", lambda error: errors.append(str(error)))
    tab.on("console", lambda message: errors.append(message.text))
    tab.goto((tmp_path / "a.html").as_uri())
    note = max(range(TUNE.num_notes), key=lambda i: len(found.sources(i)))
    tab.locator(".notes rect").nth(note).click()
    assert place(TUNE, int(TUNE.onset[note])) in tab.locator("#note h3").first.inner_text()
    assert tab.locator(".notes .source").count() == len(found.sources(note)) > 0
    assert errors == []
    tab.close()


def test_the_command_writes_what_was_asked_for(trained: Path, tmp_path: Path) -> None:
    midi.write(TUNE, tmp_path / "tune.mid")
    written = ("--json", "a.json", "--png", "a.png", "--html", "a.html")
    done = melody("inspect", trained, "tune.mid", "--with", ".", *written, cwd=tmp_path)
    assert done.stdout.splitlines()[-3:] == ["a.json", "a.png", "a.html"]
    assert "place in the bar" in done.stdout and "on 2 tunes" in done.stdout
    assert len(json.loads((tmp_path / "a.json").read_text())["notes"]) == TUNE.num_notes
    assert (tmp_path / "a.png").read_bytes()[:4] == b"\x89PNG"
    listed = melody("inspect", trained, "tune.mid", "--anomalies", "--most", "3", cwd=tmp_path).stdout.splitlines()
    assert len(listed) == 4


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--png", "a.html"), "must end in .png or .svg"),
        (("--html", "a.png"), "must end in .html"),
        (("--with", "nowhere"), "no folder"),
        (("--bars", "90-99"), "the piece has bars"),
        (("--most", "0"), "--most"),
        (("--json", "tune.mid"), "is the file that is read"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_line(
    trained: Path, tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    midi.write(TUNE, tmp_path / "tune.mid")
    assert words in melody("inspect", trained, "tune.mid", *arguments, cwd=tmp_path, expect=2).stderr
    assert [path.name for path in tmp_path.iterdir()] == ["tune.mid"]


@pytest.mark.parametrize("around", [{"front": "conv"}, {"attention": 4}, {"front": "conv", "attention": 4}])
def test_gates_are_seen_through_what_stands_around_a_cell(around: dict[str, Any]) -> None:
    vocabulary = Vocabulary.build([TUNE])
    torch.manual_seed(1)
    network = MelodyNetwork(vocabulary, replace(SMALL, num_layers=2, **around))
    weights = {name: 2 * value.numpy() for name, value in network.state_dict().items()}
    reading = read(Model(ModelFile(weights, vocabulary, around, name="x")), TUNE)
    shape = (len(reading.rows), 2, SMALL.hidden_size)
    assert list(reading.states) == ["h", "c"]
    h, c = (reading.states[name].reshape(shape) for name in ("h", "c"))
    assert np.allclose(h, reading.gates["output"] * np.tanh(c), atol=1e-5)
