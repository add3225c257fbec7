"""After training: the values of relations such that the model's own tunes have as many of each as the music it learnt from.

A model learns what follows true music. In its own tunes it gets into places where true music never is, and there, say, a
parallel fifth threatens twice as often and is taken more often still. So the few values of the relations
(`melody.network.relations`) are fitted once more, to tunes that the model itself writes: each is moved by the logarithm of
how much too seldom its relation comes, round by round, by less and less (Robbins and Monro 1951). Everything else stays.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from dataclasses import replace
from itertools import count
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from melody.errors import TrainingError
from melody.limits import Limits
from melody.modelfile import ModelFile
from melody.network.relations import RELATIONS, Where, relates, table
from melody.network.settings import settings_of, weight_shapes
from melody.piece import Ints
from melody.sampling import Model, SamplingSettings
from melody.sampling.search import Search
from melody.sampling.tasks.generate import new_samples
from melody.threads import one_thread
from melody.tokens.inputs.features import context
from melody.tokens.inputs.schema import feature_sizes
from melody.tokens.vocabulary import END, TIME, VALUE, Rows, Vocabulary

WEIGHT = "heads.value.relation"
TUNES, ROUNDS = 64, 16
FULL_ROUNDS = 5  # of which each moves the values all the way; then by a half, a third and so on
MOST_STEP, MOST_VALUE = 2.0, 10.0  # nats
SEED = 1_000  # of the tunes of the first round, besides the seed that is given


class Counts(NamedTuple):
    """How often each relation comes, how often some pitch would have had it, (relations,) both; and in how many notes."""

    found: Ints
    occasions: Ints
    notes: int

    @property
    def rates(self) -> NDArray[np.float64]:
        """By note."""
        return self.found / max(self.notes, 1)


def counts(vocabulary: Vocabulary, pieces: Iterable[Rows]) -> Counts:
    """How often each relation comes in pieces, a note counted once for each line that it has the relation to.

    Parameters
    ----------
    vocabulary
        With relations, see `melody.network.relations.relates`.
    pieces
        Events of each piece.
    """
    where, relations, first = Where.of(vocabulary), table(vocabulary), len(feature_sizes(vocabulary))
    found, occasions, notes = np.zeros(len(RELATIONS), np.int64), np.zeros(len(RELATIONS), np.int64), 0
    possible = np.asarray(relations.any(axis=2))  # (codes, relations)
    for rows in map(np.asarray, pieces):
        codes = where.codes(context(vocabulary, rows)[:, first:])
        is_note = vocabulary.is_note(rows)
        pitch = rows[is_note, VALUE] - vocabulary.first_pitch
        found += relations[codes[is_note], :, pitch[:, None]].sum(axis=(0, 1))
        occasions += possible[codes[is_note]].sum(axis=(0, 1))
        notes += int(is_note.sum())
    return Counts(found, occasions, notes)


def can_be_balanced(file: ModelFile) -> bool:
    """Whether a model has values of relations."""
    return WEIGHT in file.weights


def with_relations(file: ModelFile) -> ModelFile:
    """A model that has none with values of relations, all of them 0: to be balanced.

    Raises
    ------
    TrainingError
        If its vocabulary has no two lines that could stand in a relation.
    """
    if can_be_balanced(file):
        return file
    if not relates(file.vocabulary):
        raise TrainingError("the model's music has no two parts that each play one note at a time; nothing can be balanced")
    settings = {**file.settings, "relations": True}
    shape = weight_shapes(file.vocabulary, settings_of(settings))[WEIGHT]
    return replace(file, settings=settings, weights={**file.weights, WEIGHT: np.zeros(shape, np.float32)})


def balanced(
    file: ModelFile,
    pieces: Iterable[Rows],
    *,
    seed: int = 0,
    tunes: int = TUNES,
    rounds: int = ROUNDS,
    max_seconds: float = math.inf,
) -> ModelFile:
    """A model whose own tunes have as many of each relation as pieces do; as it was, if it comes no nearer to that.

    Parameters
    ----------
    file
        A model with values of relations (`with_relations`).
    pieces
        Events of the music it learnt from.
    seed
        Of the tunes; the same one gives the same values.
    tunes, rounds
        How many tunes a round, at the temperatures that the model has by default, and how many rounds. One more round of
        twice as many tunes measures what came of it.
    max_seconds
        After which no new round begins: the values then depend on how fast the machine is.

    Returns
    -------
    file
        Its training facts name under 'balance' the values, of each relation the mean over the voices, and how often the
        relation came in 100 notes of the pieces, and of the model's tunes before and after.
    """
    started = time.monotonic()
    wanted = counts(file.vocabulary, pieces)
    numbers = count(SEED + seed)
    before = _own(file, next(numbers), 2 * tunes)
    now, found = file, before
    for number in range(rounds):
        if time.monotonic() - started > max_seconds:
            break
        share = 1 / max(number - FULL_ROUNDS + 2, 1)
        now = _moved(now, share * steps(found, wanted))
        found = _own(now, next(numbers), tunes)
    after = _own(now, next(numbers), 2 * tunes)
    helps = _distance(after, wanted) < _distance(before, wanted)
    rates = {"pieces": wanted, "before": before, "after": after}
    facts = {name: [round(100 * rate, 4) for rate in counted.rates.tolist()] for name, counted in rates.items()}
    values = [round(float(value), 3) for value in (now if helps else file).weights[WEIGHT].mean(axis=0)]
    facts = {"relations": list(RELATIONS), "values": values, **facts}
    return replace(now if helps else file, training={**file.training, "balance": facts})


def _own(file: ModelFile, seed: int, tunes: int) -> Counts:
    """The relations in tunes of the model's own that end by themselves: loops that do not may hold many of one."""
    settings = SamplingSettings(seed=seed, any_ending=True, parallels=True)
    with one_thread():
        made = [tune.rows for tune in new_samples(Model(file), Search(tunes), Limits(), settings)]
    ended = [rows for rows in made if rows[-1, TIME] == END]
    return counts(file.vocabulary, ended or made)


def steps(found: Counts, wanted: Counts) -> NDArray[np.float64]:
    """By how much each value has to rise, (relations,), if its relation comes in proportion to the exponential of it.

    It shall come as often as is wanted by note or by occasion, whichever is less: own tunes may give more occasion to a
    parallel, and less to a doubled leading note where they have fewer leading notes.
    """
    by_occasion = wanted.found * (found.occasions / np.maximum(wanted.occasions, 1))
    expected = np.minimum(wanted.rates * found.notes, by_occasion)
    return np.clip(
        np.log((expected + 1) / (found.found + 1)), -MOST_STEP, MOST_STEP
    )  # + 1: of what is rare, little is known


def _moved(file: ModelFile, step: NDArray[np.float64]) -> ModelFile:
    """The model with the values of all voices that much higher."""
    values = np.clip(file.weights[WEIGHT] + step, -MOST_VALUE, MOST_VALUE).astype(np.float32)
    return replace(file, weights={**file.weights, WEIGHT: values})


def _distance(found: Counts, wanted: Counts) -> float:
    """How far the relations are from what is wanted, in the steps that they would need."""
    return float(np.abs(steps(found, wanted)).sum())
