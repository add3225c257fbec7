"""A tune as a model reads it, event by event: what it expected of each note, and its state and gates meanwhile.

Conventions
-----------
Nats are natural logarithms; a note's are those of its own event, field by field, each given all events before and the fields
before it in the event. The model reads the tune without an outline, without masks and without the corpus prior, as
`melody evaluate` measures it. Events are the rows of `melody.tokens`, END the last; note n is event `notes[n]`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from melody.errors import PieceError
from melody.network.around import recognised
from melody.network.state import Floats
from melody.piece import Ints, Piece
from melody.sampling.decoder import Step
from melody.sampling.loaded import Source
from melody.sampling.prompt import in_hands, understood, with_key
from melody.text import counted
from melody.tokens.inputs.context import Contexts
from melody.tokens.inputs.features import before_first
from melody.tokens.vocabulary import DURATION, FIELDS, TIME, VALUE, Rows, Vocabulary

MOST_NOTES = 4_000  # a few seconds of reading, and some 100 MB of states
ALTERNATIVES = 5  # of a field that are kept
NAMED = (TIME, VALUE, DURATION)  # the fields whose alternatives are

Doubles = NDArray[np.float64]


class Alternatives(NamedTuple):
    """The likeliest tokens of a field at each note, the likeliest first, (notes, alternatives) each."""

    tokens: Ints
    probabilities: Doubles


@dataclass(frozen=True)
class Reading:
    """What a model made of a tune.

    Parameters
    ----------
    vocabulary
        Of the model.
    rows
        The events, END the last, (events, 5).
    piece
        The tune as the model understands it: note n of it is event `notes[n]`.
    notes
        Which events are notes, (notes,).
    nats
        By event and field, (events, fields); 0 where a field is not encoded.
    expected
        Of the fields time, value and duration, as far as the model predicts them.
    inputs
        Sums of embeddings that the cell took in, (events, embedding): before the first event, then after each but the last.
    states
        The arrays of the state with a number for each cell, as they are when an event is predicted, (events, layers x
        hidden). What an attention or a convolution remembers is left out.
    hidden
        Width of a layer of the cell.
    gates
        Of each gate that the cell shows its values when an event is predicted, (events, layers, hidden), 0 to 1.
    remarks
        What had to be changed for the model to understand the tune.
    """

    vocabulary: Vocabulary
    rows: Rows
    piece: Piece
    notes: Ints
    nats: Doubles
    expected: Mapping[int, Alternatives]
    inputs: Floats
    states: Mapping[str, Floats]
    hidden: int
    gates: Mapping[str, Floats]
    remarks: tuple[str, ...] = ()

    @property
    def surprise(self) -> Doubles:
        """Nats of each note, (notes,)."""
        return np.asarray(self.nats[self.notes].sum(axis=1))

    @property
    def tick(self) -> Ints:
        """Of each event but END, (events - 1,)."""
        return np.array((0, *self.vocabulary.shifts))[self.rows[:-1, TIME]].cumsum()


def rows_of(source: Source, piece: Piece) -> tuple[Rows, tuple[str, ...]]:
    """The events of a piece as a model understands it, END the last, and what had to be changed.

    Raises
    ------
    melody.errors.VocabularyError
        If the model cannot understand it; the message says why.
    """
    grid = source.vocabulary.ticks_per_quarter
    hands, remarks = in_hands(source.vocabulary, piece if piece.ticks_per_quarter == grid else piece.resolution(grid))
    music = with_key(source, understood(source.vocabulary, hands))
    return source.vocabulary.encode(music.piece), (*remarks, *music.remarks)


def read(source: Source, piece: Piece) -> Reading:
    """Let a model read a tune.

    Parameters
    ----------
    source
        The model.
    piece
        One note to 4,000.

    Raises
    ------
    PieceError
        If it has none, or more.
    melody.errors.VocabularyError
        If the model cannot understand it; the message says why.
    """
    if not 0 < piece.num_notes <= MOST_NOTES:
        many = f"has {piece.num_notes:,} notes; look into 1 to {MOST_NOTES:,} at once: name some bars of it"
        raise PieceError(many if piece.num_notes else "has no notes; there is nothing to look into")
    rows, remarks = rows_of(source, piece)
    vocabulary, engine = source.vocabulary, source.decoder.engine
    notes = np.flatnonzero(vocabulary.is_note(rows))
    nats = np.zeros((len(rows), len(FIELDS)))
    encoded = vocabulary.field_mask(rows)
    tops: dict[int, list[tuple[Ints, Doubles]]] = {field: [] for field in NAMED if field in engine.predicted}
    contexts, state = Contexts(vocabulary, 1), engine.begin(1)
    inputs = np.concatenate([np.zeros(len(FIELDS), np.int64), before_first(vocabulary, None)])[None]
    cell, weights = recognised(source.file.weights)
    taken, states = [], [{name: state[name][:, 0] for name in cell.layered_arrays()}]
    for number, row in enumerate(rows):
        hidden, state = engine.step(inputs, state)
        taken.append(hidden[0, -cell.sizes.inputs :])  # the sum of embeddings stands behind the cell's output
        states.append({name: state[name][:, 0] for name in states[0]})
        step = Step(source.decoder, contexts, engine.head_layers(hidden))
        step.events[:] = row
        for field, _ in step.fields():
            logits = engine.logits(field, step.head_layers, step.events, step.conditions.array)[0].astype(np.float64)
            logits -= np.logaddexp.reduce(logits)
            nats[number, field] = -logits[row[field]] * encoded[number, field]
            if field in tops:
                tops[field].append(_top(logits))
        inputs = np.concatenate([row[None], contexts.push(row[None])], axis=1)
    whole = {name: np.stack([each[name] for each in states]) for name in states[0]}
    embedded = np.stack(taken)
    return Reading(
        vocabulary,
        rows,
        vocabulary.decode(rows),
        notes,
        nats,
        {field: _alternatives(found, notes) for field, found in tops.items()},
        embedded,
        {name: array[1:] for name, array in whole.items()},
        cell.sizes.hidden,
        cell.gates(weights, embedded, whole),
        remarks,
    )


def _top(logits: Doubles) -> tuple[Ints, Doubles]:
    """The likeliest tokens and their probabilities."""
    best = np.argsort(-logits, kind="stable")[:ALTERNATIVES]
    return best, np.exp(logits[best])


def _alternatives(found: list[tuple[Ints, Doubles]], notes: Ints) -> Alternatives:
    tokens, probabilities = (np.stack(column)[notes] for column in zip(*found))
    return Alternatives(tokens, probabilities)


def summary(reading: Reading) -> str:
    """A line: how many notes, and how surprising they were."""
    notes = len(reading.notes)
    return f"{counted(notes, 'note')}, {reading.nats.sum() / notes:.3f} nats a note (END and rests among them)"
