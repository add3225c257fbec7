"""Soundfonts: what the SF2 standard says a generator does is what is heard, and no damaged font does harm.

The fonts are made of sine waves, so that theory says what must come out.
"""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sounds import LOOPED, LOUD_END, RATE, SINE, SINE_RATE, frequency, level, one_note, rendered, soundfont

from melody.errors import RenderError
from melody.piece import Part, Piece
from melody.render import SoundFont
from melody.render.generators import Gen
from scripts import script


@pytest.fixture
def play_font(tmp_path: Path) -> Any:
    """Render a piece with a soundfont given by its bytes."""
    return partial(rendered, tmp_path / "test.sf2")


# The sines


@pytest.mark.parametrize("key", [33, 57, 69, 70, 81, 96])
def test_a_key_sounds_at_its_equal_tempered_frequency(play_font, key: int):
    sound = play_font(one_note(key=key), soundfont([[LOOPED]]))[:40_000, 0]
    assert abs(1200 * np.log2(frequency(sound) / (440 * 2 ** ((key - 69) / 12)))) < 0.5


def test_tuning_generators_add_up_in_cents(play_font):
    tuned = LOOPED | {Gen.COARSE_TUNE: -3, Gen.FINE_TUNE: 25, Gen.SCALE_TUNING: 50, Gen.ROOT_KEY: 60}
    presets = [(0, 0, [{Gen.COARSE_TUNE: 1, Gen.INSTRUMENT: 0}])]
    sound = play_font(one_note(key=64), soundfont([[dict(sorted(tuned.items()))]], presets))[:40_000, 0]
    cents = 50 * (64 - 60) + 100 * (-3 + 1) + 25
    assert abs(1200 * np.log2(frequency(sound) / 440) - cents) < 0.5


def test_a_looped_sample_lasts_as_long_as_the_note_and_another_as_long_as_itself(play_font):
    looped = play_font(one_note(), soundfont([[LOOPED]]))
    assert level(looped[:, 0], 0.9, 0.99) == pytest.approx(level(looped[:, 0], 0.1, 0.2), abs=0.1)
    once = play_font(one_note(), soundfont([[{Gen.SAMPLE: 0}]]))
    late = play_font(one_note(), soundfont([[{Gen.VOL_DELAY: -3600, Gen.SAMPLE: 0}]]))
    assert len(once) == pytest.approx(1000 / SINE_RATE * RATE, abs=3)
    assert len(late) == pytest.approx((1 / 8 + 1000 / SINE_RATE) * RATE, abs=3)
    assert level(late[:, 0], 1 / 8, 1 / 8 + 0.02) == pytest.approx(level(once[:, 0], 0, 0.02), abs=0.1)


def test_a_loop_of_mode_3_ends_with_the_note_and_the_rest_of_the_sample_follows(play_font):
    held = {Gen.VOL_RELEASE: 2400, Gen.SAMPLE_MODES: 3, Gen.SAMPLE: 0}
    sound = play_font(one_note(), soundfont([[held]], pool=LOUD_END))[:, 0]
    frames = 1 / SINE_RATE
    # Up to 800 frames of the sine are left when the note ends, then come 1,000 of silence and 1,000 of sine.
    assert level(sound, 0.5, 0.99) > -20
    assert level(sound, 1 + 850 * frames, 1 + 950 * frames) < -60
    assert level(sound, 1 + 1850 * frames, 1 + 1950 * frames) > -20
    assert len(sound) <= (1 + 3010 * frames) * RATE


