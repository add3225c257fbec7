"""A trained model that is adapted to other music: its encoding stays, and it never ends worse than it began."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import SmallCorpus
from music import folk_tune

from melody import modelfile
from melody.dataset import BatchSettings
from melody.evaluation.evaluate import nats_per_note, restored
from melody.network.network import MelodyNetwork
from melody.piece import Part, Piece
from melody.tokens import Vocabulary
from melody.training.adapting.encoding import FEW, encoded_like
from melody.training.adapting.transfer import carried
from melody.training.records import Epoch
from melody.training.run import fit
from melody.training.settings import TrainingSettings

SETTINGS = TrainingSettings(epochs=2, samples=0, batch=BatchSettings(batch_size=4))


def corpus_of(pieces: list[Piece]) -> SmallCorpus:
    vocabulary = Vocabulary.build(pieces, transpositions=range(-5, 7))
    rows = [vocabulary.encode(piece) for piece in pieces]
    return SmallCorpus(vocabulary, {"valid": rows[:2], "test": rows[2:4], "train": rows[4:]})


def with_notes_below(piece: Piece, number: int) -> Piece:
    """Double stops: a third below each of the last notes."""
    last = slice(piece.num_notes - number, None)
    columns = {name: getattr(piece, name) for name in ("onset", "duration", "pitch", "velocity", "part")}
    doubled = {name: np.concatenate([values, values[last] - 3 * (name == "pitch")]) for name, values in columns.items()}
    return replace(piece, **doubled)


def staccato(piece: Piece) -> Piece:
    return replace(piece, duration=np.maximum(piece.duration // 2, 1))


def played(corpus: object) -> list[Piece]:
    splits = ("valid", "test", "train")
    return [corpus.vocabulary.decode(rows) for split in splits for rows in corpus.rows(split)]  # type: ignore[attr-defined]


def test_a_double_stop_among_tunes_does_not_change_the_encoding() -> None:
    """Else a model that knows tunes would have to learn all durations anew."""
    tunes = [folk_tune(n) for n in range(20)]
    model = Vocabulary.build(tunes)
    corpus = corpus_of([*tunes[:-1], with_notes_below(tunes[-1], 2)])
    assert not corpus.vocabulary.implied_duration[0]
    like, words = encoded_like(corpus, model)
    assert like.vocabulary.implied_duration == model.implied_duration == (True,) and like.vocabulary.monophonic == (True,)
    assert words.startswith("2 notes below others left out")
    assert played(like) == tunes
    assert encoded_like(like, like.vocabulary) == (like, "")  # a run that is gone on with


def test_music_of_chords_stays_what_it_is() -> None:
    tunes = [folk_tune(n) for n in range(8)]
    corpus = corpus_of([with_notes_below(tune, tune.num_notes // 8) for tune in tunes])
    assert FEW < 1 / 9 and encoded_like(corpus, Vocabulary.build(tunes)) == (corpus, "")


@pytest.mark.parametrize(("ours", "models"), [(staccato, replace), (replace, staccato)])
def test_durations_are_encoded_as_the_model_has_them_and_no_note_is_another(ours: object, models: object) -> None:
    tunes = [folk_tune(n) for n in range(8)]
    corpus = corpus_of([ours(tune) for tune in tunes])  # type: ignore[operator]
    model = Vocabulary.build([models(tune) for tune in tunes])  # type: ignore[operator]
    assert corpus.vocabulary.implied_duration != model.implied_duration
    like, words = encoded_like(corpus, model)
    assert like.vocabulary.implied_duration == model.implied_duration and words == ""
    assert played(like) == played(corpus)


def test_a_player_in_the_place_of_another_is_as_likely(trained: Path) -> None:
    file = modelfile.load(trained)
    other = replace(file.vocabulary, parts=(Part(73, False, "Flute"),))
    old, new = restored(file), MelodyNetwork(other, restored(file).settings)
    carried(old, file.vocabulary, new, other)
    tunes = [folk_tune(n) for n in range(200, 204)]
    before = nats_per_note(old, file.vocabulary, [file.vocabulary.encode(tune) for tune in tunes])
    flute = [replace(tune, parts=other.parts) for tune in tunes]
    assert nats_per_note(new, other, [other.encode(tune) for tune in flute]) == pytest.approx(before, abs=1e-4)


def test_an_adapted_model_is_at_most_as_bad_on_valid_as_it_was(trained: Path, tmp_path: Path) -> None:
    """A rate that wrecks it leaves it as it was; the usual one makes it better."""
    start = modelfile.load(trained)
    corpus = corpus_of([with_notes_below(folk_tune(n + 300, 12), n == 5) for n in range(10)])
    said: list[str] = []
    settings = replace(SETTINGS, learning_rate=0.3)
    wrecked = fit(corpus, tmp_path / "a.safetensors", settings, start=start, on_plan=lambda _, words: said.append(words))
    history = modelfile.load(tmp_path / "a.safetensors").training["history"]
    assert wrecked.best_epoch == 0 and wrecked.valid < min(epoch["valid"] for epoch in history)
    assert f"before training, valid is at {wrecked.valid:.3f}" in said[0] and "1 note below" in said[0]
    assert "the model it starts from is kept" in wrecked.sentence
    like, _ = encoded_like(corpus, start.vocabulary)
    kept = nats_per_note(restored(modelfile.load(wrecked.path)), like.vocabulary, like.rows("valid"))
    assert kept == pytest.approx(wrecked.valid, rel=0.02)  # its relations may be balanced after training
    adapted = fit(corpus, tmp_path / "b.safetensors", SETTINGS, start=start)
    assert adapted.best_epoch > 0 and adapted.valid < wrecked.valid


def test_an_adapted_run_is_gone_on_with_in_the_encoding_that_it_began_in(trained: Path, tmp_path: Path) -> None:
    start, out = modelfile.load(trained), tmp_path / "a.safetensors"
    corpus = corpus_of([with_notes_below(folk_tune(n), n == 5) for n in range(10)])

    def stop(epoch: Epoch) -> None:
        if epoch.number == 2:
            raise InterruptedError

    settings = replace(SETTINGS, epochs=3)
    with pytest.raises(InterruptedError):
        fit(corpus, out, settings, start=start, on_epoch=stop)
    gone_on = fit(corpus, out, settings, start=start, resume=True)
    whole = fit(corpus, tmp_path / "b.safetensors", settings, start=start)
    assert (gone_on.epochs, gone_on.best_epoch, gone_on.valid) == (3, whole.best_epoch, whole.valid)
