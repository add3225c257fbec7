"""Music for the tests of scores: tunes written out, and a way through a file and back."""

from __future__ import annotations

from pathlib import Path

from melody.piece import Part, Piece
from melody.score.score_files import read_score


def line(*notes: tuple[int, int | None], at: int = 0, **frame) -> Piece:
    """A tune of (duration, pitch or None for a rest)."""
    rows = []
    for duration, pitch in notes:
        rows += [(at, duration, pitch)] if pitch is not None else []
        at += duration
    return Piece(*zip(*rows), **frame)


def jig() -> Piece:
    bar = [(12, 74), (12, 78), (12, 81), (24, 78), (4, 76), (4, 74), (4, 73)]
    return line(
        (12, 69),
        *bar * 5,
        (36, 74),
        (24, 74),
        at=60,
        time_signatures=[(0, 6, 8)],
        parts=(Part(40, name="Fiddle"),),
        title="Jig",
    )


def chorale() -> Piece:
    """Eight chords of I and V in G for four voices."""
    chords = [(71, 67, 62, 43), (69, 66, 62, 50)] * 4
    rows = [(24 * i, 24, pitch, voice) for i, chord in enumerate(chords) for voice, pitch in enumerate(chord)]
    onset, duration, pitch, part = zip(*rows)
    names = ("Soprano", "Alto", "Tenor", "Bass")
    return Piece(onset, duration, pitch, part=part, parts=tuple(Part(52, name=n) for n in names), keys=[(0, 1, "major")])


def notes_of(piece: Piece) -> list[tuple[int, ...]]:
    return sorted(zip(*(c.tolist() for c in (piece.part, piece.onset, piece.duration, piece.pitch))))


def read_back(text: str, suffix: str, folder: Path) -> Piece:
    path = folder / f"score{suffix}"
    path.write_text(text, encoding="utf-8")
    return read_score(path)
