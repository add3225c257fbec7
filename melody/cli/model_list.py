"""`melody models`: which models there are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from melody.cli import app

_LICENCE = "models that come with the program are under its licence, Apache 2.0, and learned music in the public domain"


@app.command()
def models() -> None:
    """List the models that a name alone finds: their music, their network, and how well they predict.

    They stand in the folder checkpoints, where **melody train** writes, or come with the program.

    Example: **melody models**
    """
    from melody import models as known
    from melody.cli.screen import answer, say, table

    rows = [_row(path) for path in known.available()]
    if rows:
        header = ("name", "music", "pieces", "network", "nats a note", "n-gram", "MB", "file")
        table(header, rows, answer)
    say("write with one: melody generate NAME; train your own: melody train FOLDER")
    say(_LICENCE)


def _row(path: Path) -> tuple[str, ...]:
    """A line of the table."""
    from melody.errors import ModelFileError
    from melody.models import load_style, name_of, open_model
    from melody.network.settings import settings_of

    megabytes = f"{path.stat().st_size / 1e6:.1f}"
    try:
        file = open_model(path)
    except ModelFileError as error:
        return (name_of(path), str(error).removeprefix(f"{path}: "), "", "", "", "", megabytes, str(path))
    if file.initial:
        of = load_style(path)
        return (name_of(path), f"a style of {of.model}", str(of.facts.get("tunes", "")), "", "", "", megabytes, str(path))
    result: Mapping[str, Any] = file.training.get("result") or {}
    pieces = file.manifest.get("counts", {}).get("kept")
    nats = [_number(result.get(name)) for name in ("test", "ngram")]
    return (
        name_of(path),
        str(file.manifest.get("folder", "")),
        f"{pieces:,}" if pieces else "",
        settings_of(file.settings).layers,
        *nats,
        megabytes,
        str(path),
    )


def _number(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, int | float) else ""
