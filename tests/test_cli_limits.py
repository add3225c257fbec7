"""Limits from the command line, with the shipped model: the files keep to them, as mido reads them; bad ones write none."""

import sys
from importlib import import_module
from itertools import pairwise
from pathlib import Path

import mido
import numpy as np
import pytest
import typer

from melody import midi
from melody.cli import main
from melody.piece import Part, Piece

FIDDLE, CHORALES = (
    str(Path(__file__).parents[1] / "checkpoints" / f"{name}.safetensors") for name in ("fiddle", "chorales")
)
NOTHING = b"MThd" + bytes([0, 0, 0, 6, 0, 0, 0, 1, 0, 96]) + b"MTrk" + bytes([0, 0, 0, 4, 0, 0xFF, 0x2F, 0])


def played(path: Path) -> list[tuple[float, int]]:
    """(onset in quarters, pitch) of each note, by mido."""
    file = mido.MidiFile(path)
    found = []
    for track in file.tracks:
        tick = 0
        for message in track:
            tick += message.time
            if message.type == "note_on" and message.velocity:
                found.append((tick / file.ticks_per_beat, message.note))
    return sorted(found)


def generate(folder: Path, *options: str) -> list[list[tuple[float, int]]]:
    """The notes of three tunes."""
    assert main(["generate", FIDDLE, "--count", "3", "--out", str(folder / "tunes"), *options]) == 0
    return [played(path) for path in sorted((folder / "tunes").glob("*.mid"))]


