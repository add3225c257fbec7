"""`melody bridge`: the script for a DAW, and the answers to what it asks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from melody.cli import app


@app.command()
def bridge(
    what: Annotated[
        str, typer.Argument(metavar="reaper", help="The DAW: reaper; answer is what its script calls.", show_default=False)
    ],
    request: Annotated[Path | None, typer.Argument(metavar="[REQUEST", hidden=True)] = None,
    out: Annotated[Path | None, typer.Argument(metavar="ANSWER]", hidden=True)] = None,
    folder: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="REAPER's resource path. Default: where it usually is.", show_default=False),
    ] = None,
) -> None:
    """Install a script in a DAW that sends the selected bars here and puts the answer in their place.

    In REAPER it is then loaded by Actions > Show action list > New action > Load ReaScript.

    Example: **melody bridge reaper**
    """
    from melody.along.bridge.exchange import answer_file
    from melody.along.bridge.installing import install, reaper_folder
    from melody.cli.screen import show
    from melody.errors import ArgumentError

    if what == "answer" and request is not None and out is not None:
        refused = answer_file(request, out)
        if refused:
            raise ArgumentError(refused)
        show(out)
    elif what == "reaper" and request is None:
        show(install(folder or reaper_folder()))
    else:
        raise ArgumentError(f"melody bridge takes reaper, not '{what[:40]}'; it installs the script there")
