"""A vocabulary by hand: its tokens, its events, and what it refuses."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pytest

from melody.errors import VocabularyError
from melody.piece import MAX_TICK, Key, Part, Piece, Tempo, TimeSignature
from melody.tokens import Vocabulary
from melody.tokens.vocabulary import describe, spell

WALTZ = TimeSignature(0, 3, 4)
RAW = {  # a line that never rests before its end, and drums
    "onset": [0, 24, 48, 72, 96, 0, 72],
    "duration": [24, 24, 24, 24, 48, 12, 6],
    "pitch": [60, 62, 64, 62, 60, 36, 38],
    "velocity": [90, 90, 90, 90, 90, 100, 90],
    "part": [0, 0, 0, 0, 0, 1, 1],
    "parts": (Part(73, name="flute"), Part(0, is_drum=True)),
    "time_signatures": (WALTZ,),
    "tempi": (Tempo(0, 500_000), Tempo(72, 400_000)),
    "keys": (Key(0, 1, "major"), Key(72, 0, "major")),
}
SONG = Piece(**RAW)
SONG_VOCABULARY = Vocabulary(
    shifts=(0, 3, 24, 48),
    parts=(Part(73, name="flute"), Part(0, is_drum=True)),
    pitches=(36, 64),
    durations=(6, 12),
    velocities=(90, 100),
    time_signatures=((3, 4),),
    tempi=(400_000, 500_000),
    keys=((0, "major"), (1, "major")),
    changes=(False, True, True),
    monophonic=(True, True),
    implied_duration=(True, False),
)
SONG_ROWS = [  # time, kind, value (metre 0, tempi 1-2, keys 3-4, rest 5, pitches from 6), duration, velocity
    [1, 1, 2, 0, 0],  # 500,000
    [1, 2, 4, 0, 0],  # G
    [1, 3, 6 + 24, 0, 0],
    [1, 4, 6 + 0, 1, 1],
    [3, 3, 6 + 26, 0, 0],
    [3, 3, 6 + 28, 0, 0],
    [3, 1, 1, 0, 0],
    [1, 2, 3, 0, 0],
    [1, 3, 6 + 26, 0, 0],
    [1, 4, 6 + 2, 0, 0],
    [3, 3, 6 + 24, 0, 0],
    [4, 3, 5, 0, 0],  # the line's rest after its last note, 48 ticks on
    [0, 0, 0, 0, 0],
]


def test_what_is_made_of_a_piece() -> None:
    """24 divides all but the drums' 6 and 12 ticks, which divide to 6: rests must be able to come on any bar line."""
    assert Vocabulary.build([SONG]) == replace(SONG_VOCABULARY, shifts=(0, 6, 12, 24, 48))


def test_events_by_hand_both_ways() -> None:
    assert SONG_VOCABULARY.encode(SONG).tolist() == SONG_ROWS
    assert SONG_VOCABULARY.decode(np.array(SONG_ROWS)) == SONG
    again = np.array([*SONG_ROWS, *SONG_ROWS[:5]])
    assert SONG_VOCABULARY.decode(again, title="a", texts=("b",)) == replace(SONG, title="a", texts=("b",))  # up to END


def test_rows_of_a_store_are_small_integers() -> None:
    for kind in (np.int16, np.uint8, np.int32):
        assert SONG_VOCABULARY.decode(np.array(SONG_ROWS, kind)) == SONG
    assert SONG_VOCABULARY.decode(np.array(SONG_ROWS).ravel()) == SONG


def test_numbers_of_the_tokens() -> None:
    vocabulary = SONG_VOCABULARY
    assert vocabulary.value_starts == (0, 1, 3, 5, 5, 6, 35)
    assert (vocabulary.first_pitch, vocabulary.rest, vocabulary.num_pitches) == (6, 5, 29)
    assert vocabulary.sizes == (5, 5, 35, 2, 2)
    assert vocabulary.is_encoded == (False, True, True)
    assert vocabulary.longest_bar == 72
    assert vocabulary.tokens_per_note == 5
    alone = Vocabulary.build([Piece([0, 0], [24, 24], [60, 64])])
    assert (alone.sizes, alone.value_starts, alone.tokens_per_note) == ((3, 4, 7, 1, 1), (0, 1, 2, 2, 2, 2, 7), 2)


