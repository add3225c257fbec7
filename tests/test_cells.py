"""The laws of every cell: its published equations, the same step in torch, NumPy and ONNX, and the whole way to a tune."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
from averaging import Averaging
from conftest import small_corpus
from music import folk_songs, folk_tune, random_piece

from melody import export, modelfile
from melody.cli import main
from melody.dataset import BatchSettings, with_features
from melody.errors import ModelFileError
from melody.modelfile import ModelFile
from melody.network import AnyEngine, Engine, State
from melody.network.around import recognised
from melody.network.cells import CELLS, CellName, Sizes, folded, unrolling
from melody.network.cells.scan import scan
from melody.network.network import MelodyNetwork
from melody.network.settings import Intervals, ModelSettings, cell_of, weight_shapes
from melody.sampling import Model
from melody.tokens import FIELDS, Vocabulary
from melody.tokens.inputs.schema import feature_sizes
from melody.training.run import fit
from melody.training.settings import TrainingSettings

Array = np.ndarray
Arrays = dict[str, Array]
SMALL = ModelSettings(hidden_size=24, num_layers=2, embedding_size=16, head_size=20, dropout=0.0)
each_cell = pytest.mark.parametrize("name", list(CELLS))
AROUND = [
    "lstm+conv",
    "mingru+conv",
    "lstm+attention",
    "mingru+attention",
    "gru+conv+attention",
    "lstm+plain",
    "transformer+attention",
]
each_kind = pytest.mark.parametrize("name", [*CELLS, *AROUND])


def _shape(name: str, layers: int = 2) -> ModelSettings:
    """A small model of that cell, and of what stands around it."""
    cell, *around = name.split("+")
    shape = replace(SMALL, cell=cell, num_layers=layers, front="conv" if "conv" in around else "none")
    shape = replace(shape, attention=4 if "attention" in around else 0)
    return replace(shape, features="none", intervals="none") if "plain" in around else shape


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    """Of music in several parts."""
    pieces = [random_piece(n) for n in range(12)] + [folk_tune(n) for n in range(4)]
    return Vocabulary.build(pieces, transpositions=range(-5, 7))


def _model(vocabulary: Vocabulary, settings: ModelSettings) -> MelodyNetwork:
    torch.manual_seed(settings.num_layers)
    model = MelodyNetwork(vocabulary, settings).eval()
    with torch.no_grad():  # as training would: biases are not zero, and differ
        for name, parameter in model.recurrent.named_parameters():
            if "bias" in name or "peephole" in name or "position" in name:
                parameter.add_(torch.randn(parameter.shape), alpha=0.3)
    return model


def _file(vocabulary: Vocabulary, model: MelodyNetwork) -> ModelFile:
    return ModelFile({name: value.numpy() for name, value in model.state_dict().items()}, vocabulary, {}, name="untrained")


def _events(vocabulary: Vocabulary, numbers: range, length: int) -> torch.Tensor:
    """The beginnings of pieces with their features and conditions, (pieces, events, ...)."""
    rows = [with_features(vocabulary, vocabulary.encode(folk_tune(n)))[:length] for n in numbers]
    return torch.from_numpy(np.stack(rows))


def _state(model: MelodyNetwork, streams: int) -> tuple[dict[str, torch.Tensor], State]:
    """The state after three events, as torch carries it, and as engines do, all layers of an array in one block."""
    events = torch.zeros(streams, 3, len(model.offsets), dtype=torch.long)
    _, state = model(events + torch.arange(streams)[:, None, None] % 2)
    state = {name: array.detach() for name, array in state.items()}
    own, empty = {name: array.permute(0, 2, 1).numpy() for name, array in state.items()}, model.cell.begin(streams)
    return state, State({name: own[name] if empty[name].ndim > 2 else own[name].reshape(-1, streams) for name in own})


def _sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def _lstm(weights: Arrays, below: Array, state: Arrays) -> Arrays:
    """Hochreiter and Schmidhuber (1997) with the forget gate of Gers et al. (2000)."""
    gates = weights["weight_ih"] @ below + weights["bias_ih"] + weights["weight_hh"] @ state["h"] + weights["bias_hh"]
    into, forget, cell, out = np.split(gates, 4)
    c = _sigmoid(forget) * state["c"] + _sigmoid(into) * np.tanh(cell)
    return {"h": _sigmoid(out) * np.tanh(c), "c": c}


def _gru(weights: Arrays, below: Array, state: Arrays) -> Arrays:
    """Cho et al. (2014), the reset gate on the product with h."""
    reset_in, keep_in, new_in = np.split(weights["weight_ih"] @ below + weights["bias_ih"], 3)
    reset_h, keep_h, new_h = np.split(weights["weight_hh"] @ state["h"] + weights["bias_hh"], 3)
    reset, keep = _sigmoid(reset_in + reset_h), _sigmoid(keep_in + keep_h)
    return {"h": (1 - keep) * np.tanh(new_in + reset * new_h) + keep * state["h"]}


def _rnn(weights: Arrays, below: Array, state: Arrays) -> Arrays:
    """Elman (1990)."""
    taken = weights["weight_ih"] @ below + weights["bias_ih"]
    return {"h": np.tanh(taken + weights["weight_hh"] @ state["h"] + weights["bias_hh"])}


def _peephole(weights: Arrays, below: Array, state: Arrays) -> Arrays:
    """Gers et al. (2002): input and forget gate see the cell before, the output gate the new one."""
    sums = weights["weight_ih"] @ below + weights["weight_hh"] @ state["h"] + weights["bias"]
    into, forget, cell, out = np.split(sums, 4)
    of_into, of_forget, of_out = weights["peephole"]
    c = _sigmoid(forget + of_forget * state["c"]) * state["c"] + _sigmoid(into + of_into * state["c"]) * np.tanh(cell)
    return {"h": _sigmoid(out + of_out * c) * np.tanh(c), "c": c}


def _mingru(weights: Arrays, below: Array, state: Arrays) -> Arrays:
    """Feng et al. (2024), section 3.1."""
    gate, new = np.split(weights["weight_ih"] @ below + weights["bias"], 2)
    return {"h": (1 - _sigmoid(gate)) * state["h"] + _sigmoid(gate) * new}


def _minlstm(weights: Arrays, below: Array, state: Arrays) -> Arrays:
    """Feng et al. (2024), section 3.2, both gates divided by their sum."""
    forget, into, new = np.split(weights["weight_ih"] @ below + weights["bias"], 3)
    forget, into = _sigmoid(forget), _sigmoid(into)
    return {"h": forget / (forget + into) * state["h"] + into / (forget + into) * new}


def _slstm(weights: Arrays, below: Array, state: Arrays) -> Arrays:
    """Beck et al. (2024), equations 8 to 17 with a sigmoid for the forget gate."""
    sums = weights["weight_ih"] @ below + weights["weight_hh"] @ state["h"] + weights["bias"]
    into, forget, new, out = np.split(sums, 4)
    m = np.maximum(np.log(_sigmoid(forget)) + state["m"], into)
    into, forget = np.exp(into - m), np.exp(np.log(_sigmoid(forget)) + state["m"] - m)
    c, n = forget * state["c"] + into * np.tanh(new), forget * state["n"] + into
    return {"h": _sigmoid(out) * c / n, "c": c, "n": n, "m": m}


EQUATIONS: dict[str, Callable[[Arrays, Array, Arrays], Arrays]] = {
    "lstm": _lstm,
    "gru": _gru,
    "rnn": _rnn,
    "peephole": _peephole,
    "mingru": _mingru,
    "minlstm": _minlstm,
    "slstm": _slstm,
}


def test_every_cell_has_its_row_its_name_and_its_equations() -> None:
    assert tuple(CELLS) == get_args(CellName)
    assert {*EQUATIONS, "transformer"} == set(CELLS)  # that one's are in tests/test_around.py


@pytest.mark.parametrize("name", list(EQUATIONS))
def test_one_step_is_the_published_equations(vocabulary: Vocabulary, name: CellName) -> None:
    """Written out, from a state that is not zero, so that the recurrent weights and every gate count; output h on top."""
    model = _model(vocabulary, replace(SMALL, cell=name))
    weights = {key: value.detach().double().numpy() for key, value in model.state_dict().items()}
    events, (before, _) = _events(vocabulary, range(1), 1), _state(model, 1)
    seen, after = model(events, before)
    below = embedded = weights["embedding.weight"][(events[0, 0, : len(model.offsets)] + model.offsets).numpy()].sum(0)
    for layer in range(SMALL.num_layers):
        end = f"_l{layer}"
        own = {key[len(name) + 1 : -len(end)]: weights[key] for key in weights if key.startswith(name) and key.endswith(end)}
        found = EQUATIONS[name](own, below, {key: array[layer, 0].double().numpy() for key, array in before.items()})
        assert set(found) == set(after)
        for key, array in found.items():
            assert np.allclose(after[key][layer, 0].detach(), array, atol=1e-6)
        below = found["h"]
    assert np.allclose(seen[0, 0].detach(), np.concatenate([below, embedded]), atol=1e-6)


@each_kind
@pytest.mark.parametrize(("layers", "intervals"), [(1, "own"), (2, "parts"), (3, "none")])
def test_a_model_file_knows_the_weights_that_torch_has(
    vocabulary: Vocabulary, name: str, layers: int, intervals: Intervals
) -> None:
    settings = replace(_shape(name, layers), intervals=intervals)
    shapes = {key: tuple(value.shape) for key, value in MelodyNetwork(vocabulary, settings).state_dict().items()}
    assert shapes == weight_shapes(vocabulary, settings)
    cell, own = recognised({key: np.zeros(shape, np.float32) for key, shape in shapes.items()})
    assert type(cell) is type(cell_of(settings)) and cell.sizes == Sizes(16, 24, layers)
    assert {key: array.shape for key, array in own.items()} == cell.shapes()


@each_cell
def test_recurrent_weights_begin_orthogonal(vocabulary: Vocabulary, name: CellName) -> None:
    hidden = SMALL.hidden_size
    module = MelodyNetwork(vocabulary, replace(SMALL, cell=name)).recurrent
    found = [weights for key, weights in module.named_parameters() if key.startswith("weight_hh")]
    assert len(found) == (0 if name in ("mingru", "minlstm", "transformer") else SMALL.num_layers)
    for block in (block for weights in found for block in weights.split(hidden)):
        assert torch.allclose(block @ block.T, torch.eye(hidden), atol=1e-5)


@pytest.mark.parametrize("name", ["lstm", "peephole", "slstm"])
def test_forget_gates_begin_open(vocabulary: Vocabulary, name: CellName) -> None:
    hidden, module = SMALL.hidden_size, MelodyNetwork(vocabulary, replace(SMALL, cell=name)).recurrent
    biases = [parameter.detach() for key, parameter in module.named_parameters() if key.startswith("bias")]
    whole = torch.cat(biases).view(SMALL.num_layers, -1, 4 * hidden).sum(dim=1)
    assert torch.equal(whole, torch.cat([torch.zeros(hidden), torch.ones(hidden), torch.zeros(2 * hidden)]).expand(2, -1))


def _of_peephole(sums: torch.Tensor, state: torch.Tensor, seen: torch.Tensor) -> tuple[torch.Tensor, ...]:
    into, forget, cell, out = sums.chunk(4, dim=-1)
    before = state[0]
    c = torch.sigmoid(forget + seen[1] * before) * before + torch.sigmoid(into + seen[0] * before) * torch.tanh(cell)
    return torch.sigmoid(out + seen[2] * c) * torch.tanh(c), c


def _of_slstm(sums: torch.Tensor, state: torch.Tensor, seen: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Without the stabiliser, which changes nothing."""
    into, forget, new, out = sums.chunk(4, dim=-1)
    c = torch.sigmoid(forget) * state[0] + torch.exp(into) * torch.tanh(new)
    n = torch.sigmoid(forget) * state[1] + torch.exp(into)
    return torch.sigmoid(out) * c / n, c, n


