"""What is wrong with tunes: what is drawn again, and of many what is not among the best.

Likelihood alone would choose the dullest, the one that repeats itself most, and knows nothing of an ending that was cut off.
A fault is one of:

- the tune was cut off: the model did not end it
- it does not end on a bar line (or as much before one as a pick-up took)
- it does not close on the tonic (`closes`)
- more than 8 times the same pitch in a row in one part, or more often than this part of the corpus has it
- one or two bars of all parts fill 6 bars or more in a row (`melody.statistics.form.loop_begins`), or one more than 4, note
  for note
- it stands still for longer than pieces of the corpus do (`melody.statistics.standstill`)
- of a form that was asked for: a section that should be new is an old one (`melody.statistics.form.sections_come_again`)
- it has fewer than 3 different pitches (drums not counted), though it has 8 notes or more

Of a new tune whose length is not given, that it ends sooner than pieces of the corpus do, is one, too (`acceptance`).

What more than half of the pieces have that a model learnt from is none in its tunes: a groove of drums repeats its bar. How
a piece ends is a matter of style: a corpus of which a fifth closes elsewhere than on the tonic is not met by tunes that all
close there. So each tune is drawn to close as its corpus does (`Shares`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from melody.piece import Ints, Piece
from melody.statistics.form import loop_begins, sections_come_again
from melody.statistics.part_writing import closes_on_the_tonic, key_at
from melody.statistics.standstill import Patience

MOST_IN_A_ROW = 8
NO_END = Patience()
LOOPS, ONE_PITCH = "one or two bars over and over", "one pitch over and over"
NO_TONIC, NO_BAR_LINE = "does not end on the tonic", "does not end on a bar line"
STANDS_STILL = "stands still for too long"
MOST_BARS_ALIKE = 4


def faults(
    piece: Piece,
    *,
    ended: bool,
    start: int = 0,
    most_in_a_row: float | Sequence[float] = MOST_IN_A_ROW,
    any_close: bool = False,
    letters: Sequence[int] = (),
    patience: Patience = NO_END,
) -> tuple[str, ...]:
    """What is wrong with a tune, in words.

    Parameters
    ----------
    piece
        The music.
    ended
        Whether the model ended it.
    start
        Only music from this tick on is looked at: the end of a prompt.
    most_in_a_row
        How often a part may play one pitch in a row; one number for all, or for each part of the piece.
    any_close
        Whether it may close on any chord.
    letters
        Of each bar, of a form that was asked for.
    patience
        For how many bars it may stand still.
    """
    new = piece.select(piece.onset >= start)
    if not new.num_notes:
        return ("there is no note",)
    tones = new.select(~new.is_drum)
    found = {
        "cut off": not ended,
        NO_BAR_LINE: not _ends_on_a_bar_line(piece),
        NO_TONIC: not (any_close or closes(piece)),
        ONE_PITCH: bool(np.any(np.array(runs(new)) > most_in_a_row)),
        LOOPS: loops(new),
        STANDS_STILL: patience.exceeded(piece, start) is not None,
        "a new section is an old one again": sections_come_again(piece, letters, start),
        "hardly a melody": tones.num_notes >= 8 and len(np.unique(tones.pitch)) < 3,
    }
    return tuple(words for words, wrong in found.items() if wrong)


@dataclass(frozen=True)
class Shares:
    """Which share of the pieces of a corpus has what would be a fault of a tune.

    Of a close on the tonic it is that of the pieces that name a key: of others nobody can tell.

    Parameters
    ----------
    of
        The share by the words for it, 0 to 1; what no piece has need not be there.
    """

    of: dict[str, float] = field(default_factory=dict)

    @classmethod
    def counted(cls, pieces: Iterable[tuple[Piece, Sequence[float]]]) -> Shares:
        """Of pieces, each with how often each of its parts may play one pitch in a row."""
        found: Counter[str] = Counter()
        count = named = 0
        for piece, most in pieces:
            found.update(faults(piece, ended=True, most_in_a_row=most))
            count, named = count + 1, named + bool(piece.keys)
        return cls({fault: times / (named if fault == NO_TONIC else count) for fault, times in sorted(found.items())})

    @classmethod
    def from_stored(cls, stored: Any) -> Shares:
        """From a model file; none if it does not say so, or not well."""
        if not isinstance(stored, dict):
            return cls()
        legal = all(type(share) in (int, float) and 0 <= share <= 1 for share in stored.values())
        return cls(dict(stored)) if legal else cls()

    @property
    def mostly(self) -> frozenset[str]:
        """What more than half of the pieces have."""
        return frozenset(fault for fault, share in self.of.items() if share > 1 / 2)

    def allowed(self, random: np.random.Generator) -> frozenset[str]:
        """What a tune may have: what most pieces have, but each way to end as often as the corpus does, by chance."""
        lots = {ending: float(random.random()) for ending in (NO_TONIC, NO_BAR_LINE)}
        by_lot = {ending for ending, lot in lots.items() if lot < self.of.get(ending, 0.0)}
        return self.mostly - set(lots) | by_lot


def closes(piece: Piece) -> bool:
    """Whether a tune closes on the tonic of the key in force; of one without a key nobody can tell, and it does.

    Several parts (drums aside) close on its triad, the root in the bass, in minor with either third. One part alone closes
    if the lowest note that sounds with its last one is the tonic.
    """
    tones = piece.select(~piece.is_drum)
    if len(np.unique(tones.part)) > 1:
        return closes_on_the_tonic(piece) != 0  # NaN where nobody can tell
    last = int(tones.onset.max(initial=0))
    key = key_at(piece, last)
    return key is None or not tones.num_notes or int(tones.pitch[tones.end > last].min()) % 12 == key.tonic


def loops(piece: Piece) -> bool:
    """Whether one or two bars sound over and over."""
    return loop_from(piece) is not None


def loop_from(piece: Piece) -> int | None:
    """The bar from which one or two bars sound over and over, from tick 0; None if none do."""
    found = (loop_begins(piece), _alike_from(piece))
    return min((bar for bar in found if bar is not None), default=None)


def _ends_on_a_bar_line(piece: Piece) -> bool:
    signature = piece.time_signature_at(piece.length - 1)
    ticks = signature.bar_ticks(piece.ticks_per_quarter)
    position = (piece.length - signature.onset) % ticks
    return position == 0 or position == piece.onset[0] < ticks


def longest_run(piece: Piece) -> int:
    """How often a part plays one pitch in a row, at most; drums are left out."""
    return max(runs(piece), default=0)


def runs(piece: Piece) -> list[int]:
    """How often each part plays one pitch in a row, at most; 0 for drums."""
    pitches = [piece.pitch[piece.part == part] for part in range(len(piece.parts))]
    return [0 if part.is_drum else run_of(np.zeros_like(own), own) for part, own in zip(piece.parts, pitches)]


def run_from(piece: Piece, most: Sequence[float]) -> int | None:
    """The bar in which a part begins to play one pitch more often in a row than it may, from tick 0; None if none does."""
    found = []
    for part, allowed in enumerate(most):
        own = np.flatnonzero(piece.part == part)
        if len(own) <= allowed or piece.parts[part].is_drum:
            continue
        begins = np.flatnonzero(np.append(True, np.diff(piece.pitch[own]) != 0))
        too_long = np.flatnonzero(np.diff(np.append(begins, len(own))) > allowed)
        found += [int(piece.onset[own[begins[too_long[0]]]])] if len(too_long) else []
    return int(piece.bar_and_position([min(found)])[0][0]) if found else None


def run_of(part: Ints, pitch: Ints) -> int:
    """How often a part plays one pitch in a row, at most; notes in their order, (notes,) each."""
    if not len(part):
        return 0
    order = np.argsort(part, kind="stable")
    same = (np.diff(part[order]) == 0) & (np.diff(pitch[order]) == 0)
    borders = np.flatnonzero(~np.concatenate([[False], same, [False]]))
    return int(np.diff(borders).max())


def _alike_from(piece: Piece) -> int | None:
    """The first bar with notes that sounds more than `MOST_BARS_ALIKE` times in a row; None if none does."""
    bar, position = piece.bar_and_position(piece.onset)
    notes = [position, piece.duration, piece.pitch, piece.part]
    bars = [tuple(np.stack(notes)[:, bar == number].ravel().tolist()) for number in range(int(bar.max(initial=-1)) + 1)]
    run = 0
    for number, (before, now) in enumerate(zip([(), *bars], bars)):
        run = run + 1 if now and now == before else int(bool(now))
        if run > MOST_BARS_ALIKE:
            return number - MOST_BARS_ALIKE
    return None
