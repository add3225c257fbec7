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


class Learner:
    """A network while it learns, window after window.

    Parameters
    ----------
    music
        Whose training pieces are learnt.
    run
        How.
    """

    def __init__(self, music: Music, run: Run) -> None:
        torch.manual_seed(run.seed)
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.model = MelodyNetwork(music.vocabulary, run.shape)
        begin(self.model, run.learning)
        self.model.to(self.device).train()
        matrices, others = ([p for p in self.model.parameters() if (p.ndim > 1) is is_matrix] for is_matrix in (True, False))
        groups = [{"params": matrices, "weight_decay": run.weight_decay}, {"params": others, "weight_decay": 0.0}]
        self._optimizer = torch.optim.AdamW(groups, lr=run.rate, betas=(0.9, 0.99))
        self._batches = Batches(music.vocabulary, music.train, run.batch, run.seed)
        self._learning = run.learning
        self._state: State | None = None

    def windows(self) -> Iterator[Batch]:
        """The windows to learn from, without end."""
        for epoch in count():
            yield from self._batches.epoch(epoch)

    def step(self, window: Batch, rate: float) -> tuple[torch.Tensor, int]:
        """Learn from a window with a learning rate; gives its nats, all together, as they were before, and its events."""
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        inputs, targets, mask = (torch.from_numpy(array).to(self.device) for array in window[:3])
        before = self._state
        is_new = window.first or before is None or not self._learning.carries_state
        state = None if is_new or before is None else first_streams(before, len(inputs))
        nats, (_, after) = window_loss(self.model, inputs, targets, mask, state)
        self._state = {name: array.detach() for name, array in after.items()}
        self._optimizer.zero_grad()
        events = int(mask.sum())
        torch.autograd.backward(nats / events)
        if self._learning.clip_norm is not None:
            nn.utils.clip_grad_norm_(self.model.parameters(), self._learning.clip_norm)
        self._optimizer.step()
        return nats.detach(), events


def learn(music: Music, run: Run, on_step: Callable[[float, MelodyNetwork], None] | None = None) -> Learnt:
    """Let a network learn.

    Parameters
    ----------
    music
        Whose training pieces are learnt.
    run
        How.
    on_step
        Called with the share of the time that is gone, and the network as it is; its own time is not counted.
    """
    learner = Learner(music, run)
    notes, begun = 0, _work(learner.device)
    for window in learner.windows():
        share = (_work(learner.device) - begun) / run.seconds
        if share >= 1:
            break
        rate = run.rate * min((share + 1e-3) / WARM_UP, 0.5 * (1 + math.cos(math.pi * share)) + 1e-3)
        notes += learner.step(window, rate)[1]
        if on_step:
            before = _work(learner.device)
            on_step(share, learner.model)
            learner.model.train()
            begun += _work(learner.device) - before
    return Learnt(learner.model.to("cpu").eval(), notes / max(_work(learner.device) - begun, 1e-9))


def begin(model: MelodyNetwork, learning: Learning) -> None:
    """Take from the start of a network what a variant does without."""
    for name, parameter in model.recurrent.named_parameters():
        if not learning.opens_forget_gates and "bias" in name:
            nn.init.zeros_(parameter)
        if not learning.begins_orthogonal and name.startswith("weight"):
            nn.init.uniform_(parameter, -(model.settings.hidden_size**-0.5), model.settings.hidden_size**-0.5)


def _work(device: torch.device) -> float:
    """Seconds of work so far."""
    if device.type == "cuda":
        torch.cuda.synchronize()
        return time.perf_counter()
    return time.process_time() / torch.get_num_threads()
