"""Tunes sampled side by side.

Each tune has a random stream of its own, made from the seed and its number, so tune 7 of seed 3 is the same whether one tune
is asked for or a hundred. A product of matrices is summed in another order for another number of columns, though, so the
last bits of a tune's logits depend on how many are computed together. Where a choice hangs on them, the tune is heard once
more from its beginning, alone, and what is heard then decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from melody.engine import AnyEngine, Floats, State
from melody.sampling.choice import SamplingSettings, choose, choose_surely
from melody.sampling.limiter import Limiter
from melody.sampling.loops import Loops
from melody.tokens.context import Conditions, Context
from melody.tokens.features import feature_sizes
from melody.tokens.grammar import Grammar, Mask
from melody.tokens.usage import FIRST_PART, KEY
from melody.tokens.vocabulary import DURATION, END, FIELDS, KIND, TIME, VALUE, VELOCITY, Rows, Vocabulary

_TO_CLOSE = 200  # events in which a tune under limits has to come to its end


@dataclass(frozen=True)
class Start:
    """Where all streams of a batch begin: one stream's context, grammar, state and last event with its features."""

    context: Context
    grammar: Grammar
    state: State
    inputs: NDArray[np.int64]  # (1, fields + features)


@dataclass(frozen=True)
class Drawn:
    """The events of a tune.

    Parameters
    ----------
    rows
        The new ones, END included where the model ended by itself, (events, 5).
    nats
        Negative log likelihood of their notes, rests and end under the model among what the grammar allows, whatever the
        temperature: what metre, tempo and keys say is not counted, which limits may force upon a model that finds them
        most unlikely. NaN if it was not asked for.
    removed
        The share of probability that limits took away, the mean over all tokens; 0 without limits.
    """

    rows: Rows
    nats: float
    removed: float


