"""How many heads a field has, one a voice, and to which notes the head of the value reads the interval of each candidate."""

from __future__ import annotations

from typing import NamedTuple

from melody.tokens.inputs.schema import CONDITIONS, columns, parts_described
from melody.tokens.vocabulary import VALUE, Vocabulary

MAX_RELATED = 4  # parts to which intervals are predicted


class Voices(NamedTuple):
    """The heads of a field: how many, and which is the first part's; those of the other parts follow.

    The value has one for each part, if there are few, and before them one for changes, if the corpus has any.
    """

    number: int
    first: int

    @classmethod
    def of(cls, vocabulary: Vocabulary, field: int) -> Voices:
        """Of a field of a vocabulary."""
        parts = parts_described(vocabulary) if field == VALUE else 0
        changes = int(any(vocabulary.is_encoded))
        return cls(parts + changes, changes) if parts else cls(1, 0)


def related(vocabulary: Vocabulary, intervals: str) -> tuple[int, ...]:
    """The conditions to whose pitches the head of the value reads each candidate's interval.

    Parameters
    ----------
    vocabulary
        Of the events.
    intervals
        'parts', the last pitch of each pitched part, if there are few; 'own', that of the part that is to play; 'none'.
    """
    if intervals == "none":
        return ()
    moves = [column.moves for column in columns(CONDITIONS, vocabulary)]
    pitched = tuple(number for number, how in enumerate(moves) if how == "pitch")
    return pitched if intervals == "parts" and 1 < len(pitched) <= MAX_RELATED else (moves.index("own pitch"),)
