"""What the values of a column of the schema stand for: how many there are, and what each of them means.

A *meaning* is a tuple: words that say what kind of thing a value stands for and, where things of that kind have an order, a
number at its end. No two values of a column have the same meaning.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from fractions import Fraction

from melody.tokens.usage import part_keys
from melody.tokens.vocabulary import DURATION, KIND, TIME, VALUE, VELOCITY, Vocabulary

Meaning = tuple[Hashable, ...]
NONE: Meaning = ("none",)


@dataclass(frozen=True)
class Values:
    """What the values of a column stand for: how many there are, and the meaning of each, by vocabulary."""

    size: Callable[[Vocabulary], int]
    meanings: Callable[[Vocabulary], list[Meaning]]

    def or_none(self) -> Values:
        """The same, each value one higher, and 0 for nothing."""
        return Values(lambda v: 1 + self.size(v), lambda v: [NONE, *self.meanings(v)])


def numbered(name: str, count: int) -> Values:
    """So many numbers in an order."""
    return Values(lambda _: count, lambda _: [(name, number) for number in range(count)])


def distinct(name: str, count: int) -> Values:
    """So many things without an order."""
    return Values(lambda _: count, lambda _: [(name, str(number)) for number in range(count)])


def ticks(count: Callable[[Vocabulary], int]) -> Values:
    """Every tick from 0 up to so many."""
    return Values(count, lambda v: [_time(v, tick) for tick in range(count(v))])


def _time(vocabulary: Vocabulary, ticks: int) -> Meaning:
    """A time in quarter notes, which mean the same on every grid."""
    return ("time", Fraction(ticks, vocabulary.ticks_per_quarter))


METRE_VALUES = Values(
    lambda v: len(v.time_signatures), lambda v: [("metre", bottom, top) for top, bottom in v.time_signatures]
)
TEMPO_VALUES = Values(lambda v: len(v.tempi), lambda v: [("tempo", tempo) for tempo in v.tempi])
KEY_VALUES = Values(lambda v: len(v.keys), lambda v: [("key", mode, fifths) for fifths, mode in v.keys])
REST_VALUES = Values(lambda v: int(any(v.implied_duration)), lambda v: [("rest",)] * any(v.implied_duration))
PITCH_VALUES = Values(
    lambda v: v.num_pitches, lambda v: [("pitch", pitch) for pitch in range(v.pitches[0], v.pitches[1] + 1)]
)
SHIFT_VALUES = Values(lambda v: len(v.shifts), lambda v: [_time(v, shift) for shift in v.shifts])


def _value_meanings(vocabulary: Vocabulary) -> list[Meaning]:
    return [
        meaning
        for values in (METRE_VALUES, TEMPO_VALUES, KEY_VALUES, REST_VALUES, PITCH_VALUES)
        for meaning in values.meanings(vocabulary)
    ]


def _kind_meanings(vocabulary: Vocabulary) -> list[Meaning]:
    return [("metre",), ("tempo",), ("key",), *(("part", *part) for part in part_names(vocabulary))]


TOKENS: dict[int, Values] = {  # of each field of an event
    TIME: Values(lambda v: v.sizes[TIME], lambda v: [("end",), *SHIFT_VALUES.meanings(v)]),
    KIND: Values(lambda v: v.sizes[KIND], _kind_meanings),
    VALUE: Values(lambda v: v.sizes[VALUE], _value_meanings),
    DURATION: Values(lambda v: v.sizes[DURATION], lambda v: [_time(v, d) for d in v.durations] or [("unused",)]),
    VELOCITY: Values(lambda v: v.sizes[VELOCITY], lambda v: [("velocity", velocity) for velocity in v.velocities]),
}


def part_names(vocabulary: Vocabulary) -> list[Meaning]:
    """What names each part across vocabularies: drums, how many of its instrument come before, program."""
    return [(is_drum, number, program) for program, is_drum, number in part_keys(vocabulary.parts)]
