"""The laws of choosing, and of what is made."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from music import folk_tune

from melody import midi
from melody.errors import SamplingError, VocabularyError
from melody.piece import Part, Piece, Tempo, TimeSignature
from melody.sampling import Model, SamplingSettings, choose, load

SIX_EIGHT = (TimeSignature(0, 6, 8),)


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
    for settings in (SamplingSettings(top_k=2), SamplingSettings(top_p=0.7)):
        tokens = choose(np.tile(row, (100_000, 1)), None, rng.random(100_000), settings)
        assert np.allclose(np.bincount(tokens, minlength=4) / 100_000, [0.625, 0.375, 0, 0], atol=0.01)


def test_the_same_seed_gives_the_same_tune_however_many_are_asked_for(model: Model) -> None:
    settings = SamplingSettings(seed=7)
    many = model.generate_many(70, settings=settings)  # more than one batch
    assert model.generate(settings=settings) == many[0]
    assert model.generate_many(66, settings=settings) == many[:66]
    assert model.generate(settings=SamplingSettings(seed=8)) != many[0]
    assert len({tuple(piece.pitch.tolist()) for piece in many}) > 60


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
    keys = {tune.keys[0].name for tune in model.generate_many(60, bars=1) if tune.keys}
    assert len(keys) > 3 and keys <= {"C", "Db", "D", "Eb", "E", "F", "F#", "Gb", "G"}


def test_a_tune_that_does_not_end_is_ended(model: Model) -> None:
    """At the length of the longest piece in training, unless a number of bars was asked for."""
    wild = SamplingSettings(temperature=100)
    assert max(t.num_notes for t in model.generate_many(40, settings=wild)) <= model.longest_piece == 46
    assert model.generate(settings=SamplingSettings(max_notes=3)).num_notes <= 3
    assert model.generate(bars=64).num_bars == 64


@pytest.mark.parametrize("bars", [1, 3, 16])
def test_tunes_end_on_the_bar_line_that_was_asked_for(model: Model, bars: int) -> None:
    for tune in model.generate_many(10, bars=bars):
        assert tune.num_bars == bars
        assert tune.length <= bars * 72


def test_the_file_tells_where_the_tune_comes_from(model: Model, tmp_path) -> None:
    tune = model.generate(bars=2, settings=SamplingSettings(seed=3))
    midi.write(tune, tmp_path / "tune.mid")
    told = midi.read(tmp_path / "tune.mid").texts[0]
    for fact in ("melody", "rules", model.file.fingerprint, "seed 3", "temperature=1.0", "bars=2"):
        assert fact in told


def test_a_continuation_begins_with_the_prompt_note_for_note(model: Model) -> None:
    prompt = folk_tune(100).bars(0, 4)
    for made in model.continue_many(prompt, 3, bars=4):
        assert made.piece.select(made.piece.onset < made.prompt_end).slice(0, prompt.length) == prompt.slice(
            0, prompt.length
        ) or (np.array_equal(made.piece.pitch[: prompt.num_notes], prompt.pitch))
        assert np.array_equal(made.piece.onset[: prompt.num_notes], prompt.onset)
        assert made.piece.onset[prompt.num_notes] >= prompt.length
        assert made.piece.num_bars == 8
        assert made.piece.tempi == prompt.tempi and made.piece.parts == prompt.parts
        assert made.remarks == ()


def test_the_new_part_alone_is_the_end_of_the_whole(model: Model) -> None:
    prompt = folk_tune(101).bars(0, 3)
    whole = model.continue_(prompt, bars=4)
    new = model.continue_(prompt, bars=4, only_new=True)
    assert new.num_notes == whole.num_notes - prompt.num_notes
    assert np.array_equal(new.pitch, whole.pitch[prompt.num_notes :])
    assert np.array_equal(new.onset + 3 * 72, whole.onset[prompt.num_notes :])


def test_a_prompt_keeps_its_own_instrument_tempo_octave_and_words(model: Model) -> None:
    tune = folk_tune(102).bars(0, 4).transpose(24)
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
    prompt = folk_tune(0).bars(0, 7)
    for n in range(1, 12):
        prompt = prompt.join(folk_tune(n).bars(0, 7), 72 * prompt.num_bars)
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
