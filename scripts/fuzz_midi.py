#!/usr/bin/env python3
"""Mutated MIDI files through the reader: no crash, no hang, no memory past the limit, a Piece or a MidiError each time.

Many files that are read together give what each gives alone.

    python scripts/fuzz_midi.py --files 200000
    python scripts/fuzz_midi.py --files 20000 --folder data/fiddle --seed 7

Files are made in memory, from files written by `melody.midi` itself and from those of a folder, and read in child
processes under a limit of memory and of time a file. Each follows from the seed and its number alone, so that the one a
child died of is known and can be had again: `--keep FOLDER` writes the bytes of every failure there.
"""

from __future__ import annotations

import argparse
import multiprocessing
import queue
import sys
import time
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from melody import midi
from melody.corpus import bulk
from melody.corpus.bulk.readable import parse_each
from melody.errors import MidiError
from melody.piece import Key, Part, Piece, Tempo, TimeSignature

TOGETHER = 64  # files that are read together besides
MAX_SEED_BYTES = 20_000  # longer files of the folder are left out: mutations of short ones find more in the same time
TOKENS = [  # what readers stumble over: lengths, statuses and chunks where none belong, impossible tempi and signatures
    bytes.fromhex(token)
    for token in """00 80 ff 7f f0 f7 f8 c0 90 b0 8080 8f00 ffffff7f c005 8000 e728 00000000 ff2f00 ff5103000000 ff5103ffffff
    ff580400000000 ff580404ff1808 ff58040d061808 ff59020c00 ff5902f905 ff0300 ff03ffffff7f ff7f8f00 00903c40 00803c00
    f0057e7f0901f7 4d54726b00000000 4d54726bffffffff 4d546864 52494646""".split()  # noqa: SIM905
]


@dataclass(frozen=True)
class Bounds:
    """What one file may cost a child: seconds, and megabytes beyond what it needs when idle."""

    seconds: float = 10.0
    megabytes: int = 600


def own_files(rng: np.random.Generator, count: int = 24) -> list[bytes]:
    """MIDI files of random pieces, from one note to several parts, drums, tempi and metres."""
    return [midi.to_bytes(random_piece(rng, int(rng.integers(1, 80)))) for _ in range(count)]


def random_piece(rng: np.random.Generator, notes: int) -> Piece:
    """A legal piece of `notes` notes; each pitch is struck every 48 ticks at most, so that none overlap."""
    parts = tuple(Part(int(rng.integers(128)), bool(rng.random() < 0.2), f"part {i} é") for i in range(rng.integers(1, 5)))
    slots = rng.choice(40 * 128, notes, replace=False)
    return Piece(
        onset=slots // 128 * 48 + rng.integers(0, 24, notes),
        duration=rng.integers(1, 25, notes),
        pitch=slots % 128,
        velocity=rng.integers(1, 128, notes),
        part=rng.integers(0, len(parts), notes),
        parts=parts,
        time_signatures=(TimeSignature(0, 4, 4), TimeSignature(192, 3, 8)),
        tempi=(Tempo(0, 500_000), Tempo(100, int(rng.integers(200_000, 900_000)))),
        keys=(Key(0, int(rng.integers(-7, 8)), "minor"),),
        title="fuzz",
        texts=("made by a script",),
    )


