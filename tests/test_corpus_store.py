"""The store of a corpus, and the archives and formats it is made of."""

import io
import os
import signal
import subprocess
import sys
import tarfile
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from tunes import by_path, fill, tune

from melody import midi
from melody.corpus import SPLITS, Corpus, PrepareSettings, bulk, explain, prepare
from melody.errors import CorpusError
from melody.piece import Piece

SCRIPTS = Path(__file__).parents[1] / "scripts"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return fill(tmp_path_factory.mktemp("tunes"))


# Store


def test_memory_store_and_processes_hold_the_same(folder, tmp_path):
    memory = prepare(folder)
    seen = []
    one = prepare(folder, store=tmp_path / "one", on_progress=seen.append)
    assert one.manifest == memory.manifest and one.summary() == memory.summary()
    assert tuple(one.verdicts) == tuple(memory.verdicts)
    assert all(np.array_equal(a, b) for side in SPLITS for a, b in zip(one.rows(side), memory.rows(side)))
    assert seen[-1].done == seen[-1].files == 17 and seen[-1].notes > 0 and seen[-1].seconds_left == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["one"]


def test_a_second_run_is_the_first_and_a_changed_one_a_fresh_one(folder, tmp_path, monkeypatch):
    here = tmp_path / folder.name
    here.mkdir()
    for seed in range(6):
        midi.write(tune(seed), here / f"{seed}.mid")
    store = tmp_path / "store"
    prepare(here, store=store)
    first = store.read_bytes()
    scanned: list[bytes] = []
    parse = bulk.parse_many
    monkeypatch.setattr(bulk, "parse_many", lambda files, limits: (scanned.extend(files), parse(files, limits))[1])
    settings = PrepareSettings(ticks_per_quarter=24)
    prepare(here, settings, store=store)
    scanned.clear()
    assert prepare(here, settings, store=store).rows("train") and not scanned
    midi.write(tune(50), here / "7.mid")
    (here / "2.mid").unlink()
    prepare(here, settings, store=store)
    assert len(scanned) == 1
    prepare(here, settings, store=tmp_path / "fresh")
    assert store.read_bytes() == (tmp_path / "fresh").read_bytes() != first


def test_a_store_in_its_own_folder_is_no_part_of_it(tmp_path):
    for seed in range(3):
        midi.write(tune(seed), tmp_path / f"{seed}.mid")
    prepare(tmp_path, store=tmp_path / "out" / "store")
    first = (tmp_path / "out" / "store").read_bytes()
    (tmp_path / "out" / "store.work").mkdir()
    (tmp_path / "out" / "store.work" / "000000.shard").write_bytes(b"cut sh")
    midi.write(tune(3), tmp_path / "3.mid")
    assert prepare(tmp_path, store=tmp_path / "out" / "store").remarks == ()
    (tmp_path / "3.mid").unlink()
    prepare(tmp_path, store=tmp_path / "out" / "store")
    assert (tmp_path / "out" / "store").read_bytes() == first


def test_what_is_no_store_is_neither_opened_nor_overwritten(folder, tmp_path):
    (tmp_path / "letter").write_text("dear reader")
    with pytest.raises(CorpusError, match="no whole corpus"):
        prepare(folder, store=tmp_path / "letter")
    assert (tmp_path / "letter").read_text() == "dear reader"
    with pytest.raises(CorpusError, match="cannot be opened"):
        Corpus.open(tmp_path / "nothing")


def test_a_damaged_store_is_an_error_of_ours_or_the_corpus_that_it_was():
    command = [sys.executable, str(SCRIPTS / "fuzz_stores.py"), "--stores", "150", "--seed", "4"]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


def test_one_bit_anywhere_is_noticed_where_it_is_read(folder, tmp_path):
    prepare(folder, store=tmp_path / "store")
    whole = (tmp_path / "store").read_bytes()
    rng = np.random.default_rng(0)
    for at in rng.integers(0, len(whole), 100).tolist():
        data = bytearray(whole)
        data[at] ^= 1 << int(rng.integers(8))
        with pytest.raises(CorpusError):
            Corpus.of_bytes(np.frombuffer(bytes(data), np.uint8)).verify()


def test_damage_is_found_before_what_is_damaged_is_used_and_not_looked_for_elsewhere(folder, tmp_path, monkeypatch):
    monkeypatch.setattr("melody.corpus.store.checksums.BLOCK", 512)
    prepare(folder, store=tmp_path / "store")
    data = bytearray((tmp_path / "store").read_bytes())
    data[600] ^= 1  # among the events of the first pieces
    corpus = Corpus.of_bytes(np.frombuffer(bytes(data), np.uint8))
    rows, damaged = corpus.rows("train"), 0
    for number in range(len(rows)):
        try:
            assert len(rows[number]) == rows.sizes[number]
        except CorpusError as error:
            damaged += "checksum is wrong at byte 512" in str(error)
    assert 0 < damaged < len(rows)


