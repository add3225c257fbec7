"""What is decided from all shards together: copies, versions, the split, the vocabulary; and with that the store.

The shards are gone through three times, one after another: for copies and parts, for what is used, and for the store. What
is held in memory of a file is its name, its hash and a few numbers; the sketches of its lines, four times as much, wait in a
temporary file that is mapped.
"""

from __future__ import annotations

import tempfile
from array import array
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from melody.corpus import events, groups
from melody.corpus.encoding import Encoder, count
from melody.corpus.fingerprint import SKETCH, Sketches
from melody.corpus.settings import PrepareSettings
from melody.corpus.shard import Judgement, Shard
from melody.corpus.sources import Listing
from melody.corpus.split import split
from melody.corpus.store import Writer
from melody.corpus.verdict import SPLITS, Verdict
from melody.errors import CorpusError, VocabularyError
from melody.piece import Ints
from melody.tokens.fitting import fit
from melody.tokens.usage import Parts, Usage
from melody.tokens.vocabulary import Rows, Vocabulary


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
        with tempfile.TemporaryFile() as sketches, tempfile.SpooledTemporaryFile(max_size=4_000_000) as lines:
            survey = _Survey(sketches)
            for shard in shards():
                survey.add(shard)
            if not survey.numbers:
                raise CorpusError(self._nothing_kept(shards()))
            usage = Usage(survey.parts)
            usage.grids.add(self.ticks_per_quarter)
            for shard in shards():
                survey.count(usage, shard)
            transpositions, max_values = self.settings.transpositions, self.settings.max_values
            vocabulary = Vocabulary.of_usage(usage, transpositions=transpositions, max_values=max_values)
            finisher = _Finisher(vocabulary, Writer(file, lines, vocabulary), survey, self.settings)
            for shard in shards():
                finisher.add(shard)
            for name, reason in self.listing.refused:
                finisher.writer.add_file(Judgement(Verdict(name, "rejected", "damaged", reason)))
            finisher.writer.finish(self._header(), finisher.groups)

    def _header(self) -> dict[str, Any]:
        return {
            "folder": self.folder.resolve().name,
            "settings": self.settings.to_dict(),
            "ticks_per_quarter": self.ticks_per_quarter,
            "judging": self.settings.judging(self.ticks_per_quarter),
            "remarks": list(self.remarks),
        }

    def _nothing_kept(self, shards: Iterator[Shard]) -> str:
        verdicts = [j.verdict for shard in shards for j in shard.judgements]
        told = [f"{v.path}: {v.reason}" for v in verdicts[:3]] + [f"{n}: {why}" for n, why in self.listing.refused[:3]]
        total = len(verdicts) + len(self.listing.refused)
        return f"{self.folder}: nothing could be kept of {total:,} files; {'; '.join(told[:3])}"


class _Survey:
    """The first time through: which parts there are, which are copies, which are versions of one another.

    Attributes
    ----------
    parts
        Of all pieces.
    numbers
        Hash of content -> number of the piece, from 0.
    copied
        The contents of which there is more than one.
    """

    def __init__(self, sketches: IO[bytes]) -> None:
        self.parts = Parts()
        self.numbers: dict[bytes, int] = {}
        self.copied: set[bytes] = set()
        self._new: deque[Ints] = deque()  # the pieces of each shard that are no copies
        self._songs, self._lines = array("Q"), array("Q")
        self._sketches = sketches  # the most of what is known of a piece: in a file, not in memory

    def add(self, shard: Shard) -> None:
        """All files of the shard."""
        kept = shard.kept
        numbers = np.array([self._number(j) for j in kept], np.int64)
        self._new.append(np.flatnonzero(numbers >= 0))
        columns = (shard.part_piece, shard.part_kind, shard.part_monophonic, shard.part_notes, shard.part_rests)
        for piece, kind, monophonic, notes, rests in zip(*(column.tolist() for column in columns)):
            if numbers[piece] >= 0:
                self.parts.add_part(events.part_of(kind), kept[piece].names.get(kind, ""), monophonic, notes, rests)
        lines = numbers[shard.line_piece]
        self._lines.frombytes(lines[lines >= 0].astype(np.uint64).tobytes())
        self._sketches.write(shard.sketches[lines >= 0].tobytes())

    def count(self, usage: Usage, shard: Shard) -> None:
        """Add the pieces of the next shard to what is used, the second time through."""
        for _, run in shard.events.choose(self._new.popleft()).runs():
            count(usage, run)

    def _number(self, judgement: Judgement) -> int:
        """The number of a piece that is new, or -1 for a copy."""
        content = bytes.fromhex(judgement.verdict.content)
        if content in self.numbers:
            self.copied.add(content)
            return -1
        self.numbers[content] = len(self.numbers)
        self._songs.append(groups.song(judgement.verdict.path))
        return self.numbers[content]

    def sides(self, settings: PrepareSettings) -> tuple[NDArray[np.uint8], Ints]:
        """The side of each piece (into `SPLITS`), and the piece whose content names its group, (pieces,) each."""
        lines = np.frombuffer(self._lines, np.uint64).astype(np.int64)
        group = groups.grouped(np.frombuffer(self._songs, np.uint64), lines, self._mapped(len(lines)))
        contents = list(self.numbers)
        smallest: dict[int, int] = {}
        for number in sorted(range(len(contents)), key=contents.__getitem__):
            smallest.setdefault(int(group[number]), number)
        sizes = {contents[smallest[g]].hex(): n for g, n in enumerate(np.bincount(group).tolist()) if n}
        named = split(sizes, valid=settings.valid, test=settings.test, seed=settings.seed)
        side = {g: SPLITS.index(named[contents[number].hex()]) for g, number in smallest.items()}
        return (
            np.array([side[g] for g in group.tolist()], np.uint8),
            np.array([smallest[g] for g in group.tolist()], np.int64),
        )

    def _mapped(self, lines: int) -> Sketches:
        """The sketches of all lines, in the file."""
        if not lines:
            return np.zeros((0, SKETCH), np.uint32)
        self._sketches.flush()
        return np.memmap(self._sketches, np.uint32, "r", shape=(lines, SKETCH))


