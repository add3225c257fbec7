"""A performance on a tempo map that follows its beats: all sounds when it did, to about a millisecond.

Each beat becomes a quarter note with the tempo that it has. What is before the first beat becomes whole quarters, too, so
that tick 0 stays the beginning of the file; after the last beat the last tempo goes on. Which beats are bar lines is not
known (`bar_length` finds them in few performances), and bars are those of 4/4 from tick 0 on: what is asked of a bar is
asked of four beats. All this only where it is asked for (`PrepareSettings.find_beats`).

Only where the beats are sure: at least `AGREED` of what the network says of the onsets agrees with the beats found, and
at most `SUDDEN_BEATS` of them are suddenly longer or shorter. Else a performance stays as it was played. How often that
is right is measured by `scripts/measure_beats.py` (docs/experiments.md).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from melody.corpus.read.beats.onsets import Floats
from melody.corpus.read.beats.tracking import Beats, beats_of
from melody.midi.file_events import END, PART, PITCH, START, VELOCITY, Source
from melody.piece import Ints

AGREED, SUDDEN_BEATS = 0.6, 0.03
GRID = 960  # ticks a beat, of 2.5 ms at most
_QUARTER = 500_000  # microseconds, until a file says something else
UNCLEAR = "played freely, and where its beats are is not clear: kept as played"


def is_sure(beats: Beats) -> bool:
    """Whether the beats are so likely the right ones that a piece follows them."""
    return beats.agreement >= AGREED and beats.sudden <= SUDDEN_BEATS


def followed(source: Source, repairs: list[str]) -> Source:
    """The performance with its beats for quarters, or as it is if they are not clear; which, is added to `repairs`."""
    beats = beats_of(sounding(source))
    if beats is None or not is_sure(beats):
        repairs.append(UNCLEAR)
        return source
    quarter = float(np.median(np.diff(beats.times)))
    repairs.append(
        f"played freely: {len(beats.times):,} beats found, which are its quarters now, "
        f"{60 / quarter:.0f} a minute in the middle; all sounds when it did"
    )
    return on_beats(source, beats.times)


def sounding(source: Source) -> Floats:
    """Onset and end in seconds, pitch and velocity of the notes, without drums, sorted by onset, (4, notes)."""
    pitched = ~np.array([part.is_drum for part in source.parts], bool)[source.notes[PART]]
    notes = source.notes[:, pitched]
    begin, end = seconds_of(source, notes[START]), seconds_of(source, notes[END])
    return np.array([begin, end, notes[PITCH], notes[VELOCITY]])[:, np.lexsort((notes[PITCH], notes[START]))]


def seconds_of(source: Source, ticks: Ints) -> Floats:
    """When ticks of a file are, by its tempi."""
    changes = dict([(0, _QUARTER), *sorted(t for t in source.tempi if 0 < t[1] < 2**24)])
    at, speed = np.array(list(changes)), np.array(list(changes.values())) / source.ticks_per_quarter / 1e6
    until = np.concatenate([[0.0], np.cumsum(np.diff(at) * speed[:-1])])
    which = np.searchsorted(at, ticks, side="right") - 1
    seconds: Floats = until[which] + (ticks - at[which]) * speed[which]
    return seconds


def on_beats(source: Source, beats: Floats) -> Source:
    """The same sounds at the same times, on a tempo map whose quarters are the beats, in seconds, two or more."""
    beats = _from_the_beginning(beats)
    micro = np.rint(beats * 1e6).astype(np.int64)
    speeds = np.maximum(np.diff(micro), 1)
    last = float(seconds_of(source, source.notes[END]).max())
    more = max(int(np.ceil((last - beats[-1]) * 1e6 / speeds[-1])), 0) + 1
    grid = np.concatenate([[0], np.cumsum([*speeds, *[speeds[-1]] * more])]) / 1e6

    def tick(ticks: Ints) -> Ints:
        at: Ints = np.rint(np.interp(seconds_of(source, ticks), grid, GRID * np.arange(len(grid)))).astype(np.int64)
        return at

    notes = source.notes.copy()
    notes[START] = tick(notes[START])
    notes[END] = np.maximum(tick(notes[END]), notes[START] + (source.notes[END] > source.notes[START]))
    keys = [(int(tick(np.array(at))), fifths, minor) for at, fifths, minor in source.keys]
    return replace(
        source,
        ticks_per_quarter=GRID,
        notes=notes,
        time_signatures=(),
        tempi=[(GRID * beat, int(speed)) for beat, speed in enumerate(speeds)],
        keys=keys,
        sustain=[np.stack([tick(curve[0]), curve[1]]) for curve in source.sustain],
    )


def _from_the_beginning(beats: Floats) -> Floats:
    """The beats, and before them such as part what is there evenly, from 0 on."""
    before = max(round(beats[0] / (beats[1] - beats[0])), 1) if beats[0] > 1e-3 else 0
    return np.concatenate([np.arange(before) * beats[0] / max(before, 1), beats if before else [0.0, *beats[1:]]])
