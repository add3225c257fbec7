"""Models by name: what a name means, what there is, and what is said where there is none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from melody import models
from melody.errors import ModelFileError
from melody.modelfile import SUFFIX

SHIPPED = {"band", "chorales", "fiddle", "fiddle-small", "jsb"}


@pytest.fixture(autouse=True)
def somewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder to work in, beside a program that comes with its models and nothing else."""
    program = tmp_path / "program"
    (program / "checkpoints").mkdir(parents=True)
    (program / "pyproject.toml").touch()
    for name in SHIPPED:
        (program / "checkpoints" / f"{name}{SUFFIX}").write_bytes(b"a model")
    monkeypatch.setattr(models, "_PACKAGE", program / "melody")
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")


def written(path: str) -> Path:
    Path(path).parent.mkdir(exist_ok=True)
    Path(path).write_bytes(b"a model")
    return Path(path)


def test_a_folder_of_music_is_never_the_model_that_was_trained_on_it() -> None:
    Path("pop").mkdir()
    with pytest.raises(ModelFileError, match=r"'pop' is a folder, no model; .*train one with: melody train pop$"):
        models.find("pop")
    trained = written(f"checkpoints/pop{SUFFIX}")
    assert models.find("pop") == trained
    Path(f"pop{SUFFIX}").mkdir()
    assert models.find("pop") == models.find(Path("pop")) == models.find(f"pop{SUFFIX}") == trained


def test_a_file_comes_before_checkpoints_and_these_before_what_is_shipped() -> None:
    shipped = models.find("fiddle")
    assert shipped.is_absolute() and models.name_of(shipped) == "fiddle"
    own = written(f"checkpoints/fiddle{SUFFIX}")
    assert models.find("fiddle") == own and own in models.available() and shipped not in models.available()
    assert models.find("checkpoints/fiddle") == own
    beside = written(f"fiddle{SUFFIX}")
    assert models.find("fiddle") == beside
    assert models.find(written("fiddle")) == Path("fiddle")


def test_there_are_those_that_are_shipped_and_ones_own_but_no_folder_and_nothing_unfinished() -> None:
    own = written(f"checkpoints/pop{SUFFIX}")
    written(f"checkpoints/.half{SUFFIX}")
    Path(f"checkpoints/folder{SUFFIX}").mkdir()
    names = [models.name_of(path) for path in models.available()]
    assert set(names) == SHIPPED | {"pop"} and names == sorted(names) and own in models.available()


@pytest.mark.parametrize("name", ["", ".", "/", "x" * 5000, "a\0b", "nowhere/fiddle", "\udcff"])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(ModelFileError):
        models.find(name)


def test_a_near_miss_is_told_beside_all_there_is() -> None:
    with pytest.raises(
        ModelFileError,
        match="no model 'fidle'; did you mean fiddle\\? there are band, chorales, fiddle, fiddle-small, jsb; ",
    ):
        models.find("fidle")
    with pytest.raises(ModelFileError, match="no model 'polka'; there are band, chorales"):
        models.find("polka")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_is_no_model() -> None:
    os.mkfifo("pipe")
    with pytest.raises(ModelFileError, match="no model 'pipe'"):
        models.find("pipe")
