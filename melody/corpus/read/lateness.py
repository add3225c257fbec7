"""On which of its beats the bars of a file begin, for notes that came late, and the whole bars of silence before them.

The bar line is where the strong notes are: those that begin at each beat are added up, each by the root of its length. Of
beats that are about as strong, it is the one that leaves no pick-up, or a short one: `PICK_UPS`. Less than a beat late, or a
little early, has `FURTHER` for it; and where the notes stand on the beat as they are, any other bar line has to be stronger
by `CERTAIN`. All else is the same however late the notes are.

Share of the files that come back to the note from being late by a twelfth of a quarter, and by 1.9 quarters: Nottingham .997
and .98, fiddle .90 and .71, games .88 and .82, chorales .97 and .23, whose pick-ups and half bars sound like bars; before
pick-ups counted .991 and .90, .84 and .29, .87 and .66, 1.00 and .24 (`scripts/measure_time.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from melody.corpus.read.doubts import is_metre
from melody.midi.file_events import PITCH, START, Source
from melody.midi.sustain import later

FURTHER, CERTAIN = 1.2, 2.0
PICK_UPS = 0.9, 0.6  # what a bar line counts before which the music begins with up to half a bar, and with more
Floats = NDArray[np.float64]
Change = TypeVar("Change", tuple[int, int], tuple[int, int, int])


class Placed(NamedTuple):
    """Notes and where they stand in their bars.

    Parameters
    ----------
    place, bar, beat, weight
        Of each note: where in its bar it begins, how long that and its beats are, in ticks, what it counts; (notes,) each.
    first
        Which note is the first one.
    start
        When that begins.
    """

    place: Floats
    bar: Floats
    beat: Floats
    weight: Floats
    first: int
    start: int

    def late(self, ticks: int) -> int:
        """By how many ticks the notes are late that are off the beat by `ticks`, 0 or more; all silence in front counts."""
        bar, beat = float(self.bar[self.first]), float(self.beat[self.first])
        late = [ticks % beat + step * beat for step in range(max(int(bar // beat), 1))]
        needed = FURTHER if _apart(ticks, beat) > beat / 200 else CERTAIN
        strength = [self._strength(one) * (needed if one < beat or bar - one < beat / 4 else 1) for one in late]
        best = late[int(np.argmax(strength))]
        if not best:
            return 0
        rest = (self.start - best) % bar
        return round(self.start - (rest if bar - rest > beat / 12 else rest - bar))

    def _strength(self, late: float) -> float:
        """Of the notes that begin at a bar line if all are late by that much, and of the pick-up that this leaves."""
        place = (self.place - late) % self.bar
        at_line = _apart(place, self.bar) < self.beat / 8
        pick_up = self.bar[self.first] - place[self.first]
        half = (self.bar[self.first] + self.beat[self.first] / 4) / 2
        fits = 1 if at_line[self.first] else PICK_UPS[0] if pick_up < half else PICK_UPS[1]
        return float(self.weight[at_line].sum()) * fits


def _apart(place: Floats | float, bar: Floats | float) -> Floats:
    """How far places are from the next bar line, before or behind them."""
    place = np.asarray(place) % bar
    apart: Floats = np.minimum(place, bar - place)
    return apart


def moved(source: Source, ticks: int) -> Source:
    """The file with its notes later by some ticks, earlier if less than 0, and the changes that go with them.

    Metres, tempi and keys go with the notes, each kind as a whole, if it then stands no worse on sixteenths, eighths and
    quarters, one after another. What stands at the very beginning holds from the beginning on.
    """
    notes, quarter = source.notes.copy(), source.ticks_per_quarter
    notes[:PITCH] = np.maximum(notes[:PITCH] + ticks, [[0], [1]])
    metres = _with_notes(source.time_signatures, ticks, quarter)
    tempi, keys = _with_notes(source.tempi, ticks, quarter), _with_notes(source.keys, ticks, quarter)
    sustain = later(source.sustain, ticks)
    return replace(source, notes=notes, time_signatures=metres, tempi=tempi, keys=keys, sustain=sustain)


def _with_notes(changes: Sequence[Change], ticks: int, quarter: int) -> tuple[Change, ...]:
    def off(late: int) -> list[int]:
        at = np.array([change[0] + late for change in changes if change[0] > 0])
        return [int(_apart(at, max(quarter // parts, 1)).sum()) for parts in (4, 2, 1)]

    if off(ticks) > off(0):
        return tuple(changes)
    return tuple([at(change, max(change[0] + ticks, 0)) if change[0] > 0 else change for change in changes])


def at(change: Change, tick: int) -> Change:
    """The same change at another tick."""
    return cast(Change, (tick, *change[1:]))


def silence(source: Source) -> int:
    """The ticks of the whole bars before the first note."""
    first = int(source.notes[START].min())
    metres = sorted((m for m in source.time_signatures if is_metre(*m[1:]) and m[0] <= first), key=lambda m: m[0])
    tick, numerator, denominator = metres[-1] if metres else (0, 4, 4)
    bar = max(4 * source.ticks_per_quarter * numerator // denominator, 1)
    return tick + (first - tick) // bar * bar
