"""Tunes for the tests of the corpus, made up by chance."""

from pathlib import Path

import numpy as np

from melody import midi
from melody.corpus import Corpus, Verdict
from melody.piece import Key, Part, Piece, Tempo, TimeSignature


def tune(seed: int, notes: int = 80, *, chords: bool = True, shift: int = 0) -> Piece:
    """A melody of steps and leaps in a scale, over chords held for a bar."""
    rng = np.random.default_rng(seed)
    scale = np.array([o * 12 + s for o in range(3, 8) for s in (0, 2, 4, 5, 7, 9, 11)])
    degree = np.clip(14 + np.cumsum(rng.choice([-3, -2, -1, 1, 2, 4], notes)) % 14, 0, len(scale) - 1)
    duration = rng.choice([6, 12, 12, 24, 36], notes)
    onset = np.concatenate([[0], np.cumsum(duration)[:-1]])
    melody = Piece(onset, duration, scale[degree] + shift, parts=(Part(0, False, "Melody"),))
    if not chords:
        return melody
    bars = np.repeat(np.arange(0, melody.length, 96), 3)
    roots = np.repeat(rng.choice([0, 5, 7], len(bars) // 3), 3)
    return Piece(
        np.concatenate([melody.onset, bars]),
        np.concatenate([melody.duration, np.full(len(bars), 96)]),
        np.concatenate([melody.pitch, 40 + roots + np.tile([0, 4, 7], len(bars) // 3) + shift]),
        part=np.repeat([0, 1], [notes, len(bars)]),
        parts=(Part(0, False, "Melody"), Part(24, False, "Chords")),
    )


def polyphonic(seed: int) -> Piece:
    """Several instruments, drums, changes of metre, tempo and key."""
    rng = np.random.default_rng(seed)
    piece = tune(seed, 30)
    drums = Piece(np.arange(40) * 12, np.full(40, 3), rng.choice([36, 38, 42], 40), parts=(Part(0, True),))
    return Piece(
        *(np.concatenate([getattr(piece, n), getattr(drums, n)]) for n in ("onset", "duration", "pitch")),
        rng.integers(1, 128, piece.num_notes + 40),
        np.concatenate([piece.part, np.full(40, 2)]),
        parts=(*piece.parts, *drums.parts),
        time_signatures=(TimeSignature(0, 4, 4), TimeSignature(192, 3, 4))[: 1 + seed % 2],
        tempi=(Tempo(0, 500_000), Tempo(100, 400_000))[: 1 + seed % 3 % 2],
        keys=(Key(0, 2, "major"), Key(50, -1, "minor"))[: seed % 3],
    )


def fill(root: Path) -> Path:
    """Twelve different tunes, and a case of each thing that can happen to a file: 17 files and one of another kind."""
    for seed in range(12):
        midi.write(tune(seed), root / f"tune{seed:02d}.mid")
    (root / "more").mkdir()
    (root / "more" / "copy.MID").write_bytes(midi.to_bytes(tune(3)))
    midi.write(tune(4).transpose(3), root / "more" / "higher.mid")
    midi.write(tune(90, 5, chords=False), root / "short.mid")
    (root / "broken.mid").write_bytes(b"no music at all")
    (root / "empty.mid").write_bytes(b"")
    (root / "readme.txt").write_text("nothing to hear")
    return root


def by_path(corpus: Corpus) -> dict[str, Verdict]:
    """The verdicts by their paths."""
    return {v.path: v for v in corpus.verdicts}
