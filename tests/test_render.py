"""What can be heard: pitches, times, levels and ends of sounds, measured in the samples.

Two soundfonts are used. One is made here, of sine waves, so that theory says what must come out. The other is the General
MIDI font that comes with pretty_midi, played through every program and every drum.
"""

from __future__ import annotations

import io
import shutil
import struct
import sys
import wave
from itertools import accumulate, pairwise
from pathlib import Path

import numpy as np
import pytest

from melody.errors import RenderError
from melody.piece import Part, Piece, Tempo
from melody.render import RenderSettings, SoundFont, audio_bytes, default_soundfont, play, render, render_wav, write_wav
from melody.render.generators import Gen
from melody.render.synthesis import Synthesizer, Voice

RATE = 44_100
GM = SoundFont(default_soundfont())

# A soundfont of sines

Zone = dict[int, int]
Preset = tuple[int, int, list[Zone]]  # bank, program
PERIOD, SINE_RATE, SINE_ROOT = 100, 44_000, 69  # a period of 100 frames at 44,000 a second is 440 Hz, A4
SINE = (0.5 * 32767 * np.sin(2 * np.pi * np.arange(1000) / PERIOD)).astype("<i2").tobytes()
LOUD_END = SINE + bytes(2000) + SINE  # after the loop: silence, then a sine again
LOOPED = {Gen.SAMPLE_MODES: 1, Gen.SAMPLE: 0}


def _chunk(name: bytes, data: bytes) -> bytes:
    return name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)


def _zones(prefix: bytes, owners: list[list[Zone]]) -> tuple[list[int], bytes]:
    """First bag of each owner, and the chunks of bags and generators, each with its terminal record."""
    zones = [zone for owner in owners for zone in owner]
    first_bags = [0, *accumulate(map(len, owners))]
    first_generators = [0, *accumulate(map(len, zones))]
    bags = b"".join(struct.pack("<HH", g, 0) for g in first_generators)
    generators = b"".join(struct.pack("<HH", kind, amount & 0xFFFF) for zone in zones for kind, amount in zone.items())
    return first_bags, _chunk(prefix + b"bag", bags) + _chunk(prefix + b"gen", generators + bytes(4))


