"""What has come so far in one piece as arrays, once others stand beside it."""

from __future__ import annotations

import numpy as np

from melody.tokens.inputs.stepwise.last_places import LastPlaces
from melody.tokens.inputs.stepwise.one_piece import OnePiece
from melody.tokens.inputs.stepwise.onset_places import Places
from melody.tokens.inputs.stepwise.several_pieces import Pieces
from melody.tokens.usage import FIRST_PART
from melody.tokens.vocabulary import FIELDS, KIND, Vocabulary


def as_pieces(vocabulary: Vocabulary, piece: OnePiece) -> Pieces:
    """One piece, as plain numbers, as one of several."""
    found = Pieces(vocabulary, [piece.outline])
    if piece.has_pickup is not None:
        found._has_pickup[:], found._has_note[:], found._tonic[:] = piece.has_pickup, True, piece.tonic
    found.tick[:], found.metre[:], found.key[:], found.match[:] = piece.tick, piece.metre, piece.key, piece.match
    found.planned[:] = piece.planned
    found.bar_start[:], found._bars_before[:] = piece.bar_start, piece.bars_before
    found.bar_ticks[:] = found.tables.bar_ticks[piece.metre]
    for number, note in enumerate(piece.last):
        kind = FIRST_PART + number
        found.onset[0, kind], found.end[0, kind], found.pitch[0, kind] = note
        found.moved_from[0, kind] = piece.moved_from[number]
    rows = np.array(piece.rows, np.int64).reshape(-1, len(FIELDS))
    notes = np.flatnonzero(vocabulary.is_note(rows))
    np.maximum.at(found.last_note[0], rows[notes, KIND], 1 + notes)
    found.in_chord[0, FIRST_PART:] = piece.in_chord
    found.places = Places.of(piece.places, found.tables.kinds)
    found.last_places = LastPlaces.of(piece.last_places, found.tables.kinds)
    found.history.fill(rows)
    if found._is_chordal:
        found.sound_until[0, : vocabulary.num_pitches] = piece.ends
    if found._of_parts is not None:
        found._of_parts.fill(rows[:, KIND], np.array(piece.keys, np.int64))
    return found
