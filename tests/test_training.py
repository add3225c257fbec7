"""The laws of training: it learns, it stops, nothing is lost, and what goes on goes on exactly."""

import csv
import json
import os
import re
import shlex
import signal
import socket
import time
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from commands import Begun, begun, ran
from conftest import SmallCorpus, small_corpus
from music import folk_songs, folk_tune

from melody import midi, modelfile
from melody.cli import main
from melody.cli.train import _show_plan, as_options
from melody.dataset import BatchSettings
from melody.errors import TrainingError
from melody.evaluation.evaluate import nats_per_note, restored
from melody.files import FileError
from melody.network.network import MelodyNetwork
from melody.network.settings import ModelSettings
from melody.piece import Part
from melody.report.curves import write_curves
from melody.tokens import Vocabulary
from melody.tokens.inputs.schema import condition_sizes, feature_sizes
from melody.tokens.vocabulary import FIELDS, VALUE
from melody.training import alarms, replanning
from melody.training import plan as planning
from melody.training.adapting import transfer
from melody.training.paths import Paths
from melody.training.plan import make_plan, regularised
from melody.training.records import Alarm, Epoch, Plan, Result, late_gain
from melody.training.replanning import Clock, alarm_of, epochs_now
from melody.training.run import fit, plan
from melody.training.settings import TrainingSettings, settings_from

TINY = ModelSettings(hidden_size=16, num_layers=2, embedding_size=8, head_size=8, dropout=0.2)
SETTINGS = TrainingSettings(epochs=4, model=TINY, batch=BatchSettings(batch_size=8, window=16), samples=2)
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


def _start(out: Path, resume: bool = False) -> Begun:
    code = RUN.format(here=str(HERE), out=str(out), resume=resume)
    return begun(code, cwd=HERE, folder=out.parent.with_name(f"{out.parent.name}-streams-{resume}"))


def _run_to_its_end(out: Path, resume: bool = False) -> str:
    done = ran(RUN.format(here=str(HERE), out=str(out), resume=resume), cwd=HERE)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _strike(process: Begun, after_epoch: int, number: int) -> str:
    """Send a signal in the epoch after `after_epoch`; gives what the process printed."""
    reported = ""
    for line in process.stdout:
        reported += line
        if line.strip() == str(after_epoch):
            time.sleep(0.1)
            process.send_signal(number)
            break
    rest, _ = process.communicate()
    return reported + rest


def _weights(path: Path) -> dict[str, bytes]:
    return {name: weights.tobytes() for name, weights in modelfile.load(path).weights.items()}


@dataclass(frozen=True)
class Training:
    """A run that nothing disturbed, and what it reported."""

    result: Result
    plans: list[Plan]
    epochs: list[Epoch]
    shares: list[float]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Training:
    """A run that several tests look at."""
    plans: list[Plan] = []
    epochs: list[Epoch] = []
    shares: list[float] = []
    result = fit(
        small_corpus(40),
        tmp_path_factory.mktemp("whole") / "model.safetensors",
        SETTINGS,
        on_plan=lambda plan, _: plans.append(plan),
        on_epoch=epochs.append,
        on_step=shares.append,
    )
    return Training(result, plans, epochs, shares)


@pytest.fixture
def undisturbed(whole: Training) -> Path:
    return whole.result.path


def test_a_killed_run_goes_on_to_the_same_weights(undisturbed: Path, tmp_path: Path) -> None:
    out = tmp_path / "model.safetensors"
    _strike(_start(out), 2, signal.SIGKILL)
    assert modelfile.load(out).training["history"]  # the best so far is whole
    reported = _run_to_its_end(out, resume=True)
    assert reported.split()[0] in ("2", "3")  # the way back is written after the line that says so
    assert _weights(out) == _weights(undisturbed)
    beside = {"model.csv", "model.index", "model.samples", "model.safetensors"}
    assert {p.name for p in tmp_path.iterdir()} == beside  # nothing of the way back is left
    samples = sorted(p.name for p in Paths(out).samples.iterdir())
    assert samples == ["epoch-002.mid", "epoch-004.mid"]
    for name in samples:
        again, before = (midi.read(Paths(path).samples / name) for path in (out, undisturbed))
        assert again.pitch.tolist() == before.pitch.tolist()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for one process alone")
def test_ctrl_c_and_sigterm_keep_the_best_and_say_how_to_go_on(undisturbed: Path, tmp_path: Path) -> None:
    out = tmp_path / "model.safetensors"
    reported = _strike(_start(out), 1, signal.SIGINT)
    assert "interrupted" in reported and "resume=True" in reported
    modelfile.load(out)
    process = _start(out, resume=True)
    assert "interrupted" not in _strike(process, 2, signal.SIGTERM)
    assert process.returncode == -signal.SIGTERM  # it has ended the program, as it does
    assert modelfile.load(out).training["result"]["ending"] == "interrupted"  # when all was written
    _run_to_its_end(out, resume=True)
    assert _weights(out) == _weights(undisturbed)


