"""No part has more notes at once than it has in the corpus: a bass plays one, a guitar six, two hands what they can."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from melody.piece import Ints
from melody.sampling.constraints.constraint import Constraint
from melody.sampling.constraints.joint_options import Options
from melody.sampling.constraints.music import NEVER, Event, Music
from melody.tokens.usage import FIRST_PART
from melody.tokens.vocabulary import DURATION


class HandsFull(Constraint):
    """A part begins no note while as many sound as it ever has at once, the next note of a chord included.

    Notes that are observed count, and break nothing. Where by the grammar alone nothing else could
    come any more, any note may.

    Parameters
    ----------
    most
        How many notes each part has at once, from 1, (parts,). Parts whose durations are implied have one anyway.
    hands
        At most how many a part of any stream has, of streams that go together; None for the largest of these.
    """

    may_dead_end: ClassVar[bool] = False
    per_stream: ClassVar[tuple[str, ...]] = ("_ends",)
    _ends: Ints

    def __init__(self, most: Sequence[int], hands: int | None = None) -> None:
        self._most = np.array(most, np.int64)
        self._hands = int(self._most.max(initial=1)) if hands is None else hands

    def needs_pitches(self, music: Music) -> bool:
        """As `Constraint.needs_pitches`."""
        return False

    def begin(self, streams: int) -> HandsFull:
        """As `Constraint.begin`."""
        made = super().begin(streams)
        hands = np.arange(self._hands)
        empty = np.where(hands < self._most[:, None], 0, NEVER)  # (parts, hands); those beyond are never free
        made._ends = np.repeat(empty[None], streams, axis=0)  # when each hand is free again
        return made

    def narrow(self, music: Music, options: Options) -> None:
        """As `Constraint.narrow`."""
        free = self._ends.min(axis=2)[:, None] <= music.ticks[:, :, None]  # (streams, times, parts)
        kinds, play, rest, _ = music.ahead
        goes_on = music.may_end | (play[:, -1] & free[:, -1]).any(axis=1)  # as nearly always: at the last of the times
        if not goes_on.all():
            goes_on |= kinds[:, :, :FIRST_PART].any(axis=(1, 2)) | (play & free | rest).any(axis=(1, 2))
            free |= ~goes_on[:, None, None]
        options.plays &= free

    def push(self, music: Music, event: Event) -> None:
        """As `Constraint.push`."""
        own = event.is_note & ~music.implied[event.part]
        streams, part = event.streams[own], event.part[own]
        hand = self._ends[streams, part].argmin(axis=1)
        self._ends[streams, part, hand] = event.tick[streams] + music.durations[event.rows[streams, DURATION]]
