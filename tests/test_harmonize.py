"""The laws of harmonizing: the melody stays, the voices fit under it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from untrained import untrained

from melody import midi
from melody.cli import main
from melody.errors import SamplingError, VocabularyError
from melody.piece import Key, Part, Piece, TimeSignature
from melody.sampling import Model, SamplingSettings
from melody.sampling.constraints.constraint import Masks
from melody.sampling.constraints.counterpoint import Counterpoint
from melody.sampling.settings import VOICES_TEMPERATURE
from melody.sampling.tasks.harmonize import harmonize
from melody.tokens import Vocabulary
from melody.tokens.grammar import Grammar
from melody.tokens.usage import FIRST_PART

CHOIR = tuple(Part(52, name=name) for name in ("Soprano", "Alto", "Bass"))
SCALE = np.array([0, 2, 4, 5, 7, 9, 11, 12])
EMPTY = np.zeros(0, np.int64)


def hymn(seed: int) -> Piece:
    """Three voices by rule, in quarters and halves: the soprano walks on a scale, the alto keeps a third below it (of the
    scale), the bass sings the soprano's note two octaves lower."""
    rng = np.random.default_rng(seed)
    tonic = int(rng.integers(60, 68))
    degree = np.clip(np.cumsum(rng.choice([-1, 1], 16)) % 14, 2, 7)
    duration = rng.choice([24, 24, 48], 16)
    onset = np.cumsum(duration) - duration
    voices = [tonic + SCALE[degree], tonic + SCALE[degree - 2], tonic + SCALE[degree] - 24]
    return Piece(
        np.tile(onset, 3),
        np.tile(duration, 3),
        np.concatenate(voices),
        part=np.repeat(np.arange(3), 16),
        parts=CHOIR,
        keys=(Key(0, 0, "major").transpose(tonic - 60),),
    )


def soprano(piece: Piece) -> Piece:
    return replace(piece.select(piece.part == 0), parts=piece.parts[:1])


def notes(piece: Piece) -> list[tuple[int, ...]]:
    """Of the first part."""
    own = piece.select(piece.part == 0)
    return list(zip(*(c.tolist() for c in (own.onset, own.duration, own.pitch, own.velocity))))


HYMNS = [hymn(n) for n in range(20)]


