"""What all files of a corpus together decide, without holding them in memory: spilled columns, copies, the split, parts."""

import hashlib
import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import fields, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from tunes import by_path, fill, polyphonic, tune

from melody import midi
from melody.corpus import SPLITS, PrepareSettings, external_sort, prepare
from melody.corpus import events as ev
from melody.corpus.deduplicate.fingerprint import Notes, Voices
from melody.corpus.deduplicate.piece_table import PartUse, PieceTable
from melody.corpus.discover import listing
from melody.corpus.discover.listing import listed
from melody.corpus.external_sort import DiskColumn, disk_table, sorted_blocks
from melody.corpus.split import shuffled, split
from melody.corpus.validate.chunk import Task, validate
from melody.corpus.validate.shard import Shard, line_of
from melody.errors import CorpusError
from melody.piece import Part, Piece
from melody.tokens.usage import part_keys


@pytest.fixture
def tight(monkeypatch):
    """Next to nothing fits in memory."""
    monkeypatch.setattr(external_sort, "SMALL", 64)
    monkeypatch.setattr(external_sort, "ROWS", 7)
    monkeypatch.setattr(external_sort, "PART", 80)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = fill(tmp_path_factory.mktemp("tunes"))
    for seed in range(3):
        (folder / "again").mkdir(exist_ok=True)
        midi.write(tune(seed), folder / "again" / f"{seed}.mid")
        midi.write(polyphonic(seed), folder / "again" / f"poly{seed}.mid")
    return folder


def shard_of(folder: Path) -> Shard:
    listing = listed(folder)
    assert len(listing.chunks) == 1
    return validate(Task(listing.chunks[0], PrepareSettings(), 24))


# Columns in files


@pytest.mark.parametrize(("kind", "width"), [("u1", ()), ("<u4", (3,)), ("<u8", (1,))])
def test_a_column_is_the_array_it_was_made_of(tight, kind, width):
    rng = np.random.default_rng(0)
    rows = rng.integers(0, 256, (200, *width)).astype(kind)
    column = DiskColumn((kind, width))
    for some in np.split(rows, [0, 1, 5, 90, 90, 200]):
        column.extend(some)
        column.rows(3, 9)  # reading between writing
    assert len(column) == 200
    for start, stop in ((0, 200), (0, 0), (17, 40), (190, 300), (250, 300)):
        np.testing.assert_array_equal(column.rows(start, stop), rows[start:stop])
    for numbers in (rng.integers(0, 200, 50), np.arange(20, 30), np.zeros(0, int)):
        np.testing.assert_array_equal(column.take(numbers), rows[numbers])
    np.testing.assert_array_equal(np.concatenate([some for _, some in column.blocks(30)]), rows)
    assert [start for start, _ in column.blocks(30)] == list(range(0, 200, 30))


@pytest.mark.parametrize("size", [0, 3, 1000])
def test_a_table_holds_what_is_put_in_it(tight, size):
    numbers = disk_table(size, "<u4", 5)
    assert numbers.tolist() == [5] * size
    numbers[::2] = 7
    assert numbers.tolist() == ([7, 5] * size)[:size]
    assert external_sort.numbered(size).tolist() == list(range(size))


@pytest.mark.parametrize("width", [1, 3])
@pytest.mark.parametrize("size", [0, 1, 5, 400])
def test_sorting_by_ranges_is_sorting(tight, width, size):
    rng = np.random.default_rng(0)
    rows = rng.integers(0, 2**64, (size, width), np.uint64, endpoint=False)
    rows[: size // 2, 0] = rows[rng.integers(0, size, size // 2), 0]  # some first columns twice
    parts = list(sorted_blocks(np.array_split(rows, 7), size, width))
    assert np.concatenate([rows[:0], *parts]).tolist() == sorted(rows.tolist())
    firsts = [set(part[:, 0].tolist()) for part in parts]
    assert sum(map(len, firsts)) == len(set().union(*firsts))  # none comes in two parts


FULL = """
import resource, signal, sys
import numpy as np
from melody.corpus.external_sort import DiskColumn, disk_table
from melody.files import FileError, replacing
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, 2_000_000))
column = DiskColumn("u1")
for attempt in (lambda: column.extend(np.zeros(3_000_000)), lambda: disk_table(3_000_000, "u1")):
    try:
        with replacing(sys.argv[1]):
            attempt()
    except FileError as error:
        print(error)
"""


@pytest.mark.skipif(os.name == "nt", reason="needs a limit on the size of files")
def test_no_room_for_temporary_files_is_one_line_that_names_their_folder(tmp_path):
    command = [sys.executable, "-c", FULL, str(tmp_path / "store")]
    run = subprocess.run(command, env=os.environ | {"TMPDIR": str(tmp_path)}, capture_output=True, text=True, check=True)
    assert (
        run.stdout.splitlines()
        == [f"cannot write temporary files to {tmp_path} (File too large); free some space there or set TMPDIR"] * 2
    )
    assert not list(tmp_path.iterdir())


# Shards


def test_a_shard_is_the_same_from_its_bytes_and_damaged_ones_are_found(folder):
    shard = shard_of(folder)
    data = shard.to_bytes()
    again = Shard.from_bytes(data)
    for field in fields(Shard):
        one, other = getattr(shard, field.name), getattr(again, field.name)
        if field.name == "events":
            one, other = one.columns, other.columns
        assert all(map(np.array_equal, one, other)) if field.name == "events" else np.array_equal(one, other)
    assert again.to_bytes() == data
    rng = np.random.default_rng(0)
    for at in rng.integers(0, len(data), 12).tolist():
        for damaged in (data[:at], data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]):
            with pytest.raises(CorpusError, match="damaged"):
                Shard.from_bytes(damaged)


