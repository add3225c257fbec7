"""The formats in which scores are read: which suffix is which format, and what reads it.

A new format is a function from bytes to `Piece` in a module of its own, a suffix in `READS`, and a branch of `parse`. A
reader is loaded when the first file of its format is read: they compile many patterns, which takes a tenth of a second.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from melody.piece import Piece

READS = {".musicxml": "musicxml", ".xml": "musicxml", ".mxl": "musicxml", ".abc": "abc", ".krn": "humdrum"}


@dataclass(frozen=True)
class Reading:
    """A piece read from a score, and what was changed in its music, one plain sentence for each kind of change."""

    piece: Piece
    repairs: tuple[str, ...] = ()


def parse(content: bytes, suffix: str) -> Reading:
    """The piece in the bytes of a score; `suffix` is one of `READS`.

    It is not bounded in time and memory: see `melody.score.bounded.read`.

    Raises
    ------
    MelodyError
        As `melody.score.score_files.read_score`, without a name.
    """
    form, found = READS[suffix], Counter[str]()
    if form == "musicxml":
        from melody.score.musicxml.from_musicxml import read_musicxml

        piece, repairs = read_musicxml(content)
        return Reading(piece, tuple(repairs))
    if form == "abc":
        from melody.score.abc.from_abc import read_abc

        piece = read_abc(content, found)
    elif form == "humdrum":
        from melody.score.kern import read_kern

        piece = read_kern(content, found)
    else:
        raise AssertionError(f"a format without a branch here: {form}")
    return Reading(piece, tuple(f"{times} times: {what}" if times > 1 else what for what, times in found.items()))
