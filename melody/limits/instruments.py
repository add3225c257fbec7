"""Instruments by their General MIDI names, from what a musician writes.

The names are those of `melody.general_midi`. A part of a name stands for all instruments that have it: `piano` is any piano,
`sax` any saxophone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

from melody.errors import SamplingError
from melody.general_midi import PROGRAMS
from melody.limits.shown import shown
from melody.piece import Part

_DRUMS = ("drum", "drum kit", "percussion")


@dataclass(frozen=True)
class Instrument:
    """What was written, and the General MIDI programs it stands for; or the drum kit."""

    name: str
    programs: frozenset[int]
    is_drum: bool = False

    def plays(self, part: Part) -> bool:
        """Whether the part is one of this instrument's."""
        return part.is_drum if self.is_drum else not part.is_drum and part.program in self.programs


def parse_instruments(text: str) -> tuple[Instrument, ...]:
    """Instruments with commas between them: `flute,violin`, `piano`, `73`, `drums`.

    >>> parse_instruments("flute, 40")[1]
    Instrument(name='violin', programs=frozenset({40}), is_drum=False)

    Raises
    ------
    SamplingError
        If one of them is unknown, or none is named.
    """
    words = [word.strip() for word in text.split(",") if word.strip()]
    if not words:
        raise SamplingError("no instrument is named; write General MIDI names with commas, as flute,violin, or drums")
    return tuple(dict.fromkeys(_instrument(word) for word in words))


def _instrument(text: str) -> Instrument:
    if re.fullmatch(r"\d{1,3}", text, re.ASCII) and int(text) < len(PROGRAMS):
        return Instrument(PROGRAMS[int(text)].lower(), frozenset([int(text)]))
    words = _words(text)
    if " ".join(words) in _DRUMS:
        return Instrument("drums", frozenset(), is_drum=True)
    known = [_words(name) for name in PROGRAMS]
    exact = {program for program, name in enumerate(known) if name == words}
    is_named = any(map(str.isalpha, words))  # a number alone is a program: -1 is not what has a 1 in its name
    programs = exact or {program for program, name in enumerate(known) if is_named and set(words) <= set(name)}
    if not programs:
        raise SamplingError(
            f"{shown(text)} is no instrument{_guess(text, known)}; write a General MIDI name, 0 to 127, or drums"
        )
    return Instrument(" ".join(text.lower().split()), frozenset(programs))


def _words(text: str) -> list[str]:
    """Lower-case words without the s of a plural; a saxophone is a sax."""
    words = re.findall(r"[a-z0-9]+", text.lower().replace("saxophone", "sax"))
    return [word[:-1] if word.endswith("s") and not word.endswith("ss") else word for word in words]


def _guess(text: str, known: Iterable[list[str]]) -> str:
    candidates = dict.fromkeys([*(name.lower() for name in PROGRAMS), *(word for name in known for word in name)])
    close = get_close_matches(text.lower()[:40], [c for c in candidates if len(c) > 2], 1)
    return f"; did you mean {close[0]}?" if close else ""
