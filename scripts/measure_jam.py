"""How late the notes of a jam are, and whether its plans come in time.

    python scripts/measure_jam.py [MODEL] [--seconds 120] [--accompany] [--tempo 120] [--train FOLDER] [--jack] [--hour]

A player by rule, who is not quite exact, plays two bars, the model two (or both at once), what thinks in a process of its
own as in `melody jam`. Two things are measured apart. *Late* is a note that waited for its time, by the time at which it was
sent, less that at which it was due: the process that plays. *In time* is a plan that came before the first beat or note
that it is about: what thinks. No note is played late because a plan was: it begins on the next beat or not at all, and is
counted.

With --train a model is trained on a folder meanwhile, on all cores, as niced as --nice says. With --plain nothing goes
before other processes. With --jack the notes go through real ports: a JACK server with its dummy driver, which is started
and ended here (jackd must be installed). With --hour an hour is played in simulated time with the model in this process,
and every beginning is looked at for its end.

Conventions: milliseconds on the wall. The clicks on the beats are timed as well.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

import numpy as np

from melody import models
from melody.along.jam.apart import Apart
from melody.along.jam.clock import OwnClock
from melody.along.jam.partner import Plan, partner
from melody.along.jam.playing import NOTE_OFF, NOTE_ON, Message
from melody.along.jam.ports import MidiPorts
from melody.along.jam.priority import PLAYS, go_first
from melody.along.jam.session import Here, Jam
from melody.along.jam.settings import JamSettings
from melody.sampling import load
from melody.signatures import TimeSignature

BARS, REEL = 2, (62, 66, 69, 66, 62, 66, 69, 66, 64, 67, 71, 67, 69, 66, 64, 62)


class Wires:
    """Ports in this process, with a player who plays by rule."""

    def __init__(self, coming: list[tuple[float, Message]]) -> None:
        self.now, self._coming = 0.0, deque(sorted(coming))
        self.sent: list[tuple[float, Message]] = []

    def received(self) -> list[tuple[float, Message]]:
        """What is due."""
        found = []
        while self._coming and self._coming[0][0] <= self.now:
            found.append(self._coming.popleft())
        return found

    def send(self, message: Message) -> None:
        """Note it down."""
        self.sent.append((self.now, message))


def player(start: float, seconds: float, tempo: float, always: bool) -> list[tuple[float, Message]]:
    """Eighths in two bars of four, or in all, give or take 15 ms."""
    eighth, found, draw = 30 / tempo, list[tuple[float, Message]](), random.Random(0)
    for number in range(int(seconds / eighth)):
        if always or number // 8 % (2 * BARS) < BARS:
            at, pitch = start + number * eighth + draw.gauss(0, 0.015), REEL[number % len(REEL)]
            found += [(at, (NOTE_ON, pitch, 80)), (at + 0.85 * eighth, (NOTE_OFF, pitch, 0))]
    return found


class Watched(Apart):
    """What thinks, and when its plans came and which of them were refused."""

    def __init__(self, path: Path, settings: JamSettings, goes_first: bool) -> None:
        super().__init__(path, settings, goes_first=goes_first)
        self.came: list[tuple[float, Plan]] = []
        self.late: set[int] = set()

    def plans(self) -> list[Plan]:
        """As `Apart.plans`."""
        found = super().plans()
        self.came += [(time.perf_counter(), plan) for plan in found]
        return found

    def refused(self, number: int) -> None:
        """As `Apart.refused`."""
        super().refused(number)
        self.late.add(number)


def real_time(path: Path, settings: JamSettings, asked: argparse.Namespace) -> None:
    """Play, and print how late the notes were."""
    model = load(path)
    grid, metre = model.vocabulary.ticks_per_quarter, TimeSignature(0, 4, 4)
    thinking = Watched(path, settings, not asked.plain)
    arrived: list[float] = []
    server, ports, outside = _jack(arrived) if asked.jack else (None, None, None)
    start = time.perf_counter() + 1
    clock = OwnClock(grid, asked.tempo, start)
    coming = deque(sorted(player(start, asked.seconds, asked.tempo, asked.accompany)))
    wires = Wires(list(coming))
    jam = Jam(ports or wires, clock, thinking, model.vocabulary.parts, metre, click=True)
    first = not asked.plain and go_first(PLAYS)
    used = time.process_time()
    try:
        while (now := time.perf_counter()) < start + asked.seconds:
            wires.now = now
            while coming and coming[0][0] <= now:
                _, message = coming.popleft()
                if outside is not None:
                    outside.send(message)
            wake = jam.step(now)
            nearest = min(wake, coming[0][0] if coming else wake)
            if ports is not None:
                ports.wait(nearest, thinking.connection)
            else:
                wait([thinking.connection], max(nearest - time.perf_counter(), 0))
    finally:
        jam.close()
        thinking.close()
        if ports is not None:
            ports.close()
        if server is not None:
            server.terminate()
    how = "before other processes" if first else "as any process"
    print(f"{model.file.name}, {settings.mode}, {asked.seconds:g} s at {asked.tempo:g}, {how}")
    print(f"notes and clicks that waited for their time: {_shown(list(jam.lateness))}")
    _print_plans(thinking, clock, asked, settings)
    print(f"notes whose plans were late: {jam.playing.moved} began on the next beat, {jam.playing.missed} were left out")
    share = 100 * (time.process_time() - used) / asked.seconds
    print(f"a bare sleep on this machine: {_shown(bare())}; playing took {share:.1f} % of a core")
    if arrived:
        print(f"through JACK {len(arrived):,} messages arrived")


def _print_plans(thinking: Watched, clock: OwnClock, asked: argparse.Namespace, settings: JamSettings) -> None:
    """How long before they were needed plans came."""
    first: dict[tuple[int, int, int], float] = {}
    early: dict[int, list[float]] = {}
    for came, plan in thinking.came:
        for note in plan.notes:
            first.setdefault(note[:3], 1000 * (clock.time_of(note.onset) - came))
        if plan.number and plan.replaces_from is not None and not plan.remark:
            early.setdefault(plan.bars[0], []).append(1000 * (clock.time_of(plan.replaces_from) - came))
    if settings.mode == "answer":
        turns = int((asked.seconds * asked.tempo / 60 / (4 * BARS) + 1) // 2)
        plans, last = sum(map(len, early.values())), [each[-1] for each in early.values()]
        in_time = sum(max(each) >= 0 for each in early.values())
        print(
            f"{in_time} of {turns} turns were answered in time, by {plans} plans, {len(thinking.late)} refused as late; "
            f"the last of a turn came {np.median(last):.0f} ms before it (median; least {min(last):.0f})"
        )
    low, median = np.percentile(list(first.values()), [1, 50])
    print(
        f"{len(first):,} notes planned, {sum(each < 0 for each in first.values())} after they were due; "
        f"before it by median {median:.0f} ms, 1st percentile {low:.0f} ms"
    )


@contextmanager
def training(folder: Path | None, nice: int) -> Iterator[None]:
    """A model is trained meanwhile, once its first epoch goes on."""
    if folder is None:
        yield
        return
    with tempfile.TemporaryDirectory() as out, open(Path(out) / "log", "w+") as log:
        words = ["-m", "melody", "train", str(folder), "--out", str(Path(out) / "m.safetensors"), "--max-minutes", "60"]
        environment = {**os.environ, "OMP_NUM_THREADS": str(os.cpu_count())}
        command = ["nice", "-n", str(nice), sys.executable, *words]
        run = subprocess.Popen(command, stdout=log, stderr=log, env=environment, start_new_session=True)
        try:
            for _ in range(120):
                time.sleep(1)
                log.seek(0)
                if "epochs of" in log.read():
                    break
            time.sleep(15)
            log.seek(0)
            if run.poll() is not None:
                sys.exit(f"the training ended: {log.read()[-500:]}")
            yield
        finally:
            os.killpg(run.pid, signal.SIGTERM)
            run.wait()


def bare(times: int = 400) -> list[float]:
    """By how many seconds this machine comes late to a process that only sleeps."""
    found = []
    for _ in range(times):
        due = time.perf_counter() + 0.02
        time.sleep(0.02)
        found.append(time.perf_counter() - due)
    return found


def _shown(seconds: list[float]) -> str:
    median, last, most = 1000 * np.percentile(seconds, [50, 99, 100])
    return f"{len(seconds):,} times, late by median {median:.2f} ms, 99th percentile {last:.2f} ms, at most {most:.2f} ms"


def _jack(arrived: list[float]) -> tuple[Any, Any, Any]:
    """A JACK server with the dummy driver, ports of the jam in it, and a player's output that leads there."""
    import mido

    command = ["jackd", "--no-realtime", "--no-mlock", "-d", "dummy", "-r", "48000", "-p", "64"]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(2)
    mido.set_backend("mido.backends.rtmidi/UNIX_JACK")
    try:
        ports = MidiPorts(None, None)
        names = [name for name in mido.get_output_names() if "melody" in name.lower()]
        sources = [name for name in mido.get_input_names() if "melody" in name.lower()]
        player_out = mido.open_output(names[0])
        heard = mido.open_input(sources[0], callback=lambda message: arrived.append(time.perf_counter()))
    except Exception:
        server.terminate()
        raise

    class Outside:
        """The player's output, and the input that hears what the jam plays."""

        ports = player_out, heard

        def send(self, message: Message) -> None:
            """Let it out."""
            player_out.send(mido.Message.from_bytes(message))

    return server, ports, Outside()


