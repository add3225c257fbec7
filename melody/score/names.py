"""Names of pitches: a letter C to B, an accidental, an octave. C4 is middle C, MIDI pitch 60.

An octave runs from C to B by its letters, so Cb4 is pitch 59 and B#3 is pitch 60.
"""

from __future__ import annotations

from melody.errors import ScoreError

_CLASSES = dict(zip("CDEFGAB", (0, 2, 4, 5, 7, 9, 11)))
_FIFTHS = dict(zip("FCGDAEB", range(-1, 6)))
_ALTERATIONS = {"": 0, "♮": 0, "#": 1, "♯": 1, "b": -1, "♭": -1, "x": 2, "𝄪": 2, "𝄫": -2}
_ALTERATIONS |= {"##": 2, "♯♯": 2, "bb": -2, "♭♭": -2}
_SHARPS, _FLATS = "C,C#,D,D#,E,F,F#,G,G#,A,A#,B", "C,Db,D,Eb,E,F,Gb,G,Ab,A,Bb,B"

NAME = r"[A-Ga-g](?:##|♯♯|bb|♭♭|[#♯b♭x♮𝄪𝄫])?"  # a letter and its accidental, as a regular expression
LEGAL = "a letter C to B, then # b x or bb"  # the same in words


def semitones(name: str) -> int:
    """Semitones of a letter with its accidental (matching `NAME`) above the C of its octave, -2 to 13.

    >>> semitones("C"), semitones("f#"), semitones("Bb"), semitones("Cb"), semitones("B♯")
    (0, 6, 10, -1, 12)
    """
    return _CLASSES[name[0].upper()] + _ALTERATIONS[name[1:]]


def place(name: str) -> int:
    """Place of a letter with its accidental on the line of fifths: F = -1, C = 0, G = 1, B flat = -2, F sharp = 6.

    >>> place("C"), place("Bb"), place("f#")
    (0, -2, 6)
    """
    return _FIFTHS[name[0].upper()] + 7 * _ALTERATIONS[name[1:]]


def pitch_of(name: str, octave: int) -> int:
    """MIDI pitch of a letter with its accidental in an octave.

    >>> pitch_of("C", 4), pitch_of("Cb", 4), pitch_of("G", 9)
    (60, 59, 127)

    Raises
    ------
    ScoreError
        If it is not from 0 (C-1) to 127 (G9).
    """
    pitch = 12 * (octave + 1) + semitones(name)
    if not 0 <= pitch <= 127:
        raise ScoreError(f"{name}{octave} is no pitch that MIDI has; the lowest is C-1, the highest G9")
    return pitch


def class_name(pitch_class: int, *, flats: bool = False) -> str:
    """A pitch class 0-11 by name, with sharps or with flats.

    >>> class_name(10), class_name(10, flats=True)
    ('A#', 'Bb')
    """
    return (_FLATS if flats else _SHARPS).split(",")[pitch_class]


def pitch_name(pitch: int, *, flats: bool = False) -> str:
    """A MIDI pitch by name, with sharps or with flats.

    >>> pitch_name(60), pitch_name(70), pitch_name(70, flats=True)
    ('C4', 'A#4', 'Bb4')
    """
    return f"{class_name(pitch % 12, flats=flats)}{pitch // 12 - 1}"
