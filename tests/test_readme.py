"""The commands of README, typed literally in a folder that holds what they name."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest
from music import folk_tune

from melody import midi, models
from melody.cli import main
from melody.piece import Piece

ROOT = Path(__file__).parents[1]
WRITTEN = re.compile(r"[\w./-]+\.(mid|html|png|wav|json|store|safetensors|onnx)")
# In place of ten minutes: one epoch of a small model.
SHORT = ["--epochs", "1", "--hidden-size", "8", "--layers", "1", "--samples", "0"]


def commands() -> list[tuple[list[str], list[str]]]:
    """Each melody command in a fenced block of README, and the paths that README says it prints."""
    found: list[tuple[list[str], list[str]]] = []
    for language, block in re.findall(r"^```(console|sh)\n(.*?)^```", (ROOT / "README.md").read_text("utf-8"), re.M | re.S):
        for line in block.splitlines():
            typed = line.removeprefix("$ ") if language == "console" else line
            if typed.startswith("melody ") and (line != typed or language == "sh"):
                found.append((shlex.split(typed, comments=True)[1:], []))
            elif language == "console" and found and WRITTEN.fullmatch(line):
                found[-1][1].append(line)
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What somebody has who reads README: songs, a tune, a hymn."""
    folder = tmp_path_factory.mktemp("home")
    for name in ("my-songs", "data"):
        (folder / name).mkdir()
    for number in range(12):
        midi.write(folk_tune(number), folder / "my-songs" / f"{number}.mid")
    (folder / "my-songs" / "page.mid").write_text("<!DOCTYPE html>")
    midi.write(folk_tune(20), folder / "my-tune.mid")
    onsets = [24 * number for number in range(16)]
    midi.write(
        Piece(onsets, [24] * 16, [67, 67, 69, 66, 67, 69, 71, 71, 72, 71, 69, 67, 69, 67, 66, 67]), folder / "hymn.mid"
    )
    shutil.copy(ROOT / "data" / "ode-to-joy.mid", folder / "data")
    return folder


def shortened(words: list[str]) -> list[str]:
    """The same, but for what takes time: minutes of training, candidates that are weighed."""
    if words[0] in ("vary", "harmonize"):
        return [*words, "--candidates", "4"]
    if words[0] != "train" or "--plan" in words:
        return words
    kept = [w for i, w in enumerate(words) if w != "--max-minutes" and (i == 0 or words[i - 1] != "--max-minutes")]
    return [*kept, *SHORT]


def test_readme_has_commands_of_every_kind() -> None:
    assert {"train", "prepare", "corpus", "generate", "continue", "vary", "harmonize"} <= {
        words[0] for words, _ in commands()
    }


def test_the_journeys_of_readme(folder: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    for words, paths in commands():
        assert main(shortened(words)) == 0, f"melody {shlex.join(words)}: {capsys.readouterr().err}"
        printed = capsys.readouterr().out.splitlines()
        assert set(paths) <= set(printed), f"melody {shlex.join(words)} prints {printed}"
        assert all(Path(path).stat().st_size > 0 for path in printed if WRITTEN.fullmatch(path))
    assert main(["generate", "my-songs", "--any-ending", "--bars", "2"]) == 0  # the model, not the folder of that name
    assert midi.read(capsys.readouterr().out.strip()).num_notes
    assert models.find("my-songs") == Path("checkpoints/my-songs.safetensors")
