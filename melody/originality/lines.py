"""The lines of a piece, and the symbols by which they are compared: the same in every key and at every speed.

A line is a pitched part, of notes that begin together the highest. Its rhythm is where its notes begin, not how long they
are held: a `spacing` is the time from one onset to the next, of the last note its duration. Between two notes of a line
stands a symbol: their interval and the ratio of their spacings, or the interval alone. n notes have n - 1 symbols, so that a
run of n - 1 equal symbols is n notes that agree in all but key and speed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from melody.piece import Ints, Piece

Symbols = NDArray[np.uint16]
END = np.uint16(0xFFFF)  # stands after the last note of a line; equals no symbol between two notes
_MIDDLE, _MOST = 128, 126  # of an interval in semitones, and of the logarithm of a ratio
_STEPS = 12  # an octave of ratios: 3/2 is 7, 4/3 is 5, as with pitches; no two ratios of written values below 12 coincide
_INTERVAL = 8  # bits by which an interval stands above its ratio


class Line(NamedTuple):
    """One part: its number in the piece; of each note onset, pitch and spacing in ticks, (notes,)."""

    part: int
    onset: Ints
    pitch: Ints
    spacing: Ints


def lines_of(piece: Piece) -> Iterator[Line]:
    """The lines of a piece, part by part; drums have none."""
    for part in np.unique(piece.part).tolist():
        if piece.parts[part].is_drum:
            continue
        mine = np.flatnonzero(piece.part == part)  # sorted by onset, then pitch
        mine = mine[np.append(np.diff(piece.onset[mine]) > 0, True)]
        onset = piece.onset[mine]
        yield Line(part, onset, piece.pitch[mine], np.append(np.diff(onset), piece.duration[mine[-1]]))


class Lines(NamedTuple):
    """All lines of a piece: each, its symbols, and how many notes it has."""

    each: list[Line]
    symbols: list[Symbols]
    sizes: list[int]

    @classmethod
    def of(cls, piece: Piece) -> Lines:
        """Those of a piece."""
        each = list(lines_of(piece))
        return cls(each, [symbols_of(line.pitch, line.spacing) for line in each], [len(line.pitch) for line in each])

    @property
    def longest(self) -> int:
        """Notes of the longest; 0 if there is none."""
        return max(self.sizes, default=0)


def symbols_of(pitch: Ints, spacing: Ints) -> Symbols:
    """The symbols between the notes of a line, interval and ratio of spacings, (notes - 1,).

    >>> a = symbols_of(np.array([60, 62, 67]), np.array([12, 12, 24]))
    >>> b = symbols_of(np.array([50, 52, 57]), np.array([24, 24, 48]))
    >>> bool((a == b).all()), a.tolist()
    (True, [33408, 34188])
    """
    return _symbols(pitch[1:] - pitch[:-1], _ratios(spacing[:-1], spacing[1:]))


def symbols_by_table(pitch: NDArray[np.uint8], spacing: NDArray[np.uint8], spacings: Ints) -> Symbols:
    """The same for notes whose spacings are rows of a table; much faster where there are many."""
    table = _ratios(spacings[:, None], spacings[None, :])
    signed = pitch.astype(np.int64)
    return _symbols(signed[1:] - signed[:-1], table[spacing[:-1], spacing[1:]])


def _ratios(before: Ints, after: Ints) -> NDArray[np.int16]:
    ratio: NDArray[np.int16] = np.clip(np.rint(_STEPS * np.log2(after / before)), -_MOST, _MOST).astype(np.int16)
    return ratio


def _symbols(interval: Ints, ratio: NDArray[np.int16]) -> Symbols:
    high = (np.clip(interval, -_MOST, _MOST) + _MIDDLE).astype(np.uint16)
    symbols: Symbols = high << np.uint16(_INTERVAL) | (ratio + np.int16(_MIDDLE)).astype(np.uint16)
    return symbols


def intervals_alone(symbols: Symbols) -> Symbols:
    """The same symbols without rhythm; `END` stays."""
    alone: Symbols = np.where(symbols == END, END, symbols >> np.uint16(_INTERVAL)).astype(np.uint16)
    return alone
