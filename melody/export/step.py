"""The step and the heads of a model as an ONNX graph."""

from __future__ import annotations

import json
from os import PathLike
from pathlib import Path
from typing import Any, Literal

import numpy as np

from melody.errors import ModelFileError
from melody.modelfile import ModelFile
from melody.network import Floats, OnnxEngine
from melody.network.around import recognised
from melody.network.embedding_sums import starts
from melody.network.graph import Graph, Tensor
from melody.network.head_arrays import related_of
from melody.network.relations import Where, code, weighed
from melody.network.settings import features_of, input_sizes, known_sizes
from melody.network.voices import BITS, CIRCLE, DEGREES, OCTAVE, STATES, Sounding, Voices, above, degree, of_parts
from melody.tokens.inputs.schema import APART, GROUP, MAX_INTERVAL, STATE_BITS, condition_sizes, feature_sizes
from melody.tokens.usage import FIRST_PART
from melody.tokens.vocabulary import FIELDS, KIND, Vocabulary

FORMAT = "melody-step 2"
SUFFIX = ".onnx"
Form = Literal["onnx", "int8"]
_USAGE = (
    "Two functions; give the inputs of the one you do not run with 0 streams. Step: event (tokens and features of the last "
    "event; zeros first), {before} (zeros first) -> {after}, trunks_next. Heads: trunks (= trunks_next), chosen (tokens "
    "of the next event so far), conditions -> logits of each field, in the order of the outputs."
)


def to_onnx(file: ModelFile, form: Form = "onnx", *, heads: bool = True) -> bytes:
    """The bytes of an ONNX file.

    Parameters
    ----------
    file
        A model.
    form
        'onnx' for 32 bits, 'int8' for 8.
    heads
        Whether the heads are in it, or the step alone, for `OnnxEngine`: in the place of `trunks_next` it then gives
        `seen`, float (streams, hidden + embedding), the cell's output and the event's embedding.

    Raises
    ------
    ModelFileError
        If the package onnx is not installed.
    """
    graph = Graph(quantised=form == "int8")
    output, embedded = _add_step(graph, file)
    if heads:
        _add_trunk(graph, file, output, embedded)
        _add_heads(graph, file)
    else:
        graph.add("Concat", output, embedded, outputs=["seen"], axis=1)
    model = graph.model(_inputs(file, heads), _outputs(file, heads))
    for name, text in _texts(file, form).items():
        model.metadata_props.add(key=name, value=text)
    data: bytes = model.SerializeToString()
    return data


def engine(file: ModelFile, form: Form = "onnx") -> OnnxEngine:
    """An engine whose step is what `to_onnx` gives."""
    return OnnxEngine(file.vocabulary, file.weights, to_onnx(file, form, heads=False))


def check_suffix(path: str | PathLike[str]) -> None:
    """Refuse a name that other programs would not take for an ONNX file.

    Raises
    ------
    ModelFileError
        If it does not end in .onnx.
    """
    if Path(path).suffix != SUFFIX:
        raise ModelFileError(f"{path}: an exported model is an ONNX file; name one that ends in {SUFFIX}")


def bytes_in_full(file: ModelFile) -> int:
    """Bytes of a model's weights in 32 bits."""
    return 4 * sum(array.size for array in file.weights.values())


def _texts(file: ModelFile, form: Form) -> dict[str, str]:
    described: dict[str, Any] = {
        "vocabulary": file.vocabulary.to_dict(),
        "settings": dict(file.settings),
        "training": dict(file.training),
    }
    before, after = (", ".join(array.name for array in _state(file, suffix)) for suffix in ("", "_next"))
    usage = _USAGE.format(before=before, after=after)
    texts = {"format": FORMAT, "form": form, "name": file.name, "fingerprint": file.fingerprint, "usage": usage}
    return texts | {name: json.dumps(value, sort_keys=True, separators=(",", ":")) for name, value in described.items()}


def _predicted(vocabulary: Vocabulary) -> list[int]:
    return [k for k, size in enumerate(vocabulary.sizes) if size > 1]


def _state(file: ModelFile, suffix: str = "") -> list[Tensor]:
    """The arrays of the state, each named with a suffix."""
    cell, _ = recognised(file.weights)
    state = cell.begin(0)
    steps = {name: f"steps{suffix}" if state[name].ndim > 2 else "" for name in state}
    return [Tensor(f"{name}{suffix}", "streams", state[name].shape[-2], steps=steps[name]) for name in state]


def _trunk(file: ModelFile) -> tuple[Floats, Floats]:
    """Weights, (heads x head size, hidden + embedding), and bias of the first layer of all heads."""
    heads = [f"heads.{FIELDS[k]}" for k in _predicted(file.vocabulary)]
    voices = [voice.T for head in heads for voice in file.weights[f"{head}.trunk"]]
    return np.concatenate(voices), np.concatenate([file.weights[f"{head}.trunk_bias"].ravel() for head in heads])


