"""What is compared: cells, what stands around them, and an LSTM without one of the things that are held to matter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from melody.dataset import BatchSettings
from melody.errors import TrainingError
from melody.network.cells import CELLS
from melody.network.settings import ModelSettings, num_weights
from melody.tokens.vocabulary import Vocabulary

STEP = 8  # by which widths differ


@dataclass(frozen=True)
class Learning:
    """What a variant may change of how it learns.

    Parameters
    ----------
    clip_norm
        Gradients are scaled down to this norm; None does not (Pascanu et al. 2013).
    carries_state
        Whether the state goes on from window to window.
    opens_forget_gates
        Whether forget gates begin open (Jozefowicz et al. 2015).
    begins_orthogonal
        Whether recurrent weights begin orthogonal (Saxe et al. 2014), or else as torch has them.
    """

    clip_norm: float | None = 1.0
    carries_state: bool = True
    opens_forget_gates: bool = True
    begins_orthogonal: bool = True


@dataclass(frozen=True)
class Variant:
    """One row of a comparison.

    Parameters
    ----------
    name
        As it is asked for.
    title
        As it stands in the table.
    shape, batch
        What differs in the `ModelSettings` and in the `BatchSettings`.
    learning
        How it learns.
    """

    name: str
    title: str
    shape: Mapping[str, Any] = field(default_factory=dict)
    batch: Mapping[str, Any] = field(default_factory=dict)
    learning: Learning = Learning()


_UNDROPPED = {"dropout": 0.0, "weight_dropout": 0.0, "feature_dropout": 0.0, "head_dropout": 0.0}
_OTHERS = (
    Variant("conv", "convolution before an LSTM", {"front": "conv"}),
    Variant("attention", "LSTM with attention to 32 events", {"attention": 32}),
    Variant("plain", "LSTM without features", {"features": "none", "intervals": "none"}),
)
_WITHOUT = (
    Variant("no-clipping", "LSTM, gradients not clipped", learning=Learning(clip_norm=None)),
    Variant("no-forget-bias", "LSTM, forget gates begin half open", learning=Learning(opens_forget_gates=False)),
    Variant("no-orthogonal", "LSTM, weights begin as torch has them", learning=Learning(begins_orthogonal=False)),
    Variant("no-dropout", "LSTM, nothing left out", _UNDROPPED),
    Variant("no-transposition", "LSTM, in the written keys alone", batch={"transpositions": (0, 0)}),
    Variant("no-carried-state", "LSTM, each window from nothing", learning=Learning(carries_state=False)),
    *(Variant(f"window-{n}", f"LSTM, windows of {n}", batch={"window": n}) for n in (16, 32, 128, 256, 512)),
)
KINDS = {name: Variant(name, cell.title, {"cell": name}) for name, cell in CELLS.items()} | {v.name: v for v in _OTHERS}
ABLATIONS = {variant.name: variant for variant in _WITHOUT}
VARIANTS: Mapping[str, Variant] = KINDS | ABLATIONS
DEFAULT = ("lstm", "gru", "rnn", "peephole", "minlstm", "slstm", "transformer", "plain")


def chosen(names: Sequence[str]) -> list[Variant]:
    """The variants of these names, each once.

    Raises
    ------
    TrainingError
        If there is none of a name, or no name at all.
    """
    for name in names:
        if name not in VARIANTS:
            raise TrainingError(f"there is no variant {name[:40]!r}; there are {', '.join(VARIANTS)}")
    if not names:
        raise TrainingError(f"no variant is named; there are {', '.join(VARIANTS)}")
    return [VARIANTS[name] for name in dict.fromkeys(names)]


def sized(vocabulary: Vocabulary, variant: Variant, reference: ModelSettings, is_plain: bool = False) -> ModelSettings:
    """The shape of a variant of as many weights as a reference, by the width of its layers.

    Parameters
    ----------
    vocabulary
        Of the events.
    variant
        Which one.
    reference
        The shape of the LSTM beside which it stands; its embedding and its heads are as wide.
    is_plain
        Whether no variant reads features.
    """
    plain: dict[str, Any] = {"features": "none", "intervals": "none", "relations": False} if is_plain else {}
    wanted = num_weights(vocabulary, replace(reference, **plain))
    shape = replace(reference, **{**variant.shape, **plain})
    if shape.features == "none":
        shape = replace(shape, relations=False)
    low, high = 1, 1
    while num_weights(vocabulary, replace(shape, hidden_size=STEP * high)) < wanted:
        high *= 2
    while low < high:
        middle = (low + high) // 2
        if num_weights(vocabulary, replace(shape, hidden_size=STEP * middle)) < wanted:
            low = middle + 1
        else:
            high = middle
    near = [replace(shape, hidden_size=STEP * width) for width in (max(low - 1, 1), low)]
    return min(near, key=lambda one: abs(num_weights(vocabulary, one) - wanted))


def batch_of(variant: Variant, default: BatchSettings) -> BatchSettings:
    """The batches of a variant."""
    return replace(default, **variant.batch)
