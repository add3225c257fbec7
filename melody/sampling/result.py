"""`Result`: what every task gives."""

from __future__ import annotations

from dataclasses import dataclass, replace

from melody.piece import Piece


@dataclass(frozen=True)
class Result:
    """Music that a model has made, and what is known of it.

    Parameters
    ----------
    piece
        The whole of it, old and new.
    first_tick, last_tick
        The new notes begin in [first_tick, last_tick), ticks of `piece`; None for up to its end.
    parts
        Numbers of the parts of `piece` that may have new notes; None for all of them, () if nothing could be written.
    first_bar
        The tick where the first of the bars that were asked for begins; None if none were.
    removed
        The share of probability that limits took away, the mean over all tokens; 0 without limits.
    nats
        Negative log likelihood of the new notes, rests and end, a note; NaN if it was not asked for.
    faults
        What is wrong with it, see `melody.sampling.quality`: if the best of many were wanted, or nothing better was drawn.
    remarks
        Plain sentences on how it came to be, and on what the model reads otherwise than it stands there.
    seed
        The random number that it was drawn with.
    number
        Which one of several new tunes it is, from 0.
    """

    piece: Piece
    first_tick: int = 0
    last_tick: int | None = None
    parts: tuple[int, ...] | None = None
    first_bar: int | None = None
    removed: float = 0.0
    nats: float = float("nan")
    faults: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    seed: int = 0
    number: int = 0

    def with_text(self, text: str) -> Result:
        """The same with one more text in its piece."""
        return replace(self, piece=replace(self.piece, texts=(*self.piece.texts, text)))
