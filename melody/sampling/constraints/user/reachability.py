"""Whether there is a way on from each option: to a later bar, and to the ending that was asked for.

A way to the ending is looked for in one part at a time: the part that plays goes on by itself, or another part begins at the
same tick or later and goes on by itself; `melody.sampling.constraints.user.endings` knows from where that leads to the end.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from melody.limits import Limits
from melody.piece import Ints
from melody.sampling.constraints.joint_options import Options
from melody.sampling.constraints.user.endings import Endings, LastBars
from melody.sampling.constraints.user.places import Places
from melody.tokens import Vocabulary
from melody.tokens.grammar import Mask


class Stand(NamedTuple):
    """What the ways on depend on, besides the options.

    Parameters
    ----------
    left
        Ticks from each time to the end, (streams, times).
    notes_left
        How many more notes may begin in the bar there, (streams, times).
    low
        The lowest tone that has begun at that very tick; a number beyond all pitches if there is none, (streams, times).
    lowest
        The lowest tone of the last onset, (streams,).
    ends_well
        Whether that is the tonic, or need not be, (streams,).
    last
        The last pitch of each part; a number beyond all pitches before its first note, (streams, parts).
    """

    left: Ints
    notes_left: Ints
    low: Ints
    lowest: Ints
    ends_well: Mask
    last: Ints

    def take(self, streams: NDArray[np.int64]) -> Stand:
        """The same of those streams alone."""
        left, notes_left, low, lowest, ends_well, last = self
        return Stand(left[streams], notes_left[streams], low[streams], lowest[streams], ends_well[streams], last[streams])

    def at(self, stream: int, time: int) -> Stand:
        """The same of one stream at one time, END not counted."""
        one = self.take(np.array([stream]))
        return one._replace(left=one.left[:, [time]], notes_left=one.notes_left[:, [time]], low=one.low[:, [time]])


class _Metre(NamedTuple):
    """The last bars in one metre, and the endings of each part."""

    bars: LastBars
    parts: list[Endings]


class Reachability:
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
        self._drums = vocabulary.drums
        tones: Mask = np.asarray(pitches[~self._drums].any(axis=0))  # none if all are drums
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
            kinds = list(zip(vocabulary.implied_duration, self._drums.tolist()))
            made = {kind: bars.of_part(implied=kind[0], is_drum=kind[1]) for kind in set(kinds)}
            self._metres[number] = _Metre(bars, [made[kind] for kind in kinds])
        return self._metres[number]

    def horizon(self, metre: int) -> int:
        """How many ticks before the end are looked at in that metre."""
        return self._metre(metre).bars.horizon

    def to_the_end(self, stand: Stand, metre: int, options: Options) -> Options:
        """The options, all in that metre and after the metre is known, from which the tune can end as it has to."""
        assert options.notes is not None and options.one_more is not None
        routes = _Routes(self, stand, self._metre(metre), options)
        others, lower = routes.in_other_parts(stand.notes_left - 1, options.notes, options.one_more)
        number = np.arange(self._pitches.shape[1])
        low = stand.low[:, :, None, None]
        notes = others[..., None] | (lower[..., None] < np.minimum(low, number))
        for part, own in enumerate(routes.own(stand.notes_left - 1)):
            notes[:, :, part] |= own
        resting, below = routes.in_other_parts(stand.notes_left, options.notes)
        resting |= (below < stand.low[..., None]) | routes.done[..., None]
        changing = resting.any(axis=2, keepdims=True)
        return replace(
            options,
            controls=options.controls & changing,
            rests=options.rests & resting,
            notes=options.notes & notes,
            others=others,
            lower=lower,
        )

    def own_durations(self, stand: Stand, metre: int, part: int, pitch: int) -> Mask:
        """Which durations of a note let its own part go on to the end, (durations,); one stream stands at the note."""
        found, durations = self._metre(metre), self._places.durations
        left, low = int(stand.left[0, 0]), int(stand.low[0, 0])
        if left > found.bars.horizon:
            return np.ones(len(durations), bool)
        lowest = min(low, pitch) if not self._drums[part] else int(stand.lowest[0])
        may_end = not self._limits.end_on_tonic or self._is_tonic[lowest]
        ends = may_end & (durations > left - found.bars.bar_ticks) & (durations <= left)
        notes_left = found.bars.index(stand.notes_left - 1)[0, 0]
        own = 0 if self._drums[part] else pitch
        if not self._vocabulary.monophonic[part]:
            return np.asarray(ends | found.parts[part].followed[left, notes_left, own])
        steps, leads = found.bars.next_onsets(left, found.parts[part], is_drum=bool(self._drums[part]))
        leads = np.append(np.logical_or.accumulate(leads[::-1, notes_left, own])[::-1], False)  # that step or a longer one
        return ends | leads[np.searchsorted(steps, durations)]


class _Routes:
    """The ways to the end for streams of one metre."""

    def __init__(self, whole: Reachability, stand: Stand, metre: _Metre, options: Options) -> None:
        assert options.notes is not None
        notes, self._players = options.notes, options.players
        self._whole, self._stand, self._metre = whole, stand, metre
        left = stand.left
        self._early, self._left = left > metre.bars.horizon, np.clip(left, 0, metre.bars.horizon)
        self._on_tonic = whole._limits.end_on_tonic
        self.done = self._early | ((left < metre.bars.bar_ticks) & stand.ends_well[:, None])
        self._last = [self._last_notes(part, notes[:, :, part]) for part in range(notes.shape[2])]

    def _last_notes(self, part: int, notes: Mask) -> Mask:
        """Which notes of a part may be the last of all, whatever else sounds, (streams, times, pitches)."""
        last = notes & self._metre.parts[part].last[self._left]
        if not self._on_tonic:
            return last
        return np.asarray(last & self._whole._is_tonic[:-1] & ~self._whole._drums[part])

    def own(self, notes_left: Ints) -> list[Mask]:
        """Of each part, which notes let it go on to the end by itself, so many onsets being left then in the bar."""
        found = []
        number = np.arange(len(self._whole._tones))
        lowest = np.minimum(self._stand.low[..., None], number)
        for part, endings in enumerate(self._metre.parts):
            ends = endings.last[self._left]
            if self._on_tonic:
                is_drum = self._whole._drums[part]
                ends = ends & (self._stand.ends_well[:, None, None] if is_drum else self._whole._is_tonic[lowest])
            followed = endings.followed[self._left, self._metre.bars.index(notes_left)] & self._leads(part)
            found.append(self._early[..., None] | followed | ends)
        return found

    def _leads(self, part: int) -> bool:
        """Whether a part can end the tune at all."""
        return not (self._on_tonic and bool(self._whole._drums[part]))

    def in_other_parts(self, notes_left: Ints, notes: Mask, one_more: Mask | None = None) -> tuple[Mask, Ints]:
        """After an event of each part: whether another can go on to the end; the lowest pitch of one that ends it there.

        `notes_left` is how many more notes may then begin in the bar. `one_more` says of a note of each part whether yet
        another part may begin one at that tick, as far as the number of notes at once goes; without it the event is a
        rest, and the part itself may go on as well, later.
        """
        shape = notes.shape[:3]
        resumed, at_once = np.zeros(shape, bool), np.zeros(shape, bool)
        lower = np.full((*shape[:2], shape[2] + 1), notes.shape[3])
        for part, endings in enumerate(self._metre.parts):
            if not self._whole._pitches[part].any() or not self._leads(part):
                continue
            last = np.minimum(self._stand.last[:, part], endings.resumed.shape[2] - 1)[:, None]
            resumed[:, :, part] = endings.resumed[self._left, self._metre.bars.index(notes_left), last]
            if self._players is not None:
                resumed[:, :, part] &= self._players[:, [part]]
            followed = endings.followed[self._left, self._metre.bars.index(notes_left - 1)]
            at_once[:, :, part] = (notes[:, :, part] & followed).any(axis=2) & (notes_left >= 1)
            ends = self._last[part] & (notes_left >= 1)[..., None]
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
            if self._whole.is_crowded:  # what sounds then may keep others from beginning
                others = np.zeros_like(others)
        return others | later | self._early[..., None], below
