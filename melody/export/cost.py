"""What it costs to export a model: nats per note before and after, by any engine, without torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from melody.export.step import Form, engine
from melody.modelfile import ModelFile
from melody.network import AnyEngine, Engine
from melody.tokens.inputs.features import context
from melody.tokens.inputs.schema import feature_sizes
from melody.tokens.vocabulary import FIELDS, Rows, Vocabulary


class Cost(NamedTuple):
    """Nats per note of the same pieces: by the model as it is, and by what was exported."""

    before: float
    after: float


def measure(file: ModelFile, form: Form, pieces: Sequence[Rows]) -> Cost:
    """What it costs to export a model, on pieces in its vocabulary."""
    engines = (Engine(file.vocabulary, file.weights), engine(file, form))
    return Cost(*(nats_per_note(file.vocabulary, one, pieces) for one in engines))


def nats_per_note(vocabulary: Vocabulary, engine: AnyEngine, pieces: Sequence[Rows]) -> float:
    """Nats per note of pieces under a model as one engine runs it, micro, every encoded field counted.

    Parameters
    ----------
    vocabulary
        Of model and pieces.
    engine
        Any.
    pieces
        Events of each piece, END included.
    """
    total, notes = 0.0, 0
    for first in range(0, len(pieces), 64):
        bucket = sorted(pieces[first : first + 64], key=len, reverse=True)
        total += _nats(vocabulary, engine, bucket)
        notes += sum(int(vocabulary.is_note(rows).sum()) for rows in bucket)
    return total / max(notes, 1)


def _nats(vocabulary: Vocabulary, engine: AnyEngine, bucket: Sequence[Rows]) -> float:
    """Total nats of pieces run side by side, the longest first, so that those still going are the first ones."""
    lengths = np.array([len(rows) for rows in bucket])
    width = len(FIELDS) + len(feature_sizes(vocabulary))
    events = [np.concatenate([rows, context(vocabulary, rows)], axis=1) for rows in bucket]
    encoded = [vocabulary.field_mask(rows) for rows in bucket]
    state, inputs, total = engine.begin(len(bucket)), np.zeros((len(bucket), width), np.int64), 0.0
    for t in range(lengths[0]):
        going = int((lengths > t).sum())
        if going < len(inputs):
            state, inputs = state.take(np.arange(going)), inputs[:going]
        hidden, state = engine.step(inputs, state)
        trunks = engine.head_layers(hidden)
        now, counted = (np.stack([array[t] for array in arrays[:going]]) for arrays in (events, encoded))
        for field in engine.predicted:
            logits = engine.logits(field, trunks, now[:, : len(FIELDS)], now[:, width:]).astype(np.float64)
            nats = np.logaddexp.reduce(logits, axis=1) - logits[np.arange(going), now[:, field]]
            total += float(nats[counted[:, field]].sum())
        inputs = now[:, :width]
    return total