class Streams:
    """Tunes sampled side by side; one that has ended leaves the batch.

    Parameters
    ----------
    vocabulary, engine
        Of the model.
    start
        Where all of them begin; a `Limiter` as its grammar keeps them to limits.
    numbers
        Of the tunes.
    settings
        How tokens are chosen.
    first_keys
        How often the corpus begins in each key, (keys,); None if it says nothing of keys.
    most
        Events, after which a tune is ended.
    attempt
        Counts how often these tunes have come to a dead end before.
    weigh
        Whether the likelihood is wanted.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        engine: AnyEngine,
        start: Start,
        numbers: Sequence[int],
        settings: SamplingSettings,
        first_keys: NDArray[np.float64] | None,
        most: int,
        *,
        attempt: int = 0,
        weigh: bool = False,
    ) -> None:
        zeros = np.zeros(len(numbers), np.int64)
        self._vocabulary, self._engine, self._settings = vocabulary, engine, settings
        self._first_keys, self._most = first_keys, most
        self._tunes: list[list[list[int]]] = [[] for _ in numbers]
        self._alive = np.arange(len(numbers))
        self._random = [
            np.random.default_rng([settings.seed, number, *([attempt] if attempt else [])]) for number in numbers
        ]
        self._contexts = [start.context.copy() for _ in numbers]
        self._grammar = start.grammar.take(zeros)
        self._state = start.state.take(zeros)
        self._inputs = start.inputs[zeros]
        self._start, self._is_alone = start, len(numbers) == 1
        self._heard: list[list[list[int]]] = [start.inputs.tolist() for _ in numbers]
        self._weigh = weigh or isinstance(start.grammar, Limiter)
        self._nats, self._removed, self._tokens = np.zeros(len(numbers)), np.zeros(len(numbers)), np.zeros(len(numbers))
        self._stuck = np.zeros(len(numbers), bool)
        penalty = settings.repetition_penalty
        self._loops = Loops(vocabulary, len(numbers), penalty) if penalty > 1 else None

    def run(self) -> list[Drawn | None]:
        """The tunes; None for one that came to a dead end under limits."""
        step, limited = 0, isinstance(self._grammar, Limiter)
        while len(self._alive) and step < self._most + (_TO_CLOSE if limited else 0):
            if isinstance(self._grammar, Limiter):
                self._grammar.closing = step >= self._most
            self._step()
            step += 1
        if limited:
            self._stuck[self._alive] = True
        return [None if self._stuck[i] else self._drawn(i) for i in range(len(self._tunes))]

    def _drawn(self, number: int) -> Drawn:
        rows = np.array(self._tunes[number], np.int64).reshape(-1, len(FIELDS))
        nats = float(self._nats[number]) if self._weigh else float("nan")
        return Drawn(rows, nats, float(self._removed[number] / max(self._tokens[number], 1)))

    def _step(self) -> None:
        hidden, self._state = self._engine.step(self._inputs, self._state)
        events = self._events(self._engine.trunks(hidden))
        going = np.flatnonzero((events[:, TIME] != END) & ~self._stuck[self._alive])
        for number, event in zip(self._alive, events.tolist()):
            self._tunes[number].append(event)
        if len(going) < len(events):
            self._keep(going)
            events = events[going]
        self._grammar.push(events)
        if self._loops:
            self._loops.push(events)
        inputs = [[*e, *c.push(tuple(e))] for e, c in zip(events.tolist(), self._contexts)]
        self._inputs = np.array(inputs)
        for number, heard in zip(self._alive, inputs):
            self._heard[number].append(heard)

    def _keep(self, going: NDArray[np.int64]) -> None:
        self._alive = self._alive[going]
        self._random = [self._random[i] for i in going]
        self._contexts = [self._contexts[i] for i in going]
        self._grammar, self._state = self._grammar.take(going), self._state.take(going)
        if self._loops:
            self._loops.take(going)

    def _events(self, trunks: Floats) -> Rows:
        """The next event of each stream, field by field."""
        grammar = self._grammar
        chance = np.array([random.random(len(FIELDS)) for random in self._random])  # (streams, fields)
        events = np.zeros((len(trunks), len(FIELDS)), np.int64)
        conditions = Conditions(self._vocabulary, self._contexts)
        weighed: list[tuple[int, Floats, Mask, Mask]] = []  # field, logits, masks without and with limits
        all_, alone = np.arange(len(trunks)), _Alone(self)

        def pick(field: int, mask: Mask) -> None:
            if field not in self._engine.predicted:
                return
            logits = self._logits(field, trunks, events, conditions.array, all_)
            if self._weigh:
                weighed.append((field, logits, grammar.wide if isinstance(grammar, Limiter) else mask, mask))
            logits = self._without_loops(field, logits, events, all_)
            events[:, field], sure = choose_surely(logits, mask, chance[:, field], self._settings, field)
            if not self._is_alone and not sure.all():
                matters = ~sure & (self._vocabulary.said(events)[:, field] if field > TIME else mask.any(axis=1))
                for i in np.split(all_[matters], matters.sum()) if matters.any() else ():
                    heard = self._logits(field, alone.trunks(int(i[0])), events[i], conditions.array[i], i)
                    heard = self._without_loops(field, heard, events[i], i)
                    events[i, field] = choose(heard, mask[i], chance[i, field], self._settings, field)

        times = grammar.times()
        self._stuck[self._alive[~times.any(axis=1)]] = True
        pick(TIME, times)
        conditions.place(events)
        pick(KIND, grammar.kinds(events[:, TIME]))
        conditions.part(events)
        pick(VALUE, grammar.values(events[:, TIME], events[:, KIND]))
        pick(DURATION, grammar.lengths(events))
        pick(VELOCITY, grammar.velocities(events))
        said = self._vocabulary.said(events)
        events[~said] = 0
        counted = says_no_change(events)
        for field, logits, wide, narrow in weighed:
            self._take_in(logits, wide | narrow, narrow, events[:, field], said[:, field], counted)
        return events

    def _logits(
        self, field: int, trunks: Floats, events: Rows, conditions: NDArray[np.int64], streams: NDArray[np.int64]
    ) -> Floats:
        """The logits of a field for some of the streams that are alive."""
        logits = self._engine.logits(field, trunks, events, conditions)
        if field == VALUE and self._first_keys is not None:
            beginning = np.array([self._contexts[i].tick == 0 for i in streams.tolist()]) & (events[:, KIND] == KEY)
            usual_keys(logits, self._vocabulary, self._first_keys, beginning)
        return logits

    def _without_loops(self, field: int, logits: Floats, events: Rows, streams: NDArray[np.int64]) -> Floats:
        return self._loops.penalise(logits, events, streams) if field == VALUE and self._loops else logits

    def heard_alone(self, stream: int) -> Floats:
        """What the heads make of one of the streams that are alive, computed by itself from its beginning."""
        state, hidden = self._start.state, None
        for inputs in self._heard[self._alive[stream]]:
            hidden, state = self._engine.step(np.array([inputs]), state)
        assert hidden is not None
        return self._engine.trunks(hidden)

    def _take_in(
        self, logits: Floats, wide: Mask, narrow: Mask, tokens: NDArray[np.int64], said: Mask, counted: Mask
    ) -> None:
        """The likelihood of chosen tokens, where it is `counted`, and what limits took from their field."""
        logits = np.where(wide | ~wide.any(axis=1, keepdims=True), logits.astype(np.float64), -np.inf)
        logits -= np.logaddexp.reduce(logits, axis=1, keepdims=True)
        self._nats[self._alive[said & counted]] -= logits[np.arange(len(tokens)), tokens][said & counted]
        own = self._alive[said]
        self._removed[own] += np.maximum(1 - (np.exp(logits) * narrow).sum(axis=1)[said], 0)  # rounding goes below
        self._tokens[own] += 1


class _Alone:
    """What `Streams.heard_alone` gives, once for all fields of an event."""

    def __init__(self, streams: Streams) -> None:
        self._streams = streams
        self._found: dict[int, Floats] = {}

    def trunks(self, stream: int) -> Floats:
        if stream not in self._found:
            self._found[stream] = self._streams.heard_alone(stream)
        return self._found[stream]


def says_no_change(events: Rows) -> Mask:
    """Whether each event is a note, a rest or the end: no metre, tempo or key, (events,)."""
    found: Mask = (events[:, KIND] >= FIRST_PART) | (events[:, TIME] == END)
    return found


def usual_keys(logits: Floats, vocabulary: Vocabulary, first_keys: NDArray[np.float64], where: Mask) -> None:
    """Make a tune begin in the keys of the corpus, as often as its tunes do, since the model has heard all alike; in place.

    Parameters
    ----------
    logits
        Of the value of the next event, (streams, values).
    first_keys
        How often the corpus begins in each key, (keys,).
    where
        Which streams are at their beginning, (streams,).
    """
    keys = slice(vocabulary.value_starts[KEY], vocabulary.value_starts[KEY + 1])
    logits[where, keys] = np.log(first_keys + 1e-9)


def begin(vocabulary: Vocabulary) -> NDArray[np.int64]:
    """What stands before the first event, (1, fields + features): zeros."""
    return np.zeros((1, len(FIELDS) + len(feature_sizes(vocabulary))), np.int64)
