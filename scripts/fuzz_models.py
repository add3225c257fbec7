#!/usr/bin/env python3
"""Model files as a stranger might make them: each is refused in one line, or writes two bars in bounded time.

Every eighth that writes music is trained on from as well.

    python scripts/fuzz_models.py --files 2000

Most have a right checksum, and half of them weights that fit what their settings and vocabulary say after a mutation, so
that what is legal but strange gets as far as generating. Each follows from the seed and its number alone.
"""

from __future__ import annotations

import json
import struct
import sys
import tempfile
from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import torch
from fuzzing import main
from safetensors.numpy import save

from melody import modelfile
from melody.errors import MelodyError, ModelFileError
from melody.evaluation.evaluate import restored
from melody.network.network import MelodyNetwork
from melody.network.settings import ModelSettings, settings_of, weight_shapes
from melody.piece import Key, Part, Piece, Tempo, TimeSignature
from melody.sampling import Model, SamplingSettings
from melody.tokens.vocabulary import Vocabulary
from melody.training.adapting.transfer import carried

Arrays = dict[str, np.ndarray]
Texts = dict[str, str]
SMALL = {"hidden_size": 8, "num_layers": 1, "embedding_size": 6, "head_size": 6, "dropout": 0.0}
MOST = 3_000_000  # weights that are made to fit
HOSTILE: list[Any] = [
    *(0, -1, 1, 2, 3, 7, 24, 127, 128, 255, 256, 1000, 4096, 32767, 32768, 65536, 10**6, 2**31 - 1, 2**31, 10**12, 2**63),
    *(10**30, 0.5, -0.0, 1e308, float("nan"), float("inf"), True, False, None, "", "own", "parts", "none", "x" * 5000),
    *("\x1b[2J", "\ud800", [], {}, [0], [[0, 0]], [None], {"a": 1}, [1] * 5000, [[[[[[1]]]]]]),
]
OTHER_TYPES = (np.float16, np.float32, np.float64, np.int32, np.uint8, bool)
HUGE = (np.nan, np.inf, -np.inf, 3e38, -3e38, 65_504.0, 1e-40, 0.0)


def pieces() -> list[Piece]:
    """A few tunes: chords, a monophonic part with rests, drums; two metres, tempi and keys."""
    onset = 12 * np.arange(32)
    tune = Piece(onset, np.full(32, 12), 60 + np.arange(32) % 12, keys=(Key(0, 1, "major"),))
    parts = (Part(0, name="Piano"), Part(40), Part(0, is_drum=True))
    band = Piece(
        onset=np.repeat(24 * np.arange(16), 3),
        duration=np.tile([24, 12, 6], 16),
        pitch=np.tile([55, 72, 38], 16) + np.repeat(np.arange(16) % 5, 3),
        velocity=np.tile([64, 90, 110], 16),
        part=np.tile([0, 1, 2], 16),
        parts=parts,
        time_signatures=(TimeSignature(0, 4, 4), TimeSignature(192, 3, 4)),
        tempi=(Tempo(0, 500_000), Tempo(192, 400_000)),
    )
    return [tune, band]


def base(rng: np.random.Generator) -> tuple[Arrays, Texts]:
    """A small model of random weights, of a tune, of a band, or of both."""
    vocabulary = Vocabulary.build([[pieces()[0]], [pieces()[1]], pieces()][rng.integers(3)])
    settings = SMALL | {"intervals": ("own", "parts", "none")[rng.integers(3)]}
    training = {"longest_piece": 40, "longest_run": 3, "first_keys": [1] * len(vocabulary.keys), "part_pitches": []}
    data = {"settings": settings, "vocabulary": vocabulary.to_dict(), "training": training, "manifest": {"files": []}}
    texts = {"format": modelfile.FORMAT} | {name: json.dumps(value) for name, value in data.items()}
    return fitting(vocabulary, settings_of(settings), rng), texts


