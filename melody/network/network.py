"""`MelodyNetwork`: (events, state) -> a state, and from it the probabilities of the next event, field by field.

One step is one event. Its tokens and features are looked up in one table and added up, a recurrent cell
(`melody.network.cells`) carries the state on, and a small head predicts the fields of the next event in a chain
(`melody.network.heads`). A head sees the cell's output and its input side by side (a skip connection, Graves 2013).

A plain `nn.Module`: no Lightning here, and none is needed to use it.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from melody.network.bidirectional import NAME
from melody.network.embedding_sums import starts
from melody.network.gap_reading import GapReading, Gaps, pointed
from melody.network.heads import EmbeddingSum, Head
from melody.network.settings import ModelSettings, cell_of, input_sizes
from melody.tokens.inputs.future import later
from melody.tokens.inputs.schema import BEAT, METRE_IN_FORCE, POSITION
from melody.tokens.usage import FIRST_PART
from melody.tokens.vocabulary import END, FIELDS, KIND, TIME, VALUE, Vocabulary

State = dict[str, Tensor]  # the cell's arrays by name, each (layers or steps, streams, width)


class MelodyNetwork(nn.Module):
    """The model; events below are (batch, time, fields + features + conditions), see `melody.dataset.with_features`."""

    offsets: Tensor
    implied_kinds: Tensor

    def __init__(self, vocabulary: Vocabulary, settings: ModelSettings) -> None:
        super().__init__()
        self.settings = settings
        self.rest = vocabulary.rest
        self.register_buffer("implied_kinds", torch.from_numpy(vocabulary.implied_kinds), persistent=False)
        self.sizes = vocabulary.sizes
        self.predicted = [k for k, size in enumerate(self.sizes) if size > 1]
        inputs = input_sizes(vocabulary, settings.features)
        self.register_buffer("offsets", torch.from_numpy(starts(inputs)), persistent=False)
        place = [len(FIELDS) + column for column in (POSITION, BEAT, METRE_IN_FORCE) if settings.features == "all"]
        self.embedding = EmbeddingSum(sum(inputs), settings.embedding_size, settings.feature_dropout, place)
        self.cell = cell_of(settings)
        self.add_module(settings.cell, self.cell.module(settings.dropout))
        self.dropout = _LockedDropout(settings.dropout)
        self.heads = nn.ModuleDict({FIELDS[k]: Head(k, vocabulary, settings) for k in self.predicted})
        self.cell.initialise(self.recurrent)
        if settings.bidirectional:
            self.add_module(NAME, GapReading(vocabulary, settings))
        self.initial: State | None = None  # to begin from instead of zeros, one stream wide

    @property
    def recurrent(self) -> nn.Module:
        """The cell's weights, under its name in the weights of the model."""
        return self.get_submodule(self.settings.cell)

    def forward(self, events: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """What the heads see after each event, (batch, time, hidden + embedding), and the state to go on with."""
        inputs = events[..., : len(self.offsets)] + self.offsets
        embedded = self.dropout(self.embedding(inputs.flatten(0, 1)).unflatten(0, events.shape[:2]))
        weight_dropout = self.settings.weight_dropout if self.training else 0.0
        if state is None and self.initial is not None:
            state = {name: array.expand(-1, len(events), -1).contiguous() for name, array in self.initial.items()}
        hidden, state = self.cell.unroll(self.recurrent, embedded, state, weight_dropout)
        return torch.cat([self.dropout(hidden), embedded], dim=-1), state

    def logits(self, hidden: Tensor, targets: Tensor) -> dict[int, Tensor]:
        """For each predicted field the logits of its token in the next event, (batch, time, field size).

        `targets` are those next events: each field sees only the fields before it, those after the first the conditions.
        """
        # On a processor the products of the heads stay in 32 bits: in 16 each new number of rows costs a kernel made for it.
        with torch.autocast(hidden.device.type, enabled=hidden.is_cuda and torch.is_autocast_enabled("cuda")):
            return {k: self.heads[FIELDS[k]](hidden, targets) for k in self.predicted}

    def nats(self, hidden: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
        """Negative log likelihood of the next events, in nats by event and field, (batch, time, fields).

        Fields that an event does not have (`Vocabulary.field_mask`) count 0. Of 32 bits, whatever the logits are of.
        """
        return self._nats_of(self.logits(hidden, targets), targets, mask)

    def _nats_of(self, found: Mapping[int, Tensor], targets: Tensor, mask: Tensor) -> Tensor:
        """The same of the logits of each predicted field."""
        result = torch.zeros(*targets.shape[:2], len(FIELDS), device=mask.device)
        real = self._field_mask(targets) & mask.unsqueeze(-1)
        for k, logits in found.items():
            loss = functional.cross_entropy(logits.flatten(0, 1).float(), targets[..., k].flatten(), reduction="none")
            result[..., k] = loss.view_as(mask) * real[..., k]
        return result

    def nats_in_gaps(self, hidden: Tensor, targets: Tensor, gaps: Gaps) -> Tensor:
        """The same of the events in gaps when what follows is known, (places, fields); of a bidirectional network.

        Of the event behind a gap the time alone counts: with it the gap is over, and all else of it is known.
        """
        seen, gates = self.get_submodule(NAME)(hidden[gaps.row, gaps.time].float(), gaps)
        events, tokens = targets[gaps.row, gaps.time], later(gaps.places)
        plain = self.logits(seen[None], events[None])
        found = {k: pointed(logits[0].float(), k, gates, tokens, events)[None] for k, logits in plain.items()}
        nats = self._nats_of(found, events[None], torch.ones_like(gaps.is_last)[None])[0]
        is_counted = ~gaps.is_last[:, None] | (torch.arange(len(FIELDS), device=nats.device) == TIME)
        return nats * is_counted

    def _field_mask(self, events: Tensor) -> Tensor:
        """Which fields each event has, (..., fields), as `Vocabulary.field_mask` has it."""
        kind, going = events[..., KIND], events[..., TIME] != END
        implied = self.implied_kinds[kind]
        note = going & (kind >= FIRST_PART) & ~(implied & (events[..., VALUE] == self.rest))
        return torch.stack([torch.ones_like(going), going, going, note & ~implied, note], dim=-1)


def first_streams(state: State, streams: int) -> State:
    """The state of the first so many streams: of pieces side by side, the longest first, those that go on."""
    return {name: array[:, :streams].contiguous() for name, array in state.items()}


class _LockedDropout(nn.Module):
    """Dropout of the same cells at each step of a window, (batch, time, cells)."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self._rate = rate

    def forward(self, values: Tensor) -> Tensor:
        if not (self.training and self._rate):
            return values
        return values * functional.dropout(values.new_ones(len(values), 1, values.shape[2]), self._rate)
