"""How the notes of a MIDI file are played: pedal, volume, expression, pan and pitch bend, beside the `Piece`.

Conventions
-----------
A piece is notes. What a file says of how they sound is a `Performance`: changes in the order of time, each of one value of
one channel, on which some parts of the piece play. Values hold until the next change. Until the first they are what
General MIDI says: pedal up, volume 100, expression 127, pan 64, no bend.

    controller 7, 11, 10, 64          volume, expression, pan, sustain pedal (down from 64 on)
    pitch bend, registered parameters cents: the wheel times its range (parameter 0, 2 semitones until it is set), and the
    0, 1 and 2                        tuning of the channel (1 fine, 2 coarse); the range in semitones and cents
    controller 121                    pedal up, expression 127, no bend, no parameter chosen (RP-015); not volume, not pan
    controller 120; 123 to 127        all sound off; all notes off, which the pedal still holds

The piece is read on the file's own grid, so that notes and controllers keep their places to the tick.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum
from math import gcd
from os import PathLike
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from melody.errors import MidiError
from melody.midi import chunks
from melody.midi.file_events import Source, check_limits, to_piece
from melody.midi.read_limits import ReadLimits
from melody.midi.reading import Reading, bytes_of
from melody.midi.salvage import Played, played
from melody.note_columns import struck_again
from melody.piece import Ints, Piece

MAX_GRID = 32767
_FALLBACK_GRID = 960  # for time code whose ticks no piece can count
_SECONDS = 60.0  # a whole file is read by the careful reader, too
_POLY, _CONTROL, _CHANNEL_PRESSURE, _BEND = 0xA, 0xB, 0xD, 0xE
_PEDAL_DOWN, _NULL, _DRUMS = 64, (127, 127), 9


class Kind(IntEnum):
    """What a change is of. The last two have no value: they happen."""

    VOLUME = 0  # 0-127
    EXPRESSION = 1  # 0-127
    PAN = 2  # 0-127, left to right
    PEDAL = 3  # 0-127
    BEND = 4  # cents, tuning included
    NOTES_OFF = 5
    SOUND_OFF = 6


DEFAULTS = {Kind.VOLUME: 100.0, Kind.EXPRESSION: 127.0, Kind.PAN: 64.0, Kind.PEDAL: 0.0, Kind.BEND: 0.0}
_KIND_OF = {7: Kind.VOLUME, 11: Kind.EXPRESSION, 10: Kind.PAN, 64: Kind.PEDAL}
_ENDING = {120: Kind.SOUND_OFF} | dict.fromkeys(range(123, 128), Kind.NOTES_OFF)
_BANK, _DATA, _DATA_FINE, _RESET = 0, 6, 38, 121
_PARAMETER = {101: 0, 100: 1}  # controllers that choose a registered parameter: its place in the pair
_OTHER_PARAMETERS = (98, 99)
# What is not played, by controller: its name, and the least value that would be heard.
_UNPLAYED = {
    1: ("modulation", 1),
    2: ("breath", 1),
    5: ("portamento", 1),
    65: ("portamento", 64),
    84: ("portamento", 0),
    66: ("sostenuto pedal", 64),
    67: ("soft pedal", 64),
    68: ("legato pedal", 64),
    69: ("hold pedal 2", 64),
    91: ("reverb", 1),
    93: ("chorus", 1),
}
_UNPLAYED_UNLESS_CENTRED = dict.fromkeys((8,), "balance") | dict.fromkeys(range(71, 80), "sound controllers")


@dataclass(frozen=True)
class Performance:
    """How a piece is played.

    Parameters
    ----------
    channels
        Of each part of the piece.
    tick
        When each change comes, in ticks of the piece's grid, not always whole; ascending, (changes,).
    channel, kind, value
        Of each change: whose it is, which `Kind`, and to what, (changes,).
    remarks
        What the file asks for and nothing plays, in one plain sentence; empty mostly.
    source
        The MIDI file it was read from, for who plays files; empty if that had to be repaired.
    """

    channels: tuple[int, ...]
    tick: NDArray[np.float64]
    channel: Ints
    kind: Ints
    value: NDArray[np.float64]
    remarks: tuple[str, ...] = ()
    source: bytes = field(default=b"", repr=False)

    def of(self, channel: int, kind: Kind) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Ticks and values of the changes of one kind on a channel."""
        own = (self.channel == channel) & (self.kind == kind)
        return self.tick[own], self.value[own]

    def held(self, piece: Piece) -> Piece:
        """The piece with each note as long as pedal and endings make it sound.

        A note that ends while its pedal is down ends when the pedal goes up, or when its part strikes the same pitch again;
        one that ends as the pedal goes down is not held. A pedal that never goes up does with the last change or note.
        """
        if not piece.num_notes:
            return piece
        last = max(float(piece.length), self.tick.max(initial=0.0))
        end = piece.end.copy()
        for channel in set(self.channels):
            own = np.flatnonzero(np.array(self.channels)[piece.part] == channel)
            end[own] = self._ended(channel, piece.onset[own], end[own], last)
        end = np.minimum(end, struck_again(piece.onset, piece.part << 7 | piece.pitch))
        return replace(piece, duration=end - piece.onset)

    def _ended(self, channel: int, onset: Ints, end: Ints, last: float) -> Ints:
        """Where notes end on a channel."""
        stops = np.sort(np.concatenate([self.of(channel, Kind.NOTES_OFF)[0], [np.inf]]))
        found = np.minimum(end, stops[np.searchsorted(stops, onset, side="right")])
        ticks, values = self.of(channel, Kind.PEDAL)
        down = values >= _PEDAL_DOWN
        before = np.searchsorted(ticks, found, side="left") - 1  # of changes at the end itself none is looked at
        held = (before >= 0) & down[before] if len(ticks) else np.zeros(len(found), bool)
        ups = np.append(ticks[~down], last)
        found[held] = ups[np.searchsorted(ups, found[held], side="left").clip(max=len(ups) - 1)]
        ends: Ints = np.maximum(np.round(found).astype(np.int64), onset + 1)
        return ends


