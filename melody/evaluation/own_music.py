"""The music that a model learnt from, and what it never saw of the same corpus, as pieces: from a folder, or written again.

A model file names its pieces by hashes of their notes, it does not hold them. So the folder has to be at hand; of a built-in
collection (`melody.score.collections`) it is not needed, for that can be written again, the same to the note.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from melody import midi
from melody.corpus import SPLITS, Corpus, prepare
from melody.corpus.manifest import pieces_of
from melody.errors import CorpusError
from melody.evaluation.heldout import choose, settings_for
from melody.modelfile import ModelFile
from melody.piece import Piece
from melody.text import counted
from melody.tokens.vocabulary import Rows

FEWEST = 20  # held-out pieces: with fewer no distance means anything


@dataclass(frozen=True)
class Known:
    """Pieces of a split: as events, as music, and the group of versions of each."""

    names: tuple[str, ...]
    rows: tuple[Rows, ...]
    pieces: tuple[Piece, ...]
    groups: tuple[str, ...]

    def some(self, most: int, seed: int) -> Known:
        """So many of them, drawn by chance; all if there are no more."""
        if len(self.pieces) <= most:
            return self
        chosen = np.sort(np.random.default_rng(seed).permutation(len(self.pieces))[:most]).tolist()
        return Known(*(tuple(column[n] for n in chosen) for column in (self.names, self.rows, self.pieces, self.groups)))


@dataclass(frozen=True)
class OwnMusic:
    """The training pieces of a model, its other pieces, and the corpus that they are of."""

    train: Known
    heldout: Known
    remarks: tuple[str, ...]


def written_again(file: ModelFile) -> Corpus:
    """The corpus of a model that was trained on a built-in collection, from that collection.

    Raises
    ------
    CorpusError
        If its corpus is another.
    """
    from melody.score.collections import COLLECTIONS, load

    name = file.manifest.get("folder")
    if name not in COLLECTIONS:
        raise CorpusError(
            f"{file.name} was trained on {f'the folder {name!r}' if name else 'music that it does not name'}, which is no "
            "built-in collection: name that folder with --corpus FOLDER"
        )
    with TemporaryDirectory() as temporary:
        own = Path(temporary) / str(name)
        own.mkdir()
        for title, piece in load(str(name), on_skip=lambda *_: None):
            midi.write(piece, own / f"{title}.mid")
        return prepare(own, settings_for(file))


def own_music(file: ModelFile, corpus: Corpus) -> OwnMusic:
    """The pieces of a corpus that a model trained on, and those that it did not.

    Raises
    ------
    CorpusError
        If there are too few of either to compare anything with.
    """
    chosen = choose(file, corpus, "all")
    group = {verdict.path: verdict.group for verdict in corpus.verdicts}
    found = {
        is_train: [each for each in chosen.pieces if each.split in SPLITS and (each.split == "train") == is_train]
        for is_train in (True, False)
    }
    train, heldout = (
        Known(
            tuple(each.path for each in some),
            tuple(each.rows for each in some),
            tuple(file.vocabulary.decode(each.rows) for each in some),
            tuple(group[each.path] for each in some),
        )
        for some in found.values()
    )
    named = sum(1 for _ in pieces_of(file.manifest))
    if min(len(train.pieces), len(heldout.pieces)) < FEWEST:
        raise CorpusError(
            f"of the {counted(named, 'piece')} that {file.name} names, {len(train.pieces):,} training pieces and "
            f"{len(heldout.pieces):,} others are in this folder; {FEWEST} of each are needed to compare anything with: name "
            "the folder that it was trained on with --corpus, or train on more music"
        )
    return OwnMusic(train, heldout, _remarks(named, train, heldout))


def _remarks(named: int, train: Known, heldout: Known) -> tuple[str, ...]:
    here = len(train.pieces) + len(heldout.pieces)
    return (f"{here:,} of the {named:,} pieces of its corpus are at hand",) if here < named else ()
