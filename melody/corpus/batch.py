"""What many MIDI files say -> events, in one NumPy pass over all of them.

Python's cost for a NumPy call is that of some hundred notes; taken file by file, reading costs several times what parsing
does. Here only what stands in no need of repair is done, all at once; every other file goes the careful way, through
`midi.to_piece`. The law, tested: both ways give the same events and the same words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from melody.corpus import events
from melody.corpus.events import Events
from melody.midi.source import END, PART, PITCH, START, VELOCITY, Source, to_piece
from melody.piece import MAX_TICK, Ints
from melody.tokens.vocabulary import part_keys

PIECES = 256  # at most: the number of a piece has 8 bits of a sorting key
PARTS = 512  # in all pieces: with the pitch that makes 16 bits, which sort in linear time
_TICK, _KIND, _PITCH = 31, 17, 7  # bits of the sorting key


def batched(sources: Sequence[Source]) -> list[Sequence[Source]]:
    """Runs of sources that are small enough to be read together."""
    runs: list[list[Source]] = [[]]
    parts = notes = 0
    for source in sources:
        parts, notes = parts + len(source.parts), notes + source.notes.shape[1]
        if runs[-1] and (len(runs[-1]) == PIECES or parts > PARTS or notes > events.RUN):
            runs.append([])
            parts, notes = len(source.parts), source.notes.shape[1]
        runs[-1].append(source)
    return [run for run in runs if run]


def read_together(sources: Sequence[Source], ticks_per_quarter: int) -> tuple[Events, list[tuple[str, ...] | None]]:
    """The events of those sources that need no repair of their notes, and for each source what was changed.

    None stands for a source that has to go the careful way and is not among the events.
    """
    notes = np.concatenate([source.notes for source in sources], axis=1)
    sizes = np.array([source.notes.shape[1] for source in sources])
    piece = np.repeat(np.arange(len(sources)), sizes)
    snapped, moved = _snapped(notes, piece, np.array([s.ticks_per_quarter for s in sources]), ticks_per_quarter)
    clean = _are_clean(notes, snapped, piece, sources)
    firsts = np.concatenate([[0], np.cumsum(sizes)])
    furthest = np.maximum.reduceat(moved, firsts[:-1]).tolist()
    changes: list[tuple[int, int, int, int]] = []
    told: list[tuple[str, ...] | None] = []
    frames: dict[tuple, tuple[list[tuple[int, int, int]], tuple[str, ...]]] = {}
    for number, source in enumerate(sources):
        if clean[number]:
            signatures = (tuple(source.time_signatures), tuple(source.tempi), tuple(source.keys))
            what = (source.ticks_per_quarter, *signatures, furthest[number])
            if what not in frames:
                note = int(moved[firsts[number] : firsts[number + 1]].argmax())
                frames[what] = _frame(source, note, ticks_per_quarter)
            frame, words = frames[what]
            changes += [(number, *change) for change in frame]
            told.append(words)
        else:
            told.append(None)
    return _sorted(snapped, piece, clean, _kinds(sources), changes), told


def _snapped(notes: Ints, piece: Ints, grids: Ints, target: int) -> tuple[Ints, Ints]:
    """The notes with start and end on the grid; and how far each was moved, in parts of both grids."""
    source: Ints | int = int(grids[0]) if len(set(grids.tolist())) == 1 else grids[piece]
    times = notes[: END + 1]
    on_grid = (2 * target * times + source) // (2 * source)
    moved = np.abs(target * times - source * on_grid).max(0)
    return np.concatenate([on_grid, notes[END + 1 :]]), moved


def _are_clean(notes: Ints, snapped: Ints, piece: Ints, sources: Sequence[Source]) -> NDArray[np.bool_]:
    """Which sources need nothing that their notes or their events do not say by themselves, (sources,)."""
    bad = (snapped[END] <= snapped[START]) | (notes[VELOCITY] < 1) | (notes[VELOCITY] > 127) | (snapped[END] > MAX_TICK)
    parts = np.concatenate([[0], np.cumsum([len(source.parts) for source in sources])])
    player = ((parts[piece] + notes[PART]) << _PITCH | notes[PITCH]).astype(np.uint16 if parts[-1] <= PARTS else np.int64)
    order = np.argsort(player, kind="stable")
    same = np.diff(player[order]) == 0
    if np.any(same & (np.diff(snapped[START][order]) < 0)):
        order = np.lexsort((snapped[START], player))
    overlap = same & (snapped[START][order[1:]] < snapped[END][order[:-1]])
    bad[order[1:][overlap]] = True
    return np.bincount(piece[bad], minlength=len(sources)) == 0


def _frame(source: Source, note: int, ticks_per_quarter: int) -> tuple[list[tuple[int, int, int]], tuple[str, ...]]:
    """Changes of metre, tempo and key, and what was repaired: those of the file with its furthest moved note alone."""
    repairs: list[str] = []
    alone = replace(source, notes=source.notes[:, note : note + 1], title="", texts=())
    piece, _ = to_piece(alone, ticks_per_quarter, repairs)
    return events.changes_of(piece), tuple(repairs)


def _kinds(sources: Sequence[Source]) -> list[Ints]:
    """The kind of each part of each source."""
    return [np.array([events.kind_of(key) for key in part_keys(source.parts)]) for source in sources]


def _sorted(
    notes: Ints, piece: Ints, clean: NDArray[np.bool_], kinds: Sequence[Ints], changes: Sequence[tuple[int, int, int, int]]
) -> Events:
    """Notes and changes of the clean pieces as events."""
    first_part = np.concatenate([[0], np.cumsum([len(k) for k in kinds])])
    use = clean[piece]
    notes, piece = notes[:, use], piece[use]
    kind = np.concatenate(kinds)[first_part[piece] + notes[PART]]
    others = np.array(changes, np.int64).reshape(-1, 4).T
    none = np.zeros(others.shape[1], np.int64)
    number = np.concatenate([others[0], piece])
    tick = np.concatenate([others[1], notes[START]])
    kind = np.concatenate([others[2], kind])
    value = np.concatenate([others[3], notes[PITCH]])
    place = np.concatenate([none, notes[PITCH]])
    order = np.argsort(((number << _TICK | tick) << _KIND | kind) << _PITCH | place, kind="stable")
    number, tick = number[order], tick[order]
    starts = np.searchsorted(number, np.append(np.flatnonzero(clean), len(clean)))
    shift = np.diff(tick, prepend=0)
    shift[starts[:-1]] = tick[starts[:-1]]
    duration = np.concatenate([none, notes[END] - notes[START]])[order]
    velocity = np.concatenate([none, notes[VELOCITY]])[order]
    return Events(starts, shift, kind[order], value[order], duration, velocity)
