"""Which pieces are versions of one another.

Two pieces are, if a line of one resembles a line of the other (`fingerprint`), or if their files say so: the same name in
the same folder but for a mark such as `(1)`, `_v2` or another suffix. Groups are what that connects.

Measured on the 1,034 tunes of the Nottingham collection, all pairs compared: lines of different tunes share fewer than
20 % of their n-grams in all but a few pairs, versions of one tune mostly more than 30 %.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from melody.corpus.fingerprint import EMPTY, Sketches
from melody.piece import Ints

RESEMBLANCE = 0.2  # share of the n-grams of both that are in both
CONTAINMENT = 0.4  # share of the n-grams of the shorter that are in the longer
SHARED = 5  # n-grams in common at least, of those in the sketches
CANDIDATES = 24  # smallest hashes of a line by which others are found to compare it with
NEIGHBOURS = 16  # lines with the same n-gram that each line is compared with: bounds the work on common ones
BLOCK = 1024  # lines compared in one go: bounds the memory

_MARK = re.compile(r"([ _.-]*\(\d+\)|[ _.-]+(v|ver|version|copy|alt|take)[ _.-]*\d*)+$")


def grouped(songs: NDArray[np.uint64], line_piece: Ints, sketches: Sketches) -> Ints:
    """The number of the group of each piece: that of the first piece in it, (pieces,).

    `songs` are what the files' names say (`song`), (pieces,); `line_piece` the piece of each line of `sketches`.
    """
    _, first, number = np.unique(songs, return_index=True, return_inverse=True)
    group = connected(np.arange(len(songs)), np.stack([first[number], np.arange(len(songs))], 1))
    for pairs in similar_lines(sketches):
        group = connected(group, line_piece[pairs])
    return group


def similar_lines(sketches: Sketches) -> Iterator[Ints]:
    """Pairs of lines that resemble one another, (pairs, 2), part by part of the hashes and block by block of the lines."""
    looked_at = sketches[:, :CANDIDATES]
    parts = 1 + len(sketches) // (16 * BLOCK)
    edges = [round(EMPTY * i / parts) for i in range(parts + 1)]
    for low, high in pairwise(edges):
        line, place = np.nonzero((looked_at >= low) & (looked_at < high))
        order = np.argsort(looked_at[line, place], kind="stable")
        hashes, line = looked_at[line, place][order], line[order]
        for start in range(0, len(sketches), BLOCK):
            yield _similar_in_block(sketches, hashes, line, start)


def _similar_in_block(sketches: Sketches, hashes: NDArray[np.uint32], line: Ints, start: int) -> Ints:
    """The pairs whose first line is in the block."""
    here = np.flatnonzero((line >= start) & (line < start + BLOCK))
    codes = [np.zeros(0, np.int64)]
    for step in range(1, NEIGHBOURS + 1):
        here = here[here < len(line) - step]
        here = here[hashes[here] == hashes[here + step]]
        codes.append(line[here] * len(sketches) + line[here + step])
    pairs = np.stack(np.divmod(np.unique(np.concatenate(codes)), max(len(sketches), 1)), 1)
    alike = [resemble(sketches, pairs[at : at + BLOCK]) for at in range(0, len(pairs), BLOCK)]
    return pairs[np.concatenate([np.zeros(0, bool), *alike])]


def resemble(sketches: Sketches, pairs: Ints) -> NDArray[np.bool_]:
    """Whether the lines of each pair do, (pairs,)."""
    first, second = sketches[pairs[:, 0]], sketches[pairs[:, 1]]
    merged = np.sort(np.concatenate([first, second], 1), axis=1)
    shared = ((merged[:, 1:] == merged[:, :-1]) & (merged[:, 1:] != EMPTY)).sum(1)
    # Both sketches are complete up to the smaller of their last hashes (EMPTY, if a line is shown whole).
    bound = np.minimum(first[:, -1:], second[:, -1:])
    sizes = [((sketch <= bound) & (sketch != EMPTY)).sum(1) for sketch in (first, second)]
    like = shared >= RESEMBLANCE * (sizes[0] + sizes[1] - shared)
    within = shared >= CONTAINMENT * np.minimum(*sizes)
    return (shared >= SHARED) & (like | within)


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


def connected(root: Ints, links: Ints) -> Ints:
    """The smallest thing that each is connected with: by `root` so far, (things,), and by `links`, (links, 2)."""
    while len(links):
        low = root[links].min(1)
        before = root.copy()
        for side in (0, 1):
            np.minimum.at(root, before[links[:, side]], low)
            np.minimum.at(root, links[:, side], low)
        root = root[root]
        if np.array_equal(root, before):
            break
    return root
