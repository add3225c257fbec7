"""The laws of drawing anew: which attempt is kept depends neither on the batch nor on when attempts end."""

from collections.abc import Collection
from itertools import islice
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from music import folk_tune

from melody.errors import SamplingError
from melody.limits import Limits
from melody.sampling import Model, SamplingSettings, load
from melody.sampling.constraints.constraint import Masks
from melody.sampling.constraints.user import user_limits
from melody.sampling.strategies.ancestral import Sample, Streams
from melody.sampling.strategies.drawing import Job
from melody.sampling.strategies.rejection import TRIES, Draws
from melody.tokens import Vocabulary
from melody.tokens.grammar import Grammar

Fate = tuple[int, float | None]  # events that an attempt takes, and what it is worth; None for a dead end


class Fated:
    """Streams whose attempts end as is written."""

    def __init__(self, fates: list[list[Fate]]) -> None:
        self._fates, self._left = fates, dict[Job, int]()
        self.most, self.steps = 0, 0

    def __len__(self) -> int:
        return len(self._left)

    def begin(self, jobs: Collection[Job]) -> None:
        self._left |= {job: self._fates[job.number][job.attempt][0] for job in jobs}

    def drop(self, jobs: Collection[Job]) -> None:
        for job in jobs:
            self._left.pop(job, None)

    def step(self) -> list[tuple[Job, Sample | None]]:
        assert self._left  # a step of nothing would be one too many
        self.most, self.steps = max(self.most, len(self._left)), self.steps + 1
        self._left = {job: left - 1 for job, left in self._left.items()}
        ended = [job for job, left in self._left.items() if not left]
        self.drop(ended)
        return [(job, self._drawn(job)) for job in ended]

    def grown_long(self) -> list[Job]:
        return []

    def _drawn(self, job: Job) -> Sample | None:
        worth = self._fates[job.number][job.attempt][1]
        return None if worth is None else Sample(np.array([[job.number, job.attempt]]), worth, 0.0)


def one_after_another(attempts: list[Fate]) -> int:
    """Which attempt is kept if each is made when the one before has been judged."""
    best: tuple[float, int] | None = None
    for number, (_, worth) in enumerate(attempts):
        if worth is not None and (best is None or worth > best[0]):
            best = worth, number
        if best and (best[0] >= 1 or number + 1 >= TRIES):
            break
    assert best
    return best[1]


fates = st.tuples(st.integers(1, 9), st.sampled_from([None, 0.0, 0.0, 0.3, 0.7, 1.0]))
attempts = st.lists(fates, min_size=TRIES, max_size=TRIES).filter(lambda tune: any(w is not None for _, w in tune))


@given(st.lists(attempts, min_size=1, max_size=6), st.integers(1, 70))
def test_the_attempt_that_is_kept_is_the_first_that_is_worth_it_whatever_the_batch(
    fates: list[list[Fate]], together: int
) -> None:
    fated = Fated(fates)
    found = Draws(cast(Streams, fated), len(fates), together, lambda drawn: drawn.nats).run()
    expected = [[number, one_after_another(tune)] for number, tune in enumerate(fates)]
    assert [drawn.rows[0].tolist() for drawn in found] == expected
    assert fated.most <= together


@given(st.lists(attempts, min_size=1, max_size=6), st.integers(1, 70))
def test_each_tune_is_given_as_soon_as_it_is_made(fates: list[list[Fate]], together: int) -> None:
    """In the order of the last attempts that they wait for; they are the same tunes, and nothing is drawn beforehand."""
    fated, other = Fated(fates), Fated(fates)
    made, steps = {}, []
    for number, drawn in Draws(cast(Streams, fated), len(fates), together, lambda drawn: drawn.nats).as_made():
        made[number] = drawn.rows.tolist()
        steps.append(fated.steps)
    in_order = []
    for drawn in Draws(cast(Streams, other), len(fates), together, lambda drawn: drawn.nats).each():
        in_order.append(drawn.rows.tolist())
        assert other.steps == max(dict(zip(made, steps))[number] for number in range(len(in_order)))
    assert [made[number] for number in range(len(fates))] == in_order


@given(st.lists(st.integers(1, 50), min_size=1, max_size=40), st.integers(1, 8))
def test_the_batch_is_full_as_long_as_there_is_something_to_begin(lengths: list[int], together: int) -> None:
    """No schedule that never waits takes longer than this (Graham 1966)."""
    fated = Fated([[(length, 1.0)] for length in lengths])
    found = Draws(cast(Streams, fated), len(lengths), together, None).run()
    assert [drawn.rows[0, 0] for drawn in found] == list(range(len(lengths)))
    assert fated.steps <= (sum(lengths) - max(lengths)) / together + max(lengths)


def test_a_tune_with_nothing_but_dead_ends_is_given_up() -> None:
    fated = Fated([[(2, 1.0)] * TRIES, [(3, None)] * TRIES])
    with pytest.raises(SamplingError, match="tune 2 came to a dead end in each of 32 tries"):
        Draws(cast(Streams, fated), 2, 8, lambda drawn: drawn.nats).run()


