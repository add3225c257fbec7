"""Other notes for one part of a MIDI file; everything else stays as it is, byte for byte.

Conventions
-----------
A part is what `read` makes a part: the notes of one track, channel and program, numbered by track, then channel, then
program. The program of a note is the one that the track has set for the channel when the note begins, 0 if none. Ticks
are those of the piece as it is read on the grid of the given notes; a note belongs to the range if its onset, snapped to
that grid, does. In that range

    an old note that equals a given one   stays as it is, even off the grid: given its own notes, the file stays the same
    any other old note                    goes, with its end
    any other given note                  is written exactly: where an old one began at its tick, else behind all else at it
    where two of one pitch would overlap  on the channel, old and new: the earlier ends where the later begins, as in `read`
    controllers, bends, lyrics, markers   stay at their ticks, and so do the notes of all other parts

A note that begins before the range is left to sound into it. The end of the track moves only to make room. No program is
changed: new notes must begin where the part's program is set. Where the file's grid does not hold the new notes exactly,
the division and all delta times of the whole file are multiplied by a whole number, which moves nothing; a remark says so.

Only whole files are edited. One that `read` would have to repair is refused; so is a note without an end, or an end without
a note, on the channel of the part, for they would take hold of the new notes. A text that is not UTF-8 does no harm.
The result is read again, and must say what was asked for and nothing else: so a file of format 2, whose sequences `read`
puts one after another, is refused if a longer one would move the next.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from os import PathLike
from pathlib import Path

import numpy as np

from melody import files
from melody.errors import MidiError
from melody.midi import chunks, lossless
from melody.midi.channel import Channel, Edit, Note, Place, players
from melody.midi.file_events import END, PART, PITCH, START, VELOCITY, Source
from melody.midi.lossless import File
from melody.midi.read_limits import Deadline, ReadLimits
from melody.midi.reading import read_file, scan
from melody.piece import Ints, Key, Piece, overlaps
from melody.signatures import TICKS_PER_QUARTER

_TEXT, _KEY_SIGNATURE = 0x01, 0x59  # meta events


@dataclass(frozen=True)
class Spliced:
    """A MIDI file after an edit.

    Parameters
    ----------
    data
        Its bytes.
    remarks
        One plain sentence for everything that was done beyond exchanging notes; mostly none.
    """

    data: bytes
    remarks: tuple[str, ...] = ()


def places(data: bytes, limits: ReadLimits | None = None) -> tuple[Place, ...]:
    """Where each part stands of the piece that `parse` reads from these bytes.

    Raises
    ------
    MidiError
        If they are no MIDI, hold anything that would have to be repaired, or are over a limit.
    """
    limits = limits or ReadLimits()
    scan(data, limits)
    return _places(_opened(data, limits))


def splice(
    data: bytes,
    notes: Piece,
    part: int = 0,
    first_tick: int = 0,
    last_tick: int | None = None,
    limits: ReadLimits | None = None,
) -> Spliced:
    """The MIDI file with other notes in a part of it; all else as it was (see the module's conventions).

    Parameters
    ----------
    data
        The bytes of a whole MIDI file of format 0, 1 or 2, RIFF RMID as well.
    notes
        The notes to be there, at the ticks of the piece as it is read on their grid. Only their onset, duration, pitch and
        velocity count; there may be none.
    part
        Number of the part, from 0, in the piece that `parse` reads from `data`.
    first_tick, last_tick
        The notes that begin in [first_tick, last_tick) are exchanged; without `last_tick` all from `first_tick` on. To
        continue a part is to exchange the none that begin where it ends.

    Raises
    ------
    MidiError
        If the file would have to be repaired, is over a limit before or after, or cannot hold these notes there.

    Examples
    --------
    >>> from melody import midi
    >>> scale = midi.to_bytes(Piece([0, 24, 48], [24, 24, 24], [60, 62, 64]))
    >>> midi.parse(splice(scale, Piece([24], [24], [67]), 0, 24, 48).data).piece.pitch
    array([60, 67, 64])
    """
    limits = limits or ReadLimits()
    _check_notes(notes, first_tick, last_tick)
    source, _ = scan(data, limits)
    file = _opened(data, limits)
    known = _places(file)
    if not 0 <= part < len(known):
        raise MidiError(f"has no part {part}; it has parts 0 to {len(known) - 1}")
    channel = Channel.of(file.tracks[known[part].track], known[part])
    clock = _Clock.of(file, source, part, channel, notes.ticks_per_quarter)
    gone, new = _exchanged(channel.own, clock, notes, first_tick, last_tick)
    if not gone and not new.shape[1]:
        return Spliced(data)
    factor = clock.factor(new)
    if factor > 1:
        finer = chunks.wrapped(lossless.finer(file, factor), data)
        again = splice(finer, notes, part, first_tick, last_tick, limits)
        return Spliced(again.data, (f"the file's grid made {factor} times as fine to hold the new notes", *again.remarks))
    edit = Edit(channel, gone)
    edit.put_in(clock.in_file(new))
    result = chunks.wrapped(file.with_tracks({channel.place.track: edit.written()}), data)
    _verify(result, _intended(source, known, channel.place, edit.notes, clock), limits)
    return Spliced(result, edit.remarks())


def annotated(
    data: bytes, part: int, texts: Sequence[str] = (), key: Key | None = None, ticks_per_quarter: int = TICKS_PER_QUARTER
) -> bytes:
    """The MIDI file with texts at the beginning of the track of a part, and with a key signature in it; all else as it was.

    Parameters
    ----------
    data
        The bytes of a MIDI file that `splice` can edit.
    part
        Number of the part, as for `splice`.
    texts
        Text events (meta event 1), written as UTF-8.
    key
        At a tick of the piece as it is read on a grid of `ticks_per_quarter`; it comes before the notes there.

    Raises
    ------
    MidiError
        If the file would have to be repaired, or there is no such part.

    Examples
    --------
    >>> from melody import midi
    >>> tune = midi.to_bytes(Piece([0, 24], [24, 24], [60, 62]))
    >>> midi.parse(midi.annotated(tune, 0, key=Key(24, 1, "major"))).piece.keys
    (Key(onset=24, fifths=1, mode='major'),)
    """
    limits = ReadLimits()
    source, _ = scan(data, limits)
    file = _opened(data, limits)
    known = _places(file)
    if not 0 <= part < len(known):
        raise MidiError(f"has no part {part}; it has parts 0 to {len(known) - 1}")
    track = file.tracks[known[part].track]
    out, done = lossless.Rewriting(track), 0
    for text in texts:
        out.put(0, _meta(_TEXT, text.encode("utf-8", "replace")))
    if key is not None:
        clock = _Clock.of(file, source, part, Channel.of(track, known[part]), ticks_per_quarter)
        tick = clock.nearest(key.onset)
        done = int(np.searchsorted(track.events[lossless.TICK], tick))
        out.copy(0, done)
        out.put(tick, _meta(_KEY_SIGNATURE, struct.pack("bB", key.fifths, key.mode == "minor")))
    out.copy(done, track.events.shape[1])
    return chunks.wrapped(file.with_tracks({known[part].track: out.written()}), data)


def replace_part(
    source_path: str | PathLike[str],
    target_path: str | PathLike[str],
    part: int,
    first_tick: int,
    last_tick: int | None,
    notes: Piece,
    limits: ReadLimits | None = None,
) -> tuple[str, ...]:
    """Read a MIDI file, `splice` it and write the result, whole or not at all; what is to be remarks of it.

    The two paths may be the same.

    Raises
    ------
    MidiError
        As `read` and `splice`. The message begins with the name of the file.
    melody.files.FileError
        If the system refuses to write.
    """
    read_file(source_path, limits)  # a pipe, a folder and too large a file end here, with their sentence
    try:
        spliced = splice(Path(source_path).read_bytes(), notes, part, first_tick, last_tick, limits)
    except MidiError as error:
        raise MidiError(f"{source_path}: {error}") from error
    files.write_bytes(target_path, spliced.data)
    return spliced.remarks


def _meta(kind: int, body: bytes) -> bytes:
    return bytes([0xFF, kind]) + chunks.to_varlen(len(body)) + body


def _opened(data: bytes, limits: ReadLimits) -> File:
    return lossless.opened(chunks.unwrapped(data), Deadline(limits.max_seconds))


def _places(file: File) -> tuple[Place, ...]:
    return tuple([Place(number, *player) for number, track in enumerate(file.tracks) for player in players(track)])


def _check_notes(notes: Piece, first_tick: int, last_tick: int | None) -> None:
    if first_tick < 0 or (last_tick is not None and last_tick <= first_tick):
        raise MidiError(f"cannot be edited in ticks {first_tick} to {last_tick}; give a range from 0 on, of a tick or more")
    outside = (notes.onset < first_tick) | (notes.onset >= (np.inf if last_tick is None else last_tick))
    if outside.any():
        raise MidiError(
            f"cannot take a note at tick {notes.onset[outside][0]} into ticks {first_tick} to {last_tick or 'the end'}; "
            "give only notes that begin in the range"
        )
    doubled = overlaps(notes.onset, notes.duration, notes.pitch, np.zeros_like(notes.part))
    if doubled.size:
        raise MidiError(
            f"cannot take notes of several parts that overlap on one pitch, {notes.pitch[doubled[0]]} at tick "
            f"{notes.onset[doubled[0]]}; give notes for one part"
        )


@dataclass(frozen=True)
class _Clock:
    """Ticks of a track in its file <-> ticks of the piece as it is read.

    A tick of the piece is `source` / `grid` of the reader's own, a tick of the file `scale` of them, the first at `origin`.
    """

    source: int
    grid: int
    scale: int
    origin: int

    @classmethod
    def of(cls, file: File, source: Source, part: int, channel: Channel, grid: int) -> _Clock:
        """The clock of a part; where its track begins is seen from its first note."""
        scale = 1
        if file.division < 0:  # as in `salvage`: half a second is a quarter, 29 frames stand for 29.97
            frames = -(file.division >> 8)
            per_second = Fraction(30_000, 1001) if frames == 29 else Fraction(frames)
            scale = (per_second * (file.division & 255) / 2).denominator
        first = int(source.notes[START, source.notes[PART] == part].min())
        return cls(source.ticks_per_quarter, grid, scale, first - channel.own[0].start * scale)

    def read(self, ticks: Ints) -> Ints:
        """Ticks of the file as the reader has them."""
        return self.origin + ticks * self.scale

    def snapped(self, ticks: Ints) -> Ints:
        """Ticks of the file at the nearest tick of the piece, halves up, as in `source`."""
        return (2 * self.read(ticks) * self.grid + self.source) // (2 * self.source)

    def factor(self, new: Ints) -> int:
        """How many times as fine the file's grid must be to hold these notes exactly."""
        unit = self.grid * self.scale
        return unit // int(np.gcd.reduce(self._units(new[:2]).ravel(), initial=unit))

    def in_file(self, new: Ints) -> list[tuple[int, int, int, int]]:
        """Start, end, pitch and velocity of each note, in ticks of the file that hold them exactly, by start."""
        times = self._units(new[:2]) // (self.grid * self.scale)
        if times.size and times.min() < 0:
            raise MidiError("is of format 2, and a new note would begin before its own sequence; put it later")
        return sorted(zip(*times.tolist(), *new[2:].tolist()))

    def nearest(self, tick: int) -> int:
        """The tick of the file at a tick of the piece, or the last before it."""
        return max(int(self._units(np.array(tick))) // (self.grid * self.scale), 0)

    def _units(self, ticks: Ints) -> Ints:
        """Ticks of the piece in parts of a tick of the file, `grid` * `scale` of which make one."""
        return ticks * self.source - self.origin * self.grid


def _exchanged(own: Sequence[Note], clock: _Clock, notes: Piece, first: int, last: int | None) -> tuple[list[Note], Ints]:
    """The notes of the part that go, and the given ones that come: (4, notes) of onset, end, pitch and velocity."""
    times = clock.snapped(np.array([(note.start, note.end) for note in own]).T)
    spans = zip(times[0].tolist(), np.maximum(times[1], times[0] + 1).tolist())
    given = Counter(zip(*[c.tolist() for c in (notes.onset, notes.end, notes.pitch, notes.velocity)]))
    gone = []
    for (onset, end), note in zip(spans, own):
        if onset < first or (last is not None and onset >= last):
            continue
        row = (onset, end, note.pitch, note.velocity)
        if given[row]:
            given[row] -= 1
        else:
            gone.append(note)
    return gone, np.array(list(given.elements()), np.int64).reshape(-1, 4).T


def _intended(source: Source, known: Sequence[Place], place: Place, notes: Sequence[Note], clock: _Clock) -> Ints:
    """The notes that the file is to have after the edit, as in `Source.notes`."""
    edited = {p.program: number for number, p in enumerate(known) if p[:2] == place[:2]}
    others = source.notes[:, ~np.isin(source.notes[PART], list(edited.values()))]
    rows = [(note.start, note.end, note.pitch, note.velocity, edited[note.program]) for note in notes]
    own = np.array(rows, np.int64).reshape(-1, 5).T
    own[[START, END]] = clock.read(own[[START, END]])
    return np.concatenate([others, own], axis=1)


def _verify(result: bytes, intended: Ints, limits: ReadLimits) -> None:
    """Read the result, and raise `MidiError` if it does not say what was intended."""
    if not intended.shape[1]:
        raise MidiError("would hold no notes after that; leave one, or give some")
    try:
        found = scan(result, limits)[0].notes
    except MidiError as error:
        raise MidiError(f"cannot be edited so: afterwards it {error}") from error
    if not np.array_equal(_in_order(found), _in_order(intended)):
        raise MidiError(
            "cannot be edited there: notes elsewhere would be read otherwise; save it as format 1, and edit that"
        )


def _in_order(notes: Ints) -> Ints:
    """The notes sorted, their parts numbered from 0 without gaps."""
    notes = notes.copy()
    notes[PART] = np.unique(notes[PART], return_inverse=True)[1]
    return notes[:, np.lexsort(notes[[VELOCITY, END, PITCH, START, PART]])]