@pytest.mark.parametrize("name", ["peephole", "slstm"])
def test_the_gradient_of_a_window_is_that_of_its_equations(name: str) -> None:
    """Ours, event by event backwards, and autograd's of the equations, for weights, inputs and the state before."""
    torch.manual_seed(1)
    events, streams, size = 5, 3, 4
    taken, recurrent = torch.randn(events, streams, 4 * size).double(), torch.randn(4 * size, size).double()
    seen, h = torch.randn(3, size).double(), torch.randn(streams, size).double()
    state = torch.rand(1 + (name == "slstm"), streams, size).double() + 0.1
    given = [each.requires_grad_() for each in (taken, recurrent, seen, h, state)]

    def expected() -> tuple[torch.Tensor, ...]:
        now, rest, outputs = h, tuple(state), []
        for t in range(events):
            step = _of_peephole if name == "peephole" else _of_slstm
            now, *after = step(taken[t] + now @ recurrent.T, torch.stack(rest), seen)
            rest = tuple(after)
            outputs.append(now)
        return torch.stack(outputs), *rest

    def found() -> tuple[torch.Tensor, ...]:
        if name == "peephole":
            return unrolling.peephole_window(taken, recurrent, seen, h, state[0])
        zero = torch.zeros_like(h)
        outputs, c, n, m = unrolling.slstm_window(taken, recurrent, [h, *state, zero], 1e-30)
        return outputs, c * m.exp(), n * m.exp()

    directions = [torch.randn(events, streams, size).double(), *torch.randn(len(state), streams, size).double()]
    results = []
    for values in (expected(), found()):
        used = values if name == "peephole" else values[:1]  # a state goes on without its gradient
        whole = sum((value * direction).sum() for value, direction in zip(used, directions))
        results.append((values, torch.autograd.grad(whole, given, allow_unused=True)))
    (values, gradients), (others, other_gradients) = results
    assert all(torch.allclose(one, other) for one, other in zip(values, others))
    for one, other in zip(gradients, other_gradients):
        assert (one is None) == (other is None) and (one is None or torch.allclose(one, other))


