"""A model that reads what follows a gap backwards: what it may know, where it counts, and that it leads there."""

from __future__ import annotations

from dataclasses import asdict, replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from music import folk_tune, random_piece
from test_vary import assert_only_the_bars_changed
from untrained import SMALL

from melody.dataset import Batches, BatchSettings, with_features
from melody.errors import ModelFileError, TrainingError
from melody.modelfile import ModelFile, load
from melody.network.network import MelodyNetwork
from melody.network.settings import settings_of
from melody.piece import Part, Piece, TimeSignature
from melody.sampling import Model, SamplingSettings
from melody.sampling.constraints.constraint import Masks
from melody.sampling.tasks.infill import VarySettings, vary
from melody.tokens import Vocabulary
from melody.tokens.grammar import Grammar
from melody.tokens.inputs.future import MOST_KNOWN, PLACE, READ, sizes
from melody.tokens.inputs.gaps import Bars, Gap
from melody.tokens.usage import FIRST_PART
from melody.tokens.vocabulary import END, FIELDS, KIND, TIME, VALUE, Rows
from melody.training.adapting.transfer import carried
from melody.training.module import Loader, window_loss
from melody.training.settings import TrainingSettings, settings_from

SHAPE = replace(SMALL, bidirectional=True)


def network(vocabulary: Vocabulary, seed: int = 0) -> MelodyNetwork:
    """One that knows nothing, and has an opinion on what follows gaps."""
    torch.manual_seed(seed)
    model = MelodyNetwork(vocabulary, SHAPE)
    torch.nn.init.normal_(model.get_parameter("ahead.output"), std=0.5)
    return model.eval()


def model_of(model: MelodyNetwork, vocabulary: Vocabulary) -> Model:
    weights = {name: array.numpy() for name, array in model.state_dict().items()}
    return Model(ModelFile(weights, vocabulary, asdict(SHAPE), name="both ways"))


def some_music(seed: int) -> tuple[Vocabulary, Piece]:
    """Of several parts, with drums and changes, or a folk tune."""
    pieces = [folk_tune(n) for n in range(6)] if seed % 3 == 0 else [random_piece(seed), random_piece(seed + 1)]
    return Vocabulary.build(pieces), pieces[0]


def a_gap(vocabulary: Vocabulary, rows: Rows, seed: int) -> Gap:
    """One of one or two bars with music before it, where there is any."""
    bars = Bars(vocabulary, rows)
    gaps = [gap for gap in (*bars.gaps(1), *bars.gaps(2)) if gap.first > 0] or bars.gaps(1)
    return gaps[np.random.default_rng(seed).integers(len(gaps))]


def in_gaps(model: MelodyNetwork, vocabulary: Vocabulary, rows: Rows, gap: Gap) -> np.ndarray:
    """Nats of what is predicted of a gap, (events, fields), in torch."""
    gapped = Batches(vocabulary, [rows], BatchSettings(window=10_000, outline_dropout=1, transpositions=(0, 0)), with_gaps=1)
    gapped._gaps = lambda *_: [Bars(vocabulary, rows).filled(gap)]  # type: ignore[method-assign]
    ((inputs, targets, _, _, gaps),) = Loader(lambda: gapped.epoch(0))
    assert gaps is not None
    with torch.no_grad():
        return model.nats_in_gaps(model(inputs)[0], targets, gaps).numpy()


@pytest.mark.parametrize("seed", range(6))
def test_the_engine_predicts_a_gap_as_torch_does(seed: int) -> None:
    vocabulary, piece = some_music(seed)
    rows, model = vocabulary.encode(piece), network(vocabulary)
    filled = Bars(vocabulary, rows).filled(a_gap(vocabulary, rows, seed))
    decoder = model_of(model, vocabulary).decoder.without_prior().before(lambda: filled.future)
    frontier = decoder.prime(Masks(Grammar(vocabulary, 1), []), rows[: filled.numbers[0]])
    found = []
    for event in rows[filled.numbers]:
        step = decoder.step(frontier, decoder.read(frontier))
        for field, _ in step.fields():
            logits = step.of_the_network(field)[0].astype(np.float64)
            step.events[0, field] = event[field]
            is_news = decoder.is_news(frontier, event[None])[0, field] & vocabulary.field_mask(event[None])[0, field]
            found.append(is_news * (np.logaddexp.reduce(logits) - logits[event[field]]))
        decoder.push(frontier, event[None])
    predicted = [field for field in range(len(FIELDS)) if vocabulary.sizes[field] > 1]
    expected = in_gaps(model, vocabulary, rows, a_gap(vocabulary, rows, seed))[:, predicted].ravel()
    assert np.allclose(found, expected, atol=1e-4) and expected.any()


