#!/usr/bin/env python3
"""Mutated ABC and Humdrum files through their readers: a piece or a refusal of one line each time, in bounded time and memory.

    python scripts/fuzz_abc.py --files 20000
    python scripts/fuzz_abc.py --files 500 --seed 7 --keep /tmp/failures

Each file follows from the seed and its number alone. Some are made long: a part of them is repeated up to 8 MB.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np

from melody.errors import MelodyError
from melody.score.kern import read_kern
from melody.score.tunes import read_abc

MAX_SECONDS = 20.0  # of one file of at most 8 MB
MAX_BYTES = 8_000_000
ABC = [
    b'X:1\nT:Caf\\\'e \\u00e9\nM:6/8\nL:1/8\nQ:3/8=100\nK:Ador clef=treble-8\n|:"Am"A>^c[Ace]2 {g}f/e//|1 (3abc Z2:|2 [K:D exp _b]c4-|c2|]\n',
    b"%%MIDI program 40\nX:2\nM:2+3/8\nV:1 name=\"a\"\nV:2 octave=-1\nK:none\nV:1\nA,<B,_c'' & x4 | !f!u.d2 y z |\nV:2\n[V:1]c[M:3/4]d[L:1/4]e-e\n",
    b"X:3\r\nm:~g2=g{a}g\r\nU:n=!trill!\r\nM:C|\r\nK:HP\r\n~g2 (5:4:5abcde::+CE+ [|]\\\r\nw:la\r\n\r\nfree text\r\n",
]
KERN = [
    b"**kern\t**kern\t**text\n*M3/4\t*M3/4\t*\n*k[f#]\t*k[f#]\t*\n=1\t=1\t=1\n4.C\t[8cc#L 8ee\tla\n.\t*\n",
    b"!!!OTL: t\n**kern\t**kern\n*ITrd1c2\t*MM90\n*^\t*\n2c\t4e\t4gg-\n.\t8qf\t.\n*v\t*v\t*\n*x\t*x\n=2\t=2\n16%3c_\t0r\n*-\t*-\n",
]
TOKENS = [
    b"|", b"::", b"|:", b"[1", b"[V:9]", b"[M:255/64]", b"(9:99:9", b"&", b">>>", b"-", b"^^", b"c99999", b"/99", b"c0", b"Z9999",
    b"K:C#loc", b"\nL:1/512\n", b"\nM:1000000/1\n", b'"', b"{", b"[", b"!", b"%%MIDI transpose 60\n", b"\n\n", b"X:5\nK:C\n", b"\\",
    b"\xff\xfe", b"\0", b"\t", b"*^", b"*v", b"*x", b"*-", b"*+", b"**kern", b"=", b"4c", b"000cc", b"9999%9999g", b"4....a", b"[", b"]",
    b"_", b"q", b"r", b".", b"*M99999/4", b"*MM0", b"*k[", b"+:", b"y" * 50, b"(" * 50, b"\n", b"<", b"$", b"m:~=",
]  # fmt: skip


def mutated(data: bytes, rng: np.random.Generator) -> bytes:
    """The file with one to twelve faults; one in twenty with a part of it many times over."""
    out = bytearray(data)
    for _ in range(int(rng.integers(1, 13))):
        at, length = int(rng.integers(len(out) + 1)), int(rng.integers(1, 30))
        kind = rng.integers(6)
        if kind == 0:
            del out[at : at + length]
        elif kind == 1:
            out[at:at] = out[at : at + length] * int(rng.integers(1, 8))
        elif kind == 2 and at < len(out):
            out[at] = int(rng.integers(256))
        else:
            token = TOKENS[int(rng.integers(len(TOKENS)))]
            out[at : at + (length if kind == 3 else 0)] = token
    if rng.random() < 0.05 and out:
        at, length = int(rng.integers(len(out))), int(rng.integers(1, 40))
        part = bytes(out[at : at + length])
        out[at:at] = part * int(rng.integers(1, MAX_BYTES // len(part)))
    return bytes(out[:MAX_BYTES])


def case(seed: int, number: int) -> tuple[bool, bytes]:
    """Whether the file of that number is ABC, and its bytes."""
    rng = np.random.default_rng((seed, number))
    is_abc = bool(rng.random() < 0.6)
    seeds = ABC if is_abc else KERN
    return is_abc, mutated(seeds[int(rng.integers(len(seeds)))], rng)


def outcome(is_abc: bool, data: bytes) -> str:
    """'read', 'repaired', 'refused', or 'FAILED: ...' if that is against the rules."""
    repairs: Counter[str] = Counter()
    start = time.perf_counter()
    try:
        (read_abc if is_abc else read_kern)(data, repairs)
        found = "repaired" if repairs else "read"
    except MelodyError as error:
        found = "refused" if "\n" not in str(error) else "FAILED: a refusal of more than one line"
    except Exception as error:
        found = f"FAILED: {type(error).__name__}: {error}"
    took = time.perf_counter() - start
    if any(not sentence.isprintable() for sentence in repairs):
        return "FAILED: a repair that no screen should show"
    return found if took <= MAX_SECONDS else f"FAILED: took {took:.0f} s"


def main() -> int:
    """Run, print a summary; 1 if anything failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="write the bytes of failures to this folder")
    args = parser.parse_args()
    counts: Counter[str] = Counter()
    slowest = (0.0, -1)
    for number in range(args.files):
        is_abc, data = case(args.seed, number)
        start = time.perf_counter()
        result = outcome(is_abc, data)
        slowest = max(slowest, (time.perf_counter() - start, number))
        counts[result.partition(":")[0]] += 1
        if result.startswith("FAILED"):
            print(f"file {number}: {result}")
            if args.keep:
                args.keep.mkdir(parents=True, exist_ok=True)
                (args.keep / f"{number}.{'abc' if is_abc else 'krn'}").write_bytes(data)
    print(", ".join(f"{name}: {count:,}" for name, count in sorted(counts.items())))
    print(f"slowest: file {slowest[1]}, {slowest[0]:.2f} s")
    return 1 if counts["FAILED"] else 0


if __name__ == "__main__":
    sys.exit(main())
