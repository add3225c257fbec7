"""The network: its settings, its model in torch, and engines that run it without torch; a file for each cell.

Conventions
-----------
An engine takes one event a stream and step. `step` gives the cell's output with the event's embedding, and the new state;
`head_layers` is the first layer of all heads, computed from them once a step; `logits` is one field of the next event, given
the fields chosen before it. An engine changes no state that it has given out, so that one can be kept and gone on from more
than once. No stream's numbers depend on the others'.
"""

from melody.network.engine import AnyEngine, Engine
from melody.network.onnx_engine import OnnxEngine
from melody.network.state import Floats, State

__all__ = ["AnyEngine", "Engine", "Floats", "OnnxEngine", "State"]
