"""Sound on its way out: to a WAV file, to a compressed form for a page, to the loudspeaker.

Sound is float32, (samples, 2), left and right, from -1 to 1.
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tempfile
import time
import wave
from collections.abc import Iterable
from importlib import import_module
from itertools import chain
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from melody.errors import RenderError
from melody.extras import need
from melody.files import replacing

Floats = NDArray[np.float32]

MAX_WAV_BYTES = 2**32 - 2**10  # a WAV file counts its bytes in 32 bits
MP3_COMPRESSION = 0.7  # about 45 kbit/s for a piano alone, mono
PLAYERS = ("afplay", "pw-play", "paplay", "aplay")  # macOS, then PipeWire, PulseAudio, ALSA


def write_wav(path: str | os.PathLike[str], audio: Floats, sample_rate: int) -> None:
    """Write a 16-bit WAV file, whole or not at all.

    Parameters
    ----------
    path
        Where to.
    audio
        (samples, 2) or, for mono, (samples,), from -1 to 1; what lies outside is clipped.
    sample_rate
        Samples a second.

    Raises
    ------
    RenderError
        If the sound has no such shape, is not finite or is too long for a WAV file (6 h 45 min in stereo at 44.1 kHz).
    FileError
        If the file cannot be written.
    """
    write_wav_blocks(path, [audio], sample_rate)


def write_wav_blocks(path: str | os.PathLike[str], blocks: Iterable[Floats], sample_rate: int) -> None:
    """Write sound that comes in blocks (see `write_wav`), keeping no more than one of them in memory."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        _write_pcm(file, blocks, sample_rate)


def _write_pcm(file: BinaryIO, blocks: Iterable[Floats], sample_rate: int) -> None:
    blocks = iter(blocks)
    first = next(blocks)
    _check(first)
    size = 0
    with wave.open(file, "wb") as wav:
        wav.setparams((1 if first.ndim == 1 else 2, 2, sample_rate, 0, "NONE", ""))
        for block in chain([first], blocks):
            _check(block)
            size += 2 * block.size
            if size > MAX_WAV_BYTES:
                raise RenderError("the sound exceeds the 4 GB of a WAV file; take a part of it, or a lower sample rate")
            wav.writeframes(np.round(np.clip(block, -1, 1) * 32767).astype("<i2").tobytes())


def _check(audio: Floats) -> None:
    if audio.ndim not in (1, 2) or (audio.ndim == 2 and audio.shape[1] != 2):
        raise RenderError(f"sound has shape {audio.shape}; it must be (samples, 2), or (samples,) for mono")
    if not np.all(np.isfinite(audio)):
        raise RenderError("the sound has values that are no numbers; they must be from -1 to 1")


def wav_bytes(audio: Floats, sample_rate: int) -> bytes:
    """The bytes of a mono 16-bit WAV file of `audio`, at half the sample rate if it is 32 kHz or more."""
    mono = audio.mean(axis=1)
    if sample_rate >= 32_000:
        mono, sample_rate = _halve(mono), sample_rate // 2
    file = io.BytesIO()
    _write_pcm(file, [mono], sample_rate)
    return file.getvalue()


def _halve(mono: Floats) -> Floats:
    """Every other sample, after a low-pass (a sinc of 63 taps under a Hamming window) has taken what would fold down."""
    taps = np.arange(-31, 32)
    kernel = np.sinc(taps * 0.45) * np.hamming(63)
    return np.convolve(mono, (kernel / kernel.sum()).astype(np.float32), mode="same")[::2]


def mp3_bytes(audio: Floats, sample_rate: int) -> bytes:
    """The bytes of a mono MP3 file of `audio`, by libsndfile.

    Raises
    ------
    RenderError
        If soundfile is not installed, or its libsndfile knows no MP3.
    """
    need("MP3", "soundfile", error=RenderError)
    try:
        soundfile = import_module("soundfile")
    except OSError as error:  # the package without its libsndfile
        raise RenderError("MP3 needs libsndfile; install it, or take WAV") from error
    if "MP3" not in soundfile.available_formats():
        raise RenderError(f"soundfile {soundfile.__version__} knows no MP3; update soundfile to 0.13, or take WAV")
    file = io.BytesIO()
    soundfile.write(file, audio.mean(axis=1), sample_rate, format="MP3", compression_level=MP3_COMPRESSION)
    return file.getvalue()


def duration_of(data: bytes, mime: str) -> float | None:
    """How long a sound file lasts, in seconds; None if only a package that is not installed could say."""
    try:
        if mime == "audio/wav":
            with wave.open(io.BytesIO(data)) as wav:
                return float(wav.getnframes() / wav.getframerate())
        return float(import_module("soundfile").info(io.BytesIO(data)).duration)
    except (ImportError, OSError, RuntimeError, EOFError, wave.Error):  # soundfile's own errors are RuntimeErrors
        return None


def play(audio: Floats, sample_rate: int) -> None:
    """Play through the loudspeaker, and return when it is over; an interrupt (Ctrl-C) stops it.

    Windows plays it itself; on macOS `afplay` does, on Linux the first of `pw-play`, `paplay` and `aplay` that is installed.

    Parameters
    ----------
    audio
        (samples, 2) or (samples,), from -1 to 1.
    sample_rate
        Samples a second.

    Raises
    ------
    RenderError
        If there is no player, or it finds no sound device.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "melody.wav"
        write_wav(path, audio, sample_rate)
        if sys.platform == "win32":
            _play_on_windows(path, len(audio) / sample_rate)
        else:
            _play_with_program(path)


def check_player() -> None:
    """Raise `RenderError` if there is no program that plays sound."""
    if sys.platform != "win32":
        _player()


def _player() -> str:
    found = next(filter(None, map(shutil.which, PLAYERS)), None)
    if found is None:
        raise RenderError(
            f"there is no program to play sound with; install one of {', '.join(PLAYERS[1:])}, or write a WAV file and play "
            "it elsewhere (melody render without --play)"
        )
    return found


def _play_with_program(path: Path) -> None:
    player = _player()
    done = subprocess.run([player, str(path)], capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"])[-1]
        raise RenderError(f"{Path(player).name} cannot play: {reason}; connect a sound device, or write a WAV file")


def _play_on_windows(path: Path, seconds: float) -> None:
    if sys.platform != "win32":  # for the type checker: winsound exists only there
        return
    import winsound

    try:
        # Not synchronously: an interrupt would have to wait for the end.
        winsound.PlaySound(str(path), winsound.SND_FILENAME | winsound.SND_ASYNC | winsound.SND_NODEFAULT)
        time.sleep(seconds)
        winsound.PlaySound(None, 0)
    except RuntimeError as error:
        raise RenderError(f"Windows cannot play: {error}; connect a sound device, or write a WAV file") from error
