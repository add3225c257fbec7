"""Where else a piece could begin: at bar lines four full bars apart, with a pick-up as long as its own where notes are.

Of what comes first in a piece there is one example a piece, and what comes first is what a tune is made of. So a model also
learns from pieces that are cut off in front, as if they began there: their outline is that of what is left, in which all
bars are new that have not been played since.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from melody.piece import Ints
from melody.tokens.inputs.outlines.outline import is_pickup
from melody.tokens.inputs.whole_piece import WholePiece
from melody.tokens.usage import DOWN, FIRST_PART, KEY, METRE, TEMPO
from melody.tokens.vocabulary import END, KIND, TIME, VALUE, Rows, Vocabulary

EVERY = 4  # bars: most phrases are as long, or twice or four times so
LEAST = 4  # bars that are left of a piece
MOST = 16  # beginnings of a piece that are kept, besides its own


class Beginning(NamedTuple):
    """A place at which a piece could begin.

    Parameters
    ----------
    first
        The number of the first event that is kept but for changes of metre, tempo and key, and the pedal.
    tick
        The bar line before it, or at it.
    """

    first: int
    tick: int


class LaterBeginnings:
    """Those of many pieces, at most `MOST` of each; filled by `add`.

    Parameters
    ----------
    vocabulary
        Of the events.
    pieces
        How many there are.
    """

    def __init__(self, vocabulary: Vocabulary, pieces: int) -> None:
        self._vocabulary = vocabulary
        self._table = np.zeros((pieces, MOST, 3), np.int32)  # first event, bar line, how many events are left
        self._number = np.zeros(pieces, np.int64)  # how many of them a piece has

    def __bool__(self) -> bool:
        """Whether any piece has one."""
        return bool(self._number.any())

    def add(self, piece: int, rows: Rows) -> None:
        """Those of that piece, whose events are `rows`, that the vocabulary can say."""
        found = beginnings(self._vocabulary, rows)
        left = ((each, begun(self._vocabulary, rows, each)) for each in found[:: max(-(-len(found) // MOST), 1)])
        for number, row in enumerate((*each, len(rows)) for each, rows in left if rows is not None):
            self._table[piece, number], self._number[piece] = row, number + 1

    def sampled(self, rng: np.random.Generator) -> Ints:
        """The number of one of each piece, by chance; -1 for none, (pieces,)."""
        return np.where(self._number > 0, rng.integers(np.maximum(self._number, 1)), -1)

    def events(self, chosen: Ints) -> Ints:
        """How many events each piece has from the one that is chosen on; 0 where none is, (pieces,)."""
        return np.where(chosen < 0, 0, self._table[np.arange(len(chosen)), chosen, 2])

    def left_out(self, events: Ints) -> NDArray[np.float64]:
        """How many of its events stand before a later beginning of a piece in the mean, (pieces,)."""
        left: NDArray[np.float64] = self._table[..., 2].sum(axis=1) / np.maximum(self._number, 1)
        return np.where(self._number > 0, events - left, 0.0)

    def rows(self, piece: int, chosen: int, rows: Rows) -> Rows:
        """What that piece, whose events are `rows`, is from one of them on."""
        first, tick, _ = self._table[piece, chosen].tolist()
        found = begun(self._vocabulary, rows, Beginning(first, tick))
        assert found is not None, "only what the vocabulary can say is added"
        return found


def beginnings(vocabulary: Vocabulary, rows: Rows) -> list[Beginning]:
    """Those of a piece, (events, 5), in their order, but for its own; none where times are as fine as a performance's."""
    if vocabulary.is_fine:
        return []
    events = WholePiece(vocabulary, rows[rows[:, TIME] != END])
    notes = np.flatnonzero(events.is_note)
    if not len(notes):
        return []
    metre, tick = events.metre, events.tick
    place = (tick - metre.start) % metre.bar_ticks
    number = events.bar_numbers
    has_pickup = bool(is_pickup(tick[notes[0]], metre.bar_ticks[notes[0]]) and number[notes[-1]] > 0)
    lead = int(metre.bar_ticks[notes[0]] - place[notes[0]]) if has_pickup else 0
    found = []
    for bar in range(EVERY + has_pickup, int(number[notes[-1]]) + 2 - LEAST, EVERY):
        at_line = int(np.searchsorted(number, bar))
        if number[at_line] > bar:
            continue  # nothing begins in that bar
        line = int(tick[at_line] - place[at_line])
        first = int(np.searchsorted(tick, line - lead))
        before = line - int(metre.bar_ticks[first])
        is_before = first < at_line and before >= 0 and bool(events.is_note[first:at_line].any())
        beginning = Beginning(first, before) if is_before else Beginning(at_line, line)
        begins = notes[np.searchsorted(notes, beginning.first)]
        if bool(is_pickup(tick[begins] - beginning.tick, metre.bar_ticks[begins])) == is_before:
            found.append(beginning)
    return found


