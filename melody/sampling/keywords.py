"""Settings and limits as keyword arguments: the names and the texts of the command line's options, or Python's own values.

Every key stands once, here; `melody.arguments.keywords` shows them in the signature and the help of each method that takes
them. Values are read by the parsers of the command line, so that both refuse the same things in the same words.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from fractions import Fraction
from numbers import Integral, Real
from typing import Any, TypedDict

import numpy as np

from melody.arguments import shown
from melody.errors import ArgumentError, SamplingError
from melody.limits import Limits
from melody.sampling.settings import OWN, TEMPERATURES, SamplingSettings
from melody.signatures import Key

RangeText = str | tuple[int | str, int | str]  # lowest and highest pitch
MAX_SEED = 1_000_000  # of those that are drawn: they have to be typed again


class Drawing(TypedDict, total=False):
    """How tokens are drawn.

    seed
        Random number, from 0: the same one gives the same music. None draws a new one; `Piece.texts` says which it was.
    temperature
        1 is as learned, lower is safer, 0 always takes the likeliest; up to 100. None for what suits the model best.
    rhythm_temperature
        The same for when notes begin and how long they last. None for `temperature`.
    pitch_temperature
        The same for their pitches. None for `temperature`.
    drum_temperature
        The same for which drums are struck. None for `pitch_temperature`.
    velocity_temperature
        The same for how loud they are. None for `temperature`.
    top_k
        Choose among the so many likeliest only, from 1.
    top_p
        Choose among the likeliest that have this probability together, above 0, at most 1.
    min_p
        Leave out what is less than so many times as likely as the likeliest, 0 to 1.
    typical
        Choose among what is about as surprising as expected, with this probability together, above 0, at most 1.
    """

    seed: int | str | None
    temperature: float | str | None
    rhythm_temperature: float | str | None
    pitch_temperature: float | str | None
    drum_temperature: float | str | None
    velocity_temperature: float | str | None
    top_k: int | str | None
    top_p: float | str | None
    min_p: float | str | None
    typical: float | str | None


class Formed(TypedDict, total=False):
    """What a piece is like as a whole.

    form
        Which of its sections are the same: 'AABB', 'ABAC', with their bars 'A8A8B4'. None for a form as the corpus has them.
    """

    form: str | None


class Choosing(Drawing, total=False):
    """How tokens are drawn, and which of the tunes are kept.

    repetition_penalty
        The odds of a note that would carry on a loop are divided by it, 1 to 100.
    max_notes
        A tune that has not ended by then is ended; None for as many as the longest piece in training had events.
    best_of
        Draw so many and keep the best: the fewest faults, of these the most typical, as likely as most are.
    beam
        Search for the likeliest, so many side by side, by no chance at all.
    """

    repetition_penalty: float | str | None
    max_notes: int | str | None
    best_of: int | str | None
    beam: int | str | None


class Ending(TypedDict, total=False):
    """What is let pass.

    any_ending
        Take the music as it ends. Otherwise up to 32 are drawn until one ends on a bar line and on the tonic.
    parallels
        Let voices go in parallel fifths and octaves though those of the corpus avoid it.
    """

    any_ending: bool
    parallels: bool


class Pitched(TypedDict, total=False):
    """Which notes there may be.

    key
        Only its notes, and its signature: 'Dm', 'F#', 'Bb major', or a `Key`.
    scale
        Only these notes, the tonic first: 'C,D,Eb,G,A', ('C', 'D', 'Eb'), or by name 'D dorian'.
    range
        Lowest and highest pitch: 'C4:C6', ('C4', 'C6') or MIDI numbers (60, 84).
    """

    key: str | Key | None
    scale: str | Sequence[str] | None
    range: str | tuple[int | str, int | str] | None


class Keeping(Pitched, total=False):
    """What the music keeps to.

    max_leap
        At most so many semitones from one note of a part to the next.
    max_polyphony
        At most so many notes sound at once.
    density
        At most so many notes begin in a bar.
    grid
        Notes begin and end on it: '1/8', '1/16', triplets '1/8t', both '1/16,1/8t' or ('1/16', '1/8t').
    metre
        Throughout: '3/4' or (3, 4).
    tempo
        Quarter notes a minute, throughout, 10 to 1,000.
    end_on_tonic
        Whether the last note to begin is the tonic of the key, or of the scale.
    instruments
        Only these play: 'violin,flute', ('violin', 'flute'), General MIDI numbers from 0, 'drums'.
    velocity
        Softest and loudest, 1 to 127: '40:100' or (40, 100).
    chords
        A chord for each bar, over and over: 'Dm G7 C C', or the bars 'Dm G7 | C', ('Dm G7', 'C').
    """

    max_leap: int | str | None
    max_polyphony: int | str | None
    density: int | str | None
    grid: str | Fraction | Sequence[str | Fraction] | None
    metre: str | tuple[int, int] | None
    tempo: float | str | None
    end_on_tonic: bool
    instruments: str | int | Sequence[str | int] | None
    velocity: str | tuple[int, int] | None
    chords: str | Sequence[str] | None


class NewTune(Formed, Choosing, Ending, Keeping, total=False):
    """What a new tune takes."""


class NewBars(Formed, Choosing, Ending, Keeping, total=False):
    """What new bars after a prompt take."""


class Rewriting(Drawing, Keeping, total=False):
    """What rewritten bars take."""


class Streaming(Formed, Drawing, Keeping, total=False):
    """What music takes that is played as it is made."""


class Voiced(TypedDict, total=False):
    """What voices keep to under a melody.

    scale
        Only these notes, the tonic first: 'C,D,Eb,G,A', ('C', 'D', 'Eb'), or by name 'D dorian'.
    range
        Lowest and highest pitch of all voices: 'C2:C5', ('C2', 'C5') or MIDI numbers (36, 72).
    max_leap
        At most so many semitones from one note of a voice to the next.
    max_polyphony
        At most so many notes sound at once, the melody's among them.
    density
        At most so many notes begin in a bar, the melody's among them.
    grid
        Notes begin and end on it: '1/8', '1/16', triplets '1/8t', both '1/16,1/8t' or ('1/16', '1/8t').
    chords
        A chord for each bar, over and over: 'Dm G7 C C', or the bars 'Dm G7 | C', ('Dm G7', 'C').
    """

    scale: str | Sequence[str] | None
    range: RangeText | None
    max_leap: int | str | None
    max_polyphony: int | str | None
    density: int | str | None
    grid: str | Fraction | Sequence[str | Fraction] | None
    chords: str | Sequence[str] | None


class Voicing(Drawing, Voiced, total=False):
    """What voices under a melody take."""


# Of the keywords whose default is not None.
DEFAULTS: dict[str, Any] = {
    f.name: f.default for f in fields(SamplingSettings) if f.default is not None and f.name != "seed"
}
DEFAULTS |= {"end_on_tonic": False}
_NUMBERS = (*TEMPERATURES, *OWN, "top_p", "min_p", "typical", "repetition_penalty")
_WHOLE = ("seed", "top_k", "max_notes")


def new_seed() -> int:
    """A random number for somebody who names none."""
    return secrets.randbelow(MAX_SEED)


def settings_of(
    given: Mapping[str, Any], settings: SamplingSettings | None, temperature: float | None = None
) -> SamplingSettings:
    """The settings, those that are given changed; a new seed if there is neither.

    Parameters
    ----------
    given
        Keywords, of which others than those of `Drawing`, `Choosing` and `Ending` are passed over.
    settings
        To begin from; None for the usual ones.
    temperature
        The usual one, if it is not that of `SamplingSettings`.

    Raises
    ------
    SamplingError
        If one cannot be read or is out of its range.
    """
    if settings is None:
        seed = new_seed() if given.get("seed") is None else 0
        settings = (
            SamplingSettings(seed=seed) if temperature is None else SamplingSettings(seed=seed, temperature=temperature)
        )
    elif not isinstance(settings, SamplingSettings):
        raise ArgumentError(f"settings is {shown(settings)}; it must be SamplingSettings")
    changes: dict[str, Any] = {name: number(name, given.get(name)) for name in _NUMBERS}
    changes |= {name: whole(name, given.get(name)) for name in _WHOLE}
    changes["form"] = given.get("form")
    changes |= {name: flag(name, given[name]) for name in Ending.__annotations__ if given.get(name)}
    return replace(settings, **{name: value for name, value in changes.items() if value is not None})


def limits_of(given: Mapping[str, Any], bars: object, limits: Limits | None) -> Limits:
    """The limits, those that are given changed.

    Raises
    ------
    SamplingError
        If one cannot be read.
    """
    limits = Limits() if limits is None else limits
    if not isinstance(limits, Limits):
        raise ArgumentError(f"limits is {shown(limits)}; it must be Limits")
    values = {name: given.get(name) for name in Keeping.__annotations__}
    values = {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in values.items()}
    asked = {name: value for name, value in values.items() if value is not None and (name, value) != ("end_on_tonic", False)}
    if "end_on_tonic" in asked:
        flag("end_on_tonic", asked["end_on_tonic"])
    if bars is not None:
        asked["bars"] = bars
    key: dict[str, Any] = {} if "key" in asked else {"key": limits.key}  # a scale may begin on its tonic
    parsed = Limits.parse(**key, **asked)
    return replace(limits, **{name: getattr(parsed, name) for name in asked})


def ranges_of(range_of: object) -> dict[str, tuple[int, int]]:
    """The ranges of single voices, by their names or numbers.

    Raises
    ------
    SamplingError
        If they cannot be read.
    """
    if range_of is None:
        return {}
    if not isinstance(range_of, Mapping):
        raise ArgumentError(f"range_of is {shown(range_of)}; it must name voices with their ranges, as {{'bass': 'E2:C4'}}")
    found = {str(voice): Limits.parse(range=pitches).range for voice, pitches in range_of.items()}
    return {voice: pitches for voice, pitches in found.items() if pitches is not None}


def search_of(given: Mapping[str, Any]) -> dict[str, int | None]:
    """How tunes are looked for, as `melody.sampling.search.Search` takes it."""
    return {name: whole(name, given.get(name)) for name in ("best_of", "beam")}


def number(name: str, value: object) -> float | None:
    """A number, or text that says one; None for None.

    Raises
    ------
    SamplingError
        If it is neither; its range is checked by whoever uses it.
    """
    if value is None:
        return None
    try:
        if isinstance(value, (Real, str)) and not isinstance(value, bool):
            return float(value)
    except (ValueError, OverflowError):
        pass
    raise SamplingError(f"{name} is {shown(value)}; it must be a number, as 0.9")


def whole(name: str, value: object) -> int | None:
    """A whole number, or text that says one; None for None.

    Raises
    ------
    SamplingError
        If it is neither; its range is checked by whoever uses it.
    """
    if value is None:
        return None
    if isinstance(value, Integral) and not isinstance(value, bool) and abs(int(value)) < 10**18:
        return int(value)
    if isinstance(value, str) and re.fullmatch(r"\s*[+-]?\d{1,18}\s*", value, re.ASCII):
        return int(value)
    raise SamplingError(f"{name} is {shown(value)}; it must be a whole number")


def flag(name: str, value: object) -> bool:
    """True or False.

    Raises
    ------
    SamplingError
        If it is neither.
    """
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    raise SamplingError(f"{name} is {shown(value)}; it must be True or False")


def span_of(bars: object) -> tuple[int, int]:
    """The first and the last of some bars: '5-8', (5, 8), or one alone, 5.

    Raises
    ------
    SamplingError
        If it is none of these.
    """
    found = re.fullmatch(r"\s*(\d{1,9})\s*(?:-\s*(\d{1,9})\s*)?", bars, re.ASCII) if isinstance(bars, str) else None
    ends = (found[1], found[2] or found[1]) if found else (bars, bars) if isinstance(bars, Integral) else bars
    if isinstance(ends, (tuple, list)) and len(ends) == 2:
        first, last = (whole("a bar", end) for end in ends)
        if first is not None and last is not None:
            return first, last
    raise SamplingError(f"bars is {shown(bars)}; write the first and the last bar, as '5-8' or (5, 8)")
