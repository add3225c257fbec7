"""Tunes drawn until each is worth keeping, the batch kept full meanwhile.

A tune whose ending is not as it should be is drawn again, but for its beginning, which all its tries share (`Common`): what
is kept is drawn from all that the model writes after that and that ends well, as often as the model writes it. Which try is
kept does not depend on when it is made: it is the first in their order that is worth 1, or the best of the first so many. So
further attempts may be made before it is known whether they are needed, which costs little while there is room in the batch.
Of a long tune fewer tries are made than of a short one: so many that they have some `EVENTS` in all.

Of a tune of `LONG` events or more not all of it is drawn again, but its end: the best try so far is gone on with from a bar
line a few bars before it went wrong. So what is before that is drawn as the model writes it, and what follows from all that
the model writes there and that ends well. Where it stands still it is gone on with from before that, and from there once
more if another try comes further.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from melody.errors import SamplingError
from melody.sampling.strategies.ancestral import Sample, Streams
from melody.sampling.strategies.bar_lines import LONG, Place
from melody.sampling.strategies.drawing import Job

TRIES = 32  # of a tune, until one is worth 1 and no dead end
EVENTS = 8_000  # of these in all, after which the best of a tune is taken: long ones would take minutes
ENDS, FAIR = 32, 8  # tries of a long tune, and after how many one without a fault is taken though it is not worth 1
FAULTY = 1e-9  # what a tune with a fault is worth at most
_AHEAD = 16  # streams, up to which attempts are made that may not be needed
_BACK = 4  # bars that are drawn again, up to where it went wrong
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
        self._found: dict[int, Sample] = {}  # those that are made and not given
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
        made, waiting = self.as_made(), dict[int, Sample]()
        for number in range(self._count):
            while number not in waiting:
                waiting |= [next(made)]
            yield waiting.pop(number)

    def as_made(self) -> Iterator[tuple[int, Sample]]:
        """The same with their numbers, each as soon as it is made."""
        given = 0
        while given < self._count:
            self._fill()
            for job, sample in self._streams.step():
                self._take(job, sample)
            for job in self._streams.grown_long():
                self._wait_for(job)
            found, self._found = self._found, {}
            given += len(found)
            yield from sorted(found.items())

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
        likely = (t for t in self._tunes.values() if t.is_known and t.begun < min(2 * t.assessed + 2, TRIES))
        return min(likely, key=lambda tune: tune.begun - tune.assessed, default=None)

    def _wait_for(self, job: Job) -> None:
        """What would be drawn after an attempt that is long now goes on with it, if it is drawn at all."""
        if (tune := self._tunes.get(job.number)) and job in tune.making:
            self._streams.drop(tune.wait_for(job.attempt))

    def _take(self, job: Job, sample: Sample | None) -> None:
        """An attempt has come to its end."""
        tune = self._tunes.get(job.number)
        if tune is None or job not in tune.making:  # an earlier attempt has just been kept, or another is gone on with
            return
        tune.waiting[job.attempt] = job, sample
        self._streams.drop(tune.assess(self._worth))
        if tune.best and tune.is_done:
            self._found[tune.number] = replace(tune.best, tries=tune.assessed, places=())
            del self._tunes[tune.number]
            self._streams.drop(tune.making)
        elif tune.begun == tune.assessed:
            self._to_retry.append(tune)


class _Tune:
    """The attempts at one tune.

    Attributes
    ----------
    begun, assessed
        How many have begun, and of how many it is known what they are worth; the others are being made or `waiting` for one
        before them.
    making
        Those that have begun and are not assessed.
    best
        The best of those assessed.
    """

    def __init__(self, number: int) -> None:
        self.number, self.begun, self.assessed = number, 0, 0
        self.waiting: dict[int, tuple[Job, Sample | None]] = {}
        self.making: set[Job] = set()
        self.best: Sample | None = None
        self._worth, self._events = -1.0, 0
        self._base: _Base | None = None  # what all further attempts go on with, once one was long
        self._long = 0  # the attempt without which it is not known where others begin

    @property
    def is_done(self) -> bool:
        """Whether the best is taken, if there is one."""
        if self._base:
            if self._base.stuck is not None and self._events >= EVENTS:
                return True
            return self._worth >= 1 or self.assessed >= (FAIR if self._worth > FAULTY else ENDS)
        return self._worth >= 1 or self.assessed >= TRIES or self._events >= EVENTS

    @property
    def is_known(self) -> bool:
        """Whether it is known where the next attempt begins: not before it is whether the first one is long."""
        return self.assessed > self._long

    def begin(self) -> Job:
        """One more attempt."""
        job = Job(self.number, self.begun, self._base.place if self._base else None)
        self.begun += 1
        self.making.add(job)
        return job

    def wait_for(self, attempt: int) -> set[Job]:
        """Begin no other before this one, which is long, is assessed; gives those that are made in vain."""
        self._long, self.begun = attempt, attempt + 1
        self.waiting = {number: found for number, found in self.waiting.items() if number <= attempt}
        in_vain = {job for job in self.making if job.attempt > attempt}
        self.making -= in_vain
        return in_vain

    def assess(self, worth: Worth | None) -> set[Job]:
        """Assess the attempts whose turn it is; gives those that are made in vain, since another is to be gone on with."""
        while self.assessed in self.waiting and not (self.best and self.is_done):
            job, sample = self.waiting.pop(self.assessed)
            self.making.discard(job)
            self.assessed += 1
            found = -1.0 if sample is None else worth(sample) if worth else 1.0
            if sample is not None:
                self._events += len(sample.rows) - (len(job.place.rows) if job.place else 0)
            if found > self._worth:
                self.best, self._worth = sample, found
            if self._moves_on(job, sample, found):
                in_vain, self.making, self.waiting, self.begun = self.making, set(), {}, self.assessed
                return in_vain
        if self.best is None and self.assessed == TRIES:
            raise SamplingError(
                f"the limits leave no way on: tune {self.number + 1} came to a dead end in each of {TRIES} tries; "
                "loosen one of them"
            )
        return set()

    def _moves_on(self, job: Job, sample: Sample | None, worth: float) -> bool:
        """Whether the attempts that follow go on with this one, not with what they would have."""
        before = self._base
        if sample is None or not sample.places or (before and not before.is_behind(sample, worth)):
            return False
        if sample.stuck is not None and sample.places[0].bar > sample.stuck:
            return False  # there is no way back to before it stood still
        if before is None and len(sample.rows) >= LONG:
            self._base = _Base(worth, sample.places, sample.stuck)
        elif before and job.place:
            earlier = [place for place in before.places if place.bar <= job.place.bar]
            self._base = _Base(worth, (*earlier, *sample.places), sample.stuck)
        return self._base is not before


@dataclass(frozen=True)
class _Base:
    """A long tune that is gone on with in other ways: its worth, where it may be, from which bar it stands still."""

    worth: float
    places: Sequence[Place]
    stuck: int | None

    def is_behind(self, sample: Sample, worth: float) -> bool:
        """Whether a sample is worth more; if both stand still, whether it does so some bars later."""
        if self.stuck is not None and sample.stuck is not None:
            return sample.stuck >= self.stuck + _BACK
        return worth > self.worth

    @property
    def place(self) -> Place:
        """Where it is."""
        first = self.places[-1].bar + 1 - _BACK if self.stuck is None else self.stuck
        return next((place for place in reversed(self.places) if place.bar <= first), self.places[0])
