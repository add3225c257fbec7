"""Drums are struck where they are as a rule: where a kit plays something new its snare has the beats of the outline's."""

from __future__ import annotations

import numpy as np

from melody.piece import Ints
from melody.sampling.constraints.by_outline.outlined import ByOutline, goes_on_without
from melody.sampling.constraints.joint_options import Options
from melody.sampling.constraints.music import Music
from melody.tokens.grammar import Mask
from melody.tokens.inputs.outlines.outline import PLAYING
from melody.tokens.usage import FIRST_PART


class Struck(ByOutline):
    """In a new bar of a kit, before the last one, each drum is struck in places of its grid alone."""

    def look_ahead(self, music: Music, options: Options) -> None:
        """As `Constraint.look_ahead`: no more strokes above the highest drum that there is in a place."""
        standing, now = music.standing, music.now_index
        part = np.maximum(standing.kind - FIRST_PART, 0)
        streams = np.flatnonzero((standing.kind >= FIRST_PART) & music.drums[part] & (standing.value >= 0))
        if now < 0 or not len(streams):
            return
        struck = standing.value - music.vocabulary.first_pitch
        place, is_new = music.position_of(standing.tick[:, None])[:, 0], self._is_new(music, part, standing.tick)
        for stream in streams[is_new[streams]].tolist():
            above = self._plans[stream].grids.drums(int(place[stream]))[max(int(struck[stream]) + 1, 0) :]
            own = int(part[stream])
            if not above.any() and goes_on_without(options, stream, now, own):
                options.plays[stream, now, own] = False

    def values(self, music: Music, time: Ints, kind: Ints) -> Mask | None:
        """As `Constraint.values`."""
        part = np.maximum(kind - FIRST_PART, 0)
        streams = np.flatnonzero((kind >= FIRST_PART) & music.drums[part])
        if not len(streams):
            return None
        tick, first = music.ticks_of(time), music.vocabulary.first_pitch
        place, is_new = music.position_of(tick[:, None])[:, 0], self._is_new(music, part, tick)
        found = np.ones((len(kind), int(music.vocabulary.value_starts[-1])), bool)
        for stream in streams[is_new[streams]].tolist():
            found[stream, first:] = self._plans[stream].grids.drums(int(place[stream]))
        return found

    def _is_new(self, music: Music, part: Ints, tick: Ints) -> Mask:
        """Which part of each stream plays something new at that tick, before the last bar, (streams,)."""
        return np.asarray((self._plays(music, part, tick)[:, 0] == PLAYING) & ~self._in_last_bar(music))
