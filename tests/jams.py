"""Jams in simulated time: a clock that goes on when it is told to, ports in this process, players who play by rule."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any

from melody.along.jam.playing import NOTE_OFF, NOTE_ON, Message

Timed = tuple[float, Message]


class Wires:
    """Ports in this process: what a player plays is known beforehand, what comes out is noted down with its time."""

    def __init__(self, played: Iterable[Timed] = ()) -> None:
        self.now = 0.0
        self.coming = deque(sorted(played))
        self.sent: list[Timed] = []

    def received(self) -> list[Timed]:
        due = []
        while self.coming and self.coming[0][0] <= self.now:
            due.append(self.coming.popleft())
        return due

    def send(self, message: Message) -> None:
        assert all(0 <= byte < 256 for byte in message) and message[0] >= 0x80
        self.sent.append((self.now, message))

    @property
    def notes(self) -> list[Timed]:
        return [(time, m) for time, m in self.sent if m[0] & 0xF0 == NOTE_ON and m[0] & 0xF != 9]


def run(jam: Any, wires: Wires, seconds: float) -> None:
    """Let the jam go on until then, from one thing that is due to the next."""
    while wires.now < seconds:
        wake = jam.step(wires.now)
        coming = wires.coming[0][0] if wires.coming else wake
        wires.now = max(min(wake, coming), wires.now + 1e-4)


def stuck(sent: Iterable[Timed]) -> list[str]:
    """What is wrong with the notes that were sent: begun twice, ended without a beginning, never ended."""
    sounding: dict[tuple[int, int], float] = {}
    wrong = []
    for time, message in sent:
        key = message[0] & 0xF, message[1]
        if message[0] & 0xF0 == NOTE_ON:
            if key in sounding:
                wrong.append(f"{key} begun again at {time:.2f}")
            sounding[key] = time
        elif message[0] & 0xF0 == NOTE_OFF and sounding.pop(key, None) is None:
            wrong.append(f"{key} ended at {time:.2f} without a beginning")
    return wrong + [f"{key} begun at {time:.2f} never ended" for key, time in sounding.items()]


def line(pitches: Iterable[int], start: float, step: float, share: float = 0.9, velocity: int = 80) -> list[Timed]:
    """Notes one after another, in messages with their times."""
    found: list[Timed] = []
    for number, pitch in enumerate(pitches):
        begins = start + number * step
        found += [(begins, (NOTE_ON, pitch, velocity)), (begins + share * step, (NOTE_OFF, pitch, 0))]
    return found
