"""How threads that multiply matrices wait for one another, and how many there are."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from threading import Lock
from typing import TYPE_CHECKING, Any

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


class _Shared:
    """NumPy's products are on one thread from the first who asks for it until the last one has left, whoever overlaps.

    The number of threads is the whole process's: two Python threads that each put back what they found would leave the
    number of the one that came first to the other, and that one's for ever.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._inside = 0
        self._limited: Any = None

    def enter(self) -> None:
        """Limit the threads, if nobody has."""
        with self._lock:
            if self._inside == 0:
                _in_our_hands()
                self._limited = _controller().limit(limits=1, user_api="blas")
            self._inside += 1

    def leave(self) -> None:
        """Put the number of threads back, if nobody else needs it."""
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                _in_our_hands()
                self._limited.restore_original_limits()


_SHARED = _Shared()


@contextmanager
def one_thread() -> Iterator[None]:
    """NumPy multiplies on one thread in here, as the products of a step are too small for more; then as before.

    More threads bring nothing where the cores are free, and where another program holds one, tunes take five times as long.
    May be nested, and used by several Python threads at once.
    """
    if os.environ.get("OPENBLAS_NUM_THREADS") == "1":  # as on the command line: nothing has to be looked for and loaded
        yield
        return
    _SHARED.enter()
    try:
        yield
    finally:
        _SHARED.leave()


def _in_our_hands() -> None:
    """Let this Python thread set the number: threadpoolctl (3.8) heeds only the first that did, while it lives."""
    for library in _controller().lib_controllers:
        if hasattr(library, "clear_controlling_thread"):
            library.clear_controlling_thread(force=True)


@cache
def _controller() -> ThreadpoolController:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
