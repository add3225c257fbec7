"""Only the parts of a line-up play: a piece of a band has the parts that it has, not all that its model knows."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from melody.sampling.constraints.constraint import Constraint
from melody.sampling.constraints.joint_options import Options
from melody.sampling.constraints.music import Music
from melody.tokens.grammar import Mask
from melody.tokens.usage import FIRST_PART


class LineUp(Constraint):
    """No note by a part that is not in the line-up.

    Parts may rest that are not: a player's, in live music. Where by the grammar alone no part of the line-up can go on and
    the music cannot end either, any part may.

    Parameters
    ----------
    plays
        Which parts may, (parts,); each stream has a line-up of its own once streams of others are put among them.
    """

    follows: ClassVar[bool] = False
    may_dead_end: ClassVar[bool] = False
    per_stream: ClassVar[tuple[str, ...]] = ("_plays",)
    _plays: Mask

    def __init__(self, plays: Mask) -> None:
        self._line_up = plays

    def needs_pitches(self, music: Music) -> bool:
        """As `Constraint.needs_pitches`."""
        return False

    def begin(self, streams: int) -> LineUp:
        """As `Constraint.begin`."""
        made = super().begin(streams)
        made._plays = np.repeat(self._line_up[None], streams, axis=0)  # (streams, parts)
        return made

    def narrow(self, music: Music, options: Options) -> None:
        """As `Constraint.narrow`."""
        ahead = music.ahead.kinds
        goes_on = music.may_end | (ahead[:, -1, FIRST_PART:] & self._plays).any(axis=1)  # as nearly always: at the last time
        if not goes_on.all():
            goes_on |= ahead[:, :, :FIRST_PART].any(axis=(1, 2))
            goes_on |= (ahead[:, :, FIRST_PART:] & self._plays[:, None]).any(axis=(1, 2))
        plays = self._plays | ~goes_on[:, None]
        options.plays &= plays[:, None]
        options.players = plays if options.players is None else options.players & plays