@pytest.fixture(scope="module")
def model(trained) -> Model:
    return load(trained)


@pytest.mark.parametrize(("together", "written"), [(1, {}), (2, {"key": "G", "bars": 2, "end_on_tonic": True})])
def test_tunes_are_the_same_however_many_are_made_side_by_side(
    model: Model, together: int, written: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, limits = SamplingSettings(seed=5, temperature=1.1, max_notes=60), Limits.parse(**written)
    expected = model.tunes(3, limits=limits, settings=settings)
    monkeypatch.setattr("melody.sampling.tasks.generate._STREAMS", together)
    for tune, other in zip(expected, model.tunes(3, limits=limits, settings=settings)):
        assert tune.piece == other.piece
        assert tune.removed == pytest.approx(other.removed, abs=1e-6)


def test_streams_that_come_later_are_what_they_would_have_been(model: Model) -> None:
    grammar = Grammar(model.vocabulary, 1, count_pickup=False)
    start = model.decoder.begin(Masks(grammar))

    def tunes(batches: list[list[Job]]) -> dict[Job, list]:
        settings = SamplingSettings(repetition_penalty=2)
        made = Streams(model.decoder, lambda _: start.take(np.zeros(1, np.int64)), settings, 30)
        found: dict[Job, list] = {}
        while batches or len(made):
            if batches:
                made.begin(batches.pop(0))
            found |= {job: drawn.rows.tolist() for job, drawn in made.step() if drawn}
        return found

    jobs = [Job(number, attempt) for number in range(4) for attempt in range(2)]
    at_once, one_by_one = tunes([jobs]), tunes([[job] for job in jobs])
    assert at_once == one_by_one and set(at_once) == set(jobs)


def test_streams_that_are_dropped_leave_the_others_alone(model: Model) -> None:
    start = model.decoder.begin(Masks(Grammar(model.vocabulary, 1, count_pickup=False)))
    made = Streams(model.decoder, lambda _: start.take(np.zeros(1, np.int64)), SamplingSettings(), 30)
    made.begin([Job(0, 0), Job(1, 0), Job(2, 0)])
    for _ in range(4):
        made.step()
    made.drop({Job(0, 0), Job(7, 0)})
    found: dict[Job, Sample | None] = {}
    while len(made):
        found |= dict(made.step())
    assert set(found) == {Job(1, 0), Job(2, 0)}
    alone = Streams(model.decoder, lambda _: start.take(np.zeros(1, np.int64)), SamplingSettings(), 30)
    alone.begin([Job(2, 0)])
    while len(alone):
        for job, drawn in alone.step():
            other = found[job]
            assert drawn and other and np.array_equal(drawn.rows, other.rows)


@given(st.integers(0, 15), st.booleans())
def test_streams_of_two_grammars_can_be_joined_and_put(seed: int, limited: bool) -> None:
    """Five streams that have come to different places, put together from two grammars, allow what they did before."""
    vocabulary = Vocabulary.build([folk_tune(number) for number in range(20)])
    limits = Limits.parse(key="G", bars=4, end_on_tonic=True, max_leap=7)
    constraints = user_limits(vocabulary, limits) if limited else []
    grammar = Masks(Grammar(vocabulary, 5, bars=4, count_pickup=False), constraints)
    rows = [vocabulary.encode(folk_tune(seed + number))[:8] for number in range(5)]
    for events in zip(*rows):
        grammar.push(np.array(events))
    first, second = np.array([0, 3]), np.array([4, 1, 2])
    joined = grammar.take(first).join(grammar.take(second))
    order = np.concatenate([first, second])
    assert np.array_equal(joined.times(), grammar.times()[order])
    joined.put(np.array([1, 2]), grammar.take(np.array([2, 2])))
    order[[1, 2]] = 2
    times = joined.times()
    assert np.array_equal(times, grammar.times()[order])
    chosen = times[:, 1:].argmax(axis=1) + 1
    assert np.array_equal(joined.kinds(chosen), grammar.take(order).kinds(chosen))


def test_tunes_come_one_by_one_and_are_those_that_come_together(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first of a hundred thousand is there at once, and all of them are what one call gives."""
    model = load(trained)
    monkeypatch.setattr("melody.sampling.tasks.generate._STREAMS", 8)
    for count, settings in ((4, SamplingSettings(seed=3)), (12, SamplingSettings(seed=3, any_ending=True))):
        together = [tune.piece for tune in model.tunes(count, bars=2, settings=settings)]
        assert [tune.piece for tune in islice(model.each_tune(100_000, bars=2, settings=settings), count)] == together
        as_made = list(model.each_tune(count, bars=2, settings=settings, in_order=False))
        assert [tune.piece for tune in sorted(as_made, key=lambda tune: tune.number)] == together
    with pytest.raises(SamplingError, match="0 bars"):
        model.each_tune(2, bars=0)  # now, not when the first is asked for
