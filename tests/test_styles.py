"""A style is a state to begin from: it changes nothing else, belongs to one model, and is learned from few tunes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from commands import melody
from conftest import small_corpus
from music import folk_tune

import melody as package
from melody import midi, models
from melody.errors import ModelFileError, TrainingError
from melody.evaluation.evaluate import nats_per_note, restored
from melody.modelfile import ModelFile, load
from melody.models import Style, load_style, open_model
from melody.training.adapting.state_only import learn_state
from melody.training.settings import TrainingSettings, check_style


@pytest.fixture(scope="module")
def file(trained: Path) -> ModelFile:
    return load(trained)


def a_style(file: ModelFile, size: float = 1.0) -> Style:
    width = file.weights["lstm.weight_hh_l0"].shape[1]
    rng = np.random.default_rng(0)
    initial = {name: (size * rng.normal(size=width)).astype(np.float32) for name in ("h", "c")}
    return Style(file.name, file.fingerprint, initial, {"tunes": 5})


def few(file: ModelFile, tunes: list[Any]) -> Any:
    """So many tunes as a corpus of the model's vocabulary, the last of them to choose on."""
    rows = [file.vocabulary.encode(tune) for tune in tunes]
    split = {"train": rows[:-1], "valid": rows[-1:]}
    return SimpleNamespace(
        vocabulary=file.vocabulary,
        rows=split.__getitem__,
        names=lambda name: [f"{name}-{i}" for i in range(len(split[name]))],
    )


def test_a_style_is_read_as_it_was_written(file: ModelFile, tmp_path: Path) -> None:
    style = a_style(file)
    style.save(tmp_path / "five.style")
    found = load_style(tmp_path / "five.style")
    assert (found.model, found.fingerprint, found.facts) == (style.model, style.fingerprint, style.facts)
    assert all(np.array_equal(found.initial[name], style.initial[name]) for name in ("h", "c"))
    assert (tmp_path / "five.style").stat().st_size < 4_000


def test_both_engines_begin_from_it_and_go_on_as_the_model_does(file: ModelFile) -> None:
    rows = small_corpus(12).pieces["test"]
    begun = a_style(file).of(file)
    model = package.sampling.Model(begun)
    by_torch = nats_per_note(restored(begun), file.vocabulary, rows)
    notes = sum(int(file.vocabulary.is_note(each).sum()) for each in rows)
    by_numpy = sum(model.decoder.score([each]).sum() for each in rows) / notes
    assert np.isclose(by_torch, by_numpy, atol=1e-4)
    assert not np.isclose(by_torch, nats_per_note(restored(file), file.vocabulary, rows), atol=1e-3)
    zeros = replace(a_style(file), initial={name: 0 * array for name, array in a_style(file).initial.items()})
    assert np.isclose(
        nats_per_note(restored(zeros.of(file)), file.vocabulary, rows), nats_per_note(restored(file), file.vocabulary, rows)
    )


def test_a_learned_state_predicts_what_it_was_learned_from_better_and_leaves_the_model(file: ModelFile) -> None:
    tunes = [folk_tune(n) for n in range(6)]
    before = {name: array.copy() for name, array in file.weights.items()}
    found = learn_state(file, few(file, tunes), steps=24)
    assert found.after < found.before and found.tunes == 5 and found.measured_on == "valid"
    assert all(np.array_equal(before[name], array) for name, array in file.weights.items())
    again = learn_state(file, few(file, tunes), steps=24)
    assert all(np.array_equal(found.style.initial[name], array) for name, array in again.style.initial.items())


def test_a_style_that_brings_nothing_is_zeros(file: ModelFile) -> None:
    corpus = few(file, [folk_tune(n) for n in range(3)])
    found = learn_state(file, corpus, steps=8, learning_rate=50.0)
    assert found.after <= found.before


@pytest.mark.parametrize(
    "spoiled",
    [
        lambda style: replace(style, fingerprint="0" * 12),
        lambda style: replace(style, initial={"h": style.initial["h"]}),
        lambda style: replace(style, initial={**style.initial, "c": style.initial["c"][:-1]}),
    ],
)
def test_another_models_style_is_refused(file: ModelFile, spoiled: Any) -> None:
    with pytest.raises(ModelFileError, match="learn it again"):
        spoiled(a_style(file)).of(file)


def test_what_is_no_style_is_refused(file: ModelFile, trained: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.style"
    style = a_style(file)
    for contents in (b"", b"x" * 100, trained.read_bytes()[:1000]):
        path.write_bytes(contents)
        with pytest.raises(ModelFileError, match="is no style, or is damaged"):
            load_style(path)
    for value in (np.nan, 1e6):
        replace(style, initial={**style.initial, "h": np.full_like(style.initial["h"], value)}).save(path)
        with pytest.raises(ModelFileError, match="make no sense"):
            load_style(path)
    style.save(path)
    with pytest.raises(ModelFileError, match="there is no model"):
        open_model(path)  # no model of that name beside it


@pytest.mark.parametrize(
    ("settings", "start", "words"),
    [
        (TrainingSettings(), None, "name it: `from_='fiddle'`"),
        (TrainingSettings(hidden_size=64), "fiddle", "`hidden_size` has no meaning"),
        (TrainingSettings(num_layers=1), "fiddle", "`layers` has no meaning"),
    ],
)
def test_what_a_style_has_no_use_for_is_refused(settings: TrainingSettings, start: str | None, words: str) -> None:
    with pytest.raises(TrainingError, match=words):
        check_style(settings, start)


def test_a_folder_becomes_a_style_that_generates(trained: Path, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    for number in range(6):
        midi.write(folk_tune(900 + number).transpose(3), folder / f"{number}.mid")
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / trained.name).write_bytes(trained.read_bytes())
    done = melody("train", "mine", "--from", trained.stem, "--only", "state", cwd=tmp_path)
    assert done.stdout.strip() == "checkpoints/mine.style" and "melody generate mine" in done.stderr
    first = melody("generate", "mine", "--seed", "1", "--out", "a.mid", cwd=tmp_path)
    assert first.stdout.strip() == "a.mid"
    assert "a style of rules" in melody("models", cwd=tmp_path).stdout
    refused = melody("train", "mine", "--from", trained.stem, "--only", "state", cwd=tmp_path, expect=2)
    assert "is there already" in refused.stderr
    assert "--from fiddle" in melody("train", "mine", "--only", "state", "--force", cwd=tmp_path, expect=2).stderr


def test_styles_are_where_models_are() -> None:
    assert models.name_of("checkpoints/five.style") == "five"
