"""A memory of past states beside the softmax: the continuous cache of Grave, Joulin and Usunier (2016).

    p(x) = (1 - share) p_model(x) + share p_cache(x)        p_cache(x) ~ sum of exp(flatness h'h_i) over those i with x_i = x

h is what the cell gives now, h_i what it gave before the i-th of the last `size` events came, x_i that event. So an event is
made likelier that came when the network felt as it does now; nothing is trained, and any model can have one.

Here x is one field of an event, and the sum goes over those events whose fields before it are those that have been chosen.
Where there is none, the model alone decides. Each field so has a distribution that adds up to 1, and an event the product of
them, as without a memory.

An engine with a memory (`Remembering`) is an engine: what it remembers grows in its state, and travels to the logits beside
what the heads need, so that samplers, limits and decoders know nothing of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from melody.errors import SamplingError
from melody.network.cells.cell import Sizes
from melody.network.engine import AnyEngine, Ints
from melody.network.state import Floats, State
from melody.tokens.vocabulary import FIELDS

MOST_SIZE = 4_096  # events: of each the state is kept, some 4 MB a tune
MOST_SHARE, MOST_FLATNESS = 0.9, 10.0
Doubles = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Memory:
    """How a model remembers what it has read.

    Parameters
    ----------
    size
        Of how many events, 1 to 4,096.
    share
        The weight of the memory in the mixture, 0 to 0.9.
    flatness
        By which products of states are multiplied (theta in the paper), 0 to 10: at 0 all past events count the same.

    Raises
    ------
    SamplingError
        If one is out of its range.
    """

    size: int
    share: float = 0.02
    flatness: float = 1.0

    def __post_init__(self) -> None:
        if not 1 <= self.size <= MOST_SIZE:
            raise SamplingError(f"a memory of {self.size:,} events was asked for; take 1 to {MOST_SIZE:,}, or 0 for none")
        if not 0 <= self.share <= MOST_SHARE:
            raise SamplingError(f"the memory's share is {self.share:g}; it must be 0 to {MOST_SHARE:g}")
        if not 0 <= self.flatness <= MOST_FLATNESS:
            raise SamplingError(f"the memory's flatness is {self.flatness:g}; it must be 0 to {MOST_FLATNESS:g}")

    def __str__(self) -> str:
        return f"{self.size}:{self.share:g}:{self.flatness:g}"

    @classmethod
    def parse(cls, text: str | int | Memory | None) -> Memory | None:
        """From what a user writes: '512', or with share and flatness '512:0.02:1'; 0 and None are no memory.

        Raises
        ------
        SamplingError
            If it is neither, or out of range.
        """
        if text is None or isinstance(text, Memory):
            return text
        first, *others = str(text).split(":")
        try:
            if len(first) > 9 or len(others) not in (0, 2) or isinstance(text, bool):
                raise ValueError
            size, numbers = int(first), [float(each) for each in others]
        except ValueError:
            raise SamplingError(
                f"the memory is '{str(text)[:40]}'; write how many events, as 512, or with share and flatness 512:0.02:1"
            ) from None
        return None if size == 0 and not numbers else cls(size, *numbers)


def mixed(logits: Floats, scores: Floats, agree: Mask, tokens: Ints, share: float) -> Doubles:
    """Logarithms of the probabilities of a field under model and memory, (rows, tokens).

    Parameters
    ----------
    logits
        Of the model, (rows, tokens).
    scores
        flatness h'h_i, (rows, events); of what is not remembered yet -infinity.
    agree
        Which events have the fields before as they have been chosen, (rows, events).
    tokens
        The field of each event that is remembered, (rows, events).
    share
        The weight of the memory.
    """
    log = logits.astype(np.float64)
    log -= np.logaddexp.reduce(log, axis=1, keepdims=True)
    weights, found = weighed(scores, agree)
    if share == 0 or not found.any():
        return log
    rows, size = log.shape
    counted = np.bincount(
        (tokens + size * np.arange(rows)[:, None]).ravel(), weights=weights.ravel(), minlength=rows * size
    ).reshape(rows, size)
    both: Doubles = np.log((1 - share) * np.exp(log) + share * counted)
    return np.where(found[:, None], both, log)


def weighed(scores: Floats, agree: Mask) -> tuple[Doubles, Mask]:
    """What the memory makes of each past event, (rows, events), adding up to 1 in each row that has `found` any, (rows,)."""
    kept = np.where(agree, scores.astype(np.float64), -np.inf)
    greatest = kept.max(axis=1, initial=-np.inf)
    found = greatest > -np.inf
    weights = np.exp(kept - np.where(found, greatest, 0)[:, None])
    total = weights.sum(axis=1)
    return weights / np.where(found, total, 1)[:, None], found


class Remembering:
    """An engine with a memory: an `AnyEngine` again.

    Parameters
    ----------
    engine
        What computes.
    memory
        How it remembers.
    sizes
        Of the cell: what `engine.step` gives begins with its output.

    Notes
    -----
    What `step` gives begins with what is remembered: the scores of the events, then the five fields of each. What
    `head_layers` gives ends with it.
    """

    def __init__(self, engine: AnyEngine, memory: Memory, sizes: Sizes) -> None:
        self._engine, self._memory, self._hidden = engine, memory, sizes.hidden
        self._seen = sizes.hidden + sizes.inputs
        self._trunks = engine.head_layers(np.zeros((1, self._seen), np.float32)).shape[1]
        self.predicted = engine.predicted

    def begin(self, streams: int) -> State:
        """The state before the first event."""
        state = self._engine.begin(streams)
        own = {
            _STATES: np.zeros((0, self._hidden, streams), np.float32),
            _EVENTS: np.zeros((0, len(FIELDS), streams), np.float32),
            _LAST: np.zeros((self._hidden, streams), np.float32),
            _COUNT: np.zeros((1, streams), np.float32),
        }
        return State({**{name: state[name] for name in state}, **own})

    def step(self, inputs: Ints, state: State) -> tuple[Floats, State]:
        """Take in one event a stream, see `AnyEngine.step`."""
        seen, after = self._engine.step(inputs, State({name: state[name] for name in state if name not in _OWN}))
        now = np.ascontiguousarray(seen[:, : self._hidden].T)
        first, count = max(len(state[_STATES]) + 1 - self._memory.size, 0), state[_COUNT]
        states = np.concatenate([state[_STATES][first:], state[_LAST][None]])
        events = np.concatenate([state[_EVENTS][first:], inputs[None, :, : len(FIELDS)].swapaxes(1, 2)], dtype=np.float32)
        ages = np.arange(len(states) - 1, -1, -1)[:, None]
        # What is read first is no event, but what stands before all: it is not counted, and so never seen.
        scores = np.where(ages < count, self._scores(now, states), np.float32(-np.inf))
        remembered = np.concatenate([scores, *events.transpose(1, 0, 2)]).T
        count = np.minimum(count + np.float32(1), np.float32(self._memory.size))
        own = {_STATES: states, _EVENTS: events, _LAST: now, _COUNT: count}
        return np.concatenate([remembered, seen], axis=1), State({**{name: after[name] for name in after}, **own})

    def _scores(self, now: Floats, states: Floats) -> Floats:
        """The products of states times flatness, (events, streams)."""
        products = states[..., 0] @ now if now.shape[1] == 1 else np.einsum("hs,nhs->ns", now, states)
        return np.asarray(np.float32(self._memory.flatness) * products)

    def head_layers(self, hidden: Floats) -> Floats:
        """The first layer of all heads, and what is remembered, see `AnyEngine.head_layers`."""
        remembered = hidden.shape[1] - self._seen
        return np.concatenate([self._engine.head_layers(hidden[:, remembered:]), hidden[:, :remembered]], axis=1)

    def logits(self, field: int, trunks: Floats, event: Ints, conditions: Ints) -> Floats:
        """Logits of one field of the next event, see `AnyEngine.logits`: logarithms of its probabilities."""
        logits = self._engine.logits(field, trunks[:, : self._trunks], event, conditions)
        scores, *fields = np.split(trunks[:, self._trunks :], 1 + len(FIELDS), axis=1)
        agree = np.ones(scores.shape, bool)
        for before in range(field):
            agree &= fields[before] == event[:, before, None]
        return mixed(logits, scores, agree, fields[field].astype(np.int64), self._memory.share).astype(np.float32)


# The arrays of the state: what the cell gave before each event and the event itself, what it gave last, and how many events
# there were, those that are forgotten not counted.
_OWN = _STATES, _EVENTS, _LAST, _COUNT = "memory.states", "memory.events", "memory.last", "memory.count"
