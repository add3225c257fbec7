"""All pieces but copies -> the vocabulary: what their parts play, then how often each value occurs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator

import numpy as np

from melody.corpus import events
from melody.corpus.deduplicate.fingerprint import Notes, Voices
from melody.corpus.deduplicate.piece_table import Copies, PieceTable
from melody.corpus.encode.encoder import count
from melody.corpus.encode.merging import Merging
from melody.corpus.events import Events
from melody.corpus.settings import PrepareSettings
from melody.corpus.validate.shard import Shard
from melody.tokens.usage import Parts, Usage
from melody.tokens.vocabulary import Vocabulary

Shards = Callable[[], Iterable[Shard]]  # gone through several times


def merging_of(pieces: PieceTable, copies: Copies, shards: Shards) -> Merging:
    """Which parts of all pieces but copies become which."""
    merging = Merging(pieces.parts_of_pieces(copies), len(copies.by_content))
    if merging:
        merged: Counter[int] = Counter()
        for run in _new(copies, shards, merging):
            merged.update(Voices.of(Notes.of(run)).kind.tolist())
        merging.join(merged)
    return merging


def vocabulary_of(
    pieces: PieceTable, copies: Copies, shards: Shards, settings: PrepareSettings, ticks_per_quarter: int, merging: Merging
) -> Vocabulary:
    """The vocabulary that all pieces but copies, their parts merged, make necessary."""
    parts = Parts()
    for part in pieces.parts(copies):
        parts.add_part(events.part_of(part.kind), part.name, part.monophonic, part.notes, part.rests)
    if merging:
        parts = _merged_parts(parts, _new(copies, shards, merging))
    usage = Usage(parts)
    usage.grids.add(ticks_per_quarter)
    for run in _new(copies, shards, merging):
        count(usage, run if settings.pedal else run.without_turns())
    return Vocabulary.of_usage(usage, transpositions=settings.transpositions, max_values=settings.max_values)


def _new(copies: Copies, shards: Shards, merging: Merging) -> Iterator[Events]:
    """All pieces but copies, some at a time, their parts merged."""
    first = 0
    for shard in shards():
        numbers = np.arange(first, first + len(shard.events))
        for _, run in shard.events.choose(np.flatnonzero(copies.are_new(numbers))).runs():
            yield merging.of(run)[0] if merging else run
        first += len(shard.events)


def _merged_parts(parts: Parts, pieces: Iterable[Events]) -> Parts:
    """The parts once they are merged; they keep the names of those that had their place before."""
    merged = Parts()
    for run in pieces:
        voices = Voices.of(Notes.of(run))
        columns = voices.kind, voices.monophonic, voices.notes, voices.rests
        for kind, monophonic, notes, rests in zip(*(column.tolist() for column in columns)):
            key = events.part_of(kind)
            merged.add_part(key, parts.names.get(key, ""), monophonic, notes, rests)
    return merged
