"""`Piece`: the one type for music between the stages.

Conventions
-----------
Times are whole ticks of the piece's grid, `ticks_per_quarter` to the quarter note (24 by default: thirty-seconds are 3
ticks, eighth-note triplets 8). A note sounds in [onset, onset + duration). Bars start at tick 0 and at every multiple of
the bar length of the time signature in force; a pick-up is written as a rest at the start of bar 0, so that bar lines
stay where the music has them. Notes are sorted by onset, part, pitch. Nothing here is ever changed in place.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from numbers import Integral
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from melody import note_columns, signatures
from melody.errors import PieceError
from melody.note_columns import Ints, Part, check_part, overlaps
from melody.signatures import MAX_TICK, TICKS_PER_QUARTER, Key, Pedal, Tempo, TimeSignature, check_range
from melody.text import counted

if TYPE_CHECKING:
    import pretty_midi
    from matplotlib.figure import Figure

    from melody.render import Sound

__all__ = ["MAX_TICK", "TICKS_PER_QUARTER", "Ints", "Key", "Part", "Pedal", "Piece", "Tempo", "TimeSignature", "overlaps"]
_SETTING = ("parts", "time_signatures", "tempi", "keys", "pedals", "title", "texts", "ticks_per_quarter")
_NO_MIDI = (".wav", ".mp3", ".png", ".svg", ".pdf", ".xml", ".musicxml", ".mxl", ".abc", ".krn", ".html")
_CHANGES = ("time_signatures", "tempi", "keys")


@dataclass(frozen=True, eq=False)
class Piece:
    """Music as columns of notes, with the parts, metre, tempo and key they stand in.

    Parameters
    ----------
    onset, duration
        Ticks, (notes,); onset from 0, duration from 1.
    pitch
        MIDI pitch 0-127 (60 = middle C); for a drum part the General MIDI drum.
    velocity
        1-127.
    part
        Index into `parts`.
    parts
        The players. Two notes of one part and one pitch never overlap: in MIDI it would be open which of them ends.
    time_signatures, tempi, keys
        Sorted by onset, one at a tick. Time signatures and tempi begin at tick 0 (4/4 and 120 by default) and a time
        signature stands on a bar line of the one before. Keys may be absent.
    title
        Written as the name of the sequence.
    texts
        Free remarks kept in the MIDI file, such as where a generated tune comes from.
    ticks_per_quarter
        The grid, 1 to 32,767.
    pedals
        When the sustain pedal of the keyboards is down (`melody.signatures`).

    Raises
    ------
    PieceError
        If any of this does not hold; the message names the first offence.

    Examples
    --------
    >>> piece = Piece([0, 24, 48], [24, 24, 48], [60, 62, 64])
    >>> piece.num_notes, piece.num_bars
    (3, 1)
    """

    onset: Ints
    duration: Ints
    pitch: Ints
    velocity: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    part: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    parts: tuple[Part, ...] = (Part(),)
    time_signatures: tuple[TimeSignature, ...] = (TimeSignature(0, 4, 4),)
    tempi: tuple[Tempo, ...] = (Tempo(0, 500_000),)
    keys: tuple[Key, ...] = ()
    title: str = ""
    texts: tuple[str, ...] = ()
    ticks_per_quarter: int = TICKS_PER_QUARTER
    pedals: tuple[Pedal, ...] = ()

    def __post_init__(self) -> None:
        for name, kind in (("parts", Part), ("texts", str)):
            signatures.check_tuple(name, getattr(self, name), kind)
        for part in self.parts:
            check_part(part)
        if not isinstance(self.title, str) or not isinstance(self.ticks_per_quarter, Integral):
            raise PieceError(
                f"title is {self.title!r}, ticks_per_quarter {self.ticks_per_quarter!r}; a text and a number are wanted"
            )
        check_range("ticks_per_quarter", self.ticks_per_quarter, 1, 32767)
        check_range("number of parts", len(self.parts), 0, 2**16)
        table = note_columns.table_of(self._columns(), len(self.parts))
        for name, column in zip(note_columns.NAMES, table):
            object.__setattr__(self, name, column)
        for name, kind in (("time_signatures", TimeSignature), ("tempi", Tempo), ("keys", Key)):
            object.__setattr__(self, name, signatures.events_of(name, getattr(self, name), kind))
        object.__setattr__(self, "pedals", signatures.presses_of(self.pedals))
        object.__setattr__(self, "parts", tuple(self.parts))
        object.__setattr__(self, "texts", tuple(self.texts))
        note_columns.check_overlaps(table)
        signatures.check_events(self.time_signatures, self.tempi, self.keys, self.ticks_per_quarter)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Piece):
            return NotImplemented
        same_notes = all(np.array_equal(a, b) for a, b in zip(self._columns(), other._columns()))
        return same_notes and all(getattr(self, name) == getattr(other, name) for name in _SETTING)

    def __repr__(self) -> str:
        title = f"{self.title!r}, " if self.title else ""
        key = f", {self.keys[0].name}" if self.keys else ""
        metre = self.time_signatures[0]
        return (
            f"<Piece {title}{counted(self.num_notes, 'note')}, {counted(self.num_bars, 'bar')} of "
            f"{metre.numerator}/{metre.denominator}{key}, {counted(len(self.parts), 'part')}>"
        )

    def _columns(self) -> tuple[Ints, ...]:
        return self.onset, self.duration, self.pitch, self.velocity, self.part

    def _changed(self, change: Callable[[Any], Any]) -> dict[str, Any]:
        return {name: change(getattr(self, name)) for name in _CHANGES}

    # What it is

    @property
    def num_notes(self) -> int:
        """Number of notes."""
        return len(self.onset)

    @property
    def end(self) -> Ints:
        """The tick at which each note ends, (notes,)."""
        return self.onset + self.duration

    @property
    def sounding_end(self) -> Ints:
        """The tick at which each note ceases to sound, (notes,): its end, or later where the pedal holds it."""
        voice = self.part << 7 | self.pitch
        held = np.array([part.is_keyboard for part in self.parts], bool)[self.part]
        return np.where(held, note_columns.sounding_end(self.onset, self.end, voice, self.pedals), self.end)

    @property
    def length(self) -> int:
        """The tick at which the last note ends; 0 for an empty piece."""
        return int(self.end.max()) if self.num_notes else 0

    @property
    def program(self) -> Ints:
        """The General MIDI program of each note, (notes,)."""
        return np.array([part.program for part in self.parts], np.int64)[self.part]

    @property
    def is_drum(self) -> NDArray[np.bool_]:
        """Whether each note is a drum's, (notes,)."""
        return np.array([part.is_drum for part in self.parts], bool)[self.part]

    @property
    def tempo_qpm(self) -> float:
        """The first tempo, in quarter notes per minute."""
        return self.tempi[0].qpm

    @property
    def is_monophonic(self) -> bool:
        """Whether no two notes ever sound together."""
        return bool((self.end[:-1] <= self.onset[1:]).all())

    def bar_starts(self, until: int | None = None) -> Ints:
        """Ticks at which the bars begin, up to but not including `until` (default: `length`), at least one.

        >>> Piece([0], [200], [60]).bar_starts()
        array([  0,  96, 192])
        """
        until = max(self.length if until is None else until, 1)
        return signatures.bar_starts(self.time_signatures, until, self.ticks_per_quarter)

    @property
    def num_bars(self) -> int:
        """Number of bars that have begun when the last note ends."""
        return len(self.bar_starts()) if self.num_notes else 0

    @property
    def has_pickup(self) -> bool:
        """Whether the first bar is a pick-up: its first half or more is silent, and the music goes on in the next bar.

        >>> Piece([72, 96], [24, 96], [67, 72]).has_pickup, Piece([0, 96], [96, 96], [67, 72]).has_pickup
        (True, False)
        """
        if not self.num_notes:
            return False
        bar = self.time_signatures[0].bar_ticks(self.ticks_per_quarter)
        return bool(bar <= 2 * self.onset[0] < 2 * bar) and self.num_bars > 1

    @property
    def first_bar(self) -> int:
        """The number of the first bar as a musician counts: 1, or 0 for a pick-up. See also `last_bar`.

        Every bar number that a user reads or writes is counted so: in scores, pictures, pages, messages and options.
        """
        return 0 if self.has_pickup else 1

    @property
    def last_bar(self) -> int:
        """The number of the last bar, counted as in `first_bar`; 0 for an empty piece."""
        return self.first_bar + self.num_bars - 1

    def bar_and_position(self, ticks: ArrayLike) -> tuple[Ints, Ints]:
        """The index of the bar (from 0, a pick-up or not) and the position within it, in ticks, of each of `ticks`."""
        ticks = np.asarray(ticks, np.int64)
        starts = self.bar_starts(int(ticks.max(initial=0)) + 1)
        bar = np.searchsorted(starts, ticks, side="right") - 1
        return bar, ticks - starts[bar]

    def time_signature_at(self, tick: int) -> TimeSignature:
        """The time signature in force at `tick`."""
        return [s for s in self.time_signatures if s.onset <= tick][-1]

    def seconds(self, ticks: ArrayLike) -> NDArray[np.float64]:
        """Time in seconds of each of `ticks`, by the tempi."""
        return signatures.seconds_at(self.tempi, ticks, self.ticks_per_quarter)

    # What can be made of it

    def select(self, notes: ArrayLike) -> Piece:
        """The same piece with only those notes, given as a mask or as indices."""
        notes = np.asarray(notes) if np.size(notes) else np.zeros(0, np.int64)
        return replace(self, **{n: getattr(self, n)[notes] for n in note_columns.NAMES})

    def transpose(self, semitones: int) -> Piece:
        """The piece `semitones` higher, keys along with the notes; drums stay.

        Raises
        ------
        PieceError
            If a pitch would leave 0-127.
        """
        pitch = np.where(self.is_drum, self.pitch, self.pitch + semitones)
        return replace(self, pitch=pitch, keys=tuple(k.transpose(semitones) for k in self.keys))

    def slice(self, start: int, stop: int) -> Piece:
        """The music of ticks [start, stop), beginning at tick 0 again.

        Notes that begin in it are kept and end at `stop` at the latest. `start` must be a bar line where the metre
        changes later on, or the changes would fall into mid-bar.
        """
        inside = (self.onset >= start) & (self.onset < stop)
        cut = self.select(inside)
        return replace(
            cut,
            onset=cut.onset - start,
            duration=np.minimum(cut.end, stop) - cut.onset,
            pedals=signatures.slice_pedals(self.pedals, start, stop),
            **self._changed(lambda events: signatures.slice_events(events, start, stop)),
        )

    def bars(self, first: int, last: int) -> Piece:
        """Bars `first` to `last`, both included, counted as in a score (see `first_bar`), beginning at tick 0 again.

        Raises
        ------
        PieceError
            If the piece has no such bars.
        """
        low, high = self.first_bar, self.last_bar
        if not low <= first <= last <= high:
            raise PieceError(f"bars {first} to {last} were asked for; the piece has bars {low} to {high}")
        starts = self.bar_starts()
        begin, end = first - low, last - low + 1
        stop = int(starts[end]) if end < len(starts) else max(self.length, int(starts[begin]) + 1)
        return self.slice(int(starts[begin]), stop)

    def join(self, other: Piece, at: int) -> Piece:
        """The piece up to tick `at`, then `other` from there on; parts are matched by position.

        Notes of this piece end at `at` at the latest. The metre, tempo and key of `other` are written at `at` where they
        differ from what is in force. `at` must be a bar line if `other` changes the metre.
        """
        if other.ticks_per_quarter != self.ticks_per_quarter:
            raise PieceError(f"cannot join grids of {self.ticks_per_quarter} and {other.ticks_per_quarter} ticks a quarter")
        head = self.slice(0, at) if at < self.length else self
        notes: dict[str, Any] = {
            name: np.concatenate([getattr(head, name), getattr(other, name) + (at if name == "onset" else 0)])
            for name in note_columns.NAMES
        }
        events: dict[str, Any] = {
            name: signatures.join_events(getattr(head, name), getattr(other, name), at) for name in _CHANGES
        }
        events["pedals"] = signatures.join_pedals(self.pedals, other.pedals, at)
        parts = self.parts + other.parts[len(self.parts) :]
        return replace(self, **notes, **events, parts=parts)

    def resolution(self, ticks_per_quarter: int) -> Piece:
        """The same music on another grid, each onset and end at the nearest tick (exact if the new grid is a multiple).

        On a coarser grid a note ends where the next one of its part and pitch begins, and of two that come to one tick the
        longer stays.
        """
        grids = self.ticks_per_quarter, ticks_per_quarter
        onset, duration, kept = note_columns.on_grid(self.onset, self.end, self.part << 7 | self.pitch, *grids)
        return replace(
            self,
            onset=onset,
            duration=duration,
            pitch=self.pitch[kept],
            velocity=self.velocity[kept],
            part=self.part[kept],
            pedals=signatures.pedals_on_grid(self.pedals, *grids),
            **self._changed(lambda events: signatures.events_on_grid(events, *grids)),
            ticks_per_quarter=ticks_per_quarter,
        )

    # Doors to the floors above; each imports its library only when it is called

    def to_pretty_midi(self) -> pretty_midi.PrettyMIDI:
        """The piece as a `pretty_midi.PrettyMIDI` (see `melody.midi.to_pretty_midi`)."""
        from melody import midi

        return midi.to_pretty_midi(self)

    @classmethod
    def from_pretty_midi(cls, pm: pretty_midi.PrettyMIDI) -> Piece:
        """The piece in a `pretty_midi.PrettyMIDI` (see `melody.midi.from_pretty_midi`)."""
        from melody import midi

        return midi.from_pretty_midi(pm)

    @classmethod
    def read(cls, path: str | PathLike[str]) -> Piece:
        """The piece in a file: MusicXML, ABC or Humdrum by its suffix, else MIDI.

        Raises
        ------
        melody.errors.ScoreError, melody.errors.MidiError
            If it cannot be read (`melody.score.score_files.read_score`, `melody.midi.read`).
        """
        from pathlib import Path

        from melody import midi
        from melody.arguments import path_of
        from melody.score.formats import READS
        from melody.score.score_files import read_score

        found = Path(path_of(path, "the file"))
        return read_score(found) if found.suffix.lower() in READS else midi.read(found)

    def write(self, path: str | PathLike[str]) -> None:
        """Write a MIDI file, whole or not at all (see `melody.midi.write`).

        Raises
        ------
        PieceError
            If the name is that of another kind of file.
        melody.files.FileError
            If the system refuses.
        """
        from melody import midi
        from melody.arguments import path_of

        name = path_of(path, "the file")
        if name.lower().endswith(_NO_MIDI):
            raise PieceError(
                f"{name}: a piece is written as MIDI; name a file ending in .mid (melody.render makes sound, "
                "melody.score.engraving scores, melody.report pictures)"
            )
        midi.write(self, name)

    def plot(self) -> Figure:
        """A piano roll, as a matplotlib figure (see `melody.report.roll.plot`)."""
        from melody.report.roll import plot

        return plot(self)

    def audio(self) -> Sound:
        """Its sound, which a notebook shows as a player (see `melody.render.audio_bytes`)."""
        from melody.render import audio_bytes

        return audio_bytes(self)

    def _repr_html_(self) -> str:
        from melody.report.page import repr_html

        return repr_html(self)
