"""What a process of the studio does: it takes jobs, and keeps what they have in common."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections import OrderedDict
from collections.abc import Callable
from functools import cached_property
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from melody.errors import MelodyError, StudioError
from melody.studio.pool import STOP

if TYPE_CHECKING:
    from melody.originality.index import Index
    from melody.render.synthesis import Synthesizer
    from melody.sampling import Model

Message = dict[str, Any]
Send = Callable[[Message], None]
Task = Callable[["Bench", Message, Send], None]
# The kinds of jobs, and the module of each: a function of that name.
KINDS = {
    "write": "composing",
    "go_on": "composing",
    "again": "changing",
    "voices": "changing",
    "surprise": "knowing",
    "originality": "knowing",
    "card": "knowing",
    "sound": "sounding",
    "read": "showing",
    "engrave": "showing",
    "export": "showing",
}
_MOST_MODELS = 3  # that are kept loaded
_FAULT = "this is a fault of the program, and the job was given up; the tune on the page is as it was"


class Bench:
    """What the jobs of a process have in common: loaded models, their indices, the synthesizer.

    Parameters
    ----------
    folder
        The studio's own, with models that were trained in it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._paths: dict[str, Path] = {}
        self._models: OrderedDict[str, tuple[float, Model]] = OrderedDict()
        self._indices: OrderedDict[str, Index] = OrderedDict()

    def model(self, name: object) -> Model:
        """The model of a name, as `models_here` lists it; loaded again where its file has changed.

        Raises
        ------
        StudioError
            If there is none.
        melody.errors.ModelFileError
            If its file is damaged.
        """
        from melody.sampling import load

        path = self._path(name)
        changed = path.stat().st_mtime
        known = self._models.get(str(path))
        if known is None or known[0] != changed:
            known = self._models[str(path)] = (changed, load(path))
        self._models.move_to_end(str(path))
        while len(self._models) > _MOST_MODELS:
            self._models.popitem(last=False)
        return known[1]

    def index(self, name: object) -> Index:
        """The index of a model's training pieces.

        Raises
        ------
        melody.errors.MelodyError
            If there is none.
        """
        from melody.originality.index import index_of

        path = self._path(name)
        if str(path) not in self._indices:
            self._indices[str(path)] = index_of(self.model(name).file, path)
        while len(self._indices) > _MOST_MODELS:
            self._indices.popitem(last=False)
        return self._indices[str(path)]

    @cached_property
    def synthesizer(self) -> Synthesizer:
        """That of the soundfont in place, at the page's sample rate."""
        from melody.render.soundfont import SoundFont, default_soundfont
        from melody.render.synthesis import Synthesizer
        from melody.studio.jobs.sounding import SAMPLE_RATE

        return Synthesizer(SoundFont(default_soundfont()), SAMPLE_RATE)

    def _path(self, name: object) -> Path:
        known = self._paths.get(str(name))
        if known is None or not known.is_file():
            self._paths = models_here(self.folder)
        if str(name) not in self._paths:
            raise StudioError(f"there is no model '{str(name)[:40]}'; choose one of the list", 404)
        return self._paths[str(name)]


def models_here(folder: Path) -> dict[str, Path]:
    """The models that the studio offers, by name: those that were trained in it, and those that `melody models` lists."""
    from melody import models
    from melody.modelfile import SUFFIX

    own = [path for path in sorted((folder / "models").glob(f"*{SUFFIX}")) if not path.name.startswith(".")]
    return {models.name_of(path): path for path in [*models.available(), *own]}


def work(connection: Connection, given: tuple[Path, tuple[str, ...]]) -> None:
    """Take jobs until the other end of the connection is closed.

    Parameters
    ----------
    connection
        Whence [kind, order] and `STOP` come, and whither messages go, None after the last of each job.
    given
        The studio's folder, and the names of modules and models that are made ready at once.
    """
    folder, ready = given
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the web process ends this one
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    bench = Bench(folder)
    _make_ready(bench, ready)
    while True:
        try:
            message = connection.recv()
        except (EOFError, OSError):
            return
        if message == STOP:  # of a job that was over when it came
            continue
        kind, order = message
        if isinstance(kind, str) and kind in KINDS:
            _do(bench, connection, kind, order)


def _make_ready(bench: Bench, ready: tuple[str, ...]) -> None:
    """Load what the first job needs, so that it does not wait."""
    try:
        for module in {KINDS[kind] for kind in ready}:
            import_module(f"melody.studio.jobs.{module}").get_ready(bench)
    except Exception:  # the job that needs it says what is wrong
        traceback.print_exc(file=sys.stderr)


class _Stopped(Exception):
    """The job is no longer wanted."""


def _do(bench: Bench, connection: Connection, kind: str, order: Message) -> None:
    task: Task = getattr(import_module(f"melody.studio.jobs.{KINDS[kind]}"), kind)

    def send(message: Message) -> None:
        connection.send(message)
        if connection.poll():
            connection.recv()  # the one word that comes during a job: stop
            raise _Stopped

    try:
        task(bench, order, send)
    except _Stopped:
        pass
    except MelodyError as error:
        connection.send({"error": str(error)})
    except MemoryError:
        connection.send({"error": "there is not enough memory for this; ask for less"})
    except (OSError, EOFError):
        raise
    except Exception:
        traceback.print_exc(file=sys.stderr)
        connection.send({"error": _FAULT})
    connection.send(None)
