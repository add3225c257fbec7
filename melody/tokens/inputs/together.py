"""Parts that play one line together: where the one goes, the other follows.

In a band two of three notes that begin with another part's have its tone, in some octave: a bass under its riff, a melody in
two instruments. The *twin* of a part is another one, before it in the order of parts, that has begun a note where the part
is to play, and before it one where the part began its own last, of the same tone. Of chords the lowest notes count.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from melody.piece import Ints
from melody.tokens.inputs.schema import WITH_TWIN
from melody.tokens.inputs.whole_piece import LastNotes, WholePiece


def followed(low: Any, there: Any, before: Any, pitches: int) -> Any:
    """The note with which a part follows its twin, numbers or arrays, each a pitch + 1; 0 out of range.

    Parameters
    ----------
    low
        The part's last note.
    there, before
        The twin's where the part is to play, and where it played last.
    pitches
        How many there are.
    """
    found = low + there - before
    return found * ((found > 0) & (found <= pitches))


def stands(status: Any, has_twin: Any) -> Any:
    """How a part stands to a place, numbers or arrays: whether its note sounds there, and whether its twin has begun one."""
    return status + WITH_TWIN * has_twin


def twins(events: WholePiece) -> tuple[Ints, NDArray[np.bool_]]:
    """With which note, + 1, each part would follow its twin before each event, 0 for none, and who has one.

    (parts, events) each.
    """
    shape = len(events.vocabulary.parts), len(events.rows)
    notes, has_twin = np.zeros(shape, np.int64), np.zeros(shape, bool)
    pitched = np.flatnonzero([len(first) > 0 for first in events.onset_places] & ~events.vocabulary.drums)
    places = {part: _places_before(events, events.onset_places[part]) for part in pitched.tolist()}
    for part, (at, low, _, _) in places.items():
        for other, (its_at, its_low, its_before_at, its_before) in places.items():
            if other >= part:
                break
            is_twin = (its_at == events.tick) & (at >= 0) & (at < events.tick) & (its_before_at == at)
            is_twin &= (its_before - low) % 12 == 0
            note = followed(low, its_low, its_before, events.vocabulary.num_pitches)
            notes[part], has_twin[part] = np.where(is_twin, note, notes[part]), has_twin[part] | is_twin
    return notes, has_twin


def _places_before(events: WholePiece, first: Ints) -> tuple[Ints, Ints, Ints, Ints]:
    """Of a part, before each event: where it began notes last and the lowest of them, + 1, and the same of the place before.

    `first` are the events with which it begins notes in another place; -1 and 0 where there is none.
    """
    tick, pitch = np.append(events.tick[first], -1), np.append(events.pitch[first], 0)
    last = np.searchsorted(first, events.number) - 1
    before = np.maximum(last - 1, -1)
    return tick[last], pitch[last], tick[before], pitch[before]


def states(status: Sequence[LastNotes], events: WholePiece, has_twin: NDArray[np.bool_]) -> Ints:
    """How each part stands to the place of each event, by its last note before, (events, parts)."""
    found: Ints = stands(np.array([part.status(events.tick) for part in status]), has_twin).T
    return found
