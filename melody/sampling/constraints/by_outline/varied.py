"""No part plays one pitch more often in a row than in any piece of the corpus, bars that return after a new one counted.

A tune in which one does would be drawn again, and its outline may have that bar again and again: it is there to be changed.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from melody.piece import Ints
from melody.sampling.constraints.by_outline.outlined import ByOutline
from melody.sampling.constraints.music import Event, Music
from melody.tokens import Vocabulary
from melody.tokens.grammar import Mask
from melody.tokens.inputs.outlines.outline import PLAYING, RESTING, RETURNS, Outline
from melody.tokens.usage import FIRST_PART


class Varied(ByOutline):
    """The more bars come that return after a new one, or the oftener it comes at once again, the fewer times one pitch does.

    Parameters
    ----------
    outline, vocabulary
        As of `ByOutline`.
    most
        How often each part may play one pitch in a row, (parts,); infinite for as often as it likes.
    """

    per_stream: ClassVar[tuple[str, ...]] = (*ByOutline.per_stream, "_last", "_times", "_most")
    _last: Ints  # pitch of each part, -1 before its first note, (streams, parts)
    _times: Ints  # that it has come in a row
    _most: NDArray[np.object_]  # of each stream how often it may in each bar of its outline, (2 + bars, parts)

    def __init__(self, outline: Outline, vocabulary: Vocabulary, most: NDArray[np.float64]) -> None:
        super().__init__(outline, vocabulary)
        times = np.stack([_times(own) for own in self._plan.in_bars[:, :, 0].T], axis=1)
        self._in_bars = np.where(vocabulary.drums, np.inf, np.maximum(np.floor(most / times), 1))

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
        found: Mask | None = None
        bars = self._bar(music, music.ticks_of(time))
        for stream in np.flatnonzero(kind >= FIRST_PART).tolist():
            part, most = int(kind[stream]) - FIRST_PART, self._most[stream]
            if self._times[stream, part] >= most[min(bars[stream] + 1, len(most) - 1), part]:
                found = np.ones((len(kind), int(music.vocabulary.value_starts[-1])), bool) if found is None else found
                found[stream, music.vocabulary.first_pitch + self._last[stream, part]] = False
        return found

    def push(self, music: Music, event: Event) -> None:
        """As `Constraint.push`."""
        streams, part, pitch = event.tones
        for stream, own, tone in zip(streams.tolist(), part.tolist(), pitch.tolist()):
            self._times[stream, own] = self._times[stream, own] + 1 if self._last[stream, own] == tone else 1
            self._last[stream, own] = tone


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
