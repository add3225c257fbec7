"""One region of a soundfont sounding at one key: sample, pitch, filter, envelope.

Everything is a function of time since the onset of the note, so that any stretch of any note can be computed by itself, and
a note of an hour needs no more memory than one of a second. A *wave* is a note before its envelope: it depends on
neither velocity nor duration, so that one wave serves all notes of a pitch. Times here are sample indices at the output
rate unless the name ends in `_seconds`.

Source: SoundFont Technical Specification 2.04, chapters 8 and 9. What the text leaves open is done as FluidSynth does it:
attenuation counts 0.4-fold (as on the EMU8000 most fonts were tuned on), velocity does not move the filter. The
modulation envelope is not released with the note.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from melody.render.controls import Controls, Steps
from melody.render.generators import Gen
from melody.render.soundfont import Region, SoundFont

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
_Address = TypeVar("_Address", bound=Hashable)

CONTROL_STEP = 64  # samples between two values of an envelope or an LFO
HOP = 256  # samples between two settings of the filter
SILENT_DB = 80.0  # below the top of the note
ATTENUATION_SCALE = 0.4
MIN_RELEASE_SECONDS = 0.016  # 100 dB in less would click
MAX_RELEASE_SECONDS = 8.0
MAX_NOTE_SECONDS = 300  # longer is a note that was never ended
CHOKE_SECONDS = 0.15
NEVER = 2**62
MAX_BEND = 12000  # cents, ten octaves
CACHED_SECONDS = 10  # of one wave
CACHED_BYTES = 2**27
CACHED_FRAMES = 2**25  # of decoded samples, 128 MB


class Envelope(NamedTuple):
    """Six-stage envelope in seconds; `decay` and `release` are the times of a fall through the whole scale."""

    delay: float
    attack: float
    hold: float
    decay: float
    sustain: float  # how far below the peak: dB of volume, or a fraction of the modulation

    @property
    def decay_start(self) -> float:
        """When the decay begins."""
        return self.delay + self.attack + self.hold

    def fall(self, t: Doubles, scale: float) -> Doubles:
        """How far below the peak at `t`, once the attack is over."""
        return np.clip((t - self.decay_start) * (scale / self.decay), 0, self.sustain)

    def rise(self, t: Doubles) -> Doubles:
        """The part of the peak the attack has reached at `t`, 0 to 1."""
        return np.clip((t - self.delay) / self.attack, 0, 1)


def volume_envelope(region: Region, key: int) -> Envelope:
    """Delay, attack, hold, decay, sustain of the volume; a fall through 100 dB is the scale of decay and release."""
    by_key = 60 - key
    return Envelope(
        _seconds(region[Gen.VOL_DELAY], 0.0),
        _seconds(region[Gen.VOL_ATTACK]),
        _seconds(region[Gen.VOL_HOLD] + by_key * region[Gen.VOL_HOLD_KEY], 0.0),
        _seconds(region[Gen.VOL_DECAY] + by_key * region[Gen.VOL_DECAY_KEY]),
        min(region[Gen.VOL_SUSTAIN] / 10, 100.0),
    )


def modulation_envelope(region: Region, key: int) -> Envelope:
    """The envelope that bends pitch and filter, its sustain a fraction below the peak."""
    by_key = 60 - key
    return Envelope(
        _seconds(region[Gen.MOD_DELAY], 0.0),
        _seconds(region[Gen.MOD_ATTACK]),
        _seconds(region[Gen.MOD_HOLD] + by_key * region[Gen.MOD_HOLD_KEY], 0.0),
        _seconds(region[Gen.MOD_DECAY] + by_key * region[Gen.MOD_DECAY_KEY]),
        region[Gen.MOD_SUSTAIN] / 1000,
    )


def release_seconds(region: Region) -> float:
    """Time of a fall through 100 dB after the note."""
    return min(max(_seconds(region[Gen.VOL_RELEASE]), MIN_RELEASE_SECONDS), MAX_RELEASE_SECONDS)


def peak_gain(region: Region, velocity: int) -> float:
    """Amplitude at the top of the envelope: (velocity / 127)^2, less the attenuation (section 8.4.1)."""
    if region[Gen.VELOCITY] > 0:
        velocity = region[Gen.VELOCITY]
    return (velocity / 127) ** 2 * 10 ** (-ATTENUATION_SCALE * region[Gen.ATTENUATION] / 200)


class Voice(NamedTuple):
    """A region playing in a note."""

    region: Region
    key: int
    start: int  # sample at which the note begins
    off: int  # samples from there to its end
    choke: int  # samples from there to where another hi-hat cuts it off; a huge number if none does
    gain: float
    controls: Controls | None = None  # of its channel, in samples from the beginning of the piece
    bend: Steps | None = None  # in samples from the beginning of the note; None if there is none

    def length(self, sample_rate: int) -> int:
        """Samples until it has died away."""
        envelope, off = volume_envelope(self.region, self.key), self.off / sample_rate
        fallen = float(envelope.fall(np.array(off), 100.0)) if off > envelope.decay_start else 0.0
        end = off + release_seconds(self.region) * max(SILENT_DB - fallen, 0) / 100
        if envelope.sustain >= SILENT_DB:
            end = min(end, envelope.decay_start + envelope.decay * SILENT_DB / 100)
        if self.region.sample.loop != "always":
            looped = off if self.region.sample.loop == "held" else 0.0
            lowest = max(0.0, -float(self.bend.values.min())) if self.bend else 0.0
            end = min(end, looped + _unlooped_seconds(self.region, self.key, lowest))
        return max(min(round(end * sample_rate) + 1, self.choke + round(CHOKE_SECONDS * sample_rate)), 1)

    def envelope(self, begin: int, end: int, sample_rate: int) -> Floats:
        """Amplitude at samples [begin, end) of the voice."""
        envelope, off = volume_envelope(self.region, self.key), self.off / sample_rate
        corners = [envelope.delay, envelope.delay + envelope.attack, envelope.decay_start, off, self.choke / sample_rate]
        corners.append(envelope.decay_start + envelope.decay * envelope.sustain / 100)
        grid = np.arange(begin, end + CONTROL_STEP, CONTROL_STEP) / sample_rate
        knots = np.sort(np.concatenate([grid, [c for c in corners if grid[0] < c < grid[-1]]]))
        held = np.minimum(knots, off)
        down = envelope.fall(held, 100.0) + 100 / release_seconds(self.region) * np.maximum(knots - off, 0)
        down += 100 / CHOKE_SECONDS * np.maximum(knots - self.choke / sample_rate, 0)
        level = self.gain * envelope.rise(held) * 10 ** (-down / 20)
        return np.interp(np.arange(begin, end) / sample_rate, knots, level).astype(np.float32)


class Synthesizer:
    """Computes waves of a soundfont at a sample rate, and keeps those it may need again (within about 256 MB)."""

    def __init__(self, font: SoundFont, sample_rate: int) -> None:
        self.font = font
        self.sample_rate = sample_rate
        self._samples: OrderedDict[tuple[int, int, int], Floats] = OrderedDict()
        self._waves: OrderedDict[tuple[Region, int, int], Floats] = OrderedDict()

    def render(self, voice: Voice, begin: int, end: int) -> Floats:
        """Samples [begin, end) of a voice, (end - begin,)."""
        envelope = voice.envelope(begin, end, self.sample_rate)
        if voice.bend is not None:
            return self._compute(voice.region, voice.key, voice.off, begin, end, voice.bend) * envelope
        return self.wave(voice.region, voice.key, voice.off, begin, end) * envelope

    def wave(self, region: Region, key: int, off: int, begin: int, end: int) -> Floats:
        """Samples [begin, end) of a note without its envelope; `off`, its duration, matters to loops that end with it."""
        if end > CACHED_SECONDS * self.sample_rate:
            return self._compute(region, key, off, begin, end)
        address = (region, key, off if region.sample.loop == "held" else 0)
        wave = self._waves.pop(address, np.zeros(0, np.float32))
        if len(wave) < end:
            wave = np.concatenate([wave, self._compute(region, key, off, len(wave), end)])
        self._waves[address] = wave
        _forget(self._waves, CACHED_BYTES // 4)
        return wave[begin:end]

    def _compute(self, region: Region, key: int, off: int, begin: int, end: int, bend: Steps | None = None) -> Floats:
        # Frames of the filter begin at multiples of its hop, so that a stretch does not depend on where it was cut.
        first = max(begin // HOP - 4, 0) * HOP
        position = _positions(region, key, first, end, self.sample_rate, bend)
        last = _last_position(region, key, off, self.sample_rate, bend)
        wave = _interpolate(self._source(region), region, position, last)
        wave = _filter(wave, region, key, first, self.sample_rate)
        if region[Gen.MOD_LFO_VOLUME]:
            swing = _at_control_rate(first, end, lambda t: _mod_lfo(region, t), self.sample_rate)
            wave = wave * (10 ** (region[Gen.MOD_LFO_VOLUME] / 200 * swing)).astype(np.float32)
        return wave[begin - first :]

    def _source(self, region: Region) -> Floats:
        """The frames of the sample, one of silence before; after them the loop's first four, or four of silence."""
        sample = region.sample
        end = sample.loop_end if sample.loop == "always" else sample.end
        address = (sample.start, end, sample.loop_start if sample.loop == "always" else 0)
        if address not in self._samples:
            frames = self.font.frames(sample.start, end)
            loop = frames[sample.loop_start - sample.start :]
            tail = np.resize(loop, 4) if sample.loop == "always" else np.zeros(4, np.float32)
            self._samples[address] = np.concatenate([np.zeros(1, np.float32), frames, tail])
        self._samples.move_to_end(address)
        _forget(self._samples, CACHED_FRAMES)
        return self._samples[address]


