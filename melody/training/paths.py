"""Where a training writes: the model file and what stands beside it. What is there stays, unless it may be replaced."""

from __future__ import annotations

import os
from dataclasses import dataclass
from glob import escape
from itertools import count
from pathlib import Path

from melody.files import FileError
from melody.modelfile import SUFFIX
from melody.originality.index import beside


@dataclass(frozen=True)
class Paths:
    """What a run writes beside its model file NAME.safetensors."""

    model: Path

    @property
    def resume(self) -> Path:
        """What a resumed run needs; gone when the run has ended of itself."""
        return self.model.with_name(self.model.name + ".resume")

    @property
    def csv(self) -> Path:
        """A line an epoch."""
        return self.model.with_suffix(".csv")

    @property
    def png(self) -> Path:
        """The loss curves."""
        return self.model.with_suffix(".png")

    @property
    def index(self) -> Path:
        """The index of the training pieces."""
        return beside(self.model)

    @property
    def samples(self) -> Path:
        """Folder of sample tunes."""
        return self.model.with_suffix(".samples")

    @property
    def tensorboard(self) -> Path:
        """Folder that TensorBoard reads."""
        return self.model.with_suffix(".tensorboard")

    @property
    def written(self) -> tuple[Path, ...]:
        """What every run writes: the model, its index, the losses and their picture, sample tunes."""
        return self.model, self.index, self.csv, self.png, self.samples


def default_out(folder: Path, nameless: str = "model", suffix: str = SUFFIX) -> Path:
    """Where the model of a folder or store goes if nobody says: checkpoints/NAME.safetensors, found by its name."""
    return Path("checkpoints") / f"{folder.resolve().name.removesuffix('.store') or nameless}{suffix}"


def target(folder: Path, out: Path | None, *, resume: bool = False, force: bool = False) -> Path:
    """The model file that a run writes.

    Parameters
    ----------
    folder
        The music.
    out
        The file that was named; None for `default_out`, or NAME-2, NAME-3 ... if something is there.
    resume
        Whether an interrupted run goes on: it writes what it has begun, if none was named the latest of the folder.
    force
        Whether files may be replaced.

    Raises
    ------
    FileError
        If the file that was named, or what is written beside it, is there.
    """
    if out is None:
        default = default_out(folder)
        return _latest(default) if resume else _free(default, force)
    for path in () if resume or force else Paths(out).written:
        if os.path.lexists(path) and not os.path.isdir(path):
            raise FileError(f"{path} is there already; name another file, or replace it with `force=True`")
    return out


def _free(default: Path, force: bool) -> Path:
    """The first of NAME, NAME-2 ... of which nothing is there."""
    names = (default.with_name(f"{default.stem}{f'-{number}' if number > 1 else ''}{default.suffix}") for number in count(1))
    return next(name for name in names if force or not any(map(os.path.lexists, Paths(name).written)))


def _latest(default: Path) -> Path:
    """Of the runs of a folder the interrupted one that was at work last."""
    runs = (default, *default.parent.glob(f"{escape(default.stem)}-[0-9]*{SUFFIX}"))
    resumes = {run: Paths(run).resume for run in runs}
    return max(runs, key=lambda run: resumes[run].stat().st_mtime if resumes[run].is_file() else 0.0)
