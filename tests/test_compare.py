"""Laws of `melody compare`: equal size, equal time, the same runs again, what is cut and what is copied."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import small_corpus
from music import folk_songs
from scipy import stats

from melody.cli import main
from melody.comparison import learning, measuring
from melody.comparison.as_text import HEADER, cells, to_csv, to_latex
from melody.comparison.copying import Copying, repeats
from melody.comparison.learning import Learnt, Music, Run, begin, learn
from melody.comparison.trials import NAME, CompareSettings, Comparison, compare
from melody.comparison.variants import VARIANTS, Learning, sized
from melody.dataset import BatchSettings
from melody.errors import TrainingError
from melody.evaluation.evaluate import encoded_tokens, token_nats
from melody.network.network import MelodyNetwork
from melody.network.settings import ModelSettings, num_weights
from melody.statistics.intervals import difference, rate

SHAPE = ModelSettings(hidden_size=32, embedding_size=16, head_size=16, num_layers=1, dropout=0.0)


@pytest.fixture(scope="module")
def music() -> Music:
    corpus = small_corpus(30)
    return Music(corpus.vocabulary, *(list(corpus.rows(split)) for split in ("train", "valid", "test")))


@pytest.mark.parametrize("name", list(VARIANTS))
def test_every_variant_has_as_many_weights(name: str, music: Music) -> None:
    """As nearly as widths of eight allow: the next one above or below is no nearer."""
    reference = replace(SHAPE, hidden_size=64)
    shape, wanted = sized(music.vocabulary, VARIANTS[name], reference), num_weights(music.vocabulary, reference)
    own = num_weights(music.vocabulary, shape)
    assert own == sum(p.numel() for p in MelodyNetwork(music.vocabulary, shape).parameters())
    for width in (shape.hidden_size - 8, shape.hidden_size + 8):
        if width > 0:
            assert abs(own - wanted) <= abs(num_weights(music.vocabulary, replace(shape, hidden_size=width)) - wanted)


def test_an_interval_is_that_of_the_bootstrap() -> None:
    """As scipy has it, of a ratio; it holds the figure, and of a difference with itself nothing else."""
    rng = np.random.default_rng(3)
    notes = rng.integers(20, 80, 25)
    nats = notes * rng.normal(2, 0.3, 25)
    found = rate(nats, notes)
    theirs = stats.bootstrap(
        (nats, notes), lambda a, b, axis: a.sum(axis) / b.sum(axis), paired=True, method="percentile", rng=1
    ).confidence_interval
    assert found.value == pytest.approx(nats.sum() / notes.sum())
    assert found[1:] == pytest.approx((theirs.low, theirs.high), abs=0.015)
    assert difference(nats, nats, notes) == (0, 0, 0)
    assert difference(nats + 0.1 * notes, nats, notes) == pytest.approx((0.1, 0.1, 0.1))


def test_what_is_left_out_of_a_start_is_left_out(music: Music) -> None:
    hidden = SHAPE.hidden_size

    def started(how: Learning) -> tuple[torch.Tensor, torch.Tensor]:
        torch.manual_seed(0)
        model = MelodyNetwork(music.vocabulary, SHAPE)
        begin(model, how)
        weights = dict(model.recurrent.named_parameters())
        return (weights["bias_ih_l0"] + weights["bias_hh_l0"])[hidden : 2 * hidden], weights["weight_hh_l0"][:hidden]

    bias, block = started(Learning())
    assert bias.eq(1).all() and torch.allclose(block @ block.T, torch.eye(hidden), atol=1e-5)
    bias, block = started(Learning(opens_forget_gates=False, begins_orthogonal=False))
    assert bias.eq(0).all() and not torch.allclose(block @ block.T, torch.eye(hidden), atol=0.1)


def test_a_network_learns_in_the_time_that_it_has(music: Music, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same run again gives the same weights where the clock goes on by steps; more time, less nats."""
    ticks = iter(range(10_000))
    monkeypatch.setattr(learning, "_work", lambda device: next(ticks))
    run = Run(SHAPE, BatchSettings(batch_size=8), Learning(), 5e-3, seconds=60)
    (one, _), (two, _) = learn(music, run), learn(music, run)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters()))
    short, _ = learn(music, replace(run, seconds=5))
    nats = [sum(each.sum() for each in token_nats(model, music.vocabulary, music.test)) for model in (short, one)]
    assert nats[1] < 0.8 * nats[0]