def _forget(cache: OrderedDict[_Address, Floats], most: int) -> None:
    while len(cache) > 1 and sum(map(len, cache.values())) > most:
        cache.popitem(last=False)


def _seconds(timecents: float, shortest: float = 0.001) -> float:
    return shortest if timecents <= -12000 else 2.0 ** (min(timecents, 8000) / 1200)


def _ratio(region: Region, key: int, sample_rate: int) -> float:
    """Frames of the sample per sample of output, without vibrato and the like."""
    key = region[Gen.KEY] if region[Gen.KEY] >= 0 else key
    root = region[Gen.ROOT_KEY] if region[Gen.ROOT_KEY] >= 0 else region.sample.root
    cents = (key - root) * region[Gen.SCALE_TUNING] + region[Gen.COARSE_TUNE] * 100 + region[Gen.FINE_TUNE]
    cents = min(max(cents + region.sample.correction, -MAX_BEND), MAX_BEND)
    return region.sample.rate / sample_rate * 2 ** (cents / 1200)


def _unlooped_seconds(region: Region, key: int, lowest: float) -> float:
    """The longest that a sample without a loop can last if it is bent down by `lowest` cents at most."""
    bend = lowest + max(0, -region[Gen.MOD_ENV_PITCH]) + abs(region[Gen.VIB_LFO_PITCH]) + abs(region[Gen.MOD_LFO_PITCH])
    frames = region.sample.end - region.sample.start
    return _seconds(region[Gen.VOL_DELAY], 0.0) + frames / _ratio(region, key, 1) * 2 ** (bend / 1200)


