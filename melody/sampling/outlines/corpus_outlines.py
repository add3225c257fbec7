"""The outline that a piece is written from: as the corpus has them, or the form that somebody asks for.

A model that has learnt with outlines (`melody.tokens.inputs.outlines.outline`) has those of its corpus in its file. A new piece
gets one of them, at random: how long it is, which of its bars return and whether it begins with a pick-up is then as
often so as in the corpus. Where a number of bars is asked for, it is one of that length, or a longer one cut off there;
where a form is asked for, its sections are filled with the bars of such outlines, so that the sections of one letter are
the same. Where outlines have harmony, all that a piece is made of is in one mode and metre, and it closes as one of theirs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from melody.errors import SamplingError
from melody.piece import Ints
from melody.sampling.outlines.forms import Wanted
from melody.tokens.inputs.outlines.harmony import Harmony
from melody.tokens.inputs.outlines.outline import MOST_BARS, NO_FRAME, Outline

_CLOSE = 2  # bars, in which a piece that is cut off closes
Bars = tuple[tuple[int, Harmony], ...]  # each with its letter


class CorpusOutlines:
    """The outlines of a corpus.

    Parameters
    ----------
    outlines
        Of its pieces, perhaps not of all.
    """

    def __init__(self, outlines: Sequence[Outline]) -> None:
        self.outlines = tuple(outlines)
        self.lengths = np.array([len(outline.letters) for outline in self.outlines], np.int64)

    def __bool__(self) -> bool:
        return bool(self.outlines)

    @classmethod
    def of(cls, training: Mapping[str, Any]) -> CorpusOutlines:
        """What a model file says of the pieces it was trained on; nothing if it says nothing, or not well."""
        stored = training.get("outlines")
        return cls([found for each in (stored if isinstance(stored, list) else []) if (found := Outline.restored(each))])

    def bars_of(self, wanted: Wanted, begun: int = 0) -> int | None:
        """How many bars a form makes, without those that there are; None without a form.

        Raises
        ------
        SamplingError
            If the model has not learnt forms, the form does not fit the bars, or nothing of it is left.
        """
        if not wanted.form:
            return wanted.bars
        if not self:
            raise SamplingError("this model has not learnt to keep to a form; leave the form out, or train the model again")
        left = sum(self._sections(wanted, begun)) - begun
        if left < 1:
            raise SamplingError(f"the form has {left + begun} bars and the music {begun} already; ask for a longer form")
        return left

    def sampled(self, random: np.random.Generator, wanted: Wanted, begun: Outline | None = None) -> Outline | None:
        """An outline for a piece; None if the corpus has none.

        Parameters
        ----------
        random
            Of the draw.
        wanted
            What it has to be like; its bars are the new ones.
        begun
            What there is of the piece already; the outline begins with it.
        """
        if not self:
            return None
        pool = self._in_one_frame(random, wanted, begun)
        sections = self._sections(wanted, len(begun.letters) if begun else 0) if wanted.form else []
        if begun is not None:
            return pool._after(random, wanted, sections, begun)
        if not wanted.form and wanted.bars is None:
            found = pool._any(random)
            return found if wanted.tonic is None else _made(_bars_of(found), found, wanted.tonic)
        bars = pool._formed(random, wanted, sections) if wanted.form else pool._of_length(random, wanted.bars or 1)
        return None if bars is None else _made(bars, pool._any(random), wanted.tonic)

    def _in_one_frame(self, random: np.random.Generator, wanted: Wanted, begun: Outline | None) -> CorpusOutlines:
        """Those in the mode and metre of what has begun, or of one drawn; without their harmony if none is as wanted."""
        if not self._by_frame:
            return self
        if begun is not None:
            frames = [begun.frame] if begun.harmony and wanted.agrees(begun.frame) else []
        else:
            frames = [outline.frame for outline in self.outlines if outline.harmony and wanted.agrees(outline.frame)]
        frames = [frame for frame in frames if frame[1:] in self._by_frame]
        return self._by_frame[frames[int(random.integers(len(frames)))][1:]] if frames else self._without_harmony

    @cached_property
    def _by_frame(self) -> dict[tuple[object, ...], CorpusOutlines]:
        """Those with harmony by mode and metre."""
        found: dict[tuple[object, ...], list[Outline]] = {}
        for outline in self.outlines:
            if outline.harmony:
                found.setdefault(outline.frame[1:], []).append(outline)
        return {frame: CorpusOutlines(outlines) for frame, outlines in found.items()}

    @cached_property
    def _without_harmony(self) -> CorpusOutlines:
        return CorpusOutlines([replace(outline, harmony=(), frame=NO_FRAME) for outline in self.outlines])

    def _sections(self, wanted: Wanted, begun: int) -> list[int]:
        typical = float(np.median(self.lengths)) if self else 16.0
        bars = None if wanted.bars is None else wanted.bars + begun
        if begun and bars is None and all(length is None for _, length in wanted.form):
            bars = begun * len(wanted.form)  # what there is, is the first section
        return Wanted(bars, wanted.form).sections(typical)

    def _any(self, random: np.random.Generator) -> Outline:
        return self.outlines[int(random.integers(len(self.outlines)))]

    def _of_length(self, random: np.random.Generator, bars: int) -> Bars | None:
        """So many bars: of a piece of that length, of a longer one, or of several; None for too many."""
        if bars > MOST_BARS:
            return None
        if len(fit := self._long_enough(0, bars)):
            return _cut_to(_bars_of(self.outlines[int(random.choice(fit))]), bars)
        found: Bars = ()
        while len(found) < bars:
            found += _shifted(_bars_of(self._any(random)), 1 + max((letter for letter, _ in found), default=-1))
        return _cut_to(found, bars)

    def _formed(self, random: np.random.Generator, wanted: Wanted, lengths: Sequence[int]) -> Bars:
        """The bars of a form's sections, each section's own taken from a piece of the corpus."""
        of_letter: dict[str, Bars] = {}
        found: Bars = ()
        for (letter, _), bars in zip(wanted.form, lengths):
            known = of_letter.get(letter, ())
            if len(known) < bars:
                first = 1 + max((number for number, _ in (*found, *known)), default=-1)
                more = self._of_length(random, bars - len(known)) or ()
                known = of_letter[letter] = (*known, *_shifted(more, first))
            found += known[:bars]
        return found

    def _after(self, random: np.random.Generator, wanted: Wanted, sections: Sequence[int], begun: Outline) -> Outline | None:
        """An outline that begins with what there is.

        Of the pieces that are long enough one is taken whose first bars return as they do in what there is, as far as that
        can be; the bars that follow return to the same bars as there.
        """
        bars = len(begun.letters)
        total = None if wanted.bars is None else bars + wanted.bars
        if wanted.form:
            made = self._formed(random, wanted, sections)
        elif len(fit := self._long_enough(bars, total)):
            alike = np.array([_agreement(self.outlines[number], begun) for number in fit])
            made = _bars_of(self.outlines[int(random.choice(fit[alike == alike.max()]))])
            made = made if total is None else _cut_to(made, total)
        else:
            more = None if wanted.bars is None else self._of_length(random, wanted.bars)
            if more is None or bars + len(more) > MOST_BARS:
                return None
            made = (*_bars_of(begun), *_shifted(more, max(begun.letters) + 1))
        letters = _renamed([letter for letter, _ in made], begun.letters)
        more_harmony = [each for _, each in made[bars:]] if begun.harmony and any(map(_is_known, made[bars:])) else []
        harmony = (*begun.harmony, *more_harmony) if more_harmony else ()
        return replace(begun, letters=letters, harmony=harmony)

    def _long_enough(self, begun: int, total: int | None) -> Ints:
        """Numbers of the pieces that go on after so many bars, of that length in all if there are any, or else longer."""
        if total is None:
            return np.flatnonzero(self.lengths > begun)
        exact = np.flatnonzero(self.lengths == total)
        return exact if len(exact) else np.flatnonzero(self.lengths > total)


def _agreement(outline: Outline, begun: Outline) -> int:
    """In how many bars both return to the same bar."""
    return sum(a == b for a, b in zip(outline.sources, begun.sources))


def _bars_of(outline: Outline) -> Bars:
    """Its letters, each with the bar's harmony."""
    return tuple(zip(outline.letters, outline.harmony or (Harmony(),) * len(outline.letters)))


