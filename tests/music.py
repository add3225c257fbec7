"""Music for the tests: random legal pieces, and small corpora with a style that can be learned."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np

from melody import midi
from melody.piece import Key, Part, Piece, Tempo, TimeSignature
from melody.tokens.usage import part_keys

INSTRUMENTS = [Part(0), Part(40), Part(73), Part(0, is_drum=True)]


def random_piece(seed: int, *, monophonic: bool = False, changes: bool = True) -> Piece:
    """Any legal music: up to three parts, lines or polyphony, drums, changes of metre, tempo and key."""
    rng = np.random.default_rng(seed)
    parts = tuple(INSTRUMENTS[i] for i in sorted(rng.choice(4, 1 if monophonic else rng.integers(1, 4), replace=False)))
    signatures = [TimeSignature(0, *_metre(rng))]
    tempi, keys = [Tempo(0, int(rng.integers(200_000, 1_500_000)))], []
    if changes:
        for _ in range(rng.integers(0, 3)):
            last = signatures[-1]
            signatures.append(TimeSignature(last.onset + last.bar_ticks() * int(rng.integers(1, 4)), *_metre(rng)))
        tempi += [
            Tempo(int(t), 500_000 + int(t)) for t in sorted(rng.choice(np.arange(1, 300), rng.integers(0, 3), replace=False))
        ]
        keys = [
            Key(int(t), int(rng.integers(-7, 8)), "minor")
            for t in sorted(rng.choice(300, rng.integers(0, 3), replace=False))
        ]
    notes = _line(rng) if monophonic else _voices(rng, len(parts)) if rng.random() < 0.5 else _cloud(rng, len(parts))
    return Piece(*notes, parts=parts, time_signatures=tuple(signatures), tempi=tuple(tempi), keys=tuple(keys))


def band(rng: np.random.Generator) -> Piece:
    """Ten players, more than are told of one by one: lines with and without gaps, and a drum kit."""
    parts = (*(Part(8 * i) for i in range(9)), Part(0, is_drum=True))
    return Piece(*_voices(rng, 10), parts=parts, keys=(Key(0, 0, "major"),))


def _metre(rng: np.random.Generator) -> tuple[int, int]:
    return [(4, 4), (3, 4), (6, 8), (7, 8), (2, 2), (5, 16)][rng.integers(6)]


def _line(rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    count = int(rng.integers(1, 60))
    duration = rng.choice([3, 6, 8, 12, 24, 36], count)
    rest = rng.choice([0, 0, 0, 12], count)
    onset = np.cumsum(np.concatenate([[0], (duration + rest)[:-1]])) + int(rng.choice([0, 36]))
    return onset, duration, rng.integers(55, 90, count), rng.integers(1, 128, count), np.zeros(count, np.int64)


def _voices(rng: np.random.Generator, parts: int) -> tuple[np.ndarray, ...]:
    """A line for each part but perhaps the last, which may be a cloud."""
    each = [(*_line(rng)[:4], number) for number in range(parts)]
    if rng.random() < 0.3:
        each[-1] = (*_cloud(rng, 1)[:4], parts - 1)
    part = np.concatenate([np.full(len(columns[0]), columns[4]) for columns in each])
    return (*(np.concatenate([columns[i] for columns in each]) for i in range(4)), part)


def _cloud(rng: np.random.Generator, parts: int) -> tuple[np.ndarray, ...]:
    """Notes anywhere; of those that overlap in pitch and part only the first is kept."""
    count = int(rng.integers(1, 80))
    columns = [rng.integers(0, 400, count), rng.integers(1, 100, count), rng.integers(30, 100, count)]
    columns += [rng.integers(1, 128, count), rng.integers(0, parts, count)]
    order = np.argsort(columns[0], kind="stable")
    kept: list[int] = []
    ends: dict[tuple[int, int], int] = {}
    for i in order:
        key = (int(columns[2][i]), int(columns[4][i]))
        if columns[0][i] >= ends.get(key, 0):
            kept.append(int(i))
            ends[key] = int(columns[0][i] + columns[1][i])
    return tuple(column[kept] for column in columns)


def lines(seed: int, *, voices: int = 4, rests: bool = False) -> Piece:
    """Voices of one note after another, from high to low, each over an octave and less; in a key, which changes."""
    rng = np.random.default_rng(seed)
    onset: list[int] = []
    columns: list[tuple[int, int, int, int]] = []
    for part in range(voices):
        onset = [0, *np.flatnonzero(rng.random(31) < 0.7) * 12 + 12, 384]
        for begin, end in pairwise(onset):
            length = end - begin if not rests or rng.random() < 0.9 else (end - begin) // 2
            columns.append((begin, length, 72 - 5 * part + int(rng.integers(0, 11)), part))
    columns.sort(key=lambda note: (note[0], note[3]))
    begins, lengths, pitches, parts = np.array(columns).T
    keys = (Key(0, int(rng.integers(-2, 3)), "major"), Key(180, 1, "minor"))
    return Piece(begins, lengths, pitches, part=parts, parts=(Part(52),) * voices, keys=keys)


def canonical(piece: Piece) -> Piece:
    """The piece as a vocabulary gives it back: used parts only, in the vocabulary's order, without names and texts."""
    used = sorted(set(piece.part.tolist()))
    keys = part_keys([piece.parts[i] for i in used])
    order = sorted(range(len(used)), key=lambda i: (keys[i][1], keys[i][0], keys[i][2]))
    place = {used[i]: number for number, i in enumerate(order)}
    return Piece(
        piece.onset,
        piece.duration,
        piece.pitch,
        piece.velocity,
        np.array([place[p] for p in piece.part.tolist()], np.int64),
        parts=tuple(Part(*keys[i][:2]) for i in order) or (Part(),),
        time_signatures=piece.time_signatures,
        tempi=piece.tempi,
        keys=piece.keys,
        ticks_per_quarter=piece.ticks_per_quarter,
    )


def folk_tune(seed: int, bars: int = 8) -> Piece:
    """A tune in 6/8 with rules: arpeggios of a few chords, each bar heard again two bars later, a long last note."""
    rng = np.random.default_rng(seed)
    tonic = int(rng.integers(60, 68))
    chords = [(0, 4, 7), (5, 9, 12), (7, 11, 14)]
    pitches: list[int] = []
    for bar in range(bars - 1):
        if bar >= 2 and bar % 4 >= 2:
            pitches += pitches[-12:-6]
        else:
            chord = chords[int(rng.integers(3))]
            pitches += [tonic + chord[int(i)] for i in rng.permutation([0, 1, 2, 0, 1, 2])]
    onset = np.arange(len(pitches) + 1) * 12
    duration = np.full(len(onset), 12)
    duration[-1] = 72
    return Piece(
        onset,
        duration,
        np.array([*pitches, tonic]),
        parts=(Part(40),),
        time_signatures=(TimeSignature(0, 6, 8),),
        keys=(Key(0, 0, "major").transpose(tonic - 60),),
    )


def folk_songs(folder: Path, count: int) -> None:
    """A folder of so many folk tunes."""
    folder.mkdir()
    for number in range(count):
        midi.write(folk_tune(number), folder / f"{number:02}.mid")