@pytest.mark.parametrize("comes", ["after the last window", "when temperatures are chosen"])
def test_an_interrupt_after_the_last_step_costs_nothing_that_going_on_does_not_bring(
    undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, comes: str
) -> None:
    def strike(*_: object, **__: object) -> None:
        if comes == "when temperatures are chosen":
            signal.raise_signal(signal.SIGINT)
        raise AssertionError("somebody waits")

    out = tmp_path / "model.safetensors"
    monkeypatch.setattr("melody.training.run.with_temperatures", strike)

    def ended(epoch: Epoch) -> None:
        if comes == "after the last window" and epoch.number == epoch.epochs:
            signal.raise_signal(signal.SIGINT)

    result = fit(small_corpus(40), out, SETTINGS, on_epoch=ended)
    assert result.ending == "interrupted" and "after 4 epochs" in result.sentence
    assert modelfile.load(out).training["result"]["ending"] == "interrupted" and Paths(out).resume.exists()
    monkeypatch.undo()
    assert fit(small_corpus(40), out, SETTINGS, resume=True).ending == "finished"
    assert _weights(out) == _weights(undisturbed) and Paths(out).index.exists() and not Paths(out).resume.exists()


def test_a_run_whose_music_was_enough_goes_on_with_what_comes_after_it_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def strike(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    out, settings = tmp_path / "model.safetensors", TrainingSettings(max_minutes=60, model=TINY)
    monkeypatch.setattr("melody.training.run.make_plan", lambda *given: replace(make_plan(*given), epochs=2))
    monkeypatch.setattr("melody.training.watch.epochs_now", lambda plan, *_: plan.epochs)
    monkeypatch.setattr("melody.training.run.with_temperatures", strike)
    assert fit(small_corpus(12), out, settings).ending == "interrupted"
    monkeypatch.undo()
    again = fit(small_corpus(12), out, settings, resume=True)
    assert again.ending == "finished" and again.epochs == 2 and again.epochs_by == "music"


def test_the_same_seed_trains_the_same_model(undisturbed: Path, tmp_path: Path) -> None:
    fit(small_corpus(40), tmp_path / "again.safetensors", SETTINGS)
    assert _weights(tmp_path / "again.safetensors") == _weights(undisturbed)


def test_16_bits_learn_what_32_learn_and_keep_weights_of_32(tmp_path: Path) -> None:
    corpus = small_corpus(40)
    loss = {}
    for precision in ("32", "bf16"):
        out = tmp_path / f"{precision}.safetensors"
        loss[precision] = fit(corpus, out, replace(SETTINGS, epochs=2, precision=precision, samples=0)).valid
        assert {w.dtype.name for w in modelfile.load(out).weights.values()} == {"float32"}
    assert loss["bf16"] == pytest.approx(loss["32"], rel=0.01)


def test_music_that_is_seen_more_often_is_regularised_more() -> None:
    """Few passes need nothing, hundreds need all that the chorales needed; dropouts and decay never fall between."""
    shapes = [regularised(ModelSettings(), epochs) for epochs in (1, 10, 30, 100, 200, 1000)]
    assert shapes[0] == shapes[1] and shapes[4] == shapes[5]
    rates = np.array([[s.dropout, s.weight_dropout, s.feature_dropout, s.head_dropout, decay] for s, decay in shapes[1:5]])
    assert (np.diff(rates, axis=0) > 0).all() and (rates < 0.5).all()


def test_training_learns_reports_and_records(whole: Training) -> None:
    result, epochs, shares = whole.result, whole.epochs, whole.shares
    assert whole.plans[0].epochs == 4 and [e.number for e in epochs] == [1, 2, 3, 4]
    assert shares == sorted(shares) and shares[-1] == pytest.approx(1)
    assert epochs[-1].valid < epochs[0].valid
    assert result.valid == min(e.valid for e in epochs) and result.ending == "finished"
    file = modelfile.load(result.path)
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
    settings = TrainingSettings(max_minutes=0.03, model=TINY)
    fit(small_corpus(120), tmp_path / "model.safetensors", settings, on_plan=lambda plan, _: plans.append(plan))
    assert plans[0].epochs >= 1
    assert time.monotonic() - started < 60  # two seconds of training and what surrounds it


def test_nothing_to_train_on_and_nothing_to_resume_are_reported(tmp_path: Path) -> None:
    full = small_corpus(4)
    with pytest.raises(TrainingError, match="not one piece"):
        fit(SmallCorpus(full.vocabulary, {"train": [], "valid": [], "test": []}), tmp_path / "m.safetensors", SETTINGS)
    with pytest.raises(TrainingError, match="no interrupted run"):
        fit(full, tmp_path / "m.safetensors", SETTINGS, resume=True)
    (tmp_path / "m.safetensors.resume").write_bytes(b"not a checkpoint")
    with pytest.raises(TrainingError, match="damaged"):
        fit(full, tmp_path / "m.safetensors", SETTINGS, resume=True)


def test_a_loss_that_is_no_number_ends_with_a_clear_line(tmp_path: Path) -> None:
    settings = TrainingSettings(epochs=3, model=TINY, learning_rate=1.0, clip_norm=1e30, weight_decay=1e30)
    with pytest.raises(TrainingError, match="no number"):
        fit(small_corpus(40), tmp_path / "model.safetensors", settings)


def test_the_sentence_says_what_happened_and_what_to_try() -> None:
    def result(**facts: object) -> Result:
        usual = {"epochs": 9, "best_epoch": 5, "valid": 1.0, "test": 1.0, "unigram": 3.0, "ngram": 2.0, "ngram_order": 6}
        usual |= {"ngram_pieces": 80}
        return Result(Path("m"), **usual | {"measured_on": "test", "minutes": 1.0, "ending": "finished"} | facts)

    assert "50 %" in result().sentence
    assert "more music" in result(test=2.5).sentence
    learning = {"best_epoch": 9, "max_minutes": 10.0}
    assert "`max_minutes=20`" in result(**learning, epochs_by="time").sentence
    for epochs_by in ("music", "you"):  # more time would change nothing
        assert "`epochs=18`" in result(**learning, epochs_by=epochs_by).sentence
        assert "minutes" not in result(**learning, epochs_by=epochs_by, test=2.5).sentence
    assert "still learning" not in result(**learning, epochs_by="time", late_gain=0.001).sentence  # a flat curve
    assert "`resume=True`" in result(ending="interrupted").sentence
    assert "by itself" in result(ending="stopped early").sentence
    assert not np.isnan(result().valid)
    assert "beats the unigram by 50 %" in result(unigram=2.0, ngram=9.0).sentence  # an n-gram may be the worse of the two
    assert "no better than the unigram" in result(unigram=0.9, ngram=9.0).sentence
    little = result(**learning, epochs_by="time", seen=0.09).sentence
    assert "9 % of the music" in little and "planned" not in little and "`resume=True`" in little


def test_the_clock_keeps_time_for_what_comes_after_training() -> None:
    clock = Clock(time.monotonic() - 10, 120, testing=3_000, counted=100_000)
    after = clock.after(per_event=0.001, relates=False)
    assert after == pytest.approx(0.04 * 120 + 3_000 * 0.001 / 2 + 5)
    assert clock.after(0.001, relates=True) == pytest.approx(after + 0.04 * 120)
    assert clock.left(after) == pytest.approx(110 - after, abs=1)


def test_a_run_that_its_time_ended_goes_on_with_more(tmp_path: Path) -> None:
    out, corpus = tmp_path / "m.safetensors", small_corpus(20)
    timed = replace(SETTINGS, epochs=None, max_minutes=0.02, samples=0, patience=1.0)
    first = fit(corpus, out, timed)
    assert first.epochs_by == "time" and first.ending in ("finished", "out of time")
    second = fit(corpus, out, timed, resume=True)
    assert second.epochs > first.epochs
    history = modelfile.load(out).training["history"]
    assert [entry["epoch"] for entry in history] == list(range(1, second.epochs + 1))


# The same command trains the same model, or says why not


def test_a_plan_made_by_the_clock_says_which_settings_make_it_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock decides about epochs, how much an epoch sees and precision; what decided is asked for the second time."""
    corpus, timed = small_corpus(40), TrainingSettings(max_minutes=2.0, model=TINY, batch=SETTINGS.batch, samples=0)
    events = plan(corpus, replace(timed, epochs=1)).events
    with monkeypatch.context() as slow:
        slow.setattr(planning, "SMALL", 8)
        slow.setattr(planning, "LEAST_EPOCHS", 3)
        slow.setattr(replanning, "LATEST", 0)  # nor plans more
        seconds = {"32": 150 / events, "bf16": 100 / events}  # far slower than it is, so that the clock never cuts it
        slow.setattr(planning, "seconds_per_event", lambda model, batches, precision: (seconds[precision],) * 2)
        first = fit(corpus, tmp_path / "first.safetensors", timed)
    assert first.is_as_planned and first.epochs_by == "time" and first.epochs == 3
    again = first.repeating
    assert (again.epochs, again.precision) == (3, "bf16") and 0 < again.epoch_share < 1
    reported = plan(corpus, again)
    assert f"through {100 * again.epoch_share:.2g} % of the music" in " ".join(reported.lines)
    second = fit(corpus, tmp_path / "second.safetensors", again)
    assert _weights(tmp_path / "first.safetensors") == _weights(tmp_path / "second.safetensors")
    assert second.repeating == again


def test_a_plan_cut_short_under_way_says_that_it_cannot_be_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "seconds_per_event", lambda model, batches, precision: (1e-9, 1e-9))
    raised: list[Alarm] = []
    settings = TrainingSettings(max_minutes=0.05, model=TINY, batch=SETTINGS.batch, samples=0)
    result = fit(small_corpus(40), tmp_path / "m.safetensors", settings, on_alarm=raised.append)
    assert not result.is_as_planned and result.epochs_by == "time"
    reported = next(alarm.sentence for alarm in raised if alarm.kind == "slower")
    took, planned = re.search(r"takes (.*), not (.*?):", reported).groups()  # type: ignore[union-attr]
    assert took != planned and " 0 s" not in reported


def test_the_command_that_trains_the_same_model_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    folk_songs(Path("my songs"), 24)
    words = ["train", "my songs", "--max-minutes", "2", "--samples", "0", "--batch-size", "8", "--part", "melodic"]
    words += ["--no-pedal", "--find-beats"]
    with monkeypatch.context() as slow:
        slow.setattr(planning, "seconds_per_event", lambda model, batches, precision: (0.025, 0.025))
        slow.setattr(replanning, "LATEST", 0)
        assert main([*words, "--out", "a.safetensors"]) == 0
    reported = " ".join(capsys.readouterr().err.split()).partition("on a machine like this one: melody ")[2]
    command = shlex.split(reported.partition(" losses:")[0])
    assert command[:6] == ["train", "my songs", "--part", "melodic", "--no-pedal", "--find-beats"] and "--epochs" in command
    assert main([*command, "--out", "b.safetensors"]) == 0
    assert "the same model again" not in capsys.readouterr().err  # the command is the one
    assert _weights(Path("a.safetensors")) == _weights(Path("b.safetensors"))


def _planned(epochs: int, wanted: int) -> Plan:
    planned = plan(small_corpus(8), TrainingSettings(epochs=epochs, model=TINY))
    return replace(planned, epochs=epochs, wanted=wanted, epochs_by="time", seconds_per_epoch=1.0)


def _history(*seconds: float) -> list[dict]:
    return [{"seconds": each} for each in seconds]


def test_the_plan_follows_the_machine_both_ways() -> None:
    """By hand: what fits the time that is left, by the median of the last five epochs."""
    planned = _planned(6, 15)
    assert epochs_now(planned, _history(10), 200) == 15  # the first timing was made on a busy machine
    assert epochs_now(planned, _history(10), 80) == 8  # 7.2 more: a tenth of the time is spared
    assert epochs_now(planned, _history(10, 10, 10), 200) == 15  # half of it has passed
    assert epochs_now(planned, _history(10, 10, 10, 10), 200) == 6  # too late: the rate would rise too far
    assert epochs_now(planned, _history(10), 69) == 6  # a seventh is not worth a run that cannot be repeated
    assert epochs_now(planned, _history(10), 35) == 4
    assert epochs_now(planned, _history(10), -5) == 2  # one more, in which the rate falls
    assert epochs_now(planned, _history(*[10] * 6), 500) == 6  # it is over
    longer = replace(planned, epochs=9)
    for slow_epoch in ([10, 10, 90, 10, 10], [90, 10, 10, 10, 10], [10, 10, 10, 10, 90]):
        assert epochs_now(longer, _history(*slow_epoch), 45) == 9  # it decides nothing alone
    assert epochs_now(longer, _history(10, 10, 90, 90, 90), 185) == 7
    assert epochs_now(replace(planned, wanted=0), _history(10), 500) == 6


def test_a_changed_plan_says_why() -> None:
    planned = _planned(6, 15)
    slower, faster = (alarm_of(planned, _history(seconds), epochs) for seconds, epochs in ((3.0, 4), (0.5, 15)))
    assert (slower.kind, slower.sentence) == ("slower", "an epoch takes 3 s, not 1 s: 4 epochs planned now, not 6")
    assert (faster.kind, faster.sentence) == ("faster", "an epoch takes 0.5 s, not 1 s: 15 epochs planned now, not 6")
    assert alarm_of(planned, _history(1.0), 4).sentence.startswith("the time is running out: ")


def test_a_machine_that_was_busy_when_it_was_measured_gets_its_epochs_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The learning rate is that of a run of the new length, and it ends as low as that of any run."""
    events = plan(small_corpus(16), replace(SETTINGS, epochs=1)).events
    monkeypatch.setattr(planning, "seconds_per_event", lambda model, batches, precision: (240 / events,) * 2)
    monkeypatch.setattr(planning, "LEAST_EPOCHS", 1)
    monkeypatch.setattr(planning, "LONGEST_EPOCH", 1000)
    monkeypatch.setattr(planning, "_epochs_wanted", lambda train, share, adapts: 7)
    raised: list[Alarm] = []
    shares: list[float] = []
    settings = TrainingSettings(max_minutes=15, model=TINY, batch=SETTINGS.batch, samples=0, patience=1.0)
    out = tmp_path / "m.safetensors"
    result = fit(small_corpus(16), out, settings, on_alarm=raised.append, on_step=shares.append)
    file = modelfile.load(out)
    assert [alarm.kind for alarm in raised if alarm.kind in ("slower", "faster")] == ["faster"]
    assert (result.epochs, result.ending, result.epochs_by, result.is_as_planned) == (7, "finished", "music", False)
    assert file.training["plan"]["epochs"] == 7 and shares[-1] == pytest.approx(1)
    rates = [entry["learning_rate"] for entry in file.training["history"]]
    again = fit(small_corpus(16), tmp_path / "n.safetensors", replace(result.repeating, patience=1.0))
    expected = [entry["learning_rate"] for entry in modelfile.load(again.path).training["history"]]
    assert rates[1:] == pytest.approx(expected[1:])  # all but the first epoch's, which followed the first plan


def test_late_gain_is_by_hand() -> None:
    curve = [{"valid": value} for value in (3.0, 2.0, 1.5, 1.51, 1.2, 1.3, 1.02, 1.0)]
    assert late_gain(curve) == pytest.approx(1 - 1.0 / 1.2, abs=1e-6)
    assert late_gain(curve[:1]) == 1
    assert late_gain([{"valid": 1.0}] * 8) == 0
    assert late_gain([*curve, {"valid": 1.1}, {"valid": 1.1}]) < 0


def test_settings_are_built_in_one_place_from_keywords_and_options() -> None:
    usual = settings_from({})
    assert usual == TrainingSettings()
    given = {"minutes": 3.0, "max_minutes": None, "layers": 3, "batch_size": 4, "folder": "x", "plan": True, "out": None}
    assert settings_from(given) == TrainingSettings(max_minutes=3.0, num_layers=3, batch=BatchSettings(batch_size=4))
    assert settings_from({"minutes": 3.0, "max_minutes": 4.0}).max_minutes == 4
    with pytest.raises(TrainingError, match="`layers` is 0; it must be"):
        settings_from({"layers": 0})


def test_model_files_keep_the_names_that_they_had(tmp_path: Path) -> None:
    """Whatever the settings are called in Python now."""
    settings = replace(SETTINGS, epochs=1, batch=replace(SETTINGS.batch, match_dropout=0.25))
    fit(small_corpus(20), tmp_path / "m.safetensors", settings)
    training = modelfile.load(tmp_path / "m.safetensors").training
    assert (
        training["settings"]["batch"]["without_match"] == training["result"]["repeating"]["batch"]["without_match"] == 0.25
    )
    assert training["plan"]["groups"] >= 1 and "buckets" not in training["plan"]
    assert Plan.from_dict(training["plan"]).to_dict() == training["plan"]


class Crash(Exception):
    """Ends a run as a power cut would."""


def _crashed(out: Path, corpus: SmallCorpus, settings: TrainingSettings, after: int) -> None:
    def crash(epoch: Epoch) -> None:
        if epoch.number > after:
            raise Crash

    with pytest.raises(Crash):
        fit(corpus, out, settings, on_epoch=crash)


def test_a_run_goes_on_with_the_settings_that_it_began_with(tmp_path: Path) -> None:
    corpus, begun = small_corpus(16), replace(SETTINGS, seed=3, learning_rate=0.01, samples=0)
    fit(corpus, tmp_path / "whole.safetensors", begun)
    out = tmp_path / "m.safetensors"
    _crashed(out, corpus, begun, after=2)
    with pytest.raises(TrainingError, match=r"begun with seed 3, not 4; leave it out, or train without `resume=True`"):
        fit(corpus, out, replace(begun, seed=4), resume=True)
    with pytest.raises(TrainingError, match="begun with batch"):
        fit(corpus, out, replace(begun, batch=BatchSettings(batch_size=9)), resume=True)
    with pytest.raises(TrainingError, match=r"other parts of it|folder has changed"):
        fit(small_corpus(17), out, begun, resume=True)
    fit(corpus, out, TrainingSettings(max_minutes=7), resume=True)  # all else is left out
    assert _weights(out) == _weights(tmp_path / "whole.safetensors")
    with pytest.raises(TrainingError, match=r"no interrupted run to resume .* has ended: train anew, with more"):
        fit(corpus, out, begun, resume=True)


# What stands beside the model


def test_the_losses_are_a_table_and_a_picture(whole: Training, tmp_path: Path) -> None:
    paths = Paths(whole.result.path)
    rows = list(csv.DictReader(paths.csv.read_text().splitlines()))
    assert [float(row["valid"]) for row in rows] == [epoch.valid for epoch in whole.epochs]
    assert [bool(row["sample_run"]) for row in rows] == [False, True, False, True]
    rates = [float(row["learning_rate"]) for row in rows]
    assert 0 < rates[-1] < rates[0] <= 2e-3 * 1.01
    write_curves(paths.csv, tmp_path / "curves.png")
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_sample_tunes_are_music_of_the_model_at_that_time(undisturbed: Path, tmp_path: Path) -> None:
    first, last = (midi.read(Paths(undisturbed).samples / f"epoch-{n:03d}.mid") for n in (2, 4))
    assert first.num_notes and last.num_notes and first != last
    without = tmp_path / "without.safetensors"
    fit(small_corpus(16), without, replace(SETTINGS, samples=0, epochs=1))
    assert not Paths(without).samples.exists()


def test_the_plan_is_reported_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    corpus = small_corpus(60)
    planned = plan(corpus, TrainingSettings(max_minutes=1.0))
    assert (planned.pieces, planned.valid_pieces, planned.notes) == (48, 6, 48 * folk_tune(0).num_notes)
    assert planned.parameters == sum(p.numel() for p in MelodyNetwork(corpus.vocabulary, planned.model).parameters())
    assert 0 < planned.minutes <= 1.0
    assert all(reported in " ".join(planned.lines) for reported in ("48 pieces", "LSTM 1 x 128", "epochs of about", "GB"))
    assert list(tmp_path.iterdir()) == []


def test_the_command_shows_the_plan_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    _show_plan(small_corpus(20), TrainingSettings(epochs=20, model=TINY), None)  # type: ignore[arg-type]
    out, err = capsys.readouterr()
    assert "20 epochs" in out and not err.replace("alarm: ", "\0").partition("\0")[0]


def test_what_the_user_asks_for_is_planned(tmp_path: Path) -> None:
    settings = TrainingSettings(epochs=7, hidden_size=32, num_layers=3, dropout=0.1, learning_rate=0.01, precision="bf16")
    planned = plan(small_corpus(20), settings)
    shape = planned.model
    assert (shape.cell, shape.hidden_size, shape.num_layers, shape.dropout) == ("lstm", 32, 3, 0.1)
    assert (planned.epochs, planned.learning_rate, planned.precision) == (7, 0.01, "bf16")


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_minutes": 0},
        {"max_minutes": "ten"},
        {"epoch_share": 0.0},
        {"epochs": 2.5},
        {"epochs": True},
        {"seed": -1},
        {"seed": 2**31},
        {"patience": 1.5},
        {"precision": "16"},
        {"half": "yes"},
        {"strategy": None},
        {"batch": BatchSettings(window="64")},
        {"epochs": 0},
        {"learning_rate": -1.0},
        {"learning_rate": float("nan")},
        {"dropout": 1.0},
        {"hidden_size": 0},
        {"cell": "LSTM"},
        {"samples": -1},
        {"samples": None},
        {"weight_decay": -1},
        {"weight_decay": float("inf")},
        {"clip_norm": 0.0},
        {"clip_norm": None},
        {"averaging": 1.1},
        {"max_minutes": float("inf")},
        {"num_layers": 2.0},
        {"devices": 0},
        {"logger": "wandb"},
        {"batch": BatchSettings(match_dropout=1.5)},
        {"batch": BatchSettings(transpositions=(6, -5))},
        {"batch": BatchSettings(transpositions=None)},
        {"batch": BatchSettings(batch_size=0)},
    ],
    ids=str,
)
def test_settings_out_of_range_are_refused(wrong: dict) -> None:
    with pytest.raises(TrainingError, match="must be"):
        TrainingSettings(**wrong)


