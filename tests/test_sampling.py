"""The laws of choosing, and of what is made."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from music import folk_tune
from threadpoolctl import ThreadpoolController, threadpool_limits

from melody import midi
from melody.errors import SamplingError, VocabularyError
from melody.piece import Key, Part, Piece, Tempo, TimeSignature
from melody.sampling import Model, SamplingSettings, load
from melody.sampling import choose as choosing
from melody.sampling.choose import DOUBT, choose, choose_surely
from melody.sampling.quality import faults
from melody.sampling.repetition import Loops
from melody.sampling.strategies.ancestral import Streams
from melody.tokens import Vocabulary
from melody.tokens.vocabulary import DURATION, KIND, TIME, VALUE, VELOCITY

SIX_EIGHT = (TimeSignature(0, 6, 8),)
BLAS = ThreadpoolController().select(user_api="blas")  # NumPy's; SciPy brings one of its own, which melody's step never asks


@pytest.fixture(scope="module")
def model(trained) -> Model:
    return load(trained)


logits = st.lists(st.floats(-20, 20), min_size=2, max_size=12).map(lambda row: np.array([row], np.float32))
chances = st.floats(0, 1, exclude_max=True).map(lambda chance: np.array([chance]))


@given(logits, chances)
def test_temperature_zero_top_k_one_and_a_tiny_top_p_all_take_the_likeliest(row: np.ndarray, chance: np.ndarray) -> None:
    for settings in (SamplingSettings(temperature=0), SamplingSettings(top_k=1), SamplingSettings(top_p=1e-9)):
        token = choose(row, None, chance, settings)[0]
        assert row[0, token] == row[0].max()


@given(logits, chances, st.data())
def test_what_is_masked_is_never_chosen(row: np.ndarray, chance: np.ndarray, data: st.DataObject) -> None:
    mask = np.array([data.draw(st.lists(st.booleans(), min_size=row.shape[1], max_size=row.shape[1]))])
    mask[0, data.draw(st.integers(0, row.shape[1] - 1))] = True
    settings = SamplingSettings(
        temperature=data.draw(st.sampled_from([0.0, 0.01, 1.0, 50.0])),
        top_k=data.draw(st.sampled_from([None, 1, 2])),
        top_p=data.draw(st.sampled_from([0.3, 1.0])),
    )
    assert mask[0, choose(row, mask, chance, settings)[0]]


def test_tokens_are_chosen_as_often_as_their_probability_says() -> None:
    rng = np.random.default_rng(0)
    row = np.array([0.0, 1.0, 2.0, -1.0])
    for temperature in (0.5, 1.0, 2.0):
        tokens = choose(np.tile(row, (200_000, 1)), None, rng.random(200_000), SamplingSettings(temperature=temperature))
        expected = np.exp(row / temperature) / np.exp(row / temperature).sum()
        assert np.allclose(np.bincount(tokens, minlength=4) / 200_000, expected, atol=0.005)


def test_top_k_and_top_p_keep_the_likeliest_and_their_proportions() -> None:
    rng = np.random.default_rng(0)
    row = np.log(np.array([0.5, 0.3, 0.15, 0.05]))
    for settings in (SamplingSettings(temperature=1, top_k=2), SamplingSettings(temperature=1, top_p=0.7)):
        tokens = choose(np.tile(row, (100_000, 1)), None, rng.random(100_000), settings)
        assert np.allclose(np.bincount(tokens, minlength=4) / 100_000, [0.625, 0.375, 0, 0], atol=0.01)


def shares(settings: SamplingSettings, share: list[float]) -> np.ndarray:
    """How often each token is drawn."""
    rng, draws = np.random.default_rng(0), 100_000
    tokens = choose(np.tile(np.log(share), (draws, 1)), None, rng.random(draws), settings)
    return np.bincount(tokens, minlength=len(share)) / draws


def test_min_p_keeps_what_is_likely_enough_beside_the_likeliest() -> None:
    """Nguyen et al. 2024: at 0.3 of the likeliest, 0.15 of 0.5 is just too little."""
    assert np.allclose(
        shares(SamplingSettings(temperature=1, min_p=0.31), [0.5, 0.3, 0.15, 0.05]), [0.625, 0.375, 0, 0], atol=0.01
    )
    kept = np.array([0.5, 0.3, 0.15, 0]) / 0.95
    assert np.allclose(shares(SamplingSettings(temperature=1, min_p=0.29), [0.5, 0.3, 0.15, 0.05]), kept, atol=0.01)
    assert shares(SamplingSettings(temperature=1, min_p=1), [0.5, 0.3, 0.15, 0.05])[0] == 1


def test_typical_sampling_keeps_what_is_about_as_surprising_as_expected() -> None:
    """By hand (Meister et al. 2023): the entropy of these is 1.14 nats, and -ln 0.3 = 1.20 is nearest, then -ln 0.5 = 0.69,
    then -ln 0.15 = 1.90, so that the likeliest may go."""
    share = [0.5, 0.3, 0.15, 0.05]
    assert shares(SamplingSettings(temperature=1, typical=0.2), share)[1] == 1
    assert np.allclose(shares(SamplingSettings(temperature=1, typical=0.5), share), [0.625, 0.375, 0, 0], atol=0.01)
    assert np.allclose(
        shares(SamplingSettings(temperature=1, typical=0.9), share), [0.5 / 0.95, 0.3 / 0.95, 0.15 / 0.95, 0], atol=0.01
    )


OWN = {"temperature": 0.7, "rhythm_temperature": 0.7, "pitch_temperature": 0.6}  # of a model file


def test_rhythm_pitch_and_loudness_have_temperatures_of_their_own() -> None:
    settings = SamplingSettings(temperature=0.9, rhythm_temperature=0, pitch_temperature=2)
    assert [settings.temperature_of(f) for f in (TIME, KIND, VALUE, DURATION, VELOCITY)] == [0, 0.9, 2, 0, 0.9]
    assert SamplingSettings(temperature=0.9).temperature_of(VALUE) == 0.9
    loud = SamplingSettings(temperature=0.9, velocity_temperature=1.5)
    assert [loud.temperature_of(f) for f in (TIME, KIND, VALUE, DURATION, VELOCITY)] == [0.9] * 4 + [1.5]
    assert loud.at_beginning.temperature_of(VELOCITY) == 1
    assert SamplingSettings().settled({"temperatures": {**OWN, "velocity_temperature": 1.0}}).temperature_of(VELOCITY) == 1
    row, chance = np.array([[0.0, 1.0]]), np.array([0.1])
    assert choose(row, None, chance, settings, TIME)[0] == 1 and choose(row, None, chance, settings, VALUE)[0] == 0


@given(
    st.lists(st.floats(-6, 6), min_size=2, max_size=12),
    chances,
    st.sampled_from(
        [
            {},
            {"temperature": 0},
            {"temperature": 0.2},
            {"top_k": 3},
            {"top_p": 0.7},
            {"min_p": 0.1},
            {"typical": 0.6},
            {"top_k": 5, "top_p": 0.9, "min_p": 0.05, "typical": 0.9},
        ]
    ),
    st.integers(0, 2**32),
)
def test_a_choice_that_is_sure_is_the_same_for_all_logits_nearby(
    row: list[float], chance: np.ndarray, given_: dict, seed: int
) -> None:
    settings = SamplingSettings(**given_)
    tokens, sure = choose_surely(np.array([row]), None, chance, settings)
    if sure[0]:
        noise = np.random.default_rng(seed).uniform(-DOUBT / 2, DOUBT / 2, (50, len(row)))
        noise[:10] = np.sign(noise[:10]) * DOUBT / 2
        near = choose(np.array(row) + noise, None, np.repeat(chance, 50), settings)
        assert (near == tokens[0]).all()


def test_most_choices_are_sure() -> None:
    rng = np.random.default_rng(0)
    _, sure = choose_surely(rng.normal(0, 3, (20_000, 40)), None, rng.random(20_000), SamplingSettings())
    assert 0.995 < sure.mean() < 1


def test_a_choice_that_hangs_on_the_last_bits_is_made_by_what_is_heard_alone(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With every choice in doubt all are, and the tunes are still those of one at a time."""
    settings = SamplingSettings(seed=11)
    alone = [model.generate_many(number + 1, bars=2, settings=settings)[number] for number in range(3)]
    monkeypatch.setattr(choosing, "DOUBT", 1e3)
    assert model.generate_many(3, bars=2, settings=settings) == alone


