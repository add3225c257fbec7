"""Music from a file of any kind that is read, with what was repaired in it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from melody.piece import Piece
from melody.score.formats import READS

if TYPE_CHECKING:
    from melody.midi import Performance


@dataclass(frozen=True)
class Found:
    """What stands in a file.

    Parameters
    ----------
    piece
        The music.
    repairs
        What was changed in it to be read, and what of it is not played, in plain sentences.
    performance
        How it is played, if that was asked for and it is a MIDI file.
    """

    piece: Piece
    repairs: tuple[str, ...] = ()
    performance: Performance | None = None


def is_score(path: Path) -> bool:
    """Whether a file is one of notation; it is a MIDI file otherwise."""
    return path.suffix.lower() in READS


def read(path: Path) -> Found:
    """The music in a file.

    Raises
    ------
    melody.errors.ScoreError, melody.errors.MidiError
        If it cannot be read.
    """
    if is_score(path):
        from melody.score.score_files import read_score_file

        score = read_score_file(path)
        return Found(score.piece, score.repairs)
    from melody import midi

    reading = midi.read_file(path)
    return Found(reading.piece, reading.repairs)


def read_performed(path: Path, *, whole: bool = False) -> Found:
    """The music in a file, with how it is played.

    Parameters
    ----------
    path
        The file.
    whole
        Whether all of the performance will be played, so that there is nothing to say of what is not.

    Raises
    ------
    melody.errors.ScoreError, melody.errors.MidiError
        As of `read`.
    """
    if is_score(path):
        return read(path)
    from melody import midi

    reading, performance = midi.read_performed(path)
    return Found(reading.piece, (*reading.repairs, *(() if whole else performance.remarks)), performance)
