"""How threads that multiply matrices wait for one another, and how many there are."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController


def wait_shortly() -> None:
    """Threads spin for a few microseconds and then sleep; must be called before torch is loaded, as OpenMP reads it then.

    Two threads that spin for ever slow each other down 39-fold when another program holds a core. Two that sleep at once are
    no faster than one in the small products of an LSTM. A thousand turns keep 95 % of the speed of spinning where the
    cores are free, and 70 % of that of sleeping where one is not. libgomp reads the second, other runtimes the first.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")


@contextmanager
def one_thread() -> Iterator[None]:
    """NumPy multiplies on one thread in here, as the products of a step are too small for more; then as before.

    More threads bring nothing where the cores are free, and where another program holds one, tunes take five times as long.
    """
    if os.environ.get("OPENBLAS_NUM_THREADS") == "1":  # as on the command line: nothing has to be looked for and loaded
        yield
        return
    with _controller().limit(limits=1, user_api="blas"):
        yield


@cache
def _controller() -> ThreadpoolController:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
