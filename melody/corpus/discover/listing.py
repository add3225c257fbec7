"""Where the music is: files of a folder, of its folders, and of archives and tunebooks in it, read in place.

Names are below the folder, with `/` on every system; a file in an archive is `archive.zip/file.mid`, a tune in a tunebook
`jigs.abc/03.abc`. They are taken in the order of their names, those in archives last; of several copies of a piece the first
in this order is kept. Archives within archives are not opened, which is reported. Files whose names begin with a dot are no
music: they belong to systems and programs, and what a killed one left half-written is among them.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from heapq import merge
from itertools import islice
from pathlib import Path
from stat import S_ISREG
from typing import overload

import numpy as np

from melody import midi
from melody.corpus.discover import archives, tunebooks
from melody.corpus.external_sort import DiskColumn, disk_errors
from melody.errors import CorpusError, MidiError
from melody.files import FileError
from melody.score.formats import READS
from melody.text import for_terminal

SCORES = tuple(READS)
CHUNK_FILES, CHUNK_BYTES = 256, 16_000_000  # files that are validated together
PACKED_FILES = 4096  # of a compressed tar archive, which has to be read from its start each time
ENTRIES = 1 << 16  # of one folder, that are sorted in memory


@dataclass(frozen=True)
class Chunk:
    """Files that are read and validated together.

    Parameters
    ----------
    folder
        Below which the names are.
    archive
        The archive or tunebook they are in, as a name below the folder; empty if they are in none.
    names
        Of the files, below the folder or within the archive.
    """

    folder: str
    archive: str
    names: tuple[str, ...]

    def shown(self, name: str) -> str:
        """The name below the folder, in characters that every screen and file takes."""
        return for_terminal(f"{self.archive}/{name}" if self.archive else name)

    def read(self, max_bytes: int) -> Iterator[bytes | MidiError]:
        """The bytes of each file, or why there are none."""
        if not self.archive:
            below = os.path.join(self.folder, "")
            return (_read(below + name, max_bytes) for name in self.names)
        path = os.path.join(self.folder, self.archive)
        if not archives.is_archive(path):
            return tunebooks.read(path, self.names, max_bytes)
        return archives.read(path, self.names, max_bytes)


class Chunks(Sequence[Chunk]):
    """Chunks that wait in a file: each is made when it is asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = str(folder)
        self._text, self._ends = DiskColumn("u1"), DiskColumn("<u8")
        self.files = 0

    def __len__(self) -> int:
        return len(self._ends)

    @overload
    def __getitem__(self, index: int) -> Chunk: ...
    @overload
    def __getitem__(self, index: slice) -> list[Chunk]: ...
    def __getitem__(self, index: int | slice) -> Chunk | list[Chunk]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        index = range(len(self))[index]
        ends = self._ends.rows(max(index - 1, 0), index + 1).tolist()
        archive, *names = json.loads(self._text.rows(ends[0] if index else 0, ends[-1]).tobytes())
        return Chunk(self._folder, archive, tuple(names))

    def add(self, archive: str, files: Iterable[tuple[str, int]], most: int) -> None:
        """Files with their sizes, those that fit together in one chunk, up to `most`."""
        names: list[str] = []
        total = 0
        for name, size in files:
            if names and (len(names) == most or total + size > CHUNK_BYTES):
                self._put(archive, names)
                names, total = [], 0
            names.append(name)
            total += size
        if names:
            self._put(archive, names)

    def _put(self, archive: str, names: list[str]) -> None:
        self._text.extend(np.frombuffer(json.dumps([archive, *names]).encode(), np.uint8))
        self._ends.extend(np.array([len(self._text)]))
        self.files += len(names)


@dataclass
class Listing:
    """What a folder holds.

    Parameters
    ----------
    chunks
        The music, in the order of names.
    refused
        What could not be listed, as (name, reason).
    others
        Number of files that are no music.
    nested
        Names of archives within archives.
    """

    chunks: Chunks
    refused: list[tuple[str, str]] = field(default_factory=list)
    others: int = 0
    nested: list[str] = field(default_factory=list)

    @property
    def files(self) -> int:
        """How many files will be validated."""
        return self.chunks.files

    def refuse(self, found: Iterable[tuple[str, str]]) -> None:
        """What could not be listed, as (name, reason)."""
        self.refused += [(for_terminal(name), for_terminal(reason)) for name, reason in found]


