"""The trivial models that every result stands beside: unigram and interpolated n-gram on the same tokens.

The n-gram sees a piece as one sequence of tokens, field after field, event after event, without the fields that never vary,
and predicts each token from those before it, by interpolated Kneser-Ney smoothing with the discount of each order estimated
from its counts (Kneser and Ney 1995; Chen and Goodman 1999). Its order is chosen on `valid`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from melody.piece import Ints
from melody.tokens.vocabulary import FIELDS, Rows, Vocabulary

MOST_EVENTS = 500_000  # to count n-grams on: some 2 million tokens and half a gigabyte
_TOGETHER = 64  # pieces that are scored at a time
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
Hashes = NDArray[np.uint64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Score:
    """Nats of some pieces under a model, and the notes they have."""

    nats: float
    notes: int

    @property
    def nats_per_note(self) -> float:
        """Total nats of all tokens, END included, over the number of notes."""
        return self.nats / max(self.notes, 1)


def flat_tokens(vocabulary: Vocabulary, rows: Rows) -> tuple[Ints, Ints]:
    """The tokens that a piece really has, in one sequence, numbered across fields; and the field of each."""
    offsets = np.concatenate([[0], np.cumsum(vocabulary.sizes)[:-1]])
    encoded = vocabulary.field_mask(rows) & (np.array(vocabulary.sizes) > 1)
    fields = np.broadcast_to(np.arange(len(FIELDS)), rows.shape)[encoded]
    return (rows + offsets)[encoded], fields


class NGram:
    """Counts of all contexts up to `order` - 1 tokens.

    Parameters
    ----------
    vocabulary
        Of the events.
    pieces
        Events of each training piece.
    order
        Longest n-gram in tokens; 1 is the unigram of each field.
    """

    def __init__(self, vocabulary: Vocabulary, pieces: Sequence[Rows], order: int) -> None:
        self._vocabulary = vocabulary
        self.order = order
        levels = _levels(_Tokens.of(vocabulary, pieces), [order])
        self._tables = [table for level in levels for table in reversed(level) if table]

    def score(self, pieces: Sequence[Rows]) -> Score:
        """Nats of `pieces`, END included."""
        notes = sum(int(self._vocabulary.is_note(np.asarray(rows)).sum()) for rows in pieces)
        some = (pieces[i : i + _TOGETHER] for i in range(0, len(pieces), _TOGETHER))
        return Score(sum(float(self.token_nats(each).sum()) for each in some), notes)

    def token_nats(self, pieces: Sequence[Rows]) -> Floats:
        """Nats of each token of `pieces`, one after the other, (tokens,)."""
        tokens = _Tokens.of(self._vocabulary, pieces)
        probability = tokens.evenly(self._vocabulary)
        for table, contexts in zip(self._tables, tokens.contexts(self.order)):
            probability = table.interpolate(tokens.tokens, contexts, probability)
        return -np.log(probability)


class _Tokens(NamedTuple):
    """The tokens of pieces, one after the other: each with its field and its number in its piece, (tokens,)."""

    tokens: Ints
    fields: Ints
    within: Ints

    @classmethod
    def of(cls, vocabulary: Vocabulary, pieces: Sequence[Rows]) -> _Tokens:
        """Of these pieces."""
        flat = [flat_tokens(vocabulary, np.asarray(rows)) for rows in pieces]
        tokens, fields = (np.concatenate(column) for column in zip(*flat))
        return cls(tokens, fields, np.concatenate([np.arange(len(t)) for t, _ in flat]))

    def contexts(self, order: int) -> Iterator[Hashes]:
        """For each length of context, from none on, a hash of the field that comes and the tokens before, (tokens,)."""
        found = self.fields.astype(np.uint64)
        yield found
        for n in range(1, order):
            before = np.zeros(len(self.tokens), np.uint64)
            before[n:] = self.tokens[:-n] + 1
            before[self.within < n] = 0  # the beginning of the piece
            found = (found ^ (before + np.uint64(n) * np.uint64(7919))) * _MULTIPLIER
            yield found

    def evenly(self, vocabulary: Vocabulary) -> Floats:
        """The probability of each token if all of its field are equally likely, (tokens,)."""
        found: Floats = 1.0 / np.array(vocabulary.sizes, float)[self.fields]
        return found


def _levels(tokens: _Tokens, orders: Collection[int]) -> Iterator[tuple[_Counts | None, _Counts | None]]:
    """For each order up to the largest what occurred, of the `orders` alone, and what the contexts one shorter count.

    The longest contexts count what occurred, each shorter one its distinct extensions.
    """
    shorter = None
    for order, contexts in enumerate(tokens.contexts(max(orders)), 1):
        whole = _Counts(tokens.tokens, contexts) if order in orders else None
        yield whole, None if shorter is None else _Counts(*_distinct(tokens.tokens, contexts, shorter))
        shorter = contexts


def _distinct(tokens: Ints, contexts: Hashes, shorter: Hashes) -> tuple[Ints, Hashes]:
    """Of each token that follows a context one, with the shorter context."""
    first = np.unique(_pair(tokens, contexts), return_index=True)[1]
    return tokens[first], shorter[first]


class _Counts:
    """How often each token followed each context."""

    def __init__(self, tokens: Ints, contexts: Hashes) -> None:
        self._pairs, first, counts = np.unique(_pair(tokens, contexts), return_index=True, return_counts=True)
        self._contexts, self._counts = np.unique(contexts, return_counts=True)
        self._pair_counts = counts.astype(np.uint32)
        self._types = np.bincount(np.searchsorted(self._contexts, contexts[first]), minlength=len(self._contexts))
        once, twice = np.sum(self._pair_counts == 1), np.sum(self._pair_counts == 2)
        self._discount = max(once / max(once + 2 * twice, 1), 0.1)

    def interpolate(self, tokens: Ints, contexts: Hashes, lower: Floats) -> Floats:
        """Discounted count over the context's count, the mass saved spread by `lower`; `lower` for unseen contexts."""
        at = np.minimum(np.searchsorted(self._contexts, contexts), len(self._contexts) - 1)
        seen = self._contexts[at] == contexts
        pair = _pair(tokens, contexts)
        pair_at = np.minimum(np.searchsorted(self._pairs, pair), len(self._pairs) - 1)
        count = np.where(self._pairs[pair_at] == pair, self._pair_counts[pair_at], 0).astype(np.float64)
        kept = np.maximum(count - self._discount, 0) + self._discount * self._types[at] * lower
        return np.where(seen, kept / self._counts[at], lower)


