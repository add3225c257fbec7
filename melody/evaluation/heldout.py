"""Which pieces of a folder a model may be measured on: those it has not been trained on, in its own vocabulary.

A model file names what it was trained on, by a hash of the notes of each piece, whatever the file was called.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import numpy as np

from melody.corpus import SPLITS, Corpus, PrepareSettings, Split
from melody.corpus.manifest import pieces_of
from melody.errors import CorpusError, PieceError, VocabularyError
from melody.modelfile import ModelFile
from melody.text import counted
from melody.tokens.fitting import fit
from melody.tokens.vocabulary import Rows, Vocabulary

Which = Literal["test", "valid", "all"]
MOST_REASONS = 3  # that a message names
ENOUGH = 0.9  # share of the model's training pieces that must be at hand to count n-grams on them


def settings_for(file: ModelFile, workers: int = 0) -> PrepareSettings:
    """How a folder has to be prepared for a model: as its corpus was, on its grid."""
    prepared = file.manifest.get("settings")
    prepared = prepared if isinstance(prepared, Mapping) else {}
    part, drums, least = prepared.get("part"), prepared.get("drums"), prepared.get("min_notes")
    default = PrepareSettings()
    return PrepareSettings(
        min_notes=least if isinstance(least, int) and least > 0 else default.min_notes,
        part=part if isinstance(part, str) and part.strip() else default.part,
        drums=drums if isinstance(drums, bool) else default.drums,
        find_beats=prepared.get("find_beats") is True,
        ticks_per_quarter=file.vocabulary.ticks_per_quarter,
        workers=workers,
    )


class Known(NamedTuple):
    """A piece of the folder: its path, its split in the model's own corpus ('' if it is not in it), its events."""

    path: str
    split: str
    rows: Rows


@dataclass(frozen=True)
class Chosen:
    """What is measured.

    Parameters
    ----------
    pieces
        In the model's vocabulary.
    train, valid
        The model's own pieces of these splits that are at hand, in its vocabulary.
    trained
        How many of the pieces that are measured the model has trained on or was chosen on.
    fitted
        Path -> what was changed for the model to understand it.
    left_out
        Path -> why it cannot be measured.
    remarks
        Plain sentences on all this.
    """

    pieces: tuple[Known, ...]
    train: tuple[Rows, ...]
    valid: tuple[Rows, ...]
    trained: int
    fitted: Mapping[str, tuple[str, ...]]
    left_out: Mapping[str, str]
    remarks: tuple[str, ...]


def choose(file: ModelFile, corpus: Corpus, which: Which = "test") -> Chosen:
    """The pieces of a folder that a model is to be measured on.

    'test' takes those that the model's manifest names as test pieces, and those that are new to it and no version of a
    piece it has trained on; 'valid' those that its manifest names so; 'all' takes everything.

    Raises
    ------
    CorpusError
        If nothing is left, or `which` is none of the three.
    """
    if which not in get_args(Which):
        raise CorpusError(f"the split is '{which}'; it must be test, valid or all")
    splits = _splits(file)
    verdicts = {verdict.path: verdict for verdict in corpus.verdicts if verdict.status != "rejected"}
    seen = {v.group for v in verdicts.values() if splits.get(v.content) in ("train", "valid")}
    reader = _Reader(corpus.vocabulary, file.vocabulary)
    known = [
        Known(path, splits.get(verdicts[path].content, ""), rows)
        for split in SPLITS
        for path, rows in zip(corpus.names(split), corpus.rows(split))
    ]
    versions = {k.path for k in known if k.split == "" and verdicts[k.path].group in seen}
    wanted = [k for k in known if which == "all" or k.split == which or (which == "test" and not k.split)]
    wanted = [k for k in wanted if which == "all" or k.path not in versions]
    pieces = tuple(k._replace(rows=rows) for k in wanted if (rows := reader.read(k)) is not None)
    if not pieces:
        raise CorpusError(_nothing(which, known, reader))
    fitted, left_out = dict(reader.fitted), dict(reader.left_out)
    own = {split: [rows for k in known if k.split == split and (rows := reader.read(k)) is not None] for split in SPLITS}
    trained = sum(k.split in ("train", "valid") for k in pieces)
    remarks = (*_leaks(which, known, pieces, versions, bool(splits)), *_changes(len(wanted), fitted, left_out))
    enough = len(own["train"]) >= ENOUGH * max(Counter(splits.values())["train"], 1)
    train, valid = (tuple(own["train"]), tuple(own["valid"])) if enough else ((), ())
    return Chosen(pieces, train, valid, trained, fitted, left_out, remarks)


