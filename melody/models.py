"""Models and styles by name.

A name means a file; or one of that name in the folder checkpoints of where one works, where `melody train` writes; or a
model that comes with the program. A folder is never a model: `melody train pop` reads the folder pop and writes
checkpoints/pop.safetensors, and `pop` means that model from then on.

A *style* is the state that a model begins a piece from, learned from a few tunes: a few kilobytes beside the model.

All weights stay the model's own, so a style is of use with that model alone, whose fingerprint it names. A style file is
found and named as a model is: what takes a model takes it, and begins every piece from its state instead of zeros.

It is a safetensors file (no pickle) whose metadata says which model it is of and what it was learned from. Nothing in it is
trusted: its arrays must be those of the model's cell, of its width, and numbers of a size that states have.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from melody import files, modelfile
from melody.errors import ModelFileError
from melody.modelfile import SUFFIX, ModelFile
from melody.network.around import recognised
from melody.network.state import Floats

STYLE = ".style"  # the suffix of a style, see `Style`
_PACKAGE = Path(__file__).parent
FORMAT = "melody-style 1"
_MAX_BYTES = 10_000_000
_MAX_TEXT = 100_000
_MOST = 1_000.0  # of a cell: those of trained models stay below 50


def folders() -> list[Path]:
    """Where models are looked for, the first first: checkpoints, then what comes with the program."""
    sources = _PACKAGE.parent
    shipped = [_PACKAGE / "checkpoints"] + ([sources / "checkpoints"] if (sources / "pyproject.toml").is_file() else [])
    return [Path("checkpoints"), *shipped]


def available() -> list[Path]:
    """The model files that a name alone finds, one a name, sorted by name."""
    found: dict[str, Path] = {}
    for folder in folders():
        for path in sorted([*folder.glob(f"*{SUFFIX}"), *folder.glob(f"*{STYLE}")]):
            if path.is_file() and not path.name.startswith("."):
                found.setdefault(name_of(path), path)
    return [found[name] for name in sorted(found)]


def name_of(path: str | os.PathLike[str]) -> str:
    """The name of the model in a file."""
    return Path(path).name.removesuffix(SUFFIX).removesuffix(STYLE)


def find(name: str | os.PathLike[str]) -> Path:
    """The model file that a name means: a path, with or without its suffix, or a name as `available` has them.

    Raises
    ------
    ModelFileError
        If there is none; the message lists the models there are.
    """
    name = os.fspath(name)
    named = [Path(name), Path(f"{name}{SUFFIX}"), Path(f"{name}{STYLE}")]
    inside = [folder / path for folder in folders() for path in named] if name else []
    for path in [*named, *inside]:
        if os.path.isfile(path):  # unlike Path.is_file, False for a name that no file system takes
            return path
    raise ModelFileError(no_model(name))


def no_model(name: str) -> str:
    """The message where there is no model of a name: what came, what there is, and what to do."""
    from difflib import get_close_matches

    known = [name_of(path) for path in available()]
    near = get_close_matches(name_of(name), known, n=1)
    what = f"'{name}' is a folder, no model" if os.path.isdir(name) else f"there is no model '{name}'"
    meant = f"did you mean {near[0]}? " if near and near[0] != name_of(name) else ""
    there = f"there are {', '.join(known)}; " if known else ""
    return f"{what}; {meant}{there}train one with: melody train {name if os.path.isdir(name) else 'FOLDER'}"


@dataclass(frozen=True)
class Style:
    """A learned initial state.

    Parameters
    ----------
    model, fingerprint
        Name of the model, and what names its file exactly.
    initial
        The arrays of its state by name, (layers x hidden,) each.
    facts
        What it was learned from: tunes, notes, nats a note before and after.
    """

    model: str
    fingerprint: str
    initial: Mapping[str, Floats]
    facts: Mapping[str, Any] = field(default_factory=dict)

    def save(self, path: str | PathLike[str]) -> None:
        """Write the file, whole or not at all.

        Raises
        ------
        melody.files.FileError
            If the system refuses.
        """
        from safetensors.numpy import save

        texts = {"format": FORMAT, "model": self.model, "fingerprint": self.fingerprint}
        texts["facts"] = json.dumps(dict(self.facts), sort_keys=True)
        files.write_bytes(path, save({name: np.ascontiguousarray(a) for name, a in self.initial.items()}, metadata=texts))

    def of(self, file: ModelFile) -> ModelFile:
        """The model that begins from this state.

        Raises
        ------
        ModelFileError
            If it is another model than the one that the style was learned with.
        """
        if file.fingerprint != self.fingerprint:
            raise ModelFileError(
                f"the style was learned with another {self.model} ({self.fingerprint}) than the one that is there "
                f"({file.fingerprint}); learn it again: melody train FOLDER --from {self.model} --only state"
            )
        cell, _ = recognised(file.weights)
        begun = cell.begin(1)
        if {name: begun[name].shape[:1] for name in begun} != {name: array.shape for name, array in self.initial.items()}:
            raise ModelFileError(f"the style holds another state than {self.model} has; learn it again")
        return replace(file, initial=dict(self.initial))


def load_style(path: str | PathLike[str]) -> Style:
    """Read and check a style.

    Raises
    ------
    ModelFileError
        If it is missing, no style of this version, or damaged.
    """
    from safetensors import SafetensorError, safe_open

    path = Path(path)
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise ValueError(f"has over {_MAX_BYTES:,} bytes")
        with safe_open(path, framework="numpy") as opened:
            texts = dict(opened.metadata() or {})
            if texts.get("format") != FORMAT:
                raise ValueError(f"its format is {str(texts.get('format'))[:40]!r}, this version reads '{FORMAT}'")
            initial = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118  (not a dict)
        if len(texts["facts"]) > _MAX_TEXT or any(len(texts[name]) > 200 for name in ("model", "fingerprint")):
            raise ValueError("its texts are too long")
        facts = json.loads(texts["facts"])
        if not isinstance(facts, dict):
            raise ValueError("its facts make no sense")
        for array in initial.values():
            if array.dtype != np.float32 or array.ndim != 1 or not np.all(np.abs(array) <= _MOST):
                raise ValueError("its numbers make no sense")
    except (OSError, SafetensorError, ValueError, KeyError, RecursionError) as error:
        raise ModelFileError(f"{path}: is no style, or is damaged ({str(error)[:80]}); learn it again") from error
    return Style(texts["model"], texts["fingerprint"], initial, facts)


def open_model(path: str | PathLike[str]) -> ModelFile:
    """The model in a file, or the one that a style is of, beginning from the style's state and with the style's name.

    Raises
    ------
    ModelFileError
        If there is none, or it is damaged; or the model of a style is not there, beside it or by its name.
    """
    path = Path(path)
    if path.suffix != STYLE:
        return modelfile.load(path)
    style = load_style(path)
    beside = path.with_name(f"{Path(style.model).name}{SUFFIX}")
    try:
        file = modelfile.load(beside if beside.is_file() else find(style.model))
        return replace(style.of(file), name=path.stem)
    except ModelFileError as error:
        raise ModelFileError(f"{path}: {error}") from error
