"""Keyboard music as two parts, the right hand and the left, whatever the tracks of its file were.

Only music for nothing but keyboards (programs 0 to 7 of General MIDI) is looked at:

- One part that takes two hands (`melody.hands.take_two`) is parted between them.
- Two parts stand in the order of their height: the first is the right hand.
- Three or more parts, two of which play chords, are laid together and parted. Single voices stay voices.

All is seen at a glance first, of many files at once (`unclear`), since most files need nothing of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from melody import hands
from melody.midi.file_events import END, PART, PITCH, START, Source
from melody.piece import Ints, Part
from melody.text import counted

CHORDS = 0.1  # share of its notes that sound when the next one begins, from which on a part plays chords
NAMES = ("right hand", "left hand")


def unclear(
    start: NDArray[Any], length: NDArray[Any], pitch: NDArray[Any], part_sizes: Ints, players: Sequence[Sequence[Part]]
) -> NDArray[np.bool_]:
    """Whether the parts of each of some sources may not be two hands in their order, (sources,).

    Parameters
    ----------
    start, length, pitch
        Of all their notes, part by part, (notes,).
    part_sizes
        Notes of each part of each source, at least one, (parts,).
    players
        The parts of each source, (sources,).
    """
    known: dict[int, bool] = {}  # the same players are mostly the same object
    keyboards = np.zeros(len(players), bool)
    for number, parts in enumerate(players):
        found = known.get(id(parts))
        if found is None:
            found = known[id(parts)] = are_keyboards(parts)
        keyboards[number] = found
    if not keyboards.any():
        return keyboards
    sizes = np.array([len(parts) for parts in players])
    firsts = np.cumsum(sizes) - sizes  # of the parts of each source
    notes = np.cumsum(part_sizes) - part_sizes  # the first of each part
    unclear = np.zeros(len(players), bool)
    pairs = np.flatnonzero(keyboards & (sizes == 2))
    if len(pairs):
        heights = np.add.reduceat(pitch, notes, dtype=np.int64) / part_sizes
        unclear[pairs] = heights[firsts[pairs]] < heights[firsts[pairs] + 1]
    others = keyboards & (sizes != 2)
    if others.any():
        sounds = np.zeros(len(start), bool)
        sounds[:-1] = start[:-1] + length[:-1] > start[1:]
        sounds[notes[1:] - 1] = False
        chords = np.add.reduceat(sounds, notes, dtype=np.int64) >= CHORDS * part_sizes
        unclear |= others & (np.add.reduceat(chords, firsts, dtype=np.int64) >= np.minimum(sizes, 2))
    return unclear


def are_keyboards(parts: Sequence[Part]) -> bool:
    """Whether nothing but keyboards plays."""
    return all(part.is_keyboard for part in parts)


def in_two_hands(source: Source, repairs: list[str]) -> Source:
    """The file as two hands if it is keyboard music; what was changed is added to `repairs`."""
    sizes = np.bincount(source.notes[PART], minlength=len(source.parts))
    if not len(source.parts) or not sizes.all():
        return source
    notes = source.notes[:, np.argsort(source.notes[PART], kind="stable")]
    if not unclear(notes[START], notes[END] - notes[START], notes[PITCH], sizes, [source.parts])[0]:
        return source
    if len(sizes) == 2:
        repairs.append("the two hands put in the order of their height")
        swapped = source.notes.copy()
        swapped[PART] = 1 - swapped[PART]
        return replace(source, notes=swapped, parts=tuple(source.parts[::-1]))
    start, end, pitch = source.notes[START], source.notes[END], source.notes[PITCH]
    if not hands.take_two(start, end, pitch):
        return source
    right = hands.right_hand(start, end, pitch, source.ticks_per_quarter)
    if right.all() or not right.any():
        return source
    numbers = f"{counted(int(right.sum()), 'note')} to the right, {int(np.sum(~right)):,} to the left"
    repairs.append(f"{counted(len(sizes), 'piano part')} taken as two hands: {numbers}")
    parts = tuple(Part(source.parts[0].program, False, name) for name in NAMES)
    return replace(source, notes=np.concatenate([source.notes[:PART], [~right]]).astype(np.int64), parts=parts)
