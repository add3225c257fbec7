"""Humdrum **kern: all notes, or a refusal that names the line.

Conventions
-----------
The formats are those of https://www.humdrum.org/guide (syntax) and https://www.humdrum.org/rep/kern (**kern). Each **kern
spine is a part, the last one, which is the highest of a score, first; the spines it splits into are its voices. Other
spines (**text, **dynam) are passed over.

Pitch is as encoded, which in **kern is what sounds; `*ITr` is for printing alone. Grace notes (q) have no time and are left
out. A record begins when the notes before it in its spines end; where these disagree, the later end counts, so that parts
stay together. Times are in units of `melody.score.assembly`.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field, replace

from melody.errors import ScoreError
from melody.piece import Key, Part, Piece
from melody.score import assembly
from melody.score.abc.abc_text import decode, plain
from melody.score.abc.fields import metre_of
from melody.score.assembly import MAX_NOTES, QUARTER, Page, PageBar, Tone
from melody.score.bars import UNITS

MAX_SPINES = 256
MAX_FIELDS = 1_000_000
_NEAR = UNITS // 4  # durations such as 1/17 are rounded to whole units
_DURATION = re.compile(r"(\d+)(?:%(\d+))?(\.*)")
_PITCH = re.compile(r"(?:([a-g])\1*|([A-G])\2*)([#\-n]*)")
_HEIGHTS = {"c": 0, "d": 2, "e": 4, "f": 5, "g": 7, "a": 9, "b": 11}
_SHARPS, _FLATS = "fcgdaeb", "beadgcf"
_PROGRAMS = {
    "piano": 0, "forte": 0, "clavi": 6, "cemba": 6, "celes": 8, "glock": 9, "vibra": 11, "marim": 12, "xylo": 13,
    "organ": 19, "accor": 21, "guitr": 24, "lute": 24, "violn": 40, "viola": 41, "cello": 42, "cbass": 43, "harp": 46,
    "timpa": 47, "vox": 52, "soprn": 52, "cant": 52, "mezzo": 52, "calto": 52, "alto": 52, "cnten": 52, "tenor": 52,
    "barit": 52, "bass": 52, "tromp": 56, "tromb": 57, "tuba": 58, "cor": 60, "sax": 65, "oboe": 68, "cangl": 69,
    "fagot": 70, "clars": 71, "clar": 71, "picco": 72, "flt": 73, "recrd": 74,
}  # fmt: skip


@dataclass
class _Spine:
    """A column: the part it plays, None if it is no **kern; where its last note ends; `free` if it is split off just now."""

    part: int | None
    end: int = 0
    free: bool = True


@dataclass
class _Part:
    """The notes of a part, (onset, end, pitch), those that a tie holds open by pitch, and how it is called."""

    notes: list[list[int]] = field(default_factory=list)
    ties: dict[int, int] = field(default_factory=dict)
    name: str = ""
    program: int = 0


@dataclass
class _Bars:
    """The bars so far, where the one in hand began, and its metre."""

    bars: list[PageBar] = field(default_factory=list)
    start: int = 0
    metre: tuple[int, int] | None = (4, 4)
    waits: bool = False

    def close(self, at: int) -> None:
        """A bar line at that time."""
        if at > self.start:
            self.bars.append(PageBar(at - self.start, self.metre))
            self.start = at


def read_kern(content: bytes, repairs: Counter[str]) -> Piece:
    r"""The piece in a Humdrum file with **kern spines; what was left out or changed is added to `repairs`.

    Raises
    ------
    ScoreError
        If it has no notes, several pieces, a note that cannot be read, or more of anything than is read.

    Examples
    --------
    >>> tune = read_kern(b"**kern\n*M2/4\n*k[f#]\n=1\n8.g\n16f#\n4b-\n==\n*-\n", Counter())
    >>> tune.onset, tune.pitch
    (array([ 0, 18, 24]), array([67, 66, 70]))
    """
    reader = _Kern(repairs)
    seen = 0
    for number, line in enumerate(re.split(r"\r\n|\r|\n", decode(content)), 1):
        seen += 1 + line.count("\t")
        if seen > MAX_FIELDS:
            raise ScoreError(f"it has more than {MAX_FIELDS:,} tokens; split it into shorter scores")
        try:
            reader.line(line)
        except ValueError as error:
            raise ScoreError(f"line {number}: {error}") from error
    return assembly.to_piece(reader.page(), repairs)


class _Kern:
    def __init__(self, repairs: Counter[str]) -> None:
        self.repairs = repairs
        self.spines: list[_Spine] = []
        self.parts: list[_Part] = []
        self.bars = _Bars()
        self.now = 0
        self.count = 0
        self.title = ""
        self.keys: dict[int, Key] = {}
        self.tempi: list[tuple[int, float]] = []

    def line(self, line: str) -> None:
        """A record."""
        if line.startswith("!"):
            found = re.match(r"!!!OTL[^:]{0,20}:(.*)", line)
            self.title = self.title or (plain(found[1]) if found else "")
        elif line.strip():
            fields = line.split("\t")
            if self.spines and len(fields) != len(self.spines):
                fields = line.strip("\t").split("\t")
            if any(f.startswith("**") for f in fields):
                self._begin(fields)
            else:
                self._record(fields)

    def _record(self, fields: list[str]) -> None:
        if not self.spines:
            raise ValueError(f"{plain(fields[0])[:20]!r} stands in no spine; a Humdrum file begins with **kern")
        if len(fields) != len(self.spines):
            raise ValueError(
                f"the number of tokens is {len(fields)}, that of spines {len(self.spines)}; a record needs one a spine"
            )
        if fields[0].startswith("*"):
            self._interpretation(fields)
        elif fields[0].startswith("="):
            self.bars.waits = True
        else:
            self._data(fields)

    # Spines

    def _begin(self, fields: list[str]) -> None:
        """Exclusive interpretations: what the spines hold."""
        if not self.spines:
            if any(part.notes for part in self.parts):
                raise ValueError("another piece begins; give one piece a file")
            self.parts = []
            self.spines = [_Spine(None) for _ in fields]
        if len(fields) > min(len(self.spines), MAX_SPINES):
            raise ValueError(f"{len(fields)} spines; there are {len(self.spines)}, and at most {MAX_SPINES} are read")
        for spine, text in zip(self.spines, fields):
            if text == "**kern":
                spine.part = len(self.parts)
                self.parts.append(_Part())
            elif text.startswith("**"):
                spine.part = None

    def _interpretation(self, fields: list[str]) -> None:
        for spine, text in zip(self.spines, fields):
            if spine.part is not None and text not in ("*", "*^", "*v", "*x", "*-", "*+"):
                self._tandem(self.parts[spine.part], text)
        if any(text in ("*^", "*v", "*x", "*-", "*+") for text in fields):
            self._paths(fields)

    def _paths(self, fields: list[str]) -> None:
        """Splits, joins, exchanges, ends and beginnings of spines."""
        found: list[_Spine] = []
        joining = exchanged = None
        for spine, text in zip(self.spines, fields):
            if text == "*v" and joining is not None and joining.part == spine.part:
                joining.end = max(joining.end, spine.end)
                continue
            joining = replace(spine, free=True) if text == "*v" else None
            if text == "*-":
                continue
            found.append(joining or spine)
            if text == "*^":
                found[-1:] = [replace(spine, free=True), replace(spine, free=True)]
            elif text == "*+":
                found.append(_Spine(None))
            elif text == "*x":
                if exchanged is not None:
                    found[exchanged], found[-1] = found[-1], found[exchanged]
                exchanged = None if exchanged is not None else len(found) - 1
        if exchanged is not None:
            raise ValueError("one *x alone; two spines are exchanged")
        if len(found) > MAX_SPINES:
            raise ValueError(f"{len(found)} spines; at most {MAX_SPINES} are read")
        self.spines = found

    def _tandem(self, part: _Part, text: str) -> None:
        """Metre, tempo, key and instrument; the rest is for the eye."""
        begins = self._next_time()
        if found := re.fullmatch(r"\*M([\d+]{1,20}/\d+)", text):
            try:
                self.bars.metre = metre_of(found[1])
            except ValueError:
                self.bars.metre = None
                self.repairs[f"left out the metre {found[1][:12]}, which no time signature can be"] += 1
        elif re.match(r"\*MX|\*M(?:FREI|\?)", text):
            self.bars.metre = None
        elif found := re.fullmatch(r"\*MM\s*(\d{1,4}(?:\.\d{1,4})?)", text):
            if 4 <= float(found[1]) <= 60_000:
                self.tempi.append((begins, float(found[1])))
        elif found := re.fullmatch(r"\*k\[((?:[a-g][#\-n]?)*)\]", text):
            self._key(begins, fifths=_fifths(found[1]))
        elif found := re.match(r"\*([A-Ga-g])([#-]?):", text):
            self._key(begins, tonic=found[1] + found[2])
        elif found := re.match(r'\*I"(.+)', text):
            part.name = plain(found[1])
        elif text[2:].lower() in _PROGRAMS and text.startswith("*I"):
            part.program = _PROGRAMS[text[2:].lower()]

    def _key(self, at: int, fifths: int | None = None, tonic: str = "") -> None:
        """Take a signature, or the name of a key, which gives the mode; where both stand, the signature counts."""
        old = self.keys.get(at)
        if tonic:
            minor = tonic[0].islower()
            place = _SHARPS.index(tonic[0].lower()) - 1 + 7 * tonic.count("#") - 7 * tonic.count("-") - 3 * minor
            fifths = old.fifths if old else place
            self._put(at, fifths, "minor" if minor else "major")
        elif fifths is not None:
            self._put(at, fifths, old.mode if old else "major")

    def _put(self, at: int, fifths: int, mode: str) -> None:
        if -7 <= fifths <= 7:
            self.keys[at] = Key(0, fifths, mode)

    # Notes

    def _next_time(self) -> int:
        """When the next record is to begin if it has notes in all spines."""
        return max((s.end for s in self.spines if s.part is not None), default=0)

    def _data(self, fields: list[str]) -> None:
        """A record of notes; one without new notes takes no time."""
        found = [
            (spine, [_note(text) for text in token.split(" ") if text])
            for spine, token in zip(self.spines, fields)
            if spine.part is not None and token not in (".", "")
        ]
        new = [(spine, notes) for spine, notes in found if any(note is not None for note in notes)]
        if not new:
            return
        self._begin_record([spine for spine, _ in new])
        for spine, notes in new:
            self._play(spine, notes)

    def _begin_record(self, spines: list[_Spine]) -> None:
        """The time of a record in which those spines begin notes."""
        ends = [s.end for s in spines if not s.free] or [s.end for s in spines]
        at = max(ends)
        if at < self.now:
            at = min((s.end for s in self.spines if s.part is not None and s.end > self.now), default=self.now)
        elif at - min(ends) > _NEAR:
            self.repairs["lengthened a voice that is shorter than another in its bar"] += 1
        self.now = at
        if self.bars.waits:
            self.bars.close(at)
            self.bars.waits = False

    def _play(self, spine: _Spine, notes: list[tuple[int, int | None, str] | None]) -> None:
        """Take the notes of a token; the length of the first is that of the token."""
        assert spine.part is not None
        part = self.parts[spine.part]
        sounding = [note for note in notes if note is not None]
        held = next((duration for duration, _, _ in sounding if duration >= 0), None)
        if held is None:
            raise ValueError("a note without a duration; write one, as in 4c")
        for duration, pitch, tie in sounding:
            if pitch is not None:
                self._add(part, self.now + (held if duration < 0 else duration), pitch, tie)
        spine.end, spine.free = self.now + held, False

    def _add(self, part: _Part, end: int, pitch: int, tie: str) -> None:
        self.count += 1
        if self.count > MAX_NOTES:
            raise ValueError(f"more than {MAX_NOTES:,} notes; split the score into shorter ones")
        row = part.ties.pop(pitch, None) if tie in "_]" and tie else None
        if row is None or abs(part.notes[row][1] - self.now) > _NEAR:
            row = len(part.notes)
            part.notes.append([self.now, end, pitch])
        part.notes[row][1] = end
        if tie and tie in "[_":
            part.ties[pitch] = row

    def page(self) -> Page:
        """All that was read; the highest part, which is the last, first."""
        self.bars.close(self._next_time() or max((n[1] for p in self.parts for n in p.notes), default=0))
        parts = self.parts[::-1]
        return Page(
            [Part(part.program, name=part.name) for part in parts],
            [[Tone(onset, end - onset, pitch) for onset, end, pitch in part.notes] for part in parts],
            self.bars.bars,
            sorted(self.keys.items()),
            self.tempi,
            self.title,
        )


def _note(text: str) -> tuple[int, int | None, str] | None:
    """(duration in units or -1, pitch or None for a rest, tie) of a note; None for a grace note.

    Raises
    ------
    ValueError
        If it is no note.
    """
    if "q" in text.lower():
        return None
    durations, pitches = _DURATION.findall(text), list(_PITCH.finditer(text))
    rest = "r" in text
    if len(durations) > 1 or (not rest and len(pitches) != 1) or (rest and not durations):
        raise ValueError(f"{plain(text)[:20]!r} is no note of **kern, such as 4c or 8.ee-")
    duration = _units(*durations[0]) if durations else -1
    tie = next((sign for sign in "_][" if sign in text), "")
    return duration, None if rest else _pitch(pitches[0]), tie


def _pitch(found: re.Match[str]) -> int:
    """Pitch of letters: c is middle C, cc the C above, C the one below, CC that below it."""
    letters = found[1] or found[2]
    run = len(found[0]) - len(found[3])
    octave = run - 1 if letters.islower() else -run
    pitch = 60 + 12 * octave + _HEIGHTS[letters.lower()] + found[3].count("#") - found[3].count("-")
    if not 0 <= pitch <= 127:
        raise ValueError(f"{found[0][:20]!r} is no pitch that MIDI has")
    return pitch


def _units(number: str, divisor: str, dots: str) -> int:
    """4 is a quarter, 0 a breve, 00 a long, 3%2 two thirds of a whole note; a dot adds half."""
    if len(number) > 4 or len(divisor) > 4 or len(dots) > 6:
        raise ValueError(f"{number[:8]}{'%' * bool(divisor)}{divisor[:8]} with {len(dots)} dots is no duration")
    over, under = int(divisor or 1), int(number)
    if under == 0:
        over, under = 1 << len(number), 1
    over, under = 4 * QUARTER * over * ((2 << len(dots)) - 1), under << len(dots)
    return (2 * over + under) // (2 * under)


def _fifths(accidentals: str) -> int | None:
    """Sharps or flats of a signature; None if they are no signature of a key."""
    names = re.findall(r"([a-g])([#\-n]?)", accidentals)
    for order, sign, step in ((_SHARPS, "#", 1), (_FLATS, "-", -1)):
        if sorted(names) == sorted((letter, sign) for letter in order[: len(names)]):
            return step * len(names)
    return None