@pytest.mark.parametrize("seed", range(8))
def test_what_is_read_of_the_future_does_not_depend_on_what_is_in_the_gap(seed: int) -> None:
    _, piece = some_music(seed)
    gap = a_gap(some_music(seed)[0], some_music(seed)[0].encode(piece), seed)
    emptied = piece.select((piece.onset < gap.first) | (piece.onset >= gap.last))
    vocabulary = Vocabulary.build([piece, *([emptied] if emptied.num_notes else []), folk_tune(0)])
    rows = vocabulary.encode(piece)
    gap = a_gap(vocabulary, rows, seed)
    filled = Bars(vocabulary, rows).filled(gap)
    if emptied.length > gap.last:
        empty = Bars(vocabulary, vocabulary.encode(emptied)).filled(gap)
        assert np.array_equal(empty.future.read, filled.future.read) and len(filled.future.read)
    changed = rows.copy()
    of_gap = filled.numbers[:-1]
    changed[of_gap, VALUE] = np.where(vocabulary.is_note(rows[of_gap]), vocabulary.first_pitch, rows[of_gap, VALUE])
    assert np.array_equal(Bars(vocabulary, changed).filled(gap).future.read, filled.future.read)


def test_a_rest_that_only_ends_what_sounded_in_the_gap_is_not_read() -> None:
    """The last note of the gap sounds into the bar behind it, or not; what is played there begins late in the bar."""
    onset, pitch = np.array([0, 72, 84, 192]), np.array([60, 62, 64, 65])
    pieces = [
        Piece(onset, np.array([72, 12, last, 24]), pitch, parts=(Part(40),), time_signatures=(TimeSignature(0, 6, 8),))
        for last in (60, 84)
    ]
    vocabulary = Vocabulary.build([*pieces, *map(folk_tune, range(3))])
    assert all(vocabulary.implied_duration)
    rows = [vocabulary.encode(piece) for piece in pieces]
    futures = [Bars(vocabulary, each).filled(Gap(72, 144, 0)).future for each in rows]
    assert np.array_equal(futures[0].read, futures[1].read) and len(futures[0].rows) == 3
    assert len(rows[0]) == len(rows[1]) and not np.array_equal(rows[0], rows[1])


def test_what_has_been_read_is_not_weighed_but_what_lies_further_away_is() -> None:
    vocabulary = Vocabulary.build(pieces := [folk_tune(0, bars=80)])
    rows = vocabulary.encode(pieces[0])
    filled = Bars(vocabulary, rows).filled(Gap(72, 144, 0))
    decoder = model_of(network(vocabulary), vocabulary).decoder.without_prior().before(lambda: filled.future)
    behind = int(filled.numbers[-1])
    at = {"in the gap": behind - 1, "the first behind": behind, "read": behind + 1, "further away": behind + MOST_KNOWN}
    news = {}
    for name, number in at.items():
        frontier = decoder.prime(Masks(Grammar(vocabulary, 1), []), rows[:number])
        news[name] = decoder.is_news(frontier, rows[number][None])[0].tolist()
    assert news["in the gap"] == news["further away"] == [True] * len(FIELDS) and news["read"] == [False] * len(FIELDS)
    assert news["the first behind"] == [field == TIME for field in range(len(FIELDS))]


def test_what_follows_changes_predictions_in_the_gap_alone() -> None:
    vocabulary, piece = some_music(0)
    rows, model = vocabulary.encode(piece), network(vocabulary)
    gap = Bars(vocabulary, rows).gaps(2)[1]
    behind = Bars(vocabulary, rows).filled(gap).numbers[-1] + 3
    changed = rows.copy()
    changed[behind, VALUE] = vocabulary.first_pitch
    events = [torch.from_numpy(with_features(vocabulary, each)[None]) for each in (rows, changed)]
    with torch.no_grad():
        hidden = [model(each[:, :-1])[0] for each in events]
    assert torch.equal(hidden[0][:, : behind + 1], hidden[1][:, : behind + 1])
    before, after = (in_gaps(model, vocabulary, each, gap) for each in (rows, changed))
    assert np.all(np.abs(before - after).sum(axis=1) > 0)


def test_without_a_gap_it_is_the_network_that_looks_back_alone() -> None:
    vocabulary, piece = some_music(0)
    both = network(vocabulary)
    torch.manual_seed(0)
    alone = MelodyNetwork(vocabulary, SMALL).eval()
    alone.load_state_dict({name: both.state_dict()[name] for name in alone.state_dict()})
    weights = {name: array.numpy() for name, array in alone.state_dict().items()}
    models = model_of(both, vocabulary), Model(ModelFile(weights, vocabulary, asdict(SMALL), name="both ways"))
    tunes = [model.generate(seed=3) for model in models]
    assert all(np.array_equal(getattr(tunes[0], name), getattr(tunes[1], name)) for name in ("onset", "duration", "pitch"))
    batches = [Batches(vocabulary, [vocabulary.encode(piece)], BatchSettings(), with_gaps=share) for share in (0.0, 0.4)]
    window = next(iter(Loader(lambda: batches[0].epoch(0))))
    losses = [window_loss(model, *window[:3], None)[0] for model in (both, alone)]
    assert torch.equal(*losses) and window[4] is None


