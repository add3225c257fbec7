"""What a piece is recognised by, whatever its key, tempo, instrument or file format.

A line is taken as its n-grams: runs of `NGRAM` intervals in semitones, each with whether the time to the next onset is
longer than, shorter than or like the one before. Transposition, tempo and note values twice as long leave them as they
are. The n-grams are hashed and the `SKETCH` smallest hashes kept: the bottom-k sketch of Broder (1997, "On the resemblance
and containment of documents"), from which both the share of n-grams in common and the share of the shorter line that is
in the longer one can be told. (MinHash signatures tell the first only, and melody and chords contain the melody alone.)

The lines of a piece are its parts that mostly sound one note at a time (all parts, if there is none such), each by its
highest note at every onset. Accompaniments in chords are left out: different tunes share them. Drums are no lines.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from melody.corpus.events import Events, narrowed
from melody.piece import Ints
from melody.tokens.usage import FIRST_PART

NGRAM = 6
SKETCH = 64
LINES = 8  # most lines of one piece that are looked at
FEWEST = 8  # n-grams a line must have to be recognised by
MOVING = 3  # of the intervals of an n-gram, how many must not be 0
CHORDS = 0.3  # largest share of onsets with several notes in a line
FIRST_DRUMS = FIRST_PART + 256 * 128
EMPTY = 2**32 - 1  # stands behind the hashes of a sketch that is not full
Sketches = NDArray[np.uint32]  # (lines, SKETCH), each row ascending
Bools = NDArray[np.bool_]


def content_hashes(events: Events, ticks_per_quarter: int) -> list[str]:
    """One for each piece: the same exactly if they have the same notes, played by the same instruments."""
    note = events.note_rows
    table = np.empty((len(note), 4), "<u4")
    for i, column in enumerate((events.tick, events.kind, events.duration)):
        table[:, i] = column.take(note)
    table[:, 3] = events.value.take(note)
    table[:, 3] <<= 8
    table[:, 3] |= events.velocity.take(note)
    data = memoryview(table.tobytes())
    ends = 16 * np.searchsorted(note, events.starts)
    grid = ticks_per_quarter.to_bytes(4, "little")
    return [
        hashlib.blake2b(data[start:end], digest_size=16, key=grid).hexdigest()
        for start, end in zip(ends.tolist(), ends[1:].tolist())
    ]


@dataclass(frozen=True)
class Voices:
    """The notes of some pieces, part by part.

    Parameters
    ----------
    piece, kind
        Of each part, in that order, (parts,).
    part
        Of each note, ascending, (notes,).
    onset, end, pitch
        Of each note, by part, onset and pitch, (notes,).
    """

    piece: Ints
    kind: Ints
    part: Ints
    onset: Ints
    end: Ints
    pitch: Ints

    @classmethod
    def of(cls, events: Events) -> Voices:
        """All parts of all pieces."""
        note = events.note_rows
        kinds, kind = _numbered(events.kind.take(note))
        parts, part = _numbered(events.piece.take(note) * len(kinds) + kind)
        order = np.argsort(narrowed(part), kind="stable")
        rows = note.take(order)
        onset = events.tick.take(rows)
        end = onset + events.duration.take(rows)
        pitch = events.value.take(rows).astype(np.int64)
        return cls(parts // len(kinds), kinds[parts % len(kinds)], part.take(order), onset, end, pitch)

    @cached_property
    def monophonic(self) -> Bools:
        """Whether each part never sounds two notes at once, (parts,)."""
        together = (np.diff(self.part) == 0) & (self.end[:-1] > self.onset[1:])
        return np.bincount(self.part[1:][together], minlength=len(self.piece)) == 0

    @cached_property
    def notes(self) -> Ints:
        """Number of notes of each part, (parts,)."""
        return np.bincount(self.part, minlength=len(self.piece))

    @cached_property
    def rests(self) -> Ints:
        """After how many notes each part rests, if it is monophonic, (parts,); see `melody.tokens.usage.rests_after`."""
        rests = np.append((np.diff(self.part) != 0) | (self.end[:-1] < self.onset[1:]), True)[: len(self.part)]
        return np.bincount(self.part[rests], minlength=len(self.piece))

    def sketches(self) -> tuple[Ints, Sketches]:
        """The piece of each line, (lines,), and the sketches, (lines, SKETCH)."""
        top = np.append((np.diff(self.part) != 0) | (np.diff(self.onset) != 0), True)[: len(self.part)]
        part, onset, pitch = self.part[top], self.onset[top], self.pitch[top]
        notes = np.diff(np.flatnonzero(top), prepend=-1)
        use = self._are_lines(part, notes)[part]
        part, hashes = _ngrams(part[use], onset[use], pitch[use])
        lines, rows = _smallest(part, hashes)
        chosen = self._richest(lines, np.bincount(part, minlength=len(self.piece))[lines])
        return self.piece[lines[chosen]], rows[chosen]

    def _are_lines(self, part: Ints, notes: Ints) -> Bools:
        """Which parts are lines, (parts,), from the part and the number of notes of each onset."""
        size = len(self.piece)
        pitched = self.kind < FIRST_DRUMS
        chordal = np.bincount(part[notes > 1], minlength=size) > CHORDS * np.bincount(part, minlength=size)
        single = pitched & ~chordal
        pieces = int(self.piece.max(initial=-1)) + 1
        has_single = np.bincount(self.piece[single], minlength=pieces) > 0
        return single | (pitched & ~has_single[self.piece])

    def _richest(self, lines: Ints, ngrams: Ints) -> Ints:
        """Which of the lines are among the `LINES` with the most n-grams of their piece, ascending."""
        piece = self.piece[lines]
        order = np.lexsort((-ngrams, piece))
        place = np.arange(len(order)) - np.searchsorted(piece[order], piece[order])
        return np.sort(order[place < LINES])


def _numbered(codes: NDArray[Any]) -> tuple[Ints, Ints]:
    """The different codes, ascending, and the place of each code among them; like `np.unique`, without sorting."""
    counts = np.bincount(codes)
    found = np.flatnonzero(counts)
    place = np.zeros(len(counts), np.int64)
    place[found] = np.arange(len(found))
    return found, place[codes]


def _ngrams(part: Ints, onset: Ints, pitch: Ints) -> tuple[Ints, NDArray[np.uint32]]:
    """The part and the hash of each n-gram that moves enough to be told from another."""
    if len(part) < NGRAM + 2:
        return np.zeros(0, np.int64), np.zeros(0, np.uint32)
    interval, time = np.diff(pitch), np.diff(onset)
    # Longer or shorter by more than the square root of two: squares are compared, and stay whole numbers.
    square = time * time
    token = ((interval[1:] + 128) * 3 + (square[1:] > 2 * square[:-1]) - (2 * square[1:] < square[:-1])).astype(np.uint64)
    windows = len(token) - NGRAM + 1
    mixed, moving = np.zeros(windows, np.uint64), np.zeros(windows, np.int8)
    moves = (interval != 0).astype(np.int8)
    for i in range(NGRAM):
        mixed = mixed * np.uint64(0x9E3779B97F4A7C15) + token[i : i + windows]
        moving += moves[i + 1 : i + 1 + windows]
    use = (part[NGRAM + 1 :] == part[: -NGRAM - 1]) & (moving >= MOVING)
    return part[: -NGRAM - 1][use], _scrambled(mixed[use])


def _scrambled(values: NDArray[np.uint64]) -> NDArray[np.uint32]:
    """The finaliser of splitmix64 (Steele et al. 2014), upper half: every bit of the input moves every bit of it."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.minimum((values ^ (values >> np.uint64(31))) >> np.uint64(32), np.uint64(EMPTY - 1)).astype(np.uint32)


def _smallest(part: Ints, hashes: NDArray[np.uint32]) -> tuple[Ints, Sketches]:
    """The parts that have enough n-grams, and the smallest hashes of each."""
    keys = np.sort(part.astype(np.uint64) << np.uint64(32) | hashes)  # eight times as fast as np.unique
    keys = keys[np.append(True, keys[1:] != keys[:-1])[: len(keys)]]
    part, hashes = (keys >> np.uint64(32)).astype(np.int64), keys.astype(np.uint32)
    counts = np.bincount(part)
    lines = np.flatnonzero(counts >= FEWEST)
    place = np.arange(len(part)) - (np.cumsum(counts) - counts)[part]
    use = (place < SKETCH) & (counts >= FEWEST)[part]
    rows = np.full((len(lines), SKETCH), EMPTY, np.uint32)
    rows[np.searchsorted(lines, part[use]), place[use]] = hashes[use]
    return lines, rows
