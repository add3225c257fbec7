"""How many heads a field has, one a voice, and to what those of kind and value relate each candidate.

Where parts play chords, the head of the kind has logits of what each may do there by the outline, and of whether its note
sounds there and its twin begins one. That of the value has logits of intervals to the last notes of parts. Where parts play
chords it also has some of intervals to the notes that would go on with the figure of an earlier bar and with the twin; of
degrees, how far above the tonic of the key and above the root of the chord a pitch is,
in any octave, apart for major and minor; and of the intervals that it makes with the tones that sound there. All of these
hold at every pitch.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from melody.tokens.inputs.meanings import Meaning
from melody.tokens.inputs.schema import CONDITIONS, STATE_BITS, TONES, columns, parts_described, spans
from melody.tokens.vocabulary import VALUE, Vocabulary

MAX_RELATED = 4  # parts to which intervals are predicted
OCTAVE = 12
DEGREES = 24  # semitones above a tonic or a root, 12 more in minor
_OF_PARTS: tuple[Meaning, ...] = (("may play",), ("stands",))
_ABOVE: tuple[Meaning, ...] = (("own key",), ("own chord",))
_MOVING: tuple[Meaning, ...] = (("figure",), ("twin",))


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
        To both come the notes of the figure and of the twin, if the vocabulary has such.
    """
    if intervals == "none":
        return ()
    found = columns(CONDITIONS, vocabulary)
    moves, moving = [column.moves for column in found], tuple(n for n, column in enumerate(found) if column.name in _MOVING)
    pitched = tuple(number for number, how in enumerate(moves) if how == "pitch")
    return (*(pitched if intervals == "parts" and 1 < len(pitched) <= MAX_RELATED else (moves.index("own pitch"),)), *moving)


def above(vocabulary: Vocabulary, intervals: str) -> dict[Meaning, int]:
    """The conditions above whose keys or chords it reads each candidate's degree, by name; none of 'none', as `related`."""
    names = [column.name for column in columns(CONDITIONS, vocabulary)]
    return {name: names.index(name) for name in _ABOVE if name in names and intervals != "none"}


class Sounding(NamedTuple):
    """Where the tones that sound are read, and what is looked up to add up the intervals that each pitch makes with them.

    Parameters
    ----------
    columns
        The conditions that tell of them, from the last note of the part up.
    own
        The condition with the pitch + 1 of that note.
    """

    columns: slice
    own: int

    @classmethod
    def of(cls, vocabulary: Vocabulary, intervals: str) -> Sounding | None:
        """Of a vocabulary; None if it has none, or of 'none' (`related`)."""
        found = spans(CONDITIONS, vocabulary)
        names: list[Meaning] = [("sounding", first) for first in range(0, OCTAVE, TONES)]
        if intervals == "none" or not found[names[0]].stop > found[names[0]].start:
            return None
        return cls(slice(found[names[0]].start, found[names[-1]].stop), found[("own",)].start)


def of_parts(vocabulary: Vocabulary, features: str) -> tuple[range, ...]:
    """The conditions that tell the head of the kind of each part what it may do, and how it stands to the place.

    None where it reads no features, or the vocabulary has none.
    """
    found = spans(CONDITIONS, vocabulary)
    there = (found[name] for name in _OF_PARTS)
    return () if features == "none" else tuple(range(each.start, each.stop) for each in there if each.stop > each.start)


STATES = 2**STATE_BITS - 1  # what is said of a part, besides nothing
BITS = np.array([[0] * TONES, *((number >> np.arange(TONES)) & 1 for number in range(2**TONES))], np.float32)
CIRCLE = (np.arange(OCTAVE)[:, None] + np.arange(OCTAVE)) % OCTAVE  # the tone some semitones above another one


def degree(key: Any, pitch: Any) -> Any:
    """Which of the `DEGREES` a pitch has above a tonic or a root.

    Parameters
    ----------
    key
        1 + tonic or root, a pitch class, 12 more in minor; numbers, arrays or tensors.
    pitch
        In semitones, the same.
    """
    return (pitch - key + 1) % 12 + 12 * (key > 12)
