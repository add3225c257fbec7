"""What is made keeps to what the corpus usually does: its keys, its ranges, its runs."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import small_corpus
from music import folk_tune
from untrained import untrained

from melody.limits import Limits
from melody.piece import Key, Part, Piece, TimeSignature
from melody.sampling import Model, SamplingSettings, load
from melody.sampling.prior import CorpusPrior
from melody.sampling.repetition import InARow
from melody.sampling.search import Search
from melody.sampling.strategies.ancestral import Sample
from melody.sampling.tasks.acceptance import TOO_SOON, Acceptance
from melody.sampling.tasks.harmonize import harmonize
from melody.tokens import Vocabulary
from melody.training.corpus_facts import part_pitches, part_runs, shortest


@pytest.fixture(scope="module")
def model(trained: Path) -> Model:
    return load(trained)


def _with(model: Model, **training: object) -> Model:
    """The model with other facts of its training."""
    return Model(replace(model.file, training={**model.file.training, **training}))


def test_training_writes_what_the_corpus_does(model: Model) -> None:
    corpus = small_corpus(240)
    pieces = [corpus.vocabulary.decode(rows) for rows in corpus.rows("train")]
    low, high = min(p.pitch.min() for p in pieces), max(p.pitch.max() for p in pieces)
    assert model.file.training["part_pitches"] == [[low, high]]
    assert model.vocabulary.pitches[0] < low and high < model.vocabulary.pitches[1]  # it has heard them transposed
    assert model.file.training["part_runs"] == [8] and model.prior.most_in_a_row.tolist() == [8]


def test_a_part_that_never_plays_may_have_any_pitch() -> None:
    silent = Part(20, name="organ")
    piece = replace(folk_tune(0), parts=(*folk_tune(0).parts, silent))
    both = replace(piece, part=np.arange(piece.num_notes) % 2)
    vocabulary = Vocabulary.build([both])
    alone = [vocabulary.encode(replace(piece, parts=vocabulary.parts))]
    played, unplayed = sorted(part_pitches(vocabulary, alone), reverse=True)
    assert [piece.pitch.min(), piece.pitch.max()] in (played, unplayed)
    assert list(vocabulary.pitches) in (played, unplayed)


@pytest.mark.parametrize("how", [{}, {"beam": 4}, {"bars": 3}])
def test_new_tunes_stay_where_the_corpus_is(model: Model, how: dict) -> None:
    """Narrower than it is, so that the model would leave it otherwise."""
    narrow = _with(model, part_pitches=[[62, 71]])
    for tune in narrow.tunes(1 if "beam" in how else 12, **how):
        assert tune.piece.pitch.min() >= 62 and tune.piece.pitch.max() <= 71
    assert any(tune.piece.pitch.max() > 71 for tune in model.tunes(12))


def test_what_is_asked_for_goes_before_what_is_usual(model: Model) -> None:
    narrow = _with(model, part_pitches=[[62, 66]])
    for tune in narrow.tunes(4, limits=Limits.parse(range="A4:D5")):
        assert tune.piece.pitch.min() >= 69 and tune.piece.pitch.max() <= 74


def test_a_prompt_is_gone_on_with_where_it_is(model: Model) -> None:
    """The usual range is that of music from nothing; what follows a high tune is as high."""
    prompt = folk_tune(100).bars(1, 4)
    narrow = _with(model, part_pitches=[[50, 55]])
    assert np.array_equal(narrow.continue_(prompt, bars=4).pitch, model.continue_(prompt, bars=4).pitch)


@pytest.mark.parametrize(
    "nonsense",
    [
        {},
        {"part_pitches": None, "first_keys": None, "longest_run": None, "part_runs": None},
        {"part_pitches": [[1, 2, 3]], "first_keys": [1], "longest_run": -4, "part_runs": [9] * 200},
        {"part_pitches": [["low", "high"]], "first_keys": "many", "longest_run": "long", "part_runs": "long"},
        {"part_pitches": [[float("nan"), 60]], "first_keys": [-1.0] * 12, "longest_run": 1e9},
        {"part_pitches": [[1000, 2000]]},
    ],
)
def test_a_model_file_that_does_not_say_it_well_says_nothing(model: Model, nonsense: dict) -> None:
    usual = CorpusPrior.of(model.vocabulary, nonsense)
    assert usual.first_keys is None and np.isinf(usual.most_in_a_row).all()
    assert usual.range_penalty is None or not usual.range_penalty.any()


def test_a_tune_that_plays_one_pitch_over_and_over_is_drawn_anew(model: Model) -> None:
    """As `Acceptance` has it: more often than the corpus does, and more than eight times."""
    key, metre = (Key(0, 0, "major"),), (TimeSignature(0, 6, 8),)
    onset = np.arange(12) * 12
    tune = Piece(onset, [12] * 12, [64, 62, *[60] * 10], parts=(Part(40),), time_signatures=metre, keys=key)
    drawn = Sample(model.vocabulary.encode(tune), 0.0, 0.0)
    asked = Search(1), SamplingSettings(), Limits(), lambda sample: (tune, 0)
    by_part = [{"part_runs": [most]} for most in (3, 9, 10)]
    for told in (by_part, [{"longest_run": most, "part_runs": None} for most in (3, 9, 10)]):  # which files of before say
        worths = [Acceptance(_with(model, **said), *asked).worth for said in told]
        assert [round(worth(drawn), 6) for worth in worths if worth] == [0, 0, 1]
    unknown = Acceptance(_with(model, longest_run=None, part_runs=None), *asked).worth
    assert unknown and unknown(drawn) == 1


def test_a_bass_may_repeat_what_a_melody_may_not() -> None:
    """Of each part the model says how often; drums may as often as they like."""
    parts = (Part(0), Part(32), Part(0, is_drum=True))

    def band(melody: int, bass: int) -> Piece:
        """One pitch so often, and others around it."""
        lines = [[60, *[62] * melody, 64], [36, *[38] * bass, 40], [42] * 60]
        notes = [(12 * i, pitch, part) for part, line in enumerate(lines) for i, pitch in enumerate(line)]
        onset, pitch, part = np.array(notes).T
        return Piece(onset, [12] * len(onset), pitch, part=part, parts=parts)

    corpus = [band(3, 40), band(4, 30), band(2, 20)]
    vocabulary = Vocabulary.build(corpus)
    runs = part_runs(vocabulary, [vocabulary.encode(piece) for piece in corpus])
    assert dict(zip([part.program + 1000 * part.is_drum for part in vocabulary.parts], runs)) == {0: 8, 32: 40, 1000: 60}
    model = _with(untrained(vocabulary), part_runs=runs, longest_run=40)
    for piece, is_fault in ((band(8, 40), False), (band(9, 40), True), (band(8, 41), True)):
        drawn = Sample(vocabulary.encode(piece), 0.0, 0.0)
        judge = Acceptance(
            model, Search(1), SamplingSettings(), Limits(), lambda sample: (vocabulary.decode(sample.rows), 0)
        )
        assert ("one pitch over and over" in judge.faults(drawn)) == is_fault
        assert judge.endless_from is not None
        watched = InARow(vocabulary, 1, judge.endless_from)
        assert any(watched.push(row)[0] for row in drawn.rows[:-1, None]) == is_fault


def test_the_usual_keys_are_those_of_beginnings_alone() -> None:
    """Where a piece changes its key later on, the model decides, not how often pieces begin in each key."""
    keys = [(Key(0, a, "major"), Key(96, b, "major")) for a, b in ((0, 1), (1, 2), (2, 0), (0, 2), (1, 0), (2, 1))]
    tunes = [Piece(np.arange(12) * 24, [24] * 12, [60 + n] * 12, keys=pair) for n, pair in enumerate(keys)]
    vocabulary = Vocabulary.build(tunes)
    model = _with(untrained(vocabulary), first_keys=[1 if key == (1, "major") else 0 for key in vocabulary.keys])
    made = model.generate_many(60, settings=SamplingSettings(seed=1, temperature=1.0, any_ending=True, max_notes=60))
    begun = {piece.keys[0].fifths for piece in made if piece.keys and piece.keys[0].onset == 0}
    later = {key.fifths for piece in made for key in piece.keys[1:]}
    assert begun == {1} and {0, 2} <= later


def test_voices_under_a_melody_sing_where_they_usually_do() -> None:
    chorale = Piece(
        np.tile(np.arange(8) * 24, 2),
        [24] * 16,
        [*[72, 74, 76, 77, 76, 74, 72, 72], *[60, 55, 60, 53, 60, 55, 60, 60]],
        part=[0] * 8 + [1] * 8,
        parts=(Part(52, name="Soprano"), Part(52, name="Bass")),
        keys=(Key(0, 0, "major"),),
    )
    vocabulary = Vocabulary.build([chorale] * 3, transpositions=range(-5, 7))
    model = untrained(vocabulary)
    sung = _with(model, part_pitches=[[72, 77], [53, 60]])
    melody = replace(chorale.select(chorale.part == 0), parts=chorale.parts[:1])
    pieces = [harmony.piece for harmony in harmonize(sung, melody, candidates=4, count=8)]
    bass = np.concatenate([piece.pitch[piece.part == 1] for piece in pieces])
    assert len(bass) and bass.min() >= 53 and bass.max() <= 60


def test_a_tune_that_ends_sooner_than_the_corpus_does_is_drawn_anew() -> None:
    """Unless its length is given, or what is written is no tune of its own."""
    vocabulary = Vocabulary.build(pieces := [folk_tune(seed, 8) for seed in range(20)])
    told = shortest(vocabulary, [vocabulary.encode(piece) for piece in pieces])
    assert told == [8]
    model, drawn = _with(untrained(vocabulary), shortest=told), Sample(vocabulary.encode(folk_tune(3, 2)), 0.0, 0.0)
    whole = Sample(vocabulary.encode(folk_tune(3, 8)), 0.0, 0.0)

    def judge(source: Model, limits: Limits, as_new: bool) -> Acceptance:
        asked = Search(1), SamplingSettings(), limits, lambda sample: (vocabulary.decode(sample.rows), 0)
        return Acceptance(source, *asked, as_new=as_new)

    assert judge(model, Limits(), True).faults(drawn) == (TOO_SOON,)
    assert judge(model, Limits(), True).faults(whole) == ()
    for source, limits, as_new in (
        (model, Limits(bars=2), True),
        (model, Limits(), False),
        (untrained(vocabulary), Limits(), True),
    ):
        assert judge(source, limits, as_new).faults(drawn) == ()
    assert CorpusPrior.of(vocabulary, {"shortest": "long"}).shortest == 0
