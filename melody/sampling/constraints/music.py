"""`Music`: what constraints may ask about the music so far and about the places where the next event may come."""

from __future__ import annotations

from copy import copy
from functools import cached_property
from typing import ClassVar, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from melody.piece import MAX_TICK, Ints
from melody.tokens.grammar import Ahead, Grammar, Mask, Standing
from melody.tokens.usage import FIRST_PART
from melody.tokens.vocabulary import END, FIELDS, KIND, TIME, VALUE, Rows

NEVER = MAX_TICK  # in ticks: there is none; in notes: as many as you like
_Own = TypeVar("_Own", bound="PerStream")


class PerStream:
    """Something that holds arrays over streams, the streams first.

    Attributes
    ----------
    per_stream
        The names of these arrays.
    """

    per_stream: ClassVar[tuple[str, ...]] = ()

    def take(self: _Own, streams: NDArray[np.int64]) -> _Own:
        """The same of those streams alone, in that order; a stream may be named more than once."""
        taken = copy(self)
        for name in self.per_stream:
            setattr(taken, name, getattr(self, name)[streams])
        return taken

    def put(self: _Own, streams: NDArray[np.int64], other: _Own) -> None:
        """Let the streams of another be these."""
        for name in self.per_stream:
            getattr(self, name)[streams] = getattr(other, name)

    def join(self: _Own, other: _Own) -> _Own:
        """These streams, and behind them those of another."""
        joined = copy(self)
        for name in self.per_stream:
            setattr(joined, name, np.concatenate([getattr(self, name), getattr(other, name)]))
        return joined


class Event(NamedTuple):
    """What streams have come to, one event each.

    Parameters
    ----------
    rows
        The events, (streams, 5).
    going
        Which streams go on with it: they have not ended with it, and are active, (streams,).
    tick
        Where it is, (streams,).
    observed
        Which are not the model's choice, (streams,).
    streams, part, pitch, is_note
        Of those that are notes or rests: which stream, which part, the pitch from 0 for the vocabulary's lowest, whether it
        is a note.
    is_tone
        Which of these have a pitch: no rests, no drums.
    """

    rows: Rows
    going: Mask
    tick: Ints
    observed: Mask
    streams: Ints
    part: Ints
    pitch: Ints
    is_note: Mask
    is_tone: Mask

    @property
    def tones(self) -> tuple[Ints, Ints, Ints]:
        """Stream, part and pitch of each note that has one."""
        return self.streams[self.is_tone], self.part[self.is_tone], self.pitch[self.is_tone]


class _Now:
    """Where the streams stand and what may come, found once for each event; (streams, times) where it is of candidates."""

    def __init__(self, grammar: Grammar, shifts: Ints) -> None:
        self._grammar, self._shifts = grammar, shifts

    @cached_property
    def standing(self) -> Standing:
        """Where the grammar stands."""
        return self._grammar.standing()

    @cached_property
    def may_end(self) -> Mask:
        """Which streams may end by the grammar."""
        return self._grammar.times()[:, END]

    @property
    def ahead(self) -> Ahead:
        """What may come at each time by the grammar."""
        return self._grammar.ahead()

    @cached_property
    def ticks(self) -> Ints:
        """The tick at each time token but END."""
        return self.standing.tick[:, None] + self._shifts

    @cached_property
    def position(self) -> Ints:
        """Ticks from the bar line there."""
        return (self.ticks - self.standing.metre_start[:, None]) % self.standing.bar_ticks[:, None]

    @cached_property
    def is_header(self) -> Mask:
        """Where a piece has not begun."""
        return np.asarray((self.ticks == 0) & ~self.standing.begun[:, None])


