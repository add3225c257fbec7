"""One chunk of files -> a shard: their pieces, and a verdict on each by itself, nothing of copies, groups and splits."""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from melody.corpus import bulk, events
from melody.corpus.bulk import PackedSource
from melody.corpus.deduplicate import untimed
from melody.corpus.deduplicate.fingerprint import SKETCH, Notes, Voices
from melody.corpus.deduplicate.versions import song
from melody.corpus.discover.listing import Chunk, is_score
from melody.corpus.events import Events
from melody.corpus.read import part_selection
from melody.corpus.read.mending import mended
from melody.corpus.read.two_hands import in_two_hands
from melody.corpus.settings import PrepareSettings
from melody.corpus.validate.shard import CAUSES, STATUSES, FileRecord, Shard, hashed, line_of, reason_of
from melody.corpus.verdict import Cause, Status
from melody.errors import CorpusError, MelodyError, MidiError
from melody.midi.file_events import Source, source_of, to_piece
from melody.piece import Part, Piece
from melody.text import counted, for_terminal
from melody.tokens.usage import part_keys

NAME_LENGTH = 64  # of a part


@dataclass(frozen=True)
class Task:
    """What a worker gets: files, and all that their verdicts depend on."""

    chunk: Chunk
    settings: PrepareSettings
    ticks_per_quarter: int

    @property
    def key(self) -> str:
        """Equal for two tasks on the same files if the shard of one will do for the other."""
        return self.settings.validation_key(self.ticks_per_quarter)


@dataclass(frozen=True)
class Tasks:
    """A task for each chunk, made when it is asked for."""

    chunks: Sequence[Chunk]
    settings: PrepareSettings
    ticks_per_quarter: int

    def __len__(self) -> int:
        return len(self.chunks)

    def numbered(self, numbers: Iterable[int] | None = None) -> Iterator[tuple[int, Task]]:
        """The tasks of those numbers, or all, each with its number."""
        for number in range(len(self)) if numbers is None else numbers:
            yield number, Task(self.chunks[number], self.settings, self.ticks_per_quarter)


def validate(task: Task, known: Known | None = None) -> Shard:
    """The shard of a task; a file whose bytes are `known` already is not read again."""
    _keep_freed_memory()
    with no_search_for_garbage():
        reader = _ChunkReader(task, known)
        names = map(task.chunk.shown, task.chunk.names)
        # One kind of work after the other: code that is in the processor's cache runs in half the time.
        for contents in bulk.gathered(task.chunk.read(task.settings.limits.max_bytes)):
            sources = [hashed(data) for data in contents]
            for source, data in zip(sources, contents):
                reader.take(next(names), source, data)
            reader.read_midi()
            reader.read_waiting()
        reader.keep_remembered()
        return reader.shard(task.key)


