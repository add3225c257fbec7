"""The rule of strict part-writing: no two voices move from one perfect fifth, or octave, to another.

A pitch is not to be chosen if a voice that has moved at the same tick would go in parallel with it. The weights of
`melody.sampling.strategies.smc` count what masks take away, so this is what the model would write under the rule.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from melody.piece import Ints
from melody.sampling.constraints.constraint import Constraint
from melody.sampling.constraints.joint_options import Options
from melody.sampling.constraints.music import Event, Music
from melody.tokens import Vocabulary
from melody.tokens.grammar import Mask
from melody.tokens.usage import FIRST_PART
from melody.tokens.vocabulary import VALUE

PERFECT = (0, 7)  # semitones between two voices, octaves aside
_SILENT = -1


class Counterpoint(Constraint):
    """No parallel fifths and octaves between parts with one pitched note at a time, observed notes among them.

    Parameters
    ----------
    vocabulary
        Of the events.
    """

    per_stream: ClassVar[tuple[str, ...]] = ("_sounding", "_before")
    binds_observed: ClassVar[bool] = True
    may_dead_end: ClassVar[bool] = False  # a part may always sound its last pitch again
    _sounding: Ints
    _before: Ints

    def __init__(self, vocabulary: Vocabulary) -> None:
        pairs = zip(vocabulary.implied_duration, vocabulary.parts)
        self._strict = np.array([implied and not part.is_drum for implied, part in pairs], bool)
        self._pitches = np.arange(vocabulary.num_pitches)

    def needs_pitches(self, music: Music) -> bool:
        """As `Constraint.needs_pitches`."""
        return False

    def begin(self, streams: int) -> Counterpoint:
        """As `Constraint.begin`."""
        made = super().begin(streams)
        shape = (streams, len(self._strict))
        made._sounding = np.full(shape, _SILENT)  # the pitch of each part
        made._before = np.full(shape, _SILENT)  # what it sounded until then, if it has moved at this tick without a rest
        return made

    def narrow(self, music: Music, options: Options) -> None:
        """As `Constraint.narrow`; of pitches only if others need to know them."""
        if options.notes is not None and music.now_index >= 0:
            streams, part = np.nonzero(self._strict & (self._sounding != _SILENT))
            options.notes[streams, music.now_index, part] &= ~self._parallel(streams, part)

    def values(self, music: Music, time: Ints, kind: Ints) -> Mask:
        """As `Constraint.values`."""
        legal = np.ones((len(time), music.vocabulary.sizes[VALUE]), bool)
        part = np.maximum(kind - FIRST_PART, 0)
        follows = (kind >= FIRST_PART) & (music.ticks_of(time) == music.standing.tick) & self._strict[part]
        streams = np.flatnonzero(follows & (self._sounding[np.arange(len(part)), part] != _SILENT))
        if len(streams):
            legal[streams, music.vocabulary.first_pitch :] = ~self._parallel(streams, part[streams])
        return legal

    def _parallel(self, streams: Ints, part: Ints) -> Mask:
        """Which pitches of those parts would go in parallel with a voice that has moved, (streams, pitches)."""
        own, before, now = self._sounding[streams, part], self._before[streams], self._sounding[streams]
        up = np.where(np.arange(before.shape[1]) < part[:, None], -1, 1)  # intervals count from the lower part up,
        was = up * (own[:, None] - before) % 12  # or a fourth would be a fifth
        perfect = np.isin(was, PERFECT) & (before != _SILENT)  # (streams, voices)
        becomes = up[..., None] * (self._pitches - now[..., None]) % 12  # (streams, voices, pitches)
        found: Mask = (perfect[..., None] & (becomes == was[..., None])).any(axis=1)
        return np.asarray(found & (self._pitches != own[:, None]))

    def push(self, music: Music, event: Event) -> None:
        """As `Constraint.push`."""
        self._before[event.tick > music.standing.tick] = _SILENT
        streams, part = event.streams, event.part
        last = self._sounding[streams, part]
        moved = event.is_note & (event.pitch != last) & self._strict[part]
        self._before[streams, part] = np.where(moved, last, _SILENT)
        self._sounding[streams, part] = np.where(event.is_note, event.pitch, _SILENT)
