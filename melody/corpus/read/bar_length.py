"""How long the bars of a file are and where they begin, from its notes: for files whose metre says nothing.

A bar begins where long notes begin. The accents of each eighth are summed, the root of the length of each note that begins
there, and laid over themselves at the lengths of bars: where three quarters or six eighths fit better than two or four
quarters the bar is of three. The bar line is where the accents are strongest; six eighths are two groups of three where the
fourth is stronger than the third and the fifth, and four quarters are twice two where the third is as strong as the first.

Measured on the tunes of the Nottingham collection that have one metre throughout (`scripts/measure_time.py`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from melody.midi.file_events import END, START, Source

LEAST = 48  # eighths, of which more can be said than that they are some
_TWICE = 0.93  # of the first accent, from which on the middle of a bar is as strong as its beginning
Accents = NDArray[np.float64]


class Bars(NamedTuple):
    """The metre of a file, and at which eighth the first bar line stands."""

    numerator: int
    denominator: int
    first: int

    @property
    def eighths(self) -> int:
        """In a bar."""
        return self.numerator * 8 // self.denominator


def bars_of(source: Source) -> Bars | None:
    """What the notes say; None if they are too few to say it."""
    accents = np.sqrt(_accents(source))
    if len(accents) < LEAST:
        return None
    apart = accents - accents.mean()

    def alike(*lags: int) -> float:
        return float(np.mean([(apart[lag:] * apart[:-lag]).mean() for lag in lags]))

    if alike(6, 12) > alike(4, 8):
        strength = _strength(accents, 6)
        first = int(strength.argmax())
        middle, beside = strength[(first + 3) % 6], max(strength[(first + 2) % 6], strength[(first + 4) % 6])
        return Bars(6, 8, first) if middle > beside else Bars(3, 4, first)
    strength = _strength(accents, 8)
    first = int(strength.argmax())
    if strength[(first + 4) % 8] > _TWICE * strength[first]:
        return Bars(2, 4, first % 4)
    return Bars(4, 4, first)


def _accents(source: Source) -> Accents:
    """Of each eighth from the start on."""
    quarter, onset = source.ticks_per_quarter, source.notes[START]
    eighth = np.rint(onset * 2 / quarter).astype(np.int64)
    weight = np.sqrt(np.clip((source.notes[END] - onset) / quarter, 0, 4))
    on_it = np.abs(onset - eighth * quarter / 2) < quarter / 8
    accents: Accents = np.bincount(eighth, weight * on_it).astype(np.float64)
    return accents


def _strength(accents: Accents, eighths: int) -> Accents:
    """The mean accent at each place of a bar."""
    return np.array([accents[place::eighths].mean() for place in range(eighths)])
