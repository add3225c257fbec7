"""The laws of the model, in torch and in NumPy."""

import math

import numpy as np
import pytest
import torch
from music import folk_tune, random_piece

from melody.dataset import Batches, BatchSettings, with_features
from melody.network import Engine
from melody.network.model import MelodyLSTM, ModelSettings
from melody.network.settings import Intervals
from melody.piece import Piece
from melody.tokens import FIELDS, Vocabulary
from melody.tokens.schema import FEATURES, all_columns, feature_sizes, spans
from melody.tokens.usage import FIRST_PART
from melody.tokens.vocabulary import END, KIND, TIME

SMALL = ModelSettings(hidden_size=24, num_layers=2, embedding_size=16, head_size=20, dropout=0.0)
PIECES = [random_piece(n) for n in range(12)] + [folk_tune(n) for n in range(4)]


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    return Vocabulary.build(PIECES, transpositions=range(-5, 7))


@pytest.fixture
def model(vocabulary: Vocabulary) -> MelodyLSTM:
    torch.manual_seed(0)
    return MelodyLSTM(vocabulary, SMALL).eval()


def _events(vocabulary: Vocabulary, number: int) -> torch.Tensor:
    """A piece with its features, (1, 1 + events, fields + features)."""
    return torch.from_numpy(with_features(vocabulary, vocabulary.encode(PIECES[number])))[None]


def test_forget_gates_begin_open_and_recurrence_orthogonal(model: MelodyLSTM) -> None:
    hidden = SMALL.hidden_size
    for layer in range(SMALL.num_layers):
        bias = getattr(model.lstm, f"bias_ih_l{layer}") + getattr(model.lstm, f"bias_hh_l{layer}")
        assert torch.equal(bias[hidden : 2 * hidden], torch.ones(hidden))
        for gate in getattr(model.lstm, f"weight_hh_l{layer}").chunk(4):
            assert torch.allclose(gate @ gate.T, torch.eye(hidden), atol=1e-5)


def test_an_untrained_model_knows_nothing(model: MelodyLSTM, vocabulary: Vocabulary) -> None:
    """Loss at the beginning: ln(tokens) for each field, within a tenth."""
    events = _events(vocabulary, 0)
    hidden, _ = model(events[:, :-1])
    nats = model.nats(hidden, events[:, 1:], torch.ones(events.shape[1] - 1, dtype=torch.bool)[None])
    for k in model.predicted:
        said = nats[..., k] > 0
        if said.sum() > 10:
            assert nats[..., k][said].mean().item() == pytest.approx(math.log(vocabulary.sizes[k]), rel=0.15)


def test_the_future_does_not_change_the_past(model: MelodyLSTM, vocabulary: Vocabulary) -> None:
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


def test_the_whole_is_its_two_halves_with_carried_state(model: MelodyLSTM, vocabulary: Vocabulary) -> None:
    events = _events(vocabulary, 1)
    whole, _ = model(events)
    half = events.shape[1] // 2
    first, state = model(events[:, :half])
    second, _ = model(events[:, half:], state)
    assert torch.allclose(torch.cat([first, second], 1), whole, atol=1e-6)


def test_one_step_is_the_gate_equations(model: MelodyLSTM, vocabulary: Vocabulary) -> None:
    """Gers et al. 2000, written out, from a state that is not zero: the forget gate and the recurrent weights count."""
    events = _events(vocabulary, 2)[:, :1]
    weights = {name: value.detach().double().numpy() for name, value in model.state_dict().items()}
    rows = events[0, 0, : len(model.offsets)].numpy() + model.offsets.numpy()
    below = embedded = weights["embedding.weight"][rows].sum(0)
    h, c = torch.randn(2, SMALL.num_layers, 1, SMALL.hidden_size, generator=torch.Generator().manual_seed(1))
    seen, (h_after, c_after) = model(events, (h, c))

    def sigmoid(x: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-x))

    for layer in range(SMALL.num_layers):
        gates = weights[f"lstm.weight_ih_l{layer}"] @ below + weights[f"lstm.bias_ih_l{layer}"]
        gates += weights[f"lstm.weight_hh_l{layer}"] @ h[layer, 0].double().numpy() + weights[f"lstm.bias_hh_l{layer}"]
        into, forget, cell, out = np.split(gates, 4)
        memory = sigmoid(forget) * c[layer, 0].double().numpy() + sigmoid(into) * np.tanh(cell)
        below = sigmoid(out) * np.tanh(memory)
        assert np.allclose(c_after[layer, 0].detach(), memory, atol=1e-6)
        assert np.allclose(h_after[layer, 0].detach(), below, atol=1e-6)
    assert np.allclose(seen[0, 0].detach().numpy(), np.concatenate([below, embedded]), atol=1e-6)  # what the heads see


