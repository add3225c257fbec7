"""What pieces use, counted: what a vocabulary is made of.

First the parts are counted (`Parts`), since they decide how a corpus is encoded: where a part never sounds two notes at once
and seldom rests, its durations are *implied*. They are not encoded; each note lasts until the part's next event, a note or
a rest. Then all else is counted (`Usage`), with the rests of such parts among the events.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from melody.piece import Ints, Part, Piece

METRE, TEMPO, KEY, FIRST_PART = range(4)  # kinds of event
UP, DOWN = range(2)  # turns of the pedal
PEDALLED = (
    1 / 4
)  # of the pieces, from how many on the pedal is encoded: a model learns it, and knows that it may be left alone
NOTES_PER_REST = 4  # a part with more rests than that is cheaper with durations encoded
PartKey = tuple[int, bool, int]  # program, drum, how many of that instrument come before


class Parts:
    """The parts of pieces: their names, and how they play; filled by `add`, or by `add_part`.

    Parameters
    ----------
    implied
        Of parts whose durations are to be implied or not, however many rests they have.
    """

    def __init__(self, implied: Mapping[PartKey, bool] | None = None) -> None:
        self._implied = implied or {}
        self.names: dict[PartKey, str] = {}
        self.monophonic: dict[PartKey, bool] = {}
        self._notes: Counter[PartKey] = Counter()
        self._rests: Counter[PartKey] = Counter()

    def add(self, piece: Piece) -> None:
        """All parts of a piece that play."""
        for number, (key, part) in enumerate(zip(part_keys(piece.parts), piece.parts)):
            notes = piece.part == number
            if not notes.any():
                continue
            onset, end = piece.onset[notes], piece.end[notes]
            rests = len(rests_after(np.zeros_like(onset), onset, end))
            self.add_part(key, part.name, bool(np.all(end[:-1] <= onset[1:])), len(onset), rests)

    def add_part(self, key: PartKey, name: str, monophonic: bool, notes: int, rests: int) -> None:
        """A part of a piece: how many notes, and after how many of them it rests; a name not the same in all is none."""
        if self.names.setdefault(key, name) != name:
            self.names[key] = ""
        self.monophonic[key] = self.monophonic.get(key, True) and monophonic
        self._notes[key] += notes
        self._rests[key] += rests

    def has_implied_durations(self, key: PartKey) -> bool:
        """Whether the durations of a part are implied."""
        seldom_rests = NOTES_PER_REST * self._rests[key] <= self._notes[key]
        return self.monophonic.get(key, False) and self._implied.get(key, seldom_rests)


class Usage:
    """What pieces use, counted; filled by `add`, or by whoever counts many pieces at once.

    Parameters
    ----------
    parts
        Of all the pieces.
    """

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.shifts: Counter[int] = Counter()
        self.shifts_with_pedal: Counter[int] = Counter()
        self.durations: Counter[int] = Counter()  # of parts whose durations are encoded
        self.velocities: Counter[int] = Counter()
        self.time_signatures: Counter[tuple[int, int]] = Counter()
        self.tempi: Counter[int] = Counter()
        self.keys: Counter[tuple[int, str]] = Counter()
        self.pitches: set[int] = set()
        self.changes = [False, False, False]
        self.grids: set[int] = set()
        self.pieces = self.pedalled = 0

    @property
    def has_pedal(self) -> bool:
        """Whether the pedal is encoded: a fair share of the pieces have one."""
        return 0 < self.pedalled >= PEDALLED * self.pieces

    def add(self, piece: Piece) -> None:
        """Count all that a piece uses; one without notes uses nothing."""
        if piece.num_notes == 0:
            return
        self.grids.add(piece.ticks_per_quarter)
        self.pitches.update(np.unique(piece.pitch).tolist())
        self.velocities.update(piece.velocity.tolist())
        implied = np.array([self.parts.has_implied_durations(key) for key in part_keys(piece.parts)])[piece.part]
        self.durations.update(piece.duration[~implied].tolist())
        rests = rests_after(piece.part[implied], piece.onset[implied], piece.end[implied])
        controls: list[Any] = [*piece.time_signatures, *piece.tempi, *piece.keys]
        ticks = [piece.onset, np.array([e.onset for e in controls], np.int64), piece.end[implied][rests]]
        self.shifts.update(_steps(ticks))
        self.shifts_with_pedal.update(_steps([*ticks, np.array(piece.pedals, np.int64).reshape(-1)]))
        self.pieces, self.pedalled = self.pieces + 1, self.pedalled + bool(piece.pedals)
        self.time_signatures.update((t.numerator, t.denominator) for t in piece.time_signatures)
        self.tempi.update(t.microseconds for t in piece.tempi)
        self.keys.update((k.fifths, k.mode) for k in piece.keys)
        self.changes[METRE] |= piece.time_signatures[-1].onset > 0
        self.changes[TEMPO] |= piece.tempi[-1].onset > 0
        self.changes[KEY] |= any(key.onset > 0 for key in piece.keys)


def _steps(ticks: Sequence[Ints]) -> list[int]:
    """From one event to the next."""
    steps: list[int] = np.diff(np.sort(np.concatenate(ticks)), prepend=0).tolist()
    return steps


def rests_after(voice: NDArray[Any], onset: NDArray[Any], end: NDArray[Any]) -> Ints:
    """The notes after which their voice rests: its next note does not begin where they end, or there is none.

    Parameters
    ----------
    voice, onset, end
        Of each note, (notes,).
    """
    order = np.lexsort((onset, voice))
    sorted_voice = voice.take(order)
    rests = np.ones(len(order), bool)
    rests[:-1] = (sorted_voice[1:] != sorted_voice[:-1]) | (end.take(order[:-1]) < onset.take(order[1:]))
    return order[rests]


def next_in_voice(voice: NDArray[Any], tick: NDArray[Any], last: NDArray[Any]) -> NDArray[Any]:
    """For each of some events in the order of time the tick of the next in its voice; `last` where there is none.

    Parameters
    ----------
    voice, tick, last
        Of each event, (events,).
    """
    order = np.argsort(voice, kind="stable")
    following = last.copy()
    same = voice.take(order[1:]) == voice.take(order[:-1])
    following[order[:-1][same]] = tick.take(order[1:])[same]
    return following


def part_keys(parts: Sequence[Part]) -> list[PartKey]:
    """Program, drum, and how many of that instrument came before: what names a part across pieces."""
    counts: Counter[tuple[int, bool]] = Counter()
    keys: list[PartKey] = []
    for part in parts:
        instrument = (part.program, part.is_drum)
        keys.append((*instrument, counts[instrument]))
        counts[instrument] += 1
    return keys
