"""Zip and tar archives of strangers: what they hold, and its bytes, in bounded memory and time.

One that would unpack to far more than it is, or has too many members, is read no further; nothing is ever unpacked to
where its names point. Of a name that stands in an archive more than once the last is taken, as unpacking would leave it, and
the others are listed as refused. Where an archive is damaged, what stands before the damage is read, and behind a damaged
header of a tar archive what can be found again; the damage itself is listed.
"""

from __future__ import annotations

import bz2
import lzma
import os
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, field
from functools import lru_cache
from stat import S_ISREG
from typing import IO

from melody.corpus.discover.tar import MAX_DICTIONARY, Stream, Unpacker, members, unpacked
from melody.errors import MelodyError, MidiError

ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
MAX_MEMBERS = 1_000_000
MAX_UNPACKED, MAX_RATIO = 1_000_000_000, 100  # an archive is refused if it is over both


@dataclass
class Contents:
    """What an archive holds.

    Parameters
    ----------
    wanted
        Whether a file of that name is asked for.
    members
        Name and size of every file that is.
    refused
        Those that cannot be read, as (name, reason); the name is empty where it is the archive.
    others
        How many files are not asked for.
    nested
        Names of archives within the archive.
    """

    wanted: Callable[[str], bool]
    members: dict[str, int] = field(default_factory=dict)
    refused: list[tuple[str, str]] = field(default_factory=list)
    others: int = 0
    nested: list[str] = field(default_factory=list)
    _met: dict[str, int] = field(default_factory=dict)

    def add(self, name: str, size: int, reason: str = "") -> None:
        """One more file, or why it cannot be read."""
        if is_archive(name):
            self.nested.append(name)
        elif not self.wanted(name):
            self.others += 1
        elif reason:
            self.refused.append((name, reason))
        else:
            if name in self.members:
                self._met[name] = self._met.get(name, 1) + 1
            self.members[name] = size

    def refuse_doubled(self) -> None:
        """List as refused what another member of its name replaces."""
        for name, times in self._met.items():
            reason = f"stands in the archive {times} times; the last was taken, as unpacking it would leave that one"
            self.refused += [(f"{name} ({i} of {times})", reason) for i in range(1, times)]


def is_archive(name: str) -> bool:
    """Whether the name ends like an archive that can be read."""
    return name.lower().endswith(ARCHIVES)


def is_zip(path: str) -> bool:
    """Whether the name ends like that of a zip archive, whose members can be read in any order."""
    return path.lower().endswith(".zip")


def contents(path: str, wanted: Callable[[str], bool]) -> Contents:
    """What an archive holds of files whose names are `wanted`; of a damaged one what could be found, and why not more."""
    found = Contents(wanted)
    try:
        with unpacking():
            (_list_zip if is_zip(path) else _list_tar)(path, found)
    except MidiError as error:
        found.refused.append(("", _in_words(str(error), len(found.members))))
    found.refuse_doubled()
    return found


def _in_words(reason: str, members: int) -> str:
    if members:
        return f"is damaged behind {members:,} of its files ({reason}); what follows is lost; pack it again"
    return f"is an archive that cannot be read ({reason}); pack it again"


def read(path: str, names: Sequence[str], max_bytes: int) -> Iterator[bytes | MidiError]:
    """The bytes of some members, or why there are none."""
    return _zipped(path, names, max_bytes) if is_zip(path) else _tarred(path, names, max_bytes)


def bounded(data: bytes, max_bytes: int) -> bytes | MidiError:
    """The bytes, or that they are too many."""
    if len(data) > max_bytes:
        return MidiError(f"has more than {max_bytes / 1e6:g} MB; the limit is that; set another or leave it out")
    return data


@contextmanager
def unpacking() -> Iterator[None]:
    """Whatever goes wrong with damaged bytes is a `MidiError`, of a few words."""
    try:
        yield
    except MelodyError:
        raise
    except Exception as error:  # the libraries raise a dozen kinds, some of them only for bytes made to harm
        reason = str(getattr(error, "strerror", None) or error).partition("\n")[0].rstrip(":")
        raise MidiError(reason or type(error).__name__) from error


def _most(path: str) -> int:
    """To how many bytes an archive may unpack."""
    return max(MAX_UNPACKED, MAX_RATIO * os.path.getsize(path))


