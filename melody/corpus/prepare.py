"""Folder -> `Corpus`: judge every file, find copies and versions, split, encode.

Nothing is dropped or changed in silence: every file gets a `Verdict`. The result depends on the contents of the folder and
the settings only, not on the order of files, the machine or the number of processes: the same folder gives the same bytes.

Files are judged in chunks, each by itself; what is found goes to a shard. What needs all files is decided from the shards,
one after another. With a store, the shards lie beside it until it is finished, and whatever was killed goes on from them.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from time import monotonic

import numpy as np

from melody import files
from melody.corpus import grid
from melody.corpus.judge import Task, hashed, judged
from melody.corpus.lock import work_folder
from melody.corpus.settings import PrepareSettings
from melody.corpus.shard import Judgement, Shard
from melody.corpus.sources import Listing, alone, listed
from melody.corpus.store import KIND, Corpus
from melody.corpus.verdict import Verdict
from melody.corpus.whole import Whole
from melody.corpus.workers import Earlier, worked
from melody.errors import CorpusError, MidiError

AT_HAND = 8  # shards that are kept in memory besides being written


@dataclass(frozen=True)
class Progress:
    """How far the work is: `done` of `files`, `notes` so far, `seconds` since it began."""

    done: int
    files: int
    notes: int
    seconds: float

    @property
    def seconds_left(self) -> float:
        """At the rate so far; infinite before the first file."""
        return (self.files - self.done) * self.seconds / self.done if self.done else float("inf")


def prepare(
    folder: str | os.PathLike[str],
    settings: PrepareSettings | None = None,
    *,
    store: str | os.PathLike[str] | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> Corpus:
    """The corpus in a folder.

    Parameters
    ----------
    folder
        With MIDI files, scores, folders and archives of them.
    settings
        How.
    store
        A file to write the corpus to, and to take what has not changed from; without it all stays in memory. Half-done
        work lies in a folder of that name and `.work` until it is finished.
    on_progress
        Called now and then.

    Raises
    ------
    CorpusError
        If the folder is missing, has no music, nothing of it could be kept, or `store` is a file of another kind.
    FileError
        If the store cannot be written.
    """
    settings = settings or PrepareSettings()
    listing = listed(Path(folder), None if store is None else Path(store))
    ticks_per_quarter, remark = settings.ticks_per_quarter, ""
    if ticks_per_quarter == "auto":
        ticks_per_quarter, remark = grid.chosen(listing.chunks, settings.limits)
    remarks = [line for line in (remark, _parts_told(settings), _others_told(listing)) if line]
    whole = Whole(Path(folder), settings, ticks_per_quarter, remarks, listing)
    if store is None:
        return _in_memory(whole, on_progress)
    return _in_store(whole, Path(store), on_progress)


def explain(path: str | os.PathLike[str], settings: PrepareSettings | None = None) -> Verdict:
    """The verdict on one file by itself: without copies, versions and split. It may lie in an archive: `songs.zip/a.mid`.

    Raises
    ------
    CorpusError
        If the path is a folder or an archive, or names what its archive does not hold.
    """
    settings = settings or PrepareSettings()
    chunk = alone(Path(path))
    ticks_per_quarter = settings.ticks_per_quarter
    if ticks_per_quarter == "auto":
        ticks_per_quarter, _ = grid.chosen([chunk], settings.limits)
    return judged(Task(chunk, settings, ticks_per_quarter)).judgements[0].verdict


def _parts_told(settings: PrepareSettings) -> str:
    if settings.part == "all":
        return "" if settings.drums else "all parts but drums are taken"
    by_rule = {"highest": "the highest part", "melodic": "the most melodic part"}
    return f"of each piece, {by_rule.get(settings.part, f'part {settings.part!r}')} is taken"


def _others_told(listing: Listing) -> str:
    what = "file is no music and was" if listing.others == 1 else "files are no music and were"
    return f"{listing.others:,} other {what} not looked at" if listing.others else ""


def _in_memory(whole: Whole, on_progress: Callable[[Progress], None] | None) -> Corpus:
    shards: dict[int, Shard] = {}
    progress = _Counted(whole.listing.files, on_progress)
    for number, shard in worked(_tasks(whole), len(whole.listing.chunks), whole.settings, None):
        shards[number] = shard
        progress.add(shard)
    buffer = BytesIO()
    whole.write(buffer, lambda: (shards[number] for number in range(len(shards))))
    return Corpus.of_bytes(np.frombuffer(buffer.getbuffer(), np.uint8))


def _tasks(whole: Whole, numbers: Iterable[int] | None = None) -> Iterator[tuple[int, Task]]:
    """Those tasks, or all, each with its number, made when they are asked for."""
    chunks = whole.listing.chunks
    for number in range(len(chunks)) if numbers is None else numbers:
        yield number, Task(chunks[number], whole.settings, whole.ticks_per_quarter)


def _in_store(whole: Whole, store: Path, on_progress: Callable[[Progress], None] | None) -> Corpus:
    judging, settings = whole.settings.judging(whole.ticks_per_quarter), whole.settings
    old = _earlier(store, judging)
    if old and old.same_settings(settings.to_dict()) and _unchanged(old, whole.listing, settings):
        return old
    del old  # a file that is mapped cannot be replaced on Windows
    with work_folder(store) as work:
        earlier = Earlier.at(store) if _earlier(store, judging) else None  # by now it may be another
        _make(whole, store, work, earlier, on_progress)
    return Corpus.open(store)


def _make(
    whole: Whole, store: Path, work: Path, earlier: Earlier | None, on_progress: Callable[[Progress], None] | None
) -> None:
    """Write the store, from the shards that are there and those that are not yet."""
    progress = _Counted(whole.listing.files, on_progress)
    to_do = array("L")
    for number, task in _tasks(whole):
        done = _done(_at(work, number), task)
        if done:
            progress.add(done)
        else:
            to_do.append(number)
    at_hand: dict[int, Shard] = {}
    for number, shard in worked(_tasks(whole, to_do), len(to_do), whole.settings, earlier):
        _save(_at(work, number), shard)
        progress.add(shard)
        if len(at_hand) < AT_HAND:
            at_hand[number] = shard

    def shards() -> Iterator[Shard]:
        numbers = range(len(whole.listing.chunks))
        return (at_hand.get(number) or Shard.from_bytes(_at(work, number).read_bytes()) for number in numbers)

    with files.replacing(store) as temporary, temporary.open("wb") as file:
        whole.write(file, shards)


def _at(work: Path, number: int) -> Path:
    """The file of a shard."""
    return work / f"{number:06d}.shard"


def _save(path: Path, shard: Shard) -> None:
    """Write a shard; no waiting for the disk, as a power cut is found by the check sum and the shard made again."""
    try:
        temporary = path.with_suffix(".part")
        temporary.write_bytes(shard.to_bytes())
        temporary.replace(path)
    except OSError as error:
        raise files.FileError(
            f"cannot write {path}: {error.strerror or error}; free some space or name another place"
        ) from error


def _earlier(store: Path, judging: str) -> Corpus | None:
    """The store of an earlier run, if its judgements will do for this one."""
    if not store.exists():
        return None
    try:
        old = Corpus.open(store)
        old.verify()
    except CorpusError:
        if not _is_ours(store):  # never overwrite what is no store
            raise
        return None
    return old if old.judging == judging else None


def _is_ours(store: Path) -> bool:
    """Whether a file begins like a store, though it may be damaged or of another version."""
    with store.open("rb") as file:
        return file.read(len(KIND)) == KIND


def _unchanged(old: Corpus, listing: Listing, settings: PrepareSettings) -> bool:
    """Whether the files of the folder are those that the store was made of, byte for byte."""
    if listing.files + len(listing.refused) != len(old.verdicts):
        return False
    number = 0
    for chunk in listing.chunks:
        for name, data in zip(chunk.names, chunk.read(settings.limits.max_bytes)):
            judgement = old.verdicts.judgement(number)
            if judgement.verdict.path != chunk.shown(name) or not _is_of(judgement, data):
                return False
            number += 1
    return [(v.path, v.reason) for v in old.verdicts[number:]] == listing.refused


def _is_of(judgement: Judgement, data: bytes | MidiError) -> bool:
    """Whether a judgement is of these bytes, or says why there are none."""
    if isinstance(data, MidiError):
        return not judgement.source and judgement.verdict.reason == str(data)
    return judgement.source == hashed(data)


def _done(path: Path, task: Task) -> Shard | None:
    """The shard in a file, if it is that of the task and of the files as they are now."""
    if not path.exists():
        return None
    try:
        shard = Shard.from_bytes(path.read_bytes())
    except CorpusError:
        return None
    names = [task.chunk.shown(name) for name in task.chunk.names]
    if shard.key != task.key or [j.verdict.path for j in shard.judgements] != names:
        return None
    contents = task.chunk.read(task.settings.limits.max_bytes)
    return shard if all(map(_is_of, shard.judgements, contents)) else None


class _Counted:
    """Tells of progress."""

    def __init__(self, total: int, on_progress: Callable[[Progress], None] | None) -> None:
        self._total, self._tell, self._start = total, on_progress, monotonic()
        self._done = self._notes = 0

    def add(self, shard: Shard) -> None:
        self._done += len(shard)
        self._notes += int(shard.notes.sum())
        if self._tell:
            self._tell(Progress(self._done, self._total, self._notes, monotonic() - self._start))
