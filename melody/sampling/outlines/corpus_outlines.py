"""The outline that a piece is written from: as the corpus has them, or the form that somebody asks for.

A model that has learnt with outlines (`melody.tokens.inputs.outline`) has those of its corpus in its file. A new piece
gets one of them, at random: how long it is, which of its bars return and whether it begins with a pick-up is then as
often so as in the corpus. Where a number of bars is asked for, it is one of that length, or a longer one cut off there;
where a form is asked for, its sections are filled with the bars of such outlines, so that the sections of one letter are
the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from melody.errors import SamplingError
from melody.piece import Ints
from melody.sampling.outlines.forms import Wanted
from melody.tokens.inputs.outline import MOST_BARS, Outline


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
        if begun is not None:
            return self._after(random, wanted, begun)
        found: tuple[int, ...] | None
        if wanted.form:
            found = self._formed(random, wanted, self._sections(wanted, 0))
        elif wanted.bars is None:
            return self._any(random)
        else:
            found = self._of_length(random, wanted.bars)
        if found is None:
            return None
        like = self._any(random)
        return Outline(found, like.has_pickup, like.parts)

    def _sections(self, wanted: Wanted, begun: int) -> list[int]:
        typical = float(np.median(self.lengths)) if self else 16.0
        bars = None if wanted.bars is None else wanted.bars + begun
        if begun and bars is None and all(length is None for _, length in wanted.form):
            bars = begun * len(wanted.form)  # what there is, is the first section
        return Wanted(bars, wanted.form).sections(typical)

    def _any(self, random: np.random.Generator) -> Outline:
        return self.outlines[int(random.integers(len(self.outlines)))]

    def _of_length(self, random: np.random.Generator, bars: int) -> tuple[int, ...] | None:
        """The letters of so many bars: of a piece of that length, of a longer one, or of several; None for too many."""
        if bars > MOST_BARS:
            return None
        if len(fit := self._long_enough(0, bars)):
            return self.outlines[int(random.choice(fit))].letters[:bars]
        found: list[int] = []
        while len(found) < bars:
            found += _shifted(self._any(random).letters, max(found, default=-1) + 1)
        return tuple(found[:bars])

    def _formed(self, random: np.random.Generator, wanted: Wanted, lengths: Sequence[int]) -> tuple[int, ...]:
        """The letters of a form's sections, each section's own taken from a piece of the corpus."""
        of_letter: dict[str, tuple[int, ...]] = {}
        found: list[int] = []
        for (letter, _), bars in zip(wanted.form, lengths):
            known = of_letter.get(letter, ())
            if len(known) < bars:
                first = max([-1, *found, *known]) + 1
                more = self._of_length(random, bars - len(known)) or ()
                known = of_letter[letter] = (*known, *_shifted(more, first))
            found += known[:bars]
        return tuple(found)

    def _after(self, random: np.random.Generator, wanted: Wanted, begun: Outline) -> Outline | None:
        """An outline that begins with what there is.

        Of the pieces that are long enough one is taken whose first bars return as they do in what there is, as far as that
        can be; the bars that follow return to the same bars as there.
        """
        bars = len(begun.letters)
        total = None if wanted.bars is None else bars + wanted.bars
        if wanted.form:
            letters = _renamed(self._formed(random, wanted, self._sections(wanted, bars)), begun.letters)
        elif len(fit := self._long_enough(bars, total)):
            alike = np.array([_agreement(self.outlines[number], begun) for number in fit])
            like = self.outlines[int(random.choice(fit[alike == alike.max()]))]
            letters = _renamed(like.letters[:total], begun.letters)
        else:
            more = None if wanted.bars is None else self._of_length(random, wanted.bars)
            if more is None or bars + len(more) > MOST_BARS:
                return None
            letters = (*begun.letters, *_shifted(more, max(begun.letters) + 1))
        return Outline(letters, begun.has_pickup, begun.parts)

    def _long_enough(self, begun: int, total: int | None) -> Ints:
        """Numbers of the pieces that go on after so many bars, of that length in all if there are any, or else longer."""
        if total is None:
            return np.flatnonzero(self.lengths > begun)
        exact = np.flatnonzero(self.lengths == total)
        return exact if len(exact) else np.flatnonzero(self.lengths > total)


def _agreement(outline: Outline, begun: Outline) -> int:
    """In how many bars both return to the same bar."""
    return sum(a == b for a, b in zip(outline.sources, begun.sources))


def _shifted(letters: Sequence[int], first: int) -> tuple[int, ...]:
    return tuple(letter + first for letter in letters)


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
