"""Scores from files: MusicXML (`musicxml`), ABC (`abc`) and Humdrum (`kern`) -> `Piece`.

Conventions
-----------
What a page shows is what is read: repeats are not played out, and bar lines stay where they are printed. The files may come
from strangers: their size is bounded, and one that declares XML entities is refused.
"""

from __future__ import annotations

from os import PathLike
from pathlib import Path

from melody.errors import MelodyError, ScoreError
from melody.piece import Piece
from melody.score import bounded
from melody.score.formats import READS, Reading
from melody.score.musicxml.xml_text import MAX_BYTES


def read_score(path: str | PathLike[str]) -> Piece:
    """The piece in a MusicXML (.musicxml .xml .mxl), ABC (.abc) or Humdrum (.krn) file.

    Notes sound as they are meant to: transposing instruments at their sounding pitch, cue notes silent. Ties are merged,
    grace notes and chord symbols dropped, repeats not played out. A pick-up becomes a rest at the start of bar 0, a bar of
    another length gets a time signature of its own. Each part is one `Part`, with its program if the file names one; drums
    are known by their instrument, or by their place and notehead. Where two voices of a part meet on one pitch, the later
    note ends the earlier.

    Raises
    ------
    ScoreError
        If the file is no such score, is larger than 8 MB unpacked, holds several tunes or no notes.
    """
    return read_score_file(path).piece


def read_score_file(path: str | PathLike[str]) -> Reading:
    """Like `read_score`, with what had to be repaired."""
    path = Path(path)
    if path.suffix.lower() not in READS:
        raise ScoreError(f"{path.name!r} has the suffix {path.suffix!r}; a score can be read from {', '.join(READS)}")
    content = _read_bytes(path)
    try:
        return bounded.read(content, path.suffix.lower(), one_of_many=False)
    except MelodyError as error:
        raise ScoreError(f"{path.name}: {error}") from error


def _read_bytes(path: Path) -> bytes:
    try:
        if path.exists() and not path.is_file():  # a pipe that nobody writes to would be waited for
            raise ScoreError(f"{path} is no file; name a score")
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ScoreError(f"cannot read {path}: {error.strerror}; give a file that exists") from error
    if len(content) > MAX_BYTES:
        raise ScoreError(f"{path.name} is larger than {MAX_BYTES // 1_000_000} MB; split it into shorter scores")
    return content
