"""What a corpus does as a rule: measured, kept in the model file, and kept to."""

from __future__ import annotations

import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from music import folk_tune
from test_harmonize import hymn
from untrained import SMALL, untrained

from melody import midi
from melody.corpus import PrepareSettings, prepare
from melody.limits import Limits
from melody.piece import Part, Piece
from melody.sampling import Model, SamplingSettings, load
from melody.sampling.constraints.user import user_limits
from melody.sampling.prompt import Prompt
from melody.sampling.tasks.generate import best
from melody.statistics.habits import Habits
from melody.statistics.part_writing import FIFTH, OCTAVE, parallels
from melody.tokens import Vocabulary
from melody.tokens.usage import FIRST_PART
from scripts import script

CHOIR = tuple(Part(52, name=name) for name in ("Soprano", "Alto", "Bass"))


def wandering(seed: int) -> Piece:
    """Three voices in quarters that know nothing of one another."""
    rng = np.random.default_rng(seed)
    pitches = [low + rng.choice([0, 2, 4, 5, 7, 9, 11, 12], 32) for low in (67, 60, 48)]
    return Piece(
        np.tile(24 * np.arange(32), 3), [24] * 96, np.concatenate(pitches), part=np.repeat(range(3), 32), parts=CHOIR
    )


def avoiding(model: Model, *, rates: tuple[float, float] = (0.001, 0.002)) -> Model:
    """The same model, whose corpus avoids parallels."""
    habits = Habits(parallels=rates).to_dict()
    return Model(replace(model.file, training={**model.file.training, "habits": habits}))


@pytest.fixture(scope="module")
def choir() -> Model:
    return untrained(Vocabulary.build([wandering(seed) for seed in range(8)]), seed=1)


def perfect(pieces: list[Piece]) -> int:
    return sum(parallels(piece, interval)[0] for piece in pieces for interval in (FIFTH, OCTAVE))


# Measuring


def test_habits_are_the_statistics_of_the_pieces() -> None:
    pieces = [wandering(seed) for seed in range(12)]
    found = Habits.of(pieces)
    counts = [np.sum([parallels(piece, interval) for piece in pieces], axis=0) for interval in (FIFTH, OCTAVE)]
    assert found.parallels == pytest.approx([count / changes for count, changes in counts])
    assert not found.avoids_parallels
    assert Habits.of([hymn(seed) for seed in range(2)]).parallels is None  # too few to tell
    assert Habits.of([folk_tune(seed) for seed in range(30)]).parallels is None  # one voice
    assert Habits.of([]) == Habits()


@given(st.one_of(st.none(), st.integers(), st.text(), st.lists(st.floats()), st.dictionaries(st.text(), st.floats())))
def test_what_makes_no_sense_in_a_file_is_not_known(value: Any) -> None:
    assert Habits.from_dict(value) == Habits.from_dict({"parallels": value}) == Habits()


def test_habits_come_back_from_the_file_as_they_were() -> None:
    found = Habits.of([wandering(seed) for seed in range(12)])
    assert Habits.from_dict(found.to_dict()) == found
    assert Habits.from_dict({"parallels": [0.001, 2.0]}).parallels is None


@pytest.mark.parametrize("halved", [True, False])
def test_habits_are_added_to_a_model_that_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, halved: bool) -> None:
    """By the script, from the training pieces alone; all else in the file stays."""
    (tmp_path / "songs").mkdir()
    for seed in range(12):
        midi.write(wandering(seed), tmp_path / "songs" / f"{seed}.mid")
    corpus = prepare(tmp_path / "songs", PrepareSettings(min_notes=10, workers=1))
    file = replace(untrained(corpus.vocabulary).file, settings=asdict(SMALL), training={"longest_run": 3})
    file = replace(file, manifest=corpus.manifest)
    file, path = file.halved() if halved else file, tmp_path / "small.safetensors"
    file.save(path)
    before = path.stat().st_size
    monkeypatch.setattr(sys, "argv", ["add_habits.py", str(path), str(tmp_path / "songs")])
    script("add_habits").main()
    told = load(path)
    assert told.habits.parallels and told.habits == Habits.of(map(corpus.vocabulary.decode, corpus.rows("train")))
    assert told.file.training["longest_run"] == 3 and abs(path.stat().st_size - before) < 1_000
    assert all(np.array_equal(array, told.file.weights[name]) for name, array in file.weights.items())


