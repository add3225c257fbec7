"""Limits of how many notes there are: at once, and in a bar."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from melody.piece import Ints
from melody.sampling.constraints.constraint import Constraint
from melody.sampling.constraints.joint_options import Due, Options
from melody.sampling.constraints.music import Event, Music
from melody.sampling.constraints.user.headers import keep_metre
from melody.tokens.grammar import Mask
from melody.tokens.usage import FIRST_PART
from melody.tokens.vocabulary import DURATION


class Polyphony(Constraint):
    """At most so many notes sound at once, over all parts that have pitches.

    Parameters
    ----------
    most
        How many.
    """

    per_stream: ClassVar[tuple[str, ...]] = ("_new_end",)
    _new_end: Ints

    def __init__(self, most: int) -> None:
        self._most = most

    def begin(self, streams: int) -> Polyphony:
        """As `Constraint.begin`."""
        made = super().begin(streams)
        made._new_end = np.zeros(streams, np.int64)  # where the last of the model's own notes ends, of known durations
        return made

    def narrow(self, music: Music, options: Options) -> None:
        """As `Constraint.narrow`."""
        sounding = self._sounding_besides(music)
        options.plays &= (sounding < self._most) | music.drums
        one_more = (sounding + 1 < self._most) | music.drums
        options.one_more = one_more if options.one_more is None else options.one_more & one_more

    @staticmethod
    def _sounding_besides(music: Music) -> Ints:
        """How many tones sound at each time besides what each part's next note replaces, (streams, times, parts)."""
        tones, now = ~music.drums, music.standing
        fixed = now.ends[:, tones].reshape(len(now.tick), int(tones.sum()) * now.ends.shape[2])
        fixed = fixed[:, (fixed > now.tick[:, None]).any(axis=0)]
        count = (fixed[:, None] > music.ticks[:, :, None]).sum(axis=2)
        held = (music.sounding >= 0) & tones
        sounding: Ints = (count + held.sum(axis=1)[:, None])[:, :, None] - held[:, None]
        return sounding

    def binds(self, music: Music, due: Due) -> Mask:
        """An observed note is not to begin where one of the model's own makes it too many."""
        held = (music.sounding >= 0) & music.chosen & ~music.drums
        own = np.arange(held.shape[1]) == (due.kind - FIRST_PART)[:, None]
        tick = music.standing.tick + music.shifts[np.maximum(due.time, 0)]
        return np.asarray((due.kind >= FIRST_PART) & ((held & ~own).any(axis=1) | (self._new_end > tick)))

    def push(self, music: Music, event: Event) -> None:
        """As `Constraint.push`."""
        own = event.is_tone & ~music.implied[event.part] & ~event.observed[event.streams]
        streams = event.streams[own]
        end = event.tick[streams] + music.durations[event.rows[streams, DURATION]]
        self._new_end[streams] = np.maximum(self._new_end[streams], end)


class Density(Constraint):
    """At most so many notes begin in a bar, over all parts.

    Parameters
    ----------
    most
        How many.
    """

    per_stream: ClassVar[tuple[str, ...]] = ("_bar", "_count")
    _bar: Ints
    _count: Ints

    def __init__(self, most: int) -> None:
        self._most = most

    def begin(self, streams: int) -> Density:
        """As `Constraint.begin`."""
        made = super().begin(streams)
        made._bar, made._count = np.full(streams, -1), np.zeros(streams, np.int64)  # notes begun in the bar of the last one
        return made

    def narrow(self, music: Music, options: Options) -> None:
        """As `Constraint.narrow`."""
        keep_metre(music, options)
        left = self._most - np.where(music.bar_of(music.ticks) == self._bar[:, None], self._count[:, None], 0)
        if options.to_come is not None:
            left = left - options.to_come
        options.notes_left = left if options.notes_left is None else np.minimum(options.notes_left, left)
        options.plays &= (left > 0)[:, :, None]

    def push(self, music: Music, event: Event) -> None:
        """As `Constraint.push`."""
        streams = event.streams[event.is_note]
        bar = music.bar_of(event.tick[:, None])[:, 0]
        self._count[streams] = np.where(bar == self._bar, self._count, 0)[streams] + 1
        self._bar[streams] = bar[streams]
