"""Controller 64 of a MIDI file <-> the pedal of a piece.

Conventions
-----------
A *curve* is what one channel of one track says of the pedal while it plays one keyboard: ticks of the file and values, in
the order of the file, (2, messages). The pedal is down from 64 on, and a reset of all controllers (121) lifts it. Where
several curves differ, as of two pianists, the one with the most presses is taken: a piece has one pedal
(`melody.signatures`). Not all that a foot does is kept: half-pedalling becomes down and up.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from melody.note_columns import Ints
from melody.piece import Pedal, Piece
from melody.text import counted

SUSTAIN, RESET = 64, 121
DOWN, _FULL = 64, 127


def curve_of(tick: NDArray[np.integer], number: NDArray[np.integer], value: NDArray[np.integer]) -> Ints:
    """The curve of the controllers of a channel, of which each has a tick, a number and a value."""
    own = (number == SUSTAIN) | (number == RESET)
    curve: Ints = np.stack([tick, np.where(number == SUSTAIN, value, 0)]).astype(np.int64)[:, own]
    return curve


class Curves:
    """The curves of a track, gathered event by event.

    What comes before the first note of a channel's program goes to the program that plays next, as symusic has it.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[int, int], list[tuple[int, int, int]]] = {}
        self._ahead: dict[int, list[tuple[int, int, int]]] = defaultdict(list)  # of each channel

    def play(self, channel: int, program: int) -> None:
        """A note begins."""
        if (channel, program) not in self._known:
            self._known[channel, program] = self._ahead.pop(channel, [])

    def control(self, channel: int, program: int, tick: int, number: int, value: int) -> None:
        """A controller comes."""
        self._known.get((channel, program), self._ahead[channel]).append((tick, number, value))

    def of(self, channel: int, program: int) -> Ints:
        """The curve of a channel while it plays a program."""
        return curve_of(*np.array(self._known[channel, program], np.int64).reshape(-1, 3).T)


def later(curves: Sequence[Ints], ticks: int) -> tuple[Ints, ...]:
    """The curves so many ticks later, or earlier if they are negative; nothing goes before tick 0."""
    return tuple([np.stack([np.maximum(curve[0] + ticks, 0), curve[1]]) for curve in curves])


def pedals_of(curves: Sequence[Ints], last: int, snap: Callable[[Ints], Ints], repairs: list[str]) -> tuple[Pedal, ...]:
    """The pedal that a file's curves make on the grid of a piece; what had to be changed is added to `repairs`.

    Parameters
    ----------
    curves
        Those of the keyboards that play.
    last
        The tick of the file where its last note ends: a pedal that is never let go goes up there.
    snap
        From ticks of the file to ticks of the piece.
    """
    if not curves:
        return ()
    pressed = [_turns(curve) for curve in curves]
    best = max(range(len(curves)), key=lambda number: len(pressed[number]))
    turns = pressed[best]
    if not len(turns):
        return ()
    others = [one for one in pressed if len(one) and not np.array_equal(one, turns)]
    if others:
        repairs.append(f"the pedals of {len(others) + 1} tracks taken as one, that which is pressed most")
    _tell_of_repeats(curves[best], repairs)
    if len(turns) % 2:
        repairs.append("a pedal that was never let go goes up with the last note")
        turns = np.append(turns, max(last, int(turns[-1])))
    down, up = snap(turns).reshape(-1, 2).T
    short = int(np.sum((down == up) & (turns[::2] < turns[1::2])))
    if short:
        repairs.append(
            f"{short:,} short press{'es' * (short > 1)} of the pedal passed over, for which the grid is too coarse"
        )
    return tuple([Pedal(*press) for press in zip(down.tolist(), up.tolist()) if press[0] < press[1]])


def _turns(curve: Ints) -> Ints:
    """Ticks where the pedal goes down, up, down and on."""
    down = curve[1] >= DOWN
    turns: Ints = curve[0][np.diff(down, prepend=False)]
    return turns


def _tell_of_repeats(curve: Ints, repairs: list[str]) -> None:
    """What the curve says beside going down and up: values between, and presses while it is down."""
    value, before = curve[1], np.concatenate([[0], curve[1, :-1]])
    stays = (value >= DOWN) == (before >= DOWN)
    between = int(np.sum(stays & (value != before)))
    again = int(np.sum(stays & (value == before) & (value >= DOWN)))
    if between:
        repairs.append(f"half-pedalling read as down from {DOWN} on, {counted(between, 'value')} between passed over")
    if again:
        repairs.append(f"{again:,} press{'es' * (again > 1)} of a pedal that was down passed over")


# Piece -> file


def curves_of(piece: Piece) -> tuple[Ints, ...]:
    """The curves that make the pedal of a piece on its own grid."""
    turns = np.array(piece.pedals, np.int64).reshape(-1)
    return (np.stack([turns, np.tile([_FULL, 0], len(piece.pedals))]),) if len(turns) else ()


def holds(piece: Piece, part: int) -> bool:
    """Whether a part of a piece plays under a pedal that is pressed."""
    return bool(piece.pedals) and piece.parts[part].is_keyboard and bool(np.any(piece.part == part))
