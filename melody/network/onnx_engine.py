"""The step in ONNX Runtime, from the bytes of a file that `melody.export` makes, in 32 or in 8 bits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from melody.errors import ModelFileError
from melody.extras import need
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
        The parameters of a `MelodyLSTM` under their names there, for the heads: these are small products, for which a
        call of ONNX Runtime costs more than the work.
    data
        What `melody.export.to_onnx` gives for a model of that vocabulary, without heads.

    Raises
    ------
    ModelFileError
        If ONNX Runtime is not installed, or `data` is no model for it.
    """

    def __init__(self, vocabulary: Vocabulary, weights: Mapping[str, NDArray], data: bytes) -> None:
        self._heads = Heads(vocabulary, weights)
        self.predicted = self._heads.predicted
        self._session = _session(data)
        self._cells = next(taken.shape[1] for taken in self._session.get_inputs() if taken.name == "h")

    def begin(self, streams: int) -> State:
        """The state before the first event."""
        return State({name: np.zeros((self._cells, streams), np.float32) for name in ("h", "c")})

    def step(self, inputs: NDArray[np.int64], state: State) -> tuple[Floats, State]:
        """Take in one event a stream, (streams, fields + features); gives what the heads see and the new state."""
        given = {"event": inputs, "h": np.ascontiguousarray(state.h.T), "c": np.ascontiguousarray(state.c.T)}
        seen, h, c = self._session.run(["seen", "h_next", "c_next"], given)
        return seen, State({"h": h.T, "c": c.T})

    def trunks(self, hidden: Floats) -> Floats:
        """What all heads make of what they see, (streams, heads x head size); computed once a step."""
        return self._heads.trunks(hidden)

    def logits(self, field: int, trunks: Floats, event: NDArray[np.int64], conditions: NDArray[np.int64]) -> Floats:
        """Logits of one field of the next event, (streams, field size), see `Heads.logits`."""
        return self._heads.logits(field, trunks, event, conditions)


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
