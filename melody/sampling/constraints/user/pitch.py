"""Limits of pitch and loudness: which pitches a part may play, how far it may leap, on which it ends, how loud it is."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from melody.piece import Ints
from melody.sampling.constraints.constraint import Constraint
from melody.sampling.constraints.joint_options import Due, Options
from melody.sampling.constraints.music import Event, Music
from melody.tokens import Vocabulary
from melody.tokens.grammar import Mask
from melody.tokens.usage import FIRST_PART
from melody.tokens.vocabulary import Rows


class Pitches(Constraint):
    """Only these pitches: those of a range, a scale or a key, and of the instruments that play.

    Parameters
    ----------
    allowed
        Which pitches each part may play, (parts, pitches).
    """

    def __init__(self, allowed: Mask) -> None:
        self._allowed = allowed

    def narrow(self, music: Music, options: Options) -> None:
        """As `Constraint.narrow`."""
        assert options.notes is not None
        if not self._allowed.all():
            options.notes &= self._allowed


class Velocities(Constraint):
    """Only these velocities.

    Parameters
    ----------
    allowed
        Which of the vocabulary's, (velocities,).
    """

    may_dead_end: ClassVar[bool] = False

    def __init__(self, allowed: Mask) -> None:
        self._allowed = allowed

    def needs_pitches(self, music: Music) -> bool:
        """As `Constraint.needs_pitches`."""
        return False

    def narrow(self, music: Music, options: Options) -> None:
        """Whatever may come may be as loud as is asked for."""

    def velocities(self, music: Music, events: Rows) -> Mask:
        """As `Constraint.velocities`."""
        return np.repeat(self._allowed[None], len(events), axis=0)


class Leaps(Constraint):
    """No note farther than a leap from the nearest of the notes that its part began last before it.

    Of a part's new notes before an observed one none may lie so far away that leaps cannot bridge the rest.

    Parameters
    ----------
    vocabulary
        Of the events.
    largest
        The largest leap, in semitones.
    reach
        Which pitches are within a leap of what each part began before, (parts, pitches); None if nothing was before.
    """

    per_stream: ClassVar[tuple[str, ...]] = ("_reach", "_reach_at_once", "_onset", "_new", "_new_before")
    _reach: Mask
    _reach_at_once: Mask
    _onset: Ints
    _new: Mask
    _new_before: Mask

    def __init__(self, vocabulary: Vocabulary, largest: int, reach: Mask | None = None) -> None:
        drums = vocabulary.drums
        number = np.arange(vocabulary.num_pitches)
        self._far = np.abs(number[:, None] - number)
        self._largest, self._within = largest, self._far <= largest  # (pitches, pitches)
        anywhere = np.ones((len(drums), len(number)), bool)
        self._first = anywhere if reach is None else reach | drums[:, None]

    def begin(self, streams: int) -> Leaps:
        """As `Constraint.begin`."""
        made = super().begin(streams)
        made._reach = np.repeat(self._first[None], streams, axis=0)  # of a part's next onset
        made._reach_at_once = made._reach.copy()  # of further notes at the tick of its last one
        made._onset = np.full((streams, len(self._first)), -1)
        made._new = np.zeros((streams, len(self._first)), bool)  # whether a note of a part's last onset is not observed
        made._new_before = made._new.copy()  # the same of the onset before that
        return made

    def narrow(self, music: Music, options: Options) -> None:
        """As `Constraint.narrow`."""
        notes = options.notes
        assert notes is not None
        at_once = (self._onset == music.standing.tick[:, None])[:, :, None]
        here: Mask = notes[:, music.now_index] & np.where(at_once, self._reach_at_once, self._reach)
        notes &= self._reach[:, None]
        if music.now_index >= 0:
            notes[:, music.now_index] = here
        if options.following is not None:
            self._towards(music, options)

    def _towards(self, music: Music, options: Options) -> None:
        """No note from which leaps, one at each tick, could not come to the next observed note of its part."""
        assert options.notes is not None and options.following is not None
        tick, pitch = options.following
        step = max(int(music.shifts[music.shifts > 0].min(initial=1)), 1)
        onsets = 1 + np.maximum(tick[:, None] - 1 - music.ticks[:, :, None], 0) // step  # (streams, times, parts)
        far = np.where((pitch >= 0)[:, :, None] & ~music.drums[:, None], self._far[np.maximum(pitch, 0)], 0)
        options.notes &= far[:, None] <= (onsets * self._largest)[..., None]

    def binds(self, music: Music, due: Due) -> Mask:
        """An observed note that comes after a new one of its part is to be within a leap of that."""
        own = np.arange(len(due.kind)), np.maximum(due.kind - FIRST_PART, 0)
        at_once = self._onset[own] == music.standing.tick + music.shifts[np.maximum(due.time, 0)]
        return np.where(at_once, self._new_before[own], self._new[own]) & (due.kind >= FIRST_PART)

    def push(self, music: Music, event: Event) -> None:
        """As `Constraint.push`."""
        streams, part, pitch = event.tones
        tick, within = event.tick[streams], self._within[pitch]
        at_once = self._onset[streams, part] == tick
        reach = self._reach[streams, part]
        self._reach_at_once[streams, part] = np.where(at_once[:, None], self._reach_at_once[streams, part], reach)
        self._reach[streams, part] = within | (reach & at_once[:, None])
        new, before = ~event.observed[streams], self._new[streams, part]
        self._new_before[streams, part] = np.where(at_once, self._new_before[streams, part], before)
        self._new[streams, part] = new | (before & at_once)
        self._onset[streams, part] = tick


class Tonic(Constraint):
    """END only if the lowest of the notes that began last is the tonic, or was not the model's to choose.

    Parameters
    ----------
    vocabulary
        Of the events.
    tonic
        Its pitch class, 0-11.
    """

    def __init__(self, vocabulary: Vocabulary, tonic: int | None) -> None:
        pitch_class = (vocabulary.pitches[0] + np.arange(vocabulary.num_pitches)) % 12
        self._is_tonic = np.append(pitch_class == tonic, False)  # (pitches + 1,)

    def needs_pitches(self, music: Music) -> bool:
        """As `Constraint.needs_pitches`."""
        return False

    def narrow(self, music: Music, options: Options) -> None:
        """As `Constraint.narrow`."""
        options.ends &= self._is_tonic[music.low] | (music.has_note & ~music.low_chosen & (music.low_tick >= 0))
