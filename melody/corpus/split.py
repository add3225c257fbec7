"""Groups of versions -> train, valid, test; the same whatever the order of the files or the machine."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from melody.corpus.external_sort import disk_table, sorted_blocks
from melody.corpus.verdict import SPLITS
from melody.piece import Ints

TRAIN, VALID, TEST = (SPLITS.index(name) for name in ("train", "valid", "test"))
Named = tuple[Ints, NDArray[np.uint8]]  # numbers of groups, (groups,), and their names, (groups, 16)


def shuffled(groups: Iterable[Named], total: int, seed: int) -> Iterator[Ints]:
    """The numbers of all groups, some at a time, in the order of a hash of `seed` and name (a content hash)."""
    for rows in sorted_blocks((_sort_keys(names, numbers, seed) for numbers, names in groups), total, 3):
        yield rows[:, 2].astype(np.int64)


def _sort_keys(names: NDArray[np.uint8], numbers: Ints, seed: int) -> NDArray[np.uint64]:
    """The first 128 bits of each hash, and the number, (groups, 3)."""
    data, start = names.tobytes().hex(), f"{seed}:"
    hashes = [hashlib.sha256((start + data[at : at + 32]).encode()).digest()[:16] for at in range(0, len(data), 32)]
    keys = np.frombuffer(b"".join(hashes), ">u8").reshape(-1, 2)
    return np.concatenate([keys.astype(np.uint64), numbers.astype(np.uint64).reshape(-1, 1)], 1)


def split(order: Iterable[Ints], sizes: NDArray[Any], *, valid: float, test: float) -> NDArray[np.uint8]:
    """The split of each group, a number into `SPLITS`, (groups,), given their sizes and the order of `shuffled`.

    Each goes to test, then to valid, up to the share wanted, else to train. Of two groups or more at least
    one goes to valid and one to train; with fewer than ten or so pieces test may stay empty. Groups that are not in the
    order have no pieces.

    >>> split([np.array([0])], np.array([1]), valid=0.1, test=0.1).tolist() == [TRAIN]
    True
    """
    total = int(sizes.sum(dtype=np.int64))
    left = {TEST: int(test * total + 0.5), VALID: max(int(valid * total + 0.5), int(valid > 0))}
    splits, used = disk_table(len(sizes), "u1", TRAIN), np.zeros(len(SPLITS), np.int64)
    low: list[int] = []
    high: list[int] = []
    for numbers in order:
        if len(numbers):
            here = sizes[numbers]
            splits[numbers] = placed = _placed(here, left)
            used += np.bincount(placed, minlength=len(used))
            low.append(int(numbers[here.argmin()]))
            high.append(int(numbers[here.argmax()]))
    # Valid and train get a group each where there are two; the smallest moves.
    if used.sum() > 1 and valid > 0 and not used[VALID]:
        smallest = min(low, key=lambda number: sizes[number])
        used[splits[smallest]] -= 1
        splits[smallest] = VALID
    if low and not used[TRAIN]:
        splits[max(high, key=lambda number: sizes[number])] = TRAIN
    return splits


def _placed(sizes: NDArray[Any], left: dict[int, int]) -> NDArray[np.uint8]:
    """The split of each group in turn; `left` is how many more pieces each split may have."""
    splits = np.full(len(sizes), TRAIN, np.uint8)
    for place, size in enumerate(sizes.tolist()):
        where = next((other for other in (TEST, VALID) if size <= left[other]), TRAIN)
        if where != TRAIN:
            left[where] -= size
            splits[place] = where
        elif not any(left.values()):
            break
    return splits
