"""Batches by hand: which pieces stand side by side, how they are cut into windows, and what transposition leaves legal."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from music import folk_tune, random_piece

from melody.dataset import FURTHEST_SLIP, Batch, Batches, BatchSettings, Transposer, with_features
from melody.piece import Key, Part, Piece
from melody.tokens import Vocabulary
from melody.tokens.inputs.schema import all_columns
from melody.tokens.vocabulary import FIELDS, VALUE, Rows

PIECES = [folk_tune(number, bars=2 + number % 5) for number in range(7)] + [random_piece(number) for number in range(4)]
VOCABULARY = Vocabulary.build(PIECES, transpositions=range(-5, 7))
ROWS = [VOCABULARY.encode(piece) for piece in PIECES]
FEATURED = [with_features(VOCABULARY, rows) for rows in ROWS]


def batches(rows: list[Rows] = ROWS, *, seed: int = 0, training: bool = False, **settings: object) -> Batches:
    return Batches(VOCABULARY, rows, BatchSettings(outline_dropout=1, **settings), seed=seed, training=training)  # type: ignore[arg-type]


def by_bucket(windows: list[Batch]) -> list[list[Batch]]:
    """The windows of each bucket."""
    starts = [number for number, window in enumerate(windows) if window.first]
    return [windows[start:stop] for start, stop in pairwise([*starts, len(windows)])]


def pieces_of(bucket: list[Batch]) -> list[np.ndarray]:
    """The pieces of a bucket put together from its windows: what the model reads, and at the end the last target."""
    found = []
    for row in range(len(bucket[0].inputs)):
        parts = [(window.inputs[row][window.mask[row]], window.targets[row][window.mask[row]]) for window in bucket
                 if row < len(window.inputs)]  # fmt: skip
        inputs, targets = (np.concatenate(each) for each in zip(*parts))
        assert np.array_equal(inputs[1:], targets[:-1])
        found.append(np.concatenate([inputs, targets[-1:]]))
    return found


@pytest.mark.parametrize(("size", "window"), [(1, 1000), (3, 7), (4, 1), (5, 16), (20, 9)])
def test_windows_put_together_are_the_pieces(size: int, window: int) -> None:
    """Pieces in the order of their lengths, the longest of a bucket first; windows equally long but for one event."""
    order = sorted(range(len(ROWS)), key=lambda number: len(ROWS[number]))
    loader = batches(batch_size=size, window=window)
    found = by_bucket(list(loader.epoch(0)))
    assert len(found) == loader.num_buckets == -(-len(ROWS) // size)
    for number, bucket in enumerate(found):
        expected = sorted((FEATURED[i] for i in order[number * size : (number + 1) * size]), key=len, reverse=True)
        assert all(np.array_equal(a, b) for a, b in zip(pieces_of(bucket), expected, strict=True))
        lengths = [each.mask.shape[1] for each in bucket]
        assert len(bucket) == -(-(len(expected[0]) - 1) // window)
        assert max(lengths) <= window and max(lengths) - min(lengths) <= 1
        for each in bucket:
            assert each.inputs.dtype == each.targets.dtype == np.int64 and each.mask.dtype == bool
            assert each.inputs.shape == each.targets.shape == (*each.mask.shape, FEATURED[0].shape[1])
            assert each.mask[:, 0].all()  # a piece that has ended is left out


def test_an_epoch_can_be_its_first_buckets() -> None:
    loader = batches(batch_size=3, window=10, training=True, seed=5)
    whole = by_bucket(list(loader.epoch(2)))
    assert loader.num_windows(2) == sum(map(len, whole))
    for buckets in (0, 1, 3, 99):
        first = [window for bucket in whole[:buckets] for window in bucket]
        part = list(loader.epoch(2, buckets))
        assert loader.num_windows(2, buckets) == len(part) == len(first)
        assert all(np.array_equal(a.inputs, b.inputs) for a, b in zip(part, first))


def test_events_and_notes_are_counted() -> None:
    for training in (False, True):
        loader = batches(training=training)
        assert loader.num_events == sum(map(len, ROWS)) and loader.longest == max(map(len, ROWS))
        assert loader.num_notes == sum(piece.num_notes for piece in PIECES)
    empty = batches([])
    assert (empty.num_events, empty.longest, empty.num_notes, empty.num_buckets) == (0, 0, 0, 0)
    assert list(empty.epoch(0)) == []


def test_training_takes_pieces_of_like_length_together_in_ever_new_ways() -> None:
    """Of 20 short and 20 long tunes none share a bucket; who shares one with whom, and which comes first, changes."""
    tunes = [folk_tune(number, bars=2 if number % 2 else 16) for number in range(40)]
    vocabulary = Vocabulary.build(tunes)
    rows = [vocabulary.encode(tune) for tune in tunes]
    number_of = {each.tobytes(): number for number, each in enumerate(with_features(vocabulary, r) for r in rows)}
    assert len(number_of) == 40
    settings = BatchSettings(batch_size=5, window=999, transpositions=(0, 0), outline_dropout=1, later_beginnings=0)
    loader = Batches(vocabulary, rows, settings, seed=1)
    seen = set()
    for epoch in range(6):
        buckets = [
            frozenset(number_of[piece.tobytes()] for piece in pieces_of(b)) for b in by_bucket(list(loader.epoch(epoch)))
        ]
        assert sorted(number for bucket in buckets for number in bucket) == list(range(40))
        assert all(len({number % 2 for number in bucket}) == 1 for bucket in buckets)
        seen.add(tuple(min(bucket) % 2 for bucket in buckets))
        seen |= set(buckets)
    assert len([each for each in seen if isinstance(each, tuple)]) > 3
    assert len([each for each in seen if isinstance(each, frozenset)]) > 40
    other = Batches(vocabulary, rows, settings, seed=2)
    assert not np.array_equal(next(loader.epoch(0)).inputs, next(other.epoch(0)).inputs)


@pytest.mark.parametrize(("low", "high"), [(-5, 6), (0, 0), (2, 3)])
def test_a_training_piece_is_transposed_by_any_possible_interval(low: int, high: int) -> None:
    tune = folk_tune(2, bars=3)
    loader = batches([VOCABULARY.encode(tune)], training=True, transpositions=(low, high), window=999)
    legal = [with_features(VOCABULARY, VOCABULARY.encode(tune.transpose(t))).tobytes() for t in range(low, high + 1)]
    seen = [legal.index(pieces_of(list(loader.epoch(epoch)))[0].tobytes()) for epoch in range(25 * (high - low + 1))]
    assert set(seen) == set(range(high - low + 1))


def test_what_is_measured_is_not_transposed() -> None:
    loader = batches(ROWS[:1], window=999)
    assert all(np.array_equal(pieces_of(list(loader.epoch(n)))[0], FEATURED[0]) for n in range(5))


@pytest.mark.parametrize("training", [False, True])
def test_small_integers_go_in_and_stand_in_memory(training: bool) -> None:
    """Whatever type a store's numbers have the batches are the same; features are kept in one or two bytes each."""
    small = batches([rows.astype(np.int16) for rows in ROWS], training=training, batch_size=3)
    whole = batches(training=training, batch_size=3)
    for one, other in zip(small.epoch(1), whole.epoch(1), strict=True):
        assert np.array_equal(one.inputs, other.inputs) and np.array_equal(one.targets, other.targets)
    rng = np.random.default_rng(0)
    assert {whole._piece(number, -1, rng).events.dtype.name for number in range(len(ROWS)) for _ in range(3)} <= {
        "uint8",
        "uint16",
    }
    assert whole._featured(0, -1, has_outline=True).dtype.itemsize <= 2


