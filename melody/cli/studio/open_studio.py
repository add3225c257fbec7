"""`melody studio`: a page in the browser where tunes are made, changed, compared and kept."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Annotated

import typer

from melody.cli import app, signals


@app.command()
def studio(
    port: Annotated[
        str, typer.Option(metavar="NUMBER", help="Where on this machine it listens; 0 for any that is free.")
    ] = "8765",
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Print the address and open no browser.")] = False,
    folder: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="Where its tunes and models are kept. Default: your data folder.", show_default=False
        ),
    ] = None,
) -> None:
    """Open the studio: write, play, change and keep tunes in the browser. It is for this machine alone; Ctrl-C ends it.

    Example: **melody studio**
    """
    import webbrowser

    from melody.cli.options import whole
    from melody.cli.screen import answer, say
    from melody.errors import StudioError
    from melody.studio.listening import serve

    number = whole("port", port)
    if number is None or not 0 <= number < 2**16:
        raise StudioError(f"--port is {port[:40]}; it must be from 0 to 65535")

    def opened(address: str) -> None:
        answer(address)
        say("the studio is open at this address; Ctrl-C ends it")
        if not no_browser:
            webbrowser.open(address)

    try:
        serve(folder, number, opened)
    except KeyboardInterrupt:
        if signal.SIGINT not in signals.received:
            raise
        signals.received.clear()  # it is how a studio is closed, and nothing is interrupted
        say("the studio is closed; what is on its shelf stays")
