"""Jobs in processes of their own: a bounded queue, messages as they come, and a cancel that always works.

A pool has a few processes that work on one job each. What they send comes to the event loop of the web process through a
thread a process. A job that is cancelled is asked to stop; where it does not within a moment, its process is ended and
another takes its place. A process that dies takes its own job along, and no other.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import queue
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from melody.errors import StudioError

Message = dict[str, Any]
Work = Callable[[Connection, Any], None]
_Worker = tuple[BaseProcess, Connection]
STOP = "stop"  # sent to a process whose job is no longer wanted
_TO_STOP = 1.0  # seconds for it
_MOST_SECONDS = 300.0  # of a job
NO_PROCESS = "the studio can start no process: memory or processes have run out; close other programs and try again"
_FAULT = "something went wrong in the studio, and the job was given up; the tune on the page is as it was"


class Job:
    """A job: what is asked for, and the messages that come of it.

    Parameters
    ----------
    kind, order
        What the process is to do.
    """

    def __init__(self, kind: str, order: Message) -> None:
        self.kind, self.order = kind, order
        self.is_cancelled = threading.Event()
        self._loop = asyncio.get_running_loop()
        self._messages: asyncio.Queue[Message | None] = asyncio.Queue()

    def put(self, message: Message | None) -> None:
        """Hand on a message, from any thread; None is the last."""
        try:
            self._loop.call_soon_threadsafe(self._messages.put_nowait, message)
        except RuntimeError:  # the loop has ended, and nobody waits
            self.is_cancelled.set()

    async def messages(self) -> AsyncIterator[Message]:
        """The messages; whoever stops taking them cancels the job."""
        try:
            while (message := await self._messages.get()) is not None:
                yield message
        finally:
            self.is_cancelled.set()


class Pool:
    """Some processes, and the jobs that wait for them.

    Parameters
    ----------
    work
        What a process does: take [kind, order] from its connection, send messages and at last None, and so on.
    given
        Handed to `work`.
    size
        How many processes.
    most
        How many jobs may wait.
    """

    def __init__(self, work: Work, given: object, size: int, most: int) -> None:
        self._work, self._given, self._most = work, given, most
        self._waiting: queue.Queue[Job | None] = queue.Queue()
        self._threads = [threading.Thread(target=self._serve, daemon=True) for _ in range(size)]
        self._is_open = True
        self.processes: set[int] = set()  # their numbers, those that live
        for thread in self._threads:
            thread.start()

    @property
    def waiting(self) -> int:
        """How many jobs wait."""
        return self._waiting.qsize()

    def submit(self, kind: str, order: Message) -> Job:
        """Line a job up.

        Raises
        ------
        StudioError
            If too many wait.
        """
        if self.waiting >= self._most:
            raise StudioError(f"{self._most} jobs are waiting already; try again when some of them are done", 503)
        job = Job(kind, order)
        self._waiting.put(job)
        return job

    def close(self) -> None:
        """End the processes."""
        self._is_open = False
        for _ in self._threads:
            self._waiting.put(None)
        for thread in self._threads:
            thread.join(timeout=3)

    def _serve(self) -> None:
        worker = self._begun()
        while self._is_open and (job := self._waiting.get()) is not None:
            if job.is_cancelled.is_set():
                continue
            if worker is None or not worker[0].is_alive():
                self._end(worker)
                worker = self._begun()
            is_over = True
            if worker is None:
                job.put({"error": NO_PROCESS})
            else:
                is_over = self._done(job, worker[1])
            job.put(None)
            if not is_over:
                self._end(worker)
                worker = self._begun()
        self._end(worker)

    def _done(self, job: Job, connection: Connection) -> bool:
        """Do a job; gives whether its process can do another."""
        try:
            connection.send((job.kind, job.order))
            return self._passed_on(job, connection)
        except (EOFError, OSError):
            job.put({"error": _FAULT})
            return False

    def _passed_on(self, job: Job, connection: Connection) -> bool:
        """Hand the messages of a job on; gives whether its process has come to the end of it."""
        until, asked = time.monotonic() + _MOST_SECONDS, False
        while True:
            if not asked and (job.is_cancelled.is_set() or not self._is_open):
                asked, until = True, time.monotonic() + _TO_STOP
                connection.send(STOP)
            if connection.poll(0.05):
                if (message := connection.recv()) is None:
                    return True
                if not asked:
                    job.put(message)
            elif time.monotonic() > until:
                if not asked:
                    job.put({"error": f"the job took over {_MOST_SECONDS:.0f} seconds and was given up; ask for less"})
                return False

    def _begun(self) -> _Worker | None:
        """A process and the way to it; None if the system has none to give, and the next job asks again."""
        context = multiprocessing.get_context("spawn")
        with suppress(OSError, MemoryError):
            ours, theirs = context.Pipe()
            with theirs:
                process = context.Process(target=self._work, args=(theirs, self._given), daemon=True)
                process.start()
            self.processes.add(process.pid or 0)
            return process, ours
        return None

    def _end(self, worker: _Worker | None) -> None:
        if worker is None:
            return
        process, connection = worker
        connection.close()
        process.kill()
        process.join()
        self.processes.discard(process.pid or 0)
