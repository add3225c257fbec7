"""Which parts of a piece are taken.

The most melodic part, by rule: a pitched part whose name says melody, vocal, voice, lead, solo, soprano or song, if there
is one. Else the one with the largest product of four shares: of its onsets, those with a single note; of its moves from
onset to onset, those by one to four semitones; of the bars of the piece, those in which it begins a note; and its mean
pitch in octaves above C2 (MIDI 36), two at most counting in full. Of equals the higher one.
"""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np

from melody.errors import CorpusError
from melody.piece import Piece

_MELODY = re.compile(r"melod|voc|voice|lead|solo|sopran|song|\bsing", re.IGNORECASE)


def selected(piece: Piece, part: str, drums: bool) -> tuple[Piece, str]:
    """The piece with only what `part` and `drums` ask for (see `PrepareSettings`), and what was chosen, in words.

    Raises
    ------
    CorpusError
        If the piece has no such part.
    """
    if part == "all":
        kept = piece if drums else _only(piece, [i for i, p in enumerate(piece.parts) if not p.is_drum])
        if not kept.num_notes:
            raise CorpusError("holds nothing but drums; take drums in")
        return kept, "" if kept is piece else f"{len(kept.parts)} of {len(piece.parts)} parts, without drums"
    number, why = chosen_part(piece, part)
    name = f" '{piece.parts[number].name}'" if piece.parts[number].name else ""
    return _only(piece, [number]), f"part {number + 1} of {len(piece.parts)}{name}, {why}"


def _only(piece: Piece, numbers: list[int]) -> Piece:
    kept = piece.select(np.isin(piece.part, numbers))
    used = np.unique(kept.part)
    if not len(used):
        return kept
    return replace(kept, part=np.searchsorted(used, kept.part), parts=tuple(kept.parts[i] for i in used))


def chosen_part(piece: Piece, part: str) -> tuple[int, str]:
    """The number of the part that is named, and how it was found, in words.

    Raises
    ------
    CorpusError
        If there is no such part.
    """
    if part.isdecimal():
        if not 1 <= int(part) <= len(piece.parts):
            raise CorpusError(f"has parts 1 to {len(piece.parts)}, not {part}")
        return int(part) - 1, "by its number"
    pitched = [i for i, p in enumerate(piece.parts) if not p.is_drum and np.any(piece.part == i)]
    if part in ("highest", "melodic"):
        if not pitched:
            raise CorpusError("holds nothing but drums; take another file")
        if part == "highest":
            return max(pitched, key=lambda i: (_mean_pitch(piece, i), -i)), "the highest"
        named = [i for i in pitched if _MELODY.search(piece.parts[i].name)]
        best = max(named or pitched, key=lambda i: (melodiousness(piece, i), _mean_pitch(piece, i), -i))
        return best, "the most melodic" + (" by its name" if named else "")
    for i, p in enumerate(piece.parts):
        if p.name.strip().lower() == part.strip().lower():
            return i, "by its name"
    names = ", ".join(repr(p.name) for p in piece.parts[:8] if p.name) or "no names"
    raise CorpusError(f"has no part named {part!r}; it has {names}")


def _mean_pitch(piece: Piece, number: int) -> float:
    return float(piece.pitch[piece.part == number].mean())


def melodiousness(piece: Piece, number: int) -> float:
    """How much a part is like a melody by the rule above, 0 to 1."""
    chosen = piece.part == number
    onset, pitch = piece.onset[chosen], piece.pitch[chosen]
    onsets, first, together = np.unique(onset, return_index=True, return_counts=True)
    top = pitch[first + together - 1]  # notes of one onset are sorted by pitch
    moves = np.abs(np.diff(top))
    stepwise = float(np.mean((moves >= 1) & (moves <= 4))) if len(moves) else 0.0
    bars = len(np.unique(piece.bar_and_position(onsets)[0])) / max(piece.num_bars, 1)
    height = float(np.clip((pitch.mean() - 36) / 24, 0, 1))
    return float(np.mean(together == 1)) * stepwise * bars * height
