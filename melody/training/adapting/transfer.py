"""Adapting a trained model to other music: its weights carried over to another vocabulary, row by row, by meaning.

Every row of an embedding or an output layer stands for something: a pitch, a part, a time of so many quarter notes, a place
in the bar, the pitch that came eight bars ago. Where the new vocabulary has a row of the same meaning, it gets the old
weights. A row of a new meaning begins as that of the nearest known one of its kind (the next pitch, the next time); a token
twenty times less likely, unless it stands in the place of that one. Where there is none, it begins as nothing. The
recurrent weights and all else stay as they are.

A meaning is a tuple: words that say what kind of thing it is, and at its end, where things of that kind have an order, a
number. A table is what the rows of one layer mean: columns by their names, each a list of meanings, as in
`melody.tokens.inputs.schema`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Hashable, Sequence
from fractions import Fraction
from operator import itemgetter
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from melody.network.bidirectional import NAME
from melody.network.network import MelodyNetwork
from melody.network.settings import Features
from melody.network.voices import Voices, related
from melody.tokens.inputs.future import PLACE, READ
from melody.tokens.inputs.meanings import NONE, TOKENS, Meaning, part_names
from melody.tokens.inputs.schema import (
    CONDITIONS,
    FEATURES,
    INTERVAL,
    Column,
    columns,
    head_columns,
    parts_described,
)
from melody.tokens.vocabulary import FIELDS, VALUE, Vocabulary

Table = dict[Meaning, list[Meaning]]
_BEHIND = {f"{NAME}.future.weight": READ, f"{NAME}.place.weight": PLACE}
_RARER = 3.0  # nats by which a new token begins less likely than the nearest known one, where that one is there, too


class Tables:
    """What the rows of a model's layers mean.

    Parameters
    ----------
    vocabulary
        Of the model.
    features
        Whether it reads any, see `ModelSettings`.

    Attributes
    ----------
    fields, features, conditions
        Tokens by field; the columns of the schema, in their order.
    behind
        What a bidirectional network reads of the music behind a gap, by the name of the layer.
    """

    def __init__(self, vocabulary: Vocabulary, features: Features = "all") -> None:
        self._vocabulary, self._is_plain = vocabulary, features == "none"
        self.fields: Table = {(name,): TOKENS[field].meanings(vocabulary) for field, name in enumerate(FIELDS)}
        self.features = {} if self._is_plain else _table(columns(FEATURES, vocabulary), vocabulary)
        self.conditions = _table(columns(CONDITIONS, vocabulary), vocabulary)
        self.behind: dict[str, Table] = {
            layer: {name: values.meanings(vocabulary) for name, values in read.items()} for layer, read in _BEHIND.items()
        }

    def head(self, field: int) -> Table:
        """What the head of a field reads, as `melody.tokens.inputs.schema.head_sizes` has it."""
        repeated, *others = (column.name for column in head_columns(self._vocabulary, field))
        before: Table = {(name,): self.fields[(name,)] for name in FIELDS[:field]}
        if self._is_plain:
            return {NONE: [NONE], **before}
        conditions = {("condition", *name): self.conditions[name] for name in others}
        return {repeated: self.conditions[repeated], **before, **conditions}

    def related(self, number: int) -> Table:
        """What so many logits of intervals mean: they are to the last pitch of each pitched part, or of the own part."""
        names, own = list(self.conditions), related(self._vocabulary, "own")
        is_own = number == len(own) * len(INTERVAL.meanings(self._vocabulary))
        to = (names[column] for column in (own if is_own else related(self._vocabulary, "parts")))
        return {("interval", *(name[1:] or name)): INTERVAL.meanings(self._vocabulary) for name in to}

    def voices(self, field: int) -> Table:
        """For whom a head has weights of their own, as `melody.tokens.inputs.schema.Voices` has it."""
        parts = part_names(self._vocabulary)[: parts_described(self._vocabulary)] if field == VALUE else []
        others = Voices.of(self._vocabulary, field).number - len(parts)
        return {("voice",): [("changes",)] * others + [("part", *part) for part in parts]}


def _table(found: Sequence[Column], vocabulary: Vocabulary) -> Table:
    """The meanings of columns by their names."""
    return {column.name: column.row.values.meanings(vocabulary) for column in found}


class Known:
    """Meanings that are known, in their order, among which the nearest to any other is found, however many they are."""

    def __init__(self, known: Sequence[Meaning]) -> None:
        self._known = set(known)
        self._alike: dict[tuple[int, Hashable], list[tuple[Fraction, Meaning]]] = {}
        self._lines: dict[Meaning, list[tuple[Fraction, Meaning]]] = {}  # those that differ in their number alone
        for meaning in known:
            number = _number(meaning)
            if number is not None:
                self._alike.setdefault((len(meaning), meaning[0]), []).append((number, meaning))
                self._lines.setdefault(meaning[:-1], []).append((number, meaning))
        for line in self._lines.values():
            line.sort(key=itemgetter(0))

    def nearest(self, meaning: Meaning) -> Meaning | None:
        """The same one if it is known; else of its kind the one that has most in common and is next; None if none is."""
        if meaning in self._known:
            return meaning
        wanted = _number(meaning)
        if wanted is None:
            return None
        line = self._lines.get(meaning[:-1])
        if line:
            place = bisect_left(line, wanted, key=itemgetter(0))
            return min(line[max(place - 1, 0) : place + 1], key=lambda entry: abs(entry[0] - wanted))[1]
        alike = self._alike.get((len(meaning), meaning[0]), [])
        ranked = ((_differing(other, meaning), abs(number - wanted), other) for number, other in alike)
        return min(ranked, key=lambda entry: entry[:2], default=(0, 0, None))[2]


def nearest(meaning: Meaning, known: Sequence[Meaning]) -> Meaning | None:
    """The same one among those that are known; else of the same kind the one that has most in common and is next."""
    return Known(known).nearest(meaning)


def _number(meaning: Meaning) -> Fraction | None:
    return Fraction(meaning[-1]) if isinstance(meaning[-1], (int, Fraction)) else None


def _differing(one: Meaning, other: Meaning) -> int:
    return sum(a != b for a, b in zip(one[:-1], other[:-1]))


def carried(old: MelodyNetwork, old_vocabulary: Vocabulary, new: MelodyNetwork, vocabulary: Vocabulary) -> str:
    """Carry the weights of a trained model over to a new one of the same shape, in place; gives a sentence on how it went.

    Parameters
    ----------
    old, old_vocabulary
        The trained model and its vocabulary.
    new, vocabulary
        A model with fresh weights and its vocabulary.
    """
    before, after = Tables(old_vocabulary, old.settings.features), Tables(vocabulary, new.settings.features)
    weights = old.state_dict()
    with torch.no_grad():
        for name, fresh in new.state_dict().items():
            if name in weights:
                _carry(name, weights[name], fresh, _axes(name, weights[name], fresh, before, after))
        _carry_beginning(old, new)
    return _summary(before.fields, after.fields)


class Rows(NamedTuple):
    """Where the rows of an axis come from: `to[i]` from `source[i]`, the same meaning if `same[i]`, else the nearest."""

    to: list[int]
    source: list[int]
    same: list[bool]

    def times(self, other: Rows, old_size: int, size: int) -> Rows:
        """The rows of a table that repeats `other`, of these sizes, for each of these."""
        pairs = [(a, b) for a in zip(*self) for b in zip(*other)]
        return Rows(
            [a[0] * size + b[0] for a, b in pairs],
            [a[1] * old_size + b[1] for a, b in pairs],
            [a[2] and b[2] for a, b in pairs],
        )


def _axes(name: str, old: Tensor, weights: Tensor, before: Tables, after: Tables) -> dict[int, Rows]:
    """Of the axes of a layer's weights that have a meaning, where their rows come from."""
    if name == "embedding.weight":
        return {0: _matched(before.fields | before.features, after.fields | after.features)}
    if name in _BEHIND:
        return {0: _matched(before.behind[name], after.behind[name])}
    if not name.startswith("heads."):
        return {}
    _, field, layer = name.split(".", 2)
    number, last = FIELDS.index(field), weights.ndim - 1
    voices = _matched(before.voices(number), after.voices(number))
    if layer == "known.weight":
        old_table, table = before.head(number), after.head(number)
        return {0: voices.times(_matched(old_table, table), _height(old_table), _height(table))}
    if layer in ("output", "output_bias"):
        return {0: voices, last: _matched({(field,): before.fields[(field,)]}, {(field,): after.fields[(field,)]})}
    if layer == "interval":
        return {0: voices, last: _matched(before.related(old.shape[last]), after.related(weights.shape[last]))}
    is_of_voices = layer in ("trunk", "trunk_bias", "copy", "copy_bias", "relation", "degree", "sounding", "plays")
    return {0: voices} if is_of_voices else {}


