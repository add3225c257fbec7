"""Beam search: the likeliest tune among the so many likeliest beginnings kept at each step.

Nothing is drawn by chance, so the seed does not matter and the same model always gives the same tune. Beginnings of equally
many events are compared by their likelihood under the model; tunes that have ended, which differ in length, by their
likelihood per event. The likeliest music repeats itself more than music does (Holtzman et al. 2020); it is the safest guess
of the model, not its best tune.
"""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
from numpy.typing import NDArray

from melody.errors import SamplingError
from melody.network import AnyEngine, Floats
from melody.sampling.constraints.cutoff import going_on
from melody.sampling.prior import Usual
from melody.sampling.settings import SamplingSettings
from melody.sampling.strategies.ancestral import Drawn, Start, says_no_change
from melody.tokens.context import Conditions
from melody.tokens.grammar import Mask
from melody.tokens.vocabulary import DURATION, END, FIELDS, KIND, TIME, VALUE, VELOCITY, Rows, Vocabulary

MAX_WIDTH = 256
_TO_CLOSE = 200


def check_width(width: int) -> None:
    """Refuse a beam that is none, or that no memory holds.

    Raises
    ------
    SamplingError
        If it is not from 1 to 256.
    """
    if not 1 <= width <= MAX_WIDTH:
        raise SamplingError(f"a beam of {width} was asked for; it must be from 1 to {MAX_WIDTH}, usually 4 to 16")


def check_nothing_is_drawn(settings: SamplingSettings) -> None:
    """Refuse settings of how tokens are drawn by chance.

    Raises
    ------
    SamplingError
        If one is not as it is by default; the seed does not matter.
    """
    default = asdict(SamplingSettings(seed=settings.seed, max_notes=settings.max_notes))
    changed = [name.replace("_", "-") for name, value in asdict(settings).items() if value != default[name]]
    if changed:
        raise SamplingError(f"a beam search draws nothing by chance; leave out {', '.join(changed)}, or the beam")


