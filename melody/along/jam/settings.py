"""What a jam is like."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal, get_args

from melody.errors import SamplingError
from melody.limits import Limits
from melody.sampling.settings import SamplingSettings

Mode = Literal["answer", "accompany"]
MODES: tuple[Mode, ...] = get_args(Mode)
MAX_BARS, MAX_MEMORY = 32, 64


@dataclass(frozen=True)
class JamSettings:
    """What a jam is like.

    Parameters
    ----------
    mode
        'answer': the player has some bars, then the model has as many; 'accompany': both play at once.
    bars
        How many bars each has in turn, 1 to 32; when accompanying, how many are listened to first.
    memory
        How many bars back the model reads, 1 to 64.
    grid
        Parts of a whole note: a player's notes are read on it; () as they come.
    metre
        Numerator and denominator, throughout.
    part
        Which of the model's parts the player is, from 0.
    ahead
        Quarter notes ahead of its time at which what the model plays is settled, above 0 to 4.
    limits
        What the model's notes keep to.
    sampling
        How they are drawn; each turn has the next seed.

    Raises
    ------
    SamplingError
        If a number is out of range.
    """

    mode: Mode = "answer"
    bars: int = 4
    memory: int = 16
    grid: tuple[Fraction, ...] = (Fraction(1, 16),)
    metre: tuple[int, int] = (4, 4)
    part: int = 0
    ahead: float = 0.25
    limits: Limits = field(default_factory=Limits)
    sampling: SamplingSettings = field(default_factory=SamplingSettings)

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise SamplingError(f"the mode is '{self.mode}'; it must be one of {', '.join(MODES)}")
        for name, most in (("bars", MAX_BARS), ("memory", MAX_MEMORY)):
            if not 1 <= getattr(self, name) <= most:
                raise SamplingError(f"{name} is {getattr(self, name)}; it must be from 1 to {most}")
        if not 0 < self.ahead <= 4:
            raise SamplingError(f"ahead is {self.ahead:g}; it must be above 0 and at most 4 quarter notes")
