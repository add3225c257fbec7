"""What a tune shares with the training pieces of a model, and whether that is more than tunes of its kind share anyway.

Two tests make the verdict. *Longer*: its longest run, or the share of it that one piece has, exceeds what held-out tunes of
the same corpus share (Yin, Reuben, Stepney and Collins 2022 take human borrowing as the baseline so). *Improbable*: without
that piece and its versions the run would not be expected from the figures of the style (`melody.originality.chance`). It is
a copy if both hold.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from melody.errors import PieceError
from melody.originality.chance import expected
from melody.originality.index import Index
from melody.originality.lines import Line, Lines, Symbols, intervals_alone, symbols_of
from melody.originality.runs import SHORTEST, Runs, Sorted
from melody.piece import Ints, Part, Piece

IMPROBABLE = 0.01  # times that a run may be expected by chance and still count as improbable
VERSION = 0.5  # of a piece: one that has so much of it is a version of it
_LIKELY = 4  # pieces of which it is looked at how much of the tune they have
_STRETCH = 4  # notes
_SEVERAL = 4  # times as many notes as any held-out tune, from which on the norm does not hold


class Passage(NamedTuple):
    """A run that a tune shares with a training piece.

    notes: how many; piece, name: its number in the index and its name; first: its first note in its line there, from 1;
    bars: where it stands in the tune, first and last; yours, theirs: pitch and spacing of the notes, (notes,) each, in ticks
    of the two `grids`.
    """

    notes: int
    piece: int
    name: str
    first: int
    bars: tuple[int, int]
    yours: tuple[Ints, Ints]
    theirs: tuple[Ints, Ints]
    grids: tuple[int, int]

    def as_piece(self) -> Piece:
        """Both excerpts one under the other, from tick 0, for a picture."""
        grid = self.grids[0]
        notes = [(pitch, spacing * grid // own) for (pitch, spacing), own in zip((self.yours, self.theirs), self.grids)]
        spacing = np.maximum(np.concatenate([each for _, each in notes]), 1)
        ends = np.cumsum(spacing)
        return Piece(
            ends - spacing - np.repeat([0, ends[self.notes - 1]], self.notes),
            spacing,
            np.concatenate([pitch for pitch, _ in notes]),
            part=np.repeat([0, 1], self.notes),
            parts=(Part(0, False, "the tune"), Part(0, False, self.name)),
            ticks_per_quarter=grid,
        )


@dataclass(frozen=True)
class Finding:
    """What a tune shares with the training pieces of a model.

    Parameters
    ----------
    notes
        Of the lines of the tune.
    run, interval_run
        The longest run with its rhythm, and by intervals alone; None if no run has `SHORTEST` notes.
    share, sharer
        The largest share of the tune that agrees with one piece (`aligned_notes`), and the longest run with it.
    covered
        The share of the tune in runs that are longer than what unrelated pieces share.
    is_longer
        Whether it shares more than held-out tunes do; None if the index has no norm.
    expected
        How many times the run (that with `sharer`, where the share is what is too large) is expected by chance without its
        piece; None if it was not asked for.
    remarks
        Plain sentences.
    """

    notes: int
    run: Passage | None
    interval_run: Passage | None
    share: float
    sharer: Passage | None
    covered: float
    is_longer: bool | None
    expected: float | None
    remarks: tuple[str, ...] = ()

    @property
    def is_copy(self) -> bool:
        """Whether both tests say so."""
        return bool(self.is_longer) and self.expected is not None and self.expected < IMPROBABLE


class Shared(NamedTuple):
    """Runs of all lines of a tune: the line of each, its first note there, its first note in the index, notes, piece."""

    line: Ints
    start: Ints
    at: Ints
    notes: Ints
    piece: Ints


def shared(index: Index, corpus: Sorted, lines: Sequence[Symbols]) -> Shared:
    """The runs of `SHORTEST` notes or more that lines, as symbols, share with the corpus."""
    found: list[Runs] = [corpus.shared(line) for line in lines]
    line = np.repeat(np.arange(len(found)), [len(runs.start) for runs in found])
    start, at, length = (np.concatenate([np.zeros(0, np.int64), *(runs[n] for runs in found)]) for n in range(3))
    return Shared(line, start, at, length + 1, index.piece_at(at))


def longest_shared(index: Index, piece: Piece) -> int:
    """Notes of the longest run that a piece shares with the corpus; 0 if none has `SHORTEST`."""
    return int(shared(index, index.rhythmic, Lines.of(piece).symbols).notes.max(initial=0))


def covered_notes(runs: Shared, chosen: NDArray[np.bool_] | Ints, sizes: Sequence[int]) -> int:
    """How many notes of lines of these sizes stand in the chosen runs."""
    offset = np.cumsum([0, *sizes])
    begins = np.zeros(offset[-1] + 1, np.int64)
    first = offset[runs.line[chosen]] + runs.start[chosen]
    np.add.at(begins, first, 1)
    np.add.at(begins, first + runs.notes[chosen], -1)
    return int((np.cumsum(begins)[:-1] > 0).sum())


def largest_share(index: Index, runs: Shared, lines: Sequence[Symbols]) -> tuple[int, int]:
    """The piece that has most notes of a tune, and how many; -1 and 0 if there are no runs.

    Looked at are the pieces with the longest runs in all.
    """
    likely = [piece for piece, _ in zip((piece for piece, _ in _by_notes(runs)), range(_LIKELY))]
    found = [(aligned_notes(index, runs, piece, lines), piece) for piece in likely]
    notes, piece = max(found, key=lambda each: each[0], default=(0, -1))
    return piece, notes


def aligned_notes(index: Index, runs: Shared, piece: int, lines: Sequence[Symbols]) -> int:
    """How many notes of lines agree with a piece where it is laid beside them so that they share a run.

    Counted are all notes in stretches of `_STRETCH` or more: a note that was altered ends a run, not the likeness.
    """
    marked = [np.zeros(len(line) + 1, bool) for line in lines]
    mine = runs.piece == piece
    number = np.searchsorted(index.line_starts, runs.at[mine], "right") - 1
    places = {*zip(runs.line[mine].tolist(), number.tolist(), (runs.at[mine] - runs.start[mine]).tolist())}
    for line, theirs, offset in places:
        symbols, first, end = lines[line], int(index.line_starts[theirs]), int(index.line_starts[theirs + 1])
        begin, stop = max(first - offset, 0), min(end - offset, len(symbols))
        equal = np.zeros(max(stop - begin, 0) + 2, bool)  # with a symbol that differs at either end
        equal[1:-1] = symbols[begin:stop] == index.rhythmic.symbols[begin + offset : stop + offset]
        edges = np.flatnonzero(equal[1:] != equal[:-1])
        for start, past in zip(edges[::2].tolist(), edges[1::2].tolist()):
            if past - start >= _STRETCH - 1:
                marked[line][begin + start : begin + past + 1] = True
    return sum(int(each.sum()) for each in marked)


def versions(index: Index, piece: int) -> list[int]:
    """The piece, and those that have half of it or more."""
    lines = index.symbols_of_piece(piece)
    runs = shared(index, index.rhythmic, lines)
    least = VERSION * sum(len(line) + 1 for line in lines)
    likely = [other for other, most in _by_notes(runs) if most >= least / 2 and other != piece]
    return [piece, *(other for other in likely if aligned_notes(index, runs, other, lines) >= least)]


def _by_notes(runs: Shared) -> Iterator[tuple[int, int]]:
    """The pieces by the notes of all their runs, the most first."""
    notes = np.bincount(runs.piece, runs.notes)
    for piece in np.argsort(-notes, kind="stable").tolist():
        if not notes[piece]:
            return
        yield piece, int(notes[piece])


def compare(index: Index, piece: Piece, *, in_full: bool = True) -> Finding:
    """What a tune shares with the corpus of an index.

    Parameters
    ----------
    index
        Of the training pieces.
    piece
        The tune.
    in_full
        Whether runs by intervals alone, and how probable the run is, are looked at though it is not too long: this takes
        longer.

    Raises
    ------
    PieceError
        If no part of it but drums has `SHORTEST` notes.
    """
    own = Lines.of(piece)
    lines, symbols, sizes = own
    if piece.num_notes and piece.is_drum.all():
        raise PieceError("it holds nothing but drums, and what is compared are lines of pitches: give it a tune with one")
    if own.longest < SHORTEST:
        raise PieceError(
            f"its longest line has {own.longest} notes; the shortest run that says anything has {SHORTEST}: "
            "give more of the tune"
        )
    runs, total, norm = shared(index, index.rhythmic, symbols), sum(sizes), index.norm
    of, most = largest_share(index, runs, symbols)
    run = _longest(index, piece, lines, runs)
    sharer = _longest(index, piece, lines, Shared(*(column[runs.piece == of] for column in runs)))
    share = most / total
    unrelated = norm.unrelated if norm else SHORTEST - 1
    has_longer_run, has_larger_share = False, False
    if norm is not None:
        has_longer_run, has_larger_share = run is not None and run.notes > norm.run[1], share > norm.share[1]
    by_interval = None
    if in_full:
        alone = shared(index, index.by_interval, [intervals_alone(line) for line in symbols])
        by_interval = _longest(index, piece, lines, alone)
    asked = [(run, in_full or has_longer_run), (sharer, has_larger_share)]
    chances = [_expected(index, passage, total) for passage, is_asked in asked if passage is not None and is_asked]
    return Finding(
        total,
        run,
        by_interval,
        share,
        sharer,
        covered_notes(runs, runs.notes > unrelated, sizes) / total,
        None if norm is None else has_longer_run or has_larger_share,
        min(chances, default=None),
        tuple(_remarks(index, total)),
    )


def _longest(index: Index, piece: Piece, lines: Sequence[Line], runs: Shared) -> Passage | None:
    """The longest of the runs, the first of those."""
    if not len(runs.notes):
        return None
    n = int(np.argmax(runs.notes))
    line, start, at, notes = lines[int(runs.line[n])], int(runs.start[n]), int(runs.at[n]), int(runs.notes[n])
    here, there = slice(start, start + notes), slice(at, at + notes)
    bar, _ = piece.bar_and_position(line.onset[[start, start + notes - 1]])
    begins = int(index.line_starts[np.searchsorted(index.line_starts, at, "right") - 1])
    return Passage(
        notes,
        int(runs.piece[n]),
        index.names[int(runs.piece[n])],
        at - begins + 1,
        (int(bar[0]) + piece.first_bar, int(bar[1]) + piece.first_bar),
        (line.pitch[here], line.spacing[here]),
        (index.pitch[there].astype(np.int64), index.spacings[index.spacing[there]]),
        (piece.ticks_per_quarter, index.ticks_per_quarter),
    )


def _expected(index: Index, passage: Passage, notes: int) -> float:
    left_out = [line for each in versions(index, passage.piece) for line in index.symbols_of_piece(each)]
    return expected(index.rhythmic, symbols_of(*passage.yours), left_out, notes)


def _remarks(index: Index, notes: int) -> Iterator[str]:
    if index.norm is None:
        yield (
            f"the corpus has too few held-out tunes to tell what is usual ({len(index.names):,} training pieces): there is "
            "no verdict"
        )
    elif notes > _SEVERAL * index.norm.longest:
        yield (
            f"it has {notes:,} notes, the longest held-out tune {index.norm.longest:,}: so long a piece shares longer runs "
            "by chance, cut it into tunes for a verdict that holds"
        )
    if index.whole > len(index.names):
        yield f"the index holds {len(index.names):,} of {index.whole:,} training pieces: the others were not compared"
