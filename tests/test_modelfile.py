"""A model file is read back as it was written, or refused with a reason; anybody may have written it."""

import json
import os
import struct
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from music import folk_tune
from safetensors.numpy import save
from untrained import SMALL, untrained

from melody import modelfile
from melody.errors import ModelFileError, SamplingError
from melody.modelfile import ModelFile
from melody.network.network import MelodyNetwork
from melody.network.settings import ModelSettings, settings_of, weight_shapes
from melody.piece import Part, Piece
from melody.sampling import Model
from melody.sampling import loaded as sampling_source
from melody.tokens import Vocabulary
from scripts import script


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


@pytest.mark.parametrize("digits", [1, 5, 9, 10])
def test_half_a_file_keeps_so_many_binary_digits(trained: Path, digits: int) -> None:
    """Behind the first one, to the nearest; all of them are what is kept without a number."""
    file = modelfile.load(trained)
    whole, some = file.halved(), file.halved(digits)
    for name, weights in some.weights.items():
        given = whole.weights[name].astype(np.float64)
        fraction, _ = np.frexp(weights.astype(np.float64))
        assert weights.dtype == np.float16 and np.array_equal(
            fraction * 2 ** (1 + digits), np.rint(fraction * 2 ** (1 + digits))
        )
        assert np.allclose(weights.astype(np.float64), given, rtol=2.0 ** -(1 + digits), atol=2**-24)
        assert digits < 10 or np.array_equal(weights, whole.weights[name])


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
        modelfile.load(_with_text(trained, tmp_path / "b.safetensors", training='{"longest_piece":9}'))


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
    for value in (np.nan, np.inf, -np.inf, 65_600, -1e30):
        one = file.weights["embedding.weight"].copy()
        one[3, 5] = value
        replace(file, weights={**file.weights, "embedding.weight": one}).save(tmp_path / "nan.safetensors")
        with pytest.raises(ModelFileError, match=r"no numbers, or beyond 65,504 \(embedding.weight\)"):
            modelfile.load(tmp_path / "nan.safetensors")


# Files that strangers make, with a right checksum

BAND = Piece(
    *([0, 0, 24, 24, 48], [24, 24, 24, 24, 24], [60, 72, 62, 71, 38], [80, 90, 80, 90, 100], [0, 1, 0, 1, 2]),
    parts=(Part(0), Part(40), Part(0, is_drum=True)),
)
SOLO = Piece([0, 24], [24, 24], [60, 60])
VOCABULARIES = [[folk_tune(0), folk_tune(1)], [BAND], [folk_tune(0), BAND], [SOLO]]


@pytest.mark.parametrize("intervals", ["own", "parts", "none"])
@pytest.mark.parametrize("pieces", VOCABULARIES, ids=["folk", "band", "both", "one note"])
@pytest.mark.parametrize("layers", [1, 3])
def test_the_table_of_weights_is_that_of_the_torch_model(pieces: list[Piece], intervals: Any, layers: int) -> None:
    vocabulary = Vocabulary.build(pieces)
    settings = ModelSettings(hidden_size=5, num_layers=layers, embedding_size=3, head_size=4, intervals=intervals)
    wanted = {name: tuple(weights.shape) for name, weights in MelodyNetwork(vocabulary, settings).state_dict().items()}
    assert weight_shapes(vocabulary, settings) == wanted


@pytest.fixture(scope="module")
def small() -> ModelFile:
    """A model of random weights, of folk tunes."""
    model = untrained(Vocabulary.build([folk_tune(0), folk_tune(1)]))
    return replace(model.file, settings=asdict(SMALL), training={"longest_piece": 50})


def _refused(path: Path, weights: dict[str, np.ndarray], texts: dict[str, str], match: str) -> None:
    """That a file with a right checksum is refused in one line."""
    checksum = modelfile._digest(weights, texts)
    path.write_bytes(save(weights, metadata=texts | {"sha256": checksum}))
    with pytest.raises(ModelFileError, match=match) as refusal:
        modelfile.load(path)
    assert str(refusal.value).isprintable() and len(str(refusal.value)) < 500 + len(str(path))