class Performed(NamedTuple):
    """A piece read from a file on the file's own grid, and how it is played."""

    reading: Reading
    performance: Performance


def read_performed(path: str | PathLike[str], limits: ReadLimits | None = None) -> Performed:
    """The music in a MIDI file as it is to be heard.

    Raises
    ------
    MidiError
        As `melody.midi.read`.
    """
    limits = limits or ReadLimits(max_seconds=_SECONDS)
    data = bytes_of(path, limits)
    try:
        return parse_performed(data, limits)
    except MidiError as error:
        raise MidiError(f"{path}: {error}") from error


def parse_performed(data: bytes, limits: ReadLimits | None = None) -> Performed:
    """Like `read_performed`, from the bytes of a file."""
    limits = limits or ReadLimits(max_seconds=_SECONDS)
    limits.check("bytes", len(data), limits.max_bytes)
    data = chunks.unwrapped(data)
    repairs: list[str] = []
    found = played(data, limits, repairs)
    check_limits(found.source, limits)
    source = b"" if repairs else data
    grid = _grid(found.source)
    piece, grid_error = to_piece(found.source, grid, repairs)
    performance = replace(_performance(found, grid), source=source)
    return Performed(Reading(piece, tuple(repairs), grid_error), performance)


def _grid(source: Source) -> int:
    """The file's own, made finer where a bar of sixty-fourths needs it."""
    own = source.ticks_per_quarter
    finer = own * 16 // gcd(own, 16)
    return next((grid for grid in (finer, own) if grid <= MAX_GRID), _FALLBACK_GRID)


