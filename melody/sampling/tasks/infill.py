"""Bars of a piece rewritten between what stands before and after them, with regard to both.

Conventions
-----------
A note belongs to the bar in which it begins. A note of a rewritten part that begins before the bars and sounds into them
stays as it is, and its part begins again where it ends; a note that begins in the bars goes, and if it sounded past them
the last new note may sound as far. No new note sounds into a note that stays.

Candidates are sampled from the state before the gap, keeping to its length, and weighed by the likelihood of all that
follows them (importance sampling). Then bar by bar is sampled again, given the other bars, what follows being weighed in
the same way with the bar as it was among the candidates. That is Gibbs sampling by conditional importance sampling (Andrieu
et al. 2010): it leaves the distribution as it is, and finds likely bars with far fewer candidates than the gap as a whole.

A bidirectional model (`melody.network.bidirectional`) has read what follows. Its candidates lead there, and are weighed by
what is further away than it reads alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import lcm
from typing import Any

import numpy as np

from melody.errors import SamplingError
from melody.limits import Limits
from melody.piece import Ints, Piece
from melody.sampling.constraints.observations import Observations, aligned, decoded, observe, timed
from melody.sampling.decoder import PrefixCache
from melody.sampling.loaded import Source
from melody.sampling.prompt import Understood, understood, with_key
from melody.sampling.provenance import provenance
from melody.sampling.result import Result
from melody.sampling.settings import SamplingSettings
from melody.sampling.tasks.limited import Reading, refuse
from melody.sampling.tasks.observing import filling
from melody.sampling.tasks.part_choice import New, model_input
from melody.tokens.inputs.future import Future
from melody.tokens.usage import METRE
from melody.tokens.vocabulary import END, TIME, Rows, Vocabulary

MAX_GAP, MAX_QUARTERS = 64, 1_024  # bars, and how long they may be in all
MAX_CANDIDATES = 10_000
_LASTING = {
    "metre": "the metre is that of the bars as they are",
    "tempo": "the tempo is that of the bars as they are",
    "bars": "as many bars are written as are rewritten",
}
_BEFORE_THE_END = {"end_on_tonic": "music follows the bars that are rewritten"}
DRAWS = 4  # until the bars are others than those that stood there


@dataclass(frozen=True)
class VarySettings:
    """How bars are rewritten.

    Parameters
    ----------
    candidates
        How many ways are weighed against one another, 1 to 10,000; with 1 what follows is not heeded.
    rounds
        How many times bar by bar is sampled again, 0 to 100.
    likeness
        How like the old bars: each note that stays where it was makes a candidate exp(likeness) times as likely, 0 to 10.
    """

    candidates: int = 64
    rounds: int = 1
    likeness: float = 0.0

    def __post_init__(self) -> None:
        if not 1 <= self.candidates <= MAX_CANDIDATES:
            raise SamplingError(f"{self.candidates:,} candidates were asked for; ask for 1 to {MAX_CANDIDATES:,}")
        if not 0 <= self.rounds <= 100:
            raise SamplingError(f"{self.rounds} rounds were asked for; ask for 0 to 100")
        if not 0 <= self.likeness <= 10:
            raise SamplingError(f"the likeness is {self.likeness:g}; it must be from 0 (by itself) to 10")


def variations(
    source: Source,
    piece: Piece,
    first_bar: int,
    last_bar: int,
    *,
    part: str | None = None,
    count: int = 1,
    how: VarySettings | None = None,
    limits: Limits | None = None,
    settings: SamplingSettings | None = None,
) -> Iterator[Result]:
    """`count` different ways to go through bars `first_bar` to `last_bar`, both included, each as soon as it is made.

    Bars that come out as they were are drawn again, a few times; if they still are as they were, the remarks say so.

    Parameters
    ----------
    source
        Whose style.
    piece
        The music; what the model does not understand is left out of what it reads, and stays.
    first_bar, last_bar
        Counted as in a score: the first full bar is 1, a pick-up 0 (`Piece.first_bar`).
    part
        See `melody.sampling.tasks.part_choice.model_input`.
    count
        Each has a random stream of its own, so the third is the same whether three are asked for or ten.
    how, settings
        How candidates are weighed, and how they are drawn.
    limits
        What the new notes keep to, the last of them also towards what follows; chords are counted from the first of the
        bars. Metre and tempo stay as they are, and a final tonic needs the last bar.

    Raises
    ------
    SamplingError
        If there are no such bars, too many of them, no notes, or no way from one side to the other; if the limits cannot be
        kept.
    melody.errors.VocabularyError
        If the model cannot understand the music around; the message says why.
    """
    limits = limits or Limits()
    gap = _Gap(source, piece, first_bar, last_bar, part, limits)
    how, settings = how or VarySettings(), (settings or SamplingSettings()).settled(source.file.training)
    for number in range(count):
        description = f"candidates={how.candidates} rounds={how.rounds}, bars {first_bar}-{last_bar} rewritten"
        description += "" if limits == Limits() else f", {limits.summary.removeprefix('bars=None ')}"
        variation = gap.other_than_it_was(how, settings, number)
        text = provenance(source.file, settings, number, description, **source.running)
        yield replace(variation.with_text(text) if variation.parts else variation, number=number)


def vary(source: Source, piece: Piece, first_bar: int, last_bar: int, **options: Any) -> list[Result]:
    """All `variations`, parameters and errors as there."""
    return list(variations(source, piece, first_bar, last_bar, **options))


class _Gap:
    """Bars to be rewritten, as the model understands them, and the way back."""

    def __init__(
        self, source: Source, piece: Piece, first_bar: int, last_bar: int, part: str | None, limits: Limits
    ) -> None:
        self._source, self._vocabulary, self._limits = source, source.vocabulary, limits
        grid = self._vocabulary.ticks_per_quarter
        self._own = piece.resolution(lcm(piece.ticks_per_quarter, grid)) if piece.ticks_per_quarter % grid else piece
        self._scale = self._own.ticks_per_quarter // grid
        music = self._own.resolution(grid) if self._scale > 1 else self._own
        lines = _bar_lines(music, self._own.first_bar, first_bar, last_bar)
        start, stop = _of_one_metre(music, self._vocabulary, int(lines[0]), int(lines[-1]))
        most = source.longest_piece * len(music.parts)
        start, stop = (start + _near(music.slice(start, stop), self._vocabulary, lines[[0, -1]] - start, most)).tolist()
        self._check_there_is_music(music, music.slice(start, stop), first_bar, last_bar)
        chosen = model_input(music.slice(start, stop), part, self._understood)
        near = start + _near(chosen.piece, self._vocabulary, lines[[0, -1]] - start, source.longest_piece)
        around = chosen.piece.slice(*(near - start).tolist())
        self._music = with_key(source, self._understood(around))
        self.remarks = (*chosen.remarks, *self._music.remarks)
        numbers = self._vocabulary.part_numbers(self._music.piece).tolist()
        self._own_part = dict(zip(numbers, sorted(set(around.part.tolist()))))  # of each part of the vocabulary
        self._wanted = chosen.chosen
        self._free = np.array([self._own_part.get(p) in chosen.chosen for p in range(len(self._vocabulary.parts))])
        self._start = int(near[0])
        self._lines = lines - self._start
        as_given = self._vocabulary.part_numbers(self._music.piece)
        old = replace(self._music.piece, part=as_given[self._music.piece.part], parts=self._vocabulary.parts)
        self._old = self._notes_in_the_gap(old)
        later = music.onset[np.isin(music.part, chosen.piece.part) & (music.onset >= lines[-1])]
        self._is_last = not len(later)
        self._to_the_end = not (later >= near[1]).any() or not (later < near[1]).any()
        refuse(limits, _LASTING if music.num_notes and music.onset.max() < lines[-1] else _LASTING | _BEFORE_THE_END)
        players = {number: self._own.parts[own] for number, own in self._own_part.items()}
        metre = self._music.piece.time_signature_at(int(self._lines[0]))[1:]
        reading = Reading(self._vocabulary, self._music.octaves, players, metre, int(self._lines[0]))
        self._constraints = reading.constraints(limits, self._free)
        self._cache = PrefixCache(ends_alone=True)  # of what stands before the gap

    def _understood(self, piece: Piece) -> Understood:
        return understood(self._vocabulary, piece, keep_rhythm=True)

    def _check_there_is_music(self, music: Piece, around: Piece, first_bar: int, last_bar: int) -> None:
        if around.num_notes == 0:
            playing = np.unique(music.bar_and_position(music.onset)[0] + self._own.first_bar)
            nearest = int(playing[np.abs(playing - first_bar).argmin()])
            raise SamplingError(
                f"{_named(first_bar, last_bar)} empty, and the nearest notes, in bar {nearest}, are further away than any "
                "rest that this model knows; choose bars beside notes"
            )

    def other_than_it_was(self, how: VarySettings, settings: SamplingSettings, number: int) -> Result:
        """The first of a few ways that is not what stood there; the last one of them, which says so, if none is."""
        for draw in range(DRAWS):
            made = self.varied(how, settings, np.random.default_rng([settings.seed, number, *[draw] * (draw > 0)]))
            if not made.parts or not _has_the_notes_of(made.piece, self._own):
                return made
        why = (
            f"came out as they were each time that they were drawn, {DRAWS} times; try a higher temperature or another seed"
        )
        return replace(made, remarks=(*made.remarks, f"the bars {why}"))

    def varied(self, how: VarySettings, settings: SamplingSettings, random: np.random.Generator) -> Result:
        """One way to go through the bars."""
        observed = self._observations(self._music.piece, self._lines[0], self._lines[-1])
        if not observed.free.any():
            return self._variation(None)
        lines = self._lines[[0, -1]].tolist()
        piece = self._filled(aligned(self._vocabulary, observed, lines), lines[0], how, settings, random)
        for _ in range(how.rounds if len(self._lines) > 2 and how.candidates > 1 else 0):
            for first, last in zip(self._lines.tolist(), self._lines[1:].tolist()):
                observed = self._observations(piece, first, last)
                if observed.free.any():
                    piece = self._filled(observed, first, how, settings, random, self._events(piece)[observed.prefix :])
        return self._variation(piece)

    def _observations(self, piece: Piece, first: int, last: int) -> Observations:
        observed = observe(self._vocabulary, piece, self._free, int(first), int(last), to_the_end=self._to_the_end)
        return replace(observed, reaches=int(self._lines[-2]) if self._is_last else 0)

    def _events(self, piece: Piece) -> Rows:
        """All events of a piece that the model has a rhythm for, as they are given."""
        whole = observe(self._vocabulary, piece, np.zeros_like(self._free), 0, 0, to_the_end=self._to_the_end)
        rows = timed(self._vocabulary, whole.rows, whole.tick)
        rows[whole.rows[:, TIME] == END, TIME] = END
        return rows

    def _filled(
        self,
        observed: Observations,
        first: int,
        how: VarySettings,
        settings: SamplingSettings,
        random: np.random.Generator,
        reference: Rows | None = None,
    ) -> Piece:
        """The piece with the gap filled that begins at that bar line."""
        decoder = self._source.decoder.without_prior().before(lambda: self._future(observed, first))
        options = how.candidates, settings, random, reference
        only_to_draw = not how.likeness
        particles = filling(decoder, observed, self._constraints, *options, only_to_draw=only_to_draw, cache=self._cache)
        particles.run()
        before = timed(self._vocabulary, observed.rows[: observed.prefix], observed.tick[: observed.prefix])

        def piece_of(rows: Rows) -> Piece:
            return decoded(self._vocabulary, np.concatenate([before, rows]))

        def bonus(rows: Rows) -> float:
            return how.likeness * len(self._notes_in_the_gap(piece_of(rows)) & self._old)

        return piece_of(particles.draw(bonus=bonus if how.likeness else None))

    def _future(self, observed: Observations, first: int) -> Future:
        """What is known behind the gap that begins at that bar line."""
        metre = self._music.piece.time_signature_at(observed.until - 1)[1:]
        number = self._vocabulary.time_signatures.index(metre)
        return Future.of(self._vocabulary, observed.rows, observed.tick, first, observed.until, number)

    def _notes_in_the_gap(self, piece: Piece) -> set[tuple[int, ...]]:
        """Onset, pitch and part of each."""
        new = self._free[piece.part] & (piece.onset >= self._lines[0]) & (piece.onset < self._lines[-1])
        return set(zip(*(column[new].tolist() for column in (piece.onset, piece.pitch, piece.part))))

    def _variation(self, piece: Piece | None) -> Result:
        """The own piece with the new notes of the bars; with none of them as it was."""
        first, last = ((self._start + self._lines[[0, -1]]) * self._scale).tolist()
        if piece is None:
            why = "nothing is rewritten: what sounds when the bars begin lasts to their end"
            return Result(self._own, first, last, (), remarks=(*self.remarks, why))
        new = self._free[piece.part] & (piece.onset >= self._lines[0]) & (piece.onset < self._lines[-1])
        notes = New(
            (piece.onset[new] + self._start) * self._scale,
            piece.duration[new] * self._scale,
            np.where(piece.is_drum, piece.pitch, piece.pitch - 12 * self._music.octaves)[new],
            piece.velocity[new],
            np.array([self._own_part[number] for number in piece.part[new].tolist()], np.int64),
        )
        if len(self._vocabulary.velocities) == 1:
            notes = notes.as_loud_as(self._own, self._limits.velocity or (1, 127))
        gone = np.isin(self._own.part, self._wanted) & (self._own.onset >= first) & (self._own.onset < last)
        return Result(notes.into(self._own.select(~gone)), first, last, self._wanted, remarks=self.remarks)


def _has_the_notes_of(made: Piece, own: Piece) -> bool:
    """Whether two pieces have the same notes, however loud."""
    return all(np.array_equal(getattr(made, n), getattr(own, n)) for n in ("onset", "duration", "pitch", "part"))


def _named(first_bar: int, last_bar: int) -> str:
    return f"bar {first_bar} is" if first_bar == last_bar else f"bars {first_bar} to {last_bar} are"


def _bar_lines(piece: Piece, number: int, first_bar: int, last_bar: int) -> Ints:
    """The bar lines before, within and after bars, of a piece whose first one has that number."""
    if piece.num_notes == 0:
        raise SamplingError("the music holds no notes; give a file with at least one")
    last = number + piece.num_bars - 1
    if not number <= first_bar <= last_bar <= last:
        raise SamplingError(
            f"{_named(first_bar, last_bar)} to be rewritten; the music has "
            + (f"bars {number} to {last}" if last > number else f"bar {number} alone")
            + (", of which 0 is its pick-up" if number == 0 else "")
        )
    if last_bar - first_bar >= MAX_GAP:
        raise SamplingError(
            f"{last_bar - first_bar + 1} bars are to be rewritten at once; choose at most {MAX_GAP}, the others after them"
        )
    metre = piece.time_signature_at(piece.length - 1)
    lines = piece.bar_starts(piece.length + metre.bar_ticks(piece.ticks_per_quarter))
    lines = lines[first_bar - number : last_bar - number + 2]
    if (quarters := int(lines[-1] - lines[0]) // piece.ticks_per_quarter) > MAX_QUARTERS:
        raise SamplingError(
            f"{quarters:,} quarter notes are to be rewritten at once; choose bars of at most {MAX_QUARTERS:,}"
        )
    return lines


def _of_one_metre(piece: Piece, vocabulary: Vocabulary, first: int, last: int) -> tuple[int, int]:
    """From where to where the metre is that of the gap, if the model knows no changes of metre; else the whole piece."""
    changes = [] if vocabulary.changes[METRE] else [metre.onset for metre in piece.time_signatures]
    start = max((tick for tick in changes if tick <= first), default=0)
    return start, min((tick for tick in changes if tick >= last), default=piece.length + 1)


def _near(piece: Piece, vocabulary: Vocabulary, gap: Ints, most: int) -> Ints:
    """From which to which bar line the model reads a piece around a gap.

    No more than `most` notes on each side, and no silence that is longer than any the model knows.
    """
    first, last = gap.tolist()
    bar = piece.time_signature_at(piece.length).bar_ticks(piece.ticks_per_quarter)
    lines = piece.bar_starts(max(piece.length, last) + bar + 1)
    ticks = np.union1d(piece.onset, piece.end) if any(vocabulary.implied_duration) else np.unique(piece.onset)
    ticks = np.union1d(ticks[(ticks < first) | (ticks > last)], gap)
    broken = np.flatnonzero(np.diff(ticks, prepend=0) > max(vocabulary.shifts))
    begin = int(ticks[broken][ticks[broken] <= first].max(initial=0))
    end = int(ticks[broken - 1][ticks[broken] > last].min(initial=piece.length))
    before, after = np.searchsorted(piece.onset, gap)
    if before > most:
        begin = max(begin, int(lines[np.searchsorted(lines, piece.onset[before - most])]))
    if piece.num_notes - after > most:
        end = min(end, int(lines[np.searchsorted(lines, piece.onset[after + most], "right") - 1]))
    return np.array([lines[np.searchsorted(lines, begin, "right") - 1], lines[np.searchsorted(lines, max(end, last))]])
