"""Notes as a musician types them: `D4/8 E F# A r/4`.

Words stand one after another, with spaces between them:

=========== ==========================================================================================================
`D4/8`      a note: a letter C to B in either case, an accidental, an octave (C4 is middle C), a length
`F#`        accidentals # b x bb (## and the signs ♯ ♭ ♮ 𝄪 𝄫 too); they hold for their own note only, there is no key
`E`         what is left out is as it was last written: the same octave (4 at first), the same length (/4 at first)
`/4` `/8.`  lengths: /1 /2 /4 /8 /16 /32 are whole note to thirty-second; a dot makes one half as long again, two dots 7/4
`/8t`       a triplet: two thirds of the length
`r/4`       a rest
`[C4 E G]/2` a chord: notes that begin and end together; the length stands behind the bracket
`D4/2~ D/8` a tie: the next note or chord has the same pitch and sounds on without a new beginning; in a chord behind
            one note (`[C4~ E]`) or, for all of its notes, behind the length (`[C4 E]/2~`)
`|`         a bar line. None is needed. Those that are there must stand where the metre has them: a wrong one means a
            wrong length, and it is kinder to say so. The first may come early: what is before it is a pick-up.
=========== ==========================================================================================================

A case to know: the second b of `bb` is a flat, so `bb` is B flat, as `Bb` is. Rests at the end are not kept: a `Piece` ends
with its last note. A text has at most 100,000 characters.
"""

from __future__ import annotations

import re
from fractions import Fraction

import numpy as np

from melody.errors import ScoreError
from melody.piece import Key, Part, Piece
from melody.score.names import NAME, pitch_name, pitch_of
from melody.signatures import TICKS_PER_QUARTER, Tempo, TimeSignature, check_time_signature

MAX_CHARACTERS = 100_000
_WORD = re.compile(r"\|+\]?|\[[^\]]*\][^\s|\[]*|\[|[^\s|\[]+")
_NOTE = re.compile(rf"({NAME})(-?\d{{1,2}})?(~?)")
_END = re.compile(r"(?:/(\d{1,2})(\.{1,2}|t)?)?(~?)")  # what stands behind a note, a rest or a chord
_LENGTHS = ("1", "2", "4", "8", "16", "32", "64")
_LEGAL = "write a note as D4/8 (or F#, Bb3/4., r/4), its length as /1 /2 /4 /8 /16 /32, with . or t; spaces between notes"
_FACTORS = {None: Fraction(1), ".": Fraction(3, 2), "..": Fraction(7, 4), "t": Fraction(2, 3)}


def read_notes(
    text: str,
    *,
    tempo_qpm: float = 120.0,
    metre: tuple[int, int] = (4, 4),
    key: Key | None = None,
    part: Part | None = None,
    velocity: int = 90,
    ticks_per_quarter: int = TICKS_PER_QUARTER,
) -> Piece:
    """The piece that a text spells, in the notation of this module.

    Parameters
    ----------
    text
        At most 100,000 characters.
    tempo_qpm
        Quarter notes per minute.
    metre
        Numerator and denominator.
    key
        Written into the piece; it alters no note.
    part
        Who plays; a piano if left out.
    velocity
        Of every note, 1-127.
    ticks_per_quarter
        The grid; each length must be a whole number of its ticks.

    Raises
    ------
    ScoreError
        If the tempo is not from 4 to 1,000, a word is no note, the text holds none or is too long; the message names the
        word and its number.
    melody.errors.PieceError
        If metre, tempo or velocity are none a piece can hold.

    Examples
    --------
    >>> piece = read_notes("D4/8 E F# A r/4 [D4 F#]/2")
    >>> piece.pitch.tolist(), piece.duration.tolist()
    ([62, 64, 66, 69, 62, 66], [12, 12, 12, 12, 48, 48])
    """
    if len(text) > MAX_CHARACTERS:
        raise ScoreError(f"the notes are {len(text):,} characters; give at most {MAX_CHARACTERS:,}, or a file")
    if not 4 <= tempo_qpm <= 1000:
        raise ScoreError(f"the tempo is {tempo_qpm:g}; it must be from 4 to 1,000 quarter notes a minute")
    signature = TimeSignature(0, *metre)
    check_time_signature(signature, ticks_per_quarter)
    reader = _Reader(signature, ticks_per_quarter)
    words = _WORD.findall(text)
    while words and words[-1].startswith("|"):  # the last bar may be short, and is then no pick-up
        words.pop()
    for number, word in enumerate([*words, ""], 1):
        try:
            reader.take(word)
        except ScoreError as error:
            at = f"word {number} of the notes, {word[:24]!r}" if word else "the end of the notes"
            raise ScoreError(f"{at}: {error}") from None
    if not reader.notes:
        raise ScoreError("the text holds no note; write some, as D4/8 E F# A r/4")
    onset, duration, pitch = np.array(reader.notes, np.int64).T
    return Piece(
        onset + reader.pickup,
        duration,
        pitch,
        np.full(len(pitch), velocity),
        parts=(part or Part(),),
        time_signatures=(signature,),
        tempi=(Tempo.from_qpm(0, tempo_qpm),),
        keys=() if key is None else (key,),
        ticks_per_quarter=ticks_per_quarter,
    )


