"""What was found of a tune, in words and as plain data: for a screen, a file, a program that asks."""

from __future__ import annotations

from dataclasses import asdict
from fractions import Fraction
from typing import Any

from melody.errors import PieceError
from melody.originality.finding import Finding, Passage, compare
from melody.originality.index import Index
from melody.piece import Ints, Piece
from melody.score.names import pitch_name

_FACTORS = {"": Fraction(1), ".": Fraction(3, 2), "..": Fraction(7, 4), "t": Fraction(2, 3)}
_LENGTHS = {factor / length: f"/{length}{sign}" for length in (1, 2, 4, 8, 16, 32) for sign, factor in _FACTORS.items()}


def finding_on(index: Index | None, piece: Piece, begins: int = 0) -> Finding | None:
    """What the notes of a piece from a tick on share with the training pieces; None if that cannot be known."""
    try:
        return None if index is None else compare(index, piece.select(piece.onset >= begins), in_full=False)
    except PieceError:  # too few notes
        return None


def sentence_on(found: Finding | None) -> str:
    """What was found, for a tune that was made; nothing if it is nothing."""
    if found is None or found.run is None:
        return ""
    if found.is_copy and found.sharer is not None:
        return f"A COPY: {found.share:.0%} of it agree with {found.sharer.name} (see melody originality)"
    return f"its longest run from a training piece has {found.run.notes} notes ({found.run.name})"


def as_dict(index: Index, found: Finding) -> dict[str, Any]:
    """All that was found, plain JSON."""

    def passage(run: Passage | None) -> dict[str, Any] | None:
        if run is None:
            return None
        bars = {"first": run.bars[0], "last": run.bars[1]}
        texts = [spelled(notes, grid, run.notes) for notes, grid in zip((run.yours, run.theirs), run.grids)]
        return {"notes": run.notes, "piece": run.name, "from_note": run.first, "bars": bars} | dict(
            zip(("in_the_tune", "in_the_piece"), texts)
        )

    return {
        "notes": found.notes,
        "longest_run": passage(found.run),
        "longest_run_of_intervals": passage(found.interval_run),
        "largest_share": found.share,
        "run_with_the_largest_sharer": passage(found.sharer),
        "covered": found.covered,
        "is_longer": found.is_longer,
        "expected": found.expected,
        "is_copy": None if found.is_longer is None else found.is_copy,
        "norm": asdict(index.norm) if index.norm else None,
        "remarks": list(found.remarks),
    }


def spelled(notes: tuple[Ints, Ints], ticks_per_quarter: int, most: int) -> str:
    """Notes as `--notes` takes them, the first `most`."""
    words, before = [], ""
    for pitch, spacing in zip(*(column[:most].tolist() for column in notes)):
        value = Fraction(spacing, 4 * ticks_per_quarter)
        length = _LENGTHS.get(value, f"({value})")
        words.append(pitch_name(pitch) + (length if length != before else ""))
        before = length
    return " ".join(words + (["..."] if len(notes[0]) > most else []))
