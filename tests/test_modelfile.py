"""A model file is read back as it was written, or refused with a reason."""

import json
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from melody import modelfile
from melody.errors import ModelFileError


def test_what_is_saved_is_loaded(trained: Path, tmp_path: Path) -> None:
    file = modelfile.load(trained)
    file.save(tmp_path / "again.safetensors")
    again = modelfile.load(tmp_path / "again.safetensors")
    assert again.fingerprint == file.fingerprint
    assert again.vocabulary == file.vocabulary
    assert {n: w.tobytes() for n, w in again.weights.items()} == {n: w.tobytes() for n, w in file.weights.items()}
    assert (again.settings, again.manifest, again.training) == (file.settings, file.manifest, file.training)
    assert again.name == "again" and file.training["result"]["valid"] > 0


def test_half_a_file_is_nearly_the_same_model(trained: Path, tmp_path: Path) -> None:
    file = modelfile.load(trained)
    file.halved().save(tmp_path / "half.safetensors")
    half = modelfile.load(tmp_path / "half.safetensors")
    assert (tmp_path / "half.safetensors").stat().st_size < 0.6 * trained.stat().st_size
    for name, weights in half.weights.items():
        assert weights.dtype == np.float32
        assert np.allclose(weights, file.weights[name], rtol=2**-11, atol=2**-24)  # ten bits and the hidden one


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.999])
def test_a_file_cut_short_is_refused(trained: Path, tmp_path: Path, share: float) -> None:
    data = trained.read_bytes()
    path = tmp_path / "cut.safetensors"
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(ModelFileError, match="cut short"):
        modelfile.load(path)


@pytest.mark.parametrize("share", [0.2, 0.6, 0.9, 0.999])
def test_an_edited_file_is_refused(trained: Path, tmp_path: Path, share: float) -> None:
    data = bytearray(trained.read_bytes())
    data[int(len(data) * share)] ^= 1
    path = tmp_path / "edited.safetensors"
    path.write_bytes(data)
    with pytest.raises(ModelFileError):
        modelfile.load(path)


def _with_text(trained: Path, path: Path, **texts: str) -> Path:
    """The file with other metadata and no checksum mended."""
    data = trained.read_bytes()
    (length,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8 : 8 + length])
    header["__metadata__"] |= texts
    encoded = json.dumps(header).encode()
    encoded += b" " * (-len(encoded) % 8)
    path.write_bytes(struct.pack("<Q", len(encoded)) + encoded + data[8 + length :])
    return path


def test_another_format_and_an_edited_description_are_told_apart(trained: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="format 'melody-lstm 99'"):
        modelfile.load(_with_text(trained, tmp_path / "a.safetensors", format="melody-lstm 99"))
    with pytest.raises(ModelFileError, match="checksum"):
        modelfile.load(_with_text(trained, tmp_path / "b.safetensors", settings="{}"))


def test_somebody_elses_file_and_no_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "other.safetensors").write_bytes(save({"x": np.zeros(3, np.float32)}))
    with pytest.raises(ModelFileError, match="no format"):
        modelfile.load(tmp_path / "other.safetensors")
    with pytest.raises(ModelFileError, match="no such model file"):
        modelfile.load(tmp_path / "none.safetensors")
    with pytest.raises(ModelFileError):
        modelfile.load(tmp_path)


def test_weights_that_do_not_fit_the_vocabulary_are_refused(trained: Path, tmp_path: Path) -> None:
    file = modelfile.load(trained)
    wrong = dict(file.weights) | {"embedding.weight": file.weights["embedding.weight"][:-1]}
    replace(file, weights=wrong).save(tmp_path / "wrong.safetensors")
    with pytest.raises(ModelFileError, match="vocabulary"):
        modelfile.load(tmp_path / "wrong.safetensors")
    nan = dict(file.weights) | {"embedding.weight": file.weights["embedding.weight"] * np.float32(np.nan)}
    replace(file, weights=nan).save(tmp_path / "nan.safetensors")
    with pytest.raises(ModelFileError, match="no numbers"):
        modelfile.load(tmp_path / "nan.safetensors")
