"""Single elements of MusicXML to values: numbers, durations, pitches, ties, metres, keys and tempi.

Conventions
-----------
Durations are in units, `UNITS` to the quarter. Every number is bounded before it is used. What cannot be read is None,
and the caller decides what to do about it. A note is given as its children by their tags.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache
from math import floor
from xml.etree.ElementTree import Element

from melody.score.musicxml.drum_notation import DRUMS
from melody.score.names import semitones
from melody.signatures import Key, TimeSignature, time_signature_of

UNITS = 17_297_280  # 2^7 3^3 5 7 11 13
LONGEST = 255 * UNITS  # the longest bar of a time signature in quarters; no note is longer
VELOCITY = 90  # of a note without dynamics; MusicXML counts loudness in hundredths of it
_SNARE = 38
_DRUM_AT = {place: drum for drum, place in DRUMS.items()}
_VALUES: dict[str, Fraction | int] = {
    "maxima": 32,
    "long": 16,
    "breve": 8,
    "whole": 4,
    "half": 2,
    "quarter": 1,
    "eighth": Fraction(1, 2),
}
_VALUES |= {f"{2**n}{'nd' if n == 5 else 'th'}": Fraction(4, 2**n) for n in range(4, 11)}
_MINOR = ("minor", "aeolian", "dorian", "phrygian")


@lru_cache(maxsize=4096)
def number(text: str | None, low: float, high: float) -> Fraction | None:
    """A decimal number from `low` to `high`; None for anything else."""
    if text is None or not (found := re.fullmatch(r"\s*([+-]?\d{1,15}(?:\.\d{0,15})?|[+-]?\.\d{1,15})\s*", text, re.ASCII)):
        return None
    value = Fraction(found[1])
    return value if low <= value <= high else None


@lru_cache(maxsize=4096)
def units_of(text: str | None, divisions: Fraction) -> int | None:
    """A duration in units; None if it is none, or longer than `LONGEST`."""
    value = number(text, 0, 1e15)
    units = None if value is None else round(value / divisions * UNITS)
    return units if units is not None and units <= LONGEST else None


def written_units(parts: dict[str, Element]) -> int | None:
    """The length of a note in units by its written value; None if it has none."""
    value = _VALUES.get((parts["type"].text or "").strip()) if "type" in parts else None
    return None if value is None else round(value * UNITS * (2 - Fraction(1, 2 ** ("dot" in parts))) * tuplet_ratio(parts))


def tuplet_ratio(parts: dict[str, Element]) -> Fraction:
    """How long a note of this tuplet is beside one of its written value."""
    ratio = parts.get("time-modification")
    if ratio is None:
        return Fraction(1)
    actual, normal = number(ratio.findtext("actual-notes"), 1, 1000), number(ratio.findtext("normal-notes"), 1, 1000)
    return normal / actual if actual and normal else Fraction(1)


def stroke_of(parts: dict[str, Element]) -> int:
    """The length of each note of a tremolo on one note or chord; 0 if there is none."""
    for tremolo in parts["notations"].iterfind("ornaments/tremolo"):
        marks = number(tremolo.text, 1, 6)
        value = _VALUES.get((parts["type"].text or "").strip(), 1) if "type" in parts else 1
        if tremolo.get("type", "single") == "single" and marks:
            return round(min(Fraction(value), Fraction(1)) * UNITS / (1 << int(marks)) * tuplet_ratio(parts))
    return 0


def offset_of(element: Element | None, divisions: Fraction) -> int:
    """A shift in time in units, 0 if none can be read."""
    value = number(element.text, -1e9, 1e9) if element is not None else None
    return max(min(round(value / divisions * UNITS), LONGEST), -LONGEST) if value else 0


def velocity_of(loudness: Fraction) -> int:
    """The velocity, 1-127, of a loudness in hundredths of the default one."""
    return min(max(round(loudness * VELOCITY / 100), 1), 127)


def pitch_of(element: Element | None) -> int | None:
    """The written pitch; None if it cannot be read. Of quarter tones the half nearer to the letter is taken."""
    if element is None:
        return None
    step, octave = (element.findtext("step") or "").strip(), number(element.findtext("octave"), -1, 12)
    alter = number(element.findtext("alter") or "0", -12, 12)
    if step not in tuple("ABCDEFG") or octave is None or alter is None:
        return None
    return 12 * (floor(octave) + 1) + semitones(step) + int(alter)


def drum_of(parts: dict[str, Element]) -> int:
    """The General MIDI drum that stands at the place and with the notehead of an unpitched note, else the snare."""
    where = parts["unpitched"]
    place = f"{(where.findtext('display-step') or '').strip()}{(where.findtext('display-octave') or '').strip()}"
    head = (parts["notehead"].text or "").strip() if "notehead" in parts else "normal"
    return _DRUM_AT.get((place, head), _SNARE)


def ties_of(element: Element, parts: dict[str, Element]) -> tuple[bool, bool]:
    """Whether it is tied to the note before and to the next; drawn ties (`tied`) count where sounding ones are missing."""
    if "tie" in parts:
        kinds = {tie.get("type") for tie in element.findall("tie")}
    elif "notations" in parts:
        kinds = {tie.get("type") for tie in element.iterfind("notations/tied")}
    else:
        return False, False
    both = "continue" in kinds
    return both or "stop" in kinds, both or "start" in kinds


def metre_of(time: Element) -> TimeSignature | None:
    """The time signature; None for none, or for one that no bar can have."""
    pairs = list(_beats(time))
    if len(pairs) == 1:
        beats, unit = pairs[0]
        if 1 <= beats <= 255 and unit in (1, 2, 4, 8, 16, 32, 64):
            return TimeSignature(0, int(beats), int(unit))
    sixtyfourths = sum((beats * 64 / unit for beats, unit in pairs), Fraction(0))
    whole = sixtyfourths.denominator == 1 and 1 <= sixtyfourths <= 255 * 16
    return time_signature_of(0, int(sixtyfourths), 16) if whole else None


def _beats(time: Element) -> Iterator[tuple[Fraction, Fraction]]:
    for beats, unit in zip(time.findall("beats"), time.findall("beat-type")):
        counts = [number(count, 1, 1e9) for count in (beats.text or "").split("+")[:64]]
        of = number(unit.text, 1, 1e9)
        yield (sum((c for c in counts if c), Fraction(0)) if None not in counts else Fraction(0)), of or Fraction(1)


def key_of(element: Element) -> Key | None:
    """The key; None for one that is no count of sharps or flats."""
    fifths = number(element.findtext("fifths"), -7, 7)
    minor = (element.findtext("mode") or "").strip().lower() in _MINOR
    return None if fifths is None else Key(0, int(fifths), "minor" if minor else "major")


def tempo_of(element: Element) -> float | None:
    """Quarter notes a minute; None if it is no number of beats."""
    value, dots, beat = element.findtext("beat-unit"), len(element.findall("beat-unit-dot")), element.findtext("per-minute")
    found = re.search(r"\d{1,4}(\.\d{1,6})?", beat or "")
    unit = _VALUES.get((value or "").strip())
    if unit is None or not found or dots > 4:
        return None
    return float(unit * (2 - Fraction(1, 2**dots)) * Fraction(found[0]))
