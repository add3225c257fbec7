"""What limits have to know of the music so far: a grammar that keeps count besides."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from melody.limits import Limits
from melody.limits.lookups import allowed_metres, allowed_parts, allowed_pitches, allowed_velocities
from melody.piece import Ints
from melody.sampling.constraints.headers import fitting_keys, nearest_tempi
from melody.sampling.constraints.places import NEVER, Places
from melody.tokens.grammar import Grammar, Mask
from melody.tokens.usage import FIRST_PART, KEY, METRE, TEMPO
from melody.tokens.vocabulary import END, KIND, TIME, VALUE, Rows


class Limited(Grammar):
    """A grammar with the tables of limits, and what they ask of the music so far.

    Parameters
    ----------
    grammar
        Where the streams stand: at the beginning of a piece, or at the end of a prompt. Its number of bars is kept to.
    limits
        They have been checked (`melody.limits.check`) against the vocabulary.
    metre
        Number of the time signature in force there.
    origin
        The tick of the bar that chords are counted from; None for the first bar of a piece, a pick-up not counted.
    parts
        Which parts may play, (parts,); by default those that the limits allow.
    before
        Which pitches are within a leap of what each part began last, (parts, pitches), and the nearest of them to it,
        (parts,); None if nothing was heard.

    Attributes
    ----------
    metre
        Number of the time signature in force, (streams,).
    last
        The last pitch of each part, from 0 for the vocabulary's lowest, (streams, parts); a number beyond all pitches
        before its first note.
    """

    per_stream: ClassVar[tuple[str, ...]] = (
        *Grammar.per_stream,
        "metre",
        "_bar",
        "_count",
        "_reach",
        "_reach_at_once",
        "_onset",
        "last",
        "_sounding",
        "_low",
        "_low_tick",
        "_keyed",
    )

    def __init__(
        self,
        grammar: Grammar,
        limits: Limits,
        *,
        metre: int = 0,
        origin: int | None = None,
        parts: Mask | None = None,
        before: tuple[Mask, Ints] | None = None,
    ) -> None:
        vars(self).update(vars(grammar))
        vocabulary = self._vocabulary
        self._limits, self._origin, self._places = limits, origin, Places(vocabulary, limits)
        self._steady = bool(limits.metre or self._bars or limits.grid or limits.chords or limits.density)
        self._set_pitches(allowed_parts(limits, vocabulary) if parts is None else parts)
        starts = vocabulary.value_starts
        self._values = np.ones(starts[-1], bool)
        self._values[starts[METRE] : starts[TEMPO]] = allowed_metres(limits, vocabulary)
        self._values[starts[TEMPO] : starts[KEY]] = nearest_tempi(limits, vocabulary)
        self._values[starts[KEY] : starts[KEY + 1]] = fitting_keys(limits, vocabulary)
        self._velocities = allowed_velocities(limits, vocabulary)
        self._set_streams(metre, before)

    def _set_pitches(self, parts: Mask) -> None:
        vocabulary, limits = self._vocabulary, self._limits
        self._drums = np.array([part.is_drum for part in vocabulary.parts], bool)
        self._fits = allowed_pitches(limits, vocabulary)
        self._pitches = parts[:, None] & (self._fits | self._drums[:, None])  # (parts, pitches)
        number = np.arange(vocabulary.num_pitches)
        self._class = (vocabulary.pitches[0] + number) % 12
        most = vocabulary.num_pitches if limits.max_leap is None else limits.max_leap
        self._window = np.abs(number[:, None] - number) <= most  # (pitches, pitches)
        self._is_tonic = self._class == limits.tonic if limits.end_on_tonic else np.ones(len(number), bool)

    def _set_streams(self, metre: int, before: tuple[Mask, Ints] | None) -> None:
        streams, (parts, pitches) = len(self._tick), self._pitches.shape
        reach, last = before or (np.ones((parts, pitches), bool), np.full(parts, pitches))
        self.metre = np.full(streams, metre)
        self._bar, self._count = np.full(streams, -1), np.zeros(streams, np.int64)  # notes begun in the bar of the last one
        self._reach = np.repeat((reach | self._drums[:, None])[None], streams, axis=0)  # of a part's next onset
        self._reach_at_once = self._reach.copy()  # of further notes at the tick of its last one
        self._onset, self.last = np.full((streams, parts), -1), np.repeat(last[None], streams, axis=0)
        self._sounding = np.full((streams, parts), -1)  # the pitch of a legato part that has begun it since the start
        self._low, self._low_tick = np.full(streams, pitches), np.full(streams, -1)  # the lowest tone of the last onset
        self._keyed = self._begun | (self._limits.key is None) | (not self._vocabulary.is_said[KEY])

    # What was chosen

    def push(self, rows: Rows, active: Mask | None = None) -> None:
        """As `Grammar.push`."""
        going = rows[:, TIME] != END if active is None else active & (rows[:, TIME] != END)
        tick = self._ticks_of(rows[:, TIME])
        note, rest = self._vocabulary.is_note(rows) & going, self._vocabulary.is_rest(rows) & going
        speaks = np.flatnonzero(note | rest)
        part = rows[speaks, KIND] - FIRST_PART
        pitch = rows[speaks, VALUE] - self._vocabulary.first_pitch
        self._sounding[speaks, part] = np.where(self._legato[part] & note[speaks], pitch, -1)
        self._count_notes(np.flatnonzero(note), tick)
        pitched = ~self._drums[part] & note[speaks]
        self._take_tones(speaks[pitched], part[pitched], pitch[pitched], tick)
        changes = np.flatnonzero(going & (rows[:, KIND] == METRE))
        self.metre[changes] = rows[changes, VALUE]
        self._keyed |= going & (rows[:, KIND] == KEY)
        super().push(rows, active)

    def _count_notes(self, streams: Ints, tick: Ints) -> None:
        bar = self._bars_at(tick[:, None])[:, 0]
        self._count[streams] = np.where(bar == self._bar, self._count, 0)[streams] + 1
        self._bar[streams] = bar[streams]

    def _take_tones(self, streams: Ints, part: Ints, pitch: Ints, tick: Ints) -> None:
        window = self._window[pitch]
        at_once = self._onset[streams, part] == tick[streams]
        reach = self._reach[streams, part]
        self._reach_at_once[streams, part] = np.where(at_once[:, None], self._reach_at_once[streams, part], reach)
        self._reach[streams, part] = window | (reach & at_once[:, None])
        self._onset[streams, part], self.last[streams, part] = tick[streams], pitch
        lowest = np.where(self._low_tick[streams] == tick[streams], self._low[streams], len(self._class))
        self._low[streams], self._low_tick[streams] = np.minimum(lowest, pitch), tick[streams]

    # What the music has come to, (streams,)

    @property
    def lowest(self) -> Ints:
        """The lowest tone of the last onset; a number beyond all pitches if there is none."""
        return self._low

    def metre_is_told(self) -> Mask:
        """Whether the metre is known, or there is but one."""
        return self._told[:, METRE] | (not self._vocabulary.is_said[METRE])

    def ends_well(self) -> Mask:
        """Whether the lowest of the last tones is the tonic, or need not be."""
        if not self._limits.end_on_tonic:
            return np.ones(len(self._tick), bool)
        return np.append(self._is_tonic, False)[self._low]

    # Where candidates stand, (streams, candidates)

    def ticks_of(self, time: Ints) -> Ints:
        """The tick of the next event if it has that time token, (streams,)."""
        return self._ticks_of(time)

    def lowest_at(self, ticks: Ints) -> Ints:
        """The lowest tone that has begun at that very tick; a number beyond all pitches if there is none."""
        return np.where(self._low_tick[:, None] == ticks, self._low[:, None], len(self._class))

    def _bars_at(self, ticks: Ints) -> Ints:
        return self._bars_before[:, None] + (ticks - self._metre_start[:, None]) // self._bar_ticks[:, None]

    def position(self, ticks: Ints) -> Ints:
        return (ticks - self._metre_start[:, None]) % self._bar_ticks[:, None]

    def _pickups(self, ticks: Ints) -> Ints:
        """Bars that are not counted, if the next note begins there."""
        if self._count_pickup:
            return np.zeros_like(ticks)
        bar = self._bar_ticks[:, None]
        return np.where(self._begun[:, None], self._pickup[:, None], (ticks < bar) & (2 * ticks >= bar))

    def since(self, ticks: Ints) -> Ints:
        """Ticks since the chords began."""
        origin = self._pickups(ticks) * self._bar_ticks[:, None] if self._origin is None else self._origin
        return ticks - origin

    def left(self, ticks: Ints) -> Ints:
        """Ticks to the end, if a number of bars was asked for."""
        if self._bars is None:
            return np.full_like(ticks, NEVER)
        more = (self._pickups(ticks) - self._pickup[:, None]) * self._bar_ticks[:, None]
        return self._until[:, None] + more - ticks

    def room(self, ticks: Ints) -> Ints:
        """How many more notes may begin in the bar there."""
        if self._limits.density is None:
            return np.full_like(ticks, NEVER)
        return self._limits.density - np.where(self._bars_at(ticks) == self._bar[:, None], self._count[:, None], 0)
