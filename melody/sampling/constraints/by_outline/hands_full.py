"""No part has more notes at once, or farther apart, than in the corpus: a bass one, a guitar six, a hand what it can."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from melody.piece import Ints
from melody.sampling.constraints.constraint import Constraint
from melody.sampling.constraints.joint_options import Options
from melody.sampling.constraints.music import NEVER, Event, Music
from melody.tokens.grammar import Mask
from melody.tokens.usage import FIRST_PART
from melody.tokens.vocabulary import DURATION, KIND, TIME, VALUE, Rows


class HandsFull(Constraint):
    """A part begins no note while as many sound as it ever has at once, and no chord wider than it can reach.

    A stroke on a drum occupies a hand while it is struck. Notes that are observed count, and break nothing. Where by the
    grammar alone nothing else could come any more, any note may.

    Parameters
    ----------
    most
        How many notes each part has at once, from 1, (parts,). Parts whose durations are implied have one anyway.
    hands
        At most how many a part of any stream has, of streams that go together; None for the largest of these.
    reach
        How many semitones may be between the notes of a chord of each part; empty for any.
    lets_go
        Which parts begin no note while one sounds that they began before, and end chords together; empty for none.
    """

    may_dead_end: ClassVar[bool] = False
    gives_way: ClassVar[bool] = True
    per_stream: ClassVar[tuple[str, ...]] = ("_ends", "_reach", "_highest", "_onset", "_lets_go", "_until")
    _ends: Ints
    _reach: Ints
    _highest: Ints
    _onset: Ints
    _lets_go: Mask
    _until: Ints

    def __init__(
        self,
        most: Sequence[int],
        hands: int | None = None,
        reach: Sequence[int] = (),
        lets_go: Sequence[bool] = (),
    ) -> None:
        self._most = np.array(most, np.int64)
        self._hands = int(self._most.max(initial=1)) if hands is None else hands
        self._reach_of, self._going = list(reach), list(lets_go)

    def needs_pitches(self, music: Music) -> bool:
        """As `Constraint.needs_pitches`."""
        return False

    def begin(self, streams: int) -> HandsFull:
        """As `Constraint.begin`."""
        made = super().begin(streams)
        hands = np.arange(self._hands)
        empty = np.where(hands < self._most[:, None], 0, NEVER)  # (parts, hands); those beyond are never free
        made._ends = np.repeat(empty[None], streams, axis=0)  # when each hand is free again
        reach = np.array(self._reach_of or [NEVER] * len(self._most), np.int64)
        made._reach = np.repeat(reach[None], streams, axis=0)  # (streams, parts)
        made._lets_go = np.repeat(np.array([self._going or [False] * len(self._most)], bool), streams, axis=0)
        made._until = np.zeros_like(made._reach)  # when the last chord is over
        made._highest, made._onset = np.zeros_like(made._reach), np.full_like(made._reach, -1)  # of the last chord
        return made

    def narrow(self, music: Music, options: Options) -> None:
        """As `Constraint.narrow`."""
        ticks = music.ticks[:, :, None]
        free = self._ends.min(axis=2)[:, None] <= ticks  # (streams, times, parts)
        free &= ~self._lets_go[:, None] | (self._until[:, None] <= ticks) | (self._onset[:, None] == ticks)
        kinds, play, rest, _ = music.ahead
        goes_on = music.may_end | (play[:, -1] & free[:, -1]).any(axis=1)  # as nearly always: at the last of the times
        if not goes_on.all():
            goes_on |= kinds[:, :, :FIRST_PART].any(axis=(1, 2)) | (play & free | rest).any(axis=(1, 2))
            free |= ~goes_on[:, None, None]
        options.plays &= free
        standing, now = music.standing, music.now_index
        streams = np.flatnonzero(goes_on & (standing.kind >= FIRST_PART) & np.asarray(now >= 0))
        part = standing.kind[streams] - FIRST_PART
        full = standing.value[streams] - music.vocabulary.first_pitch >= self._highest[streams, part]
        full &= self._onset[streams, part] == standing.tick[streams]
        options.plays[streams[full], now, part[full]] = False

    def values(self, music: Music, time: Ints, kind: Ints) -> Mask | None:
        """As `Constraint.values`."""
        streams, part = np.arange(len(kind)), np.maximum(kind - FIRST_PART, 0)
        goes_on = (kind >= FIRST_PART) & (self._onset[streams, part] == music.ticks_of(time))
        if not goes_on.any():
            return None
        highest = music.vocabulary.first_pitch + np.where(goes_on, self._highest[streams, part], NEVER)
        return np.asarray(np.arange(music.vocabulary.sizes[VALUE]) <= highest[:, None])

    def durations(self, music: Music, events: Rows, options: Options | None) -> Mask | None:
        """As `Constraint.durations`."""
        streams, part = np.arange(len(events)), np.maximum(events[:, KIND] - FIRST_PART, 0)
        tick = music.ticks_of(events[:, TIME])
        goes_on = (events[:, KIND] >= FIRST_PART) & self._lets_go[streams, part] & (self._onset[streams, part] == tick)
        if not goes_on.any():
            return None
        most = np.where(goes_on, self._until[streams, part] - tick, NEVER)
        return np.asarray(music.durations <= most[:, None])

    def push(self, music: Music, event: Event) -> None:
        """As `Constraint.push`."""
        own = event.is_note & ~music.implied[event.part]
        streams, part = event.streams[own], event.part[own]
        begins = self._onset[streams, part] != event.tick[streams]
        reached = np.where(begins, event.pitch[own] + self._reach[streams, part], self._highest[streams, part])
        self._highest[streams, part], self._onset[streams, part] = reached, event.tick[streams]
        hand = self._ends[streams, part].argmin(axis=1)
        lasting = np.where(music.drums[part], 1, music.durations[event.rows[streams, DURATION]])
        ends = np.maximum(event.tick[streams] + lasting, np.where(begins, 0, self._until[streams, part]))
        self._until[streams, part] = ends
        self._ends[streams, part, hand] = event.tick[streams] + lasting
