"""Folder -> `Corpus`: judge every file, find copies and versions, split, encode.

Nothing is dropped or changed in silence: every file gets a `Verdict`. The result depends on the contents of the folder and
the settings only, not on the order of files, the machine or the number of processes: the same folder gives the same bytes.

Files are judged in chunks, each by itself; what is found goes to a shard. What needs all files is decided from the shards,
one after another. With a store, the shards lie beside it until it is finished, and whatever was killed goes on from them.
"""

from __future__ import annotations

import os
import tempfile
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from stat import S_ISREG
from time import monotonic

import numpy as np

from melody import files
from melody.corpus.discover.listing import Chunk, Listing, alone, listed
from melody.corpus.finalise import Whole
from melody.corpus.read import grid_choice
from melody.corpus.settings import PrepareSettings
from melody.corpus.store.lock import work_folder
from melody.corpus.store.reader import KIND, Corpus
from melody.corpus.validate.chunk import Task, hashed, judged, reason_of
from melody.corpus.validate.shard import Judgement, Shard
from melody.corpus.validate.workers import Earlier, worked
from melody.corpus.verdict import Verdict
from melody.errors import CorpusError, MidiError
from melody.text import for_terminal

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
        ticks_per_quarter, remark = grid_choice.chosen(listing.chunks, settings.limits)
    remarks = [line for line in (remark, _parts_told(settings), _others_told(listing)) if line]
    whole = Whole(Path(folder), settings, ticks_per_quarter, remarks, listing)
    if store is None:
        return _in_memory(whole, on_progress)
    return _in_store(whole, Path(store), on_progress)


def explain(
    path: str | os.PathLike[str],
    settings: PrepareSettings | None = None,
    *,
    folder: str | os.PathLike[str] | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> Verdict:
    """The verdict on one file that `prepare` comes to: on the grid of its folder, and with the copies and versions in it.

    A file that is rejected for itself costs no more than reading it; for any other the whole folder is prepared.

    Parameters
    ----------
    path
        Of the file; it may lie in an archive: `songs.zip/a.mid`.
    settings, on_progress
        As for `prepare`.
    folder
        The folder or archive that it is looked at with; by default the one that it lies in.

    Raises
    ------
    CorpusError
        If the path is a folder or an archive, names what its archive does not hold, or does not lie in `folder`.
    """
    settings, chunk = settings or PrepareSettings(), alone(Path(path))
    where = Path(folder) if folder else Path(chunk.folder, chunk.archive)
    shown = chunk.shown(chunk.names[0]) if folder is None else _name_within(Path(path), where)
    others = _others(where)
    ticks_per_quarter = settings.ticks_per_quarter
    if ticks_per_quarter == "auto":
        ticks_per_quarter, _ = grid_choice.chosen(others or [chunk], settings.limits)
    verdict = judged(Task(chunk, settings, ticks_per_quarter)).judgements[0].verdict
    if verdict.status != "rejected" and others:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
            corpus = prepare(where, settings, store=Path(scratch) / "store", on_progress=on_progress)
            verdict = next((found for found in corpus.verdicts if found.path == shown), verdict)
            del corpus  # which Windows would not remove
    return replace(verdict, path=shown)


def _others(where: Path) -> Sequence[Chunk]:
    """The music that a file is looked at with; none where it lies among none."""
    try:
        return listed(where).chunks
    except CorpusError:
        return []


def _name_within(path: Path, folder: Path) -> str:
    real, within = Path(os.path.realpath(path.parent)) / path.name, os.path.realpath(folder)  # it may be a link itself
    if not real.is_relative_to(within):
        raise CorpusError(f"{path} does not lie in {folder}; name the folder that it lies in, or none")
    name = real.relative_to(within).as_posix()
    return for_terminal(f"{folder.name}/{name}" if os.path.isfile(folder) else name)


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
    _check_place(store)
    judging, settings = whole.settings.judging(whole.ticks_per_quarter), whole.settings
    old = _earlier(store, judging)
    made_of, folder = old.manifest["folder"] if old else "", Path(os.path.realpath(whole.folder)).name
    if made_of and made_of != folder:
        raise CorpusError(
            f"{store} was made of another folder, {made_of}; name another file for {folder}, or delete that one"
        )
    if old and old.same_settings(settings.to_dict()) and _unchanged(old, whole.listing, settings):
        return old
    del old  # a file that is mapped cannot be replaced on Windows
    with work_folder(store) as work:
        earlier = Earlier.at(store) if _earlier(store, judging) else None  # by now it may be another
        _make(whole, store, work, earlier, on_progress)
    return Corpus.open(store)


def _check_place(store: Path) -> None:
    """Raise `CorpusError` where no store can be, before any work is done."""
    try:
        what = "" if S_ISREG(os.stat(store).st_mode) else "is a folder" if os.path.isdir(store) else "is no file"
    except FileNotFoundError:
        what = ""
    except OSError as error:
        what = f"cannot be written ({error.strerror})"
    if what or not store.name:
        raise CorpusError(f"{store} {what or 'is no name'}; name a file for the store, such as songs.store")


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
    if not os.path.exists(store):
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
    try:
        with store.open("rb") as file:
            return file.read(len(KIND)) == KIND
    except OSError:
        return False


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
        return not judgement.source and judgement.verdict.reason == reason_of(data)
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
