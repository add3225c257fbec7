"""The step in ONNX Runtime, from the bytes of a file that `melody.export` makes, in 32 or in 8 bits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from melody.errors import ModelFileError
from melody.extras import need
from melody.network.around import recognised
from melody.network.engine import Ints
from melody.network.head_arrays import Heads
from melody.network.state import Floats, State
from melody.tokens.vocabulary import Vocabulary


class OnnxEngine:
    """The same as `Engine`, its step run by ONNX Runtime on one thread, its heads by NumPy.

    Parameters
    ----------
    vocabulary
        Of the events.
    weights
        The parameters of a `MelodyNetwork` under their names there, for the heads: these are small products, for which a
        call of ONNX Runtime costs more than the work.
    data
        What `melody.export.to_onnx` gives for a model of that vocabulary, without heads.

    Raises
    ------
    ModelFileError
        If ONNX Runtime is not installed, or `data` is no model for it.
    """

    def __init__(self, vocabulary: Vocabulary, weights: Mapping[str, Floats], data: bytes) -> None:
        self._heads = Heads(vocabulary, weights)
        self.predicted = self._heads.predicted
        self.head_layers, self.logits = self._heads.head_layers, self._heads.logits
        self._session = _session(data)
        self._cell, _ = recognised(weights)
        self._arrays = list(self._cell.begin(0))
        self._outputs = ["seen", *(f"{name}_next" for name in self._arrays)]

    def begin(self, streams: int) -> State:
        """The state before the first event."""
        return self._cell.begin(streams)

    def step(self, inputs: Ints, state: State) -> tuple[Floats, State]:
        """Take in one event a stream, see `AnyEngine.step`."""
        given = {name: np.ascontiguousarray(state[name].T) for name in self._arrays}
        seen, *after = self._session.run(self._outputs, {"event": inputs, **given})
        return seen, State({name: array.T for name, array in zip(self._arrays, after)})


def _session(data: bytes) -> Any:
    need("this engine", "onnxruntime")
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = settings.inter_op_num_threads = 1
    settings.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(data, settings, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's own, of which it has no common base
        raise ModelFileError(f"ONNX Runtime cannot run this model ({str(error)[:80]}); export it again") from error
