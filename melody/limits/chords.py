"""Chords from what a musician writes: `Dm G7 C C`.

Each word is a chord for one bar. With bar lines (`Dm G7 | C`), what stands between two of them is one bar, which its chords
share evenly. `%` is the bar before once more, `N.C.` no chord: anything goes. After the last bar the first comes again. A
chord is a root, a kind and perhaps a bass (`C/E`), which counts as one of its notes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from melody.errors import SamplingError
from melody.limits.shown import shown
from melody.score.names import NAME, semitones

MAX_BARS = 1000
MAX_IN_A_BAR = 16
KINDS = {
    "": (0, 4, 7),
    "m": (0, 3, 7),
    "5": (0, 7),
    "6": (0, 4, 7, 9),
    "m6": (0, 3, 7, 9),
    "7": (0, 4, 7, 10),
    "maj7": (0, 4, 7, 11),
    "m7": (0, 3, 7, 10),
    "mmaj7": (0, 3, 7, 11),
    "dim": (0, 3, 6),
    "dim7": (0, 3, 6, 9),
    "m7b5": (0, 3, 6, 10),
    "aug": (0, 4, 8),
    "aug7": (0, 4, 8, 10),
    "sus2": (0, 2, 7),
    "sus4": (0, 5, 7),
    "7sus4": (0, 5, 7, 10),
    "add9": (0, 2, 4, 7),
    "madd9": (0, 2, 3, 7),
    "9": (0, 2, 4, 7, 10),
    "maj9": (0, 2, 4, 7, 11),
    "m9": (0, 2, 3, 7, 10),
    "7b9": (0, 1, 4, 7, 10),
}
# Other ways to write the same
_ALIASES = {"maj": "", "major": "", "M": "", "min": "m", "minor": "m", "-": "m", "min6": "m6", "-6": "m6", "dom7": "7"}
_ALIASES |= {"M7": "maj7", "Δ": "maj7", "Δ7": "maj7", "^7": "maj7", "^": "maj7", "min7": "m7", "-7": "m7", "mM7": "mmaj7"}
_ALIASES |= {"o": "dim", "°": "dim", "o7": "dim7", "°7": "dim7", "ø": "m7b5", "ø7": "m7b5", "-7b5": "m7b5", "+": "aug"}
_ALIASES |= {"+7": "aug7", "7#5": "aug7", "sus": "sus4", "7sus": "7sus4", "M9": "maj9", "min9": "m9", "-9": "m9"}
_CHORD = re.compile(rf"({NAME})([^/]*)(?:/({NAME}))?")


@dataclass(frozen=True)
class Chord:
    """A chord as it was written and its pitch classes, 0 = C; twelve of them if there is no chord."""

    name: str
    pitch_classes: frozenset[int]


def parse_chord(text: str) -> Chord:
    """One chord: `Dm`, `G7`, `F#m7b5`, `C/E`, `N.C.`.

    >>> sorted(parse_chord("Dm").pitch_classes), sorted(parse_chord("G/F").pitch_classes)
    ([2, 5, 9], [2, 5, 7, 11])

    Raises
    ------
    SamplingError
        If it is none.
    """
    if text.upper().rstrip(".") in ("N.C", "NC"):
        return Chord("N.C.", frozenset(range(12)))
    found = _CHORD.fullmatch(text) if text[:1].isupper() else None
    kind = "" if not found else found[2].strip("()").replace("♭", "b").replace("♯", "#")
    kind = _ALIASES.get(kind, kind)
    if not found or kind not in KINDS:
        raise SamplingError(
            f"{shown(text)} is no chord; write a capital letter, # or b, and one of {' '.join(filter(None, KINDS))}, or "
            "nothing for major; with a bass as C/E; N.C. for none"
        )
    root = semitones(found[1])
    bass = [semitones(found[3])] if found[3] else []
    return Chord(text, frozenset(note % 12 for note in [*(root + step for step in KINDS[kind]), *bass]))


def parse_chords(text: str) -> tuple[tuple[Chord, ...], ...]:
    """The chords of each bar.

    >>> [[chord.name for chord in bar] for bar in parse_chords("Dm G7 | C")]
    [['Dm', 'G7'], ['C']]

    Raises
    ------
    SamplingError
        If a word is no chord, a bar holds none or more than 16, or there are no bars or more than 1,000.
    """
    written = _bars(text)
    if not 1 <= len(written) <= MAX_BARS:
        raise SamplingError(
            f"the chords are {len(written):,} bars; give 1 to {MAX_BARS:,}, as Dm G7 C C: they come round again"
        )
    bars: list[tuple[Chord, ...]] = []
    for number, words in enumerate(written, 1):
        if words == ["%"] and bars:
            bars.append(bars[-1])
        elif 1 <= len(words) <= MAX_IN_A_BAR:
            bars.append(tuple(_chord(word, number) for word in words))
        else:
            raise SamplingError(
                f"bar {number} of the chords holds {len(words)}; write 1 to {MAX_IN_A_BAR} of them, or % for the bar before"
            )
    return tuple(bars)


def _bars(text: str) -> list[list[str]]:
    """The words of each bar; bar lines at the very beginning and end are not between bars."""
    if "|" not in text:
        return [[word] for word in re.split(r"[\s,]+", text) if word]
    bars = re.split(r"\|+", text.strip().strip("|"))
    return [[word for word in re.split(r"[\s,]+", bar) if word] for bar in bars]


def _chord(word: str, bar: int) -> Chord:
    try:
        return parse_chord(word)
    except SamplingError as error:
        raise SamplingError(f"bar {bar} of the chords: {error}") from None
