"""The heads in NumPy: logits of the next event's fields, each given those before it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from melody.engine.state import Floats
from melody.engine.tables import starts, sums
from melody.tokens.features import condition_sizes, parts_told
from melody.tokens.usage import FIRST_PART
from melody.tokens.vocabulary import FIELDS, KIND, VALUE, Vocabulary


class Heads:
    """The weights of all heads.

    Parameters
    ----------
    vocabulary
        Of the events.
    weights
        The parameters of a `MelodyLSTM` under their names there.
    """

    def __init__(self, vocabulary: Vocabulary, weights: Mapping[str, NDArray]) -> None:
        self.predicted = [k for k, size in enumerate(vocabulary.sizes) if size > 1]
        self._heads: dict[int, _Head] = {}
        first = 0
        for k in self.predicted:
            self._heads[k] = _Head(k, vocabulary, weights, first)
            first = self._heads[k].last
        trunks = [weights[f"heads.{FIELDS[k]}.trunk"] for k in self.predicted]  # (voices, seen, head size)
        self._trunk = np.concatenate([voice for trunk in trunks for voice in trunk], axis=1)
        self._trunk_bias = np.concatenate([weights[f"heads.{FIELDS[k]}.trunk_bias"].ravel() for k in self.predicted])

    def trunks(self, hidden: Floats) -> Floats:
        """What all heads make of what they see, (streams, heads x head size); computed once a step."""
        return (self._trunk.T @ hidden.T).T + self._trunk_bias

    def logits(self, field: int, trunks: Floats, event: NDArray[np.int64], conditions: NDArray[np.int64]) -> Floats:
        """Logits of one field of the next event, (streams, field size), given its fields before and its conditions.

        `event` is (streams, fields), of which only the fields before `field` are looked at; `conditions` (streams,
        conditions), of which the kind does not see the last, `own`, and the time sees none.
        """
        head = self._heads[field]
        if head.voices == 1:
            return head.logits(0, trunks, event, conditions)
        voice = np.clip(event[:, KIND] - FIRST_PART + 1, 0, head.voices - 1)
        logits = np.empty((len(trunks), head.size), np.float32)
        for number in set(voice.tolist()):
            own = np.flatnonzero(voice == number)
            logits[own] = head.logits(number, trunks[own], event[own], conditions[own])
        return logits


class _Head:
    """One field: one voice or several."""

    def __init__(self, field: int, vocabulary: Vocabulary, weights: Mapping[str, NDArray], first: int) -> None:
        name = f"heads.{FIELDS[field]}"
        self._output, self._output_bias = weights[f"{name}.output"], weights[f"{name}.output_bias"]
        self.voices, self._width, self.size = self._output.shape
        self._field, self._first, self.last = field, first, first + self.voices * self._width  # columns of the trunks
        sizes = known_sizes(vocabulary, field)
        self._offsets, self._num_known = starts(sizes), sum(sizes)
        self._known = weights[f"{name}.known.weight"]
        self._inner = np.ascontiguousarray(weights[f"{name}.inner.weight"].T)
        self._inner_bias = weights[f"{name}.inner.bias"]

    def logits(self, voice: int, trunks: Floats, event: NDArray[np.int64], conditions: NDArray[np.int64]) -> Floats:
        """The logits of one voice, (streams, field size)."""
        start = self._first + voice * self._width
        inner = trunks[:, start : start + self._width]
        if self._num_known:
            told = conditions[:, : len(self._offsets) - self._field]
            known = np.concatenate([event[:, : self._field], told], axis=1) + (self._offsets + voice * self._num_known)
            inner = inner + sums(self._known, known)
        inner = np.tanh(inner)
        inner += np.tanh(inner @ self._inner + self._inner_bias)
        return inner @ self._output[voice] + self._output_bias[voice]


def known_sizes(vocabulary: Vocabulary, field: int) -> tuple[int, ...]:
    """Number of values of each thing that the head of a field is told: the fields before it, then conditions."""
    if not field:
        return ()
    told = condition_sizes(vocabulary)
    return (*vocabulary.sizes[:field], *(told[:-1] if field == KIND else told))


def num_voices(vocabulary: Vocabulary, field: int) -> int:
    """How many heads a field has: the value one for each part, if there are few, and one for changes; others one."""
    return 1 + parts_told(vocabulary) if field == VALUE else 1