def _triangle(t: Doubles, delay: int, rate: int) -> Doubles:
    """An LFO: 0 until its delay is over, then up to 1, down to -1 and so on."""
    phase = np.maximum(t - _seconds(delay, 0.0), 0) * _hertz(rate) + 0.25
    return 1 - 4 * np.abs(phase % 1 - 0.5)


def _mod_lfo(region: Region, t: Doubles) -> Doubles:
    return _triangle(t, region[Gen.MOD_LFO_DELAY], region[Gen.MOD_LFO_RATE])


def _modulation(region: Region, key: int, t: Doubles) -> Doubles:
    """The modulation envelope at `t`, from 0 to 1; its attack is convex (section 8.1.2): a line in amplitude, over 48 dB."""
    envelope = modulation_envelope(region, key)
    rise = 1 + np.log10(np.maximum(envelope.rise(t), 10**-2.4)) / 2.4
    return rise - envelope.fall(t, 1.0)


def _hertz(cents: ArrayLike) -> Doubles:
    """Absolute cents to Hz: 0 is 8.176 Hz, the pitch of key 0."""
    return 440 * np.exp2((np.asarray(cents) - 6900) / 1200)


def _at_control_rate(begin: int, end: int, value: Callable[[Doubles], Doubles], sample_rate: int) -> Doubles:
    knots = np.arange(begin, end + CONTROL_STEP, CONTROL_STEP)
    return np.interp(np.arange(begin, end), knots, value(knots / sample_rate))


def _positions(region: Region, key: int, begin: int, end: int, sample_rate: int, bend: Steps | None = None) -> Doubles:
    """Where in the sample, in frames from its start and as if it never ended, each of samples [begin, end) lies.

    The sample starts when the delay of the volume is over.
    """
    ratio, delay = _ratio(region, key, sample_rate), _seconds(region[Gen.VOL_DELAY], 0.0) * sample_rate
    depths = (region[Gen.VIB_LFO_PITCH], region[Gen.MOD_LFO_PITCH], region[Gen.MOD_ENV_PITCH])
    if not any(depths) and bend is None:
        return np.asarray(np.maximum(np.arange(begin, end) - delay, 0.0) * ratio)
    knots = np.arange(0, end + CONTROL_STEP, CONTROL_STEP)
    t = knots / sample_rate
    cents = depths[0] * _triangle(t, region[Gen.VIB_LFO_DELAY], region[Gen.VIB_LFO_RATE])
    cents += depths[1] * _mod_lfo(region, t) + depths[2] * _modulation(region, key, t)
    if bend is not None:
        cents += bend.value(knots.astype(np.float64))
    steps = (
        np.clip(knots + CONTROL_STEP - delay, 0, CONTROL_STEP) * ratio * np.exp2(np.clip(cents, -MAX_BEND, MAX_BEND) / 1200)
    )
    return np.asarray(np.interp(np.arange(begin, end), knots, np.cumsum(steps) - steps))


