"""Where in the beat the notes of a file stand: a constant offset, and what becomes of onsets that scatter around the grid.

A song out of a sequencer may lie off the grid by a constant. The beat is found as a musician finds it: it is where the
onsets are that matter, the long ones above all. All onsets, each weighed by the root of its length, are laid into one beat
(of the metre in force, from the bar line on), and a comb is moved over it, whose teeth stand on the beat, on its halves or
thirds and on what divides these (`_TEETH`). Of 1,034 tunes of the Nottingham collection the comb fits best where the beat
is in all but one; that one keeps its place, since a file is moved only where another place fits better by `MARGIN`.

Onsets that scatter are a score with jitter, as a sequencer adds it, or a performance. In a score they heap up at few places
of the quarter; of a performance they lie anywhere. Measured: within `_NEAR` of six heaps lie at most .40 of the onsets of
113 performances of piano music, and at least .54 of those of the Nottingham tunes with jitter of a standard deviation of up
to 20 ticks of 480.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from melody.corpus.read.doubts import FEW_NOTES, beat_of, is_metre
from melody.midi.file_events import END, START, Source
from melody.midi.sustain import later
from melody.piece import Ints
from melody.signatures import TICKS_PER_QUARTER

MARGIN = 0.17
FURTHER = 1.2  # times as strong must bar lines be that need a move by one beat more
SCATTERED = 0.5  # share of the onsets off the grid of scores, from which on a file is no plain score
HEAPED, BY_CHANCE = 0.4, 1.5  # share of the onsets near heaps, from which on it is a score with jitter: see `Heaped`
EXACT = 0.75  # share of those in the midst of a heap, from which on they do not scatter: they stand on a finer grid
ROUNDED = 0.5  # bins of spread up to which rounding to the grid of scores puts onsets right
Floats = NDArray[np.float64]
_BINS = 96
_NEAR = 2.0  # bins
_HEAPS, _LEAST, _APART = 6, 0.03, 5  # heaps at most; share of the onsets at one; bins between two
_OUT = 1.3  # times as many onsets are at a heap as beside it
_SIMPLE = {(0, 1): 1.0, (1, 2): 0.7, (1, 4): 0.35, (3, 4): 0.35, (1, 3): 0.35, (2, 3): 0.35}
_COMPOUND = {(0, 1): 1.0, (1, 3): 0.45, (2, 3): 0.45, (1, 6): 0.25, (3, 6): 0.25, (5, 6): 0.25}
Change = TypeVar("Change", tuple[int, int], tuple[int, int, int])


def _comb(teeth: dict[tuple[int, int], float]) -> Floats:
    comb = np.zeros(_BINS)
    for (part, parts), weight in teeth.items():
        comb[part * _BINS // parts] = weight
    return comb


_TEETH = {False: _comb(_SIMPLE), True: _comb(_COMPOUND)}
_COMBS = {kind: np.stack([np.roll(comb, by) for by in range(_BINS)]) for kind, comb in _TEETH.items()}  # at each place


def off_grid_share(source: Source, ticks_per_quarter: int = TICKS_PER_QUARTER) -> float:
    """Share of a file's onsets that lie off the grid by more than a tenth of its step, 0 to 1 (0.8 if they lie anywhere)."""
    onset = source.notes[START]
    step = source.ticks_per_quarter / ticks_per_quarter
    distance = np.abs(onset - np.rint(onset / step) * step)
    return float(np.mean(distance > max(0.1 * step, 0.75)))  # less than a tick is rounding


def is_played(source: Source) -> bool:
    """Whether a file is a performance: its onsets lie anywhere, whatever constant is taken away."""
    if off_grid_share(source) <= SCATTERED:
        return False
    source = without_offset(source)[0]
    return off_grid_share(source) > SCATTERED and not heaped(source).is_more_than_chance


# A constant offset


def without_offset(source: Source) -> tuple[Source, int]:
    """The file with its notes moved back onto the beat, and by how many ticks; 0 where they stand there or it is open."""
    ticks = -_offset(source)
    if not ticks:
        return source, 0
    notes = source.notes.copy()
    notes[START] = np.maximum(notes[START] + ticks, 0)
    notes[END] = np.maximum(notes[END] + ticks, 1)
    quarter = source.ticks_per_quarter
    metres = _moved(source.time_signatures, ticks, quarter)
    tempi, keys = _moved(source.tempi, ticks, quarter), _moved(source.keys, ticks, quarter)
    sustain = later(source.sustain, ticks)
    return replace(source, notes=notes, time_signatures=metres, tempi=tempi, keys=keys, sustain=sustain), ticks