class Beam:
    """The likeliest beginnings, all of equally many events.

    Parameters
    ----------
    vocabulary, engine
        Of the model.
    start
        Where the tune begins.
    width
        How many beginnings are kept.
    usual
        As for `Streams`.
    most
        Events, after which the tune is ended.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        engine: AnyEngine,
        start: Start,
        width: int,
        usual: Usual,
        most: int,
    ) -> None:
        check_width(width)
        self._vocabulary, self._engine, self._width, self._most = vocabulary, engine, width, most
        self._usual = usual
        self._grammar, self._state, self._inputs = start.grammar.take(np.zeros(1, np.int64)), start.state, start.inputs
        self._contexts = [start.context.copy()]
        self._tunes: list[list[list[int]]] = [[]]
        self._said = np.zeros(1)  # log likelihood of each beginning
        self._nats = np.zeros(1)  # of its notes, rests and end, negative
        self._removed, self._tokens = np.zeros(1), np.zeros(1)
        self._ended: list[tuple[float, Drawn]] = []

    def run(self) -> Drawn:
        """The likeliest tune.

        Raises
        ------
        SamplingError
            If limits leave none of the beginnings a way on.
        """
        step, limited = 0, self._grammar.may_dead_end
        while len(self._tunes) and len(self._ended) < self._width and step < self._most + (_TO_CLOSE if limited else 0):
            if limited:
                self._grammar.must_close = step >= self._most
            self._step()
            step += 1
        if not limited:
            for number in range(len(self._tunes)):
                self._end(number, self._tunes[number], self._said[number], self._nats[number])
        if not self._ended:
            raise SamplingError("the limits leave no beginning of the beam a way on; loosen one of them, or widen the beam")
        return max(self._ended, key=lambda ended: ended[0])[1]

    def _end(self, number: int, tune: list[list[int]], said: float, nats: float) -> None:
        rows = np.array(tune, np.int64).reshape(-1, len(FIELDS))
        removed = float(self._removed[number] / max(self._tokens[number], 1))
        self._ended.append((said / max(len(tune), 1), Drawn(rows, float(nats), removed)))

    def _step(self) -> None:
        hidden, self._state = self._engine.step(self._inputs, self._state)
        next_ = _Next(self, self._engine.trunks(hidden))
        parents, events = next_.best()
        self._removed, self._tokens = next_.removed, next_.tokens
        nats = self._nats[parents] + np.where(says_no_change(events), self._said[parents] - next_.said, 0.0)
        tunes = [[*self._tunes[parent], event] for parent, event in zip(parents.tolist(), events.tolist())]
        for number in np.flatnonzero(events[:, TIME] == END).tolist():
            self._end(number, tunes[number], next_.said[number], nats[number])
        going = np.flatnonzero(events[:, TIME] != END)
        parents, events = parents[going], events[going]
        self._said, self._nats = next_.said[going], nats[going]
        self._removed, self._tokens = self._removed[going], self._tokens[going]
        self._tunes = [tunes[number] for number in going.tolist()]
        self._contexts = [self._contexts[parent].copy() for parent in parents.tolist()]
        self._grammar, self._state = self._grammar.take(parents), self._state.take(parents)
        self._grammar.push(events)
        self._inputs = np.array([[*e, *c.push(tuple(e))] for e, c in zip(events.tolist(), self._contexts)])


class _Next:
    """The next event of each beginning, of which the likeliest are kept after each field."""

    def __init__(self, beam: Beam, trunks: Floats) -> None:
        self._beam, self._trunks = beam, trunks
        self._parents = np.arange(len(trunks))
        self._events = np.zeros((len(trunks), len(FIELDS)), np.int64)
        self._conditions = Conditions(beam._vocabulary, beam._contexts)
        self._grammar = beam._grammar
        self.said, self.removed, self.tokens = beam._said, beam._removed, beam._tokens

    def best(self) -> tuple[NDArray[np.int64], Rows]:
        """The beginning that each of the likeliest goes on from, and with what."""
        self._take(TIME, self._grammar.times())
        if not len(self._events):
            return self._parents, self._events
        self._conditions.place(self._events)
        self._take(KIND, self._grammar.kinds(self._events[:, TIME]))
        self._conditions.part(self._events)
        self._take(VALUE, self._grammar.values(self._events[:, TIME], self._events[:, KIND]))
        self._take(DURATION, self._grammar.durations(self._events))
        self._take(VELOCITY, self._grammar.velocities(self._events))
        return self._parents, self._events

    def _take(self, field: int, mask: Mask) -> None:
        """Go on with the likeliest tokens of a field; where it says nothing, with the one that stands for that."""
        if field not in self._beam._engine.predicted:
            return
        silent = ~self._beam._vocabulary.said(self._events)[:, field] if field > TIME else np.zeros(len(mask), bool)
        logits = self._beam._engine.logits(field, self._trunks[self._parents], self._events, self._conditions.array)
        if field == TIME:
            logits = going_on(logits, mask, self._grammar.past_end())
        if field == VALUE:
            self._beam._usual.prefer(logits, self._events, self._beginning())
        wide = self._grammar.unconstrained
        gained = np.where(wide, logits.astype(np.float64), -np.inf)
        gained -= np.logaddexp.reduce(gained, axis=1, keepdims=True, initial=-1e300)
        self.removed = self.removed + np.where(silent, 0, 1 - np.exp(np.where(mask, gained, -np.inf)).sum(axis=1))
        self.tokens = self.tokens + ~silent
        gained = np.where(mask, gained, -np.inf)
        gained[silent] = np.where(np.arange(mask.shape[1]) == 0, 0, -np.inf)
        total = (self.said[:, None] + gained).ravel()
        kept = np.argsort(-total, kind="stable")[: self._beam._width]
        kept = kept[np.isfinite(total[kept])]
        self._go_on_with(kept // mask.shape[1])
        self.said, self._events[:, field] = total[kept], kept % mask.shape[1]

    def _beginning(self) -> Mask:
        return np.array([self._beam._contexts[parent].tick == 0 for parent in self._parents.tolist()], bool)

    def _go_on_with(self, kept: NDArray[np.int64]) -> None:
        self._grammar = self._grammar.take(kept)
        self._parents, self._events = self._parents[kept], self._events[kept]
        self._conditions.take(kept)
        self.removed, self.tokens = self.removed[kept], self.tokens[kept]