def _check_members(found: Contents) -> None:
    if len(found.members) > MAX_MEMBERS:
        raise MidiError(f"it has more than {MAX_MEMBERS:,} members")


def _check_plain(path: str) -> None:
    if not S_ISREG(os.stat(path).st_mode):  # a pipe or a device may never begin, or never end
        raise MidiError("it is no plain file")


# Zip


def _list_zip(path: str, found: Contents) -> None:
    infos = [info for info in _zip_of(path).infolist() if not info.is_dir()]
    total = sum(info.file_size for info in infos)
    if total > _most(path):
        raise MidiError(f"{os.path.getsize(path) / 1e6:.1f} MB would unpack to more than {total / 1e6:,.0f} MB")
    for info in infos:
        found.add(info.filename, info.file_size)
    _check_members(found)


def _zip_of(path: str) -> zipfile.ZipFile:
    status = os.stat(path)
    return _zip(path, status.st_mtime_ns, status.st_size, status.st_ino)


@lru_cache(maxsize=1)
def _zip(path: str, *_state: int) -> zipfile.ZipFile:
    """Kept open, as long as the file is the same: reading the table of contents of a large archive takes long."""
    _check_plain(path)
    return zipfile.ZipFile(path)


def _zipped(path: str, names: Sequence[str], max_bytes: int) -> Iterator[bytes | MidiError]:
    for name in names:
        try:
            with unpacking():
                yield bounded(_unzipped(_zip_of(path), name, max_bytes + 1), max_bytes)
        except MidiError as error:
            yield MidiError(f"cannot be unpacked ({error}); pack it again, without a password")


def _unzipped(archive: zipfile.ZipFile, name: str, size: int) -> bytes:
    """The first `size` bytes of a member."""
    info = archive.getinfo(name)
    if info.compress_type not in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        with archive.open(info) as file:
            return file.read(size)
    # `zipfile` unpacks all that it has read of these, and 4 kB can be gigabytes: here their bytes are read as they are.
    as_is = copy(info)
    as_is.compress_type, as_is.file_size = zipfile.ZIP_STORED, info.compress_size
    del as_is.CRC
    with archive.open(as_is) as file:
        data = unpacked(_unpacker(file, info), file, size)
    if len(data) < size and (len(data) != info.file_size or zlib.crc32(data) != info.CRC):
        raise MidiError("its checksum is wrong")
    return data


def _unpacker(file: IO[bytes], info: zipfile.ZipInfo) -> Unpacker:
    """For bzip2, or for LZMA, behind the header that it has in a zip archive: version, length of what follows, settings."""
    if info.compress_type == zipfile.ZIP_BZIP2:
        return bz2.BZ2Decompressor()
    settings = file.read(9)[4:]
    size = b"\xff" * 8 if info.flag_bits & 2 else info.file_size.to_bytes(8, "little")
    unpacker = lzma.LZMADecompressor(lzma.FORMAT_ALONE, memlimit=MAX_DICTIONARY)
    unpacker.decompress(settings + size, 0)  # the header of a file of its own
    return unpacker


# Tar


def _list_tar(path: str, found: Contents) -> None:
    _check_plain(path)
    with Stream(path, _most(path)) as stream:
        try:
            for member in members(stream):
                found.add(member.name, member.size, member.reason)
                _check_members(found)
        finally:
            if stream.lost:
                reason = f"has a damaged header at byte {stream.lost[0]:,}; files behind it may be missing; pack it again"
                found.refused.append(("", reason))


def _tarred(path: str, names: Sequence[str], max_bytes: int) -> Iterator[bytes | MidiError]:
    found: dict[str, bytes | MidiError] = {}
    wanted = set(names)
    missing = MidiError("is no longer in the archive; begin again")
    try:
        with unpacking(), Stream(path, _most(path)) as stream:
            for member in members(stream):
                if member.name in wanted and not member.reason:
                    found[member.name] = bounded(stream.take(min(member.size, max_bytes + 1)), max_bytes)
    except MidiError as error:
        missing = MidiError(f"cannot be unpacked ({error}); pack it again")
    for name in names:
        yield found.pop(name, missing)


def names_of(refused: Iterable[tuple[str, str]], archive: str) -> Iterator[tuple[str, str]]:
    """What is refused, with names below the folder that the archive is in."""
    return ((f"{archive}/{name}" if name else archive, reason) for name, reason in refused)
