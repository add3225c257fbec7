"""Pedal, volume, expression, pan and bend are heard as General MIDI says; the fonts are sines, so that theory says what."""

from __future__ import annotations

import io
import os
import shutil
import wave
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from midi_hex import END, file, track
from sounds import LOOPED, RATE, SINE, frequency, level, pitch, soundfont

from melody import midi
from melody.cli import main
from melody.errors import RenderError
from melody.midi import Performed
from melody.piece import Part, Piece
from melody.render import RenderSettings, audio_bytes, is_silenced, mixing, render, render_wav
from melody.render.generators import Gen
from melody.render.output import mp3_bytes, wav_bytes

A = "90 45 40"  # the A of 440 Hz begins; 48 ticks are half a second
BOTH = "00 90 45 40 00 91 51 40 81 40 80 45 40 00 81 51 40"  # on channel 2 the A an octave higher; both for two seconds
QUIET_RELEASE = {Gen.VOL_RELEASE: -12000} | LOOPED


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> RenderSettings:
    """A soundfont of sines."""
    path = tmp_path_factory.mktemp("font") / "sine.sf2"
    path.write_bytes(soundfont([[QUIET_RELEASE]], [(0, 0, [{Gen.INSTRUMENT: 0}])]))
    return RenderSettings(soundfont=path)


def read(*tracks: str) -> Performed:
    """A file of 48 ticks a quarter, at 120 quarters a minute."""
    return midi.parse_performed(file(*(track(events, END) for events in tracks), division=48))


def heard(events: str, settings: RenderSettings) -> np.ndarray:
    """The sound of a file of one track."""
    found = read(events)
    return render(found.reading.piece, settings, found.performance)


def partial_level(sound: np.ndarray, hertz: float, start: float, stop: float) -> float:
    """Level in dB of one partial from `start` to `stop` seconds."""
    part = sound[round(start * RATE) : round(stop * RATE)].astype(np.float64)
    window = np.hanning(len(part))
    phase = np.exp(-2j * np.pi * hertz * np.arange(len(part)) / RATE)
    return 20 * np.log10(2 * np.abs(np.sum(part * window * phase)) / window.sum() + 1e-12)


def difference(events: str, settings: RenderSettings, start: float = 0.1, stop: float = 0.9) -> float:
    """By how many dB the A of channel 1 is louder than that of channel 2."""
    mono = heard(events, settings).sum(axis=1)
    return partial_level(mono, 440, start, stop) - partial_level(mono, 880, start, stop)


SAID_AS_USUAL = "00 B0 07 64 00 B0 0B 7F 00 B0 0A 40 00 B0 40 00 00 E0 00 40 00 B0 79 00"


@pytest.mark.parametrize("events", ["", SAID_AS_USUAL], ids=["nothing said", "said as it is anyway"])
def test_without_controllers_the_sound_is_that_of_the_piece(events: str, settings: RenderSettings) -> None:
    found = read(events + BOTH)
    np.testing.assert_array_equal(
        render(found.reading.piece, settings, found.performance), render(found.reading.piece, settings)
    )


def test_a_held_note_sounds_as_one_that_is_written_so_long(settings: RenderSettings) -> None:
    found = read(f"00 B0 40 7F 00 {A} 18 80 45 40 00 90 4C 40 18 80 4C 40 60 B0 40 00")
    scale = found.reading.piece.ticks_per_quarter // 48
    written = replace(found.reading.piece, duration=scale * np.array([144, 120]))
    np.testing.assert_array_equal(render(found.reading.piece, settings, found.performance), render(written, settings))
    assert len(heard(f"00 {A} 18 80 45 40 00 90 4C 40 18 80 4C 40", settings)) < 0.6 * RATE


@pytest.mark.parametrize("value", [127, 100, 64, 20])
def test_volume_and_expression_are_40_log10(value: int, settings: RenderSettings) -> None:
    assert difference(f"00 B0 07 {value:02X}" + BOTH, settings) == pytest.approx(40 * np.log10(value / 100), abs=0.05)
    assert difference(f"00 B0 0B {value:02X}" + BOTH, settings) == pytest.approx(40 * np.log10(value / 127), abs=0.05)
    both = 40 * np.log10(value / 100 * 64 / 127)
    assert difference(f"00 B0 07 {value:02X} 00 B0 0B 40" + BOTH, settings) == pytest.approx(both, abs=0.05)


