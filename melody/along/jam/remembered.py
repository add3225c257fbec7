"""What was played so far, by both: the music that the model goes on from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from fractions import Fraction

import numpy as np

from melody.piece import Key, Part, Piece
from melody.sampling.tasks.notes_to_be import Note
from melody.signatures import TimeSignature
from melody.statistics.keys import likeliest_keys

LOUDNESS = 16  # notes by which it is known how loud the player plays


@dataclass
class Memory:
    """The notes of a jam, on the model's grid.

    Parameters
    ----------
    parts, monophonic
        The model's, and which of them play one note at a time.
    metre
        From tick 0 on.
    ticks_per_quarter
        Of all ticks.
    bars
        How many are remembered.
    grid
        Parts of a whole note on which a player's notes are read; () as they come.
    key
        Of the music; None to find it from the notes.
    """

    parts: tuple[Part, ...]
    monophonic: tuple[bool, ...]
    metre: TimeSignature
    ticks_per_quarter: int
    bars: int
    grid: tuple[Fraction, ...] = ()
    key: Key | None = None
    last_played: float = float("-inf")  # tick at which the player did something last
    _notes: list[Note] = field(default_factory=list)
    _answer: list[Note] = field(default_factory=list)  # of the model, which may be planned anew
    _held: dict[int, Note] = field(default_factory=dict)  # of the player, by pitch
    _loudness: list[int] = field(default_factory=list)

    @property
    def bar_ticks(self) -> int:
        """Length of a bar."""
        return self.metre.bar_ticks(self.ticks_per_quarter)

    @property
    def loudness(self) -> int:
        """How loud the player plays, as a velocity; 90 if nothing has come."""
        return round(sum(self._loudness) / len(self._loudness)) if self._loudness else 90

    def on_grid(self, tick: float) -> int:
        """The tick of the grid that is nearest."""
        whole = 4 * self.ticks_per_quarter
        found, nearest = float(tick), float("inf")
        for step in self.grid:
            place = float(step) * whole * round(tick / (float(step) * whole))
            if abs(place - tick) < nearest:
                found, nearest = place, abs(place - tick)
        return round(found)

    def begin(self, part: int, pitch: int, tick: float, velocity: int) -> None:
        """A player's note begins."""
        self.end(pitch, tick)
        self.last_played = tick
        self._held[pitch] = Note(part, pitch, self.on_grid(tick), 0, velocity)
        self._loudness = [*self._loudness, velocity][-LOUDNESS:]

    def end(self, pitch: int, tick: float) -> Note | None:
        """A player's note ends; the note, None if there was none."""
        note = self._held.pop(pitch, None)
        if note is not None:
            self.last_played = max(tick, self.last_played)
            note = note._replace(duration=self._lasting(note, tick))
            self._notes.append(note)
        return note

    def _lasting(self, note: Note, tick: float) -> int:
        shortest = min((round(4 * self.ticks_per_quarter * step) for step in self.grid), default=1)
        return max(self.on_grid(tick) - note.onset, shortest, 1)

    def add(self, note: Note) -> None:
        """A note of the model's."""
        self._notes.append(note)

    def answer(self, notes: Iterable[Note]) -> None:
        """What the model plays in its turn, in place of what it was to play."""
        self._answer = list(notes)

    def forget(self, tick: int) -> None:
        """Forget what the model was to play from a tick on, and what is too long ago; all else has been played."""
        first = tick - 2 * self.bars * self.bar_ticks
        self._notes = [note for note in (*self._notes, *self._answer) if first <= note.onset < tick]
        self._answer = []

    def played_since(self, tick: int) -> bool:
        """Whether the player has begun or ended a note at a tick or later, or holds one."""
        return bool(self._held) or self.last_played >= tick

    def music(self, until: int, key: Key | None = None) -> tuple[Piece, int] | None:
        """The last bars before a bar line, and the tick at which they begin; None if they hold no note.

        They are in that key; None for the key of the jam, or the likeliest.
        Bars without a note at the beginning and the end are left out. Of a part no two notes overlap.
        """
        first = max(until - self.bars * self.bar_ticks, 0)
        held = [note._replace(duration=max(until - note.onset, 1)) for note in self._held.values()]
        notes = [note for note in (*self._notes, *self._answer, *held) if first <= note.onset < until]
        if not notes:
            return None
        first = min(note.onset for note in notes) // self.bar_ticks * self.bar_ticks
        voices: dict[tuple[int, int], list[Note]] = {}
        for note in notes:
            voices.setdefault((note.part, -1 if self.monophonic[note.part] else note.pitch), []).append(note)
        notes = [note for voice in voices.values() for note in _one_at_a_time(voice, until)]
        columns = np.array([(n.onset - first, n.duration, n.pitch, n.velocity, n.part) for n in notes], np.int64).T
        used = np.unique(columns[4]).tolist()
        onset, duration, pitch, velocity, part = columns
        piece = Piece(
            onset,
            duration,
            pitch,
            velocity=velocity,
            part=np.searchsorted(used, part),
            parts=tuple(self.parts[number] for number in used),
            time_signatures=(self.metre,),
            ticks_per_quarter=self.ticks_per_quarter,
        )
        return replace(piece, keys=(key or self.key or likeliest_keys(piece)[0],)), first


def _one_at_a_time(notes: list[Note], until: int) -> list[Note]:
    """The notes of a voice, the highest of those that begin at once, each ended where the next one begins."""
    tops: dict[int, Note] = {}
    for note in notes:
        if note.onset not in tops or note.pitch > tops[note.onset].pitch:
            tops[note.onset] = note
    line = [tops[onset] for onset in sorted(tops)]
    ends = [*(note.onset for note in line[1:]), until]
    return [note._replace(duration=min(note.duration, end - note.onset)) for note, end in zip(line, ends)]
