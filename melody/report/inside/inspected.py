"""How a model reads a tune, as a picture: the roll, each note as red as it was surprising, over gates, cells and units."""

from __future__ import annotations

import os

import numpy as np
from numpy.typing import NDArray

from melody.inspection.inspecting import Inspection
from melody.inspection.units import Followers, unit_values
from melody.piece import Ints, Piece
from melody.report.roll import write_plot
from melody.report.tracks import Track

SURPRISING = 6.0  # nats from which on a note is wholly red
CELLS = 48  # of a layer that are drawn: those that change most
_CALM, _RED = np.array([0.80, 0.85, 0.92]), np.array([0.75, 0.10, 0.10])


def surprise_colours(surprise: NDArray[np.float64]) -> NDArray[np.float64]:
    """A colour for each note, from a pale blue at 0 nats to red at 6 or more, (notes, 3) of RGB in 0-1."""
    share = np.clip(surprise / SURPRISING, 0, 1)[:, None] ** 0.7
    return np.asarray(_CALM + share * (_RED - _CALM))


def write_inspection(found: Inspection, path: str | os.PathLike[str], title: str) -> None:
    """Write the picture to a .png or .svg file, whole or not at all.

    Raises
    ------
    melody.errors.RenderError
        If the suffix is another, the piece cannot be drawn, or Matplotlib is not installed.
    melody.errors.FileError
        If the file cannot be written.
    """
    fill = surprise_colours(found.reading.surprise)
    write_plot(found.reading.piece, path, title=title, fill=fill, tracks=tracks(found))


def tracks(found: Inspection) -> list[Track]:
    """What is drawn under the roll: surprise, gates, cells, and for each aspect the unit that follows it best.

    Parameters
    ----------
    found
        Of a tune; notes that begin together share a strip, of which the last is drawn.
    """
    reading = found.reading
    first = _firsts(reading.piece)
    ticks, end = reading.piece.onset[first], reading.piece.length
    surprise = np.maximum.reduceat(reading.surprise, first)[None]
    drawn = [Track("surprise of the note, nats", ticks, end, surprise, "bars", span=(0, max(float(surprise.max()), 1)))]
    gates = {name: gate[reading.notes].mean(axis=2).T[:, first] for name, gate in reading.gates.items()}
    for layer in range(len(next(iter(gates.values()))) if gates else 0):
        lines = np.stack([gate[layer] for gate in gates.values()])
        drawn.append(Track(f"gates of layer {layer + 1}, mean", ticks, end, lines, labels=tuple(gates)))
    array = "c" if "c" in reading.states else next(iter(reading.states), None)
    if array is not None:
        drawn += _cells(reading.states[array][reading.notes + 1], reading.hidden, array, first, ticks, end)
    for each in found.followers:
        unit = each.units[0]
        title = f"{unit.name} explains {unit.explained:.0%} of: {each.aspect.name} ({_verdict(each)})"
        both = np.stack([_scaled(unit_values(reading, unit)), _scaled(each.aspect.values[: len(reading.notes)])])[:, first]
        drawn.append(Track(title, ticks, end, both, labels=("unit", "music"), height=0.45, span=(0, 1)))
    return drawn


def _verdict(found: Followers) -> str:
    """What the figure is worth."""
    best = f"the best unit by chance {found.chance:.0%}"
    return best if found.units[0].explained > found.chance else f"no more than {best}"


def _firsts(piece: Piece) -> Ints:
    """The first of the notes of each onset."""
    return np.flatnonzero(np.diff(piece.onset, prepend=-1))


def _cells(values: NDArray[np.floating], hidden: int, array: str, first: Ints, ticks: Ints, end: int) -> list[Track]:
    """The liveliest cells of each layer as rows of a picture, those together that are high at the same time."""
    drawn = []
    for layer in range(values.shape[1] // hidden):
        own = values[:, layer * hidden : (layer + 1) * hidden].astype(np.float64)
        liveliest = own[:, np.argsort(-np.diff(own, axis=0).std(axis=0), kind="stable")[:CELLS]]
        liveliest = liveliest[:, np.argsort(-liveliest.argmax(axis=0), kind="stable")]
        liveliest /= np.maximum(np.abs(liveliest).max(axis=0), 1e-9)  # each as far as it goes
        most_lively = f"the {liveliest.shape[1]} that change most from note to note"
        title = f"{array} of layer {layer + 1}: {most_lively}, blue below 0, red above"
        drawn.append(Track(title, ticks, end, liveliest.T[:, first], "picture", height=1.0, span=(-1, 1)))
    return drawn


def _scaled(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """From 0 to 1."""
    low, high = values.min(), values.max()
    return np.asarray((values - low) / (high - low if high > low else 1.0))