# The best of many


def test_the_best_have_no_faults_and_are_as_likely_as_most(trained: Path) -> None:
    made = load(trained).tunes(24, best_of=24, temperature=1.3)
    counts = [len(tune.faults) for tune in made]
    assert counts == sorted(counts) and 0 == counts[0] < counts[-1]
    off = np.abs([tune.nats for tune in made] - np.median([tune.nats for tune in made]))
    for number in set(counts):
        assert (np.diff(off[np.array(counts) == number]) >= 0).all()
    assert best(made[::-1], 24) == made and best(made, 3) == made[:3]


# Parallels


def test_new_music_avoids_parallels_where_the_corpus_does_and_not_where_it_is_let(choir: Model) -> None:
    strict, settings = avoiding(choir), SamplingSettings(seed=2, any_ending=True, max_notes=120)
    prompt = wandering(100)
    free = SamplingSettings(seed=2, any_ending=True, max_notes=120, parallels=True)
    new = strict.generate_many(8, settings=settings)
    let = strict.generate_many(8, settings=free)
    assert perfect(new) == 0 < perfect(let)
    assert [p.pitch.tolist() for p in let] == [p.pitch.tolist() for p in choir.generate_many(8, settings=settings)]
    with_and_without = (strict.continue_many(prompt, 24, bars=4, only_new=True, settings=how) for how in (settings, free))
    kept, let = ([tune.piece for tune in made] for made in with_and_without)
    assert perfect(kept) == 0 < perfect(let)
    allowed = avoiding(choir, rates=(0.001, 0.02)).generate_many(8, settings=settings)
    assert perfect(allowed) > 0  # a corpus that has some


@pytest.mark.parametrize("written", [{}, {"range": "C3:C6", "max_leap": 12}, {"chords": "C F G C", "density": 24}])
def test_parallels_are_avoided_together_with_limits_and_after_the_last_notes_of_a_prompt(
    choir: Model, written: dict[str, Any]
) -> None:
    strict, prompt = avoiding(choir), wandering(101)
    made = [strict.continue_(prompt, bars=3, seed=seed, any_ending=True, **written) for seed in range(4)]
    changes = perfect(made) - 4 * perfect([prompt])
    assert changes == 0
    assert perfect([strict.generate(bars=4, seed=seed, any_ending=True, **written) for seed in range(4)]) == 0


def test_live_music_is_what_is_made_at_once_under_the_same_rule(choir: Model) -> None:
    strict = avoiding(choir)
    for seed in range(1, 7):
        settings, prompt = SamplingSettings(seed=seed, any_ending=True, max_notes=90), wandering(seed)
        alone, after = strict.stream(settings=settings), strict.stream(prompt, settings=settings)
        assert len(list(alone)) == alone.piece.num_notes and len(list(after))
        assert alone.piece.pitch.tolist() == strict.generate(settings=settings).pitch.tolist()
        assert perfect([alone.piece]) == perfect([after.piece]) - perfect([prompt]) == 0


def test_limits_that_are_added_after_a_prompt_leave_what_the_rule_knows_of_it(choir: Model) -> None:
    """The upper voices end a fifth apart; where the first has moved up a tone, the second may not."""
    tune = wandering(0)
    last = tune.onset == tune.onset.max()
    prompt = replace(tune, pitch=np.where(last, np.array([74, 67, 48])[tune.part], tune.pitch))
    vocabulary, strict = choir.vocabulary, avoiding(choir)
    start = Prompt(strict, prompt).start(2, strict.rules(SamplingSettings()))
    time, first = 1 + vocabulary.shifts.index(24), vocabulary.first_pitch - vocabulary.pitches[0]
    moved = np.array([[time, FIRST_PART, first + 76, 0, 0]])
    for masks in (
        start.masks.take(np.array([0])),
        start.masks.narrowed(user_limits(vocabulary, Limits.parse(range="C2:C7"))),
    ):
        masks.times()
        masks.push(moved)
        now = np.array([1 + vocabulary.shifts.index(0)])
        legal = masks.values(now, np.array([FIRST_PART + 1]))[0]
        assert not legal[first + 69] and legal[first + 67]
