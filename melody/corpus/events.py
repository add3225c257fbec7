"""Pieces as columns of events that need no vocabulary yet: what is kept between reading a folder and encoding it.

Rows are in the order of `Vocabulary.encode` and one row is one row there, END left out; only the numbering of the values
is still to come, when all pieces are known.

======== ==========================================================================================================
shift    ticks since the row before
kind     METRE, TEMPO, KEY, or FIRST_PART + (256 * (program + 128 if a drum kit) + how many of that instrument before)
value    256 * numerator + denominator; microseconds a quarter; 2 * (fifths + 7) + 1 if minor, and of the same kind
         FIRST_TURN + UP or DOWN of the pedal; or the pitch
duration ticks; 0 for a change
velocity 0 for a change
======== ==========================================================================================================
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from melody.piece import Ints, Key, Part, Pedal, Piece, Tempo, TimeSignature
from melody.tokens.usage import DOWN, FIRST_PART, KEY, METRE, TEMPO, UP, PartKey, part_keys

FIRST_TURN = 30  # behind all keys
COLUMNS = ("shift", "kind", "value", "duration", "velocity")
Column = NDArray[Any]
_NEAR = 32  # rows within which most pieces begin to move
RUN = 1 << 15  # rows that are worked on at once: larger columns leave the cache, and the system clears memory for each


@dataclass(frozen=True)
class Events:
    """The events of several pieces, one after another.

    Parameters
    ----------
    starts
        Where each piece begins, and where the last ends, (pieces + 1,).
    shift, kind, value, duration, velocity
        See above, (rows,) each, of any whole-number type.
    """

    starts: Ints
    shift: Column
    kind: Column
    value: Column
    duration: Column
    velocity: Column

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def columns(self) -> tuple[Column, ...]:
        """The five columns in the order of `COLUMNS`."""
        return self.shift, self.kind, self.value, self.duration, self.velocity

    @cached_property
    def piece(self) -> Ints:
        """The number of the piece of each row, (rows,)."""
        return np.repeat(np.arange(len(self)), np.diff(self.starts))

    @cached_property
    def tick(self) -> Ints:
        """When each row is, from the start of its piece, (rows,)."""
        total = np.cumsum(self.shift, dtype=np.int64)
        before = np.concatenate([[0], total])[self.starts[:-1]]
        ticks: Ints = total - np.repeat(before, np.diff(self.starts))
        return ticks

    def later(self, rows: Ints) -> NDArray[np.bool_]:
        """Whether some rows are later than the start of their piece, (rows,)."""
        moves = self.shift.take(self.starts[:-1, None] + np.arange(_NEAR), mode="clip") != 0
        first = self.starts[:-1] + moves.argmax(1)
        if not moves.any(1).all():
            all_moves = np.append(np.flatnonzero(self.shift), len(self.shift))
            first = all_moves[np.searchsorted(all_moves, self.starts[:-1])]
        later: NDArray[np.bool_] = rows >= first[np.searchsorted(self.starts, rows, "right") - 1]
        return later

    @cached_property
    def note_rows(self) -> Ints:
        """The rows that are notes."""
        return np.flatnonzero(self.kind >= FIRST_PART)

    @cached_property
    def turn_rows(self) -> Ints:
        """The rows that are turns of the pedal."""
        rows = self.change_rows
        turns: Ints = rows[(self.kind.take(rows) == KEY) & (self.value.take(rows) >= FIRST_TURN)]
        return turns

    def without_turns(self) -> Events:
        """The same without the pedal."""
        if not len(self.turn_rows):
            return self
        kept = np.ones(len(self.kind), bool)
        kept[self.turn_rows] = False
        starts = np.concatenate([[0], np.cumsum(kept)])[self.starts]
        shift = np.diff(self.tick[kept], prepend=0)
        begins = starts[:-1][np.diff(starts) > 0]
        shift[begins] = self.tick[kept][begins]
        return Events(starts, shift, *(column[kept] for column in self.columns[1:]))

    @cached_property
    def change_rows(self) -> Ints:
        """The rows that are changes of metre, tempo or key, or turns of the pedal."""
        changes = np.zeros(-(-len(self.kind) // 8) * 8, bool)
        np.less(self.kind, FIRST_PART, out=changes[: len(self.kind)])
        # They are few: eight are looked at together.
        eight = np.flatnonzero(changes.view(np.uint64) != 0)
        found = np.flatnonzero(changes.reshape(-1, 8)[eight])
        rows: Ints = 8 * eight[found >> 3] + (found & 7)
        return rows

    def choose(self, pieces: Sequence[int] | Ints) -> Events:
        """Those pieces, in that order."""
        pieces = np.asarray(pieces, np.int64)
        if np.array_equal(pieces, np.arange(len(self))):
            return self
        sizes = np.diff(self.starts)[pieces]
        # Neighbours that stay so are copied in one go, which beats any index.
        first = np.flatnonzero(np.diff(pieces, prepend=-2) != 1)
        last = np.flatnonzero(np.diff(pieces, append=-2) != 1)
        runs = [slice(*run) for run in np.stack([self.starts[pieces[first]], self.starts[pieces[last] + 1]], 1).tolist()]
        columns = (np.concatenate([column[:0], *[column[run] for run in runs]]) for column in self.columns)
        return Events(np.concatenate([[0], np.cumsum(sizes)]), *columns)

    def runs(self) -> Iterator[tuple[int, Events]]:
        """All pieces, as many at a time as make `RUN` rows, with the number of the first."""
        first = 0
        while first < len(self):
            last = max(int(np.searchsorted(self.starts, self.starts[first] + RUN, side="right")) - 1, first + 1)
            rows = slice(self.starts[first], self.starts[last])
            starts = self.starts[first : last + 1] - self.starts[first]
            yield first, Events(starts, *(column[rows] for column in self.columns))
            first = last

    def narrow(self) -> Events:
        """The same in the smallest types that hold it."""
        return Events(self.starts, *(narrowed(column) for column in self.columns))


def narrowed(column: Column) -> Column:
    """The same numbers, none of them negative, in the smallest type that holds them."""
    return column.astype(np.min_scalar_type(int(column.max(initial=0))), copy=False)


def joined(batches: Iterable[Events]) -> Events:
    """All pieces of all batches."""
    batches = list(batches) or [empty()]
    if len(batches) == 1:
        return batches[0]
    sizes = np.concatenate([np.diff(b.starts) for b in batches])
    columns = (np.concatenate([b.columns[i] for b in batches]) for i in range(len(COLUMNS)))
    return Events(np.concatenate([[0], np.cumsum(sizes)]), *columns)


def empty() -> Events:
    """No piece at all."""
    return Events(np.zeros(1, np.int64), *(np.zeros(0, np.uint8) for _ in COLUMNS))


# Numbers of kinds and values


def kind_of(key: PartKey) -> int:
    """The kind of a part."""
    program, is_drum, nth = key
    return FIRST_PART + 256 * (program + 128 * is_drum) + nth


def part_of(kind: int) -> PartKey:
    """The part of a kind."""
    instrument, nth = divmod(kind - FIRST_PART, 256)
    return instrument % 128, instrument >= 128, nth


def changes_of(piece: Piece) -> list[tuple[int, int, int]]:
    """(tick, kind, value) of each metre, tempo and key, and of each turn of the pedal."""
    rows = [(t.onset, METRE, 256 * t.numerator + t.denominator) for t in piece.time_signatures]
    rows += [(t.onset, TEMPO, t.microseconds) for t in piece.tempi]
    rows += [(k.onset, KEY, 2 * (k.fifths + 7) + (k.mode == "minor")) for k in piece.keys]
    return rows + turns_of(piece.pedals)


def turns_of(pedals: Sequence[Pedal]) -> list[tuple[int, int, int]]:
    """(tick, kind, value) of each turn of the pedal."""
    return [(tick, KEY, FIRST_TURN + turn) for press in pedals for tick, turn in zip(press, (DOWN, UP))]


# Piece <-> events


def of_piece(piece: Piece) -> Events:
    """One piece."""
    kinds = np.array([kind_of(key) for key in part_keys(piece.parts)], np.int64)
    changes = np.array(changes_of(piece), np.int64).reshape(-1, 3).T
    none = np.zeros(changes.shape[1], np.int64)
    tick = np.concatenate([changes[0], piece.onset])
    kind = np.concatenate([changes[1], kinds[piece.part]])
    value = np.concatenate([changes[2], piece.pitch])
    order = np.lexsort((value, kind, tick))
    return Events(
        np.array([0, len(order)]),
        np.diff(tick[order], prepend=0),
        kind[order],
        value[order],
        np.concatenate([none, piece.duration])[order],
        np.concatenate([none, piece.velocity])[order],
    )


def to_piece(events: Events, number: int, ticks_per_quarter: int) -> Piece:
    """Piece `number`; its parts have no names."""
    one = events.choose([number])
    tick, note = one.tick, one.kind >= FIRST_PART
    kinds, part = np.unique(one.kind[note], return_inverse=True)

    def changes(kind: int) -> list[tuple[int, int]]:
        chosen = one.kind == kind
        return list(zip(tick[chosen].tolist(), one.value[chosen].tolist()))

    turns = tick[one.turn_rows]
    return Piece(
        tick[note],
        one.duration[note],
        one.value[note],
        one.velocity[note],
        part,
        parts=tuple(Part(*part_of(int(kind))[:2]) for kind in kinds) or (Part(),),
        time_signatures=tuple(TimeSignature(t, v // 256, v % 256) for t, v in changes(METRE)),
        tempi=tuple(Tempo(t, v) for t, v in changes(TEMPO)),
        keys=tuple(Key(t, v // 2 - 7, "minor" if v % 2 else "major") for t, v in changes(KEY) if v < FIRST_TURN),
        ticks_per_quarter=ticks_per_quarter,
        pedals=tuple(Pedal(*press) for press in turns.reshape(-1, 2).tolist()),
    )
