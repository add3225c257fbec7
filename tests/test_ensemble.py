"""How parts play together: each measure by its definition, on pieces in which one can count."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from piece_strategies import pieces

from melody.piece import Part, Piece, TimeSignature
from melody.statistics import ensemble

BASS, LEAD, KIT = Part(33), Part(80), Part(0, is_drum=True)
ALL = (
    ensemble.snare_on_two_and_four,
    ensemble.bass_in_the_harmony,
    ensemble.tones_doubled,
    ensemble.held_until_the_next,
    ensemble.loudness_within_parts,
)


def of(notes: list[tuple[int, int, int, int]], parts: tuple[Part, ...], **more: object) -> Piece:
    """A piece of (onset, duration, pitch, part)."""
    onset, duration, pitch, part = (np.array(each) for each in zip(*sorted(notes, key=lambda n: (n[0], n[3], n[2]))))
    return Piece(onset, duration, pitch, np.full(len(onset), 80), part, parts, **more)  # type: ignore[arg-type]


def test_a_backbeat_is_a_snare_on_two_and_on_four() -> None:
    """One bar with both, one with the second alone, one with a bass drum there; a bar of 3/4 does not count."""
    bars = {0: ((24, 38), (72, 40)), 1: ((24, 38), (60, 38)), 2: ((24, 36), (72, 36)), 3: ((24, 38),)}
    strokes = [(96 * bar + at, 6, drum, 0) for bar, own in bars.items() for at, drum in own]
    metres = (TimeSignature(0, 4, 4), TimeSignature(288, 3, 4))
    assert ensemble.snare_on_two_and_four(of(strokes, (KIT,), time_signatures=metres)) == 1 / 3
    waltz = of(strokes, (KIT,), time_signatures=(TimeSignature(0, 3, 4),))
    assert math.isnan(ensemble.snare_on_two_and_four(waltz))


def test_a_bass_is_in_the_harmony_if_another_part_sounds_its_tone() -> None:
    """Of eight bass notes five are under a chord: C twice, E, F and B under C major."""
    bass = [(24 * number, 24, pitch, 0) for number, pitch in enumerate((36, 40, 41, 47, 36, 36, 36, 36))]
    chord = [(0, 120, pitch, 1) for pitch in (60, 64, 67)]
    assert ensemble.bass_in_the_harmony(of([*bass, *chord], (BASS, LEAD))) == 3 / 5
    assert math.isnan(ensemble.bass_in_the_harmony(of(bass, (BASS,))))


def test_a_tone_is_doubled_by_another_part_alone() -> None:
    """An octave within one part is none; at another time neither."""
    notes = [(0, 12, 48, 0), (0, 12, 60, 1), (24, 12, 60, 1), (24, 12, 72, 1), (48, 12, 50, 0), (60, 12, 62, 1)]
    assert ensemble.tones_doubled(of(notes, (BASS, LEAD))) == 2 / 6


def test_how_long_parts_sound_and_how_loud_they_are() -> None:
    """Half of a quarter, then all of it though the note is longer; of a chord the longer note counts."""
    notes = [(0, 12, 60, 0), (24, 6, 60, 0), (24, 40, 64, 0), (48, 12, 60, 0)]
    piece = of(notes, (LEAD,))
    assert ensemble.held_until_the_next(piece) == (0.5 + 1) / 2
    loud = Piece(piece.onset, piece.duration, piece.pitch, [80, 90, 80, 90], piece.part, piece.parts)
    assert ensemble.loudness_within_parts(piece) == 0 and ensemble.loudness_within_parts(loud) == 5


def test_of_nothing_there_is_no_measure() -> None:
    assert all(math.isnan(measure(Piece([], [], []))) for measure in ALL)


@given(pieces(), st.integers(0, 11))
def test_they_are_shares_and_the_same_in_every_key(piece: Piece, semitones: int) -> None:
    low = piece.select(piece.is_drum | (piece.pitch < 100))
    for measure in ALL:
        value = measure(low)
        assert math.isnan(value) or 0 <= value <= (1 if measure is not ensemble.loudness_within_parts else 63.5)
        assert measure(low.transpose(semitones)) == pytest.approx(value, nan_ok=True)
