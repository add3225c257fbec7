"""A line of music cut into its symbols (section 4)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from melody.score.abc.fields import SIGNS

_LENGTH = r"\d*(?:/+\d*)?"
_NOTE = rf"(?P<sign>[\^_=]{{1,3}}(?:\d*/\d*)?)?(?P<letter>[A-Ga-g])(?P<marks>[,']*)(?P<length>{_LENGTH})"
_SYMBOL = re.compile(
    rf"""
    (?P<space>[ \t\\`$*;?@#]+)
  | (?P<text>"[^"]{{0,1000}}")
  | \+(?!f+\+)(?P<old_chord>(?:[\^_=]{{0,2}}[A-Ga-g][,']{{0,4}}[\d/]{{0,6}}){{2,8}})\+
  | (?P<decoration>![^!\s|]{{1,40}}!|\+(?:[a-z.]{{2,20}}|[fp<>\d+])\+|[H-Wh-w~.])
  | (?P<grace>\{{[^{{}}]*\}})
  | \[(?P<field>[A-Za-z]):(?P<value>[^\]]{{0,1000}})\]
  | (?P<bar>\.?(?:::+|:+\]\|?|:*\[?\|[|:\]]*(?:\[\|[|:\]]*)?))\s*(?P<ending>\d[\d,\-]*)?
  | \[\s*(?P<variant>\d[\d,\- ]*|"[^"]*")
  | \[(?P<chord>(?:"[^"]{{0,200}}"|![^!\s]{{0,40}}!|[^\[\]|"!]){{0,300}})\](?P<chord_length>{_LENGTH})
  | \(\s*(?P<tuplet>\d+)(?::(?P<time>\d*))?(?::(?P<count>\d*))?
  | (?P<slur>\.?\(|\))
  | (?P<overlay>&+)
  | (?P<rest>[xzXZ])(?P<rest_length>{_LENGTH})
  | (?P<spacer>y{_LENGTH})
  | (?P<tie>-)
  | (?P<broken><+|>+)
  | (?P<note>{_NOTE})
    """,
    re.VERBOSE,
)
_TONE = re.compile(_NOTE + r"(?P<tie>\.?-)?")
_WRONG = re.compile(r'"\S*|\{[^\s|]*|.', re.DOTALL)
_IN_CHORD = re.compile(r'"[^"]*"|![^!]*!|[\s.~()H-WX-Yh-wy\[<>]')
MOST_DIGITS = 6


class Length(NamedTuple):
    """A multiple of the unit note length."""

    over: int
    under: int


class Tone(NamedTuple):
    """A letter, its octave above middle C's, its accidental in semitones or None, and its length; `tied` to the next."""

    letter: str
    octave: int
    alter: int | None
    length: Length
    tied: bool = False


class Symbol(NamedTuple):
    """`kind` is note, rest, bar_rest, bar, ending, tuplet, tie, broken, overlay, field, or unknown.

    `tones` are those of a note or chord, `length` that of a rest or what multiplies a chord's; `text` a bar line, an
    ending's numbers or a field's value; `numbers` those of a tuplet, 0 where none is given, or the marks of a broken rhythm.
    """

    kind: str
    text: str = ""
    tones: tuple[Tone, ...] = ()
    length: Length = Length(1, 1)
    numbers: tuple[int, ...] = ()


def symbols_of(line: str) -> Iterator[Symbol]:
    """The symbols of a line of music; what has no time, such as a grace note, is left out."""
    at = 0
    while at < len(line):
        found = _SYMBOL.match(line, at)
        if found is None:
            wrong = _WRONG.match(line, at)
            assert wrong
            if wrong[0] not in ("!", "+"):  # a single ! once ended a line of the page
                yield Symbol("unknown", wrong[0][:8])
        else:
            yield from _symbols(found)
        at = (found or wrong).end()  # type: ignore[union-attr]


def _symbols(found: re.Match[str]) -> Iterator[Symbol]:
    if found["note"]:
        yield Symbol("note", tones=(_tone(found),))
    elif found["rest"]:
        yield Symbol("bar_rest" if found["rest"] in "XZ" else "rest", length=_length(found["rest_length"]))
    elif found["bar"]:
        yield Symbol("bar", found["bar"].lstrip("."))
        if found["ending"]:
            yield Symbol("ending", found["ending"])
    elif found["variant"]:
        yield Symbol("ending", found["variant"].strip())
    elif found["field"]:
        yield Symbol("field", found["value"], numbers=(ord(found["field"]),))
    elif found["old_chord"]:
        yield from _chord(found["old_chord"], "")
    elif found["chord"] is not None:
        yield from _chord(found["chord"], found["chord_length"])
    elif found["tuplet"]:
        numbers = tuple(_number(found[name] or "") for name in ("tuplet", "time", "count"))
        yield Symbol("tuplet", numbers=numbers)
    elif found["broken"]:
        yield Symbol("broken", numbers=(len(found["broken"]) * (1 if found["broken"][0] == ">" else -1),))
    elif found["tie"] or found["overlay"]:
        yield Symbol("tie" if found["tie"] else "overlay")
    elif found["decoration"]:
        yield Symbol("decoration", found["decoration"])


def _chord(inside: str, length: str) -> Iterator[Symbol]:
    """A chord, what is not understood in it, and a rest if it has no note."""
    tones, at = [], 0
    while at < len(inside):
        if found := _TONE.match(inside, at):
            tones.append(_tone(found)._replace(tied=bool(found["tie"])))
        else:
            found = _IN_CHORD.match(inside, at)
            if found is None and inside[at] not in "xz-":
                yield Symbol("unknown", inside[at])
        at = found.end() if found else at + 1
    if tones:
        yield Symbol("note", tones=tuple(tones), length=_length(length))
    elif re.search("[xz]", inside):
        yield Symbol("rest", length=_length(length))


def _tone(found: re.Match[str]) -> Tone:
    letter, marks = found["letter"], found["marks"]
    octave = letter.islower() + marks.count("'") - marks.count(",")
    return Tone(letter.upper(), octave, _alter(found["sign"]), _length(found["length"]))


def _alter(sign: str | None) -> int | None:
    """Semitones; of quarter tones the whole semitones count."""
    if not sign:
        return None
    signs, over, under = re.match(r"([\^_=]+)(\d*)(/?\d*)", sign).groups()  # type: ignore[union-attr]
    semitones = SIGNS.get(signs, SIGNS.get(signs[-1], 0))
    if not under:
        return semitones
    return int(semitones * _number(over or "1") / max(_number(under[1:] or "2"), 1))


def _length(text: str) -> Length:
    """The multiple of a length: 3, /, //, 3/2, /4."""
    over, slashes, under = re.match(r"(\d*)(/*)(\d*)", text).groups()  # type: ignore[union-attr]
    top = _number(over) if over else 1
    return Length(top, _number(under) if under else 2 ** min(len(slashes), 20))


def _number(digits: str) -> int:
    return int(digits[:MOST_DIGITS]) if digits else 0
