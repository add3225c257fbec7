"""From encoded pieces to an index with its norm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from melody.corpus.manifest import pieces_of
from melody.originality.index import Index, fingerprint
from melody.originality.norm import MOST, norm_of
from melody.tokens.vocabulary import Rows, Vocabulary

MOST_EVENTS = 3_000_000  # that an index holds: half a minute to decode; of a larger corpus every n-th piece


def build(vocabulary: Vocabulary, manifest: Mapping[str, Any], train: Sequence[Rows], heldout: Sequence[Rows]) -> Index:
    """The index of a corpus.

    Parameters
    ----------
    vocabulary
        Of the events.
    manifest
        Of the corpus: names the training pieces. Where it does not, they are numbered.
    train, heldout
        Events of each piece.
    """
    names = [piece.path for piece in pieces_of(manifest) if piece.split == "train"]
    if len(names) != len(train):
        names = [f"piece {number}" for number in range(1, len(train) + 1)]
    step = max(-(-sum(map(len, train)) // MOST_EVENTS), 1)
    index = Index.of(map(vocabulary.decode, train[::step]), names[::step], fingerprint(manifest), len(train))
    some = heldout[:: max(-(-len(heldout) // MOST), 1)]
    return index.with_norm(norm_of(index, [vocabulary.decode(rows) for rows in some]))
