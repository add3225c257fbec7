"""Processes of prepare: workers end with their parent, and one at a time writes a store."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from processes import gone
from tunes import fill, tune

from melody import midi
from melody.corpus import Corpus, PrepareSettings, prepare
from melody.corpus.store.lock import work_folder
from melody.errors import CorpusError

RUN = """
import multiprocessing, sys, time
from melody.corpus import PrepareSettings, prepare
from melody.corpus.discover import listing
from melody.errors import MelodyError
listing.CHUNK_FILES = 2
def told(progress):
    print(*(child.pid for child in multiprocessing.active_children()), flush=True)
    time.sleep(float(sys.argv[4]))
if __name__ == "__main__":
    try:
        prepare(sys.argv[1], PrepareSettings(workers=int(sys.argv[3])), store=sys.argv[2], on_progress=told)
    except MelodyError as error:
        sys.exit(f"melody: {error}")
"""
pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs the signal that cannot be caught")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = fill(tmp_path_factory.mktemp("tunes"))
    (folder / "air.abc").write_text("X:1\nM:4/4\nL:1/4\nK:C\nCDEF|GABc|cBAG|FEDC|\n")
    return folder


def running(tmp_path: Path, folder: Path, workers: int, seconds: float) -> subprocess.Popen:
    (tmp_path / "run.py").write_text(RUN)
    command = [sys.executable, tmp_path / "run.py", folder, tmp_path / "store", str(workers), str(seconds)]
    return subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, text=True)


def test_workers_end_with_a_parent_that_is_killed(folder, tmp_path):
    run = running(tmp_path, folder, 2, 60)
    assert run.stdout is not None
    workers = list(map(int, run.stdout.readline().split()))
    assert len(workers) == 2
    run.send_signal(signal.SIGKILL)
    begin = time.monotonic()
    run.communicate(timeout=20)  # the end of the pipe: nobody holds it any more
    assert all(map(gone, workers)) and time.monotonic() - begin < 20


def test_a_second_prepare_into_one_store_is_refused_in_a_line(folder, tmp_path):
    run = running(tmp_path, folder, 1, 1)
    assert run.stdout is not None
    run.stdout.readline()
    with pytest.raises(CorpusError, match="is being made by another process; wait for it, or name another store"):
        prepare(folder, PrepareSettings(min_notes=2), store=tmp_path / "store")
    run.kill()
    run.communicate()
    corpus = prepare(folder, PrepareSettings(min_notes=2), store=tmp_path / "store")  # what it left is no obstacle
    assert corpus.manifest["settings"]["min_notes"] == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run.py", "store"]


def test_a_store_that_is_up_to_date_is_opened_while_another_is_at_it(tmp_path):
    for seed in range(3):
        midi.write(tune(seed), tmp_path / f"{seed}.mid")
    store = tmp_path / "out" / "store"
    prepare(tmp_path, store=store)
    with work_folder(store) as work:
        assert work.is_dir() and prepare(tmp_path, store=store).counts["kept"] == 3
    assert not work.exists() and Corpus.open(store)


def test_work_that_fails_is_kept(tmp_path):
    with pytest.raises(KeyError), work_folder(tmp_path / "store") as work:
        raise KeyError
    assert work.is_dir()
    with work_folder(tmp_path / "store"):
        pass
    assert not work.exists()
