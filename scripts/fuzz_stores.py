#!/usr/bin/env python3
"""Damaged stores, and such as lie: each is refused with a `MelodyError`, or is the corpus that it was.

    python scripts/fuzz_stores.py --stores 5000 --seed 1

A store of made-up tunes gets one to eight faults anywhere. Half of them are signed anew, with checksums that fit, as one
who makes stores to harm would do, and in these numbers of the header are exchanged as well; such a store may hold other
things, but reading all of it ends in a `MelodyError` or in music. Every case follows from the seed and its number alone;
`--keep FOLDER` writes the failures there.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
import zlib
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from fuzzing import faulty

from melody import midi
from melody.corpus import SPLITS, Corpus, PrepareSettings, prepare
from melody.corpus.store.checksums import BLOCK
from melody.corpus.store.reader import MARK
from melody.errors import MelodyError
from melody.piece import Part, Piece, TimeSignature

VALUES: list[Any] = [None, -1, 0, 1, 2**31, 2**63, 10**30, 0.5, "", "x", [], [1, 2], {}, True]


def store() -> bytes:
    """A store of a few tunes, one of them a copy and one damaged."""
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as scratch:
        for number in range(10):
            metre = (TimeSignature(0, 3 + number % 2, 4),)
            notes = np.arange(30) * 12, rng.integers(3, 12, 30), rng.integers(50, 80, 30)
            piece = Piece(*notes, parts=(Part(number, False, "part"),), time_signatures=metre)
            midi.write(piece, Path(scratch) / f"{number}.mid")
        midi.write(piece, Path(scratch) / "copy.mid")
        (Path(scratch) / "damaged.mid").write_bytes(b"no music")
        prepare(scratch, PrepareSettings(), store=Path(scratch) / "store")
        return (Path(scratch) / "store").read_bytes()


def parted(data: bytes) -> tuple[bytes, dict[str, Any]]:
    """What is summed, and the header."""
    length = int.from_bytes(data[-len(MARK) - 8 : -len(MARK)], "little")
    header = json.loads(data[-len(MARK) - 16 - length : -len(MARK) - 16])
    return data[: header["sections"]["sums"][0]], header


def signed(body: bytes, header: dict[str, Any]) -> bytes:
    """A store with checksums that fit."""
    sums = np.array([zlib.crc32(body[at : at + BLOCK]) for at in range(0, len(body), BLOCK)], "<u4").tobytes()
    sections = header.get("sections")
    if isinstance(sections, dict):
        sections["sums"] = (len(body), len(body) + len(sums))
    text = json.dumps(header | {"sums": zlib.crc32(sums)}).encode()
    return body + sums + text + zlib.crc32(text).to_bytes(8, "little") + len(text).to_bytes(8, "little") + MARK


def exchanged(value: Any, rng: np.random.Generator) -> Any:
    """A header with one value in it exchanged."""
    if isinstance(value, dict) and value and rng.random() < 0.95:
        key = list(value)[int(rng.integers(len(value)))]
        return {k: v for k, v in value.items() if k != key} | (
            {key: exchanged(value[key], rng)} if rng.random() < 0.9 else {}
        )
    if isinstance(value, list) and value and rng.random() < 0.9:
        at = int(rng.integers(len(value)))
        return [*value[:at], exchanged(value[at], rng), *value[at + 1 :]]
    if isinstance(value, int) and rng.random() < 0.5:
        return value + int(rng.integers(-3, 4))
    return VALUES[int(rng.integers(len(VALUES)))]


def case(whole: bytes, seed: int, number: int) -> tuple[bool, bytes]:
    """Whether the store of that number was signed anew, and its bytes."""
    rng = np.random.default_rng((seed, number))
    if rng.random() < 0.5:
        return False, faulty(whole, rng)
    body, header = parted(whole)
    if rng.random() < 0.5:
        header = exchanged(header, rng)
        return True, signed(body, header if isinstance(header, dict) else {})
    out = bytearray(body)
    for _ in range(int(rng.integers(1, 5))):
        at = int(rng.integers(len(MARK), len(out)))
        out[at] = int(rng.integers(256))
    return True, signed(bytes(out), header)


def read(corpus: Corpus) -> Any:
    """All that a store holds."""
    for pieces in (corpus.rows(split) for split in SPLITS):
        for rows in pieces:
            try:
                corpus.vocabulary.decode(rows)
            except MelodyError:  # tokens that are no music are found where they are used
                continue
    sources = [corpus.verdicts.file_record(number).source for number in range(len(corpus.verdicts))]
    known = [corpus.find(source) for source in sources]
    corpus.pieces([number for found in known if found and (number := found[1]) >= 0])
    rows = [[row.tolist() for row in corpus.rows(split)] for split in SPLITS]
    names = [corpus.names(split) for split in SPLITS]
    return [corpus.manifest, corpus.summary(), corpus.report(), rows, names, corpus.validation_key]


def outcome(data: bytes, expected: str, is_signed: bool) -> str:
    """'refused', 'the same', 'other', or 'FAILED: ...' if that is against the rules."""
    try:
        found = json.dumps(read(Corpus.of_bytes(np.frombuffer(data, np.uint8))))
    except MelodyError as error:
        return "refused" if "\n" not in str(error) else "FAILED: more than one line"
    except Exception as error:
        return f"FAILED: {type(error).__name__}: {error}"
    if found == expected:
        return "the same"
    return "other, signed anew" if is_signed else "FAILED: another corpus, and nobody noticed"


def main() -> int:
    """Run what the command line asks for; 1 if anything failed."""
    parser = argparse.ArgumentParser(description="damaged and lying stores through the reader")
    parser.add_argument("--stores", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="write the bytes of failures to this folder")
    args = parser.parse_args()
    whole = store()
    expected = json.dumps(read(Corpus.of_bytes(np.frombuffer(whole, np.uint8))))
    start, counts, failures = time.perf_counter(), Counter[str](), 0
    for number in range(args.stores):
        is_signed, data = case(whole, args.seed, number)
        how = outcome(data, expected, is_signed)
        counts[how.partition(":")[0]] += 1
        if how.startswith("FAILED"):
            failures += 1
            print(f"store {number}: {how}")
            if args.keep:
                args.keep.mkdir(parents=True, exist_ok=True)
                (args.keep / f"{number}.store").write_bytes(data)
    print(f"{args.stores:,} mutations of a store in {time.perf_counter() - start:.0f} s, seed {args.seed}")
    print(", ".join(f"{name}: {count:,}" for name, count in sorted(counts.items())))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
