"""How well a model with a memory of past states (`melody.network.memory`) predicts pieces, and which memory suits it.

All of a piece is read at once: h_t is what the cell gives before event t, so the memory's probability of event t is a sum
over the `size` events before it, weighed by exp(flatness h_t'h_i). Share and flatness are chosen on validation pieces, all
values of a grid at the cost of one reading.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from melody.dataset import padded, with_features
from melody.network.memory import Memory, weighed
from melody.network.network import MelodyNetwork
from melody.statistics.intervals import Interval, difference
from melody.tokens.vocabulary import FIELDS, Rows, Vocabulary

FLATNESSES = (0.0, 0.1, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0)
SHARES = (0.0, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5)
_TOGETHER = 16  # pieces that the network reads side by side
_BLOCK = 256  # events whose memories are looked at together
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Remembered:
    """What a memory makes of pieces.

    Parameters
    ----------
    memory
        How it remembers; its share is 0 if on the validation pieces none helped.
    nats
        By piece and field, (pieces, fields).
    opening
        Nats a note of the openings of the pieces.
    chosen_on
        On how many validation pieces share and flatness were chosen; 0 if they were given, or there were no such pieces.
    more
        Nats a note more than without it, below 0 if it helps, with the 95 % interval over pieces.
    """

    memory: Memory
    nats: Floats
    opening: float
    chosen_on: int
    more: Interval

    def to_dict(self) -> dict[str, Any]:
        """The memory and what it changes, plain JSON."""
        return {**asdict(self.memory), "chosen_on": self.chosen_on, "more_nats_per_note": self.more._asdict()}


class Recalled:
    """Pieces as the model and its memory see them, before anything is mixed.

    Parameters
    ----------
    model
        Is put into `eval` mode.
    vocabulary
        Of model and pieces.
    pieces
        Events of each piece, END included.
    size
        Of how many events the memory is.
    flatnesses
        That are tried.
    """

    def __init__(
        self, model: MelodyNetwork, vocabulary: Vocabulary, pieces: Sequence[Rows], size: int, flatnesses: Sequence[float]
    ) -> None:
        self.size, self._nats, self._recalled = size, list[Floats](), {flatness: list[Floats]() for flatness in flatnesses}
        for start in range(0, len(pieces), _TOGETHER):
            group = [np.asarray(rows) for rows in pieces[start : start + _TOGETHER]]
            for rows, (nats, hidden) in zip(group, _read(model, vocabulary, group)):
                self._nats.append(nats)
                encoded = vocabulary.field_mask(rows) & (np.array(vocabulary.sizes) > 1)
                for flatness, found in self._recalled.items():
                    found.append(np.where(encoded, _recalled(hidden, rows, size, flatness), np.nan))

    def nats(self, memory: Memory) -> Floats:
        """Negative log likelihoods by piece and field, (pieces, fields)."""
        mixed = [_mixed(nats, p, memory.share) for nats, p in zip(self._nats, self._recalled[memory.flatness])]
        return np.array([nats.sum(axis=0) for nats in mixed])

    def best(self) -> Memory:
        """The share and flatness under which the pieces are likeliest; the smaller ones, where it makes no difference."""
        grid = [Memory(self.size, share, flatness) for share in SHARES for flatness in self._recalled]
        return min(grid, key=lambda memory: self.nats(memory).sum())


def remembered(
    model: MelodyNetwork,
    vocabulary: Vocabulary,
    pieces: Sequence[Rows],
    begun: Sequence[Rows],
    valid: Sequence[Rows],
    memory: int | Memory,
) -> Remembered:
    """Measure a model with a memory.

    Parameters
    ----------
    model, vocabulary
        The model.
    pieces, begun
        What is measured, and the openings of them.
    valid
        On which share and flatness are chosen where only the memory's size is given; without any the defaults are taken.
    memory
        Its size, or all of it.
    """
    chosen_on = 0
    if isinstance(memory, int):
        chosen_on = len(valid)
        memory = Recalled(model, vocabulary, valid, memory, FLATNESSES).best() if valid else Memory(memory)
    whole = Recalled(model, vocabulary, pieces, memory.size, [memory.flatness])
    nats, notes = whole.nats(memory), [int(vocabulary.is_note(np.asarray(rows)).sum()) for rows in pieces]
    without = whole.nats(Memory(memory.size, 0.0, memory.flatness)).sum(axis=1)
    opening = Recalled(model, vocabulary, begun, memory.size, [memory.flatness]).nats(memory).sum()
    notes_begun = max(sum(int(vocabulary.is_note(np.asarray(rows)).sum()) for rows in begun), 1)
    return Remembered(memory, nats, float(opening) / notes_begun, chosen_on, difference(nats.sum(axis=1), without, notes))


def _read(model: MelodyNetwork, vocabulary: Vocabulary, group: Sequence[Rows]) -> list[tuple[Floats, NDArray[np.float32]]]:
    """Nats by event and field, and what the cell gave before each event, (events, hidden), of each piece."""
    events, mask = map(torch.from_numpy, padded([with_features(vocabulary, rows) for rows in group]))
    with torch.inference_mode():
        hidden = model.eval()(events[:, :-1])[0]
        nats = model.nats(hidden, events[:, 1:], mask).double().numpy()
    output = hidden[..., : model.settings.hidden_size].numpy()
    return [(nats[i, : len(rows)], output[i, : len(rows)]) for i, rows in enumerate(group)]


def _recalled(hidden: NDArray[np.float32], rows: Rows, size: int, flatness: float) -> Floats:
    """The probability of each token by the memory, given those before it, (events, fields); NaN where it has none."""
    found = np.full((len(rows), len(FIELDS)), np.nan)
    for start in range(0, len(rows), _BLOCK):
        now = np.arange(start, min(start + _BLOCK, len(rows)))
        past = np.arange(max(start - size, 0), now[-1])
        if not len(past):
            continue
        scores = np.float32(flatness) * (hidden[now] @ hidden[past].T)
        agree = (past < now[:, None]) & (past >= now[:, None] - size)
        for field in range(len(FIELDS)):
            weights, is_known = weighed(scores, agree)
            agree = agree & (rows[past, field] == rows[now, field, None])
            found[now, field] = np.where(is_known, (weights * agree).sum(axis=1), np.nan)
    return found


def _mixed(nats: Floats, recalled: Floats, share: float) -> Floats:
    """Nats by event and field under model and memory; the model's own where there is nothing to recall."""
    both = -np.log((1 - share) * np.exp(-nats) + share * np.nan_to_num(recalled))
    return np.where(np.isnan(recalled), nats, both)
