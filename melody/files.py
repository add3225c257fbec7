"""Files written whole or not at all.

A file is written beside its target under a temporary name, flushed to disk, then renamed over the target: whoever reads
sees the old file or the new one, never half of it, whatever kills the writer. What a killed writer leaves is hidden, is
known by its name (`is_temporary`), and is removed by the next write into its folder.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from zlib import crc32

from melody.errors import MelodyError

_TEMPORARY = re.compile(r"\.melody-([0-9a-f]{8})-([0-9]+)-")  # the machine and the process that write it
_OLD = 86_400  # seconds after which a temporary file of another machine is nobody's
_ADVICE = {
    errno.ENOENT: "make it first, or name another place",
    errno.EACCES: "you may not write there: change its permissions, or name another place",
    errno.EPERM: "you may not write there: change its permissions, or name another place",
    errno.EROFS: "nothing can be written there: name another place",
    errno.ENOSPC: "free some space or name another place",
    getattr(errno, "EDQUOT", errno.ENOSPC): "delete something of yours there, or name another place",
    errno.EFBIG: "files may not be so large there: name another place",
    errno.ENAMETOOLONG: "give it a shorter name",
    errno.EISDIR: "name a file in it, or name another place",
    errno.ENOTDIR: "what stands before the last / must be a folder: name another place",
    errno.EEXIST: "name another place",
    errno.ELOOP: "a link leads back to itself: name another place",
    errno.EMFILE: "too many files are open: close some programs",
    errno.ENFILE: "too many files are open: close some programs",
    errno.EIO: "the disk may be damaged: name another place",
}


class FileError(MelodyError, OSError):
    """A file that cannot be written: a full disk, a read-only folder, a folder that is not there."""


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary path to write to; on leaving it becomes `path`, on any error it vanishes.

    Its folder must be there (see `make_folder`): a mistyped name should not become one. Where `path` is a link, what it
    leads to is replaced; a device is refused.

    Raises
    ------
    FileError
        If the system refuses; the message names the file, the reason and what to do.
    """
    path = _real(path)
    temporary = None
    try:
        temporary = _beside(path)  # named before it is there: an interruption in between leaves nothing
        os.close(os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0), 0o600))
        yield temporary
        with temporary.open("r+b") as written:
            os.fsync(written.fileno())
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except FileError:  # of another file: its message is complete
        raise
    except OSError as error:
        raise FileError(f"cannot write {path}: {error.strerror or error}; {advice(error)}") from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def _real(path: str | os.PathLike[str]) -> Path:
    """What a path leads to in the end."""
    try:
        return Path(os.path.realpath(os.fsdecode(os.fsencode(path))))
    except ValueError:  # a zero character, half a surrogate pair
        raise FileError(f"cannot write {os.fspath(path)!a}: no file can have such a name; give it another") from None


def _beside(path: Path) -> Path:
    """The name of a new temporary file in the folder of `path`."""
    if path.exists() and not path.is_file():
        is_folder = path.is_dir()
        raise OSError(errno.EISDIR if is_folder else errno.EINVAL, "it is a folder" if is_folder else "it is no plain file")
    if not path.parent.is_dir():
        raise OSError(errno.ENOENT, f"there is no folder {path.parent}")
    _clear(str(path.parent))
    suffix = path.suffix if len(os.fsencode(path.suffix)) <= 16 else ""
    return path.parent / f".melody-{_machine()}-{os.getpid()}-{secrets.token_urlsafe(6)}{suffix}"


def is_temporary(name: str) -> bool:
    """Whether a file of this name is one that is being written, or was when its writer was killed.

    >>> is_temporary(".melody-0c1d2e3f-4711-x7_k2.mid"), is_temporary("melody.mid")
    (True, False)
    """
    return _TEMPORARY.match(name) is not None


@lru_cache(256)  # once for each folder: one of a hundred thousand tunes is not looked through for each of them
def _clear(folder: str) -> None:
    """Remove the temporary files in a folder that nobody writes any more."""
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            with suppress(OSError):
                if is_temporary(entry.name) and entry.is_file(follow_symlinks=False) and _is_left(entry):
                    os.unlink(entry.path)


def _is_left(entry: os.DirEntry[str]) -> bool:
    """Whether the process that wrote a temporary file is gone; of another machine's, whether it is a day old."""
    found = _TEMPORARY.match(entry.name)
    if time.time() - entry.stat(follow_symlinks=False).st_mtime > _OLD:
        return True
    return found is not None and found[1] == _machine() and not _is_running(int(found[2]))


def _is_running(process: int) -> bool:
    if os.name == "nt":  # there os.kill ends it, whatever the signal
        return True
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # another user's
        return True
    return True


@lru_cache(1)
def _machine() -> str:
    """Eight hex digits that stand for this machine: processes of others, on a shared disk, cannot be asked for here."""
    name = os.environ.get("COMPUTERNAME", "") if os.name == "nt" else os.uname().nodename
    return f"{crc32(name.encode('utf-8', 'surrogateescape')):08x}"


def write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Write `data` to `path`, whole or not at all (see `replacing`)."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def free_name(path: Path) -> Path:
    """Itself, or name-2, name-3 ... where it is there.

    >>> free_name(Path("no such file.mid")).name
    'no such file.mid'
    """
    number, found = 1, path
    while os.path.lexists(found):
        number += 1
        found = path.with_name(f"{path.stem}-{number}{path.suffix}")
    return found


def make_folder(path: str | os.PathLike[str]) -> None:
    """Make a folder and those on the way to it, if they are not there.

    Raises
    ------
    FileError
        If the system refuses.
    """
    path = _real(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(f"cannot make the folder {path}: {error.strerror or error}; {advice(error)}") from error


def advice(error: OSError) -> str:
    """What to do about a system's refusal to write, by its cause."""
    return _ADVICE.get(error.errno or 0, "name another place")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
