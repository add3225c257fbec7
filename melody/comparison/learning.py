"""One run: a network learns for so many seconds of work. A bare loop, so that nothing but the network differs.

Time is that of the processor divided by the threads, which another program beside it does not prolong; on a GPU the clock's.
The learning rate warms up and falls along a cosine over the time that there is, as in `melody.training.module`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import NamedTuple

import torch
from torch import nn

from melody.comparison.variants import Learning
from melody.dataset import Batch, Batches, BatchSettings
from melody.network.network import MelodyNetwork, State, first_streams
from melody.network.settings import ModelSettings
from melody.tokens.vocabulary import Rows, Vocabulary
from melody.training.module import window_loss

WARM_UP = 0.02  # of the time
RATES = (5e-4, 1e-3, 2e-3, 4e-3, 8e-3)  # among which that of a variant is found


class Music(NamedTuple):
    """What is learnt from, what is chosen on, what is measured on: events of each piece."""

    vocabulary: Vocabulary
    train: list[Rows]
    valid: list[Rows]
    test: list[Rows]

    def notes(self, pieces: list[Rows]) -> list[int]:
        """How many notes each piece has."""
        return [int(self.vocabulary.is_note(rows).sum()) for rows in pieces]


@dataclass(frozen=True)
class Run:
    """What a run is: the same one, on the same machine, learns as much.

    Parameters
    ----------
    shape, batch, learning
        Of the network, of the windows, and how it learns.
    rate
        Highest learning rate.
    seconds
        Of work.
    seed
        Of weights, order and dropout.
    weight_decay
        Of AdamW.
    """

    shape: ModelSettings
    batch: BatchSettings
    learning: Learning
    rate: float
    seconds: float
    seed: int = 0
    weight_decay: float = 0.01


class Learnt(NamedTuple):
    """What came of a run: the network, and how many notes a second of work it went through."""

    model: MelodyNetwork
    notes_per_second: float


def learn(music: Music, run: Run, on_share: Callable[[float], None] | None = None) -> Learnt:
    """Let a network learn.

    Parameters
    ----------
    music
        Whose training pieces are learnt.
    run
        How.
    on_share
        Called with the share of the time that is gone.
    """
    torch.manual_seed(run.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = MelodyNetwork(music.vocabulary, run.shape)
    begin(model, run.learning)
    model.to(device).train()
    matrices, others = [p for p in model.parameters() if p.ndim > 1], [p for p in model.parameters() if p.ndim <= 1]
    groups = [{"params": matrices, "weight_decay": run.weight_decay}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=run.rate, betas=(0.9, 0.99))
    batches = Batches(music.vocabulary, music.train, run.batch, run.seed)
    state: State | None = None
    notes, begun = 0, _work(device)
    for window in _endless(batches):
        share = (_work(device) - begun) / run.seconds
        if share >= 1:
            break
        for group in optimizer.param_groups:
            group["lr"] = run.rate * min((share + 1e-3) / WARM_UP, 0.5 * (1 + math.cos(math.pi * share)) + 1e-3)
        inputs, targets, mask = (torch.from_numpy(array).to(device) for array in window[:3])
        state = (
            None if window.first or state is None or not run.learning.carries_state else first_streams(state, len(inputs))
        )
        nats, (_, after) = window_loss(model, inputs, targets, mask, state)
        state = {name: array.detach() for name, array in after.items()}
        optimizer.zero_grad()
        torch.autograd.backward(nats / mask.sum())
        if run.learning.clip_norm is not None:
            nn.utils.clip_grad_norm_(model.parameters(), run.learning.clip_norm)
        optimizer.step()
        notes += int(mask.sum())
        if on_share:
            on_share(share)
    return Learnt(model.to("cpu").eval(), notes / max(_work(device) - begun, 1e-9))


def begin(model: MelodyNetwork, learning: Learning) -> None:
    """Take from the start of a network what a variant does without."""
    for name, parameter in model.recurrent.named_parameters():
        if not learning.opens_forget_gates and "bias" in name:
            nn.init.zeros_(parameter)
        if not learning.begins_orthogonal and name.startswith("weight"):
            nn.init.uniform_(parameter, -(model.settings.hidden_size**-0.5), model.settings.hidden_size**-0.5)


def _endless(batches: Batches) -> Iterator[Batch]:
    for epoch in count():
        yield from batches.epoch(epoch)


def _work(device: torch.device) -> float:
    """Seconds of work so far."""
    if device.type == "cuda":
        torch.cuda.synchronize()
        return time.perf_counter()
    return time.process_time() / torch.get_num_threads()
