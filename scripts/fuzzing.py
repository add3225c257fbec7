"""What the fuzzers of this folder share: cases by number in child processes, under limits of memory and of time a case."""

from __future__ import annotations

import argparse
import multiprocessing
import queue
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

Outcome = Callable[[int, int], str]  # of a seed and a number; what begins with FAILED is against the rules


@dataclass(frozen=True)
class Bounds:
    """What one case may cost a child: seconds, and megabytes beyond what it needs when idle."""

    seconds: float = 20.0
    megabytes: int = 800


def faulty(data: bytes, rng: np.random.Generator, marks: Sequence[bytes] = (b"\xff" * 8, bytes(8))) -> bytes:
    """Bytes with one to eight faults: changed, left out, put in, repeated, overwritten by one of the `marks`, or cut off."""
    out = bytearray(data)
    for _ in range(int(rng.integers(1, 9))):
        at, length = int(rng.integers(len(out) + 1)), int(rng.integers(1, 64))
        kind = rng.integers(6)
        if kind == 0 and at < len(out):
            out[at] = int(rng.integers(256))
        elif kind == 1:
            del out[at : at + length]
        elif kind == 2:
            out[at:at] = rng.bytes(length)
        elif kind == 3:
            out[at : at + length] = out[:length]
        elif kind == 4:
            mark = marks[int(rng.integers(len(marks)))]
            out[at : at + len(mark)] = mark
        elif kind == 5 and rng.random() < 0.3:
            del out[at:]
    return bytes(out)


@dataclass
class Found:
    """How often each outcome came, the failures by number, and the slowest case: (seconds, number)."""

    counts: Counter[str]
    failures: list[tuple[int, str]]
    slowest: tuple[float, int]

    def add(self, other: Found) -> None:
        """Take in what another child found."""
        self.counts += other.counts
        self.failures += other.failures
        self.slowest = max(self.slowest, other.slowest)


def main(outcome: Outcome, what: str, usual: int, prepare: Callable[[], object]) -> int:
    """Run as the command line says, print a summary; 1 if anything failed."""
    parser = argparse.ArgumentParser(description=f"Mutated {what}: each is refused in one line, or does what it should.")
    parser.add_argument("--files", type=int, default=usual, help="how many")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()
    start = time.perf_counter()
    found = fuzz(outcome, prepare, args.files, args.seed, args.workers)
    print(f"{args.files:,} mutated {what} in {time.perf_counter() - start:.0f} s, seed {args.seed}")
    print(", ".join(f"{name}: {count:,}" for name, count in found.counts.most_common()))
    print(f"slowest: number {found.slowest[1]}, {found.slowest[0]:.2f} s")
    for number, how in sorted(found.failures):
        print(f"number {number}: {how}")
    return 1 if found.failures else 0


def fuzz(
    outcome: Outcome,
    prepare: Callable[[], object],
    files: int,
    seed: int,
    workers: int = 2,
    bounds: Bounds | None = None,
    each: int = 250,
) -> Found:
    """What becomes of the cases 0 to `files` - 1; `prepare` loads the libraries, not at the cost of the first case."""
    bounds, found = bounds or Bounds(), Found(Counter(), [], (0.0, -1))
    waiting = [range(first, min(first + each, files)) for first in range(0, files, each)][::-1]
    running: list[_Run] = []
    while waiting or running:
        while waiting and len(running) < workers:
            running.append(_Run(outcome, prepare, seed, waiting.pop(), bounds))
        time.sleep(0.05)
        for run in running[:]:
            result = run.poll()
            if result is not None:
                running.remove(run)
                found.add(result)
                waiting += run.rest
    return found


def _child(
    outcome: Outcome, prepare: Callable[[], object], seed: int, numbers: range, at: Any, results: Any, bounds: Bounds
) -> None:
    prepare()
    _bound_memory(bounds.megabytes)
    found, parent = Found(Counter(), [], (0.0, -1)), multiprocessing.parent_process()
    for number in numbers:
        if parent and not parent.is_alive():
            return
        at.value = number
        start = time.perf_counter()
        try:
            result = outcome(seed, number)
        except Exception as error:
            result = f"FAILED: {type(error).__name__}: {str(error)[:300]}"
        failures = [(number, result)] if result.startswith("FAILED") else []
        found.add(Found(Counter([result.partition(":")[0]]), failures, (time.perf_counter() - start, number)))
    results.put(found)


def _bound_memory(megabytes: int) -> None:
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    if Path("/proc/self/statm").exists():
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limit = pages * resource.getpagesize() + megabytes * 2**20
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


class _Run:
    """A child at work on a range of cases; `rest` is what is left to be done after it died."""

    def __init__(self, outcome: Outcome, prepare: Callable[[], object], seed: int, numbers: range, bounds: Bounds) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._numbers, self._bounds, self.rest = numbers, bounds, list[range]()
        self._at, self._results = spawn.Value("q", -1), spawn.Queue()
        self._since, self._last = time.monotonic(), -1
        arguments = (outcome, prepare, seed, numbers, self._at, self._results, bounds)
        self._process = spawn.Process(target=_child, args=arguments, daemon=True)
        self._process.start()

    def poll(self) -> Found | None:
        """What the child found once it is through; after a crash or a hang, that one failure."""
        try:
            result = self._results.get_nowait()
            self._process.join()
            return result
        except queue.Empty:
            pass
        if self._at.value != self._last:
            self._last, self._since = self._at.value, time.monotonic()
        hangs = self._last >= 0 and time.monotonic() - self._since > self._bounds.seconds
        if not hangs and (self._process.is_alive() or self._process.exitcode == 0):
            return None
        self._process.kill()
        self._process.join()
        how = "FAILED: hung" if hangs else f"FAILED: died with exit code {self._process.exitcode}"
        number = max(self._at.value, self._numbers.start)
        # What was found before went with the child: it is done again.
        self.rest = [r for r in (range(self._numbers.start, number), range(number + 1, self._numbers.stop)) if r]
        return Found(Counter(["FAILED"]), [(number, how)], (self._bounds.seconds, number))
