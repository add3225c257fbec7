"""`inspect`: everything that is found out about how a model reads a tune, in one place, and as plain data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from melody.inspection.anomalies import Anomaly, anomalies
from melody.inspection.influence import Influence, influence
from melody.inspection.predicted import Reading, read
from melody.inspection.units import Followers, followers, unit_values
from melody.inspection.words import expectations, note_name, place, probability
from melody.piece import Piece
from melody.sampling.loaded import Source
from melody.threads import one_thread
from melody.tokens.vocabulary import DURATION, FIELDS, TIME, VALUE

SOURCES = 8  # past notes that are named for each note
FORMAT = 1


@dataclass(frozen=True)
class Inspection:
    """How a model reads a tune.

    Parameters
    ----------
    model, fingerprint
        Its name, and what names its file exactly.
    cell
        The model's layers in words, as 'LSTM 2 x 256'.
    reading
        What it expected, and its states and gates.
    influence
        What altering each note does to those that follow.
    followers
        The units that follow something musical.
    tunes
        On how many tunes these were found.
    anomalies
        The notes most likely wrong, the worst first.
    """

    model: str
    fingerprint: str
    cell: str
    reading: Reading
    influence: Influence
    followers: tuple[Followers, ...]
    tunes: int
    anomalies: tuple[Anomaly, ...]

    def sources(self, note: int) -> list[tuple[int, float]]:
        """The past notes from which a note was predicted, the strongest first: number, and nats that it costs without."""
        to = self.influence.later[:note, self.reading.notes[note]]
        best = np.argsort(-to, kind="stable")[:SOURCES].tolist()
        return [(i, float(to[i])) for i in best if to[i] > 0]

    def gate_means(self) -> dict[str, list[list[float]]]:
        """Of each gate its mean over each layer when each note was predicted: name -> (layers, notes)."""
        notes = self.reading.notes
        return {name: np.round(gate[notes].mean(axis=2).T, 3).tolist() for name, gate in self.reading.gates.items()}

    def to_dict(self) -> dict[str, Any]:
        """All of it but the single cells, plain JSON; notes are numbered from 0."""
        reading, piece = self.reading, self.reading.piece
        return {
            "format": FORMAT,
            "model": {"name": self.model, "fingerprint": self.fingerprint, "layers": self.cell},
            "title": piece.title,
            "ticks_per_quarter": piece.ticks_per_quarter,
            "nats_per_note": float(reading.nats.sum() / len(reading.notes)),
            "remarks": list(reading.remarks),
            "saliency": "occlusion: nats that a note costs more when a past note has the likeliest other pitch",
            "gates": self.gate_means(),
            "notes": [self._note(i) for i in range(len(reading.notes))],
            "anomalies": [vars(each) for each in self.anomalies],
            "units": {"tunes": self.tunes, "aspects": [self._aspect(each) for each in self.followers]},
        }

    def _note(self, note: int) -> dict[str, Any]:
        reading, piece = self.reading, self.reading.piece
        nats = reading.nats[reading.notes[note]]
        return {
            "place": place(piece, int(piece.onset[note])),
            "onset": int(piece.onset[note]),
            "duration": int(piece.duration[note]),
            "pitch": int(piece.pitch[note]),
            "name": note_name(reading, note),
            "part": int(piece.part[note]),
            "nats": round(float(nats.sum()), 4),
            "by_field": {FIELDS[k]: round(float(nats[k]), 4) for k in np.flatnonzero(nats).tolist()},
            "probability": {FIELDS[k]: round(probability(reading, note, k), 5) for k in (TIME, VALUE, DURATION) if nats[k]},
            "expected": {
                name: [[each.name, round(each.probability, 5)] for each in found]
                for name, found in expectations(reading, note).items()
            },
            "from": [[number, round(nats, 4)] for number, nats in self.sources(note)],
        }

    def _aspect(self, found: Followers) -> dict[str, Any]:
        return {
            "aspect": found.aspect.name,
            "about": found.aspect.about,
            "best_by_chance": round(found.chance, 4),
            "share": round(found.share, 4),
            "share_by_chance": round(found.share_by_chance, 4),
            "units": [
                {
                    "name": unit.name,
                    "explained": round(unit.explained, 4),
                    "values": np.round(unit_values(self.reading, unit), 3).tolist(),
                }
                for unit in found.units
            ],
        }


@one_thread()
def inspect(source: Source, piece: Piece, others: Sequence[Piece] = (), most: int = 10) -> Inspection:
    """Look at how a model reads a tune.

    Parameters
    ----------
    source
        The model, as `melody.load` gives it.
    piece
        One note to 4,000.
    others
        More tunes on which the units are looked for that follow something musical: one tune says little.
    most
        How many anomalies are listed.

    Raises
    ------
    melody.errors.PieceError, melody.errors.VocabularyError
        If it has too many notes or none, or the model cannot understand it.
    """
    reading = read(source, piece)
    found = influence(source, reading)
    readings = [reading, *(read(source, other) for other in others)]
    return Inspection(
        source.file.name,
        source.file.fingerprint,
        source.layers,
        reading,
        found,
        tuple(followers(readings)),
        len(readings),
        tuple(anomalies(reading, found, most)),
    )
