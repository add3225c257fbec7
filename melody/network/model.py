"""`MelodyLSTM`: (events, state) -> a state, and from it the probabilities of the next event, field by field.

One step is one event. Its tokens and features are looked up in one table and added up, a stacked LSTM (Hochreiter and
Schmidhuber 1997; forget gate by Gers et al. 2000) carries the state on, and a small head predicts the fields of the next
event in a chain, each given those before it and, from the second field on, what is known of the place where the event will
stand (the conditions of `melody.tokens.features`). A head sees the LSTM's output and its input side by side (a skip
connection, Graves 2013), and what each part plays is predicted by a head of its own. Besides a logit for each token a head
gives one for going on with what is being repeated, added to that of the token that came next there (a pointer, Vinyals et
al. 2015, to where `melody.tokens.matches` points), and the head of the value logits of intervals to the last pitches of the
parts, added to those of the pitches that are so far away: the same in all keys.

A plain `nn.Module`: no Lightning here, and none is needed to use it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from melody.network.settings import ModelSettings
from melody.tokens.features import BEAT, MAX_INTERVAL, METRE_IN_FORCE, POSITION, Voices, feature_sizes, related, told_sizes
from melody.tokens.usage import FIRST_PART
from melody.tokens.vocabulary import END, FIELDS, KIND, TIME, VALUE, Vocabulary

State = tuple[Tensor, Tensor]  # h and c, each (layers, batch, hidden)


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
        place = (len(FIELDS) + POSITION, len(FIELDS) + BEAT, len(FIELDS) + METRE_IN_FORCE)
        self.embedding = _Sum(sum(inputs), settings.embedding_size, settings.feature_dropout, place)
        self.lstm = nn.LSTM(
            settings.embedding_size,
            settings.hidden_size,
            settings.num_layers,
            dropout=settings.dropout if settings.num_layers > 1 else 0.0,
            batch_first=True,
        )
        self.dropout = _LockedDropout(settings.dropout)
        self.heads = nn.ModuleDict({FIELDS[k]: _Head(k, vocabulary, settings) for k in self.predicted})
        self._initialise()

    def _initialise(self) -> None:
        """Orthogonal recurrent weights (Saxe et al. 2014), forget-gate bias 1 (Jozefowicz et al. 2015)."""
        hidden = self.settings.hidden_size
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
        """What the heads see after each event, (batch, time, hidden + embedding), and the state to go on with."""
        inputs = events[..., : len(self.offsets)] + self.offsets
        embedded = self.dropout(self.embedding(inputs.flatten(0, 1)).unflatten(0, events.shape[:2]))
        hidden, state = self._recur(embedded, state)
        return torch.cat([self.dropout(hidden), embedded], dim=-1), state

    def _recur(self, inputs: Tensor, state: State | None) -> tuple[Tensor, State]:
        """The LSTM, in training without some of its recurrent weights."""
        rate = self.settings.weight_dropout
        if not (self.training and rate):
            return self.lstm(inputs, state)
        kept = {name: functional.dropout(p, rate) for name, p in self.lstm.named_parameters() if "weight_hh" in name}
        return torch.func.functional_call(self.lstm, kept, (inputs, state))

    def logits(self, hidden: Tensor, targets: Tensor) -> dict[int, Tensor]:
        """For each predicted field the logits of its token in the next event, (batch, time, field size).

        `targets` are those next events: each field sees only the fields before it, those after the first the conditions.
        """
        # On a processor the products of the heads stay in 32 bits: in 16 each new number of rows costs a kernel made for it.
        with torch.autocast(hidden.device.type, enabled=hidden.is_cuda and torch.is_autocast_enabled("cuda")):
            return {k: self.heads[FIELDS[k]](hidden, targets) for k in self.predicted}

    def nats(self, hidden: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
        """Negative log likelihood of the next events, in nats by event and field, (batch, time, fields).

        Fields that an event does not have (`Vocabulary.said`) count 0. Of 32 bits, whatever the logits are of.
        """
        result = torch.zeros(*targets.shape[:2], len(FIELDS), device=hidden.device)
        real = self._said(targets) & mask.unsqueeze(-1)
        for k, logits in self.logits(hidden, targets).items():
            loss = functional.cross_entropy(logits.flatten(0, 1).float(), targets[..., k].flatten(), reduction="none")
            result[..., k] = loss.view_as(mask) * real[..., k]
        return result

    def _said(self, events: Tensor) -> Tensor:
        """Which fields each event has, (..., fields), as `Vocabulary.said` has it."""
        kind, going = events[..., KIND], events[..., TIME] != END
        legato = self.legato_kinds[kind]
        note = going & (kind >= FIRST_PART) & ~(legato & (events[..., VALUE] == self.rest))
        return torch.stack([torch.ones_like(going), going, going, note & ~legato, note], dim=-1)


def _starts(sizes: Sequence[int]) -> Tensor:
    """Where each one's values begin in a table that holds those of all."""
    return torch.tensor([0, *sizes[:-1]]).cumsum(0) if sizes else torch.zeros(0, dtype=torch.long)


