"""The one jam that is played at a time: the page plays, the model answers.

The model thinks in a process of its own (`melody.along.jam.apart`). A thread leads the jam between that process and the
page, as `melody jam` does between it and MIDI ports. What sounds, sounds on the page's own clock: it is sent each plan
before, with the seconds until each note. The time of a jam is in seconds, 0 at the first beat of bar 1.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

from melody.along.jam.announcing import as_data
from melody.along.jam.apart import Apart
from melody.along.jam.clock import OwnClock
from melody.along.jam.partner import Plan
from melody.along.jam.playing import NOTE_OFF, NOTE_ON, Message
from melody.along.jam.session import Jam
from melody.along.jam.settings import JamSettings
from melody.errors import SamplingError, StudioError
from melody.sampling.keywords import whole
from melody.signatures import TimeSignature
from melody.studio.bench import models_here
from melody.studio.jobs.asking import Asked
from melody.studio.pool import Job

MAX_PLAYED = 128  # keys that go down or up, in one request
GONE = 10.0  # seconds without a word from the page
SILENT = 3600.0  # seconds without a key
_READY = 0.7  # seconds until the count-in
_LOOK = 0.02  # seconds between two looks at what the page has sent
_MOST_BACK = 5.0  # seconds that a key may be old
_MOST_TIME = 1e7  # seconds
_UNKNOWN = {"form", "parallels"}  # settings of tunes that are written whole


class Company:
    """Who plays with the page.

    Parameters
    ----------
    folder
        The studio's own, with models that were trained in it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._one = threading.Lock()  # held while a jam begins and is played
        self._turns: Turns | None = None
        self._number = 0

    @property
    def process(self) -> int | None:
        """The number of the process that thinks; None if nobody plays."""
        turns = self._turns
        return turns.process if turns is not None and turns.is_on else None

    def begin(self, job: Job) -> None:
        """Begin the jam that a job orders, and send it what comes.

        Raises
        ------
        melody.errors.MelodyError
            If one is played already, or it cannot be played.
        """
        if not self._one.acquire(blocking=False):
            raise StudioError("a jam is being played already, perhaps in another tab; stop it first", 409)
        try:
            path, settings, tempo = asked(self._folder, job.order)
            self._number += 1
            self._turns = Turns(self._number, path, settings, tempo, job, self._one.release)
        except BaseException:
            self._one.release()
            raise

    def turns(self, number: object) -> Turns:
        """The jam of that number.

        Raises
        ------
        StudioError
            If it is over.
        """
        if self._turns is None or not self._turns.is_on or self._turns.number != number:
            raise StudioError("that jam is over; start another", 404)
        return self._turns

    def close(self) -> None:
        """End it for good."""
        if self._turns is not None:
            self._turns.stop()
            self._turns.join()


