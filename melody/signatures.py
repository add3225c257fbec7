"""What stands beside the notes: time signatures, tempi and keys, each from a tick on, and when the pedal is down.

Times are in ticks of a piece's grid, 24 to the quarter note by default.

A piece has one sustain pedal, under the foot of whoever plays its keyboards (programs 0 to 7 of General MIDI): two staves
that are two hands share it, and no other player of a band is held by it. It is a tuple of presses by time. A press holds in
[onset, end) ticks; the next one may begin where it ends, when the foot goes up and down again at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import gcd
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from melody.errors import PieceError

TICKS_PER_QUARTER = 24
MAX_TICK = 2**31 - 1
KEY_PROFILES = {  # how often each pitch class sounds, from the tonic up: Temperley's, in music21 from humdrum's keycor
    "major": (0.748, 0.060, 0.488, 0.082, 0.670, 0.460, 0.096, 0.715, 0.104, 0.366, 0.057, 0.400),
    "minor": (0.712, 0.084, 0.474, 0.618, 0.049, 0.460, 0.105, 0.747, 0.404, 0.067, 0.133, 0.330),
}


class TimeSignature(NamedTuple):
    """`numerator`/`denominator` from the bar line at tick `onset` on; numerator 1-255, denominator a power of 2 up to 64."""

    onset: int
    numerator: int
    denominator: int

    def bar_ticks(self, ticks_per_quarter: int = TICKS_PER_QUARTER) -> int:
        """Length of a bar in ticks."""
        return self.numerator * 4 * ticks_per_quarter // self.denominator

    def beat_ticks(self, ticks_per_quarter: int = TICKS_PER_QUARTER) -> int:
        """Length of a beat in ticks: the denominator's note, or three of them in compound time (6/8, 9/8, 12/8)."""
        unit = 4 * ticks_per_quarter // self.denominator
        compound = self.denominator >= 8 and self.numerator > 3 and self.numerator % 3 == 0
        return unit * 3 if compound else unit


class Tempo(NamedTuple):
    """A tempo from tick `onset` on, in whole microseconds per quarter note, as MIDI has it (1 to 16,777,215)."""

    onset: int
    microseconds: int

    @property
    def qpm(self) -> float:
        """Quarter notes per minute."""
        return 60e6 / self.microseconds

    @classmethod
    def from_qpm(cls, onset: int, tempo_qpm: float) -> Tempo:
        """The nearest tempo MIDI can write."""
        return cls(onset, round(60e6 / tempo_qpm))


class Key(NamedTuple):
    """A key from tick `onset` on: sharps (positive) or flats (negative) in the signature, -7 to 7, and the mode."""

    onset: int
    fifths: int
    mode: str

    @property
    def tonic(self) -> int:
        """Pitch class of the tonic, 0 = C.

        >>> Key(0, 1, "major").tonic, Key(0, -1, "minor").tonic
        (7, 2)
        """
        return (7 * self.fifths + (9 if self.mode == "minor" else 0)) % 12

    @property
    def name(self) -> str:
        """The common name: 'G' for G major, 'Dm' for D minor, 'Bb', 'F#m'."""
        names = ["Cb", "Gb", "Db", "Ab", "Eb", "Bb", "F", "C", "G", "D", "A", "E", "B", "F#", "C#", "G#", "D#", "A#"]
        return names[self.fifths + 7 + (3 if self.mode == "minor" else 0)] + ("m" if self.mode == "minor" else "")

    def transpose(self, semitones: int) -> Key:
        """The key `semitones` higher, spelled with the fewest accidentals (six sharps rather than six flats).

        >>> Key(0, 0, "major").transpose(2)
        Key(onset=0, fifths=2, mode='major')
        """
        if semitones % 12 == 0:
            return self
        return self._replace(fifths=(self.fifths + 7 * semitones + 5) % 12 - 5)


