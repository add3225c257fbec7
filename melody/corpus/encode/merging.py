"""Parts of a folder that are the same role: one drum kit, and rare instruments played by the common one of their family.

Bands name their instruments by whim: a lead is a flute here, an ocarina there. A vocabulary with a part for each would know
little of any. So, in a folder of at least `ENOUGH` pieces:

- All drum parts of a piece are one, of the kit that most pieces have.
- A part is rare whose program, and number within the piece among parts of that program, few pieces have: fewer than `FEW`
  of them, or than the share `SHARE`. It is played by the program of its family (the eight programs of General MIDI that
  belong together) that most pieces have, behind the parts that have that program already. If even then few pieces have a
  part of so high a number, it joins the last one that is not rare.
- Where parts that become one play the same pitch at the same tick, it is one note, the louder one.

What was changed is reported in the verdict on each file; the pieces of other folders are left as they are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from melody.corpus.events import Events, kind_of, part_of
from melody.general_midi import instrument_name
from melody.piece import Ints, Part
from melody.text import counted
from melody.tokens.usage import FIRST_PART

ENOUGH = 20  # pieces, in fewer of which every part is rare
FEW, SHARE = 3, 0.05
_FAMILY = 8  # programs
_INSTRUMENT = 256  # kinds of one instrument, as `events.kind_of` numbers them
_DRUMS = 128  # instruments from here on are drum kits


class Merging:
    """Which parts become which.

    Parameters
    ----------
    pieces
        How many pieces have each kind of part.
    total
        How many pieces there are.
    """

    def __init__(self, pieces: Mapping[int, int], total: int) -> None:
        self._fewest = max(FEW, SHARE * total)
        self._rare = {kind for kind, count in pieces.items() if count < self._fewest} if total >= ENOUGH else set()
        programs: Counter[int] = Counter()
        for kind, count in pieces.items():
            if part_of(kind)[2] == 0:
                programs[_instrument(kind)] += count
        self._common = {  # of each instrument the one that stands for its family
            one: max((p for p in programs if _family(p) == _family(one)), key=lambda p: (programs[p], -p))
            for one in programs
        }
        kits = {kind for kind in pieces if _instrument(kind) >= _DRUMS}
        self._merges_drums = total >= ENOUGH and len(kits) > 1
        self._last: dict[int, int] = {}  # of each instrument the last number that is not rare
        self._before = self._after = len(pieces)

    def __bool__(self) -> bool:
        """Whether any part becomes another."""
        return self._merges_drums or any(self._common[_instrument(kind)] != _instrument(kind) for kind in self._rare)

    @property
    def remark(self) -> str:
        """How many parts became how many, in one sentence; empty if none did."""
        if not self:
            return ""
        words = "drums are one kit, rare instruments are played by the common one of their family"
        return f"{self._before:,} different parts are taken as {self._after:,}: {words}"

    def join(self, pieces: Mapping[int, int]) -> None:
        """Let parts join the last one that is not rare, when it is known how many pieces have each of those merged."""
        self._last = dict.fromkeys(map(_instrument, pieces), 0)
        for kind, count in pieces.items():
            if count >= self._fewest:
                self._last[_instrument(kind)] = max(self._last[_instrument(kind)], part_of(kind)[2])
        self._after = len({(_instrument(k), min(part_of(k)[2], self._last[_instrument(k)])) for k in pieces})

    def of(self, events: Events) -> tuple[Events, dict[int, str]]:
        """The pieces with their parts merged, and what was done to each of those that are changed, by number."""
        notes = events.note_rows
        key = events.piece[notes] << 17 | events.kind[notes].astype(np.int64)
        pairs, place = np.unique(key, return_inverse=True)
        piece, kind = pairs >> 17, pairs & ((1 << 17) - 1)
        merged = self._merged(piece, kind)
        if np.array_equal(merged, kind):
            return events, {}
        new_kind = events.kind.astype(np.int64)
        new_kind[notes] = merged[place]
        found = _sorted(events, new_kind)
        lost = np.diff(events.starts) - np.diff(found.starts)
        return found, {n: words + _at_once(int(lost[n])) for n, words in self._reported(piece, kind, merged).items()}

    def _merged(self, piece: Ints, kind: Ints) -> Ints:
        """The kinds of parts, by piece and kind, once they are merged."""
        one = (kind - FIRST_PART) // _INSTRUMENT
        moves = np.isin(kind, list(self._rare)) & (one < _DRUMS)
        target = np.array([self._common.get(i, i) if m else i for i, m in zip(one.tolist(), moves.tolist())], np.int64)
        moves = target != one
        order = np.lexsort((kind, moves, target, piece))
        group = piece[order] * _INSTRUMENT + target[order]
        first = np.concatenate([[True], group[1:] != group[:-1]])
        begins = np.maximum.accumulate(np.where(first, np.arange(len(order)), 0))
        number = np.empty(len(kind), np.int64)
        number[order] = np.arange(len(order)) - begins
        joined = np.isin(piece * _INSTRUMENT + target, (piece * _INSTRUMENT + target)[moves])  # counted anew
        number = np.where(joined, number, (kind - FIRST_PART) % _INSTRUMENT)
        if self._last:
            number = np.minimum(number, [self._last.get(i, 255) for i in target.tolist()])
        merged = FIRST_PART + _INSTRUMENT * target + number
        if self._merges_drums:
            merged[target >= _DRUMS] = self._kit
        return merged

    @property
    def _kit(self) -> int:
        """The kind of the one drum part."""
        kit = next(self._common[one] for one in self._common if one >= _DRUMS)
        return kind_of((kit - _DRUMS, True, 0))

    @staticmethod
    def _reported(piece: Ints, kind: Ints, merged: Ints) -> dict[int, str]:
        reported = {}
        for number in np.unique(piece[kind != merged]).tolist():
            own = (piece == number) & (kind != merged)
            changes = Counter((_name(k), _name(m)) for k, m in zip(kind[own].tolist(), merged[own].tolist()))
            words = [f"{was} as {now}" if was != now else f"{was} numbered anew" for was, now in changes]
            shown = ", ".join(words[:3]) + (f" and {len(words) - 3} more" if len(words) > 3 else "")
            reported[number] = f"{counted(int(own.sum()), 'part')} merged with the folder's common ones: {shown}"
        return reported


def _at_once(notes: int) -> str:
    return f"; {counted(notes, 'note')} that two of them play at once kept once" if notes else ""


def _instrument(kind: int) -> int:
    return (kind - FIRST_PART) // _INSTRUMENT


def _family(instrument: int) -> int:
    return min(instrument // _FAMILY, _DRUMS // _FAMILY)  # all kits are one


def _name(kind: int) -> str:
    program, is_drum, _ = part_of(kind)
    return instrument_name(Part(program, is_drum))


def _sorted(events: Events, kind: Ints) -> Events:
    """The events with other kinds, in their order; of notes of one part, pitch and tick one, none while another sounds."""
    tick, piece = events.tick, events.piece
    value, duration, velocity = (np.asarray(column, np.int64) for column in events.columns[2:])
    order = np.lexsort((-velocity, tick, value, kind, piece))
    note = kind[order] >= FIRST_PART
    voice_again = np.zeros(len(order), bool)  # the same piece, part and pitch as the row before
    voice_again[1:] = note[1:]
    for column in (piece, kind, value):
        voice_again[1:] &= column[order][1:] == column[order][:-1]
    at = tick[order]
    again = voice_again.copy()
    again[1:] &= at[1:] == at[:-1]
    kept = order[~again]
    cut = duration[kept]
    follows = np.flatnonzero(voice_again[~again])  # never the first
    cut[follows - 1] = np.minimum(cut[follows - 1], tick[kept[follows]] - tick[kept[follows - 1]])
    back = np.lexsort((value[kept], kind[kept], tick[kept], piece[kept]))
    kept, cut = kept[back], cut[back]
    starts = np.searchsorted(piece[kept], np.arange(len(events) + 1))
    return Events(starts, _shifts(tick[kept], starts), kind[kept], value[kept], cut, velocity[kept])


def _shifts(tick: Ints, starts: Ints) -> NDArray[np.int64]:
    shift = np.diff(tick, prepend=0)
    begins = starts[:-1][np.diff(starts) > 0]
    shift[begins] = tick[begins]
    return shift
