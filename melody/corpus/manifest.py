"""What a model file keeps of the corpus that it was trained on: its pieces, and the split that each of them is in.

They are kept as columns, one string each, under the key `pieces`: a hundred thousand objects of four values would take more
memory than all else in a training.

========  ============================================================
paths     below the folder, each with a line feed behind it
contents  the hash of the notes, 32 hexadecimal digits each
splits    a digit each, the number in `SPLITS`; or - for none
notes     the number of notes, each with a line feed behind it
========  ============================================================

Models trained before have a list of objects with `path`, `content`, `split` and `notes`, under the key `files`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from melody.corpus.verdict import SPLITS, Verdict

DIGITS = 32  # of a content hash
_TEXT = ("utf-8", "surrogatepass")


class TrainedOn(NamedTuple):
    """A piece of a model's corpus: its path, the hash of its notes (`Verdict.content`), and its split, one of `SPLITS`."""

    path: str
    content: str
    split: str


def columns_of(verdicts: Iterable[Verdict]) -> dict[str, str]:
    """The columns of all pieces that were not rejected."""
    columns = {name: bytearray() for name in ("paths", "contents", "splits", "notes")}  # a byte a character, mostly
    for verdict in verdicts:
        if verdict.status == "rejected":
            continue
        columns["paths"] += f"{verdict.path}\n".encode(*_TEXT)
        columns["contents"] += f"{verdict.content}".encode(*_TEXT)
        columns["splits"] += b"%d" % SPLITS.index(verdict.split) if verdict.split in SPLITS else b"-"
        columns["notes"] += f"{verdict.notes}\n".encode(*_TEXT)
    return {name: column.decode(*_TEXT) for name, column in columns.items()}


def pieces_of(manifest: Mapping[str, Any]) -> Iterator[TrainedOn]:
    """The pieces that a model's manifest names; those that make no sense are left out."""
    columns, files = manifest.get("pieces"), manifest.get("files")
    if isinstance(columns, Mapping):
        yield from _of_columns(columns)
    for entry in files if isinstance(files, list) else ():
        if isinstance(entry, Mapping) and entry.get("content") and entry.get("split") in SPLITS:
            yield TrainedOn(str(entry.get("path", "")), str(entry["content"]), str(entry["split"]))


def _of_columns(columns: Mapping[str, Any]) -> Iterator[TrainedOn]:
    paths, contents, splits = (columns.get(name) for name in ("paths", "contents", "splits"))
    if not (isinstance(paths, str) and isinstance(contents, str) and isinstance(splits, str)):
        return
    named = paths.split("\n")
    if not len(named) - 1 == len(splits) == len(contents) / DIGITS:
        return
    for number, (path, digit) in enumerate(zip(named, splits)):
        if digit in "012":
            yield TrainedOn(path, contents[DIGITS * number : DIGITS * (number + 1)], SPLITS[int(digit)])
