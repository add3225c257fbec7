"""What an assistant is shown of a tune: plain data, and the notes as ABC, which it can read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from melody.along.assistants.workspace import Workspace
from melody.errors import MelodyError
from melody.general_midi import instrument_name
from melody.originality.index import Index
from melody.originality.wording import finding_on, sentence_on
from melody.piece import Piece
from melody.sampling.result import Result

MOST_NOTES = 400  # that are spelled out


def about_piece(piece: Piece) -> dict[str, Any]:
    """The facts of a piece, and if it is short its notes in ABC notation."""
    metre, keys = piece.time_signatures[0], [key.name for key in piece.keys]
    facts: dict[str, Any] = {
        "bars": piece.num_bars - int(piece.has_pickup),
        "has_pickup": piece.has_pickup,
        "notes": piece.num_notes,
        "metre": f"{metre.numerator}/{metre.denominator}",
        "tempo": round(piece.tempo_qpm, 2),
        "key": keys[0] if keys else None,
        "parts": [part.name or instrument_name(part) for part in piece.parts],
    }
    abc = _abc(piece) if piece.num_notes <= MOST_NOTES else None
    return facts | ({} if abc is None else {"abc": abc})


def about_tune(
    workspace: Workspace, path: Path, made: Result, index: Index | None = None, limited: bool = False
) -> dict[str, Any]:
    """A tune that was made and written.

    Parameters
    ----------
    workspace, path
        Where it stands.
    made
        What was made.
    index
        Of the model's training pieces, to say what it has from them.
    limited
        Whether limits were asked for.
    """
    shared = sentence_on(finding_on(index, made.piece, made.first_tick))
    remarks = [*made.remarks, *made.faults, *filter(None, [shared])]
    if limited:
        remarks.append(f"the limits took {made.removed:.1%} of the probability")
    return {"file": workspace.relative(path), **about_piece(made.piece), "remarks": remarks}


def _abc(piece: Piece) -> str | None:
    from melody.score.abc.to_abc import to_abc

    try:
        return to_abc(piece)
    except MelodyError:  # nothing that ABC could write
        return None
