"""Long tunes are not drawn anew when they end badly, but gone on with from a bar line before their end."""

from collections.abc import Collection
from pathlib import Path

import numpy as np
import pytest

from melody.limits import Limits
from melody.sampling import Model, SamplingSettings, load
from melody.sampling.constraints.constraint import Masks
from melody.sampling.result import Result
from melody.sampling.strategies.ancestral import Sample, Streams
from melody.sampling.strategies.drawing import Job
from melody.sampling.strategies.rejection import FAULTY, Draws
from melody.tokens.grammar import Grammar
from melody.tokens.vocabulary import END, TIME

SETTINGS = SamplingSettings(seed=5, temperature=1.2)


@pytest.fixture(scope="module")
def model(trained: Path) -> Model:
    return load(trained)


@pytest.fixture(autouse=True)
def short_is_long(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("bar_lines", "ancestral", "rejection"):
        monkeypatch.setattr(f"melody.sampling.strategies.{module}.LONG", 40)


def drawn(model: Model, monkeypatch: pytest.MonkeyPatch, together: int, **written: object) -> tuple[list[Result], list]:
    """Tunes, and all tries that came to an end."""
    tries: list[tuple[Job, Sample | None]] = []
    step = Streams.step

    def noted(streams: Streams) -> list[tuple[Job, Sample | None]]:
        found = step(streams)
        tries.extend(found)
        return found

    monkeypatch.setattr(Streams, "step", noted)
    monkeypatch.setattr("melody.sampling.tasks.generate._STREAMS", together)
    made = model.tunes(4, limits=Limits.parse(**written), settings=SETTINGS)  # type: ignore[arg-type]
    monkeypatch.setattr(Streams, "step", step)
    return made, tries


@pytest.mark.parametrize("written", [{}, {"bars": 12}, {"bars": 12, "key": "G", "end_on_tonic": True}])
def test_long_tunes_are_the_same_however_many_are_made_side_by_side(
    model: Model, monkeypatch: pytest.MonkeyPatch, written: dict
) -> None:
    (expected, tries), (found, others) = (drawn(model, monkeypatch, number, **written) for number in (64, 1))
    assert any(job.place for job, _ in tries) and any(job.place for job, _ in others)
    assert [(made.piece, made.faults) for made in found] == [(made.piece, made.faults) for made in expected]


def test_what_is_gone_on_with_keeps_all_before_a_bar_line_and_ends_where_it_ended(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, tries = drawn(model, monkeypatch, 64)
    again = [(job.place, sample) for job, sample in tries if job.place and sample]
    shifts = np.append(0, model.vocabulary.shifts)
    for place, sample in again:
        assert np.array_equal(sample.rows[: len(place.rows)], place.rows)
        assert place.until is not None and model.vocabulary.decode(sample.rows).length <= place.until
        bar, _ = model.vocabulary.decode(sample.rows).bar_and_position(
            shifts[sample.rows[: len(place.rows) + 1, 0]].cumsum()
        )
        assert bar[-2] < place.bar
    assert {len(sample.rows) for _, sample in again} != {len(place.rows) for place, _ in again}


def test_a_try_that_grows_long_is_waited_for(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """No tune is being written from its beginning when an earlier try of it is long already."""
    begin = Streams.begin

    def begun(streams: Streams, jobs: Collection[Job]) -> None:
        long = {
            job.number for job, count in zip(streams._jobs, streams._own.count.tolist()) if count >= 40 and not job.place
        }
        assert not long & {job.number for job in jobs}
        begin(streams, jobs)

    monkeypatch.setattr(Streams, "begin", begun)
    made, tries = drawn(model, monkeypatch, 64)
    whole = [job.number for job, sample in tries if sample and job.place is None and len(sample.rows) >= 40]
    assert len(set(whole)) == len(whole) > 0 and len(made) == 4


def test_a_tune_that_stands_still_is_broken_off_and_gone_on_with_from_before(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = model.decoder.begin(Masks(Grammar(model.vocabulary, 1, count_pickup=False)))

    def stuck_from(rows: np.ndarray) -> int | None:
        return 5 if model.vocabulary.decode(rows).num_bars > 6 else None

    streams = Streams(model.decoder, lambda _: start.take(np.zeros(1, np.int64)), SETTINGS, 2_000, stuck_from=stuck_from)
    tries: list[tuple[Job, Sample | None]] = []
    step = streams.step
    monkeypatch.setattr(streams, "step", lambda: tries.extend(found := step()) or found)
    Draws(streams, 6, 16, lambda _: FAULTY).run()
    free = [job.place for job, _ in tries if job.place and job.place.until is None]
    assert free and all(place.bar <= 5 for place in free)
    assert any(sample and sample.stuck == 5 for job, sample in tries if job.place is None)


def test_a_tune_of_a_given_length_is_gone_on_with_from_before_it_stood_still(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it did so is long past when it ends; other ways from there are left as soon as they stand still, too."""
    bars = 44
    start = model.decoder.begin(Masks(Grammar(model.vocabulary, 1, bars=bars)))

    def stuck_from(rows: np.ndarray) -> int | None:
        piece = model.vocabulary.decode(rows)
        later = piece.pitch[piece.bar_and_position(piece.onset)[0] >= 9]
        return 9 if len(later) > 20 and later[:3].sum() % 4 else None

    def worth(sample: Sample) -> float:
        if sample.rows[-1, TIME] != END:
            return 0.0
        return 1.0 if stuck_from(sample.rows) is None else FAULTY

    streams = Streams(model.decoder, lambda _: start.take(np.zeros(1, np.int64)), SETTINGS, 2_000, stuck_from=stuck_from)
    tries: list[tuple[Job, Sample | None]] = []
    step = streams.step
    monkeypatch.setattr(streams, "step", lambda: tries.extend(found := step()) or found)
    made = Draws(streams, 6, 16, worth).run()
    assert [model.vocabulary.decode(tune.rows).num_bars for tune in made] == [bars] * 6
    assert all(tune.stuck is None for tune in made) and any(tune.tries > 1 for tune in made)
    again = [(job.place, sample) for job, sample in tries if job.place and sample]
    assert again and all(place.bar <= 9 for place, _ in again)
    first = [sample for job, sample in tries if job.attempt == 0 and sample and sample.stuck is not None]
    assert first and all(sample.places[0].bar <= 9 for sample in first)
    broken = [sample for _, sample in again if sample.stuck is not None]
    assert broken and all(model.vocabulary.decode(sample.rows).num_bars < bars for sample in broken)
