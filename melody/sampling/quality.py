"""Which of many tunes are the best: first those with the fewest faults, of these the likeliest.

Likelihood alone would choose the dullest, the one that repeats itself most, and knows nothing of an ending that was cut off.
A fault is one of:

- the tune was cut off: the model did not end it
- it does not end on a bar line (or as much before one as a pick-up took)
- it does not end on the tonic of its key: the lowest note of the last onset is another
- more than 8 times the same pitch in a row in one part
- a bar sounds more than 4 times in a row, note for note
- it has fewer than 3 different pitches (drums not counted), though it has 8 notes or more
"""

from __future__ import annotations

import numpy as np

from melody.piece import Ints, Piece

MOST_IN_A_ROW = 8
MOST_BARS_ALIKE = 4


def faults(piece: Piece, *, ended: bool, start: int = 0) -> tuple[str, ...]:
    """What is wrong with a tune, in words.

    Parameters
    ----------
    piece
        The music.
    ended
        Whether the model ended it.
    start
        Only music from this tick on is looked at: the end of a prompt.
    """
    new = piece.select(piece.onset >= start)
    if not new.num_notes:
        return ("there is no note",)
    tones = new.select(~new.is_drum)
    found = {
        "cut off": not ended,
        "does not end on a bar line": not _ends_on_a_bar_line(piece),
        "does not end on the tonic": not _ends_on_the_tonic(tones),
        "one pitch over and over": longest_run(tones) > MOST_IN_A_ROW,
        "one bar over and over": _bars_alike(new) > MOST_BARS_ALIKE,
        "hardly a melody": tones.num_notes >= 8 and len(np.unique(tones.pitch)) < 3,
    }
    return tuple(words for words, wrong in found.items() if wrong)


def ends_well(piece: Piece) -> bool:
    """Whether a tune ends as tunes do: on a bar line and on the chord of the tonic, in minor with either third.

    On a bar line is also as much before one as a pick-up took. On the chord are the last note of the first part, drums
    aside, and the lowest that sounds at the end. Of a tune without a key only the bar line is looked at.
    """
    tones = piece.select(~piece.is_drum)
    if not piece.num_notes or not _ends_on_a_bar_line(piece):
        return False
    if not piece.keys or not tones.num_notes:
        return True
    key = piece.keys[-1]
    chord = (0, 4, 7) if key.mode == "major" else (0, 3, 4, 7)
    last = tones.pitch[tones.part == tones.part.min()][-1]
    lowest = tones.pitch[tones.end == tones.end.max()].min()
    return all((int(pitch) - key.tonic) % 12 in chord for pitch in (last, lowest))


def _ends_on_a_bar_line(piece: Piece) -> bool:
    signature = piece.time_signature_at(piece.length - 1)
    ticks = signature.bar_ticks(piece.ticks_per_quarter)
    position = (piece.length - signature.onset) % ticks
    return position == 0 or position == piece.onset[0] < ticks


def _ends_on_the_tonic(tones: Piece) -> bool:
    if not tones.keys or not tones.num_notes:
        return True
    lowest = int(tones.pitch[tones.onset == tones.onset.max()].min())
    return lowest % 12 == tones.keys[-1].tonic


def longest_run(piece: Piece) -> int:
    """How often a part plays one pitch in a row, at most; drums are left out."""
    tones = piece.select(~piece.is_drum)
    return run_of(tones.part, tones.pitch)


def run_of(part: Ints, pitch: Ints) -> int:
    """How often a part plays one pitch in a row, at most; notes in their order, (notes,) each."""
    if not len(part):
        return 0
    order = np.argsort(part, kind="stable")
    same = (np.diff(part[order]) == 0) & (np.diff(pitch[order]) == 0)
    borders = np.flatnonzero(~np.concatenate([[False], same, [False]]))
    return int(np.diff(borders).max())


def _bars_alike(piece: Piece) -> int:
    """How often a bar with notes sounds in a row, at most."""
    bar, position = piece.bar_and_position(piece.onset)
    notes = [position, piece.duration, piece.pitch, piece.part]
    bars = [tuple(np.stack(notes)[:, bar == number].ravel().tolist()) for number in range(int(bar.max()) + 1)]
    longest = run = 0
    for before, now in zip([(), *bars], bars):
        run = run + 1 if now and now == before else int(bool(now))
        longest = max(longest, run)
    return longest
