"""Wrong notes planted in tunes: a pitch, a rhythm, an omission; for scripts that look for them."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, NamedTuple

import numpy as np

from melody.errors import MelodyError
from melody.piece import Ints, Piece
from melody.tokens.vocabulary import Rows, Vocabulary

Kind = Literal["pitch", "rhythm", "omission"]
KINDS: tuple[Kind, ...] = ("pitch", "rhythm", "omission")
FURTHEST = 4  # semitones that a wrong pitch is from the true one
_TRIES = 40


class Planted(NamedTuple):
    """A tune with one thing wrong.

    Parameters
    ----------
    rows
        Its events, END the last.
    wrong
        Which of its notes shows it: the one of another pitch or onset, or the one after the note that is left out.
    aside
        A note that is longer or shorter for it, which is neither wrong nor right; -1 for none.
    """

    rows: Rows
    wrong: int
    aside: int = -1


def plant(vocabulary: Vocabulary, piece: Piece, kind: Kind, rng: np.random.Generator) -> Planted | None:
    """A tune with one wrong note; None if no place for it was found in 40 tries.

    Parameters
    ----------
    vocabulary
        Which has to be able to encode the tune.
    piece
        The tune.
    kind
        'pitch': 1 to 4 semitones higher or lower. 'rhythm': it begins later or earlier by half of the shorter of it and the
        note before it in its part, which ends there. 'omission': it is left out, and the note before lasts on.
    rng
        Chooses the note.
    """
    for _ in range(_TRIES):
        note = int(rng.integers(piece.num_notes))
        changed = _changed(piece, note, kind, rng)
        if changed is None:
            continue
        onset, duration, pitch, kept, wrong, aside = changed
        try:
            made = replace(
                piece, onset=onset[kept], duration=duration[kept], pitch=pitch[kept], velocity=piece.velocity[kept],
                part=piece.part[kept],
            )  # fmt: skip
            rows = vocabulary.encode(made)
        except MelodyError:
            continue
        if kind != "omission" and made.num_notes != piece.num_notes:
            continue
        where = [_find(made, onset[i], pitch[i], piece.part[i]) for i in (wrong, aside) if i >= 0]
        return Planted(rows, *where)
    return None


def _changed(
    piece: Piece, note: int, kind: Kind, rng: np.random.Generator
) -> tuple[Ints, Ints, Ints, Ints, int, int] | None:
    """Columns with the change, which notes are kept, the number of the wrong note, and of the one aside or -1."""
    onset, duration, pitch, all_notes = (
        piece.onset.copy(),
        piece.duration.copy(),
        piece.pitch.copy(),
        np.arange(piece.num_notes),
    )
    if kind == "pitch":
        pitch[note] += int(rng.choice([-1, 1])) * int(rng.integers(1, FURTHEST + 1))
        return onset, duration, pitch, all_notes, note, -1
    line = np.flatnonzero(piece.part == piece.part[note])
    at = int(np.flatnonzero(line == note)[0])
    if at == 0 or (piece.end[line[at - 1]] != onset[note]):
        return None
    before = int(line[at - 1])
    if kind == "rhythm":
        by = int(min(duration[note], duration[before])) // 2 * int(rng.choice([-1, 1]))
        if by == 0:
            return None
        onset[note] += by
        duration[before] += by
        duration[note] -= by
        return onset, duration, pitch, all_notes, note, before
    if at + 1 >= len(line) or piece.end[note] != onset[line[at + 1]]:
        return None
    duration[before] += duration[note]
    return onset, duration, pitch, np.delete(all_notes, note), int(line[at + 1]), before


def _find(piece: Piece, onset: int, pitch: int, part: int) -> int:
    return int(np.flatnonzero((piece.onset == onset) & (piece.pitch == pitch) & (piece.part == part))[0])