def test_fields_of_each_event() -> None:
    rows = np.array(SONG_ROWS)
    mask = SONG_VOCABULARY.field_mask(rows)
    assert mask[:, :3].all(axis=1).tolist() == [True] * 12 + [False]
    assert mask[:, 0].all() and not mask[12, 1:].any()
    assert np.flatnonzero(mask[:, 3]).tolist() == [3, 9]  # the drums have durations
    assert np.flatnonzero(mask[:, 4]).tolist() == [2, 3, 4, 5, 8, 9, 10]
    assert np.flatnonzero(SONG_VOCABULARY.is_note(rows)).tolist() == [2, 3, 4, 5, 8, 9, 10]
    assert np.flatnonzero(SONG_VOCABULARY.is_rest(rows)).tolist() == [11]


def test_transposed_values() -> None:
    """Two fifths round: G up a tone is A, which is unknown; C up a tone is D; G down a fifth is C. Rests stay."""
    for semitones, keys in ((2, [-1, -1]), (-7, [-1, 3]), (7, [4, -1]), (12, [3, 4])):
        pitches = [6 + n + semitones if 0 <= n + semitones < 29 else -1 for n in range(29)]
        assert SONG_VOCABULARY.value_transposition(semitones).tolist() == [0, 1, 2, *keys, 5, *pitches]


def test_rows_that_break_off_and_no_rows() -> None:
    """A line that sounds goes on to the last event, a quarter at least."""
    cut = SONG_VOCABULARY.decode(np.array(SONG_ROWS[:11]))
    assert cut.duration.tolist() == [24, 12, 24, 24, 24, 6, 24]
    longer = SONG_VOCABULARY.decode(np.array([*SONG_ROWS[:3], [4, 4, 6, 0, 0]]))
    assert (longer.onset.tolist(), longer.duration.tolist()) == ([0, 48], [48, 6])
    nothing = SONG_VOCABULARY.decode(np.zeros((0, 5), np.int64))
    assert (nothing.num_notes, nothing.parts, nothing.tempi) == (0, SONG.parts[:1], (Tempo(0, 400_000),))
    assert nothing.time_signatures == (WALTZ,) and nothing.keys == ()
    drums = SONG_VOCABULARY.decode(np.array([SONG_ROWS[0], SONG_ROWS[3]]))
    assert drums.parts == SONG.parts[1:] and drums.part.tolist() == [0]


@pytest.mark.parametrize(
    "row", [[5, 3, 6, 0, 0], [1, 5, 6, 0, 0], [1, 3, 35, 0, 0], [1, 3, 6, 2, 0], [1, 3, 6, 0, 2], [1, 3, 6, -1, 0]]
)
def test_tokens_out_of_range(row: list[int]) -> None:
    with pytest.raises(VocabularyError, match=re.escape("tokens out of range; the fields have (5, 5, 35, 2, 2) tokens")):
        SONG_VOCABULARY.decode(np.array([row]))


@pytest.mark.parametrize("row", [[1, 1, 0, 0, 0], [1, 1, 3, 0, 0], [1, 2, 2, 0, 0], [1, 2, 5, 0, 0], [1, 0, 1, 0, 0]])
def test_a_change_to_what_is_no_value_of_its_kind(row: list[int]) -> None:
    with pytest.raises(VocabularyError, match=f"^token {row[2]} is no value of a change of kind {row[1]}$"):
        SONG_VOCABULARY.decode(np.array([row]))


# Making one


@pytest.mark.parametrize(("transpositions", "pitches"), [
    ((0,), (3, 120)), (range(-3, 8), (0, 127)), (range(-4, 9), (0, 127)), ((1, 2), (3, 122)), ((-2, -1), (1, 120)),
])  # fmt: skip
def test_the_range_is_that_of_all_transpositions(transpositions: range, pitches: tuple[int, int]) -> None:
    """And of the pieces as they are, within MIDI's."""
    piece = Piece([0, 24], [24, 24], [3, 120])
    assert Vocabulary.build([piece], transpositions=transpositions).pitches == pitches


def test_of_many_values_the_most_frequent_stay() -> None:
    """Of the times 1, 2, 2, 3, 3, 3, 5 and six of 100 three: 2, 3 and 100, as none is near another; 0 is always there."""
    durations = [1, 2, 2, 3, 3, 3, 5]
    onset = np.arange(1, 8) * 100
    staccato = Piece(onset, durations, [60] * 7, [10, 20, 30, 40, 50, 60, 70], ticks_per_quarter=25)
    vocabulary = Vocabulary.build([staccato], max_values=4)
    assert vocabulary.shifts == (0, 2, 3, 100)
    assert vocabulary.durations == (2, 3)
    assert vocabulary.velocities == (10, 30, 50, 70)  # each other one is near one of these
    whole = Vocabulary.build([staccato])
    assert whole.durations == (1, 2, 3, 5) and whole.shifts == (0, 1, 2, 3, 5, 100)


