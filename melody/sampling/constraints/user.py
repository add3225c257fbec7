"""Limits as masks: the grammar of music that keeps to them.

Every mask is that of `Grammar` without what would break a limit, now or later: a time is legal only if something may come
there, a kind only if one of its notes may, a note only if it can end on the grid before a chord that lacks it, and if from
it the tune can still end as it has to (`melody.sampling.constraints.endings`).
A note of a legato part sounds until the part's next
event, so the beat of a chord that lacks it is a deadline for that event; parts that are due come in their order.

What a limit is, `melody.limits.Limits` says. The masks are stricter in two places where the definition would need more than
one event of foresight: a note that ends only later at the same tick counts as sounding, and under a limit of metre, bars,
grid, chords or density the metre does not change.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from melody.limits import Limits
from melody.piece import Ints
from melody.sampling.constraints.base import Constraint
from melody.sampling.constraints.places import NEVER
from melody.sampling.constraints.reachability import Onward, Options
from melody.sampling.constraints.tracking import Limited
from melody.tokens import Vocabulary
from melody.tokens.grammar import Grammar, Mask
from melody.tokens.usage import FIRST_PART, KEY
from melody.tokens.vocabulary import KIND, TIME, VALUE, Rows


class Limiter(Limited):
    """The masks of a `Grammar`, narrowed by limits; a mask without any token is a dead end.

    Parameters are those of `Limited`.

    Attributes
    ----------
    wide
        The mask given last as it was before the limits narrowed it.
    """

    per_stream: ClassVar[tuple[str, ...]] = (*Limited.per_stream, "_closing")

    def __init__(self, grammar: Grammar, *arguments: Any, **named: Any) -> None:
        super().__init__(grammar, *arguments, **named)
        self.closing = np.zeros(len(self._tick), bool)
        self._forget()
        self._onward = Onward(self._vocabulary, self._limits, self._places, self._pitches)

    @property
    def closing(self) -> Mask:
        """Which tunes end as soon as they may, (streams,); set it, for all at once if you like."""
        return self._closing

    @closing.setter
    def closing(self, closing: Mask | bool) -> None:
        self._closing = np.full(len(self._tick), closing)

    def take(self, streams: NDArray[np.int64]) -> Limiter:
        """As `Grammar.take`, what has been found of the next event among it."""
        taken = super().take(streams)
        taken.wide = self.wide[streams]
        if self._options is not None:
            taken._options = self._options.take(streams)
        return taken

    def _forget(self) -> None:
        super()._forget()
        self.wide: Mask = np.ones((len(self._tick), 1), bool)
        self._options: Options | None = None  # of the next event

    # Masks, in the order of the fields

    def times(self) -> Mask:
        """As `Grammar.times`, but a row may allow nothing."""
        self.wide = super().times()
        options = self._options = self._look()
        controls, rests, notes, *_ = options
        legal = controls.any(axis=2) | rests.any(axis=2) | notes.any(axis=(2, 3))
        late = legal & (self._tick[:, None] + self._shifts >= self._start)
        legal = late | (legal & ~late.any(axis=1, keepdims=True))
        end = self.wide[:, 0] & self._may_end()
        self._come_to_the_tonic(options.notes, np.flatnonzero(~end & legal[:, 0] & ~legal[:, 1:].any(axis=1)))
        legal &= ~(end & self._closing)[:, None]
        return np.concatenate([end[:, None], legal], axis=1)

    def _come_to_the_tonic(self, notes: Mask, streams: NDArray[np.int64]) -> None:
        """Where nothing more can come but at this tick, and END not yet, at once the tonic below all else; in place.

        Or notes would be heaped on the last onset until it happens to come.
        """
        if not self._limits.end_on_tonic or not len(streams):
            return
        below = self._is_tonic & (np.arange(len(self._class)) < self.lowest_at(self._tick[:, None])[streams])
        ending = notes[streams, 0] & below[:, None] & ~self._drums[:, None]  # (streams, parts, pitches)
        ready = ending.any(axis=(1, 2))
        notes[streams[ready], 0] = ending[ready]

    def _may_end(self) -> Mask:
        end = (self._bar >= 0) & ~self._held.any(axis=1) & self.ends_well()
        if self._bars is not None:
            end &= self._length > self._until - self._bar_ticks
        return end

    def kinds(self, time: NDArray[np.int64]) -> Mask:
        """As `Grammar.kinds`."""
        assert self._options is not None
        self.wide = super().kinds(time)
        controls, rests, notes = (mask[np.arange(len(time)), np.maximum(time - 1, 0)] for mask in self._options[:3])
        return np.concatenate([controls, rests | notes.any(axis=2)], axis=1)

    def values(self, time: NDArray[np.int64], kind: NDArray[np.int64]) -> Mask:
        """As `Grammar.values`."""
        assert self._options is not None
        self.wide = super().values(time, kind)
        legal = self.wide & self._values
        speaks = np.flatnonzero(kind >= FIRST_PART)
        at = speaks, np.maximum(time[speaks] - 1, 0), kind[speaks] - FIRST_PART
        legal[speaks, self._vocabulary.first_pitch :] = self._options.notes[at]
        if self._legato.any():
            legal[speaks, self._vocabulary.rest] = self._options.rests[at]
        return legal

    def lengths(self, events: Rows) -> Mask:
        """As `Grammar.lengths`."""
        self.wide = super().lengths(events)
        ticks = self._ticks_of(events[:, TIME])[:, None]
        end = (self.position(ticks) + self._durations) % self._bar_ticks[:, None]
        legal = self.wide & self._places.on_grid[self.metre[:, None], end]
        pitched = self._vocabulary.is_note(events) & ~self._drums[np.maximum(events[:, KIND] - FIRST_PART, 0)]
        if self._limits.chords:
            lasting = self._places.lasting(self.metre, self.since(ticks))[:, 0]
            lasting = lasting[np.arange(len(events)), self._class[np.maximum(self._pitch_of(events), 0)]]
            legal &= (self._durations <= lasting[:, None]) | ~pitched[:, None]
        if self._bars is not None and self._options is not None:
            legal &= self._onward.lengths(self, events, self._options)
        return legal

    def velocities(self, events: Rows) -> Mask:
        """As `Grammar.velocities`."""
        self.wide = super().velocities(events)
        return self.wide & self._velocities

    # What may come at each time

    def _look(self) -> Options:
        ticks = self._tick[:, None] + self._shifts  # (streams, times)
        assert self._ahead is not None
        kinds, play, rests = self._ahead
        play, rests = play & kinds[:, :, FIRST_PART:], rests & kinds[:, :, FIRST_PART:]
        controls = kinds[:, :, :FIRST_PART] & self._changes_allowed(ticks)
        position = self.position(ticks)
        in_time = (self._deadlines()[:, :, None] >= ticks[:, None]).all(axis=1)
        in_place = in_time & self._places.on_grid[self.metre[:, None], position]
        in_order = in_place[:, :, None] & (np.arange(play.shape[2]) <= self._first_due(ticks, position)[:, :, None])
        rests &= in_order
        play &= in_order & (self.room(ticks) > 0)[:, :, None]
        one_more = np.ones_like(play)
        if self._limits.max_polyphony:
            sounding = self._sounding_besides(ticks)
            play &= (sounding < self._limits.max_polyphony) | self._drums
            one_more = (sounding + 1 < self._limits.max_polyphony) | self._drums
        notes = self._tones(ticks, play)
        controls &= in_place[:, :, None]
        none = np.zeros(rests.shape, np.int64)
        options = self._onward.narrow(self, ticks, Options(controls, rests, notes, one_more, none))
        options = self._with_key_first(self._without_idle_changes(options, ticks))
        closing = np.flatnonzero(self._closing)
        return options.put(closing, self.take(closing)._closed(options.take(closing))) if len(closing) else options

    def _changes_allowed(self, ticks: Ints) -> Mask:
        """Which of metre, tempo and key may be said, (streams, times, 3)."""
        header = (ticks == 0) & ~self._begun[:, None]
        later = [not self._steady, self._limits.tempo is None, self._limits.key is None]
        return header[:, :, None] | np.array(later)

    def _without_idle_changes(self, options: Options, ticks: Ints) -> Options:
        """Without a change of metre, tempo or key at a later time at which it would be the only thing that may come.

        A time is chosen before what comes then: where limits have left nothing but a change, it would stand for the note
        that the model had in mind.
        """
        played = options.rests.any(axis=2) | options.notes.any(axis=(2, 3))
        header = (ticks == 0) & ~self._begun[:, None]
        return options._replace(controls=options.controls & (played | header)[:, :, None])

    def _with_key_first(self, options: Options) -> Options:
        """Nothing but the key where it has been asked for and is to be said next."""
        waiting = ~self._keyed & (self._header_kind() < 0)
        if not waiting.any():
            return options
        ready = ~waiting[:, None, None]
        return options._replace(
            controls=options.controls & (ready | (np.arange(FIRST_PART) == KEY)),
            rests=options.rests & ready,
            notes=options.notes & ready[..., None],
        )

    def _deadlines(self) -> Ints:
        """The last tick at which each part that sounds legato must have its next event, (streams, parts)."""
        deadline = np.where(self._held, self._until[:, None], NEVER)
        if self._limits.chords:
            lasting = self._places.lasting(self.metre, self.since(self._tick[:, None]))[:, 0]  # (streams, 12)
            sounding = self._sounding >= 0
            own = np.take_along_axis(lasting, self._class[np.maximum(self._sounding, 0)], axis=1)
            own = np.where(own < NEVER, self._tick[:, None] + own, NEVER)
            deadline = np.where(sounding & ~self._drums, np.minimum(deadline, own), deadline)
        return deadline

    def _first_due(self, ticks: Ints, position: Ints) -> Ints:
        """The first part that must have its next event there at the latest, or a number beyond all parts."""
        following = ticks + self._places.next_place[self.metre[:, None], position]
        due = (self._deadlines()[:, None] < following[:, :, None]) & self._held[:, None]
        return np.where(due.any(axis=2), due.argmax(axis=2), due.shape[2])

    def _sounding_besides(self, ticks: Ints) -> Ints:
        """How many tones sound there besides that of each legato part, which its next note replaces, (..., parts)."""
        tones = ~self._drums
        fixed = self._ends[:, tones].reshape(len(ticks), -1)
        fixed = fixed[:, (fixed > self._tick[:, None]).any(axis=0)]
        count = (fixed[:, None] > ticks[:, :, None]).sum(axis=2)
        held = (self._sounding >= 0) & tones
        sounding: Ints = (count + held.sum(axis=1)[:, None])[:, :, None] - held[:, None]
        return sounding

    def _tones(self, ticks: Ints, play: Mask) -> Mask:
        """Which pitches each part may begin, whatever follows, (streams, times, parts, pitches)."""
        notes = play[..., None] & self._pitches
        several = np.flatnonzero(~self._monophonic)
        notes[:, :, several] &= self._ends[:, None, several] <= ticks[:, :, None, None]
        now = np.flatnonzero(self._shifts == 0)[0]
        again = np.flatnonzero(self._kind >= FIRST_PART)
        number = np.arange(notes.shape[3])
        notes[again, now, self._kind[again] - FIRST_PART] &= number > self._value_pitch()[again, None]
        if self._limits.max_leap is not None:
            at_once = (self._onset == self._tick[:, None])[:, :, None]
            here = notes[:, now] & np.where(at_once, self._reach_at_once, self._reach)
            notes &= self._reach[:, None]
            notes[:, now] = here
        place = self.metre[:, None], self.position(ticks)
        shortest = np.where(self._legato, self._places.next_place[place][..., None], self._places.least[place][..., None])
        notes &= (shortest <= self.left(ticks)[..., None])[..., None]
        if self._limits.chords:
            since = self.since(ticks)
            notes &= self._places.tones(self.metre, since)[:, :, None, self._class] | self._drums[:, None]
            lasting = self._places.lasting(self.metre, since)[:, :, None, self._class]
            notes &= (shortest[..., None] <= lasting) | self._drums[:, None]
        return notes

    def _value_pitch(self) -> Ints:
        return self._value - self._vocabulary.first_pitch

    def _pitch_of(self, events: Rows) -> Ints:
        return events[:, VALUE] - self._vocabulary.first_pitch

    def _closed(self, options: Options) -> Options:
        """Only what leads to the end: rests once the last note is the tonic, else the notes nearest to one."""
        done = self.ends_well() & (self._bar >= 0)
        nearest = np.abs(np.arange(len(self._class))[:, None] - np.flatnonzero(self._is_tonic & self._fits)).min(axis=1)
        far = np.where(options.notes & ~self._drums[:, None], nearest, NEVER)
        notes = options.notes & (far == far.min(axis=(1, 2, 3), keepdims=True)) & ~done[:, None, None, None]
        rests = options.rests & done[:, None, None]
        return options._replace(controls=np.zeros_like(options.controls), rests=rests, notes=notes)


class _Over:
    """Limits as a constraint."""

    def __init__(self, limits: Limits, named: dict[str, Any]) -> None:
        self._limits, self._named = limits, named

    def over(self, grammar: Grammar) -> Grammar:
        return Limiter(grammar, self._limits, metre=int(grammar._metre[0]), **self._named)


def user_limits(
    vocabulary: Vocabulary,
    limits: Limits,
    *,
    origin: int | None = None,
    parts: Mask | None = None,
    before: tuple[Mask, Ints] | None = None,
) -> list[Constraint]:
    """What `limits`, which have been checked, ask for, each as a constraint.

    Parameters
    ----------
    vocabulary
        Of the events.
    limits
        Those of `melody.limits`.
    origin
        The tick of the bar that chords are counted from; None for the first bar of a piece, a pick-up not counted.
    parts
        Which parts may play, (parts,); by default those that the limits allow.
    before
        Which pitches are within a leap of what each part began last, (parts, pitches), and the nearest of them to it,
        (parts,); None if nothing came before.
    """
    return [_Over(limits, {"origin": origin, "parts": parts, "before": before})]
