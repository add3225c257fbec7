"""A new piece is in the mode and the metre that the harmony of its outline stands in."""

from __future__ import annotations

from typing import ClassVar, TypeVar

import numpy as np

from melody.piece import Ints
from melody.sampling.constraints.constraint import Constraint
from melody.sampling.constraints.joint_options import Options
from melody.sampling.constraints.music import Music
from melody.tokens import Vocabulary
from melody.tokens.grammar import Mask
from melody.tokens.inputs.outlines.outline import Frame
from melody.tokens.usage import KEY, METRE
from melody.tokens.vocabulary import VALUE

_Own = TypeVar("_Own", bound="SomeValues")


class SomeValues(Constraint):
    """Each stream has some of all values, whatever came before.

    Parameters
    ----------
    allowed
        Which, (values,); each stream has those of its own once streams of others are put among them.
    """

    follows: ClassVar[bool] = False
    may_dead_end: ClassVar[bool] = False
    per_stream: ClassVar[tuple[str, ...]] = ("_values",)
    _values: Mask

    def __init__(self, allowed: Mask) -> None:
        self._allowed = allowed

    def needs_pitches(self, music: Music) -> bool:
        """As `Constraint.needs_pitches`."""
        return False

    def begin(self: _Own, streams: int) -> _Own:
        """As `Constraint.begin`."""
        made = super().begin(streams)
        made._values = np.repeat(self._allowed[None], streams, axis=0)  # (streams, values)
        return made

    def narrow(self, music: Music, options: Options) -> None:
        """As `Constraint.narrow`: nothing, the values say it."""

    def values(self, music: Music, time: Ints, kind: Ints) -> Mask:
        """As `Constraint.values`."""
        return self._values


class InFrame(SomeValues):
    """No key of the other mode and no other metre.

    Parameters
    ----------
    vocabulary
        Of the events; what it has none of is left free.
    frame
        Of the outline.
    """

    def __init__(self, vocabulary: Vocabulary, frame: Frame) -> None:
        starts, allowed = vocabulary.value_starts, np.ones(vocabulary.sizes[VALUE], bool)
        metres = np.array([metre == frame.metre for metre in vocabulary.time_signatures], bool)
        modes = np.array([(mode == "minor") == frame.is_minor for _, mode in vocabulary.keys], bool)
        for first, wanted in ((starts[METRE], metres), (starts[KEY], modes)):
            if wanted.any():
                allowed[first : first + len(wanted)] = wanted
        super().__init__(allowed)
