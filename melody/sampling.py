"""Temperature and the rest, `generate` and `continue_`: a model file -> pieces. Needs NumPy alone, no torch.

Each tune has a random stream of its own, made from the seed and its number, so tune 7 of seed 3 is the same whether one tune
is asked for or a hundred.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import NDArray

from melody import __version__, modelfile
from melody.engine import Engine, Floats, State
from melody.errors import SamplingError
from melody.piece import Key, Part, Piece
from melody.tokens.features import Context, condition_sizes, feature_sizes
from melody.tokens.fitting import fit
from melody.tokens.grammar import Grammar, Mask
from melody.tokens.vocabulary import DURATION, END, FIELDS, FIRST_PART, KIND, TIME, VALUE, VELOCITY, Rows, Vocabulary

MAX_BARS = 10_000
MAX_COUNT = 1_000_000
_STREAMS = 64  # tunes sampled side by side


@dataclass(frozen=True)
class SamplingSettings:
    """How the next event is chosen.

    Parameters
    ----------
    temperature
        Logits are divided by it: 1 is the model's own distribution, lower is safer, 0 always takes the likeliest.
    top_k
        Only the so many likeliest tokens of a field, from 1; None for all.
    top_p
        Only the likeliest tokens that together have this probability, above 0, at most 1 (Holtzman et al. 2020).
    seed
        Random number, from 0; the same seed gives the same tunes.
    max_notes
        A tune that has not ended by then is ended.

    Raises
    ------
    SamplingError
        If a value is out of its range.
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float = 1.0
    seed: int = 0
    max_notes: int = 5_000

    def __post_init__(self) -> None:
        if not 0 <= self.temperature <= 100:
            raise SamplingError(
                f"temperature is {self.temperature:g}; it must be from 0 (safest) to 100, usually 0.7 to 1.2"
            )
        if self.top_k is not None and self.top_k < 1:
            raise SamplingError(f"top-k is {self.top_k}; it must be 1 or more, or be left out")
        if not 0 < self.top_p <= 1:
            raise SamplingError(f"top-p is {self.top_p:g}; it must be above 0 and at most 1")
        if self.seed < 0:
            raise SamplingError(f"the seed is {self.seed}; it must be 0 or more")
        if self.max_notes < 1:
            raise SamplingError(f"max_notes is {self.max_notes}; it must be 1 or more")


@dataclass(frozen=True)
class Continuation:
    """A prompt gone on with.

    Parameters
    ----------
    piece
        Prompt and new music, or the new music alone.
    prompt_end
        The tick of `piece` where the prompt ends and the new music begins; 0 for the new music alone.
    remarks
        What had to be changed so that the model understands the prompt, one sentence each.
    """

    piece: Piece
    prompt_end: int
    remarks: tuple[str, ...]


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
        """A new tune, `bars` long or as long as the model wants.

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
        grammar = Grammar(self.vocabulary, 1, bars=bars)
        start = _Start(Context(self.vocabulary), grammar, self._engine.begin(1), _begin(self.vocabulary))
        tunes = self._sample(start, count, settings)
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
        understood = _Prompt(self, prompt)
        start = understood.start(bars)
        tunes = self._sample(start, count, settings)
        return [understood.joined(rows, only_new, self._told(settings, i, bars)) for i, rows in enumerate(tunes)]

    def nats(self, rows: Sequence[Rows]) -> NDArray[np.float64]:
        """Negative log likelihood of sequences of events, all equally long, (sequences,)."""
        contexts = [Context(self.vocabulary) for _ in rows]
        state, inputs = self._engine.begin(len(rows)), np.repeat(_begin(self.vocabulary), len(rows), axis=0)
        total = np.zeros(len(rows))
        for events in np.stack(rows, axis=1):
            hidden, state = self._engine.step(inputs, state)
            trunks = self._engine.trunks(hidden)
            conditions = np.array([[*c.conditions(e[TIME]), c.own(e[KIND])] for e, c in zip(events.tolist(), contexts)])
            inputs = np.array([[*e, *c.push(tuple(e))] for e, c in zip(events.tolist(), contexts)])
            for field in self._engine.predicted:
                said = (events[:, KIND] >= FIRST_PART) | (field <= VALUE)
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

    def prime(self, rows: Rows, grammar: Grammar) -> _Start:
        """Where one stream stands after `rows` (no END among them)."""
        context, state, inputs = Context(self.vocabulary), self._engine.begin(1), _begin(self.vocabulary)
        for row in rows:
            _, state = self._engine.step(inputs, state)
            inputs = np.array([[*row, *context.push(tuple(row.tolist()))]])
            grammar.push(row[None])
        return _Start(context, grammar, state, inputs)

    def _sample(self, start: _Start, count: int, settings: SamplingSettings) -> list[Rows]:
        """The new events of `count` streams, END included where the model ended by itself."""
        tunes: list[Rows] = []
        for first in range(0, count, _STREAMS):
            numbers = range(first, min(first + _STREAMS, count))
            tunes += _Streams(self.vocabulary, self._engine, start, numbers, settings, self._first_keys).run()
        return tunes


@dataclass(frozen=True)
class _Start:
    """Where all streams of a batch begin: one stream's context, grammar, state and last event with its features."""

    context: Context
    grammar: Grammar
    state: State
    inputs: NDArray[np.int64]  # (1, fields + features)


