"""Whatever music comes, it is gone on with, rewritten or set, or refused in one sentence."""

from __future__ import annotations

import importlib.util
import sys
from io import BytesIO
from pathlib import Path

import mido
import numpy as np
import pytest

from melody import midi
from melody.cli import main
from melody.errors import MelodyError, SamplingError
from melody.limits import Limits
from melody.piece import Key, Part, Piece, TimeSignature
from melody.sampling import Model, SamplingSettings, load
from melody.sampling.tasks.harmonize import harmonize
from melody.sampling.tasks.infill import VarySettings, vary
from melody.sampling.tasks.midi_edit import continue_file, vary_file
from melody.sampling.tasks.part_choice import top_line_of

ROOT = Path(__file__).parents[1]
FIDDLE = (Part(40),)
G = (Key(0, 1, "major"),)


@pytest.fixture(scope="module")
def fiddle() -> Model:
    return load(ROOT / "checkpoints" / "fiddle.safetensors")


@pytest.fixture(scope="module")
def chorales() -> Model:
    return load(ROOT / "checkpoints" / "chorales.safetensors")


def eighths(*pitches: int, start: int = 0) -> Piece:
    """A line of eighths for the violin, over and over what is given."""
    onset = start + 12 * np.arange(len(pitches))
    return Piece(onset, np.full(len(pitches), 12), np.array(pitches), parts=FIDDLE, keys=G)


TUNE = (67, 69, 71, 74, 71, 69, 67, 62, 64, 67, 66, 69, 67, 64, 62, 59)


def test_forty_odd_prompts_end_in_music_or_in_a_sentence() -> None:
    spec = importlib.util.spec_from_file_location("fuzz_prompts", ROOT / "scripts" / "fuzz_prompts.py")
    assert spec and spec.loader
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    ends = [script.trial(3, number, [], most=6) for number in range(40)]
    assert [end for end in ends if end[0]] == []
    assert len({words for _, words in ends}) > 8 and sum("done" in words for _, words in ends) > 8


# Chords and drums


def chords() -> Piece:
    """Two bars of triads in quarters by a piano, the top line D E F sharp G."""
    onset = np.repeat(np.arange(8) * 24, 3)
    top = np.repeat([74, 76, 78, 79] * 2, 3)
    return Piece(onset, np.full(24, 24), top - np.tile([12, 7, 0], 8), parts=(Part(0),), keys=G)


@pytest.mark.parametrize("part", [None, "1", "highest", "melodic"])
def test_of_chords_the_top_line_is_gone_on_with_and_that_is_said(fiddle: Model, tmp_path: Path, part: str | None) -> None:
    midi.write(chords(), tmp_path / "chords.mid")
    made = continue_file(fiddle, tmp_path / "chords.mid", part=part, limits=Limits(bars=2))[0]
    assert any("the top line" in remark for remark in made.made.remarks)
    piece = midi.parse(made.data).piece
    assert piece.select(piece.onset < 192).pitch.tolist() == chords().pitch.tolist()
    assert piece.select(piece.onset >= 192).is_monophonic and piece.num_bars == 4
    alone = eighths(74, 76, 78, 79, 74, 76, 78, 79)
    quarters = Piece(alone.onset * 2, alone.duration * 2, alone.pitch, parts=(Part(0),), keys=G)
    new = fiddle.continue_(quarters, bars=2)
    assert new.pitch[new.onset >= 192].tolist() == piece.pitch[piece.onset >= 192].tolist()


def test_a_line_beside_chords_is_heard_as_it_is(fiddle: Model, tmp_path: Path) -> None:
    line, both = eighths(*TUNE), chords()
    columns = {n: np.concatenate([getattr(both, n), getattr(line, n)]) for n in ("onset", "duration", "pitch")}
    piece = Piece(**columns, part=np.repeat([0, 1], [24, 16]), parts=(Part(0), Part(40)), keys=G)
    midi.write(piece, tmp_path / "both.mid")
    remarks = continue_file(fiddle, tmp_path / "both.mid", limits=Limits(bars=1))[0].made.remarks
    assert any("part 2 of 2" in remark for remark in remarks) and not any("top line" in remark for remark in remarks)


