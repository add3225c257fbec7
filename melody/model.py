"""`MelodyLSTM`: (events, state) -> a state, and from it the probabilities of the next event, field by field.

One step is one event. Its tokens and features are looked up in one table and added up, a stacked LSTM (Hochreiter and
Schmidhuber 1997; forget gate by Gers et al. 2000) carries the state on, and a small head predicts the fields of the next
event in a chain, each given those before it and, from the second field on, what is known of the place where the event will
stand (the conditions of `melody.tokens.features`).

A plain `nn.Module`: no Lightning here, and none is needed to use it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from melody.tokens.features import condition_sizes, feature_sizes
from melody.tokens.usage import FIRST_PART
from melody.tokens.vocabulary import END, FIELDS, KIND, TIME, VALUE, Vocabulary

State = tuple[Tensor, Tensor]  # h and c, each (layers, batch, hidden)


@dataclass(frozen=True)
class ModelSettings:
    """The shape of a model.

    Parameters
    ----------
    hidden_size
        Cells of each LSTM layer.
    num_layers
        LSTM layers on top of each other.
    embedding_size
        Width of the sum of embeddings that the first layer gets.
    head_size
        Width of the hidden layer before each field's logits.
    dropout
        Share of the embedding and of each layer's output left out in training.
    """

    hidden_size: int = 256
    num_layers: int = 2
    embedding_size: int = 256
    head_size: int = 256
    dropout: float = 0.3


class MelodyLSTM(nn.Module):
    """The model; events below are (batch, time, fields + features + conditions), see `melody.dataset.with_features`."""

    offsets: Tensor
    legato_kinds: Tensor

    def __init__(self, vocabulary: Vocabulary, settings: ModelSettings) -> None:
        super().__init__()
        self.settings = settings
        self.rest = vocabulary.rest
        self.register_buffer("legato_kinds", torch.from_numpy(vocabulary.legato_kinds), persistent=False)
        self.sizes = vocabulary.sizes
        self.predicted = [k for k, size in enumerate(self.sizes) if size > 1]
        inputs = vocabulary.sizes + feature_sizes(vocabulary)
        self.register_buffer("offsets", _starts(inputs), persistent=False)
        self.embedding = nn.EmbeddingBag(sum(inputs), settings.embedding_size, mode="sum")
        self.lstm = nn.LSTM(
            settings.embedding_size,
            settings.hidden_size,
            settings.num_layers,
            dropout=settings.dropout if settings.num_layers > 1 else 0.0,
            batch_first=True,
        )
        self.dropout = nn.Dropout(settings.dropout)
        self.heads = nn.ModuleDict({FIELDS[k]: _Head(k, vocabulary, settings) for k in self.predicted})
        self._initialise()

    def _initialise(self) -> None:
        """Orthogonal recurrent weights (Saxe et al. 2014), forget-gate bias 1 (Jozefowicz et al. 2015)."""
        hidden = self.settings.hidden_size
        nn.init.normal_(self.embedding.weight, std=0.1)
        for name, parameter in self.lstm.named_parameters():
            if "weight_hh" in name:
                for gate in parameter.data.chunk(4):
                    nn.init.orthogonal_(gate)
            elif "weight_ih" in name:
                nn.init.xavier_uniform_(parameter)
            else:
                nn.init.zeros_(parameter)
                if "bias_ih" in name:
                    parameter.data[hidden : 2 * hidden] = 1.0

    def forward(self, events: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Hidden states after each event, (batch, time, hidden), and the state to go on with."""
        inputs = events[..., : len(self.offsets)] + self.offsets
        embedded = self.embedding(inputs.flatten(0, 1)).unflatten(0, events.shape[:2])
        hidden, state = self.lstm(self.dropout(embedded), state)
        return self.dropout(hidden), state

    def logits(self, hidden: Tensor, targets: Tensor) -> dict[int, Tensor]:
        """For each predicted field the logits of its token in the next event, (batch, time, field size).

        `targets` are those next events: each field sees only the fields before it, those after the first the conditions.
        """
        return {k: self.heads[FIELDS[k]](hidden, targets) for k in self.predicted}

    def nats(self, hidden: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
        """Negative log likelihood of the next events, in nats by event and field, (batch, time, fields).

        Fields that an event does not have (`Vocabulary.said`) count 0.
        """
        result = hidden.new_zeros(*targets.shape[:2], len(FIELDS))
        real = self._said(targets) & mask.unsqueeze(-1)
        for k, logits in self.logits(hidden, targets).items():
            loss = functional.cross_entropy(logits.flatten(0, 1), targets[..., k].flatten(), reduction="none")
            result[..., k] = loss.view_as(mask) * real[..., k]
        return result

    def _said(self, events: Tensor) -> Tensor:
        """Which fields each event has, (..., fields), as `Vocabulary.said` has it."""
        kind, going = events[..., KIND], events[..., TIME] != END
        legato = self.legato_kinds[kind]
        note = going & (kind >= FIRST_PART) & ~(legato & (events[..., VALUE] == self.rest))
        return torch.stack([torch.ones_like(going), going, going, note & ~legato, note], dim=-1)


def known_sizes(vocabulary: Vocabulary, field: int) -> tuple[int, ...]:
    """Number of values of each thing that the head of a field is told: the fields before it, then conditions."""
    if field == TIME:
        return ()
    conditions = condition_sizes(vocabulary)
    return (*vocabulary.sizes[:field], *(conditions[:-1] if field == KIND else conditions))


def _starts(sizes: Sequence[int]) -> Tensor:
    """Where each one's values begin in a table that holds those of all."""
    return torch.tensor([0, *sizes[:-1]]).cumsum(0) if sizes else torch.zeros(0, dtype=torch.long)


class _Head(nn.Module):
    """One field: tanh of the state and of what is known of the event already, then logits."""

    offsets: Tensor

    def __init__(self, field: int, vocabulary: Vocabulary, settings: ModelSettings) -> None:
        super().__init__()
        self.field = field
        sizes = known_sizes(vocabulary, field)
        self.first_condition = len(FIELDS) + len(feature_sizes(vocabulary))
        self.register_buffer("offsets", _starts(sizes), persistent=False)
        self.trunk = nn.Linear(settings.hidden_size, settings.head_size)
        self.known = nn.EmbeddingBag(max(sum(sizes), 1), settings.head_size, mode="sum")
        self.output = nn.Linear(settings.head_size, vocabulary.sizes[field])
        nn.init.normal_(self.known.weight, std=0.1)

    def forward(self, hidden: Tensor, targets: Tensor) -> Tensor:
        inner = self.trunk(hidden)
        if len(self.offsets):
            conditions = targets[..., self.first_condition :][..., : len(self.offsets) - self.field]
            known = torch.cat([targets[..., : self.field], conditions], dim=-1) + self.offsets
            inner = inner + self.known(known.flatten(0, 1)).view_as(inner)
        return self.output(torch.tanh(inner))
