"""A corpus may be larger than memory: what is held of it does not grow with its files, but for some bytes of each."""

import os
import pickle
import sys
import tracemalloc
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import overload

import numpy as np
import pytest
from tunes import fill, tune

from melody.corpus import SPLITS, Corpus, prepare
from melody.corpus.manifest import columns_of
from melody.corpus.store.checksums import BLOCK, FileBytes
from melody.corpus.verdict import Verdict
from melody.dataset import Batches, BatchSettings
from melody.errors import CorpusError
from melody.tokens.vocabulary import Rows, Vocabulary


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("stores") / "store"
    prepare(fill(tmp_path_factory.mktemp("tunes")), store=path)
    return path


def most_bytes(make: Callable[[], object]) -> int:
    """The most memory that is taken while something is made."""
    tracemalloc.start()
    try:
        make()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


class Repeated(Sequence[Rows]):
    """One piece so many times, made when it is asked for."""

    def __init__(self, rows: Rows, times: int) -> None:
        self._rows, self._times = rows, times

    def __len__(self) -> int:
        return self._times

    @overload
    def __getitem__(self, index: int) -> Rows: ...
    @overload
    def __getitem__(self, index: slice) -> "Repeated": ...
    def __getitem__(self, index: int | slice) -> "Rows | Repeated":
        if isinstance(index, slice):
            return Repeated(self._rows, len(range(self._times)[index]))
        return self._rows[:] if range(self._times)[index] >= 0 else self._rows


@pytest.mark.parametrize(("share", "most"), [(0.0, 40), (0.5, 260)])
def test_batches_hold_some_bytes_of_each_piece(share: float, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A length and the possible transpositions, and of parts that play chords where else a piece could begin."""
    monkeypatch.setattr("melody.dataset.CACHE_BYTES", 0)
    vocabulary = Vocabulary.build([tune(0, 20)])
    rows, settings = vocabulary.encode(tune(0, 20)), BatchSettings(later_beginnings=share)
    assert vocabulary.is_chordal
    few, many = (most_bytes(lambda n=n: Batches(vocabulary, Repeated(rows, n), settings)) for n in (100, 1100))
    assert (many - few) / 1000 < most


def test_a_manifest_holds_no_more_than_its_words() -> None:
    def verdicts(count: int) -> Iterable[Verdict]:
        return (Verdict(f"{n:06d}.mid", "kept", notes=100, split="train", content=f"{n:032x}") for n in range(count))

    few, many = (most_bytes(lambda n=n: columns_of(verdicts(n))) for n in (100, 3100))
    assert (many - few) / 3000 < 150  # a path, a hash, a digit, a number


@pytest.mark.skipif(sys.platform != "linux", reason="looks at what Linux has mapped")
def test_a_store_is_read_and_not_mapped(store: Path) -> None:
    corpus = Corpus.open(store)
    assert sum(len(rows) for split in SPLITS for rows in corpus.rows(split)) and corpus.report()
    assert str(store) not in Path("/proc/self/maps").read_text()


def test_a_corpus_can_be_sent_to_another_process(store: Path) -> None:
    corpus = Corpus.open(store)
    again = pickle.loads(pickle.dumps(corpus))
    assert again.manifest == corpus.manifest
    assert all(np.array_equal(one, other) for one, other in zip(again.rows("train"), corpus.rows("train")))


def test_a_store_that_is_cut_short_while_it_is_open_is_an_error(store: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.store"
    copy.write_bytes(store.read_bytes())
    corpus = Corpus.open(copy)
    assert len(corpus.rows("train")[0])
    os.truncate(copy, 100)
    with pytest.raises(CorpusError, match=r"checksum is wrong|was cut short"):
        print(corpus.report(), list(corpus.rows("train")))


@pytest.mark.parametrize("has_pread", [True, False])
def test_bytes_of_a_file_are_those_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_pread: bool) -> None:
    if not has_pread:
        monkeypatch.delattr(os, "pread", raising=False)
    data = np.random.default_rng(0).bytes(3 * BLOCK + 5)
    (tmp_path / "file").write_bytes(data)
    held = FileBytes(tmp_path / "file")
    assert len(held) == len(data)
    for start, stop in ((0, 10), (BLOCK - 1, BLOCK + 1), (0, len(data)), (len(data) - 2, len(data) + 9), (7, 7)):
        assert held.read(start, stop).tobytes() == data[start:stop]
    with pytest.raises(OSError, match="No such file"):
        FileBytes(tmp_path / "none")