class Music(PerStream):
    """What constraints may ask; kept up to date by `Masks`, read by all of them.

    Parameters
    ----------
    grammar
        Where the streams stand; what came before is not known here but as far as the grammar knows it.

    Attributes
    ----------
    shifts, durations, implied, monophonic, drums, pitch_class
        Of the vocabulary, as arrays; `implied`: which parts have implied durations.
    now_index
        The time, END not counted, that stands for the tick of the last event.
    sounding
        The pitch that each part with implied durations sounds, -1 if none, (streams, parts).
    chosen
        Whether the last note of each part is the model's choice, not an observed one, (streams, parts).
    low, low_tick, low_chosen
        Of the last onset with a pitch: the lowest pitch, a number beyond all if there is none; its tick; whether it is the
        model's choice; (streams,).
    has_note
        Whether a note has come, (streams,).
    counts_pickup
        Whether a pick-up counts as one of the bars that are asked for.
    must_close
        Which streams are to end as soon as they may, (streams,).
    expected
        The tokens of what comes next by the outline, -1 for nothing, (streams, 5); a value of -1 for a part that is to begin
        something new.
    """

    per_stream: ClassVar[tuple[str, ...]] = (
        *("expected", "sounding", "chosen", "low", "low_tick", "low_chosen", "has_note", "must_close"),
    )

    def __init__(self, grammar: Grammar) -> None:
        vocabulary = self.vocabulary = grammar.vocabulary
        self.shifts = np.array(vocabulary.shifts, np.int64)
        self.durations = np.array(vocabulary.durations or (1,), np.int64)
        self.implied = np.array(vocabulary.implied_duration, bool)
        self.monophonic = np.array(vocabulary.monophonic, bool)
        self.drums = vocabulary.drums
        self.pitch_class = (vocabulary.pitches[0] + np.arange(vocabulary.num_pitches)) % 12
        self.now_index = int(np.flatnonzero(self.shifts == 0)[0]) if 0 in vocabulary.shifts else -1
        self.bars, self.counts_pickup = grammar.bars, grammar.count_pickup
        self.stands_at(grammar)
        streams, shape = len(self.standing.tick), (len(self.standing.tick), len(vocabulary.parts))
        self.sounding, self.chosen = np.full(shape, -1), np.zeros(shape, bool)
        self.low, self.low_tick = np.full(streams, vocabulary.num_pitches), np.full(streams, -1)
        self.low_chosen, self.has_note = np.zeros(streams, bool), np.zeros(streams, bool)
        self.must_close, self.expected = np.zeros(streams, bool), np.full((streams, len(FIELDS)), -1)

    def stands_at(self, grammar: Grammar) -> None:
        """The grammar has moved on."""
        self._now = _Now(grammar, self.shifts)

    @property
    def standing(self) -> Standing:
        """Where the grammar stands."""
        return self._now.standing

    @property
    def may_end(self) -> Mask:
        """Which streams may end by the grammar, whatever the constraints, (streams,)."""
        return self._now.may_end

    @property
    def ahead(self) -> Ahead:
        """What may come at each time by the grammar, whatever the constraints."""
        return self._now.ahead

    # Candidates for the next event, (streams, times)

    @property
    def ticks(self) -> Ints:
        """The tick at each time token but END."""
        return self._now.ticks

    @property
    def position(self) -> Ints:
        """Ticks from the bar line there."""
        return self._now.position

    @property
    def place(self) -> tuple[Ints, Ints]:
        """Metre and position there, which tables of places are indexed by."""
        return self.standing.metre[:, None], self.position

    @property
    def is_header(self) -> Mask:
        """Where a piece has not begun: metre, tempo and key of the beginning are encoded."""
        return self._now.is_header

    # Of any ticks, (streams, candidates)

    def ticks_of(self, time: Ints) -> Ints:
        """The tick of the next event if it has that time token, (streams,)."""
        return self.standing.tick + self.shifts[np.maximum(time - 1, 0)]

    def position_of(self, ticks: Ints) -> Ints:
        """Ticks from the bar line."""
        return (ticks - self.standing.metre_start[:, None]) % self.standing.bar_ticks[:, None]

    def bar_of(self, ticks: Ints) -> Ints:
        """The number of the bar."""
        now = self.standing
        return now.bars_before[:, None] + (ticks - now.metre_start[:, None]) // now.bar_ticks[:, None]

    def _pickups(self, ticks: Ints) -> Ints:
        """Bars that are not counted, if the next note begins there."""
        if self.counts_pickup:
            return np.zeros_like(ticks)
        now, bar = self.standing, self.standing.bar_ticks[:, None]
        return np.where(now.begun[:, None], now.pickup[:, None], (ticks < bar) & (2 * ticks >= bar))

    def pickups(self, by_outline: Ints) -> Ints:
        """Bars before the first full one: those there are, or until the first note what the outlines say, (streams,)."""
        now = self.standing
        return np.where(now.begun & np.asarray(not self.counts_pickup), now.pickup, by_outline)

    def since(self, ticks: Ints, origin: int | None) -> Ints:
        """Ticks since `origin`; None stands for the first bar that counts."""
        return ticks - (self._pickups(ticks) * self.standing.bar_ticks[:, None] if origin is None else origin)

    def left(self, ticks: Ints) -> Ints:
        """Ticks to the end, if a number of bars was asked for."""
        if self.bars is None:
            return np.full_like(ticks, NEVER)
        more = (self._pickups(ticks) - self.standing.pickup[:, None]) * self.standing.bar_ticks[:, None]
        return self.standing.until[:, None] + more - ticks

    def lowest_at(self, ticks: Ints) -> Ints:
        """The lowest tone that has begun at that very tick; a number beyond all pitches if there is none."""
        return np.where(self.low_tick[:, None] == ticks, self.low[:, None], len(self.pitch_class))

    # What was chosen

    def event(self, rows: Rows, active: Mask | None, observed: Mask) -> Event:
        """Events as constraints read them."""
        going = rows[:, TIME] != END if active is None else active & (rows[:, TIME] != END)
        note = self.vocabulary.is_note(rows) & going
        streams = np.flatnonzero(note | (self.vocabulary.is_rest(rows) & going))
        part, is_note = rows[streams, KIND] - FIRST_PART, note[streams]
        pitch = rows[streams, VALUE] - self.vocabulary.first_pitch
        is_tone = is_note & ~self.drums[part]
        return Event(rows, going, self.ticks_of(rows[:, TIME]), observed, streams, part, pitch, is_note, is_tone)

    def push(self, event: Event) -> None:
        """Take in one event a stream."""
        streams, part = event.streams, event.part
        chosen = ~event.observed[streams] & event.is_note
        self.sounding[streams, part] = np.where(self.implied[part] & event.is_note, event.pitch, -1)
        self.chosen[streams, part] = np.where(event.is_note, chosen, self.chosen[streams, part])
        self.has_note[streams[event.is_note]] = True
        tones, _, pitch = event.tones
        lowest = np.where(self.low_tick[tones] == event.tick[tones], self.low[tones], len(self.pitch_class))
        lower = pitch < lowest
        self.low_chosen[tones] = np.where(lower, chosen[event.is_tone], self.low_chosen[tones])
        self.low[tones], self.low_tick[tones] = np.minimum(lowest, pitch), event.tick[tones]