def test_the_transpositions_that_are_possible() -> None:
    """Pitches 60 to 66 and the keys of C and G; drums do not move, and where nothing is possible the piece stays."""
    low = Piece([0, 24], [24, 24], [60, 62], keys=(Key(0, 0, "major"),))
    high = Piece([0, 24, 0], [24, 24, 24], [66, 64, 36], part=[0, 0, 1], parts=(Part(), Part(0, is_drum=True)))
    vocabulary = Vocabulary.build([low, high, Piece([0], [24], [62], keys=(Key(0, 1, "major"),))])
    assert vocabulary.pitches == (36, 66)
    transposer = Transposer(vocabulary, -2, 7)
    assert transposer.possible(vocabulary.encode(low)) == [0]  # G is 7 higher, which leaves the range
    assert transposer.possible(vocabulary.encode(Piece([0], [24], [50], keys=(Key(0, 0, "major"),)))) == [0, 7]
    assert transposer.possible(vocabulary.encode(Piece([0], [24], [37]))) == [-1, 0, 1, 2, 3, 4, 5, 6, 7]
    assert transposer.possible(vocabulary.encode(high)) == [-2, -1, 0]
    assert transposer.keeping(vocabulary.encode(high)).tolist() == [True] * 3 + [False] * 7
    assert Transposer(vocabulary, 1, 3).possible(vocabulary.encode(high)) == [0]
    drums = high.select(high.is_drum)
    assert transposer.possible(vocabulary.encode(drums)) == list(range(-2, 8))


