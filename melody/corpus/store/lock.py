"""One writer at a time: a lock that the system takes back when its holder is gone, however it went."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from errno import ENOLCK, ENOSYS, ENOTSUP
from pathlib import Path
from typing import IO

from melody import files
from melody.errors import CorpusError


@contextmanager
def work_folder(store: Path) -> Iterator[Path]:
    """The folder for half-done work on a store, which nobody else has meanwhile; on success it is removed.

    It is kept on any error, for the next run to go on from; a lock that a killed run leaves in it is none.

    Raises
    ------
    CorpusError
        If another process has it.
    FileError
        If it cannot be made.
    """
    work = store.with_name(store.name + ".work")
    with _locked(work, store):
        yield work
        shutil.rmtree(work, ignore_errors=os.name == "nt")  # which does not remove what is open
    if os.name == "nt":
        shutil.rmtree(work, ignore_errors=True)


@contextmanager
def _locked(work: Path, store: Path) -> Iterator[None]:
    file = None
    try:
        while file is None:
            file = _taken(work, store)
        yield
    finally:
        if file:
            file.close()  # which unlocks it


def _taken(work: Path, store: Path) -> IO[bytes] | None:
    """The locked file; None if the folder was removed, by one who has done the work, before it was locked."""
    files.make_folder(work)
    try:
        file = (work / "lock").open("ab")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise files.FileError(f"cannot write {work}: {error.strerror or error}; name another place for the store") from error
    try:
        _lock(file)
    except (BlockingIOError, PermissionError) as error:
        file.close()
        raise CorpusError(f"{store} is being made by another process; wait for it, or name another store") from error
    try:
        is_same = os.path.samestat(os.fstat(file.fileno()), (work / "lock").stat())
    except FileNotFoundError:
        is_same = False
    if not is_same:
        file.close()
        return None
    return file


def _lock(file: IO[bytes]) -> None:
    """Raises `BlockingIOError` or `PermissionError` if another process has locked it."""
    if os.name == "nt":
        import msvcrt

        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
    else:
        import fcntl

        with _where_locks_are_known():
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextmanager
def _where_locks_are_known() -> Iterator[None]:
    """Some file systems know no locks; there nothing is locked."""
    try:
        yield
    except OSError as error:
        if error.errno not in (ENOLCK, ENOTSUP, ENOSYS):
            raise
