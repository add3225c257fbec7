"""Checksums of a file, one (CRC-32) for each `BLOCK` bytes: written with it, and compared where it is read, once each.

So a store of any size is opened at once, and damage is found before what is damaged is used.
"""

from __future__ import annotations

import os
import zlib
from pathlib import Path
from threading import Lock
from typing import Any, BinaryIO, Protocol

import numpy as np
from numpy.typing import NDArray

from melody.errors import CorpusError

BLOCK = 1 << 16
TOGETHER = 64  # blocks that are read at once where all are compared
Bytes = NDArray[np.uint8]


class ChecksummedWriter:
    """A file that is written from its beginning, and the checksums of its blocks so far."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._at = file, 0
        self._sums: list[int] = []

    def write(self, data: Any) -> int:
        """More bytes at the end."""
        left = memoryview(data).cast("B")
        size = len(left)
        while left:
            first = self._at % BLOCK
            part, left = left[: BLOCK - first], left[BLOCK - first :]
            if first:
                self._sums[-1] = zlib.crc32(part, self._sums[-1])
            else:
                self._sums.append(zlib.crc32(part))
            self._file.write(part)
            self._at += len(part)
        return size

    def tell(self) -> int:
        """How many bytes have been written."""
        return self._at

    @property
    def sums(self) -> NDArray[np.uint32]:
        """Of each block, the last of which may be shorter, (blocks,)."""
        return np.array(self._sums, "<u4")


class Readable(Protocol):
    """Bytes that can be read from anywhere."""

    def __len__(self) -> int: ...
    def read(self, start: int, stop: int) -> Bytes:
        """Bytes from `start` up to `stop`, fewer if the end comes before."""


class HeldBytes:
    """Bytes in memory."""

    def __init__(self, data: Bytes) -> None:
        self._data = np.asarray(data)

    def __len__(self) -> int:
        return len(self._data)

    def read(self, start: int, stop: int) -> Bytes:
        """See `Readable`."""
        return self._data[start:stop]


class FileBytes:
    """The bytes of a file, each read when it is asked for.

    The file is not mapped into memory: the pages of a mapped file count as memory of the process that looks at them, and a
    training looks at all of them.

    Raises
    ------
    OSError
        If it cannot be opened.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = path
        self._handle = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        self._size = os.fstat(self._handle).st_size
        self._lock = Lock()

    def __del__(self) -> None:
        if hasattr(self, "_handle"):
            os.close(self._handle)

    def __reduce__(self) -> tuple[type[FileBytes], tuple[str | Path]]:
        return FileBytes, (self._path,)

    def __len__(self) -> int:
        return self._size

    def read(self, start: int, stop: int) -> Bytes:
        """See `Readable`."""
        data = self._read(start, min(stop, self._size) - start)
        return np.frombuffer(data, np.uint8)

    def _read(self, start: int, size: int) -> bytes:
        if hasattr(os, "pread"):
            data = os.pread(self._handle, size, start)
            while 0 < len(data) < size and (more := os.pread(self._handle, size - len(data), start + len(data))):
                data += more
            return data
        with self._lock:  # Windows
            os.lseek(self._handle, start, os.SEEK_SET)
            return os.read(self._handle, size)


class ChecksummedReader:
    """The bytes of such a file, each block of which is compared with its checksum when it is first asked for.

    Parameters
    ----------
    data
        The file.
    size
        How many of its bytes, from the first, have checksums.
    sums
        As `ChecksummedWriter.sums`.
    """

    def __init__(self, data: Readable, size: int, sums: NDArray[np.uint32]) -> None:
        if size > len(data) or len(sums) != -(-size // BLOCK):
            raise CorpusError("its checksums are not those of so many bytes")
        self._data, self._size, self._sums = data, size, sums
        self._good = np.zeros(len(sums), bool)

    def bytes(self, start: int, stop: int) -> Bytes:
        """Some of the bytes.

        Raises
        ------
        CorpusError
            If a block of them is damaged.
        """
        if not 0 <= start <= stop <= self._size:
            raise CorpusError("the store is damaged (it points to where nothing is); run prepare to make it again")
        first, last = start // BLOCK, -(-stop // BLOCK)
        if not self._good[first:last].all():
            return self._checked(first, last)[start - first * BLOCK : stop - first * BLOCK]
        data = self._data.read(start, stop)
        if len(data) < stop - start:
            raise CorpusError("the store was cut short while it was read; run prepare to make it again")
        return data

    def _checked(self, first: int, last: int) -> Bytes:
        """Some blocks, each compared with its checksum."""
        data = self._data.read(first * BLOCK, min(last * BLOCK, self._size))
        for number in range(first, last):
            at = (number - first) * BLOCK
            if zlib.crc32(data[at : at + BLOCK].data) != self._sums[number]:
                raise CorpusError(
                    f"the store is damaged (a checksum is wrong at byte {number * BLOCK:,}); run prepare to make it again"
                )
        self._good[first:last] = True
        return data

    def check_all(self) -> None:
        """Compare all blocks that have not been compared yet.

        Raises
        ------
        CorpusError
            If one is damaged.
        """
        for first in range(0, len(self._sums), TOGETHER):
            last = min(first + TOGETHER, len(self._sums))
            if not self._good[first:last].all():
                self._checked(first, last)
