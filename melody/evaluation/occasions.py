"""Relations in true music: how often one comes where it may, and how much probability a model gives to it there."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from melody.dataset import with_features
from melody.evaluation.evaluate import restored
from melody.modelfile import ModelFile
from melody.network.relations import RELATIONS, Where, table
from melody.tokens.inputs.schema import feature_sizes
from melody.tokens.vocabulary import FIELDS, VALUE, Rows

Mask = NDArray[np.bool_]


class Occasion(NamedTuple):
    """Of a relation: notes at which some pitch would have it; of these, the mean probability of such pitches, and how many.

    Parameters
    ----------
    notes
        How many.
    expected, happens
        Shares from 0 to 1; NaN where there is no such note.
    """

    notes: int
    expected: float
    happens: float


def occasions(file: ModelFile, pieces: Iterable[Rows]) -> dict[str, Occasion]:
    """What a model, which need not have values of relations, expects of each relation at temperature 1, and what happens.

    Parameters
    ----------
    file
        A model of two lines or more (`melody.network.relations.relates`).
    pieces
        Events of each piece, END included.
    """
    model, vocabulary = restored(file), file.vocabulary
    where, relations, width = Where.of(vocabulary), table(vocabulary), len(FIELDS) + len(feature_sizes(vocabulary))
    totals = np.zeros((3, len(RELATIONS)))
    for rows in pieces:
        events = with_features(vocabulary, np.asarray(rows))
        is_note = vocabulary.is_note(rows)
        with torch.no_grad():
            given = torch.from_numpy(events)[None]
            logits = model.logits(model(given[:, :-1])[0], given[:, 1:])[VALUE][0].softmax(dim=-1).numpy()
        pitches = logits[is_note, vocabulary.first_pitch :]  # (notes, pitches)
        has: Mask = np.asarray(
            relations[where.codes(events[1:, width:])[is_note]].any(axis=1)
        )  # (notes, relations, pitches)
        chosen = np.asarray(rows)[is_note, VALUE] - vocabulary.first_pitch
        expected = np.einsum("nrp,np->r", has, pitches)
        totals += [has.any(axis=2).sum(axis=0), expected, has[np.arange(len(has)), :, chosen].sum(axis=0)]
    with np.errstate(invalid="ignore"):
        found = zip(totals[0].astype(int).tolist(), *(totals[1:] / totals[0]).tolist())
    return {name: Occasion(*each) for name, each in zip(RELATIONS, found)}