class _Sum(nn.Module):
    """Sum of the embeddings of several things, (rows, things) -> (rows, width), in training without some of them.

    What stands in the columns `always` is never left out: a model that had to do without the place in the bar now and then
    would spread its probability over places where nothing ever begins.
    """

    def __init__(self, number: int, width: int, dropout: float, always: Sequence[int]) -> None:
        super().__init__()
        self._dropout = dropout
        self._always = list(always)
        self.weight = nn.Parameter(torch.empty(number, width).normal_(std=0.1))

    def forward(self, things: Tensor) -> Tensor:
        kept = None
        if self.training and self._dropout:
            kept = functional.dropout(self.weight.new_ones(things.shape), self._dropout)
            kept[:, self._always] = 1
        return functional.embedding_bag(things, self.weight, mode="sum", per_sample_weights=kept)


class _LockedDropout(nn.Module):
    """Dropout of the same cells at each step of a window, (batch, time, cells)."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self._rate = rate

    def forward(self, values: Tensor) -> Tensor:
        if not (self.training and self._rate):
            return values
        return values * functional.dropout(values.new_ones(len(values), 1, values.shape[2]), self._rate)


class _Head(nn.Module):
    """One field: a hidden layer of the state and of what is known of the event already, one more on top, then logits."""

    offsets: Tensor

    def __init__(self, field: int, vocabulary: Vocabulary, settings: ModelSettings) -> None:
        super().__init__()
        self.field = field
        self.voices, self.first_voice = Voices.of(vocabulary, field)
        sizes = told_sizes(vocabulary, field)
        seen, width, size = settings.hidden_size + settings.embedding_size, settings.head_size, vocabulary.sizes[field]
        self.first_condition = len(FIELDS) + len(feature_sizes(vocabulary))
        self.num_known = sum(sizes)
        self.register_buffer("offsets", _starts(sizes), persistent=False)
        self.trunk = nn.Parameter(torch.empty(self.voices, seen, width).uniform_(-1, 1) / seen**0.5)
        self.trunk_bias = nn.Parameter(torch.zeros(self.voices, width))
        said = range(1, len(sizes) if field == TIME else 1 + field + 2)  # the fields before, position and beat
        self.known = _Sum(self.voices * self.num_known, width, settings.feature_dropout, said)
        self.dropout = nn.Dropout(settings.head_dropout)
        self.inner = nn.Linear(width, width)
        self.output = nn.Parameter(torch.empty(self.voices, width, size).uniform_(-1, 1) / width**0.5)
        self.output_bias = nn.Parameter(torch.zeros(self.voices, size))
        self.copy = nn.Parameter(torch.empty(self.voices, width, 1).uniform_(-1, 1) / width**0.5)
        self.copy_bias = nn.Parameter(torch.zeros(self.voices, 1))
        self.first_pitch = vocabulary.first_pitch
        self.related = list(related(vocabulary, settings.intervals)) if field == VALUE else []
        if self.related:
            intervals = torch.empty(self.voices, width, len(self.related) * (2 * MAX_INTERVAL + 1))
            self.interval = nn.Parameter(intervals.uniform_(-1, 1) / width**0.5 / len(self.related))

    def forward(self, hidden: Tensor, targets: Tensor) -> Tensor:
        """Logits, (batch, time, field size); see `MelodyLSTM.logits`."""
        seen, events = hidden.flatten(0, 1).float(), targets.flatten(0, 1)  # (batch x time, ...)
        voice = (events[:, KIND] - FIRST_PART + self.first_voice).clamp(0, self.voices - 1)
        known = self._known(events, voice)
        weights = [self._Voice(*each) for each in zip(*(p.unbind() for p in self._voiced()))]
        if self.voices == 1:
            return self._voice(weights[0], seen, known, events).view(*hidden.shape[:2], -1)
        order = voice.argsort()  # one voice after the other, so that each gets a slice
        counts = voice.bincount(minlength=self.voices).tolist()
        rows = zip(weights, *(each[order].split(counts) for each in (seen, known, events)))
        logits = torch.cat([self._voice(*of_voice) for of_voice in rows])
        return logits[order.argsort()].view(*hidden.shape[:2], -1)

    class _Voice(NamedTuple):
        """The weights of one voice that are its own."""

        trunk: Tensor
        trunk_bias: Tensor
        output: Tensor
        output_bias: Tensor
        copy: Tensor
        copy_bias: Tensor
        interval: Tensor | None = None

    def _voiced(self) -> list[Tensor]:
        """The weights that each voice has of its own, (voices, ...) each, in the order of `_Voice`."""
        weights: list[Tensor] = [self.trunk, self.trunk_bias, self.output, self.output_bias, self.copy, self.copy_bias]
        return weights + ([self.interval] if self.related else [])

    def _known(self, events: Tensor, voice: Tensor) -> Tensor:
        """The sum of what each row's voice learnt of what is known of the event already, (rows, width)."""
        conditions = events[:, self.first_condition :]
        told = conditions[:, len(FIELDS) :][:, : len(self.offsets) - 1 - self.field]
        known = torch.cat([self._repeated(events, conditions), events[:, : self.field], told], dim=1) + self.offsets
        return self.known(known + voice[:, None] * self.num_known)

    def _voice(self, weights: _Voice, seen: Tensor, known: Tensor, events: Tensor) -> Tensor:
        """The logits of one voice, (rows, field size)."""
        conditions = events[:, self.first_condition :]
        repeated = self._repeated(events, conditions)
        inner = torch.tanh(torch.addmm(weights.trunk_bias, seen, weights.trunk) + known)
        inner = self.dropout(inner + torch.tanh(self.inner(self.dropout(inner))))
        logits = torch.addmm(weights.output_bias, inner, weights.output)
        copied = torch.addmm(weights.copy_bias, inner, weights.copy)
        logits = logits.scatter_add(1, (repeated - 1).clamp(min=0), (copied * (repeated > 0)).to(logits.dtype))
        if weights.interval is not None:
            logits = logits + self._by_interval(inner @ weights.interval, conditions)
        return logits

    def _repeated(self, events: Tensor, conditions: Tensor) -> Tensor:
        """This field's token + 1 in the event that is repeated while the fields before are as they were there; (rows, 1)."""
        match = conditions[:, : len(FIELDS)]
        agree = (match[:, : self.field] == events[:, : self.field] + 1).all(dim=1, keepdim=True)
        return match[:, self.field : self.field + 1] * agree

    def _by_interval(self, logits: Tensor, conditions: Tensor) -> Tensor:
        """Logits of intervals to each related pitch as logits of values, (rows, field size)."""
        pitches = conditions[:, self.related, None]  # each + 1, (rows, related, 1)
        count = self.output.shape[2] - self.first_pitch
        interval = torch.arange(1, count + 1, device=logits.device) - pitches  # (rows, related, pitches)
        found = logits.unflatten(1, (len(self.related), -1)).gather(
            2, interval.clamp(-MAX_INTERVAL, MAX_INTERVAL) + MAX_INTERVAL
        )
        return functional.pad((found * (pitches > 0)).sum(dim=1), (self.first_pitch, 0))
