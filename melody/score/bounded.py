"""Scores of strangers, read in a child process with a clock and a ceiling of memory.

A score of some kilobytes may take hours or gigabytes to read, for reasons that no check of its numbers foresees. So a folder
of scores is read by a child process, which takes one after another and is replaced when it has become large, has died, or
has read many. It reads exactly what this process would, but no score takes longer or more memory than `Bounds` allow.

A single score of up to `SMALL` bytes, not compressed, is read in this process: a child would take a quarter of a second to
start, and the readers check all numbers themselves.

Time is that of the processor where the system can limit it (Linux, macOS), else that of the clock; the ceiling of memory
holds on Linux.
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import IO, Any

import numpy as np

from melody.errors import MelodyError, ScoreError
from melody.piece import Key, Part, Piece, Tempo, TimeSignature
from melody.score import formats
from melody.score.formats import Reading

SMALL = 1 << 16  # bytes
PATIENCE = 4  # times the seconds that a score may take of the processor, by the clock
COLUMNS = ("onset", "duration", "pitch", "velocity", "part")
# Whatever `melody` was imported from here, and no script of the caller's that would run again.
_START = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from melody.score.bounded import serve; serve()"


@dataclass(frozen=True)
class Bounds:
    """What one score may cost, and how long a child lives.

    Parameters
    ----------
    seconds, megabytes
        Of one score, beyond what the child needs when idle.
    files
        Scores after which a child is replaced.
    grown
        Megabytes that it may have more than at its start when it takes the next one.
    """

    seconds: int = 20
    megabytes: int = 1000
    files: int = 2000
    grown: int = 200


def read(content: bytes, suffix: str, *, one_of_many: bool = True) -> Reading:
    """The piece in the bytes of a score; `suffix` is how its name ends.

    Parameters
    ----------
    content, suffix
        As `formats.parse` takes them.
    one_of_many
        Read it in the child, however small it is.

    Raises
    ------
    ScoreError
        As `formats.parse`; or if it took longer or more memory than `Bounds` allow.
    """
    alone = not one_of_many and len(content) <= SMALL and suffix != ".mxl"
    if alone or getattr(sys, "frozen", False):  # where Python itself is not at hand, no child can be had
        return formats.parse(content, suffix)
    return _shared(os.getpid()).read(content, suffix)


@lru_cache(maxsize=1)
def _shared(_process: int) -> Reader:
    """One for this process; one that was copied by a fork has pipes that are not its own."""
    reader = Reader()
    atexit.register(reader.close)
    return reader


class Reader:
    """Reads scores in a child process, which is started when it is needed and ends with `close` or a `with` statement."""

    def __init__(self, bounds: Bounds | None = None) -> None:
        self.bounds = bounds or Bounds()
        self._child: _Child | None = None
        self._lock = threading.Lock()

    def read(self, content: bytes, suffix: str) -> Reading:
        """As the function `read`."""
        with self._lock:
            self._child = self._child or _Child(self.bounds)
            try:
                answer = self._child.ask(content, suffix)
            except EOFError:
                reason = self._child.reason()
                self._end()
                raise ScoreError(reason) from None
            if self._child.is_worn():
                self._end()
        return _reading(answer, self.bounds)

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """End the child; the next score starts another."""
        with self._lock:
            self._end()

    def _end(self) -> None:
        if self._child:
            self._child.close()
        self._child = None


class _Child:
    """A process that runs `serve`."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds, self._read, self._grown, self._late = bounds, 0, 0, False
        self._owner = os.getpid()
        command = [sys.executable, "-c", _START, json.dumps(sys.path)]
        pipe, nothing = subprocess.PIPE, subprocess.DEVNULL
        environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}  # each takes address space
        try:
            self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=nothing, env=environment)
        except OSError as error:
            raise ScoreError(f"no process can be had to read it in ({error.strerror}); end some, and try again") from error

    def ask(self, content: bytes, suffix: str) -> tuple[dict[str, Any], bytes]:
        """The answer; EOFError if the child died over it."""
        source, sink = self._process.stdout, self._process.stdin
        assert source is not None and sink is not None
        limits = {"seconds": self._bounds.seconds, "megabytes": self._bounds.megabytes}
        clock = threading.Timer(self._bounds.seconds * (PATIENCE if os.name == "posix" else 1), self._stop)
        clock.daemon = True
        clock.start()
        try:
            _send(sink, {"suffix": suffix, **limits}, content)
            answer = _received(source)
        except OSError as error:
            raise EOFError from error
        finally:
            clock.cancel()
        self._read += 1
        self._grown = answer[0].get("grown", 0)
        return answer

    def _stop(self) -> None:
        self._late = True
        self._process.kill()

    def is_worn(self) -> bool:
        """Whether it should read no more."""
        return self._read >= self._bounds.files or self._grown > self._bounds.grown

    def reason(self) -> str:
        """Why it died."""
        code = self._process.wait()
        if self._late or code == -getattr(signal, "SIGXCPU", 0):
            return _over(f"longer than {self._bounds.seconds} s")
        how = f"signal {-code}" if code < 0 else f"code {code}"
        return f"made the reader of scores end ({how}); it is damaged or made to harm: leave it out"

    def close(self) -> None:
        """End it, but not from a copy that a fork made of the process that started it."""
        if os.getpid() != self._owner:
            return
        self._process.kill()
        for stream in (self._process.stdin, self._process.stdout):
            if stream:
                with suppress(OSError):  # what was not taken any more
                    stream.close()
        self._process.wait()


