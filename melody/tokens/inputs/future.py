"""What a bidirectional model reads of the music behind a gap: the events there, backwards, and where the gap stands to them.

Nothing of it depends on what is in the gap, but for the place of the last event before the one that is to come: of an event
behind the gap no time, interval or match is read that would say what came before it. A rest that only ends what sounded in
the gap is left out for the same reason. A gap begins and ends at a bar line, and the metre does not change within it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from melody.piece import Ints
from melody.signatures import TimeSignature
from melody.tokens.inputs.meanings import SHIFT_VALUES, TOKENS, Meaning, Values, numbered, ticks
from melody.tokens.inputs.schema import INTERVAL, LOOKBACKS, LOOKED_AT, MAX_INTERVAL
from melody.tokens.inputs.whole_piece import as_time, sort_key, stride
from melody.tokens.usage import FIRST_PART, METRE
from melody.tokens.vocabulary import DURATION, END, FIELDS, KIND, TIME, VALUE, VELOCITY, Rows, Vocabulary

MOST_KNOWN, MOST_READ = 256, 64  # events behind a gap, and of them those that are read backwards
BARS_LEFT = 16  # bars to the end of the gap that are kept apart


_TIME, _TICK, _BEAT = SHIFT_VALUES.or_none(), ticks(lambda v: v.longest_bar), ticks(lambda v: v.ticks_per_quarter)
_FIELDS = {field: TOKENS[field].or_none() for field in (KIND, VALUE, DURATION, VELOCITY)}
READ: dict[Meaning, Values] = {  # the columns of `Future.read`
    ("behind", "time"): _TIME,
    **{("behind", FIELDS[field]): values for field, values in _FIELDS.items()},
    ("behind", "position"): _TICK,
    ("behind", "beat"): _BEAT,
    ("behind", "interval"): INTERVAL.or_none(),
}
PLACE: dict[Meaning, Values] = {  # the columns of `Future.places`
    ("bars to go",): numbered("bars to go", BARS_LEFT + 1),
    ("ticks to go",): _TICK,
    ("until it begins",): _TIME,
    ("first behind",): _TIME,
    ("goal",): INTERVAL.or_none(),
    **{
        ("look-ahead", FIELDS[field], bars): _TIME if field == TIME else _FIELDS[field]
        for bars in LOOKBACKS
        for field in LOOKED_AT
    },
}
_FIRST_LATER = len(PLACE) - len(LOOKBACKS) * len(LOOKED_AT)


def later(places: Any) -> Any:
    """The tokens of the events so many bars later in columns of `PLACE`, arrays or tensors, (places, distances, fields).

    -1 where none is known. A time is the shortest token that is not shorter.
    """
    found = places[:, _FIRST_LATER:].reshape(len(places), len(LOOKBACKS), len(LOOKED_AT))
    tokens = found - 1
    tokens[..., TIME] += found[..., TIME] > 0
    return tokens


def sizes(table: Mapping[Meaning, Values], vocabulary: Vocabulary) -> tuple[int, ...]:
    """Number of values of each column of `READ` or `PLACE`."""
    return tuple(values.size(vocabulary) for values in table.values())


@dataclass(frozen=True)
class Future:
    """What is known behind a gap.

    Parameters
    ----------
    vocabulary
        Of the events.
    rows, tick
        The events behind the gap, END last if the music is known to its end, at most `MOST_KNOWN`: (events, 5), and where
        they stand, (events,); times are not looked at, but for END.
    first, last
        The ticks of the bar lines at which the gap begins and ends.
    metre
        Number of the time signature in force there.
    """

    vocabulary: Vocabulary
    rows: Rows
    tick: Ints
    first: int
    last: int
    metre: int

    @classmethod
    def of(cls, vocabulary: Vocabulary, rows: Rows, tick: Ints, first: int, last: int, metre: int) -> Future:
        """Of the events of a piece in order, those from the gap's end on are taken; END stands where the last note does."""
        behind = (tick >= last) | (rows[:, TIME] == END)
        behind &= ~_ending_rests(vocabulary, rows, behind)
        return cls(vocabulary, rows[behind][:MOST_KNOWN], tick[behind][:MOST_KNOWN], first, last, metre)

    @cached_property
    def bar_ticks(self) -> int:
        """Length of the gap's bars."""
        return _bar_ticks(self.vocabulary, self.metre)

    @cached_property
    def read(self) -> Ints:
        """What is read of each of the first `MOST_READ` events, the last one first, (events, columns); see `READ`.

        Time to the event behind it, kind, value, duration, velocity, each + 1, 0 for none; place in the bar and the beat;
        interval to the next note of its part.
        """
        vocabulary, rows, tick = self.vocabulary, self.rows[:MOST_READ], self.tick[:MOST_READ]
        is_end = rows[:, TIME] == END
        time = np.append(as_time(vocabulary, np.diff(tick)), 0)[: len(rows)]
        time[:-1][is_end[1:]] = 0
        fields = np.where(is_end[:, None], 0, 1 + rows[:, [KIND, VALUE, DURATION, VELOCITY]])
        position = np.where(is_end, 0, self._positions(rows, tick))
        beat = position % vocabulary.ticks_per_quarter
        position = np.minimum(position, vocabulary.longest_bar - 1)
        return np.column_stack([time, fields, position, beat, self._intervals(rows)])[::-1]

    def places(self, tick: Ints, kind: Ints, value: Ints) -> Ints:
        """How places in the gap stand to its end, (places, columns); see `PLACE`.

        Bars to its end, and the ticks that are no whole bars; time until it begins; time from its end to the first event;
        interval from the last note to the next one of its part behind the gap; the events that come next 1, 2, 4 and 8 bars
        later, if they are known.

        Parameters
        ----------
        tick, kind, value
            Of the last event before each place, (places,); a tick before the gap for the first event in it.
        """
        found = np.zeros((len(tick), len(PLACE)), np.int64)
        left = np.maximum(self.last - tick, 0)
        found[:, 0] = np.minimum(-(-left // self.bar_ticks), BARS_LEFT)
        found[:, 1] = np.minimum(left % self.bar_ticks, self.vocabulary.longest_bar - 1)
        found[:, 2] = np.where(tick < self.first, as_time(self.vocabulary, self.first - tick), 0)
        going = self.rows[:, TIME] != END
        if not going.any():
            return found
        found[:, 3] = as_time(self.vocabulary, self.tick[:1] - self.last)[0]
        goal = self._goals[np.maximum(kind, 0)]
        known = (kind >= FIRST_PART) & (goal > 0) & (value >= self.vocabulary.first_pitch)
        interval = np.clip(goal - 1 - value, -MAX_INTERVAL, MAX_INTERVAL) + MAX_INTERVAL + 1
        found[:, 4] = np.where(known, interval, 0)
        key = sort_key(self.vocabulary, tick, np.maximum(kind, 0), value)
        for number, bars in enumerate(LOOKBACKS):
            start = _FIRST_LATER + number * len(LOOKED_AT)
            found[:, start : start + len(LOOKED_AT)] = self._later(tick, key, bars * self.bar_ticks)
        return found

    @cached_property
    def _in_order(self) -> tuple[Rows, Ints, Ints]:
        """The events without END, where they stand, and their sort keys."""
        going = self.rows[:, TIME] != END
        rows, tick = self.rows[going], self.tick[going]
        return rows, tick, sort_key(self.vocabulary, tick, rows[:, KIND], rows[:, VALUE])

    def _later(self, tick: Ints, key: Ints, ahead: int) -> Ints:
        """The event that comes next so many ticks later: time, kind, value and duration, each + 1, 0 if it is not known."""
        rows, at, order = self._in_order
        number = np.searchsorted(order, key + ahead * stride(self.vocabulary), side="right")
        known = (number < len(rows)) & (tick + ahead >= self.last - self.bar_ticks)
        number = np.minimum(number, len(rows) - 1)
        tokens = 1 + rows[number][:, LOOKED_AT]
        tokens[:, TIME] = as_time(self.vocabulary, np.maximum(at[number] - tick - ahead, 0))
        return np.where(known[:, None], tokens, 0)

    @cached_property
    def _goals(self) -> Ints:
        """Value token + 1 of the first note of each kind, 0 for none, (kinds,)."""
        goals = np.zeros(self.vocabulary.sizes[KIND], np.int64)
        drums = np.append(np.zeros(FIRST_PART, bool), self.vocabulary.drums)
        notes = self.vocabulary.is_note(self.rows)
        for kind, value in self.rows[notes][::-1, [KIND, VALUE]].tolist():
            goals[kind] = 0 if drums[kind] else value + 1
        return goals

    def _positions(self, rows: Rows, tick: Ints) -> Ints:
        """Ticks since the bar line of each of the first events."""
        found = (tick - self.last) % self.bar_ticks
        for number in np.flatnonzero((rows[:, KIND] == METRE) & (rows[:, TIME] != END)).tolist():
            found[number:] = (tick[number:] - tick[number]) % _bar_ticks(self.vocabulary, int(rows[number, VALUE]))
        return found

    def _intervals(self, rows: Rows) -> Ints:
        """From each note to the next one of its part, -24 to 24 semitones as 1 to 49, 0 for none; never of drums."""
        found = np.zeros(len(rows), np.int64)
        is_note = self.vocabulary.is_note(rows)
        for part in np.flatnonzero(~self.vocabulary.drums).tolist():
            notes = np.flatnonzero(is_note & (rows[:, KIND] == FIRST_PART + part))
            steps = np.diff(rows[notes, VALUE])
            found[notes[:-1]] = np.clip(steps, -MAX_INTERVAL, MAX_INTERVAL) + MAX_INTERVAL + 1
        return found


def _ending_rests(vocabulary: Vocabulary, rows: Rows, behind: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which events behind a gap are rests of a part that has not played there yet, (events,)."""
    rests: NDArray[np.bool_] = vocabulary.is_rest(rows) & behind
    for kind in np.unique(rows[rests, KIND]).tolist():
        own = (rows[:, KIND] == kind) & behind
        played = np.maximum.accumulate(own & ~rests)
        rests &= ~(own & played)
    return rests


def _bar_ticks(vocabulary: Vocabulary, metre: int) -> int:
    return TimeSignature(0, *vocabulary.time_signatures[metre]).bar_ticks(vocabulary.ticks_per_quarter)
