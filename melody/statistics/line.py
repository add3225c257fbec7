"""The line of a melody: how far it leaps, and whether it keeps to its key."""

from __future__ import annotations

import numpy as np

from melody.piece import Piece
from melody.statistics.form import melody_of

LEAP = 7  # semitones: what is wider is a leap
_SCALES = {"major": (0, 2, 4, 5, 7, 9, 11), "minor": (0, 2, 3, 5, 7, 8, 9, 10, 11)}  # in minor, sixth and seventh both ways


def leaps(piece: Piece) -> tuple[int, int]:
    """How many intervals of the melody are wider than a fifth, of how many.

    >>> leaps(Piece([0, 24, 48], [24] * 3, [60, 67, 75]))
    (1, 2)
    """
    interval = np.abs(np.diff(melody_of(piece).pitch))
    return int((interval > LEAP).sum()), len(interval)


def notes_outside_the_key(piece: Piece) -> tuple[int, int]:
    """How many notes of the melody are not in the scale of the key in force, of how many; (0, 0) without a key."""
    melody = melody_of(piece)
    if not piece.keys:
        return 0, 0
    number = np.searchsorted([key.onset for key in piece.keys], melody.onset, side="right") - 1
    outside = [
        int(pitch - piece.keys[max(at, 0)].tonic) % 12 not in _SCALES[piece.keys[max(at, 0)].mode]
        for at, pitch in zip(number.tolist(), melody.pitch.tolist())
    ]
    return sum(outside), len(outside)


def pitch_range(piece: Piece) -> float:
    """Semitones from the lowest to the highest note of the melody; NaN without notes (pitch range, Yang and Lerch 2020)."""
    pitch = melody_of(piece).pitch
    return float(pitch.max() - pitch.min()) if len(pitch) else float("nan")
