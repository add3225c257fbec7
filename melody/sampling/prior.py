"""What the corpus usually does that its model cannot know: training transposes, so it has read every piece in all keys.

In which keys pieces begin, and how low and high each part goes: a violin has nothing below its open G, a bass sings no B0.
And how often a part plays one pitch in a row: a bass repeats a note eighty times, a piano does not.
Written into the model file by training, and kept to where music is made from nothing or a part is added. Of drums, which
are not transposed, only those of the kit play, in any music; and a drummer begins with a stroke with which one of the corpus
does, as often as there: of one event a piece a model learns next to nothing, and what returns returns with it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from melody.network import Floats
from melody.piece import Piece
from melody.sampling.quality import MOST_IN_A_ROW
from melody.tokens.grammar import Mask
from melody.tokens.usage import FIRST_PART, KEY
from melody.tokens.vocabulary import KIND, Rows, Vocabulary

_RANGE_PENALTY = 50.0  # nats: never chosen, but where limits leave nothing else all such pitches are as likely as without


@dataclass(frozen=True)
class CorpusPrior:
    """What a corpus usually does.

    Parameters
    ----------
    keys
        The tokens of the value that stand for keys.
    first_keys
        Log of how often its pieces begin in each key, (keys,); None if it says nothing of keys.
    range_penalty
        Nats that a pitch costs which a part never has, (kinds, values); None if nothing is known.
    kit_penalty
        The same of drums alone.
    first_strokes
        Log of how often pieces have each pitch as the first of a drum part, (kinds, pitches), zeros for other kinds; None if
        nothing is known.
    most_in_a_row
        How often each part may play one pitch in a row, (parts,): as often as the corpus has it, and 8 times anyway;
        infinity if nothing is known, and for drums.
    shortest
        How many bars a piece has at least, as a rule; 0 if nothing is known.
    """

    keys: slice
    first_keys: NDArray[np.float64] | None
    range_penalty: NDArray[np.float32] | None
    kit_penalty: NDArray[np.float32] | None
    first_strokes: NDArray[np.float64] | None
    most_in_a_row: NDArray[np.float64]
    shortest: int

    @classmethod
    def of(cls, vocabulary: Vocabulary, training: Mapping[str, Any]) -> CorpusPrior:
        """What a model file says of the pieces it was trained on; what it does not say, or not well, is not known."""
        counts = _numbers(training.get("first_keys"), (len(vocabulary.keys),))
        known = counts is not None and counts.min(initial=0) >= 0 and counts.sum() > 0
        kit = _kit_penalty(vocabulary, training.get("kits"))
        pitches = _range_penalty(vocabulary, _numbers(training.get("part_pitches"), (len(vocabulary.parts), 2)))
        return cls(
            slice(vocabulary.value_starts[KEY], vocabulary.value_starts[KEY + 1]),
            np.log(counts + 1e-9) if counts is not None and known else None,
            pitches if kit is None else kit if pitches is None else np.maximum(pitches, kit),
            kit,
            _first_strokes(vocabulary, training.get("first_strokes")),
            _most_in_a_row(vocabulary, training),
            0 if (bars := _numbers(training.get("shortest"), (1,))) is None else int(bars[0]),
        )

    def at_any_pitch(self) -> CorpusPrior:
        """The same for music that has begun somewhere else, and stays there."""
        return replace(self, range_penalty=self.kit_penalty)

    def in_a_row_of(self, vocabulary: Vocabulary, piece: Piece) -> list[float]:
        """How often each part of a piece may play one pitch in a row."""
        numbers = vocabulary.part_numbers(piece).tolist()
        return [float(self.most_in_a_row[number]) if number >= 0 else math.inf for number in numbers]

    def in_any_key(self) -> CorpusPrior:
        """The same for music whose key is given."""
        return replace(self, first_keys=None)

    def prefer(self, logits: Floats, events: Rows, beginning: Mask, is_first: Mask) -> None:
        """Make the next events begin in the usual keys and on the usual drums, and stay in the usual range; in place.

        Parameters
        ----------
        logits
            Of the value of the next event, (streams, values).
        events
            Those events as far as they are known, (streams, fields).
        beginning
            Which streams are at their beginning, (streams,).
        is_first
            In which the part has played nothing yet, (streams,).
        """
        if self.first_strokes is not None:
            where = np.flatnonzero(is_first & self.first_strokes[events[:, KIND]].any(axis=1))
            logits[where, logits.shape[1] - self.first_strokes.shape[1] :] = self.first_strokes[events[where, KIND]]
        if self.range_penalty is not None:
            logits -= self.range_penalty[events[:, KIND]]
        if self.first_keys is not None:
            where = beginning & (events[:, KIND] == KEY)
            if where.any():
                logits[where, self.keys] = self.first_keys


def _numbers(stored: Any, shape: tuple[int, ...]) -> NDArray[np.float64] | None:
    """Numbers from a model file, of that shape; None if they are not."""
    try:
        numbers = np.array(stored, np.float64)
    except (TypeError, ValueError):
        return None
    return numbers if numbers.shape == shape and np.isfinite(numbers).all() else None


def _most_in_a_row(vocabulary: Vocabulary, training: Mapping[str, Any]) -> NDArray[np.float64]:
    """By part where the file says so, which those of before do not."""
    run, by_part = training.get("longest_run"), _numbers(training.get("part_runs"), (len(vocabulary.parts),))
    most = np.full(len(vocabulary.parts), float(run) if isinstance(run, int) and run > 0 else math.inf)
    most = most if by_part is None else by_part
    found: NDArray[np.float64] = np.where(vocabulary.drums, math.inf, np.maximum(most, MOST_IN_A_ROW))
    return found


def _kit_penalty(vocabulary: Vocabulary, kits: Any) -> NDArray[np.float32] | None:
    """For drums that are in no kit; None without drum parts, or if that is not known."""
    if not isinstance(kits, list) or len(kits) != len(vocabulary.parts) or not any(kits):
        return None
    _, kinds, values, *_ = vocabulary.sizes
    pitch, found = np.arange(vocabulary.pitches[0], vocabulary.pitches[1] + 1), np.zeros((kinds, values), np.float32)
    if any(not isinstance(kit, list) or any(type(one) is not int for one in kit) for kit in kits):
        return None
    for number in np.flatnonzero(vocabulary.drums).tolist():
        foreign = ~np.isin(pitch, kits[number])
        if not foreign.all():
            found[FIRST_PART + number, vocabulary.first_pitch :][: len(pitch)] = _RANGE_PENALTY * foreign
    return found


def _first_strokes(vocabulary: Vocabulary, counts: Any) -> NDArray[np.float64] | None:
    """Of each drum part; None without drum parts, or if that is not known."""
    found = np.zeros((vocabulary.sizes[KIND], vocabulary.num_pitches))
    if not isinstance(counts, list) or len(counts) != len(vocabulary.parts):
        return None
    for number in np.flatnonzero(vocabulary.drums).tolist():
        own = _numbers(counts[number], (vocabulary.num_pitches,))
        if own is not None and own.min() >= 0 and own.any():
            found[FIRST_PART + number] = np.log(own + 1e-9)
    return found if found.any() else None


def _range_penalty(vocabulary: Vocabulary, ranges: NDArray[np.float64] | None) -> NDArray[np.float32] | None:
    if ranges is None or not len(ranges):
        return None
    _, kinds, values, *_ = vocabulary.sizes
    pitch = np.arange(vocabulary.pitches[0], vocabulary.pitches[1] + 1)
    found = np.zeros((kinds, values), np.float32)
    for part, (low, high) in enumerate(ranges):
        outside = (pitch < low) | (pitch > high)
        if not vocabulary.parts[part].is_drum and not outside.all():
            found[FIRST_PART + part, vocabulary.first_pitch :][: len(pitch)] = _RANGE_PENALTY * outside
    return found
