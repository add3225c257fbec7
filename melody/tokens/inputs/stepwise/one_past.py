"""The events of one piece so far, of which its outline says which are repeated, as plain numbers; see `past`."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import NamedTuple

from melody.tokens.inputs.outlines.outline import PLAYING, RETURNS, Outline
from melody.tokens.inputs.schema import OUTLINED, OUTLINED_NEXT
from melody.tokens.inputs.stepwise.part_history import NEVER
from melody.tokens.inputs.whole_piece import first_note, stride
from melody.tokens.vocabulary import VALUE, Vocabulary

Tokens = tuple[int, ...]  # of an event; -1 where nothing is said


class Playing(NamedTuple):
    """What a kind of event that is a part does in a bar, as `Outline.playing` has it."""

    kind: int
    does: int
    place: int
    rhythm: int
    onsets: int
    last: int
    again: int


def plays_of(outline: Outline, kinds: int) -> list[list[Playing]]:
    """Who plays in each bar of an outline, as `Outline.table` counts them; nothing if it does not say."""
    if not outline.players:
        return []
    return [
        [Playing(kind, *each) for kind, each in enumerate(bar) if each[0] >= PLAYING]
        for bar in outline.playing(kinds).tolist()
    ]


def plays_in(plays: Sequence[list[Playing]], bar: int) -> list[Playing]:
    """Who plays in a bar; nobody where that is not known."""
    return plays[min(bar + 1, len(plays) - 1)] if plays else []


class OnePast(NamedTuple):
    """The events of one piece.

    Parameters
    ----------
    vocabulary
        Of the events.
    tick
        Of the last one.
    bar_start, bar_ticks
        Where its time signature in force began, and the length of its bars.
    plays
        As of `plays_of`.
    keys, rows
        The sort key of each event, and its tokens.
    of_kind
        The sort keys and the numbers of those of each kind.
    """

    vocabulary: Vocabulary
    tick: int
    bar_start: int
    bar_ticks: int
    plays: Sequence[list[Playing]]
    keys: Sequence[int]
    rows: Sequence[Tokens]
    of_kind: Sequence[list[tuple[int, int]]]

    def outlined(self, bar: int, source: int, next_source: int) -> tuple[int, Tokens] | None:
        """What the outline says comes next: `OUTLINED` or `OUTLINED_NEXT` and five tokens; see `features`."""
        start = self.tick - (self.tick - self.bar_start) % self.bar_ticks
        following = start + self.bar_ticks
        find = self._soonest if self.plays else self._in_the_bar
        event = find(bar, start, source, self.keys[-1])
        if event is not None:
            return OUTLINED, event
        if source < 0 and 2 * (following - self.tick) > self.bar_ticks and not self.plays:
            return None
        before = following * stride(self.vocabulary) + first_note(self.vocabulary) - 1
        event = find(bar + 1, following, next_source, before)
        return None if event is None else (OUTLINED_NEXT, event)

    def _in_the_bar(self, bar: int, start: int, source: int, behind: int) -> Tokens | None:
        """What comes next, behind a sort key, in a bar that begins at `start` and repeats another one; None if nothing."""
        back, one_tick = (bar - source) * self.bar_ticks, stride(self.vocabulary)
        if source < 0 or start - back < self.bar_start:
            return None
        place = bisect_right(self.keys, behind - back * one_tick)
        if place == len(self.keys) or self.keys[place] // one_tick >= start - back + self.bar_ticks:
            return None
        return self._later(place, self.keys[place] // one_tick + back)

    def _soonest(self, bar: int, start: int, _: int, behind: int) -> Tokens | None:
        """As `_in_the_bar`, but each part repeats a bar of its own: of what comes next in each the first."""
        soonest, number, is_free = NEVER, -1, False
        for play in plays_in(self.plays, bar):
            follows = play.rhythm > 0 and self._has_begun(play.kind, start - (bar + 1 - play.rhythm) * self.bar_ticks)
            source = play.rhythm - 1 if follows else play.does - RETURNS
            key, its_number = self._next_of(
                play, bar, start, source, _chord_of(self.vocabulary, behind) if follows else behind
            )
            if key < soonest:
                soonest, number, is_free = key, its_number, follows
        return self._later(number, soonest // stride(self.vocabulary), is_free) if soonest < NEVER else None

    def _next_of(self, play: Playing, bar: int, start: int, source: int, behind: int) -> tuple[int, int]:
        """What comes next of a part in the bar that it repeats; without one where it begins something new.

        Its sort key, `NEVER` for nothing, and the number of the event there, -1 - its kind of something new.
        """
        one_tick = stride(self.vocabulary)
        if source < 0:
            begins = (start + play.place) * one_tick + play.kind * self.vocabulary.sizes[VALUE]
            return (begins if play.place < self.bar_ticks and begins > behind else NEVER), -1 - play.kind
        back, own = (bar - source) * self.bar_ticks, self.of_kind[play.kind]
        at = bisect_right(own, (behind - back * one_tick, len(self.rows)))
        if start - back < self.bar_start or at == len(own) or own[at][0] // one_tick >= start - back + self.bar_ticks:
            return NEVER, 0
        return own[at][0] + back * one_tick, own[at][1]

    def _has_begun(self, kind: int, start: int) -> bool:
        """Whether a part has begun anything in the bar from there on, since the time signature in force began."""
        own, one_tick = self.of_kind[kind], stride(self.vocabulary)
        first = bisect_left(own, (start * one_tick, 0))
        return start >= self.bar_start and first < len(own) and own[first][0] // one_tick < start + self.bar_ticks

    def _later(self, number: int, tick: int, is_free: bool = False) -> Tokens | None:
        """The event of that number, at a tick, or below 0 something new of kind -1 - number; None if no time leads there.

        Where its pitch is free, a note without its value.
        """
        ticks, shifts = tick - self.tick, self.vocabulary.shifts
        time = bisect_left(shifts, ticks)
        if time == len(shifts) or shifts[time] != ticks:
            return None
        if number < 0:
            return (1 + time, -1 - number, -1, -1, -1)
        _, kind, value, *others = self.rows[number]
        return (1 + time, kind, -1 if is_free and value >= self.vocabulary.first_pitch else value, *others)


def _chord_of(vocabulary: Vocabulary, behind: int) -> int:
    """The highest sort key of the same part at the same tick."""
    values = vocabulary.sizes[VALUE]
    return behind - behind % values + values - 1