def _last_position(region: Region, key: int, off: int, sample_rate: int, bend: Steps | None) -> float:
    """The position at which a loop that ends with its note ends."""
    held = region.sample.loop == "held"
    return float(_positions(region, key, off, off + 1, sample_rate, bend)[0]) if held else np.inf


def _interpolate(source: Floats, region: Region, position: Doubles, off_position: float) -> Floats:
    """The sample at fractional positions, by cubic Hermite splines through four frames; silence behind its end."""
    sample = region.sample
    begin, end = sample.loop_start - sample.start, sample.loop_end - sample.start
    index = position.astype(np.int64)
    f = (position - index).astype(np.float32)
    if sample.loop != "none":
        # Whole turns are taken off; no more after the note's end than before, so that the sample runs on from where it was.
        turns = (np.minimum(index, int(min(off_position, 2.0**62))) - begin - 1) // (end - begin)
        index -= np.maximum(turns, 0) * (end - begin)
    index = np.minimum(index, len(source) - 4)
    before, here, after, beyond = (source.take(index + i) for i in range(4))
    slope, next_slope = (after - before) * 0.5, (beyond - here) * 0.5
    step = here - after
    wave = ((2 * step + slope + next_slope) * f - (3 * step + 2 * slope + next_slope)) * f + slope
    return np.asarray(wave * f + here)


def _filter(wave: Floats, region: Region, key: int, begin: int, sample_rate: int) -> Floats:
    """The resonant low-pass of a region, moved by its modulation, applied by overlap-add.

    Windows of two hops are filtered by the exact response of the second-order section whose cutoff holds at their centre
    (R. Bristow-Johnson, Cookbook formulae for audio EQ biquad filter coefficients), with room for its ringing.
    """
    frames = -(-len(wave) // HOP) + 1
    t = (begin + HOP * np.arange(frames)) / sample_rate
    cutoff = region[Gen.FILTER_CUTOFF] + region[Gen.MOD_ENV_FILTER] * _modulation(region, key, t)
    cutoff += region[Gen.MOD_LFO_FILTER] * _mod_lfo(region, t)
    if cutoff.min() >= 13500 and region[Gen.FILTER_Q] == 0:
        return wave
    steps, which = np.unique(np.clip(np.round(cutoff / 50), 30, 270).astype(np.int64), return_inverse=True)
    response = _response(_hertz(steps * 50.0) / sample_rate, region[Gen.FILTER_Q])
    padded = np.zeros((frames + 1) * HOP, np.float32)
    padded[HOP : HOP + len(wave)] = wave
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * HOP)[::HOP]
    hann = (0.5 - 0.5 * np.cos(np.pi * np.arange(2 * HOP) / HOP)).astype(np.float32)
    filtered = np.fft.irfft(np.fft.rfft(windows * hann, 4 * HOP) * response[which], 4 * HOP).astype(np.float32)
    out = np.zeros((frames + 3, HOP), np.float32)
    for i in range(4):
        out[i : i + frames] += filtered[:, i * HOP : (i + 1) * HOP]
    return out.reshape(-1)[HOP : HOP + len(wave)]


def _response(cutoff: Doubles, q_centibels: int) -> NDArray[np.complex64]:
    """Frequency response of low-passes at `cutoff` cycles a sample, (cutoffs, 2 * HOP + 1).

    No resonance (0 cB) is a peak of -3 dB, as of Butterworth; half of the resonance is taken from the gain (section 8.1.3).
    """
    angle = 2 * np.pi * np.minimum(cutoff, 0.45)[:, None]
    alpha = np.sin(angle) / (2 * 10 ** ((q_centibels / 10 - 3.01) / 20))
    z = np.exp(-2j * np.pi * np.arange(2 * HOP + 1) / (4 * HOP))
    low = (1 - np.cos(angle)) / 2 * (1 + z) ** 2
    gain = 10 ** (-q_centibels / 400)
    response = gain * low / (1 + alpha - 2 * np.cos(angle) * z + (1 - alpha) * z**2)
    return np.asarray(response, np.complex64)
