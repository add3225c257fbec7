"""Repetition: a penalty that leaves musical repetition alone, and how often a part plays one pitch in a row.

Penalties made for words divide the odds of every token that has come lately; a tune would lose its scale and its motifs.
Here only a loop is penalised, which is what a model falls into at low temperature: a passage of at most 64 events, the
same in time, part, pitch and duration, that has just been played four times in a row without a break. From then on the odds
of the note that would carry it on are divided by the penalty, once more with each further time round. A bar played again, a
phrase played twice, a tune as AABB are no loops; nor are rhythms, since only the pitch is penalised, never rests or changes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from melody.network import Floats
from melody.tokens.usage import FIRST_PART
from melody.tokens.vocabulary import DURATION, KIND, TIME, VALUE, Rows, Vocabulary

ROUNDS = 4
LONGEST = 64


class Loops:
    """What streams repeat, event by event.

    Parameters
    ----------
    vocabulary
        Of the events.
    streams
        How many.
    penalty
        What the odds are divided by, from 1.
    """

    def __init__(self, vocabulary: Vocabulary, streams: int, penalty: float) -> None:
        self._vocabulary, self._nats = vocabulary, np.log(penalty)
        self._recent = np.full((streams, LONGEST, 4), -1)  # time, kind, value, duration; the last event first
        self._same = np.zeros((streams, LONGEST), np.int64)  # so many events are those of 1, 2, ... events before

    def begin(self, before: Sequence[Rows]) -> None:
        """More streams begin behind the others, each after those events, (events, 5)."""
        for rows in before:
            more = Loops(self._vocabulary, 1, 1)
            for row in rows[:, None]:
                more.push(row)
            self._recent, self._same = np.concatenate([self._recent, more._recent]), np.concatenate([self._same, more._same])

    def take(self, streams: NDArray[np.int64]) -> None:
        """Go on with those streams alone."""
        self._recent, self._same = self._recent[streams], self._same[streams]

    def push(self, rows: Rows) -> None:
        """Take in one event a stream, (streams, 5)."""
        event = rows[:, None, : DURATION + 1]
        self._same = np.where((self._recent == event).all(axis=2), self._same + 1, 0)
        self._recent = np.concatenate([event, self._recent[:, :-1]], axis=1)

    def penalise(self, logits: Floats, events: Rows, streams: NDArray[np.int64]) -> Floats:
        """The logits of the value of events of these streams whose time and kind are chosen, less the penalty."""
        length = np.arange(1, LONGEST + 1)
        rounds = 1 + self._same[streams] // length  # times, each length of passage
        time, kind, value = (self._recent[streams, :, field] for field in (TIME, KIND, VALUE))
        loops = (rounds >= ROUNDS) & (time == events[:, None, TIME]) & (kind == events[:, None, KIND])
        loops &= (value >= self._vocabulary.first_pitch) & (kind >= FIRST_PART)
        logits = logits.copy()
        for row in np.flatnonzero(loops.any(axis=1)).tolist():
            for number in np.unique(value[row, loops[row]]).tolist():
                times = rounds[row, loops[row] & (value[row] == number)].max() - ROUNDS + 1
                logits[row, number] -= times * self._nats
        return logits


class InARow:
    """How often the last pitch of each part has come in a row, event by event.

    Parameters
    ----------
    vocabulary
        Of the events.
    streams
        How many.
    most
        How often each part may, (parts,).
    """

    def __init__(self, vocabulary: Vocabulary, streams: int, most: NDArray[np.float64]) -> None:
        self._vocabulary, self._most = vocabulary, most
        self._last, self._times = (
            np.full((streams, len(vocabulary.parts)), -1),
            np.zeros((streams, len(vocabulary.parts)), int),
        )

    def begin(self, before: Sequence[Rows]) -> None:
        """More streams begin behind the others, each after those events, (events, 5)."""
        more = InARow(self._vocabulary, len(before), self._most)
        for stream, rows in enumerate(before):
            notes = rows[self._vocabulary.is_note(rows)]
            for kind in np.unique(notes[:, KIND]).tolist():
                same = np.equal(own := notes[notes[:, KIND] == kind, VALUE], own[-1])[::-1]
                at = stream, kind - FIRST_PART
                more._last[at], more._times[at] = own[-1], len(same) if same.all() else same.argmin()
        self._last, self._times = np.concatenate([self._last, more._last]), np.concatenate([self._times, more._times])

    def take(self, streams: NDArray[np.int64]) -> None:
        """Go on with those streams alone."""
        self._last, self._times = self._last[streams], self._times[streams]

    def push(self, rows: Rows) -> NDArray[np.bool_]:
        """Take in one event a stream, (streams, 5); gives whether its pitch has come too often in a row, (streams,)."""
        found = np.zeros(len(rows), bool)
        streams = np.flatnonzero(self._vocabulary.is_note(rows))
        part, pitch = rows[streams, KIND] - FIRST_PART, rows[streams, VALUE]
        times = np.where(self._last[streams, part] == pitch, self._times[streams, part], 0) + 1
        self._last[streams, part], self._times[streams, part] = pitch, times
        found[streams] = times > self._most[part]
        return found
