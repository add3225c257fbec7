"""What is measured of a network that has learnt: nats, how far back it really looks, how long a note takes it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray

from melody.comparison.copying import repeats
from melody.comparison.learning import Music
from melody.dataset import with_features
from melody.evaluation.evaluate import encoded_tokens, token_nats
from melody.network import Engine
from melody.network.network import MelodyNetwork
from melody.tokens.inputs.schema import feature_sizes
from melody.tokens.vocabulary import FIELDS, Rows

PASTS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)  # events
AT_ONCE = 16_384  # events that go through a network side by side
Floats = NDArray[np.float64]


def nats_of(model: MelodyNetwork, music: Music, pieces: list[Rows]) -> tuple[Floats, dict[str, float]]:
    """Nats of each piece, (pieces,); and nats an event of those that continue a repeat and of those that are new."""
    tokens = token_nats(model, music.vocabulary, pieces)
    return np.array([nats.sum() for nats in tokens]), by_repeat(music, pieces, tokens)


def nats_on_valid(model: MelodyNetwork, music: Music) -> float:
    """Nats a note on the validation pieces, by which learning rates and settings are chosen; infinite if it fell apart."""
    nats = sum(float(each.sum()) for each in token_nats(model, music.vocabulary, music.valid))
    value = nats / max(sum(music.notes(music.valid)), 1)
    return value if np.isfinite(value) else float("inf")


def by_repeat(music: Music, pieces: Sequence[Rows], tokens: Sequence[Floats]) -> dict[str, float]:
    """Nats an event where the piece goes on repeating what it has had, and where it does something else."""
    nats = np.concatenate([each.sum(axis=1) for each in tokens])
    again = np.concatenate([repeats(music.vocabulary, rows) for rows in pieces])
    return {name: float(nats[which].mean()) if which.any() else 0.0 for name, which in (("repeat", again), ("new", ~again))}


def with_past(
    model: MelodyNetwork, music: Music, pieces: list[Rows], pasts: Sequence[int] = PASTS, count: int = 256
) -> Floats:
    """Nats an event when the state begins so many events before it, (pasts,).

    Features of an event, such as what is being repeated, still come from all that the piece has had: what is cut is what the
    network remembers by itself. Of one without features it is the whole past.

    Parameters
    ----------
    model, music
        Of which the pieces are.
    pieces
        Events of each.
    pasts
        How many events before are read.
    count
        Of events that are predicted, spread evenly over those of all pieces; the same ones for every past.
    """
    vocabulary = music.vocabulary
    read = [torch.from_numpy(with_features(vocabulary, np.asarray(rows))) for rows in pieces]
    places = [(i, t) for i, rows in enumerate(pieces) for t in range(len(rows))]
    places = places[:: max(len(places) // count, 1)][:count]
    result = np.zeros(len(pasts))
    with torch.inference_mode():
        for k, past in enumerate(pasts):
            group = max(AT_ONCE // past, 1)
            total = sum(_ends(model, read, places[n : n + group], past) for n in range(0, len(places), group))
            result[k] = total / max(len(places), 1)
    return result


def _ends(model: MelodyNetwork, read: Sequence[torch.Tensor], places: Sequence[tuple[int, int]], past: int) -> float:
    """Total nats of some events, each read from so many before it on."""
    windows = [read[i][max(t + 1 - past, 0) : t + 1] for i, t in places]
    padded = torch.nn.utils.rnn.pad_sequence(windows, batch_first=True)
    targets = torch.stack([read[i][t + 1] for i, t in places])[:, None]
    last = torch.tensor([len(window) - 1 for window in windows])
    hidden = model.eval()(padded)[0][torch.arange(len(places)), last][:, None]
    return float(model.nats(hidden, targets, torch.ones(len(places), 1, dtype=torch.bool)).double().sum())


def microseconds(model: MelodyNetwork, music: Music, events: int = 200) -> float:
    """Work of the NumPy engine a note, one stream: the step and the heads, without what chooses among them."""
    vocabulary = music.vocabulary
    engine = Engine(vocabulary, {name: value.numpy() for name, value in model.state_dict().items()})
    rows = np.asarray(max(music.test, key=len))
    read, width = with_features(vocabulary, rows)[: events + 1], len(FIELDS) + len(feature_sizes(vocabulary))
    best = np.inf
    for _ in range(3):
        state, begun = engine.begin(1), time.process_time()
        for now, then in pairwise(read):
            seen, state = engine.step(now[None, :width], state)
            layers = engine.head_layers(seen)
            for field in engine.predicted:
                engine.logits(field, layers, then[None, : len(FIELDS)], then[None, width:])
        best = min(best, time.process_time() - begun)
    notes = int(vocabulary.is_note(rows[: len(read) - 1]).sum())
    return 1e6 * best / max(notes, 1)


def events_a_note(music: Music, pieces: Sequence[Rows]) -> float:
    """By which nats an event become nats a note."""
    events = sum(int(encoded_tokens(music.vocabulary, np.asarray(rows)).any(axis=1).sum()) for rows in pieces)
    return events / max(sum(music.notes(list(pieces))), 1)
