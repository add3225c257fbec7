"""`Vocabulary`: `Piece` <-> note events, exact both ways.

One event is one row of five tokens, one for each of `FIELDS`, and one step of the recurrent model:

======== =========================================================================================================
time     0 = END of the piece, else 1 + index of the ticks since the onset before (0 ticks: at the same time)
kind     a part (an instrument), or a change of metre, tempo or key; the pedal is of the kind of keys
value    the pitch of a note, or a rest; for a change its time signature, tempo or key, or that the pedal goes up or down
duration of a note; 0 for a rest, a change, and a note whose duration is implied
velocity of a note; 0 for a rest or a change
======== =========================================================================================================

The fields of one event are predicted in a chain, each given those before it. That is the compound-word idea (Hsiao et al.
2021, arXiv:2101.02402) with the chain of Multitrack Music Transformer and RQ-Transformer heads; the information is that of
TSD (MidiTok) or REMI (Huang and Yang 2020, arXiv:2002.00212). It departs from REMI in that time is counted from the onset
before, not as a position in a bar: bar lines follow from the metre, and the position is an input of the model instead, so no
token is spent on what is already known. `docs/experiments.md` has the measurement that chose events over flat tokens.

A vocabulary holds only what its corpus uses. A field in which the corpus has one value costs no token and is filled in on
decoding; metre, tempo and key become events only if they differ between pieces or change within one. A monophonic corpus
of one instrument therefore costs two tokens a note, time and pitch: the durations of its only part are implied (see
`melody.tokens.usage`), and each note lasts until the next one or a rest. After its last note every such part
rests, so a piece ends in silence.

The pedal is encoded if a quarter of the pieces press it (`melody.tokens.usage.PEDALLED`).

Order within a tick: metre, tempo, key, the pedal going up before it goes down again, then the parts in their order, each
part's notes from the lowest pitch up.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from math import gcd
from operator import ge
from typing import Any

import numpy as np
from numpy.typing import NDArray

from melody.errors import VocabularyError
from melody.general_midi import instrument_name
from melody.piece import Ints, Key, Part, Pedal, Piece, Tempo, TimeSignature
from melody.tokens import stored
from melody.tokens.fineness import MOST_TEMPI, MOST_VELOCITIES, NEAR_TEMPO, NEAR_TIME, NEAR_VELOCITY, standing_for_all
from melody.tokens.numbering import DURATION, END, FIELDS, KIND, TIME, VALUE, VELOCITY, Numbering, Rows
from melody.tokens.usage import DOWN, FIRST_PART, KEY, METRE, TEMPO, UP, Parts, Usage, next_in_voice, part_keys, rests_after

__all__ = ["DURATION", "END", "FIELDS", "KIND", "TIME", "VALUE", "VELOCITY", "Rows", "Vocabulary", "describe", "spell"]


@dataclass(frozen=True)
class Vocabulary(Numbering):
    """`Piece` <-> events, by the numbers of `Numbering`; its parameters are those."""

    # Making one

    @classmethod
    def build(
        cls, pieces: Iterable[Piece], *, transpositions: Sequence[int] = (0,), max_values: int | None = None
    ) -> Vocabulary:
        """The vocabulary of `pieces`, and of their transpositions by each of `transpositions` semitones.

        It holds all that they use; or at most `max_values` times, and as many velocities and tempi as
        `melody.tokens.fineness` says. Then some stand for all, and `fit` moves others to the nearest.

        Raises
        ------
        VocabularyError
            If there is no note at all, or the pieces are on different grids.
        """
        pieces = [piece for piece in pieces if piece.num_notes]
        parts = Parts()
        for piece in pieces:
            parts.add(piece)
        usage = Usage(parts)
        for piece in pieces:
            usage.add(piece)
        return cls.of_usage(usage, transpositions=transpositions, max_values=max_values)

    @classmethod
    def of_usage(cls, usage: Usage, *, transpositions: Sequence[int] = (0,), max_values: int | None = None) -> Vocabulary:
        """Like `build`, of pieces that have been counted already."""
        if not usage.pitches:
            raise VocabularyError("there is not one note to make a vocabulary of; give at least one piece with notes")
        if len(usage.grids) > 1:
            raise VocabularyError(f"pieces on different grids: {sorted(usage.grids)} ticks a quarter; read all on one grid")
        low = max(min(usage.pitches) + min(transpositions), 0)
        high = min(max(usage.pitches) + max(transpositions), 127)
        parts = sorted(usage.parts.names, key=lambda key: (key[1], key[0], key[2]))
        implied = tuple(usage.parts.has_implied_durations(key) for key in parts)
        most = sys.maxsize if max_values is None else max_values
        most_velocities, most_tempi = (most, most) if max_values is None else (MOST_VELOCITIES, MOST_TEMPI)
        used = usage.shifts_with_pedal if usage.has_pedal else usage.shifts
        shifts, durations = _times(used, usage.durations, most, {0, _unit(usage, used)} if any(implied) else {0})
        return cls(
            shifts=shifts,
            parts=tuple(Part(key[0], key[1], usage.parts.names[key]) for key in parts),
            pitches=(min(low, min(usage.pitches)), max(high, max(usage.pitches))),
            durations=durations,
            velocities=standing_for_all(usage.velocities, min(most, most_velocities), 1 / 127, apart=NEAR_VELOCITY),
            time_signatures=_most_frequent(usage.time_signatures, most),
            tempi=standing_for_all(usage.tempi, min(most, most_tempi), NEAR_TEMPO),
            keys=_transposed_keys(usage.keys, transpositions),
            changes=(usage.changes[0], usage.changes[1], usage.changes[2]),
            monophonic=tuple(usage.parts.monophonic[key] for key in parts),
            implied_duration=implied,
            ticks_per_quarter=next(iter(usage.grids)),
            pedal=usage.has_pedal,
        )

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Vocabulary:
        """The vocabulary that `to_dict` wrote.

        Raises
        ------
        VocabularyError
            If a field is missing or makes no sense.
        """
        try:
            vocabulary = cls(**stored.fields_of(data))
            vocabulary.check()
        except ValueError as error:
            raise VocabularyError(f"a vocabulary is damaged ({error}); get the file again") from error
        return vocabulary

    def to_dict(self) -> dict[str, Any]:
        """Plain lists and numbers, ready for JSON."""
        return stored.written(asdict(self))

    # Piece -> events

    def encode(self, piece: Piece) -> Rows:
        """The events of a piece, END included, (events, 5); its pedal is left out where the vocabulary has none.

        Raises
        ------
        VocabularyError
            If the piece holds what the vocabulary has no token for; the message says what. `fit` helps.
        """
        self._check_grid(piece)
        columns = self._control_columns(piece)
        part = self.part_numbers(piece)[piece.part] if piece.num_notes else piece.part
        if np.any(part < 0):
            raise VocabularyError(f"{describe(piece.parts[piece.part[part < 0][0]])} is no part of this vocabulary")
        implied = np.array(self.implied_duration)[part]
        duration = np.zeros_like(piece.duration)
        duration[~implied] = _look_up("duration", self.durations, piece.duration[~implied])
        notes = (
            piece.onset,
            FIRST_PART + part,
            self.first_pitch + self._in_range(piece.pitch),
            duration,
            _look_up("velocity", self.velocities, piece.velocity),
        )
        rests = self._rest_columns(part[implied], piece.onset[implied], piece.end[implied])
        tick, kind, value, duration, velocity = (np.concatenate(c) for c in zip(columns, notes, rests))
        order = np.lexsort((value, kind, tick))
        shift = np.diff(tick[order], prepend=0)
        rows = np.zeros((len(order) + 1, 5), np.int64)
        rows[:-1, TIME] = 1 + _look_up("time between events", self.shifts, shift)
        rows[:-1, 1:] = np.stack([kind, value, duration, velocity], 1)[order]
        return rows

    def _rest_columns(self, part: Ints, onset: Ints, end: Ints) -> tuple[Ints, ...]:
        """Tick, kind, value, 0, 0 of each rest of the parts whose durations are implied, by their notes."""
        order = np.lexsort((onset, part))
        if np.any((np.diff(part[order]) == 0) & (end[order][:-1] > onset[order][1:])):
            raise VocabularyError("two notes sound at once in a part in which this vocabulary knows one at a time")
        after = rests_after(part, onset, end)
        none = np.zeros(len(after), np.int64)
        return end[after], FIRST_PART + part[after], none + self.rest, none, none

    def _check_grid(self, piece: Piece) -> None:
        if piece.ticks_per_quarter != self.ticks_per_quarter:
            raise VocabularyError(
                f"the piece is on a grid of {piece.ticks_per_quarter} ticks a quarter; this vocabulary is on "
                f"{self.ticks_per_quarter}: read it on that grid"
            )

    def _control_columns(self, piece: Piece) -> tuple[Ints, ...]:
        """Tick, kind, value, 0, 0 of each change of metre, tempo and key, and turn of the pedal, that is encoded."""
        rows: list[tuple[int, int, int]] = []
        tables = (self.time_signatures, self.tempi, self.keys)
        names = ("the metre", "the tempo", "the key")
        events: tuple[list[tuple[int, Any]], ...] = (
            [(e.onset, (e.numerator, e.denominator)) for e in piece.time_signatures],
            [(e.onset, e.microseconds) for e in piece.tempi],
            [(e.onset, (e.fifths, e.mode)) for e in piece.keys],
        )
        for kind, (table, name, changes) in enumerate(zip(tables, names, events)):
            number: dict[Any, int] = {value: i for i, value in enumerate(table)}
            for tick, value in changes:
                if value not in number:
                    raise VocabularyError(f"{name} {spell(kind, value)} is not in this vocabulary")
                if tick > 0 and not self.changes[kind]:
                    raise VocabularyError(f"{name} changes within the piece, which this vocabulary does not know")
                if self.is_encoded[kind]:
                    rows.append((tick, kind, self.value_starts[kind] + number[value]))
        if self.pedal:
            turns = np.array(piece.pedals, np.int64).reshape(-1).tolist()
            rows += [(tick, KEY, self.first_turn + (UP if i % 2 else DOWN)) for i, tick in enumerate(turns)]
        tick_, kind_, value_ = np.array(rows, np.int64).reshape(-1, 3).T
        zeros = np.zeros(len(rows), np.int64)
        return tick_, kind_, value_, zeros, zeros

    def _in_range(self, pitch: Ints) -> Ints:
        low, high = self.pitches
        outside = pitch[(pitch < low) | (pitch > high)]
        if len(outside):
            raise VocabularyError(f"pitch {outside[0]} is outside this vocabulary's {low} to {high}")
        return pitch - low

    def part_numbers(self, piece: Piece) -> Ints:
        """For each part of the piece its number here, -1 if there is none: the n-th of an instrument is the n-th here."""
        numbers = {key: i for i, key in enumerate(part_keys(self.parts))}
        return np.array([numbers.get(key, -1) for key in part_keys(piece.parts)], np.int64)

    # Events -> piece

    def decode(self, rows: Rows, *, title: str = "", texts: tuple[str, ...] = ()) -> Piece:
        """The piece of the events up to END (or the last row); parts without notes are kept out.

        If rows break off while a note of implied duration sounds, it lasts a quarter, and to the last event at least.

        Raises
        ------
        VocabularyError, PieceError
            If the rows are not legal music. Rows that follow the grammar always are.
        """
        columns = np.array(np.asarray(rows, np.int64).reshape(-1, 5).T, order="C")
        # Taken as numbers without a sign, negative ones are too large as well.
        if any(map(ge, np.maximum.reduce(columns.view(np.uint64), 1, initial=0).tolist(), self.sizes)):
            raise VocabularyError(f"tokens out of range; the fields have {self.sizes} tokens")
        end = int(columns[TIME].argmin()) if columns.size else 0  # the first, if there is any
        columns = columns[:, :end] if columns.size and columns[TIME, end] == END else columns
        shifts, durations, velocities = self._values
        tick = shifts.take(columns[TIME]).cumsum()
        changes = self._changes(columns, tick)
        duration = self._durations_of(columns, tick, durations)
        note = self.is_note(columns.T).nonzero()[0]
        if len(note) < len(tick):
            columns, tick, duration = columns.take(note, 1), tick.take(note), duration.take(note)
        part = columns[KIND] - FIRST_PART
        used = np.bincount(part).nonzero()[0]
        if len(used) < len(self.parts):
            part = np.searchsorted(used, part)
        metres, tempi, keys, turns = changes
        return Piece(
            onset=tick,
            duration=duration,
            pitch=columns[VALUE] - (self.first_pitch - self.pitches[0]),
            velocity=velocities.take(columns[VELOCITY]),
            part=part,
            parts=tuple(self.parts[i] for i in used.tolist()) or self.parts[:1],
            time_signatures=tuple(TimeSignature(t, *v) for t, v in metres or [(0, self.time_signatures[0])]),
            tempi=tuple(Tempo(t, v) for t, v in tempi or [(0, self.tempi[0])]),
            keys=tuple(Key(t, *v) for t, v in keys),
            title=title,
            texts=texts,
            ticks_per_quarter=self.ticks_per_quarter,
            pedals=_presses(turns, int(tick[-1]) if len(tick) else 0),
        )

    @cached_property
    def _values(self) -> tuple[Ints, Ints, Ints]:
        """What the tokens of time (0 for END), duration and velocity stand for."""
        return np.array((0, *self.shifts)), np.array(self.durations or (0,)), np.array(self.velocities)

    def _durations_of(self, columns: Ints, tick: Ints, durations: Ints) -> Ints:
        """Ticks of each event: as encoded, or until the part's next event if they are implied."""
        ticks: Ints = durations.take(columns[DURATION])
        implied = np.flatnonzero(self.implied_kinds[columns[KIND]]) if any(self.implied_duration) else ()
        if len(implied):
            at = tick[implied]
            ticks[implied] = (
                next_in_voice(columns[KIND, implied], at, np.maximum(at + self.ticks_per_quarter, tick[-1])) - at
            )
        return ticks

    def _changes(self, columns: Ints, tick: Ints) -> tuple[list[tuple[int, Any]], ...]:
        """(tick, value) of each change of metre, of tempo and of key, and of each turn of the pedal."""
        rows = (columns[KIND] < FIRST_PART).nonzero()[0]
        tables: tuple[Sequence[Any], ...] = (self.time_signatures, self.tempi, self.keys, (UP, DOWN) * self.pedal)
        found: tuple[list[tuple[int, Any]], ...] = ([], [], [], [])
        kinds, values = columns[KIND].take(rows), columns[VALUE].take(rows)
        for at, kind, value in zip(tick.take(rows).tolist(), kinds.tolist(), values.tolist()):
            kind += kind == KEY and self.first_turn <= value < self.first_turn + 2 * self.pedal
            place = value - self.value_starts[kind]
            if not 0 <= place < len(tables[kind]):
                raise VocabularyError(f"token {value} is no value of a change of kind {kind}")
            found[kind].append((at, tables[kind][place]))
        return found


