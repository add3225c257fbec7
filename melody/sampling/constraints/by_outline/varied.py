"""No part plays one pitch more often in a row than in any piece of the corpus, bars that return after a new one counted.

A tune in which one does would be drawn again, and its outline may have that bar again and again: it is there to be changed.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from melody.piece import Ints
from melody.sampling.constraints.by_outline.outlined import ByOutline, Plan, with_pitches
from melody.sampling.constraints.music import Event, Music
from melody.tokens.grammar import Mask
from melody.tokens.inputs.outlines.outline import PLAYING, RESTING, RETURNS
from melody.tokens.usage import FIRST_PART


class Varied(ByOutline):
    """The more bars come that return after a new one, or the oftener it comes at once again, the fewer times one pitch does.

    Parameters
    ----------
    plan
        As of `ByOutline`.
    most
        How often each part may play one pitch in a row, (parts,); infinite for as often as it likes. Drums are not counted.
    """

    per_stream: ClassVar[tuple[str, ...]] = (*ByOutline.per_stream, "_last", "_times", "_most")
    _last: Ints  # pitch of each part, -1 before its first note, (streams, parts)
    _times: Ints  # that it has come in a row
    _most: NDArray[np.object_]  # of each stream how often it may in each bar of its outline, (2 + bars, parts)

    def __init__(self, plan: Plan, most: NDArray[np.float64]) -> None:
        super().__init__(plan)
        times = np.stack([_times(own) for own in self._plan.in_bars[:, :, 0].T], axis=1)
        self._in_bars = np.maximum(np.floor(most / times), 1)

    def begin(self, streams: int) -> Varied:
        """As `Constraint.begin`."""
        made = super().begin(streams)
        shape = streams, self._in_bars.shape[1]
        made._last, made._times = np.full(shape, -1), np.zeros(shape, np.int64)
        made._most = np.empty(streams, object)
        for stream in range(streams):
            made._most[stream] = self._in_bars
        return made

    def values(self, music: Music, time: Ints, kind: Ints) -> Mask | None:
        """As `Constraint.values`."""
        bars, pitches = self._bar(music, music.ticks_of(time)), np.arange(music.vocabulary.num_pitches)
        last = ((stream, int(kind[stream]) - FIRST_PART) for stream in np.flatnonzero(kind >= FIRST_PART).tolist())
        often = ((stream, part) for stream, part in last if self._is_enough(stream, part, bars[stream]))
        return with_pitches(music, ((stream, pitches != self._last[stream, part]) for stream, part in often))

    def _is_enough(self, stream: int, part: int, bar: int) -> bool:
        """Whether a part has played its last pitch as often in a row as it may in that bar."""
        most = self._most[stream]
        return bool(self._times[stream, part] >= most[min(bar + 1, len(most) - 1), part])

    def push(self, music: Music, event: Event) -> None:
        """As `Constraint.push`."""
        streams, part, pitch = event.tones
        at = streams, part
        self._times[at] = np.where(self._last[at] == pitch, self._times[at], 0) + 1
        self._last[at] = pitch


def _times(does: Ints) -> Ints:
    """Of what one part does in each bar, the pick-up's first: 1 + the returning bars up to the next new one.

    Or how often that very bar comes one after another, wherever that is, if that is more. Rests do not count.
    """
    followed, of, streaks, before = np.ones(len(does), np.int64), np.arange(len(does)), dict[int, int](), (-1, 0)
    for bar in range(len(does) - 2, -1, -1):
        if does[bar + 1] >= RETURNS or does[bar + 1] == RESTING:
            followed[bar] = followed[bar + 1] + int(does[bar + 1] >= RETURNS)
    for bar in np.flatnonzero(does >= PLAYING).tolist():
        of[bar] = of[does[bar] - RETURNS + 1] if does[bar] >= RETURNS else bar
        before = int(of[bar]), before[1] + 1 if before[0] == of[bar] else 1
        streaks[before[0]] = max(streaks.get(before[0], 1), before[1])
    return np.maximum(followed, [streaks.get(int(first), 1) for first in of])
