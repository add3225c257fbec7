"""Keys and scales from what a musician writes.

A key is its scale; a minor key has the raised sixth and seventh too, as the music in it does. A scale has just its notes.
Both are pitch classes, 0 = C, whatever the octave.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from melody.errors import SamplingError
from melody.limits.shown import shown
from melody.score.names import LEGAL, NAME, place, semitones
from melody.signatures import Key

SCALES = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "harmonic-minor": (0, 2, 3, 5, 7, 8, 11),
    "melodic-minor": (0, 2, 3, 5, 7, 9, 11),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "phrygian": (0, 1, 3, 5, 7, 8, 10),
    "lydian": (0, 2, 4, 6, 7, 9, 11),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
    "locrian": (0, 1, 3, 5, 6, 8, 10),
    "pentatonic": (0, 2, 4, 7, 9),
    "minor-pentatonic": (0, 3, 5, 7, 10),
    "blues": (0, 3, 5, 6, 7, 10),
    "whole-tone": (0, 2, 4, 6, 8, 10),
    "chromatic": tuple(range(12)),
}
_KEY_NOTES = {"major": SCALES["major"], "minor": (0, 2, 3, 5, 7, 8, 9, 10, 11)}
_KEY = re.compile(r"([A-Ga-g])([#b♯♭]?)[\s-]*(.*)")
_MODES = {"m": "minor", "min": "minor", "minor": "minor", "M": "major", "maj": "major", "major": "major"}


@dataclass(frozen=True)
class Scale:
    """The notes a tune may have.

    Parameters
    ----------
    name
        As it was written, for messages.
    pitch_classes
        0-11, each once, the tonic first.
    """

    name: str
    pitch_classes: tuple[int, ...]

    @property
    def tonic(self) -> int:
        """Pitch class of the first note."""
        return self.pitch_classes[0]


def scale_of(key: Key) -> Scale:
    """The notes of a key, the raised sixth and seventh of a minor key among them.

    >>> scale_of(Key(0, 0, "minor")).pitch_classes
    (9, 11, 0, 2, 4, 5, 6, 7, 8)
    """
    notes = tuple((key.tonic + step) % 12 for step in _KEY_NOTES[key.mode])
    return Scale(f"{key.name.removesuffix('m')} {key.mode}", notes)


def parse_key(text: str) -> Key:
    """A key: `Dm`, `F#`, `Bb major`, `a minor`. A capital letter alone is major; a small one alone is ambiguous.

    >>> parse_key("Dm"), parse_key("Bb major").name
    (Key(onset=0, fifths=-1, mode='minor'), 'Bb')

    Raises
    ------
    SamplingError
        If it is no key, or one with more than seven sharps or flats.
    """
    found = _KEY.fullmatch(text.strip())
    word = found[3] if found else ""
    mode = _MODES.get(word) or _MODES.get(word.lower()) or ("major" if word == "" and text.strip()[:1].isupper() else None)
    if not found or mode is None:
        raise SamplingError(f"{shown(text)} is no key; write one as D, Dm, F#, Bb major or a minor")
    tonic = found[1].upper() + found[2].replace("♯", "#").replace("♭", "b")
    fifths = place(tonic) - (3 if mode == "minor" else 0)
    if not -7 <= fifths <= 7:
        respelled = Key(0, fifths - 12 if fifths > 0 else fifths + 12, mode).name
        raise SamplingError(
            f"{tonic} {mode} has {abs(fifths)} {'sharps' if fifths > 0 else 'flats'}; write it as {respelled}"
        )
    return Key(0, fifths, mode)


def parse_scale(text: str, key: Key | None = None) -> Scale:
    """A scale by its notes (`C,D,Eb,G,A`, the tonic first) or by name (`D dorian`; `dorian` alone is on the key's tonic).

    >>> parse_scale("C,D,Eb,G,A").pitch_classes, parse_scale("D dorian").pitch_classes
    ((0, 2, 3, 7, 9), (2, 4, 5, 7, 9, 11, 0))

    Raises
    ------
    SamplingError
        If it is neither, or holds no note.
    """
    words = [word for word in re.split(r"[\s,]+", text) if word]
    if not words:
        raise SamplingError("the scale holds no note; write its notes as C,D,Eb,G,A, or a name as D dorian")
    if all(re.fullmatch(NAME, word) for word in words):
        notes = dict.fromkeys(semitones(word) % 12 for word in words)
        return Scale(",".join(words) if len(text) <= 60 else "the scale", tuple(notes))
    tonic = words.pop(0) if re.fullmatch(NAME, words[0]) else None
    name = "-".join(words).lower().removesuffix("-scale")
    if name not in SCALES:
        raise SamplingError(
            f"{shown(text)} is no scale; write its notes ({LEGAL}) as C,D,Eb,G,A, or one of {', '.join(SCALES)} as D dorian"
        )
    if tonic is None and key is None:
        raise SamplingError(f"the scale {name} begins on no note; name one, as D {name}, or a key")
    root = semitones(tonic) % 12 if tonic else scale_of(key).tonic if key else 0
    start = tonic or (key.name.removesuffix("m") if key else "")
    return Scale(f"{start} {name}", tuple((root + step) % 12 for step in SCALES[name]))
