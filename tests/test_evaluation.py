"""The laws of measuring: every token counts once, whatever stands beside it, and what was trained on is left out."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from commands import melody
from conftest import small_corpus
from music import folk_tune, random_piece

from melody import midi, modelfile
from melody.corpus import Corpus, PrepareSettings, prepare
from melody.dataset import BatchSettings
from melody.errors import CorpusError, ModelFileError
from melody.evaluation.evaluate import (
    Evaluation,
    Measured,
    encoded_tokens,
    evaluate,
    measure,
    mixed_nats,
    nats_per_note,
    ngram_nats,
    restored,
    token_nats,
)
from melody.evaluation.heldout import Chosen, choose, settings_for
from melody.evaluation.ngram import NGram, flat_tokens
from melody.network.network import MelodyNetwork
from melody.network.settings import ModelSettings
from melody.piece import Piece, TimeSignature
from melody.sampling import Model
from melody.tokens import Vocabulary
from melody.tokens.vocabulary import TIME
from melody.training.run import fit
from melody.training.settings import TrainingSettings

SHAPE = ModelSettings(hidden_size=24, num_layers=2, embedding_size=16, head_size=16, dropout=0.2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("songs")
    for n in range(30):
        midi.write(folk_tune(n), folder / f"tune{n:02d}.mid")
    return folder


@pytest.fixture(scope="module")
def corpus(folder: Path) -> Corpus:
    return prepare(folder)


@pytest.fixture(scope="module")
def file(corpus: Corpus, tmp_path_factory: pytest.TempPathFactory) -> modelfile.ModelFile:
    out = tmp_path_factory.mktemp("model") / "songs.safetensors"
    fit(corpus, out, TrainingSettings(epochs=2, model=SHAPE, batch=BatchSettings(batch_size=8), samples=0))
    return modelfile.load(out)


def test_nats_are_those_of_the_engine_piece_by_piece(file: modelfile.ModelFile, corpus: Corpus) -> None:
    """Torch, in batches and windows, against NumPy, event by event; pieces of different lengths, in any order."""
    model, engine = restored(file), Model(file)
    pieces = [*map(np.asarray, corpus.rows("train")[:5]), file.vocabulary.encode(folk_tune(90, bars=40))]
    measured = measure(model, file.vocabulary, pieces)
    for rows, nats in zip(pieces, measured.nats.sum(axis=1)):
        before_end = engine.nats([rows[:-1]])[0]
        end = -math.log(_probability_of_end(model, file.vocabulary, rows))
        assert nats == pytest.approx(before_end + end, rel=1e-4)


def _probability_of_end(model: MelodyNetwork, vocabulary: Vocabulary, rows: np.ndarray) -> float:
    from melody.dataset import with_features

    events = torch.from_numpy(with_features(vocabulary, rows))[None]
    with torch.inference_mode():
        hidden, _ = model(events[:, :-1])
        return float(model.logits(hidden, events[:, 1:])[TIME][0, -1].softmax(dim=-1)[0])


def test_an_untrained_model_that_knows_nothing_costs_the_logarithm_of_each_field() -> None:
    pieces = [random_piece(n) for n in range(6)]
    vocabulary = Vocabulary.build(pieces)
    rows = [vocabulary.encode(piece) for piece in pieces]
    model = MelodyNetwork(vocabulary, SHAPE)
    for head in model.heads.values():
        for name, parameter in head.named_parameters():
            if name.startswith(("output", "copy", "interval", "degree", "sounding", "plays")):
                torch.nn.init.zeros_(parameter)
    measured = measure(model, vocabulary, rows)
    logarithms = np.log(np.array(vocabulary.sizes))
    np.testing.assert_allclose(measured.nats, measured.tokens * logarithms, rtol=1e-5)


def test_tokens_are_those_of_the_ngram_and_its_nats_add_up() -> None:
    corpus = small_corpus(20)
    vocabulary, train, test = corpus.vocabulary, corpus.rows("train"), list(corpus.rows("test"))
    measured = measure(MelodyNetwork(vocabulary, SHAPE), vocabulary, test)
    assert measured.tokens.sum(axis=1).tolist() == [len(flat_tokens(vocabulary, rows)[0]) for rows in test]
    ngram = NGram(vocabulary, train, 4)
    for rows, nats in zip(test, ngram_nats(ngram, vocabulary, test)):
        assert nats.sum() == pytest.approx(ngram.score([rows]).nats)
        assert (nats > 0).tolist() == encoded_tokens(vocabulary, rows).any(axis=0).tolist()


def test_right_tokens_are_the_likeliest_ones(trained: Path) -> None:
    """The second half of a tune by rule follows from the first: a model that knows the rule is right there."""
    file = modelfile.load(trained)
    corpus = small_corpus(240)
    measured = measure(restored(file), file.vocabulary, list(corpus.rows("test")))
    share = measured.right.sum(axis=0) / np.maximum(measured.tokens.sum(axis=0), 1)
    assert share[TIME] > 0.9
    assert np.all(measured.right <= measured.tokens)
    assert nats_per_note(restored(file), file.vocabulary, corpus.rows("test")) == pytest.approx(
        file.training["result"]["test"], rel=1e-5
    )


def test_micro_and_macro_and_bits(file: modelfile.ModelFile, corpus: Corpus) -> None:
    found = evaluate(file, corpus, "all")
    rates, nats = found.rates(found.measured.nats), found.measured.nats.sum(axis=1)
    assert rates["nats_per_note"] == pytest.approx(nats.sum() / found.notes.sum())
    assert rates["macro_nats_per_note"] == pytest.approx(np.mean(nats / found.notes))
    assert rates["bits_per_token"] == pytest.approx(rates["nats_per_token"] / math.log(2))
    assert rates["nats_per_bar"] == pytest.approx(nats.sum() / (8 * len(nats)))  # all tunes have 8 bars
    assert sum(field["nats"] for field in found.fields.values()) == pytest.approx(rates["nats"])
    data = json.loads(json.dumps(found.to_dict()))
    assert sum(piece["nats"]["lstm"] for piece in data["by_piece"]) == pytest.approx(rates["nats"])
    assert set(data["systems"]) == {"lstm", "ngram", "unigram"}
    assert set(data["accuracy"]) >= {"time", "pitch"} and all(0 <= share <= 1 for share in data["accuracy"].values())


def test_the_test_pieces_of_the_manifest_are_measured_whatever_the_folder_looks_like(
    file: modelfile.ModelFile, corpus: Corpus, folder: Path, tmp_path: Path
) -> None:
    """Other names, other order, some files gone: contents decide, and the result of the training comes out again."""
    for number, path in enumerate(sorted(folder.iterdir(), reverse=True)):
        (tmp_path / f"{number}.mid").write_bytes(path.read_bytes())
    moved = prepare(tmp_path, settings_for(file))
    found = evaluate(file, moved)
    assert len(found.chosen.pieces) == len(corpus.rows("test")) and found.chosen.trained == 0
    assert found.rates(found.measured.nats)["nats_per_note"] == pytest.approx(file.training["result"]["test"], rel=1e-5)
    ngram = next(nats for name, nats in found.baselines.items() if "n-gram" in name)
    assert found.rates(ngram)["nats_per_note"] == pytest.approx(file.training["result"]["ngram"])
    assert found.rates(found.baselines["unigram"])["nats_per_note"] == pytest.approx(file.training["result"]["unigram"])
    assert "left out" in found.chosen.remarks[0]
    assert {piece.split for piece in evaluate(file, moved, "valid").chosen.pieces} == {"valid"}
    everything = evaluate(file, moved, "all")
    assert "LEAK" in everything.chosen.remarks[0] and everything.chosen.trained > 0


def test_new_music_is_measured_whole_and_versions_of_training_pieces_are_not(
    file: modelfile.ModelFile, corpus: Corpus, folder: Path, tmp_path: Path
) -> None:
    new, mixed = tmp_path / "new", tmp_path / "mixed"
    new.mkdir(), mixed.mkdir()
    for n in range(60, 64):
        midi.write(folk_tune(n), new / f"{n}.mid")
    found = evaluate(file, prepare(new, settings_for(file)))
    assert len(found.chosen.pieces) == 4 and not found.baselines and "none of these" in found.chosen.remarks[0]
    path = corpus.names("train")[0]
    (mixed / path).write_bytes((folder / path).read_bytes())
    midi.write(midi.read(folder / path).transpose(2), mixed / "version.mid")
    midi.write(folk_tune(61), mixed / "other.mid")
    chosen = choose(file, prepare(mixed, settings_for(file)))
    assert [piece.path for piece in chosen.pieces] == ["other.mid"]
    (mixed / "other.mid").unlink()
    with pytest.raises(CorpusError, match="nothing is left"):
        choose(file, prepare(mixed, settings_for(file)))


def test_pieces_that_do_not_fit_are_fitted_or_left_out_and_told(file: modelfile.ModelFile, tmp_path: Path) -> None:
    tune = folk_tune(70)
    midi.write(tune, tmp_path / "fits.mid")
    midi.write(replace(folk_tune(71), velocity=np.full(tune.num_notes, 33)), tmp_path / "soft.mid")
    march = Piece(np.arange(20) * 24, np.full(20, 24), 60 + np.arange(20) % 12, time_signatures=(TimeSignature(0, 5, 4),))
    midi.write(march, tmp_path / "march.mid")
    chosen = choose(file, prepare(tmp_path, settings_for(file)))
    assert [piece.path for piece in chosen.pieces] == ["fits.mid", "soft.mid"]
    assert "5/4" in chosen.left_out["march.mid"]
    assert any("left out" in remark for remark in chosen.remarks)


def test_where_nothing_fits_each_reason_is_counted(file: modelfile.ModelFile, tmp_path: Path) -> None:
    """The most frequent first, however the files are called."""
    metres = [(5, 4), (7, 8), (7, 8), (9, 4), (7, 4)]
    for number, metre in enumerate(metres):
        pitch = 60 + np.arange(20) * (number + 1) % 12
        piece = Piece(np.arange(20) * 24, np.full(20, 24), pitch, time_signatures=(TimeSignature(0, *metre),))
        midi.write(piece, tmp_path / f"{number}.mid")
    counts = r"7/8.*\(2 pieces\); .*\(1 piece\); .*\(1 piece\); other reasons \(1 piece\)$"
    with pytest.raises(CorpusError, match=rf"can read none of 5 pieces: [^(]*{counts}"):
        choose(file, prepare(tmp_path, settings_for(file)))


def test_another_grid_is_fitted(file: modelfile.ModelFile, tmp_path: Path) -> None:
    midi.write(folk_tune(72), tmp_path / "tune.mid")
    fine = prepare(tmp_path, PrepareSettings(ticks_per_quarter=480))
    chosen = choose(file, fine)
    assert chosen.pieces[0].rows.tolist() == file.vocabulary.encode(folk_tune(72)).tolist()
    assert chosen.fitted["tune.mid"]


def test_a_manifest_of_nonsense_is_taken_as_none(file: modelfile.ModelFile, corpus: Corpus) -> None:
    for manifest in ({}, {"files": 7}, {"files": [1, {"content": 3}, {"split": "train"}]}, {"settings": {"part": 3}}):
        odd = replace(file, manifest=manifest)
        assert "cannot be known" in choose(odd, corpus).remarks[0]
        assert settings_for(odd).part == "all"


def test_settings_that_do_not_fit_the_weights_are_refused(file: modelfile.ModelFile) -> None:
    for wrong in ({"hidden_size": 10**9}, {"num_layers": 3}, {"hidden_size": -1}, {"hidden_size": "x"}, {"colour": 1}):
        with pytest.raises(ModelFileError):
            restored(replace(file, settings={**file.settings, **wrong}))


def test_an_unknown_split_is_refused(file: modelfile.ModelFile, corpus: Corpus) -> None:
    with pytest.raises(CorpusError, match="test, valid or all"):
        choose(file, corpus, "train")  # type: ignore[arg-type]


def test_the_command_prints_a_table_and_writes_json(file: modelfile.ModelFile, folder: Path, tmp_path: Path) -> None:
    file.save(tmp_path / "songs.safetensors")
    done = melody("evaluate", "songs.safetensors", folder, "--json", "found.json", cwd=tmp_path)
    assert done.stdout.splitlines()[-1] == "found.json"
    for shown in ("LSTM", "n-gram of", "unigram", "right: time"):
        assert shown in done.stdout and shown not in done.stderr
    assert "left out" in done.stderr
    data = json.loads((tmp_path / "found.json").read_text())
    assert data["systems"]["lstm"]["nats_per_note"] == pytest.approx(file.training["result"]["test"], rel=1e-5)


def test_heard_higher_is_the_piece_itself_higher(file: modelfile.ModelFile) -> None:
    """Token by token; what the vocabulary cannot say so high is impossible, in the tokens that are said."""
    model, vocabulary = restored(file), file.vocabulary
    pieces = [folk_tune(0), folk_tune(1, bars=20)]
    rows = [vocabulary.encode(piece) for piece in pieces]
    for semitones in (0, 2):
        higher = [vocabulary.encode(piece.transpose(semitones)) for piece in pieces]
        expected = measure(model, vocabulary, higher).nats
        for nats, fields in zip(token_nats(model, vocabulary, rows, semitones), expected):
            assert np.allclose(nats.sum(axis=0), fields, rtol=1e-5)
    far = token_nats(model, vocabulary, rows, 60)[0]
    assert np.array_equal(np.isinf(far), encoded_tokens(vocabulary, rows[0]))
    assert not far[~np.isinf(far)].any()


def test_a_mixture_is_a_mean_of_probabilities() -> None:
    one, other = [np.log([[2.0, 4.0]])], [np.array([[np.inf, np.log(4.0)]])]
    assert np.allclose(mixed_nats([one, other])[0], np.log([[4.0, 4.0]]))  # (1/2 + 0) / 2 and (1/4 + 1/4) / 2
    assert np.allclose(mixed_nats([one, one, one])[0], one[0])


def test_micro_and_macro_by_hand() -> None:
    """Two pieces of 1 and 4 notes: the micro average counts notes, the macro average counts pieces."""
    nats = np.array([[6.0, 0, 0, 0, 0], [1.0, 3.0, 0, 0, 0]])
    tokens = np.array([[2, 0, 0, 0, 0], [4, 4, 0, 0, 0]])
    measured = Measured(nats, tokens // 2, tokens, np.array([1, 1]))
    chosen = Chosen((), (), (), 0, {}, {}, ())
    rates = Evaluation("m", "0", "test", chosen, np.array([1, 4]), np.array([1, 2]), measured, {}, {}).rates(nats)
    by_hand = {
        "note": (10 / 5, (6 / 1 + 4 / 4) / 2),
        "token": (10 / 10, (6 / 2 + 4 / 8) / 2),
        "bar": (10 / 3, (6 / 1 + 4 / 2) / 2),
    }
    for name, (micro, macro) in by_hand.items():
        assert rates[f"nats_per_{name}"] == pytest.approx(micro)
        assert rates[f"bits_per_{name}"] == pytest.approx(micro / math.log(2))
        assert rates[f"macro_nats_per_{name}"] == pytest.approx(macro)