def fitting(vocabulary: Vocabulary, settings: ModelSettings, rng: np.random.Generator) -> Arrays:
    """Random weights of the shapes that are asked for."""
    shapes = weight_shapes(vocabulary, settings)
    if sum(map(prod, shapes.values())) > MOST:
        raise ValueError
    scale = rng.choice([0.1, 1.0, 30.0])
    return {name: (scale * rng.standard_normal(shape)).astype(np.float32) for name, shape in shapes.items()}


# Mutations


def described_otherwise(arrays: Arrays, texts: Texts, rng: np.random.Generator) -> None:
    """One to three values of the description replaced, taken out or doubled; then half of the time weights that fit."""
    name = str(rng.choice(["settings", "vocabulary", "vocabulary", "vocabulary", "training", "manifest"]))
    try:
        data = json.loads(texts[name])
    except (KeyError, ValueError, RecursionError):  # damaged before
        return
    for _ in range(rng.integers(1, 4) if isinstance(data, (dict, list)) else 0):
        change(data, rng)
    texts[name] = json.dumps(data)
    if rng.random() < 0.7:
        try:
            vocabulary = Vocabulary.from_dict(json.loads(texts["vocabulary"]))
            made = fitting(vocabulary, settings_of(json.loads(texts["settings"])), rng)
        except (MelodyError, KeyError, ValueError, TypeError, AttributeError, RecursionError):
            return
        arrays.clear()
        arrays.update(made)


def change(data: Any, rng: np.random.Generator) -> None:
    """Another value somewhere in nested lists and objects."""
    while True:
        places = list(data) if isinstance(data, dict) else list(range(len(data)))
        if not places:
            return
        place = places[rng.integers(len(places))]
        inner = data[place]
        if not isinstance(inner, (dict, list)) or not inner or rng.random() < 0.2:
            break
        data = inner
    kind = rng.integers(8)
    if kind == 0:
        del data[place]
    elif kind == 1 and isinstance(data, list):
        data.insert(place, inner)
    elif kind > 3 and type(inner) is int:
        data[place] = inner + int(rng.integers(-3, 4))
    elif kind == 3 and type(inner) is list and inner:
        data[place] = sorted({v for v in (*inner, *rng.integers(0, 500, 5).tolist()) if type(v) is int}) or inner
    else:
        data[place] = HOSTILE[rng.integers(len(HOSTILE))]


