"""How one token is chosen: temperature and what cuts off the unlikely, under a mask.

Each cut is made on the distribution that those before it have left, in the order of `SamplingSettings`; one token at least
stays, and but for typical sampling the likeliest does.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from melody.network import Floats
from melody.sampling.settings import SamplingSettings
from melody.tokens.grammar import Mask

Shares = NDArray[np.float64]
DOUBT = 5e-5  # logits of one tune differ by up to 1e-5 with the number of tunes that are computed together


def choose(
    logits: Floats,
    mask: Mask | None,
    chance: Shares,
    settings: SamplingSettings,
    field: int | None = None,
    beginning: Mask | None = None,
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
    beginning
        Which rows are about how a piece begins, which has a temperature of its own, (streams,); None for none.
    """
    return choose_surely(logits, mask, chance, settings, field, beginning)[0]


def choose_surely(
    logits: Floats,
    mask: Mask | None,
    chance: Shares,
    settings: SamplingSettings,
    field: int | None = None,
    beginning: Mask | None = None,
) -> tuple[NDArray[np.int64], Mask]:
    """As `choose`, and whether the token would be the same for any logits within `DOUBT / 2` of these, (streams,)."""
    if beginning is not None and beginning.any():
        tokens, sure = np.zeros(len(logits), np.int64), np.ones(len(logits), bool)
        for rows, how in ((beginning, settings.at_beginning), (~beginning, settings)):
            if rows.any():
                narrow = None if mask is None else mask[rows]
                tokens[rows], sure[rows] = choose_surely(logits[rows], narrow, chance[rows], how, field)
        return tokens, sure
    temperature = settings.temperature_of(field)
    if len(logits) == 1 and temperature > 0 and not _cuts(settings):
        token, is_sure = _choose_one(logits[0], None if mask is None else mask[0], float(chance[0]), temperature)
        return np.array([token]), np.array([is_sure])
    exact = logits.astype(np.float64)
    if mask is not None:
        some: Mask = np.any(mask, axis=1)
        exact = np.where(mask if some.all() else mask | ~some[:, None], exact, -np.inf)
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


def _cuts(settings: SamplingSettings) -> bool:
    """Whether anything is cut off before a token is chosen."""
    return settings.top_k is not None or settings.top_p < 1 or settings.min_p > 0 or settings.typical < 1


def _choose_one(logits: Floats, mask: Mask | None, chance: float, temperature: float) -> tuple[int, bool]:
    """What `choose_surely` gives for one row and no cuts, by the same sums, in a third of the time."""
    exact = logits.astype(np.float64)
    if mask is not None and np.logical_or.reduce(mask):
        exact = np.where(mask, exact, -np.inf)
    exact -= np.maximum.reduce(exact)
    if temperature != 1:
        exact /= temperature
    cumulated = np.add.accumulate(np.exp(exact, out=exact))
    total, doubt = float(cumulated[-1]), DOUBT / temperature
    passed = chance * total
    token = int(cumulated.searchsorted(passed, side="right"))
    around = cumulated[max(token - 1, 0) : min(token + 1, len(cumulated) - 1)]
    is_sure = True
    if len(around) and min(abs(value - passed) for value in around.tolist()) <= doubt / 4 * total:
        off, moved = np.abs(cumulated - passed)[:-1], doubt * cumulated * (1 - cumulated / total)
        is_sure = bool((off > moved[:-1]).all())
    return (token if passed < total else int(np.flatnonzero(exact)[-1])), is_sure


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