def test_a_line_can_rest_on_every_bar_line() -> None:
    """Quarters and dotted quarters in 4/4 and 5/8: bars of 96 and 60 ticks, times of 24 and 36; 12 divides all."""
    line = Piece([0, 24, 60, 96], [24, 36, 36, 24], [60, 62, 64, 65], time_signatures=(TimeSignature(0, 4, 4),))
    other = replace(line, time_signatures=(TimeSignature(0, 5, 8),))
    assert Vocabulary.build([line, other]).shifts == (0, 12, 24, 36)
    drums = Piece(
        [*line.onset, 0, 96], [*line.duration, 12, 18], [*line.pitch, 36, 38], part=[0] * 4 + [1] * 2,
        parts=(Part(0), Part(0, is_drum=True)),
    )  # fmt: skip
    assert Vocabulary.build([drums]).shifts == (0, 6, 12, 18, 24, 36)  # what drums last counts too
    odd = replace(line, time_signatures=(TimeSignature(0, 5, 32),))  # bars of 15 ticks: 3 divides all
    assert Vocabulary.build([line, odd], max_values=3).shifts == (0, 3, 24)  # what divides all is kept in any case


def test_parts_are_sorted_drums_last() -> None:
    piece = Piece(
        [0, 0, 0, 0, 0, 0], [24] * 6, [60, 61, 62, 63, 64, 65], part=range(6),
        parts=(Part(5, is_drum=True), Part(40), Part(3), Part(40), Part(1, is_drum=True), Part(90)),
    )  # fmt: skip
    vocabulary = Vocabulary.build([piece])
    assert [(p.program, p.is_drum) for p in vocabulary.parts] == [
        (3, False), (40, False), (40, False), (90, False), (1, True), (5, True),
    ]  # fmt: skip
    assert vocabulary.part_numbers(piece).tolist() == [5, 1, 0, 2, 4, 3]
    assert vocabulary.part_numbers(Piece([], [], [], parts=(Part(40), Part(0), Part(40), Part(40)))).tolist() == [
        1,
        -1,
        2,
        -1,
    ]


def test_different_grids_and_no_notes_are_refused() -> None:
    with pytest.raises(
        VocabularyError, match=re.escape("pieces on different grids: [12, 24] ticks a quarter; read all on one")
    ):
        Vocabulary.build([Piece([0], [24], [60]), Piece([0], [12], [60], ticks_per_quarter=12)])
    with pytest.raises(VocabularyError, match="there is not one note to make a vocabulary of; give at least one piece with"):
        Vocabulary.build([Piece([], [], [])])
    assert Vocabulary.build([Piece([], [], [], ticks_per_quarter=12), Piece([0], [24], [60])]).ticks_per_quarter == 24


# What it does not know


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"ticks_per_quarter": 48}, "the piece is on a grid of 48 ticks a quarter; this vocabulary is on 24: read"),
        ({"parts": (Part(73), Part(40))}, "violin (program 40) is no part of this vocabulary"),
        ({"parts": (Part(73, is_drum=True), Part(0, is_drum=True))}, "a drum kit is no part of this vocabulary"),
        ({"pitch": [60, 62, 64, 62, 60, 35, 38]}, "pitch 35 is outside this vocabulary's 36 to 64"),
        ({"pitch": [60, 62, 65, 62, 60, 36, 38]}, "pitch 65 is outside this vocabulary's 36 to 64"),
        ({"duration": [24, 24, 24, 24, 48, 12, 7]}, "duration of 7 ticks or units is not in this vocabulary"),
        ({"duration": [24, 24, 24, 24, 48, 13, 6]}, "duration of 13 ticks or units is not in this vocabulary"),
        ({"velocity": [90, 90, 90, 90, 90, 101, 90]}, "velocity of 101 ticks or units is not in this vocabulary"),
        ({"duration": [24, 24, 24, 24, 49, 12, 6]}, "time between events of 49 ticks or units is not in this vocabulary"),
        ({"duration": [24, 25, 24, 24, 48, 12, 6]}, "two notes sound at once in a part in which this vocabulary knows"),
        ({"time_signatures": (TimeSignature(0, 3, 8),)}, "the metre 3/8 is not in this vocabulary"),
        ({"tempi": (Tempo(0, 600_000),)}, "the tempo 100.0 quarters a minute is not in this vocabulary"),
        ({"keys": (Key(0, -1, "minor"),)}, "the key Dm is not in this vocabulary"),
        ({"time_signatures": (WALTZ, TimeSignature(72, 3, 4))}, "the metre changes within the piece, which this vocab"),
    ],
)  # fmt: skip
def test_what_it_has_no_token_for_is_named(changed: dict, says: str) -> None:
    with pytest.raises(VocabularyError, match="^" + re.escape(says)):
        SONG_VOCABULARY.encode(Piece(**RAW | changed))


