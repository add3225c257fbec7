"""The bidirectional part of a network in torch: see `melody.network.bidirectional`."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from melody.network.bidirectional import reader
from melody.network.embedding_sums import starts
from melody.network.heads import EmbeddingSum
from melody.network.settings import ModelSettings
from melody.tokens.inputs.future import PLACE, READ, sizes
from melody.tokens.inputs.schema import LOOKBACKS, LOOKED_AT
from melody.tokens.vocabulary import Vocabulary

_ALWAYS = (0, 1, 2, 3)  # columns of a place that are never left out: without them a gap has no end


class Gaps(NamedTuple):
    """What is known behind the gaps of a window, and the places in them: as `melody.dataset.GapArrays`, in torch."""

    future: Tensor
    length: Tensor
    gap: Tensor
    places: Tensor
    row: Tensor
    time: Tensor
    is_last: Tensor

    def of_rows(self, first: int, step: int) -> Gaps:
        """Those of every `step`-th piece from `first` on, as if there were no other pieces."""
        own = self.row % step == first
        return self._replace(
            gap=self.gap[own],
            places=self.places[own],
            row=self.row[own] // step,
            time=self.time[own],
            is_last=self.is_last[own],
        )


class GapReading(nn.Module):
    """Reads what follows a gap, and joins it to what the heads see there."""

    future_starts: Tensor
    place_starts: Tensor

    def __init__(self, vocabulary: Vocabulary, settings: ModelSettings) -> None:
        super().__init__()
        seen, hidden, dropout = (
            settings.hidden_size + settings.embedding_size,
            settings.hidden_size,
            settings.feature_dropout,
        )
        for name, table in (("future_starts", READ), ("place_starts", PLACE)):
            self.register_buffer(name, torch.from_numpy(starts(sizes(table, vocabulary))), persistent=False)
        self.cell = reader(hidden)
        width = self.cell.sizes.hidden
        self.future = EmbeddingSum(sum(sizes(READ, vocabulary)), width, dropout, ())
        self.reader = self.cell.module(0.0)
        self.cell.initialise(self.reader)
        self.place = EmbeddingSum(sum(sizes(PLACE, vocabulary)), hidden, dropout, _ALWAYS)
        self.seen = nn.Parameter(torch.empty(seen, hidden).uniform_(-1, 1) / seen**0.5)
        self.following = nn.Parameter(torch.empty(width, hidden).uniform_(-1, 1) / width**0.5)
        self.bias = nn.Parameter(torch.zeros(hidden))
        self.output = nn.Parameter(torch.zeros(hidden, seen))
        pointers = len(LOOKBACKS) * len(LOOKED_AT)
        self.pointer = nn.Parameter(torch.empty(hidden, pointers).uniform_(-1, 1) / hidden**0.5)
        self.pointer_bias = nn.Parameter(torch.zeros(pointers))
        self.dropout = nn.Dropout(settings.dropout)

    def forward(self, seen: Tensor, known: Gaps) -> tuple[Tensor, Tensor]:
        """What the heads see at each place, (places, hidden + embedding), and g, (places, distances, fields).

        `seen` is what they saw there without the future.
        """
        gaps, events, _ = known.future.shape
        if events:
            read = self.future((known.future + self.future_starts).flatten(0, 1)).view(gaps, events, -1)
            output, _ = self.cell.unroll(self.reader, self.dropout(read), None, 0.0)
            last = output[torch.arange(gaps, device=seen.device), (known.length - 1).clamp(min=0)].float()
            following = self.dropout(last * (known.length > 0)[:, None])
        else:
            following = seen.new_zeros(gaps, self.cell.sizes.hidden)
        placed = self.place(known.places + self.place_starts)
        inner = torch.tanh(seen @ self.seen + (following @ self.following)[known.gap] + placed + self.bias)
        gates = inner @ self.pointer + self.pointer_bias
        return seen + inner @ self.output, gates.view(-1, len(LOOKBACKS), len(LOOKED_AT))


def pointed(logits: Tensor, field: int, gates: Tensor, tokens: Tensor, events: Tensor) -> Tensor:
    """Logits of a field with the pointers added that agree so far, (places, field size).

    Parameters
    ----------
    logits, field
        Without them, (places, field size), of which field.
    gates, tokens
        What to add, and to which tokens, -1 for none, (places, distances, fields) each.
    events
        The next events, (places, columns).
    """
    if field not in LOOKED_AT:
        return logits
    agree = (tokens[..., :field] == events[:, None, :field]).all(dim=2) & (tokens[..., field] >= 0)
    return logits.scatter_add(1, tokens[..., field].clamp(min=0), (gates[..., field] * agree).to(logits.dtype))
