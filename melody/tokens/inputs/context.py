"""What the model reads of events as they come, of several pieces side by side.

These are the features and conditions of `melody.tokens.inputs.features`, which has them for a whole piece at once; the two
agree exactly.

One piece alone is kept as plain numbers (`one_piece`), several as arrays (`several_pieces`).
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy

import numpy as np
from numpy.typing import NDArray

from melody.piece import Ints
from melody.tokens.inputs.outlines.outline import Outline
from melody.tokens.inputs.schema import CONDITIONS, FIRST_PLACE, condition_sizes, feature_sizes, spans
from melody.tokens.inputs.stepwise.as_pieces import as_pieces
from melody.tokens.inputs.stepwise.one_piece import OnePiece
from melody.tokens.inputs.stepwise.several_pieces import Pieces
from melody.tokens.vocabulary import END, FIELDS, KIND, TIME, Rows, Vocabulary


class Contexts:
    """What has come so far in several pieces side by side, all of them at their beginning at first.

    Parameters
    ----------
    vocabulary
        Of the events.
    streams
        How many pieces.
    outlines
        The outline of each, None where it has none; None if none has one.

    Attributes
    ----------
    num_conditions, conditions
        How many conditions an event has, and where each of them stands; looked up once and not for each event.
    """

    def __init__(self, vocabulary: Vocabulary, streams: int, outlines: Sequence[Outline | None] | None = None) -> None:
        self.vocabulary, self._num_features = vocabulary, len(feature_sizes(vocabulary))
        self.num_conditions, self.conditions = len(condition_sizes(vocabulary)), spans(CONDITIONS, vocabulary)
        self._pieces: OnePiece | Pieces
        outlines = [None] * streams if outlines is None else outlines
        self._pieces = OnePiece(vocabulary, outlines[0]) if streams == 1 else Pieces(vocabulary, outlines)

    def __len__(self) -> int:
        return 1 if isinstance(self._pieces, OnePiece) else len(self._pieces)

    @property
    def tick(self) -> Ints:
        """Of the last event of each piece, 0 before the first, (streams,)."""
        return np.atleast_1d(np.asarray(self._pieces.tick))

    @property
    def metre(self) -> Ints:
        """Number of the time signature in force in each piece, (streams,)."""
        return np.atleast_1d(np.asarray(self._pieces.metre))

    def push(self, rows: Rows, active: NDArray[np.bool_] | None = None) -> Ints:
        """Take in one event a stream, (streams, 5), and give its features, (streams, features).

        Streams that are not `active`, or whose event is END, stay as they are; their features are zeros.
        """
        going = rows[:, TIME] != END if active is None else active & (rows[:, TIME] != END)
        if going.all():
            return self._push(rows)
        features, streams = np.zeros((len(rows), self._num_features), np.int64), np.flatnonzero(going)
        if len(streams):
            own = self.take(streams)
            features[streams] = own._push(rows[streams])
            self.put(streams, own)
        return features

    def _push(self, rows: Rows) -> Ints:
        if isinstance(self._pieces, OnePiece):
            time, kind, value, duration, velocity = rows[0].tolist()
            return np.array([self._pieces.push((time, kind, value, duration, velocity))])
        return self._pieces.push(rows)

    def take(self, streams: Ints) -> Contexts:
        """Those streams alone, in that order, independent of these; one may be named more than once."""
        taken = copy(self)
        if isinstance(self._pieces, OnePiece) and len(streams) == 1:
            taken._pieces = self._pieces.copy()
        else:
            taken._pieces = self._as_arrays().take(streams)
        return taken

    def put(self, streams: Ints, other: Contexts) -> None:
        """Let the streams of other contexts be these."""
        self._pieces = self._as_arrays()
        self._pieces.put(streams, other._as_arrays())

    def join(self, other: Contexts) -> Contexts:
        """These streams, and behind them those of another, independent of both."""
        if not len(self) or not len(other):
            whole = self if len(self) else other
            return whole.take(np.arange(len(whole)))
        joined = copy(self)
        joined._pieces = self._as_arrays().join(other._as_arrays())
        return joined

    def _as_arrays(self) -> Pieces:
        return as_pieces(self.vocabulary, self._pieces) if isinstance(self._pieces, OnePiece) else self._pieces


class Conditions:
    """The conditions of the next event of several pieces, filled in as its fields are chosen.

    Parameters
    ----------
    contexts
        Of the pieces; no event may be pushed meanwhile.

    Attributes
    ----------
    array
        What an engine's heads read, (streams, conditions).
    """

    def __init__(self, contexts: Contexts) -> None:
        self._vocabulary, self._pieces = contexts.vocabulary, contexts._pieces
        where = contexts.conditions
        first, last = where[("may play",)], where[("stands",)]
        self._of_part, self._of_kinds = slice(where[("own",)].start, first.start), slice(first.start, last.stop)
        self.array = np.zeros((len(contexts), contexts.num_conditions), np.int64)
        self.array[:, :FIRST_PLACE] = self._pieces.match

    @property
    def planned(self) -> Ints:
        """The tokens, each + 1, of what comes next by the outlines, where these say what parts do, (streams, fields)."""
        return np.asarray(self._pieces.planned, np.int64).reshape(-1, len(FIELDS))

    def place(self, events: Rows) -> None:
        """What is known of the place where events will stand once their times are chosen."""
        pieces, time = self._pieces, events[:, TIME]
        found = pieces.place(int(time[0])) if isinstance(pieces, OnePiece) else pieces.place(time)
        self.array[:, FIRST_PLACE : self._of_part.start] = found
        if self._of_kinds.stop > self._of_kinds.start:
            of_kinds = pieces.of_kinds(int(time[0])) if isinstance(pieces, OnePiece) else pieces.of_kinds(time)
            self.array[:, self._of_kinds] = of_kinds

    def part(self, events: Rows) -> None:
        """What is known of the parts once the kinds of events are chosen."""
        pieces, time, kind = self._pieces, events[:, TIME], events[:, KIND]
        found = pieces.part(int(time[0]), int(kind[0])) if isinstance(pieces, OnePiece) else pieces.part(time, kind)
        self.array[:, self._of_part] = found

    def take(self, pieces: Ints) -> None:
        """Go on with these pieces alone, in that order; one may be named more than once."""
        self.array = self.array[pieces]
        if isinstance(self._pieces, OnePiece) and len(pieces) != 1:
            self._pieces = as_pieces(self._vocabulary, self._pieces)
        if not isinstance(self._pieces, OnePiece):
            self._pieces = self._pieces.without_history(pieces)
