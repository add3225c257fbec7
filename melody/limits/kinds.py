"""How each limit is written, a row a limit: what reads it, what may stand for it, between which numbers it lies.

`Limits.parse` reads by this table, and a schema for programs says the same things (`melody.along.assistants.tool_schema`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from melody.limits.chords import parse_chords
from melody.limits.instruments import parse_instruments
from melody.limits.numbers import (
    FASTEST,
    MAX_BARS,
    SLOWEST,
    parse_grid,
    parse_metre,
    parse_range,
    parse_tempo,
    parse_velocity,
    parse_whole,
)
from melody.limits.scales import parse_key, parse_scale


@dataclass(frozen=True)
class Kind:
    """How a limit is written.

    Parameters
    ----------
    read
        From its text to its value; a `SamplingError` says what is legal. None for what is True or False.
    examples
        Texts, each of them legal.
    between
        What stands between several of them; empty if there is but one.
    bounds
        The lowest and the highest number, if it is one.
    is_whole
        Whether this must be a whole number.
    needs
        Limits before it that `read` takes as keywords, if they are given.
    """

    read: Callable[..., Any] | None
    examples: tuple[str, ...] = ()
    between: str = ""
    bounds: tuple[int, int] | None = None
    is_whole: bool = False
    needs: tuple[str, ...] = ()


def _whole(what: str, low: int, high: int) -> Kind:
    return Kind(partial(parse_whole, what=what, low=low, high=high), bounds=(low, high), is_whole=True)


KINDS: dict[str, Kind] = {
    "key": Kind(parse_key, ("Dm", "F#", "Bb major")),
    "scale": Kind(parse_scale, ("D dorian", "C,D,Eb,G,A"), ",", needs=("key",)),
    "range": Kind(parse_range, ("C4:C6", "60:84"), ":"),
    "max_leap": _whole("the largest leap in semitones", 1, 127),
    "max_polyphony": _whole("the number of notes at once", 1, 128),
    "density": _whole("the number of notes in a bar", 1, 10_000),
    "grid": Kind(parse_grid, ("1/8", "1/16,1/8t", "none"), ","),
    "metre": Kind(parse_metre, ("3/4", "6/8"), "/"),
    "tempo": Kind(parse_tempo, bounds=(SLOWEST, FASTEST)),
    "bars": _whole("the number of bars", 1, MAX_BARS),
    "end_on_tonic": Kind(None),
    "instruments": Kind(parse_instruments, ("violin,flute", "drums"), ","),
    "velocity": Kind(parse_velocity, ("40:100",), ":"),
    "chords": Kind(parse_chords, ("Dm G7 C C", "Dm G7 | C"), " | "),
}
