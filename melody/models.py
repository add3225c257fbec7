"""Models by name.

A name means a file; or one of that name in the folder checkpoints of where one works, where `melody train` writes; or a
model that comes with the program. A folder is never a model: `melody train pop` reads the folder pop and writes
checkpoints/pop.safetensors, and `pop` means that model from then on.
"""

from __future__ import annotations

import os
from pathlib import Path

from melody.errors import ModelFileError
from melody.modelfile import SUFFIX

_PACKAGE = Path(__file__).parent


def folders() -> list[Path]:
    """Where models are looked for, the first first: checkpoints, then what comes with the program."""
    sources = _PACKAGE.parent
    shipped = [_PACKAGE / "checkpoints"] + ([sources / "checkpoints"] if (sources / "pyproject.toml").is_file() else [])
    return [Path("checkpoints"), *shipped]


def available() -> list[Path]:
    """The model files that a name alone finds, one a name, sorted by name."""
    found: dict[str, Path] = {}
    for folder in folders():
        for path in sorted(folder.glob(f"*{SUFFIX}")):
            if path.is_file() and not path.name.startswith("."):
                found.setdefault(name_of(path), path)
    return [found[name] for name in sorted(found)]


def name_of(path: str | os.PathLike[str]) -> str:
    """The name of the model in a file."""
    return Path(path).name.removesuffix(SUFFIX)


def find(name: str | os.PathLike[str]) -> Path:
    """The model file that a name means: a path, with or without its suffix, or a name as `available` has them.

    Raises
    ------
    ModelFileError
        If there is none; the message lists the models there are.
    """
    name = os.fspath(name)
    named = [Path(name), Path(f"{name}{SUFFIX}")]
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