class _Streams:
    """Tunes sampled side by side; one that has ended leaves the batch."""

    def __init__(
        self,
        vocabulary: Vocabulary,
        engine: Engine,
        start: _Start,
        numbers: Sequence[int],
        settings: SamplingSettings,
        first_keys: NDArray[np.float64] | None,
    ) -> None:
        zeros = np.zeros(len(numbers), np.int64)
        self._vocabulary, self._engine, self._settings = vocabulary, engine, settings
        self._first_keys = first_keys
        self._tunes: list[list[list[int]]] = [[] for _ in numbers]
        self._alive = np.arange(len(numbers))
        self._random = [np.random.default_rng([settings.seed, number]) for number in numbers]
        self._contexts = [start.context.copy() for _ in numbers]
        self._grammar = start.grammar.take(zeros)
        self._state = start.state.take(zeros)
        self._inputs = start.inputs[zeros]

    def run(self) -> list[Rows]:
        for _ in range(self._settings.max_notes):
            if not len(self._alive):
                break
            self._step()
        return [np.array(tune, np.int64).reshape(-1, len(FIELDS)) for tune in self._tunes]

    def _step(self) -> None:
        hidden, self._state = self._engine.step(self._inputs, self._state)
        events = self._events(self._engine.trunks(hidden))
        self._grammar.push(events)
        for number, event in zip(self._alive, events.tolist()):
            self._tunes[number].append(event)
        going = np.flatnonzero(events[:, TIME] != END)
        if len(going) < len(events):
            self._keep(going)
            events = events[going]
        self._inputs = np.array([[*e, *c.push(tuple(e))] for e, c in zip(events.tolist(), self._contexts)])

    def _keep(self, going: NDArray[np.int64]) -> None:
        self._alive = self._alive[going]
        self._random = [self._random[i] for i in going]
        self._contexts = [self._contexts[i] for i in going]
        self._grammar, self._state = self._grammar.take(going), self._state.take(going)

    def _events(self, trunks: Floats) -> Rows:
        """The next event of each stream, field by field."""
        chance = np.array([random.random(len(FIELDS)) for random in self._random])  # (streams, fields)
        events = np.zeros((len(trunks), len(FIELDS)), np.int64)
        conditions = np.zeros((len(trunks), len(condition_sizes(self._vocabulary))), np.int64)

        def pick(field: int, mask: Mask | None) -> None:
            if field in self._engine.predicted:
                logits = self._engine.logits(field, trunks, events, conditions)
                if field == VALUE and self._first_keys is not None:
                    self._prefer_usual_keys(logits, events)
                events[:, field] = choose(logits, mask, chance[:, field], self._settings)

        pick(TIME, self._grammar.times())
        conditions[:, :-1] = [c.conditions(max(time, 1)) for c, time in zip(self._contexts, events[:, TIME].tolist())]
        pick(KIND, self._grammar.kinds(events[:, TIME]))
        conditions[:, -1] = [c.own(kind) for c, kind in zip(self._contexts, events[:, KIND].tolist())]
        pick(VALUE, self._grammar.values(events[:, TIME], events[:, KIND]))
        pick(DURATION, self._grammar.durations(events[:, TIME]))
        pick(VELOCITY, None)
        events[events[:, KIND] < FIRST_PART, DURATION:] = 0
        events[events[:, TIME] == END] = 0
        return events

    def _prefer_usual_keys(self, logits: Floats, events: Rows) -> None:
        """A tune begins in the keys of the corpus, as often as its tunes do: the model has heard all transpositions alike."""
        assert self._first_keys is not None
        beginning = [i for i, c in enumerate(self._contexts) if c.tick == 0 and events[i, KIND] == KEY]
        keys = slice(self._vocabulary.value_starts[KEY], self._vocabulary.value_starts[KEY + 1])
        logits[beginning, keys] = np.log(self._first_keys + 1e-9)


