"""What the tokens of a vocabulary stand for, as arrays in which those of several pieces are looked up at once."""

from __future__ import annotations

from functools import cached_property, lru_cache

import numpy as np

from melody.piece import Ints
from melody.signatures import Key, TimeSignature
from melody.tokens.inputs.chordal import keys_in_force
from melody.tokens.inputs.outlines.harmony import UNKNOWN, has_harmony
from melody.tokens.inputs.schema import (
    CONDITIONS,
    FEATURES,
    FIRST_PLACE,
    LOOKBACKS,
    LOOKED_AT,
    MAX_INTERVAL,
    OF_BEATS,
    OWN_LOOKBACKS,
    feature_sizes,
    parts_described,
    spans,
    ticks_back,
)
from melody.tokens.inputs.whole_piece import HELD, first_note
from melody.tokens.usage import FIRST_PART, KEY
from melody.tokens.vocabulary import KIND, VALUE, Vocabulary


@lru_cache(maxsize=4)
def tables_of(vocabulary: Vocabulary) -> Tables:
    """The tables of a vocabulary, made once."""
    return Tables(vocabulary)


class Tables:
    """What a vocabulary's tokens stand for, as arrays."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self.kinds, self.beat = vocabulary.sizes[KIND], vocabulary.ticks_per_quarter
        self.first_key = vocabulary.value_starts[KEY]
        self.first_turn = vocabulary.first_turn
        self.first_note = first_note(vocabulary)
        self.parts, self.num_features = parts_described(vocabulary), len(feature_sizes(vocabulary))
        self.has_harmony, where = has_harmony(vocabulary), spans(FEATURES, vocabulary)
        self.first_lookback, self.first_left = where[("lookback", "time", *OWN_LOOKBACKS[0])].start, where[("left",)].start
        place = {name: span.start for name, span in spans(CONDITIONS, vocabulary).items()}
        self.first_kind = place[("kind lookback", *OWN_LOOKBACKS[0])] - FIRST_PLACE
        self.first_status = place[("status",)] - FIRST_PLACE
        first = "distance", "own degree", "against"
        self.of_part = tuple(place[(name,)] - place[("own",)] for name in first)  # where these begin, from `own` on
        self.tonics = np.array([UNKNOWN, *(Key(0, *key).tonic for key in vocabulary.keys)])  # by 1 + number of the key
        self.keys_in_force = keys_in_force(vocabulary)
        self.shifts = np.array([0, *vocabulary.shifts])  # by time token
        self.durations = np.array(vocabulary.durations or (0,))
        self.implied = np.array([False] * FIRST_PART + list(vocabulary.implied_duration))  # (kinds,)
        self.all_implied = all(vocabulary.implied_duration)
        self.held_of = np.where(self.implied, HELD, 0)
        self.pitched = np.array([0] * FIRST_PART + [not part.is_drum for part in vocabulary.parts])  # 0 or 1, (kinds,)
        self.says_ends = (self.pitched > 0) & ~self.implied  # whose notes end when they are known to, (kinds,)
        self.lines = np.append(np.zeros(FIRST_PART, bool), vocabulary.lines)  # (kinds,)
        upper, lower = self.lines[FIRST_PART:], self.lines[:, None]
        self.above = lower & upper & (np.arange(self.kinds)[:, None] > FIRST_PART + np.arange(len(upper)))  # (kinds, parts)
        self.has_lines = self.parts > 0 and bool(self.above.any())  # that stand against one another
        metres = [TimeSignature(0, *t) for t in vocabulary.time_signatures]
        self.bar_ticks = np.array([metre.bar_ticks(vocabulary.ticks_per_quarter) for metre in metres])
        self.own_lookbacks = np.stack(ticks_back(self.bar_ticks, self.beat), axis=1)  # ticks, (metres, lookbacks)
        self.lookbacks = self.own_lookbacks[:, : None if vocabulary.is_chordal else len(LOOKBACKS)]  # those of features
        fields = [LOOKED_AT] * len(LOOKBACKS) + [OF_BEATS] * (self.lookbacks.shape[1] - len(LOOKBACKS))
        self.back = np.repeat(np.arange(len(fields)), [len(each) for each in fields])  # of each such feature which lookback
        self.field_there = np.concatenate(fields)  # and which field
        number = np.arange(vocabulary.sizes[VALUE])
        self.pitch_of = np.maximum(number - vocabulary.first_pitch + 1, 0)  # pitch + 1 by value, 0 for what is none

    @cached_property
    def interval(self) -> Ints:
        """From one pitch + 1 to another, 0 if there is not both, (1 + pitches, 1 + pitches)."""
        number = np.arange(1 + self.vocabulary.num_pitches)
        found: Ints = np.clip(number - number[:, None], -MAX_INTERVAL, MAX_INTERVAL) + MAX_INTERVAL + 1
        found[0], found[:, 0] = 0, 0
        return found

    @cached_property
    def degree(self) -> Ints:
        """The degree of each value in each key, (1 + keys, 2, values); 0 where there is none.

        The first axis is 1 + the number of the key, 0 for no key. The second is 1 for parts that have pitches, and 0 for a
        drum kit or no part at all.
        """
        vocabulary = self.vocabulary
        found = np.zeros((1 + len(vocabulary.keys), 2, vocabulary.sizes[VALUE]), np.int64)
        pitch = np.arange(vocabulary.pitches[0], vocabulary.pitches[1] + 1)
        for number, (fifths, mode) in enumerate(vocabulary.keys):
            degree = 1 + (pitch - Key(0, fifths, mode).tonic) % 12 + 12 * (mode == "minor")
            found[1 + number, 1, vocabulary.first_pitch :] = degree
        return found

    def as_time(self, ticks: Ints) -> Ints:
        """1 + number of the shift that is not shorter, the last one if there is none."""
        found: Ints = 1 + np.searchsorted(self.shifts[1:-1], ticks)
        return found
