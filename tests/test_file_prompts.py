"""A MIDI file as a prompt: its time is put right as that of a training folder is, and what stands in it stays as it is."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from melody import midi
from melody.cli import main
from melody.corpus import PrepareSettings, prepare
from melody.limits import Limits
from melody.piece import Key, Part, Piece, TimeSignature
from melody.sampling import Model, SamplingSettings, load
from melody.sampling.tasks.file_prompt import FilePrompt
from melody.sampling.tasks.infill import VarySettings
from melody.sampling.tasks.midi_edit import Edited, continue_file, vary_file

GRID, BAR = 120, 480
LENGTHS = ((2, 1, 1, 2, 2), (3, 1, 2, 2), (2, 2, 1, 1, 2), (2, 2, 4))  # of the bars of eight, in eighths
STEPS = (0, 2, 4, 5, 7, 5, 4, 2, 4, 7, 9, 7, 5, 4, 2, 0, -1)


@pytest.fixture(scope="module")
def fiddle() -> Model:
    return load(Path(__file__).parents[1] / "checkpoints" / "fiddle.safetensors")


def tune() -> Piece:
    """Eight bars of 4/4 with long notes on the beats, in G."""
    duration = 60 * np.array([length for bar in LENGTHS * 2 for length in bar])
    pitch = 67 + np.array(STEPS)[np.arange(len(duration)) % len(STEPS)]
    onset = np.cumsum(duration) - duration
    return Piece(onset, duration, pitch, parts=(Part(40),), keys=(Key(0, 1, "major"),), ticks_per_quarter=GRID)


def written(piece: Piece, path: Path) -> Path:
    midi.write(piece, path)
    return path


def read(data: bytes) -> list[tuple[int, ...]]:
    """The notes of a file, on its own grid."""
    source, _ = midi.scan(data)
    return sorted(zip(*(column.tolist() for column in source.notes[:3] * 480 // source.ticks_per_quarter)))


def later(notes: list[tuple[int, ...]], ticks: int) -> list[tuple[int, ...]]:
    return [(start + 4 * ticks, end + 4 * ticks, pitch) for start, end, pitch in notes]


def gone_on_with(model: Model, path: Path, bars: int = 2) -> Edited:
    made = continue_file(model, path, limits=Limits(bars=bars), settings=SamplingSettings(seed=4))[0]
    made.ensure(Limits(bars=bars))
    return made


@pytest.mark.parametrize("ticks", [40, 47])
def test_what_lies_off_the_beat_is_gone_on_with_off_the_beat(fiddle: Model, tmp_path: Path, ticks: int) -> None:
    """Later by a third of a beat, or by what no grid has: the same notes, later by that, and the prompt's to the tick."""
    plain = gone_on_with(fiddle, written(tune(), tmp_path / "plain.mid"))
    late = replace(tune(), onset=tune().onset + ticks)
    made = gone_on_with(fiddle, written(late, tmp_path / "late.mid"))
    assert "off the beat" in made.made.remarks[0] and "keeps its notes" in made.made.remarks[0]
    assert read(made.data) == later(read(plain.data), ticks)
    assert len(read(made.data)) > tune().num_notes


def test_bars_that_lie_off_the_beat_are_rewritten_there(fiddle: Model, tmp_path: Path) -> None:
    how, settings = VarySettings(candidates=4, rounds=0), SamplingSettings(seed=4)
    late = replace(tune(), onset=tune().onset + 40)
    paths = written(tune(), tmp_path / "plain.mid"), written(late, tmp_path / "late.mid")
    plain, made = (vary_file(fiddle, path, 3, 4, how=how, settings=settings)[0] for path in paths)
    assert read(made.data) == later(read(plain.data), 40) and read(plain.data) != read(paths[0].read_bytes())


def test_a_note_that_lost_its_end_does_not_put_off_what_follows(fiddle: Model, tmp_path: Path) -> None:
    piece = tune()
    duration = piece.duration.copy()
    duration[-1] = 80 * BAR
    path = written(replace(piece, duration=duration), tmp_path / "long.mid")
    made = gone_on_with(fiddle, path)
    assert "its end is lost" in made.made.remarks[0]
    assert set(read(path.read_bytes())) <= set(read(made.data))
    assert 4 * 8 * BAR <= max(read(made.data))[0] < 4 * 10 * BAR  # ticks of 480 a quarter


def test_bars_of_one_beat_are_no_metre(fiddle: Model, tmp_path: Path) -> None:
    """As a converter writes them: what is new is as long as bars of two beats, and the file keeps its signature."""
    path = written(replace(tune(), time_signatures=(TimeSignature(0, 1, 4),)), tmp_path / "beats.mid")
    made = gone_on_with(fiddle, path)
    assert "taken as 2/4" in made.made.remarks[0]
    assert set(read(path.read_bytes())) <= set(read(made.data))
    again = midi.parse(made.data).piece
    assert again.time_signatures[0][1:] == (1, 4) and again.num_bars > 32 + 2


def test_a_prompt_is_read_as_a_file_of_a_folder_is(tmp_path: Path) -> None:
    (tmp_path / "songs").mkdir()
    path = written(replace(tune(), onset=tune().onset + 47), tmp_path / "songs" / "late.mid")
    corpus = prepare(tmp_path / "songs", PrepareSettings(ticks_per_quarter=24))
    (stored,) = [corpus.vocabulary.decode(rows) for split in ("train", "valid", "test") for rows in corpus.rows(split)]
    prompt = FilePrompt.of(path, 24)
    assert prompt.read.onset.tolist() == stored.onset.tolist() and prompt.read.pitch.tolist() == stored.pitch.tolist()
    assert prompt.is_moved_alone and prompt.own is not prompt.read
    plain = FilePrompt.of(written(tune(), tmp_path / "plain.mid"), 24)
    assert plain.own is plain.read and plain.late == 0


def test_what_follows_alone_is_the_same_wherever_the_beat_lies(tmp_path: Path) -> None:
    for name, piece in (("plain", tune()), ("late", replace(tune(), onset=tune().onset + 47))):
        path, out = written(piece, tmp_path / f"{name}.mid"), tmp_path / f"{name}-new.mid"
        fiddle = str(Path(__file__).parents[1] / "checkpoints" / "fiddle.safetensors")
        asked = ["--only-new", "--bars", "2", "--seed", "3", "--out", str(out)]
        assert main(["continue", fiddle, str(path), *asked]) == 0
    assert read((tmp_path / "plain-new.mid").read_bytes()) == read((tmp_path / "late-new.mid").read_bytes())