@pytest.fixture(scope="module")
def model() -> Model:
    pickup = replace(HYMNS[0], onset=HYMNS[0].onset + 72)
    return untrained(Vocabulary.build([*HYMNS, pickup]))


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a model that knows these hymns."""
    from conftest import SmallCorpus

    from melody.dataset import BatchSettings
    from melody.network.settings import ModelSettings
    from melody.training.run import fit
    from melody.training.settings import TrainingSettings

    pieces = [hymn(n) for n in range(56)]
    vocabulary = Vocabulary.build(pieces)
    rows = [vocabulary.encode(piece) for piece in pieces]
    corpus = SmallCorpus(vocabulary, {"valid": rows[:4], "test": rows[4:8], "train": rows[8:]})
    path = tmp_path_factory.mktemp("hymns") / "hymns.safetensors"
    shape = ModelSettings(hidden_size=48, num_layers=1, embedding_size=32, head_size=32, dropout=0.0)
    settings = TrainingSettings(epochs=10, model=shape, batch=BatchSettings(batch_size=4), learning_rate=2e-2, samples=0)
    fit(corpus, path, settings)
    return path


def test_voices_fit_under_a_melody_that_was_never_heard(taught: Path) -> None:
    """The alto a third below the soprano, the bass two octaves: the rules of the corpus."""
    from melody.sampling import load

    melody = soprano(hymn(1000))
    settings = SamplingSettings(temperature=0.5)  # the bass of these hymns goes in octaves
    made = harmonize(load(taught), melody, strict=False, candidates=16, settings=settings)[0].piece
    bass = made.select(made.part == 2)
    assert np.mean(np.isin(melody.onset, bass.onset)) > 0.8
    sung = {onset: pitch for onset, pitch in zip(bass.onset.tolist(), bass.pitch.tolist())}
    under = [melody.pitch[i] - sung[o] for i, o in enumerate(melody.onset.tolist()) if o in sung]
    assert np.mean(np.array(under) == 24) > 0.7


@pytest.mark.parametrize("seed", range(3))
def test_the_melody_stays_and_the_voices_begin_and_end_with_it(model: Model, seed: int) -> None:
    whole = soprano(hymn(seed))
    late = replace(whole, onset=whole.onset + 72 + 96 * seed, velocity=np.full(16, 77), title="Mine", texts=("by me",))
    rested = late.select(~np.isin(np.arange(16), [5, 6]))
    for number, made in enumerate(harmonize(model, rested, candidates=4, count=2)):
        piece = made.piece
        assert notes(piece) == notes(rested)
        assert piece.onset.min() == 72 + 96 * seed and piece.length <= rested.length
        assert len(piece.parts) == 3 and set(piece.velocity.tolist()) == {77}
        assert (piece.title, piece.texts[0], piece.tempi) == ("Mine", "by me", rested.tempi)
        assert len(piece.texts) == 2 and f"tune {number + 1}," in piece.texts[1]
        for part in range(3):
            assert piece.select(piece.part == part).is_monophonic
        assert number < 2


def test_no_voices_move_in_parallel_fifths_or_octaves(model: Model) -> None:
    """Counted by hand from the pitches that sound; without the rule a model that knows nothing writes many."""

    def parallels(piece: Piece) -> int:
        ticks = np.unique(piece.onset)
        at = np.full((3, len(ticks)), -1)
        for onset, end, pitch, part in zip(piece.onset, piece.end, piece.pitch, piece.part):
            at[part, (ticks >= onset) & (ticks < end)] = pitch
        found = 0
        for a, b in ((0, 1), (0, 2), (1, 2)):
            for t in range(1, len(ticks)):
                now, then = at[[a, b], t], at[[a, b], t - 1]
                if min(*now, *then) >= 0 and (now != then).all():
                    found += (now[0] - now[1]) % 12 == (then[0] - then[1]) % 12 and (now[0] - now[1]) % 12 in (0, 7)
        return found

    melodies = [soprano(hymn(seed)) for seed in range(3)]
    assert all(parallels(harmonize(model, melody, candidates=4)[0].piece) == 0 for melody in melodies)
    free = (harmonize(model, melody, strict=False, candidates=1, count=8) for melody in melodies)
    assert any(parallels(made.piece) for harmonies in free for made in harmonies)


def test_the_mask_of_strict_voices_is_the_rule_of_the_books() -> None:
    """Soprano, alto and bass on C5, F4, C3; the soprano steps to D5. By hand, which notes may the others take then?"""
    vocabulary = Vocabulary.build(HYMNS)
    masks = Masks(Grammar(vocabulary, 1), [Counterpoint(vocabulary)])

    def sing(step: int, part: int, pitch: int) -> None:
        value = vocabulary.first_pitch + pitch - vocabulary.pitches[0]
        masks.push(np.array([[1 + vocabulary.shifts.index(step), FIRST_PART + part, value, 0, 0]]))

    def may_sing(part: int) -> set[int]:
        legal = masks.values(np.array([1]), np.array([FIRST_PART + part]))[0, vocabulary.first_pitch :]
        return set((np.flatnonzero(legal) + vocabulary.pitches[0]).tolist())

    masks.push(vocabulary.encode(HYMNS[0])[:1])  # the key
    for part, pitch in enumerate((72, 65, 48)):
        sing(0, part, pitch)
    sing(24, 0, 74)
    every = set(range(vocabulary.pitches[0], vocabulary.pitches[1] + 1))
    assert every - may_sing(1) == {pitch for pitch in every if (74 - pitch) % 12 == 7}  # a fifth below D again
    sing(0, 1, 69)  # the alto was a fifth below the soprano and is a fourth below now
    assert every - may_sing(2) == {pitch for pitch in every if (74 - pitch) % 12 == 0}  # octaves; fourths may go on


def test_the_same_seed_gives_the_same_and_the_second_does_not_depend_on_the_count(model: Model) -> None:
    melody = soprano(hymn(3))
    many = harmonize(model, melody, candidates=4, count=2)
    assert harmonize(model, melody, candidates=4)[0].piece == many[0].piece
    assert many[0].piece != many[1].piece
    other = SamplingSettings(temperature=VOICES_TEMPERATURE, seed=1)
    assert harmonize(model, melody, candidates=4, settings=other)[0].piece != many[0].piece


def test_triplets_that_the_model_does_not_know_stay_and_the_voices_go_along() -> None:
    eighths = Piece(np.arange(8) * 12, np.full(8, 12), np.full(8, 60), parts=CHOIR[:1], keys=HYMNS[0].keys)
    model = untrained(Vocabulary.build([*HYMNS, eighths]))
    onset = np.array([0, 24, 32, 40, 48, 72])
    melody = Piece(onset, np.append(np.diff(onset), 24), [60, 62, 64, 62, 60, 60], parts=CHOIR[:1])
    made = harmonize(model, melody, candidates=4)[0].piece
    assert notes(made) == notes(melody)


def test_a_finer_grid_than_the_models_is_kept(model: Model) -> None:
    melody = soprano(hymn(4)).resolution(480)
    made = harmonize(model, melody, candidates=4)[0].piece
    assert made.ticks_per_quarter == 480 and notes(made) == notes(melody)


def test_a_melody_without_a_key_is_given_one_and_a_low_one_is_read_higher(model: Model) -> None:
    melody = replace(soprano(hymn(5)), keys=()).transpose(-36)
    made = harmonize(model, melody, candidates=2)[0]
    assert notes(made.piece) == notes(melody) and len(made.piece.keys) == 1
    assert "octaves higher" in " ".join(made.remarks) and "names no key" in " ".join(made.remarks)
    asked = harmonize(model, melody, key="F", candidates=2)[0]
    assert asked.piece.keys[0].name == "F" and "names no key" not in " ".join(asked.remarks)


@pytest.mark.parametrize(
    ("melody", "words"),
    [
        (Piece(EMPTY, EMPTY, EMPTY), "no notes"),
        (hymn(0), "3 parts"),
        (Piece([0, 0], [24, 24], [60, 64]), "one at a time"),
        (replace(soprano(hymn(0)), time_signatures=(TimeSignature(0, 6, 8),)), "6/8"),
        (Piece(np.arange(100_000) * 24, np.full(100_000, 24), np.full(100_000, 60)), "100,000 notes"),
    ],
)
def test_melodies_that_cannot_be_set_are_refused_in_words(model: Model, melody: Piece, words: str) -> None:
    with pytest.raises((SamplingError, VocabularyError), match=words):
        harmonize(model, melody)


@pytest.mark.parametrize("options", [{"key": "H"}, {"key": "F#m"}, {"candidates": 0}, {"candidates": 10**6}])
def test_options_out_of_range_are_refused(model: Model, options: dict) -> None:
    with pytest.raises(SamplingError):
        harmonize(model, soprano(hymn(0)), **options)


def test_a_model_of_one_part_cannot_harmonize() -> None:
    melody = soprano(hymn(0))
    with pytest.raises(SamplingError, match="one part only"):
        harmonize(untrained(Vocabulary.build([melody])), melody)


def test_the_command_line(taught: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    midi.write(soprano(hymn(7)), tmp_path / "tune.mid")
    command = ["harmonize", str(taught), str(tmp_path / "tune.mid"), "--candidates", "2", "--out", str(tmp_path / "set.mid")]
    assert main(command) == 0
    assert capsys.readouterr().out.split() == [str(tmp_path / "set.mid")]
    written = midi.read(tmp_path / "set.mid")
    assert notes(written) == notes(midi.read(tmp_path / "tune.mid")) and len(written.parts) == 3
    midi.write(hymn(7), tmp_path / "three.mid")
    assert main(["harmonize", str(taught), str(tmp_path / "three.mid")]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
