"""`Options`: the joint table of what may come next in each stream, which constraints narrow and none widens."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from melody.piece import Ints
from melody.sampling.constraints.music import NEVER, Music
from melody.tokens.grammar import Ahead, Mask
from melody.tokens.usage import FIRST_PART

_NARROWED = ("ends", "controls", "rests", "plays", "notes", "others", "lower")
_PER_STREAM = (*_NARROWED, "players", "one_more", "notes_left", "to_come", "deadlines", "lasting")


class Due(NamedTuple):
    """The observed event that may come next in each stream.

    Parameters
    ----------
    time
        Its time, END not counted; -1 if none may, (streams,).
    kind
        Its kind, (streams,).
    exact
        Whether a note is observed too, not only that there is one or a rest, (streams,).
    """

    time: Ints
    kind: Ints
    exact: Mask


class Following(NamedTuple):
    """Of each part the next observed note, (streams, parts): before which tick new ones may begin, and its pitch or -1."""

    tick: Ints
    pitch: Ints


@dataclass
class Options:
    """What may come next: an END, or at each time a change, a rest or a note.

    A note may come if both `plays` and `notes` allow it, until these are `settled`.

    Parameters
    ----------
    ends
        Which streams may end, (streams,).
    controls, rests
        Changes of metre, tempo and key, (streams, times, 3); rests, (streams, times, parts).
    plays
        Which parts may begin a note, (streams, times, parts).
    notes
        Which pitches, (streams, times, parts, pitches); None where no constraint needs to know them for all times.
    players
        Which parts may begin notes at all, now or later, (streams, parts); None for all.
    one_more
        Whether yet another part could begin a note at that tick after one of each part, (streams, times, parts).
    notes_left
        How many more notes may begin in the bar there, (streams, times).
    to_come
        How many observed notes will still begin in the bar there, (streams, times).
    deadlines
        The last tick at which each part that sounds must have its next event, (streams, parts).
    lasting
        How many ticks a note of each pitch class may sound from there, (streams, times, 12).
    following
        The next observed notes; None if none are observed.
    others
        Whether the tune can go on to its end in other parts after a note of each part, (streams, times, parts).
    lower
        The lowest pitch with which a later part could end the tune at that tick; a number beyond all pitches if none can.
    """

    ends: Mask
    controls: Mask
    rests: Mask
    plays: Mask
    notes: Mask | None = None
    players: Mask | None = None
    one_more: Mask | None = None
    notes_left: Ints | None = None
    to_come: Ints | None = None
    deadlines: Ints | None = None
    lasting: Ints | None = None
    following: Following | None = None
    others: Mask | None = None
    lower: Ints | None = None

    @classmethod
    def of(cls, ahead: Ahead, ends: Mask, music: Music, *, with_pitches: bool) -> Options:
        """All that the grammar allows."""
        kinds, plays, rests, _ = ahead
        parts = kinds[:, :, FIRST_PART:]
        options = cls(ends.copy(), kinds[:, :, :FIRST_PART].copy(), rests & parts, plays & parts)
        if with_pitches:
            options.notes = _free_notes(options.plays, music)
            options.deadlines = np.full((len(ends), plays.shape[2]), NEVER)
        return options

    def narrow_times(self, times: Mask) -> None:
        """Nothing at other times than these, (streams, times)."""
        self.controls &= times[:, :, None]
        self.rests &= times[:, :, None]
        self.plays &= times[:, :, None]

    def settle(self) -> None:
        """Bring `plays` and `notes` to the same."""
        if self.notes is not None:
            self.notes &= self.plays[..., None]
            self.plays = np.asarray(self.notes.any(axis=3))

    def times(self) -> Mask:
        """At which times anything may come, (streams, times)."""
        return np.asarray(self.controls.any(axis=2) | (self.rests | self.plays).any(axis=2))

    # Streams

    def take(self, streams: NDArray[np.int64]) -> Options:
        """Those of these streams alone, in that order."""
        taken = copy(self)
        for name in _PER_STREAM:
            if (own := getattr(self, name)) is not None:
                setattr(taken, name, own[streams])
        return taken

    def put(self, streams: NDArray[np.int64], other: Options) -> None:
        """Let other options be those of these streams."""
        for name in _NARROWED:
            own, new = getattr(self, name), getattr(other, name)
            if own is not None:
                own[streams] = new

    # Observed events

    def at(self, due: Due) -> list[Mask]:
        """What is allowed of the events that are due, to be given back to `spare`."""
        streams = np.flatnonzero(due.time >= 0)
        where = streams, due.time[streams]
        part, control = np.maximum(due.kind[streams] - FIRST_PART, 0), np.minimum(due.kind[streams], FIRST_PART - 1)
        found = [self.controls[(*where, control)], self.rests[(*where, part)], self.plays[(*where, part)]]
        return found if self.notes is None else [*found, self.notes[(*where, part)] & found[2][:, None]]

    def spare(self, due: Due, allowed: list[Mask], which: Mask) -> None:
        """Allow again what was allowed of the events that are due, in those of the streams."""
        streams = np.flatnonzero(due.time >= 0)
        time, kind = due.time[streams], due.kind[streams]
        control, note = which[streams] & (kind < FIRST_PART), which[streams] & (kind >= FIRST_PART) & due.exact[streams]
        own = control, which[streams] & ~control, note, note
        for array, was, here in zip((self.controls, self.rests, self.plays, self.notes), allowed, own):
            assert array is not None
            number = kind[here] - (0 if array is self.controls else FIRST_PART)
            array[streams[here], time[here], number] = was[here]


def _free_notes(plays: Mask, music: Music) -> Mask:
    """Which notes the grammar allows, (streams, times, parts, pitches)."""
    now, number = music.standing, np.arange(len(music.pitch_class))
    notes: Mask = np.repeat(plays[..., None], len(number), axis=3)
    several = np.flatnonzero(~music.monophonic)
    if len(several):
        notes[:, :, several] &= now.ends[:, None, several] <= music.ticks[:, :, None, None]
    again = np.flatnonzero(now.kind >= FIRST_PART)
    if music.now_index >= 0:
        last = now.value[again, None] - music.vocabulary.first_pitch
        notes[again, music.now_index, now.kind[again] - FIRST_PART] &= number > last
    return notes
