"""A `Piece` as JSON, which the page works on, and back: a sheet.

A sheet has `ticks` to the quarter; `notes`, each [onset, duration, pitch, velocity, part] and perhaps more that is the
page's own; `parts` with `program`, `drum` and `name`; `metres` [tick, numerator, denominator]; `tempi` [tick, microseconds a
quarter]; `keys` [tick, fifths, mode]; `pedals` [tick where it goes down, tick where it goes up]; `title` and `texts`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from melody.errors import StudioError
from melody.piece import Ints, Key, Part, Pedal, Piece, Tempo, TimeSignature

MAX_NOTES = 50_000
Sheet = dict[str, Any]


def sheet_of(piece: Piece) -> Sheet:
    """The sheet of a piece."""
    columns = (piece.onset, piece.duration, piece.pitch, piece.velocity, piece.part)
    return {
        "title": piece.title,
        "ticks": piece.ticks_per_quarter,
        "notes": np.column_stack(columns).tolist(),
        "parts": [{"program": part.program, "drum": part.is_drum, "name": part.name} for part in piece.parts],
        "metres": [[metre.onset, metre.numerator, metre.denominator] for metre in piece.time_signatures],
        "tempi": [[tempo.onset, tempo.microseconds] for tempo in piece.tempi],
        "pedals": [list(press) for press in piece.pedals],
        "keys": [[key.onset, key.fifths, key.mode] for key in piece.keys],
        "texts": list(piece.texts),
        "first_bar": piece.first_bar,
    }


def piece_of(sheet: object) -> Piece:
    """The piece of a sheet; notes of one part and pitch that overlap are cut where the next one begins.

    Raises
    ------
    StudioError
        If it is no sheet, or has over 50,000 notes.
    melody.errors.PieceError
        If no piece can hold what it says.
    """
    if not isinstance(sheet, dict):
        raise StudioError("there is no tune in what came; write or open one first")
    try:
        rows = [[_whole(value) for value in row[:5]] for row in sheet.get("notes", [])]
        if len(rows) > MAX_NOTES:
            raise StudioError(f"the tune has {len(rows):,} notes; the studio takes at most {MAX_NOTES:,}")
        table = np.array(rows, np.int64).reshape(-1, 5)
        names = [part["name"] for part in sheet["parts"]]
        if not all(isinstance(text, str) and len(text) <= 1_000 for text in (*names, *sheet.get("texts", ()))):
            raise TypeError
        parts = tuple(Part(_whole(part["program"]), bool(part["drum"]), part["name"]) for part in sheet["parts"])
        metres = tuple(TimeSignature(*map(_whole, row)) for row in sheet["metres"])
        tempi = tuple(Tempo(*map(_whole, row)) for row in sheet["tempi"])
        keys = tuple(Key(_whole(tick), _whole(fifths), mode) for tick, fifths, mode in sheet.get("keys", ()))
        pedals = tuple(Pedal(*map(_whole, row)) for row in sheet.get("pedals", ()))
        title = sheet.get("title") or ""
        if not isinstance(title, str) or len(title) > 500:
            raise TypeError
        onset, duration, pitch, velocity, part = _apart(table).T
        setting: Any = {"parts": parts, "time_signatures": metres, "tempi": tempi, "keys": keys, "title": title}
        setting |= {"texts": tuple(sheet.get("texts", ())), "ticks_per_quarter": _whole(sheet["ticks"]), "pedals": pedals}
        return Piece(onset, duration, pitch, velocity, part, **setting)
    except (TypeError, KeyError, IndexError, ValueError, OverflowError, AttributeError) as error:
        if isinstance(error, StudioError) or type(error).__module__ == "melody.errors":
            raise
        raise StudioError("the tune is damaged: it is no sheet of notes; open it again") from None


def _whole(value: object) -> int:
    """A whole number that a column can hold."""
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) >= 2**40:
        raise TypeError
    return value


def _apart(table: Ints) -> Ints:
    """The notes, sorted; of two that begin together on one pitch of a part one stays, others end where the next begins."""
    if not len(table):
        return table
    by_pitch = table[np.lexsort((table[:, 0], table[:, 2], table[:, 4]))]
    same = (by_pitch[1:, 2] == by_pitch[:-1, 2]) & (by_pitch[1:, 4] == by_pitch[:-1, 4])
    gap = by_pitch[1:, 0] - by_pitch[:-1, 0]
    by_pitch[:-1, 1] = np.where(same, np.minimum(by_pitch[:-1, 1], gap), by_pitch[:-1, 1])
    kept = by_pitch[np.append(~(same & (gap <= 0)), True)]
    return np.asarray(kept[np.lexsort((kept[:, 2], kept[:, 4], kept[:, 0]))])
