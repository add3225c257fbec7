"""Files written whole or not at all.

A file is written beside its target under a temporary name, flushed to disk, then renamed over the target: whoever reads
sees the old file or the new one, never half of it, whatever kills the writer.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from errno import EINVAL, ENOENT
from pathlib import Path

from melody.errors import MelodyError


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
    path = Path(os.path.realpath(path))
    temporary = None
    try:
        if path.exists() and not path.is_file():
            raise OSError(EINVAL, "it is a folder" if path.is_dir() else "it is no plain file")
        if not path.parent.is_dir():
            raise OSError(ENOENT, f"there is no folder {path.parent}")
        handle, name = tempfile.mkstemp(prefix=f".{path.name[:32]}.", suffix=path.suffix, dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        yield temporary
        with temporary.open("r+b") as written:
            os.fsync(written.fileno())
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except FileError:  # another file, of which all is said
        raise
    except OSError as error:
        raise FileError(f"cannot write {path}: {error.strerror or error}; {_advice(error)}") from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Write `data` to `path`, whole or not at all (see `replacing`)."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def make_folder(path: str | os.PathLike[str]) -> None:
    """Make a folder and those on the way to it, if they are not there.

    Raises
    ------
    FileError
        If the system refuses.
    """
    try:
        Path(path).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(f"cannot make the folder {path}: {error.strerror or error}; name another place") from error


def _advice(error: OSError) -> str:
    return "make it first, or name another place" if error.errno == ENOENT else "free some space or name another place"


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
