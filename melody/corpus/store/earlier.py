"""The store of an earlier run: where one may be written, whether it is still that of its folder."""

from __future__ import annotations

import os
from pathlib import Path
from stat import S_ISREG

from melody.corpus.discover.listing import Listing
from melody.corpus.settings import PrepareSettings
from melody.corpus.store.reader import KIND, Corpus
from melody.corpus.validate.shard import is_of
from melody.errors import CorpusError


def check_place(store: Path) -> None:
    """Raise `CorpusError` where no store can be, before any work is done."""
    try:
        what = "" if S_ISREG(os.stat(store).st_mode) else "is a folder" if os.path.isdir(store) else "is no file"
    except FileNotFoundError:
        what = ""
    except OSError as error:
        what = f"cannot be written ({error.strerror})"
    if what or not store.name:
        raise CorpusError(f"{store} {what or 'is no name'}; name a file for the store, such as songs.store")


def store_of(store: Path, validation_key: str) -> Corpus | None:
    """The store of an earlier run, if its verdicts will do for this one.

    Raises
    ------
    CorpusError
        If the file is no store: it is not to be written over.
    """
    if not os.path.exists(store):
        return None
    try:
        old = Corpus.open(store)
        old.verify()
    except CorpusError:
        if not _is_ours(store):
            raise
        return None
    return old if old.validation_key == validation_key else None


def _is_ours(store: Path) -> bool:
    """Whether a file begins like a store, though it may be damaged or of another version."""
    try:
        with store.open("rb") as file:
            return file.read(len(KIND)) == KIND
    except OSError:
        return False


def is_unchanged(old: Corpus, listing: Listing, settings: PrepareSettings) -> bool:
    """Whether the files of the folder are those that the store was made of, byte for byte."""
    if listing.files + len(listing.refused) != len(old.verdicts):
        return False
    number = 0
    for chunk in listing.chunks:
        for name, data in zip(chunk.names, chunk.read(settings.limits.max_bytes)):
            record = old.verdicts.file_record(number)
            if record.verdict.path != chunk.shown(name) or not is_of(record, data):
                return False
            number += 1
    return [(v.path, v.reason) for v in old.verdicts[number:]] == listing.refused
