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
from melody.sampling.tasks.file_prompt import FilePrompt, bars_as_meant, meant_for
from melody.sampling.tasks.infill import VarySettings
from melody.sampling.tasks.midi_edit import Edited, continue_file, vary_file
from melody.studio.jobs.showing import _read

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


# Everywhere a file is a prompt


@pytest.fixture(scope="module")
def late_and_plain(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The tune, and the same later by what no grid has."""
    folder = tmp_path_factory.mktemp("files")
    return written(replace(tune(), onset=tune().onset + 47), folder / "late.mid"), written(tune(), folder / "plain.mid")


def as_read(piece: Piece) -> list[tuple[int, ...]]:
    return read(midi.to_bytes(piece))


def test_a_file_in_python_is_read_so_too_and_a_piece_as_it_stands(fiddle: Model, late_and_plain: tuple[Path, Path]) -> None:
    made = [fiddle.continue_many(path, 1, bars=2, seed=4)[0] for path in late_and_plain]
    assert as_read(made[0].piece) == later(as_read(made[1].piece), 47) and len(as_read(made[0].piece)) > tune().num_notes
    assert "off the beat" in " ".join(made[0].remarks) and "off the beat" not in " ".join(made[1].remarks)
    alone = [fiddle.continue_(path, bars=2, seed=4, only_new=True) for path in late_and_plain]
    assert as_read(alone[0]) == as_read(alone[1])
    varied = [fiddle.vary(path, "3-4", seed=4, candidates=4, rounds=0) for path in late_and_plain]
    assert as_read(varied[0]) == later(as_read(varied[1]), 47) and as_read(varied[1]) != as_read(tune())
    piece = midi.read(late_and_plain[0])
    given = fiddle.continue_many(piece, 1, bars=2, seed=4)[0]
    assert not any("off the beat" in remark for remark in given.remarks)
    assert set(as_read(piece)) <= set(as_read(given.piece))


def test_what_streams_after_a_file_is_what_it_is_gone_on_with(fiddle: Model, late_and_plain: tuple[Path, Path]) -> None:
    """In the time of what is read; a piece is read as it stands."""
    late, plain = (fiddle.stream(path, seed=4, bars=2) for path in late_and_plain)
    notes = list(late)
    assert notes == list(plain) and notes
    assert "off the beat" in " ".join(late.remarks) and not plain.remarks
    new = fiddle.continue_(late_and_plain[0], bars=2, seed=4, only_new=True, any_ending=True)
    assert sorted(note.pitch for note in notes) == sorted(new.pitch.tolist())
    assert not fiddle.stream(midi.read(late_and_plain[0]), seed=4, bars=2).remarks


def test_voices_stand_on_the_beat_of_the_melody(tmp_path: Path) -> None:
    chorales = Path(__file__).parents[1] / "checkpoints" / "chorales.safetensors"
    melody = tune().bars(1, 4)
    plain, late = (written(replace(melody, onset=melody.onset + ticks), tmp_path / f"{ticks}.mid") for ticks in (0, 47))
    asked = ["--candidates", "2", "--seed", "3", "--out", str(tmp_path / "late-four.mid")]
    assert main(["harmonize", str(chorales), str(late), *asked]) == 0
    made = load(chorales).harmonize_many(plain, 1, candidates=2, seed=3)[0]
    found = read((tmp_path / "late-four.mid").read_bytes())
    assert found == later(as_read(made.piece), 47) and set(read(late.read_bytes())) < set(found)


def test_some_bars_of_a_file_are_gone_on_with_where_they_stand(late_and_plain: tuple[Path, Path], tmp_path: Path) -> None:
    fiddle = str(Path(__file__).parents[1] / "checkpoints" / "fiddle.safetensors")
    found = []
    for path in late_and_plain:
        out = tmp_path / f"{path.stem}-some.mid"
        asked = ["--prompt-bars", "3-6", "--bars", "2", "--seed", "3", "--grid", "1/8", "--out", str(out)]
        assert main(["continue", fiddle, str(path), *asked]) == 0
        found.append(read(out.read_bytes()))
    assert found[0] == later(found[1], 47)
    own = [note for note in read(late_and_plain[0].read_bytes()) if 2 * 4 * BAR <= note[0] < 6 * 4 * BAR]
    assert {(start - 8 * BAR, end - 8 * BAR, pitch) for start, end, pitch in own} < set(found[0])


@pytest.mark.parametrize("bars", [(1, 2), (3, 4), (5, 8)])
@pytest.mark.parametrize("most", [9, 16, 40, 70])
def test_the_bars_of_a_file_have_the_same_notes_however_early_or_late_they_are_played(
    tmp_path: Path, most: int, bars: tuple[int, int]
) -> None:
    """By up to a seventh of a quarter in a file that is put on the beat, by up to a twelfth in a short one, which is not."""
    exact = tune().resolution(480)
    for seed in range(3):
        moved = np.random.default_rng(seed).integers(-most, most + 1, exact.num_notes)
        moved[exact.onset % (4 * 480) == 0] = -most + seed
        played = replace(exact, onset=np.maximum(exact.onset + moved, 0), duration=exact.duration - 2 * most)
        path = written(played, tmp_path / "played.mid")
        mended, expected = FilePrompt.of(path, 24).bars(*bars), exact.bars(*bars)
        assert mended.own.pitch.tolist() == mended.read.pitch.tolist() == expected.pitch.tolist()
        assert np.abs(mended.own.onset * 480 // mended.own.ticks_per_quarter - expected.onset).max() <= most + 10  # rounded
        short = midi.read(written(played.select(played.onset < 4 * 4 * 470), path))
        assert most > 40 or bars_as_meant(short, 2, 3).pitch.tolist() == exact.bars(2, 3).pitch.tolist()


def test_what_is_played_just_before_the_line_after_which_it_goes_on_is_not_heard() -> None:
    """An ornament that ends on the line is, and so is a note that lasts longer before it than behind it."""
    piece = Piece([0, 480 - 8, 480 * 2 - 8, 480 * 3 - 9], [480 - 8, 480, 8, 12], [60, 62, 64, 65], ticks_per_quarter=120)
    assert meant_for(piece, 0, 480).tolist() == [True, False, False, False]
    assert meant_for(piece, 480, 3 * 480).tolist() == [False, True, True, True]
    first, second = bars_as_meant(piece, 1, 1), bars_as_meant(piece, 2, 2)
    assert first.pitch.tolist() == [60] and second.pitch.tolist() == [62, 64]
    assert second.onset.tolist() == [0, 472] and second.duration.tolist() == [472, 8]


def test_bars_of_a_file_are_those_of_what_is_read() -> None:
    """Whole bars at any place, and with any offset: what is read, moved, is what stands there."""
    for ticks in (47, 13, 60):
        data = midi.to_bytes(replace(tune(), onset=tune().onset + ticks))
        prompt = FilePrompt.of_bytes(data, 24)
        for first, last in ((1, 8), (1, 2), (5, 5)):
            some = prompt.bars(first, last)
            assert some.read.num_notes == some.own.num_notes > 0
            assert np.abs(some.there(some.read).onset - some.own.onset).max() == 0


def test_the_studio_shows_a_file_as_it_is_read(late_and_plain: tuple[Path, Path]) -> None:
    late, plain = (_read(path.name, path.read_bytes()) for path in late_and_plain)
    assert late[0].onset.tolist() == plain[0].onset.tolist() and not plain[1]
    assert "off the beat" in late[1][0]
