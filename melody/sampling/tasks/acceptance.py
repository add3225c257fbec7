"""What a tune that has been drawn is worth: whether it is kept, or drawn again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from melody.limits import Limits
from melody.piece import Piece
from melody.sampling.loaded import Source
from melody.sampling.quality import (
    LOOPS,
    NO_BAR_LINE,
    NO_END,
    NO_TONIC,
    ONE_PITCH,
    closes,
    faults,
    loop_from,
    loops,
    run_from,
)
from melody.sampling.search import Search
from melody.sampling.settings import SamplingSettings
from melody.sampling.strategies.ancestral import Sample
from melody.sampling.strategies.rejection import FAULTY, Worth
from melody.tokens.inputs.outlines.outline import Outline
from melody.tokens.vocabulary import END, TIME, Rows

TOO_SOON = "ends sooner than the pieces of the corpus"
_LEAST = 0.2  # probability of an ending after an exact number of bars, for the model to be at one with it

_LEAST_BARS, _CLOSE = 8, 4  # bars that a tune keeps if it is made shorter, and in which a close is looked for


@dataclass(frozen=True)
class Acceptance:
    """What is wrong with what a model has drawn.

    Parameters
    ----------
    source
        Which model.
    search, settings
        How it is drawn: where the best of many are wanted only loops are drawn again, without chance and where any ending is
        taken nothing is.
    limits
        What it keeps to: chords say themselves on which it closes.
    piece_of
        A sample as music, with what stands before it, and the tick where it begins.
    outline_of
        The outline of the tune of a number.
    as_new
        Whether it is a tune of its own: where the number of bars is given, it is worth the more, up to a point, the likelier
        the model would have ended it there, if its outline does not say how it closes.
    """

    source: Source
    search: Search
    settings: SamplingSettings
    limits: Limits
    piece_of: Callable[[Sample], tuple[Piece, int]]
    outline_of: Callable[[int], Outline | None] = lambda _: None
    as_new: bool = False

    @property
    def worth(self) -> Worth | None:
        """What a sample is worth, 0 to 1; None if all are worth the same."""
        if self.settings.any_ending or self.settings.temperature == 0 or self.search.beam is not None:
            return None
        return self._without_loops if self.search.ranks else self._well_made

    @property
    def weighs_ending(self) -> bool:
        """Whether a tune is worth the more, the likelier the model would have ended it where it ends."""
        return self.as_new and self.limits.bars is not None and self.worth is not None and not self.search.ranks

    @property
    def endless_from(self) -> NDArray[np.float64] | None:
        """How often each part of the model may play one pitch in a row before the tune is broken off.

        None where it is not: a tune whose length is given ends anyway.
        """
        most = self.source.prior.most_in_a_row
        return None if self.worth is None or self.limits.bars is not None or np.isinf(most).all() else most

    @property
    def stuck_from(self) -> Callable[[Rows], int | None] | None:
        """Gives the bar from which a tune, or its beginning, stands still for too long; None if that is not asked.

        Where its length is given, also that from which one or two bars sound over and over, or one pitch does: it is not
        broken off there, but gone on with from before that.
        """
        asked = (
            frozenset((LOOPS, ONE_PITCH)) - self.source.fault_shares.mostly if self.limits.bars is not None else frozenset()
        )
        if self.worth is None or (self.source.patience == NO_END and not asked):
            return None

        def found(rows: Rows) -> int | None:
            piece, start = self.piece_of(Sample(rows, float("nan"), 0.0))
            stretch, new = self.source.patience.exceeded(piece, start), piece.select(piece.onset >= start)
            loop = loop_from(new) if LOOPS in asked else None
            run = run_from(new, self.source.prior.in_a_row_of(self.source.vocabulary, new)) if ONE_PITCH in asked else None
            return min((bar for bar in (stretch and stretch.first, loop, run) if bar is not None), default=None)

        return found

    def faults(self, sample: Sample) -> tuple[str, ...]:
        """What is wrong with it, but for what most of the corpus does, and for how this tune may end as some of it do."""
        return self._faults_of(sample, *self.piece_of(sample), ended=has_ended(sample))

    def _faults_of(self, sample: Sample, piece: Piece, start: int, *, ended: bool) -> tuple[str, ...]:
        """The same of what is made of it."""
        outline = self.outline_of(sample.number) if self.settings.form else None
        found = faults(
            piece,
            ended=ended,
            start=start,
            most_in_a_row=self.source.prior.in_a_row_of(self.source.vocabulary, piece),
            any_close=bool(self.limits.chords),
            letters=outline.letters if outline else (),
            patience=self.source.patience,
        )
        is_free = self.as_new and self.limits.bars is None and not self.settings.max_notes
        if is_free and piece.num_bars < self.source.prior.shortest:
            found = (*found, TOO_SOON)
        allowed = self.source.allowed_faults(self.settings, sample.number)
        if self._close_is_planned(sample):
            allowed |= {NO_TONIC, NO_BAR_LINE}
        return tuple(fault for fault in found if fault not in allowed)

    def shortened(self, sample: Sample, piece: Piece) -> Piece | None:
        """The piece up to where it stands still, or a few bars less if it closes there; None if it is to stay as it is.

        It does if it does not stand still, if its length is given, or if less than half of it would be left, by its outline,
        or less than eight bars.
        """
        outline = self.outline_of(sample.number)
        least = max(_LEAST_BARS, len(outline.letters) // 2 if outline else 0)
        if sample.stuck is None or self.limits.bars is not None or sample.stuck < least:
            return None
        starts = piece.bar_starts()
        cuts = [piece.slice(0, int(starts[bar])) for bar in range(sample.stuck, max(least, sample.stuck - _CLOSE) - 1, -1)]
        return next((cut for cut in cuts if closes(cut)), cuts[0])

    def left(self, sample: Sample, short: Piece | None = None) -> tuple[str, ...]:
        """What is wrong with one that is given, or is made shorter, though it is not well made, since none drawn was."""
        if self.search.ranks or self.worth is None or (self.settings.max_notes and not has_ended(sample)):
            return ()
        found = self.faults(sample) if short is None else self._faults_of(sample, short, 0, ended=True)
        better = f"none of {sample.tries} drawn was better" if sample.tries > 1 else "it is too long to be drawn again"
        return (f"{' and '.join(found)}: {better}",) if found else ()

    def _without_loops(self, sample: Sample) -> float:
        piece, start = self.piece_of(sample)
        return float(not loops(piece.select(piece.onset >= start)))

    def _well_made(self, sample: Sample) -> float:
        if self.limits.bars is not None and not has_ended(sample):
            return 0.0  # one that has all its bars is there
        if found := self.faults(sample):
            return FAULTY / len(found)
        if not self.weighs_ending or self._close_is_planned(sample):
            return 1.0
        return min(float(np.exp(-sample.ending_nats)) / _LEAST, 1.0)

    def _close_is_planned(self, sample: Sample) -> bool:
        """Whether it is for the outline to say how a tune closes."""
        outline = self.outline_of(sample.number) if self.as_new else None
        return outline is not None and bool(outline.close.chord)


def has_ended(sample: Sample) -> bool:
    """Whether the model ended it; it was broken off otherwise."""
    return bool(len(sample.rows)) and bool(sample.rows[-1, TIME] == END)
