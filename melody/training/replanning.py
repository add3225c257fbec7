"""Keeping to the time: more or fewer epochs, as the machine turns out to be faster or slower than it was measured to be.

The learning rate is a function of the share of the planned run that has passed. Fewer epochs let it fall at once, so that a
run that the clock ends has cooled down. More epochs let it rise again, to where it would be had they been planned from the
start; so they are planned in the first half of a run alone, where that is a factor of two at most. A run that its time has
ended may be given more of it, and goes on in the same way.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from statistics import median

from melody.evaluation.ngram import MOST_EVENTS
from melody.text import counted
from melody.training.records import Alarm, History, Plan, in_seconds
from melody.training.settings import TrainingSettings

LAST = 5  # epochs whose median is how long one takes: a single slow one decides nothing
SPARE = 0.9  # of the time that is left, for more epochs
WORTH_IT = 1.2  # times more epochs: for fewer a run is not changed, which then cannot be repeated by the same settings
LATEST = 0.5  # share of the run up to which more epochs are planned


TUNING, MOST_TUNING = 0.04, 300  # share of the time, and seconds at most, for temperatures, and for relations
COUNTING = 5e-5  # seconds that n-grams of all orders take for an event
LEAST_COUNTED = 20_000  # events for the baselines, however short the time
COUNTED = 50_000  # events a minute on which they are counted, so that this takes a twentieth of the time at most


@dataclass(frozen=True)
class Clock:
    """The time that a run has.

    Parameters
    ----------
    begun
        When it began, by `time.monotonic`: reading the music is part of it.
    seconds
        How long it may take.
    testing, counted
        Events of the pieces that the result is measured on, and of those that the baselines are counted on.
    """

    begun: float
    seconds: float
    testing: int = 0
    counted: int = 0

    @classmethod
    def of(cls, settings: TrainingSettings, begun: float | None, testing: int, counted: int) -> Clock:
        """Of a run that began then, or now."""
        return cls(time.monotonic() if begun is None else begun, settings.max_minutes * 60, testing, counted)

    @property
    def tuning(self) -> float:
        """Seconds for temperatures after training, and as many for relations."""
        return min(TUNING * self.seconds, MOST_TUNING)

    def after(self, per_event: float, relates: bool) -> float:
        """Seconds that are kept for what comes after the last epoch, where an event takes so long to learn from."""
        return self.tuning * (1 + relates) + per_event * self.testing / 2 + COUNTING * self.counted

    def left(self, after: float) -> float:
        """Seconds until the last epoch has to be done."""
        return self.begun + self.seconds - after - time.monotonic()


def most_counted(settings: TrainingSettings) -> int:
    """Events that the baselines are counted on, so that they fit the time."""
    return min(MOST_EVENTS, max(int(COUNTED * settings.max_minutes), LEAST_COUNTED))


def going_on(plan: Plan, history: History, seconds_left: float) -> Plan:
    """The plan of a run whose epochs are done, with as many more as there is time for now, at least one."""
    each = median(entry["seconds"] for entry in history[-LAST:])
    more = max(int(max(seconds_left, 0) / each), 1)
    return replace(plan, epochs=len(history) + more, epochs_by="time", wanted=max(plan.wanted, len(history) + more))


def epochs_now(plan: Plan, history: History, seconds_left: float) -> int:
    """How many epochs are to be done in all, those that are done among them.

    Parameters
    ----------
    plan
        What is planned.
    history
        The epochs that are done, at least one.
    seconds_left
        Of the time that there is.
    """
    done, each = len(history), median(entry["seconds"] for entry in history[-LAST:])
    if done >= plan.epochs:
        return plan.epochs
    fitting = done + int(max(seconds_left, 0) / each)
    if fitting < plan.epochs:
        return max(fitting, done + 1)
    more = min(done + int(SPARE * seconds_left / each), plan.wanted)
    return more if done <= LATEST * plan.epochs and more >= WORTH_IT * plan.epochs else plan.epochs


def alarm_of(plan: Plan, history: History, epochs: int) -> Alarm:
    """That so many epochs are planned now, and why."""
    took = in_seconds(median(entry["seconds"] for entry in history[-LAST:]))
    planned = in_seconds(plan.seconds_per_epoch)
    is_slower = epochs < plan.epochs
    why = "the time is running out" if is_slower else "there is time for more"
    why = why if took == planned else f"an epoch takes {took}, not {planned}"
    return Alarm("slower" if is_slower else "faster", f"{why}: {counted(epochs, 'epoch')} planned now, not {plan.epochs}")
