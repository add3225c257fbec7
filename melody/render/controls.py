"""A channel's volume, pan and pitch bend as functions of time, and when all its sound is cut off.

Conventions
-----------
Times are sample indices from the beginning of the piece. Volume and expression are gains of (value / 127)^2 each, which is
40 log10 dB (General MIDI 2, section 3.3; DLS 1): relative to the volume of 100 that General MIDI starts from, so that a part
whose file sets none sounds as the piece alone does, and volume 127 is 4.2 dB above it. Pan is that of RP-036: 1 (and 0)
left, 64 in the middle, 127 right; it is added to the pan of the soundfont. Gain and pan glide to a new value within
`GLIDE` samples, 1.5 ms, without which a change would click.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from melody.midi.performance import DEFAULTS, Kind, Performance
from melody.piece import Piece

Doubles = NDArray[np.float64]
GLIDE = 64


class Steps(NamedTuple):
    """A value that holds until the next change.

    Parameters
    ----------
    at
        Ascending, (changes,); the first one at or before the beginning.
    values
        From each of these on, (changes,).
    """

    at: Doubles
    values: Doubles

    def within(self, begin: int, end: int) -> Steps:
        """Those in force in samples [begin, end)."""
        first = max(int(np.searchsorted(self.at, begin, side="right")) - 1, 0)
        last = max(int(np.searchsorted(self.at, end, side="left")), first + 1)
        return Steps(self.at[first:last], self.values[first:last])

    @property
    def is_steady(self) -> bool:
        """Whether it is one value."""
        return bool((self.values == self.values[0]).all())

    def value(self, samples: Doubles) -> Doubles:
        """The value at each of these."""
        return self.values[np.searchsorted(self.at, samples, side="right") - 1]

    def glided(self, start: int, begin: int, end: int) -> Doubles:
        """The value at samples [begin, end) of a sound from `start` on: the mean of the `GLIDE` before, if it sounded."""
        now = np.arange(begin, end, dtype=np.float64)
        before = np.maximum(now - GLIDE, start)
        since = np.maximum(now - before, 1)
        return np.where(now > before, (self._summed(now) - self._summed(before)) / since, self.value(now))

    def _summed(self, samples: Doubles) -> Doubles:
        """The integral from the first change to each of these."""
        integrals = np.concatenate([[0.0], np.cumsum(np.diff(self.at) * self.values[:-1])])
        place = np.searchsorted(self.at, samples, side="right") - 1
        return integrals[place] + (samples - self.at[place]) * self.values[place]


class Controls(NamedTuple):
    """The controllers of a channel over time.

    Parameters
    ----------
    gain
        Of amplitude, 1 for what General MIDI starts from.
    pan
        -500 to 500, left to right.
    bend
        Cents.
    cuts
        When all sound is cut off, ascending, (cuts,).
    """

    gain: Steps
    pan: Steps
    bend: Steps
    cuts: Doubles

    @classmethod
    def of(cls, performance: Performance, channel: int, piece: Piece, sample_rate: int) -> Controls:
        """Those of a channel."""

        def steps(kind: Kind) -> Steps:
            ticks, values = performance.of(channel, kind)
            return _steps(np.round(piece.seconds(ticks) * sample_rate), values, DEFAULTS[kind])

        volume, expression, pan = steps(Kind.VOLUME), steps(Kind.EXPRESSION), steps(Kind.PAN)
        at = np.union1d(volume.at, expression.at)
        gain = (volume.value(at.clip(volume.at[0])) / 100 * expression.value(at.clip(expression.at[0])) / 127) ** 2
        cuts = np.round(piece.seconds(performance.of(channel, Kind.SOUND_OFF)[0]) * sample_rate)
        return cls(Steps(at, gain), Steps(pan.at, (pan.values - 1).clip(0) / 126 * 1000 - 500), steps(Kind.BEND), cuts)

    def bend_from(self, begin: int, end: int) -> Steps | None:
        """The bend of a sound in samples [begin, end), counted from its beginning; None if there is none."""
        bend = self.bend.within(begin, end)
        return Steps(bend.at - begin, bend.values) if bend.values.any() else None

    def cut_after(self, sample: int) -> float:
        """When the sound that begins at a sample is cut off; infinity if it is not."""
        place = int(np.searchsorted(self.cuts, sample, side="right"))
        return float(self.cuts[place]) if place < len(self.cuts) else np.inf


def _steps(at: Doubles, values: Doubles, default: float) -> Steps:
    """Of changes by time; of those within `GLIDE` samples, which sound the same, the last."""
    is_last = np.append(np.diff(at // GLIDE) > 0, True)[: len(at)]
    at, values = at[is_last], values[is_last]
    first = 0 if len(at) and at[0] <= 0 else 1  # what holds at first is not heard if it changes at once
    return Steps(np.append(np.full(first, -1.0), at), np.append(np.full(first, default), values))


def controls_of(performance: Performance, piece: Piece, sample_rate: int) -> list[Controls]:
    """Of each part of the piece its channel's controls."""
    found = {channel: Controls.of(performance, channel, piece, sample_rate) for channel in set(performance.channels)}
    return [found[channel] for channel in performance.channels]


def is_silenced(performance: Performance, piece: Piece) -> bool:
    """Whether volume or expression is 0 throughout on every channel that plays."""
    controls = controls_of(performance, piece, 1000)
    return all(not controls[part].gain.values.any() for part in np.unique(piece.part).tolist())
