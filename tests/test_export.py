"""An exported file runs in ONNX Runtime alone and gives our logits."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from music import folk_tune, random_piece

from melody import export, modelfile
from melody.cli import main
from melody.errors import ModelFileError
from melody.modelfile import ModelFile
from melody.network import Engine
from melody.tokens import Vocabulary
from melody.tokens.inputs.features import context, outline_of
from melody.tokens.vocabulary import FIELDS

BOUND = {"onnx": 1e-5, "int8": 0.2}  # how far logits may be from NumPy's; those of the trained model span about 20


@pytest.fixture(scope="module")
def file(trained: Path) -> ModelFile:
    return modelfile.load(trained)


@pytest.fixture(scope="module")
def several() -> ModelFile:
    """A model of music in several parts, which the value's head tells apart; it has learned nothing."""
    import torch

    from melody.network.network import MelodyNetwork
    from melody.network.settings import ModelSettings

    vocabulary = Vocabulary.build([random_piece(n) for n in range(12)])
    torch.manual_seed(0)
    model = MelodyNetwork(vocabulary, ModelSettings(hidden_size=24, num_layers=3, embedding_size=16, head_size=20)).eval()
    return ModelFile({name: value.numpy() for name, value in model.state_dict().items()}, vocabulary, {})


class Alone:
    """An exported file as a program without this package would run it, by its inputs' names and shapes."""

    def __init__(self, data: bytes) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        self.inputs = {taken.name: taken for taken in self.session.get_inputs()}
        self.texts = self.session.get_modelmeta().custom_metadata_map

    def empty(self, name: str, streams: int) -> np.ndarray:
        kind = np.int64 if "int64" in self.inputs[name].type else np.float32
        return np.zeros((streams, self.inputs[name].shape[1]), kind)

    def run(self, **given: np.ndarray) -> dict[str, Any]:
        """Everything the file gives; inputs that are not given get no streams."""
        wanted = {name: given.get(name, self.empty(name, 0)) for name in self.inputs}
        names = [made.name for made in self.session.get_outputs()]
        return dict(zip(names, self.session.run(names, wanted)))


@pytest.mark.parametrize("form", ["onnx", "int8"])
@pytest.mark.parametrize("streams", [1, 5])
@pytest.mark.parametrize("parts", ["one", "several"])
def test_the_exported_file_gives_our_logits(
    file: ModelFile, several: ModelFile, form: export.Form, streams: int, parts: str
) -> None:
    file, tune = (file, folk_tune) if parts == "one" else (several, random_piece)
    alone, engine, vocabulary = Alone(export.to_onnx(file, form)), Engine(file.vocabulary, file.weights), file.vocabulary
    rows = [vocabulary.encode(tune(n)) for n in range(streams)]
    shortest = min(20, *map(len, rows))
    known = np.stack(
        [np.concatenate([r, context(vocabulary, r, outline_of(vocabulary, r))], axis=1)[:shortest] for r in rows], axis=1
    )
    width = alone.inputs["event"].shape[1]
    event, h, c = (alone.empty(name, streams) for name in ("event", "h", "c"))
    state = engine.begin(streams)
    for now in known:
        made = alone.run(event=event, h=h, c=c)
        h, c = made["h_next"], made["c_next"]
        hidden, state = engine.step(event, state)
        trunks = engine.head_layers(hidden)
        chosen, conditions = now[:, : len(FIELDS)], now[:, width:]
        logits = alone.run(trunks=made["trunks_next"], chosen=chosen, conditions=conditions)
        for k in engine.predicted:
            ours = engine.logits(k, trunks, chosen, conditions)
            assert logits[FIELDS[k]].shape == ours.shape
            assert np.abs(logits[FIELDS[k]] - ours).max() < BOUND[form]
        event = now[:, :width]


def test_a_field_sees_only_what_is_chosen_before_it(file: ModelFile) -> None:
    alone = Alone(export.to_onnx(file))
    rng = np.random.default_rng(0)
    trunks = rng.standard_normal((1, alone.inputs["trunks"].shape[1])).astype(np.float32)
    given = {"trunks": trunks, "conditions": alone.empty("conditions", 1), "chosen": alone.empty("chosen", 1)}
    before = alone.run(**given)
    for k, size in enumerate(file.vocabulary.sizes):
        changed = given["chosen"].copy()
        changed[0, k] = size - 1
        after = alone.run(**(given | {"chosen": changed}))
        for name in FIELDS[: k + 1]:
            assert name not in before or np.array_equal(before[name], after[name])


def test_weights_of_8_bits_take_a_quarter(file: ModelFile) -> None:
    """Of the weights' bytes; the description of the model and the graph come on top."""
    sizes = {form: len(export.to_onnx(file, form)) - _described(export.to_onnx(file, form)) for form in ("onnx", "int8")}
    assert sizes["onnx"] < 1.1 * export.bytes_in_full(file)
    assert sizes["int8"] < 0.35 * export.bytes_in_full(file)  # this model is small: scales and biases of 32 bits weigh


def _described(data: bytes) -> int:
    """Bytes of all but the weights."""
    model = onnx.load_from_string(data)
    del model.graph.initializer[:]
    return model.ByteSize()


def test_the_file_tells_how_it_is_used(file: ModelFile) -> None:
    texts = Alone(export.to_onnx(file, "int8")).texts
    assert Vocabulary.from_dict(json.loads(texts["vocabulary"])) == file.vocabulary
    assert texts["fingerprint"] == file.fingerprint and texts["form"] == "int8"
    assert "h_next" in texts["usage"] and "trunks_next" in texts["usage"]


def test_weights_are_rounded_to_half_a_step_of_their_own_row() -> None:
    from melody.network.graph import quantise

    rows = np.random.default_rng(0).standard_normal((50, 30)).astype(np.float32) * np.logspace(-3, 3, 50)[:, None]
    rows = np.concatenate([rows, np.zeros((1, 30))]).astype(np.float32)
    small, scale = quantise(rows)
    assert small.dtype == np.int8 and np.abs(small[:-1]).max(axis=1).min() == 127
    assert (np.abs(small * scale[:, None] - rows) <= 0.5001 * scale[:, None]).all()


def test_no_processor_can_overflow() -> None:
    """The largest sum of two products of what is multiplied fits 16 bits with its sign, as some processors add them up."""
    from melody.network.graph import STEPS, ZERO

    assert 2 * (ZERO + STEPS) * 127 < 2**15


@pytest.mark.parametrize("form", ["onnx", "int8"])
def test_the_command_writes_the_file_and_tells_the_cost(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], form: str
) -> None:
    out = tmp_path / "rules.onnx"
    assert main(["export", str(trained), "--to", form, "--out", str(out)]) == 0
    shown = capsys.readouterr()
    assert shown.out == f"{out}\n" and "nats per note" in shown.err
    onnx.checker.check_model(onnx.load(out), full_check=True)


def test_another_suffix_is_refused(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", str(trained), "--out", str(tmp_path / "rules.bin")]) == 2
    assert "ends in .onnx" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_what_is_no_onnx_file_is_refused(file: ModelFile) -> None:
    from melody.network import OnnxEngine

    with pytest.raises(ModelFileError, match="cannot run"):
        OnnxEngine(file.vocabulary, file.weights, b"MThd")


def test_without_the_extra_the_command_says_what_to_install(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for library in ("onnx", "onnxruntime"):
        monkeypatch.setitem(__import__("sys").modules, library, None)
        assert main(["export", str(trained), "--out", str(tmp_path / "rules.onnx")]) == 2
        assert f"'{library}>=1" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
