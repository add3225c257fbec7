"""`Model`: what a model file is for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from os import PathLike

import numpy as np
from numpy.typing import NDArray

from melody import __version__, modelfile
from melody.engine import Engine
from melody.errors import SamplingError
from melody.piece import Piece
from melody.sampling.choice import SamplingSettings
from melody.sampling.prompt import Continuation, Prompt
from melody.sampling.streams import Start, Streams, begin
from melody.tokens.features import Context
from melody.tokens.grammar import Grammar
from melody.tokens.vocabulary import KIND, TIME, Rows, Vocabulary

MAX_BARS = 10_000
MAX_COUNT = 1_000_000
MAX_EVENTS = 10_000_000
_STREAMS = 64  # tunes sampled side by side


def load(path: str | PathLike[str]) -> Model:
    """The model in a file.

    Raises
    ------
    melody.errors.ModelFileError
        If the file is missing, no model, of another version, cut short or edited.
    """
    return Model(modelfile.load(path))


class Model:
    """A trained model, ready to write music."""

    def __init__(self, file: modelfile.ModelFile) -> None:
        self.file = file
        self.vocabulary: Vocabulary = file.vocabulary
        self._engine = Engine(file.vocabulary, file.weights)
        counts = np.array(file.training.get("first_keys", []), np.float64)
        self._first_keys = counts if len(counts) == len(file.vocabulary.keys) and counts.sum() > 0 else None

    def generate(self, *, bars: int | None = None, settings: SamplingSettings | None = None) -> Piece:
        """A new tune, `bars` long (a pick-up not counted) or as long as the model wants.

        Raises
        ------
        SamplingError
            If `bars` is not from 1 to 10,000.
        """
        return self.generate_many(1, bars=bars, settings=settings)[0]

    def generate_many(self, count: int, *, bars: int | None = None, settings: SamplingSettings | None = None) -> list[Piece]:
        """`count` new tunes.

        Raises
        ------
        SamplingError
            If `count` or `bars` is out of range.
        """
        settings = settings or SamplingSettings()
        _check_bars(bars)
        _check_count(count)
        grammar = Grammar(self.vocabulary, 1, bars=bars, count_pickup=False)
        start = Start(Context(self.vocabulary), grammar, self._engine.begin(1), begin(self.vocabulary))
        tunes = self._sample(start, count, settings, self._most_events(settings, bars))
        return [
            self.vocabulary.decode(
                rows, title=f"{self._name}, seed {settings.seed}, tune {i + 1}", texts=(self._told(settings, i, bars),)
            )
            for i, rows in enumerate(tunes)
        ]

    def continue_(
        self, prompt: Piece, *, bars: int | None = None, only_new: bool = False, settings: SamplingSettings | None = None
    ) -> Piece:
        """The prompt and `bars` more bars, or until the model ends; with `only_new` the new music alone.

        Raises
        ------
        SamplingError
            If the prompt is empty or `bars` out of range.
        melody.errors.VocabularyError
            If the model cannot understand the prompt at all; the message says why.
        """
        return self.continue_many(prompt, 1, bars=bars, only_new=only_new, settings=settings)[0].piece

    def continue_many(
        self,
        prompt: Piece,
        count: int,
        *,
        bars: int | None = None,
        only_new: bool = False,
        settings: SamplingSettings | None = None,
    ) -> list[Continuation]:
        """`count` different continuations of a prompt, with what had to be changed for the model to understand it."""
        settings = settings or SamplingSettings()
        _check_bars(bars)
        _check_count(count)
        if prompt.num_notes == 0:
            raise SamplingError("the prompt holds no notes; give a file with at least one")
        understood = Prompt(self, prompt)
        start = understood.start(bars)
        tunes = self._sample(start, count, settings, self._most_events(settings, bars))
        return [understood.joined(rows, only_new, self._told(settings, i, bars)) for i, rows in enumerate(tunes)]

    def nats(self, rows: Sequence[Rows]) -> NDArray[np.float64]:
        """Negative log likelihood of sequences of events, all equally long, (sequences,)."""
        contexts = [Context(self.vocabulary) for _ in rows]
        state, inputs = self._engine.begin(len(rows)), np.repeat(begin(self.vocabulary), len(rows), axis=0)
        total = np.zeros(len(rows))
        for events in np.stack(rows, axis=1):
            hidden, state = self._engine.step(inputs, state)
            trunks = self._engine.trunks(hidden)
            conditions = np.array([[*c.conditions(e[TIME]), c.own(e[KIND])] for e, c in zip(events.tolist(), contexts)])
            inputs = np.array([[*e, *c.push(tuple(e))] for e, c in zip(events.tolist(), contexts)])
            for field in self._engine.predicted:
                said = self.vocabulary.said(events)[:, field]
                logits = self._engine.logits(field, trunks, events, conditions).astype(np.float64)
                log_sum = np.logaddexp.reduce(logits, axis=1)
                total += np.where(said, log_sum - logits[np.arange(len(rows)), events[:, field]], 0.0)
        return total

    @property
    def _name(self) -> str:
        return self.file.name or "melody"

    def _told(self, settings: SamplingSettings, number: int, bars: int | None) -> str:
        """Where a tune comes from, for the text event of its file."""
        said = " ".join(f"{k}={v}" for k, v in asdict(settings).items() if k not in ("seed", "max_notes"))
        return (
            f"melody {__version__}, model {self._name} {self.file.fingerprint}, seed {settings.seed}, tune {number + 1}, "
            f"{said} bars={bars}"
        )

    def prime(self, rows: Rows, grammar: Grammar) -> Start:
        """Where one stream stands after `rows` (no END among them)."""
        context, state, inputs = Context(self.vocabulary), self._engine.begin(1), begin(self.vocabulary)
        for row in rows:
            _, state = self._engine.step(inputs, state)
            inputs = np.array([[*row, *context.push(tuple(row.tolist()))]])
            grammar.push(row[None])
        return Start(context, grammar, state, inputs)

    @property
    def longest_piece(self) -> int:
        """Events of the longest piece in training; 5,000 if the model file does not say."""
        return int(self.file.training.get("longest_piece", 0)) or 5_000

    def _most_events(self, settings: SamplingSettings, bars: int | None) -> int:
        return settings.max_notes or (self.longest_piece if bars is None else MAX_EVENTS)

    def _sample(self, start: Start, count: int, settings: SamplingSettings, most: int) -> list[Rows]:
        """The new events of `count` streams, END included where the model ended by itself."""
        tunes: list[Rows] = []
        for first in range(0, count, _STREAMS):
            numbers = range(first, min(first + _STREAMS, count))
            tunes += Streams(self.vocabulary, self._engine, start, numbers, settings, self._first_keys, most).run()
        return tunes


def _check_bars(bars: int | None) -> None:
    if bars is not None and not 1 <= bars <= MAX_BARS:
        raise SamplingError(f"{bars:,} bars were asked for; ask for 1 to {MAX_BARS:,}")


def _check_count(count: int) -> None:
    if not 1 <= count <= MAX_COUNT:
        raise SamplingError(f"{count:,} tunes were asked for; ask for 1 to {MAX_COUNT:,}")
