"""Tunes drawn until each is worth keeping, the batch kept full meanwhile.

A tune whose ending is not as it should be is drawn again, but for its beginning, which all its tries share (`Common`): what
is kept is drawn from all that the model writes after that and that ends well, as often as the model writes it. Which try is
kept does not depend on when it is made: it is the first in their order that is worth 1, or the best of the first so many. So
further attempts may be made before it is known whether they are needed, which costs little while there is room in the batch.
Of a long tune fewer tries are made than of a short one: so many that they have some `EVENTS` in all.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace

from melody.errors import SamplingError
from melody.sampling.strategies.ancestral import Job, Sample, Streams

TRIES = 32  # of a tune, until one is worth 1 and no dead end
EVENTS = 8_000  # of these in all, after which the best of a tune is taken: long ones would take minutes
_AHEAD = 16  # streams, up to which attempts are made that may not be needed
Worth = Callable[[Sample], float]


class Draws:
    """Tunes that are being drawn.

    Parameters
    ----------
    streams
        Where.
    count
        How many are wanted, numbered from 0.
    together
        How many are made side by side.
    worth
        What a tune is worth, from 0 to 1; None if all are worth 1.
    """

    def __init__(self, streams: Streams, count: int, together: int, worth: Worth | None) -> None:
        self._streams, self._count, self._together, self._worth = streams, count, together, worth
        self._tunes: dict[int, _Tune] = {}  # those being made
        self._to_retry: deque[_Tune] = deque()  # of these, the ones of which no attempt is being made
        self._found: dict[int, Sample] = {}
        self._next = 0

    def run(self) -> list[Sample]:
        """All of them.

        Raises
        ------
        SamplingError
            If one comes to a dead end in each attempt.
        """
        return list(self.each())

    def each(self) -> Iterator[Sample]:
        """The same one by one, each as soon as it and those before it are made."""
        for number in range(self._count):
            while number not in self._found:
                self._fill()
                for job, sample in self._streams.step():
                    self._take(job, sample)
            yield self._found.pop(number)

    def _fill(self) -> None:
        jobs: list[Job] = []
        while len(self._streams) + len(jobs) < self._together and (tune := self._needed()):
            jobs.append(tune.begin())
        while len(self._streams) + len(jobs) < min(_AHEAD, self._together) and (tune := self._promising()):
            jobs.append(tune.begin())
        if jobs:
            self._streams.begin(jobs)

    def _needed(self) -> _Tune | None:
        """A tune of which another attempt must be made."""
        if self._to_retry:
            return self._to_retry.popleft()
        if self._next == self._count:
            return None
        tune = self._tunes[self._next] = _Tune(self._next)
        self._next += 1
        return tune

    def _promising(self) -> _Tune | None:
        """The tune of which the fewest attempts are being made, if another is likely to be needed."""
        if self._worth is None:
            return None
        likely = (tune for tune in self._tunes.values() if tune.begun < min(2 * tune.assessed + 2, TRIES))
        return min(likely, key=lambda tune: tune.begun - tune.assessed, default=None)

    def _take(self, job: Job, sample: Sample | None) -> None:
        """An attempt has come to its end."""
        tune = self._tunes.get(job.number)
        if tune is None:  # an earlier attempt has just been kept
            return
        tune.waiting[job.attempt] = sample
        tune.assess(self._worth)
        if tune.best and tune.is_done:
            self._found[tune.number] = replace(tune.best, tries=tune.assessed)
            del self._tunes[tune.number]
            self._streams.drop({Job(tune.number, attempt) for attempt in range(tune.assessed, tune.begun)})
        elif tune.begun == tune.assessed:
            self._to_retry.append(tune)


class _Tune:
    """The attempts at one tune.

    Attributes
    ----------
    begun, assessed
        How many have begun, and of how many it is known what they are worth; the others are being made or `waiting` for one
        before them.
    best
        The best of those assessed.
    """

    def __init__(self, number: int) -> None:
        self.number, self.begun, self.assessed = number, 0, 0
        self.waiting: dict[int, Sample | None] = {}
        self.best: Sample | None = None
        self._worth, self._events = -1.0, 0

    @property
    def is_done(self) -> bool:
        """Whether the best is taken, if there is one."""
        return self._worth >= 1 or self.assessed >= TRIES or self._events >= EVENTS

    def begin(self) -> Job:
        """One more attempt."""
        self.begun += 1
        return Job(self.number, self.begun - 1)

    def assess(self, worth: Worth | None) -> None:
        """Assess the attempts whose turn it is."""
        while self.assessed in self.waiting and not (self.best and self.is_done):
            sample = self.waiting.pop(self.assessed)
            self.assessed += 1
            self._events += 0 if sample is None else len(sample.rows)
            found = -1.0 if sample is None else worth(sample) if worth else 1.0
            if found > self._worth:
                self.best, self._worth = sample, found
        if self.best is None and self.assessed == TRIES:
            raise SamplingError(
                f"the limits leave no way on: tune {self.number + 1} came to a dead end in each of {TRIES} tries; "
                "loosen one of them"
            )
