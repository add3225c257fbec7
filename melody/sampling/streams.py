"""Tunes sampled side by side.

Each tune has a random stream of its own, made from the seed and its number, so tune 7 of seed 3 is the same whether one tune
is asked for or a hundred.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from melody.engine import Engine, Floats, State
from melody.sampling.choice import SamplingSettings, choose
from melody.tokens.features import Context, condition_sizes, feature_sizes
from melody.tokens.grammar import Grammar, Mask
from melody.tokens.usage import KEY
from melody.tokens.vocabulary import DURATION, END, FIELDS, KIND, TIME, VALUE, VELOCITY, Rows, Vocabulary


@dataclass(frozen=True)
class Start:
    """Where all streams of a batch begin: one stream's context, grammar, state and last event with its features."""

    context: Context
    grammar: Grammar
    state: State
    inputs: NDArray[np.int64]  # (1, fields + features)


class Streams:
    """Tunes sampled side by side; one that has ended leaves the batch."""

    def __init__(
        self,
        vocabulary: Vocabulary,
        engine: Engine,
        start: Start,
        numbers: Sequence[int],
        settings: SamplingSettings,
        first_keys: NDArray[np.float64] | None,
        most: int,
    ) -> None:
        zeros = np.zeros(len(numbers), np.int64)
        self._vocabulary, self._engine, self._settings = vocabulary, engine, settings
        self._first_keys, self._most = first_keys, most
        self._tunes: list[list[list[int]]] = [[] for _ in numbers]
        self._alive = np.arange(len(numbers))
        self._random = [np.random.default_rng([settings.seed, number]) for number in numbers]
        self._contexts = [start.context.copy() for _ in numbers]
        self._grammar = start.grammar.take(zeros)
        self._state = start.state.take(zeros)
        self._inputs = start.inputs[zeros]

    def run(self) -> list[Rows]:
        for _ in range(self._most):
            if not len(self._alive):
                break
            self._step()
        return [np.array(tune, np.int64).reshape(-1, len(FIELDS)) for tune in self._tunes]

    def _step(self) -> None:
        hidden, self._state = self._engine.step(self._inputs, self._state)
        events = self._events(self._engine.trunks(hidden))
        self._grammar.push(events)
        for number, event in zip(self._alive, events.tolist()):
            self._tunes[number].append(event)
        going = np.flatnonzero(events[:, TIME] != END)
        if len(going) < len(events):
            self._keep(going)
            events = events[going]
        self._inputs = np.array([[*e, *c.push(tuple(e))] for e, c in zip(events.tolist(), self._contexts)])

    def _keep(self, going: NDArray[np.int64]) -> None:
        self._alive = self._alive[going]
        self._random = [self._random[i] for i in going]
        self._contexts = [self._contexts[i] for i in going]
        self._grammar, self._state = self._grammar.take(going), self._state.take(going)

    def _events(self, trunks: Floats) -> Rows:
        """The next event of each stream, field by field."""
        chance = np.array([random.random(len(FIELDS)) for random in self._random])  # (streams, fields)
        events = np.zeros((len(trunks), len(FIELDS)), np.int64)
        conditions = np.zeros((len(trunks), len(condition_sizes(self._vocabulary))), np.int64)

        def pick(field: int, mask: Mask | None) -> None:
            if field in self._engine.predicted:
                logits = self._engine.logits(field, trunks, events, conditions)
                if field == VALUE and self._first_keys is not None:
                    self._prefer_usual_keys(logits, events)
                events[:, field] = choose(logits, mask, chance[:, field], self._settings)

        pick(TIME, self._grammar.times())
        conditions[:, :-1] = [c.conditions(max(time, 1)) for c, time in zip(self._contexts, events[:, TIME].tolist())]
        pick(KIND, self._grammar.kinds(events[:, TIME]))
        conditions[:, -1] = [c.own(kind) for c, kind in zip(self._contexts, events[:, KIND].tolist())]
        pick(VALUE, self._grammar.values(events[:, TIME], events[:, KIND]))
        pick(DURATION, self._grammar.durations(events[:, TIME]))
        pick(VELOCITY, None)
        events[~self._vocabulary.said(events)] = 0
        return events

    def _prefer_usual_keys(self, logits: Floats, events: Rows) -> None:
        """A tune begins in the keys of the corpus, as often as its tunes do: the model heard all alike."""
        assert self._first_keys is not None
        beginning = [i for i, c in enumerate(self._contexts) if c.tick == 0 and events[i, KIND] == KEY]
        keys = slice(self._vocabulary.value_starts[KEY], self._vocabulary.value_starts[KEY + 1])
        logits[beginning, keys] = np.log(self._first_keys + 1e-9)


def begin(vocabulary: Vocabulary) -> NDArray[np.int64]:
    """What stands before the first event, (1, fields + features): zeros."""
    return np.zeros((1, len(FIELDS) + len(feature_sizes(vocabulary))), np.int64)
