"""The store: one file with the encoded pieces of a corpus and an index of every file it was made of.

Layout, all numbers little-endian: the mark `MARK`; the events, one packed record each, only of the fields that have more
than one token, each in the smallest type that holds it; then one line of JSON for each file (a `Judgement`); then the
arrays of `SECTIONS`, these and the lines from multiples of 8 bytes on; then a header in JSON, its length (8 bytes) and
`MARK` again. The file is mapped into memory, not read: a corpus may be larger than memory. It says nothing of when, where
or by how many processes it was made.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from melody.corpus import encoding
from melody.corpus.events import Events
from melody.corpus.shard import Judgement
from melody.corpus.verdict import SPLITS, Split, Verdict, summary
from melody.errors import CorpusError, MelodyError
from melody.piece import Ints
from melody.tokens.vocabulary import FIELDS, Rows, Vocabulary

FORMAT = 1
MARK = b"melody corpus 1\n"
SECTIONS = {"line_starts": "<u8", "piece_starts": "<u8", "piece_file": "<u4", "piece_split": "u1", "sources": "<u8"}
Bytes = NDArray[np.uint8]


class Pieces(Sequence[Rows]):
    """The events of some pieces of a store, END included, each (events, 5); made when they are asked for."""

    def __init__(self, vocabulary: Vocabulary, records: NDArray[Any], starts: Ints, numbers: Ints) -> None:
        self._vocabulary, self._records, self._starts, self._numbers = vocabulary, records, starts, numbers

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, index: int) -> Rows: ...
    @overload
    def __getitem__(self, index: slice) -> Pieces: ...
    def __getitem__(self, index: int | slice) -> Rows | Pieces:
        if isinstance(index, slice):
            return Pieces(self._vocabulary, self._records, self._starts, self._numbers[index])
        number = self._numbers[index]
        return unpacked(self._records[int(self._starts[number]) : int(self._starts[number + 1])])

    @property
    def sizes(self) -> Ints:
        """Number of events of each piece, without making them, (pieces,)."""
        return (self._starts[self._numbers + 1] - self._starts[self._numbers]).astype(np.int64)


class Verdicts(Sequence[Verdict]):
    """The verdicts of a store, made when they are asked for."""

    def __init__(self, lines: Bytes, starts: Ints) -> None:
        self._lines, self._starts = lines, starts

    def __len__(self) -> int:
        return len(self._starts) - 1

    @overload
    def __getitem__(self, index: int) -> Verdict: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Verdict, ...]: ...
    def __getitem__(self, index: int | slice) -> Verdict | tuple[Verdict, ...]:
        if isinstance(index, slice):
            return tuple(self.judgement(i).verdict for i in range(*index.indices(len(self))))
        return self.judgement(index).verdict

    def judgement(self, index: int) -> Judgement:
        """All that is known of a file."""
        index = range(len(self))[index]
        line = self._lines[int(self._starts[index]) : int(self._starts[index + 1])].tobytes()
        return Judgement.from_dict(json.loads(line))


class Corpus:
    """What a folder became.

    Attributes
    ----------
    vocabulary
        Of all kept pieces.
    verdicts
        One for every file, in the order in which they are named in `manifest`.
    remarks
        Lines on what was chosen for the whole corpus: the grid, the parts.
    """

    def __init__(self, data: Bytes, header: dict[str, Any]) -> None:
        self._data, self._header = np.asarray(data), header
        self.vocabulary = Vocabulary.from_dict(header["vocabulary"])
        self.remarks: tuple[str, ...] = tuple(header["remarks"])
        self._at = {name: self._section(name, dtype) for name, dtype in SECTIONS.items()}
        start, stop = header["sections"]["lines"]
        self.verdicts = Verdicts(self._data[start:stop], self._at["line_starts"])
        start, stop = header["sections"]["records"]
        self._records = self._data[start:stop].view(np.dtype([(name, kind) for name, kind in header["record"]]))

    def _section(self, name: str, dtype: str) -> NDArray[Any]:
        start, stop = self._header["sections"][name]
        return self._data[start:stop].view(dtype)

    @classmethod
    def open(cls, path: str | Path) -> Corpus:
        """The corpus in a store.

        Raises
        ------
        CorpusError
            If the file is missing, no store, damaged or of another version.
        """
        try:
            data = np.memmap(path, np.uint8, "r")
        except (OSError, ValueError) as error:
            raise CorpusError(f"{path}: cannot be opened ({error}); run prepare to make it") from error
        return cls.of_bytes(data, str(path))

    @classmethod
    def of_bytes(cls, data: Bytes, name: str = "the store") -> Corpus:
        """The corpus in the bytes of a store (see `open`)."""
        try:
            size = len(MARK)
            if data[:size].tobytes() != MARK or data[-size:].tobytes() != MARK:
                raise ValueError("it does not begin and end like one")
            length = int(np.frombuffer(data[-size - 8 : -size].tobytes(), "<u8")[0])
            header = json.loads(data[-size - 8 - length : -size - 8].tobytes())
            return cls(data, header)
        except (ValueError, KeyError, TypeError, IndexError, MelodyError) as error:
            raise CorpusError(f"{name}: is no whole corpus ({error}); run prepare to make it again") from error

    def rows(self, split: Split) -> Pieces:
        """The events of each piece of a split, END included, each (events, 5), in the order of `names`."""
        numbers = np.flatnonzero(self._at["piece_split"] == SPLITS.index(split))
        return Pieces(self.vocabulary, self._records, self._at["piece_starts"], numbers)

    def names(self, split: Split) -> list[str]:
        """The paths of the pieces of a split."""
        numbers = np.flatnonzero(self._at["piece_split"] == SPLITS.index(split))
        return [self.verdicts[int(i)].path for i in self._at["piece_file"][numbers]]

    @property
    def counts(self) -> dict[str, int]:
        """Numbers of files, of kept ones, of notes in them, of groups and of the pieces of each split."""
        return dict(self._header["counts"])

    @property
    def manifest(self) -> dict[str, Any]:
        """What the corpus was made of, plain JSON: folder name, settings, counts, remarks, kept files."""
        kept = (v for v in self.verdicts if v.status != "rejected")
        names = ("format", "folder", "settings", "ticks_per_quarter", "counts", "remarks")
        return {name: self._header[name] for name in names} | {
            "files": [{"path": v.path, "content": v.content, "split": v.split, "notes": v.notes} for v in kept]
        }

    def summary(self) -> list[str]:
        """Two plain lines: what was kept and what was not and why; the sizes of the splits."""
        return summary(self.counts, self._header["causes"])

    def report(self) -> list[dict[str, Any]]:
        """One plain object a file: path, verdict, reason, notes, what was repaired, split."""
        return [v.to_dict() for v in self.verdicts]

    # For the next run

    @property
    def judging(self) -> str:
        """What the judgement of each file depended on (`PrepareSettings.judging`)."""
        return str(self._header["judging"])

    def same_settings(self, settings: dict[str, Any]) -> bool:
        """Whether it was made with these settings."""
        return bool(self._header["settings"] == settings)

    def find(self, source: str) -> tuple[Judgement, int] | None:
        """See `judge.Known`; copies and pieces that had to be fitted are not known, as others decide on them."""
        if not source:  # nothing was read of that file, and nothing of a file that is stored so
            return None
        if not hasattr(self, "_order"):
            self._order = np.argsort(self._at["sources"], kind="stable")
            self._sorted = self._at["sources"][self._order]
        key = np.uint64(int(source[:16], 16))
        for place in range(int(np.searchsorted(self._sorted, key)), len(self._sorted)):
            if self._sorted[place] != key:
                return None
            file = int(self._order[place])
            judgement = self.verdicts.judgement(file)
            if judgement.source == source and judgement.exact and judgement.verdict.cause not in ("copy", "not encodable"):
                piece = int(np.searchsorted(self._at["piece_file"], file))
                return judgement, -1 if judgement.verdict.status == "rejected" else piece
        return None

    def pieces(self, numbers: Sequence[int]) -> Events:
        """The events of those pieces."""
        rows = [unpacked(self._records[slice(*self._at["piece_starts"][n : n + 2].tolist())]) for n in numbers]
        starts = np.cumsum([0, *(len(r) for r in rows)])
        return encoding.decode(self.vocabulary, np.concatenate(rows), starts)


# Records


def record(vocabulary: Vocabulary) -> list[tuple[str, str]]:
    """Name and type of each field that has more than one token."""
    sizes = zip(FIELDS, vocabulary.sizes)
    return [(name, np.min_scalar_type(size - 1).newbyteorder("<").str) for name, size in sizes if size > 1]


def packed(rows: Rows, kinds: Sequence[tuple[str, str]]) -> NDArray[Any]:
    """Events as records."""
    records = np.empty(len(rows), np.dtype(list(kinds)))
    for name, _ in kinds:
        records[name] = rows[:, FIELDS.index(name)]
    return records


def unpacked(records: NDArray[Any]) -> Rows:
    """Records as events, (events, 5)."""
    rows = np.zeros((len(records), len(FIELDS)), np.int64)
    for name in records.dtype.names or ():
        rows[:, FIELDS.index(name)] = records[name]
    return rows
