"""One chunk of files -> a shard: what each file alone allows to say."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from melody import midi
from melody.corpus import events, parts
from melody.corpus.batch import batched, read_together
from melody.corpus.events import Events
from melody.corpus.fingerprint import SKETCH, Voices, content_hashes
from melody.corpus.settings import PrepareSettings
from melody.corpus.shard import Judgement, Shard
from melody.corpus.sources import Chunk, is_score
from melody.corpus.verdict import Cause, Status, Verdict
from melody.errors import CorpusError, MelodyError, MidiError
from melody.midi.packed import PackedSource, packed, unpacked
from melody.midi.source import to_piece
from melody.piece import Part, Piece
from melody.tokens.usage import part_keys

NAME_LENGTH = 64  # of a part


@dataclass(frozen=True)
class Task:
    """What a worker gets: files, and all that the judgement depends on."""

    chunk: Chunk
    settings: PrepareSettings
    ticks_per_quarter: int

    @property
    def key(self) -> str:
        """Equal for two tasks on the same files if the shard of one will do for the other."""
        return self.settings.judging(self.ticks_per_quarter)


def judged(task: Task, known: Known | None = None) -> Shard:
    """The shard of a task; what is `known` of a file with the same bytes is not found out again."""
    desk = _Desk(task, known)
    for name, data in zip(task.chunk.names, task.chunk.read(task.settings.limits.max_bytes)):
        desk.take(task.chunk.shown(name), data)
    desk.read_waiting()
    return desk.shard(task.key)


def hashed(data: bytes | MidiError) -> str:
    """Hash of the bytes of a file; empty if there were none."""
    return "" if isinstance(data, MidiError) else hashlib.blake2b(data, digest_size=16).hexdigest()


class Known(Protocol):
    """What was found out before."""

    def find(self, source: str) -> tuple[Judgement, int] | None:
        """The judgement of a file with that hash of its bytes, and the number of its piece (-1 if it was rejected)."""

    def pieces(self, numbers: Sequence[int]) -> Events:
        """The pieces of those numbers."""


@dataclass
class _File:
    """A file on the desk; `place` is that of its piece among all that were kept, -1 if it was rejected."""

    path: str
    source: str
    cause: Cause = ""
    reason: str = ""
    notes: int = 0
    repairs: Sequence[str] = ()
    part: str = ""
    names: dict[int, str] = field(default_factory=dict)
    place: int = -1

    def judgement(self, content: str) -> Judgement:
        status: Status = "rejected" if self.cause else "repaired" if self.repairs else "kept"
        repairs = tuple(self.repairs)
        verdict = Verdict(self.path, status, self.cause, self.reason, self.notes, repairs, self.part, content=content)
        return Judgement(verdict, self.source, self.names)


class _Desk:
    """Files come in one by one; those that can be read together wait for one another."""

    def __init__(self, task: Task, known: Known | None) -> None:
        self._settings, self._grid, self._known = task.settings, task.ticks_per_quarter, known
        self._files: list[_File] = []
        self._kept: list[Events] = []
        self._places = 0
        self._waiting: list[tuple[_File, PackedSource, list[str]]] = []
        self._remembered: list[tuple[_File, int]] = []

    def take(self, path: str, data: bytes | MidiError) -> None:
        """One more file."""
        file = _File(path, hashed(data))
        self._files.append(file)
        found = self._known.find(file.source) if self._known else None
        try:
            if isinstance(data, MidiError):
                raise data
            if found:
                self._remember(file, *found)
            elif is_score(path):
                self._judge(file, _read_score(path, data), [])
            else:
                self._read_midi(file, data)
        except MelodyError as error:
            file.cause, file.reason = "over a limit" if "the limit is" in str(error) else "damaged", str(error)

    def _remember(self, file: _File, judgement: Judgement, number: int) -> None:
        verdict = judgement.verdict
        file.cause, file.reason, file.notes = verdict.cause, verdict.reason, verdict.notes
        file.repairs, file.part, file.names = verdict.repairs, verdict.part, judgement.names
        if not file.cause:
            self._remembered.append((file, number))

    def _read_midi(self, file: _File, data: bytes) -> None:
        source, repairs = midi.skim(data, self._settings.limits)
        together = source if isinstance(source, PackedSource) else packed(source)
        if together and self._settings.part == "all" and self._settings.drums:
            self._waiting.append((file, together, repairs))
        else:
            self._judge(file, to_piece(unpacked(source), self._grid, repairs)[0], repairs)

    def read_waiting(self) -> None:
        """All files that wait, together where that is possible."""
        at = 0
        for run in batched([source for _, source, _ in self._waiting]):
            together, words = read_together(run, self._grid)
            accepted: list[_File] = []
            for (file, source, repairs), told in zip(self._waiting[at : at + len(run)], words):
                if told is None:
                    self._judge_carefully(file, source, repairs)
                    continue
                accepted.append(file)
                self._describe(file, source.parts, source.num_notes, [*repairs, *told])
            self._keep(accepted, together)
            at += len(run)
        if self._known and self._remembered:
            pieces = self._known.pieces([number for _, number in self._remembered])
            self._keep([file for file, _ in self._remembered], pieces)

    def _judge_carefully(self, file: _File, source: PackedSource, repairs: list[str]) -> None:
        try:
            self._judge(file, to_piece(source.unpacked(), self._grid, repairs)[0], repairs)
        except MidiError as error:
            file.cause, file.reason = "damaged", str(error)

    def _judge(self, file: _File, piece: Piece, repairs: list[str]) -> None:
        if piece.ticks_per_quarter != self._grid:
            piece = piece.resolution(self._grid)
        try:
            piece, file.part = parts.taken(piece, self._settings.part, self._settings.drums)
        except CorpusError as error:
            file.cause, file.reason = "no such part", str(error)
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
            file.reason = f"has {notes} notes; at least {self._settings.min_notes} are wanted"

    def _keep(self, files: Sequence[_File], pieces: Events) -> None:
        """Those of the files that are not rejected have these pieces."""
        for place, file in enumerate(files, self._places):
            file.place = -1 if file.cause else place
        self._kept.append(pieces.narrow())
        self._places += len(pieces)

    def shard(self, key: str) -> Shard:
        """All that was found out."""
        pieces = events.joined(self._kept).choose([file.place for file in self._files if file.place >= 0]).narrow()
        contents: list[str] = []
        found: list[tuple[NDArray[Any], ...]] = [_NOTHING]
        for first, run in pieces.runs():
            contents += content_hashes(run, self._grid)
            voices = Voices.of(run)
            line_piece, sketches = voices.sketches()
            parts = (voices.piece + first, voices.kind, voices.monophonic, voices.notes, voices.rests)
            found.append((*parts, line_piece + first, sketches))
        kept = iter(contents)
        judgements = tuple(file.judgement("" if file.cause else next(kept)) for file in self._files)
        return Shard(key, judgements, pieces, *(np.concatenate(columns) for columns in zip(*found)))


_NOTHING = (*(np.zeros(0, kind) for kind in (int, int, bool, int, int, int)), np.zeros((0, SKETCH), np.uint32))


def _read_score(path: str, data: bytes) -> Piece:
    """The piece in the bytes of a score; it is read from a file of its own, as it may lie in an archive."""
    from melody.score.reading import read_score

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"score{PurePosixPath(path).suffix.lower()}"
        file.write_bytes(data)
        return read_score(file)
