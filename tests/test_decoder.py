"""The decoder: streams stand for themselves wherever they stand, and the chain of fields is the model's own distribution."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from music import folk_tune, random_piece

from melody.dataset import with_features
from melody.network import Engine
from melody.network.network import MelodyNetwork
from melody.network.settings import ModelSettings
from melody.sampling.constraints.constraint import Masks
from melody.sampling.constraints.cutoff import going_on
from melody.sampling.decoder import Decoder, Frontier, Step
from melody.tokens import Vocabulary
from melody.tokens.grammar import Grammar
from melody.tokens.inputs.context import Contexts
from melody.tokens.usage import FIRST_PART
from melody.tokens.vocabulary import END, KIND, TIME, VALUE, Rows, changes_nothing

PIECES = [random_piece(5), random_piece(8), folk_tune(3, bars=4), folk_tune(4, bars=4)]
VOCABULARY = Vocabulary.build(PIECES)
ROWS = [VOCABULARY.encode(piece) for piece in PIECES]
STARTS = [ROWS[0][:9], ROWS[1][:4], ROWS[2][:0]]  # where three streams stand


class Marking:
    """A prior that makes the last value unlikely, and keeps what it is asked."""

    def __init__(self, *turned: str) -> None:
        self.turned, self.asked = turned, list[tuple[Any, Any]]()

    def prefer(self, logits: np.ndarray, events: Rows, beginning: np.ndarray, is_first: np.ndarray) -> None:
        self.asked.append((events.copy(), beginning.copy()))
        logits[:, -1] -= 9

    def at_any_pitch(self) -> Marking:
        return Marking(*self.turned, "any pitch")

    def in_any_key(self) -> Marking:
        return Marking(*self.turned, "any key")


@pytest.fixture(scope="module")
def network() -> MelodyNetwork:
    torch.manual_seed(2)
    sizes = {"hidden_size": 16, "num_layers": 2, "embedding_size": 12, "head_size": 12, "dropout": 0.0}
    return MelodyNetwork(VOCABULARY, ModelSettings(**sizes)).eval()


@pytest.fixture
def decoder(network: MelodyNetwork) -> Decoder:
    weights = {name: value.numpy() for name, value in network.state_dict().items()}
    return Decoder(VOCABULARY, Engine(VOCABULARY, weights), Marking())  # type: ignore[arg-type]


def frontier_of(decoder: Decoder, rows: Rows, **grammar: Any) -> Frontier:
    return decoder.prime(Masks(Grammar(VOCABULARY, 1, **grammar)), rows)


def next_step(decoder: Decoder, frontier: Frontier) -> tuple[Step, list[tuple[int, np.ndarray, np.ndarray]]]:
    """The likeliest next events, with the masks and logits of each field."""
    step, found = decoder.step(frontier, decoder.read(frontier)), []
    for field, mask in step.fields():
        assert mask is not None
        logits = step.logits(field, mask)
        found.append((field, mask, logits))
        step.events[:, field] = np.where(mask, logits, -np.inf).argmax(axis=1)
    return step, found


def assert_stand_alike(decoder: Decoder, together: Frontier, alone: list[Frontier], steps: int = 3) -> None:
    """Side by side streams go on as each does alone; those alone are left as they are."""
    assert len(together) == len(alone)
    alone = [each.take(np.array([0])) for each in alone]
    for _ in range(steps):
        step, found = next_step(decoder, together)
        events = step.finished()
        for stream, each in enumerate(alone):
            own_step, own = next_step(decoder, each)
            for (field, mask, logits), (own_field, own_mask, own_logits) in zip(found, own, strict=True):
                assert field == own_field and np.array_equal(mask[stream], own_mask[0])
                assert np.allclose(logits[stream], own_logits[0], atol=1e-5)
            assert np.array_equal(events[stream], own_step.finished()[0])
            decoder.push(each, own_step.events)
        decoder.push(together, events)


def test_streams_are_joined_taken_and_put_as_they_stand(decoder: Decoder) -> None:
    a, b, c = (frontier_of(decoder, rows) for rows in STARTS)
    joined = a.join(b).join(c)
    kept = joined.take(np.array([2, 0, 0]))
    assert_stand_alike(decoder, joined, [a, b, c])
    joined.put(np.array([2, 0]), b.join(b))
    assert_stand_alike(decoder, joined.take(np.array([0, 2])), [b, b])
    assert_stand_alike(decoder, kept, [c, a, a])
    assert_stand_alike(decoder, decoder.begin(Masks(Grammar(VOCABULARY, 2))), [c, c])


def test_a_stream_that_is_not_active_stays_where_it_is(decoder: Decoder) -> None:
    a, b = (frontier_of(decoder, rows) for rows in STARTS[:2])
    joined = a.join(b)
    before = joined.take(np.array([0, 1]))
    step, _ = next_step(decoder, joined)
    decoder.push(joined, step.finished(), np.array([True, False]))
    assert joined.masks.times()[1].tolist() == before.masks.times()[1].tolist()
    assert joined.contexts.tick[1] == before.contexts.tick[1]


@pytest.mark.parametrize("observed", [False, True])
def test_constraints_know_which_events_are_observed(
    decoder: Decoder, observed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    frontier, known = frontier_of(decoder, STARTS[0]), []
    monkeypatch.setattr(frontier.masks, "push", lambda events, active, observed: known.append((active, observed)))
    decoder.push(frontier, ROWS[0][9:10], np.array([True]), observed=observed)
    decoder.push(frontier, ROWS[0][10:11])
    assert known == [(np.array([True]), observed), (None, False)]


def test_the_prior_is_asked_for_values_alone_with_which_streams_are_at_their_beginning(decoder: Decoder) -> None:
    asked = decoder.prior.asked  # type: ignore[attr-defined]
    joined = frontier_of(decoder, STARTS[0]).join(frontier_of(decoder, STARTS[2]))
    step, found = next_step(decoder, joined)
    ((events, beginning),) = asked
    assert beginning.tolist() == [False, True]
    assert np.array_equal(events[:, :VALUE], step.events[:, :VALUE]) and not events[:, VALUE:].any()
    (logits,) = (logits for field, _, logits in found if field == VALUE)
    plain = decoder.engine.logits(VALUE, step.head_layers, events, step.conditions.array)
    plain[:, -1] -= 9
    assert np.array_equal(logits, plain)


def test_other_priors_leave_the_decoder_as_it_is(decoder: Decoder) -> None:
    turned = [made.prior.turned for made in (  # type: ignore[attr-defined]
        decoder.at_any_pitch(), decoder.without_key_prior(), decoder.without_prior(), decoder)]  # fmt: skip
    assert turned == [("any pitch",), ("any key",), ("any key", "any pitch"), ()]
    assert decoder.without_prior().engine is decoder.engine


def test_logits_of_some_streams_and_of_other_trunks(decoder: Decoder) -> None:
    a, b, c = (frontier_of(decoder, rows) for rows in STARTS)
    joined = a.join(b).join(c)
    head_layers = decoder.read(joined)
    step = decoder.step(joined, head_layers)
    for field, mask in step.fields():
        logits, some = step.logits(field, mask), np.array([2, 0])
        assert np.allclose(step.logits(field, mask, some), logits[some], atol=1e-6)
        assert np.allclose(step.logits(field, mask, some, head_layers[some]), logits[some], atol=1e-6)
        moved = step.logits(field, mask, some, head_layers[some] + 1)
        assert not np.allclose(moved, logits[some], atol=1e-3)
        step.events[:, field] = np.where(mask, logits, -np.inf).argmax(axis=1)


def test_a_step_goes_on_with_some_of_its_streams(decoder: Decoder) -> None:
    a, b, c = (frontier_of(decoder, rows, bars=2) for rows in STARTS)
    step, found = next_step(decoder, a.join(b).join(c))
    shorter, kept = decoder.step(a.join(b).join(c), decoder.read(a.join(b).join(c))), np.array([2, 0])
    for number, (field, mask) in enumerate(shorter.fields()):
        if field == KIND:
            shorter.take(kept)
            mask = None if mask is None else mask[kept]
            assert len(shorter.events) == len(shorter.head_layers) == len(shorter.has_next) == 2
        of = slice(None) if field < KIND else kept
        assert np.array_equal(mask, found[number][1][of])
        assert np.allclose(shorter.logits(field, mask), found[number][2][of], atol=1e-5)
        shorter.events[:, field] = step.events[of, field]
    assert np.array_equal(shorter.finished(), step.finished()[kept])


def test_before_the_end_the_time_counts_what_lies_past_it(decoder: Decoder) -> None:
    """In the last bar the probability of times past it goes to later ones, not to the same tick (`going_on`)."""
    changed = 0
    for rows in (ROWS[0], ROWS[2]):
        for until in range(1, len(rows) - 1, 3):
            frontier = frontier_of(decoder, rows[:until], bars=PIECES[0].num_bars if rows is ROWS[0] else PIECES[2].num_bars)
            step = decoder.step(frontier, decoder.read(frontier))
            field, mask = next(iter(step.fields()))
            assert field == TIME and step.has_next.tolist() == [True]
            plain = decoder.engine.logits(TIME, step.head_layers, step.events, step.conditions.array)
            expected = going_on(plain, mask, frontier.masks.past_end())
            assert np.array_equal(step.logits(TIME, mask), expected)
            changed += not np.array_equal(plain, expected)
            step.take(np.array([0, 0]))
            assert np.allclose(step.logits(TIME, np.repeat(mask, 2, axis=0)), np.repeat(expected, 2, axis=0), atol=1e-5)
    assert changed


def test_events_cost_what_the_network_says(decoder: Decoder, network: MelodyNetwork) -> None:
    """By torch, over whole sequences, two at once; without masks and without the prior."""
    length = min(len(ROWS[2]), len(ROWS[0]))
    rows = [ROWS[0][:length], ROWS[2][:length]]
    events = torch.from_numpy(np.stack([with_features(VOCABULARY, each) for each in rows]))
    hidden, _ = network(events[:, :-1])
    mask = torch.ones(2, length, dtype=torch.bool)
    nats = network.nats(hidden, events[:, 1:], mask).sum(dim=-1).detach().numpy()
    found = decoder.score(rows)
    assert found.shape == nats.shape and np.allclose(found, nats, atol=1e-4)
    whole = decoder.score(ROWS[2:3])  # with the end
    assert whole.shape == (1, len(ROWS[2])) and ROWS[2][-1, TIME] == END and whole[0, -1] > 0
    assert not decoder.prior.asked  # type: ignore[attr-defined]


def test_without_masks_all_fields_come_and_without_streams_none(decoder: Decoder) -> None:
    step = Step(decoder, Contexts(VOCABULARY, 1), np.zeros_like(decoder.engine.head_layers(
        decoder.engine.step(np.zeros((1, decoder.begin(Masks(Grammar(VOCABULARY, 1))).inputs.shape[1]), np.int64),
                            decoder.engine.begin(1))[0])))  # fmt: skip
    assert [field for field, _ in step.fields()] == list(decoder.engine.predicted)
    assert all(mask is None for _, mask in step.fields()) and step.has_next.tolist() == [True]
    step.take(np.array([0, 0]))
    assert len(step.events) == 2 and step.masks is None
    joined = frontier_of(decoder, STARTS[0])
    step = decoder.step(joined, decoder.read(joined))
    for _field, _ in step.fields():
        step.take(np.zeros(0, np.int64))
    assert len(step.events) == 0 and _field == decoder.engine.predicted[0]


def test_fields_that_an_event_has_not_are_zero(decoder: Decoder) -> None:
    frontier = frontier_of(decoder, ROWS[2][:-1])
    step = decoder.step(frontier, decoder.read(frontier))
    step.events[:] = 1
    step.events[:, TIME] = END
    assert step.finished().tolist() == [[END, 0, 0, 0, 0]]


def test_what_changes_the_metre_tempo_or_key() -> None:
    events = np.array([[1, FIRST_PART, 0, 0, 0], [1, FIRST_PART - 1, 0, 0, 0], [END, 0, 0, 0, 0], [1, 0, 0, 0, 0]])
    assert changes_nothing(events).tolist() == [True, False, True, False]
