"""A part stays in the compass that it has in the piece of its outline, or a few semitones beside it in another key.

An instrument of a model has the compass of all that its corpus plays on it, a part of a piece two octaves of that. A bar
that comes again higher or lower leaves place for that.
"""

from __future__ import annotations

import numpy as np

from melody.piece import Ints
from melody.sampling.constraints.by_outline.outlined import ByOutline, add_none, begun_now, with_pitches
from melody.sampling.constraints.joint_options import Options
from melody.sampling.constraints.music import Music
from melody.tokens.grammar import Mask
from melody.tokens.usage import FIRST_PART


class InCompass(ByOutline):
    """No note of a part above its highest or below its lowest, as far as these are known, before the last bar."""

    def look_ahead(self, music: Music, options: Options) -> None:
        """As `Constraint.look_ahead`: at its highest note a part adds none to its chord."""
        bars, first = self._bar(music, music.standing.tick), music.vocabulary.first_pitch
        for stream, part in begun_now(music):
            compass = self._plans[stream].compass_in(part, bars[stream])
            if compass and music.standing.value[stream] - first >= compass[1]:
                add_none(music, options, stream, part)

    def values(self, music: Music, time: Ints, kind: Ints) -> Mask | None:
        """As `Constraint.values`."""
        bars, pitches = self._bar(music, music.ticks_of(time)), np.arange(music.vocabulary.num_pitches)
        known = (
            (stream, self._plans[stream].compass_in(int(kind[stream]) - FIRST_PART, bars[stream]))
            for stream in np.flatnonzero(kind >= FIRST_PART).tolist()
        )
        return with_pitches(music, ((at, (of[0] <= pitches) & (pitches <= of[1])) for at, of in known if of))
