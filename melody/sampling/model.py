"""`Model`: what a model file is for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal, TypeVar, get_args

import numpy as np
from numpy.typing import NDArray

from melody import modelfile
from melody.arguments import keywords, path_of
from melody.errors import SamplingError, VocabularyError
from melody.limits import Limits, check
from melody.limits.limits import written
from melody.limits.numbers import MAX_BARS
from melody.network import AnyEngine, Engine
from melody.piece import Piece
from melody.sampling.constraints.base import Masks
from melody.sampling.constraints.user import user_limits
from melody.sampling.constraints.user.headers import with_headers
from melody.sampling.keywords import (
    DEFAULTS,
    Choosing,
    Drawing,
    Ending,
    Keeping,
    NewBars,
    NewTune,
    Pitched,
    Streaming,
    flag,
    limits_of,
    search_of,
    settings_of,
    span_of,
    whole,
)
from melody.sampling.prior import Usual
from melody.sampling.prompt import Continuation, Prompt
from melody.sampling.provenance import provenance
from melody.sampling.quality import MOST_IN_A_ROW, ends_well, faults, longest_run
from melody.sampling.search import Search
from melody.sampling.settings import VOICES_TEMPERATURE, SamplingSettings
from melody.sampling.strategies.ancestral import Drawn, Start, Streams, begin
from melody.sampling.strategies.beam import Beam, check_nothing_is_drawn
from melody.sampling.strategies.rejection import Draws
from melody.sampling.tasks.continuation import limited
from melody.threads import one_thread
from melody.tokens.context import Conditions, Context
from melody.tokens.grammar import Grammar
from melody.tokens.vocabulary import END, TIME, Rows, Vocabulary

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from melody.sampling.tasks.harmonize import Harmony
    from melody.sampling.tasks.infill import Variation
    from melody.sampling.tasks.live import Stream
    from melody.signatures import Key

Music = Piece | str | PathLike[str]  # a piece, or the file of one
MAX_PROMPT = 50_000  # notes
EngineName = Literal["numpy", "onnx", "int8"]
ENGINES: tuple[EngineName, ...] = get_args(EngineName)
_LONGEST = 20_000  # events of a tune that a model never ends
_MOST_IN_BAR = 1_000  # events, on average, before a model is taken for one that never comes to the next bar
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
        What is wrong with it, if the best of many were wanted, see `melody.sampling.quality`.
    remarks
        Plain sentences on how it came to be.
    seed
        The random number that it was drawn with.
    """

    piece: Piece
    removed: float = 0.0
    nats: float = float("nan")
    faults: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    seed: int = 0


