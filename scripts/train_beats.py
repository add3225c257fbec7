"""Train the network that finds beats in performances (`melody.corpus.read.beats.belief`), on performances that never were.

    python scripts/train_beats.py [--steps N] [--examples N] [--out FILE]

Scores of music21's corpus (Bach, Beethoven, Haydn, Mozart, Schumann and some others; for the encodings see its
license.txt) are played by a pianist made of random numbers: with a tempo that wanders, swings in phrases and slows down
at their ends, with chords that are spread, a melody that leads, notes that are late, lost, graced and trilled. Since few
of these scores are for the piano, accompaniments are broken into figures as pianists play them: Alberti basses,
arpeggios, runs, chords again and again. The network is told nothing but onsets, and learns at which of 24 places of the
beat each is, and how long the beat is there. No recorded performance is learnt from.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from melody.corpus.read.beats.belief import LAYERS, PERIODS, PLACES, WEIGHTS
from melody.corpus.read.beats.onsets import FEWEST, NUM_FEATURES, Floats, firsts, onsets_of
from melody.errors import MelodyError
from melody.piece import Piece

COMPOSERS = (
    "bach",
    "beethoven",
    "haydn",
    "mozart",
    "schumann_robert",
    "weber",
    "joplin",
    "cpebach",
    "corelli",
    "handel",
    "verdi",
)
WIDTH, WINDOW, BATCH, RATE = 64, 256, 32, 4e-3
ON, END, PITCH, PART = range(4)  # rows of `Played.notes`, times in beats
NO_PLACE = -1


class Work(NamedTuple):
    """A score: its notes with times in beats, (4, notes), and whether it is one of many chorales."""

    notes: Floats
    is_chorale: bool


class Example(NamedTuple):
    """Onsets of a performance: what is read of each, its place in the beat, and the class of the beat's length."""

    features: NDArray[np.float32]
    places: NDArray[np.int64]
    periods: NDArray[np.int64]


# Scores


def works() -> list[Work]:
    """All scores of these composers that can be read and are not too short."""
    found = find_spec("music21")
    if found is None or found.origin is None:
        raise MelodyError("the scores are in music21: pip install music21")
    root = Path(found.origin).parent / "corpus"
    paths = [path for name in COMPOSERS for path in sorted((root / name).rglob("*"))]
    read = []
    for path in paths:
        if path.suffix in (".mxl", ".xml", ".musicxml"):
            try:
                read.append((path, Piece.read(path)))
            except MelodyError as error:
                print(f"left out: {error}")
    return [Work(in_beats(piece), "bach" in path.parts) for path, piece in read if piece.num_notes >= 60]


def in_beats(piece: Piece) -> Floats:
    """Onset and end in beats of the time signature, pitch and part, (4, notes)."""
    starts = piece.bar_starts()
    spans = zip(starts, [*starts[1:], piece.length])
    beats = np.unique(np.concatenate([np.arange(a, b, piece.time_signature_at(int(a)).beat_ticks()) for a, b in spans]))
    beats = np.append(beats, max(piece.length, beats[-1] + 1))
    begin, end = (np.interp(ticks, beats, np.arange(len(beats))) for ticks in (piece.onset, piece.end))
    return np.array([begin, np.maximum(end, begin + 0.05), piece.pitch, piece.part], float)


def excerpt(work: Work, rng: np.random.Generator) -> Floats:
    """60 to 200 beats of it, from 0 on."""
    length, span = int(np.ceil(work.notes[END].max())), int(rng.integers(60, 200))
    if length <= span:
        return work.notes
    start = int(rng.integers(0, length - span))
    notes = work.notes[:, (work.notes[ON] >= start) & (work.notes[ON] < start + span)].copy()
    notes[:PITCH] -= start
    return notes


def sorted_by_time(notes: Floats) -> Floats:
    """By onset and pitch."""
    return notes[:, np.lexsort((notes[PITCH], notes[ON]))]


# Figures


def figured(notes: Floats, rng: np.random.Generator) -> Floats:
    """The notes with some stretches in which the accompaniment, or all, is broken into figures."""
    parts = np.unique(notes[PART])
    top = max(parts, key=lambda part: notes[PITCH][notes[PART] == part].mean())
    kept, new = np.ones(notes.shape[1], bool), [np.zeros((4, 0))]
    at, length = 0, int(np.ceil(notes[END].max()))
    while at < length:
        stop = min(at + int(rng.integers(6, 48)), length)
        if rng.random() < 0.7:
            may = (notes[PART] != top) | (rng.random() < 0.35)
            kept &= ~((notes[ON] >= at) & (notes[ON] < stop) & may)
            new.append(figures(notes[:, may], range(at, stop, int(rng.choice([1, 1, 1, 2]))), rng))
        at = stop
    return sorted_by_time(np.concatenate([notes[:, kept], *new], 1))


