"""Music of which some events are observed and the rest is free: what stands around a gap, a melody to put voices under.

Conventions
-----------
The observed events stand at their ticks, in the order of the vocabulary. Between them the free parts may play and rest, from
the tick at which each is let in up to the end of the gap, as the grammar allows; a note of theirs may sound up to its own
limit. An observed event has one of three forms:

EXACT           it comes just so
REST            a free part rests there if it still sounds; if it is silent already there is no event
ONSET_OR_REST   a free part whose durations are implied begins a note or rests there, since what it held before the gap ends
                just there
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from melody.errors import VocabularyError
from melody.piece import MAX_TICK, Ints, Piece
from melody.tokens.grammar import Mask
from melody.tokens.usage import FIRST_PART
from melody.tokens.vocabulary import END, KIND, TIME, VALUE, Rows, Vocabulary

EXACT, REST, ONSET_OR_REST = range(3)
FARTHEST = 12  # ticks, by which an observed event may be moved to where the model has a rhythm for it


@dataclass(frozen=True)
class Observations:
    """Observed events, and where which parts are free.

    Parameters
    ----------
    tick, rows, form
        Of each event: its tick, its tokens without time, its form; END last, if what follows is observed to its end.
    free
        Which parts are free, (parts,).
    since
        The tick from which a free part may play, (parts,).
    until
        The tick before which free parts may play.
    silent
        The tick at which no new note of a part sounds any more, (parts, pitches).
    reaches
        END only after music that sounds beyond this tick.
    """

    tick: Ints
    rows: Rows
    form: Ints
    free: Mask
    since: Ints
    until: int
    silent: Ints
    reaches: int = 0

    @property
    def prefix(self) -> int:
        """How many events stand before anything is free."""
        first = int(self.since[self.free].min(initial=MAX_TICK))
        return int(np.sum((self.tick < first) & (self.rows[:, TIME] != END)))


def observe(vocabulary: Vocabulary, piece: Piece, free: Mask, first: int, last: int, *, to_the_end: bool) -> Observations:
    """What is observed of a piece if `free` parts are free in ticks [first, last).

    Notes of free parts that begin there go. One that began before sounds on to its end, and its part is free from there;
    a part that holds one note throughout is not free at all. One that would have sounded into what follows leaves its room
    there to the new notes of its part.

    Parameters
    ----------
    vocabulary
        Of the events; it may know the piece's rhythm or not.
    piece
        A piece that fits the vocabulary but for the times between events.
    free
        (parts of the vocabulary,).
    first, last
        Ticks.
    to_the_end
        Whether the piece ends there, or goes on beyond what the model reads of it.
    """
    rows, tick = untimed(vocabulary, piece)
    numbers = vocabulary.part_numbers(piece)[piece.part]
    held, until = _borders(piece, numbers, len(free), first, last)
    held[~np.array(vocabulary.monophonic)] = 0  # others need not wait for one note to end
    free = free & (held < last)
    since = np.maximum(held, first)
    joints = np.flatnonzero(free & np.array(vocabulary.implied_duration) & (held > 0)).tolist()
    own = (rows[:, KIND] >= FIRST_PART) & (rows[:, TIME] != END)
    own &= np.append(free, False)[np.where(own, rows[:, KIND] - FIRST_PART, -1)]
    rows, tick = (array[~(own & (tick >= first) & (tick < last))] for array in (rows, tick))
    if not to_the_end:  # nor is it known how long the last notes are
        count = int(np.flatnonzero(vocabulary.is_note(rows)).max(initial=-1)) + 1
        rows, tick = rows[:count], tick[:count]
    form = np.full(len(rows), EXACT)
    made = Observations(tick, rows, form, free, since, last, _silent(vocabulary, rows, tick, until, last))
    return _with_joints(vocabulary, made, until, joints)


def _borders(piece: Piece, numbers: Ints, parts: int, first: int, last: int) -> tuple[Ints, Ints]:
    """Of each part: where what sounds at the tick `first` ends, or 0; where what begins in the gap ends, `last` or later."""
    held, until = np.zeros(parts, np.int64), np.full(parts, last)
    before = (piece.onset < first) & (piece.end >= first)
    inside = (piece.onset >= first) & (piece.onset < last)
    np.maximum.at(held, numbers[before], piece.end[before])
    np.maximum.at(until, numbers[inside], piece.end[inside])
    return held, until


def any_rhythm(vocabulary: Vocabulary, piece: Piece) -> Vocabulary:
    """The same vocabulary with all the times between events that there can be in a piece."""
    changes = [piece.time_signatures[-1].onset, piece.tempi[-1].onset, *(key.onset for key in piece.keys)]
    return replace(vocabulary, shifts=tuple(range(max(piece.length, *changes) + 1)))


def untimed(vocabulary: Vocabulary, piece: Piece) -> tuple[Rows, Ints]:
    """The events of a piece whatever its rhythm, END included, and their ticks; time is 1, or 0 for END."""
    rows = any_rhythm(vocabulary, piece).encode(replace(piece, pedals=()))  # the foot stays where it is
    tick = np.cumsum(np.maximum(rows[:, TIME] - 1, 0))
    rows[:, TIME] = np.minimum(rows[:, TIME], 1)
    return rows, tick


def timed(vocabulary: Vocabulary, rows: Rows, tick: Ints) -> Rows:
    """Events, END excepted, with the times that belong to their ticks, which the vocabulary must know."""
    steps = np.searchsorted(vocabulary.shifts, np.diff(tick, prepend=0))
    return np.concatenate([1 + steps[:, None], rows[:, KIND:]], axis=1)


def decoded(vocabulary: Vocabulary, rows: Rows) -> Piece:
    """The piece of the events, in which part n is the vocabulary's, whether it plays or not."""
    piece = vocabulary.decode(rows)
    notes = rows[vocabulary.is_note(rows)]  # in the order of a piece
    return replace(piece, part=notes[:, KIND] - FIRST_PART, parts=vocabulary.parts)


