"""Scores read in a child process: the same music, and no more than so much time and memory for each."""

import os
import signal
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from io import BytesIO

import pytest
from processes import gone
from tunes import by_path

from melody.corpus import prepare
from melody.errors import MelodyError, ScoreError
from melody.score import bounded
from melody.score.bounded import Bounds, Reader
from melody.score.formats import parse
from melody.score.score_files import read_score

ABC = b"X:1\nT:Air & <b>\nC:\xc3\x89.\nM:3/4\nL:1/8\nQ:1/4=90\nK:Dm\nV:1\nD2 (3EFG A2 | [Af]6 |\nV:2\nD,6 | z2 D,4 |\n"
KERN = b"**kern\t**kern\n*M3/4\t*M3/4\n*k[b-]\t*k[b-]\n4d\t8f\n.\t8g\n2e\t2a\n*-\t*-\n"
XML = b"""<score-partwise><part-list><score-part id="P"><part-name>One</part-name></score-part></part-list><part id="P">
<measure><attributes><divisions>2</divisions><time><beats>2</beats><beat-type>4</beat-type></time></attributes>
<note><pitch><step>G</step><octave>4</octave></pitch><duration>3</duration></note>
<note><chord/><pitch><step>B</step><octave>4</octave></pitch><duration>3</duration></note></measure></part></score-partwise>"""
SLOW = b"X:1\nL:1/8\nM:4/4\nK:C\n" + b"CDEF GABc | " * 15_500  # seconds, some hundred megabytes, within the reader's bounds


@pytest.fixture(scope="module")
def reader() -> Iterator[Reader]:
    with Reader() as reader:
        yield reader


def packed(xml: bytes) -> bytes:
    file = BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("META-INF/container.xml", '<container><rootfile full-path="a.xml"/></container>')
        archive.writestr("a.xml", xml)
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "suffix"),
    [(ABC, ".abc"), (KERN, ".krn"), (XML, ".xml"), (packed(XML), ".mxl")],
    ids=["abc", "krn", "xml", "mxl"],
)
def test_a_child_reads_what_is_read_here(reader, content, suffix):
    assert reader.read(content, suffix) == parse(content, suffix)


@pytest.mark.parametrize(
    ("content", "suffix"), [(b"X:1\nK:C\n", ".abc"), (b"\0\1\2", ".krn"), (b"<a>", ".xml"), (b"PK", ".mxl")]
)
def test_a_child_refuses_what_is_refused_here(reader, content, suffix):
    with pytest.raises(MelodyError) as here:
        parse(content, suffix)
    with pytest.raises(ScoreError) as there:
        reader.read(content, suffix)
    assert str(here.value) == str(there.value)


@pytest.mark.skipif(os.name != "posix", reason="the time of the processor is not limited here")
def test_a_score_that_takes_too_long_is_one_line_and_the_next_is_read():
    with Reader(Bounds(seconds=1)) as reader:
        with pytest.raises(ScoreError, match="took longer than 1 s to read; the limit is that"):
            reader.read(SLOW, ".abc")
        assert reader.read(ABC, ".abc").piece.num_notes == 9


@pytest.mark.skipif(sys.platform != "linux", reason="memory is not limited here")
def test_a_score_that_takes_too_much_memory_is_one_line_and_the_next_is_read():
    with Reader(Bounds(megabytes=50)) as reader:
        with pytest.raises(ScoreError, match=r"took more than 0\.05 GB to read; the limit is that"):
            reader.read(SLOW, ".abc")
        assert reader.read(ABC, ".abc").piece.num_notes == 9


def test_a_folder_with_such_scores_goes_on(tmp_path, monkeypatch):
    with Reader(Bounds(seconds=1, megabytes=50)) as reader:
        monkeypatch.setattr(bounded, "_shared", lambda _process: reader)
        tune = b"X:1\nM:4/4\nL:1/4\nK:C\n" + b"CDEF|" * 3
        for number in range(3):
            (tmp_path / f"{number}.abc").write_bytes(tune + b"GABc|" * (number + 1))
        (tmp_path / "1a.abc").write_bytes(SLOW)
        verdicts = by_path(prepare(tmp_path))
    assert [verdicts[f"{number}.abc"].status for number in range(3)] == ["kept"] * 3
    assert verdicts["1a.abc"].cause == "over a limit" and verdicts["1a.abc"].reason.startswith("took ")


def child_of(reader: Reader) -> int:
    assert reader._child is not None
    return reader._child._process.pid


def test_a_child_is_replaced_when_it_has_read_many_or_has_died():
    with Reader(Bounds(files=2)) as reader:
        children = []
        for _ in range(5):
            reader.read(ABC, ".abc")
            children.append(child_of(reader) if reader._child else 0)
        assert children[1] == children[3] == 0 and len(set(children)) == 4
        os.kill(child_of(reader), signal.SIGTERM)
        with pytest.raises(ScoreError, match="made the reader of scores end"):
            reader.read(ABC, ".abc")
        assert reader.read(ABC, ".abc").piece.num_notes == 9


def test_a_child_that_has_grown_is_replaced():
    with Reader(Bounds(grown=-1)) as reader:
        reader.read(ABC, ".abc")
        assert reader._child is None


def test_threads_share_a_child(reader):
    found: list[object] = []
    threads = [threading.Thread(target=lambda: found.append(reader.read(ABC, ".abc"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [parse(ABC, ".abc")] * 8


def test_a_small_score_starts_no_child_and_a_large_one_does(tmp_path, monkeypatch):
    asked: list[str] = []

    class Asked:
        def read(self, content: bytes, suffix: str) -> object:
            asked.append(suffix)
            return parse(content, suffix)

    monkeypatch.setattr(bounded, "_shared", lambda _process: Asked())
    for name, content in (("a.abc", ABC), ("a.mxl", packed(XML)), ("b.xml", XML + b" " * 70_000)):
        (tmp_path / name).write_bytes(content)
        assert read_score(tmp_path / name).num_notes
    assert asked == [".mxl", ".xml"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.abc")
    with pytest.raises(ScoreError, match="is no file"):
        read_score(tmp_path / "a.abc")


@pytest.mark.skipif(os.name != "posix", reason="needs the signal that cannot be caught")
def test_a_child_ends_with_the_process_that_started_it(tmp_path):
    script = "from melody.score.bounded import *; from melody.score import bounded; r = Reader(); r.read(%r, '.abc'); "
    script += "print(r._child._process.pid, flush=True); import time; time.sleep(60)"
    parent = subprocess.Popen([sys.executable, "-c", script % ABC], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    parent.kill()
    parent.communicate()
    assert gone(child)
