"""A part stays in the compass that it has in the piece of its outline, or a few semitones beside it in another key.

An instrument of a model has the compass of all that its corpus plays on it, a part of a piece two octaves of that. A bar
that comes again higher or lower leaves place for that.
"""

from __future__ import annotations

import numpy as np

from melody.piece import Ints
from melody.sampling.constraints.by_outline.outlined import ByOutline, goes_on_without
from melody.sampling.constraints.joint_options import Options
from melody.sampling.constraints.music import Music
from melody.tokens.grammar import Mask
from melody.tokens.usage import FIRST_PART


class InCompass(ByOutline):
    """No note of a part above its highest or below its lowest, as far as these are known, before the last bar."""

    def look_ahead(self, music: Music, options: Options) -> None:
        """As `Constraint.look_ahead`: at its highest note a part adds none to its chord."""
        standing, now = music.standing, music.now_index
        streams = np.flatnonzero((standing.kind >= FIRST_PART) & (standing.value >= music.vocabulary.first_pitch))
        if now < 0 or not len(streams):
            return
        bars = self._bar(music, standing.tick)
        for stream in streams.tolist():
            part = int(standing.kind[stream]) - FIRST_PART
            compass = self._plans[stream].compass_in(part, bars[stream])
            is_full = compass is not None and int(standing.value[stream]) - music.vocabulary.first_pitch >= compass[1]
            if is_full and options.plays[stream, now, part] and goes_on_without(options, stream, now, part):
                options.plays[stream, now, part] = False

    def values(self, music: Music, time: Ints, kind: Ints) -> Mask | None:
        """As `Constraint.values`."""
        found: Mask | None = None
        bars, first = self._bar(music, music.ticks_of(time)), music.vocabulary.first_pitch
        for stream in np.flatnonzero(kind >= FIRST_PART).tolist():
            if compass := self._plans[stream].compass_in(int(kind[stream]) - FIRST_PART, bars[stream]):
                found = np.ones((len(kind), int(music.vocabulary.value_starts[-1])), bool) if found is None else found
                found[stream, first : first + compass[0]] = False
                found[stream, first + compass[1] + 1 :] = False
        return found
