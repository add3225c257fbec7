"""The last time through all shards: verdicts are completed, pieces become tokens, and both are written."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from melody.corpus import events
from melody.corpus.deduplicate.piece_table import Copies, Groups, PieceTable
from melody.corpus.encode.encoder import Encoder
from melody.corpus.encode.merging import Merging
from melody.corpus.events import Events
from melody.corpus.external_sort import disk_table
from melody.corpus.store.writer import Entries, Writer
from melody.corpus.validate.shard import REJECTED, FileRecord, Shard
from melody.corpus.verdict import Verdict
from melody.errors import MelodyError
from melody.piece import Ints
from melody.tokens.fitting import fit
from melody.tokens.usage import FIRST_PART
from melody.tokens.vocabulary import FIELDS, Rows, Vocabulary

_KNOWS = "the vocabulary of this folder"


class Finisher:
    """Completes and writes what the shards hold.

    Parameters
    ----------
    file
        To write the store to, empty.
    vocabulary
        Of all pieces.
    pieces, copies, groups
        All pieces, which of them are copies, and which are versions of one another.
    splits
        The split of each group, a number into `SPLITS`.
    merging
        Which parts become which.
    """

    def __init__(
        self,
        file: BinaryIO,
        vocabulary: Vocabulary,
        pieces: PieceTable,
        copies: Copies,
        groups: Groups,
        splits: NDArray[np.uint8],
        merging: Merging,
    ) -> None:
        self._writer, self._encoder = Writer(file, vocabulary), Encoder(vocabulary)
        self._file, self._copies, self._groups, self._splits = pieces.file, copies, groups, splits
        self._stored = disk_table(len(pieces), "?")  # the groups of what is stored
        self._pieces, self._merging = 0, merging

    def finish(self, refused: Iterable[tuple[str, str]], header: dict[str, Any]) -> None:
        """The files that could not be listed, as (name, reason), and the header."""
        self._writer.add_files(Entries.of([FileRecord(Verdict(name, "rejected", "damaged", why)) for name, why in refused]))
        self._writer.finish(header, int(np.count_nonzero(self._stored)))

    def add(self, shard: Shard) -> None:
        """All files of the shard."""
        first, entries, files = self._pieces, Entries.of_shard(shard), shard.kept
        self._pieces += len(files)
        numbers = np.arange(first, self._pieces)
        new = self._copies.are_new(numbers)
        for place in np.flatnonzero(~new).tolist():
            original = int(self._copies.first[first + place])
            line = entries.lines[files[original - first]] if original >= first else self._line(original)
            entries.put(files[place], _copy(entries.record(files[place]), json.loads(line)["path"]))
        places = np.flatnonzero(new)
        group = self._groups.number[numbers[places]]
        entries.assign(files[places], self._splits[group], self._groups.names(group))
        self._encode(shard.events.choose(places), files[places], entries)
        stored = numbers[places][entries.status[files[places]] != REJECTED]
        self._stored[self._groups.number[stored]] = True
        self._writer.add_files(entries)

    def _line(self, piece: int) -> bytes:
        """The record of a piece that is written."""
        return self._writer.line(int(self._file.rows(piece, piece + 1)[0]))

    def _encode(self, pieces: Events, files: Ints, entries: Entries) -> None:
        """Write the pieces; where the vocabulary cannot encode one as it is, the entry of its file changes."""
        for first, run in pieces.runs():
            if self._merging:
                run, reported = self._merging.of(run)
                for place, words in reported.items():
                    file = int(files[first + place])
                    entries.put(file, _repaired(entries.record(file), _notes(run, place), (words,)))
            rows, starts, exact = self._encoder.encode(run)
            if exact.all():
                self._writer.add_pieces(rows, np.diff(starts))
                continue
            written = np.split(rows, starts[1:-1])
            for place in np.flatnonzero(~exact).tolist():
                file = int(files[first + place])
                record, written[place] = self._fitted(entries.record(file), run, place)
                entries.put(file, record)
            written = [rows for rows in written if len(rows)]
            self._writer.add_pieces(np.concatenate([rows[:0], *written]), np.array([len(r) for r in written], np.int64))

    def _fitted(self, record: FileRecord, run: Events, place: int) -> tuple[FileRecord, Rows]:
        """The nearest piece that the vocabulary can encode; no rows if there is none."""
        verdict, vocabulary = record.verdict, self._writer.vocabulary
        try:
            fitted, changes = fit(vocabulary, events.to_piece(run, place, vocabulary.ticks_per_quarter), who=_KNOWS)
            rows = vocabulary.encode(fitted)
        except MelodyError as error:  # of the vocabulary, or of a piece that no longer is legal once it is fitted
            changed = replace(verdict, status="rejected", cause="not encodable", reason=str(error), split="", group="")
            return replace(record, verdict=changed, exact=False), np.zeros((0, len(FIELDS)), np.int64)
        return _repaired(record, fitted.num_notes, changes), rows


def _repaired(record: FileRecord, notes: int, changes: tuple[str, ...]) -> FileRecord:
    """Of a file whose piece is stored with changes."""
    changed = replace(record.verdict, status="repaired", notes=notes, repairs=record.verdict.repairs + changes)
    return replace(record, verdict=changed, exact=False)


def _notes(events: Events, number: int) -> int:
    """Of one piece."""
    return int(np.sum(events.kind[events.starts[number] : events.starts[number + 1]] >= FIRST_PART))


def _copy(record: FileRecord, original: str) -> FileRecord:
    """Of a file that has the notes of another."""
    reason = f"has the same notes as {original}"
    return replace(record, verdict=replace(record.verdict, status="rejected", cause="copy", reason=reason))
