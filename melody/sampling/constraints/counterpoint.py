"""The rule of strict part-writing: no two voices move from one perfect fifth, or octave, to another.

It is kept by masks: a pitch is not to be chosen if a voice that has moved at the same tick would go in parallel with it. The
weights of `melody.sampling.strategies.smc` count what masks take away, so this is what the model would write under the rule.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from melody.sampling.constraints.observations import Given
from melody.sampling.constraints.observed import Filling
from melody.tokens.grammar import Grammar, Mask
from melody.tokens.usage import FIRST_PART
from melody.tokens.vocabulary import KIND, VALUE, Rows, Vocabulary

PERFECT = (0, 7)  # semitones between two voices, octaves aside
_SILENT = -1


class StrictVoices(Filling):
    """The masks of a `Filling`, without parallel fifths and octaves between parts with one pitched note at a time."""

    per_stream: ClassVar[tuple[str, ...]] = (*Filling.per_stream, "sounding", "before")

    def __init__(self, vocabulary: Vocabulary, streams: int, frame: Given) -> None:
        super().__init__(vocabulary, streams, frame)
        shape = (streams, len(vocabulary.parts))
        self.sounding = np.full(shape, _SILENT)  # the pitch token of each part
        self.before = np.full(shape, _SILENT)  # what it sounded until then, if it has moved at this tick without a rest
        self._strict = np.array([one and not part.is_drum for one, part in zip(vocabulary.legato, vocabulary.parts)])

    def values(self, time: NDArray[np.int64], kind: NDArray[np.int64]) -> Mask:
        """As `Filling.values`."""
        legal = super().values(time, kind)
        now = self._ticks_of(time) == self._tick
        for stream in np.flatnonzero((kind >= FIRST_PART) & now).tolist():
            part = int(kind[stream]) - FIRST_PART
            if self._strict[part] and self.sounding[stream, part] != _SILENT:
                legal[stream] &= ~self._parallel(stream, part, np.arange(legal.shape[1]))
        return legal

    def _parallel(self, stream: int, part: int, values: NDArray[np.int64]) -> Mask:
        """Which of these pitch tokens would go in parallel with a voice that has moved, (values,)."""
        own, others = self.sounding[stream, part], np.flatnonzero(self.before[stream] != _SILENT)
        up = np.where(others < part, -1, 1)  # intervals are counted from the lower part up, or a fourth would be a fifth
        was = up * (own - self.before[stream, others]) % 12
        found = up * (values[:, None] - self.sounding[stream, others]) % 12 == was  # (values, voices)
        moves = (values != own) & (values >= self._vocabulary.first_pitch)
        return np.asarray((found & np.isin(was, PERFECT)).any(axis=1) & moves)

    def push(self, rows: Rows, active: Mask | None = None) -> None:
        """As `Filling.push`."""
        self.before[self._ticks_of(rows[:, 0]) > self._tick] = _SILENT
        speaks = np.flatnonzero(rows[:, KIND] >= FIRST_PART)
        part, value = rows[speaks, KIND] - FIRST_PART, rows[speaks, VALUE]
        last = self.sounding[speaks, part]
        moved = (value != last) & (value >= self._vocabulary.first_pitch) & self._strict[part]
        self.before[speaks, part] = np.where(moved, last, _SILENT)
        self.sounding[speaks, part] = np.where(value >= self._vocabulary.first_pitch, value, _SILENT)
        super().push(rows, active)


class Counterpoint:
    """No parallel fifths and octaves between parts with one pitched note at a time."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary

    def over(self, grammar: Grammar) -> Grammar:
        assert isinstance(grammar, Filling)
        return StrictVoices(self._vocabulary, len(grammar._tick), grammar._frame)
