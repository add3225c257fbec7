"""Which parts play in a new piece: those that play together in a piece of the corpus, or in the music that is gone on with.

Instruments that are asked for come first: of the corpus's line-ups those that have most of them are taken, without their
other instruments; one that is in none of them is added, by the part of it that plays in most pieces.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from melody.limits import Limits
from melody.sampling.outlines.corpus_outlines import CorpusOutlines
from melody.tokens import Vocabulary
from melody.tokens.grammar import Mask


class LineUps:
    """Who may play.

    Parameters
    ----------
    vocabulary
        Its parts, by the names that they go by: in a continuation those of the prompt's own instruments.
    outlines
        Of the corpus, which say who plays together; without any there are no line-ups, and all parts may play.
    limits
        The instruments that are asked for, and whether some part is needed that is no drum kit.
    begun
        Who plays already, (parts,), if music is gone on with: nobody else joins in but an instrument that is asked for.
    """

    def __init__(self, vocabulary: Vocabulary, outlines: CorpusOutlines, limits: Limits, begun: Mask | None = None) -> None:
        self._drums = vocabulary.drums
        self._asked = [np.array([i.plays(part) for part in vocabulary.parts]) for i in limits.instruments]
        self._needs_tones = bool(limits.notes or limits.range or limits.chords or limits.end_on_tonic)
        known = _line_ups(outlines, len(self._drums))
        self._pieces: NDArray[np.int64] = known.sum(axis=0)  # in how many each part plays
        self._known = [begun] if begun is not None else list(known[self._have_tones(known)])
        self._known = self._known if outlines else []
        self._keeps_any = not np.all(self._known)

    def __bool__(self) -> bool:
        """Whether anybody is ever kept from playing."""
        return self._keeps_any

    def of(self, parts: Sequence[int], random: np.random.Generator) -> Mask:
        """Who may play in a piece, (parts,).

        Parameters
        ----------
        parts
            Numbers of those that play in the piece that its outline is from; they do if they are what is asked for.
        random
            To draw another line-up of the corpus by, if they are not.
        """
        own = np.isin(np.arange(len(self._drums)), list(parts))
        best = max((self._instruments(mask) for mask in self._known), default=0)
        if len(self._known) == 1 or not self._have_tones(own) or self._instruments(own) < best:
            fit = [mask for mask in self._known if self._instruments(mask) == best]
            own = fit[int(random.integers(len(fit)))] if fit else np.ones_like(self._drums)
        if not self._asked:
            return own
        missing = [asked for asked in self._asked if not (own & asked).any()]
        found: Mask = own & np.logical_or.reduce(self._asked)
        found[[int(np.where(asked, self._pieces, -1).argmax()) for asked in missing]] = True
        return found

    def _instruments(self, mask: Mask) -> int:
        """How many of the instruments that are asked for play there."""
        return sum(bool((mask & asked).any()) for asked in self._asked)

    def _have_tones(self, masks: Mask) -> Mask:
        """Whether in each line-up, (..., parts), somebody plays whom the limits need, (...)."""
        needed = ~self._drums if self._needs_tones else np.ones_like(self._drums)
        return np.asarray((masks & needed).any(axis=-1))


def _line_ups(outlines: CorpusOutlines, parts: int) -> Mask:
    """Who plays in each piece of the corpus, (pieces, parts); all do in one of which that is not known."""
    known = np.zeros((len(outlines.outlines), parts), bool)
    plays = [(piece, part) for piece, outline in enumerate(outlines.outlines) for part in outline.parts if part < parts]
    if plays:
        known[tuple(np.array(plays).T)] = True
    known[~known.any(axis=1)] = True
    return known
