"""Shards in the work folder of a store: what was finished before a run was killed is not done again."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator
from pathlib import Path

from melody import files
from melody.corpus.validate.chunk import Task, Tasks
from melody.corpus.validate.progress import Counted
from melody.corpus.validate.shard import Shard, is_of
from melody.corpus.validate.workers import Earlier, worked
from melody.errors import CorpusError

AT_HAND = 8  # shards that are kept in memory besides being written


def finished(tasks: Tasks, work: Path, earlier: Earlier | None, progress: Counted) -> Callable[[], Iterator[Shard]]:
    """The shards of all tasks, in their order, each time they are asked for: those that are there, and the others made now.

    Parameters
    ----------
    tasks
        What there is to be done.
    work
        The folder for shards.
    earlier
        A store that may know some of the files.
    progress
        Counts them.
    """
    to_do = array("L")
    for number, task in tasks.numbered():
        done = _done(_at(work, number), task)
        if done:
            progress.add(done)
        else:
            to_do.append(number)
    at_hand: dict[int, Shard] = {}
    for number, shard in worked(tasks.numbered(to_do), len(to_do), tasks.settings, earlier):
        _save(_at(work, number), shard)
        progress.add(shard)
        if len(at_hand) < AT_HAND:
            at_hand[number] = shard

    def shards() -> Iterator[Shard]:
        numbers = range(len(tasks))
        return (at_hand.get(number) or Shard.from_bytes(_at(work, number).read_bytes()) for number in numbers)

    return shards


def _at(work: Path, number: int) -> Path:
    """The file of a shard."""
    return work / f"{number:06d}.shard"


def _save(path: Path, shard: Shard) -> None:
    """Write a shard; no waiting for the disk, as a power cut is found by the checksum and the shard made again."""
    try:
        temporary = path.with_suffix(".part")
        temporary.write_bytes(shard.to_bytes())
        temporary.replace(path)
    except OSError as error:
        raise files.FileError(
            f"cannot write {path}: {error.strerror or error}; free some space or name another place"
        ) from error


def _done(path: Path, task: Task) -> Shard | None:
    """The shard in a file, if it is that of the task and of the files as they are now."""
    if not path.exists():
        return None
    try:
        shard = Shard.from_bytes(path.read_bytes())
    except CorpusError:
        return None
    names = [task.chunk.shown(name) for name in task.chunk.names]
    if shard.key != task.key or [record.verdict.path for record in shard.file_records] != names:
        return None
    contents = task.chunk.read(task.settings.limits.max_bytes)
    return shard if all(map(is_of, shard.file_records, contents)) else None
