"""The decoder without constraints is the model's own distribution, by enumeration; its score is the network's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
from music import folk_tune, random_piece
from untrained import SMALL, untrained

from melody.dataset import with_features
from melody.network.network import MelodyNetwork
from melody.piece import Key, Piece
from melody.sampling import Model, SamplingSettings
from melody.sampling.constraints.constraint import Masks
from melody.sampling.decoder import Decoder, Frontier
from melody.sampling.strategies.ancestral import Job, Streams
from melody.score.notes_text import read_notes
from melody.tokens import Vocabulary
from melody.tokens.grammar import Grammar
from melody.tokens.vocabulary import END, FIELDS, TIME

TUNES = [folk_tune(seed) for seed in range(6)]
TWO_PARTS = random_piece(2, changes=False)
MELODY = read_notes("G4/4 A B C5 | D/4 B4 G/2", key=Key(0, 1, "major"))


@pytest.fixture(scope="module")
def model() -> Model:
    return untrained(Vocabulary.build(TUNES), seed=2)


@pytest.fixture(scope="module")
def several() -> Model:
    return untrained(Vocabulary.build([in_one_loudness(TWO_PARTS)]), seed=1)


def in_one_loudness(piece: Piece) -> Piece:
    return replace(piece, velocity=np.full(piece.num_notes, 90)).slice(0, 60)


def every_event(decoder: Decoder, frontier: Frontier) -> Iterator[tuple[np.ndarray, float]]:
    """All events that the grammar lets come next in one stream, with their log probability among these."""
    beginnings = [(np.zeros((1, len(FIELDS)), np.int64), 0.0)]
    trunks = decoder.read(frontier)
    for depth in range(len(FIELDS)):
        grown = []
        for event, logarithm in beginnings:
            step = decoder.step(frontier, trunks)
            step.events[:] = event
            found = [(field, mask) for field, mask in step.fields() if field == depth]
            if not found or (depth > TIME and not decoder.vocabulary.field_mask(event)[0, depth]):
                grown.append((event, logarithm))
                continue
            field, mask = found[0]
            assert mask is not None
            logits = np.where(mask[0], step.logits(field, mask)[0].astype(np.float64), -np.inf)
            shares = logits - np.logaddexp.reduce(logits)
            for token in np.flatnonzero(mask[0]).tolist():
                following = event.copy()
                following[0, field] = token
                grown.append((following, logarithm + shares[token]))
        beginnings = grown
    return ((event[0], logarithm) for event, logarithm in beginnings)


@pytest.mark.parametrize("which", ["model", "several"])
def test_the_probabilities_of_all_events_that_may_come_add_up_to_one(which: str, request: pytest.FixtureRequest) -> None:
    small: Model = request.getfixturevalue(which)
    piece = TUNES[0] if which == "model" else in_one_loudness(TWO_PARTS)
    rows = small.vocabulary.encode(piece)[:-1]
    for length in (0, 2):
        frontier = small.decoder.prime(Masks(Grammar(small.vocabulary, 1)), rows[:length])
        assert sum(np.exp(share) for _, share in every_event(small.decoder, frontier)) == pytest.approx(1, abs=1e-9)


def test_events_are_drawn_as_often_as_the_model_says(model: Model) -> None:
    """Exactly enumerated: 4,000 streams at temperature 1 draw each event as often as its probability says."""
    decoder, masks = model.decoder.without_prior(), Masks(Grammar(model.vocabulary, 1))
    rows = model.vocabulary.encode(TUNES[0])[:6]
    expected = {tuple(e.tolist()): np.exp(s) for e, s in every_event(decoder, decoder.prime(masks, rows))}
    start = decoder.prime(Masks(Grammar(model.vocabulary, 1)), rows)
    streams = Streams(decoder, start, SamplingSettings(temperature=1), 1)
    streams.begin([Job(number, 0) for number in range(4000)])
    counts: dict[tuple[int, ...], int] = {}
    for _, drawn in streams.step():
        assert drawn is not None
        event = tuple(drawn.rows[0].tolist())
        counts[event] = counts.get(event, 0) + 1
    assert set(counts) <= set(expected)
    distance = sum(abs(counts.get(event, 0) / 4000 - share) for event, share in expected.items()) / 2
    noise = sum(np.sqrt(share * (1 - share) / 4000) for share in expected.values()) / 2
    assert distance < 1.5 * noise


def test_the_score_is_that_of_the_network(model: Model) -> None:
    vocabulary, rows = model.vocabulary, model.vocabulary.encode(TUNES[1])
    network = MelodyNetwork(vocabulary, SMALL).eval()
    network.load_state_dict({name: torch.from_numpy(array.copy()) for name, array in model.file.weights.items()})
    events = torch.from_numpy(with_features(vocabulary, rows))[None]
    with torch.no_grad():
        hidden, _ = network(events[:, :-1])
        expected = network.nats(hidden, events[:, 1:], torch.ones(1, len(rows), dtype=torch.bool))[0].sum(dim=1)
    np.testing.assert_allclose(model.decoder.score([rows])[0], expected.numpy(), rtol=1e-4, atol=1e-4)


def test_the_nats_that_a_search_tells_are_those_of_the_notes(model: Model) -> None:
    """With nothing forbidden but by the grammar, they are at most those of the score, which knows no grammar."""
    tune = model.tunes(1, best_of=3, settings=SamplingSettings(seed=4, temperature=1), max_notes=40)[0]
    rows = model.vocabulary.encode(replace(tune.piece, texts=()))
    per_event = model.decoder.score([rows])[0]
    notes = model.vocabulary.is_note(rows) | model.vocabulary.is_rest(rows) | (rows[:, TIME] == END)
    assert 0 < tune.nats * tune.piece.num_notes <= per_event[notes].sum() + 60
