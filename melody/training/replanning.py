"""Keeping to the time: more or fewer epochs, as the machine turns out to be faster or slower than it was measured to be.

The learning rate is a function of the share of the planned run that has passed. Fewer epochs let it fall at once, so that a
run that the clock ends has cooled down. More epochs let it rise again, to where it would be had they been planned from the
start; so they are planned in the first half of a run alone, where that is a factor of two at most.
"""

from __future__ import annotations

from statistics import median

from melody.text import counted
from melody.training.records import Alarm, History, Plan, in_seconds

LAST = 5  # epochs whose median is how long one takes: a single slow one decides nothing
SPARE = 0.9  # of the time that is left, for more epochs
WORTH_IT = 1.2  # times more epochs: for fewer a run is not changed, which then cannot be repeated by the same settings
LATEST = 0.5  # share of the run up to which more epochs are planned


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
