"""Which pieces are versions of one another.

Two pieces are, if a line of one resembles a line of the other (`fingerprint`, and for performances `untimed`), or if their
files have the same name in the same folder but for a mark such as `(1)`, `_v2` or another suffix. Groups are what that
connects.

Measured on the 1,034 tunes of the Nottingham collection, all pairs compared: lines of different tunes share fewer than
20 % of their n-grams in all but a few pairs, versions of one tune mostly more than 30 %.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from melody.corpus.deduplicate.fingerprint import EMPTY, Sketches
from melody.corpus.external_sort import ROWS, DiskColumn, Keys, sorted_blocks
from melody.piece import Ints

RESEMBLANCE = 0.2  # share of the n-grams of both that are in both
CONTAINMENT = 0.4  # share of the n-grams of the shorter that are in the longer
SHARED = 5  # n-grams in common at least, of those in the sketches
CANDIDATES = 24  # smallest hashes of a line by which others are found to compare it with
NEIGHBOURS = 16  # lines with the same n-gram that each line is compared with: bounds the work on common ones
BLOCK = 1024  # pairs of lines compared in one go: bounds the memory
_ODD = 0x9E3779B1  # times an odd number, small hashes lie all over 32 bits, and different ones stay different

_MARK = re.compile(r"([ _.-]*\(\d+\)|[ _.-]+(v|ver|version|copy|alt|take)[ _.-]*\d*)+$")


def link_songs(root: NDArray[Any], songs: Iterator[Keys], total: int) -> None:
    """Connect the pieces whose names are the same song: (`song`, number of the piece) of each."""
    for rows in sorted_blocks(songs, total, 2):
        same = np.flatnonzero(rows[1:, 0] == rows[:-1, 0])
        connect(root, np.stack([rows[same, 1], rows[same + 1, 1]], 1).astype(np.int64))


class Likeness(NamedTuple):
    """When two lines resemble one another.

    Parameters
    ----------
    resemblance, containment
        The share of the n-grams of both that are in both, and the share of those of the shorter that are in the longer: one
        of the two has to be as large.
    shared
        N-grams in common at least, of those in the sketches.
    candidates
        Smallest hashes of a line by which others are found to compare it with.
    """

    resemblance: float
    containment: float
    shared: int
    candidates: int


TIMED = Likeness(RESEMBLANCE, CONTAINMENT, SHARED, CANDIDATES)
UNTIMED = Likeness(resemblance=0.025, containment=0.05, shared=12, candidates=64)


def link_lines(
    root: NDArray[Any],
    line_piece: NDArray[Any],
    use: NDArray[np.bool_],
    sketches: DiskColumn,
    likeness: Likeness = TIMED,
) -> None:
    """Connect the pieces that have lines that resemble one another.

    `line_piece` is the piece of each line, `use` whether it counts, (lines,).
    """
    for one, other in neighbours(sketches, use, likeness.candidates):
        apart = _apart(root, line_piece[one], line_piece[other])
        codes = np.sort(one[apart] * len(sketches) + other[apart])
        codes = codes[np.diff(codes, prepend=-1) > 0]
        for start in range(0, len(codes), BLOCK):
            pairs = np.stack(np.divmod(codes[start : start + BLOCK], len(sketches)), 1)
            pieces = line_piece[pairs]
            apart = _apart(root, pieces[:, 0], pieces[:, 1])  # others may have connected them by now
            both = sketches.take(pairs[apart].T.ravel())
            connect(root, pieces[apart[resemble(both[: len(apart)], both[len(apart) :], likeness)]])


def _apart(root: NDArray[Any], one: Ints, other: Ints) -> Ints:
    """Which pairs of pieces are not connected yet."""
    return np.flatnonzero(found(root, one) != found(root, other))


def neighbours(sketches: DiskColumn, use: NDArray[np.bool_], candidates: int) -> Iterator[tuple[Ints, Ints]]:
    """Pairs of lines that have one of their smallest hashes in common, (pairs,) twice, each line with the next ones that do.

    A pair may come several times.
    """
    for rows in sorted_blocks(_keys(sketches, use, candidates), candidates * len(sketches), 1):
        for start in range(0, len(rows), ROWS):
            keys = rows[start : start + ROWS + NEIGHBOURS, 0]
            hashes, line = keys >> np.uint64(32), (keys & np.uint64(EMPTY)).astype(np.int64)
            here = np.arange(min(ROWS, len(keys)))
            for step in range(1, NEIGHBOURS + 1):
                here = here[: np.searchsorted(here, len(keys) - step)]
                here = here[hashes[here] == hashes[here + step]]
                yield line[here], line[here + step]


def _keys(sketches: DiskColumn, use: NDArray[np.bool_], candidates: int) -> Iterator[Keys]:
    """Hash and number of the line, 32 bits each, of all smallest hashes, (hashes, 1)."""
    for first, rows in sketches.blocks(ROWS // candidates):
        line, place = np.nonzero((rows[:, :candidates] != EMPTY) & use[first : first + len(rows), None])
        hashes = rows[line, place].astype(np.uint64) * np.uint64(_ODD) << np.uint64(32)
        yield (hashes | (line + first).astype(np.uint64)).reshape(-1, 1)


def resemble(first: Sketches, second: Sketches, likeness: Likeness = TIMED) -> NDArray[np.bool_]:
    """Whether the lines of each pair do, (pairs,)."""
    merged = np.sort(np.concatenate([first, second], 1), axis=1)
    shared = _numbers((merged[:, 1:] == merged[:, :-1]) & (merged[:, 1:] != EMPTY))
    # Both sketches are complete up to the smaller of their last hashes (EMPTY, if a line is shown whole).
    bound = np.minimum(np.minimum(first[:, -1:], second[:, -1:]), np.uint32(EMPTY - 1))
    sizes = [_numbers(sketch <= bound) for sketch in (first, second)]
    like = shared >= likeness.resemblance * (sizes[0] + sizes[1] - shared)
    within = shared >= likeness.containment * np.minimum(*sizes)
    return (shared >= likeness.shared) & (like | within)


def _numbers(true: NDArray[np.bool_]) -> Ints:
    """How many are true in each row."""
    counts: Ints = true.sum(1, dtype=np.uint16).astype(np.int64)
    return counts


def song(path: str) -> int:
    """A number for `song_name`, 64 bits."""
    return int.from_bytes(hashlib.blake2b(song_name(path).encode(), digest_size=8).digest(), "big")


def song_name(path: str) -> str:
    """The path without its suffix and without what marks a version.

    >>> song_name("pop/001/versions/001-v2.mid"), song_name("a/Air (1).MID"), song_name("ashover12.mid")
    ('pop/001/001', 'a/air', 'ashover12')
    """
    folder, _, name = path.lower().rpartition("/")
    stem = name.rpartition(".")[0] or name
    return f"{folder.removesuffix('/versions')}/{_MARK.sub('', stem) or stem}".removeprefix("/")


def found(root: NDArray[Any], things: Ints) -> Ints:
    """The thing that stands for all that each is connected with: where one gets by going from each to its root again."""
    at = root[things]
    while not np.array_equal(at, up := root[at]):
        root[at] = root[up]  # halves the way of all that come by
        at = up
    root[things] = at
    return at.astype(np.int64)


def connect(root: NDArray[Any], links: Ints) -> None:
    """Connect the things of each link, (links, 2); the smallest of those connected stands for all."""
    while len(links):
        ends = np.sort(found(root, links), 1)
        apart = ends[:, 0] != ends[:, 1]
        links, ends = links[apart], ends[apart]
        np.minimum.at(root, ends[:, 1], ends[:, 0].astype(root.dtype))
