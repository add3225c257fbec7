"""The copy baseline: the longest match so far says what comes next, and a 6-gram where there is none or it is wrong.

Of each field the token that came after the match has the probability r + (1 - r) q, any other (1 - r) q, where q is the
6-gram's. r depends on the field and on how long the match is, and is chosen on the validation pieces. Matches are those that
the networks read too (`melody.tokens.inputs.matches`), counted in events. A preprint of 2026 (Fathi) found that so much
explains 94 % of what long context gives on such tunes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from melody.evaluation.evaluate import encoded_tokens
from melody.evaluation.ngram import NGram
from melody.tokens.inputs.features import context
from melody.tokens.inputs.matches import LENGTHS
from melody.tokens.inputs.schema import FEATURES, feature_sizes, spans
from melody.tokens.vocabulary import FIELDS, Rows, Vocabulary

ORDER = 6  # events are some two or three tokens: of a 6-gram the last two
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
_SHARES = np.linspace(0, 0.99, 34)


class Copying:
    """The baseline, counted on training pieces.

    Parameters
    ----------
    vocabulary
        Of the events.
    train, valid
        Events of each piece; r is chosen on the second.
    """

    def __init__(self, vocabulary: Vocabulary, train: Sequence[Rows], valid: Sequence[Rows]) -> None:
        self._vocabulary, self._ngram = vocabulary, NGram(vocabulary, train, ORDER)
        found = [self._parts(rows) for rows in valid]
        self._share = np.zeros((len(FIELDS), len(LENGTHS) + 1))  # r by field and length of the match
        for field in range(len(FIELDS)):
            for length in range(1, len(LENGTHS) + 1):
                chosen = [(q[:, field], hit[:, field], held[:, field] & (long == length)) for q, hit, held, long in found]
                nats, hits = (np.concatenate([each[k][each[2]] for each in chosen]) for k in (0, 1))
                cost = [-np.log(r * hits + (1 - r) * np.exp(-nats)).sum() for r in _SHARES]
                self._share[field, length] = _SHARES[int(np.argmin(cost))]

    def token_nats(self, rows: Rows) -> Floats:
        """Nats of each token of a piece, (events, fields)."""
        nats, hit, held, length = self._parts(rows)
        r = np.where(held, self._share[:, length].T, 0.0)
        result: Floats = np.where(encoded_tokens(self._vocabulary, rows), -np.log(r * hit + (1 - r) * np.exp(-nats)), 0.0)
        return result

    def _parts(self, rows: Rows) -> tuple[Floats, Bools, Bools, NDArray[np.int64]]:
        """The 6-gram's nats; where the match is right; where it counts, all right before it; its length, by event."""
        rows = np.asarray(rows)
        encoded, nats = encoded_tokens(self._vocabulary, rows), np.zeros(rows.shape)
        nats[encoded] = self._ngram.token_nats([rows])
        match, length = matched(self._vocabulary, rows)
        hit = match == rows + 1
        before = np.cumprod(np.concatenate([np.ones((len(rows), 1), bool), hit[:, :-1]], axis=1), axis=1).astype(bool)
        return nats, hit, before & (match > 0), length


def matched(vocabulary: Vocabulary, rows: Rows) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """What followed when the same events came before, token + 1 of each field or 0, (events, fields); how long that was.

    The length is 0 for none, else 1 + its place in `LENGTHS`, (events,).
    """
    read, features = context(vocabulary, np.asarray(rows)), len(feature_sizes(vocabulary))
    match = read[:, features : features + len(FIELDS)]
    length = read[:, spans(FEATURES, vocabulary)[("length",)].start]  # after each event, of the next one
    return match, np.where(match[:, 0] > 0, np.concatenate([[0], length[:-1]]), 0)


def repeats(vocabulary: Vocabulary, rows: Rows) -> Bools:
    """Which events continue a repeat: all their tokens are what followed when the same events came before, (events,)."""
    match, _ = matched(vocabulary, rows)
    encoded = encoded_tokens(vocabulary, np.asarray(rows))
    result: Bools = ((match == np.asarray(rows) + 1) | ~encoded).all(axis=1) & (match[:, 0] > 0)
    return result