def _moved(changes: Sequence[Change], ticks: int, quarter: int) -> tuple[Change, ...]:
    """The changes that stand as far off the sixteenths as the notes do are moved with them."""
    sixteenth = max(quarter // 4, 1)

    def away(tick: int) -> int:
        return min(tick % sixteenth, -tick % sixteenth)

    return tuple([at(c, max(c[0] + ticks, 0)) if c[0] > 0 and away(c[0] + ticks) < away(c[0]) else c for c in changes])


def at(change: Change, tick: int) -> Change:
    """The same change at another tick."""
    return cast(Change, (tick, *change[1:]))


def _offset(source: Source) -> int:
    """By how many ticks the notes come too late; less than 0 if too early."""
    onset, length = source.notes[START], source.notes[END] - source.notes[START]
    within, beat, bar = _within_bars(source)
    weight = np.sqrt(np.clip(length / beat, 0, 4))
    if not weight.any():
        return 0
    bar_place, within = within, within % beat
    bins = np.rint(within * _BINS / beat).astype(np.int64) % _BINS
    compound = np.isclose(beat / source.ticks_per_quarter % 1.5, 0)
    fits, tooth = np.zeros(_BINS), np.zeros(len(onset))
    for kind, combs in _COMBS.items():
        own = compound == kind
        if own.any():
            fits += combs @ _smooth(np.bincount(bins[own], weight[own], _BINS) / weight.sum())
    best = int(fits.argmax())
    if fits[best] - fits[0] < MARGIN:
        return 0
    for kind, comb in _TEETH.items():
        own = compound == kind
        tooth[own] = _nearest((within[own] / beat[own] * _BINS - best) % _BINS, np.flatnonzero(comb))
    late = (within / beat * _BINS - best - tooth + _BINS / 2) % _BINS - _BINS / 2
    close = np.abs(late) < 1.5
    if np.sum(close & (tooth == 0)) >= FEW_NOTES:
        close &= tooth == 0  # thirds are not always whole ticks
    late_ticks = int(np.rint(np.median(((best + late) * beat / _BINS)[close])))
    by_strength = _Candidates(bar_place, bar, weight, float(beat[0]), int(onset.min()))
    late_ticks = by_strength.best(late_ticks)
    return late_ticks + _silent_bars(source, int(onset.min()) - late_ticks, int(bar[0]))


def _silent_bars(source: Source, first: int, bar: int) -> int:
    """The ticks of the whole bars before the first note: in a file that is late as a whole they are part of the offset.

    Whether it is late by a bar or early by less cannot be known. None where anything else would have to move with the notes.
    """
    changes = (*source.time_signatures, *source.tempi, *source.keys)
    return 0 if any(change[0] > 0 for change in changes) else max(first, 0) // max(bar, 1) * bar


class _Candidates(NamedTuple):
    """Notes that are late by some ticks or by some beats more or less: what would put the strong ones on bar lines.

    Parameters
    ----------
    place, bar, weight
        Of each note: where in its bar it begins, how long that is, and what it counts, (notes,) each.
    beat, first
        The length of the first beat, and when the first note begins, in ticks.
    """

    place: Floats
    bar: Floats
    weight: Floats
    beat: float
    first: int

    def best(self, late: int) -> int:
        """By how many ticks: whatever has the strongest bar lines, one beat more having to be stronger by `FURTHER`."""
        beats = max(int(self.bar[0] // self.beat), 1)
        all_late = [late + round(step * self.beat) for step in range(-1, beats)]
        possible = [ticks for ticks in all_late if ticks <= self.first + self.beat / 12] or [late]
        return max(possible, key=lambda ticks: self._strength(ticks) * FURTHER ** (-abs(ticks) / self.beat))

    def _strength(self, late: int) -> float:
        """Of the notes that begin at a bar line if all are late by that much."""
        place = (self.place - late) % self.bar
        return float(self.weight[np.minimum(place, self.bar - place) < self.beat / 8].sum())


def _within_bars(source: Source) -> tuple[Floats, Floats, Floats]:
    """Where in its bar each onset is, and how long its beat and its bar are, in ticks of the file, (notes,) thrice."""
    quarter, onset = source.ticks_per_quarter, source.notes[START]
    metres = sorted((m for m in source.time_signatures if is_metre(*m[1:])), key=lambda m: m[0]) or [(0, 4, 4)]
    at = np.array([tick for tick, _, _ in metres])
    at -= at[0] if at[0] % quarter else 0  # a file that begins late as a whole
    beats = np.array([beat_of(n, d) for _, n, d in metres]) * quarter / TICKS_PER_QUARTER
    bars = np.array([4 * quarter * n / d for _, n, d in metres])
    which = np.maximum(np.searchsorted(at, onset, side="right") - 1, 0)
    return (onset - at[which]) % bars[which], beats[which], bars[which]


def _smooth(shares: Floats) -> Floats:
    """Each with half of both that stand beside it."""
    smooth: Floats = shares + 0.5 * (np.roll(shares, 1) + np.roll(shares, -1))
    return smooth


def _nearest(at: Floats, places: Ints) -> Floats:
    """The nearest of some places in a circle of bins, one turn further where that is nearer."""
    round_about = np.append(places, places[0] + _BINS)
    nearest: Floats = round_about[np.abs(at[:, None] - round_about).argmin(1)].astype(np.float64)
    return nearest


# Heaps of onsets


class Heaped(NamedTuple):
    """How the onsets of a file heap up.

    Parameters
    ----------
    onsets
        How many there are.
    near
        Share of them near the places of the quarter where most are, 0 to 1 (0.26 of very many that lie anywhere).
    exact
        Of these, the share that lie in the very bin.
    spread
        Of these, the median distance from the middle of the heap, in bins.
    """

    onsets: int
    near: float
    exact: float
    spread: float

    @property
    def is_more_than_chance(self) -> bool:
        """Whether these heaps are no accident: among few onsets that lie anywhere some always come together."""
        return self.near >= HEAPED + BY_CHANCE / math.sqrt(self.onsets)


def heaped(source: Source) -> Heaped:
    """How the onsets of a file heap up."""
    within = _within_quarters(source.notes[START], source)
    away = np.array([_away(within, heap) for heap in _heaps(within)]).reshape(-1, len(within)).min(0, initial=_BINS)
    near = away[away <= _NEAR]
    exact = float(np.mean(near <= 0.5)) if len(near) else 0.0
    return Heaped(len(within), len(near) / len(within), exact, float(np.median(near)) if len(near) else 0.0)


def is_jittered(source: Source) -> bool:
    """Whether the onsets of a file scatter around few places of the quarter."""
    found = heaped(source)
    scatters = found.exact < EXACT and found.spread > ROUNDED
    return off_grid_share(source) > SCATTERED and found.is_more_than_chance and scatters


def without_jitter(source: Source) -> tuple[Source, bool]:
    """A file whose onsets heap up, each onset and end at the place that its heap stands for; and whether it swings.

    These are sixteenths; triplets, thirty-seconds and sixths where there are heaps at those; and for eighths that come late,
    without any on the half of the quarter, the second third, as they are written where they are not meant to be straight.
    """
    onset, quarter = source.notes[START], source.ticks_per_quarter
    within = _within_quarters(onset, source)
    share = np.bincount(np.rint(within).astype(np.int64) % _BINS, minlength=_BINS) / len(within)
    height = np.convolve(np.concatenate([share[-2:], share, share[:2]]), np.ones(5), "valid")
    swings = bool(height[52:63].max() >= 2 * height[46:51].max() and height[52:63].max() >= _LEAST)

    def stands_out(place: int, least: float, apart: int) -> bool:
        return bool(height[place] >= least and height[place] > _OUT * max(height[place - apart], height[place + apart]))

    thirds = [place for place in (32, 64) if stands_out(place, _LEAST, 5)]
    finer = [place for place in (12, 36, 60, 84) if stands_out(place, _LEAST / 3, 6)]
    finer += [place for place in (16, 80) if stands_out(place, _LEAST / 3, 4)]
    straight = [0, 24, 72] if swings else [0, 24, 48, 72]
    places = np.array(sorted({*straight, *thirds, *finer, *([64] if swings else [])}))
    start = _put(onset, places, source, swings)
    end = np.maximum(_put(source.notes[END], places, source, swings), start + np.maximum(quarter // 12, 1))
    notes = source.notes.copy()
    notes[START], notes[END] = start, end
    return replace(source, notes=notes), swings


def _put(tick: Ints, places: Ints, source: Source, swings: bool) -> Ints:
    """Ticks at the nearest of those places of the quarter; where it swings, what stands in its midst is late."""
    quarter = source.ticks_per_quarter
    within = _within_quarters(tick, source)
    nearest = _nearest(within, places)
    if swings:
        nearest[(within > 42) & (within < 68)] = 64
    put: Ints = tick + np.rint((nearest - within) * quarter / _BINS).astype(np.int64)
    return np.maximum(put, 0)


def _within_quarters(tick: Ints, source: Source) -> Floats:
    within: Floats = tick % source.ticks_per_quarter * _BINS / source.ticks_per_quarter
    return within


def _heaps(within: Floats) -> list[int]:
    """The bins where most onsets are, the highest first."""
    share = np.bincount(np.rint(within).astype(np.int64) % _BINS, minlength=_BINS) / max(len(within), 1)
    height = share + sum(w * (np.roll(share, by) + np.roll(share, -by)) for by, w in ((1, 0.75), (2, 0.5)))
    heaps: list[int] = []
    while len(heaps) < _HEAPS and height.max() >= _LEAST:
        top = int(height.argmax())
        heaps.append(top)
        height[np.arange(top - _APART, top + _APART + 1) % _BINS] = -1
    return heaps


def _away(within: Floats, place: int) -> Floats:
    away: Floats = np.abs((within - place + _BINS / 2) % _BINS - _BINS / 2)
    return away
