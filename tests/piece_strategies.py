"""Hypothesis strategies: any legal piece."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from melody.piece import Key, Part, Pedal, Piece, Tempo, TimeSignature

GRIDS = (1, 4, 12, 24, 96, 220, 480, 1000)
printable = st.text(st.characters(min_codepoint=32, max_codepoint=0x2FFF).filter(str.isprintable), max_size=40)
parts = st.builds(Part, st.one_of(st.integers(0, 127), st.just(0)), st.booleans(), printable)


def changes(kind: type, *fields: st.SearchStrategy) -> st.SearchStrategy:
    """Events of one kind at growing ticks from 0 on, each different from the one before."""

    def built(rows: list[tuple]) -> tuple:
        kept: list = []
        for onset, row in rows:
            if not kept or kept[-1][1:] != row:
                kept.append(kind(kept[-1].onset + onset if kept else 0, *row))
        return tuple(kept)

    return st.lists(st.tuples(st.integers(1, 500), st.tuples(*fields)), max_size=4).map(built)


def pressed(rows: list[tuple[int, int]]) -> tuple[Pedal, ...]:
    """Presses of the pedal, from how long after the one before each begins and how long it lasts."""
    turns = np.cumsum(np.array(rows, np.int64).reshape(-1)).reshape(-1, 2)
    return tuple(Pedal(*press) for press in turns.tolist())


presses = st.lists(st.tuples(st.integers(0, 500), st.integers(1, 500)), max_size=4).map(pressed)


@st.composite
def metres(draw: st.DrawFn, ticks_per_quarter: int) -> tuple[TimeSignature, ...]:
    """Time signatures from tick 0 on, each on a bar line of the one before and different from it."""
    kept: list[TimeSignature] = []
    onset = 0
    for _ in range(draw(st.integers(1, 4))):
        numerator = draw(st.sampled_from([1, 2, 3, 4, 5, 6, 7, 9, 12, 255]))
        legal = [d for d in (1, 2, 4, 8, 16, 32, 64) if numerator * 4 * ticks_per_quarter % d == 0]
        signature = TimeSignature(onset, numerator, draw(st.sampled_from(legal)))
        if not kept or kept[-1][1:] != signature[1:]:
            kept.append(signature)
        onset += draw(st.integers(1, 3)) * kept[-1].bar_ticks(ticks_per_quarter)
    return tuple(kept)


@st.composite
def pieces(draw: st.DrawFn, max_notes: int = 30, max_parts: int = 20) -> Piece:
    """Any legal piece of at least one note, each part with notes."""
    ticks_per_quarter = draw(st.sampled_from(GRIDS))
    rows = st.tuples(
        st.integers(0, 2000), st.integers(1, 500), st.integers(0, 127), st.integers(1, 127), st.integers(0, max_parts - 1)
    )
    sounding: dict[tuple[int, int], int] = {}
    notes = []
    for onset, duration, pitch, velocity, part in sorted(draw(st.lists(rows, min_size=1, max_size=max_notes))):
        if onset >= sounding.get((part, pitch), 0):
            sounding[part, pitch] = onset + duration
            notes.append((onset, duration, pitch, velocity, part))
    table = np.array(notes).T
    table[4] = np.unique(table[4], return_inverse=True)[1]
    count = int(table[4].max()) + 1
    players = draw(st.lists(parts, min_size=count, max_size=count))
    return Piece(
        *table,
        parts=tuple(players),
        time_signatures=draw(metres(ticks_per_quarter)),
        tempi=draw(changes(Tempo, st.integers(1, 2**24 - 1))) or (Tempo(0, 500_000),),
        keys=draw(changes(Key, st.integers(-7, 7), st.sampled_from(["major", "minor"]))),
        title=draw(printable),
        texts=tuple(draw(st.lists(printable, max_size=3))),
        ticks_per_quarter=ticks_per_quarter,
        pedals=draw(presses) if any(part.is_keyboard for part in players) else (),
    )
