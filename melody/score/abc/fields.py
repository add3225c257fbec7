"""Information fields of ABC: metre, unit note length, tempo, key, voice (section 3 and 4)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from melody.piece import Key

_FIFTHS = {"F": -1, "C": 0, "G": 1, "D": 2, "A": 3, "E": 4, "B": 5}
_MODES = {"maj": 0, "ion": 0, "mix": -1, "dor": -2, "min": -3, "aeo": -3, "phr": -4, "loc": -5, "lyd": 1}
_CLEFS = "treble|bass|alto|tenor|baritone|soprano|mezzosoprano|percussion|perc|auto"
_ATTRIBUTE = re.compile(rf'(?<!\S)(?!(?:{"|".join(_MODES)}|exp|m)[a-z]*=)([a-z][\w-]*)\s*=\s*("[^"]*"?|[^\s"]+)')
_BARE_CLEF = re.compile(rf"(?<![\w=])(?:{_CLEFS})\d?(?:[+-](?:8|15))?(?![\w=])")
_ALTERATION = re.compile(r"(\^\^|\^|__|_|=)([A-Ga-g])")
SIGNS = {"^^": 2, "^": 1, "": 0, "=": 0, "_": -1, "__": -2}
LETTERS = "CDEFGAB"


def metre_of(text: str) -> tuple[int, int] | None:
    """(numerator, denominator); None for free metre.

    >>> metre_of("C|"), metre_of("(2+3)/8"), metre_of("3/4"), metre_of("none")
    ((2, 2), (5, 8), (3, 4), None)

    Raises
    ------
    ValueError
        If it is no metre, or one that no time signature can hold.
    """
    text = re.sub(r'"[^"]*"|\s', "", text)
    if text.lower() in ("none", "free", ""):
        return None
    if text.startswith("C"):
        return (2, 2) if text.startswith("C|") else (4, 4)
    terms = [re.fullmatch(r"\(?(\d{1,3}(?:\+\d{1,3}){0,15})\)?/(\d{1,2})", term) for term in _terms(text)]
    found = [(sum(map(int, term[1].split("+"))), int(term[2])) for term in terms if term]
    if not found or len(found) < len(terms):
        raise ValueError(text)
    unit = max(denominator for _, denominator in found)
    if any(denominator not in (1, 2, 4, 8, 16, 32, 64) for _, denominator in found):
        raise ValueError(text)
    beats = sum(numerator * unit // denominator for numerator, denominator in found)
    if not 1 <= beats <= 255:
        raise ValueError(text)
    return beats, unit


def _terms(text: str) -> list[str]:
    """The fractions of a sum such as 2/4+3/8; in 2+3/8 the numerators are added."""
    return re.sub(r"(/\d+)\+", r"\1 ", text[:200]).split()


def length_of(text: str) -> Fraction:
    """A unit note length, in whole notes.

    >>> length_of("1/8"), length_of("1")
    (Fraction(1, 8), Fraction(1, 1))

    Raises
    ------
    ValueError
        If it is none, or not from 1/512 to 4.
    """
    found = re.fullmatch(r"(\d{1,3})(?:\s*/\s*(\d{1,3}))?", text.strip())
    if not found or int(found[2] or 1) == 0:
        raise ValueError(text)
    length = Fraction(int(found[1]), int(found[2] or 1))
    if not Fraction(1, 512) <= length <= 4:
        raise ValueError(text)
    return length


def qpm_of(text: str, unit: Fraction) -> float | None:
    """Quarter notes a minute; None if only words stand there. A bare number counts quarters, as abc2midi has it.

    >>> qpm_of('"Slow" 3/8=40', Fraction(1, 8)), qpm_of("1/4 1/8=80", Fraction(1, 8)), qpm_of("C3=40", Fraction(1, 8))
    (60.0, 120.0, 60.0)

    Raises
    ------
    ValueError
        If it is no tempo that MIDI can write.
    """
    text = re.sub(r'"[^"]*"?', " ", text)
    number = r"(\d{1,4}(?:\.\d{1,4})?)"
    if found := re.search(rf"((?:\d{{1,3}}/\d{{1,3}}\s*){{1,8}})=\s*[^\d\s]{{0,4}}\s*{number}", text):
        beats = [part.split("/") for part in found[1].split()]
        if any(int(whole) == 0 for _, whole in beats):
            raise ValueError(text)
        beat, count = sum(Fraction(int(part), int(whole)) for part, whole in beats), found[2]
    elif found := re.search(rf"C\s*(\d{{0,2}})\s*=\s*{number}", text):
        beat, count = unit * int(found[1] or 1), found[2]
    elif found := re.fullmatch(rf"\s*=?\s*{number}\s*", text):
        beat, count = Fraction(1, 4), found[1]
    elif text.strip():
        raise ValueError(text)
    else:
        return None
    qpm = float(4 * beat * Fraction(count))
    if not 4 <= qpm <= 60_000:
        raise ValueError(text)
    return qpm


class KeySignature(NamedTuple):
    """A key, and which letters it alters.

    Parameters
    ----------
    alter
        Semitones by which each letter C to B is altered, (7,).
    fifths, mode
        The nearest key that a `Piece` can hold.
    silent
        Whether no key is named.
    doubtful
        Whether the mode is unknown.
    """

    alter: tuple[int, ...] = (0,) * 7
    fifths: int = 0
    mode: str = "major"
    silent: bool = False
    doubtful: bool = False

    @property
    def key(self) -> Key:
        """The key at tick 0."""
        return Key(0, self.fifths, self.mode)


def _signature(fifths: int) -> tuple[int, ...]:
    """Semitones of each letter C to B: F# is the first sharp, B flat the first flat."""
    return tuple((fifths + 5 - _FIFTHS[letter]) // 7 for letter in LETTERS)


def key_of(text: str) -> KeySignature | None:
    """The key in a `K:` field; None if it has only parameters such as a clef.

    A mode is minor where the third above the tonic is, and its key is the one of its signature. A signature of explicit
    accidentals that is no key's belongs to the tonic that is named, or without one to the key that differs in the fewest
    letters.

    >>> key_of("Ador").key, key_of("D exp _b _e ^f").alter, key_of("clef=bass")
    (Key(onset=0, fifths=1, mode='minor'), (0, 0, -1, 1, 0, 0, -1), None)
    >>> key_of("D exp _b _e ^f").key.name, key_of("A exp ^f").key.name
    ('D', 'Em')

    Raises
    ------
    ValueError
        If what stands there is no key.
    """
    text = _BARE_CLEF.sub(" ", _ATTRIBUTE.sub(" ", text)).strip()
    if not text:
        return None
    if re.match(r"none\b", text, re.IGNORECASE):
        return KeySignature(silent=True)
    if re.match(r"H[Pp]\b", text):
        return KeySignature(_signature(2), 2)
    found = re.match(r"([A-G])([#b]?)\s*([A-Za-z]*)", text)
    if not found and not _ALTERATION.search(text):
        raise ValueError(text)
    if not found:
        return _explicit(0, "", _ALTERATION.findall(text), silent=True)
    place = _FIFTHS[found[1]] + {"#": 7, "b": -7}.get(found[2], 0)
    word = found[3].lower()
    explicit = word.startswith("exp")
    known = explicit or not word or word[:3] in _MODES or word == "m"
    shift = -3 if word == "m" else _MODES.get(word[:3], 0)
    alterations = _ALTERATION.findall(text[found.end() :])
    return _explicit(place + shift, found[1] + found[2], alterations, only=explicit)._replace(doubtful=not known)


def _explicit(
    fifths: int, tonic: str, alterations: list[tuple[str, str]], only: bool = False, silent: bool = False
) -> KeySignature:
    """A signature with letters altered: added to that of the key, or instead of it. `tonic` is empty if none is named."""
    alter = list((0,) * 7 if only else _signature(fifths))
    for sign, letter in alterations:
        alter[LETTERS.index(letter.upper())] = SIGNS[sign]
    near = min(range(-7, 8), key=lambda f: (_differs(_signature(f), alter), abs(f - fifths)))
    mode = "minor" if tonic and _third(tonic[0], alter) == 3 else "major"
    if not alterations and not only and abs(fifths) <= 7:
        return KeySignature(tuple(alter), fifths, mode, silent)
    if tonic and _differs(_signature(near), alter):
        near, mode = _key_on(tonic, alter) or (near, mode)
    return KeySignature(tuple(alter), near, mode, silent)


def _key_on(tonic: str, alter: list[int]) -> tuple[int, str] | None:
    """Fifths and mode of the key on a tonic, its third that of the signature; None if that is no key of a `Piece`."""
    sign = {"#": 1, "b": -1}.get(tonic[1:], 0)
    minor = (_third(tonic[0], alter) + alter[LETTERS.index(tonic[0])] - sign) % 12 == 3
    fifths = _FIFTHS[tonic[0]] + 7 * sign - 3 * minor
    return (fifths, "minor" if minor else "major") if abs(fifths) <= 7 else None


def _differs(one: tuple[int, ...], other: list[int]) -> int:
    return sum(a != b for a, b in zip(one, other))


def _third(tonic: str, alter: list[int]) -> int:
    low = LETTERS.index(tonic)
    high = (low + 2) % 7
    heights = (0, 2, 4, 5, 7, 9, 11)
    return (heights[high] + alter[high] - heights[low] - alter[low]) % 12


@dataclass
class Sounding:
    """How many semitones above what is written a voice sounds: by its clef, `octave=` and `transpose=`."""

    clef: int = 0
    octave: int = 0
    transpose: int = 0
    midi: int = 0

    @property
    def semitones(self) -> int:
        """The sum."""
        return self.clef + self.octave + self.transpose + self.midi


def attributes_of(text: str) -> dict[str, str]:
    """The `name=value` pairs of a `K:` or `V:` field; a bare clef counts as `clef=`."""
    found = {name.lower(): value.strip('"') for name, value in _ATTRIBUTE.findall(text)}
    bare = _BARE_CLEF.search(_ATTRIBUTE.sub(" ", text))
    return ({"clef": bare[0]} if bare else {}) | found


def apply_attributes(sounding: Sounding, attributes: Mapping[str, str]) -> list[str]:
    """Change what a voice sounds like (section 4.6); the attributes that are no numbers, or too great, are returned."""
    wrong = []
    if clef := attributes.get("clef"):
        suffix = re.search(r"([+-])(8|15)$", clef)
        sounding.clef = (12 if suffix[2] == "8" else 24) * (1 if suffix[1] == "+" else -1) if suffix else 0
    for name, unit, most in (("octave", 12, 10), ("transpose", 1, 120)):
        if name not in attributes:
            continue
        if not re.fullmatch(r"[+-]?\d{1,3}", attributes[name]) or abs(int(attributes[name])) > most:
            wrong.append(f"{name}={attributes[name]}")
            continue
        setattr(sounding, name, unit * int(attributes[name]))
    return wrong
