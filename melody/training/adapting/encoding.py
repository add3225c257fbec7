"""The encoding of a trained model kept for the music that it is adapted to, as far as that music allows it.

Which parts play one note at a time, and whether their durations are implied, is decided by all pieces of a folder together:
one double stop among a hundred tunes, and every duration is encoded, of which the model knows nothing. So, where a model is
adapted, a part has implied durations if that of the model has, whatever its rests; and where only a few of its notes sound
below others, those are left out, so that it is one voice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from melody.piece import Piece
from melody.text import counted
from melody.tokens.inputs.meanings import part_names
from melody.tokens.usage import PartKey, Parts, Usage, part_keys
from melody.tokens.vocabulary import Rows, Vocabulary
from melody.training.adapting.transfer import nearest
from melody.training.corpus_facts import Prepared, Split

FEW = 0.05  # share of the notes of a part that may be left out to make it one voice
_SPLITS: tuple[Split, ...] = ("train", "valid", "test")


@dataclass(frozen=True)
class Encoded:
    """Pieces in another encoding than that of their folder; what `melody.training.corpus_facts.Prepared` asks for."""

    vocabulary: Vocabulary
    manifest: Mapping[str, Any]
    pieces: Mapping[Split, Sequence[Rows]]

    def rows(self, split: Split) -> Sequence[Rows]:
        """The events of each piece of a split."""
        return self.pieces[split]


def encoded_like(corpus: Prepared, model: Vocabulary) -> tuple[Prepared, str]:
    """The corpus with the durations of its parts encoded as a model has them, and what was left out for it, in a sentence.

    Parameters
    ----------
    corpus
        On the grid of the model.
    model
        The vocabulary of the model. If it is of another grid, or there is nothing to change, the corpus stays as it is.
    """
    wanted = _wanted(corpus.vocabulary, model)
    if not wanted or corpus.vocabulary.ticks_per_quarter != model.ticks_per_quarter:
        return corpus, ""
    pieces = {split: [corpus.vocabulary.decode(rows) for rows in corpus.rows(split)] for split in _SPLITS}
    every = [*chain.from_iterable(pieces.values())]
    notes = {key: sum(int(_of(piece, key).sum()) for piece in every) for key in wanted}
    lower = {key: sum(int(_lower(piece, key).sum()) for piece in every) for key in wanted}
    single = {key for key, is_implied in wanted.items() if is_implied and lower[key] <= FEW * notes[key]}
    settled = {key: is_implied for key, is_implied in wanted.items() if key in single or not is_implied}
    if not settled:
        return corpus, ""
    pieces = {split: [_one_voice(piece, single) for piece in some] for split, some in pieces.items()}
    vocabulary = _vocabulary(corpus.vocabulary, [*chain.from_iterable(pieces.values())], settled)
    encoded = {split: [vocabulary.encode(piece) for piece in some] for split, some in pieces.items()}
    lost = sum(lower[key] for key in single)
    words = f"{counted(lost, 'note')} below others left out: the model it starts from plays one at a time" if lost else ""
    return Encoded(vocabulary, corpus.manifest, encoded), words


def _wanted(ours: Vocabulary, model: Vocabulary) -> dict[PartKey, bool]:
    """The parts whose durations are implied here and not in the model, or the other way round; and how it is there."""
    theirs = dict(zip(part_names(model), model.implied_duration))
    found = {}
    for key, name, is_implied in zip(part_keys(ours.parts), part_names(ours), ours.implied_duration):
        like = nearest(name, list(theirs))
        if like is not None and theirs[like] != is_implied:
            found[key] = theirs[like]
    return found


def _vocabulary(before: Vocabulary, pieces: Sequence[Piece], settled: Mapping[PartKey, bool]) -> Vocabulary:
    """The vocabulary with the times that these pieces need where the durations of those parts are implied or are not."""
    parts = Parts(settled)
    for piece in pieces:
        parts.add(piece)
    usage = Usage(parts)
    for piece in pieces:
        usage.add(piece)
    made = Vocabulary.of_usage(usage)
    alike = {name: getattr(made, name) for name in ("shifts", "durations", "monophonic", "implied_duration")}
    return replace(before, **alike)


def _of(piece: Piece, key: PartKey) -> NDArray[np.bool_]:
    """Which notes are of a part."""
    keys = part_keys(piece.parts)
    found: NDArray[np.bool_] = piece.part == (keys.index(key) if key in keys else -1)
    return found


def _lower(piece: Piece, key: PartKey) -> NDArray[np.bool_]:
    """The notes of a part that begin together with a higher one, or lie within one, (notes,)."""
    found, above = np.zeros(piece.num_notes, bool), -1
    numbers = np.flatnonzero(_of(piece, key))
    for note in numbers[np.lexsort((-piece.pitch[numbers], piece.onset[numbers]))].tolist():
        is_below = above >= 0 and piece.pitch[note] < piece.pitch[above]
        found[note] = is_below and (piece.onset[note] == piece.onset[above] or piece.end[note] <= piece.end[above])
        above = above if found[note] else note
    return found


def _one_voice(piece: Piece, keys: set[PartKey]) -> Piece:
    """The piece with each of those parts one note after another: the higher one sounds, and ends where the next begins."""
    for key in keys:
        piece = piece.select(~_lower(piece, key))
        numbers = np.flatnonzero(_of(piece, key))
        duration = piece.duration.copy()
        duration[numbers[:-1]] = np.minimum(duration[numbers[:-1]], np.diff(piece.onset[numbers]))
        piece = replace(piece, duration=duration)
    return piece
