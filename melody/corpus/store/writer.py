"""Writing a store (see `store`) from its beginning to its end."""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from melody.corpus.external_sort import DiskColumn
from melody.corpus.store.checksums import ChecksummedWriter
from melody.corpus.store.reader import FORMAT, MARK, SECTIONS, record_type, to_records
from melody.corpus.validate.shard import CAUSES, REJECTED, STATUSES, FileRecord, Shard, line_of
from melody.corpus.verdict import SPLITS
from melody.piece import Ints
from melody.tokens.vocabulary import Rows, Vocabulary

_REPAIRED = STATUSES.index("repaired")


@dataclass
class Entries:
    """The files of a shard as they are going to be written.

    Parameters
    ----------
    lines
        The record of each as a line of JSON.
    status, cause, notes, sources
        As in `Shard`, (files,) each.
    split
        A number into `SPLITS`, (files,); means nothing for a rejected file.
    """

    lines: list[bytes]
    status: NDArray[np.uint8]
    cause: NDArray[np.uint8]
    notes: Ints
    sources: NDArray[np.uint64]
    split: NDArray[np.uint8]

    @classmethod
    def of_shard(cls, shard: Shard) -> Entries:
        """As they were validated."""
        columns = shard.status.copy(), shard.cause.copy(), shard.notes.copy(), shard.sources
        return cls(shard.lines, *columns, np.zeros(len(shard), np.uint8))

    @classmethod
    def of(cls, records: Sequence[FileRecord]) -> Entries:
        """Of files whose bytes are not known."""
        size = len(records)
        columns = [np.zeros(size, kind) for kind in ("u1", "u1", "i8", "u8", "u1")]
        entries = cls([b""] * size, *columns)
        for number, record in enumerate(records):
            entries.put(number, record)
        return entries

    def record(self, number: int) -> FileRecord:
        """Of a file."""
        return FileRecord.from_dict(json.loads(self.lines[number]))

    def put(self, number: int, record: FileRecord) -> None:
        """Another record of a file."""
        verdict = record.verdict
        self.lines[number] = line_of(record.to_dict())
        self.status[number], self.cause[number] = STATUSES.index(verdict.status), CAUSES.index(verdict.cause)
        self.notes[number] = verdict.notes

    def assign(self, numbers: Ints, splits: NDArray[np.uint8], groups: Sequence[str]) -> None:
        """The split and the name of the group of some files."""
        self.split[numbers] = splits
        for number, split, group in zip(numbers.tolist(), splits.tolist(), groups):
            added = f',"split":"{SPLITS[split]}","group":"{group}"}}'
            self.lines[number] = self.lines[number][:-1] + added.encode()


class Writer:
    """Writes a store from its beginning to its end.

    Parameters
    ----------
    file
        Where to, empty.
    vocabulary
        Of the pieces.
    """

    def __init__(self, file: BinaryIO, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self._file, self._kinds = ChecksummedWriter(file), record_type(vocabulary)
        self._lines = DiskColumn("u1")
        self._columns = {name: DiskColumn(kind) for name, kind in SECTIONS.items()}
        for name in ("line_starts", "piece_starts"):
            self._columns[name].extend(np.zeros(1))
        self._rows = 0
        self._causes: dict[str, int] = {}
        self._counts = dict.fromkeys(("files", "kept", "repaired", "notes", "groups", *SPLITS), 0)
        self._file.write(MARK)

    def add_pieces(self, rows: Rows, sizes: Ints) -> None:
        """The events of the next pieces; `add_files` must be called for their files, too."""
        self._file.write(to_records(rows, self._kinds).tobytes())
        self._columns["piece_starts"].extend(self._rows + np.cumsum(sizes))
        self._rows += len(rows)

    def add_files(self, entries: Entries) -> None:
        """The next files."""
        kept = np.flatnonzero(entries.status != REJECTED)
        columns, counts = self._columns, self._counts
        columns["piece_file"].extend(counts["files"] + kept)
        columns["piece_split"].extend(entries.split[kept])
        columns["sources"].extend(entries.sources)
        columns["line_starts"].extend(len(self._lines) + np.cumsum([len(line) for line in entries.lines]))
        self._lines.extend(np.frombuffer(b"".join(entries.lines), np.uint8))
        counts["files"] += len(entries.lines)
        counts["kept"] += len(kept)
        counts["repaired"] += int(np.count_nonzero(entries.status == _REPAIRED))
        counts["notes"] += int(entries.notes[kept].sum())
        for split, number in enumerate(np.bincount(entries.split[kept], minlength=len(SPLITS)).tolist()):
            counts[SPLITS[split]] += number
        for cause, number in enumerate(np.bincount(entries.cause).tolist()):
            if cause and number:
                self._causes[CAUSES[cause]] = self._causes.get(CAUSES[cause], 0) + number

    def line(self, file: int) -> bytes:
        """The record of a file that was added, as a line of JSON."""
        start, stop = self._columns["line_starts"].rows(file, file + 2).tolist()
        return self._lines.rows(start, stop).tobytes()

    def finish(self, header: dict[str, Any], groups: int) -> None:
        """The index and the header; `groups` is how many groups the pieces are of."""
        sections = {"records": (len(MARK), self._file.tell())}
        for name, column in {"lines": self._lines, **self._columns}.items():
            self._file.write(bytes(-self._file.tell() % 8))
            start = self._file.tell()
            column.copy_to(self._file)
            sections[name] = (start, self._file.tell())
        sums = self._file.sums.tobytes()
        sections["sums"] = (self._file.tell(), self._file.tell() + len(sums))
        self._file.write(sums)
        self._counts["groups"] = groups
        header = {"format": FORMAT, **header, "counts": self._counts, "causes": self._causes, "sections": sections}
        header |= {"record": self._kinds, "vocabulary": self.vocabulary.to_dict(), "sums": zlib.crc32(sums)}
        text = json.dumps(header, sort_keys=True, separators=(",", ":")).encode()
        ends = zlib.crc32(text).to_bytes(8, "little") + len(text).to_bytes(8, "little")
        self._file.write(text + ends + MARK)