@pytest.mark.parametrize("events", [1, 2, 7, 64])
def test_a_scan_is_its_steps_one_after_the_other(events: int) -> None:
    """And its gradient is theirs."""
    torch.manual_seed(events)
    keep, new = torch.rand(3, events, 5).double(), torch.randn(3, events, 5).double()
    given = [each.requires_grad_() for each in (keep, new, torch.randn(3, 5).double())]
    h, steps = given[2], []
    for t in range(events):
        h = keep[:, t] * h + new[:, t]
        steps.append(h)
    expected, found, direction = torch.stack(steps, dim=1), scan(keep, new, given[2]), torch.randn(3, events, 5).double()
    assert torch.allclose(found, expected)
    for one, other in zip(*(torch.autograd.grad((each * direction).sum(), given) for each in (expected, found))):
        assert torch.allclose(one, other)


@each_kind
def test_two_halves_with_the_carried_state_are_the_whole(vocabulary: Vocabulary, name: str) -> None:
    model, events = _model(vocabulary, _shape(name)), _events(vocabulary, range(3), 21)
    whole, end = model(events)
    first, state = model(events[:, :8])
    second, after = model(events[:, 8:], state)
    assert torch.allclose(torch.cat([first, second], dim=1), whole, atol=1e-5)
    assert all(torch.allclose(after[key], end[key], atol=1e-5) for key in end)


