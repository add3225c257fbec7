"""All pieces together: which are copies, which are versions of one another, what their parts play.

Pieces are numbered by their order, copies among them. What is held in memory is some bytes a piece, and nothing for each
file that Python would make an object of; all else waits in temporary files (`external_sort`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from melody.corpus.deduplicate import untimed, versions
from melody.corpus.deduplicate.fingerprint import SKETCH, Sketches
from melody.corpus.external_sort import ROWS, DiskColumn, Keys, disk_table, numbered, sorted_blocks
from melody.corpus.settings import PrepareSettings
from melody.corpus.split import Named, shuffled, split
from melody.corpus.validate.shard import Shard
from melody.piece import Ints

_NONE = 2**32 - 1


class PartUse(NamedTuple):
    """What the parts of one kind and name have played, in all pieces but copies.

    Parameters
    ----------
    kind, name
        Of the parts; the name is empty where it is not that of the first part of that kind.
    monophonic
        Whether each of them never sounds two notes at once.
    notes, rests
        How many notes, and how many of them are followed by a rest or are the last of their part.
    """

    kind: int
    name: str
    monophonic: bool
    notes: int
    rests: int


class PieceTable:
    """What the shards hold of all pieces, but their notes.

    Attributes
    ----------
    contents
        The hash of the content of each piece, (pieces, 16).
    file
        The number of the file of each piece, (pieces,).
    """

    def __init__(self) -> None:
        self.contents, self.file = DiskColumn(("u1", (16,))), DiskColumn("<u4")
        self._files = 0
        self._names: dict[int, str] = {}  # of the first part of each kind
        self._songs = DiskColumn("<u8")
        self._parts = DiskColumn(("<u4", (6,)))  # piece, kind, has the first name, monophonic, notes, rests
        self._timed = _Lines(SKETCH, versions.TIMED)
        self._untimed = _Lines(untimed.SKETCH, versions.UNTIMED)

    @classmethod
    def of(cls, shards: Iterable[Shard]) -> PieceTable:
        """All pieces of some shards."""
        table = cls()
        for shard in shards:
            table.add(shard)
        return table

    def __len__(self) -> int:
        return len(self.contents)

    def add(self, shard: Shard) -> None:
        """All files of the shard."""
        first = len(self)
        names = [shard.part_names[i] for i in shard.part_name.tolist()]
        known = [self._names.setdefault(kind, name) == name for kind, name in zip(shard.part_kind.tolist(), names)]
        parts = (shard.part_piece + first, shard.part_kind, known, shard.part_monophonic, shard.part_notes, shard.part_rests)
        self._parts.extend(np.stack([np.asarray(column, np.int64) for column in parts], 1))
        self.contents.extend(shard.contents)
        self.file.extend(shard.kept + self._files)
        self._songs.extend(shard.songs)
        self._timed.add(shard.line_piece + first, shard.sketches)
        self._untimed.add(shard.untimed_piece + first, shard.untimed)
        self._files += len(shard)

    def copies(self) -> Copies:
        """Which pieces are copies of which."""
        first, by_content = numbered(len(self)), DiskColumn("<u4")
        for rows in sorted_blocks(self._keys_of_contents(), len(self), 3):
            new = np.ones(len(rows), bool)
            new[1:] = (rows[1:, :2] != rows[:-1, :2]).any(1)
            number = rows[:, 2].astype(np.int64)
            first[number] = number[new][np.cumsum(new) - 1]
            by_content.extend(number[new])
        return Copies(first, by_content)

    def _keys_of_contents(self) -> Iterator[Keys]:
        """Content, the more significant half first, and number of each piece."""
        for start, rows in self.contents.blocks():
            numbers = np.arange(start, start + len(rows), dtype=np.uint64).reshape(-1, 1)
            yield np.concatenate([rows.view(">u8").astype(np.uint64), numbers], 1)

    def parts(self, copies: Copies) -> Iterator[PartUse]:
        """What the parts have played, some at a time: the same kind and name may come again."""
        for _, rows in self._parts.blocks():
            rows = rows[copies.are_new(rows[:, 0])].astype(np.int64)
            uses, place = np.unique(rows[:, 1] * 4 + rows[:, 2] * 2 + rows[:, 3], return_inverse=True)
            notes, rests = (np.bincount(place, column, len(uses)).tolist() for column in rows[:, 4:].T)
            for i, use in enumerate(uses.tolist()):
                name = self._names[use // 4] if use & 2 else ""
                yield PartUse(use // 4, name, bool(use & 1), int(notes[i]), int(rests[i]))

    def parts_of_pieces(self, copies: Copies) -> Counter[int]:
        """How many pieces but copies have each kind of part."""
        found: Counter[int] = Counter()
        for _, rows in self._parts.blocks():
            kinds, pieces = np.unique(rows[copies.are_new(rows[:, 0]), 1], return_counts=True)
            found.update(dict(zip(kinds.tolist(), pieces.tolist())))
        return found

    def groups_of_versions(self, copies: Copies) -> Groups:
        """Which pieces are versions of one another."""
        group = self._connected(copies)
        namer, sizes = disk_table(len(self), "<u4", _NONE), disk_table(len(self), "<u4")
        for _, pieces in copies.by_content.blocks():
            here, at, count = np.unique(group[pieces], return_index=True, return_counts=True)
            sizes[here] += count.astype(np.uint32)
            new = namer[here] == _NONE
            namer[here[new]] = pieces[at[new]]
        return Groups(self.contents, group, namer, sizes)

    def splits(self, groups: Groups, settings: PrepareSettings) -> NDArray[np.uint8]:
        """The split of each group, a number into `SPLITS`, (pieces,), as groups are numbered like pieces."""
        order = shuffled(groups.named(), int(np.count_nonzero(groups.sizes)), settings.seed)
        return split(order, groups.sizes, valid=settings.valid, test=settings.test)

    def _connected(self, copies: Copies) -> NDArray[np.uint32]:
        """The piece that stands for all that are versions of one another, of each, (pieces,)."""
        root = numbered(len(self))
        versions.link_songs(root, self._songs_of(copies), len(self))
        for lines in (self._timed, self._untimed):
            lines.link(root, copies)
        for start in range(0, len(root), ROWS):
            versions.found(root, np.arange(start, min(start + ROWS, len(root))))
        return root

    def _songs_of(self, copies: Copies) -> Iterator[Keys]:
        """Song and number of each piece that is no copy."""
        for start, songs in self._songs.blocks():
            numbers = np.arange(start, start + len(songs), dtype=np.uint64)
            yield np.stack([songs, numbers], 1)[copies.are_new(numbers)]


class _Lines:
    """The lines of all pieces, and when two of them resemble one another."""

    def __init__(self, width: int, likeness: versions.Likeness) -> None:
        self._piece, self._sketches = DiskColumn("<u4"), DiskColumn(("<u4", (width,)))
        self._likeness = likeness

    def add(self, pieces: Ints, sketches: Sketches) -> None:
        """The lines of some more pieces."""
        self._piece.extend(pieces)
        self._sketches.extend(sketches)

    def link(self, root: NDArray[np.uint32], copies: Copies) -> None:
        """Connect the pieces that have such lines."""
        piece, use = disk_table(len(self._piece), "<u4"), disk_table(len(self._piece), "?")
        for start, pieces in self._piece.blocks():
            piece[start : start + len(pieces)] = pieces
            use[start : start + len(pieces)] = copies.are_new(pieces)
        versions.link_lines(root, piece, use, self._sketches, self._likeness)


@dataclass(frozen=True)
class Copies:
    """Which pieces are copies of which.

    Parameters
    ----------
    first
        The first piece with the same content as each, (pieces,).
    by_content
        The pieces that are no copies, in the order of their contents.
    """

    first: NDArray[np.uint32]
    by_content: DiskColumn

    def are_new(self, pieces: NDArray[Any]) -> NDArray[np.bool_]:
        """Whether each piece is no copy, (pieces,)."""
        new: NDArray[np.bool_] = self.first[pieces] == pieces
        return new


@dataclass(frozen=True)
class Groups:
    """Which pieces are versions of one another. Groups are numbered like pieces: by one of those that they hold.

    Parameters
    ----------
    contents
        The hash of the content of each piece.
    number
        The group of each piece, (pieces,).
    namer, sizes
        Of each group: the piece whose content is its name, the smallest, and how many pieces it has but copies; (pieces,).
    """

    contents: DiskColumn
    number: NDArray[np.uint32]
    namer: NDArray[np.uint32]
    sizes: NDArray[np.uint32]

    def named(self) -> Iterator[Named]:
        """The number and the name of each group."""
        for start in range(0, len(self.namer), ROWS):
            numbers = start + np.flatnonzero(self.namer[start : start + ROWS] != _NONE)
            yield numbers, self.contents.take(self.namer[numbers])

    def names(self, groups: NDArray[Any]) -> list[str]:
        """The names of groups: the smallest content of each, 32 hexadecimal digits."""
        data = self.contents.take(self.namer[groups]).tobytes().hex()
        return [data[at : at + 32] for at in range(0, len(data), 32)]
