"""The door to the terminal: whatever stands in names and titles is shown, and nothing of it is interpreted."""

from __future__ import annotations

import os
import re
import select
import sys
import time
import unicodedata
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from music import folk_tune

from melody import midi
from melody.cli import main, screen
from melody.piece import Part, Piece
from melody.text import for_terminal

# Markup, emoji and formats are text; what a terminal would obey is not.
HARMLESS = [
    "Song [live]",
    "[bold]x[red on blue]",
    "a:heart:b",
    "{x}{task.total}%s",
    "two  spaces",
    "नमस्\u200dते 漢字 e\u0301",
    "--help",
]
NASTY = [
    "\x1b[31mred\x1b]0;title\x07",
    "back\x08\x7f\r",
    "line\nbreak\x0b\x85",
    "\x9b31m",
    "\u202egpj.\u2066x\u200f\u2028",
    "tag\U000e0041",
]
NAMES = HARMLESS + NASTY + ([] if os.name == "nt" else ["latin-\udce9"])


def obeyed(text: str) -> list[str]:
    """Characters by which a terminal would do something, or that cannot be printed."""
    return [c for c in text if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") and c not in "\n\u200c\u200d"]


@given(st.text(st.characters(codec=None), max_size=40))
def test_nothing_is_obeyed_and_what_is_harmless_stays(text: str) -> None:
    shown = for_terminal(text)
    assert not obeyed(shown) and "\n" not in shown
    if text.isprintable():
        assert shown == text


@pytest.fixture
def somewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def said(capsys: pytest.CaptureFixture, *arguments: str, code: int) -> str:
    """What a command prints; nothing of it may be obeyed."""
    capsys.readouterr()
    assert main(list(arguments)) == code, capsys.readouterr().err
    out, err = capsys.readouterr()
    assert not obeyed(out + err) and "Traceback" not in err
    return out + err


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_names_are_shown_as_they_are_by_every_command(somewhere: Path, capsys: pytest.CaptureFixture, name: str) -> None:
    shown = for_terminal(name)
    folder, tune = Path(f"in {name}"), Path(f"in {name}", f"x{name}.mid")
    folder.mkdir()
    for number in range(2):
        midi.write(folk_tune(number), folder / f"{number}.mid")
    tune.write_bytes(b"[/b]hello \x1b[31m" + os.fsencode(name))
    assert f"x{shown}.mid" in said(capsys, "prepare", str(folder), code=0)
    assert f"x{shown}.mid" in said(capsys, "prepare", "--explain", str(tune), code=0)
    out = said(capsys, "prepare", str(folder), "--report", f"r{name}.json", "--out", f"s{name}.store", code=0)
    assert f"r{shown}.json" in out and f"s{shown}.store" in out
    assert screen.one_line(f"{tune}: ") in said(capsys, "continue", "fiddle", str(tune), code=2)
    assert screen.one_line(f"no{name}x") in said(capsys, "train", f"no{name}x", code=2)
    assert screen.one_line(f"'m{name}'") in said(capsys, "generate", f"m{name}", code=2)
    assert screen.one_line(f"'c{name}'") in said(capsys, f"c{name}", code=2)
    assert screen.one_line(f"'k{name}'") in said(capsys, "corpus", f"k{name}", code=2)
    said(capsys, "generate", "fiddle", f"--o{name}", code=2)
    Path("checkpoints").mkdir()
    Path("checkpoints", f"m{name}.safetensors").write_bytes(b"no model")
    assert f"m{shown}" in said(capsys, "models", code=0)


@pytest.mark.parametrize("name", ["Song [live]" + "\x1b[31m\n\u202e" + ":heart:{x}"], ids=ascii)
def test_titles_and_targets_are_shown_as_they_are_too(somewhere: Path, capsys: pytest.CaptureFixture, name: str) -> None:
    shown = for_terminal(name)
    tune = folk_tune(0)
    two = replace(tune, part=(tune.onset >= 96).astype(int), parts=(Part(0, False, name), Part(40, False, f"other{name}")))
    midi.write(two, Path(f"{name}.mid"))
    assert shown in said(capsys, "generate", "fiddle", "--any-ending", "--bars", "1", "--out", f"out{name}", code=0)
    assert shown in said(capsys, "continue", "fiddle", f"{name}.mid", "--bars", "1", code=0)


def test_no_cell_is_cut_and_numbers_stand_right(capsys: pytest.CaptureFixture) -> None:
    path = "long/" * 60 + "tune.mid"
    screen.table(("file", "notes"), [(path, "7"), ("漢字", "1,234")])
    header, first, second = capsys.readouterr().err.splitlines()
    assert first == f"{path}      7" and header.startswith("file ") and second.endswith("  1,234") and "漢字" in second


@pytest.mark.skipif(os.name == "nt", reason="Windows has no pseudo terminals")
@pytest.mark.parametrize("takes_long", [False, True])
def test_a_bar_appears_only_when_it_takes_long_and_shows_names_as_they_are(
    monkeypatch: pytest.MonkeyPatch, takes_long: bool
) -> None:
    import pty

    ours, theirs = pty.openpty()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(screen, "_SECOND", 0.0 if takes_long else 60.0)
    with open(theirs, "w") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        with screen.Progress("reading [b]{x}:heart:\x1b[2J", "files") as update:
            update(1, 3, "[/b]\x1b]0;")
            for _ in range(500 * takes_long):
                if screen._live:
                    break
                time.sleep(0.01)
            screen.say("a line [above] it")
            update(2, 3)
        screen.say("the end")
        shown = ""
        while select.select([ours], [], [], 0)[0]:
            shown += os.read(ours, 4096).decode(errors="replace")
    os.close(ours)
    assert ("reading [b]{x}:heart:" in shown) == ("/3 files" in shown) == takes_long
    assert "a line [above] it" in shown and "the end" in shown and "\x1b[2J" not in shown and "\x1b]0;" not in shown
    assert not screen._live


def test_output_that_cannot_take_a_character_gets_an_escape(capfd: pytest.CaptureFixture) -> None:
    import subprocess

    code = "from melody.cli import screen; screen.begin(); screen.show('tune-\\u00e9\\u266a.mid'); screen.say('\\u266a')"
    environment = os.environ | {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=30)
    assert done.stdout == "tune-\\xe9\\u266a.mid\n" and done.returncode == 0, done.stderr


def test_one_note_is_one_note(somewhere: Path, capsys: pytest.CaptureFixture) -> None:
    midi.write(Piece([0], [24], [60]), "one.mid")
    out = said(capsys, "prepare", "--explain", "one.mid", code=0) + repr(midi.read("one.mid"))
    midi.write(folk_tune(0), "folder.mid")
    Path("songs").mkdir()
    Path("folder.mid").rename("songs/only.mid")
    out += said(capsys, "prepare", "songs", code=0)
    assert "has 1 note;" in out and "<Piece 1 note, 1 bar of 4/4, 1 part>" in out and "kept 1 of 1 file, " in out
    assert not re.search(r"\b1 \w+s\b(?! of)", out.replace("1 seconds", ""))


def test_what_was_asked_for_goes_to_stdout_and_remarks_to_stderr(somewhere: Path, capsys: pytest.CaptureFixture) -> None:
    """So that `melody models > models.txt` holds the table."""
    midi.write(folk_tune(0), Path("one.mid"))
    explain = ["prepare", "--explain", "one.mid"]
    for arguments, shown in ((["corpus"], "4,248"), (["models"], "fiddle.safetensors"), (explain, "one.mid")):
        capsys.readouterr()
        assert main(arguments) == 0
        out, err = capsys.readouterr()
        assert shown in out and shown not in err and bool(err) == (arguments != explain)


def test_an_argument_is_its_name_alone_in_the_help(somewhere: Path, capsys: pytest.CaptureFixture) -> None:
    for command in ("generate", "render", "evaluate", "vary"):
        shown = said(capsys, command, "--help", code=0)
        assert "MODEL" in shown or command == "render"
        assert "<str>" not in shown and "<path>" not in shown


def test_the_seed_is_reported_when_a_tune_is_written_and_not_before(somewhere: Path, capsys: pytest.CaptureFixture) -> None:
    said(capsys, "generate", "fiddle", "--bars", "1", "--any-ending", code=0)
    Path("no folder").touch()
    assert "writes it again" not in said(capsys, "generate", "fiddle", "--bars", "1", "--out", "no folder/a.mid", code=2)


def test_bars_the_wrong_way_round_are_refused_as_what_they_are(somewhere: Path, capsys: pytest.CaptureFixture) -> None:
    midi.write(folk_tune(0), Path("one.mid"))
    for arguments in (
        ("vary", "fiddle", "one.mid", "--bars", "8-5"),
        ("score", "one.mid", "--bars", "8-5"),
        ("continue", "fiddle", "one.mid", "--prompt-bars", "8-5"),
    ):
        assert "is '8-5', which ends before it begins; write the lower bar first" in said(capsys, *arguments, code=2)


def test_playing_without_a_player_is_refused_before_anything_is_made(
    somewhere: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    midi.write(folk_tune(0), Path("one.mid"))
    monkeypatch.setattr("melody.render.output.shutil.which", lambda program: None)
    monkeypatch.setattr("melody.render.output.sys.platform", "linux")
    assert "without --play" in said(capsys, "render", "one.mid", "--play", code=2)
    assert not Path("one.wav").exists()
