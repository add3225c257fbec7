"""Tunes in ABC, read from music21's tokens: some twenty times quicker than its streams, and note for note the same.

Conventions
-----------
ABC 2.1 (https://abcnotation.com/wiki/abc:standard:v2.1). One part, one note at a time.

- Grace notes, chord symbols, ornaments and bowing are left out; of a double stop the highest note is kept, of several
  voices the first.
- An accidental holds until the bar line, in every octave. A (5 stands in the time of four and a (9 in that of eight, as
  fills the bars of the old collections.
- Repeats are not played out: a strain written twice would teach copying. So a first ending, which only leads back, is left
  out and the second follows at once; each strain sounds as it does the last time round.
- A key has the signature as written; its mode is minor where the third above the tonic is, as in dorian.
- A tempo that is not given is guessed from the dance (R:), or from the metre and words like "slow" (N:).
"""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache
from typing import Any

from melody.errors import ScoreError
from melody.extras import need
from melody.piece import TICKS_PER_QUARTER, Key, Part, Piece, Tempo
from melody.score.bars import UNITS, Note, Segment, to_piece

FIDDLE = Part(40, name="Fiddle")

_LENGTH = r"\d*/*\d*"
_CHORD_NOTE = re.compile(rf"([_=^]*)([A-Ga-gz])([,']*)({_LENGTH})")


def read_tune(abc: str, texts: tuple[str, ...] = ()) -> Piece:
    """The piece in one tune of ABC; `texts` are kept as its remarks.

    Raises
    ------
    ScoreError
        If it has no notes, or music21 cannot read it.
    PieceError
        If a `Piece` cannot hold it, as a note shorter than half a tick.

    Examples
    --------
    >>> tune = read_tune("X:1\\nT:Pick-up\\nM:3/4\\nL:1/4\\nK:G\\nD | G A B | d2 |]")
    >>> tune.onset, tune.pitch
    (array([ 48,  72,  96, 120, 144]), array([62, 67, 69, 71, 74]))
    """
    need("reading ABC", "music21", error=ScoreError)
    from music21.abcFormat import ABCHandler
    from music21.exceptions21 import Music21Exception

    handler = ABCHandler(abcVersion=(2, 1, 0))
    try:
        handler.process(clean(abc))
        segments = to_segments(handler.tokens)
    except (Music21Exception, ValueError, IndexError, ZeroDivisionError) as error:
        raise ScoreError(f"the ABC of {title_of(abc)!r} cannot be read: {error}; see the ABC standard 2.1") from error
    return to_piece(segments, (FIDDLE,), tempo_of(abc, segments[0].metre if segments else (4, 4)), title_of(abc), texts)


def title_of(abc: str) -> str:
    """The first title; in Ryan's collection some process has made `at:` of `at`.

    >>> title_of("X:1\\nT:The Unfortunat:e Rake -- Jig\\nT:Another title")
    'The Unfortunate Rake -- Jig'
    """
    found = re.search(r"(?m)^T:([^\r\n%]*)", abc)
    return re.sub("at:(?=[a-z-])", "at", found[1].strip()) if found else ""


def clean(abc: str) -> str:
    """The tune with only what gives pitch, length and bars, spelled so that music21's tokenizer understands it.

    It would drop a note under a fermata, lose fields in mid-line, count grace notes into a triplet, and let a slur or a
    bowing mark inside a dotted pair undo the dots.
    """
    lines = []
    for line in abc.splitlines():
        line = line.split("%")[0]
        if re.match(r"[A-Za-z]:", line):
            lines.append(re.sub(r"^K:\s*Bn$", "K:Bm", line.strip()))  # a slip: the tunes are in B minor
        elif not re.match(r"\+:|\s*\[V:[2-9]", line):
            line = re.sub(r'\[V:1\]|"[^"]*"|![^!]*!|\{[^}]*\}|x\d*', "", line).replace("Z", "z")
            music = re.split(r"\[([A-Z]:[^\]]*)\]", line)
            music[::2] = map(_clean_music, music[::2])
            lines += music
    return "\n".join(lines)


def _clean_music(text: str) -> str:
    text = re.sub(r"[^A-Ga-gz0-9 |:/<>(,_=^'\[\]-]|\((?!\d)", "", text)
    text = re.sub(r"-(?=[<>])|(?<=[<>])-", "", text)  # a hyphen at a dotted pair is a slur between two pitches
    text = re.sub(r"\(([59])(?![:\d])", lambda found: {"5": "(5:4:5", "9": "(9:8:9"}[found[1]], text)
    return re.sub(rf"\[([^\]|\d][^\]|]*)\]({_LENGTH})", _highest, text)