def test_the_same_seed_gives_the_same_tune_however_many_are_asked_for(model: Model) -> None:
    settings = SamplingSettings(seed=7)
    many = model.generate_many(70, settings=settings)  # more than one batch
    assert model.generate(settings=settings) == many[0]
    assert model.generate_many(66, settings=settings) == many[:66]
    assert model.generate(settings=SamplingSettings(seed=8)) != many[0]
    assert len({tuple(piece.pitch.tolist()) for piece in many}) > 60


@pytest.mark.parametrize("seed", range(2))
def test_tunes_are_the_same_to_the_byte_whatever_the_number(model: Model, seed: int) -> None:
    settings = SamplingSettings(seed=seed, temperature=1.3, top_p=0.98)
    many = [midi.to_bytes(tune) for tune in model.generate_many(33, bars=8, settings=settings)]
    for count in (1, 2, 5, 17):
        assert [midi.to_bytes(tune) for tune in model.generate_many(count, bars=8, settings=settings)] == many[:count]


def test_greedy_tunes_do_not_depend_on_the_seed(model: Model) -> None:
    def tune(seed: int) -> list[int]:
        return model.generate(settings=SamplingSettings(temperature=0, seed=seed)).pitch.tolist()

    assert tune(0) == tune(1)


def test_generated_music_has_the_rules_of_its_corpus(model: Model) -> None:
    """It learned: bars of 6/8 full of eighths that repeat two bars later, one part, monophonic, on the fiddle."""
    tunes = model.generate_many(30, bars=8, settings=SamplingSettings(temperature=0.7))
    assert all(t.is_monophonic and t.parts[0].program == 40 and t.time_signatures[0][1:] == (6, 8) for t in tunes)
    assert np.mean([np.mean(t.duration[:-1] == 12) for t in tunes]) > 0.9
    repeats = [np.mean(t.pitch[12:24] == t.pitch[0:12]) for t in tunes]
    assert np.mean(repeats) > 0.5  # by chance about a third


