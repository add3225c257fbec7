"""An outline as constraints ask it: what each part does in the bar of a tick."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray

from melody.piece import Ints
from melody.sampling.constraints.constraint import Constraint
from melody.sampling.constraints.joint_options import Options
from melody.sampling.constraints.music import NEVER, Music
from melody.tokens.grammar import Mask
from melody.tokens.inputs.outlines.grids import Grids
from melody.tokens.inputs.outlines.outline import PLAYING, Outline
from melody.tokens.usage import FIRST_PART
from melody.tokens.vocabulary import Vocabulary

_BESIDE = 5  # semitones beside the lowest and the highest note, as a tune may be in another key
_Own = TypeVar("_Own", bound="ByOutline")


@dataclass(frozen=True, eq=False)
class Plan:
    """What an outline says.

    Parameters
    ----------
    in_bars
        What each part does in each bar, the pick-up's first (`Outline.playing`), (2 + bars, parts, `OF_A_BAR`).
    has_pickup
        Whether there is a pick-up.
    following
        Behind each bar the next one in which anybody plays, `NEVER` where there is none.
    lets_go, plays_on
        As of `Outline`, of each part, (parts,); a part that has one note at a time lets go of it.
    grids
        Where in a bar.
    shaped_like
        As `Outline.shaped_like`.
    compass
        Of each part whose it is known the lowest and the highest pitch, from 0 for the vocabulary's lowest.
    moved
        Of each part and bar that comes again on other notes the least and the most semitones above it, 0 among them.
    num_pitches
        Of the vocabulary.
    """

    in_bars: Ints
    has_pickup: bool
    following: list[int]
    lets_go: Mask
    plays_on: Mask
    grids: Grids
    shaped_like: dict[tuple[int, int], tuple[int, int]]
    compass: dict[int, tuple[int, int]]
    moved: dict[tuple[int, int], tuple[int, int]]
    num_pitches: int

    @classmethod
    def of(cls, outline: Outline, vocabulary: Vocabulary) -> Plan:
        """That of an outline with its players."""
        parts, lowest = len(vocabulary.parts), vocabulary.pitches[0]
        in_bars = outline.playing(FIRST_PART + parts)[:, FIRST_PART:]
        one_by_one = [hands == 1 for hands in outline.hands] or [False] * len(outline.parts)
        of_drums = {drum - lowest: places for drum, places in zip(outline.kit, outline.strokes)}
        like, moved = outline.shaped_like(parts), dict[tuple[int, int], tuple[int, int]]()
        for (part, _), (source, above) in like.items():
            least, most = moved.get((part, source), (0, 0))
            moved[part, source] = min(least, above), max(most, above)
        return cls(
            in_bars=in_bars,
            has_pickup=outline.has_pickup,
            following=_following(np.asarray((in_bars[:, :, 0] >= PLAYING).any(axis=1))),
            lets_go=_of_parts(outline.parts, map(max, outline.lets_go, one_by_one), parts),
            plays_on=_of_parts(outline.parts, outline.plays_on, parts),
            grids=Grids(dict(zip(outline.parts, outline.grids)), of_drums, parts, vocabulary.num_pitches),
            shaped_like=like,
            moved=moved,
            compass={
                part: (low - lowest - _BESIDE, high - lowest + _BESIDE)
                for part, low, high in zip(outline.parts, outline.lowest, outline.highest)
                if not vocabulary.drums[part]
            },
            num_pitches=vocabulary.num_pitches,
        )

    def is_remembered(self, part: int, bar: int) -> bool:
        """Whether that bar of a part comes again on other notes, or is an earlier one on other notes."""
        return (part, bar) in self.shaped_like or (part, bar) in self.moved

    def compass_in(self, part: int, bar: int) -> tuple[int, int] | None:
        """The lowest and the highest pitch of a part in a bar of the outline, so that it may come again where it is to.

        None where that is not known, and in the last bar, which closes on the degrees that it is to close on.
        """
        if part not in self.compass or bar >= len(self.in_bars) - 3:
            return None
        least, most = self.moved.get((part, bar), (0, 0))
        lowest, highest = self.compass[part]
        found = max(lowest - least, 0), min(highest - most, self.num_pitches - 1)
        return found if found[0] < found[1] else None


class ByOutline(Constraint):
    """A constraint that keeps to an outline.

    Parameters
    ----------
    plan
        What the outline of the piece says; each stream has one of its own once streams of others are put among them.
    """

    may_dead_end: ClassVar[bool] = False
    gives_way: ClassVar[bool] = True
    per_stream: ClassVar[tuple[str, ...]] = ("_plans",)
    _plans: NDArray[np.object_]  # the `Plan` of each stream

    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    def needs_pitches(self, music: Music) -> bool:
        """As `Constraint.needs_pitches`."""
        return False

    def begin(self: _Own, streams: int) -> _Own:
        """As `Constraint.begin`."""
        made = super().begin(streams)
        made._plans = np.empty(streams, object)
        made._plans[:] = [self._plan] * streams
        return made

    def narrow(self, music: Music, options: Options) -> None:
        """As `Constraint.narrow`."""

    def _bars(self, music: Music, ticks: Ints) -> Ints:
        """The bar of its outline in which each stream is at those ticks, (streams, candidates)."""
        pickups = music.pickups(np.array([plan.has_pickup for plan in self._plans], np.int64))
        return np.asarray(music.bar_of(ticks) - pickups[:, None])

    def _bar(self, music: Music, tick: Ints) -> list[int]:
        """The same at one tick each, (streams,)."""
        found: list[int] = self._bars(music, tick[:, None])[:, 0].tolist()
        return found

    def _plays(self, music: Music, part: Ints, tick: Ints) -> Ints:
        """What the outline says of a part of each stream in the bar of that tick, (streams,) -> (streams, `OF_A_BAR`)."""
        rows = zip(self._plans, part.tolist(), self._bar(music, tick))
        return np.array([plan.in_bars[min(bar + 1, len(plan.in_bars) - 1), own] for plan, own, bar in rows])

    def _in_last_bar(self, music: Music) -> Mask:
        """Which streams are in the last bar of their outline, or behind it, (streams,)."""
        last = [len(plan.in_bars) - 3 for plan in self._plans]
        return np.asarray(np.array(self._bar(music, music.standing.tick)) >= last)


def begun_now(music: Music) -> Iterator[tuple[int, int]]:
    """The streams whose last event is a note, and its part: another one may come now, above it in the same chord."""
    standing = music.standing
    is_note = (standing.kind >= FIRST_PART) & (standing.value >= music.vocabulary.first_pitch)
    for stream in np.flatnonzero(is_note).tolist() if music.now_index >= 0 else ():
        yield stream, int(standing.kind[stream]) - FIRST_PART


def add_none(music: Music, options: Options, stream: int, part: int) -> None:
    """Let a part begin no other note now, if anything else may come."""
    now = music.now_index
    plays = int(np.count_nonzero(options.plays[stream])) - bool(options.plays[stream, now, part])
    if plays or options.rests[stream].any() or options.controls[stream].any() or options.ends[stream]:
        options.plays[stream, now, part] = False


def with_pitches(music: Music, allowed: Iterable[tuple[int, Mask]]) -> Mask | None:
    """The values that a constraint allows, of streams with the pitches that may come in them; None for all in all."""
    found: Mask | None = None
    for stream, pitches in allowed:
        if found is None:
            found = np.ones((len(music.has_note), int(music.vocabulary.value_starts[-1])), bool)
        found[stream, music.vocabulary.first_pitch :] = pitches
    return found


def _of_parts(parts: Iterable[int], facts: Iterable[bool], count: int) -> Mask:
    """A fact of some parts, by their numbers; not so of the others, (count,)."""
    known = dict(zip(parts, facts))
    return np.array([known.get(part, False) for part in range(count)], bool)


def _following(is_played: Mask) -> list[int]:
    """Behind each bar, the pick-up's first, the next one in which anybody plays, `NEVER` where there is none."""
    found, following = [], NEVER
    for bar in range(len(is_played) - 1, -1, -1):
        found.append(following)
        following = bar - 1 if is_played[bar] else following
    return found[::-1]
