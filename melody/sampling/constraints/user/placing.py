"""Limits of time: the grid on which notes begin and end, the chords of each bar, and the number of bars."""

from __future__ import annotations

import numpy as np

from melody.piece import Ints
from melody.sampling.constraints.constraint import Constraint
from melody.sampling.constraints.joint_options import Options
from melody.sampling.constraints.music import NEVER, Music
from melody.sampling.constraints.user.headers import keep_metre
from melody.sampling.constraints.user.places import Places
from melody.tokens.grammar import Mask
from melody.tokens.usage import FIRST_PART
from melody.tokens.vocabulary import KIND, TIME, VALUE, Rows


class Grid(Constraint):
    """Notes begin and end on the grid.

    Parameters
    ----------
    places
        Which places are on it.
    """

    def __init__(self, places: Places) -> None:
        self._places = places

    def narrow(self, music: Music, options: Options) -> None:
        """As `Constraint.narrow`."""
        keep_metre(music, options)
        options.narrow_times(self._places.on_grid[music.place])

    def durations(self, music: Music, events: Rows, options: Options | None) -> Mask:
        """As `Constraint.durations`."""
        end = music.position_of(music.ticks_of(events[:, TIME])[:, None] + music.durations)
        legal: Mask = self._places.on_grid[music.standing.metre[:, None], end]
        return legal


class Chords(Constraint):
    """What begins or sounds on a beat, or where a chord begins, belongs to the chord.

    A note of a part with implied durations sounds until the part's next event, so the beat of a chord that lacks it is a
    deadline for that event.

    Parameters
    ----------
    places
        The tables of each place in a bar.
    origin
        The tick of the bar that they are counted from; None for the first bar of a piece, a pick-up not counted.
    """

    def __init__(self, places: Places, origin: int | None) -> None:
        self._places, self._origin = places, origin

    def narrow(self, music: Music, options: Options) -> None:
        """As `Constraint.narrow`."""
        assert options.notes is not None and options.deadlines is not None
        keep_metre(music, options)
        since, metre = music.since(music.ticks, self._origin), music.standing.metre
        tones = self._places.tones(metre, since)[:, :, None, music.pitch_class]
        options.notes &= tones | music.drums[:, None]
        lasting = self._places.lasting(metre, since)
        options.lasting = lasting if options.lasting is None else np.minimum(options.lasting, lasting)
        options.deadlines = np.minimum(options.deadlines, self._deadlines(music))

    def _deadlines(self, music: Music) -> Ints:
        """Until when what each part sounds belongs to the chords, (streams, parts)."""
        now, sounding = music.standing.tick[:, None], music.sounding
        lasting = self._places.lasting(music.standing.metre, music.since(now, self._origin))[:, 0]  # (streams, 12)
        own = np.take_along_axis(lasting, music.pitch_class[np.maximum(sounding, 0)], axis=1)
        own = np.where(own < NEVER, now + own, NEVER)
        return np.where((sounding >= 0) & music.chosen & ~music.drums, own, NEVER)

    def durations(self, music: Music, events: Rows, options: Options | None) -> Mask:
        """As `Constraint.durations`."""
        since = music.since(music.ticks_of(events[:, TIME])[:, None], self._origin)
        lasting = self._places.lasting(music.standing.metre, since)[:, 0]
        pitch = np.maximum(events[:, VALUE] - music.vocabulary.first_pitch, 0)
        lasting = lasting[np.arange(len(events)), music.pitch_class[pitch]]
        is_tone = music.vocabulary.is_note(events) & ~music.drums[np.maximum(events[:, KIND] - FIRST_PART, 0)]
        legal: Mask = (music.durations <= lasting[:, None]) | ~is_tone[:, None]
        return legal


class Bars(Constraint):
    """The music ends in the last of the bars that the grammar has been asked for."""

    def narrow(self, music: Music, options: Options) -> None:
        """As `Constraint.narrow`."""
        assert options.deadlines is not None
        keep_metre(music, options)
        now = music.standing
        options.ends &= now.length > now.until - now.bar_ticks
        until = np.where(now.held, now.until[:, None], NEVER)
        options.deadlines = np.minimum(options.deadlines, until)
