"""The form of a tune: which bars return, how long it is, how it begins.

Conventions: bars are those of a musician; a pick-up is left out. A bar is what its melody plays: the positions and pitches
of the notes that begin in it, of the first part that is no drum. Two bars are equal if these are. A bar in which nothing
begins equals no other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from melody.piece import Ints, Piece

Bar = tuple[tuple[int, ...], ...]  # of each note position and pitch
LOOP_BARS = 6  # that one or two bars fill, over and over, before it is called a loop


def melody_of(piece: Piece) -> Piece:
    """The first part that is no drum; of notes that begin together the highest."""
    first = min((int(part) for part in np.unique(piece.part) if not piece.parts[part].is_drum), default=0)
    alone = piece.select(piece.part == first)
    last = np.append(np.diff(alone.onset) > 0, True) if alone.num_notes else np.zeros(0, bool)
    return alone.select(last)  # notes are sorted by onset, then pitch


def bars_of(piece: Piece) -> list[Bar]:
    """The bars of a piece from the first full one to the last in which a note begins."""
    return _filled(melody_of(piece), piece.has_pickup)


def _filled(music: Piece, has_pickup: bool, *more: Ints) -> list[Bar]:
    """Of each bar position and pitch of its notes, and what else is given of each."""
    bar, position = music.bar_and_position(music.onset)
    bar = bar - int(has_pickup)
    found: list[list[tuple[int, ...]]] = [[] for _ in range(int(bar.max(initial=-1)) + 1)]
    for number, *note in np.stack([bar, position, music.pitch, *more], axis=1).tolist():
        if number >= 0:
            found[number].append(tuple(note))
    return [tuple(notes) for notes in found]


def length_in_bars(piece: Piece) -> int:
    """How many bars a piece has; a last one that a pick-up completes counts as one."""
    return len(bars_of(piece))


def opening_returns(piece: Piece) -> float:
    """Whether bars 5 and 6 are bars 1 and 2 again; NaN for less than 8 bars."""
    bars = bars_of(piece)
    if len(bars) < 8:
        return float("nan")
    return float(bars[4:6] == bars[:2] and all(bars[:2]))


def bars_occurring_twice(piece: Piece) -> float:
    """Share of bars that occur more than once in the piece; NaN without bars."""
    bars = [bar for bar in bars_of(piece) if bar]
    times = Counter(bars)
    return sum(times[bar] > 1 for bar in bars) / len(bars) if bars else float("nan")


def has_no_repeated_bar(piece: Piece) -> float:
    """Whether no bar occurs twice; NaN without bars."""
    share = bars_occurring_twice(piece)
    return share if np.isnan(share) else float(share == 0)


def is_multiple_of(piece: Piece, bars: int) -> float:
    """Whether the number of bars is a multiple of `bars`; NaN without bars."""
    length = length_in_bars(piece)
    return float(length % bars == 0) if length else float("nan")


def bars_returning(piece: Piece, after: int) -> float:
    """Share of bars that are the bar `after` bars before again; NaN for no such pair of bars.

    r_k = sum over i of [bar i = bar i - k] / (n - k) with n bars: the diagonal at lag k of the self-similarity matrix of
    bars (Foote 1999; Wu and Yang 2020 for generated music), with equality for similarity.
    """
    bars = bars_of(piece)
    pairs = list(zip(bars, bars[after:]))
    return sum(bool(bar) and bar == before for before, bar in pairs) / len(pairs) if pairs else float("nan")


def different_rhythms(piece: Piece) -> float:
    """How many different rhythms (positions of onsets) the bars have, of how many bars; NaN without bars."""
    rhythms = [tuple(place for place, _ in bar) for bar in bars_of(piece) if bar]
    return len(set(rhythms)) / len(rhythms) if rhythms else float("nan")


def notes_a_bar(piece: Piece) -> float:
    """Notes that begin in a bar, drums aside, on average; NaN without notes (note count by bar, Yang and Lerch 2020)."""
    tones = int((~piece.is_drum).sum())
    return tones / max(length_in_bars(piece), 1) if tones else float("nan")


def longest_loop(piece: Piece) -> int:
    """How many bars in a row the same one or two bars fill, at most; 1 if no bar is followed by itself."""
    bars = bars_of(piece)
    return max((run.bars for run in _loops(bars)), default=min(len(bars), 1))


def loop_begins(piece: Piece) -> int | None:
    """The first of the bars of which one or two fill `LOOP_BARS` in a row or more, from tick 0; None if none do.

    Bars are what all parts but drums play: a riff that comes again and again under other music is no loop of the piece.
    """
    tones = piece.select(~piece.is_drum)
    found = (run.first for run in _loops(_filled(tones, piece.has_pickup, tones.part)) if run.bars >= LOOP_BARS)
    first = min(found, default=None)
    return None if first is None else first + piece.has_pickup


class _Run(NamedTuple):
    first: int
    bars: int


def _loops(bars: Sequence[object]) -> Iterator[_Run]:
    """The bars that the same one or two fill, as often as they do, and all beginnings of these."""
    for period in (1, 2):
        run = period
        for number in range(period, len(bars)):
            run = run + 1 if bars[number] and bars[number] == bars[number - period] else period
            if run > period:
                yield _Run(number + 1 - run, run)


def has_loop(piece: Piece) -> float:
    """Whether one or two bars fill `LOOP_BARS` bars in a row or more."""
    return float(longest_loop(piece) >= LOOP_BARS)


def sections_come_again(piece: Piece, letters: Sequence[int], start: int = 0) -> bool:
    """Whether half or more of the bars that should be new, after others that are, are bars from before.

    Parameters
    ----------
    piece
        The music.
    letters
        Of each of its bars from the first full one on, equal for those that should be the same.
    start
        Only bars from this tick on are looked at.
    """
    bars = bars_of(piece)[: len(letters)]
    returned = next((number for number, letter in enumerate(letters) if letter in letters[:number]), len(letters))
    lines = piece.bar_starts()[int(piece.has_pickup) :].tolist()
    new = [n for n in range(returned, len(bars)) if letters[n] not in letters[:n] and lines[n] >= start and bars[n]]
    return bool(new) and 2 * sum(bars[number] in bars[:number] for number in new) >= len(new)


def has_pickup(piece: Piece) -> float:
    """Whether it begins with a pick-up."""
    return float(piece.has_pickup)


def is_minor(piece: Piece) -> float:
    """Whether its first key is minor; NaN if it names none."""
    return float(piece.keys[0].mode == "minor") if piece.keys else float("nan")


def commonest_rhythm(piece: Piece) -> float:
    """Share of bars that have the rhythm (the positions of the onsets) that most bars have; NaN without bars."""
    rhythms = [tuple(place for place, _ in bar) for bar in bars_of(piece) if bar]
    return Counter(rhythms).most_common(1)[0][1] / len(rhythms) if rhythms else float("nan")


def bars_of_metre(piece: Piece) -> tuple[int, int]:
    """How many bars of the melody are filled exactly, of how many.

    Looked at are the bars before the one in which the last note begins, a pick-up aside: the durations of the notes that
    begin in one add up to it.
    """
    melody = melody_of(piece)
    if not melody.num_notes:
        return 0, 0
    bar, _ = melody.bar_and_position(melody.onset)
    starts: Ints = melody.bar_starts()
    numbers = range(1 if melody.onset[0] else 0, int(bar[-1]))
    filled = np.bincount(bar, weights=melody.duration)
    return sum(int(filled[i] == starts[i + 1] - starts[i]) for i in numbers), len(numbers)
