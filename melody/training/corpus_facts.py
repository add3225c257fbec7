"""What a model file says of the pieces that it was trained on, for sampling to keep to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from melody.tokens.inputs.features import outline_of
from melody.tokens.usage import FIRST_PART, KEY
from melody.tokens.vocabulary import END, KIND, TIME, VALUE, Rows, Vocabulary

MOST_OUTLINES = 1_000


def first_keys(vocabulary: Vocabulary, pieces: Sequence[Rows]) -> list[int]:
    """How many pieces begin in each key of the vocabulary, (keys,): training transposes, so the model cannot know."""
    first = vocabulary.value_starts[KEY]
    counts = [0] * len(vocabulary.keys)
    for rows in map(np.asarray, pieces):  # perhaps more pieces than memory holds
        for key in rows[(rows[:, KIND] == KEY) & (rows[:, TIME] != END), VALUE][:1].tolist():
            counts[key - first] += 1
    return counts


def part_pitches(vocabulary: Vocabulary, pieces: Sequence[Rows]) -> list[list[int]]:
    """The lowest and the highest MIDI pitch of each part, (parts, 2); all of them for one that never plays."""
    parts, low = vocabulary.sizes[KIND] - FIRST_PART, vocabulary.pitches[0]
    plays = np.zeros((parts, vocabulary.num_pitches), bool)
    for rows in map(np.asarray, pieces):
        notes = rows[vocabulary.is_note(rows)]
        plays[notes[:, KIND] - FIRST_PART, notes[:, VALUE] - vocabulary.first_pitch] = True
    found = [low + np.flatnonzero(played) for played in plays]
    return [[int(pitches[0]), int(pitches[-1])] if len(pitches) else list(vocabulary.pitches) for pitches in found]


def outlines(vocabulary: Vocabulary, pieces: Sequence[Rows]) -> list[list[Any]]:
    """The outlines of the pieces as they are stored; of more than 1,000 pieces those of every n-th."""
    step = -(-len(pieces) // MOST_OUTLINES) if len(pieces) else 1
    found = (outline_of(vocabulary, np.asarray(pieces[number], np.int64)) for number in range(0, len(pieces), step))
    return [outline.stored() for outline in found if outline is not None]
