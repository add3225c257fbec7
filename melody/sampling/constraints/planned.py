"""What the outline says of the parts is so: what returns returns as it was, and who is to play begins where he is to begin.

A model that has learnt with outlines knows well what comes next of these, but one event in a hundred that it misses is a bar
in four that does not return. In the corpus what the outline says is so without exception; so it is here, as far as grammar
and limits allow: what they forbid is passed over. A part that repeats a bar plays nothing else in it, and as long as there;
one that rests begins nothing; one that plays something new is free as soon as it has begun, but in as many places as are
planned, the last of them where it is planned, or, where it has the rhythm of an earlier bar, begins notes in the places of
that one and in no others, as many as it will and the first as long as there. No stroke of a drum kit lasts into the next
bar, where it would stand in the way of what returns; no note of a part that plays one at a time, or lets go of a chord
before it begins another, beyond the place of its next one, or for so long that there is no time for those that it is still
to begin in the bar. No bar in which anybody is to play is passed over. The end comes in the last bar or after it, if it may.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from melody.piece import Ints
from melody.sampling.constraints.constraint import Constraint
from melody.sampling.constraints.joint_options import Options
from melody.sampling.constraints.music import NEVER, Event, Music
from melody.tokens.grammar import Mask
from melody.tokens.inputs.outlines.outline import PLAYING, RESTING, RETURNS, Outline
from melody.tokens.usage import FIRST_PART
from melody.tokens.vocabulary import DURATION, KIND, TIME, VALUE, Rows

_IN_RHYTHM = 1 << 20  # more than `RETURNS` and any bar
_BRIEF = 4  # of a quarter: what a part is still to begin in the bar has that time each
_AHEAD = 8  # bars, within which a part's next note is looked for


class Planned(Constraint):
    """The parts keep to their outline.

    What comes next by it is not found here, where what came before is not known, but by `melody.tokens.inputs.context`,
    and stands in `Music.expected`.

    Parameters
    ----------
    outline
        Of the piece, with its players; each stream has one of its own once streams of others are put among them.
    parts
        How many parts the vocabulary has.
    """

    may_dead_end: ClassVar[bool] = False
    gives_way: ClassVar[bool] = True
    per_stream: ClassVar[tuple[str, ...]] = ("_outlines", "_lets_go", "_places", "_places_from", "_last")
    _places: Ints  # of a bar in which each part has begun notes, how many, (streams, parts)
    _places_from: Ints  # where that bar begins
    _last: Ints  # the part's last onset
    _lets_go: Mask
    _outlines: NDArray[np.object_]  # of each stream: what each part does in each bar, the pick-up's first; if there is one;
    # and behind each bar the next one in which anybody plays

    def __init__(self, outline: Outline, parts: int) -> None:
        one_by_one = [hands == 1 for hands in outline.hands] or [False] * len(outline.parts)
        going = dict(zip(outline.parts, map(max, outline.lets_go, one_by_one)))
        self._going = [going.get(part, False) for part in range(parts)]
        in_bars = outline.playing(FIRST_PART + parts)[:, FIRST_PART:]
        self._outline = in_bars, outline.has_pickup, _following(np.asarray((in_bars[:, :, 0] >= PLAYING).any(axis=1)))

    def needs_pitches(self, music: Music) -> bool:
        """As `Constraint.needs_pitches`."""
        return False

    def begin(self, streams: int) -> Planned:
        """As `Constraint.begin`."""
        made = super().begin(streams)
        made._outlines = np.empty(streams, object)
        made._outlines[:] = [self._outline] * streams
        made._lets_go = np.repeat(np.array([self._going], bool), streams, axis=0)  # (streams, parts)
        made._places, made._places_from = np.zeros(made._lets_go.shape, np.int64), np.zeros(made._lets_go.shape, np.int64)
        made._last = np.full(made._lets_go.shape, -1)
        return made

    def narrow(self, music: Music, options: Options) -> None:
        """As `Constraint.narrow`."""

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
        is_open = options.plays & is_free & (left > 0) & is_new & ~in_last & (before_end | ~is_known)
        until = np.where(is_known, end, music.standing.bar_ticks[:, None, None])
        latest = self._latest(music, is_open, place, onsets, left, until)
        is_yet = music.ticks[:, :, None] > self._last[:, None]
        at_end = self._first(options.plays & may & is_known & ~before_end & is_yet)
        self._let_chords_be(music, may, does, is_over)
        self._expect(music, options)
        planned = (music.expected[:, TIME] - 1) * parts + music.expected[:, KIND] - FIRST_PART
        planned = np.where(music.expected[:, TIME] > 0, planned, times * parts)
        hurried = latest < planned  # or the time before would be cut into pieces that no player counts
        in_time &= ~hurried[:, None] | self._on_a_sixteenth(music)
        planned = np.minimum(np.minimum(planned, latest), at_end)
        due = np.flatnonzero(planned < times * parts)
        time, part = np.divmod(planned[due], parts)
        number, numbers = np.arange(times), np.arange(parts)
        away = music.ticks[due, time][:, None] - music.ticks[due]
        is_before = (number <= time[:, None]) & np.isin(away, music.shifts)  # it is within reach from there
        in_time[due] = is_before & (~hurried[due, None] | in_time[due])
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
        bars = music.bar_of(music.ticks) - self._pickups(music)[:, None]
        now = music.bar_of(music.standing.tick[:, None])[:, 0] - self._pickups(music)
        found = [
            following[min(max(bar + 1, 0), len(following) - 1)] for (*_, following), bar in zip(self._outlines, now.tolist())
        ]
        return np.asarray(bars <= np.array(found)[:, None])

    @staticmethod
    def _first(may: Mask) -> Ints:
        """The first time at which a part may, its number x parts + the part, (streams,); times x parts where none may."""
        found = may.reshape(len(may), -1)
        return np.where(found.any(axis=1), found.argmax(axis=1), found.shape[1])

    def _latest(self, music: Music, may: Mask, place: Ints, onsets: Ints, left: Ints, end: Ints) -> Ints:
        """By when a part that plays something new has to begin it again, to come to as many places as are planned.

        It has half of the time that its notes have on average for each of those that are left; on a sixteenth.

        Parameters
        ----------
        may
            Which parts may at each time, (streams, times, parts).
        place, onsets, left, end
            Where they begin in the bar, in how many places, in how many from there on, and where in the bar by then.

        Returns
        -------
        Ints
            The first of those times, its number x parts + the part, (streams,); times x parts where nobody has to.
        """
        times, parts = may.shape[1:]
        standing = music.standing
        line = standing.tick + standing.bar_ticks - music.position_of(standing.tick[:, None])[:, 0]
        may = may & (music.ticks < line[:, None])[:, :, None] & (music.ticks[:, :, None] > self._last[:, None])
        may &= self._on_a_sixteenth(music)[:, :, None]
        if not may.any():
            return np.full(len(may), times * parts)
        each = (end - place) / np.maximum(2 * onsets, 1)
        until = (line - standing.bar_ticks)[:, None, None] + end
        in_time = may & (music.ticks[:, :, None] <= until - left * each)
        last = times - 1 - in_time[:, ::-1].argmax(axis=1)
        time = np.where(in_time.any(axis=1), last, np.where(may.any(axis=1), may.argmax(axis=1), times))
        return np.asarray(np.minimum((time * parts + np.arange(parts)).min(axis=1), times * parts))

    def _on_a_sixteenth(self, music: Music) -> Mask:
        """Which times are a sixteenth of the bar, or now, (streams, times)."""
        now = music.ticks == music.standing.tick[:, None]
        return np.asarray(now | (music.position % _brief(music) == 0))

    def _in_last_bar(self, music: Music) -> Mask:
        """Which streams are in the last bar of their outline, or behind it, (streams,)."""
        bar = music.bar_of(music.standing.tick[:, None])[:, 0] - self._pickups(music)
        return np.asarray(bar >= [len(in_bars) - 3 for in_bars, *_ in self._outlines])

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
        for stream, bar in enumerate(music.bar_of(music.ticks) - self._pickups(music)[:, None]):
            in_bars = self._outlines[stream][0]
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
        longest = np.where(lets_go, self._rest_of(music, part, music.bar_of(tick)[:, 0]), NEVER)
        longest = np.where(music.drums[part], 0, longest) + to_line
        later, end = self._later(music, part, tick)
        shorter = np.where(end > position, end - position - (later - 1) * _brief(music), to_line - later * _brief(music))
        longest = np.where(lets_go & (later > 0) & (shorter > 0), np.minimum(longest, shorter), longest)
        inside = (music.durations <= longest[:, None]) | ~is_part[:, None]
        inside |= ~inside.any(axis=1, keepdims=True)
        same = np.arange(len(music.durations)) == expected[:, DURATION, None]
        return np.asarray(np.where((now & (inside & same).any(axis=1))[:, None], same, inside))

    def _later(self, music: Music, part: Ints, tick: Ints) -> tuple[Ints, Ints]:
        """In how many places of its bar a part of each stream is to begin something new after that tick, and the last."""
        start, bars = tick - music.position_of(tick), music.bar_of(tick)[:, 0] - self._pickups(music)
        streams = np.arange(len(part))
        begun = np.where(self._places_from[streams, part] == start[:, 0], self._places[streams, part], 0)
        begun -= self._last[streams, part] == tick[:, 0]
        rows = zip(self._outlines, part.tolist(), bars.tolist())
        plays = np.array([each[0][min(bar + 1, len(each[0]) - 1), own] for each, own, bar in rows])
        does, _, rhythm, onsets, end, _ = plays.T
        return np.asarray(np.maximum(onsets - begun - 1, 0) * ((does == PLAYING) & (rhythm == 0))), end

    def _rest_of(self, music: Music, part: Ints, bars: Ints) -> Ints:
        """From the end of each stream's bar to the next note of a part by the outline, in ticks, (streams,)."""
        found = np.full(len(part), NEVER)
        for stream, (number, bar) in enumerate(zip(part.tolist(), (bars - self._pickups(music)).tolist())):
            in_bars, first = self._outlines[stream][0], bar + 2
            plays = np.flatnonzero(in_bars[first : first + _AHEAD, number, 0] >= PLAYING)
            if len(plays):
                found[stream] = plays[0] * music.standing.bar_ticks[stream] + in_bars[first + plays[0], number, 1]
        return found

    def _pickups(self, music: Music) -> Ints:
        """How many bars of each stream's music its outline does not count, (streams,)."""
        return music.pickups(np.array([has_pickup for _, has_pickup, _ in self._outlines], np.int64))


def _brief(music: Music) -> int:
    """Ticks of a sixteenth, at least one."""
    return max(music.vocabulary.ticks_per_quarter // _BRIEF, 1)


def _following(is_played: Mask) -> list[int]:
    """Behind each bar, the pick-up's first, the next one in which anybody plays, `NEVER` where there is none."""
    found, following = [], NEVER
    for bar in range(len(is_played) - 1, -1, -1):
        found.append(following)
        following = bar - 1 if is_played[bar] else following
    return found[::-1]
