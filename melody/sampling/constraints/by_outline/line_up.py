"""Only the parts of a line-up play, and only the drums of its kit: a piece has those that it has, not all of its model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from melody.piece import Ints
from melody.sampling.constraints.constraint import Constraint
from melody.sampling.constraints.frame import SomeValues
from melody.sampling.constraints.joint_options import Options
from melody.sampling.constraints.music import Music
from melody.tokens import Vocabulary
from melody.tokens.grammar import Mask
from melody.tokens.usage import FIRST_PART
from melody.tokens.vocabulary import VALUE


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


class Kit(SomeValues):
    """No stroke on a drum that is not in the kit, as far as there is any in it.

    Parameters
    ----------
    vocabulary
        Of the events.
    drums
        MIDI pitches; empty for all.
    """

    gives_way: ClassVar[bool] = True

    def __init__(self, vocabulary: Vocabulary, drums: Sequence[int]) -> None:
        allowed = np.ones(vocabulary.sizes[VALUE], bool)
        if drums:
            pitches = vocabulary.pitches[0] + np.arange(vocabulary.num_pitches)
            allowed[vocabulary.first_pitch :] = np.isin(pitches, drums)
        super().__init__(allowed)
        self._drums = np.append(np.zeros(FIRST_PART, bool), vocabulary.drums)  # by kind

    def narrow(self, music: Music, options: Options) -> None:
        """As `Constraint.narrow`: at the highest drum of the kit no other can be added."""
        standing, now = music.standing, music.now_index
        streams = np.flatnonzero((standing.value >= 0) & self._drums[np.maximum(standing.kind, 0)])
        if now < 0 or not len(streams):
            return
        above = np.arange(self._values.shape[1]) > standing.value[streams, None]
        full = streams[~(self._values[streams] & above).any(axis=1)]
        goes_on = options.ends[full] | (options.plays[full, -1] | options.rests[full, -1]).any(axis=1)
        options.plays[full[goes_on], now, standing.kind[full[goes_on]] - FIRST_PART] = False

    def values(self, music: Music, time: Ints, kind: Ints) -> Mask:
        """As `Constraint.values`."""
        return np.asarray(self._values | ~self._drums[kind][:, None])
