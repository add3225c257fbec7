"""What came some beats ago, where a drum is struck, and when notes end: read by parts that play chords."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_players import all_steps
from test_together import random_lines

from melody.piece import Ints, Part, Piece
from melody.tokens import Vocabulary
from melody.tokens.inputs.features import context
from melody.tokens.inputs.schema import BEATS, CONDITIONS, ENDS, FEATURES, feature_sizes, spans
from melody.tokens.inputs.whole_piece import as_time
from melody.tokens.usage import FIRST_PART
from melody.tokens.vocabulary import DURATION, FIELDS, KIND, TIME, VALUE, VELOCITY, Rows

seeds = st.integers(0, 10_000)


class Read:
    """The events of a piece and the columns of its table, by name."""

    def __init__(self, piece: Piece) -> None:
        self.vocabulary = Vocabulary.build([piece, all_steps()])
        self.rows: Rows = self.vocabulary.encode(piece)[:-1]
        self._table = context(self.vocabulary, self.rows)
        self.tick: Ints = np.cumsum(np.array(self.vocabulary.shifts)[self.rows[:, TIME] - 1])
        self.is_drum = np.append(np.zeros(FIRST_PART, bool), self.vocabulary.drums)[self.rows[:, KIND]]

    def feature(self, *name: object) -> Ints:
        """Of each event."""
        return self._table[:, spans(FEATURES, self.vocabulary)[name].start]

    def condition(self, *name: object) -> Ints:
        """Of the place of each event."""
        return self._table[:, len(feature_sizes(self.vocabulary)) + spans(CONDITIONS, self.vocabulary)[name].start]


@given(seeds, st.sampled_from(BEATS))
def test_a_part_is_read_with_what_it_played_beats_ago(seed: int, beats: int) -> None:
    """The next note of its chord there, and the kind of the next event there; nothing where it played nothing."""
    read = Read(random_lines(seed))
    rows, tick, vocabulary = read.rows, read.tick, read.vocabulary
    back = beats * vocabulary.ticks_per_quarter
    for number, (at, row) in enumerate(zip(tick.tolist(), rows)):
        before = np.flatnonzero((tick[:number] == at) & (rows[:number, KIND] == row[KIND]))
        own = np.flatnonzero((tick == at - back) & (rows[:, KIND] == row[KIND]))
        own = own[rows[own, VALUE] > rows[before, VALUE].max(initial=-1)]
        expected = rows[own[0]] + 1 if len(own) else np.zeros(5, np.int64)
        pitch = expected[VALUE] - vocabulary.first_pitch if len(own) else 0
        got = [read.condition("own lookback", name, "beats", beats)[number] for name in ("pitch", *FIELDS[DURATION:])]
        assert got == [pitch, expected[DURATION], expected[VELOCITY]]
        last = rows[number - 1] if number and tick[number - 1] == at else None
        there = [
            k
            for k in np.flatnonzero(tick == at - back).tolist()
            if last is None or (rows[k, KIND], rows[k, VALUE]) > (last[KIND], last[VALUE])
        ]
        assert read.condition("kind lookback", "beats", beats)[number] == (rows[there[0], KIND] + 1 if there else 0)


@given(seeds, st.sampled_from(BEATS))
def test_the_event_that_came_next_beats_ago_is_read(seed: int, beats: int) -> None:
    """Its time and its kind: the first later than this one would be there."""
    read = Read(random_lines(seed))
    back = beats * read.vocabulary.ticks_per_quarter
    order = [(at, row[KIND], row[VALUE]) for at, row in zip(read.tick.tolist(), read.rows.tolist())]
    for number, (at, kind, value) in enumerate(order):
        later = [k for k, each in enumerate(order) if each > (at - back, kind, value)]
        expected = read.rows[later[0], [TIME, KIND]] + 1 if at >= back else [0, 0]
        got = [read.feature("lookback", FIELDS[field], "beats", beats)[number] for field in (TIME, KIND)]
        assert got == list(expected)


@given(seeds)
def test_where_a_drum_is_struck_is_read_of_drums_alone(seed: int) -> None:
    read = Read(random_lines(seed))
    assert np.array_equal(read.condition("drum place"), np.where(read.is_drum, 1 + read.tick % 96, 0))
    assert read.is_drum.any()


@given(seeds)
def test_when_the_next_notes_end_is_read(seed: int) -> None:
    """The last note of each part with pitches: the first two ticks at which one of them ends."""
    rng = np.random.default_rng(seed)
    piece = random_lines(seed)
    piece = Piece(2 * piece.onset, rng.integers(1, 24, piece.num_notes), piece.pitch, part=piece.part, parts=piece.parts)
    read = Read(piece)
    assert not any(read.vocabulary.implied_duration)
    ticks = np.array(read.vocabulary.durations)[read.rows[:, DURATION]]
    ends: dict[int, int] = {}
    for number, at in enumerate(read.tick.tolist()):
        if not read.is_drum[number]:
            ends[int(read.rows[number, KIND])] = at + int(ticks[number])
        coming = sorted({end for end in ends.values() if end > at})[:2]
        expected = [int(as_time(read.vocabulary, np.array(end - at))) for end in coming] + [0] * (2 - len(coming))
        assert [int(read.feature("end", which)[number]) for which in ENDS] == expected


@pytest.mark.parametrize("parts", [(Part(0),), (Part(0), Part(40))])
def test_lines_are_read_without(parts: tuple[Part, ...]) -> None:
    """Vocabularies whose parts are all lines have no such columns: what their models read is as it was."""
    onset, part = np.tile(24 * np.arange(8), len(parts)), np.repeat(range(len(parts)), 8)
    piece = Piece(onset, np.full(len(onset), 24), 60 + onset // 24 + part, part=part, parts=parts)
    vocabulary = Vocabulary.build([piece])
    assert not vocabulary.is_chordal
    for table in (FEATURES, CONDITIONS):
        found = spans(table, vocabulary)
        own = [span for name, span in found.items() if "beats" in name or name[0] in ("end", "twin", "stands", "drum place")]
        assert own and all(span.start == span.stop for span in own)
