#!/usr/bin/env python3
"""Every tune of the collections that music21 carries, read; their numbers are those recorded, and none is left out.

    python scripts/check_collections.py

Prints a line for each book and ends with 1 if a number differs. The tests read one tune in eight.
"""

from __future__ import annotations

import sys

from melody.score.collections import COLLECTIONS, load

BOOKS = ("ryans", "oneills", "airds", "chorales")


def main() -> int:
    """Read all of them."""
    differ = 0
    for name in BOOKS:
        skipped: list[str] = []
        lengths = [piece.num_notes for _, piece in load(name, on_skip=lambda stem, _, to=skipped: to.append(stem))]
        recorded = COLLECTIONS[name]
        right = (len(lengths), sum(lengths)) == (recorded.pieces, recorded.notes) and (name == "chorales" or not skipped)
        differ += not right
        print(
            f"{name}: {len(lengths):,} pieces of {recorded.pieces:,}, {sum(lengths):,} notes of {recorded.notes:,}, "
            f"{len(skipped)} left out{'' if right else ' - DIFFERENT'}",
            flush=True,
        )
    books = [COLLECTIONS[name] for name in BOOKS[:3]]
    fiddle = COLLECTIONS["fiddle"]
    return int(differ > 0 or (fiddle.pieces, fiddle.notes) != (sum(b.pieces for b in books), sum(b.notes for b in books)))


if __name__ == "__main__":
    sys.exit(main())
