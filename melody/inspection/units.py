"""Which units of a model follow something musical, and how many would by chance.

A unit is one number of the cell's state, after each note has been read, less its drift through the tune: a cell that only
grows would follow whatever only grows. Aspects that are numbers lose theirs as well. How well a unit follows an aspect is
the share of its variance that the aspect explains, both in ranks, so that one strange note counts as one note: the square of
Spearman's correlation with numbers, the correlation ratio with classes.

With hundreds of units some follow anything. So the aspect is put out of step with the tune a few hundred times: its values
are moved round by some notes, all by as many, so that what changes slowly still does (a permutation of single notes would
make everything look significant); the places in the bar, which come round as the bars do, change places within each bar.
Beside the units stands what the best of them reaches in 95 of 100 of these (the level that one tune in 20 passes by chance,
whatever the number of units), and how many units pass the 95th percentile of single units then and now.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from melody.inspection.aspects import Aspect, aspects
from melody.inspection.predicted import Doubles, Reading
from melody.piece import Ints

PERMUTATIONS = 200
LEVEL = 0.95
FEWEST = 16  # notes, fewer tell nothing


@dataclass(frozen=True)
class Unit:
    """One number of the state.

    Parameters
    ----------
    array
        Of the state, as 'c'.
    layer, number
        Counted from 1.
    explained
        Share of its variance that the aspect explains, 0 to 1.
    """

    array: str
    layer: int
    number: int
    explained: float

    @property
    def name(self) -> str:
        """As in 'c 2.137': unit 137 of the second layer."""
        return f"{self.array} {self.layer}.{self.number}"


@dataclass(frozen=True)
class Followers:
    """The units that follow an aspect.

    Parameters
    ----------
    aspect
        What they follow.
    units
        The best, the best first.
    chance
        What the best unit reaches by chance in 95 of 100 permutations.
    share, share_by_chance
        Share of the units that explain more than 95 of 100 units do in permutations; and the mean of that by chance, which
        is 0.05.
    num_units
        How many units there are.
    """

    aspect: Aspect
    units: tuple[Unit, ...]
    chance: float
    share: float
    share_by_chance: float
    num_units: int


def followers(readings: Sequence[Reading], best: int = 5, seed: int = 0) -> list[Followers]:
    """For each aspect the units that follow it best, beside chance.

    Parameters
    ----------
    readings
        Of one tune or several, by one model; of fewer than 16 notes in all there is nothing.
    best
        How many units are named.
    seed
        Of the permutations.
    """
    units = np.concatenate([_level(_values(reading)) for reading in readings])
    if len(units) < FEWEST or not units.shape[1]:
        return []
    names, units = _names(readings[0]), np.stack([ranked(unit) for unit in units.T], axis=1)
    rng = np.random.default_rng(seed)
    found = []
    for several in zip(*map(aspects, readings)):
        values = np.concatenate([aspect.values for aspect in several])
        if np.ptp(values) == 0:
            continue
        if not several[0].are_classes:
            ends = np.cumsum([len(reading.notes) for reading in readings])[:-1]
            values = np.concatenate([_level(part[:, None])[:, 0] for part in np.split(ranked(values), ends)])
        orders = [_out_of_step(readings, several[0].are_classes, rng) for _ in range(PERMUTATIONS)]
        found.append(_followed(several[0], names, units, values, values[np.stack(orders)], best))
    return found


def _followed(
    aspect: Aspect, names: Sequence[tuple[str, int, int]], units: Doubles, values: Doubles, moved: Doubles, best: int
) -> Followers:
    """The units in the order in which they follow an aspect."""
    true = explained(units, values[None], aspect.are_classes)[0]
    by_chance = explained(units, moved, aspect.are_classes)
    threshold = float(np.quantile(by_chance, LEVEL))
    order: list[int] = np.argsort(-true, kind="stable")[:best].tolist()
    best_ones = [(names[i], float(true[i])) for i in order]
    return Followers(
        aspect,
        tuple(Unit(*name, explains) for name, explains in best_ones),
        float(np.quantile(by_chance.max(axis=1), LEVEL)),
        float(np.mean(true > threshold)),
        float(np.mean(by_chance > threshold)),
        len(names),
    )


def unit_values(reading: Reading, unit: Unit) -> Doubles:
    """A unit after each note, (notes,)."""
    return np.asarray(_values(reading)[:, _names(reading).index((unit.array, unit.layer, unit.number))])


def _names(reading: Reading) -> list[tuple[str, int, int]]:
    """Array, layer and number of each unit."""
    return [
        (name, i // reading.hidden + 1, i % reading.hidden + 1)
        for name, array in reading.states.items()
        for i in range(array.shape[1])
    ]


def _values(reading: Reading) -> Doubles:
    """What each unit is after each note has been read, (notes, units)."""
    after = [array[reading.notes + 1] for array in reading.states.values()]  # the next event is predicted from it
    return np.concatenate(after, axis=1).astype(np.float64) if after else np.zeros((len(reading.notes), 0))


def _level(units: Doubles) -> Doubles:
    """Units without their drift from the beginning of a tune to its end, a straight line."""
    place = np.arange(len(units)) - (len(units) - 1) / 2
    return np.asarray(units - np.outer(place, place @ units / max(float(place @ place), 1.0)))


def explained(units: Doubles, values: Doubles, are_classes: bool) -> Doubles:
    """Share of each unit's variance that values explain.

    Parameters
    ----------
    units
        (notes, units).
    values
        (permutations, notes).
    are_classes
        Whether the values are classes.

    Returns
    -------
    array
        (permutations, units), 0 to 1; 0 of a unit that never changes.
    """
    centred = units - units.mean(axis=0)
    total = (centred**2).sum(axis=0)
    total[total < 1e-12] = np.inf
    if not are_classes:
        moved = values - values.mean(axis=1, keepdims=True)
        return np.asarray((moved @ centred) ** 2 / (total * (moved**2).sum(axis=1, keepdims=True)))
    found = np.zeros((len(values), units.shape[1]))
    for name in np.unique(values):
        member = (values == name).astype(np.float64)  # (permutations, notes)
        found += (member @ centred) ** 2 / np.maximum(member.sum(axis=1, keepdims=True), 1)
    return np.asarray(found / total)


def ranked(values: Doubles) -> Doubles:
    """The ranks of values, equal ones their mean, (values,).

    >>> ranked(np.array([3.0, 1.0, 3.0, 7.0]))
    array([2.5, 1. , 2.5, 4. ])
    """
    _, which, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2)[which.reshape(-1)])


def _out_of_step(readings: Sequence[Reading], are_classes: bool, rng: np.random.Generator) -> Ints:
    """Which note lends its value to each, within each tune: to those of its bar, or to all that are as far away."""
    found, start = [], 0
    for reading in readings:
        count = len(reading.notes)
        if are_classes:
            bar, _ = reading.piece.bar_and_position(reading.piece.onset)
            order = np.lexsort((rng.random(count), bar))
        else:
            least = max(count // 20, 1)
            order = np.roll(np.arange(count), int(rng.integers(least, max(count - least, least) + 1)))
        found.append(start + order)
        start += count
    return np.concatenate(found)