def _carry(name: str, old: Tensor, new: Tensor, axes: dict[int, Rows]) -> None:
    """Copy what has a source; of an embedding, which adds up, what has none begins as nothing."""
    others = [axis for axis in range(new.ndim) if axis not in axes]
    if old.ndim != new.ndim or any(old.shape[axis] != new.shape[axis] for axis in others):
        return
    if name.endswith(("embedding.weight", "known.weight", *_BEHIND)) and axes:
        new.zero_()
    everything = [list(range(size)) for size in new.shape]
    to = [axes[axis].to if axis in axes else everything[axis] for axis in range(new.ndim)]
    source = [axes[axis].source if axis in axes else everything[axis] for axis in range(new.ndim)]
    new[np.ix_(*to)] = old[np.ix_(*source)]
    if name.endswith("output_bias"):
        rows = axes[new.ndim - 1]
        many = Counter(rows.source)
        rarer = [row for row, source, same in zip(*rows) if not same and many[source] > 1]
        new[..., rarer] -= _RARER


def _carry_beginning(old: MelodyNetwork, new: MelodyNetwork) -> None:
    """Let what is read before the first event be as it was: the sum of all first rows, whatever they mean now.

    The row that makes it so is that of the end of a piece, which no event after it ever reads.
    """
    before, after = (model.embedding.weight[model.offsets].sum(dim=0) for model in (old, new))
    new.embedding.weight[0] += before - after


