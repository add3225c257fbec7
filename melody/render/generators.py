"""The generators of a SoundFont, the numbers that set how a sample is played, and their ranges.

Each has its default, least and greatest value; a value outside is brought inside. Source: SoundFont Technical Specification
2.04, sections 8.1.2 and 8.1.3.
"""

from __future__ import annotations

from enum import IntEnum


class Gen(IntEnum):
    """The generators that are heeded."""

    START = 0
    END = 1
    LOOP_START = 2
    LOOP_END = 3
    START_COARSE = 4
    MOD_LFO_PITCH = 5
    VIB_LFO_PITCH = 6
    MOD_ENV_PITCH = 7
    FILTER_CUTOFF = 8
    FILTER_Q = 9
    MOD_LFO_FILTER = 10
    MOD_ENV_FILTER = 11
    END_COARSE = 12
    MOD_LFO_VOLUME = 13
    PAN = 17
    MOD_LFO_DELAY = 21
    MOD_LFO_RATE = 22
    VIB_LFO_DELAY = 23
    VIB_LFO_RATE = 24
    MOD_DELAY = 25
    MOD_ATTACK = 26
    MOD_HOLD = 27
    MOD_DECAY = 28
    MOD_SUSTAIN = 29
    MOD_HOLD_KEY = 31
    MOD_DECAY_KEY = 32
    VOL_DELAY = 33
    VOL_ATTACK = 34
    VOL_HOLD = 35
    VOL_DECAY = 36
    VOL_SUSTAIN = 37
    VOL_RELEASE = 38
    VOL_HOLD_KEY = 39
    VOL_DECAY_KEY = 40
    INSTRUMENT = 41
    KEY_RANGE = 43
    VELOCITY_RANGE = 44
    LOOP_START_COARSE = 45
    KEY = 46
    VELOCITY = 47
    ATTENUATION = 48
    LOOP_END_COARSE = 50
    COARSE_TUNE = 51
    FINE_TUNE = 52
    SAMPLE = 53
    SAMPLE_MODES = 54
    SCALE_TUNING = 56
    EXCLUSIVE_CLASS = 57
    ROOT_KEY = 58


_INSTANT = (-12000, -12000, 5000)
_SLOW = (-12000, -12000, 8000)
_BEND = (0, -12000, 12000)
_LFO_RATE = (0, -16000, 4500)
_BY_KEY = (0, -1200, 1200)
# Those that instruments set and presets add to.
BOTH_LEVELS: dict[Gen, tuple[int, int, int]] = {
    Gen.MOD_LFO_PITCH: _BEND,
    Gen.VIB_LFO_PITCH: _BEND,
    Gen.MOD_ENV_PITCH: _BEND,
    Gen.FILTER_CUTOFF: (13500, 1500, 13500),
    Gen.FILTER_Q: (0, 0, 960),
    Gen.MOD_LFO_FILTER: _BEND,
    Gen.MOD_ENV_FILTER: _BEND,
    Gen.MOD_LFO_VOLUME: (0, -960, 960),
    Gen.PAN: (0, -500, 500),
    Gen.MOD_LFO_DELAY: _INSTANT,
    Gen.MOD_LFO_RATE: _LFO_RATE,
    Gen.VIB_LFO_DELAY: _INSTANT,
    Gen.VIB_LFO_RATE: _LFO_RATE,
    Gen.MOD_DELAY: _INSTANT,
    Gen.MOD_ATTACK: _SLOW,
    Gen.MOD_HOLD: _INSTANT,
    Gen.MOD_DECAY: _SLOW,
    Gen.MOD_SUSTAIN: (0, 0, 1000),
    Gen.MOD_HOLD_KEY: _BY_KEY,
    Gen.MOD_DECAY_KEY: _BY_KEY,
    Gen.VOL_DELAY: _INSTANT,
    Gen.VOL_ATTACK: _SLOW,
    Gen.VOL_HOLD: _INSTANT,
    Gen.VOL_DECAY: _SLOW,
    Gen.VOL_SUSTAIN: (0, 0, 1440),
    Gen.VOL_RELEASE: _SLOW,
    Gen.VOL_HOLD_KEY: _BY_KEY,
    Gen.VOL_DECAY_KEY: _BY_KEY,
    Gen.ATTENUATION: (0, 0, 1440),
    Gen.COARSE_TUNE: (0, -120, 120),
    Gen.FINE_TUNE: (0, -99, 99),
    Gen.SCALE_TUNING: (100, 0, 1200),
}
# Those that only instruments set.
INSTRUMENT_ONLY: dict[Gen, tuple[int, int, int]] = {
    Gen.KEY: (-1, -1, 127),
    Gen.VELOCITY: (-1, -1, 127),
    Gen.EXCLUSIVE_CLASS: (0, 0, 127),
    Gen.ROOT_KEY: (-1, -1, 127),
}
