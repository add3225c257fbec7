"""Files that are read with more doubt: what is wrong with the time of a MIDI file, put right and reported.

What raises no doubt (`melody.corpus.read.doubts`) stays as it is, to the tick. Else, one after another:

- A constant offset of all notes against the beat is taken away (`beat_phase`).
- Onsets that scatter around few places of the quarter, as a sequencer's jitter and swing have it, are put there
  (`beat_phase`).
- Onsets that lie anywhere are a performance, and stay as they were played. Only with `find_beats`, where its beats are
  clear, they become its quarters, and all sounds when it did (`beats`).
- Where bars are one short beat, as converters write that know no metre, they get the length that the music has
  (`bar_length`), and the music the pick-up that this takes.
- Whole bars of silence before the first note are left out (`lateness`).
- A note of more than `LONGEST` quarters, and more than `FACTORS` times as long as nine of ten others of its part, has lost
  its end: ten times, or four if it has more than `SURELY_LOST`. It ends as late as those do. Pads, drones and pedal points
  stay, and what a pianist holds for less than `SURELY_LOST`.
- More than `MOST_TEMPI` tempi are those of the sections of the music, each steady, mostly one (`tempo_map`), to whole
  numbers of quarters a minute.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from melody.corpus.read import doubts, tempo_map
from melody.corpus.read.bar_length import bars_of
from melody.corpus.read.beat_phase import is_jittered, is_played, without_jitter, without_offset
from melody.corpus.read.beats import following
from melody.corpus.read.doubts import LONGEST, MOST_TEMPI, is_metre, is_one_beat
from melody.corpus.read.lateness import at, moved, silence
from melody.corpus.read.two_hands import are_keyboards
from melody.midi.file_events import END, PART, START, Source
from melody.midi.sustain import later
from melody.text import counted

SURELY_LOST = 60  # quarters: fifteen bars of 4/4
FACTORS = 10, 4
_MOST_LOST = 0.1  # share of a part's notes that may have lost their ends: what is common is how it plays


def mended(source: Source, repairs: list[str], find_beats: bool = False) -> Source:
    """The file with its time made right; what was changed is added to `repairs`, a sentence each.

    With `find_beats` a performance follows its beats where they are clear.
    """
    followed = following.followed(source, repairs) if find_beats and _is_performance(source) else source
    if followed is not source:
        return _without_ends(followed, repairs)
    return mended_and_moved(source, repairs)[0]


def mended_and_moved(source: Source, repairs: list[str]) -> tuple[Source, int]:
    """The same by as many ticks for all of it, later or less than 0 for earlier: performances stay as they were played."""
    late = 0
    if not doubts.of_source(source):
        return source, late
    for mend in (_off_the_beat, _scattered, _in_beats, _silent, _without_ends, _restless):
        before, source = source, mend(source, repairs)
        if mend in (_off_the_beat, _in_beats, _silent):  # what would begin before the file moves less
            late += int(np.min(source.notes[START] - before.notes[START]))
    return source, late


def _is_performance(source: Source) -> bool:
    return source.notes.shape[1] >= doubts.FEW_NOTES and doubts.of_source(source) and is_played(source)


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
    surely = SURELY_LOST * source.ticks_per_quarter
    is_pianist = are_keyboards(source.parts) and is_played(source)
    most = surely if is_pianist else LONGEST * source.ticks_per_quarter
    cut = 0
    notes = source.notes.copy()
    for part in np.unique(source.notes[PART][length > most]).tolist():
        own = source.notes[PART] == part
        lost = own & (length > most)
        others = length[own & ~lost]
        if lost.sum() > _MOST_LOST * own.sum():
            continue
        common = int(np.quantile(others, 0.9))
        lost &= length > common * np.where(length > surely, FACTORS[1], FACTORS[0])
        notes[END][lost] = notes[START][lost] + max(common, 1)
        cut += int(lost.sum())
    if not cut:
        return source
    ended = "its end is" if cut == 1 else "their ends are"
    longer = f"{counted(cut, 'note')} of more than {most // source.ticks_per_quarter} quarter notes"
    repairs.append(f"{longer} cut to what is long in the part: {ended} lost")
    return replace(source, notes=notes)


def _restless(source: Source, repairs: list[str]) -> Source:
    """Many tempi become few."""
    tempi = tempo_map.legal(source.tempi)
    if len(tempi) <= MOST_TEMPI:
        return source
    found = tempo_map.sections(tempi, int(source.notes[END].max()), source.ticks_per_quarter, MOST_TEMPI)
    qpm = [max(round(60e6 / section.speed), 4) for section in found]
    if len(found) == 1:
        words = f"taken as one, {qpm[0]} quarter notes a minute, the median of its music"
    else:
        words = f"taken as those of its {len(found)} sections: {', '.join(map(str, qpm))} quarter notes a minute"
    repairs.append(f"{len(tempi)} tempi {words}")
    return replace(source, tempi=tuple((section.start, round(60e6 / speed)) for section, speed in zip(found, qpm)))
