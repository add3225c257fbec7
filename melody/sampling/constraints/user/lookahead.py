"""What leads nowhere is left out before it is chosen, and what a tune does that is to end as soon as it may.

A note that cannot end in time leads nowhere, a bar that is full too early, a tune that cannot end as it has to. This
looks at what all constraints together have left, and takes more away, whatever they are.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from melody.limits import Limits
from melody.limits.lookups import allowed_pitches
from melody.piece import Ints
from melody.sampling.constraints.constraint import Constraint
from melody.sampling.constraints.joint_options import Options
from melody.sampling.constraints.music import NEVER, Event, Music
from melody.sampling.constraints.user.places import Places
from melody.sampling.constraints.user.reachability import Reachability, Stand
from melody.tokens import Vocabulary
from melody.tokens.grammar import Mask
from melody.tokens.usage import DOWN, FIRST_PART, KEY, METRE, UP
from melody.tokens.vocabulary import DURATION, KIND, TIME, VALUE, Rows


class Lookahead(Constraint):
    """The look-ahead under limits.

    Parameters
    ----------
    vocabulary
        Of the events.
    limits
        What is to be kept.
    places
        Their tables.
    pitches
        Which pitches each part may play, (parts, pitches).
    origin
        The tick of the bar that chords are counted from; None for the first bar of a piece.
    last
        A pitch of what each part began last before, (parts,); None if nothing was before.
    """

    per_stream: ClassVar[tuple[str, ...]] = ("_last", "_keyed")
    _last: Ints
    _keyed: Mask

    def __init__(
        self, vocabulary: Vocabulary, limits: Limits, places: Places, pitches: Mask, origin: int | None, last: Ints | None
    ) -> None:
        self._vocabulary, self._limits, self._places, self._origin = vocabulary, limits, places, origin
        self._reachability = Reachability(vocabulary, limits, places, pitches)
        self._first = np.full(len(pitches), pitches.shape[1]) if last is None else last
        self._needs_key = limits.key is not None and len(vocabulary.keys) > 0
        pitch_class = (vocabulary.pitches[0] + np.arange(pitches.shape[1])) % 12
        self._is_tonic = pitch_class == limits.tonic if limits.end_on_tonic else np.ones(len(pitch_class), bool)
        goals = np.flatnonzero(self._is_tonic & allowed_pitches(limits, vocabulary))
        number = np.arange(len(pitch_class))
        self._nearest = np.abs(number[:, None] - goals).min(axis=1, initial=len(number))  # semitones to where it may end

    def begin(self, streams: int) -> Lookahead:
        """As `Constraint.begin`."""
        made = super().begin(streams)
        made._last = np.repeat(self._first[None], streams, axis=0)
        made._keyed = np.full(streams, not self._needs_key)
        return made

    def narrow(self, music: Music, options: Options) -> None:
        """END only after a note."""
        options.ends &= music.has_note

    def look_ahead(self, music: Music, options: Options) -> None:
        """As `Constraint.look_ahead`."""
        self._in_time(music, options)
        self._to_the_end(music, options)
        self._to_later_bars(music, options)
        assert options.notes is not None
        options.plays = np.asarray(options.notes.any(axis=3))
        self._without_idle_changes(music, options)
        self._with_key_first(music, options)
        self._close(music, options)
        self._come_to_the_tonic(music, options)

    # Notes that can end in time

    def _in_time(self, music: Music, options: Options) -> None:
        """Parts that are due come in their order, and no note begins that cannot end on the grid before it has to."""
        in_order = np.arange(options.plays.shape[2]) <= self._first_due(music, options)[:, :, None]
        options.rests &= in_order
        following, shortest = self._places.next_place[music.place], self._places.least[music.place]
        ticks = np.where(music.implied, following[..., None], shortest[..., None])  # of the shortest note of each part
        assert options.notes is not None
        options.notes &= (in_order & (ticks <= music.left(music.ticks)[..., None]))[..., None]
        if options.lasting is not None:
            lasting = options.lasting[:, :, None, music.pitch_class]
            options.notes &= (ticks[..., None] <= lasting) | music.drums[:, None]

    def _first_due(self, music: Music, options: Options) -> Ints:
        """The first part that must have its next event there at the latest, or a number beyond all parts."""
        assert options.deadlines is not None
        following = music.ticks + self._places.next_place[music.place]
        due = (options.deadlines[:, None] < following[:, :, None]) & music.standing.held[:, None]
        return np.asarray(np.where(due.any(axis=2), due.argmax(axis=2), due.shape[2]))

    # Tunes that can end

    def _stand(self, music: Music, ticks: Ints, notes_left: Ints) -> Stand:
        left, low = music.left(ticks), music.lowest_at(ticks)
        return Stand(left, notes_left, low, music.low, self._ends_well(music), self._last)

    def _ends_well(self, music: Music) -> Mask:
        """Whether the lowest of the last tones is the tonic, or need not be, (streams,)."""
        if not self._limits.end_on_tonic:
            return np.ones(len(music.low), bool)
        found: Mask = np.append(self._is_tonic, False)[music.low]
        return found

    def _to_the_end(self, music: Music, options: Options) -> None:
        """Only that from which the tune can end in its last bar as it has to."""
        if self._limits.bars is None or options.notes is None:
            return
        options.one_more = np.ones_like(options.plays) if options.one_more is None else options.one_more
        options.others, options.lower = np.ones_like(options.plays), np.zeros(options.plays.shape, np.int64)
        stand = self._stand(music, music.ticks, _notes_left(music, options))
        known, nearest = music.standing.pending != METRE, stand.left.min(axis=1)
        for metre in np.unique(music.standing.metre[known]).tolist():
            near = nearest <= self._reachability.horizon(metre)  # earlier everything leads to the end
            own = np.flatnonzero(known & near & (music.standing.metre == metre))
            if len(own):
                options.put(own, self._reachability.to_the_end(stand.take(own), metre, options.take(own)))

    def _to_later_bars(self, music: Music, options: Options) -> None:
        """Without the notes that fill a bar at a place from which no time token leads out of it."""
        if options.notes_left is None or options.notes is None:
            return
        stuck = ~self._places.leaves[music.place] & (options.notes_left <= 1)
        if self._limits.bars is not None:  # nearer to the end that has been looked at
            left, known = music.left(music.ticks), music.standing.pending != METRE
            horizon = [self._reachability.horizon(m) if k else NEVER for m, k in zip(music.standing.metre.tolist(), known)]
            stuck &= left > np.array(horizon, np.int64)[:, None]
        options.notes &= ~stuck[:, :, None, None]

    def values(self, music: Music, time: Ints, kind: Ints) -> Mask | None:
        """No turn of the pedal before a key that has been asked for."""
        if self._keyed.all() or not self._vocabulary.pedal:
            return None
        turns = np.arange(self._vocabulary.sizes[VALUE]) - self._vocabulary.first_turn
        legal: Mask = (self._keyed | music.standing.begun)[:, None] | (turns < UP) | (turns > DOWN)
        return legal

    def durations(self, music: Music, events: Rows, options: Options | None) -> Mask | None:
        """Which durations lead to an end."""
        if self._limits.bars is None or options is None or options.others is None or options.lower is None:
            return None
        legal = np.ones((len(events), len(music.durations)), bool)
        stand = self._stand(music, music.ticks, _notes_left(music, options))
        for stream in np.flatnonzero(self._vocabulary.field_mask(events)[:, DURATION]).tolist():
            time, part = int(events[stream, TIME] - 1), int(events[stream, KIND] - FIRST_PART)
            pitch = int(events[stream, VALUE] - self._vocabulary.first_pitch)
            lowest = min(int(stand.low[stream, time]), pitch)
            if not options.others[stream, time, part] and options.lower[stream, time, part] >= lowest:
                metre, at = int(music.standing.metre[stream]), stand.at(stream, time)
                legal[stream] = self._reachability.own_durations(at, metre, part, pitch)
        return legal

    # What comes first, and last

    def _without_idle_changes(self, music: Music, options: Options) -> None:
        """Without a change of metre, tempo or key at a later time at which it would be the only thing that may come.

        A time is chosen before what comes then: where limits have left nothing but a change, it would stand for the note
        that the model had in mind.
        """
        played = options.rests.any(axis=2) | options.plays.any(axis=2)
        going_up = music.standing.down[:, None, None] & (np.arange(FIRST_PART) == KEY)  # the pedal has to
        options.controls &= (played | music.is_header)[:, :, None] | going_up

    def _with_key_first(self, music: Music, options: Options) -> None:
        """Nothing but the key where it has been asked for and is to come next."""
        waiting = ~(self._keyed | music.standing.begun) & (music.standing.pending < 0)
        if not waiting.any() or options.notes is None:
            return
        ready = ~waiting[:, None, None]
        options.controls &= ready | (np.arange(FIRST_PART) == KEY)
        options.rests &= ready
        options.plays &= ready
        options.notes &= ready[..., None]

    def _close(self, music: Music, options: Options) -> None:
        """Where the end is to come soon: rests once the last note is the tonic, else the notes nearest to it."""
        streams = np.flatnonzero(music.must_close)
        if not len(streams) or options.notes is None:
            return
        done = (self._ends_well(music) & music.has_note)[streams, None, None]
        notes = options.notes[streams]
        far = np.where(notes & ~music.drums[:, None], self._nearest, NEVER)
        notes &= (far == far.min(axis=(1, 2, 3), keepdims=True)) & ~done[..., None]
        options.controls[streams] &= music.standing.down[streams, None, None] & (np.arange(FIRST_PART) == KEY)
        options.rests[streams] &= done
        options.notes[streams], options.plays[streams] = notes, notes.any(axis=3)

    def _come_to_the_tonic(self, music: Music, options: Options) -> None:
        """Where nothing more can come but at this tick, and END not yet, at once the tonic below all else.

        Or notes would be heaped on the last onset until it happens to come.
        """
        if not self._limits.end_on_tonic or options.notes is None or music.now_index != 0:
            return
        legal = options.times()
        streams = np.flatnonzero(~options.ends & legal[:, 0] & ~legal[:, 1:].any(axis=1))
        if not len(streams):
            return
        number = np.arange(len(self._is_tonic))
        below = self._is_tonic & (number < music.lowest_at(music.standing.tick[:, None])[streams])
        ending = options.notes[streams, 0] & below[:, None] & ~music.drums[:, None]  # (streams, parts, pitches)
        ready = ending.any(axis=(1, 2))
        options.notes[streams[ready], 0] = ending[ready]
        options.plays[streams[ready], 0] = ending[ready].any(axis=2)

    def push(self, music: Music, event: Event) -> None:
        """As `Constraint.push`."""
        streams, part, pitch = event.tones
        self._last[streams, part] = pitch
        self._keyed |= event.going & (event.rows[:, KIND] == KEY) & ~self._vocabulary.is_turn(event.rows)


def _notes_left(music: Music, options: Options) -> Ints:
    """How many more notes may begin in the bar of each time, (streams, times)."""
    return np.full_like(music.ticks, NEVER) if options.notes_left is None else options.notes_left
