"""The events of several pieces so far, and what is looked up among them: what came bars ago, and what is repeated.

Conventions
-----------
All pieces stand in the same arrays, (streams, capacity), each from the left; the capacity is doubled when the longest piece
has filled it. A piece is taken along, or copied, with its row. Before its first event stands nothing, an event of zeros,
which is what is found where nothing is. Sort keys of different pieces are a span apart, so that all rows one behind the
other ascend, and one binary search serves all pieces at once.

A repeat is found by run lengths: of every earlier event it is kept how many events up to it are the same as the last ones.
That is one comparison an earlier event, of all pieces at once, and nothing to copy but a byte an event.
"""

from __future__ import annotations

from copy import copy
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from melody.piece import MAX_TICK, Ints
from melody.tokens.inputs.matches import LENGTHS, NO_CODE, Match, code_of, extended, longest
from melody.tokens.inputs.whole_piece import stride
from melody.tokens.vocabulary import FIELDS, TIME, VALUE, VELOCITY, Rows, Vocabulary

_CAPACITY = 128  # events, at first


class History:
    """What several pieces have had so far, none of them anything at first.

    Parameters
    ----------
    vocabulary
        Of the events.
    streams
        How many pieces.
    """

    _per_stream: ClassVar[tuple[str, ...]] = ("_count", "_keys", "_codes", "_runs", "_tokens")

    def __init__(self, vocabulary: Vocabulary, streams: int) -> None:
        self.vocabulary, self.stride = vocabulary, stride(vocabulary)
        self._span = (MAX_TICK + 1) * self.stride
        # A number for an event that counts as the same in a match, and its order within a tick, both sums of its tokens.
        of_code = code_of(vocabulary, *np.eye(len(FIELDS), dtype=np.int64)[:VELOCITY])
        self._weights = np.stack([of_code, [0, vocabulary.sizes[VALUE], 1, 0, 0]], axis=1)
        codes = int(np.prod([1, *vocabulary.sizes[:VELOCITY]], dtype=object))
        self._codes = np.full((streams, 1), NO_CODE, np.int32 if codes < 2**31 else np.int64)
        self._keys = np.arange(streams)[:, None] * self._span
        self._runs = np.zeros((streams, 1), np.int8)
        self._tokens = np.zeros((streams, 1, len(FIELDS)), np.min_scalar_type(1 + max(vocabulary.sizes)))  # each + 1
        self._count = np.ones(streams, np.int64)  # events, with the one that is nothing
        self._reserve(_CAPACITY)

    @property
    def _capacity(self) -> int:
        return int(self._keys.shape[1])

    def _reserve(self, capacity: int) -> None:
        """For so many events of each piece, if there is less."""
        streams, before = self._keys.shape
        if capacity > before:
            more = (streams, capacity - before)
            last = np.broadcast_to(self._span * np.arange(1, streams + 1)[:, None] - 1, more)  # behind all that comes
            self._keys = np.concatenate([self._keys, last], axis=1)
            self._codes = np.concatenate([self._codes, np.full(more, NO_CODE, self._codes.dtype)], axis=1)
            self._runs = np.concatenate([self._runs, np.zeros(more, np.int8)], axis=1)
            tokens = np.zeros((*more, len(FIELDS)), self._tokens.dtype)
            self._tokens = np.concatenate([self._tokens, tokens], axis=1)
        self._first, self._offset = np.arange(streams) * self._capacity, np.arange(streams) * self._span
        self._used = int(self._count.max(initial=0))

    def push(self, rows: Rows, ticks: Ints) -> None:
        """Take in one event a piece, (streams, 5), and its tick, (streams,)."""
        if self._used == self._capacity:
            self._reserve(2 * self._capacity)
        code, order = (rows @ self._weights).T
        used = slice(self._used)
        self._runs[:, used] = extended(self._runs[:, used], self._codes[:, used], code.astype(self._codes.dtype))
        self._last_key = ticks * self.stride + order + self._offset
        place = self._first + self._count
        self._codes.reshape(-1)[place], self._keys.reshape(-1)[place] = code, self._last_key
        self._tokens.reshape(-1, len(FIELDS))[place] = rows + 1
        self._count, self._used = self._count + 1, self._used + 1

    def fill(self, rows: Rows) -> None:
        """Take in the events so far of the only piece, (events, 5), where it has none yet."""
        if not len(rows):
            return
        self._reserve(2 * len(rows))
        end = 1 + len(rows)
        code, order = (rows @ self._weights).T
        keys = np.cumsum(np.array(self.vocabulary.shifts)[rows[:, TIME] - 1]) * self.stride + order
        self._codes[0, 1:end], self._keys[0, 1:end], self._tokens[0, 1:end] = code, keys, rows + 1
        for at in range(max(end - LENGTHS[-1], 1), end):
            self._runs[:, :at] = extended(self._runs[:, :at], self._codes[:, :at], self._codes[:, at])
        self._last_key, self._count, self._used = keys[-1:], self._count + len(rows), end

    def after(self, ticks: Ints) -> NDArray[np.unsignedinteger]:
        """The event that came next so many ticks before the last one, (streams, n) -> (streams, n, 5), tokens each + 1.

        Next is the first that is later than the last event would be there, by its tick, kind and value. Zeros where that is
        before the beginning.
        """
        keys = np.maximum(self._last_key[:, None] - ticks * self.stride, self._offset[:, None] - 1)
        at = np.searchsorted(self._keys.reshape(-1), keys, side="right")
        return np.asarray(self._tokens.reshape(-1, len(FIELDS))[at])

    @property
    def last(self) -> Ints:
        """Sort key of the last event of each piece, (streams,)."""
        key: Ints = self._keys.reshape(-1)[self._first + self._count - 1] - self._offset
        return key

    def behind(self, keys: Ints) -> tuple[Ints, Ints]:
        """The first event behind a sort key in each piece, (streams,): its tokens, each + 1, (streams, 5), and its tick.

        Where there is none, the tick is later than any.
        """
        at = np.searchsorted(self._keys.reshape(-1), np.maximum(keys, -1) + self._offset, side="right")
        at = np.maximum(at, self._first + 1)
        known = at < self._first + self._count
        place = np.where(known, at, self._first)
        tick = np.where(known, (self._keys.reshape(-1)[place] - self._offset) // self.stride, MAX_TICK + 1)
        return self._tokens.reshape(-1, len(FIELDS))[place].astype(np.int64), tick

    def nearest(self, keys: Ints, pieces: Ints, later: Ints | int = 0) -> tuple[Ints, Ints]:
        """The first event behind each of several sort keys in each of those pieces, or one so many later, (n, k) and (n,).

        Returns
        -------
        tokens
            Each + 1, (n, k, 5).
        key
            Its sort key, (n, k); that of another event where there is none, or a key is negative.
        """
        offset, flat = self._offset[pieces][:, None], self._keys.reshape(-1)
        at = np.searchsorted(flat, np.maximum(keys, -1) + offset, side="right")
        at = np.minimum(np.maximum(at, self._first[pieces][:, None] + 1) + later, len(flat) - 1)
        return self._tokens.reshape(-1, len(FIELDS))[at].astype(np.int64), flat[at] - offset

    def tokens(self, numbers: Ints, pieces: Ints) -> Ints:
        """The events of those numbers, from 1, in those pieces, (n,) each; tokens each + 1, (n, 5), zeros for 0."""
        found: Ints = self._tokens.reshape(-1, len(FIELDS))[self._first[pieces] + numbers].astype(np.int64)
        return found

    @property
    def count(self) -> Ints:
        """How many events each piece has had, (streams,)."""
        return np.subtract(self._count, 1)

    def match(self) -> tuple[Match, NDArray[np.unsignedinteger]]:
        """What is being repeated, (streams,) each, and the tokens that followed there, each + 1, (streams, 5), or zeros."""
        match = longest(self._runs[:, : self._used])
        return match, self._tokens.reshape(-1, len(FIELDS))[self._first + match.place]

    # Pieces that come and go

    def take(self, streams: Ints) -> History:
        """Those pieces alone, in that order, independent of these; one may be named more than once."""
        taken = copy(self)
        for name in self._per_stream:
            setattr(taken, name, getattr(self, name)[streams])
        taken._keys += ((np.arange(len(streams)) - streams) * self._span)[:, None]
        taken._reserve(0)
        return taken

    def put(self, streams: Ints, other: History) -> None:
        """Let the pieces of another history be these."""
        other = other._as_large_as(self)
        self._reserve(other._capacity)
        for name in self._per_stream:
            getattr(self, name)[streams] = getattr(other, name)
        self._used = int(self._count.max(initial=0))
        self._keys[streams] += ((streams - np.arange(len(streams))) * self._span)[:, None]

    def join(self, other: History) -> History:
        """These pieces, and behind them those of another, independent of both."""
        joined, other = copy(self._as_large_as(other)), other._as_large_as(self)
        for name in self._per_stream:
            setattr(joined, name, np.concatenate([getattr(joined, name), getattr(other, name)]))
        joined._keys[len(self._count) :] += len(self._count) * self._span
        joined._reserve(0)
        return joined

    def _as_large_as(self, other: History) -> History:
        """The same history with at least the capacity of another."""
        if self._capacity >= other._capacity:
            return self
        larger = copy(self)
        larger._reserve(other._capacity)
        return larger
