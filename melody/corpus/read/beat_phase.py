"""Where in the beat the notes of a file stand: a constant offset, and what becomes of onsets that scatter around the grid.

A song out of a sequencer may lie off the grid by a constant. The beat is found as a musician finds it: it is where the
onsets are that matter, the long ones above all. All onsets, each weighed by the root of its length, are laid into one beat
(of the metre in force, from the bar line on), and a comb is moved over it, whose teeth stand on the beat, on its halves or
thirds and on what divides these (`_TEETH`). Of 1,034 tunes of the Nottingham collection the comb fits best where the beat
is in all but one. A file is moved only where another place fits better by a margin. Which beat of the bar that is, and how
many bars of silence are part of what a file is late by, is found in `lateness`.

Onsets that scatter are a score with jitter, as a sequencer adds it, or a performance. In a score they heap up at few places
of the quarter; of a performance they lie anywhere. Measured: within `_NEAR` of six heaps lie at most .40 of the onsets of
113 performances of piano music, and at least .54 of those of the Nottingham tunes with jitter of a standard deviation of up
to 20 ticks of 480.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from melody.corpus.read.doubts import FEW_NOTES, beat_of, is_metre
from melody.corpus.read.lateness import Placed, moved
from melody.midi.file_events import END, START, Source
from melody.piece import Ints
from melody.signatures import TICKS_PER_QUARTER

MARGIN, MARGIN_IF_LATE = 0.17, 0.07  # of what could be; less is needed if there is as much silence in front
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


def _comb(teeth: dict[tuple[int, int], float]) -> Floats:
    comb = np.zeros(_BINS)
    for (part, parts), weight in teeth.items():
        comb[part * _BINS // parts] = weight
    return comb


def _smooth(shares: Floats) -> Floats:
    """Each with half of both that stand beside it."""
    smooth: Floats = shares + 0.5 * (np.roll(shares, 1, -1) + np.roll(shares, -1, -1))
    return smooth


_TEETH = {False: _comb(_SIMPLE), True: _comb(_COMPOUND)}
_COMBS = {kind: np.stack([np.roll(comb, by) for by in range(_BINS)]) for kind, comb in _TEETH.items()}  # at each place
_MOST = {kind: _smooth(combs - combs[0]).max(1) for kind, combs in _COMBS.items()}  # by how much each fits better at most


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
    return (moved(source, ticks), ticks) if ticks else (source, 0)


def _offset(source: Source) -> int:
    """By how many ticks the notes come too late; less than 0 if too early."""
    placed = _placed(source)
    if not placed.weight.any():
        return 0
    compound = np.isclose(placed.beat / source.ticks_per_quarter % 1.5, 0)
    best = _beat(placed, compound)
    if best is None:
        return 0
    late = _late(placed, compound, best)
    ticks = round(float(np.median(late)))
    if best or (ticks and np.mean(late == ticks) > 0.5):
        return placed.late(ticks)
    return placed.late(0) if placed.start >= placed.beat[placed.first] else 0


def _beat(placed: Placed, compound: NDArray[np.bool_]) -> int | None:
    """In which bin the beat is, 0 where it is open whether another fits better; None if there is no beat."""
    bins = np.rint(placed.place % placed.beat * _BINS / placed.beat).astype(np.int64) % _BINS
    fits, most = np.zeros(_BINS), np.zeros(_BINS)
    for kind, combs in _COMBS.items():
        own = compound == kind
        share = np.bincount(bins[own], placed.weight[own], _BINS) / placed.weight.sum()
        fits += combs @ _smooth(share)
        most += _MOST[kind] * share.sum()
    best = int(fits.argmax())
    if fits[best] - np.median(fits) < MARGIN:
        return None
    may_be_late = best * placed.beat[placed.first] <= _BINS * (placed.start + 1)
    return best if fits[best] - fits[0] >= most[best] * (MARGIN_IF_LATE if may_be_late else MARGIN) else 0


def _late(placed: Placed, compound: NDArray[np.bool_], best: int) -> Floats:
    """By how many ticks each of the notes is late that stand near a tooth of the comb in that bin."""
    within, tooth = placed.place % placed.beat / placed.beat * _BINS, np.zeros(len(placed.place))
    for kind, comb in _TEETH.items():
        own = compound == kind
        tooth[own] = _nearest((within[own] - best) % _BINS, np.flatnonzero(comb))
    late = (within - best - tooth + _BINS / 2) % _BINS - _BINS / 2
    close = np.abs(late) < 1.5
    if np.sum(close & (tooth == 0)) >= FEW_NOTES:
        close &= tooth == 0  # thirds are not always whole ticks
    ticks: Floats = np.rint((best + late) * placed.beat / _BINS)[close]
    return ticks


def _placed(source: Source) -> Placed:
    """Where in its bar each note begins, each weighed by the root of its length, of up to four beats."""
    quarter, onset = source.ticks_per_quarter, source.notes[START]
    metres = sorted((m for m in source.time_signatures if is_metre(*m[1:])), key=lambda m: m[0]) or [(0, 4, 4)]
    beats = np.array([beat_of(n, d) for _, n, d in metres]) * quarter / TICKS_PER_QUARTER
    bars = np.array([4 * quarter * n / d for _, n, d in metres])
    at = np.array([tick for tick, _, _ in metres])
    before = np.append(quarter, bars[:-1])
    late = np.append(at[0], np.diff(at)) % before  # what stands in mid-bar is as late as the notes are
    at -= np.cumsum(np.where(late < before - quarter / 12, late, 0)).astype(np.int64)
    which = np.maximum(np.searchsorted(at, onset, side="right") - 1, 0)
    beat, bar, first = beats[which], bars[which], int(onset.argmin())
    weight = np.sqrt(np.clip((source.notes[END] - onset) / beat, 0, 4))
    return Placed((onset - at[which]) % bar, bar, beat, weight, first, int(onset[first]))


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