def test_tunes_begin_in_the_keys_of_the_corpus(model: Model) -> None:
    """Its tonics are C to G; training has heard all twelve alike."""
    keys = {tune.keys[0].name for tune in model.generate_many(30, bars=1) if tune.keys}
    assert len(keys) > 3 and keys <= {"C", "Db", "D", "Eb", "E", "F", "F#", "Gb", "G"}


def test_a_tune_that_does_not_end_is_ended(model: Model) -> None:
    """At the length of the longest piece in training, unless a number of bars was asked for."""
    wild = SamplingSettings(temperature=100)
    assert max(t.num_notes for t in model.generate_many(12, settings=wild)) <= model.longest_piece == 46
    assert model.generate(settings=SamplingSettings(max_notes=3)).num_notes <= 3
    assert model.generate(bars=64).num_bars == 64


@pytest.mark.parametrize("bars", [1, 3, 16])
def test_tunes_end_on_the_bar_line_that_was_asked_for(model: Model, bars: int) -> None:
    for tune in model.generate_many(10, bars=bars):
        assert tune.num_bars == bars
        assert tune.length <= bars * 72


def test_the_file_tells_where_the_tune_comes_from(model: Model, tmp_path) -> None:
    tune = model.generate(bars=2, settings=SamplingSettings(seed=3, temperature=0.8))
    midi.write(tune, tmp_path / "tune.mid")
    told = midi.read(tmp_path / "tune.mid").texts[0]
    for fact in ("melody", "rules", model.file.fingerprint, "seed 3", "temperature=0.8", "bars=2"):
        assert fact in told


def test_a_continuation_begins_with_the_prompt_note_for_note(model: Model) -> None:
    prompt = folk_tune(100).bars(1, 4)
    for made in model.continue_many(prompt, 3, bars=4):
        assert made.piece.select(made.piece.onset < made.first_tick).slice(0, prompt.length) == prompt.slice(
            0, prompt.length
        ) or (np.array_equal(made.piece.pitch[: prompt.num_notes], prompt.pitch))
        assert np.array_equal(made.piece.onset[: prompt.num_notes], prompt.onset)
        assert made.piece.onset[prompt.num_notes] >= prompt.length
        assert made.piece.num_bars == 8
        assert made.piece.tempi == prompt.tempi and made.piece.parts == prompt.parts
        assert made.remarks == ()


