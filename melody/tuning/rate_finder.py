"""A learning rate by the range test of Smith (2017): it rises exponentially, and the loss says where it is good.

While the rate is too small the loss hardly falls, in its best range it falls steeply, and beyond it rises. Lightning has a
finder, too, for a trainer and a module of its own kind; but what is searched here learns in the bare loop of
`melody.comparison.learning`, needs no checkpoint to go back to, and so takes fewer lines than wrapping it would.

Nothing takes the rate that is found unless somebody says so.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from melody.comparison.learning import Learner, Music, Run
from melody.errors import TrainingError

LOW, HIGH = 1e-5, 1.0
STEPS = 200
SMOOTHING = 0.9  # share of the loss so far in the smoothed one
TOO_MUCH = 2.0  # times the smallest smoothed loss: from there on nothing is learnt any more
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Rising:
    """How the rate rises.

    Parameters
    ----------
    steps
        Of the optimizer, 20 to 10,000.
    low, high
        The first and the last rate.
    """

    steps: int = STEPS
    low: float = LOW
    high: float = HIGH

    def __post_init__(self) -> None:
        if not 20 <= self.steps <= 10_000:
            raise TrainingError(f"`steps` is {self.steps}; it must be from 20 to 10,000")
        if not 0 < self.low < self.high <= 10:
            raise TrainingError(f"the rates are {self.low:g} to {self.high:g}; they must rise, above 0 and to 10 at most")

    def rate(self, step: int) -> float:
        """Of a step, from 0."""
        return float(self.low * (self.high / self.low) ** (step / (self.steps - 1)))


class FoundRate(NamedTuple):
    """What came of it.

    Parameters
    ----------
    rates, losses, smoothed
        Of each step that was made, in nats an event, (steps,).
    steepest
        The rate at which the smoothed loss falls fastest with the logarithm of the rate: with Adam a low one, as the loss of
        a network that has learnt nothing falls fast whatever the rate.
    lowest
        That of the lowest smoothed loss: beyond it a training falls apart, so that a tenth of it is the rule of thumb.
    """

    rates: Floats
    losses: Floats
    smoothed: Floats
    steepest: float
    lowest: float


def find_rate(
    music: Music, run: Run, rising: Rising | None = None, on_step: Callable[[float], None] | None = None
) -> FoundRate:
    """Let a network learn with a rate that rises until it learns nothing any more.

    Parameters
    ----------
    music
        Whose training pieces are learnt.
    run
        The network, its batches and its seed; rate and time are not looked at.
    rising
        How the rate rises.
    on_step
        Called with the share of the steps that is done.
    """
    rising = rising or Rising()
    learner, losses = Learner(music, run), list[float]()
    for step, window in zip(range(rising.steps), learner.windows()):
        nats, events = learner.step(window, rising.rate(step))
        losses.append(float(nats) / events)
        smooth = smoothed(losses)
        if not math.isfinite(losses[-1]) or smooth[-1] > TOO_MUCH * smooth.min():
            losses.pop()
            break
        if on_step:
            on_step((step + 1) / rising.steps)
    rates = np.array([rising.rate(step) for step in range(len(losses))])
    return suggested(rates, np.array(losses))


def smoothed(losses: list[float] | Floats) -> Floats:
    """Exponentially, each mean without the bias of having begun at 0 (as Adam's, Kingma and Ba 2015)."""
    mean, found = 0.0, []
    for number, loss in enumerate(losses, 1):
        mean = SMOOTHING * mean + (1 - SMOOTHING) * loss
        found.append(mean / (1 - SMOOTHING**number))
    return np.array(found)


def suggested(rates: Floats, losses: Floats) -> FoundRate:
    """The rates that a curve suggests.

    Raises
    ------
    TrainingError
        If the curve is too short or never falls.
    """
    if len(losses) < 10:
        raise TrainingError(
            f"the loss rose after {len(losses)} steps, at a learning rate of {rates.max(initial=0):.2g}; "
            "begin with a smaller one"
        )
    smooth = smoothed(losses)
    lowest = int(smooth.argmin())
    slope = np.gradient(smooth, np.log(rates))[: lowest + 1]
    if lowest < 2 or slope.min() >= 0:
        raise TrainingError("the loss never fell while the learning rate rose; try more steps, or look at the music")
    return FoundRate(rates, losses, smooth, float(rates[int(slope.argmin())]), float(rates[lowest]))