def _silent(vocabulary: Vocabulary, rows: Rows, tick: Ints, until: Ints, last: int) -> Ints:
    """The tick up to which a new note of each part and pitch may sound: where its room ends or an observed one begins."""
    silent = np.repeat(until[:, None], vocabulary.num_pitches, axis=1)
    after = np.flatnonzero(vocabulary.is_note(rows) & (tick >= last))[::-1]
    pitch = rows[after, VALUE] - vocabulary.first_pitch
    silent[rows[after, KIND] - FIRST_PART, pitch] = np.minimum(silent[rows[after, KIND] - FIRST_PART, pitch], tick[after])
    return silent


def _with_joints(vocabulary: Vocabulary, made: Observations, until: Ints, joints: list[int]) -> Observations:
    """The same with what parts whose durations are implied must do where the gap begins and where it ends."""
    form = made.form.copy()
    new = [(int(made.since[part]), part, ONSET_OR_REST) for part in joints]
    for part in np.flatnonzero(made.free & np.array(vocabulary.implied_duration)).tolist():
        own = np.flatnonzero((made.rows[:, KIND] == FIRST_PART + part) & (made.tick >= made.until))[:1]
        if len(own) and made.tick[own[0]] <= until[part]:
            form[own] = np.where(vocabulary.is_rest(made.rows[own]), REST, EXACT)
        else:
            new.append((int(until[part]), part, REST))
    rows = np.array([[1, FIRST_PART + part, vocabulary.rest, 0, 0] for _, part, _ in new], np.int64).reshape(-1, 5)
    tick = np.concatenate([made.tick, np.array([at for at, _, _ in new], np.int64)])
    rows = np.concatenate([made.rows, rows])
    form = np.concatenate([form, np.array([kind for _, _, kind in new], np.int64)])
    ends = rows[:, TIME] == END
    tick[ends] = max(int(tick.max()), made.until)
    order = np.lexsort((rows[:, VALUE], rows[:, KIND], tick, ends))
    return replace(made, tick=tick[order], rows=rows[order], form=form[order])


def aligned(vocabulary: Vocabulary, made: Observations, fixed: Sequence[int] = ()) -> Observations:
    """The same with each event where the model has a rhythm for it, moved as little as possible, over all of them.

    What stands at the `fixed` ticks stays there.

    Raises
    ------
    VocabularyError
        If there is no such rhythm within half a quarter of each event.
    """
    own = made.rows[:, TIME] != END
    ticks = np.unique(made.tick[own])
    first = int(made.since[made.free].min(initial=MAX_TICK))
    bridged = (ticks[1:] > first) & (ticks[:-1] < made.until)  # others may play between
    moved = _nearest_rhythm(vocabulary, ticks, np.isin(ticks, [0, *fixed]), bridged)
    if np.array_equal(moved, ticks):
        return made
    place = dict(zip(ticks.tolist(), moved.tolist()))

    def there(values: Ints) -> Ints:
        return np.array([place.get(tick, tick) for tick in values.ravel().tolist()], np.int64).reshape(values.shape)

    until = place.get(made.until, made.until)
    return replace(made, tick=there(made.tick), since=there(made.since), until=until, silent=there(made.silent))


def _nearest_rhythm(vocabulary: Vocabulary, ticks: Ints, fixed: Mask, bridged: Mask) -> Ints:
    """Ticks near those, each a known time after the one before or, where `bridged`, a sum of such times."""
    ticks = np.concatenate([[0], ticks])  # where the first event comes from
    gaps = np.diff(ticks)
    known = known_steps(vocabulary, int(gaps.max(initial=0)) + 2 * FARTHEST + 1)
    moves = np.arange(-FARTHEST, FARTHEST + 1)
    step = moves[None, :] - moves[:, None]  # how much longer the time becomes, (moves before, moves)
    best, moves_before = np.where(moves == 0, 0.0, np.inf), []
    for gap, is_fixed, is_bridged in zip(gaps.tolist(), fixed.tolist(), [False, *bridged.tolist()]):
        legal = known[int(is_bridged)][np.maximum(gap + step, 0)] & ((gap + step > 0) | (gap == 0))
        total = np.where(legal, best[:, None], np.inf)
        moves_before.append(total.argmin(axis=0))
        best = total.min(axis=0) + np.where(is_fixed & (moves != 0), np.inf, np.abs(moves))
    if not np.isfinite(best.min()):
        raise VocabularyError("its rhythm is too far from any that this model knows; take a model of such music")
    move = [int(best.argmin())]
    for before in moves_before[:0:-1]:
        move.append(int(before[move[-1]]))
    return ticks[1:] + moves[move[::-1]]


def known_steps(vocabulary: Vocabulary, most: int) -> tuple[Mask, Mask]:
    """Of each number of ticks below `most`, whether it is a time between events, and whether it is a sum of such times."""
    direct = np.zeros(most, bool)
    shifts = [shift for shift in vocabulary.shifts if shift < most]
    direct[shifts] = True
    sums = direct.copy()
    for ticks in range(most):
        sums[ticks] |= any(sums[ticks - shift] for shift in shifts if 0 < shift <= ticks)
    return direct, sums