def test_the_new_part_alone_is_the_end_of_the_whole(model: Model) -> None:
    prompt = folk_tune(101).bars(1, 3)
    whole = model.continue_(prompt, bars=4)
    new = model.continue_(prompt, bars=4, only_new=True)
    assert new.num_notes == whole.num_notes - prompt.num_notes
    assert np.array_equal(new.pitch, whole.pitch[prompt.num_notes :])
    assert np.array_equal(new.onset + 3 * 72, whole.onset[prompt.num_notes :])


def test_a_prompt_keeps_its_own_instrument_tempo_octave_and_words(model: Model) -> None:
    tune = folk_tune(102).bars(1, 4).transpose(24)
    prompt = Piece(
        tune.onset,
        tune.duration,
        tune.pitch,
        parts=(Part(73, name="Flute"),),
        time_signatures=tune.time_signatures,
        tempi=(Tempo(0, 333_333),),
        title="Mine",
        texts=("by me",),
    )
    made = model.continue_many(prompt, 1, bars=4)[0]
    assert made.piece.parts == prompt.parts and made.piece.tempi == prompt.tempi and made.piece.title == "Mine"
    assert np.array_equal(made.piece.pitch[: prompt.num_notes], prompt.pitch)
    assert abs(np.mean(made.piece.pitch[prompt.num_notes :]) - np.mean(prompt.pitch)) < 12
    assert made.piece.texts[0] == "by me"
    said = " ".join(made.remarks)
    assert "octave" in said and "program 40" in said and "names no key" in said


def test_a_prompt_that_stops_in_mid_bar_is_completed(model: Model) -> None:
    tune = folk_tune(103)
    prompt = tune.select(np.arange(tune.num_notes) < 9)  # a bar and a half
    made = model.continue_many(prompt, 1, bars=2)[0]
    assert made.piece.onset[9] >= 108
    assert made.piece.num_bars == 4


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        (Piece(*(np.zeros(0, np.int64),) * 3), "no notes"),
        (Piece([0], [24], [60]), "4/4"),
        (Piece([0, 0], [24, 24], [60, 64], time_signatures=SIX_EIGHT), "one at a time"),
        (
            Piece(
                [0, 0], [12, 12], [60, 64], part=[0, 1], parts=(Part(0), Part(1)), time_signatures=(TimeSignature(0, 6, 8),)
            ),
            "parts",
        ),
    ],
)
def test_a_prompt_that_cannot_be_understood_is_refused_in_words(model: Model, prompt: Piece, words: str) -> None:
    with pytest.raises((SamplingError, VocabularyError), match=words):
        model.continue_(prompt, bars=4)


def test_a_prompt_longer_than_any_piece_in_training_is_heard_from_its_end(model: Model) -> None:
    prompt = folk_tune(0).bars(1, 7)
    for n in range(1, 12):
        prompt = prompt.join(folk_tune(n).bars(1, 7), 72 * prompt.num_bars)
    made = model.continue_many(prompt, 1, bars=2)[0]
    assert "longer than any piece" in " ".join(made.remarks)
    assert np.array_equal(made.piece.pitch[: prompt.num_notes], prompt.pitch)
    assert made.piece.num_bars == prompt.num_bars + 2


@pytest.mark.parametrize(
    "settings",
    [
        {"temperature": -1},
        {"temperature": float("nan")},
        {"top_k": 0},
        {"top_p": 0},
        {"top_p": 1.1},
        {"top_p": float("nan")},
        {"rhythm_temperature": -0.1},
        {"rhythm_temperature": float("nan")},
        {"pitch_temperature": float("inf")},
        {"min_p": -0.1},
        {"min_p": 1.1},
        {"min_p": float("nan")},
        {"typical": 0},
        {"typical": float("nan")},
        {"repetition_penalty": 0.9},
        {"repetition_penalty": float("nan")},
        {"repetition_penalty": float("inf")},
        {"seed": -1},
        {"max_notes": 0},
    ],
)
def test_settings_out_of_range_are_refused(settings: dict) -> None:
    with pytest.raises(SamplingError, match="must be"):
        SamplingSettings(**settings)


