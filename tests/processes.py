"""Processes that others have to see the end of."""

import os
import time
from pathlib import Path


def gone(process: int, seconds: float = 10) -> bool:
    """Whether a process ends within that time; one that nobody has asked after has ended, too."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        state = Path(f"/proc/{process}/stat")
        try:
            os.kill(process, 0)
            if state.exists() and state.read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except (ProcessLookupError, FileNotFoundError):
            return True
        time.sleep(0.05)
    return False