@pytest.mark.parametrize("seed", range(6))
def test_the_bars_are_filled_and_nothing_else_changes(seed: int) -> None:
    pieces = [random_piece(n) for n in range(seed, seed + 3)]
    vocabulary = Vocabulary.build(pieces)
    piece = pieces[0]
    first = 1 + seed % piece.num_bars
    model = model_of(network(vocabulary, seed), vocabulary)
    how = VarySettings(candidates=16, rounds=1)
    made = vary(model, piece, first, min(first + 1, piece.num_bars), how=how, settings=SamplingSettings(seed=seed))[0]
    assert_only_the_bars_changed(made, piece)


def test_chosen_gaps_do_not_overlap_and_hold_no_change() -> None:
    for seed in range(12):
        vocabulary, piece = some_music(seed)
        rows = vocabulary.encode(piece)
        bars = Bars(vocabulary, rows)
        gaps = bars.chosen(np.random.default_rng(seed))
        assert all(one.last <= other.first for one, other in pairwise(gaps))
        tick = np.cumsum(np.array(vocabulary.shifts)[rows[:-1, TIME] - 1])
        changes = tick[rows[:-1, KIND] < FIRST_PART]
        for gap in gaps:
            assert not ((changes > gap.first) & (changes < gap.last)).any()
            filled = bars.filled(gap)
            assert (filled.places < sizes(PLACE, vocabulary)).all() and (filled.places >= 0).all()
            assert (filled.future.read < sizes(READ, vocabulary)).all() and (filled.future.read >= 0).all()
            inside = filled.numbers[:-1]
            assert (tick[inside] >= gap.first).all() and (tick[inside] < gap.last).all()
            assert rows[filled.numbers[-1], TIME] == END or tick[filled.numbers[-1]] >= gap.last


def said_twice(seed: int) -> Piece:
    """Two bars at random, and again."""
    pitch = np.random.default_rng(seed).integers(60, 72, 12)
    return Piece(
        np.arange(24) * 12, np.full(24, 12), np.tile(pitch, 2), parts=(Part(40),), time_signatures=(TimeSignature(0, 6, 8),)
    )


def test_it_learns_to_fill_gaps() -> None:
    """What stands in the first half of a tune can be read in the second one alone."""
    pieces = [said_twice(n) for n in range(64)]
    vocabulary = Vocabulary.build(pieces)
    rows = [vocabulary.encode(piece) for piece in pieces]
    batches = Batches(vocabulary, rows[8:], BatchSettings(batch_size=8, transpositions=(0, 0)), with_gaps=1.0)
    torch.manual_seed(0)
    model = MelodyNetwork(vocabulary, SHAPE)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for epoch in range(6):
        for inputs, targets, mask, _, gaps in Loader(lambda epoch=epoch: batches.epoch(epoch)):  # type: ignore[misc]
            nats, (hidden, _) = window_loss(model, inputs, targets, mask, None)
            nats = nats if gaps is None else nats + model.nats_in_gaps(hidden, targets, gaps).sum()
            optimizer.zero_grad()
            torch.autograd.backward(nats / mask.sum())
            optimizer.step()
    first = Bars(vocabulary, rows[0]).gaps(1)[0]
    known = sum(in_gaps(model.eval(), vocabulary, each, first)[:-1, VALUE].sum() for each in rows[:8])
    assert known < 0.5 * 8 * 6 * np.log(12)


def test_it_is_kept_in_a_file_and_adapted_to_other_music(tmp_path: object) -> None:
    vocabulary, other = some_music(0)[0], some_music(1)[0]
    made = model_of(network(vocabulary), vocabulary)
    path = f"{tmp_path}/both.safetensors"
    made.file.save(path)
    assert load(path).fingerprint == made.file.fingerprint and "bidirectional" in Model(load(path)).layers
    fresh = network(other, seed=1)
    carried(network(vocabulary), vocabulary, fresh, other)
    assert torch.equal(fresh.get_parameter("ahead.output"), network(vocabulary).get_parameter("ahead.output"))
    with pytest.raises(ModelFileError, match="true or false"):
        settings_of({"bidirectional": 1})
    with pytest.raises(TrainingError, match="bidirectional"):
        settings_from({"bidirectional": "yes"})
    assert settings_from({"bidirectional": True}) == TrainingSettings(bidirectional=True)
