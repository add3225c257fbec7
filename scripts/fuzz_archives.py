#!/usr/bin/env python3
"""Damaged archives, and such as lie, through the reader: no traceback, no hang, no memory past the limit.

    python scripts/fuzz_archives.py --archives 5000 --seed 1

Zip archives of every method and tar archives of every format, plain and packed with gzip, bzip2 and xz, get one to eight
faults, before or after they are packed; headers of tar archives get sizes, types and lengths that lie, with a checksum that
fits. Each is listed and all that it claims to hold is read. Every case follows from the seed and its number alone;
`--keep FOLDER` writes the failures there. Linux and macOS; the limit of memory holds on Linux.
"""

from __future__ import annotations

import argparse
import bz2
import gzip
import io
import lzma
import resource
import signal
import sys
import tarfile
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
from fuzzing import faulty

from melody import midi
from melody.corpus.discover.listing import listed
from melody.errors import CorpusError, MelodyError
from melody.piece import Piece
from melody.text import for_terminal

SECONDS = 5  # that one archive may take
MEGABYTES = 800  # that all may take beyond what the script needs when idle
BLOCK = 512
MARKS = (b"\xff" * 4, b"\0" * 4, b"\xff\xff\xff\x7f", b"PK\x01\x02")
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
FORMATS = (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    ".tar": bytes,
    ".tar.gz": lambda data: gzip.compress(data, mtime=0),
    ".tar.bz2": bz2.compress,
    ".tar.xz": lzma.compress,
}
SIZES = [
    b"00000000000\0", b"77777777777\0", b"00010000000\0", b"99999999999\0", b"-0000001000\0", b"\xff" * 10 + b"\xfe\0",
    b"\x80" + b"\0" * 7 + b"\xff\xff\xff\xff", b"\x80" + b"\xff" * 11, b"\0" * 12,
]  # fmt: skip
TYPES = b"0123456\0xgXLKSDVA"
EXTENDED = [
    b"20 path=../x\n", b"0 path=a\n", b"99 path=a\n", b"1 1 1 1 1 1 1=", b"19 size=99999999999\n", b"12 size=-512\n",
    b"22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n", b"25 GNU.sparse.map=0,1,-1,9\n", b"9" * 400,
]  # fmt: skip


def files() -> dict[str, bytes]:
    """Small tunes, one of them under a name that is longer than the first field for it."""
    rng = np.random.default_rng(0)
    names = ("a.mid", "b.mid", "folder/c.mid", "d" * 90 + "/" + "e" * 90 + ".mid", "read me.txt")
    return {name: midi.to_bytes(Piece(np.arange(24) * 12, [12] * 24, rng.integers(50, 80, 24))) for name in names}


def zipped(method: int) -> bytes:
    """A zip archive."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as archive:
        for name, data in files().items():
            archive.writestr(zipfile.ZipInfo(name), data, method)
    return target.getvalue()


def tarred(form: int) -> bytes:
    """A tar archive, not packed."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=form) as archive:
        for name, data in files().items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return target.getvalue()


def lying(data: bytes, rng: np.random.Generator) -> bytes:
    """A tar archive whose headers lie."""
    out = bytearray(data)
    headers = [at for at in range(0, len(out), BLOCK) if out[at + 257 : at + 262] == b"ustar"]
    for at in rng.choice(headers, rng.integers(1, 4)).tolist():
        if rng.random() < 0.5:
            out[at + 124 : at + 136] = SIZES[int(rng.integers(len(SIZES)))]
        if rng.random() < 0.5:
            out[at + 156] = TYPES[int(rng.integers(len(TYPES)))]
        if rng.random() < 0.3:
            out[at + 482] = int(rng.integers(2))
        if rng.random() < 0.3:
            lie = EXTENDED[int(rng.integers(len(EXTENDED)))]
            out[at + BLOCK : at + BLOCK + len(lie)] = lie
        out[at + 148 : at + 156] = b" " * 8
        out[at + 148 : at + 156] = b"%06o\0 " % sum(out[at : at + BLOCK])
    return bytes(out)


