"""How one token is chosen: temperature and what cuts off the unlikely, under a mask.

Each cut is made on the distribution that those before it have left, in the order of `SamplingSettings`; one token at least
stays, and but for typical sampling the likeliest does.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from numbers import Real

import numpy as np
from numpy.typing import NDArray

from melody.arguments import shown
from melody.engine import Floats
from melody.errors import SamplingError
from melody.tokens.grammar import Mask
from melody.tokens.vocabulary import DURATION, TIME, VALUE

Shares = NDArray[np.float64]
# Nearer to what the corpora do than 1 is: bars that come back, chords, bars that add up (docs/experiments.md).
TEMPERATURE, VOICES_TEMPERATURE = 0.8, 0.6
DOUBT = 5e-5  # logits of one tune differ by up to 1e-5 with the number of tunes that are computed together


@dataclass(frozen=True)
class SamplingSettings:
    """How the next event is chosen.

    Parameters
    ----------
    temperature
        Logits are divided by it: 1 is the model's own distribution, lower is safer, 0 always takes the likeliest; 0 to 100.
    rhythm_temperature
        The same for when a note begins and how long it lasts; None for `temperature`.
    pitch_temperature
        The same for which pitch it has; None for `temperature`.
    top_k
        Only the so many likeliest tokens of a field, from 1; None for all.
    top_p
        Only the likeliest tokens that together have this probability, above 0, at most 1 (Holtzman et al. 2020).
    min_p
        Only tokens that are at least this many times as likely as the likeliest one, 0 to 1 (Nguyen et al. 2024).
    typical
        Only the tokens whose surprise is nearest to the expected surprise, that together have this probability, above 0,
        at most 1 (Meister et al. 2023).
    repetition_penalty
        The odds of a note that would carry on a loop are divided by it, see `melody.sampling.loops`; 1 to 100, 1 for none.
    seed
        Random number, from 0; the same seed gives the same tunes.
    any_ending
        Take a new tune as it ends. Otherwise up to 16 are drawn until one ends by itself, on a bar line and on the chord of
        the tonic (`melody.sampling.ranking.ends_well`), and, if the number of bars is given, where the model might have
        ended it. Where nothing is drawn by chance, or the best of many are kept, and in continuations every ending is taken.
    max_notes
        A tune that has not ended by then is ended; None for as many as the longest piece in training had events.

    Raises
    ------
    SamplingError
        If a value is out of its range.
    """

    temperature: float = TEMPERATURE
    rhythm_temperature: float | None = None
    pitch_temperature: float | None = None
    top_k: int | None = None
    top_p: float = 1.0
    min_p: float = 0.0
    typical: float = 1.0
    repetition_penalty: float = 1.0
    seed: int = 0
    any_ending: bool = False
    max_notes: int | None = None

    def __post_init__(self) -> None:
        for setting in fields(self):
            value, may_be_none = getattr(self, setting.name), "None" in str(setting.type)
            if not isinstance(value, Real) and not (value is None and may_be_none):
                raise SamplingError(f"{setting.name} is {shown(value)}; it must be a number")
        for what in ("temperature", "rhythm_temperature", "pitch_temperature"):
            degree, name = getattr(self, what), what.replace("_", " ")
            if degree is not None and not 0 <= degree <= 100:
                raise SamplingError(f"the {name} is {degree:g}; it must be from 0 (safest) to 100, usually 0.7 to 1.2")
        if self.top_k is not None and self.top_k < 1:
            raise SamplingError(f"top-k is {self.top_k}; it must be 1 or more, or be left out")
        for what, name in (("top_p", "top-p"), ("typical", "typical")):
            if not 0 < getattr(self, what) <= 1:
                raise SamplingError(f"{name} is {getattr(self, what):g}; it must be above 0 and at most 1")
        if not 0 <= self.min_p <= 1:
            raise SamplingError(f"min-p is {self.min_p:g}; it must be from 0 to 1, usually 0.05 to 0.1")
        if not 1 <= self.repetition_penalty <= 100:
            raise SamplingError(
                f"the repetition penalty is {self.repetition_penalty:g}; it must be from 1 (none) to 100, usually 1.5 to 3"
            )
        if self.seed < 0:
            raise SamplingError(f"the seed is {self.seed}; it must be 0 or more")
        if self.max_notes is not None and self.max_notes < 1:
            raise SamplingError(f"max_notes is {self.max_notes}; it must be 1 or more")

    def temperature_of(self, field: int | None) -> float:
        """The temperature of one field of an event."""
        own = {TIME: self.rhythm_temperature, DURATION: self.rhythm_temperature, VALUE: self.pitch_temperature}
        found = None if field is None else own.get(field)
        return self.temperature if found is None else found


def choose(
    logits: Floats, mask: Mask | None, chance: Shares, settings: SamplingSettings, field: int | None = None
) -> NDArray[np.int64]:
    """One token a row, by the settings, among those that `mask` allows.

    Parameters
    ----------
    logits
        (streams, tokens).
    mask
        (streams, tokens), None for all; a row that allows nothing is taken as one that allows all.
    chance
        Uniform random numbers in [0, 1), (streams,): the token is where the cumulated probability passes it.
    settings
        Temperature and cuts.
    field
        Of the event, for the temperature; None for that of all.
    """
    return choose_surely(logits, mask, chance, settings, field)[0]


def choose_surely(
    logits: Floats, mask: Mask | None, chance: Shares, settings: SamplingSettings, field: int | None = None
) -> tuple[NDArray[np.int64], Mask]:
    """As `choose`, and whether the token would be the same for any logits within `DOUBT / 2` of these, (streams,)."""
    exact = logits.astype(np.float64)
    temperature = settings.temperature_of(field)
    if mask is not None:
        some: Mask = np.any(mask, axis=1)
        exact[~(mask if some.all() else mask | ~some[:, None])] = -np.inf
    if temperature == 0:
        second, first = np.partition(exact, -2, axis=1)[:, -2:].T if exact.shape[1] > 1 else (-np.inf, exact[:, 0])
        return exact.argmax(axis=1), first - second > DOUBT
    doubt = DOUBT / temperature
    exact -= exact.max(axis=1, keepdims=True)
    exact /= temperature
    share, sure = _kept(exact, settings, doubt)
    cumulated = share.cumsum(axis=1)
    total = cumulated[:, -1:]
    passed = chance[:, None] * total
    token = (cumulated <= passed).sum(axis=1)
    off = np.abs(cumulated - passed)[:, :-1]
    if not (off > doubt / 4 * total).all():  # if all logits up to there grow by half of it, the others shrink, this moves:
        sure &= (off > (doubt * cumulated * (1 - cumulated / total))[:, :-1]).all(axis=1)
    if (passed < total).all():
        return token, sure
    last = share.shape[1] - 1 - (share[:, ::-1] > 0).argmax(axis=1)
    return np.minimum(token, last), sure


def _kept(logits: Shares, settings: SamplingSettings, doubt: float) -> tuple[Shares, Mask]:
    """The probabilities that the cuts leave, each row summing to anything, and whether nothing is near a cut.

    The greatest logit of each row is 0.
    """
    sure = np.ones(len(logits), bool)
    if settings.top_k is not None and settings.top_k < logits.shape[1]:
        dropped, least = np.partition(logits, (-settings.top_k - 1, -settings.top_k), axis=1)[
            :, [-settings.top_k - 1, -settings.top_k]
        ].T
        sure &= least > dropped + doubt
        sure |= dropped == -np.inf
        logits = np.where(logits >= least[:, None], logits, -np.inf)
    share = np.exp(logits)
    if settings.top_p < 1:
        share = _first_of(share, _surprise(share), settings.top_p, doubt, sure)
    if settings.min_p > 0:
        least = _surprise(share).min(axis=1) - np.log(settings.min_p)
        sure &= (np.abs(_surprise(share) - least[:, None]) > doubt).all(axis=1)
        share = np.where(_surprise(share) <= least[:, None], share, 0)
    if settings.typical < 1:
        surprise = _surprise(share)
        known = np.where(share > 0, surprise, 0)
        expected = (share * known).sum(axis=1, keepdims=True) / share.sum(axis=1, keepdims=True)
        share = _first_of(share, np.abs(surprise - expected), settings.typical, 4 * doubt, sure)
    return share, sure


def _surprise(share: Shares) -> Shares:
    """Nats of each token; infinite where there is no probability."""
    share = share / share.sum(axis=1, keepdims=True)
    return -np.log(share, out=np.full_like(share, -np.inf), where=share > 0)


def _first_of(share: Shares, rank: Shares, most: float, doubt: float, sure: Mask) -> Shares:
    """Only the tokens that come first by rank, in nats, and together have the probability `most`; takes away from `sure`."""
    order = np.argsort(rank, axis=1, kind="stable")
    ranked = np.take_along_axis(share / share.sum(axis=1, keepdims=True), order, axis=1)
    before = np.cumsum(ranked, axis=1) - ranked
    dropped = before >= most
    sure &= (np.abs(before - most) > doubt).all(axis=1)
    ranks = np.take_along_axis(rank, order, axis=1)
    edge = np.flatnonzero(dropped.any(axis=1))
    first = dropped[edge].argmax(axis=1)
    sure[edge] &= ranks[edge, first] > ranks[edge, first - 1] + doubt
    ranked[dropped] = 0
    kept = np.empty_like(share)
    np.put_along_axis(kept, order, ranked, axis=1)
    return kept
