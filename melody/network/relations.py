"""Relations of a pitch to the lines above that sound with it: a learned value for each is added to the pitch's logit.

A parallel fifth, a doubled leading note or a second is the same thing at every pitch and in every key, yet a head that adds
up embeddings of pitches has to learn it pitch by pitch. So the head of the value has a weight for each relation (and voice):
a pitch gets that weight for each line above to which it would stand in the relation. What lines sound and where they
came from is known from the conditions (`against`, `pitch` and `key` of `melody.tokens.inputs.schema`); the lines below have
not chosen yet. They are a few numbers, by which a trained model can be taught to do neither too much nor too little of each
(`melody.training.balance`).

For each line above, these conditions are put into one number, its *code*, and the relations of all pitches to a line are
looked up by its code: the same table for torch, NumPy and ONNX.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from melody.piece import Ints
from melody.signatures import Key
from melody.tokens.inputs.schema import APART, CONDITIONS, FIFTH_AGAIN, OCTAVE_AGAIN, parts_described, spans
from melody.tokens.vocabulary import Vocabulary

RELATIONS = ("parallel fifth", "parallel octave", "doubled leading note", "semitone", "whole tone")
FIFTH, OCTAVE, LEADING, SEMITONE, TONE = range(len(RELATIONS))
LEADING_NOTE = 11  # semitones above the tonic
_KINDS = 1 + FIFTH_AGAIN  # values of `against`


class Where(NamedTuple):
    """Which conditions the codes are made of, and which pitches lead to the tonic.

    Parameters
    ----------
    pitch, against
        The columns of each part.
    key
        The column.
    leading
        Whether a pitch + 1 is a leading note, by 1 + the number of the key, (1 + keys, 1 + pitches), 0 or 1.
    """

    pitch: slice
    against: slice
    key: int
    leading: Ints

    @classmethod
    def of(cls, vocabulary: Vocabulary) -> Where:
        """Of a vocabulary."""
        found = spans(CONDITIONS, vocabulary)
        pitch = np.arange(vocabulary.pitches[0], vocabulary.pitches[1] + 1)
        leading = np.zeros((1 + len(vocabulary.keys), 1 + len(pitch)), np.int64)
        for number, key in enumerate(vocabulary.keys):
            leading[1 + number, 1:] = (pitch - Key(0, *key).tonic) % 12 == LEADING_NOTE
        return cls(found[("pitch",)], found[("against",)], found[("key",)].start, leading)

    def codes(self, conditions: Ints) -> Ints:
        """The code of each part, (rows, parts), 0 where it is not against the note; in torch: `melody.network.heads`."""
        pitch, way = conditions[:, self.pitch], conditions[:, self.against]
        found: Ints = code(pitch, way, self.leading[conditions[:, self.key, None], pitch]) * (way != APART)
        return found

    def codes_of_one(self, conditions: Sequence[int]) -> list[int]:
        """The codes of the parts that are against the note, of one row."""
        pairs = zip(conditions[self.pitch], conditions[self.against])
        leading = self.leading[conditions[self.key]]
        return [code(pitch, way, int(leading[pitch])) for pitch, way in pairs if way != APART]


def code(pitch: Any, way: Any, leading: Any) -> Any:
    """One number for a pitch + 1, how it stands `against` the next note, and whether it leads to the tonic; or of arrays."""
    return (pitch * _KINDS + way) * 2 + leading


def relates(vocabulary: Vocabulary) -> bool:
    """Whether there are relations at all: two lines, in a vocabulary whose parts have columns of their own."""
    return int(vocabulary.lines[: parts_described(vocabulary)].sum()) > 1


def table(vocabulary: Vocabulary) -> NDArray[np.bool_]:
    """Which relations each pitch has to a line of each code, (codes, relations, pitches)."""
    pitches = vocabulary.num_pitches
    line, way, leading = np.unravel_index(np.arange((1 + pitches) * _KINDS * 2), (1 + pitches, _KINDS, 2))
    interval = (line[:, None] - np.arange(1, 1 + pitches)) % 12  # from the pitch up to the line
    found = np.zeros((len(line), len(RELATIONS), pitches), bool)
    found[:, FIFTH] = (interval == 7) & (way == FIFTH_AGAIN)[:, None]
    found[:, OCTAVE] = (interval == 0) & (way == OCTAVE_AGAIN)[:, None]
    found[:, LEADING] = (interval == 0) & (leading == 1)[:, None]
    found[:, SEMITONE], found[:, TONE] = np.isin(interval, (1, 11)), np.isin(interval, (2, 10))
    found[(line == 0) | (way == APART)] = False
    return found


def weighed(vocabulary: Vocabulary, values: NDArray[np.float32]) -> NDArray[np.float32]:
    """What each pitch's logit gets for a line of each code, (voices, codes, pitches), from (voices, relations)."""
    found: NDArray[np.float32] = np.einsum("vr,crp->vcp", values, table(vocabulary).astype(np.float32))
    return found
