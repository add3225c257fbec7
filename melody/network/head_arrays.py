"""The heads in NumPy: logits of the next event's fields, each given those before it.

One stream goes a way of its own, to the same numbers: its tokens are handled in Python, where each call of NumPy that only
moves a few numbers would take as long as one of the products.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from melody.network.embedding_sums import starts, sums
from melody.network.relations import Where, weighed
from melody.network.settings import features_of, known_sizes
from melody.network.state import Floats
from melody.network.voices import BITS, CIRCLE, DEGREES, OCTAVE, STATES, Sounding, Voices, above, degree, of_parts, related
from melody.tokens.inputs.schema import GROUP, MAX_INTERVAL, STATE_BITS
from melody.tokens.usage import FIRST_PART
from melody.tokens.vocabulary import FIELDS, KIND, VALUE, Vocabulary

_DIGITS = STATE_BITS * np.arange(GROUP)


class Heads:
    """The weights of all heads.

    Parameters
    ----------
    vocabulary
        Of the events.
    weights
        The parameters of a `MelodyNetwork` under their names there.
    """

    def __init__(self, vocabulary: Vocabulary, weights: Mapping[str, Floats]) -> None:
        self.predicted = [k for k, size in enumerate(vocabulary.sizes) if size > 1]
        self._heads: dict[int, _Head] = {}
        first = 0
        for k in self.predicted:
            self._heads[k] = _Head(k, vocabulary, weights, first)
            first = self._heads[k].last
        trunks = [weights[f"heads.{FIELDS[k]}.trunk"] for k in self.predicted]  # (voices, seen, head size)
        self._trunk = np.concatenate([voice for trunk in trunks for voice in trunk], axis=1)
        self._trunk_bias = np.concatenate([weights[f"heads.{FIELDS[k]}.trunk_bias"].ravel() for k in self.predicted])

    def head_layers(self, hidden: Floats) -> Floats:
        """The first layer of all heads, (streams, heads x head size), from what a step gives; computed once a step."""
        trunks: Floats = (self._trunk.T @ hidden.T).T + self._trunk_bias
        return trunks

    def logits(self, field: int, trunks: Floats, event: NDArray[np.int64], conditions: NDArray[np.int64]) -> Floats:
        """Logits of one field of the next event, given its fields before and its conditions.

        Parameters
        ----------
        field
            Which one.
        trunks
            See `head_layers`.
        event
            The next event's tokens, (streams, fields), of which only those before `field` are looked at.
        conditions
            (streams, conditions), of which the time sees the match alone, and the kind not those of the part.

        Returns
        -------
        logits
            (streams, field size).
        """
        head = self._heads[field]
        if len(trunks) == 1:
            return head.logits_of_one(trunks[0], event[0].tolist(), conditions[0].tolist())
        if head.voices == 1:
            return head.logits(0, trunks, event, conditions)
        voice = np.minimum(np.maximum(event[:, KIND] - FIRST_PART + head.first_voice, 0), head.voices - 1)
        numbers = set(voice.tolist())
        if len(numbers) == 1:
            return head.logits(numbers.pop(), trunks, event, conditions)
        logits = np.empty((len(trunks), head.size), np.float32)
        for number in numbers:
            own = np.flatnonzero(voice == number)
            logits[own] = head.logits(number, trunks[own], event[own], conditions[own])
        return logits


class _Head:
    """One field: one voice or several."""

    def __init__(self, field: int, vocabulary: Vocabulary, weights: Mapping[str, Floats], first: int) -> None:
        name = f"heads.{FIELDS[field]}"
        output, bias = (
            [weights[f"{name}.output"], weights[f"{name}.copy"]],
            [weights[f"{name}.{b}_bias"] for b in ("output", "copy")],
        )
        self._first_pitch, self._related = vocabulary.first_pitch, related_of(vocabulary, weights) if field == VALUE else ()
        if self._related:  # and a column of zeros, for those of no pitch
            output += [weights[f"{name}.interval"], np.zeros_like(output[1])]
            bias.append(np.zeros((len(output[0]), output[2].shape[2] + 1), np.float32))
            self._intervals = _interval_columns(vocabulary.num_pitches, len(self._related)) + output[0].shape[2] + 1
        harmony = above(vocabulary, "own") if f"{name}.degree" in weights else {}
        self._above = tuple(harmony.values())
        if self._above:  # and a column of zeros, for no key
            first_degree = sum(block.shape[2] for block in output)
            output += [weights[f"{name}.degree"], np.zeros_like(output[1])]
            bias.append(np.zeros((len(output[0]), output[-2].shape[2] + 1), np.float32))
            self._degrees = _degree_columns(vocabulary, len(self._above)) + first_degree
        self._sounds = Sounding.of(vocabulary, "own") if f"{name}.sounding" in weights else None
        if self._sounds:
            first_tone = sum(block.shape[2] for block in output)
            self._sounding = slice(first_tone, first_tone + OCTAVE)
            self._pitches = np.arange(1, 1 + vocabulary.num_pitches)
            output.append(weights[f"{name}.sounding"])
            bias.append(np.zeros((len(output[0]), OCTAVE), np.float32))
        self._players = [list(each) for each in of_parts(vocabulary, "all")] if f"{name}.plays" in weights else []
        if self._players:
            first_state, states = sum(block.shape[2] for block in output), len(self._players) * STATES
            self._states = slice(first_state, first_state + states)
            output.append(weights[f"{name}.plays"])
            bias.append(np.zeros((len(output[0]), states), np.float32))
        relation = weights.get(f"{name}.relation")
        self._where = None if relation is None else Where.of(vocabulary)
        self._relation = None if relation is None else weighed(vocabulary, relation)  # (voices, codes, pitches)
        self._output = np.concatenate(output, axis=2)  # (voices, head size, field size + 1 + intervals)
        self._output_bias = np.concatenate(bias, axis=1)
        self.voices, self._width, self.size = weights[f"{name}.output"].shape
        self.first_voice = Voices.of(vocabulary, field).first
        self._field, self._first, self.last = field, first, first + self.voices * self._width  # columns of the trunks
        features = features_of(vocabulary, weights)
        sizes, self._is_plain = known_sizes(vocabulary, features, field), features == "none"
        self._place = slice(len(FIELDS), len(FIELDS) + len(sizes) - 1 - field)  # of the conditions
        self._ones = np.ones(len(sizes), np.float32)
        self._offsets = [starts(sizes) + voice * sum(sizes) for voice in range(self.voices)]
        self._known = weights[f"{name}.known.weight"]
        self._inner = np.ascontiguousarray(weights[f"{name}.inner.weight"].T)
        self._inner_bias = weights[f"{name}.inner.bias"]

    def logits(self, voice: int, trunks: Floats, event: NDArray[np.int64], conditions: NDArray[np.int64]) -> Floats:
        """The logits of one voice, (streams, field size)."""
        start = self._first + voice * self._width
        repeated = self._repeated(event, conditions)
        known = np.concatenate([repeated[:, None], event[:, : self._field], conditions[:, self._place]], axis=1)
        inner = trunks[:, start : start + self._width] + sums(self._known, known + self._offsets[voice])
        inner = np.tanh(inner)
        inner += np.tanh(inner @ self._inner + self._inner_bias)
        outputs = inner @ self._output[voice]
        outputs += self._output_bias[voice]
        logits = np.ascontiguousarray(outputs[:, : self.size])
        again = repeated.nonzero()[0]
        if len(again):
            logits[again, repeated[again] - 1] += outputs[again, self.size]
        number = np.arange(len(outputs))[:, None]
        for columns, column in zip(self._intervals if self._related else (), self._related):
            logits[:, self._first_pitch :] += outputs[number, columns[conditions[:, column]]]
        for columns, column in zip(self._degrees if self._above else (), self._above):
            logits[:, self._first_pitch :] += outputs[number, columns[conditions[:, column]]]
        if self._sounds:
            tones = BITS[conditions[:, self._sounds.columns]].reshape(len(outputs), OCTAVE)
            added = np.einsum("rti,ri->rt", tones[:, CIRCLE], outputs[:, self._sounding])
            logits[:, self._first_pitch :] += added[number, (self._pitches - conditions[:, self._sounds.own, None]) % OCTAVE]
        if self._players:
            rows = len(outputs)
            states = ((conditions[:, self._players, None] >> _DIGITS) & STATES).reshape(rows, len(self._players), -1)
            of_state = np.pad(outputs[:, self._states].reshape(rows, len(self._players), -1), ((0, 0), (0, 0), (1, 0)))
            for each in range(len(self._players)):
                logits[:, FIRST_PART:] += of_state[number, each, states[:, each, : self.size - FIRST_PART]]
        if self._where is not None and self._relation is not None:
            logits[:, self._first_pitch :] += sums(self._relation[voice], self._where.codes(conditions))
        return logits

    def logits_of_one(self, trunks: Floats, event: Sequence[int], conditions: Sequence[int]) -> Floats:
        """The same for one stream, (1, field size), from (heads x head size,), (fields,) and (conditions,)."""
        voice = min(max(event[KIND] - FIRST_PART + self.first_voice, 0), self.voices - 1) if self.voices > 1 else 0
        agree = all(conditions[k] == event[k] + 1 for k in range(self._field))
        repeated = conditions[self._field] if agree and not self._is_plain else 0
        rows = np.array([repeated, *event[: self._field], *conditions[self._place]]) + self._offsets[voice]
        start = self._first + voice * self._width
        inner = self._ones @ self._known.take(rows, axis=0)
        inner += trunks[start : start + self._width]
        np.tanh(inner, out=inner)
        more = inner @ self._inner
        more += self._inner_bias
        inner += np.tanh(more, out=more)
        outputs = inner @ self._output[voice]
        outputs += self._output_bias[voice]
        logits = outputs[: self.size].copy()
        if repeated:
            logits[repeated - 1] += outputs[self.size]
        pitches = logits[self._first_pitch :]
        for columns, column in zip(self._intervals if self._related else (), self._related):
            pitches += outputs.take(columns[conditions[column]])
        for columns, column in zip(self._degrees if self._above else (), self._above):
            pitches += outputs.take(columns[conditions[column]])
        if self._sounds and any(conditions[self._sounds.columns]):
            added = BITS[conditions[self._sounds.columns]].ravel()[CIRCLE] @ outputs[self._sounding]
            pitches += added[(self._pitches - conditions[self._sounds.own]) % OCTAVE]
        if self._players:
            read = np.array([conditions[columns[0] : columns[-1] + 1] for columns in self._players])
            states = ((read[..., None] >> _DIGITS) & STATES).reshape(len(read), -1)[:, : self.size - FIRST_PART]
            of_state = outputs[self._states].reshape(len(read), -1)
            for given, each in zip(of_state, states):
                logits[FIRST_PART:] += np.append(np.float32(0), given)[each]
        if self._where is not None and self._relation is not None:
            for against in self._where.codes_of_one(conditions):
                pitches += self._relation[voice, against]
        of_one: Floats = logits[None]
        return of_one

    def _repeated(self, event: NDArray[np.int64], conditions: NDArray[np.int64]) -> NDArray[np.int64]:
        """The field's token + 1 in the event that is repeated, as long as the fields before are as they were there; 0."""
        token: NDArray[np.int64] = conditions[:, self._field] * (not self._is_plain)
        if not self._field:
            return token
        repeated: NDArray[np.int64] = token * (conditions[:, : self._field] == event[:, : self._field] + 1).all(axis=1)
        return repeated


