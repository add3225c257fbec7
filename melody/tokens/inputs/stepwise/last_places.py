"""Where each part began notes last, and before that: who plays one line with whom (`melody.tokens.inputs.together`)."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy

import numpy as np
from numpy.typing import NDArray

from melody.piece import Ints
from melody.tokens.inputs.chordal import in_groups
from melody.tokens.inputs.schema import BEGUN, ENDING, GROUP, SILENT, SOUNDING, STATE_BITS
from melody.tokens.inputs.together import followed, stands
from melody.tokens.usage import FIRST_PART
from melody.tokens.vocabulary import Vocabulary

NOWHERE = (-1, 0, -1, 0)


class OneLastPlaces:
    """Those of one piece, as plain numbers.

    Parameters
    ----------
    vocabulary
        Of the events.

    Attributes
    ----------
    of_parts
        Of each part where it began notes last, the lowest of them, + 1, and the same of the place before; `NOWHERE` before
        the first.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._pitches, self._is_drum = vocabulary.num_pitches, vocabulary.drums.tolist()
        self.of_parts = [NOWHERE] * len(vocabulary.parts)

    def copy(self) -> OneLastPlaces:
        """An independent one."""
        twin = copy(self)
        twin.of_parts = self.of_parts[:]
        return twin

    def push(self, part: int, tick: int, pitch: int) -> None:
        """A note of a part, its pitch + 1."""
        at, low, _, _ = self.of_parts[part]
        if at != tick and not self._is_drum[part]:
            self.of_parts[part] = (tick, pitch, at, low)

    def twin(self, part: int, tick: int) -> int:
        """With which note, + 1, a part would follow its twin at a tick; 0 for none, -1 if it leaves the range."""
        at, low, _, _ = self.of_parts[part]
        if not 0 <= at < tick:
            return 0
        for its_at, there, before_at, before in reversed(self.of_parts[:part]):
            if its_at == tick and before_at == at and (before - low) % 12 == 0:
                return int(followed(low, there, before, self._pitches)) or -1
        return 0

    def stand(self, tick: int, last: Sequence[tuple[int, int, int]]) -> list[int]:
        """How each part stands to a tick, in groups; `last` are their last notes, onset and end first."""
        found = []
        for part, (onset, end, _) in enumerate(last):
            sounds = SOUNDING if onset < tick else BEGUN
            status = sounds if end > tick else ENDING if end == tick else SILENT
            found.append(stands(status, self.twin(part, tick) != 0))
        numbers = range(0, len(found), GROUP)
        return [sum(state << STATE_BITS * k for k, state in enumerate(found[first : first + GROUP])) for first in numbers]


class LastPlaces:
    """Those of several pieces side by side.

    Parameters
    ----------
    table
        (streams, kinds, 4), in the order of `OneLastPlaces.of_parts`.
    """

    def __init__(self, table: Ints) -> None:
        self._table = table
        self._found: tuple[Ints, int, tuple[Ints, NDArray[np.bool_]]] | None = (
            None  # what was asked last, until a note comes
        )

    @classmethod
    def none(cls, streams: int, kinds: int) -> LastPlaces:
        """Before the first event."""
        return cls(np.tile(np.array(NOWHERE), (streams, kinds, 1)))

    @classmethod
    def of(cls, one: OneLastPlaces, kinds: int) -> LastPlaces:
        """Those of one piece."""
        found = cls.none(1, kinds)
        found._table[0, FIRST_PART:] = one.of_parts
        return found

    def push(self, kind: Ints, pitch: Ints, tick: Ints, is_pitched: NDArray[np.bool_]) -> None:
        """A note of each stream, its pitch + 1, if it is one of a part with pitches."""
        self._found = None
        streams = np.flatnonzero(is_pitched & (pitch > 0))
        streams = streams[self._table[streams, kind[streams], 0] != tick[streams]]
        at = streams, kind[streams]
        self._table[(*at, slice(2, 4))] = self._table[(*at, slice(2))]
        self._table[(*at, 0)], self._table[(*at, 1)] = tick[streams], pitch[streams]

    def twins(self, tick: Ints, pitches: int) -> tuple[Ints, NDArray[np.bool_]]:
        """With which note, + 1, each kind would follow its twin at a tick, 0 for none, and who has one, (streams, kinds)."""
        if self._found and self._found[1] == pitches and np.array_equal(self._found[0], tick):
            return self._found[2]
        at, low = self._table[..., 0], self._table[..., 1]
        notes, has_twin = np.zeros(at.shape, np.int64), np.zeros(at.shape, bool)
        may_follow = (at >= 0) & (at < tick[:, None])
        for other in np.flatnonzero((at == tick[:, None]).any(axis=0)).tolist():
            its_at, there, before_at, before = (each[:, None] for each in self._table[:, other].T)
            is_twin = may_follow & (its_at == tick[:, None]) & (before_at == at) & ((before - low) % 12 == 0)
            is_twin[:, : other + 1] = False
            notes, has_twin = np.where(is_twin, followed(low, there, before, pitches), notes), has_twin | is_twin
        self._found = tick, pitches, (notes, has_twin)
        return notes, has_twin

    def stand(self, tick: Ints, onset: Ints, end: Ints, pitches: int) -> Ints:
        """As `OneLastPlaces` has it, by onset and end of each kind's last note, (streams, groups)."""
        at = tick[:, None]
        status = np.where(end > at, np.where(onset < at, SOUNDING, BEGUN), np.where(end == at, ENDING, SILENT))
        _, has_twin = self.twins(tick, pitches)
        return in_groups(stands(status, has_twin)[:, FIRST_PART:])

    def take(self, streams: Ints) -> LastPlaces:
        """Those of these streams alone, in that order, independent of these."""
        return LastPlaces(self._table[streams])

    def put(self, streams: Ints, other: LastPlaces) -> None:
        """Let those of streams be others."""
        self._found = None
        self._table[streams] = other._table

    def join(self, other: LastPlaces) -> LastPlaces:
        """These, and behind them others."""
        return LastPlaces(np.concatenate([self._table, other._table]))