def _matched(before: Table, after: Table) -> Rows:
    """Where each row of a table comes from: columns of the same meaning first, then the nearest of those left."""
    starts, start = {}, 0
    for column, meanings in before.items():
        starts[column] = start
        start += len(meanings)
    left = [column for column in before if column not in after]
    rows, start = Rows([], [], []), 0
    for column, meanings in after.items():
        source = column if column in before else nearest(column, left)
        if source is not None:
            if source in left:
                left.remove(source)
            known = {meaning: starts[source] + i for i, meaning in enumerate(before[source])}
            others = Known(list(known))
            for i, meaning in enumerate(meanings):
                near = others.nearest(meaning)
                if near is not None:
                    rows.to.append(start + i)
                    rows.source.append(known[near])
                    rows.same.append(near == meaning and source == column)
        start += len(meanings)
    return rows


def _height(table: Table) -> int:
    return sum(map(len, table.values()))


def _summary(before: Table, after: Table) -> str:
    """How many tokens of the new vocabulary the old one has, in a sentence."""
    tokens = [(column, meaning) for column, meanings in after.items() for meaning in meanings]
    known = {column: Known(meanings) for column, meanings in before.items()}
    found = {(column, meaning): known[column].nearest(meaning) for column, meaning in tokens}
    new = [(column, meaning) for column, meaning in tokens if found[column, meaning] != meaning]
    if not new:
        return f"all {len(tokens):,} tokens of this music are known to the model it starts from"
    named = ", ".join(_named(meaning) for _, meaning in new[:4]) + (", ..." if len(new) > 4 else "")
    lost = sum(found[each] is None for each in new)
    fresh = f", {lost:,} from nothing" if lost else ""
    return (
        f"{len(tokens) - len(new):,} of {len(tokens):,} tokens are known to the model it starts from; {len(new) - lost:,} "
        f"begin as the nearest that it knows{fresh} ({named})"
    )


def _named(meaning: Meaning) -> str:
    kind, *rest = meaning
    if kind == "metre" and len(rest) == 2:
        return f"{rest[1]}/{rest[0]}"
    if kind == "part":
        return "a drum kit" if rest[0] else f"program {rest[2]}"
    if kind == "time":
        return f"{rest[0]} of a quarter"
    return " ".join(map(str, meaning))
