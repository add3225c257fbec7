"""Check sums of a file, one (CRC-32) for each `BLOCK` bytes: written with it, and looked at where it is read, once each.

So a store of any size is opened at once, and damage is found before what is damaged is used.
"""

from __future__ import annotations

import zlib
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from melody.errors import CorpusError

BLOCK = 1 << 16
Bytes = NDArray[np.uint8]


class Summed:
    """A file that is written from its beginning, and the check sums of its blocks so far."""

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


class Checked:
    """The bytes of such a file, each block of which is checked when it is first asked for.

    Parameters
    ----------
    data
        The file, up to the end of what was summed.
    sums
        As `Summed.sums`.
    """

    def __init__(self, data: Bytes, sums: NDArray[np.uint32]) -> None:
        if len(sums) != -(-len(data) // BLOCK):
            raise CorpusError("its check sums are not those of so many bytes")
        self._data, self._sums = data, sums
        self._good = np.zeros(len(sums), bool)

    def __len__(self) -> int:
        return len(self._data)

    def bytes(self, start: int, stop: int) -> Bytes:
        """Some of the bytes.

        Raises
        ------
        CorpusError
            If a block of them is damaged.
        """
        if not 0 <= start <= stop <= len(self._data):
            raise CorpusError("the store is damaged (it points to where nothing is); run prepare to make it again")
        first, last = start // BLOCK, -(-stop // BLOCK)
        if not self._good[first:last].all():
            for number in (first + np.flatnonzero(~self._good[first:last])).tolist():
                at = number * BLOCK
                if zlib.crc32(self._data[at : at + BLOCK].data) != self._sums[number]:
                    raise CorpusError(
                        f"the store is damaged (a check sum is wrong at byte {at:,}); run prepare to make it again"
                    )
                self._good[number] = True
        return self._data[start:stop]
