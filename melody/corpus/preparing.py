"""Folder -> `Corpus`, in seven stages, each of which is a module or a folder of that name beside this file.

1. `discover`: which files there are, in folders and archives.
2. `read`: their bytes become events, on a grid that a sample decides; many files at once in `bulk`.
3. `validate`: a verdict on each file by itself. Files go through 2 and 3 in chunks, each of which becomes a shard.
4. `deduplicate`: which pieces are copies, and which are versions of one another.
5. `split`: versions of one piece stay together.
6. `encode`: all pieces decide the vocabulary, and become its tokens.
7. `store`: tokens, verdicts and splits in one file.

Nothing is dropped or changed in silence: every file gets a `Verdict`. The result depends on the contents of the folder and
the settings only, not on the order of files, the machine or the number of processes: the same folder gives the same bytes.
With a store, the shards lie beside it until it is finished, and whatever was killed goes on from them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from melody import files
from melody.corpus.deduplicate.piece_table import PieceTable
from melody.corpus.discover.listing import Listing, listed
from melody.corpus.encode.counting import merging_of, vocabulary_of
from melody.corpus.encode.finish import Finisher
from melody.corpus.read import grid_choice
from melody.corpus.settings import PrepareSettings
from melody.corpus.store import earlier
from melody.corpus.store.lock import work_folder
from melody.corpus.store.reader import Corpus
from melody.corpus.validate import half_done
from melody.corpus.validate.chunk import Tasks
from melody.corpus.validate.progress import Counted, Progress
from melody.corpus.validate.shard import Shard
from melody.corpus.validate.workers import Earlier, worked
from melody.errors import CorpusError
from melody.text import counted

OnProgress = Callable[[Progress], None]
Shards = Callable[[], Iterator[Shard]]  # gone through several times


@dataclass(frozen=True)
class _Job:
    """A folder, how it becomes a corpus, and what its files are."""

    folder: Path
    settings: PrepareSettings
    listing: Listing
    ticks_per_quarter: int
    remarks: Sequence[str]

    @property
    def tasks(self) -> Tasks:
        """The chunks of files to be read and validated."""
        return Tasks(self.listing.chunks, self.settings, self.ticks_per_quarter)

    @property
    def validation_key(self) -> str:
        """What the verdict on a single file depends on."""
        return self.settings.validation_key(self.ticks_per_quarter)


def prepare(
    folder: str | os.PathLike[str],
    settings: PrepareSettings | None = None,
    *,
    store: str | os.PathLike[str] | None = None,
    on_progress: OnProgress | None = None,
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
    ticks_per_quarter, remark = grid_choice.for_corpus(listing.chunks, settings)
    found = (_parts_remark(settings), _pedal_remark(settings), _beats_remark(settings))
    remarks = [line for line in (remark, *found, _others_remark(listing), _nested_remark(listing)) if line]
    job = _Job(Path(folder), settings, listing, ticks_per_quarter, remarks)
    if store is None:
        return _in_memory(job, on_progress)
    return _in_store(job, Path(store), on_progress)


def _in_memory(job: _Job, on_progress: OnProgress | None) -> Corpus:
    shards: dict[int, Shard] = {}
    progress = Counted(job.listing.files, on_progress)
    for number, shard in worked(job.tasks.numbered(), len(job.tasks), job.settings, None):
        shards[number] = shard
        progress.add(shard)
    buffer = BytesIO()
    _write(job, lambda: (shards[number] for number in range(len(shards))), buffer)
    return Corpus.of_bytes(np.frombuffer(buffer.getbuffer(), np.uint8))


def _in_store(job: _Job, store: Path, on_progress: OnProgress | None) -> Corpus:
    earlier.check_place(store)
    old = earlier.store_of(store, job.validation_key)
    made_of, folder = old.manifest_head["folder"] if old else "", _name(job.folder)
    if made_of and made_of != folder:
        raise CorpusError(
            f"{store} was made of another folder, {made_of}; name another file for {folder}, or delete that one"
        )
    if old and old.same_settings(job.settings.to_dict()) and earlier.is_unchanged(old, job.listing, job.settings):
        return old
    del old  # an open file cannot be replaced on Windows
    with work_folder(store) as work:
        known = Earlier.at(store) if earlier.store_of(store, job.validation_key) else None  # by now it may be another
        shards = half_done.finished(job.tasks, work, known, Counted(job.listing.files, on_progress))
        with files.replacing(store) as temporary, temporary.open("wb") as file:
            _write(job, shards, file)
    return Corpus.open(store)


def _write(job: _Job, shards: Shards, file: BinaryIO) -> None:
    """The store, from the shards of all files."""
    pieces = PieceTable.of(shards())
    if not len(pieces):
        raise CorpusError(_nothing_kept(job, shards()))
    copies = pieces.copies()
    groups = pieces.groups_of_versions(copies)
    splits = pieces.splits(groups, job.settings)
    merging = merging_of(pieces, copies, shards)
    vocabulary = vocabulary_of(pieces, copies, shards, job.settings, job.ticks_per_quarter, merging)
    finisher = Finisher(file, vocabulary, pieces, copies, groups, splits, merging)
    for shard in shards():
        finisher.add(shard)
    finisher.finish(job.listing.refused, _header(job, merging.remark))


def _header(job: _Job, remark: str) -> dict[str, Any]:
    return {
        "folder": _name(job.folder),
        "settings": job.settings.to_dict(),
        "ticks_per_quarter": job.ticks_per_quarter,
        "judging": job.validation_key,
        "remarks": [*job.remarks, *filter(None, [remark])],
    }


def _name(folder: Path) -> str:
    return Path(os.path.realpath(folder)).name


def _nothing_kept(job: _Job, shards: Iterator[Shard]) -> str:
    verdicts = (record.verdict for shard in shards for record in shard.file_records)
    reasons = [f"{v.path}: {v.reason}" for v in islice(verdicts, 3)]
    reasons += [f"{name}: {why}" for name, why in job.listing.refused[:3]]
    total = job.listing.files + len(job.listing.refused)
    return f"{job.folder}: nothing could be kept of {counted(total, 'file')}; {'; '.join(reasons[:3])}"


def _parts_remark(settings: PrepareSettings) -> str:
    if settings.part == "all":
        return "" if settings.drums else "all parts but drums are taken"
    by_rule = {"highest": "the highest part", "melodic": "the most melodic part"}
    return f"of each piece, {by_rule.get(settings.part, f'part {settings.part!r}')} is taken"


def _pedal_remark(settings: PrepareSettings) -> str:
    return "" if settings.pedal else "the pedal is left out: notes are as long as their keys are held"


def _beats_remark(settings: PrepareSettings) -> str:
    return "performances follow their beats where these are clear: verdicts say which do" if settings.find_beats else ""


def _others_remark(listing: Listing) -> str:
    what = "file is no music and was" if listing.others == 1 else "files are no music and were"
    return f"{listing.others:,} other {what} not looked at" if listing.others else ""


def _nested_remark(listing: Listing) -> str:
    if not listing.nested:
        return ""
    which = "archive within another was" if len(listing.nested) == 1 else "archives within others were"
    return f"{len(listing.nested):,} {which} not opened ({listing.nested[0]}): unpack the outer one"