def test_the_volume_envelope_follows_its_six_stages(play_font):
    # Delay 1/8 s, attack 1/4 s, hold 1/8 s, decay 1 s for 100 dB down to -20 dB, release 1/2 s for 100 dB.
    stages = {Gen.VOL_DELAY: -3600, Gen.VOL_ATTACK: -2400, Gen.VOL_HOLD: -3600, Gen.VOL_DECAY: 0, Gen.VOL_SUSTAIN: 200}
    sound = play_font(one_note(quarters=4), soundfont([[stages | {Gen.VOL_RELEASE: -1200} | LOOPED]]))[:, 0]
    assert not sound[: RATE // 8].any()

    def at(seconds: float) -> float:  # over ten periods of the sine
        return level(sound, seconds - 5 / 440, seconds + 5 / 440)

    top = at(0.45)
    assert at(0.25) - top == pytest.approx(-6.02, abs=0.2)  # half of the attack is half of the amplitude
    assert at(0.6) - top == pytest.approx(-10, abs=0.3)
    assert at(0.8) - top == at(1.9) - top == pytest.approx(-20, abs=0.1)
    assert at(2.1) - top == pytest.approx(-40, abs=0.3)


def test_amplitude_is_the_square_of_velocity(play_font):
    piece = Piece([0, 48, 96], [24, 24, 24], [69, 69, 69], [127, 64, 32])
    sound = play_font(piece, soundfont([[LOOPED]]))[:, 0]
    levels = [level(sound, start + 0.1, start + 0.4) for start in (0, 1, 2)]
    expected = [40 * np.log10(v / 127) for v in (127, 64, 32)]
    assert np.subtract(levels, levels[0]) == pytest.approx(expected, abs=0.05)


@pytest.mark.parametrize(("pan", "angle"), [(-500, 0), (-250, 22.5), (0, 45), (500, 90)])
def test_pan_keeps_the_power(play_font, pan: int, angle: float):
    sound = play_font(one_note(), soundfont([[{Gen.PAN: pan} | LOOPED]]))[:40_000]
    left, right = np.sqrt(np.mean(sound**2, axis=0))
    assert np.degrees(np.arctan2(right, left)) == pytest.approx(angle, abs=0.1)


def test_zones_inherit_presets_add_and_ranges_meet(play_font):
    # Keys to 60 are 20 dB * 0.4 softer by the instrument's global zone, the others have their own 5 dB * 0.4; the preset
    # adds 10 dB * 0.4 to all. Attenuation counts 0.4-fold, as on the hardware that fonts were made for.
    instrument = [
        {Gen.ATTENUATION: 200},
        {Gen.KEY_RANGE: 60 << 8} | LOOPED,
        {Gen.KEY_RANGE: 127 << 8 | 61, Gen.ATTENUATION: 50},
    ]
    instrument[2] |= LOOPED
    presets = [(0, 0, [{Gen.ATTENUATION: 100}, {Gen.INSTRUMENT: 0}]), (0, 1, [{Gen.KEY_RANGE: 40 << 8, Gen.INSTRUMENT: 0}])]
    data = soundfont([instrument], presets)
    piece = Piece([0, 48, 96], [24, 24, 24], [60, 61, 40], part=[0, 0, 1], parts=(Part(0), Part(1)))
    sound = play_font(piece, data)[:, 0]
    low, high, other = (level(sound, start + 0.1, start + 0.4) for start in (0, 1, 2))
    assert (high - low, other - low) == pytest.approx((0.4 * 15, 0.4 * 10), abs=0.1)


def test_a_low_pass_takes_what_is_above_it(play_font):
    # A cutoff of 880 Hz (8100 cents above 8.176 Hz): 12 dB an octave, 3 dB at the cutoff.
    data = soundfont([[LOOPED], [{Gen.FILTER_CUTOFF: 8100} | LOOPED]])
    keys = [69, 81, 93, 105]
    onset = 48 * np.arange(8)
    piece = Piece(onset, np.full(8, 24), keys * 2, part=[0] * 4 + [1] * 4, parts=(Part(0), Part(1)))
    sound = play_font(piece, data)[:, 0]
    levels = np.array([level(sound, start + 0.1, start + 0.4) for start in range(8)]).reshape(2, 4)
    expected = [-10 * np.log10(1 + (440 * 2**octave / 880) ** 4) for octave in range(4)]  # Butterworth of order 2
    assert levels[1] - levels[0] == pytest.approx(expected, abs=0.6)


def test_a_note_of_the_same_exclusive_class_ends_the_one_before(play_font):
    hat = {Gen.VOL_RELEASE: 4000, Gen.EXCLUSIVE_CLASS: 1} | LOOPED
    data = soundfont([[hat]], [(128, 0, [{Gen.INSTRUMENT: 0}])])
    kit = (Part(0, is_drum=True), Part(0, is_drum=True))
    closing = Piece([0, 24], [12, 1], [46, 42], [127, 1], part=[0, 0], parts=kit)
    other_part = Piece([0, 24], [12, 1], [46, 42], [127, 1], part=[0, 1], parts=kit)
    assert level(play_font(closing, data)[:, 0], 0.7, 0.9) < level(play_font(other_part, data)[:, 0], 0.7, 0.9) - 40


def test_a_note_outside_the_range_of_an_instrument_sounds_at_its_pitch_but_no_drum_does(play_font):
    narrow = {Gen.KEY_RANGE: 71 << 8 | 67} | LOOPED
    data = soundfont([[narrow]], [(0, 0, [{Gen.INSTRUMENT: 0}]), (128, 0, [{Gen.INSTRUMENT: 0}])])
    assert frequency(play_font(one_note(key=81), data)[:40_000, 0]) == pytest.approx(880, rel=1e-3)
    with pytest.raises(RenderError, match="no note of the piece can be heard"):
        play_font(one_note(key=81, is_drum=True), data)


# Fonts that lack something, and fonts that harm


def test_a_soundfont_without_drums_or_without_a_program_says_so(play_font):
    data = soundfont([[LOOPED]])
    with pytest.raises(RenderError, match=r"has no drums"):
        play_font(one_note(0, 38, is_drum=True), data)
    with pytest.raises(RenderError, match=r"has no program 5 in bank 0 \(it has 0\)"):
        play_font(one_note(5), data)


def test_a_soundfont_that_is_none_says_so(tmp_path: Path):
    for name, data in {"empty": b"", "midi": b"MThd\0\0\0\6", "wave": b"RIFF\4\0\0\0WAVE"}.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(RenderError, match="no whole SF2 soundfont"):
            SoundFont(tmp_path / name)
    for missing in (tmp_path / "none.sf2", tmp_path):
        with pytest.raises(RenderError, match="cannot read the soundfont"):
            SoundFont(missing)


def test_a_soundfont_cut_short_anywhere_says_so(tmp_path: Path):
    data, path = soundfont([[LOOPED]]), tmp_path / "cut.sf2"
    for length in range(0, len(data) - 1, 37):
        path.write_bytes(data[:length])
        with pytest.raises(RenderError, match="no whole SF2"):
            SoundFont(path)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (soundfont([[LOOPED]], end=5000), "sample 'sine' is frames 0 to 5,000 of 1,000"),
        (soundfont([[LOOPED]], start=900, end=100), "sample 'sine'"),
        (soundfont([[LOOPED]], rate=0), "at 0 a second"),
        (soundfont([[LOOPED]], rate=2**32 - 1), "at 4,294,967,295 a second"),
        (soundfont([[LOOPED]], type=0x8001), "compressed or not in the file"),
        (soundfont([[LOOPED]], type=0x11), "compressed or not in the file"),
        (soundfont([[{Gen.SAMPLE: 7}]]), "asks for sample 7 of 1"),
        (soundfont([[LOOPED]], [(0, 0, [{Gen.INSTRUMENT: 9}])]), "asks for instrument 9 of 1"),
        (soundfont([[{Gen.START: 40_000, Gen.SAMPLE: 0}]]), "frames -25,536 to"),
        (soundfont([[LOOPED] * 100]), "100 samples to a note"),
        (soundfont([[LOOPED] * 300], [(0, 0, [{Gen.INSTRUMENT: 0}] * 300)]), "more than 32,768 regions"),
    ],
)
def test_a_soundfont_that_points_outside_itself_or_explodes_is_refused(play_font, data: bytes, message: str):
    with pytest.raises(RenderError, match=message):
        play_font(one_note(), data)


