"""Tunes sampled side by side.

Each tune has a random stream of its own, made from the seed and its number, so tune 7 of seed 3 is the same whether one tune
is asked for or a hundred, and whichever others are made beside it. A product of matrices is summed in another order for
another number of columns, though, so the last bits of a tune's logits depend on how many are computed together. Where a
choice hangs on them, the tune is heard once more from its beginning, alone, and what is heard then decides.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from melody.network import AnyEngine, Floats, State
from melody.sampling.choose import choose, choose_surely
from melody.sampling.constraints.base import Masks
from melody.sampling.constraints.cutoff import going_on
from melody.sampling.prior import Usual
from melody.sampling.repetition import Loops
from melody.sampling.settings import SamplingSettings
from melody.tokens.context import Conditions, Context
from melody.tokens.features import feature_sizes
from melody.tokens.grammar import Mask
from melody.tokens.usage import FIRST_PART
from melody.tokens.vocabulary import DURATION, END, FIELDS, KIND, TIME, VALUE, VELOCITY, Rows, Vocabulary

_TO_CLOSE = 200  # events in which a tune under limits has to come to its end


@dataclass(frozen=True)
class Start:
    """Where all streams of a batch begin: one stream's context, grammar, state and last event with its features."""

    context: Context
    grammar: Masks
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


class Job(NamedTuple):
    """A tune to be drawn: its number, and how often it has been drawn before."""

    number: int
    attempt: int


@dataclass
class _Stream:
    """A tune as it is made."""

    job: Job
    random: np.random.Generator
    context: Context
    rows: list[list[int]] = field(default_factory=list)