def test_a_line_is_what_its_judgement_says_and_agrees_with_the_columns(folder):
    shard = shard_of(folder)
    kept = iter(range(len(shard.events)))
    for number, (line, file_record) in enumerate(zip(shard.lines, shard.file_records)):
        verdict = file_record.verdict
        assert json.loads(line) == json.loads(line_of(file_record.to_dict()))
        assert ("kept", "repaired", "rejected")[shard.status[number]] == verdict.status
        assert (shard.cause[number] == 0) == (verdict.cause == "") and shard.notes[number] == verdict.notes
        assert int(file_record.source[:16], 16) == shard.sources[number]
        if verdict.status != "rejected":
            assert shard.contents[next(kept)].tobytes().hex() == verdict.content
    assert next(kept, None) is None


# Parts


def rests_slowly(piece: Piece, number: int) -> tuple[int, int]:
    """How many notes a part has, and after how many of them the next one does not begin where they end."""
    mine = sorted((int(o), int(p), int(o + d)) for o, p, d, n in zip(*notes_of(piece)) if n == number)
    ends = [end for _, _, end in mine]
    begins = [onset for onset, _, _ in mine]
    return len(mine), sum(i + 1 == len(mine) or begins[i + 1] != end for i, end in enumerate(ends))


def notes_of(piece: Piece):
    return piece.onset, piece.pitch, piece.duration, piece.part


@pytest.mark.parametrize("seed", range(8))
def test_notes_and_rests_of_parts_are_those_of_the_pieces(seed):
    rng = np.random.default_rng(seed)
    pieces = [polyphonic(seed), tune(seed, 30)]
    for _ in range(4):  # tunes that go on and rest by turns, of two parts of one instrument
        duration = rng.integers(1, 4, 30) * 6
        onset = np.cumsum(duration + 6 * (rng.random(30) < 0.3)) - duration
        parts = (Part(0), Part(0))
        pieces.append(Piece(onset, duration, rng.integers(50, 70, 30), part=rng.integers(0, 2, 30), parts=parts))
    voices = Voices.of(Notes.of(ev.joined(ev.of_piece(piece) for piece in pieces)))
    told = zip(voices.piece.tolist(), voices.kind.tolist(), voices.notes.tolist(), voices.rests.tolist())
    slowly = []
    for number, piece in enumerate(pieces):
        kinds = {ev.kind_of(key): i for i, key in enumerate(part_keys(piece.parts))}
        used = [(kind, part) for kind, part in sorted(kinds.items()) if np.any(piece.part == part)]
        slowly += [(number, kind, *rests_slowly(piece, part)) for kind, part in used]
    assert list(told) == slowly


def test_no_notes_have_no_parts():
    voices = Voices.of(Notes.of(ev.empty()))
    assert not len(voices.piece) and not len(voices.rests) and not len(voices.monophonic) and not len(voices.sketches()[0])


@pytest.mark.parametrize("chunk", [2, 256])
def test_what_parts_play_is_added_up_over_all_pieces_but_copies(folder, tight, monkeypatch, chunk):
    monkeypatch.setattr(listing, "CHUNK_FILES", chunk)
    table_of_pieces, found = PieceTable(), listed(folder)
    for task in (Task(some, PrepareSettings(), 24) for some in found.chunks):
        table_of_pieces.add(validate(task))
    uses: Counter[tuple] = Counter()
    names: dict[int, set[str]] = {}
    for use in table_of_pieces.parts(table_of_pieces.copies()):
        assert isinstance(use, PartUse)
        names.setdefault(use.kind, set()).add(use.name)
        uses[use.kind, "notes"] += use.notes
        uses[use.kind, "rests"] += use.rests
    expected: Counter[tuple] = Counter()
    for name in (v.path for v in prepare(folder).verdicts if v.status != "rejected"):
        piece = midi.read(folder / name)
        for part, key in enumerate(part_keys(piece.parts)):
            notes, rests = rests_slowly(piece, part)
            expected[ev.kind_of(key), "notes"] += notes
            expected[ev.kind_of(key), "rests"] += rests
    assert {key: n for key, n in uses.items() if n} == {key: n for key, n in expected.items() if n}
    assert names[ev.kind_of((0, False, 0))] == {"Melody"}