def is_music(name: str) -> bool:
    """Whether the name ends like music that can be read."""
    return name.lower().endswith((*midi.SUFFIXES, *SCORES)) and not name.rpartition("/")[2].startswith(".")


def is_score(name: str) -> bool:
    """Whether the name ends like notation."""
    return name.lower().endswith(SCORES)


def listed(folder: Path, but: Path | None = None) -> Listing:
    """Everything in the folder that can be read, but for a store (and its half-done work) that may lie in it.

    An archive is a folder as well.

    Raises
    ------
    CorpusError
        If the folder is missing or has no music.
    """
    if _is_archive(folder):
        return _listed_archive(folder)
    if not os.path.isdir(folder):
        raise _no_folder(folder)
    listing = Listing(Chunks(folder))
    packed: list[str] = []
    listing.chunks.add("", _music(_but(_walk(folder, listing), folder, but), folder, packed, listing), CHUNK_FILES)
    for name in packed:
        _list_archive(folder, name, listing)
    if not listing.chunks and not listing.refused:
        raise _no_music(folder, listing)
    return listing


def _no_folder(path: Path) -> CorpusError:
    if not os.path.exists(path):
        return CorpusError(f"{path}: the folder is not there; name a folder with MIDI files")
    if is_music(path.name):
        return CorpusError(f"{path} is a file, not a folder; name its folder, or write: melody prepare --explain {path}")
    return CorpusError(f"{path} is a file, neither a folder nor an archive ({', '.join(archives.ARCHIVES)})")


def _no_music(folder: Path, listing: Listing) -> CorpusError:
    if listing.nested:
        return CorpusError(f"{folder}: no music in it but in {listing.nested[0]}, an archive within an archive; unpack it")
    return CorpusError(f"{folder}: no music in it ({', '.join((*midi.SUFFIXES, *SCORES))}); name a folder with MIDI files")


def _music(found: Iterable[tuple[str, int]], folder: Path, packed: list[str], listing: Listing) -> Iterator[tuple[str, int]]:
    """The music among what was found; `packed` gets the archives and tunebooks, and other files are counted."""
    for name, size in found:
        if name.lower().endswith(tunebooks.SUFFIX) and tunebooks.is_tunebook(str(folder / name)):
            packed.append(name)
        elif is_music(name):
            yield name, size
        elif archives.is_archive(name):
            packed.append(name)
        else:
            listing.others += 1


def _but(found: Iterable[tuple[str, int]], folder: Path, but: Path | None) -> Iterable[tuple[str, int]]:
    """Without a store and its half-done work."""
    if but is None:
        return found
    real, within = Path(os.path.realpath(but)), os.path.realpath(folder)
    if not real.is_relative_to(within):
        return found
    ours = real.relative_to(within).as_posix()
    return (file for file in found if file[0] != ours and not file[0].startswith(f"{ours}.work/"))


def _walk(folder: Path, listing: Listing) -> Iterator[tuple[str, int]]:
    """Name and size of every file, in the order of their names: `a.mid` before `a/b.mid` before `ab.mid`."""
    seen: set[int] = set()
    going_on = [_entries(folder, "", seen, listing)]
    while going_on:
        name, size = next(going_on[-1], ("", 0))
        if not name:
            going_on.pop()
        elif name.endswith("/"):
            going_on.append(_entries(folder, name, seen, listing))
        else:
            yield name, size


def _entries(folder: Path, below: str, seen: set[int], listing: Listing) -> Iterator[tuple[str, int]]:
    """Name and size of everything in one folder, in order; names of folders end with `/`."""
    where = os.path.join(folder, below)
    try:
        status = os.stat(where)
        here = hash((status.st_dev, status.st_ino))
        if here in seen:  # a link to where we have been
            return iter(())
        seen.add(here)
        with os.scandir(where) as entries:
            return _in_order(_name_and_size(entry, below) for entry in entries)
    except FileError:  # of a temporary file, not of this folder
        raise
    except OSError as error:
        reason = f"cannot be opened ({error.strerror}); check its permissions"
        listing.refuse([(below.rstrip("/") or ".", reason)])
        return iter(())


