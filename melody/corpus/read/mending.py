"""Files that are read with more doubt: what is wrong with the time of a MIDI file, put right and reported.

What raises no doubt (`melody.corpus.read.doubts`) stays as it is, to the tick. Else, one after another:

- A constant offset of all notes against the beat is taken away (`beat_phase`).
- Onsets that scatter around few places of the quarter, as a sequencer's jitter and swing have it, are put there
  (`beat_phase`). Onsets that lie anywhere are a performance, and stay as they were played.
- Where bars are one short beat, as converters write that know no metre, they get the length that the music has
  (`bar_length`), and the music the pick-up that this takes.
- Whole bars of silence before the first note are left out (`bar_lines`).
- A note of more than `LONGEST` quarters, and more than `FACTOR` times as long as nine of ten others of its part, has lost
  its end. It ends as late as those do.
- More than `MOST_TEMPI` tempi are one steady tempo, that of the median quarter, to a whole number of quarters a minute.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from melody.corpus.read import doubts
from melody.corpus.read.bar_length import bars_of
from melody.corpus.read.bar_lines import at, moved, silence
from melody.corpus.read.beat_phase import is_jittered, without_jitter, without_offset
from melody.corpus.read.doubts import LONGEST, MOST_TEMPI, is_metre, is_one_beat
from melody.midi.file_events import END, PART, START, Source
from melody.midi.sustain import later
from melody.text import counted

FACTOR = 4
_MOST_LOST = 0.1  # share of a part's notes that may have lost their ends: what is common is how it plays
_QUARTER = 500_000  # microseconds, until a file says something else


def mended(source: Source, repairs: list[str]) -> Source:
    """The file with its time made right; what was changed is added to `repairs`, a sentence each."""
    return mended_and_moved(source, repairs)[0]


def mended_and_moved(source: Source, repairs: list[str]) -> tuple[Source, int]:
    """The same, and by how many ticks of the file all of it became later, less than 0 for earlier."""
    late = 0
    if not doubts.of_source(source):
        return source, late
    for mend in (_off_the_beat, _scattered, _in_beats, _silent, _without_ends, _restless):
        before, source = source, mend(source, repairs)
        if mend in (_off_the_beat, _in_beats, _silent):  # what would begin before the file moves less
            late += int(np.min(source.notes[START] - before.notes[START]))
    return source, late


def _off_the_beat(source: Source, repairs: list[str]) -> Source:
    if source.notes.shape[1] < doubts.FEW_NOTES:
        return source
    source, ticks = without_offset(source)
    if ticks:
        way = "earlier" if ticks < 0 else "later"
        place = "beat" if ticks % source.ticks_per_quarter else "bar lines"
        moved_by = f"moved {_quarters(abs(ticks), source)} {way}, onto the {place}"
        repairs.append(f"all notes lay off the {place} by the same time: {moved_by}")
    return source


def _quarters(ticks: int, source: Source) -> str:
    moved = f"{ticks / source.ticks_per_quarter:.3f}".rstrip("0").rstrip(".")
    return f"{moved if moved != '0' else 'less than 0.001'} quarter notes"


def _scattered(source: Source, repairs: list[str]) -> Source:
    if source.notes.shape[1] < doubts.FEW_NOTES or not is_jittered(source):
        return source
    source, swings = without_jitter(source)
    swung = ", late eighths to triplets: it swings" if swings else ""
    repairs.append(f"notes scatter around the places of a score, as jitter does: put on these{swung}")
    return source


def _in_beats(source: Source, repairs: list[str]) -> Source:
    """Bars of one short beat get the length that the music has."""
    metres = sorted((m for m in source.time_signatures if is_metre(*m[1:])), key=lambda m: m[0])
    last = int(source.notes[END].max())
    ends = [metre[0] for metre in metres[1:]] + [last]
    lengths = [max(min(end, last) - metre[0], 0) for metre, end in zip(metres, ends)]
    short = sum(length for metre, length in zip(metres, lengths) if is_one_beat(*metre[1:]))
    if 2 * short <= last:
        return source
    bars = bars_of(source)
    if bars is None:
        return source
    name = f"{bars.numerator}/{bars.denominator}"
    metre = next(f"{n}/{d}" for _, n, d in metres if is_one_beat(n, d))
    late = -bars.first % bars.eighths * source.ticks_per_quarter // 2
    notes = source.notes.copy()
    notes[: END + 1] += late
    pickup = f", with a pick-up of {counted(bars.first, 'eighth')}" if late else ""
    repairs.append(f"bars of {metre} say nothing of the metre: taken as {name}, where the accents are{pickup}")
    tempi = tuple(at(tempo, tempo[0] + late if tempo[0] else 0) for tempo in source.tempi)
    keys = tuple(at(key, key[0] + late if key[0] else 0) for key in source.keys)
    metres = [(0, bars.numerator, bars.denominator)]
    sustain = later(source.sustain, late)
    return replace(source, notes=notes, time_signatures=tuple(metres), tempi=tempi, keys=keys, sustain=sustain)


def _silent(source: Source, repairs: list[str]) -> Source:
    """The music begins in its first bar."""
    ticks = silence(source)
    if not ticks:
        return source
    repairs.append(f"silence of {_quarters(ticks, source)} in front, whole bars, left out")
    return moved(source, -ticks)


def _without_ends(source: Source, repairs: list[str]) -> Source:
    """Notes that lost their ends get one where most others of their part have it."""
    length = source.notes[END] - source.notes[START]
    most = LONGEST * source.ticks_per_quarter
    cut = 0
    notes = source.notes.copy()
    for part in np.unique(source.notes[PART][length > most]).tolist():
        own = source.notes[PART] == part
        lost = own & (length > most)
        others = length[own & ~lost]
        if lost.sum() > _MOST_LOST * own.sum():
            continue
        common = int(np.quantile(others, 0.9))
        lost &= length > FACTOR * common
        notes[END][lost] = notes[START][lost] + max(common, 1)
        cut += int(lost.sum())
    if not cut:
        return source
    ended = "its end is" if cut == 1 else "their ends are"
    repairs.append(
        f"{counted(cut, 'note')} of more than {LONGEST} quarter notes cut to what is long in the part: {ended} lost"
    )
    return replace(source, notes=notes)


def _restless(source: Source, repairs: list[str]) -> Source:
    """Many tempi become one."""
    tempi = sorted((t for t in source.tempi if 0 < t[1] < 2**24), key=lambda tempo: tempo[0])
    changes = [tempo for tempo, before in zip(tempi, [(0, 0), *tempi]) if tempo[1] != before[1]]
    if len(changes) <= MOST_TEMPI:
        return source
    last = max(int(source.notes[END].max()), changes[-1][0])
    speeds = np.array(([] if changes[0][0] == 0 else [_QUARTER]) + [speed for _, speed in changes])
    ticks = np.array(([] if changes[0][0] == 0 else [0]) + [tick for tick, _ in changes] + [last])
    order = np.argsort(speeds, kind="stable")
    before = np.cumsum(np.diff(ticks)[order])
    speed = int(speeds[order][np.searchsorted(before, before[-1] / 2)])
    qpm = max(round(60e6 / speed), 4)
    repairs.append(f"{len(changes)} tempi taken as one, {qpm} quarter notes a minute, the median of its music")
    return replace(source, tempi=((0, round(60e6 / qpm)),))
