"""Instruments by their General MIDI names, from what a musician writes.

The names and numbers are those of General MIDI level 1 (MIDI Manufacturers Association, 1991), programs counted from 0 as in
the files. A part of a name stands for all instruments that have it: `piano` is any piano, `sax` any saxophone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

from melody.errors import SamplingError
from melody.limits.shown import shown
from melody.piece import Part

_GENERAL_MIDI = (
    "Acoustic Grand Piano, Bright Acoustic Piano, Electric Grand Piano, Honky-tonk Piano, Electric Piano 1, "
    "Electric Piano 2, Harpsichord, Clavinet, Celesta, Glockenspiel, Music Box, Vibraphone, Marimba, Xylophone, "
    "Tubular Bells, Dulcimer, Drawbar Organ, Percussive Organ, Rock Organ, Church Organ, Reed Organ, Accordion, "
    "Harmonica, Tango Accordion, Acoustic Guitar (nylon), Acoustic Guitar (steel), Electric Guitar (jazz), "
    "Electric Guitar (clean), Electric Guitar (muted), Overdriven Guitar, Distortion Guitar, Guitar Harmonics, "
    "Acoustic Bass, Electric Bass (finger), Electric Bass (pick), Fretless Bass, Slap Bass 1, Slap Bass 2, Synth Bass 1, "
    "Synth Bass 2, Violin, Viola, Cello, Contrabass, Tremolo Strings, Pizzicato Strings, Orchestral Harp, Timpani, "
    "String Ensemble 1, String Ensemble 2, Synth Strings 1, Synth Strings 2, Choir Aahs, Voice Oohs, Synth Choir, "
    "Orchestra Hit, Trumpet, Trombone, Tuba, Muted Trumpet, French Horn, Brass Section, Synth Brass 1, Synth Brass 2, "
    "Soprano Sax, Alto Sax, Tenor Sax, Baritone Sax, Oboe, English Horn, Bassoon, Clarinet, Piccolo, Flute, Recorder, "
    "Pan Flute, Blown Bottle, Shakuhachi, Whistle, Ocarina, Lead 1 (square), Lead 2 (sawtooth), Lead 3 (calliope), "
    "Lead 4 (chiff), Lead 5 (charang), Lead 6 (voice), Lead 7 (fifths), Lead 8 (bass + lead), Pad 1 (new age), "
    "Pad 2 (warm), Pad 3 (polysynth), Pad 4 (choir), Pad 5 (bowed), Pad 6 (metallic), Pad 7 (halo), Pad 8 (sweep), "
    "FX 1 (rain), FX 2 (soundtrack), FX 3 (crystal), FX 4 (atmosphere), FX 5 (brightness), FX 6 (goblins), "
    "FX 7 (echoes), FX 8 (sci-fi), Sitar, Banjo, Shamisen, Koto, Kalimba, Bagpipe, Fiddle, Shanai, Tinkle Bell, Agogo, "
    "Steel Drums, Woodblock, Taiko Drum, Melodic Tom, Synth Drum, Reverse Cymbal, Guitar Fret Noise, Breath Noise, "
    "Seashore, Bird Tweet, Telephone Ring, Helicopter, Applause, Gunshot"
)
NAMES = tuple(_GENERAL_MIDI.split(", "))  # of programs 0 to 127
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


def instrument_name(part: Part) -> str:
    """The General MIDI name of a part's instrument.

    >>> instrument_name(Part(40)), instrument_name(Part(0, is_drum=True))
    ('violin', 'drums')
    """
    return "drums" if part.is_drum else NAMES[part.program].lower()


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
    if re.fullmatch(r"\d{1,3}", text, re.ASCII) and int(text) < len(NAMES):
        return Instrument(NAMES[int(text)].lower(), frozenset([int(text)]))
    words = _words(text)
    if " ".join(words) in _DRUMS:
        return Instrument("drums", frozenset(), is_drum=True)
    known = [_words(name) for name in NAMES]
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
    candidates = dict.fromkeys([*(name.lower() for name in NAMES), *(word for name in known for word in name)])
    close = get_close_matches(text.lower()[:40], [c for c in candidates if len(c) > 2], 1)
    return f"; did you mean {close[0]}?" if close else ""
