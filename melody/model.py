"""`MelodyLSTM`: (events, state) -> a state, and from it the probabilities of the next event, field by field.

One step is one event. Its tokens and features are looked up in one table and added up, a stacked LSTM (Hochreiter and
Schmidhuber 1997; forget gate by Gers et al. 2000) carries the state on, and a small head predicts the fields of the next
event in a chain, each given those before it and, from the second field on, the place in the bar where the event will stand.

A plain `nn.Module`: no Lightning here, and none is needed to use it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from melody.tokens.features import POSITION, feature_sizes
from melody.tokens.vocabulary import END, FIELDS, FIRST_PART, KIND, TIME, Vocabulary

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
        Share of the embedding, of each layer's output and of each head's hidden layer left out in training.
    """

    hidden_size: int = 256
    num_layers: int = 2
    embedding_size: int = 256
    head_size: int = 128
    dropout: float = 0.3


def inputs_offsets(vocabulary: Vocabulary) -> list[int]:
    """Where each field's and then each feature's tokens begin in the input table; the last entry is its length."""
    offsets = [0]
    for size in vocabulary.sizes + feature_sizes(vocabulary):
        offsets.append(offsets[-1] + size)
    return offsets


class MelodyLSTM(nn.Module):
    """The model; `inputs` below is (batch, time, fields + features), tokens of the events and their features."""

    offsets: Tensor

    def __init__(self, vocabulary: Vocabulary, settings: ModelSettings) -> None:
        super().__init__()
        self.settings = settings
        self.sizes = vocabulary.sizes
        self.predicted = [k for k, size in enumerate(self.sizes) if size > 1]
        offsets = inputs_offsets(vocabulary)
        self.register_buffer("offsets", torch.tensor(offsets[:-1]), persistent=False)
        self.embedding = nn.EmbeddingBag(offsets[-1], settings.embedding_size, mode="sum")
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

    def forward(self, inputs: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Hidden states after each event, (batch, time, hidden), and the state to go on with."""
        batch, time, width = inputs.shape
        flat = (inputs + self.offsets).reshape(batch * time, width)
        embedded = self.embedding(flat).reshape(batch, time, -1)
        hidden, state = self.lstm(self.dropout(embedded), state)
        return self.dropout(hidden), state

    def logits(self, hidden: Tensor, targets: Tensor) -> dict[int, Tensor]:
        """For each predicted field the logits of its token in the next event, (batch, time, field size).

        `targets` is that next event with its features, as in `inputs`: each field sees only the fields before it, and those
        after the first see the position.
        """
        return {k: self.heads[FIELDS[k]](hidden, targets) for k in self.predicted}

    def nats(self, hidden: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
        """Negative log likelihood of the next events, in nats by event and field, (batch, time, fields).

        Fields that an event does not have count 0: all but the time of END, duration and velocity of a change of metre.
        """
        result = hidden.new_zeros(*targets.shape[:2], len(FIELDS))
        real = said_fields(targets) & mask.unsqueeze(-1)
        for k, logits in self.logits(hidden, targets).items():
            loss = functional.cross_entropy(logits.flatten(0, 1), targets[..., k].flatten(), reduction="none")
            result[..., k] = loss.view_as(mask) * real[..., k]
        return result


def said_fields(events: Tensor) -> Tensor:
    """Which fields each event has, (..., fields): END has only its time, a change of metre, tempo or key no duration."""
    fields = torch.arange(len(FIELDS), device=events.device)
    ended = (events[..., TIME] == END).unsqueeze(-1)
    change = (events[..., KIND] < FIRST_PART).unsqueeze(-1)
    return ~(ended & (fields > TIME)) & ~(change & (fields > KIND + 1))


class _Head(nn.Module):
    """One field: tanh of the state and of what is known of the event already, then logits."""

    offsets: Tensor

    def __init__(self, field: int, vocabulary: Vocabulary, settings: ModelSettings) -> None:
        super().__init__()
        self.field = field
        sizes = [*vocabulary.sizes[:field], feature_sizes(vocabulary)[POSITION]] if field else [1]
        starts = [sum(sizes[:i]) for i in range(len(sizes))]
        self.register_buffer("offsets", torch.tensor(starts), persistent=False)
        self.trunk = nn.Linear(settings.hidden_size, settings.head_size)
        self.known = nn.EmbeddingBag(sum(sizes), settings.head_size, mode="sum")
        self.output = nn.Linear(settings.head_size, vocabulary.sizes[field])
        self.dropout = nn.Dropout(settings.dropout)
        nn.init.normal_(self.known.weight, std=0.1)

    def forward(self, hidden: Tensor, targets: Tensor) -> Tensor:
        inner = self.trunk(hidden)
        if self.field:
            position = targets[..., len(FIELDS) + POSITION].unsqueeze(-1)
            known = torch.cat([targets[..., : self.field], position], dim=-1) + self.offsets
            inner = inner + self.known(known.flatten(0, 1)).view_as(inner)
        return self.output(self.dropout(torch.tanh(inner)))