@pytest.mark.parametrize("change", [b"melody corpus 1\n", b"melody corpus 2\n"])
def test_a_store_that_is_damaged_or_of_another_version_is_made_again(folder, tmp_path, change):
    store = tmp_path / "store"
    prepare(folder, store=store)
    whole = store.read_bytes()
    store.write_bytes(change + whole[16:100] + bytes(50) + whole[150:])
    with pytest.raises(CorpusError, match="run prepare to make it again"):
        Corpus.open(store).verify()
    prepare(folder, store=store)
    assert store.read_bytes() == whole


RUN = """
import sys, time
from melody.corpus import PrepareSettings, prepare
from melody.corpus.discover import listing
listing.CHUNK_FILES = 2
if __name__ == "__main__":
    prepare(sys.argv[1], store=sys.argv[2], on_progress=lambda p: (print(p.done, flush=True), time.sleep(0.1)))
"""


@pytest.mark.skipif(os.name == "nt", reason="needs the signal that cannot be caught")
def test_killed_and_begun_again_the_store_is_the_same(folder, tmp_path):
    script = tmp_path / "run.py"
    script.write_text(RUN)
    command = [sys.executable, str(script), str(folder)]
    subprocess.run([*command, str(tmp_path / "quiet")], check=True, stdout=subprocess.DEVNULL)
    for kill_at in (2, 3):
        run = subprocess.Popen([*command, str(tmp_path / "killed")], stdout=subprocess.PIPE)
        for _ in range(kill_at):
            run.stdout.readline()
        run.send_signal(signal.SIGKILL)
        run.communicate()
        assert not (tmp_path / "killed").exists()
    assert list((tmp_path / "killed.work").iterdir())
    subprocess.run([*command, str(tmp_path / "killed")], check=True, stdout=subprocess.DEVNULL)
    assert (tmp_path / "killed").read_bytes() == (tmp_path / "quiet").read_bytes()


def test_processes_give_the_same_bytes(folder, tmp_path, monkeypatch):
    monkeypatch.setattr("melody.corpus.discover.listing.CHUNK_FILES", 6)
    prepare(folder, PrepareSettings(workers=1), store=tmp_path / "1")
    prepare(folder, PrepareSettings(workers=2), store=tmp_path / "2")
    assert (tmp_path / "1").read_bytes() == (tmp_path / "2").read_bytes()


@pytest.mark.filterwarnings("ignore")
def test_a_dask_worker_that_dies_changes_nothing(folder, tmp_path, monkeypatch):
    distributed = pytest.importorskip("distributed", reason="the extra melody[dask] is not installed")
    monkeypatch.setattr("melody.corpus.discover.listing.CHUNK_FILES", 2)
    prepare(folder, store=tmp_path / "1")
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        done = []

        def kill_one(progress):
            done.append(progress)
            if len(done) == 2:
                os.kill(next(iter(cluster.workers.values())).pid, signal.SIGKILL)

        prepare(folder, PrepareSettings(dask=cluster.scheduler_address), store=tmp_path / "2", on_progress=kill_one)
    assert (tmp_path / "1").read_bytes() == (tmp_path / "2").read_bytes()


# Formats and archives


def archived(folder: Path, path: Path) -> None:
    files = [p for p in sorted(folder.rglob("*")) if p.is_file()]
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in files:
                archive.write(file, file.relative_to(folder))
    else:
        with tarfile.open(path, "w:gz" if path.suffix != ".tar" else "w") as archive:
            for file in files:
                archive.add(file, file.relative_to(folder))


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz", "A.TGZ"])
def test_archives_are_read_in_place(folder, tmp_path, name):
    archived(folder, tmp_path / name)
    inside, plain = prepare(tmp_path), prepare(folder)
    assert [v.path for v in inside.verdicts] == [f"{name}/{v.path}" for v in plain.verdicts]
    assert [(v.content, v.cause, v.split) for v in inside.verdicts] == [
        (v.content, v.cause, v.split) for v in plain.verdicts
    ]
    assert os.listdir(tmp_path) == [name]


def test_a_bomb_is_refused_and_costs_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr("melody.corpus.discover.archives.MAX_UNPACKED", 20_000_000)
    midi.write(tune(0), tmp_path / "a.mid")
    block = bytes(1_000_000)
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        info = zipfile.ZipInfo("a.mid")
        info.compress_type = zipfile.ZIP_DEFLATED
        with archive.open(info, "w", force_zip64=True) as member:
            for _ in range(24):
                member.write(block)
    (tmp_path / "torn.zip").write_bytes((tmp_path / "bomb.zip").read_bytes()[:1000])
    start = time.process_time()
    verdicts = by_path(prepare(tmp_path))
    assert time.process_time() - start < 1
    assert "would unpack to more than 24 MB" in verdicts["bomb.zip"].reason
    assert verdicts["torn.zip"].cause == "damaged" and verdicts["a.mid"].status == "kept"