@pytest.mark.parametrize(("layers", "intervals"), [(1, "own"), (2, "parts"), (3, "none")])
def test_the_numpy_engine_gives_torchs_logits(vocabulary: Vocabulary, layers: int, intervals: Intervals) -> None:
    torch.manual_seed(layers)
    shape = ModelSettings(hidden_size=32, num_layers=layers, embedding_size=24, head_size=16, intervals=intervals)
    model = MelodyLSTM(vocabulary, shape).eval()
    engine = Engine(vocabulary, {name: value.numpy() for name, value in model.state_dict().items()})
    pair = torch.cat([_events(vocabulary, 12), _events(vocabulary, 13)])  # two streams at once
    hidden, _ = model(pair[:, :-1])
    expected = model.logits(hidden, pair[:, 1:])
    state = engine.begin(2)
    inputs = len(FIELDS) + len(feature_sizes(vocabulary))
    for t in range(pair.shape[1] - 1):
        top, state = engine.step(pair[:, t, :inputs].numpy(), state)
        trunks = engine.trunks(top)
        following = pair[:, t + 1].numpy()
        for k in engine.predicted:
            got = engine.logits(k, trunks, following[:, : len(FIELDS)], following[:, inputs:])
            assert np.abs(got - expected[k][:, t].detach().numpy()).max() < 1e-5


def test_what_is_left_out_in_training_is_the_same_throughout_a_window(vocabulary: Vocabulary) -> None:
    """Variational dropout: a cell is out at each step or at none; what is measured leaves nothing out."""
    torch.manual_seed(3)
    shape = ModelSettings(hidden_size=24, embedding_size=16, head_size=20, dropout=0.5)
    model, events = MelodyLSTM(vocabulary, shape), _events(vocabulary, 0)
    out = model(events)[0][0] == 0  # (time, cells)
    assert torch.equal(out.all(dim=0), out.any(dim=0))
    assert 0.2 < out.any(dim=0).float().mean() < 0.8
    assert not torch.any(model.eval()(events)[0] == 0)


@pytest.mark.parametrize("what", ["weight_dropout", "feature_dropout", "head_dropout"])
def test_each_dropout_leaves_out_in_training_alone(vocabulary: Vocabulary, what: str) -> None:
    torch.manual_seed(0)
    model = MelodyLSTM(
        vocabulary, ModelSettings(hidden_size=24, embedding_size=16, head_size=20, dropout=0.0, **{what: 0.5})
    )
    events = _events(vocabulary, 0)
    mask = torch.ones(1, events.shape[1] - 1, dtype=torch.bool)

    def nats() -> float:
        return float(model.nats(model(events[:, :-1])[0], events[:, 1:], mask).sum().detach())

    assert nats() != nats()
    model.eval()
    assert nats() == nats()


def test_the_place_in_the_bar_is_never_left_out(vocabulary: Vocabulary) -> None:
    """With everything left out that may be, events at the same place in the bar are the same to the LSTM, others are not."""
    torch.manual_seed(0)
    sizes = dict.fromkeys(("hidden_size", "embedding_size", "head_size"), 16)
    model = MelodyLSTM(vocabulary, ModelSettings(**sizes, dropout=0.0, feature_dropout=1.0))
    events = _events(vocabulary, 12)[0]
    where = spans(FEATURES, vocabulary)
    place = events[:, [len(FIELDS) + where[(name,)].start for name in ("position", "beat", "metre")]]
    embedded = model.embedding(events[:, : len(model.offsets)] + model.offsets)
    apart = (embedded[:, None] - embedded).abs().amax(dim=2) > 1e-6
    assert torch.equal(apart, (place[:, None] != place).any(dim=2))
    assert apart.any() and not apart.all()


def test_what_follows_the_end_of_a_piece_does_not_count(model: MelodyLSTM, vocabulary: Vocabulary) -> None:
    """A piece in a batch with a longer one has the loss it has alone."""
    rows = [vocabulary.encode(PIECES[n]) for n in (0, 12)]

    def total(pieces: list[np.ndarray], window: int) -> float:
        batches = Batches(vocabulary, pieces, BatchSettings(window=window), training=False)
        nats, state = 0.0, None
        for inputs, targets, mask, first in batches.epoch(0):
            before = None if first or state is None else tuple(s[:, : len(inputs)].contiguous() for s in state)
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
    model = MelodyLSTM(own, ModelSettings(hidden_size=64, num_layers=1, embedding_size=32, head_size=32, dropout=0.0))
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
    batches = Batches(vocabulary, rows, BatchSettings(batch_size=5, window=16), seed=3)
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
    batches = Batches(vocabulary, [vocabulary.encode(piece)], BatchSettings(window=1000), seed=0)
    legal = {t: with_features(vocabulary, vocabulary.encode(piece.transpose(t))) for t in range(-5, 7)}
    seen = set()
    for epoch in range(40):
        (window,) = batches.epoch(epoch)
        seen |= {t for t, events in legal.items() if np.array_equal(window.targets[0], events[1:])}
    assert len(seen) > 6


def test_match_dropout_leaves_out_all_of_the_match_and_nothing_else() -> None:
    """All that is read of matches is left out of about that share of the pieces, and nothing else of them."""
    piece = folk_tune(2, bars=32)
    vocabulary = Vocabulary.build([piece])
    rows, matched = (
        vocabulary.encode(piece),
        [number for number, c in enumerate(all_columns(vocabulary), len(FIELDS)) if c.row.is_match],
    )
    settings = BatchSettings(window=1000, transpositions=(0, 0), match_dropout=0.35)
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
        batches = Batches(vocabulary, Counted(rows), BatchSettings(batch_size=4, window=16), seed=3, training=training)
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