def _over(what: str) -> str:
    return f"took {what} to read; the limit is that: it is damaged or made to harm, or has to be split"


# What goes through the pipes: a line of JSON with the number of bytes that follow, and these


def _send(sink: IO[bytes], head: dict[str, Any], data: bytes) -> None:
    sink.write(json.dumps(head | {"bytes": len(data)}).encode() + b"\n")
    sink.write(data)
    sink.flush()


def _received(source: IO[bytes]) -> tuple[dict[str, Any], bytes]:
    line = source.readline()
    head = json.loads(line) if line.endswith(b"\n") else {"bytes": 1}
    data = source.read(head["bytes"])
    if len(data) < head["bytes"]:
        raise EOFError
    return head, data


def _reading(answer: tuple[dict[str, Any], bytes], bounds: Bounds) -> Reading:
    head, data = answer
    if head["error"] == "memory":
        raise ScoreError(_over(f"more than {bounds.megabytes / 1000:g} GB"))
    if head["error"]:
        raise ScoreError(head["error"][1:])
    onset, duration, pitch, velocity, part = np.frombuffer(data, np.int64).reshape(len(COLUMNS), -1)
    piece = Piece(
        onset,
        duration,
        pitch,
        velocity,
        part,
        parts=tuple(Part(**player) for player in head["parts"]),
        time_signatures=tuple(TimeSignature(*row) for row in head["time_signatures"]),
        tempi=tuple(Tempo(*row) for row in head["tempi"]),
        keys=tuple(Key(*row) for row in head["keys"]),
        title=head["title"],
        texts=tuple(head["texts"]),
        ticks_per_quarter=head["ticks_per_quarter"],
    )
    return Reading(piece, tuple(head["repairs"]))


def _described(reading: Reading) -> tuple[dict[str, Any], bytes]:
    """The inverse of `_reading`."""
    piece = reading.piece
    head: dict[str, Any] = {name: getattr(piece, name) for name in ("time_signatures", "tempi", "keys", "title", "texts")}
    head |= {"parts": [asdict(part) for part in piece.parts], "ticks_per_quarter": piece.ticks_per_quarter}
    columns = np.array([getattr(piece, name) for name in COLUMNS], np.int64)
    return head | {"repairs": reading.repairs, "error": ""}, columns.tobytes()


# In the child


def serve() -> None:
    """Read scores from standard input, and write the pieces to standard output, until there are no more."""
    warnings.simplefilter("ignore")
    source, sink = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what a library prints is no answer
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    at_start = _pages()[1]
    while True:
        try:
            head, content = _received(source)
        except EOFError:
            return
        answer, data = _answer(head, content)
        _send(sink, answer | {"grown": (_pages()[1] - at_start) // 10**6}, data)


def _answer(head: dict[str, Any], content: bytes) -> tuple[dict[str, Any], bytes]:
    try:
        with _limited(head["seconds"], head["megabytes"] * 10**6):
            return _described(formats.parse(content, head["suffix"]))
    except MemoryError:
        return {"error": "memory"}, b""
    except MelodyError as error:
        return {"error": f"={error}"}, b""
    except Exception as error:  # a fault of a reader of ours; the folder goes on, and the verdict names it
        return {"error": f"=cannot be read ({type(error).__name__}: {error}); please report it, and leave it out"}, b""


@contextmanager
def _limited(seconds: int, memory: int) -> Iterator[None]:
    """With so many seconds of the processor and bytes of memory more, where the system can limit them."""
    _limit("RLIMIT_CPU", int(time.process_time()) + 1 + seconds)
    _limit("RLIMIT_AS", _pages()[0] + memory)
    try:
        yield
    finally:
        _limit("RLIMIT_CPU", None)
        _limit("RLIMIT_AS", None)


def _limit(name: str, most: int | None) -> None:
    if sys.platform == "linux" or (name == "RLIMIT_CPU" and os.name == "posix"):
        import resource

        kind = getattr(resource, name)
        hard = resource.getrlimit(kind)[1]
        within = hard if most is None else most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (within, hard))


def _pages() -> tuple[int, int]:
    """Bytes of address space and of memory that this process has; zeros where the system does not give them."""
    try:
        with open("/proc/self/statm", "rb") as file:
            size, resident = file.read().split()[:2]
        page = os.sysconf("SC_PAGE_SIZE")
    except (OSError, AttributeError):
        return 0, 0
    return int(size) * page, int(resident) * page
