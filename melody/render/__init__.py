"""`Piece` -> sound, with General MIDI instruments and drums, velocities and tempo changes.

Conventions
-----------
Sound is float32, (samples, 2), left and right, from -1 to 1. It is played by a synthesizer of our own from the samples of a
soundfont (SF2): nothing needs to be installed, nothing is fetched, and the same piece gives the same bytes. The
soundfont is the one that comes with pretty_midi, or any the caller names. The loudest moment of a piece is brought to the
level `peak_dbfs`, by one gain for the whole: nothing clips, and loud and soft keep their distance.

A piece is notes. How a MIDI file has them played, with pedal, volume, expression, pan and pitch bend, comes beside the piece
as a `Performance` (`melody.midi.read_performed`); what it does to the sound stands in `melody.render.controls`.

>>> from melody.piece import Part, Piece
>>> tune = Piece([0, 24], [24, 24], [60, 64], parts=(Part(program=73),))
>>> audio = render(tune, RenderSettings(sample_rate=22050))
>>> audio.shape[1], audio.dtype.name
(2, 'float32')
"""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from melody.errors import RenderError
from melody.midi.performance import Performance
from melody.piece import Piece
from melody.render.controls import is_silenced
from melody.render.fluidsynth import fluidsynth_blocks
from melody.render.mixing import blocks
from melody.render.output import Floats, mp3_bytes, play, wav_bytes, write_wav, write_wav_blocks
from melody.render.soundfont import SoundFont, default_soundfont

__all__ = [
    "RenderSettings",
    "SoundFont",
    "audio_bytes",
    "default_soundfont",
    "is_silenced",
    "play",
    "render",
    "render_wav",
    "write_wav",
]

MAX_RENDER_SECONDS = 1800  # in memory: 1.3 GB at 44.1 kHz while it is put together
MAX_WAV_SECONDS = 12 * 3600


@dataclass(frozen=True)
class RenderSettings:
    """How a piece is made to sound.

    Parameters
    ----------
    soundfont
        An .sf2 file; None for the one that comes with pretty_midi.
    sample_rate
        Samples a second, 8,000 to 96,000.
    peak_dbfs
        Level of the loudest sample in dB below full scale, -60 to 0.
    synthesizer
        "melody", our own, or "fluidsynth", if its program is installed: that one adds reverb and chorus, and is slower.

    Raises
    ------
    RenderError
        If a value is none of these.
    """

    soundfont: str | os.PathLike[str] | None = None
    sample_rate: int = 44_100
    peak_dbfs: float = -1.0
    synthesizer: Literal["melody", "fluidsynth"] = "melody"

    def __post_init__(self) -> None:
        if not 8_000 <= self.sample_rate <= 96_000:
            raise RenderError(f"sample_rate is {self.sample_rate}; it must be from 8000 to 96000 a second")
        if not -60 <= self.peak_dbfs <= 0:
            raise RenderError(f"peak_dbfs is {self.peak_dbfs}; it must be from -60 to 0")
        if self.synthesizer not in ("melody", "fluidsynth"):
            raise RenderError(f"synthesizer is {self.synthesizer!r}; it must be 'melody' or 'fluidsynth'")


def render(piece: Piece, settings: RenderSettings = RenderSettings(), performance: Performance | None = None) -> Floats:
    """The sound of a piece.

    Each part plays its General MIDI program, drum parts their kit (the standard kit if the soundfont lacks it). A note
    sounds for its duration, and on while the pedal of the piece holds it, then dies away as its instrument does; none
    sounds longer than five minutes. A note beyond the range of an instrument is played from its nearest sample; a drum the
    kit lacks is silent.

    Parameters
    ----------
    piece
        At least one note, at most half an hour; `render_wav` takes longer ones.
    settings
        See there.
    performance
        How it is played, read from the same file as the piece; None for its notes alone.

    Returns
    -------
    array
        float32, (samples, 2), from the start of the piece to the end of its last sound.

    Raises
    ------
    RenderError
        If the piece is empty or too long, the soundfont cannot be read, lacks an instrument or is silent.
    """
    _check_length(piece, MAX_RENDER_SECONDS, "render_wav writes longer ones to a file")
    blocks = [block.T for block in _blocks(piece, settings, performance)]
    audio = np.concatenate([np.zeros((0, 2), np.float32), *blocks])
    audio *= _gain(_peak(audio), settings, piece, performance)
    return audio