def test_volume_changes_while_a_note_sounds_without_a_click(settings: RenderSettings) -> None:
    events = f"00 {A} 60 B0 07 40 60 80 45 40"
    sound = heard(events, settings)[:, 0]
    assert level(sound, 0.5, 0.95) - level(sound, 1.05, 1.5) == pytest.approx(40 * np.log10(100 / 64), abs=0.05)
    assert np.abs(np.diff(sound, n=3))[RATE - 500 : RATE + 500].max() < 0.01  # a sudden change would be a jump of 0.5


def test_volume_that_is_set_with_a_note_holds_from_its_first_sample(settings: RenderSettings) -> None:
    late = heard(f"00 B0 07 00 30 B0 07 64 00 {A} 30 80 45 40", settings)
    np.testing.assert_array_equal(late, heard(f"30 {A} 30 80 45 40", settings))
    late = heard(f"00 B0 07 00 30 B0 07 64 00 {A} 30 B0 07 40 30 80 45 40", settings)
    np.testing.assert_allclose(late, heard(f"30 {A} 30 B0 07 40 30 80 45 40", settings), atol=1e-6)


def test_a_glide_goes_on_in_the_next_block(settings: RenderSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    events = f"00 {A} 60 B0 07 20 00 B0 0A 70 60 80 45 40"
    whole = heard(events, settings)
    monkeypatch.setattr(mixing, "BLOCK", RATE + 30)  # the change comes after a second
    np.testing.assert_allclose(heard(events, settings)[: RATE + 200], whole[: RATE + 200], atol=1e-4)


def test_a_file_whose_volume_is_0_is_silent_and_one_whose_font_is_silent_is_an_error(settings: RenderSettings) -> None:
    found = read("00 B0 07 00 00 B1 0B 00" + BOTH)
    sound = render(found.reading.piece, settings, found.performance)
    assert len(sound) > RATE and not sound.any() and is_silenced(found.performance, found.reading.piece)
    assert not is_silenced(read("00 B0 07 00" + BOTH).performance, found.reading.piece)
    high = read("00 90 7F 01 01 80 7F 40").reading.piece
    drums, silent = replace(high, parts=(Part(0, is_drum=True),)), replace(settings, soundfont=_silent(settings))
    for performance in (None, read("00 B9 07 7F 00 99 7F 01 01 89 7F 40").performance):
        with pytest.raises(RenderError, match="no note of the piece can be heard"):
            render(drums, silent, performance)


def _silent(settings: RenderSettings) -> Path:
    path = Path(os.fspath(settings.soundfont or "")).with_name("silent.sf2")
    path.write_bytes(soundfont([[LOOPED]], [(128, 0, [{Gen.INSTRUMENT: 0}])], pool=bytes(2000)))
    return path


@pytest.mark.parametrize(("value", "degrees"), [(0, 0), (1, 0), (64, 45), (127, 90), (32, 90 * 31 / 126)])
def test_pan_keeps_the_power(value: int, degrees: float, settings: RenderSettings) -> None:
    sound = heard(f"00 B0 0A {value:02X} 00 {A} 60 80 45 40", settings)[: RATE // 2]
    left, right = np.sqrt(np.mean(sound.astype(np.float64) ** 2, axis=0))
    assert np.degrees(np.arctan2(right, left)) == pytest.approx(degrees, abs=0.1)


def test_pan_moves_while_a_note_sounds(settings: RenderSettings) -> None:
    sound = heard(f"00 B0 0A 00 00 {A} 60 B0 0A 7F 60 80 45 40", settings)
    assert not sound[: RATE - 100, 1].any() and level(sound[:, 0], 1.1, 1.9) < -90
    assert level(sound[:, 0], 0.1, 0.9) == pytest.approx(level(sound[:, 1], 1.1, 1.9), abs=0.05)


@pytest.mark.parametrize(
    ("events", "semitones"),
    [
        ("00 E0 00 60", 1),
        ("00 E0 00 00", -2),
        ("00 B0 65 00 00 B0 64 00 00 B0 06 0C 00 E0 00 00", -12),
        ("00 B0 65 00 00 B0 64 02 00 B0 06 42", 2),
    ],
)
def test_a_bend_sounds_as_a_transposition(events: str, semitones: int, settings: RenderSettings) -> None:
    bent = heard(events + f"00 {A} 60 80 45 40", settings)[:40_000, 0]
    moved = render(Piece([0], [48], [69 + semitones], [64]), settings)[:40_000, 0]
    assert abs(1200 * np.log2(frequency(bent) / frequency(moved))) < 0.5
    assert level(bent, 0.1, 0.8) == pytest.approx(level(moved, 0.1, 0.8), abs=0.2)


def test_a_bend_comes_while_a_note_sounds_and_goes_on_from_where_it_was(settings: RenderSettings) -> None:
    sound = heard(f"00 {A} 60 E0 00 60 60 E0 00 40 60 80 45 40", settings)[:, 0]
    found = [frequency(sound[round((t + 0.1) * RATE) : round((t + 0.9) * RATE)]) for t in (0, 1, 2)]
    assert [1200 * np.log2(hertz / 440) for hertz in found] == pytest.approx([0, 100, 0], abs=0.5)
    jumps = np.abs(np.diff(sound))
    assert jumps[: 3 * RATE - 500].max() < 1.1 * jumps[RATE // 2 : RATE // 2 + 1000].max() * 2 ** (1 / 12)


def test_all_sound_off_cuts_what_all_notes_off_lets_die_away(tmp_path: Path) -> None:
    path = tmp_path / "slow.sf2"
    path.write_bytes(soundfont([[{Gen.VOL_RELEASE: 3600} | LOOPED]]))  # 100 dB in eight seconds
    slow = RenderSettings(soundfont=path)
    sounds = (heard(f"00 {A} 30 B0 {number} 00 81 40 80 45 40", slow)[:RATE, 0] for number in ("78", "7B"))
    cut, ended = (np.pad(sound, (0, RATE - len(sound))) for sound in sounds)
    assert level(cut, 0.7, 0.8) < level(ended, 0.7, 0.8) - 40 and level(cut, 0.3, 0.4) == level(ended, 0.3, 0.4)
    assert level(ended, 0.7, 0.8) < level(ended, 0.3, 0.4) - 2  # dying away, though the key is down


def test_a_sound_does_not_depend_on_where_its_blocks_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "slow.sf2"
    path.write_bytes(soundfont([[{Gen.VOL_RELEASE: 1200} | LOOPED]]))
    settings = RenderSettings(soundfont=path)
    found = read(f"00 B0 0A 10 00 {A} 20 E0 00 60 20 B0 07 40 20 B0 0A 60 20 E0 00 20 40 B0 07 7F 60 80 45 40")
    whole = render(found.reading.piece, settings, found.performance)
    monkeypatch.setattr(mixing, "BLOCK", 10_000)
    np.testing.assert_allclose(render(found.reading.piece, settings, found.performance), whole, atol=2e-4)


def test_a_sample_without_a_loop_that_is_bent_down_lasts_longer(tmp_path: Path) -> None:
    path = tmp_path / "once.sf2"
    path.write_bytes(soundfont([[{Gen.VOL_RELEASE: 2400, Gen.SAMPLE: 0}]], pool=SINE * 40))
    once = RenderSettings(soundfont=path)
    octave_down = "00 B0 65 00 00 B0 64 00 00 B0 06 0C 00 E0 00 00"
    plain, bent = (heard(f"{events} 00 {A} 82 00 80 45 40", once) for events in ("", octave_down))
    assert len(bent) == pytest.approx(2 * len(plain), rel=0.01)
    assert level(bent[:, 0], 1.2, 1.7) > -10


PLAYED = (
    f"00 B0 07 50 00 {A} 30 E0 00 60 30 B0 0B 50 18 E0 00 20 18 80 45 40 00 B0 40 7F 00 90 40 40 18 80 40 40 48 B0 40 00"
)


@pytest.mark.skipif(shutil.which("fluidsynth") is None, reason="FluidSynth, the reference, is not installed")
@pytest.mark.parametrize("program", [16, 40, 73])
def test_it_plays_as_fluidsynth_does(program: int) -> None:
    found = read(f"00 C0 {program:02X}" + PLAYED)
    ours, theirs = (
        render(found.reading.piece, RenderSettings(synthesizer=name), found.performance)[:, 0]
        for name in ("melody", "fluidsynth")
    )
    times = np.arange(0.15, 2.0, 0.2)
    levels = [[level(sound, t, t + 0.1) for t in times] for sound in (ours, theirs)]
    assert np.ptp(np.subtract(*levels)) < 4
    for start in (0.25, 0.7, 1.1, 1.3, 1.8):
        pitches = [pitch(sound[round(start * RATE) : round((start + 0.14) * RATE)]) for sound in (ours, theirs)]
        assert abs((pitches[0] - pitches[1] + 6) % 12 - 6) < 0.3, (start, pitches)


# The command


def test_the_command_plays_a_file_as_it_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tune = "00 90 45 40 18 80 45 40 18 90 40 40 18 80 40 40"
    files = {
        "plain": tune,
        "pedal": "00 B0 40 7F" + tune,
        "quiet": "00 B0 07 20 00 90 45 40 18 80 45 40 00 B0 07 7F 18 90 40 40 18 80 40 40",
        "bent": "00 E0 00 60" + tune,
        "left": "00 B0 0A 00" + tune,
        "silent": "00 B0 07 00" + tune,
        "modulated": "00 B0 01 40" + tune,
    }
    sounds = {}
    for name, events in files.items():
        (tmp_path / f"{name}.mid").write_bytes(file(track(events, END)))
        assert main(["render", str(tmp_path / f"{name}.mid"), "--out", str(tmp_path / f"{name}.wav")]) == 0
        sounds[name] = (tmp_path / f"{name}.wav").read_bytes()
    assert sounds.pop("modulated") == sounds["plain"]
    assert len(set(sounds.values())) == len(sounds)
    told = capsys.readouterr().err
    assert "modulated.mid: not played: modulation" in told
    assert "silent.mid: its own volume is 0 from beginning to end: it is silent" in told


# Low-pass


def tones(*hertz: float) -> np.ndarray:
    """A second of sines at RATE, (samples, 2)."""
    time = np.arange(RATE) / RATE
    mono = sum(0.3 * np.sin(2 * np.pi * h * time) for h in hertz)
    return np.stack([mono, mono], axis=1).astype(np.float32)


def test_what_half_the_rate_cannot_hold_is_taken_out_before_and_does_not_fold_down() -> None:
    for above in (13_000, 15_000, 20_000):
        with wave.open(io.BytesIO(wav_bytes(tones(1000, above), RATE))) as wav:
            assert wav.getframerate() == RATE // 2
            mono = np.frombuffer(wav.readframes(wav.getnframes()), "<i2") / 32767
        full = np.repeat(mono, 2)  # measured at RATE: each sample twice, which hardly changes low tones
        assert partial_level(full, 1000, 0.1, 0.9) == pytest.approx(20 * np.log10(0.3), abs=0.1)
        assert partial_level(full, RATE / 2 - above, 0.1, 0.9) < -60
    with wave.open(io.BytesIO(wav_bytes(tones(8000), RATE))) as wav:
        mono = np.frombuffer(wav.readframes(wav.getnframes()), "<i2") / 32767
    assert level(mono, 0.1, 0.9, RATE // 2) == pytest.approx(level(tones(8000)[:, 0], 0.1, 0.9), abs=0.5)


def test_a_rate_that_is_low_already_is_kept() -> None:
    with wave.open(io.BytesIO(wav_bytes(tones(1000), 22_050))) as wav:
        assert wav.getframerate() == 22_050 and wav.getnframes() == RATE


def test_mp3_keeps_what_a_page_needs_and_folds_nothing_down() -> None:
    soundfile = pytest.importorskip("soundfile", reason="soundfile, which writes MP3, is not installed")
    sound, rate = soundfile.read(io.BytesIO(mp3_bytes(tones(1000, 8000, 20_000), RATE)))
    assert rate == RATE
    assert [partial_level(sound, hertz, 0.2, 0.8) for hertz in (1000, 8000)] == pytest.approx([-10.5, -10.5], abs=1)
    assert partial_level(sound, RATE / 2 - 20_000, 0.2, 0.8) < -50


def test_a_page_gets_what_is_played(settings: RenderSettings) -> None:
    found = read(f"00 E0 00 60 00 {A} 60 80 45 40")
    with wave.open(io.BytesIO(audio_bytes(found.reading.piece, settings, "wav", found.performance)[0])) as wav:
        mono = np.frombuffer(wav.readframes(wav.getnframes()), "<i2")[:20_000] / 32767
    assert frequency(np.repeat(mono, 2)) == pytest.approx(440 * 2 ** (1 / 12), rel=1e-3)


def test_blocks_of_a_performance_are_its_whole(settings: RenderSettings, tmp_path: Path) -> None:
    found = read(f"00 B0 07 50 00 {A} 30 E0 00 60 60 80 45 40")
    render_wav(found.reading.piece, tmp_path / "a.wav", settings, found.performance)
    with wave.open(str(tmp_path / "a.wav")) as wav:
        frames = np.frombuffer(wav.readframes(wav.getnframes()), "<i2").reshape(-1, 2)
    assert np.abs(frames / 32767 - render(found.reading.piece, settings, found.performance)).max() < 1e-4