class _Reader:
    """Takes in one word after another; the empty word is the end."""

    def __init__(self, signature: TimeSignature, ticks_per_quarter: int) -> None:
        self.notes: list[list[int]] = []  # onset, duration, pitch; onsets without the pick-up's rest
        self.pickup = 0  # ticks of rest that put the first bar line where a bar line is
        self._metre = f"{signature.numerator}/{signature.denominator}"
        self._ticks_per_quarter, self._bar = ticks_per_quarter, signature.bar_ticks(ticks_per_quarter)
        self._now, self._octave, self._length = 0, 4, ticks_per_quarter
        self._tied: dict[int, int] = {}  # pitch -> number of the note that the next word goes on with
        self._last_line: int | None = None

    def take(self, word: str) -> None:
        if word.startswith("|"):
            self._bar_line()
        elif word[:1] in ("r", "R"):
            self._sound([], self._end(word[1:]))
        elif word.startswith("["):
            self._chord(word)
        elif not word:
            self._check_ties([])
        else:
            found = _NOTE.match(word)
            if not found:
                raise ScoreError(f"no note; {_LEGAL}")
            pitch = self._pitch(found)
            tied = self._end(word[found.start(3) :])
            self._sound([(pitch, False)], tied)

    def _chord(self, word: str) -> None:
        inside, bracket, behind = word[1:].partition("]")
        if not bracket:
            raise ScoreError("a chord that does not close; write it as [C4 E4 G4]/4")
        tones = []
        for name in inside.split():
            found = _NOTE.fullmatch(name)
            if not found:
                raise ScoreError(f"{name[:24]!r} is no note of a chord; write it as [C4 E4 G4]/4, the length behind it")
            tones.append((self._pitch(found), bool(found[3])))
        if not tones or len({pitch for pitch, _ in tones}) < len(tones):
            raise ScoreError("a chord needs notes, each once; write it as [C4 E4 G4]/4")
        self._sound(tones, self._end(behind))

    def _pitch(self, found: re.Match[str]) -> int:
        self._octave = self._octave if found[2] is None else int(found[2])
        return pitch_of(found[1], self._octave)

    def _end(self, text: str) -> bool:
        """Take in the length, if one is written; whether a tie follows."""
        found = _END.fullmatch(text)
        if not found or (found[1] and found[1] not in _LENGTHS):
            raise ScoreError(f"{text[:24]!r} is no length; {_LEGAL}")
        if found[1]:
            length = 4 * self._ticks_per_quarter * _FACTORS[found[2]] / int(found[1])
            if length.denominator > 1:
                raise ScoreError(
                    f"a length of {float(length):.4g} ticks; on a grid of {self._ticks_per_quarter} ticks to the quarter "
                    "note it must be a whole number of them"
                )
            self._length = int(length)
        return bool(found[3])

    def _sound(self, tones: list[tuple[int, bool]], all_tied: bool) -> None:
        """Sound pitches, each tied to what follows or not; no pitch is a rest."""
        if all_tied and not tones:
            raise ScoreError("a rest cannot be tied; leave out the ~")
        self._check_ties([pitch for pitch, _ in tones])
        before, self._tied = self._tied, {}
        for pitch, tied in tones:
            number = before.get(pitch, len(self.notes))
            if number == len(self.notes):
                self.notes.append([self._now, 0, pitch])
            self.notes[number][1] += self._length
            if tied or all_tied:
                self._tied[pitch] = number
        self._now += self._length

    def _check_ties(self, pitches: list[int]) -> None:
        missing = [pitch for pitch in self._tied if pitch not in pitches]
        if missing:
            raise ScoreError(
                f"{pitch_name(missing[0])} is tied (~) to this, where it is not; a tie leads to the same pitch at once"
            )

    def _bar_line(self) -> None:
        if self._last_line is None and self._now < self._bar:
            self.pickup = -self._now % self._bar
        elif (self._now + self.pickup) % self._bar:
            since = (self._now - (self._last_line or 0)) / self._ticks_per_quarter
            raise ScoreError(
                f"the bar before it is {since:g} quarters long, one of {self._metre} is "
                f"{self._bar / self._ticks_per_quarter:g}; mend a length, or leave the bar lines out"
            )
        self._last_line = self._now
