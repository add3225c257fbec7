"""The notes of a tune that are most likely wrong.

A note is suspicious for its pitch if the tune would be likelier with another one there: the nats that the likeliest other
pitch saves, at the note itself and over the next 16 events, since after a wrong note a model also expects less of what
follows. It is suspicious for its rhythm by the nats of its time: a late or missing note shows where the next one begins. The
two are added. `scripts/measure_anomalies.py` plants wrong notes in held-out tunes and says how many are found; the score was
chosen there on validation pieces (docs/experiments.md).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from melody.inspection.influence import Influence
from melody.inspection.predicted import Doubles, Reading
from melody.tokens.vocabulary import TIME

FOLLOWING = 16  # events over which another pitch is weighed


@dataclass(frozen=True)
class Anomaly:
    """A note that may be wrong.

    Parameters
    ----------
    note
        Its number in the piece that was read.
    score
        How suspicious it is, in nats: the sum of the two that follow.
    pitch
        What another pitch would save, 0 or more.
    rhythm
        What it costs that it begins when it does.
    instead
        The pitch that would save as much; -1 if none would.
    """

    note: int
    score: float
    pitch: float
    rhythm: float
    instead: int


def suspicion(reading: Reading, influence: Influence) -> tuple[Doubles, Doubles]:
    """By pitch and by rhythm, nats of each note, (notes,) each; the influence of 16 events or more."""
    following = [row[note : note + FOLLOWING + 1].sum() for row, note in zip(influence.later, reading.notes.tolist())]
    return np.maximum(influence.own - np.array(following), 0.0), reading.nats[reading.notes, TIME]


def anomalies(reading: Reading, influence: Influence, most: int = 10) -> list[Anomaly]:
    """The most suspicious notes, the worst first."""
    pitch, rhythm = suspicion(reading, influence)
    return [
        Anomaly(
            i, float(pitch[i] + rhythm[i]), float(pitch[i]), float(rhythm[i]), int(influence.pitch[i]) if pitch[i] else -1
        )
        for i in np.argsort(-(pitch + rhythm), kind="stable")[:most].tolist()
    ]
