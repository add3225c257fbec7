"""What several tests share: one small trained model, made once; and a browser."""

from __future__ import annotations

import gc
import os
import shutil
import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from hypothesis import settings
from music import folk_tune

from melody.dataset import BatchSettings
from melody.modelfile import ModelFile
from melody.piece import Piece
from melody.tokens import Vocabulary
from melody.tokens.vocabulary import Rows

signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored by what a shell starts in the background
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
settings.register_profile("suite", deadline=None, derandomize=True, database=None, max_examples=30)
settings.register_profile("long", deadline=None, database=None, max_examples=1000)  # --hypothesis-profile long
settings.load_profile("suite")


@dataclass(frozen=True)
class SmallCorpus:
    """Tunes with rules that a small model learns in seconds, in the shape that training wants."""

    vocabulary: Vocabulary
    pieces: dict[str, list[Rows]]
    manifest: dict[str, Any] = field(default_factory=lambda: {"name": "rules"})

    def rows(self, split: str) -> Sequence[Rows]:
        return self.pieces[split]


@cache
def small_corpus(tunes: int = 120) -> SmallCorpus:
    """A corpus of folk tunes by rule; to read, as all have the same one."""
    pieces = [folk_tune(n) for n in range(tunes)]
    vocabulary = Vocabulary.build(pieces, transpositions=range(-5, 7))
    rows = [vocabulary.encode(piece) for piece in pieces]
    tenth = max(tunes // 10, 1)
    return SmallCorpus(vocabulary, {"valid": rows[:tenth], "test": rows[tenth : 2 * tenth], "train": rows[2 * tenth :]})


def pytest_collection_finish() -> None:
    """What is loaded by now stays: the collector of garbage need not go through it again and again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def seeds(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who names no seed gets 0 here, so that a test sees the same music each time; but for those that are about that."""
    if "seeds_are_drawn" not in request.fixturenames:
        monkeypatch.setattr("melody.sampling.keywords.new_seed", lambda: 0)


@pytest.fixture
def seeds_are_drawn() -> None:
    """For tests of music without a seed."""


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a model trained until it knows the rules on such a corpus: one for all processes of a run."""
    base = tmp_path_factory.getbasetemp()
    folder = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    path = folder / "rules.safetensors"
    with FileLock(folder / "rules.lock"):
        if not path.exists():
            made = _train(tmp_path_factory.mktemp("model") / path.name)
            made.with_suffix(".index").rename(path.with_suffix(".index"))
            made.rename(path)
    return path


def _train(path: Path) -> Path:
    from melody.network.settings import ModelSettings
    from melody.training.run import fit
    from melody.training.settings import TrainingSettings

    shape = ModelSettings(hidden_size=64, num_layers=1, embedding_size=48, head_size=48, dropout=0.1)
    settings = TrainingSettings(
        epochs=40, model=shape, batch=BatchSettings(batch_size=8, outline_dropout=1.0), learning_rate=1e-2
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("melody.training.run.with_temperatures", _with_those_that_it_gets)
        fit(small_corpus(240), path, settings)
    return path


def _with_those_that_it_gets(file: ModelFile, valid: Sequence[Piece], **_: object) -> ModelFile:
    """The model with the temperatures that 700 tunes would choose, if the machine has the time for them."""
    assert len(valid) == 24
    temperatures = {"temperature": 1.0, "rhythm_temperature": 0.9, "pitch_temperature": 0.9}
    return replace(file, training={**file.training, "temperatures": temperatures})


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium without a window; tests that need it are skipped where it is absent."""
    driver = pytest.importorskip("playwright.sync_api", reason="needs the package playwright")
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        pytest.skip("needs Chromium on the path")
    quiet = [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--autoplay-policy=no-user-gesture-required",
    ]
    with driver.sync_playwright() as play:
        running = play.chromium.launch(executable_path=chromium, args=quiet)
        yield running
        running.close()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A studio that listens."""
    studios = pytest.importorskip("studios", reason="needs starlette, uvicorn and httpx")
    with studios.running(tmp_path_factory.mktemp("studio")) as found:
        yield found


@pytest.fixture(scope="module")
def page(browser: Any, running: Any) -> Iterator[Any]:
    """Its page, in which nothing may go wrong."""
    studios = pytest.importorskip("studios", reason="needs starlette, uvicorn and httpx")
    faults: list[str] = []
    opened = browser.new_page(viewport={"width": 1280, "height": 860})
    opened.set_default_timeout(120_000)  # of a machine with much else to do
    opened.on("pageerror", lambda error: faults.append(str(error)))
    opened.on(
        "console", lambda line: faults.append(line.text) if line.type == "error" and "status of" not in line.text else None
    )
    opened.add_init_script(studios.WITNESS)
    opened.goto(running.address)
    opened.wait_for_selector("html[data-ready=yes]")
    assert "token" not in opened.url
    yield opened
    opened.close()
    assert faults == []
