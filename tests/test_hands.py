"""Keyboard music is two hands, the right one first, whatever the tracks were; all other music stays as it is."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tunes import by_path, tune
from untrained import untrained

from melody import hands, midi
from melody.corpus import PrepareSettings, prepare
from melody.corpus.read.two_hands import in_two_hands
from melody.limits import Limits
from melody.midi.file_events import PART, PITCH, Source, source_of
from melody.piece import Part, Piece
from melody.sampling import SamplingSettings
from melody.sampling.prompt import in_hands as prompt_in_hands
from melody.sampling.tasks.midi_edit import continue_file
from melody.tokens.vocabulary import Vocabulary

PIANO = Path(__file__).parents[2] / "shared" / "data" / "piano"


def played(seed: int, apart: int = 14) -> tuple[Piece, np.ndarray]:
    """Two hands in one part, whose place wanders over the keyboard; and which notes are the right one's."""
    rng = np.random.default_rng(seed)
    middle = 60 + np.rint(18 * np.sin(np.arange(60) / 6)).astype(int)
    upper = (middle + apart + rng.integers(-4, 5, 60))[None]
    lower = np.stack([middle - apart + rng.integers(-4, 5, 60) - step for step in (0, 4)])
    pitch = np.concatenate([upper, lower]).T.ravel()
    onset = np.repeat(np.arange(60) * 12, 3)
    right = np.tile([True, False, False], 60)
    _, first = np.unique(onset << 7 | pitch, return_index=True)
    return Piece(onset[first], np.full(len(first), 12), pitch[first]), right[first]


def in_hands(piece: Piece) -> tuple[Source, list[str]]:
    repairs: list[str] = []
    return in_two_hands(source_of(piece), repairs), repairs


@pytest.mark.parametrize("seed", range(5))
def test_the_split_follows_the_hands(seed: int) -> None:
    piece, right = played(seed)
    found = hands.right_hand(piece.onset, piece.end, piece.pitch, 24)
    assert np.mean(found == right) > 0.98 and np.mean((piece.pitch >= 60) == right) < 0.9


@pytest.mark.parametrize("semitones", [-5, 4])
def test_the_split_is_the_cheapest_of_all(semitones: int) -> None:
    """By trying out all ways on few onsets and splits."""
    cost = np.random.default_rng(semitones + 9).random((5, 4)) * 3
    ways = np.stack(np.meshgrid(*[np.arange(4)] * 5, indexing="ij"), -1).reshape(-1, 5)
    total = cost[np.arange(5), ways].sum(1) + hands.MOVING * np.abs(np.diff(ways)).sum(1)
    np.testing.assert_array_equal(hands._cheapest(cost), ways[total.argmin()])


def test_one_piano_part_becomes_two_hands_and_that_is_said() -> None:
    piece, _ = played(0)
    source, repairs = in_hands(piece)
    right = source.notes[PART] == 0
    assert [part.name for part in source.parts] == ["right hand", "left hand"]
    assert source.notes[PITCH, right].mean() > source.notes[PITCH, ~right].mean() + 20
    words = f"1 piano part taken as two hands: {right.sum()} notes to the right, {(~right).sum()} to the left"
    assert repairs == [words]
    np.testing.assert_array_equal(source.notes[:PART], source_of(piece).notes[:PART])


@pytest.mark.parametrize("piece", [tune(0), tune(1, chords=False), replace(played(0)[0], parts=(Part(40),))])
def test_melodies_other_instruments_and_hands_in_order_stay(piece: Piece) -> None:
    source = source_of(piece)
    repairs: list[str] = []
    assert in_two_hands(source, repairs) is source and not repairs


def test_hands_stand_in_the_order_of_their_height() -> None:
    piece, right = played(0)
    lower_first = replace(piece, part=right.astype(int), parts=(Part(name="LH"), Part(name="RH")))
    source, repairs = in_hands(lower_first)
    assert [part.name for part in source.parts] == ["RH", "LH"]
    assert source.notes[PITCH, source.notes[PART] == 0].mean() > 65
    assert repairs == ["the two hands put in the order of their height"]


def test_there_is_no_third_piano_but_voices_stay_voices() -> None:
    piece, right = played(0)
    low = np.flatnonzero(~right)
    three = replace(piece, part=np.where(right, 0, 1 + (np.arange(len(right)) > low[len(low) // 2])), parts=(Part(),) * 3)
    source, repairs = in_hands(three)
    assert len(source.parts) == 2 and repairs[0].startswith("3 piano parts taken as two hands")
    voices = Piece(
        np.tile(np.arange(20) * 24, 4),
        [24] * 80,
        np.repeat([72, 67, 60, 48], 20),
        part=np.repeat(range(4), 20),
        parts=(Part(),) * 4,
    )
    assert in_hands(voices)[1] == []


def test_a_corpus_has_hands_unless_a_part_is_named(tmp_path: Path) -> None:
    for seed in range(4):
        midi.write(played(seed)[0], tmp_path / f"{seed}.mid")
        midi.write(tune(seed), tmp_path / f"tune{seed}.mid")
    corpus = prepare(tmp_path)
    assert len(corpus.vocabulary.parts) == 3  # chords of the tunes are a guitar's
    assert "two hands" in by_path(corpus)["0.mid"].repairs[0] and not by_path(corpus)["tune0.mid"].repairs
    assert len(prepare(tmp_path, PrepareSettings(part="1")).vocabulary.parts) == 1


@pytest.mark.skipif(not PIANO.is_dir(), reason="without the collection")
def test_staves_of_real_scores_are_found() -> None:
    found = []
    for path in sorted(PIANO.rglob("midi_score.mid"))[::4]:
        piece = midi.read(path)
        found.append(np.mean(hands.right_hand(piece.onset, piece.end, piece.pitch, 24) == (piece.part == 0)))
    assert np.mean(found) > 0.9


def test_a_prompt_of_one_part_is_read_as_two_hands_and_goes_on_in_its_part(tmp_path: Path) -> None:
    """The model has two parts, the file that is gone on with has one: the new notes of both hands go there."""
    folder = tmp_path / "songs"
    folder.mkdir()
    for seed in range(3):
        midi.write(played(seed)[0], folder / f"{seed}.mid")
    model = untrained(prepare(folder).vocabulary, seed=1)
    midi.write(replace(played(9)[0], parts=(Part(0, False, "Piano"),)), tmp_path / "prompt.mid")
    prompt = midi.read(tmp_path / "prompt.mid")
    for seed in range(4):
        made = continue_file(model, tmp_path / "prompt.mid", limits=Limits(bars=4), settings=SamplingSettings(seed=seed))[0]
        written = midi.parse(made.data)
        assert not written.repairs and [part.name for part in written.piece.parts] == ["Piano"]
        assert any("read as two hands" in remark for remark in made.made.remarks)
        old = written.piece.select(written.piece.onset < made.made.first_tick)
        np.testing.assert_array_equal(old.pitch, prompt.pitch)
        assert written.piece.num_notes > prompt.num_notes


@pytest.mark.parametrize("part", [40, 0])
def test_other_prompts_are_read_as_they_are(part: int) -> None:
    """A melody, and chords of a violin, for a model of two hands."""
    vocabulary = Vocabulary.build([replace(tune(0), parts=(Part(0), Part(0)))])
    piece = replace(played(0)[0], parts=(Part(part),)) if part else tune(1, chords=False)
    assert prompt_in_hands(vocabulary, piece) == (piece, ())