def _made(bars: Bars, like: Outline, tonic: int | None) -> Outline:
    """An outline of those bars; pick-up, parts and frame as of another, but on that tonic if one is given."""
    harmony = tuple(each for _, each in bars) if any(map(_is_known, bars)) else ()
    frame = like.frame if tonic is None or not harmony else like.frame._replace(tonic=tonic)
    return Outline(tuple(letter for letter, _ in bars), like.has_pickup, like.parts, harmony, frame)


def _is_known(bar: tuple[int, Harmony]) -> bool:
    return bar[1].key > 0


def _cut_to(bars: Bars, count: int) -> Bars:
    """The first of them; where these are not all, with the harmony of the last ones at their end."""
    if count >= len(bars):
        return bars
    last = min(_CLOSE, count)
    return (*bars[: count - last], *((letter, h) for (letter, _), (_, h) in zip(bars[count - last : count], bars[-last:])))


def _shifted(bars: Bars, first: int) -> Bars:
    return tuple((letter + first, harmony) for letter, harmony in bars)


def _renamed(letters: Sequence[int], begun: Sequence[int]) -> tuple[int, ...]:
    """Letters of a whole piece with those of its beginning in place of the first ones; later bars return as they did."""
    names: dict[int, int] = {}
    for letter, own in zip(letters, begun):
        names.setdefault(letter, own)
    fresh = max(begun, default=-1) + 1
    found = list(begun)
    for letter in letters[len(begun) :]:
        if letter not in names:
            names[letter] = fresh
            fresh += 1
        found.append(names[letter])
    return tuple(found)