NO_VALUES = "[" + "0," * 5_000_000 + "0]"
TEXTS = {
    "settings unknown": ("settings", '{"cells": 4}', r"a field 'cells'; the fields are hidden_size"),
    "settings of another type": ("settings", '{"hidden_size": "16"}', "hidden_size = '16'; it must be a whole number"),
    "settings huge": ("settings", '{"num_layers": 1000000}', "from 1 to 32"),
    "settings true": ("settings", '{"num_layers": true}', "from 1 to 32"),
    "share": ("settings", '{"dropout": 1.5}', "from 0 to 1"),
    "intervals": ("settings", '{"intervals": ["own"]}', "one of own, parts, none"),
    "memory": ("settings", '{"hidden_size": 8192, "num_layers": 32}', "more than 500,000,000 weights"),
    "other shapes": ("settings", '{"hidden_size": 15}', "shape|lacks weights"),
    "no object": ("training", "[]", "no JSON object"),
    "no JSON": ("manifest", "{", "description is damaged"),
    "deep": ("manifest", "[" * 100_000, "description is damaged"),
    "wide": ("manifest", NO_VALUES, "more than 5,000,000 values"),
    "doubled": ("training", '{"longest_piece":1,"longest_piece":2}', "a name twice"),
    "no number": ("training", '{"x": NaN}', "infinite, or none"),
    "infinite": ("training", '{"x": -1e999}', "infinite, or none"),
    "digits": ("training", '{"x": ' + "9" * 5000 + "}", "a number of 5,000 digits"),
    "endless": ("training", '{"longest_piece": 1000000000000}', "longest_piece = '1000000000000'; it must be"),
    "negative": ("training", '{"longest_piece": -1}', "from 0 to 1,000,000"),
    "text": ("training", '{"longest_run": "many"}', "longest_run = 'many'"),
    "escape": ("settings", '{"\\u001b[2J": 1}', r"a field '\\x1b\[2J'"),
}


@pytest.mark.parametrize("which", TEXTS)
def test_a_description_that_makes_no_sense_is_refused(which: str, small: ModelFile, tmp_path: Path) -> None:
    name, text, match = TEXTS[which]
    _refused(tmp_path / "a.safetensors", dict(small.weights), small._texts() | {name: text}, match)


VALUES = {
    "missing": ({"legato": None}, "legato holds None|legato is no list"),
    "a text for a number": ({"shifts": [0, "6"]}, "shifts holds '6'"),
    "a fraction": ({"shifts": [0, 6.5]}, "shifts holds 6.5"),
    "a number for a flag": ({"legato": [1]}, "legato holds 1"),
    "huge": ({"tempi": [2**40]}, "tempi holds 1099511627776"),
    "long": ({"durations": list(range(1, 5000))}, "durations is no list of at most 4,096"),
    "a pair of three": ({"time_signatures": [[4, 4, 4]]}, "2 values belong together"),
    "a program": ({"parts": [{"program": 128, "is_drum": False, "name": ""}]}, "program is 128"),
    "a name": ({"parts": [{"program": 1, "is_drum": False, "name": "\x1b[2J"}]}, "without control characters"),
    "half a character": ({"parts": [{"program": 1, "is_drum": False, "name": "\ud800"}]}, "without control characters"),
    "a bar of no length": ({"ticks_per_quarter": 1, "time_signatures": [[1, 64]]}, "1/64 is no whole number"),
    "no velocity": ({"velocities": [], "durations": []}, "values missing"),
    "a bar of no metre": ({"time_signatures": [[4, 0]]}, "denominator of a time signature is 0"),
    "a bar that is endless": ({"ticks_per_quarter": 32767, "time_signatures": [[255, 1]]}, "from 1 to 1000000"),
    "pitches": ({"pitches": [60, 200]}, "impossible pitches"),
}


@pytest.mark.parametrize("which", VALUES)
def test_a_vocabulary_that_makes_no_sense_is_refused(which: str, small: ModelFile, tmp_path: Path) -> None:
    damage, match = VALUES[which]
    text = json.dumps(small.vocabulary.to_dict() | damage)
    _refused(tmp_path / "a.safetensors", dict(small.weights), small._texts() | {"vocabulary": text}, match)


