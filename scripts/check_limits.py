"""Whether limits hold: many tunes under each limit and under several at once, each file read with mido and checked here.

    python scripts/check_limits.py fiddle --count 1000
    python scripts/check_limits.py chorales --count 1000 --seed 7

Nothing of the program judges its own files: notes, bars and the meaning of every limit are worked out in this script from
the messages that mido reads. Prints for each limit the tunes, the files that keep it, the share of probability it removed,
and the seconds of sampling. Exit code 1 if a file does not keep its limit.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import defaultdict
from itertools import pairwise
from pathlib import Path

import mido

from melody import midi
from melody.cli.make import find_model
from melody.errors import SamplingError
from melody.limits import Limits
from melody.sampling import SamplingSettings

MAJOR = {name: [(tonic + step) % 12 for step in (0, 2, 4, 5, 7, 9, 11)] for name, tonic in (("C", 0), ("D", 2), ("G", 7))}
D_MINOR = [2, 4, 5, 7, 9, 10, 11, 0, 1]  # with the raised sixth and seventh
C, G, AM, F, DM, G7 = (0, 4, 7), (7, 11, 2), (9, 0, 4), (5, 9, 0), (2, 5, 9), (7, 11, 2, 5)
D, A7, EM = (2, 6, 9), (9, 1, 4, 7), (4, 7, 11)

# What is asked for, and what it means here
ONE_BY_ONE = [
    ({"key": "Dm"}, {"notes": D_MINOR, "key": "Dm"}),
    ({"key": "G"}, {"notes": MAJOR["G"], "key": "G"}),
    ({"scale": "C,D,Eb,G,A"}, {"notes": [0, 2, 3, 7, 9]}),
    ({"range": "C4:C6"}, {"range": (60, 84)}),
    ({"max_leap": "4"}, {"leap": 4}),
    ({"max_polyphony": "2"}, {"polyphony": 2}),
    ({"density": "4"}, {"density": 4}),
    ({"grid": "1/8"}, {"grid": [1 / 8]}),
    ({"grid": "1/16,1/8t"}, {"grid": [1 / 16, 1 / 12]}),
    ({"metre": "3/4"}, {"metre": (3, 4)}),
    ({"tempo": "100"}, {"tempo": 600_000}),
    ({"bars": "8"}, {"bars": 8}),
    ({"bars": "1"}, {"bars": 1}),
    ({"key": "D", "end_on_tonic": True}, {"notes": MAJOR["D"], "key": "D", "tonic": 2}),
    ({"instruments": "violin"}, {"programs": {40}}),
    ({"instruments": "choir"}, {"programs": {52}}),
    ({"velocity": "40:100"}, {"velocity": (40, 100)}),
    ({"chords": "Dm G7 C C"}, {"chords": [[DM], [G7], [C], [C]]}),
    ({"chords": "C G | Am F"}, {"chords": [[C, G], [AM, F]]}),
]
TOGETHER = [
    ({"key": "G", "bars": "8", "end_on_tonic": True}, {"notes": MAJOR["G"], "key": "G", "bars": 8, "tonic": 7}),
    (
        {"key": "D", "bars": "8", "chords": "D G A7 D", "end_on_tonic": True, "max_leap": "7"},
        {"notes": MAJOR["D"], "key": "D", "bars": 8, "chords": [[D], [G], [A7], [D]], "tonic": 2, "leap": 7},
    ),
    (
        {"scale": "C major", "bars": "4", "density": "3", "max_leap": "2", "grid": "1/8", "end_on_tonic": True},
        {"notes": MAJOR["C"], "bars": 4, "density": 3, "leap": 2, "grid": [1 / 8], "tonic": 0},
    ),
    (
        {"bars": "8", "chords": "C Em | F G", "grid": "1/8", "range": "C4:C6", "max_polyphony": "1"},
        {"bars": 8, "chords": [[C, EM], [F, G]], "grid": [1 / 8], "range": (60, 84), "polyphony": 1},
    ),
    (
        {"key": "G", "metre": "6/8", "tempo": "90", "bars": "16", "end_on_tonic": True, "velocity": "1:127"},
        {"notes": MAJOR["G"], "key": "G", "metre": (6, 8), "tempo": 666_667, "bars": 16, "tonic": 7, "velocity": (1, 127)},
    ),
    (
        {"scale": "C chromatic", "bars": "2", "density": "2", "max_leap": "1", "end_on_tonic": True},
        {"notes": list(range(12)), "bars": 2, "density": 2, "leap": 1, "tonic": 0},
    ),
]


class Heard:
    """A file as mido reads it: notes, metres, tempi, keys, bars."""

    def __init__(self, path: Path) -> None:
        file = mido.MidiFile(path)
        self.whole = 4 * file.ticks_per_beat
        self.notes: list[tuple[int, int, int, int, int, int]] = []  # onset, end, pitch, velocity, part, program or -1
        self.metres: list[tuple[int, int, int]] = []
        self.tempi: list[int] = []
        self.keys: list[str] = []
        for number, track in enumerate(file.tracks):
            self._read(number, track)
        self.notes.sort()
        self.metres = self.metres or [(0, 4, 4)]
        self.tones = [note for note in self.notes if note[5] >= 0]
        self.length = max(note[1] for note in self.notes)
        self.lines = self._bar_lines()
        first = self.notes[0][0]  # a first bar that is silent for half of it or more is a pick-up
        self.pickup = 1 if self.lines[1] <= 2 * first < 2 * self.lines[1] else 0

    def _read(self, number: int, track: mido.MidiTrack) -> None:
        now, programs = 0, defaultdict(int)
        sounding: dict[tuple[int, int], tuple[int, int]] = {}
        for message in track:
            now += message.time
            if message.type == "program_change":
                programs[message.channel] = message.program
            elif message.type == "time_signature":
                self.metres.append((now, message.numerator, message.denominator))
            elif message.type == "set_tempo":
                self.tempi.append(message.tempo)
            elif message.type == "key_signature":
                self.keys.append(message.key)
            elif message.type == "note_on" and message.velocity:
                sounding[message.channel, message.note] = (now, message.velocity)
            elif message.type in ("note_on", "note_off"):
                onset, velocity = sounding.pop((message.channel, message.note))
                program = -1 if message.channel == 9 else programs[message.channel]
                self.notes.append((onset, now, message.note, velocity, number, program))
        assert not sounding

    def _bar_lines(self) -> list[int]:
        """The bar lines up to the first after the end."""
        lines, line = [], 0
        while line <= self.length or len(lines) < 2:
            lines.append(line)
            _, above, below = [metre for metre in self.metres if metre[0] <= line][-1]
            line += above * self.whole // below
        return [*lines, line]

    def bar(self, tick: int) -> int:
        """The bar in which a tick is, from 0."""
        return sum(line <= tick for line in self.lines) - 1

    def beat(self, bar: int) -> int:
        """Ticks of a beat of a bar."""
        _, above, below = [metre for metre in self.metres if metre[0] <= self.lines[bar]][-1]
        dotted = below >= 8 and above > 3 and above % 3 == 0
        return self.whole // below * (3 if dotted else 1)


def notes(heard: Heard, classes: list[int]) -> bool:
    """Only these pitch classes."""
    return all(note[2] % 12 in classes for note in heard.tones)


def key(heard: Heard, name: str) -> bool:
    """No other key is signed."""
    return all(said == name for said in heard.keys)


def range_(heard: Heard, ends: tuple[int, int]) -> bool:
    """No note is lower or higher."""
    return all(ends[0] <= note[2] <= ends[1] for note in heard.tones)


def leap(heard: Heard, most: int) -> bool:
    """From each note to the nearest of those before in its part it is no further."""
    parts: dict[int, dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
    for note in heard.tones:
        parts[note[4]][note[0]].append(note[2])
    return all(
        min(abs(pitch - other) for other in before) <= most
        for onsets in parts.values()
        for before, now in pairwise([onsets[tick] for tick in sorted(onsets)])
        for pitch in now
    )


def polyphony(heard: Heard, most: int) -> bool:
    """No more notes sound when one begins."""
    return all(sum(a[0] <= note[0] < a[1] for a in heard.tones) <= most for note in heard.tones)


def density(heard: Heard, most: int) -> bool:
    """No more notes begin in a bar."""
    bars = [heard.bar(note[0]) for note in heard.notes]
    return all(bars.count(bar) <= most for bar in set(bars))


def grid(heard: Heard, steps: list[float]) -> bool:
    """Notes begin and end on one of the grids, counted from the bar line."""

    def fits(tick: int) -> bool:
        position = tick - heard.lines[heard.bar(tick)]
        return any(position % round(step * heard.whole) == 0 for step in steps)

    return all(fits(note[0]) and fits(note[1]) for note in heard.notes)


def metre(heard: Heard, wanted: tuple[int, int]) -> bool:
    """No other metre."""
    return all((above, below) == wanted for _, above, below in heard.metres)


def tempo(heard: Heard, microseconds: int) -> bool:
    """No other tempo."""
    return bool(heard.tempi) and all(said == microseconds for said in heard.tempi)


def bars(heard: Heard, wanted: int) -> bool:
    """So many bars with music, a pick-up not counted."""
    return sum(line < heard.length for line in heard.lines) - heard.pickup == wanted


def tonic(heard: Heard, pitch_class: int) -> bool:
    """The last note to begin, the lowest of them, is the tonic."""
    last = max(note[0] for note in heard.tones)
    return min(note[2] for note in heard.tones if note[0] == last) % 12 == pitch_class


def programs(heard: Heard, wanted: set[int]) -> bool:
    """No other instruments."""
    return all(note[5] in wanted for note in heard.notes)


def velocity(heard: Heard, ends: tuple[int, int]) -> bool:
    """None is softer or louder."""
    return all(ends[0] <= note[3] <= ends[1] for note in heard.notes)


def chords(heard: Heard, wanted: list[list[tuple[int, ...]]]) -> bool:
    """On each beat, and where a chord begins, only its notes sound."""
    for number in range(heard.pickup, len(heard.lines) - 1):
        start, ticks = heard.lines[number], heard.lines[number + 1] - heard.lines[number]
        here = wanted[(number - heard.pickup) % len(wanted)]
        begins = [start + i * ticks // len(here) for i in range(len(here))]
        for tick in {*range(start, start + ticks, heard.beat(number)), *begins}:
            chord = here[max(i for i, begin in enumerate(begins) if begin <= tick)]
            if any(note[0] <= tick < note[1] and note[2] % 12 not in chord for note in heard.tones):
                return False
    return True


CHECKS = {
    "notes": notes,
    "key": key,
    "range": range_,
    "leap": leap,
    "polyphony": polyphony,
    "density": density,
    "grid": grid,
    "metre": metre,
    "tempo": tempo,
    "bars": bars,
    "tonic": tonic,
    "programs": programs,
    "velocity": velocity,
    "chords": chords,
}


def main() -> int:
    """Write tunes under each limit, read them with mido, print how many keep it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    model, settings = find_model(arguments.model), SamplingSettings(seed=arguments.seed, any_ending=True)
    print(f"{'limit':82} {'tunes':>6} {'keep it':>8} {'removed':>8} {'seconds':>8}")
    broken = 0
    for written, meaning in [({}, {}), *ONE_BY_ONE, *TOGETHER]:
        name = " ".join(f"{k}={v}" for k, v in written.items()) or "none"
        begun = time.perf_counter()
        try:
            tunes = model.tunes(arguments.count, limits=Limits.parse(**written), settings=settings)
        except SamplingError as error:
            print(f"{name:82} refused: {error}")
            continue
        seconds, kept = time.perf_counter() - begun, 0
        with tempfile.TemporaryDirectory() as folder:
            for number, tune in enumerate(tunes):
                path = Path(folder) / f"{number}.mid"
                midi.write(tune.piece, path)
                heard = Heard(path)
                kept += all(CHECKS[what](heard, value) for what, value in meaning.items())
        broken += len(tunes) - kept
        removed = sum(tune.removed for tune in tunes) / len(tunes)
        print(f"{name:82} {len(tunes):6,} {kept:8,} {removed:8.1%} {seconds:8.1f}", flush=True)
    return int(broken > 0)


if __name__ == "__main__":
    sys.exit(main())
