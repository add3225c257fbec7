"""The trivial models that every result stands beside: unigram and interpolated n-gram on the same tokens.

The n-gram sees a piece as one sequence of tokens, field after field, event after event, without the fields that never vary,
and predicts each token from those before it, by interpolated Kneser-Ney smoothing with the discount of each order estimated
from its counts (Kneser and Ney 1995; Chen and Goodman 1999). Its order is chosen on `valid`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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
        tokens, _, contexts = self._contexts(pieces)
        self._tables: list[_Counts] = []
        distinct = np.arange(
            len(tokens)
        )  # the longest contexts count what occurred, each shorter one its distinct extensions
        for n in reversed(range(order)):
            self._tables.insert(0, _Counts(tokens[distinct], contexts[n][distinct]))
            distinct = distinct[self._tables[0].first]

    def _contexts(self, pieces: Sequence[Rows]) -> tuple[Ints, Hashes, list[Hashes]]:
        """Tokens, fields and for each context length a hash of the tokens before, over all pieces."""
        flat = [flat_tokens(self._vocabulary, np.asarray(rows)) for rows in pieces]
        tokens = np.concatenate([t for t, _ in flat])
        fields = np.concatenate([f for _, f in flat]).astype(np.uint64)
        within = np.concatenate([np.arange(len(t)) for t, _ in flat])
        contexts = [fields]
        for n in range(1, self.order):
            before = np.zeros(len(tokens), np.uint64)
            before[n:] = tokens[:-n] + 1
            before[within < n] = 0  # the beginning of the piece
            contexts.append((contexts[-1] ^ (before + np.uint64(n) * np.uint64(7919))) * _MULTIPLIER)
        return tokens, fields, contexts

    def score(self, pieces: Sequence[Rows]) -> Score:
        """Nats of `pieces`, END included."""
        notes = sum(int(self._vocabulary.is_note(np.asarray(rows)).sum()) for rows in pieces)
        some = (pieces[i : i + _TOGETHER] for i in range(0, len(pieces), _TOGETHER))
        return Score(sum(float(self.token_nats(each).sum()) for each in some), notes)

    def token_nats(self, pieces: Sequence[Rows]) -> Floats:
        """Nats of each token of `pieces`, one after the other, (tokens,)."""
        tokens, fields, contexts = self._contexts(pieces)
        probability: Floats = 1.0 / np.array(self._vocabulary.sizes, float)[fields.astype(int)]
        for n, table in enumerate(self._tables):
            probability = table.interpolate(tokens, contexts[n], probability)
        return -np.log(probability)


class _Counts:
    """How often each token followed each context."""

    def __init__(self, tokens: Ints, contexts: Hashes) -> None:
        pairs = _pair(tokens, contexts)
        self._pairs, self.first, self._pair_counts = np.unique(pairs, return_index=True, return_counts=True)
        self._contexts, self._counts = np.unique(contexts, return_counts=True)
        self._types = np.bincount(np.searchsorted(self._contexts, contexts[self.first]), minlength=len(self._contexts))
        once, twice = np.sum(self._pair_counts == 1), np.sum(self._pair_counts == 2)
        self._discount = max(once / max(once + 2 * twice, 1), 0.1)

    def interpolate(self, tokens: Ints, contexts: Hashes, lower: Floats) -> Floats:
        """Discounted count over the context's count, the mass saved spread by `lower`; `lower` for unseen contexts."""
        at = np.minimum(np.searchsorted(self._contexts, contexts), len(self._contexts) - 1)
        seen = self._contexts[at] == contexts
        pair = _pair(tokens, contexts)
        pair_at = np.minimum(np.searchsorted(self._pairs, pair), len(self._pairs) - 1)
        count = np.where(self._pairs[pair_at] == pair, self._pair_counts[pair_at], 0)
        kept = np.maximum(count - self._discount, 0) + self._discount * self._types[at] * lower
        return np.where(seen, kept / self._counts[at], lower)


def _pair(tokens: Ints, contexts: Hashes) -> Hashes:
    return (contexts ^ (tokens.astype(np.uint64) + np.uint64(1)) * np.uint64(0xD6E8FEB86659FD93)) * _MULTIPLIER


def best_ngram(vocabulary: Vocabulary, train: Sequence[Rows], valid: Sequence[Rows], orders: Sequence[int]) -> NGram:
    """The n-gram of the order that is best on `valid`."""
    nats = [NGram(vocabulary, train, order).score(valid).nats for order in orders]  # one in memory at a time
    return NGram(vocabulary, train, orders[int(np.argmin(nats))])


def some_of(pieces: Sequence[Rows], most: int = MOST_EVENTS) -> Sequence[Rows]:
    """All pieces, or of more than `most` events every n-th, so that what counting takes in memory has a bound."""
    events = sum(len(rows) for rows in pieces)
    return pieces[:: -(-events // most)] if events > most else pieces
