"""The baseline is a probability distribution, and it counts."""

import math

import numpy as np
import pytest
from music import folk_tune, random_piece

from melody.ngram import NGram, best_ngram, flat_tokens
from melody.tokens import Vocabulary
from melody.tokens.vocabulary import VALUE


def test_probabilities_sum_to_one() -> None:
    """Over all pitches that the last note of a tune could have had, whatever the order."""
    tunes = [folk_tune(n) for n in range(6)]
    vocabulary = Vocabulary.build(tunes)
    rows = [vocabulary.encode(tune) for tune in tunes]
    for order in (1, 2, 4, 7):
        model = NGram(vocabulary, rows[1:], order)
        without_end = rows[0][:-2]  # nor the rest after the last note
        before = model.score([without_end[:-1]]).nats
        shares = []
        for value in range(vocabulary.sizes[VALUE]):
            other = without_end.copy()
            other[-1, VALUE] = value
            shares.append(math.exp(before - model.score([other]).nats))
        known = without_end.copy()
        whole = sum(shares)
        # what all of them share is the probability of the last note's other fields
        fields = flat_tokens(vocabulary, known)[1]
        assert fields[-1] == VALUE
        partial = _nats_of_all_but_the_last(model, vocabulary, known)
        assert whole == pytest.approx(math.exp(before - partial), rel=1e-9)


def _nats_of_all_but_the_last(model: NGram, vocabulary: Vocabulary, rows: np.ndarray) -> float:
    """Nats of all tokens but the last, from the probabilities token by token."""
    return float(model.token_nats([rows])[:-1].sum())


def test_a_unigram_is_the_entropy_of_its_own_corpus() -> None:
    """On what it counted, the unigram's loss is each field's entropy, but for the mass that smoothing takes."""
    piece = random_piece(5, monophonic=True, changes=False)
    vocabulary = Vocabulary.build([piece] * 2)
    rows = [vocabulary.encode(piece)] * 50
    tokens, _ = flat_tokens(vocabulary, rows[0])
    fields = flat_tokens(vocabulary, rows[0])[1]
    entropy = 0.0
    for field in np.unique(fields):
        counts = np.unique(tokens[fields == field], return_counts=True)[1]
        entropy -= float((counts * np.log(counts / counts.sum())).sum())
    assert NGram(vocabulary, rows, 1).score(rows[:1]).nats == pytest.approx(entropy, rel=0.02)


def test_longer_contexts_learn_what_repeats_and_the_best_order_is_found() -> None:
    tunes = [folk_tune(n, bars=16) for n in range(40)]
    vocabulary = Vocabulary.build(tunes)
    rows = [vocabulary.encode(tune) for tune in tunes]
    scores = {order: NGram(vocabulary, rows[:30], order).score(rows[30:]).nats for order in (1, 3, 6)}
    assert scores[3] < scores[1]
    best = best_ngram(vocabulary, rows[:30], rows[30:], (1, 3, 6))
    assert best.order == min(scores, key=lambda order: scores[order])
