"""Sequential Monte Carlo: what is free is filled many times, weighed by how well the observed events follow.

Every particle is sampled event by event among what the observed events leave possible, and carries as its weight the
probability that the model gives to what was left possible: of an observed event that is its probability, of a free one the
share that leads nowhere is missing. So particles that make the observed events likely weigh more (importance sampling;
Doucet and Johansen 2009, "A tutorial on particle filtering and smoothing"). Where the weights have become uneven and there
is still something free, particles are drawn again by weight, and go on from there independently (systematic resampling).

Where all that comes once nothing is free is known to be the same for all, it only weighs: particles that are alike go on as
one, those that it cannot make up for are left behind, and if one is left it need not be read.

A bidirectional network has read what is observed behind a gap, and what it fills the gap with leads there: of what it has
read only that it remains possible is asked (`melody.sampling.decoder.Decoder.is_news`).

The weights are the model's own, at temperature 1 and without top-k and top-p, whatever the free events are drawn with; they
contain the decoder's corpus prior.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from melody.errors import SamplingError
from melody.network import Floats
from melody.piece import Ints
from melody.sampling.choose import choose
from melody.sampling.decoder import Decoder, Frontier, Step
from melody.sampling.settings import SamplingSettings
from melody.threads import one_thread
from melody.tokens.grammar import Mask
from melody.tokens.vocabulary import END, FIELDS, TIME, Rows, Vocabulary

Floats64 = NDArray[np.float64]
_HOPELESS = 20.0  # nats behind the best, with nothing left to choose
_HEEDED = 128  # observed events behind what was free, after which they are as likely after one particle as after another


class Particles:
    """Particles that fill what is free.

    Parameters
    ----------
    decoder
        Of the model.
    start
        Where all of them begin, one stream: behind what is observed before anything is free.
    observed
        How many events are observed in all.
    resampled
        Of each number of observed events that have come, whether particles may be drawn again there, (observed + 1,).
    count
        How many particles.
    settings
        What the free events are drawn with.
    random
        Of all draws.
    reference
        Events of the first particle's trajectory, which it takes instead of drawing its own, and keeps through all
        resampling: with it, drawing one particle by weight at the end leaves the model's distribution as it was (Andrieu et
        al. 2010, "Particle Markov chain Monte Carlo methods").

    rest
        Once nothing is free, the observed events from a number on if that is all that comes; None before. Left out, all are
        gone through.

    Attributes
    ----------
    weights
        Log of the weight of each particle.
    nats
        Negative log likelihood of its events under the model.
    paths
        Its events.
    """

    def __init__(
        self,
        decoder: Decoder,
        start: Frontier,
        observed: int,
        resampled: Mask,
        count: int,
        settings: SamplingSettings,
        random: np.random.Generator,
        reference: Rows | None = None,
        rest: Callable[[int], Rows | None] | None = None,
    ) -> None:
        self._rest = rest
        self._free_until = int(np.flatnonzero(resampled).max(initial=-1)) + 1  # the first observed event behind all that
        self._of: Ints | None = None  # what each particle goes on as, -1 if it was left behind, once nothing is free
        self._decoder, self._observed, self._resampled = decoder, observed, resampled
        self._settings, self._random, self._count, self._reference = settings, random, count, reference
        self._frontier = start.take(np.zeros(count, np.int64))
        self.weights, self.nats = np.zeros(count), np.zeros(count)
        self.paths: list[list[list[int]]] = [[] for _ in range(count)]

    @one_thread()
    def run(self) -> None:
        """Go through all that is observed.

        Raises
        ------
        SamplingError
            If no particle leads through.
        """
        while len(behind := np.flatnonzero(self._frontier.masks.observed_so_far < self._observed)):
            following = int(self._frontier.masks.observed_so_far[behind].min())
            known = None
            if self._rest and following and not self._resampled[following - 1 :].any():  # past the first one after all
                self._settle()
                known = self._rest(following)
                if known is not None and (len(self.paths) == 1 or following - self._free_until >= _HEEDED):
                    return self._take_rest(known)
            if known is not None and known[0, TIME] != END and (self._frontier.masks.observed_so_far == following).all():
                self._read(known[0])
                continue
            self._advance(following)
            if self._resampled[following]:
                self._resample()

    def draw(self, prefer: Callable[[Rows], bool] | None = None, bonus: Callable[[Rows], float] | None = None) -> Rows:
        """The events of one particle, drawn by weight; of those alone that are preferred, if there are any.

        A `bonus` is added to the log of a particle's weight.
        """
        paths = [np.array(path, np.int64).reshape(-1, len(FIELDS)) for path in self.paths]
        distinct = {path.tobytes(): path for path in paths}
        found = {name: prefer is None or prefer(path) for name, path in distinct.items()}
        preferred = np.array([found[path.tobytes()] for path in paths])
        weights = np.where(preferred, self.weights, -np.inf) if preferred.any() else self.weights.copy()
        if bonus is not None:
            added = {name: bonus(path) for name, path in distinct.items()}
            weights = weights + np.array([added[path.tobytes()] for path in paths])
        if self._of is not None:
            paths, weights = [paths[one] for one in self._of.tolist()], np.append(weights, -np.inf)[self._of]
        share = np.exp(weights - weights.max())
        return paths[int(self._random.choice(len(share), p=share / share.sum()))]

    def _settle(self) -> None:
        """Particles that are alike go on as one, and those behind that cannot be made up for do not."""
        if self._of is None:
            paths = [np.array(path).tobytes() for path in self.paths]
            number = {path: number for number, path in enumerate(dict.fromkeys(paths))}
            self._reference = None
            self._go_on_from(np.array([paths.index(path) for path in number]))
            self._of = np.array([number[path] for path in paths])
        self._go_on_from(np.flatnonzero(self.weights > self.weights.max() - _HOPELESS))

    def _take_rest(self, rows: Rows) -> None:
        """What is left goes through these events, unread; random numbers are used up as if all did."""
        assert self._of is not None
        for path in self.paths:
            path += rows.tolist()
        self._random.random((len(rows) * len(self._of), len(FIELDS)))

    def _read(self, row: NDArray[np.int64]) -> None:
        """All particles past an observed event that is all that may come; random numbers are used up as if it were drawn."""
        assert self._of is not None
        self._random.random((len(self._of), len(FIELDS)))
        events = np.tile(row, (len(self.paths), 1))
        step = Step(self._decoder, self._frontier.contexts, self._decoder.read(self._frontier))
        step.events[:] = events
        costs = _Costs(self._decoder.vocabulary, len(events))
        for field, _ in step.fields():
            costs.take(field, events[:, field], step.logits(field, None))
        gained, chosen = costs.of(events, self._decoder.is_news(self._frontier, events))
        self._decoder.push(self._frontier, events)
        self.weights += gained
        self.nats -= chosen
        for path, event in zip(self.paths, events.tolist()):
            path.append(event)

    def _advance(self, number: int) -> None:
        """All particles past the observed event of that number."""
        while len(behind := np.flatnonzero(self._frontier.masks.observed_so_far <= number)):
            self._go_past(number, behind)

    def _go_past(self, number: int, particles: Ints) -> None:
        """These particles past an observed event, unless some of them lead nowhere: these go, and it is to be tried again.

        Those that are past it wait; the others go on apart, so that nothing is copied for an event that none gets past.
        """
        frontier = self._frontier if len(particles) == len(self.paths) else self._frontier.take(particles)
        while len(particles):
            alive = self._step(particles, frontier)
            there = np.flatnonzero((frontier.masks.observed_so_far > number) | ~alive.all())
            if len(there) and frontier is not self._frontier:
                self._frontier.put(particles[there], frontier.take(there))
            if not alive.all():
                return self._keep_living(np.delete(np.arange(len(self.paths)), particles[~alive]))
            if len(there):
                left = np.flatnonzero(frontier.masks.observed_so_far <= number)
                particles, frontier = particles[left], frontier.take(left)

    def _step(self, particles: Ints, frontier: Frontier) -> Mask:
        """One more event for each of these, which stand there; gives which of them lead somewhere."""
        count = len(particles) if self._of is None else int(((self._of < 0) | np.isin(self._of, particles)).sum())
        chance = self._random.random((count, len(FIELDS)))  # as many as there are, also where several go on as one
        gained, chosen, events = self._next(frontier, self._reference_event(particles), chance[: len(particles)])
        alive: Mask = np.isfinite(gained)
        self._decoder.push(frontier, events, alive)
        self.weights[particles] += gained
        self.nats[particles] -= chosen
        for particle, event in zip(particles[alive].tolist(), events[alive].tolist()):
            self.paths[particle].append(event)
        return alive

    def _reference_event(self, particles: Ints) -> NDArray[np.int64] | None:
        """The event that the first of these particles is to take, if it is the one with a reference."""
        if self._reference is None or particles[0] != 0 or len(self.paths[0]) >= len(self._reference):
            return None
        event: NDArray[np.int64] = self._reference[len(self.paths[0])]
        return event

    def _next(
        self, frontier: Frontier, reference: NDArray[np.int64] | None, chance: Floats64
    ) -> tuple[Floats64, Floats64, Rows]:
        """Log probability of all that was possible and of what was chosen, (particles,), and the events."""
        step = self._decoder.step(frontier, self._decoder.read(frontier))
        costs = _Costs(self._decoder.vocabulary, len(frontier))
        for field, mask in step.fields():
            assert mask is not None
            logits = step.logits(field, mask)
            tokens = choose(logits, mask, chance[:, field], self._settings, field)
            if reference is not None:
                tokens[0] = reference[field]
            costs.take(field, tokens, logits, mask)
            step.events[:, field] = tokens
        gained, chosen = costs.of(step.events, self._decoder.is_news(frontier, step.events))
        return gained, chosen, step.finished()

    def _keep_living(self, particles: Ints) -> None:
        if not len(particles):
            raise SamplingError(
                "the model finds no way to what is to follow; choose other bars, another seed or more candidates, "
                "or loosen the limits, if there are any"
            )
        if particles[0] != 0:
            self._reference = None
        self._go_on_from(particles)

    def _resample(self) -> None:
        """Draw the particles again by their weights, if these are uneven or particles have gone."""
        share = np.exp(self.weights - self.weights.max())
        share /= share.sum()
        if len(share) == self._count and np.sum(share**2) * self._count < 2:  # as good as half of them or more
            return
        places = (np.arange(self._count) + self._random.random()) / self._count
        particles = np.minimum(np.searchsorted(np.cumsum(share), places), len(share) - 1)
        if self._reference is not None:
            particles[0] = 0
        mean = np.logaddexp.reduce(self.weights) - np.log(len(self.weights))
        self._go_on_from(particles)
        self.weights[:] = mean

    def _go_on_from(self, particles: Ints) -> None:
        """These particles, each of which may be named more than once."""
        if self._of is not None:
            number = np.full(len(self.paths) + 1, -1)  # the last one stands for those left behind before
            number[particles] = np.arange(len(particles))
            self._of = number[self._of]
        self._frontier = self._frontier.take(particles)
        self.weights, self.nats = self.weights[particles], self.nats[particles]
        self.paths = [self.paths[particle][:] for particle in particles.tolist()]


class _Costs:
    """What an event of each particle costs, field by field."""

    def __init__(self, vocabulary: Vocabulary, particles: int) -> None:
        self._vocabulary = vocabulary
        self._possible, self._chosen = np.zeros((particles, len(FIELDS))), np.zeros((particles, len(FIELDS)))

    def take(self, field: int, tokens: Ints, logits: Floats, mask: Mask | None = None) -> None:
        """The tokens of a field, of those that the mask allows; of no others without one."""
        shares = logits.astype(np.float64)
        shares -= _log_of_sum(shares)[:, None]
        self._chosen[:, field] = shares[np.arange(len(tokens)), tokens]
        self._possible[:, field] = self._chosen[:, field] if mask is None else _log_of_sum(np.where(mask, shares, -np.inf))

    def of(self, events: Rows, is_news: Mask) -> tuple[Floats64, Floats64]:
        """Log probability of all that was possible, and of what was chosen, (particles,) each; of encoded fields alone.

        What the network has read already costs nothing, as long as it is possible.
        """
        encoded = self._vocabulary.field_mask(events)
        costs = np.where(is_news | np.isneginf(self._possible), self._possible, 0.0)
        possible: Floats64 = np.minimum(np.where(encoded, costs, 0.0), 0.0).sum(axis=1)
        chosen: Floats64 = np.where(encoded & is_news, self._chosen, 0.0).sum(axis=1)
        return possible, chosen


def _log_of_sum(logs: Floats64) -> Floats64:
    """Log of the sum of what the logs of each row stand for, (rows,); -inf where that is nothing."""
    most = logs.max(axis=1)
    most[np.isneginf(most)] = 0.0
    with np.errstate(divide="ignore"):
        found: Floats64 = np.log(np.exp(logs - most[:, None]).sum(axis=1)) + most
    return found
