"""What a tune that has been drawn is worth: whether it is kept, or drawn again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from melody.limits import Limits
from melody.piece import Piece
from melody.sampling.loaded import LONGEST, Source
from melody.sampling.quality import MOST_IN_A_ROW, faults, loops
from melody.sampling.search import Search
from melody.sampling.settings import SamplingSettings
from melody.sampling.strategies.ancestral import Sample
from melody.sampling.strategies.rejection import TRIES, Worth
from melody.tokens.inputs.outline import Outline
from melody.tokens.vocabulary import END, TIME

_LEAST = 0.2  # probability of an ending after an exact number of bars, for the model to be at one with it


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
        the model would have ended it there.
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

    def faults(self, sample: Sample) -> tuple[str, ...]:
        """What is wrong with it; a part may play one pitch as often in a row as the corpus has it."""
        piece, start = self.piece_of(sample)
        most = max(self.source.prior.longest_run, MOST_IN_A_ROW)
        outline = self.outline_of(sample.number) if self.settings.form else None
        return faults(
            piece,
            ended=has_ended(sample),
            start=start,
            most_in_a_row=most,
            any_close=bool(self.limits.chords),
            letters=outline.letters if outline else (),
        )

    def left(self, sample: Sample) -> tuple[str, ...]:
        """What is wrong with one that is given though it is not well made, since none of those drawn was."""
        if self.search.ranks or self.worth is None or not has_ended(sample) or _is_endless(sample):
            return ()
        found = self.faults(sample)
        return (f"{' and '.join(found)}: none of {TRIES} drawn was better",) if found else ()

    def _without_loops(self, sample: Sample) -> float:
        piece, start = self.piece_of(sample)
        return float(_is_endless(sample) or not loops(piece.select(piece.onset >= start)))

    def _well_made(self, sample: Sample) -> float:
        if _is_endless(sample):
            return 1.0
        if self.faults(sample):
            return 0.0
        if not self.as_new or self.limits.bars is None:
            return 1.0
        last_note = int(np.flatnonzero(self.source.vocabulary.is_note(sample.rows))[-1])
        ending = self.source.decoder.score([sample.rows], self.outline_of(sample.number))[0, last_note + 1 :]
        return min(float(np.exp(-ending.sum())) / _LEAST, 1.0)


def has_ended(sample: Sample) -> bool:
    """Whether the model ended it; it was broken off otherwise."""
    return bool(len(sample.rows)) and bool(sample.rows[-1, TIME] == END)


def _is_endless(sample: Sample) -> bool:
    """Whether it is so long that it is taken as it is: another would take as long again, and end no better."""
    return len(sample.rows) >= LONGEST
