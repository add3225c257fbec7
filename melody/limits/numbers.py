"""Ranges, grids, metres, tempi and counts from what a musician writes."""

from __future__ import annotations

import re
from fractions import Fraction

from melody.errors import SamplingError, ScoreError
from melody.limits.shown import shown
from melody.score.names import NAME, pitch_name, pitch_of

MAX_BARS = 10_000
SLOWEST, FASTEST = 10, 1_000  # quarter notes a minute
_GRID = re.compile(r"1/(1|2|4|8|16|32|64)(t?)")
_METRE = re.compile(r"(\d{1,3})/(1|2|4|8|16|32|64)", re.ASCII)
_PITCH = re.compile(rf"({NAME})(-?\d)", re.ASCII)


def parse_whole(text: str, what: str, low: int, high: int) -> int:
    """A whole number from `low` to `high`.

    Raises
    ------
    SamplingError
        If it is none; the message begins with `what`.
    """
    number = int(text) if re.fullmatch(r"\s*[+-]?\d{1,18}\s*", text, re.ASCII) else low - 1
    if not low <= number <= high:
        raise SamplingError(f"{what} is {shown(text)}; it must be a whole number from {low} to {high:,}")
    return number


def parse_tempo(text: str) -> float:
    """Quarter notes per minute, 10 to 1,000: `96` or `96.5`.

    Raises
    ------
    SamplingError
        If it is no such number.
    """
    try:
        tempo = float(text)
    except ValueError:
        tempo = 0.0
    if not SLOWEST <= tempo <= FASTEST:
        raise SamplingError(
            f"the tempo is {shown(text)}; it must be from {SLOWEST} to {FASTEST:,} quarter notes a minute, as 96"
        )
    return tempo


def parse_metre(text: str) -> tuple[int, int]:
    """Numerator 1-255 and denominator (1, 2, 4, 8, 16, 32, 64) of a metre: `3/4`.

    Raises
    ------
    SamplingError
        If it is none.
    """
    found = _METRE.fullmatch(text.strip())
    if not found or not 1 <= int(found[1]) <= 255:
        raise SamplingError(f"{shown(text)} is no metre; write one as 4/4, 3/4 or 6/8")
    return int(found[1]), int(found[2])


def parse_grid(text: str) -> tuple[Fraction, ...]:
    """Grids as parts of a whole note: `1/16`, triplets `1/8t`, both at once `1/16,1/8t`; `none` for none at all.

    >>> parse_grid("1/16,1/8t")
    (Fraction(1, 16), Fraction(1, 12))

    Raises
    ------
    SamplingError
        If it is none of these.
    """
    words = [word for word in re.split(r"[\s,]+", text.lower()) if word]
    if words == ["none"]:
        return ()
    found = [_GRID.fullmatch(word) for word in words]
    if not words or not all(found):
        raise SamplingError(f"{shown(text)} is no grid; write it as 1/4, 1/8, 1/16, with t for triplets (1/8t), or none")
    steps = [Fraction(1, int(match[1])) * (Fraction(2, 3) if match[2] else 1) for match in found if match]
    return tuple(dict.fromkeys(steps))


def parse_range(text: str) -> tuple[int, int]:
    """Lowest and highest MIDI pitch: `C4:C6`, or by number `60:84`.

    >>> parse_range("C4:C6"), parse_range("Bb3:84")
    ((60, 84), (58, 84))

    Raises
    ------
    SamplingError
        If it is no range, or its end is below its beginning.
    """
    low, high = (_pitch(end, text) for end in _ends(text, "range", "C4:C6"))
    if low > high:
        raise SamplingError(
            f"the range {shown(text)} ends below its beginning; write the lower pitch first, as "
            f"{pitch_name(high)}:{pitch_name(low)}"
        )
    return low, high


def parse_velocity(text: str) -> tuple[int, int]:
    """Softest and loudest velocity, 1-127: `40:100`.

    Raises
    ------
    SamplingError
        If it is no such range.
    """
    low, high = (parse_whole(end, "a velocity", 1, 127) for end in _ends(text, "velocity", "40:100"))
    if low > high:
        raise SamplingError(f"the velocity {shown(text)} ends below its beginning; write the softer one first, as 40:100")
    return low, high


def _ends(text: str, what: str, example: str) -> list[str]:
    ends = text.split(":")
    if len(ends) != 2:
        raise SamplingError(f"the {what} is {shown(text)}; write two ends with a colon, as {example}")
    return ends


def _pitch(text: str, whole: str) -> int:
    text = text.strip()
    if text.isdecimal():
        return parse_whole(text, f"a pitch of the range {shown(whole)}", 0, 127)
    found = _PITCH.fullmatch(text)
    if not found:
        raise SamplingError(f"{shown(text)} in the range {shown(whole)} is no pitch; write it as C4, F#5, Bb3, or 0 to 127")
    try:
        return pitch_of(found[1], int(found[2]))
    except ScoreError as error:
        raise SamplingError(str(error)) from None
