"""Where the sections of a tune end, as far as it is certain: where eight bars are played twice.

Dances come in strains of eight bars, each of them played again. A tune that is written out does not mark its strains, but
eight bars that return at a distance of whole strains are one. Bars are counted from 0 here, a pick-up or not.
"""

from __future__ import annotations

from melody.piece import Ints, Piece

STRAIN = 8  # bars


def section_ends(piece: Piece) -> set[int]:
    """The bars after which a section ends: the last of each strain that is there twice.

    The second half of a strain's last bar may differ, as it leads to what follows. A strain whose halves are equal is
    left aside: it may be a loop of four bars, which has no end there.

    >>> strain = [60, 62, 64, 65, 67, 69, 71, 72]
    >>> sorted(section_ends(Piece(range(0, 2304, 96), [96] * 24, strain + strain[::-1] + strain[::-1])))
    [15, 23]
    """
    starts = piece.bar_starts()
    first = 1 - piece.first_bar
    strains = [_contents(piece, starts, bar, bar + STRAIN) for bar in range(first, len(starts) - STRAIN + 1, STRAIN)]
    ends = set()
    for i, strain in enumerate(strains):
        if strain and strains.count(strain) > 1:
            ends.add(first + (i + 1) * STRAIN - 1)
    return ends


def _contents(piece: Piece, starts: Ints, first: int, stop: int) -> tuple[tuple[int, ...], ...]:
    """The notes of bars [first, stop) but for the last half bar; empty if they are twice the same."""
    begin, last = int(starts[first]), int(starts[stop - 1])
    end = last + piece.time_signature_at(last).bar_ticks(piece.ticks_per_quarter) // 2

    def notes(start: int, stop: int) -> tuple[tuple[int, ...], ...]:
        low, high = piece.onset.searchsorted([start, stop])
        columns = (piece.onset - start, piece.pitch, piece.part)
        return tuple(zip(*(column[low:high].tolist() for column in columns)))

    half = int(starts[first + STRAIN // 2])
    alike = notes(begin, begin + end - half) == notes(half, end)
    return () if alike else notes(begin, end)