@each_kind
def test_the_last_event_teaches_from_the_first(vocabulary: Vocabulary, name: str) -> None:
    """The gradient reaches every weight of the cell, and the embedding of the first of 20 events."""
    model = MelodyNetwork(vocabulary, _shape(name))
    events = _events(vocabulary, range(1), 20)
    embedded = model.embedding(events[0, :, : len(model.offsets)] + model.offsets)[None].detach().requires_grad_()
    output, _ = model.cell.unroll(model.recurrent, embedded, None, 0.0)
    torch.autograd.backward(output[0, -1] @ torch.arange(1.0, 1 + output.shape[2]))
    assert embedded.grad is not None and torch.isfinite(embedded.grad).all() and embedded.grad[0, 0].abs().max() > 1e-9
    for key, weights in model.recurrent.named_parameters():
        assert weights.grad is not None and weights.grad.abs().max() > 1e-9, key


def _engines(file: ModelFile) -> dict[str, AnyEngine]:
    return {"numpy": Engine(file.vocabulary, file.weights), "onnx": export.engine(file), "int8": export.engine(file, "int8")}


BOUND = {"numpy": 1e-5, "onnx": 1e-5, "int8": 0.2}  # how far from torch's


@each_kind
@pytest.mark.parametrize(("layers", "streams"), [(1, 2), (1, 13), (2, 1), (3, 5)])
def test_torch_numpy_and_onnx_take_the_same_steps(vocabulary: Vocabulary, name: str, layers: int, streams: int) -> None:
    """From a state that is not zero; alone, two, a few and many streams, which NumPy computes each in another way."""
    model = _model(vocabulary, _shape(name, layers))
    events, (of_torch, of_engines) = _events(vocabulary, range(streams), 32)[:, 24:], _state(model, streams)
    assert events[..., len(FIELDS) + len(feature_sizes(vocabulary))].any()  # something is repeated there
    hidden, after = model(events[:, :-1], of_torch)
    expected, width = model.logits(hidden, events[:, 1:]), len(FIELDS) + len(feature_sizes(vocabulary))
    for kind, engine in _engines(_file(vocabulary, model)).items():
        state = of_engines
        for t, (now, then) in enumerate(pairwise(events.numpy().swapaxes(0, 1))):
            seen, state = engine.step(now[:, :width], state)
            assert np.abs(seen - hidden[:, t].detach().numpy()).max() < BOUND[kind]
            trunks = engine.head_layers(seen)
            for k in engine.predicted:
                logits = engine.logits(k, trunks, then[:, : len(FIELDS)], then[:, width:])
                assert np.abs(logits - expected[k][:, t].detach().numpy()).max() < BOUND[kind]
        for key, array in after.items():
            found = state[key].reshape(len(array), -1, streams)
            assert np.abs(found - array.detach().permute(0, 2, 1).numpy()).max() < BOUND[kind]