def _highest(chord: re.Match[str]) -> str:
    def height(note: tuple[str, ...]) -> int:
        _, letter, octave, _ = note
        return "CDEFGAB".find(letter.upper()) + 7 * (letter.islower() + octave.count("'") - octave.count(","))

    found = _CHORD_NOTE.findall(chord[1]) or [("", "z", "", "")]
    accidental, letter, octave, _ = max(found, key=height)
    length = _length(found[0][3]) * _length(chord[2])  # a chord is as long as its first note
    return f"{accidental}{letter}{octave}{length.numerator}/{length.denominator}"


def _length(text: str) -> Fraction:
    number, slashes, divisor = re.findall(r"(\d*)(/*)(\d*)", text)[0]
    return Fraction(int(number or 1), int(divisor or 2 ** len(slashes)))


def to_segments(tokens: list[Any]) -> list[Segment]:
    """The tokens between bar lines, first endings left out."""
    from music21 import abcFormat

    segments: list[Segment] = []
    metre, key, notes = (4, 4), Key(0, 0, "major"), list[Note]()
    ending: int | None = None

    def close(strong: bool) -> list[Note]:
        if notes:
            segments.append(Segment(metre, key, [notes], strong))
        elif segments:
            segments[-1].strong |= strong
        return []

    for token in tokens:
        if isinstance(token, abcFormat.ABCNote):
            notes.append(_note(token))
        elif isinstance(token, abcFormat.ABCBar):
            notes = close(token.src != "|")
            if token.src == "[1":
                ending = len(segments)
            elif token.src == "[2" and ending is not None:
                del segments[ending:]
                ending = None
        elif isinstance(token, abcFormat.ABCMetadata) and token.tag == "M":
            notes = close(True)
            metre = (token.getTimeSignatureParameters() or metre)[:2]
        elif isinstance(token, abcFormat.ABCMetadata) and token.tag == "K":
            key = _key(token.data)
    close(True)
    return segments


def _note(token: Any) -> Note:
    tuplet = token.activeTuplet
    ratio = (tuplet.numberNotesNormal, tuplet.numberNotesActual) if tuplet is not None else (1, 1)
    pitch = None if token.isRest else _midi_pitch(token.pitchName)
    return Note(_units(token.quarterLength, *ratio), pitch, token.tie in ("stop", "continue"))


@lru_cache(maxsize=1024)
def _units(quarters: float | Fraction, normal: int, actual: int) -> int:
    return round(Fraction(quarters).limit_denominator(1024) * TICKS_PER_QUARTER * UNITS * normal / actual)


@lru_cache(maxsize=256)
def _midi_pitch(name: str) -> int:
    from music21.pitch import Pitch

    return int(Pitch(name).midi)


@lru_cache(maxsize=256)
def _key(text: str) -> Key:
    from music21.abcFormat import ABCMetadata

    field = ABCMetadata(f"K:{text}")
    field.preParse()
    fifths, mode = field.getKeySignatureParameters()
    return Key(0, fifths, "minor" if mode in ("minor", "aeolian", "dorian", "phrygian") else "major")


# Beats a minute of dances; a jig is in 6/8 or 9/8
_DANCES = {"reel": 108, "jig": 114, "slide": 114, "hornpipe": 84, "clog": 80, "strathspey": 60, "fling": 72, "waltz": 132}
_SLOW = re.compile("slow|tender|plaintive|feeling|expression|sorrow", re.IGNORECASE)


def tempo_of(abc: str, metre: tuple[int, int]) -> Tempo:
    """The tempo written in Q:, where a bare number counts quarters, or a guess.

    >>> reel = tempo_of("R:reel", (2, 2))  # 108 half notes a minute
    >>> slow_air = tempo_of('N: "Slow"', (3, 4))
    >>> round(reel.qpm), round(slow_air.qpm), round(tempo_of("Q:3/8=120", (6, 8)).qpm)
    (216, 60, 180)
    """
    if found := re.search(r"(?m)^Q:[^\d\n]*(\d+)/(\d+)\s*=\s*(\d+)", abc):
        unit, whole, count = map(int, found.groups())
        return Tempo.from_qpm(0, count * 4 * unit / whole)
    if found := re.search(r"(?m)^Q:\s*(\d+)", abc):
        return Tempo.from_qpm(0, int(found[1]))
    numerator, denominator = metre
    beats = {3: 2 if denominator == 8 else 3, 9: 3, 12: 4}.get(numerator, 2)
    rhythm = re.search(r"(?m)^R:(.*)", abc)
    dance = next((pace for name, pace in _DANCES.items() if rhythm and name in rhythm[1].lower()), None)
    slow = dance is None and _SLOW.search(" ".join(re.findall(r"(?m)^N:(.*)", abc)))
    pace = dance or (60 if metre == (4, 4) else 100)
    return Tempo.from_qpm(0, pace * (0.6 if slow else 1) * 4 * numerator / denominator / beats)
