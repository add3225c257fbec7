"""Notes, places and alternatives in words."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from melody.inspection.predicted import Reading
from melody.piece import Piece
from melody.score.names import pitch_name
from melody.tokens.vocabulary import DURATION, END, TIME, VALUE


class Expected(NamedTuple):
    """Something that the model held possible, in words, and its probability."""

    name: str
    probability: float


def place(piece: Piece, tick: int) -> str:
    """A tick as a musician counts: bar 3, beat 2.5.

    >>> place(Piece([0, 96], [96, 96], [60, 62]), 132)
    'bar 2, beat 2.5'
    """
    (bar,), (ticks,) = piece.bar_and_position([tick])
    beat = piece.time_signature_at(tick).beat_ticks(piece.ticks_per_quarter)
    return f"bar {int(bar) + piece.first_bar}, beat {1 + round(int(ticks) / beat, 2):g}"


def note_name(reading: Reading, note: int) -> str:
    """The pitch of a note of the piece that was read; a drum by its number."""
    piece = reading.piece
    return f"drum {piece.pitch[note]}" if piece.is_drum[note] else pitch_name(int(piece.pitch[note]))


def expectations(reading: Reading, note: int) -> dict[str, list[Expected]]:
    """What the model held likeliest for a note: when it begins, its pitch and its duration, each given what comes before it.

    The time is the first field: what is expected there may be another event, such as a note of another part.
    """
    found: dict[str, list[Expected]] = {}
    for field, how in ((TIME, _time), (VALUE, _value), (DURATION, _duration)):
        if field in reading.expected:
            tokens, probabilities = (column[note] for column in reading.expected[field])
            words = [how(reading, note, token) for token in tokens.tolist()]
            found[_NAMES[field]] = [Expected(*each) for each in zip(words, probabilities.tolist()) if each[0]]
    return found


_NAMES = {TIME: "time", VALUE: "pitch", DURATION: "duration"}


def probability(reading: Reading, note: int, field: int) -> float:
    """Of what really came in a field of a note."""
    return float(np.exp(-reading.nats[reading.notes[note], field]))


def _time(reading: Reading, note: int, token: int) -> str:
    if token == END:
        return "the end"
    event = int(reading.notes[note])
    before = int(reading.tick[event - 1]) if event else 0
    return place(reading.piece, before + reading.vocabulary.shifts[token - 1])


def _value(reading: Reading, note: int, token: int) -> str:
    """A pitch or a rest; changes of metre, tempo and key, which the kind has ruled out, have no name here."""
    vocabulary = reading.vocabulary
    if token == vocabulary.rest and any(vocabulary.implied_duration):
        return "a rest"
    pitch = token - vocabulary.first_pitch + vocabulary.pitches[0]
    if token < vocabulary.first_pitch:
        return ""
    return f"drum {pitch}" if reading.piece.is_drum[note] else pitch_name(pitch)


def _duration(reading: Reading, note: int, token: int) -> str:
    if not reading.vocabulary.durations or reading.nats[reading.notes[note], DURATION] == 0:
        return ""
    quarters = reading.vocabulary.durations[token] / reading.vocabulary.ticks_per_quarter
    return f"{round(quarters, 3):g} quarters"
