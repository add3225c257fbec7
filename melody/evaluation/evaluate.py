"""How well a model predicts pieces: nats, bits and hits, beside the n-gram and the unigram on the same tokens.

Conventions
-----------
Nats are natural logarithms, bits are nats / ln 2. Everything that a piece says counts, its END too, and nothing is given for
free. *Micro* is the total over all pieces divided by their notes (tokens, bars); *macro* is the mean of the pieces' own
numbers, so that a short piece counts as much as a long one. A token is *right* if it is the likeliest, given all events
before it and the fields before it in its own event. The *opening* of a piece is its first eight bars. Arrays are (pieces,)
or (pieces, fields), see `melody.tokens`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from melody.corpus import Corpus
from melody.dataset import Batches, BatchSettings, Transposer, padded, with_features
from melody.errors import ModelFileError
from melody.evaluation.heldout import Chosen, Which, choose
from melody.evaluation.ngram import NGram, best_ngram, flat_tokens
from melody.evaluation.openings import openings
from melody.evaluation.recalled import Remembered, remembered
from melody.modelfile import ModelFile
from melody.network.cells import CELLS, CellName
from melody.network.memory import Memory
from melody.network.network import MelodyNetwork, first_streams
from melody.network.settings import ModelSettings
from melody.tokens.vocabulary import FIELDS, VALUE, Rows, Vocabulary

ORDERS = (4, 6, 8, 10, 12)  # of the n-gram, in tokens; the best on valid is taken
_WITH_MEMORY = "with a memory"
_BATCH, _WINDOW = 64, 256  # pieces side by side, events at once
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def restored(file: ModelFile) -> MelodyNetwork:
    """The model in a model file, ready to be measured (in `eval` mode) or trained on.

    Raises
    ------
    ModelFileError
        If its settings and its weights do not belong together.
    """
    try:
        settings = ModelSettings(**file.settings)
        with torch.device("meta"):  # shapes alone: the settings may ask for more memory than there is
            wanted = {
                name: tuple(value.shape) for name, value in MelodyNetwork(file.vocabulary, settings).state_dict().items()
            }
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise ModelFileError(f"{file.name}: its settings make no model ({error}); train it again") from error
    if wanted != {name: array.shape for name, array in file.weights.items()}:
        raise ModelFileError(f"{file.name}: its weights are not of the shape that its settings say; train it again")
    model = MelodyNetwork(file.vocabulary, settings)
    model.load_state_dict({name: torch.from_numpy(np.ascontiguousarray(w)) for name, w in file.weights.items()})
    if file.initial:
        shape = (settings.num_layers, 1, settings.hidden_size)
        model.initial = {name: torch.from_numpy(array.copy()).view(shape) for name, array in file.initial.items()}
    return model.eval()


class Measured(NamedTuple):
    """What a model makes of pieces: nats, right and encoded tokens by field, (pieces, fields); right pitches, (pieces,)."""

    nats: Floats
    right: Ints
    tokens: Ints
    right_pitches: Ints


def measure(
    model: MelodyNetwork,
    vocabulary: Vocabulary,
    pieces: Sequence[Rows],
    on_progress: Callable[[float], None] | None = None,
) -> Measured:
    """Let a model predict pieces, the state carried from the beginning of each to its end.

    Parameters
    ----------
    model
        Is put into `eval` mode.
    vocabulary
        Of model and pieces.
    pieces
        Events of each piece, END included.
    on_progress
        Called with the share done.
    """
    model.eval()
    shape = (len(pieces), len(FIELDS))
    result = Measured(np.zeros(shape), np.zeros(shape, int), np.zeros(shape, int), np.zeros(len(pieces), int))
    order = np.argsort([-len(rows) for rows in pieces], kind="stable")  # as `Batches` wants it: the longest first
    with torch.inference_mode():
        for start in range(0, len(order), _BATCH):
            chosen = order[start : start + _BATCH]
            group = _measure_group(model, vocabulary, [np.asarray(pieces[i]) for i in chosen])
            for whole, part in zip(result, group):
                whole[chosen] = part
            if on_progress:
                on_progress(min(start + _BATCH, len(order)) / len(order))
    return result


def _measure_group(model: MelodyNetwork, vocabulary: Vocabulary, group: Sequence[Rows]) -> Measured:
    """Pieces side by side, the longest first."""
    device = next(model.parameters()).device
    encoded = np.zeros((len(group), len(group[0]), len(FIELDS)), bool)  # (pieces, events, fields)
    for i, rows in enumerate(group):
        encoded[i, : len(rows)] = encoded_tokens(vocabulary, rows)
    nats, right = np.zeros(encoded.shape[::2]), np.zeros(encoded.shape[::2], int)
    right_pitches = np.zeros(len(group), int)
    batches = Batches(vocabulary, group, BatchSettings(len(group), _WINDOW), training=False)
    state, at = None, 0
    for window in batches.epoch(0):
        going, length = window.mask.shape
        inputs, targets, mask = (torch.from_numpy(array).to(device) for array in window[:3])
        before = None if state is None else first_streams(state, going)
        hidden, state = model(inputs, before)
        nats[:going] += model.nats(hidden, targets, mask).sum(dim=1).double().cpu().numpy()
        here = encoded[:going, at : at + length]
        for field, logits in model.logits(hidden, targets).items():
            hit = (logits.argmax(dim=-1) == targets[..., field]).cpu().numpy() & here[..., field]
            right[:going, field] += hit.sum(axis=1)
            if field == VALUE:
                right_pitches[:going] += (hit & vocabulary.is_note(window.targets)).sum(axis=1)
        at += length
    return Measured(nats, right, encoded.sum(axis=1), right_pitches)


def encoded_tokens(vocabulary: Vocabulary, rows: Rows) -> NDArray[np.bool_]:
    """Which fields of each event are tokens that a model has to predict, (events, fields)."""
    return vocabulary.field_mask(rows) & (np.array(vocabulary.sizes) > 1)


def token_nats(model: MelodyNetwork, vocabulary: Vocabulary, pieces: Sequence[Rows], semitones: int = 0) -> list[Floats]:
    """Nats of each token of each piece, (events, fields) each, when the model reads the pieces so many semitones higher.

    Infinite for the tokens of a piece that the vocabulary cannot encode there.
    """
    transposer = Transposer(vocabulary, min(semitones, 0), max(semitones, 0))
    result = [np.where(encoded_tokens(vocabulary, np.asarray(rows)), np.inf, 0.0) for rows in pieces]
    possible = [i for i, rows in enumerate(pieces) if semitones in transposer.possible(np.asarray(rows))]
    for start in range(0, len(possible), _BATCH):
        numbers = possible[start : start + _BATCH]
        batch = [transposer(with_features(vocabulary, np.asarray(pieces[i])), semitones) for i in numbers]
        events, mask = map(torch.from_numpy, padded(batch))
        with torch.inference_mode():
            nats = model.eval().nats(model(events[:, :-1])[0], events[:, 1:], mask).double().numpy()
        for i, own in zip(numbers, nats):
            result[i] = own[: len(pieces[i])]
    return result


def mixed_nats(systems: Sequence[Sequence[Floats]]) -> list[Floats]:
    """Nats of each token under the mean of the probabilities that several systems give it, given the same past.

    That is a probability distribution again: what one of them cannot encode counts as impossible for it.
    """
    return [np.log(len(systems)) - np.logaddexp.reduce([-nats for nats in piece], axis=0) for piece in zip(*systems)]


def nats_per_note(model: MelodyNetwork, vocabulary: Vocabulary, pieces: Sequence[Rows]) -> float:
    """Nats per note of a model on pieces, micro."""
    notes = sum(int(vocabulary.is_note(np.asarray(rows)).sum()) for rows in pieces)
    return float(measure(model, vocabulary, pieces).nats.sum()) / max(notes, 1)


def ngram_nats(model: NGram, vocabulary: Vocabulary, pieces: Sequence[Rows]) -> Floats:
    """What an n-gram makes of pieces, nats by field, (pieces, fields)."""
    fields = [flat_tokens(vocabulary, np.asarray(rows))[1] for rows in pieces]
    piece = np.repeat(np.arange(len(pieces)), [len(f) for f in fields])
    nats = np.zeros((len(pieces), len(FIELDS)))
    if len(piece):
        np.add.at(nats, (piece, np.concatenate(fields)), model.token_nats(pieces))
    return nats


@dataclass(frozen=True)
class Evaluation:
    """How well a model predicts pieces.

    Parameters
    ----------
    model, fingerprint
        Name of the model, and what names its file exactly.
    which
        The split that was asked for.
    chosen
        The pieces.
    notes, bars
        Of each piece, (pieces,).
    measured
        What the model makes of them.
    baselines
        Name -> nats by field, (pieces, fields), of models counted on the model's own training pieces; none without these.
    openings
        Name -> nats a note of the openings of the pieces, of the model and of the baselines.
    cell
        Of the model.
    remembered
        What a memory of past states makes of them; None without one.
    """

    model: str
    fingerprint: str
    which: Which
    chosen: Chosen
    notes: Ints
    bars: Ints
    measured: Measured
    baselines: Mapping[str, Floats]
    openings: Mapping[str, float]
    cell: CellName = "lstm"
    remembered: Remembered | None = None

    @property
    def systems(self) -> dict[str, Floats]:
        """Name -> nats by field, (pieces, fields): the model, the same with a memory, then the baselines."""
        memory = {_WITH_MEMORY: self.remembered.nats} if self.remembered else {}
        return {CELLS[self.cell].title: self.measured.nats, **memory, **self.baselines}

    def rates(self, nats: Floats) -> dict[str, float]:
        """Nats (pieces, fields) -> nats and bits a note, token and bar, micro; and the macro of each."""
        total, piece = float(nats.sum()), nats.sum(axis=1)
        rates: dict[str, float] = {"nats": total}
        for name, count in (("note", self.notes), ("token", self.measured.tokens.sum(axis=1)), ("bar", self.bars)):
            micro = total / max(int(count.sum()), 1)
            rates[f"nats_per_{name}"] = micro
            rates[f"bits_per_{name}"] = micro / math.log(2)
            rates[f"macro_nats_per_{name}"] = float(np.mean(piece / np.maximum(count, 1)))
        return rates

    @property
    def fields(self) -> dict[str, dict[str, float]]:
        """Of each field that is ever encoded: its tokens, how many of them are right, its nats, and these a note."""
        encoded = self.measured.tokens.sum(axis=0)
        return {
            name: {
                "tokens": int(encoded[k]),
                "accuracy": float(self.measured.right[:, k].sum() / encoded[k]),
                "nats": float(self.measured.nats[:, k].sum()),
                "nats_per_note": float(self.measured.nats[:, k].sum() / max(int(self.notes.sum()), 1)),
            }
            for k, name in enumerate(FIELDS)
            if encoded[k]
        }

    @property
    def accuracy(self) -> dict[str, float]:
        """Share of the times, pitches and durations that are right; only of what is ever encoded."""
        fields = {name: values["accuracy"] for name, values in self.fields.items() if name in ("time", "duration")}
        if "value" not in self.fields:
            return fields
        pitch = float(self.measured.right_pitches.sum() / max(int(self.notes.sum()), 1))
        return {"time": fields["time"], "pitch": pitch, **fields}

    def to_dict(self) -> dict[str, Any]:
        """All numbers, plain JSON; `by_piece` has those of each piece."""
        names: dict[str, str] = {CELLS[self.cell].title: self.cell, _WITH_MEMORY: "memory"} | {
            name: name.split(" ")[0].replace("-", "") for name in self.baselines
        }
        tokens = self.measured.tokens.sum(axis=1)
        totals = {names[name]: nats.sum(axis=1) for name, nats in self.systems.items()}
        by_piece = [
            {"path": piece.path, "side": piece.split, "notes": int(n), "tokens": int(t), "bars": int(b)}
            | {"nats": {name: float(nats[i]) for name, nats in totals.items()}}
            | {"fitted": list(self.chosen.fitted.get(piece.path, ()))}
            for i, (piece, n, t, b) in enumerate(zip(self.chosen.pieces, self.notes, tokens, self.bars))
        ]
        return {
            "model": {"name": self.model, "fingerprint": self.fingerprint},
            "split": self.which,
            "counts": {
                "pieces": len(self.notes),
                "notes": int(self.notes.sum()),
                "tokens": int(tokens.sum()),
                "bars": int(self.bars.sum()),
                "seen_in_training": self.chosen.trained,
            },
            "systems": {
                names[name]: {"name": name, **self.rates(nats), "opening_nats_per_note": self.openings.get(name)}
                for name, nats in self.systems.items()
            },
            "fields": self.fields,
            "accuracy": self.accuracy,
            "memory": self.remembered.to_dict() if self.remembered else None,
            "remarks": list(self.chosen.remarks),
            "left_out": dict(self.chosen.left_out),
            "by_piece": by_piece,
        }


def evaluate(
    file: ModelFile,
    corpus: Corpus,
    which: Which = "test",
    memory: int | Memory = 0,
    *,
    on_progress: Callable[[float], None] | None = None,
) -> Evaluation:
    """Measure a model on the pieces of a folder, beside the n-gram and the unigram where its training pieces are at hand.

    Parameters
    ----------
    file
        The model.
    corpus
        The folder, prepared as `settings_for` says; with another grid or vocabulary the pieces are
        fitted, and the remarks say so.
    which
        See `melody.evaluation.heldout.choose`.
    memory
        Measure it with a memory of past states as well; 0 for none. Where only the size is given, share and flatness are
        chosen on the model's validation pieces, if they are at hand.
    on_progress
        Called with the share done.

    Raises
    ------
    CorpusError
        If there is nothing to measure.
    ModelFileError
        If the file holds no model that works.
    """
    vocabulary = file.vocabulary
    model = restored(file)
    chosen = choose(file, corpus, which)
    pieces = [piece.rows for piece in chosen.pieces]
    begun = openings(vocabulary, pieces)
    notes_begun = max(sum(int(vocabulary.is_note(rows).sum()) for rows in begun), 1)
    opened = {CELLS[model.settings.cell].title: nats_per_note(model, vocabulary, begun)}
    baselines: dict[str, Floats] = {}
    if chosen.train:
        ngram = best_ngram(vocabulary, chosen.train, chosen.valid or chosen.train, ORDERS)
        counted = {f"n-gram of {ngram.order} tokens": ngram, "unigram": NGram(vocabulary, chosen.train, 1)}
        for name, counts in counted.items():
            baselines[name] = ngram_nats(counts, vocabulary, pieces)
            opened[name] = float(ngram_nats(counts, vocabulary, begun).sum()) / notes_begun
    found = remembered(model, vocabulary, pieces, begun, chosen.valid, memory) if memory else None
    if found:
        opened[_WITH_MEMORY] = found.opening
    return Evaluation(
        model=file.name,
        fingerprint=file.fingerprint,
        which=which,
        chosen=chosen,
        notes=np.array([int(vocabulary.is_note(rows).sum()) for rows in pieces]),
        bars=np.array([vocabulary.decode(rows).num_bars for rows in pieces]),
        measured=measure(model, vocabulary, pieces, on_progress),
        baselines=baselines,
        cell=model.settings.cell,
        openings=opened,
        remembered=found,
    )
