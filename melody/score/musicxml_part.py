"""One part of a MusicXML document, bar by bar: what sounds, when within the bar, and what metre, key and tempo are said.

Conventions
-----------
Times are in units from the start of the bar, `UNITS` to the quarter, so that tuplets of 2, 3, 5, 7, 9, 11 and 13 are whole;
the durations of the file decide, not the written values. Pitches are as they sound: a transposition holds from where it
stands, for its staff or for all. Grace notes take no time and are left out, cue notes take time and are silent. What
cannot be read is left out by itself and counted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from math import floor
from typing import NamedTuple
from xml.etree.ElementTree import Element

from melody.errors import ScoreError
from melody.score.musicxml import DRUMS
from melody.score.names import semitones
from melody.signatures import Key, TimeSignature, time_signature_of

UNITS = 17_297_280  # 2^7 3^3 5 7 11 13
LONGEST = 255 * UNITS  # the longest bar of a time signature in quarters; no note is longer
MAX_NOTES = 200_000
VELOCITY = 90  # of a note whose loudness nobody says; MusicXML counts loudness in hundredths of it
_SNARE = 38
_DRUM_AT = {place: drum for drum, place in DRUMS.items()}
_VALUES: dict[str, Fraction | int] = {
    "maxima": 32,
    "long": 16,
    "breve": 8,
    "whole": 4,
    "half": 2,
    "quarter": 1,
    "eighth": Fraction(1, 2),
}
_VALUES |= {f"{2**n}{'nd' if n == 5 else 'th'}": Fraction(4, 2**n) for n in range(4, 11)}
_MINOR = ("minor", "aeolian", "dorian", "phrygian")


class Note(NamedTuple):
    """A sounding note of a bar; `tied_on` to the next of its pitch, `tied` to the one before."""

    onset: int
    duration: int
    pitch: int
    velocity: int
    tied: bool
    tied_on: bool
    is_drum: bool


@dataclass
class Bar:
    """A bar of a part.

    `length` is how far its notes and rests go, `reach` how far any step in time goes, `resting` the length of a rest that
    fills the bar, however long that is. `metre` is what is in force, None for none. `whole` says that all could be read.
    """

    metre: TimeSignature | None = None
    length: int = 0
    reach: int = 0
    resting: int = 0
    whole: bool = True
    notes: list[Note] = field(default_factory=list)
    keys: list[tuple[int, Key]] = field(default_factory=list)
    tempi: list[tuple[int, float]] = field(default_factory=list)


@dataclass
class Instrument:
    """What is said of an instrument: General MIDI program, channel (10 for drums) and drum, where they are said."""

    program: int | None = None
    channel: int | None = None
    drum: int | None = None


@dataclass
class Player:
    """A part in the part list."""

    name: str = ""
    instruments: dict[str, Instrument] = field(default_factory=dict)

    @classmethod
    def of(cls, element: Element) -> Player:
        """The player in a `score-part`."""
        player = cls(" ".join((element.findtext("part-name") or "").split()))
        for said in element.findall("midi-instrument"):
            player.hear(said)
        return player

    def hear(self, said: Element) -> None:
        """Take a `midi-instrument`; what was said before stands."""
        known = self.instruments.setdefault(said.get("id", ""), Instrument())
        program, channel, drum = (
            number(said.findtext(f"midi-{what}"), 1, most)
            for what, most in (("program", 128), ("channel", 16), ("unpitched", 128))
        )
        known.program = int(program) - 1 if known.program is None and program else known.program
        known.channel = int(channel) if known.channel is None and channel else known.channel
        known.drum = int(drum) - 1 if known.drum is None and drum else known.drum

    @property
    def first(self) -> Instrument:
        """The instrument of notes that name none."""
        return next(iter(self.instruments.values()), Instrument())


@lru_cache(maxsize=4096)
def number(text: str | None, low: float, high: float) -> Fraction | None:
    """A decimal number from `low` to `high`; None for anything else."""
    if text is None or not (found := re.fullmatch(r"\s*([+-]?\d{1,15}(?:\.\d{0,15})?|[+-]?\.\d{1,15})\s*", text, re.ASCII)):
        return None
    value = Fraction(found[1])
    return value if low <= value <= high else None


@lru_cache(maxsize=4096)
def _units(text: str | None, divisions: Fraction) -> int | None:
    """A duration in units; None if it is none, or longer than `LONGEST`."""
    value = number(text, 0, 1e15)
    units = None if value is None else round(value / divisions * UNITS)
    return units if units is not None and units <= LONGEST else None


class PartReader:
    """Reads the bars of one part in their order."""

    def __init__(self, player: Player) -> None:
        self.player = player
        self.bars: list[Bar] = []
        self.num_notes = 0
        self.troubles: dict[str, list[int]] = {}
        self._divisions = Fraction(1)
        self._metre: TimeSignature | None = TimeSignature(0, 4, 4)
        self._key: Key | None = None
        self._transpositions: dict[str, tuple[int, int]] = {}  # staff, "" for all: semitones, octaves doubled
        self._velocity = VELOCITY
        self._bar = Bar()
        self._position = self._last_onset = 0

    def read(self, index: int, measure: Element | None) -> None:
        """Take bar `index`; None is one that cannot be read. Bars that were left out in between are empty."""
        while len(self.bars) < index:
            self.bars.append(Bar(self._metre))
        self._bar = Bar(self._metre)
        self._position = self._last_onset = 0
        for element in measure if measure is not None else ():
            if (take := _TAKES.get(element.tag)) is not None:
                take(self, element)
                self._bar.reach = max(self._bar.reach, self._position)
        self._bar.metre = self._metre
        self._bar.whole &= measure is not None
        self.bars.append(self._bar)

    def _trouble(self, what: str, damage: bool = False) -> None:
        self.troubles.setdefault(what, []).append(len(self.bars) + 1)
        self._bar.whole &= not damage

    # Time

    def _step(self, element: Element, sign: int) -> None:
        duration = _units(element.findtext("duration"), self._divisions)
        if duration is None:
            self._trouble("steps in time that cannot be read", damage=True)
        self._position = max(self._position + sign * (duration or 0), 0)
        if self._position > LONGEST:
            self._position = LONGEST
            self._trouble("steps in time beyond the longest bar", damage=True)

    def _backup(self, element: Element) -> None:
        self._step(element, -1)

    def _forward(self, element: Element) -> None:
        self._step(element, 1)

    def _duration(self, parts: dict[str, Element]) -> int | None:
        if "duration" in parts:
            return _units(parts["duration"].text, self._divisions)
        value = _VALUES.get((parts["type"].text or "").strip()) if "type" in parts else None
        return None if value is None else round(value * UNITS * (2 - Fraction(1, 2 ** ("dot" in parts))) * _tuplet(parts))

    # Notes

    def _note(self, element: Element) -> None:
        parts = {child.tag: child for child in element}
        if "grace" in parts:
            return
        duration = self._duration(parts)
        if duration is None or self._position + duration > LONGEST:
            self._trouble("notes without a duration that can be read", damage=True)
            return
        onset = self._last_onset if "chord" in parts else self._position
        if "chord" not in parts:
            self._last_onset, self._position = onset, onset + duration
        rest, bar = parts.get("rest"), self._bar
        if rest is not None and rest.get("measure") == "yes":
            bar.resting = max(bar.resting, onset + duration)
            return
        bar.length = max(bar.length, onset + duration)
        if rest is None and "cue" not in parts and duration > 0:
            self._sound(element, parts, onset, duration)

    def _sound(self, element: Element, parts: dict[str, Element], onset: int, duration: int) -> None:
        instrument = self._instrument(parts.get("instrument"))
        is_drum = "unpitched" in parts or instrument.channel == 10
        semitones_up, doubled = (0, 0) if is_drum else self._transposition(parts)
        pitch = _pitch(parts.get("pitch"))
        if is_drum:
            pitch = instrument.drum if instrument.drum is not None else _drum(parts) if "unpitched" in parts else pitch
        if pitch is None or not 0 <= pitch + semitones_up <= 127:
            self._trouble("notes without a pitch that can be played")
            return
        tied, tied_on = _ties(element, parts)
        loudness = number(element.get("dynamics"), 0, 1000)
        velocity = self._velocity if loudness is None else _velocity(loudness)
        for octave in {0, doubled}:
            if 0 <= (sounding := pitch + semitones_up + 12 * octave) <= 127:
                self._bar.notes.append(Note(onset, duration, sounding, velocity, tied, tied_on, is_drum))
                self.num_notes += 1
        if self.num_notes > MAX_NOTES:
            raise ScoreError(f"has more than {MAX_NOTES:,} notes in one part; split it into shorter scores")

    def _instrument(self, named: Element | None) -> Instrument:
        known = self.player.instruments.get(named.get("id", "")) if named is not None else None
        return known or self.player.first

    def _transposition(self, parts: dict[str, Element]) -> tuple[int, int]:
        if len(self._transpositions) > 1 and "staff" in parts:
            own = self._transpositions.get((parts["staff"].text or "").strip())
            if own is not None:
                return own
        return self._transpositions.get("", self._transpositions.get("1", (0, 0)) if "staff" not in parts else (0, 0))

    # Attributes

    def _attributes(self, element: Element) -> None:
        if (text := element.findtext("divisions")) is not None:
            divisions = number(text, 1e-6, 1e9)
            if divisions is None:
                self._trouble("numbers of divisions that cannot be read", damage=True)
            self._divisions = divisions or self._divisions
        for time in element.findall("time")[:1]:
            self._metre = self._bar.metre = _metre(time)
            if self._metre is None and time.find("senza-misura") is None:
                self._trouble("time signatures that no bar can have")
        moved = element.findall("transpose")
        for transpose in moved:
            self._transpose(transpose)
        keys = element.findall("key")
        if keys:
            self._key = _key(keys[0])
        if self._key is not None and (keys or moved):
            sounding = self._key.transpose(self._transposition({})[0])
            self._bar.keys.append((self._position, sounding))

    def _transpose(self, element: Element) -> None:
        chromatic = number(element.findtext("chromatic"), -127, 127)
        octaves = number(element.findtext("octave-change"), -10, 10)
        double = element.find("double")
        octave = 0 if double is None else 1 if double.get("above") == "yes" else -1
        staff = element.get("number", "")
        if not staff:
            self._transpositions.clear()
        self._transpositions[staff] = floor((chromatic or 0) + 12 * (octaves or 0)), octave

    # Directions

    def _direction(self, element: Element) -> None:
        sound = element.find("sound")
        offset = element.find("offset")
        moved = _offset(offset, self._divisions) if offset is not None and offset.get("sound") == "yes" else 0
        if sound is not None:
            self._heed(sound, moved)
        if sound is None or sound.get("tempo") is None:
            tempi = [_metronome(found) for found in element.iterfind("direction-type/metronome")]
            self._bar.tempi += [(max(self._position + moved, 0), tempo) for tempo in tempi if tempo]

    def _heed(self, sound: Element, moved: int = 0) -> None:
        tempo, loudness = number(sound.get("tempo"), 0.01, 1e6), number(sound.get("dynamics"), 0, 1000)
        moved += _offset(sound.find("offset"), self._divisions)
        if tempo:
            self._bar.tempi.append((max(self._position + moved, 0), float(tempo)))
        if loudness is not None:
            self._velocity = _velocity(loudness)
        for said in sound.findall("midi-instrument"):
            self.player.hear(said)


_TAKES: dict[str, Callable[[PartReader, Element], None]] = {
    "note": PartReader._note,
    "backup": PartReader._backup,
    "forward": PartReader._forward,
    "attributes": PartReader._attributes,
    "direction": PartReader._direction,
    "sound": PartReader._heed,
}


def _tuplet(parts: dict[str, Element]) -> Fraction:
    ratio = parts.get("time-modification")
    if ratio is None:
        return Fraction(1)
    actual, normal = number(ratio.findtext("actual-notes"), 1, 1000), number(ratio.findtext("normal-notes"), 1, 1000)
    return normal / actual if actual and normal else Fraction(1)


def _offset(element: Element | None, divisions: Fraction) -> int:
    value = number(element.text, -1e9, 1e9) if element is not None else None
    return max(min(round(value / divisions * UNITS), LONGEST), -LONGEST) if value else 0


def _velocity(loudness: Fraction) -> int:
    return min(max(round(loudness * VELOCITY / 100), 1), 127)


def _pitch(element: Element | None) -> int | None:
    if element is None:
        return None
    step, octave = (element.findtext("step") or "").strip(), number(element.findtext("octave"), -1, 12)
    alter = number(element.findtext("alter") or "0", -12, 12)
    if step not in tuple("ABCDEFG") or octave is None or alter is None:
        return None
    return 12 * (floor(octave) + 1) + semitones(step) + floor(alter + Fraction(1, 2))


def _drum(parts: dict[str, Element]) -> int:
    where = parts["unpitched"]
    place = f"{(where.findtext('display-step') or '').strip()}{(where.findtext('display-octave') or '').strip()}"
    head = (parts["notehead"].text or "").strip() if "notehead" in parts else "normal"
    return _DRUM_AT.get((place, head), _SNARE)


def _ties(element: Element, parts: dict[str, Element]) -> tuple[bool, bool]:
    """Whether it is tied to the note before and to the next; drawn ties (`tied`) count where sounding ones are missing."""
    if "tie" in parts:
        kinds = {tie.get("type") for tie in element.findall("tie")}
    elif "notations" in parts:
        kinds = {tie.get("type") for tie in element.iterfind("notations/tied")}
    else:
        return False, False
    both = "continue" in kinds
    return both or "stop" in kinds, both or "start" in kinds


def _metre(time: Element) -> TimeSignature | None:
    """The time signature; None for none, or for one that no bar can have."""
    pairs = list(_beats(time))
    if len(pairs) == 1:
        beats, unit = pairs[0]
        if 1 <= beats <= 255 and unit in (1, 2, 4, 8, 16, 32, 64):
            return TimeSignature(0, int(beats), int(unit))
    sixtyfourths = sum((beats * 64 / unit for beats, unit in pairs), Fraction(0))
    whole = sixtyfourths.denominator == 1 and 1 <= sixtyfourths <= 255 * 16
    return time_signature_of(0, int(sixtyfourths), 16) if whole else None


def _beats(time: Element) -> Iterator[tuple[Fraction, Fraction]]:
    for beats, unit in zip(time.findall("beats"), time.findall("beat-type")):
        counts = [number(count, 1, 1e9) for count in (beats.text or "").split("+")[:64]]
        of = number(unit.text, 1, 1e9)
        yield (sum((c for c in counts if c), Fraction(0)) if None not in counts else Fraction(0)), of or Fraction(1)


def _key(element: Element) -> Key | None:
    fifths = number(element.findtext("fifths"), -7, 7)
    minor = (element.findtext("mode") or "").strip().lower() in _MINOR
    return None if fifths is None else Key(0, int(fifths), "minor" if minor else "major")


def _metronome(element: Element) -> float | None:
    """Quarter notes a minute; None if it is no number of beats."""
    value, dots, beat = element.findtext("beat-unit"), len(element.findall("beat-unit-dot")), element.findtext("per-minute")
    found = re.search(r"\d{1,4}(\.\d{1,6})?", beat or "")
    unit = _VALUES.get((value or "").strip())
    if unit is None or not found or dots > 4:
        return None
    return float(unit * (2 - Fraction(1, 2**dots)) * Fraction(found[0]))