def test_weights_of_other_names_shapes_and_types_are_refused(small: ModelFile, tmp_path: Path) -> None:
    path, texts, weights, name = tmp_path / "a.safetensors", small._texts(), dict(small.weights), "lstm.weight_hh_l0"
    _refused(path, {k: v for k, v in weights.items() if k != name}, texts, "lacks weights that .* 'lstm.weight_hh_l0'")
    _refused(path, weights | {"x\x1b[2J": weights[name]}, texts, r"none of its .*: 'x\\x1b\[2J'")
    for other in (weights[name].T.copy(), weights[name][None], weights[name].ravel(), np.zeros((0, 2**35), np.float32)):
        _refused(path, weights | {name: other}, texts, r"lstm.weight_hh_l0 have the shape .* vocabulary \(64, 16\)")
    for kind in (np.float64, np.int32, np.uint16):
        _refused(path, weights | {name: weights[name].astype(kind)}, texts, "are [FIU](64|32|16); F16 and F32 are legal")
    _refused(path, weights, texts | {"more": "{}"}, "must hold vocabulary, settings, manifest, training")


def test_the_checksum_covers_type_shape_name_and_text(small: ModelFile) -> None:
    flat = np.arange(6, dtype=np.float32)
    same_bytes = [
        ({"a": flat}, {}),
        ({"a": flat.reshape(2, 3)}, {}),
        ({"a": flat.reshape(3, 2)}, {}),
        ({"a": flat.view(np.float16)}, {}),
        ({"a": flat.view(np.int32)}, {}),
        ({"b": flat}, {}),
        ({"a": flat[:3], "b": flat[3:]}, {}),
        ({"a": flat}, {"x": "yz"}),
        ({"a": flat}, {"xy": "z"}),
    ]
    assert len({modelfile._digest(*each) for each in same_bytes}) == len(same_bytes)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
def test_a_pipe_and_a_device_are_no_model(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.safetensors")
    for path in (tmp_path / "pipe.safetensors", Path("/dev/null"), Path("/dev/zero")):
        with pytest.raises(ModelFileError, match="is a pipe or a device"):
            modelfile.load(path)


def test_a_foreign_format_is_not_printed_whole(trained: Path, tmp_path: Path) -> None:
    path = _with_text(trained, tmp_path / "a.safetensors", format="\x1b[2J" + "x" * 100_000)
    with pytest.raises(ModelFileError, match=r"is of format '\\x1b\[2Jx") as refusal:
        modelfile.load(path)
    assert len(str(refusal.value)) < 200 + len(str(path))


def test_a_model_that_never_ends_is_broken_off_and_says_so(small: ModelFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling_source, "LONGEST", 100)
    never = small.weights["heads.time.output_bias"].copy()
    never[0, 0] = -1e4
    weights = {**small.weights, "heads.time.output_bias": never}
    model = Model(replace(small, weights=weights, training={"longest_piece": 1_000_000}))
    (tune,) = model.tunes()
    assert 50 < tune.piece.num_notes <= 100
    assert tune.remarks == ("the model did not end it: it was broken off after 100 events; ask for a number of bars",)
    assert model.tunes(bars=2)[0].remarks == ()  # it ends there because it must
    monkeypatch.setattr(sampling_source, "LONGEST", 1)
    monkeypatch.setattr(sampling_source, "_MOST_IN_BAR", 1)
    with pytest.raises(SamplingError, match="has written 9 events and 8 bars are not full"):
        model.tunes(bars=8)


def test_settings_that_are_left_out_are_the_usual_ones() -> None:
    assert settings_of({}) == ModelSettings()
    assert settings_of(asdict(SMALL)) == SMALL


def test_mutated_model_files_are_refused_in_a_line_or_write_music() -> None:
    fuzz = script("fuzz_models")
    found = [fuzz.outcome(11, number) for number in range(60)]
    assert not [(number, how) for number, how in enumerate(found) if how.startswith("FAILED")]
    assert {"refused", "music"} <= set(found)
