"""Numbers of all files, kept out of memory: columns in temporary files, and sorting by ranges.

A column is written at its end and read some rows at a time, with plain reads: pages of a mapped file count as memory of the
process that looks at them. What is small stays in memory, where it costs less.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import IO, Any, Protocol

import numpy as np
from numpy.typing import DTypeLike, NDArray

from melody.files import FileError
from melody.piece import Ints

ROWS = 1 << 15  # that are in memory at once
PART = 1 << 20  # bytes of rows that are sorted at once
NEAR = 16  # rows read for each that is wanted, up to which they are read all at once
SMALL = 1 << 20  # bytes of a column or a table that stay in memory
Keys = NDArray[np.uint64]  # (rows, columns)


class Writable(Protocol):
    """What bytes can be written to."""

    def write(self, data: bytes, /) -> object:
        """Write `data`."""


class DiskColumn:
    """Rows of one type, added at the end; gone with the last name for it.

    Parameters
    ----------
    kind
        NumPy type of a row, such as "<u4" or ("<u4", (64,)).
    """

    def __init__(self, kind: DTypeLike) -> None:
        self.kind = np.dtype(kind)
        self._file: IO[bytes] = BytesIO()
        self._rows = 0

    def __len__(self) -> int:
        return self._rows

    def __del__(self) -> None:
        self._file.close()

    def extend(self, rows: NDArray[Any]) -> None:
        """More rows at the end."""
        self._file.seek(0, 2)
        self._write(np.asarray(rows, self.kind.base).tobytes())
        self._rows += len(rows)
        if isinstance(self._file, BytesIO) and self._rows * self.kind.itemsize > SMALL:
            held = self._file.getvalue()
            with disk_errors():
                self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115  # while the column lives
            self._write(held)

    def _write(self, data: bytes) -> None:
        left = memoryview(data)
        with disk_errors():
            while left:  # a file without a buffer may take a part
                left = left[self._file.write(left) :]

    def rows(self, start: int, stop: int) -> NDArray[Any]:
        """Rows from `start` up to `stop`, or as many of them as there are."""
        return np.frombuffer(self._read(start, max(min(stop, self._rows) - start, 0)), self.kind)

    def _read(self, start: int, rows: int) -> bytes:
        self._file.seek(start * self.kind.itemsize)
        return self._file.read(rows * self.kind.itemsize)

    def blocks(self, rows: int = ROWS) -> Iterator[tuple[int, NDArray[Any]]]:
        """All rows, some at a time, with the number of the first."""
        return ((start, self.rows(start, start + rows)) for start in range(0, self._rows, rows))

    def take(self, numbers: NDArray[Any]) -> NDArray[Any]:
        """Rows from anywhere, in that order."""
        if not len(numbers):
            return self.rows(0, 0)
        first, last = int(numbers.min()), int(numbers.max())
        if last - first < NEAR * len(numbers):
            wanted: NDArray[Any] = self.rows(first, last + 1)[numbers - first]
            return wanted
        found, place = np.unique(numbers, return_inverse=True)
        rows: NDArray[Any] = np.frombuffer(b"".join([self._read(number, 1) for number in found.tolist()]), self.kind)[place]
        return rows

    def copy_to(self, file: Writable) -> None:
        """Write all of it."""
        self._file.seek(0)
        shutil.copyfileobj(self._file, file)


def disk_table(rows: int, kind: DTypeLike, value: int = 0) -> NDArray[Any]:
    """Numbers that are written in any order, (rows,), all `value` at first; if many, in a temporary file that is mapped.

    The file is written before it is mapped: where there is no room for it that is an error, later it would be a crash.
    """
    if rows * np.dtype(kind).itemsize <= SMALL:
        return np.full(rows, value, kind)
    with disk_errors(), tempfile.TemporaryFile() as file:
        for start in range(0, rows, ROWS):
            file.write(np.full(min(ROWS, rows - start), value, kind).tobytes())
        file.flush()
        return np.memmap(file, kind, "r+", shape=(rows,))


@contextmanager
def disk_errors() -> Iterator[None]:
    """Where temporary files are written: raises `FileError` if the system has no room for them."""
    try:
        yield
    except OSError as error:
        where = tempfile.tempdir or os.environ.get("TMPDIR", "any place")
        raise FileError(
            f"cannot write temporary files to {where} ({error.strerror or error}); free some space there or set TMPDIR"
        ) from error


def numbered(rows: int, kind: DTypeLike = "<u4") -> NDArray[Any]:
    """A table of each row's own number, (rows,)."""
    numbers = disk_table(rows, kind)
    for start in range(0, rows, ROWS):
        numbers[start : start + ROWS] = np.arange(start, min(start + ROWS, rows))
    return numbers


def sorted_blocks(blocks: Iterable[Keys], total: int, columns: int) -> Iterator[Keys]:
    """Rows of so many columns sorted by them, the first before the others, some at a time.

    Rows that have the same first column come together. It must be spread evenly over 64 bits, as hashes are: what comes at a
    time is what lies in one of as many ranges of equal width as `total` rows make necessary.
    """
    parts = 1 + 8 * columns * total // PART
    edges = np.array([(i << 64) // parts for i in range(1, parts)], np.uint64)
    held, runs = DiskColumn(("<u8", (columns,))), list[Ints]()
    for block in blocks:
        block = _sorted(block) if parts > 1 else block
        runs.append(len(held) + np.concatenate([[0], np.searchsorted(block[:, 0], edges), [len(block)]]))
        held.extend(block)
    for part in range(parts if runs else 0):
        yield _sorted(np.concatenate([held.rows(int(run[part]), int(run[part + 1])) for run in runs]))


def _sorted(rows: Keys) -> Keys:
    return np.sort(rows, axis=0) if rows.shape[1] == 1 else rows[np.lexsort(rows.T[::-1])]
