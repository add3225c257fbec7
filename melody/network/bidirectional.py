"""A bidirectional network (Schuster and Paliwal 1997) for music with a gap: what follows is read backwards.

    b = the output of an LSTM that reads the events behind the gap from the last one to the first
    u = tanh(A s + B b + P + c)        s' = s + O u        g = G u + d

s is what the heads see after an event, the cell's output with the event's embedding; P is the sum of embeddings of where the
next event stands in the gap (`melody.tokens.inputs.future.Future.places`). In the gap the heads see s' instead of s, and g
is added to the logits of going on like the events that come next 1, 2, 4 and 8 bars later, one for each of their fields
(pointers, Vinyals et al. 2015), as long as the fields before are as they are there. The cell itself reads nothing of what
follows, so outside a gap, and behind it, the network is the same as one that looks back alone. O begins at 0.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from melody.network.cells.cell import Shapes, Sizes
from melody.network.cells.lstm import LSTM
from melody.network.embedding_sums import starts, sums
from melody.network.state import Floats
from melody.piece import Ints
from melody.tokens.inputs.future import PLACE, READ, Future, later, sizes
from melody.tokens.inputs.schema import LOOKBACKS, LOOKED_AT
from melody.tokens.vocabulary import Vocabulary

NAME = "ahead"  # of its weights, with a dot behind
_READER = "reader."
_POINTERS = len(LOOKBACKS) * len(LOOKED_AT)
NUM_POINTERS = 2 * _POINTERS  # columns of pointers: numbers, and tokens


def shapes(vocabulary: Vocabulary, hidden: int, embedding: int) -> Shapes:
    """Name and shape of its weights, in a network of these sizes."""
    width, seen = reader(hidden).sizes.hidden, hidden + embedding
    return {
        "future.weight": (sum(sizes(READ, vocabulary)), width),
        **{f"{_READER}{name}": shape for name, shape in reader(hidden).shapes().items()},
        "place.weight": (sum(sizes(PLACE, vocabulary)), hidden),
        "seen": (seen, hidden),
        "following": (width, hidden),
        "bias": (hidden,),
        "output": (hidden, seen),
        "pointer": (hidden, _POINTERS),
        "pointer_bias": (_POINTERS,),
    }


def reader(hidden: int) -> LSTM:
    """The cell that reads backwards: a layer half as wide as those that read forwards."""
    width = max(hidden // 2, 1)
    return LSTM(Sizes(width, width, 1))


class Joining:
    """The same in NumPy.

    Parameters
    ----------
    vocabulary, weights
        Of the network, all its weights.
    """

    def __init__(self, vocabulary: Vocabulary, weights: Mapping[str, Floats]) -> None:
        prefix = f"{NAME}."
        own = {name.removeprefix(prefix): array for name, array in weights.items() if name.startswith(prefix)}
        self._future, self._place, self._weights = own["future.weight"], own["place.weight"], own
        self._future_starts, self._place_starts = starts(sizes(READ, vocabulary)), starts(sizes(PLACE, vocabulary))
        self._cell = reader(len(own["bias"]))
        cell = {name.removeprefix(_READER): array for name, array in own.items() if name.startswith(_READER)}
        self._step = self._cell.step(self._future, cell, sizes(READ, vocabulary)[0])

    @staticmethod
    def is_in(weights: Mapping[str, Floats]) -> bool:
        """Whether a network with these weights is bidirectional."""
        return f"{NAME}.bias" in weights

    def following(self, future: Future) -> Floats:
        """What is read of the future, (hidden,): B b + c."""
        state, output = self._cell.begin(1), np.zeros(self._cell.sizes.hidden, np.float32)
        for rows in future.read + self._future_starts:
            seen, state = self._step(rows[None], state)
            output = seen[0, : len(output)]
        found: Floats = output @ self._weights["following"] + self._weights["bias"]
        return found

    def joined(self, seen: Floats, following: Floats, places: Ints) -> tuple[Floats, Floats]:
        """What the heads see in the gap, (streams, hidden + embedding), and the pointers there, see `pointed`.

        Parameters
        ----------
        seen
            What they saw without the future, (streams, hidden + embedding).
        following
            Of the gap.
        places
            Where each stream stands in it, (streams, columns).
        """
        weights, placed = self._weights, sums(self._place, places + self._place_starts)
        inner = np.tanh(seen @ weights["seen"] + following + placed)
        gates = inner @ weights["pointer"] + weights["pointer_bias"]
        tokens = later(places).reshape(len(places), _POINTERS).astype(np.float32)
        return seen + inner @ weights["output"], np.concatenate([gates, tokens], axis=1)


def no_pointers(streams: int) -> Floats:
    """Pointers to nothing, see `pointed`."""
    return np.repeat(np.array([[0.0] * _POINTERS + [-1.0] * _POINTERS], np.float32), streams, axis=0)


def pointed(logits: Floats, field: int, pointers: Floats, events: Ints) -> Floats:
    """Logits of a field with the pointers added that agree so far, (streams, field size).

    Parameters
    ----------
    logits, field
        Without them, (streams, field size), of which field.
    pointers
        Numbers to add, then tokens to add them to, each by distance and field, (streams, 2 x pointers).
    events
        The next events as far as they are chosen, (streams, fields).
    """
    if field not in LOOKED_AT:
        return logits
    gates, tokens = pointers.reshape(len(pointers), 2, len(LOOKBACKS), len(LOOKED_AT)).transpose(1, 0, 2, 3)
    agree = (tokens[..., :field] == events[:, None, :field]).all(axis=2) & (tokens[..., field] >= 0)
    stream, distance = np.nonzero(agree)
    found = logits.copy()
    np.add.at(found, (stream, tokens[stream, distance, field].astype(np.int64)), gates[stream, distance, field])
    return found