# Alarms


def _entry(epoch: int, train: float, valid: float, **facts: float) -> dict:
    usual = {"steps": 100 * epoch, "unigram": 6.0, "learning_rate": 2e-3, "guessed_share": 0.2, "real_share": 0.2}
    return {"epoch": epoch, "train": train, "valid": valid, **usual, **facts}


def _alarms(*entries: dict, longest: int = 4) -> list[str]:
    planned = plan(small_corpus(20), TrainingSettings(epochs=20, model=TINY))
    return [alarm.kind for alarm in alarms.after(list(entries), planned, longest)]


def test_a_training_that_goes_well_raises_no_alarm() -> None:
    losses = [(7.0, 5.0), (4.0, 3.5), (3.0, 3.0), (2.5, 2.9), (2.3, 2.91), (2.2, 2.93)]
    for count in range(1, len(losses) + 1):
        assert _alarms(*(_entry(i + 1, *loss) for i, loss in enumerate(losses[:count]))) == []


def test_each_alarm_knows_its_trouble() -> None:
    good = [_entry(1, 7.0, 5.0), _entry(2, 4.0, 3.5)]
    assert _alarms(*good, _entry(3, 3.9, 3.4, guessed_share=0.97)) == ["collapse"]
    assert _alarms(*good, _entry(3, 3.9, 3.4, guessed_share=0.97, real_share=0.9)) == []  # a drum
    assert _alarms(*good, _entry(3, 3.9, 3.4, sample_run=40)) == ["collapse"]
    assert _alarms(*good, _entry(3, 3.9, 3.4, sample_run=40), longest=30) == []
    worse = [_entry(3 + i, 3.0 - 0.2 * i, 3.7 + 0.2 * i) for i in range(3)]
    assert _alarms(*good, *worse) == ["overfitting"]
    assert _alarms(*good, _entry(3, 5.0, 5.0)) == ["learning rate too high"]
    assert _alarms(_entry(1, 900.0, 900.0), _entry(2, 850.0, 900.0)) == ["learning rate too high"]
    assert _alarms(*(_entry(i + 1, 7.0 - 0.01 * i, 7.0) for i in range(3))) == ["learning rate too low"]


