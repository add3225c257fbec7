"""The laws of the model, in torch and in NumPy."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from music import folk_tune, random_piece

from melody.dataset import Batches, BatchSettings, with_features
from melody.network.cells import CELLS, CellName
from melody.network.network import MelodyNetwork, first_streams
from melody.network.settings import ModelSettings
from melody.piece import Piece
from melody.tokens import FIELDS, Vocabulary
from melody.tokens.inputs.features import outline_of
from melody.tokens.inputs.schema import FEATURES, all_columns, spans
from melody.tokens.usage import FIRST_PART
from melody.tokens.vocabulary import END, KIND, TIME

SMALL = ModelSettings(hidden_size=24, num_layers=2, embedding_size=16, head_size=20, dropout=0.0)
PIECES = [random_piece(n) for n in range(12)] + [folk_tune(n) for n in range(4)]


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    return Vocabulary.build(PIECES, transpositions=range(-5, 7))


@pytest.fixture(params=CELLS)
def model(vocabulary: Vocabulary, request: pytest.FixtureRequest) -> MelodyNetwork:
    torch.manual_seed(0)
    return MelodyNetwork(vocabulary, replace(SMALL, cell=request.param)).eval()


def _events(vocabulary: Vocabulary, number: int) -> torch.Tensor:
    """A piece with its features, (1, 1 + events, fields + features)."""
    return torch.from_numpy(with_features(vocabulary, vocabulary.encode(PIECES[number])))[None]


def test_an_untrained_model_knows_nothing(model: MelodyNetwork, vocabulary: Vocabulary) -> None:
    """Loss at the beginning: ln(tokens) for each field, within a tenth."""
    events = _events(vocabulary, 0)
    hidden, _ = model(events[:, :-1])
    nats = model.nats(hidden, events[:, 1:], torch.ones(events.shape[1] - 1, dtype=torch.bool)[None])
    for k in model.predicted:
        encoded = nats[..., k] > 0
        if encoded.sum() > 10:
            assert nats[..., k][encoded].mean().item() == pytest.approx(math.log(vocabulary.sizes[k]), rel=0.15)


def test_the_future_does_not_change_the_past(model: MelodyNetwork, vocabulary: Vocabulary) -> None:
    events = _events(vocabulary, 0)
    other = events.clone()
    half = events.shape[1] // 2
    other[:, half:] = 0
    before, _ = model(events)
    after, _ = model(other)
    assert torch.equal(before[:, :half], after[:, :half])
    for k in model.predicted:  # a field does not see itself nor the fields after it
        changed = events.clone()
        changed[..., k : len(FIELDS)] = 0
        rows = enumerate(all_columns(vocabulary), len(FIELDS))
        changed[..., [number for number, (_, row, _) in rows if row.heads and k not in row.heads and not row.is_match]] = 0
        hidden = before[:, :-1]
        assert torch.equal(model.logits(hidden, events[:, 1:])[k], model.logits(hidden, changed[:, 1:])[k])


def test_the_whole_is_its_two_halves_with_carried_state(model: MelodyNetwork, vocabulary: Vocabulary) -> None:
    events = _events(vocabulary, 1)
    whole, _ = model(events)
    half = events.shape[1] // 2
    first, state = model(events[:, :half])
    second, _ = model(events[:, half:], state)
    assert torch.allclose(torch.cat([first, second], 1), whole, atol=1e-6)


def test_what_is_left_out_in_training_is_the_same_throughout_a_window(vocabulary: Vocabulary) -> None:
    """Variational dropout: a cell is out at each step or at none; what is measured leaves nothing out."""
    torch.manual_seed(3)
    shape = ModelSettings(hidden_size=24, embedding_size=16, head_size=20, dropout=0.5)
    model, events = MelodyNetwork(vocabulary, shape), _events(vocabulary, 0)
    out = model(events)[0][0] == 0  # (time, cells)
    assert torch.equal(out.all(dim=0), out.any(dim=0))
    assert 0.2 < out.any(dim=0).float().mean() < 0.8
    assert not torch.any(model.eval()(events)[0] == 0)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("what", ["weight_dropout", "feature_dropout", "head_dropout"])
def test_each_dropout_leaves_out_in_training_alone(vocabulary: Vocabulary, what: str, cell: CellName) -> None:
    torch.manual_seed(0)
    shape = ModelSettings(hidden_size=24, embedding_size=16, head_size=20, dropout=0.0, cell=cell)
    model = MelodyNetwork(vocabulary, replace(shape, **{what: 0.5}))
    events = _events(vocabulary, 0)
    mask = torch.ones(1, events.shape[1] - 1, dtype=torch.bool)

    def nats() -> float:
        return float(model.nats(model(events[:, :-1])[0], events[:, 1:], mask).sum().detach())

    has_any = what != "weight_dropout" or any("weight_hh" in name for name in model.state_dict())  # some cells have none
    assert (nats() != nats()) == has_any
    model.eval()
    assert nats() == nats()


def test_the_place_in_the_bar_is_never_left_out(vocabulary: Vocabulary) -> None:
    """With all left out that may be, events at the same place in the bar are the same to the model, others are not."""
    torch.manual_seed(0)
    shape = ModelSettings(hidden_size=16, embedding_size=16, head_size=16, dropout=0.0, feature_dropout=1.0)
    model = MelodyNetwork(vocabulary, shape)
    events = _events(vocabulary, 12)[0]
    where = spans(FEATURES, vocabulary)
    place = events[:, [len(FIELDS) + where[(name,)].start for name in ("position", "beat", "metre")]]
    embedded = model.embedding(events[:, : len(model.offsets)] + model.offsets)
    apart = (embedded[:, None] - embedded).abs().amax(dim=2) > 1e-6
    assert torch.equal(apart, (place[:, None] != place).any(dim=2))
    assert apart.any() and not apart.all()


def test_what_follows_the_end_of_a_piece_does_not_count(model: MelodyNetwork, vocabulary: Vocabulary) -> None:
    """A piece in a batch with a longer one has the loss it has alone."""
    rows = [vocabulary.encode(PIECES[n]) for n in (2, 12)]
    assert len(rows[0]) > 2 * len(rows[1])

    def total(pieces: list[np.ndarray], window: int) -> float:
        batches = Batches(vocabulary, pieces, BatchSettings(window=window), training=False)
        nats, state = 0.0, None
        for inputs, targets, mask, first, _ in batches.epoch(0):
            before = None if first or state is None else first_streams(state, len(inputs))
            hidden, state = model(torch.from_numpy(inputs), before)
            nats += model.nats(hidden, torch.from_numpy(targets), torch.from_numpy(mask)).sum().item()
        return nats

    alone = total(rows[:1], 1000) + total(rows[1:], 1000)
    assert total(rows, 1000) == pytest.approx(alone, rel=1e-5)
    assert total(rows, 7) == pytest.approx(alone, rel=1e-5)


def test_one_piece_can_be_learned_by_heart(vocabulary: Vocabulary) -> None:
    torch.manual_seed(0)
    tune = folk_tune(1)
    own = Vocabulary.build([tune])
    model = MelodyNetwork(own, ModelSettings(hidden_size=64, num_layers=1, embedding_size=32, head_size=32, dropout=0.0))
    events = torch.from_numpy(with_features(own, own.encode(tune)))[None]
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    mask = torch.ones(1, events.shape[1] - 1, dtype=torch.bool)
    for _ in range(120):
        hidden, _ = model(events[:, :-1])
        loss = model.nats(hidden, events[:, 1:], mask).sum() / mask.sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.05


def test_an_epoch_has_every_event_once(vocabulary: Vocabulary) -> None:
    rows = [vocabulary.encode(piece) for piece in PIECES]
    batches = Batches(vocabulary, rows, BatchSettings(batch_size=5, window=16, later_beginnings=0), seed=3)
    for epoch in range(2):
        windows = list(batches.epoch(epoch))
        assert len(windows) == batches.num_windows(epoch)
        assert max(w.mask.shape[1] for w in windows) <= 16
        assert sum(int(w.mask.sum()) for w in windows) == sum(map(len, rows)) == batches.num_events
        assert sum(int((w.targets[..., TIME] == END)[w.mask].sum()) for w in windows) == len(rows)
        times = np.sort(np.concatenate([w.targets[..., TIME][w.mask] for w in windows]))
        assert np.array_equal(times, np.sort(np.concatenate([r[:, TIME] for r in rows])))


def test_the_same_seed_and_epoch_give_the_same_batches(vocabulary: Vocabulary) -> None:
    rows = [vocabulary.encode(piece) for piece in PIECES]

    def inputs(seed: int, epoch: int) -> bytes:
        batches = Batches(vocabulary, rows, BatchSettings(batch_size=5, window=16), seed=seed)
        return b"".join(w.inputs.tobytes() for w in batches.epoch(epoch))

    assert inputs(1, 4) == inputs(1, 4)
    assert inputs(1, 4) != inputs(1, 5)
    assert inputs(1, 4) != inputs(2, 4)


def test_training_transposes_whole_pieces_within_the_range(vocabulary: Vocabulary) -> None:
    """What the model sees of a piece is the encoding, features included, of that piece transposed."""
    piece = folk_tune(2)
    batches = Batches(vocabulary, [vocabulary.encode(piece)], BatchSettings(window=1000, outline_dropout=1), seed=0)
    legal = {t: with_features(vocabulary, vocabulary.encode(piece.transpose(t))) for t in range(-5, 7)}
    seen = set()
    for epoch in range(40):
        (window,) = batches.epoch(epoch)
        seen |= {t for t, events in legal.items() if np.array_equal(window.targets[0], events[1:])}
    assert len(seen) > 6


def test_outline_dropout_leaves_out_the_outline_of_so_many_pieces() -> None:
    piece = folk_tune(2)
    vocabulary = Vocabulary.build([piece])
    rows = vocabulary.encode(piece)
    with_it, without = (with_features(vocabulary, rows, outline) for outline in (outline_of(vocabulary, rows), None))
    assert not np.array_equal(with_it, without)
    settings = BatchSettings(window=1000, transpositions=(0, 0), outline_dropout=0.3)
    seen = [next(Batches(vocabulary, [rows], settings, seed=0).epoch(epoch)).inputs[0] for epoch in range(200)]
    shares = [np.mean([np.array_equal(each, events[:-1]) for each in seen]) for events in (with_it, without)]
    assert sum(shares) == 1 and 0.2 < shares[1] < 0.4
    valid = next(Batches(vocabulary, [rows], settings, training=False).epoch(0))
    assert np.array_equal(valid.inputs[0], without[:-1])  # what a model is measured by


def test_match_dropout_leaves_out_all_of_the_match_and_nothing_else() -> None:
    """All that is read of matches is left out of about that share of the pieces, and nothing else of them."""
    piece = folk_tune(2, bars=32)
    vocabulary = Vocabulary.build([piece])
    rows, matched = (
        vocabulary.encode(piece),
        [number for number, c in enumerate(all_columns(vocabulary), len(FIELDS)) if c.row.is_match],
    )
    settings = BatchSettings(window=1000, transpositions=(0, 0), match_dropout=0.35, outline_dropout=1)
    full = with_features(vocabulary, rows)
    assert full[:, matched].any()
    without = full.copy()
    without[:, matched] = 0
    windows = [next(Batches(vocabulary, [rows], settings).epoch(number)) for number in range(200)]
    left_out = [np.array_equal(window.inputs[0], without[:-1]) for window in windows]
    assert 0.2 < np.mean(left_out) < 0.5
    for window, out in zip(windows, left_out):
        expected = without if out else full
        assert np.array_equal(window.inputs[0], expected[:-1]) and np.array_equal(window.targets[0], expected[1:])
    validation = Batches(vocabulary, [rows], settings, training=False)
    assert all(np.array_equal(next(validation.epoch(n)).inputs[0], full[:-1]) for n in range(20))


def test_drums_are_not_transposed() -> None:
    from melody.piece import Part, Piece

    beat = Piece([0, 24, 48], [12] * 3, [36, 38, 36], parts=(Part(0, is_drum=True),))
    vocabulary = Vocabulary.build([beat], transpositions=range(-5, 7))
    rows = vocabulary.encode(beat)
    batches = Batches(vocabulary, [rows], BatchSettings(), seed=0)
    for epoch in range(20):
        (window,) = batches.epoch(epoch)
        assert np.array_equal(window.targets[0, :, : len(FIELDS)], rows)
    assert (rows[:-1, KIND] >= FIRST_PART).all()


@pytest.mark.parametrize("training", [True, False])
def test_batches_are_the_same_whatever_is_kept_in_memory(
    vocabulary: Vocabulary, training: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pieces are read when their turn comes; the second epoch is that of the first reading, with any room for features."""
    rows = [vocabulary.encode(piece) for piece in PIECES]
    asked: list[int] = []

    class Counted(list):
        def __getitem__(self, index: int) -> np.ndarray:  # type: ignore[override]
            asked.append(index)
            return super().__getitem__(index)

    found = []
    for room in (0, 20_000, 10**9):
        monkeypatch.setattr("melody.dataset.CACHE_BYTES", room)
        settings = BatchSettings(batch_size=4, window=16, outline_dropout=1, later_beginnings=0)
        batches = Batches(vocabulary, Counted(rows), settings, seed=3, training=training)
        asked.clear()
        windows = [window for epoch in range(3) for window in batches.epoch(epoch)]
        assert (len(asked) == 3 * len(rows)) == (room == 0) and (len(asked) == len(rows)) == (room == 10**9)
        found.append([np.concatenate([part.ravel() for part in window[:3]]) for window in windows])
    for other in found[1:]:
        assert len(other) == len(found[0]) and all(map(np.array_equal, found[0], other))


def test_more_tokens_than_a_byte_holds_are_kept_as_they_are() -> None:
    """Features stand in the smallest integers: here there are 300 different times and as many durations."""
    steps = np.arange(1, 301)
    piece = Piece(np.cumsum(steps) - 1, steps[::-1], np.arange(300) % 100)
    vocabulary = Vocabulary.build([piece])
    rows = vocabulary.encode(piece)
    (window,) = Batches(vocabulary, [rows], BatchSettings(window=1000), training=False).epoch(0)
    assert rows.max() > 255 and np.array_equal(window.inputs[0], with_features(vocabulary, rows)[:-1])
