"""Where the tunes of one request begin: each from an outline of its own, which all its tries share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from melody.limits import Limits
from melody.sampling.constraints.by_outline.hands_full import HandsFull
from melody.sampling.constraints.by_outline.in_compass import InCompass
from melody.sampling.constraints.by_outline.in_shape import InShape
from melody.sampling.constraints.by_outline.last_onset import LastOnset
from melody.sampling.constraints.by_outline.line_up import Kit, LineUp
from melody.sampling.constraints.by_outline.outlined import Plan
from melody.sampling.constraints.by_outline.planned import Planned
from melody.sampling.constraints.by_outline.struck import Struck
from melody.sampling.constraints.by_outline.varied import Varied
from melody.sampling.constraints.constraint import Constraint
from melody.sampling.constraints.frame import InFrame
from melody.sampling.constraints.music import NEVER
from melody.sampling.decoder import Frontier
from melody.sampling.outlines.casting import played_by
from melody.sampling.outlines.corpus_outlines import CorpusOutlines, Turn
from melody.sampling.outlines.forms import Wanted
from melody.sampling.outlines.line_ups import LineUps
from melody.sampling.settings import SamplingSettings
from melody.tokens import Vocabulary
from melody.tokens.grammar import Mask
from melody.tokens.inputs.outlines.outline import NO_CLOSE, Outline

_KEPT = 256  # tunes whose start is remembered


class Starts:
    """Where each tune begins, by its number.

    Parameters
    ----------
    begin
        Gives the start, one stream, of a piece with that outline and under those constraints.
    outlines
        Of the corpus.
    settings
        Their form, and the seed of their draws: that of tune 7 is the same whichever others are made.
    limits
        Of which the bars, None for as many as the form has, or the corpus, and what mode and metre may be are looked at.
    vocabulary
        Of the events.
    begun
        What there is of the piece already, if it is gone on with.
    line_ups
        Who may play; None for all.
    most_in_a_row
        How often each part may play one pitch in a row, (parts,); None for as often as it likes.
    """

    def __init__(
        self,
        begin: Callable[[Outline | None, Sequence[Constraint]], Frontier],
        outlines: CorpusOutlines,
        settings: SamplingSettings,
        limits: Limits,
        vocabulary: Vocabulary,
        begun: Outline | None = None,
        line_ups: LineUps | None = None,
        most_in_a_row: NDArray[np.float64] | None = None,
    ) -> None:
        self._most_in_a_row = most_in_a_row
        self._begin, self._outlines, self._seed, self._begun = begin, outlines, settings.seed, begun
        self._vocabulary, self._line_ups, self._parts = vocabulary, line_ups, np.arange(len(vocabulary.parts))
        self._wanted = Wanted.of(limits, settings.form, vocabulary)
        self._kept: dict[int, Frontier] = {}
        self._known: dict[int, Outline | None] = {}  # outlines of the latest tunes, which whoever judges a try asks for

    @property
    def bars(self) -> int | None:
        """How many bars are new; None for as many as the model wants.

        Raises
        ------
        SamplingError
            If the model has not learnt forms, or the form does not fit the bars or what there is already.
        """
        return self._outlines.bars_of(self._wanted, len(self._begun.letters) if self._begun else 0)

    def outline(self, number: int) -> Outline | None:
        """The outline of a tune, with its line-up; None if the corpus has none."""
        if number not in self._known:
            if len(self._known) >= _KEPT:
                del self._known[next(iter(self._known))]
            self._known[number] = self._draw(number)
        return self._known[number]

    def _draw(self, number: int) -> Outline | None:
        random = np.random.default_rng([self._seed, number, 0, 1])
        found = self._outlines.sampled(random, self._wanted, self._begun, Turn(self._seed, number))
        if found is None:
            return None
        parts = np.flatnonzero(self._playing(number, found.parts)).tolist()
        return played_by(found, parts, self._vocabulary.drums.tolist())

    def _playing(self, number: int, parts: Sequence[int]) -> Mask:
        """Who plays in a tune whose outline has those parts, (parts,)."""
        if not self._line_ups:
            return np.isin(self._parts, parts)
        return self._line_ups.of(parts, np.random.default_rng([self._seed, number, 0, 2]))

    def constraints(self, number: int, outline: Outline | None) -> list[Constraint]:
        """That only the line-up of a tune plays, with its drums, and that it keeps to its outline, mode and metre."""
        found: list[Constraint] = []
        if self._line_ups:
            playing = self._playing(number, ()) if outline is None else np.isin(self._parts, outline.parts)
            found.append(LineUp(playing))
        if self._begun is None and outline is not None and self._vocabulary.is_chordal:
            found.append(Kit(self._vocabulary, outline.kit))
        if outline is not None and outline.players:
            plan = Plan.of(outline, self._vocabulary)
            found += [Planned(plan), Struck(plan), InShape(plan), InCompass(plan)]
            found += [] if self._most_in_a_row is None else [Varied(plan, self._most_in_a_row)]
        if self._begun is None and outline is not None and (outline.hands or outline.players):
            found += [self._hands(outline), LastOnset(outline, self._vocabulary)]
        if self._begun is None and outline is not None and outline.harmony:
            found.append(InFrame(self._vocabulary, outline.frame))
        return found

    def _hands(self, outline: Outline) -> HandsFull:
        """That no part has more notes at once, or farther apart, than in the piece that the outline is from."""
        known, most, parts = dict(zip(outline.parts, outline.hands)), self._outlines.most_at_once, range(len(self._parts))
        reach, lets_go = dict(zip(outline.parts, outline.reach)), dict(zip(outline.parts, outline.lets_go))
        return HandsFull(
            [known.get(part, 0) or most for part in parts],
            most,
            [reach.get(part, NEVER) for part in parts],
            [lets_go.get(part, False) for part in parts],
        )

    def endless(self) -> Frontier:
        """Where music begins that has no end, and so no outline but a line-up, a mode and a metre."""
        outline = self.outline(0)
        return self._begin(None, self.constraints(0, outline and replace(outline, players=(), close=NO_CLOSE)))

    def __call__(self, number: int) -> Frontier:
        """Where a tune begins, one stream."""
        number = number if self._outlines or self._line_ups else 0  # all the same
        if number not in self._kept:
            if len(self._kept) >= _KEPT:
                del self._kept[next(iter(self._kept))]
            outline = self.outline(number)
            self._kept[number] = self._begin(outline, self.constraints(number, outline))
        return self._kept[number].take(np.zeros(1, np.int64))