@contextmanager
def no_search_for_garbage() -> Iterator[None]:
    """Python does not look for circles of objects meanwhile.

    What reads files makes none, but so many objects that the search takes a tenth of the time.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@lru_cache(maxsize=1)
def _keep_freed_memory() -> None:
    """Some hundred kB are asked for and freed again at every step, which Linux would clear each time.

    Its C library keeps as much freed memory as the largest block that was ever freed, up to 32 MB.
    """
    bytearray(1 << 25)


class Known(Protocol):
    """An earlier corpus that may hold some files already."""

    def find(self, source: str) -> tuple[FileRecord, int] | None:
        """The record of a file with that hash of its bytes, and the number of its piece (-1 if it was rejected)."""

    def pieces(self, numbers: Sequence[int]) -> Events:
        """The pieces of those numbers."""


@dataclass
class _File:
    """A file of the chunk; `place` is that of its piece among all that were kept, -1 if it was rejected."""

    path: str
    source: str
    cause: Cause = ""
    reason: str = ""
    notes: int = 0
    repairs: Sequence[str] = ()
    part: str = ""
    names: dict[int, str] = field(default_factory=dict)
    place: int = -1

    def refuse(self, error: MelodyError) -> None:
        """It is rejected because of that."""
        self.reason = reason_of(error)
        causes: dict[str, Cause] = {"the limit is": "over a limit", "give one tune a file": "several tunes"}
        self.cause = next((cause for words, cause in causes.items() if words in self.reason), "damaged")

    @property
    def status(self) -> Status:
        """As in `Verdict`."""
        return "rejected" if self.cause else "repaired" if self.repairs else "kept"

    def line(self, content: str) -> bytes:
        """The line of its record: what `FileRecord.to_dict` would give, without making one."""
        data = {"path": self.path, "status": self.status, "cause": self.cause, "reason": self.reason, "notes": self.notes}
        data |= {"repairs": self.repairs, "part": self.part, "content": content, "source": self.source, "names": self.names}
        return line_of({name: value for name, value in data.items() if value})


class _ChunkReader:
    """Takes files one by one; those that can be read together wait for one another."""

    def __init__(self, task: Task, known: Known | None) -> None:
        self._settings, self._grid, self._known = task.settings, task.ticks_per_quarter, known
        self._files: list[_File] = []
        self._kept: list[Events] = []
        self._places = 0
        self._midi: list[tuple[_File, bytes]] = []
        self._waiting: list[tuple[_File, PackedSource, list[str]]] = []
        self._remembered: list[tuple[_File, int]] = []

    def take(self, path: str, source: str, data: bytes | MidiError) -> None:
        """One more file; `source` is the hash of its bytes."""
        file = _File(path, source)
        self._files.append(file)
        found = self._known.find(file.source) if self._known else None
        try:
            if isinstance(data, MidiError):
                raise data
            if found:
                self._remember(file, *found)
            elif is_score(path):
                self._validate_score(file, data)
            else:
                self._midi.append((file, data))
        except MelodyError as error:
            file.refuse(error)

    def _remember(self, file: _File, record: FileRecord, number: int) -> None:
        verdict = record.verdict
        file.cause, file.reason, file.notes = verdict.cause, verdict.reason, verdict.notes
        file.repairs, file.part, file.names = verdict.repairs, verdict.part, record.names
        if not file.cause:
            self._remembered.append((file, number))

    def read_midi(self) -> None:
        """All MIDI files that came in."""
        together = self._settings.part == "all" and self._settings.drums
        skimmed = bulk.parse_many([data for _, data in self._midi], self._settings.limits)
        for (file, _), found in zip(self._midi, skimmed):
            if isinstance(found, MidiError):
                file.refuse(found)
                continue
            source, repairs = found
            as_packed = bulk.packed(source) if together else None
            if as_packed:
                self._waiting.append((file, as_packed, repairs))
            else:
                self._validate_alone(file, bulk.unpacked(source), repairs)
        self._midi.clear()

    def read_waiting(self) -> None:
        """All files that wait, together where that is possible."""
        at = 0
        for run in bulk.batched([source for _, source, _ in self._waiting]):
            together, words = bulk.read_together(run, self._grid)
            accepted: list[_File] = []
            for (file, source, repairs), changes in zip(self._waiting[at : at + len(run)], words):
                if changes is None:
                    self._validate_alone(file, source.unpacked(), repairs)
                    continue
                accepted.append(file)
                self._describe(file, source.parts, source.num_notes, [*repairs, *changes])
            self._keep(accepted, together)
            at += len(run)
        self._waiting.clear()

    def keep_remembered(self) -> None:
        """The pieces of all files that were known before."""
        if self._known and self._remembered:
            pieces = self._known.pieces([number for _, number in self._remembered])
            self._keep([file for file, _ in self._remembered], pieces)

    def _validate_alone(self, file: _File, source: Source, repairs: list[str]) -> None:
        try:
            source = mended(source, repairs, self._settings.find_beats)
            source = in_two_hands(source, repairs) if self._settings.part == "all" else source
            self._validate_piece(file, to_piece(source, self._grid, repairs)[0], repairs)
        except MelodyError as error:
            file.refuse(error)

    def _validate_score(self, file: _File, data: bytes) -> None:
        from melody.score import bounded

        limits = self._settings.limits
        reading = bounded.read(data, PurePosixPath(file.path).suffix.lower())
        piece, repairs = reading.piece, list(map(for_terminal, reading.repairs))
        limits.check("notes", piece.num_notes, limits.max_notes)
        limits.check("parts", len(piece.parts), limits.max_tracks)
        if piece.ticks_per_quarter != self._grid:
            piece, _ = to_piece(source_of(piece), self._grid, repairs)
        self._validate_piece(file, piece, repairs)

    def _validate_piece(self, file: _File, piece: Piece, repairs: list[str]) -> None:
        try:
            piece, file.part = part_selection.selected(piece, self._settings.part, self._settings.drums)
        except CorpusError as error:
            file.cause, file.reason = "no such part", reason_of(error)
            return
        self._describe(file, piece.parts, piece.num_notes, repairs)
        self._keep([file], events.of_piece(piece))

    def _describe(self, file: _File, players: Sequence[Part], notes: int, repairs: Sequence[str]) -> None:
        file.notes, file.repairs = notes, repairs
        if any(part.name for part in players):
            kinds = map(events.kind_of, part_keys(players))
            file.names = {kind: part.name[:NAME_LENGTH] for kind, part in zip(kinds, players) if part.name}
        if notes < self._settings.min_notes:
            file.cause = "too short"
            file.reason = f"has {counted(notes, 'note')}; at least {self._settings.min_notes} are wanted"

    def _keep(self, files: Sequence[_File], pieces: Events) -> None:
        """Those of the files that are not rejected have these pieces."""
        for place, file in enumerate(files, self._places):
            file.place = -1 if file.cause else place
        self._kept.append(pieces.narrow())
        self._places += len(pieces)

    def shard(self, key: str) -> Shard:
        """All that was found out."""
        kept = [file for file in self._files if file.place >= 0]
        pieces = events.joined(self._kept).choose([file.place for file in kept]).narrow()
        contents, found = _of_all(pieces, self._grid)
        hexadecimal = contents.tobytes().hex()
        hashes = (hexadecimal[at : at + 32] for at in range(0, len(hexadecimal), 32))
        lines = [file.line("" if file.cause else next(hashes)) for file in self._files]
        part_names: dict[str, int] = {}
        parts = zip(found["part_piece"].tolist(), found["part_kind"].tolist())
        part_name = [part_names.setdefault(kept[i].names.get(kind, ""), len(part_names)) for i, kind in parts]
        return Shard(
            key,
            tuple(part_names),
            b"".join(lines),
            np.cumsum([len(line) for line in lines]),
            np.array([STATUSES.index(file.status) for file in self._files], np.uint8),
            np.array([CAUSES.index(file.cause) for file in self._files], np.uint8),
            np.array([file.notes for file in self._files], np.int64),
            np.array([int(file.source[:16] or "0", 16) for file in self._files], np.uint64),
            pieces,
            contents,
            np.array([song(file.path) for file in kept], np.uint64),
            part_name=np.array(part_name, np.int64),
            **found,
        )


def _of_all(pieces: Events, ticks_per_quarter: int) -> tuple[NDArray[np.uint8], dict[str, NDArray[Any]]]:
    """The hash of each piece, (pieces, 16), and the columns of a shard on parts and lines."""
    contents: list[bytes] = []
    found: list[tuple[NDArray[Any], ...]] = [_NOTHING]
    for first, run in pieces.runs():
        notes = Notes.of(run)
        contents += notes.hashes(ticks_per_quarter)
        voices = Voices.of(notes)
        line_piece, sketches = voices.sketches()
        parts = voices.piece + first, voices.kind, voices.monophonic, voices.notes, voices.rests
        untimed_piece, untimed_sketches = untimed.sketches(notes, ticks_per_quarter)
        found.append((*parts, line_piece + first, sketches, untimed_piece + first, untimed_sketches))
    columns = (np.concatenate(column) for column in zip(*found))
    return np.frombuffer(b"".join(contents), np.uint8).reshape(-1, 16), dict(zip(_FOUND, columns))


_FOUND = (
    *("part_piece", "part_kind", "part_monophonic", "part_notes", "part_rests"),
    *("line_piece", "sketches", "untimed_piece", "untimed"),
)
_NOTHING = (
    *(np.zeros(0, kind) for kind in (int, int, bool, int, int)),
    *(np.zeros(0, int), np.zeros((0, SKETCH), np.uint32)),
    *(np.zeros(0, int), np.zeros((0, untimed.SKETCH), np.uint32)),
)