def hour(path: Path, settings: JamSettings, asked: argparse.Namespace) -> None:
    """An hour in simulated time, with the model."""
    model, seconds = load(path), 3600.0
    wires = Wires(player(2.0, seconds, asked.tempo, asked.accompany))
    clock, thinking = OwnClock(model.vocabulary.ticks_per_quarter, asked.tempo, 2.0), Here(partner(model, settings))
    jam = Jam(wires, clock, thinking, model.vocabulary.parts, TimeSignature(0, 4, 4), click=True)
    while wires.now < seconds:
        wires.now = max(jam.step(wires.now), wires.now + 1e-4)
    jam.close()
    sounding: set[tuple[int, int]] = set()
    wrong, begun = 0, 0
    for _, message in wires.sent:
        key = message[0] & 0xF, message[1]
        if message[0] & 0xF0 == NOTE_ON:
            wrong, begun = wrong + (key in sounding), begun + (key[0] != 9)
            sounding.add(key)
        elif message[0] & 0xF0 == NOTE_OFF:
            wrong += key not in sounding
            sounding.discard(key)
    wrong += len(sounding)
    print(f"an hour of {model.file.name}, {settings.mode}: {begun:,} notes, {wrong} of them stuck or ended twice")


def main() -> None:
    """Parse, play, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", default="fiddle")
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--tempo", type=float, default=120)
    parser.add_argument("--train", metavar="FOLDER", type=Path)
    parser.add_argument("--nice", type=int, default=10)
    for name in ("accompany", "plain", "jack", "hour"):
        parser.add_argument(f"--{name}", action="store_true")
    asked = parser.parse_args()
    settings = JamSettings(mode="accompany" if asked.accompany else "answer", bars=BARS)
    with training(asked.train, asked.nice):
        before = os.getloadavg()[0]
        (hour if asked.hour else real_time)(models.find(asked.model), settings, asked)
        print(f"load of {os.cpu_count()} cores: {before:.1f} before, {os.getloadavg()[0]:.1f} after")


if __name__ == "__main__":
    main()
