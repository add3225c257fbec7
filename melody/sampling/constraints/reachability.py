"""Whether there is a way on from each option: to a later bar, and to the ending that was asked for.

A way to the ending is looked for in one part at a time: the part that plays goes on by itself, or another part begins at the
same tick or later and goes on by itself; `melody.sampling.constraints.endings` knows from where that leads to the end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from melody.limits import Limits
from melody.piece import Ints
from melody.sampling.constraints.endings import Endings, LastBars
from melody.sampling.constraints.places import Places
from melody.tokens import Vocabulary
from melody.tokens.grammar import Mask
from melody.tokens.usage import FIRST_PART
from melody.tokens.vocabulary import DURATION, KIND, TIME, VALUE, Rows

if TYPE_CHECKING:
    from melody.sampling.constraints.tracking import Limited


class Options(NamedTuple):
    """What may come at each time.

    Parameters
    ----------
    controls, rests, notes
        Changes, (streams, times, 3); rests, (streams, times, parts); notes, (streams, times, parts, pitches).
    others
        Whether the tune can go on to its end in other parts after a note of each part, (streams, times, parts).
    lower
        The lowest pitch with which a later part could end the tune at that tick; a number beyond all pitches if none can.
    """

    controls: Mask
    rests: Mask
    notes: Mask
    others: Mask
    lower: Ints

    def take(self, streams: NDArray[np.int64]) -> Options:
        """Those of these streams alone, in that order."""
        controls, rests, notes, others, lower = self
        return Options(controls[streams], rests[streams], notes[streams], others[streams], lower[streams])

    def put(self, streams: NDArray[np.int64], taken: Options) -> Options:
        """The same with other options for these streams."""
        made = self.take(np.arange(len(self.controls)))
        for whole, part in zip(made, taken):
            whole[streams] = part
        return made


class _Metre(NamedTuple):
    """The last bars in one metre, and the endings of each part."""

    bars: LastBars
    parts: list[Endings]


class Onward:
    """The ways on under limits.

    Parameters
    ----------
    vocabulary
        Of the events.
    limits
        What has to be kept to, an exact number of bars among it if one is asked for.
    places
        Its tables.
    pitches
        Which pitches each part may play, (parts, pitches).
    """

    def __init__(self, vocabulary: Vocabulary, limits: Limits, places: Places, pitches: Mask) -> None:
        self._vocabulary, self._limits, self._places, self._pitches = vocabulary, limits, places, pitches
        self._drums = np.array([part.is_drum for part in vocabulary.parts], bool)
        tones = pitches[~self._drums].any(axis=0) if (~self._drums).any() else np.zeros(pitches.shape[1], bool)
        pitch_class = (vocabulary.pitches[0] + np.arange(len(tones))) % 12
        self._is_tonic = np.append(tones & (pitch_class == limits.tonic), False)
        self._tones = tones
        voices = pitches.any(axis=1) & ~self._drums
        most = limits.max_polyphony or len(voices) + 128
        self.is_crowded = most < voices.sum() or not np.array(vocabulary.monophonic)[voices].all()
        self.is_crowded &= limits.max_polyphony is not None
        self._metres: dict[int, _Metre] = {}

    def _metre(self, number: int) -> _Metre:
        if number not in self._metres:
            vocabulary, limits = self._vocabulary, self._limits
            assert limits.bars is not None
            bars = LastBars(self._places, limits, number, self._tones, vocabulary.pitches[0])
            kinds = list(zip(vocabulary.legato, self._drums.tolist()))
            made = {kind: bars.of_part(legato=kind[0], is_drum=kind[1]) for kind in set(kinds)}
            self._metres[number] = _Metre(bars, [made[kind] for kind in kinds])
        return self._metres[number]

    def narrow(self, music: Limited, ticks: Ints, options: Options) -> Options:
        """The options from which there is a way on.

        `options.others` comes as whether yet another part could begin a note at that tick after one of each part.
        """
        if self._limits.bars is None:
            return self._to_later_bars(music, ticks, options, np.ones(ticks.shape, bool))
        early, told = np.zeros(ticks.shape, bool), music.metre_is_told()
        for number in np.unique(music.metre[told]).tolist():
            own = np.flatnonzero(told & (music.metre == number))
            metre = self._metre(number)
            found = self._to_the_end(music.take(own), metre, ticks[own], options.take(own))
            options = options.put(own, found)
            early[own] = music.left(ticks)[own] > metre.bars.horizon
        return self._to_later_bars(music, ticks, options, early)

    def _to_later_bars(self, music: Limited, ticks: Ints, options: Options, where: Mask) -> Options:
        """Without the notes that fill a bar at a place from which no time token leads out of it."""
        if self._limits.density is None:
            return options
        stuck = where & ~self._places.leaves[music.metre[:, None], music.position(ticks)] & (music.room(ticks) <= 1)
        return options._replace(notes=options.notes & ~stuck[:, :, None, None])

    def _to_the_end(self, music: Limited, metre: _Metre, ticks: Ints, options: Options) -> Options:
        """The options from which the tune can end as it has to."""
        ways = _Ways(self, music, metre, ticks, options.notes)
        others, lower = ways.in_other_parts(music.room(ticks) - 1, options.notes, options.others)
        number = np.arange(self._pitches.shape[1])
        low = ways.low[:, :, None, None]
        notes = others[..., None] | (lower[..., None] < np.minimum(low, number))
        for part, own in enumerate(ways.own(music.room(ticks) - 1)):
            notes[:, :, part] |= own
        resting, below = ways.in_other_parts(music.room(ticks), options.notes)
        resting |= (below < ways.low[..., None]) | ways.done[..., None]
        changing = resting.any(axis=2, keepdims=True)
        return Options(options.controls & changing, options.rests & resting, options.notes & notes, others, lower)

    def lengths(self, music: Limited, events: Rows, options: Options) -> Mask:
        """Which durations lead to an end, (streams, durations); of events without a duration all."""
        durations = self._places.durations
        legal = np.ones((len(events), max(len(durations), 1)), bool)
        for stream in np.flatnonzero(self._vocabulary.said(events)[:, DURATION]).tolist():
            time, part = events[stream, TIME] - 1, events[stream, KIND] - FIRST_PART
            pitch = int(events[stream, VALUE] - self._vocabulary.first_pitch)
            alone = music.take(np.array([stream]))
            ticks = alone.ticks_of(events[stream : stream + 1, TIME])[:, None]
            low = int(alone.lowest_at(ticks)[0, 0])
            if not options.others[stream, time, part] and options.lower[stream, time, part] >= min(low, pitch):
                legal[stream] = self._own_lengths(alone, ticks, int(part), pitch, low)
        return legal

    def _own_lengths(self, music: Limited, ticks: Ints, part: int, pitch: int, low: int) -> Mask:
        """Which durations of a note let its own part go on to the end."""
        metre, durations = self._metre(int(music.metre[0])), self._places.durations
        left = int(music.left(ticks)[0, 0])
        if left > metre.bars.horizon:
            return np.ones(len(durations), bool)
        lowest = min(low, pitch) if not self._drums[part] else int(music.lowest[0])
        may_end = not self._limits.end_on_tonic or self._is_tonic[lowest]
        ends = may_end & (durations > left - metre.bars.bar_ticks) & (durations <= left)
        room = metre.bars.index(music.room(ticks) - 1)[0, 0]
        own = 0 if self._drums[part] else pitch
        if not self._vocabulary.monophonic[part]:
            return ends | metre.parts[part].followed[left, room, own]
        steps, leads = metre.bars.next_onsets(left, metre.parts[part], is_drum=bool(self._drums[part]))
        leads = np.append(np.logical_or.accumulate(leads[::-1, room, own])[::-1], False)  # that step or a longer one
        return ends | leads[np.searchsorted(steps, durations)]


class _Ways:
    """The ways to the end for streams of one metre."""

    def __init__(self, onward: Onward, music: Limited, metre: _Metre, ticks: Ints, notes: Mask) -> None:
        self._onward, self._music, self._metre = onward, music, metre
        left = music.left(ticks)
        self._early, self._left = left > metre.bars.horizon, np.clip(left, 0, metre.bars.horizon)
        self._on_tonic = onward._limits.end_on_tonic
        self.low = music.lowest_at(ticks)
        self.done = self._early | ((left < metre.bars.bar_ticks) & music.ends_well()[:, None])
        self._last = [self._last_notes(part, notes[:, :, part]) for part in range(notes.shape[2])]

    def _last_notes(self, part: int, notes: Mask) -> Mask:
        """Which notes of a part may be the last of all, whatever else sounds, (streams, times, pitches)."""
        last = notes & self._metre.parts[part].last[self._left]
        if not self._on_tonic:
            return last
        return last & self._onward._is_tonic[:-1] & ~self._onward._drums[part]

    def own(self, room: Ints) -> list[Mask]:
        """Of each part, which notes let it go on to the end by itself, so many onsets being left then in the bar."""
        found = []
        number = np.arange(len(self._onward._tones))
        lowest = np.minimum(self.low[..., None], number)
        for part, endings in enumerate(self._metre.parts):
            ends = endings.last[self._left]
            if self._on_tonic:
                well = (
                    self._music.ends_well()[:, None, None] if self._onward._drums[part] else self._onward._is_tonic[lowest]
                )
                ends = ends & well
            followed = endings.followed[self._left, self._metre.bars.index(room)] & self._leads(part)
            found.append(self._early[..., None] | followed | ends)
        return found

    def _leads(self, part: int) -> bool:
        """Whether a part can end the tune at all."""
        return not (self._on_tonic and bool(self._onward._drums[part]))

    def in_other_parts(self, room: Ints, notes: Mask, one_more: Mask | None = None) -> tuple[Mask, Ints]:
        """After an event of each part: whether another can go on to the end; the lowest pitch of one that ends it there.

        `room` is how many more notes may then begin in the bar. `one_more` says of a note of each part whether yet another
        part may begin one at that tick, as far as the number of notes at once goes; without it the event is a rest, and the
        part itself may go on as well, later.
        """
        shape = notes.shape[:3]
        resumed, at_once = np.zeros(shape, bool), np.zeros(shape, bool)
        lower = np.full((*shape[:2], shape[2] + 1), notes.shape[3])
        for part, endings in enumerate(self._metre.parts):
            if not self._onward._pitches[part].any() or not self._leads(part):
                continue
            last = np.minimum(self._music.last[:, part], endings.resumed.shape[2] - 1)[:, None]
            resumed[:, :, part] = endings.resumed[self._left, self._metre.bars.index(room), last]
            followed = endings.followed[self._left, self._metre.bars.index(room - 1)]
            at_once[:, :, part] = (notes[:, :, part] & followed).any(axis=2) & (room >= 1)
            ends = self._last[part] & (room >= 1)[..., None]
            lower[:, :, part] = np.where(ends.any(axis=2), ends.argmax(axis=2), notes.shape[3])
            if not self._on_tonic:
                at_once[:, :, part] |= ends.any(axis=2)
        later = np.cumsum(at_once[:, :, ::-1], axis=2)[:, :, ::-1] > at_once  # of a part behind it, at the same tick
        below = np.minimum.accumulate(lower[:, :, ::-1], axis=2)[:, :, ::-1][:, :, 1:]
        if one_more is None:
            others = resumed.any(axis=2, keepdims=True)
        else:
            others = resumed.sum(axis=2, keepdims=True) > resumed
            later, below = later & one_more, np.where(one_more, below, notes.shape[3])
            if self._onward.is_crowded:  # what sounds then may keep others from beginning
                others = np.zeros_like(others)
        return others | later | self._early[..., None], below
