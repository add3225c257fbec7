"""ABC tunebooks: files of several tunes, each of which becomes a piece. They are listed like archives: `jigs.abc/03.abc`."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from stat import S_ISREG

from melody.errors import MidiError, ScoreError
from melody.score.abc.abc_text import Tune, decode, tunes_of

SUFFIX = ".abc"
MAX_BYTES = 8_000_000  # of a file that is looked through; a larger one is refused when it is read
_NO_MUSIC = re.compile(r"[A-Za-z+]:|%|\s*$")


def is_tunebook(path: str) -> bool:
    """Whether the file is ABC with more than one tune that has notes."""
    return path.lower().endswith(SUFFIX) and len(names(path)) > 1


def names(path: str) -> list[str]:
    """The names of its tunes: their numbers in the file."""
    count = len(_tunes(path))
    return [f"{number:0{len(str(count))}}{SUFFIX}" for number in range(1, count + 1)]


def read(path: str, wanted: Sequence[str], max_bytes: int) -> Iterator[bytes | MidiError]:
    """The bytes of some tunes, or why there are none."""
    found = dict(zip(names(path), _tunes(path)))
    for name in wanted:
        data = found.get(name)
        if data is None:
            yield MidiError("is no longer in the tunebook; begin again")
        elif len(data) > max_bytes:
            yield MidiError(f"has more than {max_bytes / 1e6:g} MB; the limit is that; set another or leave it out")
        else:
            yield data


def _tunes(path: str) -> tuple[bytes, ...]:
    """The tunes of a file that have notes, each with the header of the file; none where it cannot be read."""
    try:
        status = os.stat(path)
        if not S_ISREG(status.st_mode) or status.st_size > MAX_BYTES:
            return ()
        return _known(path, status.st_mtime_ns, status.st_size)
    except (OSError, ScoreError):
        return ()  # whoever reads the file is given the reason


@lru_cache(maxsize=2)
def _known(path: str, *_state: int) -> tuple[bytes, ...]:
    with open(path, "rb") as file:
        tunes = tunes_of(decode(file.read(MAX_BYTES)))
    return tuple("\n".join(tune.lines).encode("utf-8", "replace") for tune in tunes if _has_notes(tune))


def _has_notes(tune: Tune) -> bool:
    """Whether there are lines of music behind the key."""
    key = next((number for number, line in enumerate(tune.lines) if line.startswith("K:")), len(tune.lines))
    return any(not _NO_MUSIC.match(line) for line in tune.lines[key + 1 :])
