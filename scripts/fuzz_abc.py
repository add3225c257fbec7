#!/usr/bin/env python3
"""Mutated ABC and Humdrum files through their readers: a piece or a refusal of one line each time, in bounded time.

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
from melody.score.abc.from_abc import read_abc
from melody.score.kern import read_kern

MAX_SECONDS = 20.0  # of the processor, for one file of at most 8 MB
MAX_BYTES = 8_000_000
ABC = [
    b"""X:1\nT:Caf\\'e \\u00e9\nM:6/8\nL:1/8\nQ:3/8=100\nK:Ador clef=treble-8
|:"Am"A>^c[Ace]2 {g}f/e//|1 (3abc Z2:|2 [K:D exp _b]c4-|c2|]\n""",
    b"""%%MIDI program 40\nX:2\nM:2+3/8\nV:1 name="a"\nV:2 octave=-1\nK:none\nV:1
A,<B,_c'' & x4 | !f!u.d2 y z |\nV:2\n[V:1]c[M:3/4]d[L:1/4]e-e\n""",
    b"""X:3\r\nm:~g2=g{a}g\r\nU:n=!trill!\r\nM:C|\r\nK:HP\r
~g2 (5:4:5abcde::+CE+ [|]\\\r\nw:la\r\n\r\nfree text\r\n""",
]
KERN = [
    b"**kern\t**kern\t**text\n*M3/4\t*M3/4\t*\n*k[f#]\t*k[f#]\t*\n"
    b"=1\t=1\t=1\n4.C\t[8cc#L 8ee\tla\n.\t4cc#]J\t.\n*-\t*-\t*-\n",
    b"!!!OTL: t\n**kern\t**kern\n*ITrd1c2\t*MM90\n*^\t*\n2c\t4e\t4gg-\n.\t8qf\t.\n.\t4f\t4gg-\n*v\t*v\t*\n*x\t*x\n"
    b"=2\t=2\n16%3c_\t0r\n*-\t*-\n",
]
TOKENS = [  # what readers stumble over, one a word
    word.encode("latin-1").decode("unicode_escape").encode("latin-1")
    for word in r"""| :: |: [1 [V:9] [M:255/64] (9:99:9 & >>> - ^^ c99999 /99 c0 Z9999 K:C#loc \nL:1/512\n \nM:1000000/1\n "
    { [ ! < $
    %%MIDI\ttranspose\t60\n \n\n \nX:5\nK:C\n \\ \xff\xfe \0 \t *^ *v *x *- *+ **kern = 4c 000cc 9999%9999g 4....a ] _
    q r . *M99999/4 *MM0 *k[ +: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy (((((((((((((((((((((( \n m:~= \nV:a\n""".split()  # noqa: SIM905
]


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
    start = time.process_time()
    try:
        (read_abc if is_abc else read_kern)(data, repairs)
        found = "repaired" if repairs else "read"
    except MelodyError as error:
        found = "refused" if "\n" not in str(error) else "FAILED: a refusal of more than one line"
    except Exception as error:
        found = f"FAILED: {type(error).__name__}: {error}"
    took = time.process_time() - start
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
        start = time.process_time()
        result = outcome(is_abc, data)
        slowest = max(slowest, (time.process_time() - start, number))
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
