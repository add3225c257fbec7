"""All pieces but copies -> the vocabulary: what their parts play, then how often each value occurs."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from melody.corpus import events
from melody.corpus.deduplicate.piece_table import Copies, PieceTable
from melody.corpus.encode.encoder import count
from melody.corpus.settings import PrepareSettings
from melody.corpus.validate.shard import Shard
from melody.tokens.usage import Parts, Usage
from melody.tokens.vocabulary import Vocabulary


def vocabulary_of(
    pieces: PieceTable, copies: Copies, shards: Iterable[Shard], settings: PrepareSettings, ticks_per_quarter: int
) -> Vocabulary:
    """The vocabulary that all pieces but copies make necessary."""
    parts = Parts()
    for part in pieces.parts(copies):
        parts.add_part(events.part_of(part.kind), part.name, part.monophonic, part.notes, part.rests)
    usage = Usage(parts)
    usage.grids.add(ticks_per_quarter)
    first = 0
    for shard in shards:
        numbers = np.arange(first, first + len(shard.events))
        for _, run in shard.events.choose(np.flatnonzero(copies.are_new(numbers))).runs():
            count(usage, run)
        first += len(shard.events)
    return Vocabulary.of_usage(usage, transpositions=settings.transpositions, max_values=settings.max_values)
