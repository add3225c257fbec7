"""The beats of a performance, from what the network believes of its onsets: the likeliest path of a bar pointer.

A pointer goes through the beat, from 0 to 1 in so many frames as the beat has, and from one beat to the next the beat may
become longer or shorter (Whiteley et al. 2006). The states, whole frames of 20 ms, and changes of tempo that happen at
beats and cost in proportion to the logarithm of their ratio, are those of Krebs et al. (2015). Each onset says how likely
the pointer is where it is, a beat where nothing begins costs something, and the likeliest path is found by dynamic
programming. Beats beside an onset are moved there.

Measured on recorded performances whose scores say where the beats are (`scripts/measure_beats.py`, docs/experiments.md).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from melody.corpus.read.beats.belief import PERIODS, PLACES, Belief, Reals, believed
from melody.corpus.read.beats.onsets import FEWEST, Floats, firsts, onsets_of
from melody.piece import Ints

FRAME = 0.02  # seconds
SHORTEST, LONGEST = 0.2, 2.4  # seconds of a beat
STEADY = 15.0  # nats for a tempo change by a factor of e
SILENT = 2.0  # nats for a beat where nothing begins
OF_PLACE, OF_PERIOD = 0.7, 0.1  # what the network's words count: those of onsets side by side are no two witnesses
AT_LEAST = 0.005  # probability of whatever the network rules out
NEAR = 0.06  # seconds from which a beat is moved to an onset
SUDDEN = 0.3  # change of the logarithm of the period from beat to beat that players rarely make


class Beats(NamedTuple):
    """The beats of a performance.

    Parameters
    ----------
    times
        In seconds, rising, (beats,).
    agreement
        The mean probability that the network gives to the places that onsets have in these beats, 0 to 1.
    sudden
        The share of beats that are longer or shorter by much than the one before, 0 to 1.
    """

    times: Floats
    agreement: float
    sudden: float


def beats_of(notes: Floats) -> Beats | None:
    """Of onsets and ends in seconds, pitches and velocities, (4, notes), sorted by onset; None if there is too little."""
    if not notes.shape[1] or len(firsts(notes[0])) < FEWEST:
        return None
    times, _, features = onsets_of(notes)
    belief = believed(features)
    start = times[0] - 5 * FRAME
    frames = np.rint((times - start) / FRAME).astype(np.int64)
    beats = _beside_onsets(_path(frames, belief) * FRAME + start, times)
    if len(beats) < 3:
        return None
    changes = np.abs(np.diff(np.log(np.diff(beats))))
    return Beats(beats, _agreement(times, belief, beats), float(np.mean(changes > SUDDEN)))


def _periods() -> Ints:
    """The lengths of beats, in frames, at least 3 % apart."""
    periods = [round(SHORTEST / FRAME)]
    while periods[-1] < LONGEST / FRAME:
        periods.append(max(periods[-1] + 1, round(periods[-1] * 1.03)))
    return np.array(periods)


def _path(frames: Ints, belief: Belief) -> Ints:
    """The frames of the beats of the likeliest path, given the frames of the onsets."""
    periods = _periods()
    first = np.cumsum(periods) - periods  # state of each period's frame 0, in which the beat is
    which = np.repeat(np.arange(len(periods)), periods)
    place = np.rint((np.arange(periods.sum()) - first[which]) / periods[which] * PLACES).astype(np.int64) % PLACES
    of_place, of_period = _likelihoods(belief, periods)
    changes = -STEADY * np.abs(np.log(periods[:, None] / periods)).astype(np.float32)
    changes -= np.log(np.exp(changes).sum(0))  # (to, from)
    silent = _silent(frames)
    likely, last = np.zeros(periods.sum(), np.float32), first + periods - 1
    came = np.zeros((len(silent), len(periods)), np.int16)
    every, at = np.arange(len(periods)), 0
    for frame, cost in enumerate(silent):
        if frame:
            gone = changes + likely[last]
            came[frame] = gone.argmax(1)
            likely[1:] = likely[:-1].copy()
            likely[first] = gone[every, came[frame]] - cost
        while at < len(frames) and frames[at] == frame:
            likely += of_place[at][place]
            likely += of_period[at][which]
            at += 1
    state = int(likely.argmax())
    return _back(came, periods, len(silent) - 1 - (state - int(first[which[state]])), int(which[state]))


def _back(came: NDArray[np.int16], periods: Ints, frame: int, period: int) -> Ints:
    """The beats of a path, from its last one."""
    beats = []
    while frame >= 0:
        beats.append(frame)
        period = int(came[frame, period])
        frame -= int(periods[period])
    return np.array(beats[::-1])


def _likelihoods(belief: Belief, periods: Ints) -> tuple[Reals, Reals]:
    """Of each place of the beat, (onsets, places), a place beside the right one being half as good; of each period."""
    near = np.maximum(np.roll(belief.places, 1, 1), np.roll(belief.places, -1, 1)) / 2
    of_place = OF_PLACE * np.log(np.maximum(belief.places, near) + AT_LEAST)
    nearest = np.abs(np.log(periods[:, None] * FRAME / PERIODS)).argmin(1)
    of_period = OF_PERIOD * np.log(belief.periods + AT_LEAST)[:, nearest]
    return of_place.astype(np.float32), of_period.astype(np.float32)


def _silent(frames: Ints) -> Reals:
    """What a beat costs in each frame: nothing within two of an onset."""
    cost = np.full(int(frames[-1]) + 2, SILENT, np.float32)
    for beside in range(-2, 3):
        cost[np.clip(frames + beside, 0, len(cost) - 1)] = 0
    return cost


def _beside_onsets(beats: Floats, times: Floats) -> Floats:
    """The beats, each moved to the onset that is nearest if it is near."""
    after = np.clip(np.searchsorted(times, beats), 1, len(times) - 1)
    nearest = np.where(times[after] - beats < beats - times[after - 1], times[after], times[after - 1])
    return np.unique(np.where(np.abs(nearest - beats) <= NEAR, nearest, beats))


def _agreement(times: Floats, belief: Belief, beats: Floats) -> float:
    inside = (times >= beats[0]) & (times <= beats[-1])
    place = np.rint(np.interp(times[inside], beats, np.arange(len(beats))) % 1 * PLACES).astype(np.int64)
    own, rows = belief.places[inside], np.arange(len(place))
    return float(np.mean(sum(own[rows, (place + beside) % PLACES] for beside in (-1, 0, 1))))
