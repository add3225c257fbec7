"""Whether a finished piece keeps to limits, read from its notes by the definitions in `Limits`, without any mask."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike

from melody.errors import MelodyError
from melody.general_midi import instrument_name
from melody.limits.chords import Chord
from melody.limits.limits import Limits
from melody.piece import Ints, Piece
from melody.score.names import class_name, pitch_name
from melody.signatures import Key, Tempo, TimeSignature
from melody.text import counted

_Event = TypeVar("_Event", TimeSignature, Tempo, Key)


def verify(piece: Piece, limits: Limits, *, start: int = 0, first_bar: int | None = None) -> tuple[str, ...]:
    """Each breach of the limits, in words; empty if the piece keeps them all.

    Parameters
    ----------
    piece
        The music, as it was read from its file.
    limits
        What it must keep to.
    start
        Only notes that begin at this tick or later are looked at, and metres, tempi and keys in force there or later:
        where a prompt ends and the new music begins.
    first_bar
        The tick of the bar that bars and chords are counted from; None for the first bar line from `start` on, of a whole
        piece that after the pick-up.

    Examples
    --------
    >>> verify(Piece([0, 24], [24, 24], [62, 63]), Limits.parse(key="D"))
    ('D#4 in bar 1 is not in D major',)
    """
    if not np.any(piece.onset >= start):
        return ("there is no note",)
    seen = _Seen(piece, limits, start, _first_bar(piece, start) if first_bar is None else first_bar)
    return tuple(breach for rule in _RULES for breach in rule(seen))


def ensure(piece: Piece, limits: Limits, *, start: int = 0, first_bar: int | None = None) -> None:
    """Refuse music that a model has made and that breaks a limit, which would be a fault of ours; parameters as of `verify`.

    Raises
    ------
    MelodyError
        If it does; it must not be written then.
    """
    breaches = verify(piece, limits, start=start, first_bar=first_bar)
    if breaches:
        raise MelodyError(
            f"the tune breaks a limit, which is a fault of this program ({breaches[0]}); it is not written, report it"
        )


@dataclass(frozen=True)
class _Seen:
    """What a rule looks at."""

    piece: Piece
    limits: Limits
    start: int
    first_bar: int  # the tick at which the first bar that counts begins

    @cached_property
    def notes(self) -> Ints:
        """Indices of the notes that are looked at."""
        return np.flatnonzero(self.piece.onset >= self.start)

    @cached_property
    def tones(self) -> Ints:
        """Those of them that have a pitch: no drums."""
        return np.flatnonzero((self.piece.onset >= self.start) & ~self.piece.is_drum)

    @cached_property
    def bars(self) -> Ints:
        """The number of the bar in which each note of the piece begins, as in a score."""
        return self.bars_at(self.piece.onset)

    def bars_at(self, ticks: ArrayLike) -> Ints:
        """The number of the bar of each of those ticks, as in a score: see `Piece.first_bar`."""
        return self.piece.bar_and_position(ticks)[0] + self.piece.first_bar

    def named(self, note: int) -> str:
        """A note and where it begins."""
        pitch = int(self.piece.pitch[note])
        name = (
            f"drum {pitch}"
            if self.piece.parts[self.piece.part[note]].is_drum
            else pitch_name(pitch, flats=self.limits.flats)
        )
        return f"{name} in bar {self.bars[note]}"


def _first_bar(piece: Piece, start: int) -> int:
    """The first bar line at `start` or later; the second of the piece if its first bar is a pick-up."""
    lines = piece.bar_starts(max(piece.length, start) + piece.time_signatures[-1].bar_ticks(piece.ticks_per_quarter) + 1)
    if start == 0:
        return int(lines[int(piece.has_pickup)])
    return int(lines[np.searchsorted(lines, start)])


def _signatures(seen: _Seen) -> Iterator[str]:
    piece, limits = seen.piece, seen.limits
    for metre in _in_force(piece.time_signatures, seen.start):
        if limits.metre and metre[1:] != limits.metre:
            yield f"the metre is {metre.numerator}/{metre.denominator}, not {limits.metre[0]}/{limits.metre[1]}"
    for tempo in _in_force(piece.tempi, seen.start):
        if limits.tempo and tempo.microseconds != Tempo.from_qpm(0, limits.tempo).microseconds:
            yield f"the tempo is {tempo.qpm:.4g} quarters a minute, not {limits.tempo:g}"
    for key in _in_force(piece.keys, seen.start):
        if limits.key and (key.tonic, key.mode) != (limits.key.tonic, limits.key.mode):
            yield f"the key signature is that of {key.name}, not of {limits.key.name}"


def _in_force(events: tuple[_Event, ...], start: int) -> list[_Event]:
    """The event in force at a tick, and those after it."""
    first = max((event.onset for event in events if event.onset <= start), default=0)
    return [event for event in events if event.onset >= first]


def _notes(seen: _Seen) -> Iterator[str]:
    scale, pitches = seen.limits.notes, seen.limits.range
    for note in seen.tones.tolist():
        pitch = int(seen.piece.pitch[note])
        if scale and pitch % 12 not in scale.pitch_classes:
            yield f"{seen.named(note)} is not in {scale.name}"
        if pitches and not pitches[0] <= pitch <= pitches[1]:
            yield f"{seen.named(note)} is outside {pitch_name(pitches[0])} to {pitch_name(pitches[1])}"


def _players(seen: _Seen) -> Iterator[str]:
    piece, wanted, velocities = seen.piece, seen.limits.instruments, seen.limits.velocity
    for number in np.unique(piece.part[seen.notes]).tolist():
        if wanted and not any(instrument.plays(piece.parts[number]) for instrument in wanted):
            yield f"{instrument_name(piece.parts[number])} plays, which is none of {', '.join(i.name for i in wanted)}"
    for note in seen.notes.tolist():
        if velocities and not velocities[0] <= piece.velocity[note] <= velocities[1]:
            yield f"{seen.named(note)} has velocity {piece.velocity[note]}, not {velocities[0]} to {velocities[1]}"


def _leaps(seen: _Seen) -> Iterator[str]:
    piece, most = seen.piece, seen.limits.max_leap
    for part in range(len(piece.parts)) if most is not None else ():
        last: list[int] = []  # the pitches of the part's onset before
        now: list[int] = []
        tick = -1
        for note in np.flatnonzero((piece.part == part) & ~piece.is_drum).tolist():
            pitch = int(piece.pitch[note])
            if piece.onset[note] != tick:
                last, now, tick = now, [], int(piece.onset[note])
            now.append(pitch)
            leap = min((abs(pitch - before) for before in last), default=0)
            if tick >= seen.start and most is not None and leap > most:
                yield f"{seen.named(note)} is a leap of {leap} semitones, more than {most}"


def _crowds(seen: _Seen) -> Iterator[str]:
    piece, limits = seen.piece, seen.limits
    tones = ~piece.is_drum
    begun, ended = np.sort(piece.onset[tones]), np.sort(piece.end[tones])
    for tick in np.unique(piece.onset[seen.tones]).tolist() if limits.max_polyphony else ():
        sounding = int(np.searchsorted(begun, tick, "right") - np.searchsorted(ended, tick, "right"))
        if limits.max_polyphony and sounding > limits.max_polyphony:
            yield f"{sounding} notes sound at once in bar {seen.bars_at([tick])[0]}, more than {limits.max_polyphony}"
    bars, counts = np.unique(seen.bars[seen.notes], return_counts=True)
    for bar, count in zip(bars.tolist(), counts.tolist()):
        if limits.density and count > limits.density:
            yield f"{count} notes begin in bar {bar}, more than {limits.density}"


def _rhythm(seen: _Seen) -> Iterator[str]:
    piece, grid = seen.piece, seen.limits.grid
    whole, steps = 4 * piece.ticks_per_quarter, ", ".join(map(str, grid))
    for name, ticks in (("begins", piece.onset), ("ends", piece.end)) if grid else ():
        bars, positions = seen.bars_at(ticks[seen.notes]), piece.bar_and_position(ticks[seen.notes])[1]
        for note, bar, position in zip(seen.notes.tolist(), bars.tolist(), positions.tolist()):
            if all(position % (step * whole) for step in grid):
                yield f"{seen.named(note)} {name} {position} ticks into bar {bar}, off the grid of {steps}"


def _ending(seen: _Seen) -> Iterator[str]:
    piece, limits = seen.piece, seen.limits
    lines = piece.bar_starts()
    bars = int(np.sum(lines >= seen.first_bar))
    if limits.bars and bars != limits.bars:
        yield f"it is {counted(bars, 'bar')} long, not {limits.bars}"
    if limits.end_on_tonic and limits.tonic is not None and len(seen.tones):
        last = piece.onset[seen.tones].max()
        final = int(seen.tones[piece.onset[seen.tones] == last][0])
        lowest = min(piece.pitch[seen.tones[piece.onset[seen.tones] == last]].tolist())
        if lowest % 12 != limits.tonic:
            yield (
                f"it ends on {class_name(lowest % 12, flats=limits.flats)}, not on the tonic "
                f"{class_name(limits.tonic, flats=limits.flats)} ({seen.named(final)})"
            )


def _harmony(seen: _Seen) -> Iterator[str]:
    piece, tones = seen.piece, seen.tones
    points = list(_chord_points(seen))
    ticks = np.array([tick for tick, _, _ in points], np.int64)
    first = np.searchsorted(ticks, piece.onset[tones])
    past_end = np.searchsorted(ticks, piece.end[tones])
    for note, low, high in zip(tones.tolist(), first.tolist(), past_end.tolist()):
        for tick, bar, chord in points[low:high]:
            if int(piece.pitch[note]) % 12 not in chord.pitch_classes:
                yield f"{seen.named(note)} sounds at tick {tick} in bar {bar} but is not in the chord {chord.name}"


def _chord_points(seen: _Seen) -> Iterator[tuple[int, int, Chord]]:
    """Tick, number of the bar and chord of each beat and of each beginning of a chord."""
    piece, chords = seen.piece, seen.limits.chords
    lines = [tick for tick in piece.bar_starts().tolist() if tick >= seen.first_bar] if chords else []
    before = piece.first_bar + piece.num_bars - len(lines)
    for number, line in enumerate(lines):
        metre = piece.time_signature_at(line)
        ticks, beat = metre.bar_ticks(piece.ticks_per_quarter), metre.beat_ticks(piece.ticks_per_quarter)
        here = chords[number % len(chords)]
        begins = [-(-i * ticks // len(here)) for i in range(len(here))]  # the first whole tick of each chord
        for position in sorted({*range(0, ticks, beat), *begins}):
            chord = here[max(i for i, begin in enumerate(begins) if begin <= position)]
            yield line + position, before + number, chord


_RULES = (_signatures, _notes, _players, _leaps, _crowds, _rhythm, _ending, _harmony)
