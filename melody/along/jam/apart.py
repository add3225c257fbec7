"""What thinks, in a process of its own: however long a thought takes, what plays goes on in time."""

from __future__ import annotations

import multiprocessing
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from melody.along.jam.partner import Partner, Plan, Played, partner
from melody.along.jam.priority import THINKS, go_first
from melody.along.jam.settings import JamSettings
from melody.errors import MelodyError, SamplingError
from melody.piece import Part
from melody.threads import one_thread

_MOST_SECONDS = 120  # until a model is loaded


class Apart:
    """What thinks, in another process; `close` ends it.

    Parameters
    ----------
    path
        The file of the model.
    settings
        See there.
    goes_first
        Whether it goes before other processes, where the system lets it.

    Attributes
    ----------
    parts
        The model's.
    ticks_per_quarter
        Of its grid.

    Raises
    ------
    SamplingError
        If the partner refuses, with its sentence.
    """

    parts: tuple[Part, ...]
    ticks_per_quarter: int

    def __init__(self, path: Path, settings: JamSettings, *, goes_first: bool = True) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, other = context.Pipe()
        self._process = context.Process(target=_think, args=(other, path, settings, goes_first), daemon=True)
        self._process.start()
        other.close()
        try:
            found = self._pipe.recv() if self._pipe.poll(_MOST_SECONDS) else "the model was not loaded in time"
        except EOFError:
            found = "the process of the model ended; is there enough memory?"
        if isinstance(found, str):
            self.close()
            raise SamplingError(found)
        self.parts, self.ticks_per_quarter = found

    def listen(self, played: Played) -> None:
        """As `melody.along.jam.session.Thinking.listen`."""
        self._send("listen", played)

    def tick(self, tick: float) -> None:
        """As `melody.along.jam.session.Thinking.tick`."""
        self._send("think", tick)

    def stop(self, tick: float) -> None:
        """As `melody.along.jam.session.Thinking.stop`."""
        self._send("stop", tick)

    def plans(self) -> list[Plan]:
        """As `melody.along.jam.session.Thinking.plans`.

        Raises
        ------
        SamplingError
            If the process has ended.
        """
        found = []
        try:
            while self._pipe.poll():
                found.append(self._pipe.recv())
        except (EOFError, OSError):
            raise SamplingError("the process of the model has ended; begin again") from None
        return found

    def refused(self, number: int) -> None:
        """As `melody.along.jam.session.Thinking.refused`."""
        self._send("refused", number)

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid or 0

    @property
    def connection(self) -> Connection:
        """What can be waited for: it is ready when a plan has come."""
        return self._pipe

    def close(self) -> None:
        """End the process."""
        self._pipe.close()
        self._process.terminate()
        self._process.join(5)

    def _send(self, *message: Any) -> None:
        with suppress(OSError):  # `plans` says that it has ended
            self._pipe.send(message)


def _think(pipe: Connection, path: Path, settings: JamSettings, goes_first: bool) -> None:
    """Think, as long as somebody listens."""
    from melody.sampling import load

    with suppress(KeyboardInterrupt, EOFError, OSError), one_thread():
        try:
            own = partner(load(path), settings)
        except MelodyError as error:
            pipe.send(str(error))
            return
        pipe.send((own.model.vocabulary.parts, own.model.vocabulary.ticks_per_quarter))
        if goes_first:
            go_first(THINKS)
        tick: float | None = None
        while True:
            while tick is None:
                tick = _passed_on(own, pipe)
            thoughts, tick = own.think(tick), None
            for plan in thoughts:
                pipe.send(plan)
                if pipe.poll():
                    newer = _passed_on(own, pipe)
                    tick = tick if newer is None else newer


def _passed_on(own: Partner, pipe: Connection) -> float | None:
    """Let the partner know all that has come, and wait for it if nothing has; of the ticks only the last one matters."""
    tick: float | None = None
    while True:
        kind, value = pipe.recv()
        if kind == "think":
            tick = value
        elif kind == "listen":
            own.listen(value)
        elif kind == "stop":
            own.stop(value)
        else:
            own.refused(value)
        if not pipe.poll():
            return tick