class Turns:
    """A jam: the player has some bars, then the model as many, and so on.

    Parameters
    ----------
    number
        Its own.
    path
        The file of the model.
    settings, tempo
        See `JamSettings`; quarter notes a minute.
    job
        Is sent what comes: how it begins, plans, and why it is over.
    ended
        Called when it is over.

    Raises
    ------
    melody.errors.SamplingError
        If the model cannot do what is asked.
    """

    def __init__(
        self, number: int, path: Path, settings: JamSettings, tempo: float, job: Job, ended: Callable[[], None]
    ) -> None:
        self.number, self._settings, self._job, self._ended = number, settings, job, ended
        self._thinking = Apart(path, settings, goes_first=False)
        self.process = self._thinking.pid
        metre, ticks = TimeSignature(0, *settings.metre), self._thinking.ticks_per_quarter
        bar = metre.bar_ticks(ticks) / ticks * 60 / tempo
        self._begins = time.perf_counter() + _READY + bar
        self._clock = OwnClock(ticks, tempo, self._begins)
        self._came: deque[tuple[float, Message]] = deque()
        self._stopped, self._panicked = threading.Event(), threading.Event()
        self._last_word = self._played = time.perf_counter()
        self._jam = Jam(self, self._clock, self._thinking, self._thinking.parts, metre, show=self._show)
        job.put(
            {
                "jam": number,
                "now": self.now,
                "tempo": tempo,
                "ticks": ticks,
                "metre": list(settings.metre),
                "bar": bar,
                "beat": metre.beat_ticks(ticks) / ticks * 60 / tempo,
                "bars": settings.bars,
                "seed": settings.sampling.seed,
                "parts": [{"program": p.program, "drum": p.is_drum, "name": p.name} for p in self._thinking.parts],
            }
        )
        self._thread = threading.Thread(target=self._play, daemon=True)
        self._thread.start()

    @property
    def is_on(self) -> bool:
        """Whether it is still played."""
        return self._thread.is_alive()

    @property
    def now(self) -> float:
        """The time of the jam."""
        return round(time.perf_counter() - self._begins, 4)

    def play(self, rows: object) -> None:
        """Take in what the page has played; nothing says only that it is still there.

        Parameters
        ----------
        rows
            Each [time, pitch, velocity], velocity 0 where a key comes up; at most 128.

        Raises
        ------
        StudioError
            If it is something else.
        """
        self._last_word = time.perf_counter()
        if not isinstance(rows, list) or len(rows) > MAX_PLAYED:
            raise StudioError(f"what is played comes as a list of at most {MAX_PLAYED} keys at a time")
        messages = [_message(row, self.now) for row in rows]
        if messages:
            self._played = self._last_word
        self._came.extend((self._begins + at, message) for at, message in messages)

    def panic(self) -> None:
        """Let nothing more be played until the player's next turn."""
        self._panicked.set()

    def stop(self) -> None:
        """End it."""
        self._stopped.set()

    def join(self) -> None:
        """Wait a little until it is over."""
        self._thread.join(5)

    def received(self) -> list[tuple[float, Message]]:
        """As `melody.along.jam.session.Ports.received`."""
        return [self._came.popleft() for _ in range(len(self._came))]

    def send(self, message: Message) -> None:
        """As `melody.along.jam.session.Ports.send`: the page has the plan already, and plays it by its own clock."""

    def _play(self) -> None:
        over = ""
        try:
            while not (over := self._over()):
                if self._panicked.is_set():
                    self._panicked.clear()
                    self._jam.panic(time.perf_counter())
                wake = self._jam.step(time.perf_counter()) - time.perf_counter()
                wait([self._thinking.connection], min(max(wake, 0.0), _LOOK))
        except SamplingError as error:
            over = str(error)
        finally:
            self._thinking.close()
            self._ended()
            self._job.put({"over": over or "the jam broke off, by a fault of the program"})
            self._job.put(None)

    def _over(self) -> str:
        """Why it is over; '' while it is not."""
        now = time.perf_counter()
        if self._job.is_cancelled.is_set() or now - self._last_word > GONE:
            return "the page has gone"
        if now - self._played > SILENT:
            return "nothing was played for an hour, so the jam has ended"
        return "the jam has ended" if self._stopped.is_set() else ""

    def _show(self, plan: Plan) -> None:
        now = time.perf_counter()
        self._job.put({"now": round(now - self._begins, 4), **as_data(plan, self._clock, now)})


def asked(folder: Path, order: dict[str, Any]) -> tuple[Path, JamSettings, float]:
    """The model, what the jam is like and its tempo.

    Raises
    ------
    melody.errors.MelodyError
        If something cannot be read, is out of its range, or is not to be had on the page.
    """
    if order.get("mode", "answer") != "answer":
        raise StudioError("on the page the model answers you; to have it play beside you, use melody jam --accompany")
    known = models_here(folder)
    if str(order.get("model")) not in known:
        raise StudioError(f"there is no model '{str(order.get('model'))[:40]}'; choose one of the list", 404)
    wanted = Asked.of({name: order.get(name) for name in ("steer", "seed")})
    for name in _UNKNOWN & wanted.given.keys():
        raise StudioError(f"{name} is for tunes that are written whole; leave it empty to play along")
    bars = whole("the number of bars", order.get("bars") or 4) or 0
    settings = JamSettings(bars=bars, metre=wanted.limits.metre or (4, 4), limits=wanted.limits, sampling=wanted.settings)
    return known[str(order.get("model"))], settings, float(wanted.limits.tempo or 120)


def _message(row: object, now: float) -> tuple[float, Message]:
    """A key of the page as MIDI, with its time, which is neither yet to come nor long ago."""
    if isinstance(row, list) and len(row) == 3 and not any(isinstance(value, bool) for value in row):
        at, pitch, velocity = row
        is_time = isinstance(at, (int, float)) and abs(at) < _MOST_TIME
        if is_time and all(isinstance(value, int) and 0 <= value <= 127 for value in (pitch, velocity)):
            return min(max(at, now - _MOST_BACK), now), (NOTE_ON if velocity else NOTE_OFF, pitch, velocity)
    raise StudioError("a key that is played is a time, a pitch and a velocity from 0 to 127")
