"""How commands end: interrupted at any time, with output that cannot be printed, with what is not there."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import cast

import commands
import numpy as np
import pytest
from music import folk_tune

from melody import midi, modelfile, models
from melody.cli import COMMANDS, main, screen
from melody.cli.options import Drawing, Writing
from melody.cli.targets import Targets
from melody.cli.writing_tunes import Made, Page, write_tunes
from melody.limits import Limits
from melody.piece import Part, Piece
from melody.sampling import Model, SamplingSettings

posix = pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals and devices")


def begun(*arguments: object, cwd: Path) -> subprocess.Popen[str]:
    """A command that runs."""
    command = [sys.executable, "-m", "melody", *map(str, arguments)]
    return subprocess.Popen(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def ended(process: subprocess.Popen[str]) -> tuple[int, str, list[str]]:
    """Its exit code, and what it printed and said since."""
    out, err = process.communicate(timeout=120)
    assert "Traceback" not in err, err
    return process.returncode, out, err.splitlines()


def first_before_an_interruption(process: subprocess.Popen[str], folder: Path) -> str:
    """The first tune that a command writes, which is then interrupted: what is written is whole, and named."""
    assert process.stdout
    first = process.stdout.readline().strip()
    assert first, ended(process)
    process.send_signal(signal.SIGINT)
    code, out, lines = ended(process)
    paths = [first, *out.splitlines()]
    assert code == 130, (code, lines)
    assert lines[-1].startswith(f"melody: interrupted; what is written stays: {paths[-1]}")
    assert sorted(paths) == sorted(str(p.relative_to(folder)) for p in (folder / "tunes").iterdir())
    assert all(midi.read(folder / path).num_notes for path in paths)
    return first


def songs(folder: Path) -> Path:
    folder.mkdir()
    for number in range(12):
        midi.write(folk_tune(number), folder / f"{number}.mid")
    return folder


@posix
def test_ctrl_c_says_what_stays_and_the_tunes_that_are_made_are_written(tmp_path: Path) -> None:
    """A hundred thousand tunes are written one by one, and begin to be at once."""
    process = begun("generate", "fiddle", "--any-ending", "--bars", 1, "--count", 100_000, "--seed", 5, cwd=tmp_path)
    assert first_before_an_interruption(process, tmp_path) == "tunes/fiddle-5-000001.mid"


@posix
def test_an_interrupted_import_ends_with_the_exit_code_too(tmp_path: Path) -> None:
    """Data classes are made by `exec`, which has Python end itself by the signal if it is interrupted there."""
    text = "import os, signal; os.kill(os.getpid(), signal.SIGINT); [None for _ in range(10**6)]"
    program = f"import sys\nfrom melody import cli\ncli._run = lambda words: exec({text!r})\nsys.exit(cli.main([]))"
    (tmp_path / "program.py").write_text(program)
    command = [sys.executable, "-m", "program"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    code, _, lines = ended(process)
    assert (code, lines) == (130, ["melody: interrupted; nothing was written"])


@posix
@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("continue", ["fiddle", "tune.mid", "--bars", "1", "--any-ending"]),
        ("vary", ["fiddle", "tune.mid", "--bars", "2", "--candidates", "2", "--rounds", "0"]),
        ("harmonize", ["chorales", "tune.mid", "--candidates", "2", "--parallels"]),
    ],
)
def test_what_is_made_of_a_tune_is_written_as_it_is_made_too(tmp_path: Path, command: str, words: list[str]) -> None:
    onset = 24 * np.arange(16)
    piece = Piece(onset, np.full(16, 24), 67 + np.array([0, 4, 7, 4] * 4), parts=(Part(40),), ticks_per_quarter=24)
    midi.write(piece, tmp_path / "tune.mid")
    process = begun(command, *words, "--count", 100_000, "--seed", 5, cwd=tmp_path)
    first = first_before_an_interruption(process, tmp_path)
    alone = commands.melody(command, *words, "--seed", 5, "--out", "again.mid", cwd=tmp_path).stdout.strip()
    assert (tmp_path / alone).read_bytes() == (tmp_path / first).read_bytes()  # the first of any number


@pytest.mark.parametrize("is_interrupted", [False, True])
def test_tunes_are_written_as_they_are_made_and_shown_in_their_order(
    tmp_path: Path, is_interrupted: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is finished when a command is interrupted is there, and is named."""
    paths = [tmp_path / f"{number}.mid" for number in range(5)]

    def made() -> Iterator[Made]:
        for number in (3, 0, 4, 1, 2):
            if is_interrupted and number == 2:
                raise KeyboardInterrupt
            yield Made(folk_tune(number), number=number)
            assert paths[number].exists()  # before the next one is made
            named = capsys.readouterr().out.split()
            assert named == {3: [], 0: [str(paths[0])], 4: [], 1: [str(paths[1])], 2: list(map(str, paths[2:]))}[number]

    writing, page = Writing(), Page("", cast(Model, None), SamplingSettings(), Limits(), None)
    with pytest.raises(KeyboardInterrupt) if is_interrupted else nullcontext():
        write_tunes(made(), Targets(paths, tmp_path / "page.html"), Drawing(seed="1"), writing, page)
    assert capsys.readouterr().out.split() == ([str(paths[3]), str(paths[4])] if is_interrupted else [])
    assert [midi.read(path) for path in paths if path.exists()] == [
        midi.parse(midi.to_bytes(folk_tune(number))).piece for number in range(5) if number != 2 or not is_interrupted
    ]