def _presses(turns: Sequence[tuple[int, int]], last: int) -> tuple[Pedal, ...]:
    """The presses that turns make; one that rows break off in ends with them, or has not come.

    Raises
    ------
    VocabularyError
        If the pedal goes up, or down, twice.
    """
    if any(turn != (UP if number % 2 else DOWN) for number, (_, turn) in enumerate(turns)):
        raise VocabularyError("the pedal goes up while it is up, or down while it is down; these are no events of music")
    ticks = [tick for tick, _ in turns] + [last] * (len(turns) % 2)
    return tuple([Pedal(*press) for press in zip(ticks[::2], ticks[1::2]) if len(turns) % 2 == 0 or press[0] < last])


def _unit(usage: Usage, shifts: Iterable[int]) -> int:
    """The greatest tick that divides every time between events and every bar."""
    grid = next(iter(usage.grids))
    return gcd(*shifts, *usage.durations, *(TimeSignature(0, *t).bar_ticks(grid) for t in usage.time_signatures))


def _times(
    used: Counter[int], durations: Counter[int], most: int, always: Collection[int]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The times between events and the durations; every duration is such a time, and those of `always` are."""
    shifts = used + Counter(dict.fromkeys([*always, *durations], 1))
    if max(len(shifts), len(durations)) <= most:
        return tuple(sorted(shifts)), tuple(sorted(durations))
    both = standing_for_all(used + durations + Counter(dict.fromkeys(always, 1)), most, NEAR_TIME, always=always)
    steps = np.array([time for time in both if time] or sorted(durations)[:1], np.int64)
    place = np.searchsorted((steps[1:] + steps[:-1]) / 2, sorted(durations))
    return both, tuple(np.unique(steps[place]).tolist())


def _most_frequent(counts: Counter[tuple[int, int]], most: int) -> tuple[tuple[int, int], ...]:
    """The values, ascending; beyond `most` of them the most frequent ones."""
    return tuple(sorted(sorted(counts, key=lambda v: (-counts[v], v))[:most]))


def _transposed_keys(keys: Iterable[tuple[int, str]], transpositions: Sequence[int]) -> tuple[tuple[int, str], ...]:
    moved = {Key(0, f, m).transpose(t)[1:] for f, m in keys for t in transpositions}
    return tuple(sorted(moved | set(keys)))


def _look_up(name: str, table: Sequence[int], values: Ints) -> Ints:
    array = np.array(table, np.int64)
    if not len(values):
        return np.zeros(0, np.int64)
    index = np.minimum(np.searchsorted(array, values), len(array) - 1)
    missing = values[array[index] != values]
    if len(missing):
        raise VocabularyError(f"{name} of {missing[0]} ticks or units is not in this vocabulary")
    return index


def describe(part: Part) -> str:
    """An instrument in words: its General MIDI name and program."""
    return "a drum kit" if part.is_drum else f"{instrument_name(part)} (program {part.program})"


def spell(kind: int, value: Any) -> str:
    """A metre, tempo or key in words."""
    if kind == METRE:
        return f"{value[0]}/{value[1]}"
    return f"{60e6 / value:.1f} quarters a minute" if kind == TEMPO else Key(0, *value).name


def changes_nothing(events: Rows) -> NDArray[np.bool_]:
    """Whether each event is a note, a rest or the end: no metre, tempo or key, (events,)."""
    found: NDArray[np.bool_] = (events[:, KIND] >= FIRST_PART) | (events[:, TIME] == END)
    return found
