"""What becomes of one file, and why."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from melody.corpus.discover.listing import Chunk, alone, listed
from melody.corpus.preparing import prepare
from melody.corpus.read import grid_choice
from melody.corpus.settings import PrepareSettings
from melody.corpus.validate.chunk import Task, validate
from melody.corpus.validate.progress import Progress
from melody.corpus.verdict import Verdict
from melody.errors import CorpusError
from melody.text import for_terminal


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
        Of the file; it may lie in an archive: `songs.zip/a.mid`. With a `folder`, its name as the verdicts have it, or the
        last part of that where no other file has it, will do as well.
    settings, on_progress
        As for `prepare`.
    folder
        The folder or archive that it is looked at with; by default the one that it lies in.

    Raises
    ------
    CorpusError
        If the path is a folder or an archive, names what its archive does not hold, or does not lie in `folder`.
    """
    settings = settings or PrepareSettings()
    path = Path(path) if folder is None else _found(Path(path), Path(folder))
    chunk = alone(path)
    where = Path(folder) if folder else Path(chunk.folder, chunk.archive)
    shown = chunk.shown(chunk.names[0]) if folder is None else _name_within(path, where)
    others = _others(where)
    ticks_per_quarter, _ = grid_choice.for_corpus(others or [chunk], settings)
    verdict = validate(Task(chunk, settings, ticks_per_quarter)).file_records[0].verdict
    if verdict.status != "rejected" and others:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
            corpus = prepare(where, settings, store=Path(scratch) / "store", on_progress=on_progress)
            verdict = next((found for found in corpus.verdicts if found.path == shown), verdict)
            others_of_it = [o.path for o in corpus.verdicts if o.group and o.group == verdict.group and o.path != shown]
            verdict = replace(verdict, versions=tuple(others_of_it))
            del corpus  # which Windows would not remove
    return replace(verdict, path=shown)


def _found(path: Path, folder: Path) -> Path:
    """The file of that name in a folder or an archive; the path itself where there is such a file.

    Raises
    ------
    CorpusError
        If several files have the name.
    """
    if path.exists() or any(outer.is_file() for outer in path.parents) or path.is_absolute():
        return path
    wanted = for_terminal(path.as_posix())
    names = [(chunk, name) for chunk in _others(folder) for name in chunk.names]
    same = [(chunk, name) for chunk, name in names if f"/{chunk.shown(name)}".endswith(f"/{wanted}")]
    exact = [(chunk, name) for chunk, name in same if chunk.shown(name) == wanted]
    if len(same) > 1 and not exact:
        some = ", ".join(chunk.shown(name) for chunk, name in same[:3])
        raise CorpusError(f"{len(same):,} files in {folder} are named {path}: {some}; name one of them")
    if not same:
        raise CorpusError(f"{folder} has no music of the name {path}; name a file as the verdicts do, or by its path")
    chunk, name = (exact or same)[0]
    return Path(chunk.folder, chunk.archive, name)


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
