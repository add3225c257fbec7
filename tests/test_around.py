"""What looks back by itself, by its equations: a convolution before a cell, an attention after it, a transformer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from music import folk_tune

from melody import modelfile
from melody.dataset import with_features
from melody.errors import ModelFileError, TrainingError
from melody.modelfile import ModelFile
from melody.network.cells import transformer
from melody.network.network import MelodyNetwork
from melody.network.settings import ModelSettings, cell_of
from melody.tokens import FIELDS, Vocabulary
from melody.training.settings import TrainingSettings

Array = np.ndarray
SHAPE = ModelSettings(hidden_size=24, num_layers=2, embedding_size=16, head_size=20, dropout=0.0)
EVENTS, STREAMS = 9, 2


def _unrolled(settings: ModelSettings) -> tuple[dict[str, Array], Array, Array]:
    """Weights by name, inputs (streams, events, embedding) and the output of each event, in 64 bits."""
    torch.manual_seed(4)
    cell = cell_of(settings)
    module = cell.module(0.0)
    cell.initialise(module)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.randn(parameter.shape), alpha=0.2)
    inputs = torch.randn(STREAMS, EVENTS, settings.embedding_size)
    output, _ = cell.unroll(module.eval(), inputs, None, 0.0)
    weights = {name: value.double().numpy() for name, value in module.state_dict().items()}
    return weights, inputs.double().numpy(), output.detach().double().numpy()


def _inner(settings: ModelSettings, weights: dict[str, Array], inputs: Array) -> Array:
    """What the cell alone gives."""
    plain = replace(settings, front="none", attention=0)
    cell = cell_of(plain)
    module = cell.module(0.0)
    module.load_state_dict({name: torch.from_numpy(weights[name]).float() for name in module.state_dict()})
    return cell.unroll(module.eval(), torch.from_numpy(inputs).float(), None, 0.0)[0].detach().double().numpy()


def _softmax(scores: Array) -> Array:
    shares = np.exp(scores - scores.max())
    return shares / shares.sum()


def test_a_convolution_sees_the_last_events_and_no_other() -> None:
    settings = replace(SHAPE, front="conv")
    weights, inputs, output = _unrolled(settings)
    kernel, bias = weights["front.weight"], weights["front.bias"]
    taken = inputs.copy()
    for t in range(EVENTS):
        found = bias + sum(inputs[:, t - k] @ kernel[:, :, -1 - k].T for k in range(kernel.shape[2]) if t >= k)
        taken[:, t] += np.maximum(found, 0)
    assert np.allclose(_inner(settings, weights, taken), output, atol=1e-5)


def test_attention_is_a_mean_of_the_last_outputs() -> None:
    settings = replace(SHAPE, attention=3)
    weights, inputs, output = _unrolled(settings)
    hidden = _inner(settings, weights, inputs)
    for stream in range(STREAMS):
        for t in range(EVENTS):
            seen = range(max(t - 2, 0), t + 1)
            now = hidden[stream, t]
            scores = [
                now @ weights["attention.score"] @ hidden[stream, s] + weights["attention.position"][t - s] for s in seen
            ]
            mean = _softmax(np.array(scores)) @ hidden[stream, list(seen)]
            expected = np.tanh(weights["attention.combine"] @ np.concatenate([mean, now]) + weights["attention.bias"])
            assert np.allclose(output[stream, t], expected, atol=1e-5)


def _norm(x: Array, scale: Array, bias: Array) -> Array:
    return (x - x.mean()) / np.sqrt(x.var() + 1e-5) * scale + bias


def test_a_transformer_is_its_equations(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two heads, which see four events each."""
    monkeypatch.setattr(transformer, "CONTEXT", 4)
    weights, inputs, output = _unrolled(replace(SHAPE, cell="transformer"))
    width = 24 // transformer.heads_of(24)
    assert width == 12
    for stream in range(STREAMS):
        x = [weights["into"] @ e + weights["into_bias"] for e in inputs[stream]]
        for layer in range(2):
            own = {name.removesuffix(f"_l{layer}"): array for name, array in weights.items() if name.endswith(f"_l{layer}")}
            normed = [_norm(each, own["norm_one"], own["norm_one_bias"]) for each in x]
            queries = [own["queries"] @ each + own["queries_bias"] for each in normed]
            keys, values = [own["keys"] @ e for e in normed], [own["values"] @ e + own["values_bias"] for e in normed]
            for t in range(EVENTS):
                found, seen = [], range(max(t - 3, 0), t + 1)
                for head in range(24 // width):
                    part = slice(head * width, (head + 1) * width)
                    scores = [
                        queries[t][part] @ keys[s][part] / width**0.5 + own["distance_bias"][head, t - s] for s in seen
                    ]
                    found.append(_softmax(np.array(scores)) @ np.array([values[s][part] for s in seen]))
                x[t] = x[t] + own["project"] @ np.concatenate(found) + own["project_bias"]
                between = np.maximum(own["up"] @ _norm(x[t], own["norm_two"], own["norm_two_bias"]) + own["up_bias"], 0)
                x[t] = x[t] + own["down"] @ between + own["down_bias"]
        expected = np.array([_norm(each, weights["norm"], weights["norm_bias"]) for each in x])
        assert np.allclose(output[stream], expected, atol=1e-4)


@pytest.mark.parametrize(("span", "around"), [(4, {}), (256, {}), (4, {"front": "conv", "attention": 3})], ids=str)
def test_a_transformer_remembers_as_much_as_it_sees(span: int, around: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    """The step in NumPy, over more events than the context, gives what a whole window gives; its state stops growing."""
    monkeypatch.setattr(transformer, "CONTEXT", span)
    torch.manual_seed(1)
    cell = cell_of(replace(SHAPE, cell="transformer", **around))
    module = cell.module(0.0)
    cell.initialise(module)
    inputs = torch.randn(3, 11, 16)
    expected, _ = cell.unroll(module.eval(), inputs, None, 0.0)
    weights = {name: value.numpy() for name, value in module.state_dict().items()}
    step, state = cell.step(np.zeros((1, 16), np.float32), weights, 1), cell.begin(3)
    for t in range(11):
        output, state = step.of_inputs(inputs[:, t].numpy().T, state)
        assert np.allclose(output.T, expected[:, t].detach(), atol=1e-4)
    assert len(state["past"]) == min(11, span - 1)


def test_a_plain_network_reads_nothing_but_notes() -> None:
    """Whatever features and conditions say, its numbers are the same; and it has no weights for them."""
    vocabulary = Vocabulary.build([folk_tune(n) for n in range(4)])
    torch.manual_seed(0)
    model = MelodyNetwork(vocabulary, replace(SHAPE, features="none", intervals="none")).eval()
    events = torch.from_numpy(with_features(vocabulary, vocabulary.encode(folk_tune(1)))[:30])[None]
    others = events.clone()
    others[..., len(FIELDS) :] = 0
    (hidden, _), (other, _) = model(events[:, :-1]), model(others[:, :-1])
    assert torch.equal(hidden, other)
    for one, two in zip(model.logits(hidden, events[:, 1:]).values(), model.logits(other, others[:, 1:]).values()):
        assert torch.equal(one, two)
    assert len(model.embedding.weight) == sum(vocabulary.sizes)


@pytest.mark.parametrize("wrong", [{"attention": 1}, {"attention": 2000}, {"front": "dense"}, {"features": "some"}], ids=str)
def test_what_cannot_stand_around_a_cell_is_refused(wrong: dict, tmp_path) -> None:
    with pytest.raises(TrainingError, match="it must be"):
        TrainingSettings(**wrong)
    vocabulary = Vocabulary.build([folk_tune(1)])
    ModelFile({}, vocabulary, wrong).save(tmp_path / "a.safetensors")
    with pytest.raises(ModelFileError, match=f"its settings have {next(iter(wrong))} = .*; it must be"):
        modelfile.load(tmp_path / "a.safetensors")
