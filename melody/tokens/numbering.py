"""What a vocabulary holds, and the numbers of its tokens."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
from numpy.typing import NDArray

from melody.piece import MAX_TICK, TICKS_PER_QUARTER, Ints, Key, Part, Piece, Tempo, TimeSignature
from melody.signatures import check_range
from melody.tokens.fineness import is_fine
from melody.tokens.usage import FIRST_PART, KEY

FIELDS = ("time", "kind", "value", "duration", "velocity")
TIME, KIND, VALUE, DURATION, VELOCITY = range(5)
END = 0  # in the time field
MAX_BAR = 1_000_000  # ticks; a model has weights for each place in a bar
Rows = NDArray[np.int64]  # (events, 5)


@dataclass(frozen=True)
class Numbering:
    """What a corpus uses, numbered: the numbers of the tokens, and which fields an event has.

    Parameters
    ----------
    shifts
        Ticks from one event to the next, ascending; every duration among them, so that a note can follow any other, and if
        any durations are implied the greatest tick that divides all of these and every bar, to reach any bar line.
    parts
        The players; the same instrument twice in a piece is two parts.
    pitches
        Lowest and highest pitch, both included.
    durations, velocities
        Ascending; durations of the parts whose durations are encoded.
    time_signatures
        (numerator, denominator) pairs.
    tempi
        Microseconds a quarter.
    keys
        (fifths, mode) pairs; empty if the corpus has none.
    changes
        Which of metre, tempo and key ever change within a piece.
    monophonic
        Which parts never sound two notes at once.
    implied_duration
        Of which parts the durations are implied; they are monophonic.
    ticks_per_quarter
        The grid of every piece.
    pedal
        Whether the pedal is encoded: an event for each time that it goes up or down, a *turn*. Turns are of the kind of
        keys, behind these among the values: what a kind is, and the numbers of all others, do not depend on a pedal.
    """

    shifts: tuple[int, ...]
    parts: tuple[Part, ...]
    pitches: tuple[int, int]
    durations: tuple[int, ...]
    velocities: tuple[int, ...]
    time_signatures: tuple[tuple[int, int], ...]
    tempi: tuple[int, ...]
    keys: tuple[tuple[int, str], ...]
    changes: tuple[bool, bool, bool]
    monophonic: tuple[bool, ...]
    implied_duration: tuple[bool, ...]
    ticks_per_quarter: int = TICKS_PER_QUARTER
    pedal: bool = False

    @property
    def num_pitches(self) -> int:
        """Number of pitches from the lowest to the highest."""
        return self.pitches[1] - self.pitches[0] + 1

    @cached_property
    def value_starts(self) -> tuple[int, int, int, int, int, int, int]:
        """Where metres, tempi, keys, turns of the pedal, the rest and pitches begin in the value field, and its size."""
        sizes = (
            len(self.time_signatures),
            len(self.tempi),
            len(self.keys),
            2 * self.pedal,
            int(any(self.implied_duration)),
            self.num_pitches,
        )
        starts = np.concatenate([[0], np.cumsum(sizes)])
        return tuple(int(s) for s in starts)  # type: ignore[return-value]

    @cached_property
    def first_pitch(self) -> int:
        """The value token of the lowest pitch; those of the others follow."""
        return self.value_starts[-2]

    @property
    def rest(self) -> int:
        """The value token of a rest; that of the lowest pitch if no durations are implied and there are no rests."""
        return self.value_starts[-3]

    @property
    def first_turn(self) -> int:
        """The value token of the pedal going up; the next one is that of going down."""
        return self.value_starts[KEY + 1]

    @cached_property
    def drums(self) -> NDArray[np.bool_]:
        """Which parts are drums, (parts,); nobody may change it."""
        found = np.array([part.is_drum for part in self.parts], bool)
        found.flags.writeable = False
        return found

    @cached_property
    def lines(self) -> NDArray[np.bool_]:
        """Which parts are lines, one pitched note after another, (parts,): of implied durations and no drums."""
        found = np.array(self.implied_duration, bool) & ~self.drums
        found.flags.writeable = False
        return found

    @cached_property
    def is_chordal(self) -> bool:
        """Whether there are several parts and not all of them are lines: the hands of a pianist, the players of a band."""
        return len(self.parts) > 1 and not bool(self.lines.all())

    @cached_property
    def is_fine(self) -> bool:
        """Whether times are as fine as a performance's (`melody.tokens.fineness`)."""
        return is_fine(self.shifts, self.ticks_per_quarter)

    @cached_property
    def implied_kinds(self) -> NDArray[np.bool_]:
        """Which kinds are parts whose durations are implied, (kinds,)."""
        return np.array([False] * FIRST_PART + list(self.implied_duration), bool)

    def is_rest(self, rows: Rows) -> NDArray[np.bool_]:
        """Which events are rests, (events,)."""
        rests: NDArray[np.bool_] = self.implied_kinds[rows[..., KIND]] & (rows[..., VALUE] == self.rest)
        return rests

    def is_turn(self, rows: Rows) -> NDArray[np.bool_]:
        """Which events are turns of the pedal, (events,)."""
        turns: NDArray[np.bool_] = (rows[..., KIND] == KEY) & (rows[..., VALUE] >= self.first_turn)
        turns &= rows[..., TIME] != END
        return turns

    def is_note(self, rows: Rows) -> NDArray[np.bool_]:
        """Which events are notes, (events,)."""
        note: NDArray[np.bool_] = (rows[..., KIND] >= FIRST_PART) & (rows[..., TIME] != END)
        return note & ~self.is_rest(rows) if any(self.implied_duration) else note

    def field_mask(self, rows: Rows) -> NDArray[np.bool_]:
        """Which fields each event has, (events, fields); of those it has not, the token is 0 and means nothing."""
        number = (rows[..., TIME] != END) * self.sizes[KIND] + rows[..., KIND]
        fields: NDArray[np.bool_] = self._fields_of[number * self.sizes[VALUE] + rows[..., VALUE]]
        return fields

    @cached_property
    def _fields_of(self) -> NDArray[np.bool_]:
        """The fields of END, then of other events, by kind and value, (2 x kinds x values, fields)."""
        rows = np.zeros((2, *self.sizes[KIND:DURATION], len(FIELDS)), np.int64)
        rows[1, ..., TIME] = 1
        rows[..., KIND], rows[..., VALUE] = np.indices(rows.shape[1:3])
        fields = np.ones(rows.shape, bool)
        fields[rows[..., TIME] == END, KIND:] = False
        note = self.is_note(rows)
        fields[..., DURATION] = note & ~self.implied_kinds[rows[..., KIND]]
        fields[..., VELOCITY] = note
        return fields.reshape(-1, len(FIELDS))

    @cached_property
    def sizes(self) -> tuple[int, int, int, int, int]:
        """Number of tokens of each field. A field of size 1 is never predicted."""
        return (
            1 + len(self.shifts),
            FIRST_PART + len(self.parts),
            self.value_starts[-1],
            max(len(self.durations), 1),
            len(self.velocities),
        )

    @property
    def is_encoded(self) -> tuple[bool, bool, bool]:
        """Whether metre, tempo and key (or the pedal) are events at all: they vary between pieces or within one."""
        return (
            len(self.time_signatures) > 1 or self.changes[0],
            len(self.tempi) > 1 or self.changes[1],
            len(self.keys) > 0 or self.pedal,
        )

    @property
    def tokens_per_note(self) -> int:
        """How many tokens of a note are not the same throughout the corpus."""
        kinds = sum(self.is_encoded) + len(self.parts)
        varying = (True, kinds > 1, self.num_pitches > 1, len(self.durations) > 1, len(self.velocities) > 1)
        return sum(varying)

    @cached_property
    def longest_bar(self) -> int:
        """Ticks of the longest bar."""
        return max(TimeSignature(0, n, d).bar_ticks(self.ticks_per_quarter) for n, d in self.time_signatures)

    def value_transposition(self, semitones: int) -> Ints:
        """The value token that each value token becomes `semitones` higher, (values,); -1 where there is none."""
        _, _, key, _, _, pitch, size = self.value_starts
        moved = np.arange(size)
        keys = {k: i for i, k in enumerate(self.keys)}
        for i, (fifths, mode) in enumerate(self.keys):
            target = Key(0, fifths, mode).transpose(semitones)
            moved[key + i] = key + keys.get((target.fifths, target.mode), -1 - key)
        moved[pitch:] += semitones
        moved[pitch:][(moved[pitch:] < pitch) | (moved[pitch:] >= size)] = -1
        return moved

    def check(self) -> None:
        """Every value one that a piece on this grid can hold.

        Raises
        ------
        ValueError
            If one is not.
        """
        has_none = (False, all(self.implied_duration), False)  # then there need be none
        for column, may_be_empty in zip((self.shifts, self.durations, self.velocities), has_none):
            if not (column or may_be_empty) or list(column) != sorted(set(column)):
                raise ValueError("values missing or out of order")
        if self.shifts[0] != 0 or not len(self.monophonic) == len(self.implied_duration) == len(self.parts) > 0:
            raise ValueError("shifts must begin at 0, parts must match")
        if any(implied and not monophonic for implied, monophonic in zip(self.implied_duration, self.monophonic)):
            raise ValueError("a part of implied durations must be monophonic")
        if not self.time_signatures or not self.tempi or not 0 <= self.pitches[0] <= self.pitches[1] <= 127:
            raise ValueError("no time signature, no tempo or impossible pitches")
        check_range("the longest time between events", self.shifts[-1], 0, MAX_TICK)
        for duration in (*self.durations[:1], *self.durations[-1:]):
            check_range("duration", duration, 1, MAX_TICK)
        check_range("velocity", self.velocities[0], 1, 127)
        check_range("velocity", self.velocities[-1], 1, 127)
        nothing = (np.zeros(0, np.int64),) * 3
        probe = partial(Piece, *nothing, parts=self.parts, ticks_per_quarter=self.ticks_per_quarter)
        for numerator, denominator in self.time_signatures:
            probe(time_signatures=(TimeSignature(0, numerator, denominator),))
        for tempo in self.tempi:
            probe(tempi=(Tempo(0, tempo),))
        for fifths, mode in self.keys:
            probe(keys=(Key(0, fifths, mode),))
        check_range("ticks of the longest bar", self.longest_bar, 1, MAX_BAR)
