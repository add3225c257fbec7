"""One part of a MusicXML document, bar by bar: its notes and their times in the bar, and changes of metre, key and tempo.

Conventions
-----------
Times are in units from the start of the bar, `UNITS` to the quarter, so that tuplets of 2, 3, 5, 7, 9, 11 and 13 are whole;
the durations of the file decide, not the written values. Pitches are as they sound: a transposition holds from where it
stands, for its staff or for all. Grace notes take no time and are left out, cue notes take time and are silent; a tremolo
on one note is played out. What cannot be read is left out by itself and counted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from math import floor
from typing import NamedTuple
from xml.etree.ElementTree import Element

from melody.errors import ScoreError
from melody.score.musicxml.elements import (
    LONGEST,
    VELOCITY,
    drum_of,
    key_of,
    metre_of,
    number,
    offset_of,
    pitch_of,
    stroke_of,
    tempo_of,
    ties_of,
    units_of,
    velocity_of,
    written_units,
)
from melody.signatures import Key, TimeSignature

MAX_NOTES = 200_000


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

    `length` is how far its notes and rests go, `reach` how far any step in time goes in a bar that is meant to be whole,
    `resting` the length of a rest that fills the bar, however long that is. `metre` is what is in force, None for none.
    `whole` is true if all of it could be read. `turns` are those of the sustain pedal: where, and whether it goes down.
    """

    metre: TimeSignature | None = None
    length: int = 0
    reach: int = 0
    resting: int = 0
    whole: bool = True
    notes: list[Note] = field(default_factory=list)
    keys: list[tuple[int, Key]] = field(default_factory=list)
    tempi: list[tuple[int, float]] = field(default_factory=list)
    turns: list[tuple[int, bool]] = field(default_factory=list)