@pytest.mark.parametrize("seed", range(6))
def test_a_top_line_is_one_note_at_a_time_and_nothing_above_it_is_left_out(seed: int) -> None:
    rng = np.random.default_rng(seed)
    slots = np.sort(rng.choice(40 * 30, 60, replace=False))
    piece = Piece(slots // 30 * 6, rng.integers(1, 7, 60), 50 + slots % 30)
    line = top_line_of(piece)
    assert line.is_monophonic and line.length == piece.length
    for onset, pitch in zip(piece.onset.tolist(), piece.pitch.tolist()):
        sounding = line.pitch[(line.onset <= onset) & (line.end > onset)]
        assert sounding.max(initial=0) >= pitch or not len(sounding)


def test_drums_are_refused_in_a_sentence(fiddle: Model, chorales: Model) -> None:
    beat = Piece(np.arange(16) * 12, [12] * 16, [36, 42] * 8, parts=(Part(0, True),))
    with pytest.raises(SamplingError, match="played by drums"):
        harmonize(chorales, beat)
    with pytest.raises(MelodyError, match="knows none"):
        fiddle.continue_(beat, bars=1)
    with pytest.raises(SamplingError, match="quarter notes long"):
        harmonize(chorales, Piece([0], [24 * 3000], [67], parts=(Part(52),)))


# Bars are counted as in a score


def with_pickup() -> Piece:
    """An eighth, four full bars, a last note."""
    return eighths(62, *TUNE * 2, 67, start=84)


def test_a_pickup_is_bar_0_to_vary(fiddle: Model) -> None:
    piece, few = with_pickup(), VarySettings(candidates=4, rounds=0)
    for first, last, ticks in ((0, 0, (0, 96)), (1, 1, (96, 192)), (2, 3, (192, 384))):
        made = vary(fiddle, piece, first, last, how=few)[0]
        assert (made.first_tick, made.last_tick) == ticks
        outside = (piece.onset < ticks[0]) | (piece.onset >= ticks[1])
        there = (made.piece.onset < ticks[0]) | (made.piece.onset >= ticks[1])
        assert made.piece.pitch[there].tolist() == piece.pitch[outside].tolist()
    with pytest.raises(SamplingError, match="bars 0 to 5, of which 0 is its pick-up"):
        vary(fiddle, piece, 5, 6, how=few)
    with pytest.raises(SamplingError, match=r"has bars 1 to 2$"):
        vary(fiddle, eighths(*TUNE), 0, 1, how=few)


def test_a_pickup_is_bar_0_to_prompt_bars(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    midi.write(with_pickup(), tmp_path / "tune.mid")
    command = ["continue", str(ROOT / "checkpoints" / "fiddle.safetensors"), str(tmp_path / "tune.mid"), "--bars", "1"]
    for bars, pitches in (("0-1", [62, *TUNE[:8]]), ("1-2", [*TUNE]), ("2", [*TUNE[8:]])):
        assert main([*command, "--prompt-bars", bars, "--force", "--out", str(tmp_path / "out.mid")]) == 0
        written = midi.read(tmp_path / "out.mid")
        assert written.pitch[: len(pitches)].tolist() == pitches
        assert written.num_bars == len(pitches) // 8 + 1 + (bars == "0-1")
    capsys.readouterr()
    for bars in ("1-9", "x", "3-2", "-1"):
        assert main([*command, "--prompt-bars", bars, "--out", str(tmp_path / "no.mid")]) == 2
        assert len(capsys.readouterr().err.strip().splitlines()) == 1


# Empty bars, and bars that stay as they were


def test_empty_bars_between_music_are_filled(fiddle: Model) -> None:
    piece = eighths(*TUNE)
    later = Piece(np.append(piece.onset, 384 + piece.onset), [12] * 32, [*TUNE] * 2, parts=FIDDLE, keys=G)
    made = vary(fiddle, later, 3, 4, how=VarySettings(candidates=8, rounds=0))[0].piece
    assert np.any((made.onset >= 192) & (made.onset < 384))
    assert made.pitch[made.onset < 192].tolist() == [*TUNE] and made.pitch[made.onset >= 384].tolist() == [*TUNE]


def test_empty_bars_far_from_music_are_said_to_be_empty(fiddle: Model) -> None:
    with pytest.raises(SamplingError, match=r"bars 2 to 3 are empty.* in bar 41,"):
        vary(fiddle, eighths(*TUNE, start=40 * 96), 2, 3)


def test_bars_that_come_out_as_they_were_say_so(fiddle: Model) -> None:
    greedy, few = SamplingSettings(temperature=0), VarySettings(candidates=1, rounds=0)
    first = vary(fiddle, eighths(*TUNE), 2, 2, how=few, settings=greedy)[0]
    assert not any("as they were" in remark for remark in first.remarks)
    again = vary(fiddle, first.piece, 2, 2, how=few, settings=greedy)[0]
    assert again.piece.pitch.tolist() == first.piece.pitch.tolist()
    assert "as they were each time" in again.remarks[-1]


# Where it comes from


def test_what_is_rewritten_or_set_says_where_it_comes_from(fiddle: Model, chorales: Model, tmp_path: Path) -> None:
    midi.write(eighths(*TUNE), tmp_path / "tune.mid")
    few = VarySettings(candidates=2, rounds=0)
    settings = SamplingSettings(seed=5, temperature=0.9, top_k=9)
    made = vary_file(fiddle, tmp_path / "tune.mid", 1, 1, how=few, settings=settings, count=2)
    for number, one in enumerate(made):
        (text,) = [m.text for track in mido.MidiFile(file=BytesIO(one.data)).tracks for m in track if m.type == "text"]
        assert text == one.made.piece.texts[-1]
        for word in ("model fiddle", fiddle.file.fingerprint, "seed 5", f"tune {number + 1}", "temperature=0.9", "top_k=9"):
            assert word in text
        assert "candidates=2" in text and "bars 1-1 rewritten" in text
    hymn = Piece(np.arange(4) * 24, [24] * 4, [67, 69, 71, 67], parts=(Part(52),), keys=G)
    (text,) = harmonize(chorales, hymn, candidates=2, settings=settings)[0].piece.texts
    assert "model chorales" in text and "seed 5" in text and "candidates=2" in text


def test_a_file_is_read_once(fiddle: Model, tmp_path: Path) -> None:
    path = tmp_path / "tune.mid"
    midi.write(eighths(*TUNE), path)
    opened: list[str] = []
    listening = [True]
    sys.addaudithook(lambda event, arguments: opened.append(str(arguments[0])) if listening and event == "open" else None)
    continue_file(fiddle, path, limits=Limits(bars=1))
    vary_file(fiddle, path, 1, 1, how=VarySettings(candidates=1, rounds=0))
    listening.clear()
    assert opened.count(str(path)) == 2  # once each


def test_a_prompt_that_ends_in_mid_bar_is_gone_on_with_from_there(fiddle: Model) -> None:
    for notes in (13, 14, 15):
        piece = eighths(*TUNE[:notes], start=84)
        made = fiddle.continue_(piece, bars=2)
        bars = -(-piece.length // 96)
        assert made.num_bars == bars + 2 and made.select(made.onset < piece.length).pitch.tolist() == piece.pitch.tolist()
    waltz = Piece([48, 72, 96], [24] * 3, [67, 69, 71], time_signatures=(TimeSignature(0, 3, 4),), parts=FIDDLE, keys=G)
    assert fiddle.continue_(waltz, bars=3).last_bar == waltz.last_bar + 3
