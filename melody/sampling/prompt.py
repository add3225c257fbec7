"""A prompt as the model understands it, and the way back into the prompt's own world."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from melody import hands
from melody.note_columns import on_grid, overlaps
from melody.piece import Key, Part, Pedal, Piece
from melody.sampling.constraints.constraint import Constraint, Masks
from melody.sampling.constraints.observations import any_rhythm
from melody.sampling.decoder import Frontier, PrefixCache
from melody.sampling.loaded import Source
from melody.sampling.outlines.corpus_outlines import CorpusOutlines
from melody.sampling.result import Result
from melody.signatures import join_events, slice_pedals
from melody.text import counted
from melody.tokens.fitting import fit
from melody.tokens.grammar import Grammar
from melody.tokens.inputs.features import outline_of
from melody.tokens.inputs.outlines.harmony import Harmony
from melody.tokens.inputs.outlines.outline import REST, Outline
from melody.tokens.usage import FIRST_PART
from melody.tokens.vocabulary import END, KIND, TIME, Rows, Vocabulary

_EVENTS_FOR_KEY = 64  # events by which the key is found


@dataclass(frozen=True)
class Understood:
    """Music as a model understands it.

    Parameters
    ----------
    piece
        The music.
    octaves
        By how many octaves it was moved as a whole.
    remarks
        What was changed, one sentence each.
    """

    piece: Piece
    octaves: int
    remarks: tuple[str, ...]


def understood(vocabulary: Vocabulary, piece: Piece, *, octaves: int | None = None, keep_rhythm: bool = False) -> Understood:
    """A piece on the vocabulary's grid as its model understands it: moved by octaves and fitted.

    Parameters
    ----------
    vocabulary
        Of the model.
    piece
        Any music.
    octaves
        By how many to move it; None for those that suit its range best.
    keep_rhythm
        Leave times between events that the vocabulary does not know.

    Raises
    ------
    melody.errors.VocabularyError
        If it cannot be understood; the message says why.
    """
    octaves = _octaves_into_range(vocabulary, piece) if octaves is None else octaves
    joined, closed = _without_short_rests(vocabulary, piece)
    known = any_rhythm(vocabulary, piece) if keep_rhythm else vocabulary
    fitted, remarks = fit(known, joined.transpose(12 * octaves))
    return Understood(fitted, octaves, (*_octave_remarks(octaves), *closed, *remarks))


def _without_short_rests(vocabulary: Vocabulary, piece: Piece) -> tuple[Piece, tuple[str, ...]]:
    """Detached notes as a model of implied durations reads them: up to the next if the rest is short and unknown to it."""
    duration, closed = piece.duration.copy(), 0
    for part in range(len(piece.parts) if any(vocabulary.implied_duration) else 0):
        own = np.flatnonzero(piece.part == part)
        rest = piece.onset[own[1:]] - piece.end[own[:-1]]
        if np.any(rest < 0):
            continue
        known = np.isin(rest, vocabulary.shifts) & np.isin(duration[own[:-1]], vocabulary.shifts)
        short = (rest > 0) & (2 * rest <= piece.ticks_per_quarter) & ~known
        duration[own[:-1][short]] += rest[short]
        closed += int(np.sum(short))
    return (
        (replace(piece, duration=duration), (f"{closed} short rest{'s' if closed > 1 else ''} left out",))
        if closed
        else (piece, ())
    )


def with_key(source: Source, music: Understood) -> Understood:
    """The same in the key under which the model finds it likeliest, if the model knows keys and it names none."""
    if not source.vocabulary.keys or music.piece.keys:
        return music
    in_rhythm, _ = fit(source.vocabulary, music.piece)
    keys = [Key(0, fifths, mode) for fifths, mode in source.vocabulary.keys]
    rows = [source.vocabulary.encode(replace(in_rhythm, keys=(key,)))[:_EVENTS_FOR_KEY] for key in keys]
    best = keys[int(source.nats([r[r[:, TIME] != END] for r in rows]).argmin())]
    remark = f"names no key; the model takes it for {best.name}"
    return Understood(replace(music.piece, keys=(best,)), music.octaves, (*music.remarks, remark))


def _octave_remarks(octaves: int) -> tuple[str, ...]:
    if not octaves:
        return ()
    plural = "s" if abs(octaves) > 1 else ""
    return (f"read {abs(octaves)} octave{plural} {'higher' if octaves > 0 else 'lower'} for the model",)


class Prompt:
    """A prompt as the model understands it, and how what follows goes back to the prompt's own world.

    Parameters
    ----------
    source
        Whose model understands it.
    prompt
        The music, with at least one note.
    cache
        Of what was read before, if it was much the same; None to read all of it.
    """

    def __init__(self, source: Source, prompt: Piece, cache: PrefixCache | None = None) -> None:
        self._source, self._vocabulary, self._cache = source, source.vocabulary, cache
        self._prompt = prompt
        if prompt.ticks_per_quarter != self._vocabulary.ticks_per_quarter:
            self._prompt = prompt.resolution(self._vocabulary.ticks_per_quarter)
        read, as_hands = in_hands(self._vocabulary, self._prompt)
        music = with_key(source, understood(self._vocabulary, read))
        self._octaves, remarks = music.octaves, (*as_hands, *music.remarks)
        fitted = replace(music.piece, pedals=slice_pedals(music.piece.pedals, 0, music.piece.length))
        self._fitted = fitted
        self._end = _bar_line(self._prompt, self._prompt.length)  # where the bars that are asked for begin
        self._fitted_end = _bar_line(fitted, fitted.length)
        self._ends_elsewhere = self._fitted_end - fitted.length != self._end - self._prompt.length
        self._context, left_out = self._last_bars()
        self.remarks = (*remarks, *left_out)
        self.context_end = _bar_line(self._context, self._context.length)
        self._context_rows = self._vocabulary.encode(self._context)
        self._primed = self._without_last_rests(self._context_rows[:-1])

    @property
    def outlines(self) -> CorpusOutlines:
        """Those of the corpus, if the prompt can be the beginning of one."""
        return CorpusOutlines(()) if self.begun is None else self._source.outlines

    @cached_property
    def begun(self) -> Outline | None:
        """The outline of what the model reads of it, up to the bar line where new bars begin; None if it has no full bar."""
        outline = outline_of(self._vocabulary, self._context_rows)
        if outline is None:
            return None
        silent = self._context_bars - outline.has_pickup - len(outline.letters)
        first = max(outline.letters) + 1
        letters = (*outline.letters, *range(first, first + silent))
        outline = replace(outline, players=tuple((*own, *[REST] * silent) for own in outline.players))
        if not outline.harmony:
            return replace(outline, letters=letters)
        last = outline.harmony[-1]  # whose last note closes the prompt, and no phrase perhaps
        harmony = (*outline.harmony[:-1], *[Harmony(last.key)] * (1 + silent))
        return replace(outline, letters=letters, harmony=harmony)

    @property
    def _context_bars(self) -> int:
        """Bars of what the model reads, a pick-up among them."""
        return int(np.sum(self._context.bar_starts(self.context_end) < self.context_end))

    def start(self, bars: int | None, constraints: Sequence[Constraint] = (), outline: Outline | None = None) -> Frontier:
        """The state after the prompt, and masks set to go on for so many bars under those constraints.

        Parameters
        ----------
        bars
            How many; None for as many as the model wants.
        constraints
            What the music that follows keeps to.
        outline
            Of the whole piece, the prompt its beginning (`begun`); None for none.
        """
        total = None if bars is None else self._context_bars + bars
        begin = self.context_end if self._ends_elsewhere else self._context.length
        pedal = bool(self._context.pedals)  # whoever plays without one goes on without
        grammar = Grammar(self._vocabulary, 1, bars=total, start=begin, steady=True, pedal=pedal)
        return self._source.decoder.prime(Masks(grammar, constraints), self._primed, outline, cache=self._cache)

    @property
    def own(self) -> Piece:
        """The prompt itself, on the grid of the vocabulary."""
        return self._prompt

    @property
    def octaves(self) -> int:
        """By how many octaves the model reads it higher."""
        return self._octaves

    @property
    def players(self) -> dict[int, int]:
        """The part of the prompt that plays what each of the vocabulary's parts does, of those that the prompt has."""
        used = sorted(set(self._prompt.part.tolist()))
        numbers = self._vocabulary.part_numbers(self._fitted).tolist()
        return dict(zip(numbers, used if len(used) == len(numbers) else used * len(numbers)))  # of one part, both hands

    @property
    def shift(self) -> tuple[int, int]:
        """Ticks and semitones from the music that follows, once there is a `start`, to the prompt's own world."""
        return self._end - self.context_end, -12 * self._octaves

    def _without_last_rests(self, rows: Rows) -> Rows:
        """Without the rests at the very end: there the music is to go on."""
        tick = np.array(self._vocabulary.shifts)[rows[:, TIME] - 1].cumsum()
        kept = np.flatnonzero(~self._vocabulary.is_rest(rows) | (tick < tick[-1]))
        return rows[: kept[-1] + 1]

    def _last_bars(self) -> tuple[Piece, tuple[str, ...]]:
        """The last bars of the prompt that are no longer than the longest piece in training, and what there is to say."""
        starts = self._fitted.bar_starts()
        notes = self._fitted.num_notes - np.searchsorted(self._fitted.onset, starts)  # from each bar on
        first = min(int(np.sum(notes > self._source.longest_piece)), len(starts) - 1)
        if first == 0:
            return self._fitted, ()
        last = self._prompt.last_bar  # counted back from it: rests before may be shorter than they are
        bars = f"bars {last - len(starts) + first + 1} to {last}"
        context = self._fitted.slice(int(starts[first]), self._fitted.length)
        return context, (f"longer than any piece in training: the model reads {bars}",)

    def followed_by(self, rows: Rows) -> tuple[Piece, int]:
        """Prompt and new events as the model reads them, once there is a start, and the tick where the new notes begin."""
        primed = int(self._vocabulary.is_note(self._primed).sum())
        whole = self._vocabulary.decode(np.concatenate([self._primed, rows]))
        return whole, int(whole.onset[primed]) if whole.num_notes > primed else whole.length

    def joined(self, rows: Rows, only_new: bool, source_text: str, key: Key | None = None) -> Result:
        """Prompt and new events as one piece in the prompt's own tempo, instruments and octave; the new ones in that key."""
        primed = int(self._vocabulary.is_note(self._primed).sum())
        whole = self._vocabulary.decode(np.concatenate([self._primed, rows]))
        parts, part = self._own_parts(rows)
        delta, semitones = self.shift
        columns: dict[str, Any] = {
            "onset": whole.onset[primed:] + delta,
            "duration": whole.duration[primed:],
            "pitch": np.where(whole.is_drum, whole.pitch, whole.pitch + semitones)[primed:],
            "velocity": whole.velocity[primed:],
            "part": part,
        }
        presses = tuple(Pedal(down + delta, up + delta) for down, up in whole.pedals[len(self._context.pedals) :])
        columns = _ended_where_struck_again(columns)
        texts = (*self._prompt.texts, source_text, *(f"prompt: {remark}" for remark in self.remarks))
        if only_new:
            new = replace(self._prompt, **columns, parts=parts, texts=texts, keys=(key,) if key else self._prompt.keys)
            new = replace(new, pedals=presses)
            first_bar = int(new.bar_starts(int(new.onset.min(initial=self._end)) + 1)[-1])
            return Result(new.slice(first_bar, new.length + 1), first_bar=self._end - first_bar, remarks=self.remarks)
        joined: dict[str, Any] = {
            name: np.concatenate([getattr(self._prompt, name), column]) for name, column in columns.items()
        }
        keys = self._prompt.keys if key is None else join_events(self._prompt.keys, (key,), self._prompt.length)
        own = slice_pedals(self._prompt.pedals, 0, presses[0].onset) if presses else self._prompt.pedals
        piece = replace(self._prompt, **joined, parts=parts, texts=texts, keys=keys, pedals=own + presses)
        return Result(piece, self._prompt.length, first_bar=self._end, remarks=self.remarks)

    def _own_parts(self, rows: Rows) -> tuple[tuple[Part, ...], NDArray[np.int64]]:
        """The prompt's parts, those that the model has added behind them, and which of them plays each new note."""
        own = self.players
        parts = list(self._prompt.parts)
        numbers = rows[self._vocabulary.is_note(rows), KIND] - FIRST_PART
        for number in numbers.tolist():
            if number not in own:
                own[number] = len(parts)
                parts.append(self._vocabulary.parts[number])
        return tuple(parts), np.array([own[number] for number in numbers.tolist()], np.int64)