def _inputs(file: ModelFile, heads: bool) -> list[Tensor]:
    step = [
        Tensor("event", "streams", len(FIELDS) + len(feature_sizes(file.vocabulary)), is_integer=True),
        *_state(file),
    ]
    return step + heads * [
        Tensor("trunks", "choosing", len(_trunk(file)[1])),
        Tensor("chosen", "choosing", len(FIELDS), is_integer=True),
        Tensor("conditions", "choosing", len(condition_sizes(file.vocabulary)), is_integer=True),
    ]


def _outputs(file: ModelFile, heads: bool) -> list[Tensor]:
    state, sizes = _state(file, "_next"), file.vocabulary.sizes
    trunk, bias = _trunk(file)
    if not heads:
        return [*state, Tensor("seen", "streams", trunk.shape[1])]
    logits = [Tensor(FIELDS[k], "choosing", sizes[k]) for k in _predicted(file.vocabulary)]
    return [*state, Tensor("trunks_next", "streams", len(bias)), *logits]


def _add_step(graph: Graph, file: ModelFile) -> tuple[str, str]:
    """The cell; gives its output and the event's embedding.

    What is added up of an event, its embedding and this times the cell's input weights, is one table, multiplied out on
    loading.
    """
    cell, weights = recognised(file.weights)
    embedding, into = file.weights["embedding.weight"], cell.onnx_inputs(weights)
    rows = graph.table(embedding)
    table = graph.joined(graph.add("MatMul", rows, graph.by_columns(into)), rows)
    read = input_sizes(file.vocabulary, features_of(file.vocabulary, file.weights))
    event = graph.columns("event", range(len(read)))
    summed = graph.sums(table, graph.add("Add", event, graph.constant(starts(read))))
    products, embedded = graph.split(summed, [len(into), embedding.shape[1]])
    return cell.onnx_step(graph, weights, products, {array.name: array.name for array in _state(file)}), embedded


def _add_trunk(graph: Graph, file: ModelFile, output: str, embedded: str) -> None:
    """The first layer of all heads."""
    trunk, bias = _trunk(file)
    size = trunk.shape[1] - file.weights["embedding.weight"].shape[1]
    of_event = graph.add("MatMul", embedded, graph.by_columns(trunk[:, size:]))  # embeddings have no bounds to round within
    cell, _ = recognised(file.weights)
    graph.add("Add", graph.times(output, trunk[:, :size], bias, cell.is_bounded), of_event, outputs=["trunks_next"])


def _add_heads(graph: Graph, file: ModelFile) -> None:
    predicted = _predicted(file.vocabulary)
    trunks = graph.split("trunks", [file.weights[f"heads.{FIELDS[k]}.trunk_bias"].size for k in predicted])
    for k, trunk in zip(predicted, trunks):
        graph.add("Identity", _logits(graph, file, k, trunk), outputs=[FIELDS[k]])


