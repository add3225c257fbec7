"""What the tools share: the model that is asked for, and arguments that are no keywords of the library."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from melody.along.assistants.workspace import Workspace
from melody.arguments import shown
from melody.errors import ArgumentError, SamplingError
from melody.originality.index import Index, beside, index_of
from melody.sampling import Model, load
from melody.sampling.keywords import whole

MOST_TUNES = 16  # of one call
Given = Mapping[str, Any]


@lru_cache(4)
def loaded(path: Path, changed: int) -> Model:
    """The model in a file that was last changed then; the last few are kept."""
    return load(path)


def model_of(workspace: Workspace, given: Given) -> tuple[Model, Path]:
    """The model that is asked for, and its file."""
    path = workspace.model(given["model"])
    return loaded(path, path.stat().st_mtime_ns), path


def index_beside(model: Model, path: Path) -> Index | None:
    """The index of a model's training pieces, if it stands beside the model."""
    return index_of(model.file, path) if beside(path).exists() else None


def count_of(given: Given) -> int:
    """How many tunes are asked for.

    Raises
    ------
    SamplingError
        If it is no whole number from 1 to `MOST_TUNES`.
    """
    count = whole("count", given.get("count", 1)) or 0
    if not 1 <= count <= MOST_TUNES:
        raise SamplingError(f"count is {count:,}; ask for 1 to {MOST_TUNES} tunes in one call")
    return count


def text_of(name: str, value: object) -> str:
    """An argument that is a text.

    Raises
    ------
    ArgumentError
        If it is none.
    """
    if not isinstance(value, str):
        raise ArgumentError(f"{name} is {shown(value)}; it must be a text")
    return value