def in_hands(vocabulary: Vocabulary, piece: Piece) -> tuple[Piece, tuple[str, ...]]:
    """A prompt for one keyboard as a model of two hands reads it, and what was changed."""
    keyboards = [part.is_keyboard for part in (*vocabulary.parts, *piece.parts)]
    one_part = len(np.unique(piece.part)) == 1
    if not (all(keyboards) and one_part and len(vocabulary.parts) == 2):
        return piece, ()
    if not hands.take_two(piece.onset, piece.end, piece.pitch):
        return piece, ()
    right = hands.right_hand(piece.onset, piece.end, piece.pitch, piece.ticks_per_quarter)
    parts = tuple(replace(piece.parts[piece.part[0]], program=part.program) for part in vocabulary.parts)
    words = f"read as two hands, {counted(int(right.sum()), 'note')} in the right and {int(np.sum(~right)):,} in the left"
    return replace(piece, part=np.where(right, 0, 1), parts=parts), (words,)


def _ended_where_struck_again(columns: dict[str, Any]) -> dict[str, Any]:
    """New notes of which none sounds while another of its part and pitch begins: two hands may play in one part."""
    onset, duration = columns["onset"], columns["duration"]
    if not len(overlaps(onset, duration, columns["pitch"], columns["part"])):
        return columns
    voice = columns["part"] << 7 | columns["pitch"]
    onset, duration, kept = on_grid(onset, onset + duration, voice, 1, 1)
    return {name: column[kept] for name, column in columns.items()} | {"onset": onset, "duration": duration}


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
