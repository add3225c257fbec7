"""The store: one file with the encoded pieces of a corpus and an index of every file it was made of.

Layout, all numbers little-endian: the mark `MARK`; the events, one packed record each, only of the fields that have more
than one token, each in the smallest type that holds it; then one line of JSON for each file (a `FileRecord`); then the
arrays of `SECTIONS`, these and the lines from multiples of 8 bytes on; then checksums of all that (`checksums`), a header in
JSON, its checksum and its length (8 bytes each) and `MARK` again. What is asked for is read then, not all at once: a corpus
may be larger than memory. It holds nothing of when, where or by how many processes it was made.

Header and index are checked when it is opened, events and lines when they are first read, in blocks: a store of any size is
open at once, and nothing damaged is used. `Corpus.verify` looks at all of it.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from melody.corpus.encode import encoder
from melody.corpus.events import Events
from melody.corpus.manifest import columns_of
from melody.corpus.store.checksums import Bytes, ChecksummedReader, FileBytes, HeldBytes, Readable
from melody.corpus.validate.shard import FileRecord
from melody.corpus.verdict import SPLITS, Split, Verdict, summary
from melody.errors import CorpusError, MelodyError
from melody.piece import Ints
from melody.tokens.vocabulary import FIELDS, Rows, Vocabulary

FORMAT = 2
MARK = b"melody corpus 2\n"
KIND = b"melody corpus "  # of any version
SECTIONS = {"line_starts": "<u8", "piece_starts": "<u8", "piece_file": "<u4", "piece_split": "u1", "sources": "<u8"}


class Pieces(Sequence[Rows]):
    """The events of some pieces of a store, END included, each (events, 5); made when they are asked for."""

    def __init__(self, records: EventRecords, starts: Ints, numbers: Ints) -> None:
        self._records, self._starts, self._numbers = records, starts, numbers

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, index: int) -> Rows: ...
    @overload
    def __getitem__(self, index: slice) -> Pieces: ...
    def __getitem__(self, index: int | slice) -> Rows | Pieces:
        if isinstance(index, slice):
            return Pieces(self._records, self._starts, self._numbers[index])
        number = self._numbers[index]
        return self._records.rows(int(self._starts[number]), int(self._starts[number + 1]))

    @property
    def sizes(self) -> Ints:
        """Number of events of each piece, without making them, (pieces,)."""
        return (self._starts[self._numbers + 1] - self._starts[self._numbers]).astype(np.int64)


class EventRecords:
    """The events of all pieces, one after another.

    Parameters
    ----------
    data
        The store.
    place
        Where they begin and end.
    kinds
        As `record_type` has it for the vocabulary.
    """

    def __init__(self, data: ChecksummedReader, place: tuple[int, int], vocabulary: Vocabulary) -> None:
        self._data, self._start = data, place[0]
        self._kind = np.dtype(record_type(vocabulary))
        self._sizes = np.array(vocabulary.sizes)
        self.number = (place[1] - place[0]) // max(self._kind.itemsize, 1)

    def rows(self, start: int, stop: int) -> Rows:
        """Some of them, (events, 5)."""
        at = self._start + start * self._kind.itemsize
        data = self._data.bytes(at, at + (stop - start) * self._kind.itemsize)
        rows = of_records(data.view(self._kind), stop - start)
        if len(rows) and (rows.max(0) >= self._sizes).any():
            raise CorpusError(
                "the store is damaged (an event that its vocabulary does not have); run prepare to make it again"
            )
        return rows


class Verdicts(Sequence[Verdict]):
    """The verdicts of a store, made when they are asked for."""

    def __init__(self, data: ChecksummedReader, place: tuple[int, int], starts: Ints) -> None:
        self._data, self._start, self._starts = data, place[0], starts

    def __len__(self) -> int:
        return len(self._starts) - 1

    @overload
    def __getitem__(self, index: int) -> Verdict: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Verdict, ...]: ...
    def __getitem__(self, index: int | slice) -> Verdict | tuple[Verdict, ...]:
        if isinstance(index, slice):
            return tuple(self.file_record(i).verdict for i in range(*index.indices(len(self))))
        return self.file_record(index).verdict

    def file_record(self, index: int) -> FileRecord:
        """All that is known of a file."""
        index = range(len(self))[index]
        start, stop = (self._start + int(at) for at in self._starts[index : index + 2])
        try:
            return FileRecord.from_dict(json.loads(self._data.bytes(start, stop).tobytes()))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise CorpusError(f"the store is damaged ({error}); run prepare to make it again") from error


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

    def __init__(self, data: ChecksummedReader, header: dict[str, Any]) -> None:
        self._data, self._header = data, header
        self.vocabulary = Vocabulary.from_dict(header["vocabulary"])
        self.remarks: tuple[str, ...] = tuple(map(str, header["remarks"]))
        places = {name: (int(start), int(stop)) for name, (start, stop) in header["sections"].items()}
        self._at = {name: data.bytes(*places[name]).view(dtype) for name, dtype in SECTIONS.items()}
        self.verdicts = Verdicts(data, places["lines"], self._at["line_starts"])
        self._records = EventRecords(data, places["records"], self.vocabulary)
        self._check(places["lines"])

    def _check(self, lines: tuple[int, int]) -> None:
        """Raise `ValueError` unless the index fits what it points to."""
        at, files = self._at, len(self._at["sources"])
        pieces = len(at["piece_file"])
        ends = (("line_starts", files, lines[1] - lines[0]), ("piece_starts", pieces, self._records.number))
        for name, number, end in ends:
            starts = at[name]
            if len(starts) != number + 1 or starts[0] != 0 or starts[-1] != end or (starts[1:] < starts[:-1]).any():
                raise ValueError(f"{name} make no sense")
        if len(at["piece_split"]) != pieces or at["piece_split"].max(initial=0) >= len(SPLITS):
            raise ValueError("the split makes no sense")
        if at["piece_file"].max(initial=0) >= max(files, 1) or (np.diff(at["piece_file"].astype(np.int64)) <= 0).any():
            raise ValueError("the files of the pieces make no sense")
        counts, causes = self._header["counts"], self._header["causes"]
        numbers = [counts[name] for name in ("files", "kept", "repaired", "notes", "groups", *SPLITS)]
        if not all(type(number) is int for number in (*numbers, *causes.values())):
            raise ValueError("the counts make no sense")
        for name, kind in (
            ("format", int),
            ("folder", str),
            ("settings", dict),
            ("ticks_per_quarter", int),
            ("judging", str),
        ):
            if not isinstance(self._header[name], kind):
                raise ValueError(f"{name} makes no sense")

    @classmethod
    def open(cls, path: str | Path) -> Corpus:
        """The corpus in a store.

        Raises
        ------
        CorpusError
            If the file is missing, no store, damaged or of another version. Damage to events and lines is found when
            they are read.
        """
        try:
            if os.path.exists(path) and not os.path.isfile(path):  # a pipe may never begin
                raise ValueError("it is no file")
            data = FileBytes(path)
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or error
            raise CorpusError(f"{path}: cannot be opened ({why}); run prepare to make it") from error
        return cls._of(data, str(path))

    @classmethod
    def of_bytes(cls, data: Bytes, name: str = "the store") -> Corpus:
        """The corpus in the bytes of a store (see `open`)."""
        return cls._of(HeldBytes(data), name)

    @classmethod
    def _of(cls, data: Readable, name: str) -> Corpus:
        try:
            header = _header(data)
            start, stop = header["sections"]["sums"]
            if type(start) is not int or type(stop) is not int or not 0 <= start <= stop <= len(data):
                raise ValueError("the checksums are damaged")
            sums = data.read(start, stop)
            if zlib.crc32(sums.data) != header["sums"]:
                raise ValueError("the checksums are damaged")
            return cls(ChecksummedReader(data, start, sums.view("<u4")), header)
        except (ValueError, KeyError, TypeError, IndexError, AttributeError, OverflowError, MelodyError) as error:
            raise CorpusError(f"{name}: is no whole corpus ({error}); run prepare to make it again") from error

    def verify(self) -> None:
        """Look at all of it.

        Raises
        ------
        CorpusError
            If anything is damaged.
        """
        self._data.check_all()

    def rows(self, split: Split) -> Pieces:
        """The events of each piece of a split, END included, each (events, 5), in the order of `names`."""
        numbers = np.flatnonzero(self._at["piece_split"] == SPLITS.index(split))
        return Pieces(self._records, self._at["piece_starts"], numbers)

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
        """What the corpus was made of, plain JSON: folder, settings, counts, remarks, `melody.corpus.manifest`."""
        return self.manifest_head | {"pieces": columns_of(self.verdicts)}

    @property
    def manifest_head(self) -> dict[str, Any]:
        """The manifest without the pieces."""
        return {
            name: self._header[name] for name in ("format", "folder", "settings", "ticks_per_quarter", "counts", "remarks")
        }

    def summary(self) -> list[str]:
        """Two plain lines: what was kept and what was not and why; the sizes of the splits."""
        return summary(self.counts, self._header["causes"])

    def report(self) -> list[dict[str, Any]]:
        """One plain object a file: path, verdict, reason, notes, what was repaired, split."""
        return [v.to_dict() for v in self.verdicts]

    # For the next run

    @property
    def validation_key(self) -> str:
        """What the verdict on each file depended on (`PrepareSettings.validation_key`)."""
        return str(self._header["judging"])

    def same_settings(self, settings: dict[str, Any]) -> bool:
        """Whether it was made with these settings."""
        return bool(self._header["settings"] == settings)

    def find(self, source: str) -> tuple[FileRecord, int] | None:
        """See `chunk.Known`; copies and pieces that had to be fitted are not known, as others decide on them."""
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
            record = self.verdicts.file_record(file)
            if record.source == source and record.exact and record.verdict.cause not in ("copy", "not encodable"):
                piece = int(np.searchsorted(self._at["piece_file"], file))
                is_there = piece < len(self._at["piece_file"]) and int(self._at["piece_file"][piece]) == file
                if is_there != (record.verdict.status == "rejected"):
                    return record, piece if is_there else -1
        return None

    def pieces(self, numbers: Sequence[int]) -> Events:
        """The events of those pieces."""
        rows = [self._records.rows(*self._at["piece_starts"][n : n + 2].tolist()) for n in numbers]
        starts = np.cumsum([0, *(len(r) for r in rows)])
        return encoder.decode(self.vocabulary, np.concatenate(rows), starts)


# Records


def record_type(vocabulary: Vocabulary) -> list[tuple[str, str]]:
    """Name and type of each field that has more than one token."""
    sizes = zip(FIELDS, vocabulary.sizes)
    return [(name, np.min_scalar_type(size - 1).newbyteorder("<").str) for name, size in sizes if size > 1]


def to_records(rows: Rows, kinds: Sequence[tuple[str, str]]) -> NDArray[Any]:
    """Events as records."""
    records = np.empty(len(rows), np.dtype(list(kinds)))
    for name, _ in kinds:
        records[name] = rows[:, FIELDS.index(name)]
    return records


def of_records(records: NDArray[Any], number: int) -> Rows:
    """So many records as events, (events, 5)."""
    rows = np.zeros((number, len(FIELDS)), np.int64)
    for name in records.dtype.names or ():
        rows[:, FIELDS.index(name)] = records[name]
    return rows


def _header(data: Readable) -> dict[str, Any]:
    size, end = len(MARK), len(data)
    begins, ends = data.read(0, size).tobytes(), data.read(max(end - size, 0), end).tobytes()
    if begins != MARK and begins.startswith(KIND):
        raise ValueError(f"it is of another version, {begins[len(KIND) :].decode('latin-1').strip()!r}")
    if begins != MARK or ends != MARK:
        raise ValueError("it does not begin and end like one")
    if end < 2 * size + 16:
        raise ValueError("it is cut off")
    total, length = data.read(end - size - 16, end - size).view("<u8").tolist()
    text = data.read(max(end - size - 16 - length, 0), end - size - 16).tobytes()
    if zlib.crc32(text) != total:
        raise ValueError("its header is damaged")
    header = json.loads(text)
    if not isinstance(header, dict):
        raise ValueError("its header makes no sense")
    return header
