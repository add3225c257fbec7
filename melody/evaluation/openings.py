"""The beginnings of pieces, where there is nothing to repeat yet: a mean over whole pieces flatters who repeats well."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from melody.tokens.inputs.whole_piece import WholePiece
from melody.tokens.vocabulary import END, TIME, Rows, Vocabulary

BARS = 8


def opening(vocabulary: Vocabulary, rows: Rows, bars: int = BARS) -> Rows:
    """The events of a piece in its first full bars and the pick-up before them; all, END too, of one that is no longer."""
    rows = np.asarray(rows, np.int64)
    events = rows[:-1] if len(rows) and rows[-1, TIME] == END else rows
    later = WholePiece(vocabulary, events).bar >= bars
    return rows[: int(later.argmax())] if (later & vocabulary.is_note(events)).any() else rows


def openings(vocabulary: Vocabulary, pieces: Sequence[Rows], bars: int = BARS) -> list[Rows]:
    """Those of pieces in which a note begins in these bars."""
    found = (opening(vocabulary, rows, bars) for rows in pieces)
    return [rows for rows in found if vocabulary.is_note(rows).any()]
