"""What pieces use, counted: what a vocabulary is made of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from melody.piece import Part, Piece

METRE, TEMPO, KEY, FIRST_PART = range(4)  # kinds of event
PartKey = tuple[int, bool, int]  # program, drum, how many of that instrument come before


class Usage:
    """What pieces use, counted; filled by `add`, or by whoever counts many pieces at once."""

    def __init__(self) -> None:
        self.shifts: Counter[int] = Counter()
        self.durations: Counter[int] = Counter()
        self.velocities: Counter[int] = Counter()
        self.time_signatures: Counter[tuple[int, int]] = Counter()
        self.tempi: Counter[int] = Counter()
        self.keys: Counter[tuple[int, str]] = Counter()
        self.pitches: set[int] = set()
        self.names: dict[PartKey, str] = {}
        self.monophonic: dict[PartKey, bool] = {}
        self.changes = [False, False, False]
        self.grids: set[int] = set()

    def add(self, piece: Piece) -> None:
        if piece.num_notes == 0:
            return
        self.grids.add(piece.ticks_per_quarter)
        self.pitches.update(np.unique(piece.pitch).tolist())
        self.velocities.update(piece.velocity.tolist())
        self.durations.update(piece.duration.tolist())
        controls = [e.onset for e in piece.time_signatures + piece.tempi + piece.keys]
        ticks = np.sort(np.concatenate([piece.onset, np.array(controls, np.int64)]))
        self.shifts.update(np.diff(ticks, prepend=0).tolist())
        self.time_signatures.update((t.numerator, t.denominator) for t in piece.time_signatures)
        self.tempi.update(t.microseconds for t in piece.tempi)
        self.keys.update((k.fifths, k.mode) for k in piece.keys)
        self.changes[METRE] |= piece.time_signatures[-1].onset > 0
        self.changes[TEMPO] |= piece.tempi[-1].onset > 0
        self.changes[KEY] |= any(key.onset > 0 for key in piece.keys)
        self._add_parts(piece)

    def _add_parts(self, piece: Piece) -> None:
        for number, (key, part) in enumerate(zip(part_keys(piece.parts), piece.parts)):
            notes = piece.part == number
            if not notes.any():
                continue
            onset, end = piece.onset[notes], piece.end[notes]
            self.add_part(key, part.name, bool(np.all(end[:-1] <= onset[1:])))

    def add_part(self, key: PartKey, name: str, monophonic: bool) -> None:
        """A part of a piece; a name that is not the same in all pieces is none."""
        if self.names.setdefault(key, name) != name:
            self.names[key] = ""
        self.monophonic[key] = self.monophonic.get(key, True) and monophonic


def part_keys(parts: Sequence[Part]) -> list[PartKey]:
    """Program, drum, and how many of that instrument came before: what names a part across pieces."""
    counts: Counter[tuple[int, bool]] = Counter()
    keys: list[PartKey] = []
    for part in parts:
        instrument = (part.program, part.is_drum)
        keys.append((*instrument, counts[instrument]))
        counts[instrument] += 1
    return keys
