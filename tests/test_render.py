"""What can be heard: pitches, times, levels and ends of sounds, measured in the samples.

The soundfont is the General MIDI font that comes with pretty_midi, played through every program and every drum.
"""

from __future__ import annotations

import io
import shutil
import sys
import wave
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from sounds import RATE, level, one_note, pitch

from melody.errors import RenderError
from melody.piece import Part, Piece, Tempo
from melody.render import RenderSettings, SoundFont, audio_bytes, default_soundfont, play, render, render_wav, write_wav
from melody.render.synthesis import Synthesizer, Voice

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


def test_any_stretch_of_a_voice_is_the_same_however_it_is_cut():
    font = SoundFont(default_soundfont())
    for bank, program in ((0, 0), (0, 40), (0, 49), (0, 80), (128, 0)):
        region = next(r for r in font.regions(bank, program) if r.keys[0] <= 60 <= r.keys[1])
        voice = Voice(region, 60, 0, 30_000, 2**62, 1.0)
        whole = Synthesizer(font, RATE).render(voice, 0, 60_000)
        synthesizer = Synthesizer(font, RATE)
        cuts = [0, 1, 1000, 17_333, 31_000, 60_000]
        parts = np.concatenate([synthesizer.render(voice, a, b) for a, b in pairwise(cuts)])
        np.testing.assert_allclose(parts, whole, atol=2e-4)


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