def _mostly_one_pitch(corpus: SmallCorpus) -> SmallCorpus:
    """Six notes in ten are one pitch, which ones is chance: the likeliest guess is that one for ever."""
    rng, vocabulary = np.random.default_rng(0), corpus.vocabulary
    splits = {}
    for split in ("train", "valid", "test"):
        splits[split] = [np.array(rows) for rows in corpus.rows(split)]
        for rows in splits[split]:
            notes = np.flatnonzero(vocabulary.is_note(rows))
            rows[notes[rng.random(len(notes)) < 0.6], VALUE] = vocabulary.first_pitch + 5
    return SmallCorpus(vocabulary, splits)


@pytest.mark.parametrize(
    ("settings", "kind"),
    [
        ({"learning_rate": 1e-5, "epochs": 4}, "learning rate too low"),
        ({"epochs": 4}, "collapse"),
        ({"learning_rate": 1e-2, "epochs": 60, "patience": 1.0}, "overfitting"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_real_trainings_raise_them(tmp_path: Path, settings: dict, kind: str) -> None:
    raised: list[Alarm] = []
    corpora = {"overfitting": lambda: small_corpus(3), "collapse": lambda: _mostly_one_pitch(small_corpus(60))}
    corpus = corpora.get(kind, lambda: small_corpus(60))()
    batch = BatchSettings() if kind == "overfitting" else BatchSettings(4, 8, (0, 0))
    shape = ModelSettings(hidden_size=64, num_layers=1, embedding_size=32, head_size=32, dropout=0.0)
    usual = {"model": shape, "batch": batch, "samples": 0, "averaging": 0.0}  # an average hides trouble
    fit(corpus, tmp_path / "model.safetensors", TrainingSettings(**usual | settings), on_alarm=raised.append)
    assert kind in [alarm.kind for alarm in raised]
    assert len({alarm.kind for alarm in raised}) == len(raised)  # each is reported once
    reported = next(alarm.sentence for alarm in raised if alarm.kind == kind)
    assert "`" in reported and "--" in as_options(reported) and "`" not in as_options(reported) and "\n" not in reported
    assert modelfile.load(tmp_path / "model.safetensors").training["alarms"][kind] == reported


def test_advice_fits_who_adapts_a_model() -> None:
    """To adapt one is not advised then, nor another size, which an adapted model cannot have."""
    anew = plan(small_corpus(8), TrainingSettings(epochs=20, model=TINY))
    assert "from_=" in alarms.before(anew)[0].sentence and alarms.before(replace(anew, adapts=True)) == []
    history = [_entry(1, 7.0, 5.0), _entry(2, 4.0, 3.5), *(_entry(3 + i, 3.0 - 0.2 * i, 3.7 + 0.2 * i) for i in range(3))]
    for adapts, word in ((False, "`hidden_size`"), (True, "`epochs`")):
        reported = [alarm.sentence for alarm in alarms.after(history, replace(anew, adapts=adapts), 4)]
        assert len(reported) == 1 and word in reported[0]
        assert (word == "`hidden_size`") == ("hidden_size" in reported[0])


def test_one_is_one() -> None:
    planned = replace(
        plan(small_corpus(8), TrainingSettings(epochs=1, model=TINY)), pieces=1, notes=1, tokens=1, valid_pieces=1
    )
    reported = " ".join(planned.lines)
    assert "1 piece, 1 note, 1 token to train on, 1 piece to choose" in reported and "1 epoch of" in reported
    assert "1 piece with 1 note is little" in alarms.before(planned)[0].sentence
    assert "the same to choose the model on" in replace(planned, valid_pieces=0).lines[0]


def test_too_little_data_is_reported_first(tmp_path: Path) -> None:
    raised: list[Alarm] = []
    fit(small_corpus(8), tmp_path / "model.safetensors", replace(SETTINGS, epochs=1), on_alarm=raised.append)
    assert raised[0].kind == "too little data" and "from_=" in raised[0].sentence


def test_the_longest_run_of_one_pitch() -> None:
    tune = replace(folk_tune(0), pitch=np.array([60, 60, 60, 62, 62, *[64, 65] * 19, 60, 60][:43]))
    vocabulary = Vocabulary.build([tune])
    assert alarms.longest_run(vocabulary, [vocabulary.encode(tune)]) == 3


# Averaged weights


def test_what_is_kept_is_the_mean_of_the_last_weights(tmp_path: Path) -> None:
    """The average changes nothing of how the model learns, and lies closer to where it was before than the last weights."""
    files: dict[float, modelfile.ModelFile] = {}
    losses: dict[float, list[float]] = {}
    for averaging in (0.0, 0.5):
        raised: list[Epoch] = []
        out, settings = tmp_path / f"{averaging}.safetensors", replace(SETTINGS, epochs=2, samples=0, averaging=averaging)
        fit(small_corpus(40), out, replace(settings, batch=BatchSettings(4, 8, (0, 0))), on_epoch=raised.append)
        files[averaging], losses[averaging] = modelfile.load(out), [epoch.train for epoch in raised]
    assert losses[0.0] == losses[0.5]
    torch.manual_seed(SETTINGS.seed)
    first = MelodyNetwork(files[0.0].vocabulary, TINY).state_dict()

    def way(file: modelfile.ModelFile) -> float:
        return float(sum(((first[name].numpy() - weights) ** 2).sum() for name, weights in file.weights.items()))

    assert 0.5 * way(files[0.0]) < way(files[0.5]) < 0.995 * way(files[0.0])


# A full disk


@pytest.mark.skipif(os.name == "nt", reason="Windows cannot limit the size of files to stand for a full disk")
def test_a_disk_that_fills_up_leaves_the_last_good_model_whole(tmp_path: Path) -> None:
    """The model of the first epoch still fits on the disk, the way back, three times as large, does not."""
    import resource

    out, corpus = tmp_path / "model.safetensors", small_corpus(40)
    fit(corpus, out, replace(SETTINGS, epochs=1, samples=0))
    before, limits = out.read_bytes(), resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(len(before) * 1.3), limits[1]))
        with pytest.raises(FileError, match=r"cannot write .*resume: File too large; .*name another place"):
            fit(corpus, out, replace(SETTINGS, seed=1))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert len(modelfile.load(out).training["history"]) == 1 and out.read_bytes() != before
    assert {path.suffix for path in tmp_path.iterdir()} == {".safetensors", ".csv", ".index"}  # nothing half-written


# Fine-tuning


def test_a_model_adapted_to_its_own_vocabulary_is_the_model(trained: Path) -> None:
    file = modelfile.load(trained)
    old, new = restored(file), MelodyNetwork(file.vocabulary, ModelSettings(**file.settings))
    reported = transfer.carried(old, file.vocabulary, new, file.vocabulary)
    assert "all" in reported
    for name, weights in old.state_dict().items():
        assert new.state_dict()[name].equal(weights), name


def test_tables_have_a_meaning_for_every_row() -> None:
    """Whatever features there are: the tables are as long as the layers are high."""
    corpus = small_corpus(6)
    for vocabulary in (corpus.vocabulary, Vocabulary.build([folk_tune(0)]), _other_vocabulary()):
        tables = transfer.Tables(vocabulary)
        assert tuple(map(len, tables.fields.values())) == vocabulary.sizes
        assert tuple(map(len, tables.features.values())) == feature_sizes(vocabulary)
        assert tuple(map(len, tables.conditions.values())) == condition_sizes(vocabulary)
        assert len(MelodyNetwork(vocabulary, TINY).embedding.weight) == sum(vocabulary.sizes + feature_sizes(vocabulary))


def _other_vocabulary() -> Vocabulary:
    """Another range, other rhythms, two players: much that the tunes by rule do not have."""
    tune, second = folk_tune(3).transpose(-9), folk_tune(4)
    second = replace(second, onset=second.onset + 18, duration=second.duration // 2, parts=(Part(73),))
    return Vocabulary.build([tune, second])


def test_what_means_the_same_predicts_the_same(trained: Path) -> None:
    """A piece that both vocabularies can say costs the same in both, but for what one of them must choose among more."""
    file = modelfile.load(trained)
    larger = Vocabulary.build(
        [*map(folk_tune, range(120)), folk_tune(1).transpose(12), replace(folk_tune(2), parts=(Part(73),))],
        transpositions=range(-5, 7),
    )
    assert larger.sizes > file.vocabulary.sizes
    new = MelodyNetwork(larger, ModelSettings(**file.settings))
    reported = transfer.carried(restored(file), file.vocabulary, new, larger)
    assert "nearest" in reported and "program 73" in reported
    tunes = [folk_tune(n) for n in range(200, 210)]
    before = nats_per_note(restored(file), file.vocabulary, [file.vocabulary.encode(tune) for tune in tunes])
    after = nats_per_note(new, larger, [larger.encode(tune) for tune in tunes])
    scratch = nats_per_note(MelodyNetwork(larger, new.settings), larger, [larger.encode(tune) for tune in tunes])
    assert before <= after < before + 0.5 < scratch


def test_adapting_beats_beginning_anew(trained: Path, tmp_path: Path) -> None:
    """Twenty tunes of the same kind, two epochs: a model that knows the rules is far ahead."""
    corpus = small_corpus(20)
    settings = TrainingSettings(epochs=2, samples=0, batch=BatchSettings(batch_size=8))
    start = modelfile.load(trained)
    reported: list[str] = []
    adapted = fit(corpus, tmp_path / "a.safetensors", settings, start=start, on_plan=lambda _, line: reported.append(line))
    anew = fit(corpus, tmp_path / "b.safetensors", replace(settings, model=ModelSettings(**start.settings)))
    assert adapted.test < 0.7 * anew.test
    assert "known" in reported[0]
    assert modelfile.load(tmp_path / "a.safetensors").training["started_from"].startswith("rules ")
    with pytest.raises(TrainingError, match="keeps its shape"):
        fit(corpus, tmp_path / "c.safetensors", replace(settings, hidden_size=32), start=start)
    with pytest.raises(TrainingError, match="leave out `cell`"):
        fit(corpus, tmp_path / "c.safetensors", replace(settings, cell="gru"), start=start)


def test_the_nearest_meaning() -> None:
    known = [("pitch", 60), ("pitch", 64), ("metre", 4, 3), ("metre", 8, 6), ("end",)]
    assert transfer.nearest(("pitch", 64), known) == ("pitch", 64)
    assert transfer.nearest(("pitch", 63), known) == ("pitch", 64)
    assert transfer.nearest(("metre", 8, 3), known) == ("metre", 8, 6)
    assert transfer.nearest(("key", "major", 1), known) is None
    assert transfer.nearest(("end",), known) == ("end",)
    assert len(FIELDS) == 5


def test_the_nearest_meaning_is_the_first_of_the_least_distance() -> None:
    """As by looking at all of them, one by one."""
    rng = np.random.default_rng(5)
    for _ in range(200):
        places = sorted({Fraction(int(n), 24) for n in rng.integers(0, 200, rng.integers(0, 30))})
        metres = sorted({(int(d), int(n)) for d, n in rng.integers(1, 9, (5, 2))})
        known = [("none",), *(("time", place) for place in places), *(("metre", d, n) for d, n in metres)]
        for meaning in (
            ("time", Fraction(int(rng.integers(0, 2000)), 480)),
            ("metre", 4, int(rng.integers(1, 12))),
            ("x", 1),
        ):
            alike = [k for k in known if k[0] == meaning[0]]
            distances = [(k[1:-1] != meaning[1:-1], abs(k[-1] - meaning[-1])) for k in alike]
            expected = alike[min(range(len(alike)), key=distances.__getitem__)] if alike else None
            assert transfer.nearest(meaning, known) == expected


# Several processes

SHARED = """
import os, sys
sys.path.insert(0, {here!r})
from dataclasses import replace
from conftest import small_corpus
from test_training import WHOLE
from melody.training.run import fit

second = os.fork()  # both are begun from outside, as torchrun does
os.environ["LOCAL_RANK"] = "0" if second else "1"
fit(small_corpus(40), {out!r}, replace(WHOLE, devices=2, strategy="ddp"))
if not second:
    os._exit(0)
assert not os.waitpid(second, 0)[1]
"""
WHOLE = replace(SETTINGS, epochs=2, model=replace(TINY, dropout=0.0), batch=BatchSettings(batch_size=7, window=16))


@pytest.mark.skipif(os.name == "nt", reason="needs fork, and gloo is Unix's here")
def test_two_processes_learn_what_one_learns(tmp_path: Path) -> None:
    """Each takes its share of every group of seven pieces; losses and weights are those of one process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    code = SHARED.format(here=str(HERE), out=str(tmp_path / "two.safetensors"))
    done = ran(code, cwd=tmp_path, MASTER_ADDR="127.0.0.1", MASTER_PORT=port, OMP_NUM_THREADS="1")
    assert done.returncode == 0, done.stderr
    fit(small_corpus(40), tmp_path / "one.safetensors", WHOLE)
    one, two = (modelfile.load(tmp_path / f"{name}.safetensors") for name in ("one", "two"))
    for name in ("train", "valid", "guessed_share"):
        losses = [[entry[name] for entry in file.training["history"]] for file in (one, two)]
        assert losses[1] == pytest.approx(losses[0], rel=1e-5)
    for name, weights in one.weights.items():
        np.testing.assert_allclose(two.weights[name], weights, atol=1e-4)


def test_more_processes_than_lightning_knows_how_to_start_are_reported(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="strategy=nonsense"):
        fit(small_corpus(8), tmp_path / "m.safetensors", replace(SETTINGS, devices=2, strategy="nonsense"))
    assert list(tmp_path.iterdir()) == []