def _pair(tokens: Ints, contexts: Hashes) -> Hashes:
    return (contexts ^ (tokens.astype(np.uint64) + np.uint64(1)) * np.uint64(0xD6E8FEB86659FD93)) * _MULTIPLIER


def best_ngram(vocabulary: Vocabulary, train: Sequence[Rows], valid: Sequence[Rows], orders: Sequence[int]) -> NGram:
    """The n-gram of the order that is best on `valid`.

    All orders are tried in one pass, two lengths of context in memory at a time: of an order, all but the longest contexts
    count the same as in any longer one.
    """
    tokens, most = _Tokens.of(vocabulary, valid), max(orders)
    probability, shorter = tokens.evenly(vocabulary), tokens.fields.astype(np.uint64)
    nats: dict[int, float] = {}
    levels = zip(tokens.contexts(most), _levels(_Tokens.of(vocabulary, train), orders))
    for order, (contexts, (whole, table)) in enumerate(levels, 1):
        if table:
            probability = table.interpolate(tokens.tokens, shorter, probability)
        if whole:
            nats[order] = -float(np.log(whole.interpolate(tokens.tokens, contexts, probability)).sum())
        shorter = contexts
    return NGram(vocabulary, train, min(orders, key=nats.__getitem__))


def some_of(pieces: Sequence[Rows], most: int = MOST_EVENTS) -> Sequence[Rows]:
    """All pieces, or of more than `most` events every n-th, so that what counting takes in memory has a bound."""
    events = sum(len(rows) for rows in pieces)
    return pieces[:: -(-events // most)] if events > most else pieces
