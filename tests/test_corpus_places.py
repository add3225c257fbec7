"""Assignment that cannot be read or written: one line each, and nothing left behind."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from tunes import by_path, tune

from melody import midi
from melody.corpus import Corpus, PrepareSettings, explain, prepare
from melody.corpus.external_sort import DiskColumn
from melody.errors import MelodyError
from melody.files import FileError

LONG = "n" * 300
HAS_PIPES = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three tunes."""
    (tmp_path / "music").mkdir()
    for seed in range(3):
        midi.write(tune(seed, 30), tmp_path / "music" / f"{seed}.mid")
    return tmp_path / "music"


def refusal(act) -> str:
    with pytest.raises(MelodyError) as caught:
        act()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def places(tmp_path: Path) -> dict[str, Path]:
    (tmp_path / "file").write_text("no folder")
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "taken.work").write_text("no folder")
    os.mkfifo(tmp_path / "pipe")
    return {
        "below a file": tmp_path / "file" / "store",
        "a folder": tmp_path / "folder",
        "a link to itself": tmp_path / "loop",
        "below a link to itself": tmp_path / "loop" / "store",
        "a long name": tmp_path / LONG,
        "a name too long for what is added": tmp_path / ("n" * 253),
        "work is a file": tmp_path / "taken",
        "a pipe": tmp_path / "pipe",
        "nothing": Path(""),
        "the root": Path("/"),
    }


WHERE = ["below a file", "a folder", "a link to itself", "below a link to itself", "a long name",
         "a name too long for what is added", "work is a file", "a pipe", "nothing", "the root"]  # fmt: skip


@HAS_PIPES
@pytest.mark.parametrize("where", WHERE)
def test_a_store_that_cannot_be_written_is_one_line(folder, tmp_path, where):
    store = places(tmp_path)[where]
    refusal(lambda: prepare(folder, store=store))
    assert (tmp_path / "file").read_text() == (tmp_path / "taken.work").read_text() == "no folder"


@HAS_PIPES
@pytest.mark.parametrize("where", WHERE)
def test_a_store_or_a_folder_that_cannot_be_read_is_one_line(tmp_path, where):
    (tmp_path / "empty").mkdir()
    place = tmp_path / "empty" if where == "the root" else places(tmp_path)[where]
    if where != "nothing":  # the folder where one is
        refusal(lambda: prepare(place))
    refusal(lambda: Corpus.open(place))


@HAS_PIPES
def test_what_cannot_be_read_within_a_folder_is_told_of_each(folder):
    os.mkfifo(folder / "pipe.mid")
    os.mkfifo(folder / "pipe.abc")
    (folder / "loop").symlink_to(folder / "loop")
    (folder / "loop.mid").symlink_to(folder / "loop.mid")
    (folder / "folder.mid").mkdir()
    verdicts = by_path(prepare(folder))
    assert "is no file" in verdicts["pipe.mid"].reason and "is no file" in verdicts["pipe.abc"].reason
    assert "cannot be read" in verdicts["loop.mid"].reason and len(verdicts) == 6
    assert "is no file" in explain(folder / "pipe.mid").reason


def test_folders_deeper_than_a_path_can_say_are_told(folder):
    here = os.getcwd()
    try:
        os.chdir(folder)
        for _ in range(30):
            os.mkdir("d" * 200)
            os.chdir("d" * 200)
        midi.write(tune(5), "deep.mid")
    except OSError:
        pytest.skip("this system makes no such folders")
    finally:
        os.chdir(here)
    verdicts = prepare(folder).verdicts
    assert [v.status for v in verdicts[:3]] == ["kept"] * 3 and "cannot be opened" in verdicts[3].reason


def test_many_folders_in_one_another_are_gone_through(tmp_path):
    folder = tmp_path.joinpath(*"d" * 300)
    folder.mkdir(parents=True)
    midi.write(tune(5), folder / "deep.mid")
    assert prepare(tmp_path).counts["kept"] == 1


@pytest.mark.parametrize("name", ["TMPDIR is gone", "no place at all"])
def test_no_room_for_temporary_files_is_one_line(folder, tmp_path, monkeypatch, name):
    monkeypatch.setattr("melody.corpus.external_sort.SMALL", 0)
    if name == "no place at all":
        monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: [])
        monkeypatch.setattr(tempfile, "tempdir", None)
    else:
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    with pytest.raises(FileError, match="cannot write temporary files"):
        prepare(folder)
    column = DiskColumn("u1")
    assert "free some space there or set TMPDIR" in refusal(lambda: column.extend(bytearray(10)))


def test_judging_needs_no_temporary_files(folder, tmp_path, monkeypatch):
    (folder / "air.abc").write_text("X:1\nM:4/4\nL:1/4\nK:C\nCDEF|GABc|cBAG|FEDC|\n")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    assert by_path(prepare(folder))["air.abc"].status == "kept"


KILLED = """
import os, sys
from melody import files
with files.replacing(sys.argv[1]) as temporary:
    temporary.write_bytes(open(sys.argv[2], "rb").read())
    os.kill(os.getpid(), 9)
"""


@pytest.mark.skipif(os.name == "nt", reason="needs the signal that cannot be caught")
def test_what_a_killed_writer_leaves_is_no_music(folder):
    run = subprocess.run([sys.executable, "-c", KILLED, str(folder / "new.mid"), str(folder / "0.mid")])
    assert run.returncode == -9 and len(os.listdir(folder)) == 4
    (folder / ".hidden.mid").write_bytes((folder / "1.mid").read_bytes())
    corpus = prepare(folder)
    assert [v.path for v in corpus.verdicts] == ["0.mid", "1.mid", "2.mid"]
    assert corpus.remarks == ("2 other files are no music and were not looked at",)


def test_a_folder_of_a_long_name_or_none_is_one_line(tmp_path):
    for folder in (tmp_path / LONG, Path(LONG) / "x", tmp_path / "nothing"):
        assert "is not there" in refusal(lambda folder=folder: prepare(folder, PrepareSettings()))
    assert refusal(lambda: explain(tmp_path)) and explain(tmp_path / LONG).status == "rejected"
    assert explain(tmp_path / f"{LONG}.zip" / "a.mid").status == "rejected"
