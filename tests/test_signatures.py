"""Time signatures, tempi and keys by hand: bars, beats, what is legal, how they are cut and joined."""

from __future__ import annotations

import re

import pytest

from melody.errors import PieceError
from melody.signatures import (
    Key,
    Tempo,
    TimeSignature,
    check_range,
    check_time_signature,
    join_events,
    slice_events,
    time_signature_of,
)


@pytest.mark.parametrize(
    ("numerator", "denominator", "bar", "beat"),
    [(4, 4, 96, 24), (3, 4, 72, 24), (6, 4, 144, 24), (2, 2, 96, 48), (3, 8, 36, 12), (6, 8, 72, 36), (7, 8, 84, 12),
     (9, 8, 108, 36), (6, 16, 36, 18), (3, 16, 18, 6), (1, 1, 96, 96)],
)  # fmt: skip
def test_bars_and_beats(numerator: int, denominator: int, bar: int, beat: int) -> None:
    """Compound time has beats of three: eighths and shorter, more than three of them, in threes."""
    signature = TimeSignature(0, numerator, denominator)
    assert (signature.bar_ticks(), signature.beat_ticks()) == (bar, beat)
    assert (signature.bar_ticks(480), signature.beat_ticks(480)) == (20 * bar, 20 * beat)


@pytest.mark.parametrize(
    ("ticks", "ticks_per_quarter", "expected"),
    [(24, 24, (1, 4)), (96, 24, (4, 4)), (60, 24, (5, 8)), (6, 24, (1, 16)), (3, 24, (1, 32)), (1, 16, (1, 64)),
     (255 * 24, 24, (255, 4)), (256 * 24, 24, None), (1, 24, None), (1, 32, None), (0, 24, None)],
)  # fmt: skip
def test_the_time_signature_of_a_bar(ticks: int, ticks_per_quarter: int, expected: tuple[int, int] | None) -> None:
    """1 to 255 of a note from a quarter to a sixty-fourth, the longest that fits."""
    assert time_signature_of(7, ticks, ticks_per_quarter) == (expected and TimeSignature(7, *expected))


def test_ranges_hold_both_ends() -> None:
    for value in (1, 5):
        check_range("number", value, 1, 5)
    for value in (0, 6):
        with pytest.raises(PieceError, match=f"^number is {value}; it must be from 1 to 5$"):
            check_range("number", value, 1, 5)


def test_time_signatures_that_midi_and_the_grid_hold() -> None:
    for denominator in (1, 2, 4, 8, 16, 32):
        for numerator in (1, 255):
            check_time_signature(TimeSignature(0, numerator, denominator))
    check_time_signature(TimeSignature(0, 2, 64))
    check_time_signature(TimeSignature(0, 1, 64), 48)
    for signature, says in (
        (TimeSignature(0, 0, 4), "numerator of a time signature is 0; it must be from 1 to 255"),
        (TimeSignature(0, 256, 4), "numerator of a time signature is 256; it must be from 1 to 255"),
        (TimeSignature(0, 4, 128), "denominator of a time signature is 128; it must be 1, 2, 4, 8, 16, 32 or 64"),
        (TimeSignature(0, 1, 64), "a bar of 1/64 is no whole number of ticks at 24 ticks a quarter; take a finer grid"),
    ):
        with pytest.raises(PieceError, match=f"^{re.escape(says)}$"):
            check_time_signature(signature)


def test_tempi_and_keys() -> None:
    assert Tempo.from_qpm(5, 90) == Tempo(5, 666_667)
    assert Tempo(0, 400_000).qpm == 150
    assert Key(3, 6, "major").transpose(-12) == Key(3, 6, "major") == Key(3, 1, "major").transpose(-1)
    assert Key(3, -6, "minor").transpose(0) == Key(3, -6, "minor")
    assert Key(0, 7, "major").transpose(12) == Key(0, 7, "major")  # an octave up it is still spelled so
    assert Key(0, 0, "minor").transpose(13) == Key(0, -5, "minor")
    assert [Key(0, 0, "major").transpose(s).fifths for s in range(12)] == [0, -5, 2, -3, 4, -1, 6, 1, -4, 3, -2, 5]


EVENTS = (Tempo(0, 100), Tempo(10, 200), Tempo(20, 300))


@pytest.mark.parametrize(
    ("start", "stop", "expected"),
    [
        (0, 30, [(0, 100), (10, 200), (20, 300)]),
        (0, 20, [(0, 100), (10, 200)]),
        (5, 20, [(0, 100), (5, 200)]),
        (10, 21, [(0, 200), (10, 300)]),
        (11, 20, [(0, 200)]),
        (25, 99, [(0, 300)]),
    ],
)
def test_a_slice_begins_with_what_is_in_force(start: int, stop: int, expected: list[tuple[int, int]]) -> None:
    assert slice_events(EVENTS, start, stop) == tuple(Tempo(*event) for event in expected)


def test_a_slice_before_the_first_key_has_none() -> None:
    assert slice_events((Key(10, 1, "major"),), 0, 10) == ()
    assert slice_events((Key(10, 1, "major"),), 4, 11) == (Key(6, 1, "major"),)


@pytest.mark.parametrize(
    ("at", "tail", "expected"),
    [
        (30, [(0, 400)], [(0, 100), (10, 200), (20, 300), (30, 400)]),
        (30, [(0, 300), (5, 400)], [(0, 100), (10, 200), (20, 300), (35, 400)]),  # nothing changes at 30
        (20, [(0, 400)], [(0, 100), (10, 200), (20, 400)]),  # what the head has at that tick gives way
        (15, [(0, 400)], [(0, 100), (10, 200), (15, 400)]),
        (15, [], [(0, 100), (10, 200)]),
        (10, [(0, 200), (1, 200), (2, 300)], [(0, 100), (10, 200), (12, 300)]),
    ],
)
def test_joined_events(at: int, tail: list[tuple[int, int]], expected: list[tuple[int, int]]) -> None:
    assert join_events(EVENTS, [Tempo(*event) for event in tail], at) == tuple(Tempo(*event) for event in expected)


def test_joining_to_nothing_keeps_all() -> None:
    assert join_events((), (Key(0, 1, "major"),), 5) == (Key(5, 1, "major"),)