@pytest.mark.parametrize("name", list(EQUATIONS))
@pytest.mark.parametrize("streams", [1, 2, 5])
def test_an_engine_without_its_table_gives_the_same_numbers(
    vocabulary: Vocabulary, name: CellName, streams: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = _model(vocabulary, replace(SMALL, cell=name))
    file, (_, state) = _file(vocabulary, model), _state(model, streams)
    event = _events(vocabulary, range(streams), 2)[:, 1, : len(model.offsets)].numpy()
    seen, after = Engine(vocabulary, file.weights).step(event, state)
    monkeypatch.setattr(folded, "_MAX_TABLE", 0)
    monkeypatch.delattr(folded.Inputs, "_table")
    other, other_after = Engine(vocabulary, file.weights).step(event, state)
    assert np.allclose(seen, other, atol=1e-5)
    assert all(np.allclose(after[key], other_after[key], atol=1e-5) for key in after)


@each_kind
@pytest.mark.parametrize("kind", BOUND)
def test_other_streams_are_not_affected(vocabulary: Vocabulary, name: str, kind: str) -> None:
    """What a stream's numbers are does not depend on who is beside it; a step changes no state that was given out."""
    model = _model(vocabulary, _shape(name))
    engine, (_, state) = _engines(_file(vocabulary, model))[kind], _state(model, 14)
    event = _events(vocabulary, range(14), 2)[:, 1, : len(FIELDS) + len(feature_sizes(vocabulary))].numpy()
    kept = state.copy()
    seen, after = engine.step(event, state)
    assert all(np.array_equal(state[key], kept[key]) for key in state)
    for streams in ([3], [5, 0], [1, 2, 3, 13]):
        few, few_after = engine.step(event[streams], state.take(np.array(streams)))
        assert np.allclose(few, seen[streams], atol=1e-5)
        assert all(np.allclose(few_after[key], after[key][..., streams], atol=1e-5) for key in after)


@each_cell
def test_weights_of_no_cell_are_refused(vocabulary: Vocabulary, name: CellName) -> None:
    weights = _file(vocabulary, MelodyNetwork(vocabulary, replace(SMALL, cell=name))).weights
    others = {key: array for key, array in weights.items() if not key.startswith(f"{name}.")}
    with pytest.raises(ModelFileError, match="of no cell that is known here"):
        Engine(vocabulary, others)


def test_a_file_that_names_another_cell_than_it_holds_is_refused(vocabulary: Vocabulary, tmp_path: Path) -> None:
    file = _file(vocabulary, MelodyNetwork(vocabulary, SMALL))
    settings = {"hidden_size": 24, "num_layers": 2, "embedding_size": 16, "head_size": 20}
    replace(file, settings=settings).save(tmp_path / "a.safetensors")
    assert modelfile.load(tmp_path / "a.safetensors").weights.keys() == file.weights.keys()  # of no cell: an LSTM
    replace(file, settings=settings | {"cell": "gru"}).save(tmp_path / "b.safetensors")
    with pytest.raises(ModelFileError, match="its settings and its vocabulary ask for: 'gru"):
        modelfile.load(tmp_path / "b.safetensors")
    replace(file, settings=settings | {"cell": "perceptron"}).save(tmp_path / "c.safetensors")
    with pytest.raises(ModelFileError, match="cell = 'perceptron'; it must be one of lstm, gru, rnn"):
        modelfile.load(tmp_path / "c.safetensors")


@each_kind
def test_a_few_events_are_learnt_by_heart(vocabulary: Vocabulary, name: str) -> None:
    """And all of the cell takes part: the heads alone, which see where an event stands, would learn so few without it."""
    model, events = MelodyNetwork(vocabulary, _shape(name)), _events(vocabulary, range(4), 12)
    mask, optimizer = torch.ones(4, 11, dtype=torch.bool), torch.optim.Adam(model.parameters(), 5e-2)
    before = {key: weights.clone() for key, weights in model.recurrent.state_dict().items()}
    losses = []
    for _ in range(16):
        optimizer.zero_grad()
        loss = model.nats(model(events[:, :-1])[0], events[:, 1:], mask).mean()
        torch.autograd.backward(loss)
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.3 * losses[0]
    assert [key for key, weights in model.recurrent.state_dict().items() if weights.equal(before[key])] == []


@pytest.mark.parametrize("name", ["gru", "minlstm"])  # an LSTM does so in most other tests
def test_a_small_model_learns_writes_within_limits_and_is_exported(name: CellName, tmp_path: Path) -> None:
    """From a few tunes to a file that ONNX Runtime runs; the file names its cell."""
    corpus, path = small_corpus(40), tmp_path / "tiny.safetensors"
    shape = ModelSettings(hidden_size=32, num_layers=1, embedding_size=32, head_size=32, dropout=0.0, cell=name)
    settings = TrainingSettings(epochs=6, model=shape, batch=BatchSettings(batch_size=4), learning_rate=1e-2, samples=0)
    result = fit(corpus, path, settings)
    assert result.cell == name and result.test < 0.8 * result.unigram
    file = modelfile.load(path)
    assert file.settings["cell"] == name and f"{name}.weight_ih_l0" in file.weights
    tune = Model(file).generate(bars=4, key="G", max_leap=4, seed=3)
    assert tune.num_bars == 4 and tune.num_notes > 4 and np.abs(np.diff(tune.pitch)).max() <= 4
    assert not {pitch % 12 for pitch in tune.pitch.tolist()} & {1, 3, 5, 8, 10}
    assert Model(file).generate(bars=4, key="G", max_leap=4, seed=3) == tune
    pieces = corpus.rows("test")
    cost = {kind: export.nats_per_note(file.vocabulary, engine, pieces) for kind, engine in _engines(file).items()}
    assert cost["numpy"] == pytest.approx(result.test, abs=1e-4)
    assert cost["onnx"] == pytest.approx(cost["numpy"], abs=1e-5)
    assert cost["int8"] == pytest.approx(cost["numpy"], abs=0.02)


def test_the_command_line_trains_lists_measures_and_adapts_another_cell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    folk_songs(Path("songs"), 12)
    assert main(["train", "songs", "--cell", "gru", "--hidden-size", "16", "--layers", "1", "--epochs", "1"]) == 0
    shown = capsys.readouterr().err
    assert "plan: GRU 1 x 16, " in shown and re.search(r"^ *GRU +[0-9.]+ +[0-9.]+$", shown, re.MULTILINE)
    assert main(["models"]) == 0 and "GRU 1 x 16" in capsys.readouterr().out
    assert main(["evaluate", "songs", "songs", "--split", "all"]) == 0
    assert re.search(r"^ *GRU +[0-9.]+ ", capsys.readouterr().out, re.MULTILINE)
    adapting = ["train", "songs", "--from", "songs", "--epochs", "1", "--samples", "0", "--out", "b.safetensors"]
    assert main([*adapting, "--cell", "lstm"]) == 2 and "leave out --cell" in capsys.readouterr().err
    assert main(adapting) == 0 and modelfile.load("b.safetensors").settings["cell"] == "gru"
    assert main(["train", "songs", "--plan", "--cell", "elman"]) == 2
    assert "'lstm', 'gru'" in capsys.readouterr().err


@pytest.mark.parametrize("streams", [1, 13])
def test_a_new_cell_is_a_file_and_a_row(vocabulary: Vocabulary, streams: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """One whose state grows, and that nothing else knows of, keeps the laws: those above, as they are."""
    new: Any = "averaging"
    monkeypatch.setitem(CELLS, new, Averaging)
    test_a_model_file_knows_the_weights_that_torch_has(vocabulary, new, 1, "own")
    test_the_last_event_teaches_from_the_first(vocabulary, new)
    test_torch_numpy_and_onnx_take_the_same_steps(vocabulary, new, 1, streams)
    for kind in BOUND:
        test_other_streams_are_not_affected(vocabulary, new, kind)


@pytest.mark.parametrize("kind", ["numpy", "onnx"])
@pytest.mark.parametrize("name", ["averaging", "transformer", "lstm+attention"])
def test_streams_of_different_ages_go_on_together(
    vocabulary: Vocabulary, name: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that joins later is what it is alone, though its state is padded."""
    new: Any = "averaging"
    monkeypatch.setitem(CELLS, new, Averaging)
    model = _model(vocabulary, _shape(name, 1))
    engine, (_, old), young = _engines(_file(vocabulary, model))[kind], _state(model, 2), model.cell.begin(1)
    event = _events(vocabulary, range(3), 2)[:, 1, : len(model.offsets)].numpy()
    together, after = engine.step(event, old.join(young))
    alone, _ = engine.step(event[2:], young)
    assert name == "lstm+attention" or after["past"].shape[::2] == (4, 3)
    assert np.allclose(together[2:], alone, atol=1e-6)
    assert np.allclose(together[:2], engine.step(event[:2], old)[0], atol=1e-6)
