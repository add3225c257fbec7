"""Drums are struck where they are as a rule: where a kit plays something new its snare has the beats of the outline's."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from melody.piece import Ints
from melody.sampling.constraints.by_outline.outlined import ByOutline, add_none, with_pitches
from melody.sampling.constraints.joint_options import Options
from melody.sampling.constraints.music import Music
from melody.tokens.grammar import Mask
from melody.tokens.inputs.outlines.outline import PLAYING
from melody.tokens.usage import FIRST_PART


class Struck(ByOutline):
    """In a new bar of a kit, before the last one, each drum is struck in places of its grid alone."""

    def look_ahead(self, music: Music, options: Options) -> None:
        """As `Constraint.look_ahead`: no more strokes above the highest drum that there is in a place."""
        standing, first = music.standing, music.vocabulary.first_pitch
        for stream, part, place in self._new_bars(music, standing.kind, standing.tick):
            struck = int(standing.value[stream]) - first
            if struck >= 0 and music.now_index >= 0 and not self._plans[stream].grids.drums(place)[struck + 1 :].any():
                add_none(music, options, stream, part)

    def values(self, music: Music, time: Ints, kind: Ints) -> Mask | None:
        """As `Constraint.values`."""
        new_bars = self._new_bars(music, kind, music.ticks_of(time))
        return with_pitches(music, ((stream, self._plans[stream].grids.drums(place)) for stream, _, place in new_bars))

    def _new_bars(self, music: Music, kind: Ints, tick: Ints) -> Iterator[tuple[int, int, int]]:
        """The streams in which that kind is a kit that plays something new at that tick, before the last bar.

        With the number of the kit and the place in the bar.
        """
        part = np.maximum(kind - FIRST_PART, 0)
        streams = np.flatnonzero((kind >= FIRST_PART) & music.drums[part])
        if len(streams):
            is_new = (self._plays(music, part, tick)[:, 0] == PLAYING) & ~self._in_last_bar(music)
            place = music.position_of(tick[:, None])[:, 0]
            for stream in streams[is_new[streams]].tolist():
                yield stream, int(part[stream]), int(place[stream])