def _name_and_size(entry: os.DirEntry[str], below: str) -> tuple[str, int]:
    try:
        return (f"{below}{entry.name}/", 0) if entry.is_dir() else (below + entry.name, entry.stat().st_size)
    except OSError:
        return below + entry.name, 0  # reading it gives the reason


def _in_order(found: Iterator[tuple[str, int]]) -> Iterator[tuple[str, int]]:
    """Sorted; of very many, some at a time wait in files."""
    runs: list[Iterator[tuple[str, int]]] = []
    while some := sorted(islice(found, ENTRIES)):
        runs.append(iter(some) if len(some) < ENTRIES else _on_disk(some))
    return merge(*runs)


def _on_disk(entries: Sequence[tuple[str, int]]) -> Iterator[tuple[str, int]]:
    with disk_errors():
        file = tempfile.TemporaryFile("w+", encoding="ascii")  # noqa: SIM115  # open until the last entry is taken
        file.writelines(json.dumps(entry) + "\n" for entry in entries)
        file.seek(0)

    def read() -> Iterator[tuple[str, int]]:
        with file:
            yield from ((name, size) for name, size in map(json.loads, file))

    return read()


# Archives


def alone(path: Path) -> Chunk:
    """One file, by itself or in an archive (`songs.zip/a.mid`).

    Raises
    ------
    CorpusError
        If the path is a folder or an archive, or names what its archive does not hold.
    """
    if os.path.isdir(path) or _is_archive(path):
        what = "a folder" if os.path.isdir(path) else "an archive" if archives.is_archive(path.name) else "several tunes"
        raise CorpusError(f"{path} is {what}, not one file; write: melody prepare {path}")
    archive = next((outer for outer in path.parents if _is_archive(outer)), None)
    if archive is None:
        return Chunk(str(path.parent), "", (path.name,))
    name = path.relative_to(archive).as_posix()
    held = [member for chunk in _listed_archive(archive).chunks for member in chunk.names]
    if name not in held:
        some = ", ".join([*held[:3], "..."] if len(held) > 3 else held)
        raise CorpusError(f"{archive} has no music of the name {name}; it has {some}")
    return Chunk(str(archive.parent), archive.name, (name,))


def _is_archive(path: Path) -> bool:
    return os.path.isfile(path) and (archives.is_archive(path.name) or tunebooks.is_tunebook(str(path)))


def _listed_archive(path: Path) -> Listing:
    """What an archive holds.

    Raises
    ------
    CorpusError
        If it cannot be read or has no music.
    """
    listing = Listing(Chunks(path.parent))
    _list_archive(path.parent, path.name, listing)
    if listing.refused and not listing.chunks:
        raise CorpusError(f"{path} {listing.refused[0][1]}")
    if not listing.chunks:
        raise _no_music(path, listing)
    return listing


def _list_archive(folder: Path, name: str, listing: Listing) -> None:
    if not archives.is_archive(name):
        listing.chunks.add(name, [(tune, 0) for tune in tunebooks.names(str(folder / name))], CHUNK_FILES)
        return
    held = archives.contents(str(folder / name), is_music)
    listing.nested += [for_terminal(f"{name}/{inner}") for inner in held.nested]
    listing.refuse(archives.names_of(held.refused, name))
    listing.others += held.others
    most = CHUNK_FILES if name.lower().endswith((".zip", ".tar")) else PACKED_FILES
    listing.chunks.add(name, sorted(held.members.items()), most)


_OPEN = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)  # a pipe would wait for its other end


def _read(path: str, max_bytes: int) -> bytes | MidiError:
    try:
        handle = os.open(path, _OPEN)
        try:
            status = os.fstat(handle)
            if not S_ISREG(status.st_mode):  # a pipe or a device may never end
                return MidiError("is no file; take it out of the folder")
            return archives.bounded(os.read(handle, min(status.st_size, max_bytes) + 1), max_bytes)
        finally:
            os.close(handle)
    except FileNotFoundError:
        return MidiError("is not there: gone by now, or a link to nothing; take it out of the folder")
    except OSError as error:
        return MidiError(f"cannot be read ({error.strerror or error}); check its permissions")