def test_pitch_limits_hold_in_the_files(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    limits = ["--scale", "D,E,F#,A,B", "--range", "D4:B5", "--max-leap", "7", "--end-on-tonic", "--bars", "8"]
    for notes in generate(tmp_path, *limits):
        pitches = [pitch for _, pitch in notes]
        assert {pitch % 12 for pitch in pitches} <= {2, 4, 6, 9, 11}
        assert min(pitches) >= 62 and max(pitches) <= 83
        assert max(abs(a - b) for a, b in pairwise(pitches)) <= 7
        assert pitches[-1] % 12 == 2
    assert "of the probability" in capsys.readouterr().err


def test_rhythm_limits_hold_in_the_files(tmp_path: Path) -> None:
    for notes in generate(tmp_path, "--metre", "3/4", "--grid", "1/8", "--density", "4", "--tempo", "96", "--bars", "4"):
        assert all(onset * 2 == round(onset * 2) for onset, _ in notes)
        bars = [int(onset // 3) for onset, _ in notes]
        assert max(bars.count(bar) for bar in bars) <= 4
    for path in (tmp_path / "tunes").glob("*.mid"):
        changes = {m.type: m for track in mido.MidiFile(path).tracks for m in track if m.is_meta}
        assert round(mido.tempo2bpm(changes["set_tempo"].tempo), 3) == 96
        assert (changes["time_signature"].numerator, changes["time_signature"].denominator) == (3, 4)


def test_a_chord_a_bar_is_heard_on_every_beat(tmp_path: Path) -> None:
    chords = [{2, 5, 9}, {7, 11, 2, 5}, {0, 4, 7}]
    for notes in generate(tmp_path, "--chords", "Dm G7 C", "--metre", "4/4", "--bars", "6", "--seed", "4"):
        first = 4 if notes[0][0] >= 2 else 0  # a pick-up has no chord
        on_beats = [(onset - first, pitch) for onset, pitch in notes if onset == int(onset) and onset >= first]
        assert all(pitch % 12 in chords[int(onset // 4) % 3] for onset, pitch in on_beats)


def test_a_tune_as_text_is_gone_on_with(tmp_path: Path) -> None:
    out = tmp_path / "longer.mid"
    asked = ["--notes", "D4/8 E F# G A/4 D5", "--metre", "4/4", "--key", "D", "--bars", "2", "--out", str(out)]
    assert main(["continue", FIDDLE, *asked]) == 0
    assert [pitch for _, pitch in played(out)][:6] == [62, 64, 66, 67, 69, 74]
    assert len(played(out)) > 6


DRAWING = [
    ["--temperature", "-1"],
    ["--temperature", "nan"],
    ["--temperature", "warm"],
    ["--rhythm-temperature", "-0.5"],
    ["--pitch-temperature", "inf"],
    ["--top-k", "0"],
    ["--top-k", "1.5"],
    ["--top-p", "nan"],
    ["--min-p", "2"],
    ["--typical", "0"],
    ["--seed", "-1"],
    ["--engine", "abacus"],
    ["--count", "0"],
    ["--count", "many"],
    ["--out", "tune.doc"],
]
KEEPING = [
    ["--bars", "0"],
    ["--bars", "10000000"],
    ["--bars", "ten"],
    ["--key", "H"],
    ["--key", "C", "--range", "C#4:C#4"],
    ["--scale", ""],
    ["--scale", ","],
    ["--chords", "Dm Qx7"],
    ["--chords", ""],
    ["--instruments", "kazoo"],
    ["--instruments", "tuba"],
    ["--metre", "29/16"],
    ["--max-leap", "0"],
    ["--density", "none"],
    ["--velocity", "0:300"],
    ["--tempo", "nan"],
    ["--grid", "1/7"],
    ["--best-of", "1"],
    ["--beam", "0"],
    ["--repetition-penalty", "0"],
]
GENERATE = [["generate", FIDDLE, "--count", "2", "--out", "tunes", *options] for options in DRAWING + KEEPING]
CONTINUE = [["continue", FIDDLE, "tune.mid", "--count", "2", "--out", "tunes", *options] for options in DRAWING + KEEPING]
CONTINUE += [
    ["continue", FIDDLE, "tune.mid", "--part", "Kazoo"],
    ["continue", FIDDLE, "tune.mid", "--part", ""],
    ["continue", FIDDLE, "tune.mid", "--prompt-bars", "9-12"],
    ["continue", FIDDLE, "long.mid"],
    ["continue", FIDDLE, "--notes", "C4/8 " * 100_000],
]
VARY = [["vary", FIDDLE, "tune.mid", "--bars", "2-3", "--out", "tunes", *options] for options in DRAWING]
VARY += [
    ["vary", FIDDLE, "tune.mid", *options]
    for options in [
        ["--bars", "0"],
        ["--bars", "0-0"],
        ["--bars", "3-2"],
        ["--bars", "10000000"],
        ["--bars", "all"],
        ["--bars", "2-3", "--candidates", "0"],
        ["--bars", "2-3", "--rounds", "x"],
        ["--bars", "2-3", "--part", "5"],
        ["--bars", "2-3", "--best-of", "3"],
    ]
]
VARY += [["vary", FIDDLE, "empty.mid", "--bars", "1-2"]]
HARMONIZE = [["harmonize", CHORALES, "tune.mid", "--out", "tunes", *options] for options in DRAWING]
HARMONIZE += [
    ["harmonize", CHORALES, "tune.mid", "--key", "H"],
    ["harmonize", CHORALES, "tune.mid", "--candidates", "0"],
    ["harmonize", CHORALES, "empty.mid"],
    ["harmonize", CHORALES, "long.mid"],
    ["harmonize", FIDDLE, "tune.mid"],
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tune of four bars, one of 100,000 notes, and a file without a note."""
    folder = tmp_path_factory.mktemp("prompts")
    (folder / "empty.mid").write_bytes(NOTHING)
    for name, count in (("tune.mid", 32), ("long.mid", 100_000)):
        onset = 12 * np.arange(count)
        melody = Piece(onset, np.full(count, 12), 62 + 2 * (np.arange(count) % 5), parts=(Part(40),))
        midi.write(melody, folder / name)
    return folder


@pytest.mark.parametrize("command", GENERATE + CONTINUE + VARY + HARMONIZE, ids=lambda c: " ".join(c)[-60:])
def test_what_cannot_be_done_is_one_line_and_nothing_is_written(
    folder: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.chdir(folder)
    assert main(command) == 2
    said = capsys.readouterr()
    assert len(said.err.strip().splitlines()) == 1 and said.err.startswith("melody: ") and not said.out
    assert len(said.err) < 300
    assert sorted(path.name for path in folder.iterdir()) == ["empty.mid", "long.mid", "tune.mid"]


def told(command: str) -> set[str]:
    """The options of a command, as its help names them."""
    from melody.cli import app

    for module in ("make", "change"):
        import_module(f"melody.cli.{module}")
    found = typer.main.get_command(app).commands[command]  # type: ignore[attr-defined]
    return {option for parameter in found.params for option in parameter.opts if option.startswith("--")}


def test_all_four_commands_choose_alike_and_show_no_option_that_says_nothing_there() -> None:
    alike = {"--seed", "--temperature", "--rhythm-temperature", "--pitch-temperature", "--top-k", "--top-p", "--min-p"}
    alike |= {"--typical", "--engine", "--count", "--out", "--wav", "--png", "--html"}
    alike |= {"--scale", "--chords", "--range", "--max-leap", "--max-polyphony", "--density", "--grid"}
    searching = {"--best-of", "--beam", "--repetition-penalty"}
    for command in ("generate", "continue", "vary", "harmonize"):
        assert alike <= told(command)
        assert searching <= told(command) if command in ("generate", "continue") else not searching & told(command)


@pytest.mark.parametrize("engine", ["onnx", "int8"])
def test_every_command_runs_on_every_engine_and_says_so(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: str
) -> None:
    pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
    pytest.importorskip("onnx", reason="onnx is not installed")
    monkeypatch.chdir(tmp_path)
    tune = str(folder / "tune.mid")
    assert main(["generate", FIDDLE, "--bars", "2", "--engine", engine, "--out", "g.mid"]) == 0
    assert main(["continue", FIDDLE, tune, "--bars", "1", "--engine", engine, "--out", "c.mid"]) == 0
    assert main(["vary", FIDDLE, tune, "--bars", "2", "--candidates", "2", "--engine", engine, "--out", "v.mid"]) == 0
    assert main(["harmonize", CHORALES, tune, "--candidates", "2", "--engine", engine, "--out", "h.mid"]) == 0
    for path in ("g.mid", "c.mid"):
        texts = [m.text for track in mido.MidiFile(path).tracks for m in track if m.type == "text"]
        assert f"engine={engine}" in texts[0]
    assert all(played(Path(f"{name}.mid")) for name in "gcvh")


def test_without_onnx_runtime_the_remedy_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)  # as where it is not installed
    monkeypatch.chdir(tmp_path)
    assert main(["generate", FIDDLE, "--engine", "int8"]) == 2
    said = capsys.readouterr().err
    assert (
        len(said.splitlines()) == 1
        and "needs onnxruntime; install with: pip install" in said
        and not list(tmp_path.iterdir())
    )


@pytest.mark.parametrize(
    "prompt", [["empty.mid"], [], ["--notes", "D4/8 X"], ["--notes", "r/4"], ["empty.mid", "--notes", "C4"]]
)
def test_a_prompt_of_nothing_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch, prompt: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty.mid").write_bytes(NOTHING)
    assert main(["continue", FIDDLE, *prompt]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
    assert not Path("tunes").exists()