def texts_otherwise(arrays: Arrays, texts: Texts, rng: np.random.Generator) -> None:
    """A text that is no JSON of ours: deep, doubled, cut, huge, missing, unknown."""
    name = str(rng.choice(list(texts)))
    text = texts[name]
    damaged = [
        "[" * 100_000, '{"a":' * 50_000, text[:-1], text[: len(text) // 2], text.replace("{", '{"shifts":[0],', 1), "",
        "9" * 5000, "NaN", "-Infinity", "[]", "null", '"', "{}", text + "\0", text + text, "[" + "0," * 10**5 + "0]",
        "\x1b[31m",
    ]  # fmt: skip
    texts[name] = damaged[rng.integers(len(damaged))]
    if rng.random() < 0.2:
        texts["unknown"] = texts.pop(name)


def weights_otherwise(arrays: Arrays, texts: Texts, rng: np.random.Generator) -> None:
    """A weight that is no number or huge, of another type, of another shape, missing, or one too many."""
    name = str(rng.choice(list(arrays)))
    array = arrays[name].copy()
    kind = rng.integers(6)
    if kind == 0:
        array.reshape(-1)[rng.integers(array.size)] = rng.choice(HUGE)
    elif kind == 1:
        array[:] = rng.choice(HUGE)
    elif kind == 2:
        with np.errstate(all="ignore"):
            array = array.astype(OTHER_TYPES[rng.integers(len(OTHER_TYPES))])
    elif kind == 3:
        array = [array.T, array[:-1], array[None], array.reshape(-1), np.zeros((0, 2**35), np.float32)][rng.integers(5)]
    elif kind == 4:
        del arrays[name]
        return
    else:
        name = str(rng.choice(["lstm.weight_hh_l1", "heads.velocity.output", "x", "embedding.weight\0", "\x1b[2J"]))
    arrays[name] = np.ascontiguousarray(array)


def all_weights(arrays: Arrays, texts: Texts, rng: np.random.Generator) -> None:
    """Every weight the same, or scaled: models with no opinion, or with nothing but."""
    value, factor = rng.choice([0.0, 1.0, -1.0, 100.0, 65_504.0, -65_504.0]), rng.choice([0.0, 1e3, 65_504.0])
    for name, array in arrays.items():
        arrays[name] = np.full_like(array, value) if rng.random() < 0.5 else np.clip(array * factor, -65_504, 65_504)


CHANGES: list[Callable[[Arrays, Texts, np.random.Generator], None]] = [
    *(described_otherwise,) * 6, texts_otherwise, weights_otherwise, all_weights,
]  # fmt: skip


def case(seed: int, number: int) -> bytes:
    """The bytes of the file of that number."""
    rng = np.random.default_rng((seed, number))
    arrays, texts = base(rng)
    for _ in range(1 + (rng.random() < 0.2)):
        CHANGES[rng.integers(len(CHANGES))](arrays, texts, rng)
    texts = {name: text.encode("utf-8", "replace").decode() for name, text in texts.items()}
    checksum = modelfile._digest(arrays, texts)
    data = bytearray(save(arrays, metadata=texts | {"sha256": checksum}))
    if rng.random() < 0.1:
        header_otherwise(data, rng)
    return bytes(data)


def header_otherwise(data: bytearray, rng: np.random.Generator) -> None:
    """Bytes of the safetensors header, or anywhere, replaced; the checksum is not mended."""
    (length,) = struct.unpack_from("<Q", data)
    for _ in range(rng.integers(1, 6)):
        at = int(rng.integers(8 + length if rng.random() < 0.8 else len(data)))
        data[at] = int(rng.integers(256)) if rng.random() < 0.5 else ord(str(rng.integers(10)))


def outcome(seed: int, number: int) -> str:
    """What becomes of it: 'refused', 'no music' (limits that cannot be met, in one line), 'music', or 'FAILED: ...'."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        path.write_bytes(case(seed, number))
        return judged(path, SamplingSettings(seed=number, any_ending=number % 4 > 0))


def judged(path: Path, settings: SamplingSettings) -> str:
    """What becomes of a model file."""
    try:
        model = Model(modelfile.load(path))
    except ModelFileError as error:
        return _one_line("refused", error)
    fail = carried_over(model.file) if settings.seed % 8 == 0 else ""
    try:
        tunes = model.tunes(2, bars=2, settings=settings)
    except MelodyError as error:
        return _one_line("no music", error)
    if len(tunes) != 2 or not all(tune.piece.num_notes for tune in tunes):
        return "FAILED: tunes without a note"
    return fail or "music"


def carried_over(file: modelfile.ModelFile) -> str:
    """What is wrong with training that begins from this model, as `melody train --from` does: nothing, or 'FAILED: ...'."""
    vocabulary = Vocabulary.build(pieces())
    new = MelodyNetwork(vocabulary, settings_of(file.settings))
    carried(restored(file), file.vocabulary, new, vocabulary)
    finite = all(torch.isfinite(weights).all() for weights in new.state_dict().values())
    return "" if finite else "FAILED: weights that are no numbers are carried over"


def prepare() -> None:
    """Do all that is done to a file to one that is whole."""
    torch.set_num_threads(1)  # what is computed here is too small for more
    arrays, texts = base(np.random.default_rng(0))
    vocabulary, settings = Vocabulary.from_dict(json.loads(texts["vocabulary"])), json.loads(texts["settings"])
    file = modelfile.ModelFile(arrays, vocabulary, settings)
    carried_over(file)
    Model(file).tunes(1, bars=1)


def _one_line(what: str, error: MelodyError) -> str:
    said = str(error)
    return what if said.isprintable() and len(said) < 600 else f"FAILED: says {said[:300]!r}"


if __name__ == "__main__":
    sys.exit(main(outcome, "model files", 2000, prepare))