class _Finisher:
    """The second time through: verdicts are completed, pieces encoded and written."""

    def __init__(self, vocabulary: Vocabulary, writer: Writer, survey: _Survey, settings: PrepareSettings) -> None:
        self.writer = writer
        self._vocabulary, self._encoder = vocabulary, Encoder(vocabulary)
        self._numbers, self._copied = survey.numbers, survey.copied
        self._contents = list(survey.numbers)
        self._side, self._namer = survey.sides(settings)
        self._grouped = np.zeros(len(self._contents), bool)  # the pieces that name a group of what is stored
        self._paths: dict[bytes, str] = {}  # of the first of those that have copies

    @property
    def groups(self) -> int:
        """Number of groups in the store so far."""
        return int(self._grouped.sum())

    def add(self, shard: Shard) -> None:
        """All files of the shard."""
        judgements = [j if j.verdict.status == "rejected" else self._placed(j) for j in shard.judgements]
        numbers = [i for i, j in enumerate(shard.judgements) if j.verdict.status != "rejected"]
        for first, run in shard.events.runs():
            rows, starts, exact = self._encoder.encode(run)
            written: list[Rows] = []
            for place, number in enumerate(numbers[first : first + len(run)]):
                here: Rows | None = rows[starts[place] : starts[place + 1]]
                if judgements[number].verdict.status != "rejected" and not exact[place]:
                    judgements[number], here = self._fitted(judgements[number], shard, first + place)
                if judgements[number].verdict.status != "rejected" and here is not None:
                    written.append(here)
            untouched = exact.all() and len(written) == len(run)
            together = rows if untouched else np.concatenate([np.zeros((0, 5), np.int64), *written])
            self.writer.add_pieces(together, np.array([len(r) for r in written], np.int64))
        for judgement in judgements:
            self.writer.add_file(judgement)
            if judgement.verdict.status != "rejected":
                self._grouped[self._namer[self._numbers[bytes.fromhex(judgement.verdict.content)]]] = True

    def _placed(self, judgement: Judgement) -> Judgement:
        verdict = judgement.verdict
        content = bytes.fromhex(verdict.content)
        first = self._paths.setdefault(content, verdict.path) if content in self._copied else verdict.path
        if first != verdict.path:
            told = replace(verdict, status="rejected", cause="copy", reason=f"has the same notes as {first}")
        else:
            number = self._numbers[content]
            group = self._contents[self._namer[number]].hex()
            told = replace(verdict, split=SPLITS[self._side[number]], group=group)
        return replace(judgement, verdict=told)

    def _fitted(self, judgement: Judgement, shard: Shard, place: int) -> tuple[Judgement, Rows | None]:
        """The piece as the vocabulary can say it."""
        verdict = judgement.verdict
        piece = events.to_piece(shard.events, place, self._vocabulary.ticks_per_quarter)
        try:
            fitted, changes = fit(self._vocabulary, piece)
            rows = self._vocabulary.encode(fitted)
        except VocabularyError as error:
            told = replace(verdict, status="rejected", cause="not encodable", reason=str(error), split="", group="")
            return replace(judgement, verdict=told, exact=False), None
        told = replace(verdict, status="repaired", notes=fitted.num_notes, repairs=verdict.repairs + changes)
        return replace(judgement, verdict=told, exact=False), rows
