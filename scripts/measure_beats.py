"""How well beats are found in recorded performances whose scores are known: ASAP, or any folder that is laid out as it is.

    python scripts/measure_beats.py FOLDER [--each]

FOLDER holds a folder for each piece: `midi_score.mid`, whose bars say where the beats are, beside performances of it.
Where the beats of a performance are, its notes say once they are aligned with those of the score: a played note stands
for one chord of the score, mostly the same or the next one as the note before it (a hidden Markov model; Nakamura et al.
2017). A beat is when the chord that stands on it is played, else between those beside it. A beat is that of the time
signature: in 6/8 it has three eighths.

Printed, for the pieces of each half (every other one by name: what was chosen by measurement was chosen on half 0):

- recall: the share of true beats that have a found one within 70 ms; of all beats, and as the mean of the performances.
- F: their F-measure, the mean of the performances; by level, if the beats found may also be twice or three times as many,
  or a half or a third of them; and that of an even beat of the true median length, from the first true beat on: what
  chance hits.
- the share of pieces whose mean F-measure is above .8, as it is and by level.

First for all performances, then for those alone whose beats are sure enough to be followed (`following.is_sure`). With
--each a line for each performance, with what it is judged by.
"""

from __future__ import annotations

import argparse
import sys
from bisect import bisect_left
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from melody import midi
from melody.corpus.read.beats.following import is_sure, sounding
from melody.corpus.read.beats.tracking import beats_of
from melody.midi.file_events import to_piece

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
WITHIN = 0.07  # seconds
GRID = 480
# What it costs to go on by so many chords of the score; to be anywhere else; to play a note that is not there
STEPS = {-2: 6.0, -1: 3.5, 1: 0.0, 2: 2.0, 3: 3.0, 4: 4.0, 5: 5.0}
ELSEWHERE, WRONG = 14.0, 4.0


class Score(NamedTuple):
    """When the chords of a score and its beats are, in ticks, and which pitches begin with each chord, (chords, 128)."""

    onsets: Ints
    begins: NDArray[np.bool_]
    beats: Ints


def score_of(path: Path) -> Score:
    """A score in a MIDI file."""
    piece = to_piece(midi.scan(path.read_bytes())[0], GRID, [])[0]
    onsets, which = np.unique(piece.onset, return_inverse=True)
    begins = np.zeros((len(onsets), 128), bool)
    begins[which, piece.pitch] = True
    starts = piece.bar_starts()
    beats = [
        np.arange(start, end, piece.time_signature_at(int(start)).beat_ticks(GRID))
        for start, end in zip(starts, [*starts[1:], piece.length])
    ]
    return Score(onsets, begins, np.unique(np.concatenate(beats)))


def aligned(pitch: Ints, begins: NDArray[np.bool_]) -> Ints:
    """The chord of the score that each played note stands for, (notes,), by Viterbi."""
    chords, size = np.arange(len(begins)), begins.sum(1)
    stay, leave = np.log(np.maximum(size - 1, 0.15) / size), np.log(1 / np.maximum(size, 1.2))
    likely = -2.0 * chords
    back = np.zeros((len(pitch), len(begins)), np.int32)
    for number, played in enumerate(pitch):
        if number:
            best, came = likely + stay, chords.copy()
            for step, cost in STEPS.items():
                to, of = (slice(step, None), slice(None, -step)) if step > 0 else (slice(None, step), slice(-step, None))
                gone = likely[of] + (leave[of] if step > 0 else 0) - cost
                better = gone > best[to]
                best[to], came[to] = np.where(better, gone, best[to]), np.where(better, chords[of], came[to])
            top = int(likely.argmax())
            far = best < likely[top] - ELSEWHERE
            best[far], came[far] = likely[top] - ELSEWHERE, top
            likely, back[number] = best, came
        likely = likely - WRONG * ~begins[:, played]
    path = np.empty(len(pitch), np.int64)
    path[-1] = likely.argmax()
    for number in range(len(pitch) - 1, 0, -1):
        path[number - 1] = back[number, path[number]]
    return path


def rising(values: Floats) -> Ints:
    """Which values are left if as few as possible are left out and the others rise."""
    tops: list[float] = []
    at: list[int] = []
    before = np.full(len(values), -1)
    for number, value in enumerate(values.tolist()):
        place = bisect_left(tops, value)
        tops[place:], at[place:] = [value, *tops[place + 1 :]], [number, *at[place + 1 :]]
        before[number] = at[place - 1] if place else -1
    kept = [at[-1]]
    while before[kept[-1]] >= 0:
        kept.append(int(before[kept[-1]]))
    return np.array(kept[::-1])