def choose(logits: Floats, mask: Mask | None, chance: NDArray[np.float64], settings: SamplingSettings) -> NDArray[np.int64]:
    """One token a row, by temperature, top-k and top-p, among those that `mask` allows.

    Parameters
    ----------
    logits
        (streams, tokens).
    mask
        (streams, tokens), None for all; a row that allows nothing is taken as one that allows all.
    chance
        Uniform random numbers in [0, 1), (streams,): the token is where the cumulated probability passes it.
    settings
        Temperature, top-k and top-p.
    """
    logits = logits.astype(np.float64)
    if mask is not None:
        logits = np.where(mask | ~mask.any(axis=1, keepdims=True), logits, -np.inf)
    if settings.temperature == 0:
        return logits.argmax(axis=1)
    logits = (logits - logits.max(axis=1, keepdims=True)) / settings.temperature
    if settings.top_k is not None and settings.top_k < logits.shape[1]:
        least = np.partition(logits, -settings.top_k, axis=1)[:, -settings.top_k, None]
        logits = np.where(logits >= least, logits, -np.inf)
    share = np.exp(logits)
    share /= share.sum(axis=1, keepdims=True)
    if settings.top_p < 1:
        order = np.argsort(-share, axis=1, kind="stable")
        ranked = np.take_along_axis(share, order, axis=1)
        before = np.cumsum(ranked, axis=1) - ranked
        ranked[before >= settings.top_p] = 0
        np.put_along_axis(share, order, ranked, axis=1)
    cumulated = share.cumsum(axis=1)
    token = (cumulated <= (chance * cumulated[:, -1])[:, None]).sum(axis=1)
    last = logits.shape[1] - 1 - (share[:, ::-1] > 0).argmax(axis=1)
    return np.minimum(token, last)


