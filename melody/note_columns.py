"""The notes of a piece as columns: what is legal, their order, how long the pedal holds them, the same on another grid.

Conventions
-----------
A table holds the columns `NAMES` as rows, (5, notes) of int64. Times are in ticks of the piece's grid.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral

import numpy as np
from numpy.typing import ArrayLike, NDArray

from melody.errors import PieceError
from melody.signatures import MAX_TICK, Pedal, check_range, tick_on_grid

NAMES = ("onset", "duration", "pitch", "velocity", "part")
Ints = NDArray[np.int64]
_DEFAULTS = {"velocity": 90, "part": 0}
_KEYBOARDS = 8  # programs of General MIDI, from 0 on


@dataclass(frozen=True)
class Part:
    """One player: a General MIDI `program` (0-127), or a drum kit, and the name written on the track."""

    program: int = 0
    is_drum: bool = False
    name: str = ""

    @property
    def is_keyboard(self) -> bool:
        """Whether it is a piano or the like, of the first family of General MIDI."""
        return self.program < _KEYBOARDS and not self.is_drum


def check_part(part: Part) -> None:
    """Raise `PieceError` unless the program and the name are ones that a file can hold."""
    if not isinstance(part.program, Integral) or not isinstance(part.name, str):
        raise PieceError(f"{str(part)[:80]} is no part; its program is a number from 0 to 127, its name a text")
    check_range("program", part.program, 0, 127)


def table_of(given: Sequence[ArrayLike], parts: int) -> Ints:
    """The notes by onset, part and pitch, not to be written to: (5, notes).

    Parameters
    ----------
    given
        The columns in the order of `NAMES`; those of velocity and part may be empty, and are then 90 and 0.
    parts
        How many parts there are.

    Raises
    ------
    PieceError
        If a column has another length than the others, holds what is no whole number, or exceeds its range.
    """
    rows = [np.asarray(column).reshape(-1) for column in given]
    notes = len(rows[0])
    rows = [row if len(row) or name not in _DEFAULTS else np.full(notes, _DEFAULTS[name]) for name, row in zip(NAMES, rows)]
    if len({len(row) for row in rows}) > 1:
        raise PieceError(f"the columns of a piece have {[len(row) for row in rows]} notes; they must be equally long")
    if any(row.dtype.kind == "f" and not np.array_equal(row, np.floor(row)) for row in rows):
        raise PieceError("a piece has whole ticks and pitches; multiply quarters by ticks_per_quarter and round them")
    try:
        table = np.array(rows, np.int64)
    except (TypeError, ValueError, OverflowError) as error:
        raise PieceError(f"the columns of a piece are whole numbers, pitches as 60 for C4 ({error})") from None
    _check_ranges(table, parts)
    table = _ordered(table)
    table.flags.writeable = False
    return table


def _check_ranges(table: Ints, parts: int) -> None:
    if not table.shape[1]:
        return
    lows, highs = (0, 1, 0, 1, 0), (MAX_TICK, MAX_TICK, 127, 127, parts - 1)
    least_of, most_of = (ufunc.reduce(table, 1).tolist() for ufunc in (np.minimum, np.maximum))
    for name, least, most, low, high in zip(NAMES, least_of, most_of, lows, highs):
        check_range(name, least if least < low else most, low, high)


def _ordered(table: Ints) -> Ints:
    """By onset, part and pitch."""
    key = table[0] << 32 | table[4] << 8 | table[2]  # one number a note: an onset has 31 bits, a part 16, a pitch 7
    return table.take(key.argsort(kind="stable"), 1) if np.count_nonzero(key[:-1] > key[1:]) else table


def check_overlaps(table: Ints) -> None:
    """Raise `PieceError` if two notes of one part and pitch sound at once."""
    # None do if of each pitch no note starts before the end before it, all starts and all ends sorted.
    voice = (table[4] << 7 | table[2]) << 32
    starts, ends = voice | table[0], voice + (table[0] + table[1])
    starts.sort()
    ends.sort()
    if not np.count_nonzero(ends[:-1] > starts[1:]):
        return
    onset, duration, pitch, _, part = table
    i = overlaps(onset, duration, pitch, part)[0]
    raise PieceError(
        f"pitch {pitch[i]} of part {part[i]} starts again at tick {onset[i]} while it still sounds; "
        "end the earlier note first"
    )


def overlaps(onset: Ints, duration: Ints, pitch: Ints, part: Ints) -> Ints:
    """Indices of notes that begin while an earlier note of the same part and pitch still sounds; legal columns."""
    voice = part << 7 | pitch
    order = (voice << 32 | onset).argsort(kind="stable")
    onset, end, voice = onset[order], (onset + duration)[order], voice[order]
    return np.sort(order[1:][(voice[1:] == voice[:-1]) & (end[:-1] > onset[1:])])


def on_grid(onset: Ints, end: Ints, voice: Ints, old: int, new: int) -> tuple[Ints, Ints, Ints]:
    """Notes on a grid of `new` ticks to the quarter in place of `old`, each onset and end at the nearest tick.

    Of notes of one voice (part and pitch) that come to one tick the longest stays, and a note ends where the next one of
    its voice begins.

    Returns
    -------
    onset, duration, kept
        Of the notes that stay, (kept,) each; `kept` are their indices.
    """
    onset, end = tick_on_grid(onset, old, new), tick_on_grid(end, old, new)
    duration = np.maximum(end - onset, 1)
    order = np.lexsort((-duration, onset, voice))
    order = order[np.diff(voice[order] << 32 | onset[order], prepend=-1) > 0]  # the first of those at one tick
    gap = np.where(np.diff(voice[order]) == 0, np.diff(onset[order]), MAX_TICK)
    duration[order[:-1]] = np.minimum(duration[order[:-1]], gap)
    kept = np.sort(order)
    return onset[kept], duration[kept], kept


def sounding(onset: Ints, end: Ints) -> Ints:
    """How many notes sound at each onset, those that begin there among them, (onsets,)."""
    at = np.unique(onset)
    found: Ints = np.searchsorted(np.sort(onset), at, "right") - np.searchsorted(np.sort(end), at, "right")
    return found


def sounding_end(onset: Ints, end: Ints, voice: Ints, pedals: Sequence[Pedal]) -> Ints:
    """Where notes that the pedal holds cease to sound.

    A note that ends while the pedal is down sounds until it goes up, or until its part strikes the same pitch again; one
    that ends as the pedal goes down is not held.

    Parameters
    ----------
    onset, end
        Of each note, ticks, (notes,).
    voice
        Part << 7 | pitch of each, (notes,).
    pedals
        The presses.
    """
    if not pedals:
        return end
    down, up = np.array(pedals, np.int64).T
    press = np.searchsorted(down, end, side="left") - 1  # the last that began before the note ended
    held = (press >= 0) & (up[press] > end)
    return np.minimum(np.where(held, up[press], end), struck_again(onset, voice))


def struck_again(onset: Ints, voice: Ints) -> Ints:
    """Where the next note of each note's voice begins; far away if there is none."""
    order = np.lexsort((onset, voice))
    following = np.full(len(onset), np.iinfo(np.int64).max)
    same = np.diff(voice[order]) == 0
    following[order[:-1][same]] = onset[order[1:][same]]
    return following
