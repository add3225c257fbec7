"""`melody jam`: play with a model, MIDI in and out."""

from __future__ import annotations

import json
import queue
import sys
import threading
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from melody.cli import app
from melody.cli.make import ModelName
from melody.cli.options import ADVANCED, Drawing, Keeping, grouped, whole

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from melody.along.jam.clock import Clock
    from melody.along.jam.partner import Plan
    from melody.along.jam.ports import MidiPorts
    from melody.along.jam.session import Jam

_Port = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="MIDI port, or what its name begins with. Default: a port of its own, melody, to connect to.",
        show_default=False,
    ),
]


@app.command()
@grouped
def jam(
    model: ModelName,
    keeping: Keeping,
    drawing: Drawing,
    input: _Port = None,
    output: _Port = None,
    bars: Annotated[str, typer.Option(metavar="NUMBER", help="Bars that each has in turn, 1 to 32.")] = "4",
    accompany: Annotated[
        bool, typer.Option("--accompany", help="Play the model's other parts beside you, instead of answering.")
    ] = False,
    part: Annotated[str, typer.Option(metavar="NUMBER", help="Which of the model's parts you are, from 1.")] = "1",
    follow: Annotated[bool, typer.Option("--follow", help="Follow the MIDI clock of the input; start it there.")] = False,
    click: Annotated[
        bool, typer.Option("--click/--no-click", help="Beats on wood blocks. Default: unless a clock is followed.")
    ] = True,
    quantize: Annotated[
        str, typer.Option(metavar="GRID", help="Your notes are read on it: 1/16, 1/8t, none.", rich_help_panel=ADVANCED)
    ] = "1/16",
    memory: Annotated[
        str, typer.Option(metavar="BARS", help="How far back the model reads, 1 to 64.", rich_help_panel=ADVANCED)
    ] = "16",
    plans: Annotated[
        bool,
        typer.Option(
            "--plans", help="Show plans as lines of JSON, for a program that draws them.", rich_help_panel=ADVANCED
        ),
    ] = False,
    panic: Annotated[
        str | None,
        typer.Option(metavar="PITCH", help="A key that silences everything, as A0 or 21.", rich_help_panel=ADVANCED),
    ] = None,
) -> None:
    """Play with a model: you some bars, the model as many, or both at once. What it is about to play is shown before.

    The tempo is --tempo (120), or that of the MIDI clock; the metre --metre (4/4). Press Enter for panic: silence until your
    next turn; Ctrl-C ends it. **melody jam --input list MODEL** lists the ports.

    Example: **melody jam fiddle --bars 4 --key D --tempo 96**
    """
    from melody import models
    from melody.along.jam.apart import Apart
    from melody.along.jam.clock import FollowedClock, OwnClock
    from melody.along.jam.partner import partner
    from melody.along.jam.ports import MidiPorts, listed
    from melody.along.jam.session import Jam
    from melody.along.jam.settings import JamSettings
    from melody.cli.make import find_model
    from melody.cli.screen import answer, say
    from melody.limits.kinds import KINDS
    from melody.signatures import TimeSignature

    if input == "list":
        for kind, names in zip(("input", "output"), listed()):
            for name in names:
                answer(f"{kind}  {name}")
        return
    limits = keeping.limits(None)
    grids, pitches = KINDS["grid"].read, KINDS["range"].read
    assert grids is not None and pitches is not None
    settings = JamSettings(
        mode="accompany" if accompany else "answer",
        bars=whole("bars", bars) or 0,
        memory=whole("memory", memory) or 0,
        grid=grids(quantize),
        metre=limits.metre or (4, 4),
        part=(whole("part", part) or 0) - 1,
        limits=limits,
        sampling=drawing.settings,
    )
    loaded, tempo = find_model(model), limits.tempo or 120.0
    grid = loaded.vocabulary.ticks_per_quarter
    partner(loaded, settings)  # refuses what the other process would refuse, before ports are opened
    ports = MidiPorts(input, output)
    thinking = Apart(models.find(model), settings)
    bar = TimeSignature(0, *settings.metre).bar_ticks(grid)
    begins = time.perf_counter() + 0.5 + bar / grid * 60 / tempo
    clock = FollowedClock(grid, tempo) if follow else OwnClock(grid, tempo, begins)
    with Shown(clock, plans) as shown:
        session = Jam(
            ports,
            clock,
            thinking,
            loaded.vocabulary.parts,
            TimeSignature(0, *settings.metre),
            show=shown.put,
            click=click and not follow,
            panic_note=None if panic is None else pitches(f"{panic}:{panic}")[0],
        )
        begun = "waiting for the start of the MIDI clock" if follow else "one bar is counted in"
        say(f"seed {drawing.number}; Enter is panic, Ctrl-C ends it; {begun}")
        try:
            _play(session, ports, thinking.connection)
        finally:
            session.close()
            thinking.close()
            ports.close()


def _play(session: Jam, ports: MidiPorts, plans: Connection) -> None:
    """Go on until somebody ends it."""
    from melody.along.jam.priority import PLAYS, go_first

    pressed = threading.Event()

    def listen() -> None:
        for _ in sys.stdin:
            pressed.set()

    threading.Thread(target=listen, daemon=True).start()
    go_first(PLAYS)
    while True:
        now = time.perf_counter()
        if pressed.is_set():
            pressed.clear()
            session.panic(now)
        ports.wait(session.step(now), plans)


class Shown:
    """What the model is about to play, on the screen, by a thread of its own: a slow terminal holds up nothing.

    Parameters
    ----------
    clock
        Of the jam.
    as_json
        As lines of JSON (`melody.along.jam.announcing.as_data`) instead of words.
    """

    def __init__(self, clock: Clock, as_json: bool) -> None:
        self._clock, self._as_json = clock, as_json
        self._plans: queue.SimpleQueue[tuple[Plan, dict[str, Any] | None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._show, daemon=True)

    def put(self, plan: Plan) -> None:
        """Show it soon."""
        from melody.along.jam.announcing import as_data

        self._plans.put((plan, as_data(plan, self._clock, time.perf_counter()) if self._as_json else None))

    def __enter__(self) -> Shown:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._plans.put(None)
        self._thread.join(1)

    def _show(self) -> None:
        from melody.along.jam.announcing import Announcer
        from melody.cli.screen import answer, say

        announcer = Announcer()
        while (shown := self._plans.get()) is not None:
            plan, data = shown
            if data is not None:
                answer(json.dumps(data))
                continue
            if plan.remark:
                say(plan.remark)
            line = announcer.line(plan)
            if line:
                answer(line)
