"""Rest rows: how events stand in the tokens of parts whose durations are implied, and back.

In a vocabulary a part may have no durations: each of its notes then lasts until the next one of its part begins, or until a
row that is a rest, of the kind of the part and of the value `REST`, which is no pitch. Which parts are so is decided by all
pieces together; shards and all that stands between reading and encoding (`melody.corpus.events`) have durations only.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from melody.corpus.events import Column, Events
from melody.piece import Ints
from melody.tokens.usage import next_in_voice, rests_after

REST = 128


def with_rest_rows(events: Events, implied: Collection[int]) -> Events:
    """The events with rest rows for the parts of those kinds, whose notes have a duration of 0 then."""
    if not implied:
        return events
    notes = np.flatnonzero(np.isin(events.kind, list(implied)))
    if not len(notes):
        return events
    onset = events.tick.take(notes)
    end = onset + events.duration.take(notes)
    after = rests_after(_voices(events, notes), onset, end)
    duration = events.duration.copy()
    duration[notes] = 0
    rests = notes.take(after)
    none = np.zeros(len(rests), np.int64)
    piece = np.concatenate([events.piece, events.piece.take(rests)])
    tick = np.concatenate([events.tick, end.take(after)])
    kind = np.concatenate([events.kind, events.kind.take(rests)])
    # What stands at one tick is in order already, and a part that rests there has no note there.
    order = np.lexsort((kind, tick, piece))
    columns = (
        kind,
        np.concatenate([events.value, none + REST]),
        np.concatenate([duration, none]),
        np.concatenate([events.velocity, none]),
    )
    starts = np.concatenate(
        [[0], np.cumsum(np.diff(events.starts) + np.bincount(events.piece[rests], minlength=len(events)))]
    )
    return Events(starts, _shifts(tick.take(order), starts), *(column.take(order) for column in columns))


def without_rest_rows(events: Events, implied: Collection[int]) -> Events:
    """The inverse of `with_rest_rows`."""
    rows = np.flatnonzero(np.isin(events.kind, list(implied)))
    if not len(rows):
        return events
    tick = events.tick.take(rows)
    duration = events.duration.astype(np.int64)
    duration[rows] = next_in_voice(_voices(events, rows), tick, tick) - tick
    kept = np.ones(len(events.kind), bool)
    kept[rows[events.value.take(rows) == REST]] = False
    starts = np.concatenate([[0], np.cumsum(kept)])[events.starts]
    columns = (events.kind, events.value, duration, events.velocity)
    return Events(starts, _shifts(events.tick[kept], starts), *(column[kept] for column in columns))


def _voices(events: Events, rows: Ints) -> Ints:
    """A number for piece and part of each of those rows."""
    _, kind = np.unique(events.kind.take(rows), return_inverse=True)
    return events.piece.take(rows) * (int(kind.max(initial=0)) + 1) + kind


def _shifts(tick: Column, starts: Ints) -> NDArray[np.int64]:
    shift = np.diff(tick, prepend=0)
    begins = starts[:-1][np.diff(starts) > 0]
    shift[begins] = tick[begins]
    return shift
