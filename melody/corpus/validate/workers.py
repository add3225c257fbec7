"""Tasks -> shards: here, in processes of this machine, or on the machines of a Dask cluster."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from melody.corpus.settings import PrepareSettings
from melody.corpus.store.reader import Corpus
from melody.corpus.validate.chunk import Task, validate
from melody.corpus.validate.shard import Shard
from melody.errors import CorpusError
from melody.extras import need

if TYPE_CHECKING:
    from concurrent.futures import Future

ENOUGH = 16  # chunks from which on processes are worth their start
AHEAD = 3  # tasks given out for each worker, so that none waits and memory stays bounded


@dataclass(frozen=True)
class Earlier:
    """A store that may know some files, as it was at some time."""

    path: str
    changed: int

    @classmethod
    def at(cls, path: Path) -> Earlier:
        """The store as it is now."""
        return cls(str(path), path.stat().st_mtime_ns)


def worked(
    tasks: Iterable[tuple[int, Task]], number: int, settings: PrepareSettings, store: Earlier | None
) -> Iterator[tuple[int, Shard]]:
    """The shards of numbered tasks, as they are done; `number` is how many, `store` an earlier one that knows some files.

    Raises
    ------
    CorpusError
        If workers die or cannot be had.
    """
    workers = settings.workers or (os.cpu_count() or 1 if number >= ENOUGH else 1)
    if settings.dask:
        yield from _on_dask(tasks, settings.dask, store)
    elif workers > 1 and number > 1:
        yield from _in_processes(tasks, min(workers, number), store)
    else:
        known = Corpus.open(store.path) if store else None
        yield from ((place, validate(task, known)) for place, task in tasks)


def work(task: Task, store: Earlier | None) -> bytes:
    """The shard of a task, as bytes."""
    return validate(task, _known(store) if store else None).to_bytes()


@lru_cache(maxsize=1)
def _known(store: Earlier) -> Corpus | None:
    """Opened once in a worker. Where it cannot be seen, or is another by now, the work is done again."""
    try:
        return Corpus.open(store.path) if Earlier.at(Path(store.path)) == store else None
    except (CorpusError, OSError):
        return None


def _in_processes(tasks: Iterable[tuple[int, Task]], workers: int, store: Earlier | None) -> Iterator[tuple[int, Shard]]:
    import multiprocessing
    from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
    from concurrent.futures.process import BrokenProcessPool

    # Fresh processes behave the same on every system and do not inherit threads that hold locks.
    context = multiprocessing.get_context("spawn")
    left = iter(tasks)
    running: dict[Future[bytes], int] = {}
    try:
        with ProcessPoolExecutor(workers, mp_context=context, initializer=_leave_with_the_parent) as pool:
            while True:
                for number, task in islice(left, AHEAD * workers - len(running)):
                    running[pool.submit(work, task, store)] = number
                if not running:
                    return
                for done in wait(running, return_when=FIRST_COMPLETED).done:
                    yield running.pop(done), Shard.from_bytes(done.result())
    except BrokenProcessPool as error:
        raise CorpusError(
            "a worker process died: out of memory, killed, or the script calls prepare outside of "
            "`if __name__ == '__main__':`; run again with workers=1, finished work is kept"
        ) from error


def _leave_with_the_parent() -> None:
    """A worker whose parent is killed would wait for ever for its next task, and hold what the parent had open."""
    from multiprocessing import connection, parent_process
    from threading import Thread

    parent = parent_process()
    assert parent is not None

    def leave() -> None:
        connection.wait([parent.sentinel])
        os._exit(1)

    Thread(target=leave, daemon=True).start()


def _on_dask(tasks: Iterable[tuple[int, Task]], address: str, store: Earlier | None) -> Iterator[tuple[int, Shard]]:
    need("work on a Dask cluster", "distributed")
    from distributed import Client, as_completed

    try:
        client = Client(address, timeout=10)
    except (OSError, ValueError, TimeoutError) as error:
        raise CorpusError(f"no Dask scheduler answers at {address} ({error}); start one with `dask scheduler`") from error
    with client:
        left = iter(tasks)
        numbers: dict[Any, int] = {}
        queue = as_completed()
        ahead = AHEAD * max(sum(client.nthreads().values()), 1)

        def submit(count: int) -> None:
            for number, task in islice(left, count):
                future = client.submit(work, task, store, pure=False, retries=3)
                numbers[future.key] = number
                queue.add(future)

        submit(ahead)
        for future in queue:
            yield numbers.pop(future.key), Shard.from_bytes(_result(future))
            submit(1)


def _result(future: Any) -> bytes:
    try:
        shard: bytes = future.result()
    except Exception as error:  # whatever happened on another machine
        raise CorpusError(f"a Dask worker failed ({error}); run again, finished work is kept") from error
    return shard