def figures(notes: Floats, beats: range, rng: np.random.Generator) -> Floats:
    """Figures of one kind on what sounds at those beats."""
    kind, parts = int(rng.integers(0, 9)), int(rng.choice([2, 3, 4, 6, 8], p=[0.2, 0.23, 0.33, 0.16, 0.08]))
    lower, bar, doubled = int(rng.choice([0, 0, -12])), int(rng.choice([2, 3, 4])), rng.random() < 0.7
    rows = []
    for beat in beats:
        sounding = (notes[ON] < beat + 0.99 * beats.step) & (notes[END] > beat + 0.01)
        chord = [int(pitch) for pitch in np.unique(notes[PITCH][sounding])]
        if not chord:
            continue
        chord = [chord[0] + lower, *(chord[1:] or [chord[0] + lower + 12])]
        chord += [chord[0] + 12] if len(chord) < 3 and doubled else []
        figure = figure_of(kind, chord, parts * beats.step, beat % bar == 0, rng)
        each = beats.step / len(figure)
        rows += [(beat + i * each, beat + (i + 1) * each, pitch, 99) for i, group in enumerate(figure) for pitch in group]
    return np.array(rows, float).reshape(-1, 4).T


def figure_of(kind: int, chord: list[int], number: int, is_first: bool, rng: np.random.Generator) -> list[list[int]]:
    """So many groups of pitches that begin at once, one after the other."""
    if kind == 3:  # the chord again and again, mostly over a bass
        bass = [max(chord[0] - 12, 21)] if rng.random() < 0.5 else []
        return [chord + bass, *([chord] * (number - 1))]
    if kind == 4:  # bass and chord in turn
        return [[chord[0]] if i % 2 == 0 else chord[1:] for i in range(number)]
    if kind == 5:  # the bass on the first beat of a bar, the chord on the others
        return [[chord[0] - 12 if chord[0] > 40 else chord[0]]] if is_first else [chord[1:]]
    if kind == 7:
        return [[pitch] for pitch in run(chord[-1], number, rng)]
    if kind == 8:  # double notes
        return [
            [chord[-1], chord[-1] - int(rng.choice([3, 4, 5, 8, 9]))] if i % 2 else [chord[len(chord) // 2]]
            for i in range(number)
        ]
    cycles = {
        0: chord,
        1: chord + chord[-2:0:-1],
        2: [chord[0], chord[-1], chord[len(chord) // 2], chord[-1]],  # Alberti
        6: chord[::-1],
    }
    return [[cycles[kind][i % len(cycles[kind])]] for i in range(number)]


def run(pitch: int, number: int, rng: np.random.Generator) -> list[int]:
    """A scale that turns now and then."""
    up, pitches = int(rng.choice([-1, 1])), []
    for _ in range(number):
        pitches.append(pitch)
        pitch += up * int(rng.choice([1, 2, 2]))
        up = -up if not 30 < pitch < 100 or rng.random() < 0.08 else up
    return pitches


def arranged(notes: Floats, rng: np.random.Generator) -> Floats:
    """For the piano: figures, a part left out, a part in octaves."""
    notes = figured(notes, rng) if rng.random() < 0.6 else notes
    parts = np.unique(notes[PART])
    if rng.random() < 0.15 and len(parts) > 2:
        notes = notes[:, notes[PART] != rng.choice(parts)]
    if rng.random() < 0.3 and notes.shape[1]:
        octave = notes[:, notes[PART] == rng.choice(notes[PART])].copy()
        octave[PITCH] += 12 if octave[PITCH].mean() > 64 else -12
        notes = sorted_by_time(np.concatenate([notes, octave[:, (octave[PITCH] > 20) & (octave[PITCH] < 109)]], 1))
    return notes


# Playing


def seconds_of_beats(notes: Floats, rng: np.random.Generator) -> Floats:
    """How long each beat lasts: by how many onsets a second are usual, and by a tempo that is that of a player."""
    number = int(np.ceil(notes[END].max())) + 2
    onsets = len(np.unique(np.round(notes[ON], 3))) / max(notes[ON].max(), 1)  # a beat
    period = np.exp(0.4 * rng.normal(np.log(0.6), 0.45) + 0.6 * (np.log(onsets) - rng.normal(np.log(7), 0.5)))
    return np.clip(np.clip(period, 0.2, 2.2) * np.exp(np.clip(slowness(number, rng), -1, 1.8)), 0.12, 4)


def slowness(number: int, rng: np.random.Generator) -> Floats:
    """The logarithm of how much longer than usual each beat lasts."""
    rest, slow = rng.normal(0, rng.uniform(0.01, 0.07), number), np.zeros(number)
    stays = rng.uniform(0.3, 0.95)
    for beat in range(1, number):
        rest[beat] += stays * rest[beat - 1]
    bar = int(rng.choice([3, 4, 2]))
    for _ in range(2):  # phrases
        phrase = bar * rng.choice([1, 2, 4, 8])
        slow += rng.uniform(0, 0.15) * np.cos(2 * np.pi * (np.arange(number) / phrase + 0.15 * rng.random()))
    slow += rest + rng.normal(0, rng.uniform(0.005, 0.06), number)
    for end in chances(int(rng.choice([30, 60, 200])), number, 2, rng):
        for back in range(min(int(rng.integers(1, 7)), end + 1)):  # ritardando
            slow[end - back] += rng.uniform(0.1, 0.9) * (1 - back / 7) ** 1.5
        slow[end] += rng.uniform(0.2, 1) if rng.random() < 0.3 else 0  # fermata
    for start in chances(120, number, 8, rng):
        slow[start:] += rng.normal(0, 0.3)  # another tempo
    return slow


def chances(every: int, number: int, least: int, rng: np.random.Generator) -> list[int]:
    """Beats by chance, so many apart in the mean."""
    gaps = rng.exponential(every, number).astype(int) + least
    return [int(beat) for beat in np.cumsum(gaps) if beat < number]


def played(notes: Floats, seconds: Floats, rng: np.random.Generator) -> Floats:
    """Onset and end in seconds, pitch, velocity and place in beats (`NO_PLACE` for ornaments), (5, notes)."""
    clock = np.append(0, np.cumsum(seconds))
    begin, end = (np.interp(notes[row], np.arange(len(clock)), clock) for row in (ON, END))
    number, pitch, place = notes.shape[1], notes[PITCH] + rng.integers(-5, 6), notes[ON]
    highest = np.append(np.diff(place) > 0, True)
    late = rng.normal(0, rng.uniform(0.003, 0.018), number) - rng.uniform(0, 0.025) * highest
    late += np.where(pitch < 60, rng.normal(0, rng.uniform(0, 0.015)), 0) + spread(place, rng)
    onset = np.maximum(begin + late, 0)
    held = np.clip(rng.uniform(0.4, 1.1) + rng.normal(0, 0.15, number), 0.1, 1.5)
    velocity = 60 + rng.normal(0, 8, number) + rng.uniform(-1, 6) * (np.abs(place - np.rint(place)) < 0.01)
    velocity += rng.uniform(0, 12) * highest + rng.uniform(-5, 5) * (pitch < 55)
    velocity += 10 * np.sin(2 * np.pi * (begin / rng.uniform(5, 30) + rng.random()))
    all_notes = np.array([onset, onset + np.maximum((end - begin) * held, 0.04), pitch, np.clip(velocity, 5, 127), place])
    heard = all_notes[:, rng.random(number) > rng.uniform(0, 0.04)]
    extra = ornaments(all_notes, (end - begin) * (highest | (rng.random(number) < 0.3)), rng) if rng.random() < 0.4 else []
    return sorted_by_time(np.concatenate([heard, np.array(extra, float).reshape(-1, 5).T], 1))


def spread(place: Floats, rng: np.random.Generator) -> Floats:
    """Some chords are spread upwards."""
    late = np.zeros(len(place))
    for chord in np.split(np.arange(len(place)), np.flatnonzero(np.diff(place)) + 1):
        if len(chord) > 1 and rng.random() < 0.06:
            late[chord] = np.arange(len(chord)) * rng.uniform(0.02, 0.09) - 0.03
    return late


def ornaments(notes: Floats, lengths: Floats, rng: np.random.Generator) -> list[tuple[float, ...]]:
    """Grace notes before long notes, and trills on them."""
    rows: list[tuple[float, ...]] = []
    often = rng.uniform(0, 0.15)
    for number in np.flatnonzero((lengths > 0.35) & (rng.random(len(lengths)) < often)):
        begin, _, pitch, loud, _ = notes[:, number]
        quick = rng.uniform(0.04, 0.11)
        if rng.random() < 0.5:
            for back in range(1, int(rng.integers(2, 4))):
                rows.append((max(begin - back * quick, 0), begin, pitch + rng.choice([-2, 2, 1]), loud - 10, NO_PLACE))
        else:
            for on in range(1, int(min(0.8 * lengths[number] / quick, 24))):
                at = begin + on * quick + rng.normal(0, 0.005)
                rows.append((at, at + quick, pitch + (2 if on % 2 else 0), loud - 5, NO_PLACE))
    return rows


def example(work: Work, rng: np.random.Generator) -> Example | None:
    """A performance of an excerpt; None if it has too few onsets."""
    notes = arranged(excerpt(work, rng), rng)
    if notes.shape[1] < FEWEST:
        return None
    seconds = seconds_of_beats(notes, rng)
    sound = played(notes, seconds, rng)
    first = firsts(sound[0])
    if len(first) < FEWEST:
        return None
    place = np.array([middle(group) for group in np.split(sound[4], first[1:])])
    known = place != NO_PLACE
    places = np.where(known, np.rint(place % 1 * PLACES).astype(np.int64) % PLACES, NO_PLACE)
    smooth = np.convolve(np.pad(seconds, 2, "edge"), np.ones(4) / 4, "same")[2:-2]
    period = smooth[np.clip(np.rint(place).astype(np.int64), 0, len(seconds) - 1)]
    periods = np.abs(np.log(period[:, None] / PERIODS)).argmin(1)
    return Example(onsets_of(sound[:4]).features, places, np.where(known, periods, NO_PLACE))


def middle(places: Floats) -> float:
    """That of an onset's places which is in the middle, without ornaments."""
    own = np.sort(places[places != NO_PLACE])
    return float(own[len(own) // 2]) if len(own) else NO_PLACE


# Learning


class Net(nn.Module):
    """What `melody.corpus.read.beats.belief` computes."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(NUM_FEATURES, WIDTH)
        self.lstm = nn.LSTM(WIDTH, WIDTH, LAYERS, batch_first=True, bidirectional=True, dropout=0.15)
        self.outer = nn.Linear(2 * WIDTH, PLACES + len(PERIODS))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """(batch, onsets, features) -> logits of places and of periods, (batch, onsets, places + periods)."""
        return self.outer(self.lstm(nn.functional.elu(self.inner(features)))[0])


def batch_of(examples: Sequence[Example], shares: Floats, rng: np.random.Generator) -> tuple[torch.Tensor, ...]:
    """Windows of them: features, places and periods."""
    features = np.zeros((BATCH, WINDOW, NUM_FEATURES), np.float32)
    classes = np.full((2, BATCH, WINDOW), NO_PLACE)
    for row, number in enumerate(rng.choice(len(examples), BATCH, p=shares)):
        one = examples[number]
        start = int(rng.integers(0, max(len(one.places) - WINDOW, 0) + 1))
        window = slice(start, start + WINDOW)
        length = len(one.places[window])
        features[row, :length] = one.features[window]
        classes[:, row, :length] = one.places[window], one.periods[window]
        if rng.random() < 0.3:
            features[row, :, 11:13] = 0  # loudness, which may say nothing
    return torch.from_numpy(features), *map(torch.from_numpy, classes)


def learn(net: Net, examples: Sequence[Example], steps: int, rng: np.random.Generator) -> None:
    """Adam, with a rate that rises for 100 steps and then falls to nothing; in half precision, which is quicker."""
    lengths = np.array([len(one.places) for one in examples])
    optimizer = torch.optim.AdamW(net.parameters(), RATE, weight_decay=0.01)
    loss_of = nn.CrossEntropyLoss(ignore_index=NO_PLACE)
    losses = []
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = RATE * min(step / 100 + 0.01, 1) * (1 - step / steps) + 1e-5
        features, places, periods = batch_of(examples, lengths / lengths.sum(), rng)
        with torch.autocast("cpu", torch.bfloat16):
            logits = net(features).float().transpose(1, 2)
        loss = loss_of(logits[:, :PLACES], places) + 0.5 * loss_of(logits[:, PLACES:], periods)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1)
        optimizer.step()
        losses.append(loss.item())
        if step % 100 == 99:
            print(f"step {step + 1}: loss {np.mean(losses[-100:]):.3f}", flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Make examples, learn from them, write the weights."""
    parser = argparse.ArgumentParser(description="Train the network that finds beats in performances")
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--examples", type=int, default=7000)
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    given = parser.parse_args(arguments)
    torch.manual_seed(0)
    torch.set_num_threads(1)
    rng, began, scores = np.random.default_rng(0), time.perf_counter(), works()
    weight = np.array([min(work.notes.shape[1], 3000) ** 0.75 * (0.35 if work.is_chorale else 1) for work in scores])
    examples: list[Example] = []
    while len(examples) < given.examples:
        one = example(scores[rng.choice(len(scores), p=weight / weight.sum())], rng)
        examples += [one] if one else []
    print(f"{len(examples):,} examples of {len(scores)} works after {time.perf_counter() - began:.0f} s", flush=True)
    net = Net()
    learn(net, examples, given.steps, rng)
    np.savez(given.out, **{name: value.detach().numpy().astype(np.float16) for name, value in net.state_dict().items()})
    print(f"{given.out}: {given.out.stat().st_size:,} bytes after {time.perf_counter() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
