"""Events of many pieces -> what a vocabulary is made of, and -> its tokens, in a few NumPy passes.

The law, tested: the vocabulary is that of `Vocabulary.build` over the pieces, the tokens are those of `Vocabulary.encode`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from melody.corpus.encode.implied_durations import REST, with_rest_rows, without_rest_rows
from melody.corpus.events import FIRST_TURN, Column, Events, kind_of
from melody.piece import Ints
from melody.tokens.usage import DOWN, FIRST_PART, KEY, METRE, TEMPO, UP, Usage, part_keys
from melody.tokens.vocabulary import FIELDS, VALUE, Rows, Vocabulary

TABLE = 1 << 20  # values up to this one are looked up in a table, greater ones by bisection


def count(usage: Usage, events: Events) -> None:
    """Add the pieces to what is counted, their parts having been counted already."""
    implied = {kind_of(key) for key in usage.parts.names if usage.parts.has_implied_durations(key)}
    pedalled = events.piece.take(events.turn_rows)
    usage.pieces, usage.pedalled = usage.pieces + len(events), usage.pedalled + len(np.unique(pedalled))
    steps = _counts(with_rest_rows(events, implied).shift)
    usage.shifts_with_pedal.update(steps)
    events = events.without_turns()
    encoded = with_rest_rows(events, implied)
    usage.shifts.update(_counts(encoded.shift) if len(pedalled) else steps)
    usage.durations.update(_counts(encoded.duration[(encoded.kind >= FIRST_PART) & (encoded.duration > 0)]))
    note = events.note_rows
    usage.velocities.update(_counts(events.velocity.take(note)))
    usage.pitches.update(_counts(events.value.take(note)))
    counters: tuple[Counter[Any], ...] = (usage.time_signatures, usage.tempi, usage.keys)
    for change, number in Counter(_changes(events).tolist()).items():
        place, later = divmod(change, 2)
        value, kind = divmod(place, FIRST_PART)
        counters[kind][meaning(kind, value)] += number
        usage.changes[kind] |= bool(later)


def _changes(events: Events) -> Ints:
    """A number for the kind and the value of each change, and whether it is later than tick 0."""
    change = events.change_rows
    codes = events.value.take(change).astype(np.int64) * FIRST_PART + events.kind.take(change)
    return codes * 2 + events.later(change)


def _counts(values: Column) -> Counter[int]:
    if len(values) and values.max() < TABLE:
        table = np.bincount(values)
        found = np.flatnonzero(table)
        return Counter(dict(zip(found.tolist(), table[found].tolist())))
    found, number = np.unique(values, return_counts=True)
    return Counter(dict(zip(found.tolist(), number.tolist())))


def meaning(kind: int, value: int) -> Any:
    """What a vocabulary calls the value of a change."""
    if kind == METRE:
        return value // 256, value % 256
    return value if kind == TEMPO else (value // 2 - 7, "minor" if value % 2 else "major")


def code(kind: int, meant: Any) -> int:
    """The value of a change that a vocabulary calls `meant`; the inverse of `meaning`."""
    if kind == METRE:
        return int(256 * meant[0] + meant[1])
    return int(meant if kind == TEMPO else 2 * (meant[0] + 7) + (meant[1] == "minor"))


class Encoder:
    """The tables that turn events into the tokens of one vocabulary; -1 stands for what it has no token for."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        kinds = [METRE, TEMPO, KEY, *(kind_of(key) for key in part_keys(vocabulary.parts))]
        self._implied = implied_duration_kinds(vocabulary)
        low, high = vocabulary.pitches
        pitches, places = [*range(low, high + 1)], [*range(vocabulary.first_pitch, vocabulary.sizes[VALUE])]
        # Changes have a duration and a velocity of 0, which no note has.
        self._numbers = (
            _Numbers(vocabulary.shifts, range(1, 1 + len(vocabulary.shifts))),
            _Numbers(kinds, range(len(kinds))),
            _Numbers([*pitches, REST], [*places, vocabulary.rest]),
            _Numbers((0, *vocabulary.durations), (0, *range(len(vocabulary.durations)))),
            _Numbers((0, *vocabulary.velocities), (0, *range(len(vocabulary.velocities)))),
        )
        tables: Sequence[Sequence[Any]] = (vocabulary.time_signatures, vocabulary.tempi, vocabulary.keys)
        self._changes = {
            2 * (code(kind, meant) * FIRST_PART + kind) + later: vocabulary.value_starts[kind] + i
            for kind, values in enumerate(tables)
            for i, meant in enumerate(values)
            for later in range(1 + vocabulary.changes[kind])
        }
        for turn in (UP, DOWN) if vocabulary.pedal else ():
            place = 2 * ((FIRST_TURN + turn) * FIRST_PART + KEY)
            self._changes |= dict.fromkeys((place, place + 1), vocabulary.first_turn + turn)

    def encode(self, events: Events) -> tuple[Rows, Ints, NDArray[np.bool_]]:
        """Tokens of all pieces, END rows included, (rows, 5); where each begins and the last ends; which are exact.

        The pedal is left out where the vocabulary has none.

        A piece that is not exact holds what the vocabulary has no token for: its rows are to be thrown away.
        """
        events = with_rest_rows(events if self.vocabulary.pedal else events.without_turns(), self._implied)
        columns = np.empty((len(FIELDS), len(events.kind)), np.int32)
        for numbers, column, out in zip(self._numbers, events.columns, columns):
            numbers.put(column, out)
        change = events.change_rows
        columns[VALUE][change] = [self._changes.get(code, -1) for code in _changes(events).tolist()]
        exact = np.ones(len(events), bool)
        if columns.min(initial=0) < 0:
            exact[events.piece[(columns < 0).any(0)]] = False
        encoded = np.array([self.vocabulary.is_encoded[kind] for kind in (METRE, TEMPO, KEY)])
        left_out = change[~encoded[events.kind[change]]]
        return *_with_ends(columns, events.starts, left_out), exact