def test_a_piece_without_notes_has_its_changes() -> None:
    empty = replace(SONG.select([]), tempi=SONG.tempi[:1], keys=())
    assert SONG_VOCABULARY.encode(empty).tolist() == [[1, 1, 2, 0, 0], [0, 0, 0, 0, 0]]


def test_words() -> None:
    assert (describe(Part(5)), describe(Part(5, is_drum=True))) == ("electric piano 2 (program 5)", "a drum kit")
    assert [spell(0, (6, 8)), spell(1, 450_000), spell(2, (-3, "minor"))] == ["6/8", "133.3 quarters a minute", "Cm"]


# Stored ones


def stored(**changed: object) -> dict:
    return SONG_VOCABULARY.to_dict() | changed


def test_it_is_stored_and_read_at_its_bounds() -> None:
    for changed in (
        {},
        {"pitches": [0, 127]},
        {"pitches": [60, 60]},
        {"velocities": [1, 127]},
        {"durations": [1, MAX_TICK]},
        {"shifts": [0, MAX_TICK]},
        {"shifts": [0]},
        {"legato": [False, False]},
        {"legato": [True, True], "durations": []},
        {"time_signatures": [[255, 1]], "ticks_per_quarter": 980},  # bars of 999,600 ticks
        {"time_signatures": [[1, 1], [255, 2], [1, 32]]},
        {"tempi": [1, 2**24 - 1]},
        {"keys": [[-7, "minor"], [7, "major"]]},
        {"keys": []},
    ):
        data = stored(**changed)
        assert json.loads(json.dumps(Vocabulary.from_dict(data).to_dict())) == json.loads(json.dumps(data))


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"pitches": [-1, 64]}, "impossible pitches"),
        ({"pitches": [36, 128]}, "impossible pitches"),
        ({"pitches": [64, 36]}, "impossible pitches"),
        ({"tempi": []}, "no tempo"),
        ({"time_signatures": []}, "no time signature"),
        ({"velocities": [0, 90]}, "velocity is 0; it must be from 1 to 127"),
        ({"velocities": [90, 128]}, "velocity is 128; it must be from 1 to 127"),
        ({"velocities": [90, 90]}, "values missing or out of order"),
        ({"velocities": []}, "values missing or out of order"),
        ({"durations": []}, "values missing or out of order"),  # the drums have some
        ({"durations": [12, 6]}, "values missing or out of order"),
        ({"durations": [0, 6]}, "duration is 0; it must be from 1"),
        ({"durations": [6, MAX_TICK + 1]}, "whole numbers of at most 31 bits"),
        ({"shifts": []}, "values missing or out of order"),
        ({"shifts": [1, 24]}, "shifts must begin at 0, parts must match"),
        ({"shifts": [0, MAX_TICK + 1]}, "whole numbers of at most 31 bits"),
        ({"legato": [True]}, "parts must match"),
        ({"monophonic": [True]}, "parts must match"),
        ({"monophonic": [True] * 3, "legato": [True] * 3}, "parts must match"),
        ({"parts": [], "monophonic": [], "legato": []}, ""),
        ({"monophonic": [False, True]}, "a part of implied durations must be monophonic"),
        ({"time_signatures": [[255, 1]], "ticks_per_quarter": 981}, "ticks of the longest bar is 1000620; it must be"),
        ({"time_signatures": [[3, 4], [256, 4]]}, "numerator of a time signature is 256"),
        ({"time_signatures": [[1, 64]]}, "no whole number of ticks"),
        ({"tempi": [500_000, 2**24]}, "microseconds per quarter note is 16777216"),
        ({"keys": [[0, "major"], [8, "major"]]}, "fifths is 8"),
        ({"keys": [[0, "dorian"]]}, "dorian"),
        ({"parts": [{"program": 128, "is_drum": False, "name": ""}] * 2}, "program is 128"),
    ],
)  # fmt: skip
def test_what_no_piece_can_hold_is_damage(changed: dict, says: str) -> None:
    with pytest.raises(
        VocabularyError, match=r"^a vocabulary is damaged \(.*" + re.escape(says) + r".*\); get the file again$"
    ):
        Vocabulary.from_dict(stored(**changed))