def true_beats(score: Score, onset: Floats, pitch: Ints) -> Floats:
    """When the beats of the score are played, in seconds."""
    path = aligned(pitch, score.begins)
    right = score.begins[path, pitch]
    chords = np.unique(path[right])
    when = np.array([np.median(onset[right & (path == chord)]) for chord in chords])
    kept = rising(when)
    tick, when = score.onsets[chords[kept]], when[kept]
    inside = (score.beats >= tick[0]) & (score.beats <= tick[-1])
    return np.interp(score.beats[inside], tick, when)


def hits(true: Floats, found: Floats) -> int:
    """How many of both lie within `WITHIN` of each other, each counted once."""
    number = at = others = 0
    while at < len(true) and others < len(found):
        apart = found[others] - true[at]
        near = abs(apart) <= WITHIN
        number += near
        at += near or apart > 0
        others += near or apart < 0
    return number


def f_measure(true: Floats, found: Floats) -> float:
    """Of beats that were found."""
    return 2 * hits(true, found) / max(len(true) + len(found), 1)


def parted(beats: Floats, by: int) -> Floats:
    """So many times as many beats."""
    return np.interp(np.arange((len(beats) - 1) * by + 1) / by, np.arange(len(beats)), beats) if len(beats) > 1 else beats


class Measured(NamedTuple):
    """What is measured of a performance."""

    piece: str
    beats: int
    recall: float
    f: float
    level: float
    agreement: float
    sudden: float
    is_sure: bool
    even: float


def best_level(true: Floats, found: Floats) -> float:
    """The F-measure of the beats found, or of twice, three times, a half or a third as many."""
    fewer = [found[first::by] for by in (2, 3) for first in range(by)]
    return max(f_measure(true, beats) for beats in (found, *fewer, parted(found, 2), parted(found, 3)))


def measured(score: Score, path: Path) -> Measured:
    """One performance."""
    source, _ = midi.scan(path.read_bytes())
    notes = sounding(source)
    true = true_beats(score, notes[0], notes[2].astype(np.int64))
    beats = beats_of(notes)
    if beats is None:
        return Measured(path.parent.name, len(true), 0, 0, 0, 0, 1, False, 0)
    found = beats.times[(beats.times >= true[0] - WITHIN) & (beats.times <= true[-1] + WITHIN)]
    even = f_measure(true, np.arange(true[0], true[-1], np.median(np.diff(true))))
    return Measured(
        path.parent.name,
        len(true),
        hits(true, found) / len(true),
        f_measure(true, found),
        best_level(true, found),
        beats.agreement,
        beats.sudden,
        is_sure(beats),
        even,
    )


def summary(found: Sequence[Measured]) -> str:
    """Means of performances, and shares of pieces."""
    if not found:
        return "none"
    beats, recall, f, level, even = (
        np.array([getattr(m, n) for m in found]) for n in ("beats", "recall", "f", "level", "even")
    )
    pieces = np.array([m.piece for m in found])
    means = [[column[pieces == piece].mean() for piece in np.unique(pieces)] for column in (f, level)]
    return (
        f"{len(found)} performances: recall {recall @ beats / beats.sum():.3f} of beats, {recall.mean():.3f} in the mean; "
        f"F {f.mean():.3f}, by level {level.mean():.3f} (an even beat {even.mean():.3f}); of {len(means[0])} pieces "
        f"above .8: {np.mean(np.array(means[0]) > 0.8):.2f}, by level {np.mean(np.array(means[1]) > 0.8):.2f}"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what the command line names."""
    parser = argparse.ArgumentParser(description="How well beats are found in recorded performances")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--each", action="store_true", help="a line for each performance")
    given = parser.parse_args(arguments)
    folders = sorted(path.parent for path in given.folder.glob("*/midi_score.mid"))
    for half in (0, 1):
        found = []
        for folder in folders[half::2]:
            score = score_of(folder / "midi_score.mid")
            for path in sorted(folder.glob("*.mid")):
                if path.name != "midi_score.mid":
                    found.append(one := measured(score, path))
                    if given.each:
                        said = ", ".join(f"{name} {value:.2f}" for name, value in list(one._asdict().items())[1:])
                        print(f"{folder.name}/{path.name}: {said}", flush=True)
        print(f"half {half}, all: {summary(found)}")
        print(f"half {half}, sure: {summary([one for one in found if one.is_sure])}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