def test_a_loop_outside_its_sample_is_no_loop(play_font):
    for wrong in ({"loop_end": 5000}, {"loop_start": 900, "loop_end": 900}, {"loop_start": 950}):
        assert len(play_font(one_note(), soundfont([[LOOPED]], **wrong))) < 1100


def test_extreme_generators_give_a_sound_or_an_error_and_no_warning(play_font):
    kinds = sorted(set(Gen) - {Gen.INSTRUMENT, Gen.SAMPLE, Gen.SAMPLE_MODES, Gen.KEY_RANGE, Gen.VELOCITY_RANGE})
    for kind in kinds:
        for amount in (-32768, -1, 32767):
            try:
                sound = play_font(one_note(key=127), soundfont([[{kind: amount} | LOOPED]]), 8000)
            except RenderError:
                continue
            assert np.all(np.isfinite(sound)) and len(sound) < 8000 * 12


def test_a_damaged_soundfont_gives_a_sound_or_an_error(play_font):
    data, rng = soundfont([[{Gen.PAN: 100}, LOOPED]], pool=SINE[:200], loop_start=10, loop_end=60), np.random.default_rng(3)
    outcomes = set()
    for _ in range(300):
        damaged = bytearray(data)
        for at in rng.integers(0, len(data), 2):
            damaged[at] = rng.integers(0, 256)
        try:
            outcomes.add(bool(np.all(np.isfinite(play_font(one_note(quarters=0.25), bytes(damaged), 8000)))))
        except RenderError:
            outcomes.add("error")
    assert outcomes == {True, "error"}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
def test_a_pipe_and_a_device_are_no_soundfonts(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe.sf2")
    for path in (tmp_path / "pipe.sf2", Path("/dev/zero"), tmp_path / "zero\0byte.sf2"):
        with pytest.raises(RenderError, match="cannot read the soundfont"):
            SoundFont(path)


def test_names_hold_nothing_that_no_screen_should_get(tmp_path: Path):
    (tmp_path / "a.sf2").write_bytes(soundfont([[LOOPED]]).replace(b"preset\0\0\0\0\0", b"\x1b[2Jre\0junk"))
    assert SoundFont(tmp_path / "a.sf2").presets == {(0, 0): "[2Jre"}


def test_mutated_soundfonts_sound_or_are_refused_in_a_line():
    fuzz = script("fuzz_soundfonts")
    found = [fuzz.outcome(7, number) for number in range(60)]
    assert not [(number, how) for number, how in enumerate(found) if how.startswith("FAILED")]
    assert set(found) == {"refused", "sound"}