def _performance(found: Played, grid: int) -> Performance:
    """The changes of all channels by time."""
    order = np.argsort(found.controls[0], kind="stable")
    tick, channel, kind, value = found.controls[:, order]
    unplayed: set[str] = set()
    changes: list[tuple[int, int, float]] = []
    places: list[NDArray[np.int64]] = []
    of_channel: list[NDArray[np.int64]] = []
    for number in sorted(set(found.channels) & set(channel.tolist())):
        own = np.flatnonzero(channel == number)
        made = list(
            _Channel(unplayed, is_drum=number % 16 == _DRUMS).changes(own.tolist(), kind[own].tolist(), value[own].tolist())
        )
        changes += made
        places.append(np.array([place for place, _, _ in made], np.int64))
        of_channel.append(np.full(len(made), number))
    at = np.concatenate([np.zeros(0, np.int64), *places])
    by_time = np.argsort(at, kind="stable")
    ticks = tick[at[by_time]] * (grid / found.source.ticks_per_quarter)
    return Performance(
        channels=tuple(found.channels),
        tick=ticks,
        channel=np.concatenate([np.zeros(0, np.int64), *of_channel])[by_time],
        kind=np.array([which for _, which, _ in changes], np.int64)[by_time],
        value=np.array([to for _, _, to in changes], np.float64)[by_time],
        remarks=(f"not played: {', '.join(sorted(unplayed))}",) if unplayed else (),
    )


class _Channel:
    """One channel's messages, one after another; what is not played is added to `unplayed`."""

    def __init__(self, unplayed: set[str], is_drum: bool) -> None:
        self._unplayed, self._is_drum = unplayed, is_drum
        self._parameter = list(_NULL)
        self._wheel, self._range, self._range_fine, self._fine, self._coarse = 0, 2, 0, 8192, 64

    def changes(
        self, places: Sequence[int], kinds: Sequence[int], values: Sequence[int]
    ) -> Iterator[tuple[int, int, float]]:
        """Place, `Kind` and value of each change."""
        for place, message, value in zip(places, kinds, values):
            if message == _BEND:
                self._wheel = value - 8192
                yield place, Kind.BEND, self._cents
            elif message == _CONTROL:
                for which, to in self._controlled(value & 127, value >> 7):
                    yield place, which, to
            elif message in (_POLY, _CHANNEL_PRESSURE) and value >> 7:
                self._unplayed.add("aftertouch")

    @property
    def _cents(self) -> float:
        bend = self._wheel / 8192 * (100 * self._range + self._range_fine)
        return bend + (self._fine - 8192) / 81.92 + 100 * (self._coarse - 64)

    def _controlled(self, number: int, value: int) -> Iterator[tuple[int, float]]:
        if number in _KIND_OF:
            yield _KIND_OF[number], value
        elif number in _ENDING:
            yield _ENDING[number], 0.0
        elif number in _PARAMETER:
            self._parameter[_PARAMETER[number]] = value
        elif number in _OTHER_PARAMETERS:
            self._parameter = list(_NULL)
        elif number in (_DATA, _DATA_FINE):
            if self._set(number == _DATA, value):
                yield Kind.BEND, self._cents
        elif number == _RESET:
            self._parameter, self._wheel = list(_NULL), 0
            yield from ((Kind.PEDAL, 0.0), (Kind.EXPRESSION, 127.0), (Kind.BEND, self._cents))
        else:
            self._pass_over(number, value)

    def _set(self, is_coarse: bool, value: int) -> bool:
        """Set the parameter that is chosen; whether that may be heard."""
        if self._parameter == [0, 0]:
            self._range, self._range_fine = (value, self._range_fine) if is_coarse else (self._range, value)
        elif self._parameter == [0, 1]:
            self._fine = (value << 7 | self._fine & 127) if is_coarse else (self._fine & ~127 | value)
        elif self._parameter == [0, 2] and is_coarse:
            self._coarse = value
        else:
            return False
        return True

    def _pass_over(self, number: int, value: int) -> None:
        name, least = _UNPLAYED.get(number, ("", 128))
        if value >= least:
            self._unplayed.add(name)
        if number in _UNPLAYED_UNLESS_CENTRED and value != 64:
            self._unplayed.add(_UNPLAYED_UNLESS_CENTRED[number])
        if number == _BANK and value and not self._is_drum:
            self._unplayed.add("banks of other sounds")