def case(seed: int, number: int) -> tuple[str, bytes]:
    """How the archive of that number ends, and its bytes."""
    rng = np.random.default_rng((seed, number))
    if rng.random() < 0.4:
        return ".zip", faulty(zipped(METHODS[int(rng.integers(len(METHODS)))]), rng, MARKS)
    suffix = list(PACKERS)[int(rng.integers(len(PACKERS)))]
    data = tarred(FORMATS[int(rng.integers(len(FORMATS)))])
    how = rng.integers(4)
    if how in (0, 2):
        data = lying(data, rng)
    if how in (1, 2):
        data = faulty(data, rng, MARKS)
    data = PACKERS[suffix](data)
    return suffix, faulty(data, rng, MARKS) if how == 3 else data


def outcome(folder: Path) -> str:
    """What becomes of the archive in a folder: 'refused', 'read', or 'FAILED: ...' if that is against the rules."""
    words: list[str] = []
    read = 0
    try:
        listing = listed(folder)
        words += [line for refused in listing.refused for line in refused]
        for chunk in listing.chunks:
            words += map(chunk.shown, chunk.names)
            for data in chunk.read(100_000):
                read += isinstance(data, bytes)
                words += [str(data)] if isinstance(data, MelodyError) else []
    except CorpusError as error:
        words.append(str(error))
    except (Exception, TooLong) as error:
        return f"FAILED: {type(error).__name__}: {error}"
    if any(word != for_terminal(word) for word in words):
        return f"FAILED: words that no screen should get: {words!r}"
    return "read" if read else "refused"


class TooLong(BaseException):
    """More than `SECONDS`; no `Exception`, as those of the libraries are taken as damage."""


def _too_long(*_: object) -> None:
    raise TooLong(f"more than {SECONDS} s")


def fuzz(count: int, seed: int) -> tuple[Counter[str], list[tuple[int, str]], tuple[float, int]]:
    """Outcomes, failures, and the slowest with its number."""
    counts: Counter[str] = Counter()
    failures: list[tuple[int, str]] = []
    slowest = (0.0, -1)
    signal.signal(signal.SIGALRM, _too_long)
    for number in range(count):
        suffix, data = case(seed, number)
        with tempfile.TemporaryDirectory() as scratch:
            (Path(scratch) / f"a{suffix}").write_bytes(data)
            start = time.perf_counter()
            signal.alarm(SECONDS)
            how = outcome(Path(scratch))
            signal.alarm(0)
        slowest = max(slowest, (time.perf_counter() - start, number))
        counts[how.partition(":")[0]] += 1
        if how.startswith("FAILED"):
            failures.append((number, how))
    return counts, failures, slowest


def main() -> int:
    """Run what the command line asks for; 1 if anything failed."""
    parser = argparse.ArgumentParser(description="damaged and lying archives through the reader")
    parser.add_argument("--archives", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="write the bytes of failures to this folder")
    args = parser.parse_args()
    if sys.platform == "linux":
        idle = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (idle + MEGABYTES * 10**6,) * 2)
    start = time.perf_counter()
    counts, failures, slowest = fuzz(args.archives, args.seed)
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e3 if sys.platform == "linux" else 1e6)
    print(f"{args.archives:,} archives in {time.perf_counter() - start:.0f} s, seed {args.seed}, {largest:.0f} MB at most")
    print(", ".join(f"{name}: {count:,}" for name, count in sorted(counts.items())))
    print(f"slowest: archive {slowest[1]}, {slowest[0]:.3f} s")
    for number, how in failures:
        print(f"archive {number}: {how}")
        if args.keep:
            args.keep.mkdir(parents=True, exist_ok=True)
            suffix, data = case(args.seed, number)
            (args.keep / f"{number}{suffix}").write_bytes(data)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
