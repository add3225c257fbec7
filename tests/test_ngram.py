"""The baseline is a probability distribution, and it counts."""

import math
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from music import folk_tune, random_piece

from melody.evaluation.ngram import NGram, best_ngram, flat_tokens, some_of
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


Gram = tuple[int, ...]


def _kneser_ney(train: list[list[Gram]], order: int, piece: list[Gram], sizes: dict[int, int]) -> float:
    """Nats of a piece of (field, token), by Chen and Goodman 1999, section 2.7 and equation 5, with dictionaries.

    The longest n-grams are counted as they occur, each shorter one by how many different tokens it stands behind; the
    discount of each order is n1 / (n1 + 2 n2); what it saves is spread by the next shorter order, at last evenly over the
    tokens of the field. A context is the field that is to come and the tokens before, 0 before the beginning.
    """
    counts: list[Counter[Gram]] = [Counter() for _ in range(order)]
    for song in train:
        tokens = [0] * (order - 1) + [token + 1 for _, token in song]
        for i, (field, _) in enumerate(song):
            counts[-1][(field, *tokens[i : i + order])] += 1
    for n in reversed(range(order - 1)):
        counts[n] = Counter((gram[0], *gram[2:]) for gram in counts[n + 1])
    discounts = []
    for table in counts:
        once, twice = (sum(count == wanted for count in table.values()) for wanted in (1, 2))
        discounts.append(max(once / max(once + 2 * twice, 1), 0.1))

    def probability(field: int, before: list[int], token: int, n: int) -> float:
        if n < 0:
            return 1 / sizes[field]
        context = (field, *before[len(before) - n :])
        lower = probability(field, before, token, n - 1)
        followers = {gram[-1]: count for gram, count in counts[n].items() if gram[:-1] == context}
        if not followers:
            return lower
        kept = max(followers.get(token, 0) - discounts[n], 0) + discounts[n] * len(followers) * lower
        return kept / sum(followers.values())

    nats, tokens = 0.0, [0] * (order - 1) + [token + 1 for _, token in piece]
    for i, (field, _) in enumerate(piece):
        before = tokens[i : i + order - 1]
        nats -= math.log(probability(field, before, tokens[i + order - 1], order - 1))
    return nats


@pytest.mark.parametrize("order", [1, 2, 3, 5])
def test_it_is_kneser_ney_written_out(order: int) -> None:
    """Discounts, counts of lower orders and all, to ten digits, on pieces that share much and pieces that share little."""
    tunes = [folk_tune(n, bars=4) for n in range(7)] + [folk_tune(3, bars=2)]
    vocabulary = Vocabulary.build(tunes)
    rows = [vocabulary.encode(tune) for tune in tunes]
    flat = [list(zip(fields.tolist(), tokens.tolist())) for tokens, fields in (flat_tokens(vocabulary, r) for r in rows)]
    sizes = dict(enumerate(vocabulary.sizes))
    model = NGram(vocabulary, rows[:5], order)
    for piece, known in zip(rows[5:], flat[5:]):
        assert model.score([piece]).nats == pytest.approx(_kneser_ney(flat[:5], order, known, sizes), rel=1e-10)


def test_of_a_large_corpus_some_pieces_are_counted() -> None:
    pieces = [np.zeros((10, 5), np.int64) + n for n in range(25)]
    assert some_of(pieces, 250) is pieces
    some = some_of(pieces, 100)
    assert [int(rows[0, 0]) for rows in some] == list(range(0, 25, 3))
    assert sum(map(len, some)) <= 100


def test_many_pieces_cost_what_each_costs() -> None:
    """More than are scored at a time: nats and notes add up, END is no note."""
    tunes = [folk_tune(n, bars=2) for n in range(70)]
    vocabulary = Vocabulary.build(tunes)
    rows = [vocabulary.encode(tune) for tune in tunes]
    model = NGram(vocabulary, rows[:9], 3)
    score = model.score(rows)
    assert score.notes == sum(tune.num_notes for tune in tunes)
    assert score.nats == pytest.approx(sum(model.score([each]).nats for each in rows), rel=1e-12)
    assert score.nats_per_note == pytest.approx(score.nats / score.notes)


def test_the_discount_of_one_rare_token_is_one() -> None:
    """n1 / (n1 + 2 n2) where one token occurs once and all others three times or more."""
    tune = folk_tune(0, bars=4)
    other = replace(tune, pitch=np.concatenate([[tune.pitch.max() + 1], tune.pitch[1:]]))
    vocabulary = Vocabulary.build([tune, other])
    rows = [vocabulary.encode(piece) for piece in (tune, tune, tune, other)]
    flat = [list(zip(fields.tolist(), tokens.tolist())) for tokens, fields in (flat_tokens(vocabulary, r) for r in rows)]
    sizes = dict(enumerate(vocabulary.sizes))
    expected = _kneser_ney(flat, 1, flat[3], sizes)
    assert NGram(vocabulary, rows, 1).score(rows[3:]).nats == pytest.approx(expected, rel=1e-10)
