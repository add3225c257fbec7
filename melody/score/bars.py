"""From what stands between the bar lines of a page to a piece whose bars stand at multiples of the bar length.

Conventions
-----------
Durations of notes are in units, `UNITS` to the tick, so that a beat can be divided by any number up to 13; all else is
in ticks.

Printed bars are not all full. A pick-up becomes a rest and then the notes; the end of a strain and the pick-up of the next
make one bar; a strain that ends short is filled with a rest, since dancers need whole bars. A bar that is longer or shorter
for no such reason, mostly a slip of the transcriber's, gets a time signature of its own, and the next bar returns to the
old one. So every bar line of the page is a bar line of the piece, except those that cut a bar in two.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from melody.errors import ScoreError
from melody.piece import Key, Part, Piece, Tempo, TimeSignature
from melody.signatures import time_signature_of

UNITS = 2**7 * 3**2 * 5**2 * 7 * 11 * 13


class Note(NamedTuple):
    """A note, or a rest if `pitch` is None; `duration` in units; `tied` to the note before."""

    duration: int
    pitch: int | None
    tied: bool = False


@dataclass
class Segment:
    """What stands between two bar lines, a list of notes for each part.

    `metre` is (numerator, denominator). `strong` is true if it ends with a sign that may stand in mid-bar: a repeat, a
    double bar, a change of metre.
    """

    metre: tuple[int, int]
    key: Key
    voices: list[list[Note]]
    strong: bool

    @property
    def bar(self) -> int:
        """The length it ought to have, in ticks."""
        return TimeSignature(0, *self.metre).bar_ticks()

    @property
    def length(self) -> int:
        """The length it has, in ticks."""
        return _ticks(max(sum(note.duration for note in voice) for voice in self.voices))


class Bar(NamedTuple):
    """`length` ticks from bar line to bar line, and the segments in it, each with its distance from the first line."""

    length: int
    segments: list[tuple[int, Segment]]


def to_bars(segments: list[Segment]) -> Iterator[Bar]:
    """The segments put together to bars that are as long as the metre wants wherever there is a reason for it."""
    i = 0
    while i < len(segments):
        here, bar, length = segments[i], segments[i].bar, segments[i].length
        after = segments[i + 1] if i + 1 < len(segments) else None
        if length < bar and i == 0 and after is not None and after.length != length:
            yield Bar(bar, [(bar - length, here)])
        elif after is not None and _completes(here, after):
            whole = max(bar, length + after.length)
            yield Bar(whole, [(0, here), (whole - after.length, after)])
            i += 1
        elif length < bar and (here.strong or after is None):
            yield Bar(bar, [(0, here)])
        else:
            yield Bar(length, [(0, here)])
        i += 1


def _completes(here: Segment, after: Segment) -> bool:
    """Whether the two are the end of a strain and a pick-up, which may already be in another metre."""
    short = here.strong and here.length < here.bar and after.length < after.bar
    return short and (after.metre == here.metre or here.length + after.length <= here.bar)


def to_piece(
    segments: list[Segment], parts: tuple[Part, ...], tempo: Tempo, title: str = "", texts: tuple[str, ...] = ()
) -> Piece:
    """The piece; ties are merged, what falls between the ticks is rounded.

    Raises
    ------
    ScoreError
        If there is no note, or a bar of more than 255 beats.
    PieceError
        If a note is too short for the grid.
    """
    rows: list[list[list[int]]] = [[] for _ in parts]
    metres: list[TimeSignature] = []
    keys: list[Key] = []
    at = 0
    for bar in to_bars(segments):
        bar, metre = _metre(bar, at)
        _append_change(metres, metre)
        for start, segment in bar.segments:
            _append_change(keys, segment.key._replace(onset=at + start if keys else 0))
            for notes, voice in zip(rows, segment.voices):
                _append_notes(notes, voice, at + start)
        at += bar.length
    if not any(rows):
        raise ScoreError(f"{title!r} has no notes; a piece of notation needs at least one")
    onset, duration, pitch, part = np.array([[*note, i] for i, notes in enumerate(rows) for note in notes]).T
    return Piece(
        onset,
        duration,
        pitch,
        part=part,
        parts=parts,
        time_signatures=tuple(metres),
        tempi=(tempo,),
        keys=tuple(keys),
        title=title,
        texts=texts,
    )


def _metre(bar: Bar, onset: int) -> tuple[Bar, TimeSignature]:
    """The time signature of a bar; a bar too odd for one is filled with a rest up to the next sixteenth."""
    first = bar.segments[0][1]
    if bar.length % first.bar == 0:
        return bar, TimeSignature(onset, *first.metre)
    own = time_signature_of(onset, bar.length) if bar.length % 3 == 0 else None
    if own is None:
        bar = bar._replace(length=-(-bar.length // 6) * 6)
        own = time_signature_of(onset, bar.length)
    if own is None:
        raise ScoreError(f"a bar lasts {bar.length} ticks; no time signature is that long")
    return bar, own


def _append_change(events: list[Any], event: Any) -> None:
    if not events or events[-1][1:] != event[1:]:
        events.append(event)


def _append_notes(rows: list[list[int]], voice: list[Note], start: int) -> None:
    """Notes as [onset, duration, pitch] in ticks; a tied note lengthens the one before."""
    at = start * UNITS
    for note in voice:
        onset, end = _ticks(at), _ticks(at + note.duration)
        at += note.duration
        if note.pitch is None:
            continue
        if note.tied and rows and rows[-1][0] + rows[-1][1] == onset and rows[-1][2] == note.pitch:
            rows[-1][1] += end - onset
        else:
            rows.append([onset, end - onset, note.pitch])


def _ticks(units: int) -> int:
    return (units + UNITS // 2) // UNITS
