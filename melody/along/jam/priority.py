"""Before other processes: what plays, and after it what thinks, where the system lets them.

Both do little at a time and then wait. On Linux this is the real-time priority that sound servers have (`rtprio` of the
audio group, or root); elsewhere, and where it is not allowed, they run as any other process.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

THINKS, PLAYS = 1, 2  # the higher one goes first


def go_first(priority: int) -> bool:
    """Let all threads of this process go before other processes; whether the system lets them.

    Threads and processes that begin from here on are as they would be. All threads have to be the same, or one that is put
    off while it holds Python's lock would hold up the others.
    """
    if not hasattr(os, "SCHED_RESET_ON_FORK"):
        return False
    threads = [0]
    with suppress(OSError):
        threads = [int(each.name) for each in Path("/proc/self/task").iterdir()]
    try:
        for thread in threads:
            os.sched_setscheduler(thread, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(priority))
    except OSError:
        return False
    return True
