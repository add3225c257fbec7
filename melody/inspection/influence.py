"""From which past notes a note was predicted: each is given another pitch, and the tune is read again.

This is occlusion, not a gradient (the difference of predictions of Robnik-Sikonja and Kononenko 2008, of Zintgraf et al.
2017, with one replacement). A past note gets the pitch that the model held for the likeliest beside the true one, so that
the tune stays music of the kind; all that the model reads of the past, look-backs and matches too, is worked out of the
altered tune. A gradient would follow the state alone, and a model that repeats eight bars would seem to look at nothing. It
works for every cell, as it only asks what the model expects.

The influence of note i on note j is how many nats more note j costs with note i altered: above 0, note i spoke for note j.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from melody.inspection.predicted import Doubles, Reading
from melody.network.state import State
from melody.piece import Ints
from melody.sampling.decoder import Step
from melody.sampling.loaded import Source
from melody.tokens.inputs.context import Contexts
from melody.tokens.inputs.features import before_first
from melody.tokens.vocabulary import FIELDS, VALUE, Rows

REACH = 256  # events after a note on which its influence is measured
_TOGETHER = 64  # notes that are altered side by side


class Influence(NamedTuple):
    """What altering each note does.

    Parameters
    ----------
    pitch
        What each note was altered to, (notes,); -1 where there is no other pitch.
    own
        Nats that the altered note costs less than the true one, (notes,).
    later
        Nats that each event costs more when note i is altered, (notes, events); 0 up to the note, and beyond reach.
    """

    pitch: Ints
    own: Doubles
    later: Doubles

    def between(self, notes: Ints) -> Doubles:
        """Of each note on each, (notes, notes)."""
        return np.asarray(self.later[:, notes])


class _Streams(NamedTuple):
    """Copies of the tune that are read side by side, before the same event."""

    contexts: Contexts
    state: State
    inputs: Ints

    def copies(self, count: int) -> _Streams:
        """So many of the one that there is, independent of it."""
        same = np.zeros(count, np.int64)
        return _Streams(self.contexts.take(same), self.state.take(same), self.inputs[same])


def influence(source: Source, reading: Reading, reach: int = REACH) -> Influence:
    """Alter each note of a tune in turn, and read on for so many events.

    Parameters
    ----------
    source
        The model.
    reading
        What it made of the tune.
    reach
        How many events, 1 or more: the work grows with it.
    """
    notes, rows = reading.notes, reading.rows
    other = _other_pitches(reading)
    own, later = np.zeros(len(notes)), np.zeros((len(notes), len(rows)))
    alone = _beginning(source)
    at = 0
    for first in range(0, len(notes), _TOGETHER):
        some = np.arange(first, min(first + _TOGETHER, len(notes)))
        while at < notes[some[0]]:
            alone, _ = _advance(source, alone, rows[at : at + 1])
            at += 1
        streams = alone.copies(len(some))
        for event in range(at, min(int(notes[some[-1]]) + reach + 1, len(rows))):
            given = np.tile(rows[event], (len(some), 1))
            altered = (notes[some] == event) & (other[some] >= 0)
            given[altered, VALUE] = other[some[altered]]
            streams, nats = _advance(source, streams, given)
            more = nats - reading.nats[event].sum()
            own[some[altered]] = -more[altered]
            reached = (notes[some] < event) & (event <= notes[some] + reach) & (other[some] >= 0)
            later[some[reached], event] = more[reached]
    return Influence(
        np.where(other < 0, -1, other - reading.vocabulary.first_pitch + reading.vocabulary.pitches[0]), own, later
    )


def _other_pitches(reading: Reading) -> Ints:
    """Of each note the token of the likeliest other pitch; -1 where the model knows none."""
    if VALUE not in reading.expected:
        return np.full(len(reading.notes), -1)
    tokens = reading.expected[VALUE].tokens
    legal = (tokens >= reading.vocabulary.first_pitch) & (tokens != reading.rows[reading.notes, VALUE][:, None])
    first = legal.argmax(axis=1)
    return np.where(legal.any(axis=1), tokens[np.arange(len(tokens)), first], -1)


def _beginning(source: Source) -> _Streams:
    inputs = np.concatenate([np.zeros(len(FIELDS), np.int64), before_first(source.vocabulary, None)])
    return _Streams(Contexts(source.vocabulary, 1), source.decoder.engine.begin(1), inputs[None])


def _advance(source: Source, streams: _Streams, events: Rows) -> tuple[_Streams, NDArray[np.float64]]:
    """Let the model read the last events and predict these, (streams, 5); where it stands then, and the nats of each."""
    engine = source.decoder.engine
    hidden, state = engine.step(streams.inputs, streams.state)
    nats = source.decoder.nats_of(Step(source.decoder, streams.contexts, engine.head_layers(hidden)), events)
    inputs = np.concatenate([events, streams.contexts.push(events)], axis=1)
    return _Streams(streams.contexts, state, inputs), nats
