"""Archives that are damaged, lie or hold a name twice: each member read or refused in a line, in bounded time and memory."""

import bz2
import gzip
import io
import lzma
import os
import subprocess
import sys
import tarfile
import time
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tunes import by_path, tune

from melody import midi
from melody.corpus import Verdict, explain, prepare

SCRIPTS = Path(__file__).parents[1] / "scripts"
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    ".tar": bytes,
    ".tar.gz": gzip.compress,
    ".tar.bz2": bz2.compress,
    ".tar.xz": lzma.compress,
}
TUNES = [midi.to_bytes(tune(seed, 30)) for seed in range(4)]


def header(name: str, size: bytes, kind: bytes = b"0", mark: bytes = b"ustar\x0000") -> bytes:
    """A header block of a tar archive: name, mode, owners, size, time, checksum, type, rest."""
    start = name.encode().ljust(100, b"\0") + b"0000644\0" + b"0000000\0" * 2 + size + b"00000000000\0"
    block = (start + b" " * 8 + kind + bytes(100) + mark).ljust(512, b"\0")
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]


def octal(size: int) -> bytes:
    return b"%011o\0" % size


def member(name: str, data: bytes, size: bytes | None = None, kind: bytes = b"0") -> bytes:
    """A header and data, in whole blocks; `size` is a lie about how long they are."""
    return header(name, octal(len(data)) if size is None else size, kind) + data + bytes(-len(data) % 512)


def verdicts(folder: Path) -> dict[str, Verdict]:
    """Of a folder with a tune of its own beside the archive, within seconds."""
    midi.write(tune(9), folder / "own.mid")
    start = time.process_time()
    found = by_path(prepare(folder))
    assert time.process_time() - start < 5 and found["own.mid"].status == "kept"
    assert all("\n" not in v.reason and v.reason.isprintable() and v.path.isprintable() for v in found.values())
    return found


def reasons(folder: Path) -> dict[str, str]:
    return {path: v.reason for path, v in verdicts(folder).items()}


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_damaged_member_of_a_zip_is_one_line_and_the_others_are_read(tmp_path, method):
    with zipfile.ZipFile(tmp_path / "a.zip", "w", method) as archive:
        for number, data in enumerate(TUNES[:3]):
            archive.writestr(f"{number}.mid", data)
        at = archive.getinfo("1.mid").header_offset + 30 + len("1.mid") + 20
    damaged = bytearray((tmp_path / "a.zip").read_bytes())
    damaged[at : at + 20] = bytes(20)
    (tmp_path / "a.zip").write_bytes(damaged)
    found = verdicts(tmp_path)
    assert "cannot be unpacked" in found["a.zip/1.mid"].reason
    assert [found[f"a.zip/{n}.mid"].status for n in (0, 2)] == ["kept", "kept"]


@pytest.mark.parametrize("suffix", PACKERS)
def test_a_tar_that_is_cut_off_keeps_what_stands_before(tmp_path, suffix):
    whole = b"".join(member(f"{n}.mid", os.urandom(9000) if n == 2 else data) for n, data in enumerate(TUNES))
    packed = PACKERS[suffix](whole)
    (tmp_path / f"a{suffix}").write_bytes(packed[: len(packed) - 2000])
    found = reasons(tmp_path)
    assert "is damaged behind" in found[f"a{suffix}"] or "cannot be read" in found[f"a{suffix}"]


def test_what_stands_before_and_behind_a_damaged_header_is_read_and_the_damage_told(tmp_path):
    blocks = [member(f"{n}.mid", data) for n, data in enumerate(TUNES)]
    damaged = blocks[1][:5] + b"\1" + blocks[1][6:]
    (tmp_path / "a.tar").write_bytes(blocks[0] + damaged + blocks[2] + blocks[3] + bytes(1024))
    found = verdicts(tmp_path)
    assert f"damaged header at byte {len(blocks[0]):,}" in found["a.tar"].reason
    assert sorted(found) == ["a.tar", "a.tar/0.mid", "a.tar/2.mid", "a.tar/3.mid", "own.mid"]


LIES = {
    "a negative size": member("a.mid", b"", b"\xff" * 10 + b"\xfe\0"),
    "a size beyond the end": member("a.mid", b"MThd", octal(8**10)),
    "a folder of a size": member("a", b"", octal(8**10), b"5"),
    "a long name of 8 GB": member("x", b"name", octal(8**11 - 1), b"L"),
    "a pax header of 1 GB": member("x", b"12 path=abc\n", octal(2**30), b"x"),
    "a global header of 1 GB": member("x", b"12 path=abc\n", octal(2**30), b"g"),
    "a pax record of no length": member("x", b"0 path=abc\n", kind=b"x"),
    "a pax record without an end": member("x", b"9" * 300, kind=b"x"),
    "a pax size below zero": member("x", b"13 size=-512\n", kind=b"x") + member("a.mid", b""),
    "holes": member("a.mid", b"", kind=b"S"),
    "long names of long names": member("x", b"a.mid", kind=b"L") * 3000 + member("a.mid", TUNES[1]),
    "pax records that a pattern would take hours for": member("x", b"1 " * 20_000 + b"=", kind=b"x"),
}  # fmt: skip


@pytest.mark.parametrize("suffix", PACKERS)
@pytest.mark.parametrize("lie", LIES)
def test_a_tar_that_lies_ends_in_a_line(tmp_path, suffix, lie):
    (tmp_path / f"a{suffix}").write_bytes(PACKERS[suffix](member("0.mid", TUNES[0]) + LIES[lie] + bytes(1024)))
    found = verdicts(tmp_path)
    assert found[f"a{suffix}/0.mid"].status == "kept"
    assert lie == "a folder of a size" or len(found) > 2


