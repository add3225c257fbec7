"""The laws of the bridge to a DAW: what the script writes is answered with notes that fit, or with a sentence."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from melody.along.bridge.exchange import answer_file, read_request
from melody.along.bridge.installing import install
from melody.cli import main
from melody.errors import MelodyError
from melody.limits import Limits

FACTS = {
    "task": "vary",
    "model": "fiddle",
    "first": 2,
    "last": 2,
    "numerator": 4,
    "denominator": 4,
    "tempo": 96.5,
    "options": "--key D --range D4:D6",
}
NOTES = [(number / 2, 0.5, pitch, 80) for number, pitch in enumerate([62, 66, 69, 66, 62, 66, 69, 71] * 4)]


def request(notes: Any = NOTES, **changes: Any) -> str:
    facts = FACTS | changes
    lines = ["melody-bridge 1", *(f"{name} {value}" for name, value in facts.items() if value is not None)]
    return "\n".join([*lines, *(f"note {o:.6f} {d:.6f} {p} {v}" for o, d, p, v in notes)]) + "\n"


def answered(folder: Path, text: str) -> tuple[list[tuple[float, ...]], str]:
    """The notes of an answer, and the sentence if it was refused."""
    asked, out = folder / "request.txt", folder / "answer.txt"
    asked.write_text(text)
    refused = answer_file(asked, out)
    lines = out.read_text().splitlines()
    assert lines[0] == (f"refused {refused}" if refused else "melody-answer 1")
    return [tuple(map(float, line.split()[1:])) for line in lines[1:]], refused


def test_bars_are_varied_and_gone_on_with_under_limits(tmp_path: Path) -> None:
    limits = Limits.parse(key="D", range="D4:D6")
    for changes, begins, ends in (({}, 4, 8), ({"task": "continue", "first": 3, "last": 4}, 16, 24)):
        notes, refused = answered(tmp_path, request(**changes))
        assert not refused and notes
        assert all(
            begins <= onset < ends and duration > 0 and 1 <= velocity <= 127 for onset, duration, _, velocity in notes
        )
        assert limits.notes is not None
        assert all(62 <= pitch <= 86 and int(pitch) % 12 in limits.notes.pitch_classes for _, _, pitch, _ in notes)


def test_a_request_says_where_its_notes_are() -> None:
    found = read_request(request(tempo="96.500000"))
    assert (found.first, found.last, found.piece.num_notes, found.piece.tempo_qpm) == (
        2,
        2,
        32,
        pytest.approx(96.5, abs=1e-3),
    )
    assert found.piece.onset[:3].tolist() == [0, 12, 24] and found.piece.pitch[:3].tolist() == [62, 66, 69]
    assert read_request(request([(0, 1, 60, 80), (0.5, 1, 60, 80)])).piece.num_notes == 2  # of one pitch, overlapping


@pytest.mark.parametrize(
    "text",
    [
        "",
        "melody-bridge 2\n",
        request(task="play"),
        request(task=None),
        request(model="fidle"),
        request(first=0),
        request(first=3, last=2),
        request(last=9_999),
        request(first="x"),
        request(numerator=0),
        request(denominator=5),
        request(tempo="fast"),
        request(tempo="nan"),
        request(options="--loud"),
        request(options="--key"),
        request(options="--key H"),
        request(options="'"),
        request([]),
        request([(-1, 1, 60, 80)]),
        request([(0, 0, 60, 80)]),
        request([(0, 1, 128, 80)]),
        request([(1e300, 1, 60, 80)]),
        request(first=90, last=91),
    ],
)
def test_what_is_no_request_is_refused_in_one_line(tmp_path: Path, text: str) -> None:
    notes, refused = answered(tmp_path, text)
    assert notes == [] and refused and "\n" not in refused


def test_the_command_answers_and_installs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked, out = tmp_path / "request.txt", tmp_path / "answer.txt"
    asked.write_text(request(task="continue", first=4, last=4))
    assert main(["bridge", "answer", str(asked), str(out)]) == 0
    assert out.read_text().startswith("melody-answer 1\nnote ")
    assert main(["bridge", "answer", str(tmp_path / "none"), str(out)]) == 2
    assert out.read_text().startswith("refused ")
    assert main(["bridge", "reaper", "--folder", str(tmp_path)]) == 0
    assert Path(capsys.readouterr().out.splitlines()[-1]).is_file()
    assert main(["bridge", "cubase"]) == 2
    with pytest.raises(MelodyError):
        install(tmp_path / "request.txt")


DAW = """
package.path = {folder} .. "/?.lua;" .. package.path
local melody = require("melody_bars")
local put, said
melody.main({{
  selected = function() return {asked} end,
  form = function() return {{ task = "vary", model = "{model}", options = "--key D" }} end,
  run = function(command) os.execute(command) end,
  put = function(notes, asked) put = notes end,
  say = function(text) said = text end,
}})
if said then print("said " .. said) end
for _, n in ipairs(put or {{}}) do print(n.onset, n.duration, n.pitch, n.velocity) end
"""


@pytest.mark.skipif(shutil.which("lua5.4") is None, reason="needs lua5.4")
def test_the_script_itself_sends_bars_and_gets_notes(tmp_path: Path) -> None:
    """In stock Lua, with a DAW that is a table of functions."""
    script = install(tmp_path)
    table = ", ".join(f"{{ onset = {o}, duration = {d}, pitch = {p}, velocity = {v} }}" for o, d, p, v in NOTES)
    asked = f"{{ first = 2, last = 2, numerator = 4, denominator = 4, tempo = 120.0, notes = {{ {table} }} }}"
    for model, expected in (("fiddle", None), ("fidle", "said there is no model 'fidle'")):
        program = tmp_path / "daw.lua"
        program.write_text(DAW.format(folder=json.dumps(str(script.parent)), asked=asked, model=model))
        done = subprocess.run(["lua5.4", program], capture_output=True, text=True, check=True, timeout=300)
        lines = [line for line in done.stdout.splitlines() if not line.endswith("answer.txt")]
        if expected:
            assert lines[-1].startswith(expected)
        else:
            notes = [tuple(map(float, line.split())) for line in lines]
            assert notes and all(
                4 <= onset < 8 and int(pitch) % 12 in (1, 2, 4, 6, 7, 9, 11) for onset, _, pitch, _ in notes
            )
