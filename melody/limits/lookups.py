"""What limits allow, as arrays: for masks over many streams at once.

A bar is a number from 0, the pick-up not counted; below 0 is a pick-up, which has no chord. A position is in ticks from the
bar line. Arrays of bars, positions and bar lengths may have any shapes that broadcast.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from melody.limits.limits import Limits
from melody.signatures import TICKS_PER_QUARTER, TimeSignature
from melody.tokens import Vocabulary

Mask = NDArray[np.bool_]


def allowed_pitches(limits: Limits, vocabulary: Vocabulary) -> Mask:
    """Which of the vocabulary's pitches range and scale allow, (pitches,), the lowest first; drums are not asked."""
    pitch = np.arange(vocabulary.pitches[0], vocabulary.pitches[1] + 1)
    allowed = np.ones(len(pitch), bool)
    if limits.range:
        allowed &= (pitch >= limits.range[0]) & (pitch <= limits.range[1])
    if limits.notes:
        allowed &= np.isin(pitch % 12, limits.notes.pitch_classes)
    return allowed


def allowed_parts(limits: Limits, vocabulary: Vocabulary) -> Mask:
    """Which of the vocabulary's parts the instruments allow, (parts,)."""
    plays = [not limits.instruments or any(i.plays(part) for i in limits.instruments) for part in vocabulary.parts]
    return np.array(plays, bool)


def allowed_velocities(limits: Limits, vocabulary: Vocabulary) -> Mask:
    """Which of the vocabulary's velocities are loud and soft enough, (velocities,)."""
    low, high = limits.velocity or (1, 127)
    velocity = np.array(vocabulary.velocities)
    return (velocity >= low) & (velocity <= high)


def allowed_keys(limits: Limits, vocabulary: Vocabulary) -> Mask:
    """Which of the vocabulary's keys are the key, however it is spelled, (keys,)."""
    key = limits.key
    return np.array(
        [key is None or (key._replace(fifths=f).tonic, m) == (key.tonic, key.mode) for f, m in vocabulary.keys], bool
    )


def allowed_metres(limits: Limits, vocabulary: Vocabulary) -> Mask:
    """Which of the vocabulary's metres are the metre, and have a rhythm on the grid, (metres,)."""
    metres = vocabulary.time_signatures
    return np.array([limits.metre in (None, metre) and _has_rhythm(limits, vocabulary, metre) for metre in metres], bool)


def _has_rhythm(limits: Limits, vocabulary: Vocabulary, metre: tuple[int, int]) -> bool:
    """Whether from each place on the grid the model knows a way on, and a length of note, that end on the grid."""
    if not limits.grid:  # all places are
        return True
    bar = TimeSignature(0, *metre).bar_ticks(vocabulary.ticks_per_quarter)
    places = np.flatnonzero(on_grid(limits, np.arange(bar), vocabulary.ticks_per_quarter))
    for lengths in (vocabulary.shifts, vocabulary.durations):
        known = np.array([length for length in lengths if length > 0], np.int64)
        if len(places) > 1 and np.any(known % bar):  # whole bars are on any grid, and say nothing
            known = known[known % bar > 0]
        ends = (places[:, None] + known) % bar  # (places, lengths)
        if len(known) and not on_grid(limits, ends, vocabulary.ticks_per_quarter).any(axis=1).all():
            return False
    return True


def on_grid(limits: Limits, position: ArrayLike, ticks_per_quarter: int = TICKS_PER_QUARTER) -> Mask:
    """Whether a note may begin or end at those positions; the bar line always is on the grid."""
    position = np.asarray(position, np.int64)
    if not limits.grid:
        return np.ones(position.shape, bool)
    whole = 4 * ticks_per_quarter
    steps = [(step.numerator * whole, step.denominator) for step in limits.grid]
    return np.asarray(np.logical_or.reduce([position * denominator % numerator == 0 for numerator, denominator in steps]))


def chord_pitches(limits: Limits, bar: ArrayLike, position: ArrayLike, bar_ticks: ArrayLike) -> Mask:
    """Which pitch classes the chord in force has, (..., 12); all in a pick-up or if there are no chords."""
    number, pickup = _chord_in_force(limits, bar, position, bar_ticks)
    chords = [chord for bar in limits.chords for chord in bar]
    table = np.ones((len(chords) + 1, 12), bool)  # the last one: no chord
    for row, chord in zip(table, chords):
        row[[c for c in range(12) if c not in chord.pitch_classes]] = False
    return np.asarray(table[np.where(pickup, len(chords), number)])


def is_chord_point(limits: Limits, bar: ArrayLike, position: ArrayLike, bar_ticks: ArrayLike, beat_ticks: ArrayLike) -> Mask:
    """Whether what begins or sounds there must belong to the chord: on a beat, and where a chord begins."""
    position = np.asarray(position, np.int64)
    number, pickup = _chord_in_force(limits, bar, position, bar_ticks)
    before, _ = _chord_in_force(limits, bar, position - 1, bar_ticks)
    return np.asarray(~pickup & ((position % np.asarray(beat_ticks) == 0) | (number != before)))


def _chord_in_force(
    limits: Limits, bar: ArrayLike, position: ArrayLike, bar_ticks: ArrayLike
) -> tuple[NDArray[np.int64], Mask]:
    """Number of the chord among all of them, and whether there is none, in a pick-up."""
    bar, position, bar_ticks = (np.asarray(a, np.int64) for a in np.broadcast_arrays(bar, position, bar_ticks))
    if not limits.chords:
        return np.zeros(bar.shape, np.int64), np.ones(bar.shape, bool)
    sizes = np.array([len(chords) for chords in limits.chords])
    first = np.cumsum(sizes) - sizes
    place = bar % len(sizes)
    return first[place] + position * sizes[place] // bar_ticks, bar < 0