def implied_duration_kinds(vocabulary: Vocabulary) -> set[int]:
    """The kinds, among events, of the parts whose durations are implied in the vocabulary, not encoded."""
    return {kind_of(key) for key, implied in zip(part_keys(vocabulary.parts), vocabulary.implied_duration) if implied}


class _Numbers:
    """The number of each of some ascending values: from a table, or by bisection where that would be large."""

    def __init__(self, values: Sequence[int], numbers: Sequence[int]) -> None:
        self._values, self._places = np.array(values), np.array(numbers, np.int32)
        self._table = None
        if values[-1] < TABLE:
            self._table = np.full(values[-1] + 2, -1, np.int32)  # the last stands for all greater ones
            self._table[self._values] = self._places

    def put(self, column: Column, out: NDArray[np.int32]) -> None:
        """Write the number of each value of a column, -1 if it has none."""
        if self._table is not None:
            self._table.take(column, mode="clip", out=out)
            return
        place = np.minimum(np.searchsorted(self._values, column), len(self._values) - 1)
        out[:] = np.where(self._values[place] == column, self._places[place], np.int32(-1))


def _with_ends(columns: NDArray[np.int32], starts: Ints, left_out: Ints) -> tuple[Rows, Ints]:
    """The rows but those left out, and a row of zeros after those of each piece; and where each piece begins then."""
    moved = starts - np.searchsorted(left_out, starts) + np.arange(len(starts))
    rows = np.empty((len(columns), moved[-1]), np.int32)
    rows[:, moved[1:] - 1] = 0
    # Runs without a gap are copied whole, which beats any index.
    begins = np.sort(np.concatenate([starts[:-1], left_out + 1]))
    ends = np.sort(np.concatenate([starts[1:], left_out]))
    places = begins - np.searchsorted(left_out, begins) + np.searchsorted(starts[1:], begins, side="right")
    for begin, end, place in zip(begins.tolist(), ends.tolist(), places.tolist()):
        rows[:, place : place + end - begin] = columns[:, begin:end]
    return rows.T, moved


def decode(vocabulary: Vocabulary, rows: Rows, starts: Ints) -> Events:
    """The events of which `Encoder.encode` made the rows."""
    body = np.delete(rows, starts[1:] - 1, axis=0)
    note = vocabulary.is_note(body)
    kinds = np.array([METRE, TEMPO, KEY, *(kind_of(key) for key in part_keys(vocabulary.parts))])
    tables: Sequence[Sequence[Any]] = (vocabulary.time_signatures, vocabulary.tempi, vocabulary.keys)
    values = [code(k, meant) for k, table in enumerate(tables) for meant in table]
    values += [FIRST_TURN + UP, FIRST_TURN + DOWN] * vocabulary.pedal
    values += [REST] * any(vocabulary.implied_duration)
    values += range(vocabulary.pitches[0], vocabulary.pitches[1] + 1)
    columns = (
        np.array(vocabulary.shifts)[body[:, 0] - 1],
        kinds[body[:, 1]],
        np.array(values)[body[:, 2]],
        np.where(note, np.array(vocabulary.durations or (0,))[body[:, 3]], 0),
        np.where(note, np.array(vocabulary.velocities)[body[:, 4]], 0),
    )
    encoded = Events(starts - np.arange(len(starts)), *columns)
    return _with_constant_changes(vocabulary, without_rest_rows(encoded, implied_duration_kinds(vocabulary)))


def _with_constant_changes(vocabulary: Vocabulary, events: Events) -> Events:
    """With the metre and the tempo at tick 0 that are the same in all pieces and therefore not encoded."""
    constant = [kind for kind in (METRE, TEMPO) if not vocabulary.is_encoded[kind]]
    tables: Sequence[Sequence[Any]] = (vocabulary.time_signatures, vocabulary.tempi)
    # A tempo stands behind a metre that is encoded; of two that are put in one place, the metre comes first.
    places = [events.starts[:-1] + (kind == TEMPO and METRE not in constant) for kind in constant]
    where = np.concatenate([np.zeros(0, np.int64), *places])
    kinds = np.repeat(np.array(constant, np.int64), len(events))
    values = np.repeat(np.array([code(k, tables[k][0]) for k in constant], np.int64), len(events))
    none = np.zeros_like(kinds)
    added = (none, kinds, values, none, none)
    columns = [np.insert(column, where, new) for column, new in zip(events.columns, added)]
    return Events(events.starts + np.arange(len(events.starts)) * len(constant), *columns)
