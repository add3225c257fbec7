"""The form that somebody asks for: sections, and how many bars each has."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from melody.arguments import shown
from melody.errors import SamplingError
from melody.limits import Limits
from melody.limits.lookups import allowed_metres
from melody.sampling.constraints.user.headers import fitting_keys
from melody.tokens import Vocabulary
from melody.tokens.inputs.outlines.outline import MOST_BARS, Frame

_MOST_SECTIONS = 32
_LENGTHS = (1, 2, 4, 8, 16)  # bars of a section, where nobody says how many
_SECTION = re.compile(r"([A-Za-z])(\d{0,3})[\s,|-]*")
Form = tuple[tuple[str, int | None], ...]  # each section's letter, and its bars if they are given


def parse_form(text: object) -> Form:
    """A form such as 'AABB', 'ABAC' or 'A8A8B4': the sections in their order, equal letters for those that are the same.

    >>> parse_form("aab4")
    (('A', None), ('A', None), ('B', 4))

    Raises
    ------
    SamplingError
        If it is no form.
    """
    words = text.strip() if isinstance(text, str) else ""
    found, at = [], 0
    while match := _SECTION.match(words, at):
        found.append((match[1].upper(), int(match[2]) if match[2] else None))
        at = match.end()
    if not found or at < len(words) or len(found) > _MOST_SECTIONS or any(bars == 0 for _, bars in found):
        raise SamplingError(
            f"the form is {shown(text)}; write a letter for each section, at most {_MOST_SECTIONS}, as AABB or ABAC, "
            "or with their bars, as A8A8B4"
        )
    return tuple(found)


@dataclass(frozen=True)
class Wanted:
    """What somebody asks of an outline.

    Parameters
    ----------
    bars
        How many, a pick-up not counted; None for as many as the corpus has.
    form
        The sections; empty for the forms of the corpus.
    minor, metres
        In which modes (False, True) and metres its harmony may be; None for any.
    tonic
        On which it is, of a model that knows no keys; None for any.
    """

    bars: int | None = None
    form: Form = ()
    minor: frozenset[bool] | None = None
    metres: frozenset[tuple[int, int]] | None = None
    tonic: int | None = None

    @classmethod
    def of(cls, limits: Limits, form: str | None, vocabulary: Vocabulary) -> Wanted:
        """What limits leave, of a form that is written as `parse_form` reads it; chords that are given are all the harmony.

        Raises
        ------
        SamplingError
            If it is no form.
        """
        modes = [mode for _, mode in vocabulary.keys] if vocabulary.keys else ["major", "minor"]
        fits = (
            fitting_keys(limits, vocabulary) if vocabulary.keys else [not limits.key or limits.key.mode == m for m in modes]
        )
        metres = np.flatnonzero(allowed_metres(limits, vocabulary)).tolist()
        return cls(
            limits.bars,
            () if form is None else parse_form(form),
            frozenset() if limits.chords else frozenset(mode == "minor" for mode, fit in zip(modes, fits) if fit),
            frozenset(vocabulary.time_signatures[number] for number in metres),
            None if vocabulary.keys else limits.tonic,
        )

    def agrees(self, frame: Frame) -> bool:
        """Whether harmony that stands in that frame is wanted."""
        modes = self.minor is None or frame.is_minor in self.minor
        return modes and (self.metres is None or frame.metre in self.metres)

    def sections(self, typical: float) -> list[int]:
        """The bars of each section.

        Parameters
        ----------
        typical
            Bars of a typical piece, for sections of which nobody says how long they are.

        Raises
        ------
        SamplingError
            If the sections do not make up the bars that are asked for.
        """
        given = [bars for _, bars in self.form]
        free, rest = given.count(None), sum(bars or 0 for bars in given)
        if free and self.bars is not None and self.bars > rest and (self.bars - rest) % free == 0:
            each = (self.bars - rest) // free
        elif free and self.bars is None:
            each = min(_LENGTHS, key=lambda bars: abs(np.log((rest + free * bars) / max(typical, 1))))
        elif not free and self.bars in (None, rest):
            each = 0
        else:
            form = "".join(f"{letter}{bars or ''}" for letter, bars in self.form)
            legal = f"{rest} bars" if not free else f"a multiple of {free}" + f" and {rest} more" * (rest > 0)
            raise SamplingError(
                f"{self.bars} bars do not divide into the form {form}; ask for {legal}, or leave the bars out"
            )
        found = [bars or each for bars in given]
        if sum(found) > MOST_BARS:
            raise SamplingError(f"the form has {sum(found)} bars; ask for at most {MOST_BARS}")
        return found
