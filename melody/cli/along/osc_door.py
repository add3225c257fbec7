"""`melody osc`: live music for other programs, by OSC."""

from __future__ import annotations

from typing import Annotated

import typer

from melody.cli import app
from melody.cli.make import ModelName
from melody.cli.options import Drawing, Keeping, grouped, whole


@app.command()
@grouped
def osc(
    model: ModelName,
    keeping: Keeping,
    drawing: Drawing,
    port: Annotated[str, typer.Option(metavar="NUMBER", help="UDP port of this machine; 0 for a free one.")] = "9000",
) -> None:
    """Let other programs play with a model: feed notes to it and ask what comes next, by OSC over UDP.

    Only programs on this machine reach it. The messages stand in docs/along.md, with examples for Pure Data, SuperCollider
    and Python; Ctrl-C ends it.

    Example: **melody osc fiddle --key D --port 9000**
    """
    from melody.along.osc.door import Door
    from melody.along.osc.udp import HERE, serve
    from melody.cli.make import find_model
    from melody.cli.screen import answer
    from melody.errors import SamplingError

    number = whole("port", port)
    if number is None or not 0 <= number <= 65_535:
        raise SamplingError(f"--port is {number}; it must be from 0 to 65,535")
    door = Door(find_model(model), keeping.limits(None), drawing.settings)
    serve(door, number, lambda opened: answer(f"{door.ready.values[0]} listens on {HERE}, UDP port {opened}"))
