"""A prompt as the model understands it, and the way back into the prompt's own world."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from melody.piece import Key, Part, Piece
from melody.sampling.streams import Start
from melody.tokens.fitting import fit
from melody.tokens.grammar import Grammar
from melody.tokens.usage import FIRST_PART
from melody.tokens.vocabulary import END, KIND, TIME, Rows, Vocabulary

if TYPE_CHECKING:
    from melody.sampling.model import Model


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


class Prompt:
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

    def start(self, bars: int | None) -> Start:
        """The state after the prompt, the grammar set to go on for so many bars."""
        heard = self._heard()
        end = _bar_line(heard, heard.length)
        total = None if bars is None else int(np.sum(heard.bar_starts(end) < end)) + bars
        begin = end if self._moved_in_time else heard.length
        rows = self._without_last_rests(self._vocabulary.encode(heard)[:-1])
        self._primed, self._heard_start = rows, self._fitted_end - end
        return self._model.prime(rows, Grammar(self._vocabulary, 1, bars=total, start=begin, steady=True))

    def _without_last_rests(self, rows: Rows) -> Rows:
        """Without the rests at the very end: there the music is to go on."""
        tick = np.array(self._vocabulary.shifts)[rows[:, TIME] - 1].cumsum()
        kept = np.flatnonzero(~self._vocabulary.is_rest(rows) | (tick < tick[-1]))
        return rows[: kept[-1] + 1]

    def _heard(self) -> Piece:
        """The last bars of the prompt that are no longer than the longest piece in training."""
        longest = self._model.longest_piece
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
        heard = int(self._vocabulary.is_note(self._primed).sum())
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
        numbers = rows[self._vocabulary.is_note(rows), KIND] - FIRST_PART
        for number in numbers.tolist():
            if number not in own:
                own[number] = len(parts)
                parts.append(self._vocabulary.parts[number])
        return tuple(parts), np.array([own[number] for number in numbers.tolist()], np.int64)

    def _with_likeliest_key(self, piece: Piece) -> tuple[Piece, str]:
        """The key of the vocabulary under which the model finds the prompt likeliest."""
        keys = [Key(0, fifths, mode) for fifths, mode in self._vocabulary.keys]
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