@posix
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_while_torch_is_loading_ends_with_the_same_words(tmp_path: Path, number: int, code: int) -> None:
    process = begun("train", songs(tmp_path / "songs"), cwd=tmp_path)
    assert process.stderr
    while "loading torch" not in process.stderr.readline():
        pass
    process.send_signal(number)
    assert ended(process)[::2] == (code, ["melody: interrupted; nothing was written"])
    assert not (tmp_path / "checkpoints").exists()


@posix
def test_an_interrupted_training_keeps_its_best_model_and_does_not_exit_with_0(tmp_path: Path) -> None:
    small = ("--hidden-size", 8, "--layers", 1, "--epochs", 1000, "--samples", 0)
    command = ("train", songs(tmp_path / "songs"), *small)
    process = commands.begun(commands.COMMAND, *command, cwd=tmp_path, folder=tmp_path / "streams")
    while "epoch   1/" not in process.stderr.readline():
        pass
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    assert process.returncode == 130 and out.strip() == "checkpoints/songs.safetensors"
    assert err.splitlines()[-1] == "melody: interrupted; what is written stays: checkpoints/songs.safetensors"
    assert modelfile.load(tmp_path / out.strip()).training["result"]["ending"] == "interrupted"


@posix
@pytest.mark.parametrize(
    "arguments", [["generate", "fiddle", "--bars", "1"], ["--version"], ["--help"], ["generate", "--help"]]
)
def test_what_cannot_be_printed_is_told_in_one_line(tmp_path: Path, arguments: list[str]) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no such device here")
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "melody", *arguments]
        done = subprocess.run(command, cwd=tmp_path, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
    *_, last = done.stderr.splitlines()
    assert done.returncode == 2 and last.startswith("melody: cannot print (No space left on device)")
    assert "Exception" not in done.stderr
    if arguments[0] == "generate" and "--help" not in arguments:
        (tune,) = (tmp_path / "tunes").iterdir()
        assert last.endswith(f"what is written stays: tunes/{tune.name}") and midi.read(tune).num_notes


@posix
def test_a_reader_that_has_gone_and_a_closed_stderr_are_no_failures(tmp_path: Path) -> None:
    command = f"{sys.executable} -m melody generate fiddle --any-ending --bars 1 --seed 1"
    piped = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command} --count 300 | head -1"], cwd=tmp_path, capture_output=True, text=True
    )
    assert (piped.returncode, piped.stdout, piped.stderr) == (0, "tunes/fiddle-1-001.mid\n", "")
    closed = subprocess.run(["bash", "-c", f"{command} --out x.mid 2>&-"], cwd=tmp_path, capture_output=True, text=True)
    assert (closed.returncode, closed.stdout) == (0, "x.mid\n")
    refused = subprocess.run(["bash", "-c", f"{command} --out x.mid 2>&-"], cwd=tmp_path, capture_output=True, text=True)
    assert (refused.returncode, refused.stdout) == (2, "")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["gen"], "there is no command 'gen'; did you mean generate?"),
        (["contineu"], "did you mean continue?"),
        (["xyz"], "there is no command 'xyz' (see melody --help)"),
        (["generate", "fiddle", "--temprature", "1"], "there is no option --temprature; did you mean --temperature?"),
        (["generate", "fiddle", "--top", "1"], "did you mean --top-k or --top-p?"),
        (["train", "x", "--max-minuts", "1"], "did you mean --max-minutes?"),
        (["generate", "fiddle", "--xyz"], "there is no option --xyz (see melody generate --help)"),
        (["generate", "fidle"], "did you mean fiddle?"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_near_misses_are_suggested(capsys: pytest.CaptureFixture, arguments: list[str], told: str) -> None:
    assert main(arguments) == 2
    assert told in capsys.readouterr().err


def test_what_the_system_refuses_is_one_line(capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str) -> None:
        raise OSError(13, "Permission denied", "some/file")

    monkeypatch.setattr(screen, "begin", lambda: None)
    monkeypatch.setattr("melody.cli._modules", refuse)
    assert main(["models"]) == 2
    assert capsys.readouterr().err == "melody: some/file: Permission denied\n"


def help_of(capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch, *command: str) -> str:
    monkeypatch.setenv("COLUMNS", "120")
    assert main([*command, "--help"]) == 0
    return capsys.readouterr().out


def test_beginners_see_a_few_options_first_and_samplers_last(
    capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = help_of(capsys, monkeypatch, "generate")
    assert "melody generate [OPTIONS] MODEL\n" in "".join(line.rstrip() + "\n" for line in text.splitlines())
    panels = ["Options", "What the music keeps to", "What is written", "Advanced"]
    places = [text.index(f"─ {panel} ─") for panel in panels]
    assert places == sorted(places)
    first, last = text[places[0] : places[1]], text[places[3] :]
    for name in ("bars", "key", "count", "out", "seed", "temperature"):
        assert f"--{name} " in first
    assert first.count("--") == 7  # these and --help
    for name in ("top-k", "top-p", "min-p", "typical", "beam", "best-of", "engine", "any-ending"):
        assert f"--{name} " in last
    everything = help_of(capsys, monkeypatch)
    assert everything.index("generate") < everything.index("train") < everything.index("evaluate")


@pytest.mark.parametrize("command", [word for words in COMMANDS.values() for word in words])
def test_a_command_has_a_help_with_an_example_and_refuses_what_it_does_not_take(
    capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    shown = help_of(capsys, monkeypatch, command)
    assert f"Example: melody {command}" in shown and "{" not in shown and "<str>" not in shown
    assert main([command, "--no-such-option"]) == 2
    out, err = capsys.readouterr()
    assert not out and len(err.splitlines()) == 1 and f"melody {command} --help" in err


@posix
@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["melody", "ge"], ["generate"]),
        (["melody", "generate", "fi"], ["fiddle", "fiddle-small"]),
        (["melody", "vary", "c"], ["chorales"]),
        (["melody", "generate", "fiddle", "--tem"], ["--tempo", "--temperature"]),
    ],
    ids=lambda words: " ".join(words),
)
def test_the_shell_completes_commands_models_and_options(tmp_path: Path, words: list[str], offered: list[str]) -> None:
    environment = os.environ | {
        "COMP_WORDS": " ".join(words),
        "COMP_CWORD": str(len(words) - 1),
        "_MELODY_COMPLETE": "complete_bash",
    }
    command = [sys.executable, "-c", "from melody.cli import run; run()"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == offered and not done.stderr


def test_models_are_listed_with_what_they_learned_and_a_damaged_one_with_the_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped = [models.find(name) for name in ("chorales", "fiddle", "jsb")]
    monkeypatch.setattr(models, "_PACKAGE", tmp_path / "melody")  # a program with these models and no others
    (tmp_path / "melody" / "checkpoints").mkdir(parents=True)
    for path in shipped:
        shutil.copy(path, tmp_path / "melody" / "checkpoints")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "broken.safetensors").write_bytes(b"not a model")
    assert main(["models"]) == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert [line.split()[0] for line in lines[1:5]] == ["broken", "chorales", "fiddle", "jsb"]
    assert "is no model file" in lines[1] and "4,140" in lines[3] and "1.597" in lines[3] and "2.804" in lines[3]
    assert "fiddle.safetensors" in lines[3] and "licence" in err
