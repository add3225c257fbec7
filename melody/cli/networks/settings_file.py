"""`melody train --settings FILE`: settings from a file, as `melody tune` writes it; options that are typed come first."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from melody.errors import TrainingError

_MOST_BYTES = 100_000


def taken_from(context: typer.Context, path: Path | None) -> Path | None:
    """Let the settings in a JSON file be the command's defaults.

    Raises
    ------
    TrainingError
        If it is no such file, or names what is no setting of the command.
    """
    if path is None:
        return None
    try:
        with open(path, "rb") as opened:
            data = opened.read(_MOST_BYTES + 1)
        if len(data) > _MOST_BYTES:
            raise ValueError(f"has over {_MOST_BYTES:,} bytes")
        found: Any = json.loads(data)
        if not isinstance(found, dict) or not all(isinstance(each, (str, int, float)) for each in found.values()):
            raise ValueError("is no object of names and values")
    except (OSError, ValueError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or str(error)[:80]
        raise TrainingError(f"--settings {path}: {reason}; name a file that melody tune wrote") from error
    known = {parameter.name for parameter in context.command.params} - {"folder", "settings", "out", "force", "resume"}
    for name in found:
        if name not in known:
            raise TrainingError(f"--settings {path}: '{name[:40]}' is no setting of melody train")
    context.default_map = {**(context.default_map or {}), **found}
    return path


SettingsFile = Annotated[
    Path | None,
    typer.Option(
        "--settings",
        metavar="FILE",
        help="Take settings from it, as melody tune writes it; options come first.",
        rich_help_panel="Model and learning",
        show_default=False,
        is_eager=True,
        callback=taken_from,
    ),
]