def render_wav(
    piece: Piece,
    path: str | os.PathLike[str],
    settings: RenderSettings = RenderSettings(),
    performance: Performance | None = None,
) -> None:
    """Write the sound of a piece to a 16-bit WAV file, the same samples as `render` gives, whole or not at all.

    The piece is played twice, once to find its loudest moment: pieces of hours need little memory.

    Raises
    ------
    RenderError
        As `render`; and if the file would exceed the 4 GB of WAV (6 h 45 min at 44.1 kHz).
    FileError
        If the file cannot be written.
    """
    _check_length(piece, MAX_WAV_SECONDS, "take a part of it")
    peak = max(map(_peak, _blocks(piece, settings, performance)), default=0.0)
    gain = _gain(peak, settings, piece, performance)
    write_wav_blocks(path, (block.T * gain for block in _blocks(piece, settings, performance)), settings.sample_rate)


class Sound(NamedTuple):
    """A sound file: its bytes, and its MIME type, "audio/mpeg" or "audio/wav". A notebook shows it as a player."""

    data: bytes
    mime: str

    def _repr_html_(self) -> str:
        return f'<audio controls src="data:{self.mime};base64,{b64encode(self.data).decode()}"></audio>'


def audio_bytes(
    piece: Piece,
    settings: RenderSettings = RenderSettings(),
    codec: Literal["auto", "mp3", "wav"] = "auto",
    performance: Performance | None = None,
) -> Sound:
    """The sound of a piece as a small mono file, for a page to embed, and its MIME type.

    A minute takes about 0.35 MB as MP3 and 2.6 MB as WAV (which has half the sample rate).

    Parameters
    ----------
    piece, settings, performance
        As for `render`.
    codec
        "mp3" needs the package soundfile; "auto" is MP3 where that is installed, else WAV.

    Raises
    ------
    RenderError
        As `render`; and if `codec` is "mp3" without soundfile.
    """
    if codec not in ("auto", "mp3", "wav"):
        raise RenderError(f"codec is {codec!r}; it must be 'auto', 'mp3' or 'wav'")
    audio = render(piece, settings, performance)
    if codec != "wav":
        try:
            return Sound(mp3_bytes(audio, settings.sample_rate), "audio/mpeg")
        except RenderError:
            if codec == "mp3":
                raise
    return Sound(wav_bytes(audio, settings.sample_rate), "audio/wav")


def _blocks(piece: Piece, settings: RenderSettings, performance: Performance | None) -> Iterator[Floats]:
    path = default_soundfont() if settings.soundfont is None else Path(settings.soundfont)
    font = SoundFont(path)
    if settings.synthesizer == "fluidsynth":
        return fluidsynth_blocks(piece, path, settings.sample_rate, performance)
    held = performance.held(piece) if performance else replace(piece, duration=piece.sounding_end - piece.onset)
    return blocks(held, font, settings.sample_rate, performance)


def _check_length(piece: Piece, most_seconds: int, advice: str) -> None:
    if piece.num_notes == 0:
        raise RenderError("the piece has no notes; give one that has")
    seconds = float(piece.seconds(piece.length))
    if seconds > most_seconds:
        raise RenderError(f"the piece lasts {seconds:,.0f} seconds; at most {most_seconds:,} can be rendered; {advice}")


def _peak(audio: Floats) -> float:
    return float(max(audio.max(initial=0), -audio.min(initial=0)))


def _gain(peak: float, settings: RenderSettings, piece: Piece, performance: Performance | None) -> np.float32:
    if peak < 1e-6:
        if performance and is_silenced(performance, piece):
            return np.float32(1)
        raise RenderError("no note of the piece can be heard with this soundfont; name a General MIDI soundfont")
    return np.float32(10 ** (settings.peak_dbfs / 20) / peak)