def soundfont(
    instruments: list[list[Zone]],
    presets: list[tuple[int, int, list[Zone]]] | None = None,
    pool: bytes = SINE,
    **header: int,
) -> bytes:
    """An SF2 file of one sample; without `presets`, instrument i is program i."""
    presets = [(0, i, [{Gen.INSTRUMENT: i}]) for i in range(len(instruments))] if presets is None else presets
    preset_bags, preset_chunks = _zones(b"p", [zones for _, _, zones in presets])
    bags, instrument_chunks = _zones(b"i", instruments)
    rows = [*((bank, program) for bank, program, _ in presets), (0, 0)]
    phdr = b"".join(struct.pack("<20sHHHIII", b"preset", p, b, bag, 0, 0, 0) for (b, p), bag in zip(rows, preset_bags))
    inst = b"".join(struct.pack("<20sH", b"instrument", bag) for bag in bags)
    sample = {"start": 0, "end": len(pool) // 2, "loop_start": 200, "loop_end": 900, "rate": SINE_RATE, "type": 1} | header
    fields = [sample[name] for name in ("start", "end", "loop_start", "loop_end", "rate")]
    shdr = struct.pack("<20sIIIIIBbHH", b"sine", *fields, SINE_ROOT, 0, 0, sample["type"]) + bytes(46)
    tables = _chunk(b"phdr", phdr) + preset_chunks + _chunk(b"inst", inst) + instrument_chunks + _chunk(b"shdr", shdr)
    lists = (b"INFO" + _chunk(b"ifil", b"\2\0\1\0"), b"sdta" + _chunk(b"smpl", pool), b"pdta" + tables)
    return _chunk(b"RIFF", b"sfbk" + b"".join(_chunk(b"LIST", data) for data in lists))


@pytest.fixture
def play_font(tmp_path: Path):
    """Render a piece with a soundfont given by its bytes."""

    def played(piece: Piece, data: bytes, sample_rate: int = RATE) -> np.ndarray:
        path = tmp_path / "test.sf2"
        path.write_bytes(data)
        return render(piece, RenderSettings(soundfont=path, sample_rate=sample_rate))

    return played


# Measurements


def frequency(sound: np.ndarray) -> float:
    """Frequency of the strongest partial of a mono sound at RATE, in Hz, to a fraction of a cent for a steady sine."""
    size = 2**19
    spectrum = np.log(np.abs(np.fft.rfft(sound * np.hanning(len(sound)), size)) + 1e-12)
    peak = int(spectrum.argmax())
    left, top, right = spectrum[peak - 1 : peak + 2]
    return (peak + (left - right) / (2 * (left - 2 * top + right))) * RATE / size


def pitch(sound: np.ndarray) -> float:
    """MIDI pitch of a mono sound at RATE, by the first strong peak of its autocorrelation."""
    size = len(sound)
    power = np.abs(np.fft.rfft(sound - sound.mean(), 2 * size)) ** 2
    correlation = np.fft.irfft(power)[: RATE // 25] / (size - np.arange(RATE // 25))
    inner = correlation[1:-1]
    peaks = np.flatnonzero((inner > correlation[:-2]) & (inner >= correlation[2:])) + 1
    peaks = peaks[peaks > RATE // 4000]
    first = peaks[correlation[peaks] > 0.9 * correlation[peaks].max()][0]
    left, top, right = correlation[first - 1 : first + 2]
    return 69 + 12 * np.log2(RATE / (first + (left - right) / (2 * (left - 2 * top + right))) / 440)


def level(sound: np.ndarray, start: float, stop: float, rate: int = RATE) -> float:
    """RMS level from `start` to `stop` seconds, in dB."""
    return 10 * np.log10(np.mean(np.square(sound[round(start * rate) : round(stop * rate)], dtype=np.float64)) + 1e-20)


def one_note(program: int = 0, key: int = 69, velocity: int = 100, quarters: float = 2.0, **part: bool) -> Piece:
    """A note from the start, at 120 quarters a minute."""
    return Piece([0], [round(24 * quarters)], [key], [velocity], parts=(Part(program, **part),))


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


def test_any_stretch_of_a_voice_is_the_same_however_it_is_cut():
    for bank, program in ((0, 0), (0, 40), (0, 49), (0, 80), (128, 0)):
        region = next(r for r in GM.regions(bank, program) if r.keys[0] <= 60 <= r.keys[1])
        voice = Voice(region, 60, 0, 30_000, 2**62, 1.0)
        whole = Synthesizer(GM, RATE).render(voice, 0, 60_000)
        synthesizer = Synthesizer(GM, RATE)
        cuts = [0, 1, 1000, 17_333, 31_000, 60_000]
        parts = np.concatenate([synthesizer.render(voice, a, b) for a, b in pairwise(cuts)])
        np.testing.assert_allclose(parts, whole, atol=2e-4)


# Every General MIDI instrument

FAMILIES = [
    *("piano", "chromatic", "organ", "guitar", "bass", "strings", "ensemble", "brass"),
    *("reed", "pipe", "lead", "pad", "fx", "ethnic", "percussive", "effects"),
]
KEYS = {"chromatic": 84, "bass": 36, "pipe": 72}  # where each plays; else middle C
UNPITCHED = {
    9: "bars whose overtones fit no one pitch; the strongest is no octave of its key, by FluidSynth too",
    55: "a chord of a whole orchestra",
    78: "a whistle 4.6 semitones flat in this font, by FluidSynth too",
    98: "bells of no one pitch",
    112: "a bell tuned to its own overtone",
    **dict.fromkeys((115, 116, 117, 118, 119), "drums"),
    **dict.fromkeys(range(120, 128), "noises"),
}


@pytest.mark.parametrize("family", range(16), ids=FAMILIES)
def test_every_program_sounds_from_its_onset_on_at_its_pitch(family: int):
    onset, key = 0.25, KEYS.get(FAMILIES[family], 60)
    for program in range(8 * family, 8 * family + 8):
        sound = render(Piece([12], [48], [key], [90], parts=(Part(program),)))
        start = round(onset * RATE)
        assert not sound[:start].any(), program
        assert level(sound, onset, onset + 0.08) > -60, program
        if program not in UNPITCHED:
            heard = pitch(sound[start + RATE // 8 : start + RATE // 2].sum(axis=1))
            # An organ stop or a pad may sound octaves away: the pitch class must be right.
            assert abs((heard - key + 6) % 12 - 6) < 0.3, (program, heard)


@pytest.mark.parametrize("kit", [0, 8, 16, 24, 25, 32, 40, 48])
def test_every_drum_from_35_to_81_is_heard(kit: int):
    onset = 24 * np.arange(47)
    piece = Piece(onset, np.full(47, 12), np.arange(35, 82), np.full(47, 127), parts=(Part(kit, is_drum=True),))
    sound = render(piece, RenderSettings(sample_rate=22_050)).mean(axis=1)
    attacks = [level(sound, start, start + 0.1, 22_050) for start in piece.seconds(onset)]
    assert min(attacks) > -60


def test_a_kit_the_font_lacks_is_the_standard_kit():
    missing, standard = (render(one_note(kit, 38, is_drum=True)) for kit in (77, 0))
    np.testing.assert_array_equal(missing, standard)


def test_a_closed_hi_hat_ends_an_open_one():
    kit = (Part(0, is_drum=True),)
    alone = render(Piece([0, 96], [6, 6], [46, 36], parts=kit))[:, 0]
    closed = render(Piece([0, 12, 96], [6, 6, 6], [46, 42, 36], parts=kit))[:, 0]
    assert level(closed, 0.5, 0.7) < level(alone, 0.5, 0.7) - 20


def test_louder_velocities_are_louder():
    velocities = [10, 30, 50, 70, 90, 110, 127]
    onset = 96 * np.arange(len(velocities))
    for program in (0, 24, 40, 56, 73):
        sound = render(Piece(onset, np.full(7, 24), np.full(7, 67), velocities, parts=(Part(program),)))[:, 0]
        levels = [level(sound, start, start + 0.5) for start in range(0, 14, 2)]
        assert np.all(np.diff(levels) > 1), program


def test_nothing_clips_and_nothing_is_silent_at_the_level_asked_for():
    rng = np.random.default_rng(7)
    onset = np.repeat(12 * np.arange(16), 8)
    chords = Piece(onset, np.full(128, 12), np.tile(np.arange(36, 84, 6), 16) + rng.integers(0, 6, 128), np.full(128, 127))
    for piece in (chords, one_note(velocity=1)):
        for peak in (-1.0, -3.0):
            sound = render(piece, RenderSettings(peak_dbfs=peak))
            assert 20 * np.log10(np.abs(sound).max()) == pytest.approx(peak, abs=0.01)


@pytest.mark.parametrize("program", [0, 16, 19, 40, 48, 61, 71, 73, 80])
def test_the_end_of_a_note_does_not_click(program: int):
    """A click is a jump, energy at high frequencies: there is no more of it at the end of a note than within."""
    sound = render(Piece([0], [48], [60], [100], parts=(Part(program),)))[:, 0]
    jumps = np.abs(np.diff(sound, n=3))
    steady = jumps[round(0.5 * RATE) : round(0.98 * RATE)].max()
    assert jumps[round(0.99 * RATE) : round(1.1 * RATE)].max() <= 1.1 * steady
    assert np.abs(sound[-100:]).max() < 1e-3  # and its sound has died away where it stops


def test_a_tempo_change_moves_what_comes_after_it():
    piece = Piece([0, 24, 48, 72], [6] * 4, [69] * 4, tempi=(Tempo(0, 500_000), Tempo(24, 1_000_000), Tempo(48, 250_000)))
    sound = np.abs(render(piece, RenderSettings())[:, 0])
    expected = [0, 0.5, 1.5, 1.75]
    for before, after in ((t - 0.03, t + 0.03) for t in expected[1:]):
        onset = round((before + after) / 2 * RATE)
        assert sound[onset : onset + 1323].max() > 4 * sound[onset - 441 : onset].max()


def test_sound_is_stereo_float32_and_the_same_every_time():
    piece = one_note(48)
    first = render(piece)
    assert first.shape == (len(first), 2) and first.dtype == np.float32
    assert first.tobytes() == render(piece).tobytes()


@pytest.mark.skipif(shutil.which("fluidsynth") is None, reason="FluidSynth, the reference, is not installed")
@pytest.mark.parametrize("program", [0, 11, 24, 32, 40, 56, 73, 119])
def test_it_sounds_as_fluidsynth_does(program: int):
    ours, theirs = (render(one_note(program, 60), RenderSettings(synthesizer=s))[:, 0] for s in ("melody", "fluidsynth"))
    spectra = [np.abs(np.fft.rfft(sound[: RATE // 2])) ** 2 for sound in (ours, theirs)]
    hertz = np.fft.rfftfreq(RATE // 2, 1 / RATE)
    centroids = [np.sum(hertz * s) / np.sum(s) for s in spectra]
    assert centroids[0] == pytest.approx(centroids[1], rel=0.15)
    envelopes = [[level(s, t, t + 0.1) for t in (0, 0.2, 0.4, 0.6, 0.8)] for s in (ours, theirs)]
    assert np.ptp(np.subtract(*envelopes)) < 4


# Files, bytes, loudspeaker


def test_a_wav_file_holds_the_sound(tmp_path: Path):
    sound = render(one_note(73))
    write_wav(tmp_path / "a.wav", sound, RATE)
    with wave.open(str(tmp_path / "a.wav")) as wav:
        assert (wav.getnchannels(), wav.getsampwidth(), wav.getframerate(), wav.getnframes()) == (2, 2, RATE, len(sound))
        frames = np.frombuffer(wav.readframes(wav.getnframes()), "<i2").reshape(-1, 2)
    assert np.abs(frames / 32767 - sound).max() < 0.51 / 32767
    wavfile = pytest.importorskip("scipy.io.wavfile", reason="SciPy, a second reader, is not installed")
    rate, read = wavfile.read(tmp_path / "a.wav")
    assert rate == RATE
    np.testing.assert_array_equal(read, frames)


def test_a_file_written_in_blocks_is_the_file_of_the_whole(tmp_path: Path):
    piece = Piece(24 * np.arange(30), np.full(30, 20), 60 + np.arange(30) % 12, parts=(Part(48),))
    write_wav(tmp_path / "whole.wav", render(piece), RATE)
    render_wav(piece, tmp_path / "blocks.wav")
    assert (tmp_path / "whole.wav").read_bytes() == (tmp_path / "blocks.wav").read_bytes()


def test_what_is_no_sound_is_not_written(tmp_path: Path):
    for wrong in (np.zeros((5, 3), np.float32), np.full((5, 2), np.nan, np.float32)):
        with pytest.raises(RenderError):
            write_wav(tmp_path / "a.wav", wrong, RATE)
    assert not list(tmp_path.iterdir())


def test_bytes_for_a_page_are_small_and_in_tune():
    data, mime = audio_bytes(one_note(73), codec="wav")
    assert mime == "audio/wav"
    with wave.open(io.BytesIO(data)) as wav:
        assert (wav.getnchannels(), wav.getframerate()) == (1, RATE // 2)
        mono = np.frombuffer(wav.readframes(wav.getnframes()), "<i2") / 32767
    whole = render(one_note(73)).mean(axis=1)
    np.testing.assert_allclose(mono[1000:20_000], whole[2000:40_000:2], atol=0.02)


def test_mp3_is_smaller_still_and_the_same_sound():
    soundfile = pytest.importorskip("soundfile", reason="soundfile, which writes MP3, is not installed")
    data, mime = audio_bytes(one_note(73))
    assert mime == "audio/mpeg"
    assert len(data) < len(audio_bytes(one_note(73), codec="wav")[0]) / 3
    sound, rate = soundfile.read(io.BytesIO(data))
    assert rate == RATE
    assert abs((pitch(sound[10_000:30_000]) - 69 + 6) % 12 - 6) < 0.2


@pytest.mark.skipif(sys.platform == "win32", reason="Windows plays without a program")
def test_where_nothing_can_play_play_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RenderError, match="no program to play sound with"):
        play(np.zeros((10, 2), np.float32), RATE)
    player = tmp_path / "aplay"
    player.write_text("#!/bin/sh\necho 'aplay: main: audio open error: No such file' >&2\nexit 1\n")
    player.chmod(0o755)
    with pytest.raises(RenderError, match="aplay cannot play: aplay: main: audio open error"):
        play(np.zeros((10, 2), np.float32), RATE)


# What cannot be played


def test_requests_that_cannot_be_met_are_refused(tmp_path: Path):
    with pytest.raises(RenderError, match="no notes"):
        render(Piece([], [], []))
    long = Piece([0, 24 * 120 * 60], [24, 24], [60, 60])
    with pytest.raises(RenderError, match=r"3,600 seconds.*render_wav"):
        render(long)
    with pytest.raises(RenderError, match="at most"):
        render_wav(Piece([0, 24 * 120 * 60 * 24], [24, 24], [60, 60]), tmp_path / "a.wav")
    for wrong in ({"sample_rate": 7999}, {"peak_dbfs": 1.0}, {"peak_dbfs": float("nan")}, {"synthesizer": "moog"}):
        with pytest.raises(RenderError, match=next(iter(wrong))):
            RenderSettings(**wrong)


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