class Model:
    """A trained model, ready to write music; `engine` as in `load`."""

    def __init__(self, file: modelfile.ModelFile, engine: EngineName = "numpy") -> None:
        self.file = file
        self.vocabulary: Vocabulary = file.vocabulary
        self._engine, self._runs_by = _engine(file, engine), engine
        self.usual = Usual.of(file.vocabulary, file.training)

    @keywords(Drawing, Choosing, Ending, Pitched, Keeping, **DEFAULTS)
    def generate(
        self,
        *,
        bars: int | str | None = None,
        limits: Limits | None = None,
        settings: SamplingSettings | None = None,
        **given: Unpack[NewTune],
    ) -> Piece:
        """A new tune, as long as the model wants or `bars` long, that keeps to the limits.

        >>> import melody
        >>> melody.load("fiddle").generate(seed=7, key="Dm", bars=4).keys[0].name
        'Dm'

        Parameters
        ----------
        bars
            How many, 1 to 10,000; a pick-up is not counted.
        limits, settings
            To begin from, all at once; what is given beside them comes first.

        Raises
        ------
        SamplingError
            If something cannot be read or is out of its range, or the limits cannot be kept.
        melody.errors.ArgumentError
            If there is no such keyword.
        """
        return self.tunes(1, bars=bars, limits=limits, settings=settings, **given)[0].piece

    @keywords(Drawing, Choosing, Ending, Pitched, Keeping, **DEFAULTS)
    def generate_many(
        self,
        count: int,
        *,
        bars: int | str | None = None,
        limits: Limits | None = None,
        settings: SamplingSettings | None = None,
        **given: Unpack[NewTune],
    ) -> list[Piece]:
        """`count` new tunes, each of which would be the same if more or fewer were asked for.

        Parameters
        ----------
        count
            How many, 1 to 1,000,000.
        bars, limits, settings
            As of `generate`.

        Raises
        ------
        SamplingError
            If something cannot be read or is out of its range, or the limits cannot be kept.
        """
        return [tune.piece for tune in self.tunes(count, bars=bars, limits=limits, settings=settings, **given)]

    @keywords(Drawing, Choosing, Ending, Pitched, Keeping, **DEFAULTS)
    @one_thread()
    def tunes(
        self,
        count: int = 1,
        *,
        bars: int | str | None = None,
        limits: Limits | None = None,
        settings: SamplingSettings | None = None,
        **given: Unpack[NewTune],
    ) -> list[Tune]:
        """`count` new tunes with what is known of them.

        Parameters
        ----------
        count
            How many, 1 to 1,000,000.
        bars, limits, settings
            As of `generate`.

        Raises
        ------
        SamplingError
            If something cannot be read or is out of its range, or the limits cannot be kept.
        """
        settings, limits = settings_of(given, settings), _with_bars(limits_of(given, None, limits), whole("bars", bars))
        search = Search(whole("count", count) or 0, **search_of(given))
        drawn = list(self._new(search, limits, settings))
        tunes = [self._tune(d, number, search, limits, settings) for number, d in enumerate(drawn)]
        return _best([_ranked(t, t.piece, 0, d) for t, d in zip(tunes, drawn)], search.count) if search.ranks else tunes

    @keywords(Drawing, Choosing, Ending, Pitched, Keeping, **DEFAULTS)
    def each_tune(
        self,
        count: int = 1,
        *,
        bars: int | str | None = None,
        limits: Limits | None = None,
        settings: SamplingSettings | None = None,
        **given: Unpack[NewTune],
    ) -> Iterator[Tune]:
        """The tunes of `tunes` one by one, each as soon as it and those before it are made.

        Parameters
        ----------
        count
            How many, 1 to 1,000,000.
        bars, limits, settings
            As of `generate`; but nothing is ranked, so that `best_of` and `beam` are refused.

        Raises
        ------
        SamplingError
            If something cannot be read or is out of its range, or the limits cannot be kept.
        """
        told, kept = settings_of(given, settings), _with_bars(limits_of(given, None, limits), whole("bars", bars))
        search = Search(whole("count", count) or 0, **search_of(given))
        if search.ranks:
            raise SamplingError("tunes that come one by one cannot be ranked; leave out best_of and beam, or call tunes()")
        drawn = iter(self._new(search, kept, told))

        def each() -> Iterator[Tune]:
            for number in range(search.count):
                with one_thread():
                    tune = self._tune(next(drawn), number, search, kept, told)
                yield tune

        return each()

    def _new(self, search: Search, limits: Limits, settings: SamplingSettings) -> Iterable[Drawn]:
        """The events of new tunes."""
        grammar = Grammar(self.vocabulary, 1, bars=limits.bars, count_pickup=False)
        constraints = []
        if limits.more_than_bars:
            check(limits, self.vocabulary)
            constraints = user_limits(self.vocabulary, limits)
        masks = Masks(grammar, constraints)
        start = Start(Context(self.vocabulary), masks, self._engine.begin(1), begin(self.vocabulary))
        may_choose = not (search.ranks or settings.any_ending or settings.temperature == 0)
        most = self._most_events(settings, limits.bars)
        worth = partial(self._ending_of, is_forced=limits.bars is not None) if may_choose else None
        return self._sample(start, search, settings, most, self.usual, worth)

    def _tune(self, drawn: Drawn, number: int, search: Search, limits: Limits, settings: SamplingSettings) -> Tune:
        texts = (self._told(settings, number, limits, search),)
        piece = self.vocabulary.decode(drawn.rows, title=self._title(settings, number), texts=texts)
        remarks = _cut_off(drawn, self._most_events(settings, limits.bars), settings, limits.bars)
        return Tune(with_headers(piece, limits), drawn.removed, remarks=remarks, seed=settings.seed)

    @keywords(Drawing, Choosing, Pitched, Keeping, **DEFAULTS)
    def continue_(
        self,
        prompt: Music,
        *,
        bars: int | str | None = None,
        part: int | str | None = None,
        only_new: bool = False,
        limits: Limits | None = None,
        settings: SamplingSettings | None = None,
        **given: Unpack[NewBars],
    ) -> Piece:
        """The prompt and `bars` more bars, or until the model ends.

        Parameters
        ----------
        prompt
            A piece with notes, or the file of one.
        bars
            How many are added, 1 to 10,000; None for as many as the model wants.
        part
            The part to go on with, alone: a number from 1, a track's name, 'melodic' or 'highest'. None for all of them,
            which the model has to understand together.
        only_new
            Give the new music alone.
        limits, settings
            To begin from, all at once; what is given beside them comes first. Limits are about the new music.

        Raises
        ------
        SamplingError
            If the prompt is empty, something cannot be read or is out of its range, or the limits cannot be kept after it.
        melody.errors.VocabularyError
            If the model cannot understand the prompt at all; the message says why.
        """
        how: dict[str, Any] = {"bars": bars, "part": part, "only_new": only_new, "limits": limits, "settings": settings}
        return self.continue_many(prompt, 1, **how, **given)[0].piece

    @keywords(Drawing, Choosing, Pitched, Keeping, **DEFAULTS)
    @one_thread()
    def continue_many(
        self,
        prompt: Music,
        count: int,
        *,
        bars: int | str | None = None,
        part: int | str | None = None,
        only_new: bool = False,
        limits: Limits | None = None,
        settings: SamplingSettings | None = None,
        **given: Unpack[NewBars],
    ) -> list[Continuation]:
        """`count` different continuations of a prompt, with what had to be changed for the model to understand it.

        Parameters
        ----------
        prompt, bars, part, only_new, limits, settings
            As of `continue_`.
        count
            How many, 1 to 1,000,000.

        Raises
        ------
        SamplingError, melody.errors.VocabularyError
            As of `continue_`.
        """
        settings, limits = settings_of(given, settings), _with_bars(limits_of(given, None, limits), whole("bars", bars))
        search = Search(whole("count", count) or 0, **search_of(given))
        music, alone = _music(prompt, "the prompt"), flag("only_new", only_new)
        if music.num_notes == 0:
            raise SamplingError("the prompt holds no notes; give one with at least one note")
        if music.num_notes > MAX_PROMPT:
            raise SamplingError(f"the prompt has {music.num_notes:,} notes; give at most {MAX_PROMPT:,}, some of its bars")
        music, remarks = self._part_of(music, part, limits)
        try:
            understood = Prompt(self, music)
        except VocabularyError as error:
            raise _with_advice(error, music) from error
        start = understood.start(limits.bars)
        if limits.more_than_bars:
            start = limited(self.vocabulary, understood, start, limits)
        most = self._most_events(settings, limits.bars)
        drawn = list(self._sample(start, search, settings, most, self.usual.at_any_pitch()))
        made = []
        for number, tune in enumerate(drawn):
            told = self._told(settings, number, limits, search)
            joined = understood.joined(tune.rows, alone, told, limits.key)
            said = (*remarks, *joined.remarks, *_cut_off(tune, most, settings, limits.bars))
            made.append(replace(joined, removed=tune.removed, remarks=said))
        count = search.count
        return _best([_ranked(m, m.piece, m.prompt_end, d) for m, d in zip(made, drawn)], count) if search.ranks else made

    def _part_of(self, music: Piece, part: int | str | None, limits: Limits) -> tuple[Piece, tuple[str, ...]]:
        """What is gone on with, in the key of the limits if it names none, and what is to be told of the choice."""
        if part is not None:
            from melody.sampling.tasks.midi_edit import heard_of  # new tunes do not need it

            chosen = heard_of(self, music, str(part), limits)
            return chosen.piece, chosen.remarks
        return (music if music.keys or limits.key is None else replace(music, keys=(limits.key,))), ()

    @keywords(Drawing, **DEFAULTS)
    def vary(
        self,
        piece: Music,
        bars: str | int | tuple[int, int],
        *,
        part: int | str | None = None,
        candidates: int | str = 64,
        rounds: int | str = 1,
        settings: SamplingSettings | None = None,
        **given: Unpack[Drawing],
    ) -> Piece:
        """The piece with some bars rewritten, with regard to what stands before and after them.

        Parameters
        ----------
        piece
            A piece with notes, or the file of one.
        bars
            The first and the last one: '5-8', (5, 8), or one alone, 5. The first full bar is 1, a pick-up 0.
        part
            The part that is rewritten: a number from 1, a track's name, 'melodic' or 'highest'. None for all of them, or, if
            the model does not understand them together, for the most melodic one that it understands.
        candidates
            How many are weighed against one another, 1 to 10,000: more is slower and better.
        rounds
            How often bar by bar is weighed again, 0 to 100.
        settings
            To begin from, all at once; what is given beside them comes first.

        Raises
        ------
        SamplingError
            If there are no such bars, something cannot be read or is out of its range, or no way leads through.
        melody.errors.VocabularyError
            If the model cannot understand the music around; the message says why.
        """
        how: dict[str, Any] = {"part": part, "candidates": candidates, "rounds": rounds, "settings": settings}
        return self.vary_many(piece, bars, 1, **how, **given)[0].piece

    @keywords(Drawing, **DEFAULTS)
    @one_thread()
    def vary_many(
        self,
        piece: Music,
        bars: str | int | tuple[int, int],
        count: int,
        *,
        part: int | str | None = None,
        candidates: int | str = 64,
        rounds: int | str = 1,
        settings: SamplingSettings | None = None,
        **given: Unpack[Drawing],
    ) -> list[Variation]:
        """`count` different ways to go through some bars, with what the model takes otherwise than it stands there.

        Parameters
        ----------
        piece, bars, part, candidates, rounds, settings
            As of `vary`.
        count
            How many, 1 to 1,000,000.

        Raises
        ------
        SamplingError, melody.errors.VocabularyError
            As of `vary`.
        """
        from melody.sampling.tasks.infill import VarySettings, vary

        how = VarySettings(whole("candidates", candidates) or 0, whole("rounds", rounds) or 0)
        first, last = span_of(bars)
        options: dict[str, Any] = {"count": Search(whole("count", count) or 0).count, "how": how}
        options |= {"part": None if part is None else str(part), "settings": settings_of(given, settings)}
        return vary(self, _music(piece, "the piece"), first, last, **options)

    @keywords(Drawing, **DEFAULTS | {"temperature": VOICES_TEMPERATURE})
    def harmonize(
        self,
        melody: Music,
        *,
        key: str | Key | None = None,
        parallels: bool = False,
        candidates: int | str = 64,
        settings: SamplingSettings | None = None,
        **given: Unpack[Drawing],
    ) -> Piece:
        """The melody with the model's other parts under it; a model of several parts is needed, such as chorales.

        Parameters
        ----------
        melody
            A piece of one part, one note at a time, or the file of one.
        key
            Such as 'Dm', or a `Key`; None for the melody's own, or if it names none, the likeliest.
        parallels
            Let voices move in parallel fifths and octaves.
        candidates
            How many ways are weighed against one another, 1 to 1,000.
        settings
            To begin from, all at once; what is given beside them comes first.

        Raises
        ------
        SamplingError
            If the melody has no notes, several parts or too many notes, the model one part only, or no way leads through.
        melody.errors.VocabularyError
            If the model cannot understand the melody; the message says why.
        """
        how: dict[str, Any] = {"key": key, "parallels": parallels, "candidates": candidates, "settings": settings}
        return self.harmonize_many(melody, 1, **how, **given)[0].piece

    @keywords(Drawing, **DEFAULTS | {"temperature": VOICES_TEMPERATURE})
    @one_thread()
    def harmonize_many(
        self,
        melody: Music,
        count: int,
        *,
        key: str | Key | None = None,
        parallels: bool = False,
        candidates: int | str = 64,
        settings: SamplingSettings | None = None,
        **given: Unpack[Drawing],
    ) -> list[Harmony]:
        """`count` different ways to set a melody, with what the model takes otherwise than it stands there.

        Parameters
        ----------
        melody, key, parallels, candidates, settings
            As of `harmonize`.
        count
            How many, 1 to 1,000,000.

        Raises
        ------
        SamplingError, melody.errors.VocabularyError
            As of `harmonize`.
        """
        from melody.sampling.tasks.harmonize import harmonize

        options: dict[str, Any] = {"key": None if key is None else written(key), "strict": not flag("parallels", parallels)}
        options |= {"candidates": whole("candidates", candidates) or 0, "count": Search(whole("count", count) or 0).count}
        options |= {"settings": settings_of(given, settings, VOICES_TEMPERATURE)}
        return harmonize(self, _music(melody, "the melody"), **options)

    @keywords(Drawing, Pitched, **DEFAULTS)
    def stream(
        self,
        prompt: Music | None = None,
        *,
        endless: bool = False,
        settings: SamplingSettings | None = None,
        **given: Unpack[Streaming],
    ) -> Stream:
        """New music, or what follows a prompt, note by note, to be fed and steered meanwhile (`sampling.tasks.live.stream`).

        Parameters
        ----------
        prompt
            A piece with notes, or the file of one; None to begin anew.
        endless
            Never end of itself.
        settings
            To begin from, all at once; what is given beside them comes first.

        Raises
        ------
        SamplingError, melody.errors.VocabularyError
            If the prompt is empty, something cannot be read, or the model does not understand it.
        """
        from melody.sampling.tasks import live  # files of tunes do not need it

        music = None if prompt is None else _music(prompt, "the prompt")
        begun = live.stream(self, music, settings=settings_of(given, settings), endless=flag("endless", endless))
        asked = [(given.get("key"), ""), (given.get("scale"), ","), (given.get("range"), ":")]
        key, scale, pitches = (None if value is None else written(value, between) for value, between in asked)
        if (key, scale, pitches) != (None, None, None):
            begun.steer(key=key, scale=scale, range=pitches)
        return begun

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
        engine = self._runs_by if self._runs_by != "numpy" else None
        searched = {"engine": engine, "beam": search.beam, "best_of": search.best_of}
        return provenance(self.file, settings, number, limits.told, **searched)

    def prime(self, rows: Rows, grammar: Masks) -> Start:
        """Where one stream stands after `rows` (no END among them)."""
        context, state, inputs = Context(self.vocabulary), self._engine.begin(1), begin(self.vocabulary)
        for row in rows:
            _, state = self._engine.step(inputs, state)
            inputs = np.array([[*row, *context.push(tuple(row.tolist()))]])
            grammar.push(row[None])
        return Start(context, grammar, state, inputs)

    @property
    def longest_piece(self) -> int:
        """Events of the longest piece in training, at most 20,000; 5,000 if the model file does not say."""
        return min(int(self.file.training.get("longest_piece", 0)) or 5_000, _LONGEST)

    def _most_events(self, settings: SamplingSettings, bars: int | None) -> int:
        return settings.max_notes or (self.longest_piece if bars is None else _LONGEST + _MOST_IN_BAR * bars)

    def _ending_of(self, drawn: Drawn, is_forced: bool) -> float:
        """How good the ending of a tune is, 0 to 1; 0, too, if it plays one pitch more often in a row than the corpus does.

        An ending that is forced may stand where the model would not end.
        """
        if len(drawn.rows) >= _LONGEST:  # it would take as long again, and end no better
            return 1.0
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
        return Draws(streams, search.drawn, _streams_at_once(start.grammar), worth).each()


