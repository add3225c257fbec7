"""One thread for NumPy's products while anybody needs it, and as many as before afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Barrier, Event, Thread

import pytest
from threadpoolctl import ThreadpoolController

from melody.threads import one_thread

BLAS = ThreadpoolController().select(user_api="blas")


def blas_threads() -> int:
    """How many threads NumPy multiplies on now."""
    return max(library["num_threads"] for library in BLAS.info())


def _set(number: int) -> None:
    for library in BLAS.lib_controllers:
        if hasattr(library, "clear_controlling_thread"):
            library.clear_controlling_thread(force=True)
        library.set_num_threads(number)


@pytest.fixture(autouse=True)
def several(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    if not BLAS.info():
        pytest.skip("NumPy multiplies by itself here")
    before = blas_threads()
    _set(2)
    yield
    _set(before)


def test_inside_there_is_one_thread_and_afterwards_as_many_as_before() -> None:
    assert blas_threads() == 2
    with one_thread():
        assert blas_threads() == 1
        with one_thread():
            assert blas_threads() == 1
        assert blas_threads() == 1
    assert blas_threads() == 2
    with pytest.raises(ZeroDivisionError), one_thread():
        raise ZeroDivisionError
    assert blas_threads() == 2


def test_the_last_of_several_python_threads_puts_the_number_back() -> None:
    """The first one in is the first one out: the other must stay at one thread, and the number must come back after it."""
    first_is_in, second_is_in, first_is_out, seen = Event(), Event(), Event(), []

    def first() -> None:
        with one_thread():
            first_is_in.set()
            second_is_in.wait(10)
        first_is_out.set()

    def second() -> None:
        with one_thread():
            second_is_in.set()
            first_is_out.wait(10)
            seen.append(blas_threads())

    one = Thread(target=first)
    one.start()
    first_is_in.wait(10)
    other = Thread(target=second)
    other.start()
    one.join(10)
    other.join(10)
    assert seen == [1]
    assert blas_threads() == 2


def test_many_at_once() -> None:
    together, wrong = Barrier(8), []

    def often() -> None:
        together.wait(10)
        for _ in range(200):
            with one_thread():
                if blas_threads() != 1:
                    wrong.append(blas_threads())

    threads = [Thread(target=often) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not wrong and blas_threads() == 2
