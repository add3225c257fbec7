"""What is musical about each note of a tune, as numbers that a unit of a model may follow.

An *aspect* is one such thing: the place in the bar, the distance to the phrase's end, the key, the register, repetition.
Times are ticks of the piece's grid. An aspect is a number a note, or a class a note where numbers have no order.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from melody.inspection.predicted import Reading
from melody.piece import Ints, Piece
from melody.statistics.keys import likeliest_keys
from melody.statistics.part_writing import phrase_ends
from melody.tokens.inputs import schema
from melody.tokens.inputs.features import context

Doubles = NDArray[np.float64]

PHRASE_BARS = 4  # of dance tunes, whose phrases no long note ends
LONGEST_PHRASE = 8  # bars: where the long notes are further apart on average, they end no phrases
AROUND = 2  # bars before and after, by which the key at a note is found


class Aspect(NamedTuple):
    """One musical thing.

    Parameters
    ----------
    name
        What.
    about
        How it is found, in a sentence.
    values
        Of each note, (notes,).
    are_classes
        Whether they are classes, whose numbers mean nothing.
    """

    name: str
    about: str
    values: Doubles
    are_classes: bool = False


def aspects(reading: Reading) -> list[Aspect]:
    """All of them, of a tune that a model has read."""
    piece = reading.piece
    onsets = piece.onset
    bars = piece.bar_starts(piece.length + 1)
    bar, place = piece.bar_and_position(onsets)
    ends, how = _phrase_ends(piece, bars)
    left = ends[np.searchsorted(ends, onsets, side="right").clip(max=len(ends) - 1)] - onsets
    return [
        Aspect("place in the bar", "where in its bar the note begins", place.astype(float), True),
        Aspect("distance to the phrase's end", f"ticks up to where {how}", left.astype(float)),
        Aspect("key", f"sharps of the likeliest key of the notes up to {AROUND} bars away", _sharps(piece, bars, bar)),
        Aspect("register", "the pitch of the note", piece.pitch.astype(float)),
        Aspect("repetition", "whether the last four events have come before, in this order", _repeats(reading)),
    ]


def _phrase_ends(piece: Piece, bars: Ints) -> tuple[Ints, str]:
    """Ticks at which phrases end, the last at the end of the piece, and what that means."""
    ends = np.array(phrase_ends(piece), np.int64)
    if len(ends) * LONGEST_PHRASE >= len(bars) and len(ends) > 1:
        return ends, "a note of two beats or a rest ends the phrase of the top voice"
    lines = bars[int(piece.has_pickup) :: PHRASE_BARS]
    return np.append(lines[(lines > 0) & (lines < piece.length)], piece.length), f"the next {PHRASE_BARS} bars begin"


def _sharps(piece: Piece, bars: Ints, bar: Ints) -> Doubles:
    """Of each note the sharps in the key of the bars around it, flats below 0, (notes,)."""
    found = np.zeros(piece.num_notes)
    for number in np.unique(bar).tolist():
        near = piece.select(np.abs(bar - number) <= AROUND)
        found[bar == number] = likeliest_keys(near)[0].fifths if near.num_notes else 0
    return found


def _repeats(reading: Reading) -> Doubles:
    """Of each note whether a match ends with it, (notes,) of 0 and 1."""
    span = schema.spans(schema.FEATURES, reading.vocabulary)[("length",)]
    return np.asarray(context(reading.vocabulary, reading.rows)[reading.notes, span.start] > 0, np.float64)
