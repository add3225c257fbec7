"""The laws of training: it learns, it stops, nothing is lost, and what goes on goes on exactly."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import SmallCorpus, small_corpus

from melody import modelfile
from melody.dataset import BatchSettings
from melody.errors import TrainingError
from melody.model import ModelSettings
from melody.training.run import fit
from melody.training.settings import Epoch, Plan, Result, TrainingSettings

TINY = ModelSettings(hidden_size=16, num_layers=2, embedding_size=8, head_size=8, dropout=0.2)
SETTINGS = TrainingSettings(epochs=4, model=TINY, batch=BatchSettings(batch_size=8, window=16))
HERE = Path(__file__).parent

# A training in a process of its own: it prints a line an epoch, so that the test knows when to strike.
RUN = """
import sys
sys.path.insert(0, {here!r})
from conftest import small_corpus
from test_training import SETTINGS, slow
from melody.training.run import fit
from melody.errors import MelodyError

tell = lambda epoch: print(epoch.number, flush=True)
result = fit(small_corpus(40), {out!r}, SETTINGS, resume={resume}, on_epoch=tell, on_step=slow)
print(result.ending, result.sentence, flush=True)
"""


def slow(share: float) -> None:
    """Time for the test to strike in mid-epoch."""
    time.sleep(0.02)


def _start(out: Path, resume: bool = False) -> subprocess.Popen:
    code = RUN.format(here=str(HERE), out=str(out), resume=resume)
    environment = os.environ | {"OMP_WAIT_POLICY": "PASSIVE", "OMP_NUM_THREADS": "1"}
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environment)


def _strike(process: subprocess.Popen, after_epoch: int, number: int) -> str:
    """Send a signal in the epoch after `after_epoch`; gives what the process printed."""
    assert process.stdout is not None
    told = ""
    for line in process.stdout:
        told += line
        if line.strip() == str(after_epoch):
            time.sleep(0.1)
            process.send_signal(number)
            break
    rest, _ = process.communicate(timeout=60)
    return told + rest


def _weights(path: Path) -> dict[str, bytes]:
    return {name: weights.tobytes() for name, weights in modelfile.load(path).weights.items()}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("undisturbed") / "model.safetensors"
    process = _start(out)
    assert "finished" in process.communicate(timeout=120)[0]
    return out


def test_a_killed_run_goes_on_to_the_same_weights(undisturbed: Path, tmp_path: Path) -> None:
    out = tmp_path / "model.safetensors"
    _strike(_start(out), 2, signal.SIGKILL)
    assert modelfile.load(out).training["history"]  # the best so far is whole
    told = _start(out, resume=True).communicate(timeout=120)[0]
    assert told.split()[0] == "3"
    assert _weights(out) == _weights(undisturbed)
    assert [p.name for p in tmp_path.iterdir()] == ["model.safetensors"]  # nothing is left behind


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for one process alone")
def test_ctrl_c_keeps_the_best_and_says_how_to_go_on(undisturbed: Path, tmp_path: Path) -> None:
    out = tmp_path / "model.safetensors"
    told = _strike(_start(out), 1, signal.SIGINT)
    assert "interrupted" in told and "--resume" in told
    modelfile.load(out)
    _start(out, resume=True).communicate(timeout=120)
    assert _weights(out) == _weights(undisturbed)


def test_the_same_seed_trains_the_same_model(tmp_path: Path) -> None:
    corpus = small_corpus(40)
    for name in "ab":
        fit(corpus, tmp_path / f"{name}.safetensors", SETTINGS)
    assert _weights(tmp_path / "a.safetensors") == _weights(tmp_path / "b.safetensors")


def test_training_learns_tells_and_records(tmp_path: Path) -> None:
    epochs: list[Epoch] = []
    plans: list[Plan] = []
    shares: list[float] = []
    out = tmp_path / "model.safetensors"
    result = fit(small_corpus(40), out, SETTINGS, on_plan=plans.append, on_epoch=epochs.append, on_step=shares.append)
    assert plans[0].epochs == 4 and [e.number for e in epochs] == [1, 2, 3, 4]
    assert shares == sorted(shares) and shares[-1] == pytest.approx(1)
    assert epochs[-1].valid < epochs[0].valid
    assert result.valid == min(e.valid for e in epochs)
    file = modelfile.load(out)
    assert file.training["result"]["test"] == result.test
    assert [h["valid"] for h in file.training["history"]] == [e.valid for e in epochs]
    assert file.manifest == {"name": "rules"}
    json.dumps(dict(file.training))


def test_it_stops_by_itself_when_validation_no_longer_improves(tmp_path: Path) -> None:
    """A model too large for three tunes learns them by heart, and its validation gets worse."""
    corpus = small_corpus(8)
    settings = TrainingSettings(
        epochs=400, model=ModelSettings(hidden_size=64, dropout=0.0), learning_rate=1e-2, patience=0.01
    )
    result = fit(corpus, tmp_path / "model.safetensors", settings)
    assert result.ending == "stopped early" and result.best_epoch < result.epochs < 400


def test_a_corpus_without_validation_pieces_trains_all_its_epochs(tmp_path: Path) -> None:
    full = small_corpus(10)
    corpus = SmallCorpus(full.vocabulary, {"train": full.rows("train"), "valid": [], "test": []})
    result = fit(corpus, tmp_path / "model.safetensors", SETTINGS)
    assert result.measured_on == "train" and result.epochs == 4


def test_time_is_kept(tmp_path: Path) -> None:
    """The plan fits the epochs into the time, and the clock ends the run at the latest."""
    plans: list[Plan] = []
    started = time.monotonic()
    settings = TrainingSettings(max_minutes=0.1, model=TINY)
    fit(small_corpus(120), tmp_path / "model.safetensors", settings, on_plan=plans.append)
    assert plans[0].epochs >= 1
    assert time.monotonic() - started < 60  # six seconds of training and what surrounds it


def test_nothing_to_train_on_and_nothing_to_resume_are_told(tmp_path: Path) -> None:
    full = small_corpus(4)
    with pytest.raises(TrainingError, match="not one piece"):
        fit(SmallCorpus(full.vocabulary, {"train": [], "valid": [], "test": []}), tmp_path / "m.safetensors", SETTINGS)
    with pytest.raises(TrainingError, match="no interrupted run"):
        fit(full, tmp_path / "m.safetensors", SETTINGS, resume=True)
    (tmp_path / "m.safetensors.resume").write_bytes(b"not a checkpoint")
    with pytest.raises(TrainingError, match="damaged"):
        fit(full, tmp_path / "m.safetensors", SETTINGS, resume=True)


def test_a_loss_that_is_no_number_ends_with_a_clear_line(tmp_path: Path) -> None:
    settings = TrainingSettings(epochs=3, model=TINY, learning_rate=1.0, clip_norm=1e30, weight_decay=-1e30)
    with pytest.raises(TrainingError, match="no number"):
        fit(small_corpus(40), tmp_path / "model.safetensors", settings)


def test_the_sentence_says_what_happened_and_what_to_try() -> None:
    def result(**facts: object) -> Result:
        usual = {"epochs": 9, "best_epoch": 5, "valid": 1.0, "test": 1.0, "unigram": 3.0, "ngram": 2.0, "ngram_order": 6}
        return Result(Path("m"), **usual | {"measured_on": "test", "minutes": 1.0, "ending": "finished"} | facts)

    assert "50 %" in result().sentence
    assert "more music" in result(test=2.5).sentence
    assert "--max-minutes" in result(best_epoch=9).sentence
    assert "--resume" in result(ending="interrupted").sentence
    assert "by itself" in result(ending="stopped early").sentence
    assert not np.isnan(result().valid)
