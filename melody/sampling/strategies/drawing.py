"""What each tune that is being drawn has of its own: its number, its random numbers, its events so far."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from melody.piece import Ints
from melody.sampling.settings import SamplingSettings
from melody.sampling.strategies.bar_lines import Place
from melody.tokens.grammar import Mask
from melody.tokens.vocabulary import FIELDS, Rows

OF_ONE_BEGINNING = 16  # tries of a tune, after which it begins again: there may be no good way on from where it began
_BLOCK = 64  # events for which random numbers are drawn at once


class Job(NamedTuple):
    """A tune to be drawn: its number, how often it has been drawn before, and where it goes on from if not its beginning."""

    number: int
    attempt: int
    place: Place | None = None

    @property
    def first(self) -> Job:
        """The try whose beginning this one takes: the first of its tune, or of the next so many."""
        return self._replace(attempt=self.attempt - self.attempt % OF_ONE_BEGINNING)

    @property
    def random(self) -> tuple[int, ...]:
        """What its random numbers are made from besides the seed."""
        return (self.number, self.attempt) if self.attempt else (self.number,)


@dataclass(frozen=True)
class Common:
    """What the tries of one tune have in common: how it begins.

    Were each try to begin in its own way, beginnings after which tunes end well more often, or in two ways as after a
    pick-up, would come more often than the model means them to.

    Parameters
    ----------
    chance
        The random numbers of its events up to its first note, (64, fields).
    """

    chance: NDArray[np.float64]

    @classmethod
    def of(cls, seed: int, job: Job) -> Common:
        """Of one tune."""
        return cls(np.random.default_rng([seed, *job.first.random]).random((_BLOCK, len(FIELDS))))


class Own:
    """What each stream has of its own besides its place: its random numbers, its events and their weights.

    Attributes
    ----------
    count
        Events so far, (streams,).
    weights
        Nats, and of the share that constraints took the sum and the number of tokens, (streams, 3).
    ending_nats
        Nats of the events since the last note, (streams,).
    """

    def __init__(self, settings: SamplingSettings) -> None:
        self._seed = settings.seed
        self._random: list[np.random.Generator] = []
        self._common: list[Common] = []
        self._chance = np.zeros((0, _BLOCK, len(FIELDS)))
        self._events = np.zeros((0, _BLOCK, len(FIELDS)), np.int64)
        self.count, self.weights, self.ending_nats = np.zeros(0, np.int64), np.zeros((0, 3)), np.zeros(0)

    def begin(self, jobs: Collection[Job]) -> None:
        """So many streams more."""
        for job in jobs:
            self._random.append(np.random.default_rng([self._seed, *job.random]))
            self._common.append(Common.of(self._seed, job))
        more, places = len(jobs), [job.place for job in jobs]
        chance = [
            own.random((_BLOCK, len(FIELDS))) if p else np.zeros((_BLOCK, len(FIELDS)))
            for own, p in zip(self._random[-more:], places)
        ]
        count = np.array([len(p.rows) if p else 0 for p in places], np.int64)
        self._reserve(int(count.max(initial=0)))
        events = np.zeros((more, *self._events.shape[1:]), np.int64)
        for own, p in zip(events, places):
            own[: len(p.rows) if p else 0] = p.rows if p else 0
        self._chance, self._events = np.concatenate([self._chance, chance]), np.concatenate([self._events, events])
        self.count = np.concatenate([self.count, count])
        self.weights = np.concatenate([self.weights, [p.weights if p else np.zeros(3) for p in places]])
        self.ending_nats = np.concatenate([self.ending_nats, [p.ending_nats if p else 0.0 for p in places]])

    def take(self, streams: Ints) -> None:
        """Go on with those streams alone."""
        self._random = [self._random[i] for i in streams.tolist()]
        self._common = [self._common[i] for i in streams.tolist()]
        self._chance, self._events = self._chance[streams], self._events[streams]
        self.count, self.weights, self.ending_nats = self.count[streams], self.weights[streams], self.ending_nats[streams]

    def chance(self, begun: Mask) -> NDArray[np.float64]:
        """Uniform random numbers for the next event of each stream, (streams, fields).

        They are of its own, but up to the first note, which has come where it has `begun`, those of all tries of its tune.
        """
        place = self.count % _BLOCK
        for stream in np.flatnonzero(place == 0).tolist():
            self._chance[stream] = self._random[stream].random((_BLOCK, len(FIELDS)))
        found: NDArray[np.float64] = self._chance[np.arange(len(place)), place]
        for stream in np.flatnonzero(~begun & (self.count < _BLOCK)).tolist():
            found[stream] = self._common[stream].chance[place[stream]]
        return found

    def push(self, events: Rows) -> None:
        """Remember the next event of each stream."""
        self._reserve(int(self.count.max(initial=0)) + 1)
        self._events[np.arange(len(events)), self.count] = events
        self.count = self.count + 1

    def _reserve(self, count: int) -> None:
        """Room for so many events of each stream."""
        while count > self._events.shape[1]:
            self._events = np.concatenate([self._events, np.zeros_like(self._events)], axis=1)

    def events_of(self, stream: int) -> Rows:
        """The events of one stream, (events, 5)."""
        return self._events[stream, : self.count[stream]].copy()
