"""MIDI ports of this machine, by mido and python-rtmidi."""

from __future__ import annotations

import os
import time
from collections import deque
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from typing import Any

from melody.along.jam.playing import Message
from melody.errors import MelodyError
from melody.extras import need
from melody.text import counted

VIRTUAL = "melody"
_MOST_WAITING = 1_000  # messages, beyond which nobody has to be woken any more


class MidiPorts:
    """An input and an output; `close` closes both.

    Parameters
    ----------
    source, target
        Names of ports, or what they begin with; None for ports of our own that other programs connect to, called melody.

    Raises
    ------
    MelodyError
        If there is no such port, or ports cannot be opened here.
    MissingError
        If mido or python-rtmidi is not installed.
    """

    def __init__(self, source: str | None, target: str | None) -> None:
        midi = _midi()
        self._came: deque[tuple[float, Message]] = deque()
        self._woken, self._waker = Pipe(duplex=False)  # holds something while anything has come
        self._make = _mido().Message.from_bytes
        self._output = _opened(midi.open_output, _named(target, "output"), target is None)
        try:
            self._input = _opened(midi.open_input, _named(source, "input"), source is None, callback=self._take)
        except MelodyError:
            self._output.close()
            raise
        rtmidi = getattr(self._input, "_rt", None)
        if rtmidi is not None:
            rtmidi.ignore_types(sysex=True, timing=False, active_sense=True)

    def received(self) -> list[tuple[float, Message]]:
        """As `melody.along.jam.session.Ports.received`."""
        while self._woken.poll():
            self._woken.recv_bytes()
        return [self._came.popleft() for _ in range(len(self._came))]

    def send(self, message: Message) -> None:
        """As `melody.along.jam.session.Ports.send`."""
        self._output.send(self._make(message))

    def wait(self, until: float, *others: Connection) -> None:
        """Wait until that time, or until something comes, from here or from one of the others."""
        seconds = until - time.perf_counter()
        if seconds > 0:
            wait([self._woken, *others], seconds)

    def close(self) -> None:
        """Close both."""
        self._input.close()
        self._output.close()

    def _take(self, message: Any) -> None:
        self._came.append((time.perf_counter(), tuple(message.bytes())))
        if len(self._came) < _MOST_WAITING:
            self._waker.send_bytes(b"")


def listed() -> tuple[list[str], list[str]]:
    """The names of the inputs and the outputs of this machine.

    Raises
    ------
    MelodyError
        If this machine has no MIDI.
    """
    midi = _midi()
    return midi.get_input_names(), midi.get_output_names()


def _mido() -> Any:
    need("playing along", "mido", "rtmidi")
    import mido

    return mido


def _midi() -> Any:
    """The MIDI of this system, as mido has it: on Linux ALSA's, or JACK's where there is none; MIDO_BACKEND sets another."""
    mido, reason = _mido(), Exception()
    os.environ.setdefault("JACK_NO_START_SERVER", "1")
    for backend in (None, "mido.backends.rtmidi/UNIX_JACK"):
        try:
            midi = mido.Backend(backend)
            midi.get_output_names()
            return midi
        except Exception as error:  # of several libraries below, none of which has a type of its own for it
            reason = error if backend is None else reason
    raise MelodyError(_no_midi(reason))


def _named(name: str | None, kind: str) -> str:
    """The whole name of a port."""
    if name is None:
        return VIRTUAL
    inputs, outputs = listed()
    known = inputs if kind == "input" else outputs
    found = [each for each in known if each == name] or [each for each in known if each.lower().startswith(name.lower())]
    if len(found) != 1:
        there = f"there are {', '.join(known)}" if known else f"this machine has no MIDI {kind}"
        many = f"{counted(len(found), 'MIDI ' + kind)} begin with" if found else f"there is no MIDI {kind}"
        raise MelodyError(f"{many} '{name[:60]}'; {there}")
    return found[0]


def _opened(opening: Any, name: str, virtual: bool, **more: Any) -> Any:
    try:
        return opening(name, virtual=True, **more) if virtual else opening(name, **more)
    except Exception as error:  # of several libraries below, none of which has a type of its own for it
        raise MelodyError(_no_midi(error)) from None


def _no_midi(error: Exception) -> str:
    reason = " ".join(str(error).split())[:120] or type(error).__name__
    return f"no MIDI port can be opened here ({reason}); connect an instrument or start JACK, or on Windows name both ports"