def test_the_whole_past_is_the_plain_measure_and_less_of_it_is_what_torch_says(music: Music) -> None:
    torch.manual_seed(0)
    model = MelodyNetwork(music.vocabulary, replace(SHAPE, features="none", intervals="none")).eval()
    events = sum(map(len, music.test))
    cut = measuring.with_past(model, music, music.test, pasts=(1, 512), count=10**6)
    whole = sum(each.sum() for each in token_nats(model, music.vocabulary, music.test)) / events
    assert cut[1] == pytest.approx(whole, rel=1e-5) and abs(cut[0] - whole) > 1e-4
    few = measuring.with_past(model, music, music.test, pasts=(3,), count=7)
    assert math.isfinite(few[0])


def test_copying_is_a_distribution_and_pays_where_the_music_repeats(music: Music) -> None:
    baseline = Copying(music.vocabulary, music.train, music.valid)
    rows = np.asarray(max(music.test, key=len))
    twice = np.concatenate([rows[:-1], rows[1:]])  # all again, so that it can be copied
    for piece in (rows, twice):
        nats = baseline.token_nats(piece)
        assert np.isfinite(nats).all() and (nats >= 0).all() and not nats[~encoded_tokens(music.vocabulary, piece)].any()
    again = repeats(music.vocabulary, twice)
    assert again[len(rows) + 8 : -1].mean() > 0.9
    second = baseline.token_nats(twice)[again].sum(axis=1).mean()
    assert second < baseline.token_nats(twice)[~again].sum(axis=1).mean()


def test_what_is_done_is_taken_up_and_what_is_of_something_else_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C in the third run: the first two are not done again, and the result is that of a run in one go."""
    corpus, count = small_corpus(30), 0

    def quick(music: Music, run: Run, on_share: object = None) -> Learnt:
        nonlocal count
        count += 1
        if count == 3:
            raise KeyboardInterrupt
        torch.manual_seed(run.seed + int(1e5 * run.rate))
        return Learnt(MelodyNetwork(music.vocabulary, replace(run.shape, hidden_size=8)).eval(), 1000.0)

    monkeypatch.setattr("melody.comparison.trials.learn", quick)
    monkeypatch.setattr(measuring, "microseconds", lambda *_: 50.0)
    settings = CompareSettings(("lstm", "rnn"), minutes=1, seeds=2, hidden_size=16, features="none", rates=(0.001, 0.002))
    with pytest.raises(KeyboardInterrupt):
        compare(corpus, tmp_path / "a", settings)
    kept = json.loads((tmp_path / "a" / NAME).read_text())["runs"]
    assert set(kept) == {"baselines", "lstm, rate 0.001", "lstm, rate 0.002"}
    found = compare(corpus, tmp_path / "a", settings)
    assert count == 1 + 8 and found == compare(corpus, tmp_path / "b", settings)
    assert [row["name"] for row in found["rows"]][:2] == ["lstm", "rnn"] and len(found["rows"]) == 5
    assert found["facts"]["parameters"] == found["rows"][0]["parameters"]
    with pytest.raises(TrainingError, match="of other music or other settings"):
        compare(corpus, tmp_path / "a", replace(settings, seeds=1))
    (tmp_path / "a" / NAME).write_text("{")
    with pytest.raises(TrainingError, match="is damaged"):
        compare(corpus, tmp_path / "a", settings)
    assert Comparison(Music(corpus.vocabulary, [], [], []), settings, tmp_path).reference.hidden_size == 16
    assert to_csv(found["rows"]).count("\n") == 6 and len(cells(found["rows"])[0]) == len(HEADER)
    assert to_latex(found["rows"]).count(r"\\") == 6 and r"95 \%" in to_latex(found["rows"])


@pytest.mark.parametrize(
    "wrong",
    [{"variants": ("perceptron",)}, {"variants": ()}, {"minutes": 0}, {"seeds": 0}, {"rates": (2.0,)}, {"hidden_size": 1}],
    ids=str,
)
def test_what_cannot_be_compared_is_refused(wrong: dict) -> None:
    with pytest.raises(TrainingError):
        CompareSettings(**wrong)


def test_the_command_writes_a_table_and_a_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    folk_songs(Path("songs"), 40)
    few = ["compare", "songs", "--variants", "lstm,mingru", "--minutes", "0.1", "--seeds", "1", "--hidden-size", "16"]
    assert main([*few, "--rate", "0.003"]) == 0
    shown = capsys.readouterr()
    assert "minGRU" in shown.err and "n-gram of" in shown.err
    assert {"table.csv", "table.tex", "picture.svg", "report.html", NAME} == {
        each.name for each in Path("songs-compared").iterdir()
    }
    page = Path("songs-compared/report.html").read_text()
    assert "minGRU" in page and "default-src 'none'" in page and "<script" not in page
    assert main(few) == 2 and "other settings" in capsys.readouterr().err
    assert main(["compare", "songs", "--variants", "perceptron"]) == 2 and "there are lstm" in capsys.readouterr().err
