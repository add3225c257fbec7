"""What the notes of a melody are, as shares: scale degrees, intervals, note values, places in the bar, closes.

Conventions: a function takes a `Piece` and gives an array of shares that add up to 1, a share for each of its classes, or
NaN throughout where the question makes no sense for that piece. Looked at is the melody (`form.melody_of`).
With n_c notes of class c the share is n_c / n: the pitch-class, interval and note-length histograms of Yang and Lerch (On
the evaluation of generative models in music, 2020), whose pitch classes are counted from the tonic here, so that keys do not
matter.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from melody.piece import Ints, Piece
from melody.statistics.form import melody_of
from melody.statistics.part_writing import key_at

Shares = NDArray[np.float64]

DEGREES = ("1", "b2", "2", "b3", "3", "4", "#4", "5", "b6", "6", "b7", "7")
OCTAVE = 12
INTERVALS = ("below -12", *(f"{semitones:+d}" for semitones in range(-OCTAVE, OCTAVE + 1)), "above +12")
VALUES: dict[str, float] = {  # in quarters
    "1/32": 1 / 8, "1/16t": 1 / 6, "1/16": 1 / 4, "1/8t": 1 / 3, "1/16.": 3 / 8, "1/8": 1 / 2, "1/4t": 2 / 3, "1/8.": 3 / 4,
    "1/4": 1, "1/4.": 3 / 2, "1/2": 2, "1/2.": 3, "1/1": 4, "longer": 6,
}  # fmt: skip
PARTS_OF_BAR = 48  # a sixteenth of 4/4 and a triplet alike stand on a border
PLACES = tuple(f"{place}/{PARTS_OF_BAR}" for place in range(PARTS_OF_BAR))
MODES = ("major", "minor")
TONICS = ("C", "Db", "D", "Eb", "E", "F", "Gb", "G", "Ab", "A", "Bb", "B")
KEYS = tuple(f"{tonic} {mode}" for mode in MODES for tonic in TONICS)
SECTION = 4  # bars, after each of which a phrase of dance music comes to rest


def _shares(classes: Ints, count: int) -> Shares:
    """The share of each class."""
    return np.bincount(classes, minlength=count) / len(classes) if len(classes) else np.full(count, np.nan)


def _degrees(piece: Piece, melody: Piece) -> Ints:
    """Semitones from the tonic of the key in force up to each note; none where the piece names no key."""
    if not piece.keys:
        return np.zeros(0, np.int64)
    number = np.searchsorted([key.onset for key in piece.keys], melody.onset, side="right") - 1
    found: Ints = (melody.pitch - np.array([key.tonic for key in piece.keys])[np.maximum(number, 0)]) % OCTAVE
    return found


def degrees(piece: Piece) -> Shares:
    """Pitch classes of the notes, counted in semitones from the tonic of the key in force, (12,) (Yang and Lerch 2020)."""
    return _shares(_degrees(piece, melody_of(piece)), len(DEGREES))


def intervals(piece: Piece) -> Shares:
    """Semitones from each note to the next, upwards positive, those over an octave together, (27,) (Yang and Lerch 2020).

    >>> float(intervals(Piece([0, 24, 48], [24] * 3, [60, 67, 65]))[INTERVALS.index("+7")])
    0.5
    """
    steps = np.clip(np.diff(melody_of(piece).pitch), -OCTAVE - 1, OCTAVE + 1) + OCTAVE + 1
    return _shares(steps, len(INTERVALS))


def note_values(piece: Piece) -> Shares:
    """Durations of the notes, each as the nearest of `VALUES` by ratio, (14,) (Yang and Lerch 2020)."""
    lengths = np.log2(melody_of(piece).duration / piece.ticks_per_quarter)
    written = np.log2(list(VALUES.values()))
    return _shares(np.abs(lengths[:, None] - written).argmin(axis=1), len(VALUES))


def places(piece: Piece) -> Shares:
    """Where in the bar the notes begin, in parts of the bar, (48,): the metrical profile (Palmer and Krumhansl 1990).

    p_b is the share of notes with floor(48 position / length of the bar) = b.
    """
    melody = melody_of(piece)
    _, position = melody.bar_and_position(melody.onset)
    onsets = [signature.onset for signature in piece.time_signatures]
    lengths = np.array([signature.bar_ticks(piece.ticks_per_quarter) for signature in piece.time_signatures])
    bar = lengths[np.searchsorted(onsets, melody.onset, side="right") - 1]
    return _shares(np.minimum(PARTS_OF_BAR * position // bar, PARTS_OF_BAR - 1), PARTS_OF_BAR)


def keys(piece: Piece) -> Shares:
    """1 for its first key, 0 for the 23 others, (24,)."""
    key = key_at(piece, 0) or (piece.keys[0] if piece.keys else None)
    return _shares(np.array([len(TONICS) * MODES.index(key.mode) + key.tonic] if key else [], np.int64), len(KEYS))


def last_degree(piece: Piece) -> Shares:
    """1 for the pitch class of the last note, counted from the tonic, 0 for the others, (12,): the final of the tune."""
    return _shares(_degrees(piece, melody_of(piece))[-1:], len(DEGREES))


def cadences(piece: Piece) -> Shares:
    """The notes that sound last in every fourth bar, the tune's end aside, as pitch classes from the tonic, (12,).

    Tunes of four-bar phrases come to rest there, on the tonic or the dominant more often than within a phrase (Huron 2006,
    Sweet Anticipation, chapter 9, on cadences).
    """
    melody = melody_of(piece)
    bar, _ = melody.bar_and_position(melody.onset)
    last, number = np.append(np.diff(bar) > 0, np.zeros(min(len(bar), 1), bool)), bar - int(piece.has_pickup)
    rests = last & (number >= 0) & (number % SECTION == SECTION - 1)
    found = _degrees(piece, melody)
    return _shares(found[rests] if len(found) else found, len(DEGREES))