def _interval_columns(pitches: int, related: int) -> NDArray[np.int64]:
    """For each pitch of a related part the columns of the intervals to all pitches, (related, 1 + pitches, pitches).

    The first row is of no pitch yet: it names the column of zeros behind all others.
    """
    pitch, number = np.arange(1 + pitches)[:, None], np.arange(1, pitches + 1)
    width = 2 * MAX_INTERVAL + 1
    interval = np.clip(number - pitch, -MAX_INTERVAL, MAX_INTERVAL) + MAX_INTERVAL
    first = width * np.arange(related)[:, None, None]
    return np.where(pitch > 0, first + interval, width * related)


def _degree_columns(vocabulary: Vocabulary, number: int) -> NDArray[np.int64]:
    """For each key or chord the columns of the degrees that the pitches have above it, (number, 1 + keys, pitches).

    The first row is of no key: it names the column of zeros behind all others.
    """
    keys, pitches = np.arange(1 + DEGREES)[:, None], np.arange(vocabulary.pitches[0], vocabulary.pitches[1] + 1)
    first = DEGREES * np.arange(number)[:, None, None]
    return np.where(keys > 0, first + degree(keys, pitches), DEGREES * number)


def related_of(vocabulary: Vocabulary, weights: Mapping[str, Floats]) -> tuple[int, ...]:
    """To which pitches the head of the value predicts intervals, see `related` of the schema, by its weights."""
    interval = weights.get("heads.value.interval")
    if interval is None:
        return ()
    own = related(vocabulary, "own")
    return own if interval.shape[2] == len(own) * (2 * MAX_INTERVAL + 1) else related(vocabulary, "parts")