def _logits(graph: Graph, file: ModelFile, field: int, inner: str) -> str:
    """The logits of one field from its columns of the trunks."""
    head = {name.rpartition("heads." + FIELDS[field] + ".")[2]: array for name, array in file.weights.items()}
    features = features_of(file.vocabulary, file.weights)
    sizes, size = known_sizes(file.vocabulary, features, field), head["output"].shape[2]
    voices, first = Voices.of(file.vocabulary, field)
    voice = None if voices == 1 else _voice(graph, voices, first)
    if voice:
        inner = graph.one_of(inner, voice, *head["trunk_bias"].shape)
    repeated = _repeated(graph, field)
    if features == "none":
        repeated = graph.add("Mul", repeated, graph.constant(np.array(0)))
    place = range(len(FIELDS), len(FIELDS) + len(sizes) - 1 - field)
    known = graph.joined(repeated, graph.columns("chosen", range(field)), graph.columns("conditions", place))
    rows = graph.add("Add", known, graph.constant(starts(sizes)))
    if voice:
        rows = graph.add("Add", rows, graph.add("Mul", voice, graph.constant(np.array(sum(sizes)))))
    inner = graph.add("Add", inner, graph.sums(graph.table(head["known.weight"]), rows))
    inner = graph.add("Tanh", inner)
    second = graph.add("Tanh", graph.product(graph.rounded(inner), head["inner.weight"], head["inner.bias"]))
    names = [name for name in ("output", "copy", *_OF_CANDIDATES) if name in head]
    blocks = [head[name] for name in names]
    output = np.concatenate([np.concatenate(voice_, axis=1).T for voice_ in zip(*blocks)])
    bias = np.zeros((voices, len(output) // voices), np.float32)
    bias[:, : size + 1] = np.concatenate([head["output_bias"], head["copy_bias"]], axis=1)
    given = graph.product(graph.rounded(graph.add("Add", inner, second), span=2), output, bias.ravel(), span=2)
    given = graph.one_of(given, voice, *bias.shape) if voice else given
    logits, copied, *more = graph.split(given, [block.shape[2] for block in blocks])
    of_block = dict(zip(names[2:], more))
    is_repeated = graph.add("Equal", graph.constant(np.arange(1, size + 1)[None]), repeated)
    logits = graph.add("Add", logits, graph.add("Mul", copied, graph.add("Cast", is_repeated, to=1)))
    for name, with_them in _OF_CANDIDATES.items():
        logits = with_them(graph, file, logits, of_block[name]) if name in of_block else logits
    return _with_relations(graph, file, logits, head["relation"], voice) if voice and "relation" in head else logits


def _repeated(graph: Graph, field: int) -> str:
    """The field's token + 1 in the event that is repeated, 0 if a field before is not as it was there, (streams, 1)."""
    repeated = graph.columns("conditions", [field])
    one = graph.constant(np.array(1))
    for before in range(field):
        chosen = graph.add("Add", graph.columns("chosen", [before]), one)
        agrees = graph.add("Cast", graph.add("Equal", graph.columns("conditions", [before]), chosen), to=7)  # whole numbers
        repeated = graph.add("Mul", repeated, agrees)
    return repeated


def _with_intervals(graph: Graph, file: ModelFile, logits: str, given: str) -> str:
    """Logits of intervals to each related pitch added to those of the pitches."""
    vocabulary, width = file.vocabulary, 2 * MAX_INTERVAL + 1
    numbers = np.concatenate([np.zeros(vocabulary.first_pitch, np.int64), np.arange(1, vocabulary.num_pitches + 1)])
    is_pitch = graph.constant((numbers > 0).astype(np.float32)[None])
    least, most, middle = (graph.constant(np.array(n)) for n in (-MAX_INTERVAL, MAX_INTERVAL, MAX_INTERVAL))
    parts = related_of(vocabulary, file.weights)
    for of_part, column in zip(graph.split(given, [width] * len(parts)), parts):
        pitch = graph.columns("conditions", [column])
        interval = graph.add("Clip", graph.add("Sub", graph.constant(numbers[None]), pitch), least, most)
        found = graph.add("GatherElements", of_part, graph.add("Add", interval, middle), axis=1)
        sounds = graph.add("Cast", graph.add("Greater", pitch, graph.constant(np.array(0))), to=1)
        logits = graph.add("Add", logits, graph.add("Mul", graph.add("Mul", found, is_pitch), sounds))
    return logits


def _with_degrees(graph: Graph, file: ModelFile, logits: str, given: str) -> str:
    """Logits of degrees above each key or chord added to those of the pitches."""
    vocabulary, keys = file.vocabulary, np.arange(1 + DEGREES)[:, None]
    pitches = np.arange(vocabulary.pitches[0], vocabulary.pitches[1] + 1)
    number = np.pad(degree(keys, pitches), ((0, 0), (vocabulary.first_pitch, 0)))  # of no degree for what is no pitch
    counts = np.pad(np.repeat(keys > 0, len(pitches), axis=1), ((0, 0), (vocabulary.first_pitch, 0))).astype(np.float32)
    conditions = above(vocabulary, "own").values()
    for of_key, column in zip(graph.split(given, [DEGREES] * len(conditions)), conditions):
        key = graph.add("Squeeze", graph.columns("conditions", [column]), graph.constant(np.array([1])))
        number_, counts_ = (graph.add("Gather", graph.constant(table), key, axis=0) for table in (number, counts))
        found = graph.add("GatherElements", of_key, number_, axis=1)
        logits = graph.add("Add", logits, graph.add("Mul", found, counts_))
    return logits


def _with_sounding(graph: Graph, file: ModelFile, logits: str, given: str) -> str:
    """Logits of intervals, in any octave, to the tones that sound added to those of the pitches."""
    vocabulary, sounds = file.vocabulary, Sounding.of(file.vocabulary, "own")
    assert sounds is not None
    read = graph.columns("conditions", range(sounds.columns.start, sounds.columns.stop))
    bits = graph.add("Gather", graph.constant(BITS), read, axis=0)
    tones = graph.add("Reshape", bits, graph.constant(np.array([-1, OCTAVE])))
    made = graph.add("Gather", tones, graph.constant(CIRCLE), axis=1)  # (streams, tone, interval)
    weighed_ = graph.add("Mul", made, graph.add("Unsqueeze", given, graph.constant(np.array([1]))))
    added = graph.add("ReduceSum", weighed_, graph.constant(np.array([2])), keepdims=0)
    numbers = np.concatenate([np.zeros(vocabulary.first_pitch, np.int64), np.arange(1, vocabulary.num_pitches + 1)])
    away = graph.add("Sub", graph.constant(numbers[None]), graph.columns("conditions", [sounds.own]))
    found = graph.add("GatherElements", added, graph.add("Mod", away, graph.constant(np.array(OCTAVE))), axis=1)
    return graph.add("Add", logits, graph.add("Mul", found, graph.constant((numbers > 0).astype(np.float32)[None])))


def _with_states(graph: Graph, file: ModelFile, logits: str, given: str) -> str:
    """Logits of what parts may do, and of how they stand, added to those of the kinds."""
    of_both = of_parts(file.vocabulary, "all")
    for given_, columns in zip(graph.split(given, [STATES] * len(of_both)), of_both):
        logits = graph.add("Add", logits, _by_state(graph, file.vocabulary.sizes[KIND], given_, columns))
    return logits


def _by_state(graph: Graph, kinds: int, given: str, columns: range) -> str:
    """What such logits add to those of the kinds, by the states of parts in these conditions."""
    read = graph.add("Unsqueeze", graph.columns("conditions", columns), graph.constant(np.array([2])))
    digits = graph.add("Div", read, graph.constant(2 ** (STATE_BITS * np.arange(GROUP))[None, None]))
    states = graph.add("Mod", digits, graph.constant(np.array(2**STATE_BITS)))
    states = graph.add("Reshape", states, graph.constant(np.array([-1, GROUP * len(columns)])))
    first = np.full(FIRST_PART, GROUP * len(columns))  # of kinds that are no parts: nothing is said
    unsaid = graph.add("Mul", graph.columns("conditions", columns[:1]), graph.constant(np.array(0)))
    order = np.concatenate([first, np.arange(kinds - FIRST_PART)])
    by_kind = graph.add("Gather", graph.joined(states, unsaid), graph.constant(order), axis=1)
    nothing = graph.add(
        "Mul", graph.add("Gather", given, graph.constant(np.array([0])), axis=1), graph.constant(np.float32(0))
    )
    return graph.add("GatherElements", graph.joined(nothing, given), by_kind, axis=1)


_OF_CANDIDATES = {  # blocks of the last layer
    "interval": _with_intervals,
    "degree": _with_degrees,
    "sounding": _with_sounding,
    "plays": _with_states,
}


def _with_relations(graph: Graph, file: ModelFile, logits: str, values: Floats, voice: str) -> str:
    """What the relations to the lines that sound add to the logits, as `melody.network.relations` has it."""
    where, rows = Where.of(file.vocabulary), weighed(file.vocabulary, values)
    codes = rows.shape[1]
    padded = np.pad(rows.reshape(-1, rows.shape[2]), ((0, 0), (file.vocabulary.first_pitch, 0)))
    pitch, way = (graph.columns("conditions", range(each.start, each.stop)) for each in (where.pitch, where.against))
    row = graph.add("Mul", graph.columns("conditions", [where.key]), graph.constant(np.array(where.leading.shape[1])))
    place = graph.add("Add", row, pitch)
    leading, dominant = (
        graph.add("Gather", graph.constant(array.ravel()), place, axis=0) for array in (where.leading, where.dominant)
    )
    is_apart = graph.add("Cast", graph.add("Equal", way, graph.constant(np.array(APART))), to=7)
    is_dominant = graph.add("ReduceMin", graph.add("Max", dominant, is_apart), axes=[1], keepdims=1)
    leading = graph.add("Mul", leading, is_dominant)
    by_pitch, by_way = (graph.constant(np.array(step)) for step in (code(1, 0, 0), code(0, 1, 0)))
    number = graph.add("Add", graph.add("Mul", pitch, by_pitch), graph.add("Mul", way, by_way))
    number = graph.add("Mul", graph.add("Add", number, leading), graph.add("Sub", graph.constant(np.array(1)), is_apart))
    number = graph.add("Add", number, graph.add("Mul", voice, graph.constant(np.array(codes))))
    return graph.add("Add", logits, graph.sums(graph.table(padded), number))


def _voice(graph: Graph, voices: int, first: int) -> str:
    """Which voice of a head it is, by the kind that is chosen, (streams, 1)."""
    number = graph.add("Sub", graph.columns("chosen", [KIND]), graph.constant(np.array(FIRST_PART - first)))
    return graph.add("Clip", number, graph.constant(np.array(0)), graph.constant(np.array(voices - 1)))