def test_pitches_that_leave_the_range_stay_at_its_rim() -> None:
    """Of the features; each + 1, and 0 is none."""
    pitches = VOCABULARY.num_pitches
    transposer = Transposer(VOCABULARY, -5, 6)
    assert transposer._higher(np.array([0, 1, 2, pitches - 1, pitches]), 1).tolist() == [0, 2, 3, pitches, pitches]
    assert transposer._higher(np.array([0, 1, 2, 3, pitches]), -2).tolist() == [0, 1, 1, 1, pitches - 2]


def test_features_stand_behind_a_row_of_zeros() -> None:
    featured = with_features(VOCABULARY, ROWS[0])
    assert featured.shape[0] == 1 + len(ROWS[0]) and not featured[0].any()
    assert np.array_equal(featured[1:, :5], ROWS[0])


def test_noise_is_in_what_is_read_and_never_in_what_is_to_be_predicted() -> None:
    vocabulary = VOCABULARY
    how = {"training": True, "batch_size": 4, "window": 16, "transpositions": (0, 0)}
    clean, noisy = (batches(seed=3, noise=noise, **how) for noise in (0.0, 0.2))
    read = changed = 0
    true = sorted(tuple(map(tuple, piece)) for piece in _targets(clean))
    assert sorted(tuple(map(tuple, piece)) for piece in _targets(noisy)) == true  # the order differs, the music does not
    for window in noisy.epoch(0):
        later, target = window.inputs[:, 1:, : len(FIELDS)], window.targets[:, :-1, : len(FIELDS)]  # the same events
        notes = window.mask[:, 1:] & vocabulary.is_note(target)
        other = (later != target)[notes]
        assert not other[:, [k for k in range(len(FIELDS)) if k != VALUE]].any()
        assert np.abs(later[notes][:, VALUE] - target[notes][:, VALUE]).max() <= FURTHEST_SLIP
        read, changed = read + int(notes.sum()), changed + int(other[:, VALUE].sum())
        assert window.inputs.shape[2] == window.targets.shape[2] == len(FIELDS) + len(all_columns(vocabulary))
    assert 0.15 < changed / read < 0.25


def test_what_is_computed_of_noisy_music_is_what_a_player_with_slips_would_make_the_model_read() -> None:
    one = batches(ROWS[4:5], seed=1, training=True, batch_size=1, window=1000, transpositions=(0, 0), noise=0.3)
    (window,) = one.epoch(0)
    played = np.concatenate([window.inputs[0, 1:, : len(FIELDS)], window.targets[0, -1:, : len(FIELDS)]])
    anew = with_features(VOCABULARY, played)
    assert np.array_equal(window.inputs[0], anew[:-1])
    assert np.array_equal(window.targets[0][:, len(FIELDS) :], anew[1:, len(FIELDS) :])


def _targets(batches: Batches) -> list[list[list[int]]]:
    """The pieces that a batch of windows asks to be predicted, each as its events."""
    pieces: list[list[list[int]]] = []
    for window in batches.epoch(0):
        if window.first:
            start = len(pieces)
            pieces += [[] for _ in window.mask]
        for i, mask in enumerate(window.mask):
            pieces[start + i] += window.targets[i][mask][:, : len(FIELDS)].tolist()
    return pieces
