"""`Model`: what a model file is for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from os import PathLike
from typing import TYPE_CHECKING, Literal, TypeVar, get_args

import numpy as np
from numpy.typing import NDArray

from melody import __version__, modelfile
from melody.engine import AnyEngine, Engine
from melody.errors import SamplingError
from melody.limits import Limits, check
from melody.limits.numbers import MAX_BARS
from melody.piece import Piece
from melody.sampling.beam import Beam, check_nothing_is_drawn
from melody.sampling.choice import SamplingSettings
from melody.sampling.continuing import limited
from melody.sampling.draws import Draws
from melody.sampling.headers import with_headers
from melody.sampling.limiter import Limiter
from melody.sampling.prompt import Continuation, Prompt
from melody.sampling.ranking import MOST_IN_A_ROW, ends_well, faults, longest_run
from melody.sampling.search import Search
from melody.sampling.streams import Drawn, Start, Streams, begin
from melody.sampling.usual import Usual
from melody.threads import one_thread
from melody.tokens.context import Conditions, Context
from melody.tokens.grammar import Grammar
from melody.tokens.vocabulary import END, TIME, Rows, Vocabulary

if TYPE_CHECKING:
    from melody.sampling.live import Stream

MAX_EVENTS = 10_000_000
MAX_PROMPT = 50_000  # notes
EngineName = Literal["numpy", "onnx", "int8"]
ENGINES: tuple[EngineName, ...] = get_args(EngineName)
_STREAMS = 64  # tunes sampled side by side
_LEAST = 0.2  # probability of an ending after an exact number of bars, for the model to be at one with it
_MASK_BYTES = 20_000_000


def load(path: str | PathLike[str], engine: EngineName = "numpy") -> Model:
    """The model in a file.

    Parameters
    ----------
    path
        The file.
    engine
        What runs it: 'numpy'; or ONNX Runtime, which has to be installed: 'onnx', or 'int8' with weights of 8 bits.

    Raises
    ------
    melody.errors.ModelFileError
        If the file is missing, no model, of another version, cut short or edited, or the engine is not installed.
    """
    return Model(modelfile.load(path), engine)


@dataclass(frozen=True)
class Tune:
    """A new tune.

    Parameters
    ----------
    piece
        The music.
    removed
        The share of probability that limits took away, the mean over all tokens; 0 without limits.
    nats
        Negative log likelihood of its notes, rests and end, a note; NaN if it was not asked for.
    faults
        What is wrong with it, if the best of many were wanted, see `melody.sampling.ranking`.
    """

    piece: Piece
    removed: float = 0.0
    nats: float = float("nan")
    faults: tuple[str, ...] = ()


class Model:
    """A trained model, ready to write music; `engine` as in `load`."""

    def __init__(self, file: modelfile.ModelFile, engine: EngineName = "numpy") -> None:
        self.file = file
        self.vocabulary: Vocabulary = file.vocabulary
        self._engine, self._runs_by = _engine(file, engine), engine
        self.usual = Usual.of(file.vocabulary, file.training)

    def generate(
        self, *, bars: int | None = None, limits: Limits | None = None, settings: SamplingSettings | None = None
    ) -> Piece:
        """A new tune, `bars` long (a pick-up not counted) or as long as the model wants, that keeps to the limits.

        Raises
        ------
        SamplingError
            If `bars` is not from 1 to 10,000, or the limits cannot be kept.
        """
        return self.generate_many(1, bars=bars, limits=limits, settings=settings)[0]

    def generate_many(
        self,
        count: int,
        *,
        bars: int | None = None,
        limits: Limits | None = None,
        settings: SamplingSettings | None = None,
    ) -> list[Piece]:
        """`count` new tunes.

        Raises
        ------
        SamplingError
            If `count` or `bars` is out of range, or the limits cannot be kept.
        """
        return [tune.piece for tune in self.tunes(count, bars=bars, limits=limits, settings=settings)]

    @one_thread()
    def tunes(
        self,
        count: int = 1,
        *,
        bars: int | None = None,
        limits: Limits | None = None,
        settings: SamplingSettings | None = None,
        best_of: int | None = None,
        beam: int | None = None,
    ) -> list[Tune]:
        """`count` new tunes with what is known of them: the best of `best_of`, or the likeliest that a beam search finds.

        Raises
        ------
        SamplingError
            If a number is out of range, or the limits cannot be kept.
        """
        settings, limits = settings or SamplingSettings(), _with_bars(limits, bars)
        search = Search(count, best_of, beam)
        drawn = list(self._new(search, limits, settings))
        tunes = [self._tune(d, number, search, limits, settings) for number, d in enumerate(drawn)]
        return _best([_ranked(t, t.piece, 0, d) for t, d in zip(tunes, drawn)], count) if search.ranks else tunes

    def each_tune(
        self,
        count: int = 1,
        *,
        bars: int | None = None,
        limits: Limits | None = None,
        settings: SamplingSettings | None = None,
    ) -> Iterator[Tune]:
        """The tunes of `tunes` one by one, each as soon as it and those before it are made; raises the same."""
        settings, limits, search = settings or SamplingSettings(), _with_bars(limits, bars), Search(count)
        drawn = iter(self._new(search, limits, settings))

        def each() -> Iterator[Tune]:
            for number in range(count):
                with one_thread():
                    tune = self._tune(next(drawn), number, search, limits, settings)
                yield tune

        return each()

    def _new(self, search: Search, limits: Limits, settings: SamplingSettings) -> Iterable[Drawn]:
        """The events of new tunes."""
        grammar = Grammar(self.vocabulary, 1, bars=limits.bars, count_pickup=False)
        start = Start(Context(self.vocabulary), grammar, self._engine.begin(1), begin(self.vocabulary))
        if limits.more_than_bars:
            check(limits, self.vocabulary)
            start = replace(start, grammar=Limiter(grammar, limits))
        may_choose = not (search.ranks or settings.any_ending or settings.temperature == 0)
        most = self._most_events(settings, limits.bars)
        worth = partial(self._ending_of, is_forced=limits.bars is not None) if may_choose else None
        return self._sample(start, search, settings, most, self.usual, worth)

    def _tune(self, drawn: Drawn, number: int, search: Search, limits: Limits, settings: SamplingSettings) -> Tune:
        texts = (self._told(settings, number, limits, search),)
        piece = self.vocabulary.decode(drawn.rows, title=self._title(settings, number), texts=texts)
        return Tune(with_headers(piece, limits), drawn.removed)

    def continue_(
        self,
        prompt: Piece,
        *,
        bars: int | None = None,
        only_new: bool = False,
        limits: Limits | None = None,
        settings: SamplingSettings | None = None,
    ) -> Piece:
        """The prompt and `bars` more bars, or until the model ends; with `only_new` the new music alone.

        Raises
        ------
        SamplingError
            If the prompt is empty, `bars` out of range, or the limits cannot be kept after this prompt.
        melody.errors.VocabularyError
            If the model cannot understand the prompt at all; the message says why.
        """
        return self.continue_many(prompt, 1, bars=bars, only_new=only_new, limits=limits, settings=settings)[0].piece

    @one_thread()
    def continue_many(
        self,
        prompt: Piece,
        count: int,
        *,
        bars: int | None = None,
        only_new: bool = False,
        limits: Limits | None = None,
        settings: SamplingSettings | None = None,
        best_of: int | None = None,
        beam: int | None = None,
    ) -> list[Continuation]:
        """`count` different continuations of a prompt, with what had to be changed for the model to understand it.

        Limits are about the new music; see `tunes` for `best_of` and `beam`.
        """
        settings, limits = settings or SamplingSettings(), _with_bars(limits, bars)
        search = Search(count, best_of, beam)
        if prompt.num_notes == 0:
            raise SamplingError("the prompt holds no notes; give one with at least one note")
        if prompt.num_notes > MAX_PROMPT:
            raise SamplingError(f"the prompt has {prompt.num_notes:,} notes; give at most {MAX_PROMPT:,}, some of its bars")
        understood = Prompt(self, prompt)
        start = understood.start(limits.bars)
        if limits.more_than_bars:
            start = limited(self.vocabulary, understood, start, limits)
        most = self._most_events(settings, limits.bars)
        drawn = list(self._sample(start, search, settings, most, self.usual.at_any_pitch()))
        made = []
        for number, tune in enumerate(drawn):
            told = self._told(settings, number, limits, search)
            joined = understood.joined(tune.rows, only_new, told, limits.key)
            made.append(replace(joined, removed=tune.removed))
        return _best([_ranked(m, m.piece, m.prompt_end, d) for m, d in zip(made, drawn)], count) if search.ranks else made

    def stream(
        self, prompt: Piece | None = None, *, settings: SamplingSettings | None = None, endless: bool = False
    ) -> Stream:
        """New music, or what follows a prompt, note by note, to be fed and steered meanwhile: `melody.sampling.live.stream`.

        Raises
        ------
        SamplingError, melody.errors.VocabularyError
            If the prompt is empty or the model does not understand it.
        """
        from melody.sampling import live  # files of tunes do not need it

        return live.stream(self, prompt, settings=settings, endless=endless)

    @one_thread()
    def nats(self, rows: Sequence[Rows]) -> NDArray[np.float64]:
        """Negative log likelihood of sequences of events, all equally long, (sequences,)."""
        return self._event_nats(rows).sum(axis=1)

    def _event_nats(self, rows: Sequence[Rows]) -> NDArray[np.float64]:
        """The same of each event, (sequences, events)."""
        contexts = [Context(self.vocabulary) for _ in rows]
        state, inputs = self._engine.begin(len(rows)), np.repeat(begin(self.vocabulary), len(rows), axis=0)
        found = np.zeros((len(rows), len(rows[0])))
        for at, events in enumerate(np.stack(rows, axis=1)):
            hidden, state = self._engine.step(inputs, state)
            trunks = self._engine.trunks(hidden)
            conditions = Conditions(self.vocabulary, contexts)
            conditions.place(events)
            conditions.part(events)
            inputs = np.array([[*e, *c.push(tuple(e))] for e, c in zip(events.tolist(), contexts)])
            for field in self._engine.predicted:
                said = self.vocabulary.said(events)[:, field]
                logits = self._engine.logits(field, trunks, events, conditions.array).astype(np.float64)
                log_sum = np.logaddexp.reduce(logits, axis=1)
                found[:, at] += np.where(said, log_sum - logits[np.arange(len(rows)), events[:, field]], 0.0)
        return found

    @property
    def _name(self) -> str:
        return self.file.name or "melody"

    def _title(self, settings: SamplingSettings, number: int) -> str:
        return f"{self._name}, seed {settings.seed}, tune {number + 1}"

    def _told(self, settings: SamplingSettings, number: int, limits: Limits, search: Search) -> str:
        """Where a tune comes from, for the text event of its file."""
        default = asdict(SamplingSettings())
        said = {k: v for k, v in asdict(settings).items() if k == "temperature" or v != default[k]}
        said |= {"engine": self._runs_by} if self._runs_by != "numpy" else {}
        said |= {k: v for k, v in (("beam", search.beam), ("best_of", search.best_of)) if v is not None}
        words = " ".join(f"{k}={v}" for k, v in said.items() if k not in ("seed", "max_notes"))
        return (
            f"melody {__version__}, model {self._name} {self.file.fingerprint}, seed {settings.seed}, tune {number + 1}, "
            f"{words} {limits.told}"
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

    def _ending_of(self, drawn: Drawn, is_forced: bool) -> float:
        """How good the ending of a tune is, 0 to 1; 0, too, if it plays one pitch more often in a row than the corpus does.

        An ending that is forced may stand where the model would not end.
        """
        piece = self.vocabulary.decode(drawn.rows)
        if not (_has_ended(drawn) and ends_well(piece)) or longest_run(piece) > max(self.usual.longest_run, MOST_IN_A_ROW):
            return 0.0
        if not is_forced:
            return 1.0
        last_note = int(np.flatnonzero(self.vocabulary.is_note(drawn.rows))[-1])
        return min(float(np.exp(-self._event_nats([drawn.rows])[0, last_note + 1 :].sum())) / _LEAST, 1.0)

    def _sample(
        self,
        start: Start,
        search: Search,
        settings: SamplingSettings,
        most: int,
        usual: Usual,
        worth: Callable[[Drawn], float] | None = None,
    ) -> Iterable[Drawn]:
        """As many streams as the search wants, the new events with what is known of them.

        One that is not worth 1 is drawn anew, a few times, and the best one taken.
        """
        if search.beam is not None:
            check_nothing_is_drawn(settings)
            return [Beam(self.vocabulary, self._engine, start, search.beam, usual, most).run()]
        streams = Streams(self.vocabulary, self._engine, start, settings, usual, most, weigh=search.ranks)
        return Draws(streams, search.drawn, _streams_at_once(start.grammar, self.vocabulary), worth).each()


def _engine(file: modelfile.ModelFile, name: EngineName) -> AnyEngine:
    if name == "numpy":
        return Engine(file.vocabulary, file.weights)
    if name not in ENGINES:
        raise SamplingError(f"there is no engine '{name}'; take one of {', '.join(ENGINES)}")
    from melody import export

    return export.engine(file, name)


def _with_bars(limits: Limits | None, bars: int | None) -> Limits:
    limits = limits or Limits()
    limits = limits if bars is None else replace(limits, bars=bars)
    if limits.bars is not None and not 1 <= limits.bars <= MAX_BARS:
        raise SamplingError(f"{limits.bars:,} bars were asked for; ask for 1 to {MAX_BARS:,}")
    return limits


def _streams_at_once(grammar: Grammar, vocabulary: Vocabulary) -> int:
    """As many as there is memory for: under limits each has a mask of all times, parts and pitches."""
    if not isinstance(grammar, Limiter):
        return _STREAMS
    size = len(vocabulary.shifts) * len(vocabulary.parts) * vocabulary.num_pitches
    return min(max(_MASK_BYTES // size, 1), _STREAMS)


_Made = TypeVar("_Made", Tune, Continuation)


def _ranked(made: _Made, piece: Piece, start: int, drawn: Drawn) -> _Made:
    """The same with its likelihood a note and its faults."""
    notes = max(int(np.sum(piece.onset >= start)), 1)
    return replace(made, nats=drawn.nats / notes, faults=faults(piece, ended=_has_ended(drawn), start=start))


def _has_ended(drawn: Drawn) -> bool:
    """Whether the model ended it; it was cut off otherwise."""
    return bool(len(drawn.rows)) and bool(drawn.rows[-1, TIME] == END)


def _best(made: list[_Made], count: int) -> list[_Made]:
    """The fewest faults first, then the likeliest."""
    return sorted(made, key=lambda tune: (len(tune.faults), tune.nats))[:count]
