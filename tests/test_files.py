"""Files whole or not at all: what is said where the system refuses, and what a killed writer leaves."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
import zlib
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
def test_an_interruption_while_it_is_made_leaves_no_temporary_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(descriptor: int) -> None:
        monkeypatch.undo()
        os.close(descriptor)
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "close", interrupted)
    with pytest.raises(KeyboardInterrupt), files.replacing(tmp_path / "tune.mid"):
        pass
    assert list(tmp_path.iterdir()) == []


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


@pytest.mark.parametrize(
    ("suffix", "kept"),
    [(".mid", True), ("." + "x" * 15, True), ("." + "x" * 16, False), (".ééééééé", True), (".éééééééé", False)],
)
def test_a_temporary_name_has_the_suffix_if_it_has_sixteen_bytes_at_most(tmp_path: Path, suffix: str, kept: bool) -> None:
    with files.replacing(tmp_path / f"a{suffix}") as temporary:
        assert temporary.suffix == (suffix if kept else "") and temporary.parent == tmp_path
        before = f".melody-{files._machine()}-{os.getpid()}-"
        assert temporary.name.startswith(before) and len(temporary.stem) == len(before) + 8  # made up by chance


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
def test_a_file_has_the_permissions_that_the_user_gives_new_ones(tmp_path: Path) -> None:
    old = os.umask(0o027)
    try:
        files.write_bytes(tmp_path / "a", b"whole")
        assert os.umask(0o027) == 0o027
    finally:
        os.umask(old)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640


def test_folders_are_made_with_those_on_the_way(tmp_path: Path) -> None:
    for _ in range(2):  # and are left as they are
        files.make_folder(tmp_path / "a" / "b" / "c")
        assert (tmp_path / "a" / "b" / "c").is_dir()
    (tmp_path / "file").write_bytes(b"in the way")
    with pytest.raises(FileError) as caught:
        files.make_folder(tmp_path / "file" / "b")
    assert str(caught.value) == (
        f"cannot make the folder {tmp_path / 'file' / 'b'}: Not a directory; "
        "what stands before the last / must be a folder: name another place"
    )


def test_an_error_without_a_number_is_reported_in_its_own_words(tmp_path: Path) -> None:
    with pytest.raises(FileError) as caught, files.replacing(tmp_path / "a.mid"):
        raise OSError("the tape is full")
    assert str(caught.value) == f"cannot write {tmp_path / 'a.mid'}: the tape is full; name another place"
    with pytest.raises(FileError) as caught, files.replacing(tmp_path / "a.mid"):
        raise FileError("of another file all is said")
    assert str(caught.value) == "of another file all is said"


def test_what_a_link_leads_to_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real" / "tune.mid")
    with files.replacing(tmp_path / "link") as temporary:
        assert temporary.parent == tmp_path / "real"
    assert (tmp_path / "link").is_symlink() and (tmp_path / "real" / "tune.mid").read_bytes() == b""


@pytest.mark.skipif(os.name == "nt", reason="Windows cannot be asked whether a process is there")
@pytest.mark.parametrize(
    ("error", "runs"), [(None, True), (PermissionError, True), (ProcessLookupError, False), (OverflowError, False)]
)
def test_a_process_of_another_user_is_there(
    monkeypatch: pytest.MonkeyPatch, error: type[Exception] | None, runs: bool
) -> None:
    asked: list[tuple[int, int]] = []

    def kill(process: int, number: int) -> None:
        asked.append((process, number))
        if error:
            raise error

    monkeypatch.setattr(os, "kill", kill)
    assert files._is_running(4711) == runs
    assert asked == [(4711, 0)]  # nothing is sent


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
def test_a_pipe_is_no_file_to_write(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FileError) as caught:
        files.write_bytes(tmp_path / "pipe", b"")
    assert str(caught.value) == f"cannot write {tmp_path / 'pipe'}: it is no plain file; name another place"
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"]


@pytest.mark.skipif(os.name == "nt", reason="Windows names machines otherwise")
def test_a_machine_is_eight_digits_of_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    named = type("Named", (), {"nodename": "b\udc9f-ü"})
    monkeypatch.setattr(os, "uname", named)
    files._machine.cache_clear()
    try:
        assert files._machine() == f"{zlib.crc32(b'b' + bytes([0x9F]) + '-ü'.encode()):08x}"
    finally:
        files._machine.cache_clear()
