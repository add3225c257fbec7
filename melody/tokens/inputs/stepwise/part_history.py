"""The events of each part of several pieces so far, to find which one of a part comes next behind a place."""

from __future__ import annotations

from copy import copy
from typing import ClassVar

import numpy as np

from melody.piece import Ints

NEVER = np.iinfo(np.int64).max  # a sort key behind all that come
_CAPACITY = 32  # events of a part, at first; doubled when there are more


class PartHistory:
    """The sort keys of several pieces' events, each kind of event by itself; none of them has any at first.

    Parameters
    ----------
    streams, kinds
        How many pieces, and kinds of events.
    """

    _per_stream: ClassVar[tuple[str, ...]] = ("_keys", "_numbers", "_count")

    def __init__(self, streams: int, kinds: int) -> None:
        self._kinds = kinds
        self._keys = np.full((streams, kinds, _CAPACITY), NEVER)
        self._numbers = np.zeros((streams, kinds, _CAPACITY), np.int32)
        self._count = np.zeros((streams, kinds), np.int64)

    def push(self, kind: Ints, key: Ints, number: Ints) -> None:
        """Take in one event a piece: its kind, its sort key, and its number from 1, (streams,) each."""
        at = np.arange(len(kind)), kind, self._count[np.arange(len(kind)), kind]
        self._reserve(int(at[2].max(initial=0)) + 1)
        self._keys[at], self._numbers[at] = key, number
        self._count[at[:2]] += 1

    def fill(self, kind: Ints, key: Ints) -> None:
        """Take in the events so far of the only piece, (events,) each, where it has none yet."""
        self._count[0] = np.bincount(kind, minlength=self._kinds)
        self._reserve(int(self._count.max(initial=0)))
        for each in np.unique(kind):
            own = np.flatnonzero(kind == each)
            self._keys[0, each, : len(own)], self._numbers[0, each, : len(own)] = key[own], 1 + own

    def behind(self, keys: Ints, pieces: Ints) -> tuple[Ints, Ints]:
        """The first event of each kind behind a sort key in each of those pieces, (n, kinds) and (n,).

        Returns
        -------
        key
            Its sort key, (n, kinds); `NEVER` if there is none.
        number
            Its number, (n, kinds); 0 if there is none.
        """
        first = (pieces[:, None] * self._kinds + np.arange(self._kinds)) * self._capacity
        flat, at, step = self._keys.reshape(-1), first, self._capacity // 2
        while step:  # a binary search in all of them at once: the capacity is a power of two, the last key behind all
            at = np.where(flat[at + step - 1] <= keys, at + step, at)
            step //= 2
        return flat[at], self._numbers.reshape(-1)[at].astype(np.int64)

    @property
    def _capacity(self) -> int:
        return int(self._keys.shape[2])

    def _reserve(self, most: int) -> None:
        """For so many events of each kind and one more, if there is less."""
        capacity = self._capacity
        if most < capacity:
            return
        while capacity <= most:
            capacity *= 2
        more = capacity - self._capacity
        self._keys = np.pad(self._keys, ((0, 0), (0, 0), (0, more)), constant_values=NEVER)
        self._numbers = np.pad(self._numbers, ((0, 0), (0, 0), (0, more)))

    # Pieces that come and go

    def take(self, streams: Ints) -> PartHistory:
        """Those pieces alone, in that order, independent of these; one may be named more than once."""
        taken = copy(self)
        for name in self._per_stream:
            setattr(taken, name, getattr(self, name)[streams])
        return taken

    def put(self, streams: Ints, other: PartHistory) -> None:
        """Let the pieces of another history be these."""
        self._reserve(other._capacity - 1)
        other = other._as_large_as(self)
        for name in self._per_stream:
            getattr(self, name)[streams] = getattr(other, name)

    def join(self, other: PartHistory) -> PartHistory:
        """These pieces, and behind them those of another, independent of both."""
        joined, other = copy(self._as_large_as(other)), other._as_large_as(self)
        for name in self._per_stream:
            setattr(joined, name, np.concatenate([getattr(joined, name), getattr(other, name)]))
        return joined

    def _as_large_as(self, other: PartHistory) -> PartHistory:
        """The same with at least the capacity of another, independent of this one."""
        larger = copy(self)
        larger._reserve(other._capacity - 1)
        return larger
