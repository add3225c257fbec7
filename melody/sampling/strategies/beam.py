"""Beam search: the likeliest tune among the so many likeliest beginnings kept at each step.

Nothing is drawn by chance, so the seed does not matter and the same model always gives the same tune. Beginnings of equally
many events are compared by their likelihood under the model; tunes that have ended, which differ in length, by their
likelihood per event. The likeliest music repeats itself more than music does (Holtzman et al. 2020); it is the safest guess
of the model, not its best tune.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from melody.errors import SamplingError
from melody.sampling.decoder import Decoder, Frontier, Step
from melody.sampling.settings import SamplingSettings
from melody.sampling.strategies.ancestral import TO_CLOSE, Sample
from melody.tokens.grammar import Mask
from melody.tokens.vocabulary import END, FIELDS, TIME, Rows, changes_nothing

MAX_WIDTH = 256


def check_width(width: int) -> None:
    """Refuse a beam that is none, or that no memory holds.

    Raises
    ------
    SamplingError
        If it is not from 1 to 256.
    """
    if not 1 <= width <= MAX_WIDTH:
        raise SamplingError(f"a beam of {width} was asked for; it must be from 1 to {MAX_WIDTH}, usually 4 to 16")


def check_no_chance(settings: SamplingSettings) -> None:
    """Refuse settings of how tokens are drawn by chance.

    Raises
    ------
    SamplingError
        If one is not as it is by default; seed and form do not matter.
    """
    kept = {name: getattr(settings, name) for name in ("seed", "max_notes", "parallels", "form")}
    default = asdict(SamplingSettings(**kept))
    changed = [name.replace("_", "-") for name, value in asdict(settings).items() if value != default[name]]
    if changed:
        raise SamplingError(f"a beam search draws nothing by chance; leave out {', '.join(changed)}, or the beam")


class Beam:
    """The likeliest beginnings, all of equally many events.

    Parameters
    ----------
    decoder
        Of the model.
    start
        Where the tune begins, one stream.
    width
        How many beginnings are kept.
    most
        Events, after which the tune is ended.
    """

    def __init__(self, decoder: Decoder, start: Frontier, width: int, most: int) -> None:
        check_width(width)
        self._decoder, self._width, self._most = decoder, width, most
        self._frontier = start.take(np.zeros(1, np.int64))
        self._tunes = np.zeros((1, 0, len(FIELDS)), np.int64)  # the events of each beginning
        self._likelihood = _Likelihood(np.zeros(1), np.zeros(1), np.zeros(1))
        self._nats = np.zeros(1)  # of the notes, rests and end of each
        self._ended: list[tuple[float, Sample]] = []

    def run(self) -> Sample:
        """The likeliest tune.

        Raises
        ------
        SamplingError
            If constraints leave none of the beginnings a way on.
        """
        step, limited = 0, self._frontier.masks.may_dead_end
        while len(self._tunes) and len(self._ended) < self._width and step < self._most + TO_CLOSE * limited:
            if limited:
                self._frontier.masks.must_close = np.full(len(self._tunes), step >= self._most)
            self._step()
            step += 1
        if not limited:
            for number in range(len(self._tunes)):
                self._end(number)
        if not self._ended:
            raise SamplingError("the limits leave no beginning of the beam a way on; loosen one of them, or widen the beam")
        return max(self._ended, key=lambda ended: ended[0])[1]

    def _end(self, number: int) -> None:
        of, rows = self._likelihood, self._tunes[number]
        removed = float(of.removed[number] / max(of.tokens[number], 1))
        self._ended.append((of.total[number] / max(len(rows), 1), Sample(rows, float(self._nats[number]), removed)))

    def _step(self) -> None:
        """One more event for each beginning, and the likeliest of all that come of them."""
        step = self._decoder.step(self._frontier, self._decoder.read(self._frontier))
        before, parents = self._likelihood.total, np.arange(len(self._tunes))
        for field, mask in step.fields():
            assert mask is not None
            kept = self._expand(step, field, mask)
            parents = parents[kept]
        events = step.finished()
        gained = self._likelihood.total - before[parents]
        self._nats = self._nats[parents] + np.where(changes_nothing(events), -gained, 0.0)
        self._tunes = np.concatenate([self._tunes[parents], events[:, None]], axis=1)
        for number in np.flatnonzero(events[:, TIME] == END).tolist():
            self._end(number)
        self._go_on(np.flatnonzero(events[:, TIME] != END), parents, events)

    def _go_on(self, going: NDArray[np.int64], parents: NDArray[np.int64], events: Rows) -> None:
        """With those that have not ended."""
        self._tunes, self._nats, self._likelihood = self._tunes[going], self._nats[going], self._likelihood.take(going)
        self._frontier = self._frontier.take(parents[going])
        self._decoder.push(self._frontier, events[going])

    def _expand(self, step: Step, field: int, mask: Mask) -> NDArray[np.int64]:
        """Go on with the likeliest tokens of a field; gives the beginning that each of them belongs to.

        Where an event does not have the field, it goes on with the token that stands for that.
        """
        empty = ~self._decoder.vocabulary.field_mask(step.events)[:, field] if field > TIME else np.zeros(len(mask), bool)
        logits = step.logits(field, mask)
        assert step.masks is not None
        unconstrained = step.masks.unconstrained
        gained = np.where(unconstrained, logits.astype(np.float64), -np.inf)
        gained -= np.logaddexp.reduce(gained, axis=1, keepdims=True, initial=-1e300)
        of, lost = self._likelihood, 1 - np.exp(np.where(mask, gained, -np.inf)).sum(axis=1)
        removed, tokens = of.removed + np.where(empty, 0, lost), of.tokens + ~empty
        gained = np.where(mask, gained, -np.inf)
        gained[empty] = np.where(np.arange(mask.shape[1]) == 0, 0, -np.inf)
        total = (of.total[:, None] + gained).ravel()
        kept = np.argsort(-total, kind="stable")[: self._width]
        kept = kept[np.isfinite(total[kept])]
        parents = kept // mask.shape[1]
        self._likelihood = _Likelihood(total[kept], removed[parents], tokens[parents])
        step.take(parents)
        step.events[:, field] = kept % mask.shape[1]
        return np.asarray(parents)


class _Likelihood(NamedTuple):
    """Of each beginning: its log likelihood, the share that constraints took summed over its tokens, and their number."""

    total: NDArray[np.float64]
    removed: NDArray[np.float64]
    tokens: NDArray[np.float64]

    def take(self, kept: NDArray[np.int64]) -> _Likelihood:
        """Of those beginnings alone."""
        return _Likelihood(self.total[kept], self.removed[kept], self.tokens[kept])
