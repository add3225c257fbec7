"""Limits from the command line, with the shipped model: the files keep to them, as mido reads them; bad ones write none."""

from itertools import pairwise
from pathlib import Path

import mido
import pytest

from melody.cli import main

FIDDLE = str(Path(__file__).parents[1] / "checkpoints" / "fiddle.safetensors")
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
    for notes in generate(tmp_path, "--meter", "3/4", "--grid", "1/8", "--density", "4", "--tempo", "96", "--bars", "4"):
        assert all(onset * 2 == round(onset * 2) for onset, _ in notes)
        bars = [int(onset // 3) for onset, _ in notes]
        assert max(bars.count(bar) for bar in bars) <= 4
    for path in (tmp_path / "tunes").glob("*.mid"):
        changes = {m.type: m for track in mido.MidiFile(path).tracks for m in track if m.is_meta}
        assert round(mido.tempo2bpm(changes["set_tempo"].tempo), 3) == 96
        assert (changes["time_signature"].numerator, changes["time_signature"].denominator) == (3, 4)


def test_a_chord_a_bar_is_heard_on_every_beat(tmp_path: Path) -> None:
    chords = [{2, 5, 9}, {7, 11, 2, 5}, {0, 4, 7}]
    for notes in generate(tmp_path, "--chords", "Dm G7 C", "--meter", "4/4", "--bars", "6", "--seed", "4"):
        first = 4 if notes[0][0] >= 2 else 0  # a pick-up has no chord
        on_beats = [(onset - first, pitch) for onset, pitch in notes if onset == int(onset) and onset >= first]
        assert all(pitch % 12 in chords[int(onset // 4) % 3] for onset, pitch in on_beats)


def test_a_tune_as_text_is_gone_on_with(tmp_path: Path) -> None:
    out = tmp_path / "longer.mid"
    asked = ["--notes", "D4/8 E F# G A/4 D5", "--meter", "4/4", "--key", "D", "--bars", "2", "--out", str(out)]
    assert main(["continue", FIDDLE, *asked]) == 0
    assert [pitch for _, pitch in played(out)][:6] == [62, 64, 66, 67, 69, 74]
    assert len(played(out)) > 6


@pytest.mark.parametrize(
    "options",
    [
        ["--temperature", "-1"],
        ["--temperature", "nan"],
        ["--top-k", "0"],
        ["--top-p", "nan"],
        ["--min-p", "2"],
        ["--bars", "0"],
        ["--bars", "10000000"],
        ["--key", "H"],
        ["--key", "C", "--range", "C#4:C#4"],
        ["--scale", ""],
        ["--scale", ","],
        ["--chords", "Dm Qx7"],
        ["--instruments", "kazoo"],
        ["--instruments", "tuba"],
        ["--meter", "29/16"],
        ["--max-leap", "0"],
        ["--density", "none"],
        ["--velocity", "0:300"],
        ["--best-of", "1"],
        ["--beam", "0"],
    ],
    ids=" ".join,
)
def test_what_cannot_be_kept_is_one_line_and_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture, options: list[str]
) -> None:
    assert main(["generate", FIDDLE, "--count", "2", "--out", str(tmp_path / "tunes"), *options]) == 2
    said = capsys.readouterr()
    assert len(said.err.strip().splitlines()) == 1 and not said.out
    assert not (tmp_path / "tunes").exists()


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
