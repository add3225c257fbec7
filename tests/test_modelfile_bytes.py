"""A model file to the byte: what its checksum is of, the bounds of its weights, and the lines that refuse it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from music import folk_tune
from safetensors.numpy import save
from untrained import SMALL, untrained

from melody import modelfile
from melody.errors import ModelFileError
from melody.modelfile import FORMAT, ModelFile
from melody.tokens import Vocabulary


@pytest.fixture(scope="module")
def file() -> ModelFile:
    """A model of random weights, of folk tunes."""
    model = untrained(Vocabulary.build([folk_tune(0), folk_tune(1)]))
    return replace(model.file, settings=asdict(SMALL), training={"longest_piece": 50, "b": 1, "a": [1, 2]})


def refused(path: Path) -> str:
    with pytest.raises(ModelFileError) as caught:
        modelfile.load(path)
    return str(caught.value).removeprefix(f"{path}: ")


def test_the_checksum_is_of_names_types_shapes_contents_and_compact_texts(file: ModelFile) -> None:
    digest = hashlib.sha256()
    for name in sorted(file.weights):
        array = file.weights[name]
        digest.update(f"{name}{array.dtype}{array.shape}".encode() + array.tobytes())
    parts = {"vocabulary": file.vocabulary.to_dict(), "settings": file.settings, "manifest": {}, "training": file.training}
    texts = {name: json.dumps(part, sort_keys=True, separators=(",", ":")) for name, part in parts.items()}
    for name, text in sorted({"format": FORMAT, **texts}.items()):
        digest.update(b"\0" + name.encode() + b"\0" + text.encode())
    assert file.fingerprint == digest.hexdigest()[:12]
    nothing = np.zeros((0, 3), np.float32)
    assert modelfile._digest({"a": nothing}, {}) == hashlib.sha256(b"afloat32(0, 3)").hexdigest()


def test_the_largest_weights_are_those_of_sixteen_bits(file: ModelFile, tmp_path: Path) -> None:
    for value, is_legal in ((65_504, True), (-65_504, True), (65_505, False), (-65_505, False)):
        weights = dict(file.weights) | {"embedding.weight": np.full_like(file.weights["embedding.weight"], value)}
        replace(file, weights=weights).save(tmp_path / "a.safetensors")
        if is_legal:
            assert modelfile.load(tmp_path / "a.safetensors").weights["embedding.weight"].max() == value
        else:
            says = "holds weights that are no numbers, or beyond 65,504 (embedding.weight); train it again"
            assert refused(tmp_path / "a.safetensors") == says


def test_lines_that_refuse_a_file(file: ModelFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(save({"x": np.zeros(3, np.float32)}))
    assert refused(path) == "is of format no format at all; this version reads 'melody-lstm 3': train it again"
    path.write_bytes(save({"x": np.zeros(3, np.float32)}, metadata={"format": "é" + "x" * 99}))
    assert refused(path).startswith(f"is of format '\\xe9{'x' * 39}'; this version")
    weights, texts = dict(file.weights), file._texts()
    path.write_bytes(save(weights, metadata=texts))
    assert refused(path) == "was edited or damaged (its checksum does not match); get it again"
    path.write_bytes(save(weights, metadata=texts | {"training": '{"a":1,"a":2}'}))
    assert refused(path) == "its description is damaged (a name twice in one JSON object); get it again"
    path.write_bytes(b"\xff" * 20)
    assert refused(path).startswith("is no model file, or is cut short (")
    file.save(path)
    size = path.stat().st_size
    monkeypatch.setattr(modelfile, "_MAX_BYTES", size)
    assert modelfile.load(path).name == "a"
    monkeypatch.setattr(modelfile, "_MAX_BYTES", size - 1)
    assert refused(path) == "has 0.0 GB; no model here is over 0 GB"