def time_signature_of(onset: int, ticks: int, ticks_per_quarter: int = TICKS_PER_QUARTER) -> TimeSignature | None:
    """The time signature whose bar is `ticks` long, in the longest note value from quarters down that fits; None if none.

    >>> time_signature_of(0, 60)
    TimeSignature(onset=0, numerator=5, denominator=8)
    """
    whole = 4 * ticks_per_quarter
    denominator = max(whole // gcd(ticks, whole), 4)
    numerator, rest = divmod(ticks * denominator, whole)
    legal = rest == 0 and denominator in (4, 8, 16, 32, 64) and 1 <= numerator <= 255
    return TimeSignature(onset, numerator, denominator) if legal else None


def check_range(name: str, value: int, low: int, high: int) -> None:
    """Raise `PieceError` unless `value` is from `low` to `high`."""
    if not low <= value <= high:
        raise PieceError(f"{name} is {value}; it must be from {low} to {high}")


def check_time_signature(signature: TimeSignature, ticks_per_quarter: int = TICKS_PER_QUARTER) -> None:
    """Raise `PieceError` unless the signature is one that MIDI and the grid can hold."""
    check_range("numerator of a time signature", signature.numerator, 1, 255)
    if signature.denominator not in (1, 2, 4, 8, 16, 32, 64):
        raise PieceError(f"denominator of a time signature is {signature.denominator}; it must be 1, 2, 4, 8, 16, 32 or 64")
    if signature.numerator * 4 * ticks_per_quarter % signature.denominator:
        raise PieceError(
            f"a bar of {signature.numerator}/{signature.denominator} is no whole number of ticks at {ticks_per_quarter} "
            "ticks a quarter; take a finer grid"
        )


def check_tuple(name: str, value: object, kind: type) -> None:
    """Raise `PieceError` unless `value` is a tuple or list of `kind`."""
    if not isinstance(value, (tuple, list)) or not all(isinstance(one, kind) for one in value):
        raise PieceError(f"{name} is {str(value)[:60]!r}; it must be a tuple of {kind.__name__}")


class Pedal(NamedTuple):
    """A press of the sustain pedal: down at tick `onset`, up again at tick `end`."""

    onset: int
    end: int


# Sequences of events: time signatures, tempi or keys

_Event = TypeVar("_Event", TimeSignature, Tempo, Key)
_Number = TypeVar("_Number", int, NDArray[np.int64])


def events_of(name: str, value: object, kind: type[_Event]) -> tuple[_Event, ...]:
    """Events of a kind from events or plain tuples.

    Raises
    ------
    PieceError
        If the value is none.
    """
    size = len(kind._fields)
    if not isinstance(value, (tuple, list)) or not all(isinstance(e, tuple) and len(e) == size for e in value):
        raise PieceError(f"{name} is {str(value)[:60]!r}; it must be a tuple of {kind.__name__}")
    return tuple([e if type(e) is kind else kind(*e) for e in value])


def check_events(
    time_signatures: Sequence[TimeSignature], tempi: Sequence[Tempo], keys: Sequence[Key], ticks_per_quarter: int
) -> None:
    """Raise `PieceError` unless the events of a piece are legal, sorted, and time signatures stand on bar lines."""
    for name, events in (("time_signatures", time_signatures), ("tempi", tempi), ("keys", keys)):
        onsets = [event.onset for event in events]
        if onsets != sorted(set(onsets)) or (onsets and onsets[0] < 0):
            raise PieceError(f"{name} must be sorted, one at a tick, from tick 0; got ticks {onsets[:8]}")
        if name != "keys" and (not onsets or onsets[0] != 0):
            raise PieceError(f"{name} must begin at tick 0; got ticks {onsets[:8]}")
    for tempo in tempi:
        check_range("microseconds per quarter note", tempo.microseconds, 1, 2**24 - 1)
    for key in keys:
        check_range("fifths", key.fifths, -7, 7)
        if key.mode not in ("major", "minor"):
            raise PieceError(f"the mode of a key is {key.mode!r}; it must be 'major' or 'minor'")
    _check_bar_lines(time_signatures, ticks_per_quarter)


def _check_bar_lines(time_signatures: Sequence[TimeSignature], ticks_per_quarter: int) -> None:
    previous = time_signatures[0]
    for signature in time_signatures:
        check_time_signature(signature, ticks_per_quarter)
        if (signature.onset - previous.onset) % previous.bar_ticks(ticks_per_quarter):
            raise PieceError(
                f"{signature.numerator}/{signature.denominator} at tick {signature.onset} stands inside a bar of "
                f"{previous.numerator}/{previous.denominator}; a time signature must stand on a bar line"
            )
        previous = signature


def bar_starts(time_signatures: Sequence[TimeSignature], until: int, ticks_per_quarter: int) -> NDArray[np.int64]:
    """Ticks at which the bars begin, from 0 up to but not including `until`."""
    changes = [s for s in time_signatures if s.onset < until]
    ends = [s.onset for s in changes[1:]] + [until]
    return np.concatenate(
        [np.arange(s.onset, e, s.bar_ticks(ticks_per_quarter), dtype=np.int64) for s, e in zip(changes, ends)]
    )


def seconds_at(tempi: Sequence[Tempo], ticks: ArrayLike, ticks_per_quarter: int) -> NDArray[np.float64]:
    """Time in seconds of each of `ticks`."""
    at = np.array([t.onset for t in tempi], np.float64)
    per_tick = np.array([t.microseconds for t in tempi]) / 1e6 / ticks_per_quarter
    elapsed = np.concatenate([[0.0], np.cumsum(np.diff(at) * per_tick[:-1])])
    ticks = np.asarray(ticks, np.float64)
    i = np.searchsorted(at, ticks, side="right") - 1
    return elapsed[i] + (ticks - at[i]) * per_tick[i]


def tick_on_grid(tick: _Number, old: int, new: int) -> _Number:
    """The nearest tick on a grid of `new` ticks to the quarter, of one on a grid of `old`."""
    return (2 * tick * new + old) // (2 * old)


def events_on_grid(events: Sequence[_Event], old: int, new: int) -> tuple[_Event, ...]:
    """The events on another grid, each at the nearest tick."""
    return tuple(event._replace(onset=int(tick_on_grid(event.onset, old, new))) for event in events)


def slice_events(events: Sequence[_Event], start: int, stop: int) -> tuple[_Event, ...]:
    """The events in force in ticks [start, stop), the first of them from tick 0 on."""
    before = [e for e in events if e.onset <= start][-1:]
    inside = [e for e in events if start < e.onset < stop]
    return tuple(e._replace(onset=max(e.onset - start, 0)) for e in before + inside)


def join_events(head: Sequence[_Event], tail: Sequence[_Event], at: int) -> tuple[_Event, ...]:
    """The events of `head` up to tick `at`, then those of `tail` from there on; what changes nothing is left out."""
    kept = [e for e in head if e.onset <= at]
    for event in tail:
        moved = event._replace(onset=event.onset + at)
        if kept and kept[-1][1:] == moved[1:]:
            continue
        kept = [e for e in kept if e.onset < moved.onset] + [moved]
    return tuple(kept)


# Presses of the pedal


def presses_of(pedals: object) -> tuple[Pedal, ...]:
    """Presses from presses or plain tuples.

    Raises
    ------
    PieceError
        If the value is none, or a press has no length or begins before the one before it ends.
    """
    if not isinstance(pedals, (tuple, list)) or not all(isinstance(press, tuple) and len(press) == 2 for press in pedals):
        raise PieceError(f"pedals is {str(pedals)[:60]!r}; it must be a tuple of Pedal")
    presses = tuple(Pedal(*press) for press in pedals)
    before = 0
    for press in presses:
        check_range("the tick where the pedal goes up", press.end, 0, MAX_TICK)
        if not before <= press.onset < press.end:
            raise PieceError(
                f"the pedal goes down at tick {press.onset} and up at {press.end}, after going up at {before}; presses must "
                "follow one another, each of a tick or more"
            )
        before = press.end
    return presses


def pedals_on_grid(pedals: Sequence[Pedal], old: int, new: int) -> tuple[Pedal, ...]:
    """The presses on another grid, each end at the nearest tick; those that have no length there are left out."""
    moved = [Pedal(int(tick_on_grid(press.onset, old, new)), int(tick_on_grid(press.end, old, new))) for press in pedals]
    return tuple(press for press in moved if press.onset < press.end)


def slice_pedals(pedals: Sequence[Pedal], start: int, stop: int) -> tuple[Pedal, ...]:
    """What is pressed in ticks [start, stop), from tick 0 on."""
    inside = [press for press in pedals if press.onset < stop and press.end > start]
    return tuple(Pedal(max(press.onset, start) - start, min(press.end, stop) - start) for press in inside)


def join_pedals(head: Sequence[Pedal], tail: Sequence[Pedal], at: int) -> tuple[Pedal, ...]:
    """The presses of `head` up to tick `at`, then those of `tail` from there on."""
    return slice_pedals(head, 0, at) + tuple(Pedal(press.onset + at, press.end + at) for press in tail)
