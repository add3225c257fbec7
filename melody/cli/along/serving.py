"""`melody mcp`: the tools of this program for an assistant."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from melody.cli import app


@app.command()
def mcp(
    folder: Annotated[
        Path,
        typer.Argument(metavar="FOLDER", help="The only folder that is read and written.", show_default=False),
    ],
    max_seconds: Annotated[str, typer.Option(metavar="NUMBER", help="What one call may take, 1 to 86,400 seconds.")] = "300",
) -> None:
    """Offer generate, continue, vary, harmonize and more to an assistant, by the Model Context Protocol.

    The assistant starts it and talks to it on standard input and output; how it is set up stands in docs/along.md.

    Example: **melody mcp my-tunes**
    """
    from melody.along.assistants.server import serve
    from melody.cli.options import whole
    from melody.errors import SamplingError

    seconds = whole("max-seconds", max_seconds) or 0
    if not 1 <= seconds <= 86_400:
        raise SamplingError(f"--max-seconds is {seconds:,}; it must be from 1 to 86,400")
    serve(folder, seconds)
