"""One safe file for a model: weights, settings, vocabulary, where the music came from, how training went.

A safetensors file (no pickle: loading runs no code) whose metadata holds the rest as JSON, with a SHA-256 of all of it.
Loading checks everything before anything is used, and says what is wrong.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from melody import files
from melody.errors import ModelFileError, VocabularyError
from melody.tokens.features import feature_sizes
from melody.tokens.vocabulary import FIELDS, Vocabulary

FORMAT = "melody-lstm 2"
SUFFIX = ".safetensors"
_MAX_BYTES = 2_000_000_000


@dataclass(frozen=True)
class ModelFile:
    """What a model file holds.

    Parameters
    ----------
    weights
        Parameters of `MelodyLSTM` by name, float32; or float16, which halves the file. A loaded file has float32.
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
    """

    weights: Mapping[str, NDArray[np.floating]]
    vocabulary: Vocabulary
    settings: Mapping[str, Any]
    manifest: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""

    @cached_property
    def fingerprint(self) -> str:
        """The first 12 hex digits of the SHA-256 of weights and text: what names exactly this model."""
        return _digest(self.weights, self._texts())[:12]

    def halved(self) -> ModelFile:
        """The same model with weights of 16 bits, rounded to the nearest."""
        return replace(self, weights={name: array.astype(np.float16) for name, array in self.weights.items()})

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
        If it is missing, no model of ours, of another version, cut short or edited.
    """
    path = Path(path)
    arrays, texts = _read(path)
    if texts.get("format") != FORMAT:
        came = texts.get("format", "no format at all")
        raise ModelFileError(f"{path}: is of format '{came}'; this version reads '{FORMAT}': train it again")
    try:
        checksum = texts.pop("sha256", "")
        if checksum != _digest(arrays, texts):
            raise ModelFileError(f"{path}: was edited or damaged (its checksum does not match); get it again")
        parts = {name: json.loads(texts[name]) for name in ("settings", "manifest", "training")}
        vocabulary = Vocabulary.from_dict(json.loads(texts["vocabulary"]))
    except (KeyError, ValueError, RecursionError, VocabularyError) as error:
        if isinstance(error, ModelFileError):
            raise
        raise ModelFileError(f"{path}: its description is damaged ({error}); get it again") from error
    _check_shapes(path, arrays, vocabulary)
    arrays = {name: array.astype(np.float32, copy=False) for name, array in arrays.items()}
    return ModelFile(weights=arrays, vocabulary=vocabulary, name=path.name.removesuffix(SUFFIX), **parts)


def _read(path: Path) -> tuple[dict[str, NDArray], dict[str, str]]:
    from safetensors import SafetensorError, safe_open

    try:
        if path.stat().st_size > _MAX_BYTES:
            raise ModelFileError(
                f"{path}: has {path.stat().st_size / 1e9:.1f} GB; no model here is over {_MAX_BYTES / 1e9:.0f} GB"
            )
        with safe_open(path, framework="numpy") as opened:
            arrays = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118  (not a dict)
            return arrays, dict(opened.metadata() or {})
    except (FileNotFoundError, IsADirectoryError):
        raise ModelFileError(
            f"{path}: there is no such model file; train one with: melody train FOLDER --out {path}"
        ) from None
    except (OSError, SafetensorError) as error:
        raise ModelFileError(f"{path}: is no model file, or is cut short ({str(error)[:80]}); get it again") from error


def _digest(arrays: Mapping[str, NDArray], texts: Mapping[str, str]) -> str:
    digest = hashlib.sha256()
    for name in sorted(arrays):
        digest.update(f"{name}{arrays[name].dtype}{arrays[name].shape}".encode())
        digest.update(np.ascontiguousarray(arrays[name]).data if arrays[name].size else b"")
    for name in sorted(texts):
        digest.update(f"\0{name}\0{texts[name]}".encode())
    return digest.hexdigest()


def _check_shapes(path: Path, arrays: Mapping[str, NDArray], vocabulary: Vocabulary) -> None:
    """That weights and vocabulary belong together."""
    try:
        inputs = sum(vocabulary.sizes) + sum(feature_sizes(vocabulary))
        if arrays["embedding.weight"].shape[0] != inputs:
            raise ModelFileError(
                f"{path}: its weights take {arrays['embedding.weight'].shape[0]} tokens, its vocabulary has {inputs}"
            )
        for size, name in zip(vocabulary.sizes, FIELDS):
            if size > 1 and arrays[f"heads.{name}.output"].shape[-1] != size:
                raise ModelFileError(f"{path}: its weights and its vocabulary have different numbers of {name} tokens")
        if not all(np.isfinite(array).all() for array in arrays.values()):
            raise ModelFileError(f"{path}: holds weights that are no numbers; train it again")
    except KeyError as error:
        raise ModelFileError(f"{path}: lacks the weights {error}; get it again") from error
