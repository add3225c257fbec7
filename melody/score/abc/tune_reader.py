"""A tune of ABC, from its lines to its voices."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from fractions import Fraction

from melody.errors import ScoreError
from melody.score.abc import fields
from melody.score.abc.abc_text import Tune, lines_of, plain
from melody.score.abc.fields import KeySignature, Sounding
from melody.score.abc.symbols import Symbol, symbols_of
from melody.score.abc.voice import Tuplet, Voice

MAX_SYMBOLS = 150_000
_COST_OF_A_FIELD = 4  # symbols that take as long to read
MAX_VOICES = 128
_OPEN_CHORD = re.compile(r"\[(?![A-Za-z]:)[^\[\]|\"\s]{0,40}$")  # the line broken within a chord, as a mail does
_LETTERS = "HLMOPRSTuv~."  # decorations of the standard; others are what `U:` makes them
_SILENT = "ABCDFGHINOPRSTWXZrsw"  # fields that change no note


@dataclass
class Score:
    """What was read of a tune: its voices, tempi as (units, quarter notes a minute), the texts of its fields, repairs."""

    voices: list[Voice] = field(default_factory=list)
    tempi: list[tuple[int, float]] = field(default_factory=list)
    texts: dict[str, list[str]] = field(default_factory=dict)
    repairs: Counter[str] = field(default_factory=Counter)

    @property
    def title(self) -> str:
        """The first title."""
        return (self.texts.get("T") or [""])[0]


def read_lines(tune: Tune) -> Score:
    """The voices of a tune.

    Raises
    ------
    ScoreError
        If it is longer than the limits of this package.
    """
    lines = list(lines_of(tune))
    reader = _Reader(has_key=any(line.kind == "K" for line in lines))
    for line in lines:
        if line.kind == "%":
            reader.directive(line.text)
        elif line.kind:
            reader.field(line.kind, line.text)
        else:
            reader.music(line.text)
    if tune.ignored:
        reader.repairs["left out the text after the empty line that ends the tune"] += 1
    return reader.score()


class _Reader:
    def __init__(self, has_key: bool) -> None:
        self.has_key = has_key
        self.repairs: Counter[str] = Counter()
        self.texts: dict[str, list[str]] = {}
        self.tempi: list[tuple[int, float]] = []
        self.voices: dict[str, Voice] = {}
        self.symbols = 0
        self.in_body = False
        self.user_letters = set(_LETTERS)
        self.unit: Fraction | None = None
        # what a new voice begins with
        self.metre: tuple[int, int] | None = (4, 4)
        self.signature = KeySignature(silent=True)
        self.sounding = Sounding()
        self.program, self.is_drum, self.propagate = 0, False, "pitch"
        self.current: Voice | None = None
        self.open_chord = ""

    # Lines

    def field(self, letter: str, text: str) -> None:
        """An information field, on a line of its own or in brackets."""
        self._count(_COST_OF_A_FIELD)
        known = {
            "K": self._key,
            "M": self._metre,
            "L": self._unit,
            "Q": self._tempo,
            "V": self._voice,
            "I": self.directive,
            "U": self._user,
            "m": self._macro,
        }
        if letter in known:
            try:
                known[letter](text)
            except ValueError:
                self._repair(f"left out the field {letter}:{plain(text)[:20]}, which is not legal")
        elif letter in "TNR" and not (letter == "T" and self.in_body):
            self.texts.setdefault(letter, []).append(plain(text))
        elif letter not in _SILENT:
            self._repair(f"left out a line that begins with {letter}:")

    def directive(self, text: str) -> None:
        """A stylesheet directive or `I:`; those that sound are obeyed (section 11)."""
        words = text.replace("=", " ").split()
        if len(words) > 1 and words[0] == "propagate-accidentals" and words[1] in ("not", "octave", "pitch"):
            self._propagate(words[1])
        elif words[:2] == ["MIDI", "nobarlines"]:
            self._propagate("not")
        elif len(words) > 2 and words[0] == "MIDI" and re.fullmatch(r"[+-]?\d{1,3}", words[-1]):
            self._midi(words[1], int(words[-1]))

    def _propagate(self, how: str) -> None:
        self.propagate = how
        for voice in self.voices.values():
            voice.propagate = how

    def _midi(self, command: str, number: int) -> None:
        """%%MIDI program, channel (10 is for drums) and transpose, for the voice in hand or, in the header, for all."""
        voice = self.current if self.in_body or self.current else None
        target = voice or self
        if command == "program":
            target.program = min(max(number, 0), 127)
        elif command == "channel":
            target.is_drum = number == 10
        elif command in ("transpose", "rtranspose") and abs(number) <= 60:
            target.sounding.midi = number + (target.sounding.midi if command == "rtranspose" else 0)

    def music(self, line: str) -> None:
        """A line of music; before the `K:` that ends the header it is none."""
        if not self.in_body and self.has_key:
            self._repair("left out a line of text in the header")
            return
        if not self.in_body:
            self._repair("there is no K: field: C major was taken")
            self.in_body = True
        line = f"{self.open_chord}{line}"
        unclosed = _OPEN_CHORD.search(line)
        self.open_chord = unclosed[0] if unclosed else ""
        for symbol in symbols_of(line[: unclosed.start()] if unclosed else line):
            self._count(1)
            self._symbol(symbol)

    def _count(self, symbols: int) -> None:
        self.symbols += symbols
        if self.symbols > MAX_SYMBOLS:
            raise ScoreError(f"it has more than {MAX_SYMBOLS:,} notes and signs; split it into shorter tunes")

    # Symbols

    def _symbol(self, symbol: Symbol) -> None:
        kind = symbol.kind
        if kind == "field":
            self.field(chr(symbol.numbers[0]), symbol.text)
        elif kind == "unknown":
            self._repair(f"left out {plain(symbol.text) or 'a sign'}, which has no meaning")
        elif kind == "decoration":
            if len(symbol.text) == 1 and symbol.text not in self.user_letters:
                self._repair(f"left out the sign {symbol.text}, which has no meaning")
        elif kind in ("note", "rest"):
            self._note(self._now(), symbol)
        else:
            self._timing(self._now(), symbol)

    def _timing(self, voice: Voice, symbol: Symbol) -> None:
        """What stands between the notes."""
        kind = symbol.kind
        if kind == "bar":
            voice.bar_line(symbol.text != "|")
        elif kind == "ending":
            voice.begin_ending(symbol.text)
        elif kind == "tie":
            voice.tie()
        elif kind == "tuplet":
            self._tuplet(voice, symbol.numbers)
        elif kind == "overlay":
            voice.rewind()
        elif kind == "bar_rest":
            voice.rest_bars(symbol.length.over)
        elif not voice.broken(symbol.numbers[0]):
            self._repair("left out a > or < that follows no note")

    def _note(self, voice: Voice, symbol: Symbol) -> None:
        if not all(length.over and length.under for length in (symbol.length, *(tone.length for tone in symbol.tones))):
            self._repair("left out a note of no length")
            return
        lost: list[str] = []
        voice.add(symbol.tones, symbol.length, lost)
        if lost:
            self._repair("left out a note outside the pitches of MIDI", len(lost))

    def _tuplet(self, voice: Voice, numbers: tuple[int, ...]) -> None:
        actual, normal, count = numbers
        compound = voice.metre is not None and voice.metre[0] in (6, 9, 12, 15, 18) and voice.metre[1] >= 8
        standard = {2: 3, 3: 2, 4: 3, 6: 2, 8: 3}.get(actual, 3 if compound else 2)
        normal, count = normal or standard, count or actual
        if not (1 <= actual <= 64 and normal <= 64 and count <= 256):
            self._repair(f"left out the tuplet ({actual}, which is none")
            return
        voice.tuplet = Tuplet(actual, normal, count)

    # Fields

    def _now(self) -> Voice:
        if self.current is None:
            self.current = next(iter(self.voices.values()), None) or self._new_voice("1")
        return self.current

    def _new_voice(self, name: str) -> Voice:
        if len(self.voices) >= MAX_VOICES:
            raise ScoreError(f"it has more than {MAX_VOICES} voices; split it")
        unit = self.unit or self._default_unit()
        voice = Voice(name, self.metre, unit, self.signature, Sounding(**vars(self.sounding)))
        voice.program, voice.is_drum, voice.propagate = self.program, self.is_drum, self.propagate
        self.voices[name] = voice
        return voice

    def _default_unit(self) -> Fraction:
        """Section 3.1.7: a sixteenth in a metre under 3/4, else an eighth."""
        return Fraction(1, 16) if self.metre and Fraction(*self.metre) < Fraction(3, 4) else Fraction(1, 8)

    def _voice(self, text: str) -> None:
        name = (text.split() or ["1"])[0]
        voice = self.voices.get(name) or self._new_voice(name)
        attributes = fields.attributes_of(text.strip()[len(name) :])
        self._apply(voice.sounding, attributes)
        voice.title = plain(attributes.get("name", attributes.get("nm", voice.title)))
        self.current = voice

    def _apply(self, sounding: Sounding, attributes: dict[str, str]) -> None:
        for wrong in fields.apply_attributes(sounding, attributes):
            self._repair(f"left out {plain(wrong)[:20]}, which is no such transposition")

    def _key(self, text: str) -> None:
        attributes = fields.attributes_of(text)
        in_header = not self.in_body
        self.in_body = True
        signature = None
        try:
            signature = fields.key_of(text)
        except ValueError:
            self._repair(f"K:{plain(text)[:20]} is no key; the one before stays")
        if signature and signature.doubtful:
            self._repair(f"K:{plain(text)[:20]} has no mode that is known; major was taken")
        for sounding in self._soundings(in_header):
            self._apply(sounding, attributes)
        if in_header:
            self.signature = signature or self.signature
            for voice in self.voices.values():
                voice.signature = voice.measure.signature = self.signature
                voice.keys = [(0, self.signature)]
                voice.metre = voice.measure.metre = self.metre
                voice.unit = self.unit or self._default_unit()
            self.current = None
        elif signature:
            self._now().change_key(signature)

    def _soundings(self, in_header: bool) -> list[Sounding]:
        """Whose pitch a `K:` moves: in the header that of all voices, later that of the one in hand."""
        return [self.sounding, *(v.sounding for v in self.voices.values())] if in_header else [self._now().sounding]

    def _metre(self, text: str) -> None:
        metre = fields.metre_of(text)
        if self.in_body:
            self._now().change_metre(metre)
        else:
            self.metre = metre

    def _unit(self, text: str) -> None:
        unit = fields.length_of(text)
        if self.in_body:
            self._now().unit = unit
        else:
            self.unit = unit

    def _tempo(self, text: str) -> None:
        unit = self.current.unit if self.current else self.unit or self._default_unit()
        qpm = fields.qpm_of(text, unit)
        if qpm is not None:
            self.tempi.append((self._now().now if self.in_body else 0, qpm))

    def _user(self, text: str) -> None:
        self.user_letters.add(text.strip()[:1])

    def _macro(self, text: str) -> None:
        self.user_letters |= set(re.findall("[H-Wh-w~]", text.partition("=")[0]))
        self._repair("macros (m:) are not played: the notes stand as they are written")

    def _repair(self, sentence: str, count: int = 1) -> None:
        if sentence in self.repairs or len(self.repairs) < 20:
            self.repairs[sentence] += count

    def score(self) -> Score:
        """What was read, all measures closed; voices without any music are left out."""
        if self.open_chord:
            self._repair("left out a chord that is not closed")
        for voice in self.voices.values():
            voice.bar_line(strong=True)
            if voice.unequal:
                self._repair("left out a > or < between notes of unequal length, or with no note after it", voice.unequal)
        voices = [voice for voice in self.voices.values() if voice.measures]
        return Score(voices, self.tempi, self.texts, self.repairs)
