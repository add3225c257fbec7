"""What pieces use, counted by hand."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from melody.piece import Key, Part, Piece, Tempo, TimeSignature
from melody.tokens.usage import KEY, METRE, TEMPO, Parts, Usage, next_in_voice, part_keys, rests_after

FLUTE, DRUMS = (73, False, 0), (0, True, 0)


def usage(*pieces: Piece) -> Usage:
    """What the pieces use."""
    parts = Parts()
    for piece in pieces:
        parts.add(piece)
    found = Usage(parts)
    for piece in pieces:
        found.add(piece)
    return found


def test_the_same_instrument_again_is_another_part() -> None:
    parts = [Part(73, name="a"), Part(40), Part(73, name="b"), Part(73, is_drum=True), Part(73), Part(40)]
    assert part_keys(parts) == [
        (73, False, 0), (40, False, 0), (73, False, 1), (73, True, 0), (73, False, 2), (40, False, 1),
    ]  # fmt: skip


def test_a_name_is_kept_while_all_agree() -> None:
    parts = Parts()
    parts.add_part(FLUTE, "Soprano", True, 1, 0)
    parts.add_part(FLUTE, "Soprano", True, 1, 0)
    assert parts.names == {FLUTE: "Soprano"}
    parts.add_part(FLUTE, "Alto", True, 1, 0)
    parts.add_part(FLUTE, "Soprano", True, 1, 0)
    assert parts.names == {FLUTE: ""}


@pytest.mark.parametrize(("notes", "rests", "polyphony", "expected"), [
    (4, 1, False, True), (3, 1, False, False), (8, 2, False, True), (7, 2, False, False), (4, 0, True, False),
])  # fmt: skip
def test_a_line_with_few_rests_needs_no_durations(notes: int, rests: int, polyphony: bool, expected: bool) -> None:
    """Four notes to a rest, over all pieces together; a part that ever sounds two notes at once needs them."""
    parts = Parts()
    parts.add_part(FLUTE, "", True, notes - 1, rests)
    parts.add_part(FLUTE, "", not polyphony, 1, 0)
    parts.add_part(FLUTE, "", True, 0, 0)
    assert parts.has_implied_durations(FLUTE) == expected
    assert parts.monophonic == {FLUTE: not polyphony}
    assert not parts.has_implied_durations(DRUMS)  # which never plays


def test_parts_of_a_piece() -> None:
    """A line that rests once, after its last note; a chord; a part without notes is none."""
    piece = Piece(
        [0, 24, 48, 72, 0, 0], [24, 24, 24, 24, 96, 96], [60, 62, 64, 65, 36, 40],
        part=[0, 0, 0, 0, 2, 2], parts=(Part(73, name="a"), Part(1), Part(0, is_drum=True)),
    )  # fmt: skip
    parts = usage(piece).parts
    assert parts.names == {FLUTE: "a", DRUMS: ""}
    assert parts.monophonic == {FLUTE: True, DRUMS: False}
    assert (parts.has_implied_durations(FLUTE), parts.has_implied_durations(DRUMS)) == (True, False)
    late = Parts()
    late.add(Piece([0, 24, 48, 73], [24] * 4, [60] * 4, parts=(Part(73),)))  # a tick of silence: two rests
    assert not late.has_implied_durations(FLUTE)


def test_all_that_a_piece_uses() -> None:
    """Ticks from one event to the next: notes, rests of the line (at 96 and 192), and changes, 0 for those at one tick."""
    piece = Piece(
        [0, 24, 48, 72, 120, 144, 156, 168, 0, 100],
        [24, 24, 24, 24, 24, 12, 12, 24, 30, 92],
        [60, 62, 64, 65, 67, 67, 65, 64, 36, 36],
        [90, 90, 90, 90, 90, 90, 90, 91, 70, 70],
        part=[0] * 8 + [1, 1],
        parts=(Part(73), Part(0, is_drum=True)),
        time_signatures=(TimeSignature(0, 4, 4),),
        tempi=(Tempo(0, 500_000), Tempo(110, 400_000)),
        keys=(Key(0, 1, "major"),),
    )
    found = usage(piece)
    ticks = [0, 24, 48, 72, 120, 144, 156, 168, 0, 100, 96, 192, 0, 0, 110, 0]
    assert found.parts.has_implied_durations(FLUTE) and not found.parts.has_implied_durations(DRUMS)
    assert found.shifts == Counter(np.diff(sorted(ticks), prepend=0).tolist())
    assert found.durations == {30: 1, 92: 1}  # of the drums alone
    assert found.velocities == {90: 7, 91: 1, 70: 2}
    assert found.pitches == {36, 60, 62, 64, 65, 67}
    assert found.time_signatures == {(4, 4): 1}
    assert found.tempi == {500_000: 1, 400_000: 1}
    assert found.keys == {(1, "major"): 1}
    assert found.grids == {24}
    assert found.changes == [False, True, False]


def test_a_piece_without_notes_uses_nothing() -> None:
    found = usage(Piece([], [], []))
    assert (found.grids, found.tempi, found.shifts, found.pitches) == (set(), {}, {}, set())
    assert found.changes == [False, False, False]


@pytest.mark.parametrize(
    ("kind", "changed"),
    [
        (METRE, {"time_signatures": (TimeSignature(0, 4, 4), TimeSignature(96, 3, 4))}),
        (TEMPO, {"tempi": (Tempo(0, 500_000), Tempo(1, 400_000))}),
        (KEY, {"keys": (Key(0, 0, "major"), Key(1, 1, "major"))}),
        (KEY, {"keys": (Key(1, 1, "major"),)}),
        (None, {"keys": (Key(0, 0, "major"),)}),
    ],
)
def test_what_changes_within_a_piece(kind: int | None, changed: dict) -> None:
    """And stays so, whatever the pieces after it."""
    plain, piece = Piece([0], [24], [60]), Piece([0], [24], [60], **changed)
    expected = [number == kind for number in range(3)]
    assert usage(plain, piece, plain).changes == expected


def test_rests_and_what_is_next_in_a_voice() -> None:
    voice, onset = np.array([0, 1, 0, 1, 0, 2]), np.array([0, 0, 24, 30, 60, 7])
    end = np.array([24, 29, 48, 40, 70, 9])
    assert sorted(rests_after(voice, onset, end).tolist()) == [1, 2, 3, 4, 5]
    assert rests_after(voice[[4, 2, 0]], onset[[4, 2, 0]], end[[4, 2, 0]]).tolist() == [1, 0]  # in any order
    order = np.argsort(onset, kind="stable")
    last = np.full(6, 99)
    assert next_in_voice(voice[order], onset[order], last).tolist() == [24, 30, 99, 60, 99, 99]
    assert last.tolist() == [99] * 6