def _engine(file: modelfile.ModelFile, name: EngineName) -> AnyEngine:
    if name == "numpy":
        return Engine(file.vocabulary, file.weights)
    if name not in ENGINES:
        raise SamplingError(f"there is no engine '{name}'; take one of {', '.join(ENGINES)}")
    from melody import export

    return export.engine(file, name)


def _music(music: Music, what: str) -> Piece:
    """A piece, or that in a file."""
    return music if isinstance(music, Piece) else Piece.read(path_of(music, what))


def _with_advice(error: VocabularyError, music: Piece) -> VocabularyError:
    """What to do where a model may understand one of several parts."""
    parts = len(music.parts)
    if len(np.unique(music.part)) < 2:
        return error
    return VocabularyError(
        f"{error}; choose one of them: part 1 {'or' if parts == 2 else 'to'} {parts}, melodic, highest, or a name"
    )


def _with_bars(limits: Limits | None, bars: int | None) -> Limits:
    limits = limits or Limits()
    limits = limits if bars is None else replace(limits, bars=bars)
    if limits.bars is not None and not 1 <= limits.bars <= MAX_BARS:
        raise SamplingError(f"{limits.bars:,} bars were asked for; ask for 1 to {MAX_BARS:,}")
    return limits


def _streams_at_once(masks: Masks) -> int:
    """As many as there is memory for: each has a mask of all times and parts, under limits of all pitches as well."""
    return min(max(_MASK_BYTES // masks.entries, 1), _STREAMS)


_Made = TypeVar("_Made", Tune, Continuation)


def _ranked(made: _Made, piece: Piece, start: int, drawn: Drawn) -> _Made:
    """The same with its likelihood a note and its faults."""
    notes = max(int(np.sum(piece.onset >= start)), 1)
    return replace(made, nats=drawn.nats / notes, faults=faults(piece, ended=_has_ended(drawn), start=start))


def _has_ended(drawn: Drawn) -> bool:
    """Whether the model ended it; it was cut off otherwise."""
    return bool(len(drawn.rows)) and bool(drawn.rows[-1, TIME] == END)


def _cut_off(drawn: Drawn, most: int, settings: SamplingSettings, bars: int | None) -> tuple[str, ...]:
    """That the model did not end a tune, if it did not and nobody asked for so many events; it has to fill bars."""
    if _has_ended(drawn) or len(drawn.rows) < most or settings.max_notes:
        return ()
    if bars is not None:
        raise SamplingError(
            f"the model has written {most:,} events and {bars:,} bars are not full; take another model or seed"
        )
    return (f"the model did not end it: it was broken off after {most:,} events; ask for a number of bars",)


def _best(made: list[_Made], count: int) -> list[_Made]:
    """The fewest faults first, then the likeliest."""
    return sorted(made, key=lambda tune: (len(tune.faults), tune.nats))[:count]