# The split


def split_slowly(groups: dict[str, int], valid: float, test: float, seed: int) -> dict[str, str]:
    """The rule, group by group: in the order of a hash, to test or valid where there is room, else to train."""
    order = sorted(groups, key=lambda name: hashlib.sha256(f"{seed}:{name}".encode()).digest())
    total = sum(groups.values())
    room = {"test": int(test * total + 0.5), "valid": max(int(valid * total + 0.5), int(valid > 0))}
    splits = {}
    for name in order:
        side = next((s for s in ("test", "valid") if groups[name] <= room[s]), "train")
        if side != "train":
            room[side] -= groups[name]
        splits[name] = side
    if len(order) > 1 and valid > 0 and "valid" not in splits.values():
        splits[min(order, key=lambda name: groups[name])] = "valid"
    if order and "train" not in splits.values():
        splits[max(order, key=lambda name: groups[name])] = "train"
    return splits


def split_of(groups: dict[str, int], valid: float = 0.1, test: float = 0.1, seed: int = 0) -> dict[str, str]:
    names = np.frombuffer(bytes.fromhex("".join(groups)), np.uint8).reshape(-1, 16)
    numbers = np.arange(len(names))
    blocks = [(numbers[some], names[some]) for some in np.array_split(numbers, 3)]
    splits = split(shuffled(blocks, len(names), seed), np.array(list(groups.values()), np.int64), valid=valid, test=test)
    return {name: SPLITS[side] for name, side in zip(groups, splits.tolist())}


def named(sizes) -> dict[str, int]:
    return {hashlib.md5(str(i).encode()).hexdigest(): int(n) for i, n in enumerate(sizes)}


def test_the_split_is_the_rule_applied_group_by_group(tight):
    rng = np.random.default_rng(0)
    for seed in range(60):
        groups = named(rng.integers(1, rng.integers(2, 30), rng.integers(1, 60)))
        valid, test = rng.choice([0, 0.05, 0.1, 0.3, 0.5], 2).tolist()
        assert split_of(groups, valid, test, seed) == split_slowly(groups, valid, test, seed)


def test_the_split_depends_on_names_and_seed_alone():
    groups = named(1 + i % 3 for i in range(200))
    splits = split_of(groups, test=0.2, seed=1)
    assert split_of(dict(reversed(groups.items())), test=0.2, seed=1) == splits
    assert split_of(groups, test=0.2, seed=2) != splits
    total = sum(groups.values())
    for name, share in (("valid", 0.1), ("test", 0.2), ("train", 0.7)):
        assert abs(sum(groups[g] for g in groups if splits[g] == name) / total - share) < 0.02


@pytest.mark.parametrize("sizes", [[1, 1], [5, 1], [1] * 5, [100, 1, 1], [3, 3, 3]])
def test_small_corpora_keep_something_to_train_on_and_to_choose_by(sizes):
    for seed in range(20):
        groups = named(sizes)
        splits = split_of(groups, seed=seed)
        assert splits == split_slowly(groups, 0.1, 0.1, seed)
        assert {"train", "valid"} <= set(splits.values())
        assert sum(n for g, n in groups.items() if splits[g] == "train") * 2 >= sum(sizes)


def test_valid_has_room_for_a_piece_whatever_its_share():
    """Of five, a twentieth: the first goes to test, the second to valid."""
    for seed in range(10):
        groups = named([1] * 5)
        found = split_of(groups, valid=0.05, test=0.2, seed=seed)
        assert found == split_slowly(groups, valid=0.05, test=0.2, seed=seed)
        assert sorted(found.values()) == ["test", "train", "train", "train", "valid"]


def test_where_the_only_group_for_training_goes_to_valid_another_comes_back():
    """Two groups that test has room for, one at a time: valid takes the smaller one, so train takes the other."""
    for seed in range(20):
        groups = named([6, 5])
        sides = split_of(groups, valid=0.1, test=0.55, seed=seed)
        assert sides == split_slowly(groups, valid=0.1, test=0.55, seed=seed)
        assert set(sides.values()) == {"train", "valid"}


