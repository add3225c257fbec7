"""Groups of versions -> train, valid, test; the same whatever the order of the files or the machine."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from melody.corpus.verdict import Split


def split(groups: Mapping[str, int], *, valid: float, test: float, seed: int) -> dict[str, Split]:
    """The side of each group, given as its name (a content hash) -> the number of its pieces.

    The groups are taken in the order of a hash of `seed` and name. Each goes to test, then to valid, if there is room up
    to the share wanted, else to train. Of two groups or more at least one goes to valid and one to train; with fewer than
    ten or so pieces test may stay empty.

    >>> split({"a": 1}, valid=0.1, test=0.1, seed=0)
    {'a': 'train'}
    """
    order = sorted(groups, key=lambda name: hashlib.sha256(f"{seed}:{name}".encode()).digest())
    total = sum(groups.values())
    room = {"test": int(test * total + 0.5), "valid": max(int(valid * total + 0.5), int(valid > 0))}
    sides: dict[str, Split] = {}
    for name in order:
        side = next((s for s in ("test", "valid") if groups[name] <= room[s]), "train")
        if side != "train":
            room[side] -= groups[name]
        sides[name] = side  # type: ignore[assignment]
    return _mended(sides, order, groups, valid)


def _mended(sides: dict[str, Split], order: list[str], groups: Mapping[str, int], valid: float) -> dict[str, Split]:
    """Valid and train get a group each where there are two; the smallest moves."""
    smallest = min(order, key=lambda name: groups[name], default="")
    if len(order) > 1 and valid > 0 and "valid" not in sides.values():
        sides[smallest] = "valid"
    if order and "train" not in sides.values():
        sides[max(order, key=lambda name: groups[name])] = "train"
    return sides
