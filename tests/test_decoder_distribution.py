"""The decoder without constraints is the model's own distribution, by enumeration; what is said of a sample is so."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from music import folk_tune, random_piece
from untrained import untrained

from melody.limits import Limits
from melody.piece import Piece
from melody.sampling import Model, SamplingSettings
from melody.sampling.constraints.constraint import Masks
from melody.sampling.constraints.user import user_limits
from melody.sampling.decoder import Decoder, Frontier
from melody.sampling.strategies.ancestral import Streams
from melody.sampling.strategies.drawing import Job
from melody.tokens import Vocabulary
from melody.tokens.grammar import Grammar
from melody.tokens.vocabulary import FIELDS, TIME, changes_nothing

TUNES = [folk_tune(seed) for seed in range(6)]
TWO_PARTS = random_piece(2, changes=False)


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
    counts: dict[tuple[int, ...], int] = {}
    for first in range(0, 4000, 100):  # each that begins joins the others, which takes longer the more there are
        streams = Streams(decoder, lambda _: start.take(np.zeros(1, np.int64)), SamplingSettings(temperature=1), 1)
        streams.begin([Job(number, 0) for number in range(first, first + 100)])
        for _, drawn in streams.step():
            assert drawn is not None
            event = tuple(drawn.rows[0].tolist())
            counts[event] = counts.get(event, 0) + 1
    assert sum(counts.values()) == 4000
    assert set(counts) <= set(expected)
    distance = sum(abs(counts.get(event, 0) / 4000 - share) for event, share in expected.items()) / 2
    noise = sum(np.sqrt(share * (1 - share) / 4000) for share in expected.values()) / 2
    assert distance < 1.5 * noise


@pytest.mark.parametrize("bars", [None, 4])
def test_the_nats_and_the_share_removed_are_those_of_the_chain_with_the_tokens_given(model: Model, bars: int | None) -> None:
    """Drawn with the likelihood wanted; then the same events taken one by one, each field's share among what is legal."""
    limits = Limits.parse(range="E4:C6", bars=bars)
    masks = Masks(Grammar(model.vocabulary, 1, bars=bars, count_pickup=False), user_limits(model.vocabulary, limits))
    decoder, nothing = model.decoder, np.zeros((0, len(FIELDS)), np.int64)
    start = decoder.prime(masks.take(np.zeros(1, np.int64)), nothing)
    streams = Streams(decoder, lambda _: start.take(np.zeros(1, np.int64)), SamplingSettings(seed=2), 1_000, weigh=True)
    streams.begin([Job(0, 0)])
    while not (found := streams.step()):
        pass
    sample, frontier = found[0][1], decoder.prime(masks.take(np.zeros(1, np.int64)), nothing)
    assert sample is not None
    nats, removed = 0.0, []
    for row in sample.rows:
        step = decoder.step(frontier, decoder.read(frontier))
        for field, mask in step.fields():
            assert mask is not None
            wide, logits = frontier.masks.unconstrained, step.logits(field, mask)[0].astype(np.float64)
            step.events[:, field] = row[field]
            if model.vocabulary.field_mask(row[None])[0, field]:
                share = np.exp(logits - logits.max()) * (wide | mask)[0]
                share /= share.sum()
                nats -= np.log(share[row[field]]) if changes_nothing(row[None])[0] else 0.0
                removed.append(1 - share[mask[0]].sum())
        decoder.push(frontier, step.finished())
    assert sample.nats == pytest.approx(nats, rel=1e-9)
    assert sample.removed == pytest.approx(np.mean(removed), abs=1e-9) and sample.removed > 0