def mutated(data: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    """The file with one to eight faults; now and then a piece of the other file in it."""
    out = bytearray(data)
    for _ in range(int(rng.integers(1, 9))):
        at = int(rng.integers(len(out) + 1))
        length = int(rng.integers(1, 1 + min(64, len(out) or 1)))
        kind = rng.integers(9)
        if kind == 0 and at < len(out):
            out[at] ^= 1 << int(rng.integers(8))
        elif kind == 1 and at < len(out):
            out[at] = int(rng.integers(256))
        elif kind == 2:
            del out[at : at + length]
        elif kind == 3:
            out[at:at] = out[at : at + length]
        elif kind == 4:
            out[at:at] = rng.bytes(length)
        elif kind == 5:
            out[at:at] = TOKENS[int(rng.integers(len(TOKENS)))]
        elif kind == 6:
            token = TOKENS[int(rng.integers(len(TOKENS)))]
            out[at : at + len(token)] = token
        elif kind == 7 and rng.random() < 0.3:
            del out[at:]
        elif kind == 8:
            start = int(rng.integers(len(other)))
            out[at : at + length] = other[start : start + length]
    return bytes(out)


def case(seeds: list[bytes], seed: int, number: int) -> bytes:
    """The mutated file of that number."""
    rng = np.random.default_rng((seed, number))
    one, other = rng.integers(len(seeds), size=2)
    return mutated(seeds[one], seeds[other], rng)


def outcome(data: bytes, limits: midi.ReadLimits) -> str:
    """What becomes of a file: 'whole', 'repaired', 'refused', or 'FAILED: ...' if that is against the rules."""
    try:
        reading = midi.parse(data, limits)
    except MidiError as error:
        return "refused" if "\n" not in str(error) else "FAILED: a refusal of more than one line"
    except Exception as error:
        return f"FAILED: {type(error).__name__}: {error}"
    try:
        again = midi.parse(midi.to_bytes(reading.piece))
    except MidiError as error:
        return f"FAILED: what was read is refused when it is written: {error}"
    if again.piece != reading.piece or again.repairs:
        return "FAILED: what was read is not what is read when it is written"
    return played_otherwise(data, limits) or ("repaired" if reading.repairs else "whole")


def played_otherwise(data: bytes, limits: midi.ReadLimits) -> str:
    """What is wrong with how the file is played, nothing mostly: its notes must be those that are read on the same grid."""
    try:
        found, performance = midi.parse_performed(data, limits)
        held = performance.held(found.piece)
    except MidiError as error:
        return f"FAILED: what is read is refused when it is to be played: {error}"
    read = midi.parse(data, limits, found.piece.ticks_per_quarter).piece
    # Not the metre: of one whose denominator passes 8 bits symusic makes another, which makes no sound.
    if replace(found.piece, time_signatures=read.time_signatures) != read:
        return "FAILED: what is played is not what is read"
    return "" if held.num_notes == found.piece.num_notes else "FAILED: pedals take notes away"


def differing(files: list[bytes], limits: midi.ReadLimits) -> list[int]:
    """Which files `bulk.parse_many` reads in another way than `readable.parse_each`."""
    fast, slow = (map(comparable, parse(files, limits)) for parse in (bulk.parse_many, parse_each))
    return [place for place, (one, other) in enumerate(zip(fast, slow)) if one != other]


def comparable(found: Any) -> Any:
    """What was found in a file, with its notes as bytes; the same for the same notes, tempi, texts and repairs."""
    if isinstance(found, MidiError):
        return str(found)
    source, repairs = bulk.unpacked(found[0]), found[1]
    parts, changes = tuple(source.parts), (tuple(source.time_signatures), tuple(source.tempi), tuple(source.keys))
    said = [curve.tolist() for curve in source.sustain]
    return source.ticks_per_quarter, source.notes.tobytes(), parts, changes, source.title, source.texts, said, tuple(repairs)


def child(seeds: list[bytes], seed: int, numbers: range, at: Any, results: Any, bounds: Bounds) -> None:
    """Read the files of `numbers`; `at` is the one in hand."""
    _bound_memory(bounds.megabytes)
    limits = midi.ReadLimits(max_seconds=bounds.seconds / 2)
    midi.parse(seeds[0])  # the libraries are loaded now, not at the cost of the first file
    counts: Counter[str] = Counter()
    failures, slowest = [], (0.0, -1)
    parent = multiprocessing.parent_process()
    together: list[bytes] = []
    for number in numbers:
        if number % 256 == 0 and parent and not parent.is_alive():
            return
        at.value = number
        data = case(seeds, seed, number)
        start = time.perf_counter()
        result = outcome(data, limits)
        slowest = max(slowest, (time.perf_counter() - start, number))
        counts[result.partition(":")[0]] += 1
        if result.startswith("FAILED"):
            failures.append((number, result))
        together.append(data)
        if len(together) == TOGETHER or number == numbers[-1]:
            first = number + 1 - len(together)
            failures += [(first + place, "FAILED: is read in another way alone") for place in differing(together, limits)]
            together = []
    results.put((counts, failures, slowest))


def _bound_memory(megabytes: int) -> None:
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    pages = int(Path("/proc/self/statm").read_text().split()[0]) if Path("/proc/self/statm").exists() else None
    if pages:
        limit = pages * resource.getpagesize() + megabytes * 2**20
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def fuzz(
    seeds: list[bytes], files: int, seed: int = 0, workers: int = 2, bounds: Bounds | None = None, each: int = 5000
) -> tuple[Counter[str], list[tuple[int, str]], tuple[float, int]]:
    """Outcomes of that many files, failures by number, and the slowest: (seconds, number)."""
    bounds = bounds or Bounds()
    spawn = multiprocessing.get_context("spawn")
    waiting = [range(first, min(first + each, files)) for first in range(0, files, each)][::-1]
    counts: Counter[str] = Counter()
    failures: list[tuple[int, str]] = []
    slowest = (0.0, -1)
    running: list[_Run] = []
    while waiting or running:
        while waiting and len(running) < workers:
            running.append(_Run(spawn, seeds, seed, waiting.pop(), bounds))
        time.sleep(0.02)
        for run in running[:]:
            result = run.poll(bounds)
            if result is None:
                continue
            running.remove(run)
            counts += result[0]
            failures += result[1]
            slowest = max(slowest, result[2])
            waiting += run.rest
    return counts, failures, slowest


class _Run:
    """A child at work on a range of files."""

    def __init__(self, spawn: Any, seeds: list[bytes], seed: int, numbers: range, bounds: Bounds) -> None:
        self.numbers, self.rest = numbers, list[range]()
        self.at, self.results = spawn.Value("q", -1), spawn.Queue()
        self.since, self.last = time.monotonic(), -1
        self.process = spawn.Process(target=child, args=(seeds, seed, numbers, self.at, self.results, bounds), daemon=True)
        self.process.start()

    def poll(self, bounds: Bounds) -> tuple[Counter[str], list[tuple[int, str]], tuple[float, int]] | None:
        """The child's results once it is through; after a crash or a hang, that one failure, and `rest` to go on with."""
        try:
            result = self.results.get_nowait()
            self.process.join()
            return result
        except queue.Empty:
            pass
        if self.at.value != self.last:
            self.last, self.since = self.at.value, time.monotonic()
        hangs = self.last >= 0 and time.monotonic() - self.since > bounds.seconds + 1
        if self.process.is_alive() and not hangs:
            return None
        if not hangs and self.process.exitcode == 0:
            return None  # its results are on the way
        self.process.kill()
        self.process.join()
        how = "hung" if hangs else f"died with exit code {self.process.exitcode}"
        number = max(self.at.value, self.numbers.start)
        self.rest = range(number + 1, self.numbers.stop)
        # The outcomes of those before it went with the child: they are read again.
        self.rest = [r for r in (range(self.numbers.start, number), range(number + 1, self.numbers.stop)) if r]
        return Counter({"FAILED": 1}), [(number, how)], (0.0, -1)


def main() -> int:
    """Run, print a summary; 1 if anything failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=200_000, help="mutated files to read")
    parser.add_argument("--folder", type=Path, help="take the MIDI files of this folder as well")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--keep", type=Path, help="write the bytes of failures to this folder")
    args = parser.parse_args()
    seeds = own_files(np.random.default_rng(args.seed))
    paths = sorted(p for p in args.folder.rglob("*") if p.suffix.lower() in midi.SUFFIXES) if args.folder else []
    seeds += [p.read_bytes() for p in paths if 0 < p.stat().st_size <= MAX_SEED_BYTES]
    start = time.perf_counter()
    counts, failures, slowest = fuzz(seeds, args.files, args.seed, args.workers)
    took = time.perf_counter() - start
    print(f"{args.files:,} mutations of {len(seeds)} files in {took:.0f} s, seed {args.seed}")
    print(", ".join(f"{name}: {count:,}" for name, count in sorted(counts.items())))
    print(f"slowest: file {slowest[1]}, {slowest[0]:.3f} s")
    for number, how in failures:
        print(f"file {number}: {how}")
        if args.keep:
            args.keep.mkdir(parents=True, exist_ok=True)
            (args.keep / f"{number}.mid").write_bytes(case(seeds, args.seed, number))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
