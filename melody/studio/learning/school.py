"""The one training that runs at a time: its uploads, its process, its records; begun, stopped and gone on with."""

from __future__ import annotations

import multiprocessing
import re
import shutil
import threading
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path, PurePosixPath
from typing import Any

from melody.errors import StudioError
from melody.files import make_folder, write_bytes
from melody.modelfile import SUFFIX
from melody.studio.bench import models_here
from melody.studio.learning.apprentice import Lesson, Record, train
from melody.studio.pool import NO_PROCESS, STOP
from melody.studio.sheets import Sheet, sheet_of
from melody.training.paths import Paths

MAX_FILES, MAX_BYTES = 20_000, 2**30  # of uploads
MAX_RECORDS = 5_000
MAX_MINUTES = 24 * 60.0
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")
_SUFFIX = re.compile(r"\.[a-z0-9]{1,8}")


class School:
    """What is trained on, and by whom.

    Parameters
    ----------
    folder
        The studio's own.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._uploads = folder, folder / "uploads"
        self._files = self._bytes = 0
        self._records: list[Record] = []
        self._lesson: Lesson | None = None
        self._process: multiprocessing.process.BaseProcess | None = None
        self._connection: Connection | None = None  # to it
        self._is_stopping = False

    @property
    def is_running(self) -> bool:
        """Whether something is being trained."""
        return self._process is not None and self._process.is_alive()

    def state(self, since: int = 0) -> dict[str, Any]:
        """The records from that number on, and where the training stands."""
        lesson = self._lesson
        return {
            "running": self.is_running,
            "stopping": self.is_running and self._is_stopping,
            "files": self._files,
            "name": lesson.out.stem if lesson else None,
            "records": self._records[since:],
            "since": len(self._records),
            "resumable": bool(lesson and not self.is_running and Paths(lesson.out).resume.exists()),
            "samples": [path.stem for path in self._samples()],
        }

    def begin_uploads(self) -> None:
        """Forget the files of before.

        Raises
        ------
        StudioError
            If they are being trained on.
        """
        self._check_free()
        shutil.rmtree(self._uploads, ignore_errors=True)
        make_folder(self._uploads)
        self._files = self._bytes = 0

    def upload(self, name: str, data: bytes) -> None:
        """One file more; of its name the folders and what no file system takes are left out.

        Raises
        ------
        StudioError
            If it is too much.
        """
        self._check_free()
        if self._files >= MAX_FILES or self._bytes + len(data) > MAX_BYTES:
            raise StudioError(
                f"that is more than {MAX_FILES:,} files or {MAX_BYTES // 2**30} GB; train on them by melody train", 413
            )
        path = PurePosixPath(name.replace("\\", "/"))
        suffixes = "".join(s for s in (each.lower() for each in path.suffixes[-2:]) if _SUFFIX.fullmatch(s))
        stem = re.sub(r"[^\w -]", "-", path.name.split(".")[0])[:60].strip() or "file"
        make_folder(self._uploads)
        target = self._uploads / f"{stem}{suffixes}"
        if target.exists():
            target = self._uploads / f"{stem}-{self._files}{suffixes}"
        write_bytes(target, data)
        self._files += 1
        self._bytes += len(data)

    def start(self, name: object, minutes: float, base: object = None) -> None:
        """Train a model of that name on the uploads.

        Raises
        ------
        StudioError
            If something is being trained, there are no uploads, or the name cannot be taken.
        """
        self._check_free()
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise StudioError("a model's name has letters, digits, - and _, at most 40; give it one such as my-songs")
        known = models_here(self._folder)
        if name in known:
            raise StudioError(f"there is a model {name} already; give this one another name")
        if not self._files:
            raise StudioError("drop a folder or files of music first")
        _check_minutes(minutes)
        if base and str(base) not in known:
            raise StudioError(f"there is no model '{str(base)[:40]}' to begin from", 404)
        out = self._folder / "models" / f"{name}{SUFFIX}"
        self._begin(Lesson(self._uploads, out, minutes, base=known[str(base)] if base else None))

    def go_on(self, minutes: float) -> None:
        """Go on with the training that was stopped, for so long at most.

        Raises
        ------
        StudioError
            If there is none.
        """
        self._check_free()
        lesson = self._lesson
        if lesson is None or not Paths(lesson.out).resume.exists():
            raise StudioError("there is no training to go on with; start one")
        _check_minutes(minutes)
        self._begin(Lesson(lesson.folder, lesson.out, minutes, True, lesson.base))

    def stop(self) -> None:
        """End the training; the best model so far is kept. A second word would change nothing."""
        if self._connection is not None and self.is_running and not self._is_stopping:
            self._is_stopping = True
            with suppress(OSError):  # it ends by itself
                self._connection.send(STOP)

    def close(self) -> None:
        """End it for good, and wait a little for its best model."""
        self.stop()
        if self._process is not None:
            self._process.join(timeout=5)
            self._process.kill()

    def sample(self, name: str) -> Sheet:
        """A sample tune of the training.

        Raises
        ------
        StudioError
            If there is none of that name.
        """
        from melody import midi

        found = [path for path in self._samples() if path.stem == name]
        if not found:
            raise StudioError("there is no such sample tune", 404)
        return sheet_of(midi.read(found[0]))

    def _samples(self) -> list[Path]:
        return sorted(Paths(self._lesson.out).samples.glob("*.mid")) if self._lesson else []

    def _check_free(self) -> None:
        if self.is_running:
            raise StudioError("a training runs; stop it first, or wait for it")

    def _begin(self, lesson: Lesson) -> None:
        make_folder(lesson.out.parent)
        context = multiprocessing.get_context("spawn")
        try:
            ours, theirs = context.Pipe()
            with theirs:
                process = context.Process(target=train, args=(theirs, lesson))
                process.start()
        except (OSError, MemoryError) as error:
            raise StudioError(NO_PROCESS, 503) from error
        self._lesson, self._records, self._is_stopping = lesson, [], False
        self._process, self._connection = process, ours
        threading.Thread(target=self._take, args=(ours, self._records), daemon=True).start()

    def _take(self, connection: Connection, records: list[Record]) -> None:
        try:
            while True:  # whoever is not listened to does not go on
                record = connection.recv()
                is_next = record["kind"] == "reading" and records and records[-1]["kind"] == "reading"
                if is_next or len(records) >= MAX_RECORDS:
                    records[-1] = record
                else:
                    records.append(record)
        except (EOFError, OSError):
            pass
        if not records or records[-1]["kind"] not in ("done", "refused"):
            records.append(
                {"kind": "refused", "sentence": "the training has ended without a word; it may have run out of memory"}
            )


def _check_minutes(minutes: float) -> None:
    if not 0 < minutes <= MAX_MINUTES:
        raise StudioError(f"a training takes more than 0 and at most {MAX_MINUTES:,.0f} minutes")
