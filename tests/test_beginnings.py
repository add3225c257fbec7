"""Pieces cut off in front as if they began at a later phrase: what is left is what a piece that begins there has."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from music import folk_tune, lines
from test_dataset import by_bucket, pieces_of

from melody.dataset import Batches, BatchSettings, with_features
from melody.piece import Key, Part, Pedal, Piece, Tempo, TimeSignature
from melody.tokens import Vocabulary
from melody.tokens.inputs.beginnings import EVERY, LEAST, MOST, Beginning, LaterBeginnings, beginnings, begun
from melody.tokens.inputs.features import outline_of
from melody.tokens.vocabulary import END, TIME, Rows

BAR = 96
seeds = st.integers(0, 10_000)


def band(seed: int) -> Piece:
    """Twenty bars in two parts that rest now and then; metre, tempo and key change, the pedal goes up and down."""
    rng = np.random.default_rng(seed)
    lead = int(rng.choice([0, 0, 12, 24, 48]))  # a pick-up
    step = 12 * np.arange(20 * 8)
    onset = [step[(step >= BAR - lead if lead else step >= 0) & (rng.random(len(step)) < share)] for share in (0.7, 0.4)]
    onset[0] = np.union1d(onset[0], [BAR - lead if lead else 0, 12 * 159])
    part = np.repeat([0, 1], list(map(len, onset)))
    at = np.concatenate(onset)
    changes = sorted(rng.choice(np.arange(1, 20), 2, replace=False).tolist())
    ticks = np.sort(rng.choice(np.arange(1, 20 * 16), 8, replace=False)) * 6
    return Piece(
        at,
        np.full(len(at), 12),
        rng.integers(48, 72, len(at)),
        part=part,
        parts=(Part(0), Part(40)),
        time_signatures=(TimeSignature(0, 4, 4), TimeSignature(BAR * changes[0], 2, 2)),
        tempi=(Tempo(0, 500_000), Tempo(BAR * changes[1], 400_000), Tempo(BAR * changes[1] + 24, 300_000)),
        keys=tuple(Key(BAR * bar, fifths, "major") for fifths, bar in enumerate([0, *changes])),
        pedals=tuple(Pedal(int(a), int(b)) for a, b in ticks.reshape(-1, 2)),
    )


def all_steps() -> Piece:
    """With it a vocabulary has all times between events that there are."""
    return Piece(6 * np.arange(1, 40).cumsum(), np.full(39, 12), np.full(39, 60), parts=(Part(0), Part(40)))


def first_of(vocabulary: Vocabulary, rows: Rows, beginning: Beginning) -> int:
    """The tick of the first event that is kept."""
    return int(np.append(0, vocabulary.shifts)[rows[:, TIME]].cumsum()[beginning.first])


def expected(vocabulary: Vocabulary, piece: Piece, rows: Rows, beginning: Beginning) -> Rows:
    """The piece from the bar line on, without what stands before the first event that is kept, as it is encoded."""
    last = max([piece.length, *(press.end for press in piece.pedals)]) + 1
    rest = piece.slice(beginning.tick, last)
    return vocabulary.encode(rest.select(rest.onset >= first_of(vocabulary, rows, beginning) - beginning.tick))


@given(seeds)
def test_a_later_beginning_is_that_of_the_piece_from_there_on(seed: int) -> None:
    piece = band(seed)
    vocabulary = Vocabulary.build([piece, all_steps()])
    rows = vocabulary.encode(piece)
    found = beginnings(vocabulary, rows)
    assert found and not vocabulary.is_fine
    for each in found:
        left = begun(vocabulary, rows, each)
        assert left is not None and np.array_equal(left, expected(vocabulary, piece, rows, each))
        assert vocabulary.decode(left).num_bars >= LEAST
        assert left[-1, TIME] == END


@given(seeds)
def test_lines_hold_no_note_of_before(seed: int) -> None:
    """Of implied durations: a rest that ends a note of before is none any more."""
    piece = lines(seed, rests=seed % 2 > 0)
    long = Piece(
        np.concatenate([piece.onset + BAR * 4 * k for k in range(6)]),
        np.tile(piece.duration, 6),
        np.tile(piece.pitch, 6),
        part=np.tile(piece.part, 6),
        parts=piece.parts,
    ) if piece.length <= 4 * BAR else piece  # fmt: skip
    vocabulary = Vocabulary.build([long])
    rows = vocabulary.encode(long)
    for each in beginnings(vocabulary, rows):
        left = begun(vocabulary, rows, each)
        if left is not None:
            assert np.array_equal(left, expected(vocabulary, vocabulary.decode(rows), rows, each))


@pytest.mark.parametrize("lead", [0, 24, 48])
def test_beginnings_are_four_bars_apart_with_pickups_as_long_as_the_first(lead: int) -> None:
    """Quarters throughout, after a pick-up: each phrase has its own, and its bars count from the first full one."""
    first = BAR - lead if lead else 0
    onset = np.arange(first, 18 * BAR, 24)
    piece = Piece(onset, np.full(len(onset), 24), 60 + onset // 24 % 5)
    vocabulary = Vocabulary.build([piece])
    rows = vocabulary.encode(piece)
    bars = [EVERY * number for number in range(1, 4)] if lead else [4, 8, 12]
    lines_at = [BAR * (bar + bool(lead)) for bar in bars]
    found = beginnings(vocabulary, rows)
    assert [first_of(vocabulary, rows, each) for each in found] == [line - lead for line in lines_at]
    assert [each.tick for each in found] == [line - BAR * bool(lead) for line in lines_at]
    whole = outline_of(vocabulary, rows)
    for bar, each in zip(bars, found):
        left = begun(vocabulary, rows, each)
        outline = outline_of(vocabulary, left)
        assert outline is not None and outline.has_pickup == bool(lead)
        assert len(outline.letters) == len(whole.letters) - bar


def test_nothing_begins_later_in_what_is_short_or_silent_there() -> None:
    short = folk_tune(3, bars=EVERY + LEAST - 1)
    holes = Piece([0, 24 * BAR + 72], [24, 24], [60, 62])
    vocabulary = Vocabulary.build([short, holes])
    assert not any(beginnings(vocabulary, vocabulary.encode(piece)) for piece in (short, holes))
    assert not beginnings(vocabulary, np.zeros((1, 5), np.int64))


def test_those_of_many_pieces_are_drawn_evenly() -> None:
    """At most `MOST` of each, all of which come, and a piece that has none keeps its own."""
    tunes = [folk_tune(number, bars=bars) for number, bars in enumerate((100, 4, 20))]
    vocabulary = Vocabulary.build(tunes)
    rows = [vocabulary.encode(tune) for tune in tunes]
    later, rng = LaterBeginnings(vocabulary, len(rows)), np.random.default_rng(0)
    assert not later
    for number, each in enumerate(rows):
        later.add(number, each)
    drawn = np.stack([later.sampled(rng) for _ in range(400)])
    assert later and (drawn[:, 1] == -1).all()
    for piece in (0, 2):
        numbers = np.unique(drawn[:, piece])
        assert numbers[0] == 0 and len(numbers) == numbers[-1] + 1 <= MOST
        left = [len(later.rows(piece, int(number), rows[piece])) for number in numbers]
        assert left == sorted(left, reverse=True) and left[0] < len(rows[piece])
        assert [int(later.events(np.full(3, n))[piece]) for n in numbers] == left
        assert later.left_out(np.array(list(map(len, rows))))[piece] == pytest.approx(len(rows[piece]) - np.mean(left))
    assert later.left_out(np.array(list(map(len, rows))))[1] == 0 and later.events(np.full(3, -1))[0] == 0


def test_an_epoch_reads_so_many_pieces_from_a_later_beginning() -> None:
    """Each with its own outline, and as many windows and events as were counted before."""
    tunes = [band(number) for number in range(30)]
    vocabulary = Vocabulary.build([*tunes, all_steps()])
    assert vocabulary.is_chordal
    rows = [vocabulary.encode(tune) for tune in tunes]
    settings = BatchSettings(batch_size=4, window=50, transpositions=(0, 0), outline_dropout=0, later_beginnings=0.4)
    loader = Batches(vocabulary, rows, settings, seed=0)
    whole, later = {}, {}
    for each in rows:
        whole[with_features(vocabulary, each, outline_of(vocabulary, each)).tobytes()] = each
        for beginning in beginnings(vocabulary, each):
            left = begun(vocabulary, each, beginning)
            later[with_features(vocabulary, left, outline_of(vocabulary, left)).tobytes()] = left
    counts, events, notes = [], [], []
    for epoch in range(20):
        windows = list(loader.epoch(epoch))
        assert len(windows) == loader.num_windows(epoch)
        found = [piece.tobytes() for bucket in by_bucket(windows) for piece in pieces_of(bucket)]
        assert len(found) == len(rows) and all(each in whole or each in later for each in found)
        counts.append(sum(each in later for each in found))
        events.append(sum(int(window.mask.sum()) for window in windows))
        notes.append(sum(int((vocabulary.is_note(window.targets) & window.mask).sum()) for window in windows))
    assert 0.3 < np.mean(counts) / len(rows) < 0.5
    assert np.mean(events) == pytest.approx(loader.events_per_epoch, rel=0.05)
    assert (
        np.mean(notes) == pytest.approx(loader.notes_per_epoch, rel=0.05)
        and loader.notes_per_epoch < 0.95 * loader.num_notes
    )
    assert Batches(vocabulary, rows, settings, training=False).events_per_epoch == sum(map(len, rows))
