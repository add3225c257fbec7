"""What all files together decide: which are copies, which are versions of one another, the split.

Pieces are numbered by their order, copies among them. What is held in memory is some bytes a piece, and nothing for each
file that Python would make an object of; all else waits in temporary files (`spill`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from melody.corpus.deduplicate import versions
from melody.corpus.deduplicate.fingerprint import SKETCH
from melody.corpus.external_sort import ROWS, Column, Keys, counted, in_order, table
from melody.corpus.settings import PrepareSettings
from melody.corpus.split import Named, drawn, split
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
        How many notes, and after how many of them the part's next one does not begin where they end, or there is none.
    """

    kind: int
    name: str
    monophonic: bool
    notes: int
    rests: int


class Survey:
    """What the shards say of all pieces.

    Attributes
    ----------
    contents
        The hash of the content of each piece, (pieces, 16).
    file
        The number of the file of each piece, (pieces,).
    """

    def __init__(self) -> None:
        self.contents, self.file = Column(("u1", (16,))), Column("<u4")
        self._files = 0
        self._names: dict[int, str] = {}  # of the first part of each kind
        self._songs = Column("<u8")
        self._parts = Column(("<u4", (6,)))  # piece, kind, has the first name, monophonic, notes, rests
        self._line_piece, self._sketches = Column("<u4"), Column(("<u4", (SKETCH,)))

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
        self._line_piece.extend(shard.line_piece + first)
        self._sketches.extend(shard.sketches)
        self._files += len(shard)

    def originals(self) -> Originals:
        """Which pieces are copies of which."""
        first, by_content = counted(len(self)), Column("<u4")
        for rows in in_order(self._keys_of_contents(), len(self), 3):
            new = np.ones(len(rows), bool)
            new[1:] = (rows[1:, :2] != rows[:-1, :2]).any(1)
            number = rows[:, 2].astype(np.int64)
            first[number] = number[new][np.cumsum(new) - 1]
            by_content.extend(number[new])
        return Originals(first, by_content)

    def _keys_of_contents(self) -> Iterator[Keys]:
        """Content, the more significant half first, and number of each piece."""
        for start, rows in self.contents.blocks():
            numbers = np.arange(start, start + len(rows), dtype=np.uint64).reshape(-1, 1)
            yield np.concatenate([rows.view(">u8").astype(np.uint64), numbers], 1)

    def parts(self, originals: Originals) -> Iterator[PartUse]:
        """What the parts have played, some at a time: the same kind and name may come again."""
        for _, rows in self._parts.blocks():
            rows = rows[originals.are_new(rows[:, 0])].astype(np.int64)
            uses, place = np.unique(rows[:, 1] * 4 + rows[:, 2] * 2 + rows[:, 3], return_inverse=True)
            notes, rests = (np.bincount(place, column, len(uses)).tolist() for column in rows[:, 4:].T)
            for i, use in enumerate(uses.tolist()):
                name = self._names[use // 4] if use & 2 else ""
                yield PartUse(use // 4, name, bool(use & 1), int(notes[i]), int(rests[i]))

    def placed(self, originals: Originals, settings: PrepareSettings) -> Places:
        """Groups and sides."""
        group = self._groups(originals)
        namer, sizes = table(len(self), "<u4", _NONE), table(len(self), "<u4")
        for _, pieces in originals.by_content.blocks():
            here, at, count = np.unique(group[pieces], return_index=True, return_counts=True)
            sizes[here] += count.astype(np.uint32)
            new = namer[here] == _NONE
            namer[here[new]] = pieces[at[new]]
        order = drawn(self._named(namer), int(np.count_nonzero(sizes)), settings.seed)
        side = split(order, sizes, valid=settings.valid, test=settings.test)
        return Places(self.contents, group, namer, side)

    def _groups(self, originals: Originals) -> NDArray[np.uint32]:
        """The piece that stands for all that are versions of one another, of each, (pieces,)."""
        root = counted(len(self))
        versions.link_songs(root, self._songs_of(originals), len(self))
        line_piece, use = table(len(self._line_piece), "<u4"), table(len(self._line_piece), "?")
        for start, pieces in self._line_piece.blocks():
            line_piece[start : start + len(pieces)] = pieces
            use[start : start + len(pieces)] = originals.are_new(pieces)
        versions.link_lines(root, line_piece, use, self._sketches)
        for start in range(0, len(root), ROWS):
            versions.found(root, np.arange(start, min(start + ROWS, len(root))))
        return root

    def _songs_of(self, originals: Originals) -> Iterator[Keys]:
        """Song and number of each piece that is no copy."""
        for start, songs in self._songs.blocks():
            numbers = np.arange(start, start + len(songs), dtype=np.uint64)
            yield np.stack([songs, numbers], 1)[originals.are_new(numbers)]

    def _named(self, namer: NDArray[np.uint32]) -> Iterator[Named]:
        """The number and the name of each group."""
        for start in range(0, len(namer), ROWS):
            numbers = start + np.flatnonzero(namer[start : start + ROWS] != _NONE)
            yield numbers, self.contents.take(namer[numbers])


@dataclass(frozen=True)
class Originals:
    """Which pieces are copies of which.

    Parameters
    ----------
    first
        The first piece with the same content as each, (pieces,).
    by_content
        The pieces that are no copies, in the order of their contents.
    """

    first: NDArray[np.uint32]
    by_content: Column

    def are_new(self, pieces: NDArray[Any]) -> NDArray[np.bool_]:
        """Whether each piece is no copy, (pieces,)."""
        return self.first[pieces] == pieces


@dataclass(frozen=True)
class Places:
    """The group and the side of each piece.

    Parameters
    ----------
    contents
        Of the pieces.
    group
        Of each piece, (pieces,).
    namer, side
        Of each group: the piece whose content is its name, and a number into `SPLITS`; (pieces,), as groups are numbered
        like pieces.
    """

    contents: Column
    group: NDArray[np.uint32]
    namer: NDArray[np.uint32]
    side: NDArray[np.uint8]

    def sides(self, pieces: Ints) -> NDArray[np.uint8]:
        """Numbers into `SPLITS`, (pieces,)."""
        return self.side[self.group[pieces]]

    def names(self, pieces: Ints) -> list[str]:
        """The name of the group of each piece: its smallest content, 32 hexadecimal digits."""
        data = self.contents.take(self.namer[self.group[pieces]]).tobytes().hex()
        return [data[at : at + 32] for at in range(0, len(data), 32)]
