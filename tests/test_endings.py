"""How tunes begin and end: beginnings as learned, whatever is drawn anew; closes, loops and parallels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from melody.sampling import Model, SamplingSettings, load
from melody.sampling.constraints.constraint import Masks
from melody.sampling.strategies.ancestral import OF_ONE_BEGINNING, Job, Streams
from melody.tokens.grammar import Grammar
from melody.tokens.vocabulary import VALUE, Rows


@pytest.fixture(scope="module")
def model(trained: Path) -> Model:
    return load(trained)


def first_events(model: Model, jobs: list[Job], settings: SamplingSettings) -> dict[Job, Rows]:
    """The events of tries up to the first note."""
    start = model.decoder.begin(Masks(Grammar(model.vocabulary, 1, count_pickup=False)))
    streams, found = Streams(model.decoder, start, settings, 12), dict[Job, Rows]()
    streams.begin(jobs)
    while len(streams):
        for job, sample in streams.step():
            assert sample is not None
            note = int(np.flatnonzero(model.vocabulary.is_note(sample.rows))[0])
            found[job] = sample.rows[: note + 1]
    return found


# Beginnings


def test_the_tries_of_a_tune_begin_alike_and_after_a_while_otherwise(model: Model) -> None:
    settings = SamplingSettings(seed=4, temperature=1.2)
    jobs = [Job(number, attempt) for number in range(12) for attempt in range(OF_ONE_BEGINNING + 1)]
    found = first_events(model, jobs, settings)
    for number in range(12):
        alike = [found[Job(number, attempt)].tolist() for attempt in range(OF_ONE_BEGINNING)]
        assert alike == alike[:1] * OF_ONE_BEGINNING
    firsts, laters = ([found[Job(n, a)].tolist() for n in range(12)] for a in (0, OF_ONE_BEGINNING))
    assert firsts != laters and firsts != firsts[:1] * 12
    assert found[Job(7, 5)].tolist() == first_events(model, [Job(7, 5)], settings)[Job(7, 5)].tolist()


def test_tunes_begin_as_learned_whatever_the_temperature_but_at_none(model: Model) -> None:
    """Metre, key and the place of the first note are the same ones as at temperature 1."""
    jobs = [Job(number, 0) for number in range(60)]

    def headers(temperature: float, **others: float) -> list[list[list[int]]]:
        settings = SamplingSettings(seed=1, temperature=temperature, **others)
        found = first_events(model, jobs, settings)
        return [[*found[job][:-1].tolist(), found[job][-1, :VALUE].tolist()] for job in jobs]

    as_learned = headers(1.0)
    assert len({str(header) for header in as_learned}) > 5
    assert headers(0.3) == headers(0.8, rhythm_temperature=0.1, pitch_temperature=3.0) == as_learned
    assert len({str(header) for header in headers(0.0)}) == 1


def test_what_is_drawn_anew_leaves_the_beginnings_as_they_were(model: Model) -> None:
    settings = SamplingSettings(seed=3, temperature=1.3)
    chosen = model.generate_many(40, settings=settings)
    taken = model.generate_many(40, settings=replace(settings, any_ending=True))
    assert [tune.keys for tune in chosen] == [tune.keys for tune in taken]
    assert [int(tune.onset[0]) for tune in chosen] == [int(tune.onset[0]) for tune in taken]
    assert any(one != other for one, other in zip(chosen, taken))
