"""Single notes as sound, for the page to play on its own clock.

The sound of a piece is the sum of its notes (but for hi-hats that cut one another off), so the page gets each note once, as
our renderer plays it, and adds them up: tempo, loops, edits and muted parts then cost no further rendering.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from melody.errors import StudioError
from melody.piece import Part, Piece, Tempo
from melody.render.mixing import blocks

if TYPE_CHECKING:
    from melody.studio.bench import Bench, Message, Send

SAMPLE_RATE = 44_100
MAX_NOTES = 64  # in one request
MAX_MILLISECONDS = 20_000
_SECOND = (Tempo(0, 1_000_000),)  # a quarter lasts a second, of 1,000 ticks


def sound(bench: Bench, order: Message, send: Send) -> None:
    """The sound of `notes`, each [program, whether it is a drum, pitch, velocity, milliseconds].

    Each comes as a message of its `number` and the `bytes` of 16-bit samples, left and right in turn, at 44,100 a second.
    """
    rows = order.get("notes")
    if not isinstance(rows, list) or not 0 < len(rows) <= MAX_NOTES:
        raise StudioError(f"ask for the sound of 1 to {MAX_NOTES} notes")
    for number, row in enumerate(rows):
        send({"number": number, "bytes": _rendered(bench, _note_of(row))})


def get_ready(bench: Bench) -> None:
    """Load the synthesizer."""
    _rendered(bench, _note_of([0, 0, 60, 90, 200]))


def _note_of(row: Any) -> Piece:
    try:
        program, drum, pitch, velocity, milliseconds = map(int, row)
    except (TypeError, ValueError, OverflowError):
        raise StudioError("a note to sound is five numbers") from None
    duration = min(max(milliseconds, 10), MAX_MILLISECONDS)
    parts = (Part(program, bool(drum)),)
    onset, length, key, strength = (np.array([value], np.int64) for value in (0, duration, pitch, velocity))
    return Piece(onset, length, key, strength, parts=parts, tempi=_SECOND, ticks_per_quarter=1000)


def _rendered(bench: Bench, note: Piece) -> bytes:
    synthesizer = bench.synthesizer
    found = list(blocks(note, synthesizer.font, SAMPLE_RATE, synthesizer=synthesizer))
    audio = np.concatenate(found, axis=1) if found else np.zeros((2, 1), np.float32)
    return np.round(np.clip(audio.T, -1, 1) * 32767).astype("<i2").tobytes()
