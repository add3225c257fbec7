"""The model as Lightning sees it: one window is one step, and the state goes on from window to window."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from melody.dataset import Batch, Batches
from melody.model import MelodyLSTM, State
from melody.training.settings import TrainingSettings

Tensors = tuple[Tensor, Tensor, Tensor, bool]


class Loader:
    """Windows as tensors, one epoch for each time it is iterated."""

    def __init__(self, batches: Callable[[], Iterator[Batch]]) -> None:
        self._batches = batches

    def __iter__(self) -> Iterator[Tensors]:
        for inputs, targets, mask, first in self._batches():
            yield torch.from_numpy(inputs), torch.from_numpy(targets), torch.from_numpy(mask), first


class Module(pl.LightningModule):
    """The thin wrapping.

    Parameters
    ----------
    model
        To train.
    settings
        Learning rate and weight decay.
    steps
        Optimizer steps until the learning rate is down.
    kept
        What else a checkpoint needs to go on, as plain data: called when one is written.
    """

    def __init__(
        self, model: MelodyLSTM, settings: TrainingSettings, steps: int, kept: Callable[[], Mapping[str, Any]]
    ) -> None:
        super().__init__()
        self.model = model
        self._settings, self._steps, self._kept = settings, steps, kept
        self._state: State | None = None
        self._nats: list[Tensor] = []

    def training_step(self, batch: Tensors, index: int) -> Tensor:
        return self._window(batch)

    def validation_step(self, batch: Tensors, index: int) -> None:
        self._window(batch)

    def _window(self, batch: Tensors) -> Tensor:
        inputs, targets, mask, first = batch
        going = len(inputs)
        state = None if first or self._state is None else (self._state[0][:, :going], self._state[1][:, :going])
        hidden, (h, c) = self.model(inputs, (state[0].contiguous(), state[1].contiguous()) if state else None)
        self._state = (h.detach(), c.detach())
        nats = self.model.nats(hidden, targets, mask).sum()
        self._nats.append(nats.detach())
        return nats / mask.sum()

    def take_nats(self) -> float:
        """Total nats since the last call."""
        total = float(torch.stack(self._nats).sum()) if self._nats else 0.0
        self._nats = []
        return total

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["random"] = torch.get_rng_state()
        checkpoint.update(self._kept())

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        torch.set_rng_state(checkpoint["random"])

    def configure_optimizers(self) -> Any:
        settings, steps = self._settings, self._steps
        matrices = [p for p in self.parameters() if p.ndim > 1]
        others = [p for p in self.parameters() if p.ndim == 1]
        groups = [{"params": matrices, "weight_decay": settings.weight_decay}, {"params": others, "weight_decay": 0.0}]
        optimizer = torch.optim.AdamW(groups, lr=settings.learning_rate, betas=(0.9, 0.99))
        warmup = min(100, steps // 10 + 1)

        def share(step: int) -> float:
            return min((step + 1) / warmup, 0.5 * (1 + math.cos(math.pi * min(step / steps, 1)))) + 1e-3

        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, share)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


def nats_per_note(model: MelodyLSTM, batches: Batches) -> float:
    """Nats per note of a model on pieces, END and changes included, the state carried through each piece."""
    model.eval()
    total, state = 0.0, None
    with torch.inference_mode():
        for inputs, targets, mask, first in Loader(lambda: batches.epoch(0)):
            before = None if first or state is None else tuple(s[:, : len(inputs)].contiguous() for s in state)
            hidden, state = model(inputs, before)
            total += float(model.nats(hidden, targets, mask).sum())
    return total / max(batches.num_notes, 1)
