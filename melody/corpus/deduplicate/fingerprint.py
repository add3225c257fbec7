"""What a piece is recognised by, whatever its key, tempo, instrument or file format.

A line is taken as its n-grams: runs of `NGRAM` intervals in semitones, each with whether the time to the next onset is
longer than, shorter than or like the one before. Transposition, tempo and note values twice as long leave them as they
are. The n-grams are hashed and the `SKETCH` smallest hashes kept: the bottom-k sketch of Broder (1997, "On the resemblance
and containment of documents"), from which both the share of n-grams in common and the share of the shorter line that is
in the longer one can be estimated. (MinHash signatures give the first only, and melody and chords contain the melody alone.)

The lines of a piece are its parts that mostly sound one note at a time (all parts, if there is none such), each by its
highest note at every onset. Accompaniments in chords are left out: different tunes share them. Drums are no lines.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from melody.corpus.events import Column, Events, narrowed
from melody.piece import Ints
from melody.tokens.usage import FIRST_PART

NGRAM = 6
SKETCH = 64
LINES = 8  # most lines of one piece that are looked at
FEWEST = 8  # n-grams a line must have to be recognised by
MOVING = 3  # of the intervals of an n-gram, how many must not be 0
CHORDS = 0.3  # largest share of onsets with several notes in a line
FIRST_DRUMS = FIRST_PART + 256 * 128
_FACTOR = np.array(0x9E3779B97F4A7C15, np.uint64)  # 2^64 over the golden ratio
EMPTY = 2**32 - 1  # stands behind the hashes of a sketch that is not full
Sketches = NDArray[np.uint32]  # (lines, SKETCH) or more columns, each row ascending
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Notes:
    """The notes among some events, in their order.

    Parameters
    ----------
    starts
        Where those of each piece begin, and where those of the last end, (pieces + 1,).
    piece, tick, kind, duration, pitch, velocity
        Of each, (notes,).
    """

    starts: Ints
    piece: Ints
    tick: Ints
    kind: Column
    duration: Column
    pitch: Column
    velocity: Column

    @classmethod
    def of(cls, events: Events) -> Notes:
        """All of them."""
        note = events.note_rows
        columns = (events.piece, events.tick, events.kind, events.duration, events.value, events.velocity)
        return cls(np.searchsorted(note, events.starts), *(column.take(note) for column in columns))

    def hashes(self, ticks_per_quarter: int) -> list[bytes]:
        """16 bytes for each piece: the same exactly if they have the same notes, played by the same instruments."""
        table = np.empty((len(self.tick), 4), "<u4")
        for i, column in enumerate((self.tick, self.kind, self.duration)):
            table[:, i] = column
        np.left_shift(self.pitch, 8, out=table[:, 3], dtype="<u4", casting="unsafe")
        table[:, 3] |= self.velocity
        data = memoryview(table.tobytes())
        ends = (16 * self.starts).tolist()
        grid = ticks_per_quarter.to_bytes(4, "little")
        return [hashlib.blake2b(data[start:end], digest_size=16, key=grid).digest() for start, end in pairwise(ends)]


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
    pitch: Column

    @classmethod
    def of(cls, notes: Notes) -> Voices:
        """All parts of all pieces."""
        kinds, kind = _numbered(notes.kind)
        parts, part = _numbered(notes.piece * len(kinds) + kind)
        part = narrowed(part)
        order = np.argsort(part, kind="stable")
        onset = notes.tick.take(order)
        end = onset + notes.duration.take(order)
        columns = part.take(order).astype(np.int64), onset, end, notes.pitch.take(order)
        return cls(parts // len(kinds), kinds[parts % len(kinds)], *columns)

    @cached_property
    def notes(self) -> Ints:
        """Number of notes of each part, (parts,)."""
        return np.bincount(self.part, minlength=len(self.piece))

    @cached_property
    def monophonic(self) -> Bools:
        """Whether each part never sounds two notes at once, (parts,)."""
        together = np.zeros(len(self.part), bool)
        together[1:] = self._goes_on & (self.end[:-1] > self.onset[1:])
        alone: Bools = self._in_parts(together) == 0
        return alone

    @cached_property
    def rests(self) -> Ints:
        """How many notes of each part are followed by a rest, or are its last, (parts,)."""
        at_once = np.zeros(len(self.part), bool)
        at_once[1:] = self._goes_on & (self.end[:-1] == self.onset[1:])
        return self.notes - self._in_parts(at_once)

    @cached_property
    def _goes_on(self) -> Bools:
        """Whether each note but the first is of the same part as the one before, (notes - 1,)."""
        same: Bools = self.part[1:] == self.part[:-1]
        return same

    def _in_parts(self, true: Bools) -> Ints:
        """How many notes of each part it is true of, (parts,)."""
        starts = np.cumsum(self.notes) - self.notes
        return np.add.reduceat(true, starts, dtype=np.int64) if len(starts) else starts

    def sketches(self) -> tuple[Ints, Sketches]:
        """The piece of each line, (lines,), and the sketches, (lines, SKETCH)."""
        top = np.ones(len(self.part), bool)  # of the notes of a part that begin at once the last, the highest
        top[:-1] = (self.onset[1:] != self.onset[:-1]) | ~self._goes_on
        use = np.flatnonzero(top)
        use = use[self._are_lines(top).take(self.part.take(use))]
        part, hashes = _ngrams(self.part.take(use), self.onset.take(use), self.pitch.take(use))
        lines, rows = smallest(part, hashes)
        chosen = self._richest(lines, np.bincount(part, minlength=len(self.piece))[lines])
        return self.piece[lines[chosen]], rows[chosen]

    def _are_lines(self, top: Bools) -> Bools:
        """Which parts are lines, (parts,), from which notes are the highest of their onset."""
        pitched = self.kind < FIRST_DRUMS
        chord = np.zeros(len(top), bool)  # the highest of several: the note before begins with it
        chord[1:] = top[1:] & ~top[:-1]
        single = pitched & (self._in_parts(chord) <= CHORDS * self._in_parts(top))
        has_single = np.bincount(self.piece[single], minlength=int(self.piece.max(initial=-1)) + 1) > 0
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
    return found, place.take(codes)


def _ngrams(part: Ints, onset: Ints, pitch: Column) -> tuple[Ints, NDArray[np.uint32]]:
    """The part and the hash of each n-gram that moves enough to be distinctive."""
    if len(part) < NGRAM + 2:
        return np.zeros(0, np.int64), np.zeros(0, np.uint32)
    interval, time = np.diff(pitch.astype(np.int64)), np.diff(onset)
    # Longer or shorter by more than the square root of two: squares are compared, and stay whole numbers.
    square = time * time
    twice = 2 * square
    token = (interval[1:] + 128) * 3
    token += square[1:] > twice[:-1]
    token -= twice[1:] < square[:-1]
    windows = len(token) - NGRAM + 1
    moves = np.cumsum(interval != 0)
    use = moves[NGRAM:] - moves[:-NGRAM] >= MOVING
    use &= part[NGRAM + 1 :] == part[: -NGRAM - 1]
    found = np.flatnonzero(use)
    return part.take(found), scrambled(_mixed(token.view(np.uint64), windows).take(found))


def _mixed(token: NDArray[np.uint64], windows: int) -> NDArray[np.uint64]:
    """The polynomial in `_FACTOR` of the `NGRAM` tokens from each on, (windows,)."""
    pairs = token[:-1] * _FACTOR
    pairs += token[1:]
    mixed = pairs[:windows] * _FACTOR**2
    mixed += pairs[2 : 2 + windows]
    mixed *= _FACTOR**2
    mixed += pairs[4 : 4 + windows]
    return mixed


def scrambled(values: NDArray[np.uint64]) -> NDArray[np.uint32]:
    """The finaliser of splitmix64 (Steele et al. 2014), upper half: every bit of the input moves every bit of it."""
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        values ^= values >> np.uint64(shift)
        values *= np.uint64(factor)
    upper = ((values ^ (values >> np.uint64(31))) >> np.uint64(32)).astype(np.uint32)
    return np.minimum(upper, np.uint32(EMPTY - 1), out=upper)


def smallest(part: Ints, hashes: NDArray[np.uint32], size: int = SKETCH, *, whole: bool = False) -> tuple[Ints, Sketches]:
    """The parts that have enough n-grams, (lines,), and the smallest hashes of each, (lines, size).

    Unless the `whole` is sorted, of the hashes of a part roughly eight times `size` are: those below where so many are
    expected.
    """
    within = np.inf if whole else 8 * size
    numbers = np.bincount(part)
    keys = part.astype(np.uint64) << np.uint64(32) | hashes
    if numbers.max(initial=0) > within:
        keys = keys[hashes < (2**32 * within / np.maximum(numbers, within)).take(part)]
    keys.sort()
    new = np.ones(len(keys), bool)
    new[1:] = keys[1:] != keys[:-1]
    keys = keys[new]
    counts = np.bincount((keys >> np.uint64(32)).astype(np.int64), minlength=len(numbers))
    if np.any((numbers > within) & (counts < size)):  # a line that repeats itself over and over
        return smallest(part, hashes, size, whole=True)
    lines = np.flatnonzero(counts >= FEWEST)
    place = np.arange(size)
    first = (np.cumsum(counts) - counts)[lines]
    rows = np.append(keys, np.uint64(0)).take(first[:, None] + place, mode="clip").astype(np.uint32)
    return lines, np.where(place < counts[lines, None], rows, np.uint32(EMPTY))
