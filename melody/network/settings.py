"""The shape of a model: its settings, and the weights that follow from them and a vocabulary. Plain data, without torch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

from melody.errors import ModelFileError
from melody.network import bidirectional
from melody.network.around import Attending, Convolving
from melody.network.cells import CELLS, Cell, CellName, Sizes
from melody.network.cells.cell import Shapes
from melody.network.relations import RELATIONS, relates
from melody.network.voices import DEGREES, OCTAVE, STATES, Sounding, Voices, above, of_parts, related
from melody.tokens.inputs.schema import MAX_INTERVAL, feature_sizes, head_sizes
from melody.tokens.vocabulary import FIELDS, KIND, VALUE, Vocabulary

Intervals = Literal["own", "parts", "none"]
Front = Literal["none", "conv"]
Features = Literal["all", "none"]
CONVOLVED = 5  # events that the convolution sees
MOST_ATTENDED = 1024  # events
MAX_CELLS, MAX_LAYERS = 8192, 32


@dataclass(frozen=True)
class ModelSettings:
    """The shape of a model.

    Parameters
    ----------
    hidden_size
        Width of each recurrent layer.
    num_layers
        Recurrent layers on top of each other.
    embedding_size
        Width of the sum of embeddings that the first layer gets.
    head_size
        Width of the hidden layer before each field's logits.
    dropout
        Share of the embedding and of each layer's output left out in training; of the embedding and of the last output the
        same cells throughout a window (variational dropout, Gal and Ghahramani 2016).
    weight_dropout
        Share of the recurrent weights left out in training, the same ones throughout a window (Merity et al. 2018).
    feature_dropout
        Share of an event's tokens and features, or of a head's conditions, that are left out in training; never the place
        in the bar, nor of a head the fields before its own.
    head_dropout
        Share of the hidden units of the heads left out in training.
    intervals
        To what the head of the value predicts intervals, besides pitches: 'own', the last pitch of the part; 'parts', that
        of each part; 'none'. What is learnt of an interval holds in all keys; a small corpus is learnt by heart the sooner.
    cell
        What carries the state from event to event, see `melody.network.cells`.
    front
        'conv' puts a causal convolution over the last `CONVOLVED` events before it.
    attention
        Over how many of its last outputs it has attention; 0 for none, otherwise 2 to `MOST_ATTENDED`.
    features
        'all', or 'none': the plain network. It reads the tokens of events alone, its heads the state and the fields before.
    bidirectional
        Whether it also reads music backwards, from its end to a gap that is to be filled (`melody.network.bidirectional`).
    relations
        Whether the head of the value has weights for what a pitch would make with the lines that sound, such as a parallel
        fifth (`melody.network.relations`); of no effect without two lines.
    """

    hidden_size: int = 256
    num_layers: int = 2
    embedding_size: int = 256
    head_size: int = 256
    dropout: float = 0.3
    weight_dropout: float = 0.0
    feature_dropout: float = 0.0
    head_dropout: float = 0.0
    intervals: Intervals = "own"
    cell: CellName = "lstm"
    relations: bool = False
    front: Front = "none"
    attention: int = 0
    features: Features = "all"
    bidirectional: bool = False

    @property
    def layers(self) -> str:
        """The recurrent layers in words.

        >>> ModelSettings().layers
        'LSTM 2 x 256'
        """
        layers = f"{CELLS[self.cell].title} {self.num_layers} x {self.hidden_size}"
        front = "convolution + " if self.front == "conv" else ""
        attention = f" + attention to {self.attention} events" if self.attention else ""
        more = (", bidirectional" * self.bidirectional) + (", no features" * (self.features == "none"))
        return f"{front}{layers}{attention}{more}"


def cell_of(settings: ModelSettings) -> Cell:
    """The cell of a model with these settings, and what stands around it."""
    cell: Cell = CELLS[settings.cell](Sizes(settings.embedding_size, settings.hidden_size, settings.num_layers))
    if settings.front == "conv":
        cell = Convolving(cell, CONVOLVED)
    return Attending(cell, settings.attention) if settings.attention else cell


def settings_of(values: Mapping[str, Any]) -> ModelSettings:
    """The settings in a model file, whoever wrote it; what it leaves out has its default.

    Parameters
    ----------
    values
        Fields of `ModelSettings`: sizes from 1 to 8,192, 1 to 32 layers, shares from 0 to 1.

    Raises
    ------
    ModelFileError
        If there is a field of another name, or a value that is not legal.
    """
    known = {field.name: field.default for field in fields(ModelSettings)}
    for name, value in values.items():
        if name not in known:
            raise ModelFileError(f"its settings have a field {name[:40]!r}; the fields are {', '.join(known)}")
        legal, is_legal = _legal(name, value)
        if not is_legal:
            raise ModelFileError(f"its settings have {name} = {str(value)[:40]!r}; it must be {legal}")
    return ModelSettings(**values)


def _legal(name: str, value: Any) -> tuple[str, bool]:
    """What a field may be, in words, and whether the value is that."""
    choices: dict[str, tuple[str, ...]]
    choices = {
        "cell": tuple(CELLS),
        "intervals": get_args(Intervals),
        "front": get_args(Front),
        "features": get_args(Features),
    }
    if name in choices:
        names = choices[name]
        return f"one of {', '.join(names)}", isinstance(value, str) and value in names
    if name in ("relations", "bidirectional"):
        return "true or false", isinstance(value, bool)
    if name == "attention":
        return f"0, or a whole number from 2 to {MOST_ATTENDED:,}", type(value) is int and is_attention(value)
    if name.endswith("dropout"):
        return "a number from 0 to 1", type(value) in (int, float) and 0 <= value <= 1
    most = MAX_LAYERS if name == "num_layers" else MAX_CELLS
    return f"a whole number from 1 to {most:,}", type(value) is int and 1 <= value <= most


def is_attention(events: int) -> bool:
    """Whether a cell may have attention to so many events."""
    return events == 0 or 2 <= events <= MOST_ATTENDED


def input_sizes(vocabulary: Vocabulary, features: Features) -> tuple[int, ...]:
    """Number of values of each thing that is read of an event: its fields, then its features."""
    return vocabulary.sizes + (feature_sizes(vocabulary) if features == "all" else ())


def known_sizes(vocabulary: Vocabulary, features: Features, field: int) -> tuple[int, ...]:
    """Number of values of each thing that the head of a field reads besides the state, see `head_sizes` of the schema.

    Without features these are the fields before it, behind a column that is always 0 in the place of what is repeated.
    """
    return head_sizes(vocabulary, field) if features == "all" else (1, *vocabulary.sizes[:field])


def features_of(vocabulary: Vocabulary, weights: Mapping[str, Any]) -> Features:
    """Whether the model of these weights reads features."""
    return "none" if len(weights["embedding.weight"]) == sum(vocabulary.sizes) else "all"


def weight_shapes(vocabulary: Vocabulary, settings: ModelSettings) -> Shapes:
    """Name and shape of every weight of the model with this vocabulary and these settings, as `MelodyNetwork` has them."""
    inputs = sum(input_sizes(vocabulary, settings.features))
    shapes: Shapes = {"embedding.weight": (inputs, settings.embedding_size)}
    shapes |= {f"{settings.cell}.{name}": shape for name, shape in cell_of(settings).shapes().items()}
    if settings.bidirectional:
        own = bidirectional.shapes(vocabulary, settings.hidden_size, settings.embedding_size)
        shapes |= {f"{bidirectional.NAME}.{name}": shape for name, shape in own.items()}
    for field, size in enumerate(vocabulary.sizes):
        if size > 1:
            head = _head_shapes(vocabulary, settings, field)
            shapes |= {f"heads.{FIELDS[field]}.{name}": shape for name, shape in head.items()}
    return shapes


def num_weights(vocabulary: Vocabulary, settings: ModelSettings) -> int:
    """How many numbers such a model has."""
    return sum(math.prod(shape) for shape in weight_shapes(vocabulary, settings).values())


def _head_shapes(vocabulary: Vocabulary, settings: ModelSettings, field: int) -> Shapes:
    voices, width, size = Voices.of(vocabulary, field).number, settings.head_size, vocabulary.sizes[field]
    shapes: Shapes = {
        "trunk": (voices, settings.hidden_size + settings.embedding_size, width),
        "trunk_bias": (voices, width),
        "known.weight": (voices * sum(known_sizes(vocabulary, settings.features, field)), width),
        "inner.weight": (width, width),
        "inner.bias": (width,),
        "output": (voices, width, size),
        "output_bias": (voices, size),
        "copy": (voices, width, 1),
        "copy_bias": (voices, 1),
    }
    to = related(vocabulary, settings.intervals) if field == VALUE else ()
    shapes |= {"interval": (voices, width, len(to) * (2 * MAX_INTERVAL + 1))} if to else {}
    harmony = above(vocabulary, settings.intervals) if field == VALUE else {}
    shapes |= {"degree": (voices, width, len(harmony) * DEGREES)} if harmony else {}
    sounding = Sounding.of(vocabulary, settings.intervals) if field == VALUE else None
    shapes |= {"sounding": (voices, width, OCTAVE)} if sounding else {}
    states = len(of_parts(vocabulary, settings.features)) * STATES if field == KIND else 0
    shapes |= {"plays": (voices, width, states)} if states else {}
    has_relations = settings.relations and field == VALUE and relates(vocabulary)
    return shapes | ({"relation": (voices, len(RELATIONS))} if has_relations else {})