@pytest.mark.parametrize("request_", [{"bars": 0}, {"bars": 10_000_000}])
def test_impossible_lengths_are_refused(model: Model, request_: dict) -> None:
    with pytest.raises(SamplingError, match="bars were asked for"):
        model.generate(**request_)


def test_no_tunes_at_all_are_refused(model: Model) -> None:
    with pytest.raises(SamplingError, match="tunes were asked for"):
        model.generate_many(0)


# Loops


def test_what_is_heard_four_times_in_a_row_is_penalised_and_nothing_before() -> None:
    vocabulary = Vocabulary.build([folk_tune(seed) for seed in range(5)])
    time = 1 + vocabulary.shifts.index(12)
    phrase = [vocabulary.first_pitch + pitch for pitch in (0, 4, 2)]
    loops = Loops(vocabulary, 1, 2.0)
    event = np.array([[time, 3, 0, 0, 0]])
    flat = np.zeros((1, vocabulary.sizes[VALUE]), np.float32)
    for number in range(18):
        penalised = loops.penalise(flat, event, np.array([0]))[0]
        expected = phrase[number % 3]
        assert (penalised < 0).any() == (number >= 12), number  # the fifth time round, and after
        if number >= 12:
            assert penalised[expected] == pytest.approx(-np.log(2) * (1 + (number - 12) // 3))
            assert np.count_nonzero(penalised) == 1
        event[0, VALUE] = expected
        loops.push(event)
    other_rhythm = event.copy()
    other_rhythm[0, TIME] += 1
    assert not loops.penalise(flat, other_rhythm, np.array([0])).any()


def test_a_phrase_played_twice_is_no_loop() -> None:
    vocabulary = Vocabulary.build([folk_tune(seed) for seed in range(20)])
    loops = Loops(vocabulary, 1, 100.0)
    for seed in range(20):
        for row in vocabulary.encode(folk_tune(seed))[:-1]:
            flat = np.zeros((1, vocabulary.sizes[VALUE]), np.float32)
            assert not loops.penalise(flat, row[None], np.array([0])).any()
            loops.push(row[None])


def _share_of_new(piece: Piece) -> float:
    """Of all runs of six pitches the share of different ones."""
    runs = np.lib.stride_tricks.sliding_window_view(piece.pitch, 6)
    return len(np.unique(runs, axis=0)) / len(runs)


def test_the_penalty_ends_loops(model: Model) -> None:
    """At temperature 0 the model repeats itself; with the penalty it must go on elsewhere."""
    looping = model.generate(bars=24, settings=SamplingSettings(temperature=0))
    freed = model.generate(bars=24, settings=SamplingSettings(temperature=0, repetition_penalty=100))
    assert _share_of_new(freed) > _share_of_new(looping)
    assert freed.num_bars == 24


C_MAJOR = (Key(0, 0, "major"),)


# The best of many


def test_the_beam_finds_tunes_likelier_than_chance_does(model: Model) -> None:
    found = model.tunes(bars=4, beam=8)[0]
    drawn = model.tunes(20, bars=4, best_of=20)
    assert found.nats < np.median([tune.nats for tune in drawn])
    assert found.piece.num_bars == 4
    other = model.tunes(bars=4, beam=8, settings=SamplingSettings(seed=5))[0]
    assert np.array_equal(found.piece.pitch, other.piece.pitch)  # nothing is drawn


def test_a_beam_of_one_is_greedy(model: Model) -> None:
    greedy = model.generate(bars=4, settings=SamplingSettings(temperature=0))
    assert np.array_equal(model.tunes(bars=4, beam=1)[0].piece.pitch, greedy.pitch)


def test_the_likelihood_is_that_of_the_events(model: Model) -> None:
    """Where the grammar leaves all open it is `Model.nats`; a mask can only make what is left likelier."""
    for tune in model.tunes(5, best_of=5):
        rows = model.vocabulary.encode(tune.piece)
        assert tune.nats * tune.piece.num_notes <= _nats_with_usual_key(model, rows) + 1e-3


def _nats_with_usual_key(model: Model, rows: np.ndarray) -> float:
    counts = np.exp(model.prior.first_keys)
    key = int(rows[rows[:, KIND] == 2][0, VALUE] - model.vocabulary.value_starts[2])
    return float(model.nats([rows[:-1]])[0] - model.nats([rows[:1]])[0] - np.log(counts[key] / counts.sum())) + 20


def test_the_best_of_many_are_those_of_all_of_them(model: Model) -> None:
    many = model.tunes(12, best_of=12, bars=4)
    best = model.tunes(3, best_of=12, bars=4)
    assert [tune.piece for tune in best] == [tune.piece for tune in many[:3]]
    as_they_end = SamplingSettings(any_ending=True)
    pieces = {tuple(tune.pitch.tolist()) for tune in model.generate_many(12, bars=4, settings=as_they_end)}
    assert {tuple(tune.piece.pitch.tolist()) for tune in many} == pieces  # the same tunes, in another order


@pytest.mark.parametrize(
    ("piece", "expected"),
    [
        (Piece([0, 24, 48, 72], [24] * 4, [60, 62, 64, 60], keys=C_MAJOR), ()),
        (Piece([0, 24, 48, 72], [24, 24, 24, 12], [60, 62, 64, 60], keys=C_MAJOR), ("does not end on a bar line",)),
        (Piece([72, 96, 120, 144], [24] * 4, [60, 62, 64, 60], keys=C_MAJOR), ()),  # as much early as the pick-up took
        (Piece([0, 24, 48, 72], [24] * 4, [60, 62, 64, 62], keys=C_MAJOR), ("does not end on the tonic",)),
        (Piece([0, 24, 48, 72, 72], [24] * 5, [60, 62, 64, 64, 48], keys=C_MAJOR), ()),
        (Piece(np.arange(12) * 8, [8] * 12, [60, 62] + [64] * 9 + [60], keys=C_MAJOR), ("one pitch over and over",)),
        (Piece(np.arange(20) * 24, [24] * 20, [60, 62, 64, 65] * 5), ("one or two bars over and over",)),
        (Piece(np.arange(16) * 24, [24] * 16, [60, 62, 64, 65] * 4), ()),
        (Piece(np.arange(8) * 24, [24] * 8, [60, 60, 62, 62, 60, 62, 62, 60]), ("hardly a melody",)),
    ],
)  # fmt: skip
def test_faults_by_hand(piece: Piece, expected: tuple[str, ...]) -> None:
    assert faults(piece, ended=True) == expected
    assert faults(piece, ended=False) == ("cut off", *expected)


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"count": 3, "best_of": 2}, "the best 3 of 2"),
        ({"beam": 0}, "a beam of 0"),
        ({"beam": 1000}, "a beam of 1000"),
        ({"beam": 4, "count": 2}, "finds one tune"),
        ({"beam": 4, "best_of": 2}, "finds one tune"),
        ({"beam": 4, "settings": SamplingSettings(top_k=3, temperature=0.5)}, "leave out temperature, top-k"),
    ],
)
def test_searches_that_do_not_go_together_are_refused(model: Model, asked: dict, says: str) -> None:
    with pytest.raises(SamplingError, match=says):
        model.tunes(bars=2, **asked)


