"""How late the notes of a jam are: the time at which each is sent, less the time at which it is due.

    python scripts/measure_jam.py [MODEL] [--seconds 120] [--accompany] [--tempo 120] [--jack] [--hour]

A player by rule plays two bars, the model two (or both at once), what thinks in a process of its own as in `melody jam`.
With --jack the notes go through real ports: a JACK server with its dummy driver, which is started and ended here (jackd must
be installed). With --hour an hour is played in simulated time with the model in this process,
and every beginning is looked at for its end.

Conventions: milliseconds on the wall. The clicks on the beats are timed as well.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections import deque
from pathlib import Path
from typing import Any

import numpy as np

from melody import models
from melody.along.jam.apart import Apart
from melody.along.jam.clock import OwnClock
from melody.along.jam.partner import partner
from melody.along.jam.playing import NOTE_OFF, NOTE_ON, Message
from melody.along.jam.ports import MidiPorts, play_first
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
    """Eighths in two bars of four, or in all."""
    eighth, found = 30 / tempo, list[tuple[float, Message]]()
    for number in range(int(seconds / eighth)):
        if always or number // 8 % (2 * BARS) < BARS:
            at, pitch = start + number * eighth, REEL[number % len(REEL)]
            found += [(at, (NOTE_ON, pitch, 80)), (at + 0.9 * eighth, (NOTE_OFF, pitch, 0))]
    return found


def real_time(path: Path, settings: JamSettings, asked: argparse.Namespace) -> None:
    """Play, and print how late the notes were."""
    model = load(path)
    grid, metre = model.vocabulary.ticks_per_quarter, TimeSignature(0, 4, 4)
    thinking = Apart(path, settings)
    start = time.perf_counter() + 1
    coming = player(start, asked.seconds, asked.tempo, asked.accompany)
    arrived: list[float] = []
    server, outside, ports = None, None, None
    wires: Any = Wires(coming)
    if asked.jack:
        server, ports, outside = _jack(arrived)
    jam = Jam(ports or wires, OwnClock(grid, asked.tempo, start), thinking, model.vocabulary.parts, metre, click=True)
    waiting = deque(sorted(coming))
    first = play_first()
    try:
        while (now := time.perf_counter()) < start + asked.seconds:
            wires.now = now
            while outside is not None and waiting and waiting[0][0] <= now:
                outside.send(waiting.popleft()[1])
            wake = jam.step(now)
            nearest = min(wake, waiting[0][0] if waiting else wake)
            if ports is not None:
                ports.wait(nearest)
            else:
                time.sleep(max(nearest - time.perf_counter(), 0))
    finally:
        jam.close()
        thinking.close()
        if ports is not None:
            ports.close()
        if server is not None:
            server.terminate()
    how = "before other processes" if first else "as any process"
    print(f"{model.file.name}, {settings.mode}, {asked.seconds:g} s at {asked.tempo:g}, {how}: {_shown(list(jam.lateness))}")
    print(f"{jam.playing.missed} notes came too late to be played")
    print(f"a bare sleep on this machine: {_shown(bare())}")
    if arrived:
        print(f"through JACK {len(arrived):,} messages arrived")


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
        mido.open_input(sources[0], callback=lambda message: arrived.append(time.perf_counter()))
    except Exception:
        server.terminate()
        raise

    class Outside:
        """The player's output."""

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
    for name in ("accompany", "jack", "hour"):
        parser.add_argument(f"--{name}", action="store_true")
    asked = parser.parse_args()
    settings = JamSettings(mode="accompany" if asked.accompany else "answer", bars=BARS)
    (hour if asked.hour else real_time)(models.find(asked.model), settings, asked)


if __name__ == "__main__":
    sys.exit(main())
