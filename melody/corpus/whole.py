"""The shards of all files -> the store: vocabulary, verdicts on copies, the split, encoded pieces.

The shards are gone through three times, one after another: to find copies, versions and how the parts play (`survey`), as
that decides how a corpus is said; to count what a vocabulary is made of; and to encode.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from melody.corpus import events
from melody.corpus.encoding import Encoder, count
from melody.corpus.events import Events
from melody.corpus.settings import PrepareSettings
from melody.corpus.shard import REJECTED, Judgement, Shard
from melody.corpus.sources import Listing
from melody.corpus.spill import Column, table
from melody.corpus.survey import Originals, Places, Survey
from melody.corpus.verdict import Verdict
from melody.corpus.writer import Entries, Writer
from melody.errors import CorpusError, MelodyError
from melody.piece import Ints
from melody.text import counted
from melody.tokens.fitting import fit
from melody.tokens.usage import Parts, Usage
from melody.tokens.vocabulary import FIELDS, Rows, Vocabulary

_KNOWS = "the vocabulary of this folder"


@dataclass(frozen=True)
class Whole:
    """What is decided from all shards together."""

    folder: Path
    settings: PrepareSettings
    ticks_per_quarter: int
    remarks: Sequence[str]
    listing: Listing

    def write(self, file: BinaryIO, shards: Callable[[], Iterator[Shard]]) -> None:
        """The store of the shards, which are gone through three times."""
        survey = Survey()
        for shard in shards():
            survey.add(shard)
        if not len(survey):
            raise CorpusError(self._nothing_kept(shards()))
        originals = survey.originals()
        usage = self._used(survey, originals, shards())
        transpositions, max_values = self.settings.transpositions, self.settings.max_values
        vocabulary = Vocabulary.of_usage(usage, transpositions=transpositions, max_values=max_values)
        finisher = _Finisher(Writer(file, vocabulary), survey.file, originals, survey.placed(originals, self.settings))
        for shard in shards():
            finisher.add(shard)
        refused = [Judgement(Verdict(name, "rejected", "damaged", reason)) for name, reason in self.listing.refused]
        finisher.writer.add_files(Entries.of(refused))
        finisher.writer.finish(self._header(), finisher.groups)

    def _used(self, survey: Survey, originals: Originals, shards: Iterator[Shard]) -> Usage:
        """What all pieces but copies use."""
        parts = Parts()
        for part in survey.parts(originals):
            parts.add_part(events.part_of(part.kind), part.name, part.monophonic, part.notes, part.rests)
        usage = Usage(parts)
        usage.grids.add(self.ticks_per_quarter)
        first = 0
        for shard in shards:
            numbers = np.arange(first, first + len(shard.events))
            pieces = shard.events.choose(np.flatnonzero(originals.are_new(numbers)))
            for _, run in pieces.runs():
                count(usage, run)
            first += len(shard.events)
        return usage

    def _header(self) -> dict[str, Any]:
        return {
            "folder": Path(os.path.realpath(self.folder)).name,
            "settings": self.settings.to_dict(),
            "ticks_per_quarter": self.ticks_per_quarter,
            "judging": self.settings.judging(self.ticks_per_quarter),
            "remarks": list(self.remarks),
        }

    def _nothing_kept(self, shards: Iterator[Shard]) -> str:
        verdicts = (judgement.verdict for shard in shards for judgement in shard.judgements)
        told = [f"{v.path}: {v.reason}" for v in islice(verdicts, 3)]
        told += [f"{name}: {why}" for name, why in self.listing.refused[:3]]
        total = self.listing.files + len(self.listing.refused)
        return f"{self.folder}: nothing could be kept of {counted(total, 'file')}; {'; '.join(told[:3])}"


class _Finisher:
    """The third time through: verdicts are completed, pieces encoded and written."""

    def __init__(self, writer: Writer, file: Column, originals: Originals, places: Places) -> None:
        self.writer = writer
        self._encoder = Encoder(writer.vocabulary)
        self._file, self._originals, self._places = file, originals, places
        self._stored = table(len(file), "?")  # the groups of what is stored
        self._pieces = 0

    @property
    def groups(self) -> int:
        """Number of groups in the store so far."""
        return int(np.count_nonzero(self._stored))

    def add(self, shard: Shard) -> None:
        """All files of the shard."""
        first, entries, files = self._pieces, Entries.of_shard(shard), shard.kept
        self._pieces += len(files)
        numbers = np.arange(first, self._pieces)
        new = self._originals.are_new(numbers)
        for place in np.flatnonzero(~new).tolist():
            original = int(self._originals.first[first + place])
            line = entries.lines[files[original - first]] if original >= first else self._line(original)
            entries.put(files[place], _copy(entries.judgement(files[place]), json.loads(line)["path"]))
        places = np.flatnonzero(new)
        entries.place(files[places], self._places.sides(numbers[places]), self._places.names(numbers[places]))
        self._encode(shard.events.choose(places), files[places], entries)
        stored = numbers[places][entries.status[files[places]] != REJECTED]
        self._stored[self._places.group[stored]] = True
        self.writer.add_files(entries)

    def _line(self, piece: int) -> bytes:
        """The judgement of a piece that is written."""
        return self.writer.line(int(self._file.rows(piece, piece + 1)[0]))

    def _encode(self, pieces: Events, files: Ints, entries: Entries) -> None:
        """Write the pieces; those that the vocabulary cannot say as they are change the entries of their files."""
        for first, run in pieces.runs():
            rows, starts, exact = self._encoder.encode(run)
            if exact.all():
                self.writer.add_pieces(rows, np.diff(starts))
                continue
            written = np.split(rows, starts[1:-1])
            for place in np.flatnonzero(~exact).tolist():
                file = int(files[first + place])
                judgement, written[place] = self._fitted(entries.judgement(file), run, place)
                entries.put(file, judgement)
            written = [rows for rows in written if len(rows)]
            self.writer.add_pieces(np.concatenate([rows[:0], *written]), np.array([len(r) for r in written], np.int64))

    def _fitted(self, judgement: Judgement, run: Events, place: int) -> tuple[Judgement, Rows]:
        """The piece as the vocabulary can say it; no rows if it cannot."""
        verdict, vocabulary = judgement.verdict, self.writer.vocabulary
        try:
            fitted, changes = fit(vocabulary, events.to_piece(run, place, vocabulary.ticks_per_quarter), who=_KNOWS)
            rows = vocabulary.encode(fitted)
        except MelodyError as error:  # of the vocabulary, or of a piece that no longer is legal once it is fitted
            told = replace(verdict, status="rejected", cause="not encodable", reason=str(error), split="", group="")
            return replace(judgement, verdict=told, exact=False), np.zeros((0, len(FIELDS)), np.int64)
        told = replace(verdict, status="repaired", notes=fitted.num_notes, repairs=verdict.repairs + changes)
        return replace(judgement, verdict=told, exact=False), rows


def _copy(judgement: Judgement, original: str) -> Judgement:
    """Of a file that has the notes of another."""
    reason = f"has the same notes as {original}"
    return replace(judgement, verdict=replace(judgement.verdict, status="rejected", cause="copy", reason=reason))
