"""The model as Lightning sees it: one window is one step, and the state goes on from window to window.

Where several processes train, each draws the same windows and takes every n-th piece of them, so that they see together what
one process would see alone, and a state stays with its process. The loss of each is its share of the whole window's, times
the number of processes, as Lightning averages the gradients.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from melody.dataset import Batch
from melody.network.gap_reading import Gaps
from melody.network.network import MelodyNetwork, State, first_streams
from melody.tokens.usage import FIRST_PART
from melody.tokens.vocabulary import KIND, VALUE, Vocabulary
from melody.training.records import Plan

Tensors = tuple[Tensor, Tensor, Tensor, bool, Gaps | None]
_EVERY = 4  # steps from which one goes into the average


class Loader:
    """Windows as tensors, one epoch for each time it is iterated."""

    def __init__(self, batches: Callable[[], Iterator[Batch]]) -> None:
        self._batches = batches

    def __iter__(self) -> Iterator[Tensors]:
        for inputs, targets, mask, first, gaps in self._batches():
            tensors = None if gaps is None else Gaps(*map(torch.from_numpy, gaps))
            yield torch.from_numpy(inputs), torch.from_numpy(targets), torch.from_numpy(mask), first, tensors


def window_loss(
    model: MelodyNetwork, inputs: Tensor, targets: Tensor, mask: Tensor, state: State | None
) -> tuple[Tensor, tuple[Tensor, State]]:
    """Total nats of a window; hidden states (batch, time, hidden) and the state to go on with, for who needs them.

    Under autocast the products are of 16 bits, the nats of their results of 32 (`MelodyNetwork.nats`).
    """
    hidden, state = model(inputs, state)
    return model.nats(hidden, targets, mask).sum(), (hidden, state)


class Module(pl.LightningModule):
    """The thin wrapping.

    Parameters
    ----------
    model
        To train.
    vocabulary
        Of its events.
    plan
        Gives the plan, for the learning rate and the weight decay.
    steps
        Gives the number of optimizer steps until the learning rate is down.
    kept
        What else a checkpoint needs to go on, as plain data: called when one is written.
    averaging
        Share of those steps over which the weights are averaged.

    Attributes
    ----------
    model
        What learns.
    average
        The model with the mean of its weights over the last steps (exponentially weighted, Polyak and Juditsky 1992): what
        is validated and kept.
    """

    def __init__(
        self,
        model: MelodyNetwork,
        vocabulary: Vocabulary,
        plan: Callable[[], Plan],
        steps: Callable[[], int],
        kept: Callable[[], Mapping[str, Any]],
        averaging: float = 0.0,
    ) -> None:
        super().__init__()
        self.model = model
        self.average = deepcopy(model).requires_grad_(False)
        self._averaging = averaging
        self._first_pitch, self._values = vocabulary.first_pitch, vocabulary.sizes[VALUE]
        self._plan, self._count_steps, self._kept = plan, steps, kept
        self.steps = 1  # until the learning rate is down; more or fewer where the plan changes under way
        self._state: State | None = None
        self._nats: list[Tensor] = []
        self._pitches: list[Tensor] = []

    def training_step(self, batch: Tensors, index: int) -> Tensor:
        """The loss of a window."""
        loss, _ = self._window(self.model, batch)
        return loss

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Take the new weights into the average: all of them in the first steps, when the old ones are worth nothing."""
        number, rest = divmod(self.trainer.global_step, _EVERY)
        share = max(_EVERY / max(self._averaging * self.steps, _EVERY), 10 / (number + 9))
        if rest and share < 1:
            return
        with torch.no_grad():
            torch._foreach_lerp_(list(self.average.parameters()), list(self.model.parameters()), min(share, 1.0))

    def validation_step(self, batch: Tensors, index: int) -> None:
        """Count the nats of a window, and the pitches that the averaged weights guess."""
        _, hidden = self._window(self.average, batch)
        targets, mask = self._share(batch[1]), self._share(batch[2])
        if VALUE not in self.model.predicted:
            return
        guesses = self.average.logits(hidden, targets)[VALUE].argmax(dim=-1)
        notes = mask & (targets[..., KIND] >= FIRST_PART) & (targets[..., VALUE] >= self._first_pitch)  # no rests
        guessed, real = guesses[notes], targets[..., VALUE][notes]
        counts = [torch.bincount(values, minlength=self._values) for values in (guessed, real, real[guessed == real])]
        self._pitches.append(torch.stack(counts))

    def _window(self, model: MelodyNetwork, batch: Tensors) -> tuple[Tensor, Tensor]:
        """Loss and hidden states of our share of a window."""
        inputs, targets, mask, first, gaps = batch
        ours = self._share(inputs)
        state = None
        if self._state is not None and not first:
            state = first_streams(self._state, len(ours))
        nats, (hidden, state) = window_loss(model, ours, self._share(targets), self._share(mask), state)
        self._state = {name: array.detach() for name, array in state.items()}
        self._nats.append(nats.detach())
        if gaps is not None:
            own = gaps.of_rows(self.global_rank, self.trainer.world_size)
            nats = nats + model.nats_in_gaps(hidden, self._share(targets), own).sum()
        return nats * self.trainer.world_size / mask.sum(), hidden

    def _share(self, tensor: Tensor) -> Tensor:
        """Every n-th piece of a window; where there are fewer pieces than processes, one that counts nothing."""
        world = self.trainer.world_size
        ours = tensor[self.global_rank :: world]
        return ours if len(ours) else torch.zeros_like(tensor[:1])

    def is_going(self) -> bool:
        """Whether the last loss is a number."""
        return not self._nats or math.isfinite(float(self._nats[-1]))

    def take_nats(self) -> float:
        """Total nats of all processes since the last call."""
        total = self._of_all(torch.stack(self._nats).double().sum()) if self._nats else 0.0
        self._nats = []
        return float(total)

    def take_pitches(self) -> dict[str, float]:
        """Of the notes of the last validation: how many pitches were right, and the share of the most frequent pitch."""
        if not self._pitches:
            return {"pitch_right": 1.0, "guessed_share": 0.0, "real_share": 0.0}
        guessed, real, right = self._of_all(torch.stack(self._pitches).sum(dim=0)).double().cpu()
        self._pitches = []
        notes = max(float(real.sum()), 1.0)
        shares = {"pitch_right": right.sum(), "guessed_share": guessed.max(), "real_share": real.max()}
        return {name: float(count) / notes for name, count in shares.items()}

    def _of_all(self, counts: Tensor) -> Tensor:
        """The sum over all processes."""
        if self.trainer.world_size == 1:
            return counts
        return torch.as_tensor(self.all_gather(counts)).sum(dim=0)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the state of the random numbers and what `kept` gives."""
        checkpoint["random"] = torch.get_rng_state()
        checkpoint.update(self._kept())

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take the random numbers up where they were."""
        torch.set_rng_state(checkpoint["random"])
        if self.global_rank:  # the first process has saved its own; the others' dropout must differ from it
            torch.manual_seed(int(torch.randint(2**31, ())) + self.global_rank)

    def configure_gradient_clipping(
        self, optimizer: Any, gradient_clip_val: Any = None, gradient_clip_algorithm: Any = None
    ) -> None:
        """By norm. Lightning refuses to with a fused optimizer in bf16, for the sake of a scaler that only fp16 needs."""
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), gradient_clip_val)

    def configure_optimizers(self) -> Any:
        """AdamW without decay of the biases; the learning rate warms up, then falls along a cosine."""
        matrices = [p for name, p in self.model.named_parameters() if "bias" not in name]
        others = [p for name, p in self.model.named_parameters() if "bias" in name]
        decay = self._plan().weight_decay
        groups = [{"params": matrices, "weight_decay": decay}, {"params": others, "weight_decay": 0.0}]
        optimizer = torch.optim.AdamW(groups, lr=self._plan().learning_rate, betas=(0.9, 0.99), fused=True)
        self.steps = self._count_steps()

        def share(step: int) -> float:
            warmup = min(100, self.steps // 10 + 1)  # of the steps that are planned now, as in a run that goes on
            return min((step + 1) / warmup, 0.5 * (1 + math.cos(math.pi * min(step / self.steps, 1)))) + 1e-3

        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, share)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}
