"""One safe file for a model: weights, settings, vocabulary, where the music came from, how training went.

A safetensors file (no pickle: loading runs no code) whose metadata holds the rest as JSON, with a SHA-256 of all of it.
Anybody can make a file with a right checksum, so nothing in it is trusted. Settings and vocabulary, whose every number is
bounded, determine the name and the shape of each weight; these are compared with the file's own table before any weight is
read.

The checksum is that of names, types, shapes and contents one after another. No two files that are accepted give the same
sequence of bytes: the names follow from settings and vocabulary, and JSON holds no zero byte, which stands between
the texts.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import isfinite, prod
from os import PathLike
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import Any

import numpy as np
from numpy.typing import NDArray

from melody import files
from melody.errors import ModelFileError, VocabularyError
from melody.network.settings import settings_of, weight_shapes
from melody.tokens.vocabulary import Vocabulary

FORMAT = "melody-lstm 3"
SUFFIX = ".safetensors"
MAX_EVENTS = 1_000_000  # of a piece in training: no file that is read has as many
_MAX_BYTES = 2_000_000_000
_MAX_WEIGHTS = 500_000_000
_MAX_WEIGHT = 65_504  # the largest that 16 bits hold; trained ones are below 100
_MAX_VALUES = 5_000_000  # in the metadata, where a file of the corpus takes six
_MAX_DIGITS = 18
_TYPES = ("F16", "F32")
_TEXTS = ("vocabulary", "settings", "manifest", "training")
HALF_DIGITS = 10  # behind the point of a number of 16 bits


@dataclass(frozen=True)
class ModelFile:
    """What a model file holds.

    Parameters
    ----------
    weights
        Parameters of `MelodyNetwork` by name, float32; or float16, which halves the file. A loaded file has float32.
    vocabulary
        Of the events.
    settings
        Fields of `ModelSettings`.
    manifest
        The corpus: its name, files with hashes and splits, counts, licence note.
    training
        Facts of the training: settings, epochs, losses, baselines, minutes, version.
    name
        Of the model, from the file's name.
    initial
        The state that it begins a piece from, where that is not zeros: of a style (`melody.models`). Not in the file.
    """

    weights: Mapping[str, NDArray[np.floating]]
    vocabulary: Vocabulary
    settings: Mapping[str, Any]
    manifest: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""
    initial: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)

    @cached_property
    def fingerprint(self) -> str:
        """The first 12 hex digits of the SHA-256 of weights and text: what names exactly this model."""
        return _digest({**self.weights, **self.initial}, self._texts())[:12]

    def halved(self, digits: int = HALF_DIGITS) -> ModelFile:
        """The same model with weights of 16 bits, rounded to the nearest.

        Parameters
        ----------
        digits
            Binary ones behind the point that are kept of each, 1 to 10, which is all: with fewer the file packs smaller.
        """
        return replace(self, weights={name: _rounded(array, digits) for name, array in self.weights.items()})

    def _texts(self) -> dict[str, str]:
        parts = {
            "vocabulary": self.vocabulary.to_dict(),
            "settings": dict(self.settings),
            "manifest": dict(self.manifest),
            "training": dict(self.training),
        }
        return {"format": FORMAT} | {k: json.dumps(v, sort_keys=True, separators=(",", ":")) for k, v in parts.items()}

    def save(self, path: str | PathLike[str]) -> None:
        """Write the file, whole or not at all.

        Raises
        ------
        melody.files.FileError
            If the system refuses.
        """
        from safetensors.numpy import save

        texts = self._texts()
        arrays = {name: np.ascontiguousarray(array) for name, array in self.weights.items()}
        files.write_bytes(path, save(arrays, metadata=texts | {"sha256": _digest(arrays, texts)}))


def load(path: str | PathLike[str]) -> ModelFile:
    """Read and check a model file.

    Raises
    ------
    ModelFileError
        If it is missing, no model of ours, of another version, cut short or edited, or its parts do not belong together.
    """
    path = Path(path)
    try:
        return _load(path)
    except ModelFileError as error:
        raise ModelFileError(f"{path}: {error}") from error


def _load(path: Path) -> ModelFile:
    from safetensors import SafetensorError, safe_open

    _check_is_file(path)
    try:
        with safe_open(path, framework="numpy") as opened:
            texts = dict(opened.metadata() or {})
            checksum = _checked_format(texts)
            described = _described(texts)
            _check_table(opened, described)
            arrays = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118  (not a dict)
    except (OSError, SafetensorError) as error:
        raise ModelFileError(f"is no model file, or is cut short ({str(error)[:80]}); get it again") from error
    if checksum != _digest(arrays, texts):
        raise ModelFileError("was edited or damaged (its checksum does not match); get it again")
    weights = {name: array.astype(np.float32, copy=False) for name, array in arrays.items()}
    _check_weights(weights)
    return replace(described, weights=weights, name=path.name.removesuffix(SUFFIX))


def _check_is_file(path: Path) -> None:
    """That there is a file, and no pipe that would keep us waiting."""
    try:
        status = path.stat()
    except (OSError, ValueError):  # ValueError: a name with a zero byte
        status = None
    if status is None or S_ISDIR(status.st_mode):
        raise ModelFileError(f"there is no such model file; train one with: melody train FOLDER --out {path}")
    if not S_ISREG(status.st_mode):
        raise ModelFileError("is a pipe or a device; name a model file")
    if status.st_size > _MAX_BYTES:
        raise ModelFileError(f"has {status.st_size / 1e9:.1f} GB; no model here is over {_MAX_BYTES / 1e9:.0f} GB")


def _checked_format(texts: dict[str, str]) -> str:
    """The checksum, which is taken out of the texts, once it is known that they are of our format."""
    if texts.get("format") != FORMAT:
        came = ascii(texts["format"][:40]) if "format" in texts else "no format at all"
        raise ModelFileError(f"is of format {came}; this version reads '{FORMAT}': train it again")
    checksum = texts.pop("sha256", "")
    if set(texts) != {"format", *_TEXTS}:
        raise ModelFileError(f"its description is damaged (it must hold {', '.join(_TEXTS)}); get it again")
    return checksum


def _described(texts: Mapping[str, str]) -> ModelFile:
    """The file that the texts describe, without its weights."""
    try:
        vocabulary = Vocabulary.from_dict(_parsed(texts["vocabulary"]))
        settings, manifest, training = (_parsed(texts[name]) for name in ("settings", "manifest", "training"))
        settings_of(settings)
        _check_facts(training)
    except (ValueError, RecursionError) as error:
        if isinstance(error, ModelFileError):
            raise
        fault = error if isinstance(error, VocabularyError) else str(error)[:120]
        raise ModelFileError(f"its description is damaged ({fault}); get it again") from error
    return ModelFile({}, vocabulary, settings, manifest, training)


def _parsed(text: str) -> dict[str, Any]:
    """A JSON object that holds no more values than fit in memory, no name twice, and no number that is none.

    Raises
    ------
    ValueError, RecursionError
        If it is none.
    """
    if text.count(",") + text.count("[") + text.count("{") > _MAX_VALUES:
        raise ValueError(f"more than {_MAX_VALUES:,} values")
    found = json.loads(text, object_pairs_hook=_object, parse_int=_whole, parse_float=_finite, parse_constant=_finite)
    if not isinstance(found, dict):
        raise ValueError("no JSON object")
    return found


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name twice in one JSON object")
    return found


def _whole(digits: str) -> int:
    if len(digits) > _MAX_DIGITS:
        raise ValueError(f"a number of {len(digits):,} digits")
    return int(digits)


def _finite(digits: str) -> float:
    number = float(digits)
    if not isfinite(number):
        raise ValueError("a number that is infinite, or none")
    return number


def _check_facts(training: Mapping[str, Any]) -> None:
    """What generating goes by; other facts are passed over if they make no sense (`melody.sampling.prior`)."""
    for name in ("longest_piece", "longest_run"):
        value = training.get(name, 0)
        if type(value) is not int or not 0 <= value <= MAX_EVENTS:
            raise ModelFileError(
                f"its training facts have {name} = {str(value)[:40]!r}; it must be a whole number from 0 to {MAX_EVENTS:,}"
            )


def _check_table(opened: Any, described: ModelFile) -> None:
    """That the weights of an opened file are those of its settings and its vocabulary: name by name, of their shapes."""
    wanted = weight_shapes(described.vocabulary, settings_of(described.settings))
    if sum(map(prod, wanted.values())) > _MAX_WEIGHTS:
        raise ModelFileError(f"its settings ask for more than {_MAX_WEIGHTS:,} weights; no model here has as many")
    names = set(opened.keys())
    for name in sorted(set(wanted) ^ names):
        which = "lacks weights that" if name in wanted else "has weights that none of"
        raise ModelFileError(f"{which} its settings and its vocabulary ask for: {name[:60]!a}; get it again")
    for name, shape in wanted.items():
        weights = opened.get_slice(name)
        if (found := tuple(weights.get_shape())) != shape:
            raise ModelFileError(
                f"its weights {name} have the shape {found}, by its settings and its vocabulary {shape}; get it again"
            )
        if weights.get_dtype() not in _TYPES:
            raise ModelFileError(f"its weights {name} are {weights.get_dtype()}; {' and '.join(_TYPES)} are legal")


def _check_weights(weights: Mapping[str, NDArray[np.float32]]) -> None:
    """That they are numbers, none so large that a sum of products could pass what 32 bits hold."""
    for name, array in weights.items():
        if not (array.min(initial=0) >= -_MAX_WEIGHT and array.max(initial=0) <= _MAX_WEIGHT):
            raise ModelFileError(f"holds weights that are no numbers, or beyond {_MAX_WEIGHT:,} ({name}); train it again")


def _digest(arrays: Mapping[str, NDArray[np.float32]], texts: Mapping[str, str]) -> str:
    digest = hashlib.sha256()
    for name in sorted(arrays):
        digest.update(f"{name}{arrays[name].dtype}{arrays[name].shape}".encode())
        digest.update(np.ascontiguousarray(arrays[name]).data if arrays[name].size else b"")
    for name in sorted(texts):
        digest.update(f"\0{name}\0{texts[name]}".encode())
    return digest.hexdigest()


def _rounded(array: NDArray[np.floating], digits: int) -> NDArray[np.float16]:
    """Numbers of 16 bits with so many binary digits behind the point, to the nearest."""
    fraction, exponent = np.frexp(array.astype(np.float16).astype(np.float32))
    kept: NDArray[np.float16] = np.ldexp(np.rint(np.ldexp(fraction, 1 + digits)), exponent - 1 - digits).astype(np.float16)
    return kept