def fitted_rows(file: ModelFile, corpus: Corpus, split: Split) -> list[Rows]:
    """The pieces of a split of a folder in a model's vocabulary, without those that it cannot read."""
    reader = _Reader(corpus.vocabulary, file.vocabulary)
    found = (reader.read(Known(path, "", rows)) for path, rows in zip(corpus.names(split), corpus.rows(split)))
    return [rows for rows in found if rows is not None]


def _splits(file: ModelFile) -> dict[str, str]:
    """Content hash -> split of each piece of the model's corpus."""
    return {piece.content: piece.split for piece in pieces_of(file.manifest)}


class _Reader:
    """Takes pieces from one vocabulary into another and remembers what had to be changed."""

    def __init__(self, ours: Vocabulary, models: Vocabulary) -> None:
        self._ours, self._models = ours, models
        self.fitted: dict[str, tuple[str, ...]] = {}
        self.left_out: dict[str, str] = {}

    def read(self, piece: Known) -> Rows | None:
        """The events of the piece in the model's vocabulary; None if it cannot encode them."""
        if self._ours == self._models:
            return np.asarray(piece.rows)
        try:
            fitted, changes = fit(self._models, self._ours.decode(piece.rows))
            rows = self._models.encode(fitted)
        except (VocabularyError, PieceError) as error:
            self.left_out[piece.path] = str(error)
            return None
        if changes:
            self.fitted[piece.path] = changes
        return rows


def _nothing(which: Which, known: Sequence[Known], reader: _Reader) -> str:
    """Why there is nothing to measure the model on."""
    if reader.left_out:
        return f"the model can read none of {counted(len(reader.left_out), 'piece')}: {_reasons(reader.left_out)}"
    splits = Counter(k.split for k in known)
    if which == "valid":
        return "the model's manifest names none of these pieces as its validation pieces; take --split test or all"
    return (
        f"the model has trained on {splits['train']:,} of these {len(known):,} pieces and was chosen on {splits['valid']:,}"
        ", and the others are versions of them, so nothing is left to measure it on; name other music, or take --split all"
    )


def _reasons(left_out: Mapping[str, str]) -> str:
    """Why pieces were left out, the most frequent reasons first, with how many pieces each is of."""
    counts = Counter(left_out.values()).most_common()
    named = [f"{reason} ({counted(number, 'piece')})" for reason, number in counts[:MOST_REASONS]]
    rest = sum(number for _, number in counts[MOST_REASONS:])
    return "; ".join(named + ([f"other reasons ({counted(rest, 'piece')})"] if rest else []))


def _leaks(
    which: Which, known: Sequence[Known], pieces: Sequence[Known], versions: set[str], has_manifest: bool
) -> list[str]:
    """What the model has seen of all this before."""
    if not has_manifest:
        return ["the model file does not name its training pieces: whether these are among them cannot be known"]
    splits = Counter(k.split for k in known)
    seen = f"it was trained on {splits['train']:,} of these {len(known):,} pieces and chosen on {splits['valid']:,}"
    if splits["train"] + splits["valid"] + len(versions) == 0:
        own = f", {splits['test']:,} of them its test pieces" if splits["test"] else ""
        return [f"the model has trained on none of these {len(known):,} pieces{own}"]
    if which == "all":
        alike = f", {len(versions):,} more are versions of these" if versions else ""
        return [f"LEAK: the model has seen what it is measured on: {seen}{alike}; the numbers flatter it"]
    if which == "valid":
        return [f"the model was chosen on the {len(pieces):,} pieces measured here: the numbers flatter it a little"]
    alike = f" and {len(versions):,} versions of these" if versions else ""
    return [f"{seen}: these{alike} are left out"]


def _changes(wanted: int, fitted: Mapping[str, Sequence[str]], left_out: Mapping[str, str]) -> list[str]:
    remarks = []
    if fitted:
        path, changes = next(iter(fitted.items()))
        remarks.append(
            f"{len(fitted):,} of {wanted:,} pieces had to be fitted to what the model knows ({path}: {changes[0]})"
        )
    if left_out:
        path, reason = next(iter(left_out.items()))
        remarks.append(f"{len(left_out):,} of {wanted:,} pieces are left out ({path}: {reason})")
    return remarks
