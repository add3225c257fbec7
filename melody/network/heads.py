"""The heads in torch: the fields of the next event in a chain, each given those before it and the conditions.

The conditions (see `melody.tokens.inputs.features`) are what is known, from its second field on, of the place where the
event will stand. What each part plays is predicted by a head of its own, a voice. Besides a logit for each token a head
gives one for going on with what is being repeated, added to that of the token that came next there (a pointer, Vinyals et
al. 2015, to where `melody.tokens.inputs.matches` points), and the head of the value logits of intervals to the last pitches
of the parts, added to those of the pitches that are so far away: the same in all keys; and values of what a pitch would make
with the lines above it (`melody.network.relations`).

The first layer of a head, as far as it depends on the state alone, is called its trunk: an engine computes it once an event,
whatever is tried for the fields.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from melody.network.embedding_sums import starts
from melody.network.relations import RELATIONS, Where, code, relates, table
from melody.network.settings import ModelSettings, known_sizes
from melody.network.voices import BITS, CIRCLE, DEGREES, OCTAVE, STATES, Sounding, Voices, above, degree, of_parts, related
from melody.tokens.inputs.schema import APART, GROUP, MAX_INTERVAL, STATE_BITS, feature_sizes
from melody.tokens.usage import FIRST_PART
from melody.tokens.vocabulary import FIELDS, KIND, TIME, VALUE, Vocabulary


class EmbeddingSum(nn.Module):
    """Sum of the embeddings of several things, (rows, things) -> (rows, width), in training without some of them.

    Parameters
    ----------
    number, width
        Of embeddings.
    dropout
        Share of the things that is left out in training.
    always
        Columns that never are: a model that had to do without the place in the bar now and then would spread its probability
        over places where nothing ever begins.
    """

    def __init__(self, number: int, width: int, dropout: float, always: Sequence[int]) -> None:
        super().__init__()
        self._dropout = dropout
        self._always = list(always)
        self.weight = nn.Parameter(torch.empty(number, width).normal_(std=0.1))

    def forward(self, things: Tensor) -> Tensor:
        """Sums of the rows that `things` names, (events, rows) -> (events, width)."""
        kept = None
        if self.training and self._dropout:
            kept = functional.dropout(self.weight.new_ones(things.shape), self._dropout)
            kept[:, self._always] = 1
        return functional.embedding_bag(things, self.weight, mode="sum", per_sample_weights=kept)


class Head(nn.Module):
    """One field: a hidden layer of the state and of the conditions, one more on top, then logits.

    Parameters
    ----------
    field
        Which one.
    vocabulary, settings
        Of the model.
    """

    offsets: Tensor
    leading: Tensor
    dominant: Tensor
    table: Tensor
    pitches: Tensor
    bits: Tensor
    circle: Tensor
    digits: Tensor

    def __init__(self, field: int, vocabulary: Vocabulary, settings: ModelSettings) -> None:
        super().__init__()
        self.field = field
        self.voices, self.first_voice = Voices.of(vocabulary, field)
        sizes = known_sizes(vocabulary, settings.features, field)
        self.is_plain = settings.features == "none"
        seen, width, size = settings.hidden_size + settings.embedding_size, settings.head_size, vocabulary.sizes[field]
        self.first_condition = len(FIELDS) + len(feature_sizes(vocabulary))
        self.num_known = sum(sizes)
        self.register_buffer("offsets", torch.from_numpy(starts(sizes)), persistent=False)
        self.trunk = nn.Parameter(torch.empty(self.voices, seen, width).uniform_(-1, 1) / seen**0.5)
        self.trunk_bias = nn.Parameter(torch.zeros(self.voices, width))
        always = range(1, len(sizes) if field == TIME else min(1 + field + 2, len(sizes)))  # fields before, position, beat
        self.known = EmbeddingSum(self.voices * self.num_known, width, settings.feature_dropout, always)
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
        self.above = list(above(vocabulary, settings.intervals).values()) if field == VALUE else []
        self.sounds = Sounding.of(vocabulary, settings.intervals) if field == VALUE else None
        if self.sounds:
            self.sounding = nn.Parameter(torch.empty(self.voices, width, OCTAVE).uniform_(-1, 1) / width**0.5)
            self.register_buffer("bits", torch.from_numpy(BITS), persistent=False)
            self.register_buffer("circle", torch.from_numpy(CIRCLE), persistent=False)
        self.players = [list(each) for each in of_parts(vocabulary, settings.features)] if field == KIND else []
        if self.players:
            plays = torch.empty(self.voices, width, len(self.players) * STATES)
            self.plays = nn.Parameter(plays.uniform_(-1, 1) / width**0.5)
            self.register_buffer("digits", STATE_BITS * torch.arange(GROUP), persistent=False)
        if self.above:
            degrees = torch.empty(self.voices, width, len(self.above) * DEGREES)
            self.degree = nn.Parameter(degrees.uniform_(-1, 1) / width**0.5 / len(self.above))
            pitches = torch.arange(vocabulary.pitches[0], vocabulary.pitches[1] + 1)
            self.register_buffer("pitches", pitches, persistent=False)
        self.relates = settings.relations and field == VALUE and relates(vocabulary)
        if self.relates:
            self.where = Where.of(vocabulary)
            self.register_buffer("leading", torch.from_numpy(self.where.leading), persistent=False)
            self.register_buffer("dominant", torch.from_numpy(self.where.dominant), persistent=False)
            self.register_buffer("table", torch.from_numpy(table(vocabulary)).float(), persistent=False)
            self.relation = nn.Parameter(torch.zeros(self.voices, len(RELATIONS)))

    def forward(self, hidden: Tensor, targets: Tensor) -> Tensor:
        """Logits, (batch, time, field size); see `MelodyNetwork.logits`."""
        seen, events = hidden.flatten(0, 1).float(), targets.flatten(0, 1)  # (batch x time, ...)
        voice = (events[:, KIND] - FIRST_PART + self.first_voice).clamp(0, self.voices - 1)
        known = self._embedded(events, voice)
        weights = [self._Voice(*each) for each in zip(*(p.unbind() for p in self._voiced()))]
        if self.voices == 1:
            return self._voice(weights[0], seen, known, events).view(*hidden.shape[:2], -1)  # no relations: no lines
        order = voice.argsort()  # one voice after the other, so that each gets a slice
        counts = voice.bincount(minlength=self.voices).tolist()
        rows = zip(weights, *(torch.split(each[order], counts) for each in (seen, known, events)))
        logits = torch.cat([self._voice(*of_voice) for of_voice in rows])[order.argsort()]
        if self.relates:
            logits = logits + self._by_relation(events, voice)
        return logits.view(*hidden.shape[:2], -1)

    class _Voice(NamedTuple):
        """The weights of one voice that are its own."""

        trunk: Tensor
        trunk_bias: Tensor
        output: Tensor
        output_bias: Tensor
        copy: Tensor
        copy_bias: Tensor
        interval: Tensor | None = None
        degree: Tensor | None = None
        sounding: Tensor | None = None

    def _voiced(self) -> list[Tensor]:
        """The weights that each voice has of its own, (voices, ...) each, in the order of `_Voice`."""
        weights: list[Tensor] = [self.trunk, self.trunk_bias, self.output, self.output_bias, self.copy, self.copy_bias]
        more = ([self.interval] if self.related else []) + ([self.degree] if self.above else [])
        return weights + more + ([self.sounding] if self.sounds else [])

    def _embedded(self, events: Tensor, voice: Tensor) -> Tensor:
        """The sum of the voice's embeddings of the conditions and of the fields before this one, (rows, width)."""
        conditions = events[:, self.first_condition :]
        place = conditions[:, len(FIELDS) :][:, : len(self.offsets) - 1 - self.field]
        known = torch.cat([self._repeated(events, conditions), events[:, : self.field], place], dim=1) + self.offsets
        summed: Tensor = self.known(known + voice[:, None] * self.num_known)
        return summed

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
        if weights.degree is not None:
            logits = logits + self._by_degree(inner @ weights.degree, conditions)
        if weights.sounding is not None and self.sounds is not None:
            logits = logits + self._by_sounding(inner @ weights.sounding, conditions, self.sounds)
        if self.players:
            logits = logits + self._by_state(inner @ self.plays[0], conditions)
        return logits

    def _by_relation(self, events: Tensor, voice: Tensor) -> Tensor:
        """What the relations to the lines that sound add to the logits of values, (rows, field size)."""
        conditions = events[:, self.first_condition :]
        pitch, way = conditions[:, self.where.pitch], conditions[:, self.where.against]
        key = conditions[:, self.where.key, None]
        is_dominant = ((way == APART) | (self.dominant[key, pitch] > 0)).all(dim=1, keepdim=True)
        codes = code(pitch, way, self.leading[key, pitch] * is_dominant) * (way != APART)
        weighed = torch.einsum("vr,crp->vcp", self.relation, self.table)
        added = functional.embedding_bag(codes + voice[:, None] * len(self.table), weighed.flatten(0, 1), mode="sum")
        return functional.pad(added, (self.first_pitch, 0))

    def _repeated(self, events: Tensor, conditions: Tensor) -> Tensor:
        """The field's token + 1 in the event that is repeated while the fields before are as they were there; (rows, 1)."""
        match = conditions[:, : len(FIELDS)] * (not self.is_plain)
        agree = (match[:, : self.field] == events[:, : self.field] + 1).all(dim=1, keepdim=True)
        return match[:, self.field : self.field + 1] * agree

    def _by_interval(self, logits: Tensor, conditions: Tensor) -> Tensor:
        """Logits of intervals to each related pitch as logits of values, (rows, field size)."""
        pitches = conditions[:, self.related, None]  # each + 1, (rows, related, 1)
        count = self.output.shape[2] - self.first_pitch
        interval = torch.arange(1, count + 1, device=logits.device) - pitches  # (rows, related, pitches)
        found = torch.unflatten(logits, 1, (len(self.related), -1)).gather(
            2, interval.clamp(-MAX_INTERVAL, MAX_INTERVAL) + MAX_INTERVAL
        )
        return functional.pad((found * (pitches > 0)).sum(dim=1), (self.first_pitch, 0))

    def _by_degree(self, logits: Tensor, conditions: Tensor) -> Tensor:
        """Logits of degrees above each key or chord as logits of values, (rows, field size)."""
        keys = conditions[:, self.above, None]  # (rows, above, 1)
        found = torch.unflatten(logits, 1, (len(self.above), -1)).gather(2, degree(keys, self.pitches))
        return functional.pad((found * (keys > 0)).sum(dim=1), (self.first_pitch, 0))

    def _by_state(self, logits: Tensor, conditions: Tensor) -> Tensor:
        """Logits of what parts may do, and of how they stand, as logits of kinds, (rows, field size)."""
        states = ((conditions[:, self.players, None] >> self.digits) & STATES).flatten(2)  # (rows, of both, parts and more)
        by_state = functional.pad(torch.unflatten(logits, 1, (len(self.players), STATES)), (1, 0))
        found = by_state.gather(2, states[..., : self.output.shape[2] - FIRST_PART]).sum(dim=1)
        return functional.pad(found, (FIRST_PART, 0))

    def _by_sounding(self, logits: Tensor, conditions: Tensor, sounds: Sounding) -> Tensor:
        """Logits of intervals, in any octave, to the tones that sound, as logits of values, (rows, field size)."""
        tones = self.bits[conditions[:, sounds.columns]].flatten(1)  # above the part's last note, (rows, 12)
        added = torch.einsum("rti,ri->rt", tones[:, self.circle], logits)
        pitch = (torch.arange(1, 1 + len(self.pitches), device=logits.device) - conditions[:, sounds.own, None]) % OCTAVE
        return functional.pad(added.gather(1, pitch), (self.first_pitch, 0))
