"""One voice of a tune while it is read: its clock, accidentals, ties, tuplets and measures."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from math import prod
from typing import NamedTuple

from melody.errors import ScoreError
from melody.score.abc.fields import LETTERS, KeySignature, Sounding
from melody.score.abc.symbols import Length, Tone
from melody.score.bars import UNITS

WHOLE = 4 * 24 * UNITS  # units in a whole note
MAX_WHOLES = 25_000  # a voice of that many whole notes lasts half a day
_HEIGHTS = dict(zip(LETTERS, (0, 2, 4, 5, 7, 9, 11)))


class Sound(NamedTuple):
    """A note: onset, duration in units; MIDI pitch; `tied` to the note before."""

    onset: int
    duration: int
    pitch: int
    tied: bool = False


@dataclass
class Event:
    """A note, a chord or a rest (without sounds) that takes `duration` units from `onset` on."""

    onset: int
    duration: int
    sounds: list[Sound]
    tones: list[Tone] = field(default_factory=list)


@dataclass
class Measure:
    """What stands between two bar lines: events of the voice, those of overlays, and the metre and key in force.

    `strong` is true if it ends with a sign that may stand in mid-bar: a repeat, a double bar, a change of metre. `ending` is
    the number of the variant ending that begins here, 0 if none does.
    """

    onset: int
    metre: tuple[int, int] | None
    signature: KeySignature
    ending: int = 0
    events: list[Event] = field(default_factory=list)
    overlays: list[Event] = field(default_factory=list)
    end: int = 0
    strong: bool = False


@dataclass
class Tuplet:
    """`left` more notes last `normal`/`actual` of what is written."""

    actual: int
    normal: int
    left: int


@dataclass
class Voice:
    """The state of one voice."""

    name: str
    metre: tuple[int, int] | None
    unit: Fraction
    signature: KeySignature
    sounding: Sounding
    title: str = ""
    program: int = 0
    is_drum: bool = False
    propagate: str = "pitch"
    now: int = 0
    measures: list[Measure] = field(default_factory=list)
    measure: Measure = field(init=False)
    keys: list[tuple[int, KeySignature]] = field(default_factory=list)
    in_overlay: bool = False
    _accidentals: dict[tuple[str, int], int] = field(default_factory=dict)
    _ties: dict[tuple[str, int, int], tuple[int, int]] = field(default_factory=dict)
    _last: Event | None = None
    _broken: int = 0
    unequal: int = 0  # broken rhythms between notes of unequal length
    tuplet: Tuplet | None = None

    def __post_init__(self) -> None:
        self.measure = Measure(0, self.metre, self.signature)
        self.keys.append((0, self.signature))

    # Time

    def add(self, tones: tuple[Tone, ...], times: Length, lost: list[str]) -> int:
        """A note, a chord, or a rest if there are no tones; the number of sounds. Pitches that MIDI lacks go to `lost`."""
        length = tones[0].length if tones else Length(1, 1)
        factors = [(times.over, times.under), *self._tuplet_factor()]
        if marks := self._agreed(self._units(length, factors)):
            factors.append(_broken_factor(-marks))
            self._stretch(*_broken_factor(marks))
        first = self._units(length, factors)
        event = Event(self.now, first, [])
        for tone in tones:
            if sound := self._sound(tone, self._units(tone.length, factors)):
                event.sounds.append(sound)
                event.tones.append(tone)
            else:
                lost.append(tone.letter)
        (self.measure.overlays if self.in_overlay else self.measure.events).append(event)
        self._last = event
        self._advance(first)
        for tone, sound in zip(event.tones, event.sounds):
            if tone.tied:
                self._tie(tone, sound)
        return len(event.sounds)

    def rest_bars(self, count: int) -> None:
        """A rest of that many bars."""
        over, under = self.metre or (4, 4)
        event = Event(self.now, WHOLE * over * count // under, [])
        self._advance(event.duration)
        (self.measure.overlays if self.in_overlay else self.measure.events).append(event)
        self._last = None

    def _units(self, length: Length, factors: Sequence[tuple[int, int]]) -> int:
        over = prod(f[0] for f in factors) * length.over * self.unit.numerator * WHOLE
        under = prod(f[1] for f in factors) * length.under * self.unit.denominator
        if over > under * MAX_WHOLES * WHOLE:
            raise ScoreError(f"a note lasts more than {MAX_WHOLES:,} whole notes; mend its length")
        return (2 * over + under) // (2 * under) if under else 0

    def _tuplet_factor(self) -> list[tuple[int, int]]:
        """What the tuplet in force multiplies the next note by."""
        if self.tuplet is None:
            return []
        found = (self.tuplet.normal, self.tuplet.actual)
        self.tuplet.left -= 1
        self.tuplet = self.tuplet if self.tuplet.left else None
        return [found]

    def _advance(self, units: int) -> None:
        self.now += units
        if self.now > MAX_WHOLES * WHOLE:
            raise ScoreError(f"it lasts more than {MAX_WHOLES:,} whole notes; split it into shorter tunes")

    def broken(self, marks: int) -> bool:
        """`>` (positive) or `<` after a note: both change their lengths when the next one comes. False if none is before."""
        self._broken = marks if self._last else 0
        return self._last is not None

    def _agreed(self, duration: int) -> int:
        """The marks of a broken rhythm; 0 if there is none, between notes of unequal length, or if the first one is gone.

        What those mean, the standard (section 4.4) leaves open: they are left out.
        """
        marks, self._broken = self._broken, 0
        if marks and (self._last is None or self._last.duration != duration):
            self.unequal += 1
            return 0
        return marks

    def _stretch(self, over: int, under: int) -> None:
        """Multiply the length of the last event, which ends now."""
        event = self._last
        assert event
        moved = {sound.onset + sound.duration: event.onset + sound.duration * over // under for sound in event.sounds}
        self._advance(event.duration * over // under - event.duration)
        event.duration = event.duration * over // under
        event.sounds = [s._replace(duration=s.duration * over // under) for s in event.sounds]
        self._ties = {(a, b, moved.get(end, end)): tie for (a, b, end), tie in self._ties.items()}

    # Pitch

    def _sound(self, tone: Tone, duration: int) -> Sound | None:
        place = (tone.letter, 0 if self.propagate == "pitch" else tone.octave)
        tied = self._ties.get((tone.letter, tone.octave, self.now))
        if tone.alter is not None:
            alter = tone.alter
            if self.propagate != "not":
                self._accidentals[place] = alter
        elif tied is not None:
            alter = tied[0]
        else:
            alter = self._accidentals.get(place, self.signature.alter[LETTERS.index(tone.letter)])
        pitch = 60 + 12 * tone.octave + _HEIGHTS[tone.letter] + alter + self.sounding.semitones
        if not 0 <= pitch <= 127:
            return None
        held = self._ties.pop((tone.letter, tone.octave, self.now), None) or self._ties.pop(("", pitch, self.now), None)
        return Sound(self.now, duration, pitch, held is not None and held[1] == pitch)

    def tie(self) -> bool:
        """Tie the last note or chord to the next; False if there is none."""
        if self._last is None or not self._last.sounds:
            return False
        for tone, sound in zip(self._last.tones, self._last.sounds):
            self._tie(tone, sound)
        return True

    def _tie(self, tone: Tone, sound: Sound) -> None:
        end = sound.onset + sound.duration
        alter = sound.pitch - self.sounding.semitones - 60 - 12 * tone.octave - _HEIGHTS[tone.letter]
        self._ties[tone.letter, tone.octave, end] = (alter, sound.pitch)
        self._ties["", sound.pitch, end] = (alter, sound.pitch)

    # Bars

    def bar_line(self, strong: bool) -> None:
        """End the measure; a bar line at the beginning, or a second one, ends nothing."""
        self.rewind(overlay=False)
        if self.now > self.measure.onset:
            self.measure.end, self.measure.strong = self.now, strong
            self.measure.signature = self.signature
            self.measures.append(self.measure)
            self.measure = Measure(self.now, self.metre, self.signature)
            self._ties = {place: tie for place, tie in self._ties.items() if place[2] >= self.now}
        elif self.measures:
            self.measures[-1].strong |= strong
        self._accidentals.clear()
        self.unequal += self._broken != 0
        self._last, self._broken = None, 0

    def begin_ending(self, numbers: str) -> None:
        """A variant ending, of numbers such as "1", "1,3" or "2-4"."""
        self.bar_line(strong=True)
        first = re.search(r"\d{1,4}", numbers)
        self.measure.ending = int(first[0]) if first else 0

    def rewind(self, overlay: bool = True) -> None:
        """Go back to the last bar line for an overlay; or out of all overlays, to the end of the longest."""
        events = self.measure.events + self.measure.overlays if not overlay else []
        if overlay:
            self.measure.end = max(self.measure.end, self.now)
            self.now = self.measure.onset
        elif events or self.in_overlay:
            self.now = max(self.now, self.measure.end)
        self.in_overlay = overlay
        self._accidentals.clear()
        self._broken, self._last, self.tuplet = (0, None, None) if overlay else (self._broken, self._last, self.tuplet)

    def change_key(self, signature: KeySignature) -> None:
        """A new key from here on; accidentals of the bar end."""
        self.signature = signature
        self._accidentals.clear()
        self.keys.append((self.now, signature))

    def change_metre(self, metre: tuple[int, int] | None) -> None:
        """A new metre; in mid-bar it begins a measure."""
        self.bar_line(strong=True)
        self.metre = self.measure.metre = metre


def _broken_factor(marks: int) -> tuple[int, int]:
    """What a note before `marks` of > (or -marks of <) is multiplied by: 3/2, 7/4, 15/8; 1/2, 1/4, 1/8."""
    half = 2 ** min(abs(marks), 8)
    return (2 * half - 1, half) if marks > 0 else (1, half)
