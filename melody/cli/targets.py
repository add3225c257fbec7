"""Where commands write: what is there stays, unless --force allows that it is replaced.

A file that was named and is there is refused; names that a command makes up itself count up until one is free. A tune is
named by a name ending in .mid; a name that ends in a format of another kind is refused, and any other is a folder.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from melody.errors import MelodyError
from melody.files import FileError, free_name

MIDI = (".mid", ".midi")
_INSTEAD = {  # what makes a file of another kind
    **dict.fromkeys((".wav", ".mp3", ".ogg", ".flac"), "for the sound add --wav"),
    **dict.fromkeys((".png", ".svg", ".jpg", ".jpeg"), "for a picture add --png"),
    **dict.fromkeys((".html", ".htm"), "for a page add --html"),
    **dict.fromkeys((".musicxml", ".xml", ".mxl", ".abc", ".pdf", ".krn"), "then write its score with melody score"),
    **dict.fromkeys((".safetensors", ".onnx", ".store", ".json", ".csv", ".txt", ".doc", ".docx", ".zip", ".ly"), ""),
}


def named(path: Path, force: bool, *, source: Path | None = None, suffixes: Collection[str] = ()) -> Path:
    """A file that was named, if it may be written.

    Parameters
    ----------
    path
        The file.
    force
        Whether it may be replaced.
    source
        The file that is read, which is never replaced.
    suffixes
        What its name may end in; anything if there are none.

    Raises
    ------
    FileError
        If it is there, is the source, or its name ends otherwise.
    """
    if suffixes and path.suffix.lower() not in suffixes:
        raise FileError(f"--out is {path}; its name must end in {' or '.join(suffixes)}")
    if source is not None and _is_same(path, source):
        raise FileError(f"--out is {path}, which is the file that is read; name another file")
    if _is_there(path) and not os.path.isdir(path) and not force:
        raise FileError(f"{path} is there already; name another file, or replace it with --force")
    return path


def free(path: Path, force: bool) -> Path:
    """A name that a command makes up: itself, or the next one that is free."""
    return path if force else free_name(path)


@dataclass(frozen=True)
class Targets:
    """Files for tunes.

    Parameters
    ----------
    paths
        One a tune.
    page
        The page that shows them.
    folder
        Where they stand, if they are numbered files in a folder.
    """

    paths: list[Path]
    page: Path
    folder: Path | None = None


def for_tunes(
    out: Path | None, stem: str, count: int, also: Collection[str], force: bool, source: Path | None = None
) -> Targets:
    """One path a tune: the file that was named, or numbered files in the folder that was named.

    Parameters
    ----------
    out
        What was named, a folder or a file ending in .mid; None for the folder tunes.
    stem
        What names in a folder begin with.
    count
        Tunes.
    also
        Suffixes of what is written beside the tunes.
    force
        Whether files may be replaced.
    source
        The file that is read, which is never replaced.

    Raises
    ------
    FileError
        If a file is there, or is the source.
    MelodyError
        If one file was named for several tunes, or a file of another kind.
    """
    out = Path("tunes") if out is None else out
    suffix = out.suffix.lower()
    if not os.path.isdir(out) and suffix in MIDI:
        if count > 1:
            raise MelodyError(f"--out names one file, {out}, for {count:,} tunes; name a folder")
        for path in (out, *(out.with_suffix(each) for each in also)):
            named(path, force, source=source)
        return Targets([out], out.with_suffix(".html"))
    if not os.path.isdir(out) and suffix in _INSTEAD:
        instead = f"; {_INSTEAD[suffix]}" if _INSTEAD[suffix] else ""
        raise MelodyError(f"--out is {out}; a tune is written as .mid: name a file ending in .mid, or a folder{instead}")
    there = set(os.listdir(out)) if os.path.isdir(out) and not force else set()
    number, names = 1, _names(stem, count)
    while any(f"{name}{each}" in there for name in names for each in (".mid", *also)) or f"{_page(names)}.html" in there:
        number += 1
        names = _names(f"{stem}-v{number}", count)
    return Targets([out / f"{name}.mid" for name in names], out / f"{_page(names)}.html", out)


def short(name: str) -> str:
    """A name of which others can be made: at most some 120 bytes of it."""
    return os.fsencode(name)[:120].decode(errors="ignore")


def _names(stem: str, count: int) -> list[str]:
    width = max(len(str(count)), 2)
    return [f"{stem}-{number:0{width}}" for number in range(1, count + 1)]


def _page(names: list[str]) -> str:
    """The page of one tune has its name, that of several what they have in common."""
    return names[0] if len(names) == 1 else names[0].rpartition("-")[0]


def _is_there(path: Path) -> bool:
    return os.path.lexists(path)


def _is_same(path: Path, other: Path) -> bool:
    try:
        return os.path.samefile(path, other)
    except OSError:  # one of them is not there
        return False
