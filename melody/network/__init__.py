"""The model's step without torch, for generation: with NumPy alone, or with ONNX Runtime in 32 or 8 bits.

Conventions
-----------
An engine takes one event a stream and step. `step` gives what `trunks` needs and the new state; `trunks` is what all heads
make of it, computed once a step; `logits` is one field of the next event, given the fields chosen before it. A state is
never changed once it has been given out, so that it can be kept and gone on with more than once. Streams do not know of
each other.
"""

from melody.network.engine import Engine
from melody.network.onnx_engine import OnnxEngine
from melody.network.state import Floats, State

AnyEngine = Engine | OnnxEngine

__all__ = ["AnyEngine", "Engine", "Floats", "OnnxEngine", "State"]
