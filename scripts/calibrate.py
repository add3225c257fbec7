"""A trained model with a few numbers fitted anew: values of relations to the training pieces, a scale of each head to valid.

A model that has seen a small corpus a hundred times is too sure of itself, of time and kind more than of pitch. So all
logits of a head are multiplied by one number, the best on the validation pieces (temperature scaling, Guo et al. 2017); it
goes into the weights, and the file stays what it was. Before that a model that has no values of relations
(`melody.network.relations`) gets those that are likeliest in the training pieces, everything else as it is. Both are convex:
there is one best, and it is found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from melody.dataset import with_features
from melody.evaluation.evaluate import encoded_tokens, restored
from melody.modelfile import ModelFile
from melody.network.relations import RELATIONS, Where, table
from melody.network.voices import Voices
from melody.tokens.inputs.schema import feature_sizes
from melody.tokens.usage import FIRST_PART
from melody.tokens.vocabulary import FIELDS, KIND, VALUE, Rows
from melody.training.balance import WEIGHT, with_relations

# The weights of a head that logits are linear in.
LINEAR = ("output", "output_bias", "copy", "copy_bias", "interval", "degree", "sounding", "relation")
ITERATIONS = 50


class Said(NamedTuple):
    """What a head says: logits (tokens, field size), the tokens, and the events with conditions where they stand."""

    logits: Tensor
    tokens: Tensor
    events: Tensor


def said(file: ModelFile, pieces: Iterable[Rows]) -> dict[int, Said]:
    """What the heads of a model say of each encoded token of pieces, by field."""
    model = restored(file)
    found: dict[int, list[Said]] = {field: [] for field in model.predicted}
    with torch.no_grad():
        for rows in map(np.asarray, pieces):
            events = torch.from_numpy(with_features(file.vocabulary, rows))[None]
            encoded = torch.from_numpy(encoded_tokens(file.vocabulary, rows))
            for field, logits in model.logits(model(events[:, :-1])[0], events[:, 1:]).items():
                here = events[0, 1:][encoded[:, field]]
                found[field].append(Said(logits[0][encoded[:, field]], here[:, field], here))
    return {field: Said(*map(torch.cat, zip(*parts))) for field, parts in found.items() if parts}


def fitted(start: Tensor, nats: Callable[[Tensor], Tensor]) -> Tensor:
    """The numbers at which the nats are least, from a start on (L-BFGS)."""
    numbers = start.clone().requires_grad_()
    optimizer = torch.optim.LBFGS([numbers], max_iter=ITERATIONS, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = nats(numbers)
        torch.autograd.backward(loss)
        return loss

    optimizer.step(closure)
    return numbers.detach()


def with_fitted_relations(file: ModelFile, pieces: Iterable[Rows]) -> ModelFile:
    """The model with the values of relations that are likeliest in pieces; those that it has are replaced.

    Raises
    ------
    TrainingError
        As of `with_relations`.
    """
    bare = with_relations(file)
    bare = replace(bare, weights={**bare.weights, WEIGHT: np.zeros_like(bare.weights[WEIGHT], np.float32)})
    logits, tokens, events = said(bare, pieces)[VALUE]
    vocabulary = file.vocabulary
    voices = Voices.of(vocabulary, VALUE)
    voice = (events[:, KIND] - FIRST_PART + voices.first).clamp(0, voices.number - 1)
    conditions = events[:, len(FIELDS) + len(feature_sizes(vocabulary)) :].numpy()
    codes, relations = Where.of(vocabulary).codes(conditions), torch.from_numpy(table(vocabulary)).float()
    made = sum(relations[torch.from_numpy(of_part)] for of_part in codes.T)  # (tokens, relations, pitches)

    def nats(values: Tensor) -> Tensor:
        added = torch.einsum("tr,trp->tp", values[voice], made)
        return functional.cross_entropy(logits + functional.pad(added, (vocabulary.first_pitch, 0)), tokens)

    values = fitted(torch.zeros(voices.number, len(RELATIONS)), nats).numpy()
    return replace(bare, weights={**bare.weights, WEIGHT: values})


def with_fitted_scales(file: ModelFile, pieces: Iterable[Rows]) -> tuple[ModelFile, dict[str, float]]:
    """The model with the logits of each head times the number that makes pieces likeliest, and these numbers by field."""
    weights: dict[str, Any] = dict(file.weights)
    scales = {}
    for field, (logits, tokens, _) in said(file, pieces).items():
        scale = float(fitted(torch.ones(()), lambda s, x=logits, y=tokens: functional.cross_entropy(x * s, y)))
        scales[FIELDS[field]] = round(scale, 4)
        for name in (f"heads.{FIELDS[field]}.{each}" for each in LINEAR):
            if name in weights:
                weights[name] = np.asarray(weights[name], np.float32) * np.float32(scale)
    return replace(file, weights=weights), scales


def calibrated(file: ModelFile, train: Iterable[Rows], valid: Iterable[Rows]) -> ModelFile:
    """The model with relations fitted to the training pieces and scales fitted to the validation pieces.

    Returns
    -------
    file
        Its training facts name under 'calibration' the scales, and the values of relations as means over the voices.
    """
    made, scales = with_fitted_scales(with_fitted_relations(file, train), valid)
    values = [round(float(value), 3) for value in made.weights[WEIGHT].mean(axis=0)]
    facts = {"scales": scales, "relations": list(RELATIONS), "values": values}
    return replace(made, training={**file.training, "calibration": facts})
