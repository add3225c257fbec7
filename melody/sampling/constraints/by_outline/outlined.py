"""An outline as constraints ask it: what each part does in the bar of a tick."""

from __future__ import annotations

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
    grids
        Where in a bar.
    shaped_like
        As `Outline.shaped_like`.
    remembered
        These, and those that come again so.
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
    grids: Grids
    shaped_like: dict[tuple[int, int], tuple[int, int]]
    remembered: frozenset[tuple[int, int]]
    compass: dict[int, tuple[int, int]]
    moved: dict[tuple[int, int], tuple[int, int]]
    num_pitches: int

    @classmethod
    def of(cls, outline: Outline, vocabulary: Vocabulary) -> Plan:
        """That of an outline with its players."""
        parts, lowest = len(vocabulary.parts), vocabulary.pitches[0]
        in_bars = outline.playing(FIRST_PART + parts)[:, FIRST_PART:]
        of_drums = {drum - lowest: places for drum, places in zip(outline.kit, outline.strokes)}
        grids = Grids(dict(zip(outline.parts, outline.grids)), of_drums, parts, vocabulary.num_pitches)
        following = _following(np.asarray((in_bars[:, :, 0] >= PLAYING).any(axis=1)))
        like = outline.shaped_like(parts)
        remembered = frozenset((*like, *((part, source) for (part, _), (source, _) in like.items())))
        compass = {
            part: (low - lowest - _BESIDE, high - lowest + _BESIDE)
            for part, low, high in zip(outline.parts, outline.lowest, outline.highest)
            if not vocabulary.drums[part]
        }
        moved: dict[tuple[int, int], tuple[int, int]] = {}
        for (part, _), (source, above) in like.items():
            least, most = moved.get((part, source), (0, 0))
            moved[part, source] = min(least, above), max(most, above)
        known = grids, like, remembered, compass, moved, vocabulary.num_pitches
        return cls(in_bars, outline.has_pickup, following, *known)

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
    outline
        Of the piece, with its players; each stream has one of its own once streams of others are put among them.
    vocabulary
        Of the events.
    """

    may_dead_end: ClassVar[bool] = False
    gives_way: ClassVar[bool] = True
    per_stream: ClassVar[tuple[str, ...]] = ("_plans",)
    _plans: NDArray[np.object_]  # the `Plan` of each stream

    def __init__(self, outline: Outline, vocabulary: Vocabulary) -> None:
        self._plan = Plan.of(outline, vocabulary)

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


def goes_on_without(options: Options, stream: int, time: int, part: int) -> bool:
    """Whether in a stream anything else may come than a note of that part at that time."""
    plays = int(np.count_nonzero(options.plays[stream])) - bool(options.plays[stream, time, part])
    return bool(plays or options.rests[stream].any() or options.controls[stream].any() or options.ends[stream])


def _following(is_played: Mask) -> list[int]:
    """Behind each bar, the pick-up's first, the next one in which anybody plays, `NEVER` where there is none."""
    found, following = [], NEVER
    for bar in range(len(is_played) - 1, -1, -1):
        found.append(following)
        following = bar - 1 if is_played[bar] else following
    return found[::-1]
