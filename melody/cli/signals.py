"""Ctrl-C and SIGTERM: both end a command with the same words, whenever they come; the exit code is 128 and the signal."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

CTRL_C = 128 + signal.SIGINT  # the exit code
received: list[int] = []  # signals, the first first


@contextmanager
def noted() -> Iterator[None]:
    """In here a signal is noted and raises KeyboardInterrupt.

    Training puts a handler of its own before this one, which calls it and goes on to the end of what it is at.
    """
    received.clear()
    process, before = os.getpid(), {}

    def note(number: int, frame: FrameType | None) -> None:
        if os.getpid() != process:  # a fork of ours, which ends in silence
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        received.append(number)
        raise KeyboardInterrupt

    with suppress(ValueError):  # only the main thread may; elsewhere signals are not ours to catch
        for number in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(number) is not signal.SIG_IGN:  # as for what runs in the background
                before[number] = signal.signal(number, note)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def exit_code() -> int:
    """128 and the signal, as shells have it: 130 for Ctrl-C, 143 for SIGTERM.

    Where KeyboardInterrupt left text that `exec` ran, as an import that makes a data class does, Python would end itself by
    the signal whatever the exit code is; running another text it forgets that.
    """
    exec("")
    return 128 + received[0] if received else CTRL_C
