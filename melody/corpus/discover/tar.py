"""Tar archives, plain or packed with gzip, bzip2 or xz: members one after another, in bounded memory and time.

Headers are read here and not by `tarfile`, of which only the decoder of a single block is used: it believes what headers say
of the size of headers, goes backwards where a size is negative, ends without a word at a damaged header, and takes time that
grows with the square of the length of an extended header. The format is POSIX.1-2001 (pax) with GNU's long names.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Protocol

from melody.errors import MidiError

MAX_HEADER = 1 << 16  # bytes of an extended header
MAX_LOST = 1 << 26  # bytes behind a damaged header that are searched for the next one
MAX_DICTIONARY = 1 << 28  # bytes of memory for unpacking xz; its strongest preset needs a quarter of that
BLOCK = tarfile.BLOCKSIZE
_PIECE = 1 << 16  # bytes that are unpacked at a time


@dataclass(frozen=True)
class Member:
    """A member of a tar archive whose data come next; `reason` is why they cannot be read."""

    name: str
    size: int
    reason: str = ""


def members(stream: Stream) -> Iterator[Member]:
    """All files, of any kind; behind each the stream goes on where its data end."""
    name, extended, lost = "", dict[bytes, bytes](), False
    while block := stream.block():
        if not lost and not block.strip(b"\0"):  # the end, or a part of what was lost
            return
        info = _header(block)
        if info is None:
            name, extended, lost = "", {}, True
            stream.lose()
        elif info.type in _EXTENDED:
            data = stream.extension(info.size)
            extended = _records(data) if info.type in (tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE) else extended
            name = data.partition(b"\0")[0].decode(*_TEXT) if info.type == tarfile.GNUTYPE_LONGNAME else name
        else:
            yield from _member(stream, block, info, name, extended)
            name, extended, lost = "", {}, False


_EXTENDED = (
    tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK
)  # fmt: skip
_TEXT = ("utf-8", "surrogateescape")


def _header(block: bytes) -> tarfile.TarInfo | None:
    """A decoded header; None if its checksum is wrong or it makes no sense."""
    try:
        return tarfile.TarInfo.frombuf(block, *_TEXT)
    except (tarfile.TarError, ValueError, IndexError):
        return None


def _member(
    stream: Stream, block: bytes, info: tarfile.TarInfo, name: str, extended: dict[bytes, bytes]
) -> Iterator[Member]:
    """The member that a header tells of, if it is a file; then the stream is moved behind its data."""
    sparse = info.type == tarfile.GNUTYPE_SPARSE
    if sparse:
        stream.pass_holes(block)
    named = extended.get(b"GNU.sparse.name") or extended.get(b"path")
    size = _number(extended[b"size"]) if b"size" in extended else info.size
    has_data = info.isreg() or info.type not in tarfile.SUPPORTED_TYPES
    end = stream.at + size * has_data
    stream.check(end)
    if info.isreg():
        holes = sparse or any(key.startswith(b"GNU.sparse.") for key in extended)
        reason = "is stored with holes (sparse); pack it again without them" if holes else ""
        full = named.decode(*_TEXT) if named else name or info.name
        yield Member(full.removeprefix("./"), size, reason)  # as `tar c .` writes them
    stream.go_to(-(-end // BLOCK) * BLOCK)


def _records(data: bytes) -> dict[bytes, bytes]:
    """The records of a pax header, each "length key=value" and a new line, the length that of the whole record."""
    found: dict[bytes, bytes] = {}
    at = 0
    while at < len(data) and data[at]:
        space = data.find(b" ", at, at + 10)
        length = _number(data[at:space]) if space > at else 0
        if length <= space - at or not length:
            raise MidiError("an extended header that makes no sense")
        key, _, value = data[space + 1 : at + length - 1].partition(b"=")
        found[key] = value
        at += length
    return found


def _number(digits: bytes) -> int:
    if not digits.isdigit() or len(digits) > 18:
        raise MidiError("an extended header that makes no sense")
    return int(digits)


class _Reads(Protocol):
    def read(self, size: int, /) -> bytes: ...


class Unpacker(Protocol):
    """Those of `bz2` and `lzma`."""

    @property
    def eof(self) -> bool:
        """Whether the end of the compressed data was reached."""

    @property
    def needs_input(self) -> bool:
        """Whether nothing more can be unpacked before more data come."""

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        """Unpack `data` and what is left of earlier data, up to `max_length` bytes."""


def unpacked(unpacker: Unpacker, file: _Reads, size: int) -> bytes:
    """The next `size` bytes of a stream that is packed, or as many as there are."""
    data = bytearray()
    while len(data) < size and not unpacker.eof:
        packed = file.read(_PIECE) if unpacker.needs_input else b""
        if not packed and unpacker.needs_input:
            break
        data += unpacker.decompress(packed, size - len(data))
    return bytes(data)


class Stream:
    """The bytes of a tar archive, unpacked as they are asked for, from the first to the last.

    Parameters
    ----------
    path
        Of the archive; its first bytes show how it is packed.
    most
        Bytes that it may unpack to.

    Attributes
    ----------
    at
        How many have been read.
    lost
        Where the first damaged header is, and how many bytes were passed over in search of whole ones.
    """

    def __init__(self, path: str, most: int) -> None:
        self._most, self._size = most, os.path.getsize(path)
        self._file = open(path, "rb")  # noqa: SIM115  # closed on leaving
        head = self._file.read(6)
        self._file.seek(0)
        self._data: _Reads = self._file
        if head.startswith(b"\x1f\x8b"):
            self._data = gzip.GzipFile(fileobj=self._file)
        elif head.startswith(b"BZh"):
            self._data = bz2.BZ2File(self._file)
        elif head.startswith((b"\xfd7zXZ", b"]\0\0")):
            self._data = _Xz(self._file)
        self.at = 0
        self.lost: list[int] = []

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_error: object) -> None:
        self._file.close()

    def check(self, end: int) -> None:
        """Raise `MidiError` if the archive unpacks to far more than it is, or would up to that byte."""
        if end < self.at:
            raise MidiError(f"a member of {end - self.at} bytes")
        if self._data is self._file and end > self._size:
            raise MidiError("it is cut off")
        if end > self._most:
            raise MidiError(f"{self._size / 1e6:.1f} MB would unpack to more than {end / 1e6:,.0f} MB")

    def take(self, size: int) -> bytes:
        """So many bytes."""
        data = self._read(size)
        if len(data) < size:
            raise MidiError("it is cut off")
        return data

    def _read(self, size: int) -> bytes:
        data = self._data.read(size)
        self.at += len(data)
        return data

    def block(self) -> bytes:
        """The next block; empty at the end."""
        self.check(self.at)
        data = self._read(BLOCK)
        if 0 < len(data) < BLOCK:
            raise MidiError("it is cut off" if self.at > BLOCK else "it is no tar archive")
        return data

    def extension(self, size: int) -> bytes:
        """An extended header, whole blocks."""
        if not 0 <= size <= MAX_HEADER:
            raise MidiError(f"a header of {size:,} bytes; {MAX_HEADER:,} are the most")
        return self.take(-(-size // BLOCK) * BLOCK)[:size]

    def pass_holes(self, block: bytes) -> None:
        """The blocks with the places of the holes of a sparse file."""
        more = block[482]
        while more:
            self.check(self.at)
            more = self.take(BLOCK)[504]

    def go_to(self, end: int) -> None:
        """Up to that byte, which is not before those that were read, or to the end where less is left."""
        if self._data is self._file:
            self._file.seek(end)
            self.at = end
        while self.at < end and self._read(min(end - self.at, _PIECE)):
            pass

    def lose(self) -> None:
        """The block that was read last is no header, as it had to be."""
        if self.at == BLOCK:
            raise MidiError("it is no tar archive")
        self.lost = self.lost or [self.at - BLOCK, 0]
        self.lost[1] += BLOCK
        if self.lost[1] > MAX_LOST:
            raise MidiError(f"no whole header within {MAX_LOST:,} bytes")


class _Xz:
    """An xz stream, or several one after another, unpacked in bounded memory; `lzma.LZMAFile` knows no bound."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._stream = lzma.LZMADecompressor(memlimit=MAX_DICTIONARY)

    def read(self, size: int, /) -> bytes:
        """So many bytes, or as many as there are."""
        data = b""
        while len(data) < size and (not self._stream.eof or self._next()):
            data += unpacked(self._stream, self._file, size - len(data))
            if len(data) < size and not self._stream.eof:
                raise EOFError("it is cut off")
        return data

    def _next(self) -> bool:
        """Begin the next stream, if there is one; streams may be padded with zeros."""
        rest = self._stream.unused_data.lstrip(b"\0")
        while not rest and (more := self._file.read(_PIECE)):
            rest = more.lstrip(b"\0")
        if not rest:
            return False
        self._file.seek(-len(rest), os.SEEK_CUR)
        self._stream = lzma.LZMADecompressor(memlimit=MAX_DICTIONARY)
        return True