@dataclass
class Instrument:
    """An instrument: General MIDI program, channel (10 for drums) and drum, each None if the file does not give it."""

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
        for instrument in element.findall("midi-instrument"):
            player.take(instrument)
        return player

    def take(self, element: Element) -> None:
        """Take a `midi-instrument`; values that are known already stay."""
        known = self.instruments.setdefault(element.get("id", ""), Instrument())
        program, channel, drum = (
            number(element.findtext(f"midi-{what}"), 1, most)
            for what, most in (("program", 128), ("channel", 16), ("unpitched", 128))
        )
        known.program = int(program) - 1 if known.program is None and program else known.program
        known.channel = int(channel) if known.channel is None and channel else known.channel
        known.drum = int(drum) - 1 if known.drum is None and drum else known.drum

    @property
    def first(self) -> Instrument:
        """The instrument of notes that name none."""
        return next(iter(self.instruments.values()), Instrument())


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
        self._position = self._last_onset = self._stroke = 0

    def read(self, index: int, measure: Element | None) -> None:
        """Take bar `index`; None is one that cannot be read. Bars that were left out in between are empty."""
        while len(self.bars) < index:
            self.bars.append(Bar(self._metre))
        self._bar = Bar(self._metre)
        self._position = self._last_onset = 0
        partial = measure is not None and measure.get("implicit") == "yes"
        for element in measure if measure is not None else ():
            if (take := _TAKES.get(element.tag)) is not None:
                take(self, element)
                self._bar.reach = max(self._bar.reach, 0 if partial else self._position)
        self._bar.metre = self._metre
        self._bar.whole &= measure is not None
        self.bars.append(self._bar)

    def _trouble(self, what: str, damage: bool = False) -> None:
        self.troubles.setdefault(what, []).append(len(self.bars) + 1)
        self._bar.whole &= not damage

    # Time

    def _backup(self, element: Element) -> None:
        text = element.findtext("duration")
        back = units_of(text, self._divisions)
        if back is None and number(text, 0, 1e15) is None:
            self._trouble("steps back that cannot be read", damage=True)
            back = 0
        self._position = max(self._position - back, 0) if back is not None else 0  # too far is to the start of the bar

    def _forward(self, element: Element) -> None:
        step = units_of(element.findtext("duration"), self._divisions)
        if step is None or self._position + step > LONGEST:
            self._trouble("steps forward that cannot be read or lead beyond the longest bar", damage=True)
        else:
            self._position += step

    def _duration(self, parts: dict[str, Element]) -> int | None:
        if "duration" in parts:
            return units_of(parts["duration"].text, self._divisions)
        return written_units(parts)

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
            self._stroke = stroke_of(parts) if "notations" in parts else 0
        rest, bar = parts.get("rest"), self._bar
        if rest is not None and rest.get("measure") == "yes":
            bar.resting = max(bar.resting, onset + duration)
            return
        bar.length = max(bar.length, onset + duration)
        if rest is not None or "cue" in parts:
            return
        if duration > 0:
            self._sound(element, parts, onset, duration)
        else:
            self._trouble("notes of no length")

    def _sound(self, element: Element, parts: dict[str, Element], onset: int, duration: int) -> None:
        instrument = self._instrument(parts.get("instrument"))
        is_drum = "unpitched" in parts or instrument.channel == 10
        semitones_up, doubled = (0, 0) if is_drum else self._transposition(parts)
        pitch = pitch_of(parts.get("pitch"))
        if is_drum:
            pitch = instrument.drum if instrument.drum is not None else drum_of(parts) if "unpitched" in parts else pitch
        if pitch is None or not 0 <= pitch + semitones_up <= 127:
            self._trouble("notes without a pitch that can be played")
            return
        tied, tied_on = ties_of(element, parts)
        loudness = number(element.get("dynamics"), 0, 1000)
        velocity = self._velocity if loudness is None else velocity_of(loudness)
        for octave in {0, doubled}:
            if 0 <= (sounding := pitch + semitones_up + 12 * octave) <= 127:
                self._strike(Note(onset, duration, sounding, velocity, tied, tied_on, is_drum))

    def _strike(self, note: Note) -> None:
        """Add a note, or as many as a tremolo has."""
        stroke = self._stroke
        strokes = note.duration // stroke if stroke else 1
        self.num_notes += max(strokes, 1)
        if self.num_notes > MAX_NOTES:
            raise ScoreError(f"has more than {MAX_NOTES:,} notes in one part; split it into shorter scores")
        if strokes < 2:
            self._bar.notes.append(note)
        for i in range(strokes if strokes > 1 else 0):
            self._bar.notes.append(note._replace(onset=note.onset + i * stroke, duration=stroke, tied=False, tied_on=False))

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
            self._metre = self._bar.metre = metre_of(time)
            if self._metre is None and time.find("senza-misura") is None:
                self._trouble("time signatures that no bar can have")
        moved = element.findall("transpose")
        for transpose in moved:
            self._transpose(transpose)
        keys = element.findall("key")
        if keys:
            self._key = key_of(keys[0])
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
        moved = offset_of(offset, self._divisions) if offset is not None and offset.get("sound") == "yes" else 0
        for pedal in element.iterfind("direction-type/pedal"):
            place = max(self._position + moved, 0)
            self._bar.turns += [(place, goes_down) for goes_down in _TURNS.get(pedal.get("type", ""), ())]
        if sound is not None:
            self._sound_element(sound, moved)
        if sound is None or sound.get("tempo") is None:
            tempi = [tempo_of(found) for found in element.iterfind("direction-type/metronome")]
            self._bar.tempi += [(max(self._position + moved, 0), tempo) for tempo in tempi if tempo]

    def _sound_element(self, sound: Element, moved: int = 0) -> None:
        tempo, loudness = number(sound.get("tempo"), 0.01, 1e6), number(sound.get("dynamics"), 0, 1000)
        moved += offset_of(sound.find("offset"), self._divisions)
        if tempo:
            self._bar.tempi.append((max(self._position + moved, 0), float(tempo)))
        if loudness is not None:
            self._velocity = velocity_of(loudness)
        for instrument in sound.findall("midi-instrument"):
            self.player.take(instrument)


_TURNS = {"start": (True,), "stop": (False,), "change": (False, True)}  # others are about lines, or another pedal
_TAKES: dict[str, Callable[[PartReader, Element], None]] = {
    "note": PartReader._note,
    "backup": PartReader._backup,
    "forward": PartReader._forward,
    "attributes": PartReader._attributes,
    "direction": PartReader._direction,
    "sound": PartReader._sound_element,
}
