"""How threads that multiply matrices wait for one another; OpenMP reads it from the environment when it is loaded."""

from __future__ import annotations

import os


def wait_shortly() -> None:
    """Threads spin for a few microseconds and then sleep; must be called before torch is loaded.

    Two threads that spin for ever slow each other down 39-fold when another program holds a core. Two that sleep at once are
    no faster than one in the small products of an LSTM. A thousand turns keep 95 % of the speed of spinning where the
    cores are free, and 70 % of that of sleeping where one is not. libgomp reads the second, other runtimes the first.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
