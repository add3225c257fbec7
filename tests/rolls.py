"""Music for the tests of pictures and pages, and text that must do no harm there."""

from __future__ import annotations

from typing import Any

import numpy as np

from melody.piece import Part, Piece

HOSTILE = "<script>alert(1)</script> \"quoted\" 'too' & $x^2$ \x00\x1b \ud800 \u202e \u65e5\u672c \U0001f3b5\nnext"


def tune(bars: int, seed: int = 0, **frame: Any) -> Piece:
    """Notes end to end, of random lengths and strengths, over `bars` bars of 4/4."""
    random = np.random.default_rng(seed)
    ends = np.unique(np.append(random.integers(1, bars * 16, bars * 4), bars * 16)) * 6
    onsets = np.append(0, ends[:-1])
    count = len(ends)
    return Piece(onsets, ends - onsets, random.integers(50, 80, count), random.integers(1, 128, count), **frame)


def band() -> Piece:
    """Two bars: a part and a second in unison with it, bass, and drums."""
    return Piece(
        [0, 96, 0, 96, 0, 0, 48, 96],
        [96, 96, 96, 48, 192, 2, 2, 2],
        [60, 62, 60, 64, 40, 36, 38, 42],
        part=[0, 0, 1, 1, 2, 3, 3, 3],
        parts=[Part(0, name="Lead"), Part(40), Part(32), Part(0, is_drum=True)],
        tempi=[(0, 500_000), (96, 250_000)],
    )
