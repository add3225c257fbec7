"""The sound of a piece by FluidSynth, for those who have its program: reverb, chorus and every modulator of a soundfont."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from melody.errors import RenderError
from melody.midi.performance import Performance
from melody.piece import Piece
from melody.render.synthesis import Floats

BLOCK_BYTES = 2**20
MOST_SECONDS = 60.0  # beyond those of the music, which it makes many times as fast
GAIN = "0.3"  # headroom; the level is set afterwards


def fluidsynth_blocks(
    piece: Piece, soundfont: Path, sample_rate: int, performance: Performance | None = None
) -> Iterator[Floats]:
    """The sound of a piece, (2, samples) at a time, left above right; like `melody.render.mixing.blocks`.

    If it is known how it is played, from a file that is whole, that file is played.

    Raises
    ------
    RenderError
        If the program `fluidsynth` is not installed, or fails.
    """
    program = shutil.which("fluidsynth")
    if program is None:
        raise RenderError("the program fluidsynth is not installed; install it, or take the synthesizer 'melody'")
    with tempfile.TemporaryDirectory() as folder:
        midi, raw = Path(folder) / "piece.mid", Path(folder) / "sound.raw"
        if performance and performance.source:
            midi.write_bytes(performance.source)
        else:
            piece.write(midi)
        options = f"-niq -r {sample_rate} -g {GAIN} -T raw -O s16 -E little -F".split()
        command = [program, *options, str(raw), str(soundfont.absolute()), str(midi)]
        _run(command, raw, MOST_SECONDS + float(piece.seconds(piece.length)))
        with raw.open("rb") as file:
            while data := file.read(BLOCK_BYTES):
                yield np.frombuffer(data, "<i2").reshape(-1, 2).T.astype(np.float32) / np.float32(32768)


def _run(command: list[str], raw: Path, seconds: float) -> None:
    """Run the program, which writes `raw`."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=seconds)
    except subprocess.TimeoutExpired:
        raise RenderError(f"fluidsynth has not done within {seconds:.0f} s; take the synthesizer 'melody'") from None
    if done.returncode or not raw.is_file() or not raw.stat().st_size:
        reason = (done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"])[-1]
        raise RenderError(f"fluidsynth cannot play this: {reason}; take the synthesizer 'melody', or another soundfont")
