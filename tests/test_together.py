"""Parts that play one line together: whom a part follows, with which note, and who knows it at the next place."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_players import BASS, FLUTE, KIT, all_steps, read

from melody.piece import Part, Piece
from melody.tokens import Vocabulary
from melody.tokens.inputs.context import Conditions, Contexts
from melody.tokens.inputs.features import context
from melody.tokens.inputs.schema import (
    BEGUN,
    CONDITIONS,
    ENDING,
    SILENT,
    SOUNDING,
    STATE_BITS,
    WITH_TWIN,
    feature_sizes,
    spans,
)
from melody.tokens.inputs.together import followed
from melody.tokens.usage import FIRST_PART
from melody.tokens.vocabulary import KIND, TIME, VALUE

seeds = st.integers(0, 10_000)
TUNE = (48, 52, 50, 55, 53, 48, 47, 48)


def played(lines: dict[Part, tuple[int | None, ...]]) -> Piece:
    """A note or none of each part at each quarter, an eighth long."""
    rows = [(24 * at, part, pitch) for part, line in enumerate(lines.values()) for at, pitch in enumerate(line) if pitch]
    onset, part, pitch = np.array(rows).T
    order = np.lexsort((pitch, part, onset))
    return Piece(onset[order], np.full(len(rows), 12), pitch[order], part=part[order], parts=tuple(lines))


def state_of(found: dict[str, np.ndarray], part: int) -> np.ndarray:
    """How a part stands to the place of each event, of the first `GROUP` parts."""
    return found["there stands"] >> STATE_BITS * part & 2**STATE_BITS - 1


@pytest.mark.parametrize("away", [12, 0, -12, 24])
def test_a_part_in_octaves_with_another_is_read_its_own_next_note(away: int) -> None:
    """From its second note on, whichever octave; and before each it is said that its twin has begun one."""
    vocabulary, rows, found = read(played({BASS: TUNE, FLUTE: tuple(pitch + away for pitch in TUNE), KIT: (36,) * 8}))
    flute = vocabulary.parts.index(FLUTE)
    own = np.flatnonzero(rows[:, KIND] == FIRST_PART + flute)
    assert found["there twin"][own[0]] == 0 and state_of(found, flute)[own[0]] == SILENT
    assert np.array_equal(found["there twin"][own[1:]] - 1, rows[own[1:], VALUE] - vocabulary.first_pitch)
    assert (state_of(found, flute)[own[1:]] == SILENT + WITH_TWIN).all()
    others = rows[:, KIND] != FIRST_PART + flute
    assert not found["there twin"][others].any()
    drums = np.flatnonzero(rows[:, KIND] == FIRST_PART + vocabulary.parts.index(KIT))
    assert (state_of(found, flute)[drums] == BEGUN).all()


def test_who_plays_thirds_has_no_twin() -> None:
    _, _, found = read(played({BASS: TUNE, FLUTE: tuple(pitch + 16 for pitch in TUNE), KIT: (36,) * 8}))
    assert not found["there twin"].any()


def test_a_note_between_ends_it() -> None:
    """The bass plays between the flute's last note and its next: it is not the same line."""
    flute = tuple(pitch + 12 if at % 2 == 0 else None for at, pitch in enumerate(TUNE))
    _, _, found = read(played({BASS: TUNE, FLUTE: flute, KIT: (36,) * 8}))
    assert not found["there twin"].any()


def test_of_two_twins_the_nearer_one_is_followed() -> None:
    """A flute that was in unison with bass and piano, which part: the one before it in the order of parts leads."""
    piano = Part(0)
    lines = {piano: (48, 50), BASS: (48, 53), FLUTE: (60, 65), KIT: (36, 36)}
    vocabulary, rows, found = read(played(lines))
    last = np.flatnonzero(rows[:, KIND] == FIRST_PART + vocabulary.parts.index(FLUTE))[-1]
    assert vocabulary.parts.index(piano) < vocabulary.parts.index(BASS) < vocabulary.parts.index(FLUTE)
    assert found["there twin"][last] - 1 == 65 - vocabulary.pitches[0]


@pytest.mark.parametrize(("lasting", "state"), [(12, SILENT), (24, ENDING), (36, SOUNDING)])
def test_whether_a_note_sounds_on_is_said(lasting: int, state: int) -> None:
    """Of a drum a quarter later, for a bass whose notes last so long: nobody leads it."""
    piece = played({BASS: (48, None) * 4, FLUTE: (72,) * 8, KIT: (36,) * 8})
    bass = piece.part == 0
    piece = Piece(piece.onset, np.where(bass, lasting, 6), piece.pitch, part=piece.part, parts=piece.parts)
    vocabulary, rows, found = read(piece)
    tick = np.cumsum(np.array(vocabulary.shifts)[rows[:, TIME] - 1])
    there = np.flatnonzero(tick % 48 == 24)
    assert (state_of(found, vocabulary.parts.index(BASS))[there] == state).all()


def test_what_leaves_the_range_is_nothing() -> None:
    assert [followed(*each, 10) for each in ((3, 5, 4), (3, 1, 4), (9, 6, 4), (9, 5, 4))] == [4, 0, 0, 10]


def random_lines(number: int) -> Piece:
    """Six parts and a kit that mostly go together, in octaves or not, in chords now and then, with rests."""
    rng = np.random.default_rng(number)
    parts = (Part(0), Part(24), BASS, FLUTE, Part(80), Part(90), KIT)
    tune, rows = rng.integers(50, 62, 24), []
    for part in range(len(parts)):
        away = int(rng.choice([-12, 0, 12, 12, 7]))
        for at in np.flatnonzero(rng.random(len(tune)) < 0.75).tolist():
            own = 36 if part == 6 else int(tune[at]) + away if rng.random() < 0.8 else int(rng.integers(45, 70))
            rows += [(12 * at, part, each) for each in ([own, own + 4] if rng.random() < 0.2 else [own])]
    onset, part, pitch = np.array(rows).T
    return Piece(onset, rng.choice([6, 12], len(onset)), pitch, part=part, parts=parts)


@given(seeds)
def test_it_is_the_same_event_by_event_for_one_and_for_several(number: int) -> None:
    pieces = [random_lines(number + k) for k in range(3)]
    vocabulary = Vocabulary.build([*pieces, all_steps()])
    rows = [vocabulary.encode(piece) for piece in pieces]
    where, first = spans(CONDITIONS, vocabulary), len(feature_sizes(vocabulary))
    wanted = [where[("twin",)].start, *range(where[("stands",)].start, where[("stands",)].stop)]
    expected = [context(vocabulary, each)[:, first:][:, wanted] for each in rows]
    assert all(each[:, 0].any() for each in expected)
    several, alone = Contexts(vocabulary, len(rows)), [Contexts(vocabulary, 1) for _ in rows]
    for step in range(min(map(len, rows)) - 1):
        events = np.stack([each[step] for each in rows])
        for numbers, contexts in [(range(len(rows)), several), *(((k,), one) for k, one in enumerate(alone))]:
            own, conditions = events[list(numbers)], Conditions(contexts)
            conditions.place(own)
            conditions.part(own)
            assert np.array_equal(conditions.array[:, wanted], [expected[k][step] for k in numbers])
            contexts.push(own)
