"""The notes of live music, from when they begin to when it is certain how long they are."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from melody.sampling.constraints.steering import Steering
from melody.tokens import Vocabulary
from melody.tokens.usage import FIRST_PART
from melody.tokens.vocabulary import DURATION, KIND, VALUE, VELOCITY


class Note(NamedTuple):
    """A note of a stream: number of its part in the vocabulary, pitch, onset and duration in ticks, velocity."""

    part: int
    pitch: int
    onset: int
    duration: int
    velocity: int


class NotesToBe:
    """What the events of a stream make of notes; a player's are followed, so that it is known when they end.

    Parameters
    ----------
    vocabulary
        Of the events.
    steering
        Is informed which parts hold a player's note.

    Attributes
    ----------
    certain
        The model's notes that have become certain and were not taken yet, in that order.
    """

    def __init__(self, vocabulary: Vocabulary, steering: Steering) -> None:
        self._vocabulary, self._steering = vocabulary, steering
        self._sounding: dict[int, Note] = {}  # notes of parts of implied durations, by part
        self.certain: deque[Note] = deque()

    @property
    def begun(self) -> tuple[Note, ...]:
        """The model's notes whose ends are not certain yet, by part; their durations are 0."""
        return tuple(self._sounding[part] for part in sorted(self._sounding) if not self._steering.played[part])

    def taken(self) -> list[Note]:
        """All that have become certain since they were taken last."""
        notes = list(self.certain)
        self.certain.clear()
        return notes

    def push(self, event: Sequence[int], tick: int, semitones: int, fed: bool) -> None:
        """Take in an event of a part: what it makes certain, and what begins with it.

        Parameters
        ----------
        event
            Its five tokens.
        tick
            Where it is.
        semitones
            From the model's pitches to those of the prompt.
        fed
            Whether it is a player's.
        """
        note = self.meant(event, tick, semitones)
        implied = self._vocabulary.implied_duration[note.part]
        self.end(note.part, tick)
        if note.velocity == 0:
            return
        self._steering.played[note.part] = fed and implied
        if implied:
            self._sounding[note.part] = note
        elif not fed:
            self.certain.append(note)

    def meant(self, event: Sequence[int], tick: int, semitones: int) -> Note:
        """What an event of a part says, as `push` takes it: a note, or of velocity 0 the end of what the part holds."""
        part = event[KIND] - FIRST_PART
        implied = self._vocabulary.implied_duration[part]
        if implied and event[VALUE] == self._vocabulary.rest:
            held = self._sounding.get(part)
            return Note(part, 0 if held is None else held.pitch, tick, 0, 0)
        pitch = event[VALUE] - self._vocabulary.first_pitch + self._vocabulary.pitches[0]
        moved = pitch if self._vocabulary.parts[part].is_drum else pitch + semitones
        duration = 0 if implied else self._vocabulary.durations[event[DURATION]]
        return Note(part, moved, tick, duration, self._vocabulary.velocities[event[VELOCITY]])

    def end(self, part: int, tick: int) -> None:
        """What a part of implied durations held is certain, if it is the model's."""
        note = self._sounding.pop(part, None)
        if note is not None and not self._steering.played[part]:
            self.certain.append(note._replace(duration=tick - note.onset))
        self._steering.played[part] = False

    def end_all(self, tick: int) -> None:
        """Nothing more comes: what sounds lasts a quarter, or until the tick where the stream stands."""
        for part in sorted(self._sounding):
            self.end(part, max(self._sounding[part].onset + self._vocabulary.ticks_per_quarter, tick))