class Streams:
    """Tunes sampled side by side: one that has ended leaves, and others may begin at any time.

    Parameters
    ----------
    vocabulary, engine
        Of the model.
    start
        Where all of them begin; its masks may keep them to limits.
    settings
        How tokens are chosen.
    usual
        In which keys tunes begin, and how far their parts go.
    most
        Events, after which a tune is ended.
    weigh
        Whether the likelihood is wanted.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        engine: AnyEngine,
        start: Start,
        settings: SamplingSettings,
        usual: Usual,
        most: int,
        *,
        weigh: bool = False,
    ) -> None:
        none = np.zeros(0, np.int64)
        self._vocabulary, self._engine, self._settings, self._start = vocabulary, engine, settings, start
        self._usual, self._most, self._is_limited = usual, most, start.grammar.may_dead_end
        self._streams: list[_Stream] = []
        self._grammar, self._state, self._inputs = start.grammar.take(none), start.state.take(none), start.inputs[none]
        self._weigh = weigh or self._is_limited
        self._weights = np.zeros((0, 3))  # of each stream: nats, and of the share that limits took the sum and the tokens
        penalty = settings.repetition_penalty
        self._loops = Loops(vocabulary, 0, penalty) if penalty > 1 else None
        self._is_alone = True  # there has never been more than one stream

    def __len__(self) -> int:
        return len(self._streams)

    def begin(self, jobs: Collection[Job]) -> None:
        """Begin these tunes."""
        first, start = np.zeros(len(jobs), np.int64), self._start
        for job in jobs:
            seed = [self._settings.seed, job.number, *([job.attempt] if job.attempt else [])]
            self._streams.append(_Stream(job, np.random.default_rng(seed), start.context.copy()))
        self._grammar = self._grammar.join(start.grammar.take(first))
        self._state = self._state.join(start.state.take(first))
        self._inputs = np.concatenate([self._inputs, start.inputs[first]])
        self._weights = np.concatenate([self._weights, np.zeros((len(jobs), 3))])
        if self._loops:
            self._loops.begin(len(jobs))
        self._is_alone &= len(self._streams) <= 1

    def drop(self, jobs: Collection[Job]) -> None:
        """Let these tunes go, unfinished; those that are not being made are passed over."""
        if any(stream.job in jobs for stream in self._streams):
            self._keep([i for i, stream in enumerate(self._streams) if stream.job not in jobs])

    def step(self) -> list[tuple[Job, Drawn | None]]:
        """One more event for each tune; those that have ended so, None for one that came to a dead end under limits."""
        if self._is_limited:
            self._grammar.must_close = np.array([len(stream.rows) >= self._most for stream in self._streams])
        hidden, self._state = self._engine.step(self._inputs, self._state)
        events, stuck = self._events(self._engine.trunks(hidden))
        for stream, event in zip(self._streams, events.tolist()):
            stream.rows.append(event)
        late = np.array([len(stream.rows) >= self._most + _TO_CLOSE * self._is_limited for stream in self._streams])
        if self._is_limited:
            stuck |= late & (events[:, TIME] != END)
        ended = (events[:, TIME] == END) | late | stuck
        found = [(self._streams[i].job, None if stuck[i] else self._drawn(i)) for i in np.flatnonzero(ended).tolist()]
        if found:
            going = np.flatnonzero(~ended)
            self._keep(going.tolist())
            events = events[going]
        self._take_in(events)
        return found

    def _drawn(self, number: int) -> Drawn:
        rows = np.array(self._streams[number].rows, np.int64).reshape(-1, len(FIELDS))
        nats, removed, tokens = self._weights[number].tolist()
        return Drawn(rows, nats if self._weigh else float("nan"), removed / max(tokens, 1))

    def _keep(self, going: list[int]) -> None:
        """Go on with these streams alone."""
        number = np.array(going, np.int64)
        self._streams = [self._streams[i] for i in going]
        self._grammar, self._state = self._grammar.take(number), self._state.take(number)
        self._inputs, self._weights = self._inputs[number], self._weights[number]
        if self._loops:
            self._loops.take(number)

    def _take_in(self, events: Rows) -> None:
        self._grammar.push(events)
        if self._loops:
            self._loops.push(events)
        if self._streams:
            rows = zip(events.tolist(), self._streams)
            self._inputs = np.array([[*event, *stream.context.push(tuple(event))] for event, stream in rows])

    def _events(self, trunks: Floats) -> tuple[Rows, Mask]:
        """The next event of each stream, field by field, and for which there is none."""
        grammar = self._grammar
        chance = np.array([stream.random.random(len(FIELDS)) for stream in self._streams])  # (streams, fields)
        events = np.zeros((len(trunks), len(FIELDS)), np.int64)
        conditions = Conditions(self._vocabulary, [stream.context for stream in self._streams])
        weighed: list[tuple[int, Floats, Mask, Mask]] = []  # field, logits, masks without and with limits
        all_, alone = np.arange(len(trunks)), _Alone(self)

        def pick(field: int, mask: Mask) -> None:
            if field not in self._engine.predicted:
                return
            logits = self._logits(field, trunks, events, conditions.array, all_)
            logits = going_on(logits, mask, beyond) if field == TIME else logits
            if self._weigh:
                weighed.append((field, logits, grammar.unconstrained, mask))
            logits = self._without_loops(field, logits, events, all_)
            events[:, field], sure = choose_surely(logits, mask, chance[:, field], self._settings, field)
            if not self._is_alone and not sure.all():
                matters = ~sure & (self._vocabulary.said(events)[:, field] if field > TIME else mask.any(axis=1))
                for i in np.split(all_[matters], matters.sum()) if matters.any() else ():
                    heard = self._logits(field, alone.trunks(int(i[0])), events[i], conditions.array[i], i)
                    heard = self._without_loops(field, heard, events[i], i)
                    heard = going_on(heard, mask[i], beyond[i]) if field == TIME else heard
                    events[i, field] = choose(heard, mask[i], chance[i, field], self._settings, field)

        times, beyond = grammar.times(), grammar.past_end()
        pick(TIME, times)
        conditions.place(events)
        pick(KIND, grammar.kinds(events[:, TIME]))
        conditions.part(events)
        pick(VALUE, grammar.values(events[:, TIME], events[:, KIND]))
        pick(DURATION, grammar.durations(events))
        pick(VELOCITY, grammar.velocities(events))
        said = self._vocabulary.said(events)
        events[~said] = 0
        counted = says_no_change(events)
        for of, logits, wide, narrow in weighed:
            self._weigh_in(logits, wide | narrow, narrow, events[:, of], said[:, of], counted)
        return events, ~np.any(times, axis=1)

    def _logits(
        self, field: int, trunks: Floats, events: Rows, conditions: NDArray[np.int64], streams: NDArray[np.int64]
    ) -> Floats:
        """The logits of a field for some of the streams that are alive."""
        logits = self._engine.logits(field, trunks, events, conditions)
        if field == VALUE:
            self._usual.prefer(logits, events, np.array([self._streams[i].context.tick == 0 for i in streams.tolist()]))
        return logits

    def _without_loops(self, field: int, logits: Floats, events: Rows, streams: NDArray[np.int64]) -> Floats:
        return self._loops.penalise(logits, events, streams) if field == VALUE and self._loops else logits

    def heard_alone(self, stream: int) -> Floats:
        """What the heads make of one of the streams, computed by itself from its beginning."""
        context, state, inputs = self._start.context.copy(), self._start.state, self._start.inputs
        for row in self._streams[stream].rows:
            _, state = self._engine.step(inputs, state)
            inputs = np.array([[*row, *context.push((row[0], row[1], row[2], row[3], row[4]))]])
        return self._engine.trunks(self._engine.step(inputs, state)[0])

    def _weigh_in(
        self, logits: Floats, wide: Mask, narrow: Mask, tokens: NDArray[np.int64], said: Mask, counted: Mask
    ) -> None:
        """The likelihood of chosen tokens, where it is `counted`, and what limits took from their field."""
        logits = np.where(wide | ~wide.any(axis=1, keepdims=True), logits.astype(np.float64), -np.inf)
        logits -= np.logaddexp.reduce(logits, axis=1, keepdims=True)
        nats = -logits[np.arange(len(tokens)), tokens]
        removed = np.maximum(1 - (np.exp(logits) * narrow).sum(axis=1), 0)  # rounding goes below
        self._weights += np.stack([np.where(said & counted, nats, 0), removed * said, said], axis=1)


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


def begin(vocabulary: Vocabulary) -> NDArray[np.int64]:
    """What stands before the first event, (1, fields + features): zeros."""
    return np.zeros((1, len(FIELDS) + len(feature_sizes(vocabulary))), np.int64)
