"""Files whole or not at all: what is said where the system refuses, and what a killed writer leaves."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from melody import files
from melody.files import FileError

KILLED = """
import os, signal, sys
from melody import files
with files.replacing(sys.argv[1]) as temporary:
    temporary.write_bytes(b"half")
    print(temporary.name, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def killed_while_writing(path: Path) -> str:
    """The name of the temporary file that a killed process leaves beside `path`."""
    done = subprocess.run([sys.executable, "-c", KILLED, str(path)], capture_output=True, text=True, timeout=30)
    assert done.returncode == -9, done.stderr
    return done.stdout.strip()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no kill -9")
def test_what_a_killed_writer_leaves_goes_with_the_next_write_into_its_folder(tmp_path: Path) -> None:
    left = killed_while_writing(tmp_path / "tune.mid")
    assert [p.name for p in tmp_path.iterdir()] == [left] and left.endswith(".mid") and files.is_temporary(left)
    files.write_bytes(tmp_path / "other.txt", b"whole")
    assert [p.name for p in tmp_path.iterdir()] == ["other.txt"]


@pytest.mark.skipif(os.name == "nt", reason="Windows cannot be asked whether a process is there")
def test_what_is_still_being_written_or_may_be_on_another_machine_stays_for_a_day(tmp_path: Path) -> None:
    own, theirs, old = (tmp_path / f".melody-{machine}-{os.getpid()}-x" for machine in (files._machine(), "0" * 8, "1" * 8))
    other = tmp_path / ".melody-notes"  # a user's own hidden file
    for path in (own, theirs, old, other):
        path.write_bytes(b"half")
    os.utime(old, (time.time() - 2 * 86_400,) * 2)
    files.write_bytes(tmp_path / "tune.mid", b"whole")
    assert {p.name for p in tmp_path.iterdir()} == {own.name, theirs.name, other.name, "tune.mid"}


def test_only_our_temporary_names_are_temporary(tmp_path: Path) -> None:
    with files.replacing(tmp_path / "a.mid") as temporary:
        assert files.is_temporary(temporary.name) and temporary.suffix == ".mid"
    assert not any(files.is_temporary(name) for name in ("a.mid", ".a.mid.x7", ".melody-", "melody-12345678-1-a", ""))


@pytest.mark.parametrize(
    ("number", "told"),
    [
        (errno.EACCES, "permissions"),
        (errno.EPERM, "permissions"),
        (errno.EROFS, "nothing can be written there"),
        (errno.ENOSPC, "free some space"),
        (errno.ENAMETOOLONG, "shorter name"),
        (errno.ENOTDIR, "must be a folder"),
        (errno.EISDIR, "name a file"),
        (getattr(errno, "EDQUOT", errno.ENOSPC), "name another place"),
        (errno.EXDEV, "name another place"),
    ],
)
def test_the_advice_fits_the_cause(tmp_path: Path, number: int, told: str) -> None:
    with pytest.raises(FileError) as caught, files.replacing(tmp_path / "tune.mid"):
        raise OSError(number, os.strerror(number))
    assert told in str(caught.value) and os.strerror(number) in str(caught.value)
    assert ("free some space" in str(caught.value)) == (number == errno.ENOSPC)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("x" * 300, "shorter name"),
        ("file/tune.mid", "no folder"),
        ("nowhere/tune.mid", "make it first"),
        ("a\0b", "no file can have such a name"),
        ("\ud800", "no file can have such a name"),
        (".", "it is a folder; name a file in it"),
    ],
)
def test_names_that_cannot_be_written_are_refused_with_what_to_do(tmp_path: Path, name: str, told: str) -> None:
    (tmp_path / "file").write_bytes(b"in the way")
    with pytest.raises(FileError, match=told):
        files.write_bytes(f"{tmp_path}/{name}", b"")
    with pytest.raises(FileError):
        files.make_folder(f"{tmp_path}/file/{name}")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_name_as_long_as_a_name_can_be_is_written(tmp_path: Path) -> None:
    for name in ("é" * 125 + ".mid", "a." + "b" * 253):
        files.write_bytes(tmp_path / name, b"whole")
        assert (tmp_path / name).read_bytes() == b"whole"
