"""Learning nothing but the state that a model begins from: a style, from five tunes or more.

The state has a thousand numbers where the model has millions, so a handful of tunes cannot be learnt by heart, and it takes
a minute. The gradient goes through the first events of each tune to its beginning; all weights stay as they are. The state
is kept that predicts the validation tunes best; where there are none, the one after all steps.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from melody.dataset import with_features
from melody.errors import TrainingError
from melody.evaluation.evaluate import restored
from melody.evaluation.heldout import fitted_rows
from melody.files import FileError
from melody.modelfile import ModelFile
from melody.models import STYLE, Style
from melody.network.network import MelodyNetwork
from melody.tokens.vocabulary import Rows, Vocabulary
from melody.training.paths import default_out

if TYPE_CHECKING:
    from melody.corpus import Corpus

EVENTS = 256  # of each tune, from its beginning: what the state is for is over by then
STEPS, EVERY, PATIENCE = 120, 8, 4  # steps; between two looks at the validation tunes; looks without a better one
AT_ONCE = 16  # tunes a step
RATE, DECAY = 0.02, 1e-3


@dataclass(frozen=True)
class Learned:
    """A style, and what it brings.

    Parameters
    ----------
    style
        The state.
    tunes
        On how many it was learned.
    before, after
        Nats a note in the first 256 events of the tunes that it was chosen on, from zeros and from the state.
    measured_on
        'valid', or 'train' where there is no validation tune.
    """

    style: Style
    tunes: int
    before: float
    after: float
    measured_on: str


def learn_state(
    file: ModelFile,
    corpus: Corpus,
    *,
    steps: int = STEPS,
    learning_rate: float = RATE,
    seed: int = 0,
    on_step: Callable[[float], None] | None = None,
) -> Learned:
    """Learn the initial state of a model from a corpus.

    Parameters
    ----------
    file
        The model.
    corpus
        The tunes, prepared on the model's grid.
    steps
        Of the optimizer, 1 or more.
    learning_rate
        Of Adam.
    seed
        Of the order of the tunes.
    on_step
        Called with the share done.

    Raises
    ------
    TrainingError
        If no tune can be read by the model, or it remembers events, as attention does, and has no beginning to learn.
    """
    model = restored(file).requires_grad_(False)
    begun = model.cell.begin(1)
    if set(begun) != set(model.cell.layered_arrays()):
        raise TrainingError(
            f"{file.name} remembers events besides its state, so that it has no beginning to learn; leave out `only`"
        )
    train, valid = (fitted_rows(file, corpus, split) for split in ("train", "valid"))
    if not train:
        raise TrainingError("the model can read not one of the tunes to train on; give it tunes of its kind")
    shape = (model.settings.num_layers, 1, model.settings.hidden_size)
    model.initial = {name: torch.zeros(shape, requires_grad=True) for name in begun}
    optimizer = torch.optim.Adam(model.initial.values(), lr=learning_rate, weight_decay=DECAY)
    rng, checked = np.random.default_rng(seed), valid or train
    before = best = nats_at_beginning(model, file.vocabulary, checked)
    kept, waited = _values(model), 0
    for step in range(steps):
        some = [train[i] for i in rng.permutation(len(train))[:AT_ONCE]]
        loss, notes = _loss(model, file.vocabulary, some)
        optimizer.zero_grad()
        torch.autograd.backward(loss / notes)
        optimizer.step()
        if on_step:
            on_step((step + 1) / steps)
        if (step + 1) % EVERY and step + 1 < steps:
            continue
        now = nats_at_beginning(model, file.vocabulary, checked)
        if not math.isfinite(now):
            raise TrainingError("the loss is no number any more; try a lower `learning_rate`")
        waited = 0 if now < best else waited + 1
        kept, best = (_values(model), now) if now < best else (kept, best)
        if waited == PATIENCE:
            break
    name = "valid" if valid else "train"
    facts = {"tunes": len(train), "before": before, "after": best, "measured_on": name}
    return Learned(Style(file.name, file.fingerprint, kept, facts), len(train), before, best, name)


def _values(model: MelodyNetwork) -> dict[str, np.ndarray]:
    """The state as it is now, as a style has it."""
    assert model.initial is not None
    return {name: tensor.detach().numpy().reshape(-1).copy() for name, tensor in model.initial.items()}


def nats_at_beginning(model: MelodyNetwork, vocabulary: Vocabulary, tunes: Sequence[Rows]) -> float:
    """Nats a note in the first 256 events of tunes."""
    with torch.no_grad():
        found = [_loss(model, vocabulary, tunes[i : i + AT_ONCE]) for i in range(0, len(tunes), AT_ONCE)]
    return float(sum(nats for nats, _ in found)) / max(sum(notes for _, notes in found), 1)


def _loss(model: MelodyNetwork, vocabulary: Vocabulary, tunes: Sequence[Rows]) -> tuple[torch.Tensor, int]:
    """Total nats of the beginnings of tunes, and how many notes they have."""
    rows = [np.asarray(tune)[:EVENTS] for tune in tunes]
    longest = max(map(len, rows))
    events = [np.pad(with_features(vocabulary, each), ((0, longest - len(each)), (0, 0))) for each in rows]
    given = torch.from_numpy(np.stack(events))
    mask = torch.from_numpy(np.arange(longest) < np.array([[len(each)] for each in rows]))
    nats = model.nats(model(given[:, :-1])[0], given[:, 1:], mask).sum()
    return nats, sum(int(vocabulary.is_note(each).sum()) for each in rows)


def learned_style(
    file: ModelFile, corpus: Corpus, folder: Path, out: Path | None, *, seed: int = 0, force: bool = False
) -> Path:
    """Learn a style and write it; the file.

    Raises
    ------
    TrainingError, melody.files.FileError
        As of `learn_state`; if the file is there, or cannot be written.
    """
    path = style_path(folder, out)
    if os.path.lexists(path) and not force:
        raise FileError(f"{path} is there already; name another file, or replace it with `force=True`")
    learn_state(file, corpus, seed=seed).style.save(path)
    return path


def style_path(folder: Path, out: Path | None) -> Path:
    """Where a style is written: what was named, or checkpoints/FOLDER.style."""
    path = default_out(folder, "style", STYLE) if out is None else out
    if path.suffix != STYLE:
        raise TrainingError(f"the style would be written to {path}; name a file ending in {STYLE}")
    return path