def test_a_continuation_can_be_the_best_or_the_likeliest(model: Model) -> None:
    prompt = folk_tune(100).bars(1, 4)
    many = model.continue_many(prompt, 2, bars=4, best_of=6)
    drawn = model.continue_many(prompt, 6, bars=4, best_of=6)
    ranks = [(len(each.faults), abs(each.nats - np.median([one.nats for one in drawn]))) for each in drawn]
    assert ranks == sorted(ranks) and [each.piece for each in many] == [each.piece for each in drawn[:2]]
    assert model.continue_many(prompt, 1, bars=4, beam=6)[0].piece.num_bars == 8


def test_numpy_multiplies_on_one_thread_while_tunes_are_made(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the program around it has set, and that is as before afterwards."""
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    seen: list[int] = []
    step = Streams.step

    def watched(streams: Streams) -> list:
        seen.extend(_blas_threads())
        return step(streams)

    monkeypatch.setattr(Streams, "step", watched)
    with threadpool_limits(2, user_api="blas"):
        before = _blas_threads()
        model.tunes(2, bars=1)
        model.continue_many(folk_tune(0), 1, bars=1)
        assert set(seen) == {1} and _blas_threads() == before


def _blas_threads() -> list[int]:
    return [library["num_threads"] for library in BLAS.info()]
