"""Many ways to fill what is free, weighed by how well the given events follow them: sequential Monte Carlo.

Every way (a particle) is sampled event by event among what the given events leave possible, and carries as its weight the
probability that the model gives to what was left possible: of a given event that is its probability, of a free one the
share that leads nowhere is missing. So ways that make the given events likely weigh more (importance sampling; Doucet and
Johansen 2009, "A tutorial on particle filtering and smoothing"). Where the weights have become uneven and there is still
something free, ways are drawn anew by weight, and go on from there independently (systematic resampling).

The weights are the model's own, at temperature 1 and without top-k and top-p, whatever the free events are drawn with;
where parts keep to their usual range they are those of a model that does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from melody.errors import SamplingError
from melody.network import Floats
from melody.sampling.choose import choose
from melody.sampling.constraints.base import Constraint, Masks
from melody.sampling.constraints.observations import Observations, timed
from melody.sampling.constraints.observed import Observed
from melody.sampling.prior import Usual
from melody.sampling.settings import SamplingSettings
from melody.sampling.strategies.ancestral import Start
from melody.threads import one_thread
from melody.tokens.context import Conditions, Context
from melody.tokens.grammar import Grammar, Mask
from melody.tokens.vocabulary import DURATION, END, FIELDS, KIND, TIME, VALUE, VELOCITY, Rows, Vocabulary

if TYPE_CHECKING:
    from melody.sampling.model import Model


class Particles:
    """Ways to fill what is free.

    Parameters
    ----------
    model
        Whose music it is.
    frame
        What is given and what is free.
    count
        How many ways at once.
    settings
        What the free events are drawn with.
    random
        Of all draws.
    leader
        Events after the prefix that the first way takes instead of drawing its own, and keeps through all resampling:
        with it, drawing one way by weight at the end leaves the model's distribution as it was (Andrieu et al. 2010,
        "Particle Markov chain Monte Carlo methods").
    also
        What else the ways keep to.
    usual
        What keeps parts in their usual range; None where they may go anywhere.

    Attributes
    ----------
    weights
        Log of the weight of each way.
    nats
        Negative log likelihood of its events after the prefix, each way, under the model.
    paths
        Its events after the prefix.
    """

    def __init__(
        self,
        model: Model,
        frame: Observations,
        count: int,
        settings: SamplingSettings,
        random: np.random.Generator,
        leader: Rows | None = None,
        also: Sequence[Constraint] = (),
        usual: Usual | None = None,
    ) -> None:
        self._vocabulary, self._engine = model.vocabulary, model._engine
        self._usual = usual
        self._frame, self._settings, self._random, self._count, self._leader = frame, settings, random, count, leader
        masks = Masks(Grammar(model.vocabulary, 1), [Observed(model.vocabulary, frame), *also])
        start = primed(model, masks, frame)
        zeros = np.zeros(count, np.int64)
        self._grammar = start.grammar.take(zeros)
        self._state, self._inputs = start.state.take(zeros), start.inputs[zeros]
        self._contexts = [start.context.copy() for _ in range(count)]
        self.weights, self.nats = np.zeros(count), np.zeros(count)
        self.paths: list[list[list[int]]] = [[] for _ in range(count)]

    @one_thread()
    def run(self) -> None:
        """Go through all that is given.

        Raises
        ------
        SamplingError
            If no way leads through.
        """
        while len(behind := np.flatnonzero(self._grammar.observed_so_far < len(self._frame.rows))):
            next_given = self._grammar.observed_so_far[behind].min()
            self._advance(int(next_given))
            if self._is_free(int(next_given)):
                self._resample()

    def draw(self) -> Rows:
        """The events after the prefix of one way, drawn by weight."""
        share = np.exp(self.weights - self.weights.max())
        chosen = int(self._random.choice(len(share), p=share / share.sum()))
        return np.array(self.paths[chosen], np.int64).reshape(-1, len(FIELDS))

    def _is_free(self, number: int) -> bool:
        return number < len(self._frame.rows) and bool(self._frame.tick[number] < self._frame.until)

    def _advance(self, number: int) -> None:
        """All ways past the given event of that number."""
        while len(behind := np.flatnonzero(self._grammar.observed_so_far <= number)):
            self._step(behind)

    def _step(self, ways: NDArray[np.int64]) -> None:
        """One more event for each of these; ways that lead nowhere go."""
        hidden, state = self._engine.step(self._inputs[ways], self._state.take(ways))
        grammar = self._grammar.take(ways)
        draw = _Draw(self._vocabulary, [self._contexts[way] for way in ways])
        self._draw(draw, self._engine.trunks(hidden), grammar, self._led(ways))
        alive = np.isfinite(draw.gained)
        grammar.push(draw.events)
        self._grammar.put(ways, grammar)
        self._state.h[:, ways], self._state.c[:, ways] = state.h, state.c
        self.weights[ways] += draw.gained
        self.nats[ways] -= draw.said
        for way, event in zip(ways[alive].tolist(), draw.events[alive].tolist()):
            self.paths[way].append(event)
            if event[TIME] != END:
                self._inputs[way] = [*event, *self._contexts[way].push(tuple(event))]
        if not alive.all():
            self._keep_living(np.delete(np.arange(len(self.paths)), ways[~alive]))

    def _led(self, ways: NDArray[np.int64]) -> NDArray[np.int64] | None:
        """The event that the first of these ways is to take, if it is the one with a leader."""
        if self._leader is None or ways[0] != 0 or len(self.paths[0]) >= len(self._leader):
            return None
        return self._leader[len(self.paths[0])]

    def _draw(self, draw: _Draw, trunks: Floats, grammar: Masks, led: NDArray[np.int64] | None) -> None:
        """The next event of each way, field by field."""
        chance = self._random.random((len(draw.events), len(FIELDS)))

        def pick(field: int, mask: Mask) -> None:
            if field not in self._engine.predicted:
                return
            logits = self._engine.logits(field, trunks, draw.events, draw.conditions.array)
            if field == VALUE and self._usual:
                self._usual.prefer(logits, draw.events, np.zeros(len(logits), bool))
            tokens = choose(logits, mask, chance[:, field], self._settings, field)
            if led is not None:
                tokens[0] = led[field]
            draw.take(field, tokens, logits, mask)

        pick(TIME, grammar.times())
        draw.conditions.place(draw.events)
        pick(KIND, grammar.kinds(draw.events[:, TIME]))
        draw.conditions.part(draw.events)
        pick(VALUE, grammar.values(draw.events[:, TIME], draw.events[:, KIND]))
        pick(DURATION, grammar.durations(draw.events))
        pick(VELOCITY, grammar.velocities(draw.events))
        draw.finish()

    def _keep_living(self, ways: NDArray[np.int64]) -> None:
        if not len(ways):
            raise SamplingError(
                "the model finds no way to what is to follow; choose other bars, another seed or more candidates"
            )
        if ways[0] != 0:
            self._leader = None
        self._go_on_from(ways)

    def _resample(self) -> None:
        """Draw the ways anew by their weights, if these are uneven or ways have gone."""
        share = np.exp(self.weights - self.weights.max())
        share /= share.sum()
        if len(share) == self._count and np.sum(share**2) * self._count < 2:  # as good as half of them or more
            return
        places = (np.arange(self._count) + self._random.random()) / self._count
        ways = np.minimum(np.searchsorted(np.cumsum(share), places), len(share) - 1)
        if self._leader is not None:
            ways[0] = 0
        mean = np.logaddexp.reduce(self.weights) - np.log(len(self.weights))
        self._go_on_from(ways)
        self.weights[:] = mean

    def _go_on_from(self, ways: NDArray[np.int64]) -> None:
        """These ways, each of which may be named more than once."""
        self._grammar, self._state = self._grammar.take(ways), self._state.take(ways)
        self._inputs, self.weights, self.nats = self._inputs[ways], self.weights[ways], self.nats[ways]
        first = set(np.unique(ways, return_index=True)[1].tolist())
        self._contexts = [
            self._contexts[way] if i in first else self._contexts[way].copy() for i, way in enumerate(ways.tolist())
        ]
        self.paths = [self.paths[way][:] for way in ways.tolist()]


class _Draw:
    """One event for each of several ways, while its fields are chosen one after another.

    Attributes
    ----------
    gained, said
        Log probability of all that was possible, and of what was chosen, (ways,).
    """

    def __init__(self, vocabulary: Vocabulary, contexts: list[Context]) -> None:
        self._vocabulary = vocabulary
        self.events = np.zeros((len(contexts), len(FIELDS)), np.int64)
        self.conditions = Conditions(vocabulary, contexts)
        self._possible = np.zeros(self.events.shape)
        self._chosen = np.zeros(self.events.shape)

    def take(self, field: int, tokens: NDArray[np.int64], logits: Floats, mask: Mask) -> None:
        """The tokens of a field, and what they cost."""
        logits = logits.astype(np.float64)
        shares = logits - np.logaddexp.reduce(logits, axis=1)[:, None]
        self._possible[:, field] = np.logaddexp.reduce(np.where(mask, shares, -np.inf), axis=1)
        self._chosen[:, field] = shares[np.arange(len(tokens)), tokens]
        self.events[:, field] = tokens

    def finish(self) -> None:
        """Only what each event says counts."""
        has = self._vocabulary.said(self.events)
        self.events[~has] = 0
        self.gained = np.minimum(np.where(has, self._possible, 0.0), 0.0).sum(axis=1)
        self.said = np.where(has, self._chosen, 0.0).sum(axis=1)


def primed(model: Model, grammar: Masks, frame: Observations) -> Start:
    """Where one stream stands after the given events before all that is free."""
    rows = timed(model.vocabulary, frame.rows[: frame.prefix], frame.tick[: frame.prefix])
    return model.prime(rows, grammar)
