"""Laws of `melody tune`: what is best is found, kept as JSON and gone on with; the learning rate that a curve suggests."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import SmallCorpus, small_corpus
from music import folk_songs

from melody.cli import main
from melody.comparison.learning import Learnt, Music, Run
from melody.comparison.variants import Learning
from melody.dataset import BatchSettings
from melody.errors import TrainingError
from melody.network.settings import ModelSettings
from melody.training.settings import TrainingSettings
from melody.tuning import rate_finder, study
from melody.tuning.rate_finder import Rising, find_rate, suggested
from melody.tuning.space import Space
from melody.tuning.study import NAME, Tried, TuneSettings, importances, tune

pytest.importorskip("optuna", reason="Optuna is not installed")


def _nats(run: Run) -> float:
    """Of a network that likes a learning rate of 0.01 and is not moved by much else."""
    return 2 + abs(np.log10(run.rate) + 2) + 0.01 * run.shape.num_layers


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> list[Run]:
    """Trials without networks; gives the runs that there were. A second passes each time somebody looks at the clock."""
    runs, clock = list[Run](), count()

    def learn(music: Music, run: Run, on_step: Callable) -> Learnt:
        runs.append(run)
        for share in (0.1, 0.3, 0.6, 0.9):
            on_step(share, run)
        return Learnt(run, 1000.0)  # type: ignore[arg-type]

    monkeypatch.setattr(study, "learn", learn)
    monkeypatch.setattr(study, "nats_on_valid", lambda run, music: _nats(run))
    monkeypatch.setattr(study, "time", SimpleNamespace(monotonic=lambda: float(next(clock))))
    return runs


def test_the_best_is_found_bad_ones_are_stopped_and_the_usual_comes_first(quick: list[Run], tmp_path: Path) -> None:
    found = tune(small_corpus(), tmp_path, TuneSettings(minutes=2))
    assert len(quick) >= len(found.trials) >= len(quick) - 1 > 15
    assert quick[0].rate == 2e-3 and quick[0].batch.window == 64 and quick[0].shape.hidden_size == 128
    assert quick[0].seconds == 2 * 60 / study.PLANNED
    whole = [each for each in found.trials if each.is_whole]
    assert found.valid == min(each.nats[4] for each in whole) < found.default == pytest.approx(_nats(quick[0]))
    assert found.best["learning_rate"] == pytest.approx(0.01, rel=0.6)
    stopped = [each.nats[max(each.nats)] for each in found.trials if not each.is_whole]
    assert stopped and np.mean(stopped) > np.mean([each.nats[4] for each in whole])
    assert next(iter(found.importances)) == "learning_rate" and sum(found.importances.values()) == pytest.approx(1)


def test_it_goes_on_where_it_was_interrupted_and_keeps_nothing_but_json(
    quick: list[Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, before = TuneSettings(minutes=1), study.learn

    def interrupted(music: Music, run: Run, on_step: Callable) -> Learnt:
        if len(quick) == 3:
            raise KeyboardInterrupt
        return before(music, run, on_step)

    monkeypatch.setattr(study, "learn", interrupted)
    with pytest.raises(KeyboardInterrupt):
        tune(small_corpus(), tmp_path, settings)
    assert all(isinstance(json.loads(line), dict) for line in (tmp_path / NAME).read_text().splitlines())
    monkeypatch.setattr(study, "learn", before)
    found = tune(small_corpus(), tmp_path, replace(settings, minutes=0.8))
    assert len(quick) >= len(found.trials) >= len(quick) - 1 > 4
    assert found.seconds == 3  # as it was begun, though there is more time now
    assert len({json.dumps(each.chosen) for each in found.trials}) == len(found.trials)  # nothing is tried again
    assert {each.name for each in tmp_path.iterdir()} == {NAME}


def test_what_is_kept_of_something_else_or_damaged_is_refused(quick: list[Run], tmp_path: Path) -> None:
    settings = TuneSettings(minutes=0.1)
    tune(small_corpus(), tmp_path, settings)
    for other, corpus in ((replace(settings, cells=("gru",)), small_corpus()), (settings, small_corpus(30))):
        with pytest.raises(TrainingError, match="is of other music, cells or another seed; name another folder"):
            tune(corpus, tmp_path, other)
    for text in ("{", "[1]\n{}\n", "{}\n{}\n", '{"op_code":0}\n', "\x80\x04.\n\n"):
        (tmp_path / NAME).write_text(text, "latin-1")
        with pytest.raises(TrainingError, match=r"is damaged|is of other music"):
            tune(small_corpus(), tmp_path, settings)


@pytest.mark.parametrize(
    "wrong", [{"minutes": 0}, {"cells": ()}, {"cells": ("perceptron",)}, {"cells": ("gru", "gru")}], ids=str
)
def test_what_cannot_be_searched_is_refused(wrong: dict) -> None:
    with pytest.raises(TrainingError):
        TuneSettings(**wrong)


def test_too_little_music_is_refused(tmp_path: Path) -> None:
    corpus = small_corpus()
    few = SmallCorpus(corpus.vocabulary, {**corpus.pieces, "valid": corpus.pieces["valid"][:2]})
    with pytest.raises(TrainingError, match="2 to choose on; at least 3 of each are needed"):
        tune(few, tmp_path / "a", TuneSettings())
    assert not (tmp_path / "a").exists()


def test_a_cell_is_a_setting_where_several_are_named() -> None:
    one, two = (Space(small_corpus().vocabulary, 10_000, 20, cells) for cells in (("gru",), ("rnn", "lstm")))
    assert "cell" not in one.default and one.run(one.default, 1, 0).shape.cell == "gru"
    assert two.run({**two.default, "cell": "lstm"}, 1, 0).shape.cell == "lstm"
    run = one.run({**one.default, "dropout": 0.1, "layers": 3, "hidden_size": 48, "window": 32, "noise": 0.1}, 1, 0)
    assert (run.shape.dropout, run.shape.num_layers, run.shape.embedding_size) == (0.1, 3, 48)
    assert (run.batch.window, run.batch.noise) == (32, 0.1)


def test_too_few_trials_say_nothing_of_what_matters() -> None:
    trials = [Tried(n, {"layers": n % 3, "learning_rate": 10.0**-n}, {1: float(n)}, True) for n in range(1, 8)]
    assert importances(trials) == {}


def test_the_rate_is_where_a_curve_falls_fastest() -> None:
    rates = np.geomspace(1e-5, 1, 400)
    losses = 3 - 2 / (1 + np.exp(-3 * (np.log(rates) - np.log(1e-2)))) + 50 * np.maximum(rates - 0.2, 0)
    found = suggested(rates, losses)
    assert 0.008 < found.steepest < 0.03 and 0.05 < found.lowest < 0.4  # smoothing comes a little late
    with pytest.raises(TrainingError, match="never fell"):
        suggested(rates, np.linspace(1, 2, 400))
    with pytest.raises(TrainingError, match="rose after 3 steps"):
        suggested(rates[:3], losses[:3])
    assert np.allclose(rate_finder.smoothed([2.0] * 9), 2)


def test_a_network_learns_fastest_between_too_slow_and_too_fast() -> None:
    corpus = small_corpus(30)
    music = Music(corpus.vocabulary, list(corpus.rows("train")), [], [])
    shape = ModelSettings(hidden_size=16, embedding_size=16, head_size=16, num_layers=1, dropout=0.0)
    run = Run(shape, BatchSettings(batch_size=8), Learning(), 1e-3, 1)
    found, again = (find_rate(music, run, Rising(steps=40)) for _ in range(2))
    assert 1e-4 < found.steepest < found.lowest <= 1 and np.array_equal(found.losses, again.losses)
    assert found.smoothed.min() < 0.8 * found.smoothed[0]
    for wrong in ({"steps": 5}, {"low": 0.0}, {"low": 1.0, "high": 0.1}):
        with pytest.raises(TrainingError):
            Rising(**wrong)


def test_the_command_says_what_train_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    folk_songs(Path("songs"), 40)
    assert main(["tune", "songs", "--minutes", "0.05"]) == 0
    said = capsys.readouterr().out
    assert {each.name for each in Path("songs-tuned").iterdir()} == {NAME, "best.json", "importances.png"}
    assert Path("songs-tuned/importances.png").read_bytes().startswith(b"\x89PNG")
    best = json.loads(Path("songs-tuned/best.json").read_text())
    command = next(line for line in said.splitlines() if line.startswith("train with them: melody "))
    trained: list[TrainingSettings] = []
    monkeypatch.setattr("melody.cli.train._train", lambda folder, out, taken, settings, *_: trained.append(settings))
    assert main(command.split()[4:]) == 0
    assert main(["train", "songs", "--settings", "songs-tuned/best.json"]) == 0
    assert main(["train", "songs", "--settings", "songs-tuned/best.json", "--hidden-size", "40"]) == 0
    assert trained[0] == trained[1] and trained[2] == replace(trained[0], hidden_size=40)
    assert (trained[0].hidden_size, trained[0].batch.window) == (best["hidden_size"], best["window"])
    monkeypatch.setattr(rate_finder, "Rising", partial(Rising, steps=30))
    assert main(["tune", "songs", "--find-rate"]) == 0 and Path("songs-tuned/learning-rate.png").exists()
    assert "the loss falls fastest at a learning rate of" in capsys.readouterr().out
    assert main(["tune", "songs", "--cells", "gru,perceptron"]) == 2
    for text, reason in (
        ("{", "name a file that melody tune wrote"),
        ("[1]", "is no object of names and values"),
        ('{"hiden_size": 3}', "'hiden_size' is no setting of melody train"),
        ('{"hidden_size": "wide"}', "hidden-size"),
        ('{"out": "x"}', "'out' is no setting"),
    ):
        Path("wrong.json").write_text(text)
        assert main(["train", "songs", "--settings", "wrong.json"]) == 2
        assert reason in capsys.readouterr().err
