"""Relations of a pitch to the lines above that sound with it: a learned value for each is added to the pitch's logit.

A parallel fifth, a doubled leading note or a second is the same thing at every pitch and in every key, yet a head that adds
up embeddings of pitches has to learn it pitch by pitch. So the head of the value has a weight for each relation (and voice):
a pitch gets that weight for each line above to which it would stand in the relation. What lines sound and where they came
from is known from the conditions (`against`, `pitch` and `key` of `melody.tokens.inputs.schema`); the lines below have not
chosen yet. A leading note counts as doubled in dominant chords alone: where all lines above are of one. They are but a few
weights, by which a trained model can be taught to do neither too much nor too little of each (`melody.training.balance`).

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
LEADING_NOTE, DOMINANT = 11, (2, 5, 7, 11)  # semitones above the tonic, of the note and of the chords that it belongs to
_KINDS = 1 + FIFTH_AGAIN  # values of `against`


class Where(NamedTuple):
    """Which conditions the codes are made of, and which pitches lead to the tonic.

    Parameters
    ----------
    pitch, against
        The columns of each part.
    key
        The column.
    leading, dominant
        Whether a pitch + 1 is a leading note, and whether it belongs to a dominant chord, by 1 + the number of the key,
        (1 + keys, 1 + pitches), 0 or 1.
    """

    pitch: slice
    against: slice
    key: int
    leading: Ints
    dominant: Ints

    @classmethod
    def of(cls, vocabulary: Vocabulary) -> Where:
        """Of a vocabulary."""
        found = spans(CONDITIONS, vocabulary)
        pitch = np.arange(vocabulary.pitches[0], vocabulary.pitches[1] + 1)
        leading, dominant = np.zeros((2, 1 + len(vocabulary.keys), 1 + len(pitch)), np.int64)
        for number, key in enumerate(vocabulary.keys):
            degree = (pitch - Key(0, *key).tonic) % 12
            leading[1 + number, 1:], dominant[1 + number, 1:] = degree == LEADING_NOTE, np.isin(degree, DOMINANT)
        return cls(found[("pitch",)], found[("against",)], found[("key",)].start, leading, dominant)

    def codes(self, conditions: Ints) -> Ints:
        """The code of each part, (rows, parts), 0 where it is not against the note; in torch: `melody.network.heads`."""
        pitch, way, key = conditions[:, self.pitch], conditions[:, self.against], conditions[:, self.key, None]
        is_dominant = ((way == APART) | (self.dominant[key, pitch] > 0)).all(axis=1, keepdims=True)
        found: Ints = code(pitch, way, self.leading[key, pitch] * is_dominant) * (way != APART)
        return found

    def codes_of_one(self, conditions: Sequence[int]) -> list[int]:
        """The codes of the parts that are against the note, of one row."""
        pairs = [each for each in zip(conditions[self.pitch], conditions[self.against]) if each[1] != APART]
        leading, dominant = self.leading[conditions[self.key]], self.dominant[conditions[self.key]]
        is_dominant = all(dominant[pitch] for pitch, _ in pairs)
        return [code(pitch, way, int(is_dominant and leading[pitch])) for pitch, way in pairs]


def code(pitch: Any, way: Any, leading: Any) -> Any:
    """A number for a pitch + 1, how it stands `against` the next note, and whether it leads in a dominant; of arrays too."""
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