# All of it


def test_without_memory_the_store_is_the_same(folder, tmp_path, monkeypatch):
    prepare(folder, store=tmp_path / "plenty")
    for name, value in (("SMALL", 64), ("ROWS", 7), ("PART", 80)):
        monkeypatch.setattr(external_sort, name, value)
    monkeypatch.setattr(listing, "ENTRIES", 3)
    prepare(folder, store=tmp_path / "tight")
    assert (tmp_path / "tight").read_bytes() == (tmp_path / "plenty").read_bytes()


def test_copies_name_the_first_file_whichever_chunk_it_is_in(tmp_path, monkeypatch):
    monkeypatch.setattr(listing, "CHUNK_FILES", 2)
    for number in range(9):
        midi.write(tune(number % 3), tmp_path / f"{number}.mid")
    verdicts = by_path(prepare(tmp_path))
    reasons = [verdicts[f"{number}.mid"].reason for number in range(9)]
    assert reasons == [""] * 3 + [f"has the same notes as {number}.mid" for number in (0, 1, 2)] * 2


def test_a_copy_ties_no_versions_and_names_no_part(tmp_path):
    """As if it were not there: neither its file's name nor those of its parts count."""
    (tmp_path / "b").mkdir()
    midi.write(tune(0), tmp_path / "a.mid")
    copy = replace(tune(0), parts=tuple(replace(part, name="Other") for part in tune(0).parts))
    midi.write(copy, tmp_path / "b" / "song.mid")
    midi.write(tune(1), tmp_path / "b" / "song (1).mid")
    corpus = prepare(tmp_path)
    verdicts = by_path(corpus)
    assert verdicts["b/song.mid"].cause == "copy"
    assert verdicts["a.mid"].group != verdicts["b/song (1).mid"].group
    assert {part.name for part in corpus.vocabulary.parts} == {"Melody", "Chords"}


# Listing


def test_names_come_in_the_order_of_whole_paths(tmp_path, monkeypatch):
    names = [
        "a.mid",
        "a/b.mid",
        "a/b/c.mid",
        "a b/x.mid",
        "ab.mid",
        "a-/y.mid",
        "a!.mid",
        "B.mid",
        "a/b!.mid",
        "z/\u00e9.mid",
    ]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "readme.txt").write_text("no music")
    for entries, files in ((1 << 16, 256), (2, 3)):
        monkeypatch.setattr(listing, "ENTRIES", entries)
        monkeypatch.setattr(listing, "CHUNK_FILES", files)
        found = listed(tmp_path)
        assert [name for chunk in found.chunks for name in chunk.names] == sorted(names)
        assert (found.files, found.others) == (len(names), 1)
        assert found.chunks[-1] == found.chunks[:][-1] and found.chunks[-1].names[-1] == "z/\u00e9.mid"


@pytest.mark.skipif(os.name == "nt", reason="names there are always text")
def test_names_that_are_no_text_are_read_and_shown(tmp_path):
    path = os.fsencode(tmp_path) + b"/\xff\n.mid"
    try:
        with open(path, "wb") as file:
            file.write(midi.to_bytes(tune(0)))
    except OSError:
        pytest.skip("this system takes no such names")
    (verdict,) = prepare(tmp_path).verdicts
    assert verdict.status == "kept" and verdict.path == "\\udcff\\n.mid"


# Events of several pieces


def random_events(rng):
    sizes = rng.integers(0, 90, rng.integers(0, 12))
    starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    columns = [rng.integers(0, 1 + rng.integers(0, 6), starts[-1]) for _ in ev.COLUMNS]
    return ev.Events(starts, *columns)


def test_chosen_pieces_come_in_the_order_asked_for():
    rng = np.random.default_rng(0)
    for _ in range(200):
        events = random_events(rng)
        pieces = rng.integers(0, len(events), rng.integers(0, 9)) if len(events) else np.zeros(0, np.int64)
        for order in (pieces, np.sort(pieces), np.arange(len(events) // 2, len(events))):
            chosen = events.choose(order)
            assert len(chosen) == len(order)
            for one, other in zip(chosen.columns, events.columns):
                parts = [other[events.starts[p] : events.starts[p + 1]].tolist() for p in order]
                assert [one[a:b].tolist() for a, b in pairwise(chosen.starts)] == parts


def test_rows_that_are_few_are_found_as_others_are():
    rng = np.random.default_rng(1)
    for _ in range(200):
        events = random_events(rng)
        assert events.change_rows.tolist() == np.flatnonzero(events.kind < 3).tolist()
        later = events.later(events.change_rows).tolist()
        assert later == [bool(events.tick[row] > 0) for row in events.change_rows]
