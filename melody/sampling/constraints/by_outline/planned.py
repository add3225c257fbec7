"""What the outline says of the parts is so: what returns returns as it was, and who is to play begins where he is to begin.

A model that has learnt with outlines knows well what comes next of these, but one event in a hundred that it misses is a bar
in four that does not return. In the corpus what the outline says is so without exception; so it is here, as far as grammar
and limits allow: what they forbid is passed over. A part that repeats a bar plays nothing else in it, and as long as there;
one that rests begins nothing; one that plays something new is free as soon as it has begun, but in as many places as are
planned, the last of them where it is planned, all of them such as it begins notes in as a rule, or, where it has the rhythm
of an earlier bar, begins notes in the places of that one and in no others, as many as it will and the first as long as
there. Who plays on begins the next note once the last is over. No stroke of a drum kit lasts into the next bar, where it
would stand in the way of what returns; no note of a part that plays one at a time, or lets go of a chord before it begins
another, beyond the place of its next one, or for so long that there is no time for those that it is still to begin in the
bar. No bar in which anybody is to play is passed over. The end comes in the last bar or after it, if it may.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from melody.piece import Ints
from melody.sampling.constraints.by_outline.outlined import ByOutline
from melody.sampling.constraints.joint_options import Options
from melody.sampling.constraints.music import NEVER, Event, Music
from melody.tokens.grammar import Mask
from melody.tokens.inputs.outlines.outline import PLAYING, RESTING, RETURNS
from melody.tokens.usage import FIRST_PART
from melody.tokens.vocabulary import DURATION, KIND, TIME, VALUE, Rows

_IN_RHYTHM = 1 << 20  # more than `RETURNS` and any bar
_BRIEF = 4  # of a quarter: what a part is still to begin in the bar has that time each
_HELD = 0.9  # of the time to its next note, that of a part that plays on lasts at least
_AHEAD = 8  # bars, within which a part's next note is looked for


class Planned(ByOutline):
    """The parts keep to their outline.

    What comes next by it is not found here, where what came before is not known, but by `melody.tokens.inputs.context`,
    and stands in `Music.expected`.
    """

    per_stream: ClassVar[tuple[str, ...]] = (
        *ByOutline.per_stream,
        *("_lets_go", "_plays_on", "_places", "_places_from", "_last"),
    )
    _places: Ints  # of a bar in which each part has begun notes, how many, (streams, parts)
    _places_from: Ints  # where that bar begins
    _last: Ints  # the part's last onset
    _lets_go: Mask  # (streams, parts) each
    _plays_on: Mask

    def begin(self, streams: int) -> Planned:
        """As `Constraint.begin`."""
        made = super().begin(streams)
        made._lets_go, made._plays_on = (
            np.repeat(own[None], streams, axis=0) for own in (self._plan.lets_go, self._plan.plays_on)
        )
        made._places, made._places_from = np.zeros(made._lets_go.shape, np.int64), np.zeros(made._lets_go.shape, np.int64)
        made._last = np.full(made._lets_go.shape, -1)
        return made

    def look_ahead(self, music: Music, options: Options) -> None:
        """As `Constraint.look_ahead`."""
        times, parts = options.plays.shape[1:]
        does, place, onsets, end, is_over = self._in_bars(music)
        in_time = ~is_over & self._up_to_the_next(music)
        may = in_time[:, :, None] & (does != RESTING) & (does < RETURNS)
        is_new, is_free = does == PLAYING, (does != PLAYING) | (place <= music.position[:, :, None])
        left, in_last = onsets - self._begun(music), self._in_last_bar(music)[:, None, None]  # where it is for the close
        may &= is_free & (~is_new | (left > 0) | in_last)
        is_known = is_new & (end > place) & ~in_last  # the last place, for which one of them is left
        before_end = music.position[:, :, None] < end
        may &= ~is_known | np.where(before_end, left > 1, music.position[:, :, None] == end)
        left = left - is_known
        in_grid, has_grid = self._in_grids(music)
        fits = in_grid | (~has_grid & self._on_a_sixteenth(music)[:, :, None])
        is_open = options.plays & is_free & (left > 0) & is_new & ~in_last & (before_end | ~is_known) & fits
        until = np.where(is_known, end, music.standing.bar_ticks[:, None, None])
        latest = self._latest(music, is_open, place, onsets, left, until, has_grid)
        is_yet = music.ticks[:, :, None] > self._last[:, None]
        at_end = self._first(options.plays & may & is_known & ~before_end & is_yet)
        self._let_chords_be(music, may, does, is_over)
        self._expect(music, options)
        planned = (music.expected[:, TIME] - 1) * parts + music.expected[:, KIND] - FIRST_PART
        planned = np.where(music.expected[:, TIME] > 0, planned, times * parts)
        hurried = latest < planned  # or the time before would be cut into pieces that no player counts
        is_planned = (music.position[:, :, None] == place) | (is_known & ~before_end)
        may &= ~is_new | in_last | is_planned | fits | (~has_grid & ~hurried[:, None, None])
        planned = np.minimum(np.minimum(planned, latest), np.minimum(at_end, self._goes_on(music, is_open & is_yet)))
        due = np.flatnonzero(planned < times * parts)
        time, part = np.divmod(planned[due], parts)
        number, numbers = np.arange(times), np.arange(parts)
        away = music.ticks[due, time][:, None] - music.ticks[due]
        in_time[due] &= (number <= time[:, None]) & np.isin(away, music.shifts)  # it is within reach from there
        may[due] &= in_time[due][:, :, None] & ((number != time[:, None])[:, :, None] | (numbers < part[:, None, None]))
        may[due, time, part] = True
        plays, rests = options.plays & may, options.rests & in_time[:, :, None]
        rests[due, time, part] &= (music.expected[due, VALUE] >= 0) | ~plays[due, time, part]  # what begins is a note
        controls, ends = options.controls & in_time[:, :, None], options.ends.copy()
        ends[due] = False
        ends &= in_last[:, 0, 0]
        goes_on = ends | (plays | rests).any(axis=(1, 2)) | controls.any(axis=(1, 2))
        for name, narrowed in (("plays", plays), ("rests", rests), ("controls", controls), ("ends", ends)):
            getattr(options, name)[goes_on] = narrowed[goes_on]
        if options.notes is not None:
            options.notes &= options.plays[..., None]

    def _up_to_the_next(self, music: Music) -> Mask:
        """Which times are no later than the next bar in which anybody is to play, (streams, times): none is passed over."""
        bars, now = self._bars(music, music.ticks), self._bar(music, music.standing.tick)
        found = [plan.following[min(max(bar + 1, 0), len(plan.following) - 1)] for plan, bar in zip(self._plans, now)]
        return np.asarray(bars <= np.array(found)[:, None])

    @staticmethod
    def _first(may: Mask) -> Ints:
        """The first time at which a part may, its number x parts + the part, (streams,); times x parts where none may."""
        found = may.reshape(len(may), -1)
        return np.where(found.any(axis=1), found.argmax(axis=1), found.shape[1])

    def _latest(self, music: Music, may: Mask, place: Ints, onsets: Ints, left: Ints, end: Ints, has_grid: Mask) -> Ints:
        """By when a part that plays something new has to begin it again, to come to as many places as are planned.

        It has half of the time that its notes have on average for each of those that are left, and a place of its grid.

        Parameters
        ----------
        may
            Which parts may at each time, (streams, times, parts).
        place, onsets, left, end
            Where they begin in the bar, in how many places, in how many from there on, and where in the bar by then.
        has_grid
            Which parts have one, (streams, 1, parts).

        Returns
        -------
        Ints
            The first of those times, its number x parts + the part, (streams,); times x parts where nobody has to.
        """
        times, parts = may.shape[1:]
        standing = music.standing
        line = standing.tick + standing.bar_ticks - music.position_of(standing.tick[:, None])[:, 0]
        may = may & (music.ticks < line[:, None])[:, :, None] & (music.ticks[:, :, None] > self._last[:, None])
        if not may.any():
            return np.full(len(may), times * parts)
        each = (end - place) / np.maximum(2 * onsets, 1)
        until = (line - standing.bar_ticks)[:, None, None] + end
        in_time = may & (music.ticks[:, :, None] <= until - left * each)
        in_time &= ~has_grid | (self._places_left(music, end) >= left)
        last = times - 1 - in_time[:, ::-1].argmax(axis=1)
        time = np.where(in_time.any(axis=1), last, np.where(may.any(axis=1), may.argmax(axis=1), times))
        return np.asarray(np.minimum((time * parts + np.arange(parts)).min(axis=1), times * parts))

    def _goes_on(self, music: Music, may: Mask) -> Ints:
        """When the first part that plays on begins its next note, since its last one is over, as `_first` says it."""
        is_over = music.ticks[:, :, None] >= music.standing.ends.max(axis=2)[:, None]
        return self._first(may & is_over & self._plays_on[:, None])

    def _on_a_sixteenth(self, music: Music) -> Mask:
        """Which times are a sixteenth of the bar, or now, (streams, times)."""
        now = music.ticks == music.standing.tick[:, None]
        return np.asarray(now | (music.position % _brief(music) == 0))

    def _in_grids(self, music: Music) -> tuple[Mask, Mask]:
        """Which times are in the grid of each part, (streams, times, parts); which parts have one, (streams, 1, parts)."""
        found = [plan.grids.has(places) for plan, places in zip(self._plans, music.position)]
        return np.stack(found), np.stack([plan.grids.is_known for plan in self._plans])[:, None]

    def _places_left(self, music: Music, end: Ints) -> Ints:
        """How many places of its grid each part has from each time on, up to a place in the bar, (streams, times, parts)."""
        each = zip(self._plans, music.position, end)
        return np.stack([plan.grids.before(until) - plan.grids.before(place[:, None]) for plan, place, until in each])

    def _let_chords_be(self, music: Music, may: Mask, does: Ints, is_over: Mask) -> None:
        """To a rhythm that returns a part may begin more than one note in each place."""
        standing, now = music.standing, music.now_index
        if now < 0:
            return
        streams = np.flatnonzero((standing.kind >= FIRST_PART) & (standing.value >= music.vocabulary.first_pitch))
        part = standing.kind[streams] - FIRST_PART
        may[streams, now, part] |= (does[streams, now, part] == _IN_RHYTHM) & ~is_over[streams, now]

    def _begun(self, music: Music) -> Ints:
        """In how many places of the bar before each time each part has begun notes, (streams, times, parts)."""
        start = music.ticks - music.position
        count = np.where(self._places_from[:, None] == start[:, :, None], self._places[:, None], 0)
        found: Ints = count - (self._last[:, None] == music.ticks[:, :, None])
        return found

    def push(self, music: Music, event: Event) -> None:
        """As `Constraint.push`."""
        own = event.is_note
        streams, part, tick = event.streams[own], event.part[own], event.tick[event.streams[own]]
        at, start = (streams, part), (event.tick - music.position_of(event.tick[:, None])[:, 0])[streams]
        count = np.where(self._places_from[at] == start, self._places[at], 0) + (self._last[at] != tick)
        self._places[at], self._places_from[at], self._last[at] = count, start, tick

    def _in_bars(self, music: Music) -> tuple[Ints, Ints, Ints, Ints, Mask]:
        """What each part does at each time, where it begins, in how many places, the last of them; whether that is over.

        (streams, times, parts) each, the last one (streams, times). A part that plays new notes to the rhythm of an earlier
        bar is `_IN_RHYTHM`, and begins notes where that one does.
        """
        found, over = [], []
        for stream, bar in enumerate(self._bars(music, music.ticks)):
            in_bars = self._plans[stream].in_bars
            over.append(bar >= len(in_bars) - 2)
            found.append(in_bars[np.minimum(bar + 1, len(in_bars) - 1)])
        does, place, rhythm, onsets, end, _ = np.moveaxis(np.stack(found), 3, 0)
        return np.where(rhythm > 0, _IN_RHYTHM, does), place, onsets, end, np.stack(over)

    def _expect(self, music: Music, options: Options) -> None:
        """Nothing that may not come, or that sounds still."""
        known = np.flatnonzero(music.expected[:, TIME] > 0)
        time, part = music.expected[known, TIME] - 1, music.expected[known, KIND] - FIRST_PART
        pitch = music.expected[known, VALUE] - music.vocabulary.first_pitch
        is_note = pitch >= 0
        may_come = np.where(is_note, options.plays[known, time, part], (options.plays | options.rests)[known, time, part])
        ends = music.standing.ends[known, part, np.maximum(pitch, 0)]
        may_come &= ~is_note | music.implied[part] | (ends <= music.ticks[known, time])
        if options.notes is not None:
            may_come &= ~is_note | options.notes[known, time, part, np.maximum(pitch, 0)]
        music.expected[known[~may_come]] = -1

    def values(self, music: Music, time: Ints, kind: Ints) -> Mask | None:
        """What the part played there."""
        now = (music.expected[:, TIME] == time) & (music.expected[:, KIND] == kind) & (music.expected[:, VALUE] >= 0)
        number = np.arange(int(music.vocabulary.value_starts[-1]))
        return np.asarray(~now[:, None] | (number == music.expected[:, VALUE, None])) if now.any() else None

    def durations(self, music: Music, events: Rows, options: Options | None) -> Mask | None:
        """As long as there, and none that stands in the way of what its part is to play next."""
        expected, is_part = music.expected, events[:, KIND] >= FIRST_PART
        part = np.maximum(events[:, KIND] - FIRST_PART, 0)
        now = (expected[:, :VALUE] == events[:, :VALUE]).all(axis=1) & (expected[:, DURATION] >= 0)
        now &= (expected[:, VALUE] == events[:, VALUE]) | (expected[:, VALUE] < 0)
        tick = music.ticks_of(events[:, TIME])[:, None]
        position = music.position_of(tick)[:, 0]
        to_line = music.standing.bar_ticks - position
        lets_go = music.monophonic[part] | self._lets_go[np.arange(len(part)), part]
        longest = np.where(lets_go, self._rest_of(music, part, self._bar(music, tick[:, 0])), NEVER)
        longest = np.where(music.drums[part], 0, longest) + to_line
        later, end = self._later(music, part, tick)
        shorter = self._before_later(music, part, position, later, end)
        longest = np.where(lets_go & (later > 0) & (shorter > 0), np.minimum(longest, shorter), longest)
        inside = (music.durations <= longest[:, None]) | ~is_part[:, None]
        held = inside & (self._held_to_next(music, part, tick, longest, later) | ~is_part[:, None])
        inside = np.where(held.any(axis=1, keepdims=True), held, inside)
        inside |= ~inside.any(axis=1, keepdims=True)
        same = np.arange(len(music.durations)) == expected[:, DURATION, None]
        return np.asarray(np.where((now & (inside & same).any(axis=1))[:, None], same, inside))

    def _held_to_next(self, music: Music, part: Ints, tick: Ints, longest: Ints, later: Ints) -> Mask:
        """Which durations reach nearly to the next place, where a part plays on and it is known, (streams, durations)."""
        does, _, rhythm, *_ = self._plays(music, part, tick[:, 0]).T
        plays_on = self._plays_on[np.arange(len(part)), part] & (does == PLAYING) & (rhythm == 0) & (later <= 1)
        plays_on &= ~self._in_last_bar(music) & (longest <= 2 * music.standing.bar_ticks)
        return np.asarray((music.durations >= _HELD * longest[:, None]) | ~plays_on[:, None])

    def _before_later(self, music: Music, part: Ints, position: Ints, later: Ints, end: Ints) -> Ints:
        """How long a note may be after which its part is to begin others by the end of the bar, (streams,).

        They need a sixteenth each, or a place of their grid, the last of them the one that is known.
        """
        to_line, is_known = music.standing.bar_ticks - position, end > position
        found = np.where(is_known, end - position - (later - 1) * _brief(music), to_line - later * _brief(music))
        for stream in np.flatnonzero(later > 0).tolist():
            known, now = bool(is_known[stream]), int(position[stream])
            until = int(end[stream] if known else music.standing.bar_ticks[stream])
            places = [place for place in self._plans[stream].grids.of(int(part[stream])) if now < place < until]
            wanted = int(later[stream]) - known
            if places or known:
                first = ([*places, until] if known else places)[-(wanted + known) :][0]
                found[stream] = first - now if self._plans[stream].grids.is_known[part[stream]] else found[stream]
        return found

    def _later(self, music: Music, part: Ints, tick: Ints) -> tuple[Ints, Ints]:
        """In how many places of its bar a part of each stream is to begin something new after that tick, and the last."""
        start = tick - music.position_of(tick)
        streams = np.arange(len(part))
        begun = np.where(self._places_from[streams, part] == start[:, 0], self._places[streams, part], 0)
        begun -= self._last[streams, part] == tick[:, 0]
        does, _, rhythm, onsets, end, _ = self._plays(music, part, tick[:, 0]).T
        return np.asarray(np.maximum(onsets - begun - 1, 0) * ((does == PLAYING) & (rhythm == 0))), end

    def _rest_of(self, music: Music, part: Ints, bars: list[int]) -> Ints:
        """From the end of each bar of the outline to the next note of a part by it, in ticks, (streams,)."""
        found = np.full(len(part), NEVER)
        for stream, (number, bar) in enumerate(zip(part.tolist(), bars)):
            in_bars, first = self._plans[stream].in_bars, bar + 2
            plays = np.flatnonzero(in_bars[first : first + _AHEAD, number, 0] >= PLAYING)
            if len(plays):
                found[stream] = plays[0] * music.standing.bar_ticks[stream] + in_bars[first + plays[0], number, 1]
        return found


def _brief(music: Music) -> int:
    """Ticks of a sixteenth, at least one."""
    return max(music.vocabulary.ticks_per_quarter // _BRIEF, 1)