def begun(vocabulary: Vocabulary, rows: Rows, beginning: Beginning) -> Rows | None:
    """What a piece, (events, 5), is from there on: what is in force there, then its events; no note sounds from before.

    None if the vocabulary has no token for the time to an event.
    """
    tick, is_end = _ticks(vocabulary, rows), rows[:, TIME] == END
    later = np.flatnonzero((tick >= beginning.tick) & ~is_end)
    later = later[(later >= beginning.first) | (rows[later, KIND] < FIRST_PART)]
    before, going, ticks = rows[: later[0]], rows[later], tick[later]
    left_out = _ends_before(vocabulary, going)
    turns, is_down = np.flatnonzero(vocabulary.is_turn(going)), _is_down(vocabulary, before)
    if is_down and len(turns) and ticks[turns[0]] == beginning.tick:
        is_down, left_out[turns[0]] = False, True  # it goes up there
    going, ticks = going[~left_out], ticks[~left_out]
    in_force = _in_force(vocabulary, before, going[ticks == beginning.tick])
    if is_down:
        in_force = np.append(in_force, [[0, KEY, vocabulary.first_turn + DOWN, 0, 0]], axis=0)
    found, ticks = np.concatenate([in_force, going]), np.append(np.full(len(in_force), beginning.tick), ticks)
    found = found[np.lexsort((found[:, VALUE], found[:, KIND], ticks))]
    shifts, table = np.diff(ticks, prepend=beginning.tick), np.array(vocabulary.shifts)
    places = np.minimum(np.searchsorted(table, shifts), len(table) - 1)
    if np.any(table[places] != shifts):
        return None
    found[:, TIME] = 1 + places
    return np.concatenate([found, rows[is_end]])


def _ticks(vocabulary: Vocabulary, rows: Rows) -> Ints:
    """Where each event stands; END where the last one does."""
    ticks: Ints = np.append(0, vocabulary.shifts)[rows[:, TIME]].cumsum()
    return ticks


def _ends_before(vocabulary: Vocabulary, rows: Rows) -> NDArray[np.bool_]:
    """Which events are a rest that a part begins with: it ends a note of before."""
    found = np.zeros(len(rows), bool)
    if not any(vocabulary.implied_duration):
        return found
    _, firsts = np.unique(rows[:, KIND], return_index=True)
    found[firsts] = vocabulary.is_rest(rows[firsts])
    return found


def _is_down(vocabulary: Vocabulary, before: Rows) -> bool:
    """Whether the pedal is down after those events."""
    turns = before[vocabulary.is_turn(before)][-1:]
    return bool((turns[:, VALUE] == vocabulary.first_turn + DOWN).any())


def _in_force(vocabulary: Vocabulary, before: Rows, there: Rows) -> Rows:
    """The last metre, tempo and key of the events before, but for what changes there anyway."""
    found = [before[:0]]
    for kind in (METRE, TEMPO, KEY):
        last, changes = (rows[(rows[:, KIND] == kind) & ~vocabulary.is_turn(rows)] for rows in (before, there))
        found += [] if len(changes) else [last[-1:]]
    return np.concatenate(found)
