"""Where in the beat each onset of a performance is, and how long the beat is there: a small LSTM, read in both directions.

Liu et al. (2022, "Performance MIDI-to-score conversion by neural beat tracking") track beats by a recurrent network over
onsets. This one has two layers of 64 cells each way, and says of each onset at which of 24 places of the beat it is and
which of 24 lengths the beat has. It was trained on scores played by chance, and on no recorded performance
(`scripts/train_beats.py`, which writes the weights).
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from melody.corpus.read.beats.onsets import Floats

WEIGHTS = Path(__file__).parent / "weights.npz"
LAYERS = 2
PLACES = 24  # of a beat
PERIODS: Floats = np.geomspace(0.19, 2.46, 24)  # seconds
Reals = NDArray[np.float32]


class Belief(NamedTuple):
    """What the network makes of the onsets: probabilities of places, (onsets, 24), and of periods, (onsets, 24)."""

    places: Reals
    periods: Reals


def believed(features: Reals) -> Belief:
    """Of onsets, (onsets, features)."""
    weights = _weights()
    inner = features @ weights["inner.weight"].T + weights["inner.bias"]
    states = np.where(inner > 0, inner, np.expm1(np.minimum(inner, 0)))  # exponential linear units
    for layer in range(LAYERS):
        onwards = _lstm(states, weights, f"_l{layer}")
        backwards = _lstm(states[::-1], weights, f"_l{layer}_reverse")[::-1]
        states = np.concatenate([onwards, backwards], 1)
    logits = states @ weights["outer.weight"].T + weights["outer.bias"]
    return Belief(_softmax(logits[:, :PLACES]), _softmax(logits[:, PLACES:]))


@lru_cache(1)
def _weights() -> dict[str, Reals]:
    with np.load(WEIGHTS, allow_pickle=False) as arrays:
        return {name: arrays[name].astype(np.float32) for name in arrays.files}


def _lstm(inputs: Reals, weights: dict[str, Reals], name: str) -> Reals:
    """The states of one direction of a layer (Hochreiter and Schmidhuber 1997), gates in the order of torch."""
    from_state = np.ascontiguousarray(weights[f"lstm.weight_hh{name}"].T)
    gates = inputs @ weights[f"lstm.weight_ih{name}"].T + weights[f"lstm.bias_ih{name}"] + weights[f"lstm.bias_hh{name}"]
    width = len(from_state)
    states, cell = np.zeros((len(inputs), width), np.float32), np.zeros(width, np.float32)
    state = cell
    for number, gate in enumerate(gates):
        gate = gate + state @ from_state
        inside, forget, _, out = 0.5 + 0.5 * np.tanh(0.5 * gate.reshape(4, width))  # the logistic function
        cell = forget * cell + inside * np.tanh(gate[2 * width : 3 * width])
        state = states[number] = out * np.tanh(cell)
    return states


def _softmax(logits: Reals) -> Reals:
    odds: Reals = np.exp(logits - logits.max(1, keepdims=True))
    shares: Reals = odds / odds.sum(1, keepdims=True)
    return shares
