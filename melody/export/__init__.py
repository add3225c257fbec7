"""A model as an ONNX file, in 32 bits or with weights of 8, that ONNX Runtime runs without any of this package.

What the file holds
-------------------
Two functions side by side; to run one, give the inputs of the other with 0 streams. Numbers of the file's own model stand
in its metadata (see below) and in its inputs' shapes.

The step takes one event in:

============= ================================== =======================================================================
event         int64 (streams, fields + features)  tokens of the event and its features, see `melody.tokens`; before the
                                                  first event zeros
h, c          float (streams, layers x hidden)    the state of an LSTM, lowest layer first; before the first event zeros;
                                                  of another cell as its own file in `melody.network.cells` has it (of a
                                                  GRU h alone)
-> h_next, c_next                                 the new state
-> trunks_next                                    what the heads need, float (streams, heads x head size)
============= ================================== =======================================================================

The heads give the logits of each field of the next event, to be asked field by field, each choice fed back:

============= ================================== =======================================================================
trunks        float (choosing, heads x head size) `trunks_next`
chosen        int64 (choosing, 5)                 the next event's tokens; a field sees only those before it
conditions    int64 (choosing, conditions)        what is known of the place where it will stand, see
                                                  `melody.tokens.inputs.features`; the time sees none, the kind not the last
-> time, kind, value, duration, velocity          logits, float (choosing, tokens); fields with one token are left out
============= ================================== =======================================================================

Metadata: `format`, `name`, `fingerprint` of the model file it was made from, `vocabulary`, `settings` and `training` as
JSON, `usage` in short. Operators are those of ONNX 17 and no others.

8 bits: weights are rounded to 255 steps for each output (a row as torch has it), embeddings for each token. What a product
takes in is an output of tanh or of a cell, hence within -1 and 1 (or the sum of two, within -2 and 2), and is rounded to 127
fixed steps: nothing depends on the other streams of a batch, sums are exact integers, and no processor's 16-bit intermediate
sums can overflow (2 x 127 x 127 < 2^15), which would make the same file write another tune there.
"""

from melody.export.cost import Cost, measure, nats_per_note
from melody.export.step import SUFFIX, Form, bytes_in_full, check_suffix, engine, to_onnx

__all__ = ["SUFFIX", "Cost", "Form", "bytes_in_full", "check_suffix", "engine", "measure", "nats_per_note", "to_onnx"]