def test_a_large_member_is_over_the_limit(tmp_path):
    midi.write(tune(0), tmp_path / "a.mid")
    with zipfile.ZipFile(tmp_path / "b.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("big.mid", bytes(9_000_000))
    assert by_path(prepare(tmp_path))["b.zip/big.mid"].cause == "over a limit"


def test_nothing_is_unpacked_to_where_a_name_says(tmp_path):
    inside = tmp_path / "in"
    inside.mkdir()
    with zipfile.ZipFile(inside / "a.zip", "w") as archive:
        archive.writestr("../../escaped.mid", midi.to_bytes(tune(0)))
    data = midi.to_bytes(tune(1))
    with tarfile.open(inside / "b.tar", "w") as archive:
        info = tarfile.TarInfo("/escaped.mid")
        info.size = len(data)
        archive.addfile(info, io.BytesIO(data))
    assert len(prepare(inside).verdicts) == 2
    assert not [p for p in tmp_path.rglob("escaped.mid")]


def test_notation_is_read_and_a_version_of_its_midi(tmp_path):
    notes = list("CDEFGABcdcBAGFEDCEGcecGECFAcAFCD")
    (tmp_path / "air.abc").write_text("X:1\nT:Air\nM:4/4\nL:1/4\nK:C\n" + " ".join(notes) + " |\n")
    pitch = [dict(zip("CDEFGABcde", (60, 62, 64, 65, 67, 69, 71, 72, 74, 76)))[n] + 2 for n in notes]
    midi.write(Piece(np.arange(32) * 24, np.full(32, 24), pitch), tmp_path / "in D.mid")
    verdicts = by_path(prepare(tmp_path))
    assert verdicts["air.abc"].notes == 32
    assert verdicts["air.abc"].group == verdicts["in D.mid"].group


def test_links_in_circles_end(folder, tmp_path):
    (tmp_path / "a").mkdir()
    midi.write(tune(0), tmp_path / "a" / "a.mid")
    try:
        (tmp_path / "a" / "again").symlink_to(tmp_path / "a", target_is_directory=True)
    except OSError:
        pytest.skip("this system makes no links")
    assert [v.path for v in prepare(tmp_path).verdicts] == ["a/a.mid"]


def test_an_archive_is_a_folder_too_and_a_file_in_it_can_be_explained(tmp_path):
    for seed in range(4):
        midi.write(tune(seed), tmp_path / f"{seed}.mid")
    with zipfile.ZipFile(tmp_path / "songs.zip", "w") as archive:
        for seed in range(4):
            archive.write(tmp_path / f"{seed}.mid", f"old/{seed}.mid")
    whole = prepare(tmp_path / "songs.zip")
    assert [v.path for v in whole.verdicts] == [f"songs.zip/old/{seed}.mid" for seed in range(4)]
    alone = explain(tmp_path / "songs.zip" / "old" / "2.mid")
    assert (alone.path, alone.status, alone.notes) == ("songs.zip/old/2.mid", "kept", tune(2).num_notes)
    with pytest.raises(CorpusError, match=r"has no music of the name old/9\.mid; it has old/0"):
        explain(tmp_path / "songs.zip" / "old" / "9.mid")
    for path, what in ((tmp_path, "a folder"), (tmp_path / "songs.zip", "an archive")):
        with pytest.raises(CorpusError, match=f"is {what}, not one file; write: melody prepare"):
            explain(path)


def test_what_is_refused_is_told_in_one_line_of_its_own(tmp_path):
    midi.write(tune(0), tmp_path / "0.mid")
    (tmp_path / "bad.abc").write_text("X:1\nK:Q\n!!!")
    (tmp_path / "bad.tar").write_text("no archive")
    (tmp_path / "gone.mid").symlink_to(tmp_path / "nothing")
    reasons = {verdict.path: verdict.reason for verdict in prepare(tmp_path).verdicts}
    assert reasons["bad.abc"].startswith("it has no notes")
    assert "cannot be read (" in reasons["bad.tar"] and "is not there" in reasons["gone.mid"]
    assert not any("\n" in reason for reason in reasons.values())
    with pytest.raises(CorpusError, match="is an archive that cannot be read"):
        prepare(tmp_path / "bad.tar")


def test_a_store_of_another_folder_is_not_replaced(tmp_path: Path) -> None:
    for name, first in (("one", 0), ("two", 20)):
        (tmp_path / name).mkdir()
        for seed in range(first, first + 3):
            midi.write(tune(seed), tmp_path / name / f"{seed}.mid")
    prepare(tmp_path / "one", store=tmp_path / "songs.store")
    before = (tmp_path / "songs.store").read_bytes()
    with pytest.raises(CorpusError, match="was made of another folder, one; "):
        prepare(tmp_path / "two", store=tmp_path / "songs.store")
    assert (tmp_path / "songs.store").read_bytes() == before