@contextmanager
def little_memory() -> Iterator[None]:
    """No more than 60 MB are had at once."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < 60_000_000
    finally:
        tracemalloc.stop()


def streamed(path: Path, pieces: Iterator[bytes]) -> None:
    with gzip.open(path, "wb", 6) as file:
        for piece in pieces:
            file.write(piece)


@pytest.mark.parametrize("kind", [b"L", b"x", b"g", b"0", b"5"])
def test_what_unpacks_to_hundreds_of_megabytes_costs_no_memory(tmp_path, monkeypatch, kind):
    monkeypatch.setattr("melody.corpus.discover.archives.MAX_UNPACKED", 30_000_000)
    size = 200_000_000
    zeros = (bytes(1_000_000) for _ in range(60))
    streamed(tmp_path / "a.tar.gz", iter([member("0.mid", TUNES[0]), header("x.mid", octal(size), kind), *zeros]))
    with little_memory():
        found = reasons(tmp_path)
    assert ("a.tar.gz" in found) or kind == b"5"


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA, zipfile.ZIP_DEFLATED])
def test_a_member_that_is_too_large_is_not_unpacked_to_the_end(tmp_path, method):
    """`zipfile` unpacks all it has read of bzip2 and LZMA, however much that becomes."""
    with zipfile.ZipFile(tmp_path / "a.zip", "w", method) as archive:
        archive.writestr("a.mid", bytes(70_000_000))
    with little_memory():
        assert verdicts(tmp_path)["a.zip/a.mid"].cause == "over a limit"


def test_names_that_stand_in_an_archive_twice_are_told(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        for data in TUNES[:3]:
            archive.writestr("a.mid", data)
    (tmp_path / "a.tar").write_bytes(b"".join(member("a.mid", data) for data in (TUNES[0], TUNES[3])) + bytes(1024))
    found = verdicts(tmp_path)
    assert "stands in the archive 3 times; the last was taken" in found["a.zip/a.mid (1 of 3)"].reason
    assert {"a.zip/a.mid (2 of 3)", "a.tar/a.mid (1 of 2)"} < set(found)
    assert found["a.zip/a.mid"].content == explain(tmp_path / "a.zip" / "a.mid").content
    midi.write(tune(2, 30), tmp_path / "last.mid")
    assert by_path(prepare(tmp_path))["last.mid"].reason == "" or "same notes" in reasons(tmp_path)["a.zip/a.mid"]


def test_an_archive_that_is_replaced_is_read_anew(tmp_path):
    for number in (0, 1):
        target = io.BytesIO()
        with zipfile.ZipFile(target, "w") as archive:
            archive.writestr("a.mid", TUNES[number])
        (tmp_path / "a.zip").write_bytes(target.getvalue())
        alone = explain(tmp_path / "a.zip" / "a.mid")
        (tmp_path / "plain.mid").write_bytes(TUNES[number])
        assert alone.content == explain(tmp_path / "plain.mid").content
        (tmp_path / "plain.mid").unlink()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")
@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz"])
def test_a_pipe_is_not_waited_for(tmp_path, name):
    os.mkfifo(tmp_path / name)
    assert "it is no plain file" in reasons(tmp_path)[name]


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("name", ["a.mid", "é/" + "b" * 90 + "/" + "c" * 90 + ".mid", "日本.mid"])
def test_tar_archives_of_every_format_are_read_as_tarfile_reads_them(tmp_path, form, name):
    with tarfile.open(tmp_path / "a.tar", "w", format=form) as archive:
        for member_name in ("folder", name, "z.mid"):
            info = tarfile.TarInfo(member_name)
            info.type = tarfile.DIRTYPE if member_name == "folder" else tarfile.REGTYPE
            data = b"" if member_name == "folder" else TUNES[len(member_name) % 4]
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    assert set(verdicts(tmp_path)) == {"own.mid", f"a.tar/{name}", "a.tar/z.mid"}


def test_several_streams_of_xz_are_one_archive(tmp_path):
    blocks = [member(f"{n}.mid", data) for n, data in enumerate(TUNES)]
    (tmp_path / "a.tar.xz").write_bytes(b"".join(lzma.compress(block) + bytes(8) for block in blocks))
    assert len(verdicts(tmp_path)) == 5


def test_no_name_reaches_the_screen_as_more_than_text(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("\x1b[31mred\x07.mid", TUNES[0])
        archive.writestr("\u202ebroken\x9b2J.mid", b"no music")
    (tmp_path / "a\nb.mid").write_bytes(b"\x1b]0;title\x07")
    found = verdicts(tmp_path)
    assert "a.zip/\\x1b[31mred\\x07.mid" in found and "a\\nb.mid" in found


def test_no_text_of_a_file_reaches_the_screen_as_more_than_text(tmp_path):
    (tmp_path / "markup.mid").write_bytes(b"[/b]hello")
    (tmp_path / "escape.mid").write_bytes(b"\x1b[2J\x9b\r\n")
    (tmp_path / "escape.xml").write_bytes(b"<score-partwise>\x1b[2J&\x07</score-partwise>")
    (tmp_path / "escape.abc").write_bytes(b"X:1\nM:\x1b[2J/4\nL:\x07\nK:\x1b]0;a\x07\n\x1bCDEF\n")
    (tmp_path / "escape.krn").write_bytes(b"**kern\n4\x1b[2Jc\n*-\n")
    found = reasons(tmp_path)
    assert found["markup.mid"].startswith("is no MIDI file: it begins with '[/b]hello'") and len(found) == 6


@pytest.mark.skipif(os.name == "nt", reason="the script bounds its time by a signal")
def test_archives_damaged_by_chance_end_in_lines() -> None:
    command = [sys.executable, str(SCRIPTS / "fuzz_archives.py"), "--archives", "80", "--seed", "5"]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