class _Prompt:
    """A prompt as the model understands it, and how what follows goes back to the prompt's own world."""

    def __init__(self, model: Model, prompt: Piece) -> None:
        self._model, self._vocabulary = model, model.vocabulary
        self._prompt = prompt
        if prompt.ticks_per_quarter != self._vocabulary.ticks_per_quarter:
            self._prompt = prompt.resolution(self._vocabulary.ticks_per_quarter)
        self._octaves = _octaves_into_range(self._vocabulary, prompt)
        moved = self._prompt.transpose(12 * self._octaves)
        fitted, remarks = fit(self._vocabulary, moved)
        if self._octaves:
            remarks = (
                f"read {abs(self._octaves)} octaves {'higher' if self._octaves > 0 else 'lower'} for the model",
                *remarks,
            )
        if self._vocabulary.keys and not fitted.keys:
            fitted, remark = self._with_likeliest_key(fitted)
            remarks = (*remarks, remark)
        self._moved_in_time = not np.array_equal(fitted.onset, moved.onset) or fitted.length != moved.length
        self._fitted, self.remarks = fitted, remarks
        self._end = _bar_line(self._prompt, self._prompt.length)  # where the bars that are asked for begin
        self._fitted_end = _bar_line(fitted, fitted.length)

    def start(self, bars: int | None) -> _Start:
        """The state after the prompt, the grammar set to go on for so many bars."""
        heard = self._heard()
        end = _bar_line(heard, heard.length)
        total = None if bars is None else int(np.sum(heard.bar_starts(end) < end)) + bars
        begin = end if self._moved_in_time else heard.length
        rows = self._vocabulary.encode(heard)[:-1]
        self._primed, self._heard_start = rows, self._fitted_end - end
        return self._model.prime(rows, Grammar(self._vocabulary, 1, bars=total, start=begin, steady=True))

    def _heard(self) -> Piece:
        """The last bars of the prompt that are no longer than the longest piece in training."""
        longest = int(self._model.file.training.get("longest_piece", 0)) or 2**31
        starts = self._fitted.bar_starts()
        first = 0
        while first < len(starts) - 1 and np.sum(self._fitted.onset >= starts[first]) > longest:
            first += 1
        if first == 0:
            return self._fitted
        self.remarks = (
            *self.remarks,
            f"longer than any piece in training: the model heard bars {first + 1} to {len(starts)}",
        )
        return self._fitted.bars(first, len(starts))

    def joined(self, rows: Rows, only_new: bool, told: str) -> Continuation:
        """Prompt and new events as one piece in the prompt's own tempo, instruments and octave."""
        heard = int(np.sum(self._primed[:, KIND] >= FIRST_PART))
        whole = self._vocabulary.decode(np.concatenate([self._primed, rows]))
        parts, part = self._own_parts(rows)
        delta = self._heard_start + self._end - self._fitted_end
        columns: dict[str, Any] = {
            "onset": whole.onset[heard:] + delta,
            "duration": whole.duration[heard:],
            "pitch": np.where(whole.is_drum, whole.pitch, whole.pitch - 12 * self._octaves)[heard:],
            "velocity": whole.velocity[heard:],
            "part": part,
        }
        texts = (*self._prompt.texts, told, *(f"prompt: {remark}" for remark in self.remarks))
        if only_new:
            new = replace(self._prompt, **columns, parts=parts, texts=texts)
            first_bar = int(new.bar_starts(int(new.onset.min(initial=self._end)) + 1)[-1])
            return Continuation(new.slice(first_bar, new.length + 1), 0, self.remarks)
        joined: dict[str, Any] = {
            name: np.concatenate([getattr(self._prompt, name), column]) for name, column in columns.items()
        }
        piece = replace(self._prompt, **joined, parts=parts, texts=texts)
        return Continuation(piece, self._prompt.length, self.remarks)

    def _own_parts(self, rows: Rows) -> tuple[tuple[Part, ...], NDArray[np.int64]]:
        """The prompt's parts, those that the model has added behind them, and which of them plays each new note."""
        used = sorted(set(self._prompt.part.tolist()))
        own = dict(zip(self._vocabulary.part_numbers(self._fitted).tolist(), used))
        parts = list(self._prompt.parts)
        numbers = rows[rows[:, KIND] >= FIRST_PART, KIND] - FIRST_PART
        for number in numbers.tolist():
            if number not in own:
                own[number] = len(parts)
                parts.append(self._vocabulary.parts[number])
        return tuple(parts), np.array([own[number] for number in numbers.tolist()], np.int64)

    def _with_likeliest_key(self, piece: Piece) -> tuple[Piece, str]:
        """The key of the vocabulary under which the model finds the prompt likeliest."""
        keys = [Key(0, fifths, mode) for fifths, mode in self._vocabulary.keys]  # type: ignore[arg-type]
        rows = [self._vocabulary.encode(replace(piece, keys=(key,)))[:64] for key in keys]
        nats = self._model.nats([r[r[:, TIME] != END] for r in rows])
        best = keys[int(nats.argmin())]
        return replace(piece, keys=(best,)), f"names no key; the model takes it for {best.name}"


def _octaves_into_range(vocabulary: Vocabulary, piece: Piece) -> int:
    """By how many octaves to move the whole piece so that the fewest notes are outside the vocabulary's range."""
    low, high = vocabulary.pitches
    pitch = piece.pitch[~piece.is_drum]
    outside = {k: int(np.sum((pitch + 12 * k < low) | (pitch + 12 * k > high))) for k in (0, 1, -1, 2, -2, 3, -3, 4, -4)}
    legal = [k for k in outside if len(pitch) == 0 or (pitch.min() + 12 * k >= 0 and pitch.max() + 12 * k <= 127)]
    return min(legal, key=lambda k: (outside[k], abs(k)))


def _bar_line(piece: Piece, tick: int) -> int:
    """The first bar line at or after `tick`."""
    signature = piece.time_signature_at(max(tick - 1, 0))
    bar = signature.bar_ticks(piece.ticks_per_quarter)
    return signature.onset + -(-(tick - signature.onset) // bar) * bar


def _begin(vocabulary: Vocabulary) -> NDArray[np.int64]:
    return np.zeros((1, len(FIELDS) + len(feature_sizes(vocabulary))), np.int64)


def _check_bars(bars: int | None) -> None:
    if bars is not None and not 1 <= bars <= MAX_BARS:
        raise SamplingError(f"{bars:,} bars were asked for; ask for 1 to {MAX_BARS:,}")


def _check_count(count: int) -> None:
    if not 1 <= count <= MAX_COUNT:
        raise SamplingError(f"{count:,} tunes were asked for; ask for 1 to {MAX_COUNT:,}")
